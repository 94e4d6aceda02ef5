//! `dancu simulate`

use crate::tables::table;
use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::process::ExitCode;
use tests::simulation::{Report, Simulation};

/// Run the writer of this program under a seed, with every fault that a log, a disk, a clock or a network may have.
///
/// The same seed runs the same, step by step. What must hold is checked after each step; the first thing that does not is
/// printed with its seed and step, and the exit status is 1. Nothing is read or written outside memory.
#[derive(Debug, Args)]
pub struct Simulate {
    /// The first seed.
    #[arg(long)]
    seed: u64,
    /// How many seeds, one after the other.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Print what happened as JSON.
    #[arg(long)]
    json: bool,
}

impl Simulate {
    pub fn run(self) -> Result<ExitCode> {
        let end = self.seed.checked_add(self.seeds).context("there are no seeds so high")?;
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left");
        let progress =
            ProgressBar::new(self.seeds).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let outcome = Simulation::run_many(self.seed..end, || progress.inc(1));
        progress.finish_and_clear();
        match outcome {
            Ok(report) => self.print(&report),
            Err(finding) if self.json => {
                let violation = finding.violation.to_string();
                let found = serde_json::json!({
                    "sound": false, "seed": finding.seed, "step": finding.step, "violation": violation,
                });
                println!("{found}");
                return Ok(ExitCode::FAILURE);
            }
            Err(finding) => bail!("{finding}; `dancu simulate --seed {}` shows it again", finding.seed),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn print(&self, report: &Report) {
        if self.json {
            let shown = serde_json::json!({
                "sound": true, "seed": self.seed, "seeds": report.seeds, "steps": report.steps,
                "entries": report.lsn, "accepted": report.accepted, "refused": report.refused,
                "answers": report.answers, "counts": report.counts,
            });
            println!("{shown}");
            return;
        }
        let mut rows = table(["everything held", "times"]);
        for (what, count) in [
            ("seeds", report.seeds),
            ("steps", report.steps),
            ("entries of logs", report.lsn.0),
            ("answers", report.answers),
            ("accepted", report.accepted),
            ("refused", report.refused),
        ] {
            rows.add_row([what.to_owned(), count.to_string()]);
        }
        for (what, count) in &report.counts {
            rows.add_row([what.replace('_', " "), count.to_string()]);
        }
        println!("{rows}");
    }
}
