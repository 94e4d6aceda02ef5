use super::*;
use crate::conformance::{self, Scribe, Subject};
use crate::engine::RawEntry;
use crate::hint::{Hint, LeaderHint, Member};
use event_schemas::format;
use local::LocalCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const INSTANCE: InstanceId = InstanceId(0x7a);
const WAIT: Duration = Duration::from_secs(20);

/// One broker for all tests of this process; each has a topic of its own.
struct Broker {
    cluster: LocalCluster,
    _dir: tempfile::TempDir,
}

static BROKER: Mutex<Option<Broker>> = Mutex::new(None);
static USERS: AtomicUsize = AtomicUsize::new(0);

/// Keeps the broker running; the last one stops it, because statics are never dropped.
struct InUse;

impl InUse {
    fn begin() -> Self {
        USERS.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        if USERS.fetch_sub(1, Ordering::SeqCst) == 1 {
            BROKER.lock().unwrap().take();
        }
    }
}

/// A topic that does not exist yet.
fn fresh_connection() -> Connection {
    static TOPICS: AtomicUsize = AtomicUsize::new(0);
    let mut broker = BROKER.lock().unwrap();
    let broker = broker.get_or_insert_with(|| {
        let dir = tempfile::tempdir().unwrap();
        Broker { cluster: LocalCluster::start(dir.path(), 1), _dir: dir }
    });
    broker.cluster.connection(&format!("log-{}", TOPICS.fetch_add(1, Ordering::SeqCst)))
}

fn fresh_topic() -> Connection {
    let connection = fresh_connection();
    create_topic(&connection, None).unwrap();
    connection
}

fn open(connection: &Connection) -> Result<KafkaLog, LogError> {
    KafkaLog::open(Options::new(connection.clone(), INSTANCE))
}

struct OnTopic(Connection);

impl Subject for OnTopic {
    fn open(&mut self) -> (Box<dyn EventLog>, Arc<dyn LogSource>) {
        let log = open(&self.0).unwrap();
        let handle = log.handle();
        (Box::new(log), Arc::new(handle))
    }
}

fn append(log: &mut KafkaLog, entries: Vec<Vec<u8>>) {
    log.submit(AppendGroup { entries }).unwrap();
    let outcome = log.poll(WAIT).unwrap().expect("an outcome comes in time");
    assert!(matches!(outcome, AppendOutcome::Durable { .. }), "{outcome:?}");
}

fn all_of(source: &KafkaHandle) -> Vec<RawEntry> {
    conformance::read_all(&mut *source.open_reader(Position(0)).unwrap())
}

fn send_foreign(connection: &Connection, payload: &[u8]) {
    let producer: BaseProducer = connection.config().create().unwrap();
    producer.send(BaseRecord::<(), _>::to(&connection.topic).payload(payload)).unwrap();
    producer.flush(WAIT).unwrap();
}

#[test]
fn the_engine_does_what_every_engine_must() {
    let _in_use = InUse::begin();
    // Most of each case is waiting for the broker.
    std::thread::scope(|scope| {
        for (name, case) in conformance::CASES {
            let run = move || {
                println!("conformance: {name}");
                case(&mut OnTopic(fresh_topic()));
            };
            std::thread::Builder::new().name(name.to_owned()).spawn_scoped(scope, run).unwrap();
        }
    });
}

#[test]
fn a_topic_that_is_not_there_is_missing() {
    let _in_use = InUse::begin();
    let connection = fresh_connection();
    assert!(matches!(open(&connection).err(), Some(LogError::Missing { .. })));
}

#[test]
fn a_topic_that_may_lose_entries_is_refused_with_every_reason() {
    let _in_use = InUse::begin();
    let connection = fresh_connection();
    topic::create_careless(&connection);
    let Some(LogError::Unsuitable { why, .. }) = open(&connection).err() else { panic!("it was taken") };
    for setting in ["cleanup.policy", "retention.ms", "message.timestamp.type"] {
        assert!(why.contains(setting), "{why}");
    }
}

#[test]
fn a_topic_of_others_is_foreign() {
    let _in_use = InUse::begin();
    let connection = fresh_topic();
    send_foreign(&connection, b"something else");
    assert!(matches!(open(&connection).err(), Some(LogError::Foreign { .. })));
}

#[test]
fn nobody_to_answer_is_an_error_that_says_so() {
    let connection =
        Connection { bootstrap: "127.0.0.1:1".to_owned(), topic: "log".to_owned(), settings: Vec::new() };
    let answer = mark::end_within(&connection, Duration::from_secs(1));
    let error = answer.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("no broker answers") && error.contains("127.0.0.1:1"), "{error}");
}

/// What a client says of a broker that is away must not be taken for an answer about the log.
#[test]
fn a_log_is_opened_though_a_broker_that_is_named_is_away() {
    let _in_use = InUse::begin();
    let good = fresh_topic();
    let connection = Connection { bootstrap: format!("127.0.0.1:1,{}", good.bootstrap), ..good };
    for _ in 0..3 {
        open(&connection).unwrap();
    }
}

#[test]
fn another_copy_than_the_expected_one_is_refused() {
    let _in_use = InUse::begin();
    let connection = fresh_topic();
    open(&connection).unwrap();
    let options =
        Options { expected_instance: Some(InstanceId(1)), ..Options::new(connection, InstanceId(2)) };
    let error = KafkaLog::open(options).err();
    assert!(matches!(error, Some(LogError::WrongInstance { found: INSTANCE, .. })), "{error:?}");
}

#[test]
fn foreign_bytes_among_entries_are_read_and_never_found_by_lsn() {
    let _in_use = InUse::begin();
    let connection = fresh_topic();
    let mut log = open(&connection).unwrap();
    let mut scribe = Scribe::new();
    append(&mut log, vec![scribe.genesis(), scribe.claim()]);
    send_foreign(&connection, b"a stranger's message");
    let record = scribe.record(b"after the stranger");
    append(&mut log, vec![record.clone()]);
    let handle = log.handle();
    assert_eq!(all_of(&handle).len(), 4);
    assert_eq!(handle.fetch(scribe.last_lsn()).unwrap(), Some(record));
    assert_eq!(handle.admission().unwrap().last_lsn, scribe.last_lsn());
}

#[test]
fn two_nodes_see_the_same_order_and_only_one_claim_of_a_term_is_admitted() {
    let _in_use = InUse::begin();
    let connection = fresh_topic();
    let (mut one, mut other) = (open(&connection).unwrap(), open(&connection).unwrap());
    let mut scribe = Scribe::new();
    append(&mut one, vec![scribe.genesis()]);
    let mut rival = Scribe::new();
    rival.follow(&all_of(&other.handle()).into_iter().map(|entry| entry.bytes).collect::<Vec<_>>());
    append(&mut one, vec![scribe.claim(), scribe.record(b"the first leader's")]);
    append(&mut other, vec![rival.claim(), rival.record(b"the rival's")]);
    assert_eq!(all_of(&one.handle()), all_of(&other.handle()));
    for node in [&one, &other] {
        let state = node.handle().admission().unwrap();
        assert_eq!((state.term, state.last_lsn), (event_schemas::ids::Term(1), Lsn(3)));
    }
}

#[test]
fn entries_that_lie_side_by_side_are_fetched_one_by_one_as_often_as_asked() {
    let _in_use = InUse::begin();
    let mut log = open(&fresh_topic()).unwrap();
    let mut scribe = Scribe::new();
    let mut entries = vec![scribe.genesis(), scribe.claim()];
    entries.extend((0..300_u32).map(|number| scribe.record(&number.to_be_bytes())));
    append(&mut log, entries.clone());
    let handle = log.handle();
    for _ in 0..4 {
        for (place, entry) in entries.iter().enumerate() {
            assert_eq!(handle.fetch(Lsn(place as u64 + 1)).unwrap().as_ref(), Some(entry));
        }
    }
}

/// What the client library had queued of the outage must not be taken for an answer.
#[test]
fn entries_are_fetched_again_after_the_broker_was_killed_and_came_back() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = LocalCluster::start(dir.path(), 1);
    let connection = cluster.connection("outlives");
    create_topic(&connection, None).unwrap();
    let mut log = open(&connection).unwrap();
    let mut scribe = Scribe::new();
    let entries = vec![scribe.genesis(), scribe.claim(), scribe.record(b"one"), scribe.record(b"two")];
    append(&mut log, entries.clone());
    let handle = log.handle();
    assert_eq!(handle.fetch(Lsn(1)).unwrap().as_ref(), Some(&entries[0]));
    cluster.kill(1);
    // Long enough that clients notice.
    std::thread::sleep(Duration::from_secs(1));
    cluster.restart(1);
    for (place, entry) in entries.iter().enumerate() {
        assert_eq!(handle.fetch(Lsn(place as u64 + 1)).unwrap().as_ref(), Some(entry));
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = std::time::Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < WAIT, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_chosen(node: &Candidacy) -> bool {
    matches!(node.hint(), Hint::Chosen { .. })
}

/// The names that a chosen node sees.
fn seen_by(node: &Candidacy) -> Vec<String> {
    match node.hint() {
        Hint::Chosen { members: Some(members) } => members.to_vec(),
        _ => Vec::new(),
    }
}

/// Three nodes: the place stays where it is, whoever leads, and whoever has it sees the others come and go if it wants to know.
#[test]
fn whoever_is_chosen_sees_who_is_there_and_another_is_chosen_when_it_leaves() {
    let _in_use = InUse::begin();
    let connection = fresh_topic();
    let join = |name: &str| Candidacy::begin(&connection, name, Duration::from_secs(6)).unwrap();
    let first = join("first");
    wait_until("alone", || is_chosen(&first));
    assert_eq!(first.hint(), Hint::Chosen { members: None }, "it did not ask");
    let (second, third) = (join("second"), join("third"));
    let member = |name: &str| Member { name: name.to_owned(), format: format::NEWEST };
    let all = ["first", "second", "third"];
    wait_until("all are members", || first.group().members().unwrap() == all.map(member));

    first.watch(true);
    wait_until("all are seen", || seen_by(&first) == all);
    assert!(is_chosen(&first) && !is_chosen(&second) && !is_chosen(&third), "whoever comes takes no place");
    second.watch(true);
    third.watch(true);
    Box::new(third).leave();
    wait_until("one left", || seen_by(&first) == all[..2]);
    assert_eq!(second.hint(), Hint::Standby);
    Box::new(first).leave();
    wait_until("the chosen one left", || seen_by(&second) == all[1..2]);
    second.watch(false);
    wait_until("it leads and need not know", || second.hint() == Hint::Chosen { members: None });
}

#[test]
fn an_index_that_was_saved_is_gone_on_from_if_it_is_of_this_log() {
    let _in_use = InUse::begin();
    let (connection, dir) = (fresh_topic(), tempfile::tempdir().unwrap());
    let file = IndexFile { path: dir.path().join("log.index"), is_kept: true };
    let open = |connection: &Connection, instance| {
        let options = Options::new(connection.clone(), instance);
        KafkaLog::open(Options { index_file: Some(file.clone()), ..options }).unwrap()
    };
    let mut scribe = Scribe::new();
    let mut log = open(&connection, INSTANCE);
    let mut entries = vec![b"noise".to_vec(), scribe.genesis(), scribe.claim()];
    entries.extend((0..20).map(|number| scribe.record(&[number; 50])));
    append(&mut log, entries.clone());
    let handle = log.handle();
    let expected = handle.admission().unwrap();
    assert_eq!(handle.index_began_at(), Position(0));
    drop((log, handle));
    assert!(file.path.exists());

    // It goes on behind what was saved, and finds the same.
    let mut log = open(&connection, INSTANCE);
    let handle = log.handle();
    assert_eq!(handle.index_began_at(), expected.next);
    assert_eq!(handle.admission().unwrap(), expected);
    let more: Vec<_> = (0..3).map(|number| scribe.record(&[number; 50])).collect();
    append(&mut log, more.clone());
    for (lsn, entry) in entries[1..].iter().chain(&more).enumerate() {
        let lsn = Lsn(lsn as u64 + 1);
        assert_eq!(handle.fetch(lsn).unwrap().as_ref(), Some(entry));
        assert_eq!(handle.locate(lsn).unwrap(), Position(lsn.0 + 1));
    }
    drop((log, handle));

    // Whoever only reads goes on from it too, and leaves it as it is.
    let saved = std::fs::read(&file.path).unwrap();
    let read_only = IndexFile { is_kept: false, ..file.clone() };
    let reader = KafkaHandle::open_with_index(connection.clone(), None, Some(read_only)).unwrap();
    assert_eq!((reader.index_began_at().0, reader.admission().unwrap().last_lsn.0), (27, 25));
    drop(reader);

    // Of another instance, or of a past that this log does not have, it is discarded.
    let other = fresh_topic();
    let mut log = open(&other, InstanceId(8));
    assert_eq!(log.handle().index_began_at(), Position(0));
    append(&mut log, vec![b"noise".to_vec()]);
    drop(log);
    let elsewhere = fresh_topic();
    let mut scribe = Scribe::new();
    let mut log = KafkaLog::open(Options::new(elsewhere.clone(), INSTANCE)).unwrap();
    let mut others = vec![b"noise".to_vec(), scribe.genesis(), scribe.claim()];
    others.extend((0..30).map(|number| scribe.record(&[number + 1; 50])));
    append(&mut log, others);
    drop(log);
    std::fs::write(&file.path, saved).unwrap();
    let log = open(&elsewhere, INSTANCE);
    assert_eq!(log.handle().index_began_at(), Position(0));
    assert_eq!(log.handle().admission().unwrap().last_lsn, Lsn(32));
}
