//! Applies admitted entries to a batch: rows by their folds, indexes and totals by what the rows became.

use crate::derived::{Derived, Parts, TotalChanges, count_of};
use crate::layout::{DAYS, FACT_DAY, FACT_ENTRIES, FACT_UNITS, FACTS};
use crate::reference::Reference;
use crate::rows::each_kind;
use crate::rows::{
    CardRow, DossierRow, DwellingRow, Fact, HouseholdRow, OfficeRow, OperationRow, PersonRow, Row, Stamp,
    UnitRow,
};
use crate::staged::CellChanges;
use crate::streams::each_said;
use crate::target::Target;
use event_schemas::format::NewerFormat;
use event_schemas::header::EntryKind;
use event_schemas::ids::{EventAddress, LogId, Lsn, Version};
use event_schemas::record::{AdmittedEntry, Changes, EntryBody, EntryError};
use event_schemas::row::RowRef;
use event_schemas::time::Date;
use state_store::pages::{PageError, PageRow};
use state_store::store::StoreError;

/// Why an admitted entry cannot be applied. The projector stops with it and never skips (R5).
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("the entry at lsn {lsn} cannot be read: {error}")]
    Unreadable { lsn: Lsn, error: EntryError },
    #[error("the record at lsn {lsn} changes {row}, which it does not name")]
    RowNotNamed { lsn: Lsn, row: RowRef },
    #[error(
        "the record at lsn {lsn} makes {row} version {stated} after the record at lsn {previous}, but the row is at \
         version {} of lsn {}", found.version, found.last_lsn
    )]
    OtherVersion { lsn: Lsn, row: RowRef, stated: Version, previous: Lsn, found: Stamp },
    #[error("after the record at lsn {lsn} a total would fall below zero")]
    NegativeTotal { lsn: Lsn },
    #[error("the log from lsn {lsn} on cannot be read: {format}")]
    UnknownFormat { lsn: Lsn, format: NewerFormat },
    #[error("lsn {lsn} begins log {found}; this view was opened for log {expected}")]
    OtherLog { lsn: Lsn, found: LogId, expected: LogId },
    #[error("the entry at lsn {lsn} cannot be kept: {error}")]
    Store { lsn: Lsn, error: StoreError },
}

/// Applies entries to one batch, in the order of their lsn.
pub(crate) struct Applier<'a, T> {
    pub(crate) batch: T,
    reference: &'a mut Reference,
    log_id: LogId,
    totals: TotalChanges,
    pub(crate) cells: CellChanges,
    entries: [u64; EntryKind::ALL.len()],
    day: Option<Date>,
    lsn: Lsn,
}

/// A row that a record changes.
struct Changing {
    row: RowRef,
    /// What may change of what it gives.
    parts: Parts,
    before: Derived,
    value: Row,
}

impl<'a, T: Target> Applier<'a, T> {
    /// The reference only grows: a batch that is not published leaves in it what the next one says again.
    pub fn new(batch: T, reference: &'a mut Reference, log_id: LogId) -> Self {
        let entries = [0; EntryKind::ALL.len()];
        Self {
            batch,
            reference,
            log_id,
            totals: TotalChanges::default(),
            cells: CellChanges::default(),
            entries,
            day: None,
            lsn: Lsn::ZERO,
        }
    }

    /// About how much memory the batch takes.
    pub fn bytes(&self) -> usize {
        self.batch.bytes()
    }

    /// How totals change over everything applied.
    pub fn totals(&self) -> &TotalChanges {
        &self.totals
    }

    /// Applies one entry that admission let in at `lsn`.
    pub fn apply(&mut self, lsn: Lsn, bytes: &[u8]) -> Result<(), ApplyError> {
        self.apply_decoded(lsn, decode_entry(lsn, bytes)?)
    }

    /// The same, of an entry that is decoded already.
    pub fn apply_decoded(&mut self, lsn: Lsn, entry: AdmittedEntry) -> Result<(), ApplyError> {
        self.lsn = lsn;
        self.entries[entry.header.kind as usize] += 1;
        if let Some(changes) = entry.changes() {
            return self.apply_changes(lsn, changes);
        }
        match entry.body {
            EntryBody::Genesis(genesis) => {
                if genesis.log_id != self.log_id {
                    return Err(ApplyError::OtherLog { lsn, found: genesis.log_id, expected: self.log_id });
                }
                self.open_day(lsn, genesis.date).map_err(|error| ApplyError::Store { lsn, error })?;
            }
            EntryBody::DayOpened { date } => {
                self.open_day(lsn, date).map_err(|error| ApplyError::Store { lsn, error })?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Shows everything applied at once.
    pub fn publish(mut self) -> Result<T::Published, ApplyError> {
        let lsn = self.lsn;
        let stored = |error| ApplyError::Store { lsn, error };
        self.write_counts()?;
        self.write_facts().map_err(stored)?;
        self.batch.publish(lsn).map_err(stored)
    }

    /// Shows nothing, and gives what was changed.
    pub fn unpublished(mut self) -> Result<T, ApplyError> {
        self.write_counts()?;
        Ok(self.batch)
    }

    /// The same, with how totals and cells of numbers change beside it: neither is written.
    pub fn uncounted(self) -> (T, TotalChanges, CellChanges) {
        (self.batch, self.totals, self.cells)
    }

    /// Writes how totals changed over everything applied.
    fn write_counts(&mut self) -> Result<(), ApplyError> {
        let lsn = self.lsn;
        let stored = |error| ApplyError::Store { lsn, error };
        if std::mem::take(&mut self.totals).write(&mut self.batch).map_err(stored)?.is_err() {
            return Err(ApplyError::NegativeTotal { lsn });
        }
        if std::mem::take(&mut self.cells).write(&mut self.batch).map_err(stored)?.is_err() {
            return Err(ApplyError::NegativeTotal { lsn });
        }
        Ok(())
    }

    fn open_day(&mut self, lsn: Lsn, date: Date) -> Result<(), StoreError> {
        self.day = Some(date);
        self.reference.open_day(lsn, date);
        self.batch.put(DAYS, &lsn.0.to_be_bytes(), date.0.to_be_bytes().to_vec())
    }

    fn write_facts(&mut self) -> Result<(), StoreError> {
        if let Some(day) = self.day {
            self.batch.put(FACTS, FACT_DAY, day.0.to_be_bytes().to_vec())?;
        }
        let saved = self.batch.get(FACTS, FACT_ENTRIES)?.unwrap_or_default();
        let mut counts = Vec::with_capacity(self.entries.len() * 8);
        for (kind, count) in self.entries.iter().enumerate() {
            let before = saved.get(kind * 8..).map_or(0, count_of);
            counts.extend_from_slice(&(before + count).to_be_bytes());
        }
        self.batch.put(FACTS, FACT_ENTRIES, counts)
    }

    fn apply_changes(&mut self, lsn: Lsn, changes: &Changes) -> Result<(), ApplyError> {
        self.change_rows(lsn, 0, changes)?;
        for (index, event) in changes.events.iter().enumerate() {
            self.cells.take(&event.body);
            self.follow_operation(EventAddress { lsn, index: index as u32 }, event)?;
        }
        Ok(())
    }

    /// Rows as they become by the record at `lsn`, or by a part of what takes effect with it. `first` is the place of its first event.
    pub(crate) fn change_rows(&mut self, lsn: Lsn, first: u32, changes: &Changes) -> Result<(), ApplyError> {
        let mut rows = Vec::with_capacity(changes.rows.len());
        for touch in &changes.rows {
            let value = self.read_row(touch.row).map_err(|error| ApplyError::Store { lsn, error })?;
            let found = value.stamp();
            let is_next = touch.version == found.version.next() && touch.previous == found.last_lsn;
            if self.batch.holds(touch.row) && !is_next {
                let (row, stated, previous) = (touch.row, touch.version, touch.previous);
                return Err(ApplyError::OtherVersion { lsn, row, stated, previous, found });
            }
            let (mut parts, mut before) = (Parts::default(), Derived::default());
            if T::DERIVES {
                parts = Parts::changed(changes, touch.row);
                before = Derived::of(touch.row, &value, parts, self.reference);
            }
            rows.push(Changing { row: touch.row, parts, before, value });
        }
        fold_changes((lsn, first), changes, &mut rows)?;
        for (touch, mut changing) in changes.rows.iter().zip(rows) {
            changing.value.set_stamp(Stamp { version: touch.version, last_lsn: lsn });
            self.write_row(changing).map_err(|error| ApplyError::Store { lsn, error })?;
        }
        Ok(())
    }

    /// A row that the record does not name one by one: it goes on from the version that the record states, changed by `change`.
    pub(crate) fn change_row(
        &mut self,
        lsn: Lsn,
        row: RowRef,
        stated: Stamp,
        change: impl FnOnce(&mut Row),
    ) -> Result<(), ApplyError> {
        if !self.batch.holds(row) {
            return Ok(());
        }
        let stored = |error| ApplyError::Store { lsn, error };
        let mut value = self.read_row(row).map_err(stored)?;
        let found = value.stamp();
        if found != stated {
            let (stated, previous) = (stated.version.next(), stated.last_lsn);
            return Err(ApplyError::OtherVersion { lsn, row, stated, previous, found });
        }
        let parts = Parts::NONE;
        let before =
            if T::DERIVES { Derived::of(row, &value, parts, self.reference) } else { Derived::default() };
        change(&mut value);
        value.set_stamp(Stamp { version: found.version.next(), last_lsn: lsn });
        self.write_row(Changing { row, parts, before, value }).map_err(stored)
    }

    fn read_row(&mut self, row: RowRef) -> Result<Row, StoreError> {
        Ok(self.batch.take_row(row)?.unwrap_or_else(|| Row::new(row)))
    }

    fn write_row(&mut self, changing: Changing) -> Result<(), StoreError> {
        let Changing { row, parts, before, value } = changing;
        if let (RowRef::Unit(unit), Row::Unit(established)) = (row, &value) {
            self.reference.establish(unit, established);
            self.batch.put(FACTS, FACT_UNITS, self.lsn.0.to_be_bytes().to_vec())?;
        }
        if T::DERIVES {
            let after = Derived::of(row, &value, parts, self.reference);
            self.totals.change(&mut self.batch, &before, &after)?;
        }
        self.batch.put_row(row, value)
    }
}

/// Decodes one entry that admission let in at `lsn`.
pub(crate) fn decode_entry(lsn: Lsn, bytes: &[u8]) -> Result<AdmittedEntry, ApplyError> {
    AdmittedEntry::decode(lsn, bytes).map_err(|error| match error {
        EntryError::Format(format) => ApplyError::UnknownFormat { lsn, format },
        error => ApplyError::Unreadable { lsn, error },
    })
}

/// A row of any kind as it was found.
pub(crate) fn found_row(
    row: RowRef,
    found: Option<Result<Row, PageError>>,
) -> Result<Option<Row>, StoreError> {
    found.transpose().map_err(|error| StoreError::Damaged(format!("{row}: {error}")))
}

/// A row's bytes.
pub(crate) fn encode_row(value: &Row) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    each_kind!(value, inner => inner.encode(&mut bytes));
    // Changed rows are kept as they are until they are saved.
    bytes.shrink_to_fit();
    bytes
}

pub(crate) fn decode_row(row: RowRef, bytes: &[u8]) -> Result<Row, PageError> {
    use state_store::pages::decode_row as decode;
    Ok(match row {
        RowRef::Person(_) => Row::Person(Box::new(decode::<PersonRow>(bytes)?)),
        RowRef::Household(_) => Row::Household(Box::new(decode::<HouseholdRow>(bytes)?)),
        RowRef::Card(_) => Row::Card(Box::new(decode::<CardRow>(bytes)?)),
        RowRef::Dossier(_) => Row::Dossier(Box::new(decode::<DossierRow>(bytes)?)),
        RowRef::Dwelling(_) => Row::Dwelling(Box::new(decode::<DwellingRow>(bytes)?)),
        RowRef::Unit(_) => Row::Unit(Box::new(decode::<UnitRow>(bytes)?)),
        RowRef::Office(_) => Row::Office(Box::new(decode::<OfficeRow>(bytes)?)),
        RowRef::Operation(_) => Row::Operation(Box::new(decode::<OperationRow>(bytes)?)),
    })
}

/// Folds a record's events into its rows; a restated stream is folded anew from its timeline instead.
fn fold_changes(
    (lsn, first): (Lsn, u32),
    changes: &Changes,
    rows: &mut [Changing],
) -> Result<(), ApplyError> {
    let mut not_named = None;
    let facts = changes.events.iter().enumerate().map(|(index, event)| {
        let at = EventAddress { lsn, index: first + index as u32 };
        Fact { at, event }
    });
    each_said(facts, &changes.restatements, |stream, said| {
        match rows.iter_mut().find(|changing| changing.row == stream.row) {
            Some(changing) => changing.value.take(stream, said),
            None => not_named = Some(stream.row),
        }
    });
    match not_named {
        Some(row) => Err(ApplyError::RowNotNamed { lsn, row }),
        None => Ok(()),
    }
}
