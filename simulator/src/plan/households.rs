//! Households: form, join, leave, split, merge, heads and relationships.

use crate::effect::Effect;
use crate::nation::{Nation, TRIES, Todo};
use crate::rng::{Rng, per_mille};
use crate::store::*;
use event_schemas::basis::BasisKind;
use event_schemas::command::household::LeaveGround;
use event_schemas::command::{
    AppointHead, ChangeRelationship, Command, FormHousehold, JoinHousehold, LeaveHousehold, MergeHouseholds,
    SplitHousehold,
};
use event_schemas::household::{HouseholdKind, Relationship};
use rand::Rng as _;

// Shares per mille.
const SETTLES_ABROAD: u32 = 150;
const HEADS_LEAVE: u32 = 80;
/// Of adults without a household, those who form one of their own.
const FORMS_OWN: u32 = 350;
/// A household that splits has at least so many members.
const SPLITS_FROM: usize = 4;
/// A household that merges into another has at most so many.
const MERGES_UP_TO: usize = 3;
const LEAVERS_AGE: std::ops::Range<i16> = 18..70;

impl Nation {
    /// Somebody's registration ends without another: they settle abroad, or it is struck off and found again later.
    pub(crate) fn plan_leave(&mut self, rng: &mut Rng) -> bool {
        let today = self.today();
        let head_leaves = per_mille(rng, HEADS_LEAVE);
        let person = self.find_person(rng, |nation, person| {
            let row = nation.store.person(person);
            let heads = some(row.household).is_some_and(|household| {
                nation.store.household(household).head == person
                    && !nation.store.stays.contains_key(&person)
                    && nation.store.next_head(household, &[person], today).is_some()
            });
            let fits = if head_leaves { heads } else { nation.can_leave_alone(person) };
            LEAVERS_AGE.contains(&row.age(today)) && fits
        });
        let Some(person) = person else {
            return false;
        };
        let household = self.store.person(person).household;
        let new_head = head_leaves.then(|| self.store.next_head(household, &[person], today)).flatten();
        let abroad = per_mille(rng, SETTLES_ABROAD);
        if !abroad {
            self.later(rng.random_range(5..60), Todo::Rehome(person));
        }
        self.claim(person);
        let command = Command::LeaveHousehold(LeaveHousehold {
            person: self.name_person(rng, person),
            ground: match abroad {
                true => LeaveGround::SettledAbroad,
                false => LeaveGround::RegistrationEnded,
            },
            succession: new_head.map(|head| self.succession(rng, household, head, &[person])),
            effective_on: today,
        });
        let effect = Effect::Leave { person, new_head: new_head.unwrap_or(NONE) };
        let office = self.office_of(self.store.household(household).ward);
        self.plan(office, BasisKind::Agency, command, effect, "household.leave");
        true
    }

    /// Somebody without a household gets one: their own, or another's.
    pub(crate) fn plan_rehoming(&mut self, rng: &mut Rng, person: PersonIndex) -> bool {
        let adult = self.store.person(person).age(self.today()) >= AGE_OF_MAJORITY;
        if adult && per_mille(rng, FORMS_OWN) {
            self.plan_form(rng, person);
            return true;
        }
        self.plan_join(rng, person)
    }

    /// Somebody without a household who is not abroad.
    fn find_homeless(&self, rng: &mut Rng) -> Option<PersonIndex> {
        let today = self.today();
        self.find_person(rng, |nation, person| {
            let row = nation.store.person(person);
            row.household == NONE && row.age(today) >= AGE_OF_MAJORITY
        })
    }

    pub(crate) fn plan_any_form(&mut self, rng: &mut Rng) -> bool {
        match self.find_homeless(rng) {
            Some(person) => {
                self.plan_form(rng, person);
                true
            }
            None => false,
        }
    }

    pub(crate) fn plan_any_join(&mut self, rng: &mut Rng) -> bool {
        match self.find_homeless(rng) {
            Some(person) => self.plan_join(rng, person),
            None => false,
        }
    }

    fn plan_form(&mut self, rng: &mut Rng, person: PersonIndex) {
        let ward = self.store.last_ward(person);
        self.claim(person);
        let to = self.store.plan_household(ward, HouseholdKind::Family);
        let command = Command::FormHousehold(FormHousehold {
            kind: HouseholdKind::Family,
            place: self.address(rng, ward),
            file_number: None,
            members: vec![self.in_household(rng, person, Relationship::Head)],
            effective_on: self.today(),
        });
        let effect =
            Effect::Relocate { persons: Box::new([(person, Relationship::Head)]), to, new_heads: Vec::new() };
        let office = self.office_of(ward);
        self.plan(office, BasisKind::Declaration, command, effect, "household.form");
    }

    fn plan_join(&mut self, rng: &mut Rng, person: PersonIndex) -> bool {
        let mothers = some(self.store.person(person).mother)
            .filter(|&mother| self.store.is_alive(mother))
            .and_then(|mother| some(self.store.person(mother).household))
            .filter(|&household| self.is_quiet_family(household));
        let household = match mothers {
            Some(household) => household,
            None => match self.find_family(rng, |_, _| true) {
                Some(household) => household,
                None => return false,
            },
        };
        let relationship = match self.store.relate(self.store.household(household).head, person) {
            Relationship::OtherKin => Relationship::NotKin,
            kin => kin,
        };
        self.claim(person);
        self.claim_household(household);
        self.remember_change(household);
        let command = Command::JoinHousehold(JoinHousehold {
            household: self.household_id(household),
            person: self.name_person(rng, person),
            relationship,
            effective_on: self.today(),
        });
        let effect = Effect::Relocate {
            persons: Box::new([(person, relationship)]),
            to: household,
            new_heads: Vec::new(),
        };
        let office = self.office_of(self.store.household(household).ward);
        self.plan(office, BasisKind::Declaration, command, effect, "household.join");
        true
    }

    /// An adult with spouse and children forms a household at the same place.
    pub(crate) fn plan_split(&mut self, rng: &mut Rng) -> bool {
        let today = self.today();
        let household = self.find_family(rng, |nation, household| {
            nation.store.household(household).members.len() >= SPLITS_FROM && !nation.has_stays(household)
        });
        let Some(household) = household else {
            return false;
        };
        let home = self.store.household(household);
        let leader = home.members.iter().copied().find(|&member| {
            let row = self.store.person(member);
            member != home.head && row.spouse != home.head && row.age(today) >= AGE_OF_MAJORITY
        });
        let Some(leader) = leader else {
            return false;
        };
        let goes_with = |&member: &PersonIndex| {
            let row = self.store.person(member);
            let kin = [row.mother, row.father, row.spouse];
            member != home.head && (member == leader || kin.contains(&leader))
        };
        let leaving: Vec<PersonIndex> = home.members.iter().copied().filter(goes_with).collect();
        let (ward, head) = (home.ward, home.head);
        debug_assert!(!leaving.contains(&head));
        self.claim(leader);
        self.remember_change(household);
        let places: Vec<(PersonIndex, Relationship)> =
            leaving.iter().map(|&member| (member, self.store.relate(leader, member))).collect();
        let to = self.store.plan_household(ward, HouseholdKind::Family);
        let command = Command::SplitHousehold(SplitHousehold {
            household: self.household_id(household),
            leaving: places
                .iter()
                .map(|&(member, relationship)| self.in_household(rng, member, relationship))
                .collect(),
            file_number: None,
            succession: None,
            effective_on: today,
        });
        for &(member, _) in &places {
            self.claim(member);
        }
        let effect = Effect::Relocate { persons: places.into(), to, new_heads: Vec::new() };
        let office = self.office_of(ward);
        self.plan(office, BasisKind::Declaration, command, effect, "household.split");
        true
    }

    /// A small household merges into another of its ward.
    pub(crate) fn plan_merge(&mut self, rng: &mut Rng) -> bool {
        let from = self.find_family(rng, |nation, household| {
            nation.store.household(household).members.len() <= MERGES_UP_TO && !nation.has_stays(household)
        });
        let Some(from) = from else {
            return false;
        };
        let ward = self.store.household(from).ward;
        let Some(into) = self.find_neighbour(rng, from) else {
            return false;
        };
        let head = self.store.household(into).head;
        let places: Vec<(PersonIndex, Relationship)> = self
            .store
            .household(from)
            .members
            .iter()
            .map(|&member| (member, self.store.relate(head, member)))
            .collect();
        self.claim_household(into);
        for &(member, _) in &places {
            self.claim(member);
        }
        let command = Command::MergeHouseholds(MergeHouseholds {
            from: self.household_id(from),
            into: self.household_id(into),
            relationships: places
                .iter()
                .map(|&(member, relationship)| self.in_household(rng, member, relationship))
                .collect(),
            effective_on: self.today(),
        });
        let effect = Effect::Relocate { persons: places.into(), to: into, new_heads: Vec::new() };
        let office = self.office_of(ward);
        self.plan(office, BasisKind::Declaration, command, effect, "household.merge");
        true
    }

    fn find_neighbour(&self, rng: &mut Rng, household: HouseholdIndex) -> Option<HouseholdIndex> {
        let ward = self.store.household(household).ward;
        let neighbours = self.store.households_of_ward.get(&ward)?;
        for _ in 0..TRIES {
            let other = neighbours[rng.random_range(0..neighbours.len())];
            let here = self.store.household(other).ward == ward;
            if other != household && here && self.is_quiet_family(other) {
                return Some(other);
            }
        }
        None
    }

    /// A household without a head gets one; false if it must be tried on another day.
    pub(crate) fn plan_vacancy(&mut self, rng: &mut Rng, household: HouseholdIndex) -> bool {
        let home = self.store.household(household);
        if !home.is_open() || home.head != NONE {
            return true;
        }
        if home.busy == self.day {
            return false;
        }
        if let Some(head) = self.store.next_head(household, &[], self.today()) {
            self.plan_head(rng, household, head, "head.vacancy");
        }
        true
    }

    /// The head hands over to another adult.
    pub(crate) fn plan_change_of_head(&mut self, rng: &mut Rng) -> bool {
        let today = self.today();
        let successor = |nation: &Self, household| {
            let head = nation.store.household(household).head;
            nation.store.next_head(household, &[head], today)
        };
        let household = self.find_family(rng, |nation, household| successor(nation, household).is_some());
        match household.and_then(|household| Some((household, successor(self, household)?))) {
            Some((household, head)) => {
                self.plan_head(rng, household, head, "head.change");
                true
            }
            None => false,
        }
    }

    fn plan_head(&mut self, rng: &mut Rng, household: HouseholdIndex, head: PersonIndex, tag: &'static str) {
        self.claim(head);
        self.remember_change(household);
        let command = Command::AppointHead(AppointHead {
            succession: self.succession(rng, household, head, &[]),
            effective_on: self.today(),
        });
        let effect = Effect::AppointHead { household, head };
        let office = self.office_of(self.store.household(household).ward);
        self.plan(office, BasisKind::Declaration, command, effect, tag);
    }

    /// A member's relationship to the head is stated anew.
    pub(crate) fn plan_change_of_relationship(&mut self, rng: &mut Rng) -> bool {
        let person = self.find_person(rng, |nation, person| {
            let distant = [Relationship::OtherKin, Relationship::NotKin, Relationship::Sibling];
            nation.can_leave_alone(person) && distant.contains(&nation.store.person(person).relationship)
        });
        let Some(person) = person else {
            return false;
        };
        let relationship = match self.store.person(person).relationship {
            Relationship::NotKin => Relationship::OtherKin,
            _ => Relationship::NotKin,
        };
        let household = self.store.person(person).household;
        self.claim(person);
        let command = Command::ChangeRelationship(ChangeRelationship {
            household: self.household_id(household),
            person: self.name_person(rng, person),
            relationship,
            effective_on: self.today(),
        });
        let effect = Effect::Relationship { person, relationship };
        let office = self.office_of(self.store.household(household).ward);
        self.plan(office, BasisKind::Declaration, command, effect, "household.relationship");
        true
    }
}
