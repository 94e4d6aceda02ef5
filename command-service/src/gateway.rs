//! What a caller needs of the service: submit commands, ask what became of one, see how the service does.
//!
//! The HTTP API stands on [`CommandGateway`] alone.

use async_trait::async_trait;
use domain::registry::MemoryUse;
use event_log::{LogError, Member};
use event_schemas::CommandEnvelope;
use event_schemas::ids::{CommandId, InstanceId, LogId, Lsn, OfficeId, OfficerId, Term};
use event_schemas::outcome::{Acceptance, Outcome};
use event_schemas::record::{Changes, ClockKind};
use event_schemas::row::RowRef;
use event_schemas::time::{Date, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most commands of one [`CommandGateway::submit_many`]; a longer batch is submitted in parts.
pub const MAX_BATCH_COMMANDS: usize = 4_096;

/// For whom a command is submitted. Who may be a submitter was settled before: by the token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Submitter {
    pub office: OfficeId,
    pub officer: OfficerId,
}

/// Why a command got no outcome. Whatever the reason: the same command may be sent again under the same `command_id`,
/// and is then accepted once at most (W2).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SubmitError {
    /// The queue is full (O1); nothing was decided.
    #[error("the queue of commands is full; try again in {retry_after_s} s")]
    Overloaded { retry_after_s: u32 },
    /// This node does not lead; nothing was decided.
    #[error("this node does not lead the log now; try again in {retry_after_s} s")]
    NotLeading { retry_after_s: u32 },
    /// Nobody can lead the log that this node has; nothing was decided.
    #[error(transparent)]
    Barred(Barred),
    /// The service ends; nothing was decided.
    #[error("the service is stopping")]
    Stopping,
    /// `answer_by` had passed; the command was not decided.
    #[error("the command's answer_by has passed; it was not decided")]
    TooLate,
    /// The command was appended, and whether it is in the log is not known (W8). Repeating it tells.
    #[error("whether the command was recorded is not known yet; repeat it under the same command_id")]
    Unresolved,
    /// More than [`MAX_BATCH_COMMANDS`] at once.
    #[error("a batch holds at most {MAX_BATCH_COMMANDS} commands")]
    BatchTooLong,
    /// The log failed; the process must be started anew. The text is for operators.
    #[error("the log failed: {0}")]
    Failed(String),
}

/// Why nobody can lead the log that a node has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Barred {
    #[error("the log was sealed here and goes on in {goes_on_in}")]
    LogSealed { goes_on_in: InstanceId },
    #[error("the log here is an unfinished copy of {of}; `dancu log copy --seal` finishes it")]
    CopyUnfinished { of: InstanceId },
}

/// What one command is answered.
pub type Answer = Result<Outcome, SubmitError>;

/// An answer, and of which rows it tells although it does not stand in the log. Whoever passes it on to an office records
/// that like a read, before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    pub answer: Answer,
    /// Rows that were there before the command, each once. Empty for what is recorded, and for what tells of nobody.
    pub rows: Vec<RowRef>,
    /// What a correction would record at the lsn of the answer, if it is the dry run of one.
    pub foreseen: Option<Box<Changes>>,
}

impl From<Answer> for Told {
    fn from(answer: Answer) -> Self {
        Self { answer, rows: Vec::new(), foreseen: None }
    }
}

/// What became of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant, reason = "short-lived, and the large variant is the ordinary one")]
pub enum CommandStatus {
    /// It was accepted; this is that answer.
    Accepted(Acceptance),
    /// No record up to this lsn holds it for this office: it was refused, or never came.
    NotFound { log_id: LogId, lsn: Lsn },
}

/// The service as its callers see it. A cheap handle; every method may be called from many tasks at once.
#[async_trait]
pub trait CommandGateway: Send + Sync + 'static {
    /// Decides commands one after the other, each on the state that includes its predecessors, and gives as many answers in
    /// the same order, each once it is sure: an acceptance after its record was read back, a refusal after this node was seen
    /// to lead still. At most [`MAX_BATCH_COMMANDS`].
    async fn submit_telling(&self, submitter: Submitter, envelopes: Vec<CommandEnvelope>) -> Vec<Told>;

    /// The same for whoever passes no answer on.
    async fn submit_many(&self, submitter: Submitter, envelopes: Vec<CommandEnvelope>) -> Vec<Answer> {
        let told = self.submit_telling(submitter, envelopes).await;
        told.into_iter().map(|told| told.answer).collect()
    }

    /// The same for one command; many at once are much cheaper.
    async fn submit(&self, submitter: Submitter, envelope: CommandEnvelope) -> Answer {
        self.submit_many(submitter, vec![envelope]).await.pop().unwrap_or(Err(SubmitError::Unresolved))
    }

    /// What became of a command of the submitter's office. Waits for one that is in flight.
    async fn status_of(
        &self,
        submitter: Submitter,
        command_id: CommandId,
    ) -> Result<CommandStatus, SubmitError>;

    /// A snapshot, at most a second old while the service runs; a change of role shows at once.
    fn stats(&self) -> Arc<Stats>;

    /// Asks this node to claim the lead, whoever has it. Whether it got it shows in [`Self::stats`].
    fn take_over(&self);

    /// Asks this node to record, if it leads, that the log is of this format from now on. Whether it did shows in [`Self::stats`].
    fn activate(&self, format: u16, officer: OfficerId);

    /// The nodes that may lead, with the formats that they know. Waits for the brokers' answer, bounded.
    fn members(&self) -> Result<Vec<Member>, LogError>;
}

/// What a node does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads what the log holds, from saved state or from its beginning.
    #[default]
    Restoring,
    /// Keeps up with the log; another node may lead.
    Following,
    /// Asked to lead and waits to read its claim back.
    Claiming,
    /// Leads: decides and answers.
    Leading,
    /// Leads, but its clock is too far ahead of the last record: writes nothing until an operator consents on record.
    AwaitingConsent,
    /// The log failed; nothing is answered any more.
    Failed,
    /// Ended in order.
    Stopped,
}

/// How the service does; for readiness, metrics and people.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Stats {
    pub role: Role,
    pub node: String,
    pub log_id: LogId,
    #[serde(serialize_with = "as_display")]
    pub instance: InstanceId,
    pub clock: Option<ClockKind>,
    /// The format in force.
    pub format: u16,
    pub term: Term,
    /// Last admitted lsn that the registry holds, without what is in flight.
    pub lsn: Lsn,
    pub recorded_at: Timestamp,
    /// The clock's time when this snapshot was taken.
    pub now: Timestamp,
    /// By how much the clock is ahead of the last record's time; negative: behind it.
    pub clock_skew_us: i64,
    pub opened_day: Option<Date>,
    /// Rows that fell due with the opened day are still being recorded; commands wait.
    pub day_pending: bool,
    /// Commands waiting to be decided, and the most that may wait.
    pub queued_commands: u64,
    pub queue_limit: u64,
    pub groups_in_flight: u64,
    pub in_flight_records: u64,
    /// Entries read from the log and admitted since the start.
    pub entries_read: u64,
    pub accepted: u64,
    pub repeated: u64,
    pub dry_runs: u64,
    pub refused: u64,
    pub too_late: u64,
    pub overloaded: u64,
    pub refused_by_code: BTreeMap<String, u64>,
    /// Entries of each group appended.
    pub group_entries: Histogram,
    /// From handing a group to the log until it was durable.
    pub append_time_us: Histogram,
    /// From a command's arrival to its answer.
    pub answer_time_us: Histogram,
    /// Whose claim is the current one, as far as this node has read.
    pub leader: Option<Leader>,
    /// How long the oldest group in flight has waited: a leader that the log does not answer.
    pub stalled_ms: u64,
    /// Since when nothing of another leader has come, once the log's end was reached.
    pub silent_ms: Option<u64>,
    /// Entries that are known to be in the log and were not read yet.
    pub entries_behind: u64,
    /// Incrementally kept digest of the confirmed registry; nodes at equal lsn have equal ones.
    #[serde(skip)]
    pub digest: u128,
    pub claims: u64,
    pub elections_won: u64,
    /// Times that this node ceased to lead, by reason.
    pub step_downs: BTreeMap<&'static str, u64>,
    pub last_step_down: Option<StepDown>,
    /// Why nobody can lead the log that this node has, if nobody can. Queries go on.
    pub barred: Option<Barred>,
    pub rollbacks: u64,
    /// Entries that admission dropped, by reason.
    pub drops: Vec<(&'static str, u64)>,
    /// Invariants found broken. Anything but zero is a defect of the product.
    pub violations: u64,
    /// Why the state saved before this start was not used, if it was not.
    pub saved_state_discarded: Option<String>,
    pub saved_lsn: Lsn,
    pub checkpoints: u64,
    pub checkpoint_time_ms: u64,
    #[serde(skip)]
    pub memory: MemoryUse,
    /// Command ids known, those in files about.
    pub command_ids: u64,
    /// Bytes that they take in memory, about.
    pub command_ids_bytes: u64,
    /// Command ids that wait in memory to be saved. Once saving has failed, the service ends when they are more than
    /// `max_unsaved_command_ids`.
    pub unsaved_command_ids: u64,
    pub max_unsaved_command_ids: u64,
    /// Why nothing is saved any more, for operators: the process should be started anew.
    pub saving_failure: Option<String>,
    /// Why saved command ids are not merged any more, for operators; saving goes on.
    pub merging_failure: Option<String>,
    /// Why the service failed, for operators.
    pub failure: Option<String>,
}

/// Longest silence of a leader that is believed to be there: a few of its heartbeats.
const MAX_SILENCE_MS: u64 = 10_000;

impl Stats {
    /// Whether commands are decided here now, or passed on to a node that leads.
    pub fn is_ready(&self) -> bool {
        match self.role {
            Role::Leading => self.stalled_ms < MAX_SILENCE_MS,
            Role::Following => {
                let is_heard = self.silent_ms.is_some_and(|silent_ms| silent_ms < MAX_SILENCE_MS);
                is_heard && self.other_leader().is_some_and(|leader| leader.url.is_some())
            }
            _ => false,
        }
    }

    /// The leader, if it is another node. Whoever led the log before it was sealed, or where it was copied from, is none.
    pub fn other_leader(&self) -> Option<&Leader> {
        self.leader.as_ref().filter(|leader| !leader.is_this_node && self.barred.is_none())
    }
}

/// Who leads, by the claim that admission let in last.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Leader {
    /// The name that the node gave itself.
    pub node: String,
    /// Where other nodes reach it, if it said so.
    pub url: Option<String>,
    pub term: Term,
    /// Lsn of its claim.
    pub lsn: Lsn,
    /// When it claimed, by its own clock.
    pub claimed_at: Timestamp,
    pub is_this_node: bool,
}

/// Why a node ceased to lead.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// The claim of another was admitted.
    Superseded,
    /// The log did not say whether a group was written.
    UnknownOutcome,
    /// An entry of its own was not admitted.
    EntryDropped,
    /// An entry that it did not write was admitted in its term.
    ForeignEntry,
    /// What was durable is not in the log.
    EntryLost,
}

impl Doubt {
    /// Stable name in metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::UnknownOutcome => "unknown_outcome",
            Self::EntryDropped => "entry_dropped",
            Self::ForeignEntry => "foreign_entry",
            Self::EntryLost => "entry_lost",
        }
    }
}

/// The last time that a node ceased to lead.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StepDown {
    pub reason: Doubt,
    /// For operators.
    pub details: String,
    /// The term that it had led.
    pub term: Term,
    /// By its own clock.
    pub at: Timestamp,
}

fn as_display<S: serde::Serializer>(id: &InstanceId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// Counts by powers of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Histogram {
    pub count: u64,
    pub sum: u64,
    /// `buckets[i]` counts values below `2^i` that no earlier bucket counts; the last also counts all larger ones.
    pub buckets: [u64; 28],
}

impl Histogram {
    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        let bucket = (u64::BITS - value.leading_zeros()) as usize;
        self.buckets[bucket.min(self.buckets.len() - 1)] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// A value that at least this share (0 to 1) of all values lie below, to a factor of two; zero if there are none.
    pub fn quantile(&self, share: f64) -> u64 {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return 1 << bucket;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_by_powers_of_two() {
        let mut histogram = Histogram::default();
        for value in [0, 1, 2, 3, 1_000, u64::MAX] {
            histogram.record(value);
        }
        assert_eq!(histogram.buckets[0..3], [1, 1, 2]);
        assert_eq!((histogram.buckets[10], histogram.buckets[27]), (1, 1));
        assert_eq!(histogram.quantile(0.5), 4);
        assert_eq!(Histogram::default().quantile(0.5), 0);
    }
}
