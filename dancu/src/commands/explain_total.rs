//! `dancu explain total`

use crate::home::{DEFAULT_DIR, Home};
use crate::reading::{each_admitted, lsn_bar};
use crate::tables::table;
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use event_log::LogSource;
use event_schemas::event::EventBody;
use event_schemas::ids::{Lsn, OfficeId, UnitId};
use event_schemas::person::Sex;
use event_schemas::place::UnitCode;
use event_schemas::record::{AdmittedEntry, EntryBody};
use event_schemas::time::Timestamp;
use projections::causes::{Asked, Cause, Caused, Total, causes};
use projections::changes::{ByDate, Component};
use projections::class::Category;
use projections::definition::Definition;
use projections::month::Month;
use projections::vital::{ByPlace, Vital};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

/// Say which records made a total what it is: one line for each, with what it changed and what the total was then.
///
/// It folds the log once more, record by record, in a temporary directory (TMPDIR), and takes no token: it reads the files themselves. A table
/// that was published names its lsn: --to tells how it came to be, and --from what changed since an earlier one.
///   dancu explain total 00001 --definition usual --from 4000 --to 4711
///   dancu explain total VN --vital birth --month 2021-03
#[derive(Debug, Args)]
pub struct ExplainTotal {
    /// A unit by code, a version of one (U5), or VN, the nation. It counts with everything established below it.
    unit: String,
    /// Directory of the registry.
    #[arg(long, default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// Who is counted: permanent (the default), temporary, present or usual.
    #[arg(long, default_value = "permanent", value_parser = named::<Definition>, conflicts_with = "vital")]
    definition: Definition,
    /// What happened is counted instead: birth, death, marrying, divorcing, marriage or divorce.
    #[arg(long, value_parser = named::<Vital>, conflicts_with = "flow")]
    vital: Option<Vital>,
    /// What brings people into the population, or takes them out of it, is counted instead.
    #[arg(long, value_enum)]
    flow: Option<Flow>,
    /// Of flows and what happened: by date of event (the default) or registration.
    #[arg(long, value_parser = named::<ByDate>)]
    by: Option<ByDate>,
    /// Of what happened: by place of residence (the default), event or registration.
    #[arg(long, default_value = "residence", value_parser = named::<ByPlace>, requires = "vital")]
    place: ByPlace,
    /// Of flows and what happened: in this month alone.
    #[arg(long)]
    month: Option<Month>,
    /// male, female or unknown.
    #[arg(long, value_parser = named::<Sex>)]
    sex: Option<Sex>,
    /// citizen, foreigner, stateless or undetermined.
    #[arg(long, value_parser = named::<Category>)]
    category: Option<Category>,
    /// First record.
    #[arg(long, default_value = "1")]
    from: Lsn,
    /// Last record; the last of the log unless stated.
    #[arg(long)]
    to: Option<Lsn>,
    /// List at most so many records, the last ones; all are counted.
    #[arg(long, default_value_t = 1_000)]
    limit: usize,
}

/// What brings people into a population or takes them out of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Flow {
    Born,
    Enrolled,
    Arrived,
    #[value(name = "moved_in")]
    MovedIn,
    Died,
    Left,
    #[value(name = "moved_out")]
    MovedOut,
}

impl From<Flow> for Component {
    fn from(flow: Flow) -> Self {
        match flow {
            Flow::Born => Self::Born,
            Flow::Enrolled => Self::Enrolled,
            Flow::Arrived => Self::Arrived,
            Flow::MovedIn => Self::MovedIn,
            Flow::Died => Self::Died,
            Flow::Left => Self::Left,
            Flow::MovedOut => Self::MovedOut,
        }
    }
}

/// A value by the name that answers give it.
fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(Value::from(text)).map_err(|error| error.to_string())
}

/// A record that changed the total.
#[derive(Serialize)]
struct Told {
    lsn: Lsn,
    recorded_at: Timestamp,
    office: Option<OfficeId>,
    /// What was submitted; none of what the registry does by itself.
    command: Option<&'static str>,
    /// Kinds of events of the record.
    events: Vec<&'static str>,
    rows: Vec<String>,
    change: i64,
    total: i64,
}

/// Everything that is told.
#[derive(Serialize)]
struct Report {
    unit: String,
    from: Lsn,
    to: Lsn,
    /// Before the first record, and after the last.
    before: i64,
    after: i64,
    /// Records that changed it.
    records: u64,
    causes: Vec<Told>,
}

impl ExplainTotal {
    pub fn run(&self, as_json: bool) -> Result<ExitCode> {
        let happens = self.vital.is_some() || self.flow.is_some();
        ensure!(
            happens || (self.month.is_none() && self.by.is_none()),
            "--month and --by are for what happened (--vital) and for flows (--flow): a population is that of a record"
        );
        ensure!(
            self.vital != Some(Vital::Move),
            "moves are counted as flows: --flow moved_in, --flow moved_out"
        );
        let home = Home::open(&self.dir)?;
        let (log, admission) = crate::log::open_read_only(&home)?;
        let to = self.to.unwrap_or(admission.last_lsn);
        ensure!(to <= admission.last_lsn, "the log ends at lsn {}, before {to}", admission.last_lsn);
        ensure!(
            self.from > Lsn::ZERO && self.from <= to,
            "--from {} lies behind --to {to}, or is 0",
            self.from
        );
        let asked = Asked { unit: self.unit_of(&*log, to)?, ..self.asked() };
        let dir = tempfile::tempdir().context("making a directory for the fold")?;
        let bar = lsn_bar(to);
        let (mut last, mut records) = (std::collections::VecDeque::new(), 0_u64);
        let mut visit = |cause: Cause| {
            records += 1;
            last.push_back(cause);
            if last.len() > self.limit {
                last.pop_front();
            }
        };
        let found = causes(
            (&*log, home.config.log_id),
            dir.path(),
            &asked,
            self.from..=to,
            &mut visit,
            &mut |lsn| bar.set_position(lsn.0),
        )?;
        bar.finish_and_clear();
        let causes = last.into_iter().map(|cause| told(&*log, cause)).collect::<Result<Vec<Told>>>()?;
        let Caused { before, after } = found;
        let report = Report { unit: self.unit.clone(), from: self.from, to, before, after, records, causes };
        match as_json {
            true => println!("{}", serde_json::to_string(&report)?),
            false => report.print(),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn asked(&self) -> Asked {
        let by = self.by.unwrap_or_default();
        let total = match (self.vital, self.flow) {
            (Some(event), _) => Total::Vital(event, by, self.place),
            (None, Some(flow)) => Total::Flow(flow.into(), self.definition, by),
            (None, None) => Total::Population(self.definition),
        };
        let Self { month, sex, category, .. } = *self;
        Asked { unit: UnitId::NONE, total, month, sex, category }
    }

    /// The unit that is named; of a code the version that was established last.
    fn unit_of(&self, log: &dyn LogSource, to: Lsn) -> Result<UnitId> {
        if self.unit == "VN" {
            return Ok(UnitId::NONE);
        }
        let version: Option<UnitId> = self.unit.strip_prefix('U').and_then(|id| id.parse().ok().map(UnitId));
        let code: Option<UnitCode> = self.unit.parse().ok();
        if version.is_none() && code.is_none() {
            bail!("{} is no unit: name a code such as 00001, a version such as U5, or VN", self.unit);
        }
        let mut found = None;
        each_admitted(log, |entry| {
            for event in entry.changes().map_or(&[][..], |changes| &changes.events) {
                let EventBody::UnitEstablished(established) = &event.body else { continue };
                if version == Some(established.unit) || code == Some(established.code) {
                    found = Some(established.unit);
                }
            }
            Ok(if entry.lsn >= to { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        found.with_context(|| format!("no unit {} was established up to lsn {to}", self.unit))
    }
}

fn told(log: &dyn LogSource, cause: Cause) -> Result<Told> {
    let Cause { lsn, change, total } = cause;
    let bytes = log.fetch(lsn)?.with_context(|| format!("lsn {lsn} is not in the log"))?;
    let entry = AdmittedEntry::decode(lsn, &bytes)?;
    let (office, command) = match &entry.body {
        EntryBody::Record(record) => (Some(record.office), Some(record.command.command.name())),
        _ => (None, None),
    };
    let changes = entry.changes().context("only a record changes totals")?;
    Ok(Told {
        lsn,
        recorded_at: entry.header.recorded_at,
        office,
        command,
        events: changes.events.iter().map(|event| event.body.name()).collect(),
        rows: changes.rows.iter().map(|touch| touch.row.to_string()).collect(),
        change,
        total,
    })
}

impl Report {
    fn print(&self) {
        println!("before lsn {}: {}", self.from, self.before);
        let mut rows = table(["lsn", "recorded", "office", "command", "whom", "change", "total"]);
        for it in &self.causes {
            rows.add_row([
                it.lsn.to_string(),
                it.recorded_at.to_string(),
                it.office.map_or_else(String::new, |office| office.to_string()),
                it.command.unwrap_or("by itself").to_owned(),
                it.rows.join(" "),
                format!("{:+}", it.change),
                it.total.to_string(),
            ]);
        }
        println!("{rows}");
        println!(
            "after lsn {}: {}; {} records changed it, {} are listed",
            self.to,
            self.after,
            self.records,
            self.causes.len()
        );
    }
}
