//! A command on a state gives events or refusals. One file per family of commands.

mod administration;
mod birth;
mod card;
mod competence;
mod correction;
mod corrections_in_bulk;
mod death;
mod deciding;
mod departure;
mod enrolment;
mod form;
mod household;
mod identity;
mod kin;
mod kinship;
mod lapse;
mod marriage;
mod membership;
mod operation;
mod pin;
mod pins_in_bulk;
mod places;
mod register;
mod residence;

pub use correction::MAX_OPEN_PROPOSALS;
pub use deciding::{Accepted, Decision, OPERATOR, touches_of};
pub use lapse::{MAX_LAPSED, lapsed};
pub use operation::{MAX_LOOKED_AT, MAX_OPEN_OPERATIONS, OPERATION_DAYS};

use crate::context::Context;
use crate::refusal::Code;
use crate::registry::Registry;
use deciding::Deciding;
use event_schemas::command::{Command, CommandEnvelope, MAX_EXPECTED_VERSIONS, MAX_OVERRIDES};

/// Decides one command on the state: what follows from it, or everything that stands against it. An office that is not competent
/// for the command is told that alone.
pub fn decide(registry: &Registry, envelope: &CommandEnvelope, context: &Context<'_>) -> Decision {
    let Some(today) = registry.head().date else {
        return Decision::Refused(vec![Code::DayNotOpened.fault(None, &[])]);
    };
    let mut deciding = Deciding::new(registry, envelope, context, today);
    competence::check_office(&mut deciding);
    if deciding.is_refused() {
        return deciding.finish();
    }
    check_envelope(&mut deciding);
    form::check_basis(&mut deciding, &envelope.basis);
    let d = &mut deciding;
    match &envelope.command {
        Command::EstablishUnits(command) => administration::establish_units(d, command),
        Command::RegisterOffice(command) => administration::register_office(d, command),
        Command::ChangeOfficeArea(command) => administration::change_office_area(d, command),
        Command::RegisterDwelling(command) => administration::register_dwelling(d, command),
        Command::EnrolPerson(command) => enrolment::enrol_person(d, command),
        Command::EnrolHousehold(command) => enrolment::enrol_household(d, command),
        Command::Birth(command) => birth::birth(d, command),
        Command::Death(command) => {
            form::check_sealed(d, command.cause.as_ref(), "command.death.cause.sealed");
            death::death(d, command);
        }
        Command::RegisterMarriage(command) => marriage::register_marriage(d, command),
        Command::RegisterDivorce(command) => marriage::register_divorce(d, command),
        Command::ChangeName(command) => identity::change_name(d, command),
        Command::ClearDefect(command) => identity::clear_defect(d, command),
        Command::MovePermanent(command) => residence::move_permanent(d, command),
        Command::RegisterTemporaryResidence(command) => residence::register_temporary_residence(d, command),
        Command::EndTemporaryResidence(command) => residence::end_temporary_residence(d, command),
        Command::FormHousehold(command) => household::form_household(d, command),
        Command::JoinHousehold(command) => household::join_household(d, command),
        Command::LeaveHousehold(command) => household::leave_household(d, command),
        Command::SplitHousehold(command) => household::split_household(d, command),
        Command::MergeHouseholds(command) => household::merge_households(d, command),
        Command::AppointHead(command) => household::appoint_head(d, command),
        Command::ChangeRelationship(command) => household::change_relationship(d, command),
        Command::IssuePin(command) => pin::issue_pin(d, command),
        Command::AcceptPin(command) => pin::accept_pin(d, command),
        Command::ApplyForCard(command) => card::apply_for_card(d, command),
        Command::DecideCardApplication(command) => card::decide_card_application(d, command),
        Command::ProduceCard(command) => card::produce_card(d, command),
        Command::HandOverCard(command) => card::hand_over_card(d, command),
        Command::ReportCardLost(command) => card::report_card_lost(d, command),
        Command::ReplaceCard(command) => card::replace_card(d, command),
        Command::WithdrawCard(command) => card::withdraw_card(d, command),
        Command::HoldCard(command) => card::hold_card(d, command),
        Command::ReturnCard(command) => card::return_card(d, command),
        Command::ReportCardFound(command) => card::report_card_found(d, command),
        Command::ReportCardDamaged(command) => card::report_card_damaged(d, command),
        Command::CancelPin(command) => pin::cancel_pin(d, command),
        Command::ReestablishPin(command) => pin::reestablish_pin(d, command),
        Command::RecordPinNotices(command) => pin::record_pin_notices(d, command),
        Command::Correct(command) => correction::correct(d, command),
        Command::ProposeCorrection(command) => correction::propose(d, command),
        Command::ApproveCorrection(command) => correction::approve(d, command),
        Command::StageCorrections(command) => corrections_in_bulk::stage(d, command),
        Command::OpenOperation(command) => operation::open(d, command),
        Command::StageOperation(command) => operation::stage(d, command),
        Command::ApproveOperation(command) => operation::approve(d, command),
        Command::CommitOperation(command) => operation::commit(d, command),
        Command::AbandonOperation(command) => operation::abandon(d, command),
    }
    deciding.finish()
}

/// What holds for every command: expected versions hold, overrides are allowed.
fn check_envelope(d: &mut Deciding<'_>) {
    let envelope = d.envelope;
    if envelope.expected_versions.len() > MAX_EXPECTED_VERSIONS {
        d.fault(
            Code::TooMany,
            "expected_versions",
            &[&envelope.expected_versions.len(), &MAX_EXPECTED_VERSIONS],
        );
    }
    for (place, expected) in envelope.expected_versions.iter().take(MAX_EXPECTED_VERSIONS).enumerate() {
        let (version, _) = d.registry.version(expected.row);
        if version != expected.version {
            let field = format!("expected_versions[{place}]");
            d.fault_with(
                Code::VersionConflict,
                &field,
                &[&expected.row, &version.0, &expected.version.0],
                expected.row,
            );
        }
    }
    if envelope.overrides.len() > MAX_OVERRIDES {
        d.fault(Code::TooMany, "overrides", &[&envelope.overrides.len(), &MAX_OVERRIDES]);
    }
    for rule in envelope.overrides.iter().take(MAX_OVERRIDES) {
        if !Code::named(rule.as_str()).is_some_and(Code::is_flaggable) {
            d.fault(Code::UnknownRule, "overrides", &[rule]);
        }
    }
    if !envelope.overrides.is_empty() && !d.may_override() {
        d.fault(Code::OverrideWithoutBasis, "overrides", &[]);
    }
}
