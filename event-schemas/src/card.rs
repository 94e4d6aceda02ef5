//! Citizen cards and the applications for them.

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::Text;

/// Which document.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum DocumentKind {
    /// Chip-based citizen identity card (*căn cước công dân*) of Circular 06/2021/TT-BCA, under Law 59/2014/QH13.
    Cccd2021,
    /// Identity card (*căn cước*) under Law 26/2023/QH15, from 2024-07-01.
    CanCuoc2024,
    /// Identity certificate (*giấy chứng nhận căn cước*) for people of Vietnamese origin with undetermined nationality.
    IdentityCertificate,
}

/// Why a card is applied for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ApplicationReason {
    FirstIssue,
    /// At 14, 25, 40 or 60.
    AgeExchange,
    DataChanged,
    PinReestablished,
    PrintError,
    Lost,
    Damaged,
    OnRequest,
}

/// Status of an application (*hồ sơ*).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum DossierStatus {
    Received,
    BiometricsCaptured,
    DataMatched,
    MismatchReturned,
    SubmittedToCentre,
    DuplicateCheck,
    Approved,
    Refused,
    QueuedForPersonalisation,
    Produced,
    /// Ended without a card: the applicant died, or it was withdrawn.
    Closed,
}

/// Status of a card.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum CardStatus {
    Produced,
    InTransit,
    Active,
    /// Kept by an authority while the holder is in custody or a compulsory facility.
    Held,
    ReportedLost,
    Damaged,
    Replaced,
    Expired,
    Withdrawn,
    /// Spoiled in production.
    Destroyed,
    HolderDead,
}

impl CardStatus {
    /// Every status, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::Produced,
        Self::InTransit,
        Self::Active,
        Self::Held,
        Self::ReportedLost,
        Self::Damaged,
        Self::Replaced,
        Self::Expired,
        Self::Withdrawn,
        Self::Destroyed,
        Self::HolderDead,
    ];

    /// Whether the card can still come to be accepted (or be accepted again).
    pub fn is_open(self) -> bool {
        matches!(
            self,
            Self::Produced | Self::InTransit | Self::Active | Self::Held | Self::ReportedLost | Self::Damaged
        )
    }
}

/// Why a card is withdrawn: Law 26/2023/QH15 Art. 29(1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WithdrawalReason {
    NationalityLost,
    IssuedWrongly,
    Altered,
}

/// The card's own serial or chip number; what is printed as its number repeats for every card of a person.
pub type CardSerial = Text<32>;
