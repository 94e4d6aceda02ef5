//! What becomes of a card: lost and found, damaged, kept and given back, withdrawn.

use super::TO_REPLACEMENT;
use crate::effect::{Effect, is_new_law};
use crate::nation::{Nation, Todo};
use crate::rng::{Rng, per_mille};
use crate::store::*;
use event_schemas::basis::BasisKind;
use event_schemas::card::{CardStatus, HoldReason, WithdrawalReason};
use event_schemas::command::{
    Command, HoldCard, ReportCardDamaged, ReportCardFound, ReportCardLost, ReturnCard, WithdrawCard,
};
use rand::Rng as _;

/// Lost cards that turn up again, per mille.
const FOUND: u32 = 600;
const TO_FIND: std::ops::Range<u16> = 1..15;
/// Cards that are reported damaged before another is applied for, per mille; the others are told of with the application.
const REPORTED_DAMAGED: u32 = 750;
/// From some days in custody to months in a facility.
const IN_CUSTODY: std::ops::Range<u16> = 3..150;
/// Of those who lose the nationality, how many regain it, per mille.
const REGAINED: u32 = 500;
const TO_REGAIN: std::ops::Range<u16> = 30..120;

impl Nation {
    /// A holder of a valid card who is free and has no application open.
    pub(super) fn find_holder(
        &self,
        rng: &mut Rng,
        fits: impl Fn(&Self, PersonIndex, &Card) -> bool,
    ) -> Option<(PersonIndex, CardIndex)> {
        let person = self.find_person(rng, |nation, person| {
            let row = nation.store.person(person);
            let card = some(row.card).map(|card| &nation.store.cards[card as usize]);
            let valid =
                card.is_some_and(|card| card.status == CardStatus::Active && fits(nation, person, card));
            valid && row.dossier == NONE && nation.store.residence(person).is_some()
        })?;
        Some((person, self.store.person(person).card))
    }

    /// Plans what makes a card's status another.
    fn plan_status(
        &mut self,
        office: event_schemas::ids::OfficeId,
        basis: BasisKind,
        command: Command,
        card: CardIndex,
        status: CardStatus,
        tag: &'static str,
    ) {
        self.claim(self.store.cards[card as usize].person);
        self.plan(office, basis, command, Effect::CardStatus { card, status }, tag);
    }

    fn card_id(&self, card: CardIndex) -> event_schemas::ids::CardId {
        self.store.cards[card as usize].id
    }

    pub(crate) fn plan_loss(&mut self, rng: &mut Rng) -> bool {
        let Some((person, card)) = self.find_holder(rng, |_, _, _| true) else { return false };
        if per_mille(rng, FOUND) {
            self.later(rng.random_range(TO_FIND), Todo::FindCard(card));
        }
        self.later(rng.random_range(TO_REPLACEMENT), Todo::ReplaceCard(card));
        let (id, reported_on) = (self.card_id(card), self.today());
        let command = Command::ReportCardLost(ReportCardLost { card: id, reported_on });
        let office = self.card_office_of(self.store.last_ward(person));
        self.plan_status(
            office,
            BasisKind::Declaration,
            command,
            card,
            CardStatus::ReportedLost,
            "card.lost",
        );
        true
    }

    /// A lost card turns up, unless it was replaced or has ended; whether this is settled.
    pub(crate) fn plan_find(&mut self, card: CardIndex) -> bool {
        let Card { status, person, .. } = self.store.cards[card as usize];
        if status != CardStatus::ReportedLost || !self.store.is_alive(person) {
            return true;
        }
        if !self.is_free(person) {
            return false;
        }
        let (id, found_on) = (self.card_id(card), self.today());
        let command = Command::ReportCardFound(ReportCardFound { card: id, found_on });
        let office = self.office_of(self.store.last_ward(person));
        self.plan_status(office, BasisKind::Declaration, command, card, CardStatus::Active, "card.found");
        true
    }

    pub(crate) fn plan_damage(&mut self, rng: &mut Rng) -> bool {
        let Some((person, card)) = self.find_holder(rng, |_, _, _| true) else { return false };
        if !per_mille(rng, REPORTED_DAMAGED) {
            return self.plan_replacement_of_damaged(rng, person, card);
        }
        self.later(rng.random_range(TO_REPLACEMENT), Todo::ReplaceCard(card));
        let (id, reported_on) = (self.card_id(card), self.today());
        let command = Command::ReportCardDamaged(ReportCardDamaged { card: id, reported_on });
        let office = self.card_office_of(self.store.last_ward(person));
        self.plan_status(office, BasisKind::Declaration, command, card, CardStatus::Damaged, "card.damaged");
        true
    }

    /// Somebody is taken into custody, often far from home: the national office stands for the facility.
    pub(crate) fn plan_hold(&mut self, rng: &mut Rng) -> bool {
        let today = self.today();
        let of_age =
            |nation: &Self, person: PersonIndex, _: &Card| nation.store.person(person).age(today) >= 16;
        let Some((_, card)) = self.find_holder(rng, of_age) else { return false };
        let reasons = [
            HoldReason::ReformSchool,
            HoldReason::CompulsoryEducation,
            HoldReason::CompulsoryRehabilitation,
            HoldReason::Detention,
            HoldReason::Prison,
        ];
        let reason = reasons[rng.random_range(0..reasons.len())];
        self.later(rng.random_range(IN_CUSTODY), Todo::ReturnCard(card));
        let command = Command::HoldCard(HoldCard { card: self.card_id(card), reason, held_on: today });
        let office = self.national_office();
        self.plan_status(office, BasisKind::Court, command, card, CardStatus::Held, "card.hold");
        true
    }

    /// Custody ends; whether this is settled. A card that ended meanwhile is nobody's business any more.
    pub(crate) fn plan_return(&mut self, card: CardIndex) -> bool {
        let Card { status, person, .. } = self.store.cards[card as usize];
        if status != CardStatus::Held || !self.store.is_alive(person) {
            return true;
        }
        if !self.is_free(person) {
            return false;
        }
        let (id, returned_on) = (self.card_id(card), self.today());
        let command = Command::ReturnCard(ReturnCard { card: id, returned_on });
        let office = self.national_office();
        self.plan_status(office, BasisKind::Agency, command, card, CardStatus::Active, "card.return");
        true
    }

    /// Law 59/2014/QH13 Art. 28 withdraws with the nationality alone, Law 26/2023/QH15 Art. 29 also what was wrongly issued
    /// or altered.
    pub(crate) fn plan_withdrawal(&mut self, rng: &mut Rng) -> bool {
        let Some((person, card)) = self.find_holder(rng, |_, _, _| true) else { return false };
        let reason = match rng.random_range(0..10) {
            0..5 if is_new_law(self.today()) => WithdrawalReason::IssuedWrongly,
            5..8 if is_new_law(self.today()) => WithdrawalReason::Altered,
            _ => WithdrawalReason::NationalityLost,
        };
        match reason {
            WithdrawalReason::NationalityLost if per_mille(rng, REGAINED) => {
                self.later(rng.random_range(TO_REGAIN), Todo::RegainNationality(card));
            }
            WithdrawalReason::NationalityLost => {}
            _ => self.later(rng.random_range(TO_REPLACEMENT), Todo::FirstCard(person)),
        }
        self.claim(person);
        let (id, withdrawn_on) = (self.card_id(card), self.today());
        let command = Command::WithdrawCard(WithdrawCard { card: id, reason, withdrawn_on });
        let effect = Effect::Withdrawn { card, reason };
        self.plan(self.national_office(), BasisKind::Agency, command, effect, "card.withdraw");
        true
    }
}
