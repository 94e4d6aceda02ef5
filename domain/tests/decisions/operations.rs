//! Operations larger than one record: given what came before, when an officer submits, then these facts follow, or these faults
//! stand against it.

use domain::Accepted;
use domain::decide::{MAX_OPEN_OPERATIONS, OPERATION_DAYS};
use domain::registry::rows::{FLAG_NOTICE_DUE, Row};
use domain::testing::*;
use event_schemas::CommandEnvelope;
use event_schemas::basis::{Basis, BasisKind};
use event_schemas::command::{
    AbandonOperation, ApproveOperation, Command, CommitOperation, IssuePin, OpenOperation, StageOperation,
};
use event_schemas::event::{
    EventBody, OperationCommitted, OperationPart, PermanentResidenceEnded, PinIssued, UnitEstablished,
};
use event_schemas::household::ResidenceEndReason;
use event_schemas::ids::{OfficerId, OperationId, PersonId, UnitId};
use event_schemas::operation::{
    AbandonReason, IssuePins, LeftOutReason, MAX_MOVED_ROWS, MAX_PART_ROWS, MAX_PARTS, OperationDigest,
    OperationKind, OperationStatus, PartContent, StagedPins,
};
use event_schemas::person::{Nationality, Sex};
use event_schemas::pin::{PinCell, PinOccasion};
use event_schemas::place::UnitKind;
use event_schemas::row::RowRef;
use proptest::prelude::*;

const FIRST: OperationId = OperationId(1);
const OPENER: OfficerId = OfficerId(1);
const SECOND: OfficerId = OfficerId(2);

fn open_in(world: &mut World, unit: Option<&str>) -> CommandEnvelope {
    let kind = OperationKind::IssuePins(IssuePins { unit: unit.map(code) });
    let command = Command::OpenOperation(OpenOperation { kind, purpose: text("numbers for everybody") });
    let basis = Basis { number: Some(text("215/QĐ")), ..Basis::of(BasisKind::Agency) };
    CommandEnvelope { basis, ..world.envelope(command) }
}

fn given_open(world: &mut World, unit: Option<&str>) {
    let envelope = open_in(world, unit);
    world.officer = OPENER;
    world.given_envelope(NATIONAL_OFFICE, envelope);
}

fn stage(part: u32, rows: u16) -> Command {
    Command::StageOperation(StageOperation { operation: FIRST, part, rows })
}

fn approve(world: &World) -> Command {
    let digest = world.registry.operation(FIRST).unwrap().digest;
    Command::ApproveOperation(ApproveOperation { operation: FIRST, digest })
}

fn commit(world: &World) -> Command {
    let digest = world.registry.operation(FIRST).unwrap().digest;
    Command::CommitOperation(CommitOperation { operation: FIRST, digest })
}

fn abandon() -> Command {
    Command::AbandonOperation(AbandonOperation { operation: FIRST, reason: text("the wrong unit") })
}

fn given_stage(world: &mut World, part: u32) -> OperationPart {
    let accepted = world.given_by(NATIONAL_OFFICE, stage(part, MAX_PART_ROWS));
    match accepted.changes.events.into_iter().next().unwrap().body {
        EventBody::OperationPart(part) => part,
        other => panic!("{other:?}"),
    }
}

fn given_approved(world: &mut World) {
    world.officer = SECOND;
    let command = approve(world);
    world.given_by(NATIONAL_OFFICE, command);
    world.officer = OPENER;
}

fn given_committed(world: &mut World) -> OperationCommitted {
    let command = commit(world);
    committed_by(&world.given_by(NATIONAL_OFFICE, command))
}

fn committed_by(accepted: &Accepted) -> OperationCommitted {
    match &accepted.changes.events[0].body {
        EventBody::OperationCommitted(committed) => committed.clone(),
        other => panic!("{other:?}"),
    }
}

fn has_number(world: &World, person: PersonId) -> bool {
    world.registry.person(person).unwrap().pin.get() != 0
}

/// Citizens in one ward without numbers.
fn residents(world: &mut World, count: usize) -> Vec<PersonId> {
    (0..count)
        .map(|number| {
            let person = world.person(man(&format!("{}-05-05", 1950 + number % 50)));
            world.resident(person, PHUC_XA, "2021-08-01");
            person
        })
        .collect()
}

#[test]
fn numbers_show_at_once_with_the_commit_and_not_before() {
    let mut world = World::new();
    let persons = residents(&mut world, 3);
    given_open(&mut world, Some(BA_DINH));
    let part = given_stage(&mut world, 1);
    assert!(part.is_last);
    let PartContent::Pins(staged) = &part.content else { panic!("numbers were staged") };
    let staged_pins: Vec<_> = staged.pins.iter().map(|pin| (pin.person, pin.pin)).collect();
    given_approved(&mut world);
    for (person, pin) in &staged_pins {
        assert!(!has_number(&world, *person));
        assert_eq!(world.registry.person_by_pin(*pin), None, "what is staged leads to nobody");
        assert_eq!(world.registry.lookups().holder_of(*pin), Some(*person), "and is reserved");
    }
    let committed = given_committed(&mut world);
    assert_eq!((committed.counts.staged, committed.counts.changed, committed.counts.left_out), (3, 3, 0));
    assert_eq!(staged_pins.iter().map(|(person, _)| *person).collect::<Vec<_>>(), persons);
    for (person, pin) in staged_pins {
        assert_eq!(world.registry.person_by_pin(pin), Some(person));
        let row = world.registry.person(person).unwrap();
        assert_eq!(row.last_lsn(), world.registry.head().lsn);
        assert_ne!(row.flags & FLAG_NOTICE_DUE, 0, "a written notice is due");
    }
    assert_eq!(world.registry.operation(FIRST).unwrap().status, OperationStatus::Committed);
    assert!(!world.registry.holds_staged_rows());
    world.check();
}

#[test]
fn only_citizens_of_the_area_who_are_alive_and_have_no_number_are_staged_and_gaps_are_listed() {
    let mut world = World::new();
    let foreigner = world.person(NewPersonOf { nationality: Nationality::Stateless, ..man("1980-01-01") });
    let elsewhere = world.person(man("1981-01-01"));
    let nowhere = world.person(man("1982-01-01"));
    let has = world.person(NewPersonOf { pin: Some("001083000001"), ..man("1983-01-01") });
    let unknown_sex = world.person(NewPersonOf { sex: Sex::Unknown, ..man("1984-01-01") });
    let no_place = world.person(NewPersonOf { born_in: None, ..man("1985-01-01") });
    let citizen = world.person(man("1986-01-01"));
    for person in [foreigner, has, unknown_sex, no_place, citizen] {
        world.resident(person, PHUC_XA, "2021-08-01");
    }
    world.resident(elsewhere, QUAN_TOAN, "2021-08-01");
    given_open(&mut world, Some(HA_NOI));
    let part = given_stage(&mut world, 1);
    let PartContent::Pins(staged) = &part.content else { panic!("numbers were staged") };
    assert_eq!(staged.pins.iter().map(|pin| pin.person).collect::<Vec<_>>(), [citizen]);
    let left_out: Vec<_> = part.left_out.iter().map(|left_out| (left_out.row, left_out.reason)).collect();
    assert_eq!(
        left_out,
        [
            (RowRef::Person(unknown_sex), LeftOutReason::DataMissing),
            (RowRef::Person(no_place), LeftOutReason::BirthPlaceMissing),
        ]
    );
    let mut nation = world.clone();
    nation.given_by(NATIONAL_OFFICE, abandon());
    given_open(&mut nation, None);
    let command = Command::StageOperation(StageOperation { operation: OperationId(2), part: 1, rows: 100 });
    let accepted = nation.given_by(NATIONAL_OFFICE, command);
    let EventBody::OperationPart(part) = &accepted.changes.events[0].body else { panic!() };
    let PartContent::Pins(staged) = &part.content else { panic!("numbers were staged") };
    let persons: Vec<_> = staged.pins.iter().map(|pin| pin.person).collect();
    assert_eq!(persons, [elsewhere, nowhere, citizen], "the nation holds those who live nowhere too");
    let again = staged.pins.iter().find(|pin| pin.person == citizen).unwrap();
    assert!(nation.registry.lookups().holder_of(again.pin).is_some());
    let PartContent::Pins(before) = &part_of(&world).content else { panic!("numbers were staged") };
    assert_ne!(again.pin, before.pins[0].pin, "a number of an abandoned operation is never given (W9)");
}

fn part_of(world: &World) -> OperationPart {
    let entries = world.history.entries.iter().rev();
    let mut events = entries.filter_map(|entry| entry.changes()).flat_map(|changes| changes.events.clone());
    let part = events.find_map(|event| match event.body {
        EventBody::OperationPart(part) => Some(part),
        _ => None,
    });
    part.unwrap()
}

#[test]
fn an_operation_needs_a_numbered_decision_a_unit_that_exists_and_room_beside_others() {
    let mut world = World::new();
    let kind = OperationKind::IssuePins(IssuePins { unit: Some(code("99999")) });
    let stray = Command::OpenOperation(OpenOperation { kind, purpose: text("x") });
    world.when(stray).then_refused(&["operation_basis_missing", "unknown_unit"]);
    given_open(&mut world, Some(BA_DINH));
    for unit in [Some(HA_NOI), Some(PHUC_XA), Some(BA_DINH), None] {
        let envelope = open_in(&mut world, unit);
        let faults = world.when_envelope(NATIONAL_OFFICE, envelope).then_refused(&["operation_under_way"]);
        assert_eq!(faults[0].rows, [RowRef::Operation(FIRST)]);
    }
    given_open(&mut world, Some(HAI_PHONG));
    assert_eq!(world.registry.operations().count(), 2);
    let later = UnitEstablished {
        unit: UnitId(9),
        code: code("00007"),
        name: text("Phường Cống Vị"),
        kind: UnitKind::UrbanWard,
        parent: Some(unit(BA_DINH)),
    };
    world.given_events("2022-04-01", [EventBody::UnitEstablished(later)]);
    let envelope = open_in(&mut world, Some("00007"));
    world.when_envelope(NATIONAL_OFFICE, envelope).then_refused(&["unknown_unit"]);
}

#[test]
fn an_office_operates_in_its_area_alone() {
    let mut world = World::new();
    let envelope = open_in(&mut world, Some(PHUC_XA));
    world.when_envelope(HAI_PHONG_OFFICE, envelope.clone()).then_refused(&["not_competent"]);
    let nation = open_in(&mut world, None);
    world.when_envelope(PHUC_XA_OFFICE, nation).then_refused(&["operator_only"]);
    world.given_envelope(PHUC_XA_OFFICE, envelope);
    world.when_by(PHUC_XA_OFFICE, stage(1, 10)).accepted();
    world.when_by(HAI_PHONG_OFFICE, stage(1, 10)).then_refused(&["not_competent"]);
    world.when_by(HAI_PHONG_OFFICE, abandon()).then_refused(&["not_competent"]);
    let stray = Command::StageOperation(StageOperation { operation: OperationId(9), part: 1, rows: 1 });
    world.when_by(PHUC_XA_OFFICE, stray).then_refused(&["unknown_operation"]);
}

#[test]
fn operations_under_way_and_their_parts_are_bounded() {
    let mut world = World::new();
    for number in 0..=MAX_OPEN_OPERATIONS {
        let ward = format!("{:05}", 40 + number);
        let established = UnitEstablished {
            unit: UnitId(9 + number as u32),
            code: code(&ward),
            name: text(&ward),
            kind: UnitKind::UrbanWard,
            parent: Some(unit(BA_DINH)),
        };
        world.given_events("2021-01-01", [EventBody::UnitEstablished(established)]);
        let envelope = open_in(&mut world, Some(&ward));
        if number == MAX_OPEN_OPERATIONS {
            world.when_envelope(NATIONAL_OFFICE, envelope).then_refused(&["too_many_operations"]);
        } else {
            world.given_envelope(NATIONAL_OFFICE, envelope);
        }
    }
    let last_part = OperationPart {
        operation: FIRST,
        part: MAX_PARTS,
        content: PartContent::Pins(StagedPins { key_version: 1, pins: Vec::new() }),
        left_out: Vec::new(),
        is_again: false,
        looked_at: PersonId(0),
        is_last: true,
        digest: OperationDigest(1),
    };
    world.given_events(TODAY, [EventBody::OperationPart(last_part)]);
    let faults = world.when(stage(MAX_PARTS + 1, 1)).then_refused(&["operation_full"]);
    assert!(faults[0].en.contains("5000"), "{}", faults[0].en);
}

#[test]
fn parts_come_in_order_and_have_a_size() {
    let mut world = World::new();
    residents(&mut world, 3);
    given_open(&mut world, Some(BA_DINH));
    world.when(stage(2, 10)).then_refused(&["part_out_of_order"]);
    world.when(stage(0, 0)).then_refused(&["part_out_of_order", "part_size_impossible"]);
    world.when(stage(1, MAX_PART_ROWS + 1)).then_refused(&["part_size_impossible"]);
    world.given(stage(1, 2));
    world.when(stage(1, 2)).then_refused(&["part_out_of_order"]);
    let row = world.registry.operation(FIRST).unwrap();
    assert_eq!((row.status, row.looked_at), (OperationStatus::Open, PersonId(2)));
    world.officer = SECOND;
    world.when(approve(&world.clone())).then_refused(&["operation_not_staged"]);
    world.given(stage(2, 2));
    assert_eq!(world.registry.operation(FIRST).unwrap().status, OperationStatus::Staged);
    world.when(stage(3, 2)).then_refused(&["nothing_to_stage"]);
}

#[test]
fn approval_is_a_second_officers_and_names_what_is_staged() {
    let mut world = World::new();
    residents(&mut world, 2);
    given_open(&mut world, None);
    world.when(commit(&world.clone())).then_refused(&["operation_not_approved"]);
    given_stage(&mut world, 1);
    world.when(approve(&world.clone())).then_refused(&["approved_by_opener"]);
    world.officer = SECOND;
    let wrong = ApproveOperation { operation: FIRST, digest: OperationDigest(7) };
    world.when(Command::ApproveOperation(wrong)).then_refused(&["operation_digest_differs"]);
    given_approved(&mut world);
    world.officer = OfficerId(3);
    world.when(approve(&world.clone())).then_refused(&["operation_approved"]);
    let wrong = CommitOperation { operation: FIRST, digest: OperationDigest(7) };
    world.when(Command::CommitOperation(wrong)).then_refused(&["operation_digest_differs"]);
    given_committed(&mut world);
    world.when(commit(&world.clone())).then_refused(&["operation_closed"]);
    world.when(abandon()).then_refused(&["operation_closed"]);
    world.when(stage(2, 1)).then_refused(&["operation_closed"]);
}

#[test]
fn what_is_staged_again_needs_another_approval() {
    let mut world = World::new();
    let persons = residents(&mut world, 2);
    given_open(&mut world, None);
    given_stage(&mut world, 1);
    given_approved(&mut world);
    let before = commit(&world);
    world.household(TRUC_BACH, "2022-02-01", &[(persons[0], event_schemas::household::Relationship::Head)]);
    given_stage(&mut world, 2);
    world.when(before).then_refused(&["operation_digest_differs", "operation_not_approved"]);
    given_approved(&mut world);
    let committed = given_committed(&mut world);
    assert_eq!((committed.counts.changed, committed.moved.len(), committed.parts.len()), (2, 0, 2));
}

#[test]
fn nothing_staged_cannot_be_approved() {
    let mut world = World::new();
    given_open(&mut world, Some(HAI_PHONG));
    given_stage(&mut world, 1);
    world.officer = SECOND;
    world.when(approve(&world.clone())).then_refused(&["operation_empty"]);
}

#[test]
fn an_abandoned_operation_comes_to_nothing_and_its_numbers_are_gone() {
    let mut world = World::new();
    let persons = residents(&mut world, 1);
    given_open(&mut world, None);
    given_stage(&mut world, 1);
    let PartContent::Pins(staged) = part_of(&world).content else { panic!("numbers were staged") };
    world.given_by(NATIONAL_OFFICE, abandon());
    assert!(!world.registry.holds_staged_rows());
    let issued =
        world.given(Command::IssuePin(IssuePin { person: id(persons[0]), birth_registered_at: None }));
    let EventBody::PinIssued(PinIssued { pin, .. }) = issued.changes.events[0].body else { panic!() };
    assert_ne!(pin, staged.pins[0].pin);
    world.when(approve(&world.clone())).then_refused(&["operation_closed"]);
}

#[test]
fn an_operation_lapses_with_its_last_day() {
    let mut world = World::new();
    residents(&mut world, 1);
    given_open(&mut world, None);
    given_stage(&mut world, 1);
    let lapses_on = world.today().plus_days(OPERATION_DAYS);
    world.open_day(&lapses_on.plus_days(-1).to_string());
    assert!(world.registry.operation(FIRST).unwrap().status.is_open());
    world.open_day(&lapses_on.to_string());
    assert_eq!(world.registry.operation(FIRST).unwrap().status, OperationStatus::Abandoned);
    let last = world.history.last().unwrap();
    let lapsed = last.changes().unwrap().events.iter().any(
        |event| matches!(&event.body, EventBody::OperationAbandoned(e) if e.reason == AbandonReason::Lapsed),
    );
    assert!(lapsed);
    world.check();
}

#[test]
fn whoever_moved_is_judged_again_and_left_out_where_the_number_would_be_another() {
    let mut world = World::new();
    let persons = residents(&mut world, 5);
    let [dies_since, numbered, gone, moved_within, stays] = persons[..] else { panic!() };
    given_open(&mut world, Some(BA_DINH));
    given_stage(&mut world, 1);
    given_approved(&mut world);
    let ended = PermanentResidenceEnded { person: dies_since, reason: ResidenceEndReason::Died };
    world.given_events("2022-03-01", [death_of(dies_since), EventBody::PermanentResidenceEnded(ended)]);
    world.given(Command::IssuePin(IssuePin { person: id(numbered), birth_registered_at: None }));
    world.resident(gone, QUAN_TOAN, "2022-03-02");
    world.resident(moved_within, TRUC_BACH, "2022-03-02");
    let number = world.registry.person(numbered).unwrap().pin.get();
    let committed = given_committed(&mut world);
    let reasons: Vec<_> = committed.left_out.iter().map(|left_out| (left_out.row, left_out.reason)).collect();
    assert_eq!(
        reasons,
        [
            (RowRef::Person(dies_since), LeftOutReason::Died),
            (RowRef::Person(numbered), LeftOutReason::HasNumber),
            (RowRef::Person(gone), LeftOutReason::Elsewhere),
        ]
    );
    assert_eq!(
        committed.moved.iter().map(|moved| moved.row).collect::<Vec<_>>(),
        [RowRef::Person(moved_within)]
    );
    assert_eq!((committed.counts.staged, committed.counts.changed, committed.counts.left_out), (5, 2, 3));
    assert_eq!(world.registry.person(numbered).unwrap().pin.get(), number);
    assert!(has_number(&world, moved_within) && has_number(&world, stays));
    assert!(!has_number(&world, gone) && !has_number(&world, dies_since));
}

#[test]
fn a_full_cell_leaves_its_persons_out() {
    let mut world = World::new();
    let last = world.person(man("1990-01-01"));
    let cell = PinCell { place: 1, century_sex: 0, year: 90 };
    let issued = PinIssued {
        person: last,
        pin: cell.pin(5),
        draw: PinCell::CAPACITY - 2,
        key_version: 1,
        occasion: PinOccasion::Birth,
    };
    world.given_events("2022-01-01", [EventBody::PinIssued(issued)]);
    let [first, second] = [1, 2].map(|day| world.person(man(&format!("1990-05-0{day}"))));
    given_open(&mut world, None);
    let part = given_stage(&mut world, 1);
    let PartContent::Pins(staged) = &part.content else { panic!("numbers were staged") };
    assert_eq!(staged.pins.iter().map(|pin| pin.person).collect::<Vec<_>>(), [first]);
    assert_eq!(part.left_out[0].reason, LeftOutReason::CellFull);
    assert_eq!(part.left_out[0].row, RowRef::Person(second));
}

#[test]
fn too_many_who_moved_must_be_staged_again_first() {
    let mut world = World::new();
    let first = world.person(man("1950-01-01"));
    let count = MAX_MOVED_ROWS + 1;
    let registered = world.history.entries.iter().rev().find_map(|entry| {
        entry.changes()?.events.iter().find_map(|event| match &event.body {
            EventBody::PersonRegistered(registered) => Some(registered.clone()),
            _ => None,
        })
    });
    let registered = registered.unwrap();
    let bodies = (1..count).map(|number| {
        let mut other = registered.clone();
        other.person = PersonId(first.0 + number);
        EventBody::PersonRegistered(other)
    });
    world.given_events("1950-01-01", bodies);
    given_open(&mut world, None);
    let parts = count.div_ceil(u32::from(MAX_PART_ROWS));
    (1..=parts).for_each(|part| assert_eq!(given_stage(&mut world, part).is_last, part == parts));
    given_approved(&mut world);
    let changed = (0..count).map(|number| {
        let person = PersonId(first.0 + number);
        let defect = event_schemas::defect::DefectKind::PinDisagrees;
        EventBody::DefectNoted(event_schemas::event::DefectNoted { row: RowRef::Person(person), defect })
    });
    world.given_events("2022-01-01", changed);
    world.when(commit(&world.clone())).then_refused(&["too_many_moved"]);
    world.given(stage(parts + 1, 1));
    assert_eq!(world.registry.operation(FIRST).unwrap().status, OperationStatus::Open, "more have moved");
    (2..=parts).for_each(|part| drop(given_stage(&mut world, parts + part)));
    given_approved(&mut world);
    let committed = given_committed(&mut world);
    assert_eq!((committed.counts.changed, committed.moved.len()), (count, 0));
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// However it is cut into parts, a committed operation gives what issuing one by one gives, to the same persons.
    #[test]
    fn a_committed_operation_equals_issuing_one_by_one(
        people in prop::collection::vec((0..4_u8, 0..3_u8, 0..3_u8, any::<bool>()), 1..24),
        rows in 1..9_u16,
        unit in 0..3_usize,
    ) {
        let mut world = World::new();
        for (kind, year, home, is_resident) in people {
            let born = format!("{}-05-05", 1990 + i32::from(year));
            let person = match kind {
                0 => man(&born),
                1 => woman(&born),
                2 => NewPersonOf { born_in: Some(QUAN_TOAN), ..woman(&born) },
                _ => NewPersonOf { born_in: None, ..man(&born) },
            };
            let person = world.person(person);
            if is_resident {
                world.resident(person, [PHUC_XA, TRUC_BACH, QUAN_TOAN][usize::from(home)], "2021-08-01");
            }
        }
        let mut one_by_one = world.clone();
        given_open(&mut world, [None, Some(HA_NOI), Some(PHUC_XA)][unit]);
        let mut part = 1;
        while world.registry.operation(FIRST).unwrap().status == OperationStatus::Open {
            world.given_by(NATIONAL_OFFICE, stage(part, rows));
            part += 1;
        }
        let staged: Vec<PersonId> =
            world.registry.staged(FIRST).unwrap().rows.iter().map(|staged| staged.person).collect();
        for person in &staged {
            let issue = IssuePin { person: id(*person), birth_registered_at: None };
            one_by_one.given(Command::IssuePin(issue));
        }
        if !staged.is_empty() {
            given_approved(&mut world);
            given_committed(&mut world);
        }
        for ((person, row), (_, other)) in world.registry.persons().zip(one_by_one.registry.persons()) {
            prop_assert_eq!((row.pin, row.flags, row.version), (other.pin, other.flags, other.version), "{}", person);
        }
        prop_assert_eq!(world.registry.lookups(), one_by_one.registry.lookups());
    }
}
