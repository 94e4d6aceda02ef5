//! Moves that concern residence and households.

use super::Play;
use crate::testing::place;
use event_schemas::command::household::LeaveGround;
use event_schemas::command::residence::TemporaryPlace;
use event_schemas::command::{
    AppointHead, ChangeRelationship, Command, EndTemporaryResidence, FormHousehold, JoinHousehold,
    LeaveHousehold, MergeHouseholds, MovePermanent, PermanentMove, RegisterTemporaryResidence,
    SplitHousehold, Succession,
};
use event_schemas::household::{HouseholdKind, Relationship};
use event_schemas::ids::PersonId;
use event_schemas::time::Date;

impl Play<'_> {
    fn kind(&self) -> HouseholdKind {
        if self.dice.detail % 6 == 5 { HouseholdKind::Institutional } else { HouseholdKind::Family }
    }

    fn moving(&self, movement: PermanentMove, successions: Vec<Succession>) -> Command {
        Command::MovePermanent(MovePermanent { effective_on: self.day(), movement, successions })
    }

    pub(super) fn move_whole(&self) -> Command {
        let (household, to) = (self.household(self.dice.who), place(self.unit()));
        self.moving(PermanentMove::WholeHousehold { household, to }, Vec::new())
    }

    /// One to three living persons, some of one household.
    fn group(&self) -> Vec<PersonId> {
        let first = self.person_who(self.dice.who, |id| self.is_living(id));
        let mut group = vec![first];
        let family = self.permanent_members(self.household_of(first));
        if self.dice.detail % 4 == 1 {
            group.extend(family.into_iter().find(|member| *member != first));
        }
        if self.dice.detail % 4 == 2 {
            let other = self.person_who(self.dice.whom, |id| self.is_living(id));
            if other != first || self.dice.detail % 32 == 2 {
                group.push(other);
            }
        }
        group
    }

    pub(super) fn move_into(&self) -> Command {
        let group = self.group();
        let household = self.household(self.dice.whom);
        let headless = self.registry.household(household).is_some_and(|row| row.head == 0);
        let head = (headless || self.dice.detail % 23 == 22).then_some(group[0]);
        let persons = self.related(&group, head);
        self.moving(PermanentMove::IntoHousehold { household, persons }, self.successions(&group))
    }

    pub(super) fn move_to_new(&self) -> Command {
        let group = self.group();
        let head = group.iter().copied().find(|person| self.is_adult(*person));
        let persons = self.related(&group, head.filter(|_| self.dice.detail % 13 != 12));
        let (kind, to) = (self.kind(), place(self.unit()));
        let movement = PermanentMove::NewHousehold { kind, to, file_number: None, persons };
        self.moving(movement, self.successions(&group))
    }

    pub(super) fn stay(&self) -> Command {
        let person = self.person_who(self.dice.who, |id| self.is_living(id));
        let host = self.household(self.dice.whom);
        let hosted = self.dice.detail % 3 == 1;
        let unit = self
            .registry
            .household(host)
            .filter(|_| hosted)
            .and_then(|row| self.registry.units().get(event_schemas::ids::UnitId(row.unit)))
            .map_or_else(|| self.unit().to_owned(), |unit| unit.code.to_string());
        let from = self.day();
        let until = match self.dice.place % 8 {
            0 => Date(from.0 + 20 + i32::from(self.dice.whom % 20)),
            1 => Date(from.0 + 700 + i32::from(self.dice.whom % 60)),
            _ => Date(from.0 + 29 + i32::from(self.dice.whom % 200)),
        };
        let relationship = self.relationship(self.dice.detail);
        Command::RegisterTemporaryResidence(RegisterTemporaryResidence {
            person: self.named(person),
            place: place(&unit),
            household: hosted.then_some(TemporaryPlace { household: host, relationship }),
            from,
            until,
        })
    }

    pub(super) fn end_stay(&self) -> Command {
        let staying = |id| self.registry.temporary(id).is_some_and(|stay| stay.unit != 0);
        let person = self.named(self.person_who(self.dice.who, staying));
        Command::EndTemporaryResidence(EndTemporaryResidence { person, effective_on: self.day() })
    }

    fn homeless(&self, number: u16) -> PersonId {
        self.person_who(number, |id| self.is_living(id) && !self.has_household(id))
    }

    pub(super) fn form(&self) -> Command {
        let mut members = vec![self.homeless(self.dice.who), self.homeless(self.dice.whom)];
        members.dedup();
        let head = members.iter().copied().find(|member| self.is_adult(*member));
        Command::FormHousehold(FormHousehold {
            kind: self.kind(),
            place: place(self.unit()),
            file_number: None,
            members: self.related(&members, head),
            effective_on: self.day(),
        })
    }

    pub(super) fn join(&self) -> Command {
        let household = self.household(self.dice.whom);
        let headless = self.registry.household(household).is_some_and(|row| row.head == 0);
        let relationship = if headless { Relationship::Head } else { self.relationship(self.dice.detail) };
        Command::JoinHousehold(JoinHousehold {
            household,
            person: self.named(self.homeless(self.dice.who)),
            relationship,
            effective_on: self.day(),
        })
    }

    pub(super) fn leave(&self) -> Command {
        let person = self.person_who(self.dice.who, |id| self.is_living(id) && self.has_household(id));
        let abroad = self.dice.detail.is_multiple_of(2);
        Command::LeaveHousehold(LeaveHousehold {
            person: self.named(person),
            ground: if abroad { LeaveGround::SettledAbroad } else { LeaveGround::RegistrationEnded },
            succession: self.successions(&[person]).pop(),
            effective_on: self.day(),
        })
    }

    pub(super) fn split(&self) -> Command {
        let household = self.household(self.dice.who);
        let members = self.permanent_members(household);
        let leaving: Vec<PersonId> = match members.len() {
            0 => vec![self.person(self.dice.whom)],
            count => {
                let first = usize::from(self.dice.whom) % count;
                let second = (self.dice.detail % 3 == 1).then_some((first + 1) % count);
                let mut leaving = vec![members[first]];
                leaving.extend(second.filter(|second| *second != first).map(|second| members[second]));
                leaving
            }
        };
        let head = leaving.iter().copied().find(|member| self.is_adult(*member));
        Command::SplitHousehold(SplitHousehold {
            household,
            leaving: self.related(&leaving, head),
            file_number: None,
            succession: self.successions(&leaving).into_iter().find(|other| other.household == household),
            effective_on: self.day(),
        })
    }

    pub(super) fn merge(&self) -> Command {
        let (from, into) = (self.household(self.dice.who), self.household(self.dice.whom));
        let relationships = self.related(&self.permanent_members(from), None);
        Command::MergeHouseholds(MergeHouseholds { from, into, relationships, effective_on: self.day() })
    }

    pub(super) fn appoint(&self) -> Command {
        let household = self.household(self.dice.who);
        let members = self.permanent_members(household);
        let head = match members.len() {
            0 => self.person(self.dice.whom),
            count => members[usize::from(self.dice.whom) % count],
        };
        let succession = self.succession(household, head, &members);
        Command::AppointHead(AppointHead { succession, effective_on: self.day() })
    }

    pub(super) fn relate(&self) -> Command {
        let person = self.person_who(self.dice.who, |id| self.has_household(id));
        Command::ChangeRelationship(ChangeRelationship {
            household: self.household_of(person),
            person: self.named(person),
            relationship: self.relationship(self.dice.detail),
            effective_on: self.day(),
        })
    }
}
