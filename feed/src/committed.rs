//! The facts that an operation's commit brings: they stand in its parts, records before it that changed nothing.

use crate::feeder::FeedError;
use event_log::LogSource;
use event_schemas::event::{Event, EventBody, OperationCommitted, OperationPart, PinIssued};
use event_schemas::ids::{EventAddress, Lsn, PersonId};
use event_schemas::operation::{LeftOut, PartContent, StagedPins};
use event_schemas::record::AdmittedEntry;
use event_schemas::row::RowRef;
use std::collections::BTreeMap;

/// Numbers that the parts of an operation hold.
#[derive(Default)]
struct Numbers {
    /// As drawn, whatever became of it.
    drawn: BTreeMap<PersonId, PinIssued>,
    /// Whether the person gets it.
    given: BTreeMap<PersonId, bool>,
}

/// Shows `visit` every fact that the commit `event` at `lsn` brings, in the order of its addresses: corrections where they are addressed; numbers
/// from 1 on in the order of persons, as if each had been issued alone.
pub fn each_fact(
    log: &dyn LogSource,
    lsn: Lsn,
    event: &Event,
    visit: &mut dyn FnMut(EventAddress, &Event) -> Result<(), FeedError>,
) -> Result<(), FeedError> {
    let EventBody::OperationCommitted(committed) = &event.body else { return Ok(()) };
    let mut numbers = Numbers::default();
    let mut lsns: Vec<Lsn> = committed.parts.iter().map(|part| part.lsn).collect();
    lsns.dedup();
    for part in &lsns {
        match read_part(log, *part)? {
            Some(OperationPart { content: PartContent::Corrections(said), .. }) => {
                for (first, item) in said.placed().filter(|(_, item)| !committed.leaves_out(item)) {
                    item.events_at(lsn, first).try_for_each(|(at, event)| visit(at, event))?;
                }
            }
            Some(part) => numbers.take(&part),
            None => {}
        }
    }
    numbers.leave_out(&committed.left_out);
    if numbers.count() > 0 && numbers.count() != committed.counts.changed as usize {
        // A part that only leaves out stages no row, so the commit does not name it.
        numbers = all_numbers(log, lsns[0], lsn, committed)?;
    }
    for (place, issued) in (1..).zip(numbers.given()) {
        let body = EventBody::PinIssued(issued.clone());
        visit(EventAddress { lsn, index: place }, &Event { body, ..event.clone() })?;
    }
    Ok(())
}

/// From every part of the operation, whether or not the commit names it.
fn all_numbers(
    log: &dyn LogSource,
    first: Lsn,
    commit: Lsn,
    committed: &OperationCommitted,
) -> Result<Numbers, FeedError> {
    let mut numbers = Numbers::default();
    for lsn in (first.0..commit.0).map(Lsn) {
        if let Some(part) = read_part(log, lsn)?.filter(|part| part.operation == committed.operation) {
            numbers.take(&part);
        }
    }
    numbers.leave_out(&committed.left_out);
    Ok(numbers)
}

fn read_part(log: &dyn LogSource, lsn: Lsn) -> Result<Option<OperationPart>, FeedError> {
    let bytes = log.fetch(lsn)?.ok_or(FeedError::Missing { lsn })?;
    let entry = AdmittedEntry::decode(lsn, &bytes).map_err(|cause| FeedError::Undecodable { lsn, cause })?;
    let first = entry.changes().and_then(|changes| changes.events.first());
    Ok(first.and_then(|event| match &event.body {
        EventBody::OperationPart(part) => Some(part.clone()),
        _ => None,
    }))
}

impl Numbers {
    fn take(&mut self, part: &OperationPart) {
        if let PartContent::Pins(StagedPins { pins, .. }) = &part.content {
            for pin in pins {
                self.drawn.extend(part.content.number_of(pin.person).map(|issued| (pin.person, issued)));
                self.given.insert(pin.person, true);
            }
        }
        self.leave_out(&part.left_out);
    }

    fn leave_out(&mut self, left_out: &[LeftOut]) {
        for left_out in left_out {
            if let RowRef::Person(person) = left_out.row {
                self.given.insert(person, false);
            }
        }
    }

    fn given(&self) -> impl Iterator<Item = &PinIssued> {
        let given = self.given.iter().filter(|(_, is_given)| **is_given);
        given.filter_map(|(person, _)| self.drawn.get(person))
    }

    fn count(&self) -> usize {
        self.given().count()
    }
}
