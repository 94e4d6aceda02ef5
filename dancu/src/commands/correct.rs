//! `dancu correct`

pub mod bulk;
mod foresee;
mod select;
mod show;

use crate::client::{Api, Target, told};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use event_schemas::CommandEnvelope;
use event_schemas::basis::{Basis, BasisKind};
use event_schemas::command::{ApproveCorrection, Command, Correct as Correction, ProposeCorrection};
use event_schemas::correction::{CorrectionDigest, Edit, MAX_EDITS, StatedFact};
use event_schemas::event::EventBody;
use event_schemas::ids::{CommandId, EventAddress, OperationId};
use event_schemas::outcome::{Acceptance, Fault, Outcome};
use event_schemas::text::Text;
use event_schemas::time::PartialDate;
use reqwest::Method;
use serde_json::Value;
use std::process::ExitCode;
use uuid::Uuid;

/// Correct what is recorded: take a fact back, or state how it really was.
///
/// Facts are named by their addresses, as `dancu query history` shows them. Look first, then do what was shown:
///   dancu correct annul 1234.0 1234.1 --decision 12/QĐ --reason "…" --dry-run
///   dancu correct annul 1234.0 --cover --decision 12/QĐ --reason "…" --dry-run
///   dancu correct amend 1234.0 --of P17 --set names.given=Bình --decision 12/QĐ --reason "…" --digest …
/// What takes a second officer, such as a death that never was, is proposed by the one and approved by the other:
///   dancu correct annul 1234.0 --decision 12/QĐ --reason "…" --propose
///   dancu correct approve B7 --decision 12/QĐ
/// Many corrections at once are an operation, staged in parts, approved by another officer, committed at once:
///   dancu correct bulk open edits.ndjson --unit 001 --decision 12/QĐ --reason "…"
///   dancu correct bulk reverse B3 --decision 15/QĐ --reason "…"
/// The address of a correction takes the correction back. Facts that are missing are inserted with `dancu submit`; `dancu example
/// correct` shows how.
#[derive(Debug, Args)]
pub struct Correct {
    #[command(subcommand)]
    edit: EditArgument,
    /// What was wrong, and how it came to be known; it is recorded.
    #[arg(long, global = true)]
    reason: Option<Text<200>>,
    /// Number of the decision that it rests on.
    #[arg(long, global = true)]
    decision: Option<Text<60>>,
    /// Who decided.
    #[arg(long, global = true)]
    authority: Option<Text<200>>,
    /// A court decided, not an agency.
    #[arg(long, global = true)]
    court: bool,
    /// Show what it would change, row by row; write nothing.
    #[arg(long, global = true, conflicts_with = "digest")]
    dry_run: bool,
    /// As a dry run told it: refused if anything that it showed has moved.
    #[arg(long, global = true)]
    digest: Option<CorrectionDigest>,
    /// Propose it to another officer, who approves it; it changes nothing before.
    #[arg(long, global = true)]
    propose: bool,
    /// Edit also what does not hold together with it: take it back. What that is, is shown.
    #[arg(long, global = true)]
    cover: bool,
    /// Print the service's answer as it is.
    #[arg(long, global = true)]
    json: bool,
    /// Why rows are read, which `amend`, a dry run and `bulk effect --rows` do; it is recorded. A dry run takes the reason unless it is stated.
    #[arg(long, env = "DANCU_PURPOSE", global = true)]
    purpose: Option<String>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum EditArgument {
    /// Take facts or corrections back.
    Annul {
        /// An lsn and a place in its record, such as 1234.0.
        #[arg(required = true)]
        events: Vec<EventAddress>,
    },
    /// State how a fact really was.
    Amend {
        event: EventAddress,
        /// The person, household or card in whose history it stands: P17, H5, C3.
        #[arg(long)]
        of: String,
        /// Another day: YYYY, YYYY-MM or YYYY-MM-DD.
        #[arg(long)]
        on: Option<PartialDate>,
        /// A member of the fact and its value: text, or JSON.
        #[arg(long = "set", value_name = "MEMBER=VALUE")]
        sets: Vec<String>,
    },
    /// Approve a correction that another officer proposed, which makes it. Without a digest it is only shown.
    Approve {
        /// The proposal: B7.
        proposal: OperationId,
    },
    /// Correct in bulk: stage corrections from a file, or the taking back of what an operation corrected.
    Bulk {
        #[command(subcommand)]
        step: bulk::Step,
    },
}

const REFUSED: u8 = 2;
/// How often the edits are completed by what they leave open.
const MAX_ROUNDS: usize = 20;
/// Code of a refusal that lists what the edits leave open.
const NOT_COVERED: &str = "correction_not_covered";

impl Correct {
    pub async fn run(self) -> Result<ExitCode> {
        if let EditArgument::Bulk { step: bulk::Step::Select(select) } = &self.edit {
            return select.run();
        }
        let api = Api::new(&self.target)?;
        match &self.edit {
            EditArgument::Approve { proposal } => return self.approve(&api, *proposal).await,
            EditArgument::Bulk { step } => {
                let (basis, reason, purpose) = (self.basis(), self.reason.clone(), self.purpose.clone());
                let bulk = bulk::Bulk { api, basis, reason, purpose, json: self.json };
                return bulk.run(step).await;
            }
            _ => {}
        }
        let reason = self.reason.clone().context("say what was wrong with --reason; it is recorded")?;
        let mut edits = self.edits(&api).await?;
        for _ in 0..MAX_ROUNDS {
            // What --cover adds is looked at first: only what a dry run has shown is written.
            let is_trial = self.dry_run || self.cover && self.digest.is_none();
            let answer = self.submit(&api, &edits, &reason, is_trial).await?;
            match serde_json::from_value::<Outcome>(answer.clone()) {
                Ok(Outcome::Accepted(acceptance)) => return Ok(self.conclude(&answer, &acceptance)),
                Ok(Outcome::Refused(refusal)) => {
                    let open: Vec<EventAddress> = left_open(&refusal.faults);
                    if !self.cover || open.is_empty() {
                        return Ok(self.refused(&answer, &refusal.faults));
                    }
                    for event in open {
                        eprintln!("{event} does not hold together with it, and is taken back too");
                        edits.push(Edit::Annul { event });
                    }
                    ensure!(edits.len() <= MAX_EDITS, "that would be more than {MAX_EDITS} edits");
                }
                Err(_) => return Err(told(answer)),
            }
        }
        bail!("after {MAX_ROUNDS} rounds something is still left open; nothing was written")
    }

    async fn edits(&self, api: &Api) -> Result<Vec<Edit>> {
        match &self.edit {
            EditArgument::Annul { events } => {
                Ok(events.iter().map(|event| Edit::Annul { event: *event }).collect())
            }
            EditArgument::Approve { .. } | EditArgument::Bulk { .. } => bail!("it states no edits"),
            EditArgument::Amend { event, of, on, sets } => {
                ensure!(on.is_some() || !sets.is_empty(), "say what was otherwise, with --on or --set");
                let mut fact = self.fact(api, *event, of).await?;
                if let Some(on) = on {
                    fact.effective_on = *on;
                }
                let body = sets.iter().try_fold(serde_json::to_value(&fact.body)?, with_member)?;
                let shown = body.to_string();
                let body: EventBody = serde_json::from_value(body).with_context(|| {
                    format!("{shown} is no fact; `dancu schema event` says how one looks")
                })?;
                Ok(vec![Edit::Amend { event: *event, to: StatedFact { body, ..fact } }])
            }
        }
    }

    /// The fact as it stands in the history of its row.
    async fn fact(&self, api: &Api, event: EventAddress, of: &str) -> Result<StatedFact> {
        let rows = match of.as_bytes().first() {
            Some(b'H') => "households",
            Some(b'C') => "cards",
            _ => "persons",
        };
        let plain = !of.is_empty() && of.bytes().all(|byte| byte.is_ascii_alphanumeric());
        ensure!(plain, "'{of}' is no id; write P17, H5 or C3");
        let mut after: Option<String> = None;
        loop {
            let mut request = api.request(Method::GET, &format!("/v1/{rows}/{of}/history"));
            request = request.query(&after.iter().map(|after| ("after", after)).collect::<Vec<_>>());
            if let Some(purpose) = &self.purpose {
                request = request.header("x-purpose", purpose.as_bytes());
            }
            let page = api.answer(request).await?;
            let records = page["records"].as_array().into_iter().flatten();
            let record = records.into_iter().find(|record| record["lsn"] == event.lsn.0);
            let events = record.and_then(|record| record["events"].as_array()).into_iter().flatten();
            if let Some(found) = events.into_iter().find(|found| found["index"] == event.index) {
                ensure!(!found["body"].is_null(), "{event} is sealed");
                let body = serde_json::from_value(found["body"].clone())?;
                let effective_on = serde_json::from_value(found["effective_on"].clone())?;
                return Ok(StatedFact { effective_on, body });
            }
            after = page["next"].as_str().map(str::to_owned);
            ensure!(after.is_some(), "the history of {of} has no event {event}");
        }
    }

    async fn submit(&self, api: &Api, edits: &[Edit], reason: &Text<200>, dry_run: bool) -> Result<Value> {
        let expects_digest = self.digest.filter(|_| !dry_run);
        let correction = Correction { edits: edits.to_vec(), reason: reason.clone(), expects_digest };
        let command = if self.propose {
            Command::ProposeCorrection(ProposeCorrection { correction })
        } else {
            Command::Correct(correction)
        };
        self.send(api, command, dry_run).await
    }

    /// Shows what was proposed as it would be made now; with its digest, makes it.
    async fn approve(&self, api: &Api, operation: OperationId) -> Result<ExitCode> {
        let found = api.answer(api.request(Method::GET, &format!("/v1/operations/{operation}"))).await?;
        let stated: CorrectionDigest = serde_json::from_value(found["operation"]["digest"].clone())
            .context("the service answers something else than an operation")?;
        let is_trial = self.dry_run || self.digest.is_none();
        let digest = self.digest.unwrap_or(stated);
        let command = Command::ApproveCorrection(ApproveCorrection { operation, digest });
        let answer = self.send(api, command, is_trial).await?;
        match serde_json::from_value::<Outcome>(answer.clone()) {
            Ok(Outcome::Accepted(acceptance)) => Ok(self.conclude(&answer, &acceptance)),
            Ok(Outcome::Refused(refusal)) => Ok(self.refused(&answer, &refusal.faults)),
            Err(_) => Err(told(answer)),
        }
    }

    fn basis(&self) -> Basis {
        let kind = if self.court { BasisKind::Court } else { BasisKind::Agency };
        Basis { number: self.decision.clone(), authority: self.authority.clone(), ..Basis::of(kind) }
    }

    async fn send(&self, api: &Api, command: Command, dry_run: bool) -> Result<Value> {
        let envelope = CommandEnvelope {
            command_id: CommandId::from(Uuid::new_v4()),
            expected_versions: Vec::new(),
            answer_by: None,
            dry_run,
            procedure: None,
            basis: self.basis(),
            overrides: Vec::new(),
            command,
        };
        if dry_run {
            let purpose = self.purpose.clone().or_else(|| self.reason.as_ref().map(ToString::to_string));
            return foresee::ask(api, &envelope, purpose.as_deref()).await;
        }
        let (_, answer) =
            api.post("/v1/commands", "application/json", serde_json::to_string(&envelope)?).await?;
        Ok(answer)
    }

    fn conclude(&self, answer: &Value, acceptance: &Acceptance) -> ExitCode {
        match &acceptance.correction {
            _ if self.json => println!("{answer}"),
            Some(effect) => {
                show::effect(effect);
                foresee::print(&answer["effect"]);
                println!("Nothing was written. To do it: the same with --digest {}", effect.digest);
            }
            None => match acceptance.created.operations.first() {
                Some(proposal) => {
                    println!("proposed as {proposal}. Another officer looks at it and approves it:");
                    println!("  dancu correct approve {proposal} --decision …");
                }
                None => println!("recorded as lsn {}", acceptance.lsn),
            },
        }
        ExitCode::SUCCESS
    }

    fn refused(&self, answer: &Value, faults: &[Fault]) -> ExitCode {
        if self.json {
            println!("{answer}");
        }
        for fault in faults {
            eprintln!("refused: {}: {}\n  {}", fault.code, fault.en, fault.vi);
        }
        ExitCode::from(REFUSED)
    }
}

/// What the edits leave open; nothing if something else stands against them as well.
fn left_open(faults: &[Fault]) -> Vec<EventAddress> {
    if faults.iter().any(|fault| fault.code != NOT_COVERED) {
        return Vec::new();
    }
    faults.iter().flat_map(|fault| fault.events.iter().copied()).collect()
}

/// A fact's JSON with a member set: `names.given=Bình`.
pub fn with_member(mut body: Value, set: &String) -> Result<Value> {
    let (path, value) = set.split_once('=').with_context(|| format!("'{set}' is no MEMBER=VALUE"))?;
    let kind = body.as_object_mut().and_then(|body| body.values_mut().next());
    let mut member = kind.context("a fact is an object")?;
    for name in path.split('.') {
        let members = member.as_object_mut().with_context(|| format!("'{path}' leads to no member"))?;
        let known: Vec<String> = members.keys().cloned().collect();
        member = members
            .get_mut(name)
            .with_context(|| format!("there is no '{name}' in '{path}'; there are: {}", known.join(", ")))?;
    }
    *member = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok(body)
}
