//! What a running feed tells of itself: whether it lives, whether it keeps up, metrics.

use access::http::{AuditFailure, AuditLog, Guard, OpenApi, PersonalRead, route};
use anyhow::{Context, Result};
use async_trait::async_trait;
use axum::Router;
use command_service::http::operations::{CheckFn, Operations, operation_routes};
use command_service::http::pages::{Document, page_routes};
use command_service::http::{Check, Limits, Stop, serve};
use command_service::{Clock, WallClock};
use event_schemas::ids::Lsn;
use event_schemas::time::Timestamp;
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::home::{Home, wall_clock};
use crate::service::metrics_page;

/// How the feed does.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Shown {
    pub receiver: String,
    /// Everything up to this record was handed to the Kafka client.
    pub lsn: Lsn,
    /// When that was recorded.
    pub recorded_at: Timestamp,
    /// Entries of the log that are known of and not read.
    pub entries_behind: u64,
    /// The log's end was reached, once at least since the start.
    pub has_caught_up: bool,
    pub messages_sent: u64,
    pub messages_in_flight: usize,
    /// How long messages have been in flight without one that arrived, or the client has not taken the next one.
    pub stalled_ms: u64,
    /// When all this was told.
    #[serde(skip)]
    updated_at: Option<Instant>,
    pub events_passed_over: u64,
    /// It waits to begin again after a failure.
    pub is_failing: bool,
    pub failures: u64,
    pub last_error: Option<String>,
    pub last_error_at: Option<Timestamp>,
}

/// Brokers that have let nothing arrive for so long are taken for away.
const STALLED_AFTER_MS: u64 = 10_000;

/// Shared by the thread that publishes and those that answer.
#[derive(Clone, Default)]
pub struct Standing(Arc<Mutex<Shown>>);

impl Standing {
    pub fn of(receiver: &str) -> Self {
        Self(Arc::new(Mutex::new(Shown { receiver: receiver.to_owned(), ..Shown::default() })))
    }

    pub fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().expect("nothing panics while it is held")
    }

    /// Tells how it does now.
    pub fn update(&self, tell: impl FnOnce(&mut Shown)) {
        let mut shown = self.lock();
        tell(&mut shown);
        shown.updated_at = Some(Instant::now());
    }

    /// How it does at this moment. Whoever publishes tells nothing while it waits until the client takes a message: then nothing
    /// arrives either.
    fn shown(&self, now: Instant) -> Shown {
        let mut shown = self.lock().clone();
        let untold = shown.updated_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        shown.stalled_ms += untold.as_millis() as u64;
        shown
    }

    /// It waits, and begins again.
    pub fn fail(&self, error: String) {
        let mut shown = self.lock();
        shown.is_failing = true;
        shown.failures += 1;
        shown.last_error = Some(error);
        shown.last_error_at = Some(WallClock.now());
    }

    fn check(&self, now: Instant) -> Check {
        let shown = self.shown(now);
        let ready = shown.has_caught_up && !shown.is_failing && shown.stalled_ms < STALLED_AFTER_MS;
        Check { ready, details: serde_json::to_value(shown).unwrap_or_default() }
    }

    fn set_metrics(&self) {
        let shown = self.shown(Instant::now());
        metrics::gauge!("dancu_feed_lsn").set(shown.lsn.0 as f64);
        metrics::gauge!("dancu_feed_recorded_at_seconds").set(shown.recorded_at.0 as f64 * 1e-6);
        metrics::gauge!("dancu_feed_entries_behind").set(shown.entries_behind as f64);
        metrics::gauge!("dancu_feed_messages_in_flight").set(shown.messages_in_flight as f64);
        metrics::gauge!("dancu_feed_stalled_seconds").set(shown.stalled_ms as f64 * 1e-3);
        metrics::counter!("dancu_feed_messages_sent_total").absolute(shown.messages_sent);
        metrics::counter!("dancu_feed_events_passed_over_total").absolute(shown.events_passed_over);
        metrics::gauge!("dancu_feed_failing").set(f64::from(u8::from(shown.is_failing)));
        metrics::counter!("dancu_feed_failures_total").absolute(shown.failures);
    }
}

/// Answers while the feed runs.
pub struct Answering {
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Answering {
    pub async fn start(home: &Home, listen: SocketAddr, standing: Standing) -> Result<Self> {
        let render = metrics_page()?;
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("listening on {listen}; choose another address with --listen"))?;
        let address = listener.local_addr()?;
        let authenticate = access::Verifier::new(home.key_ring()?, home.audience(), wall_clock());
        let guard = Guard { authenticate: Arc::new(authenticate), audit: Arc::new(NothingRead) };
        let measured = standing.clone();
        let operations = Operations {
            gateway: None,
            checks: Arc::new(vec![("feed", Arc::new(move || standing.check(Instant::now())) as CheckFn)]),
            render: Arc::new(move || {
                measured.set_metrics();
                render()
            }),
        };
        let (stop, stopped) = Stop::new();
        let serving = tokio::spawn(serve(listener, router(&guard, operations), Limits::default(), stopped));
        Ok(Self { address, stop, serving })
    }

    pub async fn stop(self) -> Result<()> {
        self.stop.send_replace(true);
        self.serving.await?.context("serving HTTP")
    }
}

fn router(guard: &Guard, operations: Operations) -> Router {
    let mut description = OpenApi::new(
        "Dancu, feed",
        env!("CARGO_PKG_VERSION"),
        "How a feed for others does: how far it is, how far behind, what went wrong last.",
    );
    operation_routes().describe(&mut description);
    page_routes().describe(&mut description);
    let router = operation_routes()
        .into_router(guard, operations)
        .merge(page_routes().into_router(guard, Document::new(description)));
    route::fallbacks(router)
}

/// No route here shows anybody; one that did would not be answered.
struct NothingRead;

#[async_trait]
impl AuditLog for NothingRead {
    async fn record(&self, _: PersonalRead) -> Result<(), AuditFailure> {
        Err(AuditFailure("a feed answers no reads".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It has reached the log's end, and messages are in flight of which the last arrived so long ago.
    fn published(stalled_ms: u64) -> (Standing, Instant) {
        let standing = Standing::of("x");
        standing.update(|shown| (shown.has_caught_up, shown.stalled_ms) = (true, stalled_ms));
        let told_at = standing.lock().updated_at.unwrap();
        (standing, told_at)
    }

    #[test]
    fn a_feed_that_tells_nothing_because_it_cannot_send_is_not_ready() {
        let (standing, told_at) = published(4_000);
        for (later_ms, is_ready) in [(0, true), (5_900, true), (6_000, false), (60_000, false)] {
            let check = standing.check(told_at + Duration::from_millis(later_ms));
            assert_eq!(check.ready, is_ready, "{later_ms} ms");
            assert_eq!(check.details["stalled_ms"], 4_000 + later_ms);
        }
        standing.update(|shown| shown.stalled_ms = 0);
        assert!(standing.check(Instant::now()).ready, "it goes on");
    }

    #[test]
    fn a_feed_that_has_not_begun_is_not_stalled() {
        let standing = Standing::of("x");
        let check = standing.check(Instant::now() + Duration::from_secs(60));
        assert!(!check.ready);
        assert_eq!(check.details["stalled_ms"], 0);
    }
}
