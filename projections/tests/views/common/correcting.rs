//! Corrections as records that carry restatements: events taken back or given another content, and corrections taken back in turn.

use super::town::{Town, WARDS, names, place};
use super::{Scribe, event};
use event_log::LogSource;
use event_schemas::defect::DefectKind;
use event_schemas::event::{DefectCleared, Event, EventBody};
use event_schemas::ids::{EventAddress, Lsn};
use event_schemas::record::{AdmittedEntry, Restatement};
use event_schemas::row::{RowRef, StreamRef};
use event_schemas::time::PartialDate;
use std::collections::BTreeSet;

/// What a correction says of an event, or of another correction.
#[derive(Clone, PartialEq, Debug)]
pub enum Edit {
    Annul(EventAddress),
    Amend(EventAddress, Box<Event>),
    Reverse(Lsn),
}

/// Every correction made so far, in the order of records.
#[derive(Default)]
pub struct Corrections {
    pub said: Vec<(Lsn, Edit)>,
    rulings: Vec<Ruling>,
}

struct Ruling {
    slot: EventAddress,
    /// None takes the event back.
    event: Option<Event>,
    stands: bool,
    /// The correction, and what took it back and forth.
    records: Vec<Lsn>,
}

/// Every event of the log as it was recorded, with its address.
pub fn stated(scribe: &Scribe) -> Vec<(EventAddress, Event)> {
    let source = scribe.log.source();
    let mut events = Vec::new();
    for lsn in (1..=scribe.log.last_lsn().0).map(Lsn) {
        let entry = AdmittedEntry::decode(lsn, &source.fetch(lsn).unwrap().unwrap()).unwrap();
        for (index, event) in entry.changes().into_iter().flat_map(|changes| &changes.events).enumerate() {
            events.push((EventAddress { lsn, index: index as u32 }, event.clone()));
        }
    }
    events
}

fn can_be_corrected(event: &Event) -> bool {
    use EventBody as E;
    // Numbers that a commit gave stand in no event, so a timeline of numbers cannot be restated from events alone.
    !matches!(
        event.body,
        E::UnitEstablished(_)
            | E::OfficeRegistered(_)
            | E::PinIssued(_)
            | E::PinAccepted(_)
            | E::DefectCleared(_)
    ) && !matches!(
        event.body,
        E::OperationOpened(_)
            | E::OperationPart(_)
            | E::OperationApproved(_)
            | E::OperationCommitted(_)
            | E::OperationAbandoned(_)
    )
}

impl Corrections {
    /// One correction of whatever `which` falls on; none if nothing has been recorded that could be corrected.
    pub fn correct(&mut self, town: &mut Town, which: u32) {
        let events: Vec<_> =
            stated(&town.scribe).into_iter().filter(|(_, event)| can_be_corrected(event)).collect();
        if which.is_multiple_of(4) && !self.rulings.is_empty() {
            let place = (which / 4) as usize % self.rulings.len();
            return self.reverse(town, place);
        }
        let Some((slot, event)) = events.get((which as usize / 3) % events.len().max(1)).cloned() else {
            return;
        };
        let (edit, ruled) = match which % 3 {
            0 => (Edit::Annul(slot), None),
            _ => {
                let amended = amended(town, event, which);
                (Edit::Amend(slot, Box::new(amended.clone())), Some(amended))
            }
        };
        self.rule(town, slot, edit, ruled);
    }

    /// The event at `slot` never was.
    pub fn annul(&mut self, town: &mut Town, slot: EventAddress) {
        self.rule(town, slot, Edit::Annul(slot), None);
    }

    fn rule(&mut self, town: &mut Town, slot: EventAddress, edit: Edit, ruled: Option<Event>) {
        self.rulings.push(Ruling { slot, event: ruled, stands: true, records: Vec::new() });
        let lsn = self.record(town, slot);
        self.rulings.last_mut().unwrap().records.push(lsn);
        self.said.push((lsn, edit));
    }

    fn reverse(&mut self, town: &mut Town, place: usize) {
        self.rulings[place].stands = !self.rulings[place].stands;
        let (slot, last) = (self.rulings[place].slot, *self.rulings[place].records.last().unwrap());
        let lsn = self.record(town, slot);
        self.rulings[place].records.push(lsn);
        self.said.push((lsn, Edit::Reverse(last)));
    }

    /// Records the timelines of all streams that the event at `slot` belongs to.
    fn record(&self, town: &mut Town, slot: EventAddress) -> Lsn {
        let events = stated(&town.scribe);
        let mut streams = BTreeSet::new();
        let (_, corrected) = events.iter().find(|(at, _)| *at == slot).unwrap();
        corrected.body.for_each_stream(|row, aspect| {
            streams.insert(StreamRef { row, aspect });
        });
        let restatements: Vec<Restatement> =
            streams.iter().map(|stream| self.restate(*stream, &events)).collect();
        let row = streams.first().unwrap().row;
        let reason = "a correction".parse().unwrap();
        let carrier = DefectCleared { row, defect: DefectKind::ParentsMissing, reason };
        let mut changes = town.scribe.changes(vec![event(town.today, EventBody::DefectCleared(carrier))]);
        let lsn = town.scribe.log.last_lsn().next();
        let rows: BTreeSet<RowRef> =
            streams.iter().map(|stream| stream.row).filter(|other| *other != row).collect();
        changes.rows.extend(rows.into_iter().map(|row| town.scribe.touch(row, lsn)));
        for restated in &restatements {
            town.scribe.timelines.insert(restated.stream, restated.timeline.clone());
        }
        changes.restatements.extend(restatements);
        town.scribe.append(changes)
    }

    fn restate(&self, stream: StreamRef, events: &[(EventAddress, Event)]) -> Restatement {
        let mut timeline = Vec::new();
        for (at, event) in events {
            let mut belongs = false;
            event.body.for_each_stream(|row, aspect| belongs |= StreamRef { row, aspect } == stream);
            let ruling = self.rulings.iter().rev().find(|ruling| ruling.slot == *at && ruling.stands);
            let ruled = ruling.map_or(Some(event), |ruling| ruling.event.as_ref());
            timeline.extend(ruled.filter(|_| belongs).map(|event| (*at, event.clone())));
        }
        timeline.sort_by_key(|(at, event)| (event.effective_on.earliest(), *at));
        Restatement { stream, timeline }
    }
}

/// Another name, another unit, or another day.
fn amended(town: &Town, mut event: Event, which: u32) -> Event {
    match &mut event.body {
        EventBody::NameChanged(changed) => changed.names = names(["Giang", "Hà"][which as usize % 2]),
        EventBody::PermanentResidenceRegistered(registered) if which.is_multiple_of(2) => {
            registered.place = place(WARDS[which as usize / 2 % 2]);
        }
        _ => {
            let moved = event.effective_on.earliest().plus_days(which as i32 % 61 - 30);
            event.effective_on = PartialDate::of_day(moved.min(town.today));
        }
    }
    event
}
