//! Enrolment, birth, death, names and defects: given what came before, when an office submits, then these facts follow, or
//! these faults stand against it.

mod births;
mod deaths;
mod enrolment;
mod naming;

use domain::testing::*;
use event_schemas::basis::{Evidence, LegacyEntry, MAX_EVIDENCE, RegisterKind};
use event_schemas::command::person::{Found, HouseholdPlace};
use event_schemas::command::{
    Birth, BirthResidence, ChangeName, ClearDefect, Command, Death, EnrolHousehold, EnrolMember, EnrolPerson,
    MemberRef, MultipleBirth, NewPerson, Newborn, Parentage, PersonInHousehold, Succession,
};
use event_schemas::defect::DefectKind;
use event_schemas::document::{IdentityDocument, IdentityDocumentKind};
use event_schemas::event::EventBody;
use event_schemas::guarded::{Guarded, MAX_SEALED_BYTES, SealedField};
use event_schemas::household::{HouseholdKind, Relationship};
use event_schemas::ids::{HouseholdId, OfficeId, PersonId};
use event_schemas::kin::{DescribedPerson, KinRef, ParentKind, ParentLink, ParentRole, Period};
use event_schemas::outcome::Created;
use event_schemas::person::{Identification, Identity, Names, Nationality, PersonRef, PersonalData, Sex};
use event_schemas::place::{DomesticPlace, Place};
use event_schemas::row::{Aspect, RowRef};
use event_schemas::time::PartialDate;

fn names(given: &str) -> Names {
    Names {
        surname: Some(text("Trần")), middle: Some(text("Thị")), given: text(given), other: Vec::new()
    }
}

fn new_person(sex: Sex, birth: &str) -> NewPerson {
    NewPerson {
        identity: Identity {
            names: names("Mai"),
            sex,
            birth: partial(birth),
            birth_time: None,
            birth_place: None,
            nationality: Nationality::vietnamese(),
            identification: Identification::Verified,
        },
        data: PersonalData { birth_registration_place: Some(place(PHUC_XA)), ..PersonalData::default() },
        pin: None,
        parents: Vec::new(),
    }
}

fn parent<P>(role: ParentRole, parent: KinRef<P>) -> ParentLink<P> {
    ParentLink { role, kind: ParentKind::Biological, parent, period: Period::default() }
}

fn described(given: &str) -> Box<DescribedPerson> {
    Box::new(DescribedPerson { names: names(given), birth: None, nationality: None, document: None })
}

fn member(relationship: Relationship, person: NewPerson) -> EnrolMember {
    EnrolMember { relationship, person }
}

fn household(members: Vec<EnrolMember>) -> EnrolHousehold {
    EnrolHousehold {
        kind: HouseholdKind::Family,
        place: place(PHUC_XA),
        file_number: None,
        members,
        effective_on: date("2021-09-01"),
    }
}

/// Father, mother and a child of seven who names both as members.
fn family() -> Vec<EnrolMember> {
    let mut child = new_person(Sex::Female, "2014-05-20");
    child.parents = vec![
        parent(ParentRole::Father, KinRef::Registered(MemberRef::Member(0))),
        parent(ParentRole::Mother, KinRef::Registered(MemberRef::Member(1))),
    ];
    vec![
        member(Relationship::Head, new_person(Sex::Male, "1985-01-02")),
        member(Relationship::Spouse, new_person(Sex::Female, "1987-03-04")),
        member(Relationship::Child, child),
    ]
}

fn kinds(accepted: &domain::Accepted) -> Vec<&'static str> {
    accepted.changes.events.iter().map(|event| event.body.name()).collect()
}

fn child(birth: &str) -> Newborn {
    Newborn {
        names: names("Lan"),
        sex: Sex::Female,
        birth: partial(birth),
        birth_time: None,
        birth_place: None,
        hometown: None,
        ethnicity: None,
        nationality: Nationality::vietnamese(),
        weight_g: Some(3_200),
        birth_order: Some(1),
        multiple: None,
    }
}

fn birth_of(parents: Vec<ParentLink<PersonRef>>, residence: BirthResidence) -> Birth {
    Birth {
        child: child("2022-03-01"),
        parentage: Parentage::Parents(parents),
        residence,
        registered_at: code(PHUC_XA),
        legacy_entry: None,
    }
}

/// A couple with a household.
fn couple(world: &mut World) -> (PersonId, PersonId, HouseholdId) {
    let father = world.person(man("1990-01-01"));
    let mother = world.person(woman("1992-01-01"));
    let members = [(father, Relationship::Head), (mother, Relationship::Spouse)];
    let home = world.household(PHUC_XA, "2021-08-01", &members);
    (father, mother, home)
}

fn both(father: PersonId, mother: PersonId) -> Vec<ParentLink<PersonRef>> {
    vec![
        parent(ParentRole::Father, KinRef::Registered(id(father))),
        parent(ParentRole::Mother, KinRef::Registered(id(mother))),
    ]
}

fn couple_since(world: &mut World, since: &str) -> (PersonId, PersonId, HouseholdId) {
    let father = world.person(man("1990-01-01"));
    let mother = world.person(woman("1992-01-01"));
    let members = [(father, Relationship::Head), (mother, Relationship::Spouse)];
    let home = world.household(PHUC_XA, since, &members);
    (father, mother, home)
}

fn death(person: PersonId, died: &str) -> Death {
    Death {
        person: id(person),
        died: partial(died),
        time: None,
        place: None,
        cause: None,
        registered_at: code(PHUC_XA),
        legacy_entry: None,
        succession: None,
    }
}

fn change_name(person: PersonId, given: &str, on: &str) -> Command {
    Command::ChangeName(ChangeName {
        person: id(person),
        names: names(given),
        reason: text("wishes it"),
        effective_on: date(on),
    })
}

fn enrolled_into(home: HouseholdId, relationship: Relationship, person: NewPerson) -> Command {
    Command::EnrolPerson(EnrolPerson {
        person,
        residence: None,
        household: Some(HouseholdPlace { household: home, relationship }),
        effective_on: date("2021-10-01"),
    })
}

fn cmnd(number: &str) -> IdentityDocument {
    IdentityDocument {
        kind: IdentityDocumentKind::Cmnd,
        number: text(number),
        country: None,
        issued_by: None,
        issued_on: None,
        expires_on: None,
    }
}

fn many_names() -> Names {
    Names { other: vec![text("Bé"); event_schemas::person::MAX_OTHER_NAMES + 1], ..names("Mai") }
}

fn countries(count: u8) -> Nationality {
    let country = |number: u8| {
        let letters = [number / 26, number % 26].map(|letter| char::from(b'A' + letter));
        String::from_iter(letters).parse().expect("two capital letters")
    };
    Nationality::Countries((0..count).map(country).collect())
}

fn faulty_fields(faults: &[event_schemas::outcome::Fault]) -> Vec<String> {
    faults.iter().map(|fault| format!("{} {}", fault.code, fault.field.as_deref().unwrap_or("-"))).collect()
}
