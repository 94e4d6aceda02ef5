//! Newtypes for every identifier and number that has a meaning of its own.

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Declares a number that the leader hands out in order, starting at 1. Zero is never handed out.
macro_rules! dense_id {
    ($($(#[$doc:meta])* $name:ident($repr:ty), $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode, Serialize, Deserialize,
            JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(pub $repr);

        impl $name {
            /// Never handed out; stands for "none" in packed rows.
            pub const NONE: Self = Self(0);

            /// The id after this one.
            pub fn next(self) -> Self {
                Self(self.0.checked_add(1).expect("ids do not run out within the life of a registry"))
            }

            /// `None` for [`Self::NONE`].
            pub fn some(self) -> Option<Self> {
                (self != Self::NONE).then_some(self)
            }

            /// Index into a dense array whose first element belongs to id 1.
            pub fn index(self) -> usize {
                (self.0 as usize).checked_sub(1).expect("id 0 is never handed out")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.strip_prefix($prefix).unwrap_or(text).parse().map(Self)
            }
        }
    )*};
}

dense_id! {
    /// A person's internal number. Never changes, never reused; the PIN is only an attribute of it.
    PersonId(u32), "P";
    /// A household (*hộ gia đình*, or an institution's collective household).
    HouseholdId(u32), "H";
    /// One produced card. The number printed on it repeats for every card of a person; this one does not.
    CardId(u32), "C";
    /// One application for a card (*hồ sơ cấp thẻ*), from reception to its end.
    DossierId(u32), "D";
    /// A dwelling: a place where households live.
    DwellingId(u32), "W";
    /// One *version* of an administrative unit: codes are reused after mergers, this number is not.
    UnitId(u32), "U";
    /// One operation larger than one record.
    OperationId(u32), "B";
    /// Who submits: a commune, a consulate, a court's registrar.
    OfficeId(u32), "O";
    /// A civil servant who acts for an office.
    OfficerId(u32), "F";
    /// Which key encrypts a personal field. Zero: none.
    KeyId(u32), "K";
    /// Revision of the rules in force.
    RulesRevision(u16), "R";
    /// Version of a person, household, card, dossier …: 1 at its first record, one more with each record.
    Version(u32), "v";
}

/// Number of an *admitted* log entry: 1, 2, 3 …
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Debug,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);

    /// The lsn after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Lsn {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// Number of a leader's term. Only an admitted claim raises it.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Debug,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Term(pub u64);

impl Term {
    /// The term after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Random 128 bits that name one claim to leadership; recognises a leader's own entries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Encode, Decode)]
pub struct ClaimId(pub u128);

impl fmt::Debug for ClaimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for ClaimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Declares a 128-bit identifier shown and read as a UUID.
macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
        pub struct $name(pub u128);

        impl $name {
            /// The same bits as a UUID.
            pub fn uuid(self) -> Uuid {
                Uuid::from_u128(self.0)
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid.as_u128())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.uuid(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.uuid(), f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::from_str(text).map(Self::from)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.uuid())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Uuid::deserialize(deserializer).map(Self::from)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                Uuid::json_schema(generator)
            }
        }
    )*};
}

uuid_id! {
    /// Chosen by the client, the same in every retry of one command. UUIDv7 advised.
    CommandId;
    /// Names one log for ever, in every copy of it.
    LogId;
    /// Names one copy of a log: an embedded directory, a Kafka topic.
    InstanceId;
}

/// An event's address: the record's lsn and the event's place in it. The same in every copy of the log.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Debug,
    Encode,
    Decode,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct EventAddress {
    pub lsn: Lsn,
    /// Place among the events of the record; of a commit of corrections, among all that its operation staged, from 1.
    pub index: u32,
}

impl fmt::Display for EventAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.lsn, self.index)
    }
}

/// Where an engine keeps a raw entry. A cursor: only compared and handed back, never stored in facts.
/// Embedded engine: the ordinal of the entry in the log; Kafka: the offset.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Encode, Decode, Serialize)]
pub struct Position(pub u64);

impl Position {
    /// The position after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
