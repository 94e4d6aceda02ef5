//! Reading: raw entries through admission into the registry. Followers and restarts read this way, and so does a leader
//! what it did not write itself.

use crate::command_ids::CommandIds;
use crate::invariants::{Violation, check_format, check_versions};
use domain::registry::{DIGEST_VERSION, Registry};
use event_log::{Admission, AdmissionState, RawEntry, Verdict};
use event_schemas::codec::DRAFT;
use event_schemas::event::EventBody;
use event_schemas::format::NewerFormat;
use event_schemas::header::EntryHeader;
use event_schemas::ids::{Lsn, PersonId, Position};
use event_schemas::record::{AdmittedEntry, EntryBody, EntryError};
use event_schemas::row::RowRef;
use state_store::store::StoreError;

/// An admitted entry that this program cannot take in: it stops, and names the place.
#[derive(Debug, thiserror::Error)]
pub enum EntryFault {
    #[error("the admitted entry at lsn {lsn} cannot be decoded: {cause}")]
    Undecodable { lsn: Lsn, cause: EntryError },
    #[error("the log is written in draft {found}; this program reads draft {DRAFT}")]
    OtherDraft { found: u16 },
    #[error("lsn {lsn}: {format}")]
    UnknownFormat { lsn: Lsn, format: NewerFormat },
    #[error("at lsn {lsn} the log states the digest {stated:032x}; the state folded here has {found:032x}")]
    DigestDiffers { lsn: Lsn, stated: u128, found: u128 },
    #[error("command ids: {0}")]
    Ids(StoreError),
    #[error(transparent)]
    Broken(#[from] Violation),
}

impl From<StoreError> for EntryFault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TwoRecords(two) => Self::Broken(two.into()),
            other => Self::Ids(other),
        }
    }
}

/// Decodes an admitted entry. `header` is as admission gave it: a claim cannot know its own lsn.
pub fn decode(lsn: Lsn, header: EntryHeader, bytes: &[u8]) -> Result<AdmittedEntry, EntryFault> {
    let mut entry = AdmittedEntry::decode(lsn, bytes).map_err(|cause| match cause {
        EntryError::Format(format) => EntryFault::UnknownFormat { lsn, format },
        cause => EntryFault::Undecodable { lsn, cause },
    })?;
    entry.header = header;
    match &entry.body {
        EntryBody::Genesis(genesis) if genesis.draft != DRAFT => {
            Err(EntryFault::OtherDraft { found: genesis.draft })
        }
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
            check_format(&self.registry, entry)?;
            if let Some(changes) = entry.changes() {
                check_versions(&self.registry, entry.lsn, changes)?;
            }
        }
        self.fold(entry);
        match &entry.body {
            EntryBody::Record(record) => self.ids.confirm(record.command.command_id, entry.lsn)?,
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

#[cfg(test)]
mod tests {
    use super::*;
    use domain::rules::IN_FORCE;
    use event_schemas::header::ChainHead;
    use event_schemas::header::EntryKind;
    use event_schemas::ids::{ClaimId, CommandId, KeyId, OfficeId, OfficerId, Term};
    use event_schemas::record::{Changes, Record};
    use event_schemas::time::Timestamp;
    use state_store::id_index::IdIndex;

    /// A record of this command that changes nothing.
    fn record(lsn: u64, command_id: CommandId) -> AdmittedEntry {
        let mut command = event_schemas::examples::example("death").unwrap();
        command.command_id = command_id;
        let changes =
            Changes { bases: Vec::new(), events: Vec::new(), rows: Vec::new(), restatements: Vec::new() };
        let record =
            Record { office: OfficeId(1), officer: OfficerId(1), rules: IN_FORCE.revision, command, changes };
        let header = EntryHeader {
            kind: EntryKind::Record,
            format: 0,
            term: Term(1),
            claim_id: ClaimId(1),
            lsn: Lsn(lsn),
            prev: ChainHead::default(),
            recorded_at: Timestamp(1),
            key_id: KeyId::NONE,
            body_len: 0,
        };
        AdmittedEntry { lsn: Lsn(lsn), header, body: EntryBody::Record(Box::new(record)) }
    }

    #[test]
    fn an_entry_that_states_another_format_than_is_in_force_stops_the_reader() {
        let mut follower = Follower::new();
        let mut entry = record(1, CommandId(7));
        entry.header.format = 1;
        let fault = follower.apply(&entry).unwrap_err();
        assert!(fault.to_string().starts_with("W11 is broken at lsn 1: format 0 is in force"), "{fault}");
        assert_eq!(follower.registry.head().lsn, Lsn::ZERO);
    }

    #[test]
    fn entries_of_a_format_that_is_not_known_are_not_taken_in() {
        let newer = event_schemas::format::NEWEST + 1;
        let officer = OfficerId(1);
        let activate = EntryBody::Activate { format: newer, officer };
        for (body, format) in [(activate, 0), (EntryBody::Tick, newer)] {
            let mut header = record(5, CommandId(7)).header;
            (header.kind, header.format) = (body.kind(), format);
            let bytes = event_schemas::header::encode_entry(header, &body.encode().unwrap());
            let header = EntryHeader::of_entry(&bytes).unwrap();
            let fault = Follower::new().take(Lsn(5), header, &bytes).unwrap_err();
            let expected = format!("lsn 5: it is of format {newer}, and this program knows formats up to");
            assert!(fault.to_string().starts_with(&expected), "{fault}");
        }
    }

    #[test]
    fn a_second_record_of_a_command_stops_the_reader_and_names_the_command_and_both_records() {
        for ids in [CommandIds::default(), CommandIds::in_index(IdIndex::in_memory())] {
            let mut follower = Follower { ids, ..Follower::new() };
            follower.apply(&record(1, CommandId(7))).unwrap();
            follower.apply(&record(2, CommandId(8))).unwrap();
            let fault = follower.apply(&record(3, CommandId(7))).unwrap_err();
            let expected = format!(
                "W2 is broken at lsn 3: command {} stands for the records at lsn 1 and 3",
                CommandId(7)
            );
            assert_eq!(fault.to_string(), expected);
            let failure = crate::writer::Failure::Entry { position: Position(3), fault };
            assert!(failure.is_violation());
            assert_eq!(follower.ids.find(CommandId(7)).unwrap(), Some(Lsn(1)));
        }
    }
}
