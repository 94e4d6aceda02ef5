//! Real brokers, real nodes, real faults: two nodes share a log in Kafka, a third answers queries, offices submit to both. The leader is killed, paused
//! and woken, told to hand over, ended in order, cut off from the brokers; a broker is killed and comes back. Afterwards every answered command is in the log
//! exactly once and where its answer said, every other one once or not at all (W1, W2, W8), what clients saw is linearizable (W10), terms
//! never went back (W7), and all nodes' registries and views are equal to a fresh fold (R2).
//!
//! `DANCU_CHAOS_MINUTES` goes on with faults for so long, `DANCU_CHAOS_FAULTS` names those that are wanted (`LeaderPaused,BrokerKilled`),
//! `DANCU_CHAOS_DIR` keeps what nodes and brokers logged. What it prints is measured; nothing measured is asserted but that another
//! leads within a minute.

pub mod brokers;
mod clients;
pub mod nodes;
mod proxy;

use brokers::Brokers;
use clients::{Clients, Heard};
use command_service::invariants::Auditor;
use event_log::kafka::Connection;
use event_log::{KafkaHandle, LogSource};
use event_schemas::header::EntryKind;
use event_schemas::ids::{CommandId, Lsn, OfficeId, Position, Term};
use event_schemas::record::EntryBody;
use nodes::{Kind, Node, Signal, run};
use proxy::Proxy;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::linearizability::judge;

/// How long a node, a fault or an answer may take on a slow machine.
const WITHIN: Duration = Duration::from_secs(120);
/// Longest until another leads, also where a broker is gone with the leader: a session of the group ends twice, a partition gets another
/// leader, and whoever was not chosen waits for three times the silence.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Answers after a fault that show that writing goes on.
const ANSWERS_AFTER: usize = 50;
const BROKERS: usize = 3;

/// What is done to the system.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fault {
    LeaderKilled,
    LeaderPaused,
    BrokerKilled,
    LeaderEnded,
    TakeoverOrdered,
    LeaderCutOff,
    /// While a broker is away, which may have been the one that knew the group of nodes.
    LeaderKilledBrokerAway,
    /// Both at once, as if they were on one machine.
    LeaderAndBrokerKilled,
}

/// The gate strikes with the first of them, chaos with all.
const FAULTS: [Fault; 8] = [
    Fault::LeaderKilled,
    Fault::LeaderPaused,
    Fault::BrokerKilled,
    Fault::LeaderEnded,
    Fault::TakeoverOrdered,
    Fault::LeaderCutOff,
    Fault::LeaderKilledBrokerAway,
    Fault::LeaderAndBrokerKilled,
];
const FAULTS_OF_THE_GATE: usize = 6;

/// The faults that are named, with commas between.
fn faults_named(named: &str) -> Vec<Fault> {
    let fault = |name: &str| {
        let found = FAULTS.into_iter().find(|fault| format!("{fault:?}") == name.trim());
        found.unwrap_or_else(|| panic!("{name} is no fault; there are {FAULTS:?}"))
    };
    named.split(',').map(fault).collect()
}

/// The node whose way to the brokers can be cut.
const BEHIND_PROXY: usize = 1;

struct System {
    nodes: Vec<Node>,
    query: Node,
    brokers: Brokers,
    proxy: Proxy,
    clients: Clients,
    /// Longest time without an acceptance, by fault.
    pauses: BTreeMap<Fault, Vec<Duration>>,
    /// From the fault until another node led. What clients notice beyond is their own patience with a node that does not answer.
    takeovers: BTreeMap<Fault, Vec<Duration>>,
    /// The broker that was killed last.
    broker: usize,
    /// Holds the files of all; goes last.
    _dir: Option<tempfile::TempDir>,
}

impl System {
    fn start(minutes: f64) -> Self {
        let start = Instant::now();
        let kept = std::env::var_os("DANCU_CHAOS_DIR").map(PathBuf::from);
        let temporary = kept.is_none().then(|| tempfile::tempdir().unwrap());
        let dir = temporary.as_ref().map_or(kept.as_deref(), |it| Some(it.path())).unwrap();
        std::fs::create_dir_all(dir).unwrap();
        let mut proxy = Proxy::new(BROKERS);
        let brokers = Brokers::start_behind(&dir.join("kafka"), BROKERS, &proxy.ports);
        proxy.lead_to(&brokers.ports_behind());
        run(&["topic", "create", "--bootstrap", &brokers.bootstrap]);
        let ways = [("a", brokers.bootstrap.clone()), ("b", proxy.bootstrap())];
        let mut nodes: Vec<Node> = ways.map(|(name, way)| Node::new(dir, name, Kind::Registry, &way)).into();
        let mut clients = Clients::new(&nodes, minutes);
        let date = clients.date();
        let mut query = Node::new(dir, "q", Kind::Query, &brokers.bootstrap);
        for node in nodes.iter_mut().chain([&mut query]) {
            node.start(date);
        }
        clients.begin();
        println!("brokers and nodes are ready after {:.1} s", secs(start.elapsed()));
        Self {
            nodes,
            query,
            brokers,
            proxy,
            clients,
            pauses: BTreeMap::new(),
            takeovers: BTreeMap::new(),
            broker: 0,
            _dir: temporary,
        }
    }

    fn leader(&self) -> usize {
        let begin = Instant::now();
        loop {
            if let Some(leader) = self.nodes.iter().position(Node::leads) {
                return leader;
            }
            assert!(begin.elapsed() < WITHIN, "nobody leads:\n{}", self.said());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn said(&self) -> String {
        self.nodes.iter().map(|node| format!("--- {}\n{}", node.name, node.said())).collect()
    }

    fn wait_until(&self, what: &str, is_there: impl Fn() -> bool) {
        let begin = Instant::now();
        while !is_there() {
            assert!(begin.elapsed() < WITHIN, "{what}:\n{}", self.said());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn kill_next_broker(&mut self) {
        self.broker = self.broker % BROKERS + 1;
        self.brokers.kill(self.broker);
    }

    fn wait_until_accepted_since(&self, begin: Instant) {
        self.wait_until("nothing is accepted any more", || {
            self.clients.accepted_since(begin) >= ANSWERS_AFTER
        });
    }

    /// One fault, until commands are accepted again and everything runs again.
    fn strike(&mut self, fault: Fault) {
        if fault == Fault::LeaderCutOff && self.leader() != BEHIND_PROXY {
            self.nodes[BEHIND_PROXY].leader_command(&["--takeover"]);
            self.wait_until("the other goes on leading", || self.leader() == BEHIND_PROXY);
        }
        if fault == Fault::LeaderKilledBrokerAway {
            let begin = Instant::now();
            self.kill_next_broker();
            self.wait_until_accepted_since(begin);
        }
        let leader = self.leader();
        let other = 1 - leader;
        let term = self.nodes[leader].term();
        let begin = Instant::now();
        match fault {
            Fault::LeaderKilled | Fault::LeaderKilledBrokerAway => self.nodes[leader].kill(),
            Fault::LeaderAndBrokerKilled => {
                self.kill_next_broker();
                self.nodes[leader].kill();
            }
            Fault::LeaderPaused => self.nodes[leader].signal(Signal::Stop),
            Fault::LeaderEnded => self.nodes[leader].end(),
            Fault::TakeoverOrdered => {
                // It fails unless the node leads then.
                self.nodes[other].leader_command(&["--takeover"]);
            }
            Fault::BrokerKilled => self.kill_next_broker(),
            Fault::LeaderCutOff => self.proxy.cut(),
        }
        let mut taken_over = String::new();
        if fault != Fault::BrokerKilled {
            self.wait_until("nobody takes over", || self.nodes[other].leads());
            assert!(begin.elapsed() < TAKEN_OVER_WITHIN, "{fault:?}: after {:?}", begin.elapsed());
            taken_over = format!(", another leads after {:.2} s", secs(begin.elapsed()));
            self.takeovers.entry(fault).or_default().push(begin.elapsed());
        }
        self.wait_until_accepted_since(begin);
        match fault {
            Fault::LeaderKilled | Fault::LeaderEnded => {
                let date = self.clients.date();
                self.nodes[leader].start(date);
            }
            Fault::LeaderKilledBrokerAway | Fault::LeaderAndBrokerKilled => {
                let date = self.clients.date();
                self.nodes[leader].start(date);
                self.brokers.restart(self.broker);
            }
            Fault::LeaderPaused => {
                assert!(self.nodes[other].leads(), "{}", self.said());
                self.nodes[leader].signal(Signal::Continue);
                let has_read_on = || self.nodes[leader].term() > term;
                self.wait_until("a woken leader does not step down", has_read_on);
                let reason = self.nodes[leader].last_step_down();
                assert_eq!(reason.as_deref(), Some("superseded"), "{}", self.said());
            }
            Fault::BrokerKilled => self.brokers.restart(self.broker),
            Fault::LeaderCutOff => {
                assert!(self.nodes[other].leads(), "{}", self.said());
                self.proxy.heal();
                self.wait_until("a leader that was cut off goes on", || !self.nodes[leader].leads());
            }
            Fault::TakeoverOrdered => {}
        }
        if fault != Fault::BrokerKilled {
            assert!(self.nodes[other].term() > term, "terms never go back, and another leads (W7)");
        }
        self.wait_until("not every node is ready", || self.nodes.iter().all(Node::is_ready));
        let end = Instant::now();
        let pause = self.clients.longest_pause(begin, end);
        let (paused, all_ready) = (secs(pause), secs(end - begin));
        println!("{fault:?}{taken_over}: writes paused {paused:.2} s, all ready after {all_ready:.2} s");
        self.pauses.entry(fault).or_default().push(pause);
    }

    /// All nodes say the same of registry and views at one lsn; what the registries are at it.
    fn compare_nodes(&self) -> (Lsn, String) {
        let token = self.nodes[0].token(OfficeId(0));
        let all = [&self.nodes[0], &self.nodes[1], &self.query];
        // All at once: sums of large views take longer than the leader is silent.
        meet(|| {
            std::thread::scope(|scope| {
                let asked = all.map(|node| scope.spawn(|| node.views(&token)));
                asked.map(|answer| answer.join().unwrap()).into()
            })
        });
        meet(|| self.nodes.iter().map(Node::digest).collect())
    }

    fn end(mut self) {
        let heard = self.clients.end();
        self.wait_until("not every node is ready", || self.nodes.iter().all(Node::is_ready));
        let (lsn, digest) = self.compare_nodes();
        for node in self.nodes.iter_mut().chain([&mut self.query]) {
            node.end();
        }
        let log = self.read_log(lsn, &digest);
        let answered = check(&heard, &log);
        let begin = Instant::now();
        for node in &self.nodes {
            let home = node.home.to_str().unwrap();
            run(&["verify", "--dir", home]);
            run(&["rebuild", "--dir", home]);
        }
        println!("verified and rebuilt in {:.1} s", secs(begin.elapsed()));
        println!("{answered} commands answered, {} sent again, term {}", heard.repeats, log.term.0);
        for (fault, pauses) in &self.pauses {
            let longest = pauses.iter().max().unwrap();
            let taken_over = self.takeovers.get(fault).and_then(|taken| taken.iter().max());
            let taken_over = taken_over
                .map_or(String::new(), |longest| format!(", longest takeover {:.2} s", secs(*longest)));
            let times = pauses.len();
            println!("{fault:?}: {times} times, longest pause of writes {:.2} s{taken_over}", secs(*longest));
        }
    }

    /// Folds the whole log anew, checking every entry and decision; the fold is what the nodes said at `lsn`.
    fn read_log(&self, lsn: Lsn, digest: &str) -> Log {
        let connection = Connection {
            bootstrap: self.brokers.bootstrap.clone(),
            topic: "dancu-log".to_owned(),
            settings: Vec::new(),
        };
        let source = Arc::new(KafkaHandle::open_read_only(connection, None).unwrap());
        let end = source.end();
        let mut reader = source.open_reader(Position(0)).unwrap();
        let mut auditor = Auditor::of_log(source);
        let mut log = Log::default();
        while reader.position() < end {
            for raw in reader.read(4_096, 8 << 20, Duration::from_secs(1)).unwrap().entries {
                let Some(entry) = auditor.take(raw.position, &raw.bytes).unwrap() else { continue };
                if let EntryBody::Record(record) = &entry.body {
                    log.records.entry(record.command.command_id).or_default().push(entry.lsn);
                }
                if entry.header.kind == EntryKind::Claim {
                    assert!(entry.header.term > log.term, "W7");
                    log.term = entry.header.term;
                }
                if entry.lsn == lsn {
                    assert_eq!(format!("{:032x}", auditor.registry().head().digest), digest);
                }
            }
        }
        assert!(auditor.registry().head().lsn >= lsn);
        log
    }
}

fn secs(time: Duration) -> f64 {
    time.as_secs_f64()
}

#[derive(Default)]
struct Log {
    records: BTreeMap<CommandId, Vec<Lsn>>,
    term: Term,
}

/// Asks until all answers are of one lsn; then they are equal.
fn meet(ask: impl Fn() -> Vec<(Lsn, String)>) -> (Lsn, String) {
    let begin = Instant::now();
    loop {
        let answers = ask();
        if answers.iter().all(|(lsn, _)| *lsn == answers[0].0) {
            assert!(answers.iter().all(|answer| *answer == answers[0]), "nodes differ: {answers:?}");
            return answers[0].clone();
        }
        assert!(begin.elapsed() < WITHIN, "the nodes never meet at one lsn: {answers:?}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Every answer against the log.
fn check(heard: &Heard, log: &Log) -> usize {
    for (command, lsns) in &log.records {
        assert_eq!(lsns.len(), 1, "{command} is recorded at {lsns:?} (W2)");
        assert!(heard.sent.contains(command), "nobody sent {command}");
    }
    for (command, lsn) in &heard.accepted {
        assert_eq!(log.records.get(command), Some(&vec![*lsn]), "{command} was accepted at {lsn} (W1)");
    }
    for command in &heard.refused {
        assert!(!log.records.contains_key(command), "{command} was refused (W5)");
    }
    let mut records: Vec<(Lsn, CommandId)> = log.records.iter().map(|(it, lsns)| (lsns[0], *it)).collect();
    records.sort_unstable();
    judge(&heard.events, &records).unwrap_or_else(|disorder| panic!("{disorder} (W10)"));
    heard.accepted.len() + heard.refused.len()
}

#[test]
fn whatever_befalls_leaders_and_brokers_answers_stay_and_nodes_agree() {
    let minutes = std::env::var("DANCU_CHAOS_MINUTES").ok().and_then(|minutes| minutes.parse().ok());
    let faults = match (std::env::var("DANCU_CHAOS_FAULTS"), minutes) {
        (Ok(named), _) => faults_named(&named),
        (Err(_), Some(_)) => FAULTS.to_vec(),
        (Err(_), None) => FAULTS[..FAULTS_OF_THE_GATE].to_vec(),
    };
    let begin = Instant::now();
    let mut system = System::start(minutes.unwrap_or(1.0));
    loop {
        for &fault in &faults {
            system.strike(fault);
        }
        if minutes.is_none_or(|minutes: f64| begin.elapsed().as_secs_f64() >= minutes * 60.0) {
            break;
        }
    }
    system.end();
}
