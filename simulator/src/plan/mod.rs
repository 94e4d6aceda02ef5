//! What happens on a day. Everything is planned on the state of the evening before, and no two commands of a day concern the
//! same household, so that they may be submitted and answered in any order.

mod births;
mod cards;
mod civil;
mod couples;
mod deaths;
mod households;
mod residence;
mod wrong;

use crate::nation::{Nation, Todo};
use crate::rates::{Happening, Rates};
use crate::rng::{Purpose, Rng, stream};
use crate::store::{PersonIndex, State};

/// Streams of random numbers of one day: one for each happening, and these.
const STREAMS_PER_DAY: u64 = 64;
const CALENDAR_STREAM: u64 = 60;
const CAMPAIGN_STREAM: u64 = 61;
const WRONG_STREAM: u64 = 62;

impl Nation {
    /// Plans the commands of the day.
    pub(crate) fn plan_day(&mut self) {
        let today = self.today();
        self.store.expire_stays(today, self.day);
        self.keep_calendar();
        let living = self.options.persons;
        for happening in Rates::happenings() {
            let mut rng = self.day_stream(happening as u64);
            for _ in 0..self.rates.due(happening, living) {
                if !self.plan_happening(&mut rng, happening) {
                    break;
                }
                self.rates.done(happening);
            }
        }
        let mut rng = self.day_stream(CAMPAIGN_STREAM);
        self.plan_campaign_day(&mut rng);
        self.plan_office_areas();
        let mut rng = self.day_stream(WRONG_STREAM);
        self.plan_wrong_commands(&mut rng);
    }

    fn day_stream(&self, number: u64) -> Rng {
        let entity = u64::from(self.day) * STREAMS_PER_DAY + number;
        stream(self.options.seed, Purpose::Day, entity)
    }

    /// What was left for today; what cannot be done today is left for tomorrow.
    fn keep_calendar(&mut self) {
        let mut rng = self.day_stream(CALENDAR_STREAM);
        let due = std::mem::take(&mut self.calendar[usize::from(self.day)]);
        for todo in due {
            if !self.keep(&mut rng, todo) {
                self.later(1, todo);
            }
        }
    }

    /// Whether it is settled.
    fn keep(&mut self, rng: &mut Rng, todo: Todo) -> bool {
        match todo {
            Todo::FirstCard(person) => self.plan_first_card(rng, person),
            Todo::DecideDossier(dossier) => self.plan_decision(rng, dossier),
            Todo::ProduceCard(dossier) => self.plan_production(rng, dossier),
            Todo::HandOver(dossier) => self.plan_hand_over(dossier),
            Todo::ExpireCard(card) => {
                self.expire(rng, card);
                true
            }
            Todo::ExchangeCard(person) => self.plan_exchange(rng, person),
            Todo::ExchangeForName(person) => self.plan_exchange_for_name(rng, person),
            Todo::ReplaceCard(card) => self.plan_replacement(rng, card),
            Todo::FindCard(card) => self.plan_find(card),
            Todo::ReturnCard(card) => self.plan_return(card),
            Todo::RegainNationality(card) => self.plan_reissue(rng, card),
            Todo::FillVacancy(household) => self.plan_vacancy(rng, household),
            Todo::Rehome(person) => self.rehome(rng, person),
            Todo::IssuePin(person) => self.plan_pin_of_arrival(person),
            Todo::MoveToSpouse(person) => self.plan_move_to_spouse(rng, person),
            Todo::PosthumousBirth(mother) => {
                self.plan_posthumous_birth(rng, mother);
                true
            }
        }
    }

    fn rehome(&mut self, rng: &mut Rng, person: PersonIndex) -> bool {
        let row = self.store.person(person);
        if row.state != State::Alive || row.household != crate::store::NONE {
            return true;
        }
        self.is_free(person) && self.plan_rehoming(rng, person)
    }

    fn plan_happening(&mut self, rng: &mut Rng, happening: Happening) -> bool {
        match happening {
            Happening::Birth => self.plan_birth(rng),
            Happening::Foundling => self.plan_foundling(rng),
            Happening::Death => self.plan_any_death(rng),
            Happening::MoveHousehold => self.plan_move_of_household(rng),
            Happening::Marriage => self.plan_marriage(rng),
            Happening::OldMarriage => self.plan_old_marriage(rng),
            Happening::Divorce => self.plan_divorce(rng),
            Happening::MoveToNewHousehold => self.plan_move_out(rng),
            Happening::Arrival => self.plan_arrival(rng),
            Happening::ArrivalOfHousehold => self.plan_arrival_of_household(rng),
            Happening::Stay => self.plan_stay(rng),
            Happening::EndStay => self.plan_end_of_stay(rng),
            Happening::Form => self.plan_any_form(rng),
            Happening::Join => self.plan_any_join(rng),
            Happening::Leave => self.plan_leave(rng),
            Happening::Split => self.plan_split(rng),
            Happening::Merge => self.plan_merge(rng),
            Happening::AppointHead => self.plan_change_of_head(rng),
            Happening::ChangeRelationship => self.plan_change_of_relationship(rng),
            Happening::ChangeName => self.plan_change_of_name(rng),
            Happening::ClearDefect => self.plan_clear_defect(rng),
            Happening::Dwelling => self.plan_dwelling(rng),
            Happening::LateFirstCard => self.plan_late_first_card(rng),
            Happening::LoseCard => self.plan_loss(rng),
            Happening::DamageCard => self.plan_damage(rng),
            Happening::WithdrawCard => self.plan_withdrawal(rng),
            Happening::HoldCard => self.plan_hold(rng),
            Happening::EarlyExchange => self.plan_early_exchange(rng),
            Happening::RenewCard => self.plan_renewal(rng),
            Happening::ChildsCard => self.plan_childs_card(rng),
        }
    }
}
