//! Kinship: to registered persons, or to people who are only described.

use crate::document::IdentityDocument;
use crate::ids::PersonId;
use crate::person::{Names, Nationality};
use crate::time::{Date, PartialDate};
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A relative. `P` is how a registered person is named: [`crate::person::PersonRef`] or a member of the same command
/// in commands, [`PersonId`] in events.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KinRef<P> {
    Registered(P),
    /// Not in the registry, or not yet found there; can be linked later.
    Described(Box<DescribedPerson>),
}

/// Somebody known from papers only.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribedPerson {
    pub names: Names,
    pub birth: Option<PartialDate>,
    pub nationality: Option<Nationality>,
    pub document: Option<IdentityDocument>,
}

/// Which parent.
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
pub enum ParentRole {
    Mother,
    Father,
}

/// In what sense somebody is a parent. Biological and adoptive links stand beside each other.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Encode, Decode, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ParentKind {
    #[default]
    Biological,
    Legal,
    Adoptive,
    /// The mother's husband at the time of birth.
    Presumed,
}

/// From when to when a link holds; open ends mean from birth, and still.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Encode, Decode, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Period {
    pub from: Option<Date>,
    pub until: Option<Date>,
}

/// One parent of one child. Symmetric where the parent is registered: both rows show it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParentLink<P> {
    pub role: ParentRole,
    #[serde(default)]
    pub kind: ParentKind,
    pub parent: KinRef<P>,
    #[serde(default)]
    pub period: Period,
}

/// Why a marriage ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MarriageEndReason {
    Divorce,
    Death,
}

/// The partners of a marriage, in no order that means anything. At least one is registered.
pub type Partners<P> = [KinRef<P>; 2];

/// Most parents stated in one command: biological, legal and adoptive ones together.
pub const MAX_PARENTS: usize = 6;

/// Parent links in events name persons by id.
pub type RegisteredParentLink = ParentLink<PersonId>;
