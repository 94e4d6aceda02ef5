//! How long requests take, by method, route and status.

use axum::http::{Method, StatusCode};
use hashbrown::{Equivalent, HashMap};
use metrics::Histogram;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Methods that are counted by their names. Whoever asks can make others up, and each would be counted for ever (O1).
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
const OTHER_METHOD: &str = "other";

/// The histograms that were asked for so far: a request finds its own without putting names together.
#[derive(Default)]
pub(super) struct Timings(Mutex<HashMap<Labels<String>, Histogram>>);

#[derive(PartialEq, Eq, Hash)]
struct Labels<R> {
    method: &'static str,
    route: R,
    status: u16,
}

impl Equivalent<Labels<String>> for Labels<&str> {
    fn equivalent(&self, labels: &Labels<String>) -> bool {
        self.method == labels.method && self.route == labels.route && self.status == labels.status
    }
}

impl Timings {
    /// One more of these; `route` is the template of a route, of which there are not many.
    pub fn record(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = METHODS.into_iter().find(|known| method.as_str() == *known).unwrap_or(OTHER_METHOD);
        let status = status.as_u16();
        let mut histograms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = match histograms.get(&Labels { method, route, status }) {
            Some(histogram) => histogram,
            None => {
                let histogram = metrics::histogram!(
                    "dancu_http_request_seconds",
                    "method" => method,
                    "route" => route.to_owned(),
                    "status" => status.to_string()
                );
                histograms.entry(Labels { method, route: route.to_owned(), status }).or_insert(histogram)
            }
        };
        histogram.record(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_route_and_status_is_counted_apart_and_made_up_methods_together() {
        let timings = Timings::default();
        let record = |method: &str, route: &str, status: StatusCode| {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            timings.record(&method, route, status, Duration::from_millis(1));
        };
        for _ in 0..2 {
            record("GET", "/v1/persons/{id}", StatusCode::OK);
            record("GET", "/v1/persons/{id}", StatusCode::NOT_FOUND);
            record("HEAD", "/v1/persons/{id}", StatusCode::OK);
            record("GET", "none", StatusCode::OK);
        }
        assert_eq!(timings.0.lock().unwrap().len(), 4);
        for number in 0..1_000 {
            record(&format!("GET{number}"), "none", StatusCode::METHOD_NOT_ALLOWED);
        }
        assert_eq!(timings.0.lock().unwrap().len(), 5);
    }
}
