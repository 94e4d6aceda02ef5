//! The history of a row, a page at a time: from its last record to the one before, and so on, through the log.

use crate::walk::{Entries, RowRecord};
use event_log::LogSource;
use event_schemas::basis::Basis;
use event_schemas::event::{Event, EventBody};
use event_schemas::guarded::Confidentiality;
use event_schemas::ids::{CommandId, EventAddress, Lsn, OfficeId, OfficerId, Version};
use event_schemas::row::RowRef;
use event_schemas::time::{PartialDate, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::walk::HistoryError;

/// Most records of one page.
pub const MAX_HISTORY: usize = 200;

/// One record of a row's history.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HistoryRecord {
    pub lsn: Lsn,
    pub recorded_at: Timestamp,
    /// The row's version after it.
    pub version: Version,
    /// Who submitted it; none for what fell due with a day.
    pub submitted: Option<Submission>,
    /// Its events that change this row.
    pub events: Vec<HistoryEvent>,
}

/// Who submitted what.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Submission {
    pub office: OfficeId,
    pub officer: OfficerId,
    pub command_id: CommandId,
    /// Stable name of the command.
    pub command: String,
}

/// One event that changes the row.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEvent {
    /// Its place in the record: with the lsn, its address.
    pub index: u32,
    /// Stable name of the event.
    pub event: String,
    pub effective_on: PartialDate,
    pub basis: Option<Basis>,
    /// What it says; left out where it is sealed.
    pub body: Option<EventBody>,
}

/// One page of a history, newest first.
#[derive(Clone, PartialEq, Debug)]
pub struct HistoryPage {
    pub records: Vec<HistoryRecord>,
    /// The next older record.
    pub next: Option<Lsn>,
}

/// Up to `limit` records of `row`, from the one at `from` on backwards.
pub fn history(
    source: &dyn LogSource,
    row: RowRef,
    from: Lsn,
    limit: usize,
) -> Result<HistoryPage, HistoryError> {
    let mut entries = Entries::of(source);
    let mut page = HistoryPage { records: Vec::new(), next: Some(from).filter(|lsn| *lsn != Lsn::ZERO) };
    while let Some(lsn) = page.next {
        if page.records.len() == limit.min(MAX_HISTORY) {
            return Ok(page);
        }
        let record = RowRecord::read(row, lsn, &mut entries)?;
        page.next = record.previous();
        page.records.push(HistoryRecord::of(&record));
    }
    Ok(page)
}

impl HistoryRecord {
    pub(crate) fn of(record: &RowRecord) -> Self {
        let events = record.events.iter().map(|(at, event)| HistoryEvent::of(*at, event, &record.bases));
        Self {
            lsn: record.lsn,
            recorded_at: record.recorded_at,
            version: record.touch.version,
            submitted: record.submitted.clone(),
            events: events.collect(),
        }
    }
}

impl HistoryEvent {
    pub(crate) fn of(at: EventAddress, event: &Event, bases: &[Basis]) -> Self {
        let open = event.class != Confidentiality::Sealed;
        Self {
            index: at.index,
            event: event.body.name().to_owned(),
            effective_on: event.effective_on,
            basis: bases.get(usize::from(event.basis)).filter(|_| open).cloned(),
            body: open.then(|| event.body.clone()),
        }
    }
}
