//! What stands before every route, as one layer: it is counted and timed, it keeps the caller's rate, it is answered in time.

use crate::http::limits::Limits;
use crate::http::rates::{self, RateLimiter};
use crate::http::timings::Timings;
use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use axum::routing::Route;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Instant;
use tower::{Layer, Service};

/// Puts the bounds around every route of a router. One layer for all of them: each would box its future and copy the route once
/// more for every request.
#[derive(Clone)]
pub struct Around(Arc<Bounds>);

struct Bounds {
    limits: Limits,
    rates: RateLimiter,
    timings: Timings,
}

impl Around {
    /// Nobody has asked yet.
    pub fn new(limits: Limits) -> Self {
        let (rates, timings) = (RateLimiter::new(limits), Timings::default());
        Self(Arc::new(Bounds { limits, rates, timings }))
    }
}

impl Layer<Route> for Around {
    type Service = Bounded;

    fn layer(&self, route: Route) -> Bounded {
        Bounded { route, bounds: Arc::clone(&self.0) }
    }
}

/// A route within its bounds.
#[derive(Clone)]
pub struct Bounded {
    route: Route,
    bounds: Arc<Bounds>,
}

impl Service<Request> for Bounded {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.route, context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let begin = Instant::now();
        let bounds = Arc::clone(&self.bounds);
        let method = request.method().clone();
        let path = request.extensions().get::<MatchedPath>().cloned();
        let longest = bounds.limits.longest_answer(request.uri().path());
        // Refused before any work is done for it.
        let admitted = bounds.rates.admit(&request).map(|asker| (asker, self.route.call(request)));
        Box::pin(async move {
            let response = match admitted {
                Err(wait) => rates::refusal(wait),
                Ok((asker, answer)) => {
                    let response = longest.wait_for(answer).await?;
                    bounds.rates.heed(asker, &response);
                    response
                }
            };
            let route = path.as_ref().map_or("none", MatchedPath::as_str);
            bounds.timings.record(&method, route, response.status(), begin.elapsed());
            Ok(response)
        })
    }
}
