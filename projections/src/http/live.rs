//! Server-sent events: what was recorded, as it is recorded.
//!
//! A stream begins with a message `begin`, goes on with messages `recorded`, and ends with a message `end` that says why. The id of
//! a message is the log and the lsn that it reaches, so that whoever lost the connection goes on where he was, in that log.

use super::ask::QueryState;
use super::problems;
use crate::live::{Gathering, Summary, summaries};
use crate::service::Views;
use access::http::{Problem, QueryOf};
use access::{Caller, Scope};
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use event_schemas::ids::{LogId, Lsn, OfficeId, OfficerId};
use futures_util::stream::{Stream, unfold};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until};

/// Streams at a time, and of one officer (O1).
const MAX_LISTENERS: usize = 64;
const MAX_LISTENERS_OF_OFFICER: usize = 4;
/// Longest life of a stream; its client goes on with another.
const LONGEST_LIFE: Duration = Duration::from_secs(3_600);
/// Entries read at a time: what a stream holds in memory (O1).
const ENTRIES_PER_READ: u64 = 256;
/// Silence after which a comment shows that the stream is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const LAST_EVENT_ID: &str = "last-event-id";

/// Where to begin.
#[derive(Clone, Copy, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// Begin after this lsn; with what comes from now on unless stated. The header `Last-Event-ID`, with the id of the last
    /// message, goes first.
    pub after: Option<Lsn>,
    /// The log that the lsn belongs to.
    pub log_id: Option<LogId>,
}

/// The first message: where the stream begins.
#[derive(Clone, Copy, Debug, Serialize)]
struct Begin {
    log_id: LogId,
    lsn: Lsn,
}

/// The last message.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
enum End {
    /// The service ends, or is started anew.
    ServiceStops,
    /// The views go no further until an operator has looked.
    ViewsStopped,
    /// The operator's log says why.
    LogUnreadable,
    /// Ask again.
    LongestLife,
}

/// `GET /v1/events`
pub(super) async fn events(
    State(state): State<QueryState>,
    Extension(caller): Extension<Caller>,
    QueryOf(query): QueryOf<EventsQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let views = state.views();
    let (log_id, after) = match headers.get(LAST_EVENT_ID) {
        Some(id) => {
            id.to_str().ok().and_then(place_of).ok_or_else(|| Problem::of(&problems::BAD_EVENT_ID))?
        }
        None => (query.log_id, query.after),
    };
    if log_id.is_some_and(|log_id| log_id != views.log_id()) {
        return Err(Problem::of(&problems::READ_TOKEN_OF_OTHER_LOG));
    }
    let shown = views.progress().lsn;
    let after = after.unwrap_or(shown);
    if after > shown && views.source().locate(after).is_ok_and(|place| place < views.source().end()) {
        // After a start the views come up from where they were saved.
        return Err(Problem::of(&problems::NOT_YET_VISIBLE).retry_after_s(1));
    }
    if after > shown {
        return Err(Problem::of(&problems::BAD_EVENT_ID).detail(
            format!("The stream cannot begin after lsn {after}: the views are at lsn {shown}."),
            format!("Không thể bắt đầu sau lsn {after}: dữ liệu tra cứu đang ở lsn {shown}."),
        ));
    }
    let gathers = !caller.may(Scope::ReadUnits);
    let after = if gathers { Gathering::begins_after(after, state.hide_below()) } else { after };
    let place = state.listeners().enter(&caller);
    let place = place.ok_or_else(|| Problem::of(&problems::TOO_MANY_STREAMS).retry_after_s(5))?;
    let begin = Begin { log_id: views.log_id(), lsn: after };
    let listener = Listener {
        views: views.clone(),
        readings: state.readings(),
        stopped: state.stopped(),
        ends_at: Instant::now() + LONGEST_LIFE,
        at: after,
        // Whoever may not see every single record sees many at a time.
        gathering: gathers.then(Gathering::default),
        enough: state.hide_below(),
        waiting: VecDeque::from([Message::Begin(begin)]),
        _place: place,
    };
    let stream = unfold(Some(listener), |listener| async {
        let mut listener = listener?;
        let message = listener.next().await;
        let event = message.event(listener.views.log_id());
        // Nothing follows the last message.
        let rest = if matches!(message, Message::End(_)) { None } else { Some(listener) };
        Some((Ok(event), rest))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// `log:lsn`.
fn place_of(id: &str) -> Option<(Option<LogId>, Option<Lsn>)> {
    let (log_id, lsn) = id.split_once(':')?;
    Some((Some(log_id.parse().ok()?), Some(Lsn(lsn.parse().ok()?))))
}

enum Message {
    Begin(Begin),
    Recorded(Summary),
    End(End),
}

impl Message {
    fn event(&self, log_id: LogId) -> Event {
        let id = |lsn: Lsn| format!("{log_id}:{lsn}");
        let filled = match self {
            Self::Begin(begin) => Event::default().id(id(begin.lsn)).event("begin").json_data(begin),
            Self::Recorded(summary) => {
                Event::default().id(id(summary.lsn)).event("recorded").json_data(summary)
            }
            Self::End(end) => Event::default().event("end").json_data(end),
        };
        filled.expect("what is told here has no map with keys other than text")
    }
}

/// One who listens. Reads no faster than its client does.
struct Listener {
    views: Views,
    readings: Arc<Semaphore>,
    stopped: watch::Receiver<bool>,
    ends_at: Instant,
    at: Lsn,
    gathering: Option<Gathering>,
    /// Records that are told together.
    enough: u64,
    waiting: VecDeque<Message>,
    _place: Place,
}

impl Listener {
    async fn next(&mut self) -> Message {
        loop {
            if let Some(message) = self.waiting.pop_front() {
                return message;
            }
            tokio::select! {
                _ = self.stopped.wait_for(|told| *told) => return Message::End(End::ServiceStops),
                () = sleep_until(self.ends_at) => return Message::End(End::LongestLife),
                more = self.views.wait_beyond(self.at) => if !more { return Message::End(End::ViewsStopped) },
            }
            if let Err(end) = self.read().await {
                return Message::End(end);
            }
        }
    }

    async fn read(&mut self) -> Result<(), End> {
        let turn = Arc::clone(&self.readings).acquire_owned().await.map_err(|_| End::ServiceStops)?;
        let (views, after) = (self.views.clone(), self.at);
        let read = tokio::task::spawn_blocking(move || {
            let found = summaries(&**views.source(), after, views.progress().lsn, ENTRIES_PER_READ);
            drop(turn);
            found
        });
        match read.await {
            Ok(Ok((found, last))) => {
                for summary in found {
                    let told = match &mut self.gathering {
                        Some(gathering) => gathering.gather(summary, self.enough),
                        None => Some(summary),
                    };
                    self.waiting.extend(told.map(Message::Recorded));
                }
                self.at = last;
                Ok(())
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "what was recorded cannot be told");
                Err(End::LogUnreadable)
            }
            Err(panicked) => {
                tracing::error!(%panicked, "what was recorded cannot be told");
                Err(End::LogUnreadable)
            }
        }
    }
}

/// Who listens now.
#[derive(Clone, Default)]
pub(super) struct Listeners(Arc<Mutex<BTreeMap<(OfficeId, OfficerId), usize>>>);

/// A place among those who listen, until it is dropped.
struct Place {
    listeners: Listeners,
    officer: (OfficeId, OfficerId),
}

impl Listeners {
    fn enter(&self, caller: &Caller) -> Option<Place> {
        let officer = (caller.office, caller.officer);
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken: usize = places.values().sum();
        let own = places.get(&officer).copied().unwrap_or(0);
        if taken >= MAX_LISTENERS || own >= MAX_LISTENERS_OF_OFFICER {
            return None;
        }
        places.insert(officer, own + 1);
        Some(Place { listeners: self.clone(), officer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.listeners.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = places.get_mut(&self.officer) {
            *own -= 1;
            if *own == 0 {
                places.remove(&self.officer);
            }
        }
    }
}
