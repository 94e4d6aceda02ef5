//! `dancu replay`

use crate::home::{DEFAULT_DIR, Home};
use crate::reading::lsn_bar;
use crate::tables::table;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use command_service::http::{Limits, Stop, serve};
use event_schemas::ids::{LogId, Lsn};
use event_schemas::time::Timestamp;
use projections::as_of::{KnownAt, last_recorded_by, recorded_at};
use projections::checksum::Checksum;
use projections::http::QueryState;
use projections::{FOLD_REVISION, Options, ViewService, Views};
use serde::{Deserialize, Serialize};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Build every view as it stood after a record, in a directory of its own, from the log alone; and answer from it.
///
/// It takes no lock and changes nothing of the registry, so it may run beside the service. What was interrupted goes on where it
/// was. Whatever is asked of such a view, totals and flows too, is answered as it would have been answered then.
#[derive(Debug, Args)]
pub struct Replay {
    /// Directory of the registry.
    #[arg(long, default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// Up to this record.
    #[arg(long, value_name = "LSN", conflicts_with = "to_time", required_unless_present = "to_time")]
    to_lsn: Option<u64>,
    /// Everything recorded to the end of this day or up to this instant: 2024-03-31 or 2024-03-31T17:00:00+07:00.
    #[arg(long, value_name = "TIME")]
    to_time: Option<KnownAt>,
    /// Directory of the views; it holds one replay.
    #[arg(long)]
    into: PathBuf,
    /// Answer questions from it at this address, until SIGTERM or SIGINT: --url of `dancu query`.
    #[arg(long, value_name = "ADDRESS")]
    serve: Option<SocketAddr>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

const REPORT_FILE: &str = "replay.json";
const POLL: Duration = Duration::from_millis(50);

/// What a directory was built for; written before the first entry is folded.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Purpose {
    log_id: LogId,
    lsn: Lsn,
    recorded_at: Timestamp,
    /// Which folds: the same log and lsn give the same sums only by the same ones.
    fold_revision: u32,
}

/// What a replay gave.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    purpose: Purpose,
    checksum: Checksum,
}

impl Replay {
    pub async fn run(self) -> Result<ExitCode> {
        let home = Home::open(&self.dir)?;
        let purpose = self.purpose(&home)?;
        remember(&self.into, &purpose)?;
        let (views, service) = self.start(&home, purpose.lsn)?;
        let built = self.build(&views, &purpose).await;
        let told = match built {
            Ok(checksum) => self.tell(&Report { purpose, checksum }),
            Err(error) => Err(error),
        };
        let served = match (told, self.serve) {
            (Ok(()), Some(address)) => self.answer(&home, address, &views).await,
            (told, _) => told,
        };
        tokio::task::spawn_blocking(move || service.stop()).await?;
        served?;
        Ok(ExitCode::SUCCESS)
    }

    fn purpose(&self, home: &Home) -> Result<Purpose> {
        let (source, admission) = crate::log::open_read_only(home)?;
        let last = admission.last_lsn;
        let known_at = self.to_lsn.map(|lsn| KnownAt::Lsn(Lsn(lsn))).or(self.to_time);
        let lsn = match known_at.context("say how far with --to-lsn or --to-time")? {
            KnownAt::Lsn(lsn) => lsn,
            KnownAt::Time(time) => last_recorded_by(&*source, last, time)?,
        };
        ensure!(lsn <= last, "the log ends at lsn {last}; lsn {lsn} has not been recorded");
        ensure!(lsn > Lsn::ZERO, "the log's first entry was recorded at {}", recorded_at(&*source, Lsn(1))?);
        let (log_id, recorded_at) = (home.config.log_id, recorded_at(&*source, lsn)?);
        Ok(Purpose { log_id, lsn, recorded_at, fold_revision: FOLD_REVISION })
    }

    fn start(&self, home: &Home, until: Lsn) -> Result<(Views, ViewService)> {
        let (source, _) = crate::log::open_read_only(home)?;
        let options = Options { until, ..Options::in_directory(self.into.join("views")) };
        Views::start(options, home.config.log_id, source).context("opening the replayed views")
    }

    async fn build(&self, views: &Views, purpose: &Purpose) -> Result<Checksum> {
        let bar = lsn_bar(purpose.lsn);
        loop {
            let progress = views.progress();
            bar.set_position(progress.lsn.0);
            if let Some(why) = progress.stopped {
                bail!("the replay stopped at lsn {}: {why}", progress.lsn);
            }
            if progress.lsn >= purpose.lsn {
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        bar.finish_and_clear();
        let views = views.clone();
        Ok(tokio::task::spawn_blocking(move || views.checksum()).await??)
    }

    fn tell(&self, report: &Report) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(report)?);
            return Ok(());
        }
        let mut rows = table(["table", "entries", "sum"]);
        for sum in &report.checksum.tables {
            rows.add_row([sum.table.clone(), sum.entries.to_string(), sum.sum.clone()]);
        }
        println!("{rows}");
        let Purpose { log_id, lsn, recorded_at, .. } = &report.purpose;
        println!(
            "as it stood at lsn {lsn}, recorded {recorded_at}, of log {log_id}: {}",
            self.into.display()
        );
        if self.serve.is_none() {
            println!(
                "run it again with --serve 127.0.0.1:7071 to ask it with `dancu query --url http://127.0.0.1:7071/ …`"
            );
        }
        Ok(())
    }

    /// Answers questions with the registry's own tokens; personal reads are recorded beside the replay.
    async fn answer(&self, home: &Home, address: SocketAddr, views: &Views) -> Result<()> {
        let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
        let address = listener.local_addr()?;
        let guard = crate::service::guard_with_audit_in(home, &self.into.join("audit"))?;
        let (stop, stopped) = Stop::new();
        let queries = QueryState::new(views.clone(), stop.subscribe());
        let router = projections::http::routes().into_router(&guard, queries);
        let router = access::http::route::fallbacks(router);
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let serving = tokio::spawn(serve(listener, router, Limits::default(), stopped));
        println!("answering at http://{address}/");
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.send_replace(true);
        serving.await?.context("serving HTTP")
    }
}

/// A directory is for one replay: another lsn, log or fold needs another.
fn remember(into: &Path, purpose: &Purpose) -> Result<()> {
    let path = into.join(REPORT_FILE);
    if path.exists() {
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let before: Purpose =
            serde_json::from_slice(&text).with_context(|| format!("{} cannot be read", path.display()))?;
        ensure!(
            before == *purpose,
            "{} holds the replay of log {} up to lsn {}; give another directory with --into",
            into.display(),
            before.log_id,
            before.lsn
        );
        return Ok(());
    }
    let is_empty = !into.exists() || fs::read_dir(into)?.next().is_none();
    ensure!(is_empty, "{} holds something else; give an empty directory with --into", into.display());
    fs::create_dir_all(into).with_context(|| format!("making {}", into.display()))?;
    fs::write(&path, serde_json::to_vec_pretty(purpose)?)
        .with_context(|| format!("writing {}", path.display()))
}
