//! Deciding a group: each command on the state that already includes its predecessors, in the order in which they came.

use super::leading::{Leadership, Leading};
use super::requests::{CommandReply, Pending, PendingContent, Request, StatusReply, Waiting};
use super::{Failure, InFlight, Mutant, Writer};
use crate::gateway::{Answer, CommandStatus, SubmitError, Submitter, Told};
use crate::history::History;
use crate::named::{is_shown_in_dry_run, rows_named};
use domain::context::Context;
use domain::decide::lapsed;
use domain::refusal::Code;
use domain::registry::DIGEST_VERSION;
use domain::rules::IN_FORCE;
use domain::{Accepted, Decision};
use event_log::{AppendGroup, MAX_GROUP_BYTES, MAX_GROUP_ENTRIES};
use event_schemas::CommandEnvelope;
use event_schemas::format::check_known;
use event_schemas::header::{EntryHeader, HEADER_LEN, MAX_BODY_LEN, encode_entry};
use event_schemas::ids::{CommandId, KeyId, Lsn, Version};
use event_schemas::outcome::{Acceptance, Created, Fault, Outcome, Refusal};
use event_schemas::record::{
    AdmittedEntry, Changes, EntryBody, MAX_EVENTS, Record, StateDigest, encode_command,
};
use event_schemas::row::RowRef;
use event_schemas::time::Timestamp;

/// Most answers that wait for one group: refusals and repeats need no entry.
const MAX_GROUP_ANSWERS: usize = 2 * MAX_GROUP_ENTRIES;
/// Most answers that wait for a group in flight: its own, and what was refused, repeated or tried after it without an entry. When
/// so many wait, nothing more is decided until it is confirmed; the queue fills, and callers are told (O1).
const MAX_ANSWERS_IN_FLIGHT: usize = 2 * MAX_GROUP_ANSWERS;
/// A group takes another entry while the longest still fits.
const FULL_GROUP_BYTES: usize = MAX_GROUP_BYTES - HEADER_LEN - MAX_BODY_LEN;

/// A group in the making.
struct OpenGroup {
    now: Timestamp,
    entries: Vec<AdmittedEntry>,
    raw: Vec<Vec<u8>>,
    bytes: usize,
    pending: Vec<Pending>,
    /// Answers that wait for the last group in flight: those of this one join them if it needs no entry.
    answers_before: usize,
    /// It holds a commit, and nothing besides.
    is_alone: bool,
}

impl OpenGroup {
    fn has_room(&self) -> bool {
        !self.is_alone
            && self.entries.len() < MAX_GROUP_ENTRIES - 1
            && self.bytes <= FULL_GROUP_BYTES
            && self.pending.len() < MAX_GROUP_ANSWERS
            && self.answers_before + self.pending.len() < MAX_ANSWERS_IN_FLIGHT
    }
}

impl Writer {
    /// Decides one group of what waits, and appends it.
    pub fn decide(&mut self) -> Result<(), Failure> {
        match &self.leadership {
            Leadership::Leading(_) => {}
            Leadership::Following(_) => return self.answer_unled(),
            _ => return Ok(()),
        }
        if !self.may_decide() {
            return Ok(());
        }
        let clock = self.around.clock.now();
        let now = clock.max(self.follower.registry.head().recorded_at);
        let answers_before = self.last_answers_in_flight();
        let (entries, pending) = self.spare_lists.pop().unwrap_or_default();
        let mut group = OpenGroup {
            now,
            entries,
            raw: Vec::with_capacity(self.waiting.len().min(MAX_GROUP_ENTRIES)),
            bytes: 0,
            pending,
            answers_before,
            is_alone: false,
        };
        if !self.check_consent(&mut group, clock) {
            self.refuse_new_requests();
            return Ok(());
        }
        self.activate_format(&mut group);
        self.open_days(&mut group);
        let is_day_open = !self.follower.registry.head().day_pending
            && self.follower.registry.head().date >= Some(clock.vietnam_date());
        // A clock that stepped back never closes a day; one that is ahead has opened it above.
        while is_day_open && group.has_room() {
            // A commit changes up to a million rows: it is decided and appended alone.
            let is_commit = self.waiting.front().is_some_and(Waiting::is_commit);
            if is_commit && !group.entries.is_empty() {
                break;
            }
            let Some(waiting) = self.waiting.pop_front() else { break };
            group.is_alone = is_commit;
            self.decide_one(&mut group, waiting)?;
        }
        self.add_system_entries(&mut group);
        self.close_group(group)
    }

    /// Whether another group can be decided now, as far as those in flight leave room.
    pub(super) fn may_decide(&self) -> bool {
        self.may_append()
            && !self.is_commit_in_flight()
            && self.last_answers_in_flight() < MAX_ANSWERS_IN_FLIGHT
    }

    /// Whether the rows of an operation are all in flight: nothing is decided or saved beside them.
    pub(super) fn is_commit_in_flight(&self) -> bool {
        self.in_flight.0.iter().any(|group| group.is_alone)
    }

    fn last_answers_in_flight(&self) -> usize {
        self.in_flight.0.back().map_or(0, |last| last.pending.len())
    }

    /// Whether the clock may be used; adds the operator's consent if there is one.
    fn check_consent(&mut self, group: &mut OpenGroup, clock: Timestamp) -> bool {
        let is_unexplained = self.is_clock_unexplained(clock);
        let consent = if is_unexplained { self.consent.take() } else { None };
        let is_allowed = !is_unexplained || consent.is_some();
        self.leading_mut().awaits_consent = !is_allowed;
        if let Some((officer, reason)) = consent {
            self.push_system(group, EntryBody::ClockConsent { officer, reason });
        }
        is_allowed
    }

    /// From this entry on the log may hold what needs the format.
    fn activate_format(&mut self, group: &mut OpenGroup) {
        let Some((format, officer)) = self.activation.take() else { return };
        if format > self.follower.registry.head().format && check_known(format).is_ok() {
            tracing::info!(format, %officer, "activates a format");
            self.push_system(group, EntryBody::Activate { format, officer });
        }
    }

    /// Opens missed days in order; rows that fall due follow each, in parts, before its commands.
    fn open_days(&mut self, group: &mut OpenGroup) {
        let today = group.now.vietnam_date();
        while group.has_room() {
            let head = self.follower.registry.head();
            if head.day_pending {
                let Some(part) = lapsed(&self.follower.registry) else { break };
                self.push_system(group, EntryBody::Lapsed(part));
                continue;
            }
            match head.date {
                Some(date) if date < today => {
                    self.push_system(group, EntryBody::DayOpened { date: date.plus_days(1) });
                }
                _ => break,
            }
        }
    }

    fn add_system_entries(&mut self, group: &mut OpenGroup) {
        let lsn = self.follower.registry.head().lsn;
        if lsn.0 >= self.follower.last_digest().0 + self.options.digest_every {
            let sum = self.follower.registry.head().digest;
            let digest = StateDigest { version: DIGEST_VERSION, sum };
            self.push_system(group, EntryBody::StateDigest(digest));
            self.follower.note_digest(lsn.next());
        }
        if self.options.is_log_exclusive || !group.entries.is_empty() {
            return;
        }
        let silent = self.now().saturating_sub(self.leading_mut().last_append);
        // A superseded leader must not even refuse: something of this claim must come back behind the answers.
        if !group.pending.is_empty() || silent >= self.options.heartbeat_every {
            self.push_system(group, EntryBody::Tick);
        }
    }

    fn decide_one(&mut self, group: &mut OpenGroup, waiting: Waiting) -> Result<(), Failure> {
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
            let history = History::new(registry, &self.in_flight, &group.entries, &*self.source);
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
        accepted: Accepted,
        reply: CommandReply,
    ) -> PendingContent {
        let (changes, foreseen) = (accepted.changes, accepted.foreseen);
        let mut acceptance = Acceptance {
            command_id: envelope.command_id,
            log_id: self.log_id(),
            lsn: self.follower.registry.head().lsn.next(),
            recorded_at: group.now,
            repeated: false,
            dry_run: envelope.dry_run,
            created: Created::by(&changes.events),
            rows: changes.rows.clone(),
            notes: accepted.notes,
            correction: accepted.correction.filter(|_| envelope.dry_run),
        };
        if exceeds_record(&changes) {
            return self.refuse_too_large(envelope, reply);
        }
        let (is_dry_run, answer_by) = (envelope.dry_run, envelope.answer_by);
        (envelope.dry_run, envelope.answer_by) = (false, None);
        let command_id = envelope.command_id;
        let record = Record {
            office: submitter.office,
            officer: submitter.officer,
            rules: IN_FORCE.revision,
            command: *envelope,
            changes,
        };
        let (needed, in_force) = (record.format(), self.follower.registry.head().format);
        if needed > in_force {
            let envelope = Box::new(CommandEnvelope { dry_run: is_dry_run, answer_by, ..record.command });
            let fault = Code::FormatNotActive.fault(Some("command".to_owned()), &[&needed, &in_force]);
            return self.refuse(envelope, vec![fault], reply);
        }
        let body = EntryBody::Record(Box::new(record));
        match self.encoded(&body) {
            Some(bytes) if !is_dry_run => {
                acceptance.lsn = self.push(group, body, bytes);
                self.follower.ids.begin(command_id, acceptance.lsn);
                let answer: Answer = Ok(Outcome::Accepted(acceptance));
                PendingContent::Record { place: group.entries.len() - 1, answer_by, answer, reply }
            }
            bytes => {
                let EntryBody::Record(record) = body else { unreachable!("it was made above") };
                let envelope = Box::new(CommandEnvelope { dry_run: is_dry_run, answer_by, ..record.command });
                if bytes.is_none() {
                    return self.refuse_too_large(envelope, reply);
                }
                self.stats.dry_runs += 1;
                // A correction names facts by address alone, and its dry run tells of the rows that these are about.
                let corrected = acceptance.rows.iter().map(|touch| touch.row);
                let corrected = corrected.filter(|_| acceptance.correction.is_some());
                let rows = self.rows_told(&envelope, corrected.collect::<Vec<_>>().into_iter());
                acceptance.rows.retain(|touch| is_shown_in_dry_run(touch, &rows));
                PendingContent::Kept {
                    envelope,
                    told: Told { answer: Ok(Outcome::Accepted(acceptance)), rows, foreseen },
                    reply,
                }
            }
        }
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

    fn push_system(&mut self, group: &mut OpenGroup, body: EntryBody) {
        let bytes = self.encoded(&body);
        self.push(group, body, bytes.expect("what the system records is bounded far below the limit"));
    }

    /// The body's bytes, in the buffer that [`Self::push`] keeps. `None`: the entry would be longer than the log takes.
    fn encoded(&mut self, body: &EntryBody) -> Option<Vec<u8>> {
        let mut bytes = std::mem::take(&mut self.body_bytes);
        bytes.clear();
        body.encode_into(&mut bytes).ok()?;
        (bytes.len() <= MAX_BODY_LEN).then_some(bytes)
    }

    /// Puts an entry at the group's end and folds it. The first opens the registry's group.
    fn push(&mut self, group: &mut OpenGroup, body: EntryBody, bytes: Vec<u8>) -> Lsn {
        if group.entries.is_empty() {
            self.follower.registry.open_group();
        }
        let head = self.follower.registry.head();
        let (lsn, format) = (head.lsn.next(), head.format);
        let lead = self.leading_mut();
        let header = EntryHeader {
            kind: body.kind(),
            format,
            term: lead.term,
            claim_id: lead.claim_id,
            lsn,
            prev: lead.head,
            recorded_at: group.now,
            key_id: KeyId::NONE,
            body_len: bytes.len() as u32,
        };
        let raw = encode_entry(header, &bytes);
        lead.head = lead.head.extend(&raw);
        self.body_bytes = bytes;
        let entry = AdmittedEntry { lsn, header, body };
        debug_assert!(entry.body_format() <= format, "a rule asks which format is in force (W11)");
        self.follower.fold(&entry);
        group.bytes += raw.len();
        group.raw.push(raw);
        group.entries.push(entry);
        lsn
    }

    fn leading_mut(&mut self) -> &mut Leading {
        match &mut self.leadership {
            Leadership::Leading(lead) => lead,
            _ => unreachable!("only a leader decides"),
        }
    }

    fn close_group(&mut self, mut group: OpenGroup) -> Result<(), Failure> {
        self.answer_too_early(&mut group);
        if group.entries.is_empty() {
            // Under the log's lock nobody else can have written: what is in flight must become durable, and no more.
            match self.in_flight.0.back_mut() {
                Some(last) => last.pending.append(&mut group.pending),
                None => group.pending.drain(..).for_each(Pending::answer),
            }
            self.keep_lists(group.entries, group.pending);
            return Ok(());
        }
        let now = self.now();
        self.leading_mut().last_append = now;
        self.stats.group_entries.record(group.entries.len() as u64);
        let id = self.append(AppendGroup { entries: group.raw })?;
        self.in_flight.0.push_back(InFlight {
            id,
            entries: group.entries,
            read_back: 0,
            is_durable: false,
            end: None,
            pending: group.pending,
            appended_at: now,
            missed_reads: 0,
            is_alone: group.is_alone,
        });
        Ok(())
    }

    /// Keeps the memory of a group's lists for a later one.
    pub(super) fn keep_lists(&mut self, mut entries: Vec<AdmittedEntry>, mut pending: Vec<Pending>) {
        if self.spare_lists.len() < self.options.max_groups_in_flight {
            entries.clear();
            pending.clear();
            self.spare_lists.push((entries, pending));
        }
    }

    /// Only mutants answer here.
    fn answer_too_early(&mut self, group: &mut OpenGroup) {
        let is_early = |pending: &Pending| match self.mutant {
            Some(Mutant::AnswerBeforeReadBack) => !pending.is_refusal(),
            Some(Mutant::RefusalBeforeReadBack) => pending.is_refusal(),
            _ => false,
        };
        if !matches!(self.mutant, Some(Mutant::AnswerBeforeReadBack | Mutant::RefusalBeforeReadBack)) {
            return;
        }
        let (early, kept) = std::mem::take(&mut group.pending).into_iter().partition(is_early);
        group.pending = kept;
        let early: Vec<Pending> = early;
        early.into_iter().for_each(Pending::answer);
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
