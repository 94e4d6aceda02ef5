//! Query nodes: views alone, each at its own pace, with crashes and restarts. Where two have been at one lsn their sums are equal, and in
//! the end they are those of a view folded in one go (R2, R3).

use super::random::Random;
use command_service::invariants::Violation;
use event_log::{LogSource, SimulatedLog};
use event_schemas::ids::{LogId, Lsn};
use projections::checksum::{Checksum, checksum};
use projections::{Projector, ProjectorError, View};
use state_store::memory::MemoryHome;
use std::collections::BTreeMap;
use std::time::Duration;

const REPLICAS: usize = 2;
/// Most entries of one step.
const MAX_STEP_ENTRIES: u64 = 30;
/// Every so many lsns the sums are compared.
const COMPARED_EVERY: u64 = 60;
/// Steps until a view must be at the log's end once faults have stopped (O2).
const MAX_LAST_STEPS: usize = 1_000;

#[derive(Default)]
struct Replica {
    home: MemoryHome,
    projector: Option<Projector>,
}

impl Replica {
    fn step(&mut self, log: &SimulatedLog, log_id: LogId, entries: usize) -> Result<(), ProjectorError> {
        let mut projector = match self.projector.take() {
            Some(projector) => projector,
            None => {
                let (view, _) = View::open(Box::new(self.home.clone()), log_id, LogSource::instance(log))?;
                Projector::open(view, log)?
            }
        };
        let next_compared = Lsn((projector.lsn().0 / COMPARED_EVERY + 1) * COMPARED_EVERY);
        projector.step_until(entries, Duration::ZERO, next_compared)?;
        self.projector = Some(projector);
        Ok(())
    }

    fn checksum(&self) -> Result<Option<Checksum>, ProjectorError> {
        let Some(projector) = &self.projector else { return Ok(None) };
        Ok(checksum(projector.view())?)
    }

    fn lsn(&self) -> Lsn {
        self.projector.as_ref().map_or(Lsn::ZERO, Projector::lsn)
    }
}

/// All query nodes.
pub struct Replicas {
    random: Random,
    replicas: Vec<Replica>,
    sums: BTreeMap<Lsn, Checksum>,
    pub compared: u64,
}

impl Replicas {
    pub fn new(random: Random) -> Self {
        let replicas = (0..REPLICAS).map(|_| Replica::default()).collect();
        Self { random, replicas, sums: BTreeMap::new(), compared: 0 }
    }

    /// All their processes end, in order.
    pub fn end(&mut self) {
        self.replicas.iter_mut().for_each(|replica| replica.projector = None);
    }

    /// One of them does something.
    pub fn step(&mut self, log: &SimulatedLog, log_id: LogId) -> Result<(), Violation> {
        let place = self.random.below(REPLICAS as u64 * 4) as usize;
        let Some(replica) = self.replicas.get_mut(place) else { return Ok(()) };
        match self.random.below(40) {
            0 => {
                replica.projector = None;
                replica.home.crash(self.random.next());
                return Ok(());
            }
            1 | 2 => {
                let saved = replica.projector.as_ref().map_or(Ok(()), Projector::checkpoint);
                return saved.map_err(|error| stopped(replica.lsn(), &error));
            }
            _ => {}
        }
        let entries = 1 + self.random.below(MAX_STEP_ENTRIES) as usize;
        replica.step(log, log_id, entries).map_err(|error| stopped(replica.lsn(), &error))?;
        if replica.lsn().0.is_multiple_of(COMPARED_EVERY) { self.compare(place) } else { Ok(()) }
    }

    fn compare(&mut self, place: usize) -> Result<(), Violation> {
        let replica = &self.replicas[place];
        let sum = replica.checksum().map_err(|error| stopped(replica.lsn(), &error))?;
        let Some(sum) = sum.filter(|sum| sum.lsn > Lsn::ZERO) else { return Ok(()) };
        match self.sums.get(&sum.lsn) {
            None => drop(self.sums.insert(sum.lsn, sum)),
            Some(other) if *other != sum => {
                let what = format!("two views differ at lsn {}: {other:?} {sum:?}", sum.lsn);
                return Err(Violation::new("R2", sum.lsn, what));
            }
            Some(_) => self.compared += 1,
        }
        Ok(())
    }

    /// Once faults have stopped all come to the log's end, and are what is folded in one go.
    pub fn finish(&mut self, log: &SimulatedLog, log_id: LogId) -> Result<(), Violation> {
        self.replicas.push(Replica::default());
        for place in 0..self.replicas.len() {
            let replica = &mut self.replicas[place];
            let (mut steps, end) = (0, log.admission().last_lsn);
            while replica.lsn() < end {
                replica.step(log, log_id, usize::MAX).map_err(|error| stopped(end, &error))?;
                steps += 1;
                if steps > MAX_LAST_STEPS {
                    return Err(Violation::new("O2", replica.lsn(), "a view does not come to the log's end"));
                }
            }
            self.compare(place)?;
        }
        Ok(())
    }
}

fn stopped(lsn: Lsn, error: &ProjectorError) -> Violation {
    Violation::new("R5", lsn, format!("a view stopped: {error}"))
}
