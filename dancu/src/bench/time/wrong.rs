//! What is corrected: households that an import has given the wrong ward.

use super::super::driving::by_decision;
use crate::reading::each_admitted;
use crate::service::Running;
use anyhow::{Context, Result, ensure};
use event_schemas::CommandEnvelope;
use event_schemas::command::{Command, Correct};
use event_schemas::correction::{Edit, StatedFact};
use event_schemas::event::{Event, EventBody};
use event_schemas::ids::{EventAddress, UnitId};
use event_schemas::place::{Place, UnitCode};
use event_schemas::record::{AdmittedEntry, EntryBody};
use event_schemas::text::Text;
use std::ops::ControlFlow;

/// The household's place, and the residence of each of four members.
pub const EDITS_OF_HOUSEHOLD: usize = 5;

/// Edits that belong together.
pub type Item = Vec<Edit>;

/// Every household, and the edits that put it into the ward after its own.
pub struct Wrong {
    pub items: Vec<Item>,
}

impl Wrong {
    /// Of all enrolments in the log.
    pub fn of(running: &Running, wards: &[UnitCode], households: u32) -> Result<Self> {
        let view = running.views.current();
        let day = view.read().day()?.context("a registry has a day")?;
        let unit = |code: &UnitCode| view.read().unit_by_code(*code, day)?.context("a ward is established");
        let units = wards.iter().map(unit).collect::<Result<Vec<UnitId>>>()?;
        let mut items = Vec::with_capacity(households as usize);
        each_admitted(&*running.source(), |entry| {
            // The first household, number 1, is in the second ward.
            items.extend(edits(entry, units[(items.len() + 2) % units.len()]));
            Ok(ControlFlow::Continue(()))
        })?;
        ensure!(items.len() == households as usize, "{} of {households} households are found", items.len());
        ensure!(items.iter().all(|item| item.len() == EDITS_OF_HOUSEHOLD), "a household has other members");
        Ok(Self { items })
    }
}

/// One correction as a command of its own.
pub fn correct(item: &Item) -> Result<CommandEnvelope> {
    let reason = Text::new("mã phường sai khi nhập dữ liệu")?;
    let correct = Correct { edits: item.clone(), reason, expects_digest: None };
    Ok(by_decision(Command::Correct(correct)))
}

/// None of what enrols no household.
fn edits(entry: &AdmittedEntry, to: UnitId) -> Option<Item> {
    let EntryBody::Record(record) = &entry.body else { return None };
    let Command::EnrolHousehold(_) = &record.command.command else { return None };
    let events = (0..).zip(&record.changes.events);
    let edit = |(index, event): (u32, &Event)| {
        let body = moved(&event.body, to)?;
        let fact = StatedFact { effective_on: event.effective_on, body };
        Some(Edit::Amend { event: EventAddress { lsn: entry.lsn, index }, to: fact })
    };
    Some(events.filter_map(edit).collect())
}

/// The same fact in another ward; none of what names no place of residence.
fn moved(body: &EventBody, to: UnitId) -> Option<EventBody> {
    let mut body = body.clone();
    match &mut body {
        EventBody::HouseholdFormed(fact) => fact.place = Place::in_unit(to),
        EventBody::PermanentResidenceRegistered(fact) => fact.place = Place::in_unit(to),
        _ => return None,
    }
    Some(body)
}
