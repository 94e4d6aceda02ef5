//! Readings whose totals are those of what was known lately.

use super::ask::NoAnswer;
use super::effects::References;
use super::problems;
use crate::known_then::KnownThen;
use crate::view::{Reading, View};
use crate::walk::HistoryError;
use access::http::Problem;
use event_log::LogSource;
use event_schemas::ids::Lsn;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Questions at a time (O1): each may read back many records.
const MAX_AT_A_TIME: usize = 2;
/// Rounds of following what is recorded meanwhile without holding a reading, which publishing would wait for.
const ROUNDS: usize = 3;

/// The state of the log that was asked for last is kept: whoever reproduces a table asks several questions of it.
#[derive(Clone)]
pub struct Lately {
    turns: Arc<Semaphore>,
    references: References,
    kept: Arc<Mutex<Option<KnownThen>>>,
}

impl Lately {
    pub(super) fn new(references: References) -> Self {
        Self { turns: Arc::new(Semaphore::new(MAX_AT_A_TIME)), references, kept: Arc::default() }
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
        let mut then = self.kept().take().filter(|kept| kept.known_at() == known_at);
        let then = then.get_or_insert_with(|| KnownThen::at(known_at));
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
        *self.kept() = Some(then.clone());
        Ok(reading.with_totals_of(totals))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<KnownThen>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
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
