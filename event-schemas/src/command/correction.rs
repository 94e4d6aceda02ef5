//! Corrections of what is recorded.

use crate::correction::{CorrectionDigest, Edit};
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
