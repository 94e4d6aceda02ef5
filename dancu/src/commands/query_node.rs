//! `dancu query-node`

use crate::home::{DEFAULT_DIR, Home};
use crate::log::LogArgs;
use crate::replica::{Replica, Settings};
use anyhow::{Result, ensure};
use clap::Args;
use command_service::http::Limits;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Run a node that answers queries alone: views that follow a log in Kafka.
///
/// Any number may run, each at its own pace; none takes part in leading, and none holds the secret of PINs or of tokens. It keeps its
/// own record of who read whom.
#[derive(Debug, Args)]
pub struct QueryNode {
    /// Directory of this node: its views and its record of reads.
    #[arg(long, default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// Directory of the registry that it belongs to: names and public keys are copied if --dir holds none yet.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    #[command(flatten)]
    log: LogArgs,
    /// Address to listen on; port 0 chooses one.
    #[arg(long, default_value = "127.0.0.1:7071")]
    listen: SocketAddr,
    /// Most requests a second of one officer.
    #[arg(long)]
    requests_per_second: Option<u32>,
    /// Counts from one up to below this are hidden from tokens that may see totals and no persons.
    #[arg(long, default_value_t = projections::disclosure::DEFAULT_THRESHOLD)]
    hide_below: u64,
}

impl QueryNode {
    pub async fn run(self) -> Result<ExitCode> {
        let home = Home::open_or_create_replica(&self.dir, self.from.as_deref(), self.log.followed()?)?;
        let defaults = Limits::default();
        let requests_per_second = self.requests_per_second.unwrap_or(defaults.requests_per_second);
        ensure!((1..=1_000_000).contains(&self.hide_below), "--hide-below must be between 1 and 1,000,000");
        let limits = Limits { requests_per_second, ..defaults };
        let settings = Settings { listen: self.listen, limits, hide_below: self.hide_below };
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let replica = Replica::start(&home, settings).await?;
        tokio::select! {
            () = replica.wait_until_caught_up() => {}
            _ = terminate.recv() => return replica.stop().await.map(|()| ExitCode::SUCCESS),
            _ = interrupt.recv() => return replica.stop().await.map(|()| ExitCode::SUCCESS),
        }
        let (address, lsn) = (replica.address, replica.views.progress().lsn.0);
        tracing::info!(%address, lsn, dir = %self.dir.display(), "answering queries");
        // Whoever started it may have closed the pipe; that is no reason to stop serving.
        let _ = writeln!(std::io::stdout(), "answering queries at http://{address}/  (API and its page)");
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        replica.stop().await?;
        tracing::info!("ended in order");
        Ok(ExitCode::SUCCESS)
    }
}
