//! What was recorded: records by lsn, and timelines of streams as walks through the log. Events name the lsn of the row's
//! record before, so a timeline costs the writer nothing until a late fact needs it.

use crate::follower;
use domain::registry::Registry;
use domain::{TimelineSource, TimelineUnavailable};
use event_log::{LogSource, Verdict};
use event_schemas::Event;
use event_schemas::event::{BeforeCommit, EventBody, OperationCommitted};
use event_schemas::header::EntryHeader;
use event_schemas::ids::{EventAddress, Lsn, Position};
use event_schemas::operation::{PartContent, StagedCorrection};
use event_schemas::record::{AdmittedEntry, Changes, EntryBody, Record, Restatement};
use event_schemas::row::{Aspect, RowRef, StreamRef};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Most records that one walk reads (O1).
pub const MAX_WALK_RECORDS: usize = 4_000;
/// Entries that one decision keeps of those it read (O1).
const MAX_KEPT_ENTRIES: usize = 32;

/// Entries in flight, in order of their lsns, without gaps.
pub trait InFlightEntries {
    /// The entry with this lsn, if it is in flight.
    fn entry(&self, lsn: Lsn) -> Option<&AdmittedEntry>;
}

/// Everything recorded up to the state at hand, for one decision.
pub struct History<'a> {
    pub registry: &'a Registry,
    pub in_flight: &'a dyn InFlightEntries,
    /// Entries of the group that is being decided.
    pub open: &'a [AdmittedEntry],
    source: &'a dyn LogSource,
    /// Entries read last, the latest behind: rows that were corrected in bulk are said one beside the other in the same part.
    read: RefCell<VecDeque<Rc<AdmittedEntry>>>,
}

impl<'a> History<'a> {
    pub fn new(
        registry: &'a Registry,
        in_flight: &'a dyn InFlightEntries,
        open: &'a [AdmittedEntry],
        source: &'a dyn LogSource,
    ) -> Self {
        Self { registry, in_flight, open, source, read: RefCell::default() }
    }

    /// The entry of this lsn from the log.
    fn read(&self, lsn: Lsn) -> Result<Rc<AdmittedEntry>, String> {
        if let Some(entry) = self.read.borrow().iter().find(|entry| entry.lsn == lsn) {
            return Ok(Rc::clone(entry));
        }
        let bytes = self.source.fetch(lsn).map_err(|error| error.to_string())?;
        let bytes = bytes.ok_or_else(|| format!("lsn {lsn} is not in the log"))?;
        let header = EntryHeader::of_entry(&bytes).map_err(|error| error.to_string())?;
        let entry = Rc::new(follower::decode(lsn, header, &bytes).map_err(|error| error.to_string())?);
        let mut read = self.read.borrow_mut();
        if read.len() == MAX_KEPT_ENTRIES {
            read.pop_front();
        }
        read.push_back(Rc::clone(&entry));
        Ok(entry)
    }
}

impl History<'_> {
    /// Calls `visit` with the entry of this lsn.
    pub fn with_entry<T>(&self, lsn: Lsn, visit: impl FnOnce(&AdmittedEntry) -> T) -> Result<T, String> {
        let open = self.open.first().and_then(|first| lsn.0.checked_sub(first.lsn.0));
        if let Some(entry) = open.and_then(|place| self.open.get(place as usize)) {
            return Ok(visit(entry));
        }
        if let Some(entry) = self.in_flight.entry(lsn) {
            return Ok(visit(entry));
        }
        Ok(visit(&*self.read(lsn)?))
    }

    /// The record of this lsn, copied.
    pub fn record(&self, lsn: Lsn) -> Result<(EntryHeader, Record), String> {
        self.with_entry(lsn, |entry| match &entry.body {
            EntryBody::Record(record) => Ok((entry.header, Record::clone(record))),
            other => Err(format!("lsn {lsn} is no record but {:?}", other.kind())),
        })?
    }

    /// Visits what was recorded of a row, newest first, until `visit` has seen enough: lsn, events from the stated place on, timelines.
    /// In those that a part states, its own events have lsn 0.
    fn walk(
        &self,
        row: RowRef,
        mut visit: impl FnMut(Lsn, u32, &[Event], &[Restatement]) -> Enough,
    ) -> Result<(), String> {
        let (_, mut lsn) = self.registry.version(row);
        for _ in 0..MAX_WALK_RECORDS {
            if lsn == Lsn::ZERO {
                return Ok(());
            }
            let next = self.with_entry(lsn, |entry| {
                let changes = entry.changes().ok_or_else(|| format!("lsn {lsn} changes no row"))?;
                let touch = changes.rows.iter().find(|touch| touch.row == row);
                let moved = committed(changes).and_then(|it| it.moved(row));
                let (previous, seen) = match (touch, moved) {
                    (Some(touch), None) => {
                        (touch.previous, Some(visit(lsn, 0, &changes.events, &changes.restatements)))
                    }
                    // What moved after its part: what is said of it stands there, what is done here.
                    (Some(touch), Some(_)) => {
                        let (_, seen) = self.by_commit(lsn, changes, row, |first, said| {
                            visit(lsn, first, &said.events, &changes.restatements)
                        })?;
                        (touch.previous, Some(seen.ok_or_else(|| format!("no part names {row}"))?))
                    }
                    (None, _) => self.by_commit(lsn, changes, row, |first, said| {
                        visit(lsn, first, &said.events, &said.restatements)
                    })?,
                };
                Ok(if seen == Some(Enough::Yes) { Lsn::ZERO } else { previous })
            });
            lsn = next.and_then(|next: Result<Lsn, String>| next)?;
        }
        Err(format!("it is longer than {MAX_WALK_RECORDS} records"))
    }

    fn timeline(&self, stream: StreamRef) -> Result<Vec<(EventAddress, Event)>, String> {
        let mut found = VecDeque::new();
        let mut restated = Vec::new();
        self.walk(stream.row, |lsn, first, events, restatements| {
            // All that came before stands in the restatement.
            if let Some(restatement) = restatements.iter().find(|it| it.stream == stream) {
                restated = restatement.clone().placed_at(lsn).timeline;
                return Enough::Yes;
            }
            let of_stream = |row, aspect| StreamRef { row, aspect } == stream;
            collect((lsn, first), events, of_stream, &mut found);
            Enough::No
        })?;
        restated.extend(found);
        Ok(restated)
    }
}

/// Whether a walk has seen what it was for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Enough {
    Yes,
    No,
}

impl History<'_> {
    /// The record before a commit, which does not itself name the rows that it changes; calls `visit` with what it corrects of the row, if
    /// so, and the place of that correction's first event.
    fn by_commit<T>(
        &self,
        lsn: Lsn,
        changes: &Changes,
        row: RowRef,
        mut visit: impl FnMut(u32, &StagedCorrection) -> T,
    ) -> Result<(Lsn, Option<T>), String> {
        let not_named = || format!("lsn {lsn} does not name {row}");
        let committed = committed(changes).ok_or_else(not_named)?;
        let known = match committed.before(row) {
            BeforeCommit::Known(_, last) => Some(last),
            BeforeCommit::InPart(_) => None,
            BeforeCommit::NotChanged => return Err(not_named()),
        };
        for part in committed.parts_with(row) {
            let found = self.with_part(part, |content| {
                let (_, last) = content.previous(row)?;
                let said = match content {
                    PartContent::Corrections(said) => said.of_row(row),
                    PartContent::Pins(_) => None,
                };
                Some((known.unwrap_or(last), said.map(|(first, said)| visit(first, said))))
            })?;
            if let Some(Some(found)) = found {
                return Ok(found);
            }
        }
        known.map(|last| (last, None)).ok_or_else(not_named)
    }

    /// What a part holds; none if the lsn is none of a part.
    fn with_part<T>(&self, lsn: Lsn, visit: impl FnOnce(&PartContent) -> T) -> Result<Option<T>, String> {
        self.with_entry(lsn, |entry| {
            let mut events = entry.changes().into_iter().flat_map(|changes| &changes.events);
            let content = events.find_map(|event| match &event.body {
                EventBody::OperationPart(part) => Some(&part.content),
                _ => None,
            });
            content.map(visit)
        })
    }

    /// The event at a place of a record, or of what takes effect with it.
    fn event_in(&self, lsn: Lsn, changes: &Changes, index: u32) -> Result<Option<Event>, String> {
        if let Some(event) = changes.events.get(index as usize) {
            return Ok(Some(event.clone()));
        }
        let Some(committed) = committed(changes) else { return Ok(None) };
        let Some(part) = committed.part_with_event(index).filter(|part| *part < lsn) else { return Ok(None) };
        let found = self.with_part(part, |content| match content {
            PartContent::Corrections(said) => {
                let (item, event) = said.at(index)?;
                (!committed.leaves_out(item)).then(|| event.clone())
            }
            PartContent::Pins(_) => None,
        })?;
        Ok(found.flatten())
    }
}

fn committed(changes: &Changes) -> Option<&OperationCommitted> {
    changes.events.iter().find_map(|event| match &event.body {
        EventBody::OperationCommitted(committed) => Some(committed),
        _ => None,
    })
}

/// Puts a record's events with such a stream before those found so far.
fn collect(
    (lsn, first): (Lsn, u32),
    events: &[Event],
    belongs: impl Fn(RowRef, Aspect) -> bool,
    found: &mut VecDeque<(EventAddress, Event)>,
) {
    for (index, event) in events.iter().enumerate().rev() {
        let mut concerns = false;
        event.body.for_each_stream(|row, aspect| concerns |= belongs(row, aspect));
        if concerns {
            found.push_front((EventAddress { lsn, index: first + index as u32 }, event.clone()));
        }
    }
}

impl TimelineSource for History<'_> {
    fn stream(&self, stream: StreamRef) -> Result<Vec<(EventAddress, Event)>, TimelineUnavailable> {
        self.timeline(stream).map_err(|cause| unavailable(stream, cause))
    }

    fn recorded(&self, row: RowRef) -> Result<Vec<(EventAddress, Event)>, TimelineUnavailable> {
        let mut found = VecDeque::new();
        let walked = self.walk(row, |lsn, first, events, _| {
            collect((lsn, first), events, |named, _| named == row, &mut found);
            Enough::No
        });
        walked.map_err(|cause| unavailable(row, cause))?;
        Ok(found.into())
    }

    fn event(&self, at: EventAddress) -> Result<Option<Event>, TimelineUnavailable> {
        if at.lsn == Lsn::ZERO || at.lsn > self.registry.head().lsn {
            return Ok(None);
        }
        let found = self.with_entry(at.lsn, |entry| match entry.changes() {
            Some(changes) => self.event_in(at.lsn, changes, at.index),
            None => Ok(None),
        });
        found.and_then(|found| found).map_err(|cause| unavailable(at, cause))
    }
}

fn unavailable(of: impl std::fmt::Debug, cause: String) -> TimelineUnavailable {
    TimelineUnavailable { of: format!("{of:?}"), cause }
}

/// The chain's head after the entry that was admitted as `lsn`, from the entries' own bytes; `None` if the log does not
/// reach so far. A claim states no head, so the walk goes back to the entry before.
pub fn chain_head_at(
    source: &dyn LogSource,
    lsn: Lsn,
) -> Result<Option<event_schemas::header::ChainHead>, event_log::LogError> {
    use event_schemas::header::{ChainHead, EntryKind};
    let mut after = Vec::new();
    let mut at = lsn;
    while at > Lsn::ZERO {
        let Some(bytes) = source.fetch(at)? else {
            return Ok(None);
        };
        let Ok(header) = EntryHeader::of_entry(&bytes) else {
            return Ok(None);
        };
        let states_head = header.kind != EntryKind::Claim;
        after.push(bytes);
        if states_head {
            let head = after.iter().rev().fold(header.prev, |head, entry| head.extend(entry));
            return Ok(Some(head));
        }
        at = Lsn(at.0 - 1);
    }
    Ok((lsn == Lsn::ZERO).then_some(ChainHead::EMPTY))
}

/// One wait for entries that are known to be in the log, and most of them: brokers may be slow, and what is late is not missing.
const ENTRY_WAIT: std::time::Duration = std::time::Duration::from_millis(100);
const MAX_ENTRY_WAITS: u32 = 300;

/// Reads the log's first entry; `None` if there is none yet.
pub fn read_genesis(source: &dyn LogSource) -> Result<Option<event_schemas::record::Genesis>, GenesisError> {
    let end = source.end();
    let mut waits = 0;
    let mut reader = source.open_reader(Position(0))?;
    let mut admission = event_log::Admission::new();
    loop {
        if reader.position() >= end {
            return Ok(None);
        }
        let batch = reader.read(16, 1 << 20, ENTRY_WAIT)?;
        for raw in &batch.entries {
            if let Verdict::Admitted { header, lsn } = admission.admit(raw.position, &raw.bytes) {
                if let EntryBody::Genesis(genesis) = follower::decode(lsn, header, &raw.bytes)?.body {
                    return Ok(Some(genesis));
                }
            }
        }
        waits += u32::from(batch.entries.is_empty());
        if waits > MAX_ENTRY_WAITS {
            return Err(GenesisError::Late { position: reader.position(), end });
        }
    }
}

/// Why the first entry cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    #[error(transparent)]
    Log(#[from] event_log::LogError),
    #[error(transparent)]
    Entry(#[from] follower::EntryFault),
    #[error(
        "position {} of the log cannot be read, though it ends at {}: no broker gives it", position.0, end.0
    )]
    Late { position: Position, end: Position },
}
