//! Server-sent events: what was recorded, as it is recorded.

use super::ask::QueryState;
use super::problems;
use crate::live::{Summary, summaries};
use crate::service::Views;
use access::http::{Problem, QueryOf};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use event_schemas::ids::{LogId, Lsn};
use futures_util::stream::{Stream, unfold};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};

/// Entries read at a time: what a stream holds in memory (O1).
const ENTRIES_PER_READ: u64 = 256;
/// Silence after which a comment shows that the stream is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const LAST_EVENT_ID: &str = "last-event-id";

/// Where to begin.
#[derive(Clone, Copy, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// Begin after this lsn; with what comes from now on unless stated. The header `Last-Event-ID` says the same and goes first.
    pub after: Option<Lsn>,
    /// The log that the lsn belongs to.
    pub log_id: Option<LogId>,
}

/// Each message's id is its lsn, so that a client that lost its connection goes on where it was.
pub(super) async fn events(
    State(state): State<QueryState>,
    QueryOf(query): QueryOf<EventsQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let views = state.views();
    if query.log_id.is_some_and(|log_id| log_id != views.log_id()) {
        return Err(Problem::of(&problems::READ_TOKEN_OF_OTHER_LOG));
    }
    let shown = views.progress().lsn;
    let after = match headers.get(LAST_EVENT_ID) {
        Some(id) => {
            let lsn = id.to_str().ok().and_then(|id| id.parse().ok());
            lsn.map(Lsn).ok_or_else(|| Problem::of(&problems::BAD_EVENT_ID))?
        }
        None => query.after.unwrap_or(shown),
    };
    if after > shown {
        return Err(Problem::of(&problems::BAD_EVENT_ID).detail(
            format!("The stream cannot begin after lsn {after}: the views are at lsn {shown}."),
            format!("Không thể bắt đầu sau lsn {after}: dữ liệu tra cứu đang ở lsn {shown}."),
        ));
    }
    let turn = state.listener().ok_or_else(|| Problem::of(&problems::TOO_BUSY).retry_after_s(5))?;
    let listener = Listener {
        views: views.clone(),
        stopped: state.stopped(),
        at: after,
        waiting: VecDeque::new(),
        _turn: turn,
    };
    let stream = unfold(listener, |mut listener| async {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// One who listens. Reads no faster than its client does.
struct Listener {
    views: Views,
    stopped: watch::Receiver<bool>,
    at: Lsn,
    waiting: VecDeque<Summary>,
    _turn: OwnedSemaphorePermit,
}

impl Listener {
    /// The next message; none when the service stops or the log cannot be read: the client comes back.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(summary) = self.waiting.pop_front() {
                let event = Event::default().id(summary.lsn.to_string()).event("recorded");
                return event.json_data(&summary).ok();
            }
            tokio::select! {
                _ = self.stopped.wait_for(|told| *told) => return None,
                more = self.views.wait_beyond(self.at) => if !more { return None },
            }
            let (views, after) = (self.views.clone(), self.at);
            let read = tokio::task::spawn_blocking(move || {
                summaries(&**views.source(), after, views.progress().lsn, ENTRIES_PER_READ)
            });
            match read.await {
                Ok(Ok((found, last))) => {
                    self.waiting.extend(found);
                    self.at = last;
                }
                Ok(Err(error)) => {
                    tracing::error!(%error, "what was recorded cannot be told");
                    return None;
                }
                Err(_) => return None,
            }
        }
    }
}
