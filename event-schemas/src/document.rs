//! Identity documents other than the card that this registry issues.

use crate::place::CountryCode;
use crate::text::Text;
use crate::time::PartialDate;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a document is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdentityDocumentKind {
    /// Old nine-digit identity card (*chứng minh nhân dân*); worthless from 2025-01-01, still a key to find people by.
    Cmnd,
    Passport,
    BirthCertificate,
    Other,
}

/// A document that somebody holds or held.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityDocument {
    pub kind: IdentityDocumentKind,
    pub number: Text<30>,
    pub country: Option<CountryCode>,
    pub issued_by: Option<Text<120>>,
    pub issued_on: Option<PartialDate>,
    pub expires_on: Option<PartialDate>,
}

impl IdentityDocument {
    /// The number as a look-up key, if this is a CMND of nine digits.
    pub fn cmnd_number(&self) -> Option<u32> {
        (self.kind == IdentityDocumentKind::Cmnd).then(|| cmnd_number(self.number.as_str())).flatten()
    }
}

/// Nine digits as a number.
pub fn cmnd_number(text: &str) -> Option<u32> {
    let plain = text.len() == 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}
