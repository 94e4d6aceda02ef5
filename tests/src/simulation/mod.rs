//! The whole command path under a seed: the product's own step functions, on a log, disks, clocks and offices that misbehave in
//! every way that the design names; what must hold is checked after each step with the product's own functions.
//!
//! Layout: [`cluster`] several nodes ([`node`]) on one log; [`embedded`] one node on a disk; [`offices`] who asks; [`judge`] who judges;
//! [`replicas`] query nodes; [`subscriber`] who gets the feed; [`moving`] a log that moves to another engine;
//! [`watched`] a log that watches its writer; [`ids`] indexes of command ids; [`random`] the seed.

mod cluster;
mod embedded;
mod ids;
mod judge;
mod moving;
mod node;
mod offices;
mod random;
mod replicas;
mod subscriber;
mod watched;

use crate::linearizability::History;
use command_service::invariants::Violation;
pub use command_service::writer::Mutant;
use command_service::writer::Timer;
use event_schemas::ids::Lsn;
use event_schemas::time::{Date, Timestamp};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const PIN_KEY: [u8; 16] = [7; 16];

/// Which world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    pub seed: u64,
    /// A defect that must be found.
    pub mutant: Option<Mutant>,
    /// Another: a feed goes on behind the highest place that any partition holds.
    pub feed_goes_on_at_highest: bool,
}

impl Settings {
    /// The product as it is.
    pub fn of(seed: u64) -> Self {
        Self { seed, mutant: None, feed_goes_on_at_highest: false }
    }
}

/// Runs one seed; the same seed runs the same.
pub struct Simulation;

impl Simulation {
    /// The product on this seed: several nodes on a simulated log, then one node on a simulated disk.
    pub fn run(seed: u64) -> Result<Report, Finding> {
        let settings = Settings::of(seed);
        let mut report = Self::run_cluster(&settings)?;
        report.merge(&Report { seeds: 0, ..Self::run_embedded(&settings)? });
        Ok(report)
    }

    /// Many seeds on as many threads as the machine has cores, eight at most. `after_each` is told of every seed that passed.
    pub fn run_many(seeds: Range<u64>, after_each: impl Fn() + Sync) -> Result<Report, Finding> {
        let next = AtomicU64::new(seeds.start);
        let total = Mutex::new(Ok(Report { seed: seeds.start, ..Report::default() }));
        let work = || {
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return;
                }
                let outcome = Self::run(seed);
                let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                match (total.as_mut(), outcome) {
                    (Err(_), _) => return,
                    (Ok(total), Ok(report)) => total.merge(&report),
                    (Ok(_), Err(finding)) => *total = Err(finding),
                }
                drop(total);
                after_each();
            }
        };
        let threads = std::thread::available_parallelism().map_or(2, usize::from).min(8);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
        total.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// What askers saw of several nodes, and of one node.
    pub fn histories(seed: u64) -> Result<[History; 2], Finding> {
        let settings = Settings::of(seed);
        let (_, of_cluster) = cluster::Cluster::new(&settings).run()?;
        let (_, of_machine) = embedded::Machine::new(&settings).run()?;
        Ok([of_cluster, of_machine])
    }

    /// Several nodes on a log with the faults of a network.
    pub fn run_cluster(settings: &Settings) -> Result<Report, Finding> {
        cluster::Cluster::new(settings).run().map(|(report, _)| report)
    }

    /// One node on the embedded log, on a disk that forgets what was not synced.
    pub fn run_embedded(settings: &Settings) -> Result<Report, Finding> {
        embedded::Machine::new(settings).run().map(|(report, _)| report)
    }
}

/// An invariant that did not hold.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("seed {seed}, step {step}: {violation}")]
pub struct Finding {
    pub seed: u64,
    pub step: u64,
    pub violation: Violation,
}

/// What happened under one seed, or under several.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    pub seed: u64,
    pub seeds: u64,
    pub steps: u64,
    pub lsn: Lsn,
    pub accepted: u64,
    pub refused: u64,
    pub answers: u64,
    /// How often each fault, and each thing worth knowing, came.
    pub counts: BTreeMap<&'static str, u64>,
    /// Commands that were recorded, by kind.
    pub recorded: BTreeMap<&'static str, u64>,
}

impl Report {
    fn new(seed: u64) -> Self {
        Self { seed, seeds: 1, ..Self::default() }
    }

    fn count(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    fn add(&mut self, what: &'static str, count: u64) {
        *self.counts.entry(what).or_default() += count;
    }

    /// Adds another report to this one.
    pub fn merge(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.lsn = Lsn(self.lsn.0 + other.lsn.0);
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.answers += other.answers;
        for (what, count) in &other.counts {
            self.add(what, *count);
        }
        for (kind, count) in &other.recorded {
            *self.recorded.entry(kind).or_default() += count;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} seeds, {} steps, {} entries, {} answers ({} accepted, {} refused)",
            self.seeds, self.steps, self.lsn, self.answers, self.accepted, self.refused
        )?;
        for (what, count) in &self.counts {
            writeln!(f, "{count:>10}  {what}")?;
        }
        for (kind, count) in &self.recorded {
            writeln!(f, "{count:>10}  {kind} recorded")?;
        }
        Ok(())
    }
}

/// Time of a simulation: one millisecond a step.
#[derive(Clone, Default)]
struct Steps(Arc<AtomicU64>);

impl Steps {
    fn advance(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Timer for Steps {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.now())
    }
}

fn start_of_time() -> Timestamp {
    Timestamp::at_vietnam_midnight(Date::new(2022, 3, 15).expect("a day"))
}
