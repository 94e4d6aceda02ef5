//! Streams in valid-time order.
//!
//! A timeline is ordered by earliest possible date. Facts of one day stand in the order in which they were stated: that of their
//! addresses, and a fact that a correction put in another's place stands where that one stood.

pub mod marriage;
pub mod slots;

use event_schemas::Event;
use event_schemas::ids::EventAddress;
use event_schemas::record::Restatement;
use event_schemas::row::StreamRef;

/// Puts events in valid-time order that come as they were recorded, or as a restatement has them and then as they were recorded.
pub fn in_valid_order(mut events: Vec<(EventAddress, Event)>) -> Vec<(EventAddress, Event)> {
    // Stable: within a day the order is that in which they come.
    events.sort_by_key(|(_, event)| event.effective_on.earliest());
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
