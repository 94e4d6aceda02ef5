//! `dancu explain`

use super::explain_total::ExplainTotal;
use super::past::{Asking, Times};
use crate::client::{Api, Target};
use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use std::process::ExitCode;

/// Say which events make a person, a household, a card or a total what the views say, with who recorded them when.
#[derive(Debug, Args)]
pub struct Explain {
    #[command(subcommand)]
    what: What,
    /// Why personal data is read; it is recorded.
    #[arg(long, env = "DANCU_PURPOSE", global = true)]
    purpose: Option<String>,
    /// Print the service's answer as it is.
    #[arg(long, global = true)]
    json: bool,
    #[command(flatten)]
    times: Times,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A person, by id (P17), PIN (12 digits) or CMND (9 digits).
    Person { person: String },
    /// A household, by id (H5).
    Household { household: String },
    /// A card, by id (C3).
    Card { card: String },
    /// A total, from the log itself.
    Total(ExplainTotal),
}

impl Explain {
    pub async fn run(self) -> Result<ExitCode> {
        let row = match self.what {
            What::Person { person } => person,
            What::Household { household } => household,
            What::Card { card } => card,
            What::Total(total) => {
                ensure!(
                    self.times.parameters().is_empty(),
                    "a total is explained by the records from --from to --to, not by --valid-on or --known-at"
                );
                return tokio::task::spawn_blocking(move || total.run(self.json)).await?;
            }
        };
        let api = Api::new(&self.target)?;
        let asking = Asking { api: &api, purpose: self.purpose.as_deref() };
        asking.explain(&row, &self.times.parameters(), self.json).await?;
        Ok(ExitCode::SUCCESS)
    }
}
