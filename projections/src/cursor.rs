//! How a listing goes on: what was listed, and beyond what. Opaque to callers, and checked: a cursor of another
//! listing, of another log, or changed by hand is refused.
//!
//! Bytes, shown as hexadecimal digits: listing 1, subject 5, place 8, log 16, check 8; numbers big-endian.

use event_schemas::ids::LogId;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Keeps a cursor from being changed by accident or by hand; no secret, a cursor opens nothing that its caller may not
/// read anyway.
const CHECK_SEED: u64 = 0xdac0_c0de_0000_0001;

const CHECKED_LEN: usize = 1 + 5 + 8 + 16;
const LEN: usize = CHECKED_LEN + 8;

/// Which listing a cursor belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum ListingKind {
    PermanentResidents = 1,
    TemporaryResidents = 2,
    Households = 3,
    History = 4,
    Search = 5,
    CardsDue = 6,
    Changes = 7,
    ResidentsThen = 8,
    Operations = 20,
    LeftOut = 21,
    OperationItems = 24,
    PinCells = 22,
    PinNotices = 23,
}

/// Where a listing goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    pub kind: ListingKind,
    /// What is listed: the kind of row and its id, or the unit.
    pub subject: (u8, u32),
    /// The last id listed, or the lsn to go on at.
    pub place: u64,
    pub log_id: LogId,
}

/// Why a cursor is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CursorError {
    #[error("the cursor was not given out by this service, or was changed")]
    NotOurs,
    #[error("the cursor belongs to another listing")]
    OtherListing,
}

impl Cursor {
    /// As callers see it.
    pub fn to_text(self) -> String {
        let mut bytes = [0; LEN];
        bytes[0] = self.kind as u8;
        bytes[1] = self.subject.0;
        bytes[2..6].copy_from_slice(&self.subject.1.to_be_bytes());
        bytes[6..14].copy_from_slice(&self.place.to_be_bytes());
        bytes[14..30].copy_from_slice(&self.log_id.0.to_be_bytes());
        let check = xxh3_64_with_seed(&bytes[..CHECKED_LEN], CHECK_SEED);
        bytes[CHECKED_LEN..].copy_from_slice(&check.to_be_bytes());
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The place at which the listing `expected` goes on. Only its `place` is not compared.
    pub fn place_in(text: &str, expected: Self) -> Result<u64, CursorError> {
        let bytes = from_hex(text).ok_or(CursorError::NotOurs)?;
        let check = xxh3_64_with_seed(&bytes[..CHECKED_LEN], CHECK_SEED).to_be_bytes();
        if bytes[CHECKED_LEN..] != check {
            return Err(CursorError::NotOurs);
        }
        let place = u64::from_be_bytes(*bytes[6..].first_chunk().expect("inside the cursor"));
        if (Self { place, ..expected }).to_text() != text.to_ascii_lowercase() {
            return Err(CursorError::OtherListing);
        }
        Ok(place)
    }
}

fn from_hex(text: &str) -> Option<[u8; LEN]> {
    if text.len() != LEN * 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; LEN];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(place * 2..place * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor() -> Cursor {
        Cursor { kind: ListingKind::History, subject: (0, 17), place: 99, log_id: LogId(5) }
    }

    #[test]
    fn a_cursor_says_where_to_go_on() {
        assert_eq!(Cursor::place_in(&cursor().to_text(), Cursor { place: 0, ..cursor() }), Ok(99));
    }

    #[test]
    fn a_changed_cursor_is_refused_whichever_digit_was_changed() {
        let text = cursor().to_text();
        for place in 0..text.len() {
            let digit = if &text[place..=place] == "0" { "1" } else { "0" };
            let forged = format!("{}{digit}{}", &text[..place], &text[place + 1..]);
            assert_eq!(Cursor::place_in(&forged, cursor()), Err(CursorError::NotOurs), "{place}");
        }
        for text in ["", "zz", "é", &text[1..], &"0".repeat(LEN * 2)] {
            assert_eq!(Cursor::place_in(text, cursor()), Err(CursorError::NotOurs));
        }
    }

    #[test]
    fn a_cursor_of_another_listing_is_refused() {
        let text = cursor().to_text();
        let others = [
            Cursor { kind: ListingKind::Households, ..cursor() },
            Cursor { subject: (0, 18), ..cursor() },
            Cursor { subject: (1, 17), ..cursor() },
            Cursor { log_id: LogId(6), ..cursor() },
        ];
        for other in others {
            assert_eq!(Cursor::place_in(&text, other), Err(CursorError::OtherListing));
        }
    }
}
