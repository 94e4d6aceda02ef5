//! Figures that shape the population. Source, unless another is named: *Completed results of the 2019 Viet Nam Population
//! and Housing Census*, General Statistics Office. Curves between published figures are ours and say so.

use crate::rng::{Rng, weighted};
use event_schemas::person::{Ethnicity, Sex};
use rand::Rng as _;

/// Live births a year per 1,000 people: 16.3.
pub(crate) const BIRTHS_PER_MILLE: f64 = 16.3;
/// Deaths a year per 1,000 people: 6.3.
pub(crate) const DEATHS_PER_MILLE: f64 = 6.3;
/// Boys per 1,000 children at birth: a sex ratio of 111.5 boys to 100 girls.
pub(crate) const BOYS_PER_MILLE: u32 = 527;
/// Boys per 1,000 of those born before the ratio at birth rose after 2005; the biological ratio of 105 to 100.
pub(crate) const BOYS_BEFORE_PER_MILLE: u32 = 512;
/// Twin births per 1,000 births; about 10 worldwide for Asia (Monden and others, *Human Reproduction* 2021).
pub(crate) const TWINS_PER_MILLE: u32 = 10;
/// Mean age at first marriage: men 27.2, women 23.1.
pub(crate) const MARRIAGE_AGE_WOMEN: std::ops::Range<i16> = 19..29;
/// Years by which a husband is older; the difference of the two means is 4.
pub(crate) const HUSBAND_OLDER: std::ops::Range<i16> = -1..9;

/// Households of 1 to 8 persons per 1,000. The census gives a mean of 3.6 and 65.5 % of households with 2 to 4 members; the
/// split inside those groups is ours.
const HOUSEHOLD_SIZES: [u16; 8] = [99, 165, 200, 290, 135, 76, 24, 11];

/// Persons of a household.
pub(crate) fn household_size(rng: &mut Rng) -> usize {
    weighted(rng, &HOUSEHOLD_SIZES) + 1
}

/// The list's code and the people in ten thousand of each ethnicity with more than a quarter of a million people; codes by
/// Decision 121-TCTK/PPCĐ of 1979.
const ETHNICITIES: [(u8, u16); 12] = [
    (1, 8_532),
    (2, 192),
    (3, 189),
    (6, 151),
    (8, 145),
    (5, 137),
    (7, 113),
    (9, 93),
    (4, 78),
    (10, 53),
    (12, 41),
    (13, 30),
];

/// An ethnicity with its share in the nation; no province's own composition is imitated.
pub(crate) fn ethnicity(rng: &mut Rng) -> u8 {
    let weights = ETHNICITIES.map(|(_, weight)| weight);
    ETHNICITIES[weighted(rng, &weights)].0
}

/// The code as the contract's type.
pub(crate) fn ethnicity_code(code: u8) -> Ethnicity {
    Ethnicity::new(code).expect("only codes of the list are drawn")
}

/// Probability of dying within a year at an age, relative to others; how many die follows from [`DEATHS_PER_MILLE`]. First
/// year: 14.0 ‰, as the census finds; later a Gompertz curve, doubling about every eight years, men above women, fitted by
/// hand to a life expectancy of 73.6 years.
pub(crate) fn yearly_death_risk(sex: Sex, age: i16) -> f64 {
    let curve = match age {
        ..=0 => 0.014,
        1..=4 => 0.001,
        _ => (0.000_05 * (0.085 * f64::from(age)).exp()).max(0.000_3),
    };
    let by_sex = if sex == Sex::Male { 1.35 } else { 0.75 };
    curve * by_sex
}

/// About the highest [`yearly_death_risk`] to the age of [`MAX_AGE`]; those who are older die as likely.
pub(crate) const HIGHEST_DEATH_RISK: f64 = 0.3;
/// Nobody is enrolled older.
pub(crate) const MAX_AGE: i16 = 98;

/// Births a year per 1,000 women of the age group that begins with the age; rounded from the census's age-specific rates
/// (total fertility 2.09).
const FERTILITY: [(i16, u16); 7] = [(15, 35), (20, 113), (25, 131), (30, 83), (35, 41), (40, 12), (45, 1)];
/// The highest of them.
pub(crate) const HIGHEST_FERTILITY: u32 = 131;
/// Younger women are not drawn as mothers: a birth to a minor needs papers that the simulation does not make.
pub(crate) const YOUNGEST_MOTHER: i16 = 18;

/// Births a year per 1,000 women of an age.
pub(crate) fn fertility(age: i16) -> u32 {
    match age {
        YOUNGEST_MOTHER..50 => u32::from(FERTILITY[((age - 15) / 5) as usize].1),
        _ => 0,
    }
}

/// Sex of a child born in a year.
pub(crate) fn sex_at_birth(rng: &mut Rng, year: i16) -> Sex {
    let boys = if year > 2005 { BOYS_PER_MILLE } else { BOYS_BEFORE_PER_MILLE };
    if rng.random_range(0..1_000) < boys { Sex::Male } else { Sex::Female }
}

/// Codes of ICD-10 under which the simulation registers deaths: common causes in Viet Nam.
pub(crate) const CAUSES_OF_DEATH: [&str; 10] =
    ["I64", "I21", "C34", "C22", "J44", "J18", "E14", "K74", "V89", "R54"];
