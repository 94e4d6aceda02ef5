//! What is known of a person.

use crate::document::IdentityDocument;
use crate::guarded::Guarded;
use crate::ids::PersonId;
use crate::macros::{as_text, checked_decode};
use crate::pin::Pin;
use crate::place::{CountryCode, Place};
use crate::text::Text;
use crate::time::{PartialDate, TimeOfDay};
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// One part of a name.
pub type NamePart = Text<80>;

/// A person's names, diacritics kept. Vietnamese order: surname (*họ*), middle (*chữ đệm*), given (*tên*).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Names {
    /// Absent for people who have only one name.
    pub surname: Option<NamePart>,
    pub middle: Option<NamePart>,
    pub given: NamePart,
    /// Other names in use (*tên gọi khác*), at most [`MAX_OTHER_NAMES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other: Vec<Text<200>>,
}

/// Most other names of one person.
pub const MAX_OTHER_NAMES: usize = 8;

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.surname, &self.middle].into_iter().flatten() {
            write!(f, "{part} ")?;
        }
        write!(f, "{}", self.given)
    }
}

/// Sex (*giới tính*) as registered.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    #[default]
    Unknown,
    Male,
    Female,
}

/// Which citizenship is known. Apart from [`Identification`]: an undetermined nationality is no doubt about who someone is.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Nationality {
    /// One or more countries, at most [`MAX_NATIONALITIES`].
    Countries(BTreeSet<CountryCode>),
    Stateless,
    /// People of Vietnamese origin among them: Law 26/2023/QH15 Art. 3(4).
    Undetermined,
}

/// Most countries of which one person is a citizen.
pub const MAX_NATIONALITIES: usize = 8;

impl Nationality {
    /// A citizen of Viet Nam, and as far as known of no other country.
    pub fn vietnamese() -> Self {
        Self::Countries(BTreeSet::from([CountryCode::VIET_NAM]))
    }

    /// Whether Viet Nam is among the countries.
    pub fn is_vietnamese(&self) -> bool {
        matches!(self, Self::Countries(countries) if countries.contains(&CountryCode::VIET_NAM))
    }
}

/// How sure the registry is of who someone is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Identification {
    Verified,
    /// Stated by the person, not yet verified.
    Claimed,
    /// Not yet identified, or an unidentified body.
    Unknown,
}

/// Legal capacity (*năng lực hành vi dân sự*). Whether someone is a minor follows from the birth date; what a court decided
/// is stated.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Encode, Decode, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LegalCapacity {
    #[default]
    Full,
    Minor,
    /// Lost by decision of a court.
    Lost,
    /// Restricted by decision of a court.
    Restricted,
}

/// Marital status (*tình trạng hôn nhân*); the exchange standard merges divorced and widowed, the registry keeps them apart.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Encode, Decode, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MaritalStatus {
    #[default]
    NoInformation,
    Unmarried,
    Married,
    Divorced,
    Widowed,
}

/// ABO blood group, held on request and with a test.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BloodGroup {
    A,
    B,
    Ab,
    O,
}

/// Two-digit codes of national lists.
macro_rules! list_code {
    ($($(#[$doc:meta])* $name:ident, $max:literal, $description:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
        pub struct $name(u8);

        impl $name {
            /// `None` if the list has no such number.
            pub fn new(code: u8) -> Option<Self> {
                (code <= $max).then_some(Self(code))
            }

            /// The number in the list.
            pub fn code(self) -> u8 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:02}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ListCodeError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let wrong = ListCodeError { list: stringify!($name), max: $max };
                let plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
                plain.then(|| text.parse().ok().and_then(Self::new)).flatten().ok_or(wrong)
            }
        }

        checked_decode! {
            $name(u8) if $name::new;
        }

        as_text! {
            $name: r"^[0-9]{2}$", $description;
        }
    )*};
}

/// A code that its list does not hold.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{list} is a two-digit code from 00 to {max:02}")]
pub struct ListCodeError {
    list: &'static str,
    max: u8,
}

list_code! {
    /// Ethnicity (*dân tộc*): 01 Kinh, then the national list of 54; 55 foreign, 56 not determined, 00 no information.
    Ethnicity, 56, "Ethnicity, two digits; 01 is Kinh.";
    /// Religion (*tôn giáo*): 00 none, then the national list.
    Religion, 99, "Religion, two digits; 00 is none.";
}

/// Who someone is. `U` names units: by code in commands, by version in events.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Identity<U> {
    pub names: Names,
    pub sex: Sex,
    pub birth: PartialDate,
    pub birth_time: Option<TimeOfDay>,
    pub birth_place: Option<Place<U>>,
    pub nationality: Nationality,
    pub identification: Identification,
}

/// The other items that the registry holds of a person (Law 26/2023/QH15 Art. 9). All may be missing.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonalData<U> {
    pub birth_registration_place: Option<Place<U>>,
    /// Hometown (*quê quán*).
    pub hometown: Option<Place<U>>,
    pub ethnicity: Option<Ethnicity>,
    pub religion: Option<Guarded<Religion>>,
    pub blood_group: Option<Guarded<BloodGroup>>,
    pub marital_status: Option<MaritalStatus>,
    #[serde(default)]
    pub capacity: LegalCapacity,
    pub contact: Option<Guarded<Contact>>,
    /// At most [`MAX_DOCUMENTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub documents: Vec<IdentityDocument>,
}

/// Most documents stated in one command.
pub const MAX_DOCUMENTS: usize = 8;

impl<U> Default for PersonalData<U> {
    fn default() -> Self {
        Self {
            birth_registration_place: None,
            hometown: None,
            ethnicity: None,
            religion: None,
            blood_group: None,
            marital_status: None,
            capacity: LegalCapacity::Full,
            contact: None,
            documents: Vec::new(),
        }
    }
}

/// How to reach someone.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    pub phone: Option<Text<20>>,
    pub email: Option<Text<120>>,
}

/// How a command names a person who is registered. A cancelled PIN resolves too, and the answer says so.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersonRef {
    PersonId(PersonId),
    Pin(Pin),
    /// Old nine-digit identity card number (*CMND*).
    Cmnd(Text<9>),
}

impl<U> Identity<U> {
    /// The same identity with units named another way.
    pub fn try_map_units<V, E>(self, map: impl FnMut(U) -> Result<V, E>) -> Result<Identity<V>, E> {
        Ok(Identity {
            names: self.names,
            sex: self.sex,
            birth: self.birth,
            birth_time: self.birth_time,
            birth_place: self.birth_place.map(|place| place.try_map_unit(map)).transpose()?,
            nationality: self.nationality,
            identification: self.identification,
        })
    }
}

impl<U> PersonalData<U> {
    /// The same data with units named another way.
    pub fn try_map_units<V, E>(self, mut map: impl FnMut(U) -> Result<V, E>) -> Result<PersonalData<V>, E> {
        Ok(PersonalData {
            birth_registration_place: self
                .birth_registration_place
                .map(|place| place.try_map_unit(&mut map))
                .transpose()?,
            hometown: self.hometown.map(|place| place.try_map_unit(&mut map)).transpose()?,
            ethnicity: self.ethnicity,
            religion: self.religion,
            blood_group: self.blood_group,
            marital_status: self.marital_status,
            capacity: self.capacity,
            contact: self.contact,
            documents: self.documents,
        })
    }
}
