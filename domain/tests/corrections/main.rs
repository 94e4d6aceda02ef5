//! Corrections: given, when, then. The examples of `docs/decisions/0014-corrections.md` are in [`examples`]; [`laws`] holds of all
//! histories.

mod approval;
mod births;
mod bulk;
mod examples;
mod laws;
mod numbered;
mod refusals;

use domain::registry::fold::RowImage;
use domain::registry::rows::PersonRow;
use domain::testing::*;
use domain::{Decision, TimelineSource};
use event_schemas::command::{ChangeName, Command};
use event_schemas::correction::Edit;
use event_schemas::event::{EventBody, NameChanged, PermanentResidenceRegistered};
use event_schemas::ids::{EventAddress, HouseholdId, Lsn, PersonId};
use event_schemas::person::Names;
use event_schemas::place::Place;
use event_schemas::row::{Aspect, RowRef, StreamRef};

fn names(given: &str) -> Names {
    Names { surname: Some(text("Nguyễn")), middle: None, given: text(given), other: Vec::new() }
}

fn change_name(person: PersonId, given: &str, on: &str) -> Command {
    let (names, reason) = (names(given), text("by decision"));
    Command::ChangeName(ChangeName { person: id(person), names, effective_on: date(on), reason })
}

fn renamed(person: PersonId, given: &str) -> EventBody {
    EventBody::NameChanged(NameChanged { person, names: names(given), reason: text("by decision") })
}

fn lives(person: PersonId, code: &str) -> EventBody {
    let place = Place::in_unit(unit(code));
    EventBody::PermanentResidenceRegistered(PermanentResidenceRegistered { person, place })
}

fn annul(event: EventAddress) -> Edit {
    Edit::Annul { event }
}

fn amend(event: EventAddress, on: &str, body: EventBody) -> Edit {
    Edit::Amend { event, to: stated(on, body) }
}

fn insert(on: &str, body: EventBody) -> Edit {
    Edit::Insert { fact: stated(on, body) }
}

/// The correction is accepted; where its record stands.
#[track_caller]
fn corrected(world: &mut World, edits: Vec<Edit>) -> Lsn {
    match world.submit_correction(NATIONAL_OFFICE, edits) {
        Decision::Accepted(_) => world.registry.head().lsn,
        Decision::Refused(faults) => panic!("{faults:#?}"),
    }
}

fn at(lsn: Lsn, index: u32) -> EventAddress {
    EventAddress { lsn, index }
}

fn row(world: &World, person: PersonId) -> &PersonRow {
    world.registry.person(person).expect("the person is there")
}

/// A person's row without what every record raises.
fn believed(world: &World, row: RowRef) -> RowImage {
    let mut image = world.registry.image(row);
    image.stamp(event_schemas::ids::Version(1), Lsn(1));
    image
}

/// `address day kind`, a line for each fact that holds.
fn told(world: &World, row: RowRef, aspect: Aspect) -> String {
    let timeline = world.history.stream(StreamRef { row, aspect }).expect("the history can be read");
    let lines: Vec<String> = domain::timeline::in_valid_order(timeline)
        .iter()
        .map(|(at, event)| format!("{at} {} {}", event.effective_on, event.body.name()))
        .collect();
    lines.join("\n")
}

fn household_of(world: &World, person: PersonId) -> HouseholdId {
    HouseholdId(row(world, person).household)
}

#[track_caller]
fn refused(world: &mut World, edits: Vec<Edit>, codes: &[&str]) -> Vec<event_schemas::outcome::Fault> {
    let envelope = world.correction(edits);
    world.when_envelope(NATIONAL_OFFICE, envelope).then_refused(codes)
}

#[test]
fn a_wrong_name_is_amended_and_the_timeline_keeps_its_place() {
    let mut world = World::new();
    let person = world.person(man("1980-01-01"));
    world.given(change_name(person, "Bình", "2020-05-05"));
    let wrong = world.address_of(|body| matches!(body, EventBody::NameChanged(_)));
    world.given(change_name(person, "Chí", "2021-05-05"));
    let lsn = corrected(&mut world, vec![amend(wrong, "2020-05-05", renamed(person, "Bính"))]);
    let told = told(&world, RowRef::Person(person), Aspect::Identity);
    assert_eq!(
        told,
        format!(
            "4.0 1980-01-01 person_registered\n{lsn}.1 2020-05-05 name_changed\n6.0 2021-05-05 name_changed"
        )
    );
}

#[test]
fn a_residence_is_taken_back_and_given_back_by_taking_back_the_correction() {
    let mut world = World::new();
    let person = world.person(man("1980-01-01"));
    world.resident(person, PHUC_XA, "2010-01-01");
    world.resident(person, TRUC_BACH, "2020-01-01");
    let before = believed(&world, RowRef::Person(person));
    let wrong = world.address_of(|body| matches!(body, EventBody::PermanentResidenceRegistered(_)));
    let lsn = corrected(&mut world, vec![annul(wrong)]);
    let now = row(&world, person);
    assert_eq!((now.unit, now.residence_since), (unit(PHUC_XA).0, date("2010-01-01").0));
    refused(&mut world, vec![annul(wrong)], &["event_annulled_already"]);
    corrected(&mut world, vec![annul(at(lsn, 0))]);
    assert_eq!(believed(&world, RowRef::Person(person)), before);
    refused(&mut world, vec![annul(at(lsn, 0))], &["event_annulled_already"]);
}

#[test]
fn a_fact_that_was_missing_is_inserted_where_it_belongs() {
    let mut world = World::new();
    let person = world.person(man("1980-01-01"));
    world.resident(person, PHUC_XA, "2010-01-01");
    world.resident(person, QUAN_TOAN, "2020-01-01");
    corrected(&mut world, vec![insert("2015-06-01", lives(person, TRUC_BACH))]);
    assert_eq!(row(&world, person).unit, unit(QUAN_TOAN).0);
    let lsn = corrected(&mut world, vec![insert("2021-06-01", lives(person, TRUC_BACH))]);
    assert_eq!(row(&world, person).unit, unit(TRUC_BACH).0);
    corrected(&mut world, vec![annul(at(lsn, 0))]);
    let now = row(&world, person);
    assert_eq!((now.unit, now.residence_since), (unit(QUAN_TOAN).0, date("2020-01-01").0));
}

#[test]
fn a_correction_of_a_correction_rules_until_it_is_taken_back() {
    let mut world = World::new();
    let person = world.person(man("1980-01-01"));
    world.resident(person, PHUC_XA, "2010-01-01");
    let first = world.address_of(|body| matches!(body, EventBody::PermanentResidenceRegistered(_)));
    let second = corrected(&mut world, vec![amend(first, "2010-01-01", lives(person, TRUC_BACH))]);
    let third = corrected(&mut world, vec![amend(at(second, 1), "2011-01-01", lives(person, QUAN_TOAN))]);
    let unit_now = |world: &World| row(world, person).unit;
    assert_eq!(unit_now(&world), unit(QUAN_TOAN).0);
    // The middle one is taken back: nothing shows yet, and it does not come back with the last.
    corrected(&mut world, vec![annul(at(second, 0))]);
    assert_eq!(unit_now(&world), unit(QUAN_TOAN).0);
    let fourth = corrected(&mut world, vec![annul(at(third, 1))]);
    assert_eq!(unit_now(&world), unit(PHUC_XA).0);
    corrected(&mut world, vec![annul(at(fourth, 0))]);
    assert_eq!(unit_now(&world), unit(QUAN_TOAN).0);
}

#[test]
fn a_late_fact_after_a_correction_joins_the_corrected_timeline() {
    let mut world = World::new();
    let person = world.person(man("1980-01-01"));
    world.given(change_name(person, "Bình", "2020-05-05"));
    let wrong = world.address_of(|body| matches!(body, EventBody::NameChanged(_)));
    corrected(&mut world, vec![annul(wrong)]);
    world.given(change_name(person, "Dũng", "2021-05-05"));
    world.given(change_name(person, "Em", "2020-01-01"));
    let told = told(&world, RowRef::Person(person), Aspect::Identity);
    assert_eq!(
        told,
        "4.0 1980-01-01 person_registered\n8.0 2020-01-01 name_changed\n7.0 2021-05-05 name_changed"
    );
}

#[test]
fn a_dry_run_tells_what_the_correction_changes_and_its_digest_stands_for_that() {
    let mut world = World::new();
    let person = world.person(man("1980-01-01"));
    world.resident(person, PHUC_XA, "2010-01-01");
    let wrong = world.address_of(|body| matches!(body, EventBody::PermanentResidenceRegistered(_)));
    let edits = vec![amend(wrong, "2012-01-01", lives(person, TRUC_BACH))];
    let envelope = world.correction(edits.clone());
    let shown = world.when_envelope(NATIONAL_OFFICE, envelope).accepted().correction.clone().expect("told");
    assert_eq!(shown.streams.len(), 1);
    assert_eq!((shown.streams[0].before.len(), shown.streams[0].after.len()), (1, 1));
    let expecting = |world: &mut World| {
        let mut envelope = world.correction(edits.clone());
        if let Command::Correct(correct) = &mut envelope.command {
            correct.expects_digest = Some(shown.digest);
        }
        envelope
    };
    let mut moved = world.clone();
    moved.given(change_name(person, "Bình", "2020-05-05"));
    let envelope = expecting(&mut moved);
    moved.when_envelope(NATIONAL_OFFICE, envelope).then_refused(&["stale_digest"]);
    // Elsewhere something happens: the record gets another lsn, and is the same for all that.
    world.person(woman("1990-01-01"));
    let envelope = expecting(&mut world);
    let Decision::Accepted(accepted) = world.submit(NATIONAL_OFFICE, envelope) else { panic!("refused") };
    let after: Vec<_> =
        shown.streams[0].after.iter().map(|entry| (entry.effective_on, &entry.body)).collect();
    let restated = accepted.changes.restatements.iter().find(|it| it.stream == shown.streams[0].stream);
    let committed: Vec<_> = restated
        .expect("restated")
        .timeline
        .iter()
        .map(|(_, event)| (event.effective_on, &event.body))
        .collect();
    assert_eq!(after, committed);
}
