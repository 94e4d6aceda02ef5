//! PINs for everybody: one operation from its opening to its commit, as `dancu operation` drives it.

use super::measured::{ANSWERED, Measured};
use super::registry::catch_up;
use super::workload::{HOUSEHOLD_PERSONS, OPERATOR, Workload, household_parts, prepare, submit_parts};
use super::{READY_WAIT, Setup};
use crate::home::wall_clock;
use crate::service::{Running, Settings};
use anyhow::{Context, Result, bail, ensure};
use command_service::{CommandGateway, Submitter};
use event_schemas::CommandEnvelope;
use event_schemas::basis::{Basis, BasisKind};
use event_schemas::command::{ApproveOperation, Command, CommitOperation, OpenOperation, StageOperation};
use event_schemas::ids::{CommandId, Lsn, OfficerId, OperationId};
use event_schemas::operation::{IssuePins, MAX_PART_ROWS, OperationDigest, OperationKind};
use event_schemas::outcome::{Acceptance, Outcome};
use event_schemas::text::Text;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The limit that was set.
const MIN_PERSONS_PER_S: f64 = 100_000.0;
/// Most persons of one operation.
const MAX_PERSONS: u32 = 1_000_000;
/// Whoever approves is not who opened.
const SECOND_OFFICER: Submitter = Submitter { officer: OfficerId(2), ..OPERATOR };
const SHOWN_WAIT: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(5);
const STAGED: &str = "each step answered after fdatasync and read-back";

pub async fn measure(setup: &Setup) -> Result<Vec<Measured>> {
    let home = setup.new_home("pins")?;
    let running = Running::start(&home, Settings::on_any_port()).await?;
    running.wait_until_leading(READY_WAIT).await?;
    prepare(&running.gateway).await?;
    setup.progress("pins: enrolling");
    let households = MAX_PERSONS.min(setup.persons).div_ceil(HOUSEHOLD_PERSONS);
    let mut workload = Workload::new(wall_clock()().vietnam_date())?;
    let parts: Vec<u32> = household_parts(households).collect();
    submit_parts(&running.gateway, parts.into_iter().map(|size| workload.households(size))).await?;
    catch_up(&running).await?;
    let issuing = Issuing { running: &running, persons: households * HOUSEHOLD_PERSONS };
    let figures = issuing.run(setup).await?;
    running.stop().await?;
    Ok(figures)
}

struct Issuing<'a> {
    running: &'a Running,
    persons: u32,
}

impl Issuing<'_> {
    async fn run(&self, setup: &Setup) -> Result<Vec<Measured>> {
        setup.progress("pins: staging");
        let begin = Instant::now();
        let purpose = Text::new("bench").expect("a short text");
        let kind = OperationKind::IssuePins(IssuePins { unit: None });
        let opened = self.accepted(OPERATOR, Command::OpenOperation(OpenOperation { kind, purpose })).await?;
        let operation = opened.created.operations.first().copied().context("no operation was opened")?;
        let staged = self.stage(operation).await?;
        let digest = self.shown_digest(operation, staged).await?;
        let approve = Command::ApproveOperation(ApproveOperation { operation, digest });
        self.accepted(SECOND_OFFICER, approve).await?;
        setup.progress("pins: committing");
        let committing = Instant::now();
        let commit = Command::CommitOperation(CommitOperation { operation, digest });
        let committed = self.accepted(OPERATOR, commit).await?;
        let (commit_s, answered_s) = (committing.elapsed().as_secs_f64(), begin.elapsed().as_secs_f64());
        self.wait_for(committed.lsn).await?;
        let shown_s = begin.elapsed().as_secs_f64();
        let form = format!(
            "one operation for {} persons: opened, staged in parts of {MAX_PART_ROWS} one after the other, approved, committed; projector on",
            self.persons
        );
        let rate = |seconds: f64| f64::from(self.persons) / seconds;
        let unit = "persons/s";
        Ok(vec![
            Measured::new("pin_bulk", rate(answered_s), unit, STAGED, &form)
                .beside("the limit", MIN_PERSONS_PER_S),
            Measured::new("pin_bulk_commit", commit_s, "s", ANSWERED, format!("{form}; the commit alone")),
            Measured::new(
                "pin_bulk_shown",
                rate(shown_s),
                unit,
                STAGED,
                format!("{form}; until the views show every number"),
            )
            .beside("the limit", MIN_PERSONS_PER_S),
        ])
    }

    /// Stages parts until there is nothing more to stage; the lsn of the last one.
    async fn stage(&self, operation: OperationId) -> Result<Lsn> {
        let mut last = Lsn::ZERO;
        for part in 1.. {
            let command = Command::StageOperation(StageOperation { operation, part, rows: MAX_PART_ROWS });
            match self.submit(OPERATOR, command).await? {
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

    /// What the views show as staged, which is what an officer approves.
    async fn shown_digest(&self, operation: OperationId, staged: Lsn) -> Result<OperationDigest> {
        self.wait_for(staged).await?;
        let view = self.running.views.current();
        let found = view.read().operation(operation)?.context("the views do not show the operation")?;
        let counted = found.counts.staged;
        ensure!(counted == self.persons, "{counted} of {} persons were staged", self.persons);
        Ok(found.digest)
    }

    async fn wait_for(&self, lsn: Lsn) -> Result<()> {
        let begin = Instant::now();
        while self.running.views.progress().lsn < lsn {
            ensure!(begin.elapsed() < SHOWN_WAIT, "the views do not catch up");
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    async fn accepted(&self, submitter: Submitter, command: Command) -> Result<Acceptance> {
        match self.submit(submitter, command).await? {
            Outcome::Accepted(accepted) => Ok(accepted),
            Outcome::Refused(refusal) => bail!("a command was refused: {}", refusal.faults[0].en),
        }
    }

    async fn submit(&self, submitter: Submitter, command: Command) -> Result<Outcome> {
        let envelope = CommandEnvelope {
            command_id: CommandId::from(Uuid::new_v4()),
            expected_versions: Vec::new(),
            answer_by: None,
            dry_run: false,
            procedure: None,
            basis: Basis {
                number: Some(Text::new("1/QĐ-BCA").expect("a short text")),
                ..Basis::of(BasisKind::Agency)
            },
            overrides: Vec::new(),
            command,
        };
        Ok(self.running.gateway.submit(submitter, envelope).await?)
    }
}
