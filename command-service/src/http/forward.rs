//! Passing commands on: a node that does not lead is a proxy to the one that does. A redirect would lose the authorisation.
//!
//! The token goes along and is verified there again; officer, rate and audit are the leader's. One hop only: a request that was
//! passed on already is answered, never passed on again. A leader that has been replaced meanwhile is not waited for.

use crate::gateway::{CommandGateway, Role};
use crate::http::CommandApi;
use crate::http::body::json_body;
use crate::http::problems;
use access::http::Problem;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use event_schemas::ids::Term;
use futures_util::stream::{BoxStream, StreamExt, unfold};
use std::sync::Arc;
use std::time::Duration;

/// Says which node passed a request on.
pub const PASSED_ON_BY: &str = "x-dancu-passed-on-by";
/// Longest time for a connection to the leader.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two looks whether the leader is still the same.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a leader that has been replaced may finish what it was answering.
const FINISH_WITHIN: Duration = Duration::from_millis(500);
/// Connections to the leader that are kept for later (O1).
const MAX_IDLE_CONNECTIONS: usize = 64;
/// Advice while nobody is known to lead.
const RETRY_AFTER_S: u32 = 1;

/// What goes along besides the body, and what comes back.
const SENT: [&str; 4] = ["authorization", "content-type", "x-purpose", "accept"];
const RETURNED: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::RETRY_AFTER, header::WWW_AUTHENTICATE, header::CONTENT_LENGTH];

/// The client that passes requests on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Forwarder(reqwest::Client);

impl Forwarder {
    /// Reaches other nodes directly, whatever proxies the environment names.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self(client))
    }
}

/// Where a request is answered that cannot be answered here.
pub enum Elsewhere {
    Leader {
        forwarder: Forwarder,
        gateway: Arc<dyn CommandGateway>,
        node: String,
        url: String,
        term: Term,
    },
    /// Nobody is known to lead, or it was passed on already.
    Nowhere,
}

/// `None`: it is answered here.
pub fn route(api: &CommandApi, headers: &HeaderMap) -> Option<Elsewhere> {
    let forwarder = api.forwarder.clone()?;
    let stats = api.gateway.stats();
    let may_be_elsewhere = stats.barred.is_none() && matches!(stats.role, Role::Following | Role::Restoring);
    if !may_be_elsewhere {
        return None;
    }
    if headers.contains_key(PASSED_ON_BY) {
        return Some(Elsewhere::Nowhere);
    }
    let leader = stats.other_leader();
    Some(match leader.and_then(|leader| Some((leader.url.clone()?, leader.term))) {
        Some((url, term)) => {
            let (gateway, node) = (Arc::clone(&api.gateway), stats.node.clone());
            Elsewhere::Leader { forwarder, gateway, node, url, term }
        }
        None => Elsewhere::Nowhere,
    })
}

/// The body of a JSON request that this node answers. Else the answer: what is wrong with it, or what the leader says to it.
pub async fn json_for_this_node(
    api: &CommandApi,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
) -> Result<Bytes, Response> {
    let bytes = json_body(headers, body, &api.limits).await.map_err(IntoResponse::into_response)?;
    match route(api, headers) {
        Some(elsewhere) => Err(elsewhere.pass_on(Method::POST, uri, headers, bytes).await),
        None => Ok(bytes),
    }
}

impl Elsewhere {
    /// The leader's answer, or why there is none.
    pub async fn pass_on(
        self,
        method: Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: impl Into<reqwest::Body>,
    ) -> Response {
        let Self::Leader { forwarder, gateway, node, url, term } = self else { return nobody_leads() };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = forwarder.0.request(method, format!("{url}{path}")).header(PASSED_ON_BY, node);
        for name in SENT {
            if let Some(value) = headers.get(name) {
                request = request.header(name, value);
            }
        }
        let answer = tokio::select! {
            answer = request.body(body).send() => answer,
            () = replaced(gateway.clone(), term) => return outcome_unknown("the leader was replaced meanwhile"),
        };
        match answer {
            Ok(answer) => returned(answer, gateway, term),
            // It never left this node.
            Err(error) if error.is_connect() => {
                tracing::debug!(%error, url, "the leader cannot be reached");
                nobody_leads()
            }
            Err(error) => outcome_unknown(&error.to_string()),
        }
    }
}

fn nobody_leads() -> Response {
    Problem::of(&problems::NOT_LEADING).retry_after_s(RETRY_AFTER_S).into_response()
}

fn outcome_unknown(why: &str) -> Response {
    tracing::info!(why, "a request that was passed on has no answer");
    Problem::of(&problems::OUTCOME_UNKNOWN).retry_after_s(RETRY_AFTER_S).into_response()
}

/// Returns once another term than this one has begun, and its leader had time to finish.
async fn replaced(gateway: Arc<dyn CommandGateway>, term: Term) {
    while gateway.stats().term <= term {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    tokio::time::sleep(FINISH_WITHIN).await;
}

/// The leader's answer as it comes. If the leader is replaced and says nothing more, it breaks off.
fn returned(answer: reqwest::Response, gateway: Arc<dyn CommandGateway>, term: Term) -> Response {
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers: Vec<(HeaderName, HeaderValue)> = RETURNED
        .iter()
        .filter_map(|name| Some((name.clone(), answer.headers().get(name)?.clone())))
        .collect();
    let parts: BoxStream<'static, Result<Bytes, reqwest::Error>> = answer.bytes_stream().boxed();
    let replaced = Box::pin(replaced(gateway, term));
    let body = unfold(Some((parts, replaced)), |state| async {
        let (mut parts, mut replaced) = state?;
        let part = tokio::select! {
            biased;
            part = parts.next() => part?.map_err(std::io::Error::other),
            () = replaced.as_mut() => Err(std::io::Error::other("the leader was replaced")),
        };
        let rest = part.is_ok().then_some((parts, replaced));
        Some((part, rest))
    });
    let mut response = (status, Body::from_stream(body)).into_response();
    response.headers_mut().extend(headers);
    response
}
