//! One line, and the chain over all lines.
//!
//! A line is a JSON object whose last member is `chain`: SHA-256 over the chain of the line before and this line's bytes
//! up to `,"chain":`, in hexadecimal. The first line of a file repeats the last chain of the file before, so that each
//! file can be checked alone and no file can go missing between two others. The chain shows accidents, and changes by
//! anyone who cannot rewrite all that follows; for more, keep the last chain somewhere else from time to time.

use crate::http::PersonalRead;
use event_schemas::time::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// Longest line, bytes.
pub const MAX_LINE_LEN: usize = 1 << 20;

const CHAIN_MEMBER: &str = ",\"chain\":\"";
const CHAIN_DIGITS: usize = 64;

/// SHA-256 over everything so far.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Chain([u8; 32]);

impl Chain {
    fn extend(self, body: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        hasher.update(body);
        Self(hasher.finalize().into())
    }

    pub(super) fn from_hex(digits: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if digits.len() != CHAIN_DIGITS || !digits.is_ascii() {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[at * 2..at * 2 + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a line tells.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// First line of a file.
    Opened {
        file: u32,
        /// The last chain of the file before; zeros in the first.
        after: String,
    },
    /// Somebody read personal data.
    Read(PersonalRead),
    /// A crash had cut what stood here; it was set aside. Reads in it were not answered, or answered within the last
    /// second before the machine went down.
    Torn { bytes: u64, moved_to: String },
}

/// A line without its chain.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// 1, 2, 3 … over all files.
    pub seq: u64,
    pub at: Timestamp,
    #[serde(flatten)]
    pub entry: Entry,
}

/// A line's bytes with the end of line, and the chain after it.
pub(super) fn encode(line: &Line, before: Chain) -> Result<(Vec<u8>, Chain), serde_json::Error> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.pop();
    let chain = before.extend(&bytes);
    bytes.extend_from_slice(format!("{CHAIN_MEMBER}{chain}\"}}\n").as_bytes());
    Ok((bytes, chain))
}

/// Reads a line (without its end) that must continue the chain. The first line of a file brings its own start.
pub(super) fn decode(bytes: &[u8], before: Option<Chain>) -> Option<(Line, Chain)> {
    let tail_len = CHAIN_MEMBER.len() + CHAIN_DIGITS + 2;
    let (body, tail) = bytes.split_at_checked(bytes.len().checked_sub(tail_len)?)?;
    let digits = std::str::from_utf8(tail).ok()?.strip_prefix(CHAIN_MEMBER)?.strip_suffix("\"}")?;
    let stated = Chain::from_hex(digits)?;
    let line: Line = serde_json::from_slice(&[body, b"}"].concat()).ok()?;
    let before = match (before, &line.entry) {
        (Some(before), _) => before,
        (None, Entry::Opened { after, .. }) => Chain::from_hex(after)?,
        (None, _) => return None,
    };
    (before.extend(body) == stated).then_some((line, stated))
}

/// Whether these bytes were meant as a line: they are JSON with a number and a chain, right or wrong.
pub(super) fn looks_like_a_line(bytes: &[u8]) -> bool {
    let value: Result<serde_json::Value, _> = serde_json::from_slice(bytes);
    value.is_ok_and(|value| value.get("seq").is_some() && value.get("chain").is_some())
}
