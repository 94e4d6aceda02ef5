//! What can be asked about operations larger than one record, cells of PINs, and notices of PINs that are due.

use crate::derived::count_of;
use crate::layout::{LEFT_OUT, OPERATIONS, PIN_CELLS, PIN_NOTICES, pair_key, second_of};
use crate::rows::OperationRow;
use crate::staged::{CellUse, cell_of};
use crate::view::{Listing, Reading};
use event_schemas::ids::{OperationId, PersonId, UnitId};
use event_schemas::operation::LeftOutReason;
use event_schemas::pin::PinCell;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state_store::engine::{KeyRange, Order};
use state_store::pages::decode_row;
use state_store::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};

/// Free numbers of a cell below which it is nearly full: about what a large province needs in a year.
pub const NEARLY_FULL_BELOW: u64 = 100_000;
/// Uses of a cell: given, reserved.
const USES: usize = 2;

/// How far the numbers of one place, sex and year of birth are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CellUsage {
    /// Three digits: the province of birth registration.
    pub place: u16,
    /// Century of birth and sex, the fourth digit.
    pub century_sex: u8,
    pub birth_year: i16,
    /// Numbers that somebody has or had.
    pub given: u64,
    /// Numbers that operations staged and have not given; those of abandoned ones are never given.
    pub reserved: u64,
    pub free: u64,
    /// The rest may not last for a year of a large province.
    pub nearly_full: bool,
}

impl CellUsage {
    fn of(cell: PinCell, given: u64, reserved: u64) -> Self {
        let free = u64::from(PinCell::CAPACITY).saturating_sub(given + reserved);
        Self {
            place: cell.place,
            century_sex: cell.century_sex,
            birth_year: 1900 + i16::from(cell.century_sex / 2) * 100 + i16::from(cell.year),
            given,
            reserved,
            free,
            nearly_full: free < NEARLY_FULL_BELOW,
        }
    }
}

impl Reading<'_> {
    /// Operations in the order of their ids, beyond `after`.
    pub fn operations(
        &self,
        after: OperationId,
        limit: usize,
    ) -> Result<Listing<(OperationId, OperationRow)>, StoreError> {
        let found = self.snapshot().scan_rows(OPERATIONS, after.0 + 1, limit + 1)?;
        let more = found.len() > limit;
        let decode = |(id, bytes): (u32, Vec<u8>)| match decode_row::<OperationRow>(&bytes) {
            Ok(row) => Ok((OperationId(id), row)),
            Err(error) => Err(StoreError::Damaged(format!("operation {id}: {error}"))),
        };
        let items = found.into_iter().take(limit).map(decode).collect::<Result<_, _>>()?;
        Ok(Listing { items, more })
    }

    /// Persons whom an operation left out, in the order of their ids, beyond `after`.
    pub fn left_out(
        &self,
        operation: OperationId,
        after: PersonId,
        limit: usize,
    ) -> Result<Listing<(PersonId, LeftOutReason)>, StoreError> {
        let range = KeyRange::prefix(&operation.0.to_be_bytes());
        let range = range.beyond(&pair_key(operation.0, after.0), Order::Ascending);
        let found = self.snapshot().scan(LEFT_OUT, &range, Order::Ascending, limit)?;
        let items = found.entries.iter().filter_map(|(key, value)| {
            let reason = LeftOutReason::ALL.get(usize::from(*value.first()?))?;
            Some((second_of(key).map(PersonId)?, *reason))
        });
        Ok(Listing { items: items.collect(), more: found.more })
    }

    /// Cells that have numbers in use, in the order of place, century and sex, year; of one place if stated.
    pub fn pin_cells(
        &self,
        place: Option<u16>,
        after: Option<PinCell>,
        limit: usize,
    ) -> Result<Listing<CellUsage>, StoreError> {
        let first = |place: u16| u32::from(place) * 1_000;
        let mut range = match place {
            Some(place) => KeyRange {
                from: std::ops::Bound::Included(first(place).to_be_bytes().to_vec()),
                to: std::ops::Bound::Excluded(first(place + 1).to_be_bytes().to_vec()),
            },
            None => KeyRange::all(),
        };
        if let Some(after) = after {
            let last = crate::staged::cell_key(after.packed(), CellUse::Reserved);
            range = range.beyond(&last, Order::Ascending);
        }
        let found = self.snapshot().scan(PIN_CELLS, &range, Order::Ascending, (limit + 1) * USES)?;
        let mut cells: BTreeMap<PinCell, (u64, u64)> = BTreeMap::new();
        for (key, value) in &found.entries {
            let Some((cell, is_given)) = cell_of(key) else { continue };
            let counts = cells.entry(cell).or_default();
            if is_given {
                counts.0 = count_of(value);
            } else {
                counts.1 = count_of(value);
            }
        }
        let more = cells.len() > limit;
        let usage = cells.into_iter().take(limit);
        let items = usage.map(|(cell, (given, reserved))| CellUsage::of(cell, given, reserved)).collect();
        Ok(Listing { items, more })
    }

    /// Living residents of these units to whom a written notice of their PIN is due, by unit and then by person, beyond `after`.
    pub fn notices_due(
        &self,
        units: &BTreeSet<UnitId>,
        after: (UnitId, PersonId),
        limit: usize,
    ) -> Result<Listing<(UnitId, PersonId)>, StoreError> {
        let mut items = Vec::new();
        for unit in units.range(after.0..) {
            let mut range = KeyRange::prefix(&unit.0.to_be_bytes());
            if *unit == after.0 {
                range = range.beyond(&pair_key(unit.0, after.1.0), Order::Ascending);
            }
            let found =
                self.snapshot().scan(PIN_NOTICES, &range, Order::Ascending, limit + 1 - items.len())?;
            let persons = found.entries.iter().filter_map(|(key, _)| second_of(key).map(PersonId));
            items.extend(persons.map(|person| (*unit, person)));
            if items.len() > limit {
                items.truncate(limit);
                return Ok(Listing { items, more: true });
            }
        }
        Ok(Listing { items, more: false })
    }
}
