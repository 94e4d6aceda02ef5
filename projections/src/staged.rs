//! Operations larger than one record: parts wait in a table of their own, the commit brings all of them into rows at once.
//!
//! A commit is one entry and so one batch: everything that it changes, the end of its staged parts included, is published and
//! saved together (R1, W9). The batch takes the operation's rows into memory: at most a million, less than 1 KB each.

use crate::apply::{Applier, ApplyError};
use crate::derived::count_of;
use crate::layout::{LEFT_OUT, PIN_CELLS, STAGED, pair_key};
use crate::rows::{Row, Stamp};
use crate::target::Target;
use event_schemas::codec::{CodecError, decode_from, encode_into};
use event_schemas::event::{Event, EventBody, OperationCommitted, OperationPart};
use event_schemas::ids::{EventAddress, OperationId, PersonId};
use event_schemas::operation::{LeftOut, PartContent, StagedCorrection, StagedPin, StagedPins};
use event_schemas::pin::{Pin, PinCell};
use event_schemas::row::RowRef;
use state_store::engine::{KeyRange, Order};
use state_store::store::StoreError;
use std::collections::BTreeMap;

/// Parts read at a time.
const PARTS_AT_A_TIME: usize = 64;

/// What a number of a cell is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub(crate) enum CellUse {
    /// Somebody has or had it.
    Given = 1,
    /// An operation staged it and has not given it; it never will if it was abandoned or left its person out.
    Reserved = 2,
}

pub(crate) fn cell_key(cell: u32, of: CellUse) -> [u8; 5] {
    let [a, b, c, d] = cell.to_be_bytes();
    [a, b, c, d, of as u8]
}

/// Cell and use of a key of [`PIN_CELLS`].
pub(crate) fn cell_of(key: &[u8]) -> Option<(PinCell, bool)> {
    let (cell, of) = key.split_first_chunk()?;
    let cell = u32::from_be_bytes(*cell);
    let cell = PinCell {
        place: u16::try_from(cell / 1_000).ok()?,
        century_sex: (cell / 100 % 10) as u8,
        year: (cell % 100) as u8,
    };
    Some((cell, of == [CellUse::Given as u8]))
}

/// Changes of how many numbers of a cell are used, gathered over a batch. They follow from events, because a reserved number
/// stands in no row.
#[derive(Default)]
pub(crate) struct CellChanges(BTreeMap<(u32, CellUse), i64>);

impl CellChanges {
    /// What an event says of numbers, commits aside.
    pub fn take(&mut self, body: &EventBody) {
        match body {
            EventBody::PinIssued(e) => self.count(e.pin, CellUse::Given, 1),
            EventBody::PinAccepted(e) => self.count(e.pin, CellUse::Given, 1),
            EventBody::OperationPart(e) => {
                let PartContent::Pins(staged) = &e.content else { return };
                for pin in staged.pins.iter().filter(|pin| pin.draw.is_some()) {
                    self.count(pin.pin, CellUse::Reserved, 1);
                }
            }
            _ => {}
        }
    }

    /// Adds what was gathered elsewhere.
    pub fn add(&mut self, other: Self) {
        for (cell, change) in other.0 {
            *self.0.entry(cell).or_default() += change;
        }
    }

    /// The key of each count that is another, and by how much.
    pub fn changed(&self) -> impl Iterator<Item = ([u8; 5], i64)> {
        let changed = self.0.iter().filter(|(_, change)| **change != 0);
        changed.map(|((cell, of), change)| (cell_key(*cell, *of), *change))
    }

    fn count(&mut self, pin: Pin, of: CellUse, change: i64) {
        *self.0.entry((pin.cell().packed(), of)).or_default() += change;
    }

    /// Writes what was gathered. `Err(cell)`: a count would fall below zero.
    pub fn write(self, batch: &mut impl Target) -> Result<Result<(), u32>, StoreError> {
        for ((cell, of), change) in self.0 {
            let key = cell_key(cell, of);
            let before = batch.get(PIN_CELLS, &key)?.map_or(0, |bytes| count_of(&bytes));
            match before.checked_add_signed(change) {
                Some(0) => batch.delete(PIN_CELLS, &key)?,
                Some(after) => batch.put(PIN_CELLS, &key, after.to_be_bytes().to_vec())?,
                None => return Ok(Err(cell)),
            }
        }
        Ok(Ok(()))
    }
}

impl<T: Target> Applier<'_, T> {
    /// Takes in what an event says of an operation, its own row aside.
    pub fn follow_operation(&mut self, at: EventAddress, event: &Event) -> Result<(), ApplyError> {
        let lsn = at.lsn;
        let stored = |error| ApplyError::Store { lsn, error };
        match &event.body {
            EventBody::OperationPart(part) => {
                self.leave_out(part.operation, &part.left_out).map_err(stored)?;
                self.keep_part(part).map_err(stored)
            }
            EventBody::OperationCommitted(committed) => {
                self.leave_out(committed.operation, &committed.left_out).map_err(stored)?;
                self.commit(at, event, committed)?;
                self.free(committed.operation).map_err(stored)
            }
            EventBody::OperationAbandoned(abandoned) => self.free(abandoned.operation).map_err(stored),
            _ => Ok(()),
        }
    }

    fn keep_part(&mut self, part: &OperationPart) -> Result<(), StoreError> {
        let mut value = Vec::new();
        encode_into(&(&part.content, &part.left_out), &mut value).map_err(damaged)?;
        self.batch.put(STAGED, &pair_key(part.operation.0, part.part), value)
    }

    fn leave_out(&mut self, operation: OperationId, left_out: &[LeftOut]) -> Result<(), StoreError> {
        for left_out in left_out {
            if let RowRef::Person(person) = left_out.row {
                self.batch.put(LEFT_OUT, &pair_key(operation.0, person.0), vec![left_out.reason as u8])?;
            }
        }
        Ok(())
    }

    /// Calls `visit` with the key and the bytes of every part of the operation that is kept, in order.
    fn for_each_part(
        &self,
        operation: OperationId,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut range = KeyRange::prefix(&operation.0.to_be_bytes());
        loop {
            let found = self.batch.scan(STAGED, &range, PARTS_AT_A_TIME)?;
            for (key, value) in &found.entries {
                visit(key, value)?;
            }
            match found.entries.last() {
                Some((last, _)) if found.more => range = range.beyond(last, Order::Ascending),
                _ => return Ok(()),
            }
        }
    }

    fn commit(
        &mut self,
        at: EventAddress,
        event: &Event,
        committed: &OperationCommitted,
    ) -> Result<(), ApplyError> {
        let lsn = at.lsn;
        let mut staged: BTreeMap<PersonId, StagedPin> = BTreeMap::new();
        let mut corrections: Vec<(u32, StagedCorrection)> = Vec::new();
        let gathered = self.for_each_part(committed.operation, |_, mut value| {
            let (content, left_out): (PartContent, Vec<LeftOut>) =
                decode_from(&mut value).map_err(damaged)?;
            let pins = match content {
                PartContent::Pins(StagedPins { pins, .. }) => pins,
                PartContent::Corrections(said) => {
                    // What moved stands in the commit's own record.
                    let is_moved = |item: &StagedCorrection| {
                        item.rows.iter().any(|touch| committed.moved(touch.row).is_some())
                    };
                    let made = said.into_placed();
                    corrections
                        .extend(made.filter(|(_, item)| !committed.leaves_out(item) && !is_moved(item)));
                    return Ok(());
                }
            };
            staged.extend(pins.into_iter().map(|pin| (pin.person, pin)));
            for left_out in left_out {
                if let RowRef::Person(person) = left_out.row {
                    staged.remove(&person);
                }
            }
            Ok(())
        });
        gathered.map_err(|error| ApplyError::Store { lsn, error })?;
        for (first, item) in corrections {
            self.change_rows(lsn, first, &item.into_changes(lsn))?;
        }
        for left_out in &committed.left_out {
            if let RowRef::Person(person) = left_out.row {
                staged.remove(&person);
            }
        }
        for (person, pin) in staged {
            let row = RowRef::Person(person);
            let stated = committed.moved(row).map_or((pin.version, pin.last), |it| (it.version, it.last));
            let stated = Stamp { version: stated.0, last_lsn: stated.1 };
            self.change_row(lsn, row, stated, |row| {
                if let Row::Person(person) = row {
                    person.give_number(pin.pin, event.effective_on, at);
                }
            })?;
            self.cells.count(pin.pin, CellUse::Given, 1);
            self.cells.count(pin.pin, CellUse::Reserved, -1);
        }
        Ok(())
    }

    fn free(&mut self, operation: OperationId) -> Result<(), StoreError> {
        let mut keys = Vec::new();
        self.for_each_part(operation, |key, _| {
            keys.push(key.to_vec());
            Ok(())
        })?;
        keys.iter().try_for_each(|key| self.batch.delete(STAGED, key))
    }
}

/// What a staged part holds.
pub(crate) fn staged_content(mut value: &[u8]) -> Result<PartContent, StoreError> {
    let (content, _): (PartContent, Vec<LeftOut>) = decode_from(&mut value).map_err(damaged)?;
    Ok(content)
}

fn damaged(error: CodecError) -> StoreError {
    StoreError::Damaged(format!("a staged part: {error}"))
}
