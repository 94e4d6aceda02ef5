//! Where records live: engines that keep raw entries in one order, and admission, which says which of them are facts.
//!
//! Layout:
//! - [`admission`]: the pure function that every reader runs over raw headers;
//! - [`engine`]: the traits that every engine implements, their bounds and errors;
//! - [`embedded`]: the log in a directory, for one process;
//! - [`disk`]: the files under it, real or simulated;
//! - [`kafka`]: the log in one partition of an Apache Kafka topic, for several nodes; [`hint`]: which of them shall lead;
//! - [`copy`]: a log into another, byte for byte; [`sealing`]: ending a log for the copy in which it goes on;
//! - [`simulated`]: a log in memory for simulations of several nodes, with every fault of a network;
//! - `conformance` (feature `conformance`): what every engine must do.
//!
//! *Architecture invariant:* nothing here decodes a body, or knows what an event means.
//! *Architecture invariant:* an engine keeps order and durability; only admission says what is a fact.
//! *Architecture invariant:* no clock is read here but to bound waiting.

pub mod admission;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod copy;
pub mod disk;
pub mod embedded;
pub mod engine;
pub mod hint;
pub mod kafka;
pub mod sealing;
mod seeded;
pub mod simulated;

pub use admission::{Admission, AdmissionState, DropCounters, DropReason, Standing, Verdict};
pub use copy::{Copied, CopyError, Copying, Until};
pub use embedded::{EmbeddedHandle, EmbeddedLog, EmbeddedReader};
pub use engine::{
    AppendGroup, AppendOutcome, EventLog, GroupId, LogError, LogReader, LogSource, MAX_GROUP_BYTES,
    MAX_GROUP_ENTRIES, RawEntry, ReadBatch, SubmitError,
};
pub use hint::{Hint, LeaderHint, Member, NodeGroup};
pub use kafka::{KafkaHandle, KafkaLog};
pub use sealing::{Seal, SealError, Sealing};
pub use simulated::{FaultPlan, SimulatedLog, SimulatedNode};
