//! `dancu scale`: rehearses a nation. The simulation lives straight through the writer, all views are folded from the log, everything
//! is started anew and asked; time, memory and disk are told per million persons, beside a smaller run of the same kind.
//!
//! Each step is a process of its own, so that its peak of memory is its own.
//!
//! Layout: [`live`] the simulation and the writer; [`views`] the folds and the questions; [`report`] what is told.

mod live;
mod report;
mod views;

use crate::home::EngineChoice;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use report::{LifeFigures, RestartFigures, Run, ViewFigures};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Rehearse a nation: years of life through the writer, all views, a restart, questions; per million persons, beside a smaller run.
///
/// Nobody in it is real. It fails if anything takes more memory than --max-gb, if an answer is not the one that the simulation expects,
/// or if the views do not count whom the simulation counts; times are told, not judged.
#[derive(Debug, Args)]
pub struct Scale {
    /// Persons enrolled at the start.
    #[arg(long, default_value_t = 1_000_000)]
    persons: u32,
    /// Persons of the smaller run; a tenth unless stated.
    #[arg(long)]
    beside: Option<u32>,
    /// Years of life after the enrolment.
    #[arg(long, default_value_t = 3)]
    years: u16,
    /// Two-digit code of a province; its real wards are populated.
    #[arg(long, default_value_t = 35)]
    province: u8,
    /// The same seed gives the same people.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which engine keeps saved state and views.
    #[arg(long, value_enum, default_value_t)]
    engine: EngineChoice,
    /// Most memory that any step may take, in GB.
    #[arg(long, default_value_t = 12)]
    max_gb: u64,
    /// Where the registries are made; on the disk that is to be rehearsed. They are removed at the end.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// One JSON object a run.
    #[arg(long)]
    json: bool,
    /// One step alone, as this command starts it.
    #[arg(long, value_enum, hide = true)]
    step: Option<Step>,
}

/// What a process of its own does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Step {
    /// The simulation, straight through the writer.
    Life,
    /// All views from the log.
    Views,
    /// Everything opened anew, and asked.
    Restart,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Life => "life",
            Self::Views => "views",
            Self::Restart => "restart",
        }
    }
}

impl Scale {
    pub async fn run(self) -> Result<ExitCode> {
        match self.step {
            Some(step) => {
                let dir = self.dir.clone().context("a step needs --dir")?;
                match step {
                    Step::Life => print_line(&live::live(&self, &dir).await?)?,
                    Step::Views => print_line(&views::fold(&dir)?)?,
                    Step::Restart => print_line(&views::restart(&dir).await?)?,
                }
            }
            None => self.rehearse()?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn rehearse(&self) -> Result<()> {
        let smaller = self.beside.unwrap_or_else(|| (self.persons / 10).max(simulator::options::MIN_PERSONS));
        ensure!(smaller <= self.persons, "--beside must not be more than --persons");
        let parent = self.dir.clone().unwrap_or_else(std::env::temp_dir);
        let dir = parent.join(format!("dancu-scale-{}", uuid::Uuid::new_v4()));
        let mut runs: Vec<Run> = Vec::new();
        for persons in [smaller, self.persons] {
            let outcome = self.rehearse_with(persons, &dir);
            if dir.exists() {
                std::fs::remove_dir_all(&dir).with_context(|| format!("removing {}", dir.display()))?;
            }
            let run = outcome?;
            if self.json {
                print_line(&run)?;
            }
            runs.push(run);
            if smaller == self.persons {
                break;
            }
        }
        if !self.json {
            report::print(&runs);
        }
        for run in &runs {
            self.judge(run)?;
        }
        Ok(())
    }

    fn rehearse_with(&self, persons: u32, dir: &Path) -> Result<Run> {
        let life: LifeFigures = self.step_alone(Step::Life, persons, dir)?;
        let views: ViewFigures = self.step_alone(Step::Views, persons, dir)?;
        let restart: RestartFigures = self.step_alone(Step::Restart, persons, dir)?;
        Ok(Run { persons, life, views, restart })
    }

    fn step_alone<T: DeserializeOwned>(&self, step: Step, persons: u32, dir: &Path) -> Result<T> {
        let engine = self.engine.to_possible_value().context("every engine has a name")?;
        let output = Command::new(std::env::current_exe()?)
            .args(["scale", "--step", step.name(), "--engine", engine.get_name()])
            .args(["--persons", &persons.to_string(), "--years", &self.years.to_string()])
            .args(["--province", &self.province.to_string(), "--seed", &self.seed.to_string()])
            .arg("--dir")
            .arg(dir)
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "the step \"{}\" of {persons} persons failed", step.name());
        let text = String::from_utf8(output.stdout)?;
        let line = text.lines().last().context("a step tells its figures")?;
        serde_json::from_str(line).with_context(|| format!("the figures of a step cannot be read: {line}"))
    }

    /// What must hold whatever the machine.
    fn judge(&self, run: &Run) -> Result<()> {
        let (counted, living) = (run.restart.living, run.life.living);
        if counted != living {
            bail!("of {} persons the views count {counted} living, the simulation {living}", run.persons);
        }
        if let Some(first) = &run.life.first_surprise {
            bail!("{} answers were not as expected; the first: {first}", run.life.surprises);
        }
        let most = run.peak_bytes();
        ensure!(most <= self.max_gb << 30, "a step took {} MB of memory", most >> 20);
        Ok(())
    }
}

fn print_line(figures: &impl serde::Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(figures)?);
    Ok(())
}
