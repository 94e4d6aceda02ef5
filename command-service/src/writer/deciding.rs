//! Deciding one command: refused, recorded, answered without a record, or told again what was answered before.

use super::group::OpenGroup;
use super::requests::{CommandReply, Pending, PendingContent, Request, StatusReply, Waiting};
use super::{Failure, Writer};
use crate::gateway::{Answer, CommandStatus, SubmitError, Submitter, Told};
use crate::history::History;
use crate::named::{is_shown_in_dry_run, rows_named};
use domain::context::Context;
use domain::refusal::Code;
use domain::rules::IN_FORCE;
use domain::{Accepted, Decision};
use event_schemas::CommandEnvelope;
use event_schemas::header::{EntryHeader, MAX_BODY_LEN};
use event_schemas::ids::{CommandId, Lsn, Version};
use event_schemas::outcome::{Acceptance, Created, Fault, Outcome, Refusal};
use event_schemas::record::{AdmittedEntry, Changes, EntryBody, MAX_EVENTS, Record, encode_command};
use event_schemas::row::RowRef;
use event_schemas::time::Timestamp;

impl Writer {
    pub(super) fn decide_one(&mut self, group: &mut OpenGroup, waiting: Waiting) -> Result<(), Failure> {
        let Waiting { submitter, request, arrived, is_requeued } = waiting;
        let content = match request {
            Request::Status { command_id, reply } => {
                let found = self.follower.ids.find(command_id)?;
                self.find_status(&group.entries, submitter, command_id, found, reply)
            }
            Request::Command { envelope, reply } => {
                let found = self.follower.ids.find(envelope.command_id)?;
                Some(match found {
                    Some(lsn) => {
                        let answer = self.repeat(&group.entries, lsn, submitter, &envelope, is_requeued);
                        PendingContent::Kept { envelope, told: answer.into(), reply }
                    }
                    None => self.decide_command(group, submitter, envelope, reply),
                })
            }
        };
        if let Some(content) = content {
            group.pending.push(Pending { submitter, arrived, content });
        }
        Ok(())
    }

    fn decide_command(
        &mut self,
        group: &mut OpenGroup,
        submitter: Submitter,
        envelope: Box<CommandEnvelope>,
        reply: CommandReply,
    ) -> PendingContent {
        if envelope.answer_by.is_some_and(|by| by < group.now) {
            self.stats.too_late += 1;
            return PendingContent::Kept { envelope, told: Err(SubmitError::TooLate).into(), reply };
        }
        let decision = {
            let registry = &self.follower.registry;
            let history = self.history(&group.entries);
            let context = Context {
                lsn: registry.head().lsn.next(),
                recorded_at: group.now,
                rules: &IN_FORCE,
                office: submitter.office,
                officer: submitter.officer,
                pins: &*self.around.pins,
                timelines: &history,
            };
            domain::decide(registry, &envelope, &context)
        };
        match decision {
            Decision::Refused(faults) => self.refuse(envelope, faults, reply),
            Decision::Accepted(accepted) => self.record(group, submitter, envelope, accepted, reply),
        }
    }

    fn refuse(
        &mut self,
        envelope: Box<CommandEnvelope>,
        faults: Vec<Fault>,
        reply: CommandReply,
    ) -> PendingContent {
        self.stats.refused += 1;
        for fault in &faults {
            match self.stats.refused_by_code.get_mut(&fault.code) {
                Some(count) => *count += 1,
                None => {
                    self.stats.refused_by_code.insert(fault.code.clone(), 1);
                }
            }
        }
        let against = faults.iter().flat_map(|fault| fault.rows.iter().copied());
        let rows = self.rows_told(&envelope, against);
        let answer = Ok(Outcome::Refused(self.refusal(envelope.command_id, faults)));
        PendingContent::Kept { envelope, told: Told { answer, rows, foreseen: None }, reply }
    }

    /// Of which registered rows an answer tells: those that it shows, and all that the command names, because silence about them
    /// says something too.
    fn rows_told(&self, envelope: &CommandEnvelope, shown: impl Iterator<Item = RowRef>) -> Vec<RowRef> {
        let registry = &self.follower.registry;
        let mut rows = rows_named(envelope, registry);
        rows.extend(shown.filter(|row| registry.version(*row).0 != Version::NONE));
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    fn refusal(&self, command_id: CommandId, faults: Vec<Fault>) -> Refusal {
        let head = self.follower.registry.head();
        Refusal { command_id, log_id: head.log_id, lsn: head.lsn, faults }
    }

    fn record(
        &mut self,
        group: &mut OpenGroup,
        submitter: Submitter,
        mut envelope: Box<CommandEnvelope>,
        mut accepted: Accepted,
        reply: CommandReply,
    ) -> PendingContent {
        if exceeds_record(&accepted.changes) {
            return self.refuse_too_large(envelope, reply);
        }
        let mut acceptance = self.acceptance_ahead(&envelope, &mut accepted, group.now);
        let asked = Asked::take_from(&mut envelope);
        let record = Record {
            office: submitter.office,
            officer: submitter.officer,
            rules: IN_FORCE.revision,
            command: *envelope,
            changes: accepted.changes,
        };
        let (needed, in_force) = (record.format(), self.follower.registry.head().format);
        if needed > in_force {
            let fault = Code::FormatNotActive.fault(Some("command".to_owned()), &[&needed, &in_force]);
            return self.refuse(asked.put_back(record.command), vec![fault], reply);
        }
        let command_id = record.command.command_id;
        let body = EntryBody::Record(Box::new(record));
        match self.encoded(&body) {
            None => self.refuse_too_large(asked.put_back(command_of(body)), reply),
            Some(_) if asked.dry_run => {
                let envelope = asked.put_back(command_of(body));
                self.answer_dry_run(envelope, acceptance, accepted.foreseen, reply)
            }
            Some(bytes) => {
                acceptance.lsn = self.push(group, body, bytes);
                self.follower.ids.begin(command_id, acceptance.lsn);
                let (place, answer) = (group.entries.len() - 1, Ok(Outcome::Accepted(acceptance)));
                PendingContent::Record { place, answer_by: asked.answer_by, answer, reply }
            }
        }
    }

    /// What whoever asks is told once the record is in the log, at the next lsn.
    fn acceptance_ahead(
        &self,
        envelope: &CommandEnvelope,
        accepted: &mut Accepted,
        recorded_at: Timestamp,
    ) -> Acceptance {
        Acceptance {
            command_id: envelope.command_id,
            log_id: self.log_id(),
            lsn: self.follower.registry.head().lsn.next(),
            recorded_at,
            repeated: false,
            dry_run: envelope.dry_run,
            created: Created::by(&accepted.changes.events),
            rows: accepted.changes.rows.clone(),
            notes: std::mem::take(&mut accepted.notes),
            correction: accepted.correction.take().filter(|_| envelope.dry_run),
        }
    }

    fn answer_dry_run(
        &mut self,
        envelope: Box<CommandEnvelope>,
        mut acceptance: Acceptance,
        foreseen: Option<Box<Changes>>,
        reply: CommandReply,
    ) -> PendingContent {
        self.stats.dry_runs += 1;
        // A correction names facts by address alone, and its dry run tells of the rows that these are about.
        let corrected: Vec<RowRef> = match acceptance.correction {
            Some(_) => acceptance.rows.iter().map(|touch| touch.row).collect(),
            None => Vec::new(),
        };
        let rows = self.rows_told(&envelope, corrected.into_iter());
        acceptance.rows.retain(|touch| is_shown_in_dry_run(touch, &rows));
        let told = Told { answer: Ok(Outcome::Accepted(acceptance)), rows, foreseen };
        PendingContent::Kept { envelope, told, reply }
    }

    fn refuse_too_large(&mut self, envelope: Box<CommandEnvelope>, reply: CommandReply) -> PendingContent {
        let fault = Code::RecordTooLarge.fault(Some("command".to_owned()), &[&MAX_EVENTS, &MAX_BODY_LEN]);
        self.refuse(envelope, vec![fault], reply)
    }

    /// The first acceptance again, from the record; the same id with another content or office is refused (W2).
    pub(super) fn repeat(
        &mut self,
        open: &[AdmittedEntry],
        lsn: Lsn,
        submitter: Submitter,
        envelope: &CommandEnvelope,
        is_requeued: bool,
    ) -> Answer {
        let Ok((header, record)) = self.history(open).record(lsn) else {
            return Err(SubmitError::Unresolved);
        };
        if record.office != submitter.office || !is_same_command(envelope, &record.command) {
            let fault = Code::CommandIdReused.fault(Some("command_id".to_owned()), &[&envelope.command_id]);
            self.stats.refused += 1;
            return Ok(Outcome::Refused(self.refusal(envelope.command_id, vec![fault])));
        }
        self.stats.repeated += u64::from(!is_requeued);
        Ok(Outcome::Accepted(self.acceptance_of(&header, lsn, &record, !is_requeued)))
    }

    pub(super) fn find_status(
        &mut self,
        open: &[AdmittedEntry],
        submitter: Submitter,
        command_id: CommandId,
        found: Option<Lsn>,
        reply: StatusReply,
    ) -> Option<PendingContent> {
        let head = self.follower.registry.head();
        let mut answer = CommandStatus::NotFound { log_id: head.log_id, lsn: head.lsn };
        if let Some(lsn) = found {
            match self.history(open).record(lsn) {
                Ok((header, record)) if record.office == submitter.office => {
                    answer = CommandStatus::Accepted(self.acceptance_of(&header, lsn, &record, true));
                }
                Ok(_) => {} // Another office's command is none of this one's business.
                Err(_) => {
                    reply(Err(SubmitError::Unresolved));
                    return None;
                }
            }
        }
        Some(PendingContent::Status { command_id, answer, reply })
    }

    fn acceptance_of(&self, header: &EntryHeader, lsn: Lsn, record: &Record, repeated: bool) -> Acceptance {
        Acceptance {
            command_id: record.command.command_id,
            log_id: self.log_id(),
            lsn,
            recorded_at: header.recorded_at,
            repeated,
            dry_run: false,
            created: Created::by(&record.changes.events),
            rows: record.changes.rows.clone(),
            notes: Vec::new(),
            correction: None,
        }
    }

    fn history<'a>(&'a self, open: &'a [AdmittedEntry]) -> History<'a> {
        let registry = &self.follower.registry;
        History::new(registry, &self.in_flight, open, &*self.source)
    }
}

/// How a command was asked, which its record does not say.
struct Asked {
    dry_run: bool,
    answer_by: Option<Timestamp>,
}

impl Asked {
    fn take_from(envelope: &mut CommandEnvelope) -> Self {
        let asked = Self { dry_run: envelope.dry_run, answer_by: envelope.answer_by };
        (envelope.dry_run, envelope.answer_by) = (false, None);
        asked
    }

    fn put_back(self, command: CommandEnvelope) -> Box<CommandEnvelope> {
        Box::new(CommandEnvelope { dry_run: self.dry_run, answer_by: self.answer_by, ..command })
    }
}

fn command_of(body: EntryBody) -> CommandEnvelope {
    match body {
        EntryBody::Record(record) => record.command,
        _ => unreachable!("a command is recorded in nothing else"),
    }
}

fn exceeds_record(changes: &Changes) -> bool {
    changes.events.len() > MAX_EVENTS
        || changes.restatements.iter().any(|restated| restated.timeline.len() > MAX_EVENTS)
}

/// Equal commands have equal canonical bytes.
fn is_same_command(one: &CommandEnvelope, other: &CommandEnvelope) -> bool {
    let canonical = |envelope: &CommandEnvelope| {
        let mut bytes = Vec::new();
        encode_command(envelope, &mut bytes).map(|()| bytes)
    };
    matches!((canonical(one), canonical(other)), (Ok(one), Ok(other)) if one == other)
}
