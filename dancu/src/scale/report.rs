//! Figures of a rehearsal, and how they are told.

use crate::tables::table;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Years of life through the writer.
#[derive(Serialize, Deserialize, Debug)]
pub struct LifeFigures {
    pub seconds: f64,
    /// Saving everything at the end.
    pub stop_seconds: f64,
    pub commands: u64,
    /// Whom the simulation knows to live at the end.
    pub living: u64,
    /// Answers that the simulation did not expect, and the first of them.
    pub surprises: u64,
    pub first_surprise: Option<String>,
    /// Of the process, the simulation's own ledger with it.
    pub peak_bytes: u64,
    /// Of the registry in the writer's memory.
    pub registry_bytes: u64,
    pub log_bytes: u64,
    /// The writer's saved state and the index of command ids.
    pub saved_bytes: u64,
}

/// All views from the log.
#[derive(Serialize, Deserialize, Debug)]
pub struct ViewFigures {
    pub seconds: f64,
    /// Reading, admitting and decoding the same log on one thread, and nothing else.
    pub decode_seconds: f64,
    pub records: u64,
    pub events: u64,
    /// Of all entries, as encoded.
    pub entry_bytes: u64,
    pub peak_bytes: u64,
    pub view_bytes: u64,
}

/// Everything opened anew.
#[derive(Serialize, Deserialize, Debug)]
pub struct RestartFigures {
    /// Until the writer leads.
    pub writer_seconds: f64,
    /// Until the views answer.
    pub views_seconds: f64,
    /// Whom the views count.
    pub living: u64,
    /// Persons read a second, one thread.
    pub point_reads: f64,
    pub peak_bytes: u64,
}

/// One size.
#[derive(Serialize, Debug)]
pub struct Run {
    pub persons: u32,
    pub life: LifeFigures,
    pub views: ViewFigures,
    pub restart: RestartFigures,
}

impl Run {
    /// The most that any step took.
    pub fn peak_bytes(&self) -> u64 {
        self.life.peak_bytes.max(self.views.peak_bytes).max(self.restart.peak_bytes)
    }

    fn millions(&self) -> f64 {
        f64::from(self.persons) / 1e6
    }

    /// What grows with the number of persons: name, and how much a million takes.
    fn per_million(&self) -> Vec<(&'static str, f64)> {
        const MB: f64 = (1 << 20) as f64;
        let figures = [
            ("life through the writer, s", self.life.seconds),
            ("  peak memory with the simulation, MB", self.life.peak_bytes as f64 / MB),
            ("  registry in memory, MB", self.life.registry_bytes as f64 / MB),
            ("  log, MB", self.life.log_bytes as f64 / MB),
            ("  saved state and command ids, MB", self.life.saved_bytes as f64 / MB),
            ("all views from the log, s", self.views.seconds),
            ("  the log decoded alone, s", self.views.decode_seconds),
            ("  peak memory, MB", self.views.peak_bytes as f64 / MB),
            ("  views, MB", self.views.view_bytes as f64 / MB),
            ("restart of the writer, s", self.restart.writer_seconds),
            ("restart of the views, s", self.restart.views_seconds),
            ("  peak memory, MB", self.restart.peak_bytes as f64 / MB),
        ];
        figures.into_iter().map(|(name, value)| (name, value / self.millions())).collect()
    }

    /// What should stay as it is.
    fn rates(&self) -> Vec<(&'static str, f64)> {
        let events = self.views.events as f64;
        vec![
            ("commands a second", self.life.commands as f64 / self.life.seconds),
            ("events a second into all views", events / self.views.seconds),
            ("events a second decoded alone", events / self.views.decode_seconds),
            ("persons read a second, one thread", self.restart.point_reads),
            (
                "log, bytes on disk for one encoded",
                self.life.log_bytes as f64 / self.views.entry_bytes as f64,
            ),
            (
                "views, bytes on disk for one of the log",
                self.views.view_bytes as f64 / self.life.log_bytes as f64,
            ),
        ]
    }
}

/// Figures of each run side by side, and how they grew.
pub fn print(runs: &[Run]) {
    let persons = |run: &Run| format!("{} persons", run.persons);
    let mut rows = table(
        ["for each million persons".to_owned()]
            .into_iter()
            .chain(runs.iter().map(persons))
            .chain((runs.len() > 1).then(|| "growth".to_owned())),
    );
    for figures in [Run::per_million, Run::rates] {
        let columns: Vec<_> = runs.iter().map(figures).collect();
        for (place, (name, first)) in columns[0].iter().enumerate() {
            let values = columns.iter().map(|column| column[place].1);
            let last = columns[columns.len() - 1][place].1;
            rows.add_row(
                [(*name).to_owned()]
                    .into_iter()
                    .chain(values.map(shown))
                    .chain((runs.len() > 1).then(|| format!("× {:.2}", last / first))),
            );
        }
    }
    println!("{rows}");
    for run in runs {
        let (commands, events) = (run.life.commands, run.views.events);
        println!(
            "{} persons: {commands} commands, {} records, {events} events; {} living, as the views count; at most {} MB of memory",
            run.persons,
            run.views.records,
            run.life.living,
            run.peak_bytes() >> 20
        );
    }
}

fn shown(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

/// Bytes that the files below a directory take on disk.
pub fn bytes_on_disk(dir: &Path) -> Result<u64> {
    const BLOCK_BYTES: u64 = 512;
    let mut bytes = 0;
    for found in std::fs::read_dir(dir).with_context(|| format!("measuring {}", dir.display()))? {
        let found = found?;
        bytes += match found.file_type()?.is_dir() {
            true => bytes_on_disk(&found.path())?,
            false => found.metadata()?.blocks() * BLOCK_BYTES,
        };
    }
    Ok(bytes)
}

/// Most memory that this process ever held.
pub fn peak_bytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak is known here")?;
    let kilobytes = line.split_whitespace().next().context("the peak has a number")?;
    Ok(kilobytes.parse::<u64>()? << 10)
}
