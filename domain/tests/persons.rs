//! Enrolment, birth, death, names and defects: given what came before, when an office submits, then these facts follow, or
//! these faults stand against it.

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

#[test]
fn a_household_is_enrolled_with_all_its_members() {
    let mut world = World::new();
    let accepted = world.given_by(PHUC_XA_OFFICE, Command::EnrolHousehold(household(family())));
    let created = Created::by(&accepted.changes.events);
    let [father, mother, child] = created.persons[..] else { panic!("three persons: {created:?}") };
    assert_eq!(
        kinds(&accepted),
        [
            "household_formed",
            "person_registered",
            "permanent_residence_registered",
            "member_joined",
            "person_registered",
            "permanent_residence_registered",
            "member_joined",
            "person_registered",
            "parent_linked",
            "parent_linked",
            "permanent_residence_registered",
            "member_joined",
            "head_appointed",
        ]
    );
    let row = world.registry.person(child).unwrap();
    assert_eq!((row.father, row.mother), (father.0, mother.0));
    let home = world.registry.household(created.households[0]).unwrap();
    assert_eq!(home.head, father.0);
    assert_eq!(home.permanent_members().collect::<Vec<_>>(), [father, mother, child]);
}

#[test]
fn gaps_of_legacy_data_become_defects() {
    let mut world = World::new();
    let mut child = new_person(Sex::Unknown, "2015");
    child.data.birth_registration_place = None;
    let enrolled = household(vec![member(Relationship::Child, child)]);
    let accepted = world.given_by(PHUC_XA_OFFICE, Command::EnrolHousehold(enrolled));
    let noted: Vec<String> = accepted
        .changes
        .events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::DefectNoted(noted) => Some(format!("{} {}", noted.row, noted.defect)),
            _ => None,
        })
        .collect();
    assert_eq!(
        noted,
        [
            "person P1 birth_date_incomplete",
            "person P1 sex_unknown",
            "person P1 parents_missing",
            "person P1 birth_registration_place_missing",
            "household H1 head_missing",
        ]
    );
}

#[test]
fn an_enrolment_names_all_its_faults_at_once() {
    let mut world = World::new();
    let mut stranger = new_person(Sex::Male, "2022-01-01");
    stranger.parents = vec![parent(ParentRole::Mother, KinRef::Registered(MemberRef::Member(7)))];
    stranger.pin = Some("999222000001".parse().unwrap());
    let mut enrolled = household(vec![
        member(Relationship::Head, stranger),
        member(Relationship::Head, new_person(Sex::Male, "1980-01-01")),
    ]);
    enrolled.place = place("00002");
    world.when_by(PHUC_XA_OFFICE, Command::EnrolHousehold(enrolled)).then_refused(&[
        "date_before_birth",
        "unknown_unit",
        "member_out_of_range",
        "pin_place_unknown",
        "two_heads",
    ]);
}

#[test]
fn an_unknown_unit_names_near_codes() {
    let mut world = World::new();
    let mut enrolled = household(family());
    enrolled.place = place("00002");
    let faults = world.when(Command::EnrolHousehold(enrolled)).then_refused(&["unknown_unit"]);
    assert!(faults[0].en.contains("00001 Phường Phúc Xá"), "{}", faults[0].en);
}

#[test]
fn residence_lies_in_a_ward_or_an_island_district() {
    let mut world = World::new();
    let mut enrolled = household(family());
    enrolled.place = place(HA_NOI);
    world.when(Command::EnrolHousehold(enrolled.clone())).then_refused(&["unit_not_for_residence"]);
    enrolled.place = place(BACH_LONG_VI);
    world.given_by(HAI_PHONG_OFFICE, Command::EnrolHousehold(enrolled));
}

#[test]
fn lists_are_bounded_and_dates_are_not_of_the_future() {
    let mut world = World::new();
    world.when(Command::EnrolHousehold(household(Vec::new()))).then_refused(&["empty_list"]);
    let crowd = (0..201).map(|_| member(Relationship::NotKin, new_person(Sex::Male, "1980"))).collect();
    world.when(Command::EnrolHousehold(household(crowd))).then_refused(&["too_many"]);
    let mut tomorrow = household(family());
    tomorrow.effective_on = date("2022-03-16");
    world.when(Command::EnrolHousehold(tomorrow)).then_refused(&["date_in_future"]);
}

#[test]
fn an_office_enrols_only_where_it_is_competent() {
    let mut world = World::new();
    let enrolled = Command::EnrolHousehold(household(family()));
    world.when_by(TRUC_BACH_OFFICE, enrolled.clone()).then_refused(&["not_competent"]);
    world.when_by(OfficeId(99), enrolled.clone()).then_refused(&["unknown_office"]);
    world.given_by(NATIONAL_OFFICE, enrolled);
}

#[test]
fn a_pin_from_before_is_checked() {
    let mut world = World::new();
    let enrol = |pin: &str| {
        let mut person = new_person(Sex::Female, "1999-03-14");
        person.pin = Some(pin.parse().unwrap());
        let person = EnrolPerson {
            person,
            residence: Some(place(PHUC_XA)),
            household: None,
            effective_on: date("2021-09-01"),
        };
        Command::EnrolPerson(person)
    };
    world.given(enrol("001199000017"));
    world.when(enrol("001199000017")).then_refused(&["pin_taken"]);
    world.when(enrol("002199000017")).then_refused(&["pin_place_unknown"]);
    world.when(enrol("001099000018")).then_refused(&["pin_disagrees"]);
    let mut overridden = world.envelope(enrol("001099000018"));
    overridden.overrides = vec![text("pin_disagrees")];
    let accepted = world.given_envelope(PHUC_XA_OFFICE, overridden);
    assert!(kinds(&accepted).contains(&"defect_noted"));
}

#[test]
fn a_cmnd_that_another_person_holds_is_a_defect_at_most() {
    let mut world = World::new();
    let enrol = || {
        let mut person = new_person(Sex::Male, "1970-03-14");
        person.data.documents = vec![IdentityDocument {
            kind: IdentityDocumentKind::Cmnd,
            number: text("012345678"),
            country: None,
            issued_by: None,
            issued_on: None,
            expires_on: None,
        }];
        let residence = Some(place(PHUC_XA));
        let effective_on = date("2021-09-01");
        Command::EnrolPerson(EnrolPerson { person, residence, household: None, effective_on })
    };
    world.given(enrol());
    world.when(enrol()).then_refused(&["cmnd_taken"]);
    let mut envelope = world.envelope(enrol());
    envelope.overrides = vec![text("cmnd_taken")];
    world.given_envelope(PHUC_XA_OFFICE, envelope);
    let found = world.registry.lookups().person_by_cmnd(12_345_678);
    assert_eq!(found, Some(PersonId(1)), "the first holder is found");
}

#[test]
fn one_person_joins_an_existing_household() {
    let mut world = World::new();
    let head = world.person(man("1980-01-01"));
    let home = world.household(PHUC_XA, "2021-08-01", &[(head, Relationship::Head)]);
    let join = |relationship, residence| {
        Command::EnrolPerson(EnrolPerson {
            person: new_person(Sex::Female, "1990-01-01"),
            residence,
            household: Some(HouseholdPlace { household: home, relationship }),
            effective_on: date("2021-09-01"),
        })
    };
    world.when(join(Relationship::Head, None)).then_refused(&["head_exists"]);
    world.when(join(Relationship::Spouse, Some(place(PHUC_XA)))).then_refused(&["residence_and_household"]);
    world.given(join(Relationship::Spouse, None));
    assert_eq!(world.registry.household(home).unwrap().members.len(), 2);
}

#[test]
fn rules_are_overridden_only_with_a_basis_and_only_if_they_can_be() {
    let mut world = World::new();
    let person = world.person(man("1980-01-01"));
    world.resident(person, PHUC_XA, "2021-08-01");
    let mut change = world.envelope(change_name(person, "Bình", "2022-01-10"));
    change.overrides = vec![text("head_required")];
    world.when_envelope(PHUC_XA_OFFICE, change.clone()).then_refused(&["override_without_basis"]);
    change.basis.kind = event_schemas::basis::BasisKind::Court;
    change.overrides = vec![text("person_dead"), text("no_such_rule")];
    world.when_envelope(PHUC_XA_OFFICE, change).then_refused(&["unknown_rule"]);
}

#[test]
fn a_version_seen_earlier_is_not_overwritten() {
    let mut world = World::new();
    let person = world.person(man("1980-01-01"));
    world.resident(person, PHUC_XA, "2021-08-01");
    let row = RowRef::Person(person);
    let (version, _) = world.registry.version(row);
    let mut change = world.envelope(change_name(person, "Bình", "2022-01-10"));
    change.expected_versions = vec![event_schemas::command::ExpectedVersion { row, version }];
    world.given_envelope(PHUC_XA_OFFICE, change.clone());
    let faults = world.when_envelope(PHUC_XA_OFFICE, change).then_refused(&["version_conflict"]);
    assert_eq!(faults[0].rows, [row]);
}

// Births.

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

#[test]
fn a_birth_registers_links_numbers_and_settles_the_child() {
    let mut world = World::new();
    let (father, mother, home) = couple(&mut world);
    let birth = birth_of(both(father, mother), BirthResidence::Mother(Relationship::Child));
    let accepted = world.given_by(PHUC_XA_OFFICE, Command::Birth(birth));
    assert_eq!(
        kinds(&accepted),
        [
            "person_registered",
            "parent_linked",
            "parent_linked",
            "pin_issued",
            "permanent_residence_registered",
            "member_joined"
        ]
    );
    let created = Created::by(&accepted.changes.events);
    let (child, pin) = created.pins[0];
    assert!(pin.to_string().starts_with("001322"), "place 001, female of this century, 2022: {pin}");
    let entry = created.entries[0];
    assert_eq!(
        (entry.office, entry.register, entry.year, entry.number),
        (PHUC_XA_OFFICE, RegisterKind::Birth, 2022, 1)
    );
    let row = world.registry.person(child).unwrap();
    assert_eq!(
        (row.household, row.unit, row.father, row.mother),
        (home.0, unit(PHUC_XA).0, father.0, mother.0)
    );
    // Parents' rows are named by the links, so their versions move too (W3).
    assert_eq!(accepted.changes.rows.len(), 4);
}

#[test]
fn register_numbers_have_no_gap_and_pass_over_older_entries() {
    let mut world = World::new();
    let (father, mother, _) = couple(&mut world);
    let mut numbers = Vec::new();
    for legacy in [None, Some(2), None, None] {
        let mut birth = birth_of(both(father, mother), BirthResidence::None);
        birth.legacy_entry = legacy.map(|number| LegacyEntry { office: PHUC_XA_OFFICE, year: 2022, number });
        let accepted = world.given_by(PHUC_XA_OFFICE, Command::Birth(birth));
        numbers.push(Created::by(&accepted.changes.events).entries[0].number);
    }
    assert_eq!(numbers, [1, 2, 3, 4]);
}

#[test]
fn one_entry_cannot_be_registered_twice() {
    let mut world = World::new();
    let (father, mother, _) = couple(&mut world);
    let mut birth = birth_of(both(father, mother), BirthResidence::None);
    let entry = |year| Some(LegacyEntry { office: TRUC_BACH_OFFICE, year, number: 12 });
    birth.legacy_entry = entry(2021);
    world.given_by(PHUC_XA_OFFICE, Command::Birth(birth.clone()));
    world.when_by(PHUC_XA_OFFICE, Command::Birth(birth.clone())).then_refused(&["register_entry_taken"]);
    birth.legacy_entry = entry(2023);
    world.when_by(PHUC_XA_OFFICE, Command::Birth(birth)).then_refused(&["date_in_future"]);
}

#[test]
fn father_unknown_foundling_and_described_parents_are_births_too() {
    let mut world = World::new();
    let (_, mother, home) = couple(&mut world);
    let alone = vec![parent(ParentRole::Mother, KinRef::Registered(id(mother)))];
    world.given(Command::Birth(birth_of(alone, BirthResidence::Mother(Relationship::Child))));
    let foreign = vec![parent(ParentRole::Father, KinRef::Described(described("John")))];
    world.given(Command::Birth(birth_of(foreign, BirthResidence::None)));
    let mut foundling = birth_of(Vec::new(), BirthResidence::Facility(home));
    foundling.parentage = Parentage::Foundling(Found { on: date("2022-03-05"), place: place(PHUC_XA) });
    let accepted = world.given(Command::Birth(foundling));
    assert!(!kinds(&accepted).contains(&"parent_linked"));
}

#[test]
fn a_child_of_unknown_sex_gets_its_number_later() {
    let mut world = World::new();
    let (father, mother, _) = couple(&mut world);
    let mut birth = birth_of(both(father, mother), BirthResidence::None);
    birth.child.sex = Sex::Unknown;
    let accepted = world.given(Command::Birth(birth));
    assert!(!kinds(&accepted).contains(&"pin_issued"));
}

#[test]
fn twins_state_their_place_and_impossible_births_are_refused() {
    let mut world = World::new();
    let (father, mother, _) = couple(&mut world);
    let mut twin = birth_of(both(father, mother), BirthResidence::None);
    twin.child.multiple = Some(MultipleBirth { children: 2, number: 1 });
    world.given(Command::Birth(twin.clone()));
    twin.child.multiple = Some(MultipleBirth { children: 2, number: 3 });
    twin.child.weight_g = Some(32);
    world
        .when(Command::Birth(twin))
        .then_refused(&["multiple_birth_out_of_range", "birth_weight_impossible"]);
}

#[test]
fn a_birth_of_tomorrow_is_refused_and_a_late_one_says_so() {
    let mut world = World::new();
    let (father, mother, _) = couple(&mut world);
    let on = |day: &str| {
        let mut birth = birth_of(both(father, mother), BirthResidence::None);
        birth.child.birth = partial(day);
        Command::Birth(birth)
    };
    world.when(on("2022-03-16")).then_refused(&["date_in_future"]);
    let late = |accepted: &domain::Accepted| match &accepted.changes.events[0].body {
        EventBody::PersonRegistered(event) => match &event.origin {
            event_schemas::event::Origin::Birth(birth) => birth.late,
            event_schemas::event::Origin::Enrolment => panic!("a birth"),
        },
        other => panic!("{other:?}"),
    };
    // Sixty days before 2022-03-15 is 2022-01-14.
    assert!(!late(&world.given(on("2022-01-14"))));
    assert!(late(&world.given(on("2022-01-13"))));
}

#[test]
fn parents_are_of_the_right_sex_old_enough_and_alive_when_it_matters() {
    let mut world = World::new();
    let (father, mother, _) = couple(&mut world);
    let swapped = both(mother, father);
    world.when(Command::Birth(birth_of(swapped, BirthResidence::None))).then_refused(&["parent_sex_differs"]);
    let twice = vec![
        parent(ParentRole::Mother, KinRef::Registered(id(mother))),
        parent(ParentRole::Mother, KinRef::Described(described("Hoa"))),
    ];
    world.when(Command::Birth(birth_of(twice, BirthResidence::None))).then_refused(&["parent_named_twice"]);
    let girl = world.person(woman("2012-06-01"));
    let young = vec![parent(ParentRole::Mother, KinRef::Registered(id(girl)))];
    world.when(Command::Birth(birth_of(young, BirthResidence::None))).then_refused(&["parent_too_young"]);
}

#[test]
fn a_posthumous_child_has_its_father_for_three_hundred_days() {
    let mut world = World::new();
    let (father, mother, _) = couple(&mut world);
    // The household must not be younger than the death, or its facts would lie after it.
    world.given(Command::Death(death(father, "2021-09-10")));
    let born = |day: &str| {
        let mut birth = birth_of(both(father, mother), BirthResidence::None);
        birth.child.birth = partial(day);
        Command::Birth(birth)
    };
    world.given(born("2022-03-01"));
    let mut world = World::new();
    let (father, mother, _) = couple_since(&mut world, "2020-01-01");
    world.given(Command::Death(death(father, "2021-03-01")));
    let born = |day: &str| {
        let mut birth = birth_of(both(father, mother), BirthResidence::None);
        birth.child.birth = partial(day);
        Command::Birth(birth)
    };
    // Three hundred days after 2021-03-01 is 2021-12-26.
    world.given(born("2021-12-26"));
    world.when(born("2021-12-27")).then_refused(&["father_dead_before_conception"]);
    let envelope = world.by_court(&["father_dead_before_conception"], born("2021-12-27"));
    world.given_envelope(PHUC_XA_OFFICE, envelope);
}

fn couple_since(world: &mut World, since: &str) -> (PersonId, PersonId, HouseholdId) {
    let father = world.person(man("1990-01-01"));
    let mother = world.person(woman("1992-01-01"));
    let members = [(father, Relationship::Head), (mother, Relationship::Spouse)];
    let home = world.household(PHUC_XA, since, &members);
    (father, mother, home)
}

#[test]
fn a_dead_woman_bears_no_child() {
    let mut world = World::new();
    let (father, mother, _) = couple(&mut world);
    world.given(Command::Death(death(mother, "2021-09-10")));
    let birth = birth_of(both(father, mother), BirthResidence::Father(Relationship::Child));
    world.when(Command::Birth(birth)).then_refused(&["mother_dead_at_birth"]);
}

#[test]
fn residence_with_a_parent_needs_that_parent_and_a_household() {
    let mut world = World::new();
    let mother = world.person(woman("1992-01-01"));
    let alone = || vec![parent(ParentRole::Mother, KinRef::Registered(id(mother)))];
    let with_father = birth_of(alone(), BirthResidence::Father(Relationship::Child));
    world.when(Command::Birth(with_father)).then_refused(&["unknown_person"]);
    let with_mother = birth_of(alone(), BirthResidence::Mother(Relationship::Child));
    world.when(Command::Birth(with_mother)).then_refused(&["no_household"]);
    let (head, _, home) = couple(&mut world);
    let guardian = PersonInHousehold { person: id(head), relationship: Relationship::OtherKin };
    world.given(Command::Birth(birth_of(alone(), BirthResidence::Guardian(guardian))));
    assert_eq!(world.registry.household(home).unwrap().members.len(), 3);
    let guardian = PersonInHousehold { person: id(head), relationship: Relationship::Head };
    let as_head = birth_of(alone(), BirthResidence::Guardian(guardian));
    world.when(Command::Birth(as_head)).then_refused(&["relationship_is_head"]);
    let nowhere = birth_of(alone(), BirthResidence::Facility(HouseholdId(404)));
    world.when(Command::Birth(nowhere)).then_refused(&["unknown_household"]);
}

// Deaths.

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

#[test]
fn a_death_ends_residence_and_membership() {
    let mut world = World::new();
    let (_, mother, home) = couple(&mut world);
    let accepted = world.given_by(PHUC_XA_OFFICE, Command::Death(death(mother, "2022-03-10")));
    assert_eq!(kinds(&accepted), ["death_registered", "permanent_residence_ended", "member_left"]);
    let row = world.registry.person(mother).unwrap();
    assert_eq!((row.unit, row.household), (0, 0));
    assert_eq!(PartialDate::from_packed(row.died), Some(partial("2022-03-10")));
    assert_eq!(world.registry.household(home).unwrap().members.len(), 1);
}

#[test]
fn a_heads_death_leaves_the_headship_vacant_or_to_the_successor() {
    let mut world = World::new();
    let (father, mother, home) = couple(&mut world);
    let accepted = world.when(Command::Death(death(father, "2022-03-10")));
    assert!(kinds(accepted.accepted()).contains(&"head_vacated"));
    let mut with_successor = death(father, "2022-03-10");
    with_successor.succession =
        Some(Succession { household: home, head: id(mother), relationships: Vec::new() });
    world.given(Command::Death(with_successor));
    assert_eq!(world.registry.household(home).unwrap().head, mother.0);
}

#[test]
fn the_last_death_ends_the_household() {
    let mut world = World::new();
    let alone = world.person(man("1950"));
    let home = world.household(PHUC_XA, "2021-08-01", &[(alone, Relationship::Head)]);
    let guest = world.person(woman("1999-01-01"));
    world.stay(guest, PHUC_XA, "2022-01-01", "2022-12-31", Some(home));
    let accepted = world.given(Command::Death(death(alone, "2022-03-10")));
    assert!(kinds(&accepted).ends_with(&["member_left", "member_left", "household_ended"]));
    assert_eq!(world.registry.temporary(guest).unwrap().household, 0);
}

#[test]
fn impossible_deaths_are_refused() {
    let mut world = World::new();
    let (father, mother, home) = couple(&mut world);
    world.when(Command::Death(death(father, "2022-03-16"))).then_refused(&["date_in_future"]);
    world.when(Command::Death(death(father, "1989-12-31"))).then_refused(&["death_before_birth"]);
    world.when(Command::Death(death(father, "2021-07-31"))).then_refused(&["facts_after_death"]);
    world.when(Command::Death(death(PersonId(404), "2022-03-10"))).then_refused(&["unknown_person"]);
    let mut succession = death(mother, "2022-03-10");
    succession.succession = Some(Succession { household: home, head: id(father), relationships: Vec::new() });
    world.when(Command::Death(succession)).then_refused(&["succession_not_needed"]);
    world.given(Command::Death(death(mother, "2022-03-10")));
    world.when(Command::Death(death(mother, "2022-03-10"))).then_refused(&["person_dead"]);
}

#[test]
fn a_late_death_restates_the_household_it_leaves() {
    let mut world = World::new();
    let (father, mother, home) = couple(&mut world);
    let aunt = world.person(woman("1960-01-01"));
    world.given_events(
        "2022-02-01",
        [EventBody::MemberJoined(event_schemas::event::MemberJoined {
            household: home,
            person: aunt,
            membership: event_schemas::household::Membership::Permanent,
            relationship: Relationship::OtherKin,
        })],
    );
    world.given_events(
        "2022-02-01",
        [EventBody::PermanentResidenceRegistered(event_schemas::event::PermanentResidenceRegistered {
            person: aunt,
            place: event_schemas::place::Place::in_unit(unit(PHUC_XA)),
        })],
    );
    let accepted = world.given(Command::Death(death(mother, "2022-01-20")));
    let restated = &accepted.changes.restatements;
    assert_eq!(restated.len(), 1);
    assert_eq!(
        (restated[0].stream.row, restated[0].stream.aspect),
        (RowRef::Household(home), Aspect::Composition)
    );
    let days: Vec<String> =
        restated[0].timeline.iter().map(|(_, event)| event.effective_on.to_string()).collect();
    assert!(days.is_sorted(), "{days:?}");
    let members: Vec<PersonId> = world.registry.household(home).unwrap().permanent_members().collect();
    assert_eq!(members, [father, aunt]);
}

#[test]
fn a_late_death_waits_while_history_cannot_be_read() {
    let mut world = World::new();
    let (_, mother, home) = couple(&mut world);
    let late = world.person(woman("1960-01-01"));
    world.given_events(
        "2022-02-01",
        [
            EventBody::MemberJoined(event_schemas::event::MemberJoined {
                household: home,
                person: late,
                membership: event_schemas::household::Membership::Permanent,
                relationship: Relationship::OtherKin,
            }),
            EventBody::PermanentResidenceRegistered(event_schemas::event::PermanentResidenceRegistered {
                person: late,
                place: event_schemas::place::Place::in_unit(unit(PHUC_XA)),
            }),
        ],
    );
    world.history.broken = true;
    world.when(Command::Death(death(mother, "2022-01-20"))).then_refused(&["history_unavailable"]);
}

// Names and defects.

fn change_name(person: PersonId, given: &str, on: &str) -> Command {
    Command::ChangeName(ChangeName {
        person: id(person),
        names: names(given),
        reason: text("wishes it"),
        effective_on: date(on),
    })
}

#[test]
fn a_name_changed_late_stands_before_the_later_one() {
    let mut world = World::new();
    let person = world.person(man("1980-01-01"));
    world.resident(person, PHUC_XA, "2010-01-01");
    world.given_by(PHUC_XA_OFFICE, change_name(person, "Bình", "2022-01-10"));
    let accepted = world.given_by(PHUC_XA_OFFICE, change_name(person, "An", "2020-05-05"));
    let timeline: Vec<String> = accepted.changes.restatements[0]
        .timeline
        .iter()
        .map(|(address, event)| format!("{} {} {}", address, event.effective_on, event.body.name()))
        .collect();
    assert_eq!(
        timeline,
        ["4.0 1980-01-01 person_registered", "7.0 2020-05-05 name_changed", "6.0 2022-01-10 name_changed"]
    );
    let since = world.registry.person(person).unwrap().identity_since;
    assert_eq!(since, date("2022-01-10").0);
}

#[test]
fn names_change_for_the_living_and_not_before_their_birth() {
    let mut world = World::new();
    let person = world.person(man("1980-01-01"));
    world.when(change_name(person, "An", "1979-12-31")).then_refused(&["date_before_birth"]);
    world.when(change_name(person, "An", "2022-03-16")).then_refused(&["date_in_future"]);
    world.given(Command::Death(death(person, "2022-03-01")));
    world.when(change_name(person, "An", "2022-03-10")).then_refused(&["person_dead"]);
}

#[test]
fn a_defect_is_cleared_once() {
    let mut world = World::new();
    let orphan = household(vec![member(Relationship::Head, new_person(Sex::Male, "1980"))]);
    world.given_by(PHUC_XA_OFFICE, Command::EnrolHousehold(orphan));
    let clear = || {
        Command::ClearDefect(ClearDefect {
            row: RowRef::Person(PersonId(1)),
            defect: DefectKind::BirthDateIncomplete,
            reason: text("birth certificate found"),
        })
    };
    world.when_by(TRUC_BACH_OFFICE, clear()).then_refused(&["not_competent"]);
    world.given_by(PHUC_XA_OFFICE, clear());
    world.when_by(PHUC_XA_OFFICE, clear()).then_refused(&["defect_not_open"]);
}

// Enrolment, what is stated together.

fn enrolled_into(home: HouseholdId, relationship: Relationship, person: NewPerson) -> Command {
    Command::EnrolPerson(EnrolPerson {
        person,
        residence: None,
        household: Some(HouseholdPlace { household: home, relationship }),
        effective_on: date("2021-10-01"),
    })
}

#[test]
fn a_head_who_is_enrolled_later_mends_the_headless_household() {
    let mut world = World::new();
    let orphaned = household(vec![member(Relationship::NotKin, new_person(Sex::Male, "1980-01-01"))]);
    world.given(Command::EnrolHousehold(orphaned));
    let home = HouseholdId(1);
    assert_eq!(world.registry.household(home).unwrap().defects, DefectKind::HeadMissing.bit());
    world.given(enrolled_into(home, Relationship::Head, new_person(Sex::Female, "1979-01-01")));
    let row = world.registry.household(home).unwrap();
    assert_eq!((row.head, row.defects), (2, 0));
}

#[test]
fn an_enrolled_heads_age_is_judged_beside_every_other_fault() {
    let mut world = World::new();
    let mut young = new_person(Sex::Male, "2010-01-01");
    young.pin = Some("999210000001".parse().unwrap());
    world.given(Command::EnrolHousehold(household(vec![member(
        Relationship::NotKin,
        new_person(Sex::Male, "1980-01-01"),
    )])));
    world
        .when(enrolled_into(HouseholdId(1), Relationship::Head, young.clone()))
        .then_refused(&["head_without_capacity", "pin_place_unknown"]);
    young.pin = None;
    let mut overridden = world.envelope(enrolled_into(HouseholdId(1), Relationship::Head, young));
    overridden.overrides = vec![text("head_without_capacity")];
    world.given_envelope(PHUC_XA_OFFICE, overridden);
    assert_eq!(
        world.registry.household(HouseholdId(1)).unwrap().defects,
        DefectKind::HeadWithoutCapacity.bit()
    );
}

#[test]
fn a_stated_minor_of_full_age_heads_an_enrolled_household() {
    let mut world = World::new();
    let mut grown = new_person(Sex::Male, "1990-01-01");
    grown.data.capacity = event_schemas::person::LegalCapacity::Minor;
    world.given(Command::EnrolHousehold(household(vec![member(Relationship::Head, grown.clone())])));
    grown.data.capacity = event_schemas::person::LegalCapacity::Restricted;
    let restricted = household(vec![member(Relationship::Head, grown)]);
    world.when(Command::EnrolHousehold(restricted)).then_refused(&["head_without_capacity"]);
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

#[test]
fn two_members_of_one_form_do_not_share_a_cmnd_unnoticed() {
    let mut world = World::new();
    let with_cmnd = |relationship, sex| {
        let mut person = new_person(sex, "1980-01-01");
        // The same number twice in one person's papers is no second holder.
        person.data.documents = vec![cmnd("012345678"), cmnd("012345678")];
        member(relationship, person)
    };
    let alone = household(vec![with_cmnd(Relationship::Head, Sex::Male)]);
    world.when(Command::EnrolHousehold(alone)).accepted();
    let shared = household(vec![
        with_cmnd(Relationship::Head, Sex::Male),
        with_cmnd(Relationship::Spouse, Sex::Female),
    ]);
    let faults = world.when(Command::EnrolHousehold(shared.clone())).then_refused(&["cmnd_taken"]);
    assert_eq!(
        faults[0].field.as_deref(),
        Some("command.enrol_household.members[1].person.data.documents[0]")
    );
    let mut overridden = world.envelope(Command::EnrolHousehold(shared));
    overridden.overrides = vec![text("cmnd_taken")];
    world.given_envelope(PHUC_XA_OFFICE, overridden);
    let defects = [1, 2].map(|person| world.registry.person(PersonId(person)).unwrap().defects);
    assert_eq!(defects, [0, DefectKind::CmndShared.bit()]);
}

#[test]
fn an_older_entry_stands_in_the_register_of_an_office_that_is_known() {
    let mut world = World::new();
    let (father, mother, _) = couple(&mut world);
    let mut birth = birth_of(both(father, mother), BirthResidence::None);
    birth.legacy_entry = Some(LegacyEntry { office: OfficeId(77), year: 2023, number: 12 });
    world
        .when_by(PHUC_XA_OFFICE, Command::Birth(birth.clone()))
        .then_refused(&["unknown_office", "date_in_future"]);
    birth.legacy_entry = Some(LegacyEntry { office: OfficeId(0), year: 2021, number: 12 });
    world.given_by(PHUC_XA_OFFICE, Command::Birth(birth));
}

#[test]
fn every_place_of_a_form_is_looked_up_with_its_dwelling() {
    let mut world = World::new();
    world.given(Command::RegisterDwelling(event_schemas::command::RegisterDwelling {
        kind: event_schemas::place::DwellingKind::House,
        unit: code(TRUC_BACH),
        address: text("Số 12 ngõ 5"),
        effective_on: date("2021-08-01"),
    }));
    let at = |unit, dwelling| {
        let dwelling = Some(event_schemas::ids::DwellingId(dwelling));
        Some(Place::Domestic(DomesticPlace { unit: code(unit), dwelling, address: None }))
    };
    let mut person = new_person(Sex::Male, "1980-01-01");
    person.identity.birth_place = Some(place("99999"));
    person.data.birth_registration_place = at(PHUC_XA, 1);
    person.data.hometown = at(PHUC_XA, 999_999);
    let enrolled = |person| Command::EnrolHousehold(household(vec![member(Relationship::Head, person)]));
    let faults = world.when(enrolled(person.clone())).then_refused(&[
        "unknown_unit",
        "dwelling_elsewhere",
        "unknown_dwelling",
    ]);
    let prefix = "command.enrol_household.members[0].person.";
    let fields: Vec<&str> =
        faults.iter().map(|fault| fault.field.as_deref().unwrap().strip_prefix(prefix).unwrap()).collect();
    assert_eq!(fields, ["identity.birth_place", "data.birth_registration_place", "data.hometown"]);
    person.identity.birth_place = at(TRUC_BACH, 1);
    person.data.birth_registration_place = Some(place("99998"));
    person.data.hometown = Some(place("99999"));
    let faults = world.when(enrolled(person.clone())).then_refused(&["unknown_unit"]);
    assert_eq!(faults.len(), 2, "each unknown unit is named");
    person.data.birth_registration_place = at(TRUC_BACH, 1);
    person.data.hometown = Some(place(HA_NOI));
    world.when(enrolled(person)).accepted();
    let (father, mother, _) = couple(&mut world);
    let mut birth = birth_of(both(father, mother), BirthResidence::None);
    birth.child.hometown = at(PHUC_XA, 1);
    birth.child.birth_place = at(PHUC_XA, 2);
    world.when(Command::Birth(birth)).then_refused(&["dwelling_elsewhere", "unknown_dwelling"]);
}

// What any command states is bounded.

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

#[test]
fn names_and_nationalities_of_a_birth_are_bounded_for_child_and_described_parents() {
    let mut world = World::new();
    let mut father = described("John");
    (father.names, father.nationality) = (many_names(), Some(countries(0)));
    let foreign = vec![parent(ParentRole::Father, KinRef::Described(father))];
    let mut birth = birth_of(foreign, BirthResidence::None);
    birth.child.names = many_names();
    birth.child.nationality = countries(200);
    let faults = world.when(Command::Birth(birth.clone())).then_refused(&["too_many", "empty_list"]);
    assert_eq!(
        faulty_fields(&faults),
        [
            "too_many command.birth.child.names.other",
            "too_many command.birth.child.nationality",
            "too_many command.birth.parentage.parents[0].parent.described.names.other",
            "empty_list command.birth.parentage.parents[0].parent.described.nationality",
        ]
    );
    birth.child.names = names("Lan");
    birth.child.nationality = countries(0);
    birth.parentage =
        Parentage::Parents(vec![parent(ParentRole::Father, KinRef::Described(described("John")))]);
    world.when(Command::Birth(birth.clone())).then_refused(&["empty_list"]);
    birth.child.nationality = countries(8);
    world.when(Command::Birth(birth)).accepted();
}

#[test]
fn described_parents_and_sealed_fields_of_a_form_are_bounded() {
    let mut world = World::new();
    let sealed = |bytes| SealedField {
        class: event_schemas::guarded::Confidentiality::Sensitive,
        key_id: event_schemas::ids::KeyId(1),
        bytes: vec![7; bytes],
    };
    let mut mother = described("Hoa");
    (mother.names, mother.nationality) = (many_names(), Some(countries(9)));
    let mut person = new_person(Sex::Male, "1980-01-01");
    person.parents = vec![parent(ParentRole::Mother, KinRef::Described(mother))];
    person.data.religion = Some(Guarded::Sealed(sealed(MAX_SEALED_BYTES + 1)));
    person.data.blood_group = Some(Guarded::Sealed(sealed(MAX_SEALED_BYTES + 1)));
    person.data.contact = Some(Guarded::Sealed(sealed(MAX_SEALED_BYTES + 1)));
    let enrolled = |person| Command::EnrolHousehold(household(vec![member(Relationship::Head, person)]));
    let faults = world.when(enrolled(person.clone())).then_refused(&["too_many"]);
    let prefix = "command.enrol_household.members[0].person";
    let expected = [
        "data.religion.sealed.bytes",
        "data.blood_group.sealed.bytes",
        "data.contact.sealed.bytes",
        "parents[0].parent.described.names.other",
        "parents[0].parent.described.nationality",
    ];
    assert_eq!(faulty_fields(&faults), expected.map(|field| format!("too_many {prefix}.{field}")));
    let fits = Some(Guarded::Sealed(sealed(MAX_SEALED_BYTES)));
    person.parents = Vec::new();
    (person.data.religion, person.data.blood_group, person.data.contact) = (None, None, fits);
    world.when(enrolled(person)).accepted();
    let dead = world.person(man("1950-01-01"));
    let mut report = death(dead, "2022-03-01");
    report.cause = Some(Guarded::Sealed(sealed(MAX_SEALED_BYTES + 1)));
    world.when(Command::Death(report)).then_refused(&["too_many"]);
}

#[test]
fn evidence_is_bounded_and_named_by_a_digest() {
    let mut world = World::new();
    let person = world.person(man("1980-01-01"));
    let mut change = world.envelope(change_name(person, "Bình", "2022-01-10"));
    let evidence = |sha256: &str| Evidence { sha256: text(sha256), uri: text("kho:1") };
    let digest = "0123456789abcdefABCDEF".repeat(3)[..64].to_owned();
    change.basis.evidence = vec![evidence(&digest); MAX_EVIDENCE];
    world.when_envelope(PHUC_XA_OFFICE, change.clone()).accepted();
    change.basis.evidence[3] = evidence("xyz");
    change.basis.evidence[4] = evidence(&"g".repeat(64));
    let faults = world.when_envelope(PHUC_XA_OFFICE, change.clone()).then_refused(&["evidence_digest_wrong"]);
    assert_eq!(faults[0].field.as_deref(), Some("basis.evidence[3].sha256"));
    assert_eq!(faults.len(), 2);
    change.basis.evidence = vec![evidence(&digest); MAX_EVIDENCE + 1];
    world.when_envelope(PHUC_XA_OFFICE, change).then_refused(&["too_many"]);
}
