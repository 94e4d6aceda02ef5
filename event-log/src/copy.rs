//! Copies of a log: what was admitted goes into another log byte for byte, so lsn, chain and addresses stay.
//!
//! A copy that was interrupted goes on where it ended: its last entry must be the one that the log has at the same lsn, and each
//! further one must continue its chain. A copy of another log, or of another past of this one, is refused and changed no further.

use crate::admission::{Admission, AdmissionState, Verdict};
use crate::engine::{
    AppendGroup, AppendOutcome, EventLog, LogError, LogReader, LogSource, MAX_GROUP_BYTES, MAX_GROUP_ENTRIES,
    RawEntry, SubmitError,
};
use event_schemas::ids::{InstanceId, Lsn};
use event_schemas::time::Timestamp;
use std::time::Duration;

/// Most waits for one group to become durable (O1).
const MAX_OUTCOME_WAITS: u32 = 600;
const OUTCOME_WAIT: Duration = Duration::from_millis(100);

/// Where a copy ends, if it does not follow the log.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Until {
    /// The last entry to copy.
    pub lsn: Option<Lsn>,
    /// Nothing that was recorded later.
    pub recorded_at: Option<Timestamp>,
}

impl Until {
    fn takes(&self, lsn: Lsn, recorded_at: Timestamp) -> bool {
        self.lsn.is_none_or(|last| lsn <= last) && self.recorded_at.is_none_or(|last| recorded_at <= last)
    }
}

/// How far a copy is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Copied {
    /// Lsn of the copy's last entry, durable there.
    pub lsn: Lsn,
    pub recorded_at: Timestamp,
    /// The log had nothing further when it was read, or [`Until`] was reached.
    pub is_whole: bool,
}

/// Why a log cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the copy cannot take more: {0}")]
    Submit(#[from] SubmitError),
    #[error(
        "the copy holds lsn {lsn}, the log does not: it is a copy of another log, or the log has lost its end"
    )]
    LogShorter { lsn: Lsn },
    #[error(
        "at lsn {lsn} the copy and the log hold different entries: it is a copy of another log, or of another past of it"
    )]
    Diverged { lsn: Lsn },
    #[error("it holds {}, which is no copy of {of} that is being made", named(*.found))]
    NotACopy { of: InstanceId, found: Option<InstanceId> },
    #[error("whether the copy was written is not known ({cause}); begin it again, it goes on where it ended")]
    Unknown { cause: String },
}

fn named(copy_of: Option<InstanceId>) -> String {
    copy_of.map_or_else(|| "a log that began there".to_owned(), |of| format!("a copy of {of}"))
}

/// A copy under way.
pub struct Copying {
    reader: Box<dyn LogReader>,
    admission: Admission,
    copy: Box<dyn EventLog>,
    until: Until,
    is_over: bool,
}

impl Copying {
    /// Goes on with `copy`, of which `held` reads what is in it and `at` is admission's state at its end.
    ///
    /// # Errors
    /// If what it holds is not what the log begins with.
    pub fn resume(
        source: &dyn LogSource,
        (copy, held, at): (Box<dyn EventLog>, &dyn LogSource, AdmissionState),
        until: Until,
    ) -> Result<Self, CopyError> {
        let lsn = at.last_lsn;
        if lsn > Lsn::ZERO {
            match source.fetch(lsn)? {
                None => return Err(CopyError::LogShorter { lsn }),
                found if found != held.fetch(lsn)? => return Err(CopyError::Diverged { lsn }),
                _ => {}
            }
        }
        let from = source.locate(lsn.next())?;
        let admission = Admission::resume(AdmissionState { next: from, ..at });
        let is_over = until.lsn.is_some_and(|last| lsn >= last);
        Ok(Self { reader: source.open_reader(from)?, admission, copy, until, is_over })
    }

    /// Goes on with a copy that is made to go on in the log's place; `None` if it does already: the log was sealed for it.
    ///
    /// # Errors
    /// As [`Self::resume`]; if it was not begun as a copy of this very instance.
    pub fn resume_move(
        source: &dyn LogSource,
        (copy, held, at): (Box<dyn EventLog>, &dyn LogSource, AdmissionState),
    ) -> Result<Option<Self>, CopyError> {
        let (of, found) = (source.instance(), copy.copy_of());
        if found != Some(of) {
            return Err(CopyError::NotACopy { of, found });
        }
        if at.sealed_for == Some(copy.instance()) {
            copy.close()?;
            return Ok(None);
        }
        Self::resume(source, (copy, held, at), Until::default()).map(Some)
    }

    /// Which copy this is.
    pub fn instance(&self) -> InstanceId {
        self.copy.instance()
    }

    /// Admission's state at the end of the copy; the next position is that in the log.
    pub fn state(&self) -> &AdmissionState {
        self.admission.state()
    }

    /// Copies what can be read now, at most one group; waits up to `wait` if nothing can.
    pub fn step(&mut self, wait: Duration) -> Result<Copied, CopyError> {
        if self.is_over {
            return Ok(self.at(true));
        }
        let batch = self.reader.read(MAX_GROUP_ENTRIES, MAX_GROUP_BYTES, wait)?;
        let entries = self.admitted(batch.entries)?;
        if !entries.is_empty() {
            self.append(AppendGroup { entries })?;
        }
        Ok(self.at(batch.at_end || self.is_over))
    }

    /// Lets go of the copy.
    pub fn close(self) -> Result<(), CopyError> {
        Ok(self.copy.close()?)
    }

    /// How far it is.
    pub fn copied(&self) -> Copied {
        self.at(self.is_over)
    }

    fn at(&self, is_whole: bool) -> Copied {
        let state = self.admission.state();
        Copied { lsn: state.last_lsn, recorded_at: state.recorded_at, is_whole }
    }

    /// The entries that are facts: those of a log that was read from its beginning, and nothing else, continue the copy's chain.
    fn admitted(&mut self, read: Vec<RawEntry>) -> Result<Vec<Vec<u8>>, CopyError> {
        let mut entries = Vec::with_capacity(read.len());
        for raw in read {
            let mut next = self.admission.clone();
            let Verdict::Admitted { header, lsn } = next.admit(raw.position, &raw.bytes) else {
                self.admission = next;
                continue;
            };
            if !self.until.takes(lsn, header.recorded_at) {
                self.is_over = true;
                break;
            }
            self.admission = next;
            entries.push(raw.bytes);
        }
        Ok(entries)
    }

    fn append(&mut self, group: AppendGroup) -> Result<(), CopyError> {
        self.copy.submit(group)?;
        for _ in 0..MAX_OUTCOME_WAITS {
            match self.copy.poll(OUTCOME_WAIT)? {
                Some(AppendOutcome::Durable { .. }) => return Ok(()),
                Some(AppendOutcome::Unknown { cause, .. }) => return Err(CopyError::Unknown { cause }),
                None => {}
            }
        }
        Err(CopyError::Unknown { cause: "no outcome came in time".into() })
    }
}

#[cfg(test)]
mod tests;
