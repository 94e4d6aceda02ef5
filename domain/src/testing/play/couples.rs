//! Moves that concern couples.

use super::Play;
use crate::registry::fold::sex_of;
use crate::testing::text;
use crate::timeline::marriage::Spouse;
use event_schemas::command::{Command, RegisterDivorce, RegisterMarriage};
use event_schemas::ids::PersonId;
use event_schemas::kin::{DescribedPerson, KinRef};
use event_schemas::person::{Names, PersonRef, Sex};
use event_schemas::time::Date;

impl Play<'_> {
    fn sex(&self, person: PersonId) -> Sex {
        self.registry.person(person).map_or(Sex::Unknown, |row| sex_of(row.sex))
    }

    fn spouse(&self, person: PersonId) -> Option<Spouse> {
        self.registry.person(person).and_then(|row| row.marital().spouse)
    }

    /// A day of the last years, mostly of this year: marriages and divorces come late more often than other facts.
    fn day_of_a_couple(&self) -> Date {
        let back = i32::from(self.dice.day);
        if back % 3 == 0 { self.today().plus_days(-(back / 3 % 1_500)) } else { self.day() }
    }

    /// Mostly two adults who are free; sometimes of long ago with one who has died, seldom with anybody.
    pub(super) fn marry(&self) -> Command {
        let of_the_dead = self.dice.detail % 4 == 3;
        let anybody = self.dice.detail % 8 == 6;
        let one = |number, sex, dead| {
            self.person_who(number, |id| {
                let is_free = self.spouse(id).is_none() && self.is_living(id) != dead;
                self.sex(id) == sex && self.is_adult(id) && (anybody || is_free)
            })
        };
        let husband = one(self.dice.who, Sex::Male, of_the_dead);
        let wife = match self.dice.place % 31 {
            30 => self.person(self.dice.whom),
            _ => one(self.dice.whom, Sex::Female, false),
        };
        let husband = match self.dice.place % 9 {
            8 => described(),
            _ => KinRef::Registered(self.named(husband)),
        };
        let long_ago = self.today().plus_days(-600 - i32::from(self.dice.day % 2_000));
        Command::RegisterMarriage(RegisterMarriage {
            partners: [husband, KinRef::Registered(self.named(wife))],
            married_on: if of_the_dead { long_ago } else { self.day_of_a_couple() },
            legacy_entry: None,
        })
    }

    pub(super) fn divorce(&self) -> Command {
        let person = self.person_who(self.dice.who, |id| self.spouse(id).is_some());
        let spouse = match self.spouse(person) {
            Some(Spouse::Registered(spouse)) => Some(self.named(spouse)),
            _ => (self.dice.place % 5 == 4).then(|| self.named(self.person(self.dice.whom))),
        };
        Command::RegisterDivorce(RegisterDivorce {
            person: self.named(person),
            spouse,
            effective_on: self.day_of_a_couple(),
        })
    }
}

fn described() -> KinRef<PersonRef> {
    let names = Names { surname: None, middle: None, given: text("Marie"), other: Vec::new() };
    KinRef::Described(Box::new(DescribedPerson { names, birth: None, nationality: None, document: None }))
}
