//! Dates, partial dates, times of day and recorded time.

use crate::macros::{as_text, checked_decode};
use bincode::{Decode, Encode};
use jiff::civil;
use std::fmt;
use std::str::FromStr;

/// Recorded time: microseconds since 1970-01-01T00:00:00Z. JSON: RFC 3339 in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct Timestamp(pub i64);

/// Vietnam has one time zone without daylight saving: UTC+7.
pub const VIETNAM_OFFSET_HOURS: i64 = 7;

const MICROS_PER_HOUR: i64 = 3_600_000_000;
const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;

impl Timestamp {
    /// The date in Vietnam at this instant.
    pub fn vietnam_date(self) -> Date {
        let local = self.0 + VIETNAM_OFFSET_HOURS * MICROS_PER_HOUR;
        Date(local.div_euclid(MICROS_PER_DAY) as i32)
    }

    /// The instant at which `date` begins in Vietnam.
    pub fn at_vietnam_midnight(date: Date) -> Self {
        Self(i64::from(date.0) * MICROS_PER_DAY - VIETNAM_OFFSET_HOURS * MICROS_PER_HOUR)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp}"),
            Err(_) => write!(f, "{} µs", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>().map(|timestamp| Self(timestamp.as_microsecond()))
    }
}

/// What a date's text or numbers got wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DateError {
    #[error("'{0}' is not a date; write YYYY-MM-DD")]
    NotADate(String),
    #[error("'{0}' is not a partial date; write YYYY, YYYY-MM or YYYY-MM-DD")]
    NotAPartialDate(String),
    #[error("'{0}' is not a time of day; write HH:MM")]
    NotATime(String),
    #[error("{year}-{month:02}-{day:02} does not exist in the calendar")]
    NoSuchDay { year: i16, month: i8, day: i8 },
    #[error("the year {0} is outside {MIN_YEAR}..={MAX_YEAR}")]
    YearOutOfRange(i16),
}

/// Earliest year that a fact may name.
pub const MIN_YEAR: i16 = 1800;
/// Latest year that a fact may name; the PIN's table of centuries ends here.
pub const MAX_YEAR: i16 = 2399;
/// 1 January of [`MIN_YEAR`] and 31 December of [`MAX_YEAR`].
const MIN_DAYS: i32 = -62_091;
const MAX_DAYS: i32 = 157_053;

/// A day of the Gregorian calendar: days since 1970-01-01. JSON: `YYYY-MM-DD`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
pub struct Date(pub i32);

impl Date {
    /// A day that exists, in [`MIN_YEAR`]..=[`MAX_YEAR`].
    pub fn new(year: i16, month: i8, day: i8) -> Result<Self, DateError> {
        if !(MIN_YEAR..=MAX_YEAR).contains(&year) {
            return Err(DateError::YearOutOfRange(year));
        }
        let civil =
            civil::Date::new(year, month, day).map_err(|_| DateError::NoSuchDay { year, month, day })?;
        Ok(Self::from_civil(civil))
    }

    fn from_civil(date: civil::Date) -> Self {
        // Howard Hinnant's days-from-civil, in the proleptic Gregorian calendar.
        let year = i32::from(date.year()) - i32::from(date.month() <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year - era * 400;
        let month = i32::from(date.month());
        let shifted_month = (month + 9) % 12;
        let day_of_year = (153 * shifted_month + 2) / 5 + i32::from(date.day()) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Self(era * 146_097 + day_of_era - 719_468)
    }

    /// Year, month, day.
    pub fn ymd(self) -> (i16, i8, i8) {
        let shifted = self.0 + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted - era * 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i32::from(month <= 2);
        (year as i16, month as i8, day as i8)
    }

    /// Calendar year.
    pub fn year(self) -> i16 {
        self.ymd().0
    }

    /// This many days later (earlier if negative).
    pub fn plus_days(self, days: i32) -> Self {
        Self(self.0 + days)
    }

    /// The same day and month `years` later; 29 February becomes 1 March in a common year, so that nobody reaches an
    /// age before the day after the anniversary's eve has ended.
    pub fn plus_years(self, years: i16) -> Self {
        let (year, month, day) = self.ymd();
        match civil::Date::new(year + years, month, day) {
            Ok(date) => Self::from_civil(date),
            Err(_) => {
                Self::from_civil(civil::Date::new(year + years, 3, 1).expect("1 March exists in every year"))
            }
        }
    }

    /// Completed years from `birth` to this day; negative before the birth.
    pub fn full_years_since(self, birth: Date) -> i16 {
        let years = self.year() - birth.year();
        if birth.plus_years(years) > self { years - 1 } else { years }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.ymd();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn digits(text: &str, len: usize) -> Option<i16> {
    let plain = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match PartialDate::from_str(text) {
            Ok(partial) => partial.full().ok_or_else(|| DateError::NotADate(shown(text))),
            Err(DateError::NotAPartialDate(text)) => Err(DateError::NotADate(text)),
            Err(other) => Err(other),
        }
    }
}

/// Input repeated in an error: never more than this many characters of it.
fn shown(text: &str) -> String {
    text.chars().take(32).collect()
}

/// A date of which only the year, or the year and month, may be known. JSON: `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
///
/// Packed as `year << 9 | month << 5 | day`, zero where unknown, so that the natural order is by earliest possible
/// day, vaguer first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
pub struct PartialDate(u32);

impl PartialDate {
    /// Only the year is known.
    pub fn of_year(year: i16) -> Result<Self, DateError> {
        Self::checked(year, 0, 0)
    }

    /// Year and month are known.
    pub fn of_month(year: i16, month: i8) -> Result<Self, DateError> {
        if month == 0 {
            return Err(DateError::NoSuchDay { year, month, day: 1 });
        }
        Self::checked(year, month, 0)
    }

    /// All is known.
    pub fn of_day(date: Date) -> Self {
        let (year, month, day) = date.ymd();
        Self::pack(year, month, day)
    }

    fn checked(year: i16, month: i8, day: i8) -> Result<Self, DateError> {
        Date::new(year, month.max(1), day.max(1))
            .map_err(|error| match error {
                DateError::NoSuchDay { .. } => DateError::NoSuchDay { year, month, day },
                other => other,
            })
            .map(|_| Self::pack(year, month, day))
    }

    fn pack(year: i16, month: i8, day: i8) -> Self {
        Self((year as u32) << 9 | (month as u32) << 5 | day as u32)
    }

    /// Reads a packed value from a row or from bytes.
    pub fn from_packed(packed: u32) -> Option<Self> {
        let (year, month, day) = ((packed >> 9) as i16, (packed >> 5 & 0xf) as i8, (packed & 0x1f) as i8);
        let plain = packed >> 9 <= MAX_YEAR as u32 && (month != 0 || day == 0);
        plain.then(|| Self::checked(year, month, day).ok()).flatten()
    }

    /// The packed value, never zero.
    pub fn packed(self) -> u32 {
        self.0
    }

    /// Calendar year, always known.
    pub fn year(self) -> i16 {
        (self.0 >> 9) as i16
    }

    /// Month, if known.
    pub fn month(self) -> Option<i8> {
        let month = (self.0 >> 5 & 0xf) as i8;
        (month != 0).then_some(month)
    }

    /// Day of the month, if known.
    pub fn day(self) -> Option<i8> {
        let day = (self.0 & 0x1f) as i8;
        (day != 0).then_some(day)
    }

    /// The whole date, if known.
    pub fn full(self) -> Option<Date> {
        self.day().map(|_| self.earliest())
    }

    /// First day it can be.
    pub fn earliest(self) -> Date {
        Date::new(self.year(), self.month().unwrap_or(1), self.day().unwrap_or(1))
            .expect("a partial date is checked when it is made")
    }

    /// Last day it can be.
    pub fn latest(self) -> Date {
        match (self.month(), self.day()) {
            (_, Some(_)) => self.earliest(),
            (Some(12), None) | (None, None) => Date::new(self.year(), 12, 31).expect("31 December exists"),
            (Some(month), None) => {
                Date::new(self.year(), month + 1, 1).expect("the first of a month exists").plus_days(-1)
            }
        }
    }
}

impl From<Date> for PartialDate {
    fn from(date: Date) -> Self {
        Self::of_day(date)
    }
}

impl fmt::Display for PartialDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.year())?;
        if let Some(month) = self.month() {
            write!(f, "-{month:02}")?;
        }
        if let Some(day) = self.day() {
            write!(f, "-{day:02}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for PartialDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PartialDate {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || DateError::NotAPartialDate(shown(text));
        let mut parts = text.split('-');
        let year = parts.next().and_then(|part| digits(part, 4)).ok_or_else(wrong)?;
        let month = parts.next().map(|part| digits(part, 2).ok_or_else(wrong)).transpose()?;
        let day = parts.next().map(|part| digits(part, 2).ok_or_else(wrong)).transpose()?;
        if parts.next().is_some() {
            return Err(wrong());
        }
        match (month, day) {
            (None, _) => Self::of_year(year),
            (Some(month), None) => Self::of_month(year, month as i8),
            (Some(month), Some(day)) => Date::new(year, month as i8, day as i8).map(Self::of_day),
        }
    }
}

/// A time of day to the minute. JSON: `HH:MM`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
pub struct TimeOfDay {
    minutes: u16,
}

impl TimeOfDay {
    /// `None` unless it is between 00:00 and 23:59.
    pub fn new(hour: u16, minute: u16) -> Option<Self> {
        (hour < 24 && minute < 60).then_some(Self { minutes: hour * 60 + minute })
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

impl fmt::Debug for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TimeOfDay {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_once(':')
            .and_then(|(hour, minute)| Self::new(digits(hour, 2)? as u16, digits(minute, 2)? as u16))
            .ok_or_else(|| DateError::NotATime(shown(text)))
    }
}

checked_decode! {
    Date(i32) if |days| (MIN_DAYS..=MAX_DAYS).contains(&days).then_some(Date(days));
    PartialDate(u32) if PartialDate::from_packed;
    TimeOfDay(u16) if |minutes| TimeOfDay::new(minutes / 60, minutes % 60);
}

as_text! {
    Date: r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "A day of the Gregorian calendar.";
    PartialDate: r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$", "A date of which only the year, or the year and month, may be known.";
    TimeOfDay: r"^[0-9]{2}:[0-9]{2}$", "A time of day, 00:00 to 23:59.";
    Timestamp: r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T.+$", "An instant, RFC 3339.";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn days_agree_with_the_calendar_library() {
        let mut civil = civil::date(MIN_YEAR, 1, 1);
        let mut days = Date::new(MIN_YEAR, 1, 1).unwrap();
        assert_eq!(date("1970-01-01"), Date(0));
        assert_eq!((date("1800-01-01"), date("2399-12-31")), (Date(MIN_DAYS), Date(MAX_DAYS)));
        while civil.year() < 2101 {
            assert_eq!(days.ymd(), (civil.year(), civil.month(), civil.day()));
            assert_eq!(Date::from_civil(civil), days);
            civil = civil.tomorrow().unwrap();
            days = days.plus_days(1);
        }
    }

    #[test]
    fn ages_turn_on_the_anniversary() {
        assert_eq!(date("2018-03-13").full_years_since(date("2004-03-14")), 13);
        assert_eq!(date("2018-03-14").full_years_since(date("2004-03-14")), 14);
        assert_eq!(date("2018-02-28").full_years_since(date("2004-02-29")), 13);
        assert_eq!(date("2018-03-01").full_years_since(date("2004-02-29")), 14);
    }

    #[test]
    fn partial_dates_have_stated_bounds() {
        let bounds = |text: &str| {
            let partial: PartialDate = text.parse().unwrap();
            assert_eq!(partial.to_string(), text);
            assert_eq!(PartialDate::from_packed(partial.packed()), Some(partial));
            (partial.earliest().to_string(), partial.latest().to_string())
        };
        assert_eq!(bounds("1950"), ("1950-01-01".into(), "1950-12-31".into()));
        assert_eq!(bounds("2024-02"), ("2024-02-01".into(), "2024-02-29".into()));
        assert_eq!(bounds("1999-12"), ("1999-12-01".into(), "1999-12-31".into()));
        assert_eq!(bounds("1999-03-14"), ("1999-03-14".into(), "1999-03-14".into()));
    }

    #[test]
    fn impossible_dates_are_refused() {
        for text in [
            "2023-02-29",
            "2023-13",
            "2023-00",
            "2023-00-10",
            "1799",
            "2400",
            "23-01-01",
            "2023-1-1",
            "",
            "2023-01-01-",
            "2023-04-31",
            "+023-01-01",
        ] {
            assert!(text.parse::<PartialDate>().is_err(), "{text}");
        }
        assert_eq!(PartialDate::from_packed(u32::MAX), None);
        assert_eq!(PartialDate::from_packed(0), None);
    }

    #[test]
    fn the_day_begins_at_midnight_in_vietnam() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap().vietnam_date().to_string();
        assert_eq!(at("2021-06-30T16:59:59.999999Z"), "2021-06-30");
        assert_eq!(at("2021-06-30T17:00:00Z"), "2021-07-01");
        assert_eq!(Timestamp::at_vietnam_midnight(date("2021-07-01")).to_string(), "2021-06-30T17:00:00Z");
    }
}
