//! Why a card gives way to another: Law 59/2014/QH13 Art. 21 and 23, Law 26/2023/QH15 Art. 21 and 24.

use super::{CARD_AGE, TO_REPLACEMENT};
use crate::effect::{Effect, document_of_day, is_new_law};
use crate::nation::{Nation, Todo};
use crate::rng::Rng;
use crate::store::*;
use event_schemas::basis::BasisKind;
use event_schemas::card::{ApplicationReason, CardStatus, WithdrawalReason};
use event_schemas::command::{ApplyForCard, Command, ReplaceCard};
use rand::Rng as _;

/// A card may be exchanged so long before its last day, for one that serves to the next age.
const EARLY_YEARS: i16 = 2;

impl Nation {
    /// A replacement for a lost or damaged card; whether this is settled. One that was found needs none.
    pub(crate) fn plan_replacement(&mut self, rng: &mut Rng, card: CardIndex) -> bool {
        let Card { status, person, .. } = self.store.cards[card as usize];
        let (reason, tag) = match status {
            CardStatus::ReportedLost => (ApplicationReason::Lost, "card.replace_lost"),
            CardStatus::Damaged => (ApplicationReason::Damaged, "card.replace_damaged"),
            _ => return true,
        };
        if !self.may_apply(person) {
            return true;
        }
        self.is_free(person) && self.plan_replace(rng, person, card, reason, tag)
    }

    pub(super) fn plan_replacement_of_damaged(
        &mut self,
        rng: &mut Rng,
        person: PersonIndex,
        card: CardIndex,
    ) -> bool {
        let reason = ApplicationReason::Damaged;
        self.may_apply(person) && self.plan_replace(rng, person, card, reason, "card.replace_damaged")
    }

    fn plan_replace(
        &mut self,
        rng: &mut Rng,
        person: PersonIndex,
        card: CardIndex,
        reason: ApplicationReason,
        tag: &'static str,
    ) -> bool {
        let Some(ward) = self.store.residence(person) else { return false };
        let dossier = self.open_dossier(rng, person);
        let command = Command::ReplaceCard(ReplaceCard {
            card: self.store.cards[card as usize].id,
            document: document_of_day(self.today()),
            reason,
            representative: None,
            received_at: self.ward_code(ward),
            received_on: self.today(),
        });
        let office = self.card_office_of(ward);
        self.plan(office, BasisKind::Declaration, command, Effect::Dossier { dossier }, tag);
        true
    }

    /// A card whose last day has passed leads its holder to the counter.
    pub(crate) fn expire(&mut self, rng: &mut Rng, card: CardIndex) {
        let today = self.today();
        self.store.expire_card(card, today, self.day);
        let row = &self.store.cards[card as usize];
        if row.status == CardStatus::Expired && self.store.is_alive(row.person) {
            let person = row.person;
            self.later(rng.random_range(TO_REPLACEMENT), Todo::ExchangeCard(person));
        }
    }

    /// An exchange after the last day; whether this is settled.
    pub(crate) fn plan_exchange(&mut self, rng: &mut Rng, person: PersonIndex) -> bool {
        let card = some(self.store.person(person).card);
        let expired = card.is_some_and(|card| self.store.cards[card as usize].status == CardStatus::Expired);
        if !expired || !self.may_apply(person) {
            return true;
        }
        if !self.is_free(person) {
            return false;
        }
        self.plan_application(rng, person, ApplicationReason::AgeExchange, "card.exchange");
        true
    }

    /// An exchange in the two years before an exchange age.
    pub(crate) fn plan_early_exchange(&mut self, rng: &mut Rng) -> bool {
        let today = self.today();
        let soon = |nation: &Self, person: PersonIndex, card: &Card| {
            let Some(last) = card.expires_on else { return false };
            let birth = nation.store.person(person).birth;
            let age_at_end = last.full_years_since(birth);
            today >= birth.plus_years(age_at_end - EARLY_YEARS) && nation.may_apply(person)
        };
        let Some((person, _)) = self.find_holder(rng, soon) else { return false };
        self.plan_application(rng, person, ApplicationReason::AgeExchange, "card.early_exchange");
        true
    }

    /// An exchange for looks, for a misprint, or because the holder wishes it.
    pub(crate) fn plan_renewal(&mut self, rng: &mut Rng) -> bool {
        let of_age = |nation: &Self, person: PersonIndex, _: &Card| nation.may_apply(person);
        let Some((person, _)) = self.find_holder(rng, of_age) else { return false };
        let (reason, tag) = match rng.random_range(0..3) {
            0 => (ApplicationReason::AppearanceChanged, "card.new_face"),
            1 => (ApplicationReason::WrongData, "card.misprint"),
            _ => (ApplicationReason::OnRequest, "card.on_request"),
        };
        self.plan_application(rng, person, reason, tag);
        true
    }

    /// The name on the card is an old one; whether this is settled.
    pub(crate) fn plan_exchange_for_name(&mut self, rng: &mut Rng, person: PersonIndex) -> bool {
        let row = self.store.person(person);
        let outdated = some(row.card).map(|card| &self.store.cards[card as usize]).is_some_and(|card| {
            card.status == CardStatus::Active && row.renamed != NEVER && card.made < row.renamed
        });
        if !outdated || !self.may_apply(person) {
            return true;
        }
        if !self.is_free(person) {
            return false;
        }
        self.plan_application(rng, person, ApplicationReason::InformationChanged, "card.new_name");
        true
    }

    /// Who regains the nationality gets a card again; whether this is settled.
    pub(crate) fn plan_reissue(&mut self, rng: &mut Rng, card: CardIndex) -> bool {
        let row = &self.store.cards[card as usize];
        let stands =
            row.status == CardStatus::Withdrawn && row.reason == Some(WithdrawalReason::NationalityLost);
        let person = row.person;
        if !stands || !self.may_apply(person) {
            return true;
        }
        if !self.is_free(person) {
            return false;
        }
        self.plan_application(rng, person, ApplicationReason::NationalityRegained, "card.regained");
        true
    }

    /// A parent gets a card for a child: Law 26/2023/QH15 Art. 19(2). Both live in one household, so no other command of the
    /// day concerns the parent.
    pub(crate) fn plan_childs_card(&mut self, rng: &mut Rng) -> bool {
        if !is_new_law(self.today()) {
            return false;
        }
        let today = self.today();
        let child = self.find_person(rng, |nation, person| {
            let row = nation.store.person(person);
            row.has_pin()
                && (row.card, row.dossier) == (NONE, NONE)
                && row.age(today) < CARD_AGE
                && nation.parent_at_home(person).is_some()
        });
        let Some((child, parent)) = child.and_then(|child| Some((child, self.parent_at_home(child)?))) else {
            return false;
        };
        let Some(ward) = self.store.residence(child) else { return false };
        let dossier = self.open_dossier(rng, child);
        let command = Command::ApplyForCard(ApplyForCard {
            person: self.name_person(rng, child),
            document: document_of_day(today),
            reason: ApplicationReason::FirstIssue,
            representative: Some(self.name_person(rng, parent)),
            received_at: self.ward_code(ward),
            received_on: today,
        });
        let office = self.card_office_of(ward);
        self.plan(office, BasisKind::Declaration, command, Effect::Dossier { dossier }, "card.child");
        true
    }

    /// A parent of age in the same household.
    fn parent_at_home(&self, child: PersonIndex) -> Option<PersonIndex> {
        let row = self.store.person(child);
        let fits = |parent: &PersonIndex| {
            let parent = self.store.person(*parent);
            parent.state == State::Alive
                && row.household != NONE
                && parent.household == row.household
                && parent.age(self.today()) >= AGE_OF_MAJORITY
        };
        [row.mother, row.father].into_iter().filter_map(some).find(fits)
    }
}
