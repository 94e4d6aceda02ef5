//! Offices with their tokens, and the requests that they make.

use crate::home::{Home, wall_clock};
use access::{Caller, Issuer, Scope, SecretKey};
use anyhow::{Context, bail};
use event_schemas::CommandEnvelope;
use event_schemas::ids::{CommandId, OfficeId, OfficerId};
use event_schemas::outcome::Outcome;
use event_schemas::time::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// Why the demo reads personal data.
const PURPOSE: &str = "so sánh với sổ của bộ mô phỏng (demo)";
/// Longer than any request of the demo takes.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Tokens are good for longer than any demo takes.
const TOKEN_TTL_S: i64 = 7 * 86_400;

/// All offices of the demo. Tokens are made when they are first needed.
pub struct Offices {
    dir: PathBuf,
    url: String,
    client: reqwest::Client,
    tokens: Mutex<HashMap<OfficeId, String>>,
}

/// Why a batch has no answers.
#[derive(Debug)]
pub enum BatchError {
    /// The connection broke or the service was busy: the same commands may be sent again.
    Again(String),
    Final(anyhow::Error),
}

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum LineAnswer {
    Accepted(event_schemas::outcome::Acceptance),
    Refused(event_schemas::outcome::Refusal),
    Problem(serde_json::Value),
}

impl Offices {
    pub fn of(dir: &Path, url: String) -> Self {
        let client = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .build()
            .expect("a client without special settings can be made");
        Self { dir: dir.to_owned(), url, client, tokens: Mutex::new(HashMap::new()) }
    }

    /// The office's token, with every scope. Made from the registry's own key, as `dancu token` does.
    fn token(&self, office: OfficeId) -> anyhow::Result<String> {
        let mut tokens = self.tokens.lock().expect("nobody panics while holding this");
        if let Some(token) = tokens.get(&office) {
            return Ok(token.clone());
        }
        let caller = Caller { office, officer: OfficerId(1), scopes: Scope::ALL.iter().copied().collect() };
        let token =
            self.issuer()?.issue(&caller, wall_clock()(), TOKEN_TTL_S).context("no token was made")?;
        tokens.insert(office, token.clone());
        Ok(token)
    }

    fn issuer(&self) -> anyhow::Result<Issuer> {
        let home = Home::open(&self.dir)?;
        Ok(Issuer { key: SecretKey::read(&home.keys_dir(), None)?, audience: home.audience() })
    }

    /// Submits commands of one office; an answer for each, in order.
    pub async fn submit(
        &self,
        office: OfficeId,
        commands: &[CommandEnvelope],
    ) -> Result<Vec<(CommandId, Outcome)>, BatchError> {
        let token = self.token(office).map_err(BatchError::Final)?;
        let mut body = Vec::with_capacity(commands.len() * 600);
        for command in commands {
            serde_json::to_writer(&mut body, command).map_err(|error| BatchError::Final(error.into()))?;
            body.push(b'\n');
        }
        let again = |error: reqwest::Error| BatchError::Again(error.to_string());
        let request = self.client.post(format!("{}/v1/commands/batch", self.url)).bearer_auth(token);
        let response =
            request.header("content-type", "application/x-ndjson").body(body).send().await.map_err(again)?;
        let status = response.status();
        let text = response.text().await.map_err(again)?;
        if status.as_u16() == 503 || status.as_u16() == 429 {
            return Err(BatchError::Again(format!("{status}")));
        }
        if !status.is_success() {
            return Err(BatchError::Final(anyhow::anyhow!("{status}: {text}")));
        }
        answers(commands, &text)
    }

    /// Moves the scripted clock.
    pub async fn set_clock(&self, now: Timestamp) -> anyhow::Result<()> {
        let token = self.token(OfficeId(0))?;
        let request = self.client.post(format!("{}/v1/clock", self.url)).bearer_auth(token);
        let response = request.json(&serde_json::json!({ "now": now })).send().await?;
        if !response.status().is_success() {
            bail!("the clock could not be moved to {now}: {}", response.text().await?);
        }
        Ok(())
    }

    /// Reads an answer as the registry's own authority; none if there is nothing at that address.
    pub async fn find<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Option<T>> {
        let token = self.token(OfficeId(0))?;
        let request = self.client.get(format!("{}{path}", self.url)).bearer_auth(token);
        let response = request.header("x-purpose", PURPOSE).send().await?;
        if response.status().as_u16() == 404 {
            return Ok(None);
        }
        if !response.status().is_success() {
            bail!("GET {path}: {} {}", response.status(), response.text().await?);
        }
        let text = response.text().await?;
        serde_json::from_str(&text).map(Some).with_context(|| format!("GET {path} answered {text:.200}"))
    }

    /// Reads an answer that must be there.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.find(path).await?.with_context(|| format!("GET {path}: not found"))
    }
}

fn answers(commands: &[CommandEnvelope], text: &str) -> Result<Vec<(CommandId, Outcome)>, BatchError> {
    let mut outcomes = Vec::with_capacity(commands.len());
    for (command, line) in commands.iter().zip(text.lines()) {
        let parsed = serde_json::from_str::<LineAnswer>(line);
        let outcome =
            match parsed.with_context(|| format!("the answer {line:.200}")).map_err(BatchError::Final)? {
                LineAnswer::Accepted(acceptance) => Outcome::Accepted(acceptance),
                LineAnswer::Refused(refusal) => Outcome::Refused(refusal),
                // The service is ending, or busy beyond its patience: what it did not decide may be sent again.
                LineAnswer::Problem(problem) => return Err(BatchError::Again(problem.to_string())),
            };
        outcomes.push((command.command_id, outcome));
    }
    if outcomes.len() < commands.len() {
        return Err(BatchError::Again(format!(
            "{} of {} lines were answered",
            outcomes.len(),
            commands.len()
        )));
    }
    Ok(outcomes)
}
