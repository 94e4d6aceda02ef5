//! Households: form, join, leave, split, merge, head, relationships.

use super::{PersonInHousehold, Succession};
use crate::household::{HouseholdKind, Relationship, ResidenceFileNumber};
use crate::ids::HouseholdId;
use crate::person::PersonRef;
use crate::place::{Place, UnitCode};
use crate::time::Date;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Form a household of persons who have no permanent household.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FormHousehold {
    #[serde(default)]
    pub kind: HouseholdKind,
    pub place: Place<UnitCode>,
    pub file_number: Option<ResidenceFileNumber>,
    /// 1 to [`super::MAX_MEMBERS`]; a family needs exactly one head.
    pub members: Vec<PersonInHousehold>,
    pub effective_on: Date,
}

/// Take a person who has no permanent household into one; permanent residence follows the household.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JoinHousehold {
    pub household: HouseholdId,
    pub person: PersonRef,
    pub relationship: Relationship,
    pub effective_on: Date,
}

/// Why a registration ends without another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeaveGround {
    SettledAbroad,
    RegistrationEnded,
}

/// End a person's permanent registration and membership without another (Law 68/2020/QH14 Art. 24).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaveHousehold {
    pub person: PersonRef,
    pub ground: LeaveGround,
    pub succession: Option<Succession>,
    pub effective_on: Date,
}

/// Split members off into a household of their own, at the same place unless another is given
/// (Law 68/2020/QH14 Art. 25).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitHousehold {
    pub household: HouseholdId,
    /// Those who leave, one of them as head of the new household.
    pub leaving: Vec<PersonInHousehold>,
    pub file_number: Option<ResidenceFileNumber>,
    pub succession: Option<Succession>,
    pub effective_on: Date,
}

/// Merge one household into another; the first one ends.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeHouseholds {
    pub from: HouseholdId,
    pub into: HouseholdId,
    /// How every permanent member of `from` relates to the head of `into`.
    pub relationships: Vec<PersonInHousehold>,
    pub effective_on: Date,
}

/// Appoint a head. A former head who stays needs a relationship to the new one.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppointHead {
    pub succession: Succession,
    pub effective_on: Date,
}

/// State another relationship to the head.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRelationship {
    pub household: HouseholdId,
    pub person: PersonRef,
    pub relationship: Relationship,
    pub effective_on: Date,
}
