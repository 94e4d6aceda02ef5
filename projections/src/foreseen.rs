//! What an operation of corrections would change if it were committed now: item by item, each folded beside the view and forgotten, so
//! that memory holds sums and no rows. No two items touch the same row, so what they change together is the sum of what each does.

use crate::apply::ApplyError;
use crate::derived::count_of;
use crate::layout::{PIN_CELLS, STAGED, TOTALS, pair_key, second_of};
use crate::reference::Reference;
use crate::staged::staged_content;
use crate::trial::{EntryChange, Trial};
use crate::view::{Reading, View};
use event_schemas::ids::{Lsn, OperationId};
use event_schemas::operation::{PartContent, StagedCorrection, StagedCorrections};
use event_schemas::record::Changes;
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
    /// By how much each total changes.
    pub totals: BTreeMap<(TableId, Vec<u8>), i64>,
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
            for items in items.chunks(ITEMS_A_READING) {
                let reading = view.read();
                for item in items {
                    sums.add(&reading, reference, item)?;
                }
            }
            next = part + 1;
        }
        Ok(sums)
    }

    fn add(
        &mut self,
        reading: &Reading<'_>,
        reference: &mut Reference,
        item: &Item,
    ) -> Result<(), ApplyError> {
        self.items += 1;
        let Some(trial) = item.tried(reading, reference)? else {
            self.moved += 1;
            return Ok(());
        };
        for touch in &item.staged.rows {
            match touch.row {
                RowRef::Person(_) => self.persons += 1,
                RowRef::Household(_) => self.households += 1,
                _ => self.others += 1,
            }
        }
        trial.effect().map_err(stored)?.entries.into_iter().for_each(|entry| self.count(entry));
        Ok(())
    }

    fn count(&mut self, entry: EntryChange) {
        if [TOTALS, PIN_CELLS].contains(&entry.table) {
            let count = |value: &Option<Vec<u8>>| value.as_deref().map_or(0, count_of) as i64;
            let change = count(&entry.after) - count(&entry.before);
            *self.totals.entry((entry.table, entry.key)).or_default() += change;
            return;
        }
        let counts = self.indexes.entry(entry.table_name()).or_default();
        match (&entry.before, &entry.after) {
            (None, _) => counts.added += 1,
            (_, None) => counts.removed += 1,
            _ => counts.changed += 1,
        }
    }
}

impl Item {
    /// As it would be with the item's correction; nothing if one of its rows has moved since it was staged.
    pub fn tried<'a>(
        &self,
        reading: &'a Reading<'a>,
        reference: &mut Reference,
    ) -> Result<Option<Trial<'a>>, ApplyError> {
        let lsn = reading.lsn().next();
        let StagedCorrection { events, rows, .. } = &self.staged;
        let restatements = self.staged.restatements_at(lsn);
        let changes = Changes { bases: Vec::new(), events: events.clone(), rows: rows.clone(), restatements };
        match Trial::of(reading, reference, (lsn, self.first), &changes) {
            Ok(trial) => Ok(Some(trial)),
            Err(ApplyError::OtherVersion { .. }) => Ok(None),
            Err(error) => Err(error),
        }
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
    let PartContent::Corrections(StagedCorrections { first_event, items }) = staged_content(value)? else {
        return Ok(Some((part, Vec::new())));
    };
    let mut first = first_event;
    let items = items.into_iter().zip(0..).map(|(staged, place)| {
        let item = Item { at: (part, place), first, staged };
        first += item.staged.events.len() as u32;
        item
    });
    Ok(Some((part, items.collect())))
}

fn stored(error: StoreError) -> ApplyError {
    ApplyError::Store { lsn: Lsn::ZERO, error }
}
