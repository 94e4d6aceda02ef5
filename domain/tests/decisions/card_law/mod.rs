//! The law of cards in its time: given a card of some age, when it is exchanged, issued again, kept, found or withdrawn,
//! then these facts follow, or these faults stand against it.

mod ages;
mod keeping;
mod reasons;
#[path = "../../properties/saver.rs"]
mod saver;

use domain::testing::*;
use event_schemas::basis::{Basis, BasisKind};
use event_schemas::card::{ApplicationReason, CardStatus, DocumentKind};
use event_schemas::command::{
    ApplicationDecision, ApplyForCard, Command, CommandEnvelope, DecideCardApplication, HandOverCard,
    IssuePin, ProduceCard,
};
use event_schemas::ids::{CardId, DossierId, PersonId};
use event_schemas::outcome::Created;
use event_schemas::time::Date;

/// A citizen with PIN and residence.
fn citizen(world: &mut World, birth: &str) -> PersonId {
    let person = world.person(man(birth));
    world.resident(person, PHUC_XA, "2021-08-01");
    world.given(Command::IssuePin(IssuePin { person: id(person), birth_registered_at: None }));
    person
}

/// The document of the day.
fn document_on(day: Date) -> DocumentKind {
    if day < date("2024-07-01") { DocumentKind::Cccd2021 } else { DocumentKind::CanCuoc2024 }
}

fn application(person: PersonId, reason: ApplicationReason, on: &str) -> ApplyForCard {
    ApplyForCard {
        person: id(person),
        document: document_on(date(on)),
        reason,
        representative: None,
        received_at: code(PHUC_XA),
        received_on: date(on),
    }
}

fn apply(person: PersonId, reason: ApplicationReason, on: &str) -> Command {
    Command::ApplyForCard(application(person, reason, on))
}

/// From the application that was accepted to the finished card, on one day.
fn produce(world: &mut World, accepted: &domain::Accepted, on: &str) -> CardId {
    let dossier: DossierId = Created::by(&accepted.changes.events).dossiers[0];
    let decision = ApplicationDecision::Approve;
    world.given(Command::DecideCardApplication(DecideCardApplication {
        dossier,
        decision,
        decided_on: date(on),
    }));
    let serial = text(&format!("CHIP-{dossier}"));
    let produced = world.given(Command::ProduceCard(ProduceCard { dossier, serial, issued_on: date(on) }));
    Created::by(&produced.changes.events).cards[0]
}

fn hand_over(card: CardId, on: &str) -> Command {
    Command::HandOverCard(HandOverCard { card, handed_over_on: date(on) })
}

/// A card from application to hand-over, on one day.
fn issue(world: &mut World, command: Command, on: &str) -> CardId {
    let accepted = world.given(command);
    let card = produce(world, &accepted, on);
    world.given(hand_over(card, on));
    card
}

/// A citizen who was given the first card on a day.
fn holder(world: &mut World, birth: &str, on: &str) -> (PersonId, CardId) {
    let person = citizen(world, birth);
    let card = issue(world, apply(person, ApplicationReason::FirstIssue, on), on);
    (person, card)
}

fn status(world: &World, card: CardId) -> CardStatus {
    CardStatus::ALL[usize::from(world.registry.card(card).unwrap().status)]
}

fn last_day(world: &World, card: CardId) -> Date {
    Date(world.registry.card(card).unwrap().expires)
}

/// The command on the decision of an agency.
fn decided(world: &mut World, command: Command) -> CommandEnvelope {
    CommandEnvelope { basis: Basis::of(BasisKind::Agency), ..world.envelope(command) }
}

fn kinds(accepted: &domain::Accepted) -> Vec<&'static str> {
    accepted.changes.events.iter().map(|event| event.body.name()).collect()
}
