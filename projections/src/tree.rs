//! Administrative units as they stand on a day. An address keeps the unit as registered; a code may have had several versions, each
//! below the parent that it was established below. Whoever asks by code asks for the units of one day, and what was registered in
//! another version of a code counts in the version of that day.

use crate::layout::UNITS;
use crate::view::{MAX_LEVELS, Reading};
use event_schemas::ids::UnitId;
use event_schemas::place::UnitCode;
use event_schemas::time::Date;
use state_store::store::StoreError;
use std::collections::{BTreeMap, BTreeSet};

/// Every version of every unit. [`UnitId::NONE`] stands for the nation.
#[derive(Default, Debug)]
pub struct Tree {
    versions: BTreeMap<UnitId, Version>,
    /// Versions as established below one another; [`UnitId::NONE`] has those below nothing.
    below: BTreeMap<UnitId, Vec<UnitId>>,
    /// In the order in which they came into force.
    by_code: BTreeMap<UnitCode, Vec<UnitId>>,
}

#[derive(Debug)]
struct Version {
    code: UnitCode,
    parent: UnitId,
    from: Date,
}

/// From where counts are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// The unit with everything established below it; [`UnitId::NONE`] for the nation.
    RolledUp(UnitId),
    /// The unit alone.
    Alone(UnitId),
}

impl Tree {
    /// Of all units that are known.
    pub fn load(reading: &Reading<'_>) -> Result<Self, StoreError> {
        let mut tree = Self::default();
        let mut next = Some(0);
        while let Some(first) = next {
            let ids = reading.ids_from(UNITS, first)?;
            next = ids.last().and_then(|last| last.checked_add(1));
            for id in ids.into_iter().map(UnitId) {
                let Some(row) = reading.unit(id)? else { continue };
                if let (Some(established), Some(from)) = (row.established, row.valid_from) {
                    let parent = established.parent.unwrap_or(UnitId::NONE);
                    let version = Version { code: established.code, parent, from: from.earliest() };
                    tree.add(id, version);
                }
            }
        }
        Ok(tree)
    }

    fn add(&mut self, unit: UnitId, version: Version) {
        self.below.entry(version.parent).or_default().push(unit);
        let from = version.from;
        let same_code = self.by_code.entry(version.code).or_default();
        let place = same_code.partition_point(|other| self.versions[other].from <= from);
        same_code.insert(place, unit);
        self.versions.insert(unit, version);
    }

    /// The version of a code that is in force on a day; before the first, the first. None if there is no such code.
    pub fn by_code(&self, code: UnitCode, day: Date) -> Option<UnitId> {
        let versions = self.by_code.get(&code)?;
        let begun = versions.partition_point(|version| self.versions[version].from <= day);
        versions.get(begun.saturating_sub(1)).copied()
    }

    /// Whether there is such a version.
    pub fn knows(&self, unit: UnitId) -> bool {
        self.versions.contains_key(&unit)
    }

    /// The version in whose place another one counts on a day: itself, or that of its code.
    fn on(&self, unit: UnitId, day: Date) -> UnitId {
        let version = self.versions.get(&unit).and_then(|version| self.by_code(version.code, day));
        version.unwrap_or(unit)
    }

    /// The unit above another one on a day; [`UnitId::NONE`] above the provinces.
    pub fn parent_on(&self, unit: UnitId, day: Date) -> UnitId {
        let parent = self.versions.get(&unit).map_or(UnitId::NONE, |version| version.parent);
        if parent == UnitId::NONE { parent } else { self.on(parent, day) }
    }

    /// The unit itself and all above it on a day, the smallest first, without the nation.
    pub fn with_ancestors_on(&self, unit: UnitId, day: Date) -> Vec<UnitId> {
        let above = |unit: &UnitId| Some(self.parent_on(*unit, day)).filter(|unit| *unit != UnitId::NONE);
        std::iter::successors(Some(self.on(unit, day)), above).take(MAX_LEVELS).collect()
    }

    /// Units in force on a day that lie directly below one; below [`UnitId::NONE`] the provinces.
    pub fn below_on(&self, unit: UnitId, day: Date) -> Vec<UnitId> {
        let versions = self.by_code.values().filter_map(|versions| {
            let begun = versions.partition_point(|version| self.versions[version].from <= day);
            versions.get(begun.saturating_sub(1)).copied()
        });
        versions.filter(|version| self.parent_on(*version, day) == unit).collect()
    }

    /// What is counted in a unit as it stands on a day: every version, of whatever time, that counts there.
    pub fn counted_in(&self, unit: UnitId, day: Date) -> BTreeSet<UnitId> {
        if unit == UnitId::NONE {
            return self.versions.keys().copied().collect();
        }
        let versions = self.versions.keys().copied();
        versions.filter(|version| self.with_ancestors_on(*version, day).contains(&unit)).collect()
    }

    /// The units directly below one on a day, each with every version that counts there.
    pub(crate) fn parts_on(&self, unit: UnitId, day: Date) -> BTreeMap<UnitId, BTreeSet<UnitId>> {
        let mut parts: BTreeMap<UnitId, BTreeSet<UnitId>> = BTreeMap::new();
        for version in self.versions.keys() {
            let above = self.with_ancestors_on(*version, day);
            let place = if unit == UnitId::NONE {
                Some(above.len())
            } else {
                above.iter().position(|id| *id == unit)
            };
            if let Some(part) = place.and_then(|place| above.get(place.checked_sub(1)?)) {
                parts.entry(*part).or_default().insert(*version);
            }
        }
        parts
    }

    /// One version with what was established below it.
    pub fn established_below(&self, unit: UnitId) -> BTreeSet<UnitId> {
        let mut all = BTreeSet::from([unit]);
        let mut waiting = vec![unit];
        while let Some(next) = waiting.pop() {
            let below = self.below.get(&next).into_iter().flatten();
            waiting.extend(below.copied().filter(|unit| all.insert(*unit)));
        }
        all
    }

    /// The fewest sources that give exactly these units. With `provinces_only` what is rolled up is so for provinces and the
    /// nation alone.
    pub(crate) fn sources(&self, units: &BTreeSet<UnitId>, provinces_only: bool) -> Vec<Source> {
        if !units.is_empty() && self.versions.keys().all(|unit| units.contains(unit)) {
            return vec![Source::RolledUp(UnitId::NONE)];
        }
        let mut sources = Vec::new();
        let is_top = |unit: &&UnitId| !units.contains(&self.parent(**unit));
        let mut waiting: Vec<UnitId> = units.iter().filter(is_top).copied().collect();
        while let Some(unit) = waiting.pop() {
            let may_roll_up = !provinces_only || self.parent(unit) == UnitId::NONE;
            if may_roll_up && self.is_whole(unit, units, MAX_LEVELS) {
                sources.push(Source::RolledUp(unit));
                continue;
            }
            sources.push(Source::Alone(unit));
            let below = self.below.get(&unit).into_iter().flatten();
            waiting.extend(below.filter(|below| units.contains(below)));
        }
        sources
    }

    fn parent(&self, unit: UnitId) -> UnitId {
        self.versions.get(&unit).map_or(UnitId::NONE, |version| version.parent)
    }

    fn is_whole(&self, unit: UnitId, units: &BTreeSet<UnitId>, levels: usize) -> bool {
        let mut below = self.below.get(&unit).into_iter().flatten();
        units.contains(&unit) && levels > 0 && below.all(|unit| self.is_whole(*unit, units, levels - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::{Source, Tree, Version};
    use event_schemas::ids::UnitId;
    use event_schemas::time::Date;
    use std::collections::BTreeSet;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    /// A ward that went from one province to the other.
    fn tree() -> Tree {
        let mut tree = Tree::default();
        for (unit, code, parent, from) in [
            (1, "01", 0, "2000-01-01"),
            (2, "28", 0, "2000-01-01"),
            (3, "00001", 1, "2000-01-01"),
            (4, "09001", 2, "2000-01-01"),
            (5, "09004", 2, "2000-01-01"),
            (6, "09004", 1, "2008-08-01"),
        ] {
            let version = Version { code: code.parse().unwrap(), parent: UnitId(parent), from: date(from) };
            tree.add(UnitId(unit), version);
        }
        tree
    }

    fn ids(units: impl IntoIterator<Item = u32>) -> BTreeSet<UnitId> {
        units.into_iter().map(UnitId).collect()
    }

    #[test]
    fn a_unit_counts_where_its_code_stands_on_the_day() {
        let tree = tree();
        let (before, after) = (date("2008-07-31"), date("2008-08-01"));
        assert_eq!(tree.counted_in(UnitId(2), before), ids([2, 4, 5, 6]));
        assert_eq!(tree.counted_in(UnitId(2), after), ids([2, 4]));
        assert_eq!(tree.counted_in(UnitId(1), after), ids([1, 3, 5, 6]));
        assert_eq!(tree.by_code("09004".parse().unwrap(), before), Some(UnitId(5)));
        assert_eq!(tree.by_code("09004".parse().unwrap(), after), Some(UnitId(6)));
        assert_eq!(tree.by_code("09004".parse().unwrap(), date("1990-01-01")), Some(UnitId(5)));
        assert_eq!(tree.below_on(UnitId(1), before), [UnitId(3)]);
        assert_eq!(tree.below_on(UnitId(1), after), [UnitId(3), UnitId(6)]);
        assert_eq!(tree.below_on(UnitId::NONE, after), [UnitId(1), UnitId(2)]);
        assert_eq!(tree.established_below(UnitId(1)), ids([1, 3, 6]));
    }

    #[test]
    fn each_unit_is_counted_by_exactly_one_source() {
        let tree = tree();
        for provinces_only in [true, false] {
            for chosen in 0..64_u32 {
                let units = ids((1..=6).filter(|unit| chosen >> (unit - 1) & 1 == 1));
                let mut counted = Vec::new();
                for source in tree.sources(&units, provinces_only) {
                    match source {
                        Source::RolledUp(UnitId::NONE) => counted.extend(tree.versions.keys()),
                        Source::RolledUp(unit) => counted.extend(tree.established_below(unit)),
                        Source::Alone(unit) => counted.push(unit),
                    }
                }
                counted.sort_unstable();
                assert_eq!(counted, units.iter().copied().collect::<Vec<_>>(), "{units:?}");
            }
        }
        assert_eq!(tree.sources(&ids([2, 4, 5]), true), [Source::RolledUp(UnitId(2))]);
        assert_eq!(tree.sources(&ids(1..=6), false), [Source::RolledUp(UnitId::NONE)]);
    }
}
