//! Laws of all histories: changes, late facts, corrections, corrections of corrections, facts that were missing, vague dates.
//!
//! The naive fold here is written from the rule alone and shares nothing with the product but the types of events: a fact's slot is its own
//! address, or that of what it replaces; the latest correction that is itself in force rules the slot; a timeline is what rules its slots, in
//! the order of days and then of slots.

use super::*;
use domain::registry::rows::FLAG_NOTICE_DUE;
use domain::testing::play::{Dice, command, corrections, officer};
use event_schemas::card::{ApplicationReason, DocumentKind};
use event_schemas::command::{
    AbandonOperation, ApplicationDecision, ApplyForCard, ApproveOperation, CommitOperation,
    DecideCardApplication, HandOverCard, OpenOperation, ProduceCard, RegisterMarriage, StageCorrections,
    StageOperation,
};
use event_schemas::event::Event;
use event_schemas::household::Relationship::{Child, Head, Spouse};
use event_schemas::ids::OperationId;
use event_schemas::kin::KinRef;
use event_schemas::operation::{Corrections, OperationKind};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// Histories of one law; `PROPTEST_CASES` sets another number.
const HISTORIES: u32 = 500;
/// Steps of one history.
const STEPS: usize = 24;

/// Three families, the first father with a card, and two people who live alone.
static INHABITED: LazyLock<World> = LazyLock::new(|| {
    let mut world = World::new();
    for (number, unit) in [PHUC_XA, TRUC_BACH, QUAN_TOAN].into_iter().enumerate() {
        let pin = ["001080000001", "001080000002", "001080000003"][number];
        let father = world.person(NewPersonOf { pin: Some(pin), ..man("1980-02-03") });
        let mother = world.person(woman("1982-04-05"));
        let child = world.person(woman("2006-06-07"));
        world.household(unit, "2015-08-01", &[(father, Head), (mother, Spouse), (child, Child)]);
        let partners = [father, mother].map(|partner| KinRef::Registered(id(partner)));
        let married_on = date("2004-01-01");
        world.given(Command::RegisterMarriage(RegisterMarriage { partners, married_on, legacy_entry: None }));
    }
    for birth in ["1990-01-01", "1991"] {
        let person = world.person(woman(birth));
        world.resident(person, TRUC_BACH, "2016-01-01");
    }
    issue_card(&mut world, PersonId(1));
    world
});

fn issue_card(world: &mut World, person: PersonId) {
    let (dossier, card) = (world.registry.head().dossiers.next(), world.registry.head().cards.next());
    let steps = [
        Command::ApplyForCard(ApplyForCard {
            person: id(person),
            document: DocumentKind::Cccd2021,
            reason: ApplicationReason::FirstIssue,
            representative: None,
            received_at: code(PHUC_XA),
            received_on: date("2021-09-01"),
        }),
        Command::DecideCardApplication(DecideCardApplication {
            dossier,
            decision: ApplicationDecision::Approve,
            decided_on: date("2021-09-03"),
        }),
        Command::ProduceCard(ProduceCard { dossier, serial: text("A000001"), issued_on: date("2021-09-10") }),
        Command::HandOverCard(HandOverCard { card, handed_over_on: date("2021-09-15") }),
    ];
    steps.into_iter().for_each(|step| {
        world.given(step);
    });
}

fn dice() -> impl Strategy<Value = Dice> {
    (any::<u16>(), any::<u16>(), any::<u16>(), any::<u16>(), any::<u16>(), any::<u16>())
        .prop_map(|(kind, who, whom, place, day, detail)| Dice { kind, who, whom, place, day, detail })
}

/// One step of a history.
#[derive(Clone, Copy, Debug)]
enum Step {
    Submit(Dice),
    Correct(Dice),
    InBulk([Dice; 3]),
    OpenDay(u16),
}

/// A correction that was made.
#[derive(Clone, Copy, Debug)]
enum Made {
    By(Lsn),
    InBulk(OperationId),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => dice().prop_map(Step::Submit),
        9 => dice().prop_map(Step::Correct),
        2 => [dice(), dice(), dice()].prop_map(Step::InBulk),
        1 => (1..500u16).prop_map(Step::OpenDay),
    ];
    prop::collection::vec(step, 1..STEPS)
}

/// What the events say, by the rule.
struct Naive {
    events: Vec<(EventAddress, Event)>,
    /// Where each stands, what it speaks of, and whether it only takes that back.
    corrections: Vec<(EventAddress, EventAddress, bool)>,
}

impl Naive {
    fn of(world: &World) -> Self {
        let events: Vec<(EventAddress, Event)> =
            world.history.events().map(|(at, event)| (at, event.clone())).collect();
        let mut corrections = Vec::new();
        for (address, event) in &events {
            match &event.body {
                EventBody::EventAnnulled(e) => corrections.push((*address, e.event, true)),
                EventBody::EventAmended(e) => corrections.push((at(address.lsn, e.by), e.event, false)),
                _ => {}
            }
        }
        Self { events, corrections }
    }

    fn correction(&self, address: EventAddress) -> Option<&(EventAddress, EventAddress, bool)> {
        self.corrections.iter().find(|(at, ..)| *at == address)
    }

    fn slot(&self, address: EventAddress) -> EventAddress {
        self.correction(address).map_or(address, |(_, of, _)| self.slot(*of))
    }

    fn in_force(&self, address: EventAddress) -> bool {
        !self.corrections.iter().any(|(at, of, annuls)| *annuls && *of == address && self.in_force(*at))
    }

    /// What rules the slot of a fact that replaces nothing.
    fn ruling(&self, slot: EventAddress) -> Option<(EventAddress, &Event)> {
        let speaks_of_slot = |(at, of, annuls): &&(EventAddress, EventAddress, bool)| {
            self.slot(*at) == slot && !(*annuls && self.correction(*of).is_some())
        };
        let in_force = self.corrections.iter().filter(speaks_of_slot).filter(|(at, ..)| self.in_force(*at));
        let ruling = match in_force.max_by_key(|(at, ..)| *at) {
            Some((_, _, true)) => return None,
            Some((at, ..)) => *at,
            None => slot,
        };
        self.events.iter().find(|(at, _)| *at == ruling).map(|(at, event)| (*at, event))
    }

    fn timeline(&self, stream: StreamRef) -> Vec<(EventAddress, Event)> {
        let mut found = Vec::new();
        for (slot, original) in &self.events {
            let is_fact = !matches!(original.body, EventBody::EventAnnulled(_) | EventBody::EventAmended(_));
            if !is_fact || self.correction(*slot).is_some() {
                continue;
            }
            let Some((at, event)) = self.ruling(*slot) else { continue };
            let mut belongs = false;
            event.body.for_each_stream(|row, aspect| belongs |= StreamRef { row, aspect } == stream);
            if belongs {
                found.push((event.effective_on.earliest(), *slot, at, event.clone()));
            }
        }
        found.sort_by_key(|(day, slot, ..)| (*day, *slot));
        found.into_iter().map(|(_, _, at, event)| (at, event)).collect()
    }
}

/// Every timeline, and what persons' rows hold, is what the naive fold says.
fn check(world: &World) {
    let naive = Naive::of(world);
    let mut rows: BTreeSet<RowRef> = BTreeSet::new();
    world.registry.for_each_row(|row| {
        if matches!(row, RowRef::Person(_) | RowRef::Household(_)) {
            rows.insert(row);
        }
    });
    for row in rows {
        for aspect in ASPECTS {
            let stream = StreamRef { row, aspect };
            let held = world.history.stream(stream).expect("the history can be read");
            assert_eq!(domain::timeline::in_valid_order(held), naive.timeline(stream), "{stream:?}");
        }
        if let RowRef::Person(person) = row {
            check_person(world, &naive, person);
        }
    }
}

const ASPECTS: [Aspect; 10] = [
    Aspect::Existence,
    Aspect::Identity,
    Aspect::Life,
    Aspect::PermanentResidence,
    Aspect::Membership,
    Aspect::TemporaryResidence,
    Aspect::Marriage,
    Aspect::Composition,
    Aspect::HouseholdPlace,
    Aspect::Number,
];

fn check_person(world: &World, naive: &Naive, person: PersonId) {
    let timeline = |aspect| naive.timeline(StreamRef { row: RowRef::Person(person), aspect });
    let latest = |events: &[(EventAddress, Event)]| {
        events.iter().map(|(_, event)| event.effective_on.earliest().0).max().unwrap_or(i32::MIN)
    };
    let row = row(world, person);
    let residence = timeline(Aspect::PermanentResidence);
    let unit = match residence.last().map(|(_, event)| &event.body) {
        Some(EventBody::PermanentResidenceRegistered(e)) => e.place.unit().map_or(0, |unit| unit.0),
        _ => 0,
    };
    assert_eq!(row.unit, unit, "residence of {person}");
    let membership = timeline(Aspect::Membership);
    let household = membership.iter().fold(0, |household, (_, event)| match &event.body {
        EventBody::MemberJoined(e) => e.household.0,
        EventBody::MemberLeft(_) => 0,
        _ => household,
    });
    assert_eq!(row.household, household, "household of {person}");
    assert_eq!(row.residence_since, latest(&residence).max(latest(&membership)), "{person}");
    let identity = timeline(Aspect::Identity);
    assert_eq!(row.identity_since, latest(&identity), "{person}");
    let birth = identity.iter().find_map(|(_, event)| match &event.body {
        EventBody::PersonRegistered(e) => Some(e.identity.birth.packed()),
        _ => None,
    });
    // Of a birth that was taken back the row stays.
    assert_eq!(row.birth, birth.unwrap_or(0), "birth of {person}");
    let died = timeline(Aspect::Life).last().map_or(0, |(_, event)| event.effective_on.packed());
    assert_eq!(row.died, died, "death of {person}");
    let marriages = timeline(Aspect::Marriage);
    assert_eq!(row.marriage_since, latest(&marriages), "{person}");
}

/// What happens between the parts of an operation and its commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Between {
    Nothing,
    Moves,
}

/// The correction, if one is made.
fn play(world: &mut World, step: Step, between: Between) -> Option<Made> {
    match step {
        Step::OpenDay(days) => {
            let day = world.today().plus_days(i32::from(days));
            world.open_day(&day.to_string());
            None
        }
        Step::Submit(dice) => {
            let (office, envelope) = command(&world.registry, dice);
            world.officer = officer(dice);
            world.submit(office, envelope);
            None
        }
        Step::Correct(dice) => {
            let edits = corrections::edits(&world.history, &world.registry, dice);
            let decision = world.submit_correction(NATIONAL_OFFICE, edits);
            matches!(decision, Decision::Accepted(_)).then(|| Made::By(world.registry.head().lsn))
        }
        Step::InBulk(dice) => in_bulk(world, dice, between).map(Made::InBulk),
    }
}

fn opened(world: &mut World, reverses: Option<OperationId>) -> OperationId {
    let kind = OperationKind::Corrections(Corrections { unit: None, reverses });
    let opening = world.decided(Command::OpenOperation(OpenOperation { kind, purpose: text("found wrong") }));
    world.given_envelope(NATIONAL_OFFICE, opening);
    world.registry.head().operations
}

fn committed(world: &mut World, operation: OperationId) {
    let digest = world.registry.operation(operation).expect("it is open").digest;
    let officer = std::mem::replace(&mut world.officer, event_schemas::ids::OfficerId(77));
    world.given(Command::ApproveOperation(ApproveOperation { operation, digest }));
    world.officer = officer;
    world.given(Command::CommitOperation(CommitOperation { operation, digest }));
}

/// Those of the corrections that can be made beside each other, in one part.
fn in_bulk(world: &mut World, dice: [Dice; 3], between: Between) -> Option<OperationId> {
    let operation = opened(world, None);
    let mut items = Vec::new();
    let staging = |world: &mut World, items: Vec<Vec<Edit>>| {
        let stage = StageCorrections { operation, part: 1, items, is_last: true };
        world.decided(Command::StageCorrections(stage))
    };
    for dice in dice {
        let mut more: Vec<Vec<Edit>> = items.clone();
        more.push(corrections::edits(&world.history, &world.registry, dice));
        let envelope = staging(world, more.clone());
        if let Decision::Accepted(_) = world.clone().submit(NATIONAL_OFFICE, envelope) {
            items = more;
        }
    }
    if items.is_empty() {
        let reason = text("nothing of it can be made");
        world.given(Command::AbandonOperation(AbandonOperation { operation, reason }));
        return None;
    }
    let envelope = staging(world, items);
    world.given_envelope(NATIONAL_OFFICE, envelope);
    if between == Between::Moves {
        moves(world, operation, dice);
    }
    committed(world, operation);
    Some(operation)
}

/// Somebody of whom a correction is staged gets another name, and other things happen.
fn moves(world: &mut World, operation: OperationId, dice: [Dice; 3]) {
    let staged = world.registry.staged(operation).expect("it is staged").corrected.keys();
    let persons: Vec<PersonId> = staged
        .filter_map(|row| match row {
            RowRef::Person(person) => Some(*person),
            _ => None,
        })
        .collect();
    if let Some(person) = persons.get(usize::from(dice[0].who) % persons.len().max(1)) {
        let today = world.today().to_string();
        let envelope = world.envelope(change_name(*person, "Khác", &today));
        world.submit(NATIONAL_OFFICE, envelope);
    }
    for dice in dice {
        let (office, envelope) = command(&world.registry, dice);
        // It is not given up meanwhile.
        if !envelope.command.name().contains("operation") {
            world.submit(office, envelope);
        }
    }
}

fn histories(law: impl Fn(Vec<Step>)) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = Config { cases: cases.unwrap_or(HISTORIES), failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&steps(), |steps| {
        law(steps);
        Ok(())
    });
    run.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn every_timeline_and_row_is_what_the_naive_fold_says() {
    let corrections = Cell::new(0_u32);
    let of_corrections = Cell::new(0_u32);
    let in_bulk = Cell::new(0_u32);
    let again_at_commit = Cell::new(0_u32);
    histories(|steps| {
        let mut world = INHABITED.clone();
        for step in steps {
            if let Some(made) = play(&mut world, step, Between::Moves) {
                again_at_commit.set(again_at_commit.get() + u32::from(has_moved(&world)));
                let lsn = world.registry.head().lsn;
                in_bulk.set(in_bulk.get() + u32::from(matches!(made, Made::InBulk(_))));
                corrections.set(corrections.get() + 1);
                let naive = Naive::of(&world);
                let again = naive
                    .corrections
                    .iter()
                    .filter(|(at, of, _)| at.lsn == lsn && naive.correction(*of).is_some());
                of_corrections.set(of_corrections.get() + again.count() as u32);
            }
        }
        check(&world);
        // Folding all records anew gives the same rows (R3).
        let mut anew = domain::Registry::new();
        world.history.entries.iter().for_each(|entry| anew.apply_entry(entry));
        assert_eq!(anew.head().digest, world.registry.head().digest);
    });
    println!(
        "{} corrections, {} of corrections; {} commits with rows that moved",
        corrections.get(),
        of_corrections.get(),
        again_at_commit.get()
    );
    // Histories are drawn by chance: the bounds are half of what they usually hold.
    assert!(corrections.get() > HISTORIES, "the histories hold {} corrections", corrections.get());
    assert!(of_corrections.get() > HISTORIES / 20, "and {} of corrections", of_corrections.get());
    assert!(in_bulk.get() > HISTORIES / 10, "and {} in bulk", in_bulk.get());
    assert!(again_at_commit.get() > HISTORIES / 40, "and {} commits with moved rows", again_at_commit.get());
}

/// Whatever came before, a correction that is taken back with nothing in between leaves every row as it was: all but versions, and
/// numbers that were given out.
#[test]
fn a_correction_taken_back_leaves_what_was_believed_before() {
    let reversed = Cell::new(0_u32);
    histories(|steps| {
        let mut world = INHABITED.clone();
        for step in steps {
            let before = all_believed(&world);
            let Some(made) = play(&mut world, step, Between::Nothing) else { continue };
            let mut copy = world.clone();
            match made {
                Made::By(lsn) => {
                    let reversal = corrections::whole(&world.history, at(lsn, 0));
                    corrected(&mut copy, reversal);
                }
                Made::InBulk(of) => {
                    let operation = opened(&mut copy, Some(of));
                    copy.given(Command::StageOperation(StageOperation { operation, part: 1, rows: 1 }));
                    committed(&mut copy, operation);
                }
            }
            assert_eq!(all_believed(&copy), before);
            reversed.set(reversed.get() + 1);
        }
    });
    println!("{} corrections were taken back", reversed.get());
    assert!(reversed.get() > HISTORIES, "{} corrections were taken back", reversed.get());
}

/// Whether the last record commits corrections some of whose rows moved.
fn has_moved(world: &World) -> bool {
    let events = world.history.entries.last().and_then(|entry| entry.changes()).map(|it| &it.events);
    events.into_iter().flatten().any(
        |event| matches!(&event.body, EventBody::OperationCommitted(committed) if !committed.moved.is_empty()),
    )
}

fn all_believed(world: &World) -> Vec<(RowRef, RowImage)> {
    let mut rows = Vec::new();
    world.registry.for_each_row(|row| {
        // That something was proposed is not what is believed of anybody.
        if matches!(row, RowRef::Operation(_)) {
            return;
        }
        let mut image = believed(world, row);
        if let RowImage::Person(person, _) = &mut image {
            // Numbers are given out for good, and whoever gets another is told in writing.
            person.pin = Default::default();
            person.flags &= !FLAG_NOTICE_DUE;
        }
        rows.push((row, image));
    });
    rows
}
