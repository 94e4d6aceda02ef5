//! What was known lately: kept between questions, because whoever reproduces a table or leafs through a listing asks several of the
//! same state of the log.

use super::ask::NoAnswer;
use super::effects::References;
use super::problems;
use crate::difference::ToldAnew;
use crate::known_then::KnownThen;
use crate::view::{Reading, View};
use crate::walk::HistoryError;
use access::http::Problem;
use event_log::LogSource;
use event_schemas::ids::Lsn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Questions at a time (O1): each may read back many records.
const MAX_AT_A_TIME: usize = 2;
/// Rounds of following what is recorded meanwhile.
const ROUNDS: usize = 20;

/// The states of the log that were asked for last.
#[derive(Clone)]
pub struct Lately {
    turns: Arc<Semaphore>,
    references: References,
    totals: Kept<KnownThen>,
    residents: Kept<ToldAnew>,
}

type Kept<T> = Arc<Mutex<Option<T>>>;

fn kept<T>(kept: &Kept<T>) -> MutexGuard<'_, Option<T>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lately {
    pub(super) fn new(references: References) -> Self {
        let turns = Arc::new(Semaphore::new(MAX_AT_A_TIME));
        Self { turns, references, totals: Kept::default(), residents: Kept::default() }
    }

    /// A turn; refused while others have theirs.
    pub(super) fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let turn = Arc::clone(&self.turns).try_acquire_owned();
        turn.map_err(|_| Problem::of(&problems::TOO_BUSY).retry_after_s(1))
    }

    /// A reading with totals by what was known at `known_at`. The log is read while no reading is held: publishing would wait for it.
    pub(super) fn reading<'a>(
        &self,
        view: &'a View,
        source: &dyn LogSource,
        known_at: Lsn,
    ) -> Result<Reading<'a>, NoAnswer> {
        let found = kept(&self.totals).take().filter(|kept| kept.is_of(known_at, view.lsn()));
        let mut then = found.unwrap_or_else(|| KnownThen::at(known_at));
        let reading = reading_within(view, |last| {
            let reference = self.references.of(&view.read())?;
            then.follow(source, &reference, last).map_err(|error| no_answer(error, last, known_at))?;
            then.read_ahead(view, &reference)?;
            Ok(then.seen())
        })?;
        let reference = self.references.of(&reading)?;
        let totals = then.beside(&reading, &reference)?;
        *kept(&self.totals) = Some(then);
        Ok(reading.with_totals_of(totals))
    }

    /// Persons of whom records after `since` told residence anew.
    pub(super) fn told_anew<'a>(&'a self, source: &'a dyn LogSource, since: Lsn) -> Anew<'a> {
        let found = kept(&self.residents).take().filter(|kept| kept.is_since(since));
        Anew { lately: self, source, told: found.unwrap_or_else(|| ToldAnew::since(since)) }
    }
}

/// Persons of whom residence was told anew, as far as it is seen; kept for the next page when it goes.
pub(super) struct Anew<'a> {
    lately: &'a Lately,
    source: &'a dyn LogSource,
    told: ToldAnew,
}

impl Anew<'_> {
    /// A reading that shows nothing which is not seen.
    pub fn reading<'v>(&mut self, view: &'v View) -> Result<Reading<'v>, NoAnswer> {
        let Self { source, told, .. } = self;
        reading_within(view, |last| {
            told.follow(*source, last)?;
            Ok(told.seen())
        })
    }

    pub fn told(&self) -> &ToldAnew {
        &self.told
    }
}

impl Drop for Anew<'_> {
    fn drop(&mut self) {
        *kept(&self.lately.residents) = Some(self.told.clone());
    }
}

/// A reading that shows nothing beyond what `follow` has seen, which is asked to see what is recorded up to an lsn. The view lags behind
/// the log, so what is there by now is mostly enough.
fn reading_within<'a>(
    view: &'a View,
    mut follow: impl FnMut(Lsn) -> Result<Lsn, NoAnswer>,
) -> Result<Reading<'a>, NoAnswer> {
    let mut last = view.lsn();
    for _ in 0..ROUNDS {
        let seen = follow(last)?;
        let reading = view.read();
        if reading.lsn() <= seen {
            return Ok(reading);
        }
        last = reading.lsn();
    }
    Err(Problem::of(&problems::TOO_BUSY).retry_after_s(1).into())
}

fn no_answer(error: HistoryError, last: Lsn, known_at: Lsn) -> NoAnswer {
    if !matches!(error, HistoryError::TooLong) {
        return error.into();
    }
    let en = format!(
        "Too much was recorded from lsn {known_at} to lsn {last} to be taken back for one question. Build the views as they stood with \
         `dancu replay --to-lsn {known_at}`, and ask that."
    );
    let vi = format!(
        "Từ lsn {known_at} đến lsn {last} có quá nhiều thay đổi để tính ngược lại cho một câu hỏi. Hãy dựng lại bằng \
         `dancu replay --to-lsn {known_at}` rồi tra cứu."
    );
    Problem::of(&problems::KNOWN_AT_NEEDS_REPLAY).detail(en, vi).into()
}
