//! The history of a row: from its last record to the one before, and so on, through the log. Needs no index: each
//! record says for every row it changes which record changed it before.

use event_log::{LogError, LogSource};
use event_schemas::basis::Basis;
use event_schemas::event::{BeforeCommit, Event, EventBody};
use event_schemas::guarded::Confidentiality;
use event_schemas::ids::{CommandId, Lsn, OfficeId, OfficerId, Version};
use event_schemas::record::{AdmittedEntry, Changes, EntryBody};
use event_schemas::row::{RowRef, RowTouch};
use event_schemas::time::{PartialDate, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    pub index: u16,
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

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the log has no readable entry at lsn {0}")]
    Unreadable(Lsn),
    #[error("the record at lsn {lsn} does not change {row}")]
    NotInRecord { lsn: Lsn, row: RowRef },
}

/// Up to `limit` records of `row`, from the one at `from` on backwards.
pub fn history(
    source: &dyn LogSource,
    row: RowRef,
    from: Lsn,
    limit: usize,
) -> Result<HistoryPage, HistoryError> {
    let mut page = HistoryPage { records: Vec::new(), next: Some(from) };
    while let Some(lsn) = page.next.filter(|lsn| *lsn != Lsn::ZERO) {
        if page.records.len() == limit.min(MAX_HISTORY) {
            return Ok(page);
        }
        let bytes = source.fetch(lsn)?.ok_or(HistoryError::Unreadable(lsn))?;
        let entry = AdmittedEntry::decode(lsn, &bytes).map_err(|_| HistoryError::Unreadable(lsn))?;
        let found = match record_of(&entry, row) {
            Some(found) => Some(found),
            None => record_of_commit(source, &entry, row)?,
        };
        let (record, touch) = found.ok_or(HistoryError::NotInRecord { lsn, row })?;
        page.records.push(record);
        page.next = (touch.previous < lsn).then_some(touch.previous);
    }
    page.next = None;
    Ok(page)
}

fn record_of(entry: &AdmittedEntry, row: RowRef) -> Option<(HistoryRecord, RowTouch)> {
    let changes = entry.changes()?;
    let touch = *changes.rows.iter().find(|touch| touch.row == row)?;
    Some((history_record(entry, touch, events_of(changes, row)), touch))
}

/// A commit does not name the rows that it changes: its parts do, and say what it did to each.
fn record_of_commit(
    source: &dyn LogSource,
    entry: &AdmittedEntry,
    row: RowRef,
) -> Result<Option<(HistoryRecord, RowTouch)>, HistoryError> {
    let changes = entry.changes();
    let found = changes.into_iter().flat_map(|changes| &changes.events).enumerate();
    let found = found.into_iter().find_map(|(index, event)| match &event.body {
        EventBody::OperationCommitted(committed) => Some((index as u16, event, committed)),
        _ => None,
    });
    let (Some((index, event, committed)), RowRef::Person(person), Some(changes)) = (found, row, changes)
    else {
        return Ok(None);
    };
    let (mut before, mut issued) = (None, None);
    let parts = match committed.before(row) {
        BeforeCommit::NotChanged => return Ok(None),
        BeforeCommit::Known(version, last) => {
            before = Some((version, last));
            committed.parts_with(row)
        }
        BeforeCommit::InPart(parts) => parts,
    };
    // Newest first: the last part that names the row says where it stood, the first drew its number.
    for part in parts {
        let bytes = source.fetch(part)?.ok_or(HistoryError::Unreadable(part))?;
        let part = AdmittedEntry::decode(part, &bytes).map_err(|_| HistoryError::Unreadable(part))?;
        let events = part.changes().into_iter().flat_map(|changes| &changes.events);
        for event in events {
            let EventBody::OperationPart(part) = &event.body else { continue };
            before = before.or(part.content.previous(row));
            issued = issued.or(part.content.number_of(person));
        }
    }
    let (Some((version, previous)), Some(issued)) = (before, issued) else { return Ok(None) };
    let shown = Event { body: EventBody::PinIssued(issued), ..event.clone() };
    let touch = RowTouch { row, version: version.next(), previous };
    let events = vec![shown_event(changes, index, &shown)];
    Ok(Some((history_record(entry, touch, events), touch)))
}

fn history_record(entry: &AdmittedEntry, touch: RowTouch, events: Vec<HistoryEvent>) -> HistoryRecord {
    let submitted = match &entry.body {
        EntryBody::Record(record) => Some(Submission {
            office: record.office,
            officer: record.officer,
            command_id: record.command.command_id,
            command: record.command.command.name().to_owned(),
        }),
        _ => None,
    };
    HistoryRecord {
        lsn: entry.lsn,
        recorded_at: entry.header.recorded_at,
        version: touch.version,
        submitted,
        events,
    }
}

fn events_of(changes: &Changes, row: RowRef) -> Vec<HistoryEvent> {
    let mut events = Vec::new();
    for (index, event) in changes.events.iter().enumerate() {
        let mut concerns = false;
        event.body.for_each_stream(|touched, _| concerns |= touched == row);
        if concerns {
            events.push(shown_event(changes, index as u16, event));
        }
    }
    events
}

fn shown_event(changes: &Changes, index: u16, event: &Event) -> HistoryEvent {
    let open = event.class != Confidentiality::Sealed;
    HistoryEvent {
        index,
        event: event.body.name().to_owned(),
        effective_on: event.effective_on,
        basis: changes.bases.get(usize::from(event.basis)).filter(|_| open).cloned(),
        body: open.then(|| event.body.clone()),
    }
}
