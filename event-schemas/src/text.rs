//! Bounded text: NFC, trimmed, no control characters, never longer than its type allows.

use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use unicode_normalization::{UnicodeNormalization, is_nfc};

/// What a text got wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TextError {
    #[error("is empty")]
    Empty,
    #[error("has {len} characters, at most {max} are allowed")]
    TooLong { len: usize, max: usize },
    #[error("holds the control character U+{0:04X}")]
    ControlCharacter(u32),
}

/// Text of 1 to `MAX` characters, normalised to NFC so that equal names are equal bytes. Diacritics are kept.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
pub struct Text<const MAX: usize>(Box<str>);

impl<const MAX: usize> Text<MAX> {
    /// Trims, normalises and checks.
    pub fn new(text: &str) -> Result<Self, TextError> {
        let trimmed = text.trim();
        // Normalising can only shorten what is already bounded here by bytes, so hostile input stays cheap.
        if trimmed.len() > MAX * 16 {
            return Err(TextError::TooLong { len: trimmed.chars().count(), max: MAX });
        }
        let normal: Cow<'_, str> =
            if is_nfc(trimmed) { Cow::Borrowed(trimmed) } else { Cow::Owned(trimmed.nfc().collect()) };
        if normal.is_empty() {
            return Err(TextError::Empty);
        }
        if let Some(control) = normal.chars().find(|&c| is_forbidden(c)) {
            return Err(TextError::ControlCharacter(control as u32));
        }
        let len = normal.chars().count();
        if len > MAX {
            return Err(TextError::TooLong { len, max: MAX });
        }
        Ok(Self(normal.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters, and the invisible ones that reorder or split text on a screen or in print.
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl<const MAX: usize> FromStr for Text<MAX> {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const MAX: usize, Context> Decode<Context> for Text<MAX> {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let text = Box::<str>::decode(decoder)?;
        // What was written was checked; only bounds are checked again, so that a later Unicode version cannot make
        // an old record unreadable.
        if text.is_empty() || text.chars().count() > MAX {
            return Err(DecodeError::Other("text is empty or longer than its type allows"));
        }
        Ok(Self(text))
    }
}

impl<'de, const MAX: usize, Context> bincode::BorrowDecode<'de, Context> for Text<MAX> {
    fn borrow_decode<D: bincode::de::BorrowDecoder<'de, Context = Context>>(
        decoder: &mut D,
    ) -> Result<Self, DecodeError> {
        Self::decode(decoder)
    }
}

impl<const MAX: usize> Serialize for Text<MAX> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(|error| de::Error::custom(format_args!("the text {error}")))
    }
}

impl<const MAX: usize> JsonSchema for Text<MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("Text{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": MAX,
            "description": "Text without control characters; normalised to NFC.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_and_decomposed_names_are_equal() {
        let composed = Text::<20>::new("Nguyễn").unwrap();
        let decomposed = Text::<20>::new("Nguye\u{302}\u{303}n").unwrap();
        assert_eq!(composed, decomposed);
        assert_eq!(composed.as_str().chars().count(), 6);
    }

    #[test]
    fn bad_text_says_what_is_wrong() {
        assert_eq!(Text::<5>::new("  "), Err(TextError::Empty));
        assert_eq!(Text::<5>::new("abcdef"), Err(TextError::TooLong { len: 6, max: 5 }));
        assert_eq!(Text::<5>::new("a\u{7}b"), Err(TextError::ControlCharacter(7)));
        assert_eq!(Text::<5>::new("a\u{202e}b"), Err(TextError::ControlCharacter(0x202e)));
        assert_eq!(
            Text::<5>::new(&"x".repeat(1_000_000)),
            Err(TextError::TooLong { len: 1_000_000, max: 5 })
        );
    }
}
