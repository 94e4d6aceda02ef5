//! Names and defects.

use super::*;

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
