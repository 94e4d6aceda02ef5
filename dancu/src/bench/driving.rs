//! An operation from its opening to its commit, as `dancu operation` and `dancu correct bulk` drive it; in process.

use super::workload::OPERATOR;
use crate::service::Running;
use anyhow::{Context, Result, bail, ensure};
use command_service::{CommandGateway, Submitter};
use event_schemas::CommandEnvelope;
use event_schemas::basis::{Basis, BasisKind};
use event_schemas::command::{ApproveOperation, Command, CommitOperation, OpenOperation, StageOperation};
use event_schemas::ids::{CommandId, Lsn, OfficerId, OperationId};
use event_schemas::operation::{MAX_PART_ROWS, OperationDigest, OperationKind};
use event_schemas::outcome::{Acceptance, Outcome};
use event_schemas::place::UnitCode;
use event_schemas::text::Text;
use std::time::{Duration, Instant};
use uuid::Uuid;

const SHOWN_WAIT: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(5);

/// Officers of one office.
pub struct Driving<'a> {
    pub running: &'a Running,
    pub opener: Submitter,
}

/// How long a commit took.
pub struct Committed {
    pub answered_s: f64,
    /// Until the views show it.
    pub shown_s: f64,
}

impl<'a> Driving<'a> {
    /// By the operator's own office.
    pub fn by_operator(running: &'a Running) -> Self {
        Self { running, opener: OPERATOR }
    }

    pub async fn open(&self, kind: OperationKind<UnitCode>) -> Result<OperationId> {
        let purpose = Text::new("bench").expect("a short text");
        let command = Command::OpenOperation(OpenOperation { kind, purpose });
        let opened = self.accepted(self.opener, command).await?;
        opened.created.operations.first().copied().context("no operation was opened")
    }

    /// Stages parts whose rows the registry chooses, until there is nothing more to stage; the lsn of the last one.
    pub async fn stage(&self, operation: OperationId) -> Result<Lsn> {
        let mut last = Lsn::ZERO;
        for part in 1.. {
            let command = Command::StageOperation(StageOperation { operation, part, rows: MAX_PART_ROWS });
            match self.submit(self.opener, command).await? {
                Outcome::Accepted(accepted) => last = accepted.lsn,
                Outcome::Refused(refusal)
                    if refusal.faults.iter().all(|it| it.code == "nothing_to_stage") =>
                {
                    break;
                }
                Outcome::Refused(refusal) => bail!("a part was refused: {}", refusal.faults[0].en),
            }
        }
        Ok(last)
    }

    /// What the views show as staged: how many rows, and the digest that an officer approves.
    pub async fn shown(&self, operation: OperationId, staged: Lsn) -> Result<(u32, OperationDigest)> {
        self.wait_for(staged).await?;
        let view = self.running.views.current();
        let found = view.read().operation(operation)?.context("the views do not show the operation")?;
        Ok((found.counts.staged, found.digest))
    }

    /// By another officer than the one who opened it.
    pub async fn approve(&self, operation: OperationId, digest: OperationDigest) -> Result<()> {
        let second = Submitter { officer: OfficerId(self.opener.officer.0 + 1), ..self.opener };
        self.accepted(second, Command::ApproveOperation(ApproveOperation { operation, digest })).await?;
        Ok(())
    }

    /// Of what is approved.
    pub async fn commit(&self, operation: OperationId, digest: OperationDigest) -> Result<Committed> {
        let begin = Instant::now();
        let command = Command::CommitOperation(CommitOperation { operation, digest });
        let committed = self.accepted(self.opener, command).await?;
        let answered_s = begin.elapsed().as_secs_f64();
        self.wait_for(committed.lsn).await?;
        Ok(Committed { answered_s, shown_s: begin.elapsed().as_secs_f64() })
    }

    /// Returns once the views show the record.
    pub async fn wait_for(&self, lsn: Lsn) -> Result<()> {
        let begin = Instant::now();
        while self.running.views.progress().lsn < lsn {
            ensure!(begin.elapsed() < SHOWN_WAIT, "the views do not catch up");
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    pub async fn accepted(&self, submitter: Submitter, command: Command) -> Result<Acceptance> {
        match self.submit(submitter, command).await? {
            Outcome::Accepted(accepted) => Ok(accepted),
            Outcome::Refused(refusal) => bail!("a command was refused: {}", refusal.faults[0].en),
        }
    }

    async fn submit(&self, submitter: Submitter, command: Command) -> Result<Outcome> {
        Ok(self.running.gateway.submit(submitter, by_decision(command)).await?)
    }
}

/// On the ground of a numbered decision.
pub fn by_decision(command: Command) -> CommandEnvelope {
    let number = Some(Text::new("1/QĐ-BCA").expect("a short text"));
    CommandEnvelope {
        command_id: CommandId::from(Uuid::new_v4()),
        expected_versions: Vec::new(),
        answer_by: None,
        dry_run: false,
        procedure: None,
        basis: Basis { number, ..Basis::of(BasisKind::Agency) },
        overrides: Vec::new(),
        command,
    }
}
