//! Bounds on size, number, rate and time (O1).

use crate::http::problems;
use crate::http::rates::Bucket;
use access::http::Problem;
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Every bound of the API. The defaults suit one machine that serves a province.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Longest body of a single command; also the longest line of a batch.
    pub body_bytes: usize,
    pub batch_lines: u64,
    /// Lines of one batch that wait for their answers at the same time.
    pub batch_lines_in_flight: usize,
    /// Longest silence inside a batch's body.
    pub batch_idle: Duration,
    /// Longest time until whoever sends a batch makes room for another part of its answers.
    pub batch_reader_wait: Duration,
    /// How long a batch waits for room in the writer's queue.
    pub batch_overload_wait: Duration,
    /// Longest time until a request's answer begins.
    pub request: Duration,
    /// The same for operators' requests about whole views ([`LONG_WORK`]).
    pub long_request: Duration,
    pub connections: usize,
    /// Longest time for a request's head to arrive, and for a connection to stay idle.
    pub head: Duration,
    /// Longest time in which a connection takes none of the bytes that wait for it.
    pub write_progress: Duration,
    pub head_bytes: usize,
    pub head_fields: usize,
    /// How long a stopping server waits for its connections.
    pub drain: Duration,
    /// Of each officer of an office whose token was verified; also of each address, for tokens that were not verified before.
    pub requests_per_second: u32,
    /// Of each address, for requests without a token, and charged for each token that turned out not to be good; as many again for
    /// probes.
    pub anonymous_requests_per_second: u32,
    pub batch_lines_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            batch_lines: 1_000_000,
            batch_lines_in_flight: 8_192,
            batch_idle: Duration::from_secs(30),
            batch_reader_wait: Duration::from_secs(60),
            batch_overload_wait: Duration::from_secs(60),
            request: Duration::from_secs(30),
            long_request: Duration::from_secs(6 * 3_600),
            connections: 2_048,
            head: Duration::from_secs(30),
            write_progress: Duration::from_secs(30),
            head_bytes: 32 << 10,
            head_fields: 64,
            drain: Duration::from_secs(30),
            requests_per_second: 2_000,
            anonymous_requests_per_second: 200,
            batch_lines_per_second: 200_000,
        }
    }
}

/// Where operators ask for work on whole views: sums and rebuilds take as long as the log is.
pub const LONG_WORK: &str = "/v1/views/";

/// Paces the lines of one batch.
#[derive(Debug)]
pub struct LinePace {
    rate: f64,
    bucket: Bucket,
}

impl LinePace {
    /// Up to this many lines a second.
    pub fn new(lines_per_second: u32) -> Self {
        let rate = f64::from(lines_per_second.max(1));
        Self { rate, bucket: Bucket::full(rate, Instant::now()) }
    }

    /// Waits until these lines are within the rate.
    pub async fn wait_for(&mut self, lines: usize) {
        let wait = self.bucket.take_ahead(lines, self.rate, Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

/// Within what time an answer begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct LongestAnswer(Duration);

impl Limits {
    /// Of a request to this path.
    pub(super) fn longest_answer(&self, path: &str) -> LongestAnswer {
        LongestAnswer(if path.starts_with(LONG_WORK) { self.long_request } else { self.request })
    }
}

impl LongestAnswer {
    /// The answer, or after that time a problem.
    pub async fn wait_for<E>(self, answer: impl Future<Output = Result<Response, E>>) -> Result<Response, E> {
        match timeout(self.0, answer).await {
            Ok(answer) => answer,
            Err(_) => Ok(Problem::of(&problems::TOO_SLOW).retry_after_s(1).into_response()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lines_are_paced() {
        let mut pace = LinePace::new(1_000);
        let begin = Instant::now();
        for _ in 0..30 {
            pace.wait_for(100).await;
        }
        let elapsed = begin.elapsed().as_secs_f64();
        assert!((1.9..2.2).contains(&elapsed), "{elapsed}");
    }
}
