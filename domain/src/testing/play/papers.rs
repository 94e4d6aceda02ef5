//! Moves that concern cards, dwellings, units and offices.

use super::Play;
use crate::testing::{BA_DINH, PHUC_XA, PHUC_XA_OFFICE, code, text};
use event_schemas::card::{
    ApplicationReason, CardStatus, DocumentKind, DossierStatus, HoldReason, WithdrawalReason,
};
use event_schemas::command::{
    ApplicationDecision, ApplyForCard, ChangeOfficeArea, Command, DecideCardApplication, EstablishUnits,
    HandOverCard, HoldCard, NewUnit, ProduceCard, RegisterDwelling, RegisterOffice, ReplaceCard,
    ReportCardDamaged, ReportCardFound, ReportCardLost, ReturnCard, WithdrawCard,
};
use event_schemas::ids::{CardId, DossierId, OfficeId, PersonId};
use event_schemas::person::PersonRef;
use event_schemas::place::{Area, DwellingKind, OfficeKind, UnitCode, UnitKind, UnitLevel};

impl Play<'_> {
    /// Mostly the one of the day.
    fn document(&self) -> DocumentKind {
        let is_new = self.today().year() >= 2025;
        match self.dice.place % 20 {
            19 => DocumentKind::IdentityCertificate,
            18 if is_new => DocumentKind::Cccd2021,
            18 => DocumentKind::CanCuoc2024,
            _ if is_new => DocumentKind::CanCuoc2024,
            _ => DocumentKind::Cccd2021,
        }
    }

    /// Mostly one that fits what became of the card; the others by turns, so that the registry has to judge.
    fn reason(&self, card: CardId) -> ApplicationReason {
        const TURNS: [ApplicationReason; 8] = [
            ApplicationReason::OnRequest,
            ApplicationReason::AgeExchange,
            ApplicationReason::InformationChanged,
            ApplicationReason::WrongData,
            ApplicationReason::UnitsRearranged,
            ApplicationReason::AppearanceChanged,
            ApplicationReason::PinReestablished,
            ApplicationReason::NationalityRegained,
        ];
        let in_turn = TURNS[usize::from(self.dice.whom / 7) % TURNS.len()];
        let Some(row) = self.registry.card(card) else {
            return if self.dice.whom % 13 == 12 { in_turn } else { ApplicationReason::FirstIssue };
        };
        let is = |status: CardStatus| row.status == status as u8;
        match self.dice.whom % 7 {
            6 => in_turn,
            _ if is(CardStatus::ReportedLost) => ApplicationReason::Lost,
            _ if is(CardStatus::Damaged) => ApplicationReason::Damaged,
            _ if is(CardStatus::Expired) => ApplicationReason::AgeExchange,
            _ if row.withdrawal() == Some(WithdrawalReason::NationalityLost) => {
                ApplicationReason::NationalityRegained
            }
            _ if is(CardStatus::Withdrawn) => ApplicationReason::FirstIssue,
            _ => in_turn,
        }
    }

    /// Somebody of age for whoever is not; seldom nobody.
    fn representative(&self, person: PersonId) -> Option<PersonRef> {
        let forgotten = self.dice.detail % 13 == 12;
        (!self.is_adult(person) && !forgotten).then(|| {
            let adult = self.person_who(self.dice.whom, |id| self.is_adult(id) && self.is_living(id));
            self.named(adult)
        })
    }

    /// What can be done next of some dossier or card, or what begins another.
    pub(super) fn pursue_cards(&self) -> Command {
        let has_dossier = |status: DossierStatus| {
            let dossier = self.registry.dossier(self.dossier_in(status));
            dossier.is_some_and(|row| row.status == status as u8)
        };
        let has_card = |status: CardStatus| {
            self.registry.card(self.card_in(status)).is_some_and(|row| row.status == status as u8)
        };
        let mut steps: Vec<fn(&Self) -> Command> = vec![Self::issue_pin, Self::apply_for_card];
        if has_dossier(DossierStatus::Received) {
            steps.extend([Self::decide_application as fn(&Self) -> Command; 2]);
        }
        if has_dossier(DossierStatus::Approved) {
            steps.extend([Self::produce_card as fn(&Self) -> Command; 3]);
        }
        if has_card(CardStatus::Produced) {
            steps.extend([Self::hand_over_card as fn(&Self) -> Command; 4]);
        }
        if has_card(CardStatus::Active) {
            let befalls: [fn(&Self) -> Command; 4] =
                [Self::report_lost, Self::report_damaged, Self::hold_card, Self::withdraw_card];
            steps.extend(befalls);
        }
        if has_card(CardStatus::Held) {
            steps.extend([Self::return_card as fn(&Self) -> Command; 2]);
        }
        if has_card(CardStatus::ReportedLost) {
            steps.extend([Self::report_found as fn(&Self) -> Command, Self::replace_card]);
        }
        steps[usize::from(self.dice.kind) % steps.len()](self)
    }

    pub(super) fn apply_for_card(&self) -> Command {
        let person = self.person_who(self.dice.who, |id| {
            self.registry
                .person(id)
                .is_some_and(|row| row.died == 0 && row.pin.get() != 0 && row.dossier == 0)
        });
        let card = CardId(self.registry.person(person).map_or(0, |row| row.card));
        Command::ApplyForCard(ApplyForCard {
            person: self.named(person),
            document: self.document(),
            reason: self.reason(card),
            representative: self.representative(person),
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
        let card = self.card_in(status);
        let holder = self.registry.card(card).and_then(|row| self.registry.dossier(DossierId(row.dossier)));
        Command::ReplaceCard(ReplaceCard {
            card,
            document: self.document(),
            reason: if lost { ApplicationReason::Lost } else { ApplicationReason::Damaged },
            representative: holder.and_then(|dossier| self.representative(PersonId(dossier.person))),
            received_at: code(self.unit()),
            received_on: self.day(),
        })
    }

    pub(super) fn withdraw_card(&self) -> Command {
        let is_produced = self.dice.detail.is_multiple_of(5);
        let card = self.card_in(if is_produced { CardStatus::Produced } else { CardStatus::Active });
        let reason = match self.dice.detail % 3 {
            0 => WithdrawalReason::IssuedWrongly,
            1 => WithdrawalReason::NationalityLost,
            _ => WithdrawalReason::Altered,
        };
        Command::WithdrawCard(WithdrawCard { card, reason, withdrawn_on: self.day() })
    }

    pub(super) fn hold_card(&self) -> Command {
        let card = self.card_in(CardStatus::Active);
        Command::HoldCard(HoldCard { card, reason: HoldReason::Detention, held_on: self.day() })
    }

    pub(super) fn return_card(&self) -> Command {
        let card = self.card_in(CardStatus::Held);
        Command::ReturnCard(ReturnCard { card, returned_on: self.day() })
    }

    pub(super) fn report_found(&self) -> Command {
        let card = self.card_in(CardStatus::ReportedLost);
        Command::ReportCardFound(ReportCardFound { card, found_on: self.day() })
    }

    pub(super) fn report_damaged(&self) -> Command {
        let card = self.card_in(CardStatus::Active);
        Command::ReportCardDamaged(ReportCardDamaged { card, reported_on: self.day() })
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
