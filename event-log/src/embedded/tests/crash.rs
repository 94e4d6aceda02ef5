//! Crashes on the simulated disk, at any step: what was answered is there, what was not is there whole or not at all.

use super::*;
use crate::conformance::Scribe;
use crate::disk::Crash;
use proptest::prelude::*;

/// One life of the process: the groups it submits, and when and how it ends.
#[derive(Clone, Debug)]
struct Life {
    groups: Vec<Vec<usize>>,
    crash_after: u64,
    crash: Crash,
    fails_a_sync: bool,
}

fn lives() -> impl Strategy<Value = Vec<Life>> {
    let group = prop::collection::vec(prop_oneof![1_usize..300, 300_usize..4_000], 1..6);
    let life = (
        prop::collection::vec(group, 0..12),
        1_u64..60,
        prop_oneof![2 => Just(Crash::PowerCut), 1 => Just(Crash::Kill)],
        prop::bool::weighted(0.2),
    );
    let life = life.prop_map(|(groups, crash_after, crash, fails_a_sync)| Life {
        groups,
        crash_after,
        crash,
        fails_a_sync,
    });
    prop::collection::vec(life, 1..7)
}

/// What an observer of all lives knows.
#[derive(Default)]
struct Known {
    /// Entries of groups that were reported durable, or were found after a crash.
    kept: Vec<Vec<u8>>,
    next_entry: u64,
}

impl Known {
    fn entries(&mut self, lens: &[usize]) -> Vec<Vec<u8>> {
        let entry = |len: &usize| {
            self.next_entry += 1;
            let mut entry = vec![self.next_entry as u8; *len];
            entry.extend_from_slice(&self.next_entry.to_le_bytes());
            entry
        };
        lens.iter().map(entry).collect()
    }

    /// W1, W8, W9: everything known is there, unchanged and in order, and behind it at most the first groups that
    /// were in flight, whole.
    fn check(&mut self, found: Vec<Vec<u8>>, in_flight: &[Vec<Vec<u8>>]) -> Result<(), TestCaseError> {
        prop_assert!(found.starts_with(&self.kept), "an answered entry is missing or changed");
        let mut rest = &found[self.kept.len()..];
        for group in in_flight {
            if rest.is_empty() {
                break;
            }
            prop_assert!(rest.starts_with(group), "a group is half there, or something else is");
            rest = &rest[group.len()..];
        }
        prop_assert!(rest.is_empty(), "something is there that was never in flight");
        self.kept = found;
        Ok(())
    }

    /// Runs one life up to its crash; gives the groups without an outcome.
    fn live(&mut self, disk: &SimulatedDisk, life: &Life) -> Result<Vec<Vec<Vec<u8>>>, TestCaseError> {
        disk.crash_after(life.crash_after, life.crash);
        if life.fails_a_sync {
            disk.fail_sync_after(life.crash_after / 2);
        }
        let mut in_flight = Vec::new();
        let Ok(mut log) = EmbeddedLog::open(small_options(disk.mount())) else { return Ok(in_flight) };
        prop_assert_eq!(&bytes_of(read_all_or_crash(&log)), &self.kept);
        for lens in &life.groups {
            let entries = self.entries(lens);
            if log.submit(AppendGroup { entries: entries.clone() }).is_err() {
                break;
            }
            in_flight.push(entries);
            // Some groups stay in flight while the next is submitted.
            let polls = if in_flight.len() < 3 && lens.len() % 2 == 0 { 0 } else { in_flight.len() };
            for _ in 0..polls {
                let Ok(Some(AppendOutcome::Durable { .. })) = log.poll(Duration::ZERO) else { break };
                self.kept.extend(in_flight.remove(0));
            }
        }
        Ok(in_flight)
    }
}

/// A crash in the middle of reading ends the comparison early.
fn read_all_or_crash(log: &EmbeddedLog) -> Vec<RawEntry> {
    read_all(&log.handle()).unwrap_or_default()
}

/// Cases of each law; `PROPTEST_CASES` sets another number than the gate's.
pub(super) fn cases(gate: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(gate)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(400)))]

    #[test]
    fn whatever_crashes_everything_answered_is_there_and_nothing_is_half_there(seed: u64, lives in lives()) {
        let disk = SimulatedDisk::new(seed);
        let mut known = Known::default();
        for life in &lives {
            let in_flight = known.live(&disk, life)?;
            if !disk.has_crashed() {
                disk.crash(life.crash);
            }
            disk.calm();
            let log = EmbeddedLog::open(small_options(disk.mount())).map_err(|error| {
                TestCaseError::fail(format!("a crash never makes a log unreadable: {error}"))
            })?;
            known.check(bytes_of(read_all(&log.handle()).unwrap()), &in_flight)?;
            drop(log);
        }
    }

    /// The engine's own record of admission survives crashes: it equals what any reader computes.
    #[test]
    fn lookups_by_lsn_agree_with_a_reader_after_crashes(seed: u64, crash_steps in prop::collection::vec(1_u64..40, 1..5)) {
        let disk = SimulatedDisk::new(seed);
        for (life, steps) in crash_steps.into_iter().enumerate() {
            let log = EmbeddedLog::open(small_options(disk.mount())).unwrap();
            let raw = read_all(&log.handle()).unwrap();
            let mut scribe = Scribe::new();
            let mut lsn = event_schemas::ids::Lsn(0);
            let mut admission = crate::Admission::new();
            for entry in &raw {
                scribe.follow(std::slice::from_ref(&entry.bytes));
                if let Some(admitted) = admission.admit(entry.position, &entry.bytes).lsn() {
                    lsn = admitted;
                    let fetched = log.handle().fetch(lsn).unwrap();
                    prop_assert_eq!(fetched.as_ref(), Some(&entry.bytes));
                }
            }
            prop_assert_eq!(log.handle().admission(), *admission.state());
            prop_assert_eq!(log.handle().fetch(lsn.next()).unwrap(), None);
            let mut log = log;
            disk.crash_after(steps, Crash::PowerCut);
            let mut first = if raw.is_empty() { vec![scribe.genesis()] } else { vec![b"noise".to_vec()] };
            first.push(scribe.claim());
            let mut group = first;
            while log.submit(AppendGroup { entries: std::mem::take(&mut group) }).is_ok() {
                if !matches!(log.poll(Duration::ZERO), Ok(Some(AppendOutcome::Durable { .. }))) {
                    break;
                }
                group = (0..5).map(|number| scribe.record(&vec![life as u8; 100 * number])).collect();
            }
        }
    }
}
