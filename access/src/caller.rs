//! Who asks: an office, the officer who acts for it, and what they may do.

use event_schemas::ids::{OfficeId, OfficerId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Declares the scopes with their stable names.
macro_rules! scopes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $meaning:literal;)*) => {
        /// One thing that a token allows. Tokens and `docs` use the stable names.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
        pub enum Scope {
            $($(#[$doc])* #[doc = $meaning] #[serde(rename = $name)] $variant,)*
        }

        impl Scope {
            /// Every scope.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Stable name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// One sentence for tables and OpenAPI.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)*
                }
            }
        }
    };
}

scopes! {
    SubmitCommands = "commands:submit", "Submit commands for the office, dry runs included.";
    ReadCommands = "commands:read", "See what became of the office's own commands.";
    ReadPersons = "persons:read", "Read personal data, kin, residence and history of persons.";
    ReadHouseholds = "households:read", "Read households, their members and their history.";
    ReadCards = "cards:read", "Read cards and applications for cards.";
    ReadUnits = "units:read", "Read administrative units and how many people live in them; names nobody.";
    ReadTotals = "totals:read", "Read totals in which small counts are hidden; names nobody.";
    WatchRecords = "records:watch", "Follow what is recorded, counted by kind; without units:read many records at a time.";
    Operate = "service:operate", "See how the service is doing, and have views rebuilt.";
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No such scope.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("'{0}' is no scope")]
pub struct UnknownScope(String);

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().copied().find(|scope| scope.name() == text);
        found.ok_or_else(|| UnknownScope(text.chars().take(40).collect()))
    }
}

/// A set of scopes, as bits: it goes with every request, and a copy costs nothing.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u16);

const _: () = assert!(Scope::ALL.len() <= u16::BITS as usize);

impl Scopes {
    /// Whether the scope is one of them.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & 1 << scope as u16 != 0
    }

    /// They, in the order of [`Scope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.contains(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | 1 << scope as u16))
    }
}

impl<const N: usize> From<[Scope; N]> for Scopes {
    fn from(scopes: [Scope; N]) -> Self {
        scopes.into_iter().collect()
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Whoever presented a token that was found good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caller {
    pub office: OfficeId,
    pub officer: OfficerId,
    pub scopes: Scopes,
}

impl Caller {
    /// Whether the token allows this.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }
}

/// Why a token is not good. Says nothing that helps to forge one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token is not a signed JWT of this service")]
    Malformed,
    #[error("the token is unsigned or signed with another algorithm than EdDSA")]
    OtherAlgorithm,
    #[error("the token names no office or no officer")]
    NobodyNamed,
    #[error("the token is to live longer than a token may")]
    LivesTooLong,
    #[error("the token names a key that this service does not know")]
    UnknownKey,
    #[error("the token's signature is wrong")]
    BadSignature,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token was made for another service")]
    OtherAudience,
}
