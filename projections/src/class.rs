//! By what people are counted apart: sex, nationality, marital status.

use crate::rows::PersonRow;
use event_schemas::person::{MaritalStatus, Nationality, Sex};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a person is to the state, as far as the registry knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Category {
    /// A citizen of Viet Nam, whatever other nationality the person has.
    Citizen,
    /// Of other countries only.
    Foreigner,
    Stateless,
    /// Nationality not determined yet (Law 26/2023/QH15 Art. 3(4)).
    Undetermined,
}

impl Category {
    /// Every category, in the order of answers.
    pub const ALL: [Self; 4] = [Self::Citizen, Self::Foreigner, Self::Stateless, Self::Undetermined];

    fn of(nationality: &Nationality) -> Self {
        match nationality {
            nationality if nationality.is_vietnamese() => Self::Citizen,
            Nationality::Countries(_) => Self::Foreigner,
            Nationality::Stateless => Self::Stateless,
            Nationality::Undetermined => Self::Undetermined,
        }
    }
}

/// Everything by which one person is counted apart from another of the same birth.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Class {
    pub sex: Sex,
    pub category: Category,
    /// `NoInformation` where the registry has none.
    pub marital: MaritalStatus,
}

/// Every marital status, in the order of answers.
pub const MARITAL: [MaritalStatus; 5] = [
    MaritalStatus::Unmarried,
    MaritalStatus::Married,
    MaritalStatus::Widowed,
    MaritalStatus::Divorced,
    MaritalStatus::NoInformation,
];

impl Class {
    /// Of a person as registered now.
    pub(crate) fn of(person: &PersonRow) -> Self {
        let identity = person.identity.as_ref();
        let category = identity.map_or(Category::Undetermined, |known| Category::of(&known.nationality));
        let status = person.marital.map_or(MaritalStatus::NoInformation, |marital| marital.status);
        Self { sex: identity.map_or(Sex::Unknown, |known| known.sex), category, marital: status }
    }

    /// The same for every marital status: what happened to somebody before does not change with it.
    pub(crate) fn at_any_time(self) -> Self {
        Self { marital: MaritalStatus::NoInformation, ..self }
    }

    /// Seven bits of a total's key.
    pub(crate) fn packed(self) -> u8 {
        let marital = MARITAL.iter().position(|known| *known == self.marital).unwrap_or(0);
        self.sex as u8 | (self.category as u8) << 2 | (marital as u8) << 4
    }

    pub(crate) fn from_packed(packed: u8) -> Self {
        let sex = match packed & 3 {
            sex if sex == Sex::Male as u8 => Sex::Male,
            sex if sex == Sex::Female as u8 => Sex::Female,
            _ => Sex::Unknown,
        };
        let category = Category::ALL[usize::from(packed >> 2 & 3)];
        let marital =
            MARITAL.get(usize::from(packed >> 4 & 7)).copied().unwrap_or(MaritalStatus::NoInformation);
        Self { sex, category, marital }
    }
}

#[cfg(test)]
mod tests {
    use super::{Category, Class, MARITAL};
    use event_schemas::person::Sex;

    #[test]
    fn a_class_is_one_byte_and_back() {
        for sex in [Sex::Unknown, Sex::Male, Sex::Female] {
            for category in Category::ALL {
                for marital in MARITAL {
                    let class = Class { sex, category, marital };
                    assert_eq!(Class::from_packed(class.packed()), class);
                }
            }
        }
    }
}
