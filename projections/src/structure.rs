//! A population by age and sex, under a named definition of who belongs to it.

use crate::layout::Total;
use crate::view::{CountBySex, Reading};
use event_schemas::ids::UnitId;
use event_schemas::time::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state_store::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

/// Most counts that one question visits (O1): a district, about. A larger unit is asked for by its parts.
pub const MAX_COUNTS: usize = 400_000;
/// Nobody is older.
const MAX_AGE: i16 = 150;

/// Who is counted where. Only the living are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Definition {
    /// Everybody with permanent residence here, wherever they stay.
    #[default]
    Permanent,
    /// Everybody who stays here by temporary residence.
    Temporary,
    /// Who stays here, and who has permanent residence here and stays nowhere else: nobody is counted twice.
    Usual,
}

impl Definition {
    /// One sentence, English and Vietnamese, to be printed with the figures.
    pub fn meaning(self) -> (&'static str, &'static str) {
        match self {
            Self::Permanent => (
                "Living persons with permanent residence in the unit, wherever they stay.",
                "Người còn sống đăng ký thường trú tại đơn vị, dù đang tạm trú ở đâu.",
            ),
            Self::Temporary => (
                "Living persons with temporary residence in the unit.",
                "Người còn sống đăng ký tạm trú tại đơn vị.",
            ),
            Self::Usual => (
                "Living persons with temporary residence in the unit, and those with permanent residence there and temporary \
                 residence nowhere: nobody is counted twice.",
                "Người còn sống tạm trú tại đơn vị và người thường trú tại đơn vị không tạm trú nơi khác: không ai được tính hai lần.",
            ),
        }
    }

    fn totals(self) -> &'static [Total] {
        match self {
            Self::Permanent => &[Total::AtHome, Total::Away],
            Self::Temporary => &[Total::Staying],
            Self::Usual => &[Total::AtHome, Total::Staying],
        }
    }
}

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
    fn ages(&self) -> impl Iterator<Item = (i16, Option<i16>)> {
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

/// A population by age.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Structure {
    /// First and last age, how many, and how many of them whose age is vague: only year or month of their birth is known, and they
    /// are counted as born on its first day.
    pub bands: Vec<(i16, Option<i16>, CountBySex, u64)>,
    /// Born after the day for which ages are stated.
    pub not_born: CountBySex,
    pub all: CountBySex,
}

/// Counts the population of some units with ages as on `on`; `None` if too much would have to be visited.
pub fn structure(
    reading: &Reading<'_>,
    units: &BTreeSet<UnitId>,
    definition: Definition,
    on: Date,
    bands: &Bands,
) -> Result<Option<Structure>, StoreError> {
    let mut sums: BTreeMap<i16, (CountBySex, u64)> = BTreeMap::new();
    let (mut not_born, mut all) = (CountBySex::default(), CountBySex::default());
    let mut visited = 0;
    for unit in units {
        for total in definition.totals() {
            let mut after: Option<Vec<u8>> = None;
            loop {
                after = reading.by_birth(*unit, *total, after.as_deref(), |sex, birth, count| {
                    visited += 1;
                    all.count(sex, count);
                    match bands.band_of(on.full_years_since(birth.earliest())) {
                        Some(first) => {
                            let (counts, vague) = sums.entry(first).or_default();
                            counts.count(sex, count);
                            *vague += if birth.full().is_none() { count } else { 0 };
                        }
                        None => not_born.count(sex, count),
                    }
                })?;
                if visited > MAX_COUNTS {
                    return Ok(None);
                }
                if after.is_none() {
                    break;
                }
            }
        }
    }
    let bands = bands.ages().map(|(first, last)| {
        let (counts, vague) = sums.get(&first).copied().unwrap_or_default();
        (first, last, counts, vague)
    });
    Ok(Some(Structure { bands: bands.collect(), not_born, all }))
}

#[cfg(test)]
mod tests {
    use super::{BadBands, Bands};

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
        for wrong in ["", "0", "-5", "x", "1,5", "0,5,5", "0,10,5", "0,-1", "0,200"] {
            assert_eq!(wrong.parse::<Bands>(), Err(BadBands), "{wrong}");
        }
    }
}
