//! Ages: who may apply, when a card is exchanged, when it ends; a day before, on the day, a day after.

use super::saver::Saver;
use super::*;
use domain::registry::rows::NO_EXPIRY;
use event_schemas::event::EventBody;
use event_schemas::record::{Changes, EntryBody, Lapsed};
use proptest::prelude::*;

#[test]
fn a_card_of_the_law_of_2014_is_for_whoever_is_fourteen() {
    let mut world = World::new();
    for (birth, codes) in [
        ("2008-03-02", &["too_young_for_card"][..]),
        ("2008-03-01", &[]),
        ("2008-02-28", &[]),
        ("2008-02-29", &[]),
        ("2008-03", &["too_young_for_card"]),
        ("2008-02", &[]),
        ("2008", &["too_young_for_card"]),
        ("2007", &[]),
    ] {
        let person = citizen(&mut world, birth);
        let applied = world.when(apply(person, ApplicationReason::FirstIssue, "2022-03-01"));
        match codes {
            [] => _ = applied.accepted(),
            codes => _ = applied.then_refused(codes),
        }
    }
    let leap = citizen(&mut world, "2008-02-29");
    world
        .when(apply(leap, ApplicationReason::FirstIssue, "2022-02-28"))
        .then_refused(&["too_young_for_card"]);
}

#[test]
fn a_child_below_fourteen_gets_a_card_from_july_2024_through_a_representative() {
    let mut world = World::new();
    let mother = world.person(woman("1990-01-01"));
    let minor = world.person(woman("2007-07-02"));
    let under_court = world.person(NewPersonOf {
        capacity: event_schemas::person::LegalCapacity::Restricted,
        ..woman("1990-01-01")
    });
    world.open_day("2024-07-01");
    for (birth, on, own) in [
        ("2024-06-30", "2024-07-01", false),
        ("2018-07-02", "2024-07-01", false),
        ("2010-07-02", "2024-07-01", false),
        ("2010-07-01", "2024-07-01", true),
        ("2010-06-30", "2024-07-01", true),
    ] {
        let child = citizen(&mut world, birth);
        let alone = apply(child, ApplicationReason::FirstIssue, on);
        match own {
            true => _ = world.when(alone).accepted(),
            false => _ = world.when(alone).then_refused(&["representative_required"]),
        }
        let by = |representative| {
            let representative = Some(id(representative));
            Command::ApplyForCard(ApplyForCard {
                representative,
                ..application(child, ApplicationReason::FirstIssue, on)
            })
        };
        for unfit in [minor, under_court, child] {
            world.when(by(unfit)).then_refused(&["representative_unfit"]);
        }
        let accepted = world.given(by(mother));
        let EventBody::DossierReceived(received) = &accepted.changes.events[0].body else { panic!() };
        assert_eq!(received.representative, Some(mother));
    }
    let child = citizen(&mut world, "2014-01-01");
    let early = apply(child, ApplicationReason::FirstIssue, "2024-06-30");
    world.when(early).then_refused(&["too_young_for_card"]);
}

#[test]
fn whoever_lacks_capacity_has_a_representative_at_any_age() {
    let mut world = World::new();
    let capacity = event_schemas::person::LegalCapacity::Lost;
    let person = world.person(NewPersonOf { capacity, ..man("1980-01-01") });
    world.given(Command::IssuePin(IssuePin { person: id(person), birth_registered_at: None }));
    let alone = apply(person, ApplicationReason::FirstIssue, "2022-03-01");
    world.when(alone).then_refused(&["representative_required"]);
    let sister = world.person(woman("1985-01-01"));
    world.given(Command::ApplyForCard(ApplyForCard {
        representative: Some(id(sister)),
        ..application(person, ApplicationReason::FirstIssue, "2022-03-01")
    }));
}

/// Births whose card of 2021-09-10 ends on 2024-06-01, and the last day of the one that follows.
const ENDING_IN_2024: [(&str, &str); 3] =
    [("1999-06-01", "2039-06-01"), ("1984-06-01", "2044-06-01"), ("1964-06-01", "never")];

#[test]
fn an_exchange_for_age_is_received_from_two_years_before_the_last_day() {
    for (birth, next) in ENDING_IN_2024 {
        let mut world = World::new();
        let (person, card) = holder(&mut world, birth, "2021-09-10");
        assert_eq!(last_day(&world, card), date("2024-06-01"));
        world.open_day("2022-06-02");
        let exchange = |on| apply(person, ApplicationReason::AgeExchange, on);
        let faults = world.when(exchange("2022-05-31")).then_refused(&["age_exchange_early"]);
        assert!(faults[0].en.contains("from 2022-06-01 on"), "{}", faults[0].en);
        world.when(exchange("2022-06-02")).accepted();
        let successor = issue(&mut world, exchange("2022-06-01"), "2022-06-01");
        let expires = world.registry.card(successor).unwrap().expires;
        let shown = if expires == NO_EXPIRY { "never".to_owned() } else { Date(expires).to_string() };
        assert_eq!(shown, next, "born {birth}");
        assert_eq!(status(&world, card), CardStatus::Replaced);
    }
}

#[test]
fn an_early_application_of_which_the_card_is_made_early_brings_no_longer_validity() {
    let mut world = World::new();
    let (person, _) = holder(&mut world, "1999-06-01", "2021-09-10");
    world.open_day("2022-06-02");
    let renewed = issue(&mut world, apply(person, ApplicationReason::OnRequest, "2022-05-31"), "2022-05-31");
    assert_eq!(last_day(&world, renewed), date("2024-06-01"), "made a day too early");
    let exchanged =
        issue(&mut world, apply(person, ApplicationReason::AgeExchange, "2022-06-01"), "2022-06-01");
    assert_eq!(last_day(&world, exchanged), date("2039-06-01"));
}

#[test]
fn a_card_without_a_last_day_is_never_exchanged_for_age() {
    let mut world = World::new();
    let (person, card) = holder(&mut world, "1963-09-10", "2021-09-10");
    assert_eq!(world.registry.card(card).unwrap().expires, NO_EXPIRY, "58 on the day of issue");
    world
        .when(apply(person, ApplicationReason::AgeExchange, "2022-03-01"))
        .then_refused(&["card_without_last_day"]);
    world.open_day("2090-01-01");
    assert_eq!(status(&world, card), CardStatus::Active);
}

#[test]
fn a_childs_card_ends_at_fourteen_and_is_exchanged_from_twelve() {
    let mut world = World::new();
    let child = citizen(&mut world, "2013-06-01");
    let mother = world.person(woman("1990-01-01"));
    let by_mother = |reason, on| {
        let representative = Some(id(mother));
        Command::ApplyForCard(ApplyForCard { representative, ..application(child, reason, on) })
    };
    world.open_day("2024-07-10");
    let card = issue(&mut world, by_mother(ApplicationReason::FirstIssue, "2024-07-10"), "2024-07-10");
    assert_eq!(last_day(&world, card), date("2027-06-01"));
    world.open_day("2025-06-01");
    world.when(by_mother(ApplicationReason::AgeExchange, "2025-05-31")).then_refused(&["age_exchange_early"]);
    world.when(by_mother(ApplicationReason::AgeExchange, "2025-06-01")).accepted();
    world.open_day("2027-06-01");
    assert_eq!(status(&world, card), CardStatus::Active);
    world.open_day("2027-06-02");
    assert_eq!(status(&world, card), CardStatus::Expired);
    world.given(apply(child, ApplicationReason::AgeExchange, "2027-06-02"));
}

#[test]
fn an_application_of_the_old_law_leads_to_the_card_of_the_day_on_which_it_is_made() {
    let mut world = World::new();
    let person = citizen(&mut world, "1990-05-05");
    world.open_day("2024-07-01");
    let applied = world.given(apply(person, ApplicationReason::FirstIssue, "2024-06-30"));
    let card = produce(&mut world, &applied, "2024-07-01");
    let made = world.history.last().unwrap().changes().unwrap().events[0].clone();
    let EventBody::CardProduced(produced) = made.body else { panic!("{made:?}") };
    assert_eq!((produced.card, produced.document), (card, DocumentKind::CanCuoc2024));
}

/// Births, and the last day of a card that was issued on 2021-09-10.
const LAST_DAYS: [(&str, &str); 7] = [
    ("1999-06-01", "2024-06-01"),
    ("1998-12-31", "2023-12-31"),
    ("2000-02-29", "2025-03-01"),
    ("2000-02-28", "2025-02-28"),
    ("1984-02-29", "2024-02-29"),
    ("1964-02-29", "2024-02-29"),
    ("2000", "2025-12-31"),
];

#[test]
fn a_card_serves_on_its_last_day_and_ends_with_the_next() {
    for (birth, last) in LAST_DAYS {
        let mut world = World::new();
        let (_, card) = holder(&mut world, birth, "2021-09-10");
        assert_eq!(last_day(&world, card), date(last), "born {birth}");
        world.open_day(&date(last).plus_days(-1).to_string());
        assert_eq!(status(&world, card), CardStatus::Active, "born {birth}");
        world.open_day(last);
        assert_eq!(status(&world, card), CardStatus::Active, "born {birth}");
        world.open_day(&date(last).plus_days(1).to_string());
        assert_eq!(status(&world, card), CardStatus::Expired, "born {birth}");
    }
}

#[test]
fn days_that_were_missed_end_every_card_on_its_own_day() {
    let mut world = World::new();
    let cards: Vec<(CardId, &str)> = LAST_DAYS
        .into_iter()
        .map(|(birth, last)| (holder(&mut world, birth, "2021-09-10").1, last))
        .collect();
    world.open_day("2026-01-01");
    let recorded: Vec<(CardId, Date)> = world
        .history
        .entries
        .iter()
        .filter_map(|entry| entry.changes())
        .flat_map(|changes| &changes.events)
        .filter_map(|event| match &event.body {
            EventBody::CardExpired(e) => Some((e.card, event.effective_on.earliest())),
            _ => None,
        })
        .collect();
    assert!(recorded.is_sorted_by_key(|(card, day)| (*day, *card)), "{recorded:?}");
    for (card, last) in cards {
        assert!(recorded.contains(&(card, date(last).plus_days(1))), "{card}: {recorded:?}");
        assert_eq!(status(&world, card), CardStatus::Expired);
    }
}

/// The birthday of an age by the calendar alone; the day after 28 February where there is no 29th.
fn birthday_at(birth: Date, age: i16) -> Date {
    let (year, month, day) = birth.ymd();
    Date::new(year + age, month, day).unwrap_or_else(|_| Date::new(year + age, 3, 1).unwrap())
}

/// Games of the gate; `PROPTEST_CASES` says otherwise.
const GAMES: u32 = 24;

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: cases.unwrap_or(GAMES), failure_persistence: None, ..ProptestConfig::default() }
}

/// Opens a day; the registry is lost and restored from what was saved before every part of what falls due.
fn open_day_with_restarts(world: &mut World, saver: &mut Saver, day: Date, pages: usize) {
    world.record(EntryBody::DayOpened { date: day });
    while world.registry.head().day_pending {
        world.registry = saver.restart(&world.history.entries);
        saver.save(&mut world.registry, pages);
        let part = domain::decide::lapsed(&world.registry).unwrap_or(Lapsed {
            date: day,
            last: true,
            changes: Changes::default(),
        });
        world.record(EntryBody::Lapsed(part));
    }
}

proptest! {
    #![proptest_config(config())]

    /// Whatever days are opened and missed, and wherever the registry starts anew from its saved rows: a card is expired
    /// exactly if its last day lies before the opened one (R3).
    #[test]
    fn cards_are_expired_exactly_after_their_last_day_however_days_are_opened(
        births in prop::collection::vec((1955i16..2008, 1i8..13, 1i8..29, any::<bool>()), 1..6),
        jumps in prop::collection::vec(
            (prop_oneof![1i32..4, 300i32..800, 2_000i32..6_000], any::<bool>(), 0usize..9),
            1..9,
        ),
    ) {
        let issued = date("2021-09-10");
        let mut world = World::new();
        let mut expected = Vec::new();
        for (year, month, day, leap) in births {
            let leap_day = Date::new(year - year % 4, 2, 29).ok().filter(|_| leap);
            let birth = leap_day.unwrap_or(Date::new(year, month, day).unwrap());
            if birthday_at(birth, 14) > issued {
                continue;
            }
            let (_, card) = holder(&mut world, &birth.to_string(), "2021-09-10");
            let next = [25, 40, 60].into_iter().find(|&age| issued < birthday_at(birth, age - 2));
            expected.push((card, next.map(|age| birthday_at(birth, age))));
        }
        let mut saver = Saver::new(&mut world.registry);
        for (days, restarts, pages) in jumps {
            let day = world.today().plus_days(days);
            if restarts {
                open_day_with_restarts(&mut world, &mut saver, day, pages);
            } else {
                world.open_day(&day.to_string());
                saver.save(&mut world.registry, pages);
            }
            world.check();
            for &(card, last) in &expected {
                let is_over = last.is_some_and(|last| last < day);
                let expected = if is_over { CardStatus::Expired } else { CardStatus::Active };
                prop_assert_eq!(status(&world, card), expected, "{} on {}, last day {:?}", card, day, last);
            }
        }
    }
}
