//! Reading: raw entries through admission into the registry. Followers and restarts read this way, and so does a leader
//! what it did not write itself.

use crate::command_ids::CommandIds;
use crate::invariants::{Violation, check_versions};
use domain::registry::{DIGEST_VERSION, Registry};
use event_log::{Admission, AdmissionState, RawEntry, Verdict};
use event_schemas::codec::DRAFT;
use event_schemas::event::EventBody;
use event_schemas::header::EntryHeader;
use event_schemas::ids::{Lsn, PersonId, Position};
use event_schemas::record::{AdmittedEntry, EntryBody, EntryError};
use event_schemas::row::RowRef;

/// An admitted entry that this program cannot take in: it stops, and names the place.
#[derive(Debug, thiserror::Error)]
pub enum EntryFault {
    #[error("the admitted entry at lsn {lsn} cannot be decoded: {cause}")]
    Undecodable { lsn: Lsn, cause: EntryError },
    #[error("the log is written in draft {found}; this program reads draft {DRAFT}")]
    OtherDraft { found: u16 },
    #[error("lsn {lsn} is in format {format}, which this program does not know")]
    UnknownFormat { lsn: Lsn, format: u16 },
    #[error("at lsn {lsn} the log states the digest {stated:032x}; the state folded here has {found:032x}")]
    DigestDiffers { lsn: Lsn, stated: u128, found: u128 },
    #[error(transparent)]
    Broken(#[from] Violation),
}

/// Decodes an admitted entry. `header` is as admission gave it: a claim cannot know its own lsn.
pub fn decode(lsn: Lsn, header: EntryHeader, bytes: &[u8]) -> Result<AdmittedEntry, EntryFault> {
    if header.format != 0 {
        return Err(EntryFault::UnknownFormat { lsn, format: header.format });
    }
    let mut entry =
        AdmittedEntry::decode(lsn, bytes).map_err(|cause| EntryFault::Undecodable { lsn, cause })?;
    entry.header = header;
    match &entry.body {
        EntryBody::Genesis(genesis) if genesis.draft != DRAFT => {
            Err(EntryFault::OtherDraft { found: genesis.draft })
        }
        EntryBody::Activate { format } => Err(EntryFault::UnknownFormat { lsn, format: *format }),
        _ => Ok(entry),
    }
}

/// Compares a digest that the log states with the state before it. Digests of other versions say nothing here.
pub fn check_digest(registry: &Registry, entry: &AdmittedEntry) -> Result<(), EntryFault> {
    let EntryBody::StateDigest(stated) = &entry.body else {
        return Ok(());
    };
    let found = registry.head().digest;
    if stated.version == DIGEST_VERSION && stated.sum != found {
        return Err(EntryFault::DigestDiffers { lsn: entry.lsn, stated: stated.sum, found });
    }
    Ok(())
}

/// State folded from the log.
#[derive(Default)]
pub struct Follower {
    admission: Admission,
    pub registry: Registry,
    pub ids: CommandIds,
    /// Saved pages reflect up to this lsn; until it is reached they are brought up to date.
    replay_until: Option<Lsn>,
    /// Lsn of the last digest, or of where this program began to read.
    last_digest: Lsn,
    entries_read: u64,
    /// For simulations: the fold is not a function of row and event alone.
    pub(crate) fold_reads_other_row: bool,
}

impl Follower {
    /// At the beginning of a log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on from saved pages that reflect lsns from `state.last_lsn` to `newest`.
    pub fn resume(state: AdmissionState, registry: Registry, ids: CommandIds, newest: Lsn) -> Self {
        let mut follower = Self {
            admission: Admission::resume(state),
            registry,
            ids,
            replay_until: Some(newest),
            last_digest: state.last_lsn,
            entries_read: 0,
            fold_reads_other_row: false,
        };
        follower.finish_replay_at(state.last_lsn);
        follower
    }

    /// Admission after everything read.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// For simulations of a reader whose admission is wrong.
    pub(crate) fn replace_admission(&mut self, state: AdmissionState) {
        self.admission = Admission::resume(state);
    }

    /// The first position that was not read.
    pub fn next_position(&self) -> Position {
        self.admission.state().next
    }

    /// Whether pages are still being brought up to date: nothing can be decided.
    pub fn is_replaying(&self) -> bool {
        self.replay_until.is_some()
    }

    /// Entries read and admitted since the start.
    pub fn entries_read(&self) -> u64 {
        self.entries_read
    }

    /// Lsn of the last digest known.
    pub fn last_digest(&self) -> Lsn {
        self.last_digest
    }

    /// A digest was appended as this lsn.
    pub fn note_digest(&mut self, lsn: Lsn) {
        self.last_digest = lsn;
    }

    /// Judges the next raw entry. What is admitted must then be taken in, or be one's own.
    pub fn admit(&mut self, raw: &RawEntry) -> Verdict {
        let verdict = self.admission.admit(raw.position, &raw.bytes);
        self.entries_read += u64::from(verdict.lsn().is_some());
        verdict
    }

    /// Takes an admitted entry in that is not one's own.
    pub fn take(&mut self, lsn: Lsn, header: EntryHeader, bytes: &[u8]) -> Result<(), EntryFault> {
        let entry = decode(lsn, header, bytes)?;
        self.apply(&entry)
    }

    /// Folds an admitted entry: nothing is in flight.
    pub fn apply(&mut self, entry: &AdmittedEntry) -> Result<(), EntryFault> {
        if !self.is_replaying() {
            check_digest(&self.registry, entry)?;
            if let Some(changes) = entry.changes() {
                check_versions(&self.registry, entry.lsn, changes)?;
            }
        }
        self.fold(entry);
        match &entry.body {
            EntryBody::Record(record) => self.ids.confirm(record.command.command_id, entry.lsn),
            EntryBody::StateDigest(_) => self.last_digest = entry.lsn,
            _ => {}
        }
        self.finish_replay_at(entry.lsn);
        Ok(())
    }

    /// Folds an entry into the registry, be it of a group in flight.
    pub(crate) fn fold(&mut self, entry: &AdmittedEntry) {
        if self.fold_reads_other_row && self.registry.version(RowRef::Person(PersonId(1))).0.0 % 2 == 1 {
            self.registry.apply_entry(&without_changed_names(entry));
        } else {
            self.registry.apply_entry(entry);
        }
    }

    /// Takes back what is in flight.
    pub fn roll_back(&mut self) {
        self.registry.roll_back();
        self.ids.roll_back();
        self.last_digest = self.last_digest.min(self.registry.head().lsn);
    }

    fn finish_replay_at(&mut self, lsn: Lsn) {
        if self.replay_until.is_some_and(|newest| lsn >= newest) {
            self.replay_until = None;
            self.registry.finish_replay();
        }
    }
}

fn without_changed_names(entry: &AdmittedEntry) -> AdmittedEntry {
    let mut entry = entry.clone();
    if let EntryBody::Record(record) = &mut entry.body {
        record.changes.events.retain(|event| !matches!(event.body, EventBody::NameChanged(_)));
    }
    entry
}
