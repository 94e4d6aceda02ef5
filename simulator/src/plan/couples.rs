//! Marriages of today and of long ago, divorces, and the move that follows a wedding.

use crate::distributions as figures;
use crate::effect::Effect;
use crate::enrolment::BEFORE_DAYS;
use crate::names::Name;
use crate::nation::{Nation, Todo};
use crate::rng::{Rng, per_mille};
use crate::store::*;
use event_schemas::basis::{BasisKind, LegacyEntry};
use event_schemas::command::{Command, PermanentMove, RegisterDivorce, RegisterMarriage};
use event_schemas::ids::OfficeId;
use event_schemas::kin::{DescribedPerson, KinRef};
use event_schemas::person::{MaritalStatus, Nationality, PersonRef, Sex};
use event_schemas::place::CountryCode;
use event_schemas::time::Date;
use rand::Rng as _;
use std::collections::BTreeSet;

// Shares of marriages per mille.
const TO_A_FOREIGNER: u32 = 40;
/// Of couples who are entered from older books, those of whom one has died.
const ENTERED_AFTER_A_DEATH: u32 = 60;
/// Ages of full years at which people may marry: Law 52/2014/QH13 Art. 8. The laws before asked for no more.
const GROOM_AGE: i16 = 20;
const BRIDE_AGE: i16 = 18;
/// Longest time from the first possible day to an older wedding.
const WEDDING_WITHIN_DAYS: i32 = 1_500;
/// A judgment takes effect when nobody appeals within 30 days; the court sends it soon after.
const SENT_WITHIN_DAYS: i32 = 20;

impl Nation {
    /// A wedding of today. The bride moves to her husband's household in the days after.
    pub(crate) fn plan_marriage(&mut self, rng: &mut Rng) -> bool {
        if per_mille(rng, TO_A_FOREIGNER) {
            return self.plan_marriage_to_foreigner(rng);
        }
        let today = self.today();
        let bride = self.find_person(rng, |nation, person| {
            nation.is_single(person, Sex::Female)
                && figures::MARRIAGE_AGE_WOMEN.contains(&nation.store.person(person).age(today))
                && nation.can_leave_alone(person)
        });
        let Some(bride) = bride else {
            return false;
        };
        let age = self.store.person(bride).age(today);
        let groom = self.find_person(rng, |nation, person| {
            let row = nation.store.person(person);
            nation.is_single(person, Sex::Male)
                && figures::HUSBAND_OLDER.contains(&(row.age(today) - age))
                && row.household != NONE
                && row.household != nation.store.person(bride).household
                && nation.is_quiet_family(row.household)
                && row.age(today) >= GROOM_AGE
                && !nation.store.are_kin(bride, person)
        });
        let Some(groom) = groom else {
            return false;
        };
        self.claim(bride);
        self.claim(groom);
        self.later(rng.random_range(1..15), Todo::MoveToSpouse(bride));
        let partners = [bride, groom].map(|one| KinRef::Registered(self.name_person(rng, one)));
        let (one, other) = if per_mille(rng, 500) { (bride, groom) } else { (groom, bride) };
        let office = self.office_of_couple(one, other);
        let effect = Effect::Marriage { person: bride, other: groom };
        self.plan_wedding(office, partners, today, None, effect, "marriage.couple");
        true
    }

    fn plan_marriage_to_foreigner(&mut self, rng: &mut Rng) -> bool {
        let today = self.today();
        let sex = if per_mille(rng, 800) { Sex::Female } else { Sex::Male };
        let person = self.find_person(rng, |nation, person| {
            nation.is_single(person, sex) && (GROOM_AGE..45).contains(&nation.store.person(person).age(today))
        });
        let Some(person) = person else {
            return false;
        };
        self.claim(person);
        let partners = [KinRef::Registered(self.name_person(rng, person)), self.foreigner(rng, sex)];
        let effect = Effect::Marriage { person, other: NONE };
        let office = self.office_of(self.store.last_ward(person));
        self.plan_wedding(office, partners, today, None, effect, "marriage.to_foreigner");
        true
    }

    /// Somebody of another country and of the other sex, of age.
    pub(crate) fn foreigner(&self, rng: &mut Rng, other: Sex) -> KinRef<PersonRef> {
        let sex = if other == Sex::Female { Sex::Male } else { Sex::Female };
        let country: CountryCode =
            ["KR", "TW", "JP"][rng.random_range(0..3)].parse().expect("two capital letters");
        KinRef::Described(Box::new(DescribedPerson {
            names: self.names.names(Name::draw(rng, sex), sex),
            birth: Some(self.today().plus_years(-rng.random_range(25..45)).into()),
            nationality: Some(Nationality::Countries(BTreeSet::from([country]))),
            document: None,
        }))
    }

    /// The office where one of them resides, of `one` if both do: Law 60/2014/QH13 Art. 17. Whoever was deleted from the register
    /// gives no office competence, but the last residence of a dead spouse does.
    pub(crate) fn office_of_couple(&self, one: PersonIndex, other: PersonIndex) -> OfficeId {
        let resides = |person: &PersonIndex| self.store.person(*person).household != NONE;
        let died = |person: &PersonIndex| self.store.person(*person).state == State::Gone;
        let couple = [one, other];
        let at_home_of = couple.iter().find(|it| resides(it)).or_else(|| couple.iter().find(|it| died(it)));
        self.office_of(self.store.last_ward(*at_home_of.unwrap_or(&one)))
    }

    /// Neither married nor in a couple.
    pub(crate) fn is_single(&self, person: PersonIndex, sex: Sex) -> bool {
        let row = self.store.person(person);
        row.sex == sex && row.marital != MaritalStatus::Married && row.spouse == NONE
    }

    /// A couple that enrolment stated as married is entered from the older book, sometimes after one of them has died.
    pub(crate) fn plan_old_marriage(&mut self, rng: &mut Rng) -> bool {
        let widowed = per_mille(rng, ENTERED_AFTER_A_DEATH);
        let person = self.find_person(rng, |nation, person| {
            let row = nation.store.person(person);
            let Some(spouse) = some(row.spouse) else { return false };
            let other = nation.store.person(spouse);
            let fits = match widowed {
                true => other.state == State::Gone && other.is_registered(),
                false => nation.is_free(spouse),
            };
            let stated = |row: &Person| row.marital == MaritalStatus::Married && row.wedded == NONE;
            fits && stated(row) && stated(other) && nation.old_wedding(person, spouse).is_some()
        });
        let Some(person) = person else {
            return false;
        };
        let spouse = self.store.person(person).spouse;
        let Some((first, last)) = self.old_wedding(person, spouse) else {
            return false;
        };
        let married_on = first.plus_days(rng.random_range(0..WEDDING_WITHIN_DAYS)).min(last);
        self.claim(person);
        if !widowed {
            self.claim(spouse);
        }
        self.legacy_numbers += 1;
        let office = self.office_of_couple(person, spouse);
        let entry = LegacyEntry { office, year: married_on.year(), number: 100_000 + self.legacy_numbers };
        let partners = [person, spouse].map(|one| KinRef::Registered(self.name_person(rng, one)));
        let effect = Effect::Marriage { person, other: spouse };
        let tag = if widowed { "marriage.after_a_death" } else { "marriage.of_old_book" };
        self.plan_wedding(office, partners, married_on, Some(entry), effect, tag);
        true
    }

    /// First and last day on which a couple can have married: both of age, and before any form stated them as married.
    fn old_wedding(&self, one: PersonIndex, other: PersonIndex) -> Option<(Date, Date)> {
        let of_age = |person: PersonIndex| {
            let row = self.store.person(person);
            row.birth.plus_years(if row.sex == Sex::Male { GROOM_AGE } else { BRIDE_AGE })
        };
        let first = of_age(one).max(of_age(other)).plus_days(1);
        let last = self.options.start_date.plus_days(-BEFORE_DAYS - 1);
        (first <= last).then_some((first, last))
    }

    fn plan_wedding(
        &mut self,
        office: OfficeId,
        partners: [KinRef<PersonRef>; 2],
        married_on: Date,
        legacy_entry: Option<LegacyEntry>,
        effect: Effect,
        tag: &'static str,
    ) {
        let basis = if legacy_entry.is_some() { BasisKind::Form } else { BasisKind::Declaration };
        let command = Command::RegisterMarriage(RegisterMarriage { partners, married_on, legacy_entry });
        self.plan(office, basis, command, effect, tag);
    }

    /// A judgment of the last weeks.
    pub(crate) fn plan_divorce(&mut self, rng: &mut Rng) -> bool {
        let person = self.find_person(rng, |nation, person| {
            some(nation.store.person(person).wedded).is_some_and(|spouse| nation.is_free(spouse))
        });
        let Some(person) = person else {
            return false;
        };
        let spouse = self.store.person(person).wedded;
        let touched = self.store.person(person).touched.max(self.store.person(spouse).touched);
        let earliest = self.date_of(touched.saturating_add(1));
        let today = self.today();
        let effective_on = today.plus_days(-rng.random_range(0..SENT_WITHIN_DAYS)).max(earliest).min(today);
        self.claim(person);
        self.claim(spouse);
        let command = Command::RegisterDivorce(RegisterDivorce {
            person: self.name_person(rng, person),
            spouse: Some(self.name_person(rng, spouse)),
            effective_on,
        });
        let office = self.office_of_couple(person, spouse);
        self.plan(office, BasisKind::Court, command, Effect::Divorce { person }, "divorce");
        true
    }

    /// A bride moves to her husband's household; whether it is settled.
    pub(crate) fn plan_move_to_spouse(&mut self, rng: &mut Rng, person: PersonIndex) -> bool {
        let row = self.store.person(person);
        let Some(spouse) = some(row.wedded) else {
            return true;
        };
        let (from, to) = (row.household, self.store.person(spouse).household);
        if to == NONE || from == to || !self.can_leave_alone(person) {
            return true;
        }
        if !self.is_free(person) || !self.is_free(spouse) || !self.is_quiet_family(to) {
            return false;
        }
        let relationship = self.store.relate(self.store.household(to).head, person);
        self.claim(person);
        self.claim(spouse);
        let movement = PermanentMove::IntoHousehold {
            household: self.household_id(to),
            persons: vec![self.in_household(rng, person, relationship)],
        };
        let effect =
            Effect::Relocate { persons: Box::new([(person, relationship)]), to, new_heads: Vec::new() };
        let ward = self.store.household(to).ward;
        self.plan_move(ward, movement, Vec::new(), effect, "move.marriage");
        true
    }
}
