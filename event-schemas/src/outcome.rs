//! What an office is answered.

use crate::basis::RegisterEntry;
use crate::correction::CorrectionEffect;
use crate::ids::{
    CardId, CommandId, DossierId, DwellingId, EventAddress, HouseholdId, LogId, Lsn, OfficeId, OperationId,
    PersonId, UnitId,
};
use crate::pin::Pin;
use crate::row::{RowRef, RowTouch};
use crate::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer to one command. A refusal leaves no record (W5).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "the large variant is the ordinary answer")]
pub enum Outcome {
    Accepted(Acceptance),
    Refused(Refusal),
}

/// The command's record is in the log, durable and admitted; in a dry run: it would have been.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Acceptance {
    pub command_id: CommandId,
    /// With `lsn`, the token that a query waits for to see its own write.
    pub log_id: LogId,
    pub lsn: Lsn,
    pub recorded_at: Timestamp,
    /// The command had been accepted before; this is that answer.
    #[serde(default)]
    pub repeated: bool,
    #[serde(default)]
    pub dry_run: bool,
    /// What the record brought into being, each list in the command's order.
    pub created: Created,
    /// Every row that changed, with its new version.
    pub rows: Vec<RowTouch>,
    /// Things the office should know, such as that it named a person by a cancelled PIN.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Fault>,
    /// What a correction would change; only in a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<Box<CorrectionEffect>>,
}

/// Numbers given out by a record.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Created {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub persons: Vec<PersonId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<(PersonId, Pin)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub households: Vec<HouseholdId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dossiers: Vec<DossierId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cards: Vec<CardId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dwellings: Vec<DwellingId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<UnitId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub offices: Vec<OfficeId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<RegisterEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationId>,
}

/// All that stands against a command, judged at `lsn`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    pub command_id: CommandId,
    pub log_id: LogId,
    /// The state on which it was judged: every record up to here.
    pub lsn: Lsn,
    /// Every fault at once, at least one.
    pub faults: Vec<Fault>,
}

/// One fault.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Fault {
    /// Stable code, listed in `docs/refusals.md`.
    pub code: String,
    /// Where in the command, as a path such as `command.birth.child.birth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Vietnamese sentence.
    pub vi: String,
    /// English sentence.
    pub en: String,
    /// The rows that stand against it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RowRef>,
    /// The facts that stand against it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventAddress>,
    /// Whether a court's or legacy data's basis may override it.
    #[serde(default)]
    pub overridable: bool,
}

impl Created {
    /// What these events brought into being.
    pub fn by(events: &[crate::event::Event]) -> Self {
        use crate::event::{EventBody, Origin};
        let mut created = Self::default();
        for event in events {
            match &event.body {
                EventBody::UnitEstablished(e) => created.units.push(e.unit),
                EventBody::OfficeRegistered(e) => created.offices.push(e.office),
                EventBody::DwellingRegistered(e) => created.dwellings.push(e.dwelling),
                EventBody::PersonRegistered(e) => {
                    created.persons.push(e.person);
                    if let Origin::Birth(birth) = &e.origin {
                        created.entries.push(birth.entry);
                    }
                }
                EventBody::DeathRegistered(e) => created.entries.push(e.entry),
                EventBody::MarriageRegistered(e) => created.entries.push(e.entry),
                EventBody::PinIssued(e) => created.pins.push((e.person, e.pin)),
                EventBody::PinAccepted(e) => created.pins.push((e.person, e.pin)),
                EventBody::HouseholdFormed(e) => created.households.push(e.household),
                EventBody::DossierReceived(e) => created.dossiers.push(e.dossier),
                EventBody::CardProduced(e) => created.cards.push(e.card),
                EventBody::OperationOpened(e) => created.operations.push(e.operation),
                _ => {}
            }
        }
        created
    }
}
