//! What no correction may do.

use super::*;
use event_schemas::basis::BasisKind;
use event_schemas::command::{MovePermanent, PermanentMove};
use event_schemas::event::{EventAnnulled, MemberJoined};
use event_schemas::household::Relationship::{Child, Head};
use event_schemas::household::{Membership, Relationship};

#[test]
fn what_stands_nowhere_cannot_be_edited() {
    let mut world = World::new();
    let head = world.registry.head().lsn;
    for address in [at(Lsn(0), 0), at(Lsn(1), 0), at(Lsn(2), 999), at(head.next(), 0), at(Lsn(999), 0)] {
        refused(&mut world, vec![annul(address)], &["unknown_event"]);
    }
}

#[test]
fn a_correction_needs_a_numbered_decision_and_edits_each_fact_once() {
    let mut world = World::new();
    let person = world.person(man("1980-01-01"));
    world.resident(person, PHUC_XA, "2010-01-01");
    let address = world.address_of(|body| matches!(body, EventBody::PermanentResidenceRegistered(_)));
    let mut envelope = world.correction(vec![annul(address)]);
    envelope.basis.kind = BasisKind::Declaration;
    world.when_envelope(NATIONAL_OFFICE, envelope).then_refused(&["correction_basis_missing"]);
    refused(&mut world, Vec::new(), &["empty_list"]);
    let twice = vec![annul(address), amend(address, "2011-01-01", lives(person, PHUC_XA))];
    refused(&mut world, twice, &["named_twice"]);
}

#[test]
fn what_takes_a_facts_place_is_about_the_same_person_and_says_something_else() {
    let mut world = World::new();
    let (one, other) = (world.person(man("2008-01-01")), world.person(man("1981-01-01")));
    world.resident(one, PHUC_XA, "2010-01-01");
    let address = world.address_of(|body| matches!(body, EventBody::PermanentResidenceRegistered(_)));
    let amended = |person, on| vec![amend(address, on, lives(person, PHUC_XA))];
    refused(&mut world, amended(one, "2010-01-01"), &["correction_without_effect"]);
    refused(&mut world, amended(other, "2010-01-01"), &["amended_to_other_fact"]);
    refused(&mut world, amended(one, "2022-03-16"), &["date_in_future"]);
    refused(&mut world, amended(one, "2007-12-31"), &["correction_does_not_fit"]);
    refused(&mut world, vec![amend(address, "2010-01-01", lives(one, BA_DINH))], &["unit_not_for_residence"]);
    refused(&mut world, vec![insert("2012-01-01", lives(PersonId(99), PHUC_XA))], &["unknown_person"]);
}

#[test]
fn what_names_things_for_good_is_not_corrected() {
    let mut world = World::new();
    let person = world.person(man("1980-01-01"));
    let registered = world.address_of(|body| matches!(body, EventBody::PersonRegistered(_)));
    refused(&mut world, vec![annul(registered)], &["correction_unsupported"]);
    let office = world.address_of(|body| matches!(body, EventBody::OfficeRegistered(_)));
    refused(&mut world, vec![annul(office)], &["correction_unsupported"]);
    let marker = EventBody::EventAnnulled(EventAnnulled { event: registered, streams: Vec::new() });
    refused(&mut world, vec![insert("2020-01-01", marker)], &["correction_unsupported"]);
    let lsn = corrected(&mut world, vec![insert("2020-01-01", renamed(person, "Bình"))]);
    let annulled = corrected(&mut world, vec![annul(at(lsn, 0))]);
    let to = vec![amend(at(annulled, 0), "2020-01-01", renamed(person, "Chí"))];
    refused(&mut world, to, &["correction_unsupported"]);
}

#[test]
fn what_follows_from_a_fact_is_edited_with_it() {
    let mut world = World::new();
    let (head, child) = (world.person(man("1980-01-01")), world.person(woman("2005-01-01")));
    let home = world.household(PHUC_XA, "2010-01-01", &[(head, Head), (child, Child)]);
    let movement = PermanentMove::WholeHousehold { household: home, to: place(TRUC_BACH) };
    let effective_on = date("2020-01-01");
    world.given(Command::MovePermanent(MovePermanent { effective_on, movement, successions: Vec::new() }));
    let moved = world.address_of(|body| matches!(body, EventBody::HouseholdMoved(_)));
    let faults = refused(&mut world, vec![annul(moved)], &["correction_not_covered"]);
    // The members still move: the same record says so.
    assert_eq!(faults[0].events, [at(moved.lsn, 1), at(moved.lsn, 2)]);
    corrected(&mut world, (0..3).map(|index| annul(at(moved.lsn, index))).collect());
    assert_eq!(row(&world, child).unit, unit(PHUC_XA).0);
    assert_eq!(world.registry.household(home).map(|row| row.unit), Some(unit(PHUC_XA).0));
}

#[test]
fn half_of_a_correction_is_taken_back_only_if_the_rest_still_fits() {
    let mut world = World::new();
    let (head, child) = (world.person(man("1980-01-01")), world.person(woman("2005-01-01")));
    let home = world.household(PHUC_XA, "2010-01-01", &[(head, Head), (child, Child)]);
    let movement = PermanentMove::WholeHousehold { household: home, to: place(TRUC_BACH) };
    let effective_on = date("2020-01-01");
    world.given(Command::MovePermanent(MovePermanent { effective_on, movement, successions: Vec::new() }));
    let moved = world.registry.head().lsn;
    let lsn = corrected(&mut world, (0..3).map(|index| annul(at(moved, index))).collect());
    // The child alone would have moved.
    refused(&mut world, vec![annul(at(lsn, 2))], &["correction_not_covered"]);
    corrected(&mut world, (0..3).map(|index| annul(at(lsn, index))).collect());
    assert_eq!(row(&world, child).unit, unit(TRUC_BACH).0);
}

#[test]
fn without_history_nothing_is_corrected() {
    let mut world = World::new();
    let person = world.person(man("1980-01-01"));
    world.history.broken = true;
    refused(&mut world, vec![insert("2020-01-01", renamed(person, "Bình"))], &["history_unavailable"]);
}

#[test]
fn a_correction_of_too_many_rows_is_to_be_split() {
    let mut world = World::new();
    let elsewhere = world.person(man("1980-01-01"));
    let household = world.household(PHUC_XA, "2010-01-01", &[(elsewhere, Head)]);
    let mut edits = Vec::new();
    for _ in 0..event_schemas::correction::MAX_EDITS {
        let person = world.person(man("1980-01-01"));
        world.household(PHUC_XA, "2010-01-01", &[(person, Head)]);
        let joined =
            world.address_of(|body| matches!(body, EventBody::MemberJoined(e) if e.person == person));
        let (membership, relationship) = (Membership::Permanent, Relationship::Sibling);
        let joins = EventBody::MemberJoined(MemberJoined { household, person, membership, relationship });
        edits.push(amend(joined, "2011-01-01", joins));
    }
    refused(&mut world, edits, &["correction_too_large"]);
}
