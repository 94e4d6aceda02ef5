//! Personal identification numbers.

use crate::person::PersonRef;
use crate::pin::{Pin, PinGround};
use crate::place::UnitCode;
use crate::text::Text;
use crate::time::Date;
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

/// Cancel a person's PIN without another in its place. The number is never given to anybody and leads to the person for ever.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelPin {
    pub person: PersonRef,
    pub ground: PinGround,
    pub explanation: Text<200>,
}

/// Cancel a person's PIN and issue another (*xác lập lại số định danh*).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReestablishPin {
    pub person: PersonRef,
    pub ground: PinGround,
    /// Where the birth was registered, if the registry does not hold it: a province or a unit in it.
    pub birth_registered_at: Option<UnitCode>,
    pub explanation: Text<200>,
}

/// Record that written notices of new PINs, with the data held, were handed over (Decree 37/2021).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordPinNotices {
    pub handed_over_on: Date,
    /// At most [`MAX_NOTICES`].
    pub persons: Vec<PersonRef>,
}

/// Most notices of one command.
pub const MAX_NOTICES: usize = 500;
