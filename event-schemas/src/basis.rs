//! On what ground something is registered.

use crate::ids::OfficeId;
use crate::text::Text;
use crate::time::Date;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of ground.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BasisKind {
    /// Somebody with the duty declared it.
    Declaration,
    /// A court decided.
    Court,
    /// An agency decided or reported.
    Agency,
    /// A collection form (DC01) or a legacy book.
    Form,
    /// Witnesses attested it.
    Witness,
}

/// The legal ground of an event, with its evidence. Every event has one.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    pub kind: BasisKind,
    /// Who declared, decided or attested.
    pub authority: Option<Text<200>>,
    /// Number of the decision or form.
    pub number: Option<Text<60>>,
    pub date: Option<Date>,
    /// At most [`MAX_EVIDENCE`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

/// Most pieces of evidence of one basis.
pub const MAX_EVIDENCE: usize = 16;

impl Basis {
    /// A ground without further particulars.
    pub fn of(kind: BasisKind) -> Self {
        Self { kind, authority: None, number: None, date: None, evidence: Vec::new() }
    }
}

/// A document kept elsewhere.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// SHA-256 of the document, 64 hexadecimal digits.
    pub sha256: Text<64>,
    pub uri: Text<300>,
}

/// Identifier of the administrative procedure under which a command was submitted.
pub type ProcedureId = Text<40>;

/// Which register of an office.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RegisterKind {
    Birth,
    Death,
    Marriage,
    Other,
}

/// An entry in an office's register: gap-free within office, register and year, and unique.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Debug,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct RegisterEntry {
    pub office: OfficeId,
    pub register: RegisterKind,
    pub year: i16,
    pub number: u32,
}

/// An entry that already stands in a paper or older electronic register.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LegacyEntry {
    /// The office that made the entry; it may differ from the one that submits.
    pub office: OfficeId,
    pub year: i16,
    pub number: u32,
}
