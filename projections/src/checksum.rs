//! Checksums of whole views: two views of the same log at the same lsn are equal, or the first difference is named (R2).

use crate::layout::TABLES;
use crate::view::View;
use event_schemas::ids::{LogId, Lsn};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state_store::engine::{Entry, KeyRange, Order, TableId};
use state_store::store::StoreError;
use state_store::tables::{TableKind, TableSpec};
use std::fmt;
use xxhash_rust::xxh3::Xxh3;

/// Entries read at a time: readers and the projector get their turns in between.
const CHUNK: usize = 4_096;

/// Sums over a view at one lsn.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Checksum {
    pub log_id: LogId,
    pub lsn: Lsn,
    pub tables: Vec<TableSum>,
}

/// One table: how many entries, and the sum of their hashes, whatever their order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TableSum {
    pub table: String,
    pub entries: u64,
    /// 32 hexadecimal digits.
    pub sum: String,
}

/// The first entry that differs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    pub table: String,
    /// The key, in hexadecimal digits; in a table of rows the id.
    pub key: String,
    pub what: DifferenceKind,
}

/// In what two views differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    OnlyInFirst,
    OnlyInSecond,
    OtherValue,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            DifferenceKind::OnlyInFirst => "stands only in the first view",
            DifferenceKind::OnlyInSecond => "stands only in the second view",
            DifferenceKind::OtherValue => "has another value",
        };
        write!(f, "{}: {} {what}", self.table, self.key)
    }
}

/// Sums over everything in a view. `None`: the view moved on meanwhile; whoever drives it asks between two steps.
pub fn checksum(view: &View) -> Result<Option<Checksum>, StoreError> {
    let lsn = view.lsn();
    let mut tables = Vec::with_capacity(TABLES.len());
    for spec in TABLES {
        let (mut entries, mut sum) = (0_u64, 0_u128);
        let mut cursor = Cursor::new(view, spec);
        while let Some((key, value)) = cursor.next_entry()? {
            let mut hasher = Xxh3::new();
            hasher.update(&[spec.id.0]);
            hasher.update(&(key.len() as u32).to_le_bytes());
            hasher.update(&key);
            hasher.update(&value);
            sum = sum.wrapping_add(hasher.digest128());
            entries += 1;
        }
        tables.push(TableSum { table: spec.name.to_owned(), entries, sum: format!("{sum:032x}") });
    }
    if view.lsn() != lsn {
        return Ok(None);
    }
    Ok(Some(Checksum { log_id: view.log_id(), lsn, tables }))
}

/// The first entry in which two resting views differ.
pub fn first_difference(first: &View, second: &View) -> Result<Option<Difference>, StoreError> {
    for spec in TABLES {
        let (mut left, mut right) = (Cursor::new(first, spec), Cursor::new(second, spec));
        loop {
            let (key, what) = match (left.next_entry()?, right.next_entry()?) {
                (None, None) => break,
                (left, right) if left == right => continue,
                (Some((key, _)), None) => (key, DifferenceKind::OnlyInFirst),
                (None, Some((key, _))) => (key, DifferenceKind::OnlyInSecond),
                (Some((key, _)), Some((other, _))) if key == other => (key, DifferenceKind::OtherValue),
                (Some((key, _)), Some((other, _))) if key < other => (key, DifferenceKind::OnlyInFirst),
                (Some(_), Some((other, _))) => (other, DifferenceKind::OnlyInSecond),
            };
            return Ok(Some(Difference { table: spec.name.to_owned(), key: shown(spec, &key), what }));
        }
    }
    Ok(None)
}

fn shown(spec: &TableSpec, key: &[u8]) -> String {
    match (spec.kind, <[u8; 4]>::try_from(key)) {
        (TableKind::Rows { .. }, Ok(id)) => u32::from_be_bytes(id).to_string(),
        _ => key.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// Walks a table in chunks.
struct Cursor<'a> {
    view: &'a View,
    table: TableId,
    rows: bool,
    chunk: std::vec::IntoIter<Entry>,
    /// Where the next chunk begins; `None` after the last.
    next: Option<KeyRange>,
}

impl<'a> Cursor<'a> {
    fn new(view: &'a View, spec: &TableSpec) -> Self {
        let rows = matches!(spec.kind, TableKind::Rows { .. });
        Self { view, table: spec.id, rows, chunk: Vec::new().into_iter(), next: Some(KeyRange::all()) }
    }

    fn next_entry(&mut self) -> Result<Option<Entry>, StoreError> {
        if let Some(entry) = self.chunk.next() {
            return Ok(Some(entry));
        }
        let Some(range) = self.next.take() else {
            return Ok(None);
        };
        let entries = self.read(&range)?;
        if entries.len() == CHUNK {
            let last = &entries[CHUNK - 1].0;
            self.next = Some(range.beyond(last, Order::Ascending));
        }
        self.chunk = entries.into_iter();
        Ok(self.chunk.next())
    }

    fn read(&self, range: &KeyRange) -> Result<Vec<Entry>, StoreError> {
        let snapshot = self.view.tables().snapshot();
        if !self.rows {
            return Ok(snapshot.scan(self.table, range, Order::Ascending, CHUNK)?.entries);
        }
        let first = match &range.from {
            std::ops::Bound::Excluded(last) => match last.first_chunk().copied().map(u32::from_be_bytes) {
                Some(u32::MAX) => return Ok(Vec::new()),
                Some(id) => id + 1,
                None => 0,
            },
            _ => 0,
        };
        let rows = snapshot.scan_rows(self.table, first, CHUNK)?;
        Ok(rows.into_iter().map(|(id, row)| (id.to_be_bytes().to_vec(), row)).collect())
    }
}
