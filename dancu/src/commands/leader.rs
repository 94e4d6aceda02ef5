//! `dancu leader`

use crate::client::{Api, Target};
use crate::tables::table;
use anyhow::{Context, Result};
use clap::Args;
use command_service::gateway::Role;
use command_service::http::leader::LeaderAnswer;
use reqwest::Method;
use std::process::ExitCode;

/// Who leads: node, term, since when. Any node that follows the log answers.
#[derive(Debug, Args)]
pub struct Leader {
    /// Let the node that is asked claim the lead, whoever has it.
    #[arg(long)]
    takeover: bool,
    /// Print the answer as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

impl Leader {
    pub async fn run(self) -> Result<ExitCode> {
        let api = Api::new(&self.target)?;
        let (method, path) = match self.takeover {
            true => (Method::POST, "/v1/leader/takeover"),
            false => (Method::GET, "/v1/leader"),
        };
        let answer = api.answer(api.request(method, path)).await?;
        let has_failed = {
            let answer: LeaderAnswer =
                serde_json::from_value(answer.clone()).context("the node's answer cannot be read")?;
            match self.json {
                true => println!("{}", serde_json::to_string(&answer)?),
                false => print(&answer),
            }
            self.takeover && answer.this_node.role != Role::Leading
        };
        if has_failed {
            eprintln!("the node that was asked does not lead; its log says why");
        }
        Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn print(answer: &LeaderAnswer) {
    let mut rows = table(["leader", ""]);
    match &answer.leader {
        Some(leader) => {
            rows.add_row(["node".to_owned(), leader.node.clone()]);
            rows.add_row(["address".to_owned(), leader.url.clone().unwrap_or_else(|| "not stated".into())]);
            rows.add_row(["term".to_owned(), leader.term.0.to_string()]);
            rows.add_row(["since".to_owned(), format!("{} (lsn {})", leader.claimed_at, leader.lsn)]);
        }
        None => {
            rows.add_row(["node", "nobody has led this log yet"]);
        }
    }
    let node = &answer.this_node;
    rows.add_row(["asked".to_owned(), format!("{}, {}", node.node, role_name(node.role))]);
    rows.add_row(["its lsn".to_owned(), format!("{} ({} entries behind)", node.lsn, node.entries_behind)]);
    if let Some(silent_ms) = node.leader_silent_ms.filter(|_| node.role == Role::Following) {
        rows.add_row(["leader heard".to_owned(), format!("{:.1} s ago", silent_ms as f64 / 1_000.0)]);
    }
    if let Some(last) = &node.last_step_down {
        let told = format!("{} at {}: {}", last.reason.code(), last.at, last.details);
        rows.add_row(["its last step-down".to_owned(), told]);
    }
    println!("{rows}");
}

fn role_name(role: Role) -> String {
    serde_json::to_value(role).ok().and_then(|name| Some(name.as_str()?.to_owned())).unwrap_or_default()
}
