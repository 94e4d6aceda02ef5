//! Operations larger than one record: staged in parts, approved by a second officer, committed at once.
//!
//! The kinds of operation are listed in [`OperationKind`], and what a part of each holds in [`PartContent`]; everything else
//! is the same for all of them.

use crate::event::PinIssued;
use crate::ids::{Lsn, PersonId, Version};
use crate::macros::as_text;
use crate::pin::{Pin, PinOccasion};
use crate::row::RowRef;
use crate::text::Text;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Most rows that one operation changes; a nation is many operations.
pub const MAX_OPERATION_ROWS: u32 = 1_000_000;
/// Most rows that one part stages or leaves out.
pub const MAX_PART_ROWS: u16 = 2_000;
/// Most parts of one operation.
pub const MAX_PARTS: u32 = 5_000;
/// Most rows that moved after they were staged and are judged again with the commit.
pub const MAX_MOVED_ROWS: u32 = 10_000;

/// What an operation does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind<U> {
    /// Issue a PIN to everybody who has none and has what a number needs.
    IssuePins(IssuePins<U>),
    /// One correction that waits for approval, whole in the record that proposes it: by `propose_correction` and `approve_correction`.
    Correction,
}

/// To whom PINs are issued: residents as registered, and in the whole nation also those who are registered nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuePins<U> {
    /// The unit with all units below it; none for the nation.
    pub unit: Option<U>,
}

impl<U> OperationKind<U> {
    /// The unit whose rows the operation changes; none for the nation, and for a correction, whose edits say where it belongs.
    pub fn unit(&self) -> Option<&U> {
        match self {
            Self::IssuePins(issue) => issue.unit.as_ref(),
            Self::Correction => None,
        }
    }

    /// Stable name, as in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::IssuePins(_) => "issue_pins",
            Self::Correction => "correction",
        }
    }
}

/// Stands for all that an operation has staged so far: whoever approves or commits names it, and so nothing else.
///
/// JSON: 32 hexadecimal digits. It detects accidents; it is no proof against somebody who can write the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Encode, Decode)]
pub struct OperationDigest(pub u128);

impl fmt::Display for OperationDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for OperationDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a digest's text got wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a digest has exactly 32 hexadecimal digits")]
pub struct DigestError;

impl FromStr for OperationDigest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = plain.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or(DigestError)
    }
}

as_text! {
    OperationDigest: r"^[0-9a-fA-F]{32}$", "Stands for all that an operation has staged: 32 hexadecimal digits.";
}

/// What one part holds. Ids and numbers in it are reserved for good, whatever becomes of the operation (W9).
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartContent {
    Pins(StagedPins),
}

/// Numbers drawn for persons, in the order of their ids.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StagedPins {
    /// Version of the secret key that permutes the cells.
    pub key_version: u16,
    pub pins: Vec<StagedPin>,
}

/// A number for a person.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StagedPin {
    pub person: PersonId,
    pub pin: Pin,
    /// Place in the cell's sequence of draws; none for a number that an earlier part of the operation drew.
    pub draw: Option<u32>,
    /// The person's version when the part was staged.
    pub version: Version,
    /// The record that made it.
    pub last: Lsn,
}

impl PartContent {
    /// First and last row; none if the part stages nothing.
    pub fn range(&self) -> Option<(RowRef, RowRef)> {
        match self {
            Self::Pins(staged) => {
                let (first, last) = (staged.pins.first()?, staged.pins.last()?);
                Some((RowRef::Person(first.person), RowRef::Person(last.person)))
            }
        }
    }

    /// How many rows it stages.
    pub fn len(&self) -> usize {
        match self {
            Self::Pins(staged) => staged.pins.len(),
        }
    }

    /// Whether it stages nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What issuing the person's number alone would have said, if this part drew it.
    pub fn number_of(&self, person: PersonId) -> Option<PinIssued> {
        let Self::Pins(staged) = self;
        let place = staged.pins.binary_search_by_key(&person, |pin| pin.person).ok()?;
        let StagedPin { pin, draw, .. } = staged.pins[place];
        let (key_version, occasion) = (staged.key_version, PinOccasion::Later);
        draw.map(|draw| PinIssued { person, pin, draw, key_version, occasion })
    }

    /// The record before, if the part stages this row.
    pub fn previous(&self, row: RowRef) -> Option<(Version, Lsn)> {
        let (Self::Pins(staged), RowRef::Person(person)) = (self, row) else { return None };
        let place = staged.pins.binary_search_by_key(&person, |pin| pin.person).ok()?;
        Some((staged.pins[place].version, staged.pins[place].last))
    }
}

/// A row that the operation does not change, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    pub row: RowRef,
    pub reason: LeftOutReason,
}

/// Why a row is left out of an operation.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum LeftOutReason {
    /// The sex is not known, or the birth was not in 1900 or later.
    DataMissing,
    /// It is not known where the birth was registered.
    BirthPlaceMissing,
    /// No numbers are left for the place, sex and year.
    CellFull,
    /// Died after the part was staged.
    Died,
    /// Got a number after the part was staged.
    HasNumber,
    /// Is no longer in the operation's area.
    Elsewhere,
    /// What the number is made of is another now.
    DataChanged,
}

impl LeftOutReason {
    /// Every reason, in the order of its number.
    pub const ALL: &[Self] = &[
        Self::DataMissing,
        Self::BirthPlaceMissing,
        Self::CellFull,
        Self::Died,
        Self::HasNumber,
        Self::Elsewhere,
        Self::DataChanged,
    ];
}

/// Where the staged content of some rows stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartRange {
    pub lsn: Lsn,
    pub first: RowRef,
    pub last: RowRef,
}

/// A row that moved after it was staged, and is changed all the same. Others are where their part says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MovedRow {
    pub row: RowRef,
    /// Its version before the commit.
    pub version: Version,
    /// The record that made it.
    pub last: Lsn,
}

/// How many rows came to what.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperationCounts {
    /// Rows staged.
    pub staged: u32,
    /// Rows that the commit changed.
    pub changed: u32,
    /// Rows left out, when they were staged or with the commit.
    pub left_out: u32,
}

/// Why an operation was abandoned.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AbandonReason {
    /// An officer decided so.
    Decided(Text<200>),
    /// Its last day passed.
    Lapsed,
}

/// How far an operation is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum OperationStatus {
    /// Parts are being staged.
    Open = 1,
    /// Everything is staged; it can be approved.
    Staged = 2,
    /// A second officer approved what is staged.
    Approved = 3,
    Committed = 4,
    Abandoned = 5,
}

impl OperationStatus {
    /// Every status, in the order of its number.
    pub const ALL: &[Self] = &[Self::Open, Self::Staged, Self::Approved, Self::Committed, Self::Abandoned];

    /// The status with this number.
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| *status as u8 == number)
    }

    /// Whether it can still come to something.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Committed | Self::Abandoned)
    }

    /// Stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Staged => "staged",
            Self::Approved => "approved",
            Self::Committed => "committed",
            Self::Abandoned => "abandoned",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_32_hexadecimal_digits() {
        let digest = OperationDigest(0xabc);
        assert_eq!(digest.to_string(), "00000000000000000000000000000abc");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        for text in ["", "abc", "g0000000000000000000000000000abc", "+0000000000000000000000000000abc"] {
            assert_eq!(text.parse::<OperationDigest>(), Err(DigestError), "{text}");
        }
    }

    #[test]
    fn every_status_and_reason_has_its_number() {
        for (place, status) in OperationStatus::ALL.iter().enumerate() {
            assert_eq!(OperationStatus::of(place as u8 + 1), Some(*status));
        }
        for (place, reason) in LeftOutReason::ALL.iter().enumerate() {
            assert_eq!(usize::from(*reason as u8), place);
        }
    }
}
