//! What becomes of a card after its hand-over: lost and found, damaged, held and returned, withdrawn.

use super::law::Law;
use super::{Deciding, card_and_holder, status_of};
use crate::refusal::Code;
use event_schemas::basis::BasisKind;
use event_schemas::card::CardStatus;
use event_schemas::command::{
    HoldCard, ReportCardDamaged, ReportCardFound, ReportCardLost, ReturnCard, WithdrawCard,
};
use event_schemas::event::{
    CardFound, CardHeld, CardReportedDamaged, CardReportedLost, CardReturned, CardWithdrawn, EventBody,
};
use event_schemas::ids::{CardId, PersonId};
use event_schemas::row::RowRef;
use event_schemas::time::Date;

/// A loss may be reported to any office.
pub(in crate::decide) fn report_card_lost(d: &mut Deciding<'_>, command: &ReportCardLost) {
    let (card, on) = (command.card, command.reported_on);
    d.check_not_future(on, "command.report_card_lost.reported_on");
    let in_use = [CardStatus::Active, CardStatus::Held, CardStatus::Damaged];
    let field = "command.report_card_lost.card";
    let Some(person) = card_in(d, card, &in_use, Code::CardNotInUse, on, field) else { return };
    d.emit(on, EventBody::CardReportedLost(CardReportedLost { card, person }));
}

/// The card is as good as before, until another takes its place: an application for one goes on.
pub(in crate::decide) fn report_card_found(d: &mut Deciding<'_>, command: &ReportCardFound) {
    let (card, on) = (command.card, command.found_on);
    d.check_not_future(on, "command.report_card_found.found_on");
    let lost = [CardStatus::ReportedLost];
    let field = "command.report_card_found.card";
    let Some(person) = card_in(d, card, &lost, Code::CardNotLost, on, field) else { return };
    d.emit(on, EventBody::CardFound(CardFound { card, person }));
}

pub(in crate::decide) fn report_card_damaged(d: &mut Deciding<'_>, command: &ReportCardDamaged) {
    let (card, on) = (command.card, command.reported_on);
    d.check_not_future(on, "command.report_card_damaged.reported_on");
    let in_use = [CardStatus::Active];
    let field = "command.report_card_damaged.card";
    let Some(person) = card_in(d, card, &in_use, Code::CardNotInUse, on, field) else { return };
    d.emit(on, EventBody::CardReportedDamaged(CardReportedDamaged { card, person }));
}

/// Wherever the facility is, and whoever runs it: what it needs is a decision.
pub(in crate::decide) fn hold_card(d: &mut Deciding<'_>, command: &HoldCard) {
    let (card, on, reason) = (command.card, command.held_on, command.reason);
    d.check_not_future(on, "command.hold_card.held_on");
    if !is_decided(d) {
        return;
    }
    let field = "command.hold_card.card";
    let in_use = [CardStatus::Active];
    let Some(person) = card_in(d, card, &in_use, Code::CardNotInUse, on, field) else { return };
    d.emit(on, EventBody::CardHeld(CardHeld { card, person, reason }));
}

pub(in crate::decide) fn return_card(d: &mut Deciding<'_>, command: &ReturnCard) {
    let (card, on) = (command.card, command.returned_on);
    d.check_not_future(on, "command.return_card.returned_on");
    if !is_decided(d) {
        return;
    }
    let held = [CardStatus::Held];
    let field = "command.return_card.card";
    let Some(person) = card_in(d, card, &held, Code::CardNotHeld, on, field) else { return };
    d.emit(on, EventBody::CardReturned(CardReturned { card, person }));
}

/// The law of 2014 withdraws for one reason; a card that never reached its holder can be called back for any.
pub(in crate::decide) fn withdraw_card(d: &mut Deciding<'_>, command: &WithdrawCard) {
    let field = "command.withdraw_card.card";
    let (card, on, reason) = (command.card, command.withdrawn_on, command.reason);
    d.check_not_future(on, "command.withdraw_card.withdrawn_on");
    let Some((row, person)) = card_and_holder(d, card, field) else { return };
    d.check_no_later(RowRef::Card(card), row.since, on, field);
    let status = status_of(row);
    if !status.is_open() {
        d.fault_with(Code::CardNotInUse, field, &[&card], RowRef::Card(card));
    }
    let is_with_holder = !matches!(status, CardStatus::Produced | CardStatus::InTransit);
    if is_with_holder && !Law::on(on).knows_withdrawal(reason) {
        d.fault(Code::ReasonNotInLaw, "command.withdraw_card.reason", &[&on]);
    }
    d.emit(on, EventBody::CardWithdrawn(CardWithdrawn { card, person, reason }));
}

/// The holder of a card that is in one of these statuses, with nothing later known of it.
fn card_in(
    d: &mut Deciding<'_>,
    card: CardId,
    statuses: &[CardStatus],
    otherwise: Code,
    on: Date,
    field: &str,
) -> Option<PersonId> {
    let (row, person) = card_and_holder(d, card, field)?;
    d.check_no_later(RowRef::Card(card), row.since, on, field);
    if !statuses.contains(&status_of(row)) {
        d.fault_with(otherwise, field, &[&card], RowRef::Card(card));
    }
    Some(person)
}

/// Any office may send these two, so whoever has no decision is told nothing else.
fn is_decided(d: &mut Deciding<'_>) -> bool {
    let decided = matches!(d.envelope.basis.kind, BasisKind::Court | BasisKind::Agency);
    if !decided {
        d.fault(Code::HoldNeedsDecision, "basis.kind", &[]);
    }
    decided
}
