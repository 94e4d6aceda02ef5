//! `dancu operation`

use crate::client::{Api, Target, told};
use crate::tables;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use event_schemas::CommandEnvelope;
use event_schemas::basis::{Basis, BasisKind};
use event_schemas::command::{
    AbandonOperation, ApproveOperation, Command, CommitOperation, OpenOperation, StageOperation,
};
use event_schemas::ids::{CommandId, OperationId};
use event_schemas::operation::{IssuePins, MAX_PART_ROWS, OperationDigest, OperationKind};
use event_schemas::outcome::{Acceptance, Fault, Outcome};
use event_schemas::place::UnitCode;
use event_schemas::text::Text;
use reqwest::Method;
use serde_json::Value;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Work on more rows than one record holds: staged in parts, approved by a second officer, committed at once.
///
/// Whatever interrupts it, nothing of it shows before the commit, and staging goes on where it ended:
///   dancu operation issue-pins --unit 01 --decision 215/QĐ --purpose "…"
///   dancu operation resume B1
///   dancu operation approve B1 --digest …   (another officer)
///   dancu operation commit B1 --digest …
#[derive(Debug, Args)]
pub struct Operation {
    #[command(subcommand)]
    step: Step,
    /// Print the service's last answer as it is.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Stage a PIN for every citizen of a unit, or of the nation, who has none.
    IssuePins {
        /// A unit's code, such as 01; everything below it belongs to it.
        #[arg(long, required_unless_present = "nation")]
        unit: Option<UnitCode>,
        /// The whole nation.
        #[arg(long, conflicts_with = "unit")]
        nation: bool,
        /// What it is for; it is recorded.
        #[arg(long)]
        purpose: Text<200>,
        /// Number of the decision it rests on.
        #[arg(long)]
        decision: Text<60>,
        /// Who decided.
        #[arg(long)]
        authority: Option<Text<200>>,
        #[command(flatten)]
        parts: Parts,
    },
    /// Go on staging, after an interruption or because rows have moved since.
    Resume {
        operation: OperationId,
        #[command(flatten)]
        parts: Parts,
    },
    /// How far an operation is, and the digest of what it has staged.
    Show { operation: OperationId },
    /// Approve what is staged. Whoever opened the operation cannot.
    Approve {
        operation: OperationId,
        #[arg(long)]
        digest: OperationDigest,
    },
    /// Let an approved operation take effect.
    Commit {
        operation: OperationId,
        #[arg(long)]
        digest: OperationDigest,
    },
    /// Give an operation up; numbers that it drew are never given to anybody.
    Abandon {
        operation: OperationId,
        #[arg(long)]
        reason: Text<200>,
    },
}

#[derive(Clone, Copy, Debug, Args)]
struct Parts {
    /// Rows of one part.
    #[arg(long, default_value_t = MAX_PART_ROWS)]
    rows: u16,
}

const REFUSED: u8 = 2;
/// How often a command that got no answer is sent again: its command_id makes that safe.
const MAX_TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// The service waits so long until its views show what was just written.
const VIEW_WAIT_MS: u64 = 30_000;

impl Operation {
    pub async fn run(self) -> Result<ExitCode> {
        let api = Api::new(&self.target)?;
        let json = self.json;
        match self.step {
            Step::IssuePins { unit, nation: _, purpose, decision, authority, parts } => {
                let kind = OperationKind::IssuePins(IssuePins { unit });
                let basis = Basis { number: Some(decision), authority, ..Basis::of(BasisKind::Agency) };
                let opened =
                    submit(&api, basis, Command::OpenOperation(OpenOperation { kind, purpose })).await?;
                let opened = match opened {
                    Ok(opened) => opened,
                    Err(faults) => return Ok(refused(&faults)),
                };
                let operation = opened.created.operations.first().copied();
                let operation = operation.context("the service opened no operation")?;
                eprintln!("{operation} is open; if this is interrupted: dancu operation resume {operation}");
                stage(&api, &Basis::of(BasisKind::Agency), operation, (1, parts.rows), json).await
            }
            Step::Resume { operation, parts } => {
                let found = show(&api, operation, None).await?;
                let done = found["operation"]["parts"].as_u64().context("the answer names no parts")?;
                stage(&api, &Basis::of(BasisKind::Agency), operation, (done as u32 + 1, parts.rows), json)
                    .await
            }
            Step::Show { operation } => {
                print(&show(&api, operation, None).await?, json);
                Ok(ExitCode::SUCCESS)
            }
            Step::Approve { operation, digest } => {
                let command = Command::ApproveOperation(ApproveOperation { operation, digest });
                conclude(&api, operation, command, json).await
            }
            Step::Commit { operation, digest } => {
                let command = Command::CommitOperation(CommitOperation { operation, digest });
                conclude(&api, operation, command, json).await
            }
            Step::Abandon { operation, reason } => {
                let command = Command::AbandonOperation(AbandonOperation { operation, reason });
                conclude(&api, operation, command, json).await
            }
        }
    }
}

/// Stages parts until there is nothing more to stage.
pub(super) async fn stage(
    api: &Api,
    basis: &Basis,
    operation: OperationId,
    (first, rows): (u32, u16),
    json: bool,
) -> Result<ExitCode> {
    let mut part = first;
    let mut last = None;
    let mut told_at = Instant::now();
    loop {
        let command = Command::StageOperation(StageOperation { operation, part, rows });
        match submit(api, basis.clone(), command).await? {
            Ok(accepted) => {
                part += 1;
                last = Some(accepted);
            }
            Err(faults) if faults.iter().all(|fault| fault.code == "nothing_to_stage") => break,
            Err(faults) => return Ok(refused(&faults)),
        }
        if told_at.elapsed() >= TELL_EVERY {
            told_at = Instant::now();
            let found = show(api, operation, None).await?;
            let (of, counts) = (&found["operation"], &found["operation"]["counts"]);
            eprintln!(
                "{operation}: {} % looked at, {} staged, {} left out",
                of["looked_at_percent"], counts["staged"], counts["left_out"]
            );
        }
    }
    conclude_staging(api, operation, last.as_ref(), json).await
}

/// How the operation is with everything staged, and what comes next.
pub(super) async fn conclude_staging(
    api: &Api,
    operation: OperationId,
    last: Option<&Acceptance>,
    json: bool,
) -> Result<ExitCode> {
    let found = show(api, operation, last).await?;
    print(&found, json);
    if !json {
        let digest = tables::plain(&found["operation"]["digest"]);
        println!("Everything is staged. A second officer approves it:");
        println!("  dancu operation approve {operation} --digest {digest}");
        println!("Then it is committed:");
        println!("  dancu operation commit {operation} --digest {digest}");
    }
    Ok(ExitCode::SUCCESS)
}

/// One command about an operation, and how the operation is after it.
async fn conclude(api: &Api, operation: OperationId, command: Command, json: bool) -> Result<ExitCode> {
    match submit(api, Basis::of(BasisKind::Agency), command).await? {
        Ok(accepted) => {
            print(&show(api, operation, Some(&accepted)).await?, json);
            Ok(ExitCode::SUCCESS)
        }
        Err(faults) => Ok(refused(&faults)),
    }
}

/// Submits until there is an answer; the faults of a refusal. Repeating is safe.
pub(super) async fn submit(
    api: &Api,
    basis: Basis,
    command: Command,
) -> Result<Result<Acceptance, Vec<Fault>>> {
    let envelope = CommandEnvelope {
        command_id: CommandId::from(Uuid::new_v4()),
        expected_versions: Vec::new(),
        answer_by: None,
        dry_run: false,
        procedure: None,
        basis,
        overrides: Vec::new(),
        command,
    };
    let body = serde_json::to_string(&envelope)?;
    for attempt in 1.. {
        let answered = api.post("/v1/commands", "application/json", body.clone()).await;
        match answered {
            Ok((status, answer)) if status < 500 => match serde_json::from_value::<Outcome>(answer.clone()) {
                Ok(Outcome::Accepted(accepted)) => return Ok(Ok(accepted)),
                Ok(Outcome::Refused(refusal)) => return Ok(Err(refusal.faults)),
                Err(_) => return Err(told(answer)),
            },
            Ok((_, answer)) if attempt >= MAX_TRIES => return Err(told(answer)),
            Err(error) if attempt >= MAX_TRIES => return Err(error),
            Ok(_) | Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    bail!("no answer came")
}

pub(super) async fn show(api: &Api, operation: OperationId, after: Option<&Acceptance>) -> Result<Value> {
    let mut request = api.request(Method::GET, &format!("/v1/operations/{operation}"));
    if let Some(accepted) = after {
        let (lsn, log_id) = (accepted.lsn.to_string(), accepted.log_id.to_string());
        request =
            request.query(&[("at_least", lsn), ("log_id", log_id), ("wait_ms", VIEW_WAIT_MS.to_string())]);
    }
    let found = api.answer(request).await?;
    ensure!(found["operation"].is_object(), "the service answers something else than an operation");
    Ok(found)
}

pub(super) fn print(answer: &Value, json: bool) {
    if json {
        println!("{answer}");
    } else {
        tables::print(answer);
    }
}

pub(super) fn refused(faults: &[Fault]) -> ExitCode {
    for fault in faults {
        eprintln!("refused: {}: {}\n  {}", fault.code, fault.en, fault.vi);
    }
    ExitCode::from(REFUSED)
}
