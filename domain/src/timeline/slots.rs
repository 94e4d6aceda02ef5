//! Which fact stands at which place, after all corrections.
//!
//! A fact's *slot* is its own address, or the slot of what it replaces. The latest correction that is itself in force rules the slot; a
//! correction is in force unless the annulment of it is. A timeline is what rules each slot, ordered by earliest possible date, then by slot.

use event_schemas::event::{Event, EventBody};
use event_schemas::ids::{EventAddress, Lsn};
use event_schemas::row::StreamRef;
use std::collections::BTreeMap;

/// All that records say of a set of rows, in whatever order it is taken in.
#[derive(Clone, Default, Debug)]
pub struct Slots {
    /// Facts, those that a correction states among them.
    facts: BTreeMap<EventAddress, Event>,
    /// Under the address of what it puts in place; of an annulment its own.
    corrections: BTreeMap<EventAddress, Correction>,
    /// Under the address of the event that only says what another replaces: that other's.
    markers: BTreeMap<EventAddress, EventAddress>,
}

/// What a correction speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Correction {
    of: EventAddress,
    replaces: bool,
}

/// What stands in a slot.
pub type Ruling<'a> = Option<(EventAddress, &'a Event)>;

impl Slots {
    /// Takes an event in; again makes no difference.
    pub fn take(&mut self, at: EventAddress, event: &Event) {
        match &event.body {
            EventBody::EventAnnulled(e) => {
                self.corrections.insert(at, Correction { of: e.event, replaces: false });
            }
            EventBody::EventAmended(e) => {
                let by = EventAddress { lsn: at.lsn, index: e.by };
                self.corrections.insert(by, Correction { of: e.event, replaces: true });
                self.markers.insert(at, by);
            }
            _ => {
                self.facts.insert(at, event.clone());
            }
        }
    }

    /// The fact or correction that an address names.
    pub fn named(&self, at: EventAddress) -> EventAddress {
        self.markers.get(&at).copied().unwrap_or(at)
    }

    /// Whether a correction stands there.
    pub fn is_correction(&self, at: EventAddress) -> bool {
        self.corrections.contains_key(&self.named(at))
    }

    /// Whether the correction only takes back.
    pub fn is_annulment(&self, at: EventAddress) -> bool {
        self.corrections.get(&at).is_some_and(|correction| !correction.replaces)
    }

    /// The fact that stands there, whatever rules its slot.
    pub fn fact(&self, at: EventAddress) -> Option<&Event> {
        self.facts.get(&self.named(at))
    }

    /// The slot that an address belongs to; of an annulment the slot of what it takes back.
    pub fn slot_of(&self, at: EventAddress) -> EventAddress {
        let mut slot = self.named(at);
        // A correction stands behind what it speaks of, so this comes to an end.
        while let Some(correction) = self.corrections.get(&slot).filter(|correction| correction.of < slot) {
            slot = self.named(correction.of);
        }
        slot
    }

    /// Whether nothing in force annuls the correction.
    pub fn is_in_force(&self, correction: EventAddress) -> bool {
        let mut later = self.corrections.range(correction..);
        !later.any(|(at, other)| {
            !other.replaces && self.named(other.of) == correction && *at > correction && self.is_in_force(*at)
        })
    }

    /// What rules the slot: nothing, if it is annulled or if what rules it is none of what was taken in.
    pub fn ruling(&self, slot: EventAddress) -> Ruling<'_> {
        let mut later = self.corrections.range(slot..).rev();
        let ruling = later.find(|(at, correction)| {
            let speaks_of_slot = correction.replaces || !self.is_correction(correction.of);
            speaks_of_slot && self.slot_of(**at) == slot && self.is_in_force(**at)
        });
        match ruling {
            Some((_, correction)) if !correction.replaces => None,
            Some((at, _)) => self.facts.get(at).map(|event| (*at, event)),
            None => self.facts.get(&slot).map(|event| (slot, event)),
        }
    }

    /// Whether a correction that was recorded after `since` and before `until` speaks of the slot.
    pub fn is_corrected_between(&self, slot: EventAddress, since: Lsn, until: Lsn) -> bool {
        let corrections = self.corrections.keys().filter(|at| since < at.lsn && at.lsn < until);
        corrections.into_iter().any(|at| self.slot_of(*at) == slot)
    }

    /// Every fact in the slot, first the original.
    pub fn facts_of(&self, slot: EventAddress) -> impl Iterator<Item = (EventAddress, &Event)> {
        let later = self.facts.range(slot..);
        later.filter(move |(at, _)| self.slot_of(**at) == slot).map(|(at, event)| (*at, event))
    }

    /// Facts of the slot that corrections speak of and that were not taken in.
    pub fn unread(&self, slot: EventAddress) -> impl Iterator<Item = EventAddress> {
        let replacing = self.corrections.iter().filter(|(_, correction)| correction.replaces);
        let replacing = replacing.map(|(at, _)| *at).filter(move |at| self.slot_of(*at) == slot);
        replacing.chain([slot]).filter(|at| !self.facts.contains_key(at))
    }

    /// The timeline of a stream of one of the rows.
    pub fn timeline(&self, stream: StreamRef) -> Vec<(EventAddress, Event)> {
        let slots = self.facts.keys().filter(|at| !self.corrections.contains_key(at));
        let mut ruled: Vec<(EventAddress, EventAddress, &Event)> = slots
            .filter_map(|slot| self.ruling(*slot).map(|(at, event)| (*slot, at, event)))
            .filter(|(_, _, event)| belongs(event, stream))
            .collect();
        ruled.sort_by_key(|(slot, _, event)| (event.effective_on.earliest(), *slot));
        ruled.into_iter().map(|(_, at, event)| (at, event.clone())).collect()
    }
}

/// Whether the event is one of the stream's.
pub fn belongs(event: &Event, stream: StreamRef) -> bool {
    let mut belongs = false;
    event.body.for_each_stream(|row, aspect| belongs |= StreamRef { row, aspect } == stream);
    belongs
}

/// Streams of an event.
pub fn streams_of(event: &Event) -> Vec<StreamRef> {
    let mut streams = Vec::new();
    event.body.for_each_stream(|row, aspect| streams.push(StreamRef { row, aspect }));
    streams
}
