//! People who come to belong to a household, and whose permanent residence is where it is.

use super::deciding::Deciding;
use super::departure::appoint;
use crate::refusal::Code;
use crate::registry::rows::TemporaryRow;
use event_schemas::command::{MAX_MEMBERS, PersonInHousehold};
use event_schemas::defect::DefectKind;
use event_schemas::event::{
    EventBody, HouseholdFormed, MemberJoined, MemberLeft, PermanentResidenceRegistered,
    TemporaryResidenceEnded,
};
use event_schemas::household::{
    HouseholdKind, LeaveReason, Membership, Relationship, ResidenceEndReason, ResidenceFileNumber,
};
use event_schemas::ids::{HouseholdId, PersonId, UnitId};
use event_schemas::place::{Place, RegisteredPlace};
use event_schemas::row::{Aspect, RowRef};
use event_schemas::time::Date;
use std::fmt::Display;

/// A living person and the relationship to the head of the household that takes the person in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Joiner {
    pub person: PersonId,
    pub relationship: Relationship,
}

/// A household that comes into being.
pub(super) struct NewHousehold {
    pub kind: HouseholdKind,
    pub place: RegisteredPlace,
    pub file_number: Option<ResidenceFileNumber>,
    pub split_from: Option<HouseholdId>,
}

/// The living persons that a command names, each once, with nothing of a later day about where they live.
pub(super) fn joiners(
    d: &mut Deciding<'_>,
    stated: &[PersonInHousehold],
    on: Date,
    field: impl Display + Copy,
) -> Vec<Joiner> {
    let mut joiners: Vec<Joiner> = Vec::with_capacity(stated.len().min(MAX_MEMBERS));
    if !d.check_count(stated.len(), MAX_MEMBERS, field) {
        return joiners;
    }
    for (number, member) in stated.iter().enumerate() {
        let field = format_args!("{field}[{number}].person");
        let Some(person) = d.living_person(&member.person, on, field) else { continue };
        if joiners.iter().any(|known| known.person == person) {
            d.fault(Code::NamedTwice, field, &[&person]);
            continue;
        }
        d.check_no_later(RowRef::Person(person), d.row(person).residence_since, on, field);
        joiners.push(Joiner { person, relationship: member.relationship });
    }
    joiners
}

/// Faults for everybody who has a permanent household already.
pub(super) fn check_without_household(d: &mut Deciding<'_>, joiners: &[Joiner], field: impl Display + Copy) {
    for Joiner { person, .. } in joiners {
        if let Some(household) = HouseholdId(d.row(*person).household).some() {
            d.fault_with(Code::AlreadyInHousehold, field, &[person, &household], RowRef::Person(*person));
        }
    }
}

/// Forms a household. A family has exactly one head; an institution at most one.
pub(super) fn form(
    d: &mut Deciding<'_>,
    new: NewHousehold,
    joiners: &[Joiner],
    on: Date,
    field: impl Display + Copy,
) -> HouseholdId {
    let household = d.new_household();
    let NewHousehold { kind, place, file_number, split_from } = new;
    let formed = HouseholdFormed { household, kind, place: place.clone(), file_number, split_from };
    d.emit(on, EventBody::HouseholdFormed(formed));
    for joiner in joiners {
        // Those who split off stay where they were registered.
        if split_from.is_none() {
            register_residence(d, joiner.person, &place, on, field);
        }
        join(d, household, joiner, on);
    }
    let heads: Vec<PersonId> = heads_of(joiners).collect();
    match heads.as_slice() {
        [] if kind == HouseholdKind::Family => {
            d.flag(Code::HeadRequired, field, &[], RowRef::Household(household), DefectKind::HeadMissing);
        }
        [] => {}
        [head] => appoint(d, household, *head, on.into(), field),
        _ => d.fault(Code::TwoHeads, field, &[]),
    }
    household
}

/// Takes persons into a household that exists; they live where it is.
pub(super) fn enter(
    d: &mut Deciding<'_>,
    household: HouseholdId,
    joiners: &[Joiner],
    on: Date,
    field: impl Display + Copy,
) {
    let Some(row) = d.registry.household(household) else { return };
    d.check_no_later(RowRef::Household(household), row.composition_since.max(row.place_since), on, field);
    let place: RegisteredPlace = Place::in_unit(UnitId(row.unit));
    for joiner in joiners {
        register_residence(d, joiner.person, &place, on, field);
        join(d, household, joiner, on);
    }
    let heads: Vec<PersonId> = heads_of(joiners).collect();
    match heads.as_slice() {
        [] => {}
        _ if row.head != 0 => {
            let head = PersonId(row.head);
            d.fault_with(Code::HeadExists, field, &[&household, &head], RowRef::Household(household));
        }
        [head] => appoint(d, household, *head, on.into(), field),
        _ => d.fault(Code::TwoHeads, field, &[]),
    }
}

fn heads_of(joiners: &[Joiner]) -> impl Iterator<Item = PersonId> + '_ {
    joiners.iter().filter(|joiner| joiner.relationship == Relationship::Head).map(|joiner| joiner.person)
}

fn join(d: &mut Deciding<'_>, household: HouseholdId, joiner: &Joiner, on: Date) {
    let Joiner { person, relationship } = *joiner;
    let membership = Membership::Permanent;
    d.emit(on, EventBody::MemberJoined(MemberJoined { household, person, membership, relationship }));
}

/// Registers permanent residence. A temporary residence in the same commune ends: it lies outside the permanent one's
/// (Law 68/2020/QH14 Art. 27).
pub(super) fn register_residence(
    d: &mut Deciding<'_>,
    person: PersonId,
    place: &RegisteredPlace,
    on: Date,
    field: impl Display + Copy,
) {
    let registered = PermanentResidenceRegistered { person, place: place.clone() };
    d.emit(on, EventBody::PermanentResidenceRegistered(registered));
    let stay_there = d.registry.temporary(person).filter(|stay| Some(&UnitId(stay.unit)) == place.unit());
    if let Some(stay) = stay_there {
        end_stay(d, person, stay, on, ResidenceEndReason::Replaced, field);
    }
}

/// Ends a temporary residence, and the temporary membership that goes with it.
pub(super) fn end_stay(
    d: &mut Deciding<'_>,
    person: PersonId,
    stay: &TemporaryRow,
    on: Date,
    reason: ResidenceEndReason,
    field: impl Display + Copy,
) {
    d.check_no_later(RowRef::Person(person), stay.since, on, field);
    d.emit(on, EventBody::TemporaryResidenceEnded(TemporaryResidenceEnded { person, reason }));
    leave_temporarily(d, person, stay, on, LeaveReason::StayEnded);
}

/// Ends a temporary membership, unless the record has ended it already.
pub(super) fn leave_temporarily(
    d: &mut Deciding<'_>,
    person: PersonId,
    stay: &TemporaryRow,
    on: Date,
    reason: LeaveReason,
) {
    let Some(household) = HouseholdId(stay.household).some() else { return };
    let membership = Membership::Temporary;
    let left_already = d.events().iter().any(|event| {
        matches!(&event.body, EventBody::MemberLeft(left) if left.person == person && left.membership == membership)
    });
    if left_already {
        return;
    }
    if let Some(row) = d.registry.household(household) {
        d.restate_if_late(RowRef::Household(household), Aspect::Composition, row.composition_since, on);
    }
    d.emit(on, EventBody::MemberLeft(MemberLeft { household, person, membership, reason }));
}
