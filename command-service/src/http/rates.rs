//! How often each caller may ask (O1).
//!
//! A token counts for its officer once it was verified. Before that, anybody may have made it up, so the request counts for
//! the address it comes from: whoever asks with ever new tokens gets no more than one address may.

use crate::http::limits::Limits;
use crate::http::problems;
use access::Caller;
use access::http::Problem;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use event_schemas::ids::{OfficeId, OfficerId};
use hashbrown::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

/// Most officers, and most addresses, whose rate is followed; further ones share one allowance.
const MAX_BUCKETS: usize = 16_384;

/// Most tokens that are known to have been verified. Beyond, all are verified anew.
const MAX_VERIFIED_TOKENS: usize = 16_384;

/// A full table is searched for quiet callers no more often.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// A token bucket: fills at a rate up to what one second allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    filled: f64,
    at: Instant,
}

impl Bucket {
    pub fn full(rate: f64, now: Instant) -> Self {
        Self { filled: rate, at: now }
    }

    /// Takes so many whether they are there or not, and says how long to wait for them.
    pub fn take_ahead(&mut self, count: usize, rate: f64, now: Instant) -> Duration {
        self.refill(rate, now);
        self.filled -= count as f64;
        Duration::from_secs_f64((-self.filled / rate).max(0.0))
    }

    /// Takes one, or says after how long there is one.
    fn take(&mut self, rate: f64, now: Instant) -> Result<(), Duration> {
        self.refill(rate, now);
        if self.filled < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.filled) / rate));
        }
        self.filled -= 1.0;
        Ok(())
    }

    fn refill(&mut self, rate: f64, now: Instant) {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * rate;
        self.filled = (self.filled + gained).min(rate);
        self.at = now;
    }
}

/// A bucket for each key, as far as there is room.
#[derive(Debug)]
struct Buckets<K> {
    rate: f64,
    by_key: HashMap<K, Bucket>,
    /// Of all who found no room.
    shared: Bucket,
    swept_at: Instant,
}

impl<K: Eq + Hash> Buckets<K> {
    fn new(per_second: u32) -> Self {
        let (rate, now) = (f64::from(per_second.max(1)), Instant::now());
        Self { rate, by_key: HashMap::new(), shared: Bucket::full(rate, now), swept_at: now }
    }

    fn take(&mut self, key: K, now: Instant) -> Result<(), Duration> {
        let rate = self.rate;
        if let Some(bucket) = self.by_key.get_mut(&key) {
            return bucket.take(rate, now);
        }
        self.make_room(now);
        if self.by_key.len() >= MAX_BUCKETS {
            return self.shared.take(rate, now);
        }
        self.by_key.entry(key).or_insert_with(|| Bucket::full(rate, now)).take(rate, now)
    }

    /// Forgets who has been quiet for a second or more, if the table is full.
    fn make_room(&mut self, now: Instant) {
        if self.by_key.len() < MAX_BUCKETS || now.saturating_duration_since(self.swept_at) < SWEEP_EVERY {
            return;
        }
        self.swept_at = now;
        let rate = self.rate;
        self.by_key.retain(|_, bucket| {
            bucket.refill(rate, now);
            bucket.filled < rate
        });
    }
}

/// Whom a verified token names.
type Subject = (OfficeId, OfficerId);

/// Requests of each officer within their rate; those without a verified token, by address.
#[derive(Clone)]
pub struct RateLimiter(Arc<Mutex<Rates>>);

struct Rates {
    officers: Buckets<Subject>,
    /// `None`: the address is not known.
    addresses: Buckets<Option<IpAddr>>,
    /// By the token's hash.
    verified: HashMap<u64, Subject>,
}

impl RateLimiter {
    /// Nobody has asked yet.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(Rates {
            officers: Buckets::new(limits.requests_per_second),
            addresses: Buckets::new(limits.anonymous_requests_per_second),
            verified: HashMap::new(),
        })))
    }

    /// Takes one request, or says after how long there is room for one.
    pub fn take(&self, token: Option<u64>, peer: Option<IpAddr>) -> Result<(), Duration> {
        let now = Instant::now();
        let mut rates = self.rates();
        match token.and_then(|token| rates.verified.get(&token).copied()) {
            Some(subject) => rates.officers.take(subject, now),
            None => rates.addresses.take(peer.map(network_of), now),
        }
    }

    /// The token was verified: from now on it counts for the officer it names.
    pub fn verified(&self, token: u64, caller: &Caller) {
        let mut rates = self.rates();
        if rates.verified.len() >= MAX_VERIFIED_TOKENS && !rates.verified.contains_key(&token) {
            rates.verified.clear();
        }
        rates.verified.insert(token, (caller.office, caller.officer));
    }

    /// The token is not good, or no longer: it counts for the address again.
    pub fn turned_away(&self, token: u64) {
        self.rates().verified.remove(&token);
    }

    fn rates(&self) -> MutexGuard<'_, Rates> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// One customer of a provider has all addresses of an IPv6 network of 64 bits.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(peer) => IpAddr::V6(Ipv6Addr::from_bits(peer.to_bits() >> 64 << 64)),
        peer @ IpAddr::V4(_) => peer,
    }
}

fn token_of(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::AUTHORIZATION).map(|token| xxh3_64(token.as_bytes()))
}

/// Middleware: refuses what exceeds the caller's rate, before any work is done for it.
pub async fn keep_rate(State(limiter): State<RateLimiter>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let token = token_of(request.headers());
    if let Err(wait) = limiter.take(token, peer) {
        let seconds = wait.as_secs() as u32 + 1;
        return Problem::of(&problems::RATE_LIMITED).retry_after_s(seconds).into_response();
    }
    let response = next.run(request).await;
    if let Some(token) = token {
        // The guard has left the caller in the answer if it verified the token.
        match response.extensions().get::<Caller>() {
            Some(caller) => limiter.verified(token, caller),
            None if response.status() == StatusCode::UNAUTHORIZED => limiter.turned_away(token),
            None => {}
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn officer(number: u32) -> Caller {
        Caller { office: OfficeId(1), officer: OfficerId(number), scopes: BTreeSet::new() }
    }

    fn address(number: u32) -> Option<IpAddr> {
        Some(IpAddr::V4(number.into()))
    }

    #[tokio::test(start_paused = true)]
    async fn each_officer_has_a_rate_over_all_verified_tokens_and_it_recovers() {
        // Given two tokens of one officer and one of another, all verified,
        let limiter = RateLimiter::new(Limits { requests_per_second: 10, ..Limits::default() });
        for (token, number) in [(1, 5), (2, 5), (3, 6)] {
            limiter.verified(token, &officer(number));
        }
        // when the first officer has used up the rate with both,
        for request in 0..10 {
            assert_eq!(limiter.take(Some(1 + request % 2), None), Ok(()));
        }
        // then either token must wait, the other officer need not, and waiting helps.
        assert!(limiter.take(Some(1), None).is_err() && limiter.take(Some(2), None).is_err());
        assert_eq!(limiter.take(Some(3), None), Ok(()));
        tokio::time::advance(Duration::from_millis(110)).await;
        assert_eq!(limiter.take(Some(1), None), Ok(()));
        assert!(limiter.take(Some(2), None).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_was_never_verified_counts_for_its_address() {
        let limiter = RateLimiter::new(Limits { anonymous_requests_per_second: 10, ..Limits::default() });
        for token in 0..10 {
            assert_eq!(limiter.take(Some(token), address(1)), Ok(()));
        }
        assert!(limiter.take(Some(99), address(1)).is_err());
        assert!(limiter.take(None, address(1)).is_err());
        assert_eq!(limiter.take(Some(99), address(2)), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_is_no_longer_good_counts_for_its_address_again() {
        let limiter = RateLimiter::new(Limits { anonymous_requests_per_second: 1, ..Limits::default() });
        assert_eq!(limiter.take(None, address(1)), Ok(()));
        limiter.verified(7, &officer(5));
        assert_eq!(limiter.take(Some(7), address(1)), Ok(()));
        limiter.turned_away(7);
        assert!(limiter.take(Some(7), address(1)).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_one_ipv6_network_share_a_rate() {
        let limiter = RateLimiter::new(Limits { anonymous_requests_per_second: 1, ..Limits::default() });
        let peer = |text: &str| Some(text.parse().unwrap());
        assert_eq!(limiter.take(None, peer("2001:db8::1")), Ok(()));
        assert!(limiter.take(None, peer("2001:db8::ffff:2")).is_err());
        assert_eq!(limiter.take(None, peer("2001:db8:0:1::1")), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_addresses_or_tokens_does_not_grow_memory() {
        let limiter = RateLimiter::new(Limits::default());
        for number in 0..2 * MAX_BUCKETS as u32 {
            let _ = limiter.take(None, address(number));
            limiter.verified(u64::from(number), &officer(number));
            let _ = limiter.take(Some(u64::from(number)), None);
        }
        let rates = limiter.rates();
        assert!(rates.addresses.by_key.len() <= MAX_BUCKETS);
        assert!(rates.officers.by_key.len() <= MAX_BUCKETS);
        assert!(rates.verified.len() <= MAX_VERIFIED_TOKENS);
    }
}
