//! A laboratory for rules: *given* what came before, *when* a command is submitted, *then* these facts follow or these
//! faults stand against it.
//!
//! Layout: this file holds the [`World`] and what is said of a decision; [`people`] makes persons and households;
//! [`units`] a few real units and the offices of the tests; [`history`] what was recorded, and PINs; [`play`] random
//! commands.
//!
//! ```
//! use domain::testing::*;
//! use event_schemas::command::{Command, EndTemporaryResidence};
//!
//! let mut world = World::new();
//! let person = world.person(man("1980-05-01"));
//! world
//!     .when(Command::EndTemporaryResidence(EndTemporaryResidence {
//!         person: id(person),
//!         effective_on: date(TODAY),
//!     }))
//!     .then_refused(&["no_temporary_residence"]);
//! ```
//!
//! *Architecture invariant:* every accepted decision that passes through here is applied once more to a copy, and the copy
//! keeps its digest and breaks no invariant.

pub mod history;
pub mod people;
pub mod play;
pub mod units;

pub use history::{History, TestPins};
pub use people::{NewPersonOf, death_of, dies, id, man, woman};
pub use units::*;

use crate::context::Context;
use crate::decide::{Accepted, Decision, OPERATOR, decide, lapsed, touches_of};
use crate::invariants::violations;
use crate::refusal::Code;
use crate::registry::Registry;
use crate::rules::IN_FORCE;
use event_schemas::basis::{Basis, BasisKind};
use event_schemas::command::{ApproveCorrection, Command, CommandEnvelope, Correct, ProposeCorrection};
use event_schemas::correction::{CorrectionDigest, Edit, StatedFact};
use event_schemas::event::{Event, EventBody};
use event_schemas::guarded::Confidentiality;
use event_schemas::ids::{CommandId, EventAddress, KeyId, LogId, Lsn, OfficeId, OfficerId};
use event_schemas::outcome::Fault;
use event_schemas::place::{Place, UnitCode};
use event_schemas::record::{Changes, ClockKind, EntryBody, Genesis, Lapsed, Record};
use event_schemas::text::Text;
use event_schemas::time::{Date, PartialDate};

/// The first opened day of a world: Law 68/2020/QH14 is in force.
pub const TODAY: &str = "2022-03-15";

/// A registry with its history.
#[derive(Clone)]
pub struct World {
    pub registry: Registry,
    pub history: History,
    pub pins: TestPins,
    /// Who acts for the offices.
    pub officer: OfficerId,
    commands: u128,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// The genesis day, a few units and the offices of [`units`]; nobody lives there yet.
    pub fn new() -> Self {
        let mut world = Self::empty();
        world.given_events("2004-07-08", units::established());
        world.given_events("2021-07-01", units::offices());
        world
    }

    /// The genesis day and nothing else.
    pub fn empty() -> Self {
        let mut world = Self {
            registry: Registry::new(),
            history: History::default(),
            pins: TestPins::default(),
            officer: OfficerId(1),
            commands: 0,
        };
        world.record(EntryBody::Genesis(Genesis {
            log_id: LogId(1),
            clock: ClockKind::Scripted,
            draft: event_schemas::codec::DRAFT,
            date: date(TODAY),
            note: text("laboratory"),
        }));
        world
    }

    /// The opened day.
    pub fn today(&self) -> Date {
        self.registry.head().date.expect("the genesis opens a day")
    }

    /// Opens a later day, with all that lapses on it.
    #[track_caller]
    pub fn open_day(&mut self, day: &str) {
        let day = date(day);
        assert!(day > self.today(), "days are opened in order");
        self.record(EntryBody::DayOpened { date: day });
        while self.registry.head().day_pending {
            let part = lapsed(&self.registry).unwrap_or(Lapsed {
                date: day,
                last: true,
                changes: Changes::default(),
            });
            self.record(EntryBody::Lapsed(part));
        }
    }

    /// Takes facts for granted: one record that no command gave rise to.
    pub fn given_events(&mut self, on: &str, bodies: impl IntoIterator<Item = EventBody>) {
        self.given_dated(bodies.into_iter().map(|body| (on, body)));
    }

    /// Takes facts of different days for granted, in one record.
    pub fn given_dated<'d>(&mut self, bodies: impl IntoIterator<Item = (&'d str, EventBody)>) {
        let events: Vec<Event> = bodies
            .into_iter()
            .map(|(on, body)| Event {
                effective_on: partial(on),
                basis: 0,
                class: Confidentiality::Basic,
                key_id: KeyId::NONE,
                body,
            })
            .collect();
        let changes = Changes {
            bases: vec![Basis::of(BasisKind::Form)],
            rows: touches_of(&self.registry, &events),
            events,
            restatements: Vec::new(),
        };
        let date = self.today();
        self.record(EntryBody::Lapsed(Lapsed { date, last: true, changes }));
    }

    /// The operator's command is accepted and applied.
    #[track_caller]
    pub fn given(&mut self, command: Command) -> Accepted {
        self.given_by(OPERATOR, command)
    }

    /// An office's command is accepted and applied.
    #[track_caller]
    pub fn given_by(&mut self, office: OfficeId, command: Command) -> Accepted {
        let envelope = self.envelope(command);
        self.given_envelope(office, envelope)
    }

    /// A command with its envelope is accepted and applied.
    #[track_caller]
    pub fn given_envelope(&mut self, office: OfficeId, envelope: CommandEnvelope) -> Accepted {
        match self.submit(office, envelope) {
            Decision::Accepted(accepted) => accepted,
            Decision::Refused(faults) => panic!("refused: {}", told(&faults)),
        }
    }

    /// What the operator's command would lead to.
    pub fn when(&mut self, command: Command) -> Then {
        self.when_by(OPERATOR, command)
    }

    /// What an office's command would lead to.
    pub fn when_by(&mut self, office: OfficeId, command: Command) -> Then {
        let envelope = self.envelope(command);
        self.when_envelope(office, envelope)
    }

    /// What a command with its envelope would lead to.
    pub fn when_envelope(&mut self, office: OfficeId, envelope: CommandEnvelope) -> Then {
        let mut copy = self.clone();
        let decision = copy.submit(office, envelope);
        Then { decision, world: copy }
    }

    /// Decides and, if accepted, applies. The harness checks what must hold of every decision.
    pub fn submit(&mut self, office: OfficeId, envelope: CommandEnvelope) -> Decision {
        let context = Context {
            lsn: self.registry.head().lsn.next(),
            recorded_at: self.history.next_time(self.today()),
            rules: &IN_FORCE,
            office,
            officer: self.officer,
            pins: &self.pins,
            timelines: &self.history,
        };
        let decision = decide(&self.registry, &envelope, &context);
        assert_eq!(
            decide(&self.registry, &envelope, &context),
            decision,
            "the same state and command give the same decision (W4)"
        );
        match &decision {
            Decision::Accepted(accepted) => {
                let record = Record {
                    office,
                    officer: context.officer,
                    rules: IN_FORCE.revision,
                    command: envelope,
                    changes: accepted.changes.clone(),
                };
                self.record(EntryBody::Record(Box::new(record)));
                self.check();
            }
            Decision::Refused(faults) => assert!(!faults.is_empty(), "a refusal says why"),
        }
        decision
    }

    /// A command with a declaration as its basis.
    pub fn envelope(&mut self, command: Command) -> CommandEnvelope {
        self.commands += 1;
        CommandEnvelope {
            command_id: CommandId(self.commands),
            expected_versions: Vec::new(),
            answer_by: None,
            dry_run: false,
            procedure: None,
            basis: Basis::of(BasisKind::Declaration),
            overrides: Vec::new(),
            command,
        }
    }

    /// A command on the basis of a court that overrides rules.
    pub fn by_court(&mut self, overrides: &[&str], command: Command) -> CommandEnvelope {
        CommandEnvelope {
            basis: Basis::of(BasisKind::Court),
            overrides: overrides.iter().map(|rule| text(rule)).collect(),
            ..self.envelope(command)
        }
    }

    /// A correction on the basis of an agency's numbered decision.
    pub fn correction(&mut self, edits: Vec<Edit>) -> CommandEnvelope {
        let reason = text("found wrong in the register");
        self.decided(Command::Correct(Correct { edits, reason, expects_digest: None }))
    }

    /// A correction by an office, made by two officers where policy asks for two.
    pub fn submit_correction(&mut self, office: OfficeId, edits: Vec<Edit>) -> Decision {
        let envelope = self.correction(edits.clone());
        let decision = self.submit(office, envelope);
        let Decision::Refused(faults) = &decision else { return decision };
        if faults.iter().any(|fault| fault.code != Code::ApprovalRequired.as_str()) {
            return decision;
        }
        let proposal = self.proposal(edits);
        self.given_envelope(office, proposal);
        let officer = self.officer;
        self.officer = OfficerId(officer.0 + 1);
        let approval = self.approval();
        let decision = self.submit(office, approval);
        self.officer = officer;
        decision
    }

    /// A correction for another officer to approve.
    pub fn proposal(&mut self, edits: Vec<Edit>) -> CommandEnvelope {
        let reason = text("found wrong in the register");
        let correction = Correct { edits, reason, expects_digest: None };
        self.decided(Command::ProposeCorrection(ProposeCorrection { correction }))
    }

    /// The approval of the last proposal.
    pub fn approval(&mut self) -> CommandEnvelope {
        let (operation, row) = self.registry.operations().last().expect("something was proposed");
        let digest = CorrectionDigest(row.digest.0);
        self.decided(Command::ApproveCorrection(ApproveCorrection { operation, digest }))
    }

    /// A command on the basis of an agency's numbered decision.
    pub fn decided(&mut self, command: Command) -> CommandEnvelope {
        let basis = Basis { number: Some(text("12/QĐ-UBND")), ..Basis::of(BasisKind::Agency) };
        CommandEnvelope { basis, ..self.envelope(command) }
    }

    /// Where the last such fact stands.
    ///
    /// # Panics
    /// If there is none.
    pub fn address_of(&self, suits: impl Fn(&EventBody) -> bool) -> EventAddress {
        let found = self.history.events().filter(|(_, event)| suits(&event.body)).last();
        found.expect("the laboratory has recorded such a fact").0
    }

    /// Applies an entry as the log would admit it.
    pub fn record(&mut self, body: EntryBody) -> Lsn {
        let today = match &body {
            EntryBody::Genesis(genesis) => genesis.date,
            EntryBody::DayOpened { date } => *date,
            _ => self.today(),
        };
        let entry = self.history.append(today, body);
        self.registry.apply_entry(&entry);
        entry.lsn
    }

    /// What must hold after every record.
    pub fn check(&self) {
        assert_eq!(
            self.registry.recompute_digest(),
            self.registry.head().digest,
            "the kept digest is the sum over all rows"
        );
        let found = violations(&self.registry);
        assert!(found.is_empty(), "{found:#?}\nafter {:#?}", self.history.last());
    }
}

/// What a command led to.
pub struct Then {
    decision: Decision,
    /// The world with the command's record, or unchanged.
    pub world: World,
}

impl Then {
    /// Exactly these facts follow, in order.
    #[track_caller]
    pub fn then(self, expected: &[(&str, EventBody)]) -> World {
        let expected: Vec<String> = expected.iter().map(|(on, body)| line(partial(on), body)).collect();
        assert_eq!(self.lines(), expected);
        self.world
    }

    /// The facts that follow, one a line, for `expect!`.
    #[track_caller]
    pub fn told(&self) -> String {
        self.lines().join("\n")
    }

    /// The command is refused with exactly these codes, in any order; a code counts once however often it is broken.
    #[track_caller]
    pub fn then_refused(self, codes: &[&str]) -> Vec<Fault> {
        match self.decision {
            Decision::Refused(faults) => {
                let mut found: Vec<&str> = faults.iter().map(|fault| fault.code.as_str()).collect();
                found.sort_unstable();
                found.dedup();
                let mut expected = codes.to_vec();
                expected.sort_unstable();
                assert_eq!(found, expected, "{}", told(&faults));
                faults
            }
            Decision::Accepted(accepted) => panic!("accepted: {:#?}", accepted.changes.events),
        }
    }

    /// The command is accepted.
    #[track_caller]
    pub fn accepted(&self) -> &Accepted {
        match &self.decision {
            Decision::Accepted(accepted) => accepted,
            Decision::Refused(faults) => panic!("refused: {}", told(faults)),
        }
    }

    #[track_caller]
    fn lines(&self) -> Vec<String> {
        let events = &self.accepted().changes.events;
        events.iter().map(|event| line(event.effective_on, &event.body)).collect()
    }
}

/// `2022-03-15 MemberLeft { household: H1, … }`.
fn line(on: PartialDate, body: &EventBody) -> String {
    let shown = format!("{body:?}");
    let inner = shown.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(&shown);
    format!("{on} {inner}")
}

fn told(faults: &[Fault]) -> String {
    let lines: Vec<String> = faults
        .iter()
        .map(|fault| {
            let field = fault.field.as_deref().unwrap_or("-");
            format!("{} at {field}: {}", fault.code, fault.en)
        })
        .collect();
    lines.join("\n")
}

/// A text of the laboratory.
///
/// # Panics
/// If its type does not allow it.
pub fn text<const MAX: usize>(value: &str) -> Text<MAX> {
    value.parse().expect("texts of the laboratory are valid")
}

/// `YYYY-MM-DD`.
///
/// # Panics
/// If it is no day.
pub fn date(value: &str) -> Date {
    value.parse().expect("dates of the laboratory are valid")
}

/// `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
///
/// # Panics
/// If it is no partial date.
pub fn partial(value: &str) -> PartialDate {
    value.parse().expect("dates of the laboratory are valid")
}

/// A unit's code.
///
/// # Panics
/// If it is none.
pub fn code(value: &str) -> UnitCode {
    value.parse().expect("codes of the laboratory are valid")
}

/// A fact as a correction states it.
///
/// # Panics
/// If the date is none.
pub fn stated(on: &str, body: EventBody) -> StatedFact {
    StatedFact { effective_on: partial(on), body }
}

/// A place in a command: a unit alone.
pub fn place(unit: &str) -> Place<UnitCode> {
    Place::in_unit(code(unit))
}
