//! What was recorded, kept in memory as a source of timelines; and PINs without a secret.

use crate::context::{PinIssuer, TimelineSource, TimelineUnavailable};
use event_schemas::Event;
use event_schemas::header::{ChainHead, EntryHeader};
use event_schemas::ids::{ClaimId, EventAddress, KeyId, Lsn, Term};
use event_schemas::pin::PinCell;
use event_schemas::record::{AdmittedEntry, EntryBody};
use event_schemas::row::StreamRef;
use event_schemas::time::{Date, Timestamp};

/// Everything recorded so far, in order.
#[derive(Clone, Default)]
pub struct History {
    pub entries: Vec<AdmittedEntry>,
    /// Timelines cannot be read.
    pub broken: bool,
}

impl History {
    /// Time of the next record: the day's beginning, and a microsecond more with each record.
    pub(super) fn next_time(&self, today: Date) -> Timestamp {
        Timestamp(Timestamp::at_vietnam_midnight(today).0 + self.entries.len() as i64)
    }

    pub(super) fn append(&mut self, today: Date, body: EntryBody) -> AdmittedEntry {
        let lsn = Lsn(self.entries.len() as u64 + 1);
        let entry = AdmittedEntry {
            lsn,
            header: EntryHeader {
                kind: body.kind(),
                format: 0,
                term: Term(1),
                claim_id: ClaimId(1),
                lsn,
                prev: ChainHead::EMPTY,
                recorded_at: self.next_time(today),
                key_id: KeyId::NONE,
                body_len: 0,
            },
            body,
        };
        self.entries.push(entry.clone());
        entry
    }

    /// The last entry.
    pub fn last(&self) -> Option<&AdmittedEntry> {
        self.entries.last()
    }
}

impl TimelineSource for History {
    fn stream(&self, stream: StreamRef) -> Result<Vec<(EventAddress, Event)>, TimelineUnavailable> {
        if self.broken {
            let cause = "the laboratory's history is switched off".to_owned();
            return Err(TimelineUnavailable { stream, cause });
        }
        let mut found = Vec::new();
        for entry in &self.entries {
            let events = entry.changes().map_or(&[][..], |changes| &changes.events);
            for (index, event) in events.iter().enumerate() {
                let mut belongs = false;
                event
                    .body
                    .for_each_stream(|row, aspect| belongs |= row == stream.row && aspect == stream.aspect);
                if belongs {
                    let address = EventAddress { lsn: entry.lsn, index: index as u16 };
                    found.push((address, event.clone()));
                }
            }
        }
        Ok(found)
    }
}

/// Serials by a plain permutation: `draw × multiplier + 17` modulo the cell's size.
#[derive(Clone, Copy, Debug)]
pub struct TestPins {
    /// Coprime to a million.
    pub multiplier: u32,
    pub version: u16,
}

impl Default for TestPins {
    fn default() -> Self {
        Self { multiplier: 7_919, version: 1 }
    }
}

impl PinIssuer for TestPins {
    fn key_version(&self) -> u16 {
        self.version
    }

    fn serial(&self, _cell: PinCell, draw: u32) -> u32 {
        let capacity = u64::from(PinCell::CAPACITY);
        ((u64::from(draw) * u64::from(self.multiplier) + 17) % capacity) as u32
    }
}
