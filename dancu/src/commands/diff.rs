//! `dancu diff`

use super::past::{Asking, brief, list};
use crate::client::{Api, Target};
use crate::tables::{self, plain, table};
use anyhow::{Result, ensure};
use clap::Args;
use serde_json::Value;
use std::process::ExitCode;

/// Say of which residents of a unit something else is told by two pairs of times, what, and which events caused it.
///
/// A pair is a day on which things held, `@`, and up to what they were known: 2021-08-15@1187, 2021-08-15@2021-09-30. What is left out
/// is now.
#[derive(Debug, Args)]
pub struct Diff {
    /// The first pair.
    #[arg(long, value_name = "DAY@KNOWN")]
    from: String,
    /// The second pair; now unless stated.
    #[arg(long, value_name = "DAY@KNOWN")]
    to: Option<String>,
    /// A unit by code (00001) or id (U5), with everything below it.
    #[arg(long)]
    unit: String,
    /// Most persons.
    #[arg(long)]
    limit: Option<u32>,
    /// Where the page before said to go on.
    #[arg(long)]
    after: Option<String>,
    /// Why personal data is read; it is recorded.
    #[arg(long, env = "DANCU_PURPOSE")]
    purpose: Option<String>,
    /// Print the service's answer as it is.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

impl Diff {
    pub async fn run(self) -> Result<ExitCode> {
        let Self { from, to, unit, limit, after, purpose, json, target } = self;
        let is_plain = !unit.is_empty() && unit.bytes().all(|byte| byte.is_ascii_alphanumeric());
        ensure!(is_plain, "'{unit}' is no unit; write its code or an id such as U5");
        let api = Api::new(&target)?;
        let asking = Asking { api: &api, purpose: purpose.as_deref() };
        let stated = [
            ("from", Some(from)),
            ("to", to),
            ("limit", limit.map(|limit| limit.to_string())),
            ("after", after),
        ];
        let parameters: Vec<_> =
            stated.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let answer = api.answer(asking.get(&format!("/v1/units/{unit}/changes"), &parameters)).await?;
        match json {
            true => println!("{answer}"),
            false => print(&answer),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print(answer: &Value) {
    let changes = list(&answer["changes"]);
    for change in changes {
        let person = &change["person"];
        let pin = plain(&person["pin"]);
        println!(
            "{} (P{}, {pin}): {}",
            plain(&person["name"]),
            plain(&person["id"]),
            plain(&change["outcome"])
        );
        let mut rows = table(["what", "before", "after", "counts no more", "counts now"]);
        for aspect in list(&change["aspects"]) {
            rows.add_row([
                plain(&aspect["label"]["en"]),
                plain(&aspect["before"]),
                plain(&aspect["after"]),
                causes(&aspect["no_longer"]),
                causes(&aspect["newly"]),
            ]);
        }
        println!("{rows}");
    }
    let next = plain(&answer["next"]);
    match (changes.is_empty(), next.is_empty()) {
        (true, true) => println!("nothing differs"),
        (_, true) => {}
        (_, false) => println!("there may be more: --after {next}"),
    }
    tables::print_frame(answer);
}

fn causes(events: &Value) -> String {
    let line = |event: &Value| {
        let by = &event["submitted"];
        format!(
            "{} {} from {} (recorded {}, office {}, officer {}): {}",
            plain(&event["at"]),
            plain(&event["label"]["en"]),
            plain(&event["effective_on"]),
            plain(&event["recorded_at"]),
            plain(&by["office"]),
            plain(&by["officer"]),
            brief(&event["body"])
        )
    };
    list(events).iter().map(line).collect::<Vec<_>>().join("\n")
}
