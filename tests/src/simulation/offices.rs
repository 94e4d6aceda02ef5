//! Offices: they ask, repeat what got no answer, repeat what got one, use ids twice, try without effect.

use super::random::Random;
use crate::linearizability::History;
use command_service::Submitter;
use command_service::gateway::{Answer, CommandStatus, SubmitError};
use command_service::writer::{Request, Waiting};
use domain::Registry;
use domain::testing::play::{Dice, Matter, command, officer, pursue};
use domain::testing::{
    HAI_PHONG_OFFICE, NATIONAL_OFFICE, PHUC_XA_OFFICE, TRUC_BACH_OFFICE, UNITS, code, date, text,
};
use event_schemas::CommandEnvelope;
use event_schemas::basis::{Basis, BasisKind};
use event_schemas::command::{Command, EstablishUnits, ExpectedVersion, NewUnit, RegisterOffice};
use event_schemas::ids::{CommandId, OfficeId, OfficerId, PersonId, Version};
use event_schemas::outcome::Acceptance;
use event_schemas::place::{Area, OfficeKind, UnitKind};
use event_schemas::row::RowRef;
use event_schemas::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Questions that wait for their answers at once.
const MAX_OPEN: usize = 12;
/// Longest pause before a question is repeated, in steps.
const MAX_PAUSE_STEPS: u64 = 30;
/// Longest way between two nodes, in steps.
pub const MAX_WAY_STEPS: u64 = 4;

/// What an office wants.
#[derive(Clone, Debug)]
pub enum Wish {
    /// A command, until it has its outcome.
    Outcome(CommandEnvelope),
    /// The answer to a command that was accepted.
    SameAnswer(CommandEnvelope, Acceptance),
    /// Another command under an id that is taken.
    TakenId(CommandEnvelope),
    /// What became of a command.
    Status(CommandId),
}

impl Wish {
    /// The command that it may bring into the log.
    fn submits(&self) -> Option<CommandId> {
        match self {
            Self::Outcome(envelope) | Self::SameAnswer(envelope, _) if !envelope.dry_run => {
                Some(envelope.command_id)
            }
            _ => None,
        }
    }
}

/// One wish and what became of it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub submitter: Submitter,
    pub wish: Wish,
    not_before: u64,
    /// Its number in the history while it is put to a node.
    pub number: Option<usize>,
    /// The node that was asked and passed it on.
    through: Option<usize>,
}

/// What an office heard.
#[derive(Clone, Debug)]
pub enum Told {
    Command(Answer),
    Status(Result<CommandStatus, SubmitError>),
    /// The node died.
    Nothing,
}

type Heard = Arc<Mutex<Vec<(usize, Told)>>>;

/// All offices of a simulation.
pub struct Offices {
    random: Random,
    /// What they are mostly busy with, in some worlds.
    matter: Option<Matter>,
    open: Vec<Asked>,
    heard: Heard,
    /// Answers that come through another node, and when.
    under_way: Vec<(u64, usize, Told)>,
    next_command: u128,
    /// Commands of the beginning: units, offices.
    first: Vec<Command>,
    accepted: Vec<(Submitter, CommandEnvelope, Acceptance)>,
    pub counts: BTreeMap<&'static str, u64>,
    /// Commands that were recorded, by kind.
    pub recorded: BTreeMap<&'static str, u64>,
}

impl Offices {
    pub fn new(mut random: Random) -> Self {
        let matter = Matter::ALL.get(random.below(6) as usize).copied();
        let mut first = vec![establish_units()];
        first.extend(register_offices());
        first.reverse();
        Self {
            random,
            matter,
            open: Vec::new(),
            heard: Heard::default(),
            under_way: Vec::new(),
            next_command: 1,
            first,
            accepted: Vec::new(),
            counts: BTreeMap::new(),
            recorded: BTreeMap::new(),
        }
    }

    /// Whether every wish was met.
    pub fn are_content(&self) -> bool {
        self.open.is_empty()
    }

    /// What is asked and not answered, for a report.
    pub fn open(&self) -> &[Asked] {
        &self.open
    }

    /// Thinks of something new, at times. `registry` is what the log holds.
    pub fn wish(&mut self, registry: &Registry, now: Timestamp, step: u64) {
        let is_beginning = !self.first.is_empty();
        if self.open.len() >= MAX_OPEN || (is_beginning && !self.open.is_empty()) || !self.random.chance(350)
        {
            return;
        }
        let (submitter, wish) = match self.first.pop() {
            Some(first) => (operator(), Wish::Outcome(self.envelope(first))),
            None => self.think(registry, now),
        };
        self.open.push(Asked { submitter, wish, not_before: step, number: None, through: None });
    }

    fn think(&mut self, registry: &Registry, now: Timestamp) -> (Submitter, Wish) {
        if !self.accepted.is_empty() && self.random.chance(180) {
            let last = self.accepted.len() - 1;
            let is_young = self.random.chance(500);
            let place = if is_young { last } else { self.random.below(last as u64 + 1) as usize };
            let (submitter, envelope, acceptance) = self.accepted[place].clone();
            return match self.random.below(6) {
                0..=2 => (submitter, Wish::Status(envelope.command_id)),
                3 => {
                    // No game has this basis: the content is another.
                    let other = CommandEnvelope { basis: Basis::of(BasisKind::Witness), ..envelope };
                    (submitter, Wish::TakenId(other))
                }
                _ => (submitter, Wish::SameAnswer(envelope, acceptance)),
            };
        }
        let mut draw = || self.random.next() as u16;
        let dice =
            Dice { kind: draw(), who: draw(), whom: draw(), place: draw(), day: draw(), detail: draw() };
        let (office, envelope) = match self.matter.filter(|_| self.random.chance(700)) {
            Some(matter) => pursue(matter, registry, dice),
            None => command(registry, dice),
        };
        let mut envelope = CommandEnvelope { command_id: CommandId(self.next_command), ..envelope };
        self.next_command += 1;
        envelope.dry_run = self.random.chance(40);
        if self.random.chance(40) {
            let lead_us = self.random.below(3_600_000_000) as i64 - 600_000_000;
            envelope.answer_by = Some(Timestamp(now.0 + lead_us));
        }
        if self.random.chance(60) {
            let row = RowRef::Person(PersonId(1 + self.random.below(40) as u32));
            let (version, _) = registry.version(row);
            let stale = self.random.below(2) as u32;
            let version = Version(version.0.saturating_sub(stale));
            envelope.expected_versions.push(ExpectedVersion { row, version });
        }
        (Submitter { office, officer: officer(dice) }, Wish::Outcome(envelope))
    }

    fn envelope(&mut self, command: Command) -> CommandEnvelope {
        self.next_command += 1;
        CommandEnvelope {
            command_id: CommandId(self.next_command - 1),
            expected_versions: Vec::new(),
            answer_by: None,
            dry_run: false,
            procedure: None,
            basis: Basis::of(BasisKind::Declaration),
            overrides: Vec::new(),
            command,
        }
    }

    /// The next questions to put to some node, at most `room`; `through` another, which passes them on.
    pub fn ask(
        &mut self,
        history: &mut History,
        (room, through): (usize, Option<usize>),
        step: u64,
        now: Duration,
    ) -> Vec<Waiting> {
        let mut questions = Vec::new();
        for asked in &mut self.open {
            if questions.len() >= room || asked.number.is_some() || asked.not_before > step {
                continue;
            }
            let number = history.ask(asked.wish.submits());
            asked.number = Some(number);
            asked.through = through;
            let mut ear = Ear { number, heard: Arc::clone(&self.heard), has_heard: false };
            let request = match &asked.wish {
                Wish::Status(command_id) => Request::Status {
                    command_id: *command_id,
                    reply: Box::new(move |answer| ear.hear(Told::Status(answer))),
                },
                Wish::Outcome(envelope) | Wish::SameAnswer(envelope, _) | Wish::TakenId(envelope) => {
                    Request::Command {
                        envelope: Box::new(envelope.clone()),
                        reply: Box::new(move |told| ear.hear(Told::Command(told.answer))),
                    }
                }
            };
            questions.push(Waiting::new(asked.submitter, request, now));
        }
        questions
    }

    /// Answers that came since the last call, with what they answer. What was passed on comes back a little later, if the node that
    /// passed it on is still up.
    pub fn take_heard(&mut self, step: u64, is_up: impl Fn(usize) -> bool) -> Vec<(Asked, Told)> {
        let heard = std::mem::take(&mut *self.heard.lock().expect("a simulation has one thread"));
        for (number, told) in heard {
            let asked = self.open.iter().find(|asked| asked.number == Some(number));
            let is_passed_on = asked.is_some_and(|asked| asked.through.is_some());
            let delay = if is_passed_on { self.random.below(MAX_WAY_STEPS) } else { 0 };
            self.under_way.push((step + delay, number, told));
        }
        let (due, later) =
            std::mem::take(&mut self.under_way).into_iter().partition(|(due, ..)| *due <= step);
        self.under_way = later;
        let due: Vec<(u64, usize, Told)> = due;
        let mut answered = Vec::new();
        for (_, number, told) in due {
            let Some(place) = self.open.iter().position(|asked| asked.number == Some(number)) else {
                continue;
            };
            let asked = self.open.remove(place);
            let is_lost = asked.through.is_some_and(|node| !is_up(node) || self.random.chance(50));
            if is_lost {
                *self.counts.entry("answer_lost_on_its_way").or_default() += 1;
            } else if asked.through.is_some() {
                *self.counts.entry("answer_passed_on").or_default() += 1;
            }
            answered.push((asked, if is_lost { Told::Nothing } else { told }));
        }
        answered
    }

    /// Nobody answered: asks again later, anybody.
    pub fn repeat(&mut self, mut asked: Asked, step: u64) {
        *self.counts.entry("repeated_question").or_default() += 1;
        asked.number = None;
        asked.not_before = step + 1 + self.random.below(MAX_PAUSE_STEPS);
        self.open.push(asked);
    }

    /// Remembers an acceptance, to ask for it again.
    pub fn remember(&mut self, asked: &Asked, acceptance: &Acceptance) {
        if let Wish::Outcome(envelope) = &asked.wish {
            if !envelope.dry_run {
                *self.recorded.entry(envelope.command.name()).or_default() += 1;
            }
            self.accepted.push((asked.submitter, envelope.clone(), acceptance.clone()));
        }
    }
}

/// Hears one answer, or that there will be none.
struct Ear {
    number: usize,
    heard: Heard,
    has_heard: bool,
}

impl Ear {
    fn hear(&mut self, told: Told) {
        self.has_heard = true;
        self.heard.lock().expect("a simulation has one thread").push((self.number, told));
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        if !self.has_heard {
            self.hear(Told::Nothing);
        }
    }
}

pub fn operator() -> Submitter {
    Submitter { office: OfficeId(0), officer: OfficerId(1) }
}

fn establish_units() -> Command {
    let unit = |unit_code: &str, kind: UnitKind, parent: Option<&str>| NewUnit {
        code: code(unit_code),
        name: text(unit_code),
        kind,
        parent: parent.map(code),
    };
    let [ha_noi, ba_dinh, phuc_xa, truc_bach, hai_phong, hong_bang, quan_toan, bach_long_vi] =
        UNITS.map(|(unit_code, _)| unit_code);
    Command::EstablishUnits(EstablishUnits {
        valid_from: date("2004-07-08"),
        units: vec![
            unit(ha_noi, UnitKind::Municipality, None),
            unit(ba_dinh, UnitKind::UrbanDistrict, Some(ha_noi)),
            unit(phuc_xa, UnitKind::UrbanWard, Some(ba_dinh)),
            unit(truc_bach, UnitKind::UrbanWard, Some(ba_dinh)),
            unit(hai_phong, UnitKind::Municipality, None),
            unit(hong_bang, UnitKind::UrbanDistrict, Some(hai_phong)),
            unit(quan_toan, UnitKind::UrbanWard, Some(hong_bang)),
            unit(bach_long_vi, UnitKind::RuralDistrict, Some(hai_phong)),
        ],
    })
}

fn register_offices() -> impl Iterator<Item = Command> {
    let [_, _, (phuc_xa, _), (truc_bach, _), (hai_phong, _), ..] = UNITS;
    let offices = [
        (PHUC_XA_OFFICE, OfficeKind::Commune, Area::Unit(code(phuc_xa))),
        (TRUC_BACH_OFFICE, OfficeKind::Commune, Area::Unit(code(truc_bach))),
        (HAI_PHONG_OFFICE, OfficeKind::Province, Area::Unit(code(hai_phong))),
        (NATIONAL_OFFICE, OfficeKind::National, Area::Nation),
    ];
    offices.into_iter().map(|(office, kind, area)| {
        Command::RegisterOffice(RegisterOffice {
            office,
            name: text(&format!("office {}", office.0)),
            kind,
            areas: vec![area],
            opened_on: date("2021-07-01"),
        })
    })
}
