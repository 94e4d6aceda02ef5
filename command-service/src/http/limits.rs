//! Bounds on size, number, rate and time (O1).

use crate::http::problems;
use access::http::Problem;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hashbrown::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use xxhash_rust::xxh3::xxh3_64;

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
    /// How long a batch waits for room in the writer's queue.
    pub batch_overload_wait: Duration,
    /// Longest time until a request's answer begins.
    pub request: Duration,
    /// The same for operators' requests about whole views ([`LONG_WORK`]).
    pub long_request: Duration,
    pub connections: usize,
    /// Longest time for a request's head to arrive, and for a connection to stay idle.
    pub head: Duration,
    pub head_bytes: usize,
    pub head_fields: usize,
    /// How long a stopping server waits for its connections.
    pub drain: Duration,
    pub requests_per_second: u32,
    /// For whoever presents no token, by address.
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
            batch_overload_wait: Duration::from_secs(60),
            request: Duration::from_secs(30),
            long_request: Duration::from_secs(6 * 3_600),
            connections: 2_048,
            head: Duration::from_secs(30),
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

/// Most callers whose rate is followed; further ones share one allowance.
const MAX_BUCKETS: usize = 16_384;

/// Key of the allowance that further callers share.
const SHARED_KEY: u64 = 0;

/// A token bucket: fills at a rate up to what one second allows.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    filled: f64,
    at: Instant,
}

impl Bucket {
    fn full(rate: f64, now: Instant) -> Self {
        Self { filled: rate, at: now }
    }

    fn refill(&mut self, rate: f64, now: Instant) {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        self.filled = (self.filled + gained).min(rate);
        self.at = now;
    }
}

/// Requests of each token within its rate; of those without one, by address.
#[derive(Clone)]
pub struct RateLimiter {
    limits: Limits,
    buckets: Arc<Mutex<HashMap<u64, Bucket>>>,
}

impl RateLimiter {
    /// Nobody has asked yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, buckets: Arc::default() }
    }

    /// Takes one request, or says after how long there is room for one.
    pub fn take(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<(), Duration> {
        let (key, rate) = match headers.get(header::AUTHORIZATION) {
            Some(token) => (xxh3_64(token.as_bytes()), self.limits.requests_per_second),
            None => (peer.map_or(1, key_of_peer), self.limits.anonymous_requests_per_second),
        };
        let rate = f64::from(rate.max(1));
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let key = if buckets.contains_key(&key) { key } else { room_for(&mut buckets, key, rate, now) };
        let bucket = buckets.entry(key).or_insert_with(|| Bucket::full(rate, now));
        bucket.refill(rate, now);
        if bucket.filled < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.filled) / rate));
        }
        bucket.filled -= 1.0;
        Ok(())
    }
}

fn key_of_peer(peer: IpAddr) -> u64 {
    match peer {
        IpAddr::V4(peer) => xxh3_64(&peer.octets()),
        IpAddr::V6(peer) => xxh3_64(&peer.octets()[..8]),
    }
}

/// The key itself if there is room for another; forgets who has been quiet for a second or more.
fn room_for(buckets: &mut HashMap<u64, Bucket>, key: u64, rate: f64, now: Instant) -> u64 {
    if buckets.len() >= MAX_BUCKETS {
        buckets.retain(|_, bucket| {
            bucket.refill(rate, now);
            bucket.filled < rate
        });
    }
    if buckets.len() >= MAX_BUCKETS { SHARED_KEY } else { key }
}

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
        self.bucket.refill(self.rate, Instant::now());
        self.bucket.filled -= lines as f64;
        if self.bucket.filled < 0.0 {
            tokio::time::sleep(Duration::from_secs_f64(-self.bucket.filled / self.rate)).await;
        }
    }
}

/// Middleware: refuses what exceeds the caller's rate, before any work is done for it.
pub async fn keep_rate(State(limiter): State<RateLimiter>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    match limiter.take(request.headers(), peer) {
        Ok(()) => next.run(request).await,
        Err(wait) => {
            let seconds = wait.as_secs() as u32 + 1;
            Problem::of(&problems::RATE_LIMITED).retry_after_s(seconds).into_response()
        }
    }
}

/// Middleware: an answer begins in time, or is a problem.
pub async fn keep_time(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let is_long = request.uri().path().starts_with(LONG_WORK);
    let longest = if is_long { limits.long_request } else { limits.request };
    match timeout(longest, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::of(&problems::TOO_SLOW).retry_after_s(1).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn token(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(text).unwrap());
        headers
    }

    #[tokio::test(start_paused = true)]
    async fn each_token_has_its_own_rate_and_recovers() {
        let limiter = RateLimiter::new(Limits { requests_per_second: 10, ..Limits::default() });
        let (one, other) = (token("Bearer one"), token("Bearer other"));
        for _ in 0..10 {
            assert_eq!(limiter.take(&one, None), Ok(()));
        }
        assert!(limiter.take(&one, None).is_err());
        assert_eq!(limiter.take(&other, None), Ok(()));
        tokio::time::advance(Duration::from_millis(110)).await;
        assert_eq!(limiter.take(&one, None), Ok(()));
        assert!(limiter.take(&one, None).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_tokens_does_not_grow_memory() {
        let limiter = RateLimiter::new(Limits::default());
        for number in 0..2 * MAX_BUCKETS {
            let _ = limiter.take(&token(&format!("Bearer {number}")), None);
        }
        assert!(limiter.buckets.lock().unwrap().len() <= MAX_BUCKETS + 1);
    }

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
