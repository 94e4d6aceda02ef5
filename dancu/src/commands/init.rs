//! `dancu init`

use crate::home::{ClockChoice, DEFAULT_DIR, EngineChoice, Home, NewHome};
use crate::log::LogArgs;
use crate::service::{Running, Settings};
use anyhow::Result;
use clap::Args;
use event_schemas::time::Timestamp;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Make a registry: names, keys, the secret of PINs, the first entry of its log.
#[derive(Debug, Args)]
pub struct Init {
    /// Directory of the registry; it must hold none yet.
    #[arg(long, default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// How recorded time comes about. Cannot be changed later.
    #[arg(long, value_enum, default_value_t = ClockChoice::Wall)]
    clock: ClockChoice,
    /// When a scripted clock begins, such as 2020-01-01T00:00:00Z; the present unless stated.
    #[arg(long)]
    begins_at: Option<Timestamp>,
    #[command(flatten)]
    log: LogArgs,
    /// Which engine keeps saved state and views. `dancu rebuild --engine` switches.
    #[arg(long, value_enum, default_value_t)]
    engine: EngineChoice,
}

const GENESIS_WAIT: Duration = Duration::from_secs(30);

impl Init {
    pub async fn run(self) -> Result<ExitCode> {
        let new = NewHome {
            clock: Some(self.clock),
            begins_at: self.begins_at,
            log: self.log.place()?,
            engine: Some(self.engine),
            from: None,
        };
        let home = Home::create(&self.dir, new)?;
        // The service itself writes the log's first entry; it listens nowhere that anybody knows of meanwhile.
        let running = Running::start(&home, Settings::on_any_port()).await?;
        running.wait_until_leading(GENESIS_WAIT).await?;
        running.stop().await?;
        let dir = self.dir.display();
        println!("made the registry {} in {dir}", home.config.log_id);
        println!("keep a copy of {dir}/keys and {dir}/pin.key in a safe place; nothing can make them again");
        println!("\nnext:\n  dancu serve --dir {dir}");
        Ok(ExitCode::SUCCESS)
    }
}
