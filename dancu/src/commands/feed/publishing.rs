//! Publishing from the log, as long as it is wanted and whatever fails meanwhile.

use super::standing::Standing;
use crate::home::Home;
use crate::log::{KafkaPlace, ReadLog, follow};
use anyhow::Result;
use event_log::LogError;
use feed::{Changed, Fed, FeedError, Feeder, Receiver, Topic, TopicError};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest wait for entries.
const WAIT: Duration = Duration::from_millis(200);
/// Between a failure and the next beginning.
const PAUSE: Duration = Duration::from_secs(5);

/// What is published, and where.
pub struct Publishing<'a> {
    pub home: &'a Home,
    pub place: &'a KafkaPlace,
    pub partitions: Option<u16>,
    pub receiver: Receiver,
    pub changed: Changed,
    /// End at the log's end.
    pub once: bool,
    pub standing: &'a Standing,
}

impl Publishing<'_> {
    /// Publishes until told to stop; shows `tell` how far it is after each reading, and gives how far it was at the end. Brokers and disks
    /// that do not answer are waited for once it has begun.
    pub fn run(&self, stop: &AtomicBool, mut tell: impl FnMut(&Fed)) -> Result<Fed> {
        let mut feeding = self.begin()?;
        loop {
            let error = match self.follow(feeding, stop, &mut tell) {
                Ok(fed) => return Ok(fed),
                Err(error) => error,
            };
            feeding = self.begin_again(error, stop)?;
        }
    }

    fn begin(&self) -> Result<(ReadLog, Feeder)> {
        let log = follow(self.home)?;
        let topic = Topic::open(self.place.connection()?, self.partitions)?;
        let at = (self.home.config.log_id, log.admission.last_lsn);
        let feeder = Feeder::begin(&*log.source, at, topic, (self.receiver.clone(), self.changed))?;
        Ok((log, feeder))
    }

    fn begin_again(&self, error: anyhow::Error, stop: &AtomicBool) -> Result<(ReadLog, Feeder)> {
        let mut error = error;
        while !self.once && may_heal(&error) && !stop.load(Ordering::Acquire) {
            tracing::warn!("the feed begins again in {PAUSE:?}: {error:#}");
            self.standing.fail(format!("{error:#}"));
            rest(stop);
            match self.begin() {
                Ok(begun) => return Ok(begun),
                Err(again) => error = again,
            }
        }
        Err(error)
    }

    fn follow(
        &self,
        (log, mut feeder): (ReadLog, Feeder),
        stop: &AtomicBool,
        tell: &mut impl FnMut(&Fed),
    ) -> Result<Fed> {
        // What was sent before a failure counts too.
        let (sent, passed_over) = {
            let shown = self.standing.lock();
            (shown.messages_sent, shown.events_passed_over)
        };
        let (mut arrived, mut arrived_at) = (0, Instant::now());
        while !stop.load(Ordering::Acquire) {
            let fed = feeder.step(&*log.source, WAIT)?;
            let in_flight = feeder.in_flight();
            let has_arrived = fed.sent.saturating_sub(in_flight as u64);
            if in_flight == 0 || has_arrived > arrived {
                (arrived, arrived_at) = (has_arrived, Instant::now());
            }
            self.standing.update(|shown| {
                (shown.lsn, shown.recorded_at) = (fed.lsn, fed.recorded_at);
                shown.entries_behind = feeder.entries_behind(&*log.source);
                shown.has_caught_up |= fed.at_end;
                shown.messages_sent = sent + fed.sent;
                shown.messages_in_flight = in_flight;
                shown.stalled_ms = arrived_at.elapsed().as_millis() as u64;
                shown.events_passed_over = passed_over + fed.passed_over;
                shown.is_failing = false;
            });
            tell(&fed);
            if fed.at_end && self.once {
                break;
            }
        }
        Ok(feeder.finish()?)
    }
}

fn may_heal(error: &anyhow::Error) -> bool {
    let is_io = |error: &LogError| matches!(error, LogError::Io { .. });
    error.downcast_ref::<FeedError>().is_some_and(FeedError::may_heal)
        || error.downcast_ref::<TopicError>().is_some_and(TopicError::may_heal)
        || error.downcast_ref::<LogError>().is_some_and(is_io)
}

fn rest(stop: &AtomicBool) {
    for _ in 0..PAUSE.as_millis() / WAIT.as_millis() {
        if stop.load(Ordering::Acquire) {
            return;
        }
        std::thread::sleep(WAIT);
    }
}
