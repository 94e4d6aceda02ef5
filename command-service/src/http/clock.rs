//! The clock of a scripted log. A log on the machine's clock has no such route.

use crate::clock::{Clock, ScriptedClock};
use crate::http::body::{expect_content_type, parsed};
use crate::http::problems;
use access::http::{Access, Problem, Route, RouteTable};
use access::{Caller, Scope};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use event_schemas::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The time that a scripted clock shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockReading {
    pub now: Timestamp,
}

/// The routes of a scripted log.
pub fn clock_routes() -> RouteTable<ScriptedClock> {
    RouteTable::new(vec![
        Route::post(
            Access::Scope(Scope::Operate),
            "/v1/clock",
            "Move the clock of this scripted log forward; missed days are opened in order before the next command.",
            advance,
        )
        .body::<ClockReading>("application/json")
        .answer::<ClockReading>(),
        Route::get(Access::Scope(Scope::Operate), "/v1/clock", "What the clock of this scripted log shows.", show)
            .answer::<ClockReading>(),
    ])
}

async fn show(State(clock): State<ScriptedClock>) -> Json<ClockReading> {
    Json(ClockReading { now: clock.now() })
}

async fn advance(
    State(clock): State<ScriptedClock>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<ClockReading>, Problem> {
    expect_content_type(&headers, &["application/json"])?;
    let wanted: ClockReading = parsed(&body, ("The time", "thời điểm"))?;
    let before = clock.now();
    if wanted.now < before {
        let en = format!("The clock shows {before}; it never goes back.");
        let vi = format!("Đồng hồ đang ở {before} và không bao giờ quay lại.");
        return Err(Problem::of(&problems::CLOCK_GOES_BACK).detail(en, vi));
    }
    clock.advance_to(wanted.now);
    tracing::info!(office = %caller.office, %before, now = %wanted.now, "the clock was moved");
    Ok(Json(ClockReading { now: clock.now() }))
}
