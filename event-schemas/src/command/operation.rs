//! Operations larger than one record.

use crate::correction::Edit;
use crate::ids::OperationId;
use crate::operation::{OperationDigest, OperationKind};
use crate::place::UnitCode;
use crate::text::Text;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Open an operation. Nothing of it shows before it is committed.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenOperation {
    pub kind: OperationKind<UnitCode>,
    /// What it is for; the envelope's basis is its legal ground.
    pub purpose: Text<200>,
}

/// Stage the next part: the registry itself chooses the rows. Once everything is staged, rows that moved are staged again.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageOperation {
    pub operation: OperationId,
    /// Number of the part, from 1: the one after the last that was staged.
    pub part: u32,
    /// At most so many rows: 1 to [`crate::operation::MAX_PART_ROWS`].
    pub rows: u16,
}

/// Stage corrections as the next part of an operation. Each item is a correction by itself: its edits are judged together, and with the
/// commit they take effect or are left out together. Two items that touch the same row belong into one.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageCorrections {
    pub operation: OperationId,
    /// Number of the part, from 1: the one after the last that was staged.
    pub part: u32,
    /// Together at most [`crate::operation::MAX_PART_EDITS`] edits.
    pub items: Vec<Vec<Edit>>,
    /// Whether everything is staged with it.
    pub is_last: bool,
}

/// Approve what an operation has staged. Whoever opened it cannot.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveOperation {
    pub operation: OperationId,
    pub digest: OperationDigest,
}

/// Let an approved operation take effect, all at once.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommitOperation {
    pub operation: OperationId,
    pub digest: OperationDigest,
}

/// Give an operation up. Numbers that it reserved are never given to anybody.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AbandonOperation {
    pub operation: OperationId,
    pub reason: Text<200>,
}
