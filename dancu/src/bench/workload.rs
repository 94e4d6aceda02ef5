//! What the measurements submit: offices, persons, households.

use super::expect_accepted;
use crate::commands::units;
use anyhow::{Context, Result};
use command_service::service::Handle;
use command_service::{CommandGateway, Submitter};
use event_schemas::CommandEnvelope;
use event_schemas::command::{Command, EnrolHousehold, EnrolPerson, RegisterOffice};
use event_schemas::examples::example;
use event_schemas::ids::{CommandId, OfficeId, OfficerId};
use event_schemas::place::{Area, OfficeKind, Place, UnitCode};
use event_schemas::text::Text;
use event_schemas::time::Date;
use uuid::Uuid;

const OPERATOR: Submitter = Submitter { office: OfficeId(0), officer: OfficerId(1) };
/// The office that submits.
pub const OFFICE: Submitter = Submitter { office: OfficeId(1), officer: OfficerId(1) };
const WARD: &str = "00001";
/// Persons of each household: two of age, two children.
pub const HOUSEHOLD_PERSONS: u32 = 4;

/// Makes different enrolments, one after the other.
#[derive(Default)]
pub struct Enrolments {
    made: u32,
}

impl Enrolments {
    pub fn take(&mut self, count: u32) -> Vec<CommandEnvelope> {
        (0..count).map(|_| self.next_one()).collect()
    }

    fn next_one(&mut self) -> CommandEnvelope {
        self.made += 1;
        let mut envelope = example("enrol_person").expect("there is an example of every kind");
        envelope.command_id = CommandId::from(Uuid::new_v4());
        let Command::EnrolPerson(EnrolPerson { person, residence, household, .. }) = &mut envelope.command
        else {
            return envelope;
        };
        person.identity.names.given = numbered(self.made);
        *household = None;
        *residence = Some(ward());
        envelope
    }
}

/// Makes different households of [`HOUSEHOLD_PERSONS`].
#[derive(Default)]
pub struct Households {
    made: u32,
}

impl Households {
    /// The next ones.
    pub fn take(&mut self, count: u32) -> Vec<CommandEnvelope> {
        (0..count).map(|_| self.next_one()).collect()
    }

    fn next_one(&mut self) -> CommandEnvelope {
        self.made += 1;
        let mut envelope = example("enrol_household").expect("there is an example of every kind");
        envelope.command_id = CommandId::from(Uuid::new_v4());
        let Command::EnrolHousehold(EnrolHousehold { members, place, file_number, .. }) =
            &mut envelope.command
        else {
            return envelope;
        };
        let youngest = members.last().cloned();
        members.extend(youngest);
        *place = ward();
        *file_number = None;
        for member in members {
            // Numbers and papers are of one person each.
            member.person.pin = None;
            member.person.data.documents.clear();
            member.person.identity.names.given = numbered(self.made);
        }
        envelope
    }
}

fn numbered(number: u32) -> Text<80> {
    Text::new(&format!("Số {number}")).expect("a short name")
}

fn ward() -> Place<UnitCode> {
    Place::in_unit(WARD.parse().expect("a ward's code"))
}

/// Establishes the units, and registers the office that enrols.
pub async fn prepare(gateway: &Handle) -> Result<()> {
    let mut commands = units::envelopes();
    let opened_on = Date::new(2004, 7, 8)?;
    let office = RegisterOffice {
        office: OFFICE.office,
        name: Text::new("Trung tâm dữ liệu quốc gia về dân cư")?,
        kind: OfficeKind::National,
        areas: vec![Area::Nation],
        opened_on,
    };
    let mut envelope = example("register_office").context("there is an example of every kind")?;
    envelope.command_id = CommandId::from(Uuid::new_v4());
    envelope.command = Command::RegisterOffice(office);
    commands.push(envelope);
    gateway.submit_many(OPERATOR, commands).await.into_iter().try_for_each(expect_accepted)
}
