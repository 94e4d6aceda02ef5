//! Who may marry whom.

use super::*;

#[test]
fn two_different_people_marry_and_one_of_them_is_registered() {
    let mut world = World::new();
    let (husband, _) = couple(&mut world);
    world.when(marries(husband, husband, TODAY)).then_refused(&["named_twice"]);
    world.when(marriage([described(None), described(None)], TODAY)).then_refused(&["partner_not_registered"]);
    world.when(marries(husband, PersonId(99), TODAY)).then_refused(&["unknown_person"]);
    world.when(marriage([of(husband), described(None)], "2022-03-16")).then_refused(&["date_in_future"]);
}

#[test]
fn a_marriage_is_between_a_man_and_a_woman() {
    let mut world = World::new();
    let (husband, wife) = couple(&mut world);
    let (man_too, woman_too) = couple(&mut world);
    world.when(marries(husband, man_too, TODAY)).then_refused(&["same_sex_marriage"]);
    world.when(marries(wife, woman_too, TODAY)).then_refused(&["same_sex_marriage"]);
    let unknown = world.person(NewPersonOf { sex: Sex::Unknown, ..man("1980-01-01") });
    world.given(marries(husband, unknown, TODAY));
}

#[test]
fn the_age_is_that_of_the_law_on_the_day_of_the_marriage() {
    let refused = |person: NewPersonOf, on: &str| {
        let mut world = World::new();
        let other = if person.sex == Sex::Male { woman("1925-01-01") } else { man("1925-01-01") };
        let (other, person) = (world.person(other), world.person(person));
        let envelope = world.envelope(marries(other, person, on));
        match world.submit(domain::decide::OPERATOR, envelope) {
            Decision::Accepted(_) => false,
            Decision::Refused(faults) => {
                assert_eq!(faults.len(), 1, "{faults:#?}");
                assert_eq!(faults[0].code, "too_young_to_marry");
                true
            }
        }
    };
    // Before the law of 1959 no age is asked.
    assert!(!refused(woman("1945-01-01"), "1960-01-12"));
    assert!(refused(woman("1945-01-01"), "1960-01-13"));
    // The laws of 1959, 1986 and 2000: the 18th and the 20th year has begun.
    for year in [1970, 1990, 2010] {
        let born = |years: i16| format!("{}-06-15", year - years);
        let (eve, day) = (format!("{year}-06-15"), format!("{year}-06-16"));
        assert!(refused(woman(&born(17)), &eve) && !refused(woman(&born(17)), &day));
        assert!(refused(man(&born(19)), &eve) && !refused(man(&born(19)), &day));
    }
    // The law of 2014: full years.
    assert!(!refused(woman("1997-06-15"), "2014-12-31") && refused(woman("1997-06-15"), "2015-01-01"));
    assert!(refused(woman("1997-06-15"), "2015-06-14") && !refused(woman("1997-06-15"), "2015-06-15"));
    assert!(refused(man("1997-06-15"), "2017-06-14") && !refused(man("1997-06-15"), "2017-06-15"));
    // In the couple's favour where only the year is known.
    assert!(!refused(man("1997"), "2017-01-01") && refused(man("1997"), "2016-12-31"));
}

#[test]
fn a_described_partner_is_of_age_too() {
    let mut world = World::new();
    let (husband, wife) = couple(&mut world);
    let young = || described(Some("2003-06-15"));
    world.when(marriage([of(husband), young()], "2021-06-14")).then_refused(&["too_young_to_marry"]);
    world.when(marriage([of(husband), young()], "2021-06-15")).accepted();
    world.when(marriage([of(wife), young()], "2021-06-15")).then_refused(&["too_young_to_marry"]);
    world
        .when(marriage([of(wife), described(Some("2021-09"))], "2021-08-31"))
        .then_refused(&["date_before_birth"]);
    let newborn = world.person(man("2021-09-01"));
    world.when(marries(wife, newborn, "2021-08-31")).then_refused(&["date_before_birth"]);
}

/// A link as enrolment or birth makes it.
fn child_of(world: &mut World, child: PersonId, parent: PersonId, kind: ParentKind) {
    let role = match world.registry.person(parent).expect("the parent is there").sex {
        1 => ParentRole::Father,
        _ => ParentRole::Mother,
    };
    let link = ParentLink { role, kind, parent: KinRef::Registered(parent), period: Period::default() };
    world.given_events("2000-01-01", [EventBody::ParentLinked(ParentLinked { child, link })]);
}

#[test]
fn close_kin_do_not_marry() {
    let mut world = World::new();
    let mut persons: Vec<PersonId> = Vec::new();
    for number in 0..12 {
        let born = format!("{}-01-01", 1940 + number);
        persons.push(world.person(if number % 2 == 0 { man(&born) } else { woman(&born) }));
    }
    let [
        grandfather,
        mother,
        son,
        aunt,
        cousin_son,
        half_sister,
        great_son,
        cousin_daughter,
        far_son,
        far_daughter,
        ..,
    ] = persons[..]
    else {
        panic!("twelve persons")
    };
    use ParentKind::{Biological, Legal};
    child_of(&mut world, mother, grandfather, Biological);
    child_of(&mut world, aunt, grandfather, Biological);
    child_of(&mut world, son, mother, Biological);
    child_of(&mut world, half_sister, mother, Legal);
    child_of(&mut world, cousin_daughter, aunt, Biological);
    child_of(&mut world, cousin_son, aunt, Biological);
    child_of(&mut world, great_son, half_sister, Biological);
    child_of(&mut world, far_son, cousin_son, Biological);
    child_of(&mut world, far_daughter, half_sister, Biological);
    for (first, second) in [
        (grandfather, mother),
        (grandfather, half_sister),
        (grandfather, far_daughter),
        (son, half_sister),
        (son, aunt),
        (son, cousin_daughter),
        (great_son, mother),
        (son, far_daughter),
    ] {
        world.when(marries(first, second, "2000-01-01")).then_refused(&["close_kin"]);
        world.when(marries(second, first, "2000-01-01")).then_refused(&["close_kin"]);
    }
    // Beyond three generations: a great-aunt, second cousins, a first cousin's child.
    for (first, second) in [(great_son, aunt), (far_son, far_daughter), (great_son, cousin_daughter)] {
        world.when(marries(first, second, "2000-01-01")).accepted();
    }
}

#[test]
fn who_was_adopted_does_not_marry_the_adoptive_parent_and_stays_kin_by_birth() {
    let mut world = World::new();
    let (adoptive, mother) = (world.person(man("1960-01-01")), world.person(woman("1960-01-01")));
    let (child, brother) = (world.person(woman("1985-01-01")), world.person(man("1986-01-01")));
    child_of(&mut world, child, mother, ParentKind::Biological);
    child_of(&mut world, brother, mother, ParentKind::Biological);
    child_of(&mut world, child, adoptive, ParentKind::Adoptive);
    world.when(marries(adoptive, child, TODAY)).then_refused(&["close_kin"]);
    world.when(marries(brother, child, TODAY)).then_refused(&["close_kin"]);
    world.given(marries(adoptive, mother, TODAY));
    world.history.broken = true;
    world.when(marries(brother, child, TODAY)).then_refused(&["history_unavailable"]);
}

#[test]
fn every_parent_of_a_role_counts() {
    let mut world = World::new();
    let (by_birth, by_law) = (world.person(man("1955-01-01")), world.person(man("1955-01-01")));
    let daughters = [woman("1985-01-01"), woman("1986-01-01")].map(|daughter| world.person(daughter));
    let son = world.person(man("1984-01-01"));
    child_of(&mut world, son, by_birth, ParentKind::Biological);
    child_of(&mut world, son, by_law, ParentKind::Legal);
    child_of(&mut world, daughters[0], by_birth, ParentKind::Biological);
    child_of(&mut world, daughters[1], by_law, ParentKind::Biological);
    for daughter in daughters {
        world.when(marries(son, daughter, TODAY)).then_refused(&["close_kin"]);
    }
}
