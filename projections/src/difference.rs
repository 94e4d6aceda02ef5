//! What changed for the people of a unit between two pairs of times, and which events caused it.
//!
//! Whoever is a resident at either pair is looked at. Of people whose residence was never told anew since the earlier of the two
//! records, the view's own rows know every unit in which they were ever registered; the others are found in the records since then.

use crate::as_of::{AsOf, AsOfError, Past, is_effective, timelines};
use crate::layout::PERSONS;
use crate::rows::{PersonRow, Row, Spell};
use crate::view::Reading;
use crate::walk::{HistoryError, RowRecord, changes_by, follow};
use event_log::LogSource;
use event_schemas::event::Event;
use event_schemas::ids::{EventAddress, Lsn, PersonId, UnitId};
use event_schemas::record::Restatement;
use event_schemas::row::{Aspect, RowRef, StreamRef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most records, and parts of operations that they commit, that are searched for residence told anew (O1).
pub const MAX_RECORDS_SEARCHED: u64 = 100_000;
/// Persons looked at in one reading of the view.
const MAX_LOOKED_AT: usize = 2_000;

/// Persons of whom records after one told residence anew, as far as these are seen. It is true for good: whatever is recorded only adds
/// to it.
#[derive(Clone, Debug)]
pub(crate) struct ToldAnew {
    since: Lsn,
    seen: Lsn,
    records_left: u64,
    persons: BTreeSet<PersonId>,
}

impl ToldAnew {
    /// Nothing recorded since is seen yet.
    pub fn since(since: Lsn) -> Self {
        Self { since, seen: since, records_left: MAX_RECORDS_SEARCHED, persons: BTreeSet::new() }
    }

    /// Whether it is of that record.
    pub fn is_since(&self, since: Lsn) -> bool {
        self.since == since
    }

    /// Up to where records are seen.
    pub fn seen(&self) -> Lsn {
        self.seen
    }

    /// Sees what was recorded up to `last`, and some that is there already beyond it.
    pub fn follow(&mut self, source: &dyn LogSource, last: Lsn) -> Result<(), HistoryError> {
        let Self { seen, records_left, persons, .. } = self;
        let left = *records_left;
        follow(seen, last, left, |lsn| {
            changes_by(source, lsn, records_left, &mut |_, restatements| {
                persons.extend(restatements.iter().filter_map(whose_residence));
                Ok(())
            })
        })
    }
}

fn whose_residence(restated: &Restatement) -> Option<PersonId> {
    match restated.stream {
        StreamRef {
            row: RowRef::Person(person),
            aspect: Aspect::PermanentResidence | Aspect::TemporaryResidence,
        } => Some(person),
        _ => None,
    }
}

/// Of the next persons beyond `after` those who may have been residents of these units, and the last one that was looked at; none
/// at the end. The reading shows nothing recorded that is not seen.
pub(crate) fn candidates(
    reading: &Reading<'_>,
    units: &BTreeSet<UnitId>,
    told_anew: &ToldAnew,
    after: PersonId,
) -> Result<(Vec<PersonId>, Option<PersonId>), AsOfError> {
    let mut found = Vec::new();
    let ids = reading.ids_from(PERSONS, after.0.saturating_add(1))?;
    let mut last = None;
    for id in ids.iter().take(MAX_LOOKED_AT).copied().map(PersonId) {
        last = Some(id);
        let lived_there = |spell: &Spell| units.contains(&spell.unit);
        let Some(Row::Person(row)) = reading.row(RowRef::Person(id))? else { continue };
        if told_anew.persons.contains(&id) || row.homes().iter().chain(&row.stays()).any(lived_there) {
            found.push(id);
        }
    }
    Ok((found, last))
}

/// Whether the person, who is alive, is registered there, permanently or for a time.
fn is_resident(row: Option<&PersonRow>, units: &BTreeSet<UnitId>) -> bool {
    row.is_some_and(|row| {
        let registered = [row.permanent_unit(), row.temporary_unit()];
        row.registration.is_some()
            && row.death.is_none()
            && registered.into_iter().flatten().any(|unit| units.contains(&unit))
    })
}

/// What came of somebody's residence in the unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A resident by the second pair alone.
    Came,
    /// A resident by the first pair alone.
    Gone,
    /// A resident by both, of whom something else is told.
    Changed,
}

/// What differs for one person.
pub(crate) struct Differs {
    pub outcome: Outcome,
    /// The aspects that differ, with the events that count by the first pair alone and by the second alone.
    pub aspects: BTreeMap<Aspect, Causes>,
    /// All records of the person that either pair knows.
    pub records: Vec<RowRecord>,
}

/// Events that count by one pair alone.
#[derive(Default)]
pub(crate) struct Causes {
    pub no_longer: Vec<(EventAddress, Event)>,
    pub newly: Vec<(EventAddress, Event)>,
}

/// Compares a person as of two pairs; none if the person is a resident by neither, or nothing differs.
pub(crate) fn differs(
    id: PersonId,
    units: &BTreeSet<UnitId>,
    from: &Past<'_>,
    to: &Past<'_>,
) -> Result<Option<Differs>, AsOfError> {
    let row = RowRef::Person(id);
    let (before, after) = (from.records(row)?, to.records(row)?);
    let was = is_resident(person(from, row, &before).as_deref(), units);
    let is = is_resident(person(to, row, &after).as_deref(), units);
    let outcome = match (was, is) {
        (false, false) => return Ok(None),
        (false, true) => Outcome::Came,
        (true, false) => Outcome::Gone,
        (true, true) => Outcome::Changed,
    };
    let mut aspects: BTreeMap<Aspect, Causes> = BTreeMap::new();
    let (old, new) = (counted(row, &before, from.as_of()), counted(row, &after, to.as_of()));
    for ((aspect, at), event) in &old {
        if new.get(&(*aspect, *at)) != Some(event) {
            aspects.entry(*aspect).or_default().no_longer.push((*at, (*event).clone()));
        }
    }
    for ((aspect, at), event) in &new {
        if old.get(&(*aspect, *at)) != Some(event) {
            aspects.entry(*aspect).or_default().newly.push((*at, (*event).clone()));
        }
    }
    let records = if before.len() > after.len() { before } else { after };
    Ok((!aspects.is_empty()).then_some(Differs { outcome, aspects, records }))
}

fn person(past: &Past<'_>, row: RowRef, records: &[RowRecord]) -> Option<Box<PersonRow>> {
    match crate::as_of::row_of(row, records, past.as_of().valid_on) {
        Some(Row::Person(person)) => Some(person),
        _ => None,
    }
}

/// Every event that counts, by aspect and address.
fn counted(row: RowRef, records: &[RowRecord], as_of: AsOf) -> BTreeMap<(Aspect, EventAddress), &Event> {
    let mut counted = BTreeMap::new();
    for (aspect, timeline) in timelines(row, records, |_, _, _, _| {}) {
        let effective = timeline.into_iter().filter(|(_, event)| is_effective(event, as_of.valid_on));
        counted.extend(effective.map(|(at, event)| ((aspect, at), event)));
    }
    counted
}
