//! Corrections of people who got their numbers from an operation: no event of a record of their own names those.

use super::examples::registered;
use super::*;
use event_schemas::CommandEnvelope;
use event_schemas::basis::{Basis, BasisKind};
use event_schemas::command::{ApproveOperation, CommitOperation, OpenOperation, StageOperation};
use event_schemas::ids::{OfficerId, OperationId};
use event_schemas::operation::{IssuePins, MAX_PART_ROWS, OperationKind};
use event_schemas::pin::Pin;

/// Everybody in a ward gets a number by an operation of two officers.
fn number_everybody(world: &mut World, unit: &str) {
    let operation = OperationId(1);
    let kind = OperationKind::IssuePins(IssuePins { unit: Some(code(unit)) });
    let open = Command::OpenOperation(OpenOperation { kind, purpose: text("numbers for everybody") });
    let basis = Basis { number: Some(text("215/QĐ")), ..Basis::of(BasisKind::Agency) };
    let envelope = CommandEnvelope { basis, ..world.envelope(open) };
    world.given_envelope(NATIONAL_OFFICE, envelope);
    let stage = StageOperation { operation, part: 1, rows: MAX_PART_ROWS };
    world.given_by(NATIONAL_OFFICE, Command::StageOperation(stage));
    let digest = world.registry.operation(operation).expect("it is open").digest;
    let first = std::mem::replace(&mut world.officer, OfficerId(2));
    world.given_by(NATIONAL_OFFICE, Command::ApproveOperation(ApproveOperation { operation, digest }));
    world.officer = first;
    world.given_by(NATIONAL_OFFICE, Command::CommitOperation(CommitOperation { operation, digest }));
}

#[test]
fn a_birth_year_corrected_after_an_operation_gave_the_number() {
    let mut world = World::new();
    let person = world.enrolled(man("1980-05-01"), "2016-01-01");
    let neighbour = world.enrolled(man("1980-05-01"), "2016-01-01");
    for one in [person, neighbour] {
        world.resident(one, PHUC_XA, "2021-08-01");
    }
    number_everybody(&mut world, PHUC_XA);
    let number =
        |world: &World, person| Pin::from_number(row(world, person).pin.get()).expect("it has a number");
    let (old, others) = (number(&world, person), number(&world, neighbour));
    let (address, mut right) = registered(&world, person);
    right.identity.birth = partial("1979-05-01");
    let lsn = corrected(&mut world, vec![amend(address, "2016-01-01", EventBody::PersonRegistered(right))]);
    let new = number(&world, person);
    assert_eq!((old.birth_year(), new.birth_year()), (1980, 1979));
    assert_eq!(
        world.registry.person_by_pin(old),
        Some(person),
        "the old number leads to the person for ever"
    );
    assert_eq!(number(&world, neighbour), others);
    // Taken back, neither number returns.
    corrected(&mut world, vec![annul(at(lsn, 1))]);
    let third = number(&world, person);
    assert_eq!(third.birth_year(), 1980);
    assert!(![old, new, others].contains(&third));
    // A fresh fold of the records says the same.
    let mut anew = domain::Registry::new();
    world.history.entries.iter().for_each(|entry| anew.apply_entry(entry));
    assert_eq!(anew.head().digest, world.registry.head().digest);
}
