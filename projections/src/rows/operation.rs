//! Rows of operations larger than one record. What they stage lies in a table of its own, see [`crate::staged`].

use super::{Fact, Stamp};
use crate::stored::{page_rows, stored};
use event_schemas::event::{EventBody, OperationOpened, OperationPart};
use event_schemas::ids::{EventAddress, OfficeId, OfficerId};
use event_schemas::operation::{AbandonReason, OperationCounts, OperationDigest, OperationStatus};
use event_schemas::row::Aspect;
use event_schemas::time::PartialDate;

/// An operation.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct OperationRow {
    pub stamp: Stamp,
    pub opened: Option<OperationOpened>,
    pub opened_on: Option<PartialDate>,
    /// As a number, see [`OperationStatus::of`].
    pub status: u8,
    pub parts: u32,
    /// Rows staged so far, and left out.
    pub counts: OperationCounts,
    /// How far it has looked, a person's number.
    pub looked_at: u32,
    pub digest: OperationDigest,
    pub approved: Option<Approval>,
    pub ended: Option<EventAddress>,
    pub abandoned: Option<AbandonReason>,
}

/// Who approved what is staged.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Approval {
    pub office: OfficeId,
    pub officer: OfficerId,
    pub by: EventAddress,
}

stored! {
    OperationRow {
        part stamp, value opened, value opened_on, value status, value parts, value counts, value looked_at,
        value digest, part approved, value ended, value abandoned,
    }
    Approval { value office, value officer, value by }
}

page_rows! { OperationRow }

impl OperationRow {
    /// How far it is.
    pub fn current_status(&self) -> OperationStatus {
        OperationStatus::of(self.status).unwrap_or(OperationStatus::Open)
    }

    /// No fact about an operation comes late; it is as with every row.
    pub(super) fn reset(&mut self, aspect: Aspect) {
        match aspect {
            Aspect::Existence => (self.opened, self.opened_on) = (None, None),
            Aspect::Status => {
                let Self { stamp, opened, opened_on, .. } = std::mem::take(self);
                (self.stamp, self.opened, self.opened_on) = (stamp, opened, opened_on);
            }
            _ => {}
        }
    }

    pub(super) fn fold(&mut self, fact: Fact<'_>) {
        match &fact.event.body {
            EventBody::OperationOpened(e) => {
                self.opened = Some(e.clone());
                self.opened_on = Some(fact.event.effective_on);
                self.status = OperationStatus::Open as u8;
            }
            EventBody::OperationPart(e) => self.fold_part(e),
            EventBody::OperationApproved(e) => {
                self.status = OperationStatus::Approved as u8;
                self.approved = Some(Approval { office: e.office, officer: e.officer, by: fact.at });
            }
            EventBody::OperationCommitted(e) => {
                (self.status, self.counts) = (OperationStatus::Committed as u8, e.counts);
                self.ended = Some(fact.at);
            }
            EventBody::CorrectionProposed(e) => {
                (self.status, self.digest) = (OperationStatus::Staged as u8, OperationDigest(e.digest.0));
            }
            EventBody::CorrectionApproved(e) => {
                self.status = OperationStatus::Committed as u8;
                self.approved = Some(Approval { office: e.office, officer: e.officer, by: fact.at });
                self.ended = Some(fact.at);
            }
            EventBody::OperationAbandoned(e) => {
                self.status = OperationStatus::Abandoned as u8;
                self.abandoned = Some(e.reason.clone());
                self.ended = Some(fact.at);
            }
            _ => {}
        }
    }

    fn fold_part(&mut self, part: &OperationPart) {
        self.parts = part.part;
        self.digest = part.digest;
        self.approved = None;
        self.counts.left_out += part.left_out.len() as u32;
        if part.is_again {
            self.counts.staged = self.counts.staged.saturating_sub(part.left_out.len() as u32);
        } else {
            self.counts.staged += part.content.len() as u32;
            self.looked_at = part.looked_at.0;
        }
        let status = if part.is_last { OperationStatus::Staged } else { OperationStatus::Open };
        self.status = status as u8;
    }
}
