//! Units, offices, dwellings.

use super::deciding::{Deciding, OPERATOR};
use crate::refusal::Code;
use event_schemas::command::administration::{MAX_AREAS, MAX_UNITS};
use event_schemas::command::{ChangeOfficeArea, EstablishUnits, NewUnit, RegisterDwelling, RegisterOffice};
use event_schemas::event::{
    DwellingRegistered, EventBody, OfficeAreaChanged, OfficeRegistered, UnitEstablished,
};
use event_schemas::ids::UnitId;
use event_schemas::place::{Area, DomesticPlace, Place, UnitCode, UnitKind, UnitLevel};
use event_schemas::row::RowRef;
use event_schemas::time::Date;
use std::fmt::Display;

/// From this day on wards belong to provinces: Resolution 203/2025/QH15 ends the district level on 2025-07-01.
fn district_level_ends() -> Date {
    Date::new(2025, 7, 1).expect("the day exists")
}

/// Units by decree. A decree may name a day to come.
pub(super) fn establish_units(d: &mut Deciding<'_>, command: &EstablishUnits) {
    if !d.check_count(command.units.len(), MAX_UNITS, "command.establish_units.units") {
        return;
    }
    let mut established: Vec<(UnitCode, UnitId)> = Vec::with_capacity(command.units.len());
    for (number, new) in command.units.iter().enumerate() {
        let field = format_args!("command.establish_units.units[{number}]");
        let known = |code: UnitCode| established.iter().find(|(other, _)| *other == code).map(|(_, id)| *id);
        let taken =
            known(new.code).is_some() || d.registry.units().by_code(new.code, command.valid_from).is_some();
        if taken {
            d.fault(Code::UnitCodeTaken, format_args!("{field}.code"), &[&new.code]);
        }
        if level_of(new.kind) != new.code.level() {
            d.fault(Code::UnitKindWrong, format_args!("{field}.kind"), &[&new.code]);
        }
        let parent = new
            .parent
            .and_then(|code| known(code).or_else(|| d.registry.units().by_code(code, command.valid_from)));
        check_parent(d, new, parent, command.valid_from, format_args!("{field}.parent"));
        let unit = d.new_unit();
        established.push((new.code, unit));
        let (code, name, kind) = (new.code, new.name.clone(), new.kind);
        d.emit(
            command.valid_from,
            EventBody::UnitEstablished(UnitEstablished { unit, code, name, kind, parent }),
        );
    }
}

fn level_of(kind: UnitKind) -> UnitLevel {
    match kind {
        UnitKind::Province | UnitKind::Municipality => UnitLevel::Province,
        UnitKind::UrbanDistrict | UnitKind::RuralDistrict | UnitKind::Town | UnitKind::ProvincialCity => {
            UnitLevel::District
        }
        UnitKind::UrbanWard | UnitKind::Township | UnitKind::RuralCommune | UnitKind::SpecialZone => {
            UnitLevel::Ward
        }
    }
}

/// A province has no parent; a district has a province; a ward has a district or, since districts are gone, a province.
fn check_parent(
    d: &mut Deciding<'_>,
    new: &NewUnit,
    parent: Option<UnitId>,
    valid_from: Date,
    field: impl Display + Copy,
) {
    let level = new.code.level();
    let Some(stated) = new.parent else {
        if level != UnitLevel::Province {
            d.fault(Code::UnitParentMissing, field, &[&new.code]);
        }
        return;
    };
    let fits = match (level, stated.level()) {
        (UnitLevel::District, UnitLevel::Province) | (UnitLevel::Ward, UnitLevel::District) => true,
        (UnitLevel::Ward, UnitLevel::Province) => valid_from >= district_level_ends(),
        _ => false,
    };
    if !fits {
        d.fault(Code::UnitParentWrongLevel, field, &[&new.code, &stated]);
    } else if parent.is_none() {
        d.fault(Code::UnitParentMissing, field, &[&new.code]);
    }
}

pub(super) fn register_office(d: &mut Deciding<'_>, command: &RegisterOffice) {
    d.check_not_future(command.opened_on, "command.register_office.opened_on");
    let office = command.office;
    if office == OPERATOR || d.registry.office(office).is_some() {
        let field = "command.register_office.office";
        d.fault_with(Code::OfficeTaken, field, &[&office], RowRef::Office(office));
    }
    let field = "command.register_office.areas";
    if !d.check_count(command.areas.len(), MAX_AREAS, field) {
        return;
    }
    let areas = areas(d, &command.areas, command.opened_on, field);
    let (name, kind) = (command.name.clone(), command.kind);
    d.emit(command.opened_on, EventBody::OfficeRegistered(OfficeRegistered { office, name, kind, areas }));
}

pub(super) fn change_office_area(d: &mut Deciding<'_>, command: &ChangeOfficeArea) {
    d.check_not_future(command.effective_on, "command.change_office_area.effective_on");
    let office = command.office;
    match d.registry.office(office) {
        Some(row) => d.check_no_later(
            RowRef::Office(office),
            row.since.0,
            command.effective_on,
            "command.change_office_area.effective_on",
        ),
        None => d.fault(Code::UnknownOffice, "command.change_office_area.office", &[&office]),
    }
    let field = "command.change_office_area.areas";
    if command.areas.len() > MAX_AREAS {
        d.fault(Code::TooMany, field, &[&command.areas.len(), &MAX_AREAS]);
        return;
    }
    let areas = areas(d, &command.areas, command.effective_on, field);
    d.emit(command.effective_on, EventBody::OfficeAreaChanged(OfficeAreaChanged { office, areas }));
}

/// Areas with their units as they are on the day; unknown ones are faults.
fn areas(
    d: &mut Deciding<'_>,
    stated: &[Area<UnitCode>],
    on: Date,
    field: impl Display + Copy,
) -> Vec<Area<UnitId>> {
    let mut areas = Vec::with_capacity(stated.len());
    for (number, area) in stated.iter().enumerate() {
        let field = format_args!("{field}[{number}]");
        if stated[..number].contains(area) {
            d.fault(Code::NamedTwice, field, &[&shown(area)]);
        }
        match area {
            Area::Nation => areas.push(Area::Nation),
            Area::Country(country) => areas.push(Area::Country(*country)),
            Area::Unit(code) => areas.extend(d.unit(*code, on, field).map(Area::Unit)),
        }
    }
    areas
}

fn shown(area: &Area<UnitCode>) -> String {
    match area {
        Area::Nation => "VN".to_owned(),
        Area::Country(country) => country.to_string(),
        Area::Unit(code) => code.to_string(),
    }
}

pub(super) fn register_dwelling(d: &mut Deciding<'_>, command: &RegisterDwelling) {
    let on = command.effective_on;
    d.check_not_future(on, "command.register_dwelling.effective_on");
    let field = "command.register_dwelling.unit";
    let Some(place) = d.residence_place(&Place::in_unit(command.unit), on, field) else { return };
    let Place::Domestic(DomesticPlace { unit, .. }) = place else { return };
    let dwelling = d.new_dwelling();
    let (kind, address) = (command.kind, command.address.clone());
    d.emit(on, EventBody::DwellingRegistered(DwellingRegistered { dwelling, kind, unit, address }));
}
