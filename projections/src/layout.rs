//! What lies in which table, and under which key.
//!
//! | table | key | value |
//! |---|---|---|
//! | rows | dense id | the row |
//! | by PIN | PIN 8 | person 4, in force 1 |
//! | by CMND | number 4, person 4 | – |
//! | residents | kind 1, unit 4, person 4 | – |
//! | households by unit | unit 4, household 4 | – |
//! | units by code | code's digits, 0, unit 4 | – |
//! | units by parent | parent 4, unit 4 | – |
//! | persons by word of a name | folded word, 0, earliest day of birth 4, person 4 | – |
//! | persons by whole name | folded words in order, 0, earliest day of birth 4, person 4 | – |
//! | totals | see `totals` | count 8 |
//! | days | first lsn of an opened day 8 | days since 1970-01-01, 4 |
//! | facts | name | see [`FACT_DAY`], [`FACT_ENTRIES`], [`FACT_UNITS`] |
//! | staged by operations | operation 4, part 4 | what the part stages, see [`crate::staged`] |
//! | left out of operations | operation 4, person 4 | reason 1 |
//! | PIN cells | cell 4, what 1 | numbers 8 |
//! | PIN notices due | unit 4 (0 for none), person 4 | – |
//!
//! Numbers are big-endian, so that the order of keys is the order of numbers.

use event_schemas::ids::{
    CardId, DossierId, DwellingId, HouseholdId, OfficeId, OperationId, PersonId, UnitId,
};
use event_schemas::pin::Pin;
use event_schemas::place::UnitCode;
use event_schemas::row::RowRef;
use event_schemas::time::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state_store::engine::TableId;
use state_store::tables::{TableKind, TableSpec};

/// One more whenever the same records would make other rows, indexes or totals.
pub const FOLD_REVISION: u32 = 9;

pub(crate) const PERSONS: TableId = TableId(1);
pub(crate) const HOUSEHOLDS: TableId = TableId(2);
pub(crate) const CARDS: TableId = TableId(3);
pub(crate) const DOSSIERS: TableId = TableId(4);
pub(crate) const DWELLINGS: TableId = TableId(5);
pub(crate) const UNITS: TableId = TableId(6);
pub(crate) const OFFICES: TableId = TableId(7);
pub(crate) const OPERATIONS: TableId = TableId(8);
pub(crate) const BY_PIN: TableId = TableId(20);
pub(crate) const BY_CMND: TableId = TableId(21);
pub(crate) const RESIDENTS: TableId = TableId(22);
pub(crate) const HOUSEHOLDS_BY_UNIT: TableId = TableId(23);
pub(crate) const UNITS_BY_CODE: TableId = TableId(24);
pub(crate) const UNITS_BY_PARENT: TableId = TableId(25);
pub(crate) const BY_WORD: TableId = TableId(26);
pub(crate) const BY_NAME: TableId = TableId(27);
pub(crate) const TOTALS: TableId = TableId(30);
pub(crate) const FACTS: TableId = TableId(31);
pub(crate) const DAYS: TableId = TableId(32);
pub(crate) const STAGED: TableId = TableId(60);
pub(crate) const LEFT_OUT: TableId = TableId(61);
pub(crate) const PIN_CELLS: TableId = TableId(62);
pub(crate) const PIN_NOTICES: TableId = TableId(63);

/// The opened day: days since 1970-01-01, 4 bytes.
pub(crate) const FACT_DAY: &[u8] = b"day";
/// Admitted entries by kind: one count of 8 bytes each, in the order of their numbers.
pub(crate) const FACT_ENTRIES: &[u8] = b"entries";
/// Lsn of the last record that changed a unit, 8 bytes.
pub(crate) const FACT_UNITS: &[u8] = b"units";

const fn rows(id: TableId, name: &'static str, rows_per_page: u16) -> TableSpec {
    TableSpec { id, name, kind: TableKind::Rows { rows_per_page } }
}

const fn sorted(id: TableId, name: &'static str) -> TableSpec {
    TableSpec { id, name, kind: TableKind::Sorted }
}

/// Every table of a view. A person's row is some 500 bytes; 16 of them make a page that is quick to read for one row
/// and still packs well.
pub(crate) const TABLES: &[TableSpec] = &[
    rows(PERSONS, "persons", 16),
    rows(HOUSEHOLDS, "households", 16),
    rows(CARDS, "cards", 32),
    rows(DOSSIERS, "dossiers", 32),
    rows(DWELLINGS, "dwellings", 32),
    rows(UNITS, "units", 32),
    rows(OFFICES, "offices", 16),
    rows(OPERATIONS, "operations", 16),
    sorted(BY_PIN, "persons by PIN"),
    sorted(BY_CMND, "persons by CMND"),
    sorted(RESIDENTS, "residents by unit"),
    sorted(HOUSEHOLDS_BY_UNIT, "households by unit"),
    sorted(UNITS_BY_CODE, "units by code"),
    sorted(UNITS_BY_PARENT, "units by parent"),
    sorted(BY_WORD, "persons by word of a name"),
    sorted(BY_NAME, "persons by whole name"),
    sorted(TOTALS, "totals"),
    sorted(FACTS, "facts"),
    sorted(DAYS, "days"),
    sorted(STAGED, "staged by operations"),
    sorted(LEFT_OUT, "left out of operations"),
    sorted(PIN_CELLS, "PIN cells"),
    sorted(PIN_NOTICES, "PIN notices due"),
];

/// Table and id of a row.
pub(crate) fn row_place(row: RowRef) -> (TableId, u32) {
    match row {
        RowRef::Person(id) => (PERSONS, id.0),
        RowRef::Household(id) => (HOUSEHOLDS, id.0),
        RowRef::Card(id) => (CARDS, id.0),
        RowRef::Dossier(id) => (DOSSIERS, id.0),
        RowRef::Dwelling(id) => (DWELLINGS, id.0),
        RowRef::Unit(id) => (UNITS, id.0),
        RowRef::Office(id) => (OFFICES, id.0),
        RowRef::Operation(id) => (OPERATIONS, id.0),
    }
}

/// The row at a place; only tables of rows have any.
pub(crate) fn row_ref(table: TableId, id: u32) -> RowRef {
    match table {
        PERSONS => RowRef::Person(PersonId(id)),
        HOUSEHOLDS => RowRef::Household(HouseholdId(id)),
        CARDS => RowRef::Card(CardId(id)),
        DOSSIERS => RowRef::Dossier(DossierId(id)),
        DWELLINGS => RowRef::Dwelling(DwellingId(id)),
        UNITS => RowRef::Unit(UnitId(id)),
        OFFICES => RowRef::Office(OfficeId(id)),
        OPERATIONS => RowRef::Operation(OperationId(id)),
        other => unreachable!("{other} is no table of rows"),
    }
}

/// By which registration somebody is a resident of a unit.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResidenceKind {
    #[default]
    Permanent,
    Temporary,
}

fn join<const A: usize, const B: usize, const N: usize>(first: [u8; A], second: [u8; B]) -> [u8; N] {
    let mut joined = [0; N];
    joined[..A].copy_from_slice(&first);
    joined[A..].copy_from_slice(&second);
    joined
}

pub(crate) fn pin_key(pin: Pin) -> [u8; 8] {
    pin.number().to_be_bytes()
}

pub(crate) fn pair_key(first: u32, second: u32) -> [u8; 8] {
    join(first.to_be_bytes(), second.to_be_bytes())
}

/// The second number of [`pair_key`].
pub(crate) fn second_of(key: &[u8]) -> Option<u32> {
    key.last_chunk().copied().map(u32::from_be_bytes)
}

pub(crate) fn residents_prefix(kind: ResidenceKind, unit: UnitId) -> [u8; 5] {
    join([kind as u8], unit.0.to_be_bytes())
}

pub(crate) fn resident_key(kind: ResidenceKind, unit: UnitId, person: PersonId) -> [u8; 9] {
    join(residents_prefix(kind, unit), person.0.to_be_bytes())
}

pub(crate) fn household_key(unit: UnitId, household: HouseholdId) -> [u8; 8] {
    pair_key(unit.0, household.0)
}

pub(crate) fn code_prefix(code: UnitCode) -> Vec<u8> {
    let mut key = code.to_string().into_bytes();
    key.push(0);
    key
}

/// Days before 1970 go first too.
pub(crate) fn name_key(name: &str, birth: Date, person: PersonId) -> Vec<u8> {
    let mut key = name.as_bytes().to_vec();
    key.push(0);
    key.extend_from_slice(&(birth.0 as u32 ^ 1 << 31).to_be_bytes());
    key.extend_from_slice(&person.0.to_be_bytes());
    key
}
