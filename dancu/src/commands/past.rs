//! What `dancu query` and `dancu explain` ask of the past: the two times, whole histories, explanations.

use crate::client::Api;
use crate::tables::{self, plain, table};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// The two times of a question; now unless stated.
#[derive(Clone, Debug, Args)]
pub struct Times {
    /// What held on this day, such as 2024-03-31; on the registry's day unless stated.
    #[arg(long, global = true)]
    valid_on: Option<String>,
    /// By what was recorded up to this lsn, to the end of this day, or up to this instant: 17, 2024-03-31 or
    /// 2024-03-31T17:00:00+07:00; by everything recorded unless stated.
    #[arg(long, global = true)]
    known_at: Option<String>,
}

impl Times {
    /// As the query API takes them.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let valid_on = self.valid_on.clone().map(|day| ("valid_on", day));
        valid_on.into_iter().chain(self.known_at.clone().map(|known| ("known_at", known))).collect()
    }
}

/// A caller that says why.
pub struct Asking<'a> {
    pub api: &'a Api,
    pub purpose: Option<&'a str>,
}

impl Asking<'_> {
    /// A question with its purpose.
    pub fn get(&self, path: &str, parameters: &[(&'static str, String)]) -> RequestBuilder {
        let request = self.api.request(Method::GET, path).query(parameters);
        match self.purpose {
            Some(purpose) => request.header("x-purpose", purpose.as_bytes()),
            None => request,
        }
    }

    /// The address of a person (P17, a PIN, a CMND), household (H5) or card (C3).
    pub async fn row_path(&self, row: &str) -> Result<String> {
        let is_plain = !row.is_empty() && row.bytes().all(|byte| byte.is_ascii_alphanumeric());
        ensure!(is_plain, "'{row}' is no id; write P17, H5, C3, a PIN or a CMND");
        let is_number = row.bytes().all(|byte| byte.is_ascii_digit());
        match (row.as_bytes().first(), is_number, row.len()) {
            (Some(b'H'), ..) => Ok(format!("/v1/households/{row}")),
            (Some(b'C'), ..) => Ok(format!("/v1/cards/{row}")),
            (_, true, 9 | 12) => {
                let by = if row.len() == 12 { "by-pin" } else { "by-cmnd" };
                let found = self.api.answer(self.get(&format!("/v1/persons/{by}/{row}"), &[])).await?;
                Ok(format!("/v1/persons/{}", plain(&found["person"]["id"])))
            }
            _ => Ok(format!("/v1/persons/{row}")),
        }
    }

    /// Everything recorded of a row: a table, JSON, or a page in a file.
    pub async fn chronicle(
        &self,
        row: &str,
        parameters: &[(&'static str, String)],
        html: Option<&Path>,
        as_json: bool,
    ) -> Result<()> {
        let path = format!("{}/chronicle", self.row_path(row).await?);
        let request = self.get(&path, parameters);
        if let Some(file) = html {
            let page = self.api.text(request.header("accept", "text/html")).await?;
            fs::write(file, page).with_context(|| format!("writing {}", file.display()))?;
            println!("{}", file.display());
            return Ok(());
        }
        let answer = self.api.answer(request).await?;
        match as_json {
            true => println!("{answer}"),
            false => print_chronicle(&answer),
        }
        Ok(())
    }

    /// Why a row is what it is.
    pub async fn explain(
        &self,
        row: &str,
        parameters: &[(&'static str, String)],
        as_json: bool,
    ) -> Result<()> {
        let path = format!("{}/explanation", self.row_path(row).await?);
        let answer = self.api.answer(self.get(&path, parameters)).await?;
        match as_json {
            true => println!("{answer}"),
            false => print_explanation(&answer)?,
        }
        Ok(())
    }
}

/// The items of a list.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn print_chronicle(answer: &Value) {
    let chronicle = &answer["chronicle"];
    let name = |office: &Value| {
        let found = list(&chronicle["offices"]).iter().find(|known| known["id"] == *office);
        found.map_or_else(|| plain(office), |known| plain(&known["name"]))
    };
    let mut rows = table([
        "event",
        "recorded",
        "effective",
        "what",
        "",
        "office",
        "officer",
        "command",
        "basis",
        "counts no more since",
    ]);
    for record in list(&chronicle["records"]) {
        for event in list(&record["events"]) {
            let by = &record["submitted"];
            rows.add_row([
                format!("{}.{}", record["lsn"], event["index"]),
                plain(&record["recorded_at"]),
                plain(&event["effective_on"]),
                plain(&event["label"]["en"]),
                brief(&event["body"]),
                name(&by["office"]),
                plain(&by["officer"]),
                plain(&by["command"]),
                brief_basis(&event["basis"]),
                plain(&event["taken_back_by"]),
            ]);
        }
    }
    println!("{rows}");
    for record in list(&chronicle["records"]) {
        for restated in list(&record["restated"]) {
            println!("record {} told anew: {}", record["lsn"], plain(&restated["label"]["en"]));
            let mut sides = table(["", "event", "effective", "what", ""]);
            for (side, name) in [("before", "believed before"), ("after", "believed since")] {
                for event in list(&restated[side]) {
                    let mark = if event["only_here"] == true { " *" } else { "" };
                    sides.add_row([
                        format!("{name}{mark}"),
                        plain(&event["at"]),
                        plain(&event["effective_on"]),
                        plain(&event["event"]).replace('_', " "),
                        brief(&event["body"]),
                    ]);
                }
            }
            println!("{sides}");
        }
    }
    tables::print_frame(answer);
}

fn print_explanation(answer: &Value) -> Result<()> {
    let aspects = list(&answer["explanation"]["aspects"]);
    if aspects.is_empty() {
        bail!("the answer explains nothing");
    }
    for aspect in aspects {
        println!("{}", plain(&aspect["label"]["en"]));
        let mut says = table(["it says", ""]);
        for (name, value) in aspect["says"].as_object().into_iter().flatten() {
            says.add_row([name.replace('_', " "), plain(value)]);
        }
        println!("{says}");
        let mut events =
            table(["because of", "recorded", "effective", "what", "", "office", "officer", "command"]);
        let row = |event: &Value, because: Option<&Value>| {
            let by = &event["submitted"];
            let counts = because.map_or_else(String::new, |because| match because {
                Value::String(_) => " (holds later: does not count)".to_owned(),
                other => format!(" (taken back by {}: does not count)", plain(&other["taken_back_by"])),
            });
            [
                format!("{}{counts}", plain(&event["at"])),
                plain(&event["recorded_at"]),
                plain(&event["effective_on"]),
                plain(&event["label"]["en"]),
                brief(&event["body"]),
                plain(&by["office"]),
                plain(&by["officer"]),
                plain(&by["command"]),
            ]
        };
        for event in list(&aspect["made_by"]) {
            events.add_row(row(event, None));
        }
        for event in list(&aspect["not_counted"]) {
            events.add_row(row(event, Some(&event["because"])));
        }
        println!("{events}");
    }
    tables::print_frame(answer);
    Ok(())
}

fn brief_basis(basis: &Value) -> String {
    let parts = ["kind", "authority", "number", "date"].map(|name| plain(&basis[name]));
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The plain members of an event's body, in one line.
pub fn brief(body: &Value) -> String {
    let bodies = body.as_object().into_iter().flatten();
    let members = bodies.filter_map(|(_, body)| body.as_object()).flatten();
    let plainly = members.filter(|(_, value)| value.is_string() || value.is_number());
    let shown: Vec<String> = plainly.map(|(name, value)| format!("{name} {}", plain(value))).collect();
    shown.join(", ").replace('_', " ")
}

/// One row for each event of a page of a history.
pub fn history(mut answer: Value) -> Value {
    let mut rows = Vec::new();
    for record in list(&answer["records"]) {
        for event in list(&record["events"]) {
            let by = &record["submitted"];
            rows.push(json!({
                "lsn": format!("{}.{}", record["lsn"], event["index"]), "version": record["version"],
                "recorded": record["recorded_at"], "effective": event["effective_on"], "event": event["event"],
                "command": by["command"], "office": by["office"], "basis": event["basis"]["kind"],
                "what": brief(&event["body"]),
            }));
        }
    }
    if let Some(members) = answer.as_object_mut() {
        members.remove("row");
        members.insert("records".into(), Value::Array(rows));
    }
    answer
}
