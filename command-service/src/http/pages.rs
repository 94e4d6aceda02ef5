//! OpenAPI, and the page that shows it. The page needs nothing from elsewhere.

use access::http::{Access, OpenApi, Route, RouteTable};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use event_schemas::Command;
use event_schemas::examples::example;
use serde_json::{Map, Value, json};

const PAGE: &str = include_str!("page.html");

/// The page runs only what stands in it, and asks only this service.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                           img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A finished OpenAPI document.
#[derive(Clone)]
pub struct Document(Bytes);

/// The routes of the pages.
pub fn page_routes() -> RouteTable<Document> {
    let because = "it describes the service and holds no data";
    RouteTable::new(vec![
        Route::get(Access::Public { because }, "/", "The page that shows this description.", page),
        Route::get(Access::Public { because }, "/openapi.json", "This description: OpenAPI 3.1.", openapi),
    ])
}

impl Document {
    /// The description of these tables, with an example of every command.
    pub fn new(description: OpenApi) -> Self {
        let mut document = description.finish();
        let examples = command_examples();
        if let Some(content) =
            document.pointer_mut("/paths/~1v1~1commands/post/requestBody/content/application~1json")
        {
            content["examples"] = Value::Object(examples);
        }
        Self(Bytes::from(document.to_string()))
    }
}

fn command_examples() -> Map<String, Value> {
    let named = Command::KINDS.iter().filter_map(|(_, kind)| {
        let value = serde_json::to_value(example(kind)?).ok()?;
        Some((kind.to_string(), json!({ "value": value })))
    });
    named.collect()
}

async fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, PAGE).into_response()
}

async fn openapi(State(document): State<Document>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document.0).into_response()
}
