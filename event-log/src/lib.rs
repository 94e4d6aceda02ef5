//! Where records live: engines that keep raw entries in one order, and admission, which says which of them are facts.
//!
//! Layout:
//! - [`admission`]: the pure function that every reader runs over raw headers;
//! - [`engine`]: the traits that every engine implements, their bounds and errors.
//!
//! *Architecture invariant:* nothing here decodes a body, or knows what an event means.

pub mod admission;
pub mod engine;

pub use admission::{Admission, AdmissionState, DropCounters, DropReason, Verdict};
pub use engine::{
    AppendGroup, AppendOutcome, EventLog, GroupId, LogError, LogReader, LogSource, MAX_GROUP_BYTES,
    MAX_GROUP_ENTRIES, RawEntry, ReadBatch, SubmitError,
};
