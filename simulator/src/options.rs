//! What a simulation is asked to be.

use event_schemas::time::Date;

/// Size, place and time of a simulation. The same options and the same answers give the same commands.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    /// Two-digit code of the province whose wards are populated.
    pub province: u8,
    /// Persons enrolled at the start, [`MIN_PERSONS`] to [`MAX_PERSONS`].
    pub persons: u32,
    /// Years of life after the enrolment, 1 to [`MAX_YEARS`].
    pub years: u16,
    /// Day of the enrolment. Life begins on the next.
    pub start_date: Date,
    /// Of a hundred persons of 14 and older, how many apply in the card campaign.
    pub card_share_percent: u8,
    /// Of a thousand commands in daily life, how many are wrong on purpose.
    pub wrong_per_mille: u16,
}

/// Fewest persons that make a population in which everything happens.
pub const MIN_PERSONS: u32 = 2_000;
/// Most persons: a nation.
pub const MAX_PERSONS: u32 = 100_000_000;
/// Most years.
pub const MAX_YEARS: u16 = 20;

/// Hà Nam: 852,800 people in the census, 109 wards of every kind, a mean province of the Red River delta.
const DEFAULT_PROVINCE: u8 = 35;

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            province: DEFAULT_PROVINCE,
            persons: 200_000,
            years: 2,
            start_date: Date::new(2021, 1, 1).expect("this day exists"),
            card_share_percent: 60,
            wrong_per_mille: 5,
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), OptionsError> {
        if !(MIN_PERSONS..=MAX_PERSONS).contains(&self.persons) {
            return Err(OptionsError::Persons(self.persons));
        }
        if !(1..=MAX_YEARS).contains(&self.years) {
            return Err(OptionsError::Years(self.years));
        }
        if !(2015..=2100).contains(&self.start_date.year()) {
            return Err(OptionsError::StartDate(self.start_date));
        }
        if self.card_share_percent > 100 {
            return Err(OptionsError::CardShare(self.card_share_percent));
        }
        if self.wrong_per_mille > 500 {
            return Err(OptionsError::Wrong(self.wrong_per_mille));
        }
        Ok(())
    }

    /// Days of life after the enrolment.
    pub(crate) fn days(&self) -> u16 {
        (self.start_date.plus_years(self.years as i16).0 - self.start_date.0) as u16
    }
}

/// Why a simulation cannot be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OptionsError {
    #[error("no province has the code {0:02}")]
    UnknownProvince(u8),
    #[error("{0} persons: between {MIN_PERSONS} and {MAX_PERSONS} are possible")]
    Persons(u32),
    #[error("{0} years: between 1 and {MAX_YEARS} are possible")]
    Years(u16),
    #[error("a simulation starts between 2015 and 2100, not on {0}")]
    StartDate(Date),
    #[error("{0} per cent of the people cannot apply for a card")]
    CardShare(u8),
    #[error("{0} wrong commands of a thousand: at most 500 are possible")]
    Wrong(u16),
}
