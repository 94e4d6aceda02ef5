//! Competence: for each command, *which* place in it must lie in the area of the office that sends it.
//!
//! It is judged before anything else. As long as it is not certain that the office may decide the command, the refusal says
//! only what stands in the way of that, without rows: whatever else stands against the command is about people who are none
//! of the office's business. For the same reason a fault names a place, a person, a household or a card as the command does,
//! and never the place where the registry knows somebody to live.
//!
//! A reference that finds nobody is told to every open office, because it says nothing of anybody and a mistyped number can
//! be corrected; it is told alone, because nobody knows yet whose command it is. An office competent for the nation, and the
//! registry's own authority, need no place and are told every fault at once.

use super::card::{card_and_holder, dossier_and_applicant};
use super::correction::{self, Missing};
use super::deciding::{Deciding, Named, OPERATOR};
use crate::context::TimelineUnavailable;
use crate::refusal::Code;
use crate::registry::rows::ABROAD;
use crate::timeline::in_valid_order;
use event_schemas::command::pin::MAX_NOTICES;
use event_schemas::command::{
    Birth, BirthResidence, ClearDefect, Command, EnrolPerson, MovePermanent, Parentage, PermanentMove,
};
use event_schemas::correction::Edit;
use event_schemas::event::{EventBody, Origin, PersonRegistered};
use event_schemas::ids::{CardId, DossierId, HouseholdId, OperationId, PersonId, UnitId};
use event_schemas::kin::{KinRef, MAX_PARENTS, ParentRole};
use event_schemas::operation::MAX_PART_EDITS;
use event_schemas::person::PersonRef;
use event_schemas::place::{Area, Place, UnitCode};
use event_schemas::row::{Aspect, RowRef, StreamRef};
use event_schemas::time::Date;
use std::fmt::Display;

/// Faults unless the office is known, open, and competent for the command.
pub(super) fn check_office(d: &mut Deciding<'_>) {
    let office = d.context.office;
    if office == OPERATOR {
        return;
    }
    match d.registry.office(office) {
        None => d.fault(Code::UnknownOffice, "office", &[&office]),
        // An office that has no area any more is closed.
        Some(row) if row.areas.is_empty() => d.fault(Code::NotCompetent, "office", &[&office, &"VN"]),
        Some(row) if row.areas.contains(&Area::Nation) => {}
        Some(_) => check_command(d),
    }
}

/// The place of each command. Nobody's residence: any open office may act.
fn check_command(d: &mut Deciding<'_>) {
    let envelope = d.envelope;
    match &envelope.command {
        Command::EstablishUnits(_) => d.fault(Code::OperatorOnly, "command.establish_units", &[]),
        Command::RegisterOffice(_) => d.fault(Code::OperatorOnly, "command.register_office", &[]),
        Command::ChangeOfficeArea(_) => d.fault(Code::OperatorOnly, "command.change_office_area", &[]),
        Command::RegisterDwelling(c) => in_unit(d, c.unit, c.effective_on, "command.register_dwelling.unit"),
        Command::EnrolPerson(c) => enrol_person(d, c),
        Command::EnrolHousehold(c) => in_place(d, &c.place, c.effective_on, "command.enrol_household.place"),
        Command::Birth(c) => birth(d, c),
        Command::Death(c) => in_unit(d, c.registered_at, d.today, "command.death.registered_at"),
        Command::RegisterMarriage(c) => {
            let registered = c.partners.iter().filter_map(|partner| match partner {
                KinRef::Registered(reference) => Some(reference),
                KinRef::Described(_) => None,
            });
            at_home_of_either(d, registered, "command.register_marriage.partners");
        }
        Command::RegisterDivorce(c) => {
            let partners = [Some(&c.person), c.spouse.as_ref()].into_iter().flatten();
            at_home_of_either(d, partners, "command.register_divorce.person");
        }
        Command::ChangeName(c) => at_home(d, &c.person, "command.change_name.person"),
        Command::ClearDefect(c) => clear_defect(d, c),
        Command::MovePermanent(c) => move_permanent(d, c),
        Command::RegisterTemporaryResidence(c) => {
            in_place(d, &c.place, c.from, "command.register_temporary_residence.place");
        }
        Command::EndTemporaryResidence(c) => on_stay(d, &c.person, "command.end_temporary_residence.person"),
        Command::FormHousehold(c) => in_place(d, &c.place, c.effective_on, "command.form_household.place"),
        Command::JoinHousehold(c) => in_household(d, c.household, "command.join_household.household"),
        Command::LeaveHousehold(c) => at_home(d, &c.person, "command.leave_household.person"),
        Command::SplitHousehold(c) => in_household(d, c.household, "command.split_household.household"),
        Command::MergeHouseholds(c) => in_household(d, c.into, "command.merge_households.into"),
        Command::AppointHead(c) => {
            in_household(d, c.succession.household, "command.appoint_head.succession");
        }
        Command::ChangeRelationship(c) => {
            in_household(d, c.household, "command.change_relationship.household");
        }
        Command::IssuePin(c) => at_home(d, &c.person, "command.issue_pin.person"),
        Command::AcceptPin(c) => at_home(d, &c.person, "command.accept_pin.person"),
        Command::ApplyForCard(c) => in_unit(d, c.received_at, c.received_on, "command.received_at"),
        Command::ReplaceCard(c) => in_unit(d, c.received_at, c.received_on, "command.received_at"),
        Command::DecideCardApplication(c) => {
            of_dossier(d, c.dossier, "command.decide_card_application.dossier");
        }
        Command::ProduceCard(c) => of_dossier(d, c.dossier, "command.produce_card.dossier"),
        Command::HandOverCard(c) => of_card(d, c.card, "command.hand_over_card.card"),
        Command::ReportCardDamaged(c) => of_card(d, c.card, "command.report_card_damaged.card"),
        // A loss and a find may be reported to any office; a facility that keeps cards lies anywhere.
        Command::ReportCardLost(_)
        | Command::ReportCardFound(_)
        | Command::HoldCard(_)
        | Command::ReturnCard(_) => {}
        Command::WithdrawCard(c) => of_card(d, c.card, "command.withdraw_card.card"),
        // The database authority decides, whoever verified the papers (Circular 59/2021/TT-BCA Art. 6).
        Command::CancelPin(_) => d.fault(Code::OperatorOnly, "command.cancel_pin", &[]),
        Command::ReestablishPin(_) => d.fault(Code::OperatorOnly, "command.reestablish_pin", &[]),
        Command::RecordPinNotices(c) => {
            for person in c.persons.iter().take(MAX_NOTICES) {
                at_home(d, person, "command.record_pin_notices.persons");
            }
        }
        Command::Correct(c) => correct(d, &c.edits, None, "command.correct.edits"),
        Command::ProposeCorrection(c) => {
            correct(d, &c.correction.edits, None, "command.propose_correction.correction.edits");
        }
        Command::ApproveCorrection(c) => of_operation(d, c.operation, "command.approve_correction.operation"),
        Command::StageCorrections(c) => {
            of_operation(d, c.operation, "command.stage_corrections.operation");
            for edits in c.items.iter().take(MAX_PART_EDITS) {
                if d.is_refused() {
                    return;
                }
                correct(d, edits, None, "command.stage_corrections.items");
            }
        }
        Command::OpenOperation(c) => match c.kind.unit() {
            Some(unit) => in_unit(d, *unit, d.today, "command.open_operation.kind"),
            None => d.fault(Code::OperatorOnly, "command.open_operation.kind", &[]),
        },
        Command::StageOperation(c) => of_operation(d, c.operation, "command.stage_operation.operation"),
        Command::ApproveOperation(c) => of_operation(d, c.operation, "command.approve_operation.operation"),
        Command::CommitOperation(c) => of_operation(d, c.operation, "command.commit_operation.operation"),
        Command::AbandonOperation(c) => of_operation(d, c.operation, "command.abandon_operation.operation"),
    }
}

fn enrol_person(d: &mut Deciding<'_>, command: &EnrolPerson) {
    if let Some(place) = &command.residence {
        in_place(d, place, command.effective_on, "command.enrol_person.residence");
    }
    if let Some(place) = command.household.as_ref().filter(|_| !d.is_refused()) {
        in_household(d, place.household, "command.enrol_person.household");
    }
}

fn move_permanent(d: &mut Deciding<'_>, command: &MovePermanent) {
    let on = command.effective_on;
    match &command.movement {
        PermanentMove::WholeHousehold { to, .. } => {
            in_place(d, to, on, "command.move_permanent.move.whole_household.to");
        }
        PermanentMove::IntoHousehold { household, .. } => {
            in_household(d, *household, "command.move_permanent.move.into_household.household");
        }
        PermanentMove::NewHousehold { to, .. } => {
            in_place(d, to, on, "command.move_permanent.move.new_household.to");
        }
    }
}

/// Where the birth is registered, and where the household is that takes the child in.
fn birth(d: &mut Deciding<'_>, command: &Birth) {
    in_unit(d, command.registered_at, d.today, "command.birth.registered_at");
    if d.is_refused() {
        return;
    }
    let field = "command.birth.residence";
    match &command.residence {
        BirthResidence::None => {}
        BirthResidence::Facility(household) => in_household(d, *household, field),
        BirthResidence::Guardian(guardian) => in_household_of(d, &guardian.person, field),
        BirthResidence::Mother(_) => in_household_of_parent(d, command, ParentRole::Mother, field),
        BirthResidence::Father(_) => in_household_of_parent(d, command, ParentRole::Father, field),
    }
}

/// The first parent of this role who is registered, as the child's household is found.
fn in_household_of_parent(d: &mut Deciding<'_>, command: &Birth, role: ParentRole, field: &str) {
    let Parentage::Parents(stated) = &command.parentage else { return };
    let found = stated.iter().take(MAX_PARENTS).filter(|link| link.role == role).find_map(|link| {
        let KinRef::Registered(reference) = &link.parent else { return None };
        d.find_person(reference).map(|_| reference)
    });
    if let Some(reference) = found {
        in_household_of(d, reference, field);
    }
}

/// Whoever is not found or has no household is a fault of the birth, for which the office is competent where it is registered.
fn in_household_of(d: &mut Deciding<'_>, reference: &PersonRef, field: &str) {
    let Some(person) = d.find_person(reference) else { return };
    if let Some(household) = d.registry.household(HouseholdId(d.row(person).household)) {
        check_area(d, household.unit, &Named(reference), field);
    }
}

/// Where everybody whose record it touches is at home; of facts that name nobody, where the household is. What follows from it may lie
/// elsewhere.
fn correct(d: &mut Deciding<'_>, edits: &[Edit], proposed: Option<OperationId>, field: &str) {
    let rows = match correction::rows_of(d, edits) {
        Ok(rows) => rows,
        Err(Missing::History) => return d.fault(Code::HistoryUnavailable, field, &[]),
        Err(Missing::Event(at)) => return d.fault(Code::UnknownEvent, field, &[&at]),
    };
    let names_nobody = !rows.iter().any(|(row, _)| matches!(row, RowRef::Person(_)));
    for (row, named) in rows {
        // Of a proposal the command names nothing but the proposal.
        let named = proposed.map_or(named, |operation| operation.to_string());
        match row {
            RowRef::Person(person) if d.registry.person(person).is_some() => {
                at_home_of(d, person, &named, field);
            }
            RowRef::Household(household) if names_nobody => {
                let unit = d.registry.household(household).map_or(0, |row| row.unit);
                check_area(d, unit, &named, field);
            }
            RowRef::Person(_) | RowRef::Household(_) | RowRef::Card(_) | RowRef::Dossier(_) => {}
            // Units, offices, dwellings, operations: none of an office's business.
            _ => d.fault(Code::OperatorOnly, field, &[]),
        }
    }
}

fn clear_defect(d: &mut Deciding<'_>, command: &ClearDefect) {
    let field = "command.clear_defect.row";
    match command.row {
        RowRef::Person(person) if d.registry.person(person).is_some() => {
            at_home_of(d, person, &command.row, field);
        }
        RowRef::Household(household) => {
            let unit = d.registry.household(household).map_or(0, |row| row.unit);
            check_area(d, unit, &command.row, field);
        }
        _ => {}
    }
}

fn in_unit(d: &mut Deciding<'_>, code: UnitCode, on: Date, field: &str) {
    let Some(unit) = d.unit(code, on, field) else { return };
    let name = d.registry.units().get(unit).map_or("", |row| row.name.as_str());
    check_area(d, unit.0, &format_args!("{code} {name}"), field);
}

fn in_place(d: &mut Deciding<'_>, place: &Place<UnitCode>, on: Date, field: &str) {
    match place.unit() {
        Some(code) => in_unit(d, *code, on, field),
        // Nobody resides abroad by a command: that is the fault.
        None => {
            d.residence_place(place, on, field);
        }
    }
}

fn in_household(d: &mut Deciding<'_>, household: HouseholdId, field: &str) {
    match d.registry.household(household) {
        // Also the last place of one that has ended.
        Some(row) => check_area(d, row.unit, &household, field),
        None => d.fault(Code::UnknownHousehold, field, &[&household]),
    }
}

fn at_home(d: &mut Deciding<'_>, reference: &PersonRef, field: &str) {
    match d.find_person(reference) {
        Some(person) => at_home_of(d, person, &Named(reference), field),
        None => d.fault(Code::UnknownPerson, field, &[&Named(reference)]),
    }
}

/// Where the person stays for a time; permanent residence if nowhere.
fn on_stay(d: &mut Deciding<'_>, reference: &PersonRef, field: &str) {
    let stay = d.find_person(reference).and_then(|person| d.registry.temporary(person));
    match stay.filter(|stay| stay.unit != 0) {
        Some(stay) => check_area(d, stay.unit, &Named(reference), field),
        None => at_home(d, reference, field),
    }
}

fn of_card(d: &mut Deciding<'_>, card: CardId, field: &str) {
    if let Some((_, person)) = card_and_holder(d, card, field) {
        at_home_of(d, person, &card, field);
    }
}

fn of_dossier(d: &mut Deciding<'_>, dossier: DossierId, field: &str) {
    if let Some((_, person)) = dossier_and_applicant(d, dossier, field) {
        at_home_of(d, person, &dossier, field);
    }
}

/// The unit whose rows the operation changes; of a proposal where its edits belong.
fn of_operation(d: &mut Deciding<'_>, operation: OperationId, field: &str) {
    let Some(row) = super::operation::found(d, operation, field) else { return };
    if row.is_proposal() && !row.status.is_open() {
        // That it is closed is all that can be said of it.
        return;
    }
    match correction::proposed(d, row) {
        Ok(Some(proposed)) => return correct(d, &proposed.edits, Some(operation), field),
        Ok(None) => {}
        Err(TimelineUnavailable { .. }) => return d.fault(Code::HistoryUnavailable, field, &[]),
    }
    match row.kind.unit() {
        Some(unit) => check_area(d, unit.0, &operation, field),
        None => d.fault(Code::OperatorOnly, field, &[]),
    }
}

/// Where one of the two resides or stays (Law 60/2014/QH13 Art. 17). Nobody's residence: any open office may act.
fn at_home_of_either<'r>(d: &mut Deciding<'_>, references: impl Iterator<Item = &'r PersonRef>, field: &str) {
    let mut found: Option<&PersonRef> = None;
    let mut homes = Vec::new();
    for reference in references {
        let Some(person) = d.find_person(reference) else {
            d.fault(Code::UnknownPerson, field, &[&Named(reference)]);
            continue;
        };
        let Ok(unit) = last_home(d, person) else {
            d.fault(Code::HistoryUnavailable, field, &[]);
            return;
        };
        let stay = d.registry.temporary(person).map_or(0, |stay| stay.unit);
        homes.extend([unit, stay].into_iter().filter(|unit| ![0, ABROAD].contains(unit)));
        found = found.or(Some(reference));
    }
    if d.is_refused() || homes.is_empty() || homes.iter().any(|unit| is_within_area(d, *unit)) {
        return;
    }
    if let Some(reference) = found {
        d.fault(Code::NotCompetent, field, &[&d.context.office, &Named(reference)]);
    }
}

fn at_home_of(d: &mut Deciding<'_>, person: PersonId, named: &dyn Display, field: &str) {
    match last_home(d, person) {
        Ok(unit) => check_area(d, unit, named, field),
        Err(TimelineUnavailable { .. }) => d.fault(Code::HistoryUnavailable, field, &[]),
    }
}

/// Permanent residence; of the dead the last one, so that a death is not told to every office; of a birth that was taken back where it
/// had been registered. Zero for none.
fn last_home(d: &Deciding<'_>, person: PersonId) -> Result<u32, TimelineUnavailable> {
    let row = d.row(person);
    if !row.is_registered() {
        let recorded = d.context.timelines.recorded(RowRef::Person(person))?;
        let registered_at = recorded.into_iter().find_map(|(_, event)| match event.body {
            EventBody::PersonRegistered(PersonRegistered { origin: Origin::Birth(birth), .. }) => {
                Some(birth.registered_at)
            }
            _ => None,
        });
        return Ok(registered_at.map_or(0, |unit| unit.0));
    }
    if row.died == 0 || row.unit != 0 {
        return Ok(row.unit);
    }
    let stream = StreamRef { row: RowRef::Person(person), aspect: Aspect::PermanentResidence };
    let recorded = d.context.timelines.stream(stream)?;
    let last = in_valid_order(recorded).into_iter().rev().find_map(|(_, event)| match event.body {
        EventBody::PermanentResidenceRegistered(registered) => Some(registered.place),
        _ => None,
    });
    Ok(last.as_ref().and_then(|place| place.unit()).map_or(0, |unit| unit.0))
}

/// Faults unless the unit lies in one of the office's areas; zero and [`ABROAD`] lie in nobody's.
fn check_area(d: &mut Deciding<'_>, unit: u32, named: &dyn Display, field: &str) {
    if unit == 0 || unit == ABROAD {
        return;
    }
    if !is_within_area(d, unit) {
        d.fault(Code::NotCompetent, field, &[&d.context.office, named]);
    }
}

/// Whether the unit lies in one of the office's areas. Of a household outside them that a competent office's command takes in,
/// nobody is named whom the command does not name.
pub(super) fn is_within_area(d: &Deciding<'_>, unit: u32) -> bool {
    let office = d.context.office;
    let areas = d.registry.office(office).map_or(&[][..], |row| &row.areas);
    office == OPERATOR
        || areas.iter().any(|area| match area {
            Area::Nation => true,
            Area::Unit(area) => d.registry.units().is_within(UnitId(unit), *area),
            Area::Country(_) => false,
        })
}
