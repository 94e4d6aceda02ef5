//! The rules, pure.
//!
//! Layout:
//! - [`registry`]: the decision state and its fold;
//! - [`decide`](mod@decide): a command on a state gives events or refusals; one file per family of commands;
//! - [`rules`]: the rules' figures, by revision;
//! - [`refusal`]: the catalogue of refusals; [`context`]: what a decision may know besides the state;
//! - [`invariants`]: what holds of every state, checked by tests and by the product alike;
//! - [`timeline`]: streams in valid-time order, for late facts; [`permutation`]: how PINs are drawn.
//!
//! *Architecture invariant:* no I/O, no clock, no random source, nothing asynchronous.
//! *Architecture invariant:* the same state, command and context give the same decision, for ever (W4).
//! *Architecture invariant:* an office that is not competent for a command learns nothing of the people it names.

pub mod context;
pub mod decide;
pub mod invariants;
pub mod permutation;
pub mod refusal;
pub mod registry;
pub mod rules;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod timeline;

pub use context::{Context, PinIssuer, TimelineSource, TimelineUnavailable};
pub use decide::{Accepted, Decision, decide};
pub use registry::Registry;
