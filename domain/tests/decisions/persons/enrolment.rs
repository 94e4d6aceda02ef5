//! Enrolment of persons and households.

use super::*;

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
    world.when_by(NATIONAL_OFFICE, Command::EnrolHousehold(enrolled)).then_refused(&[
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
