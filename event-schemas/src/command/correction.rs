//! Corrections of what is recorded.

use crate::correction::{CorrectionDigest, Edit};
use crate::ids::OperationId;
use crate::text::Text;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Correct what is recorded. The envelope's basis is its legal ground; the edits take effect together or not at all.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Correct {
    /// 1 to [`crate::correction::MAX_EDITS`].
    pub edits: Vec<Edit>,
    /// What was wrong, and how it came to be known.
    pub reason: Text<200>,
    /// As a dry run told it: refused with `stale_digest` if anything that it stands for has moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expects_digest: Option<CorrectionDigest>,
}

/// Propose a correction: it is judged like one that is made, shown to whoever looks at it, and changes nothing before another officer
/// approves it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposeCorrection {
    pub correction: Correct,
}

/// Approve a proposed correction, which makes it. Whoever proposed it cannot.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveCorrection {
    /// As the proposal is known: a proposal is an operation of one record.
    pub operation: OperationId,
    /// As the proposal states it: refused with `stale_digest` if anything that it stands for has moved.
    pub digest: CorrectionDigest,
}
