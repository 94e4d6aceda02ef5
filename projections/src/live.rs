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
    /// Several commands were accepted, told together to whoever may see no single one. Events of a kind that are too few are left out.
    Gathered { records: u64, events: BTreeMap<String, u32> },
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

/// Gathers summaries over blocks of the log that are the same for everybody: two streams that begin at different places tell nothing
/// by what lies between them.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Gathering {
    block: u64,
    recorded_at: Timestamp,
    records: u64,
    events: BTreeMap<String, u32>,
}

/// Entries of a block, for each record that is enough.
const BLOCK_ENTRIES: u64 = 10;

impl Gathering {
    /// Where the block begins in which an lsn lies: after this one.
    pub fn begins_after(lsn: Lsn, enough: u64) -> Lsn {
        let entries = enough.max(1) * BLOCK_ENTRIES;
        Lsn(lsn.0 / entries * entries)
    }

    /// Takes one in. A summary of the block before, without the time of day, if it held `enough` records.
    pub fn gather(&mut self, summary: Summary, enough: u64) -> Option<Summary> {
        let entries = enough.max(1) * BLOCK_ENTRIES;
        let block = (summary.lsn.0 - 1) / entries;
        let told = if block == self.block { None } else { self.tell(entries, enough) };
        (self.block, self.recorded_at) = (block, summary.recorded_at);
        if let What::Record { events, .. } | What::Lapsed { events, .. } = summary.what {
            self.records += 1;
            for (event, count) in events {
                *self.events.entry(event).or_default() += count;
            }
        }
        told
    }

    fn tell(&mut self, entries: u64, enough: u64) -> Option<Summary> {
        let Self { block, recorded_at, records, mut events } = std::mem::take(self);
        if records < enough {
            return None;
        }
        events.retain(|_, count| u64::from(*count) >= enough);
        let recorded_at = Timestamp::at_vietnam_midnight(recorded_at.vietnam_date());
        Some(Summary {
            lsn: Lsn((block + 1) * entries),
            recorded_at,
            what: What::Gathered { records, events },
        })
    }
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

#[cfg(test)]
mod tests {
    use super::{Gathering, Summary, What};
    use event_schemas::ids::{Lsn, OfficeId};
    use event_schemas::time::Timestamp;
    use std::collections::BTreeMap;

    fn record(lsn: u64, event: &str) -> Summary {
        let (office, command) = (OfficeId(2), "birth".to_owned());
        let events = BTreeMap::from([(event.to_owned(), 1)]);
        let what = What::Record { office, command, events };
        Summary { lsn: Lsn(lsn), recorded_at: Timestamp(3_600_000_000), what }
    }

    fn told(from: u64) -> Vec<Summary> {
        let begin = Gathering::begins_after(Lsn(from), 2).0;
        let mut gathering = Gathering::default();
        let event = |lsn| if lsn == 25 { "death_registered" } else { "person_registered" };
        // Of the third block one record alone.
        let records =
            (begin + 1..=61).filter(|lsn| !(42..=60).contains(lsn)).map(|lsn| record(lsn, event(lsn)));
        records.filter_map(|summary| gathering.gather(summary, 2)).collect()
    }

    #[test]
    fn records_are_told_by_blocks_that_do_not_depend_on_where_a_stream_begins() {
        let all = told(0);
        assert_eq!(
            all.iter().map(|summary| summary.lsn.0).collect::<Vec<_>>(),
            [20, 40],
            "one record is too few"
        );
        let What::Gathered { records, events } = &all[1].what else { panic!("no office is named") };
        assert_eq!((*records, events.get("person_registered"), events.len()), (20, Some(&19), 1));
        assert_eq!(all[1].recorded_at, Timestamp::at_vietnam_midnight(all[1].recorded_at.vietnam_date()));
        assert_eq!(told(20), all[1..]);
        assert_eq!(told(33), all[1..], "a block is told whole");
    }
}
