//! Personal identification numbers: drawn from a cell's sequence, or accepted from before.

use super::deciding::{Deciding, Named};
use crate::refusal::Code;
use crate::registry::fold::sex_of;
use event_schemas::command::{AcceptPin, IssuePin};
use event_schemas::defect::DefectKind;
use event_schemas::event::{EventBody, PinAccepted, PinIssued};
use event_schemas::ids::{PersonId, UnitId};
use event_schemas::person::{PersonRef, Sex};
use event_schemas::pin::{Pin, PinCell};
use event_schemas::row::RowRef;
use event_schemas::time::PartialDate;
use std::fmt::Display;

pub(super) fn issue_pin(d: &mut Deciding<'_>, command: &IssuePin) {
    let field = "command.issue_pin.person";
    let Some(person) = d.living_person(&command.person, d.today, field) else { return };
    let row = d.row(person);
    if has_pin(d, person, &command.person, field) {
        return;
    }
    let place_field = "command.issue_pin.birth_registered_at";
    let stated = match command.birth_registered_at {
        Some(code) => match d.unit(code, d.today, place_field) {
            Some(unit) => Some(unit),
            None => return,
        },
        None => None,
    };
    // What the registry holds goes before what is stated.
    let Some(unit) = UnitId(row.birth_unit).some().or(stated) else {
        d.fault(Code::PinPlaceMissing, place_field, &[]);
        return;
    };
    let birth_year = PartialDate::from_packed(row.birth).map_or(0, |birth| birth.year());
    draw_pin(d, person, unit, sex_of(row.sex), birth_year, field);
}

pub(super) fn accept_pin(d: &mut Deciding<'_>, command: &AcceptPin) {
    let field = "command.accept_pin.person";
    let Some(person) = d.living_person(&command.person, d.today, field) else { return };
    let row = d.row(person);
    if has_pin(d, person, &command.person, field) {
        return;
    }
    let birth_year = PartialDate::from_packed(row.birth).map_or(0, |birth| birth.year());
    let pin = command.pin;
    if check_accepted_pin(d, person, pin, sex_of(row.sex), birth_year, "command.accept_pin.pin") {
        d.emit(d.today, EventBody::PinAccepted(PinAccepted { person, pin }));
    }
}

/// The office reads the number where reading is recorded; a refusal does not tell it.
fn has_pin(
    d: &mut Deciding<'_>,
    person: PersonId,
    reference: &PersonRef,
    field: impl Display + Copy,
) -> bool {
    let has = d.row(person).pin.get() != 0;
    if has {
        d.fault_with(Code::HasPin, field, &[&Named(reference)], RowRef::Person(person));
    }
    has
}

/// Draws the next free number of the person's cell: the province of birth registration, century and sex, year.
pub(super) fn draw_pin(
    d: &mut Deciding<'_>,
    person: PersonId,
    birth_registered_at: UnitId,
    sex: Sex,
    birth_year: i16,
    field: impl Display + Copy,
) {
    let Some(province) = d.registry.units().province_of(birth_registered_at) else {
        d.fault(Code::PinPlaceMissing, field, &[]);
        return;
    };
    let Some(cell) = PinCell::of(province.number() as u16, sex, birth_year) else {
        d.fault(Code::PinNotPossible, field, &[]);
        return;
    };
    let lookups = d.registry.lookups();
    for draw in lookups.draws(cell)..PinCell::CAPACITY {
        let pin = cell.pin(d.context.pins.serial(cell, draw));
        // Numbers accepted from before are passed over.
        if lookups.person_by_pin(pin).is_none() {
            let key_version = d.context.pins.key_version();
            d.emit(d.today, EventBody::PinIssued(PinIssued { person, pin, draw, key_version }));
            return;
        }
    }
    d.fault(
        Code::PinCellExhausted,
        field,
        &[&format_args!("{:03}", cell.place), &cell.century_sex, &cell.year],
    );
}

/// Structure, place, uniqueness, and agreement with sex and year of birth. True if the number may be accepted.
pub(super) fn check_accepted_pin(
    d: &mut Deciding<'_>,
    person: PersonId,
    pin: Pin,
    sex: Sex,
    birth_year: i16,
    field: impl Display + Copy,
) -> bool {
    let cell = pin.cell();
    let mut acceptable = true;
    if !d.registry.units().is_pin_place(cell.place) {
        d.fault(Code::PinPlaceUnknown, field, &[&format_args!("{:03}", cell.place)]);
        acceptable = false;
    }
    if d.registry.lookups().person_by_pin(pin).is_some() {
        d.fault(Code::PinTaken, field, &[&pin]);
        acceptable = false;
    }
    let agrees = pin.birth_year() == birth_year && (sex == Sex::Unknown || pin.sex() == sex);
    if acceptable && !agrees {
        d.flag(Code::PinDisagrees, field, &[&pin], RowRef::Person(person), DefectKind::PinDisagrees);
    }
    acceptable
}
