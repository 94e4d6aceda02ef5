//! A log in memory and a small town whose life fills it.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod correcting;
pub mod numbering;
pub mod serving;
pub mod town;
pub mod truth;

use event_log::{Admission, AdmissionState, LogError, LogReader, LogSource, RawEntry, ReadBatch, Verdict};
use event_schemas::basis::{Basis, BasisKind};
use event_schemas::event::{Event, EventBody};
use event_schemas::examples::example;
use event_schemas::guarded::Confidentiality;
use event_schemas::header::{ChainHead, EntryHeader, EntryKind, encode_entry};
use event_schemas::ids::{
    ClaimId, EventAddress, InstanceId, KeyId, LogId, Lsn, OfficeId, OfficerId, Position, RulesRevision, Term,
    Version,
};
use event_schemas::record::{Changes, ClockKind, EntryBody, Genesis, Record, Restatement};
use event_schemas::row::{RowRef, RowTouch, StreamRef};
use event_schemas::time::{Date, PartialDate, Timestamp};
use projections::{Projector, Step, View};
use state_store::memory::MemoryHome;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

pub const LOG: LogId = LogId(77);
pub const INSTANCE: InstanceId = InstanceId(1);

/// Cases of a property: `PROPTEST_CASES`, else those of the gate.
pub fn cases(gate: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(gate)
}

pub fn date(text: &str) -> Date {
    text.parse().unwrap()
}

pub fn event(on: Date, body: EventBody) -> Event {
    let (class, key_id) = (Confidentiality::Basic, KeyId::NONE);
    Event { effective_on: PartialDate::of_day(on), basis: 0, class, key_id, body }
}

#[derive(Default)]
struct Inner {
    raw: Vec<Vec<u8>>,
    admission: Admission,
    /// Raw place of each lsn, from lsn 1.
    places: Vec<usize>,
}

/// A log that is always durable.
pub struct MemoryLog {
    inner: Mutex<Inner>,
    grown: Condvar,
}

impl MemoryLog {
    pub fn empty() -> Arc<Self> {
        Arc::new(Self { inner: Mutex::default(), grown: Condvar::new() })
    }

    /// With its first entry and a leader.
    pub fn begun() -> Arc<Self> {
        let log = Self::empty();
        let genesis = Genesis {
            log_id: LOG,
            clock: ClockKind::Scripted,
            draft: event_schemas::codec::DRAFT,
            date: date("2021-07-01"),
            note: "a test".parse().unwrap(),
        };
        log.append(&EntryBody::Genesis(genesis));
        log.append(&EntryBody::Claim { node: "here".parse().unwrap() });
        log
    }

    /// Appends an entry as the leader would.
    pub fn append(&self, body: &EntryBody) -> Lsn {
        let state = self.state();
        let kind = body.kind();
        let claims = matches!(kind, EntryKind::Genesis | EntryKind::Claim);
        let header = EntryHeader {
            kind,
            format: 0,
            term: if kind == EntryKind::Claim { state.term.next() } else { state.term },
            claim_id: match (kind, state.claim) {
                (EntryKind::Claim, _) => ClaimId(u128::from(state.term.0) + 1),
                (_, claim) => claim.unwrap_or_default(),
            },
            lsn: if kind == EntryKind::Claim { Lsn::ZERO } else { state.last_lsn.next() },
            prev: if claims { ChainHead::EMPTY } else { state.head },
            recorded_at: Timestamp(state.recorded_at.0 + 1_000),
            key_id: KeyId::NONE,
            body_len: 0,
        };
        let entry = encode_entry(header, &body.encode().unwrap());
        self.append_raw(entry).expect("the leader's entries are admitted")
    }

    /// Appends bytes; the lsn if they are admitted.
    pub fn append_raw(&self, bytes: Vec<u8>) -> Option<Lsn> {
        let mut inner = self.inner.lock().unwrap();
        let place = inner.raw.len();
        let verdict = inner.admission.admit(Position(place as u64), &bytes);
        inner.raw.push(bytes);
        if let Verdict::Admitted { .. } = verdict {
            inner.places.push(place);
        }
        self.grown.notify_all();
        verdict.lsn()
    }

    pub fn state(&self) -> AdmissionState {
        *self.inner.lock().unwrap().admission.state()
    }

    pub fn last_lsn(&self) -> Lsn {
        self.state().last_lsn
    }

    pub fn raw(&self, place: usize) -> Vec<u8> {
        self.inner.lock().unwrap().raw[place].clone()
    }

    /// Opens a reader on what is behind an `Arc` of this.
    pub fn source(self: &Arc<Self>) -> Source {
        Source(Arc::clone(self))
    }
}

/// A handle to the log.
#[derive(Clone)]
pub struct Source(pub Arc<MemoryLog>);

impl LogSource for Source {
    fn instance(&self) -> InstanceId {
        INSTANCE
    }

    fn end(&self) -> Position {
        Position(self.0.inner.lock().unwrap().raw.len() as u64)
    }

    fn open_reader(&self, from: Position) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(Reader { log: Arc::clone(&self.0), at: from }))
    }

    fn locate(&self, lsn: Lsn) -> Result<Position, LogError> {
        let inner = self.0.inner.lock().unwrap();
        let place = inner.places.get(lsn.0 as usize - 1).copied().unwrap_or(inner.raw.len());
        Ok(Position(place as u64))
    }

    fn fetch(&self, lsn: Lsn) -> Result<Option<Vec<u8>>, LogError> {
        let inner = self.0.inner.lock().unwrap();
        let place = (lsn.0 as usize).checked_sub(1).and_then(|index| inner.places.get(index));
        Ok(place.map(|place| inner.raw[*place].clone()))
    }
}

struct Reader {
    log: Arc<MemoryLog>,
    at: Position,
}

impl LogReader for Reader {
    fn read(&mut self, max_entries: usize, max_bytes: usize, wait: Duration) -> Result<ReadBatch, LogError> {
        let mut inner = self.log.inner.lock().unwrap();
        let from = self.at.0 as usize;
        if inner.raw.len() <= from && !wait.is_zero() {
            inner = self.log.grown.wait_timeout(inner, wait).unwrap().0;
        }
        let mut batch = ReadBatch::default();
        let mut bytes = 0;
        for (place, raw) in inner.raw.iter().enumerate().skip(from).take(max_entries) {
            bytes += raw.len();
            if bytes > max_bytes && !batch.entries.is_empty() {
                break;
            }
            batch.entries.push(RawEntry { position: Position(place as u64), bytes: raw.clone() });
        }
        self.at = Position((from + batch.entries.len()) as u64);
        batch.at_end = self.at.0 as usize >= inner.raw.len();
        Ok(batch)
    }

    fn position(&self) -> Position {
        self.at
    }
}

/// Writes records as the writer would: each row's version, its record before, its streams' timelines.
pub struct Scribe {
    pub log: Arc<MemoryLog>,
    touched: BTreeMap<RowRef, (Version, Lsn)>,
    timelines: BTreeMap<StreamRef, Vec<(EventAddress, Event)>>,
}

impl Scribe {
    pub fn new() -> Self {
        Self { log: MemoryLog::begun(), touched: BTreeMap::new(), timelines: BTreeMap::new() }
    }

    /// Appends a record of these events.
    pub fn record(&mut self, events: Vec<Event>) -> Lsn {
        let changes = self.changes(events);
        self.append(changes)
    }

    pub fn append(&mut self, changes: Changes) -> Lsn {
        let record = Record {
            office: OfficeId(2),
            officer: OfficerId(9),
            rules: RulesRevision(1),
            command: example("change_name").unwrap(),
            changes,
        };
        self.log.append(&EntryBody::Record(Box::new(record)))
    }

    /// What the record would say, restatements of late streams included.
    pub fn changes(&mut self, events: Vec<Event>) -> Changes {
        let lsn = self.log.last_lsn().next();
        let mut rows = BTreeSet::new();
        let mut late = BTreeSet::new();
        for (index, event) in events.iter().enumerate() {
            let address = EventAddress { lsn, index: index as u32 };
            event.body.for_each_stream(|row, aspect| {
                rows.insert(row);
                let stream = StreamRef { row, aspect };
                let timeline = self.timelines.entry(stream).or_default();
                let last = timeline.last().map(|(_, last)| last.effective_on.earliest());
                if last.is_some_and(|last| last > event.effective_on.earliest()) {
                    late.insert(stream);
                }
                timeline.push((address, event.clone()));
                timeline.sort_by_key(|(address, event)| (event.effective_on.earliest(), *address));
            });
        }
        let rows = rows.into_iter().map(|row| self.touch(row, lsn)).collect();
        let restate = |stream| Restatement { stream, timeline: self.timelines[&stream].clone() };
        let restatements = late.into_iter().map(restate).collect();
        Changes { bases: vec![Basis::of(BasisKind::Declaration)], events, rows, restatements }
    }

    /// Version and last record of a row.
    pub fn version(&self, row: RowRef) -> (Version, Lsn) {
        self.touched.get(&row).copied().unwrap_or_default()
    }

    /// A commit changed the row, which its record does not name.
    pub fn move_on(&mut self, row: RowRef, lsn: Lsn) {
        self.touch(row, lsn);
    }

    fn touch(&mut self, row: RowRef, lsn: Lsn) -> RowTouch {
        let (version, previous) = self.touched.get(&row).copied().unwrap_or_default();
        self.touched.insert(row, (version.next(), lsn));
        RowTouch { row, version: version.next(), previous }
    }
}

/// A projector over a store in memory.
pub fn projector(home: &MemoryHome, log: &Arc<MemoryLog>) -> Projector {
    let (view, _) = View::open(Box::new(home.clone()), LOG, INSTANCE).unwrap();
    Projector::open(view, &log.source()).unwrap()
}

/// Folds everything there is.
pub fn run_to_end(projector: &mut Projector) {
    while !projector.step(64, Duration::ZERO).unwrap().at_end {}
}

/// One fold from the beginning, in one go.
pub fn folded(log: &Arc<MemoryLog>) -> Projector {
    let mut projector = projector(&MemoryHome::new(), log);
    run_to_end(&mut projector);
    projector
}

pub fn sums(projector: &Projector) -> projections::checksum::Checksum {
    projections::checksum::checksum(projector.view()).unwrap().unwrap()
}

pub fn step(projector: &mut Projector) -> Step {
    projector.step(64, Duration::ZERO).unwrap()
}

pub fn version(number: u32) -> Version {
    Version(number)
}

pub fn term(number: u64) -> Term {
    Term(number)
}
