//! What a receiver's file lets through, as one number that every message states.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use xxhash_rust::xxh3::xxh3_128;

/// Files that let the same fields of the same events through have the same definition, in whatever order and under whatever name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Definition(u128);

impl Definition {
    pub(super) fn of(events: &BTreeMap<String, BTreeSet<String>>) -> Self {
        let canonical = serde_json::to_vec(events).expect("names are JSON");
        Self(xxh3_128(&canonical))
    }
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Definition {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}
