//! Rows in two kinds of time: what held on a day, by what had been recorded when.
//!
//! A stream's timeline as known at an lsn is its latest restatement up to there, followed by the events recorded after it; what
//! held on a day is the fold of those of its events whose earliest possible day is not later. Both come from the row's records,
//! read back through the log; rows are made by the same fold as those of the view.

use crate::rows::{Fact, Row, Stamp};
use crate::streams::{Said, each_said};
use crate::view::View;
use crate::walk::{Entries, HistoryError, RowRecord, records_until};
use event_log::LogSource;
use event_schemas::event::Event;
use event_schemas::header::{EntryHeader, EntryKind};
use event_schemas::ids::{EventAddress, Lsn, PersonId};
use event_schemas::row::{Aspect, RowRef};
use event_schemas::time::{Date, Timestamp};
use state_store::store::StoreError;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::str::FromStr;

/// What a question is about, in both kinds of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AsOf {
    /// What held on this day …
    pub valid_on: Date,
    /// … by the records up to this one.
    pub known_at: Lsn,
}

/// How a caller says up to which record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KnownAt {
    Lsn(Lsn),
    /// Everything recorded up to this instant.
    Time(Timestamp),
}

/// An lsn, a day in Vietnam (to its end), or an instant: `17`, `2024-03-31`, `2024-03-31T17:00:00+07:00`.
impl FromStr for KnownAt {
    type Err = BadKnownAt;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(lsn) = text.parse() {
            return Ok(Self::Lsn(Lsn(lsn)));
        }
        if let Ok(day) = text.parse::<Date>() {
            return Ok(Self::Time(Timestamp(Timestamp::at_vietnam_midnight(day.plus_days(1)).0 - 1)));
        }
        text.parse().map(Self::Time).map_err(|_| BadKnownAt)
    }
}

/// The text is neither an lsn nor a day nor an instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("write an lsn, a day or an instant, such as 17, 2024-03-31 or 2024-03-31T17:00:00+07:00")]
pub struct BadKnownAt;

/// Why a question about the past has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AsOfError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("the log begins at {0}")]
    BeforeGenesis(Timestamp),
    #[error("records are known up to lsn {0}")]
    NotRecordedYet(Lsn),
    #[error("the registry's day is {0}")]
    DayNotOpened(Date),
}

impl AsOf {
    /// What is meant, of the log that the view shows: the registry's day and everything recorded, unless stated.
    pub fn resolve(
        view: &View,
        source: &dyn LogSource,
        valid_on: Option<Date>,
        known_at: Option<KnownAt>,
    ) -> Result<Self, AsOfError> {
        let reading = view.read();
        let present = (reading.lsn(), reading.day()?.unwrap_or(Date(0)));
        drop(reading);
        Self::beside(present, source, valid_on, known_at)
    }

    /// The same, given up to which record the view goes and the registry's day.
    pub(crate) fn beside(
        (last, today): (Lsn, Date),
        source: &dyn LogSource,
        valid_on: Option<Date>,
        known_at: Option<KnownAt>,
    ) -> Result<Self, AsOfError> {
        if valid_on.is_some_and(|day| day > today) {
            return Err(AsOfError::DayNotOpened(today));
        }
        let known_at = match known_at {
            None => last,
            Some(KnownAt::Lsn(lsn)) if lsn > last => return Err(AsOfError::NotRecordedYet(last)),
            Some(KnownAt::Lsn(lsn)) => lsn,
            // On the registry's day more may be recorded still: the answer says up to which record it goes.
            Some(KnownAt::Time(time)) if time.vietnam_date() > today => {
                return Err(AsOfError::NotRecordedYet(last));
            }
            Some(KnownAt::Time(time)) => last_recorded_by(source, last, time)?,
        };
        if known_at == Lsn::ZERO {
            return Err(AsOfError::BeforeGenesis(recorded_at(source, Lsn(1))?));
        }
        Ok(Self { valid_on: valid_on.unwrap_or(today), known_at })
    }
}

/// Most claims in a row that are walked back to an entry that states its time.
const MAX_CLAIMS_WALKED: usize = 1_000;

/// When an entry was recorded. A claimer knows neither the lsn nor the time: a claim counts as recorded with the entry before it.
pub fn recorded_at(source: &dyn LogSource, lsn: Lsn) -> Result<Timestamp, HistoryError> {
    let mut at = lsn;
    for _ in 0..MAX_CLAIMS_WALKED {
        let bytes = source.fetch(at)?.ok_or(HistoryError::Unreadable(at))?;
        let header = EntryHeader::of_entry(&bytes).map_err(|_| HistoryError::Unreadable(at))?;
        if header.kind != EntryKind::Claim {
            return Ok(header.recorded_at);
        }
        at = Lsn(at.0 - 1);
    }
    Err(HistoryError::Unreadable(lsn))
}

/// The last entry up to `last` that was recorded by `time`; zero if the log begins later. Recorded time never goes back, so
/// halving finds it.
pub fn last_recorded_by(source: &dyn LogSource, last: Lsn, time: Timestamp) -> Result<Lsn, HistoryError> {
    let (mut by_then, mut after) = (0, last.0 + 1);
    while after - by_then > 1 {
        let middle = by_then + (after - by_then) / 2;
        if recorded_at(source, Lsn(middle))? <= time {
            by_then = middle;
        } else {
            after = middle;
        }
    }
    Ok(Lsn(by_then))
}

/// Events in the order of valid time.
pub(crate) type Timeline<'a> = Vec<(EventAddress, &'a Event)>;

/// The timeline of each of a row's streams.
pub(crate) type Timelines<'a> = BTreeMap<Aspect, Timeline<'a>>;

/// The timelines of a row by these records, oldest first. Calls `restated` for every stream that a record tells anew, with its
/// timelines before and after.
pub(crate) fn timelines<'a>(
    row: RowRef,
    records: &'a [RowRecord],
    mut restated: impl FnMut(&'a RowRecord, Aspect, &Timeline<'a>, &Timeline<'a>),
) -> Timelines<'a> {
    let mut timelines = Timelines::new();
    for record in records {
        let facts = record.events.iter().map(|(at, event)| Fact { at: *at, event });
        each_said(facts, &record.restatements, |stream, said| {
            if stream.row != row {
                return;
            }
            let timeline = timelines.entry(stream.aspect).or_default();
            match said {
                Said::Next(fact) => timeline.push((fact.at, fact.event)),
                Said::Restated(events) => {
                    let after = events.iter().map(|(at, event)| (*at, event)).collect();
                    restated(record, stream.aspect, timeline, &after);
                    *timeline = after;
                }
            }
        });
    }
    timelines
}

/// Whether the event holds by the end of the day, by the earliest day that it can be.
pub(crate) fn is_effective(event: &Event, valid_on: Date) -> bool {
    event.effective_on.earliest() <= valid_on
}

/// The row by these records, oldest first, as on the day; none if there are none.
pub(crate) fn row_of(row: RowRef, records: &[RowRecord], valid_on: Date) -> Option<Row> {
    let last = records.last()?;
    let mut value = Row::new(row);
    for (aspect, timeline) in timelines(row, records, |_, _, _, _| {}) {
        for (at, event) in timeline.into_iter().filter(|(_, event)| is_effective(event, valid_on)) {
            value.fold(row, aspect, Fact { at, event });
        }
    }
    value.set_stamp(Stamp { version: last.touch.version, last_lsn: last.lsn });
    Some(value)
}

/// The past as one question sees it. Each row is read for itself and no reading of the view is kept, so publishing never waits
/// for a walk through the log.
pub struct Past<'a> {
    view: &'a View,
    source: &'a dyn LogSource,
    as_of: AsOf,
    entries: RefCell<Entries<'a>>,
}

impl<'a> Past<'a> {
    /// The past of what `view` shows of the log behind `source`.
    pub fn new(view: &'a View, source: &'a dyn LogSource, as_of: AsOf) -> Self {
        Self { view, source, as_of, entries: RefCell::new(Entries::of(source)) }
    }

    /// What it is about.
    pub fn as_of(&self) -> AsOf {
        self.as_of
    }

    pub(crate) fn view(&self) -> &'a View {
        self.view
    }

    pub(crate) fn source(&self) -> &'a dyn LogSource {
        self.source
    }

    /// A row of any kind; none if no record up to then names it. Units, offices and dwellings are as known then, on whatever
    /// day: residence that began before its unit keeps the unit's name.
    pub fn row(&self, row: RowRef) -> Result<Option<Row>, AsOfError> {
        let day = match row {
            RowRef::Unit(_) | RowRef::Office(_) | RowRef::Dwelling(_) => Date(i32::MAX),
            _ => self.as_of.valid_on,
        };
        Ok(row_of(row, &self.records(row)?, day))
    }

    /// Whether the registration of the person had been taken back, by what was known then: of whatever day it is asked.
    pub(crate) fn is_annulled(&self, person: PersonId) -> Result<bool, AsOfError> {
        let row = RowRef::Person(person);
        let whole = row_of(row, &self.records(row)?, Date(i32::MAX));
        Ok(matches!(whole, Some(Row::Person(person)) if person.is_annulled()))
    }

    /// The row's records up to then, oldest first.
    pub(crate) fn records(&self, row: RowRef) -> Result<Vec<RowRecord>, AsOfError> {
        let Some(stamp) = self.view.read().stamp(row)? else { return Ok(Vec::new()) };
        let mut entries = self.entries.borrow_mut();
        Ok(records_until(row, stamp.last_lsn, self.as_of.known_at, &mut entries)?)
    }
}
