//! Operations larger than one record: opened, staged in parts, approved by a second officer, committed at once, or abandoned.
//!
//! Here is what holds of every kind; [`super::pins_in_bulk`] says which rows an operation of that kind stages, and judges those
//! that moved since.

use super::corrections_in_bulk;
use super::deciding::Deciding;
use super::pins_in_bulk::{self, Selected};
use crate::refusal::Code;
use crate::registry::operations::OperationRow;
use event_schemas::basis::BasisKind;
use event_schemas::codec::encode;
use event_schemas::command::{
    AbandonOperation, ApproveOperation, CommitOperation, OpenOperation, StageOperation,
};
use event_schemas::event::{
    EventBody, OperationAbandoned, OperationApproved, OperationCommitted, OperationOpened, OperationPart,
};
use event_schemas::ids::{OperationId, PersonId, UnitId};
use event_schemas::operation::{
    AbandonReason, Corrections, IssuePins, MAX_MOVED_ROWS, MAX_OPERATION_ROWS, MAX_PART_ROWS, MAX_PARTS,
    OperationCounts, OperationDigest, OperationKind, OperationStatus,
};
use event_schemas::row::RowRef;
use xxhash_rust::xxh3::xxh3_128;

/// Most operations under way at once: each holds up to a million staged rows in memory.
pub const MAX_OPEN_OPERATIONS: usize = 16;
/// Days after which an operation that came to nothing is abandoned by itself.
pub const OPERATION_DAYS: i32 = 30;
/// Most persons that one part looks at.
pub const MAX_LOOKED_AT: u32 = 200_000;

pub(super) fn open(d: &mut Deciding<'_>, command: &OpenOperation) {
    let field = "command.open_operation.kind";
    let basis = &d.envelope.basis;
    if basis.kind != BasisKind::Agency || basis.number.is_none() {
        d.fault(Code::OperationBasisMissing, "basis", &[]);
    }
    let unit = match command.kind.unit() {
        Some(code) => match d.unit(*code, d.today, field) {
            Some(unit) => Some(unit),
            None => return,
        },
        None => None,
    };
    let under_way = d.registry.operations_under_way().filter(|(_, row)| !row.is_proposal());
    let (open, overlapping) = under_way.fold((0, None), |(open, found), (id, row)| {
        let is_same =
            matches!((row.kind, command.kind), (OperationKind::IssuePins(_), OperationKind::IssuePins(_)));
        (open + 1, found.or_else(|| (is_same && overlap(d, row.kind.unit().copied(), unit)).then_some(id)))
    });
    if open >= MAX_OPEN_OPERATIONS {
        d.fault(Code::TooManyOperations, field, &[&open, &MAX_OPEN_OPERATIONS]);
    }
    if let Some(id) = overlapping {
        d.fault_with(Code::OperationUnderWay, field, &[&id], RowRef::Operation(id));
    }
    let operation = d.new_operation();
    let kind = match command.kind {
        OperationKind::IssuePins(_) => OperationKind::IssuePins(IssuePins { unit }),
        OperationKind::Corrections(Corrections { reverses, .. }) => {
            corrections_in_bulk::check_opening(d, reverses, field);
            OperationKind::Corrections(Corrections { unit, reverses })
        }
        // It is proposed.
        OperationKind::Correction => {
            d.fault(Code::OperationOfOtherKind, field, &[&command.kind.name()]);
            return;
        }
    };
    let opened = OperationOpened {
        operation,
        kind,
        purpose: command.purpose.clone(),
        office: d.context.office,
        officer: d.context.officer,
        up_to: d.registry.head().persons,
        lapses_on: d.today.plus_days(OPERATION_DAYS),
    };
    d.emit(d.today, EventBody::OperationOpened(opened));
}

/// Whether one of the two areas lies in the other; no unit is the nation.
fn overlap(d: &Deciding<'_>, one: Option<UnitId>, other: Option<UnitId>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return true };
    let units = d.registry.units();
    units.is_within(one, other) || units.is_within(other, one)
}

/// The operation that the command names.
pub(super) fn found<'a>(d: &mut Deciding<'a>, id: OperationId, field: &str) -> Option<&'a OperationRow> {
    let row = d.registry.operation(id);
    if row.is_none() {
        d.fault(Code::UnknownOperation, field, &[&id]);
    }
    row
}

/// The same, if it can still come to something.
pub(super) fn under_way<'a>(d: &mut Deciding<'a>, id: OperationId, field: &str) -> Option<&'a OperationRow> {
    let row = found(d, id, field)?;
    if !row.status.is_open() {
        d.fault_with(Code::OperationClosed, field, &[&id, &row.status.name()], RowRef::Operation(id));
        return None;
    }
    Some(row)
}

/// The same, if it is staged in parts.
pub(super) fn in_parts<'a>(d: &mut Deciding<'a>, id: OperationId, field: &str) -> Option<&'a OperationRow> {
    let row = under_way(d, id, field)?;
    if row.is_proposal() {
        d.fault_with(Code::OperationOfOtherKind, field, &[&row.kind.name()], RowRef::Operation(id));
        return None;
    }
    Some(row)
}

pub(super) fn stage(d: &mut Deciding<'_>, command: &StageOperation) {
    let (id, field) = (command.operation, "command.stage_operation.operation");
    let Some(row) = in_parts(d, id, field) else { return };
    if matches!(row.kind, OperationKind::Corrections(Corrections { reverses: None, .. })) {
        d.fault_with(Code::OperationOfOtherKind, field, &[&row.kind.name()], RowRef::Operation(id));
        return;
    }
    if !(1..=MAX_PART_ROWS).contains(&command.rows) {
        let field = "command.stage_operation.rows";
        d.fault(Code::PartSizeImpossible, field, &[&MAX_PART_ROWS, &command.rows]);
    }
    check_part(d, row, command.part, "command.stage_operation.part");
    if d.is_refused() {
        return;
    }
    let limit = usize::from(command.rows);
    let selected = match row.kind {
        OperationKind::IssuePins(_) if row.is_again => pins_in_bulk::select_moved(d, id, row, limit),
        OperationKind::IssuePins(_) => pins_in_bulk::select(d, id, row, limit),
        OperationKind::Corrections(_) if row.is_again => {
            d.fault(Code::NothingToStage, field, &[&id]);
            return;
        }
        OperationKind::Corrections(Corrections { reverses, .. }) => {
            match corrections_in_bulk::reverse(d, id, row, reverses.unwrap_or(OperationId::NONE), field) {
                Some(selected) => selected,
                None => return,
            }
        }
        OperationKind::Correction => unreachable!("a proposal has no parts"),
    };
    let Selected { content, left_out, looked_at, is_complete } = selected;
    if row.is_again && content.is_empty() && left_out.is_empty() {
        d.fault(Code::NothingToStage, field, &[&id]);
        return;
    }
    emit_part(d, id, row, Selected { content, left_out, looked_at, is_complete });
}

/// The next part has the next number, if there may be one.
pub(super) fn check_part(d: &mut Deciding<'_>, row: &OperationRow, part: u32, field: &str) {
    if part != row.parts + 1 {
        d.fault(Code::PartOutOfOrder, field, &[&(row.parts + 1), &part]);
    }
    if row.parts >= MAX_PARTS {
        d.fault(Code::OperationFull, field, &[&row.parts, &MAX_PARTS]);
    }
}

/// What is staged becomes the operation's next part.
pub(super) fn emit_part(d: &mut Deciding<'_>, id: OperationId, row: &OperationRow, selected: Selected) {
    let number = row.parts + 1;
    let mut part = OperationPart {
        operation: id,
        part: number,
        content: selected.content,
        left_out: selected.left_out,
        is_again: row.is_again,
        looked_at: selected.looked_at,
        is_last: selected.is_complete || number == MAX_PARTS,
        digest: OperationDigest::default(),
    };
    part.digest = digest_after(row.digest, &part);
    d.emit(d.today, EventBody::OperationPart(part));
}

/// Of everything staged before and of this part, whose own digest is not set yet.
fn digest_after(before: OperationDigest, part: &OperationPart) -> OperationDigest {
    let mut bytes = before.0.to_le_bytes().to_vec();
    bytes.extend(encode(part).expect("numbers encode"));
    OperationDigest(xxh3_128(&bytes))
}

/// How many rows more the operation takes.
pub(super) fn room(d: &Deciding<'_>, operation: OperationId) -> usize {
    let staged = d.registry.staged(operation).map_or(0, |staged| staged.rows.len() + staged.corrected.len());
    (MAX_OPERATION_ROWS as usize).saturating_sub(staged)
}

pub(super) fn approve(d: &mut Deciding<'_>, command: &ApproveOperation) {
    let (id, field) = (command.operation, "command.approve_operation.operation");
    let Some(row) = in_parts(d, id, field) else { return };
    match row.status {
        OperationStatus::Open => d.fault_with(Code::OperationNotStaged, field, &[&id], RowRef::Operation(id)),
        OperationStatus::Approved => {
            d.fault_with(Code::OperationApproved, field, &[&id], RowRef::Operation(id));
        }
        _ => {}
    }
    if d.registry.staged(id).is_none_or(|staged| staged.count() == 0) {
        d.fault(Code::OperationEmpty, field, &[&id]);
    }
    if row.officer == d.context.officer {
        d.fault(Code::ApprovedByOpener, field, &[]);
    }
    check_digest(d, row, command.digest, "command.approve_operation.digest");
    let approved = OperationApproved {
        operation: id,
        digest: row.digest,
        office: d.context.office,
        officer: d.context.officer,
    };
    d.emit(d.today, EventBody::OperationApproved(approved));
}

fn check_digest(d: &mut Deciding<'_>, row: &OperationRow, stated: OperationDigest, field: &str) {
    if row.digest != stated {
        d.fault(Code::OperationDigestDiffers, field, &[&row.digest, &stated]);
    }
}

pub(super) fn commit(d: &mut Deciding<'_>, command: &CommitOperation) {
    let (id, field) = (command.operation, "command.commit_operation.operation");
    let Some(row) = in_parts(d, id, field) else { return };
    if row.status != OperationStatus::Approved {
        d.fault_with(Code::OperationNotApproved, field, &[&id], RowRef::Operation(id));
    }
    check_digest(d, row, command.digest, "command.commit_operation.digest");
    if d.is_refused() {
        return;
    }
    let staged = d.registry.staged(id).expect("what an operation under way staged is kept until it ends");
    let judged = match row.kind {
        OperationKind::IssuePins(_) => pins_in_bulk::judge_moved(d, row, staged),
        OperationKind::Corrections(Corrections { unit, .. }) => {
            match corrections_in_bulk::judge_moved(d, unit, staged, field) {
                Some(judged) => judged,
                None => return,
            }
        }
        OperationKind::Correction => unreachable!("a proposal has no parts"),
    };
    let count = judged.moved.len() + judged.left_out.len();
    if count > MAX_MOVED_ROWS as usize {
        d.fault(Code::TooManyMoved, field, &[&count, &MAX_MOVED_ROWS]);
        return;
    }
    let staged_rows = staged.count() as u32;
    let left_out = judged.left_out.len() as u32;
    let committed = OperationCommitted {
        operation: id,
        digest: row.digest,
        counts: OperationCounts {
            staged: staged_rows,
            changed: staged_rows - left_out,
            left_out: row.left_out + left_out,
        },
        parts: staged.parts.clone(),
        moved: judged.moved,
        left_out: judged.left_out,
    };
    d.emit(d.today, EventBody::OperationCommitted(committed));
}

pub(super) fn abandon(d: &mut Deciding<'_>, command: &AbandonOperation) {
    let (id, field) = (command.operation, "command.abandon_operation.operation");
    if under_way(d, id, field).is_none() {
        return;
    }
    let reason = AbandonReason::Decided(command.reason.clone());
    d.emit(d.today, EventBody::OperationAbandoned(OperationAbandoned { operation: id, reason }));
}

/// The person after this one.
pub(super) fn after(person: PersonId) -> u32 {
    person.0 + 1
}
