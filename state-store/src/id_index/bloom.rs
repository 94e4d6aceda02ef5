//! A blocked Bloom filter: an absent id costs one cache line.

use xxhash_rust::xxh3::xxh3_64;

/// About 1.5 % of absent ids pass with this and six probes.
const BITS_PER_KEY: u64 = 10;
const PROBES: u32 = 6;
const WORDS_PER_BLOCK: usize = 8;
const BITS_PER_BLOCK: u64 = 64 * WORDS_PER_BLOCK as u64;

/// The hash of an id, computed once for all runs.
#[derive(Clone, Copy)]
pub(super) struct IdHash(u64);

impl IdHash {
    pub fn of(id: u128) -> Self {
        Self(xxh3_64(&id.to_le_bytes()))
    }

    fn block(self, blocks: usize) -> usize {
        ((u128::from(self.0) * blocks as u128) >> 64) as usize
    }

    /// Bits within the block: nine of a second hash for each probe.
    fn bits(self) -> impl Iterator<Item = (usize, u64)> {
        let second = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (self.0 >> 29);
        (0..PROBES).map(move |probe| {
            let bit = (second >> (probe * 9)) % BITS_PER_BLOCK;
            ((bit / 64) as usize, 1 << (bit % 64))
        })
    }
}

pub(super) struct Bloom {
    words: Vec<u64>,
}

impl Bloom {
    /// Bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    /// For at most `keys` ids.
    pub fn sized_for(keys: u64) -> Self {
        let blocks = (keys * BITS_PER_KEY).div_ceil(BITS_PER_BLOCK).max(1);
        Self { words: vec![0; blocks as usize * WORDS_PER_BLOCK] }
    }

    /// `None` if the words do not make whole blocks.
    pub fn from_words(words: Vec<u64>) -> Option<Self> {
        let whole = !words.is_empty() && words.len().is_multiple_of(WORDS_PER_BLOCK);
        whole.then_some(Self { words })
    }

    pub fn words(&self) -> &[u64] {
        &self.words
    }

    pub fn insert(&mut self, hash: IdHash) {
        let start = hash.block(self.words.len() / WORDS_PER_BLOCK) * WORDS_PER_BLOCK;
        for (word, bit) in hash.bits() {
            self.words[start + word] |= bit;
        }
    }

    /// `false`: certainly not inserted.
    pub fn may_hold(&self, hash: IdHash) -> bool {
        let start = hash.block(self.words.len() / WORDS_PER_BLOCK) * WORDS_PER_BLOCK;
        let block = &self.words[start..start + WORDS_PER_BLOCK];
        hash.bits().all(|(word, bit)| block[word] & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_inserted_id_passes_and_few_others_do() {
        let mut bloom = Bloom::sized_for(100_000);
        // Ids that differ in few bits, as time-ordered ones do.
        for id in 0..100_000u128 {
            bloom.insert(IdHash::of(id << 40));
        }
        assert!((0..100_000u128).all(|id| bloom.may_hold(IdHash::of(id << 40))));
        let passed = (100_000..200_000u128).filter(|id| bloom.may_hold(IdHash::of(id << 40))).count();
        assert!(passed < 2_500, "{passed} of 100,000 absent ids passed");
    }
}
