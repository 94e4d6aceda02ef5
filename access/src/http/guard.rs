//! What stands before every handler: token, scope, purpose; and behind it: the record of a personal read.

use crate::caller::{Caller, TokenError};
use crate::http::problem::{self, Problem};
use crate::http::route::Access;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use event_schemas::ids::{Lsn, OfficeId, OfficerId};
use event_schemas::row::RowRef;
use event_schemas::text::Text;
use serde::{Deserialize, Serialize};
use std::pin::Pin;
use std::sync::Arc;

/// Where a caller says why personal data is read; UTF-8, 3 to 200 characters.
pub const PURPOSE_HEADER: &str = "x-purpose";

const MIN_PURPOSE_CHARS: usize = 3;

/// Longest part of the address that a record of a read keeps, characters.
pub const MAX_TARGET_CHARS: usize = 8_000;

/// Tells whose token this is.
pub trait Authenticate: Send + Sync + 'static {
    /// Checks the signature, the times and the audience of what stands behind `Bearer `.
    fn authenticate(&self, bearer: &str) -> Result<Caller, TokenError>;
}

/// One read of personal data: who, whom, why. When is for the log to say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PersonalRead {
    pub office: OfficeId,
    pub officer: OfficerId,
    pub purpose: Text<200>,
    /// Method and path template, such as `GET /v1/persons/{id}`.
    pub route: String,
    /// The path and query as asked for; of a batch also the line.
    pub target: String,
    /// Whom the answer showed; empty if it showed nobody.
    pub shown: Vec<RowRef>,
    /// The state that the answer reflects.
    pub lsn: Option<Lsn>,
    pub status: u16,
}

/// The read could not be recorded. The inside says why; callers only learn that it was not.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the read could not be recorded: {0}")]
pub struct AuditFailure(pub String);

/// Where reads of personal data are recorded.
#[async_trait::async_trait]
pub trait AuditLog: Send + Sync + 'static {
    /// Returns once the record is kept.
    async fn record(&self, read: PersonalRead) -> Result<(), AuditFailure>;

    /// Returns once all of these records are kept. An error: some may not be.
    async fn record_all(&self, reads: Vec<PersonalRead>) -> Result<(), AuditFailure> {
        for read in reads {
            self.record(read).await?;
        }
        Ok(())
    }
}

/// Everything a route is guarded with.
#[derive(Clone)]
pub struct Guard {
    pub authenticate: Arc<dyn Authenticate>,
    pub audit: Arc<dyn AuditLog>,
}

/// An answer, with whom it shows and which state it reflects. A personal route must answer with this.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    pub body: T,
    pub shown: Vec<RowRef>,
    pub lsn: Lsn,
}

/// What a handler tells the guard; never leaves the process.
#[derive(Clone, Debug)]
struct Shown {
    rows: Vec<RowRef>,
    lsn: Lsn,
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let mut response = axum::Json(self.body).into_response();
        response.extensions_mut().insert(Shown { rows: self.shown, lsn: self.lsn });
        response
    }
}

/// An answer as a page for people, which needs nothing from elsewhere and runs nothing.
#[derive(Clone, Debug)]
pub struct Page(pub Answer<String>);

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let Answer { body, shown, lsn } = self.0;
        let mut response = axum::response::Html(body).into_response();
        let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        response.extensions_mut().insert(Shown { rows: shown, lsn });
        response
    }
}

/// A handler behind the guard. It takes what the handler takes, so a guarded route costs no layer of its own.
#[derive(Clone)]
pub(crate) struct Guarded<H> {
    pub guard: Guard,
    pub access: Access,
    /// The route's template.
    pub path: &'static str,
    pub handler: H,
}

impl<T: 'static, S, H> Handler<T, S> for Guarded<H>
where
    H: Handler<T, S>,
    S: Send + 'static,
{
    type Future = Pin<Box<dyn Future<Output = Response> + Send>>;

    fn call(self, request: Request, state: S) -> Self::Future {
        Box::pin(self.pass(request, state))
    }
}

impl<H> Guarded<H> {
    /// Lets the request through to the handler, and the answer out, or says why not. The answer to a verified token carries
    /// its [`Caller`] for what stands before the guard; an extension never leaves the process.
    async fn pass<T, S>(self, mut request: Request, state: S) -> Response
    where
        H: Handler<T, S>,
    {
        let (scope, personal) = match self.access {
            Access::Public { .. } => return self.handler.call(request, state).await,
            Access::Scope(scope) => (scope, false),
            Access::Personal(scope) => (scope, true),
        };
        let caller = match self.guard.caller(request.headers()) {
            Ok(caller) => caller,
            Err(problem) => return problem.into_response(),
        };
        request.extensions_mut().insert(caller);
        let mut response = if !caller.may(scope) {
            let en = format!("The token lacks the scope {scope}.");
            let vi = format!("Mã truy cập thiếu quyền {scope}.");
            Problem::of(&problem::SCOPE_MISSING).detail(en, vi).into_response()
        } else if personal {
            self.pass_personal(caller, request, state).await
        } else {
            self.handler.call(request, state).await
        };
        response.extensions_mut().insert(caller);
        response
    }

    async fn pass_personal<T, S>(self, caller: Caller, request: Request, state: S) -> Response
    where
        H: Handler<T, S>,
    {
        let Some(purpose) = purpose(request.headers()) else {
            return Problem::of(&problem::PURPOSE_MISSING).into_response();
        };
        let route = format!("{} {}", request.method(), self.path);
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        let target = target.chars().take(MAX_TARGET_CHARS).collect();

        let mut response = self.handler.call(request, state).await;
        let shown = response.extensions_mut().remove::<Shown>();
        if response.status().is_success() && shown.is_none() {
            return Problem::internal(&format_args!("{route} did not say whom it shows")).into_response();
        }
        let (rows, lsn) = shown.map_or((Vec::new(), None), |shown| (shown.rows, Some(shown.lsn)));
        let read = PersonalRead {
            office: caller.office,
            officer: caller.officer,
            purpose,
            route,
            target,
            shown: rows,
            lsn,
            status: response.status().as_u16(),
        };
        match self.guard.audit.record(read).await {
            Ok(()) => response,
            Err(error) => {
                tracing::error!(%error, "a personal read was not answered");
                Problem::of(&problem::AUDIT_UNAVAILABLE).retry_after_s(5).into_response()
            }
        }
    }
}

impl Guard {
    fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Err(Problem::of(&problem::TOKEN_MISSING));
        };
        let bearer = value.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let Some(bearer) = bearer else {
            return Err(Problem::of(&problem::TOKEN_MISSING));
        };
        self.authenticate.authenticate(bearer).map_err(|error| {
            Problem::of(match error {
                TokenError::Malformed
                | TokenError::OtherAlgorithm
                | TokenError::NobodyNamed
                | TokenError::LivesTooLong => &problem::TOKEN_MALFORMED,
                TokenError::UnknownKey => &problem::TOKEN_KEY_UNKNOWN,
                TokenError::BadSignature => &problem::TOKEN_SIGNATURE,
                TokenError::Expired => &problem::TOKEN_EXPIRED,
                TokenError::NotYetValid => &problem::TOKEN_NOT_YET_VALID,
                TokenError::OtherAudience => &problem::TOKEN_AUDIENCE,
            })
        })
    }
}

/// The purpose that a request states, if it states one. Vietnamese words are not ASCII, so the header is read as UTF-8 bytes.
pub fn purpose(headers: &HeaderMap) -> Option<Text<200>> {
    let value = headers.get(PURPOSE_HEADER)?;
    let text = std::str::from_utf8(value.as_bytes()).ok()?;
    let purpose = Text::new(text).ok()?;
    (purpose.as_str().chars().count() >= MIN_PURPOSE_CHARS).then_some(purpose)
}
