//! What was recorded, kept in memory as a source of timelines; and PINs without a secret.

use crate::context::{PinIssuer, TimelineSource, TimelineUnavailable};
use crate::timeline::slots::{belongs, streams_of};
use event_schemas::Event;
use event_schemas::event::EventBody;
use event_schemas::header::{ChainHead, EntryHeader};
use event_schemas::ids::{ClaimId, EventAddress, KeyId, Lsn, Term};
use event_schemas::operation::{PartContent, StagedCorrection};
use event_schemas::pin::PinCell;
use event_schemas::record::{AdmittedEntry, EntryBody, Restatement};
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

    /// Every event with its address, in the order in which they were recorded; what an operation staged with its commit.
    pub fn events(&self) -> impl Iterator<Item = (EventAddress, &Event)> {
        self.said().flat_map(|(events, _)| events)
    }

    /// What each entry says: events and restatements.
    fn said(&self) -> impl Iterator<Item = (Vec<(EventAddress, &Event)>, Vec<Restatement>)> {
        self.entries.iter().map(|entry| {
            let lsn = entry.lsn;
            let Some(changes) = entry.changes() else { return (Vec::new(), Vec::new()) };
            let address = |index| EventAddress { lsn, index: index as u32 };
            let mut events: Vec<(EventAddress, &Event)> =
                changes.events.iter().enumerate().map(|(index, event)| (address(index), event)).collect();
            let mut restatements = changes.restatements.clone();
            for (first, item) in self.committed(entry) {
                events.extend(item.events_at(lsn, first));
                restatements.extend(item.restatements_at(lsn));
            }
            (events, restatements)
        })
    }

    /// Corrections that take effect with the entry.
    fn committed(&self, entry: &AdmittedEntry) -> Vec<(u32, &StagedCorrection)> {
        let Some(EventBody::OperationCommitted(committed)) =
            entry.changes().and_then(|changes| changes.events.first()).map(|event| &event.body)
        else {
            return Vec::new();
        };
        let mut parts: Vec<Lsn> = committed.parts.iter().map(|part| part.lsn).collect();
        parts.dedup();
        let mut found = Vec::new();
        for part in parts {
            let part = self.entries[part.0 as usize - 1].changes().and_then(|changes| changes.events.first());
            let Some(EventBody::OperationPart(part)) = part.map(|event| &event.body) else { continue };
            if let PartContent::Corrections(said) = &part.content {
                found.extend(said.placed().filter(|(_, item)| !committed.leaves_out(item)));
            }
        }
        found
    }
}

impl TimelineSource for History {
    fn stream(&self, stream: StreamRef) -> Result<Vec<(EventAddress, Event)>, TimelineUnavailable> {
        self.readable(stream)?;
        let mut found = Vec::new();
        for (events, restatements) in self.said() {
            if let Some(restated) = restatements.iter().find(|it| it.stream == stream) {
                found.clone_from(&restated.timeline);
                continue;
            }
            let of_stream = events.into_iter().filter(|(_, event)| belongs(event, stream));
            found.extend(of_stream.map(|(at, event)| (at, event.clone())));
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
