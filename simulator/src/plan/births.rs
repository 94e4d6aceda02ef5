//! Births: to couples, to women alone, twins, after the father's death, registered late, foundlings.

use crate::distributions as figures;
use crate::effect::Effect;
use crate::enrolment::{biological, new_person};
use crate::names::Name;
use crate::nation::{Nation, TRIES, Todo};
use crate::rng::{Rng, per_mille};
use crate::store::*;
use crate::units::WardIndex;
use event_schemas::basis::{BasisKind, LegacyEntry};
use event_schemas::command::person::Found;
use event_schemas::command::{Birth, BirthResidence, Command, MultipleBirth, Newborn, Parentage};
use event_schemas::household::{HouseholdKind, Relationship};
use event_schemas::kin::{KinRef, ParentRole};
use event_schemas::person::{MaritalStatus, Nationality, PersonRef, Sex};
use event_schemas::place::Place;
use event_schemas::time::{Date, TimeOfDay};
use rand::Rng as _;

/// Shortest time between two births of one woman.
const BETWEEN_BIRTHS_DAYS: u16 = 330;
// Shares of births per mille.
const OF_UNMARRIED: u32 = 40;
const LATE: u32 = 40;
/// Born before the last change in the household, registered after it.
const LATE_IN_HOUSEHOLD: u32 = 40;
const TO_FATHERS_HOUSEHOLD: u32 = 200;
const TO_GRANDMOTHER: u32 = 12;
const BORN_AT_HOME: u32 = 60;
/// Parents register a birth within 60 days: Law 60/2014/QH13 Art. 15.
const REGISTERED_WITHIN_DAYS: i32 = 60;
/// Longest delay of the births that are registered late.
const LATE_WITHIN_DAYS: i32 = 700;
/// A child can be born to a dead father within 300 days of his death: Law 52/2014/QH13 Art. 88.
pub(crate) const POSTHUMOUS_WITHIN_DAYS: u16 = 290;

impl Nation {
    /// A birth to a woman who is neither dead nor otherwise concerned today.
    pub(crate) fn plan_birth(&mut self, rng: &mut Rng) -> bool {
        if per_mille(rng, LATE_IN_HOUSEHOLD)
            && let Some((mother, day)) = self.find_late_fact(rng)
        {
            self.plan_birth_to(rng, mother, day, "birth.before_a_change");
            return true;
        }
        let unmarried = per_mille(rng, OF_UNMARRIED);
        let Some(mother) = self.find_mother(rng, unmarried) else {
            return false;
        };
        if per_mille(rng, LATE) {
            self.plan_late_birth(rng, mother);
        } else {
            let day = self.recent_birth_day(rng, mother);
            self.plan_birth_to(rng, mother, day, "birth.couple");
        }
        true
    }

    /// A mother whose household changed lately, and a day before that change: registered today, the birth is a late fact in
    /// the household's history.
    fn find_late_fact(&self, rng: &mut Rng) -> Option<(PersonIndex, Date)> {
        let today = self.today();
        let first = rng.random_range(0..self.changed.len().max(1));
        let changed = self.changed.iter().skip(first).chain(&self.changed);
        for &household in changed.take(self.changed.len()) {
            let home = self.store.household(household);
            let last_day = self.date_of(home.touched).plus_days(-1);
            let fits = |&&mother: &&PersonIndex| {
                let row = self.store.person(mother);
                let since = self.date_of(row.since).plus_days(1);
                row.sex == Sex::Female
                    && row.spouse != NONE
                    && self.store.is_alive(row.spouse)
                    && figures::fertility(row.age(today)) > 0
                    && since <= last_day
                    && last_day.plus_days(REGISTERED_WITHIN_DAYS) > today
                    && self.can_give_birth(mother)
            };
            if home.is_open()
                && let Some(&mother) = home.members.iter().find(fits)
            {
                return Some((mother, last_day));
            }
        }
        None
    }

    fn find_mother(&self, rng: &mut Rng, unmarried: bool) -> Option<PersonIndex> {
        let today = self.today();
        for _ in 0..TRIES * 4 {
            let person = self.anybody(rng);
            let row = self.store.person(person);
            let married = row.spouse != NONE && self.store.is_alive(row.spouse);
            let rate = figures::fertility(row.age(today));
            let likely = rate > 0 && rng.random_range(0..figures::HIGHEST_FERTILITY) < rate;
            if likely && row.sex == Sex::Female && married != unmarried && self.can_give_birth(person) {
                return Some(person);
            }
        }
        None
    }

    fn can_give_birth(&self, mother: PersonIndex) -> bool {
        let row = self.store.person(mother);
        let rested = row.gave_birth == NEVER || self.day - row.gave_birth >= BETWEEN_BIRTHS_DAYS;
        // A child's place in a household is stated by its relationship to the head.
        let has_head =
            some(row.household).is_none_or(|household| self.store.household(household).head != NONE);
        let at_home = self.units.province_of(self.store.last_ward(mother)) == self.province;
        self.is_free(mother) && rested && has_head && at_home
    }

    fn plan_birth_to(&mut self, rng: &mut Rng, mother: PersonIndex, day: Date, ordinary: &'static str) {
        let twins = per_mille(rng, figures::TWINS_PER_MILLE);
        let father = self.father_of_child(mother);
        let count = if twins { 2 } else { 1 };
        for number in 1..=count {
            let multiple = twins.then_some(MultipleBirth { children: count, number });
            let tag = match (twins, father) {
                (true, _) => "birth.twins",
                (false, None) => "birth.father_unknown",
                (false, Some(father)) if !self.store.is_alive(father) => "birth.posthumous",
                _ => ordinary,
            };
            let residence = self.residence_of_child(rng, mother, father);
            self.plan_child(rng, Child { mother, father, day, multiple, residence, legacy_entry: None, tag });
        }
        self.claim_parents(mother, father);
    }

    fn claim_parents(&mut self, mother: PersonIndex, father: Option<PersonIndex>) {
        self.claim(mother);
        let day = self.day;
        self.store.person_mut(mother).gave_birth = day;
        if let Some(father) = father.filter(|&father| self.store.is_alive(father)) {
            self.claim(father);
        }
    }

    /// Within the legal time, and since the mother lives where she lives and since her household is as it is.
    fn recent_birth_day(&self, rng: &mut Rng, mother: PersonIndex) -> Date {
        let row = self.store.person(mother);
        let settled = match some(row.household) {
            Some(household) => self.store.household(household).touched.max(row.since),
            None => row.since,
        };
        let earliest = self.date_of(settled.saturating_add(1)).min(self.today());
        let delay = rng.random_range(1..REGISTERED_WITHIN_DAYS);
        self.today().plus_days(-delay).max(earliest)
    }

    fn father_of_child(&self, mother: PersonIndex) -> Option<PersonIndex> {
        let spouse = some(self.store.person(mother).spouse)?;
        let row = self.store.person(spouse);
        match row.died {
            None => self.is_free(spouse).then_some(spouse),
            Some(died) => {
                let since = self.today().0 - died.0;
                (since <= i32::from(POSTHUMOUS_WITHIN_DAYS)).then_some(spouse)
            }
        }
    }

    fn residence_of_child(
        &self,
        rng: &mut Rng,
        mother: PersonIndex,
        father: Option<PersonIndex>,
    ) -> Residence {
        let home = self.store.person(mother).household;
        let grandmother = self.store.person(mother).mother;
        if grandmother != NONE
            && self.is_free(grandmother)
            && self.headed(self.store.person(grandmother).household)
            && per_mille(rng, TO_GRANDMOTHER)
        {
            return Residence::Guardian(grandmother);
        }
        let fathers = father.filter(|&father| {
            let household = self.store.person(father).household;
            self.store.is_alive(father) && self.headed(household) && household != home
        });
        match (fathers, home) {
            (Some(father), _) if home == NONE || per_mille(rng, TO_FATHERS_HOUSEHOLD) => {
                Residence::Father(father)
            }
            (_, NONE) => Residence::None,
            _ => Residence::Mother,
        }
    }

    fn headed(&self, household: HouseholdIndex) -> bool {
        some(household).is_some_and(|household| self.store.household(household).head != NONE)
    }

    /// A birth of long ago that stands in an older register. The child gets a place to live later.
    fn plan_late_birth(&mut self, rng: &mut Rng, mother: PersonIndex) {
        let before_start = rng.random_range(30..LATE_WITHIN_DAYS - 60);
        let day = self.options.start_date.plus_days(-before_start);
        let father = self.father_of_child(mother).filter(|&f| self.store.is_alive(f));
        self.legacy_numbers += 1;
        let office = self.office_of(self.store.last_ward(mother));
        let entry = LegacyEntry { office, year: day.year(), number: 100_000 + self.legacy_numbers };
        self.remember_entry(entry);
        let child = self.plan_child(
            rng,
            Child {
                mother,
                father,
                day,
                multiple: None,
                residence: Residence::None,
                legacy_entry: Some(entry),
                tag: "birth.late",
            },
        );
        self.later(rng.random_range(1..30), Todo::Rehome(child));
        self.claim_parents(mother, father);
    }

    fn plan_child(&mut self, rng: &mut Rng, child: Child) -> PersonIndex {
        let mother = self.store.person(child.mother).clone();
        let father = child.father.map(|father| self.store.person(father).clone());
        let sex = figures::sex_at_birth(rng, child.day.year());
        let follows = father.as_ref().unwrap_or(&mother);
        let (household, residence, relationship) = self.state_residence(rng, &child);
        // Registered where the child is to live, which is a parent's or the guardian's commune.
        let ward = match some(household) {
            Some(household) => self.store.household(household).ward,
            None => self.store.last_ward(child.mother),
        };
        let row = Person {
            mother: child.mother,
            father: child.father.unwrap_or(NONE),
            birth_ward: ward,
            ward,
            name: Name::with_surname(rng, sex, follows.name.surname),
            ethnicity: follows.ethnicity,
            relationship,
            marital: MaritalStatus::Unmarried,
            ..new_person(sex, child.day)
        };
        let hometown = Place::in_unit(self.ward_code(follows.birth_ward));
        let newborn = Newborn {
            hometown: Some(hometown),
            birth_order: Some(mother.children + 1),
            multiple: child.multiple,
            ..self.newborn(rng, &row, ward)
        };
        let mut parents =
            vec![biological(ParentRole::Mother, KinRef::Registered(self.name_person(rng, child.mother)))];
        if let Some(father) = child.father {
            let father = KinRef::Registered(self.name_person(rng, father));
            parents.push(biological(ParentRole::Father, father));
        }
        let mothers = self.store.person_mut(child.mother);
        mothers.children = mothers.children.saturating_add(1);
        let person = self.store.plan_person(row);
        if let Some(household) = some(household) {
            self.claim_household(household);
            self.remember_change(household);
        }
        let command = Command::Birth(Birth {
            child: newborn,
            parentage: Parentage::Parents(parents),
            residence,
            registered_at: self.ward_code(ward),
            legacy_entry: child.legacy_entry,
        });
        let effect = Effect::Birth { person, household };
        self.plan(self.office_of(ward), BasisKind::Declaration, command, effect, child.tag);
        person
    }

    /// The household, the choice as the command states it, and the relationship to the head.
    fn state_residence(
        &self,
        rng: &mut Rng,
        child: &Child,
    ) -> (HouseholdIndex, BirthResidence, Relationship) {
        let place = |parent: PersonIndex| {
            let household = self.store.person(parent).household;
            let head = self.store.household(household).head;
            (household, self.relate_child(head, parent))
        };
        match child.residence {
            Residence::None => (NONE, BirthResidence::None, Relationship::OtherKin),
            Residence::Mother => {
                let (household, relationship) = place(child.mother);
                (household, BirthResidence::Mother(relationship), relationship)
            }
            Residence::Father(father) => {
                let (household, relationship) = place(father);
                (household, BirthResidence::Father(relationship), relationship)
            }
            Residence::Guardian(grandmother) => {
                let household = self.store.person(grandmother).household;
                let relationship = match self.store.household(household).head == grandmother {
                    true => Relationship::Grandchild,
                    false => Relationship::OtherKin,
                };
                let guardian = self.in_household(rng, grandmother, relationship);
                (household, BirthResidence::Guardian(guardian), relationship)
            }
        }
    }

    /// How a child of this parent is related to the head of the parent's household.
    fn relate_child(&self, head: PersonIndex, parent: PersonIndex) -> Relationship {
        match self.store.relate(head, parent) {
            Relationship::Head | Relationship::Spouse => Relationship::Child,
            Relationship::Child | Relationship::ChildInLaw => Relationship::Grandchild,
            _ => Relationship::OtherKin,
        }
    }

    fn newborn(&self, rng: &mut Rng, row: &Person, ward: WardIndex) -> Newborn {
        let at_home = per_mille(rng, BORN_AT_HOME);
        let time = TimeOfDay::new(rng.random_range(0..24), rng.random_range(0..60));
        Newborn {
            names: self.names.names(row.name, row.sex),
            sex: row.sex,
            birth: row.birth.into(),
            birth_time: time.filter(|_| !at_home),
            birth_place: Some(Place::in_unit(self.ward_code(ward))),
            hometown: None,
            ethnicity: Some(figures::ethnicity_code(row.ethnicity)),
            nationality: Nationality::vietnamese(),
            weight_g: (!at_home).then(|| rng.random_range(2_300..4_200)),
            birth_order: None,
            multiple: None,
        }
    }

    /// An abandoned child: into a facility if one is near, else without a residence for now.
    pub(crate) fn plan_foundling(&mut self, rng: &mut Rng) -> bool {
        let facility = self.find_facility(rng);
        let ward = match facility {
            Some(facility) => self.store.household(facility).ward,
            None => self.any_home_ward(rng),
        };
        let today = self.today();
        let found_on = today.plus_days(-rng.random_range(7..20)).max(
            // Nobody is registered in a facility before the facility itself is.
            self.options.start_date.plus_days(1).min(today),
        );
        let sex = figures::sex_at_birth(rng, today.year());
        let row = Person {
            birth_ward: ward,
            ward,
            name: Name::draw(rng, sex),
            relationship: Relationship::Resident,
            ..new_person(sex, found_on)
        };
        let newborn = self.newborn(rng, &row, ward);
        let person = self.store.plan_person(row);
        let residence = match facility {
            Some(facility) => BirthResidence::Facility(self.household_id(facility)),
            None => BirthResidence::None,
        };
        if let Some(facility) = facility {
            self.claim_household(facility);
        }
        let command = Command::Birth(Birth {
            child: Newborn { birth_time: None, ..newborn },
            parentage: Parentage::Foundling(Found {
                on: found_on,
                place: Place::in_unit(self.ward_code(ward)),
            }),
            residence,
            registered_at: self.ward_code(ward),
            legacy_entry: None,
        });
        let effect = Effect::Birth { person, household: facility.unwrap_or(NONE) };
        let office = self.office_of(ward);
        self.plan(office, BasisKind::Agency, command, effect, "birth.foundling");
        true
    }

    fn find_facility(&self, rng: &mut Rng) -> Option<HouseholdIndex> {
        let wards = self.home_wards();
        let facility = |ward: &WardIndex| {
            let households = self.store.households_of_ward.get(ward)?;
            households.iter().copied().find(|&household| {
                let row = self.store.household(household);
                row.kind == HouseholdKind::Institutional && row.is_open() && row.busy != self.day
            })
        };
        let first = rng.random_range(0..wards.len());
        wards[first..].iter().chain(&wards[..first]).find_map(facility)
    }

    /// The child of a man who died; whether it could be planned today.
    pub(crate) fn plan_posthumous_birth(&mut self, rng: &mut Rng, mother: PersonIndex) -> bool {
        if !self.store.is_alive(mother) || !self.can_give_birth(mother) {
            return false;
        }
        let day = self.recent_birth_day(rng, mother);
        self.plan_birth_to(rng, mother, day, "birth.couple");
        true
    }

    /// A reference to a person by the registry's own number.
    pub(crate) fn by_id(&self, person: PersonIndex) -> PersonRef {
        PersonRef::PersonId(self.store.person(person).id)
    }
}

/// A birth before its command is written.
struct Child {
    mother: PersonIndex,
    father: Option<PersonIndex>,
    day: Date,
    multiple: Option<MultipleBirth>,
    residence: Residence,
    legacy_entry: Option<LegacyEntry>,
    tag: &'static str,
}

/// Where the child is to live.
#[derive(Clone, Copy)]
enum Residence {
    Mother,
    Father(PersonIndex),
    Guardian(PersonIndex),
    None,
}
