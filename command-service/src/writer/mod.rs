//! The writer as step functions: no thread, no socket, no clock of its own. The service drives [`Writer::step`] from one
//! thread, a simulation from a seed; the code is the same.
//!
//! Layout: [`requests`] what waits and how it is answered; `group` deciding a group; `read_back` what the log says;
//! `leading` claims, doubt, outcomes; `candidacy` when to claim; `claim` whose is in force; `log_clock` whether the clock can be right; `node_name` what it says of its node;
//! `unled` requests at a node that does not lead; `options` limits and surroundings; `report` statistics.
//!
//! *Architecture invariant:* only [`Writer`] appends to the log, and only while its claim is the current one (W7).
//! *Architecture invariant:* nothing is answered before it was read back (W1, W5).
//! *Architecture invariant:* after any doubt nothing more is written in that term (W8).

mod candidacy;
mod claim;
mod deciding;
mod group;
mod leading;
mod log_clock;
mod node_name;
mod options;
mod read_back;
mod report;
pub mod requests;
mod unled;

pub use log_clock::{MAX_LEAD_OVER_LOG_US, MAX_UNEXPLAINED_LEAD_US};
pub use node_name::{NodeName, NodeNameError};
pub use options::{Mutant, NewLog, RandomSource, Surroundings, Timer, WriterOptions};
pub use requests::{Request, Waiting};

use crate::follower::{EntryFault, Follower};
use crate::gateway::{Role, Stats};
use crate::history::{GenesisError, InFlightEntries, read_genesis};
use crate::invariants::Violation;
use crate::restore;
use crate::saver::{Saver, StoreOpener};
use candidacy::Candidacy;
use claim::CurrentClaim;
use event_log::{AdmissionState, EventLog, GroupId, LogError, LogReader, LogSource};
use event_schemas::ids::{LogId, Lsn, OfficerId, Position, Term};
use event_schemas::record::{AdmittedEntry, ClockKind};
use event_schemas::text::Text;
use leading::Leadership;
use log_clock::LogClock;
use requests::Pending;
use state_store::store::StoreError;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Why the writer ends. The process must be started anew.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("position {}: {fault}", position.0)]
    Entry { position: Position, fault: EntryFault },
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    #[error("saved state failed: {0}")]
    Store(StoreError),
    #[error(transparent)]
    Broken(#[from] Violation),
    #[error("the thread that saves the registry has ended: {0}")]
    SaverEnded(String),
    #[error(
        "the registry cannot be saved: {cause}; {unsaved_ids} command ids wait for it in memory, at most {max_unsaved_ids} may"
    )]
    SavingFailed { cause: String, unsaved_ids: usize, max_unsaved_ids: usize },
    #[error("the log is driven by a {log:?} clock; this process has a {given:?} one")]
    OtherClock { log: ClockKind, given: ClockKind },
}

impl Failure {
    /// Whether an invariant does not hold: a defect of the product, not of its surroundings.
    pub fn is_violation(&self) -> bool {
        match self {
            Self::Entry { fault, .. } => {
                matches!(fault, EntryFault::Broken(_) | EntryFault::DigestDiffers { .. })
            }
            Self::Broken(_) => true,
            _ => false,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::TwoRecords(two) => Self::Broken(two.into()),
            other => Self::Store(other),
        }
    }
}

/// One node's writer.
pub struct Writer {
    options: WriterOptions,
    around: Surroundings,
    log: Box<dyn EventLog>,
    source: Arc<dyn LogSource>,
    reader: Box<dyn LogReader>,
    /// Whether the last read found nothing more.
    at_end: bool,
    /// Entries of other claims came with the last read.
    has_seen_others: bool,
    follower: Follower,
    leadership: Leadership,
    candidacy: Candidacy,
    /// The claim that is in force, if it is known.
    claim: Option<CurrentClaim>,
    log_clock: Option<LogClock>,
    /// The last term in which this node led.
    last_led: Term,
    waiting: VecDeque<Waiting>,
    in_flight: InFlightGroups,
    /// Groups handed to the log whose outcome is not known, those of abandoned terms too.
    outstanding: usize,
    saver: Option<Saver>,
    store_opener: Option<StoreOpener>,
    consent: Option<(OfficerId, Text<200>)>,
    /// A format that an operator wants to be in force, while this node leads.
    activation: Option<(u16, OfficerId)>,
    stats: Stats,
    /// Bytes of the body that is being appended; kept, so that they are not allocated for each entry.
    body_bytes: Vec<u8>,
    /// Emptied lists of groups that are answered: each takes megabytes, which the machine would have to clear anew.
    spare_lists: Vec<(Vec<AdmittedEntry>, Vec<Pending>)>,
    mutant: Option<Mutant>,
}

/// One group that was appended and is not confirmed yet.
struct InFlight {
    id: GroupId,
    entries: Vec<AdmittedEntry>,
    /// How many of its entries were read back admitted.
    read_back: usize,
    is_durable: bool,
    /// Admission's state after its last entry, once that was read back.
    end: Option<AdmissionState>,
    pending: Vec<Pending>,
    appended_at: Duration,
    /// Reads that came to the log's end after the group was durable, and did not find it.
    missed_reads: u32,
    /// It holds a commit: the before-images of up to a million rows are kept meanwhile.
    is_alone: bool,
}

impl InFlight {
    fn is_complete(&self) -> bool {
        self.is_durable && self.read_back == self.entries.len()
    }
}

#[derive(Default)]
struct InFlightGroups(VecDeque<InFlight>);

impl InFlightEntries for InFlightGroups {
    fn entry(&self, lsn: Lsn) -> Option<&AdmittedEntry> {
        let group = self.0.iter().rev().find(|group| group.entries[0].lsn <= lsn)?;
        group.entries.get((lsn.0 - group.entries[0].lsn.0) as usize)
    }
}

impl Writer {
    /// Opens a writer on a log: takes saved state in if it matches the log, else begins at the log's beginning.
    pub fn open(
        options: WriterOptions,
        around: Surroundings,
        log: Box<dyn EventLog>,
        source: Arc<dyn LogSource>,
        mut store_opener: Option<StoreOpener>,
    ) -> Result<Self, Failure> {
        let genesis = read_genesis(&*source)?;
        let mut restored = restore::Restored::default();
        if let Some(genesis) = &genesis {
            check_clock(genesis.clock, &around)?;
            if let Some(open_store) = &mut store_opener {
                let identity = restore::identity(genesis.log_id, log.instance());
                let ids_dir = options.command_ids_dir.as_deref();
                restored = restore::restore(open_store, ids_dir, &identity, &*source)?;
            }
        }
        let follower = restored.follower;
        let reader = log.reader(follower.next_position())?;
        let stats = Stats {
            node: options.node.name().to_owned(),
            instance: log.instance(),
            saved_state_discarded: restored.discarded,
            ..Stats::default()
        };
        let now = around.timer.elapsed();
        let claim = match options.is_log_exclusive {
            true => None,
            false => CurrentClaim::find(&*source, follower.admission().state())?,
        };
        let saver = restored.store.map(|store| Saver::new(store, &options, &around));
        Ok(Self {
            options,
            around,
            log,
            source,
            reader,
            at_end: false,
            has_seen_others: false,
            follower,
            leadership: Leadership::following(now),
            candidacy: Candidacy::default(),
            claim,
            log_clock: None,
            last_led: Term::default(),
            waiting: VecDeque::new(),
            in_flight: InFlightGroups::default(),
            outstanding: 0,
            saver,
            store_opener,
            consent: None,
            activation: None,
            stats,
            body_bytes: Vec::new(),
            spare_lists: Vec::new(),
            mutant: None,
        })
    }

    /// For simulations: a writer with a defect, to show that the simulation finds it.
    #[doc(hidden)]
    pub fn with_mutant(mut self, mutant: Option<Mutant>) -> Self {
        self.mutant = mutant;
        self.follower.fold_reads_other_row = mutant == Some(Mutant::FoldReadsOtherRow);
        if let Some(saver) = &mut self.saver {
            saver.saves_in_flight_rows = mutant == Some(Mutant::PageWithInFlightRows);
        }
        self
    }

    /// Everything that can be done now, in order; waits up to `wait` for the outcome of a group in flight.
    pub fn step(&mut self, wait: Duration) -> Result<(), Failure> {
        self.learn_outcomes(wait)?;
        self.read_log(Duration::ZERO)?;
        self.lead()?;
        self.decide()?;
        self.save();
        self.check_saver()
    }

    /// An error if nothing is saved any more and what is to be saved piles up, or if saving found an invariant broken.
    pub fn check_saver(&self) -> Result<(), Failure> {
        self.saver.as_ref().map_or(Ok(()), |saver| saver.check(&self.follower.ids))
    }

    /// Whether another step at once would get further without anything from outside.
    pub fn has_work(&self) -> bool {
        let head = self.follower.registry.head();
        let is_day_behind = head.day_pending || head.date < Some(self.around.clock.now().vietnam_date());
        let may_decide = self.role() == Role::Leading && self.may_decide();
        let has_orders = is_day_behind || self.activation.is_some() || !self.waiting.is_empty();
        (may_decide && has_orders) || self.saver.as_ref().is_some_and(Saver::has_work)
    }

    /// Whether an outcome of the log is awaited.
    pub fn awaits_log(&self) -> bool {
        !self.in_flight.0.is_empty() || self.leadership.awaits_log()
    }

    /// Requests that wait to be decided.
    pub fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    /// Commands that can be taken in now (O1).
    pub fn room(&self) -> usize {
        self.options.max_waiting.saturating_sub(self.waiting.len())
    }

    /// Whether this node's claim is the current one, as far as it knows.
    pub fn is_leading(&self) -> bool {
        matches!(self.leadership, Leadership::Leading(_))
    }

    /// Whether nothing waits and nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.0.is_empty()
    }

    /// What was read so far, and what is folded from it.
    pub fn follower(&self) -> &Follower {
        &self.follower
    }

    /// Names the log, once its first entry was read.
    pub fn log_id(&self) -> LogId {
        self.follower.registry.head().log_id
    }

    /// Takes a request in. It is answered through its reply, once. The caller keeps to [`Self::room`].
    pub fn accept(&mut self, request: Waiting) {
        self.waiting.push_back(request);
    }

    /// Refuses everything that waits and was not decided, because the service ends.
    pub fn refuse_waiting(&mut self) {
        for request in self.waiting.drain(..) {
            request.refuse(crate::gateway::SubmitError::Stopping);
        }
    }

    /// An operator accepts that the clock leads the last record by more than can be explained: the next group begins with
    /// a record of it.
    pub fn consent_to_clock(&mut self, officer: OfficerId, reason: Text<200>) {
        self.consent = Some((officer, reason));
    }

    /// An operator wants this format to be in force: the next group begins with a record of it. What the node does not know, or the
    /// log has already, is passed over; so is the order if the node does not lead now, or ceases to before it is carried out.
    pub fn activate(&mut self, format: u16, officer: OfficerId) {
        self.activation = (self.role() == Role::Leading).then_some((format, officer));
    }

    /// Lets go of the log: finishes what is in flight there.
    pub fn close(self) -> Result<(), LogError> {
        drop(self.saver);
        drop(self.reader);
        self.log.close()
    }

    /// Gathers and writes checkpoints, a little at a time.
    pub fn save(&mut self) {
        let state = *self.follower.admission().state();
        if !self.is_leading() {
            // Nothing is in flight: the registry stands where admission does.
            self.begin_save_if_due(state);
        }
        // With so many rows in flight every page would be looked for among them; they are soon confirmed.
        let is_commit_in_flight = self.is_commit_in_flight();
        if let Some(saver) = self.saver.as_mut().filter(|_| !is_commit_in_flight) {
            saver.step(&self.follower.registry, &mut self.follower.ids, &state);
        }
    }

    /// Saves everything confirmed, before an orderly end. Gives the lsn that is saved.
    pub fn save_all(&mut self) -> Lsn {
        let state = *self.follower.admission().state();
        let Some(saver) = &mut self.saver else {
            return Lsn::ZERO;
        };
        let follower = &mut self.follower;
        saver.finish(&follower.registry, &mut follower.ids, &state);
        let is_whole = self.in_flight.0.is_empty() && !follower.is_replaying();
        if is_whole && follower.registry.head().lsn > Lsn::ZERO {
            let now = self.around.timer.elapsed();
            saver.begin(&mut follower.registry, &mut follower.ids, state, now);
        }
        saver.finish(&follower.registry, &mut follower.ids, &state)
    }

    fn may_append(&self) -> bool {
        self.outstanding < self.options.max_groups_in_flight
    }

    fn now(&self) -> Duration {
        self.around.timer.elapsed()
    }
}

fn check_clock(log: ClockKind, around: &Surroundings) -> Result<(), Failure> {
    let given = around.clock.kind();
    if log == given { Ok(()) } else { Err(Failure::OtherClock { log, given }) }
}
