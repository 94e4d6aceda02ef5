//! Decision, production, hand-over.

use super::law::{document_made, expiry};
use super::{Deciding, card_and_holder, document_of, dossier_and_applicant, status_of};
use crate::refusal::Code;
use event_schemas::card::{CardStatus, DossierStatus};
use event_schemas::command::{ApplicationDecision, DecideCardApplication, HandOverCard, ProduceCard};
use event_schemas::event::{
    CardHandedOver, CardProduced, CardReplaced, DossierApproved, DossierRefused, EventBody,
};
use event_schemas::ids::CardId;
use event_schemas::pin::Pin;
use event_schemas::row::RowRef;
use event_schemas::time::PartialDate;

pub(in crate::decide) fn decide_card_application(d: &mut Deciding<'_>, command: &DecideCardApplication) {
    let field = "command.decide_card_application.dossier";
    let (dossier, on) = (command.dossier, command.decided_on);
    d.check_not_future(on, "command.decide_card_application.decided_on");
    let Some((row, person)) = dossier_and_applicant(d, dossier, field) else { return };
    d.check_no_later(RowRef::Dossier(dossier), row.since, on, field);
    if row.status != DossierStatus::Received as u8 {
        d.fault_with(Code::DossierNotReceived, field, &[&dossier], RowRef::Dossier(dossier));
    }
    match &command.decision {
        ApplicationDecision::Approve => {
            d.emit(on, EventBody::DossierApproved(DossierApproved { dossier, person }));
        }
        ApplicationDecision::Refuse { reason } => {
            let reason = reason.clone();
            d.emit(on, EventBody::DossierRefused(DossierRefused { dossier, person, reason }));
        }
    }
}

pub(in crate::decide) fn produce_card(d: &mut Deciding<'_>, command: &ProduceCard) {
    let field = "command.produce_card.dossier";
    let (dossier, on) = (command.dossier, command.issued_on);
    d.check_not_future(on, "command.produce_card.issued_on");
    let Some((row, person)) = dossier_and_applicant(d, dossier, field) else { return };
    d.check_no_later(RowRef::Dossier(dossier), row.since, on, field);
    d.check_living(person, on, field);
    if row.status != DossierStatus::Approved as u8 {
        d.fault_with(Code::DossierNotApproved, field, &[&dossier], RowRef::Dossier(dossier));
    }
    // Whose card that is, is no business of this one's.
    if d.registry.lookups().card_by_serial(command.serial.as_str()).is_some() {
        d.fault(Code::SerialTaken, "command.produce_card.serial", &[&command.serial]);
    }
    let holder = d.row(person);
    let (Some(pin), Some(birth)) = (
        Pin::from_number(holder.pin.get()).filter(|pin| pin.number() > 0),
        PartialDate::from_packed(holder.birth),
    ) else {
        d.fault_with(Code::NoPin, field, &[&person], RowRef::Person(person));
        return;
    };
    let document = document_made(document_of(row), on);
    d.next_card = d.next_card.next();
    let produced = CardProduced {
        card: d.next_card,
        dossier,
        person,
        document,
        serial: command.serial.clone(),
        pin,
        expires_on: expiry(d.context.rules, document, birth, on),
    };
    d.emit(on, EventBody::CardProduced(produced));
}

/// The card that the holder had so far ends with it. A card whose number was cancelled meanwhile reaches nobody: it is
/// withdrawn as issued wrongly, and another application follows.
pub(in crate::decide) fn hand_over_card(d: &mut Deciding<'_>, command: &HandOverCard) {
    let field = "command.hand_over_card.card";
    let (card, on) = (command.card, command.handed_over_on);
    d.check_not_future(on, "command.hand_over_card.handed_over_on");
    let Some((row, person)) = card_and_holder(d, card, field) else { return };
    d.check_no_later(RowRef::Card(card), row.since, on, field);
    d.check_living(person, on, field);
    if !matches!(status_of(row), CardStatus::Produced | CardStatus::InTransit) {
        d.fault_with(Code::CardNotProduced, field, &[&card], RowRef::Card(card));
    } else if !row.carries_number_of(d.row(person)) {
        d.fault_with(Code::CardNumberCancelled, field, &[&card], RowRef::Card(card));
    }
    let former = CardId(d.row(person).card);
    if let Some(row) = d.registry.card(former) {
        // Whatever became of the former card later was judged with the new one not yet in use.
        d.check_no_later(RowRef::Card(former), row.since, on, field);
        if status_of(row).is_open() {
            d.emit(on, EventBody::CardReplaced(CardReplaced { card: former, person, by: card }));
        }
    }
    d.emit(on, EventBody::CardHandedOver(CardHandedOver { card, person }));
}
