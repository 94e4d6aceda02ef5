//! Why a card is exchanged or issued again. A reason is judged by what the registry knows wherever it can know it: it says
//! who pays and what is counted, and an exchange on request stays open to everybody, so a reason that does not hold is
//! refused and never flagged.

use super::law::{Law, exchanged_from};
use super::{Deciding, document_of, status_of};
use crate::context::TimelineUnavailable;
use crate::refusal::Code;
use crate::registry::rows::{CardRow, NO_EXPIRY};
use event_schemas::card::{ApplicationReason, CardStatus, DocumentKind, WithdrawalReason};
use event_schemas::event::EventBody;
use event_schemas::ids::{CardId, DossierId, EventAddress, PersonId};
use event_schemas::row::{Aspect, RowRef, StreamRef};
use event_schemas::time::{Date, PartialDate};

/// Faults unless the reason holds on the day. Gives the card that the new one will replace.
pub(super) fn check_reason(
    d: &mut Deciding<'_>,
    person: PersonId,
    document: DocumentKind,
    reason: ApplicationReason,
    on: Date,
    field: &str,
) -> Option<CardId> {
    if !Law::on(on).knows(reason) {
        d.fault(Code::ReasonNotInLaw, field, &[&on]);
    }
    let id = CardId(d.row(person).card);
    let card = d.registry.card(id).filter(|card| counts_as(d, card, document));
    if reason == ApplicationReason::FirstIssue {
        check_first_issue(d, person, id, card, field);
        return None;
    }
    let Some(card) = card else {
        d.fault(Code::NoCardToReplace, field, &[&person]);
        return None;
    };
    if fits_status(d, id, card, person, reason, field) {
        check_by_registry(d, Exchange { person, id, card, on, field }, reason);
    }
    Some(id)
}

/// A certificate is no card, and a card no certificate: whoever has one and gets the other gets it for the first time.
fn counts_as(d: &Deciding<'_>, card: &CardRow, document: DocumentKind) -> bool {
    let is_certificate = |document| document == DocumentKind::IdentityCertificate;
    let dossier = d.registry.dossier(DossierId(card.dossier));
    dossier.is_some_and(|dossier| is_certificate(document_of(dossier)) == is_certificate(document))
}

/// A card that was withdrawn as wrong or altered leaves nothing to exchange.
fn check_first_issue(
    d: &mut Deciding<'_>,
    person: PersonId,
    id: CardId,
    card: Option<&CardRow>,
    field: &str,
) {
    let Some(card) = card else { return };
    match status_of(card) {
        CardStatus::Withdrawn if is_withdrawn_for_nationality(card) => {
            d.fault_with(Code::CardToReissue, field, &[&person, &id], RowRef::Card(id));
        }
        CardStatus::Withdrawn | CardStatus::Destroyed => {}
        _ => d.fault_with(Code::CardExists, field, &[&person, &id], RowRef::Card(id)),
    }
}

fn is_withdrawn_for_nationality(card: &CardRow) -> bool {
    card.withdrawal() == Some(WithdrawalReason::NationalityLost)
}

/// Whether a card in this status is exchanged or issued again for this reason; faults if not.
fn fits_status(
    d: &mut Deciding<'_>,
    id: CardId,
    card: &CardRow,
    person: PersonId,
    reason: ApplicationReason,
    field: &str,
) -> bool {
    use ApplicationReason::{Lost, NationalityRegained};
    let row = RowRef::Card(id);
    let code = match (status_of(card), reason) {
        (CardStatus::ReportedLost, Lost) => return true,
        (CardStatus::ReportedLost, _) => Code::CardLost,
        (_, Lost) => Code::CardNotLost,
        (CardStatus::Held, _) => Code::CardHeld,
        (CardStatus::Withdrawn, NationalityRegained) if is_withdrawn_for_nationality(card) => return true,
        (_, NationalityRegained) => Code::NationalityNotLost,
        (CardStatus::Active | CardStatus::Damaged | CardStatus::Expired, _) => return true,
        _ => {
            d.fault_with(Code::NoCardToReplace, field, &[&person], row);
            return false;
        }
    };
    d.fault_with(code, field, &[&id], row);
    false
}

/// A card that is to be exchanged, and when.
struct Exchange<'a> {
    person: PersonId,
    id: CardId,
    card: &'a CardRow,
    on: Date,
    field: &'a str,
}

/// Reasons of which the registry knows whether they hold. Of looks, damage and misprints it takes the office's word.
fn check_by_registry(d: &mut Deciding<'_>, exchange: Exchange<'_>, reason: ApplicationReason) {
    let Exchange { person, id, card, on, field } = exchange;
    let changed = match reason {
        ApplicationReason::AgeExchange => {
            check_age(d, &exchange);
            return;
        }
        ApplicationReason::PinReestablished => {
            if card.carries_number_of(d.row(person)) {
                d.fault_with(Code::NumberUnchanged, field, &[&id], RowRef::Card(id));
            }
            return;
        }
        ApplicationReason::InformationChanged => is_identity_changed(d, person, id),
        ApplicationReason::UnitsRearranged => are_units_rearranged(d, id, on),
        _ => return,
    };
    match changed {
        Ok(true) => {}
        Ok(false) if reason == ApplicationReason::UnitsRearranged => {
            d.fault_with(Code::UnitsUnchanged, field, &[&id], RowRef::Card(id));
        }
        Ok(false) => d.fault_with(Code::InformationUnchanged, field, &[&id], RowRef::Card(id)),
        Err(_) => d.fault(Code::HistoryUnavailable, field, &[]),
    }
}

fn check_age(d: &mut Deciding<'_>, exchange: &Exchange<'_>) {
    let Exchange { person, id, card, on, field } = *exchange;
    if status_of(card) == CardStatus::Expired {
        return;
    }
    if card.expires == NO_EXPIRY {
        d.fault_with(Code::CardWithoutLastDay, field, &[&id], RowRef::Card(id));
        return;
    }
    let Some(birth) = PartialDate::from_packed(d.row(person).birth) else { return };
    let from = exchanged_from(d.context.rules, birth, Date(card.expires));
    if on < from {
        d.fault_with(Code::AgeExchangeEarly, field, &[&id, &from], RowRef::Card(id));
    }
}

/// When a card was made, in the order of records and in the calendar.
fn made(d: &Deciding<'_>, card: CardId) -> Result<Option<(EventAddress, Date)>, TimelineUnavailable> {
    let recorded =
        d.context.timelines.stream(StreamRef { row: RowRef::Card(card), aspect: Aspect::Existence })?;
    Ok(recorded.into_iter().find_map(|(address, event)| match event.body {
        EventBody::CardProduced(_) => Some((address, event.effective_on.earliest())),
        _ => None,
    }))
}

/// Whether anything of the holder's identity was recorded after the card was made: what was known then is on the card,
/// whatever day it holds from.
fn is_identity_changed(
    d: &Deciding<'_>,
    person: PersonId,
    card: CardId,
) -> Result<bool, TimelineUnavailable> {
    let Some((made, _)) = made(d, card)? else { return Ok(false) };
    let identity = StreamRef { row: RowRef::Person(person), aspect: Aspect::Identity };
    let recorded = d.context.timelines.stream(identity)?;
    Ok(recorded.iter().any(|(address, _)| *address > made))
}

/// Whether any unit exists only since the card was made. Not which: a merger may put the holder's home under another
/// province, and the card may show other places than that.
fn are_units_rearranged(d: &Deciding<'_>, card: CardId, on: Date) -> Result<bool, TimelineUnavailable> {
    let Some((_, made_on)) = made(d, card)? else { return Ok(false) };
    Ok(d.registry.units().iter().any(|(_, row)| row.valid_from > made_on && row.valid_from <= on))
}
