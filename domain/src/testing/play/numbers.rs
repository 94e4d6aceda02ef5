//! PINs in bulk, notices of them, and PINs that are cancelled or established anew.

use super::Play;
use crate::registry::rows::FLAG_NOTICE_DUE;
use crate::testing::{BA_DINH, HA_NOI, HAI_PHONG, PHUC_XA, code, text};
use event_schemas::command::{
    AbandonOperation, ApproveOperation, CancelPin, Command, CommitOperation, OpenOperation, RecordPinNotices,
    ReestablishPin, StageCorrections, StageOperation,
};
use event_schemas::ids::{OperationId, PersonId};
use event_schemas::operation::{
    Corrections, IssuePins, MAX_PART_ROWS, OperationDigest, OperationKind, OperationStatus,
};
use event_schemas::pin::PinGround;

impl Play<'_> {
    /// The next step of the operation opened last; seldom one that does not follow.
    pub(super) fn operate(&self) -> Command {
        let detail = self.dice.detail;
        let last =
            self.registry.operations().filter(|(_, row)| !row.is_proposal() || detail % 29 == 28).last();
        let Some((operation, row)) = last.filter(|(_, row)| row.status.is_open() || detail % 19 == 18) else {
            return self.open_operation();
        };
        let digest = if detail % 17 == 16 { OperationDigest(7) } else { row.digest };
        let step = if detail % 13 == 12 { detail / 13 % 5 } else { row.status as u16 };
        if detail % 23 == 22 {
            return Command::AbandonOperation(AbandonOperation { operation, reason: text("not needed") });
        }
        match step {
            _ if step == OperationStatus::Open as u16 => match row.kind {
                OperationKind::Corrections(Corrections { reverses: None, .. }) => {
                    self.stage_corrections(operation, row.parts + 1)
                }
                _ => self.stage_operation(operation, row.parts + 1),
            },
            _ if step == OperationStatus::Staged as u16 => {
                Command::ApproveOperation(ApproveOperation { operation, digest })
            }
            _ if step == OperationStatus::Approved as u16 => {
                Command::CommitOperation(CommitOperation { operation, digest })
            }
            _ => self.stage_operation(operation, row.parts + 1),
        }
    }

    fn open_operation(&self) -> Command {
        let units = [None, Some(HA_NOI), Some(BA_DINH), Some(PHUC_XA), Some(HAI_PHONG)];
        let unit = units[usize::from(self.dice.place) % units.len()].map(code);
        let corrected = self.registry.operations().filter(|(_, row)| {
            matches!(row.kind, OperationKind::Corrections(_)) && row.status == OperationStatus::Committed
        });
        let kind = match self.dice.detail % 3 {
            // Some take back what was corrected last.
            0 => {
                let reverses =
                    corrected.last().map(|(id, _)| id).filter(|_| self.dice.detail.is_multiple_of(2));
                OperationKind::Corrections(Corrections { unit, reverses })
            }
            _ => OperationKind::IssuePins(IssuePins { unit }),
        };
        Command::OpenOperation(OpenOperation { kind, purpose: text("for everybody") })
    }

    fn stage_corrections(&self, operation: OperationId, part: u32) -> Command {
        let items = vec![self.correction().edits];
        Command::StageCorrections(StageCorrections {
            operation,
            part,
            items,
            is_last: !self.dice.day.is_multiple_of(3),
        })
    }

    fn stage_operation(&self, operation: OperationId, part: u32) -> Command {
        let rows = [MAX_PART_ROWS, 40, MAX_PART_ROWS, 3, MAX_PART_ROWS, 0];
        let rows = rows[usize::from(self.dice.day) % rows.len()];
        Command::StageOperation(StageOperation { operation, part, rows })
    }

    fn has_number(&self, person: PersonId) -> bool {
        self.is_living(person) && self.registry.person(person).is_some_and(|row| row.pin.get() != 0)
    }

    fn ground(&self) -> PinGround {
        if self.dice.detail % 4 == 3 { PinGround::WrongSex } else { PinGround::WrongNumber }
    }

    pub(super) fn cancel_pin(&self) -> Command {
        let person = self.named(self.person_who(self.dice.who, |person| self.has_number(person)));
        let explanation = text("another's number");
        Command::CancelPin(CancelPin { person, ground: self.ground(), explanation })
    }

    pub(super) fn reestablish_pin(&self) -> Command {
        let person = self.named(self.person_who(self.dice.who, |person| self.has_number(person)));
        let explanation = text("another's number");
        let birth_registered_at = Some(code(HA_NOI));
        let ground = self.ground();
        Command::ReestablishPin(ReestablishPin { person, ground, birth_registered_at, explanation })
    }

    pub(super) fn record_notices(&self) -> Command {
        let is_due = |person: PersonId| {
            self.is_living(person)
                && self.registry.person(person).is_some_and(|row| row.flags & FLAG_NOTICE_DUE != 0)
        };
        let mut persons =
            vec![self.person_who(self.dice.who, is_due), self.person_who(self.dice.whom, is_due)];
        persons.dedup();
        let persons = persons.into_iter().map(|person| self.named(person)).collect();
        Command::RecordPinNotices(RecordPinNotices { handed_over_on: self.today(), persons })
    }
}
