//! The views themselves, for operators.

use super::ask::QueryState;
use super::problems;
use crate::checksum::Checksum;
use crate::rebuild::{RebuildError, RebuildReport};
use crate::service::{Progress, Views};
use access::http::{Problem, QueryOf};
use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

/// How to rebuild.
#[derive(Clone, Copy, Default, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RebuildQuery {
    /// Put the fresh fold in place even if it differs from the views in use.
    pub accept_difference: Option<bool>,
}

pub(super) async fn progress(State(state): State<QueryState>) -> Json<Progress> {
    Json(state.views().progress())
}

pub(super) async fn checksum(State(state): State<QueryState>) -> Result<Json<Checksum>, Problem> {
    blocking(&state, |views| views.checksum()).await
}

pub(super) async fn rebuild(
    State(state): State<QueryState>,
    QueryOf(query): QueryOf<RebuildQuery>,
) -> Result<Json<RebuildReport>, Problem> {
    blocking(&state, move |views| views.rebuild(query.accept_difference.unwrap_or(false))).await
}

async fn blocking<T: Send + 'static>(
    state: &QueryState,
    work: impl FnOnce(&Views) -> Result<T, RebuildError> + Send + 'static,
) -> Result<Json<T>, Problem> {
    let views = state.views().clone();
    let outcome = tokio::task::spawn_blocking(move || work(&views)).await;
    match outcome.map_err(|panicked| Problem::internal(&panicked))? {
        Ok(done) => Ok(Json(done)),
        Err(RebuildError::UnderWay) => Err(Problem::of(&problems::REBUILD_UNDER_WAY)),
        Err(error) => {
            tracing::error!(%error, "the views could not be summed or rebuilt");
            Err(Problem::of(&problems::REBUILD_FAILED))
        }
    }
}
