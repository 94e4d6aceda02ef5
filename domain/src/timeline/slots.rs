//! Which fact stands at which place, after all corrections.
//!
//! A fact's *slot* is its own address, or the slot of what it replaces. The latest correction that is itself in force rules the slot; a
//! correction is in force unless the annulment of it is. A timeline is what rules each slot, ordered by earliest possible date, then by slot.

use event_schemas::event::{Event, EventBody};
use event_schemas::ids::{EventAddress, Lsn};
use event_schemas::row::StreamRef;
use event_schemas::time::Date;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All that records say of a set of rows, in whatever order it is taken in.
#[derive(Clone, Default, Debug)]
pub struct Slots {
    /// Facts, those that a correction states among them.
    facts: BTreeMap<EventAddress, Arc<Event>>,
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
                self.facts.insert(at, Arc::new(event.clone()));
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
        self.facts.get(&self.named(at)).map(|event| &**event)
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
            Some((at, _)) => self.facts.get(at).map(|event| (*at, &**event)),
            None => self.facts.get(&slot).map(|event| (slot, &**event)),
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
        later.filter(move |(at, _)| self.slot_of(**at) == slot).map(|(at, event)| (*at, &**event))
    }

    /// Facts of the slot that corrections speak of and that were not taken in.
    pub fn unread(&self, slot: EventAddress) -> impl Iterator<Item = EventAddress> {
        let replacing = self.corrections.iter().filter(|(_, correction)| correction.replaces);
        let replacing = replacing.map(|(at, _)| *at).filter(move |at| self.slot_of(*at) == slot);
        replacing.chain([slot]).filter(|at| !self.facts.contains_key(at))
    }

    /// The timeline of a stream of one of the rows.
    pub fn timeline(&self, stream: StreamRef) -> Vec<(EventAddress, Event)> {
        of_stream(&self.in_order(), stream)
    }

    /// What rules each slot, in the order of timelines.
    pub fn in_order(&self) -> Vec<(EventAddress, &Event)> {
        let rulings = self.rulings();
        let slots = self.facts.keys().filter(|at| !self.corrections.contains_key(at));
        let mut ruled: Vec<(Date, EventAddress, EventAddress, &Event)> = slots
            .filter_map(|slot| {
                let at = rulings.get(slot).copied().unwrap_or(Some(*slot))?;
                let event = self.facts.get(&at)?;
                Some((event.effective_on.earliest(), *slot, at, &**event))
            })
            .collect();
        ruled.sort_by_key(|(day, slot, ..)| (*day, *slot));
        ruled.into_iter().map(|(_, _, at, event)| (at, event)).collect()
    }

    /// What [`Self::ruling`] says of every slot that a correction in force speaks of, found in one pass, the latest correction first:
    /// whether one is in force follows from later ones alone.
    fn rulings(&self) -> BTreeMap<EventAddress, Option<EventAddress>> {
        let (mut annulled, mut rulings) = (BTreeSet::new(), BTreeMap::new());
        for (at, correction) in self.corrections.iter().rev() {
            if annulled.contains(at) {
                continue;
            }
            let named = self.named(correction.of);
            if correction.replaces || !self.corrections.contains_key(&named) {
                rulings.entry(self.slot_of(*at)).or_insert(correction.replaces.then_some(*at));
            } else {
                annulled.insert(named);
            }
        }
        rulings
    }
}

/// The stream's events among what [`Slots::in_order`] gives.
pub fn of_stream(ruled: &[(EventAddress, &Event)], stream: StreamRef) -> Vec<(EventAddress, Event)> {
    let events = ruled.iter().filter(|(_, event)| belongs(event, stream));
    events.map(|(at, event)| (*at, Event::clone(event))).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use event_schemas::event::{EventAmended, EventAnnulled, HouseholdMoved};
    use event_schemas::guarded::Confidentiality;
    use event_schemas::ids::{HouseholdId, KeyId, UnitId};
    use event_schemas::place::Place;
    use event_schemas::time::PartialDate;
    use proptest::prelude::*;

    fn event(body: EventBody) -> Event {
        let effective_on = PartialDate::of_day(Date(0));
        Event { effective_on, basis: 0, class: Confidentiality::Basic, key_id: KeyId::NONE, body }
    }

    fn fact(unit: u32) -> Event {
        let (household, place) = (HouseholdId(1), Place::in_unit(UnitId(unit)));
        event(EventBody::HouseholdMoved(HouseholdMoved { household, place }))
    }

    /// A record each: a fact, or a correction of whatever stands at an earlier address.
    fn recorded(steps: &[(u8, usize)]) -> Slots {
        let mut slots = Slots::default();
        let mut addresses: Vec<EventAddress> = Vec::new();
        for (lsn, (kind, target)) in (1..).zip(steps) {
            let at = |index| EventAddress { lsn: Lsn(lsn), index };
            let streams = Vec::new();
            let of = if addresses.is_empty() { None } else { Some(addresses[target % addresses.len()]) };
            match (kind % 3, of) {
                (1, Some(event_at)) => {
                    let body = EventBody::EventAnnulled(EventAnnulled { event: event_at, streams });
                    slots.take(at(0), &event(body));
                }
                (2, Some(event_at)) => {
                    let body = EventBody::EventAmended(EventAmended { event: event_at, by: 1, streams });
                    slots.take(at(0), &event(body));
                    slots.take(at(1), &fact(lsn as u32));
                    addresses.push(at(1));
                }
                _ => slots.take(at(0), &fact(lsn as u32)),
            }
            addresses.push(at(0));
        }
        slots
    }

    proptest! {
        #[test]
        fn what_rules_all_slots_is_what_rules_each(steps in prop::collection::vec((any::<u8>(), any::<usize>()), 0..40)) {
            let slots = recorded(&steps);
            let originals = slots.facts.keys().filter(|at| !slots.corrections.contains_key(at));
            let one_by_one: Vec<_> = originals.filter_map(|slot| slots.ruling(*slot)).collect();
            prop_assert_eq!(slots.in_order(), one_by_one);
        }
    }
}
