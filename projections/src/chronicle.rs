//! Everything recorded of a row, in the order of records: what, by whom, when, on what ground; what came later and changed what it
//! meant, and what had been believed before.
//!
//! Whatever brought a restatement, a late fact or a correction, it shows by what the record's timelines hold and those before it
//! did not, and the other way round.

use crate::answers::PersonBrief;
use crate::as_of::{Timeline, timelines};
use crate::history::{HistoryEvent, Submission};
use crate::labels::Label;
use crate::walk::RowRecord;
use event_schemas::event::Event;
use event_schemas::guarded::Confidentiality;
use event_schemas::ids::{EventAddress, Lsn, OfficeId, Version};
use event_schemas::row::{Aspect, RowRef};
use event_schemas::time::{PartialDate, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Everything recorded of a row, oldest first.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Chronicle {
    pub row: RowRef,
    pub records: Vec<ChronicleRecord>,
    /// Persons whom the records name, as they were known then.
    pub persons: Vec<PersonBrief>,
    /// Offices that submitted the records.
    pub offices: Vec<OfficeBrief>,
}

/// An office in one line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OfficeBrief {
    pub id: OfficeId,
    pub name: String,
}

/// One record.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChronicleRecord {
    pub lsn: Lsn,
    pub recorded_at: Timestamp,
    /// The row's version after it.
    pub version: Version,
    /// Who submitted it; none for what fell due with a day.
    pub submitted: Option<Submission>,
    /// Its events that change the row.
    pub events: Vec<ChronicleEvent>,
    /// What it made of what was believed.
    pub restated: Vec<Restated>,
}

/// One event.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChronicleEvent {
    #[serde(flatten)]
    pub event: HistoryEvent,
    pub label: Label,
    /// The record since which it counts no more; none while it does.
    pub taken_back_by: Option<Lsn>,
}

/// One aspect of the row, told anew.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Restated {
    pub aspect: Aspect,
    pub label: Label,
    /// What was believed before, in the order of the days on which it held.
    pub before: Vec<Believed>,
    /// What is believed from this record on.
    pub after: Vec<Believed>,
}

/// An event in a timeline.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Believed {
    pub at: EventAddress,
    /// Stable name of the event.
    pub event: String,
    pub effective_on: PartialDate,
    /// Only on this side: what is gone, or new.
    pub only_here: bool,
    /// What it says; left out where it is sealed.
    pub body: Option<event_schemas::event::EventBody>,
}

impl Believed {
    fn of(at: EventAddress, event: &Event, other_side: &BTreeSet<EventAddress>) -> Self {
        let open = event.class != Confidentiality::Sealed;
        Self {
            at,
            event: event.body.name().to_owned(),
            effective_on: event.effective_on,
            only_here: !other_side.contains(&at),
            body: open.then(|| event.body.clone()),
        }
    }
}

fn addresses(timeline: &Timeline<'_>) -> BTreeSet<EventAddress> {
    timeline.iter().map(|(at, _)| *at).collect()
}

fn told(timeline: &Timeline<'_>, other_side: &BTreeSet<EventAddress>) -> Vec<Believed> {
    timeline.iter().map(|(at, event)| Believed::of(*at, event, other_side)).collect()
}

/// Tells these records of `row`, oldest first. Who is named is left to whoever knows names.
pub(crate) fn chronicle(row: RowRef, records: &[RowRecord]) -> Vec<ChronicleRecord> {
    let mut restated: BTreeMap<Lsn, Vec<Restated>> = BTreeMap::new();
    let mut taken_back: BTreeMap<EventAddress, Lsn> = BTreeMap::new();
    timelines(row, records, |record, aspect, before, after| {
        let (was, is) = (addresses(before), addresses(after));
        taken_back.retain(|at, _| !is.contains(at));
        taken_back.extend(was.difference(&is).map(|gone| (*gone, record.lsn)));
        let (label, before, after) = (Label::of_aspect(aspect), told(before, &is), told(after, &was));
        restated.entry(record.lsn).or_default().push(Restated { aspect, label, before, after });
    });
    let tell = |record: &RowRecord| ChronicleRecord {
        lsn: record.lsn,
        recorded_at: record.recorded_at,
        version: record.touch.version,
        submitted: record.submitted.clone(),
        events: record.events.iter().map(|(at, event)| shown(*at, event, record, &taken_back)).collect(),
        restated: restated.remove(&record.lsn).unwrap_or_default(),
    };
    records.iter().map(tell).collect()
}

fn shown(
    at: EventAddress,
    event: &Event,
    record: &RowRecord,
    taken_back: &BTreeMap<EventAddress, Lsn>,
) -> ChronicleEvent {
    ChronicleEvent {
        event: HistoryEvent::of(at, event, &record.bases),
        label: Label::of_event(event.body.name()),
        taken_back_by: taken_back.get(&at).copied(),
    }
}

/// Every person and office that the records name.
pub(crate) fn named(records: &[RowRecord]) -> (BTreeSet<RowRef>, BTreeSet<OfficeId>) {
    let (mut persons, mut offices) = (BTreeSet::new(), BTreeSet::new());
    for record in records {
        offices.extend(record.submitted.as_ref().map(|submitted| submitted.office));
        let restated = record.restatements.iter().flat_map(|restated| &restated.timeline);
        for (_, event) in record.events.iter().chain(restated) {
            if event.class != Confidentiality::Sealed {
                event.body.for_each_stream(|row, _| {
                    if let RowRef::Person(_) = row {
                        persons.insert(row);
                    }
                });
            }
        }
    }
    (persons, offices)
}
