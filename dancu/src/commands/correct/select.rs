//! `dancu correct bulk select`

use super::with_member;
use crate::home::{DEFAULT_DIR, Home};
use crate::reading::each_admitted;
use anyhow::{Context, Result, ensure};
use clap::Args;
use event_schemas::correction::{Edit, MAX_EDITS, StatedFact};
use event_schemas::event::{Event, EventBody};
use event_schemas::ids::{EventAddress, Lsn, OfficeId};
use event_schemas::operation::MAX_OPERATION_ROWS;
use event_schemas::record::{AdmittedEntry, EntryBody};
use event_schemas::row::RowRef;
use event_schemas::time::Date;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

/// Which facts, and what becomes of them. What a record says stands on one line, with what other records say of the same people.
///
/// It reads the files of the registry and takes no token:
///   dancu correct bulk select --office 7 --recorded-on 2021-03-15 --event permanent_residence_registered \\
///       --event household_formed --where place.domestic.unit=4 --set place.domestic.unit=3 > edits.ndjson
#[derive(Debug, Args)]
pub struct Select {
    /// Directory of the registry.
    #[arg(long, default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// Recorded by this office.
    #[arg(long)]
    office: Option<u32>,
    /// Recorded on this day.
    #[arg(long)]
    recorded_on: Option<Date>,
    /// First record.
    #[arg(long)]
    from: Option<Lsn>,
    /// Last record.
    #[arg(long)]
    to: Option<Lsn>,
    /// A kind of event, such as household_moved.
    #[arg(long = "event", required = true, value_name = "KIND")]
    kinds: Vec<String>,
    /// Only facts whose member has this value: text, or JSON.
    #[arg(long = "where", value_name = "MEMBER=VALUE")]
    having: Vec<String>,
    /// State them with another value: text, or JSON.
    #[arg(long = "set", value_name = "MEMBER=VALUE", required_unless_present = "annul")]
    sets: Vec<String>,
    /// Take them back.
    #[arg(long, conflicts_with = "sets")]
    annul: bool,
}

impl Select {
    pub fn run(&self) -> Result<ExitCode> {
        for kind in &self.kinds {
            let is_known = EventBody::KINDS.iter().any(|(_, name)| name == kind);
            ensure!(is_known, "there is no event '{kind}'; `dancu schema event` lists them");
        }
        let home = Home::open(&self.dir)?;
        let (log, _) = crate::log::open_read_only(&home)?;
        let mut items = Items::default();
        each_admitted(&*log, |entry| {
            if self.to.is_some_and(|to| entry.lsn > to) {
                return Ok(ControlFlow::Break(()));
            }
            if self.from.is_none_or(|from| entry.lsn >= from) {
                self.record(entry, &mut items)?;
            }
            ensure!(
                items.edits <= MAX_OPERATION_ROWS as usize,
                "more than {MAX_OPERATION_ROWS} facts are selected"
            );
            Ok(ControlFlow::Continue(()))
        })?;
        let mut out = std::io::stdout().lock();
        for (first, edits) in &items.of {
            ensure!(
                edits.len() <= MAX_EDITS,
                "the correction of lsn {first} would have more than {MAX_EDITS} edits"
            );
            writeln!(out, "{}", serde_json::to_string(edits)?)?;
        }
        eprintln!("{} facts in {} corrections", items.edits, items.of.len());
        Ok(ExitCode::SUCCESS)
    }

    fn record(&self, entry: &AdmittedEntry, items: &mut Items) -> Result<()> {
        let EntryBody::Record(record) = &entry.body else { return Ok(()) };
        let is_of_office = self.office.is_none_or(|office| record.office == OfficeId(office));
        let is_of_day = self.recorded_on.is_none_or(|day| entry.header.recorded_at.vietnam_date() == day);
        if !is_of_office || !is_of_day {
            return Ok(());
        }
        for (index, event) in (0..).zip(&record.changes.events) {
            if self.kinds.iter().any(|kind| kind == event.body.name()) {
                if let Some(edit) = self.edit(EventAddress { lsn: entry.lsn, index }, event)? {
                    items.take(edit, entry.lsn, event);
                }
            }
        }
        Ok(())
    }

    /// What becomes of a fact; nothing if it has other values.
    fn edit(&self, at: EventAddress, event: &Event) -> Result<Option<Edit>> {
        let body = serde_json::to_value(&event.body)?;
        if !self.having.iter().all(|having| has_member(&body, having)) {
            return Ok(None);
        }
        if self.annul {
            return Ok(Some(Edit::Annul { event: at }));
        }
        let body =
            self.sets.iter().try_fold(body, with_member).with_context(|| format!("the fact at {at}"))?;
        let shown = body.to_string();
        let body = serde_json::from_value(body).with_context(|| format!("{shown} is no fact"))?;
        Ok(Some(Edit::Amend { event: at, to: StatedFact { effective_on: event.effective_on, body } }))
    }
}

/// Whether a fact's JSON has a member of this value.
fn has_member(body: &Value, having: &str) -> bool {
    let Some((path, value)) = having.split_once('=') else { return false };
    let Some(fact) = body.as_object().and_then(|body| body.values().next()) else { return false };
    let found = path.split('.').try_fold(fact, |member, name| member.get(name));
    let stated = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    found.is_some_and(|found| *found == stated)
}

/// Edits that belong together, by the first record that states what they edit.
#[derive(Default)]
struct Items {
    of: BTreeMap<Lsn, Vec<Edit>>,
    rows: HashMap<RowRef, Lsn>,
    /// Records whose edits stand with those of an earlier one.
    merged: HashMap<Lsn, Lsn>,
    edits: usize,
}

impl Items {
    /// Beside what else is edited of its record, and of the same people and households whichever record said it.
    fn take(&mut self, edit: Edit, at: Lsn, event: &Event) {
        self.edits += 1;
        let mut first = self.root(at);
        self.of.entry(first).or_default().push(edit);
        let mut rows = Vec::new();
        event.body.for_each_stream(|row, _| rows.push(row));
        for row in rows {
            let known = self.rows.get(&row).map_or(first, |known| self.root(*known));
            if known != first {
                let (into, from) = (known.min(first), known.max(first));
                let edits = self.of.remove(&from).unwrap_or_default();
                self.of.entry(into).or_default().extend(edits);
                self.merged.insert(from, into);
                first = into;
            }
            self.rows.insert(row, first);
        }
    }

    fn root(&self, mut at: Lsn) -> Lsn {
        while let Some(into) = self.merged.get(&at) {
            at = *into;
        }
        at
    }
}
