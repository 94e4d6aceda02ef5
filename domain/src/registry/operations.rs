//! Operations larger than one record: their rows, and what those under way have staged.
//!
//! What is staged is kept in memory until the operation is committed or abandoned, 16 bytes for a number, the row itself for a correction, and is not saved: while an
//! operation is open, restart points reach back to before its opening, and its parts are read again.
//!
//! *Architecture invariant:* a part changes no row but its operation's; the commit changes all that were staged, at its own lsn
//! (W9).

use super::Registry;
use super::fold::RowImage;
use super::rows::{FLAG_NOTICE_DUE, Row, U40};
use event_schemas::codec::{CodecError, decode_from, encode_into};
use event_schemas::event::{EventBody, OperationCommitted, OperationPart};
use event_schemas::ids::{Lsn, OfficeId, OfficerId, OperationId, PersonId, UnitId, Version};
use event_schemas::operation::{
    LeftOut, OperationDigest, OperationKind, OperationStatus, PartContent, PartRange, StagedCorrections,
    StagedPins,
};
use event_schemas::row::RowRef;
use event_schemas::time::Date;
use std::collections::BTreeMap;

/// An operation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OperationRow {
    pub kind: OperationKind<UnitId>,
    /// Who opened it.
    pub office: OfficeId,
    pub officer: OfficerId,
    pub status: OperationStatus,
    /// The last person that it looks at.
    pub up_to: PersonId,
    /// How far it has looked, in the first round or in one over rows that moved.
    pub looked_at: PersonId,
    /// The first round is over: further parts stage rows that moved.
    pub is_again: bool,
    pub parts: u32,
    pub left_out: u32,
    pub digest: OperationDigest,
    /// The first day on which it is abandoned by itself.
    pub lapses_on: Date,
    pub version: Version,
    pub last_lsn: Lsn,
}

impl OperationRow {
    /// Whether it is a correction that waits for approval.
    pub fn is_proposal(&self) -> bool {
        self.kind == OperationKind::Correction
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        encode_into(&(self.kind, self.office, self.officer, self.status as u8, self.up_to), out)?;
        encode_into(&(self.looked_at, self.is_again, self.parts, self.left_out, self.digest), out)?;
        encode_into(&(self.lapses_on, self.version, self.last_lsn), out)
    }

    pub(super) fn decode(input: &mut &[u8]) -> Result<Self, CodecError> {
        let (kind, office, officer, status, up_to) = decode_from(input)?;
        let (looked_at, is_again, parts, left_out, digest) = decode_from(input)?;
        let (lapses_on, version, last_lsn) = decode_from(input)?;
        let status = OperationStatus::of(status).ok_or(CodecError::Truncated("an operation's status"))?;
        Ok(Self {
            kind,
            office,
            officer,
            status,
            up_to,
            looked_at,
            is_again,
            parts,
            left_out,
            digest,
            lapses_on,
            version,
            last_lsn,
        })
    }

    pub(super) fn fold(row: &mut Option<Self>, body: &EventBody) {
        match (body, row.as_mut()) {
            (EventBody::OperationOpened(e), _) => {
                *row = Some(Self {
                    kind: e.kind,
                    office: e.office,
                    officer: e.officer,
                    status: OperationStatus::Open,
                    up_to: e.up_to,
                    looked_at: PersonId::NONE,
                    is_again: false,
                    parts: 0,
                    left_out: 0,
                    digest: OperationDigest::default(),
                    lapses_on: e.lapses_on,
                    version: Version::NONE,
                    last_lsn: Lsn::ZERO,
                });
            }
            (EventBody::OperationPart(e), Some(row)) => row.fold_part(e),
            (EventBody::CorrectionProposed(e), Some(row)) => {
                (row.status, row.digest) = (OperationStatus::Staged, OperationDigest(e.digest.0));
            }
            (EventBody::CorrectionApproved(_), Some(row)) => row.status = OperationStatus::Committed,
            (EventBody::OperationApproved(_), Some(row)) => row.status = OperationStatus::Approved,
            (EventBody::OperationCommitted(_), Some(row)) => row.status = OperationStatus::Committed,
            (EventBody::OperationAbandoned(_), Some(row)) => row.status = OperationStatus::Abandoned,
            _ => {}
        }
    }

    fn fold_part(&mut self, part: &OperationPart) {
        self.parts = part.part;
        self.left_out += part.left_out.len() as u32;
        self.digest = part.digest;
        if part.is_last {
            (self.status, self.is_again, self.looked_at) = (OperationStatus::Staged, true, PersonId::NONE);
        } else {
            (self.status, self.looked_at) = (OperationStatus::Open, part.looked_at);
        }
    }
}

/// A number staged for a person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StagedRow {
    pub person: PersonId,
    /// The person's version when it was staged.
    pub version: Version,
    /// Zero: left out since.
    pub pin: u64,
}

/// A row as a correction in bulk will make it.
#[derive(Clone, Debug)]
pub struct CorrectedRow {
    /// The row's version when it was staged: nothing else is corrected.
    pub version: Version,
    /// Number of the correction within the operation: rows of one stay together.
    pub item: u32,
    after: RowImage,
}

/// What the row becomes follows from its version. Where a saved page is ahead of the part it is another, and never comes to be.
impl PartialEq for CorrectedRow {
    fn eq(&self, other: &Self) -> bool {
        (self.version, self.item) == (other.version, other.item)
    }
}

/// What one operation has staged.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Staged {
    /// Sorted by person: every round goes through the persons in the order of their ids.
    pub rows: Vec<StagedRow>,
    /// Rows that corrections change, each by one.
    pub corrected: BTreeMap<RowRef, CorrectedRow>,
    /// How many corrections these are, and how many events they have.
    items: u32,
    pub events: u32,
    /// Where they stand, in the order of the parts.
    pub parts: Vec<PartRange>,
}

impl Staged {
    /// Rows that the commit would change if nothing had moved.
    pub fn count(&self) -> usize {
        self.rows.iter().filter(|row| row.pin != 0).count() + self.corrected.len()
    }

    fn place(&self, person: PersonId) -> Result<usize, usize> {
        // Nearly always beyond the last.
        match self.rows.last() {
            Some(last) if last.person < person => Err(self.rows.len()),
            _ => self.rows.binary_search_by_key(&person, |row| row.person),
        }
    }
}

/// A change of what is staged, and what was before. Undone in reverse order.
#[derive(Clone, Debug)]
pub(super) enum StagedChange {
    Opened(OperationId),
    Pushed { operation: OperationId, rows: usize, parts: usize },
    Replaced { operation: OperationId, place: usize, before: StagedRow },
    Corrected { operation: OperationId, rows: Vec<RowRef>, items: u32, events: u32, parts: usize },
    Closed { operation: OperationId, staged: Staged },
}

/// What all operations under way have staged.
#[derive(Clone, Default, Debug)]
pub(super) struct StagedRows(BTreeMap<OperationId, Staged>);

impl StagedRows {
    fn change(&mut self, lsn: Lsn, body: &EventBody, journal: &mut Vec<StagedChange>) {
        match body {
            // A proposal stages nothing.
            EventBody::OperationOpened(e) if e.kind != OperationKind::Correction => {
                self.0.insert(e.operation, Staged::default());
                journal.push(StagedChange::Opened(e.operation));
            }
            EventBody::OperationPart(e) => self.take_part(lsn, e, journal),
            EventBody::OperationCommitted(e) => self.close(e.operation, journal),
            EventBody::OperationAbandoned(e) => self.close(e.operation, journal),
            _ => {}
        }
    }

    fn take_part(&mut self, lsn: Lsn, part: &OperationPart, journal: &mut Vec<StagedChange>) {
        let operation = part.operation;
        let Some(staged) = self.0.get_mut(&operation) else { return };
        let (rows, parts) = (staged.rows.len(), staged.parts.len());
        journal.push(StagedChange::Pushed { operation, rows, parts });
        let PartContent::Pins(StagedPins { pins, .. }) = &part.content else { return };
        let restaged = pins.iter().map(|pin| StagedRow {
            person: pin.person,
            version: pin.version,
            pin: pin.pin.number(),
        });
        let dropped = part.left_out.iter().filter_map(|left_out| match left_out.row {
            RowRef::Person(person) => Some(StagedRow { person, version: Version::NONE, pin: 0 }),
            _ => None,
        });
        for row in restaged.chain(dropped) {
            match staged.place(row.person) {
                Ok(place) => {
                    let before = std::mem::replace(&mut staged.rows[place], row);
                    journal.push(StagedChange::Replaced { operation, place, before });
                }
                // Left out in the first round: it was never staged.
                Err(_) if row.pin == 0 => {}
                Err(place) => staged.rows.insert(place, row),
            }
        }
        staged.parts.extend(part.content.ranges(lsn));
    }

    fn take_corrections(
        &mut self,
        (operation, ranges): (OperationId, Vec<PartRange>),
        corrected: Vec<(RowRef, CorrectedRow)>,
        (items, events): (u32, u32),
        journal: &mut Vec<StagedChange>,
    ) {
        let Some(staged) = self.0.get_mut(&operation) else { return };
        journal.push(StagedChange::Corrected {
            operation,
            rows: corrected.iter().map(|(row, _)| *row).collect(),
            items: staged.items,
            events: staged.events,
            parts: staged.parts.len(),
        });
        let first = staged.items;
        staged.corrected.extend(
            corrected.into_iter().map(|(row, it)| (row, CorrectedRow { item: first + it.item, ..it })),
        );
        (staged.items, staged.events) = (staged.items + items, staged.events + events);
        staged.parts.extend(ranges);
    }

    fn close(&mut self, operation: OperationId, journal: &mut Vec<StagedChange>) {
        if let Some(staged) = self.0.remove(&operation) {
            journal.push(StagedChange::Closed { operation, staged });
        }
    }

    pub(super) fn undo(&mut self, change: StagedChange) {
        match change {
            StagedChange::Opened(operation) => {
                self.0.remove(&operation);
            }
            StagedChange::Pushed { operation, rows, parts } => {
                if let Some(staged) = self.0.get_mut(&operation) {
                    staged.rows.truncate(rows);
                    staged.parts.truncate(parts);
                }
            }
            StagedChange::Replaced { operation, place, before } => {
                if let Some(staged) = self.0.get_mut(&operation) {
                    staged.rows[place] = before;
                }
            }
            StagedChange::Corrected { operation, rows, items, events, parts } => {
                if let Some(staged) = self.0.get_mut(&operation) {
                    rows.iter().for_each(|row| drop(staged.corrected.remove(row)));
                    (staged.items, staged.events) = (items, events);
                    staged.parts.truncate(parts);
                }
            }
            StagedChange::Closed { operation, staged } => {
                self.0.insert(operation, staged);
            }
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let of = |staged: &Staged| {
            staged.rows.capacity() * size_of::<StagedRow>()
                + staged.corrected.len() * size_of::<(RowRef, CorrectedRow)>()
        };
        self.0.values().map(of).sum()
    }
}

impl Registry {
    /// The operation.
    pub fn operation(&self, id: OperationId) -> Option<&OperationRow> {
        self.operations.get(&id)
    }

    /// Every operation, in order of its id.
    pub fn operations(&self) -> impl Iterator<Item = (OperationId, &OperationRow)> {
        self.operations.iter().map(|(id, row)| (*id, row))
    }

    /// Those under way, in order of their ids.
    pub fn operations_under_way(&self) -> impl Iterator<Item = (OperationId, &OperationRow)> {
        self.due.operations().filter_map(|id| Some((id, self.operation(id)?)))
    }

    /// What an operation under way has staged.
    pub fn staged(&self, id: OperationId) -> Option<&Staged> {
        self.staged.0.get(&id)
    }

    /// Whether anything is staged, or is taken away again if what is in flight is rolled back. Restart points then reach back to
    /// before the opening.
    pub fn holds_staged_rows(&self) -> bool {
        !self.staged.0.is_empty() || self.journal.closes_operations()
    }

    /// Takes in what an event says of operations; a commit changes the staged rows.
    pub(super) fn fold_operation(&mut self, lsn: Lsn, body: &EventBody) {
        if let EventBody::OperationCommitted(committed) = body {
            self.commit_staged(lsn, committed);
        }
        let corrections = match body {
            EventBody::OperationPart(OperationPart { operation, content, .. }) => match content {
                PartContent::Corrections(said) => Some((*operation, content.ranges(lsn), said)),
                PartContent::Pins(_) => None,
            },
            _ => None,
        };
        let corrections = corrections.map(|(operation, ranges, said)| {
            let counts = (said.items.len() as u32, said.count_events() as u32);
            ((operation, ranges), self.corrected_by(said), counts)
        });
        let mut unwanted = Vec::new();
        let journal = self.journal.open_group().map_or(&mut unwanted, |group| &mut group.staged);
        match corrections {
            Some((of, corrected, counts)) => self.staged.take_corrections(of, corrected, counts, journal),
            None => self.staged.change(lsn, body, journal),
        }
    }

    /// What the rows of a part become. While saved pages are brought up to date a row may be ahead of its part: then the commit has left
    /// it out, or the row is ahead of the commit too.
    fn corrected_by(&self, said: &StagedCorrections) -> Vec<(RowRef, CorrectedRow)> {
        let mut corrected = Vec::new();
        for (item, staged) in (0..).zip(&said.items) {
            for touch in &staged.rows {
                let mut after = self.image(touch.row);
                after.restate(touch.row, &staged.restatements);
                let version = Version(touch.version.0.saturating_sub(1));
                corrected.push((touch.row, CorrectedRow { version, item, after }));
            }
        }
        corrected
    }

    fn commit_staged(&mut self, lsn: Lsn, committed: &OperationCommitted) {
        let Some(staged) = self.staged.0.remove(&committed.operation) else { return };
        for row in &staged.rows {
            let is_left_out = is_left_out(&committed.left_out, RowRef::Person(row.person));
            if row.pin != 0 && !is_left_out {
                self.give_number(lsn, row);
            }
        }
        for (row, known) in &staged.corrected {
            // What moved stands in the commit's own record.
            let is_folded = committed.moved(*row).is_some() || self.reflects(*row, lsn);
            if !is_left_out(&committed.left_out, *row) && !is_folded {
                let before = self.image(*row);
                let mut after = known.after.clone();
                after.stamp(known.version.next(), lsn);
                self.replace(*row, before, after);
            }
        }
        self.staged.0.insert(committed.operation, staged);
    }

    fn give_number(&mut self, lsn: Lsn, staged: &StagedRow) {
        let row = RowRef::Person(staged.person);
        if self.reflects(row, lsn) {
            return;
        }
        let before = self.image(row);
        let mut after = before.clone();
        if let RowImage::Person(person, _) = &mut after {
            person.pin = U40::new(staged.pin);
            person.flags |= FLAG_NOTICE_DUE;
            let version = Version(person.version()).next();
            after.stamp(version, lsn);
        }
        self.replace(row, before, after);
    }

    /// W3: every row that a commit changes is where its part or the commit says; the first that is not.
    pub fn commit_contradicted_by(&self, committed: &OperationCommitted) -> Option<RowRef> {
        let Some(staged) = self.staged(committed.operation) else {
            return Some(RowRef::Operation(committed.operation));
        };
        let changed = staged.rows.iter().filter(|staged| staged.pin != 0);
        for staged in changed {
            let row = RowRef::Person(staged.person);
            if is_left_out(&committed.left_out, row) {
                continue;
            }
            let (version, last) = self.version(row);
            let agrees = match committed.moved(row) {
                Some(moved) => (moved.version, moved.last) == (version, last),
                None => version == staged.version,
            };
            if !agrees {
                return Some(row);
            }
        }
        let mut corrected = staged.corrected.iter();
        let contradicts = |(row, known): &(&RowRef, &CorrectedRow)| {
            let (version, last) = self.version(**row);
            let agrees = match committed.moved(**row) {
                Some(moved) => (moved.version, moved.last) == (version, last),
                None => version == known.version,
            };
            !is_left_out(&committed.left_out, **row) && !agrees
        };
        corrected.find(contradicts).map(|(row, _)| *row)
    }
}

fn is_left_out(left_out: &[LeftOut], row: RowRef) -> bool {
    left_out.binary_search_by_key(&row, |left_out| left_out.row).is_ok()
}
