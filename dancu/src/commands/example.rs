//! `dancu example`

use anyhow::{Context, Result};
use clap::Args;
use event_schemas::Command;
use event_schemas::examples::example;
use event_schemas::ids::CommandId;
use std::process::ExitCode;
use uuid::Uuid;

/// Print a valid command of any kind.
///
/// The people in it are invented. Its command_id is new each time; without a kind, the kinds are listed.
#[derive(Debug, Args)]
pub struct Example {
    /// Such as birth; without it, the kinds are listed.
    kind: Option<String>,
    /// In one line, as batches need it.
    #[arg(long)]
    compact: bool,
}

impl Example {
    pub fn run(self) -> Result<ExitCode> {
        let Some(kind) = self.kind else {
            for (_, name) in Command::KINDS {
                println!("{name}");
            }
            return Ok(ExitCode::SUCCESS);
        };
        let mut envelope = example(&kind)
            .with_context(|| format!("there is no command '{kind}'; run `dancu example` for the list"))?;
        envelope.command_id = CommandId::from(Uuid::new_v4());
        let text = if self.compact {
            serde_json::to_string(&envelope)?
        } else {
            serde_json::to_string_pretty(&envelope)?
        };
        println!("{text}");
        Ok(ExitCode::SUCCESS)
    }
}
