//! Flows by month: what brought people into a population and took them out of it, where from and where to; what happened in their
//! lives, and how late it was registered.

use crate::changes::{self, ByDate, Component};
use crate::class::{Category, Class};
use crate::definition::Definition;
use crate::month::Month;
use crate::structure::MAX_COUNTS;
use crate::totals::{Total, all_of, delay_of, happened_of, household_of, moved_of, within};
use crate::tree::{Source, Tree};
use crate::view::{CountBySex, Reading};
use crate::vital::{self, ByPlace, Delay, Vital};
use event_schemas::ids::UnitId;
use event_schemas::person::Sex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state_store::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};

/// Longest period of one question, months (O1).
pub const MAX_MONTHS: usize = 120;
/// Most pairs of units that an answer about moves holds (O1).
pub const MAX_PAIRS: usize = 10_000;

/// Why a period cannot be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadPeriod {
    #[error("the period ends before it begins")]
    EndsBefore,
    #[error("the period is longer than {MAX_MONTHS} months")]
    TooLong,
}

/// Calendar months, from the first to the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Period {
    pub from: Month,
    pub to: Month,
}

impl Period {
    /// Some months, at least one and not too many.
    pub fn new(from: Month, to: Month) -> Result<Self, BadPeriod> {
        match from.months_until(to) {
            0 => Err(BadPeriod::EndsBefore),
            1..=MAX_MONTHS => Ok(Self { from, to }),
            _ => Err(BadPeriod::TooLong),
        }
    }

    /// Where its rows begin: what is known to the year alone goes before January.
    fn first(self) -> Month {
        if self.from.is_january() { self.from.unknown_of_year() } else { self.from }
    }

    /// Every month, those that are not known of their year among them.
    fn rows(self) -> impl Iterator<Item = Month> {
        std::iter::successors(Some(self.first()), |month| Some(month.next_place()))
            .take_while(move |month| *month <= self.to)
    }
}

/// Whose flows: all, or those of one sex or category.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Whose {
    pub sex: Option<Sex>,
    pub category: Option<Category>,
}

impl Whose {
    fn has(self, class: Class) -> bool {
        self.sex.is_none_or(|sex| sex == class.sex)
            && self.category.is_none_or(|category| category == class.category)
    }
}

/// A month of a population.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Balance {
    /// A year alone holds what is known to the year only; it goes before January.
    pub month: Month,
    /// How many there were before.
    pub opening: i64,
    pub born: u64,
    /// Entered the registry without a birth.
    pub enrolled: u64,
    /// Were counted nowhere before: from abroad, or without residence.
    pub arrived: u64,
    /// From other units.
    pub moved_in: u64,
    pub died: u64,
    /// Are counted nowhere now: abroad, or a registration ended.
    pub left: u64,
    /// To other units.
    pub moved_out: u64,
    /// How many there were then: opening and every flow.
    pub closing: i64,
}

impl Balance {
    fn of(month: Month, opening: i64, counts: [u64; 7]) -> Self {
        let [born, enrolled, arrived, moved_in, died, left, moved_out] = counts;
        let flows =
            Component::ALL.iter().zip(counts).map(|(component, count)| component.sign() * count as i64);
        let closing = opening + flows.sum::<i64>();
        Self { month, opening, born, enrolled, arrived, moved_in, died, left, moved_out, closing }
    }
}

/// The months of a population, under one definition and by one date (R6); `None` if too much would have to be visited.
pub fn balances(
    reading: &Reading<'_>,
    units: &[UnitId],
    (definition, by): (Definition, ByDate),
    whose: Whose,
    period: Period,
) -> Result<Option<Vec<Balance>>, StoreError> {
    let wanted = changes::mask(definition, by);
    let mut opening = 0_i64;
    let mut months: BTreeMap<Month, [u64; 7]> = BTreeMap::new();
    let mut visited = 0;
    for unit in units {
        let range = within(*unit, Total::Changes, Month::FIRST, period.to);
        let whole = reading.each_total(range, |key, count| {
            visited += 1;
            if let Some((month, component, counted, class)) = happened_of(key)
                && let Some(component) = Component::from_number(component)
                && counted & wanted != 0
                && whose.has(class)
            {
                if month < period.first() {
                    opening += component.sign() * count as i64;
                } else {
                    months.entry(month).or_default()[component as usize - 1] += count;
                }
            }
            visited <= MAX_COUNTS
        })?;
        if !whole {
            return Ok(None);
        }
    }
    let mut rows = Vec::new();
    for month in period.rows() {
        let counts = months.get(&month).copied();
        if month.is_unknown() && counts.is_none() {
            continue;
        }
        let balance = Balance::of(month, opening, counts.unwrap_or_default());
        opening = balance.closing;
        rows.push(balance);
    }
    Ok(Some(rows))
}

/// How many of one vital event in one month.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Happened {
    pub month: Month,
    pub what: Vital,
    pub counts: CountBySex,
}

/// Vital events by month; `None` if too much would have to be visited.
pub fn vital_events(
    reading: &Reading<'_>,
    units: &[UnitId],
    (by, place): (ByDate, ByPlace),
    category: Option<Category>,
    period: Period,
) -> Result<Option<Vec<Happened>>, StoreError> {
    let wanted = vital::mask(by, place);
    let whose = Whose { sex: None, category };
    let mut sums: BTreeMap<(Month, Vital), CountBySex> = BTreeMap::new();
    let mut visited = 0;
    for unit in units {
        let range = within(*unit, Total::Vital, period.first(), period.to);
        let whole = reading.each_total(range, |key, count| {
            visited += 1;
            if let Some((month, what, counted, class)) = happened_of(key)
                && let Some(what) = Vital::from_number(what)
                && counted & wanted != 0
                && whose.has(class)
            {
                sums.entry((month, what)).or_default().count(class.sex, count);
            }
            visited <= MAX_COUNTS
        })?;
        if !whole {
            return Ok(None);
        }
    }
    let rows = sums.into_iter().map(|((month, what), counts)| Happened { month, what, counts });
    Ok(Some(rows.collect()))
}

/// Moves between two units: how many, in the whole period.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pair {
    pub other: UnitId,
    pub moved_in: u64,
    pub moved_out: u64,
}

/// Where people came from and went to, by units of the same level; `None` if too much would have to be visited.
pub fn moves(
    reading: &Reading<'_>,
    units: &[UnitId],
    (definition, by): (Definition, ByDate),
    period: Period,
) -> Result<Option<Vec<Pair>>, StoreError> {
    let wanted = changes::mask(definition, by);
    let mut pairs: BTreeMap<UnitId, Pair> = BTreeMap::new();
    let mut visited = 0;
    for unit in units {
        let range = within(*unit, Total::Moves, period.first(), period.to);
        let whole = reading.each_total(range, |key, count| {
            visited += 1;
            if let Some((_, component, other, counted)) = moved_of(key)
                && counted & wanted != 0
            {
                let pair = pairs.entry(other).or_insert(Pair { other, moved_in: 0, moved_out: 0 });
                match Component::from_number(component) {
                    Some(Component::MovedIn) => pair.moved_in += count,
                    _ => pair.moved_out += count,
                }
            }
            visited <= MAX_COUNTS && pairs.len() <= MAX_PAIRS
        })?;
        if !whole {
            return Ok(None);
        }
    }
    Ok(Some(pairs.into_values().collect()))
}

/// How many of one event were registered how late, in the whole period.
pub type Delays = BTreeMap<(Vital, Delay), u64>;

/// How late events were registered that were registered in some months.
pub fn delays(reading: &Reading<'_>, units: &[UnitId], period: Period) -> Result<Delays, StoreError> {
    let mut sums = Delays::new();
    for unit in units {
        reading.each_total(within(*unit, Total::Delays, period.from, period.to), |key, count| {
            if let Some((_, what, delay)) = delay_of(key)
                && let (Some(what), Some(delay)) = (Vital::from_number(what), Delay::from_number(delay))
            {
                *sums.entry((what, delay)).or_default() += count;
            }
            true
        })?;
    }
    Ok(sums)
}

/// Units whose rolled-up totals make up what is counted. Nobody lives directly in a unit that has others below it.
pub fn rolled_up(tree: &Tree, units: &BTreeSet<UnitId>) -> Vec<UnitId> {
    let sources = tree.sources(units, false).into_iter().filter_map(|source| match source {
        Source::RolledUp(unit) => Some(unit),
        Source::Alone(_) => None,
    });
    sources.collect()
}

/// Households by kind (0 family, 1 institutional) and number of permanent members.
pub fn household_sizes(
    reading: &Reading<'_>,
    units: &[UnitId],
) -> Result<BTreeMap<(u8, u16), u64>, StoreError> {
    let mut sums = BTreeMap::new();
    for unit in units {
        reading.each_total(all_of(*unit, Total::HouseholdSizes), |key, count| {
            if let Some((kind, members)) = household_of(key) {
                *sums.entry((kind as u8, members)).or_default() += count;
            }
            true
        })?;
    }
    Ok(sums)
}
