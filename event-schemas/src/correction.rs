//! Corrections: what was recorded and never was so, or was otherwise, or was left out.
//!
//! A correction is a list of [`Edit`]s by address. What follows from them stands in the record as events: for each fact that is taken
//! back an `event_annulled`, for each that is replaced an `event_amended` followed by the fact that takes its place, for each that was
//! missing the fact itself. The record carries the resulting timeline of every stream that it changes, so that a reader folds rows
//! without understanding any of it.

use crate::event::{Event, EventBody};
use crate::guarded::Confidentiality;
use crate::ids::{EventAddress, KeyId, Lsn};
use crate::macros::as_text;
use crate::record::{Restatement, decode_fact_bytes, encode_event_bytes};
use crate::row::StreamRef;
use crate::time::PartialDate;
use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Most edits of one correction; what is larger is to be split.
pub const MAX_EDITS: usize = 200;

/// One edit of what is recorded.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// It never was. The address of a correction takes that correction back: what held before it holds again.
    Annul { event: EventAddress },
    /// It was otherwise. The address may be the fact's own or that of what took its place since.
    Amend { event: EventAddress, to: StatedFact },
    /// It was missing.
    Insert { fact: StatedFact },
}

impl Edit {
    /// The event that it edits; none for one that was missing.
    pub fn event(&self) -> Option<EventAddress> {
        match self {
            Self::Annul { event } | Self::Amend { event, .. } => Some(*event),
            Self::Insert { .. } => None,
        }
    }

    /// The fact that it states.
    pub fn fact(&self) -> Option<&StatedFact> {
        match self {
            Self::Annul { .. } => None,
            Self::Amend { to: fact, .. } | Self::Insert { fact } => Some(fact),
        }
    }
}

/// A fact as a correction states it: whole, so that nothing depends on what it replaces. Its ground is the command's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StatedFact {
    /// When it holds in the world.
    pub effective_on: PartialDate,
    #[serde(deserialize_with = "without_facts")]
    pub body: EventBody,
}

/// A fact states no facts in turn: else it could be nested as deep as anybody likes (S1).
fn without_facts<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<EventBody, D::Error> {
    let body = EventBody::deserialize(deserializer)?;
    if body.holds_facts() {
        return Err(serde::de::Error::custom("such an event cannot be stated as a fact"));
    }
    Ok(body)
}

impl StatedFact {
    /// As an event of a record whose first basis is its ground.
    pub fn event(&self, class: Confidentiality) -> Event {
        let (effective_on, body) = (self.effective_on, self.body.clone());
        Event { effective_on, basis: 0, class, key_id: KeyId::NONE, body }
    }
}

/// The bytes of the event that it is, so that its layout is the event's own and as frozen.
impl Encode for StatedFact {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        if self.body.holds_facts() {
            return Err(EncodeError::Other("such an event cannot be stated as a fact"));
        }
        let bytes = encode_event_bytes(&self.event(Confidentiality::Basic));
        let bytes = bytes.map_err(|error| EncodeError::OtherString(error.to_string()))?;
        bytes.encode(encoder)
    }
}

impl<Context> Decode<Context> for StatedFact {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let bytes = Vec::<u8>::decode(decoder)?;
        let event = decode_fact_bytes(&bytes).map_err(|error| DecodeError::OtherString(error.to_string()))?;
        let fact = Self { effective_on: event.effective_on, body: event.body.clone() };
        // Nothing else may stand there: equal commands have equal bytes.
        if fact.event(Confidentiality::Basic) != event {
            return Err(DecodeError::Other("a stated fact has no basis, class or key of its own"));
        }
        Ok(fact)
    }
}

bincode::impl_borrow_decode!(StatedFact);

/// Stands for a correction with everything that it would change: its edits, the versions of the rows and the resulting timelines.
/// Whoever commits what a dry run showed names it, and gets that or a refusal.
///
/// JSON: 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Encode, Decode)]
pub struct CorrectionDigest(pub u128);

impl fmt::Display for CorrectionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for CorrectionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a digest's text got wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a digest has exactly 32 hexadecimal digits")]
pub struct CorrectionDigestError;

impl FromStr for CorrectionDigest {
    type Err = CorrectionDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = plain.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(Self).ok_or(CorrectionDigestError)
    }
}

as_text! {
    CorrectionDigest: r"^[0-9a-fA-F]{32}$", "Stands for a correction and all that it would change: 32 hexadecimal digits.";
}

/// What a correction changes, as its dry run tells it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CorrectionEffect {
    pub digest: CorrectionDigest,
    /// Every stream that reads otherwise afterwards.
    pub streams: Vec<StreamChange>,
    /// What follows besides, such as another PIN. A number in a dry run is not reserved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consequences: Vec<StatedFact>,
}

/// A stream before and after, each in the order of the days on which things held.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StreamChange {
    pub stream: StreamRef,
    pub before: Vec<TimelineEntry>,
    pub after: Vec<TimelineEntry>,
}

/// A fact in a timeline.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TimelineEntry {
    /// Where the fact stands; of the correction itself the lsn that its record will have.
    pub at: EventAddress,
    pub effective_on: PartialDate,
    pub body: EventBody,
}

/// What an address's text got wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("an address is an lsn and a place in its record, such as 1234.0")]
pub struct EventAddressError;

impl FromStr for EventAddress {
    type Err = EventAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (lsn, index) = text.split_once('.').ok_or(EventAddressError)?;
        let (lsn, index) = (lsn.parse::<u64>(), index.parse::<u32>());
        match (lsn, index) {
            (Ok(lsn), Ok(index)) => Ok(Self { lsn: Lsn(lsn), index }),
            _ => Err(EventAddressError),
        }
    }
}

/// The entries of a timeline as they are told.
pub fn told(timeline: &[(EventAddress, Event)]) -> Vec<TimelineEntry> {
    let entry = |(at, event): &(EventAddress, Event)| TimelineEntry {
        at: *at,
        effective_on: event.effective_on,
        body: event.body.clone(),
    };
    timeline.iter().map(entry).collect()
}

impl StreamChange {
    /// What a restatement changes of what stood there.
    pub fn of(before: &[(EventAddress, Event)], restated: &Restatement) -> Self {
        Self { stream: restated.stream, before: told(before), after: told(&restated.timeline) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode_from, encode};
    use crate::event::CorrectionProposed;
    use crate::ids::OperationId;

    #[test]
    fn a_fact_states_no_facts() {
        let proposed = CorrectionProposed {
            operation: OperationId(1),
            edits: Vec::new(),
            reason: "a reason".parse().expect("short"),
            digest: CorrectionDigest(1),
        };
        let effective_on = "2021-03-10".parse().expect("a day");
        let fact = StatedFact { effective_on, body: EventBody::CorrectionProposed(proposed) };
        assert!(encode(&fact).is_err());
        let bytes = encode_event_bytes(&fact.event(Confidentiality::Basic)).expect("an event");
        let bytes = encode(&bytes).expect("bytes");
        assert!(decode_from::<StatedFact>(&mut bytes.as_slice()).is_err());
        let json = serde_json::to_value(&fact).expect("JSON");
        assert!(serde_json::from_value::<StatedFact>(json).is_err());
    }
}
