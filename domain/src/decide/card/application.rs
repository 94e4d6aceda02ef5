//! Applications: who may apply for what.

use super::law::{Law, is_in_force};
use super::reason::check_reason;
use super::{Deciding, card_and_holder};
use crate::refusal::Code;
use crate::registry::rows::FLAG_UNDETERMINED;
use event_schemas::card::{ApplicationReason, DocumentKind};
use event_schemas::command::{ApplyForCard, ReplaceCard};
use event_schemas::event::{DossierReceived, EventBody};
use event_schemas::ids::{CardId, DossierId, PersonId};
use event_schemas::person::{LegalCapacity, PersonRef};
use event_schemas::place::UnitCode;
use event_schemas::row::{Aspect, RowRef, StreamRef};
use event_schemas::time::{Date, PartialDate};

pub(in crate::decide) fn apply_for_card(d: &mut Deciding<'_>, command: &ApplyForCard) {
    let field = "command.apply_for_card.person";
    d.check_not_future(command.received_on, "command.apply_for_card.received_on");
    let Some(person) = d.living_person(&command.person, command.received_on, field) else { return };
    let application = Application {
        person,
        document: command.document,
        reason: command.reason,
        representative: command.representative.as_ref(),
        received_at: command.received_at,
        received_on: command.received_on,
        field,
    };
    application.receive(d);
}

/// The same, by a card: the one that the holder was handed last.
pub(in crate::decide) fn replace_card(d: &mut Deciding<'_>, command: &ReplaceCard) {
    let field = "command.replace_card.card";
    d.check_not_future(command.received_on, "command.replace_card.received_on");
    let Some((_, person)) = card_and_holder(d, command.card, field) else { return };
    d.check_living(person, command.received_on, field);
    if d.row(person).card != command.card.0 {
        d.fault_with(Code::CardNotInUse, field, &[&command.card], RowRef::Card(command.card));
        return;
    }
    if command.reason == ApplicationReason::FirstIssue {
        d.fault(Code::ReplacementReasonWrong, "command.replace_card.reason", &[]);
        return;
    }
    let application = Application {
        person,
        document: command.document,
        reason: command.reason,
        representative: command.representative.as_ref(),
        received_at: command.received_at,
        received_on: command.received_on,
        field,
    };
    application.receive(d);
}

/// What both commands state.
struct Application<'c> {
    person: PersonId,
    document: DocumentKind,
    reason: ApplicationReason,
    representative: Option<&'c PersonRef>,
    received_at: UnitCode,
    received_on: Date,
    field: &'static str,
}

impl Application<'_> {
    /// What holds for every application.
    fn receive(self, d: &mut Deciding<'_>) {
        let Self { person, document, reason, field, received_on, .. } = self;
        let row = d.row(person);
        let received_at = d.unit(self.received_at, received_on, "command.received_at");
        if row.pin.get() == 0 {
            d.fault_with(Code::NoPin, field, &[&person], RowRef::Person(person));
        }
        if let Some(dossier) = DossierId(row.dossier).some() {
            d.fault_with(Code::DossierOpen, field, &[&person, &dossier], RowRef::Dossier(dossier));
        }
        check_received_in_order(d, person, received_on, field);
        self.check_document(d);
        let representative = self.representative(d);
        let replaces = check_reason(d, person, document, reason, received_on, field);
        let Some(received_at) = received_at else { return };
        d.next_dossier = d.next_dossier.next();
        let dossier = d.next_dossier;
        let received =
            DossierReceived { dossier, person, document, reason, replaces, representative, received_at };
        d.emit(received_on, EventBody::DossierReceived(received));
    }

    fn check_document(&self, d: &mut Deciding<'_>) {
        let Self { person, document, received_on: on, field, .. } = *self;
        if !is_in_force(document, on) {
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
        let lowest = match document {
            DocumentKind::Cccd2021 => Law::Of2014.lowest_age_years(d.context.rules),
            DocumentKind::CanCuoc2024 | DocumentKind::IdentityCertificate => {
                Law::Of2023.lowest_age_years(d.context.rules)
            }
        };
        if age_of(d, person, on).is_some_and(|age| age < lowest) {
            d.fault_with(Code::TooYoungForCard, field, &[&person], RowRef::Person(person));
        }
    }

    /// Children below 14 and people without legal capacity do not apply themselves.
    fn representative(&self, d: &mut Deciding<'_>) -> Option<PersonId> {
        let field = "command.representative";
        let (person, on) = (self.person, self.received_on);
        let Some(reference) = self.representative else {
            let is_child =
                age_of(d, person, on).is_some_and(|age| age < d.context.rules.card_compulsory_age_years);
            if is_child && self.document != DocumentKind::Cccd2021
                || d.row(person).capacity == LegalCapacity::Lost as u8
            {
                d.fault(Code::RepresentativeRequired, field, &[&person]);
            }
            return None;
        };
        let representative = d.living_person(reference, on, field)?;
        if representative == person || !d.has_capacity(representative, on) {
            d.fault(Code::RepresentativeUnfit, field, &[&super::super::deciding::Named(reference)]);
        }
        Some(representative)
    }
}

/// Completed years on the day, as few as they can be.
fn age_of(d: &Deciding<'_>, person: PersonId, on: Date) -> Option<i16> {
    let birth = PartialDate::from_packed(d.row(person).birth);
    birth.map(|birth| on.full_years_since(birth.latest()))
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
