//! Totals and flows as answers show them.

use super::{BySex, UnitBrief};
use crate::changes::ByDate;
use crate::class::Category;
use crate::definition::Definition;
use crate::flows::{Balance, Period};
use crate::month::Month;
use crate::vital::{ByPlace, Delay, Vital};
use event_schemas::household::HouseholdKind;
use event_schemas::person::MaritalStatus;
use event_schemas::time::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is counted in: the nation, a unit as it stands on a day, or one version as it was established.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AreaView {
    /// With everything below it. The nation has the id U0 and no code.
    #[serde(flatten)]
    pub unit: UnitBrief,
    /// Units count as they stand on this day; none for one version of a unit with what was established below it.
    pub boundaries_on: Option<Date>,
}

/// A population by age and sex, and by category and marital status if asked for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StructureAnswer {
    pub unit: AreaView,
    pub definition: Definition,
    /// What the definition means.
    pub meaning: String,
    pub meaning_vi: String,
    /// Ages are those of this day; who is counted is as of the answer's lsn.
    pub on: Date,
    pub bands: Vec<AgeBand>,
    /// Born after that day.
    pub not_born: BySex,
    pub all: BySex,
    /// Living persons whom the definition counts in no unit: abroad, or without residence. Only of the nation, and not in `all`.
    pub nowhere: Option<BySex>,
}

/// How many of an age.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AgeBand {
    pub from: i16,
    /// Last age; none where there is no end.
    pub to: Option<i16>,
    /// If told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// If told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marital: Option<MaritalStatus>,
    #[serde(flatten)]
    pub counts: BySex,
    /// Of all: only the year or month of their birth is known; they count as born on its first day.
    pub vague: u64,
}

/// A population month by month: what it was, every flow, what it became.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FlowsAnswer {
    pub unit: AreaView,
    pub definition: Definition,
    pub meaning: String,
    pub meaning_vi: String,
    pub by: ByDate,
    pub period: Period,
    pub months: Vec<Balance>,
}

/// Vital events by month.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VitalAnswer {
    pub unit: AreaView,
    pub by: ByDate,
    pub place: ByPlace,
    pub period: Period,
    pub events: Vec<VitalRow>,
    /// Of the nation: how many of these happened, or were registered, abroad.
    pub abroad: Vec<VitalRow>,
    /// Of the nation: how many have no known place.
    pub place_unknown: Vec<VitalRow>,
}

/// How many of one event in one month.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VitalRow {
    /// A year alone holds what is known to the year only.
    pub month: Month,
    pub event: Vital,
    #[serde(flatten)]
    pub counts: BySex,
}

/// Where people came from and went to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MovesAnswer {
    pub unit: AreaView,
    pub definition: Definition,
    pub by: ByDate,
    pub period: Period,
    /// By units of the same level, as registered.
    pub moves: Vec<MovesRow>,
}

/// Moves between the unit and another one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MovesRow {
    pub other: UnitBrief,
    pub moved_in: u64,
    pub moved_out: u64,
}

/// How late events were registered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DelaysAnswer {
    pub unit: AreaView,
    /// Registered in these months.
    pub period: Period,
    pub delays: Vec<DelayRow>,
}

/// How many of one event were registered so many days after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DelayRow {
    pub event: Vital,
    pub days: Delay,
    pub count: u64,
}

/// Households by kind and size.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HouseholdSizesAnswer {
    pub unit: AreaView,
    pub sizes: Vec<HouseholdSizeRow>,
    pub households: u64,
    /// Permanent members of all of them.
    pub members: u64,
}

/// How many households of one size.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HouseholdSizeRow {
    pub kind: HouseholdKind,
    /// Permanent members.
    pub members: u16,
    pub households: u64,
}
