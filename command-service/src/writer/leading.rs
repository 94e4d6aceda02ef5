//! Claims, doubt and the outcomes of appends.
//!
//! *Architecture invariant:* a term is written in only from the moment its claim was read back admitted until the first doubt
//! (W7, W8).

use super::claim::CurrentClaim;
use super::{Failure, InFlight, Mutant, Writer};
use crate::gateway::{Barred, Doubt, StepDown};
use event_log::{AppendGroup, AppendOutcome, GroupId, LogError, Standing, SubmitError as AppendRefused};
use event_schemas::codec::DRAFT;
use event_schemas::header::{ChainHead, EntryHeader, EntryKind, encode_entry};
use event_schemas::ids::{ClaimId, KeyId, Lsn, Term};
use event_schemas::record::{AdmittedEntry, EntryBody, Genesis};
use std::time::Duration;

/// Where this node stands.
pub(super) enum Leadership {
    Following(Following),
    /// A first entry was appended to an empty log.
    Founding {
        group: GroupId,
    },
    Claiming(Claiming),
    Leading(Leading),
}

pub(super) struct Following {
    /// No claim before this moment.
    pub claim_not_before: Duration,
    /// Another leads: unless this node was chosen, no claim before this moment either.
    pub quiet_until: Duration,
    pub since: Duration,
}

pub(super) struct Claiming {
    pub claim_id: ClaimId,
    pub group: GroupId,
    pub is_durable: bool,
    pub missed_reads: u32,
}

pub(super) struct Leading {
    pub term: Term,
    pub claim_id: ClaimId,
    /// The group of the claim itself: that it was read back does not make up for an unknown outcome.
    pub claim_group: GroupId,
    /// The chain's head after everything appended in this term.
    pub head: ChainHead,
    pub last_append: Duration,
    /// An operator must consent to the clock before anything is written.
    pub awaits_consent: bool,
}

impl Leadership {
    pub fn following(claim_not_before: Duration) -> Self {
        Self::Following(Following { claim_not_before, quiet_until: Duration::ZERO, since: claim_not_before })
    }

    pub fn awaits_log(&self) -> bool {
        matches!(self, Self::Founding { .. } | Self::Claiming(_))
    }
}

impl Writer {
    /// Learns what became of appended groups; waits up to `wait` for the first.
    pub fn learn_outcomes(&mut self, wait: Duration) -> Result<(), Failure> {
        let mut wait = wait;
        while let Some(outcome) = self.log.poll(wait)? {
            wait = Duration::ZERO;
            self.outstanding -= 1;
            self.learn(outcome)?;
        }
        Ok(())
    }

    fn learn(&mut self, outcome: AppendOutcome) -> Result<(), Failure> {
        let group = outcome.group();
        let (is_durable, cause) = match outcome {
            AppendOutcome::Durable { .. } => (true, String::new()),
            AppendOutcome::Unknown { cause, .. } if self.options.is_log_exclusive => {
                // A second flush may lie: only opening the log anew tells what is there.
                return Err(Failure::Log(LogError::Fatal { cause }));
            }
            AppendOutcome::Unknown { .. } if self.mutant == Some(Mutant::WritesOnAfterDoubt) => {
                (true, String::new())
            }
            AppendOutcome::Unknown { cause, .. } => (false, cause),
        };
        let now = self.now();
        if let Some(known) = self.in_flight.0.iter_mut().find(|known| known.id == group) {
            if !is_durable {
                self.doubt(Doubt::UnknownOutcome, &cause);
                return Ok(());
            }
            known.is_durable = true;
            let taken = now.saturating_sub(known.appended_at);
            self.stats.append_time_us.record(taken.as_micros() as u64);
            return self.confirm_groups();
        }
        match &mut self.leadership {
            Leadership::Claiming(claiming) if claiming.group == group && is_durable => {
                claiming.is_durable = true;
            }
            Leadership::Claiming(claiming) if claiming.group == group => self.lose_claim(&cause),
            Leadership::Leading(lead) if lead.claim_group == group && !is_durable => {
                self.doubt(Doubt::UnknownOutcome, &cause);
            }
            Leadership::Founding { group: founding } if *founding == group => self.follow_after_pause(),
            _ => {} // Of a term that was given up.
        }
        Ok(())
    }

    /// Asks to lead if it is time.
    pub fn lead(&mut self) -> Result<(), Failure> {
        let now = self.now();
        let Leadership::Following(following) = &self.leadership else {
            return Ok(());
        };
        let (quiet_until, since) = (following.quiet_until, following.since);
        let is_time = now >= following.claim_not_before && self.is_its_turn(now, quiet_until, since);
        let may_claim =
            self.options.is_candidate && is_time && self.has_read_enough(now) && self.may_append();
        if now.saturating_sub(since) > self.options.resolve_within {
            self.give_up_resolving();
        }
        if !may_claim || self.bar().is_some() {
            return Ok(());
        }
        if self.follower.admission().state().last_lsn == Lsn::ZERO {
            return self.found();
        }
        self.claim()
    }

    /// Why nobody may lead this log as it was read so far: no claim of the log that is there would be right.
    fn bar(&self) -> Option<Barred> {
        let state = self.follower.admission().state();
        match state.standing(self.log.instance(), self.log.copy_of()) {
            Standing::Open | Standing::GoesOnHere => None,
            Standing::Moved { to } => Some(Barred::LogSealed { goes_on_in: to }),
            Standing::Unfinished { .. } if self.mutant == Some(Mutant::LeadsUnfinishedCopy) => None,
            Standing::Unfinished { of } => Some(Barred::CopyUnfinished { of }),
        }
    }

    /// The same, once all was read that is there: what comes behind may say otherwise.
    pub(super) fn barred(&self) -> Option<Barred> {
        self.bar().filter(|_| self.candidacy.has_caught_up())
    }

    fn found(&mut self) -> Result<(), Failure> {
        let Some(new_log) = &self.options.new_log else {
            return Ok(());
        };
        let recorded_at = self.around.clock.now();
        let body = EntryBody::Genesis(Genesis {
            log_id: new_log.log_id,
            clock: self.around.clock.kind(),
            draft: DRAFT,
            date: recorded_at.vietnam_date(),
            note: new_log.note.clone(),
        });
        let header = EntryHeader {
            kind: EntryKind::Genesis,
            format: 0,
            term: Term(0),
            claim_id: ClaimId::default(),
            lsn: Lsn(1),
            prev: ChainHead::EMPTY,
            recorded_at,
            key_id: KeyId::NONE,
            body_len: 0,
        };
        let group = self.append_alone(header, &body)?;
        self.leadership = Leadership::Founding { group };
        Ok(())
    }

    fn claim(&mut self) -> Result<(), Failure> {
        let claim_id = ClaimId(self.around.random.bits());
        let (lsn, prev) = self.follower.admission().state().stated_by_claim();
        let header = EntryHeader {
            kind: EntryKind::Claim,
            format: 0,
            term: self.follower.admission().state().term.next(),
            claim_id,
            lsn,
            prev,
            recorded_at: self.around.clock.now(),
            key_id: KeyId::NONE,
            body_len: 0,
        };
        let body = EntryBody::Claim { node: self.options.node.text() };
        let group = self.append_alone(header, &body)?;
        self.stats.claims += 1;
        self.leadership =
            Leadership::Claiming(Claiming { claim_id, group, is_durable: false, missed_reads: 0 });
        Ok(())
    }

    fn append_alone(&mut self, header: EntryHeader, body: &EntryBody) -> Result<GroupId, Failure> {
        let body = body.encode().expect("system entries encode");
        self.append(AppendGroup { entries: vec![encode_entry(header, &body)] })
    }

    /// Hands a group to the log, which has room: [`Self::may_append`] was asked.
    pub(super) fn append(&mut self, group: AppendGroup) -> Result<GroupId, Failure> {
        match self.log.submit(group) {
            Ok(id) => {
                self.outstanding += 1;
                Ok(id)
            }
            Err(AppendRefused::Failed(error)) => Err(error.into()),
            Err(error) => unreachable!("groups are kept within the log's bounds: {error}"),
        }
    }

    /// An admitted claim: one's own makes this node the leader, another's ends that.
    pub(super) fn read_claim(
        &mut self,
        lsn: Lsn,
        header: EntryHeader,
        bytes: &[u8],
    ) -> Result<(), crate::follower::EntryFault> {
        let own = match &self.leadership {
            Leadership::Claiming(claiming) if claiming.claim_id == header.claim_id => Some(claiming.group),
            _ => None,
        };
        let claim = CurrentClaim::read(lsn, bytes);
        if self.is_leading() {
            self.release_refusals();
            let by = claim.as_ref().map_or_else(String::new, |claim| format!(" of {}", claim.node));
            self.doubt(Doubt::Superseded, &format!("the claim{by} to term {} was admitted", header.term.0));
        }
        self.follower.take(lsn, header, bytes)?;
        self.claim = claim;
        match own {
            Some(claim_group) => self.begin_term(header, claim_group),
            None => {
                self.has_seen_others = true;
                self.candidacy.hear_claim(self.around.timer.elapsed());
            }
        }
        Ok(())
    }

    fn begin_term(&mut self, header: EntryHeader, claim_group: GroupId) {
        // What was read up to the claim is the complete state: the drain was the restore.
        self.stats.elections_won += 1;
        self.candidacy.is_satisfied();
        // A claim of one's own was appended just now; whatever was known before is of no use after a long rest.
        self.log_clock = None;
        self.note_log_clock();
        tracing::info!(term = header.term.0, lsn = header.lsn.0, "leads the log");
        self.leadership = Leadership::Leading(Leading {
            term: header.term,
            claim_id: header.claim_id,
            claim_group,
            head: self.follower.admission().state().head,
            last_append: self.now(),
            awaits_consent: false,
        });
    }

    /// Entries of others show that somebody leads: no claim while they keep coming.
    pub(super) fn see_other_leader(&mut self) {
        if self.options.is_log_exclusive {
            return; // They are of the past.
        }
        let silence = self.options.takeover_after;
        let until = self.now() + silence + self.around.pause_below(silence / 2);
        self.candidacy.hear(self.around.timer.elapsed());
        if let Leadership::Following(following) = &mut self.leadership {
            following.quiet_until = following.quiet_until.max(until);
        }
    }

    /// The claim was not admitted, or nobody knows: pauses, then claims anew.
    pub(super) fn lose_claim(&mut self, why: &str) {
        tracing::info!(why, "did not get the term it claimed");
        self.follow_after_pause();
    }

    fn follow_after_pause(&mut self) {
        let now = self.now();
        let pause = self.around.pause_below(self.options.max_backoff);
        self.leadership = Leadership::following(now + pause);
        if let Leadership::Following(following) = &mut self.leadership {
            following.since = now;
        }
    }

    /// Any doubt ends the term (W8): what is in flight is taken back, what of it was read back admitted is taken in as
    /// anyone's, and its commands wait to be looked up or decided again.
    pub(super) fn doubt(&mut self, reason: Doubt, details: &str) {
        let groups = self.in_flight.0.len();
        tracing::warn!(
            reason = reason.code(),
            details,
            groups,
            "steps down and rolls back what is in flight"
        );
        self.stats.rollbacks += 1;
        self.candidacy.step_down();
        self.activation = None;
        self.note_step_down(reason, details);
        self.follower.roll_back();
        let mut groups = std::mem::take(&mut self.in_flight.0);
        for group in &groups {
            for entry in &group.entries[..group.read_back] {
                self.take_admitted(entry);
            }
        }
        while let Some(group) = groups.pop_back() {
            self.requeue(group);
        }
        self.follow_after_pause();
    }

    fn note_step_down(&mut self, reason: Doubt, details: &str) {
        let Leadership::Leading(lead) = &self.leadership else { return };
        self.last_led = lead.term;
        *self.stats.step_downs.entry(reason.code()).or_default() += 1;
        let at = self.around.clock.now();
        self.stats.last_step_down =
            Some(StepDown { reason, details: details.to_owned(), term: lead.term, at });
    }

    fn take_admitted(&mut self, entry: &AdmittedEntry) {
        if let Err(fault) = self.follower.apply(entry) {
            // It was checked when it was decided, on the same state.
            unreachable!("an own entry is sound: {fault}");
        }
    }

    fn requeue(&mut self, mut group: InFlight) {
        for pending in group.pending.into_iter().rev() {
            self.waiting.push_front(pending.requeue(&mut group.entries));
        }
    }
}
