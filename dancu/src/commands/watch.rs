//! `dancu watch`

use crate::client::{Api, Target, told};
use anyhow::{Context, Result, ensure};
use clap::Args;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// Follow what is recorded, one line an entry: who, what, and how many events of each kind. Names nobody.
///
/// Goes on by itself where it was when the connection is lost. Needs a token with the scope records:watch.
#[derive(Debug, Args)]
pub struct Watch {
    /// Begin after this lsn; with what comes from now on unless stated.
    #[arg(long)]
    after: Option<u64>,
    /// End after so many lines.
    #[arg(long)]
    count: Option<u64>,
    /// One JSON object a line, as the service tells it.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Tries to connect again, one after the other.
const MAX_ATTEMPTS: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest message that is taken.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

impl Watch {
    pub async fn run(self) -> Result<ExitCode> {
        let api = Api::new(&self.target)?;
        let mut at = self.after;
        let mut left = self.count.unwrap_or(u64::MAX);
        let mut response = connect(&api, at).await?;
        loop {
            let mut messages = Messages { response, buffer: Vec::new() };
            while left > 0
                && let Some(summary) = messages.next().await?
            {
                at = summary["lsn"].as_u64().or(at);
                left -= 1;
                if !self.print(&summary)? {
                    return Ok(ExitCode::SUCCESS);
                }
            }
            if left == 0 {
                return Ok(ExitCode::SUCCESS);
            }
            tracing::info!("the connection has ended; connecting again");
            response = connect_again(&api, at).await?;
        }
    }

    /// False if nobody reads any more.
    fn print(&self, summary: &Value) -> Result<bool> {
        let line = if self.json { summary.to_string() } else { line_of(summary) };
        match writeln!(std::io::stdout(), "{line}") {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

async fn connect(api: &Api, at: Option<u64>) -> Result<Response> {
    let mut request = api.request(Method::GET, "/v1/events");
    if let Some(lsn) = at {
        request = request.header("last-event-id", lsn);
    }
    let response = api.send(request).await?;
    match response.status() {
        StatusCode::OK => Ok(response),
        _ => Err(told(response.json().await.context("the answer is no JSON")?)),
    }
}

async fn connect_again(api: &Api, at: Option<u64>) -> Result<Response> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..MAX_ATTEMPTS {
        tokio::time::sleep(pause).await;
        match connect(api, at).await {
            Ok(response) => return Ok(response),
            Err(error) => tracing::debug!(%error, "no connection yet"),
        }
        pause *= 2;
    }
    tokio::time::sleep(pause).await;
    connect(api, at).await
}

/// Server-sent events, message by message.
struct Messages {
    response: Response,
    buffer: Vec<u8>,
}

impl Messages {
    /// The data of the next message; none when the connection has ended.
    async fn next(&mut self) -> Result<Option<Value>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let message: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let message = String::from_utf8(message).context("the service sends UTF-8")?;
                // Comments, which keep the connection alive, have no data.
                if let Some(data) = message.lines().find_map(|line| line.strip_prefix("data: ")) {
                    return serde_json::from_str(data).context("a message is no JSON");
                }
                continue;
            }
            ensure!(
                self.buffer.len() <= MAX_MESSAGE_BYTES,
                "a message is longer than {MAX_MESSAGE_BYTES} bytes"
            );
            match self.response.chunk().await {
                Ok(Some(chunk)) => self.buffer.extend_from_slice(&chunk),
                Ok(None) | Err(_) => return Ok(None),
            }
        }
    }
}

/// `lsn, time, office, what, events`, in columns.
fn line_of(summary: &Value) -> String {
    let text = |key: &str| summary[key].as_str().unwrap_or_default().to_owned();
    let who = summary["office"].as_u64().map_or_else(String::new, |office| format!("office {office}"));
    let what = match summary["entry"].as_str() {
        Some("record") => text("command"),
        Some("day_opened") => format!("day {}", text("date")),
        Some("lapsed") => format!("fell due on {}", text("date")),
        Some("leader") => format!("{} leads, term {}", text("node"), summary["term"]),
        _ => text("kind"),
    };
    let events = summary["events"].as_object().into_iter().flatten();
    let events: Vec<String> = events
        .map(|(name, count)| if *count == 1 { name.clone() } else { format!("{count} {name}") })
        .collect();
    let line = format!(
        "{:>9}  {:<27} {who:<10} {what:<24} {}",
        summary["lsn"].to_string(),
        text("recorded_at"),
        events.join(", ")
    );
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::line_of;
    use serde_json::json;

    #[test]
    fn a_line_says_who_did_what_and_how_many_events_came_of_it() {
        let record = json!({"lsn": 7, "recorded_at": "2026-01-02T03:04:05Z", "entry": "record", "office": 2,
            "command": "enrol_household", "events": {"household_formed": 1, "person_registered": 3}});
        let line = line_of(&record);
        for part in ["7  2026-01-02", "office 2", "enrol_household", "household_formed, 3 person_registered"]
        {
            assert!(line.contains(part), "{line}");
        }
        let day = json!({"lsn": 8, "recorded_at": "2026-01-02T03:04:05Z", "entry": "day_opened", "date": "2026-01-03"});
        assert!(line_of(&day).ends_with("day 2026-01-03"));
    }
}
