//! Deaths: with a new head named, with headship left vacant, of people who live alone.

use crate::distributions as figures;
use crate::effect::Effect;
use crate::nation::{Nation, TRIES, Todo};
use crate::plan::births::POSTHUMOUS_WITHIN_DAYS;
use crate::rng::{Rng, per_mille};
use crate::store::*;
use event_schemas::basis::BasisKind;
use event_schemas::command::{Command, Death};
use event_schemas::guarded::Guarded;
use event_schemas::person::Sex;
use event_schemas::place::Place;
use event_schemas::text::Text;
use event_schemas::time::{Date, TimeOfDay};
use rand::Rng as _;

/// Kin register a death within 15 days: Law 60/2014/QH13 Art. 33.
const REGISTERED_WITHIN_DAYS: i32 = 15;
// Shares of deaths per mille.
const HEAD_NAMED_AT_ONCE: u32 = 600;
/// Died before the last change in the household, registered after it.
const LATE_IN_HOUSEHOLD: u32 = 60;
const CAUSE_STATED: u32 = 600;
const PLACE_STATED: u32 = 700;
/// From this age, a death needs no other explanation.
const OLD_AGE: i16 = 60;
/// Of young husbands who die, those whose wives expect a child: more than in life, so that small runs show it.
const WIFE_EXPECTS: u32 = 500;
const EXPECTING_AGES: std::ops::Range<i16> = 19..40;

impl Nation {
    /// A death, as likely as the person's age and sex make it.
    pub(crate) fn plan_any_death(&mut self, rng: &mut Rng) -> bool {
        if per_mille(rng, LATE_IN_HOUSEHOLD)
            && let Some((person, died)) = self.find_late_death(rng)
        {
            self.plan_death(rng, person, died, true);
            return true;
        }
        let Some(person) = self.find_dying(rng) else {
            return false;
        };
        let died = self.day_of_death(rng, self.store.person(person));
        self.plan_death(rng, person, died, false);
        true
    }

    /// An old member of a household that changed lately, and a day before that change: registered today, the death is a late
    /// fact in the household's history.
    fn find_late_death(&self, rng: &mut Rng) -> Option<(PersonIndex, Date)> {
        let today = self.today();
        let first = rng.random_range(0..self.changed.len().max(1));
        let changed = self.changed.iter().skip(first).chain(&self.changed);
        for &household in changed.take(self.changed.len()) {
            let home = self.store.household(household);
            let last_day = self.date_of(home.touched).plus_days(-1);
            let fits = |&&member: &&PersonIndex| {
                let row = self.store.person(member);
                row.age(today) >= OLD_AGE
                    && self.date_of(row.touched) < last_day
                    && self.is_free(member)
                    && self.is_spouse_free(member)
            };
            let in_time = last_day.plus_days(REGISTERED_WITHIN_DAYS) > today;
            let others_stay = home.members.len() > 1;
            if home.is_open()
                && in_time
                && others_stay
                && let Some(&member) = home.members.iter().find(fits)
            {
                return Some((member, last_day));
            }
        }
        None
    }

    fn find_dying(&self, rng: &mut Rng) -> Option<PersonIndex> {
        let today = self.today();
        for _ in 0..TRIES * 10 {
            let person = self.anybody(rng);
            let row = self.store.person(person);
            let risk = figures::yearly_death_risk(row.sex, row.age(today)) / figures::HIGHEST_DEATH_RISK;
            let free = self.is_free(person) && self.is_spouse_free(person);
            if rng.random::<f64>() < risk && free && !self.leaves_guests_alone(person) {
                return Some(person);
            }
        }
        None
    }

    /// A death concerns the other partner of a registered marriage as well.
    fn is_spouse_free(&self, person: PersonIndex) -> bool {
        some(self.store.person(person).wedded).is_none_or(|spouse| self.is_free(spouse))
    }

    /// Whether only temporary members would be left: nothing says what becomes of such a household.
    pub(crate) fn leaves_guests_alone(&self, person: PersonIndex) -> bool {
        some(self.store.person(person).household)
            .map(|household| self.store.household(household))
            .is_some_and(|household| household.members.len() == 1 && !household.guests.is_empty())
    }

    /// `late`: the household has changed since, so that who succeeded then is not for this command to say.
    fn plan_death(&mut self, rng: &mut Rng, person: PersonIndex, died: Date, late: bool) {
        let today = self.today();
        let row = self.store.person(person).clone();
        let household = some(row.household);
        let heads = household.filter(|&household| self.store.household(household).head == person);
        let successor = heads.and_then(|household| self.store.next_head(household, &[person], today));
        let named = successor.filter(|_| !late && per_mille(rng, HEAD_NAMED_AT_ONCE));
        if let (Some(household), None) = (heads, named) {
            self.later(rng.random_range(10..40), Todo::FillVacancy(household));
        }
        let succession = named.zip(heads).map(|(head, household)| {
            self.claim(head);
            self.succession(rng, household, head, &[person])
        });
        self.claim(person);
        if let Some(spouse) = some(row.wedded) {
            self.claim(spouse);
        }
        if let Some(household) = household {
            self.remember_change(household);
        }
        self.remember_dead(person);
        self.expect_child(rng, &row);
        let ward = self.store.last_ward(person);
        let unit = self.ward_code(ward);
        let cause = figures::CAUSES_OF_DEATH[rng.random_range(0..figures::CAUSES_OF_DEATH.len())];
        let tag = match (heads, named) {
            _ if late => "death.before_a_change",
            (None, _) => "death.member",
            (Some(_), Some(_)) => "death.head_with_successor",
            (Some(_), None) => "death.head",
        };
        let time = TimeOfDay::new(rng.random_range(0..24), rng.random_range(0..60));
        let command = Command::Death(Death {
            person: self.name_person(rng, person),
            died: died.into(),
            time: time.filter(|_| per_mille(rng, CAUSE_STATED)),
            place: per_mille(rng, PLACE_STATED).then(|| Place::in_unit(unit)),
            cause: per_mille(rng, CAUSE_STATED).then(|| {
                let text = Text::new(cause).expect("a code of ICD-10 is plain");
                Guarded::Plain(text)
            }),
            registered_at: unit,
            legacy_entry: None,
            succession,
        });
        let effect = Effect::Death { person, died, new_head: named.unwrap_or(NONE) };
        self.plan(self.office_of(ward), BasisKind::Declaration, command, effect, tag);
    }

    /// Within the legal time, after all that is registered about the person and the household.
    fn day_of_death(&self, rng: &mut Rng, row: &Person) -> Date {
        let household = some(row.household).map_or(0, |household| self.store.household(household).touched);
        let earliest = self.date_of(row.touched.max(household).saturating_add(1));
        let delay = rng.random_range(0..REGISTERED_WITHIN_DAYS);
        self.today().plus_days(-delay).max(earliest).min(self.today())
    }

    fn expect_child(&mut self, rng: &mut Rng, dead: &Person) {
        let Some(wife) = some(dead.spouse).filter(|_| dead.sex == Sex::Male) else {
            return;
        };
        if EXPECTING_AGES.contains(&self.store.person(wife).age(self.today())) && per_mille(rng, WIFE_EXPECTS)
        {
            let days = rng.random_range(20..POSTHUMOUS_WITHIN_DAYS - 60);
            self.later(days, Todo::PosthumousBirth(wife));
        }
    }
}
