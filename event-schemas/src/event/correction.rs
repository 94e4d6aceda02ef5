//! Events that speak of other events.

use crate::ids::EventAddress;
use crate::row::StreamRef;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What stands at an address holds no longer: a fact never was, or a correction is taken back and what it had replaced
/// holds again. It says nothing of its own; the record's restatements are the result.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventAnnulled {
    pub event: EventAddress,
    /// Streams that read otherwise by it.
    pub streams: Vec<StreamRef>,
}

/// Another event of the record takes the place of what stands at an address, or of what took its place before. That event is
/// named by its own address from then on; one that is annulled gives the place back.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventAmended {
    pub event: EventAddress,
    /// Its place among the record's events.
    pub by: u16,
    /// Streams of what is replaced.
    pub streams: Vec<StreamRef>,
}
