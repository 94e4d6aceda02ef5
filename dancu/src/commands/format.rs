//! `dancu format`

use crate::client::{Api, Target};
use crate::tables::table;
use anyhow::{Context, Result};
use clap::Args;
use command_service::http::format::{Activation, FormatAnswer};
use event_schemas::format::NEWEST;
use reqwest::Method;
use std::process::ExitCode;

/// Which format the log is of, and which ones the nodes know; or let a later one be in force.
///
/// After an upgrade of every node, --activate lets the log hold what only the new version can read. Until then every node may be
/// taken back to the version before; afterwards none may.
#[derive(Debug, Args)]
pub struct Format {
    /// Let this format be in force from now on, for ever.
    #[arg(long, value_name = "FORMAT")]
    activate: Option<u16>,
    /// Activate it even if nodes are there that do not know it: they stop.
    #[arg(long, requires = "activate")]
    even_if_unknown: bool,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

impl Format {
    pub async fn run(self) -> Result<ExitCode> {
        let api = Api::new(&self.target)?;
        let request = match self.activate {
            Some(format) => api
                .request(Method::POST, "/v1/format")
                .json(&Activation { format, even_if_unknown: self.even_if_unknown }),
            None => api.request(Method::GET, "/v1/format"),
        };
        let answer = api.answer(request).await?;
        let answer: FormatAnswer =
            serde_json::from_value(answer).context("the node's answer cannot be read")?;
        match self.json {
            true => println!("{}", serde_json::to_string(&answer)?),
            false => print(&answer),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print(answer: &FormatAnswer) {
    let mut rows = table(["format", ""]);
    rows.add_row(["in force".to_owned(), answer.active.to_string()]);
    for node in &answer.nodes {
        rows.add_row([format!("{} knows", node.node), format!("up to {}", node.knows)]);
    }
    rows.add_row(["this program knows".to_owned(), format!("up to {NEWEST}")]);
    println!("{rows}");
    if answer.known_by_all > answer.active {
        println!("format {0} can be activated: dancu format --activate {0}", answer.known_by_all);
    }
}
