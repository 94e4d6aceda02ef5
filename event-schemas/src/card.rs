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

/// Why a card is applied for: Law 59/2014/QH13 Art. 23, Law 26/2023/QH15 Art. 24.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ApplicationReason {
    /// There is no card to exchange or to issue again.
    FirstIssue,
    /// Exchange at 14, 25, 40 or 60, or in the two years before.
    AgeExchange,
    /// Exchange: names or birth were changed or corrected in the registry since the card was made.
    InformationChanged,
    /// Exchange: the holder looks different, a face or fingerprints are added, or the sex was determined anew.
    AppearanceChanged,
    /// Exchange: what is printed or stored is wrong.
    WrongData,
    /// Exchange after units were rearranged; only by the law of 2023.
    UnitsRearranged,
    /// Exchange: the number on the card is no longer the holder's.
    PinReestablished,
    /// Exchange because the holder wishes it.
    OnRequest,
    /// The card cannot be used: an exchange by the law of 2014, an issue again by that of 2023.
    Damaged,
    /// Issue again of a card that was reported lost.
    Lost,
    /// Issue again after Vietnamese nationality was regained.
    NationalityRegained,
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

/// Why a card is withdrawn: Law 59/2014/QH13 Art. 28(1) knows the loss of nationality alone, Law 26/2023/QH15 Art. 29(1)
/// all three.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum WithdrawalReason {
    /// Lost, renounced or taken, or naturalisation was annulled.
    NationalityLost,
    IssuedWrongly,
    /// Erased or altered.
    Altered,
}

/// Why an authority keeps a card (*giữ thẻ*): Law 59/2014/QH13 Art. 28(2), Law 26/2023/QH15 Art. 29(2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldReason {
    /// A reform school (*trường giáo dưỡng*).
    ReformSchool,
    /// A compulsory education facility (*cơ sở giáo dục bắt buộc*).
    CompulsoryEducation,
    /// A compulsory rehabilitation facility (*cơ sở cai nghiện bắt buộc*).
    CompulsoryRehabilitation,
    /// Custody or detention before a judgment (*tạm giữ, tạm giam*).
    Detention,
    /// A prison sentence (*chấp hành án phạt tù*).
    Prison,
}

/// The card's own serial or chip number; what is printed as its number repeats for every card of a person.
pub type CardSerial = Text<32>;
