//! What was recorded, as it is recorded: one summary an entry, for dashboards. It counts events and names offices; it names no
//! person, household or card.

use event_log::{LogError, LogSource};
use event_schemas::ids::{Lsn, OfficeId, Term};
use event_schemas::record::{AdmittedEntry, Changes, EntryBody};
use event_schemas::time::{Date, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One entry of the log in short.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    pub lsn: Lsn,
    pub recorded_at: Timestamp,
    #[serde(flatten)]
    pub what: What,
}

/// What an entry did.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum What {
    /// A command was accepted.
    Record {
        office: OfficeId,
        /// Stable name of the command.
        command: String,
        /// How many events of each kind, by stable name.
        events: BTreeMap<String, u32>,
    },
    /// The date inside the registry moved on.
    DayOpened { date: Date },
    /// Something fell due with the day.
    Lapsed { date: Date, events: BTreeMap<String, u32> },
    /// A node leads from here on.
    Leader { node: String, term: Term },
    /// The log begins, ends, or changes its format; or the operator consented to a clock.
    Administration { kind: String },
}

/// Summaries of the entries after `after` up to `until`, the first `limit` entries of them. Entries that say nothing, such as
/// digests and ticks, are left out. Also returns the last lsn that was looked at.
pub fn summaries(
    source: &dyn LogSource,
    after: Lsn,
    until: Lsn,
    limit: u64,
) -> Result<(Vec<Summary>, Lsn), LiveError> {
    let last = Lsn(until.0.min(after.0.saturating_add(limit)));
    let mut found = Vec::new();
    for lsn in (after.0 + 1..=last.0).map(Lsn) {
        let bytes = source.fetch(lsn)?.ok_or(LiveError::Unreadable(lsn))?;
        let entry = AdmittedEntry::decode(lsn, &bytes).map_err(|_| LiveError::Unreadable(lsn))?;
        found.extend(summary_of(entry));
    }
    Ok((found, last))
}

/// Why what was recorded cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the log has no readable entry at lsn {0}")]
    Unreadable(Lsn),
}

fn summary_of(entry: AdmittedEntry) -> Option<Summary> {
    let administration = |kind: &str| What::Administration { kind: kind.to_owned() };
    let what = match entry.body {
        EntryBody::Record(record) => What::Record {
            office: record.office,
            command: record.command.command.name().to_owned(),
            events: counted(&record.changes),
        },
        EntryBody::DayOpened { date } => What::DayOpened { date },
        EntryBody::Lapsed(lapsed) => What::Lapsed { date: lapsed.date, events: counted(&lapsed.changes) },
        EntryBody::Claim { node } => What::Leader { node: node.to_string(), term: entry.header.term },
        EntryBody::Genesis(_) => administration("genesis"),
        EntryBody::Activate { .. } => administration("activate"),
        EntryBody::Sealed { .. } => administration("sealed"),
        EntryBody::ClockConsent { .. } => administration("clock_consent"),
        EntryBody::Tick | EntryBody::StateDigest(_) => return None,
    };
    Some(Summary { lsn: entry.lsn, recorded_at: entry.header.recorded_at, what })
}

fn counted(changes: &Changes) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for event in &changes.events {
        *counts.entry(event.body.name().to_owned()).or_insert(0) += 1;
    }
    counts
}
