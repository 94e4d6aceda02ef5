//! What the machine does without us: bytes into a file, and decisions without a log.

use super::workload::OFFICE;
use anyhow::{Result, bail};
use command_service::Submitter;
use domain::context::Context;
use domain::permutation::KeyedPins;
use domain::registry::Registry;
use domain::rules::IN_FORCE;
use domain::{Accepted, Decision, TimelineSource, TimelineUnavailable};
use event_schemas::codec::DRAFT;
use event_schemas::header::{ChainHead, EntryHeader, EntryKind, HEADER_LEN};
use event_schemas::ids::{ClaimId, EventAddress, KeyId, LogId, Term};
use event_schemas::record::{AdmittedEntry, ClockKind, EntryBody, Genesis, Record};
use event_schemas::row::{RowRef, StreamRef};
use event_schemas::text::Text;
use event_schemas::time::{Date, Timestamp};
use event_schemas::{CommandEnvelope, Event};
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Groups a second into a plain file: bytes of these sizes, one write and one fdatasync each, nothing else.
pub fn file_seconds(dir: &Path, group_bytes: &[usize]) -> Result<Duration> {
    let path = dir.join("bare");
    let longest = group_bytes.iter().copied().max().unwrap_or(1);
    let mut file = File::options().create(true).truncate(true).write(true).open(&path)?;
    // Written once before, so that a flush concerns data alone.
    let zeroes = vec![0_u8; longest];
    for _ in group_bytes {
        file.write_all(&zeroes)?;
    }
    file.sync_all()?;
    file.seek(SeekFrom::Start(0))?;
    let group = vec![0x5a_u8; longest];
    let begin = Instant::now();
    for bytes in group_bytes {
        file.write_all(&group[..*bytes])?;
        file.sync_data()?;
    }
    let elapsed = begin.elapsed();
    drop(file);
    fs::remove_file(&path)?;
    Ok(elapsed)
}

/// Decides and encodes on one thread: no log, no answers, no one to wait for.
pub struct Deciding {
    registry: Registry,
    pins: KeyedPins,
    now: Timestamp,
}

/// What deciding took, folding left out, and the entries, their headers left empty.
pub struct Decided {
    pub elapsed: Duration,
    pub entries: Vec<Vec<u8>>,
}

struct NoHistory;

impl TimelineSource for NoHistory {
    fn stream(&self, stream: StreamRef) -> Result<Vec<(EventAddress, Event)>, TimelineUnavailable> {
        Err(not_measured(stream))
    }

    fn recorded(&self, row: RowRef) -> Result<Vec<(EventAddress, Event)>, TimelineUnavailable> {
        Err(not_measured(row))
    }

    fn event(&self, at: EventAddress) -> Result<Option<Event>, TimelineUnavailable> {
        Err(not_measured(at))
    }
}

fn not_measured(of: impl std::fmt::Debug) -> TimelineUnavailable {
    TimelineUnavailable { of: format!("{of:?}"), cause: "nothing late is measured here".to_owned() }
}

impl Deciding {
    /// On an empty registry of this day.
    pub fn new(today: Date, pins: KeyedPins, now: Timestamp) -> Self {
        let genesis = Genesis {
            log_id: LogId(1),
            clock: ClockKind::Wall,
            draft: DRAFT,
            date: today,
            note: Text::new("bench").expect("a short word"),
        };
        let mut deciding = Self { registry: Registry::new(), pins, now };
        deciding.fold(EntryBody::Genesis(genesis));
        deciding
    }

    /// Decides and encodes each on the state that the others before it left.
    pub fn run(&mut self, commands: Vec<CommandEnvelope>) -> Result<Decided> {
        let mut decided = Decided { elapsed: Duration::ZERO, entries: Vec::with_capacity(commands.len()) };
        for command in commands {
            let (body, elapsed, bytes) = self.decide(OFFICE, command)?;
            decided.elapsed += elapsed;
            decided.entries.push([vec![0; HEADER_LEN], bytes].concat());
            self.fold(body);
        }
        Ok(decided)
    }

    /// Decides one, untimed.
    pub fn take(&mut self, submitter: Submitter, command: CommandEnvelope) -> Result<()> {
        let (body, ..) = self.decide(submitter, command)?;
        self.fold(body);
        Ok(())
    }

    fn decide(
        &self,
        submitter: Submitter,
        command: CommandEnvelope,
    ) -> Result<(EntryBody, Duration, Vec<u8>)> {
        let begin = Instant::now();
        let context = Context {
            lsn: self.registry.head().lsn.next(),
            recorded_at: self.now,
            rules: &IN_FORCE,
            office: submitter.office,
            officer: submitter.officer,
            pins: &self.pins,
            timelines: &NoHistory,
        };
        let Accepted { changes, .. } = match domain::decide(&self.registry, &command, &context) {
            Decision::Accepted(accepted) => accepted,
            Decision::Refused(faults) => bail!("a command was refused: {}", faults[0].en),
        };
        let record = Record {
            office: submitter.office,
            officer: submitter.officer,
            rules: IN_FORCE.revision,
            command,
            changes,
        };
        let body = EntryBody::Record(Box::new(record));
        let bytes = body.encode()?;
        Ok((body, begin.elapsed(), bytes))
    }

    fn fold(&mut self, body: EntryBody) {
        let lsn = self.registry.head().lsn.next();
        let header = EntryHeader {
            kind: EntryKind::Record,
            format: 0,
            term: Term(1),
            claim_id: ClaimId(1),
            lsn,
            prev: ChainHead::EMPTY,
            recorded_at: self.now,
            key_id: KeyId::NONE,
            body_len: 0,
        };
        self.registry.apply_entry(&AdmittedEntry { lsn, header, body });
        // Nothing is saved: what would be must not pile up.
        self.registry.take_lookup_changes();
    }
}
