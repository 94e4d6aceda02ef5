//! What a record says of streams: events that go on with a timeline, or whole timelines that take the place of what was known.

use crate::rows::{Fact, Row};
use event_schemas::event::Event;
use event_schemas::ids::EventAddress;
use event_schemas::record::Restatement;
use event_schemas::row::StreamRef;

/// What a record says of one stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Said<'a> {
    /// The next event of the stream.
    Next(Fact<'a>),
    /// All of the stream, in the order of valid time.
    Restated(&'a [(EventAddress, Event)]),
}

/// Calls `visit` with everything that a record says, in the order in which it is folded. A restated stream comes once, whole: the
/// record's own events of it are in its timeline.
pub(crate) fn each_said<'a>(
    events: impl IntoIterator<Item = Fact<'a>>,
    restatements: &'a [Restatement],
    mut visit: impl FnMut(StreamRef, Said<'a>),
) {
    for fact in events {
        fact.event.body.for_each_stream(|row, aspect| {
            let stream = StreamRef { row, aspect };
            if restatements.iter().all(|restated| restated.stream != stream) {
                visit(stream, Said::Next(fact));
            }
        });
    }
    for restated in restatements {
        visit(restated.stream, Said::Restated(&restated.timeline));
    }
}

impl Row {
    /// Takes in what a record says of one of the row's streams.
    pub(crate) fn take(&mut self, stream: StreamRef, said: Said<'_>) {
        match said {
            Said::Next(fact) => self.fold(stream.row, stream.aspect, fact),
            Said::Restated(timeline) => {
                self.reset(stream.aspect);
                for (at, event) in timeline {
                    self.fold(stream.row, stream.aspect, Fact { at: *at, event });
                }
            }
        }
    }
}
