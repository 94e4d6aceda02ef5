//! The only source of time.

use event_schemas::record::ClockKind;
use event_schemas::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Tells the time that goes into records.
pub trait Clock: Send + Sync {
    /// Now. May step back; recorded time never does.
    fn now(&self) -> Timestamp;

    /// Which logs it may drive: the kind is fixed by a log's first entry.
    fn kind(&self) -> ClockKind;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock;

impl Clock for WallClock {
    #[allow(clippy::disallowed_methods, reason = "the one place where the machine's clock is read")]
    fn now(&self) -> Timestamp {
        let now = std::time::SystemTime::now();
        match now.duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => Timestamp(since.as_micros() as i64),
            Err(before) => Timestamp(-(before.duration().as_micros() as i64)),
        }
    }

    fn kind(&self) -> ClockKind {
        ClockKind::Wall
    }
}

/// A clock that stands still until whoever drives it moves it. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct ScriptedClock(Arc<AtomicI64>);

impl ScriptedClock {
    /// Stands at this time.
    pub fn new(at: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(at.0)))
    }

    /// Moves forward to this time; a time before the present one changes nothing.
    pub fn advance_to(&self, at: Timestamp) {
        self.0.fetch_max(at.0, Ordering::SeqCst);
    }

    /// Moves by this many microseconds, also backwards: simulations step clocks.
    pub fn step(&self, by_us: i64) {
        self.0.fetch_add(by_us, Ordering::SeqCst);
    }
}

impl Clock for ScriptedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn kind(&self) -> ClockKind {
        ClockKind::Scripted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scripted_clock_is_shared_and_advances_only_forward() {
        let clock = ScriptedClock::new(Timestamp(5));
        let shown = clock.clone();
        clock.advance_to(Timestamp(9));
        clock.advance_to(Timestamp(7));
        assert_eq!(shown.now(), Timestamp(9));
        clock.step(-4);
        assert_eq!(shown.now(), Timestamp(5));
    }

    #[test]
    fn the_wall_clock_is_past_the_year_2024() {
        assert!(WallClock.now().0 > 1_700_000_000_000_000);
    }
}
