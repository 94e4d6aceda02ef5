//! `dancu bench`
//!
//! Layout: [`workload`] what is submitted; [`restart`] a registry of many persons, its memory, and how soon it is back.

mod restart;
mod workload;

use self::workload::{Enrolments, OFFICE, prepare};

use crate::client::{Api, Target};
use crate::home::{Home, NewHome, wall_clock};
use crate::service::{Running, Settings, Writing, wait_until_leading};
use access::{Caller, Issuer, Scope, SecretKey};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use command_service::service::Handle;
use command_service::{Answer, CommandGateway};
use event_schemas::CommandEnvelope;
use event_schemas::outcome::Outcome;
use futures_util::stream::{self, StreamExt};
use reqwest::{Body, Method};
use serde::Serialize;
use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Measure this machine: durable commands a second, beside what its disk can do at all.
///
/// Rounds of each measurement take turns; what is printed is the median. The registry measured is made for it and removed.
#[derive(Debug, Args)]
pub struct Bench {
    /// Commands of one round.
    #[arg(long, default_value_t = 50_000)]
    commands: u32,
    /// Rounds of each measurement.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Persons of the registry whose memory and restart are measured; 0 leaves that out.
    #[arg(long, default_value_t = 1_000_000)]
    persons: u32,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// Where the registry is made; on the disk that is to be measured.
    #[arg(long)]
    dir: Option<PathBuf>,
}

const READY_WAIT: Duration = Duration::from_secs(30);
/// Commands handed over together in one process, and how many such parts are under way.
const PART_COMMANDS: usize = 1_024;
const PARTS_IN_FLIGHT: usize = 16;
const CHUNK_BYTES: usize = 64 << 10;
const TOKEN_TTL_S: i64 = 86_400;

/// One measurement.
#[derive(Serialize)]
struct Measured {
    name: &'static str,
    value: f64,
    unit: &'static str,
    /// What the same machine does without us, or the limit that was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    beside: Option<Beside>,
    durability: &'static str,
    method: String,
}

/// A figure that a measurement is held against.
#[derive(Serialize)]
struct Beside {
    what: &'static str,
    value: f64,
    ratio: f64,
}

impl Measured {
    fn beside(mut self, what: &'static str, value: f64) -> Self {
        self.beside = Some(Beside { what, value, ratio: self.value / value });
        self
    }
}

impl Bench {
    pub async fn run(self) -> Result<ExitCode> {
        ensure!(self.commands > 0 && self.rounds > 0, "--commands and --rounds must be at least 1");
        let parent = self.dir.clone().unwrap_or_else(std::env::temp_dir);
        let dir = parent.join(format!("dancu-bench-{}", Uuid::new_v4()));
        for measured in removing(&dir, self.measure(&dir).await)? {
            self.print(&measured)?;
        }
        if self.persons > 0 {
            for measured in removing(&dir, restart::measure(&dir, self.persons).await)? {
                self.print(&measured)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn measure(&self, dir: &Path) -> Result<Vec<Measured>> {
        let alone = Alone::start(&dir.join("alone")).await?;
        let home = Home::create(&dir.join("whole"), NewHome::default())?;
        let running = Running::start(&home, Settings::on_any_port()).await?;
        running.wait_until_leading(READY_WAIT).await?;
        prepare(&running.gateway).await?;
        let api = api_of(&home, running.address)?;
        let mut enrolments = Enrolments::default();
        let (mut bare, mut writer, mut whole, mut http) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut group_entries, mut entry_bytes) = (0.0, 0.0);
        for _ in 0..self.rounds {
            let before = (alone.gateway().stats(), bytes_in(&alone.home.log_dir())?);
            writer.push(self.write_round(alone.gateway(), &mut enrolments).await?);
            let (after, bytes) = self.settled(&alone, before.0.accepted + u64::from(self.commands)).await?;
            let groups = (after.group_entries.count - before.0.group_entries.count).max(1);
            group_entries = (after.group_entries.sum - before.0.group_entries.sum) as f64 / groups as f64;
            entry_bytes = (bytes - before.1) as f64 / f64::from(self.commands);
            bare.push(self.bare_round(dir, group_entries, entry_bytes)?);
            whole.push(self.write_round(&running.gateway, &mut enrolments).await?);
            http.push(self.http_round(&api, &mut enrolments).await?);
        }
        running.stop().await?;
        alone.stop().await?;
        let beside = median(&mut bare);
        let (rounds, commands) = (self.rounds, self.commands);
        let form = format!("median of {rounds} rounds of {commands} enrolments of one person");
        let in_process = format!("in one process, {PARTS_IN_FLIGHT} parts of {PART_COMMANDS} in flight");
        let shape = format!("{group_entries:.0} entries a group, {entry_bytes:.0} bytes an entry");
        let measured = |name, value: f64, durability, method| Measured {
            name,
            value,
            unit: "1/s",
            beside: None,
            durability,
            method,
        };
        let file = "entries a second into the bare file";
        Ok(vec![
            measured(
                "bare_file_group_commit",
                beside,
                "one fdatasync a group",
                format!("median of {rounds} rounds of {commands} entries to a preallocated file, {shape}"),
            ),
            measured(
                "writer_commands",
                median(&mut writer),
                "answered after fdatasync and read-back",
                format!("{form}, no projector; {in_process}"),
            )
            .beside(file, beside),
            measured(
                "writer_commands_projected",
                median(&mut whole),
                "answered after fdatasync and read-back",
                format!("{form}, projector on; {in_process}"),
            )
            .beside(file, beside),
            measured(
                "http_batch_commands",
                median(&mut http),
                "answered after fdatasync and read-back",
                format!(
                    "{form}, projector on; NDJSON over loopback, one connection, client on the same machine"
                ),
            )
            .beside(file, beside),
        ])
    }

    /// Commands a second through the gateway itself.
    async fn write_round(&self, gateway: &Handle, enrolments: &mut Enrolments) -> Result<f64> {
        let commands = enrolments.take(self.commands);
        let parts: Vec<Vec<CommandEnvelope>> = commands.chunks(PART_COMMANDS).map(<[_]>::to_vec).collect();
        let begin = Instant::now();
        let mut answers =
            stream::iter(parts).map(|part| gateway.submit_many(OFFICE, part)).buffered(PARTS_IN_FLIGHT);
        while let Some(answers) = answers.next().await {
            answers.into_iter().try_for_each(expect_accepted)?;
        }
        Ok(f64::from(self.commands) / begin.elapsed().as_secs_f64())
    }

    /// Statistics and size of the log once they show everything of a round.
    async fn settled(
        &self,
        alone: &Alone,
        accepted: u64,
    ) -> Result<(std::sync::Arc<command_service::Stats>, u64)> {
        let begin = Instant::now();
        loop {
            let stats = alone.gateway().stats();
            if stats.accepted >= accepted {
                return Ok((stats, bytes_in(&alone.home.log_dir())?));
            }
            ensure!(begin.elapsed() < READY_WAIT, "the statistics do not show what was accepted");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Entries a second into a plain file: the same bytes, as many flushes, nothing else.
    fn bare_round(&self, dir: &Path, group_entries: f64, entry_bytes: f64) -> Result<f64> {
        let group = vec![0x5a_u8; ((group_entries * entry_bytes) as usize).max(1)];
        let groups = (f64::from(self.commands) / group_entries).ceil() as u32;
        let path = dir.join("bare");
        let mut file = File::create(&path)?;
        // Written once before, so that a flush concerns data alone.
        let zeroes = vec![0_u8; group.len()];
        for _ in 0..groups {
            file.write_all(&zeroes)?;
        }
        file.sync_all()?;
        let mut file = File::options().write(true).open(&path)?;
        let begin = Instant::now();
        for _ in 0..groups {
            file.write_all(&group)?;
            file.sync_data()?;
        }
        let rate = f64::from(self.commands) / begin.elapsed().as_secs_f64();
        fs::remove_file(&path)?;
        Ok(rate)
    }

    /// Commands a second as one batch over HTTP.
    async fn http_round(&self, api: &Api, enrolments: &mut Enrolments) -> Result<f64> {
        let mut text = Vec::new();
        for command in enrolments.take(self.commands) {
            serde_json::to_writer(&mut text, &command)?;
            text.push(b'\n');
        }
        let chunks: Vec<Result<Vec<u8>, std::io::Error>> =
            text.chunks(CHUNK_BYTES).map(|chunk| Ok(chunk.to_vec())).collect();
        let request = api
            .request(Method::POST, "/v1/commands/batch")
            .header("content-type", "application/x-ndjson")
            .body(Body::wrap_stream(stream::iter(chunks)));
        let begin = Instant::now();
        let mut response = api.send(request).await?;
        let mut answers = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            answers.extend_from_slice(&chunk);
        }
        let elapsed_s = begin.elapsed().as_secs_f64();
        let mut accepted = 0_u32;
        for line in answers.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let answer: serde_json::Value = serde_json::from_slice(line)?;
            ensure!(answer["outcome"] == "accepted", "a line was not accepted: {answer}");
            accepted += 1;
        }
        ensure!(accepted == self.commands, "{accepted} of {} lines were answered", self.commands);
        Ok(f64::from(self.commands) / elapsed_s)
    }

    fn print(&self, measured: &Measured) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(measured)?);
        } else {
            let Measured { name, value, unit, beside, durability, method } = measured;
            let held = beside.as_ref().map_or(String::new(), |beside| {
                format!("  {:.2} of {:.0} ({})", beside.ratio, beside.value, beside.what)
            });
            println!("{name:28} {value:>12.1} {unit}{held}  {durability}; {method}");
        }
        Ok(())
    }
}

/// A writer with nothing that follows its log.
struct Alone {
    home: Home,
    writing: Writing,
}

impl Alone {
    async fn start(dir: &Path) -> Result<Self> {
        let home = Home::create(dir, NewHome::default())?;
        let opened = home.clone();
        let writing =
            tokio::task::spawn_blocking(move || Writing::open(&opened, Settings::on_any_port().save_every))
                .await??;
        wait_until_leading(&writing.gateway, READY_WAIT).await?;
        prepare(&writing.gateway).await?;
        Ok(Self { home, writing })
    }

    fn gateway(&self) -> &Handle {
        &self.writing.gateway
    }

    async fn stop(self) -> Result<()> {
        tokio::task::spawn_blocking(|| self.writing.commands.stop()).await?.context("stopping the writer")
    }
}

fn api_of(home: &Home, address: SocketAddr) -> Result<Api> {
    let caller = Caller {
        office: OFFICE.office,
        officer: OFFICE.officer,
        scopes: Scope::ALL.iter().copied().collect(),
    };
    let issuer = Issuer { key: SecretKey::read(&home.keys_dir(), None)?, audience: home.audience() };
    let token = issuer.issue(&caller, wall_clock()(), TOKEN_TTL_S)?;
    Api::new(&Target { url: format!("http://{address}"), token: Some(token) })
}

fn expect_accepted(answer: Answer) -> Result<()> {
    match answer? {
        Outcome::Accepted(_) => Ok(()),
        Outcome::Refused(refusal) => bail!("a command was refused: {}", refusal.faults[0].en),
    }
}

/// Bytes in use in a directory's files, reserved room left out.
fn bytes_in(dir: &Path) -> Result<u64> {
    let log = event_log::EmbeddedHandle::open_read_only(dir)?;
    let mut bytes = 0;
    let mut reader = event_log::LogSource::open_reader(&log, event_schemas::ids::Position(0))?;
    loop {
        let batch = reader.read(4_096, 8 << 20, Duration::ZERO)?;
        if batch.entries.is_empty() {
            return Ok(bytes);
        }
        bytes += batch.entries.iter().map(|entry| entry.bytes.len() as u64).sum::<u64>();
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Removes what a measurement made, however it ended.
fn removing<T>(dir: &Path, outcome: Result<T>) -> Result<T> {
    fs::remove_dir_all(dir).with_context(|| format!("removing {}", dir.display()))?;
    outcome
}
