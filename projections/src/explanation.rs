//! Why a row is what it is: for each aspect what the row says, the events that make it say so in the order in which they are
//! folded, and those that do not count.

use crate::answers::{CardView, HouseholdView, PersonView};
use crate::as_of::{AsOf, Timeline, is_effective, timelines};
use crate::history::{HistoryEvent, Submission};
use crate::labels::Label;
use crate::walk::RowRecord;
use event_schemas::event::Event;
use event_schemas::ids::{EventAddress, Lsn};
use event_schemas::row::{Aspect, RowRef};
use event_schemas::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Why a row is what it is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    pub row: RowRef,
    pub aspects: Vec<AspectExplained>,
}

/// Why one aspect is what it is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AspectExplained {
    pub aspect: Aspect,
    pub label: Label,
    /// What the row says of it.
    pub says: Map<String, Value>,
    /// What makes it say so, in the order of the days on which it held.
    pub made_by: Vec<ExplainedEvent>,
    /// What was recorded of it and does not count.
    pub not_counted: Vec<NotCounted>,
}

/// An event and its record.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ExplainedEvent {
    pub at: EventAddress,
    pub label: Label,
    #[serde(flatten)]
    pub event: HistoryEvent,
    pub recorded_at: Timestamp,
    /// Who submitted it; none for what fell due with a day.
    pub submitted: Option<Submission>,
}

/// An event that does not count.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NotCounted {
    #[serde(flatten)]
    pub event: ExplainedEvent,
    pub because: Because,
}

/// Why an event does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// It holds from a later day on.
    HoldsLater,
    /// A record took it back or put another in its place.
    TakenBackBy(Lsn),
}

/// What a row says, as answers show it.
pub(crate) enum Shown {
    Person(Box<PersonView>),
    Household(Box<HouseholdView>),
    Card(Box<CardView>),
}

impl Shown {
    /// As JSON.
    pub fn members(&self) -> Map<String, Value> {
        let value = match self {
            Self::Person(view) => serde_json::to_value(view),
            Self::Household(view) => serde_json::to_value(view),
            Self::Card(view) => serde_json::to_value(view),
        };
        match value {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        }
    }
}

/// Members of an answer that tell of an aspect.
fn members_of(row: RowRef, aspect: Aspect) -> &'static [&'static str] {
    match (row, aspect) {
        (RowRef::Person(_), Aspect::Existence) => &[
            "registration",
            "birth_registration_place",
            "hometown",
            "ethnicity",
            "religion",
            "blood_group",
            "capacity",
            "contact",
        ],
        (_, Aspect::Identity) => &[
            "name",
            "former_names",
            "sex",
            "birth",
            "birth_time",
            "birth_place",
            "nationality",
            "identification",
        ],
        (_, Aspect::Life) => &["alive", "death"],
        (_, Aspect::Kinship) => &["parents", "children"],
        (_, Aspect::Number | Aspect::Notices) => &["pin", "pins"],
        (_, Aspect::Documents) => &["documents"],
        (_, Aspect::PermanentResidence) => &["permanent"],
        (_, Aspect::TemporaryResidence) => &["temporary"],
        (_, Aspect::Membership) => &["household"],
        (_, Aspect::TemporaryMembership) => &["temporary_household"],
        (_, Aspect::Cards) => &["cards", "dossiers"],
        (_, Aspect::Marriage) => &["marital", "marriages"],
        (_, Aspect::Defects) => &["defects"],
        (RowRef::Household(_), Aspect::Existence) => {
            &["kind", "file_number", "formed_on", "split_from", "ended"]
        }
        (_, Aspect::HouseholdPlace) => &["place", "place_since"],
        (_, Aspect::Composition) => &["head", "members"],
        (_, Aspect::Existence) => {
            &["holder", "document", "serial", "pin", "dossier", "produced_on", "expires_on"]
        }
        (_, Aspect::Status) => {
            &["status", "since", "handed_over_on", "replaced_by", "withdrawn_for", "held_for"]
        }
    }
}

/// Events of each aspect that a record left out of its timeline, and that none brought back.
type TakenBack<'a> = BTreeMap<Aspect, BTreeMap<EventAddress, (&'a Event, Lsn)>>;

/// What an answer says of an aspect; what is not known is left out.
pub(crate) fn says_of(row: RowRef, aspect: Aspect, members: &Map<String, Value>) -> Map<String, Value> {
    let told = members_of(row, aspect).iter().filter_map(|name| Some((*name, members.get(*name)?)));
    let is_known = |value: &Value| !value.is_null() && value.as_array().is_none_or(|all| !all.is_empty());
    let known = told.filter(|(_, value)| is_known(value));
    known.map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

/// Explains a row by its records up to the one asked for, oldest first.
pub(crate) fn explain(row: RowRef, records: &[RowRecord], as_of: AsOf, shown: &Shown) -> Explanation {
    let members = shown.members();
    let by_lsn = by_lsn(records);
    let mut taken_back = TakenBack::new();
    let known = timelines(row, records, |record, aspect, before, after| {
        let is_in =
            |at: &EventAddress, timeline: &Timeline<'_>| timeline.iter().any(|(known, _)| known == at);
        let gone = taken_back.entry(aspect).or_default();
        gone.retain(|at, _| !is_in(at, after));
        let left_out = before.iter().filter(|(at, _)| !is_in(at, after));
        gone.extend(left_out.map(|(at, event)| (*at, (*event, record.lsn))));
    });
    let mut aspects = Vec::new();
    for (aspect, timeline) in known {
        let mut made_by = Vec::new();
        let mut not_counted = Vec::new();
        for (at, event) in timeline {
            let Some(event_shown) = explained(at, event, &by_lsn) else { continue };
            match is_effective(event, as_of.valid_on) {
                true => made_by.push(event_shown),
                false => not_counted.push(NotCounted { event: event_shown, because: Because::HoldsLater }),
            }
        }
        for (at, (event, by)) in taken_back.remove(&aspect).unwrap_or_default() {
            let event = explained(at, event, &by_lsn);
            not_counted.extend(event.map(|event| NotCounted { event, because: Because::TakenBackBy(by) }));
        }
        let says = says_of(row, aspect, &members);
        let label = Label::of_aspect(aspect);
        aspects.push(AspectExplained { aspect, label, says, made_by, not_counted });
    }
    Explanation { row, aspects }
}

/// Records by their place in the log.
pub(crate) fn by_lsn(records: &[RowRecord]) -> BTreeMap<Lsn, &RowRecord> {
    records.iter().map(|record| (record.lsn, record)).collect()
}

/// An event with its record, which is among these.
pub(crate) fn explained(
    at: EventAddress,
    event: &Event,
    records: &BTreeMap<Lsn, &RowRecord>,
) -> Option<ExplainedEvent> {
    let record = records.get(&at.lsn)?;
    Some(ExplainedEvent {
        at,
        label: Label::of_event(event.body.name()),
        event: HistoryEvent::of(at, event, &record.bases),
        recorded_at: record.recorded_at,
        submitted: record.submitted.clone(),
    })
}
