//! How far a fold of the whole log is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A rebuild that is under way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RebuildProgress {
    /// Entries of the log read so far. A nation is read several times, for a range of ids each.
    pub read: u64,
    /// Entries to read, as far as is known: how often the log has to be read is known after the first time.
    pub of: u64,
    pub seconds: u64,
    /// Judged by the time it took so far; none before anything is read.
    pub seconds_left: Option<u64>,
}

/// What the fold tells, and whether it shall stop.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    stopping: AtomicBool,
    /// Since when; none if no rebuild is under way.
    since: Mutex<Option<Instant>>,
    read: AtomicU64,
    of: AtomicU64,
}

/// A rebuild under way; it is over when this is dropped.
pub(crate) struct UnderWay<'a>(&'a Watch);

impl Watch {
    /// The beginning of a rebuild; none if one is under way.
    pub fn begin(&self) -> Option<UnderWay<'_>> {
        let mut since = self.since();
        if since.is_some() {
            return None;
        }
        *since = Some(Instant::now());
        self.read.store(0, Ordering::Relaxed);
        self.of.store(0, Ordering::Relaxed);
        Some(UnderWay(self))
    }

    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// So many entries are to be read in all.
    pub fn expect(&self, entries: u64) {
        self.of.store(entries, Ordering::Relaxed);
    }

    /// So many are read already.
    pub fn begin_at(&self, entries: u64) {
        self.read.store(entries, Ordering::Relaxed);
    }

    pub fn have_read(&self, entries: usize) {
        self.read.fetch_add(entries as u64, Ordering::Relaxed);
    }

    /// Of the rebuild that is under way, if one is.
    pub fn progress(&self) -> Option<RebuildProgress> {
        let elapsed = (*self.since())?.elapsed();
        let (read, of) = (self.read.load(Ordering::Relaxed), self.of.load(Ordering::Relaxed));
        let seconds_left = (read > 0).then(|| seconds_left(elapsed, read, of));
        Some(RebuildProgress { read, of, seconds: elapsed.as_secs(), seconds_left })
    }

    fn since(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn seconds_left(elapsed: Duration, read: u64, of: u64) -> u64 {
    (elapsed.as_secs_f64() * of.saturating_sub(read) as f64 / read as f64).ceil() as u64
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        *self.0.since() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_follows_the_time_that_it_took_so_far() {
        assert_eq!(seconds_left(Duration::from_secs(10), 100, 400), 30);
        assert_eq!(seconds_left(Duration::from_millis(100), 1_000, 1_001), 1, "not over before it is over");
        assert_eq!(seconds_left(Duration::from_secs(10), 500, 500), 0);
        assert_eq!(seconds_left(Duration::from_secs(10), 600, 500), 0, "what is recorded meanwhile");
    }

    #[test]
    fn one_rebuild_at_a_time_and_none_is_told_when_it_is_over() {
        let watch = Watch::default();
        assert_eq!(watch.progress(), None);
        let under_way = watch.begin().unwrap();
        assert!(watch.begin().is_none());
        watch.expect(50);
        assert_eq!(watch.progress().unwrap().seconds_left, None, "nothing is read yet");
        watch.have_read(20);
        let told = watch.progress().unwrap();
        assert_eq!((told.read, told.of), (20, 50));
        drop(under_way);
        assert_eq!(watch.progress(), None);
        let again = watch.begin();
        assert_eq!(watch.progress().map(|told| (told.read, told.of)), Some((0, 0)));
        drop(again);
    }
}
