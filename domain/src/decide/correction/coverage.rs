//! What no longer holds together.
//!
//! Whatever is recorded must still make sense after the correction: each fact must find what it speaks of, and on every day the rows must
//! agree with each other. What did not make sense before is not the correction's fault. Every fact that no longer does, and that the
//! command does not edit itself, stands against it by its address.

use super::super::deciding::Deciding;
use super::days::{Days, Ties};
use super::plan::{Plan, Planned, Restated, Timeline};
use super::{EDITS, steps};
use crate::context::TimelineUnavailable;
use crate::refusal::Code;
use crate::rules::Rules;
use crate::timeline::in_valid_order;
use event_schemas::event::{Event, EventBody, Origin};
use event_schemas::ids::{EventAddress, PersonId};
use event_schemas::row::{Aspect, RowRef, StreamRef};
use event_schemas::time::{Date, PartialDate};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Most addresses that one refusal lists; more would follow from those.
const MAX_LISTED: usize = 50;

/// Before or after the correction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    Before,
    After,
}

/// Timelines of any rows, as they are before and after.
pub struct Book<'p> {
    d: &'p Deciding<'p>,
    plan: &'p Plan,
    others: RefCell<BTreeMap<StreamRef, Timeline>>,
}

impl<'p> Book<'p> {
    pub fn new(d: &'p Deciding<'p>, plan: &'p Plan) -> Self {
        Self { d, plan, others: RefCell::new(BTreeMap::new()) }
    }

    /// The rules that decide.
    pub fn rules(&self) -> &'p Rules {
        self.d.context.rules
    }

    /// Calls `visit` with a stream's timeline.
    pub fn with<T>(
        &self,
        stream: StreamRef,
        which: Which,
        visit: impl FnOnce(&[(EventAddress, Event)]) -> T,
    ) -> Result<T, TimelineUnavailable> {
        if let Ok(place) = self.plan.streams.binary_search_by_key(&stream, |restated| restated.stream) {
            let Restated { before, after, .. } = &self.plan.streams[place];
            return Ok(visit(if which == Which::Before { before } else { after }));
        }
        if let Some(known) = self.others.borrow().get(&stream) {
            return Ok(visit(known));
        }
        let timeline = in_valid_order(self.d.context.timelines.stream(stream)?);
        let result = visit(&timeline);
        self.others.borrow_mut().insert(stream, timeline);
        Ok(result)
    }

    /// A copy of a stream's timeline.
    pub fn timeline(&self, stream: StreamRef, which: Which) -> Result<Timeline, TimelineUnavailable> {
        self.with(stream, which, <[_]>::to_vec)
    }

    /// The opened day.
    pub fn today(&self) -> Date {
        self.d.today
    }

    /// When the person died, if so.
    pub fn death(&self, person: PersonId, which: Which) -> Result<Option<PartialDate>, TimelineUnavailable> {
        self.with(stream(person, Aspect::Life), which, |timeline| {
            timeline.last().map(|(_, event)| event.effective_on)
        })
    }
}

/// One aspect of a person.
pub fn stream(person: PersonId, aspect: Aspect) -> StreamRef {
    StreamRef { row: RowRef::Person(person), aspect }
}

/// What stands against the correction so far.
#[derive(Default)]
pub struct Against {
    /// Facts that the command does not edit.
    pub facts: BTreeSet<EventAddress>,
    /// Edits whose fact does not fit.
    pub edits: BTreeSet<String>,
}

impl Against {
    /// A fact that no longer holds together with the rest.
    pub fn note(&mut self, plan: &Plan, at: EventAddress) {
        match plan.edit_by(at) {
            Some(edit) => self.edits.insert(edit.field.clone()),
            None => self.facts.insert(at),
        };
    }
}

pub fn check(d: &mut Deciding<'_>, plan: &Plan) -> Result<(), TimelineUnavailable> {
    let mut against = Against::default();
    {
        let book = Book::new(d, plan);
        for stream in streams_to_walk(plan) {
            let no_longer = steps::no_longer_possible(&book, stream)?;
            no_longer.into_iter().for_each(|at| against.note(plan, at));
        }
        note_siblings(plan, &mut against);
        for person in lives_changed(plan) {
            note_outside_of_life(&book, person, &mut against)?;
        }
        let ties = Ties::of(&book, plan)?;
        match Days::of(&book, plan, &ties) {
            Ok(days) => days?.check(&mut against)?,
            Err(too_many) => {
                let fault = Code::CorrectionTooLarge;
                let max = super::days::MAX_WORK;
                d.fault(fault, EDITS, &[&too_many, &max]);
                return Ok(());
            }
        }
    }
    tell(d, against);
    Ok(())
}

/// Adds the faults for all that was found.
pub fn tell(d: &mut Deciding<'_>, against: Against) {
    for field in &against.edits {
        d.fault(Code::CorrectionDoesNotFit, field, &[]);
    }
    if !against.facts.is_empty() {
        let listed: Vec<EventAddress> = against.facts.iter().copied().take(MAX_LISTED).collect();
        let shown: Vec<String> = listed.iter().map(EventAddress::to_string).collect();
        d.fault_about(Code::CorrectionNotCovered, EDITS, &[&shown.join(", ")], listed);
    }
}

/// Changed streams; and where a life changes, all in which things end with it.
fn streams_to_walk(plan: &Plan) -> BTreeSet<StreamRef> {
    let mut streams: BTreeSet<StreamRef> = plan.changed().map(|restated| restated.stream).collect();
    for person in persons_changed(plan, Aspect::Life) {
        let ended_by_death = [
            Aspect::PermanentResidence,
            Aspect::TemporaryResidence,
            Aspect::Membership,
            Aspect::TemporaryMembership,
            Aspect::Marriage,
            Aspect::Cards,
        ];
        streams.extend(ended_by_death.map(|aspect| stream(person, aspect)));
    }
    streams
}

fn persons_changed(plan: &Plan, aspect: Aspect) -> impl Iterator<Item = PersonId> + '_ {
    plan.changed().filter_map(move |restated| match restated.stream {
        StreamRef { row: RowRef::Person(person), aspect: changed } if changed == aspect => Some(person),
        _ => None,
    })
}

fn lives_changed(plan: &Plan) -> BTreeSet<PersonId> {
    let persons = plan.changed().filter_map(|restated| match restated.stream.row {
        RowRef::Person(person) => Some(person),
        _ => None,
    });
    persons.collect()
}

/// What was recorded with a birth or a death and bears its date moves with it: its own command, decided again, would say so.
fn note_siblings(plan: &Plan, against: &mut Against) {
    for edit in &plan.edits {
        let (Some((_, before)), after) = (&edit.before, &edit.after) else { continue };
        let dates_others = match &before.body {
            EventBody::PersonRegistered(e) => matches!(e.origin, Origin::Birth(_)),
            EventBody::DeathRegistered(_) => true,
            _ => false,
        };
        let moved = after.as_ref().is_some_and(|(_, after)| after.effective_on != before.effective_on);
        if dates_others && moved {
            siblings(plan, edit, before.effective_on).into_iter().for_each(|at| against.note(plan, at));
        }
    }
}

fn siblings(plan: &Plan, edit: &Planned, on: PartialDate) -> Vec<EventAddress> {
    let slots = &plan.slots;
    let beside = (0..).map(|index| EventAddress { lsn: edit.slot.lsn, index });
    let beside = beside.take(event_schemas::record::MAX_EVENTS).filter(|at| slots.fact(*at).is_some());
    let ruling = beside.filter(|at| *at != edit.slot && slots.slot_of(*at) == *at);
    let ruling = ruling.filter(|slot| !plan.edits_slot(*slot)).filter_map(|slot| slots.ruling(slot));
    ruling.filter(|(_, event)| event.effective_on == on).map(|(at, _)| at).collect()
}

/// Facts of a person's own doing before the birth or after the death, or of nobody, that were not so before.
fn note_outside_of_life(
    book: &Book<'_>,
    person: PersonId,
    against: &mut Against,
) -> Result<(), TimelineUnavailable> {
    let before: BTreeSet<EventAddress> = outside_of_life(book, person, Which::Before)?.into_iter().collect();
    for at in outside_of_life(book, person, Which::After)? {
        if !before.contains(&at) {
            against.note(book.plan, at);
        }
    }
    Ok(())
}

fn outside_of_life(
    book: &Book<'_>,
    person: PersonId,
    which: Which,
) -> Result<Vec<EventAddress>, TimelineUnavailable> {
    let born = super::identity::born(book, person, which)?;
    let is_registered = born.is_some();
    let born = born.map_or(Date(i32::MIN), PartialDate::earliest);
    let died = book.death(person, which)?.map_or(Date(i32::MAX), PartialDate::latest);
    let mut outside = Vec::new();
    for aspect in [
        Aspect::Identity,
        Aspect::Life,
        Aspect::PermanentResidence,
        Aspect::TemporaryResidence,
        Aspect::Membership,
        Aspect::TemporaryMembership,
        Aspect::Marriage,
        Aspect::Cards,
        Aspect::Kinship,
    ] {
        // A link to a parent or child says on which day it holds, and not that somebody did anything: it only needs a person.
        if is_registered && aspect == Aspect::Kinship {
            continue;
        }
        book.with(stream(person, aspect), which, |timeline| {
            let is_outside = |event: &Event| {
                let day = event.effective_on;
                !is_registered
                    || day.latest() < born
                    || steps::needs_living(&event.body, person) && day.earliest() > died
            };
            outside.extend(timeline.iter().filter(|(_, event)| is_outside(event)).map(|(at, _)| *at));
        })?;
    }
    Ok(outside)
}
