//! Units, offices, dwellings.

use crate::ids::OfficeId;
use crate::place::{AddressText, Area, DwellingKind, OfficeKind, UnitCode, UnitKind};
use crate::text::Text;
use crate::time::Date;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Create administrative units by decree. Parents come before their children.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EstablishUnits {
    pub valid_from: Date,
    /// 1 to [`MAX_UNITS`].
    pub units: Vec<NewUnit>,
}

/// Most units in one command.
pub const MAX_UNITS: usize = 500;

/// A unit to be created.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUnit {
    pub code: UnitCode,
    pub name: Text<120>,
    pub kind: UnitKind,
    /// None for a province only.
    pub parent: Option<UnitCode>,
}

/// Register an office with the areas in which it is competent.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterOffice {
    pub office: OfficeId,
    pub name: Text<200>,
    pub kind: OfficeKind,
    /// 1 to [`MAX_AREAS`].
    pub areas: Vec<Area<UnitCode>>,
    pub opened_on: Date,
}

/// Most areas of one office.
pub const MAX_AREAS: usize = 32;

/// Replace an office's areas.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeOfficeArea {
    pub office: OfficeId,
    /// 0 (the office closes) to [`MAX_AREAS`].
    pub areas: Vec<Area<UnitCode>>,
    pub effective_on: Date,
}

/// Register a dwelling, so that several households can be seen to share it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterDwelling {
    pub kind: DwellingKind,
    pub unit: UnitCode,
    pub address: AddressText,
    pub effective_on: Date,
}
