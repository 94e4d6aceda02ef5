//! What two kinds of time cost in the log: records say where the rows' records before them are, and those that are late or correct
//! something carry whole timelines. Counted by encoding every entry with them and without.

use super::super::measured::Measured;
use crate::reading::each_admitted;
use anyhow::Result;
use event_log::LogSource;
use event_schemas::command::Command;
use event_schemas::event::EventBody;
use event_schemas::ids::Lsn;
use event_schemas::operation::PartContent;
use event_schemas::record::{AdmittedEntry, Changes, EntryBody, Restatement};
use event_schemas::row::RowTouch;
use std::ops::ControlFlow;

const STORED: &str = "as it stands in the log";

/// Bytes of some entries, and what they would be without what only the past needs.
#[derive(Default)]
struct Bytes {
    events: u64,
    entries: u64,
    with: u64,
    without_walks: u64,
    without_timelines: u64,
}

/// Of a whole log.
#[derive(Default)]
pub struct Cost {
    /// Those of operations' parts among them.
    pub events: u64,
    plain: Bytes,
    corrections: Bytes,
    parts: Bytes,
}

impl Cost {
    pub fn of(log: &dyn LogSource) -> Result<Self> {
        let mut cost = Self::default();
        each_admitted(log, |entry| {
            cost.take(entry)?;
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(cost)
    }

    fn take(&mut self, entry: &AdmittedEntry) -> Result<()> {
        let EntryBody::Record(record) = &entry.body else { return Ok(()) };
        let bytes = match &record.command.command {
            Command::StageCorrections(_) | Command::StageOperation(_) => &mut self.parts,
            Command::Correct(_) => &mut self.corrections,
            _ => &mut self.plain,
        };
        let mut stripped = record.clone();
        let events = count_events(&record.changes);
        bytes.events += events;
        self.events += events;
        bytes.entries += 1;
        bytes.with += entry.body.encode()?.len() as u64;
        each_past(&mut stripped.changes, &mut |rows, _| {
            rows.iter_mut().for_each(|row| row.previous = Lsn::ZERO);
        });
        bytes.without_walks += EntryBody::Record(stripped.clone()).encode()?.len() as u64;
        each_past(&mut stripped.changes, &mut |_, timelines| timelines.clear());
        bytes.without_timelines += EntryBody::Record(stripped).encode()?.len() as u64;
        Ok(())
    }

    pub fn figures(&self, form: &str) -> Vec<Measured> {
        let by = |bytes: u64, of: u64| bytes as f64 / of.max(1) as f64;
        let Self { plain, corrections, parts, .. } = self;
        let walks = plain.with - plain.without_walks;
        let singles = corrections.entries;
        vec![
            Measured::new(
                "time_walk_bytes",
                by(walks, plain.events),
                "bytes an event",
                STORED,
                format!("{form}; where the row's record before is, of records that correct nothing"),
            )
            .beside("in all", by(plain.with, plain.events)),
            Measured::new(
                "time_correction_bytes",
                by(corrections.with, singles),
                "bytes a correction",
                STORED,
                format!("{form}; {singles} corrections of a household and its members, with their resulting timelines"),
            )
            .beside("without timelines", by(corrections.without_timelines, singles)),
            Measured::new(
                "time_part_bytes",
                by(parts.with, parts.events),
                "bytes an event",
                STORED,
                format!("{form}; parts of operations that correct or take back, with their resulting timelines"),
            )
            .beside("without timelines", by(parts.without_timelines, parts.events)),
        ]
    }
}

fn count_events(changes: &Changes) -> u64 {
    let staged = |body: &EventBody| match body {
        EventBody::OperationPart(part) => match &part.content {
            PartContent::Corrections(staged) => staged.count_events(),
            PartContent::Pins(_) => 0,
        },
        _ => 0,
    };
    changes.events.iter().map(|event| 1 + staged(&event.body) as u64).sum()
}

/// What a record, and each correction that it stages, says of rows and timelines.
fn each_past(changes: &mut Changes, visit: &mut impl FnMut(&mut [RowTouch], &mut Vec<Restatement>)) {
    visit(&mut changes.rows, &mut changes.restatements);
    for event in &mut changes.events {
        let EventBody::OperationPart(part) = &mut event.body else { continue };
        let PartContent::Corrections(staged) = &mut part.content else { continue };
        staged.items.iter_mut().for_each(|item| visit(&mut item.rows, &mut item.restatements));
    }
}
