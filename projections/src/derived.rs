//! Indexes and totals, derived from *(row before, row after)* and from nothing else, so that corrections need no
//! special case.
//!
//! *Architecture invariant:* whatever an index or a total says follows from the rows alone: the sum of
//! [`Derived::of`] with names over all rows is all that these tables hold (R2, R6).

use crate::layout::{
    BY_CMND, BY_NAME, BY_PIN, BY_WORD, HOUSEHOLDS_BY_UNIT, RESIDENTS, ResidenceKind, TOTALS, Total, TotalKey,
    UNITS_BY_CODE, UNITS_BY_PARENT, birth_key, code_prefix, household_key, name_key, pair_key, pin_key,
    resident_key, total_key,
};
use crate::names::{spellings, whole_name};
use crate::rows::{HouseholdRow, PersonRow, Row, UnitRow};
use event_schemas::document::IdentityDocument;
use event_schemas::ids::{HouseholdId, PersonId, UnitId};
use event_schemas::person::Sex;
use event_schemas::row::RowRef;
use state_store::engine::TableId;
use state_store::store::StoreError;
use state_store::tables::Batch;
use std::collections::BTreeMap;

/// One key of one index, and its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct IndexEntry {
    table: TableId,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// What one row gives to indexes and totals.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Derived {
    /// A handful: few enough to be searched one by one.
    pub entries: Vec<IndexEntry>,
    /// Each key counts one.
    pub totals: Vec<TotalKey>,
}

impl Derived {
    /// Of a row as it stands. Names are costly to derive; `with_names` is false where a record leaves them as they are, for the row
    /// before and after it alike.
    pub fn of(row: RowRef, value: &Row, with_names: bool) -> Self {
        let mut derived = Self::default();
        match (row, value) {
            (RowRef::Person(id), Row::Person(person)) => {
                derived.person(id, person);
                if with_names {
                    derived.names(id, person);
                }
            }
            (RowRef::Household(id), Row::Household(household)) => derived.household(id, household),
            (RowRef::Unit(id), Row::Unit(unit)) => derived.unit(id, unit),
            _ => {}
        }
        derived
    }

    fn person(&mut self, id: PersonId, person: &PersonRow) {
        if person.registration.is_none() {
            return;
        }
        for (place, entry) in person.pins.iter().enumerate() {
            let in_force = place + 1 == person.pins.len();
            let mut value = id.0.to_be_bytes().to_vec();
            value.push(u8::from(in_force));
            self.entry(BY_PIN, &pin_key(entry.pin), value);
        }
        for number in person.documents.iter().filter_map(IdentityDocument::cmnd_number) {
            self.entry(BY_CMND, &pair_key(number, id.0), Vec::new());
        }
        let sex = person.identity.as_ref().map_or(Sex::Unknown, |identity| identity.sex);
        if person.death.is_some() {
            self.totals.push(total_key(UnitId::NONE, Total::Dead, sex));
            return;
        }
        let permanent = person.permanent_unit();
        self.totals.push(total_key(permanent.unwrap_or(UnitId::NONE), Total::Permanent, sex));
        self.by_birth(person, sex);
        if let Some(unit) = permanent {
            self.entry(RESIDENTS, &resident_key(ResidenceKind::Permanent, unit, id), Vec::new());
        }
        if let Some(unit) = person.temporary_unit() {
            self.totals.push(total_key(unit, Total::Temporary, sex));
            self.entry(RESIDENTS, &resident_key(ResidenceKind::Temporary, unit, id), Vec::new());
        }
    }

    /// Where a living person is counted, once at home and once where he stays: every definition of a population is a sum of
    /// these.
    fn by_birth(&mut self, person: &PersonRow, sex: Sex) {
        let Some(birth) = person.identity.as_ref().map(|identity| identity.birth) else { return };
        let (permanent, temporary) = (person.permanent_unit(), person.temporary_unit());
        if let Some(unit) = temporary {
            self.totals.push(birth_key(unit, Total::Staying, sex, birth));
        }
        let at_home = if temporary.is_some() { Total::Away } else { Total::AtHome };
        if permanent.is_some() || temporary.is_none() {
            self.totals.push(birth_key(permanent.unwrap_or(UnitId::NONE), at_home, sex, birth));
        }
    }

    /// Names now and before, by each word and as a whole.
    fn names(&mut self, id: PersonId, person: &PersonRow) {
        let Some(identity) = person.identity.as_ref().filter(|_| person.registration.is_some()) else {
            return;
        };
        let birth = identity.birth.earliest();
        let names =
            std::iter::once(&identity.names).chain(person.former_names.iter().map(|former| &former.names));
        for words in names.flat_map(spellings) {
            for word in &words {
                self.entry(BY_WORD, &name_key(word.folded(), birth, id), Vec::new());
            }
            if words.len() > 1 {
                self.entry(BY_NAME, &name_key(&whole_name(&words), birth, id), Vec::new());
            }
        }
    }

    fn household(&mut self, id: HouseholdId, household: &HouseholdRow) {
        if household.formed.is_none() || household.ended.is_some() {
            return;
        }
        let unit = household.unit();
        self.totals.push(total_key(unit.unwrap_or(UnitId::NONE), Total::Households, Sex::Unknown));
        if let Some(unit) = unit {
            self.entry(HOUSEHOLDS_BY_UNIT, &household_key(unit, id), Vec::new());
        }
    }

    fn unit(&mut self, id: UnitId, unit: &UnitRow) {
        let Some(established) = &unit.established else {
            return;
        };
        let mut key = code_prefix(established.code);
        key.extend_from_slice(&id.0.to_be_bytes());
        self.entry(UNITS_BY_CODE, &key, Vec::new());
        let parent = established.parent.unwrap_or(UnitId::NONE);
        self.entry(UNITS_BY_PARENT, &pair_key(parent.0, id.0), Vec::new());
    }

    fn entry(&mut self, table: TableId, key: &[u8], value: Vec<u8>) {
        let entry = IndexEntry { table, key: key.to_vec(), value };
        // A row may give a key twice, such as the same old card stated twice.
        match self.entries.iter_mut().find(|known| known.is_at(&entry)) {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
    }
}

impl IndexEntry {
    fn is_at(&self, other: &Self) -> bool {
        self.table == other.table && self.key == other.key
    }
}

/// Changes of totals, gathered over the rows of a batch.
#[derive(Default)]
pub(crate) struct TotalChanges(BTreeMap<TotalKey, i64>);

impl TotalChanges {
    /// Brings the indexes from what the row before gave to what the row after gives, and notes the totals.
    pub fn change(
        &mut self,
        batch: &mut Batch<'_>,
        before: &Derived,
        after: &Derived,
    ) -> Result<(), StoreError> {
        for entry in &before.entries {
            if !after.entries.iter().any(|kept| kept.is_at(entry)) {
                batch.delete(entry.table, &entry.key)?;
            }
        }
        for entry in &after.entries {
            if !before.entries.contains(entry) {
                batch.put(entry.table, &entry.key, entry.value.clone())?;
            }
        }
        if before.totals == after.totals {
            return Ok(());
        }
        for key in &before.totals {
            *self.0.entry(*key).or_default() -= 1;
        }
        for key in &after.totals {
            *self.0.entry(*key).or_default() += 1;
        }
        Ok(())
    }

    /// Writes what was noted. A total of zero has no entry. `Err(key)`: a total would fall below zero.
    pub fn write(self, batch: &mut Batch<'_>) -> Result<Result<(), TotalKey>, StoreError> {
        for (key, change) in self.0 {
            if change == 0 {
                continue;
            }
            let before = batch.get(TOTALS, &key)?.map_or(0, |bytes| count_of(&bytes));
            match before.checked_add_signed(change) {
                Some(0) => batch.delete(TOTALS, &key)?,
                Some(after) => batch.put(TOTALS, &key, after.to_be_bytes().to_vec())?,
                None => return Ok(Err(key)),
            }
        }
        Ok(Ok(()))
    }
}

/// A stored count.
pub(crate) fn count_of(bytes: &[u8]) -> u64 {
    bytes.first_chunk().copied().map_or(0, u64::from_be_bytes)
}
