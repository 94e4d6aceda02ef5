//! The claim that is in force: who leads, since when.

use super::NodeName;
use event_log::{AdmissionState, LogError, LogSource};
use event_schemas::header::EntryHeader;
use event_schemas::ids::{Lsn, Term};
use event_schemas::record::{AdmittedEntry, EntryBody};
use event_schemas::time::Timestamp;

/// The claim that admission let in last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct CurrentClaim {
    pub node: NodeName,
    pub term: Term,
    pub lsn: Lsn,
    /// By the claimer's clock.
    pub claimed_at: Timestamp,
}

impl CurrentClaim {
    /// What the bytes of a claim say that was admitted as `lsn`.
    pub fn read(lsn: Lsn, bytes: &[u8]) -> Option<Self> {
        let header = EntryHeader::of_entry(bytes).ok()?;
        match AdmittedEntry::decode(lsn, bytes).ok()?.body {
            EntryBody::Claim { node } => Some(Self {
                node: NodeName::of_claim(&node),
                term: header.term,
                lsn,
                claimed_at: header.recorded_at,
            }),
            _ => None,
        }
    }

    /// The claim of the state's term, which a restart from saved state has not read. Terms never go back (W7), so it is the first
    /// entry of its term, and is found by halving.
    pub fn find(source: &dyn LogSource, state: &AdmissionState) -> Result<Option<Self>, LogError> {
        if state.claim.is_none() {
            return Ok(None);
        }
        let (mut before, mut at) = (Lsn::ZERO, state.last_lsn);
        while at.0 - before.0 > 1 {
            let middle = Lsn(before.0 + (at.0 - before.0) / 2);
            let Some(entry) = source.fetch(middle)? else { return Ok(None) };
            match EntryHeader::of_entry(&entry) {
                Ok(header) if header.term < state.term => before = middle,
                _ => at = middle,
            }
        }
        Ok(source.fetch(at)?.and_then(|entry| Self::read(at, &entry)))
    }
}
