//! What the measurements submit: units, an office, households, and then commands of many kinds about them.
//!
//! Ids are handed out in order, so those of the households that were enrolled first are known: household `h` (from 1) has the
//! persons `4h-3` (head), `4h-2` (spouse) and two children.

use super::expect_accepted;
use crate::commands::units;
use anyhow::{Context, Result};
use command_service::service::Handle;
use command_service::{CommandGateway, Submitter};
use event_schemas::CommandEnvelope;
use event_schemas::command::{
    Birth, BirthResidence, ChangeName, Command, EnrolHousehold, EnrolPerson, MovePermanent, Parentage,
    PermanentMove, RegisterOffice, RegisterTemporaryResidence,
};
use event_schemas::examples::example;
use event_schemas::household::Relationship;
use event_schemas::ids::{CommandId, HouseholdId, OfficeId, OfficerId, PersonId};
use event_schemas::kin::{KinRef, ParentKind, ParentLink, ParentRole, Period};
use event_schemas::person::PersonRef;
use event_schemas::place::{Area, OfficeKind, Place, UnitCode};
use event_schemas::text::Text;
use event_schemas::time::{Date, PartialDate};
use futures_util::stream::{self, StreamExt};
use uuid::Uuid;

/// The operator's own office.
pub const OPERATOR: Submitter = Submitter { office: OfficeId(0), officer: OfficerId(1) };
/// The office that submits.
pub const OFFICE: Submitter = Submitter { office: OfficeId(1), officer: OfficerId(1) };
const HOME: &str = "00001";
const ELSEWHERE: &str = "00004";
/// Where people stay for a time: never a home.
const AWAY: &str = "00006";
/// By so many days at most the births of households that are spread lie back.
const OLDER_DAYS: u64 = 7_300;
/// Persons of each household: two of age, two children.
pub const HOUSEHOLD_PERSONS: u32 = 4;
/// Commands handed over together in one process, and how many such parts are under way.
pub const PART_COMMANDS: usize = 1_024;
pub const PARTS_IN_FLIGHT: usize = 16;

/// Commands that come before all others: the units, and the office that submits.
pub fn foundation() -> Result<Vec<(Submitter, CommandEnvelope)>> {
    let mut commands: Vec<_> = units::envelopes().into_iter().map(|envelope| (OPERATOR, envelope)).collect();
    let office = RegisterOffice {
        office: OFFICE.office,
        name: Text::new("Trung tâm dữ liệu quốc gia về dân cư")?,
        kind: OfficeKind::National,
        areas: vec![Area::Nation],
        opened_on: Date::new(2004, 7, 8)?,
    };
    let mut envelope = example("register_office").context("there is an example of every kind")?;
    envelope.command_id = CommandId::from(Uuid::new_v4());
    envelope.command = Command::RegisterOffice(office);
    commands.push((OPERATOR, envelope));
    Ok(commands)
}

/// Establishes the units, and registers the office that enrols.
pub async fn prepare(gateway: &Handle) -> Result<()> {
    let commands = foundation()?.into_iter().map(|(_, envelope)| envelope).collect();
    gateway.submit_many(OPERATOR, commands).await.into_iter().try_for_each(expect_accepted)
}

/// Submits all commands in parts, several under way; every one must be accepted.
pub async fn submit(gateway: &Handle, commands: Vec<CommandEnvelope>) -> Result<()> {
    let mut parts = Vec::with_capacity(commands.len() / PART_COMMANDS + 1);
    let mut commands = commands.into_iter().peekable();
    while commands.peek().is_some() {
        parts.push(commands.by_ref().take(PART_COMMANDS).collect::<Vec<_>>());
    }
    submit_parts(gateway, parts).await
}

/// The same with parts that are made while earlier ones are under way.
pub async fn submit_parts(
    gateway: &Handle,
    parts: impl IntoIterator<Item = Vec<CommandEnvelope>>,
) -> Result<()> {
    let mut answers =
        stream::iter(parts).map(|part| gateway.submit_many(OFFICE, part)).buffered(PARTS_IN_FLIGHT);
    while let Some(answers) = answers.next().await {
        answers.into_iter().try_for_each(expect_accepted)?;
    }
    Ok(())
}

/// The sizes of parts of whole households.
pub fn household_parts(households: u32) -> impl Iterator<Item = u32> {
    let part = PART_COMMANDS as u32 / HOUSEHOLD_PERSONS;
    (0..households.div_ceil(part)).map(move |number| part.min(households - number * part))
}

/// Makes commands, each different from all before it. They are accepted in any registry that begins with [`foundation`] and the
/// households that [`Self::households`] gave first.
pub struct Workload {
    envelope: CommandEnvelope,
    household: EnrolHousehold,
    person: EnrolPerson,
    birth: Birth,
    name: ChangeName,
    today: Date,
    /// Where households are enrolled, in turn; all in one ward if none are named.
    wards: Vec<UnitCode>,
    households: u32,
    made: u32,
}

impl Workload {
    /// `today`: the day that is open.
    pub fn new(today: Date) -> Result<Self> {
        let of = |kind| example(kind).context("there is an example of every kind");
        let (household, person, birth, name) =
            (of("enrol_household")?, of("enrol_person")?, of("birth")?, of("change_name")?);
        let envelope = of("move_permanent")?;
        let (
            Command::EnrolHousehold(household),
            Command::EnrolPerson(person),
            Command::Birth(birth),
            Command::ChangeName(name),
        ) = (household.command, person.command, birth.command, name.command)
        else {
            anyhow::bail!("an example is of another kind than its name");
        };
        let wards = Vec::new();
        Ok(Self { envelope, household, person, birth, name, today, wards, households: 0, made: 0 })
    }

    /// Households live in these wards, one after the other, and are of many ages: totals have many cells.
    pub fn spread_over(self, wards: Vec<UnitCode>) -> Self {
        Self { wards, ..self }
    }

    /// Enrolments of the next households.
    pub fn households(&mut self, count: u32) -> Vec<CommandEnvelope> {
        (0..count).map(|_| self.household()).collect()
    }

    fn household(&mut self) -> CommandEnvelope {
        self.households += 1;
        let mut command = self.household.clone();
        let youngest = command.members.last().cloned();
        command.members.extend(youngest);
        command.place = in_ward(HOME);
        command.file_number = None;
        let mut older_days = 0;
        if !self.wards.is_empty() {
            let ward = self.wards[self.households as usize % self.wards.len()];
            command.place = Place::in_unit(ward);
            older_days = (u64::from(self.households) * 2_654_435_761 % OLDER_DAYS) as i32;
        }
        for member in &mut command.members {
            let birth = &mut member.person.identity.birth;
            *birth = birth.full().map_or(*birth, |day| PartialDate::of_day(day.plus_days(-older_days)));
            // Numbers and papers are of one person each.
            member.person.pin = None;
            member.person.data.documents.clear();
            member.person.identity.names.given = numbered(self.households);
        }
        self.enveloped(Command::EnrolHousehold(command))
    }

    /// Commands of an office's day, in turn: of ten, three moves of households, two births, two changes of name, one
    /// enrolment, two stays.
    pub fn mixed(&mut self, count: u32) -> Vec<CommandEnvelope> {
        (0..count).map(|_| self.next_mixed()).collect()
    }

    fn next_mixed(&mut self) -> CommandEnvelope {
        self.made += 1;
        let made = self.made;
        let command = match made % 10 {
            0..=2 => self.movement(made),
            3 | 4 => self.birth(made),
            5 | 6 => self.change_of_name(made),
            7 => self.enrolment(made),
            _ => self.stay(made),
        };
        self.enveloped(command)
    }

    /// Moves of whole households alone.
    pub fn moves(&mut self, count: u32) -> Vec<CommandEnvelope> {
        let mut commands = Vec::with_capacity(count as usize);
        for _ in 0..count {
            self.made += 1;
            let command = self.movement(self.made);
            commands.push(self.enveloped(command));
        }
        commands
    }

    /// Changes of name alone: whatever is corrected of residence, they hold.
    pub fn names(&mut self, count: u32) -> Vec<CommandEnvelope> {
        let mut commands = Vec::with_capacity(count as usize);
        for _ in 0..count {
            self.made += 1;
            let command = self.change_of_name(self.made);
            commands.push(self.enveloped(command));
        }
        commands
    }

    fn enveloped(&self, command: Command) -> CommandEnvelope {
        CommandEnvelope { command_id: CommandId::from(Uuid::new_v4()), command, ..self.envelope.clone() }
    }

    /// Households in an order without pattern, each in its turn.
    fn household_of(&self, made: u32) -> u32 {
        (u64::from(made) * 2_654_435_761 % u64::from(self.households.max(1))) as u32 + 1
    }

    fn movement(&self, made: u32) -> Command {
        let to = if (made / self.households.max(1)).is_multiple_of(2) { ELSEWHERE } else { HOME };
        let household = HouseholdId(self.household_of(made));
        Command::MovePermanent(MovePermanent {
            effective_on: self.today,
            movement: PermanentMove::WholeHousehold { household, to: in_ward(to) },
            successions: Vec::new(),
        })
    }

    fn birth(&self, made: u32) -> Command {
        let mother = PersonId(HOUSEHOLD_PERSONS * self.household_of(made) - 2);
        let mut command = self.birth.clone();
        command.child.names.given = numbered(made);
        command.child.birth = PartialDate::of_day(self.today);
        command.parentage = Parentage::Parents(vec![ParentLink {
            role: ParentRole::Mother,
            kind: ParentKind::Biological,
            parent: KinRef::Registered(PersonRef::PersonId(mother)),
            period: Period::default(),
        }]);
        command.residence = BirthResidence::Mother(Relationship::Child);
        Command::Birth(command)
    }

    fn change_of_name(&self, made: u32) -> Command {
        let mut command = self.name.clone();
        command.person = PersonRef::PersonId(PersonId(HOUSEHOLD_PERSONS * self.household_of(made) - 1));
        command.names.given = numbered(made);
        command.effective_on = self.today;
        Command::ChangeName(command)
    }

    fn enrolment(&self, made: u32) -> Command {
        let mut command = self.person.clone();
        command.person.pin = None;
        command.person.data.documents.clear();
        command.person.parents.clear();
        command.person.identity.names.given = numbered(made);
        command.household = None;
        command.residence = Some(in_ward(HOME));
        Command::EnrolPerson(command)
    }

    fn stay(&self, made: u32) -> Command {
        Command::RegisterTemporaryResidence(RegisterTemporaryResidence {
            person: PersonRef::PersonId(PersonId(HOUSEHOLD_PERSONS * self.household_of(made))),
            place: in_ward(AWAY),
            household: None,
            from: self.today,
            until: self.today.plus_days(180),
        })
    }
}

fn numbered(number: u32) -> Text<80> {
    Text::new(&format!("Số {number}")).expect("a short name")
}

fn in_ward(code: &str) -> Place<UnitCode> {
    Place::in_unit(code.parse().expect("a ward's code"))
}
