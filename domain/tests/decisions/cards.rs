//! PINs and cards: given what came before, when an office submits, then these facts follow, or these faults stand against it.

use domain::testing::*;
use event_schemas::card::{ApplicationReason, DocumentKind, WithdrawalReason};
use event_schemas::command::{
    AcceptPin, ApplicationDecision, ApplyForCard, Command, Death, DecideCardApplication, HandOverCard,
    IssuePin, ProduceCard, ReplaceCard, ReportCardLost, WithdrawCard,
};
use event_schemas::event::{EventBody, PinAccepted, PinCancelled, PinIssued};
use event_schemas::ids::{CardId, DossierId, PersonId};
use event_schemas::outcome::Created;
use event_schemas::person::{Nationality, PersonRef, Sex};
use event_schemas::pin::{PinCell, PinGround, PinOccasion};
use event_schemas::row::RowRef;

fn issue(person: PersonId) -> Command {
    Command::IssuePin(IssuePin { person: id(person), birth_registered_at: None })
}

fn apply(person: PersonId, reason: ApplicationReason) -> ApplyForCard {
    ApplyForCard {
        person: id(person),
        document: DocumentKind::Cccd2021,
        reason,
        representative: None,
        received_at: code(PHUC_XA),
        received_on: date("2022-03-01"),
    }
}

fn first(person: PersonId) -> Command {
    Command::ApplyForCard(apply(person, ApplicationReason::FirstIssue))
}

fn approve(dossier: DossierId) -> Command {
    let decision = ApplicationDecision::Approve;
    Command::DecideCardApplication(DecideCardApplication {
        dossier,
        decision,
        decided_on: date("2022-03-03"),
    })
}

fn refuse(dossier: DossierId) -> Command {
    let decision = ApplicationDecision::Refuse { reason: text("fingerprints of another person") };
    Command::DecideCardApplication(DecideCardApplication {
        dossier,
        decision,
        decided_on: date("2022-03-03"),
    })
}

fn produce(dossier: DossierId, serial: &str, on: &str) -> Command {
    Command::ProduceCard(ProduceCard { dossier, serial: text(serial), issued_on: date(on) })
}

fn hand_over(card: CardId, on: &str) -> Command {
    Command::HandOverCard(HandOverCard { card, handed_over_on: date(on) })
}

fn lost(card: CardId, on: &str) -> Command {
    Command::ReportCardLost(ReportCardLost { card, reported_on: date(on) })
}

/// A citizen with PIN and residence.
fn citizen(world: &mut World) -> PersonId {
    let person = world.person(man("1990-05-05"));
    world.resident(person, PHUC_XA, "2021-08-01");
    world.given_by(PHUC_XA_OFFICE, issue(person));
    person
}

/// A citizen with a card in use.
fn holder(world: &mut World) -> (PersonId, CardId) {
    let person = citizen(world);
    let applied = world.given_by(PHUC_XA_OFFICE, first(person));
    let dossier = Created::by(&applied.changes.events).dossiers[0];
    world.given_by(NATIONAL_OFFICE, approve(dossier));
    let serial = format!("CHIP-{dossier}");
    let produced = world.given_by(NATIONAL_OFFICE, produce(dossier, &serial, "2022-03-05"));
    let card = Created::by(&produced.changes.events).cards[0];
    world.given_by(PHUC_XA_OFFICE, hand_over(card, "2022-03-08"));
    (person, card)
}

fn kinds(accepted: &domain::Accepted) -> Vec<&'static str> {
    accepted.changes.events.iter().map(|event| event.body.name()).collect()
}

#[test]
fn numbers_of_a_cell_follow_the_permutation_and_never_repeat() {
    let mut world = World::new();
    let cell = PinCell { place: 1, century_sex: 0, year: 90 };
    // Taken before by somebody else: the first draw of the cell.
    let taken = cell.pin(17).to_string();
    let other = man("1990-01-01");
    let taken: &'static str = Box::leak(taken.into_boxed_str());
    world.person(domain::testing::NewPersonOf { pin: Some(taken), ..other });
    let first = world.person(man("1990-05-05"));
    let second = world.person(man("1990-06-06"));
    let issued = |accepted: &domain::Accepted| match &accepted.changes.events[0].body {
        EventBody::PinIssued(PinIssued { pin, draw, key_version, .. }) => (*pin, *draw, *key_version),
        other => panic!("{other:?}"),
    };
    assert_eq!(issued(&world.given(issue(first))), (cell.pin(7_919 + 17), 1, 1));
    assert_eq!(issued(&world.given(issue(second))), (cell.pin(2 * 7_919 + 17), 2, 1));
    world.when(issue(second)).then_refused(&["has_pin"]);
}

#[test]
fn a_number_needs_place_sex_and_century() {
    let mut world = World::new();
    let nowhere = world.person(NewPersonOf { born_in: None, ..man("1990-05-05") });
    world.when(issue(nowhere)).then_refused(&["pin_place_missing"]);
    world.given(Command::IssuePin(IssuePin {
        person: id(nowhere),
        birth_registered_at: Some(code(HAI_PHONG)),
    }));
    let unknown = world.person(NewPersonOf { sex: Sex::Unknown, ..man("1990-05-05") });
    world.when(issue(unknown)).then_refused(&["pin_not_possible"]);
    let old = world.person(man("1899"));
    world.when(issue(old)).then_refused(&["pin_not_possible"]);
    let stray = Command::IssuePin(IssuePin { person: id(unknown), birth_registered_at: Some(code("99999")) });
    world.when(stray).then_refused(&["unknown_unit"]);
}

#[test]
fn a_full_cell_has_a_code_of_its_own() {
    let mut world = World::new();
    let last = world.person(man("1990-01-01"));
    let cell = PinCell { place: 1, century_sex: 0, year: 90 };
    let issued = PinIssued {
        person: last,
        pin: cell.pin(5),
        draw: PinCell::CAPACITY - 1,
        key_version: 1,
        occasion: PinOccasion::Birth,
    };
    world.given_events("2022-01-01", [EventBody::PinIssued(issued)]);
    let person = world.person(man("1990-05-05"));
    world.when(issue(person)).then_refused(&["pin_cell_exhausted"]);
}

#[test]
fn a_number_from_before_is_accepted_once_and_must_agree() {
    let mut world = World::new();
    let person = world.person(man("1990-05-05"));
    let accept =
        |person, pin: &str| Command::AcceptPin(AcceptPin { person: id(person), pin: pin.parse().unwrap() });
    world.when(accept(person, "003090000001")).then_refused(&["pin_place_unknown"]);
    world.when(accept(person, "001190000001")).then_refused(&["pin_disagrees"]);
    world.when(accept(person, "001091000001")).then_refused(&["pin_disagrees"]);
    world.given(accept(person, "001090000001"));
    world.when(accept(person, "001090000002")).then_refused(&["has_pin"]);
    let other = world.person(man("1990-06-06"));
    world.when(accept(other, "001090000001")).then_refused(&["pin_taken"]);
    let by_pin = PersonRef::Pin("001090000001".parse().unwrap());
    let named = Command::IssuePin(IssuePin { person: by_pin, birth_registered_at: None });
    world.when(named).then_refused(&["has_pin"]);
    let mut court = world.by_court(&["pin_disagrees"], accept(other, "001190000009"));
    court.overrides = vec![text("pin_disagrees")];
    assert!(kinds(&world.given_envelope(NATIONAL_OFFICE, court)).contains(&"defect_noted"));
}

#[test]
fn a_card_goes_from_application_to_its_holder() {
    let mut world = World::new();
    let (person, card) = holder(&mut world);
    let row = world.registry.person(person).unwrap();
    assert_eq!((row.card, row.dossier), (card.0, 0));
    // Born 1990-05-05, 31 at issue: valid to 40.
    assert_eq!(world.registry.card(card).unwrap().expires, date("2030-05-05").0);
    let again =
        ApplyForCard { received_on: date("2022-03-08"), ..apply(person, ApplicationReason::FirstIssue) };
    world.when(Command::ApplyForCard(again)).then_refused(&["card_exists"]);
}

#[test]
fn an_application_needs_age_number_citizenship_and_a_document_in_force() {
    let mut world = World::new();
    let child = world.person(man("2008-03-02"));
    world.given(issue(child));
    world.when(first(child)).then_refused(&["too_young_for_card"]);
    let just_old_enough = world.person(man("2008-03-01"));
    world.when(first(just_old_enough)).then_refused(&["no_pin"]);
    world.given(issue(just_old_enough));
    world.given(first(just_old_enough));
    world.when(first(just_old_enough)).then_refused(&["dossier_open"]);
    let undetermined =
        world.person(NewPersonOf { nationality: Nationality::Undetermined, ..man("1980-01-01") });
    world.given(issue(undetermined));
    world.when(first(undetermined)).then_refused(&["document_not_for_person"]);
    let adult = world.person(man("1980-01-01"));
    world.given(issue(adult));
    let new_law =
        ApplyForCard { document: DocumentKind::CanCuoc2024, ..apply(adult, ApplicationReason::FirstIssue) };
    world.when(Command::ApplyForCard(new_law)).then_refused(&["document_not_in_force"]);
    let exchange = apply(adult, ApplicationReason::AgeExchange);
    world.when(Command::ApplyForCard(exchange)).then_refused(&["no_card_to_replace"]);
    let elsewhere = Command::ApplyForCard(apply(adult, ApplicationReason::FirstIssue));
    world.when_by(HAI_PHONG_OFFICE, elsewhere).then_refused(&["not_competent"]);
}

#[test]
fn the_law_of_2024_gives_cards_to_children_and_certificates_to_the_undetermined() {
    let mut world = World::new();
    let child = world.person(man("2015-03-01"));
    let mother = world.person(woman("1990-03-01"));
    let undetermined =
        world.person(NewPersonOf { nationality: Nationality::Undetermined, ..man("1980-01-01") });
    for person in [child, undetermined] {
        world.given(issue(person));
    }
    world.open_day("2024-07-01");
    let on = |person, document| {
        let mut application = apply(person, ApplicationReason::FirstIssue);
        application.document = document;
        application.representative = (person == child).then(|| id(mother));
        application.received_on = date("2024-07-01");
        Command::ApplyForCard(application)
    };
    world
        .when(on(child, DocumentKind::Cccd2021))
        .then_refused(&["document_not_in_force", "too_young_for_card"]);
    world.given(on(child, DocumentKind::CanCuoc2024));
    world.when(on(undetermined, DocumentKind::CanCuoc2024)).then_refused(&["document_not_for_person"]);
    world.given(on(undetermined, DocumentKind::IdentityCertificate));
}

#[test]
fn decisions_follow_their_order() {
    let mut world = World::new();
    let person = citizen(&mut world);
    let applied = world.given_by(PHUC_XA_OFFICE, first(person));
    let dossier = Created::by(&applied.changes.events).dossiers[0];
    world.when(produce(dossier, "CHIP-1", "2022-03-05")).then_refused(&["dossier_not_approved"]);
    let mut early = DecideCardApplication {
        dossier,
        decision: ApplicationDecision::Approve,
        decided_on: date("2022-02-28"),
    };
    world.when(Command::DecideCardApplication(early.clone())).then_refused(&["later_facts_exist"]);
    early.decided_on = date("2022-03-16");
    world.when(Command::DecideCardApplication(early)).then_refused(&["date_in_future"]);
    world.when(approve(DossierId(404))).then_refused(&["unknown_dossier"]);
    world.given(refuse(dossier));
    world.when(approve(dossier)).then_refused(&["dossier_not_received"]);
    assert_eq!(world.registry.person(person).unwrap().dossier, 0, "a new application is possible");
    let faults = world.when(first(person)).then_refused(&["later_facts_exist"]);
    assert_eq!(faults[0].rows, [RowRef::Person(person)], "but not of a day before the refusal");
    let again =
        ApplyForCard { received_on: date("2022-03-03"), ..apply(person, ApplicationReason::FirstIssue) };
    world.history.broken = true;
    world.when(Command::ApplyForCard(again.clone())).then_refused(&["history_unavailable"]);
    world.history.broken = false;
    world.given(Command::ApplyForCard(again));
}

#[test]
fn a_serial_is_used_once_and_a_card_is_handed_over_once() {
    let mut world = World::new();
    let (_, card) = holder(&mut world);
    world.when(hand_over(card, "2022-03-09")).then_refused(&["card_not_produced"]);
    world.when(hand_over(CardId(404), "2022-03-09")).then_refused(&["unknown_card"]);
    let other = citizen(&mut world);
    let applied = world.given(first(other));
    let dossier = Created::by(&applied.changes.events).dossiers[0];
    world.given(approve(dossier));
    world.when(produce(dossier, "CHIP-D1", "2022-03-05")).then_refused(&["serial_taken"]);
}

#[test]
fn a_lost_card_is_replaced_when_the_new_one_is_handed_over() {
    let mut world = World::new();
    let (person, card) = holder(&mut world);
    let replace = |card, reason| {
        Command::ReplaceCard(ReplaceCard {
            card,
            document: DocumentKind::Cccd2021,
            reason,
            representative: None,
            received_at: code(PHUC_XA),
            received_on: date("2022-03-11"),
        })
    };
    world.when(replace(card, ApplicationReason::Lost)).then_refused(&["card_not_lost"]);
    world.when(replace(card, ApplicationReason::FirstIssue)).then_refused(&["replacement_reason_wrong"]);
    world.when(replace(CardId(404), ApplicationReason::Lost)).then_refused(&["unknown_card"]);
    world.given_by(HAI_PHONG_OFFICE, lost(card, "2022-03-10"));
    world.when(lost(card, "2022-03-10")).then_refused(&["card_not_in_use"]);
    let replaced = world.given(replace(card, ApplicationReason::Lost));
    let dossier = Created::by(&replaced.changes.events).dossiers[0];
    world.given(Command::DecideCardApplication(DecideCardApplication {
        dossier,
        decision: ApplicationDecision::Approve,
        decided_on: date("2022-03-12"),
    }));
    let produced = world.given(produce(dossier, "CHIP-2", "2022-03-13"));
    let new_card = Created::by(&produced.changes.events).cards[0];
    assert_eq!(
        world.registry.person(person).unwrap().card,
        card.0,
        "the old card counts until the hand-over"
    );
    let handed = world.given(hand_over(new_card, "2022-03-14"));
    assert_eq!(kinds(&handed), ["card_replaced", "card_handed_over"]);
    world.when(replace(card, ApplicationReason::Damaged)).then_refused(&["card_not_in_use"]);
}

#[test]
fn a_card_is_withdrawn_once() {
    let mut world = World::new();
    let (_, card) = holder(&mut world);
    let withdraw = || {
        let reason = WithdrawalReason::NationalityLost;
        Command::WithdrawCard(WithdrawCard { card, reason, withdrawn_on: date("2022-03-12") })
    };
    world.when_by(HAI_PHONG_OFFICE, withdraw()).then_refused(&["not_competent"]);
    world.given(withdraw());
    world.when(withdraw()).then_refused(&["card_not_in_use"]);
}

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

#[test]
fn a_death_cancels_the_card_and_closes_the_application() {
    let mut world = World::new();
    let (person, _) = holder(&mut world);
    let applied = world.given(Command::ApplyForCard(ApplyForCard {
        received_on: date("2022-03-09"),
        ..apply(person, ApplicationReason::OnRequest)
    }));
    let accepted = world.given(death(person, "2022-03-10"));
    assert!(kinds(&accepted).contains(&"dossier_closed") && kinds(&accepted).contains(&"card_holder_died"));
    let dossier = Created::by(&applied.changes.events).dossiers[0];
    world.when(approve(dossier)).then_refused(&["dossier_not_received", "later_facts_exist"]);
}

#[test]
fn a_death_cancels_a_card_that_waits_for_its_hand_over() {
    let mut world = World::new();
    let person = citizen(&mut world);
    let applied = world.given(first(person));
    let dossier = Created::by(&applied.changes.events).dossiers[0];
    world.given(approve(dossier));
    let produced = world.given(produce(dossier, "CHIP-9", "2022-03-05"));
    let card = Created::by(&produced.changes.events).cards[0];
    let accepted = world.given(death(person, "2022-03-10"));
    assert!(kinds(&accepted).contains(&"card_holder_died"));
    world.when(hand_over(card, "2022-03-11")).then_refused(&["card_not_produced", "person_dead"]);
}

#[test]
fn a_card_expires_with_the_day_after_its_last() {
    let mut world = World::new();
    let (_, card) = holder(&mut world);
    world.open_day("2030-05-05");
    assert_eq!(world.registry.card(card).unwrap().status, event_schemas::card::CardStatus::Active as u8);
    world.open_day("2030-05-06");
    assert_eq!(world.registry.card(card).unwrap().status, event_schemas::card::CardStatus::Expired as u8);
    world.when(lost(card, "2030-05-06")).then_refused(&["card_not_in_use"]);
}

#[test]
fn a_day_that_was_missed_is_made_good() {
    let mut world = World::new();
    let (_, card) = holder(&mut world);
    world.open_day("2031-01-01");
    let lapsed = world.history.entries.iter().rev().find_map(|entry| entry.changes()).unwrap();
    assert_eq!(lapsed.events[0].effective_on, partial("2030-05-06"), "it expired on its own day");
    assert_eq!(world.registry.card(card).unwrap().status, event_schemas::card::CardStatus::Expired as u8);
}

#[test]
fn the_registered_place_of_birth_registration_goes_before_a_stated_one() {
    let mut world = World::new();
    let person = world.person(man("1990-05-05"));
    let accepted = world.given(Command::IssuePin(IssuePin {
        person: id(person),
        birth_registered_at: Some(code(HAI_PHONG)),
    }));
    let (_, pin) = Created::by(&accepted.changes.events).pins[0];
    assert!(pin.to_string().starts_with("001"), "the number is Hà Nội's: {pin}");
}

#[test]
fn a_card_replaces_no_card_of_which_something_later_is_known() {
    let mut world = World::new();
    let (person, former) = holder(&mut world);
    let applied = world.given(Command::ApplyForCard(ApplyForCard {
        received_on: date("2022-03-08"),
        ..apply(person, ApplicationReason::OnRequest)
    }));
    let dossier = Created::by(&applied.changes.events).dossiers[0];
    world.given(Command::DecideCardApplication(DecideCardApplication {
        dossier,
        decision: ApplicationDecision::Approve,
        decided_on: date("2022-03-08"),
    }));
    let produced = world.given(produce(dossier, "CHIP-2", "2022-03-09"));
    let new_card = Created::by(&produced.changes.events).cards[0];
    world.given(lost(former, "2022-03-12"));
    let faults = world.when(hand_over(new_card, "2022-03-11")).then_refused(&["later_facts_exist"]);
    assert_eq!(faults[0].rows, [RowRef::Card(former)]);
    let handed = world.given(hand_over(new_card, "2022-03-12"));
    assert_eq!(kinds(&handed), ["card_replaced", "card_handed_over"]);
}

#[test]
fn an_application_is_not_received_before_what_is_known_of_the_card() {
    let mut world = World::new();
    let (person, card) = holder(&mut world);
    let on = |day| {
        let reason = ApplicationReason::OnRequest;
        Command::ApplyForCard(ApplyForCard { received_on: date(day), ..apply(person, reason) })
    };
    let faults = world.when(on("2022-03-07")).then_refused(&["later_facts_exist"]);
    assert_eq!(faults[0].rows, [RowRef::Card(card)]);
    world.when(on("2022-03-08")).accepted();
}

#[test]
fn a_cancelled_number_still_finds_its_person_and_the_answer_says_so() {
    let mut world = World::new();
    let person = world.person(NewPersonOf { pin: Some("001090000001"), ..man("1990-05-05") });
    let [old, pin] = ["001090000001", "001090000002"].map(|pin| pin.parse().unwrap());
    let (ground, explanation) = (PinGround::WrongNumber, text("another's"));
    let cancelled = PinCancelled { person, pin: old, ground, explanation };
    let accepted = PinAccepted { person, pin };
    world.given_events("2022-01-01", [EventBody::PinCancelled(cancelled), EventBody::PinAccepted(accepted)]);
    let by_old = PersonRef::Pin("001090000001".parse().unwrap());
    let application = apply(person, ApplicationReason::FirstIssue);
    let accepted = world.given(Command::ApplyForCard(ApplyForCard { person: by_old, ..application }));
    let [note] = accepted.notes.as_slice() else { panic!("one note: {:?}", accepted.notes) };
    assert_eq!(note.code, "cancelled_pin");
    assert_eq!(note.en, "PIN 001090000001 was cancelled; the person has another number now.");
}
