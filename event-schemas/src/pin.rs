//! The personal identification number and the codes inside it.

use crate::macros::{as_text, checked_decode};
use crate::person::Sex;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Personal identification number (*số định danh cá nhân*): 12 digits `PPP G YY NNNNNN`.
///
/// `PPP` province or country of birth registration, `G` century of birth and sex, `YY` year of birth, `NNNNNN` serial.
/// There is no check digit. Structure: Decree 137/2015 Art. 13, Circular 59/2021/TT-BCA Art. 4. JSON: 12 digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
pub struct Pin(u64);

const PIN_END: u64 = 1_000_000_000_000;

/// What a PIN's text got wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PinError {
    #[error("a PIN has exactly 12 digits")]
    NotTwelveDigits,
}

/// All numbers of one place, century, sex and year: a million at most.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub struct PinCell {
    /// Three digits: province 001…096, or a country.
    pub place: u16,
    /// Century of birth and sex, 0…9.
    pub century_sex: u8,
    /// Last two digits of the year of birth.
    pub year: u8,
}

/// On what occasion a PIN was issued. Whoever gets one after the birth's registration is told in writing (Decree 37/2021).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PinOccasion {
    /// With the birth's registration: it stands in the birth certificate.
    Birth,
    /// Later, to somebody who had none.
    Later,
    /// In the place of a cancelled one.
    Reestablished,
}

impl PinOccasion {
    /// Whether a written notice is due.
    pub fn needs_notice(self) -> bool {
        self != Self::Birth
    }
}

/// Why a PIN is cancelled: Circular 59/2021/TT-BCA Art. 6.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PinGround {
    /// The civil-status register records another sex after its re-determination.
    SexRedetermined,
    /// The civil-status register records a corrected year of birth.
    BirthYearCorrected,
    /// The place of birth registration was entered wrongly.
    WrongPlace,
    /// The year of birth was entered wrongly.
    WrongBirthYear,
    /// The sex was entered wrongly.
    WrongSex,
    /// The number that was accepted is not this person's.
    WrongNumber,
}

impl PinGround {
    /// Stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::SexRedetermined => "sex_redetermined",
            Self::BirthYearCorrected => "birth_year_corrected",
            Self::WrongPlace => "wrong_place",
            Self::WrongBirthYear => "wrong_birth_year",
            Self::WrongSex => "wrong_sex",
            Self::WrongNumber => "wrong_number",
        }
    }
}

impl PinCell {
    /// Numbers in a cell.
    pub const CAPACITY: u32 = 1_000_000;

    /// The cell of a person; `None` for a sex that is not known or a year outside 1900…2399.
    pub fn of(place: u16, sex: Sex, birth_year: i16) -> Option<Self> {
        let century = (birth_year / 100).checked_sub(19).filter(|century| (0..5).contains(century))?;
        let sex_digit = match sex {
            Sex::Male => 0,
            Sex::Female => 1,
            Sex::Unknown => return None,
        };
        Some(Self { place, century_sex: century as u8 * 2 + sex_digit, year: (birth_year % 100) as u8 })
    }

    /// The number with this serial.
    ///
    /// # Panics
    /// If `serial` is not below [`Self::CAPACITY`].
    pub fn pin(self, serial: u32) -> Pin {
        assert!(serial < Self::CAPACITY, "a serial has six digits");
        let head = (u64::from(self.place) * 10 + u64::from(self.century_sex)) * 100 + u64::from(self.year);
        Pin(head * u64::from(Self::CAPACITY) + u64::from(serial))
    }

    /// The cell as one number, for lookups.
    pub fn packed(self) -> u32 {
        (u32::from(self.place) * 10 + u32::from(self.century_sex)) * 100 + u32::from(self.year)
    }
}

impl Pin {
    /// `None` unless it has at most 12 digits.
    pub fn from_number(number: u64) -> Option<Self> {
        (number < PIN_END).then_some(Self(number))
    }

    /// As a number; leading zeros are lost.
    pub fn number(self) -> u64 {
        self.0
    }

    /// Place, century, sex and year.
    pub fn cell(self) -> PinCell {
        let head = self.0 / u64::from(PinCell::CAPACITY);
        PinCell {
            place: (head / 1000) as u16,
            century_sex: (head / 100 % 10) as u8,
            year: (head % 100) as u8,
        }
    }

    /// The last six digits.
    pub fn serial(self) -> u32 {
        (self.0 % u64::from(PinCell::CAPACITY)) as u32
    }

    /// Year of birth that the number states.
    pub fn birth_year(self) -> i16 {
        let cell = self.cell();
        1900 + i16::from(cell.century_sex / 2) * 100 + i16::from(cell.year)
    }

    /// Sex that the number states.
    pub fn sex(self) -> Sex {
        if self.cell().century_sex.is_multiple_of(2) { Sex::Male } else { Sex::Female }
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012}", self.0)
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = plain.then(|| text.parse().ok()).flatten();
        number.map(Self).ok_or(PinError::NotTwelveDigits)
    }
}

checked_decode! {
    Pin(u64) if Pin::from_number;
}

as_text! {
    Pin: r"^[0-9]{12}$", "Personal identification number, 12 digits.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_states_place_sex_and_year() {
        let pin: Pin = "001199000017".parse().unwrap();
        assert_eq!(pin.cell(), PinCell { place: 1, century_sex: 1, year: 99 });
        assert_eq!((pin.sex(), pin.birth_year(), pin.serial()), (Sex::Female, 1999, 17));
        assert_eq!(PinCell::of(1, Sex::Female, 1999).unwrap().pin(17), pin);
        assert_eq!(PinCell::of(79, Sex::Male, 2021).unwrap().pin(999_999).to_string(), "079221999999");
    }

    #[test]
    fn what_has_no_code_has_no_cell() {
        assert_eq!(PinCell::of(1, Sex::Male, 1899), None);
        assert_eq!(PinCell::of(1, Sex::Male, 2400), None);
        assert_eq!(PinCell::of(1, Sex::Unknown, 1999), None);
        for text in ["00119900001", "0011990000170", "00119900001x", "+01199000017", ""] {
            assert!(text.parse::<Pin>().is_err(), "{text}");
        }
    }
}
