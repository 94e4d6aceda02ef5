//! Which records made a total what it is: the log is folded once more, record by record, and every change of the total is told. The
//! fold is the projector's, so whatever a view counts is explained, and nothing else.

use crate::changes::{self, ByDate, Component};
use crate::class::{Category, Class};
use crate::definition::Definition;
use crate::fresh::Bounds;
use crate::generations::Generations;
use crate::month::Month;
use crate::options::Options;
use crate::projector::Projector;
use crate::rebuild::{RebuildError, Watch, fold_all, save_when_large};
use crate::totals::{Counted, TotalKey, cohort_in, counted_in, happened_of, is_rolled_up, whereabouts_of};
use crate::view::Reading;
use crate::vital::{self, ByPlace, Vital};
use event_log::LogSource;
use event_schemas::ids::{LogId, Lsn, UnitId};
use event_schemas::person::Sex;
use state_store::engine::KeyRange;
use state_store::store::StoreError;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

/// Wait for entries that are known to be there.
const READ_WAIT: Duration = Duration::from_secs(30);

/// What is counted. Every total counts with all units that were established below its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Total {
    /// Who belongs to a population.
    Population(Definition),
    /// What happened, by which date and place.
    Vital(Vital, ByDate, ByPlace),
    /// What brought people into a population (born, arrived …) or took them out of it.
    Flow(Component, Definition, ByDate),
}

/// A total of one unit, or of the nation ([`UnitId::NONE`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    pub unit: UnitId,
    pub total: Total,
    /// Of what happened: in this month alone.
    pub month: Option<Month>,
    pub sex: Option<Sex>,
    pub category: Option<Category>,
}

/// A record that changed the total.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cause {
    pub lsn: Lsn,
    pub change: i64,
    /// What it was afterwards.
    pub total: i64,
}

/// The total at both ends.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Caused {
    pub before: i64,
    pub after: i64,
}

impl Asked {
    /// Whether the total is, among others, the sum of what this key counts.
    fn holds(&self, key: &[u8]) -> bool {
        let Some((unit, counted)) = counted_in(key) else { return false };
        unit == self.unit && is_rolled_up(key) && self.counts(counted, key)
    }

    /// What a view says of it.
    pub(crate) fn total_in(&self, reading: &Reading<'_>) -> Result<i64, StoreError> {
        let mut total = 0;
        reading.each_total(KeyRange::prefix(&self.unit.0.to_be_bytes()), |key, count| {
            total += if self.holds(key) { count as i64 } else { 0 };
            true
        })?;
        Ok(total)
    }

    fn counts(&self, counted: Counted, key: &[u8]) -> bool {
        match self.total {
            Total::Population(definition) => {
                let is_in = whereabouts_of(key).is_some_and(|it| definition.whereabouts().contains(&it));
                is_in && cohort_in(key).is_some_and(|(_, _, class)| self.is_of(class))
            }
            Total::Vital(event, by, place) => {
                counted == Counted::VitalEvents && self.happened(key, event as u8, vital::mask(by, place))
            }
            Total::Flow(component, definition, by) => {
                let mask = changes::mask(definition, by);
                counted == Counted::Flows && self.happened(key, component as u8, mask)
            }
        }
    }

    fn happened(&self, key: &[u8], wanted: u8, mask: u8) -> bool {
        happened_of(key).is_some_and(|(month, what, counted, class)| {
            let is_in_time = self.month.is_none_or(|asked| asked == month);
            what == wanted && counted & mask != 0 && is_in_time && self.is_of(class)
        })
    }

    fn is_of(&self, class: Class) -> bool {
        self.sex.is_none_or(|sex| sex == class.sex)
            && self.category.is_none_or(|category| category == class.category)
    }
}

/// Tells `visit` every record of `lsns` that changed the total, in order. Folds the log in an empty directory, which the caller removes;
/// `progress` hears how far that is.
///
/// # Errors
/// If the log cannot be read or folded, or does not reach the last lsn.
pub fn causes(
    (source, log_id): (&dyn LogSource, LogId),
    dir: &Path,
    asked: &Asked,
    lsns: RangeInclusive<Lsn>,
    visit: &mut dyn FnMut(Cause),
    progress: &mut dyn FnMut(Lsn),
) -> Result<Caused, RebuildError> {
    let mut projector = folded_before((source, log_id), dir, *lsns.start())?;
    let before = asked.total_in(&projector.view().read())?;
    let mut total = before;
    while projector.lsn() < *lsns.end() {
        let is_wanted = |key: &TotalKey| asked.holds(key.as_bytes());
        let step = projector.step_counting(READ_WAIT, &is_wanted)?;
        let Some(change) = step else { return Err(RebuildError::NoProgress(*lsns.end())) };
        save_when_large(&projector)?;
        progress(projector.lsn());
        if change != 0 {
            total += change;
            visit(Cause { lsn: projector.lsn(), change, total });
        }
    }
    Ok(Caused { before, after: total })
}

/// A fresh view of everything before a record.
fn folded_before(
    (source, log_id): (&dyn LogSource, LogId),
    dir: &Path,
    first: Lsn,
) -> Result<Projector, RebuildError> {
    let options = Options::in_directory(dir);
    let (_, view, _) = Generations::open(&options.dir, options.engine, log_id, source.instance())?;
    let until = Lsn(first.0.saturating_sub(1));
    if until == Lsn::ZERO {
        return Ok(Projector::open(view, source)?);
    }
    let bounds = Bounds { ids_a_pass: options.ids_at_once.max(1), until, ..Bounds::default() };
    let scratch = dir.join("scratch");
    std::fs::create_dir_all(&scratch).map_err(StoreError::Io)?;
    fold_all(view, source, &scratch, bounds, &Watch::default())
}
