//! The driver: hands out what can be submitted now, takes the answers, moves on when a stage is answered.

use crate::effect::{Effect, apply};
use crate::enrolment::Progress;
use crate::ledger::Ledger;
use crate::nation::{Draft, Nation, basis};
use crate::options::{Options, OptionsError};
use crate::planned::*;
use crate::rates::Rates;
use crate::store::PersonIndex;
use crate::units::OPERATOR;
use event_schemas::CommandEnvelope;
use event_schemas::basis::BasisKind;
use event_schemas::command::Command;
use event_schemas::ids::CommandId;
use event_schemas::outcome::{Created, Outcome};
use event_schemas::place::UnitLevel;
use event_schemas::time::Date;
use std::collections::{BTreeMap, VecDeque};

/// Most commands that can be in flight (O1); beyond it `next_batch` hands out nothing.
pub const MAX_IN_FLIGHT: usize = 65_536;
/// Surprises kept in full; more are only counted.
pub const MAX_SURPRISES_KEPT: usize = 100;
/// Commands planned at once while people are enrolled.
const PLANNED_AHEAD: usize = 256;

/// Where the simulation stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Units and offices.
    Units,
    /// Households, then PINs, on the first day.
    Enrolment,
    /// A day of life.
    Day(Date),
    Done,
}

/// Commands of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Count {
    pub submitted: u64,
    pub accepted: u64,
    pub refused: u64,
}

/// What was submitted and answered so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By the command's stable name.
    pub by_kind: BTreeMap<&'static str, Count>,
    /// By what the command tells.
    pub by_tag: BTreeMap<&'static str, Count>,
    /// Faults by code.
    pub refusals: BTreeMap<String, u64>,
    pub submitted: u64,
    pub answered: u64,
    /// Answers that were not as expected.
    pub surprises: u64,
    /// The first of them, at most [`MAX_SURPRISES_KEPT`].
    pub first_surprises: Vec<Surprise>,
}

/// Stages are answered in full before the next begins: what a stage names was registered in an earlier one.
#[derive(Debug)]
enum Stage {
    Units(UnitLevel),
    Offices,
    Households(Progress),
    AcceptPins(PersonIndex),
    IssuePins(PersonIndex),
    Day,
    Done,
}

/// A command in flight.
#[derive(Debug)]
struct InFlight {
    effect: Effect,
    kind: &'static str,
    tag: &'static str,
    expect: Expectation,
    /// What an acceptance created, none for a refusal; absent until answered.
    answer: Option<Option<Created>>,
}

/// A synthetic nation.
#[derive(Debug)]
pub struct World {
    nation: Nation,
    stage: Stage,
    /// Whether the stage has planned all its commands.
    exhausted: bool,
    /// In the order of submission. Effects are written down in this order, whatever the order of answers, so that only the
    /// answers themselves decide what follows.
    in_flight: VecDeque<InFlight>,
    /// Number of the first command in flight.
    first: u64,
    /// Number of the next command.
    next: u64,
    tally: Tally,
}

impl World {
    /// A nation that nobody has registered yet.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        Ok(Self {
            nation: Nation::new(options)?,
            stage: Stage::Units(UnitLevel::Province),
            exhausted: false,
            in_flight: VecDeque::new(),
            first: 0,
            next: 0,
            tally: Tally::default(),
        })
    }

    pub fn phase(&self) -> Phase {
        match self.stage {
            Stage::Units(_) | Stage::Offices => Phase::Units,
            Stage::Households(_) | Stage::AcceptPins(_) | Stage::IssuePins(_) => Phase::Enrolment,
            Stage::Day => Phase::Day(self.nation.today()),
            Stage::Done => Phase::Done,
        }
    }

    /// The day on which the commands handed out last are submitted; a scripted clock must have reached it. It advances only
    /// when nothing is in flight, and a batch never holds commands of two days.
    pub fn current_date(&self) -> Date {
        self.nation.today()
    }

    /// Last day of the simulation.
    pub fn end_date(&self) -> Date {
        self.nation.date_of(self.nation.options.days())
    }

    /// What was submitted and answered.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The account of what is true.
    pub fn ledger(&self) -> Ledger<'_> {
        let nation = &self.nation;
        Ledger {
            store: &nation.store,
            units: &nation.units,
            names: &nation.names,
            start: nation.options.start_date,
        }
    }

    /// Commands handed out and not answered.
    pub fn in_flight(&self) -> u64 {
        self.tally.submitted - self.tally.answered
    }

    /// How many commands the whole run will have, about: for a progress bar.
    pub fn total_expected(&self) -> u64 {
        /// Units and offices.
        const ADMINISTRATION: u64 = 200;
        const MEAN_HOUSEHOLD: f64 = 3.6;
        const WITHOUT_PIN: f64 = 0.79;
        const OF_CARD_AGE: f64 = 0.76;
        const COMMANDS_PER_CARD: f64 = 3.96;
        let options = &self.nation.options;
        let persons = f64::from(options.persons);
        let cards = persons * OF_CARD_AGE * f64::from(options.card_share_percent) / 100.0;
        let enrolment = persons / MEAN_HOUSEHOLD + persons * WITHOUT_PIN;
        let life = Rates::new(options).estimate(options.persons, options.days());
        let about = ADMINISTRATION + (enrolment + cards * COMMANDS_PER_CARD) as u64 + life;
        match self.stage {
            Stage::Done => self.tally.submitted,
            _ => about.max(self.tally.submitted),
        }
    }

    /// The next commands, at most `max`. Empty while answers are awaited, and for ever once the phase is [`Phase::Done`].
    /// Commands of one batch, and all that are in flight together, may be submitted in any order.
    pub fn next_batch(&mut self, max: usize) -> Vec<Planned> {
        let room = MAX_IN_FLIGHT.saturating_sub(self.in_flight.len());
        let wanted = max.min(room);
        let mut batch = Vec::with_capacity(wanted.min(PLANNED_AHEAD));
        while batch.len() < wanted {
            if let Some(draft) = self.nation.drafts.pop_front() {
                batch.push(self.hand_out(draft));
            } else if !self.exhausted {
                self.plan_more();
            } else if batch.is_empty() && self.in_flight.is_empty() && self.phase() != Phase::Done {
                self.begin_next_stage();
            } else {
                break;
            }
        }
        batch
    }

    fn hand_out(&mut self, draft: Draft) -> Planned {
        let today = self.nation.today();
        let envelope = CommandEnvelope {
            command_id: command_id(self.nation.options.seed, today, self.next),
            expected_versions: draft.expected_versions,
            answer_by: None,
            dry_run: false,
            procedure: None,
            basis: basis(draft.basis, today),
            overrides: Vec::new(),
            command: draft.command,
        };
        let kind = envelope.command.name();
        self.next += 1;
        self.in_flight.push_back(InFlight {
            effect: draft.effect,
            kind,
            tag: draft.tag,
            expect: draft.expect,
            answer: None,
        });
        self.tally.submitted += 1;
        self.tally.by_kind.entry(kind).or_default().submitted += 1;
        self.tally.by_tag.entry(draft.tag).or_default().submitted += 1;
        Planned { office: draft.office, envelope, expect: draft.expect, tag: draft.tag }
    }

    /// Plans a bounded number of the stage's commands.
    fn plan_more(&mut self) {
        let nation = &mut self.nation;
        let mut more = true;
        match &mut self.stage {
            Stage::Units(level) => {
                let commands = nation.units.establish(*level);
                plan_administration(nation, commands, "unit.establish");
                more = false;
            }
            Stage::Offices => {
                let commands = nation.units.register_offices(nation.province);
                plan_administration(nation, commands, "office.register");
                more = false;
            }
            Stage::Households(progress) => {
                while more && nation.drafts.len() < PLANNED_AHEAD {
                    more = nation.enrol_next(progress);
                }
            }
            Stage::AcceptPins(cursor) => {
                while more && nation.drafts.len() < PLANNED_AHEAD {
                    more = nation.accept_next_pin(cursor);
                }
            }
            Stage::IssuePins(cursor) => {
                while more && nation.drafts.len() < PLANNED_AHEAD {
                    more = nation.issue_next_pin(cursor);
                }
            }
            Stage::Day => {
                nation.plan_day();
                more = false;
            }
            Stage::Done => more = false,
        }
        self.exhausted = !more;
    }

    fn begin_next_stage(&mut self) {
        self.exhausted = false;
        self.stage = match &self.stage {
            Stage::Units(UnitLevel::Province) => Stage::Units(UnitLevel::District),
            Stage::Units(UnitLevel::District) => Stage::Units(UnitLevel::Ward),
            Stage::Units(UnitLevel::Ward) => Stage::Offices,
            Stage::Offices => Stage::Households(Progress::default()),
            Stage::Households(_) => Stage::AcceptPins(0),
            Stage::AcceptPins(_) => Stage::IssuePins(0),
            Stage::IssuePins(_) | Stage::Day if self.nation.day < self.nation.options.days() => {
                self.nation.day += 1;
                Stage::Day
            }
            _ => Stage::Done,
        };
    }

    /// Takes an answer, in any order. Says whether it was expected.
    pub fn answer(&mut self, command_id: CommandId, outcome: &Outcome) -> Result<Judgement, AnswerError> {
        let number = sequence_of(command_id).wrapping_sub(self.first);
        let known = usize::try_from(number).ok().and_then(|place| self.in_flight.get_mut(place));
        let Some(command) = known else {
            return Err(AnswerError::NotInFlight(command_id));
        };
        if command.answer.is_some() {
            return Err(AnswerError::AnsweredTwice(command_id));
        }
        let (kind, tag, expect) = (command.kind, command.tag, command.expect);
        let mut codes = Vec::new();
        command.answer = Some(match outcome {
            Outcome::Accepted(acceptance) => Some(acceptance.created.clone()),
            Outcome::Refused(refusal) => {
                codes = refusal.faults.iter().map(|fault| fault.code.clone()).collect();
                None
            }
        });
        let accepted = matches!(outcome, Outcome::Accepted(_));
        self.count(kind, tag, accepted, &codes);
        self.write_down()?;
        Ok(self.judge(command_id, tag, expect, accepted, codes))
    }

    fn count(&mut self, kind: &'static str, tag: &'static str, accepted: bool, codes: &[String]) {
        self.tally.answered += 1;
        let kinds = self.tally.by_kind.entry(kind).or_default();
        let tags = self.tally.by_tag.entry(tag).or_default();
        for count in [kinds, tags] {
            count.accepted += u64::from(accepted);
            count.refused += u64::from(!accepted);
        }
        for code in codes {
            match self.tally.refusals.get_mut(code) {
                Some(count) => *count += 1,
                None => {
                    self.tally.refusals.insert(code.clone(), 1);
                }
            }
        }
    }

    fn judge(
        &mut self,
        command_id: CommandId,
        tag: &'static str,
        expected: Expectation,
        accepted: bool,
        codes: Vec<String>,
    ) -> Judgement {
        let as_expected = match expected {
            Expectation::Accepted => accepted,
            Expectation::RefusedWith(any) => codes.iter().any(|code| any.contains(&code.as_str())),
        };
        if as_expected {
            return Judgement::AsExpected;
        }
        let surprise = Surprise { command_id, tag, expected, codes };
        self.tally.surprises += 1;
        if self.tally.first_surprises.len() < MAX_SURPRISES_KEPT {
            self.tally.first_surprises.push(surprise.clone());
        }
        Judgement::Surprise(surprise)
    }

    /// Writes down what is answered, up to the first command that is not.
    fn write_down(&mut self) -> Result<(), AnswerError> {
        while let Some(InFlight { answer: Some(_), .. }) = self.in_flight.front() {
            let Some(command) = self.in_flight.pop_front() else {
                break;
            };
            let number = self.first;
            self.first += 1;
            let Some(Some(created)) = command.answer else {
                continue;
            };
            let nation = &mut self.nation;
            apply(&mut nation.store, command.effect, &created, nation.day).map_err(|missing| {
                AnswerError::NumberMissing {
                    command_id: command_id(nation.options.seed, nation.today(), number),
                    missing,
                }
            })?;
        }
        Ok(())
    }
}

fn plan_administration(nation: &mut Nation, commands: Vec<Command>, tag: &'static str) {
    for command in commands {
        nation.plan(OPERATOR, BasisKind::Agency, command, Effect::None, tag);
    }
}
