//! The packed rows of the decision state: what everyday rules need, and nothing to show to people.
//!
//! A person, with a share of a household, a card and a dossier, stays below 128 bytes; names and addresses live in views.
//! All numbers are plain so that a row's bytes are its digest and its page image.

use crate::timeline::marriage::{Marital, Spouse};
use event_schemas::card::WithdrawalReason;
use event_schemas::ids::{Lsn, PersonId};
use event_schemas::person::MaritalStatus;
use smallvec::SmallVec;

/// Bytes of a saved row end early or hold an impossible value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the bytes of a saved row cannot be read")]
pub struct RowBytesError;

/// Fixed-size little-endian fields of rows.
pub(super) trait Field: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn take(input: &mut &[u8]) -> Result<Self, RowBytesError>;
}

macro_rules! number_fields {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn take(input: &mut &[u8]) -> Result<Self, RowBytesError> {
                let (bytes, rest) = input.split_first_chunk().ok_or(RowBytesError)?;
                *input = rest;
                Ok(Self::from_le_bytes(*bytes))
            }
        }
    )*};
}

number_fields!(u8, u16, u32, u64, i32);

/// 40 bits: enough for a PIN (10^12) and for an lsn (10^12 records).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct U40([u8; 5]);

impl U40 {
    /// # Panics
    /// If the number does not fit; PINs and lsns do.
    pub fn new(number: u64) -> Self {
        let bytes = number.to_le_bytes();
        assert!(number < 1 << 40, "PINs and lsns stay below 2^40");
        Self([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]])
    }

    pub fn get(self) -> u64 {
        let [a, b, c, d, e] = self.0;
        u64::from_le_bytes([a, b, c, d, e, 0, 0, 0])
    }
}

impl Field for U40 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn take(input: &mut &[u8]) -> Result<Self, RowBytesError> {
        let (bytes, rest) = input.split_first_chunk().ok_or(RowBytesError)?;
        *input = rest;
        Ok(Self(*bytes))
    }
}

/// Members of a household: ids, the top bit set for temporary members. In the order in which they joined.
pub type Members = SmallVec<[u32; 4]>;

impl Field for Members {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        for member in self {
            member.put(out);
        }
    }

    fn take(input: &mut &[u8]) -> Result<Self, RowBytesError> {
        let count = u32::take(input)? as usize;
        if input.len() < count * 4 {
            return Err(RowBytesError);
        }
        (0..count).map(|_| u32::take(input)).collect()
    }
}

/// A row that is kept in a dense table and saved in pages.
pub trait Row: Clone + Default + PartialEq {
    fn encode(&self, out: &mut Vec<u8>);
    fn decode(input: &mut &[u8]) -> Result<Self, RowBytesError>;
    /// Version and lsn of its last record.
    fn stamp(&mut self, version: u32, lsn: Lsn);
    fn version(&self) -> u32;
    fn last_lsn(&self) -> Lsn;
}

/// Declares rows whose bytes are their fields in order. Every row has `version` and `last_lsn`.
macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug, Default)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            /// Records that touched the row; zero before the first.
            pub version: u32,
            /// The last of them.
            pub last_lsn: U40,
        }

        impl Row for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
                self.version.put(out);
                self.last_lsn.put(out);
            }

            fn decode(input: &mut &[u8]) -> Result<Self, RowBytesError> {
                Ok(Self {
                    $($field: <$type as Field>::take(input)?,)*
                    version: Field::take(input)?,
                    last_lsn: Field::take(input)?,
                })
            }

            fn stamp(&mut self, version: u32, lsn: Lsn) {
                self.version = version;
                self.last_lsn = U40::new(lsn.0);
            }

            fn version(&self) -> u32 {
                self.version
            }

            fn last_lsn(&self) -> Lsn {
                Lsn(self.last_lsn.get())
            }
        }
    )*};
}

rows! {
    /// A person. Zero stands for "none" in ids and dates.
    PersonRow {
        /// Packed [`event_schemas::time::PartialDate`]; never zero in a registered person.
        birth: u32,
        /// Packed partial date of death; zero while alive.
        died: u32,
        mother: u32,
        father: u32,
        /// Unit where the birth was registered, whose province begins the PIN; zero if unknown.
        birth_unit: u32,
        /// Permanent household.
        household: u32,
        /// Unit of permanent residence; zero for none, [`ABROAD`] for abroad.
        unit: u32,
        /// The card handed over last, whatever became of it.
        card: u32,
        /// The application under way, until its card is handed over.
        dossier: u32,
        /// Latest effective day in the identity stream, days since 1970.
        identity_since: i32,
        /// Latest effective day in the streams of permanent residence and membership.
        residence_since: i32,
        /// Partner of the marriage in force; zero for none, [`DESCRIBED_SPOUSE`] or [`UNKNOWN_SPOUSE`] for nobody registered.
        spouse: u32,
        /// Latest effective day in the marriage stream.
        marriage_since: i32,
        /// Current PIN; zero for none.
        pin: U40,
        /// Open defects, a bit each.
        defects: u16,
        /// See `SEX_*`.
        sex: u8,
        /// [`event_schemas::household::Relationship`] as a number, in the permanent household.
        relationship: u8,
        /// [`event_schemas::person::LegalCapacity`] as stated by a court or at enrolment.
        capacity: u8,
        /// Bits, see `FLAG_*`.
        flags: u8,
    }

    /// What a person has of temporary residence: few have any, so it stands apart.
    TemporaryRow {
        household: u32,
        unit: u32,
        /// Last day, days since 1970.
        until: i32,
        /// Latest effective day in the streams of temporary residence and membership.
        since: i32,
        relationship: u8,
    }

    /// A household.
    HouseholdRow {
        members: Members,
        head: u32,
        unit: u32,
        /// Zero while it exists; else the day it ended, plus one so that no day is zero.
        ended: i32,
        /// Latest effective day in the composition stream.
        composition_since: i32,
        /// Latest effective day in the place stream.
        place_since: i32,
        kind: u8,
        defects: u16,
    }

    /// A card.
    CardRow {
        dossier: u32,
        /// Last day, days since 1970; [`NO_EXPIRY`] for none.
        expires: i32,
        /// Latest effective day in the status stream.
        since: i32,
        /// The PIN that it was made with.
        pin: U40,
        status: u8,
        /// Why it was withdrawn, see [`CardRow::withdrawal`]; zero if it was not.
        withdrawn: u8,
    }

    /// An application for a card.
    DossierRow {
        person: u32,
        card: u32,
        replaces: u32,
        /// Latest effective day in the status stream.
        since: i32,
        status: u8,
        document: u8,
        reason: u8,
    }

    /// A dwelling.
    DwellingRow {
        unit: u32,
        since: i32,
        kind: u8,
    }
}

/// Unit of a place abroad.
pub const ABROAD: u32 = u32::MAX;
/// Expiry of a card without one.
pub const NO_EXPIRY: i32 = i32::MAX;
/// Marks a temporary member in [`Members`].
pub const TEMPORARY_MEMBER: u32 = 1 << 31;

pub const SEX_UNKNOWN: u8 = 0;
pub const SEX_MALE: u8 = 1;
pub const SEX_FEMALE: u8 = 2;

/// The person is a citizen of Viet Nam.
pub const FLAG_VIETNAMESE: u8 = 1;
/// Nationality is undetermined.
pub const FLAG_UNDETERMINED: u8 = 2;
/// Identity is verified.
pub const FLAG_VERIFIED: u8 = 4;

/// Child or parent by a link that rows do not hold, see [`PersonRow::mother`]: an adoptive one, or one more of a role.
pub const FLAG_OTHER_KIN: u8 = 64;
/// Three bits of the flags: [`MaritalStatus`] as a number.
const MARITAL_SHIFT: u8 = 3;
const MARITAL_BITS: u8 = 7 << MARITAL_SHIFT;
/// A written notice of the PIN has not been handed over.
pub const FLAG_NOTICE_DUE: u8 = 128;

const MARITAL_STATUSES: [MaritalStatus; 5] = [
    MaritalStatus::NoInformation,
    MaritalStatus::Unmarried,
    MaritalStatus::Married,
    MaritalStatus::Divorced,
    MaritalStatus::Widowed,
];

/// The spouse is known from papers only.
pub const DESCRIBED_SPOUSE: u32 = u32::MAX - 1;
/// Enrolment stated a marriage and nobody to whom.
pub const UNKNOWN_SPOUSE: u32 = u32::MAX;

impl PersonRow {
    /// Whether there is such a person: a birth that was taken back leaves the row, and the number that leads to it.
    pub fn is_registered(&self) -> bool {
        self.birth != 0
    }

    /// Marital status and spouse by all that is recorded.
    pub fn marital(&self) -> Marital {
        let number = usize::from((self.flags & MARITAL_BITS) >> MARITAL_SHIFT);
        let spouse = match self.spouse {
            0 => None,
            DESCRIBED_SPOUSE => Some(Spouse::Described),
            UNKNOWN_SPOUSE => Some(Spouse::Unknown),
            person => Some(Spouse::Registered(PersonId(person))),
        };
        Marital { status: MARITAL_STATUSES.get(number).copied().unwrap_or_default(), spouse }
    }

    pub(super) fn set_marital(&mut self, marital: Marital) {
        self.flags = self.flags & !MARITAL_BITS | (marital.status as u8) << MARITAL_SHIFT;
        self.spouse = match marital.spouse {
            None => 0,
            Some(Spouse::Described) => DESCRIBED_SPOUSE,
            Some(Spouse::Unknown) => UNKNOWN_SPOUSE,
            Some(Spouse::Registered(person)) => person.0,
        };
    }
}

impl CardRow {
    /// Whether the number on the card is the holder's still. A card with another must be exchanged (Law 26/2023/QH15
    /// Art. 24(1)(e)).
    pub fn carries_number_of(&self, holder: &PersonRow) -> bool {
        self.pin == holder.pin
    }

    /// Why it was withdrawn.
    pub fn withdrawal(&self) -> Option<WithdrawalReason> {
        match self.withdrawn {
            1 => Some(WithdrawalReason::NationalityLost),
            2 => Some(WithdrawalReason::IssuedWrongly),
            3 => Some(WithdrawalReason::Altered),
            _ => None,
        }
    }

    pub(super) fn set_withdrawal(&mut self, reason: WithdrawalReason) {
        self.withdrawn = reason as u8 + 1;
    }
}

impl HouseholdRow {
    /// Permanent members in the order in which they joined.
    pub fn permanent_members(&self) -> impl Iterator<Item = PersonId> + '_ {
        self.members.iter().filter(|&&member| member & TEMPORARY_MEMBER == 0).map(|&member| PersonId(member))
    }

    /// Temporary members in the order in which they joined.
    pub fn temporary_members(&self) -> impl Iterator<Item = PersonId> + '_ {
        self.members
            .iter()
            .filter(|&&member| member & TEMPORARY_MEMBER != 0)
            .map(|&member| PersonId(member & !TEMPORARY_MEMBER))
    }

    /// Whether the household exists still.
    pub fn is_open(&self) -> bool {
        self.version > 0 && self.ended == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_small() {
        assert_eq!(size_of::<PersonRow>(), 72);
        assert_eq!(size_of::<HouseholdRow>(), 56);
        assert_eq!(size_of::<CardRow>(), 28);
        assert_eq!(size_of::<DossierRow>(), 28);
    }

    #[test]
    fn every_marital_status_survives_its_bits_beside_the_other_flags() {
        let spouses =
            [None, Some(Spouse::Described), Some(Spouse::Unknown), Some(Spouse::Registered(PersonId(7)))];
        for (status, spouse) in
            MARITAL_STATUSES.into_iter().flat_map(|status| spouses.map(|spouse| (status, spouse)))
        {
            let others =
                FLAG_VIETNAMESE | FLAG_UNDETERMINED | FLAG_VERIFIED | FLAG_OTHER_KIN | FLAG_NOTICE_DUE;
            let mut row = PersonRow { flags: others | MARITAL_BITS, ..PersonRow::default() };
            row.set_marital(Marital { status, spouse });
            assert_eq!(row.marital(), Marital { status, spouse });
            assert_eq!(row.flags & !MARITAL_BITS, others);
        }
    }

    #[test]
    fn every_reason_of_a_withdrawal_survives_its_number() {
        use WithdrawalReason::{Altered, IssuedWrongly, NationalityLost};
        assert_eq!(CardRow::default().withdrawal(), None);
        for reason in [NationalityLost, IssuedWrongly, Altered] {
            let mut row = CardRow::default();
            row.set_withdrawal(reason);
            assert_eq!(row.withdrawal(), Some(reason));
        }
    }

    #[test]
    fn rows_survive_their_bytes() {
        let row = HouseholdRow {
            members: Members::from_slice(&[1, 2 | TEMPORARY_MEMBER, 3, 4, 5, 6]),
            head: 1,
            version: 9,
            last_lsn: U40::new(1 << 39),
            ..HouseholdRow::default()
        };
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        let mut input = bytes.as_slice();
        assert_eq!(HouseholdRow::decode(&mut input), Ok(row));
        assert!(input.is_empty());
        let mut short = &bytes[..bytes.len() - 1];
        assert_eq!(HouseholdRow::decode(&mut short), Err(RowBytesError));
    }
}
