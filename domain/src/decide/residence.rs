//! Permanent and temporary residence (Law 68/2020/QH14 Art. 20–29).

use super::competence::is_within_area;
use super::deciding::Deciding;
use super::departure::{Departure, Vacancy};
use super::household::open_household;
use super::membership::{
    Joiner, NewHousehold, end_stay, enter, form, joiners, leave_temporarily, register_residence,
};
use crate::refusal::Code;
use crate::registry::rows::TemporaryRow;
use crate::timeline::in_valid_order;
use event_schemas::command::residence::TemporaryPlace;
use event_schemas::command::{
    EndTemporaryResidence, MAX_SUCCESSIONS, MovePermanent, PermanentMove, PersonInHousehold,
    RegisterTemporaryResidence,
};
use event_schemas::event::{
    Event, EventBody, HouseholdMoved, MemberJoined, MemberLeft, TemporaryResidenceEnded,
    TemporaryResidenceRegistered,
};
use event_schemas::household::{LeaveReason, Membership, Relationship, ResidenceEndReason};
use event_schemas::ids::{EventAddress, HouseholdId, PersonId, UnitId};
use event_schemas::place::{Place, RegisteredPlace, UnitCode};
use event_schemas::row::{Aspect, RowRef, StreamRef};
use event_schemas::time::Date;
use std::fmt::Display;

pub(super) fn move_permanent(d: &mut Deciding<'_>, command: &MovePermanent) {
    d.check_not_future(command.effective_on, "command.move_permanent.effective_on");
    let successions = command.successions.len();
    if successions > MAX_SUCCESSIONS {
        d.fault(Code::TooMany, "command.move_permanent.successions", &[&successions, &MAX_SUCCESSIONS]);
        return;
    }
    match &command.movement {
        PermanentMove::WholeHousehold { household, to } => {
            for succession in &command.successions {
                let field = "command.move_permanent.successions";
                d.fault(Code::SuccessionNotNeeded, field, &[&succession.household]);
            }
            move_household(d, *household, to, command.effective_on);
        }
        PermanentMove::IntoHousehold { household, persons } => {
            move_into(d, command, *household, persons);
        }
        PermanentMove::NewHousehold { kind, to, file_number, persons } => {
            let field = "command.move_permanent.move.new_household.persons";
            let movers = joiners(d, persons, command.effective_on, field);
            depart(d, command, &movers, field);
            let to =
                d.residence_place(to, command.effective_on, "command.move_permanent.move.new_household.to");
            let Some(place) = to else { return };
            let new = NewHousehold { kind: *kind, place, file_number: file_number.clone(), split_from: None };
            form(d, new, &movers, command.effective_on, field);
        }
    }
}

/// The household keeps its number and its members. Whoever is with it for a time stays where that is registered.
fn move_household(d: &mut Deciding<'_>, household: HouseholdId, to: &Place<UnitCode>, on: Date) {
    let field = "command.move_permanent.move.whole_household";
    let place = d.residence_place(to, on, format_args!("{field}.to"));
    let Some((household, row)) = open_household(d, household, format_args!("{field}.household")) else {
        return;
    };
    let field = "command.move_permanent.effective_on";
    let mut since = row.composition_since.max(row.place_since);
    for person in row.permanent_members() {
        let member_since = d.row(person).residence_since;
        if is_within_area(d, row.unit) {
            d.check_no_later(RowRef::Person(person), member_since, on, field);
        } else {
            since = since.max(member_since);
        }
    }
    d.check_no_later(RowRef::Household(household), since, on, field);
    let Some(place) = place else { return };
    d.emit(on, EventBody::HouseholdMoved(HouseholdMoved { household, place: place.clone() }));
    for person in row.permanent_members() {
        register_residence(d, person, &place, on, field);
    }
    for person in row.temporary_members() {
        if let Some(stay) = d.registry.temporary(person) {
            leave_temporarily(d, person, stay, on, LeaveReason::Moved);
        }
    }
}

fn move_into(
    d: &mut Deciding<'_>,
    command: &MovePermanent,
    household: HouseholdId,
    persons: &[PersonInHousehold],
) {
    let field = "command.move_permanent.move.into_household.persons";
    let on = command.effective_on;
    let mut movers = joiners(d, persons, on, field);
    for Joiner { person, .. } in &movers {
        if d.row(*person).household == household.0 {
            d.fault_with(Code::AlreadyInHousehold, field, &[person, &household], RowRef::Person(*person));
        }
    }
    movers.retain(|joiner| d.row(joiner.person).household != household.0);
    depart(d, command, &movers, field);
    let target = "command.move_permanent.move.into_household.household";
    let Some(household) = d.household(household, target) else { return };
    enter(d, household, &movers, on, field);
}

fn depart(d: &mut Deciding<'_>, command: &MovePermanent, movers: &[Joiner], field: impl Display + Copy) {
    let persons: Vec<PersonId> = movers.iter().map(|joiner| joiner.person).collect();
    Departure {
        persons: &persons,
        on: command.effective_on,
        effective: command.effective_on.into(),
        reason: LeaveReason::Moved,
        successions: &command.successions,
        vacancy: Vacancy::Refused,
        into: None,
        field: &field,
    }
    .decide(d);
}

/// One temporary residence at a time. A stay that is over by now may still be registered, if no other overlaps it.
pub(super) fn register_temporary_residence(d: &mut Deciding<'_>, command: &RegisterTemporaryResidence) {
    let RegisterTemporaryResidence { from, until, .. } = *command;
    d.check_not_future(from, "command.register_temporary_residence.from");
    check_length(d, from, until);
    let person = d.living_person(&command.person, from, "command.register_temporary_residence.person");
    let place_field = "command.register_temporary_residence.place";
    let place = d.residence_place(&command.place, from, place_field);
    let (Some(person), Some(place)) = (person, place) else {
        if let Some(host) = &command.household {
            d.household(host.household, "command.register_temporary_residence.household.household");
        }
        return;
    };
    if let Some(&unit) = place.unit() {
        check_away_from_home(d, person, unit, (from, until), place_field);
    }
    let Some(over_by) = make_room(d, person, command) else { return };
    if let Some(host) = &command.household {
        check_host(d, host, &place, from);
    }
    d.emit(
        from,
        EventBody::TemporaryResidenceRegistered(TemporaryResidenceRegistered { person, place, until }),
    );
    let membership = Membership::Temporary;
    if let Some(TemporaryPlace { household, relationship }) = command.household {
        d.emit(from, EventBody::MemberJoined(MemberJoined { household, person, membership, relationship }));
    }
    if let OverBy::Expiry(after) = over_by {
        let reason = ResidenceEndReason::Expired;
        d.emit(after, EventBody::TemporaryResidenceEnded(TemporaryResidenceEnded { person, reason }));
        if let Some(TemporaryPlace { household, .. }) = command.household {
            let reason = LeaveReason::StayEnded;
            d.emit(after, EventBody::MemberLeft(MemberLeft { household, person, membership, reason }));
        }
    }
}

/// A stay lies outside the commune of permanent residence (Law 68/2020/QH14 Art. 27), by the residence of its own days.
fn check_away_from_home(
    d: &mut Deciding<'_>,
    person: PersonId,
    unit: UnitId,
    (from, until): (Date, Date),
    field: impl Display + Copy,
) {
    let row = d.row(person);
    let mut at_home = row.unit == unit.0;
    if row.residence_since > from.0 {
        let stream = StreamRef { row: RowRef::Person(person), aspect: Aspect::PermanentResidence };
        let Ok(recorded) = d.context.timelines.stream(stream) else {
            d.fault(Code::HistoryUnavailable, field, &[]);
            return;
        };
        at_home = lived_in(unit, from, until, recorded);
    }
    if at_home {
        d.fault_with(Code::StayAtPermanentPlace, field, &[], RowRef::Person(person));
    }
}

/// Whether permanent residence was in the unit on any of these days.
fn lived_in(unit: UnitId, from: Date, until: Date, recorded: Vec<(EventAddress, Event)>) -> bool {
    let mut on_first_day = false;
    for (_, event) in in_valid_order(recorded) {
        let day = event.effective_on.earliest();
        let there = matches!(&event.body, EventBody::PermanentResidenceRegistered(registered)
            if registered.place.unit() == Some(&unit));
        if day <= from {
            on_first_day = there;
        } else if there && day <= until {
            return true;
        }
    }
    on_first_day
}

fn check_length(d: &mut Deciding<'_>, from: Date, until: Date) {
    let field = "command.register_temporary_residence.until";
    if until.0 - from.0 + 1 < i32::from(d.context.rules.stay_min_days) {
        d.fault(Code::StayTooShort, field, &[]);
    }
    if until >= from.plus_years(d.context.rules.stay_max_years) {
        d.fault(Code::StayTooLong, field, &[]);
    }
}

/// How a stay that is being registered ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OverBy {
    /// It has not ended yet.
    Nothing,
    /// It is over: no residence from this day on.
    Expiry(Date),
    /// It is over, and the next one begins on the day after.
    NextStay,
}

/// Sees to it that no other temporary residence holds while the new one does. Nothing, if the command is refused.
fn make_room(d: &mut Deciding<'_>, person: PersonId, command: &RegisterTemporaryResidence) -> Option<OverBy> {
    let field = "command.register_temporary_residence.from";
    let RegisterTemporaryResidence { from, until, .. } = *command;
    let ended = if until < d.today { OverBy::Expiry(until.plus_days(1)) } else { OverBy::Nothing };
    let Some(stay) = d.registry.temporary(person) else { return Some(ended) };
    if stay.since > from.0 {
        if stay.household != 0 || command.household.is_some() {
            d.check_no_later(RowRef::Person(person), stay.since, from, field);
            return None;
        }
        return make_room_late(d, person, stay, from, until);
    }
    if stay.unit == 0 {
        return Some(ended);
    }
    if ended != OverBy::Nothing {
        // What is over cannot replace what still holds.
        fault_stay_exists(d, person, Date(stay.until), field);
        return None;
    }
    end_stay(d, person, stay, from, ResidenceEndReason::Replaced, field);
    Some(OverBy::Nothing)
}

fn fault_stay_exists(d: &mut Deciding<'_>, person: PersonId, until: Date, field: impl Display + Copy) {
    d.fault_with(Code::TemporaryResidenceExists, field, &[&person, &until], RowRef::Person(person));
}

/// Later facts are known: the stay must lie between the others, which its stream tells.
fn make_room_late(
    d: &mut Deciding<'_>,
    person: PersonId,
    stay: &TemporaryRow,
    from: Date,
    until: Date,
) -> Option<OverBy> {
    let field = "command.register_temporary_residence.from";
    let stream = StreamRef { row: RowRef::Person(person), aspect: Aspect::TemporaryResidence };
    let Ok(recorded) = d.context.timelines.stream(stream) else {
        d.fault(Code::HistoryUnavailable, field, &[]);
        return None;
    };
    let mut next_begins = None;
    for (begins, last) in stays(recorded) {
        if begins <= until && from <= last {
            fault_stay_exists(d, person, last, field);
            return None;
        }
        if begins > until && next_begins.is_none_or(|next| begins < next) {
            next_begins = Some(begins);
        }
    }
    d.restate_if_late(RowRef::Person(person), Aspect::TemporaryResidence, stay.since, from);
    let after = until.plus_days(1);
    Some(match next_begins {
        Some(next) if next == after => OverBy::NextStay,
        _ if until < d.today => OverBy::Expiry(after),
        _ => OverBy::Nothing,
    })
}

/// First and last day of every stay that a stream tells of.
fn stays(recorded: Vec<(EventAddress, Event)>) -> Vec<(Date, Date)> {
    let mut stays: Vec<(Date, Date)> = Vec::new();
    let mut open: Option<(Date, Date)> = None;
    for (_, event) in in_valid_order(recorded) {
        let day = event.effective_on.earliest();
        let opened = match event.body {
            EventBody::TemporaryResidenceRegistered(registered) => Some((day, registered.until)),
            EventBody::TemporaryResidenceEnded(_) => None,
            _ => continue,
        };
        if let Some((begun, last)) = open.take() {
            stays.push((begun, last.min(day.plus_days(-1))));
        }
        open = opened;
    }
    stays.extend(open);
    stays
}

/// The household that takes the person in for a time is at that place.
fn check_host(d: &mut Deciding<'_>, host: &TemporaryPlace, place: &RegisteredPlace, from: Date) {
    let field = "command.register_temporary_residence.household";
    if host.relationship == Relationship::Head {
        d.fault(Code::RelationshipIsHead, format_args!("{field}.relationship"), &[]);
    }
    let Some((household, row)) = open_household(d, host.household, format_args!("{field}.household")) else {
        return;
    };
    let since = row.composition_since.max(row.place_since);
    d.check_no_later(RowRef::Household(household), since, from, "command.register_temporary_residence.from");
    if place.unit() != Some(&UnitId(row.unit)) {
        let unit = place.unit().and_then(|unit| d.registry.units().get(*unit));
        let shown = unit.map_or_else(String::new, |unit| format!("{} {}", unit.code, unit.name));
        d.fault_with(
            Code::HouseholdNotThere,
            format_args!("{field}.household"),
            &[&household, &shown],
            RowRef::Household(household),
        );
    }
}

pub(super) fn end_temporary_residence(d: &mut Deciding<'_>, command: &EndTemporaryResidence) {
    let on = command.effective_on;
    d.check_not_future(on, "command.end_temporary_residence.effective_on");
    let field = "command.end_temporary_residence.person";
    let Some(person) = d.living_person(&command.person, on, field) else { return };
    let Some(stay) = d.registry.temporary(person).filter(|stay| stay.unit != 0) else {
        d.fault_with(Code::NoTemporaryResidence, field, &[&person], RowRef::Person(person));
        return;
    };
    let field = "command.end_temporary_residence.effective_on";
    end_stay(d, person, stay, on, ResidenceEndReason::LeftEarly, field);
}
