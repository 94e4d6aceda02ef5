//! A log that watches its writer: after an unknown outcome nothing more may be written under that claim (W8).

use command_service::invariants::Violation;
use event_log::{
    AppendGroup, AppendOutcome, EventLog, GroupId, LogError, LogReader, SimulatedNode, SubmitError,
};
use event_schemas::header::EntryHeader;
use event_schemas::ids::{ClaimId, InstanceId, Position};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What was seen, by all watched logs.
#[derive(Clone, Default)]
pub struct Watch {
    broken: Arc<Mutex<Option<Violation>>>,
}

impl Watch {
    /// The first writer that wrote on.
    pub fn check(&self) -> Result<(), Violation> {
        match &*self.broken.lock().expect("a simulation has one thread") {
            None => Ok(()),
            Some(violation) => Err(violation.clone()),
        }
    }
}

pub struct WatchedLog {
    log: SimulatedNode,
    watch: Watch,
    claims: BTreeMap<GroupId, ClaimId>,
    doubted: BTreeSet<u128>,
}

impl WatchedLog {
    pub fn new(log: SimulatedNode, watch: Watch) -> Self {
        Self { log, watch, claims: BTreeMap::new(), doubted: BTreeSet::new() }
    }
}

impl EventLog for WatchedLog {
    fn instance(&self) -> InstanceId {
        self.log.instance()
    }

    fn end(&self) -> Position {
        self.log.end()
    }

    fn submit(&mut self, group: AppendGroup) -> Result<GroupId, SubmitError> {
        let header = EntryHeader::of_entry(&group.entries[0]).expect("a writer writes entries");
        let claim = header.claim_id;
        if self.doubted.contains(&claim.0) {
            let what = format!("claim {claim} wrote on after an unknown outcome");
            let violation = Violation::new("W8", header.lsn, what);
            self.watch.broken.lock().expect("a simulation has one thread").get_or_insert(violation);
        }
        let id = self.log.submit(group)?;
        self.claims.insert(id, claim);
        Ok(id)
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<AppendOutcome>, LogError> {
        let outcome = self.log.poll(wait)?;
        if let Some(AppendOutcome::Unknown { group, .. }) = &outcome {
            let claim = self.claims[group];
            // A log's first entry belongs to no claim.
            if claim != ClaimId::default() {
                self.doubted.insert(claim.0);
            }
        }
        Ok(outcome)
    }

    fn reader(&self, from: Position) -> Result<Box<dyn LogReader>, LogError> {
        self.log.reader(from)
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        Box::new(self.log).close()
    }
}
