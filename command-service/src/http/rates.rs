//! How often each caller may ask (O1).
//!
//! A token counts for its officer once it was verified. Before that, anybody may have made it up, so the request counts for
//! the address it comes from: whoever asks with ever new tokens gets no more than one address may. Behind a proxy many share
//! an address, so what strangers can use up there is kept apart: unverified tokens, requests without a token, and probes each
//! have an allowance of their own.

use crate::http::limits::Limits;
use crate::http::problems;
use access::Caller;
use access::http::Problem;
use axum::extract::{ConnectInfo, Request};
use axum::http::{StatusCode, header};
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

/// Tokens of one generation that are known to have been verified; there are two generations.
const MAX_GENERATION_TOKENS: usize = 8_192;

/// Probes of whether the service lives and is ready.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

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
    /// Tokens that are not known to be good, at an officer's rate; `None`: the address is not known.
    newcomers: Buckets<Option<IpAddr>>,
    /// Requests without a token, and tokens that were not good.
    anonymous: Buckets<Option<IpAddr>>,
    probes: Buckets<Option<IpAddr>>,
    verified: Verified,
}

/// What a request counts for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    Probe,
    /// Without a token.
    Anonymous,
    /// By the token's hash.
    Token(u64),
}

/// Tokens by their hash. When the young generation is full, the old one is forgotten and the young one grows old; whoever asks
/// again in time stays young, so a flood of tokens makes nobody else be verified anew.
#[derive(Default)]
struct Verified {
    young: HashMap<u64, Subject>,
    old: HashMap<u64, Subject>,
}

impl Verified {
    fn find(&mut self, token: u64) -> Option<Subject> {
        if let Some(subject) = self.young.get(&token) {
            return Some(*subject);
        }
        let subject = self.old.remove(&token)?;
        self.insert(token, subject);
        Some(subject)
    }

    fn insert(&mut self, token: u64, subject: Subject) {
        if self.young.len() >= MAX_GENERATION_TOKENS && !self.young.contains_key(&token) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, subject);
    }

    fn remove(&mut self, token: u64) {
        self.young.remove(&token);
        self.old.remove(&token);
    }
}

impl RateLimiter {
    /// Nobody has asked yet.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(Rates {
            officers: Buckets::new(limits.requests_per_second),
            newcomers: Buckets::new(limits.requests_per_second),
            anonymous: Buckets::new(limits.anonymous_requests_per_second),
            probes: Buckets::new(limits.anonymous_requests_per_second),
            verified: Verified::default(),
        })))
    }

    /// Takes one request, or says after how long there is room for one.
    pub fn take(&self, claim: Claim, peer: Option<IpAddr>) -> Result<(), Duration> {
        let now = Instant::now();
        let network = peer.map(network_of);
        let mut rates = self.rates();
        match claim {
            Claim::Probe => rates.probes.take(network, now),
            Claim::Anonymous => rates.anonymous.take(network, now),
            Claim::Token(token) => match rates.verified.find(token) {
                Some(subject) => rates.officers.take(subject, now),
                None => rates.newcomers.take(network, now),
            },
        }
    }

    /// The token was verified: from now on it counts for the officer it names.
    pub fn verified(&self, token: u64, caller: &Caller) {
        self.rates().verified.insert(token, (caller.office, caller.officer));
    }

    /// The token is not good, or no longer: it counts for the address again, and the request as one without a token.
    pub fn turned_away(&self, token: u64, peer: Option<IpAddr>) {
        let mut rates = self.rates();
        rates.verified.remove(token);
        // It was answered already; an allowance that is used up stays so.
        let _ = rates.anonymous.take(peer.map(network_of), Instant::now());
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

/// Who asked, as far as that is known before the token is verified.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    claim: Claim,
    peer: Option<IpAddr>,
}

impl Asker {
    fn of(request: &Request) -> Self {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
        let token = request.headers().get(header::AUTHORIZATION);
        let claim = match token {
            _ if PROBES.contains(&request.uri().path()) => Claim::Probe,
            Some(token) => Claim::Token(xxh3_64(token.as_bytes())),
            None => Claim::Anonymous,
        };
        Self { claim, peer }
    }
}

impl RateLimiter {
    /// Counts a request, or says after how long there is room for one.
    pub(super) fn admit(&self, request: &Request) -> Result<Asker, Duration> {
        let asker = Asker::of(request);
        self.take(asker.claim, asker.peer).map(|()| asker)
    }

    /// Learns from the answer whether the token was good.
    pub(super) fn heed(&self, asker: Asker, response: &Response) {
        let Claim::Token(token) = asker.claim else { return };
        // The guard has left the caller in the answer if it verified the token.
        match response.extensions().get::<Caller>() {
            Some(caller) => self.verified(token, caller),
            None if response.status() == StatusCode::UNAUTHORIZED => self.turned_away(token, asker.peer),
            None => {}
        }
    }
}

/// The answer to what exceeds the caller's rate.
pub(super) fn refusal(wait: Duration) -> Response {
    let seconds = wait.as_secs() as u32 + 1;
    Problem::of(&problems::RATE_LIMITED).retry_after_s(seconds).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use access::Scopes;

    fn officer(number: u32) -> Caller {
        Caller { office: OfficeId(1), officer: OfficerId(number), scopes: Scopes::default() }
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
            assert_eq!(limiter.take(Claim::Token(1 + request % 2), None), Ok(()));
        }
        // then either token must wait, the other officer need not, and waiting helps.
        assert!(limiter.take(Claim::Token(1), None).is_err() && limiter.take(Claim::Token(2), None).is_err());
        assert_eq!(limiter.take(Claim::Token(3), None), Ok(()));
        tokio::time::advance(Duration::from_millis(110)).await;
        assert_eq!(limiter.take(Claim::Token(1), None), Ok(()));
        assert!(limiter.take(Claim::Token(2), None).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_that_were_never_verified_share_an_officers_rate_at_their_address() {
        let limits =
            Limits { requests_per_second: 10, anonymous_requests_per_second: 1, ..Limits::default() };
        let limiter = RateLimiter::new(limits);
        for token in 0..10 {
            assert_eq!(limiter.take(Claim::Token(token), address(1)), Ok(()));
        }
        assert!(limiter.take(Claim::Token(99), address(1)).is_err());
        assert_eq!(limiter.take(Claim::Token(99), address(2)), Ok(()));
        // Neither an officer there, nor who needs no token, nor a probe is held up by them.
        limiter.verified(100, &officer(5));
        for claim in [Claim::Token(100), Claim::Anonymous, Claim::Probe] {
            assert_eq!(limiter.take(claim, address(1)), Ok(()), "{claim:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_without_a_token_hold_up_neither_new_tokens_nor_probes() {
        let limiter = RateLimiter::new(Limits { anonymous_requests_per_second: 3, ..Limits::default() });
        for _ in 0..3 {
            assert_eq!(limiter.take(Claim::Anonymous, address(1)), Ok(()));
        }
        assert!(limiter.take(Claim::Anonymous, address(1)).is_err());
        for _ in 0..3 {
            assert_eq!(limiter.take(Claim::Token(7), address(1)), Ok(()));
            assert_eq!(limiter.take(Claim::Probe, address(1)), Ok(()));
        }
        assert!(limiter.take(Claim::Probe, address(1)).is_err(), "probes have a rate too");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_that_is_not_good_counts_as_none_and_for_its_address_from_then_on() {
        let limits = Limits { requests_per_second: 2, anonymous_requests_per_second: 2, ..Limits::default() };
        let limiter = RateLimiter::new(limits);
        limiter.verified(7, &officer(5));
        limiter.turned_away(7, address(1));
        assert_eq!(limiter.take(Claim::Anonymous, address(1)), Ok(()));
        assert!(limiter.take(Claim::Anonymous, address(1)).is_err(), "one was charged for the token");
        for token in [7, 8] {
            assert_eq!(limiter.take(Claim::Token(token), address(1)), Ok(()));
        }
        assert!(limiter.take(Claim::Token(7), address(1)).is_err());
        // However many were turned away, the next second has its allowance.
        for token in 0..1_000 {
            limiter.turned_away(token, address(1));
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(limiter.take(Claim::Anonymous, address(1)), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_one_ipv6_network_share_a_rate() {
        let limiter = RateLimiter::new(Limits { anonymous_requests_per_second: 1, ..Limits::default() });
        let take = |text: &str| limiter.take(Claim::Anonymous, Some(text.parse().unwrap()));
        assert_eq!(take("2001:db8::1"), Ok(()));
        assert!(take("2001:db8::ffff:2").is_err());
        assert_eq!(take("2001:db8:0:1::1"), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_officer_who_goes_on_asking_stays_verified_however_many_new_tokens_come() {
        let limiter = RateLimiter::new(Limits { requests_per_second: 1, ..Limits::default() });
        limiter.verified(0, &officer(0));
        assert_eq!(limiter.take(Claim::Token(1), address(1)), Ok(()));
        assert!(limiter.take(Claim::Token(1), address(1)).is_err(), "nothing is left for unverified tokens");
        for number in 1..4 * MAX_GENERATION_TOKENS as u32 {
            limiter.verified(u64::from(number), &officer(number));
            if number % 1_000 == 0 {
                tokio::time::advance(Duration::from_millis(1)).await;
                assert!(limiter.rates().verified.find(0).is_some(), "after {number}");
            }
        }
        assert!(limiter.rates().verified.find(1).is_none(), "who was long silent is verified anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_addresses_or_tokens_does_not_grow_memory() {
        let limiter = RateLimiter::new(Limits::default());
        for number in 0..2 * MAX_BUCKETS as u32 {
            for claim in [Claim::Anonymous, Claim::Probe, Claim::Token(u64::from(number))] {
                let _ = limiter.take(claim, address(number));
            }
            limiter.verified(u64::from(number), &officer(number));
            let _ = limiter.take(Claim::Token(u64::from(number)), None);
        }
        let rates = limiter.rates();
        for buckets in [&rates.anonymous, &rates.newcomers, &rates.probes] {
            assert!(buckets.by_key.len() <= MAX_BUCKETS);
        }
        assert!(rates.officers.by_key.len() <= MAX_BUCKETS);
        assert!(rates.verified.young.len() + rates.verified.old.len() <= 2 * MAX_GENERATION_TOKENS);
    }
}
