//! Pulls commands from the simulation, lets their offices submit them, and gives the answers back.

use super::offices::{BatchError, Offices};
use super::service::Service;
use crate::service::morning;
use anyhow::{Context, bail};
use event_schemas::CommandEnvelope;
use event_schemas::ids::{CommandId, LogId, Lsn, OfficeId};
use event_schemas::outcome::{Outcome, Refusal};
use event_schemas::time::Date;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use indicatif::{ProgressBar, ProgressStyle};
use projections::answers::{PopulationAnswer, Reflecting};
use simulator::{Phase, World};
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Requests under way at once.
const MAX_REQUESTS: usize = 6;
/// Commands of one request.
const MAX_BATCH: usize = 1_000;
/// Commands pulled at once, spread over their offices.
const PULLED: usize = 12_000;
/// Attempts to submit one batch before the demo gives up.
const MAX_ATTEMPTS: u32 = 40;
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// Acceptances remembered before the kill, to be asked for after it.
const REMEMBERED: usize = 5_000;
/// Commands between the middle of the run and the kill.
const BEFORE_KILL: u64 = 50;
/// Longest time that views may take to catch up.
const VIEWS_WITHIN: Duration = Duration::from_secs(120);

/// What the kill did, and what stood after it.
pub struct Killed {
    pub on: Date,
    /// Commands that were under way and had no answer.
    pub unanswered: usize,
    /// Acceptances given before the kill that were asked for again.
    pub asked_again: usize,
    pub restart: Duration,
    /// The last acceptance before the kill.
    pub last_lsn: Lsn,
}

type Submission = (OfficeId, Vec<CommandEnvelope>, Result<Vec<(CommandId, Outcome)>, BatchError>);
type InFlight = FuturesUnordered<Pin<Box<dyn Future<Output = Submission> + Send>>>;

/// Drives one simulation.
pub struct Driver {
    offices: Arc<Offices>,
    progress: ProgressBar,
    clock: Option<Date>,
    /// Batches that wait for a request to be free.
    ready: VecDeque<(OfficeId, Vec<CommandEnvelope>)>,
    accepted: VecDeque<(OfficeId, CommandEnvelope, Lsn)>,
    last_lsn: Lsn,
    log_id: Option<LogId>,
    /// A refusal to be shown, with its command.
    pub refusal: Option<(CommandEnvelope, Refusal)>,
    begin: Instant,
}

/// When to stop pulling.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    Day(Date),
    /// This many commands more were submitted; requests are left under way.
    Submitted(u64),
    End,
}

impl Driver {
    pub fn new(offices: Offices, total: u64) -> Self {
        let progress = ProgressBar::new(total);
        let style = ProgressStyle::with_template(
            "{bar:32} {pos:>9}/{len} {per_sec:>14} {elapsed_precise} {wide_msg}",
        );
        progress.set_style(style.expect("the template is valid"));
        Self {
            offices: Arc::new(offices),
            progress,
            clock: None,
            ready: VecDeque::new(),
            accepted: VecDeque::new(),
            last_lsn: Lsn::ZERO,
            log_id: None,
            refusal: None,
            begin: Instant::now(),
        }
    }

    pub fn offices(&self) -> &Offices {
        &self.offices
    }

    /// Ends the bar.
    pub fn finish(&self) {
        self.progress.finish_and_clear();
    }

    /// The first half of the years.
    pub async fn run_until_half(&mut self, world: &mut World) -> anyhow::Result<()> {
        let (start, end) = (world.current_date(), world.end_date());
        let half = start.plus_days((end.0 - start.0) / 2);
        self.run(world, Until::Day(half)).await.map(|_| ())
    }

    /// The rest.
    pub async fn run_to_end(&mut self, world: &mut World) -> anyhow::Result<()> {
        self.run(world, Until::End).await.map(|_| ())
    }

    /// Goes on, kills the service while requests are under way, starts it again, and asks for what was answered before.
    pub async fn run_and_kill(&mut self, world: &mut World, service: &mut Service) -> anyhow::Result<Killed> {
        let more = self.progress.position() + BEFORE_KILL;
        let cut = self.run(world, Until::Submitted(more)).await?;
        let on = world.current_date();
        let offices = &self.offices;
        let (killed, _) = tokio::join!(
            async {
                tokio::time::sleep(Duration::from_millis(3)).await;
                service.kill()
            },
            async {
                // These answers are lost with the connection; their commands are sent again below.
                let under_way = cut.iter().take(MAX_REQUESTS);
                let requests = under_way.map(|(office, commands)| offices.submit(*office, commands));
                let _ =
                    tokio::time::timeout(Duration::from_secs(5), futures_util::future::join_all(requests))
                        .await;
            }
        );
        killed?;
        let restart = service.restart().await?;
        offices.set_clock(morning(on)).await?;
        let asked_again = self.ask_again().await?;
        let unanswered = cut.iter().map(|(_, commands)| commands.len()).sum();
        for batch in cut.into_iter().rev() {
            self.ready.push_front(batch);
        }
        Ok(Killed { on, unanswered, asked_again, restart, last_lsn: self.last_lsn })
    }

    /// Every remembered acceptance must be given again, at the same lsn (W1, W2).
    async fn ask_again(&mut self) -> anyhow::Result<usize> {
        let mut by_office: BTreeMap<OfficeId, Vec<(CommandEnvelope, Lsn)>> = BTreeMap::new();
        let count = self.accepted.len();
        for (office, command, lsn) in self.accepted.drain(..) {
            by_office.entry(office).or_default().push((command, lsn));
        }
        for (office, remembered) in by_office {
            for part in remembered.chunks(MAX_BATCH) {
                let commands: Vec<CommandEnvelope> =
                    part.iter().map(|(command, _)| command.clone()).collect();
                let answers = self.offices.submit(office, &commands).await;
                let answers = answers.map_err(|error| anyhow::anyhow!("asking again: {error:?}"))?;
                for ((command, lsn), (_, outcome)) in part.iter().zip(answers) {
                    match outcome {
                        Outcome::Accepted(again) if again.repeated && again.lsn == *lsn => {}
                        other => bail!(
                            "command {} was accepted at {lsn}; after the kill: {other:?}",
                            command.command_id
                        ),
                    }
                }
            }
        }
        Ok(count)
    }

    /// Submits until the goal; gives what was pulled and not submitted.
    async fn run(
        &mut self,
        world: &mut World,
        until: Until,
    ) -> anyhow::Result<Vec<(OfficeId, Vec<CommandEnvelope>)>> {
        let mut in_flight: InFlight = FuturesUnordered::new();
        loop {
            if let Until::Submitted(goal) = until {
                if self.progress.position() >= goal && !self.ready.is_empty() {
                    self.collect(world, &mut in_flight).await?;
                    return Ok(self.ready.drain(..).collect());
                }
            }
            if self.ready.is_empty() && in_flight.is_empty() {
                let done = match until {
                    Until::Day(day) => world.current_date() >= day,
                    Until::Submitted(_) | Until::End => false,
                };
                if done || !self.pull(world).await? {
                    return Ok(Vec::new());
                }
            } else if self.ready.is_empty() {
                self.pull(world).await?;
            }
            while in_flight.len() < MAX_REQUESTS {
                let Some((office, commands)) = self.ready.pop_front() else { break };
                in_flight.push(Box::pin(submit(self.offices.clone(), office, commands)));
            }
            if let Some(submission) = in_flight.next().await {
                self.take(world, submission)?;
            }
        }
    }

    async fn collect(&mut self, world: &mut World, in_flight: &mut InFlight) -> anyhow::Result<()> {
        while let Some(submission) = in_flight.next().await {
            self.take(world, submission)?;
        }
        Ok(())
    }

    /// Takes the next commands from the simulation, in batches by office. False at the end.
    async fn pull(&mut self, world: &mut World) -> anyhow::Result<bool> {
        let planned = world.next_batch(PULLED);
        if planned.is_empty() {
            return Ok(world.phase() != Phase::Done);
        }
        let date = world.current_date();
        if self.clock.is_none_or(|shown| shown < date) {
            self.offices.set_clock(morning(date)).await?;
            self.clock = Some(date);
        }
        let mut by_office: BTreeMap<OfficeId, Vec<CommandEnvelope>> = BTreeMap::new();
        for command in planned {
            by_office.entry(command.office).or_default().push(command.envelope);
        }
        for (office, commands) in by_office {
            for part in commands.chunks(MAX_BATCH) {
                self.ready.push_back((office, part.to_vec()));
            }
        }
        self.tell(world);
        Ok(true)
    }

    fn take(&mut self, world: &mut World, (office, commands, answers): Submission) -> anyhow::Result<()> {
        let answers = match answers {
            Ok(answers) => answers,
            Err(BatchError::Again(cause)) => {
                bail!("office {office} got no answer in {MAX_ATTEMPTS} attempts: {cause}")
            }
            Err(BatchError::Final(error)) => return Err(error).with_context(|| format!("office {office}")),
        };
        self.progress.inc(answers.len() as u64);
        for (command, (command_id, outcome)) in commands.into_iter().zip(answers) {
            world.answer(command_id, &outcome)?;
            match outcome {
                Outcome::Accepted(acceptance) => {
                    self.last_lsn = self.last_lsn.max(acceptance.lsn);
                    self.log_id = Some(acceptance.log_id);
                    self.accepted.push_back((office, command, acceptance.lsn));
                    if self.accepted.len() > REMEMBERED {
                        self.accepted.pop_front();
                    }
                }
                Outcome::Refused(refusal) => {
                    let more = self
                        .refusal
                        .as_ref()
                        .is_none_or(|(_, known)| refusal.faults.len() > known.faults.len());
                    if more {
                        self.refusal = Some((command, refusal));
                    }
                }
            }
        }
        Ok(())
    }

    fn tell(&self, world: &World) {
        let tally = world.tally();
        let refused: u64 = tally.by_kind.values().map(|count| count.refused).sum();
        let phase = match world.phase() {
            Phase::Units => "units and offices".to_owned(),
            Phase::Enrolment => "enrolment".to_owned(),
            Phase::Day(date) => format!("life, {date}"),
            Phase::Done => "done".to_owned(),
        };
        self.progress.set_length(world.total_expected());
        self.progress.set_message(format!("{phase} · {refused} refused · lsn {}", self.last_lsn));
        if self.progress.is_hidden() && self.begin.elapsed().as_secs() > 0 {
            tracing::debug!(%phase, refused, lsn = %self.last_lsn, "demo");
        }
    }

    /// Until the views reflect the last acceptance.
    pub async fn wait_for_views(&self, world: &World) -> anyhow::Result<Lsn> {
        let log_id = self.log_id.context("nothing was accepted")?;
        let ward = world.ledger().population_by_ward().into_keys().next().context("nobody lives anywhere")?;
        let path =
            format!("/v1/units/{ward}/population?at_least={}&log_id={log_id}&wait_ms=5000", self.last_lsn);
        let begin = Instant::now();
        loop {
            match self.offices.find::<Reflecting<PopulationAnswer>>(&path).await {
                Ok(Some(answer)) if answer.lsn >= self.last_lsn => return Ok(answer.lsn),
                Err(error) if begin.elapsed() >= VIEWS_WITHIN => return Err(error),
                Ok(_) if begin.elapsed() >= VIEWS_WITHIN => {
                    bail!("the views did not reach lsn {} within {} s", self.last_lsn, VIEWS_WITHIN.as_secs())
                }
                Ok(_) | Err(_) => tokio::time::sleep(RETRY_PAUSE).await,
            }
        }
    }
}

/// Submits until there are answers: a broken connection or a busy service is no reason to give up, and a command that was
/// accepted meanwhile is answered as it was.
async fn submit(offices: Arc<Offices>, office: OfficeId, commands: Vec<CommandEnvelope>) -> Submission {
    let mut answers = offices.submit(office, &commands).await;
    for _ in 1..MAX_ATTEMPTS {
        if !matches!(answers, Err(BatchError::Again(_))) {
            break;
        }
        tokio::time::sleep(RETRY_PAUSE).await;
        answers = offices.submit(office, &commands).await;
    }
    (office, commands, answers)
}
