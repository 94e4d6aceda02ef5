//! What was recorded, kept in memory as a source of timelines; and PINs without a secret.

use crate::context::{PinIssuer, TimelineSource, TimelineUnavailable};
use crate::timeline::slots::{belongs, streams_of};
use event_schemas::Event;
use event_schemas::header::{ChainHead, EntryHeader};
use event_schemas::ids::{ClaimId, EventAddress, KeyId, Lsn, Term};
use event_schemas::pin::PinCell;
use event_schemas::record::{AdmittedEntry, EntryBody};
use event_schemas::row::{RowRef, StreamRef};
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

impl History {
    fn readable(&self, of: impl std::fmt::Debug) -> Result<(), TimelineUnavailable> {
        if !self.broken {
            return Ok(());
        }
        let cause = "the laboratory's history is switched off".to_owned();
        Err(TimelineUnavailable { of: format!("{of:?}"), cause })
    }

    /// Every event with its address, in the order in which they were recorded.
    pub fn events(&self) -> impl Iterator<Item = (EventAddress, &Event)> {
        self.entries.iter().flat_map(|entry| {
            let events = entry.changes().map_or(&[][..], |changes| &changes.events);
            let address = |index| EventAddress { lsn: entry.lsn, index: index as u16 };
            events.iter().enumerate().map(move |(index, event)| (address(index), event))
        })
    }
}

impl TimelineSource for History {
    fn stream(&self, stream: StreamRef) -> Result<Vec<(EventAddress, Event)>, TimelineUnavailable> {
        self.readable(stream)?;
        let mut found = Vec::new();
        for entry in &self.entries {
            let Some(changes) = entry.changes() else { continue };
            if let Some(restated) = changes.restatements.iter().find(|it| it.stream == stream) {
                found.clone_from(&restated.timeline);
                continue;
            }
            for (index, event) in changes.events.iter().enumerate() {
                if belongs(event, stream) {
                    found.push((EventAddress { lsn: entry.lsn, index: index as u16 }, event.clone()));
                }
            }
        }
        Ok(found)
    }

    fn recorded(&self, row: RowRef) -> Result<Vec<(EventAddress, Event)>, TimelineUnavailable> {
        self.readable(row)?;
        let names = |event: &Event| streams_of(event).iter().any(|stream| stream.row == row);
        let found = self.events().filter(|(_, event)| names(event));
        Ok(found.map(|(at, event)| (at, event.clone())).collect())
    }

    fn event(&self, at: EventAddress) -> Result<Option<Event>, TimelineUnavailable> {
        self.readable(at)?;
        Ok(self.events().find(|(address, _)| *address == at).map(|(_, event)| event.clone()))
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
