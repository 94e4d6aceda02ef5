//! `dancu rebuild`

use crate::client::{Api, Target};
use crate::home::{EngineChoice, Home};
use crate::tables::table;
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use projections::{Options, Progress, RebuildReport, Views, engine_in_use};
use reqwest::Method;
use state_store::home::{engine_of, remove_store};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Fold the views anew from the log, prove them equal, put the fresh ones in place.
///
/// With --dir the service must not be running. Without it a running service is asked to do it: it answers from the old views until
/// the fresh ones have caught up.
#[derive(Debug, Args)]
pub struct Rebuild {
    /// Directory of a registry whose service is not running.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Put the fresh views in place even if they differ.
    #[arg(long)]
    accept_difference: bool,
    /// Switch saved state and views to this engine: fresh views are kept by it, and the next start saves its state with it.
    #[arg(long, value_enum, requires = "dir")]
    engine: Option<EngineChoice>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

const TICK: Duration = Duration::from_millis(200);
/// How often a service is asked how far it is.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// Views that differ from a fresh fold of the log.
const DIFFERENT: u8 = 2;

impl Rebuild {
    pub async fn run(self) -> Result<ExitCode> {
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} entries, {per_sec}, {eta} left")?;
        let bar = ProgressBar::new(0).with_style(style);
        let report = match &self.dir {
            Some(dir) => {
                let (dir, engine, accept) = (dir.clone(), self.engine, self.accept_difference);
                let bar = bar.clone();
                tokio::task::spawn_blocking(move || rebuild_in(&dir, engine, accept, &bar)).await??
            }
            None => self.ask_service(&bar).await?,
        };
        bar.finish_and_clear();
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        } else {
            print_report(&report);
        }
        let proved = report.live.is_some() && report.difference.is_none();
        Ok(if proved || report.switched { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) })
    }

    async fn ask_service(&self, bar: &ProgressBar) -> Result<RebuildReport> {
        let api = Api::new(&self.target)?;
        let request = api
            .request(Method::POST, "/v1/views/rebuild")
            .query(&[("accept_difference", self.accept_difference)]);
        let report = tokio::select! {
            report = api.answer(request) => report?,
            never = follow(&api, bar) => match never {},
        };
        serde_json::from_value(report).context("the service's report cannot be read")
    }
}

/// Shows how far a service's rebuild is. Progress that cannot be asked for now is asked for again.
async fn follow(api: &Api, bar: &ProgressBar) -> Infallible {
    loop {
        tokio::time::sleep(ASK_EVERY).await;
        let asked = api.answer(api.request(Method::GET, "/v1/views/progress")).await;
        if let Some(told) = asked.ok().and_then(|told| serde_json::from_value::<Progress>(told).ok()) {
            show(&told, bar);
        }
    }
}

fn show(progress: &Progress, bar: &ProgressBar) {
    if let Some(rebuild) = &progress.rebuild {
        bar.set_length(rebuild.of);
        bar.set_position(rebuild.read);
    }
}

fn rebuild_in(
    dir: &Path,
    engine: Option<EngineChoice>,
    accept_difference: bool,
    bar: &ProgressBar,
) -> Result<RebuildReport> {
    let home = Home::open(dir)?;
    let (source, admission) = crate::log::open_read_only(&home)?;
    let last = admission.last_lsn;
    let wanted = engine.unwrap_or(home.config.engine);
    // A switch that was interrupted may have left views of either engine.
    let in_use = engine_in_use(&home.views_dir())?.unwrap_or(wanted.into());
    let options = Options { engine: in_use.into(), ..Options::in_directory(home.views_dir()) };
    let (views, service) = Views::start(options, home.config.log_id, source)
        .context("the views cannot be opened; if the service is running, leave --dir out and give --token")?;
    while views.progress().lsn < last && views.progress().stopped.is_none() {
        std::thread::sleep(TICK);
    }
    if let Some(why) = views.progress().stopped {
        tracing::warn!(why, "the views in use had stopped; the fresh ones take their place");
    }
    let report = std::thread::scope(|scope| {
        let rebuilding = scope.spawn(|| views.rebuild_with(wanted.into(), accept_difference));
        while !rebuilding.is_finished() {
            std::thread::sleep(TICK);
            show(&views.progress(), bar);
        }
        rebuilding.join().map_err(|_| anyhow!("the thread that rebuilt the views panicked"))
    })?;
    service.stop();
    match report {
        Ok(report) if report.switched => switch_saved_state(home, wanted).map(|()| report),
        Ok(report) => Ok(report),
        Err(error) => bail!("the rebuild failed, the views in use are unchanged: {error}"),
    }
}

/// After the views: what the writer saved, too, is kept by `wanted` from now on.
fn switch_saved_state(home: Home, wanted: EngineChoice) -> Result<()> {
    let registry = home.registry_dir();
    if engine_of(&registry)?.is_some_and(|found| found != wanted.into()) {
        remove_store(&registry).context("removing what the writer saved with the other engine")?;
        tracing::info!(
            "the next start folds the writer's state anew from the log, and saves it with {wanted:?}"
        );
    }
    home.kept_by(wanted)?;
    Ok(())
}

fn print_report(report: &RebuildReport) {
    let mut rows = table(["table", "entries", "sum of the fresh fold", "sum in use"]);
    for (place, sum) in report.rebuilt.tables.iter().enumerate() {
        let live = report.live.as_ref().and_then(|live| live.tables.get(place));
        let live = live.map_or_else(|| "stopped before".to_owned(), |live| live.sum.clone());
        rows.add_row([sum.table.clone(), sum.entries.to_string(), sum.sum.clone(), live]);
    }
    println!("{rows}");
    match (&report.difference, report.switched) {
        (None, true) => println!("equal at lsn {}; the fresh views are in use", report.rebuilt.lsn),
        (None, false) => println!("the views in use had stopped; nothing was switched"),
        (Some(first), switched) => {
            println!("they differ first in {} at {}: {:?}", first.table, first.key, first.what);
            let next = "run again with --accept-difference to put the fresh views in place";
            println!("{}", if switched { "the fresh views are in use" } else { next });
        }
    }
}
