//! Households and what ties people to them.

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::Text;

/// A family's household or an institution's collective one.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Encode, Decode, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum HouseholdKind {
    #[default]
    Family,
    /// Has no head who is kin: dormitory, barracks, pagoda, social-support facility.
    Institutional,
}

/// How somebody belongs to a household; at most one of each at a time.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    /// By permanent residence (*thường trú*).
    #[default]
    Permanent,
    /// By temporary residence (*tạm trú*).
    Temporary,
}

/// Relationship to the head (*quan hệ với chủ hộ*).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Relationship {
    Head,
    Spouse,
    Child,
    Parent,
    Grandchild,
    Grandparent,
    Sibling,
    ChildInLaw,
    ParentInLaw,
    OtherKin,
    /// Lives with the household by consent, without kinship.
    NotKin,
    /// Member of an institution's household.
    Resident,
}

impl Relationship {
    /// Every relationship, in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::Head,
        Self::Spouse,
        Self::Child,
        Self::Parent,
        Self::Grandchild,
        Self::Grandparent,
        Self::Sibling,
        Self::ChildInLaw,
        Self::ParentInLaw,
        Self::OtherKin,
        Self::NotKin,
        Self::Resident,
    ];
}

/// Residence file number (*số hồ sơ cư trú*).
pub type ResidenceFileNumber = Text<30>;

/// Why somebody left a household.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    Moved,
    Died,
    Split,
    Merged,
    SettledAbroad,
    /// The temporary registration ended.
    StayEnded,
    /// Registration ended on another ground of Law 68/2020/QH14 Art. 24.
    RegistrationEnded,
}

/// Why a household ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HouseholdEndReason {
    LastMemberLeft,
    Merged,
}

/// Why a registration of residence ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResidenceEndReason {
    Died,
    /// A new registration replaces it.
    Replaced,
    SettledAbroad,
    /// Another ground of Law 68/2020/QH14 Art. 24.
    RegistrationEnded,
    /// The stay's own last day has passed.
    Expired,
    /// The person left before that day.
    LeftEarly,
}
