//! Outcomes that tell of rows and do not themselves stand in the log: dry runs and refusals. Each is recorded like a read, who,
//! whom and why, before it is answered; if it cannot be, the answer is a problem.

use crate::gateway::{Submitter, Told};
use crate::http::CommandApi;
use crate::http::commands::{is_id_reused, problem_of, submitter};
use crate::http::problems;
use access::Caller;
use access::http::{AuditLog, MAX_TARGET_CHARS, PersonalRead, Problem, problem, purpose};
use axum::http::{HeaderMap, Uri};
use event_schemas::CommandEnvelope;
use event_schemas::ids::Lsn;
use event_schemas::outcome::Outcome;
use event_schemas::row::RowRef;
use event_schemas::text::Text;
use std::sync::Arc;

/// What is kept of a command that was handed over, to say why rows were told of.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    name: &'static str,
    dry_run: bool,
    /// 1-based line of a batch.
    line: Option<u64>,
}

impl Asked {
    /// Of this command; `line` is its 1-based line of a batch.
    pub fn by(envelope: &CommandEnvelope, line: Option<u64>) -> Self {
        Self { name: envelope.command.name(), dry_run: envelope.dry_run, line }
    }
}

/// Records what one request is told.
#[derive(Clone)]
pub struct Telling {
    audit: Arc<dyn AuditLog>,
    submitter: Submitter,
    /// As the request states it; else the command is the purpose.
    purpose: Option<Text<200>>,
    route: &'static str,
    target: String,
}

impl Telling {
    /// Of a request to `route`, such as `POST /v1/commands`.
    pub fn of(
        api: &CommandApi,
        caller: &Caller,
        headers: &HeaderMap,
        uri: &Uri,
        route: &'static str,
    ) -> Self {
        let target = uri.path_and_query().map_or("", |target| target.as_str());
        Self {
            audit: Arc::clone(&api.audit),
            submitter: submitter(caller),
            purpose: purpose(headers),
            route,
            target: target.chars().take(MAX_TARGET_CHARS).collect(),
        }
    }

    /// The outcomes that may be answered, after those that tell of rows were recorded together; `asked` says of each what it
    /// answers. What has no outcome, or could not be recorded, is a problem.
    pub async fn outcomes(&self, asked: &[Asked], told: Vec<Told>) -> Vec<Result<Outcome, Problem>> {
        let reads: Vec<PersonalRead> =
            asked.iter().zip(&told).filter_map(|(asked, told)| self.read(asked, told)).collect();
        let recorded = if reads.is_empty() { Ok(()) } else { self.audit.record_all(reads).await };
        if let Err(error) = &recorded {
            tracing::error!(%error, "outcomes that tell of rows are not answered");
        }
        let judge = |told: Told| match told.answer {
            Ok(_) if !told.rows.is_empty() && recorded.is_err() => {
                Err(Problem::of(&problem::AUDIT_UNAVAILABLE).retry_after_s(5))
            }
            answer => answer.map_err(|error| problem_of(&error)),
        };
        told.into_iter().map(judge).collect()
    }

    /// Records what is shown beside an outcome, before it is answered.
    pub async fn showing(&self, shown: Vec<RowRef>, lsn: Lsn, purpose: Text<200>) -> Result<(), Problem> {
        let read = PersonalRead {
            office: self.submitter.office,
            officer: self.submitter.officer,
            purpose,
            route: self.route.to_owned(),
            target: self.target.clone(),
            shown,
            lsn: Some(lsn),
            status: 200,
        };
        self.audit.record(read).await.map_err(|error| {
            tracing::error!(%error, "what is shown beside an outcome is not answered");
            Problem::of(&problem::AUDIT_UNAVAILABLE).retry_after_s(5)
        })
    }

    fn read(&self, asked: &Asked, told: &Told) -> Option<PersonalRead> {
        let outcome = told.answer.as_ref().ok().filter(|_| !told.rows.is_empty())?;
        let (lsn, status) = match outcome {
            // It would have been recorded at that lsn, so it reflects the one before.
            Outcome::Accepted(acceptance) => (Lsn(acceptance.lsn.0.saturating_sub(1)), 200),
            Outcome::Refused(refusal) if is_id_reused(refusal) => {
                (refusal.lsn, problems::COMMAND_ID_REUSED.status)
            }
            Outcome::Refused(refusal) => (refusal.lsn, problems::COMMAND_REFUSED.status),
        };
        let target = match asked.line {
            Some(line) => format!("{} line {line}", self.target),
            None => self.target.clone(),
        };
        Some(PersonalRead {
            office: self.submitter.office,
            officer: self.submitter.officer,
            purpose: self.purpose.clone().unwrap_or_else(|| purpose_of(asked)),
            route: self.route.to_owned(),
            target,
            shown: told.rows.clone(),
            lsn: Some(lsn),
            status,
        })
    }
}

fn purpose_of(asked: &Asked) -> Text<200> {
    let kind = if asked.dry_run { "dry run of" } else { "command" };
    Text::new(&format!("{kind} {}", asked.name)).expect("names of commands are short")
}
