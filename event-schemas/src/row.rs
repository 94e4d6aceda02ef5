//! Rows that events change, and the aspects of a row that have a timeline of their own.

use crate::ids::Lsn;
use crate::ids::{
    CardId, DossierId, DwellingId, HouseholdId, OfficeId, OperationId, PersonId, UnitId, Version,
};
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Something with a version.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RowRef {
    Person(PersonId),
    Household(HouseholdId),
    Card(CardId),
    Dossier(DossierId),
    Dwelling(DwellingId),
    Unit(UnitId),
    Office(OfficeId),
    Operation(OperationId),
}

impl fmt::Display for RowRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(id) => write!(f, "person {id}"),
            Self::Household(id) => write!(f, "household {id}"),
            Self::Card(id) => write!(f, "card {id}"),
            Self::Dossier(id) => write!(f, "dossier {id}"),
            Self::Dwelling(id) => write!(f, "dwelling {id}"),
            Self::Unit(id) => write!(f, "unit {id}"),
            Self::Office(id) => write!(f, "office {id}"),
            Self::Operation(id) => write!(f, "operation {id}"),
        }
    }
}

/// One aspect of a row. An aspect of a row is a *stream*: late facts in one disturb no other.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// That the row exists and what never moves in time: origin, units, offices, dwellings, dossiers.
    Existence,
    /// Names and other identity data of a person.
    Identity,
    /// Alive or dead.
    Life,
    /// Parents and children.
    Kinship,
    /// PINs of a person.
    Number,
    /// Old documents of a person.
    Documents,
    PermanentResidence,
    TemporaryResidence,
    /// Permanent household of a person.
    Membership,
    /// Temporary household of a person.
    TemporaryMembership,
    /// Which card a person holds, which dossier is open.
    Cards,
    /// Place of a household.
    HouseholdPlace,
    /// Members of a household and how they relate to its head.
    Composition,
    /// Status of a card or dossier.
    Status,
    /// Open defects of a row.
    Defects,
    /// Marriages of a person, and the marital status that enrolment stated.
    Marriage,
    /// Written notices handed to a person.
    Notices,
}

/// A stream: one aspect of one row.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct StreamRef {
    pub row: RowRef,
    pub aspect: Aspect,
}

/// What a record did to a row's version. `previous` is the lsn of the row's record before this one (zero for the first), so
/// that a row's history is a walk through the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
pub struct RowTouch {
    pub row: RowRef,
    pub version: Version,
    pub previous: Lsn,
}
