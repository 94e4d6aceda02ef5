//! A population by age, sex, category and marital status, under a named definition of who belongs to it.

use crate::class::{Category, Class, MARITAL};
use crate::definition::Definition;
use crate::totals::{Grain, Whereabouts, age_of_cohort, all_by_birth, birth_of, cohort_in};
use crate::tree::{Source, Tree};
use crate::view::{CountBySex, Reading};
use event_schemas::ids::UnitId;
use event_schemas::person::MaritalStatus;
use event_schemas::time::Date;
use state_store::engine::KeyRange;
use state_store::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// Most counts that one question visits (O1): the largest district on any day, or part of a province on any day. Whole provinces and
/// the nation have totals of their own.
pub const MAX_COUNTS: usize = 1_000_000;
/// Nobody is older.
const MAX_AGE: i16 = 150;

/// Bands of age: the first age of each; the last has no end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bands(Vec<i16>);

/// Not what bands look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("bands are a width in years, such as 5, or the first ages of each, such as 0,6,15,60")]
pub struct BadBands;

impl Bands {
    /// Bands of so many years.
    pub fn of_width(years: i16) -> Result<Self, BadBands> {
        if !(1..=MAX_AGE).contains(&years) {
            return Err(BadBands);
        }
        Ok(Self((0..=100).step_by(years as usize).collect()))
    }

    fn band_of(&self, age: i16) -> Option<i16> {
        self.0.iter().rev().find(|first| **first <= age).copied()
    }

    /// First and last age of each.
    pub(crate) fn ages(&self) -> impl Iterator<Item = (i16, Option<i16>)> {
        let last = self.0.iter().skip(1).map(|next| Some(next - 1)).chain([None]);
        self.0.iter().copied().zip(last)
    }
}

impl FromStr for Bands {
    type Err = BadBands;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ages = text.split(',').map(str::parse).collect::<Result<Vec<i16>, _>>().map_err(|_| BadBands)?;
        match ages.as_slice() {
            [width] => Self::of_width(*width),
            [0, ..] if ages.is_sorted_by(|one, next| one < next) && ages.last() <= Some(&MAX_AGE) => {
                Ok(Self(ages))
            }
            _ => Err(BadBands),
        }
    }
}

/// By what people are told apart, age and sex aside.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Apart {
    pub category: bool,
    pub marital: bool,
}

/// A word that names nothing by which people are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("people are told apart by category, by marital, or by both: category,marital")]
pub struct BadApart;

impl FromStr for Apart {
    type Err = BadApart;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut apart = Self::default();
        for word in text.split(',') {
            match word {
                "category" if !apart.category => apart.category = true,
                "marital" if !apart.marital => apart.marital = true,
                _ => return Err(BadApart),
            }
        }
        Ok(apart)
    }
}

/// What to count.
#[derive(Clone, Debug)]
pub struct Question {
    pub definition: Definition,
    /// Ages are those of this day.
    pub on: Date,
    pub bands: Bands,
    pub apart: Apart,
}

/// How many of one age, and of one category and marital status if these are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Band {
    pub from: i16,
    /// Last age; none where there is no end.
    pub to: Option<i16>,
    pub category: Option<Category>,
    pub marital: Option<MaritalStatus>,
    pub counts: CountBySex,
    /// Of all: only year or month of their birth is known, and they are counted as born on its first day.
    pub vague: u64,
}

/// A population by age.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Structure {
    pub bands: Vec<Band>,
    /// Born after the day for which ages are stated.
    pub not_born: CountBySex,
    pub all: CountBySex,
}

/// What a band is told apart by.
type Group = (Option<Category>, Option<u8>);

struct Counting<'q> {
    question: &'q Question,
    sums: BTreeMap<(i16, Group), (CountBySex, u64)>,
    not_born: CountBySex,
    all: CountBySex,
    visited: usize,
}

/// Counts the population of some units; `None` if too much would have to be visited.
pub fn structure(
    reading: &Reading<'_>,
    tree: &Tree,
    units: &BTreeSet<UnitId>,
    question: &Question,
) -> Result<Option<Structure>, StoreError> {
    let mut counting = Counting {
        question,
        sums: BTreeMap::new(),
        not_born: CountBySex::default(),
        all: CountBySex::default(),
        visited: 0,
    };
    // On 1 January whole cohorts are of one age.
    let (_, month, day) = question.on.ymd();
    let by_cohort = (month, day) == (1, 1);
    for source in tree.sources(units, !by_cohort) {
        for whereabouts in question.definition.whereabouts() {
            if !counting.source(reading, source, by_cohort, *whereabouts)? {
                return Ok(None);
            }
        }
    }
    Ok(Some(counting.finish()))
}

/// Counts who belongs to no unit: abroad, or without residence.
pub fn nowhere(reading: &Reading<'_>, definition: Definition) -> Result<CountBySex, StoreError> {
    let mut counts = CountBySex::default();
    for whereabouts in definition.whereabouts() {
        let range = all_by_birth(UnitId::NONE, Grain::Births, *whereabouts);
        reading.each_total(range, |key, count| {
            if let Some((_, class)) = birth_of(key) {
                counts.count(class.sex, count);
            }
            true
        })?;
    }
    Ok(counts)
}

impl Counting<'_> {
    /// False if too much would have to be visited.
    fn source(
        &mut self,
        reading: &Reading<'_>,
        source: Source,
        by_cohort: bool,
        whereabouts: Whereabouts,
    ) -> Result<bool, StoreError> {
        let range = |unit, grain| all_by_birth(unit, grain, whereabouts);
        match (source, by_cohort) {
            (Source::RolledUp(unit), true) => self.cohorts(reading, range(unit, Grain::CohortsRolledUp)),
            (Source::RolledUp(unit), false) => self.births(reading, range(unit, Grain::BirthsRolledUp)),
            (Source::Alone(unit), _) => self.births(reading, range(unit, Grain::Births)),
        }
    }

    fn births(&mut self, reading: &Reading<'_>, range: KeyRange) -> Result<bool, StoreError> {
        reading.each_total(range, |key, count| {
            if let Some((birth, class)) = birth_of(key) {
                let age = self.question.on.full_years_since(birth.earliest());
                self.count(age, class, birth.full().is_none(), count);
            }
            self.visited <= MAX_COUNTS
        })
    }

    fn cohorts(&mut self, reading: &Reading<'_>, range: KeyRange) -> Result<bool, StoreError> {
        let year = self.question.on.year();
        reading.each_total(range, |key, count| {
            if let Some((cohort, vague, class)) = cohort_in(key) {
                self.count(age_of_cohort(cohort, year), class, vague, count);
            }
            self.visited <= MAX_COUNTS
        })
    }

    fn count(&mut self, age: i16, class: Class, vague: bool, count: u64) {
        self.visited += 1;
        self.all.count(class.sex, count);
        let Some(first) = self.question.bands.band_of(age) else {
            self.not_born.count(class.sex, count);
            return;
        };
        let apart = self.question.apart;
        let category = Some(class.category).filter(|_| apart.category);
        let marital = MARITAL.iter().position(|status| *status == class.marital).filter(|_| apart.marital);
        let (counts, vague_ones) =
            self.sums.entry((first, (category, marital.map(|place| place as u8)))).or_default();
        counts.count(class.sex, count);
        *vague_ones += if vague { count } else { 0 };
    }

    /// Every band has its row; every category and status of it, if told apart, that anybody has.
    fn finish(self) -> Structure {
        let mut bands = Vec::new();
        let Apart { category, marital } = self.question.apart;
        for (from, to) in self.question.bands.ages() {
            let of_band = (from, (None, None))..(from + 1, (None, None));
            let mut any = false;
            for (&(_, (category, marital)), &(counts, vague)) in self.sums.range(of_band) {
                any = true;
                let marital = marital.map(|place| MARITAL[usize::from(place)]);
                bands.push(Band { from, to, category, marital, counts, vague });
            }
            if !any && !category && !marital {
                let counts = CountBySex::default();
                bands.push(Band { from, to, category: None, marital: None, counts, vague: 0 });
            }
        }
        Structure { bands, not_born: self.not_born, all: self.all }
    }
}

#[cfg(test)]
mod tests {
    use super::{Apart, BadApart, BadBands, Bands};

    #[test]
    fn bands_are_a_width_or_first_ages() {
        let bands: Bands = "0,6,15,60".parse().unwrap();
        assert_eq!(
            bands.ages().collect::<Vec<_>>(),
            [(0, Some(5)), (6, Some(14)), (15, Some(59)), (60, None)]
        );
        assert_eq!(
            [5, 6, 59, 130, -1].map(|age| bands.band_of(age)),
            [Some(0), Some(6), Some(15), Some(60), None]
        );
        assert_eq!("5".parse::<Bands>().unwrap().ages().last(), Some((100, None)));
        for wrong in ["", "0", "-5", "x", "1,5", "0,5,5", "0,10,5", "0,-1", "0,200", "99999"] {
            assert_eq!(wrong.parse::<Bands>(), Err(BadBands), "{wrong}");
        }
    }

    #[test]
    fn people_are_told_apart_by_named_things_once_each() {
        let both = Apart { category: true, marital: true };
        assert_eq!("marital,category".parse(), Ok(both));
        assert_eq!("category".parse(), Ok(Apart { category: true, marital: false }));
        for wrong in ["", "sex", "category,category", "category,"] {
            assert_eq!(wrong.parse::<Apart>(), Err(BadApart), "{wrong}");
        }
    }
}
