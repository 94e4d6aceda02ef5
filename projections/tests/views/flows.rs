//! Populations and their flows beside a naive count over random lives: for every unit, definition, month, sex and category (R6).
use crate::common::town::{DISTRICT, PROVINCE, Town, Truth, WARDS};
use crate::common::{cases, date, folded};
use event_schemas::ids::UnitId;
use event_schemas::person::Sex;
use event_schemas::time::Date;
use projections::Reading;
use projections::changes::ByDate;
use projections::class::Category;
use projections::definition::Definition;
use projections::flows::{Period, Whose, balances, moves, rolled_up};
use projections::month::Month;
use projections::structure::{Apart, Question, structure};
use projections::tree::Tree;
use proptest::prelude::*;

const AREAS: [UnitId; 5] = [WARDS[0], WARDS[1], DISTRICT, PROVINCE, UnitId::NONE];

/// Where a person is counted at the end of a day.
fn place(truth: &Truth, definition: Definition, day: Date, as_recorded: bool) -> Option<UnitId> {
    if truth.died_on.is_some_and(|died| died <= day) {
        return None;
    }
    let home = Truth::holds(&truth.homes, day, as_recorded).and_then(|number| truth.homes[number].unit);
    let held = Truth::holds(&truth.stays, day, as_recorded);
    let stay = held.and_then(|number| truth.stays[number].unit);
    let long = home.is_none() || held.is_some_and(|number| truth.stays_long(number));
    match definition {
        Definition::Permanent => home,
        Definition::Temporary => stay,
        Definition::Present => stay.or(home),
        Definition::Usual => stay.filter(|_| long).or(home),
    }
}

fn is_in(unit: Option<UnitId>, area: UnitId) -> bool {
    unit.is_some_and(|unit| unit == area || !WARDS.contains(&area))
}

fn last_day(month: Month) -> Date {
    date(&format!("{}-01", month.after())).plus_days(-1)
}

fn check_flows(reading: &Reading<'_>, town: &Town) {
    let tree = Tree::load(reading).unwrap();
    let period = Period::new("2021-06".parse().unwrap(), Month::of_day(town.today)).unwrap();
    let everybody = Whose::default();
    let men = Whose { sex: Some(Sex::Male), category: None };
    let undetermined = Whose { sex: None, category: Some(Category::Undetermined) };
    for area in AREAS {
        let units = rolled_up(&tree, &tree.counted_in(area, town.today));
        for definition in Definition::ALL {
            for (by, as_recorded) in [(ByDate::Event, false), (ByDate::Registration, true)] {
                for whose in [everybody, men, undetermined] {
                    let months = balances(reading, &units, (definition, by), whose, period).unwrap().unwrap();
                    for month in months {
                        let day = last_day(month.month);
                        let here = |truth: &&Truth| {
                            is_in(place(truth, definition, day, as_recorded), area)
                                && whose.sex.is_none_or(|sex| sex == truth.sex)
                                && whose.category.is_none_or(|_| !truth.citizen)
                        };
                        let expected = town.people.values().filter(here).count() as i64;
                        assert_eq!(month.closing, expected, "{area} {definition:?} {by:?} {}", month.month);
                        if !WARDS.contains(&area) {
                            assert_eq!((month.moved_in, month.moved_out), (0, 0), "nobody left the district");
                        }
                    }
                }
                let pairs = moves(reading, &units, (definition, by), period).unwrap().unwrap();
                let months = balances(reading, &units, (definition, by), everybody, period).unwrap().unwrap();
                assert_eq!(
                    pairs.iter().map(|pair| pair.moved_in).sum::<u64>(),
                    months.iter().map(|month| month.moved_in).sum::<u64>()
                );
            }
        }
    }
}

/// Everybody of each definition, at any day's ages, told apart by category.
fn check_structures(reading: &Reading<'_>, town: &Town, on: Date) {
    let tree = Tree::load(reading).unwrap();
    for area in AREAS {
        let units = tree.counted_in(area, town.today);
        for definition in Definition::ALL {
            let apart = Apart { category: true, marital: false };
            let question = Question { definition, on, bands: "1".parse().unwrap(), apart };
            let counted = structure(reading, &tree, &units, &question).unwrap().unwrap();
            let here = |truth: &&Truth| is_in(place(truth, definition, Date(i32::MAX), false), area);
            let people = town.people.values().filter(here);
            let age = |truth: &Truth| on.full_years_since(truth.birth.earliest());
            assert_eq!(counted.all.all(), people.clone().count() as u64, "{area} {definition:?}");
            let not_born = people.clone().filter(|truth| age(truth) < 0).count() as u64;
            assert_eq!(counted.not_born.all(), not_born);
            for band in &counted.bands {
                let in_band = |truth: &&Truth| {
                    age(truth) >= band.from
                        && band.to.is_none_or(|to| age(truth) <= to)
                        && truth.citizen == (band.category == Some(Category::Citizen))
                };
                let these = people.clone().filter(in_band);
                let women = these.clone().filter(|truth| truth.sex == Sex::Female).count() as u64;
                let vague = these.clone().filter(|truth| truth.birth.full().is_none()).count() as u64;
                let counts = (band.counts.all(), band.counts.female, band.vague);
                assert_eq!(counts, (these.count() as u64, women, vague), "{area} {definition:?} {band:?}");
            }
            let in_bands: u64 = counted.bands.iter().map(|band| band.counts.all()).sum();
            assert_eq!(in_bands + not_born, counted.all.all());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(32)))]

    /// R6: a population is what it was and every flow since, by each date and under each definition.
    #[test]
    fn a_population_is_what_it_was_and_every_flow_since(
        life in prop::collection::vec((any::<u8>(), 0..1_000_u32), 1..80),
        on in -12_000..20_000_i32,
    ) {
        let mut town = Town::new();
        town.varied = true;
        for (what, which) in &life {
            town.live(*what, *which);
        }
        let projector = folded(&town.scribe.log);
        let reading = projector.view().read();
        check_flows(&reading, &town);
        check_structures(&reading, &town, Date(on));
        let new_year = Date::new(Date(on).year(), 1, 1).unwrap();
        check_structures(&reading, &town, new_year);
    }
}
