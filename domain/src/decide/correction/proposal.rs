//! Corrections that one officer proposes and another approves.
//!
//! A proposal is an operation of one record: it states the edits and changes nothing. The approval decides them on what is recorded by
//! then, and is itself the record of the correction; if anything has moved since, the digest is another and the approval is refused.

use super::super::deciding::Deciding;
use super::super::operation::{OPERATION_DAYS, under_way};
use super::{Officers, judge};
use crate::context::TimelineUnavailable;
use crate::refusal::Code;
use crate::registry::operations::OperationRow;
use event_schemas::Event;
use event_schemas::command::{ApproveCorrection, Correct, ProposeCorrection};
use event_schemas::event::{CorrectionApproved, CorrectionProposed, EventBody, OperationOpened};
use event_schemas::guarded::Confidentiality;
use event_schemas::ids::{EventAddress, KeyId, PersonId};
use event_schemas::operation::OperationKind;

/// Most proposals that wait at once (O1); each is a small row, and its edits stand in the log.
pub const MAX_OPEN_PROPOSALS: usize = 20_000;
/// Place of the edits in the record of a proposal, behind the opening of its row.
const PROPOSED_AT: u32 = 1;
/// Where faults of edits stand that are decided as those of a single command.
const SINGLE: &str = "command.correct";

pub fn propose(d: &mut Deciding<'_>, command: &ProposeCorrection) {
    let field = "command.propose_correction.correction";
    judge(d, &command.correction, Officers::Two);
    d.rename_fields(SINGLE, field);
    let waiting = d.registry.operations_under_way().filter(|(_, row)| row.is_proposal()).count();
    if waiting >= MAX_OPEN_PROPOSALS {
        d.fault(Code::TooManyOperations, field, &[&waiting, &MAX_OPEN_PROPOSALS]);
    }
    let Some(digest) = d.told().map(|effect| effect.digest).filter(|_| !d.is_refused()) else { return };
    // As confidential as the most confidential fact that it speaks of.
    let class = d.events().iter().map(|event| event.class).max().unwrap_or(Confidentiality::Basic);
    d.take_back_events();
    let operation = d.new_operation();
    let Correct { edits, reason, .. } = command.correction.clone();
    let opened = OperationOpened {
        operation,
        kind: OperationKind::Correction,
        purpose: reason.clone(),
        office: d.context.office,
        officer: d.context.officer,
        up_to: PersonId::NONE,
        lapses_on: d.today.plus_days(OPERATION_DAYS),
    };
    d.emit(d.today, EventBody::OperationOpened(opened));
    d.emit_event(Event {
        effective_on: d.today.into(),
        basis: 0,
        class,
        key_id: KeyId::NONE,
        body: EventBody::CorrectionProposed(CorrectionProposed { operation, edits, reason, digest }),
    });
}

pub fn approve(d: &mut Deciding<'_>, command: &ApproveCorrection) {
    let (operation, field) = (command.operation, "command.approve_correction.operation");
    let Some(row) = under_way(d, operation, field) else { return };
    let Ok(proposal) = proposed(d, row) else {
        d.fault(Code::HistoryUnavailable, field, &[]);
        return;
    };
    let Some(proposal) = proposal else {
        d.fault(Code::OperationOfOtherKind, field, &[&row.kind.name()]);
        return;
    };
    if row.officer == d.context.officer {
        d.fault(Code::ApprovedByOpener, field, &[]);
    }
    if row.digest.0 != command.digest.0 {
        d.fault(
            Code::OperationDigestDiffers,
            "command.approve_correction.digest",
            &[&row.digest, &command.digest],
        );
        return;
    }
    judge(d, &Correct { expects_digest: Some(command.digest), ..proposal }, Officers::Two);
    d.rename_fields(SINGLE, field);
    if d.is_refused() {
        return;
    }
    let (office, officer) = (d.context.office, d.context.officer);
    let approved = CorrectionApproved { operation, digest: command.digest, office, officer };
    d.emit(d.today, EventBody::CorrectionApproved(approved));
}

/// The correction that an operation proposes; none if it is another kind of operation.
pub fn proposed(d: &Deciding<'_>, row: &OperationRow) -> Result<Option<Correct>, TimelineUnavailable> {
    if !row.is_proposal() || !row.status.is_open() {
        return Ok(None);
    }
    // Nothing changes the row of a proposal before its end.
    let at = EventAddress { lsn: row.last_lsn, index: PROPOSED_AT };
    let event = d.context.timelines.event(at)?;
    Ok(event.and_then(|event| match event.body {
        EventBody::CorrectionProposed(CorrectionProposed { edits, reason, .. }) => {
            Some(Correct { edits, reason, expects_digest: None })
        }
        _ => None,
    }))
}
