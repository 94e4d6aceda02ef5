//! What a record would change of a reading, without its being recorded: it is folded by the projector's own applier into memory, and
//! never published.

use crate::apply::{Applier, ApplyError};
use crate::derived::TotalChanges;
use crate::layout::TABLES;
use crate::reference::Reference;
use crate::row_source::RowSource;
use crate::rows::Row;
use crate::staged::CellChanges;
use crate::target::Target;
use crate::view::Reading;
use event_schemas::ids::{LogId, Lsn};
use event_schemas::record::Changes;
use event_schemas::row::RowRef;
use event_schemas::time::Date;
use state_store::engine::{KeyRange, Order, TableId};
use state_store::store::StoreError;
use state_store::tables::Scan;
use std::collections::BTreeMap;

/// A key of an index or a total that would be another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntryChange {
    pub table: TableId,
    pub key: Vec<u8>,
    pub before: Option<Vec<u8>>,
    pub after: Option<Vec<u8>>,
}

/// A row that would be another; every row that a record names is, by its version at least.
#[derive(Clone, PartialEq, Debug)]
pub struct RowChange {
    pub row: RowRef,
    pub before: Option<Row>,
    pub after: Row,
}

/// Everything that a record would change.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Effect {
    /// In the order of their ids.
    pub rows: Vec<RowChange>,
    /// Indexes and totals, in the order of tables and keys.
    pub entries: Vec<EntryChange>,
}

impl EntryChange {
    /// What the table is called.
    pub fn table_name(&self) -> &'static str {
        TABLES.iter().find(|spec| spec.id == self.table).map_or("", |spec| spec.name)
    }
}

/// What a record at `lsn` would change of a reading.
pub fn foresee(reading: &Reading<'_>, lsn: Lsn, changes: &Changes) -> Result<Effect, ApplyError> {
    let stored = |error| ApplyError::Store { lsn, error };
    let mut reference = Reference::load(reading).map_err(stored)?;
    Trial::of(reading, &mut reference, (lsn, 0), changes)?.effect().map_err(stored)
}

/// A reading as it would be.
pub(crate) struct Trial<'a> {
    reading: &'a Reading<'a>,
    rows: BTreeMap<RowRef, Row>,
    entries: BTreeMap<(TableId, Vec<u8>), Option<Vec<u8>>>,
}

impl<'a> Trial<'a> {
    /// As a record at `lsn` would leave it, its first event at the place `first`.
    pub fn of(
        reading: &'a Reading<'a>,
        reference: &mut Reference,
        (lsn, first): (Lsn, u32),
        changes: &Changes,
    ) -> Result<Self, ApplyError> {
        Self::applied(reading, reference, (lsn, first), changes)?.unpublished()
    }

    /// The same, but for totals and cells of numbers: how those change stands beside it, and nobody has read what they were.
    pub fn uncounted(
        reading: &'a Reading<'a>,
        reference: &mut Reference,
        (lsn, first): (Lsn, u32),
        changes: &Changes,
    ) -> Result<(Self, TotalChanges, CellChanges), ApplyError> {
        Ok(Self::applied(reading, reference, (lsn, first), changes)?.uncounted())
    }

    fn applied<'r>(
        reading: &'a Reading<'a>,
        reference: &'r mut Reference,
        (lsn, first): (Lsn, u32),
        changes: &Changes,
    ) -> Result<Applier<'r, Self>, ApplyError> {
        let trial = Self { reading, rows: BTreeMap::new(), entries: BTreeMap::new() };
        let mut applier = Applier::new(trial, reference, reading.log_id());
        applier.change_rows(lsn, first, changes)?;
        changes.events.iter().for_each(|event| applier.cells.take(&event.body));
        Ok(applier)
    }

    /// What is another than in the reading.
    pub fn effect(&self) -> Result<Effect, StoreError> {
        let mut effect = Effect::default();
        for (row, after) in &self.rows {
            let before = self.reading.row(*row)?;
            effect.rows.push(RowChange { row: *row, before, after: after.clone() });
        }
        effect.entries = self.changed_entries()?;
        Ok(effect)
    }

    /// Indexes and totals that are others than in the reading.
    pub fn changed_entries(&self) -> Result<Vec<EntryChange>, StoreError> {
        let mut changed = Vec::with_capacity(self.entries.len());
        for ((table, key), after) in &self.entries {
            let before = self.reading.snapshot().get(*table, key)?;
            if before != *after {
                let (table, key, after) = (*table, key.clone(), after.clone());
                changed.push(EntryChange { table, key, before, after });
            }
        }
        Ok(changed)
    }

    fn held(&self, row: RowRef) -> Result<Option<Row>, StoreError> {
        match self.rows.get(&row) {
            Some(changed) => Ok(Some(changed.clone())),
            None => self.reading.row(row),
        }
    }
}

impl Target for Trial<'_> {
    const DERIVES: bool = true;
    type Published = ();

    fn holds(&self, _: RowRef) -> bool {
        true
    }

    fn take_row(&mut self, row: RowRef) -> Result<Option<Row>, StoreError> {
        self.held(row)
    }

    fn put_row(&mut self, row: RowRef, value: Row) -> Result<(), StoreError> {
        self.rows.insert(row, value);
        Ok(())
    }

    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.entries.get(&(table, key.to_vec())) {
            Some(changed) => Ok(changed.clone()),
            None => self.reading.snapshot().get(table, key),
        }
    }

    /// Of what stands: only commits look at ranges, at what was staged long before them.
    fn scan(&self, table: TableId, range: &KeyRange, limit: usize) -> Result<Scan, StoreError> {
        self.reading.snapshot().scan(table, range, Order::Ascending, limit)
    }

    fn put(&mut self, table: TableId, key: &[u8], value: Vec<u8>) -> Result<(), StoreError> {
        self.entries.insert((table, key.to_vec()), Some(value));
        Ok(())
    }

    fn delete(&mut self, table: TableId, key: &[u8]) -> Result<(), StoreError> {
        self.entries.insert((table, key.to_vec()), None);
        Ok(())
    }

    /// A record is bounded, and so is what it changes.
    fn bytes(&self) -> usize {
        0
    }

    /// Nothing of it is shown to anybody.
    fn publish(self, _: Lsn) -> Result<(), StoreError> {
        Ok(())
    }
}

impl RowSource for Trial<'_> {
    type Error = StoreError;

    fn row(&self, row: RowRef) -> Result<Option<Row>, StoreError> {
        self.held(row)
    }

    fn day(&self) -> Result<Option<Date>, StoreError> {
        self.reading.day()
    }

    fn log_id(&self) -> LogId {
        self.reading.log_id()
    }

    fn lsn(&self) -> Lsn {
        self.reading.lsn()
    }
}
