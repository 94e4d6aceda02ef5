//! Births.

use super::*;

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
