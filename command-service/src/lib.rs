//! Who may write: leadership, the writer, deduplication, saving the registry, and the HTTP API of commands.
//!
//! Layout:
//! - [`gateway`]: what callers need; [`clock`]: the only source of time.
//!
//! *Architecture invariant:* nothing is answered before it was read back (W1, W5).

pub mod clock;
pub mod gateway;

pub use clock::{Clock, ScriptedClock, WallClock};
pub use gateway::{Answer, CommandGateway, CommandStatus, Stats, SubmitError, Submitter};
