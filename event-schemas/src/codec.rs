//! Bytes. The only module that names bincode's functions; everything else derives its traits.
//!
//! *Architecture invariant:* whatever bytes come in, decoding gives a value or an error: no panic, and no allocation larger
//! than [`DECODE_LIMIT`] (S1, S2).

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use bincode::{Decode, Encode};

/// Number of the draft in which this binary writes logs. Until a format is released, a binary refuses logs of another draft.
pub const DRAFT: u16 = 3;

/// Most bytes that decoding one body may claim.
pub const DECODE_LIMIT: usize = 4_000_000;

/// Why bytes cannot be read or a value not be written.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("bytes do not decode: {0}")]
    Decode(#[from] bincode::error::DecodeError),
    #[error("value does not encode: {0}")]
    Encode(#[from] bincode::error::EncodeError),
    #[error("{0} bytes are left over after the value")]
    TrailingBytes(usize),
    #[error("no {what} has kind {kind} in version {version}; a newer program may know it")]
    UnknownKind { what: &'static str, kind: u16, version: u8 },
    #[error("the bytes end inside {0}")]
    Truncated(&'static str),
    #[error("{what} counts {count}, more than {max}")]
    TooMany { what: &'static str, count: usize, max: usize },
}

const DECODE: Configuration<LittleEndian, Varint, Limit<DECODE_LIMIT>> =
    bincode::config::standard().with_limit::<DECODE_LIMIT>();

/// Appends the value's bytes.
pub fn encode_into<T: Encode>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    bincode::encode_into_std_write(value, out, bincode::config::standard())?;
    Ok(())
}

/// The value's bytes.
pub fn encode<T: Encode>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    encode_into(value, &mut bytes)?;
    Ok(bytes)
}

/// Takes a value from the front of `input`.
pub fn decode_from<T: Decode<()>>(input: &mut &[u8]) -> Result<T, CodecError> {
    let (value, used) = bincode::decode_from_slice(input, DECODE)?;
    *input = &input[used..];
    Ok(value)
}

/// Reads a value that is all of `bytes`.
pub fn decode_exactly<T: Decode<()>>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut input = bytes;
    let value = decode_from(&mut input)?;
    if !input.is_empty() {
        return Err(CodecError::TrailingBytes(input.len()));
    }
    Ok(value)
}

/// Appends `kind u16, version u8, length u32, body` (little-endian), the body written by `write`.
pub(crate) fn encode_framed(
    kind: u16,
    version: u8,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
) -> Result<(), CodecError> {
    out.extend_from_slice(&kind.to_le_bytes());
    out.push(version);
    let length_at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out)?;
    let length = (out.len() - length_at - 4) as u32;
    out[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

/// Takes `kind, version, body` from the front of `input`.
pub(crate) fn decode_framed<'a>(
    input: &mut &'a [u8],
    what: &'static str,
) -> Result<(u16, u8, &'a [u8]), CodecError> {
    let (head, rest) = input.split_first_chunk::<7>().ok_or(CodecError::Truncated(what))?;
    let length = u32::from_le_bytes([head[3], head[4], head[5], head[6]]) as usize;
    let (body, rest) = rest.split_at_checked(length).ok_or(CodecError::Truncated(what))?;
    *input = rest;
    Ok((u16::from_le_bytes([head[0], head[1]]), head[2], body))
}
