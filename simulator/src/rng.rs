//! Randomness that depends on the seed, a purpose and an entity, never on the order of answers.

use rand::{Rng as _, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) type Rng = ChaCha8Rng;

/// What a stream of random numbers is for.
#[derive(Clone, Copy)]
#[repr(u64)]
pub(crate) enum Purpose {
    WardWeights = 1,
    Family,
    Day,
}

/// The stream of one entity for one purpose.
pub(crate) fn stream(seed: u64, purpose: Purpose, entity: u64) -> Rng {
    ChaCha8Rng::seed_from_u64(mix(mix(seed ^ mix(purpose as u64)) ^ entity))
}

/// SplitMix64's finaliser: spreads neighbouring numbers over the whole range.
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// True for `share` of a thousand.
pub(crate) fn per_mille(rng: &mut Rng, share: u32) -> bool {
    rng.random_range(0..1_000) < share
}

/// An index, as likely as its weight.
pub(crate) fn weighted(rng: &mut Rng, weights: &[u16]) -> usize {
    let total: u32 = weights.iter().map(|&weight| u32::from(weight)).sum();
    let mut rest = rng.random_range(0..total);
    for (index, &weight) in weights.iter().enumerate() {
        match rest.checked_sub(u32::from(weight)) {
            Some(less) => rest = less,
            None => return index,
        }
    }
    unreachable!("the drawn number is below the sum of the weights")
}
