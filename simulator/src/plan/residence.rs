//! Moves and temporary residence.

use crate::distributions as figures;
use crate::effect::Effect;
use crate::enrolment::new_person;
use crate::names::Name;
use crate::nation::{Nation, Todo};
use crate::rng::{Rng, per_mille};
use crate::store::*;
use crate::units::WardIndex;
use event_schemas::basis::BasisKind;
use event_schemas::command::person::HouseholdPlace;
use event_schemas::command::residence::TemporaryPlace;
use event_schemas::command::{
    Command, EndTemporaryResidence, EnrolPerson, MovePermanent, PermanentMove, RegisterTemporaryResidence,
};
use event_schemas::household::{HouseholdKind, Relationship};
use rand::Rng as _;

// Shares per mille.
const MOVES_TO_ANOTHER_PROVINCE: u32 = 180;
const ARRIVES_INTO_HOUSEHOLD: u32 = 400;
const ARRIVES_WITH_ADDRESS: u32 = 500;
const STAYS_WITH_HOUSEHOLD: u32 = 400;
/// Of those who move to a household of their own, those who head the one they leave.
const HEADS_MOVE_OUT: u32 = 80;
/// Temporary residence is registered for 30 days to two years: Law 68/2020/QH14 Art. 27.
const STAY_DAYS: std::ops::Range<i32> = 40..700;
/// People who move alone are mostly young.
const MOVERS_AGE: std::ops::Range<i16> = 18..46;

impl Nation {
    /// A ward to move to: mostly in the same province.
    fn destination(&self, rng: &mut Rng) -> WardIndex {
        if per_mille(rng, MOVES_TO_ANOTHER_PROVINCE) {
            self.any_ward_elsewhere(rng)
        } else {
            self.any_home_ward(rng)
        }
    }

    /// A household moves with all its members.
    pub(crate) fn plan_move_of_household(&mut self, rng: &mut Rng) -> bool {
        let Some(household) = self.find_family(rng, |nation, household| !nation.has_stays(household)) else {
            return false;
        };
        let ward = self.destination(rng);
        if ward == self.store.household(household).ward {
            return false;
        }
        self.claim_household(household);
        for member in self.store.household(household).members.clone() {
            self.claim(member);
        }
        let movement = PermanentMove::WholeHousehold {
            household: self.household_id(household),
            to: self.address(rng, ward),
        };
        let effect = Effect::MoveHousehold { household, ward };
        self.plan_move(ward, movement, Vec::new(), effect, "move.household");
        true
    }

    pub(crate) fn plan_move(
        &mut self,
        to: WardIndex,
        movement: PermanentMove,
        successions: Vec<event_schemas::command::Succession>,
        effect: Effect,
        tag: &'static str,
    ) {
        let command =
            Command::MovePermanent(MovePermanent { effective_on: self.today(), movement, successions });
        self.plan(self.office_of(to), BasisKind::Declaration, command, effect, tag);
    }

    /// Whether somebody may leave the household alone: not its head, nobody's host, nowhere else for a time.
    pub(crate) fn can_leave_alone(&self, person: PersonIndex) -> bool {
        let row = self.store.person(person);
        let Some(household) = some(row.household) else {
            return false;
        };
        let home = self.store.household(household);
        home.head != person
            && home.head != NONE
            && home.kind == HouseholdKind::Family
            && !self.store.stays.contains_key(&person)
    }

    /// A young person moves to a household of their own; sometimes the head does, and another follows as head.
    pub(crate) fn plan_move_out(&mut self, rng: &mut Rng) -> bool {
        let today = self.today();
        let head_moves = per_mille(rng, HEADS_MOVE_OUT);
        let mover = self.find_person(rng, |nation, person| {
            let row = nation.store.person(person);
            let home = some(row.household).map(|household| nation.store.household(household));
            let as_head = home.is_some_and(|home| {
                home.head == person
                    && home.kind == HouseholdKind::Family
                    && !nation.store.stays.contains_key(&person)
                    && nation.store.next_head(row.household, &[person], today).is_some()
            });
            let fits = if head_moves { as_head } else { nation.can_leave_alone(person) };
            MOVERS_AGE.contains(&row.age(today)) && fits
        });
        let Some(mover) = mover else {
            return false;
        };
        let old = self.store.person(mover).household;
        let new_head = head_moves.then(|| self.store.next_head(old, &[mover], today)).flatten();
        let successions =
            new_head.map(|head| self.succession(rng, old, head, &[mover])).into_iter().collect();
        self.claim(mover);
        let ward = self.destination(rng);
        let to = self.store.plan_household(ward, HouseholdKind::Family);
        let movement = PermanentMove::NewHousehold {
            kind: HouseholdKind::Family,
            to: self.address(rng, ward),
            file_number: None,
            persons: vec![self.in_household(rng, mover, Relationship::Head)],
        };
        let effect = Effect::Relocate {
            persons: Box::new([(mover, Relationship::Head)]),
            to,
            new_heads: new_head.map(|head| (old, head)).into_iter().collect(),
        };
        let tag = match head_moves {
            true => "move.head_out",
            false => "move.out",
        };
        self.plan_move(ward, movement, successions, effect, tag);
        true
    }

    /// Somebody arrives who was not registered before: into a household, at an address, or with nowhere to live.
    pub(crate) fn plan_arrival(&mut self, rng: &mut Rng) -> bool {
        let family = self.find_family(rng, |nation, household| {
            nation.units.province_of(nation.store.household(household).ward) == nation.province
        });
        let Some(family) = family else {
            return false;
        };
        let into = per_mille(rng, ARRIVES_INTO_HOUSEHOLD);
        let ward = match into {
            true => self.store.household(family).ward,
            false => self.any_home_ward(rng),
        };
        let age = rng.random_range(MOVERS_AGE);
        let birth = self.today().plus_years(-age).plus_days(-rng.random_range(1..365));
        let sex = figures::sex_at_birth(rng, birth.year());
        let with_address = !into && per_mille(rng, ARRIVES_WITH_ADDRESS);
        let row = Person {
            birth_ward: self.any_ward_elsewhere(rng),
            ward,
            name: Name::draw(rng, sex),
            ethnicity: figures::ethnicity(rng),
            relationship: Relationship::OtherKin,
            resident: with_address,
            cmnd: self.next_cmnd(),
            ..new_person(sex, birth)
        };
        let form = self.new_person_form(&row, None, Vec::new());
        let person = self.store.plan_person(row);
        self.later(rng.random_range(2..12), Todo::IssuePin(person));
        let household = into.then(|| {
            self.claim_household(family);
            HouseholdPlace { household: self.household_id(family), relationship: Relationship::OtherKin }
        });
        if !into {
            self.later(rng.random_range(10..90), Todo::Rehome(person));
        }
        let command = Command::EnrolPerson(EnrolPerson {
            person: form,
            residence: with_address.then(|| self.address(rng, ward)),
            household,
            effective_on: self.today(),
        });
        let effect = Effect::NewPerson { person, household: if into { family } else { NONE } };
        let tag = match (into, with_address) {
            (true, _) => "arrival.into_household",
            (false, true) => "arrival.with_address",
            (false, false) => "arrival.without_address",
        };
        self.plan(self.office_of(ward), BasisKind::Form, command, effect, tag);
        true
    }

    /// A family arrives that was not registered before.
    pub(crate) fn plan_arrival_of_household(&mut self, rng: &mut Rng) -> bool {
        let ward = self.any_home_ward(rng);
        let size = figures::household_size(rng);
        self.enrol_family(rng, ward, size, "arrival.household");
        true
    }

    /// Temporary residence in another commune, alone or with a household there.
    pub(crate) fn plan_stay(&mut self, rng: &mut Rng) -> bool {
        let today = self.today();
        let person = self.find_person(rng, |nation, person| {
            let row = nation.store.person(person);
            MOVERS_AGE.contains(&row.age(today))
                && row.household != NONE
                && !nation.store.stays.contains_key(&person)
        });
        let Some(person) = person else {
            return false;
        };
        let home = self.store.last_ward(person);
        // A host with two members stays a household when one of them dies.
        let host = self
            .find_family(rng, |nation, household| {
                let row = nation.store.household(household);
                let same = row.ward == home || household == nation.store.person(person).household;
                !same && row.members.len() >= 3
            })
            .filter(|_| per_mille(rng, STAYS_WITH_HOUSEHOLD));
        let ward = match host {
            Some(host) => self.store.household(host).ward,
            None => self.any_home_ward(rng),
        };
        if ward == home {
            return false;
        }
        let until = today.plus_days(rng.random_range(STAY_DAYS));
        self.claim(person);
        if let Some(host) = host {
            self.claim_household(host);
        }
        let command = Command::RegisterTemporaryResidence(RegisterTemporaryResidence {
            person: self.name_person(rng, person),
            place: self.address(rng, ward),
            household: host.map(|host| TemporaryPlace {
                household: self.household_id(host),
                relationship: Relationship::NotKin,
            }),
            from: today,
            until,
        });
        let stay = Stay { ward, household: host.unwrap_or(NONE), until };
        let effect = Effect::Stay { person, stay };
        self.plan(self.office_of(ward), BasisKind::Declaration, command, effect, "stay.begin");
        true
    }

    /// Somebody leaves before the last day of temporary residence.
    pub(crate) fn plan_end_of_stay(&mut self, rng: &mut Rng) -> bool {
        if self.store.stays.is_empty() {
            return false;
        }
        let from = self.anybody(rng);
        let mut stays = self.store.stays.range(from..).chain(self.store.stays.range(..from));
        let today = self.today();
        let Some((&person, stay)) = stays.find(|(person, stay)| self.is_free(**person) && stay.until > today)
        else {
            return false;
        };
        let (ward, host) = (stay.ward, stay.household);
        if some(host).is_some_and(|host| self.store.household(host).busy == self.day) {
            return false;
        }
        // Begun today, it cannot end today.
        if self.store.person(person).touched == self.day {
            return false;
        }
        self.claim(person);
        if let Some(host) = some(host) {
            self.claim_household(host);
        }
        let command = Command::EndTemporaryResidence(EndTemporaryResidence {
            person: self.name_person(rng, person),
            effective_on: today,
        });
        let effect = Effect::EndStay { person };
        self.plan(self.office_of(ward), BasisKind::Declaration, command, effect, "stay.end");
        true
    }
}
