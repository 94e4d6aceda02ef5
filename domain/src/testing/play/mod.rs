//! Commands made of random numbers: mostly ones that a rule can accept, among them some that none can. A player looks at the
//! state only to find somebody to speak of; what becomes of the command is for the rules to say.
//!
//! Layout: this file holds the dice and whom they choose; [`people`] enrolment, birth, death, names, numbers;
//! [`corrections`] edits of what is recorded; [`couples`] marriage and divorce; [`homes`] residence and households; [`numbers`] PINs in bulk, cancelled and
//! anew; [`papers`] units, offices, dwellings and cards.

pub mod corrections;
mod couples;
mod homes;
mod numbers;
mod papers;
mod people;

use super::{BA_DINH, BACH_LONG_VI, PHUC_XA, QUAN_TOAN, TRUC_BACH};
use super::{HAI_PHONG_OFFICE, NATIONAL_OFFICE, PHUC_XA_OFFICE, TRUC_BACH_OFFICE};
use crate::decide::OPERATOR;
use crate::registry::Registry;
use event_schemas::basis::{Basis, BasisKind};
use event_schemas::command::{Command, CommandEnvelope, PersonInHousehold, Succession};
use event_schemas::household::Relationship;
use event_schemas::ids::{CommandId, HouseholdId, OfficeId, OfficerId, PersonId};
use event_schemas::person::PersonRef;
use event_schemas::pin::Pin;
use event_schemas::time::{Date, PartialDate};

/// Numbers that decide what is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Dice {
    pub kind: u16,
    pub who: u16,
    pub whom: u16,
    pub place: u16,
    pub day: u16,
    pub detail: u16,
}

/// What a game is mostly about: matters of many steps, which seldom come to their end where everything is asked for alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Matter {
    /// Numbers and corrections in bulk.
    Operations,
    Cards,
    Corrections,
}

impl Matter {
    pub const ALL: [Self; 3] = [Self::Operations, Self::Cards, Self::Corrections];
}

/// A matter begins when there are so many.
const FEW_PERSONS: u32 = 8;
/// Who submits, by the dice's detail.
const OFFICES: [OfficeId; 7] = [
    OPERATOR,
    NATIONAL_OFFICE,
    OPERATOR,
    NATIONAL_OFFICE,
    PHUC_XA_OFFICE,
    TRUC_BACH_OFFICE,
    HAI_PHONG_OFFICE,
];

/// Persons and households that are spoken of: the last ones, so that a short game is about few people.
const POOL: u32 = 40;

/// One move of a game: the state and the dice.
pub struct Play<'a> {
    pub registry: &'a Registry,
    pub dice: Dice,
}

/// The office that submits, and its command.
pub fn command(registry: &Registry, dice: Dice) -> (OfficeId, CommandEnvelope) {
    let office = OFFICES[usize::from(dice.detail / 7) % OFFICES.len()];
    (office, envelope(registry, dice, Play { registry, dice }.command()))
}

/// The next step of a matter, mostly of the office that is competent for all of it.
pub fn pursue(matter: Matter, registry: &Registry, dice: Dice) -> (OfficeId, CommandEnvelope) {
    let play = Play { registry, dice };
    let command = match matter {
        _ if registry.head().persons.0 < FEW_PERSONS => play.enrol_household(),
        Matter::Operations => play.operate(),
        Matter::Cards => play.pursue_cards(),
        Matter::Corrections if dice.kind.is_multiple_of(2) => play.correct(),
        Matter::Corrections => play.correct_by_two(),
    };
    let office = if dice.place % 8 == 7 { PHUC_XA_OFFICE } else { NATIONAL_OFFICE };
    (office, envelope(registry, dice, command))
}

fn envelope(registry: &Registry, dice: Dice, command: Command) -> CommandEnvelope {
    let is_decided =
        matches!(command, Command::RegisterDivorce(_) | Command::HoldCard(_) | Command::ReturnCard(_));
    let by_court = dice.detail % 5 == 4 || is_decided && !dice.detail.is_multiple_of(5);
    let basis = match command {
        Command::OpenOperation(_)
        | Command::CancelPin(_)
        | Command::ReestablishPin(_)
        | Command::Correct(_)
        | Command::ProposeCorrection(_)
        | Command::StageCorrections(_)
        | Command::ApproveCorrection(_) => {
            Basis { number: Some(super::text("215/QĐ")), ..Basis::of(BasisKind::Agency) }
        }
        _ => Basis::of(if by_court { BasisKind::Court } else { BasisKind::Declaration }),
    };
    let rules = ["head_required", "head_without_capacity", "parent_too_young", "pin_disagrees"];
    CommandEnvelope {
        command_id: CommandId(u128::from(registry.head().lsn.0) + 1),
        expected_versions: Vec::new(),
        answer_by: None,
        dry_run: false,
        procedure: None,
        basis,
        overrides: if by_court { rules.iter().map(|rule| super::text(rule)).collect() } else { Vec::new() },
        command,
    }
}

/// One of two officers who act for whatever office.
pub fn officer(dice: Dice) -> OfficerId {
    OfficerId(1 + u32::from(dice.whom % 2))
}

impl Play<'_> {
    fn command(&self) -> Command {
        match self.dice.kind % 75 {
            0 | 1 => self.enrol_household(),
            2 => self.enrol_person(),
            3 | 4 => self.birth(),
            5 => self.death(),
            6 => self.change_name(),
            7 => self.clear_defect(),
            8 | 9 => self.move_whole(),
            10..=12 => self.move_into(),
            13 | 14 => self.move_to_new(),
            15..=17 => self.stay(),
            18 => self.end_stay(),
            19 => self.form(),
            20 | 21 => self.join(),
            22 | 23 => self.leave(),
            24 | 25 => self.split(),
            26 | 27 => self.merge(),
            28 | 29 => self.appoint(),
            30 => self.relate(),
            31 => self.issue_pin(),
            32 => self.accept_pin(),
            33 | 34 => self.apply_for_card(),
            35 | 36 => self.decide_application(),
            37 | 38 => self.produce_card(),
            39 | 40 => self.hand_over_card(),
            41 => self.report_lost(),
            42 | 43 => self.replace_card(),
            44 => self.withdraw_card(),
            45 => self.register_dwelling(),
            48..=50 => self.marry(),
            51 | 52 => self.divorce(),
            53 => self.death(),
            54 => self.hold_card(),
            55 => self.return_card(),
            56 => self.report_found(),
            57 => self.report_damaged(),
            58 => self.apply_for_card(),
            59..=66 => self.operate(),
            67 => self.cancel_pin(),
            68 => self.reestablish_pin(),
            69 | 70 => self.record_notices(),
            71..=73 => self.correct(),
            74 => self.correct_by_two(),
            _ => self.administer(),
        }
    }

    fn today(&self) -> Date {
        self.registry.head().date.expect("the genesis opens a day")
    }

    /// Mostly today; sometimes of late, sometimes long ago, sometimes tomorrow.
    fn day(&self) -> Date {
        let back = i32::from(self.dice.day);
        match back % 16 {
            0..=8 => self.today(),
            9..=12 => self.today().plus_days(-(back / 16 % 30)),
            13 | 14 => self.today().plus_days(-(back / 16 % 240)),
            _ if back % 64 == 15 => self.today().plus_days(1),
            _ => self.today(),
        }
    }

    /// A ward, an island district, seldom a place where nobody can live.
    fn unit(&self) -> &'static str {
        let units = [PHUC_XA, TRUC_BACH, QUAN_TOAN, PHUC_XA, TRUC_BACH, QUAN_TOAN, BACH_LONG_VI];
        if self.dice.place % 50 == 49 { BA_DINH } else { units[usize::from(self.dice.place) % units.len()] }
    }

    /// One of the last persons; seldom one who does not exist.
    fn person(&self, number: u16) -> PersonId {
        let last = self.registry.head().persons.0;
        if number % 97 == 96 {
            return PersonId(last + 7);
        }
        PersonId(last.saturating_sub(u32::from(number) % POOL).max(1))
    }

    /// One of the last persons who satisfy a condition, if there is one.
    fn person_who(&self, number: u16, suits: impl Fn(PersonId) -> bool) -> PersonId {
        let last = self.registry.head().persons.0;
        let suitable: Vec<PersonId> =
            (last.saturating_sub(POOL) + 1..=last).map(PersonId).filter(|id| suits(*id)).collect();
        match suitable.len() {
            0 => self.person(number),
            count => suitable[usize::from(number) % count],
        }
    }

    /// One of the last households, mostly one that exists still.
    fn household(&self, number: u16) -> HouseholdId {
        let last = self.registry.head().households.0;
        let open: Vec<HouseholdId> = (last.saturating_sub(POOL) + 1..=last)
            .map(HouseholdId)
            .filter(|id| self.registry.household(*id).is_some_and(|row| row.is_open()))
            .collect();
        match open.len() {
            0 => HouseholdId(1),
            _ if number % 41 == 40 => HouseholdId(u32::from(number) % (last + 2)),
            count => open[usize::from(number) % count],
        }
    }

    fn is_living(&self, person: PersonId) -> bool {
        self.registry.person(person).is_some_and(|row| row.died == 0)
    }

    fn household_of(&self, person: PersonId) -> HouseholdId {
        HouseholdId(self.registry.person(person).map_or(0, |row| row.household))
    }

    fn has_household(&self, person: PersonId) -> bool {
        self.household_of(person) != HouseholdId::NONE
    }

    fn is_adult(&self, person: PersonId) -> bool {
        let birth = self.registry.person(person).and_then(|row| PartialDate::from_packed(row.birth));
        birth.is_some_and(|birth| self.today().full_years_since(birth.latest()) >= 18)
    }

    fn permanent_members(&self, household: HouseholdId) -> Vec<PersonId> {
        self.registry.household(household).map_or_else(Vec::new, |row| row.permanent_members().collect())
    }

    /// By number, or by PIN.
    fn named(&self, person: PersonId) -> PersonRef {
        let pin = self.registry.person(person).map_or(0, |row| row.pin.get());
        match Pin::from_number(pin).filter(|pin| pin.number() != 0) {
            Some(pin) if self.dice.detail.is_multiple_of(3) => PersonRef::Pin(pin),
            _ => PersonRef::PersonId(person),
        }
    }

    fn relationship(&self, number: u16) -> Relationship {
        Relationship::ALL[1 + usize::from(number) % (Relationship::ALL.len() - 1)]
    }

    fn related(&self, persons: &[PersonId], head: Option<PersonId>) -> Vec<PersonInHousehold> {
        let relationship = |person: PersonId, number: usize| {
            if Some(person) == head {
                Relationship::Head
            } else {
                self.relationship(self.dice.detail.wrapping_add(number as u16))
            }
        };
        persons
            .iter()
            .enumerate()
            .map(|(number, &person)| PersonInHousehold {
                person: self.named(person),
                relationship: relationship(person, number),
            })
            .collect()
    }

    /// Successions for every household that these persons leave without a head; seldom forgotten.
    fn successions(&self, leaving: &[PersonId]) -> Vec<Succession> {
        let mut households: Vec<HouseholdId> = Vec::new();
        for &person in leaving {
            let household = self.household_of(person);
            if household != HouseholdId::NONE && !households.contains(&household) {
                households.push(household);
            }
        }
        let mut successions = Vec::new();
        for household in households {
            let staying: Vec<PersonId> = self
                .permanent_members(household)
                .into_iter()
                .filter(|member| !leaving.contains(member))
                .collect();
            let head = self.registry.household(household).map_or(0, |row| row.head);
            let loses_head = head != 0 && leaving.contains(&PersonId(head));
            let heir = staying.iter().copied().find(|member| self.is_adult(*member));
            if let Some(heir) = heir.filter(|_| loses_head && self.dice.detail % 11 != 10) {
                successions.push(self.succession(household, heir, &staying));
            }
        }
        successions
    }

    fn succession(&self, household: HouseholdId, head: PersonId, staying: &[PersonId]) -> Succession {
        let others: Vec<PersonId> = staying.iter().copied().filter(|member| *member != head).collect();
        Succession { household, head: self.named(head), relationships: self.related(&others, None) }
    }
}
