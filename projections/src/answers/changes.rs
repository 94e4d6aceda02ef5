//! What changed between two pairs of times, as answers show it.

use super::{AsOfView, PersonBrief, UnitBrief};
use crate::difference::Outcome;
use crate::explanation::ExplainedEvent;
use crate::labels::Label;
use event_schemas::row::Aspect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Residents of a unit by the one pair or the other of whom something else is told, in the order of their ids.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChangesAnswer {
    pub unit: UnitBrief,
    pub from: AsOfView,
    pub to: AsOfView,
    pub changes: Vec<PersonChange>,
    /// Give it as `after` to go on; none on the last page. A page may be short, even empty, and not the last: it looks at so many
    /// persons and no more.
    pub next: Option<String>,
}

/// What changed for one person.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PersonChange {
    pub person: PersonBrief,
    pub outcome: Outcome,
    pub aspects: Vec<AspectChange>,
}

/// What changed of one aspect, and because of what.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AspectChange {
    pub aspect: Aspect,
    pub label: Label,
    pub before: Map<String, Value>,
    pub after: Map<String, Value>,
    /// Events that count by the first pair alone.
    pub no_longer: Vec<ExplainedEvent>,
    /// Events that count by the second pair alone.
    pub newly: Vec<ExplainedEvent>,
}
