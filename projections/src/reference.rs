//! What every row is counted against and no row holds: on which day of the registry a record was made, and below which units a
//! unit lies as it was established. Both only grow, and neither ever changes what it said of a record or a unit.

use crate::layout::{DAYS, UNITS};
use crate::rows::UnitRow;
use crate::totals::NATION;
use crate::view::{MAX_LEVELS, Reading};
use event_schemas::ids::{Lsn, UnitId};
use event_schemas::time::Date;
use smallvec::SmallVec;
use state_store::engine::{KeyRange, Order};
use state_store::pages::decode_row;
use state_store::store::StoreError;
use state_store::tables::MAX_SCAN_ENTRIES;

/// Days by their first records, and units by what they were established below.
#[derive(Clone, Default, Debug)]
pub(crate) struct Reference {
    /// The first lsn of each opened day, in order.
    days: Vec<(Lsn, Date)>,
    /// By the unit's number, which is dense; [`UnitId::NONE`] above what lies below nothing, or is not known.
    parents: Vec<UnitId>,
}

impl Reference {
    /// As a view was saved with.
    pub fn load(reading: &Reading<'_>) -> Result<Self, StoreError> {
        let mut reference = Self::default();
        let snapshot = reading.snapshot();
        let mut range = KeyRange::all();
        loop {
            let found = snapshot.scan(DAYS, &range, Order::Ascending, MAX_SCAN_ENTRIES)?;
            for (key, value) in &found.entries {
                if let (Some(lsn), Some(day)) = (key.first_chunk(), value.first_chunk()) {
                    let day = Date(i32::from_be_bytes(*day));
                    reference.open_day(Lsn(u64::from_be_bytes(*lsn)), day);
                }
            }
            match found.entries.last().filter(|_| found.more) {
                Some((last, _)) => range = range.beyond(last, Order::Ascending),
                None => break,
            }
        }
        let mut next = 0;
        loop {
            let rows = snapshot.scan_rows(UNITS, next, MAX_SCAN_ENTRIES)?;
            for (id, bytes) in &rows {
                let row = decode_row::<UnitRow>(bytes)
                    .map_err(|error| StoreError::Damaged(format!("unit {id}: {error}")))?;
                reference.establish(UnitId(*id), &row);
            }
            match rows.last().and_then(|(last, _)| last.checked_add(1)) {
                Some(beyond) => next = beyond,
                None => return Ok(reference),
            }
        }
    }

    /// From this record on it is that day.
    pub fn open_day(&mut self, lsn: Lsn, day: Date) {
        if self.days.last().is_none_or(|(last, _)| *last < lsn) {
            self.days.push((lsn, day));
        }
    }

    /// Notes what a unit lies below.
    pub fn establish(&mut self, unit: UnitId, row: &UnitRow) {
        if let Some(established) = &row.established {
            let place = unit.0 as usize;
            if self.parents.len() <= place {
                self.parents.resize(place + 1, UnitId::NONE);
            }
            self.parents[place] = established.parent.unwrap_or(UnitId::NONE);
        }
    }

    /// The registry's day when this record was made.
    pub fn day_of(&self, lsn: Lsn) -> Date {
        let after = self.days.partition_point(|(first, _)| *first <= lsn);
        after.checked_sub(1).map_or(Date(0), |place| self.days[place].1)
    }

    /// The unit itself and every unit that it was established below, the smallest first. Units that nobody established lie
    /// below nothing.
    pub fn with_ancestors(&self, unit: UnitId) -> impl Iterator<Item = UnitId> {
        let above = |unit: &UnitId| {
            self.parents.get(unit.0 as usize).copied().filter(|parent| *parent != UnitId::NONE)
        };
        std::iter::successors(Some(unit), above).take(MAX_LEVELS)
    }

    /// Everything that counts what is counted in a unit: the unit, all above it, and the nation.
    pub fn rolled_up(&self, unit: UnitId) -> impl Iterator<Item = UnitId> {
        self.with_ancestors(unit).chain([NATION])
    }

    /// The unit and all above it, each with the other unit's of the same level; up to where both lie in one. With no other unit,
    /// all above.
    pub fn levels(&self, unit: UnitId, other: UnitId) -> impl Iterator<Item = (UnitId, UnitId)> {
        let down = |unit: UnitId| {
            let mut levels: SmallVec<[UnitId; 4]> = self.with_ancestors(unit).collect();
            levels.reverse();
            levels
        };
        let (units, others) = (down(unit), down(other));
        let beside = move |level: usize| others.get(level).copied().unwrap_or(other);
        let pairs = units.into_iter().enumerate().map(move |(level, unit)| (unit, beside(level)));
        pairs.filter(|(unit, other)| unit != other)
    }
}
