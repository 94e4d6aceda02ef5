//! Totals by what was known at an earlier record: what later records changed is taken back.
//!
//! A total is the sum of what rows give to it. So it stood then as it stands now, less what the rows that were changed since give now,
//! plus what they gave then. Which rows these are stands in the records since; how they stood is read back through the log. That is for
//! the lately past: what lies further back is a view of its own (`dancu replay`).

use crate::as_of::row_of;
use crate::derived::{Derived, Parts};
use crate::reference::Reference;
use crate::totals::TotalKey;
use crate::view::Reading;
use crate::walk::{Allowance, Entries, HistoryError, changes_by, records_until};
use event_log::LogSource;
use event_schemas::ids::Lsn;
use event_schemas::row::{RowRef, RowTouch};
use event_schemas::time::Date;
use state_store::engine::KeyRange;
use state_store::store::StoreError;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

/// Most records since then, with the parts of operations that they commit (O1).
pub const MAX_RECORDS_TAKEN_BACK: u64 = 100_000;
/// Most persons and households that were changed since (O1): reading back how one of them stood takes some tenths of a millisecond.
pub const MAX_ROWS_TAKEN_BACK: usize = 20_000;
/// Most that is read back for all of them.
const READ_BACK: Allowance = Allowance::of(40 * MAX_ROWS_TAKEN_BACK, 512 << 20);

/// What was known at a record, where it differs from what is known now. It is true for good: whatever is recorded only adds to it.
#[derive(Clone, Debug)]
pub(crate) struct KnownThen {
    known_at: Lsn,
    /// The records since then are seen up to here.
    seen: Lsn,
    records_left: u64,
    allowance: Allowance,
    /// What persons and households gave to totals then, if a record since then changed them.
    gave: BTreeMap<RowRef, Vec<TotalKey>>,
}

impl KnownThen {
    /// Nothing recorded since is seen yet.
    pub fn at(known_at: Lsn) -> Self {
        let (records_left, allowance) = (MAX_RECORDS_TAKEN_BACK, READ_BACK);
        Self { known_at, seen: known_at, records_left, allowance, gave: BTreeMap::new() }
    }

    /// Whether it is of that record, and of no later one than `last`.
    pub fn is_of(&self, known_at: Lsn, last: Lsn) -> bool {
        self.known_at == known_at && self.seen <= last
    }

    /// Sees what was recorded up to `last`.
    pub fn follow(
        &mut self,
        source: &dyn LogSource,
        reference: &Reference,
        last: Lsn,
    ) -> Result<(), HistoryError> {
        if last.0.saturating_sub(self.seen.0) > self.records_left {
            return Err(HistoryError::TooLong);
        }
        let Self { known_at, seen, records_left, allowance, gave } = self;
        let mut entries = Entries::within(source, *allowance);
        while *seen < last {
            let lsn = seen.next();
            changes_by(source, lsn, records_left, &mut |rows, _| {
                let counted =
                    rows.iter().filter(|touch| matches!(touch.row, RowRef::Person(_) | RowRef::Household(_)));
                for &RowTouch { row, previous, .. } in counted {
                    if gave.len() >= MAX_ROWS_TAKEN_BACK {
                        return Err(HistoryError::TooLong);
                    }
                    let Entry::Vacant(unseen) = gave.entry(row) else { continue };
                    let records = records_until(row, previous, *known_at, &mut entries)?;
                    let then = row_of(row, &records, Date(i32::MAX));
                    unseen.insert(then.map_or_else(Vec::new, |then| {
                        Derived::of(row, &then, Parts::COUNTED, reference).totals
                    }));
                }
                Ok(())
            })?;
            *seen = lsn;
            *allowance = entries.left();
        }
        Ok(())
    }

    /// How totals differ from those of a reading, whose last record is seen.
    pub fn beside(&self, reading: &Reading<'_>, reference: &Reference) -> Result<TotalsThen, StoreError> {
        if reading.lsn() != self.seen {
            return Err(StoreError::Misuse(format!(
                "records are seen up to lsn {}, not {}",
                self.seen,
                reading.lsn()
            )));
        }
        let mut changes: BTreeMap<TotalKey, i64> = BTreeMap::new();
        for (row, gave) in &self.gave {
            let now = reading.row(*row)?;
            let gives =
                now.map_or_else(Vec::new, |now| Derived::of(*row, &now, Parts::COUNTED, reference).totals);
            gives.into_iter().for_each(|key| *changes.entry(key).or_default() -= 1);
            gave.iter().for_each(|key| *changes.entry(*key).or_default() += 1);
        }
        changes.retain(|_, change| *change != 0);
        let changes = changes.into_iter().map(|(key, change)| (key.as_bytes().to_vec(), change)).collect();
        Ok(TotalsThen { lsn: self.known_at, day: reference.day_of(self.known_at), changes })
    }
}

/// How totals differed from those of one reading.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TotalsThen {
    pub lsn: Lsn,
    /// The registry's day.
    pub day: Date,
    changes: BTreeMap<Vec<u8>, i64>,
}

impl TotalsThen {
    /// Totals of a range that were others then, in order.
    pub fn within<'a>(&'a self, range: &'a KeyRange) -> impl Iterator<Item = (&'a [u8], i64)> {
        let bound = |bound: &'a Bound<Vec<u8>>| bound.as_ref().map(Vec::as_slice);
        let found = self.changes.range::<[u8], _>((bound(&range.from), bound(&range.to)));
        found.map(|(key, change)| (key.as_slice(), *change))
    }
}
