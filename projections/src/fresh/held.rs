//! What a fresh fold holds in memory: the rows of a range of ids, decoded while they are in use and as bytes otherwise.

use crate::apply::{decode_row, encode_row};
use crate::layout::row_place;
use crate::rows::Row;
use crate::target::Target;
use event_schemas::ids::Lsn;
use event_schemas::row::RowRef;
use state_store::engine::{KeyRange, TableId};
use state_store::pages::PageError;
use state_store::store::StoreError;
use state_store::tables::Scan;
use std::collections::{BTreeMap, VecDeque};

/// Rows in one piece of a table: what one thread derives from at a time.
pub(super) const CHUNK_ROWS: usize = 1_024;

/// Entries of sorted tables that are not derived from rows.
pub(super) type SortedEntries = BTreeMap<TableId, BTreeMap<Vec<u8>, Vec<u8>>>;

/// How much a fresh fold holds in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Rows of each kind that are held at a time; some 600 bytes for a person.
    pub ids_a_pass: u32,
    /// Rows that are held decoded; some 3 KB for a person.
    pub open_rows: usize,
    /// The view is to stand after this entry; it goes no further than the log.
    pub until: Lsn,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { ids_a_pass: 8 << 20, open_rows: 400_000, until: Lsn(u64::MAX) }
    }
}

/// A row in memory.
#[derive(Default)]
pub(super) enum Slot {
    #[default]
    Empty,
    /// In use now or lately.
    Open(Row),
    Bytes(Box<[u8]>),
}

pub(super) type Chunk = Box<[Slot]>;

/// Rows of one table, by id, in pieces.
#[derive(Default)]
pub(super) struct HeldRows {
    pub(super) tables: BTreeMap<TableId, BTreeMap<u32, Chunk>>,
}

impl HeldRows {
    fn slot(&mut self, table: TableId, id: u32) -> &mut Slot {
        let (chunk, slot) = (id / CHUNK_ROWS as u32, id as usize % CHUNK_ROWS);
        let chunks = self.tables.entry(table).or_default();
        let chunk = chunks.entry(chunk).or_insert_with(|| (0..CHUNK_ROWS).map(|_| Slot::Empty).collect());
        &mut chunk[slot]
    }
}

/// The rows of a range of ids, and all that lies in sorted tables but is not derived from rows.
pub(super) struct Held {
    first_id: u32,
    last_id: u32,
    pub(super) highest_id: u32,
    pub(super) rows: HeldRows,
    pub(super) sorted: SortedEntries,
    /// Open rows, in the order in which they were opened.
    open: VecDeque<RowRef>,
    max_open: usize,
}

impl Held {
    pub(super) fn new(bounds: Bounds, number: u32) -> Self {
        let first_id = number.saturating_mul(bounds.ids_a_pass);
        Self {
            first_id,
            last_id: first_id.saturating_add(bounds.ids_a_pass - 1),
            highest_id: 0,
            rows: HeldRows::default(),
            sorted: SortedEntries::new(),
            open: VecDeque::new(),
            max_open: bounds.open_rows,
        }
    }

    /// The row that was opened first becomes bytes.
    fn close_one(&mut self) {
        let Some(row) = self.open.pop_front() else { return };
        let (table, id) = row_place(row);
        let slot = self.rows.slot(table, id);
        if let Slot::Open(value) = slot {
            *slot = Slot::Bytes(encode_row(value).into_boxed_slice());
        }
    }
}

impl Target for Held {
    const DERIVES: bool = false;
    type Published = Self;

    fn holds(&self, row: RowRef) -> bool {
        (self.first_id..=self.last_id).contains(&row_place(row).1)
    }

    fn take_row(&mut self, row: RowRef) -> Result<Option<Row>, StoreError> {
        let (table, id) = row_place(row);
        self.highest_id = self.highest_id.max(id);
        if !self.holds(row) {
            return Ok(None);
        }
        match std::mem::take(self.rows.slot(table, id)) {
            Slot::Empty => self.open.push_back(row),
            Slot::Open(value) => return Ok(Some(value)),
            Slot::Bytes(bytes) => {
                self.open.push_back(row);
                return decode_row(row, &bytes).map(Some).map_err(|error| unreadable(row, &error));
            }
        }
        Ok(None)
    }

    fn put_row(&mut self, row: RowRef, value: Row) -> Result<(), StoreError> {
        if self.holds(row) {
            let (table, id) = row_place(row);
            *self.rows.slot(table, id) = Slot::Open(value);
            while self.open.len() > self.max_open {
                self.close_one();
            }
        }
        Ok(())
    }

    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.sorted.get(&table).and_then(|entries| entries.get(key)).cloned())
    }

    fn scan(&self, table: TableId, range: &KeyRange, limit: usize) -> Result<Scan, StoreError> {
        let mut scan = Scan::default();
        let Some(entries) = self.sorted.get(&table) else { return Ok(scan) };
        let bounds = (range.from.as_ref().map(Vec::as_slice), range.to.as_ref().map(Vec::as_slice));
        let mut found = entries.range::<[u8], _>(bounds);
        scan.entries = found.by_ref().take(limit).map(|(key, value)| (key.clone(), value.clone())).collect();
        scan.more = found.next().is_some();
        Ok(scan)
    }

    fn put(&mut self, table: TableId, key: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        self.sorted.entry(table).or_default().insert(key.to_vec(), value);
        Ok(())
    }

    fn delete(&mut self, table: TableId, key: &[u8]) -> Result<(), StoreError> {
        if let Some(entries) = self.sorted.get_mut(&table) {
            entries.remove(key);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.open.len()
    }

    fn publish(self, _: Lsn) -> Result<Self, StoreError> {
        Ok(self)
    }
}

pub(super) fn unreadable(row: RowRef, error: &PageError) -> StoreError {
    StoreError::Misuse(format!("{row} cannot be read back: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may fail by panicking")]
mod tests {
    use super::*;
    use event_schemas::ids::PersonId;

    fn held(number: u32) -> Held {
        Held::new(Bounds { ids_a_pass: 10, open_rows: 3, ..Bounds::default() }, number)
    }

    #[test]
    fn a_pass_holds_its_range_of_ids_and_forgets_the_others() {
        let mut second = held(1);
        for id in [9, 10, 19, 20] {
            let row = RowRef::Person(PersonId(id));
            assert_eq!(second.holds(row), (10..20).contains(&id), "{id}");
            assert!(second.take_row(row).unwrap().is_none());
            second.put_row(row, Row::new(row)).unwrap();
            assert_eq!(second.take_row(row).unwrap().is_some(), second.holds(row), "{id}");
        }
        assert_eq!(second.highest_id, 20, "what lies beyond is known to be there");
    }

    #[test]
    fn rows_that_were_closed_come_back_as_they_were() {
        let mut first = held(0);
        for round in 1..=3 {
            for id in 0..8 {
                let row = RowRef::Person(PersonId(id));
                let mut value = first.take_row(row).unwrap().unwrap_or_else(|| Row::new(row));
                assert_eq!(value.stamp().version.0, round - 1);
                let mut stamp = value.stamp();
                stamp.version = stamp.version.next();
                value.set_stamp(stamp);
                first.put_row(row, value).unwrap();
                assert!(first.open.len() <= 3);
            }
        }
    }
}
