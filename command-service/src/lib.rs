//! Who may write: leadership, the writer, deduplication, saving the registry, and the HTTP API of commands.
//!
//! Layout:
//! - [`service`]: options, the thread that drives the writer, the cheap handle; [`gateway`]: what callers need;
//! - [`http`]: the HTTP API of commands, and what every service needs around its routes;
//! - [`writer`]: the writer as step functions: claims, groups, answers; [`follower`]: admission and the fold;
//! - [`command_ids`]: which record each command led to; [`history`]: records by lsn and timelines; `named`: which rows a
//!   command names;
//! - [`saver`] and [`restore`]: checkpoints of the registry and restarts from them;
//! - [`clock`]: the only source of time; [`invariants`]: what must always hold, as functions.
//!
//! *Architecture invariant:* nothing is answered before it was read back (W1, W5).
//! *Architecture invariant:* the writer has no thread, clock or socket of its own; a simulation drives the same code.
//! *Architecture invariant:* an outcome that tells of rows and does not itself stand in the log is in the audit log of reads
//! before it is answered.
//! *Architecture invariant:* no view is ever read here.

pub mod clock;
pub mod command_ids;
pub mod follower;
pub mod gateway;
pub mod history;
pub mod http;
pub mod invariants;
mod named;
pub mod restore;
pub mod saver;
pub mod service;
pub mod writer;

pub use clock::{Clock, ScriptedClock, WallClock};
pub use gateway::{Answer, CommandGateway, CommandStatus, Stats, SubmitError, Submitter, Told};
