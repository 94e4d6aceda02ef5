//! Ending a log for one copy of it: whoever leads is superseded by a claim, and the claim's only entry is the seal.
//!
//! A step function: the product drives it with real waits, tests from a seed. Whatever is lost, late or written by others
//! meanwhile, only what was read back admitted counts; after any doubt about what was written a new term is claimed (W8).

use crate::admission::{Admission, AdmissionState, Standing};
use crate::engine::{
    AppendGroup, AppendOutcome, EventLog, LogError, LogReader, MAX_GROUP_BYTES, MAX_GROUP_ENTRIES,
    SubmitError,
};
use event_schemas::header::{ChainHead, EntryHeader, EntryKind, encode_entry};
use event_schemas::ids::{ClaimId, InstanceId, KeyId, Lsn, Term};
use event_schemas::time::Timestamp;
use std::time::Duration;

/// Most claims before it is given up (O1).
const MAX_ATTEMPTS: u32 = 12;
/// Most reads that came to the log's end without an entry that was appended, before a new term is claimed (O1).
const MAX_MISSED_READS: u32 = 100;

/// What is written.
#[derive(Clone, Debug)]
pub struct Seal {
    /// The copy in which the log goes on.
    pub target: InstanceId,
    /// Body of the claim.
    pub claim_body: Vec<u8>,
    /// Body of the seal, which begins with the target.
    pub seal_body: Vec<u8>,
}

/// Why a log cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the log takes nothing: {0}")]
    Submit(#[from] SubmitError),
    #[error("the log was sealed before and goes on in {to}")]
    Moved { to: InstanceId },
    #[error("it is itself an unfinished copy, of {of}: finish that one first, nobody can lead it before")]
    Unfinished { of: InstanceId },
    #[error("the log is empty: there is nothing to seal")]
    Empty,
    #[error(
        "after {MAX_ATTEMPTS} claims the log is not sealed; others lead it or it does not answer. Try again"
    )]
    NotSealed,
}

/// A log that is being sealed.
pub struct Sealing {
    log: Box<dyn EventLog>,
    reader: Box<dyn LogReader>,
    admission: Admission,
    seal: Seal,
    stage: Stage,
    attempts: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Reads to the end, to claim there.
    Reading,
    /// A claim was appended.
    Claiming { term: Term, claim_id: ClaimId, missed_reads: u32 },
    /// The claim was admitted, and the seal appended.
    Sealing { term: Term, missed_reads: u32 },
}

impl Sealing {
    /// Begins at the end of what `at` has read.
    pub fn begin(log: Box<dyn EventLog>, at: AdmissionState, seal: Seal) -> Result<Self, SealError> {
        let reader = log.reader(at.next)?;
        Ok(Self { log, reader, admission: Admission::resume(at), seal, stage: Stage::Reading, attempts: 0 })
    }

    /// Everything that can be done now; waits up to `wait` for what is awaited. `claim_id` is random and used if a term is
    /// claimed, `now` is stated in that claim. Gives the seal's lsn once it is in the log.
    pub fn step(
        &mut self,
        claim_id: ClaimId,
        now: Timestamp,
        wait: Duration,
    ) -> Result<Option<Lsn>, SealError> {
        let has_doubt = self.learn_outcomes()?;
        let at_end = self.read(wait)?;
        let state = *self.admission.state();
        if state.sealed && state.sealed_for == Some(self.seal.target) {
            return Ok(Some(state.last_lsn));
        }
        match state.standing(self.log.instance(), self.log.copy_of()) {
            Standing::Moved { to } => return Err(SealError::Moved { to }),
            Standing::Unfinished { of } if at_end => return Err(SealError::Unfinished { of }),
            _ if state.last_lsn == Lsn::ZERO && at_end => return Err(SealError::Empty),
            _ => {}
        }
        self.stage = if has_doubt { Stage::Reading } else { self.advanced(&state, at_end)? };
        if self.stage == Stage::Reading && at_end {
            self.claim(&state, claim_id, now)?;
        }
        Ok(None)
    }

    /// Lets go of the log.
    pub fn close(self) -> Result<(), LogError> {
        drop(self.reader);
        self.log.close()
    }

    /// Whether an outcome was unknown.
    fn learn_outcomes(&mut self) -> Result<bool, SealError> {
        let mut has_doubt = false;
        while let Some(outcome) = self.log.poll(Duration::ZERO)? {
            has_doubt |= matches!(outcome, AppendOutcome::Unknown { .. });
        }
        Ok(has_doubt)
    }

    /// Reads what is there; true if that was all.
    fn read(&mut self, wait: Duration) -> Result<bool, SealError> {
        let batch = self.reader.read(MAX_GROUP_ENTRIES, MAX_GROUP_BYTES, wait)?;
        for raw in &batch.entries {
            self.admission.admit(raw.position, &raw.bytes);
        }
        Ok(batch.at_end)
    }

    /// What follows on the stage, now that the log was read.
    fn advanced(&mut self, state: &AdmissionState, at_end: bool) -> Result<Stage, SealError> {
        let missed = u32::from(at_end);
        Ok(match self.stage {
            Stage::Claiming { term, claim_id, .. } if state.is_led_by(term, claim_id) => {
                self.append(self.seal_entry(state, claim_id))?;
                Stage::Sealing { term, missed_reads: 0 }
            }
            Stage::Claiming { term, claim_id, missed_reads }
                if state.term < term && missed_reads < MAX_MISSED_READS =>
            {
                Stage::Claiming { term, claim_id, missed_reads: missed_reads + missed }
            }
            Stage::Sealing { term, missed_reads }
                if state.term == term && missed_reads < MAX_MISSED_READS =>
            {
                Stage::Sealing { term, missed_reads: missed_reads + missed }
            }
            // Another has the term, or what was appended does not come.
            _ => Stage::Reading,
        })
    }

    fn claim(&mut self, state: &AdmissionState, claim_id: ClaimId, now: Timestamp) -> Result<(), SealError> {
        if self.attempts == MAX_ATTEMPTS {
            return Err(SealError::NotSealed);
        }
        self.attempts += 1;
        let term = state.term.next();
        let (lsn, prev) = state.stated_by_claim();
        let header = EntryHeader { lsn, prev, recorded_at: now, ..header(EntryKind::Claim, term, claim_id) };
        self.append(encode_entry(header, &self.seal.claim_body))?;
        self.stage = Stage::Claiming { term, claim_id, missed_reads: 0 };
        Ok(())
    }

    /// It is recorded at the time of the last entry: a seal says nothing of the registry's own time.
    fn seal_entry(&self, state: &AdmissionState, claim_id: ClaimId) -> Vec<u8> {
        let header = EntryHeader {
            lsn: state.last_lsn.next(),
            prev: state.head,
            recorded_at: state.recorded_at,
            ..header(EntryKind::Sealed, state.term, claim_id)
        };
        encode_entry(header, &self.seal.seal_body)
    }

    /// A queue that is full holds what was given up: its outcomes come first.
    fn append(&mut self, entry: Vec<u8>) -> Result<(), SealError> {
        match self.log.submit(AppendGroup { entries: vec![entry] }) {
            Ok(_) | Err(SubmitError::TooManyInFlight { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn header(kind: EntryKind, term: Term, claim_id: ClaimId) -> EntryHeader {
    EntryHeader {
        kind,
        format: 0,
        term,
        claim_id,
        lsn: Lsn::ZERO,
        prev: ChainHead::EMPTY,
        recorded_at: Timestamp(0),
        key_id: KeyId::NONE,
        body_len: 0,
    }
}

#[cfg(test)]
mod tests;
