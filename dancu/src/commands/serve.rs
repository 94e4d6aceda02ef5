//! `dancu serve`

use super::log::sealed_place;
use crate::archive::{Archive, Archiving};
use crate::duration::span;
use crate::home::{ClockChoice, DEFAULT_DIR, EngineChoice, Home, NewHome};
use crate::log::LogArgs;
use crate::service::{NodeSettings, Running, Settings};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use command_service::gateway::CommandGateway;
use command_service::http::Limits;
use event_schemas::ids::OfficerId;
use event_schemas::text::Text;
use event_schemas::time::Timestamp;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Run the service: commands, queries, views, audit log. Makes the registry if there is none.
///
/// It ends in order on SIGTERM and SIGINT: it takes no more requests, answers everything it accepted, saves, and ends.
/// It listens on the machine itself alone unless told otherwise, and speaks plain HTTP: put a TLS proxy before it.
#[derive(Debug, Args)]
pub struct Serve {
    /// Directory of the registry.
    #[arg(long, default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// Address to listen on; port 0 chooses one.
    #[arg(long, default_value = "127.0.0.1:7070")]
    listen: SocketAddr,
    #[command(flatten)]
    log: LogArgs,
    /// Name of this node among those on the same log; each needs its own.
    #[arg(long, default_value = "node")]
    node: String,
    /// Where other nodes reach this one, such as http://10.0.0.7:7070; the address that it listens on unless stated.
    #[arg(long, value_name = "URL")]
    advertise: Option<String>,
    /// Directory whose registry this node belongs to: its names, keys and secret of PINs are copied if --dir holds none yet.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// A node without a sign of life for so long shall not lead; brokers allow no less than 6s unless they are told to.
    #[arg(long, default_value = "6s", value_parser = span)]
    session_timeout: Duration,
    /// How recorded time comes about; chosen once, when the registry is made.
    #[arg(long, value_enum)]
    clock: Option<ClockChoice>,
    /// When a scripted clock begins, such as 2020-01-01T00:00:00Z; chosen once too.
    #[arg(long)]
    begins_at: Option<Timestamp>,
    /// Which engine keeps saved state and views: sled unless chosen when the registry is made. `dancu rebuild --engine` switches.
    #[arg(long, value_enum)]
    engine: Option<EngineChoice>,
    /// Accept on record that the machine's clock is far ahead of the last record, and why.
    #[arg(long, value_name = "REASON")]
    consent_to_clock: Option<Text<200>>,
    /// Officer who consents.
    #[arg(long, default_value = "1")]
    officer: OfficerId,
    /// Most requests a second of one officer.
    #[arg(long)]
    requests_per_second: Option<u32>,
    /// Longest time between two savings of changed state, such as 30s; what was not saved is read from the log at a start.
    #[arg(long, default_value = "30s", value_parser = span)]
    save_every: Duration,
    /// Counts from one up to below this are hidden from tokens that may see totals and no persons.
    #[arg(long, default_value_t = projections::disclosure::DEFAULT_THRESHOLD)]
    hide_below: u64,
    /// Keep a copy of the log in this directory, on another disk; see `dancu backup`.
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
    /// Most connections.
    #[arg(long)]
    connections: Option<usize>,
}

/// What brokers may be told to allow.
const SESSION_TIMEOUTS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(300);
const SERVING_WAIT: Duration = Duration::from_secs(3_600);
const HEALTH_EVERY: Duration = Duration::from_millis(250);

impl Serve {
    pub async fn run(self) -> Result<ExitCode> {
        let new = NewHome {
            clock: self.clock,
            begins_at: self.begins_at,
            log: self.log.place()?,
            engine: self.engine,
            from: self.from.clone(),
        };
        let home = Home::open_or_create(&self.dir, new)?;
        let defaults = Limits::default();
        let limits = Limits {
            requests_per_second: self.requests_per_second.unwrap_or(defaults.requests_per_second),
            connections: self.connections.unwrap_or(defaults.connections),
            ..defaults
        };
        ensure!(limits.connections > 0, "--connections must be at least 1");
        ensure!((1..=1_000_000).contains(&self.hide_below), "--hide-below must be between 1 and 1,000,000");
        ensure!(
            SESSION_TIMEOUTS.contains(&self.session_timeout),
            "--session-timeout must be between 1s and 5min"
        );
        let (listen, save_every, hide_below) = (self.listen, self.save_every, self.hide_below);
        let (name, advertise, session_timeout) =
            (self.node.clone(), self.advertise.clone(), self.session_timeout);
        let node = NodeSettings { name, advertise, session_timeout };
        let settings = Settings { listen, node, limits, save_every, hide_below };
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let running = Running::start(&home, settings).await?;
        let archiving = self.archive(&home, &running)?;
        if let Some(reason) = self.consent_to_clock.clone() {
            running.gateway.consent_to_clock(self.officer, reason);
        }
        let told = tokio::select! {
            told = self.serve(&running) => told,
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        };
        tracing::info!("ending: no more requests are taken, what was accepted is answered");
        let stopped = running.stop().await;
        if let Some(archiving) = archiving {
            tokio::task::spawn_blocking(|| archiving.stop()).await?;
        }
        told?;
        stopped?;
        tracing::info!("ended in order");
        Ok(ExitCode::SUCCESS)
    }

    fn archive(&self, home: &Home, running: &Running) -> Result<Option<Archiving>> {
        let Some(dir) = &self.archive else { return Ok(None) };
        let archive = Archive::of(home, dir)?;
        Archiving::start(archive, running.source()).map(Some)
    }

    /// Watches over the service; returns only if it fails.
    async fn serve(&self, running: &Running) -> Result<()> {
        let address = running.address;
        running.wait_until_serving(SERVING_WAIT).await?;
        let stats = running.gateway.stats();
        let (lsn, saved_lsn, term) = (stats.lsn.0, stats.saved_lsn.0, stats.term.0);
        let (node, role) = (&self.node, format!("{:?}", stats.role));
        tracing::info!(%address, node, role, lsn, saved_lsn, term, dir = %self.dir.display(), "serving");
        let dir = self.dir.display();
        if let Some(barred) = stats.barred {
            let place = sealed_place(&*running.source(), stats.lsn)?
                .map_or(String::new(), |place| format!(" ({place})"));
            tracing::warn!(%address, "{barred}{place}: queries are answered, commands are not taken; see `dancu log --help`");
        }
        let told = format!(
            "serving at http://{address}/  (API and its page)\n\
             a token:  dancu token --dir {dir} --office 1 --officer 1 --scopes all\n"
        );
        // Whoever started it may have closed the pipe; that is no reason to stop serving.
        let _ = std::io::stdout().write_all(told.as_bytes());
        loop {
            tokio::time::sleep(HEALTH_EVERY).await;
            if running.has_failed() {
                let stats = running.gateway.stats();
                let failure = stats.failure.clone().context("the writer ended without a reason");
                bail!("{}; run `dancu verify --dir {dir}`, then start anew", failure?);
            }
        }
    }
}
