//! Laws that hold of every sequence of commands, of all families.
//!
//! Layout: this file plays games and states the laws of deciding and folding; [`ledger`] an account kept from events alone;
//! [`saver`] restart points.

mod ledger;
mod saver;

use domain::invariants::violations;
use domain::registry::Registry;
use domain::testing::play::{Dice, command, officer};
use domain::testing::*;
use domain::{Accepted, Decision};
use event_schemas::card::{ApplicationReason, DocumentKind};
use event_schemas::command::{
    ApplicationDecision, ApplyForCard, Command, DecideCardApplication, HandOverCard, IssuePin, ProduceCard,
    RegisterMarriage, ReplaceCard, ReportCardLost,
};
use event_schemas::event::{Event, EventBody};
use event_schemas::household::Relationship::{Child, Head, Spouse};
use event_schemas::ids::{CardId, PersonId};
use event_schemas::kin::KinRef;
use event_schemas::operation::OperationKind;
use event_schemas::record::{EntryBody, Restatement};
use event_schemas::row::{Aspect, RowRef};
use ledger::Ledger;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use saver::Saver;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Families of the inhabited world; with three persons each they fill more than a page of persons.
const FAMILIES: usize = 88;
/// Commands of one game.
const MOVES: usize = 60;
/// Games of one law; `PROPTEST_CASES` sets another number.
const GAMES: u32 = 96;

/// Families in three wards. The last persons, of whom games speak, stand on both sides of a page's end.
static INHABITED: LazyLock<World> = LazyLock::new(|| {
    let mut world = World::new();
    for number in 0..FAMILIES {
        let father = world.person(man(&format!("{}-02-03", 1950 + number % 45)));
        let mother = world.person(woman(&format!("{}-04-05", 1952 + number % 45)));
        let child = world.person(woman(&format!("{}-06-07", 2000 + number % 20)));
        let unit = [PHUC_XA, TRUC_BACH, QUAN_TOAN][number % 3];
        world.household(unit, "2021-08-01", &[(father, Head), (mother, Spouse), (child, Child)]);
        if number + 16 > FAMILIES {
            let parents = [(father, number % 9), (mother, number * 4 % 9)];
            parents.into_iter().for_each(|(person, papers)| issue_papers(&mut world, person, papers));
            if number % 3 != 0 {
                world.given(marriage_of(father, mother, number));
            }
        }
    }
    world.check();
    world
});

fn marriage_of(husband: PersonId, wife: PersonId, number: usize) -> Command {
    let partners = [husband, wife].map(|partner| KinRef::Registered(id(partner)));
    let married_on = date(&format!("{}-05-06", 2021 - number % 6));
    Command::RegisterMarriage(RegisterMarriage { partners, married_on, legacy_entry: None })
}

/// A PIN, then an application, its approval, a card, its hand-over, its loss and the way to another: so many of these steps
/// as `papers` says.
fn issue_papers(world: &mut World, person: PersonId, papers: usize) {
    let dossier = world.registry.head().dossiers.next();
    let card = world.registry.head().cards.next();
    let approve = |dossier, on| {
        let decision = ApplicationDecision::Approve;
        Command::DecideCardApplication(DecideCardApplication { dossier, decision, decided_on: date(on) })
    };
    let produce = |dossier, card: CardId, on| {
        let serial = text(&format!("A{:06}", card.0));
        Command::ProduceCard(ProduceCard { dossier, serial, issued_on: date(on) })
    };
    let steps = [
        Command::ApplyForCard(ApplyForCard {
            person: id(person),
            document: DocumentKind::Cccd2021,
            reason: ApplicationReason::FirstIssue,
            representative: None,
            received_at: code(PHUC_XA),
            received_on: date("2021-09-01"),
        }),
        approve(dossier, "2021-09-03"),
        produce(dossier, card, "2021-09-10"),
        Command::HandOverCard(HandOverCard { card, handed_over_on: date("2021-09-15") }),
        Command::ReportCardLost(ReportCardLost { card, reported_on: date("2022-01-10") }),
        Command::ReplaceCard(ReplaceCard {
            card,
            document: DocumentKind::Cccd2021,
            reason: ApplicationReason::Lost,
            representative: None,
            received_at: code(PHUC_XA),
            received_on: date("2022-01-11"),
        }),
        approve(dossier.next(), "2022-01-13"),
        produce(dossier.next(), card.next(), "2022-01-20"),
    ];
    world.given(Command::IssuePin(IssuePin { person: id(person), birth_registered_at: None }));
    for step in steps.into_iter().take(papers) {
        world.given(step);
    }
}

fn dice() -> impl Strategy<Value = Dice> {
    (any::<u16>(), any::<u16>(), any::<u16>(), any::<u16>(), any::<u16>(), any::<u16>())
        .prop_map(|(kind, who, whom, place, day, detail)| Dice { kind, who, whom, place, day, detail })
}

/// One step of a game.
#[derive(Clone, Copy, Debug)]
enum Step {
    Submit(Dice),
    /// The next day is opened, or a later one.
    OpenDay(u16),
    /// What follows is in flight until it is confirmed.
    OpenGroup,
    ConfirmGroup,
    RollBack,
    /// The saver begins a round, or encodes this many of the round's pages.
    Save(u8),
    /// The process dies and starts again from what was saved.
    Restart,
}

/// Mostly some days, sometimes more than a year, in which cards and stays come to their end.
fn days() -> impl Strategy<Value = u16> {
    prop_oneof![4 => 1..60u16, 1 => 300..500u16]
}

fn submissions() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => dice().prop_map(Step::Submit),
        1 => days().prop_map(Step::OpenDay),
    ];
    prop::collection::vec(step, 1..MOVES)
}

fn whole_games() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => dice().prop_map(Step::Submit),
        1 => days().prop_map(Step::OpenDay),
        3 => Just(Step::OpenGroup),
        3 => Just(Step::ConfirmGroup),
        1 => Just(Step::RollBack),
        4 => (0..6u8).prop_map(Step::Save),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..MOVES)
}

fn config() -> Config {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    Config { cases: cases.unwrap_or(GAMES), failure_persistence: None, ..Config::default() }
}

fn open_later_day(world: &mut World, days: u16) {
    let day = world.today().plus_days(i32::from(days));
    world.open_day(&day.to_string());
}

/// Submits, and checks what must hold of the decision's record and of a refusal.
fn submit(world: &mut World, dice: Dice) -> Option<Accepted> {
    let before = world.registry.clone();
    let (office, envelope) = command(&world.registry, dice);
    world.officer = officer(dice);
    match world.submit(office, envelope) {
        Decision::Accepted(accepted) => {
            check_touches(&before, &world.registry, &accepted);
            Some(accepted)
        }
        Decision::Refused(_) => {
            // W5: nothing was recorded, nothing changed.
            assert_eq!(world.registry.head(), before.head());
            assert_eq!(world.registry.groups_in_flight(), before.groups_in_flight());
            None
        }
    }
}

/// Whether something is corrected at once: alone, by two officers, or in bulk.
fn is_correction(registry: &Registry, dice: Dice) -> bool {
    match command(registry, dice).1.command {
        Command::Correct(_) | Command::ApproveCorrection(_) => true,
        Command::CommitOperation(commit) => {
            let operation = registry.operation(commit.operation);
            operation.is_some_and(|row| matches!(row.kind, OperationKind::Corrections(_)))
        }
        _ => false,
    }
}

/// W3: a record names every row that its events change, once, with the version after the last; and changes no other row, but
/// for a commit, which changes what its operation staged.
fn check_touches(before: &Registry, after: &Registry, accepted: &Accepted) {
    let mut named: Vec<RowRef> = Vec::new();
    for event in &accepted.changes.events {
        event.body.for_each_stream(|row, _| named.push(row));
        // What a correction in bulk makes of rows that moved stands in the commit's own record.
        let EventBody::OperationCommitted(committed) = &event.body else { continue };
        let operation = before.operation(committed.operation).expect("it was opened");
        if matches!(operation.kind, OperationKind::Corrections(_)) {
            named.extend(committed.moved.iter().map(|moved| moved.row));
        }
    }
    named.sort_unstable();
    named.dedup();
    let touched: Vec<RowRef> = accepted.changes.rows.iter().map(|touch| touch.row).collect();
    assert_eq!(touched, named);
    for touch in &accepted.changes.rows {
        let (version, last) = before.version(touch.row);
        assert_eq!((touch.version.0, touch.previous), (version.0 + 1, last), "{}", touch.row);
        assert_eq!(after.version(touch.row), (touch.version, after.head().lsn));
    }
    let committed = committed(before, accepted);
    for row in &committed {
        let (version, _) = before.version(*row);
        assert_eq!(after.version(*row), (version.next(), after.head().lsn), "{row}");
    }
    after.for_each_row(|row| {
        if named.binary_search(&row).is_err() && !committed.contains(&row) {
            assert_eq!(after.image(row), before.image(row), "{row} changed without being named");
        }
    });
}

/// Rows that a record's commits change.
fn committed(before: &Registry, accepted: &Accepted) -> Vec<RowRef> {
    let mut rows = Vec::new();
    for event in &accepted.changes.events {
        let EventBody::OperationCommitted(committed) = &event.body else { continue };
        let staged = before.staged(committed.operation).expect("only what is under way is committed");
        let kept =
            staged.rows.iter().filter(|staged| staged.pin != 0).map(|staged| RowRef::Person(staged.person));
        let kept = kept.chain(staged.corrected.keys().copied());
        rows.extend(kept.filter(|row| committed.left_out.iter().all(|left_out| left_out.row != *row)));
        assert_eq!(rows.len() as u32, committed.counts.changed);
    }
    rows
}

/// Both hold the same: rows, numbers, keys, what is due, what is staged.
fn assert_same(left: &Registry, right: &Registry) {
    let rows = |registry: &Registry| {
        let mut rows = Vec::new();
        registry.for_each_row(|row| rows.push((row, registry.image(row))));
        rows
    };
    for (left, right) in rows(left).iter().zip(&rows(right)) {
        assert_eq!(left, right);
    }
    assert_eq!(rows(left).len(), rows(right).len());
    assert_eq!(left.head(), right.head());
    assert_eq!(left.lookups(), right.lookups());
    assert_eq!(left.due(), right.due());
    for (operation, _) in left.operations() {
        assert_eq!(left.staged(operation), right.staged(operation));
    }
}

/// Registered kin links show at both ends: the record of a link names the parent's row too.
fn check_kin(accepted: &Accepted) {
    for event in &accepted.changes.events {
        if let EventBody::ParentLinked(linked) = &event.body
            && let KinRef::Registered(parent) = linked.link.parent
        {
            for end in [linked.child, parent] {
                assert!(accepted.changes.rows.iter().any(|touch| touch.row == RowRef::Person(end)));
            }
        }
    }
}

proptest! {
    #![proptest_config(config())]

    /// After every record: one household of each kind, one head at most, one residence, memberships that agree on both
    /// sides (`World::submit` calls `violations`); an account kept from events alone comes to the same.
    #[test]
    fn no_sequence_of_commands_breaks_an_invariant(steps in submissions()) {
        let mut world = INHABITED.clone();
        let mut ledger = Ledger::default();
        ledger.take(&world.history.entries);
        for step in steps {
            let known = world.history.entries.len();
            match step {
                // The account knows what happened, and not what was found later not to have happened.
                Step::Submit(dice) if is_correction(&world.registry, dice) => {}
                Step::Submit(dice) => {
                    if let Some(accepted) = submit(&mut world, dice) {
                        check_kin(&accepted);
                    }
                }
                Step::OpenDay(days) => open_later_day(&mut world, days),
                _ => {}
            }
            ledger.take(&world.history.entries[known..]);
            ledger.check(&world.registry);
        }
        prop_assert!(violations(&world.registry).is_empty());
    }

    /// The fold is a pure function of the records (R3): folding them all anew gives the same state.
    #[test]
    fn folding_all_records_anew_gives_the_same_state(steps in submissions()) {
        let mut world = INHABITED.clone();
        for step in steps {
            match step {
                Step::Submit(dice) => {
                    submit(&mut world, dice);
                }
                Step::OpenDay(days) => open_later_day(&mut world, days),
                _ => {}
            }
        }
        let mut anew = Registry::new();
        for entry in &world.history.entries {
            anew.apply_entry(entry);
        }
        assert_same(&anew, &world.registry);
    }

    /// What is in flight can be taken back (W8), is never saved, and whatever was saved when, a restart leads to the state
    /// that was confirmed (R3).
    #[test]
    fn restarts_and_roll_backs_lead_to_what_was_confirmed(steps in whole_games()) {
        let mut world = INHABITED.clone();
        let mut saver = Saver::new(&mut world.registry);
        // The state and the entries when the oldest group in flight was opened, and where later groups begin.
        let mut confirmed = world.registry.clone();
        let mut groups: Vec<usize> = Vec::new();
        for step in steps {
            match step {
                Step::Submit(dice) => {
                    submit(&mut world, dice);
                }
                Step::OpenDay(days) => open_later_day(&mut world, days),
                Step::OpenGroup if groups.len() < 3 => {
                    if groups.is_empty() {
                        confirmed = world.registry.clone();
                    }
                    groups.push(world.history.entries.len());
                    world.registry.open_group();
                }
                Step::ConfirmGroup if !groups.is_empty() => {
                    groups.remove(0);
                    world.registry.confirm_group();
                    confirmed = replayed(&world, groups.first().copied());
                }
                Step::RollBack => {
                    if let Some(begin) = groups.first().copied() {
                        world.registry.roll_back();
                        world.history.entries.truncate(begin);
                        groups.clear();
                        assert_same(&world.registry, &confirmed);
                        world.check();
                    }
                }
                Step::Save(pages) => saver.save(&mut world.registry, usize::from(pages)),
                Step::Restart => {
                    // Groups in flight are lost with the process.
                    world.registry.roll_back();
                    world.history.entries.truncate(groups.first().copied().unwrap_or(usize::MAX));
                    groups.clear();
                    let restarted = saver.restart(&world.history.entries);
                    assert_same(&restarted, &world.registry);
                    world.registry = restarted;
                    world.check();
                }
                Step::OpenGroup | Step::ConfirmGroup => {}
            }
            if groups.is_empty() {
                confirmed = world.registry.clone();
            }
            prop_assert_eq!(world.registry.confirmed_head(), confirmed.head());
        }
    }
}

/// The state after the entries before this place.
fn replayed(world: &World, until: Option<usize>) -> Registry {
    let mut registry = Registry::new();
    for entry in &world.history.entries[..until.unwrap_or(world.history.entries.len())] {
        registry.apply_entry(entry);
    }
    registry
}

/// The games are worth playing: every kind of command is accepted, and refused, and every kind of event comes about.
#[test]
fn games_reach_every_command_and_every_event() {
    let mut runner = TestRunner::deterministic();
    let mut accepted: BTreeMap<&str, u32> = BTreeMap::new();
    let mut refused: BTreeMap<&str, u32> = BTreeMap::new();
    let mut events: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut restated, mut vague_deaths) = (0, 0);
    let mut couples = Couples::default();
    for _ in 0..700 {
        let steps = submissions().new_tree(&mut runner).unwrap().current();
        let mut world = INHABITED.clone();
        for step in steps {
            match step {
                Step::Submit(dice) => {
                    let name = command(&world.registry, dice).1.command.name();
                    match submit(&mut world, dice) {
                        Some(record) => {
                            *accepted.entry(name).or_default() += 1;
                            restated += record.changes.restatements.len();
                            couples.count(&record);
                            vague_deaths += usize::from(is_vague_death_that_ends_later(&record));
                        }
                        None => *refused.entry(name).or_default() += 1,
                    }
                }
                Step::OpenDay(days) => open_later_day(&mut world, days),
                _ => {}
            }
        }
        let recorded = &world.history.entries[INHABITED.history.entries.len()..];
        let bodies = recorded.iter().filter_map(|entry| entry.changes()).flat_map(|changes| &changes.events);
        for Event { body, .. } in bodies {
            *events.entry(body.name()).or_default() += 1;
        }
        assert!(recorded.iter().all(|entry| !matches!(entry.body, EntryBody::Genesis(_))));
    }
    println!(
        "accepted {accepted:#?}\nrefused {refused:#?}\nevents {events:#?}\nrestated {restated}, vague {vague_deaths}"
    );
    for (_, name) in event_schemas::Command::KINDS {
        assert!(accepted.contains_key(name), "no game had {name} accepted");
    }
    let missing: Vec<&str> =
        EventBody::KINDS.iter().map(|(_, name)| *name).filter(|name| !events.contains_key(name)).collect();
    // Who knows addresses alone seldom guesses what stands there: `corrections/laws.rs` amends.
    let missing: Vec<&str> = missing.into_iter().filter(|name| *name != "event_amended").collect();
    assert!(missing.is_empty(), "no game had {missing:?}");
    assert!(refused.len() > 20 && restated > 0 && vague_deaths > 0);
    assert!(
        couples.parted_by_death > 0 && couples.married_after_death > 0 && couples.late > 0,
        "{couples:?}"
    );
}

/// How games of marriages, divorces and deaths mix.
#[derive(Default, Debug)]
struct Couples {
    parted_by_death: u32,
    married_after_death: u32,
    /// Marriages and their ends before other facts of one of the couple.
    late: u32,
}

impl Couples {
    fn count(&mut self, record: &Accepted) {
        let has = |of: fn(&EventBody) -> bool| record.changes.events.iter().any(|event| of(&event.body));
        let registered = has(|body| matches!(body, EventBody::MarriageRegistered(_)));
        let died = has(|body| matches!(body, EventBody::DeathRegistered(_)));
        let ended = has(|body| matches!(body, EventBody::MarriageEnded(_)));
        let late = |restated: &&Restatement| restated.stream.aspect == Aspect::Marriage;
        self.parted_by_death += u32::from(died && ended);
        self.married_after_death += u32::from(registered && ended);
        self.late += record.changes.restatements.iter().filter(late).count() as u32;
    }
}

/// A death known to the month or the year, within which the dead person still did something.
fn is_vague_death_that_ends_later(record: &Accepted) -> bool {
    let events = &record.changes.events;
    let Some(death) = events.iter().find(|event| matches!(event.body, EventBody::DeathRegistered(_))) else {
        return false;
    };
    let begins = death.effective_on.earliest();
    let ends_later = |event: &Event| {
        matches!(event.body, EventBody::MemberLeft(_)) && event.effective_on.earliest() > begins
    };
    death.effective_on.full().is_none() && events.iter().any(ends_later)
}
