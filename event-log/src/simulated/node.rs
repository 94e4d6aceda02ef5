//! One node's end of the simulated log, and readers.

use super::fate::{Fault, fate};
use super::{World, lock};
use crate::engine::{
    AppendGroup, AppendOutcome, EventLog, GroupId, LogError, LogReader, RawEntry, ReadBatch, SubmitError,
};
use event_schemas::ids::{InstanceId, Position};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Groups in flight of one node (O1).
const MAX_GROUPS_IN_FLIGHT: usize = 4;

/// A node that writes to the simulated log. Nothing here ever waits: waiting is what [`super::SimulatedLog::step`] is
/// for.
pub struct SimulatedNode {
    world: Arc<Mutex<World>>,
    in_flight: VecDeque<Told>,
    last_group: GroupId,
    /// Groups without a fault arrive in the order of submission.
    last_due: u64,
}

/// What the node will be told of a group, and the step from which on it is.
struct Told {
    due: u64,
    outcome: AppendOutcome,
}

impl SimulatedNode {
    pub(super) fn new(world: Arc<Mutex<World>>) -> Self {
        Self { world, in_flight: VecDeque::new(), last_group: GroupId(0), last_due: 0 }
    }
}

impl EventLog for SimulatedNode {
    fn instance(&self) -> InstanceId {
        lock(&self.world).instance
    }

    fn copy_of(&self) -> Option<InstanceId> {
        lock(&self.world).copy_of
    }

    fn end(&self) -> Position {
        lock(&self.world).end()
    }

    fn submit(&mut self, group: AppendGroup) -> Result<GroupId, SubmitError> {
        group.check()?;
        if self.in_flight.len() >= MAX_GROUPS_IN_FLIGHT {
            return Err(SubmitError::TooManyInFlight { limit: MAX_GROUPS_IN_FLIGHT });
        }
        let mut world = lock(&self.world);
        let World { random, plan, now, .. } = &mut *world;
        let now = *now;
        let fault = Fault::draw(plan, random);
        let ordinary = now + 1 + random.below(plan.max_delay_steps + 1);
        let due = ordinary.max(self.last_due);
        let fate = fate(fault, group.entries, due - now, random);
        if let Some(fault) = fault {
            world.count(fault.name());
        }
        self.last_due = due;
        for (after, entries) in fate.arrivals {
            world.send(now + after, entries);
        }
        self.last_group = GroupId(self.last_group.0 + 1);
        let group = self.last_group;
        let outcome = if fate.is_durable {
            AppendOutcome::Durable { group }
        } else {
            AppendOutcome::Unknown { group, cause: "no acknowledgement came in time".to_owned() }
        };
        self.in_flight.push_back(Told { due: now + fate.told_after, outcome });
        Ok(group)
    }

    fn poll(&mut self, _wait: Duration) -> Result<Option<AppendOutcome>, LogError> {
        let now = lock(&self.world).now;
        let is_due = self.in_flight.front().is_some_and(|told| told.due <= now);
        Ok(if is_due { self.in_flight.pop_front().map(|told| told.outcome) } else { None })
    }

    fn reader(&self, from: Position) -> Result<Box<dyn LogReader>, LogError> {
        Ok(Box::new(SimulatedReader::new(Arc::clone(&self.world), from)?))
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        Ok(())
    }
}

/// Longest stall, in calls of [`LogReader::read`], so that a loop that reads to the end comes to its end.
const MAX_STALLED_READS: u64 = 4;

/// Reads the simulated log.
pub struct SimulatedReader {
    world: Arc<Mutex<World>>,
    position: Position,
    stalled_reads: u64,
}

impl SimulatedReader {
    pub(super) fn new(world: Arc<Mutex<World>>, from: Position) -> Result<Self, LogError> {
        let end = lock(&world).end();
        if from > end {
            let (wanted, end) = (format!("position {}", from.0), format!("position {}", end.0));
            return Err(LogError::BeyondEnd { wanted, end });
        }
        Ok(Self { world, position: from, stalled_reads: 0 })
    }
}

impl LogReader for SimulatedReader {
    fn read(&mut self, max_entries: usize, max_bytes: usize, _wait: Duration) -> Result<ReadBatch, LogError> {
        let mut world = lock(&self.world);
        let mut batch = ReadBatch::default();
        let stalled_read = world.plan.stalled_read;
        if self.stalled_reads == 0 && world.random.chance(stalled_read) {
            self.stalled_reads = 1 + world.random.below(MAX_STALLED_READS);
            world.count("stalled_read");
        }
        if self.stalled_reads > 0 {
            self.stalled_reads -= 1;
            return Ok(batch);
        }
        let mut bytes = 0;
        for entry in &world.raw[self.position.0 as usize..] {
            let fits = batch.entries.len() < max_entries && bytes + entry.len() <= max_bytes;
            if !batch.entries.is_empty() && !fits {
                break;
            }
            bytes += entry.len();
            batch.entries.push(RawEntry { position: self.position, bytes: entry.clone() });
            self.position = self.position.next();
        }
        batch.at_end = self.position == world.end();
        Ok(batch)
    }

    fn position(&self) -> Position {
        self.position
    }
}
