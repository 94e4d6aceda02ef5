//! How a question becomes an answer: wait for the token, take one reading on a thread that may block, answer.

use super::area::Trees;
use super::effects::References;
use super::lately::Lately;
use super::live::Listeners;
use super::problems;
use crate::answers::{HistoryAnswer, Reflecting, Teller};
use crate::cursor::{Cursor, CursorError, ListingKind};
use crate::disclosure::DEFAULT_THRESHOLD;
use crate::history::{HistoryError, HistoryPage, history};
use crate::layout::ResidenceKind;
use crate::service::{Views, WaitError};
use access::http::{Answer, Problem, ProblemKind};
use event_schemas::ids::{LogId, Lsn};
use event_schemas::row::RowRef;
use schemars::JsonSchema;
use serde::Deserialize;
use state_store::store::StoreError;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// Entries of a page unless said otherwise.
pub const DEFAULT_LIMIT: usize = 100;
/// Most entries of a page.
pub const MAX_LIMIT: usize = 1_000;
/// How long a token is waited for unless said otherwise.
const DEFAULT_WAIT_MS: u64 = 5_000;
/// Readings at a time (O1).
const MAX_READINGS: usize = 64;
/// Whole operations that are folded at a time (O1).
const MAX_FORESEEN: usize = 1;
/// How long a question waits for its turn.
const MAX_TURN_WAIT: Duration = Duration::from_secs(5);

/// What the handlers share.
#[derive(Clone)]
pub struct QueryState {
    views: Views,
    readings: Arc<Semaphore>,
    listeners: Listeners,
    trees: Trees,
    references: References,
    lately: Lately,
    foreseeing: Arc<Semaphore>,
    hide_below: u64,
    stopped: watch::Receiver<bool>,
}

/// A caller that must see its own write gives the `log_id` and `lsn` of the answer to its command.
#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadToken {
    /// Answer no earlier state than this lsn.
    pub at_least: Option<Lsn>,
    /// The log that `at_least` belongs to.
    pub log_id: Option<LogId>,
    /// How long to wait for it, in milliseconds; at most 30,000.
    pub wait_ms: Option<u64>,
}

/// A page of a listing.
#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// Answer no earlier state than this lsn.
    pub at_least: Option<Lsn>,
    /// The log that `at_least` belongs to.
    pub log_id: Option<LogId>,
    /// How long to wait for it, in milliseconds; at most 30,000.
    pub wait_ms: Option<u64>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Most entries, 1 to 1,000.
    pub limit: Option<usize>,
}

/// A page of residents.
#[derive(Clone, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MembersQuery {
    /// Answer no earlier state than this lsn.
    pub at_least: Option<Lsn>,
    /// The log that `at_least` belongs to.
    pub log_id: Option<LogId>,
    /// How long to wait for it, in milliseconds; at most 30,000.
    pub wait_ms: Option<u64>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Most entries, 1 to 1,000.
    pub limit: Option<usize>,
    /// By permanent (the default) or temporary residence.
    pub kind: Option<ResidenceKind>,
    /// Who lived there on this day, such as 2024-03-31; on the registry's day unless stated.
    pub valid_on: Option<String>,
    /// By what was recorded up to this lsn, to the end of this day, or up to this instant; by everything recorded unless stated.
    pub known_at: Option<String>,
}

impl From<MembersQuery> for Paging {
    fn from(query: MembersQuery) -> Self {
        let MembersQuery { at_least, log_id, wait_ms, after, limit, .. } = query;
        Self { at_least, log_id, wait_ms, after, limit }
    }
}

impl Paging {
    pub(super) fn token(&self) -> ReadToken {
        ReadToken { at_least: self.at_least, log_id: self.log_id, wait_ms: self.wait_ms }
    }

    pub(super) fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(DEFAULT_LIMIT) {
            limit @ 1..=MAX_LIMIT => Ok(limit),
            limit => Err(Problem::of(&problems::BAD_LIMIT).detail(
                format!("The limit is {limit}; it must be between 1 and {MAX_LIMIT}."),
                format!("Giới hạn là {limit}; phải từ 1 đến {MAX_LIMIT}."),
            )),
        }
    }

    /// Where the page begins, if it is not the first.
    pub(super) fn place(&self, listing: Cursor) -> Result<Option<u64>, Problem> {
        let Some(text) = &self.after else {
            return Ok(None);
        };
        match Cursor::place_in(text, listing) {
            Ok(place) => Ok(Some(place)),
            Err(CursorError::NotOurs) => Err(Problem::of(&problems::CURSOR_FORGED)),
            Err(CursorError::OtherListing) => Err(Problem::of(&problems::CURSOR_OF_OTHER_LISTING)),
        }
    }
}

/// Why there is no answer.
pub(super) enum NoAnswer {
    Problem(Problem),
    Store(StoreError),
}

impl From<Problem> for NoAnswer {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StoreError> for NoAnswer {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<&ProblemKind> for NoAnswer {
    fn from(kind: &ProblemKind) -> Self {
        Self::Problem(Problem::of(kind))
    }
}

pub(super) fn unavailable(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "a question could not be answered");
    Problem::of(&problems::VIEW_UNAVAILABLE)
}

/// An answer of this API.
pub(super) type Answered<T> = Result<Answer<Reflecting<T>>, Problem>;

impl QueryState {
    /// For the routes of [`super::routes`]. `stopped` tells streams that the service ends.
    pub fn new(views: Views, stopped: watch::Receiver<bool>) -> Self {
        let readings = Arc::new(Semaphore::new(MAX_READINGS));
        let (listeners, trees, references) = (Listeners::default(), Trees::default(), References::default());
        let lately = Lately::new(references.clone());
        let foreseeing = Arc::new(Semaphore::new(MAX_FORESEEN));
        let hide_below = DEFAULT_THRESHOLD;
        Self { views, readings, listeners, trees, references, lately, foreseeing, hide_below, stopped }
    }

    /// Counts from one up to below this are hidden from whoever may see no persons.
    pub fn hiding_below(self, hide_below: u64) -> Self {
        Self { hide_below, ..self }
    }

    pub(super) fn hide_below(&self) -> u64 {
        self.hide_below
    }

    /// Who follows what is recorded.
    pub(super) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Units as they stand.
    pub(super) fn trees(&self) -> Trees {
        self.trees.clone()
    }

    /// What every row is counted against.
    pub(super) fn references(&self) -> References {
        self.references.clone()
    }

    /// What was known lately.
    pub(super) fn lately(&self) -> Lately {
        self.lately.clone()
    }

    /// Turns of folding a whole operation.
    pub(super) fn foreseeing(&self) -> Arc<Semaphore> {
        Arc::clone(&self.foreseeing)
    }

    /// Turns of reading.
    pub(super) fn readings(&self) -> Arc<Semaphore> {
        Arc::clone(&self.readings)
    }

    /// Becomes true when the service ends.
    pub(super) fn stopped(&self) -> watch::Receiver<bool> {
        self.stopped.clone()
    }

    pub(super) fn views(&self) -> &Views {
        &self.views
    }

    /// Answers from one reading.
    pub(super) async fn answer<T: Send + 'static>(
        &self,
        token: ReadToken,
        make: impl FnOnce(&mut Teller<'_>) -> Result<T, NoAnswer> + Send + 'static,
    ) -> Answered<T> {
        self.wait_for(token).await?;
        let views = self.views.clone();
        self.off_the_async_threads(move || {
            let view = views.current();
            let reading = view.read();
            let mut teller = Teller::new(&reading);
            let body = make(&mut teller)?;
            Ok(Answer { body: teller.reflecting(body), lsn: reading.lsn(), shown: teller.shown })
        })
        .await
    }

    /// Answers with a page of a row's history. The reading ends before the log is walked.
    pub(super) async fn history(
        &self,
        row: RowRef,
        paging: Paging,
        not_found: &'static ProblemKind,
    ) -> Answered<HistoryAnswer> {
        let limit = paging.limit()?.min(crate::history::MAX_HISTORY);
        let (kind, id) = crate::layout::row_place(row);
        let log_id = self.views.log_id();
        let listing = Cursor { kind: ListingKind::History, subject: (kind.0, id), place: 0, log_id };
        let place = paging.place(listing)?;
        self.wait_for(paging.token()).await?;
        let views = self.views.clone();
        self.off_the_async_threads(move || {
            let view = views.current();
            let reading = view.read();
            let lsn = reading.lsn();
            let stamp = reading.stamp(row)?.ok_or(not_found)?;
            drop(reading);
            let from = place.map_or(stamp.last_lsn, Lsn);
            let page = history(&**views.source(), row, from, limit).map_err(|error| match error {
                HistoryError::NotInRecord { .. } => Problem::of(&problems::CURSOR_FORGED).into(),
                other => NoAnswer::from(other),
            })?;
            let shown = shown_in(row, &page);
            let next = page.next.map(|next| Cursor { place: next.0, ..listing }.to_text());
            let body = HistoryAnswer { row, records: page.records, next };
            Ok(Answer { body: Reflecting { log_id, lsn, as_of: None, body }, lsn, shown })
        })
        .await
    }

    pub(super) async fn off_the_async_threads<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, NoAnswer> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = tokio::time::timeout(MAX_TURN_WAIT, Arc::clone(&self.readings).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(Problem::of(&problems::TOO_BUSY).retry_after_s(1));
        };
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop(turn);
            outcome
        });
        match done.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(NoAnswer::Problem(problem))) => Err(problem),
            Ok(Err(NoAnswer::Store(error))) => Err(unavailable(&error)),
            Err(panicked) => Err(Problem::internal(&panicked)),
        }
    }

    pub(super) async fn wait_for(&self, token: ReadToken) -> Result<(), Problem> {
        let (lsn, log_id) = match (token.at_least, token.log_id) {
            (None, None) => return Ok(()),
            (Some(lsn), Some(log_id)) => (lsn, log_id),
            _ => return Err(Problem::of(&problems::READ_TOKEN_INCOMPLETE)),
        };
        let wait = Duration::from_millis(token.wait_ms.unwrap_or(DEFAULT_WAIT_MS));
        self.views.wait_for(log_id, lsn, wait).await.map_err(|error| match error {
            WaitError::OtherLog { .. } => Problem::of(&problems::READ_TOKEN_OF_OTHER_LOG),
            WaitError::TimedOut { at, wanted } => {
                Problem::of(&problems::NOT_YET_VISIBLE).retry_after_s(1).detail(
                    format!("The views are at lsn {at}; lsn {wanted} did not come in time."),
                    format!("Dữ liệu tra cứu đang ở lsn {at}; lsn {wanted} chưa tới kịp."),
                )
            }
            WaitError::Stopped { at, wanted } => Problem::of(&problems::VIEW_STOPPED).detail(
                format!("The views stopped at lsn {at}, before lsn {wanted}; the operator's log says why."),
                format!("Dữ liệu tra cứu đã dừng ở lsn {at}, trước lsn {wanted}."),
            ),
        })
    }
}

/// The row itself, and every person whom the shown events name.
fn shown_in(row: RowRef, page: &HistoryPage) -> Vec<RowRef> {
    let mut shown = vec![row];
    for body in page.records.iter().flat_map(|record| &record.events).filter_map(|event| event.body.as_ref())
    {
        body.for_each_stream(|named, _| {
            if matches!(named, RowRef::Person(_)) && !shown.contains(&named) {
                shown.push(named);
            }
        });
    }
    shown
}

/// An id in an address, such as `P17` or `17`.
pub(super) fn id_of<T: FromStr>(text: &str, example: &str) -> Result<T, Problem> {
    let digits = text.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten().ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        Problem::of(&problems::BAD_ID).detail(
            format!("'{shown}' is not an id such as {example}."),
            format!("'{shown}' không phải mã số như {example}."),
        )
    })
}
