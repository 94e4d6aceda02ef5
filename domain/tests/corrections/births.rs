//! Births that never were: registered twice, or stillborn.

use super::examples::born;
use super::*;
use domain::testing::play::corrections::whole;
use event_schemas::command::IssuePin;
use event_schemas::household::Relationship::Head;
use event_schemas::person::PersonRef;
use event_schemas::pin::Pin;

/// A child of a mother who has a household, and the record that registered it.
fn registered_twice() -> (World, PersonId, PersonId, Lsn) {
    let mut world = World::new();
    let mother = world.person(woman("1990-05-01"));
    world.household(PHUC_XA, "2015-08-01", &[(mother, Head)]);
    world.given(born(mother, "2022-01-05"));
    let child = world.registry.head().persons;
    let lsn = world.registry.head().lsn;
    (world, mother, child, lsn)
}

fn pin_of(world: &World, person: PersonId) -> Pin {
    Pin::from_number(row(world, person).pin.get()).expect("it has a number")
}

#[test]
fn a_birth_is_taken_back_by_two_officers_and_its_row_and_number_stay() {
    let (mut world, mother, child, lsn) = registered_twice();
    let (pin, edits) = (pin_of(&world, child), whole(&world.history, at(lsn, 0)));
    refused(&mut world, edits.clone(), &["approval_required"]);
    let before = row(&world, child).version;
    corrected(&mut world, edits);
    let left = row(&world, child);
    assert_eq!((left.is_registered(), left.version, left.household, left.unit), (false, before + 1, 0, 0));
    assert_eq!((left.mother, left.pin.get()), (0, pin.number()));
    assert_eq!(world.registry.person_by_pin(pin), Some(child), "the number leads there for ever");
    let home = world.registry.household(household_of(&world, mother)).expect("the mother's");
    assert!(home.permanent_members().all(|member| member != child));
    // Nothing more is recorded of somebody who is not there, by whatever name.
    for named in [id(child), PersonRef::Pin(pin)] {
        let command = Command::IssuePin(IssuePin { person: named, birth_registered_at: None });
        world.when(command).then_refused(&["registration_annulled"]);
    }
    let stated = vec![insert("2022-02-01", renamed(child, "Bình"))];
    refused(&mut world, stated, &["correction_does_not_fit"]);
    // The next child gets another number.
    world.given(born(mother, "2022-01-05"));
    assert_ne!(pin_of(&world, world.registry.head().persons), pin);
}

#[test]
fn whatever_else_is_recorded_of_the_person_must_be_taken_back_too() {
    let (mut world, _, child, lsn) = registered_twice();
    world.given(change_name(child, "Bình", "2022-02-02"));
    let renamed = world.address_of(|body| matches!(body, EventBody::NameChanged(_)));
    let alone = vec![annul(at(lsn, 0))];
    let faults = refused(&mut world, alone, &["correction_not_covered"]);
    let mut expected: Vec<EventAddress> =
        whole(&world.history, at(lsn, 0)).iter().filter_map(Edit::event).filter(|at| at.index > 0).collect();
    expected.push(renamed);
    assert_eq!(faults[0].events, expected);
    let mut edits = whole(&world.history, at(lsn, 0));
    refused(&mut world, edits.clone(), &["correction_not_covered"]);
    edits.push(annul(renamed));
    corrected(&mut world, edits);
    assert!(!row(&world, child).is_registered());
}

#[test]
fn a_birth_that_was_taken_back_by_mistake_comes_back_with_its_number() {
    let (mut world, mother, child, lsn) = registered_twice();
    let rows =
        [RowRef::Person(child), RowRef::Person(mother), RowRef::Household(household_of(&world, mother))];
    let before = rows.map(|row| believed(&world, row));
    let edits = whole(&world.history, at(lsn, 0));
    let taken_back = corrected(&mut world, edits);
    let reversal = whole(&world.history, at(taken_back, 0));
    refused(&mut world, reversal.clone(), &["approval_required"]);
    corrected(&mut world, reversal);
    assert_eq!(rows.map(|row| believed(&world, row)), before);
    world.given(change_name(child, "Bình", "2022-02-02"));
}

#[test]
fn who_was_enrolled_stays_and_only_the_place_of_registration_is_competent_for_a_birth_taken_back() {
    let mut world = World::new();
    let person = world.person(man("1980-05-01"));
    let enrolled = world.address_of(|body| matches!(body, EventBody::PersonRegistered(_)));
    refused(&mut world, vec![annul(enrolled)], &["correction_unsupported"]);
    assert!(row(&world, person).is_registered());
    let (mut world, _, _, lsn) = registered_twice();
    let edits = whole(&world.history, at(lsn, 0));
    let taken_back = corrected(&mut world, edits);
    let reversal = whole(&world.history, at(taken_back, 0));
    let envelope = world.correction(reversal);
    world.when_envelope(HAI_PHONG_OFFICE, envelope).then_refused(&["not_competent"]);
}
