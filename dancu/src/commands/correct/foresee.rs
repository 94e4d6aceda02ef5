//! What a correction would change of what is shown: rows member by member, indexes, totals, what follows.

use super::bulk::Bulk;
use crate::client::Api;
use crate::tables::{plain, print_rows, table};
use anyhow::{Context, Result};
use clap::Args;
use event_schemas::CommandEnvelope;
use event_schemas::ids::OperationId;
use reqwest::Method;
use serde_json::{Map, Value};
use std::process::ExitCode;

/// Totals and keys of indexes that are shown to people; `--json` tells all.
const MAX_SHOWN: usize = 40;

/// What an operation would change.
#[derive(Debug, Args)]
pub struct Effect {
    operation: OperationId,
    /// One correction after the other, with every row before and after.
    #[arg(long)]
    rows: bool,
    /// Where a page goes on, as the page before said.
    #[arg(long, requires = "rows")]
    after: Option<String>,
    /// Most corrections of a page.
    #[arg(long, requires = "rows")]
    limit: Option<u32>,
}

impl Effect {
    /// Asks and prints.
    pub async fn run(&self, bulk: &Bulk) -> Result<ExitCode> {
        let operation = self.operation;
        let path = format!("/v1/operations/{operation}/effect{}", if self.rows { "/items" } else { "" });
        let mut request = bulk.api.request(Method::GET, &path);
        request = request.query(&self.after.iter().map(|after| ("after", after)).collect::<Vec<_>>());
        request = request.query(&self.limit.iter().map(|limit| ("limit", limit)).collect::<Vec<_>>());
        if let Some(purpose) = &bulk.purpose {
            request = request.header("x-purpose", purpose.as_bytes());
        }
        let answer = bulk.api.answer(request).await?;
        match self.rows {
            _ if bulk.json => println!("{answer}"),
            true => print_items(&answer),
            false => print_sums(&answer),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print_items(answer: &Value) {
    for item in list(answer, "items") {
        println!("correction {} of part {}", plain(&item["place"]), plain(&item["part"]));
        match &item["effect"] {
            Value::Null => println!(
                "a row of it has moved since it was staged: the commit derives it again, or leaves it out"
            ),
            effect => print_effect(effect),
        }
    }
    if let Some(next) = answer["next"].as_str() {
        println!("more with --after {next}");
    }
    println!("as of lsn {}", plain(&answer["lsn"]));
}

fn print_sums(answer: &Value) {
    println!(
        "{} corrections; judged again by the commit, because a row has moved: {}",
        answer["items"], answer["moved"]
    );
    println!("rows: {}", plain(&answer["rows"]));
    print_first("indexes", list(answer, "indexes"));
    let totals: Vec<Value> = list(answer, "totals").iter().map(total).collect();
    print_first("totals", &totals);
    println!("as of lsn {}", plain(&answer["lsn"]));
}

/// The dry run's outcome with its effect, or what is said against it.
pub async fn ask(api: &Api, envelope: &CommandEnvelope, purpose: Option<&str>) -> Result<Value> {
    let purpose = purpose.map_or_else(|| format!("dry run of {}", envelope.command.name()), str::to_owned);
    let request = api.request(Method::POST, "/v1/commands/effect");
    let request = request.header("content-type", "application/json").header("x-purpose", purpose.as_bytes());
    let answer = api.send(request.body(serde_json::to_string(envelope)?)).await?;
    answer.json().await.context("the answer is no JSON")
}

/// For people.
pub fn print(effect: &Value) {
    print_effect(effect);
    println!("as of lsn {}", plain(&effect["lsn"]));
}

fn print_effect(effect: &Value) {
    for row in list(effect, "rows") {
        print_row(row);
    }
    print_first("indexes", list(effect, "indexes"));
    let totals: Vec<Value> = list(effect, "totals").iter().map(total).collect();
    print_first("totals", &totals);
    for follows in list(effect, "follows") {
        println!("follows: {}", plain(follows));
    }
    let withheld = effect["withheld"].as_object().into_iter().flatten();
    let withheld: Vec<String> = withheld
        .filter(|(_, count)| count.as_u64() != Some(0))
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    if !withheld.is_empty() {
        println!(
            "changed too, but not shown to a token without the scopes to read them: {}",
            withheld.join(", ")
        );
    }
}

fn list<'a>(effect: &'a Value, name: &str) -> &'a [Value] {
    effect[name].as_array().map_or(&[], Vec::as_slice)
}

fn print_first(name: &str, rows: &[Value]) {
    if rows.is_empty() {
        return;
    }
    print_rows(name, &rows[..rows.len().min(MAX_SHOWN)]);
    if rows.len() > MAX_SHOWN {
        println!("and {} more, with --json", rows.len() - MAX_SHOWN);
    }
}

fn print_row(row: &Value) {
    let (mut before, mut after) = (Map::new(), Map::new());
    members("", &row["before"], &mut before);
    members("", &row["after"], &mut after);
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| before.get(*name) != after.get(*name) && !name.ends_with("version"));
    println!("{}, then version {}", plain(&row["row"]), plain(&row["version"]));
    if names.is_empty() {
        println!("nothing of it is shown otherwise");
        return;
    }
    let mut shown = table(["", "before", "after"]);
    for name in names {
        let text = |members: &Map<String, Value>| members.get(name).map_or_else(String::new, plain);
        shown.add_row([name.replace('_', " "), text(&before), text(&after)]);
    }
    println!("{shown}");
}

/// Members two levels down, and lists as they are.
fn members(prefix: &str, value: &Value, into: &mut Map<String, Value>) {
    let Value::Object(inner) = value else {
        if !value.is_null() {
            into.insert(prefix.to_owned(), value.clone());
        }
        return;
    };
    for (name, value) in inner {
        let is_view = prefix.is_empty() && inner.len() == 1;
        let full = match (is_view, prefix) {
            (true, _) => String::new(),
            (false, "") => name.clone(),
            (false, prefix) => format!("{prefix} · {name}"),
        };
        members(&full, value, into);
    }
}

/// In few columns: what is counted, where, by what, and how many.
fn total(total: &Value) -> Value {
    let apart = ["counted", "unit", "before", "after"];
    let by = total.as_object().into_iter().flatten().filter(|(name, _)| !apart.contains(&name.as_str()));
    let by: Vec<String> =
        by.map(|(name, value)| format!("{} {}", name.replace('_', " "), plain(value))).collect();
    let mut shown = Map::new();
    for name in apart {
        shown.insert(name.to_owned(), total[name].clone());
    }
    shown.insert("by".to_owned(), Value::from(by.join(", ")));
    Value::Object(shown)
}
