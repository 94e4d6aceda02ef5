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
use event_schemas::ids::{Lsn, PersonId};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Questions at a time (O1): each may read back many records.
const MAX_AT_A_TIME: usize = 2;
/// Rounds of following what is recorded meanwhile without holding a reading, which publishing would wait for.
const ROUNDS: usize = 3;

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

    /// A reading with totals by what was known at `known_at`.
    pub(super) fn reading<'a>(
        &self,
        view: &'a View,
        source: &dyn LogSource,
        known_at: Lsn,
    ) -> Result<Reading<'a>, NoAnswer> {
        let then = kept(&self.totals).take().filter(|kept| kept.is_of(known_at, view.lsn()));
        let mut then = then.unwrap_or_else(|| KnownThen::at(known_at));
        for _ in 0..ROUNDS {
            let reading = view.read();
            let (last, reference) = (reading.lsn(), self.references.of(&reading)?);
            drop(reading);
            then.follow(source, &reference, last).map_err(|error| no_answer(error, last, known_at))?;
        }
        let reading = view.read();
        let (last, reference) = (reading.lsn(), self.references.of(&reading)?);
        then.follow(source, &reference, last).map_err(|error| no_answer(error, last, known_at))?;
        let totals = then.beside(&reading, &reference)?;
        *kept(&self.totals) = Some(then);
        Ok(reading.with_totals_of(totals))
    }

    /// Persons of whom records after `since` and up to `last` told residence anew.
    pub(super) fn told_anew(
        &self,
        source: &dyn LogSource,
        since: Lsn,
        last: Lsn,
    ) -> Result<Arc<BTreeSet<PersonId>>, HistoryError> {
        let found = kept(&self.residents).take().filter(|kept| kept.is_of(since, last));
        let mut anew = found.unwrap_or_else(|| ToldAnew::since(since));
        let persons = anew.follow(source, last)?;
        *kept(&self.residents) = Some(anew);
        Ok(persons)
    }
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
