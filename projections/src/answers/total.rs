//! Totals as answers name them: what is counted, where, and by what.

use super::{Teller, UnitBrief};
use crate::changes::{self, ByDate, Component};
use crate::class::{Category, Class};
use crate::definition::Definition;
use crate::layout::{PIN_CELLS, TOTALS};
use crate::month::Month;
use crate::row_source::RowSource;
use crate::staged::cell_of;
use crate::totals::{
    ABROAD, Counted, NATION, NOWHERE, birth_of, cohort_in, counted_in, delay_of, happened_of, household_of,
    is_rolled_up, moved_of, sex_of,
};
use crate::vital::{self, ByPlace, Delay, Vital};
use event_schemas::household::HouseholdKind;
use event_schemas::ids::UnitId;
use event_schemas::person::{MaritalStatus, Sex};
use event_schemas::time::PartialDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state_store::engine::TableId;

/// A population, and by which date it is counted.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PopulationBy {
    pub definition: Definition,
    pub by: ByDate,
}

/// By which date and place something that happened is counted.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HappenedBy {
    pub by: ByDate,
    pub place: ByPlace,
}

/// What brings somebody into a population or takes him out of it, as flows name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    Born,
    Enrolled,
    Arrived,
    MovedIn,
    Died,
    Left,
    MovedOut,
}

/// What a total counts. Members that do not tell it apart from others are left out.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TotalView {
    pub counted: Counted,
    /// Where; id 0 for the nation, and for whoever is in no unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitBrief>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sex: Option<Sex>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marital: Option<MaritalStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birth: Option<PartialDate>,
    /// Who is a year old on the second 1 January after this year's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cohort: Option<i16>,
    /// Only year or month of these births are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vague: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month: Option<Month>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<Flow>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub populations: Vec<PopulationBy>,
    /// Of a move, where from or to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<UnitBrief>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<Vital>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub happened: Vec<HappenedBy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Delay>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub household_kind: Option<HouseholdKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<u16>,
    /// The digits with which the numbers of a cell begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<String>,
}

/// A total that would be another.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TotalEffect {
    #[serde(flatten)]
    pub total: TotalView,
    pub before: u64,
    pub after: u64,
}

impl From<Component> for Flow {
    fn from(component: Component) -> Self {
        match component {
            Component::Born => Self::Born,
            Component::Enrolled => Self::Enrolled,
            Component::Arrived => Self::Arrived,
            Component::MovedIn => Self::MovedIn,
            Component::Died => Self::Died,
            Component::Left => Self::Left,
            Component::MovedOut => Self::MovedOut,
        }
    }
}

impl TotalView {
    /// What a key counts; none if the table holds no counts.
    pub(crate) fn of<R: RowSource>(
        teller: &mut Teller<'_, R>,
        table: TableId,
        key: &[u8],
    ) -> Result<Option<Self>, R::Error> {
        if table == PIN_CELLS {
            return Ok(cell_of(key).map(|(cell, is_given)| Self {
                counted: if is_given { Counted::PinsGiven } else { Counted::PinsReserved },
                cell: Some(format!("{:03}{}{:02}", cell.place, cell.century_sex, cell.year)),
                ..Self::default()
            }));
        }
        let (TOTALS, Some((unit, counted))) = (table, counted_in(key)) else { return Ok(None) };
        let mut total =
            Self { counted, unit: Some(unit_of(teller, unit, is_rolled_up(key))?), ..Self::default() };
        if let Some(other) = total.read(key) {
            total.other = Some(unit_of(teller, other, true)?);
        }
        Ok(Some(total))
    }

    /// What follows unit and kind; gives the other unit of a move.
    fn read(&mut self, key: &[u8]) -> Option<UnitId> {
        match self.counted {
            Counted::Permanent | Counted::Temporary | Counted::Dead => self.sex = sex_of(key),
            Counted::HouseholdSizes => {
                let (kind, members) = household_of(key)?;
                (self.household_kind, self.members) = (Some(kind), Some(members));
            }
            Counted::Flows => {
                let (month, flow, mask, class) = happened_of(key)?;
                (self.month, self.flow) = (Some(month), Component::from_number(flow).map(Flow::from));
                self.populations = populations(mask);
                (self.sex, self.category) = (Some(class.sex), Some(class.category));
            }
            Counted::Moves => {
                let (month, flow, other, mask) = moved_of(key)?;
                (self.month, self.flow) = (Some(month), Component::from_number(flow).map(Flow::from));
                self.populations = populations(mask);
                let class = Class::from_packed(*key.last()?);
                (self.sex, self.category) = (Some(class.sex), Some(class.category));
                return Some(other);
            }
            Counted::VitalEvents => {
                let (month, event, mask, class) = happened_of(key)?;
                (self.month, self.event) = (Some(month), Vital::from_number(event));
                self.happened = happened(mask);
                (self.sex, self.category) = (Some(class.sex), Some(class.category));
            }
            Counted::Delays => {
                let (month, event, delay) = delay_of(key)?;
                (self.month, self.event) = (Some(month), Vital::from_number(event));
                self.delay = Delay::from_number(delay);
            }
            Counted::Households | Counted::PinsGiven | Counted::PinsReserved => {}
            _ => {
                let class = match cohort_in(key) {
                    Some((cohort, vague, class)) => {
                        (self.cohort, self.vague) = (Some(cohort), Some(vague));
                        class
                    }
                    None => {
                        let (birth, class) = birth_of(key)?;
                        self.birth = Some(birth);
                        class
                    }
                };
                (self.sex, self.category, self.marital) =
                    (Some(class.sex), Some(class.category), Some(class.marital));
            }
        }
        None
    }
}

fn unit_of<R: RowSource>(
    teller: &mut Teller<'_, R>,
    unit: UnitId,
    is_rolled_up: bool,
) -> Result<UnitBrief, R::Error> {
    let name = match unit {
        NATION if is_rolled_up => "Việt Nam",
        NATION | NOWHERE => "no unit",
        ABROAD => "abroad",
        unit => return teller.unit(unit),
    };
    Ok(UnitBrief { id: UnitId::NONE, code: None, name: name.to_owned() })
}

fn populations(counted: u8) -> Vec<PopulationBy> {
    let all = [ByDate::Event, ByDate::Registration]
        .into_iter()
        .flat_map(|by| Definition::ALL.map(|definition| PopulationBy { definition, by }));
    all.filter(|it| counted & changes::mask(it.definition, it.by) != 0).collect()
}

fn happened(counted: u8) -> Vec<HappenedBy> {
    let places = [ByPlace::Residence, ByPlace::Event, ByPlace::Registration];
    let all = [ByDate::Event, ByDate::Registration]
        .into_iter()
        .flat_map(|by| places.map(|place| HappenedBy { by, place }));
    all.filter(|it| counted & vital::mask(it.by, it.place) != 0).collect()
}
