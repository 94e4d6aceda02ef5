//! Where a person lives, and lived: the aspects of residence in a person's row.

use super::Fact;
use super::person::PersonRow;
use crate::stored::stored;
use event_schemas::event::EventBody;
use event_schemas::household::ResidenceEndReason;
use event_schemas::ids::{EventAddress, UnitId};
use event_schemas::place::RegisteredPlace;
use event_schemas::time::{Date, PartialDate};
use smallvec::SmallVec;

/// Permanent residence.
#[derive(Clone, PartialEq, Debug)]
pub struct Residence {
    pub place: RegisteredPlace,
    pub since: PartialDate,
    pub by: EventAddress,
}

/// Temporary residence.
#[derive(Clone, PartialEq, Debug)]
pub struct Stay {
    pub place: RegisteredPlace,
    pub since: PartialDate,
    /// Last day.
    pub until: Date,
    pub by: EventAddress,
}

/// Where somebody was registered from a day on, or that he was registered nowhere: what totals and flows need of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spell {
    /// [`UnitId::NONE`] abroad and where a registration ended.
    pub unit: UnitId,
    pub since: PartialDate,
    /// Of a stay its last day as registered.
    pub until: Option<Date>,
    pub ended: Option<ResidenceEndReason>,
    pub by: EventAddress,
}

/// A handful: hardly anybody has lived at more places.
pub type Spells = SmallVec<[Spell; 4]>;

stored! {
    Residence { value place, value since, value by }
    Stay { value place, value since, value until, value by }
    Spell { value unit, value since, value until, value ended, value by }
}

/// Registered length from which on a stay is where somebody usually lives: half a year, first and last day counted.
const USUAL_STAY_DAYS: i32 = 183;

impl Residence {
    fn spell(&self) -> Spell {
        let unit = self.place.unit().copied().unwrap_or(UnitId::NONE);
        Spell { unit, since: self.since, until: None, ended: None, by: self.by }
    }
}

impl Stay {
    fn spell(&self) -> Spell {
        let unit = self.place.unit().copied().unwrap_or(UnitId::NONE);
        Spell { unit, since: self.since, until: Some(self.until), ended: None, by: self.by }
    }
}

impl Spell {
    fn ended(since: PartialDate, reason: ResidenceEndReason, by: EventAddress) -> Self {
        Self { unit: UnitId::NONE, since, until: None, ended: Some(reason), by }
    }
}

/// Whether the stay at this place of the list is where somebody usually lives: by its registered length, a stay in the same unit
/// that it prolongs included.
pub(crate) fn is_usual(stays: &[Spell], place: usize) -> bool {
    let stay = stays[place];
    let mut begun = stay.since.earliest();
    let mut earlier = stays[..place].iter().rev().peekable();
    while let Some(before) = earlier.next() {
        let registered = match before.ended {
            Some(_) if before.since.earliest() < begun => break,
            Some(_) => earlier.next(),
            None => Some(before),
        };
        match registered.filter(|registered| registered.unit == stay.unit) {
            Some(registered) => begun = registered.since.earliest(),
            None => break,
        }
    }
    stay.until.is_some_and(|until| until.0 - begun.0 + 1 >= USUAL_STAY_DAYS)
}

impl PersonRow {
    /// The unit of permanent residence, if it is in Viet Nam.
    pub fn permanent_unit(&self) -> Option<UnitId> {
        self.permanent.as_ref().and_then(|residence| residence.place.unit().copied())
    }

    /// The unit of temporary residence, if it is in Viet Nam.
    pub fn temporary_unit(&self) -> Option<UnitId> {
        self.temporary.as_ref().and_then(|stay| stay.place.unit().copied())
    }

    /// Permanent residence now and before, in the order of days.
    pub fn homes(&self) -> Spells {
        let now = self.permanent.as_ref().map(Residence::spell);
        self.permanent_before.iter().copied().chain(now).collect()
    }

    /// Temporary residence now and before, in the order of days.
    pub fn stays(&self) -> Spells {
        let now = self.temporary.as_ref().map(Stay::spell);
        self.temporary_before.iter().copied().chain(now).collect()
    }

    pub(super) fn fold_permanent(&mut self, fact: Fact<'_>) {
        let since = fact.event.effective_on;
        match &fact.event.body {
            EventBody::PermanentResidenceRegistered(e) => {
                let before = self.permanent.replace(Residence { place: e.place.clone(), since, by: fact.at });
                self.permanent_before.extend(before.map(|before| before.spell()));
            }
            EventBody::PermanentResidenceEnded(e) => {
                self.permanent_before.extend(self.permanent.take().map(|before| before.spell()));
                self.permanent_before.push(Spell::ended(since, e.reason, fact.at));
            }
            _ => {}
        }
    }

    pub(super) fn fold_temporary(&mut self, fact: Fact<'_>) {
        let since = fact.event.effective_on;
        match &fact.event.body {
            EventBody::TemporaryResidenceRegistered(e) => {
                let stay = Stay { place: e.place.clone(), since, until: e.until, by: fact.at };
                let before = self.temporary.replace(stay);
                self.temporary_before.extend(before.map(|before| before.spell()));
            }
            EventBody::TemporaryResidenceEnded(e) => {
                self.temporary_before.extend(self.temporary.take().map(|before| before.spell()));
                self.temporary_before.push(Spell::ended(since, e.reason, fact.at));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Spell, is_usual};
    use event_schemas::household::ResidenceEndReason;
    use event_schemas::ids::{EventAddress, Lsn, UnitId};
    use event_schemas::time::Date;

    fn stay(unit: u32, since: &str, until: &str) -> Spell {
        let date = |text: &str| text.parse::<Date>().unwrap();
        let by = EventAddress { lsn: Lsn(1), index: 0 };
        Spell { unit: UnitId(unit), since: date(since).into(), until: Some(date(until)), ended: None, by }
    }

    fn ended(on: &str) -> Spell {
        let reason = ResidenceEndReason::Replaced;
        Spell::ended(on.parse().unwrap(), reason, EventAddress { lsn: Lsn(1), index: 0 })
    }

    #[test]
    fn a_stay_is_usual_from_half_a_year_on() {
        assert!(!is_usual(&[stay(1, "2021-01-01", "2021-07-01")], 0));
        assert!(is_usual(&[stay(1, "2021-01-01", "2021-07-02")], 0));
    }

    #[test]
    fn a_stay_that_prolongs_another_is_as_long_as_both() {
        let first = stay(1, "2021-01-01", "2021-04-30");
        let prolonged = [first, ended("2021-04-15"), stay(1, "2021-04-15", "2021-07-31")];
        assert_eq!((is_usual(&prolonged, 0), is_usual(&prolonged, 2)), (false, true));
        let elsewhere = [first, ended("2021-04-15"), stay(2, "2021-04-15", "2021-07-31")];
        assert!(!is_usual(&elsewhere, 2));
        let later = [first, ended("2021-05-01"), stay(1, "2021-05-02", "2021-07-31")];
        assert!(!is_usual(&later, 2), "a day without a stay begins another");
    }
}
