//! Rows of cards and of applications for them.

use super::{Fact, Stamp};
use crate::stored::{page_rows, stored};
use event_schemas::card::{CardStatus, DossierStatus, HoldReason, WithdrawalReason};
use event_schemas::event::{CardProduced, DossierReceived, EventBody};
use event_schemas::ids::{CardId, EventAddress};
use event_schemas::row::Aspect;
use event_schemas::text::Text;
use event_schemas::time::PartialDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A card from its production on.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct CardRow {
    pub stamp: Stamp,
    /// Holder, kind, serial, PIN as printed, last day.
    pub produced: Option<CardProduced>,
    pub produced_on: Option<PartialDate>,
    /// Whatever was recorded of the holder after this is not on the card.
    pub produced_by: Option<EventAddress>,
    /// None until it leaves production.
    pub status: Option<CardStatus>,
    pub since: Option<PartialDate>,
    pub handed_over_on: Option<PartialDate>,
    pub replaced_by: Option<CardId>,
    pub withdrawn_for: Option<WithdrawalReason>,
    /// While an authority keeps it.
    pub held_for: Option<HoldReason>,
}

/// An application for a card.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct DossierRow {
    pub stamp: Stamp,
    /// Applicant, kind, reason, the card it replaces, where it was received.
    pub received: Option<DossierReceived>,
    pub received_on: Option<PartialDate>,
    /// None until something follows its reception.
    pub status: Option<DossierStatus>,
    pub since: Option<PartialDate>,
    /// Why it was refused or closed.
    pub ending: Option<Ending>,
    /// The card it led to.
    pub card: Option<CardId>,
}

/// Why an application led to no card.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Ending {
    pub reason: Text<200>,
}

stored! {
    CardRow {
        part stamp, value produced, value produced_on, value produced_by, value status, value since,
        value handed_over_on, value replaced_by, value withdrawn_for, value held_for,
    }
    DossierRow { part stamp, value received, value received_on, value status, value since, part ending, value card }
    Ending { value reason }
}

page_rows! { CardRow DossierRow }

impl CardRow {
    /// Its status now.
    pub fn current_status(&self) -> CardStatus {
        self.status.unwrap_or(CardStatus::Produced)
    }

    pub(super) fn fold(&mut self, aspect: Aspect, fact: Fact<'_>) {
        let on = fact.event.effective_on;
        if aspect == Aspect::Existence {
            if let EventBody::CardProduced(e) = &fact.event.body {
                self.produced = Some(e.clone());
                self.produced_on = Some(on);
                self.produced_by = Some(fact.at);
            }
            return;
        }
        let status = match &fact.event.body {
            EventBody::CardHandedOver(_) => {
                self.handed_over_on = Some(on);
                CardStatus::Active
            }
            EventBody::CardReturned(_) | EventBody::CardFound(_) => CardStatus::Active,
            EventBody::CardHeld(_) => CardStatus::Held,
            EventBody::CardReportedLost(_) => CardStatus::ReportedLost,
            EventBody::CardReportedDamaged(_) => CardStatus::Damaged,
            EventBody::CardReplaced(e) => {
                self.replaced_by = Some(e.by);
                CardStatus::Replaced
            }
            EventBody::CardWithdrawn(e) => {
                self.withdrawn_for = Some(e.reason);
                CardStatus::Withdrawn
            }
            EventBody::CardExpired(_) => CardStatus::Expired,
            EventBody::CardHolderDied(_) => CardStatus::HolderDead,
            _ => return,
        };
        self.held_for = match &fact.event.body {
            EventBody::CardHeld(e) => Some(e.reason),
            _ => None,
        };
        self.status = Some(status);
        self.since = Some(on);
    }

    pub(super) fn reset(&mut self, aspect: Aspect) {
        match aspect {
            Aspect::Existence => (self.produced, self.produced_on, self.produced_by) = (None, None, None),
            Aspect::Status => {
                (self.status, self.since, self.handed_over_on) = (None, None, None);
                (self.replaced_by, self.withdrawn_for, self.held_for) = (None, None, None);
            }
            _ => {}
        }
    }
}

impl DossierRow {
    /// Its status now.
    pub fn current_status(&self) -> DossierStatus {
        self.status.unwrap_or(DossierStatus::Received)
    }

    pub(super) fn fold(&mut self, aspect: Aspect, fact: Fact<'_>) {
        let on = fact.event.effective_on;
        if aspect == Aspect::Existence {
            if let EventBody::DossierReceived(e) = &fact.event.body {
                self.received = Some(e.clone());
                self.received_on = Some(on);
            }
            return;
        }
        let status = match &fact.event.body {
            EventBody::DossierApproved(_) => DossierStatus::Approved,
            EventBody::DossierRefused(e) => {
                self.ending = Some(Ending { reason: e.reason.clone() });
                DossierStatus::Refused
            }
            EventBody::DossierClosed(e) => {
                self.ending = Some(Ending { reason: e.reason.clone() });
                DossierStatus::Closed
            }
            EventBody::CardProduced(e) => {
                self.card = Some(e.card);
                DossierStatus::Produced
            }
            _ => return,
        };
        self.status = Some(status);
        self.since = Some(on);
    }

    pub(super) fn reset(&mut self, aspect: Aspect) {
        match aspect {
            Aspect::Existence => (self.received, self.received_on) = (None, None),
            Aspect::Status => {
                (self.status, self.since) = (None, None);
                (self.ending, self.card) = (None, None);
            }
            _ => {}
        }
    }
}
