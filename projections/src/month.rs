//! Months, and the one that is not known of its year.

use event_schemas::time::{Date, MAX_YEAR, MIN_YEAR, PartialDate};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// A calendar month, or a year of which the month is not known: that goes before the year's January, because what is known to
/// the year alone counts by the first day that it can be. JSON: `2024-03`, or `2024`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Month(u16);

/// Places of a year: its unknown month, and twelve.
const PLACES: u16 = 13;

/// Not a month.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a month looks like 2024-03")]
pub struct NotAMonth;

impl Month {
    /// Before everything.
    pub(crate) const FIRST: Self = Self(0);

    /// The month in which something happened, as far as it is known.
    pub fn of(date: PartialDate) -> Self {
        Self::at(date.year(), date.month().unwrap_or(0))
    }

    /// The month of a day.
    pub fn of_day(day: Date) -> Self {
        let (year, month, _) = day.ymd();
        Self::at(year, month)
    }

    fn at(year: i16, month: i8) -> Self {
        Self((year - MIN_YEAR) as u16 * PLACES + month as u16)
    }

    /// The whole year's unknown month: where its first month's period begins.
    pub fn unknown_of_year(self) -> Self {
        Self(self.0 - self.0 % PLACES)
    }

    /// The first month of its year.
    pub fn january(self) -> Self {
        Self(self.unknown_of_year().0 + 1)
    }

    /// Whether only the year is known.
    pub fn is_unknown(self) -> bool {
        self.0.is_multiple_of(PLACES)
    }

    /// Months from this one to the other, both counted; zero if the other comes first.
    pub fn months_until(self, last: Self) -> usize {
        let months = |month: Self| {
            usize::from(month.0 / PLACES) * 12 + usize::from(month.0 % PLACES).saturating_sub(1)
        };
        (months(last) + 1).saturating_sub(months(self))
    }

    pub(crate) fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }

    pub(crate) fn from_bytes(bytes: [u8; 2]) -> Self {
        Self(u16::from_be_bytes(bytes))
    }

    /// What comes next in the order of keys.
    pub(crate) fn next_place(self) -> Self {
        Self(self.0 + 1)
    }

    pub(crate) fn is_january(self) -> bool {
        self.0 % PLACES == 1
    }

    /// The month after, and never an unknown one.
    pub fn after(self) -> Self {
        let next = Self(self.0 + 1);
        if next.is_unknown() { Self(next.0 + 1) } else { next }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0 / PLACES + MIN_YEAR as u16)?;
        match self.0 % PLACES {
            0 => Ok(()),
            month => write!(f, "-{month:02}"),
        }
    }
}

impl FromStr for Month {
    type Err = NotAMonth;

    /// A month that is known.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let date: PartialDate = text.parse().map_err(|_| NotAMonth)?;
        match (date.month(), date.day()) {
            (Some(_), None) if date.year() <= MAX_YEAR => Ok(Self::of(date)),
            _ => Err(NotAMonth),
        }
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let date: PartialDate = text.parse().map_err(|_| serde::de::Error::custom(NotAMonth))?;
        match date.day() {
            None => Ok(Self::of(date)),
            Some(_) => Err(serde::de::Error::custom(NotAMonth)),
        }
    }
}

impl JsonSchema for Month {
    fn schema_name() -> Cow<'static, str> {
        "Month".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]{4}(-[0-9]{2})?$",
            "description": "A calendar month; a year alone where its month is not known."
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Month, NotAMonth};

    #[test]
    fn months_are_in_order_with_the_unknown_one_first() {
        let month = |text: &str| Month::of(text.parse().unwrap());
        let all = ["2023-12", "2024", "2024-01", "2024-12", "2025"].map(month);
        assert!(all.is_sorted_by(|one, next| one < next));
        assert_eq!(all.map(|month| month.to_string()), ["2023-12", "2024", "2024-01", "2024-12", "2025"]);
        assert_eq!(all[0].after(), all[2]);
        assert_eq!(all[0].months_until(all[2]), 2);
        assert_eq!((all[2].months_until(all[3]), all[3].months_until(all[2])), (12, 0));
        assert_eq!(all[3].unknown_of_year(), all[1]);
        for wrong in ["2024", "2024-13", "2024-01-01", "", "-1", "1799-01"] {
            assert_eq!(wrong.parse::<Month>(), Err(NotAMonth), "{wrong}");
        }
    }
}
