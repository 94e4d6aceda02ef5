//! Moves that concern persons and their numbers.

use super::Play;
use crate::registry::fold::sex_of;
use crate::testing::{PHUC_XA, code, place, text};
use event_schemas::basis::LegacyEntry;
use event_schemas::command::person::HouseholdPlace;
use event_schemas::command::{
    AcceptPin, Birth, BirthResidence, ChangeName, ClearDefect, Command, Death, EnrolHousehold, EnrolMember,
    EnrolPerson, IssuePin, MemberRef, NewPerson, Newborn, Parentage,
};
use event_schemas::defect::DefectKind;
use event_schemas::household::{HouseholdKind, Relationship};
use event_schemas::ids::{HouseholdId, PersonId};
use event_schemas::kin::{KinRef, ParentKind, ParentLink, ParentRole, Period};
use event_schemas::person::{
    Identification, Identity, LegalCapacity, MaritalStatus, Names, Nationality, PersonRef, PersonalData, Sex,
};
use event_schemas::pin::PinCell;
use event_schemas::row::RowRef;
use event_schemas::time::{Date, PartialDate};

fn names(number: u16) -> Names {
    let given = ["An", "Bình", "Chi", "Dũng", "Hoa"][usize::from(number) % 5];
    Names { surname: Some(text("Nguyễn")), middle: None, given: text(given), other: Vec::new() }
}

fn link<P>(role: ParentRole, parent: P) -> ParentLink<P> {
    ParentLink {
        role,
        kind: ParentKind::Biological,
        parent: KinRef::Registered(parent),
        period: Period::default(),
    }
}

impl Play<'_> {
    fn new_person(&self, age_years: i16, sex: Sex) -> NewPerson {
        let birth = self.today().plus_years(-age_years).plus_days(-i32::from(self.dice.whom % 365));
        let vague = self.dice.detail % 9 == 8;
        let birth = if vague {
            PartialDate::of_year(birth.year()).expect("a year of our time")
        } else {
            birth.into()
        };
        let capacity =
            if self.dice.place % 12 == 11 { LegalCapacity::Restricted } else { LegalCapacity::Full };
        NewPerson {
            identity: Identity {
                names: names(self.dice.whom),
                sex,
                birth,
                birth_time: None,
                birth_place: None,
                nationality: Nationality::vietnamese(),
                identification: Identification::Verified,
            },
            data: PersonalData {
                birth_registration_place: Some(place(PHUC_XA)),
                capacity,
                marital_status: self.stated_status(age_years),
                ..PersonalData::default()
            },
            pin: None,
            parents: Vec::new(),
        }
    }

    /// What a form says of somebody of this age; often nothing.
    fn stated_status(&self, age_years: i16) -> Option<MaritalStatus> {
        match self.dice.detail % 7 {
            0 | 1 if age_years >= 30 => Some(MaritalStatus::Married),
            2 | 3 => Some(MaritalStatus::Unmarried),
            4 if age_years >= 30 => Some(MaritalStatus::Widowed),
            _ => None,
        }
    }

    pub(super) fn enrol_household(&self) -> Command {
        let head = if self.dice.detail % 8 == 7 { Relationship::NotKin } else { Relationship::Head };
        let member = |relationship, person| EnrolMember { relationship, person };
        let mut members = vec![member(head, self.new_person(40, Sex::Male))];
        if !self.dice.whom.is_multiple_of(4) {
            members.push(member(Relationship::Spouse, self.new_person(36, Sex::Female)));
        }
        if self.dice.whom % 4 > 1 {
            let mut child = self.new_person(10 + (self.dice.place % 9) as i16, Sex::Female);
            child.parents = vec![
                link(ParentRole::Father, MemberRef::Member(0)),
                link(ParentRole::Mother, MemberRef::Member(1)),
            ];
            members.push(member(Relationship::Child, child));
        }
        Command::EnrolHousehold(EnrolHousehold {
            kind: HouseholdKind::Family,
            place: place(self.unit()),
            file_number: None,
            members,
            effective_on: self.day(),
        })
    }

    pub(super) fn enrol_person(&self) -> Command {
        let sex = if self.dice.who.is_multiple_of(2) { Sex::Male } else { Sex::Female };
        let household = HouseholdPlace {
            household: self.household(self.dice.who),
            relationship: self.relationship(self.dice.detail),
        };
        Command::EnrolPerson(EnrolPerson {
            person: self.new_person(20 + (self.dice.place % 50) as i16, sex),
            residence: (self.dice.detail % 3 == 1).then(|| place(self.unit())),
            household: (self.dice.detail % 3 == 2).then_some(household),
            effective_on: self.day(),
        })
    }

    fn is_woman_of(&self, person: PersonId, youngest_years: i16) -> bool {
        self.registry.person(person).is_some_and(|row| {
            let birth = PartialDate::from_packed(row.birth);
            row.died == 0
                && sex_of(row.sex) == Sex::Female
                && birth.is_some_and(|birth| self.today().full_years_since(birth.latest()) >= youngest_years)
        })
    }

    pub(super) fn birth(&self) -> Command {
        let mother = self.person_who(self.dice.who, |id| self.is_woman_of(id, 18));
        let father = self.registry.household(self.household_of(mother)).map_or(0, |row| row.head);
        let mut parents = vec![link(ParentRole::Mother, self.named(mother))];
        if father != 0 && father != mother.0 {
            parents.push(link(ParentRole::Father, self.named(PersonId(father))));
        }
        let residence = match self.dice.place % 6 {
            0 => BirthResidence::None,
            1 => BirthResidence::Father(Relationship::Child),
            2 => BirthResidence::Facility(self.household(self.dice.whom)),
            _ => BirthResidence::Mother(Relationship::Child),
        };
        Command::Birth(Birth {
            child: Newborn {
                names: names(self.dice.whom),
                sex: [Sex::Male, Sex::Female, Sex::Unknown][usize::from(self.dice.whom % 9 / 4)],
                birth: self.day().into(),
                birth_time: None,
                birth_place: None,
                hometown: None,
                ethnicity: None,
                nationality: Nationality::vietnamese(),
                weight_g: Some(3_100),
                birth_order: None,
                multiple: None,
            },
            parentage: Parentage::Parents(parents),
            residence,
            registered_at: code(self.unit()),
            legacy_entry: self.legacy_entry(),
        })
    }

    fn legacy_entry(&self) -> Option<LegacyEntry> {
        (self.dice.detail % 17 == 16).then(|| LegacyEntry {
            office: super::PHUC_XA_OFFICE,
            year: 2022,
            number: 1 + u32::from(self.dice.whom % 20),
        })
    }

    /// The day, or only its month or its year.
    fn vaguely(&self, day: Date) -> PartialDate {
        let vague = match (self.dice.detail / 2 % 4, day.ymd()) {
            (2, (year, month, _)) => PartialDate::of_month(year, month),
            (3, (year, ..)) => PartialDate::of_year(year),
            _ => return day.into(),
        };
        vague.expect("a month of our time")
    }

    pub(super) fn death(&self) -> Command {
        let person = self.person_who(self.dice.who, |id| self.is_living(id));
        Command::Death(Death {
            person: self.named(person),
            died: self.vaguely(self.day()),
            time: None,
            place: None,
            cause: None,
            registered_at: code(self.unit()),
            legacy_entry: self.legacy_entry(),
            succession: self.successions(&[person]).pop().filter(|_| self.dice.detail.is_multiple_of(2)),
        })
    }

    pub(super) fn change_name(&self) -> Command {
        Command::ChangeName(ChangeName {
            person: self.named(self.person(self.dice.who)),
            names: names(self.dice.detail),
            reason: text("theo yêu cầu"),
            effective_on: self.day(),
        })
    }

    /// The first defect of the last rows, or one that does not exist.
    pub(super) fn clear_defect(&self) -> Command {
        let persons = self.registry.head().persons.0;
        let households = self.registry.head().households.0;
        let of_person = (persons.saturating_sub(super::POOL) + 1..=persons).map(PersonId).find_map(|id| {
            Some((RowRef::Person(id), self.registry.person(id)?.defects)).filter(|row| row.1 != 0)
        });
        let of_household =
            (households.saturating_sub(super::POOL) + 1..=households).map(HouseholdId).find_map(|id| {
                Some((RowRef::Household(id), self.registry.household(id)?.defects)).filter(|row| row.1 != 0)
            });
        let (row, open) =
            of_person.or(of_household).unwrap_or((RowRef::Person(self.person(self.dice.who)), 0));
        let defect = DefectKind::ALL.iter().copied().find(|kind| open & kind.bit() != 0);
        let defect = defect.unwrap_or(DefectKind::ParentsMissing);
        Command::ClearDefect(ClearDefect { row, defect, reason: text("đã bổ sung") })
    }

    fn without_pin(&self) -> PersonId {
        self.person_who(self.dice.who, |id| {
            self.is_living(id) && self.registry.person(id).is_some_and(|row| row.pin.get() == 0)
        })
    }

    pub(super) fn issue_pin(&self) -> Command {
        let person = PersonRef::PersonId(self.without_pin());
        Command::IssuePin(IssuePin { person, birth_registered_at: Some(code(PHUC_XA)) })
    }

    pub(super) fn accept_pin(&self) -> Command {
        let person = self.without_pin();
        let (sex, birth) = self
            .registry
            .person(person)
            .and_then(|row| Some((sex_of(row.sex), PartialDate::from_packed(row.birth)?)))
            .unwrap_or((Sex::Male, PartialDate::of_day(Date(0))));
        let cell = PinCell::of(1, sex, birth.year());
        let cell = cell.unwrap_or(PinCell { place: 1, century_sex: 0, year: 70 });
        let pin = cell.pin(u32::from(self.dice.whom % 30));
        Command::AcceptPin(AcceptPin { person: PersonRef::PersonId(person), pin })
    }
}
