//! The frozen layout of a log entry's header, and the chain over entries.
//!
//! Admission works on these bytes alone, so they never change, whatever happens to bodies. All numbers are
//! little-endian.
//!
//! | offset | bytes | field | |
//! |---|---|---|---|
//! | 0 | 4 | magic | `DNCU`; anything else is a foreign entry |
//! | 4 | 1 | kind | [`EntryKind`] |
//! | 5 | 1 | flags | reserved, zero |
//! | 6 | 2 | format | 0: draft, see [`crate::codec::DRAFT`]; released formats count from 1 |
//! | 8 | 8 | term | |
//! | 16 | 16 | claim_id | |
//! | 32 | 8 | lsn | zero in a claim: a claimer cannot know it, but for the first one behind a seal |
//! | 40 | 16 | prev | chain head this entry was written on; zero in a claim, but for that one |
//! | 56 | 8 | recorded_at | microseconds since 1970-01-01T00:00:00Z |
//! | 64 | 4 | key_id | reserved for encrypted bodies, zero |
//! | 68 | 4 | body_len | bytes that follow the header |

use crate::ids::{ClaimId, InstanceId, KeyId, Lsn, Term};
use crate::time::Timestamp;
use std::fmt;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Bytes of a header.
pub const HEADER_LEN: usize = 72;

/// First bytes of every entry.
pub const MAGIC: [u8; 4] = *b"DNCU";

/// Longest body of an entry. Kafka's default message limit is 1 MB; larger work is staged in parts.
pub const MAX_BODY_LEN: usize = 900_000;

/// What an entry is. The numbers are frozen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum EntryKind {
    /// What one accepted command appended.
    Record = 0,
    /// First entry of a log: names it and fixes the kind of its clock.
    Genesis = 1,
    /// A node asks to lead.
    Claim = 2,
    /// Carries nothing: proves that the claim which wrote it still leads.
    Tick = 3,
    /// The date inside the system moves on.
    DayOpened = 4,
    /// Sum over the registry's rows, for every reader to compare.
    StateDigest = 5,
    /// A new format may be written from here on.
    Activate = 6,
    /// The log ends here and goes on in another instance.
    Sealed = 7,
    /// Rows that fell due with the day: events without a command.
    Lapsed = 8,
    /// The operator's consent to a clock that leads the last record by more than can be explained.
    ClockConsent = 9,
}

impl EntryKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::Record,
        Self::Genesis,
        Self::Claim,
        Self::Tick,
        Self::DayOpened,
        Self::StateDigest,
        Self::Activate,
        Self::Sealed,
        Self::Lapsed,
        Self::ClockConsent,
    ];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// Head and entry up to this length are hashed as one piece: nearly every entry.
const TOGETHER_BYTES: usize = 1_024;

/// Head of the chain: a digest over every admitted entry so far.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ChainHead(pub u128);

impl ChainHead {
    /// Head of an empty log.
    pub const EMPTY: Self = Self(0);

    /// `head' = xxh3-128(head ‖ entry)`. Detects accidents and orders entries; it is no proof against a dishonest
    /// operator.
    pub fn extend(self, entry: &[u8]) -> Self {
        let head = self.0.to_le_bytes();
        let len = head.len() + entry.len();
        // The hash is the same; one call over bytes that lie together costs a third of a hasher with its buffers.
        let mut together = [0; TOGETHER_BYTES];
        if let Some(bytes) = together.get_mut(..len) {
            bytes[..head.len()].copy_from_slice(&head);
            bytes[head.len()..].copy_from_slice(entry);
            return Self(xxh3_128(bytes));
        }
        let mut hasher = Xxh3::new();
        hasher.update(&head);
        hasher.update(entry);
        Self(hasher.digest128())
    }
}

impl fmt::Display for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The header of one entry. See the module's table for the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EntryHeader {
    pub kind: EntryKind,
    pub format: u16,
    pub term: Term,
    pub claim_id: ClaimId,
    pub lsn: Lsn,
    pub prev: ChainHead,
    pub recorded_at: Timestamp,
    pub key_id: KeyId,
    pub body_len: u32,
}

/// Why bytes are not an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HeaderError {
    #[error("shorter than a header ({HEADER_LEN} bytes)")]
    TooShort,
    #[error("does not begin with the magic bytes")]
    ForeignMagic,
    #[error("unknown entry kind {0}")]
    UnknownKind(u8),
    #[error("body length field says {stated}, the entry holds {actual}")]
    LengthMismatch { stated: u32, actual: usize },
}

impl EntryHeader {
    /// The header's bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4] = self.kind as u8;
        bytes[6..8].copy_from_slice(&self.format.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.term.0.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.claim_id.0.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.lsn.0.to_le_bytes());
        bytes[40..56].copy_from_slice(&self.prev.0.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.recorded_at.0.to_le_bytes());
        bytes[64..68].copy_from_slice(&self.key_id.0.to_le_bytes());
        bytes[68..72].copy_from_slice(&self.body_len.to_le_bytes());
        bytes
    }

    /// Reads the header of a whole entry. Never looks at the body, only at its length.
    pub fn of_entry(entry: &[u8]) -> Result<Self, HeaderError> {
        let bytes: &[u8; HEADER_LEN] = entry.first_chunk().ok_or(HeaderError::TooShort)?;
        if bytes[0..4] != MAGIC {
            return Err(HeaderError::ForeignMagic);
        }
        let kind = EntryKind::from_byte(bytes[4]).ok_or(HeaderError::UnknownKind(bytes[4]))?;
        let u64_at = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().expect("inside the header"));
        let u128_at = |at: usize| u128::from_le_bytes(*bytes[at..].first_chunk().expect("inside the header"));
        let u32_at = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().expect("inside the header"));
        let body_len = u32_at(68);
        let actual = entry.len() - HEADER_LEN;
        if body_len as usize != actual {
            return Err(HeaderError::LengthMismatch { stated: body_len, actual });
        }
        Ok(Self {
            kind,
            format: u16::from_le_bytes([bytes[6], bytes[7]]),
            term: Term(u64_at(8)),
            claim_id: ClaimId(u128_at(16)),
            lsn: Lsn(u64_at(32)),
            prev: ChainHead(u128_at(40)),
            recorded_at: Timestamp(u64_at(56) as i64),
            key_id: KeyId(u32_at(64)),
            body_len,
        })
    }
}

/// Header and body as one entry. `header.body_len` is set here.
///
/// # Panics
/// If the body is longer than [`MAX_BODY_LEN`]; callers bound it before they decide to append.
pub fn encode_entry(mut header: EntryHeader, body: &[u8]) -> Vec<u8> {
    assert!(body.len() <= MAX_BODY_LEN, "an entry's body is bounded before it is appended");
    header.body_len = body.len() as u32;
    let mut entry = Vec::with_capacity(HEADER_LEN + body.len());
    entry.extend_from_slice(&header.to_bytes());
    entry.extend_from_slice(body);
    entry
}

/// The body of a whole entry, empty if the entry is shorter than a header.
pub fn body_of(entry: &[u8]) -> &[u8] {
    entry.get(HEADER_LEN..).unwrap_or_default()
}

/// The copy of the log that a `Sealed` entry names: the first 16 bytes of its body, frozen like the header.
pub fn seal_target(entry: &[u8]) -> Option<InstanceId> {
    body_of(entry).first_chunk().map(|bytes| InstanceId(u128::from_le_bytes(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> EntryHeader {
        EntryHeader {
            kind: EntryKind::DayOpened,
            format: 3,
            term: Term(7),
            claim_id: ClaimId(0x1234_5678_9abc_def0_1122_3344_5566_7788),
            lsn: Lsn(99),
            prev: ChainHead(0xfeed),
            recorded_at: Timestamp(-5),
            key_id: KeyId(0),
            body_len: 0,
        }
    }

    #[test]
    fn header_survives_the_round_trip() {
        let entry = encode_entry(header(), b"body");
        let decoded = EntryHeader::of_entry(&entry).unwrap();
        assert_eq!(decoded, EntryHeader { body_len: 4, ..header() });
        assert_eq!(body_of(&entry), b"body");
    }

    #[test]
    fn bytes_that_are_no_entry_say_why() {
        let entry = encode_entry(header(), b"body");
        assert_eq!(EntryHeader::of_entry(&entry[..71]), Err(HeaderError::TooShort));
        assert_eq!(
            EntryHeader::of_entry(&entry[..75]),
            Err(HeaderError::LengthMismatch { stated: 4, actual: 3 })
        );
        let mut foreign = entry.clone();
        foreign[0] = b'X';
        assert_eq!(EntryHeader::of_entry(&foreign), Err(HeaderError::ForeignMagic));
        let mut unknown = entry;
        unknown[4] = 200;
        assert_eq!(EntryHeader::of_entry(&unknown), Err(HeaderError::UnknownKind(200)));
    }

    #[test]
    fn the_chain_is_the_hash_of_head_and_entry_whatever_their_length() {
        for len in [0, 1, 200, 240, 500, TOGETHER_BYTES - 16, TOGETHER_BYTES - 15, 3_000] {
            let (head, entry) = (ChainHead(7 << 100 | 3), vec![len as u8; len]);
            let together = [&head.0.to_le_bytes()[..], &entry].concat();
            assert_eq!(head.extend(&entry), ChainHead(xxh3_128(&together)), "{len}");
        }
    }

    #[test]
    fn the_chain_depends_on_order_and_content() {
        let ab = ChainHead::EMPTY.extend(b"a").extend(b"b");
        let ba = ChainHead::EMPTY.extend(b"b").extend(b"a");
        assert_ne!(ab, ba);
        assert_eq!(ab, ChainHead::EMPTY.extend(b"a").extend(b"b"));
    }
}
