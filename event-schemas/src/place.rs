//! Where things are: countries, administrative units, addresses.

use crate::ids::{DwellingId, UnitId};
use crate::macros::{as_text, checked_decode};
use crate::text::Text;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// ISO 3166-1 alpha-2 code of a country.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
pub struct CountryCode([u8; 2]);

/// What a code got wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CodeError {
    #[error("a country is two capital letters, such as VN")]
    NotACountry,
    #[error("a unit code has 2 digits (province), 3 (district) or 5 (ward)")]
    NotAUnit,
}

impl CountryCode {
    pub const VIET_NAM: Self = Self(*b"VN");

    fn new(letters: [u8; 2]) -> Option<Self> {
        letters.iter().all(u8::is_ascii_uppercase).then_some(Self(letters))
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0[0] as char, self.0[1] as char)
    }
}

impl fmt::Debug for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CountryCode {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let letters = <[u8; 2]>::try_from(text.as_bytes()).ok().and_then(Self::new);
        letters.ok_or(CodeError::NotACountry)
    }
}

/// Level of an administrative unit. From 2025-07-01 the district level no longer exists.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum UnitLevel {
    Province,
    District,
    Ward,
}

/// Code of a unit in the national list (Decision 124/2004/QĐ-TTg): 2 digits for a province, 3 for a district, 5 for a ward.
/// Leading zeros matter. A code alone is ambiguous over time; [`UnitId`] is not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
pub struct UnitCode(u32);

const LEVEL_STEP: u32 = 1_000_000;

impl UnitCode {
    /// `None` if the number has more digits than the level allows.
    pub fn new(level: UnitLevel, number: u32) -> Option<Self> {
        let (tag, end) = match level {
            UnitLevel::Province => (0, 100),
            UnitLevel::District => (1, 1_000),
            UnitLevel::Ward => (2, 100_000),
        };
        (number < end).then_some(Self(tag * LEVEL_STEP + number))
    }

    fn from_packed(packed: u32) -> Option<Self> {
        let level = match packed / LEVEL_STEP {
            0 => UnitLevel::Province,
            1 => UnitLevel::District,
            2 => UnitLevel::Ward,
            _ => return None,
        };
        Self::new(level, packed % LEVEL_STEP)
    }

    /// Level, as the number of digits tells.
    pub fn level(self) -> UnitLevel {
        match self.0 / LEVEL_STEP {
            0 => UnitLevel::Province,
            1 => UnitLevel::District,
            _ => UnitLevel::Ward,
        }
    }

    /// The digits as a number.
    pub fn number(self) -> u32 {
        self.0 % LEVEL_STEP
    }
}

impl fmt::Display for UnitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level() {
            UnitLevel::Province => write!(f, "{:02}", self.number()),
            UnitLevel::District => write!(f, "{:03}", self.number()),
            UnitLevel::Ward => write!(f, "{:05}", self.number()),
        }
    }
}

impl fmt::Debug for UnitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for UnitCode {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let level = match text.len() {
            2 => UnitLevel::Province,
            3 => UnitLevel::District,
            5 => UnitLevel::Ward,
            _ => return Err(CodeError::NotAUnit),
        };
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = plain.then(|| text.parse().ok()).flatten().ok_or(CodeError::NotAUnit)?;
        Self::new(level, number).ok_or(CodeError::NotAUnit)
    }
}

checked_decode! {
    CountryCode([u8; 2]) if CountryCode::new;
    UnitCode(u32) if UnitCode::from_packed;
}

as_text! {
    CountryCode: r"^[A-Z]{2}$", "ISO 3166-1 alpha-2 code of a country.";
    UnitCode: r"^([0-9]{2}|[0-9]{3}|[0-9]{5})$", "Code of a province (2 digits), district (3) or ward (5).";
}

/// Kind of unit within its level (*tỉnh*, *thành phố*, *quận*, *huyện*, *thị xã*, *phường*, *thị trấn*, *xã*, *đặc khu*).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnitKind {
    Province,
    Municipality,
    UrbanDistrict,
    RuralDistrict,
    Town,
    /// A city that belongs to a province.
    ProvincialCity,
    UrbanWard,
    Township,
    RuralCommune,
    SpecialZone,
}

/// An address as people write it: house number, street, hamlet.
pub type AddressText = Text<200>;

/// A place: inside a unit, or abroad. `U` is [`UnitCode`] in commands and [`UnitId`] (the unit as registered) in events.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place<U> {
    Domestic(DomesticPlace<U>),
    Abroad(ForeignPlace),
}

/// A place in Viet Nam. A commune alone is valid (no fixed dwelling), and so is a boat, named in `address`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomesticPlace<U> {
    pub unit: U,
    pub dwelling: Option<DwellingId>,
    pub address: Option<AddressText>,
}

/// A place abroad.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForeignPlace {
    pub country: CountryCode,
    pub address: Option<AddressText>,
}

impl<U> Place<U> {
    /// A unit alone.
    pub fn in_unit(unit: U) -> Self {
        Self::Domestic(DomesticPlace { unit, dwelling: None, address: None })
    }

    /// A unit and an address.
    pub fn at(unit: U, address: AddressText) -> Self {
        Self::Domestic(DomesticPlace { unit, dwelling: None, address: Some(address) })
    }

    /// The unit, if the place is in Viet Nam.
    pub fn unit(&self) -> Option<&U> {
        match self {
            Self::Domestic(place) => Some(&place.unit),
            Self::Abroad(_) => None,
        }
    }

    /// The same place with its unit named another way.
    pub fn try_map_unit<V, E>(self, mut map: impl FnMut(U) -> Result<V, E>) -> Result<Place<V>, E> {
        Ok(match self {
            Self::Domestic(place) => Place::Domestic(DomesticPlace {
                unit: map(place.unit)?,
                dwelling: place.dwelling,
                address: place.address,
            }),
            Self::Abroad(place) => Place::Abroad(place),
        })
    }
}

/// What a dwelling is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DwellingKind {
    House,
    Apartment,
    /// Dormitory, barracks, social-support or religious facility.
    Institution,
    /// A registered boat or other vehicle.
    Vehicle,
}

/// Where an office may act.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Area<U> {
    Nation,
    /// The unit and everything below it.
    Unit(U),
    /// A consulate's country.
    Country(CountryCode),
}

/// What kind of office.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OfficeKind {
    /// People's committee or police of a commune.
    Commune,
    District,
    Province,
    /// The population database's own authority.
    National,
    Consulate,
    Court,
}

/// Places in events name the unit as it was registered.
pub type RegisteredPlace = Place<UnitId>;
