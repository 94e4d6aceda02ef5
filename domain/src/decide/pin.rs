//! Personal identification numbers: drawn from a cell's sequence, accepted from before, cancelled and established anew.

use super::deciding::{Deciding, Named};
use crate::refusal::Code;
use crate::registry::fold::sex_of;
use crate::registry::rows::{FLAG_NOTICE_DUE, PersonRow};
use event_schemas::basis::BasisKind;
use event_schemas::command::pin::MAX_NOTICES;
use event_schemas::command::{AcceptPin, CancelPin, IssuePin, RecordPinNotices, ReestablishPin};
use event_schemas::defect::DefectKind;
use event_schemas::event::{EventBody, PinAccepted, PinCancelled, PinIssued, PinNoticeHandedOver};
use event_schemas::ids::{PersonId, UnitId};
use event_schemas::person::{PersonRef, Sex};
use event_schemas::pin::{Pin, PinCell, PinGround, PinOccasion};
use event_schemas::place::UnitCode;
use event_schemas::row::RowRef;
use event_schemas::text::Text;
use event_schemas::time::PartialDate;
use hashbrown::HashMap;
use std::fmt::Display;

pub(super) fn issue_pin(d: &mut Deciding<'_>, command: &IssuePin) {
    let field = "command.issue_pin.person";
    let Some(person) = d.living_person(&command.person, d.today, field) else { return };
    if has_pin(d, person, &command.person, field) {
        return;
    }
    let place_field = "command.issue_pin.birth_registered_at";
    let Some(unit) = birth_unit(d, person, command.birth_registered_at, place_field) else { return };
    let (sex, birth_year) = sex_and_year(d.row(person));
    draw_pin(d, person, unit, (sex, birth_year), PinOccasion::Later, field);
}

/// Where the birth was registered: what the registry holds goes before what is stated.
fn birth_unit(
    d: &mut Deciding<'_>,
    person: PersonId,
    stated: Option<UnitCode>,
    field: &str,
) -> Option<UnitId> {
    let stated = match stated {
        Some(code) => Some(d.unit(code, d.today, field)?),
        None => None,
    };
    let unit = UnitId(d.row(person).birth_unit).some().or(stated);
    if unit.is_none() {
        d.fault(Code::PinPlaceMissing, field, &[]);
    }
    unit
}

fn sex_and_year(row: &PersonRow) -> (Sex, i16) {
    let birth_year = PartialDate::from_packed(row.birth).map_or(0, |birth| birth.year());
    (sex_of(row.sex), birth_year)
}

/// The cell that the person's data give for a birth registered in this province.
pub(super) fn cell_of(province: UnitCode, row: &PersonRow) -> Option<PinCell> {
    let (sex, birth_year) = sex_and_year(row);
    PinCell::of(province.number() as u16, sex, birth_year)
}

pub(super) fn accept_pin(d: &mut Deciding<'_>, command: &AcceptPin) {
    let field = "command.accept_pin.person";
    let Some(person) = d.living_person(&command.person, d.today, field) else { return };
    if has_pin(d, person, &command.person, field) {
        return;
    }
    let (sex, birth_year) = sex_and_year(d.row(person));
    let pin = command.pin;
    if check_accepted_pin(d, person, pin, sex, birth_year, "command.accept_pin.pin") {
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

pub(super) fn cancel_pin(d: &mut Deciding<'_>, command: &CancelPin) {
    let field = "command.cancel_pin.person";
    let Some((person, pin)) = number_in_force(d, &command.person, field) else { return };
    check_ground(d, person, pin, command.ground, UnitId(d.row(person).birth_unit).some(), field);
    cancel(d, person, pin, command.ground, &command.explanation);
}

pub(super) fn reestablish_pin(d: &mut Deciding<'_>, command: &ReestablishPin) {
    let field = "command.reestablish_pin.person";
    let Some((person, pin)) = number_in_force(d, &command.person, field) else { return };
    let place_field = "command.reestablish_pin.birth_registered_at";
    let Some(unit) = birth_unit(d, person, command.birth_registered_at, place_field) else { return };
    check_ground(d, person, pin, command.ground, Some(unit), field);
    cancel(d, person, pin, command.ground, &command.explanation);
    let (sex, birth_year) = sex_and_year(d.row(person));
    draw_pin(d, person, unit, (sex, birth_year), PinOccasion::Reestablished, field);
}

/// A living person with a PIN, and the decision that cancelling it needs.
fn number_in_force(d: &mut Deciding<'_>, reference: &PersonRef, field: &str) -> Option<(PersonId, Pin)> {
    if ![BasisKind::Agency, BasisKind::Court].contains(&d.envelope.basis.kind) {
        d.fault(Code::PinDecisionRequired, "basis", &[]);
    }
    let person = d.living_person(reference, d.today, field)?;
    let number = d.row(person).pin.get();
    if number == 0 {
        d.fault_with(Code::NoPin, field, &[&Named(reference)], RowRef::Person(person));
        return None;
    }
    Pin::from_number(number).map(|pin| (person, pin))
}

/// Faults unless the data held show the ground: the number must disagree with them in what the ground says. So a number is
/// established anew only after the record states what it should have been made of.
fn check_ground(
    d: &mut Deciding<'_>,
    person: PersonId,
    pin: Pin,
    ground: PinGround,
    birth_unit: Option<UnitId>,
    field: &str,
) {
    let (sex, birth_year) = sex_and_year(d.row(person));
    let is_shown = match ground {
        PinGround::SexRedetermined | PinGround::WrongSex => sex != Sex::Unknown && sex != pin.sex(),
        PinGround::BirthYearCorrected | PinGround::WrongBirthYear => birth_year != pin.birth_year(),
        PinGround::WrongPlace => {
            let province = birth_unit.and_then(|unit| d.registry.units().province_of(unit));
            province.is_some_and(|province| province.number() != u32::from(pin.cell().place))
        }
        // That the number is another's stands in no record here: the decision states it.
        PinGround::WrongNumber => true,
    };
    if !is_shown {
        // The office reads the number where reading is recorded; the fault names the person instead.
        d.fault_with(Code::PinGroundNotShown, field, &[&person, &ground.name()], RowRef::Person(person));
    }
}

fn cancel(d: &mut Deciding<'_>, person: PersonId, pin: Pin, ground: PinGround, explanation: &Text<200>) {
    let explanation = explanation.clone();
    d.emit(d.today, EventBody::PinCancelled(PinCancelled { person, pin, ground, explanation }));
}

pub(super) fn record_pin_notices(d: &mut Deciding<'_>, command: &RecordPinNotices) {
    let field = "command.record_pin_notices.persons";
    if !d.check_count(command.persons.len(), MAX_NOTICES, field) {
        return;
    }
    d.check_not_future(command.handed_over_on, "command.record_pin_notices.handed_over_on");
    let mut named: Vec<PersonId> = Vec::with_capacity(command.persons.len());
    for (place, reference) in command.persons.iter().enumerate() {
        let field = format!("{field}[{place}]");
        let Some(person) = d.living_person(reference, command.handed_over_on, &field) else { continue };
        if named.contains(&person) {
            d.fault(Code::NamedTwice, &field, &[&Named(reference)]);
            continue;
        }
        named.push(person);
        let row = d.row(person);
        match Pin::from_number(row.pin.get()).filter(|_| row.flags & FLAG_NOTICE_DUE != 0) {
            Some(pin) => {
                let handed_over = PinNoticeHandedOver { person, pin };
                d.emit(command.handed_over_on, EventBody::PinNoticeHandedOver(handed_over));
            }
            None => d.fault_with(Code::NoNoticeDue, &field, &[&Named(reference)], RowRef::Person(person)),
        }
    }
}

/// Draws of one decision: the numbers of each cell that it has drawn so far count.
pub(super) struct Draw<'a> {
    d: &'a Deciding<'a>,
    drawn: HashMap<PinCell, u32>,
}

impl<'a> Draw<'a> {
    pub fn new(d: &'a Deciding<'a>) -> Self {
        Self { d, drawn: HashMap::new() }
    }

    /// The next free number of the cell, and its place in the cell's sequence; none if the cell is full.
    pub fn next(&mut self, cell: PinCell) -> Option<(Pin, u32)> {
        let (lookups, pins) = (self.d.registry.lookups(), self.d.context.pins);
        let next = self.drawn.entry(cell).or_insert_with(|| lookups.draws(cell, pins.key_version()));
        while *next < PinCell::CAPACITY {
            let draw = *next;
            *next += 1;
            let pin = cell.pin(pins.serial(cell, draw));
            // Numbers accepted from before, or drawn with an earlier key, are passed over.
            if lookups.holder_of(pin).is_none() {
                return Some((pin, draw));
            }
        }
        None
    }
}

/// Draws the next free number of the person's cell: the province of birth registration, century and sex, year.
pub(super) fn draw_pin(
    d: &mut Deciding<'_>,
    person: PersonId,
    birth_registered_at: UnitId,
    (sex, birth_year): (Sex, i16),
    occasion: PinOccasion,
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
    let drawn = Draw::new(d).next(cell);
    match drawn {
        Some((pin, draw)) => {
            let key_version = d.context.pins.key_version();
            d.emit(d.today, EventBody::PinIssued(PinIssued { person, pin, draw, key_version, occasion }));
        }
        None => {
            let place = format!("{:03}", cell.place);
            d.fault(Code::PinCellExhausted, field, &[&place, &cell.century_sex, &cell.year]);
        }
    }
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
    if d.registry.lookups().holder_of(pin).is_some() {
        d.fault(Code::PinTaken, field, &[&pin]);
        acceptable = false;
    }
    let agrees = pin.birth_year() == birth_year && (sex == Sex::Unknown || pin.sex() == sex);
    if acceptable && !agrees {
        d.flag(Code::PinDisagrees, field, &[&pin], RowRef::Person(person), DefectKind::PinDisagrees);
    }
    acceptable
}
