//! Moves that concern cards, dwellings, units and offices.

use super::Play;
use crate::testing::{BA_DINH, PHUC_XA, PHUC_XA_OFFICE, code, text};
use event_schemas::card::{ApplicationReason, CardStatus, DocumentKind, DossierStatus, WithdrawalReason};
use event_schemas::command::{
    ApplicationDecision, ApplyForCard, ChangeOfficeArea, Command, DecideCardApplication, EstablishUnits,
    HandOverCard, NewUnit, ProduceCard, RegisterDwelling, RegisterOffice, ReplaceCard, ReportCardLost,
    WithdrawCard,
};
use event_schemas::ids::{CardId, DossierId, OfficeId};
use event_schemas::place::{Area, DwellingKind, OfficeKind, UnitCode, UnitKind, UnitLevel};

impl Play<'_> {
    fn document(&self) -> DocumentKind {
        match self.dice.place % 20 {
            19 => DocumentKind::CanCuoc2024,
            _ => DocumentKind::Cccd2021,
        }
    }

    pub(super) fn apply_for_card(&self) -> Command {
        let person = self.person_who(self.dice.who, |id| {
            self.registry
                .person(id)
                .is_some_and(|row| row.died == 0 && row.pin.get() != 0 && row.dossier == 0)
        });
        let has_card = self.registry.person(person).is_some_and(|row| row.card != 0);
        let again = if self.dice.detail.is_multiple_of(2) {
            ApplicationReason::AgeExchange
        } else {
            ApplicationReason::OnRequest
        };
        Command::ApplyForCard(ApplyForCard {
            person: self.named(person),
            document: self.document(),
            reason: if has_card { again } else { ApplicationReason::FirstIssue },
            received_at: code(self.unit()),
            received_on: self.day(),
        })
    }

    fn dossier_in(&self, status: DossierStatus) -> DossierId {
        let last = self.registry.head().dossiers.0;
        let found = (last.saturating_sub(super::POOL) + 1..=last)
            .rev()
            .map(DossierId)
            .find(|id| self.registry.dossier(*id).is_some_and(|row| row.status == status as u8));
        found.unwrap_or(DossierId(1 + u32::from(self.dice.who) % (last + 1)))
    }

    fn card_in(&self, status: CardStatus) -> CardId {
        let last = self.registry.head().cards.0;
        let found: Vec<CardId> = (last.saturating_sub(super::POOL) + 1..=last)
            .map(CardId)
            .filter(|id| self.registry.card(*id).is_some_and(|row| row.status == status as u8))
            .collect();
        match found.len() {
            0 => CardId(1 + u32::from(self.dice.who) % (last + 1)),
            // The newest one half of the time, so that a replacement comes to its end.
            count if self.dice.whom.is_multiple_of(2) => found[count - 1],
            count => found[usize::from(self.dice.who) % count],
        }
    }

    pub(super) fn decide_application(&self) -> Command {
        let decision = if self.dice.detail % 5 == 3 {
            ApplicationDecision::Refuse { reason: text("thiếu giấy tờ") }
        } else {
            ApplicationDecision::Approve
        };
        let dossier = self.dossier_in(DossierStatus::Received);
        Command::DecideCardApplication(DecideCardApplication { dossier, decision, decided_on: self.day() })
    }

    pub(super) fn produce_card(&self) -> Command {
        let number = if self.dice.detail % 29 == 28 { 1 } else { self.registry.head().cards.0 + 1 };
        Command::ProduceCard(ProduceCard {
            dossier: self.dossier_in(DossierStatus::Approved),
            serial: text(&format!("S{number:06}")),
            issued_on: self.day(),
        })
    }

    pub(super) fn hand_over_card(&self) -> Command {
        let card = self.card_in(CardStatus::Produced);
        Command::HandOverCard(HandOverCard { card, handed_over_on: self.day() })
    }

    pub(super) fn report_lost(&self) -> Command {
        let card = self.card_in(CardStatus::Active);
        Command::ReportCardLost(ReportCardLost { card, reported_on: self.day() })
    }

    pub(super) fn replace_card(&self) -> Command {
        let lost = self.dice.detail.is_multiple_of(2);
        let status = if lost { CardStatus::ReportedLost } else { CardStatus::Active };
        Command::ReplaceCard(ReplaceCard {
            card: self.card_in(status),
            document: self.document(),
            reason: if lost { ApplicationReason::Lost } else { ApplicationReason::Damaged },
            received_at: code(self.unit()),
            received_on: self.day(),
        })
    }

    pub(super) fn withdraw_card(&self) -> Command {
        let card = self.card_in(CardStatus::Active);
        let reason = WithdrawalReason::IssuedWrongly;
        Command::WithdrawCard(WithdrawCard { card, reason, withdrawn_on: self.day() })
    }

    pub(super) fn register_dwelling(&self) -> Command {
        Command::RegisterDwelling(RegisterDwelling {
            kind: DwellingKind::House,
            unit: code(self.unit()),
            address: text("Số 1"),
            effective_on: self.day(),
        })
    }

    /// Units and offices come and change seldom.
    pub(super) fn administer(&self) -> Command {
        let next_unit = 90_000 + self.registry.head().units.0;
        let next_office = OfficeId(1_000 + self.registry.head().lsn.0 as u32);
        match self.dice.detail % 3 {
            0 => Command::EstablishUnits(EstablishUnits {
                valid_from: self.day(),
                units: vec![NewUnit {
                    code: UnitCode::new(UnitLevel::Ward, next_unit).expect("five digits"),
                    name: text("Phường mới"),
                    kind: UnitKind::UrbanWard,
                    parent: (self.dice.whom % 10 != 9).then(|| code(BA_DINH)),
                }],
            }),
            1 => Command::RegisterOffice(RegisterOffice {
                office: next_office,
                name: text("Công an phường"),
                kind: OfficeKind::Commune,
                areas: vec![Area::Unit(code(self.unit()))],
                opened_on: self.day(),
            }),
            _ => Command::ChangeOfficeArea(ChangeOfficeArea {
                office: PHUC_XA_OFFICE,
                areas: vec![Area::Unit(code(PHUC_XA)), Area::Unit(code(self.unit()))],
                effective_on: self.day(),
            }),
        }
    }
}
