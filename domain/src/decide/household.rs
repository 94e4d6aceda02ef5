//! Households: form, join, leave, split, merge, head, relationships (Law 68/2020/QH14 Art. 10, 20, 24, 25).

use super::competence::is_within_area;
use super::deciding::Deciding;
use super::departure::{Departure, Vacancy, succeed};
use super::membership::{Joiner, NewHousehold, check_without_household, end_stay, enter, form, joiners};
use crate::refusal::Code;
use crate::registry::rows::HouseholdRow;
use event_schemas::command::household::LeaveGround;
use event_schemas::command::{
    AppointHead, ChangeRelationship, FormHousehold, JoinHousehold, LeaveHousehold, MergeHouseholds,
    PersonInHousehold, SplitHousehold, Succession,
};
use event_schemas::event::{EventBody, PermanentResidenceEnded, RelationshipChanged};
use event_schemas::household::{HouseholdKind, LeaveReason, Relationship, ResidenceEndReason};
use event_schemas::ids::{HouseholdId, PersonId, UnitId};
use event_schemas::place::Place;
use event_schemas::row::RowRef;
use std::fmt::Display;

pub(super) fn form_household(d: &mut Deciding<'_>, command: &FormHousehold) {
    let on = command.effective_on;
    d.check_not_future(on, "command.form_household.effective_on");
    let field = "command.form_household.members";
    let members = joiners(d, &command.members, on, field);
    check_without_household(d, &members, field);
    let Some(place) = d.residence_place(&command.place, on, "command.form_household.place") else { return };
    let file_number = command.file_number.clone();
    let new = NewHousehold { kind: command.kind, place, file_number, split_from: None };
    form(d, new, &members, on, field);
}

pub(super) fn join_household(d: &mut Deciding<'_>, command: &JoinHousehold) {
    let on = command.effective_on;
    d.check_not_future(on, "command.join_household.effective_on");
    let field = "command.join_household";
    let stated = PersonInHousehold { person: command.person.clone(), relationship: command.relationship };
    let members = joiners(d, &[stated], on, field);
    check_without_household(d, &members, field);
    let Some(household) = d.household(command.household, "command.join_household.household") else { return };
    enter(d, household, &members, on, field);
}

/// Ends a permanent registration. A person who settles abroad keeps no temporary one either.
pub(super) fn leave_household(d: &mut Deciding<'_>, command: &LeaveHousehold) {
    let on = command.effective_on;
    d.check_not_future(on, "command.leave_household.effective_on");
    let field = "command.leave_household.person";
    let Some(person) = d.living_person(&command.person, on, field) else { return };
    let row = d.row(person);
    if row.household == 0 && row.unit == 0 {
        d.fault_with(Code::NoHousehold, field, &[&person], RowRef::Person(person));
        return;
    }
    d.check_no_later(RowRef::Person(person), row.residence_since, on, "command.leave_household.effective_on");
    let (ended, left) = match command.ground {
        LeaveGround::SettledAbroad => (ResidenceEndReason::SettledAbroad, LeaveReason::SettledAbroad),
        LeaveGround::RegistrationEnded => {
            (ResidenceEndReason::RegistrationEnded, LeaveReason::RegistrationEnded)
        }
    };
    d.emit(on, EventBody::PermanentResidenceEnded(PermanentResidenceEnded { person, reason: ended }));
    let stay = d.registry.temporary(person).filter(|stay| stay.unit != 0);
    if let Some(stay) = stay.filter(|_| command.ground == LeaveGround::SettledAbroad) {
        end_stay(d, person, stay, on, ended, "command.leave_household.effective_on");
    }
    let successions: Vec<Succession> = command.succession.iter().cloned().collect();
    Departure {
        persons: &[person],
        on,
        effective: on.into(),
        reason: left,
        successions: &successions,
        vacancy: Vacancy::Refused,
        into: None,
        field: &field,
    }
    .decide(d);
}

/// Some members found a household of their own at the same dwelling; the others stay (Law 68/2020/QH14 Art. 25).
pub(super) fn split_household(d: &mut Deciding<'_>, command: &SplitHousehold) {
    let on = command.effective_on;
    d.check_not_future(on, "command.split_household.effective_on");
    let field = "command.split_household.leaving";
    let leaving = joiners(d, &command.leaving, on, field);
    let Some((household, row)) = open_household(d, command.household, "command.split_household.household")
    else {
        return;
    };
    d.check_no_later(
        RowRef::Household(household),
        row.place_since,
        on,
        "command.split_household.effective_on",
    );
    let persons: Vec<PersonId> = leaving.iter().map(|joiner| joiner.person).collect();
    let mut all_are_members = true;
    for &person in &persons {
        if d.row(person).household != household.0 {
            d.fault_with(Code::NotAMember, field, &[&person, &household], RowRef::Person(person));
            all_are_members = false;
        }
    }
    if row.permanent_members().all(|member| persons.contains(&member)) {
        d.fault(Code::NobodyStays, field, &[]);
        return;
    }
    if !all_are_members || persons.is_empty() {
        return;
    }
    let successions: Vec<Succession> = command.succession.iter().cloned().collect();
    Departure {
        persons: &persons,
        on,
        effective: on.into(),
        reason: LeaveReason::Split,
        successions: &successions,
        vacancy: Vacancy::Refused,
        into: None,
        field: &field,
    }
    .decide(d);
    let new = NewHousehold {
        kind: kind_of(row),
        place: Place::in_unit(UnitId(row.unit)),
        file_number: command.file_number.clone(),
        split_from: Some(household),
    };
    form(d, new, &leaving, on, field);
}

/// Everybody of one household joins another; the first one ends.
pub(super) fn merge_households(d: &mut Deciding<'_>, command: &MergeHouseholds) {
    let on = command.effective_on;
    d.check_not_future(on, "command.merge_households.effective_on");
    let field = "command.merge_households.relationships";
    let members = joiners(d, &command.relationships, on, field);
    let from = open_household(d, command.from, "command.merge_households.from");
    let into = open_household(d, command.into, "command.merge_households.into");
    if command.from == command.into {
        d.fault(Code::SameHousehold, "command.merge_households.into", &[]);
        return;
    }
    let (Some((from, from_row)), Some((into, _))) = (from, into) else { return };
    if !check_covers(d, from, from_row, &members, field) {
        return;
    }
    let persons: Vec<PersonId> = members.iter().map(|joiner| joiner.person).collect();
    Departure {
        persons: &persons,
        on,
        effective: on.into(),
        reason: LeaveReason::Merged,
        successions: &[],
        vacancy: Vacancy::Refused,
        into: Some(into),
        field: &field,
    }
    .decide(d);
    enter(d, into, &members, on, field);
}

/// Every permanent member is named, nobody else, and nobody as a head.
fn check_covers(
    d: &mut Deciding<'_>,
    from: HouseholdId,
    row: &HouseholdRow,
    named: &[Joiner],
    field: impl Display + Copy,
) -> bool {
    let is_missing = |member: &PersonId| !named.iter().any(|joiner| joiner.person == *member);
    let missing: Vec<PersonId> = row.permanent_members().filter(is_missing).collect();
    if is_within_area(d, row.unit) {
        for member in &missing {
            d.fault_with(Code::RelationshipMissing, field, &[member], RowRef::Person(*member));
        }
    } else if !missing.is_empty() {
        d.fault_with(Code::RelationshipMissing, field, &[&from], RowRef::Household(from));
    }
    let mut complete = missing.is_empty();
    for Joiner { person, relationship } in named {
        if d.row(*person).household != from.0 {
            d.fault_with(Code::NotAMember, field, &[person, &from], RowRef::Person(*person));
            complete = false;
        }
        if *relationship == Relationship::Head {
            d.fault(Code::RelationshipIsHead, field, &[]);
            complete = false;
        }
    }
    complete
}

pub(super) fn appoint_head(d: &mut Deciding<'_>, command: &AppointHead) {
    let on = command.effective_on;
    d.check_not_future(on, "command.appoint_head.effective_on");
    let field = "command.appoint_head.succession";
    let succession = &command.succession;
    let Some((household, row)) = open_household(d, succession.household, field) else { return };
    d.check_no_later(
        RowRef::Household(household),
        row.composition_since,
        on,
        "command.appoint_head.effective_on",
    );
    let former = PersonId(row.head).some();
    let head = d.person(&succession.head, field);
    if head.is_none() {
        return;
    }
    if head == former {
        d.fault_with(Code::AlreadyHead, field, &[&PersonId(row.head)], RowRef::Household(household));
        return;
    }
    let members: Vec<PersonId> = row.permanent_members().collect();
    succeed(d, succession, &members, former, on.into(), field);
}

pub(super) fn change_relationship(d: &mut Deciding<'_>, command: &ChangeRelationship) {
    let on = command.effective_on;
    d.check_not_future(on, "command.change_relationship.effective_on");
    let field = "command.change_relationship.person";
    let person = d.living_person(&command.person, on, field);
    let relationship = command.relationship;
    if relationship == Relationship::Head {
        d.fault(Code::RelationshipIsHead, "command.change_relationship.relationship", &[]);
    }
    let Some((household, row)) =
        open_household(d, command.household, "command.change_relationship.household")
    else {
        return;
    };
    d.check_no_later(
        RowRef::Household(household),
        row.composition_since,
        on,
        "command.change_relationship.effective_on",
    );
    let Some(person) = person else { return };
    let member = d.row(person);
    if member.household != household.0 {
        d.fault_with(Code::NotAMember, field, &[&person, &household], RowRef::Person(person));
    } else if row.head == person.0 {
        d.fault_with(Code::HeadRelationshipFixed, field, &[], RowRef::Household(household));
    } else if member.relationship == relationship as u8 {
        d.fault_with(Code::RelationshipUnchanged, field, &[], RowRef::Person(person));
    }
    d.emit(on, EventBody::RelationshipChanged(RelationshipChanged { household, person, relationship }));
}

/// The household that the command names with its row, if it exists still.
pub(super) fn open_household<'a>(
    d: &mut Deciding<'a>,
    household: HouseholdId,
    field: impl Display + Copy,
) -> Option<(HouseholdId, &'a HouseholdRow)> {
    let found = d.household(household, field)?;
    d.registry.household(found).map(|row| (found, row))
}

fn kind_of(row: &HouseholdRow) -> HouseholdKind {
    if row.kind == HouseholdKind::Institutional as u8 {
        HouseholdKind::Institutional
    } else {
        HouseholdKind::Family
    }
}
