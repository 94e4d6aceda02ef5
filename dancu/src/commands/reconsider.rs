//! `dancu reconsider`

use crate::home::{DEFAULT_DIR, Home};
use crate::reading::{each_entry, lsn_bar};
use crate::tables::table;
use anyhow::{Context, Result, ensure};
use clap::Args;
use command_service::invariants::{Auditor, Recorded, Violation};
use domain::Decision;
use domain::rules::{FIGURES, IN_FORCE, Rules};
use event_schemas::ids::{CommandId, Lsn, OfficeId, OfficerId, RulesRevision};
use event_schemas::outcome::Fault;
use event_schemas::record::Changes;
use event_schemas::row::RowRef;
use event_schemas::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

/// Decide recorded commands again: by the rules of their day, which has to give what is recorded, and by other rules.
///
/// Every command is judged on what was recorded before it, as it was then: a decision that other rules would have refused is
/// told, and what rested on it is judged as if it had been made. Commands that were refused leave no record and are not judged.
/// It takes no lock, so it may run beside the service, and changes nothing.
///   dancu reconsider --from 120 --to 4711 --set marriage_age_woman_years=20
#[derive(Debug, Args)]
pub struct Reconsider {
    /// Directory of the registry.
    #[arg(long, default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// First record to judge.
    #[arg(long, default_value = "1")]
    from: Lsn,
    /// Last record to judge; the last of the log unless stated.
    #[arg(long)]
    to: Option<Lsn>,
    /// The other rules: a revision that this program knows. Those in force unless stated.
    #[arg(long, value_name = "REVISION")]
    rules: Option<u16>,
    /// The other rules have this figure; --figures lists them. May be repeated.
    #[arg(long = "set", value_name = "FIGURE=VALUE")]
    sets: Vec<String>,
    /// List at most so many of those that would be decided otherwise; all are counted.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Only list the figures that rules have, with the law where they stand.
    #[arg(long)]
    figures: bool,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
struct Report {
    from: Lsn,
    to: Lsn,
    /// What the other rules are; none if only those of the day decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<BTreeMap<&'static str, i16>>,
    /// Decisions that the rules of their day give again, by revision.
    proven: BTreeMap<RulesRevision, u64>,
    #[serde(flatten)]
    otherwise: Otherwise,
    /// Those that would be decided otherwise, the first ones.
    listed: Vec<Different>,
}

/// Decisions that other rules change, counted.
#[derive(Debug, Default, Serialize)]
struct Otherwise {
    /// By kind of command, then by code of the refusal.
    refused: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// By kind of command: accepted, with other facts.
    changed: BTreeMap<&'static str, u64>,
    /// Commands of both.
    commands: u64,
}

/// One decision that other rules would make otherwise.
#[derive(Debug, Serialize)]
struct Different {
    lsn: Lsn,
    recorded_at: Timestamp,
    command_id: CommandId,
    command: &'static str,
    office: OfficeId,
    officer: OfficerId,
    /// Whom and what the record touches.
    rows: Vec<RowRef>,
    /// Why it would be refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    faults: Vec<Fault>,
    /// Kinds of facts that would be recorded otherwise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    facts: Vec<&'static str>,
}

impl Reconsider {
    pub fn run(self) -> Result<ExitCode> {
        if self.figures {
            return self.list_figures();
        }
        let other = self.other_rules()?;
        let home = Home::open(&self.dir)?;
        let (log, admission) = crate::log::open_read_only(&home)?;
        let to = self.to.unwrap_or(admission.last_lsn);
        ensure!(to <= admission.last_lsn, "the log ends at lsn {}, before {to}", admission.last_lsn);
        ensure!(self.from <= to, "--from {} lies behind --to {to}", self.from);
        let figures = |rules: &Rules| FIGURES.iter().map(|it| (it.name, it.of(rules))).collect();
        let mut report =
            Report { from: self.from, to, rules: other.as_ref().map(figures), ..Report::default() };
        let progress = lsn_bar(to);
        let mut auditor = Auditor::of_log(log.clone());
        each_entry(&*log, |raw| {
            let judge = |recorded: &Recorded<'_>| match recorded.entry.lsn >= self.from {
                true => report.judge(recorded, other.as_ref(), self.limit),
                false => Ok(()),
            };
            let taken = auditor
                .take_and(raw.position, &raw.bytes, judge)
                .with_context(|| format!("the first bad place is at position {}", raw.position.0))?;
            let Some(entry) = taken else { return Ok(ControlFlow::Continue(())) };
            progress.set_position(entry.lsn.0);
            Ok(if entry.lsn >= to { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        progress.finish_and_clear();
        self.tell(&report)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The rules to compare with; none if nothing is asked but proof.
    fn other_rules(&self) -> Result<Option<Rules>> {
        if self.rules.is_none() && self.sets.is_empty() {
            return Ok(None);
        }
        let revision = self.rules.map_or(IN_FORCE.revision, RulesRevision);
        let known = IN_FORCE.revision;
        let rules = Rules::of(revision)
            .with_context(|| format!("this program knows no rules {revision}; it decides by {known}"))?;
        let rules = self.sets.iter().try_fold(rules.clone(), |rules, set| {
            let (name, value) = set.split_once('=').with_context(|| format!("{set} is not FIGURE=VALUE"))?;
            let value = value.parse().with_context(|| format!("{set}: the value is no whole number"))?;
            rules.with(name, value).context("dancu reconsider --figures lists what there is")
        })?;
        Ok(Some(rules))
    }

    fn list_figures(&self) -> Result<ExitCode> {
        if self.json {
            let figures = FIGURES.iter().map(|figure| {
                let (from, to) = (figure.range.start(), figure.range.end());
                serde_json::json!({
                    "name": figure.name, "value": figure.of(&IN_FORCE), "from": from, "to": to,
                    "what": figure.what, "law": figure.law,
                })
            });
            println!("{}", serde_json::to_string(&figures.collect::<Vec<_>>())?);
            return Ok(ExitCode::SUCCESS);
        }
        let mut rows = table(["figure", "value", "what", "law"]);
        for figure in FIGURES {
            rows.add_row([figure.name, &figure.of(&IN_FORCE).to_string(), figure.what, figure.law]);
        }
        println!("{rows}");
        Ok(ExitCode::SUCCESS)
    }

    fn tell(&self, report: &Report) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(report)?);
            return Ok(());
        }
        let mut rows = table(["decided again", "commands"]);
        for (revision, count) in &report.proven {
            rows.add_row([format!("by {revision}, the rules of their day: as recorded"), count.to_string()]);
        }
        for (command, codes) in &report.otherwise.refused {
            for (code, count) in codes {
                rows.add_row([
                    format!("by the other rules: {command} refused with {code}"),
                    count.to_string(),
                ]);
            }
        }
        for (command, count) in &report.otherwise.changed {
            rows.add_row([format!("by the other rules: {command} with other facts"), count.to_string()]);
        }
        println!("{rows}");
        if report.rules.is_none() {
            println!("no other rules were named: --set FIGURE=VALUE, --rules REVISION");
            return Ok(());
        }
        let different = report.otherwise.commands;
        println!("{different} commands would be decided otherwise; {} are listed", report.listed.len());
        if report.listed.is_empty() {
            return Ok(());
        }
        let mut rows = table(["lsn", "recorded", "office", "command", "whom", "otherwise"]);
        for it in &report.listed {
            let whom: Vec<String> = it.rows.iter().map(ToString::to_string).collect();
            rows.add_row([
                it.lsn.to_string(),
                it.recorded_at.to_string(),
                it.office.to_string(),
                it.command.to_owned(),
                whom.join(" "),
                it.words(),
            ]);
        }
        println!("{rows}");
        Ok(())
    }
}

impl Report {
    fn judge(
        &mut self,
        recorded: &Recorded<'_>,
        other: Option<&Rules>,
        limit: usize,
    ) -> Result<(), Violation> {
        recorded.check()?;
        let record = recorded.record;
        *self.proven.entry(record.rules).or_default() += 1;
        let Some(other) = other else { return Ok(()) };
        let kind = record.command.command.name();
        let (faults, facts) = match recorded.decide_again(other) {
            Decision::Accepted(accepted) if accepted.changes == record.changes => return Ok(()),
            Decision::Accepted(accepted) => {
                *self.otherwise.changed.entry(kind).or_default() += 1;
                (Vec::new(), differing(&record.changes, &accepted.changes))
            }
            Decision::Refused(faults) => {
                let of_kind = self.otherwise.refused.entry(kind).or_default();
                for fault in &faults {
                    *of_kind.entry(fault.code.clone()).or_default() += 1;
                }
                (faults, Vec::new())
            }
        };
        self.otherwise.commands += 1;
        if self.listed.len() < limit {
            self.listed.push(Different {
                lsn: recorded.entry.lsn,
                recorded_at: recorded.entry.header.recorded_at,
                command_id: record.command.command_id,
                command: kind,
                office: record.office,
                officer: record.officer,
                rows: record.changes.rows.iter().map(|touch| touch.row).collect(),
                faults,
                facts,
            });
        }
        Ok(())
    }
}

impl Different {
    fn words(&self) -> String {
        if self.faults.is_empty() {
            return format!("other facts: {}", self.facts.join(", "));
        }
        let words: Vec<String> =
            self.faults.iter().map(|fault| format!("{}: {}", fault.code, fault.en)).collect();
        words.join("; ")
    }
}

/// Kinds of events that only one of the two has, or has with other content.
fn differing(recorded: &Changes, otherwise: &Changes) -> Vec<&'static str> {
    let only = |these: &Changes, those: &Changes| -> Vec<&'static str> {
        these.events.iter().filter(|it| !those.events.contains(it)).map(|it| it.body.name()).collect()
    };
    let mut kinds = only(recorded, otherwise);
    kinds.extend(only(otherwise, recorded));
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}
