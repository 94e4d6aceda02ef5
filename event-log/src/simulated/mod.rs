//! A log in memory that several nodes of one simulated cluster share, with the faults of a network and a broker.
//!
//! One thread, one seed: time passes only by [`SimulatedLog::step`], and the same calls give the same run. What is
//! promised under any fault is only what a broker promises: raw entries have one order, and what was read once stays.

mod fate;
mod node;

pub use fate::FaultPlan;
pub use node::{SimulatedNode, SimulatedReader};

use crate::admission::{Admission, AdmissionState};
use crate::engine::{LogError, LogReader, LogSource};
use crate::seeded::Seeded;
use event_schemas::ids::{InstanceId, Lsn, Position};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// The shared log. Clones share it.
#[derive(Clone)]
pub struct SimulatedLog {
    world: Arc<Mutex<World>>,
}

struct World {
    random: Seeded,
    plan: FaultPlan,
    instance: InstanceId,
    copy_of: Option<InstanceId>,
    now: u64,
    raw: Vec<Vec<u8>>,
    /// Follows `raw`, to find entries by lsn.
    admission: Admission,
    /// Positions of the admitted entries, in order.
    admitted: Vec<Position>,
    arrivals: Vec<Arrival>,
    next_arrival: u64,
    counts: BTreeMap<&'static str, u64>,
}

/// Entries under way.
struct Arrival {
    /// The step at which they come, and their order among those that come then.
    due: u64,
    order: u64,
    entries: Vec<Vec<u8>>,
}

impl SimulatedLog {
    /// An empty log.
    pub fn new(seed: u64, plan: FaultPlan) -> Self {
        let mut random = Seeded::new(seed);
        let instance = InstanceId(u128::from(random.next()) << 64 | u128::from(random.next()));
        let world = World {
            random,
            plan,
            instance,
            copy_of: None,
            now: 0,
            raw: Vec::new(),
            admission: Admission::new(),
            admitted: Vec::new(),
            arrivals: Vec::new(),
            next_arrival: 0,
            counts: BTreeMap::new(),
        };
        Self { world: Arc::new(Mutex::new(world)) }
    }

    /// An empty log that is to be a copy of another, and to go on in its place.
    pub fn new_copy(seed: u64, plan: FaultPlan, original: InstanceId) -> Self {
        let log = Self::new(seed, plan);
        log.world().copy_of = Some(original);
        log
    }

    /// Admission's state after everything that is in the log.
    pub fn admission(&self) -> AdmissionState {
        *self.world().admission.state()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    /// One more node that writes to the log. Dropping it is a crash: what it sent is under way all the same.
    pub fn node(&self) -> SimulatedNode {
        SimulatedNode::new(Arc::clone(&self.world))
    }

    /// Lets one unit of time pass: what is due arrives.
    pub fn step(&self) {
        let mut world = self.world();
        world.now += 1;
        world.deliver();
    }

    /// Changes the faults from here on. What is under way keeps its fate.
    pub fn set_plan(&self, plan: FaultPlan) {
        self.world().plan = plan;
    }

    /// Units of time so far.
    pub fn now(&self) -> u64 {
        self.world().now
    }

    /// True if something is still under way.
    pub fn is_busy(&self) -> bool {
        !self.world().arrivals.is_empty()
    }

    /// How often each fault came, by name.
    pub fn fault_counts(&self) -> BTreeMap<&'static str, u64> {
        self.world().counts.clone()
    }

    /// All raw entries so far.
    pub fn raw_entries(&self) -> Vec<Vec<u8>> {
        self.world().raw.clone()
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().expect("a simulation has one thread")
}

impl World {
    fn count(&mut self, fault: &'static str) {
        *self.counts.entry(fault).or_default() += 1;
    }

    fn send(&mut self, due: u64, entries: Vec<Vec<u8>>) {
        let order = self.next_arrival;
        self.next_arrival += 1;
        self.arrivals.push(Arrival { due, order, entries });
    }

    fn deliver(&mut self) {
        self.arrivals.sort_by_key(|arrival| (arrival.due, arrival.order));
        let due = self.arrivals.partition_point(|arrival| arrival.due <= self.now);
        for arrival in self.arrivals.drain(..due) {
            for entry in arrival.entries {
                let position = Position(self.raw.len() as u64);
                if self.admission.admit(position, &entry).lsn().is_some() {
                    self.admitted.push(position);
                }
                self.raw.push(entry);
            }
        }
    }

    fn end(&self) -> Position {
        Position(self.raw.len() as u64)
    }
}

impl LogSource for SimulatedLog {
    fn instance(&self) -> InstanceId {
        self.world().instance
    }

    fn copy_of(&self) -> Option<InstanceId> {
        self.world().copy_of
    }

    fn end(&self) -> Position {
        self.world().end()
    }

    fn open_reader(&self, from: Position) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(SimulatedReader::new(Arc::clone(&self.world), from)?))
    }

    fn locate(&self, lsn: Lsn) -> Result<Position, LogError> {
        let world = self.world();
        if lsn == Lsn::ZERO {
            return Ok(Position(0));
        }
        Ok(world.admitted.get(lsn.0 as usize - 1).copied().unwrap_or(world.end()))
    }

    fn fetch(&self, lsn: Lsn) -> Result<Option<Vec<u8>>, LogError> {
        let world = self.world();
        let position = lsn.0.checked_sub(1).and_then(|at| world.admitted.get(at as usize));
        Ok(position.map(|position| world.raw[position.0 as usize].clone()))
    }
}

#[cfg(test)]
mod tests;
