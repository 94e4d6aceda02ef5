//! What an operation of corrections would change if it were committed now: item by item, each folded beside the view and forgotten, so
//! that memory holds sums and no rows. No two items touch the same row, so what they change together is the sum of what each does.

use crate::apply::ApplyError;
use crate::derived::TotalChanges;
use crate::layout::{PIN_CELLS, STAGED, TOTALS, pair_key, second_of};
use crate::reference::Reference;
use crate::staged::{CellChanges, staged_content};
use crate::trial::{EntryChange, Trial};
use crate::view::{Reading, View};
use event_schemas::ids::{Lsn, OperationId};
use event_schemas::operation::{PartContent, StagedCorrection};
use event_schemas::row::RowRef;
use state_store::engine::{KeyRange, Order, TableId};
use state_store::store::StoreError;
use std::collections::BTreeMap;

/// Items that are folded by one reading: publishing waits for readings.
const ITEMS_A_READING: usize = 50;

/// How many keys of an index come, go, or lead elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct KeyCounts {
    pub added: u64,
    pub removed: u64,
    pub changed: u64,
}

/// What all items change together.
#[derive(Default)]
pub(crate) struct Sums {
    pub items: u64,
    /// Items one of whose rows has moved since: the commit derives them again, or leaves them out.
    pub moved: u64,
    pub persons: u64,
    pub households: u64,
    pub others: u64,
    pub indexes: BTreeMap<&'static str, KeyCounts>,
    totals: TotalChanges,
    cells: CellChanges,
    /// The view when the first item was folded, and when the last was.
    pub from: Lsn,
}

/// An item of a part, and where it stands: part and place, each from zero.
pub(crate) struct Item {
    pub at: (u32, u32),
    first: u32,
    staged: StagedCorrection,
}

impl Sums {
    /// Of all items that the operation has staged.
    pub fn of(view: &View, reference: &mut Reference, operation: OperationId) -> Result<Self, ApplyError> {
        let mut sums = Self { from: view.lsn(), ..Self::default() };
        let mut next = 0;
        while let Some((part, items)) = part_from(&view.read(), operation, next).map_err(stored)? {
            let mut items = items.into_iter().peekable();
            while items.peek().is_some() {
                let reading = view.read();
                for item in items.by_ref().take(ITEMS_A_READING) {
                    sums.add(&reading, reference, item)?;
                }
            }
            next = part + 1;
        }
        Ok(sums)
    }

    /// The table and key of each total that changes, and by how much.
    pub fn totals(&self) -> BTreeMap<(TableId, Vec<u8>), i64> {
        let totals = self.totals.changed().map(|(key, change)| ((TOTALS, key.as_bytes().to_vec()), change));
        let cells = self.cells.changed().map(|(key, change)| ((PIN_CELLS, key.to_vec()), change));
        totals.chain(cells).collect()
    }

    fn add(
        &mut self,
        reading: &Reading<'_>,
        reference: &mut Reference,
        item: Item,
    ) -> Result<(), ApplyError> {
        self.items += 1;
        let lsn = reading.lsn().next();
        let changes = item.staged.into_changes(lsn);
        // By how much a total changes is known without reading it, and a row beside its index is not read again either.
        let uncounted = Trial::uncounted(reading, reference, (lsn, item.first), &changes);
        let Some((trial, totals, cells)) = unless_moved(uncounted)? else {
            self.moved += 1;
            return Ok(());
        };
        for touch in &changes.rows {
            match touch.row {
                RowRef::Person(_) => self.persons += 1,
                RowRef::Household(_) => self.households += 1,
                _ => self.others += 1,
            }
        }
        self.totals.add(totals);
        self.cells.add(cells);
        trial.changed_entries().map_err(stored)?.iter().for_each(|entry| self.count(entry));
        Ok(())
    }

    fn count(&mut self, entry: &EntryChange) {
        let counts = self.indexes.entry(entry.table_name()).or_default();
        match (&entry.before, &entry.after) {
            (None, _) => counts.added += 1,
            (_, None) => counts.removed += 1,
            _ => counts.changed += 1,
        }
    }
}

/// Nothing of what is staged for a row that has moved since.
fn unless_moved<T>(tried: Result<T, ApplyError>) -> Result<Option<T>, ApplyError> {
    match tried {
        Ok(tried) => Ok(Some(tried)),
        Err(ApplyError::OtherVersion { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Item {
    /// As it would be with the item's correction; nothing if one of its rows has moved since it was staged.
    pub fn tried<'a>(
        self,
        reading: &'a Reading<'a>,
        reference: &mut Reference,
    ) -> Result<Option<Trial<'a>>, ApplyError> {
        let lsn = reading.lsn().next();
        let changes = self.staged.into_changes(lsn);
        unless_moved(Trial::of(reading, reference, (lsn, self.first), &changes))
    }
}

/// Items of an operation from a place on, at most so many; whether there are more.
pub(crate) fn items_from(
    reading: &Reading<'_>,
    operation: OperationId,
    from: (u32, u32),
    limit: usize,
) -> Result<(Vec<Item>, bool), StoreError> {
    let mut found = Vec::new();
    let mut next = from.0;
    while let Some((part, items)) = part_from(reading, operation, next)? {
        found.extend(items.into_iter().filter(|item| item.at >= from));
        if found.len() > limit {
            found.truncate(limit);
            return Ok((found, true));
        }
        next = part + 1;
    }
    Ok((found, false))
}

/// The first part from this number on, with its items.
fn part_from(
    reading: &Reading<'_>,
    operation: OperationId,
    part: u32,
) -> Result<Option<(u32, Vec<Item>)>, StoreError> {
    let range = KeyRange::prefix(&operation.0.to_be_bytes());
    let range = match part.checked_sub(1) {
        Some(before) => range.beyond(&pair_key(operation.0, before), Order::Ascending),
        None => range,
    };
    let found = reading.snapshot().scan(STAGED, &range, Order::Ascending, 1)?;
    let Some((key, value)) = found.entries.first() else { return Ok(None) };
    let part = second_of(key).unwrap_or_default();
    let PartContent::Corrections(staged) = staged_content(value)? else {
        return Ok(Some((part, Vec::new())));
    };
    let placed = staged.into_placed().zip(0..);
    let items = placed.map(|((first, staged), place)| Item { at: (part, place), first, staged });
    Ok(Some((part, items.collect())))
}

fn stored(error: StoreError) -> ApplyError {
    ApplyError::Store { lsn: Lsn::ZERO, error }
}
