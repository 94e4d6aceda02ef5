//! Where applied entries go: the live view's batch, or the rows of a fresh fold.

use crate::apply::{decode_row, encode_row, found_row};
use crate::layout::row_place;
use crate::rows::Row;
use event_schemas::ids::Lsn;
use event_schemas::row::RowRef;
use state_store::engine::{KeyRange, Order, TableId};
use state_store::store::StoreError;
use state_store::tables::{Batch, Scan};

/// Rows and sorted tables that entries are applied to.
pub(crate) trait Target {
    /// Whether indexes and totals follow every record. Otherwise they are derived once, from the rows at the end.
    const DERIVES: bool;
    /// What publishing gives.
    type Published;

    /// Whether this row is kept here. Of others nothing is known, and what is written is forgotten.
    fn holds(&self, row: RowRef) -> bool;
    /// A row as it stands; whoever takes it puts it back.
    fn take_row(&mut self, row: RowRef) -> Result<Option<Row>, StoreError>;
    fn put_row(&mut self, row: RowRef, value: Row) -> Result<(), StoreError>;
    /// A key of a sorted table.
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;
    /// The first `limit` keys of a range, in order.
    fn scan(&self, table: TableId, range: &KeyRange, limit: usize) -> Result<Scan, StoreError>;
    fn put(&mut self, table: TableId, key: &[u8], value: Vec<u8>) -> Result<(), StoreError>;
    fn delete(&mut self, table: TableId, key: &[u8]) -> Result<(), StoreError>;
    /// About how much memory the changes take.
    fn bytes(&self) -> usize;
    /// Everything stands as of `lsn`.
    fn publish(self, lsn: Lsn) -> Result<Self::Published, StoreError>;
}

impl Target for Batch<'_> {
    const DERIVES: bool = true;
    type Published = ();

    fn holds(&self, _: RowRef) -> bool {
        true
    }

    fn take_row(&mut self, row: RowRef) -> Result<Option<Row>, StoreError> {
        let (table, id) = row_place(row);
        found_row(row, self.read_row(table, id, |bytes| decode_row(row, bytes))?)
    }

    fn put_row(&mut self, row: RowRef, value: Row) -> Result<(), StoreError> {
        let (table, id) = row_place(row);
        Batch::put_row(self, table, id, encode_row(&value))
    }

    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Batch::get(self, table, key)
    }

    fn scan(&self, table: TableId, range: &KeyRange, limit: usize) -> Result<Scan, StoreError> {
        Batch::scan(self, table, range, Order::Ascending, limit)
    }

    fn put(&mut self, table: TableId, key: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        Batch::put(self, table, key, value)
    }

    fn delete(&mut self, table: TableId, key: &[u8]) -> Result<(), StoreError> {
        Batch::delete(self, table, key)
    }

    fn bytes(&self) -> usize {
        Batch::bytes(self)
    }

    fn publish(self, lsn: Lsn) -> Result<(), StoreError> {
        Batch::publish(self, lsn)
    }
}
