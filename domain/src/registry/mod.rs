//! The decision state, folded from admitted records.
//!
//! Layout: [`rows`] the packed rows; [`table`] dense tables of them; [`units`] units and offices; [`lookups`] keys and counters;
//! [`operations`] operations larger than one record;
//! [`fold`] the fold of one row, `restate` of its restated streams; [`journal`] before-images of what is in flight; [`due`] rows that fall due with a day;
//! [`pages`] saving and loading.
//!
//! *Architecture invariant:* [`Registry::apply`] cannot fail on an admitted record, looks only at the rows that the record
//! names, and reads no clock (W4, R3).

pub mod due;
pub mod fold;
pub mod journal;
pub mod lookups;
pub mod operations;
pub mod pages;
mod restate;
pub mod rows;
pub mod table;
pub mod units;

use due::DueRows;
use event_schemas::ids::{
    CardId, DossierId, DwellingId, EventAddress, HouseholdId, LogId, Lsn, OfficeId, OperationId, PersonId,
    UnitId, Version,
};
use event_schemas::pin::Pin;
use event_schemas::record::{AdmittedEntry, Changes, ClockKind, EntryBody};
use event_schemas::row::RowRef;
use event_schemas::time::{Date, Timestamp};
use fold::{RowImage, new_person};
use journal::Journal;
use lookups::Lookups;
use operations::{OperationRow, StagedRows};
use rows::{CardRow, DossierRow, DwellingRow, HouseholdRow, PersonRow, Row, TemporaryRow};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use table::Table;
use units::{OfficeRow, Offices, Units};
use xxhash_rust::xxh3::xxh3_128;

/// Names the fields that the digest sums; raised when rows or their bytes change.
pub const DIGEST_VERSION: u16 = 3;

/// The decision state.
#[derive(Clone, Default)]
pub struct Registry {
    persons: Table<PersonRow>,
    temporary: BTreeMap<u32, TemporaryRow>,
    households: Table<HouseholdRow>,
    cards: Table<CardRow>,
    dossiers: Table<DossierRow>,
    dwellings: Table<DwellingRow>,
    units: Units,
    offices: Offices,
    operations: BTreeMap<OperationId, OperationRow>,
    staged: StagedRows,
    lookups: Lookups,
    due: DueRows,
    head: Head,
    journal: Journal,
    units_dirty: bool,
    offices_dirty: bool,
    operations_dirty: bool,
    /// While saved pages are brought up to date, rows may be ahead of the record at hand.
    replaying: bool,
    /// Bytes of the row whose digest is taken; kept, so that it is not allocated each time.
    row_bytes: Vec<u8>,
}

/// What the registry knows besides rows; small, copied with every group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Head {
    pub log_id: LogId,
    pub clock: Option<ClockKind>,
    /// The format in force, see [`event_schemas::format`].
    pub format: u16,
    /// The opened day.
    pub date: Option<Date>,
    /// The opened day's lapsed rows are not all recorded yet; commands wait.
    pub day_pending: bool,
    /// Last admitted lsn taken in.
    pub lsn: Lsn,
    pub recorded_at: Timestamp,
    /// Highest ids handed out.
    pub persons: PersonId,
    pub households: HouseholdId,
    pub cards: CardId,
    pub dossiers: DossierId,
    pub dwellings: DwellingId,
    pub units: UnitId,
    pub operations: OperationId,
    /// Wrapping sum of the digests of all rows.
    pub digest: u128,
}

impl Registry {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    pub fn person(&self, id: PersonId) -> Option<&PersonRow> {
        self.persons.get(id.0)
    }

    pub fn temporary(&self, id: PersonId) -> Option<&TemporaryRow> {
        self.temporary.get(&id.0)
    }

    pub fn household(&self, id: HouseholdId) -> Option<&HouseholdRow> {
        self.households.get(id.0)
    }

    pub fn card(&self, id: CardId) -> Option<&CardRow> {
        self.cards.get(id.0)
    }

    pub fn dossier(&self, id: DossierId) -> Option<&DossierRow> {
        self.dossiers.get(id.0)
    }

    pub fn dwelling(&self, id: DwellingId) -> Option<&DwellingRow> {
        self.dwellings.get(id.0)
    }

    pub fn units(&self) -> &Units {
        &self.units
    }

    pub fn office(&self, id: OfficeId) -> Option<&OfficeRow> {
        self.offices.get(&id)
    }

    pub fn lookups(&self) -> &Lookups {
        &self.lookups
    }

    /// Who has or had the PIN. One that an operation only staged leads to nobody.
    pub fn person_by_pin(&self, pin: Pin) -> Option<PersonId> {
        let holder = self.lookups.holder_of(pin)?;
        let has = self.person(holder).is_some_and(|row| row.pin.get() == pin.number());
        (has || self.lookups.is_cancelled(pin)).then_some(holder)
    }

    pub fn due(&self) -> &DueRows {
        &self.due
    }

    /// Every person, for checks and reports.
    pub fn persons(&self) -> impl Iterator<Item = (PersonId, &PersonRow)> {
        self.persons.iter().map(|(id, row)| (PersonId(id), row))
    }

    /// Every household, for checks and reports.
    pub fn households(&self) -> impl Iterator<Item = (HouseholdId, &HouseholdRow)> {
        self.households.iter().map(|(id, row)| (HouseholdId(id), row))
    }

    /// Every card, for checks and reports.
    pub fn cards(&self) -> impl Iterator<Item = (CardId, &CardRow)> {
        self.cards.iter().map(|(id, row)| (CardId(id), row))
    }

    /// Version and last record of a row; zero if it does not exist.
    pub fn version(&self, row: RowRef) -> (Version, Lsn) {
        fn of<R: Row>(row: Option<&R>) -> (Version, Lsn) {
            row.map_or((Version::NONE, Lsn::ZERO), |row| (Version(row.version()), row.last_lsn()))
        }
        match row {
            RowRef::Person(id) => of(self.person(id)),
            RowRef::Household(id) => of(self.household(id)),
            RowRef::Card(id) => of(self.card(id)),
            RowRef::Dossier(id) => of(self.dossier(id)),
            RowRef::Dwelling(id) => of(self.dwelling(id)),
            RowRef::Unit(id) => {
                self.units.get(id).map_or((Version::NONE, Lsn::ZERO), |row| (row.version, row.last_lsn))
            }
            RowRef::Office(id) => {
                self.office(id).map_or((Version::NONE, Lsn::ZERO), |row| (row.version, row.last_lsn))
            }
            RowRef::Operation(id) => {
                self.operation(id).map_or((Version::NONE, Lsn::ZERO), |row| (row.version, row.last_lsn))
            }
        }
    }

    /// Takes an admitted entry in. In order, each once; while replaying, entries that some pages already hold are taken in
    /// again for the others.
    pub fn apply_entry(&mut self, entry: &AdmittedEntry) {
        match &entry.body {
            EntryBody::Genesis(genesis) => {
                self.head.log_id = genesis.log_id;
                self.head.clock = Some(genesis.clock);
                self.head.date = Some(genesis.date);
            }
            EntryBody::DayOpened { date } => {
                self.head.date = Some(*date);
                self.head.day_pending = true;
            }
            EntryBody::Lapsed(lapsed) => {
                self.apply(entry.lsn, &lapsed.changes);
                self.head.day_pending = !lapsed.last;
            }
            EntryBody::Record(record) => self.apply(entry.lsn, &record.changes),
            EntryBody::Activate { format, .. } => self.head.format = *format,
            _ => {}
        }
        self.head.lsn = entry.lsn;
        self.head.recorded_at = entry.header.recorded_at;
    }

    /// Folds a record's changes into the rows that it names.
    pub fn apply(&mut self, lsn: Lsn, changes: &Changes) {
        let mut images: Vec<(RowRef, RowImage, Option<RowImage>)> = Vec::with_capacity(changes.rows.len());
        for touch in &changes.rows {
            let before = self.image(touch.row);
            // A page that is ahead keeps what it has (R3).
            let after = (!self.reflects(touch.row, lsn)).then(|| before.clone());
            images.push((touch.row, before, after));
        }
        self.fold_events(lsn, changes, &mut images);
        for (touch, (row, before, after)) in changes.rows.iter().zip(images) {
            let Some(mut after) = after else { continue };
            after.stamp(touch.version, lsn);
            self.raise_highest(row);
            self.replace(row, before, after);
        }
        for event in &changes.events {
            self.fold_operation(lsn, &event.body);
        }
        self.head.lsn = lsn;
    }

    fn fold_events(
        &mut self,
        lsn: Lsn,
        changes: &Changes,
        images: &mut [(RowRef, RowImage, Option<RowImage>)],
    ) {
        for event in &changes.events {
            event.body.for_each_stream(|row, aspect| {
                if changes
                    .restatements
                    .iter()
                    .any(|restated| restated.stream.row == row && restated.stream.aspect == aspect)
                {
                    return;
                }
                // Rows stand sorted in a record.
                let place = images.binary_search_by(|(known, ..)| known.cmp(&row));
                debug_assert!(place.is_ok(), "lsn {lsn}: the record does not name {row}");
                if let Some(after) = place.ok().and_then(|place| images[place].2.as_mut()) {
                    after.fold(row, aspect, event);
                }
            });
            self.fold_lookups(event);
        }
        let mut restated_rows: Vec<RowRef> =
            changes.restatements.iter().map(|restated| restated.stream.row).collect();
        restated_rows.sort_unstable();
        restated_rows.dedup();
        for row in restated_rows {
            let Ok(place) = images.binary_search_by(|(known, ..)| known.cmp(&row)) else {
                continue;
            };
            if let Some(after) = images[place].2.as_mut() {
                after.restate(row, &changes.restatements);
            }
        }
    }

    fn fold_lookups(&mut self, event: &event_schemas::Event) {
        let mut changes = SmallVec::new();
        self.lookups.fold(event, &mut changes);
        if self.replaying {
            // Saved runs of keys stand under the lsn at which their checkpoint began. After a restart from before it another one may
            // begin there and take its run's place, so it must hold every key since the restart point, known or not.
            self.journal.note_lookups(&changes, Lookups::entries_of(event));
        } else {
            let entries = changes.iter().map(|change| self.lookups.entry(*change));
            self.journal.note_lookups(&changes, entries);
        }
    }

    /// The row as it stands, a default one if it does not exist.
    pub fn image(&self, row: RowRef) -> RowImage {
        match row {
            RowRef::Person(id) => RowImage::Person(
                self.person(id).cloned().unwrap_or_else(new_person),
                self.temporary(id).cloned(),
            ),
            RowRef::Household(id) => RowImage::Household(self.household(id).cloned().unwrap_or_default()),
            RowRef::Card(id) => RowImage::Card(self.card(id).cloned().unwrap_or_default()),
            RowRef::Dossier(id) => RowImage::Dossier(self.dossier(id).cloned().unwrap_or_default()),
            RowRef::Dwelling(id) => RowImage::Dwelling(self.dwelling(id).cloned().unwrap_or_default()),
            RowRef::Unit(id) => RowImage::Unit(self.units.get(id).cloned()),
            RowRef::Office(id) => RowImage::Office(self.offices.get(&id).cloned()),
            RowRef::Operation(id) => RowImage::Operation(self.operations.get(&id).cloned()),
        }
    }

    /// Whether the row's page already reflects the record.
    fn reflects(&self, row: RowRef, lsn: Lsn) -> bool {
        if !self.replaying {
            return false;
        }
        let loaded = match row {
            RowRef::Person(id) => self.persons.loaded_lsn(id.0),
            RowRef::Household(id) => self.households.loaded_lsn(id.0),
            RowRef::Card(id) => self.cards.loaded_lsn(id.0),
            RowRef::Dossier(id) => self.dossiers.loaded_lsn(id.0),
            RowRef::Dwelling(id) => self.dwellings.loaded_lsn(id.0),
            // These few are saved whole with each row's own lsn.
            RowRef::Unit(_) | RowRef::Office(_) | RowRef::Operation(_) => self.version(row).1,
        };
        loaded >= lsn
    }

    fn replace(&mut self, row: RowRef, before: RowImage, after: RowImage) {
        if !self.replaying {
            let bytes = &mut self.row_bytes;
            let (less, more) = (digest_of(row, &before, bytes), digest_of(row, &after, bytes));
            self.head.digest = self.head.digest.wrapping_sub(less).wrapping_add(more);
            self.due.replace(row, &before, &after);
        }
        self.put(row, after);
        match self.journal.open_group() {
            Some(group) => group.rows.push((row, before)),
            None => self.mark_dirty(row),
        }
    }

    fn put(&mut self, row: RowRef, image: RowImage) {
        match (row, image) {
            (RowRef::Person(id), RowImage::Person(person, temporary)) => {
                self.persons.put(id.0, person);
                match temporary {
                    Some(temporary) => self.temporary.insert(id.0, temporary),
                    None => self.temporary.remove(&id.0),
                };
            }
            (RowRef::Household(id), RowImage::Household(row)) => self.households.put(id.0, row),
            (RowRef::Card(id), RowImage::Card(row)) => self.cards.put(id.0, row),
            (RowRef::Dossier(id), RowImage::Dossier(row)) => self.dossiers.put(id.0, row),
            (RowRef::Dwelling(id), RowImage::Dwelling(row)) => self.dwellings.put(id.0, row),
            (RowRef::Unit(id), RowImage::Unit(row)) => self.units.put(id, row),
            (RowRef::Office(id), RowImage::Office(Some(row))) => {
                self.offices.insert(id, row);
            }
            (RowRef::Office(id), RowImage::Office(None)) => {
                self.offices.remove(&id);
            }
            (RowRef::Operation(id), RowImage::Operation(Some(row))) => {
                self.operations.insert(id, row);
            }
            (RowRef::Operation(id), RowImage::Operation(None)) => {
                self.operations.remove(&id);
            }
            (row, image) => unreachable!("{image:?} is no image of {row}"),
        }
    }

    fn raise_highest(&mut self, row: RowRef) {
        let head = &mut self.head;
        match row {
            RowRef::Person(id) => head.persons = head.persons.max(id),
            RowRef::Household(id) => head.households = head.households.max(id),
            RowRef::Card(id) => head.cards = head.cards.max(id),
            RowRef::Dossier(id) => head.dossiers = head.dossiers.max(id),
            RowRef::Dwelling(id) => head.dwellings = head.dwellings.max(id),
            RowRef::Unit(id) => head.units = head.units.max(id),
            RowRef::Operation(id) => head.operations = head.operations.max(id),
            RowRef::Office(_) => {}
        }
    }

    /// Bytes in memory by what they hold: rows of persons, of households, of cards and dossiers, lookups.
    pub fn memory(&self) -> MemoryUse {
        MemoryUse {
            persons: self.persons.memory_bytes() + self.temporary.len() * (size_of::<TemporaryRow>() + 16),
            households: self.households.memory_bytes(),
            cards: self.cards.memory_bytes() + self.dossiers.memory_bytes(),
            lookups: self.lookups.memory_bytes(),
            due: self.due.memory_bytes(),
            staged: self.staged.memory_bytes(),
        }
    }
}

/// Bytes in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemoryUse {
    pub persons: usize,
    pub households: usize,
    pub cards: usize,
    pub lookups: usize,
    pub due: usize,
    /// What operations under way have staged.
    pub staged: usize,
}

/// Digest of one row; zero for a row that does not exist, so that the sum over rows needs no list of them. `bytes` is scratch.
pub(crate) fn digest_of(row: RowRef, image: &RowImage, bytes: &mut Vec<u8>) -> u128 {
    bytes.clear();
    let id = match (row, image) {
        (RowRef::Person(id), RowImage::Person(person, temporary)) if person.version > 0 => {
            person.encode(bytes);
            if let Some(temporary) = temporary {
                temporary.encode(bytes);
            }
            id.0
        }
        (RowRef::Household(id), RowImage::Household(row)) if row.version > 0 => {
            row.encode(bytes);
            id.0
        }
        (RowRef::Card(id), RowImage::Card(row)) if row.version > 0 => {
            row.encode(bytes);
            id.0
        }
        (RowRef::Dossier(id), RowImage::Dossier(row)) if row.version > 0 => {
            row.encode(bytes);
            id.0
        }
        (RowRef::Dwelling(id), RowImage::Dwelling(row)) if row.version > 0 => {
            row.encode(bytes);
            id.0
        }
        (RowRef::Unit(id), RowImage::Unit(Some(row))) => {
            row.encode(bytes).expect("a unit's values encode");
            id.0
        }
        (RowRef::Office(id), RowImage::Office(Some(row))) => {
            row.encode(bytes).expect("an office's values encode");
            id.0
        }
        (RowRef::Operation(id), RowImage::Operation(Some(row))) => {
            row.encode(bytes).expect("an operation's values encode");
            id.0
        }
        _ => return 0,
    };
    bytes.push(kind_number(row));
    bytes.extend_from_slice(&id.to_le_bytes());
    xxh3_128(bytes)
}

fn kind_number(row: RowRef) -> u8 {
    match row {
        RowRef::Person(_) => 1,
        RowRef::Household(_) => 2,
        RowRef::Card(_) => 3,
        RowRef::Dossier(_) => 4,
        RowRef::Dwelling(_) => 5,
        RowRef::Unit(_) => 6,
        RowRef::Office(_) => 7,
        RowRef::Operation(_) => 8,
    }
}

/// Address of the event at this place of a record.
pub fn address(lsn: Lsn, index: usize) -> EventAddress {
    EventAddress { lsn, index: index as u32 }
}

pub use units::{OfficeRow as Office, UnitRow as Unit};
