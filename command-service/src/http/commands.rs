//! One command at a time.

use crate::gateway::{Answer, Barred, CommandStatus, SubmitError, Submitter};
use crate::http::input::parse_command;
use crate::http::problems::{self, ExtendedProblem};
use crate::http::telling::{Asked, Telling};
use crate::http::{CommandApi, forward};
use access::Caller;
use access::http::{Problem, QueryOf};
use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use event_schemas::ids::CommandId;
use event_schemas::outcome::{Outcome, Refusal};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// Code of the fault by which the writer says that an id belongs to another command.
pub const ID_REUSED: &str = "command_id_reused";

/// The query string of a submission.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmitQuery {
    /// Decide and answer, append nothing; the same as `dry_run` in the command.
    #[serde(default)]
    pub dry_run: bool,
}

/// Whom the token names.
pub fn submitter(caller: &Caller) -> Submitter {
    Submitter { office: caller.office, officer: caller.officer }
}

/// `POST /v1/commands`
pub async fn submit(
    State(api): State<CommandApi>,
    Extension(caller): Extension<Caller>,
    QueryOf(query): QueryOf<SubmitQuery>,
    request: Request,
) -> Response {
    let (Parts { uri, headers, .. }, body) = request.into_parts();
    let bytes = match forward::json_for_this_node(&api, &uri, &headers, body).await {
        Ok(bytes) => bytes,
        Err(answer) => return answer,
    };
    let mut envelope = match parse_command(&bytes) {
        Ok(envelope) => envelope,
        Err(fault) => return fault.into_problem().into_response(),
    };
    envelope.dry_run |= query.dry_run;
    let (command_id, kind) = (envelope.command_id, envelope.command.name());
    let asked = Asked::by(&envelope, None);
    let told = api.gateway.submit_telling(submitter(&caller), vec![envelope]).await;
    for told in &told {
        log_answer(command_id, kind, &caller, &told.answer);
    }
    let telling = Telling::of(&api, &caller, &headers, &uri, "POST /v1/commands");
    match telling.outcomes(&[asked], told).await.pop() {
        Some(Ok(Outcome::Accepted(acceptance))) => Json(Outcome::Accepted(acceptance)).into_response(),
        Some(Ok(Outcome::Refused(refusal))) => refused(refusal).into_response(),
        Some(Err(problem)) => problem.into_response(),
        None => problem_of(&SubmitError::Unresolved).into_response(),
    }
}

fn log_answer(command_id: CommandId, kind: &str, caller: &Caller, answer: &Answer) {
    let office = caller.office;
    match answer {
        Ok(Outcome::Accepted(acceptance)) => {
            // Thousands a second: a line for each is for who looks for something.
            tracing::debug!(%command_id, kind, %office, lsn = acceptance.lsn.0, "accepted");
        }
        Ok(Outcome::Refused(refusal)) => {
            let codes: Vec<&str> = refusal.faults.iter().map(|fault| fault.code.as_str()).collect();
            tracing::debug!(%command_id, kind, %office, ?codes, "refused");
        }
        Err(error) => tracing::warn!(%command_id, kind, %office, %error, "not answered"),
    }
}

/// `GET /v1/commands/{command_id}`
pub async fn status(
    State(api): State<CommandApi>,
    Extension(caller): Extension<Caller>,
    Path(command_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if let Some(elsewhere) = forward::route(&api, &headers) {
        return elsewhere.pass_on(Method::GET, &uri, &headers, Bytes::new()).await;
    }
    let Ok(command_id) = command_id.parse::<CommandId>() else {
        return Problem::of(&problems::BAD_COMMAND_ID).into_response();
    };
    match api.gateway.status_of(submitter(&caller), command_id).await {
        Ok(CommandStatus::Accepted(acceptance)) => Json(Outcome::Accepted(acceptance)).into_response(),
        Ok(CommandStatus::NotFound { log_id, lsn }) => {
            let problem = Problem::of(&problems::NO_SUCH_COMMAND);
            let judged_at = json!({ "command_id": command_id, "log_id": log_id, "lsn": lsn });
            ExtendedProblem::with(problem, &judged_at).into_response()
        }
        Err(error) => problem_of(&error).into_response(),
    }
}

/// Whether the id belongs to another command.
pub fn is_id_reused(refusal: &Refusal) -> bool {
    refusal.faults.iter().any(|fault| fault.code == ID_REUSED)
}

/// A refused outcome as a problem. It still reads as an [`Outcome`]: `outcome`, `command_id`, `log_id`, `lsn`, `faults`.
pub fn refused(refusal: Refusal) -> ExtendedProblem {
    let kind = if is_id_reused(&refusal) { &problems::COMMAND_ID_REUSED } else { &problems::COMMAND_REFUSED };
    let en: Vec<&str> = refusal.faults.iter().map(|fault| fault.en.as_str()).collect();
    let vi: Vec<&str> = refusal.faults.iter().map(|fault| fault.vi.as_str()).collect();
    let problem = Problem::of(kind).detail(en.join(" "), vi.join(" ")).faults(refusal.faults.clone());
    ExtendedProblem::with(problem, &Outcome::Refused(refusal))
}

/// Why there is no outcome, as a problem.
pub fn problem_of(error: &SubmitError) -> Problem {
    match error {
        SubmitError::Overloaded { retry_after_s } => {
            Problem::of(&problems::OVERLOADED).retry_after_s((*retry_after_s).max(1))
        }
        SubmitError::NotLeading { retry_after_s } => {
            Problem::of(&problems::NOT_LEADING).retry_after_s((*retry_after_s).max(1))
        }
        SubmitError::Barred(Barred::LogSealed { .. }) => Problem::of(&problems::LOG_SEALED),
        SubmitError::Barred(Barred::CopyUnfinished { .. }) => Problem::of(&problems::COPY_UNFINISHED),
        SubmitError::Stopping => Problem::of(&problems::STOPPING).retry_after_s(5),
        SubmitError::TooLate => Problem::of(&problems::DEADLINE_PASSED),
        SubmitError::Unresolved => Problem::of(&problems::OUTCOME_UNKNOWN).retry_after_s(1),
        SubmitError::BatchTooLong => Problem::internal(error),
        // The text is for operators; the log has it.
        SubmitError::Failed(cause) => {
            tracing::error!(%cause, "the log failed");
            Problem::of(&problems::NOT_LEADING).retry_after_s(30)
        }
    }
}
