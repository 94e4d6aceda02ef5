//! A row's records, one after the other, newest first, by walking the log: each record says for every row that it changes which
//! record changed it before. Needs no index.

use crate::history::Submission;
use event_log::{LogError, LogSource};
use event_schemas::basis::Basis;
use event_schemas::event::{BeforeCommit, Event, EventBody};
use event_schemas::ids::{EventAddress, Lsn};
use event_schemas::operation::{PartContent, StagedCorrection};
use event_schemas::record::{AdmittedEntry, EntryBody, Restatement};
use event_schemas::row::{RowRef, RowTouch};
use event_schemas::time::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

/// Most records that one question reads (O1).
pub const MAX_WALKED_RECORDS: usize = 20_000;
/// Most bytes of records that one question reads (O1).
pub const MAX_WALKED_BYTES: usize = 64 << 20;
/// Most bytes of entries that one question keeps of those it read: some ten parts of operations, as they stand in the log.
const MAX_KEPT_BYTES: usize = 2 << 20;

/// Why records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the log has no readable entry at lsn {0}")]
    Unreadable(Lsn),
    #[error("the record at lsn {lsn} does not change {row}")]
    NotInRecord { lsn: Lsn, row: RowRef },
    #[error("more than {MAX_WALKED_RECORDS} records or {MAX_WALKED_BYTES} bytes would have to be read")]
    TooLong,
}

/// What one question may still read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    records: usize,
    bytes: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self::of(MAX_WALKED_RECORDS, MAX_WALKED_BYTES)
    }
}

impl Allowance {
    pub const fn of(records: usize, bytes: usize) -> Self {
        Self { records, bytes }
    }
}

/// The log as one question reads it. The rows of a household were corrected by the same parts of operations, so entries that were read
/// last are kept, decoded; what was admitted never changes.
pub(crate) struct Entries<'a> {
    source: &'a dyn LogSource,
    left: Allowance,
    kept: HashMap<Lsn, Rc<AdmittedEntry>>,
    /// Those that are kept, with the bytes of each, the latest behind.
    order: VecDeque<(Lsn, usize)>,
    kept_bytes: usize,
}

impl<'a> Entries<'a> {
    pub fn of(source: &'a dyn LogSource) -> Self {
        Self::within(source, Allowance::default())
    }

    /// As far as the allowance goes.
    pub fn within(source: &'a dyn LogSource, left: Allowance) -> Self {
        Self { source, left, kept: HashMap::new(), order: VecDeque::new(), kept_bytes: 0 }
    }

    /// What may still be read.
    pub fn left(&self) -> Allowance {
        self.left
    }

    fn entry(&mut self, lsn: Lsn) -> Result<Rc<AdmittedEntry>, HistoryError> {
        self.left.records = self.left.records.checked_sub(1).ok_or(HistoryError::TooLong)?;
        if let Some(entry) = self.kept.get(&lsn) {
            return Ok(Rc::clone(entry));
        }
        let bytes = self.source.fetch(lsn)?.ok_or(HistoryError::Unreadable(lsn))?;
        self.left.bytes = self.left.bytes.checked_sub(bytes.len()).ok_or(HistoryError::TooLong)?;
        let entry = Rc::new(decoded(lsn, &bytes)?);
        self.keep(bytes.len(), &entry);
        Ok(entry)
    }

    fn keep(&mut self, bytes: usize, entry: &Rc<AdmittedEntry>) {
        self.kept.insert(entry.lsn, Rc::clone(entry));
        self.order.push_back((entry.lsn, bytes));
        self.kept_bytes += bytes;
        while self.kept_bytes > MAX_KEPT_BYTES
            && let Some((oldest, bytes)) = self.order.pop_front()
        {
            self.kept.remove(&oldest);
            self.kept_bytes -= bytes;
        }
    }
}

fn decoded(lsn: Lsn, bytes: &[u8]) -> Result<AdmittedEntry, HistoryError> {
    AdmittedEntry::decode(lsn, bytes).map_err(|_| HistoryError::Unreadable(lsn))
}

/// Hears rows that a record changes, and timelines that it tells anew.
pub(crate) type HearsChanges<'a> = dyn FnMut(&[RowTouch], &[Restatement]) -> Result<(), HistoryError> + 'a;

/// Tells `visit` the rows that a record changes and the timelines that it tells anew: its own first, among them those of corrections whose
/// rows moved, then those of each correction that it commits, as it was staged. Takes the record and the parts that it reads from
/// `left`. False if nothing is recorded there yet.
pub(crate) fn changes_by(
    source: &dyn LogSource,
    lsn: Lsn,
    left: &mut u64,
    visit: &mut HearsChanges<'_>,
) -> Result<bool, HistoryError> {
    let mut read = |lsn| -> Result<Option<AdmittedEntry>, HistoryError> {
        let Some(bytes) = source.fetch(lsn)? else { return Ok(None) };
        *left = left.checked_sub(1).ok_or(HistoryError::TooLong)?;
        decoded(lsn, &bytes).map(Some)
    };
    let Some(entry) = read(lsn)? else { return Ok(false) };
    let Some(changes) = entry.changes() else { return Ok(true) };
    visit(&changes.rows, &changes.restatements)?;
    for event in &changes.events {
        let EventBody::OperationCommitted(committed) = &event.body else { continue };
        for part in &committed.parts {
            let part = read(part.lsn)?.ok_or(HistoryError::Unreadable(part.lsn))?;
            let made = corrections_in(&part).filter(|item| !committed.leaves_out(item));
            for item in made {
                visit(&item.rows, &item.restatements)?;
            }
        }
    }
    Ok(true)
}

/// Records that are seen beyond the last one that must be, so that a reading taken next is likely to show nothing else.
const SEEN_AHEAD: u64 = 1_000;

/// Calls `see` with every record after `seen` up to `last`, and with some that are there already beyond it. `see` says whether there is
/// such a record.
pub(crate) fn follow(
    seen: &mut Lsn,
    last: Lsn,
    left: u64,
    mut see: impl FnMut(Lsn) -> Result<bool, HistoryError>,
) -> Result<(), HistoryError> {
    if last.0.saturating_sub(seen.0) > left {
        return Err(HistoryError::TooLong);
    }
    while seen.0 < last.0.saturating_add(SEEN_AHEAD) {
        match see(seen.next()) {
            Ok(true) => *seen = seen.next(),
            Ok(false) if *seen < last => return Err(HistoryError::Unreadable(seen.next())),
            Err(error) if *seen < last => return Err(error),
            Ok(false) | Err(_) => break,
        }
    }
    Ok(())
}

fn corrections_in(part: &AdmittedEntry) -> impl Iterator<Item = &StagedCorrection> {
    let events = part.changes().into_iter().flat_map(|changes| &changes.events);
    let staged = events.filter_map(|event| match &event.body {
        EventBody::OperationPart(part) => match &part.content {
            PartContent::Corrections(said) => Some(&said.items),
            PartContent::Pins(_) => None,
        },
        _ => None,
    });
    staged.flatten()
}

/// What one record says of one row.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct RowRecord {
    pub lsn: Lsn,
    pub recorded_at: Timestamp,
    pub touch: RowTouch,
    /// Who submitted it; none for what fell due with a day.
    pub submitted: Option<Submission>,
    pub bases: Vec<Basis>,
    /// Its events that change the row.
    pub events: Vec<(EventAddress, Event)>,
    /// Restated timelines of the row.
    pub restatements: Vec<Restatement>,
}

impl RowRecord {
    /// Reads the record at `lsn`, which changes `row`.
    pub fn read(row: RowRef, lsn: Lsn, entries: &mut Entries<'_>) -> Result<Self, HistoryError> {
        let entry = entries.entry(lsn)?;
        let named = touch_of(&entry, row);
        let found = match (named, commit_of(&entry, row, entries)?) {
            // A correction whose row moved: what it says stands in the part, what it does here.
            (Some(touch), Some(by)) => Some(by.done_here(touch, &entry)),
            (Some(touch), None) => Some(CommitOf { touch, events: events_of(&entry, row), part: None }),
            (None, by) => by,
        };
        let CommitOf { touch, events, part } = found.ok_or(HistoryError::NotInRecord { lsn, row })?;
        let recorded_at = entry.header.recorded_at;
        let (submitted, changes) = match &entry.body {
            EntryBody::Record(record) => {
                let command = record.command.command.name().to_owned();
                let (office, officer) = (record.office, record.officer);
                let command_id = record.command.command_id;
                (Some(Submission { office, officer, command_id, command }), &record.changes)
            }
            EntryBody::Lapsed(lapsed) => (None, &lapsed.changes),
            _ => return Err(HistoryError::NotInRecord { lsn, row }),
        };
        let (bases, restatements) =
            part.unwrap_or_else(|| (changes.bases.clone(), restated(&changes.restatements, row)));
        Ok(Self { lsn, recorded_at, touch, submitted, bases, events, restatements })
    }

    /// The record of the row before this one.
    pub fn previous(&self) -> Option<Lsn> {
        Some(self.touch.previous).filter(|previous| *previous != Lsn::ZERO && *previous < self.lsn)
    }
}

/// Every record of `row` up to `known_at`, oldest first, given the one at `last`, its last or any later one.
pub(crate) fn records_until(
    row: RowRef,
    last: Lsn,
    known_at: Lsn,
    entries: &mut Entries<'_>,
) -> Result<Vec<RowRecord>, HistoryError> {
    let mut records = Vec::new();
    let mut next = Some(last).filter(|last| *last != Lsn::ZERO);
    while let Some(lsn) = next {
        let record = RowRecord::read(row, lsn, entries)?;
        next = record.previous();
        if lsn <= known_at {
            records.push(record);
        }
    }
    records.reverse();
    Ok(records)
}

/// The restated timelines of the row among these.
fn restated(restatements: &[Restatement], row: RowRef) -> Vec<Restatement> {
    restatements.iter().filter(|restated| restated.stream.row == row).cloned().collect()
}

fn touch_of(entry: &AdmittedEntry, row: RowRef) -> Option<RowTouch> {
    entry.changes()?.rows.iter().find(|touch| touch.row == row).copied()
}

fn events_of(entry: &AdmittedEntry, row: RowRef) -> Vec<(EventAddress, Event)> {
    let mut events = Vec::new();
    for (index, event) in entry.changes().into_iter().flat_map(|changes| &changes.events).enumerate() {
        let mut concerns = false;
        event.body.for_each_stream(|touched, _| concerns |= touched == row);
        if concerns {
            events.push((EventAddress { lsn: entry.lsn, index: index as u32 }, event.clone()));
        }
    }
    events
}

/// What a commit did to a row: its timelines and grounds stand in the part, if it is a correction.
struct CommitOf {
    touch: RowTouch,
    events: Vec<(EventAddress, Event)>,
    part: Option<(Vec<Basis>, Vec<Restatement>)>,
}

impl CommitOf {
    /// With the timelines of the commit's own record in the place of the part's.
    fn done_here(self, touch: RowTouch, entry: &AdmittedEntry) -> Self {
        let row = touch.row;
        let restatements =
            entry.changes().map_or_else(Vec::new, |changes| restated(&changes.restatements, row));
        Self { touch, part: self.part.map(|(bases, _)| (bases, restatements)), ..self }
    }
}

/// A commit does not name the rows that it changes, but for those that moved: its parts do, and say what it did to each.
fn commit_of(
    entry: &AdmittedEntry,
    row: RowRef,
    entries: &mut Entries<'_>,
) -> Result<Option<CommitOf>, HistoryError> {
    let events = entry.changes().into_iter().flat_map(|changes| &changes.events).enumerate();
    let found = events.into_iter().find_map(|(index, event)| match &event.body {
        EventBody::OperationCommitted(committed) => Some((index as u32, event, committed)),
        _ => None,
    });
    let Some((index, event, committed)) = found else { return Ok(None) };
    let (mut before, mut issued) = (None, None);
    let parts = match committed.before(row) {
        BeforeCommit::NotChanged => return Ok(None),
        BeforeCommit::Known(version, last) => {
            before = Some((version, last));
            committed.parts_with(row)
        }
        BeforeCommit::InPart(parts) => parts,
    };
    // Newest first: the last part that names the row says where it stood, the first drew its number.
    for part in parts {
        let part = entries.entry(part)?;
        let Some(said) = part.changes() else { continue };
        let content = said.events.iter().find_map(|event| match &event.body {
            EventBody::OperationPart(part) => Some(&part.content),
            _ => None,
        });
        let Some(content) = content else { continue };
        if let PartContent::Corrections(corrections) = content {
            if let Some((first, item)) = corrections.of_row(row) {
                return Ok(corrected((entry.lsn, first), item, row, &said.bases));
            }
            continue;
        }
        before = before.or(content.previous(row));
        let RowRef::Person(person) = row else { continue };
        issued = issued.or(content.number_of(person));
    }
    let (Some((version, previous)), Some(issued)) = (before, issued) else { return Ok(None) };
    let shown = Event { body: EventBody::PinIssued(issued), ..event.clone() };
    let at = EventAddress { lsn: entry.lsn, index };
    let touch = RowTouch { row, version: version.next(), previous };
    Ok(Some(CommitOf { touch, events: vec![(at, shown)], part: None }))
}

/// What a correction in bulk did to a row, by the commit at `lsn`.
fn corrected(
    (lsn, first): (Lsn, u32),
    item: &StagedCorrection,
    row: RowRef,
    bases: &[Basis],
) -> Option<CommitOf> {
    let touch = item.rows.iter().find(|touch| touch.row == row).copied()?;
    let concerns = |event: &Event| {
        let mut concerns = false;
        event.body.for_each_stream(|touched, _| concerns |= touched == row);
        concerns
    };
    let events = item.events_at(lsn, first).filter(|(_, event)| concerns(event));
    let events = events.map(|(at, event)| (at, event.clone())).collect();
    let restated = item.restatements_of(row, lsn);
    Some(CommitOf { touch, events, part: Some((bases.to_vec(), restated)) })
}
