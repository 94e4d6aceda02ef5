//! What the log says: own entries confirm groups, others' entries are taken in, anything unexpected is doubt.

use super::leading::Leadership;
use super::requests::Pending;
use super::{Failure, InFlight, Mutant, Writer};
use crate::gateway::Doubt;
use crate::restore;
use crate::saver::Saver;
use event_log::{AdmissionState, DropReason, MAX_GROUP_BYTES, MAX_GROUP_ENTRIES, RawEntry, Verdict};
use event_schemas::header::{EntryHeader, EntryKind};
use event_schemas::ids::Lsn;
use event_schemas::record::EntryBody;
use std::time::Duration;

/// Most entries and bytes of one read.
const MAX_READ_ENTRIES: usize = 2 * MAX_GROUP_ENTRIES;
const MAX_READ_BYTES: usize = 2 * MAX_GROUP_BYTES;
/// Most reads of one step, so that a long log does not keep a step from ending.
const MAX_READS: usize = 8;
/// Reads to the log's end, after which something durable that was not found is lost.
const MAX_MISSED_READS: u32 = 64;

impl Writer {
    /// Reads what is durable; waits up to `wait` if there is nothing yet.
    pub fn read_log(&mut self, wait: Duration) -> Result<(), Failure> {
        for read in 0..MAX_READS {
            let wait = if read == 0 { wait } else { Duration::ZERO };
            let batch = self.reader.read(MAX_READ_ENTRIES, MAX_READ_BYTES, wait)?;
            self.at_end = batch.at_end;
            for raw in &batch.entries {
                self.read_entry(raw)?;
            }
            if self.is_leading() && !batch.entries.is_empty() {
                self.note_log_clock();
            }
            if batch.entries.is_empty() || batch.at_end {
                break;
            }
        }
        if std::mem::take(&mut self.has_seen_others) {
            self.see_other_leader();
        }
        if self.has_caught_up() {
            self.note_caught_up();
        }
        if self.at_end {
            self.miss_what_is_durable();
        }
        Ok(())
    }

    fn read_entry(&mut self, raw: &RawEntry) -> Result<(), Failure> {
        let before = *self.follower.admission().state();
        let verdict = match self.follower.admit(raw) {
            Verdict::Dropped(reason) => self.mutated_admission(before, raw, reason),
            admitted => admitted,
        };
        match verdict {
            Verdict::Dropped(reason) => {
                self.read_dropped(raw, reason);
                Ok(())
            }
            Verdict::Admitted { header, lsn } => {
                self.read_admitted(lsn, header, raw).and_then(|()| self.after_genesis(lsn))
            }
        }
    }

    fn read_dropped(&mut self, raw: &RawEntry, reason: DropReason) {
        let Ok(header) = EntryHeader::of_entry(&raw.bytes) else {
            return; // Foreign bytes: counted, and nobody's.
        };
        match &self.leadership {
            Leadership::Claiming(claiming) if header.claim_id == claiming.claim_id => {
                self.lose_claim("another claim took the term");
            }
            Leadership::Leading(lead) if header.claim_id == lead.claim_id => {
                let is_copy = header.kind == EntryKind::Claim
                    || header.lsn <= self.follower.admission().state().last_lsn
                    || reason == DropReason::AlreadyRead;
                if !is_copy {
                    self.doubt(Doubt::EntryDropped, reason.name());
                }
            }
            _ => {}
        }
    }

    fn read_admitted(&mut self, lsn: Lsn, header: EntryHeader, raw: &RawEntry) -> Result<(), Failure> {
        let at_position = |fault| Failure::Entry { position: raw.position, fault };
        if header.kind == EntryKind::Claim {
            return self.read_claim(lsn, header, &raw.bytes).map_err(at_position);
        }
        if let Leadership::Leading(lead) = &self.leadership {
            if header.claim_id == lead.claim_id && self.read_own(lsn)? {
                return Ok(());
            }
            self.doubt(Doubt::ForeignEntry, &format!("lsn {lsn}"));
        }
        self.has_seen_others = true;
        self.follower.take(lsn, header, &raw.bytes).map_err(at_position)
    }

    /// An entry of one's own: its chain shows that it is the one in flight. False if none such is in flight.
    fn read_own(&mut self, lsn: Lsn) -> Result<bool, Failure> {
        let state = *self.follower.admission().state();
        let Some(group) = self.in_flight.0.iter_mut().find(|group| group.read_back < group.entries.len())
        else {
            return Ok(false);
        };
        if group.entries[group.read_back].lsn != lsn {
            return Ok(false);
        }
        group.read_back += 1;
        if group.read_back == group.entries.len() {
            group.end = Some(state);
        }
        self.confirm_groups()?;
        Ok(true)
    }

    /// Groups that are durable and read back: their rows may be saved, their answers given (W1).
    pub(super) fn confirm_groups(&mut self) -> Result<(), Failure> {
        while self.in_flight.0.front().is_some_and(InFlight::is_complete) {
            let mut group = self.in_flight.0.pop_front().expect("just seen");
            self.follower.registry.confirm_group();
            for entry in &group.entries {
                if let EntryBody::Record(record) = &entry.body {
                    self.follower.ids.confirm(record.command.command_id, entry.lsn)?;
                }
            }
            let end = group.end.expect("set with the last entry read back");
            self.begin_save_if_due(end);
            let now = self.now();
            for pending in group.pending.drain(..) {
                self.stats.answer_time_us.record((now.saturating_sub(pending.arrived)).as_micros() as u64);
                self.stats.accepted += u64::from(pending.is_accepted());
                pending.answer();
            }
            self.keep_lists(group.entries, group.pending);
        }
        Ok(())
    }

    /// Begins a checkpoint if one is due and the registry stands at `state` without what is in flight.
    pub(super) fn begin_save_if_due(&mut self, state: AdmissionState) {
        let is_replaying = self.follower.is_replaying();
        let now = self.around.timer.elapsed();
        let is_without_claim = self.mutant == Some(Mutant::CheckpointWithoutClaim);
        let state = if is_without_claim { AdmissionState { claim: None, ..state } } else { state };
        let follower = &mut self.follower;
        match &mut self.saver {
            Some(saver) if !is_replaying && saver.is_due(state.last_lsn, now, follower.ids.is_due()) => {
                saver.begin(&mut follower.registry, &mut follower.ids, state, now);
            }
            Some(_) => {}
            None => {
                // Nothing is saved: what would be must not pile up.
                follower.registry.take_lookup_changes();
                follower.ids.take_unsaved();
            }
        }
    }

    /// Something durable that cannot be found at the log's end is lost.
    fn miss_what_is_durable(&mut self) {
        if let Some(group) = self.in_flight.0.front_mut() {
            group.missed_reads += u32::from(group.is_durable);
            if group.missed_reads > MAX_MISSED_READS {
                self.doubt(Doubt::EntryLost, "a durable group is not in the log");
            }
        }
        if let Leadership::Claiming(claiming) = &mut self.leadership {
            claiming.missed_reads += u32::from(claiming.is_durable);
            if claiming.missed_reads > MAX_MISSED_READS {
                self.lose_claim("a durable claim is not in the log");
            }
        }
    }

    /// The log has begun: from here on there is a store.
    fn after_genesis(&mut self, lsn: Lsn) -> Result<(), Failure> {
        let head = self.follower.registry.head();
        if lsn != Lsn(1) || self.saver.is_some() {
            return Ok(());
        }
        if let Some(clock) = head.clock {
            super::check_clock(clock, &self.around)?;
        }
        if let Some(open_store) = &mut self.store_opener {
            let identity = restore::identity(head.log_id, self.log.instance());
            let ids_dir = self.options.command_ids_dir.as_deref();
            let (store, ids) = restore::fresh_store(open_store, ids_dir, &identity)?;
            self.follower.ids = ids;
            self.saver = Some(Saver::new(store, &self.options, &self.around));
            self.saver.as_mut().expect("just set").saves_in_flight_rows =
                self.mutant == Some(Mutant::PageWithInFlightRows);
        }
        Ok(())
    }

    /// Only a mutant answers here.
    pub(super) fn release_refusals(&mut self) {
        if self.mutant != Some(Mutant::RefusalByOtherClaim) {
            return;
        }
        for group in &mut self.in_flight.0 {
            let (refused, kept) =
                std::mem::take(&mut group.pending).into_iter().partition(Pending::is_refusal);
            group.pending = kept;
            let refused: Vec<Pending> = refused;
            refused.into_iter().for_each(Pending::answer);
        }
    }

    fn mutated_admission(&mut self, before: AdmissionState, raw: &RawEntry, reason: DropReason) -> Verdict {
        let dropped = Verdict::Dropped(reason);
        let is_claim_ignored = self.mutant == Some(Mutant::AdmissionIgnoresClaim)
            && matches!(reason, DropReason::ClaimNotCurrent | DropReason::TermOver);
        if !is_claim_ignored {
            return dropped;
        }
        let Ok(header) = EntryHeader::of_entry(&raw.bytes) else {
            return dropped;
        };
        if header.lsn != before.last_lsn.next() || header.recorded_at < before.recorded_at {
            return dropped;
        }
        self.follower.replace_admission(AdmissionState {
            last_lsn: header.lsn,
            head: before.head.extend(&raw.bytes),
            recorded_at: header.recorded_at,
            next: raw.position.next(),
            ..before
        });
        Verdict::Admitted { header, lsn: header.lsn }
    }

    /// Whether the log ends here, as far as the last read told, and everything read is folded.
    pub fn has_caught_up(&self) -> bool {
        self.at_end && !self.follower.is_replaying()
    }
}
