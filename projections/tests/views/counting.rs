//! Populations by age: whoever is counted is counted at the age of the day.
use crate::common::town::{DISTRICT, PROVINCE, Town, WARDS, identity, place};
use crate::common::{date, event, folded};
use event_schemas::event::{EventBody, Origin, PermanentResidenceRegistered, PersonRegistered};
use event_schemas::ids::{PersonId, UnitId};
use event_schemas::person::Sex;
use projections::definition::Definition;
use projections::structure::{Apart, Question, Structure, structure};
use projections::tree::Tree;
use projections::{Projector, view::CountBySex};

fn town_of(births: &[(&str, Sex, UnitId)]) -> Town {
    let mut town = Town::new();
    for (place_of, (birth, sex, unit)) in births.iter().enumerate() {
        let person = PersonId(place_of as u32 + 1);
        let mut identity = identity("An", *sex);
        identity.birth = birth.parse().unwrap();
        let (origin, identity, data) = (Origin::Enrolment, Box::new(identity), Box::default());
        let residence = PermanentResidenceRegistered { person, place: place(*unit) };
        let bodies = [
            EventBody::PersonRegistered(PersonRegistered { person, origin, identity, data }),
            EventBody::PermanentResidenceRegistered(residence),
        ];
        town.scribe.record(bodies.map(|body| event(date("2021-07-01"), body)).to_vec());
    }
    town
}

fn counted(projector: &Projector, unit: UnitId, on: &str, bands: &str, definition: Definition) -> Structure {
    let reading = projector.view().read();
    let tree = Tree::load(&reading).unwrap();
    let (on, bands) = (date(on), bands.parse().unwrap());
    let question = Question { definition, on, bands, apart: Apart::default() };
    structure(&reading, &tree, &tree.established_below(unit), &question).unwrap().unwrap()
}

/// `(first age, all, vague)` of every band that holds anybody.
fn ages(projector: &Projector, unit: UnitId, on: &str, bands: &str) -> Vec<(i16, u64, u64)> {
    let bands = counted(projector, unit, on, bands, Definition::Permanent).bands.into_iter();
    bands.map(|band| (band.from, band.counts.all(), band.vague)).filter(|band| band.1 > 0).collect()
}

#[test]
fn nobody_is_older_than_the_day_says() {
    let born = [
        ("2004-02-29", Sex::Male, WARDS[0]),
        ("2004-03-01", Sex::Female, WARDS[0]),
        ("2004-02-28", Sex::Female, WARDS[1]),
    ];
    let projector = folded(&town_of(&born).scribe.log);
    // Whoever was born on a leap day is a year older on 1 March where there is none.
    assert_eq!(ages(&projector, DISTRICT, "2021-02-27", "1"), [(16, 3, 0)]);
    assert_eq!(ages(&projector, DISTRICT, "2021-02-28", "1"), [(16, 2, 0), (17, 1, 0)]);
    assert_eq!(ages(&projector, DISTRICT, "2021-03-01", "1"), [(17, 3, 0)]);
    assert_eq!(ages(&projector, DISTRICT, "2024-02-29", "1"), [(19, 1, 0), (20, 2, 0)]);
    assert_eq!(ages(&projector, WARDS[0], "2021-03-01", "0,17"), [(17, 2, 0)]);
    // The province has totals of its own, for any day.
    assert_eq!(ages(&projector, PROVINCE, "2021-02-28", "1"), [(16, 2, 0), (17, 1, 0)]);
    assert_eq!(ages(&projector, UnitId(2), "2022-01-01", "1"), [(17, 3, 0)]);
}

#[test]
fn cohorts_turn_a_year_older_with_the_day_of_birth_on_1_january_too() {
    let born = [
        ("2003-12-31", Sex::Male, WARDS[0]),
        ("2004-01-01", Sex::Male, WARDS[0]),
        ("2004", Sex::Male, WARDS[0]),
        ("2004-01-02", Sex::Female, WARDS[1]),
    ];
    let projector = folded(&town_of(&born).scribe.log);
    for unit in [DISTRICT, PROVINCE] {
        assert_eq!(ages(&projector, unit, "2024-01-01", "1"), [(19, 1, 0), (20, 3, 1)]);
        assert_eq!(ages(&projector, unit, "2024-01-02", "1"), [(20, 4, 1)]);
    }
}

#[test]
fn vague_births_count_by_their_first_day_and_are_said_to() {
    let born = [
        ("1950", Sex::Male, WARDS[0]),
        ("1950-06", Sex::Male, WARDS[0]),
        ("1950-06-15", Sex::Male, WARDS[0]),
    ];
    let projector = folded(&town_of(&born).scribe.log);
    assert_eq!(ages(&projector, WARDS[0], "2020-06-01", "1"), [(69, 1, 0), (70, 2, 2)]);
    assert_eq!(ages(&projector, WARDS[0], "2020-05-31", "1"), [(69, 2, 1), (70, 1, 1)]);
}

#[test]
fn whoever_is_born_later_has_a_row_of_their_own() {
    let born = [("1990-01-01", Sex::Male, WARDS[0]), ("2020-01-01", Sex::Unknown, WARDS[0])];
    let projector = folded(&town_of(&born).scribe.log);
    let counted = counted(&projector, WARDS[0], "2019-12-31", "5", Definition::Usual);
    assert_eq!(counted.not_born, CountBySex { unknown: 1, male: 0, female: 0 });
    assert_eq!(counted.all.all(), 2);
    let in_bands: u64 = counted.bands.iter().map(|band| band.counts.all()).sum();
    assert_eq!(in_bands, 1);
}
