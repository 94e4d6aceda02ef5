//! Deaths that are vague, late, or registered after what happened since: given, when, then.

use domain::testing::*;
use event_schemas::card::{ApplicationReason, DocumentKind};
use event_schemas::command::{
    ApplicationDecision, ApplyForCard, Birth, BirthResidence, Command, Death, DecideCardApplication,
    EndTemporaryResidence, HandOverCard, IssuePin, MovePermanent, Newborn, Parentage, PermanentMove,
    ProduceCard,
};
use event_schemas::event::{EventBody, MemberJoined, PermanentResidenceRegistered};
use event_schemas::household::{Membership, Relationship};
use event_schemas::ids::{CardId, DossierId, HouseholdId, PersonId};
use event_schemas::kin::{KinRef, ParentKind, ParentLink, ParentRole, Period};
use event_schemas::person::{Names, Nationality, Sex};
use event_schemas::place::Place;
use event_schemas::row::{Aspect, RowRef, StreamRef};
use event_schemas::time::PartialDate;
use expect_test::expect;

fn death(person: PersonId, died: &str) -> Command {
    Command::Death(Death {
        person: id(person),
        died: partial(died),
        time: None,
        place: None,
        cause: None,
        registered_at: code(PHUC_XA),
        legacy_entry: None,
        succession: None,
    })
}

/// A couple in Phúc Xá since 2022-02-01.
fn couple(world: &mut World) -> (PersonId, PersonId, HouseholdId) {
    let (husband, wife) = (world.person(man("1980-01-01")), world.person(woman("1982-01-01")));
    let members = [(husband, Relationship::Head), (wife, Relationship::Spouse)];
    (husband, wife, world.household(PHUC_XA, "2022-02-01", &members))
}

/// A widow in Trúc Bạch since 2021-08-01, and a guest whom she has from 2022-01-01 to 2022-12-31.
fn hostess_and_guest(world: &mut World) -> (PersonId, PersonId, HouseholdId) {
    let (widow, guest) = (world.person(woman("1950-01-01")), world.person(man("1990-01-01")));
    let host = world.household(TRUC_BACH, "2021-08-01", &[(widow, Relationship::Head)]);
    world.stay(guest, TRUC_BACH, "2022-01-01", "2022-12-31", Some(host));
    (widow, guest, host)
}

fn joins(world: &mut World, household: HouseholdId, on: &str) -> PersonId {
    let person = world.person(woman("1960-01-01"));
    let unit = world.registry.household(household).expect("the household is there").unit;
    let place = Place::in_unit(event_schemas::ids::UnitId(unit));
    let (membership, relationship) = (Membership::Permanent, Relationship::OtherKin);
    world.given_events(
        on,
        [
            EventBody::MemberJoined(MemberJoined { household, person, membership, relationship }),
            EventBody::PermanentResidenceRegistered(PermanentResidenceRegistered { person, place }),
        ],
    );
    person
}

fn died_on(world: &World, person: PersonId) -> Option<PartialDate> {
    PartialDate::from_packed(world.registry.person(person).expect("the person is there").died)
}

// Vague deaths.

#[test]
fn a_death_known_to_the_year_ends_nothing_before_it_began() {
    let mut world = World::new();
    let (husband, wife, home) = couple(&mut world);
    let then = world.when(death(husband, "2022"));
    let told: Vec<String> = then.told().lines().skip(1).map(str::to_owned).collect();
    expect![[r#"
        2022-02-01 PermanentResidenceEnded { person: P1, reason: Died }
        2022-02-01 MemberLeft { household: H1, person: P1, membership: Permanent, reason: Died }
        2022-02-01 HeadVacated { household: H1, former: P1 }"#]]
    .assert_eq(&told.join("\n"));
    assert!(then.accepted().changes.restatements.is_empty());
    let world = then.world;
    assert_eq!(died_on(&world, husband), Some(partial("2022")));
    let row = world.registry.household(home).unwrap();
    assert_eq!((row.permanent_members().collect::<Vec<_>>(), row.head), (vec![wife], 0));
}

#[test]
fn a_death_known_to_the_month_ends_the_household_of_one_after_its_beginning() {
    let mut world = World::new();
    let alone = world.person(man("1950"));
    let home = world.household(PHUC_XA, "2022-02-10", &[(alone, Relationship::Head)]);
    world.given(death(alone, "2022-02"));
    let row = world.registry.household(home).unwrap();
    assert!(!row.is_open() && row.members.is_empty() && row.head == 0);
    assert_eq!(row.ended, date("2022-02-10").0 + 1);
}

#[test]
fn a_vague_death_stays_vague_where_nothing_lies_within_it() {
    let mut world = World::new();
    let (_, wife, _) = couple(&mut world);
    let then = world.when(death(wife, "2022-03"));
    expect![[r#"
        2022-03 PermanentResidenceEnded { person: P2, reason: Died }
        2022-03 MemberLeft { household: H1, person: P2, membership: Permanent, reason: Died }"#]]
    .assert_eq(&then.told().lines().skip(1).collect::<Vec<_>>().join("\n"));
    let mut world = World::new();
    let (_, wife, _) = couple(&mut world);
    world.when(death(wife, "2022-01")).then_refused(&["facts_after_death"]);
    world.when(death(wife, "2021")).then_refused(&["facts_after_death"]);
}

// What happens by itself is no sign of life.

#[test]
fn a_stay_that_lapsed_after_the_death_does_not_stand_against_it() {
    let mut world = World::new();
    let guest = world.person(man("1990-01-01"));
    world.stay(guest, TRUC_BACH, "2022-01-01", "2022-03-30", None);
    world.open_day("2022-03-31");
    world.when(death(guest, "2021-12-31")).then_refused(&["facts_after_death"]);
    world.given(death(guest, "2022-03-28"));
    assert_eq!(died_on(&world, guest), Some(partial("2022-03-28")));
}

#[test]
fn whoever_ended_a_stay_was_alive() {
    let mut world = World::new();
    let (_, guest, _) = hostess_and_guest(&mut world);
    let person = id(guest);
    let end = EndTemporaryResidence { person, effective_on: date("2022-03-10") };
    world.given(Command::EndTemporaryResidence(end));
    world.when(death(guest, "2022-03-09")).then_refused(&["facts_after_death"]);
    world.given(death(guest, "2022-03-10"));
}

#[test]
fn a_guest_dies_although_the_hosts_moved_or_ended_later() {
    let mut world = World::new();
    let (_, guest, household) = hostess_and_guest(&mut world);
    let movement = PermanentMove::WholeHousehold { household, to: place(QUAN_TOAN) };
    let moved = MovePermanent { effective_on: date("2022-03-10"), movement, successions: Vec::new() };
    world.given(Command::MovePermanent(moved));
    world.given(death(guest, "2022-03-05"));
    assert_eq!(world.registry.temporary(guest).unwrap().unit, 0);

    let mut world = World::new();
    let (hostess, guest, _) = hostess_and_guest(&mut world);
    world.given(death(hostess, "2022-03-10"));
    world.given(death(guest, "2022-03-05"));
    assert_eq!(world.registry.temporary(guest).unwrap().unit, 0);
}

#[test]
fn a_guests_late_death_restates_the_hosts_household() {
    let mut world = World::new();
    let (hostess, guest, host) = hostess_and_guest(&mut world);
    let niece = joins(&mut world, host, "2022-03-10");
    let accepted = world.given(death(guest, "2022-03-05"));
    let composition = StreamRef { row: RowRef::Household(host), aspect: Aspect::Composition };
    let restated = &accepted.changes.restatements;
    assert_eq!(restated.iter().map(|restated| restated.stream).collect::<Vec<_>>(), [composition]);
    let days: Vec<String> =
        restated[0].timeline.iter().map(|(_, event)| event.effective_on.to_string()).collect();
    assert_eq!(days, ["2021-08-01", "2021-08-01", "2022-01-01", "2022-03-05", "2022-03-10"]);
    let row = world.registry.household(host).unwrap();
    assert_eq!(row.permanent_members().collect::<Vec<_>>(), [hostess, niece]);
    assert_eq!(row.temporary_members().count(), 0);
}

#[test]
fn a_card_that_expired_after_the_death_does_not_stand_against_it() {
    let mut world = World::new();
    let person = world.person(man("1999-03-20"));
    world.resident(person, PHUC_XA, "2021-08-01");
    let (dossier, card) = (DossierId(1), CardId(1));
    world.given(Command::IssuePin(IssuePin { person: id(person), birth_registered_at: None }));
    world.given(Command::ApplyForCard(ApplyForCard {
        person: id(person),
        document: DocumentKind::Cccd2021,
        reason: ApplicationReason::FirstIssue,
        representative: None,
        received_at: code(PHUC_XA),
        received_on: date("2022-03-01"),
    }));
    let (decision, decided_on) = (ApplicationDecision::Approve, date("2022-03-02"));
    world.given(Command::DecideCardApplication(DecideCardApplication { dossier, decision, decided_on }));
    let (serial, issued_on) = (text("A000001"), date("2022-03-03"));
    world.given(Command::ProduceCard(ProduceCard { dossier, serial, issued_on }));
    world.given(Command::HandOverCard(HandOverCard { card, handed_over_on: date("2022-03-05") }));
    // Twenty-five years of age end the card with 2024-03-20.
    world.open_day("2024-03-25");
    world.when(death(person, "2022-03-04")).then_refused(&["facts_after_death"]);
    world.given(death(person, "2024-03-15"));
    assert_eq!(died_on(&world, person), Some(partial("2024-03-15")));
}

// Parents and children.

fn birth(parents: &[(ParentRole, PersonId)], born: &str, residence: BirthResidence) -> Command {
    let link = |&(role, parent)| ParentLink {
        role,
        kind: ParentKind::Biological,
        parent: KinRef::Registered(id(parent)),
        period: Period::default(),
    };
    Command::Birth(Birth {
        child: Newborn {
            names: Names {
                surname: Some(text("Trần")), middle: None, given: text("Lan"), other: Vec::new()
            },
            sex: Sex::Female,
            birth: partial(born),
            birth_time: None,
            birth_place: None,
            hometown: None,
            ethnicity: None,
            nationality: Nationality::vietnamese(),
            weight_g: None,
            birth_order: None,
            multiple: None,
        },
        parentage: Parentage::Parents(parents.iter().map(link).collect()),
        residence,
        registered_at: code(PHUC_XA),
        legacy_entry: None,
    })
}

#[test]
fn a_newborn_dies_before_its_residence_could_begin() {
    let mut world = World::new();
    let (_, wife, home) = couple(&mut world);
    joins(&mut world, home, "2022-03-10");
    let mother = [(ParentRole::Mother, wife)];
    world.given(birth(&mother, "2022-03-01", BirthResidence::Mother(Relationship::Child)));
    let child = world.registry.head().persons;
    let then = world.when(death(child, "2022-03-02"));
    expect![[r#"
        2022-03-10 PermanentResidenceEnded { person: P4, reason: Died }
        2022-03-10 MemberLeft { household: H1, person: P4, membership: Permanent, reason: Died }"#]]
    .assert_eq(&then.told().lines().skip(1).collect::<Vec<_>>().join("\n"));
    assert_eq!(died_on(&then.world, child), Some(partial("2022-03-02")));
    assert_eq!(then.world.registry.household(home).unwrap().members.len(), 3);
}

#[test]
fn a_mother_did_not_die_before_she_gave_birth() {
    let mut world = World::new();
    let mother = world.person(woman("1992-01-01"));
    world.given(birth(&[(ParentRole::Mother, mother)], "2022-03-01", BirthResidence::None));
    world.when(death(mother, "2022-02-01")).then_refused(&["mother_dead_at_birth"]);
    world.when(death(mother, "2022-02")).then_refused(&["mother_dead_at_birth"]);
    world.when(death(mother, "2022-03")).accepted();
    world.given(death(mother, "2022-03-01"));
}

#[test]
fn a_father_did_not_die_long_before_the_birth_unless_a_court_says_so() {
    let mut world = World::new();
    let father = world.person(man("1990-01-01"));
    world.given(birth(&[(ParentRole::Father, father)], "2021-12-27", BirthResidence::None));
    let child = world.registry.head().persons;
    // Three hundred days after 2021-03-01 is 2021-12-26.
    world.when(death(father, "2021-03-01")).then_refused(&["father_dead_before_conception"]);
    world.when(death(father, "2021-03-02")).accepted();
    let envelope = world.by_court(&["father_dead_before_conception"], death(father, "2021-03-01"));
    world.given_envelope(PHUC_XA_OFFICE, envelope);
    let defect = event_schemas::defect::DefectKind::FatherLongDead.bit();
    assert_ne!(world.registry.person(child).unwrap().defects & defect, 0);
}

#[test]
fn a_late_death_waits_while_the_children_cannot_be_read() {
    let mut world = World::new();
    let mother = world.person(woman("1992-01-01"));
    world.history.broken = true;
    world.when(death(mother, "2022-03-01")).then_refused(&["history_unavailable"]);
    // Nobody is born after today.
    world.when(death(mother, TODAY)).accepted();
}

// Applications and cards.

/// A citizen who applied for a first card on the day.
fn applicant(world: &mut World, received_on: &str) -> PersonId {
    let person = world.person(man("1990-05-05"));
    world.resident(person, PHUC_XA, "2021-08-01");
    world.given(Command::IssuePin(IssuePin { person: id(person), birth_registered_at: None }));
    world.given(application(person, received_on));
    person
}

fn application(person: PersonId, received_on: &str) -> Command {
    Command::ApplyForCard(ApplyForCard {
        person: id(person),
        document: DocumentKind::Cccd2021,
        reason: ApplicationReason::FirstIssue,
        representative: None,
        received_at: code(PHUC_XA),
        received_on: date(received_on),
    })
}

fn decide(decision: ApplicationDecision, on: &str) -> Command {
    let dossier = DossierId(1);
    Command::DecideCardApplication(DecideCardApplication { dossier, decision, decided_on: date(on) })
}

fn produce(on: &str) -> Command {
    let (dossier, serial) = (DossierId(1), text("A000001"));
    Command::ProduceCard(ProduceCard { dossier, serial, issued_on: date(on) })
}

fn hand_over(on: &str) -> Command {
    Command::HandOverCard(HandOverCard { card: CardId(1), handed_over_on: date(on) })
}

#[test]
fn an_application_approved_before_the_death_was_known_is_closed_with_the_approval() {
    let mut world = World::new();
    let person = applicant(&mut world, "2022-03-01");
    world.given(decide(ApplicationDecision::Approve, "2022-03-10"));
    world.when(death(person, "2022-02-28")).then_refused(&["facts_after_death"]);
    let then = world.when(death(person, "2022-03-05"));
    expect![[r#"
        2022-03-05 PermanentResidenceEnded { person: P1, reason: Died }
        2022-03-10 DossierClosed { dossier: D1, person: P1, reason: "holder died" }"#]]
    .assert_eq(&then.told().lines().skip(1).collect::<Vec<_>>().join("\n"));
    let mut world = then.world;
    world.when(produce("2022-03-11")).then_refused(&["dossier_not_approved", "person_dead"]);
    world.when(application(person, "2022-03-11")).then_refused(&["person_dead"]);
}

#[test]
fn a_card_produced_before_the_death_was_known_ends_with_its_production_and_is_not_handed_over() {
    let mut world = World::new();
    let person = applicant(&mut world, "2022-03-01");
    world.given(decide(ApplicationDecision::Approve, "2022-03-04"));
    world.given(produce("2022-03-10"));
    let then = world.when(death(person, "2022-03-05"));
    expect![[r#"
        2022-03-05 PermanentResidenceEnded { person: P1, reason: Died }
        2022-03-10 CardHolderDied { card: C1, person: P1 }"#]]
    .assert_eq(&then.told().lines().skip(1).collect::<Vec<_>>().join("\n"));
    let mut world = then.world;
    assert_eq!(world.registry.person(person).unwrap().dossier, 0, "no application is open");
    world.when(hand_over("2022-03-11")).then_refused(&["card_not_produced", "person_dead"]);
    world.when(hand_over("2022-03-04")).then_refused(&[
        "card_not_produced",
        "later_facts_exist",
        "person_dead",
    ]);
}

#[test]
fn whoever_took_a_card_over_was_alive() {
    let mut world = World::new();
    let person = applicant(&mut world, "2022-03-01");
    world.given(decide(ApplicationDecision::Approve, "2022-03-02"));
    world.given(produce("2022-03-03"));
    world.given(hand_over("2022-03-08"));
    world.when(death(person, "2022-03-07")).then_refused(&["facts_after_death"]);
    world.given(death(person, "2022-03-08"));
}

#[test]
fn whoever_applied_was_alive_also_if_the_application_was_refused_since() {
    let mut world = World::new();
    let person = applicant(&mut world, "2022-03-05");
    let reason = text("fingerprints of another person");
    world.given(decide(ApplicationDecision::Refuse { reason }, "2022-03-10"));
    world.when(death(person, "2022-03-04")).then_refused(&["facts_after_death"]);
    world.given(death(person, "2022-03-05"));
}
