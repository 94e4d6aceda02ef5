//! Operations larger than one record, cells of PINs and notices of PINs, as answers show them.

use super::{PersonBrief, Teller, UnitBrief};
use crate::operations::CellUsage;
use crate::rows::OperationRow;
use event_schemas::ids::{EventAddress, OfficeId, OfficerId, OperationId, Version};
use event_schemas::operation::{
    AbandonReason, LeftOutReason, OperationCounts, OperationDigest, OperationStatus,
};
use event_schemas::pin::Pin;
use event_schemas::text::Text;
use event_schemas::time::{Date, PartialDate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state_store::store::StoreError;

/// An operation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OperationView {
    pub id: OperationId,
    pub version: Version,
    /// Stable name of what it does.
    pub kind: String,
    /// The unit whose rows it changes; none for the nation.
    pub unit: Option<UnitBrief>,
    pub purpose: Text<200>,
    pub status: OperationStatus,
    pub opened_on: Option<PartialDate>,
    /// The first day on which it is abandoned by itself.
    pub lapses_on: Date,
    pub office: OfficeId,
    pub officer: OfficerId,
    pub parts: u32,
    /// How far it has looked, in hundredths of all persons.
    pub looked_at_percent: u8,
    pub counts: OperationCounts,
    /// To be named by whoever approves or commits what is staged.
    pub digest: OperationDigest,
    pub approved: Option<ApprovalView>,
    /// The event that ended it.
    pub ended: Option<EventAddress>,
    pub abandoned: Option<AbandonReason>,
}

/// Who approved what is staged.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalView {
    pub office: OfficeId,
    pub officer: OfficerId,
    pub by: EventAddress,
}

/// Answer to a question for one operation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OperationAnswer {
    pub operation: OperationView,
}

/// One page of operations, in the order of their ids.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OperationsAnswer {
    pub operations: Vec<OperationView>,
    /// Give it as `after` to go on; none on the last page.
    pub next: Option<String>,
}

/// One page of those whom an operation left out, in the order of their ids.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeftOutAnswer {
    pub operation: OperationId,
    pub left_out: Vec<LeftOutView>,
    /// Give it as `after` to go on; none on the last page.
    pub next: Option<String>,
}

/// One who was left out, and why.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeftOutView {
    pub person: PersonBrief,
    pub reason: LeftOutReason,
}

/// One page of cells of PINs that have numbers in use.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PinCellsAnswer {
    pub cells: Vec<CellUsage>,
    /// Give it as `after` to go on; none on the last page.
    pub next: Option<String>,
}

/// One page of a work list: residents of a unit and of those below it to whom a written notice is to be handed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NoticesAnswer {
    pub unit: UnitBrief,
    pub notices: Vec<NoticeView>,
    /// Give it as `after` to go on; none on the last page.
    pub next: Option<String>,
}

/// A notice to be handed over: the number, and where its holder lives. The data held are the answer for the person.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NoticeView {
    pub person: PersonBrief,
    pub pin: Pin,
    pub issued_on: PartialDate,
    pub residence: Option<String>,
}

impl OperationView {
    pub(crate) fn of(
        teller: &mut Teller<'_>,
        id: OperationId,
        row: &OperationRow,
    ) -> Result<Option<Self>, StoreError> {
        let Some(opened) = &row.opened else { return Ok(None) };
        let unit = match opened.kind.unit() {
            Some(unit) => Some(teller.unit(*unit)?),
            None => None,
        };
        let share = u64::from(row.looked_at) * 100 / u64::from(opened.up_to.0.max(1));
        let is_complete = row.current_status() != OperationStatus::Open || row.looked_at >= opened.up_to.0;
        Ok(Some(Self {
            id,
            version: row.stamp.version,
            kind: opened.kind.name().to_owned(),
            unit,
            purpose: opened.purpose.clone(),
            status: row.current_status(),
            opened_on: row.opened_on,
            lapses_on: opened.lapses_on,
            office: opened.office,
            officer: opened.officer,
            parts: row.parts,
            looked_at_percent: if is_complete { 100 } else { share as u8 },
            counts: row.counts,
            digest: row.digest,
            approved: row.approved.map(|approved| ApprovalView {
                office: approved.office,
                officer: approved.officer,
                by: approved.by,
            }),
            ended: row.ended,
            abandoned: row.abandoned.clone(),
        }))
    }
}
