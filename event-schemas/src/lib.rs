//! The contract: identifiers, values, commands, every event version ever written, the record header and the codec.
//!
//! Layout:
//! - [`ids`], [`time`], [`text`]: newtypes for every number with a meaning, dates, bounded text;
//! - [`pin`], [`person`], [`kin`], [`place`], [`household`], [`card`], [`document`], [`basis`], [`defect`], [`guarded`],
//!   [`operation`], [`correction`]: values;
//! - [`row`]: the rows that events change and the streams in them;
//! - [`command`]: what offices ask for; [`event`]: what happened; [`record`]: bodies of log entries; [`outcome`]: answers;
//! - [`header`]: the frozen header of a log entry and the chain; [`codec`]: bytes; [`mod@format`]: what a log may hold;
//! - [`schema`]: JSON Schema of commands, events, answers; [`examples`]: one valid example of every command and event;
//!   `arbitrary` (a feature): values and commands for property tests.
//!
//! *Architecture invariant:* this crate does no I/O and reads no clock.
//! *Architecture invariant:* only [`codec`] calls bincode; only this crate knows what bytes mean.

mod macros;

#[cfg(feature = "arbitrary")]
pub mod arbitrary;
pub mod basis;
pub mod card;
pub mod codec;
pub mod command;
pub mod correction;
pub mod defect;
pub mod document;
pub mod event;
pub mod examples;
pub mod format;
pub mod guarded;
pub mod header;
pub mod household;
pub mod ids;
pub mod kin;
pub mod operation;
pub mod outcome;
pub mod person;
pub mod pin;
pub mod place;
pub mod record;
pub mod row;
pub mod schema;
pub mod text;
pub mod time;

pub use command::{Command, CommandEnvelope};
pub use event::{Event, EventBody};
