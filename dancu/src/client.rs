//! HTTP as an office uses it.

use anyhow::{Context, Result, anyhow};
use clap::Args;
use event_schemas::outcome::Fault;
use reqwest::{Body, Client, Method, RequestBuilder, Response};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// Where the service is, and who asks.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// Address of the service.
    #[arg(long, env = "DANCU_URL", default_value = "http://127.0.0.1:7070", global = true)]
    pub url: String,
    /// Token of the office; `dancu token` makes one.
    #[arg(long, env = "DANCU_TOKEN", hide_env_values = true, global = true)]
    pub token: Option<String>,
}

/// Calls the service.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    base: String,
    token: Option<String>,
}

/// What is wrong with a request, as the service tells it.
#[derive(Debug, Deserialize)]
pub struct Told {
    pub status: u16,
    pub code: String,
    pub detail: String,
    pub vi: String,
    #[serde(default)]
    pub faults: Vec<Fault>,
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

impl Api {
    /// For this target.
    pub fn new(target: &Target) -> Result<Self> {
        let client = Client::builder().connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true).build()?;
        Ok(Self { client, base: target.url.trim_end_matches('/').to_owned(), token: target.token.clone() })
    }

    /// A request with the token.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends it.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response> {
        request.send().await.with_context(|| {
            format!(
                "no service answers at {}; start one with `dancu serve`, or name its address with --url",
                self.base
            )
        })
    }

    /// `POST` of JSON; status and answer, problems included.
    pub async fn post(&self, path: &str, content_type: &str, body: impl Into<Body>) -> Result<(u16, Value)> {
        let request = self.request(Method::POST, path).header("content-type", content_type).body(body);
        let response = self.send(request).await?;
        let status = response.status().as_u16();
        Ok((status, response.json().await.context("the answer is no JSON")?))
    }

    /// An answer as text, or what the service says against it.
    pub async fn text(&self, request: RequestBuilder) -> Result<String> {
        let response = self.send(request).await?;
        if response.status().is_success() {
            return response.text().await.context("the answer cannot be read");
        }
        Err(told(response.json().await.context("the answer is no JSON")?))
    }

    /// A JSON answer, or what the service says against it.
    pub async fn answer(&self, request: RequestBuilder) -> Result<Value> {
        let response = self.send(request).await?;
        let succeeded = response.status().is_success();
        let body: Value = response.json().await.context("the answer is no JSON")?;
        if succeeded { Ok(body) } else { Err(told(body)) }
    }
}

/// A problem as an error, with what to do next where that is known.
pub fn told(body: Value) -> anyhow::Error {
    match serde_json::from_value::<Told>(body) {
        Ok(told) => {
            let Told { status, code, detail, vi, .. } = &told;
            let next = match code.as_str() {
                "token_missing" => {
                    "\n  Make a token with `dancu token`, and give it with --token or DANCU_TOKEN."
                }
                "token_expired" => "\n  Make a new token with `dancu token`.",
                "scope_missing" => "\n  Make a token with that scope: `dancu token --scopes …`.",
                "token_audience" | "token_key_unknown" => {
                    "\n  Make the token with the --dir that the service was started with."
                }
                "purpose_missing" => "\n  Say why with --purpose or DANCU_PURPOSE; it is recorded.",
                _ => "",
            };
            anyhow!("{detail} ({code}, {status})\n  {vi}{next}")
        }
        Err(_) => anyhow!("the service answered with an error that is not one of Dancu's; is --url right?"),
    }
}
