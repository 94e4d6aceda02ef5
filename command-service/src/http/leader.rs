//! Who leads, and taking over.

use crate::gateway::{CommandGateway, Leader, Role, Stats, StepDown};
use access::http::{Access, Route, RouteTable};
use access::{Caller, Scope};
use axum::extract::State;
use axum::{Extension, Json};
use event_schemas::ids::{LogId, Lsn, Term};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Longest that a request to take over waits until this node leads.
const TAKEOVER_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Who leads, as far as the node that answers has read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeaderAnswer {
    pub log_id: LogId,
    pub leader: Option<Leader>,
    pub this_node: NodeStanding,
}

/// Where the node stands that answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NodeStanding {
    pub node: String,
    pub role: Role,
    pub term: Term,
    pub lsn: Lsn,
    /// Digest of the registry at that lsn, 32 hexadecimal digits: nodes at equal lsn have equal ones.
    pub digest: String,
    pub entries_behind: u64,
    /// Since when nothing came of another leader, if one was heard at all.
    pub leader_silent_ms: Option<u64>,
    /// Times that this node ceased to lead since it was started.
    pub step_downs: u64,
    pub last_step_down: Option<StepDown>,
}

impl From<&Stats> for LeaderAnswer {
    fn from(stats: &Stats) -> Self {
        Self {
            log_id: stats.log_id,
            leader: stats.leader.clone(),
            this_node: NodeStanding {
                node: stats.node.clone(),
                role: stats.role,
                term: stats.term,
                lsn: stats.lsn,
                digest: format!("{:032x}", stats.digest),
                entries_behind: stats.entries_behind,
                leader_silent_ms: stats.silent_ms,
                step_downs: stats.step_downs.values().sum(),
                last_step_down: stats.last_step_down.clone(),
            },
        }
    }
}

/// The routes of leadership.
pub fn leader_routes() -> RouteTable<Arc<dyn CommandGateway>> {
    RouteTable::new(vec![
        Route::get(
            Access::Scope(Scope::Operate),
            "/v1/leader",
            "Who leads by the log, since when, and where this node stands.",
            show,
        )
        .answer::<LeaderAnswer>(),
        Route::post(
            Access::Scope(Scope::Operate),
            "/v1/leader/takeover",
            "Let this node claim the lead, whoever has it; waits a while until it leads, and tells who does.",
            take_over,
        )
        .answer::<LeaderAnswer>(),
    ])
}

async fn show(State(gateway): State<Arc<dyn CommandGateway>>) -> Json<LeaderAnswer> {
    Json(LeaderAnswer::from(&*gateway.stats()))
}

async fn take_over(
    State(gateway): State<Arc<dyn CommandGateway>>,
    Extension(caller): Extension<Caller>,
) -> Json<LeaderAnswer> {
    tracing::info!(office = %caller.office, officer = %caller.officer, "is told to take over");
    gateway.take_over();
    let begin = Instant::now();
    while gateway.stats().role != Role::Leading && begin.elapsed() < TAKEOVER_WITHIN {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Json(LeaderAnswer::from(&*gateway.stats()))
}
