//! Streams in valid-time order.
//!
//! A timeline is ordered by earliest possible date, then by address: the order in which facts of one day were stated.

pub mod marriage;

use event_schemas::Event;
use event_schemas::ids::EventAddress;
use event_schemas::record::Restatement;
use event_schemas::row::StreamRef;

/// Puts events in valid-time order.
pub fn in_valid_order(mut events: Vec<(EventAddress, Event)>) -> Vec<(EventAddress, Event)> {
    events.sort_by_key(|(address, event)| (event.effective_on.earliest(), *address));
    events
}

/// The timeline of a stream after late events joined those that were recorded before.
pub fn restate(
    stream: StreamRef,
    mut recorded: Vec<(EventAddress, Event)>,
    late: impl IntoIterator<Item = (EventAddress, Event)>,
) -> Restatement {
    recorded.extend(late);
    Restatement { stream, timeline: in_valid_order(recorded) }
}
