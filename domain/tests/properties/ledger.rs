//! An account kept from events alone, in the order of recording, by other means than the fold: who lives where, who belongs
//! where, and what flowed in and out of every unit.

use domain::Registry;
use domain::registry::rows::ABROAD;
use domain::timeline::marriage::Spouse;
use event_schemas::event::{Event, EventBody};
use event_schemas::household::Membership;
use event_schemas::ids::{HouseholdId, PersonId};
use event_schemas::kin::{KinRef, MarriageEndReason};
use event_schemas::record::AdmittedEntry;
use event_schemas::time::Date;
use std::collections::{BTreeMap, BTreeSet};

/// What flowed in and out of one unit since the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flows {
    arrivals: u32,
    departures: u32,
}

#[derive(Default)]
pub struct Ledger {
    residence: BTreeMap<PersonId, u32>,
    members: BTreeMap<(PersonId, Membership), HouseholdId>,
    dead: BTreeSet<PersonId>,
    flows: BTreeMap<u32, Flows>,
    marriages: Vec<Marriage>,
}

/// A marriage from its day on, until the day before its end. A partner is none if only described.
struct Marriage {
    partners: [Option<PersonId>; 2],
    from: Date,
    until: Option<Date>,
}

impl Marriage {
    fn is_of(&self, person: PersonId) -> bool {
        self.partners.contains(&Some(person))
    }

    fn is_on(&self, day: Date) -> bool {
        self.from <= day && self.until.is_none_or(|until| day < until)
    }
}

impl Ledger {
    /// Books every event of these entries.
    pub fn take(&mut self, entries: &[AdmittedEntry]) {
        for entry in entries {
            for event in entry.changes().map_or(&[][..], |changes| &changes.events) {
                self.book(&event.body);
                self.book_marriage(event);
            }
        }
    }

    fn book(&mut self, body: &EventBody) {
        match body {
            EventBody::PermanentResidenceRegistered(e) => {
                let unit = e.place.unit().map_or(ABROAD, |unit| unit.0);
                if let Some(left) = self.residence.insert(e.person, unit) {
                    self.flows.entry(left).or_default().departures += 1;
                }
                self.flows.entry(unit).or_default().arrivals += 1;
            }
            EventBody::PermanentResidenceEnded(e) => {
                let left = self.residence.remove(&e.person);
                let left = left.unwrap_or_else(|| panic!("{} had no residence to end", e.person));
                self.flows.entry(left).or_default().departures += 1;
            }
            EventBody::MemberJoined(e) => {
                let before = self.members.insert((e.person, e.membership), e.household);
                assert_eq!(before, None, "{} joined {} and had not left", e.person, e.household);
            }
            EventBody::MemberLeft(e) => {
                let left = self.members.remove(&(e.person, e.membership));
                assert_eq!(left, Some(e.household), "{} left a household without belonging to it", e.person);
            }
            EventBody::DeathRegistered(e) => {
                assert!(self.dead.insert(e.person), "{} died twice", e.person);
            }
            _ => {}
        }
    }

    fn book_marriage(&mut self, event: &Event) {
        let on = event.effective_on.earliest();
        match &event.body {
            EventBody::MarriageRegistered(e) => {
                let partners = [0, 1].map(|place| match e.partners[place] {
                    KinRef::Registered(person) => Some(person),
                    KinRef::Described(_) => None,
                });
                self.marriages.push(Marriage { partners, from: on, until: None });
            }
            EventBody::MarriageEnded(e) => {
                let in_force = self.marriages.iter_mut().find(|marriage| {
                    marriage.is_of(e.person) && marriage.partners.contains(&e.spouse) && marriage.is_on(on)
                });
                let stated = e.spouse.is_none() && e.reason == MarriageEndReason::Divorce;
                match in_force {
                    Some(marriage) => marriage.until = Some(on),
                    None => assert!(stated, "{e:?} ended no marriage on {on}"),
                }
            }
            _ => {}
        }
    }

    /// Nobody is in two marriages on one day, and the registry knows the spouse whom the account knows.
    fn check_marriages(&self, registry: &Registry) {
        for (place, marriage) in self.marriages.iter().enumerate() {
            for person in marriage.partners.into_iter().flatten() {
                let other =
                    self.marriages[..place].iter().filter(|other| other.is_of(person)).find(|other| {
                        let begins_before_end = |first: &Marriage, second: &Marriage| {
                            second.until.is_none_or(|until| first.from < until)
                        };
                        begins_before_end(marriage, other) && begins_before_end(other, marriage)
                    });
                assert!(other.is_none(), "{person} is in two marriages on one day");
            }
        }
        for (id, row) in registry.persons() {
            let in_force =
                self.marriages.iter().find(|marriage| marriage.is_of(id) && marriage.until.is_none());
            let spouse = in_force.map(|marriage| {
                let other = marriage.partners.into_iter().find(|partner| *partner != Some(id));
                other.flatten().map_or(Spouse::Described, Spouse::Registered)
            });
            let known = row.marital().spouse.filter(|spouse| *spouse != Spouse::Unknown);
            assert_eq!(known, spouse, "spouse of {id}");
        }
    }

    /// The registry comes to the same: per person, and per unit as arrivals less departures.
    pub fn check(&self, registry: &Registry) {
        self.check_marriages(registry);
        let mut population: BTreeMap<u32, u32> = BTreeMap::new();
        for (id, row) in registry.persons() {
            assert_eq!(row.unit, self.residence.get(&id).copied().unwrap_or(0), "residence of {id}");
            let belongs = self.members.get(&(id, Membership::Permanent)).copied();
            assert_eq!(HouseholdId(row.household).some(), belongs, "household of {id}");
            let stays = self.members.get(&(id, Membership::Temporary)).copied();
            let host = registry.temporary(id).and_then(|stay| HouseholdId(stay.household).some());
            assert_eq!(host, stays, "temporary household of {id}");
            assert_eq!(row.died != 0, self.dead.contains(&id), "life of {id}");
            if row.unit != 0 {
                assert_eq!(row.died, 0, "{id} is counted among the living");
                *population.entry(row.unit).or_default() += 1;
            }
        }
        for (unit, flows) in &self.flows {
            let counted = population.get(unit).copied().unwrap_or(0);
            assert_eq!(flows.arrivals - flows.departures, counted, "population of unit {unit}");
        }
        assert!(population.keys().all(|unit| self.flows.contains_key(unit)));
    }
}
