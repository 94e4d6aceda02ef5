//! How serials of PINs are drawn: a keyed permutation of each cell, so that numbers are never repeated, need no table, and
//! tell nothing about who was registered before whom.

use crate::context::PinIssuer;
use event_schemas::pin::PinCell;
use siphasher::sip::SipHasher24;
use std::hash::Hasher;

/// Two halves of ten bits: 2^20 is the smallest even power of two that holds a cell.
const HALF_BITS: u32 = 10;
const HALF_MASK: u32 = (1 << HALF_BITS) - 1;
/// Rounds of the Feistel network; ten are well beyond the four that make it indistinguishable from a random permutation
/// for an ideal round function (Luby and Rackoff), as small domains ask for.
const ROUNDS: u8 = 10;

/// A secret key with its version. The key never stands in the log; its version does, with every number.
#[derive(Clone)]
pub struct KeyedPins {
    version: u16,
    key: [u8; 16],
}

impl KeyedPins {
    pub fn new(version: u16, key: [u8; 16]) -> Self {
        Self { version, key }
    }

    fn round(&self, cell: PinCell, round: u8, half: u32) -> u32 {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write_u32(cell.packed());
        hasher.write_u8(round);
        hasher.write_u32(half);
        hasher.finish() as u32 & HALF_MASK
    }

    fn permute(&self, cell: PinCell, value: u32) -> u32 {
        let (mut left, mut right) = (value >> HALF_BITS, value & HALF_MASK);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.round(cell, round, right));
        }
        left << HALF_BITS | right
    }
}

impl std::fmt::Debug for KeyedPins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyedPins {{ version: {}, key: secret }}", self.version)
    }
}

impl PinIssuer for KeyedPins {
    fn key_version(&self) -> u16 {
        self.version
    }

    fn serial(&self, cell: PinCell, draw: u32) -> u32 {
        // Walks the cycle until it is back among the million: 1.05 steps on average.
        let mut value = self.permute(cell, draw);
        while value >= PinCell::CAPACITY {
            value = self.permute(cell, value);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: PinCell = PinCell { place: 1, century_sex: 2, year: 21 };

    #[test]
    fn a_cell_gives_every_number_once() {
        let pins = KeyedPins::new(1, *b"0123456789abcdef");
        let mut seen = vec![false; PinCell::CAPACITY as usize];
        for draw in 0..PinCell::CAPACITY {
            let serial = pins.serial(CELL, draw) as usize;
            assert!(!seen[serial], "serial {serial} twice");
            seen[serial] = true;
        }
    }

    #[test]
    fn keys_and_cells_give_other_orders() {
        let draw = |key: &[u8; 16], cell: PinCell| {
            (0..8).map(|draw| KeyedPins::new(1, *key).serial(cell, draw)).collect::<Vec<_>>()
        };
        let here = draw(b"0123456789abcdef", CELL);
        assert_ne!(here, draw(b"0123456789abcdeF", CELL));
        assert_ne!(here, draw(b"0123456789abcdef", PinCell { year: 22, ..CELL }));
        assert_eq!(here, draw(b"0123456789abcdef", CELL));
    }
}
