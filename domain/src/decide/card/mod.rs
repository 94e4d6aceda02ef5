//! Cards, from application to withdrawal. The rules that were chosen, and why, stand in `docs/decisions/0008-cards.md`.
//!
//! Layout: [`law`] what the law says on a day; [`application`] who may apply for what; [`reason`] why a card is exchanged or
//! issued again; [`issue`] decision, production, hand-over; [`keeping`] what becomes of a card after that.

mod application;
mod issue;
mod keeping;
mod law;
mod reason;

pub(super) use application::{apply_for_card, replace_card};
pub(super) use issue::{decide_card_application, hand_over_card, produce_card};
pub(super) use keeping::{
    hold_card, report_card_damaged, report_card_found, report_card_lost, return_card, withdraw_card,
};

use super::deciding::Deciding;
use crate::refusal::Code;
use crate::registry::rows::{CardRow, DossierRow};
use event_schemas::card::{CardStatus, DocumentKind};
use event_schemas::ids::{CardId, DossierId, PersonId};

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

fn document_of(dossier: &DossierRow) -> DocumentKind {
    match dossier.document {
        0 => DocumentKind::Cccd2021,
        1 => DocumentKind::CanCuoc2024,
        _ => DocumentKind::IdentityCertificate,
    }
}
