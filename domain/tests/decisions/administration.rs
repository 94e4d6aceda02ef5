//! Units, offices, dwellings: given, when, then.

use domain::rules::IN_FORCE;
use domain::testing::*;
use domain::{Context, Decision, Registry, decide};
use event_schemas::command::administration::{MAX_AREAS, MAX_UNITS};
use event_schemas::command::{
    ChangeOfficeArea, Command, EstablishUnits, IssuePin, NewUnit, RegisterDwelling, RegisterOffice,
};
use event_schemas::ids::{Lsn, OfficeId, OfficerId};
use event_schemas::place::{Area, DwellingKind, OfficeKind, UnitCode, UnitKind};
use event_schemas::time::Timestamp;
use expect_test::expect;

fn new_unit(unit_code: &str, kind: UnitKind, parent: Option<&str>) -> NewUnit {
    NewUnit { code: code(unit_code), name: text("Đơn vị"), kind, parent: parent.map(code) }
}

fn establish(valid_from: &str, units: Vec<NewUnit>) -> Command {
    Command::EstablishUnits(EstablishUnits { valid_from: date(valid_from), units })
}

fn office(office: OfficeId, areas: Vec<Area<UnitCode>>) -> Command {
    Command::RegisterOffice(RegisterOffice {
        office,
        name: text("Công an phường"),
        kind: OfficeKind::Commune,
        areas,
        opened_on: date("2022-03-01"),
    })
}

fn change_area(office: OfficeId, areas: Vec<Area<UnitCode>>, on: &str) -> Command {
    Command::ChangeOfficeArea(ChangeOfficeArea { office, areas, effective_on: date(on) })
}

fn dwelling(unit: &str, on: &str) -> Command {
    Command::RegisterDwelling(RegisterDwelling {
        kind: DwellingKind::House,
        unit: code(unit),
        address: text("Số 12 ngõ 5"),
        effective_on: date(on),
    })
}

#[test]
fn a_province_comes_with_everything_below_it_in_one_command() {
    let units = vec![
        new_unit("01", UnitKind::Municipality, None),
        new_unit("001", UnitKind::UrbanDistrict, Some("01")),
        new_unit("00001", UnitKind::UrbanWard, Some("001")),
    ];
    let then = World::empty().when(establish("2004-07-08", units));
    expect![[r#"
        2004-07-08 UnitEstablished { unit: U1, code: 01, name: "Đơn vị", kind: Municipality, parent: None }
        2004-07-08 UnitEstablished { unit: U2, code: 001, name: "Đơn vị", kind: UrbanDistrict, parent: Some(U1) }
        2004-07-08 UnitEstablished { unit: U3, code: 00001, name: "Đơn vị", kind: UrbanWard, parent: Some(U2) }"#]]
    .assert_eq(&then.told());
}

#[test]
fn a_decree_may_name_a_day_to_come_and_wards_then_belong_to_provinces() {
    let mut world = World::new();
    let ward = || vec![new_unit("11298", UnitKind::SpecialZone, Some(HAI_PHONG))];
    world.when(establish("2025-06-30", ward())).then_refused(&["unit_parent_wrong_level"]);
    world.given(establish("2025-07-01", ward()));
    assert_eq!(world.registry.units().by_code(code("11298"), date("2025-06-30")), None);
    assert!(world.registry.units().by_code(code("11298"), date("2025-07-01")).is_some());
}

#[test]
fn every_fault_of_a_decree_is_named_at_once() {
    let units = vec![
        new_unit("02", UnitKind::Province, Some("01")),
        new_unit("00001", UnitKind::UrbanWard, Some("001")),
        new_unit("00002", UnitKind::UrbanWard, None),
        new_unit("00003", UnitKind::UrbanWard, Some("777")),
        new_unit("002", UnitKind::UrbanWard, Some("01")),
        new_unit("00009", UnitKind::UrbanWard, Some("009")),
        new_unit("009", UnitKind::UrbanDistrict, Some("01")),
        new_unit("009", UnitKind::UrbanDistrict, Some("01")),
    ];
    let faults = World::new().when(establish("2022-01-01", units)).then_refused(&[
        "unit_parent_wrong_level",
        "unit_code_taken",
        "unit_parent_missing",
        "unit_kind_wrong",
    ]);
    let told: Vec<String> =
        faults.iter().map(|f| format!("{} {}", f.code, f.field.as_deref().unwrap())).collect();
    expect![[r#"
        unit_parent_wrong_level command.establish_units.units[0].parent
        unit_code_taken command.establish_units.units[1].code
        unit_parent_missing command.establish_units.units[2].parent
        unit_parent_missing command.establish_units.units[3].parent
        unit_kind_wrong command.establish_units.units[4].kind
        unit_parent_missing command.establish_units.units[5].parent
        unit_code_taken command.establish_units.units[7].code"#]]
    .assert_eq(&told.join("\n"));
}

#[test]
fn only_the_registrys_authority_establishes_units_and_offices() {
    let mut world = World::new();
    let units = vec![new_unit("02", UnitKind::Province, None)];
    world.when_by(PHUC_XA_OFFICE, establish("2022-01-01", units.clone())).then_refused(&["operator_only"]);
    world.when_by(NATIONAL_OFFICE, establish("2022-01-01", units)).accepted();
    let area = vec![Area::Nation];
    world.when_by(COURT, office(OfficeId(9), area.clone())).then_refused(&["operator_only"]);
    world.when_by(COURT, change_area(COURT, area, "2022-03-01")).then_refused(&["operator_only"]);
}

#[test]
fn decrees_are_bounded() {
    let mut world = World::new();
    world.when(establish("2022-01-01", Vec::new())).then_refused(&["empty_list"]);
    let many = vec![new_unit("02", UnitKind::Province, None); MAX_UNITS + 1];
    world.when(establish("2022-01-01", many)).then_refused(&["too_many"]);
}

#[test]
fn an_office_is_registered_with_its_areas_and_may_act_at_once() {
    let mut world = World::new();
    let new = OfficeId(9);
    world.when_by(new, dwelling(PHUC_XA, "2022-03-01")).then_refused(&["unknown_office"]);
    let areas = vec![Area::Unit(code(PHUC_XA)), Area::Country("FR".parse().unwrap())];
    let accepted = world.given(office(new, areas));
    assert_eq!(accepted.changes.events.len(), 1);
    world.when_by(new, dwelling(PHUC_XA, "2022-03-01")).accepted();
    world.when_by(new, dwelling(TRUC_BACH, "2022-03-01")).then_refused(&["not_competent"]);
}

#[test]
fn an_office_is_refused_with_its_reasons() {
    let mut world = World::new();
    let nation = || vec![Area::Nation];
    world.when(office(OfficeId(0), nation())).then_refused(&["office_taken"]);
    world.when(office(PHUC_XA_OFFICE, nation())).then_refused(&["office_taken"]);
    world.when(office(OfficeId(9), Vec::new())).then_refused(&["empty_list"]);
    world.when(office(OfficeId(9), vec![Area::Nation; MAX_AREAS + 1])).then_refused(&["too_many"]);
    let areas = vec![Area::Unit(code("00002")), Area::Nation, Area::Nation];
    let faults = world.when(office(OfficeId(9), areas)).then_refused(&["unknown_unit", "named_twice"]);
    assert!(faults[0].en.contains("00001 Phường Phúc Xá"), "near codes are named: {}", faults[0].en);
    let mut late = match office(OfficeId(9), nation()) {
        Command::RegisterOffice(late) => late,
        other => panic!("{other:?}"),
    };
    late.opened_on = date("2022-03-16");
    world.when(Command::RegisterOffice(late)).then_refused(&["date_in_future"]);
}

#[test]
fn an_office_gets_other_areas_and_closes_without_any() {
    let mut world = World::new();
    world.given(change_area(PHUC_XA_OFFICE, vec![Area::Unit(code(TRUC_BACH))], "2022-03-01"));
    world.when_by(PHUC_XA_OFFICE, dwelling(TRUC_BACH, "2022-03-02")).accepted();
    world.when_by(PHUC_XA_OFFICE, dwelling(PHUC_XA, "2022-03-02")).then_refused(&["not_competent"]);
    world.when(change_area(PHUC_XA_OFFICE, Vec::new(), "2022-02-28")).then_refused(&["later_facts_exist"]);
    world.given(change_area(PHUC_XA_OFFICE, Vec::new(), "2022-03-02"));
    world.when_by(PHUC_XA_OFFICE, dwelling(TRUC_BACH, "2022-03-02")).then_refused(&["not_competent"]);
    world.when(change_area(OfficeId(99), Vec::new(), "2022-03-02")).then_refused(&["unknown_office"]);
    world
        .when(change_area(COURT, vec![Area::Nation; MAX_AREAS + 1], "2022-03-16"))
        .then_refused(&["too_many", "date_in_future"]);
}

#[test]
fn dwellings_stand_in_wards_and_in_districts_without_wards() {
    let mut world = World::new();
    world.when(dwelling(BACH_LONG_VI, TODAY)).accepted();
    let world = &mut world.when(dwelling(PHUC_XA, TODAY)).world;
    assert_eq!(world.registry.head().dwellings.0, 1);
    world.when(dwelling(BA_DINH, TODAY)).then_refused(&["unit_not_for_residence"]);
    world.when(dwelling("99999", "2022-03-16")).then_refused(&["unknown_unit", "date_in_future"]);
}

#[test]
fn a_closed_office_acts_no_more_not_even_for_people_who_live_nowhere() {
    let mut world = World::new();
    let person = world.person(man("1980-01-01"));
    let issue = || Command::IssuePin(IssuePin { person: id(person), birth_registered_at: None });
    let Some(envelope) = event_schemas::examples::example("enrol_person") else { panic!("an example") };
    let Command::EnrolPerson(example) = envelope.command else { panic!("of its kind") };
    let enrol = || {
        let mut command = example.clone();
        (command.residence, command.household) = (None, None);
        (command.person.pin, command.person.parents) = (None, Vec::new());
        command.effective_on = date("2022-03-01");
        Command::EnrolPerson(command)
    };
    world.when_by(PHUC_XA_OFFICE, issue()).accepted();
    world.when_by(PHUC_XA_OFFICE, enrol()).accepted();
    world.given(change_area(PHUC_XA_OFFICE, Vec::new(), "2022-03-01"));
    world.when_by(PHUC_XA_OFFICE, issue()).then_refused(&["not_competent"]);
    let faults = world.when_by(PHUC_XA_OFFICE, enrol()).then_refused(&["not_competent"]);
    assert_eq!(faults[0].en, "Office O1 is not competent for VN.");
    let faults = world.when_by(PHUC_XA_OFFICE, dwelling(PHUC_XA, TODAY)).then_refused(&["not_competent"]);
    assert_eq!(faults.len(), 1, "said once for the whole command");
    world.when(enrol()).accepted();
}

#[test]
fn nothing_is_decided_before_a_day_is_opened() {
    let mut world = World::new();
    let envelope = world.envelope(dwelling(PHUC_XA, TODAY));
    let context = Context {
        lsn: Lsn(1),
        recorded_at: Timestamp(0),
        rules: &IN_FORCE,
        office: OfficeId(0),
        officer: OfficerId(1),
        pins: &world.pins,
        timelines: &world.history,
    };
    let Decision::Refused(faults) = decide(&Registry::new(), &envelope, &context) else {
        panic!("no day is open")
    };
    let codes: Vec<&str> = faults.iter().map(|fault| fault.code.as_str()).collect();
    assert_eq!(codes, ["day_not_opened"]);
}
