//! Marriage and divorce. Widowhood needs no command: it follows from the death.

use crate::basis::LegacyEntry;
use crate::kin::Partners;
use crate::person::PersonRef;
use crate::time::Date;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Register a marriage, of today or of long ago. If a partner's death is registered already, it ends with that death.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterMarriage {
    /// Two different people. A foreigner, or somebody not registered, is described; at most one is.
    pub partners: Partners<PersonRef>,
    /// The first day of the marriage.
    pub married_on: Date,
    /// The entry, if it already stands in a register; else the next number of this office and year.
    pub legacy_entry: Option<LegacyEntry>,
}

/// Register a divorce that a court, or an agency, decided: the basis is its judgment or decision.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterDivorce {
    pub person: PersonRef,
    /// The other partner; left out only if not registered.
    pub spouse: Option<PersonRef>,
    /// When the judgment took legal effect: from this day on they are divorced.
    pub effective_on: Date,
}
