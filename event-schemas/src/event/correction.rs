//! Events that speak of other events.

use crate::correction::{CorrectionDigest, Edit};
use crate::ids::{EventAddress, OfficeId, OfficerId, OperationId};
use crate::row::StreamRef;
use crate::text::Text;
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
    pub by: u32,
    /// Streams of what is replaced.
    pub streams: Vec<StreamRef>,
}

/// A correction waits for another officer's approval. It changes nothing; `operation_opened` before it says who proposed it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CorrectionProposed {
    pub operation: OperationId,
    pub edits: Vec<Edit>,
    pub reason: Text<200>,
    /// Of all that it would change, when it was proposed.
    pub digest: CorrectionDigest,
}

/// A proposed correction is approved and made: by the events of this record.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CorrectionApproved {
    pub operation: OperationId,
    pub digest: CorrectionDigest,
    pub office: OfficeId,
    pub officer: OfficerId,
}
