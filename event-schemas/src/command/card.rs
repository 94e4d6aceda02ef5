//! Cards: from application to withdrawal.

use crate::card::{ApplicationReason, CardSerial, DocumentKind, WithdrawalReason};
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
