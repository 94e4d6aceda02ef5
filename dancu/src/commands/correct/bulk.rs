//! `dancu correct bulk`

use super::foresee::Effect;
use super::select::Select;
use crate::client::Api;
use crate::commands::operation::{conclude_staging, refused, show, stage, submit};
use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use event_schemas::basis::Basis;
use event_schemas::command::{Command, OpenOperation, StageCorrections};
use event_schemas::correction::Edit;
use event_schemas::ids::OperationId;
use event_schemas::operation::{Corrections, MAX_PART_EDITS, MAX_PART_ROWS, OperationKind};
use event_schemas::outcome::{Acceptance, Fault};
use event_schemas::place::UnitCode;
use event_schemas::text::Text;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// A step of corrections in bulk. Approval, commit and giving up are those of every operation: `dancu operation`.
#[derive(Debug, Subcommand)]
pub enum Step {
    /// Write a file of corrections: of facts that an office recorded, in a range of records or on a day.
    Select(Select),
    /// Open an operation and stage the corrections of a file. Nothing of it shows before the commit.
    Open {
        /// A correction a line: an edit, or a list of edits that belong together, as JSON. `dancu example correct` shows edits.
        file: PathBuf,
        #[command(flatten)]
        area: Area,
        #[command(flatten)]
        parts: Parts,
    },
    /// Go on staging after an interruption, with the same file and the same size of parts.
    Resume {
        operation: OperationId,
        file: PathBuf,
        #[command(flatten)]
        parts: Parts,
    },
    /// Take back what an operation corrected: what came since stays, and what rests on it is left out.
    Reverse {
        of: OperationId,
        #[command(flatten)]
        area: Area,
    },
    /// Go on staging the taking back of an operation.
    ResumeReverse { operation: OperationId },
    /// Show what an operation would change if it were committed now: sums, or with --rows one correction after the other.
    Effect(Effect),
}

/// Where everybody is at home whose record is corrected.
#[derive(Clone, Debug, Args)]
pub struct Area {
    /// A unit's code, such as 01; everything below it belongs to it.
    #[arg(long, required_unless_present = "nation")]
    unit: Option<UnitCode>,
    /// The whole nation.
    #[arg(long, conflicts_with = "unit")]
    nation: bool,
}

/// How large a part is.
#[derive(Clone, Copy, Debug, Args)]
pub struct Parts {
    /// Most edits of one part.
    #[arg(long, default_value_t = USUAL_PART_EDITS, value_parser = clap::value_parser!(u16).range(1..=MAX_PART_EDITS as i64))]
    edits: u16,
}

/// Edits of one part: what they lead to fits into one record.
pub const USUAL_PART_EDITS: u16 = 400;
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What every step works with.
pub struct Bulk {
    pub api: Api,
    pub basis: Basis,
    pub reason: Option<Text<200>>,
    pub purpose: Option<String>,
    pub json: bool,
}

impl Bulk {
    pub async fn run(self, step: &Step) -> Result<ExitCode> {
        match step {
            Step::Select(select) => select.run(),
            Step::Open { file, area, parts } => {
                // A file that cannot be read is told before anything is opened.
                let mut items = Items::open(file)?;
                items.by_ref().try_for_each(|item| item.map(drop))?;
                let operation = match self.open(area, None).await? {
                    Ok(operation) => operation,
                    Err(faults) => return Ok(refused(&faults)),
                };
                let name = file.display();
                eprintln!(
                    "{operation} is open; if this is interrupted: dancu correct bulk resume {operation} {name} …"
                );
                self.stage(operation, file, *parts, 0).await
            }
            Step::Resume { operation, file, parts } => {
                let found = show(&self.api, *operation, None).await?;
                let done =
                    found["operation"]["parts"].as_u64().context("an operation has a number of parts")?;
                self.stage(*operation, file, *parts, done as u32).await
            }
            Step::Reverse { of, area } => {
                let operation = match self.open(area, Some(*of)).await? {
                    Ok(operation) => operation,
                    Err(faults) => return Ok(refused(&faults)),
                };
                eprintln!(
                    "{operation} is open; if this is interrupted: dancu correct bulk resume-reverse {operation} …"
                );
                stage(&self.api, &self.basis, operation, (1, MAX_PART_ROWS), self.json).await
            }
            Step::Effect(effect) => effect.run(&self).await,
            Step::ResumeReverse { operation } => {
                let found = show(&self.api, *operation, None).await?;
                let done =
                    found["operation"]["parts"].as_u64().context("an operation has a number of parts")?;
                stage(&self.api, &self.basis, *operation, (done as u32 + 1, MAX_PART_ROWS), self.json).await
            }
        }
    }

    async fn open(
        &self,
        area: &Area,
        reverses: Option<OperationId>,
    ) -> Result<Result<OperationId, Vec<Fault>>> {
        let purpose = self.reason.clone().context("say what was wrong with --reason; it is recorded")?;
        let kind = OperationKind::Corrections(Corrections { unit: area.unit, reverses });
        let command = Command::OpenOperation(OpenOperation { kind, purpose });
        match submit(&self.api, self.basis.clone(), command).await? {
            Ok(opened) => {
                let operation = opened.created.operations.first().copied();
                Ok(Ok(operation.context("the service opened no operation")?))
            }
            Err(faults) => Ok(Err(faults)),
        }
    }

    /// Stages the file's parts beyond those that are staged already.
    async fn stage(&self, operation: OperationId, file: &Path, parts: Parts, done: u32) -> Result<ExitCode> {
        let mut items = Items::open(file)?;
        let mut next = items.part(parts)?;
        let mut last: Option<Acceptance> = None;
        let (mut number, mut staged, mut told_at) = (1, 0, Instant::now());
        while let Some(part) = next {
            next = items.part(parts)?;
            let count = part.items.len();
            if number > done {
                let (items, is_last) = (part.items, next.is_none());
                let command = StageCorrections { operation, part: number, items, is_last };
                match submit(&self.api, self.basis.clone(), Command::StageCorrections(command)).await? {
                    Ok(accepted) => last = Some(accepted),
                    Err(faults) => return Ok(refused_lines(&faults, file, &part.lines)),
                }
            }
            staged += count;
            if told_at.elapsed() >= TELL_EVERY {
                told_at = Instant::now();
                eprintln!("{operation}: {staged} corrections in {number} parts are staged");
            }
            number += 1;
        }
        ensure!(number > 1, "{} states no corrections", file.display());
        conclude_staging(&self.api, operation, last.as_ref(), self.json).await
    }
}

/// What stands against items, by the lines on which they stand.
fn refused_lines(faults: &[Fault], file: &Path, lines: &[usize]) -> ExitCode {
    const ITEMS: &str = "command.stage_corrections.items[";
    for fault in faults {
        let field = fault.field.as_deref().unwrap_or_default();
        let place = field.strip_prefix(ITEMS).and_then(|rest| rest.split(']').next()?.parse::<usize>().ok());
        match place.and_then(|place| lines.get(place)) {
            Some(line) => {
                eprintln!("{}:{line}: {}: {}\n  {}", file.display(), fault.code, fault.en, fault.vi)
            }
            None => eprintln!(
                "from {}:{} on: {}: {}\n  {}",
                file.display(),
                lines[0],
                fault.code,
                fault.en,
                fault.vi
            ),
        }
    }
    eprintln!(
        "Nothing of this part is staged. Correct these lines and go on with `dancu correct bulk resume`."
    );
    ExitCode::from(super::REFUSED)
}

/// A line of the file.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Many(Vec<Edit>),
    One(Edit),
}

/// Corrections of a file, one after the other.
struct Items {
    lines: Lines<BufReader<File>>,
    name: String,
    /// Of the line read last.
    number: usize,
    /// Read, and too much for the part before.
    waiting: Option<(usize, Vec<Edit>)>,
}

/// What is staged at once; never empty.
struct Part {
    items: Vec<Vec<Edit>>,
    /// Where each stands in the file.
    lines: Vec<usize>,
}

impl Items {
    fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("{name} cannot be read"))?;
        Ok(Self { lines: BufReader::new(file).lines(), name, number: 0, waiting: None })
    }

    /// The next corrections that fit into a part; at least one, if there is any.
    fn part(&mut self, parts: Parts) -> Result<Option<Part>> {
        let mut part = Part { items: Vec::new(), lines: Vec::new() };
        let mut edits = 0;
        while let Some((line, item)) =
            self.waiting.take().map_or_else(|| self.next().transpose(), |item| Ok(Some(item)))?
        {
            if !part.items.is_empty() && edits + item.len() > usize::from(parts.edits) {
                self.waiting = Some((line, item));
                break;
            }
            edits += item.len();
            part.lines.push(line);
            part.items.push(item);
        }
        Ok((!part.items.is_empty()).then_some(part))
    }
}

impl Iterator for Items {
    type Item = Result<(usize, Vec<Edit>)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.number += 1;
            let text = match self.lines.next()? {
                Ok(text) if text.trim().is_empty() => continue,
                Ok(text) => text,
                Err(error) => {
                    return Some(Err(error).with_context(|| format!("{} cannot be read", self.name)));
                }
            };
            let line = serde_json::from_str(&text)
                .with_context(|| format!("{}:{}: no edit and no list of edits", self.name, self.number));
            return Some(line.map(|line| match line {
                Line::Many(edits) => (self.number, edits),
                Line::One(edit) => (self.number, vec![edit]),
            }));
        }
    }
}
