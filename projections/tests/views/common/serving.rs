//! A view on disk, and its questions over HTTP.

use super::LOG;
use super::town::Town;
use access::http::{AuditFailure, AuditLog, Authenticate, Guard, PersonalRead, route::fallbacks};
use access::{Caller, Scope, TokenError};
use axum::body::Body;
use axum::http::Request;
use event_schemas::ids::{OfficeId, OfficerId};
use projections::answers::Reflecting;
use projections::http::{QueryState, routes};
use projections::{Options, ViewService, Views};
use serde_json::Value;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower::ServiceExt;

pub const LONG: Duration = Duration::from_secs(20);

pub fn start(dir: &Path, town: &Town) -> (Views, ViewService) {
    let options = Options { checkpoint_bytes: 64 << 10, ..Options::in_directory(dir) };
    Views::start(options, LOG, Arc::new(town.scribe.log.source())).unwrap()
}
pub async fn caught_up(views: &Views, town: &Town) {
    views.wait_for(LOG, town.scribe.log.last_lsn(), LONG).await.unwrap();
}
struct AnyScope;

impl Authenticate for AnyScope {
    fn authenticate(&self, bearer: &str) -> Result<Caller, TokenError> {
        let scopes = bearer.split(',').map(|name| name.parse::<Scope>().map_err(|_| TokenError::Malformed));
        Ok(Caller { office: OfficeId(2), officer: OfficerId(9), scopes: scopes.collect::<Result<_, _>>()? })
    }
}

#[derive(Default)]
pub struct Reads(pub Mutex<Vec<PersonalRead>>);

#[async_trait::async_trait]
impl AuditLog for Reads {
    async fn record(&self, read: PersonalRead) -> Result<(), AuditFailure> {
        self.0.lock().unwrap().push(read);
        Ok(())
    }
}

pub struct Api {
    pub router: axum::Router,
    pub reads: Arc<Reads>,
    pub stop: tokio::sync::watch::Sender<bool>,
}

impl Api {
    pub fn of(views: &Views) -> Self {
        let reads = Arc::new(Reads::default());
        let guard =
            Guard { authenticate: Arc::new(AnyScope), audit: Arc::clone(&reads) as Arc<dyn AuditLog> };
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let router = fallbacks(routes().into_router(&guard, QueryState::new(views.clone(), stopped)));
        Self { router, reads, stop }
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.get_with(path, &[]).await
    }

    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let scopes = "persons:read,households:read,cards:read,units:read,records:watch,service:operate";
        let request = Request::get(path)
            .header("authorization", format!("Bearer {scopes}"))
            .header("x-purpose", "kiểm tra".as_bytes());
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 8 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    /// With the scopes of another token.
    pub async fn get_as(&self, scopes: &str, path: &str) -> (u16, Value) {
        let bearer = format!("Bearer {scopes}");
        let request = Request::get(path).header("authorization", bearer).header("x-purpose", "kiem tra");
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 8 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    pub async fn answer<T: serde::de::DeserializeOwned>(&self, path: &str) -> Reflecting<T> {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_value(body).unwrap()
    }
}
