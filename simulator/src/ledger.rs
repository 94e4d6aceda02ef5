//! The simulation's own account of the truth: what it planned, as far as the registry accepted it. What follows from a
//! death, a move or an age is written here anew from the law's text; no code is shared with the registry's rules.

use crate::names::{Name, NameBook};
use crate::store::{self, CardIndex, HouseholdIndex, PersonIndex, State, Store};
use crate::units::Units;
use crate::vital::VitalCounts;
use event_schemas::card::{CardStatus, DossierStatus};
use event_schemas::household::Relationship;
use event_schemas::ids::{CardId, DossierId, HouseholdId, PersonId};
use event_schemas::person::{MaritalStatus, Names, Sex};
use event_schemas::pin::Pin;
use event_schemas::place::UnitCode;
use event_schemas::time::Date;
use serde::Serialize;
use std::collections::BTreeMap;

/// What is true of a registered person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LedgerPerson {
    pub person: PersonId,
    pub alive: bool,
    pub died_on: Option<Date>,
    pub pin: Option<Pin>,
    pub names: Names,
    pub sex: Sex,
    /// As registered: by enrolment's form, and by what happened since.
    pub marital: MaritalStatus,
    /// Partner of the registered marriage in force.
    pub spouse: Option<PersonId>,
    /// Permanent household.
    pub household: Option<HouseholdId>,
    /// To the head of that household.
    pub relationship: Option<Relationship>,
    /// Ward of permanent residence.
    pub ward: Option<UnitCode>,
    pub temporary: Option<LedgerStay>,
    /// The card that the person held last, unless it was never handed over.
    pub card: Option<(CardId, CardStatus)>,
    /// The application that is still open.
    pub dossier: Option<(DossierId, DossierStatus)>,
}

/// Temporary residence that has not ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LedgerStay {
    pub ward: UnitCode,
    pub household: Option<HouseholdId>,
    /// Last day.
    pub until: Date,
}

/// What is true of a household, also of one that has ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LedgerHousehold {
    pub household: HouseholdId,
    pub ended: bool,
    /// Where it is, or was last.
    pub ward: UnitCode,
    pub head: Option<PersonId>,
    /// Permanent members, by id.
    pub members: Vec<PersonId>,
    /// Temporary members, by id.
    pub guests: Vec<PersonId>,
}

/// What is true of a card.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LedgerCard {
    pub card: CardId,
    pub holder: PersonId,
    pub status: CardStatus,
    /// Last day; none for cards without expiry.
    pub expires_on: Option<Date>,
    /// Whether it serves: its holder lives and has it, its last day has not passed, and its number is the holder's.
    pub serves: bool,
}

/// Read access to the account.
#[derive(Clone, Copy)]
pub struct Ledger<'a> {
    pub(crate) store: &'a Store,
    pub(crate) units: &'a Units,
    pub(crate) names: &'a NameBook,
    /// The simulation's first day.
    pub(crate) start: Date,
}

impl<'a> Ledger<'a> {
    /// The person with this number, if the simulation registered one.
    pub fn person(&self, person: PersonId) -> Option<LedgerPerson> {
        let &index = self.store.person_index.get(&person)?;
        Some(self.view_person(index))
    }

    /// The household with this number.
    pub fn household(&self, household: HouseholdId) -> Option<LedgerHousehold> {
        let &index = self.store.household_index.get(&household)?;
        Some(self.view_household(index))
    }

    /// Every registered person, in the order in which they were planned.
    pub fn persons(&self) -> impl Iterator<Item = LedgerPerson> + 'a {
        let this = *self;
        let registered = move |index: &PersonIndex| this.store.person(*index).is_registered();
        (0..this.store.persons.len() as PersonIndex)
            .filter(registered)
            .map(move |index| this.view_person(index))
    }

    /// Every household that was ever registered.
    pub fn households(&self) -> impl Iterator<Item = LedgerHousehold> + 'a {
        let this = *self;
        let registered = move |index: &HouseholdIndex| this.store.household(*index).is_registered();
        (0..this.store.households.len() as HouseholdIndex)
            .filter(registered)
            .map(move |index| this.view_household(index))
    }

    /// Every card that was ever produced.
    pub fn cards(&self) -> impl Iterator<Item = LedgerCard> + 'a {
        let this = *self;
        let produced = move |index: &CardIndex| this.store.cards[*index as usize].id != CardId::NONE;
        (0..this.store.cards.len() as CardIndex).filter(produced).map(move |index| {
            let card = &this.store.cards[index as usize];
            let holder = this.store.person(card.person);
            LedgerCard {
                card: card.id,
                holder: holder.id,
                serves: card.status == CardStatus::Active && card.number == holder.pin,
                status: card.status,
                expires_on: card.expires_on,
            }
        })
    }

    /// Cards by status, only those statuses that occur.
    pub fn cards_by_status(&self) -> Vec<(CardStatus, u64)> {
        let count = |status| self.cards().filter(|card| card.status == status).count() as u64;
        let counted = CardStatus::ALL.into_iter().map(|status| (status, count(status)));
        counted.filter(|(_, cards)| *cards > 0).collect()
    }

    /// Living persons with permanent residence, by ward; wards without people are absent.
    pub fn population_by_ward(&self) -> BTreeMap<UnitCode, u64> {
        self.population_by(|units, ward| units.ward_code(ward))
    }

    /// Living persons with permanent residence, by district; districts without people are absent.
    pub fn population_by_district(&self) -> BTreeMap<UnitCode, u64> {
        self.population_by(|units, ward| units.district_code(ward))
    }

    /// Households that exist, by district.
    pub fn households_by_district(&self) -> BTreeMap<UnitCode, u64> {
        let mut counts = BTreeMap::new();
        for household in self.store.households.iter().filter(|household| household.is_open()) {
            *counts.entry(self.units.district_code(household.ward)).or_default() += 1;
        }
        counts
    }

    /// Births, deaths, marriages and divorces by the day of their registration.
    pub fn vital_events_by_registration(&self) -> impl Iterator<Item = (Date, VitalCounts)> + 'a {
        let start = self.start;
        self.store
            .vital
            .registered
            .iter()
            .map(move |(day, counts)| (start.plus_days(i32::from(*day)), *counts))
    }

    /// Births and deaths by the day on which they happened.
    pub fn vital_events_by_day(&self) -> impl Iterator<Item = (Date, VitalCounts)> + 'a {
        self.store.vital.happened.iter().map(|(day, counts)| (*day, *counts))
    }

    /// Registered persons who are alive, with or without residence.
    pub fn living(&self) -> u64 {
        let alive = |person: &&store::Person| person.state == State::Alive;
        self.store.persons.iter().filter(alive).count() as u64
    }

    fn population_by(&self, unit: impl Fn(&Units, u16) -> UnitCode) -> BTreeMap<UnitCode, u64> {
        let mut counts = BTreeMap::new();
        for index in 0..self.store.persons.len() as PersonIndex {
            if let Some(ward) = self.store.residence(index) {
                *counts.entry(unit(self.units, ward)).or_default() += 1;
            }
        }
        counts
    }

    fn view_person(&self, index: PersonIndex) -> LedgerPerson {
        let store = self.store;
        let person = store.person(index);
        let household = store::some(person.household);
        let stay = store.stays.get(&index);
        LedgerPerson {
            person: person.id,
            alive: person.state == State::Alive,
            died_on: person.died,
            pin: Pin::from_number(person.pin).filter(|_| person.pin != 0),
            names: self.names_of(person.name, person.sex),
            sex: person.sex,
            marital: person.marital,
            spouse: store::some(person.wedded).map(|spouse| store.person(spouse).id),
            household: household.map(|household| store.household(household).id),
            relationship: household.map(|_| person.relationship),
            ward: store.residence(index).map(|ward| self.units.ward_code(ward)),
            temporary: stay.map(|stay| LedgerStay {
                ward: self.units.ward_code(stay.ward),
                household: store::some(stay.household).map(|household| store.household(household).id),
                until: stay.until,
            }),
            card: store::some(person.card).map(|card| {
                let card = &store.cards[card as usize];
                (card.id, card.status)
            }),
            dossier: store::some(person.dossier).map(|dossier| {
                let dossier = &store.dossiers[dossier as usize];
                (dossier.id, dossier.status)
            }),
        }
    }

    fn names_of(&self, name: Name, sex: Sex) -> Names {
        self.names.names(name, sex)
    }

    fn view_household(&self, index: HouseholdIndex) -> LedgerHousehold {
        let household = self.store.household(index);
        let ids = |members: &[PersonIndex]| {
            let mut ids: Vec<PersonId> = members.iter().map(|&member| self.store.person(member).id).collect();
            ids.sort_unstable();
            ids
        };
        LedgerHousehold {
            household: household.id,
            ended: !household.is_open(),
            ward: self.units.ward_code(household.ward),
            head: store::some(household.head).map(|head| self.store.person(head).id),
            members: ids(&household.members),
            guests: ids(&household.guests),
        }
    }
}
