//! Limits of a writer, and what surrounds it.

use crate::clock::Clock;
use crate::writer::NodeName;
use domain::PinIssuer;
use event_schemas::ids::LogId;
use event_schemas::text::Text;
use state_store::id_index::DEFAULT_RECENT_IDS;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A defect for simulations to find. No product code sets one.
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    /// Admission lets entries of any claim in.
    AdmissionIgnoresClaim,
    /// Acceptances are given when the group is appended.
    AnswerBeforeReadBack,
    /// Refusals are given when they are decided.
    RefusalBeforeReadBack,
    /// Saved pages show what is in flight.
    PageWithInFlightRows,
    /// An unknown outcome counts as a good one.
    WritesOnAfterDoubt,
    /// The fold of a changed name depends on a row that the event does not name.
    FoldReadsOtherRow,
    /// A node that does not lead answers questions about commands from what it has read.
    FollowerAnswers,
    /// A checkpoint does not say whose claim was in force.
    CheckpointWithoutClaim,
    /// The claim of another counts as the entry behind a refusal.
    RefusalByOtherClaim,
    /// A copy is led whether or not it is whole.
    LeadsUnfinishedCopy,
}

/// Names a log that does not exist yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewLog {
    pub log_id: LogId,
    pub note: Text<200>,
}

/// How a writer behaves.
#[derive(Clone, Debug)]
pub struct WriterOptions {
    /// Shown in claims: its name, and where other nodes reach it. Claims are told apart by their random ids alone.
    pub node: NodeName,
    /// Begins the log if it is empty; without it, the node waits until another has.
    pub new_log: Option<NewLog>,
    /// Whether this node asks to lead.
    pub is_candidate: bool,
    /// Only this process can write to the log, because it holds its lock. A refusal then needs no entry behind it.
    pub is_log_exclusive: bool,
    /// A follower asks to lead when the log has been silent for so long, and up to half as long again. Where nodes form a group,
    /// one that was not chosen waits a few times as long.
    pub takeover_after: Duration,
    /// A node that has claimed may be missing in the group for so long before a chosen one claims in its place.
    pub settle_for: Duration,
    /// A leader without commands writes a tick so often, so that followers see it.
    pub heartbeat_every: Duration,
    /// Longest pause after a lost claim or a doubt; the pause is random.
    pub max_backoff: Duration,
    /// Commands whose fate became unknown are answered as unresolved after so long without a leader's term of one's own.
    pub resolve_within: Duration,
    /// Most requests that wait (O1).
    pub max_waiting: usize,
    /// Most groups in flight (O1).
    pub max_groups_in_flight: usize,
    /// Entries between two digests.
    pub digest_every: u64,
    /// Where command ids have an index of their own, beside a store; without it they are kept in memory and in the store.
    pub command_ids_dir: Option<PathBuf>,
    /// Entries and time between two checkpoints: whichever comes first, if anything changed.
    pub checkpoint_entries: u64,
    pub checkpoint_every: Duration,
    /// Once saving has failed, the writer ends when more command ids than this wait in memory (O1).
    pub max_unsaved_ids: usize,
}

/// A few times as many ids as make a checkpoint due, below a hundred megabytes.
const MAX_UNSAVED_IDS: usize = 4 * DEFAULT_RECENT_IDS;

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            node: NodeName::default(),
            new_log: None,
            is_candidate: true,
            is_log_exclusive: false,
            takeover_after: Duration::from_secs(10),
            settle_for: Duration::from_secs(2),
            heartbeat_every: Duration::from_secs(2),
            max_backoff: Duration::from_millis(500),
            resolve_within: Duration::from_secs(30),
            max_waiting: 65_536,
            max_groups_in_flight: 3,
            digest_every: 10_000,
            command_ids_dir: None,
            checkpoint_entries: 500_000,
            checkpoint_every: Duration::from_secs(30),
            max_unsaved_ids: MAX_UNSAVED_IDS,
        }
    }
}

/// Time that only passes, for pauses and statistics; never recorded.
pub trait Timer: Send + Sync {
    /// Since some fixed moment.
    fn elapsed(&self) -> Duration;
}

/// Randomness for claims and pauses.
pub trait RandomSource: Send {
    /// 128 random bits. Claims are told apart by them.
    fn bits(&mut self) -> u128;
}

/// What surrounds a writer.
pub struct Surroundings {
    pub clock: Arc<dyn Clock>,
    pub timer: Arc<dyn Timer>,
    pub random: Box<dyn RandomSource>,
    pub pins: Arc<dyn PinIssuer + Send + Sync>,
    /// Whether checkpoints are written by a thread of their own.
    pub saves_in_thread: bool,
}

impl Surroundings {
    /// A random duration below `limit`.
    pub(crate) fn pause_below(&mut self, limit: Duration) -> Duration {
        let share = (self.random.bits() as u32) as f64 / f64::from(u32::MAX);
        limit.mul_f64(share)
    }
}
