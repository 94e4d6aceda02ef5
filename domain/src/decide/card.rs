//! Cards, from application to withdrawal. Ages and validity: Law 59/2014/QH13 Art. 19–21 until 2024-06-30, Law 26/2023/QH15
//! Art. 19–21 from 2024-07-01.

use super::deciding::Deciding;
use crate::refusal::Code;
use crate::registry::rows::{CardRow, DossierRow, FLAG_UNDETERMINED};
use event_schemas::card::{ApplicationReason, CardStatus, DocumentKind, DossierStatus};
use event_schemas::command::{
    ApplicationDecision, ApplyForCard, DecideCardApplication, HandOverCard, ProduceCard, ReplaceCard,
    ReportCardLost, WithdrawCard,
};
use event_schemas::event::{
    CardHandedOver, CardProduced, CardReplaced, CardReportedLost, CardWithdrawn, DossierApproved,
    DossierReceived, DossierRefused, EventBody,
};
use event_schemas::ids::{CardId, DossierId, PersonId};
use event_schemas::pin::Pin;
use event_schemas::place::UnitCode;
use event_schemas::row::{Aspect, RowRef, StreamRef};
use event_schemas::time::{Date, PartialDate};

/// Age from which a card is compulsory, and before 2024-07-01 possible.
const CARD_AGE_YEARS: i16 = 14;

/// First day on which Law 26/2023/QH15 is in force.
fn law_of_2023() -> Date {
    Date::new(2024, 7, 1).expect("a day of the calendar")
}

/// First day on which chip-based cards are issued (Circular 06/2021/TT-BCA).
fn first_chip_card() -> Date {
    Date::new(2021, 1, 23).expect("a day of the calendar")
}

/// Last day of a card issued on `issued_on`; none if it does not expire. A card issued within two years before an
/// exchange age is valid to the next one. Partial dates of birth count as late as they can be.
pub fn expiry(document: DocumentKind, birth: PartialDate, issued_on: Date) -> Option<Date> {
    let birthday = birth.latest();
    let age = issued_on.full_years_since(birthday);
    let exchange_age = match age {
        ..12 if document != DocumentKind::Cccd2021 => 14,
        ..23 => 25,
        23..38 => 40,
        38..58 => 60,
        58.. => return None,
    };
    Some(birthday.plus_years(exchange_age))
}

pub(super) fn apply_for_card(d: &mut Deciding<'_>, command: &ApplyForCard) {
    let field = "command.apply_for_card.person";
    d.check_not_future(command.received_on, "command.apply_for_card.received_on");
    let Some(person) = d.living_person(&command.person, command.received_on, field) else { return };
    let card = CardId(d.row(person).card);
    let open = d.registry.card(card).is_some_and(|card| status_of(card).is_open());
    let replaces = if command.reason == ApplicationReason::FirstIssue {
        if open {
            d.fault_with(Code::CardExists, field, &[&person, &card], RowRef::Card(card));
        }
        None
    } else {
        if card == CardId::NONE {
            d.fault(Code::NoCardToReplace, field, &[&person]);
        }
        card.some()
    };
    receive(
        d,
        person,
        command.document,
        command.reason,
        replaces,
        command.received_at,
        command.received_on,
        field,
    );
}

pub(super) fn replace_card(d: &mut Deciding<'_>, command: &ReplaceCard) {
    let field = "command.replace_card.card";
    d.check_not_future(command.received_on, "command.replace_card.received_on");
    let Some((card, person)) = card_and_holder(d, command.card, field) else { return };
    d.check_living(person, command.received_on, field);
    let status = status_of(card);
    if !matches!(
        status,
        CardStatus::Active | CardStatus::ReportedLost | CardStatus::Damaged | CardStatus::Expired
    ) || d.row(person).card != command.card.0
    {
        d.fault_with(Code::CardNotInUse, field, &[&command.card], RowRef::Card(command.card));
    }
    let lost = command.reason == ApplicationReason::Lost;
    if command.reason == ApplicationReason::FirstIssue || lost != (status == CardStatus::ReportedLost) {
        d.fault(Code::ReplacementReasonWrong, "command.replace_card.reason", &[]);
    }
    let replaces = Some(command.card);
    receive(
        d,
        person,
        command.document,
        command.reason,
        replaces,
        command.received_at,
        command.received_on,
        field,
    );
}

/// What holds for every application.
#[allow(
    clippy::too_many_arguments,
    reason = "an application has that many particulars, and two commands state them"
)]
fn receive(
    d: &mut Deciding<'_>,
    person: PersonId,
    document: DocumentKind,
    reason: ApplicationReason,
    replaces: Option<CardId>,
    received_at: UnitCode,
    received_on: Date,
    field: &str,
) {
    let row = d.row(person);
    let received_at = d.unit(received_at, received_on, "command.received_at");
    if row.pin.get() == 0 {
        d.fault_with(Code::NoPin, field, &[&person], RowRef::Person(person));
    }
    if let Some(dossier) = DossierId(row.dossier).some() {
        d.fault_with(Code::DossierOpen, field, &[&person, &dossier], RowRef::Dossier(dossier));
    }
    check_received_in_order(d, person, received_on, field);
    check_document(d, person, document, received_on, field);
    let Some(received_at) = received_at else { return };
    d.next_dossier = d.next_dossier.next();
    let dossier = d.next_dossier;
    let received = DossierReceived { dossier, person, document, reason, replaces, received_at };
    d.emit(received_on, EventBody::DossierReceived(received));
}

/// An application comes after all that is known of the card and of earlier applications. Rows forget an application that was
/// refused or closed, so the timeline is asked when this one was received on an earlier day than the opened one.
fn check_received_in_order(d: &mut Deciding<'_>, person: PersonId, received_on: Date, field: &str) {
    let row = d.row(person);
    let card = CardId(row.card);
    if let Some(known) = d.registry.card(card).filter(|known| known.since > received_on.0) {
        d.check_no_later(RowRef::Card(card), known.since, received_on, field);
        return;
    }
    if received_on >= d.today || row.dossier != 0 {
        return;
    }
    let of_person = RowRef::Person(person);
    let Ok(recorded) = d.context.timelines.stream(StreamRef { row: of_person, aspect: Aspect::Cards }) else {
        d.fault(Code::HistoryUnavailable, field, &[]);
        return;
    };
    let latest = recorded.iter().map(|(_, event)| event.effective_on.earliest().0).max();
    d.check_no_later(of_person, latest.unwrap_or(i32::MIN), received_on, field);
}

fn check_document(d: &mut Deciding<'_>, person: PersonId, document: DocumentKind, on: Date, field: &str) {
    let in_force = match document {
        DocumentKind::Cccd2021 => (first_chip_card()..law_of_2023()).contains(&on),
        DocumentKind::CanCuoc2024 | DocumentKind::IdentityCertificate => on >= law_of_2023(),
    };
    if !in_force {
        d.fault(Code::DocumentNotInForce, field, &[&on]);
    }
    let undetermined = d.row(person).flags & FLAG_UNDETERMINED != 0;
    let fits = match document {
        DocumentKind::IdentityCertificate => undetermined,
        DocumentKind::Cccd2021 | DocumentKind::CanCuoc2024 => d.is_vietnamese(person),
    };
    if !fits {
        d.fault_with(Code::DocumentNotForPerson, field, &[&person], RowRef::Person(person));
    }
    let birth = PartialDate::from_packed(d.row(person).birth);
    let too_young = birth.is_some_and(|birth| on.full_years_since(birth.latest()) < CARD_AGE_YEARS);
    if document == DocumentKind::Cccd2021 && too_young {
        d.fault_with(Code::TooYoungForCard, field, &[&person], RowRef::Person(person));
    }
}

pub(super) fn decide_card_application(d: &mut Deciding<'_>, command: &DecideCardApplication) {
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

pub(super) fn produce_card(d: &mut Deciding<'_>, command: &ProduceCard) {
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
    let document = document_of(row.document);
    d.next_card = d.next_card.next();
    let produced = CardProduced {
        card: d.next_card,
        dossier,
        person,
        document,
        serial: command.serial.clone(),
        pin,
        expires_on: expiry(document, birth, on),
    };
    d.emit(on, EventBody::CardProduced(produced));
}

pub(super) fn hand_over_card(d: &mut Deciding<'_>, command: &HandOverCard) {
    let field = "command.hand_over_card.card";
    let (card, on) = (command.card, command.handed_over_on);
    d.check_not_future(on, "command.hand_over_card.handed_over_on");
    let Some((row, person)) = card_and_holder(d, card, field) else { return };
    d.check_no_later(RowRef::Card(card), row.since, on, field);
    d.check_living(person, on, field);
    if !matches!(status_of(row), CardStatus::Produced | CardStatus::InTransit) {
        d.fault_with(Code::CardNotProduced, field, &[&card], RowRef::Card(card));
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

/// A loss may be reported to any office.
pub(super) fn report_card_lost(d: &mut Deciding<'_>, command: &ReportCardLost) {
    let field = "command.report_card_lost.card";
    let (card, on) = (command.card, command.reported_on);
    d.check_not_future(on, "command.report_card_lost.reported_on");
    let Some((row, person)) = card_and_holder(d, card, field) else { return };
    d.check_no_later(RowRef::Card(card), row.since, on, field);
    if !matches!(status_of(row), CardStatus::Active | CardStatus::Held | CardStatus::Damaged) {
        d.fault_with(Code::CardNotInUse, field, &[&card], RowRef::Card(card));
    }
    d.emit(on, EventBody::CardReportedLost(CardReportedLost { card, person }));
}

pub(super) fn withdraw_card(d: &mut Deciding<'_>, command: &WithdrawCard) {
    let field = "command.withdraw_card.card";
    let (card, on, reason) = (command.card, command.withdrawn_on, command.reason);
    d.check_not_future(on, "command.withdraw_card.withdrawn_on");
    let Some((row, person)) = card_and_holder(d, card, field) else { return };
    d.check_no_later(RowRef::Card(card), row.since, on, field);
    if !status_of(row).is_open() {
        d.fault_with(Code::CardNotInUse, field, &[&card], RowRef::Card(card));
    }
    d.emit(on, EventBody::CardWithdrawn(CardWithdrawn { card, person, reason }));
}

pub(super) fn card_and_holder<'a>(
    d: &mut Deciding<'a>,
    card: CardId,
    field: &str,
) -> Option<(&'a CardRow, PersonId)> {
    let registry = d.registry;
    let found = registry.card(card).and_then(|row| Some((row, registry.dossier(DossierId(row.dossier))?)));
    let Some((row, dossier)) = found else {
        d.fault(Code::UnknownCard, field, &[&card]);
        return None;
    };
    Some((row, PersonId(dossier.person)))
}

pub(super) fn dossier_and_applicant<'a>(
    d: &mut Deciding<'a>,
    dossier: DossierId,
    field: &str,
) -> Option<(&'a DossierRow, PersonId)> {
    let Some(row) = d.registry.dossier(dossier) else {
        d.fault(Code::UnknownDossier, field, &[&dossier]);
        return None;
    };
    let person = PersonId(row.person);
    Some((row, person))
}

fn status_of(card: &CardRow) -> CardStatus {
    CardStatus::ALL.get(usize::from(card.status)).copied().expect("a card's status is one of the list")
}

fn document_of(number: u8) -> DocumentKind {
    match number {
        0 => DocumentKind::Cccd2021,
        1 => DocumentKind::CanCuoc2024,
        _ => DocumentKind::IdentityCertificate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn validity_turns_on_the_exchange_ages() {
        let born = |text: &str| text.parse::<PartialDate>().unwrap();
        let last_day = |document, birth: &str, issued: &str| {
            expiry(document, born(birth), date(issued)).map_or("never".to_owned(), |date| date.to_string())
        };
        use DocumentKind::{CanCuoc2024, Cccd2021};
        assert_eq!(last_day(Cccd2021, "2000-03-14", "2023-03-13"), "2025-03-14");
        assert_eq!(last_day(Cccd2021, "2000-03-14", "2023-03-14"), "2040-03-14");
        assert_eq!(last_day(Cccd2021, "1985-06-01", "2023-05-31"), "2025-06-01");
        assert_eq!(last_day(Cccd2021, "1985-06-01", "2023-06-01"), "2045-06-01");
        assert_eq!(last_day(Cccd2021, "1965-06-01", "2023-05-31"), "2025-06-01");
        assert_eq!(last_day(Cccd2021, "1965-06-01", "2023-06-01"), "never");
        assert_eq!(last_day(CanCuoc2024, "2013-07-02", "2025-07-01"), "2027-07-02");
        assert_eq!(last_day(CanCuoc2024, "2013-07-02", "2025-07-02"), "2038-07-02");
        assert_eq!(last_day(Cccd2021, "1960-02-29", "2017-01-01"), "2020-02-29");
        assert_eq!(last_day(Cccd2021, "2000", "2021-03-01"), "2025-12-31");
    }
}
