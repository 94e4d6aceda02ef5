//! The simulation, straight through the writer: no HTTP, no projector, a scripted clock.

use super::Scale;
use super::report::{LifeFigures, bytes_on_disk, peak_bytes};
use crate::home::{ClockChoice, Home, NewHome};
use crate::service::{Writing, WritingOptions, morning, wait_until_leading};
use anyhow::{Context, Result};
use command_service::service::Handle;
use command_service::{Answer, CommandGateway, Submitter};
use event_schemas::CommandEnvelope;
use event_schemas::ids::{CommandId, OfficeId, OfficerId};
use event_schemas::outcome::Outcome;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use indicatif::{ProgressBar, ProgressStyle};
use simulator::{Options, Phase, World};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, Instant};

const READY_WITHIN: Duration = Duration::from_secs(60);
/// Commands pulled at once, spread over their offices.
const PULLED: usize = 16_384;
/// Commands of one part, and parts under way.
const PART_COMMANDS: usize = 1_024;
const MAX_PARTS: usize = 16;
const OFFICER: OfficerId = OfficerId(1);

type Part = (OfficeId, Vec<CommandEnvelope>);
type Answered = (Vec<CommandId>, Vec<Answer>);

/// Lives to the end, and tells what it took.
pub async fn live(scale: &Scale, dir: &Path) -> Result<LifeFigures> {
    let options = Options {
        seed: scale.seed,
        province: scale.province,
        persons: scale.persons,
        years: scale.years,
        ..Options::default()
    };
    let mut world = World::new(options).context("the simulation cannot be")?;
    let begins_at = Some(morning(world.current_date()));
    let new = NewHome {
        clock: Some(ClockChoice::Scripted),
        begins_at,
        engine: Some(scale.engine),
        ..NewHome::default()
    };
    let home = Home::create(dir, new)?;
    let opened = home.clone();
    let writing =
        tokio::task::spawn_blocking(move || Writing::open(&opened, &WritingOptions::default())).await??;
    wait_until_leading(&writing.gateway, READY_WITHIN).await?;
    let begin = Instant::now();
    Submitting::new(&writing, &world).submit_all(&mut world).await?;
    let seconds = begin.elapsed().as_secs_f64();
    let memory = writing.gateway.stats().memory;
    let begin = Instant::now();
    tokio::task::spawn_blocking(move || writing.commands.stop()).await?.context("stopping the writer")?;
    Ok(LifeFigures {
        seconds,
        stop_seconds: begin.elapsed().as_secs_f64(),
        commands: world.tally().answered,
        living: world.ledger().living(),
        surprises: world.tally().surprises,
        first_surprise: world.tally().first_surprises.first().map(|surprise| format!("{surprise:?}")),
        peak_bytes: peak_bytes()?,
        registry_bytes: (memory.persons + memory.households + memory.cards + memory.lookups + memory.due)
            as u64,
        log_bytes: bytes_on_disk(&home.log_dir())?,
        saved_bytes: bytes_on_disk(&home.registry_dir())? + bytes_on_disk(&home.command_ids_dir())?,
    })
}

/// Commands on their way.
struct Submitting<'a> {
    gateway: &'a Handle,
    writing: &'a Writing,
    ready: VecDeque<Part>,
    under_way: FuturesUnordered<Pin<Box<dyn Future<Output = Answered> + Send + 'a>>>,
    progress: ProgressBar,
}

impl<'a> Submitting<'a> {
    fn new(writing: &'a Writing, world: &World) -> Self {
        let style = ProgressStyle::with_template(
            "{bar:32} {pos:>11}/{len} {per_sec:>14} {elapsed_precise} {wide_msg}",
        );
        let progress = ProgressBar::new(world.total_expected());
        progress.set_style(style.expect("the template is valid"));
        Self {
            gateway: &writing.gateway,
            writing,
            ready: VecDeque::new(),
            under_way: FuturesUnordered::new(),
            progress,
        }
    }

    async fn submit_all(&mut self, world: &mut World) -> Result<()> {
        loop {
            if self.ready.is_empty() {
                self.pull(world);
            }
            while self.under_way.len() < MAX_PARTS {
                let Some(part) = self.ready.pop_front() else { break };
                self.under_way.push(Box::pin(submit(self.gateway, part)));
            }
            match self.under_way.next().await {
                Some(answered) => self.take(world, answered)?,
                None if world.phase() == Phase::Done => break,
                None => {}
            }
        }
        self.progress.finish_and_clear();
        Ok(())
    }

    fn pull(&mut self, world: &mut World) {
        let mut by_office: BTreeMap<OfficeId, Vec<CommandEnvelope>> = BTreeMap::new();
        for command in world.next_batch(PULLED) {
            by_office.entry(command.office).or_default().push(command.envelope);
        }
        if by_office.is_empty() {
            return;
        }
        self.writing.advance_clock(morning(world.current_date()));
        for (office, commands) in by_office {
            let mut commands = commands.into_iter();
            loop {
                let part: Vec<_> = commands.by_ref().take(PART_COMMANDS).collect();
                if part.is_empty() {
                    break;
                }
                self.ready.push_back((office, part));
            }
        }
        let phase = match world.phase() {
            Phase::Units => "units and offices".to_owned(),
            Phase::Enrolment => "enrolment".to_owned(),
            Phase::Day(date) => format!("life, {date}"),
            Phase::Done => "done".to_owned(),
        };
        self.progress.set_length(world.total_expected());
        self.progress.set_message(phase);
    }

    fn take(&self, world: &mut World, (ids, answers): Answered) -> Result<()> {
        self.progress.inc(answers.len() as u64);
        for (id, answer) in ids.into_iter().zip(answers) {
            let outcome: Outcome = answer.with_context(|| format!("command {id} got no answer"))?;
            world.answer(id, &outcome)?;
        }
        Ok(())
    }
}

async fn submit(gateway: &Handle, (office, commands): Part) -> Answered {
    let ids = commands.iter().map(|command| command.command_id).collect();
    (ids, gateway.submit_many(Submitter { office, officer: OFFICER }, commands).await)
}
