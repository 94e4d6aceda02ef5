//! Reasons for an exchange and for issuing a card again, each beside what the registry knows.

use super::*;
use event_schemas::card::WithdrawalReason;
use event_schemas::command::{
    ChangeName, EstablishUnits, NewUnit, ReplaceCard, ReportCardLost, WithdrawCard,
};
use event_schemas::event::{EventBody, PinAccepted, PinCancelled};
use event_schemas::person::{Names, Nationality};
use event_schemas::pin::{Pin, PinGround};
use event_schemas::place::{UnitCode, UnitKind, UnitLevel};

const MADE: &str = "2021-09-10";

/// The number in force is cancelled, and another holds.
fn give_another_number(world: &mut World, person: PersonId) {
    let old = Pin::from_number(world.registry.person(person).unwrap().pin.get()).unwrap();
    let (ground, explanation) = (PinGround::WrongNumber, text("another's"));
    let cancelled = PinCancelled { person, pin: old, ground, explanation };
    let pin = "001090999999".parse().unwrap();
    let accepted = PinAccepted { person, pin };
    world.given_events("2022-03-01", [EventBody::PinCancelled(cancelled), EventBody::PinAccepted(accepted)]);
}

fn rename(person: PersonId, on: &str) -> Command {
    Command::ChangeName(ChangeName {
        person: id(person),
        names: Names { surname: Some(text("Trần")), middle: None, given: text("Bình"), other: Vec::new() },
        reason: text("theo nguyện vọng"),
        effective_on: date(on),
    })
}

fn lost(card: CardId, on: &str) -> Command {
    Command::ReportCardLost(ReportCardLost { card, reported_on: date(on) })
}

fn withdraw(card: CardId, reason: WithdrawalReason, on: &str) -> Command {
    Command::WithdrawCard(WithdrawCard { card, reason, withdrawn_on: date(on) })
}

#[test]
fn information_has_changed_only_if_a_change_was_recorded_after_the_card_was_made() {
    let mut world = World::new();
    let person = citizen(&mut world, "1990-05-05");
    world.given(rename(person, "2021-08-20"));
    let card = issue(&mut world, apply(person, ApplicationReason::FirstIssue, MADE), MADE);
    let exchange = || apply(person, ApplicationReason::InformationChanged, "2022-03-10");
    let faults = world.when(exchange()).then_refused(&["information_unchanged"]);
    assert_eq!(faults[0].rows, [event_schemas::row::RowRef::Card(card)]);
    // A change of an earlier day that comes to be known later is not on the card either.
    let mut late = world.clone();
    late.given(rename(person, "2021-09-01"));
    late.when(exchange()).accepted();
    world.given(rename(person, "2022-03-01"));
    world.history.broken = true;
    world.when(exchange()).then_refused(&["history_unavailable"]);
    world.history.broken = false;
    issue(&mut world, exchange(), "2022-03-10");
    world
        .when(apply(person, ApplicationReason::InformationChanged, "2022-03-11"))
        .then_refused(&["information_unchanged"]);
}

#[test]
fn units_are_a_reason_from_july_2024_and_once_some_are_new() {
    let mut world = World::new();
    let (person, _) = holder(&mut world, "1990-05-05", MADE);
    let exchange = |on| apply(person, ApplicationReason::UnitsRearranged, on);
    world.when(exchange("2022-03-10")).then_refused(&["reason_not_in_law", "units_unchanged"]);
    let new_ward = |number, from: &str| {
        Command::EstablishUnits(EstablishUnits {
            valid_from: date(from),
            units: vec![NewUnit {
                code: UnitCode::new(UnitLevel::Ward, number).unwrap(),
                name: text("Phường mới"),
                kind: UnitKind::UrbanWard,
                parent: Some(code(BA_DINH)),
            }],
        })
    };
    world.given(new_ward(90_001, "2021-09-10"));
    world.when(exchange("2022-03-10")).then_refused(&["reason_not_in_law", "units_unchanged"]);
    world.given(new_ward(90_002, "2021-09-11"));
    world.open_day("2024-07-01");
    world.when(exchange("2024-06-30")).then_refused(&["reason_not_in_law"]);
    world.when(exchange("2024-07-01")).accepted();
}

#[test]
fn a_number_established_anew_forces_an_exchange() {
    let mut world = World::new();
    let (person, card) = holder(&mut world, "1990-05-05", MADE);
    let exchange = || apply(person, ApplicationReason::PinReestablished, "2022-03-10");
    world.when(exchange()).then_refused(&["number_unchanged"]);
    give_another_number(&mut world, person);
    let (row, of) = (world.registry.card(card).unwrap(), world.registry.person(person).unwrap());
    assert!(!row.carries_number_of(of));
    let successor = issue(&mut world, exchange(), "2022-03-10");
    let row = world.registry.card(successor).unwrap();
    assert!(row.carries_number_of(world.registry.person(person).unwrap()));
}

#[test]
fn a_card_whose_number_was_cancelled_before_the_hand_over_is_withdrawn_and_made_anew() {
    let mut world = World::new();
    let person = citizen(&mut world, "1990-05-05");
    let applied = world.given(apply(person, ApplicationReason::FirstIssue, MADE));
    let card = produce(&mut world, &applied, MADE);
    give_another_number(&mut world, person);
    world.when(hand_over(card, "2022-03-02")).then_refused(&["card_number_cancelled"]);
    world.given(withdraw(card, WithdrawalReason::IssuedWrongly, "2022-03-02"));
    let next = issue(&mut world, apply(person, ApplicationReason::FirstIssue, "2022-03-03"), "2022-03-03");
    assert_eq!(status(&world, next), CardStatus::Active);
}

#[test]
fn a_lost_card_is_issued_again_for_that_reason_alone() {
    let mut world = World::new();
    let (person, card) = holder(&mut world, "1990-05-05", MADE);
    let on = "2022-03-10";
    world.when(apply(person, ApplicationReason::Lost, on)).then_refused(&["card_not_lost"]);
    world.given(lost(card, "2022-03-01"));
    for reason in [ApplicationReason::OnRequest, ApplicationReason::Damaged, ApplicationReason::AgeExchange] {
        world.when(apply(person, reason, on)).then_refused(&["card_lost"]);
    }
    world.when(apply(person, ApplicationReason::FirstIssue, on)).then_refused(&["card_exists"]);
    world.given(apply(person, ApplicationReason::Lost, on));
}

#[test]
fn whatever_the_registry_cannot_know_is_the_offices_word() {
    use ApplicationReason::{AppearanceChanged, Damaged, OnRequest, WrongData};
    let mut world = World::new();
    let (person, _) = holder(&mut world, "1990-05-05", MADE);
    for reason in [AppearanceChanged, WrongData, Damaged, OnRequest] {
        world.when(apply(person, reason, "2022-03-10")).accepted();
    }
}

#[test]
fn an_expired_card_is_exchanged_and_not_issued_for_the_first_time() {
    let mut world = World::new();
    let (person, card) = holder(&mut world, "1999-06-01", MADE);
    world.given(lost(card, "2022-03-10"));
    world.open_day("2024-06-02");
    assert_eq!(status(&world, card), CardStatus::Expired, "a lost card ends too");
    let on = "2024-06-02";
    world.when(apply(person, ApplicationReason::FirstIssue, on)).then_refused(&["card_exists"]);
    world.when(apply(person, ApplicationReason::Lost, on)).then_refused(&["card_not_lost"]);
    world.given(apply(person, ApplicationReason::AgeExchange, on));
}

#[test]
fn nationality_is_regained_by_whoever_lost_it_with_the_card() {
    let mut world = World::new();
    let (person, card) = holder(&mut world, "1990-05-05", MADE);
    let regained = || apply(person, ApplicationReason::NationalityRegained, "2022-03-10");
    world.when(regained()).then_refused(&["nationality_not_lost"]);
    world.given(withdraw(card, WithdrawalReason::NationalityLost, "2022-03-01"));
    let first = apply(person, ApplicationReason::FirstIssue, "2022-03-10");
    world.when(first).then_refused(&["card_to_reissue"]);
    let on_request = apply(person, ApplicationReason::OnRequest, "2022-03-10");
    world.when(on_request).then_refused(&["no_card_to_replace"]);
    issue(&mut world, regained(), "2022-03-10");
}

#[test]
fn the_law_of_2014_withdraws_only_with_the_nationality() {
    use WithdrawalReason::{Altered, IssuedWrongly, NationalityLost};
    let mut world = World::new();
    let (person, card) = holder(&mut world, "1990-05-05", MADE);
    for reason in [IssuedWrongly, Altered] {
        world.when(withdraw(card, reason, "2022-03-10")).then_refused(&["reason_not_in_law"]);
    }
    world.when(withdraw(card, NationalityLost, "2022-03-10")).accepted();
    world.open_day("2024-07-01");
    world.when(withdraw(card, Altered, "2024-06-30")).then_refused(&["reason_not_in_law"]);
    world.given(withdraw(card, Altered, "2024-07-01"));
    let exchange = apply(person, ApplicationReason::OnRequest, "2024-07-01");
    world.when(exchange).then_refused(&["no_card_to_replace"]);
    world.given(apply(person, ApplicationReason::FirstIssue, "2024-07-01"));
}

#[test]
fn a_replacement_names_the_card_that_was_handed_over_last() {
    let mut world = World::new();
    let (person, card) = holder(&mut world, "1990-05-05", MADE);
    let replace = |card, reason| {
        Command::ReplaceCard(ReplaceCard {
            card,
            document: DocumentKind::Cccd2021,
            reason,
            representative: None,
            received_at: code(PHUC_XA),
            received_on: date("2022-03-10"),
        })
    };
    world.when(replace(card, ApplicationReason::FirstIssue)).then_refused(&["replacement_reason_wrong"]);
    world.when(replace(card, ApplicationReason::PinReestablished)).then_refused(&["number_unchanged"]);
    let next = issue(&mut world, apply(person, ApplicationReason::OnRequest, "2022-03-01"), "2022-03-01");
    world.when(replace(card, ApplicationReason::OnRequest)).then_refused(&["card_not_in_use"]);
    world.given(replace(next, ApplicationReason::OnRequest));
}

#[test]
fn a_certificate_is_no_card() {
    let mut world = World::new();
    let nationality = Nationality::Undetermined;
    let person = world.person(NewPersonOf { nationality, ..man("1980-01-01") });
    world.given(Command::IssuePin(IssuePin { person: id(person), birth_registered_at: None }));
    world.open_day("2024-07-01");
    let document = DocumentKind::IdentityCertificate;
    let certificate = |reason| {
        Command::ApplyForCard(ApplyForCard { document, ..application(person, reason, "2024-07-01") })
    };
    issue(&mut world, certificate(ApplicationReason::FirstIssue), "2024-07-01");
    world.when(certificate(ApplicationReason::FirstIssue)).then_refused(&["card_exists"]);
    world.when(certificate(ApplicationReason::OnRequest)).accepted();
    // Who becomes a citizen gets the first card; until then the document is what stands against it.
    let card = apply(person, ApplicationReason::FirstIssue, "2024-07-01");
    world.when(card).then_refused(&["document_not_for_person"]);
}
