//! The writer alone: durable commands a second at groups of three sizes, beside a bare file and beside deciding alone; and
//! through the gateway, with and without the projector.

use super::bare::{Deciding, file_seconds};
use super::measured::{ANSWERED, Measured, median};
use super::postgres::Postgres;
use super::stepped::{LARGEST_GROUP, Stepped};
use super::workload::{OFFICE, PART_COMMANDS, PARTS_IN_FLIGHT, Workload, foundation, prepare, submit};
use super::{READY_WAIT, Setup};
use crate::home::{Home, wall_clock};
use crate::service::{Running, Settings, Writing, WritingOptions, wait_until_leading};
use anyhow::{Context, Result};
use event_schemas::CommandEnvelope;
use std::time::{Duration, Instant};

/// Entries of a group.
const GROUPS: [usize; 3] = [64, 512, LARGEST_GROUP];
pub const MIXED: &str =
    "of ten commands three moves of households, two births, two changes of name, one enrolment, two stays";

pub async fn measure(setup: &Setup) -> Result<Vec<Measured>> {
    let mut figures = {
        let setup = setup.clone();
        tokio::task::spawn_blocking(move || grouped(&setup)).await??
    };
    figures.extend(through_gateway(setup).await?);
    Ok(figures)
}

/// Seconds of each round.
#[derive(Default)]
struct Rounds {
    writer: Vec<f64>,
    file: Vec<f64>,
    deciding: Vec<f64>,
    /// The longer of deciding and of inserting: as if a writer did both at once.
    postgres: Vec<f64>,
    entry_bytes: f64,
}

fn grouped(setup: &Setup) -> Result<Vec<Measured>> {
    let mut ground = Ground::new(setup)?;
    let mut rounds: [Rounds; GROUPS.len()] = Default::default();
    for round in 0..setup.rounds {
        setup.progress(&format!("writer in groups, round {} of {}", round + 1, setup.rounds));
        for (group, rounds) in GROUPS.into_iter().zip(&mut rounds) {
            ground.round(setup, group, rounds)?;
        }
    }
    ground.stepped.stop()?;
    Ok(GROUPS.into_iter().zip(&rounds).flat_map(|(group, rounds)| figures(setup, group, rounds)).collect())
}

fn figures(setup: &Setup, group: usize, rounds: &Rounds) -> Vec<Measured> {
    let rate = |seconds: &[f64]| f64::from(setup.commands) / median(seconds);
    let form = format!(
        "median of {} rounds of {} commands ({MIXED}), {:.0} bytes an entry",
        setup.rounds, setup.commands, rounds.entry_bytes
    );
    let (name, method) = (format!("writer_groups_{group}"), format!("{form}, one writer driven in process"));
    let writer = Measured::new(name, rate(&rounds.writer), "commands/s", ANSWERED, method)
        .beside("the same bytes and flushes into a bare file", rate(&rounds.file))
        .beside("deciding and encoding alone, one core", rate(&rounds.deciding));
    if rounds.postgres.is_empty() {
        return vec![writer];
    }
    let method = format!(
        "{form}; one PostgreSQL writer that validates in memory, a multi-row INSERT a group, the longer of deciding and of inserting"
    );
    let name = format!("postgres_groups_{group}");
    let postgres = Measured::new(name, rate(&rounds.postgres), "commands/s", "committed", method)
        .beside("the writer above", rate(&rounds.writer));
    vec![writer, postgres]
}

/// A writer and a registry that decides alone; both have seen the same commands.
struct Ground {
    stepped: Stepped,
    deciding: Deciding,
    postgres: Option<Postgres>,
    workload: Workload,
}

impl Ground {
    fn new(setup: &Setup) -> Result<Self> {
        let mut stepped = Stepped::start(&setup.dir.join("groups"))?;
        let now = wall_clock()();
        let mut deciding = Deciding::new(now.vietnam_date(), stepped.home.pins()?, now);
        let mut workload = Workload::new(now.vietnam_date())?;
        let households = workload.households(setup.households());
        let first: Vec<_> = foundation()?
            .into_iter()
            .chain(households.into_iter().map(|command| (OFFICE, command)))
            .collect();
        for (submitter, command) in first.iter().cloned() {
            deciding.take(submitter, command)?;
        }
        stepped.run(first, LARGEST_GROUP)?;
        let programs = setup.postgres.as_deref();
        let postgres = programs.map(|programs| Postgres::start(programs, &setup.dir)).transpose()?;
        Ok(Self { stepped, deciding, postgres, workload })
    }

    fn round(&mut self, setup: &Setup, group: usize, rounds: &mut Rounds) -> Result<()> {
        let commands = self.workload.mixed(setup.commands);
        let copies: Vec<CommandEnvelope> = commands.clone();
        rounds.writer.push(self.stepped.time(commands, group)?.as_secs_f64());
        let decided = self.deciding.run(copies)?;
        rounds.deciding.push(decided.elapsed.as_secs_f64());
        if let Some(postgres) = &mut self.postgres {
            let inserted = postgres.time(&decided.entries, group)?;
            rounds.postgres.push(inserted.max(decided.elapsed).as_secs_f64());
        }
        let bytes = |entries: &[Vec<u8>]| entries.iter().map(Vec::len).sum::<usize>();
        let sizes: Vec<usize> = decided.entries.chunks(group).map(bytes).collect();
        rounds.entry_bytes = bytes(&decided.entries) as f64 / f64::from(setup.commands);
        rounds.file.push(file_seconds(&setup.dir, &sizes)?.as_secs_f64());
        Ok(())
    }
}

/// A service in this process with nothing but its writer.
pub struct Alone {
    pub home: Home,
    pub writing: Writing,
}

impl Alone {
    pub async fn start(setup: &Setup, name: &str) -> Result<Self> {
        let home = setup.new_home(name)?;
        let opened = home.clone();
        let open = move || Writing::open(&opened, &WritingOptions::default());
        let writing = tokio::task::spawn_blocking(open).await??;
        wait_until_leading(&writing.gateway, READY_WAIT).await?;
        prepare(&writing.gateway).await?;
        Ok(Self { home, writing })
    }

    pub async fn stop(self) -> Result<()> {
        tokio::task::spawn_blocking(|| self.writing.commands.stop()).await?.context("stopping the writer")
    }
}

async fn through_gateway(setup: &Setup) -> Result<Vec<Measured>> {
    let alone = Alone::start(setup, "alone").await?;
    let home = setup.new_home("projected")?;
    let running = Running::start(&home, Settings::on_any_port()).await?;
    running.wait_until_leading(READY_WAIT).await?;
    prepare(&running.gateway).await?;
    let today = wall_clock()().vietnam_date();
    let mut workload = Workload::new(today)?;
    let households = workload.households(setup.households());
    submit(&alone.writing.gateway, households.clone()).await?;
    submit(&running.gateway, households).await?;
    let (mut mixed, mut moves, mut projected) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..setup.rounds {
        setup.progress(&format!("writer through its gateway, round {} of {}", round + 1, setup.rounds));
        mixed.push(timed(&alone.writing.gateway, workload.mixed(setup.commands)).await?);
        projected.push(timed(&running.gateway, workload.mixed(setup.commands)).await?);
        moves.push(timed(&alone.writing.gateway, workload.moves(setup.commands)).await?);
    }
    running.stop().await?;
    alone.stop().await?;
    let rate = |seconds: &[f64]| f64::from(setup.commands) / median(seconds);
    let form = |kind: &str| {
        format!(
            "median of {} rounds of {} commands ({kind}); in process, {PARTS_IN_FLIGHT} parts of {PART_COMMANDS} in flight",
            setup.rounds, setup.commands
        )
    };
    let unit = "commands/s";
    Ok(vec![
        Measured::new("writer_commands", rate(&mixed), unit, ANSWERED, form(MIXED)),
        Measured::new("writer_commands_projected", rate(&projected), unit, ANSWERED, form(MIXED))
            .beside("the writer alone", rate(&mixed)),
        Measured::new("writer_moves", rate(&moves), unit, ANSWERED, form("moves of households of four")),
    ])
}

async fn timed(gateway: &command_service::service::Handle, commands: Vec<CommandEnvelope>) -> Result<f64> {
    let begin = Instant::now();
    submit(gateway, commands).await?;
    Ok(Duration::as_secs_f64(&begin.elapsed()))
}
