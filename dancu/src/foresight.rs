//! `POST /v1/commands/effect`: what a correction would change, row by row. The writer decides it as a dry run and says what would be
//! recorded; the views of the same node fold that, beside what they show.

use access::http::{Access, Problem, ProblemKind, Route, RouteTable, problem, purpose};
use access::{Caller, Scope};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use command_service::http::commands::{refused, submitter};
use command_service::http::input::parse_command;
use command_service::http::telling::{Asked, Telling};
use command_service::http::{CommandApi, forward};
use event_schemas::CommandEnvelope;
use event_schemas::command::Command;
use event_schemas::outcome::Outcome;
use projections::answers::{EffectView, Reflecting};
use projections::http::QueryState;
use schemars::JsonSchema;
use serde::Serialize;

const PATH: &str = "POST /v1/commands/effect";

const NO_CORRECTION: ProblemKind = ProblemKind {
    code: "effect_of_other_command",
    status: 400,
    en: "Only of corrections, their proposals and approvals it is told what they would change.",
    vi: "Chỉ xem trước được thay đổi của yêu cầu đính chính, đề nghị hoặc phê duyệt đính chính.",
};

/// What the route works with.
#[derive(Clone)]
pub struct Foresight {
    pub commands: CommandApi,
    pub queries: QueryState,
}

/// The outcome of a dry run, and what would be shown otherwise.
#[derive(Serialize, JsonSchema)]
struct Foreseen {
    #[serde(flatten)]
    outcome: Outcome,
    /// As of the lsn that it names, which may be later than what was decided on; nothing that the correction touches has moved.
    effect: Reflecting<EffectView>,
}

/// The route.
pub fn routes() -> RouteTable<Foresight> {
    RouteTable::new(vec![
        Route::post(
            Access::Scope(Scope::SubmitCommands),
            "/v1/commands/effect",
            "What a correction, its proposal or its approval would change: every row before and after, every index and total, what \
             follows for cards and notices. Decides as a dry run and appends nothing. Rows and totals are shown as far as the token \
             has the scopes to read them; X-Purpose says why, and is recorded.",
            effect,
        )
        .body::<CommandEnvelope>("application/json")
        .answer::<Foreseen>(),
    ])
}

async fn effect(
    State(state): State<Foresight>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let api = &state.commands;
    let bytes = match forward::json_for_this_node(api, &uri, &headers, body).await {
        Ok(bytes) => bytes,
        Err(answer) => return answer,
    };
    let envelope = match parse_command(&bytes) {
        Ok(envelope) => CommandEnvelope { dry_run: true, ..envelope },
        Err(fault) => return fault.into_problem().into_response(),
    };
    match foresee(&state, caller, (&uri, &headers), envelope).await {
        Ok(Ok(foreseen)) => Json(foreseen).into_response(),
        Ok(Err(refused)) => refused,
        Err(problem) => problem.into_response(),
    }
}

/// A refused command is answered as it is everywhere.
async fn foresee(
    state: &Foresight,
    caller: Caller,
    (uri, headers): (&Uri, &HeaderMap),
    envelope: CommandEnvelope,
) -> Result<Result<Foreseen, Response>, Problem> {
    let purpose = purpose(headers).ok_or_else(|| Problem::of(&problem::PURPOSE_MISSING))?;
    if !matches!(
        envelope.command,
        Command::Correct(_) | Command::ProposeCorrection(_) | Command::ApproveCorrection(_)
    ) {
        return Err(Problem::of(&NO_CORRECTION));
    }
    let api = &state.commands;
    let asked = Asked::by(&envelope, None);
    let mut told = api.gateway.submit_telling(submitter(&caller), vec![envelope]).await;
    let foreseen = told.first_mut().and_then(|told| told.foreseen.take());
    let telling = Telling::of(api, &caller, headers, uri, PATH);
    let outcome = telling.outcomes(&[asked], told).await.pop();
    let outcome = outcome.ok_or_else(|| Problem::internal(&"a command had no answer"))??;
    let acceptance = match outcome {
        Outcome::Refused(refusal) => return Ok(Err(refused(refusal).into_response())),
        Outcome::Accepted(acceptance) => acceptance,
    };
    // A command_id that was accepted once is answered as then.
    let Some(changes) = foreseen else {
        return Err(Problem::of(&NO_CORRECTION));
    };
    let at = (acceptance.log_id, acceptance.lsn);
    let answer = state.queries.effect_of(caller, at, *changes).await?;
    telling.showing(answer.shown, answer.lsn, purpose).await?;
    Ok(Ok(Foreseen { outcome: Outcome::Accepted(acceptance), effect: answer.body }))
}
