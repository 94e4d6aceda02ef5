//! Indexes and totals, derived from *(row before, row after)* and from nothing else, so that corrections need no
//! special case.
//!
//! *Architecture invariant:* whatever an index or a total says follows from the rows alone: the sum of
//! [`Derived::of`], with all parts, over all rows is all that these tables hold (R2, R6).

use crate::changes::{Component, changes};
use crate::class::Class;
use crate::definition::Registered;
use crate::layout::{
    BY_CMND, BY_NAME, BY_PIN, BY_WORD, HOUSEHOLDS_BY_UNIT, PIN_NOTICES, RESIDENTS, ResidenceKind, TOTALS,
    UNITS_BY_CODE, UNITS_BY_PARENT, code_prefix, household_key, name_key, pair_key, pin_key, resident_key,
};
use crate::names::{spellings, whole_name};
use crate::reference::Reference;
use crate::rows::residence::is_usual;
use crate::rows::{HouseholdRow, PersonRow, Row, UnitRow};
use crate::target::Target;
use crate::totals::{Grain, NATION, NOWHERE, Total, TotalKey, Whereabouts};
use crate::vital::Happenings;
use event_schemas::document::IdentityDocument;
use event_schemas::household::Membership;
use event_schemas::ids::{HouseholdId, PersonId, UnitId};
use event_schemas::person::Sex;
use event_schemas::record::Changes;
use event_schemas::row::{Aspect, RowRef};
use hashbrown::HashMap;
use state_store::engine::TableId;
use state_store::store::StoreError;

/// One key of one index, and its value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct IndexEntry {
    pub table: TableId,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// What one row gives to indexes and totals.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Derived {
    /// A handful: few enough to be searched one by one.
    pub entries: Vec<IndexEntry>,
    /// Each key counts one.
    pub totals: Vec<TotalKey>,
}

/// Parts of what a person's row gives that are costly to derive. What a record leaves as it is, is left out of the row before and
/// after it alike.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Parts {
    /// Words of names, and the birth that they lie under.
    names: bool,
    /// Whoever is counted: by birth, residence, marriage, death.
    people: bool,
}

impl Parts {
    /// Neither names nor whoever is counted: as a number changes a row.
    pub const NONE: Self = Self { names: false, people: false };
    /// All that totals count.
    pub const COUNTED: Self = Self { names: false, people: true };
    /// Everything that a row gives.
    pub const ALL: Self = Self { names: true, people: true };

    /// What a record may change of a row.
    pub fn changed(changes: &Changes, row: RowRef) -> Self {
        let mut parts = Self::default();
        for restatement in changes.restatements.iter().filter(|it| it.stream.row == row) {
            parts.touch(restatement.stream.aspect);
        }
        for event in &changes.events {
            event.body.for_each_stream(|touched, aspect| {
                if touched == row {
                    parts.touch(aspect);
                }
            });
        }
        parts
    }

    fn touch(&mut self, aspect: Aspect) {
        match aspect {
            Aspect::Identity => (self.names, self.people) = (true, true),
            Aspect::Existence
            | Aspect::Life
            | Aspect::Marriage
            | Aspect::PermanentResidence
            | Aspect::TemporaryResidence => self.people = true,
            _ => {}
        }
    }
}

impl Derived {
    /// Of a row as it stands.
    pub fn of(row: RowRef, value: &Row, parts: Parts, reference: &Reference) -> Self {
        let mut derived = Self::default();
        match (row, value) {
            (RowRef::Person(id), Row::Person(person)) => {
                derived.person(id, person);
                if parts.people && person.registration.is_some() {
                    derived.people(id, person, reference);
                }
                if parts.names {
                    derived.names(id, person);
                }
            }
            (RowRef::Household(id), Row::Household(household)) => derived.household(id, household, reference),
            (RowRef::Unit(id), Row::Unit(unit)) => derived.unit(id, unit),
            _ => {}
        }
        derived
    }

    fn person(&mut self, id: PersonId, person: &PersonRow) {
        let is_registered = person.registration.is_some();
        // A number leads to its row for ever, whether or not there is such a person.
        for (place, entry) in person.pins.iter().enumerate() {
            let in_force = is_registered && place + 1 == person.pins.len() && entry.cancelled.is_none();
            let mut value = id.0.to_be_bytes().to_vec();
            value.push(u8::from(in_force));
            self.entry(BY_PIN, &pin_key(entry.pin), value);
        }
        if !is_registered {
            return;
        }
        for number in person.documents.iter().filter_map(IdentityDocument::cmnd_number) {
            self.entry(BY_CMND, &pair_key(number, id.0), Vec::new());
        }
        if person.notice_due().is_some() {
            let unit = person.permanent_unit().unwrap_or(UnitId::NONE);
            self.entry(PIN_NOTICES, &pair_key(unit.0, id.0), Vec::new());
        }
    }

    /// Where a person is and was counted.
    fn people(&mut self, id: PersonId, person: &PersonRow, reference: &Reference) {
        let class = Class::of(person);
        self.happened(id, person, class, reference);
        if person.death.is_some() {
            self.totals.push(TotalKey::by_sex(UnitId::NONE, Total::Dead, class.sex));
            return;
        }
        let (permanent, temporary) = (person.permanent_unit(), person.temporary_unit());
        let home = permanent.unwrap_or(UnitId::NONE);
        self.totals.push(TotalKey::by_sex(home, Total::Permanent, class.sex));
        if let Some(unit) = permanent {
            self.entry(RESIDENTS, &resident_key(ResidenceKind::Permanent, unit, id), Vec::new());
        }
        if let Some(unit) = temporary {
            self.totals.push(TotalKey::by_sex(unit, Total::Temporary, class.sex));
            self.entry(RESIDENTS, &resident_key(ResidenceKind::Temporary, unit, id), Vec::new());
        }
        let usually = temporary.is_some() && {
            let stays = person.stays();
            is_usual(&stays, stays.len() - 1)
        };
        let registered = Registered { home, stay: temporary.unwrap_or(UnitId::NONE), usually };
        for (unit, whereabouts) in registered.whereabouts().into_iter().flatten() {
            self.by_birth(unit, whereabouts, person, class, reference);
        }
    }

    /// A living person in one unit, and in all that it lies below.
    fn by_birth(
        &mut self,
        unit: UnitId,
        whereabouts: Whereabouts,
        person: &PersonRow,
        class: Class,
        reference: &Reference,
    ) {
        let Some(birth) = person.identity.as_ref().map(|identity| identity.birth) else { return };
        self.totals.push(TotalKey::by_birth(unit, (Grain::Births, whereabouts), birth, class));
        if unit == UnitId::NONE {
            return;
        }
        let mut province = unit;
        for above in reference.with_ancestors(unit) {
            self.totals.push(TotalKey::by_cohort(above, whereabouts, birth, class));
            province = above;
        }
        self.totals.push(TotalKey::by_cohort(NATION, whereabouts, birth, class));
        for above in [province, NATION] {
            self.totals.push(TotalKey::by_birth(above, (Grain::BirthsRolledUp, whereabouts), birth, class));
        }
    }

    /// What brought a person where he is counted, and what happened in his life.
    fn happened(&mut self, id: PersonId, person: &PersonRow, class: Class, reference: &Reference) {
        let class = class.at_any_time();
        for change in changes(person, reference) {
            let (month, component, counted) = (change.month, change.component as u8, change.counted);
            let is_move = matches!(change.component, Component::MovedIn | Component::MovedOut);
            for (unit, other) in reference.levels(change.unit, change.other) {
                self.totals.push(TotalKey::change(unit, month, component, counted, class));
                if is_move {
                    self.totals.push(TotalKey::moved(unit, month, component, other, counted, class));
                }
            }
            if !is_move {
                self.totals.push(TotalKey::change(NATION, month, component, counted, class));
            }
        }
        let happenings = Happenings::of(id, person, reference);
        for event in happenings.events {
            let what = event.what as u8;
            for unit in reference.rolled_up(event.unit) {
                self.totals.push(TotalKey::vital(unit, event.month, what, event.counted, class));
            }
        }
        for late in happenings.delays {
            let (what, delay) = (late.what as u8, late.delay as u8);
            for unit in reference.rolled_up(late.unit) {
                self.totals.push(TotalKey::delay(unit, late.month, what, delay));
            }
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

    fn household(&mut self, id: HouseholdId, household: &HouseholdRow, reference: &Reference) {
        if household.formed.is_none() || household.ended.is_some() {
            return;
        }
        let unit = household.unit();
        let place = unit.unwrap_or(UnitId::NONE);
        self.totals.push(TotalKey::by_sex(place, Total::Households, Sex::Unknown));
        let members = household.members.iter().filter(|member| member.membership == Membership::Permanent);
        let kind = household.formed.as_ref().map_or_else(Default::default, |formed| formed.kind);
        let members = u16::try_from(members.count()).unwrap_or(u16::MAX);
        for above in reference.rolled_up(unit.unwrap_or(NOWHERE)) {
            self.totals.push(TotalKey::household(above, kind, members));
        }
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
pub(crate) struct TotalChanges(HashMap<TotalKey, i64>);

impl TotalChanges {
    /// Brings the indexes from what the row before gave to what the row after gives, and notes the totals.
    pub fn change(
        &mut self,
        batch: &mut impl Target,
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
        // What was counted before and is counted still needs no entry; most of it stands at the same place.
        let (before, after) = apart(&before.totals, &after.totals);
        let mut gone = before.to_vec();
        for key in after {
            match gone.iter().position(|kept| kept == key) {
                Some(place) => drop(gone.swap_remove(place)),
                None => *self.0.entry(*key).or_default() += 1,
            }
        }
        for key in gone {
            *self.0.entry(key).or_default() -= 1;
        }
        Ok(())
    }

    /// Adds what was noted elsewhere.
    pub fn add(&mut self, other: Self) {
        other.0.into_iter().for_each(|(key, change)| *self.0.entry(key).or_default() += change);
    }

    /// Each total that is another, with its key and by how much, in no order.
    pub fn changed(&self) -> impl Iterator<Item = (&TotalKey, i64)> {
        self.0.iter().filter(|(_, change)| **change != 0).map(|(key, change)| (key, *change))
    }

    /// How the totals under these keys change together.
    pub fn sum(&self, is_wanted: &dyn Fn(&TotalKey) -> bool) -> i64 {
        self.0.iter().filter(|(key, _)| is_wanted(key)).map(|(_, change)| change).sum()
    }

    /// Writes what was noted. A total of zero has no entry. `Err(key)`: a total would fall below zero.
    pub fn write(self, batch: &mut impl Target) -> Result<Result<(), TotalKey>, StoreError> {
        let mut changed: Vec<_> = self.0.into_iter().filter(|(_, change)| *change != 0).collect();
        changed.sort_unstable();
        for (key, change) in changed {
            let before = batch.get(TOTALS, key.as_bytes())?.map_or(0, |bytes| count_of(&bytes));
            match before.checked_add_signed(change) {
                Some(0) => batch.delete(TOTALS, key.as_bytes())?,
                Some(after) => batch.put(TOTALS, key.as_bytes(), after.to_be_bytes().to_vec())?,
                None => return Ok(Err(key)),
            }
        }
        Ok(Ok(()))
    }
}

/// Two lists without what they begin and end with alike.
fn apart<'a>(mut one: &'a [TotalKey], mut other: &'a [TotalKey]) -> (&'a [TotalKey], &'a [TotalKey]) {
    while let ([first, left @ ..], [same, right @ ..]) = (one, other)
        && first == same
    {
        (one, other) = (left, right);
    }
    while let ([left @ .., last], [right @ .., same]) = (one, other)
        && last == same
    {
        (one, other) = (left, right);
    }
    (one, other)
}

/// A stored count.
pub(crate) fn count_of(bytes: &[u8]) -> u64 {
    bytes.first_chunk().copied().map_or(0, u64::from_be_bytes)
}
