//! Whole runs against a toy registry.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod toy;

use event_schemas::card::CardStatus;
use event_schemas::command::Command;
use event_schemas::ids::HouseholdId;
use event_schemas::outcome::Outcome;
use event_schemas::person::{MaritalStatus, Sex};
use event_schemas::time::Date;
use simulator::{AnswerError, Expectation, Options, Phase, Planned, World};
use std::collections::{BTreeMap, BTreeSet};
use toy::ToyRegistry;

fn small() -> Options {
    Options { persons: 20_000, years: 2, ..Options::default() }
}

/// Runs a world to its end with at most `window` commands in flight; answers of a window come in the order that `shuffle`
/// gives. Every command passes `see`.
fn run(
    world: &mut World,
    window: usize,
    mut shuffle: impl FnMut(&mut Vec<(Planned, Outcome)>),
    mut see: impl FnMut(&Planned),
) {
    let mut registry = ToyRegistry::default();
    loop {
        let mut answers = Vec::new();
        loop {
            let batch = world.next_batch(window - answers.len());
            if batch.is_empty() {
                break;
            }
            for planned in batch {
                see(&planned);
                let outcome = registry.decide(&planned);
                answers.push((planned, outcome));
            }
            if answers.len() == window {
                break;
            }
        }
        if answers.is_empty() {
            assert_eq!(world.phase(), Phase::Done);
            return;
        }
        shuffle(&mut answers);
        for (planned, outcome) in answers {
            world.answer(planned.envelope.command_id, &outcome).unwrap();
        }
    }
}

fn in_order(_: &mut Vec<(Planned, Outcome)>) {}

/// Runs until the enrolment is over.
fn enrol(options: Options) -> World {
    let mut world = World::new(options).unwrap();
    let mut registry = ToyRegistry::default();
    loop {
        let batch = world.next_batch(5_000);
        if matches!(world.phase(), Phase::Day(_)) {
            return world;
        }
        for planned in batch {
            let outcome = registry.decide(&planned);
            world.answer(planned.envelope.command_id, &outcome).unwrap();
        }
    }
}

/// What must hold of every ledger, whatever happened.
fn check_ledger(world: &World) {
    let ledger = world.ledger();
    let persons: BTreeMap<_, _> = ledger.persons().map(|person| (person.person, person)).collect();
    let mut members = 0;
    for household in ledger.households() {
        assert_eq!(household.ended, household.members.is_empty(), "{household:?}");
        assert!(!household.ended || household.guests.is_empty(), "{household:?}");
        assert!(household.head.is_none_or(|head| household.members.contains(&head)), "{household:?}");
        for member in &household.members {
            let person = &persons[member];
            assert!(person.alive);
            assert_eq!(person.household, Some(household.household));
            assert_eq!(person.ward, Some(household.ward));
        }
        for guest in &household.guests {
            let stay = persons[guest].temporary.as_ref().unwrap();
            assert_eq!(stay.household, Some(household.household));
        }
        members += household.members.len();
    }
    let with_household = persons.values().filter(|person| person.household.is_some());
    assert_eq!(with_household.count(), members);
    let resident = persons.values().filter(|person| person.ward.is_some()).count() as u64;
    assert_eq!(ledger.population_by_ward().values().sum::<u64>(), resident);
    assert_eq!(ledger.population_by_district().values().sum::<u64>(), resident);
    let mut pins = BTreeSet::new();
    for person in persons.values() {
        assert!(person.pin.is_none_or(|pin| pins.insert(pin)), "two with one PIN");
        if let Some(spouse) = person.spouse {
            assert_eq!(persons[&spouse].spouse, Some(person.person), "{person:?}");
            assert_eq!((person.marital, person.alive), (MaritalStatus::Married, true));
        }
        if !person.alive {
            assert_eq!((&person.household, &person.temporary, &person.dossier), (&None, &None, &None));
        }
    }
    let mut active = BTreeSet::new();
    for card in ledger.cards() {
        let holder = &persons[&card.holder];
        assert!(holder.alive || !card.status.is_open(), "{card:?}");
        assert!(!card.serves || holder.alive && card.status == CardStatus::Active, "{card:?}");
        if card.status == CardStatus::Active {
            assert!(active.insert(card.holder), "two valid cards of one person");
            assert_eq!(holder.card, Some((card.card, card.status)));
            assert!(card.expires_on.is_none_or(|last| last >= world.current_date()));
        }
    }
}

#[test]
fn every_kind_of_command_occurs_a_hundred_times_and_nothing_surprises() {
    let mut world = World::new(small()).unwrap();
    run(&mut world, 5_000, in_order, |_| {});
    check_ledger(&world);
    let tally = world.tally();
    assert_eq!(tally.surprises, 0);
    assert_eq!(tally.answered, tally.submitted);
    let units = ["establish_units", "register_office", "change_office_area"];
    // Numbers in bulk, numbers cancelled and corrections are lived by the games of `domain`'s tests, not yet by this nation.
    let not_lived = [
        "cancel_pin",
        "reestablish_pin",
        "record_pin_notices",
        "correct",
        "propose_correction",
        "approve_correction",
        "stage_corrections",
    ];
    for (_, kind) in Command::KINDS {
        if not_lived.contains(kind) || kind.ends_with("_operation") {
            continue;
        }
        let accepted = tally.by_kind.get(kind).map_or(0, |count| count.accepted);
        let least = if units.contains(kind) { 5 } else { 100 };
        assert!(accepted >= least, "{kind}: {accepted}");
    }
    let wrong = tally.by_tag.keys().filter(|tag| tag.starts_with("wrong."));
    assert_eq!(wrong.count(), 20, "every mistake is made: {:?}", tally.by_tag);
    for tag in [
        "birth.couple",
        "birth.twins",
        "birth.father_unknown",
        "birth.late",
        "birth.before_a_change",
        "death.before_a_change",
        "birth.posthumous",
        "death.head",
        "death.head_with_successor",
        "death.member",
        "head.vacancy",
        "marriage.couple",
        "marriage.to_foreigner",
        "marriage.of_old_book",
        "marriage.after_a_death",
        "move.marriage",
        "card.early_exchange",
        "card.misprint",
        "card.new_face",
        "card.new_name",
        "card.on_request",
        "card.regained",
        "card.replace_damaged",
        "card.replace_lost",
    ] {
        assert!(tally.by_tag.contains_key(tag), "{tag} never happens");
    }
    let expected = world.total_expected() as f64;
    let estimate = World::new(small()).unwrap().total_expected() as f64;
    assert!((0.9..1.1).contains(&(estimate / expected)), "{estimate} estimated of {expected}");
}

#[test]
fn cards_end_and_the_law_of_cards_changes_in_a_longer_run() {
    let start_date = Date::new(2021, 7, 1).unwrap();
    let mut world =
        World::new(Options { persons: 4_000, years: 4, start_date, ..Options::default() }).unwrap();
    run(&mut world, 5_000, in_order, |_| {});
    check_ledger(&world);
    let tally = world.tally();
    for tag in ["card.exchange", "card.early_exchange", "card.child", "card.first", "card.return"] {
        assert!(tally.by_tag.contains_key(tag), "{tag} never happens: {:?}", tally.by_tag);
    }
    for status in [CardStatus::Expired, CardStatus::Held, CardStatus::Replaced, CardStatus::HolderDead] {
        assert!(world.ledger().cards().any(|card| card.status == status), "no card is {status:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_commands_whatever_the_order_of_answers() {
    let options = Options { persons: 4_000, years: 1, ..Options::default() };
    let trace = |seed: u64, shuffle: fn(&mut Vec<(Planned, Outcome)>)| {
        let options = Options { seed, ..options.clone() };
        let mut world = World::new(options).unwrap();
        let mut commands = Vec::new();
        run(&mut world, 5_000, shuffle, |planned| commands.push(planned.clone()));
        commands
    };
    let first = trace(7, in_order);
    assert!(first == trace(7, |answers| answers.reverse()));
    assert!(first != trace(8, in_order));
}

#[test]
fn the_window_does_not_change_what_is_submitted() {
    let options = Options { persons: 4_000, years: 1, ..Options::default() };
    let count = |window| {
        let mut world = World::new(options.clone()).unwrap();
        run(&mut world, window, in_order, |_| {});
        (world.tally().by_tag.clone(), world.ledger().population_by_ward())
    };
    let (one, many) = (count(1), count(5_000));
    assert!(one.1 == many.1);
    assert_eq!(format!("{:?}", one.0), format!("{:?}", many.0));
}

#[test]
fn thousands_of_commands_are_in_flight_at_once() {
    let mut world = World::new(small()).unwrap();
    let mut widest = 0;
    run(&mut world, 5_000, |answers| widest = widest.max(answers.len()), |_| {});
    assert_eq!(widest, 5_000);
}

#[test]
fn the_enrolled_population_looks_like_the_census() {
    let world = enrol(Options { persons: 50_000, ..Options::default() });
    let ledger = world.ledger();
    assert_eq!(ledger.living(), 50_000);
    assert_eq!(ledger.population_by_ward().len(), 109, "every ward of Hà Nam has people");
    let households = ledger.households().count();
    let mean = 50_000.0 / households as f64;
    assert!((3.5..3.7).contains(&mean), "{mean} persons to a household");
    let men = ledger.persons().filter(|person| person.sex == Sex::Male).count();
    let ratio = 100.0 * men as f64 / (50_000 - men) as f64;
    assert!((96.0..102.0).contains(&ratio), "{ratio} men to 100 women");
    check_ledger(&world);
}

#[test]
fn ages_are_near_the_census() {
    let mut births = Vec::new();
    let mut world = World::new(Options { persons: 50_000, years: 1, ..Options::default() }).unwrap();
    let mut registry = ToyRegistry::default();
    while !matches!(world.phase(), Phase::Day(_)) {
        for planned in world.next_batch(5_000) {
            if let Command::EnrolHousehold(enrol) = &planned.envelope.command {
                births.extend(enrol.members.iter().map(|member| member.person.identity.birth.latest()));
            }
            let outcome = registry.decide(&planned);
            world.answer(planned.envelope.command_id, &outcome).unwrap();
        }
    }
    let today = Date::new(2021, 1, 1).unwrap();
    let share = |from: i16, to: i16| {
        let of_age = births.iter().filter(|birth| (from..to).contains(&today.full_years_since(**birth)));
        100.0 * of_age.count() as f64 / births.len() as f64
    };
    let (young, middle, old) = (share(0, 15), share(15, 65), share(65, 200));
    assert!((22.5..26.5).contains(&young), "{young} % are under 15: 24.3 in the census");
    assert!((65.5..70.5).contains(&middle), "{middle} % are 15 to 64: 68.0 in the census");
    assert!((6.7..9.2).contains(&old), "{old} % are 65 or older: 7.7 in the census");
}

#[test]
fn births_and_deaths_follow_the_rates() {
    let mut world = World::new(Options { persons: 40_000, years: 1, ..Options::default() }).unwrap();
    let mut boys = 0;
    let mut girls = 0;
    run(&mut world, 5_000, in_order, |planned| {
        if let (Command::Birth(birth), Expectation::Accepted) = (&planned.envelope.command, planned.expect) {
            match birth.child.sex {
                Sex::Male => boys += 1,
                _ => girls += 1,
            }
        }
    });
    let births = boys + girls;
    assert!((620..=690).contains(&births), "{births} births of 40,000 people");
    let deaths = world.tally().by_kind["death"].accepted;
    assert!((235..=265).contains(&deaths), "{deaths} deaths of 40,000 people");
    let ratio = 100.0 * f64::from(boys) / f64::from(girls);
    assert!((95.0..130.0).contains(&ratio), "{ratio} boys to 100 girls");
}

#[test]
fn a_refusal_leaves_the_ledger_as_it_was() {
    let mut world = World::new(small()).unwrap();
    let mut registry = ToyRegistry::default();
    let mut refused = 0;
    loop {
        let batch = world.next_batch(1_000);
        if batch.is_empty() {
            break;
        }
        for mut planned in batch {
            let command = &planned.envelope.command;
            // Refuse every seventh household and every third thing of life.
            let number = planned.envelope.command_id.0 as u64;
            let enrolment = matches!(command, Command::EnrolHousehold(_));
            let administration = command.kind() < 10;
            let refuse = !administration && number.is_multiple_of(if enrolment { 7 } else { 3 });
            if refuse {
                planned.expect = Expectation::RefusedWith(&["out_of_paper"]);
                refused += 1;
            }
            let outcome = registry.decide(&planned);
            world.answer(planned.envelope.command_id, &outcome).unwrap();
        }
    }
    assert!(refused > 1_000);
    assert_eq!(world.phase(), Phase::Done);
    assert!(world.tally().surprises > 1_000);
    assert!(world.tally().first_surprises.len() <= simulator::MAX_SURPRISES_KEPT);
    check_ledger(&world);
}

#[test]
fn an_answer_to_nothing_is_refused() {
    let mut world = World::new(small()).unwrap();
    let mut registry = ToyRegistry::default();
    let batch = world.next_batch(10);
    assert_eq!(batch.len(), 1, "provinces come in one command");
    assert!(world.next_batch(10).is_empty(), "districts wait for their provinces");
    let outcome = registry.decide(&batch[0]);
    let id = batch[0].envelope.command_id;
    assert!(world.answer(id, &outcome).is_ok());
    assert_eq!(world.answer(id, &outcome), Err(AnswerError::NotInFlight(id)));
    assert!(world.ledger().household(HouseholdId(1)).is_none());
}
