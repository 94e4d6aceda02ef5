//! Deaths.

use super::*;

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
