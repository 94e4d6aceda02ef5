//! The judge: reads the whole log with the product's own auditor, and holds every answer against it.

use super::offices::{Asked, Told, Wish};
use command_service::gateway::{Answer, CommandStatus, SubmitError};
use command_service::invariants::{Auditor, Violation};
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
    /// Commands that got a refusal, or were too late, and are not asked again: they have no record, for ever (W5).
    never: BTreeSet<CommandId>,
    /// The highest lsn that any office was told of.
    pub told: Lsn,
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
            never: BTreeSet::new(),
            told: Lsn::ZERO,
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
        self.next = Position(0);
        self.read(source)?;
        for (command, record) in &before {
            if record.lsn <= self.told && self.records.get(command) != Some(record) {
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
        let entry = self.auditor.take(raw.position, &raw.bytes).map_err(|error| match error {
            command_service::invariants::AuditError::Broken(violation) => violation,
            command_service::invariants::AuditError::Entry(fault) => {
                Violation::new("W6", Lsn::ZERO, fault.to_string())
            }
        })?;
        let Some(AdmittedEntry { lsn, header, body: EntryBody::Record(record) }) = entry else {
            return Ok(());
        };
        let command_id = record.command.command_id;
        if self.never.contains(&command_id) {
            let what = format!("command {command_id} was refused for good, and has a record");
            return Err(Violation::new("W5", lsn, what));
        }
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
            return Ok(Ruling::Met(None));
        }
        let bare = Acceptance { repeated: false, notes: Vec::new(), ..acceptance.clone() };
        match self.records.get(&acceptance.command_id) {
            Some(record) if *record == bare => {}
            Some(_) => return Err(Violation::new("W2", lsn, "the answer is not what was recorded")),
            None => {
                let what = format!("command {} was answered before it was recorded", acceptance.command_id);
                return Err(Violation::new("W1", lsn, what));
            }
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
        self.told = self.told.max(lsn);
        self.accepted += 1;
        Ok(Ruling::Met(Some(acceptance)))
    }

    fn rule_refusal(&mut self, asked: &Asked, refusal: &Refusal) -> Result<Ruling, Violation> {
        self.check_judged_at(asked, refusal.lsn)?;
        self.refused += 1;
        self.told = self.told.max(refusal.lsn);
        let is_reuse = refusal.faults.iter().any(|fault| fault.code == "command_id_reused");
        match &asked.wish {
            Wish::TakenId(_) if is_reuse => Ok(Ruling::Met(None)),
            Wish::Outcome(envelope) if !is_reuse => {
                self.rule_never(envelope.command_id)?;
                self.check_refusal(asked, refusal, envelope)?;
                Ok(Ruling::Met(None))
            }
            wish => {
                let what = format!("{wish:?} was refused: {:?}", refusal.faults);
                Err(Violation::new("W2", refusal.lsn, what))
            }
        }
    }

    /// A negative answer is judged on a state that the log holds, and that holds everything told before the question.
    fn check_judged_at(&self, asked: &Asked, lsn: Lsn) -> Result<(), Violation> {
        let last = self.auditor.registry().head().lsn;
        if lsn > last {
            let what = format!("a refusal was judged on a state that the log, at lsn {last}, does not hold");
            return Err(Violation::new("W5", lsn, what));
        }
        if lsn < asked.floor {
            let what = format!("a refusal was judged on a past state: lsn {} had been told", asked.floor);
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

    /// Decided again on the same state, the command is refused for the same reasons (W4).
    fn check_refusal(
        &self,
        asked: &Asked,
        refusal: &Refusal,
        envelope: &event_schemas::CommandEnvelope,
    ) -> Result<(), Violation> {
        let registry = self.auditor.registry();
        if refusal.lsn != registry.head().lsn {
            return Ok(()); // The state has moved on.
        }
        let pins = KeyedPins::new(1, super::PIN_KEY);
        let by = (asked.submitter.office, asked.submitter.officer);
        match self.auditor.decide(by, registry.head().recorded_at, envelope, &pins) {
            Decision::Refused(faults) if faults == refusal.faults => Ok(()),
            other => {
                let what = format!("decided again, {:?} becomes {other:?}", refusal.faults);
                Err(Violation::new("W4", refusal.lsn, what))
            }
        }
    }

    fn rule_status(&mut self, asked: &Asked, status: CommandStatus) -> Result<Ruling, Violation> {
        match status {
            CommandStatus::Accepted(acceptance) => self.rule_acceptance(asked, acceptance),
            CommandStatus::NotFound { lsn, .. } => {
                self.check_judged_at(asked, lsn)?;
                let Wish::Status(command) = &asked.wish else { unreachable!("only a status is not found") };
                match self.records.get(command) {
                    Some(record) if record.lsn <= lsn => {
                        let what = format!("command {command} was not found at lsn {lsn}");
                        Err(Violation::new("W1", record.lsn, what))
                    }
                    _ => Ok(Ruling::Met(None)),
                }
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
