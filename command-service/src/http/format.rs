//! Which format the log is of, which ones the nodes know, and letting a later one be in force.
//!
//! What says so is the leader's to say: other nodes pass the questions on.

use crate::gateway::CommandGateway;
use crate::http::body::parsed;
use crate::http::{CommandApi, forward, problems};
use access::http::{Access, Problem, Route, RouteTable};
use access::{Caller, Scope};
use axum::Extension;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use event_log::Member;
use event_schemas::format;
use event_schemas::ids::{LogId, Lsn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Longest that a request to activate a format waits until that is recorded.
const ACTIVE_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Formats of a log and of the nodes that may lead it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FormatAnswer {
    pub log_id: LogId,
    pub lsn: Lsn,
    /// The node that answers.
    pub leader: String,
    /// In force: nothing in the log needs a later one.
    pub active: u16,
    /// The latest that every node knows.
    pub known_by_all: u16,
    pub nodes: Vec<NodeFormat>,
}

/// The latest format that a node knows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NodeFormat {
    pub node: String,
    pub knows: u16,
}

/// Which format shall be in force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    pub format: u16,
    /// Nodes that do not know it are to stop.
    #[serde(default)]
    pub even_if_unknown: bool,
}

/// The routes of formats.
pub fn format_routes() -> RouteTable<CommandApi> {
    RouteTable::new(vec![
        Route::get(
            Access::Scope(Scope::Operate),
            "/v1/format",
            "Which format the log is of, and which formats the nodes know that may lead it.",
            show,
        )
        .answer::<FormatAnswer>(),
        Route::post(
            Access::Scope(Scope::Operate),
            "/v1/format",
            "Let a later format be in force from now on: there is no way back to programs that do not know it. 409 while a node \
             may lead that does not.",
            activate,
        )
        .body::<Activation>("application/json")
        .answer::<FormatAnswer>(),
    ])
}

async fn show(State(api): State<CommandApi>, uri: Uri, headers: HeaderMap) -> Response {
    if let Some(elsewhere) = forward::route(&api, &headers) {
        return elsewhere.pass_on(Method::GET, &uri, &headers, Bytes::new()).await;
    }
    respond(formats(&api.gateway).await)
}

async fn activate(
    State(api): State<CommandApi>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let bytes = match forward::json_for_this_node(&api, &uri, &headers, body).await {
        Ok(bytes) => bytes,
        Err(answer) => return answer,
    };
    match parsed(&bytes, ("What shall be activated", "yêu cầu")) {
        Ok(wanted) => respond(bring_into_force(&api, &caller, &wanted).await),
        Err(problem) => problem.into_response(),
    }
}

fn respond(answer: Result<FormatAnswer, Problem>) -> Response {
    answer.map_or_else(IntoResponse::into_response, |answer| Json(answer).into_response())
}

async fn bring_into_force(
    api: &CommandApi,
    caller: &Caller,
    wanted: &Activation,
) -> Result<FormatAnswer, Problem> {
    let before = formats(&api.gateway).await?;
    if before.active == wanted.format {
        return Ok(before);
    }
    check(&before, wanted)?;
    tracing::info!(office = %caller.office, officer = %caller.officer, format = wanted.format, "is told to activate a format");
    api.gateway.activate(wanted.format, caller.officer);
    let begin = Instant::now();
    while api.gateway.stats().format < wanted.format {
        if begin.elapsed() > ACTIVE_WITHIN {
            return Err(Problem::of(&problems::OUTCOME_UNKNOWN).retry_after_s(1));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    formats(&api.gateway).await
}

fn check(found: &FormatAnswer, wanted: &Activation) -> Result<(), Problem> {
    let format = wanted.format;
    if let Err(unknown) = format::check_known(format) {
        let en = format!("The leader knows formats up to {}, not {format}.", format::NEWEST);
        let vi = format!("Máy chủ chính chỉ biết các định dạng đến {}, không biết {format}.", format::NEWEST);
        tracing::info!(%unknown, "a format is not activated");
        return Err(Problem::of(&problems::FORMAT_UNKNOWN).detail(en, vi));
    }
    if format < found.active {
        let en = format!("The log is of format {}; what is in it stays.", found.active);
        let vi = format!("Nhật ký đang ở định dạng {}; nội dung đã ghi vẫn giữ nguyên.", found.active);
        return Err(Problem::of(&problems::FORMAT_GOES_BACK).detail(en, vi));
    }
    // A group that is just forming, or whose broker has just started, may lack members: at least the one that answers must be there.
    if !found.nodes.iter().any(|node| node.node == found.leader) {
        return Err(Problem::of(&problems::NODES_UNKNOWN).retry_after_s(1));
    }
    let behind: Vec<&str> =
        found.nodes.iter().filter(|node| node.knows < format).map(|node| node.node.as_str()).collect();
    if !behind.is_empty() && !wanted.even_if_unknown {
        let behind = behind.join(", ");
        let en = format!("These nodes do not know format {format}: {behind}. Bring them up to date first.");
        let vi = format!("Các máy chủ sau chưa biết định dạng {format}: {behind}. Hãy cập nhật chúng trước.");
        return Err(Problem::of(&problems::FORMAT_NOT_KNOWN_BY_ALL).detail(en, vi));
    }
    Ok(())
}

async fn formats(gateway: &Arc<dyn CommandGateway>) -> Result<FormatAnswer, Problem> {
    let asked = Arc::clone(gateway);
    let members = tokio::task::spawn_blocking(move || asked.members()).await;
    let members: Vec<Member> = match members {
        Ok(Ok(members)) => members,
        failed => {
            tracing::warn!(?failed, "the brokers do not say which nodes there are");
            return Err(Problem::of(&problems::NODES_UNKNOWN).retry_after_s(1));
        }
    };
    let stats = gateway.stats();
    let nodes: Vec<NodeFormat> =
        members.into_iter().map(|member| NodeFormat { node: member.name, knows: member.format }).collect();
    let Some(known_by_all) = nodes.iter().map(|node| node.knows).min() else {
        return Err(Problem::of(&problems::NODES_UNKNOWN).retry_after_s(1));
    };
    let (log_id, lsn, active) = (stats.log_id, stats.lsn, stats.format);
    Ok(FormatAnswer { log_id, lsn, leader: stats.node.clone(), active, known_by_all, nodes })
}
