//! Totals by what was known at an earlier record: what later records changed is taken back.
//!
//! A total is the sum of what rows give to it. So it stood then as it stands now, less what the rows that were changed since give now,
//! plus what they gave then. Which rows these are stands in the records since; how they stood is read back through the log. That is for
//! the lately past: what lies further back is a view of its own (`dancu replay`).

use crate::as_of::row_of;
use crate::derived::{Derived, Parts};
use crate::reference::Reference;
use crate::rows::Row;
use crate::totals::TotalKey;
use crate::view::{Reading, View};
use crate::walk::{Allowance, Entries, HistoryError, changes_by, follow, records_until};
use event_log::LogSource;
use event_schemas::ids::Lsn;
use event_schemas::row::{RowRef, RowTouch};
use event_schemas::time::Date;
use state_store::engine::KeyRange;
use state_store::store::StoreError;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

/// Most records since then, with the parts of operations that they commit (O1).
pub const MAX_RECORDS_TAKEN_BACK: u64 = 100_000;
/// Most persons and households that were changed since (O1): an import of forty thousand people, with their households. Reading back how
/// one of them stood takes some tenths of a millisecond.
pub const MAX_ROWS_TAKEN_BACK: usize = 60_000;
/// Rows of now that are read in one reading.
const ROWS_A_READING: usize = 200;
/// Most that is read back for all of them.
const READ_BACK: Allowance = Allowance::of(800_000, 512 << 20);

/// What was known at a record, where it differs from what is known now. What rows gave then is true for good: whatever is recorded only
/// adds to it.
#[derive(Clone, Debug)]
pub(crate) struct KnownThen {
    known_at: Lsn,
    /// The records since then are seen up to here.
    seen: Lsn,
    /// The last reading that rows were read in.
    read_at: Lsn,
    records_left: u64,
    allowance: Allowance,
    /// Persons and households that records since then changed.
    rows: BTreeMap<RowRef, Changed>,
    /// Those that were not read since they were changed last.
    unread: BTreeSet<RowRef>,
    /// What all of them gave then, less what they give now.
    changes: Arc<BTreeMap<Vec<u8>, i64>>,
}

/// A row that was changed since.
#[derive(Clone, Default, Debug)]
struct Changed {
    /// The last record that is known to change it.
    last: Lsn,
    /// What it gives now.
    gives: Vec<TotalKey>,
}

impl KnownThen {
    /// Nothing recorded since is seen yet.
    pub fn at(known_at: Lsn) -> Self {
        Self {
            known_at,
            seen: known_at,
            read_at: known_at,
            records_left: MAX_RECORDS_TAKEN_BACK,
            allowance: READ_BACK,
            rows: BTreeMap::new(),
            unread: BTreeSet::new(),
            changes: Arc::default(),
        }
    }

    /// Whether it is of that record, and of no later reading than at `last`.
    pub fn is_of(&self, known_at: Lsn, last: Lsn) -> bool {
        self.known_at == known_at && self.read_at <= last
    }

    /// Up to where records are seen.
    pub fn seen(&self) -> Lsn {
        self.seen
    }

    /// Sees what was recorded up to `last`, and some that is there already beyond it.
    pub fn follow(
        &mut self,
        source: &dyn LogSource,
        reference: &Reference,
        last: Lsn,
    ) -> Result<(), HistoryError> {
        let mut entries = Entries::within(source, self.allowance);
        let (mut seen, left) = (self.seen, self.records_left);
        follow(&mut seen, last, left, |lsn| {
            let mut left = self.records_left;
            let is_there = changes_by(source, lsn, &mut left, &mut |rows, _| {
                let counted = |row| matches!(row, RowRef::Person(_) | RowRef::Household(_));
                let mut counted = rows.iter().filter(|touch| counted(touch.row));
                counted.try_for_each(|touch| self.changed(lsn, *touch, reference, &mut entries))
            })?;
            self.records_left = left;
            Ok(is_there)
        })?;
        self.seen = seen;
        self.allowance = entries.left();
        Ok(())
    }

    /// A record changes a row. The first one since then says which one was the last before.
    fn changed(
        &mut self,
        lsn: Lsn,
        touch: RowTouch,
        reference: &Reference,
        entries: &mut Entries<'_>,
    ) -> Result<(), HistoryError> {
        let RowTouch { row, previous, .. } = touch;
        let is_full = self.rows.len() >= MAX_ROWS_TAKEN_BACK;
        match self.rows.entry(row) {
            Entry::Occupied(mut known) => known.get_mut().last = lsn,
            Entry::Vacant(_) if is_full => return Err(HistoryError::TooLong),
            Entry::Vacant(unknown) => {
                let records = records_until(row, previous, self.known_at, entries)?;
                let then = row_of(row, &records, Date(i32::MAX));
                count(Arc::make_mut(&mut self.changes), &given(row, then.as_ref(), reference), 1);
                unknown.insert(Changed { last: lsn, gives: Vec::new() });
            }
        }
        self.unread.insert(row);
        Ok(())
    }

    /// Reads what rows give now, a few in each reading, so that little is left for the one that is answered from: publishing waits for it.
    pub fn read_ahead(&mut self, view: &View, reference: &Reference) -> Result<(), StoreError> {
        let unread: Vec<RowRef> = self.unread.iter().copied().collect();
        unread.chunks(ROWS_A_READING).try_for_each(|some| self.read(&view.read(), some, reference))
    }

    /// How totals differ from those of a reading that shows nothing which is not seen.
    pub fn beside(&mut self, reading: &Reading<'_>, reference: &Reference) -> Result<TotalsThen, StoreError> {
        if reading.lsn() > self.seen {
            return Err(StoreError::Misuse(format!("lsn {} is not seen yet", reading.lsn())));
        }
        let unread: Vec<RowRef> = self.unread.iter().copied().collect();
        self.read(reading, &unread, reference)?;
        let changes = Arc::clone(&self.changes);
        Ok(TotalsThen { lsn: self.known_at, day: reference.day_of(self.known_at), changes })
    }

    fn read(
        &mut self,
        reading: &Reading<'_>,
        rows: &[RowRef],
        reference: &Reference,
    ) -> Result<(), StoreError> {
        let changes = Arc::make_mut(&mut self.changes);
        self.read_at = self.read_at.max(reading.lsn());
        for row in rows {
            let Some(changed) = self.rows.get_mut(row) else { continue };
            let gives = given(*row, reading.row(*row)?.as_ref(), reference);
            count(changes, &changed.gives, 1);
            count(changes, &gives, -1);
            changed.gives = gives;
            // The view may be behind what is seen of the log.
            if changed.last <= reading.lsn() {
                self.unread.remove(row);
            }
        }
        Ok(())
    }
}

/// The totals that count a row.
fn given(row: RowRef, value: Option<&Row>, reference: &Reference) -> Vec<TotalKey> {
    value.map_or_else(Vec::new, |value| Derived::of(row, value, Parts::COUNTED, reference).totals)
}

fn count(changes: &mut BTreeMap<Vec<u8>, i64>, keys: &[TotalKey], by: i64) {
    for key in keys {
        match changes.get_mut(key.as_bytes()) {
            Some(change) => *change += by,
            None => drop(changes.insert(key.as_bytes().to_vec(), by)),
        }
    }
}

/// How totals differed from those of one reading.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TotalsThen {
    pub lsn: Lsn,
    /// The registry's day.
    pub day: Date,
    changes: Arc<BTreeMap<Vec<u8>, i64>>,
}

impl TotalsThen {
    /// Totals of a range that were others then, in order.
    pub fn within<'a>(&'a self, range: &'a KeyRange) -> impl Iterator<Item = (&'a [u8], i64)> {
        let bound = |bound: &'a Bound<Vec<u8>>| bound.as_ref().map(Vec::as_slice);
        let found = self.changes.range::<[u8], _>((bound(&range.from), bound(&range.to)));
        found.map(|(key, change)| (key.as_slice(), *change))
    }
}
