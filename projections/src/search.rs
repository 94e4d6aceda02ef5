//! Finding persons by what is known of them. Every question is bounded: it looks at so many candidates and no more, and asks for
//! another criterion where that does not suffice.
//!
//! Candidates come from one index: persons by a word of their name and day of birth, by their whole name and day of birth, or
//! residents by unit. Each candidate's row is then compared with everything that is asked.

use crate::layout::{BY_NAME, BY_WORD, ResidenceKind, name_key};
use crate::names::{Word, any_answers, whole_name};
use crate::rows::PersonRow;
use crate::view::Reading;
use event_schemas::ids::{PersonId, UnitId};
use event_schemas::kin::{KinRef, ParentRole};
use event_schemas::person::Sex;
use event_schemas::time::{Date, PartialDate};
use state_store::engine::KeyRange;
use state_store::store::StoreError;
use std::collections::BTreeSet;
use std::ops::Bound;

/// Most candidates of one question (O1).
pub const MAX_CANDIDATES: usize = 5_000;
/// Most units whose residents are candidates: a district has some twenty, and more over the years.
const MAX_UNITS: usize = 200;
/// First look at every index, so that the one that narrows most is used.
const FIRST_LOOK: usize = 250;

/// What is known of somebody.
#[derive(Clone, Default, Debug)]
pub struct Criteria {
    /// Words of a name now or before, in any order.
    pub name: Vec<Word>,
    /// Day, month or year of birth; compared by whether both can be the same day.
    pub birth: Option<PartialDate>,
    pub sex: Option<Sex>,
    /// Resident, permanently or temporarily, in this unit or below it.
    pub unit: Option<UnitId>,
    pub mother: Vec<Word>,
    pub father: Vec<Word>,
}

/// Who was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// Everybody who answers, in the order of ids.
    All(Vec<PersonId>),
    /// More would have had to be looked at than is allowed with only some words of a name: these are all whose whole name it is.
    WholeName(Vec<PersonId>),
    /// Another criterion is needed.
    TooMany,
}

/// Looks for persons.
pub fn search(reading: &Reading<'_>, criteria: &Criteria) -> Result<Found, StoreError> {
    for limit in [FIRST_LOOK, MAX_CANDIDATES] {
        if let Some(candidates) = candidates(reading, criteria, limit)? {
            return Ok(Found::All(compare(reading, criteria, candidates)?));
        }
    }
    let whole = whole_name(&criteria.name);
    if criteria.name.len() > 1
        && let Some(candidates) = by_name(reading, BY_NAME, &whole, criteria.birth, MAX_CANDIDATES)?
    {
        return Ok(Found::WholeName(compare(reading, criteria, candidates)?));
    }
    Ok(Found::TooMany)
}

/// Everybody who may answer, if some index names at most `limit`.
fn candidates(
    reading: &Reading<'_>,
    criteria: &Criteria,
    limit: usize,
) -> Result<Option<BTreeSet<PersonId>>, StoreError> {
    for word in &criteria.name {
        let found = by_name(reading, BY_WORD, word.folded(), criteria.birth, limit)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    match criteria.unit {
        Some(unit) => residents(reading, unit, limit),
        None => Ok(None),
    }
}

fn by_name(
    reading: &Reading<'_>,
    table: state_store::engine::TableId,
    name: &str,
    birth: Option<PartialDate>,
    limit: usize,
) -> Result<Option<BTreeSet<PersonId>>, StoreError> {
    let mut found = BTreeSet::new();
    for range in ranges(name, birth) {
        let Some(ids) = reading.persons_in(table, &range, limit)? else { return Ok(None) };
        found.extend(ids);
        if found.len() > limit {
            return Ok(None);
        }
    }
    Ok(Some(found))
}

/// Where persons of a name lie who may be born then. The index holds the earliest day that a birth allows: of a year, and of a month,
/// its first.
fn ranges(name: &str, birth: Option<PartialDate>) -> Vec<KeyRange> {
    let key = |day: Date| name_key(name, day, PersonId(0));
    let days = |from: Date, to: Date| KeyRange {
        from: Bound::Included(key(from)),
        to: Bound::Excluded(key(to.plus_days(1))),
    };
    let Some(birth) = birth else {
        let mut prefix = name.as_bytes().to_vec();
        prefix.push(0);
        return vec![KeyRange::prefix(&prefix)];
    };
    let (earliest, latest) = (birth.earliest(), birth.latest());
    let (year, month, _) = earliest.ymd();
    let first_of = |month: i8| Date::new(year, month, 1).unwrap_or(earliest);
    let mut vague = BTreeSet::from([first_of(1), first_of(month)]);
    vague.remove(&earliest);
    let mut ranges: Vec<KeyRange> = vague.into_iter().map(|day| days(day, day)).collect();
    ranges.push(days(earliest, latest));
    ranges
}

fn residents(
    reading: &Reading<'_>,
    unit: UnitId,
    limit: usize,
) -> Result<Option<BTreeSet<PersonId>>, StoreError> {
    let Some(units) = reading.subtree(unit, MAX_UNITS)? else { return Ok(None) };
    let mut found = BTreeSet::new();
    for unit in units {
        for kind in [ResidenceKind::Permanent, ResidenceKind::Temporary] {
            let listing = reading.residents(unit, kind, PersonId(0), limit)?;
            found.extend(listing.items);
            if listing.more || found.len() > limit {
                return Ok(None);
            }
        }
    }
    Ok(Some(found))
}

fn compare(
    reading: &Reading<'_>,
    criteria: &Criteria,
    candidates: BTreeSet<PersonId>,
) -> Result<Vec<PersonId>, StoreError> {
    let mut found = Vec::new();
    for id in candidates {
        let Some(row) = reading.person(id)? else { continue };
        if criteria.fits(&row)
            && criteria.place_fits(reading, &row)?
            && criteria.parents_fit(reading, &row)?
        {
            found.push(id);
        }
    }
    Ok(found)
}

impl Criteria {
    /// What the person's own row says.
    fn fits(&self, row: &PersonRow) -> bool {
        let Some(identity) = &row.identity else { return false };
        let names =
            std::iter::once(&identity.names).chain(row.former_names.iter().map(|former| &former.names));
        let may_be_born = |asked: PartialDate| {
            identity.birth.earliest() <= asked.latest() && asked.earliest() <= identity.birth.latest()
        };
        (self.name.is_empty() || names.into_iter().any(|names| any_answers(&self.name, names)))
            && self.sex.is_none_or(|sex| sex == identity.sex)
            && self.birth.is_none_or(may_be_born)
    }

    /// Where the person lives.
    fn place_fits(&self, reading: &Reading<'_>, row: &PersonRow) -> Result<bool, StoreError> {
        let Some(above) = self.unit else { return Ok(true) };
        let homes = [row.permanent_unit(), row.temporary_unit()];
        for unit in homes.into_iter().flatten().filter(|_| row.death.is_none()) {
            if reading.is_within(unit, above)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Registered parents whose names are compared: an answer tells of them too.
    pub fn compared_parents(&self, row: &PersonRow) -> Vec<PersonId> {
        let of_role = |role, asked: &[Word]| {
            let parents = row.parents.iter().filter(move |parent| parent.link.role == role);
            let registered = parents.filter_map(|parent| match &parent.link.parent {
                KinRef::Registered(id) => Some(*id),
                KinRef::Described(_) => None,
            });
            registered.filter(|_| !asked.is_empty()).collect::<Vec<_>>()
        };
        [of_role(ParentRole::Mother, &self.mother), of_role(ParentRole::Father, &self.father)].concat()
    }

    /// What the rows of the parents say, or the papers that describe them.
    fn parents_fit(&self, reading: &Reading<'_>, row: &PersonRow) -> Result<bool, StoreError> {
        for (role, asked) in [(ParentRole::Mother, &self.mother), (ParentRole::Father, &self.father)] {
            if asked.is_empty() {
                continue;
            }
            let mut fits = false;
            for parent in row.parents.iter().filter(|parent| parent.link.role == role) {
                fits |= match &parent.link.parent {
                    KinRef::Described(described) => any_answers(asked, &described.names),
                    KinRef::Registered(id) => {
                        let parent = reading.person(*id)?.and_then(|parent| parent.identity);
                        parent.is_some_and(|identity| any_answers(asked, &identity.names))
                    }
                };
            }
            if !fits {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
