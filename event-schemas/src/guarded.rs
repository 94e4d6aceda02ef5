//! Fields that can be sealed: a class says who may see them, a key id which key opens them.

use crate::ids::KeyId;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may see a field. Law 91/2025/QH15 tells basic from sensitive personal data.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Default,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Confidentiality {
    #[default]
    Basic,
    Sensitive,
    /// Sealed adoptions, protected persons.
    Sealed,
}

/// A personal field, plain or encrypted with a person's key.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Guarded<T> {
    Plain(T),
    Sealed(SealedField),
}

/// An encrypted field: whoever lacks the key learns only that there is one.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SealedField {
    pub class: Confidentiality,
    pub key_id: KeyId,
    /// Nonce and ciphertext, at most [`MAX_SEALED_BYTES`].
    pub bytes: Vec<u8>,
}

/// Longest ciphertext of one field.
pub const MAX_SEALED_BYTES: usize = 4_096;

impl<T> Guarded<T> {
    /// The value, unless it is sealed.
    pub fn plain(&self) -> Option<&T> {
        match self {
            Self::Plain(value) => Some(value),
            Self::Sealed(_) => None,
        }
    }
}
