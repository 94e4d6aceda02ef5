//! Cards: from application to withdrawal.

use crate::card::{ApplicationReason, CardSerial, DocumentKind, HoldReason, WithdrawalReason};
use crate::ids::{CardId, DossierId};
use crate::person::PersonRef;
use crate::place::UnitCode;
use crate::text::Text;
use crate::time::Date;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Receive an application.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyForCard {
    pub person: PersonRef,
    pub document: DocumentKind,
    pub reason: ApplicationReason,
    /// Who applies for a child below 14 or for somebody without legal capacity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub representative: Option<PersonRef>,
    /// Where it is received.
    pub received_at: UnitCode,
    pub received_on: Date,
}

/// Approve or refuse an application. A refusal is a fact too: the applicant is told why.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideCardApplication {
    pub dossier: DossierId,
    pub decision: ApplicationDecision,
    pub decided_on: Date,
}

/// The authority's decision.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ApplicationDecision {
    Approve,
    Refuse { reason: Text<200> },
}

/// Record that a card was personalised. Its validity follows from the holder's age on that day.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProduceCard {
    pub dossier: DossierId,
    pub serial: CardSerial,
    pub issued_on: Date,
}

/// Record that a card was handed over; it is valid from now on, and the one it replaces no longer.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandOverCard {
    pub card: CardId,
    pub handed_over_on: Date,
}

/// Record that a card was reported lost.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportCardLost {
    pub card: CardId,
    pub reported_on: Date,
}

/// Receive an application for a card that replaces this one.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceCard {
    pub card: CardId,
    pub document: DocumentKind,
    pub reason: ApplicationReason,
    /// Who applies for a child below 14 or for somebody without legal capacity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub representative: Option<PersonRef>,
    pub received_at: UnitCode,
    pub received_on: Date,
}

/// Withdraw a card.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WithdrawCard {
    pub card: CardId,
    pub reason: WithdrawalReason,
    pub withdrawn_on: Date,
}

/// Record that an authority keeps a card while its holder is in its custody, on the basis of a court's or an agency's
/// decision.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldCard {
    pub card: CardId,
    pub reason: HoldReason,
    pub held_on: Date,
}

/// Record that a card which an authority kept was given back to its holder.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnCard {
    pub card: CardId,
    pub returned_on: Date,
}

/// Record that a card which was reported lost is with its holder again.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportCardFound {
    pub card: CardId,
    pub found_on: Date,
}

/// Record that a card can no longer be used because it is damaged.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportCardDamaged {
    pub card: CardId,
    pub reported_on: Date,
}
