//! A view: its tables, and readings of one lsn.

use crate::apply::{decode_row, found_row};
use crate::derived::count_of;
use crate::known_then::TotalsThen;
use crate::layout::{
    BY_CMND, BY_PIN, FACT_DAY, FACT_ENTRIES, FACT_UNITS, FACTS, FOLD_REVISION, HOUSEHOLDS_BY_UNIT, RESIDENTS,
    ResidenceKind, TABLES, TOTALS, UNITS_BY_CODE, UNITS_BY_PARENT, code_prefix, household_key, pin_key,
    resident_key, residents_prefix, row_place, second_of,
};
use crate::rows::{
    CardRow, DossierRow, DwellingRow, HouseholdRow, OfficeRow, OperationRow, PersonRow, Row, Stamp, UnitRow,
    each_reader,
};
use crate::totals::{Total, all_of, sex_of};
use event_schemas::format;
use event_schemas::header::EntryKind;
use event_schemas::ids::{
    CardId, DossierId, DwellingId, HouseholdId, InstanceId, LogId, Lsn, OfficeId, OperationId, PersonId,
    UnitId,
};
use event_schemas::person::Sex;
use event_schemas::pin::Pin;
use event_schemas::place::UnitCode;
use event_schemas::row::RowRef;
use event_schemas::time::Date;
use state_store::engine::{KeyRange, Order, TableId};
use state_store::home::Home;
use state_store::restart::{RestartPoint, StoreIdentity};
use state_store::store::{DiscardReason, Store, StoreError};
use state_store::tables::{MAX_SCAN_ENTRIES, Snapshot, Tables};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Most levels of units: more than there are.
pub(crate) const MAX_LEVELS: usize = 4;
/// Most units that one rolled-up count visits: more than the nation has.
pub(crate) const MAX_UNITS_VISITED: usize = 20_000;

/// Rows, indexes and totals of one fold of the log.
pub struct View {
    // Dropped before the directory is removed.
    tables: Tables,
    log_id: LogId,
    directory: Option<Directory>,
}

/// A view's own directory; removed with the view once another has taken its place.
struct Directory {
    path: PathBuf,
    remove: AtomicBool,
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !self.remove.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, "the directory of a replaced view is left behind");
        }
    }
}

/// How many, by sex.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CountBySex {
    pub unknown: u64,
    pub male: u64,
    pub female: u64,
}

impl CountBySex {
    /// All together.
    pub fn all(self) -> u64 {
        self.unknown + self.male + self.female
    }

    pub(crate) fn count(&mut self, sex: Sex, count: u64) {
        match sex {
            Sex::Male => self.male += count,
            Sex::Female => self.female += count,
            Sex::Unknown => self.unknown += count,
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.unknown += other.unknown;
        self.male += other.male;
        self.female += other.female;
    }
}

/// What is counted in one unit, or rolled up over the units below it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct UnitCounts {
    /// Living persons by permanent residence.
    pub permanent: CountBySex,
    /// Living persons by temporary residence.
    pub temporary: CountBySex,
    /// Households that have not ended.
    pub households: u64,
}

impl UnitCounts {
    fn add(&mut self, other: Self) {
        self.permanent.add(other.permanent);
        self.temporary.add(other.temporary);
        self.households += other.households;
    }
}

impl View {
    /// Opens the view kept in `home`. What cannot be used whole is discarded, and the reason returned (S3).
    pub fn open(
        home: Box<dyn Home>,
        log_id: LogId,
        instance: InstanceId,
    ) -> Result<(Self, Option<DiscardReason>), StoreError> {
        let identity =
            StoreIdentity { log_id, instance, formats: 0..=format::NEWEST, fold_revision: FOLD_REVISION };
        let opened = Store::open(home, &identity)?;
        let tables = Tables::open(opened.store, TABLES)?;
        Ok((Self { tables, log_id, directory: None }, opened.discarded))
    }

    /// Throws away everything folded so far and starts empty.
    pub fn discard(self, reason: DiscardReason) -> Result<Self, StoreError> {
        let Self { tables, log_id, directory } = self;
        let opened = tables.into_store().discard(reason)?;
        Ok(Self { tables: Tables::open(opened.store, TABLES)?, log_id, directory })
    }

    /// Fills the empty store beneath, from outside the tables.
    pub(crate) fn refilled<E: From<StoreError>>(
        self,
        fill: impl FnOnce(&Store) -> Result<(), E>,
    ) -> Result<Self, E> {
        let Self { tables, log_id, directory } = self;
        let store = tables.into_store();
        fill(&store)?;
        Ok(Self { tables: Tables::open(store, TABLES)?, log_id, directory })
    }

    pub(crate) fn in_directory(mut self, path: PathBuf) -> Self {
        self.directory = Some(Directory { path, remove: AtomicBool::new(false) });
        self
    }

    /// The directory goes when the last reader lets go of the view.
    pub(crate) fn remove_when_unused(&self) {
        if let Some(directory) = &self.directory {
            directory.remove.store(true, Ordering::Release);
        }
    }

    /// The view is the one in use now: its directory stays.
    pub(crate) fn keep(&self) {
        if let Some(directory) = &self.directory {
            directory.remove.store(false, Ordering::Release);
        }
    }

    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The log that was folded.
    pub fn log_id(&self) -> LogId {
        self.log_id
    }

    /// Where the saved rows stand; `None` while nothing was saved.
    pub fn restart_point(&self) -> Option<RestartPoint> {
        self.tables.store().restart_point()
    }

    /// Up to where the log is shown.
    pub fn lsn(&self) -> Lsn {
        self.tables.lsn()
    }

    /// A consistent reading of one lsn. Publishing waits while it lives: keep it for one answer.
    pub fn read(&self) -> Reading<'_> {
        Reading { snapshot: self.tables.snapshot(), log_id: self.log_id, then: None }
    }
}

/// A listing that may go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing<T> {
    pub items: Vec<T>,
    /// Whether there is more beyond the last item.
    pub more: bool,
}

/// A reading of one lsn.
pub struct Reading<'a> {
    snapshot: Snapshot<'a>,
    log_id: LogId,
    /// Totals, the lsn and the day are told by what was known then.
    then: Option<TotalsThen>,
}

macro_rules! row_readers {
    ($($(#[$doc:meta])* $name:ident($id:ident: $id_type:ty) -> $row:ty, $variant:ident, $present:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(&self, $id: $id_type) -> Result<Option<$row>, StoreError> {
            let (table, number) = row_place(RowRef::$variant($id));
            let row = self.snapshot.row::<$row>(table, number)?;
            Ok(row.filter(|row| row.$present.is_some()))
        }
    )*};
}

impl Reading<'_> {
    each_reader!(row_readers);

    pub(crate) fn snapshot(&self) -> &Snapshot<'_> {
        &self.snapshot
    }

    /// With totals by what was known at an earlier record. Rows and indexes stay those of now.
    pub(crate) fn with_totals_of(self, then: TotalsThen) -> Self {
        Self { then: Some(then), ..self }
    }

    /// Everything read here reflects exactly the log up to this lsn; if totals are those of then, only they and the day do.
    pub fn lsn(&self) -> Lsn {
        self.then.as_ref().map_or_else(|| self.snapshot.lsn(), |then| then.lsn)
    }

    /// The log that was folded.
    pub fn log_id(&self) -> LogId {
        self.log_id
    }

    /// A row of any kind.
    pub fn row(&self, row: RowRef) -> Result<Option<Row>, StoreError> {
        let (table, id) = row_place(row);
        found_row(row, self.snapshot.read_row(table, id, |bytes| decode_row(row, bytes))?)
    }

    /// Version and last record of a row of any kind; `None` if no record has named it.
    pub fn stamp(&self, row: RowRef) -> Result<Option<Stamp>, StoreError> {
        Ok(self.row(row)?.map(|row| row.stamp()))
    }

    /// The opened day; `None` in an empty log.
    pub fn day(&self) -> Result<Option<Date>, StoreError> {
        if let Some(then) = &self.then {
            return Ok(Some(then.day));
        }
        let saved = self.snapshot.get(FACTS, FACT_DAY)?;
        Ok(saved.and_then(|bytes| bytes.first_chunk().copied()).map(|bytes| Date(i32::from_be_bytes(bytes))))
    }

    /// Admitted entries of each kind.
    pub fn entries_by_kind(&self) -> Result<Vec<(EntryKind, u64)>, StoreError> {
        let saved = self.snapshot.get(FACTS, FACT_ENTRIES)?.unwrap_or_default();
        let count = |place: usize| saved.get(place * 8..).map_or(0, count_of);
        Ok(EntryKind::ALL.iter().enumerate().map(|(place, kind)| (*kind, count(place))).collect())
    }

    /// Who has or had this PIN, and whether it is in force.
    pub fn by_pin(&self, pin: Pin) -> Result<Option<(PersonId, bool)>, StoreError> {
        let found = self.snapshot.get(BY_PIN, &pin_key(pin))?;
        Ok(found.and_then(|value| {
            let (id, in_force) = value.split_first_chunk()?;
            Some((PersonId(u32::from_be_bytes(*id)), in_force == [1]))
        }))
    }

    /// Who holds or held an old identity card with this number: more than one only where a defect is noted.
    pub fn by_cmnd(&self, number: u32, limit: usize) -> Result<Vec<PersonId>, StoreError> {
        let range = KeyRange::prefix(&number.to_be_bytes());
        let found = self.snapshot.scan(BY_CMND, &range, Order::Ascending, limit)?;
        Ok(found.entries.iter().filter_map(|(key, _)| second_of(key).map(PersonId)).collect())
    }

    /// The version of a unit that its code names on `day`: the youngest that is valid, else the oldest to come.
    pub fn unit_by_code(&self, code: UnitCode, day: Date) -> Result<Option<UnitId>, StoreError> {
        let range = KeyRange::prefix(&code_prefix(code));
        let found = self.snapshot.scan(UNITS_BY_CODE, &range, Order::Ascending, 100)?;
        let mut best: Option<(bool, Date, UnitId)> = None;
        for (key, _) in &found.entries {
            let Some(id) = second_of(key).map(UnitId) else { continue };
            let Some(from) = self.unit(id)?.and_then(|unit| unit.valid_from) else { continue };
            let (valid, from) = (from.earliest() <= day, from.earliest());
            let better = best.is_none_or(|(best_valid, best_from, _)| match (valid, best_valid) {
                (true, true) => from >= best_from,
                (false, false) => from < best_from,
                (valid, _) => valid,
            });
            if better {
                best = Some((valid, from, id));
            }
        }
        Ok(best.map(|(_, _, id)| id))
    }

    /// Units whose codes differ from this one in the last digit only.
    pub fn units_with_codes_like(&self, code: UnitCode, limit: usize) -> Result<Vec<UnitId>, StoreError> {
        let digits = code.to_string();
        let range = KeyRange::prefix(&digits.as_bytes()[..digits.len() - 1]);
        let found = self.snapshot.scan(UNITS_BY_CODE, &range, Order::Ascending, limit * 4)?;
        let same_level = found.entries.iter().filter(|(key, _)| key.len() == digits.len() + 1 + 4);
        Ok(same_level.filter_map(|(key, _)| second_of(key).map(UnitId)).take(limit).collect())
    }

    /// Units directly below; `None` for the provinces.
    pub fn units_below(&self, parent: Option<UnitId>) -> Result<Vec<UnitId>, StoreError> {
        let parent = parent.unwrap_or(UnitId::NONE);
        let range = KeyRange::prefix(&parent.0.to_be_bytes());
        let found = self.snapshot.scan(UNITS_BY_PARENT, &range, Order::Ascending, MAX_UNITS_VISITED)?;
        Ok(found.entries.iter().filter_map(|(key, _)| second_of(key).map(UnitId)).collect())
    }

    /// Residents of exactly this unit, as registered, in the order of their ids, beyond `after`.
    pub fn residents(
        &self,
        unit: UnitId,
        kind: ResidenceKind,
        after: PersonId,
        limit: usize,
    ) -> Result<Listing<PersonId>, StoreError> {
        let range = KeyRange::prefix(&residents_prefix(kind, unit));
        let range = range.beyond(&resident_key(kind, unit, after), Order::Ascending);
        let found = self.snapshot.scan(RESIDENTS, &range, Order::Ascending, limit)?;
        let items = found.entries.iter().filter_map(|(key, _)| second_of(key).map(PersonId)).collect();
        Ok(Listing { items, more: found.more })
    }

    /// Households in exactly this unit, as registered, in the order of their ids, beyond `after`.
    pub fn households(
        &self,
        unit: UnitId,
        after: HouseholdId,
        limit: usize,
    ) -> Result<Listing<HouseholdId>, StoreError> {
        let range = KeyRange::prefix(&unit.0.to_be_bytes());
        let range = range.beyond(&household_key(unit, after), Order::Ascending);
        let found = self.snapshot.scan(HOUSEHOLDS_BY_UNIT, &range, Order::Ascending, limit)?;
        let items = found.entries.iter().filter_map(|(key, _)| second_of(key).map(HouseholdId)).collect();
        Ok(Listing { items, more: found.more })
    }

    /// Persons in a range of an index whose keys end with the person; `None` if there are more than `limit`.
    pub(crate) fn persons_in(
        &self,
        table: TableId,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Option<Vec<PersonId>>, StoreError> {
        let found = self.snapshot.scan(table, range, Order::Ascending, limit)?;
        let ids = found.entries.iter().filter_map(|(key, _)| second_of(key).map(PersonId));
        Ok(if found.more { None } else { Some(ids.collect()) })
    }

    /// The unit and every unit below it; `None` if these are more than `limit`.
    pub fn subtree(&self, unit: UnitId, limit: usize) -> Result<Option<BTreeSet<UnitId>>, StoreError> {
        let mut all = BTreeSet::from([unit]);
        let mut waiting = vec![unit];
        while let Some(next) = waiting.pop() {
            let below = self.units_below(Some(next))?;
            waiting.extend(below.into_iter().filter(|unit| all.insert(*unit)));
            if all.len() > limit {
                return Ok(None);
            }
        }
        Ok(Some(all))
    }

    /// Whether `unit` is this one or lies below it.
    pub fn is_within(&self, unit: UnitId, above: UnitId) -> Result<bool, StoreError> {
        let mut next = Some(unit);
        for _ in 0..MAX_LEVELS {
            let Some(unit) = next else { return Ok(false) };
            if unit == above {
                return Ok(true);
            }
            next = self.unit(unit)?.and_then(|unit| unit.established).and_then(|unit| unit.parent);
        }
        Ok(false)
    }

    /// Counts of exactly this unit; [`UnitId::NONE`] for everybody in no unit.
    pub fn counts(&self, unit: UnitId) -> Result<UnitCounts, StoreError> {
        let mut counts = UnitCounts {
            permanent: self.count_by_sex(unit, Total::Permanent)?,
            temporary: self.count_by_sex(unit, Total::Temporary)?,
            households: 0,
        };
        counts.households = self.count_by_sex(unit, Total::Households)?.all();
        Ok(counts)
    }

    /// Persons who died.
    pub fn dead(&self) -> Result<CountBySex, StoreError> {
        self.count_by_sex(UnitId::NONE, Total::Dead)
    }

    /// Counts of the unit and of all units below it.
    pub fn counts_below(&self, unit: UnitId) -> Result<UnitCounts, StoreError> {
        let mut sum = UnitCounts::default();
        let mut waiting = vec![unit];
        for _ in 0..MAX_UNITS_VISITED {
            let Some(next) = waiting.pop() else { break };
            sum.add(self.counts(next)?);
            waiting.extend(self.units_below(Some(next))?);
        }
        Ok(sum)
    }

    fn count_by_sex(&self, unit: UnitId, total: Total) -> Result<CountBySex, StoreError> {
        let mut counts = CountBySex::default();
        self.each_total(all_of(unit, total), |key, count| {
            counts.count(sex_of(key).unwrap_or_default(), count);
            true
        })?;
        Ok(counts)
    }

    /// Calls `visit` with every total of a range until it says no more; whether it never did.
    pub(crate) fn each_total(
        &self,
        range: KeyRange,
        mut visit: impl FnMut(&[u8], u64) -> bool,
    ) -> Result<bool, StoreError> {
        let mut changed = self.then.iter().flat_map(|then| then.within(&range)).peekable();
        let mut rest = range.clone();
        loop {
            let found = self.snapshot.scan(TOTALS, &rest, Order::Ascending, MAX_SCAN_ENTRIES)?;
            for (key, value) in &found.entries {
                while let Some((key, count)) = changed.next_if(|(changed, _)| changed < &key.as_slice()) {
                    if count > 0 && !visit(key, count.unsigned_abs()) {
                        return Ok(false);
                    }
                }
                let change = changed.next_if(|(changed, _)| changed == key).map_or(0, |(_, change)| change);
                let count = count_of(value).saturating_add_signed(change);
                if count > 0 && !visit(key, count) {
                    return Ok(false);
                }
            }
            match found.entries.last().filter(|_| found.more) {
                Some((last, _)) => rest = rest.beyond(last, Order::Ascending),
                None => break,
            }
        }
        Ok(changed.all(|(key, count)| count <= 0 || visit(key, count.unsigned_abs())))
    }

    /// Ids of rows of a table from `first` on, the first so many.
    pub(crate) fn ids_from(&self, table: TableId, first: u32) -> Result<Vec<u32>, StoreError> {
        let rows = self.snapshot.scan_rows(table, first, MAX_SCAN_ENTRIES)?;
        Ok(rows.into_iter().map(|(id, _)| id).collect())
    }

    /// Lsn of the last record that changed a unit.
    pub(crate) fn units_changed(&self) -> Result<Lsn, StoreError> {
        let saved = self.snapshot.get(FACTS, FACT_UNITS)?;
        Ok(Lsn(saved.map_or(0, |bytes| count_of(&bytes))))
    }
}
