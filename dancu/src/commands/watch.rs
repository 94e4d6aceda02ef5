//! `dancu watch`

use crate::client::{Api, Target, told};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

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

/// Connections tried without anything recorded; a connection that lasted counts as none.
const MAX_ATTEMPTS: u32 = 8;
const LASTING: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest message that is taken.
const MAX_MESSAGE_BYTES: usize = 1 << 20;

impl Watch {
    pub async fn run(self) -> Result<ExitCode> {
        let api = Api::new(&self.target)?;
        let mut left = self.count.unwrap_or(u64::MAX);
        let mut place = Place { after: self.after, last_id: None };
        let mut messages = connect(&api, &place).await?;
        let mut attempts = 0;
        let mut connected_at = Instant::now();
        while left > 0 {
            let Some(message) = messages.next().await? else {
                if connected_at.elapsed() > LASTING {
                    attempts = 0;
                }
                (messages, attempts) = connect_again(&api, &place, attempts).await?;
                connected_at = Instant::now();
                continue;
            };
            place.last_id = message.id.or(place.last_id);
            match message.event.as_str() {
                "recorded" => {
                    attempts = 0;
                    left -= 1;
                    if !self.print(&message.data)? {
                        return Ok(ExitCode::SUCCESS);
                    }
                }
                "end" => tracing::info!(reason = %message.data["reason"], "the service has ended the stream"),
                _ => {}
            }
        }
        Ok(ExitCode::SUCCESS)
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

/// Where to go on.
struct Place {
    after: Option<u64>,
    last_id: Option<String>,
}

async fn connect(api: &Api, place: &Place) -> Result<Messages> {
    let mut request = api.request(Method::GET, "/v1/events");
    request = match (&place.last_id, place.after) {
        (Some(id), _) => request.header("last-event-id", id),
        (None, Some(after)) => request.query(&[("after", after)]),
        (None, None) => request,
    };
    let response = api.send(request).await?;
    match response.status() {
        StatusCode::OK => Ok(Messages { response, buffer: Vec::new() }),
        _ => Err(told(response.json().await.context("the answer is no JSON")?)),
    }
}

/// Tries with growing pauses; `attempts` since something was last recorded.
async fn connect_again(api: &Api, place: &Place, mut attempts: u32) -> Result<(Messages, u32)> {
    loop {
        tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(attempts)).await;
        attempts += 1;
        tracing::info!(attempts, "connecting again");
        match connect(api, place).await {
            Ok(messages) if attempts < MAX_ATTEMPTS => return Ok((messages, attempts)),
            Ok(_) => bail!("the service ends every stream at once; its log says why"),
            Err(error) if attempts >= MAX_ATTEMPTS => return Err(error),
            Err(error) => tracing::debug!(%error, "no connection yet"),
        }
    }
}

/// One server-sent event.
struct Message {
    id: Option<String>,
    event: String,
    data: Value,
}

/// Server-sent events, message by message.
struct Messages {
    response: Response,
    buffer: Vec<u8>,
}

impl Messages {
    /// The next message; none when the connection has ended.
    async fn next(&mut self) -> Result<Option<Message>> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let text: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let text = String::from_utf8(text).context("the service sends UTF-8")?;
                let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
                // Comments, which keep the connection alive, have no data.
                let Some(data) = field("data: ") else { continue };
                let data = serde_json::from_str(data).context("a message is no JSON")?;
                let event = field("event: ").unwrap_or_default().to_owned();
                return Ok(Some(Message { id: field("id: ").map(str::to_owned), event, data }));
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
