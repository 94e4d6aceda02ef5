//! Cards: the campaign, first cards later on, applications to hand-over. What becomes of a card after that is in
//! [`keeping`], why it is exchanged in [`exchange`].

mod exchange;
mod keeping;

use crate::effect::{Effect, document_of_day};
use crate::nation::{Nation, Todo};
use crate::rng::{Rng, mix, per_mille};
use crate::store::*;
use event_schemas::basis::BasisKind;
use event_schemas::card::{ApplicationReason, CardStatus, DossierStatus, WithdrawalReason};
use event_schemas::command::{
    ApplicationDecision, ApplyForCard, Command, DecideCardApplication, HandOverCard, ProduceCard,
};
use event_schemas::ids::CardId;
use event_schemas::text::Text;
use event_schemas::time::Date;
use rand::Rng as _;

/// Citizens get a card from 14: Law 59/2014/QH13 Art. 19.
pub(crate) const CARD_AGE: i16 = 14;
/// Applications refused by the authority, per mille.
const REFUSED: u32 = 15;
/// Length of the campaign: 1 March to 30 June 2021.
const CAMPAIGN_DAYS: u16 = 122;
/// Circular 60/2021/TT-BCA: two working days to the centre, three to decide and print, two to deliver.
const TO_DECISION: std::ops::Range<u16> = 1..4;
const TO_PRODUCTION: std::ops::Range<u16> = 1..5;
const TO_HAND_OVER: std::ops::Range<u16> = 2..6;
/// Until a lost, damaged, expired or outdated card leads its holder to the counter.
const TO_REPLACEMENT: std::ops::Range<u16> = 3..20;

impl Nation {
    /// Whether a person may apply: of age, with a PIN, without an application, resident somewhere.
    fn may_apply(&self, person: PersonIndex) -> bool {
        let row = self.store.person(person);
        row.state == State::Alive
            && row.has_pin()
            && row.dossier == NONE
            && row.age(self.today()) >= CARD_AGE
            && self.store.residence(person).is_some()
    }

    /// First and last day of the campaign in this run; nobody applies before it.
    fn campaign(&self) -> std::ops::Range<Day> {
        let opening = Date::new(2021, 3, 1).expect("this day exists");
        let first = (opening.0 - self.options.start_date.0).max(1) as Day;
        let days = CAMPAIGN_DAYS.min(self.options.days() / 3);
        first..first + days
    }

    /// Everybody's turn comes once in the campaign, scattered over it so that a family does not apply on one day.
    pub(crate) fn plan_campaign_day(&mut self, rng: &mut Rng) {
        let campaign = self.campaign();
        if !campaign.contains(&self.day) {
            return;
        }
        let persons = u64::from(self.options.persons);
        let stride = stride_for(persons);
        let share = u64::from(self.options.card_share_percent);
        let days = u64::from(campaign.end - campaign.start);
        let day = u64::from(self.day - campaign.start);
        for turn in persons * day / days..persons * (day + 1) / days {
            let person = (turn * stride % persons) as PersonIndex;
            let willing = mix(self.options.seed ^ u64::from(person)) % 100 < share;
            let row = self.store.person(person);
            if !willing || row.card != NONE || !self.may_apply(person) {
                continue;
            }
            if self.is_free(person) {
                self.plan_application(rng, person, ApplicationReason::FirstIssue, "card.campaign");
            } else {
                self.later(1, Todo::FirstCard(person));
            }
        }
    }

    /// A first card after the campaign or beside it; whether this is settled.
    pub(crate) fn plan_first_card(&mut self, rng: &mut Rng, person: PersonIndex) -> bool {
        if !self.may_apply(person) || self.has_card(person) {
            return true;
        }
        if !self.is_free(person) {
            return false;
        }
        self.plan_application(rng, person, ApplicationReason::FirstIssue, "card.first");
        true
    }

    /// Whether there is a card to be exchanged or issued again. One that was withdrawn as wrong or altered is none.
    fn has_card(&self, person: PersonIndex) -> bool {
        let card = some(self.store.person(person).card).map(|card| &self.store.cards[card as usize]);
        card.is_some_and(|card| {
            card.status != CardStatus::Withdrawn || card.reason == Some(WithdrawalReason::NationalityLost)
        })
    }

    pub(crate) fn plan_late_first_card(&mut self, rng: &mut Rng) -> bool {
        if self.day < self.campaign().start {
            return false;
        }
        let person = self.find_person(rng, |nation, person| {
            nation.store.person(person).card == NONE && nation.may_apply(person)
        });
        person.is_some_and(|person| self.plan_first_card(rng, person))
    }

    fn plan_application(
        &mut self,
        rng: &mut Rng,
        person: PersonIndex,
        reason: ApplicationReason,
        tag: &'static str,
    ) {
        let Some(ward) = self.store.residence(person) else { return };
        let dossier = self.open_dossier(rng, person);
        let command = Command::ApplyForCard(ApplyForCard {
            person: self.name_person(rng, person),
            document: document_of_day(self.today()),
            reason,
            representative: None,
            received_at: self.ward_code(ward),
            received_on: self.today(),
        });
        let effect = Effect::Dossier { dossier };
        let office = self.card_office_of(ward);
        self.plan(office, BasisKind::Declaration, command, effect, tag);
    }

    fn open_dossier(&mut self, rng: &mut Rng, person: PersonIndex) -> DossierIndex {
        self.claim(person);
        let dossier = self.store.dossiers.len() as DossierIndex;
        self.store.dossiers.push(Dossier {
            id: event_schemas::ids::DossierId::NONE,
            person,
            card: NONE,
            status: DossierStatus::Received,
        });
        self.later(rng.random_range(TO_DECISION), Todo::DecideDossier(dossier));
        dossier
    }

    /// Whether an application still stands, with its person free today. None: it is closed or was never received.
    fn dossier_free(&self, dossier: DossierIndex, status: DossierStatus) -> Option<bool> {
        let row = &self.store.dossiers[dossier as usize];
        let registered = row.id != event_schemas::ids::DossierId::NONE;
        let stands = registered && row.status == status && self.store.is_alive(row.person);
        stands.then(|| self.is_free(row.person))
    }

    /// The authority decides; whether this is settled.
    pub(crate) fn plan_decision(&mut self, rng: &mut Rng, dossier: DossierIndex) -> bool {
        match self.dossier_free(dossier, DossierStatus::Received) {
            None => return true,
            Some(false) => return false,
            Some(true) => {}
        }
        let row = &self.store.dossiers[dossier as usize];
        let (id, person) = (row.id, row.person);
        let approved = !per_mille(rng, REFUSED);
        self.claim(person);
        let command = Command::DecideCardApplication(DecideCardApplication {
            dossier: id,
            decision: match approved {
                true => ApplicationDecision::Approve,
                false => ApplicationDecision::Refuse {
                    reason: Text::new("Ảnh chân dung không đạt yêu cầu").expect("a short plain reason"),
                },
            },
            decided_on: self.today(),
        });
        if approved {
            self.later(rng.random_range(TO_PRODUCTION), Todo::ProduceCard(dossier));
        }
        let effect = Effect::Decided { dossier, approved };
        let tag = match approved {
            true => "card.approve",
            false => "card.refuse",
        };
        self.plan(self.national_office(), BasisKind::Agency, command, effect, tag);
        true
    }

    /// The card is made; whether this is settled.
    pub(crate) fn plan_production(&mut self, rng: &mut Rng, dossier: DossierIndex) -> bool {
        match self.dossier_free(dossier, DossierStatus::Approved) {
            None => return true,
            Some(false) => return false,
            Some(true) => {}
        }
        let row = &self.store.dossiers[dossier as usize];
        let (id, person) = (row.id, row.person);
        let card = self.store.cards.len() as CardIndex;
        self.store.cards.push(Card {
            id: CardId::NONE,
            person,
            status: CardStatus::Produced,
            expires_on: None,
            number: 0,
            made: NEVER,
            reason: None,
        });
        self.claim(person);
        let command = Command::ProduceCard(ProduceCard {
            dossier: id,
            serial: Text::new(&format!("SIM{:010}", card + 1)).expect("a serial is short and plain"),
            issued_on: self.today(),
        });
        self.later(rng.random_range(TO_HAND_OVER), Todo::HandOver(dossier));
        let effect = Effect::Produced { card, dossier, issued: self.today() };
        let office = self.national_office();
        self.plan(office, BasisKind::Agency, command, effect, "card.produce");
        true
    }

    /// The holder fetches the card; whether this is settled.
    pub(crate) fn plan_hand_over(&mut self, dossier: DossierIndex) -> bool {
        match self.dossier_free(dossier, DossierStatus::Produced) {
            None => return true,
            Some(false) => return false,
            Some(true) => {}
        }
        let row = &self.store.dossiers[dossier as usize];
        let (person, card) = (row.person, row.card);
        let held = &self.store.cards[card as usize];
        let (id, expires_on) = (held.id, held.expires_on);
        self.claim(person);
        if let Some(last) = expires_on {
            let days = last.0 + 1 - self.today().0;
            if let Ok(days) = u16::try_from(days) {
                self.later(days, Todo::ExpireCard(card));
            }
        }
        let command = Command::HandOverCard(HandOverCard { card: id, handed_over_on: self.today() });
        let effect = Effect::HandedOver { card, dossier };
        let office = self.card_office_of(self.store.last_ward(person));
        self.plan(office, BasisKind::Agency, command, effect, "card.hand_over");
        true
    }
}

/// A step that visits each of `persons` once and leaves neighbours, who are a family, as far apart in time as can be: near
/// the golden ratio of their number, and coprime with it.
fn stride_for(persons: u64) -> u64 {
    let golden = persons * 618 / 1_000;
    let coprime = |step: &u64| greatest_common_divisor(*step, persons) == 1;
    (golden.max(1)..persons).find(coprime).unwrap_or(1)
}

fn greatest_common_divisor(mut one: u64, mut other: u64) -> u64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn everybody_has_one_turn_far_from_the_neighbours() {
        for persons in [2_000, 4_001, 20_000] {
            let stride = stride_for(persons);
            let turns: Vec<u64> = (0..persons).map(|turn| turn * stride % persons).collect();
            assert_eq!(turns.iter().collect::<BTreeSet<_>>().len() as u64, persons);
            let mut turn_of = vec![0; persons as usize];
            for (turn, person) in turns.iter().enumerate() {
                turn_of[*person as usize] = turn as i64;
            }
            let near = turn_of.windows(2).filter(|pair| (pair[0] - pair[1]).unsigned_abs() < persons / 30);
            assert_eq!(near.count(), 0, "{persons} persons, step {stride}");
        }
    }
}
