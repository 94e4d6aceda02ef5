//! Enrolment, birth, death, names, defects.

use super::{PersonInHousehold, Succession};
use crate::basis::LegacyEntry;
use crate::defect::DefectKind;
use crate::guarded::Guarded;
use crate::household::{HouseholdKind, Relationship, ResidenceFileNumber};
use crate::ids::HouseholdId;
use crate::kin::ParentLink;
use crate::person::{Ethnicity, Identity, Names, Nationality, PersonRef, PersonalData, Sex};
use crate::pin::Pin;
use crate::place::{Place, UnitCode};
use crate::row::RowRef;
use crate::text::Text;
use crate::time::{Date, PartialDate, TimeOfDay};
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A person who is not registered yet.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPerson {
    pub identity: Identity<UnitCode>,
    #[serde(default)]
    pub data: PersonalData<UnitCode>,
    /// A PIN issued before; checked like in `accept_pin`.
    pub pin: Option<Pin>,
    /// At most [`crate::kin::MAX_PARENTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<ParentLink<MemberRef>>,
}

/// A registered person, or another member of the same command (counted from 0).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberRef {
    Member(u16),
    Person(PersonRef),
}

/// Enrol one person from a collection form, with or without a place in an existing household.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolPerson {
    pub person: NewPerson,
    /// Permanent residence without a household. Not together with `household`.
    pub residence: Option<Place<UnitCode>>,
    pub household: Option<HouseholdPlace>,
    /// Since when the residence or membership holds, and the day of the enrolment.
    pub effective_on: Date,
}

/// A place in a household.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HouseholdPlace {
    pub household: HouseholdId,
    pub relationship: Relationship,
}

/// Enrol a household and all its members, who may refer to each other.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolHousehold {
    #[serde(default)]
    pub kind: HouseholdKind,
    pub place: Place<UnitCode>,
    pub file_number: Option<ResidenceFileNumber>,
    /// 1 to [`super::MAX_MEMBERS`]. At most one head; a family without one is a defect.
    pub members: Vec<EnrolMember>,
    /// Since when the household is registered, and the day of the enrolment.
    pub effective_on: Date,
}

/// One member of an enrolled household.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolMember {
    pub relationship: Relationship,
    pub person: NewPerson,
}

/// Register a birth. A PIN is issued with it when sex is known.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Birth {
    pub child: Newborn,
    pub parentage: Parentage,
    pub residence: BirthResidence,
    /// Commune where the birth is registered; its province begins the PIN.
    pub registered_at: UnitCode,
    /// The entry, if it already stands in a register; else the next number of this office and year.
    pub legacy_entry: Option<LegacyEntry>,
}

/// The child.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Newborn {
    pub names: Names,
    pub sex: Sex,
    pub birth: PartialDate,
    pub birth_time: Option<TimeOfDay>,
    pub birth_place: Option<Place<UnitCode>>,
    pub hometown: Option<Place<UnitCode>>,
    pub ethnicity: Option<Ethnicity>,
    pub nationality: Nationality,
    /// Grams.
    pub weight_g: Option<u16>,
    /// First, second … child of the mother.
    pub birth_order: Option<u8>,
    pub multiple: Option<MultipleBirth>,
}

/// Twins and more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MultipleBirth {
    /// Children born together, 2 or more.
    pub children: u8,
    /// Which of them this is, from 1.
    pub number: u8,
}

/// Whose child it is.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Parentage {
    /// One or two parents; an unknown father or mother is left out.
    Parents(Vec<ParentLink<PersonRef>>),
    /// Found abandoned: parents blank, birth date presumed.
    Foundling(Found),
}

/// Where and when an abandoned child was found.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Found {
    pub on: Date,
    pub place: Place<UnitCode>,
}

/// Where the child is registered as resident: always an explicit choice.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BirthResidence {
    /// Into the mother's permanent household, in this relationship to its head.
    Mother(Relationship),
    Father(Relationship),
    Guardian(PersonInHousehold),
    /// An institution's household.
    Facility(HouseholdId),
    None,
}

/// Register a death. Closes residence and membership, cancels cards.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Death {
    pub person: PersonRef,
    pub died: PartialDate,
    pub time: Option<TimeOfDay>,
    pub place: Option<Place<UnitCode>>,
    /// ICD-10 code or words.
    pub cause: Option<Guarded<Text<120>>>,
    /// Commune where the death is registered.
    pub registered_at: UnitCode,
    pub legacy_entry: Option<LegacyEntry>,
    /// New head of the household that the dead person headed. Without one the household's headship is vacant.
    pub succession: Option<Succession>,
}

/// Register a change of name: the new name holds from `effective_on`. A misspelling is a correction, not a change.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeName {
    pub person: PersonRef,
    pub names: Names,
    pub reason: Text<200>,
    pub effective_on: Date,
}

/// State that a defect no longer exists, or never did.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClearDefect {
    pub row: RowRef,
    pub defect: DefectKind,
    pub reason: Text<200>,
}
