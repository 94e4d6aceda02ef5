//! Corrections: edits of what is recorded, by address.
//!
//! Layout: this file decides the command; [`plan`] finds what the edits speak of and what every changed stream becomes; [`kinds`] says
//! which facts can be edited how; [`coverage`] finds what no longer holds together, with [`steps`] for one stream after the other and
//! [`days`] for the rows on one day; [`identity`] judges what rests on sex and date of birth, and establishes numbers anew; [`approval`]
//! says what takes a second officer, and [`proposal`] is how two officers make a correction.

mod approval;
mod coverage;
mod days;
mod identity;
mod kinds;
mod plan;
mod proposal;
mod steps;

pub use proposal::MAX_OPEN_PROPOSALS;
pub(super) use proposal::{approve, propose, proposed};

use super::deciding::{Deciding, touches_of};
use crate::context::TimelineUnavailable;
use crate::refusal::Code;
use event_schemas::basis::BasisKind;
use event_schemas::codec::encode;
use event_schemas::command::Correct;
use event_schemas::correction::{
    CorrectionDigest, CorrectionEffect, Edit, MAX_EDITS, StatedFact, StreamChange,
};
use event_schemas::event::{Event, EventBody};
use event_schemas::ids::{EventAddress, Lsn};
use event_schemas::operation::{LeftOutReason, StagedCorrection};
use event_schemas::record::{Restatement, encode_event_bytes};
use event_schemas::row::{RowRef, RowTouch};
use event_schemas::time::PartialDate;
use plan::{Plan, event_at};
use xxhash_rust::xxh3::xxh3_128;

const EDITS: &str = "command.correct.edits";

/// How many officers stand behind a correction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Officers {
    One,
    Two,
}

pub(super) fn correct(d: &mut Deciding<'_>, command: &Correct) {
    judge(d, command, Officers::One);
}

fn judge(d: &mut Deciding<'_>, command: &Correct, officers: Officers) {
    if !d.check_count(command.edits.len(), MAX_EDITS, EDITS) {
        return;
    }
    check_ground(d);
    if let Err(TimelineUnavailable { .. }) = decide(d, command, officers) {
        d.fault(Code::HistoryUnavailable, EDITS, &[]);
    }
}

fn decide(d: &mut Deciding<'_>, command: &Correct, officers: Officers) -> Result<(), TimelineUnavailable> {
    let Some(plan) = Plan::of(d, &command.edits, 0)? else { return Ok(()) };
    // What stood before a record can stand again: whatever was wrong with it is not for the reversal to mend.
    if !plan.only_reverses(d, &command.edits)? {
        coverage::check(d, &plan)?;
        identity::check(d, &plan)?;
    }
    if officers == Officers::One && !d.is_refused() {
        approval::check(d, &plan);
    }
    if d.is_refused() {
        return Ok(());
    }
    plan.events.iter().for_each(|event| d.emit_event(event.clone()));
    let stated = d.events().len();
    identity::reestablish_numbers(d, &plan, &command.reason);
    let consequences = d.events()[stated..]
        .iter()
        .map(|event| StatedFact { effective_on: event.effective_on, body: event.body.clone() });
    let consequences = consequences.collect();
    let restated = plan.restated();
    let digest = digest_of(d, command, &plan);
    if let Some(expected) = command.expects_digest.filter(|expected| *expected != digest) {
        d.fault(Code::StaleDigest, "command.correct.expects_digest", &[&digest, &expected]);
    }
    let changed = plan.streams.iter().filter(|stream| stream.before != stream.after);
    let streams = changed.map(|stream| StreamChange::of(&stream.before, &stream.restated())).collect();
    d.restate(restated);
    d.tell(CorrectionEffect { digest, streams, consequences });
    Ok(())
}

/// What a correction says and does that takes effect with an operation, its first event at the place `first`. `is_sound` says that what
/// it leads to stood before and needs no comparison.
pub(super) fn stage(
    d: &mut Deciding<'_>,
    edits: &[Edit],
    first: u32,
    is_sound: bool,
) -> Option<StagedCorrection> {
    if !d.check_count(edits.len(), MAX_EDITS, EDITS) {
        return None;
    }
    let staged = staged(d, edits, first, is_sound);
    staged.unwrap_or_else(|TimelineUnavailable { .. }| {
        d.fault(Code::HistoryUnavailable, EDITS, &[]);
        None
    })
}

fn staged(
    d: &mut Deciding<'_>,
    edits: &[Edit],
    first: u32,
    is_sound: bool,
) -> Result<Option<StagedCorrection>, TimelineUnavailable> {
    let Some(plan) = Plan::of(d, edits, first)? else { return Ok(None) };
    kinds::check_in_bulk(d, &plan.edits);
    if !is_sound && !d.is_refused() {
        coverage::check(d, &plan)?;
        identity::check(d, &plan)?;
    }
    if d.is_refused() {
        return Ok(None);
    }
    let mut restatements = plan.restated();
    let addresses = restatements.iter_mut().flat_map(|restated| &mut restated.timeline);
    addresses.filter(|(at, _)| at.lsn == d.context.lsn).for_each(|(at, _)| at.lsn = Lsn::ZERO);
    let rows = touches_of(d.registry, &plan.events);
    Ok(Some(StagedCorrection { events: plan.events, rows, restatements }))
}

/// What a staged correction does to rows that moved since, should it still say the same.
pub(super) struct StagedAgain {
    pub rows: Vec<RowTouch>,
    pub restatements: Vec<Restatement>,
}

/// Derives a staged correction again, some of whose rows moved after its part at `part`; its first event is at the place `first`. Why it
/// is left out if it would be another now, or no longer holds together with what came since.
pub(super) fn stage_again(
    d: &mut Deciding<'_>,
    item: &StagedCorrection,
    first: u32,
    part: Lsn,
) -> Result<Result<StagedAgain, LeftOutReason>, TimelineUnavailable> {
    let edits = edits_of(item, first);
    let (planned, faults) = d.apart(|d| -> Result<Option<Plan>, TimelineUnavailable> {
        let Some(plan) = Plan::of(d, &edits, first)? else { return Ok(None) };
        coverage::check(d, &plan)?;
        identity::check(d, &plan)?;
        Ok(Some(plan))
    });
    let Some(plan) = planned?.filter(|plan| is_the_same(d, plan, item, part)) else {
        return Ok(Err(LeftOutReason::Moved));
    };
    if !faults.is_empty() {
        return Ok(Err(LeftOutReason::NotCovered));
    }
    let rows = touches_of(d.registry, &plan.events);
    Ok(Ok(StagedAgain { rows, restatements: plan.restated() }))
}

/// The edits that led to a staged correction.
fn edits_of(item: &StagedCorrection, first: u32) -> Vec<Edit> {
    let fact = |place: usize| {
        let event = &item.events[place];
        StatedFact { effective_on: event.effective_on, body: event.body.clone() }
    };
    let mut edits = Vec::new();
    let mut place = 0;
    while let Some(event) = item.events.get(place) {
        match &event.body {
            EventBody::EventAnnulled(e) => edits.push(Edit::Annul { event: e.event }),
            EventBody::EventAmended(e) => {
                place = (e.by - first) as usize;
                edits.push(Edit::Amend { event: e.event, to: fact(place) });
            }
            _ => edits.push(Edit::Insert { fact: fact(place) }),
        }
        place += 1;
    }
    edits
}

/// Whether the edits still say what was staged, and change what they changed then: no other correction spoke of it since. The day of a
/// marker is the day on which it was derived.
fn is_the_same(d: &Deciding<'_>, plan: &Plan, item: &StagedCorrection, part: Lsn) -> bool {
    let without_day = |event: &Event| match event.body {
        EventBody::EventAnnulled(_) | EventBody::EventAmended(_) => {
            Event { effective_on: PartialDate::of_day(d.today), ..event.clone() }
        }
        _ => event.clone(),
    };
    let same_events = plan.events.len() == item.events.len()
        && plan.events.iter().zip(&item.events).all(|(one, other)| without_day(one) == without_day(other));
    let is_corrected = |edit: &plan::Planned| {
        let slot = edit.slot;
        slot.lsn != d.context.lsn && plan.slots.is_corrected_between(slot, part, d.context.lsn)
    };
    same_events && !plan.edits.iter().any(is_corrected)
}

/// A record is not corrected on somebody's word alone (Law 60/2014/QH13 Art. 28, 46–47).
pub(super) fn check_ground(d: &mut Deciding<'_>) {
    let basis = &d.envelope.basis;
    if ![BasisKind::Agency, BasisKind::Court].contains(&basis.kind) || basis.number.is_none() {
        d.fault(Code::CorrectionBasisMissing, "basis", &[]);
    }
}

/// Edits, versions of the rows and resulting timelines. Not the lsn that the record happens to get, and no number that it draws: those are
/// not reserved by a dry run.
fn digest_of(d: &Deciding<'_>, command: &Correct, plan: &Plan) -> CorrectionDigest {
    let own = d.context.lsn;
    let mut bytes = encode(&(&command.edits, &command.reason)).expect("a command that was read is written");
    for touch in d.touches() {
        bytes.extend(encode(&touch).expect("numbers are written"));
    }
    for stream in &plan.streams {
        bytes.extend(encode(&stream.stream).expect("numbers are written"));
        for (at, event) in &stream.after {
            let lsn = if at.lsn == own { Lsn::ZERO } else { at.lsn };
            bytes.extend(encode(&EventAddress { lsn, index: at.index }).expect("numbers are written"));
            bytes.extend(encode_event_bytes(event).expect("an event that was read is written"));
        }
    }
    CorrectionDigest(xxh3_128(&bytes))
}

/// Rows that a correction's edits speak of, each as the command names it, for competence.
pub(super) fn rows_of(d: &Deciding<'_>, edits: &[Edit]) -> Result<Vec<(RowRef, String)>, Missing> {
    let mut rows: Vec<(RowRef, String)> = Vec::new();
    for edit in edits.iter().take(MAX_EDITS) {
        if let Some(at) = edit.event() {
            let event = event_at(d, at).map_err(|_| Missing::History)?.ok_or(Missing::Event(at))?;
            event.body.for_each_stream(|row, _| rows.push((row, at.to_string())));
        }
        if let Some(fact) = edit.fact() {
            fact.body.for_each_stream(|row, _| rows.push((row, row.to_string())));
        }
    }
    rows.sort_unstable();
    rows.dedup_by_key(|(row, _)| *row);
    Ok(rows)
}

/// Why the rows of a correction are not known.
pub(super) enum Missing {
    History,
    Event(EventAddress),
}
