//! Corrections that take two officers.

use super::examples::{registered, whole};
use super::*;
use event_schemas::command::{
    AbandonOperation, ApproveCorrection, ApproveOperation, CommitOperation, Death, OpenOperation,
    StageOperation,
};
use event_schemas::correction::CorrectionDigest;
use event_schemas::ids::{OfficerId, OperationId};
use event_schemas::operation::{OperationDigest, OperationKind, OperationStatus};
use event_schemas::person::Sex;

/// Somebody of Phúc Xá whose death was registered, and everything that this record says.
fn struck_off() -> (World, PersonId, Vec<Edit>) {
    let mut world = World::new();
    let person = world.person(man("1980-05-01"));
    world.resident(person, PHUC_XA, "2010-01-01");
    world.given(Command::Death(Death {
        person: id(person),
        died: partial("2022-02-01"),
        time: None,
        place: None,
        cause: None,
        registered_at: code(PHUC_XA),
        legacy_entry: None,
        succession: None,
    }));
    let edits = whole(&world, world.registry.head().lsn);
    (world, person, edits)
}

/// The same, proposed by the first officer.
fn proposed() -> (World, PersonId, OperationId) {
    let (mut world, person, edits) = struck_off();
    let proposal = world.proposal(edits);
    world.given_envelope(PHUC_XA_OFFICE, proposal);
    let operation = world.registry.head().operations;
    world.officer = OfficerId(2);
    (world, person, operation)
}

fn status(world: &World, operation: OperationId) -> OperationStatus {
    world.registry.operation(operation).expect("it was proposed").status
}

#[test]
fn a_death_is_taken_back_by_two_officers() {
    let (mut world, person, edits) = struck_off();
    refused(&mut world, edits, &["approval_required"]);
    let (mut world, _, operation) = proposed();
    assert_eq!(status(&world, operation), OperationStatus::Staged);
    assert_ne!(row(&world, person).died, 0, "a proposal changes nothing");
    let approval = world.approval();
    world.given_envelope(PHUC_XA_OFFICE, approval);
    assert_eq!(status(&world, operation), OperationStatus::Committed);
    assert_eq!((row(&world, person).died, row(&world, person).unit), (0, unit(PHUC_XA).0));
    // Taking that back says again that somebody is dead: it takes two as well.
    let lsn = world.registry.head().lsn;
    let back = domain::testing::play::corrections::whole(&world.history, at(lsn, 0));
    refused(&mut world, back.clone(), &["approval_required"]);
    corrected(&mut world, back);
    assert_ne!(row(&world, person).died, 0);
}

#[test]
fn whoever_proposed_a_correction_does_not_approve_it() {
    let (mut world, _, _) = proposed();
    world.officer = OfficerId(1);
    let approval = world.approval();
    world.when_envelope(PHUC_XA_OFFICE, approval).then_refused(&["approved_by_opener"]);
    let approval = world.approval();
    world.when_envelope(NATIONAL_OFFICE, approval).then_refused(&["approved_by_opener"]);
}

#[test]
fn an_office_of_elsewhere_approves_nothing() {
    let (mut world, ..) = proposed();
    let approval = world.approval();
    world.when_envelope(TRUC_BACH_OFFICE, approval).then_refused(&["not_competent"]);
}

#[test]
fn an_approval_names_what_was_proposed_and_is_refused_when_anything_has_moved() {
    let (mut world, person, operation) = proposed();
    let mut other = world.approval();
    other.command = Command::ApproveCorrection(ApproveCorrection { operation, digest: CorrectionDigest(7) });
    world.when_envelope(PHUC_XA_OFFICE, other).then_refused(&["operation_digest_differs"]);
    let mut moved = world.clone();
    let born = moved.person(woman("2000-01-01"));
    let approval = moved.approval();
    moved.when_envelope(PHUC_XA_OFFICE, approval).accepted();
    moved.resident(born, PHUC_XA, "2010-01-01");
    let rename = insert("2015-01-01", renamed(person, "Bình"));
    moved.officer = OfficerId(1);
    corrected(&mut moved, vec![rename]);
    moved.officer = OfficerId(2);
    let (operation, row) = moved.registry.operations().last().expect("proposed");
    let digest = CorrectionDigest(row.digest.0);
    let mut approval = world.approval();
    approval.command = Command::ApproveCorrection(ApproveCorrection { operation, digest });
    moved.when_envelope(PHUC_XA_OFFICE, approval).then_refused(&["stale_digest"]);
}

#[test]
fn a_proposal_is_judged_like_a_correction_and_needs_no_more_than_one_approval() {
    let (mut world, _, mut edits) = struck_off();
    edits.truncate(1);
    let proposal = world.proposal(edits);
    let faults = world.when_envelope(PHUC_XA_OFFICE, proposal).then_refused(&["correction_not_covered"]);
    assert_eq!(faults[0].field.as_deref(), Some("command.propose_correction.correction.edits"));
    let (mut world, _, operation) = proposed();
    let approval = world.approval();
    world.given_envelope(PHUC_XA_OFFICE, approval.clone());
    world.when_envelope(PHUC_XA_OFFICE, approval).then_refused(&["operation_closed"]);
    assert!(!world.registry.holds_staged_rows(), "a proposal holds nothing in memory: {operation}");
}

#[test]
fn a_proposal_is_given_up_or_lapses() {
    let (mut world, _, operation) = proposed();
    let reason = text("he has come back, but another office has said so");
    let abandon = Command::AbandonOperation(AbandonOperation { operation, reason });
    world.when_by(TRUC_BACH_OFFICE, abandon.clone()).then_refused(&["not_competent"]);
    let mut given_up = world.clone();
    given_up.given_by(PHUC_XA_OFFICE, abandon);
    assert_eq!(status(&given_up, operation), OperationStatus::Abandoned);
    let mut early = world.clone();
    early.open_day("2022-04-13");
    assert_eq!(status(&early, operation), OperationStatus::Staged);
    world.open_day("2022-04-14");
    assert_eq!(status(&world, operation), OperationStatus::Abandoned);
}

#[test]
fn a_proposal_is_not_handled_as_an_operation_in_parts() {
    let (mut world, _, operation) = proposed();
    let digest = OperationDigest(7);
    let kind = OperationKind::Correction;
    let mut opening = world.approval();
    opening.command = Command::OpenOperation(OpenOperation { kind, purpose: text("a correction") });
    world.when_envelope(NATIONAL_OFFICE, opening).then_refused(&["operation_of_other_kind"]);
    for command in [
        Command::StageOperation(StageOperation { operation, part: 1, rows: 1 }),
        Command::ApproveOperation(ApproveOperation { operation, digest }),
        Command::CommitOperation(CommitOperation { operation, digest }),
    ] {
        world.when_by(NATIONAL_OFFICE, command).then_refused(&["operation_of_other_kind"]);
    }
}

#[test]
fn a_changed_sex_and_year_of_birth_take_two_and_another_name_or_day_takes_one() {
    let mut world = World::new();
    let person = world.enrolled(man("1980-05-01"), "2016-01-01");
    let (address, right) = registered(&world, person);
    let amended = |change: &dyn Fn(&mut event_schemas::event::PersonRegistered)| {
        let mut right = right.clone();
        change(&mut right);
        vec![amend(address, "2016-01-01", EventBody::PersonRegistered(right))]
    };
    let faults =
        refused(&mut world, amended(&|right| right.identity.sex = Sex::Female), &["approval_required"]);
    assert!(faults[0].en.contains("(sex)"), "{}", faults[0].en);
    let both = amended(&|right| {
        right.identity.sex = Sex::Female;
        right.identity.birth = partial("1981-05-01");
    });
    assert_eq!(refused(&mut world, both, &["approval_required"]).len(), 2);
    let names = names("Bính");
    let envelope = world.correction(amended(&|right| right.identity.names = names.clone()));
    world.when_envelope(NATIONAL_OFFICE, envelope).accepted();
    let envelope = world.correction(amended(&|right| right.identity.birth = partial("1980-06-01")));
    world.when_envelope(NATIONAL_OFFICE, envelope).accepted();
}

#[test]
fn a_parent_whom_the_registration_of_a_birth_named_is_taken_back_by_two() {
    let mut world = World::new();
    let mother = world.person(woman("1985-01-01"));
    world.household(PHUC_XA, "2015-01-01", &[(mother, event_schemas::household::Relationship::Head)]);
    world.given(super::examples::born(mother, "2022-03-01"));
    let linked = world.address_of(|body| matches!(body, EventBody::ParentLinked(_)));
    let faults = refused(&mut world, vec![annul(linked)], &["approval_required"]);
    assert!(faults[0].en.contains("parent_at_birth"), "{}", faults[0].en);
}
