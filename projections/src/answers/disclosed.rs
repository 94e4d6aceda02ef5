//! Totals in which small counts are hidden, as answers show them.

use super::AreaView;
use crate::changes::ByDate;
use crate::definition::Definition;
use crate::vital::{ByPlace, Vital};
use event_schemas::household::HouseholdKind;
use event_schemas::time::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which counts are not shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Hidden {
    /// Counts from one up to below this are not shown, nor others from which they would follow.
    pub below: u64,
    /// How many counts are not shown.
    pub counts: usize,
}

/// A population by age and sex, with small counts hidden.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DisclosedStructure {
    pub unit: AreaView,
    pub definition: Definition,
    /// What the definition means.
    pub meaning: String,
    pub meaning_vi: String,
    /// Ages are those of this day.
    pub on: Date,
    pub bands: Vec<DisclosedBand>,
    /// The sum of what is shown, and of nothing else.
    pub shown: u64,
    pub hidden: Hidden,
}

/// How many of an age; null where a count is not shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DisclosedBand {
    /// None: born after the day.
    pub from: Option<i16>,
    /// Last age; none where there is no end.
    pub to: Option<i16>,
    pub male: Option<u64>,
    pub female: Option<u64>,
    pub unknown: Option<u64>,
}

/// Vital events of a whole year, with small counts hidden.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DisclosedVital {
    pub unit: AreaView,
    /// The last one that is over: nothing is registered in it any more.
    pub year: i16,
    /// By date of registration, so that the year stays as it is.
    pub by: ByDate,
    pub place: ByPlace,
    pub events: Vec<VitalCell>,
    /// The sum of what is shown, and of nothing else.
    pub shown: u64,
    pub hidden: Hidden,
}

/// How many of one event; null where a count is not shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VitalCell {
    pub event: Vital,
    pub male: Option<u64>,
    pub female: Option<u64>,
    pub unknown: Option<u64>,
}

/// Households by kind and size, with small counts hidden.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DisclosedSizes {
    pub unit: AreaView,
    /// A size that is not here has no households.
    pub sizes: Vec<HouseholdSizeCell>,
    /// The sum of what is shown, and of nothing else.
    pub shown: u64,
    pub hidden: Hidden,
}

/// How many households of one size; null where the count is not shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HouseholdSizeCell {
    pub kind: HouseholdKind,
    /// Permanent members.
    pub members: u16,
    /// These, and all larger ones.
    pub and_more: bool,
    pub households: Option<u64>,
}
