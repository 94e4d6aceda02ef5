//! Keys of totals: what is counted, by what. Each is the unit first, then what is counted there.
//!
//! | counted | key after unit 4 and kind 1 |
//! |---|---|
//! | living persons by residence, the dead, households | sex 1 |
//! | people by birth | birth 4 (packed), class 1 |
//! | people by cohort | year 2, class 1 with its highest bit for vague births |
//! | changes of populations | month 2, component 1, which populations 1, class 1 |
//! | moves | month 2, direction 1, the other unit 4, which populations 1, class 1 |
//! | vital events | month 2, which 1, by which dates and places 1, class 1 |
//! | delays of registration | month 2, what 1, how long 1 |
//! | households by kind and size | kind 1, members 2 |
//!
//! Rolled up means: with all units that were established below it. People by birth are kept for the unit itself, and rolled up for
//! the province and the nation; everything from the cohorts on is rolled up at every level. Of a move, a unit counts what comes from
//! and goes to other units of its own level.

use crate::class::Class;
use crate::month::Month;
use event_schemas::household::HouseholdKind;
use event_schemas::ids::UnitId;
use event_schemas::person::Sex;
use event_schemas::time::PartialDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state_store::engine::KeyRange;
use std::ops::Bound;

/// The whole nation, of what is rolled up.
pub(crate) const NATION: UnitId = UnitId::NONE;
/// A place in no known unit, of what is rolled up.
pub(crate) const NOWHERE: UnitId = UnitId(u32::MAX - 1);
/// A place abroad, of what is rolled up.
pub(crate) const ABROAD: UnitId = UnitId(u32::MAX);

/// What is counted by unit. [`UnitId::NONE`] stands for "in no unit": abroad, no residence, dead; of what is rolled up, for the
/// nation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Total {
    /// Living persons by permanent residence. Over all units, `NONE` included, these are all living persons.
    Permanent = 1,
    /// Living persons by temporary residence, counted a second time.
    Temporary = 2,
    /// Persons who died; only under `NONE`.
    Dead = 3,
    /// Households that have not ended.
    Households = 4,
    /// Households by kind and number of permanent members.
    HouseholdSizes = 5,
    /// Changes of who belongs to a population.
    Changes = 6,
    /// The same between two units.
    Moves = 7,
    Vital = 8,
    Delays = 9,
}

/// Where a living person is, as far as populations tell it apart. Every population is a sum of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Whereabouts {
    /// Permanent residence here, and no temporary one; under `NONE`: neither.
    AtHome = 16,
    /// Permanent residence here (`NONE`: nowhere), stays elsewhere for less than half a year.
    AwayBriefly = 17,
    /// The same for half a year or more, or the stay is all that there is.
    AwayUsually = 18,
    /// Stays here for less than half a year, and has permanent residence elsewhere.
    StayingBriefly = 19,
    /// Stays here for half a year or more, or has no other residence.
    StayingUsually = 20,
}

/// How finely, and how far up, people are counted by birth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Grain {
    /// By birth, in exactly the unit.
    Births = 0,
    /// By birth, with everything below.
    BirthsRolledUp = 32,
    /// By cohort, with everything below.
    CohortsRolledUp = 64,
}

/// In the class of a cohort: only year or month of these births are known.
const VAGUE: u8 = 1 << 7;

/// Who is of one age on every 1 January: those born after that day of the year, until that day of the next.
fn cohort_of(birth: PartialDate) -> i16 {
    birth.earliest().plus_days(-1).year()
}

/// Age of a cohort on 1 January of a year; negative before they are born.
pub(crate) fn age_of_cohort(cohort: i16, year: i16) -> i16 {
    year - cohort - 1
}

/// Longest key.
const MAX_KEY: usize = 15;

/// Key of a total.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct TotalKey {
    bytes: [u8; MAX_KEY],
    len: u8,
}

impl TotalKey {
    fn of(unit: UnitId, kind: u8) -> Self {
        let mut bytes = [0; MAX_KEY];
        bytes[..4].copy_from_slice(&unit.0.to_be_bytes());
        bytes[4] = kind;
        Self { bytes, len: 5 }
    }

    fn and<const N: usize>(mut self, more: [u8; N]) -> Self {
        let len = usize::from(self.len);
        self.bytes[len..len + N].copy_from_slice(&more);
        self.len += N as u8;
        self
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    pub fn by_sex(unit: UnitId, total: Total, sex: Sex) -> Self {
        Self::of(unit, total as u8).and([sex as u8])
    }

    pub fn by_birth(unit: UnitId, kind: (Grain, Whereabouts), birth: PartialDate, class: Class) -> Self {
        Self::of(unit, kind.0 as u8 + kind.1 as u8).and(birth.packed().to_be_bytes()).and([class.packed()])
    }

    pub fn by_cohort(unit: UnitId, whereabouts: Whereabouts, birth: PartialDate, class: Class) -> Self {
        let kind = Grain::CohortsRolledUp as u8 + whereabouts as u8;
        let vague = if birth.full().is_none() { VAGUE } else { 0 };
        Self::of(unit, kind).and(cohort_of(birth).to_be_bytes()).and([class.packed() | vague])
    }

    pub fn change(unit: UnitId, month: Month, component: u8, populations: u8, class: Class) -> Self {
        let kind = Total::Changes as u8;
        Self::of(unit, kind).and(month.to_bytes()).and([component, populations, class.packed()])
    }

    pub fn moved(
        unit: UnitId,
        month: Month,
        component: u8,
        other: UnitId,
        populations: u8,
        class: Class,
    ) -> Self {
        let key = Self::of(unit, Total::Moves as u8).and(month.to_bytes()).and([component]);
        key.and(other.0.to_be_bytes()).and([populations, class.packed()])
    }

    pub fn vital(unit: UnitId, month: Month, what: u8, by: u8, class: Class) -> Self {
        Self::of(unit, Total::Vital as u8).and(month.to_bytes()).and([what, by, class.packed()])
    }

    pub fn delay(unit: UnitId, month: Month, what: u8, how_long: u8) -> Self {
        Self::of(unit, Total::Delays as u8).and(month.to_bytes()).and([what, how_long])
    }

    pub fn household(unit: UnitId, kind: HouseholdKind, members: u16) -> Self {
        let kind = match kind {
            HouseholdKind::Family => 0,
            HouseholdKind::Institutional => 1,
        };
        Self::of(unit, Total::HouseholdSizes as u8).and([kind]).and(members.to_be_bytes())
    }
}

/// Every key of one kind in exactly this unit.
pub(crate) fn all_of(unit: UnitId, total: Total) -> KeyRange {
    KeyRange::prefix(TotalKey::of(unit, total as u8).as_bytes())
}

/// Everything counted by birth, or by its year, of one kind.
pub(crate) fn all_by_birth(unit: UnitId, grain: Grain, whereabouts: Whereabouts) -> KeyRange {
    KeyRange::prefix(TotalKey::of(unit, grain as u8 + whereabouts as u8).as_bytes())
}

/// Every key of one kind whose month is one of these.
pub(crate) fn within(unit: UnitId, total: Total, first: Month, last: Month) -> KeyRange {
    let bound = |month: Month| TotalKey::of(unit, total as u8).and(month.to_bytes());
    KeyRange {
        from: Bound::Included(bound(first).as_bytes().to_vec()),
        to: Bound::Excluded(bound(last.next_place()).as_bytes().to_vec()),
    }
}

/// What a total counts, as answers name it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Counted {
    /// Living persons by permanent residence.
    #[default]
    Permanent,
    /// Living persons by temporary residence.
    Temporary,
    Dead,
    Households,
    HouseholdSizes,
    Flows,
    Moves,
    VitalEvents,
    Delays,
    /// Living persons at home, by birth or cohort.
    AtHome,
    AwayBriefly,
    AwayUsually,
    StayingBriefly,
    StayingUsually,
    /// Numbers of a cell of PINs.
    PinsGiven,
    PinsReserved,
}

/// Where a key counts what; none if nothing is counted under such a key.
pub(crate) fn counted_in(key: &[u8]) -> Option<(UnitId, Counted)> {
    let (unit, rest) = key.split_first_chunk()?;
    let counted = match rest.first()? {
        1 => Counted::Permanent,
        2 => Counted::Temporary,
        3 => Counted::Dead,
        4 => Counted::Households,
        5 => Counted::HouseholdSizes,
        6 => Counted::Flows,
        7 => Counted::Moves,
        8 => Counted::VitalEvents,
        9 => Counted::Delays,
        kind => match kind & (Grain::BirthsRolledUp as u8 - 1) {
            16 => Counted::AtHome,
            17 => Counted::AwayBriefly,
            18 => Counted::AwayUsually,
            19 => Counted::StayingBriefly,
            20 => Counted::StayingUsually,
            _ => return None,
        },
    };
    Some((UnitId(u32::from_be_bytes(*unit)), counted))
}

/// Where the people are whom a key counts by birth or cohort.
pub(crate) fn whereabouts_of(key: &[u8]) -> Option<Whereabouts> {
    use Whereabouts::{AtHome, AwayBriefly, AwayUsually, StayingBriefly, StayingUsually};
    let kind = key.get(4)? & (Grain::BirthsRolledUp as u8 - 1);
    let all = [AtHome, AwayBriefly, AwayUsually, StayingBriefly, StayingUsually];
    all.into_iter().find(|whereabouts| *whereabouts as u8 == kind)
}

/// Whether a key counts with all units below.
pub(crate) fn is_rolled_up(key: &[u8]) -> bool {
    key.get(4).is_some_and(|kind| (5..16).contains(kind) || *kind >= Grain::BirthsRolledUp as u8)
}

/// What follows unit and kind.
fn rest<const N: usize>(key: &[u8]) -> Option<[u8; N]> {
    key.get(5..)?.try_into().ok()
}

pub(crate) fn sex_of(key: &[u8]) -> Option<Sex> {
    let [sex] = rest(key)?;
    Some(Class::from_packed(sex).sex)
}

pub(crate) fn birth_of(key: &[u8]) -> Option<(PartialDate, Class)> {
    let [a, b, c, d, class] = rest(key)?;
    let birth = PartialDate::from_packed(u32::from_be_bytes([a, b, c, d]))?;
    Some((birth, Class::from_packed(class)))
}

/// Cohort, whether births are vague, class.
pub(crate) fn cohort_in(key: &[u8]) -> Option<(i16, bool, Class)> {
    let [a, b, class] = rest(key)?;
    Some((i16::from_be_bytes([a, b]), class & VAGUE != 0, Class::from_packed(class)))
}

/// Month, component or event, mask, class.
pub(crate) fn happened_of(key: &[u8]) -> Option<(Month, u8, u8, Class)> {
    let [a, b, what, mask, class] = rest(key)?;
    Some((Month::from_bytes([a, b]), what, mask, Class::from_packed(class)))
}

/// Month, component, the other unit, mask.
pub(crate) fn moved_of(key: &[u8]) -> Option<(Month, u8, UnitId, u8)> {
    let [a, b, what, u, n, i, t, mask, _class] = rest(key)?;
    Some((Month::from_bytes([a, b]), what, UnitId(u32::from_be_bytes([u, n, i, t])), mask))
}

/// Month, what, how long.
pub(crate) fn delay_of(key: &[u8]) -> Option<(Month, u8, u8)> {
    let [a, b, what, how_long] = rest(key)?;
    Some((Month::from_bytes([a, b]), what, how_long))
}

pub(crate) fn household_of(key: &[u8]) -> Option<(HouseholdKind, u16)> {
    let [kind, a, b] = rest(key)?;
    let kind = if kind == 0 { HouseholdKind::Family } else { HouseholdKind::Institutional };
    Some((kind, u16::from_be_bytes([a, b])))
}
