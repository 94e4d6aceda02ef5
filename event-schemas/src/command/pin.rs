//! Personal identification numbers.

use crate::person::PersonRef;
use crate::pin::Pin;
use crate::place::UnitCode;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Issue a PIN to a person who has none.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuePin {
    pub person: PersonRef,
    /// Where the birth was registered, if the registry does not hold it: a province or a unit in it.
    pub birth_registered_at: Option<UnitCode>,
}

/// Accept a PIN that was issued before this registry.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptPin {
    pub person: PersonRef,
    pub pin: Pin,
}
