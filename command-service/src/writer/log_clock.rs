//! Whether this machine's clock can be right: what keeps the log may have a clock too.
//!
//! Brokers stamp what they append. The claim of a new term was appended a moment before it was read, so from then on the brokers'
//! time is known to be at least its stamp and what has passed since. A clock that is far ahead of it would carry
//! recorded time into the future, from where it never comes back.

use super::Writer;
use event_schemas::record::ClockKind;
use event_schemas::time::Timestamp;
use std::time::Duration;

/// A wall clock that leads the last record by more needs an operator's consent, where nothing else tells the time.
pub const MAX_UNEXPLAINED_LEAD_US: i64 = 30 * 24 * 3_600 * 1_000_000;
/// The same, where the log has a clock of its own: it may lead that by so much.
pub const MAX_LEAD_OVER_LOG_US: i64 = 60 * 1_000_000;

/// A time that the log's clock has reached, and when that was seen by this process' timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LogClock {
    at: Timestamp,
    seen: Duration,
}

impl LogClock {
    /// The log's clock shows at least this.
    fn now(self, now: Duration) -> Timestamp {
        Timestamp(self.at.0 + now.saturating_sub(self.seen).as_micros() as i64)
    }
}

impl Writer {
    /// What was just read tells the log's time. An entry that was read late tells a time that has passed: what is known already
    /// stays.
    pub(super) fn note_log_clock(&mut self) {
        let now = self.now();
        let known = self.log_clock.map(|clock| clock.now(now));
        let told = self.reader.appended_at();
        self.log_clock = known.max(told).map(|at| LogClock { at, seen: now });
    }

    /// Whether a clock that shows this is ahead by more than can be explained.
    pub(super) fn is_clock_unexplained(&self, clock: Timestamp) -> bool {
        let head = self.follower.registry.head();
        if head.clock != Some(ClockKind::Wall) {
            return false;
        }
        let lead_us = clock.0 - head.recorded_at.0;
        match self.log_clock {
            Some(log_clock) => lead_us.min(clock.0 - log_clock.now(self.now()).0) > MAX_LEAD_OVER_LOG_US,
            None => lead_us > MAX_UNEXPLAINED_LEAD_US,
        }
    }
}
