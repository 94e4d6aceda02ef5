//! Corrections in bulk: edits that the officer states part by part, or the taking back of what another operation corrected; and what
//! becomes of those whose rows moved since.

use super::correction::{self, StagedAgain};
use super::deciding::Deciding;
use super::operation::{check_part, emit_part, in_parts, room};
use super::pins_in_bulk::{Judged, Selected};
use crate::refusal::Code;
use crate::registry::operations::{OperationRow, Staged};
use crate::registry::rows::ABROAD;
use event_schemas::command::StageCorrections;
use event_schemas::correction::Edit;
use event_schemas::event::{EventBody, OperationCommitted};
use event_schemas::ids::{EventAddress, Lsn, OperationId, PersonId, UnitId, Version};
use event_schemas::operation::{
    Corrections, LeftOut, LeftOutReason, MAX_MOVED_ROWS, MAX_PART_EDITS, MovedRow, OperationKind,
    OperationStatus, PartContent, StagedCorrection, StagedCorrections,
};
use event_schemas::record::MAX_EVENTS;
use event_schemas::row::{RowRef, RowTouch};
use std::collections::BTreeSet;

/// Most items of a part that a refusal tells of.
const MAX_FAULTY_ITEMS: usize = 100;
/// Where faults of edits stand that are judged as those of a single command.
const SINGLE: &str = "command.correct";

/// What is to be taken back was committed.
pub(super) fn check_opening(d: &mut Deciding<'_>, reverses: Option<OperationId>, field: &str) {
    let Some(of) = reverses else { return };
    let is_done = d.registry.operation(of).is_some_and(|row| {
        matches!(row.kind, OperationKind::Corrections(_)) && row.status == OperationStatus::Committed
    });
    if !is_done {
        d.fault(Code::NothingToReverse, field, &[&of]);
    }
}

pub(super) fn stage(d: &mut Deciding<'_>, command: &StageCorrections) {
    let (id, field) = (command.operation, "command.stage_corrections.operation");
    let Some(row) = in_parts(d, id, field) else { return };
    let OperationKind::Corrections(Corrections { unit, reverses: None }) = row.kind else {
        d.fault_with(Code::OperationOfOtherKind, field, &[&row.kind.name()], RowRef::Operation(id));
        return;
    };
    if row.status != OperationStatus::Open {
        d.fault(Code::NothingToStage, field, &[&id]);
    }
    check_part(d, row, command.part, "command.stage_corrections.part");
    let edits: usize = command.items.iter().map(Vec::len).sum();
    d.check_count(edits, MAX_PART_EDITS, "command.stage_corrections.items");
    correction::check_ground(d);
    if d.is_refused() {
        return;
    }
    let mut part = Part::new(d, id);
    let mut faulty = 0;
    for (place, edits) in command.items.iter().enumerate() {
        let (item, faults) = d.apart(|d| {
            let item = correction::stage(d, edits, part.next_event(), false);
            d.rename_fields(SINGLE, &format!("command.stage_corrections.items[{place}]"));
            item
        });
        faulty += usize::from(!faults.is_empty());
        d.add_faults(faults);
        if let Some(item) = item {
            let field = format!("command.stage_corrections.items[{place}]");
            part.check(d, unit, &item, &field);
            part.push(item);
        }
        if faulty >= MAX_FAULTY_ITEMS {
            break;
        }
    }
    if part.rows.len() > room(d, id) {
        d.fault(Code::OperationFull, field, &[&row.parts, &row.parts]);
    }
    if !d.is_refused() {
        emit_part(d, id, row, part.selected(Vec::new(), command.is_last));
    }
}

/// A part in the making.
struct Part {
    staged: StagedCorrections,
    rows: BTreeSet<RowRef>,
    operation: OperationId,
}

impl Part {
    fn new(d: &Deciding<'_>, operation: OperationId) -> Self {
        let first_event = d.registry.staged(operation).map_or(0, |staged| staged.events) + 1;
        let staged = StagedCorrections { first_event, items: Vec::new() };
        Self { staged, rows: BTreeSet::new(), operation }
    }

    fn next_event(&self) -> u32 {
        self.staged.first_event + self.staged.count_events() as u32
    }

    /// Each row is touched once, and its people are at home in the operation's area.
    fn check(&self, d: &mut Deciding<'_>, area: Option<UnitId>, item: &StagedCorrection, field: &str) {
        for touch in &item.rows {
            let before = d.registry.staged(self.operation);
            let is_staged = before.is_some_and(|staged| staged.corrected.contains_key(&touch.row));
            if is_staged || self.rows.contains(&touch.row) {
                d.fault_with(Code::RowStagedTwice, field, &[&touch.row], touch.row);
            }
            if is_elsewhere(d, area, touch.row) {
                d.fault_with(Code::OutsideOperation, field, &[&touch.row], touch.row);
            }
        }
    }

    fn push(&mut self, item: StagedCorrection) {
        self.rows.extend(item.rows.iter().map(|touch| touch.row));
        self.staged.items.push(item);
    }

    fn selected(self, mut left_out: Vec<LeftOut>, is_complete: bool) -> Selected {
        left_out.sort_unstable_by_key(|left_out| left_out.row);
        let content = PartContent::Corrections(self.staged);
        Selected { content, left_out, looked_at: PersonId::NONE, is_complete }
    }
}

/// The next part takes back the part of the same number of another operation. What came between stays: a correction on which it rests
/// is left out.
pub(super) fn reverse(
    d: &mut Deciding<'_>,
    id: OperationId,
    row: &OperationRow,
    of: OperationId,
    field: &str,
) -> Option<Selected> {
    let Some((lsn, committed)) = committed(d, of) else {
        d.fault(Code::HistoryUnavailable, field, &[]);
        return None;
    };
    let mut parts: Vec<Lsn> = committed.parts.iter().map(|part| part.lsn).collect();
    parts.dedup();
    let Some(PartContent::Corrections(said)) =
        parts.get(row.parts as usize).and_then(|part| content(d, *part))
    else {
        d.fault(Code::HistoryUnavailable, field, &[]);
        return None;
    };
    let mut part = Part::new(d, id);
    let mut left_out = Vec::new();
    for (first, item) in said.placed().filter(|(_, item)| !committed.leaves_out(item)) {
        let edits = taking_back(item, lsn, first);
        let is_untouched = item.rows.iter().all(|touch| d.registry.version(touch.row).1 == lsn);
        let (reversed, _) = d.apart(|d| correction::stage(d, &edits, part.next_event(), is_untouched));
        match reversed {
            Some(reversed) => part.push(reversed),
            None => {
                let reason = LeftOutReason::NotCovered;
                left_out.extend(item.rows.iter().map(|touch| LeftOut { row: touch.row, reason }));
            }
        }
    }
    Some(part.selected(left_out, row.parts as usize + 1 == parts.len()))
}

/// The commit of an operation, and where it stands.
fn committed(d: &Deciding<'_>, of: OperationId) -> Option<(Lsn, OperationCommitted)> {
    let lsn = d.registry.operation(of)?.last_lsn;
    let event = d.context.timelines.event(EventAddress { lsn, index: 0 }).ok().flatten()?;
    match event.body {
        EventBody::OperationCommitted(committed) => Some((lsn, committed)),
        _ => None,
    }
}

fn content(d: &Deciding<'_>, part: Lsn) -> Option<PartContent> {
    let event = d.context.timelines.event(EventAddress { lsn: part, index: 0 }).ok().flatten()?;
    match event.body {
        EventBody::OperationPart(part) => Some(part.content),
        _ => None,
    }
}

/// Annuls all that a correction says; what it put in another's place by the event that says so.
fn taking_back(item: &StagedCorrection, lsn: Lsn, first: u32) -> Vec<Edit> {
    let put_in_place: BTreeSet<u32> = item
        .events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::EventAmended(e) => Some(e.by),
            _ => None,
        })
        .collect();
    let said = item.events_at(lsn, first).filter(|(at, _)| !put_in_place.contains(&at.index));
    said.map(|(event, _)| Edit::Annul { event }).collect()
}

/// A correction one of whose rows moved since its part is derived again from the timelines as they are now, and takes effect with the
/// commit's own record; it is left out whole if it would be another, or no longer holds together. Nothing if the command is refused.
pub(super) fn judge_moved(
    d: &mut Deciding<'_>,
    area: Option<UnitId>,
    staged: &Staged,
    field: &str,
) -> Option<Judged> {
    let mut judged = Judged { moved: Vec::new(), left_out: Vec::new() };
    let moved = MovedItems::of(d, staged);
    if moved.rows.len() > MAX_MOVED_ROWS as usize {
        d.fault(Code::TooManyMoved, field, &[&moved.rows.len(), &MAX_MOVED_ROWS]);
        return None;
    }
    let mut timelines = 0;
    for part in moved.parts(staged) {
        let Some(PartContent::Corrections(said)) = content(d, part) else {
            d.fault(Code::HistoryUnavailable, field, &[]);
            return None;
        };
        for (first, item) in said.placed().filter(|(_, item)| moved.holds(item)) {
            let Ok(again) = correction::stage_again(d, item, first, part) else {
                d.fault(Code::HistoryUnavailable, field, &[]);
                return None;
            };
            let again = again.and_then(|again| match lies_elsewhere(d, area, &again.rows) {
                true => Err(LeftOutReason::Elsewhere),
                false => Ok(again),
            });
            match again {
                Ok(StagedAgain { rows, restatements }) => {
                    timelines += restatements.len();
                    let before = |touch: &RowTouch| MovedRow {
                        row: touch.row,
                        version: Version(touch.version.0 - 1),
                        last: touch.previous,
                    };
                    judged.moved.extend(rows.iter().map(before));
                    d.restate_rows(rows, restatements);
                }
                Err(reason) => {
                    judged.left_out.extend(item.rows.iter().map(|it| LeftOut { row: it.row, reason }));
                }
            }
            // A record holds no more timelines.
            if timelines > MAX_EVENTS {
                d.fault(Code::TooManyMoved, field, &[&moved.rows.len(), &judged.moved.len()]);
                return None;
            }
        }
    }
    judged.moved.sort_unstable_by_key(|moved| moved.row);
    judged.left_out.sort_unstable_by_key(|left_out| left_out.row);
    Some(judged)
}

/// Corrections some of whose rows moved since their part.
struct MovedItems {
    /// All rows of these corrections.
    rows: BTreeSet<RowRef>,
}

impl MovedItems {
    fn of(d: &Deciding<'_>, staged: &Staged) -> Self {
        let moved = |row: &RowRef, version| d.registry.version(*row).0 != version;
        let corrected = staged.corrected.iter();
        let items: BTreeSet<u32> =
            corrected.clone().filter(|(row, it)| moved(row, it.version)).map(|(_, it)| it.item).collect();
        Self { rows: corrected.filter(|(_, it)| items.contains(&it.item)).map(|(row, _)| *row).collect() }
    }

    /// Where they are staged, in the order of the parts.
    fn parts(&self, staged: &Staged) -> Vec<Lsn> {
        let holding =
            staged.parts.iter().filter(|part| self.rows.range(part.first..=part.last).next().is_some());
        let mut parts: Vec<Lsn> = holding.map(|part| part.lsn).collect();
        parts.dedup();
        parts
    }

    fn holds(&self, item: &StagedCorrection) -> bool {
        item.rows.iter().any(|touch| self.rows.contains(&touch.row))
    }
}

/// Whether somebody of these rows is no longer at home in the operation's area.
fn lies_elsewhere(d: &Deciding<'_>, area: Option<UnitId>, rows: &[RowTouch]) -> bool {
    rows.iter().any(|touch| is_elsewhere(d, area, touch.row))
}

fn is_elsewhere(d: &Deciding<'_>, area: Option<UnitId>, row: RowRef) -> bool {
    let (Some(area), RowRef::Person(person)) = (area, row) else { return false };
    let home = d.row(person).unit;
    ![0, ABROAD].contains(&home) && !d.registry.units().is_within(UnitId(home), area)
}
