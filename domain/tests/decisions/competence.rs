//! Offices that are not competent: given people of one commune, when an office of another submits, then it is told that it is
//! not competent, and nothing of the people.

use domain::testing::*;
use event_schemas::basis::BasisKind;
use event_schemas::card::{ApplicationReason, DocumentKind};
use event_schemas::command::person::HouseholdPlace;
use event_schemas::command::{
    AcceptPin, ApplicationDecision, ApplyForCard, BirthResidence, ChangeName, ChangeOfficeArea, Command,
    DecideCardApplication, EndTemporaryResidence, EnrolPerson, ExpectedVersion, HandOverCard, IssuePin,
    MergeHouseholds, MovePermanent, Parentage, PermanentMove, PersonInHousehold, ProduceCard, Succession,
};
use event_schemas::correction::{CorrectionDigest, Edit};
use event_schemas::document::{IdentityDocument, IdentityDocumentKind};
use event_schemas::event::{CorrectionProposed, EventBody, OperationOpened};
use event_schemas::examples::example;
use event_schemas::household::Relationship;
use event_schemas::ids::{
    CardId, DossierId, EventAddress, HouseholdId, OfficeId, OfficerId, OperationId, PersonId, Version,
};
use event_schemas::kin::{KinRef, ParentRole};
use event_schemas::operation::{IssuePins, OperationKind};
use event_schemas::outcome::{Created, Fault};
use event_schemas::person::PersonRef;
use event_schemas::pin::Pin;
use event_schemas::row::RowRef;

const HOLDERS_PIN: &str = "001090012345";
const HOLDERS_CMND: &str = "012345678";
/// One under way in Phúc Xá.
const OPERATION: OperationId = OperationId(1);
/// A correction proposed there.
const PROPOSAL: OperationId = OperationId(2);

/// A man of Phúc Xá who heads a household, stays in Trúc Bạch, and has a number, a card and an application under way; and his
/// sister, who is dead.
struct Neighbours {
    world: World,
    holder: PersonId,
    dead: PersonId,
    household: HouseholdId,
    card: CardId,
    dossier: DossierId,
    /// Where it stands that the man lives in Phúc Xá.
    moved_in: EventAddress,
}

fn neighbours() -> Neighbours {
    let mut world = World::new();
    let dead = world.person(woman("1950-01-01"));
    let holder = PersonId(dead.0 + 1);
    let Some(Command::EnrolPerson(mut enrolled)) = example("enrol_person").map(|example| example.command)
    else {
        panic!("an example")
    };
    enrolled.person.pin = None;
    enrolled.person.parents = Vec::new();
    enrolled.person.identity = world_identity(enrolled.person.identity);
    enrolled.person.data.documents = vec![cmnd()];
    enrolled.residence = None;
    enrolled.household = None;
    enrolled.effective_on = date("2021-07-15");
    world.given(Command::EnrolPerson(enrolled));
    let members = [(holder, Relationship::Head), (dead, Relationship::Sibling)];
    let household = world.household(PHUC_XA, "2021-08-01", &members);
    let pin = holders_pin();
    world.given(Command::AcceptPin(AcceptPin { person: id(holder), pin }));
    let applied = world.given(apply(id(holder), ApplicationReason::FirstIssue, "2021-09-01"));
    let dossier = Created::by(&applied.changes.events).dossiers[0];
    world.given(approve(dossier, "2021-09-02"));
    let produced = world.given(produce(dossier, "2021-09-03"));
    let card = Created::by(&produced.changes.events).cards[0];
    world.given(hand_over(card, "2021-09-04"));
    let applied = world.given(apply(id(holder), ApplicationReason::OnRequest, "2022-02-01"));
    let dossier = Created::by(&applied.changes.events).dossiers[0];
    world.stay(holder, TRUC_BACH, "2022-01-01", "2022-12-31", None);
    world.given(death(id(dead), "2022-03-01"));
    world.given(Command::ChangeOfficeArea(ChangeOfficeArea {
        office: COURT,
        areas: Vec::new(),
        effective_on: date("2022-03-01"),
    }));
    let opened = OperationOpened {
        operation: OPERATION,
        kind: OperationKind::IssuePins(IssuePins { unit: Some(unit(PHUC_XA)) }),
        purpose: text("numbers for everybody"),
        office: PHUC_XA_OFFICE,
        officer: OfficerId(9),
        up_to: holder,
        lapses_on: date("2022-04-01"),
    };
    world.given_events(TODAY, [EventBody::OperationOpened(opened)]);
    let moved_in = world.address_of(|body| {
        matches!(body, EventBody::PermanentResidenceRegistered(registered) if registered.person == holder)
    });
    world.given_events(TODAY, proposed(moved_in));
    Neighbours { world, holder, dead, household, card, dossier, moved_in }
}

fn proposed(event: EventAddress) -> [EventBody; 2] {
    let reason = text("found wrong in the register");
    let opened = OperationOpened {
        operation: PROPOSAL,
        kind: OperationKind::Correction,
        purpose: reason,
        office: PHUC_XA_OFFICE,
        officer: OfficerId(9),
        up_to: PersonId::NONE,
        lapses_on: date("2022-04-01"),
    };
    let proposed = CorrectionProposed {
        operation: PROPOSAL,
        edits: vec![Edit::Annul { event }],
        reason: text("found wrong in the register"),
        digest: CorrectionDigest(1),
    };
    [EventBody::OperationOpened(opened), EventBody::CorrectionProposed(proposed)]
}

fn world_identity<U>(identity: event_schemas::person::Identity<U>) -> event_schemas::person::Identity<U> {
    let sex = event_schemas::person::Sex::Male;
    event_schemas::person::Identity { sex, birth: partial("1990-05-05"), birth_place: None, ..identity }
}

fn cmnd() -> IdentityDocument {
    IdentityDocument {
        kind: IdentityDocumentKind::Cmnd,
        number: text(HOLDERS_CMND),
        country: None,
        issued_by: None,
        issued_on: None,
        expires_on: None,
    }
}

fn holders_pin() -> Pin {
    HOLDERS_PIN.parse().expect("a number of the laboratory")
}

fn by_pin() -> PersonRef {
    PersonRef::Pin(holders_pin())
}

fn apply(person: PersonRef, reason: ApplicationReason, on: &str) -> Command {
    let (document, received_at) = (DocumentKind::Cccd2021, code(PHUC_XA));
    let received_on = date(on);
    Command::ApplyForCard(ApplyForCard {
        person,
        document,
        reason,
        representative: None,
        received_at,
        received_on,
    })
}

fn approve(dossier: DossierId, on: &str) -> Command {
    let decision = ApplicationDecision::Approve;
    Command::DecideCardApplication(DecideCardApplication { dossier, decision, decided_on: date(on) })
}

fn produce(dossier: DossierId, on: &str) -> Command {
    Command::ProduceCard(ProduceCard { dossier, serial: text("CHIP-1"), issued_on: date(on) })
}

fn hand_over(card: CardId, on: &str) -> Command {
    Command::HandOverCard(HandOverCard { card, handed_over_on: date(on) })
}

fn change_name(person: PersonRef) -> Command {
    let Some(Command::ChangeName(named)) = example("change_name").map(|example| example.command) else {
        panic!("an example")
    };
    Command::ChangeName(ChangeName { person, effective_on: date(TODAY), ..named })
}

fn death(person: PersonRef, died: &str) -> Command {
    let Some(Command::Death(stated)) = example("death").map(|example| example.command) else {
        panic!("an example")
    };
    Command::Death(event_schemas::command::Death {
        person,
        died: partial(died),
        place: None,
        registered_at: code(PHUC_XA),
        legacy_entry: None,
        succession: None,
        ..stated
    })
}

/// The example of every command, so changed that it meddles with the neighbours' affairs in Phúc Xá.
fn meddling(kind: &str, to: &Neighbours) -> Command {
    let mut command = example(kind).expect("an example of every command").command;
    let home = place(PHUC_XA);
    let member = |person| PersonInHousehold { person, relationship: Relationship::NotKin };
    let both = || vec![member(by_pin()), member(id(to.dead))];
    let heir = || Succession { household: to.household, head: id(to.dead), relationships: both() };
    match &mut command {
        Command::EstablishUnits(_) | Command::RegisterOffice(_) | Command::ChangeOfficeArea(_) => {}
        Command::RegisterDwelling(c) => c.unit = code(PHUC_XA),
        Command::EnrolPerson(c) => {
            c.residence = None;
            c.household = Some(HouseholdPlace { household: to.household, relationship: Relationship::Head });
            c.person.pin = Some(holders_pin());
            c.person.data.documents = vec![cmnd()];
        }
        Command::EnrolHousehold(c) => c.place = home,
        Command::Birth(c) => c.registered_at = code(PHUC_XA),
        Command::Death(c) => (c.person, c.registered_at) = (id(to.dead), code(PHUC_XA)),
        Command::RegisterMarriage(c) => {
            c.partners = [KinRef::Registered(by_pin()), KinRef::Registered(id(to.dead))];
        }
        Command::RegisterDivorce(c) => (c.person, c.spouse) = (by_pin(), Some(id(to.dead))),
        Command::ChangeName(c) => c.person = by_pin(),
        Command::ClearDefect(c) => c.row = RowRef::Person(to.holder),
        Command::MovePermanent(c) => {
            c.movement = PermanentMove::IntoHousehold { household: to.household, persons: both() };
        }
        Command::RegisterTemporaryResidence(c) => (c.person, c.place) = (by_pin(), home),
        Command::EndTemporaryResidence(c) => c.person = by_pin(),
        Command::FormHousehold(c) => (c.members, c.place) = (both(), home),
        Command::JoinHousehold(c) => (c.person, c.household) = (by_pin(), to.household),
        Command::LeaveHousehold(c) => (c.person, c.succession) = (by_pin(), Some(heir())),
        Command::SplitHousehold(c) => (c.household, c.leaving) = (to.household, both()),
        Command::MergeHouseholds(c) => (c.from, c.into) = (to.household, to.household),
        Command::AppointHead(c) => c.succession = heir(),
        Command::ChangeRelationship(c) => (c.person, c.household) = (by_pin(), to.household),
        Command::IssuePin(c) => c.person = by_pin(),
        Command::AcceptPin(c) => c.person = PersonRef::Cmnd(text(HOLDERS_CMND)),
        Command::ApplyForCard(c) => (c.person, c.received_at) = (by_pin(), code(PHUC_XA)),
        Command::DecideCardApplication(c) => c.dossier = to.dossier,
        Command::ProduceCard(c) => c.dossier = to.dossier,
        Command::HandOverCard(c) => c.card = to.card,
        Command::ReportCardLost(c) => c.card = to.card,
        Command::ReplaceCard(c) => (c.card, c.received_at) = (to.card, code(PHUC_XA)),
        Command::WithdrawCard(c) => c.card = to.card,
        Command::HoldCard(c) => c.card = to.card,
        Command::ReturnCard(c) => c.card = to.card,
        Command::ReportCardFound(c) => c.card = to.card,
        Command::ReportCardDamaged(c) => c.card = to.card,
        Command::CancelPin(c) => c.person = by_pin(),
        Command::ReestablishPin(c) => c.person = by_pin(),
        Command::RecordPinNotices(c) => c.persons = vec![by_pin()],
        Command::Correct(c) => c.edits = vec![Edit::Annul { event: to.moved_in }],
        Command::ProposeCorrection(c) => c.correction.edits = vec![Edit::Annul { event: to.moved_in }],
        Command::ApproveCorrection(c) => c.operation = PROPOSAL,
        Command::StageCorrections(c) => c.operation = OPERATION,
        Command::OpenOperation(c) => {
            c.kind = OperationKind::IssuePins(IssuePins { unit: Some(code(PHUC_XA)) });
        }
        Command::StageOperation(c) => c.operation = OPERATION,
        Command::ApproveOperation(c) => c.operation = OPERATION,
        Command::CommitOperation(c) => c.operation = OPERATION,
        Command::AbandonOperation(c) => c.operation = OPERATION,
    }
    command
}

/// The only fault of a command that also has a wrong version, an unknown rule and no basis to override.
#[track_caller]
fn only_fault(world: &mut World, office: OfficeId, command: Command, of: &Neighbours, kind: &str) -> Fault {
    let mut envelope = world.envelope(command);
    envelope.basis.kind = BasisKind::Declaration;
    envelope.overrides = vec![text("no_such_rule")];
    envelope.expected_versions =
        vec![ExpectedVersion { row: RowRef::Person(of.holder), version: Version(404) }];
    envelope.dry_run = true;
    let domain::Decision::Refused(mut faults) = world.submit(office, envelope) else {
        panic!("{kind} is accepted")
    };
    assert_eq!(faults.len(), 1, "{kind} by {office}: {faults:#?}");
    faults.remove(0)
}

fn kinds() -> impl Iterator<Item = &'static str> {
    Command::KINDS.iter().map(|(_, kind)| *kind)
}

#[test]
fn an_office_of_elsewhere_is_told_only_that_it_is_not_competent_whatever_it_sends() {
    let neighbours = neighbours();
    // A loss and a find may be reported to any office, and facilities that keep cards lie anywhere.
    let for_all = ["report_card_lost", "report_card_found", "hold_card", "return_card"];
    for kind in kinds().filter(|kind| !for_all.contains(kind)) {
        let command = meddling(kind, &neighbours);
        let names_the_unit = format!("{command:?}").contains(&format!("{:?}", code(PHUC_XA)));
        let mut world = neighbours.world.clone();
        let fault = only_fault(&mut world, HAI_PHONG_OFFICE, command, &neighbours, kind);
        let operator_only =
            ["establish_units", "register_office", "change_office_area", "cancel_pin", "reestablish_pin"];
        let administers = operator_only.contains(&kind);
        let code = if administers { "operator_only" } else { "not_competent" };
        assert_eq!(fault.code, code, "{kind}");
        assert!(fault.rows.is_empty() && fault.events.is_empty(), "{kind}: {:?}", fault.rows);
        let told = format!("{} {}", fault.en, fault.vi);
        assert!(!told.contains("Trúc Bạch"), "{kind} tells where somebody stays: {told}");
        let tells_home = told.contains("Phúc Xá") || told.contains(PHUC_XA);
        assert!(names_the_unit || !tells_home, "{kind} tells where somebody lives: {told}");
    }
}

#[test]
fn an_unknown_or_closed_office_is_told_only_that_whatever_it_sends() {
    let neighbours = neighbours();
    for kind in kinds() {
        for (office, code) in [(OfficeId(99), "unknown_office"), (COURT, "not_competent")] {
            let mut world = neighbours.world.clone();
            let fault = only_fault(&mut world, office, meddling(kind, &neighbours), &neighbours, kind);
            assert_eq!((fault.code.as_str(), fault.field.as_deref()), (code, Some("office")), "{kind}");
            assert!(fault.rows.is_empty(), "{kind}: {:?}", fault.rows);
        }
    }
}

#[test]
fn a_competent_office_is_told_every_fault_with_its_rows() {
    let neighbours = neighbours();
    let mut world = neighbours.world.clone();
    let mut envelope =
        world.envelope(Command::IssuePin(IssuePin { person: by_pin(), birth_registered_at: None }));
    let row = RowRef::Person(neighbours.holder);
    envelope.expected_versions = vec![ExpectedVersion { row, version: Version(404) }];
    let faults = world.when_envelope(PHUC_XA_OFFICE, envelope).then_refused(&["version_conflict", "has_pin"]);
    assert!(faults.iter().all(|fault| fault.rows == [row]), "{faults:#?}");
}

#[test]
fn an_office_reads_of_no_person_by_a_reference_that_it_did_not_send() {
    let Neighbours { mut world, .. } = neighbours();
    let faults = world.when_by(HAI_PHONG_OFFICE, change_name(by_pin())).then_refused(&["not_competent"]);
    assert_eq!(faults[0].en, "Office O3 is not competent for PIN 001090012345.");
    let by_cmnd = PersonRef::Cmnd(text(HOLDERS_CMND));
    let faults = world.when_by(HAI_PHONG_OFFICE, change_name(by_cmnd)).then_refused(&["not_competent"]);
    assert_eq!(faults[0].en, "Office O3 is not competent for CMND 012345678.");
}

#[test]
fn a_reference_that_finds_nobody_is_told_to_every_open_office_and_alone() {
    let neighbours = neighbours();
    let mut world = neighbours.world.clone();
    let nobody = change_name(PersonRef::Pin("001090999999".parse().unwrap()));
    let fault = only_fault(&mut world, HAI_PHONG_OFFICE, nobody.clone(), &neighbours, "change_name");
    assert_eq!(fault.code, "unknown_person");
    let envelope = world.envelope(nobody);
    world.when_envelope(OfficeId(99), envelope).then_refused(&["unknown_office"]);
    let fault =
        only_fault(&mut world, HAI_PHONG_OFFICE, approve(DossierId(404), TODAY), &neighbours, "approve");
    assert_eq!(fault.code, "unknown_dossier");
    let fault =
        only_fault(&mut world, HAI_PHONG_OFFICE, hand_over(CardId(404), TODAY), &neighbours, "hand over");
    assert_eq!(fault.code, "unknown_card");
    let mut joining = meddling("join_household", &neighbours);
    let Command::JoinHousehold(join) = &mut joining else { panic!("of its kind") };
    join.household = HouseholdId(404);
    let fault = only_fault(&mut world, HAI_PHONG_OFFICE, joining, &neighbours, "join_household");
    assert_eq!(fault.code, "unknown_household");
}

#[test]
fn a_place_that_is_unknown_or_abroad_tells_nothing_of_the_people_named_with_it() {
    let neighbours = neighbours();
    let mut world = neighbours.world.clone();
    let abroad = event_schemas::place::Place::Abroad(event_schemas::place::ForeignPlace {
        country: "FR".parse().unwrap(),
        address: None,
    });
    for (somewhere, code) in [(place("99999"), "unknown_unit"), (abroad, "unit_not_for_residence")] {
        let mut forming = meddling("form_household", &neighbours);
        let Command::FormHousehold(form) = &mut forming else { panic!("of its kind") };
        form.place = somewhere;
        let fault = only_fault(&mut world, PHUC_XA_OFFICE, forming, &neighbours, "form_household");
        assert_eq!(fault.code, code);
    }
}

#[test]
fn a_death_is_told_where_the_dead_lived_last_and_nowhere_else() {
    let Neighbours { mut world, dead, .. } = neighbours();
    world.when_by(HAI_PHONG_OFFICE, change_name(id(dead))).then_refused(&["not_competent"]);
    let faults = world.when_by(PHUC_XA_OFFICE, change_name(id(dead))).then_refused(&["person_dead"]);
    assert_eq!(faults[0].en, format!("{dead} is registered as dead."), "without the day");
    world.history.broken = true;
    let faults =
        world.when_by(HAI_PHONG_OFFICE, change_name(id(dead))).then_refused(&["history_unavailable"]);
    assert!(faults[0].rows.is_empty());
    world.when_by(NATIONAL_OFFICE, change_name(id(dead))).then_refused(&["person_dead"]);
}

#[test]
fn whether_somebody_stays_for_a_time_is_told_only_where_he_stays_or_lives() {
    let Neighbours { mut world, holder, .. } = neighbours();
    let end = |on| {
        Command::EndTemporaryResidence(EndTemporaryResidence { person: by_pin(), effective_on: date(on) })
    };
    world.when_by(HAI_PHONG_OFFICE, end(TODAY)).then_refused(&["not_competent"]);
    world.when_by(PHUC_XA_OFFICE, end(TODAY)).then_refused(&["not_competent"]);
    world.given_by(TRUC_BACH_OFFICE, end("2022-03-10"));
    assert_eq!(world.registry.temporary(holder).unwrap().unit, 0);
    world.when_by(HAI_PHONG_OFFICE, end(TODAY)).then_refused(&["not_competent"]);
    world.when_by(TRUC_BACH_OFFICE, end(TODAY)).then_refused(&["not_competent"]);
    world.when_by(PHUC_XA_OFFICE, end(TODAY)).then_refused(&["no_temporary_residence"]);
}

#[test]
fn a_birth_into_a_household_of_elsewhere_does_not_tell_where_that_is() {
    let Neighbours { mut world, household, .. } = neighbours();
    let Some(Command::Birth(mut birth)) = example("birth").map(|example| example.command) else {
        panic!("an example")
    };
    birth.registered_at = code(QUAN_TOAN);
    birth.child.birth = partial("2022-03-01");
    let Parentage::Parents(parents) = &mut birth.parentage else { panic!("with parents") };
    parents.retain(|link| link.role == ParentRole::Mother);
    parents[0].role = ParentRole::Father;
    parents[0].parent = KinRef::Registered(by_pin());
    birth.residence = BirthResidence::Father(Relationship::Child);
    for residence in [
        BirthResidence::Father(Relationship::Child),
        BirthResidence::Facility(household),
        BirthResidence::Guardian(PersonInHousehold {
            person: by_pin(),
            relationship: Relationship::Grandchild,
        }),
    ] {
        birth.residence = residence;
        let faults =
            world.when_by(HAI_PHONG_OFFICE, Command::Birth(birth.clone())).then_refused(&["not_competent"]);
        assert_eq!(faults.len(), 1);
        assert!(!faults[0].en.contains(PHUC_XA) && faults[0].rows.is_empty(), "{}", faults[0].en);
    }
    birth.registered_at = code(PHUC_XA);
    world.when_by(PHUC_XA_OFFICE, Command::Birth(birth)).accepted();
}

/// The whole of a refusal as an office reads it.
fn read(faults: &[Fault]) -> String {
    faults.iter().map(|fault| format!("{} {} {:?}\n", fault.vi, fault.en, fault.rows)).collect()
}

#[test]
fn a_refusal_tells_no_pin_that_the_office_did_not_send() {
    let Neighbours { mut world, holder, .. } = neighbours();
    let issue = Command::IssuePin(IssuePin { person: id(holder), birth_registered_at: None });
    let faults = world.when_by(PHUC_XA_OFFICE, issue).then_refused(&["has_pin"]);
    assert_eq!(faults[0].en, format!("{holder} has a PIN already."));
    let pin = "001090000002".parse().unwrap();
    let accept = Command::AcceptPin(AcceptPin { person: PersonRef::Cmnd(text(HOLDERS_CMND)), pin });
    let faults = world.when_by(PHUC_XA_OFFICE, accept).then_refused(&["has_pin"]);
    assert_eq!(faults[0].en, "CMND 012345678 has a PIN already.");
    assert!(!read(&faults).contains(HOLDERS_PIN));
}

#[test]
fn a_number_that_is_taken_does_not_tell_whose_it_is() {
    let neighbours = neighbours();
    let mut world = neighbours.world.clone();
    let Command::EnrolPerson(stated) = meddling("enrol_person", &neighbours) else { panic!("of its kind") };
    let mut enrol = EnrolPerson {
        residence: Some(place(QUAN_TOAN)),
        household: None,
        effective_on: date("2022-03-01"),
        ..stated
    };
    enrol.person.parents = Vec::new();
    let enrol = Command::EnrolPerson(enrol);
    let faults = world.when_by(HAI_PHONG_OFFICE, enrol).then_refused(&["pin_taken", "cmnd_taken"]);
    let told = read(&faults);
    assert!(!told.contains(&neighbours.holder.to_string()), "{told}");
    assert!(told.contains("The CMND 012345678 belongs to another person."), "{told}");
    assert!(told.contains("The PIN 001090012345 belongs to another person."), "{told}");
}

#[test]
fn a_serial_that_is_in_use_does_not_tell_whose_card_has_it() {
    let Neighbours { mut world, dossier, card, .. } = neighbours();
    world.given(approve(dossier, "2022-03-02"));
    let faults = world.when(produce(dossier, "2022-03-03")).then_refused(&["serial_taken"]);
    assert!(faults[0].rows.is_empty() && !read(&faults).contains(&card.to_string()));
}

#[test]
fn a_date_before_the_birth_does_not_tell_the_birth() {
    let Neighbours { mut world, household, .. } = neighbours();
    let join = Command::JoinHousehold(event_schemas::command::JoinHousehold {
        household,
        person: by_pin(),
        relationship: Relationship::NotKin,
        effective_on: date("1900-01-01"),
    });
    let faults =
        world.when_by(PHUC_XA_OFFICE, join).then_refused(&["date_before_birth", "later_facts_exist"]);
    assert!(!read(&faults).contains("1990"), "{}", read(&faults));
    let faults = world.when_by(PHUC_XA_OFFICE, death(by_pin(), "1900")).then_refused(&["death_before_birth"]);
    assert!(!read(&faults).contains("1990"), "{}", read(&faults));
}

#[test]
fn who_belongs_to_a_household_of_elsewhere_is_not_told_to_whom_it_joins_or_moves() {
    let Neighbours { mut world, holder, household, .. } = neighbours();
    let sister = world.person(woman("1992-01-01"));
    let brother = world.person(man("1993-01-01"));
    let into = world.household(QUAN_TOAN, "2021-08-01", &[(sister, Relationship::Head)]);
    let merge = Command::MergeHouseholds(MergeHouseholds {
        from: household,
        into,
        relationships: vec![PersonInHousehold { person: id(brother), relationship: Relationship::NotKin }],
        effective_on: date(TODAY),
    });
    let missing = |faults: Vec<Fault>| {
        faults.into_iter().find(|fault| fault.code == "relationship_missing").expect("somebody is missing")
    };
    let codes = ["relationship_missing", "not_a_member"];
    let fault = missing(world.when_by(HAI_PHONG_OFFICE, merge.clone()).then_refused(&codes));
    assert_eq!(fault.rows, [RowRef::Household(household)]);
    let fault = missing(world.when_by(NATIONAL_OFFICE, merge).then_refused(&codes));
    assert_eq!(fault.rows, [RowRef::Person(holder)]);
    let moves = Command::MovePermanent(MovePermanent {
        effective_on: date("2021-07-31"),
        movement: PermanentMove::WholeHousehold { household, to: place(QUAN_TOAN) },
        successions: Vec::new(),
    });
    let faults = world.when_by(HAI_PHONG_OFFICE, moves).then_refused(&["later_facts_exist"]);
    assert_eq!((faults.len(), faults[0].rows.as_slice()), (1, &[RowRef::Household(household)][..]));
}
