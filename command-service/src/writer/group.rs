//! A group in the making: its commands in the order in which they came, each on the state that already includes its predecessors, and
//! what the system itself records.

use super::leading::{Leadership, Leading};
use super::requests::{Pending, Waiting};
use super::{Failure, InFlight, Mutant, Writer};
use domain::decide::lapsed;
use domain::registry::DIGEST_VERSION;
use event_log::{AppendGroup, MAX_GROUP_BYTES, MAX_GROUP_ENTRIES};
use event_schemas::format::check_known;
use event_schemas::header::{EntryHeader, HEADER_LEN, MAX_BODY_LEN, encode_entry};
use event_schemas::ids::{KeyId, Lsn};
use event_schemas::record::{AdmittedEntry, EntryBody, StateDigest};
use event_schemas::time::Timestamp;

/// Most answers that wait for one group: refusals and repeats need no entry.
const MAX_GROUP_ANSWERS: usize = 2 * MAX_GROUP_ENTRIES;
/// Most answers that wait for a group in flight: its own, and what was refused, repeated or tried after it without an entry. When
/// so many wait, nothing more is decided until it is confirmed; the queue fills, and callers are told (O1).
const MAX_ANSWERS_IN_FLIGHT: usize = 2 * MAX_GROUP_ANSWERS;
/// A group takes another entry while the longest still fits.
const FULL_GROUP_BYTES: usize = MAX_GROUP_BYTES - HEADER_LEN - MAX_BODY_LEN;

/// A group in the making.
pub(super) struct OpenGroup {
    pub now: Timestamp,
    pub entries: Vec<AdmittedEntry>,
    raw: Vec<Vec<u8>>,
    bytes: usize,
    pub pending: Vec<Pending>,
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

    fn push_system(&mut self, group: &mut OpenGroup, body: EntryBody) {
        let bytes = self.encoded(&body);
        self.push(group, body, bytes.expect("what the system records is bounded far below the limit"));
    }

    /// The body's bytes, in the buffer that [`Self::push`] keeps. `None`: the entry would be longer than the log takes.
    pub(super) fn encoded(&mut self, body: &EntryBody) -> Option<Vec<u8>> {
        let mut bytes = std::mem::take(&mut self.body_bytes);
        bytes.clear();
        body.encode_into(&mut bytes).ok()?;
        (bytes.len() <= MAX_BODY_LEN).then_some(bytes)
    }

    /// Puts an entry at the group's end and folds it. The first opens the registry's group.
    pub(super) fn push(&mut self, group: &mut OpenGroup, body: EntryBody, bytes: Vec<u8>) -> Lsn {
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
