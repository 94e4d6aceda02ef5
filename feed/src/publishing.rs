//! What a feed has still to send: a pure state machine over the last place in each partition.
//!
//! Every partition holds a beginning of what belongs into it, because the producer keeps the order and stops at the first loss. So after
//! any end the feed reads the log again from the lowest of the partitions' last places, and passes over what a partition holds. Without
//! more, a partition into which little falls would hold that place back for ever: watermarks move it.

use event_schemas::ids::{EventAddress, Lsn};
use std::fmt;
use std::str::FromStr;

/// A place in the order of the feed. Its text is the id of a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// An event.
    Event(EventAddress),
    /// A watermark: everything up to the end of this record is published, as far as it belongs into the partition.
    Through(Lsn),
}

impl Place {
    fn lsn(self) -> Lsn {
        match self {
            Self::Event(address) => address.lsn,
            Self::Through(lsn) => lsn,
        }
    }

    /// By lsn, and behind every event of its record.
    fn order(self) -> (Lsn, u32) {
        match self {
            Self::Event(address) => (address.lsn, address.index),
            Self::Through(lsn) => (lsn, u32::MAX),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(address) => write!(f, "{address}"),
            Self::Through(lsn) => write!(f, "{lsn}.through"),
        }
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (lsn, rest) = text.split_once('.').ok_or(())?;
        let lsn = Lsn(lsn.parse().map_err(drop)?);
        match rest {
            "through" => Ok(Self::Through(lsn)),
            index => Ok(Self::Event(EventAddress { lsn, index: index.parse().map_err(drop)? })),
        }
    }
}

/// How far each partition is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publishing {
    /// The last place in each partition, with what was sent since.
    last: Vec<Option<Place>>,
}

impl Publishing {
    /// Goes on behind what the partitions hold.
    pub fn resume(last: Vec<Option<Place>>) -> Self {
        Self { last }
    }

    pub fn partitions(&self) -> usize {
        self.last.len()
    }

    /// The first record that may hold something to be sent.
    pub fn first_lsn(&self) -> Lsn {
        let lowest = self.last.iter().min_by_key(|place| place.map(Place::order)).copied().flatten();
        match lowest {
            None => Lsn(1),
            Some(Place::Event(address)) => address.lsn,
            Some(Place::Through(lsn)) => lsn.next(),
        }
    }

    /// Whether the partition lacks this place; if so, it is to be sent now.
    pub fn takes(&mut self, partition: usize, place: Place) -> bool {
        let last = &mut self.last[partition];
        let is_lacking = last.is_none_or(|last| last.order() < place.order());
        if is_lacking {
            *last = Some(place);
        }
        is_lacking
    }

    /// Partitions that are behind the end of the record `read` by more than `lag` records: they get a watermark, which is to be sent now.
    pub fn due_watermarks(&mut self, read: Lsn, lag: u64) -> Vec<usize> {
        let place = Place::Through(read);
        let is_due = |last: &Option<Place>| match last {
            None => read.0 > lag,
            Some(last) => last.order() < place.order() && read.0 - last.lsn().0 >= lag,
        };
        let due: Vec<usize> =
            (0..self.last.len()).filter(|partition| is_due(&self.last[*partition])).collect();
        for partition in &due {
            self.last[*partition] = Some(place);
        }
        due
    }
}

/// The partition of a key: what the partitioner of Kafka's own clients computes, so that others who write under these keys agree.
pub fn partition_of(key: &str, partitions: usize) -> usize {
    (murmur2(key.as_bytes()) & 0x7fff_ffff) as usize % partitions
}

fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in words.by_ref() {
        let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (word ^ (word >> 24)).wrapping_mul(M);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        let rest = rest.iter().rev().fold(0, |all, byte| all << 8 | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests;
