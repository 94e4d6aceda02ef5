//! Operations larger than one record: staged in parts, approved by a second officer, committed at once.
//!
//! The kinds of operation are listed in [`OperationKind`], and what a part of each holds in [`PartContent`]; everything else
//! is the same for all of them.

use crate::event::{Event, PinIssued};
use crate::ids::{EventAddress, Lsn, OperationId, PersonId, Version};
use crate::macros::as_text;
use crate::pin::{Pin, PinOccasion};
use crate::record::{Changes, Restatement, decode_staged, encode_staged};
use crate::row::{RowRef, RowTouch};
use crate::text::Text;
use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// Most rows that one operation changes; a nation is many operations.
pub const MAX_OPERATION_ROWS: u32 = 1_000_000;
/// Most rows that one part stages or leaves out.
pub const MAX_PART_ROWS: u16 = 2_000;
/// Most edits that one part of corrections states.
pub const MAX_PART_EDITS: usize = 1_000;
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
    /// Correct what is recorded, in bulk: by `stage_corrections`, or by taking back what another operation corrected.
    Corrections(Corrections<U>),
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

/// Which corrections an operation makes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Corrections<U> {
    /// The unit in which everybody is at home whose record is corrected; none for the nation.
    pub unit: Option<U>,
    /// The operation that is taken back, by `stage_operation`; none to state the edits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses: Option<OperationId>,
}

impl<U> OperationKind<U> {
    /// The unit whose rows the operation changes; none for the nation, and for a correction, whose edits say where it belongs.
    pub fn unit(&self) -> Option<&U> {
        match self {
            Self::IssuePins(issue) => issue.unit.as_ref(),
            Self::Corrections(corrections) => corrections.unit.as_ref(),
            Self::Correction => None,
        }
    }

    /// Stable name, as in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::IssuePins(_) => "issue_pins",
            Self::Corrections(_) => "corrections",
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
    Corrections(StagedCorrections),
}

/// Corrections of one part. No two of an operation touch the same row.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StagedCorrections {
    /// Address of the part's first event in the record of the commit; the others follow.
    pub first_event: u32,
    pub items: Vec<StagedCorrection>,
}

/// What one correction says and does. Its own events are addressed with lsn 0: that of the commit is not known yet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StagedCorrection {
    pub events: Vec<Event>,
    /// Every row that it changes, from the version at which it was staged to the next.
    pub rows: Vec<RowTouch>,
    pub restatements: Vec<Restatement>,
}

impl Encode for StagedCorrection {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        let bytes = encode_staged(self).map_err(|error| EncodeError::OtherString(error.to_string()))?;
        bytes.encode(encoder)
    }
}

impl<Context> Decode<Context> for StagedCorrection {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let bytes = Vec::<u8>::decode(decoder)?;
        decode_staged(&bytes).map_err(|error| DecodeError::OtherString(error.to_string()))
    }
}

bincode::impl_borrow_decode!(StagedCorrection);

impl StagedCorrection {
    /// Its events with the addresses that they have by the commit at `lsn`, the first at `first`.
    pub fn events_at(&self, lsn: Lsn, first: u32) -> impl Iterator<Item = (EventAddress, &Event)> {
        let address = move |place| EventAddress { lsn, index: first + place as u32 };
        self.events.iter().enumerate().map(move |(place, event)| (address(place), event))
    }

    /// The timelines as the commit at `lsn` makes them.
    pub fn restatements_at(&self, lsn: Lsn) -> Vec<Restatement> {
        self.restatements.iter().map(|restated| restated.clone().placed_at(lsn)).collect()
    }

    /// Those of one row alone.
    pub fn restatements_of(&self, row: RowRef, lsn: Lsn) -> Vec<Restatement> {
        let of_row = self.restatements.iter().filter(|restated| restated.stream.row == row);
        of_row.map(|restated| restated.clone().placed_at(lsn)).collect()
    }

    /// What the commit at `lsn` records of it.
    pub fn into_changes(self, lsn: Lsn) -> Changes {
        let restatements = self.restatements.into_iter().map(|restated| restated.placed_at(lsn)).collect();
        Changes { bases: Vec::new(), events: self.events, rows: self.rows, restatements }
    }

    fn touches(&self, row: RowRef) -> Option<&RowTouch> {
        self.rows.iter().find(|touch| touch.row == row)
    }
}

/// Corrections one after the other, the first one's first event at this place.
fn placed_from<T: Borrow<StagedCorrection>>(
    mut next: u32,
    items: impl Iterator<Item = T>,
) -> impl Iterator<Item = (u32, T)> {
    items.map(move |item| {
        let first = next;
        next += item.borrow().events.len() as u32;
        (first, item)
    })
}

impl StagedCorrections {
    /// Each correction with the place of its first event.
    pub fn placed(&self) -> impl Iterator<Item = (u32, &StagedCorrection)> {
        placed_from(self.first_event, self.items.iter())
    }

    /// The same, for whoever needs the part no more.
    pub fn into_placed(self) -> impl Iterator<Item = (u32, StagedCorrection)> {
        placed_from(self.first_event, self.items.into_iter())
    }

    /// The correction that changes the row, with the place of its first event.
    pub fn of_row(&self, row: RowRef) -> Option<(u32, &StagedCorrection)> {
        self.placed().find(|(_, item)| item.touches(row).is_some())
    }

    /// The correction that says what stands at this place of the commit's record, and the event.
    pub fn at(&self, index: u32) -> Option<(&StagedCorrection, &Event)> {
        let (first, item) = self.placed().take_while(|(first, _)| *first <= index).last()?;
        Some((item, item.events.get((index - first) as usize)?))
    }

    /// How many events it holds.
    pub fn count_events(&self) -> usize {
        self.items.iter().map(|item| item.events.len()).sum()
    }
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
    /// Where a part at `lsn` has its rows: the first and last of each kind.
    pub fn ranges(&self, lsn: Lsn) -> Vec<PartRange> {
        let (rows, first_event): (Vec<RowRef>, u32) = match self {
            Self::Pins(staged) => {
                let ends = [staged.pins.first(), staged.pins.last()];
                (ends.into_iter().flatten().map(|pin| RowRef::Person(pin.person)).collect(), 0)
            }
            Self::Corrections(staged) => {
                let rows = staged.items.iter().flat_map(|item| &item.rows);
                (rows.map(|touch| touch.row).collect(), staged.first_event)
            }
        };
        let mut ranges: Vec<PartRange> = Vec::new();
        for row in rows {
            let kind = std::mem::discriminant(&row);
            match ranges.iter_mut().find(|range| std::mem::discriminant(&range.first) == kind) {
                Some(range) => (range.first, range.last) = (range.first.min(row), range.last.max(row)),
                None => ranges.push(PartRange { lsn, first: row, last: row, first_event }),
            }
        }
        ranges
    }

    /// How many rows it stages.
    pub fn len(&self) -> usize {
        match self {
            Self::Pins(staged) => staged.pins.len(),
            Self::Corrections(staged) => staged.items.iter().map(|item| item.rows.len()).sum(),
        }
    }

    /// Whether it stages nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What issuing the person's number alone would have said, if this part drew it.
    pub fn number_of(&self, person: PersonId) -> Option<PinIssued> {
        let Self::Pins(staged) = self else { return None };
        let place = staged.pins.binary_search_by_key(&person, |pin| pin.person).ok()?;
        let StagedPin { pin, draw, .. } = staged.pins[place];
        let (key_version, occasion) = (staged.key_version, PinOccasion::Later);
        draw.map(|draw| PinIssued { person, pin, draw, key_version, occasion })
    }

    /// The record before, if the part stages this row.
    pub fn previous(&self, row: RowRef) -> Option<(Version, Lsn)> {
        match (self, row) {
            (Self::Pins(staged), RowRef::Person(person)) => {
                let place = staged.pins.binary_search_by_key(&person, |pin| pin.person).ok()?;
                Some((staged.pins[place].version, staged.pins[place].last))
            }
            (Self::Pins(_), _) => None,
            (Self::Corrections(staged), _) => {
                let touch = staged.of_row(row)?.1.touches(row)?;
                Some((Version(touch.version.0.saturating_sub(1)), touch.previous))
            }
        }
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
    /// A row of its correction moved after the part was staged: it would be another correction now.
    Moved,
    /// What came since would no longer hold together if it were taken back.
    NotCovered,
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
        Self::Moved,
        Self::NotCovered,
    ];
}

/// Where the staged content of some rows stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartRange {
    pub lsn: Lsn,
    pub first: RowRef,
    pub last: RowRef,
    /// Address of its first event in the record of the commit; zero if it holds none.
    pub first_event: u32,
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
