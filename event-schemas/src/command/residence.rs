//! Permanent and temporary residence.

use super::{PersonInHousehold, Succession};
use crate::household::{HouseholdKind, Relationship, ResidenceFileNumber};
use crate::ids::HouseholdId;
use crate::person::PersonRef;
use crate::place::{Place, UnitCode};
use crate::time::Date;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Register permanent residence elsewhere; the old one ends with the same record.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MovePermanent {
    pub effective_on: Date,
    #[serde(rename = "move")]
    pub movement: PermanentMove,
    /// New heads of households whose head moves away. At most [`super::MAX_SUCCESSIONS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub successions: Vec<Succession>,
}

/// Who moves where.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PermanentMove {
    /// A household with all its permanent members; it keeps its number.
    WholeHousehold { household: HouseholdId, to: Place<UnitCode> },
    /// Persons into an existing household. 1 to [`super::MAX_MEMBERS`].
    IntoHousehold { household: HouseholdId, persons: Vec<PersonInHousehold> },
    /// Persons into a household of their own; one of them is `head`. 1 to [`super::MAX_MEMBERS`].
    NewHousehold {
        #[serde(default)]
        kind: HouseholdKind,
        to: Place<UnitCode>,
        file_number: Option<ResidenceFileNumber>,
        persons: Vec<PersonInHousehold>,
    },
}

/// Register temporary residence: some time outside the permanent place, 30 days to two years at once
/// (Law 68/2020/QH14 Art. 27).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterTemporaryResidence {
    pub person: PersonRef,
    pub place: Place<UnitCode>,
    /// Temporary membership of a household at that place.
    pub household: Option<TemporaryPlace>,
    pub from: Date,
    /// Last day.
    pub until: Date,
}

/// A temporary place in a household.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemporaryPlace {
    pub household: HouseholdId,
    pub relationship: Relationship,
}

/// End temporary residence before its last day.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndTemporaryResidence {
    pub person: PersonRef,
    pub effective_on: Date,
}
