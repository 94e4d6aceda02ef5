//! The judge: reads the whole log with the product's own auditor, and holds every answer against it.

use super::offices::{Asked, Told, Wish};
use crate::linearizability::{Disorder, History, Shown};
use command_service::gateway::{Answer, CommandStatus, SubmitError};
use command_service::invariants::{AuditError, Auditor, Violation};
use command_service::writer::Writer;
use domain::Decision;
use domain::permutation::KeyedPins;
use event_log::{LogSource, RawEntry};
use event_schemas::ids::{CommandId, Lsn, Position};
use event_schemas::outcome::{Acceptance, Created, Outcome, Refusal};
use event_schemas::record::{AdmittedEntry, EntryBody};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What an answer means for whoever asked.
pub enum Ruling {
    /// The wish is met.
    Met(Option<Acceptance>),
    /// Nothing was said; ask again.
    AskAgain,
}

/// Reads the log and judges answers.
pub struct Judge {
    auditor: Auditor,
    next: Position,
    /// What the log says of every accepted command.
    records: BTreeMap<CommandId, Acceptance>,
    /// Answers that are not in the log, by the lsn that they were judged at, and were not decided again yet.
    unchecked: BTreeMap<Lsn, Vec<(Asked, Outcome)>>,
    /// Commands that got a refusal, or were too late, and are not asked again: they have no record, for ever (W5).
    never: BTreeSet<CommandId>,
    /// What was asked and answered (W10).
    pub history: History,
    pub accepted: u64,
    pub refused: u64,
    pub late_facts: u64,
    pub answers: u64,
}

impl Default for Judge {
    fn default() -> Self {
        Self::new()
    }
}

impl Judge {
    pub fn new() -> Self {
        Self {
            auditor: Auditor::new(),
            next: Position(0),
            records: BTreeMap::new(),
            unchecked: BTreeMap::new(),
            never: BTreeSet::new(),
            history: History::default(),
            accepted: 0,
            refused: 0,
            late_facts: 0,
            answers: 0,
        }
    }

    pub fn auditor(&self) -> &Auditor {
        &self.auditor
    }

    /// The same answers, held against the log from its beginning: what a restart finds must bear them out (W1).
    pub fn begin_again(&mut self, source: &dyn LogSource) -> Result<(), Violation> {
        let before = std::mem::take(&mut self.records);
        self.auditor = Auditor::new();
        self.history.forget_records();
        self.next = Position(0);
        self.read(source)?;
        for (command, record) in &before {
            if record.lsn <= self.history.shown() && self.records.get(command) != Some(record) {
                let what = format!("the record of command {command} was answered and is gone, or another");
                return Err(Violation::new("W1", record.lsn, what));
            }
        }
        Ok(())
    }

    /// Reads what is new in the log: W2, W3, W4, W6, W7 and W9 by the product's auditor, W5 here.
    pub fn read(&mut self, source: &dyn LogSource) -> Result<(), Violation> {
        let unreadable = |error: event_log::LogError| Violation::new("W1", Lsn::ZERO, error.to_string());
        if self.next >= source.end() {
            return Ok(());
        }
        let mut reader = source.open_reader(self.next).map_err(unreadable)?;
        while self.next < source.end() {
            let batch = reader.read(4_096, 8 << 20, Duration::ZERO).map_err(unreadable)?;
            for raw in &batch.entries {
                self.take(raw)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, raw: &RawEntry) -> Result<(), Violation> {
        self.next = raw.position.next();
        let entry = self.auditor.take(raw.position, &raw.bytes).map_err(found)?;
        let Some(AdmittedEntry { lsn, header, body: EntryBody::Record(record) }) = entry else {
            return Ok(());
        };
        let command_id = record.command.command_id;
        if self.never.contains(&command_id) {
            let what = format!("command {command_id} was refused for good, and has a record");
            return Err(Violation::new("W5", lsn, what));
        }
        self.history.record(command_id, lsn).map_err(|disorder| broken(lsn, &disorder))?;
        self.late_facts += record.changes.restatements.len() as u64;
        let acceptance = Acceptance {
            command_id,
            log_id: self.auditor.registry().head().log_id,
            lsn,
            recorded_at: header.recorded_at,
            repeated: false,
            dry_run: false,
            created: Created::by(&record.changes.events),
            rows: record.changes.rows.clone(),
            notes: Vec::new(),
            correction: None,
        };
        self.records.insert(command_id, acceptance);
        Ok(())
    }

    /// Holds an answer against the log.
    pub fn rule(&mut self, asked: &Asked, told: Told) -> Result<Ruling, Violation> {
        self.answers += 1;
        if let (Some(shown), Some(number)) = (shown_by(asked, &told), asked.number) {
            let lsn = self.auditor.registry().head().lsn;
            self.history.answer(number, shown).map_err(|disorder| broken(lsn, &disorder))?;
        }
        match told {
            Told::Nothing => Ok(Ruling::AskAgain),
            Told::Status(Err(_)) => Ok(Ruling::AskAgain),
            Told::Status(Ok(status)) => self.rule_status(asked, status),
            Told::Command(answer) => self.rule_command(asked, answer),
        }
    }

    fn rule_command(&mut self, asked: &Asked, answer: Answer) -> Result<Ruling, Violation> {
        match (&asked.wish, answer) {
            (_, Ok(Outcome::Accepted(acceptance))) => self.rule_acceptance(asked, acceptance),
            (_, Ok(Outcome::Refused(refusal))) => self.rule_refusal(asked, &refusal),
            (Wish::Outcome(envelope), Err(SubmitError::TooLate)) => {
                self.rule_never(envelope.command_id)?;
                Ok(Ruling::Met(None))
            }
            (_, Err(SubmitError::BatchTooLong)) => unreachable!("no batches are submitted"),
            (_, Err(_)) => Ok(Ruling::AskAgain),
        }
    }

    fn rule_acceptance(&mut self, asked: &Asked, acceptance: Acceptance) -> Result<Ruling, Violation> {
        let lsn = acceptance.lsn;
        if acceptance.dry_run {
            if self.records.contains_key(&acceptance.command_id) {
                return Err(Violation::new("W5", lsn, "a dry run has a record"));
            }
            self.check_judged_at(Lsn(lsn.0 - 1))?;
            self.decide_again(asked, Lsn(lsn.0 - 1), Outcome::Accepted(acceptance))?;
            return Ok(Ruling::Met(None));
        }
        let bare = Acceptance { repeated: false, notes: Vec::new(), ..acceptance.clone() };
        match self.records.get(&acceptance.command_id) {
            Some(record) if *record == bare => {}
            _ => return Err(Violation::new("W2", lsn, "the answer is not what was recorded")),
        }
        match &asked.wish {
            Wish::SameAnswer(_, first) => {
                let first = Acceptance { repeated: false, notes: Vec::new(), ..first.clone() };
                if first != bare {
                    return Err(Violation::new("W2", lsn, "the repeat got another answer"));
                }
            }
            Wish::TakenId(_) => return Err(Violation::new("W2", lsn, "a taken id was accepted again")),
            _ => {}
        }
        self.accepted += 1;
        Ok(Ruling::Met(Some(acceptance)))
    }

    fn rule_refusal(&mut self, asked: &Asked, refusal: &Refusal) -> Result<Ruling, Violation> {
        self.check_judged_at(refusal.lsn)?;
        self.refused += 1;
        let is_reuse = refusal.faults.iter().any(|fault| fault.code == "command_id_reused");
        match &asked.wish {
            Wish::TakenId(_) if is_reuse => Ok(Ruling::Met(None)),
            Wish::Outcome(envelope) if !is_reuse => {
                self.rule_never(envelope.command_id)?;
                self.decide_again(asked, refusal.lsn, Outcome::Refused(refusal.clone()))?;
                Ok(Ruling::Met(None))
            }
            wish => {
                let what = format!("{wish:?} was refused: {:?}", refusal.faults);
                Err(Violation::new("W2", refusal.lsn, what))
            }
        }
    }

    /// A negative answer is judged on a state that the log holds.
    fn check_judged_at(&self, lsn: Lsn) -> Result<(), Violation> {
        let last = self.auditor.registry().head().lsn;
        if lsn > last {
            let what = format!("a refusal was judged on a state that the log, at lsn {last}, does not hold");
            return Err(Violation::new("W5", lsn, what));
        }
        Ok(())
    }

    fn rule_never(&mut self, command: CommandId) -> Result<(), Violation> {
        if let Some(record) = self.records.get(&command) {
            return Err(Violation::new(
                "W5",
                record.lsn,
                format!("command {command} was refused and has a record"),
            ));
        }
        self.never.insert(command);
        Ok(())
    }

    /// Decides a command again whose answer is not in the log: now, if the judge stands where it was judged, or at the end.
    fn decide_again(&mut self, asked: &Asked, lsn: Lsn, answer: Outcome) -> Result<(), Violation> {
        if lsn == self.auditor.registry().head().lsn {
            return check_decision(&self.auditor, asked, &answer);
        }
        self.unchecked.entry(lsn).or_default().push((asked.clone(), answer));
        Ok(())
    }

    /// Folds the log once more, and stops wherever an answer was judged that is not in it (W4, W10).
    pub fn decide_all_again(&mut self, source: &dyn LogSource) -> Result<u64, Violation> {
        let unreadable = |error: event_log::LogError| Violation::new("W1", Lsn::ZERO, error.to_string());
        let mut auditor = Auditor::new();
        let mut reader = source.open_reader(Position(0)).map_err(unreadable)?;
        let mut decided = 0;
        while reader.position() < source.end() && !self.unchecked.is_empty() {
            let batch = reader.read(4_096, 8 << 20, Duration::ZERO).map_err(unreadable)?;
            for raw in &batch.entries {
                let Some(entry) = auditor.take(raw.position, &raw.bytes).map_err(found)? else { continue };
                for (asked, answer) in self.unchecked.remove(&entry.lsn).unwrap_or_default() {
                    check_decision(&auditor, &asked, &answer)?;
                    decided += 1;
                }
            }
        }
        Ok(decided)
    }

    fn rule_status(&mut self, asked: &Asked, status: CommandStatus) -> Result<Ruling, Violation> {
        match status {
            CommandStatus::Accepted(acceptance) => self.rule_acceptance(asked, acceptance),
            CommandStatus::NotFound { lsn, .. } => {
                self.check_judged_at(lsn)?;
                Ok(Ruling::Met(None))
            }
        }
    }

    /// The node's state without what is in flight is the fold of the log's admitted prefix (R1, R2, R3).
    pub fn check_node(&self, writer: &Writer, thoroughly: bool) -> Result<(), Violation> {
        let follower = writer.follower();
        if follower.is_replaying() {
            return Ok(());
        }
        let registry = &follower.registry;
        let head = registry.confirmed_head();
        let is_nothing_yet = head.lsn == Lsn::ZERO;
        if !is_nothing_yet && self.auditor.digest_at(head.lsn) != Some(head.digest) {
            return Err(Violation::new(
                "R2",
                head.lsn,
                "a node's state is not the fold of the log up to there",
            ));
        }
        if thoroughly && registry.recompute_digest() != registry.head().digest {
            return Err(Violation::new("R2", head.lsn, "the kept digest is not the sum over all rows"));
        }
        Ok(())
    }

    /// What must hold of the whole state.
    pub fn check_state(&self) -> Result<(), Violation> {
        match domain::invariants::violations(self.auditor.registry()).first() {
            None => Ok(()),
            Some(violation) => {
                Err(Violation::new("W4", self.auditor.registry().head().lsn, violation.to_string()))
            }
        }
    }
}

/// What the answer shows of the log, if anything.
fn shown_by(asked: &Asked, told: &Told) -> Option<Shown> {
    let without = match &asked.wish {
        Wish::Outcome(envelope) => Some(envelope.command_id),
        Wish::Status(command) => Some(*command),
        Wish::SameAnswer(..) | Wish::TakenId(_) => None,
    };
    match told {
        Told::Command(Ok(Outcome::Accepted(it))) if it.dry_run => {
            Some(Shown::UpTo { lsn: Lsn(it.lsn.0 - 1), without })
        }
        Told::Command(Ok(Outcome::Accepted(it))) | Told::Status(Ok(CommandStatus::Accepted(it))) => {
            Some(Shown::Record { command: it.command_id, lsn: it.lsn })
        }
        Told::Command(Ok(Outcome::Refused(it))) => Some(Shown::UpTo { lsn: it.lsn, without }),
        Told::Status(Ok(CommandStatus::NotFound { lsn, .. })) => Some(Shown::UpTo { lsn: *lsn, without }),
        Told::Command(Err(_)) | Told::Status(Err(_)) | Told::Nothing => None,
    }
}

fn broken(lsn: Lsn, disorder: &Disorder) -> Violation {
    let id = match disorder {
        Disorder::NotAsRecorded { .. } | Disorder::Overlooked { .. } => "W1",
        _ => "W10",
    };
    Violation::new(id, lsn, disorder.to_string())
}

fn found(error: AuditError) -> Violation {
    match error {
        AuditError::Broken(violation) => violation,
        AuditError::Entry(fault) => Violation::new("W6", Lsn::ZERO, fault.to_string()),
    }
}

/// Decided again on the same state, the command is answered the same: refused for the same reasons, or accepted with the same
/// changes (W4).
fn check_decision(auditor: &Auditor, asked: &Asked, answer: &Outcome) -> Result<(), Violation> {
    let Wish::Outcome(envelope) = &asked.wish else { unreachable!("only commands are decided") };
    let (head, pins) = (auditor.registry().head(), KeyedPins::new(1, super::PIN_KEY));
    let by = (asked.submitter.office, asked.submitter.officer);
    let again = auditor.decide(by, head.recorded_at, envelope, &pins);
    let is_same = match (&again, answer) {
        (Decision::Refused(faults), Outcome::Refused(refusal)) => *faults == refusal.faults,
        (Decision::Accepted(accepted), Outcome::Accepted(acceptance)) => {
            Created::by(&accepted.changes.events) == acceptance.created
        }
        _ => false,
    };
    if is_same {
        return Ok(());
    }
    Err(Violation::new("W4", head.lsn, format!("decided again, {answer:?} becomes {again:?}")))
}
