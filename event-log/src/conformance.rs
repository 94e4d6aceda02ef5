//! What every engine must do, as functions that its tests run: one suite, whatever the engine.
//!
//! An engine's tests implement [`Subject`] and call [`check_all`]. Faults are not injected here: this is what holds
//! when nothing goes wrong.

use crate::admission::{Admission, Verdict};
use crate::engine::{
    AppendGroup, AppendOutcome, EventLog, LogError, LogReader, LogSource, MAX_GROUP_BYTES, MAX_GROUP_ENTRIES,
    RawEntry, SubmitError,
};
use event_schemas::header::{EntryHeader, EntryKind, HEADER_LEN, MAX_BODY_LEN, encode_entry};
use event_schemas::ids::{ClaimId, InstanceId, KeyId, Lsn, Position, Term};
use event_schemas::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// A log under test, empty at first.
pub trait Subject {
    /// Opens the log; the same again after the one opened before was closed.
    fn open(&mut self) -> (Box<dyn EventLog>, Arc<dyn LogSource>);

    /// Lets time pass, where time is simulated.
    fn pass_time(&mut self) {}
}

/// One thing that an engine must do.
pub type Case = fn(&mut dyn Subject);

/// Every case, with its name.
pub const CASES: [(&str, Case); 13] = [
    ("what_is_appended_is_read_back_in_order", what_is_appended_is_read_back_in_order),
    ("outcomes_come_in_the_order_of_submission", outcomes_come_in_the_order_of_submission),
    ("a_group_over_the_bounds_is_refused_and_leaves_nothing", a_group_over_the_bounds_is_refused),
    ("the_queue_of_groups_is_bounded", the_queue_of_groups_is_bounded),
    ("a_reader_begins_at_any_position", a_reader_begins_at_any_position),
    ("a_reader_beyond_the_end_is_refused", a_reader_beyond_the_end_is_refused),
    ("a_batch_keeps_its_bounds", a_batch_keeps_its_bounds),
    ("a_reader_follows_the_log", a_reader_follows_the_log),
    ("nothing_is_read_before_it_is_durable", nothing_is_read_before_it_is_durable),
    ("everything_is_there_after_closing_and_opening", everything_is_there_after_closing_and_opening),
    ("the_largest_entry_and_the_largest_group_fit", the_largest_entry_and_the_largest_group_fit),
    ("admitted_entries_are_found_by_lsn", admitted_entries_are_found_by_lsn),
    ("dropped_entries_are_kept_but_never_found_by_lsn", dropped_entries_are_never_found_by_lsn),
];

/// Runs every case, each on a fresh log.
pub fn check_all<S: Subject>(mut fresh: impl FnMut() -> S) {
    for (name, case) in CASES {
        println!("conformance: {name}");
        case(&mut fresh());
    }
}

/// Most times that a case polls before it gives up.
const MAX_POLLS: usize = 5_000;
const POLL_WAIT: Duration = Duration::from_millis(10);

/// Waits for the next outcome, which must be a good one.
fn next_durable(subject: &mut dyn Subject, log: &mut dyn EventLog) -> AppendOutcome {
    for _ in 0..MAX_POLLS {
        if let Some(outcome) = log.poll(POLL_WAIT).expect("polling works") {
            assert!(matches!(outcome, AppendOutcome::Durable { .. }), "{outcome:?}");
            return outcome;
        }
        subject.pass_time();
    }
    panic!("no outcome came");
}

/// Appends one group and waits until it is durable.
pub fn append(subject: &mut dyn Subject, log: &mut dyn EventLog, entries: Vec<Vec<u8>>) {
    let id = log.submit(AppendGroup { entries }).expect("the group is within the bounds");
    assert_eq!(next_durable(subject, log), AppendOutcome::Durable { group: id });
}

/// Reads to the end, in batches of a few entries.
pub fn read_all(reader: &mut dyn LogReader) -> Vec<RawEntry> {
    let mut all = Vec::new();
    for _ in 0..MAX_POLLS {
        let batch = reader.read(1_000, MAX_GROUP_BYTES, POLL_WAIT).expect("reading works");
        all.extend(batch.entries);
        if batch.at_end {
            return all;
        }
    }
    panic!("the reader does not come to the end");
}

fn contents(entries: Vec<RawEntry>) -> Vec<Vec<u8>> {
    entries.into_iter().map(|entry| entry.bytes).collect()
}

/// Entries of many lengths, told apart by their content.
fn numbered(from: usize, count: usize) -> Vec<Vec<u8>> {
    (from..from + count)
        .map(|number| {
            let mut entry = vec![(number % 251) as u8; number * 37 % 1_400];
            entry.extend_from_slice(&(number as u64).to_le_bytes());
            entry
        })
        .collect()
}

fn what_is_appended_is_read_back_in_order(subject: &mut dyn Subject) {
    let (mut log, source) = subject.open();
    let mut wanted = Vec::new();
    for count in [1, 2, 7, 1, 100, 3] {
        let entries = numbered(wanted.len(), count);
        wanted.extend(entries.clone());
        append(subject, &mut *log, entries);
    }
    wanted.push(Vec::new());
    append(subject, &mut *log, vec![Vec::new()]);
    assert_eq!(log.end(), source.end());
    for mut reader in [log.reader(Position(0)), source.open_reader(Position(0))].map(Result::unwrap_or_fail) {
        let read = read_all(&mut *reader);
        assert!(read.is_sorted_by(|a, b| a.position < b.position), "positions rise");
        assert_eq!(reader.position(), log.end());
        assert_eq!(contents(read), wanted);
    }
}

/// `expect` with one message for the whole suite.
trait OrFail<T> {
    fn unwrap_or_fail(self) -> T;
}

impl<T, E: std::fmt::Debug> OrFail<T> for Result<T, E> {
    fn unwrap_or_fail(self) -> T {
        self.expect("the engine does what it must")
    }
}

fn outcomes_come_in_the_order_of_submission(subject: &mut dyn Subject) {
    let (mut log, _source) = subject.open();
    let first = log.submit(AppendGroup { entries: numbered(0, 500) }).unwrap_or_fail();
    let second = log.submit(AppendGroup { entries: numbered(500, 1) }).unwrap_or_fail();
    assert!(first < second);
    let outcomes = [next_durable(subject, &mut *log), next_durable(subject, &mut *log)];
    assert_eq!(outcomes.map(|outcome| outcome.group()), [first, second]);
    assert_eq!(log.poll(Duration::ZERO), Ok(None));
    let mut reader = log.reader(Position(0)).unwrap_or_fail();
    assert_eq!(contents(read_all(&mut *reader)), numbered(0, 501));
}

fn a_group_over_the_bounds_is_refused(subject: &mut dyn Subject) {
    let (mut log, _source) = subject.open();
    let submit = |log: &mut dyn EventLog, entries| log.submit(AppendGroup { entries });
    assert_eq!(submit(&mut *log, Vec::new()), Err(SubmitError::Empty));
    let many = submit(&mut *log, vec![vec![1]; MAX_GROUP_ENTRIES + 1]);
    assert!(matches!(many, Err(SubmitError::TooLarge { .. })), "{many:?}");
    let long = submit(&mut *log, vec![vec![1; MAX_GROUP_BYTES / 4 + 1]; 4]);
    assert!(matches!(long, Err(SubmitError::TooLarge { .. })), "{long:?}");
    assert_eq!(log.poll(Duration::ZERO), Ok(None));
    append(subject, &mut *log, numbered(0, 1));
    let mut reader = log.reader(Position(0)).unwrap_or_fail();
    assert_eq!(contents(read_all(&mut *reader)), numbered(0, 1));
}

fn the_queue_of_groups_is_bounded(subject: &mut dyn Subject) {
    let (mut log, _source) = subject.open();
    let mut submitted = 0;
    let limit = loop {
        assert!(submitted < 100_000, "the queue has no bound");
        match log.submit(AppendGroup { entries: numbered(submitted, 1) }) {
            Ok(_) => submitted += 1,
            Err(SubmitError::TooManyInFlight { limit }) => break limit,
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(limit, submitted, "outcomes that were not polled count as in flight");
    for _ in 0..submitted {
        next_durable(subject, &mut *log);
    }
    append(subject, &mut *log, numbered(submitted, 1));
    let mut reader = log.reader(Position(0)).unwrap_or_fail();
    assert_eq!(contents(read_all(&mut *reader)), numbered(0, submitted + 1));
}

fn a_reader_begins_at_any_position(subject: &mut dyn Subject) {
    let (mut log, source) = subject.open();
    for (from, count) in [(0, 40), (40, 1), (41, 19), (60, 30)] {
        append(subject, &mut *log, numbered(from, count));
    }
    let all = read_all(&mut *source.open_reader(Position(0)).unwrap_or_fail());
    assert_eq!(all.len(), 90);
    for (at, entry) in all.iter().enumerate() {
        let mut reader = source.open_reader(entry.position).unwrap_or_fail();
        assert_eq!(reader.position(), entry.position);
        assert_eq!(read_all(&mut *reader), all[at..]);
    }
    let mut reader = source.open_reader(source.end()).unwrap_or_fail();
    assert_eq!(read_all(&mut *reader), []);
}

fn a_reader_beyond_the_end_is_refused(subject: &mut dyn Subject) {
    let (mut log, source) = subject.open();
    append(subject, &mut *log, numbered(0, 3));
    let beyond = Position(source.end().0 + 1);
    assert!(matches!(source.open_reader(beyond).err(), Some(LogError::BeyondEnd { .. })));
    assert!(matches!(log.reader(beyond).err(), Some(LogError::BeyondEnd { .. })));
}

fn a_batch_keeps_its_bounds(subject: &mut dyn Subject) {
    let (mut log, _source) = subject.open();
    append(subject, &mut *log, vec![vec![7; 100]; 10]);
    append(subject, &mut *log, vec![vec![8; 100]; 10]);
    let mut reader = log.reader(Position(0)).unwrap_or_fail();
    let mut read = |max_entries, max_bytes| {
        let batch = reader.read(max_entries, max_bytes, POLL_WAIT).unwrap_or_fail();
        (batch.entries.len(), batch.at_end)
    };
    assert_eq!(read(3, 10_000), (3, false));
    assert_eq!(read(100, 250), (2, false));
    assert_eq!(read(100, 1), (1, false), "the first entry is given whatever its length");
    assert_eq!(read(8, 10_000), (8, false), "a batch goes on into the next group");
    assert_eq!(read(6, 10_000).0, 6);
    assert!((0..MAX_POLLS).any(|_| read(6, 10_000) == (0, true)), "the end is told");
}

fn a_reader_follows_the_log(subject: &mut dyn Subject) {
    let (mut log, source) = subject.open();
    let mut reader = source.open_reader(Position(0)).unwrap_or_fail();
    assert_eq!(read_all(&mut *reader), []);
    let mut from = 0;
    for count in [1, 30, 2, 300, 1] {
        append(subject, &mut *log, numbered(from, count));
        assert_eq!(contents(read_all(&mut *reader)), numbered(from, count));
        from += count;
    }
}

fn nothing_is_read_before_it_is_durable(subject: &mut dyn Subject) {
    let (mut log, source) = subject.open();
    append(subject, &mut *log, numbered(0, 10));
    let mut reader = source.open_reader(Position(0)).unwrap_or_fail();
    log.submit(AppendGroup { entries: numbered(10, 10) }).unwrap_or_fail();
    let read = read_all(&mut *reader).len();
    assert!((10..=20).contains(&read), "what is durable is read: {read}");
    assert!(reader.position() <= source.end());
    next_durable(subject, &mut *log);
    assert_eq!(read + read_all(&mut *reader).len(), 20);
}

fn everything_is_there_after_closing_and_opening(subject: &mut dyn Subject) {
    let mut scribe = Scribe::new();
    let mut wanted = Vec::new();
    let mut instance = None;
    for round in 0..4 {
        let (mut log, source) = subject.open();
        assert_eq!(*instance.get_or_insert(log.instance()), log.instance());
        assert_eq!(source.instance(), log.instance());
        assert_eq!(contents(read_all(&mut *source.open_reader(Position(0)).unwrap_or_fail())), wanted);
        let mut entries = if round == 0 { vec![scribe.genesis()] } else { Vec::new() };
        entries.push(scribe.claim());
        entries.extend((0..50).map(|number| scribe.record(&[number; 90])));
        wanted.extend(entries.clone());
        append(subject, &mut *log, entries);
        assert_eq!(source.fetch(scribe.last_lsn()).unwrap_or_fail().as_ref(), wanted.last());
        log.close().unwrap_or_fail();
    }
}

fn the_largest_entry_and_the_largest_group_fit(subject: &mut dyn Subject) {
    let (mut log, _source) = subject.open();
    let mut scribe = Scribe::new();
    let mut wanted = vec![scribe.genesis(), scribe.claim()];
    append(subject, &mut *log, wanted.clone());
    let largest = scribe.record(&vec![5; MAX_BODY_LEN]);
    let mut full_group = vec![vec![6; MAX_GROUP_BYTES - (MAX_GROUP_ENTRIES - 1)]];
    full_group.resize(MAX_GROUP_ENTRIES, vec![7]);
    for group in [vec![largest], full_group, vec![scribe.record(b"after")]] {
        wanted.extend(group.clone());
        append(subject, &mut *log, group);
    }
    let mut reader = log.reader(Position(0)).unwrap_or_fail();
    assert!(contents(read_all(&mut *reader)) == wanted, "large entries come back unchanged");
}

fn admitted_entries_are_found_by_lsn(subject: &mut dyn Subject) {
    let (mut log, source) = subject.open();
    let mut scribe = Scribe::new();
    let mut all = vec![scribe.genesis(), scribe.claim()];
    append(subject, &mut *log, all.clone());
    for count in [1, 3, 200, 1, 1] {
        let group: Vec<_> = (0..count).map(|number| scribe.record(&vec![9; number * 31 % 900])).collect();
        all.extend(group.clone());
        append(subject, &mut *log, group);
    }
    check_lookups(&*source, &all, &all);
}

/// `admitted` are the entries by lsn, `raw` all of them.
fn check_lookups(source: &dyn LogSource, raw: &[Vec<u8>], admitted: &[Vec<u8>]) {
    for (at, entry) in admitted.iter().enumerate() {
        let lsn = Lsn(at as u64 + 1);
        assert_eq!(source.fetch(lsn).unwrap_or_fail().as_ref(), Some(entry), "lsn {lsn}");
        let from = source.locate(lsn).unwrap_or_fail();
        let rest = contents(read_all(&mut *source.open_reader(from).unwrap_or_fail()));
        let behind = raw.iter().rposition(|other| other == entry).unwrap_or(0);
        assert!(rest.len() >= raw.len() - behind, "lsn {lsn} is located at or before its place");
    }
    let beyond = Lsn(admitted.len() as u64 + 1);
    assert_eq!(source.fetch(beyond), Ok(None));
    assert_eq!(source.fetch(Lsn::ZERO), Ok(None));
    assert_eq!(source.locate(beyond), Ok(source.end()));
}

fn dropped_entries_are_never_found_by_lsn(subject: &mut dyn Subject) {
    let (mut log, source) = subject.open();
    let mut scribe = Scribe::new();
    let mut past_leader = Scribe::new();
    let mut admitted = vec![scribe.genesis(), scribe.claim()];
    past_leader.follow(&admitted);
    let mut raw = admitted.clone();
    append(subject, &mut *log, raw.clone());
    for round in 0..40_u8 {
        let good = [scribe.record(&[round; 60]), scribe.record(&[round; 200])];
        let stale = past_leader.record(&[round; 61]);
        let mut group = vec![stale.clone(), good[0].clone(), b"foreign".to_vec(), good[1].clone()];
        if round == 20 {
            // From here on the past leader is one of a past term.
            let claim = scribe.claim();
            group.push(claim.clone());
            admitted.extend([good[0].clone(), good[1].clone(), claim]);
        } else {
            admitted.extend(good.clone());
        }
        if round == 0 {
            // The first record of both continues the same head: only the first to arrive is admitted.
            group.remove(0);
        }
        raw.extend(group.clone());
        append(subject, &mut *log, group);
    }
    assert_eq!(contents(read_all(&mut *source.open_reader(Position(0)).unwrap_or_fail())), raw);
    check_lookups(&*source, &raw, &admitted);
}

/// Writes entries as a leader would, by following its own admission of them.
pub struct Scribe {
    admission: Admission,
    claims: u128,
}

impl Default for Scribe {
    fn default() -> Self {
        Self::new()
    }
}

impl Scribe {
    /// Of an empty log.
    pub fn new() -> Self {
        Self { admission: Admission::new(), claims: 0 }
    }

    /// Takes in entries that others wrote.
    pub fn follow(&mut self, entries: &[Vec<u8>]) {
        for entry in entries {
            self.admission.admit(self.admission.state().next, entry);
        }
    }

    /// Lsn of the last entry written.
    pub fn last_lsn(&self) -> Lsn {
        self.admission.state().last_lsn
    }

    /// The first entry of a log.
    pub fn genesis(&mut self) -> Vec<u8> {
        let entry = encode_entry(self.header(EntryKind::Genesis, Term(0), ClaimId(0)), b"genesis");
        self.admit(entry)
    }

    /// A claim of the next term.
    pub fn claim(&mut self) -> Vec<u8> {
        self.claims += 1;
        let term = self.admission.state().term.next();
        let mut header = self.header(EntryKind::Claim, term, ClaimId(self.claims << 64 | u128::from(term.0)));
        (header.lsn, header.prev) = self.admission.state().stated_by_claim();
        self.admit(encode_entry(header, b""))
    }

    /// The end of the log, which goes on in the copy `target`.
    ///
    /// # Panics
    /// If there was no claim.
    pub fn seal(&mut self, target: InstanceId) -> Vec<u8> {
        let state = self.admission.state();
        let claim = state.claim.expect("a claim was written");
        let header = self.header(EntryKind::Sealed, state.term, claim);
        self.admit(encode_entry(header, &target.0.to_le_bytes()))
    }

    /// A record of the current claim.
    ///
    /// # Panics
    /// If there was no claim, or the body is too long.
    pub fn record(&mut self, body: &[u8]) -> Vec<u8> {
        let state = self.admission.state();
        let claim = state.claim.expect("a claim was written");
        let entry = encode_entry(self.header(EntryKind::Record, state.term, claim), body);
        debug_assert_eq!(entry.len(), HEADER_LEN + body.len());
        self.admit(entry)
    }

    fn header(&self, kind: EntryKind, term: Term, claim_id: ClaimId) -> EntryHeader {
        let state = self.admission.state();
        EntryHeader {
            kind,
            format: 0,
            term,
            claim_id,
            lsn: state.last_lsn.next(),
            prev: state.head,
            recorded_at: Timestamp(state.recorded_at.0 + 1),
            key_id: KeyId(0),
            body_len: 0,
        }
    }

    fn admit(&mut self, entry: Vec<u8>) -> Vec<u8> {
        let verdict = self.admission.admit(self.admission.state().next, &entry);
        assert!(matches!(verdict, Verdict::Admitted { .. }), "{verdict:?}");
        entry
    }
}
