use super::*;
use crate::conformance::{self, Scribe, Subject};
use crate::engine::{AppendGroup, AppendOutcome, EventLog, SubmitError};
use std::time::Duration;

struct WithoutFaults {
    log: SimulatedLog,
}

impl Subject for WithoutFaults {
    fn open(&mut self) -> (Box<dyn EventLog>, Arc<dyn LogSource>) {
        (Box::new(self.log.node()), Arc::new(self.log.clone()))
    }

    fn pass_time(&mut self) {
        self.log.step();
    }
}

#[test]
fn the_simulated_engine_without_faults_conforms() {
    conformance::check_all(|| WithoutFaults { log: SimulatedLog::new(1, FaultPlan::none()) });
}

/// Two nodes that submit numbered groups for a while; gives what each was told, and the log.
fn run(seed: u64) -> (Vec<Vec<AppendOutcome>>, SimulatedLog) {
    let log = SimulatedLog::new(seed, FaultPlan::storm());
    let mut nodes = [log.node(), log.node()];
    let mut told = vec![Vec::new(), Vec::new()];
    for step in 0..3_000_u64 {
        for (number, node) in nodes.iter_mut().enumerate() {
            let entries = (0..4).map(|entry| format!("{number}-{step}-{entry}").into_bytes()).collect();
            match node.submit(AppendGroup { entries }) {
                Ok(_) | Err(SubmitError::TooManyInFlight { .. }) => {}
                Err(other) => panic!("{other}"),
            }
            while let Some(outcome) = node.poll(Duration::ZERO).unwrap() {
                told[number].push(outcome);
            }
        }
        log.step();
    }
    (told, log)
}

#[test]
fn a_seed_replays_the_same_run_and_every_fault_comes() {
    let (told, log) = run(7);
    let (told_again, log_again) = run(7);
    assert_eq!(told, told_again);
    assert_eq!(log.raw_entries(), log_again.raw_entries());
    assert_ne!(log.raw_entries(), run(8).1.raw_entries());
    let counts = log.fault_counts();
    for fault in [
        "lost_group",
        "late_group",
        "lost_acknowledgement",
        "late_acknowledgement",
        "duplicated_group",
        "reordered_group",
        "dropped_middle",
        "cut_group",
        "split_group",
    ] {
        assert!(counts.get(fault).is_some_and(|count| *count > 5), "{fault}: {counts:?}");
    }
}

#[test]
fn outcomes_come_in_order_and_unknown_ones_resolve_to_written_or_not() {
    let (told, log) = run(11);
    for outcomes in &told {
        assert!(outcomes.is_sorted_by_key(AppendOutcome::group));
        assert!(outcomes.iter().any(|outcome| matches!(outcome, AppendOutcome::Unknown { .. })));
    }
    for _ in 0..200 {
        log.step();
    }
    assert!(!log.is_busy(), "everything under way arrives in the end");
}

#[test]
fn a_stalled_reader_comes_to_the_end_and_misses_nothing() {
    let plan = FaultPlan { stalled_read: 600, ..FaultPlan::none() };
    let log = SimulatedLog::new(5, plan);
    let mut node = log.node();
    for number in 0..50_u8 {
        node.submit(AppendGroup { entries: vec![vec![number]] }).unwrap();
        log.step();
        log.step();
        node.poll(Duration::ZERO).unwrap().unwrap();
    }
    let mut reader = log.open_reader(Position(0)).unwrap();
    assert_eq!(conformance::read_all(&mut *reader).len(), 50);
    assert!(log.fault_counts()["stalled_read"] > 0);
}

/// A leader that writes on through every fault, reading back as readers do: whatever the network does, what admission
/// lets in is a whole chain, and nothing that came late or twice is in it twice.
#[test]
fn under_every_fault_what_is_admitted_is_one_unbroken_chain() {
    for seed in 0..40 {
        let log = SimulatedLog::new(seed, FaultPlan::storm());
        let mut node = log.node();
        let mut reader = log.open_reader(Position(0)).unwrap();
        let mut admission = Admission::new();
        let mut admitted = Vec::new();
        for _ in 0..400 {
            let mut scribe = Scribe::new();
            scribe.follow(&admitted);
            let entries = match admitted.len() {
                0 => vec![scribe.genesis()],
                _ => vec![scribe.claim(), scribe.record(b"a"), scribe.record(b"b"), scribe.record(b"c")],
            };
            let _ = node.submit(AppendGroup { entries });
            log.step();
            while node.poll(Duration::ZERO).unwrap().is_some() {}
            for entry in reader.read(1_000, 1 << 20, Duration::ZERO).unwrap().entries {
                if admission.admit(entry.position, &entry.bytes).lsn().is_some() {
                    admitted.push(entry.bytes);
                }
            }
        }
        assert!(admitted.len() > 20, "seed {seed} admits {}", admitted.len());
        for (at, entry) in admitted.iter().enumerate() {
            assert_eq!(log.fetch(Lsn(at as u64 + 1)).unwrap().as_ref(), Some(entry));
        }
        let copies = admitted.iter().collect::<std::collections::BTreeSet<_>>();
        assert_eq!(copies.len(), admitted.len(), "no entry is admitted twice");
    }
}
