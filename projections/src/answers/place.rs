//! Units and places as answers show them.

use super::Teller;
use crate::row_source::RowSource;
use crate::view::{CountBySex, MAX_LEVELS, UnitCounts};
use event_schemas::ids::{DwellingId, UnitId};
use event_schemas::place::{AddressText, CountryCode, RegisteredPlace, UnitCode, UnitKind};
use event_schemas::time::PartialDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state_store::store::StoreError;

/// A unit in one line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UnitBrief {
    pub id: UnitId,
    /// None if the view holds no such unit.
    pub code: Option<UnitCode>,
    /// Such as `Phường Phúc Xá, Quận Ba Đình, Thành phố Hà Nội`.
    pub name: String,
}

/// A unit with what is known of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UnitView {
    #[serde(flatten)]
    pub brief: UnitBrief,
    pub kind: UnitKind,
    pub valid_from: Option<PartialDate>,
    pub parent: Option<UnitBrief>,
    /// Units directly below.
    pub below: Vec<UnitBrief>,
}

/// A place as registered, with names.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlaceView {
    Domestic {
        unit: UnitBrief,
        dwelling: Option<DwellingId>,
        /// As stated, else that of the dwelling.
        address: Option<AddressText>,
    },
    Abroad {
        country: CountryCode,
        address: Option<AddressText>,
    },
}

/// How many people and households.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Population {
    /// Living persons by permanent residence.
    pub permanent: BySex,
    /// Living persons by temporary residence; they are counted at their permanent residence too.
    pub temporary: BySex,
    pub households: u64,
}

/// A count, by sex as registered.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
pub struct BySex {
    pub all: u64,
    pub male: u64,
    pub female: u64,
    pub unknown: u64,
}

impl From<CountBySex> for BySex {
    fn from(counts: CountBySex) -> Self {
        Self { all: counts.all(), male: counts.male, female: counts.female, unknown: counts.unknown }
    }
}

impl From<UnitCounts> for Population {
    fn from(counts: UnitCounts) -> Self {
        Self {
            permanent: counts.permanent.into(),
            temporary: counts.temporary.into(),
            households: counts.households,
        }
    }
}

impl UnitBrief {
    pub(crate) fn read<R: RowSource>(reading: &R, id: UnitId) -> Result<Self, R::Error> {
        let mut code = None;
        let mut names = Vec::new();
        let mut next = Some(id);
        for _ in 0..MAX_LEVELS {
            let Some(unit) = next.take() else { break };
            let Some(established) = reading.unit(unit)?.and_then(|row| row.established) else { break };
            code = code.or(Some(established.code));
            names.push(established.name.to_string());
            next = established.parent;
        }
        Ok(Self { id, code, name: names.join(", ") })
    }
}

impl UnitView {
    pub(crate) fn read(teller: &mut Teller<'_>, id: UnitId) -> Result<Option<Self>, StoreError> {
        let Some(row) = teller.reading.unit(id)? else {
            return Ok(None);
        };
        let Some(established) = row.established else {
            return Ok(None);
        };
        let parent = established.parent.map(|parent| teller.unit(parent)).transpose()?;
        let below = teller.reading.units_below(Some(id))?;
        let below = below.into_iter().map(|unit| teller.unit(unit)).collect::<Result<_, _>>()?;
        let (kind, valid_from) = (established.kind, row.valid_from);
        Ok(Some(Self { brief: teller.unit(id)?, kind, valid_from, parent, below }))
    }
}

impl PlaceView {
    pub(crate) fn of<R: RowSource>(
        teller: &mut Teller<'_, R>,
        place: &RegisteredPlace,
    ) -> Result<Self, R::Error> {
        match place {
            RegisteredPlace::Domestic(place) => {
                let mut address = place.address.clone();
                if let (None, Some(dwelling)) = (&address, place.dwelling) {
                    let row = teller.reading.dwelling(dwelling)?;
                    address = row.and_then(|row| row.established).map(|established| established.address);
                }
                Ok(Self::Domestic { unit: teller.unit(place.unit)?, dwelling: place.dwelling, address })
            }
            RegisteredPlace::Abroad(place) => {
                Ok(Self::Abroad { country: place.country, address: place.address.clone() })
            }
        }
    }

    pub(crate) fn of_option<R: RowSource>(
        teller: &mut Teller<'_, R>,
        place: Option<&RegisteredPlace>,
    ) -> Result<Option<Self>, R::Error> {
        place.map(|place| Self::of(teller, place)).transpose()
    }
}

impl std::fmt::Display for PlaceView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (address, rest) = match self {
            Self::Domestic { unit, address, .. } => (address, unit.name.clone()),
            Self::Abroad { country, address } => (address, country.to_string()),
        };
        if let Some(address) = address {
            write!(f, "{address}, ")?;
        }
        f.write_str(&rest)
    }
}
