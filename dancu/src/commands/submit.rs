//! `dancu submit`

use crate::client::{Api, Target, Told, told};
use crate::tables::{plain, table};
use anyhow::{Context, Result, ensure};
use clap::Args;
use event_schemas::outcome::{Acceptance, Fault, Outcome};
use futures_util::stream;
use reqwest::{Body, Method};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// Submit one command, or a batch with one command a line.
///
/// Repeating is safe: the same command_id always gets the same acceptance. Exit codes: 0 everything was accepted, 2 something was
/// refused, 1 something was not answered.
#[derive(Debug, Args)]
pub struct Submit {
    /// A file with the command; `-` for standard input. Names ending in .ndjson or .jsonl are batches, and so is input whose
    /// first line is a whole command.
    file: PathBuf,
    /// The file is a batch: one command a line.
    #[arg(long)]
    batch: bool,
    /// Decide and answer, write nothing.
    #[arg(long, conflicts_with = "batch")]
    dry_run: bool,
    /// Print the service's answers as they are.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

const REFUSED: u8 = 2;
/// Largest single command, bytes: the service takes no larger one.
const MAX_COMMAND_BYTES: u64 = 1 << 20;
const READ_BYTES: usize = 64 << 10;
/// Longest line of an answer, bytes.
const MAX_ANSWER_BYTES: usize = 4 << 20;
/// Refusals and problems of a batch that are shown one by one.
const MAX_SHOWN: u64 = 50;

impl Submit {
    pub async fn run(self) -> Result<ExitCode> {
        let api = Api::new(&self.target)?;
        let mut input = BufReader::new(open(&self.file).await?);
        let mut line = Vec::new();
        (&mut input).take(MAX_COMMAND_BYTES).read_until(b'\n', &mut line).await?;
        let is_single = self.dry_run && input.fill_buf().await?.is_empty();
        let is_batch = self.batch || is_batch(&self.file) || (is_whole(&line) && !is_single);
        ensure!(
            !(is_batch && self.dry_run),
            "a batch has no --dry-run: set \"dry_run\": true in each of its commands; nothing was submitted"
        );
        let input = std::io::Cursor::new(line).chain(input);
        if is_batch { self.submit_batch(&api, input).await } else { self.submit_one(&api, input).await }
    }

    async fn submit_one(&self, api: &Api, input: impl Input) -> Result<ExitCode> {
        let mut text = Vec::new();
        input.take(MAX_COMMAND_BYTES + 1).read_to_end(&mut text).await?;
        ensure!(
            text.len() as u64 <= MAX_COMMAND_BYTES,
            "that is too large for one command; send many with --batch"
        );
        let path = if self.dry_run { "/v1/commands?dry_run=true" } else { "/v1/commands" };
        let (status, body) = api.post(path, "application/json", text).await?;
        if self.json {
            println!("{body}");
            return Ok(exit_code(u64::from(status == 422 || status == 409), u64::from(status >= 400)));
        }
        match serde_json::from_value::<Outcome>(body.clone()) {
            Ok(Outcome::Accepted(acceptance)) => {
                print_acceptance(&acceptance);
                Ok(ExitCode::SUCCESS)
            }
            Ok(Outcome::Refused(refusal)) => {
                println!("refused at lsn {}: {} fault(s)", refusal.lsn, refusal.faults.len());
                print_faults(&refusal.faults);
                Ok(ExitCode::from(REFUSED))
            }
            Err(_) => {
                if let Ok(Told { faults, .. }) = serde_json::from_value(body.clone()) {
                    print_faults(&faults);
                }
                Err(told(body))
            }
        }
    }

    async fn submit_batch(&self, api: &Api, input: impl Input) -> Result<ExitCode> {
        let chunks = stream::try_unfold(input, async |mut input| {
            let mut chunk = vec![0; READ_BYTES];
            let count = input.read(&mut chunk).await?;
            chunk.truncate(count);
            Ok::<_, std::io::Error>((count > 0).then_some((chunk, input)))
        });
        let request = api
            .request(Method::POST, "/v1/commands/batch")
            .header("content-type", "application/x-ndjson")
            .body(Body::wrap_stream(chunks));
        let begin = Instant::now();
        let mut response = api.send(request).await?;
        if !response.status().is_success() {
            return Err(told(response.json().await.context("the answer is no JSON")?));
        }
        let mut tally = Tally { json: self.json, ..Tally::default() };
        let mut rest = Vec::new();
        while let Some(chunk) = response.chunk().await.context("the answers broke off; repeat the batch")? {
            rest.extend_from_slice(&chunk);
            let end = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            for line in rest[..end].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                tally.take(line)?;
            }
            rest.drain(..end);
            ensure!(rest.len() <= MAX_ANSWER_BYTES, "an answer is longer than {MAX_ANSWER_BYTES} bytes");
        }
        let elapsed_s = begin.elapsed().as_secs_f64();
        tally.conclude(elapsed_s);
        Ok(exit_code(tally.refused, tally.problems))
    }
}

#[derive(Default)]
struct Tally {
    json: bool,
    accepted: u64,
    repeated: u64,
    refused: u64,
    problems: u64,
    shown: u64,
    last_lsn: u64,
}

impl Tally {
    fn take(&mut self, line: &[u8]) -> Result<()> {
        let answer: Value = serde_json::from_slice(line).context("an answer is no JSON")?;
        match answer["outcome"].as_str() {
            Some("accepted") => {
                self.accepted += 1;
                self.repeated += u64::from(answer["repeated"] == true);
                self.last_lsn = self.last_lsn.max(answer["lsn"].as_u64().unwrap_or(0));
            }
            Some("refused") => self.refused += 1,
            _ => self.problems += 1,
        }
        if self.json {
            println!("{answer}");
        } else if answer["outcome"] != "accepted" {
            self.show(&answer);
        }
        Ok(())
    }

    fn show(&mut self, answer: &Value) {
        self.shown += 1;
        if self.shown > MAX_SHOWN {
            return;
        }
        let faults: Vec<Fault> = serde_json::from_value(answer["faults"].clone()).unwrap_or_default();
        println!("line {}: {} {}", answer["line"], plain(&answer["outcome"]), plain(&answer["command_id"]));
        if faults.is_empty() {
            println!(
                "  {}: {}\n  {}",
                plain(&answer["code"]),
                plain(&answer["detail"]),
                plain(&answer["vi"])
            );
        }
        for fault in faults {
            println!("  {}: {}\n  {}", fault.code, fault.en, fault.vi);
        }
    }

    fn conclude(&self, elapsed_s: f64) {
        if self.json {
            return;
        }
        if self.shown > MAX_SHOWN {
            println!("… and {} more; --json shows all", self.shown - MAX_SHOWN);
        }
        let lines = self.accepted + self.refused + self.problems;
        let mut summary =
            table(["accepted", "of these repeated", "refused", "problems", "last lsn", "seconds", "lines/s"]);
        summary.add_row([
            self.accepted.to_string(),
            self.repeated.to_string(),
            self.refused.to_string(),
            self.problems.to_string(),
            self.last_lsn.to_string(),
            format!("{elapsed_s:.2}"),
            format!("{:.0}", lines as f64 / elapsed_s.max(1e-9)),
        ]);
        println!("{summary}");
    }
}

fn exit_code(refused: u64, problems: u64) -> ExitCode {
    match (refused, problems) {
        (0, 0) => ExitCode::SUCCESS,
        (1.., _) => ExitCode::from(REFUSED),
        _ => ExitCode::FAILURE,
    }
}

fn is_batch(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "ndjson" || extension == "jsonl")
}

/// Whether the line is a whole JSON object, as commands of a batch are; one that is written for people goes over several lines.
fn is_whole(line: &[u8]) -> bool {
    serde_json::from_slice::<Value>(line).is_ok_and(|value| value.is_object())
}

trait Input: AsyncRead + Send + Unpin + 'static {}

impl<T: AsyncRead + Send + Unpin + 'static> Input for T {}

async fn open(file: &Path) -> Result<Box<dyn Input>> {
    if file == Path::new("-") {
        return Ok(Box::new(tokio::io::stdin()));
    }
    let opened = File::open(file).await;
    Ok(Box::new(opened.with_context(|| format!("opening {}; `-` reads standard input", file.display()))?))
}

fn print_acceptance(acceptance: &Acceptance) {
    let mut rows = table(["accepted", ""]);
    let kind = match (acceptance.dry_run, acceptance.repeated) {
        (true, _) => "dry run: nothing was written",
        (_, true) => "repeated: it had been accepted before",
        _ => "recorded",
    };
    rows.add_row(["outcome".to_owned(), kind.to_owned()]);
    rows.add_row(["command".to_owned(), acceptance.command_id.to_string()]);
    rows.add_row(["lsn".to_owned(), acceptance.lsn.to_string()]);
    rows.add_row(["recorded at".to_owned(), acceptance.recorded_at.to_string()]);
    let created = serde_json::to_value(&acceptance.created).unwrap_or_default();
    for (name, value) in created.as_object().into_iter().flatten() {
        rows.add_row([format!("created {name}"), plain(value)]);
    }
    let touched: Vec<String> =
        acceptance.rows.iter().map(|touch| format!("{} {}", touch.row, touch.version)).collect();
    rows.add_row(["rows".to_owned(), touched.join(", ")]);
    for note in &acceptance.notes {
        rows.add_row([note.code.clone(), note.en.clone()]);
    }
    println!("{rows}");
}

fn print_faults(faults: &[Fault]) {
    if faults.is_empty() {
        return;
    }
    let mut rows = table(["code", "field", "tiếng Việt", "English"]);
    for fault in faults {
        let field = fault.field.clone().unwrap_or_default();
        rows.add_row([fault.code.clone(), field, fault.vi.clone(), fault.en.clone()]);
    }
    println!("{rows}");
}
