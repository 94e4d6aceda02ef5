//! The contract: identifiers, values, commands, every event version ever written, the record header and the codec.
//!
//! Layout:
//! - [`ids`]: newtypes for every number with a meaning;
//! - [`time`]: dates (also partial ones), times of day, recorded time;
//! - [`header`]: the frozen header of a log entry and the chain.

pub mod header;
pub mod ids;
pub mod time;
