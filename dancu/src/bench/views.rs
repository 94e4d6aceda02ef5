//! Views folded from a log of many persons: all of them, with either engine, and one simple view.

use super::Setup;
use super::fold::decode_all;
use super::measured::{Measured, median};
use super::simple_view;
use super::workload::{Workload, household_parts, submit, submit_parts};
use super::writer::Alone;
use crate::home::{Home, wall_clock};
use anyhow::{Result, bail};
use event_log::LogSource;
use event_schemas::ids::Lsn;
use projections::{Options, Views};
use state_store::engine::EngineKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const POLL: Duration = Duration::from_millis(5);
/// What PostgreSQL 15 reached in SQL with the same simple view.
const POSTGRES_EVENTS_PER_S: f64 = 630_000.0;
/// Pages and index synced, the restart point with them.
const DURABLE: &str = "synced with its restart point";

pub async fn measure(setup: &Setup) -> Result<Vec<Measured>> {
    setup.progress("views: writing the log");
    let alone = Alone::start(setup, "views").await?;
    let mut workload = Workload::new(wall_clock()().vietnam_date())?;
    for size in household_parts(setup.persons_households()) {
        submit_parts(&alone.writing.gateway, [workload.households(size)]).await?;
    }
    for _ in 0..setup.rounds {
        submit(&alone.writing.gateway, workload.mixed(setup.commands)).await?;
    }
    let home = alone.home.clone();
    alone.stop().await?;
    let setup = setup.clone();
    tokio::task::spawn_blocking(move || folded(&setup, &home)).await?
}

fn folded(setup: &Setup, home: &Home) -> Result<Vec<Measured>> {
    let (log, admission) = crate::log::open_read_only(home)?;
    let last = admission.last_lsn;
    let mut decoding = Vec::new();
    let mut all = [const { Vec::new() }; EngineKind::ALL.len()];
    let mut simple = [const { Vec::new() }; EngineKind::ALL.len()];
    let (mut entries, mut events) = (0, 0);
    for round in 0..setup.rounds {
        setup.progress(&format!("views, round {} of {}", round + 1, setup.rounds));
        let begin = Instant::now();
        (entries, events) = decode_all(&*log)?;
        decoding.push(begin.elapsed().as_secs_f64());
        for (place, kind) in EngineKind::ALL.into_iter().enumerate() {
            let dir = setup.dir.join(format!("folded-{kind}"));
            all[place].push(timed(&dir, |dir| fold_all(home, (&log, last), dir, kind))?);
            simple[place].push(timed(&dir, |dir| simple_view::fold(&*log, dir, kind))?);
        }
    }
    let rate = |seconds: &[f64]| events as f64 / median(seconds);
    let method = |what: &str, kind: EngineKind| {
        let rounds = setup.rounds;
        format!("median of {rounds} rounds over {entries} entries with {events} events; {what}, {kind}")
    };
    let mut figures = Vec::new();
    for (place, kind) in EngineKind::ALL.into_iter().enumerate() {
        let what = method("rows, indexes and totals from an empty store", kind);
        let figure = Measured::new(format!("views_{kind}"), rate(&all[place]), "events/s", DURABLE, what);
        figures.push(figure.beside("read, admitted and decoded only, one core", rate(&decoding)));
        let what = method("person to unit, persons of each unit", kind);
        let figure =
            Measured::new(format!("simple_view_{kind}"), rate(&simple[place]), "events/s", DURABLE, what);
        figures.push(
            figure
                .beside("PostgreSQL 15 in SQL, elsewhere", POSTGRES_EVENTS_PER_S)
                .beside("read, admitted and decoded only, one core", rate(&decoding)),
        );
    }
    Ok(figures)
}

/// Seconds of a piece of work in a directory of its own.
fn timed(dir: &Path, work: impl FnOnce(&Path) -> Result<()>) -> Result<f64> {
    let begin = Instant::now();
    work(dir)?;
    let seconds = begin.elapsed().as_secs_f64();
    std::fs::remove_dir_all(dir)?;
    Ok(seconds)
}

fn fold_all(
    home: &Home,
    (log, last): (&Arc<dyn LogSource>, Lsn),
    dir: &Path,
    kind: EngineKind,
) -> Result<()> {
    let options = Options { engine: kind.into(), at_once_from: 0, ..Options::in_directory(dir) };
    let (views, service) = Views::start(options, home.config.log_id, Arc::clone(log))?;
    loop {
        let progress = views.progress();
        if let Some(why) = progress.stopped {
            bail!("the views stopped: {why}");
        }
        if progress.lsn >= last {
            break;
        }
        std::thread::sleep(POLL);
    }
    service.stop();
    Ok(())
}
