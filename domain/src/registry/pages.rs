//! Saving and loading: pages of rows as they are without what is in flight, runs of changed keys, and the head.
//!
//! A page carries the lsn it reflects. Pages of one restart point may reflect different lsns: replay starts after the oldest
//! and gives a page only the records beyond its own (R3).

use super::fold::RowImage;
use super::lookups::{Drawn, LookupEntry, Register};
use super::operations::OperationRow;
use super::rows::{Row, RowBytesError, TemporaryRow};
use super::table::{PAGE_ROWS, page_of};
use super::units::{OfficeRow, UnitRow};
use super::{Head, Registry};
use event_schemas::basis::RegisterKind;
use event_schemas::codec::{CodecError, decode_from, encode_into};
use event_schemas::ids::{
    CardId, DossierId, DwellingId, HouseholdId, Lsn, OfficeId, OperationId, PersonId, UnitId,
};
use event_schemas::pin::Pin;
use event_schemas::row::RowRef;

/// Tables that are saved in pages. Units, offices and operations are few: one page each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum PageTable {
    Persons = 1,
    Households = 2,
    Cards = 3,
    Dossiers = 4,
    Dwellings = 5,
    Units = 6,
    Offices = 7,
    Operations = 8,
}

/// One page of one table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PageRef {
    pub table: PageTable,
    pub page: u32,
}

/// Saved bytes cannot be read: the store is discarded whole and rebuilt (S3).
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    #[error(transparent)]
    Row(#[from] RowBytesError),
    #[error(transparent)]
    Codec(#[from] CodecError),
    #[error("{0} bytes are left over after the page")]
    TrailingBytes(usize),
}

impl PageRef {
    fn of(row: RowRef) -> Self {
        let (table, page) = match row {
            RowRef::Person(id) => (PageTable::Persons, page_of(id.0)),
            RowRef::Household(id) => (PageTable::Households, page_of(id.0)),
            RowRef::Card(id) => (PageTable::Cards, page_of(id.0)),
            RowRef::Dossier(id) => (PageTable::Dossiers, page_of(id.0)),
            RowRef::Dwelling(id) => (PageTable::Dwellings, page_of(id.0)),
            RowRef::Unit(_) => (PageTable::Units, 0),
            RowRef::Office(_) => (PageTable::Offices, 0),
            RowRef::Operation(_) => (PageTable::Operations, 0),
        };
        Self { table, page }
    }
}

impl Registry {
    pub(super) fn mark_dirty(&mut self, row: RowRef) {
        match row {
            RowRef::Person(id) => self.persons.mark_dirty(id.0),
            RowRef::Household(id) => self.households.mark_dirty(id.0),
            RowRef::Card(id) => self.cards.mark_dirty(id.0),
            RowRef::Dossier(id) => self.dossiers.mark_dirty(id.0),
            RowRef::Dwelling(id) => self.dwellings.mark_dirty(id.0),
            RowRef::Unit(_) => self.units_dirty = true,
            RowRef::Office(_) => self.offices_dirty = true,
            RowRef::Operation(_) => self.operations_dirty = true,
        }
    }

    /// Pages that confirmed records have changed since the last call.
    pub fn take_dirty_pages(&mut self) -> Vec<PageRef> {
        let mut dirty = Vec::new();
        let mut take = |table: PageTable, pages: Vec<u32>| {
            dirty.extend(pages.into_iter().map(|page| PageRef { table, page }));
        };
        take(PageTable::Persons, self.persons.take_dirty());
        take(PageTable::Households, self.households.take_dirty());
        take(PageTable::Cards, self.cards.take_dirty());
        take(PageTable::Dossiers, self.dossiers.take_dirty());
        take(PageTable::Dwellings, self.dwellings.take_dirty());
        if std::mem::take(&mut self.units_dirty) {
            take(PageTable::Units, vec![0]);
        }
        if std::mem::take(&mut self.offices_dirty) {
            take(PageTable::Offices, vec![0]);
        }
        if std::mem::take(&mut self.operations_dirty) {
            take(PageTable::Operations, vec![0]);
        }
        dirty
    }

    /// Keys that confirmed records have changed since the last call.
    pub fn take_lookup_changes(&mut self) -> Vec<LookupEntry> {
        self.journal.take_confirmed_lookups()
    }

    /// The page's bytes without what is in flight, and the lsn that it reflects.
    pub fn encode_page(&self, page: PageRef) -> Result<(Lsn, Vec<u8>), PageError> {
        let mut bytes = Vec::new();
        match page.table {
            PageTable::Persons => self.encode_persons(page, &mut bytes),
            PageTable::Households => encode_rows(
                self.confirmed_rows(page, self.households.rows_of_page(page.page), |image| match image {
                    RowImage::Household(row) => row,
                    image => unreachable!("{image:?} is no household"),
                }),
                &mut bytes,
            ),
            PageTable::Cards => encode_rows(
                self.confirmed_rows(page, self.cards.rows_of_page(page.page), |image| match image {
                    RowImage::Card(row) => row,
                    image => unreachable!("{image:?} is no card"),
                }),
                &mut bytes,
            ),
            PageTable::Dossiers => encode_rows(
                self.confirmed_rows(page, self.dossiers.rows_of_page(page.page), |image| match image {
                    RowImage::Dossier(row) => row,
                    image => unreachable!("{image:?} is no dossier"),
                }),
                &mut bytes,
            ),
            PageTable::Dwellings => encode_rows(
                self.confirmed_rows(page, self.dwellings.rows_of_page(page.page), |image| match image {
                    RowImage::Dwelling(row) => row,
                    image => unreachable!("{image:?} is no dwelling"),
                }),
                &mut bytes,
            ),
            PageTable::Units => self.encode_units(&mut bytes)?,
            PageTable::Offices => self.encode_offices(&mut bytes)?,
            PageTable::Operations => self.encode_operations(&mut bytes)?,
        }
        Ok((self.confirmed_head().lsn, bytes))
    }

    /// Rows of a page with the before-images of what is in flight put back.
    fn confirmed_rows<R: Row>(
        &self,
        page: PageRef,
        mut rows: Vec<R>,
        row_of: impl Fn(RowImage) -> R,
    ) -> Vec<R> {
        for (row, before) in self.journal.images_newest_first() {
            if PageRef::of(*row) == page {
                rows[slot_of(*row)] = row_of(before.clone());
            }
        }
        rows
    }

    fn encode_persons(&self, page: PageRef, out: &mut Vec<u8>) {
        let mut rows = self.persons.rows_of_page(page.page);
        let first = page.page * PAGE_ROWS as u32 + 1;
        let mut temporary: std::collections::BTreeMap<u32, TemporaryRow> = self
            .temporary
            .range(first..first + PAGE_ROWS as u32)
            .map(|(id, row)| (*id, row.clone()))
            .collect();
        for (row, before) in self.journal.images_newest_first() {
            if let (RowRef::Person(id), RowImage::Person(person, stay)) = (row, before)
                && PageRef::of(*row) == page
            {
                rows[slot_of(*row)] = person.clone();
                match stay {
                    Some(stay) => temporary.insert(id.0, stay.clone()),
                    None => temporary.remove(&id.0),
                };
            }
        }
        encode_rows(rows, out);
        out.extend_from_slice(&(temporary.len() as u32).to_le_bytes());
        for (id, row) in temporary {
            out.extend_from_slice(&id.to_le_bytes());
            row.encode(out);
        }
    }

    fn encode_units(&self, out: &mut Vec<u8>) -> Result<(), PageError> {
        let mut units: std::collections::BTreeMap<UnitId, UnitRow> =
            self.units.iter().map(|(id, row)| (id, row.clone())).collect();
        for (row, before) in self.journal.images_newest_first() {
            if let (RowRef::Unit(id), RowImage::Unit(before)) = (row, before) {
                match before {
                    Some(before) => units.insert(*id, before.clone()),
                    None => units.remove(id),
                };
            }
        }
        encode_into(&(units.len() as u32), out)?;
        for (id, row) in &units {
            encode_into(id, out)?;
            row.encode(out)?;
        }
        Ok(())
    }

    fn encode_offices(&self, out: &mut Vec<u8>) -> Result<(), PageError> {
        let mut offices = self.offices.clone();
        for (row, before) in self.journal.images_newest_first() {
            if let (RowRef::Office(id), RowImage::Office(before)) = (row, before) {
                match before {
                    Some(before) => offices.insert(*id, before.clone()),
                    None => offices.remove(id),
                };
            }
        }
        encode_into(&(offices.len() as u32), out)?;
        for (id, row) in &offices {
            encode_into(id, out)?;
            row.encode(out)?;
        }
        Ok(())
    }

    fn encode_operations(&self, out: &mut Vec<u8>) -> Result<(), PageError> {
        let mut operations = self.operations.clone();
        for (row, before) in self.journal.images_newest_first() {
            if let (RowRef::Operation(id), RowImage::Operation(before)) = (row, before) {
                match before {
                    Some(before) => operations.insert(*id, before.clone()),
                    None => operations.remove(id),
                };
            }
        }
        encode_into(&(operations.len() as u32), out)?;
        for (id, row) in &operations {
            encode_into(id, out)?;
            row.encode(out)?;
        }
        Ok(())
    }

    /// Begins to take saved pages in. Until [`Self::finish_replay`] digests and due rows are not kept, and nothing is decided.
    pub fn begin_replay(&mut self, head: Head) {
        self.head = head;
        self.replaying = true;
    }

    /// Takes a saved page in.
    pub fn load_page(&mut self, page: PageRef, lsn: Lsn, bytes: &[u8]) -> Result<(), PageError> {
        let input = &mut &bytes[..];
        match page.table {
            PageTable::Persons => {
                self.persons.load_page(page.page, lsn, input)?;
                self.load_temporary(input)?;
            }
            PageTable::Households => self.households.load_page(page.page, lsn, input)?,
            PageTable::Cards => self.cards.load_page(page.page, lsn, input)?,
            PageTable::Dossiers => self.dossiers.load_page(page.page, lsn, input)?,
            PageTable::Dwellings => self.dwellings.load_page(page.page, lsn, input)?,
            PageTable::Units => {
                for _ in 0..decode_from::<u32>(input)? {
                    let id = decode_from(input)?;
                    self.units.put(id, Some(UnitRow::decode(input)?));
                }
            }
            PageTable::Offices => {
                for _ in 0..decode_from::<u32>(input)? {
                    let id = decode_from::<OfficeId>(input)?;
                    self.offices.insert(id, OfficeRow::decode(input)?);
                }
            }
            PageTable::Operations => {
                for _ in 0..decode_from::<u32>(input)? {
                    let id = decode_from::<OperationId>(input)?;
                    self.operations.insert(id, OperationRow::decode(input)?);
                }
            }
        }
        if input.is_empty() { Ok(()) } else { Err(PageError::TrailingBytes(input.len())) }
    }

    fn load_temporary(&mut self, input: &mut &[u8]) -> Result<(), PageError> {
        let number = |input: &mut &[u8]| -> Result<u32, PageError> {
            let (bytes, rest) = input.split_first_chunk().ok_or(RowBytesError)?;
            *input = rest;
            Ok(u32::from_le_bytes(*bytes))
        };
        for _ in 0..number(input)? {
            let id = number(input)?;
            self.temporary.insert(id, TemporaryRow::decode(input)?);
        }
        Ok(())
    }

    /// Takes saved keys in, in any order.
    pub fn load_lookups(&mut self, entries: impl IntoIterator<Item = LookupEntry>) {
        for entry in entries {
            self.lookups.load(entry);
        }
    }

    /// All pages and all records up to the newest page are in: derives what is not saved.
    pub fn finish_replay(&mut self) {
        self.replaying = false;
        self.head.digest = self.recompute_digest();
        self.due = super::due::DueRows::default();
        let mut rows = Vec::new();
        self.for_each_row(|row| rows.push(row));
        for row in rows {
            let image = self.image(row);
            self.due.replace(row, &RowImage::Unit(None), &image);
            self.raise_highest(row);
        }
    }

    /// Calls `visit` for every row that exists.
    pub fn for_each_row(&self, mut visit: impl FnMut(RowRef)) {
        self.persons.iter().for_each(|(id, _)| visit(RowRef::Person(PersonId(id))));
        self.households.iter().for_each(|(id, _)| visit(RowRef::Household(HouseholdId(id))));
        self.cards.iter().for_each(|(id, _)| visit(RowRef::Card(CardId(id))));
        self.dossiers.iter().for_each(|(id, _)| visit(RowRef::Dossier(DossierId(id))));
        self.dwellings.iter().for_each(|(id, _)| visit(RowRef::Dwelling(DwellingId(id))));
        self.units.iter().for_each(|(id, _)| visit(RowRef::Unit(id)));
        self.offices.keys().for_each(|id| visit(RowRef::Office(*id)));
        self.operations.keys().for_each(|id| visit(RowRef::Operation(*id)));
    }
}

fn slot_of(row: RowRef) -> usize {
    let id = match row {
        RowRef::Person(id) => id.0,
        RowRef::Household(id) => id.0,
        RowRef::Card(id) => id.0,
        RowRef::Dossier(id) => id.0,
        RowRef::Dwelling(id) => id.0,
        RowRef::Unit(_) | RowRef::Office(_) | RowRef::Operation(_) => 1,
    };
    id.saturating_sub(1) as usize % PAGE_ROWS
}

fn encode_rows<R: Row>(rows: Vec<R>, out: &mut Vec<u8>) {
    for row in rows {
        row.encode(out);
    }
}

impl Head {
    /// The head's bytes.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::new();
        encode_into(
            &(
                self.log_id,
                self.clock,
                self.format,
                self.date,
                self.day_pending,
                self.lsn,
                self.recorded_at.0,
            ),
            &mut out,
        )?;
        encode_into(
            &(
                self.persons,
                self.households,
                self.cards,
                self.dossiers,
                self.dwellings,
                self.units,
                self.operations,
                self.digest,
            ),
            &mut out,
        )?;
        Ok(out)
    }

    /// Reads a saved head.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let input = &mut &bytes[..];
        let (log_id, clock, format, date, day_pending, lsn, recorded_at) = decode_from(input)?;
        let (persons, households, cards, dossiers, dwellings, units, operations, digest) =
            decode_from(input)?;
        let recorded_at = event_schemas::time::Timestamp(recorded_at);
        Ok(Self {
            log_id,
            clock,
            format,
            date,
            day_pending,
            lsn,
            recorded_at,
            persons,
            households,
            cards,
            dossiers,
            dwellings,
            units,
            operations,
            digest,
        })
    }
}

impl LookupEntry {
    /// Appends the entry's bytes.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        match *self {
            Self::Pin(pin, person) => encode_into(&(1u8, pin, person), out),
            Self::Cmnd(number, person) => encode_into(&(2u8, number, person), out),
            Self::Draws(cell, drawn) => encode_into(&(3u8, cell, drawn), out),
            Self::Entries(register, number) => {
                encode_into(&(4u8, register.office, register.kind, register.year, number), out)
            }
            Self::Legacy(register, number) => {
                encode_into(&(5u8, register.office, register.kind, register.year, number), out)
            }
            Self::Serial(hash, card) => encode_into(&(6u8, hash, card), out),
            Self::Cancelled(pin) => encode_into(&(7u8, pin), out),
        }
    }

    /// Takes an entry from the front of `input`.
    pub fn decode_from(input: &mut &[u8]) -> Result<Self, CodecError> {
        let register = |input: &mut &[u8]| -> Result<(Register, u32), CodecError> {
            let (office, kind, year, number): (OfficeId, RegisterKind, i16, u32) = decode_from(input)?;
            Ok((Register { office, kind, year }, number))
        };
        match decode_from::<u8>(input)? {
            1 => decode_from::<(Pin, u32)>(input).map(|(pin, person)| Self::Pin(pin, person)),
            2 => decode_from::<(u32, u32)>(input).map(|(number, person)| Self::Cmnd(number, person)),
            3 => decode_from::<(u32, Drawn)>(input).map(|(cell, drawn)| Self::Draws(cell, drawn)),
            4 => register(input).map(|(register, number)| Self::Entries(register, number)),
            5 => register(input).map(|(register, number)| Self::Legacy(register, number)),
            6 => decode_from::<(u64, u32)>(input).map(|(hash, card)| Self::Serial(hash, card)),
            7 => decode_from::<Pin>(input).map(Self::Cancelled),
            kind => Err(CodecError::UnknownKind { what: "lookup", kind: kind.into(), version: 0 }),
        }
    }
}
