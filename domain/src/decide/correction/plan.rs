//! What the edits speak of, and what every stream becomes that they change.

use super::super::deciding::Deciding;
use super::EDITS;
use super::kinds;
use crate::context::TimelineUnavailable;
use crate::refusal::Code;
use crate::timeline::slots::{Slots, of_stream, streams_of};
use event_schemas::correction::Edit;
use event_schemas::event::{Event, EventAmended, EventAnnulled, EventBody};
use event_schemas::guarded::Confidentiality;
use event_schemas::ids::{EventAddress, KeyId, Version};
use event_schemas::record::Restatement;
use event_schemas::row::{Aspect, RowRef, StreamRef};
use event_schemas::time::PartialDate;
use std::collections::BTreeSet;

pub type Timeline = Vec<(EventAddress, Event)>;

/// Most rows that the edits of one command may speak of (O1).
const MAX_ROWS: usize = 400;

/// One edit with what it speaks of.
pub struct Planned {
    /// Where it stands in the command, for faults.
    pub field: String,
    /// The slot whose ruling changes; of a fact that was missing its own address.
    pub slot: EventAddress,
    pub before: Option<(EventAddress, Event)>,
    pub after: Option<(EventAddress, Event)>,
}

/// A stream before and after.
pub struct Restated {
    pub stream: StreamRef,
    pub before: Timeline,
    pub after: Timeline,
}

impl Restated {
    pub fn restated(&self) -> Restatement {
        Restatement { stream: self.stream, timeline: self.after.clone() }
    }
}

/// A correction that can be judged.
pub struct Plan {
    pub edits: Vec<Planned>,
    /// The events of the record.
    pub events: Vec<Event>,
    /// Streams that the edits name, with those that are restated together with them, sorted.
    pub streams: Vec<Restated>,
    /// All that was recorded of the rows, the correction included.
    pub slots: Slots,
}

/// The event at an address; none for one to come.
pub fn event_at(d: &Deciding<'_>, at: EventAddress) -> Result<Option<Event>, TimelineUnavailable> {
    if at.lsn >= d.context.lsn {
        return Ok(None);
    }
    d.context.timelines.event(at)
}

impl Plan {
    /// Nothing if an edit speaks of something that cannot be edited: the faults say so.
    /// `first` is the place of the first event among those that take effect with it.
    pub fn of(
        d: &mut Deciding<'_>,
        stated: &[Edit],
        first: u32,
    ) -> Result<Option<Self>, TimelineUnavailable> {
        let Some(slots) = Reading::of(d, stated)? else { return Ok(None) };
        let Some(targets) = targets(d, stated, &slots) else { return Ok(None) };
        let (mut events, stated_at) = events_of(d, stated, first, &slots, &targets);
        let mut after = slots.clone();
        let address = |index| EventAddress { lsn: d.context.lsn, index: first + index as u32 };
        for (index, event) in events.iter().enumerate() {
            after.take(address(index), event);
        }
        let mut edits = Vec::with_capacity(targets.len());
        for (place, target) in targets.iter().enumerate() {
            let slot = target.unwrap_or_else(|| address(stated_at[place]));
            let owned =
                |ruling: Option<(EventAddress, &Event)>| ruling.map(|(at, event)| (at, event.clone()));
            edits.push(Planned {
                field: format!("{EDITS}[{place}]"),
                slot,
                before: owned(slots.ruling(slot)),
                after: owned(after.ruling(slot)),
            });
        }
        name_streams(stated, &slots, &edits, &mut events);
        let streams = restated(&events, &slots, &after);
        Ok(Some(Self { edits, streams, events, slots: after }))
    }

    /// The timelines that the record carries.
    pub fn restated(&self) -> Vec<Restatement> {
        self.streams.iter().map(Restated::restated).collect()
    }

    /// Whether the fact is one of the edits' own: stated, taken back or put back by them.
    pub fn edits_slot(&self, slot: EventAddress) -> bool {
        self.edits.iter().any(|edit| edit.slot == slot)
    }

    /// The edit by which the fact stands there.
    pub fn edit_by(&self, at: EventAddress) -> Option<&Planned> {
        self.edits.iter().find(|edit| edit.after.as_ref().is_some_and(|(ruling, _)| *ruling == at))
    }

    /// Whether the command takes back all that one record says, and nothing came between: then rows are again what they were before it.
    /// Numbers that were given out stay.
    pub fn only_reverses(&self, d: &Deciding<'_>, stated: &[Edit]) -> Result<bool, TimelineUnavailable> {
        let Some(lsn) = stated.first().and_then(Edit::event).map(|at| at.lsn) else {
            return Ok(false);
        };
        if self.streams.iter().any(|stream| d.registry.version(stream.stream.row).1 != lsn) {
            return Ok(false);
        }
        let taken_back = stated.iter().map(|edit| match edit {
            Edit::Annul { event } if event.lsn == lsn => Some(self.slots.named(*event)),
            _ => None,
        });
        let Some(taken_back) = taken_back.collect::<Option<BTreeSet<EventAddress>>>() else {
            return Ok(false);
        };
        let mut said = BTreeSet::new();
        for index in 0.. {
            let at = EventAddress { lsn, index };
            let Some(event) = event_at(d, at)? else { break };
            use EventBody::{CorrectionApproved, EventAmended, PinCancelled, PinIssued};
            if !matches!(event.body, EventAmended(_) | PinCancelled(_) | PinIssued(_) | CorrectionApproved(_))
            {
                said.insert(at);
            }
        }
        Ok(said == taken_back)
    }

    /// Streams that read otherwise afterwards.
    pub fn changed(&self) -> impl Iterator<Item = &Restated> {
        self.streams.iter().filter(|stream| stream.before != stream.after)
    }

    /// The first day that an edit speaks of.
    pub fn first_day(&self) -> Option<event_schemas::time::Date> {
        let facts = self.edits.iter().flat_map(|edit| [&edit.before, &edit.after]);
        facts.flatten().map(|(_, event)| event.effective_on.earliest()).min()
    }
}

fn is_marker(event: &Event) -> bool {
    matches!(event.body, EventBody::EventAnnulled(_) | EventBody::EventAmended(_))
}

/// Reads all that was recorded of the rows that the edits speak of.
struct Reading {
    slots: Slots,
    read: BTreeSet<RowRef>,
}

impl Reading {
    fn of(d: &mut Deciding<'_>, stated: &[Edit]) -> Result<Option<Slots>, TimelineUnavailable> {
        let mut reading = Self { slots: Slots::default(), read: BTreeSet::new() };
        for (place, edit) in stated.iter().enumerate() {
            let field = format!("{EDITS}[{place}]");
            if let Some(at) = edit.event() {
                match event_at(d, at)? {
                    Some(event) => reading.take(d, at, &event)?,
                    None => d.fault(Code::UnknownEvent, &field, &[&at]),
                }
            }
            if let Some(fact) = edit.fact() {
                reading.rows_of_fact(d, &fact.body, &field)?;
            }
        }
        if reading.read.len() > MAX_ROWS {
            d.fault(Code::CorrectionTooLarge, EDITS, &[&reading.read.len(), &MAX_ROWS]);
        }
        Ok((!d.is_refused()).then_some(reading.slots))
    }

    /// Every row of an event, and of all that stood or stands in its slot.
    fn take(&mut self, d: &Deciding<'_>, at: EventAddress, event: &Event) -> Result<(), TimelineUnavailable> {
        self.slots.take(at, event);
        self.rows(d, streams_of(event).into_iter().map(|stream| stream.row).collect())?;
        loop {
            let slot = self.slots.slot_of(at);
            // What replaces an event may have moved to a row that was not read yet.
            let Some(next) = self.slots.unread(slot).find(|next| *next != at) else { return Ok(()) };
            match event_at(d, next)? {
                Some(event) => {
                    self.slots.take(next, &event);
                    self.rows(d, streams_of(&event).into_iter().map(|stream| stream.row).collect())?;
                }
                None => return Ok(()),
            }
        }
    }

    fn rows(&mut self, d: &Deciding<'_>, rows: Vec<RowRef>) -> Result<(), TimelineUnavailable> {
        for row in rows {
            if self.read.len() <= MAX_ROWS && self.read.insert(row) {
                for (at, event) in d.context.timelines.recorded(row)? {
                    self.slots.take(at, &event);
                }
            }
        }
        Ok(())
    }

    fn rows_of_fact(
        &mut self,
        d: &mut Deciding<'_>,
        body: &EventBody,
        field: &str,
    ) -> Result<(), TimelineUnavailable> {
        let mut rows = Vec::new();
        body.for_each_stream(|row, _| rows.push(row));
        for row in &rows {
            if d.registry.version(*row).0 != Version::NONE {
                continue;
            }
            match row {
                RowRef::Household(household) => d.fault(Code::UnknownHousehold, field, &[household]),
                _ => d.fault(Code::UnknownPerson, field, &[row]),
            }
        }
        if d.is_refused() { Ok(()) } else { self.rows(d, rows) }
    }
}

/// The slot of each edit, none for what was missing; nothing if one cannot be made.
fn targets(d: &mut Deciding<'_>, stated: &[Edit], slots: &Slots) -> Option<Vec<Option<EventAddress>>> {
    let mut targets: Vec<Option<EventAddress>> = Vec::with_capacity(stated.len());
    for (place, edit) in stated.iter().enumerate() {
        let field = format!("{EDITS}[{place}]");
        if let Some(fact) = edit.fact() {
            kinds::check_stated(d, fact, &field);
        }
        let target = match edit {
            Edit::Insert { fact } => {
                kinds::check_insert(d, fact, &field);
                targets.push(None);
                continue;
            }
            Edit::Annul { event } => annulled(d, slots, *event, &field),
            Edit::Amend { event, to } => {
                let target = ruled(d, slots, *event, &field);
                if let Some((_, (_, before))) = target {
                    kinds::check_amend(d, *event, before, to, &field);
                }
                target.map(|(slot, _)| slot)
            }
        };
        let Some(slot) = target else { continue };
        if targets.contains(&Some(slot)) {
            d.fault(Code::NamedTwice, &field, &[&edit.event().unwrap_or(slot)]);
        }
        targets.push(Some(slot));
    }
    (!d.is_refused()).then_some(targets)
}

/// A fact that holds, by any address of its slot.
fn ruled<'s>(
    d: &mut Deciding<'_>,
    slots: &'s Slots,
    at: EventAddress,
    field: &str,
) -> Option<(EventAddress, (EventAddress, &'s Event))> {
    let slot = slots.slot_of(at);
    if slots.is_annulment(at) {
        d.fault(Code::CorrectionUnsupported, field, &[&at]);
        return None;
    }
    let ruling = slots.ruling(slot);
    if ruling.is_none() {
        d.fault(Code::EventAnnulledAlready, field, &[&at]);
    }
    ruling.map(|ruling| (slot, ruling))
}

/// The slot that annulling what stands there changes: a fact that holds, or a correction in force.
fn annulled(d: &mut Deciding<'_>, slots: &Slots, at: EventAddress, field: &str) -> Option<EventAddress> {
    if slots.is_correction(at) {
        let named = slots.named(at);
        if !slots.is_in_force(named) {
            d.fault(Code::EventAnnulledAlready, field, &[&at]);
            return None;
        }
        let slot = slots.slot_of(named);
        // An annulment of a correction has no fact of its own; what it took back has.
        let fact = slots.facts_of(slot).next().map(|(_, fact)| fact.body.clone());
        if fact.is_some_and(|fact| !kinds::may_restore(&fact)) {
            d.fault(Code::CorrectionUnsupported, field, &[&at]);
        }
        return Some(slot);
    }
    let (slot, (_, fact)) = ruled(d, slots, at, field)?;
    if !kinds::may_annul(&fact.body) {
        d.fault(Code::CorrectionUnsupported, field, &[&at]);
    }
    Some(slot)
}

/// The record's events: for each edit what it does, and the fact that it states; and the place of each edit's first. Streams are not
/// named yet.
fn events_of(
    d: &Deciding<'_>,
    stated: &[Edit],
    first: u32,
    slots: &Slots,
    targets: &[Option<EventAddress>],
) -> (Vec<Event>, Vec<usize>) {
    let mut events: Vec<Event> = Vec::new();
    let mut first_of = Vec::with_capacity(targets.len());
    let marker = |on: PartialDate, body| Event {
        effective_on: on,
        basis: 0,
        class: Confidentiality::Basic,
        key_id: KeyId::NONE,
        body,
    };
    let today = PartialDate::of_day(d.today);
    for (edit, target) in stated.iter().zip(targets) {
        let before = target.and_then(|slot| slots.ruling(slot).or_else(|| slots.facts_of(slot).next()));
        let class = before.map_or(Confidentiality::Basic, |(_, event)| event.class);
        let streams = Vec::new();
        first_of.push(events.len());
        match edit {
            Edit::Annul { event } => {
                let event = slots.named(*event);
                events.push(marker(today, EventBody::EventAnnulled(EventAnnulled { event, streams })));
            }
            Edit::Amend { event, to } => {
                let (event, by) = (slots.named(*event), first + events.len() as u32 + 1);
                events.push(marker(today, EventBody::EventAmended(EventAmended { event, by, streams })));
                events.push(to.event(class));
            }
            Edit::Insert { fact } => events.push(fact.event(class)),
        }
    }
    (events, first_of)
}

/// Names in each marker the streams whose timelines it changes.
fn name_streams(stated: &[Edit], slots: &Slots, edits: &[Planned], events: &mut [Event]) {
    let mut markers = events.iter_mut().filter(|event| is_marker(event));
    let corrections = stated.iter().zip(edits).filter(|(edit, _)| edit.event().is_some());
    for (edit, planned) in corrections {
        let Some(marker) = markers.next() else { return };
        let mut named: BTreeSet<StreamRef> = BTreeSet::new();
        let rulings = [&planned.before, &planned.after].into_iter().flatten();
        rulings.for_each(|(_, event)| named.extend(streams_of(event)));
        if named.is_empty() {
            // Nothing ruled the slot and nothing will: what is taken back still names its rows.
            let fact = edit
                .event()
                .and_then(|at| slots.fact(at))
                .or_else(|| slots.facts_of(planned.slot).next().map(|(_, fact)| fact));
            named.extend(fact.map(streams_of).into_iter().flatten());
        }
        let named: Vec<StreamRef> = named.into_iter().collect();
        match &mut marker.body {
            EventBody::EventAnnulled(e) => e.streams = named,
            EventBody::EventAmended(e) => e.streams = named,
            _ => {}
        }
    }
}

/// Every stream that is restated, as it is without the events and with them.
fn restated(events: &[Event], before: &Slots, after: &Slots) -> Vec<Restated> {
    let (before, after) = (before.in_order(), after.in_order());
    let streams = restated_streams(events).into_iter();
    let restated = streams.map(|stream| Restated {
        stream,
        before: of_stream(&before, stream),
        after: of_stream(&after, stream),
    });
    restated.collect()
}

/// Streams of the record's events, and those of the same row that are restated with them: they share the row's latest day, which must
/// be known anew.
fn restated_streams(events: &[Event]) -> BTreeSet<StreamRef> {
    use Aspect as A;
    let mut streams = BTreeSet::new();
    for stream in events.iter().flat_map(streams_of) {
        let together: &[Aspect] = match (stream.row, stream.aspect) {
            (RowRef::Person(_), A::PermanentResidence | A::Membership) => {
                &[A::PermanentResidence, A::Membership]
            }
            (RowRef::Person(_), A::TemporaryResidence | A::TemporaryMembership) => {
                &[A::TemporaryResidence, A::TemporaryMembership]
            }
            (RowRef::Household(_), _) => &[A::Existence, A::HouseholdPlace, A::Composition],
            (RowRef::Card(_) | RowRef::Dossier(_), _) => &[A::Existence, A::Status],
            _ => &[],
        };
        streams.insert(stream);
        streams.extend(together.iter().map(|aspect| StreamRef { row: stream.row, aspect: *aspect }));
    }
    streams
}
