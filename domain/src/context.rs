//! What a decision may know besides the state.

use crate::rules::Rules;
use event_schemas::Event;
use event_schemas::ids::{EventAddress, Lsn, OfficeId, OfficerId};
use event_schemas::pin::PinCell;
use event_schemas::row::{RowRef, StreamRef};
use event_schemas::time::Timestamp;

/// Who asks, when, and where numbers and history come from.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The lsn that the record will have.
    pub lsn: Lsn,
    /// Recorded time, set by the leader.
    pub recorded_at: Timestamp,
    pub rules: &'a Rules,
    pub office: OfficeId,
    pub officer: OfficerId,
    pub pins: &'a dyn PinIssuer,
    pub timelines: &'a dyn TimelineSource,
}

/// Draws serials of PIN cells. The key stays outside the log; its version is recorded with every number.
pub trait PinIssuer {
    /// Version of the key.
    fn key_version(&self) -> u16;

    /// The serial at this place of the cell's sequence, below [`PinCell::CAPACITY`]. A permutation: no two draws of a
    /// cell give the same serial.
    fn serial(&self, cell: PinCell, draw: u32) -> u32;
}

/// History: needed for late facts, which come after later ones, and for corrections.
pub trait TimelineSource {
    /// All events of a stream that hold, records up to the state at hand: the last restatement as it stands, then what was
    /// recorded since, in that order.
    fn stream(&self, stream: StreamRef) -> Result<Vec<(EventAddress, Event)>, TimelineUnavailable>;

    /// Every event that ever named the row, in the order in which they were recorded, whatever became of it since.
    fn recorded(&self, row: RowRef) -> Result<Vec<(EventAddress, Event)>, TimelineUnavailable>;

    /// The event at an address; none if no record has one there.
    fn event(&self, at: EventAddress) -> Result<Option<Event>, TimelineUnavailable>;
}

/// The history cannot be read now; the command may be tried again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the history of {of} cannot be read: {cause}")]
pub struct TimelineUnavailable {
    /// The stream, row or address.
    pub of: String,
    pub cause: String,
}
