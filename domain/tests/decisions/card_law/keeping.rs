//! What becomes of a card: held and returned, lost and found, damaged.

use super::*;
use event_schemas::card::HoldReason;
use event_schemas::command::{
    Death, HoldCard, ReportCardDamaged, ReportCardFound, ReportCardLost, ReturnCard,
};

fn hold(card: CardId, on: &str) -> Command {
    Command::HoldCard(HoldCard { card, reason: HoldReason::Detention, held_on: date(on) })
}

fn give_back(card: CardId, on: &str) -> Command {
    Command::ReturnCard(ReturnCard { card, returned_on: date(on) })
}

fn lost(card: CardId, on: &str) -> Command {
    Command::ReportCardLost(ReportCardLost { card, reported_on: date(on) })
}

fn found(card: CardId, on: &str) -> Command {
    Command::ReportCardFound(ReportCardFound { card, found_on: date(on) })
}

fn damaged(card: CardId, on: &str) -> Command {
    Command::ReportCardDamaged(ReportCardDamaged { card, reported_on: date(on) })
}

#[test]
fn an_authority_keeps_a_card_by_decision_and_gives_it_back() {
    let mut world = World::new();
    let (person, card) = holder(&mut world, "1990-05-05", "2021-09-10");
    world.when_by(HAI_PHONG_OFFICE, hold(card, "2022-01-10")).then_refused(&["hold_needs_decision"]);
    world.when(give_back(card, "2022-01-10")).then_refused(&["hold_needs_decision"]);
    let early = decided(&mut world, give_back(card, "2022-01-10"));
    world.when_envelope(HAI_PHONG_OFFICE, early).then_refused(&["card_not_held"]);
    let before_issue = decided(&mut world, hold(card, "2021-09-09"));
    world.when_envelope(HAI_PHONG_OFFICE, before_issue).then_refused(&["later_facts_exist"]);
    let tomorrow = decided(&mut world, hold(card, "2022-03-16"));
    world.when_envelope(HAI_PHONG_OFFICE, tomorrow).then_refused(&["date_in_future"]);
    // The facility is anywhere.
    let held = decided(&mut world, hold(card, "2022-01-10"));
    world.given_envelope(HAI_PHONG_OFFICE, held);
    assert_eq!(status(&world, card), CardStatus::Held);
    let twice = decided(&mut world, hold(card, "2022-01-10"));
    world.when_envelope(HAI_PHONG_OFFICE, twice).then_refused(&["card_not_in_use"]);
    let exchange = apply(person, ApplicationReason::OnRequest, "2022-02-01");
    world.when(exchange).then_refused(&["card_held"]);
    let returned = decided(&mut world, give_back(card, "2022-02-01"));
    world.given_envelope(HAI_PHONG_OFFICE, returned);
    assert_eq!(status(&world, card), CardStatus::Active);
}

#[test]
fn a_card_that_is_kept_ends_like_any_other() {
    let mut world = World::new();
    let (person, card) = holder(&mut world, "1999-06-01", "2021-09-10");
    let held = decided(&mut world, hold(card, "2022-01-10"));
    world.given_envelope(NATIONAL_OFFICE, held);
    world.open_day("2024-06-01");
    assert_eq!(status(&world, card), CardStatus::Held);
    world.open_day("2024-06-02");
    assert_eq!(status(&world, card), CardStatus::Expired);
    let late = decided(&mut world, give_back(card, "2024-06-02"));
    world.when_envelope(NATIONAL_OFFICE, late).then_refused(&["card_not_held"]);
    world.given(apply(person, ApplicationReason::AgeExchange, "2024-06-02"));
}

#[test]
fn a_found_card_serves_again_until_another_takes_its_place() {
    let mut world = World::new();
    let (person, card) = holder(&mut world, "1990-05-05", "2021-09-10");
    world.when(found(card, "2022-01-10")).then_refused(&["card_not_lost"]);
    world.given(lost(card, "2022-01-10"));
    world.when(found(card, "2022-01-09")).then_refused(&["later_facts_exist"]);
    let applied = world.given(apply(person, ApplicationReason::Lost, "2022-01-11"));
    world.given_by(HAI_PHONG_OFFICE, found(card, "2022-01-12"));
    assert_eq!(status(&world, card), CardStatus::Active);
    let next = produce(&mut world, &applied, "2022-01-15");
    let handed = world.given(hand_over(next, "2022-01-20"));
    assert_eq!(kinds(&handed), ["card_replaced", "card_handed_over"]);
    world.when(found(card, "2022-01-21")).then_refused(&["card_not_lost"]);
}

#[test]
fn a_damaged_card_is_out_of_use_until_it_is_replaced() {
    let mut world = World::new();
    let (person, card) = holder(&mut world, "1990-05-05", "2021-09-10");
    world.when_by(HAI_PHONG_OFFICE, damaged(card, "2022-01-10")).then_refused(&["not_competent"]);
    world.given_by(PHUC_XA_OFFICE, damaged(card, "2022-01-10"));
    assert_eq!(status(&world, card), CardStatus::Damaged);
    world.when(damaged(card, "2022-01-11")).then_refused(&["card_not_in_use"]);
    let held = decided(&mut world, hold(card, "2022-01-11"));
    world.when_envelope(NATIONAL_OFFICE, held).then_refused(&["card_not_in_use"]);
    world.when(lost(card, "2022-01-11")).accepted();
    issue(&mut world, apply(person, ApplicationReason::Damaged, "2022-01-12"), "2022-01-12");
    assert_eq!(status(&world, card), CardStatus::Replaced);
}

#[test]
fn nobody_is_in_custody_or_loses_a_card_after_death() {
    let mut world = World::new();
    let (person, card) = holder(&mut world, "1990-05-05", "2021-09-10");
    let death = |died: &str| {
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
    };
    let held = decided(&mut world, hold(card, "2022-01-10"));
    world.given_envelope(NATIONAL_OFFICE, held);
    world.when(death("2022-01-09")).then_refused(&["facts_after_death"]);
    world.given(death("2022-01-11"));
    assert_eq!(status(&world, card), CardStatus::HolderDead);
    let returned = decided(&mut world, give_back(card, "2022-01-12"));
    world.when_envelope(NATIONAL_OFFICE, returned).then_refused(&["card_not_held"]);
}
