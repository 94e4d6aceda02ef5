//! What happens to operations larger than one record.

use crate::ids::{Lsn, OfficeId, OfficerId, OperationId, PersonId, UnitId, Version};
use crate::operation::{
    AbandonReason, LeftOut, MovedRow, OperationCounts, OperationDigest, OperationKind, PartContent,
    PartRange, StagedCorrection,
};
use crate::row::RowRef;
use crate::text::Text;
use crate::time::Date;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

bodies! {
    /// An operation larger than one record is under way.
    OperationOpened {
        operation: OperationId,
        kind: OperationKind<UnitId>,
        purpose: Text<200>,
        office: OfficeId,
        officer: OfficerId,
        /// The last person that it looks at: whoever is registered later is none of its business.
        up_to: PersonId,
        /// The first day on which it is abandoned by itself.
        lapses_on: Date,
    }

    /// Some rows of an operation: inert until it is committed.
    OperationPart {
        operation: OperationId,
        /// From 1.
        part: u32,
        content: PartContent,
        left_out: Vec<LeftOut>,
        /// It is about rows that moved after they were staged: those it leaves out were staged before.
        is_again: bool,
        /// Everything up to here was looked at.
        looked_at: PersonId,
        /// Whether everything is staged.
        is_last: bool,
        /// Of all that is staged with this part.
        digest: OperationDigest,
    }

    /// A second officer approved what is staged.
    OperationApproved {
        operation: OperationId,
        digest: OperationDigest,
        office: OfficeId,
        officer: OfficerId,
    }

    /// Everything that the operation staged takes effect with this event, but for what is left out.
    OperationCommitted {
        operation: OperationId,
        digest: OperationDigest,
        counts: OperationCounts,
        /// Where the staged rows stand, in the order of the parts.
        parts: Vec<PartRange>,
        /// Sorted by row.
        moved: Vec<MovedRow>,
        /// Staged and left out all the same; sorted by row.
        left_out: Vec<LeftOut>,
    }

    /// The operation comes to nothing.
    OperationAbandoned {
        operation: OperationId,
        reason: AbandonReason,
    }
}

/// Where it stands which record changed a row before a commit did, so that its history is a walk through the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BeforeCommit {
    /// The commit does not change the row.
    NotChanged,
    /// The row's version before the commit, and the record that made it.
    Known(Version, Lsn),
    /// In the first of these parts that names the row.
    InPart(Vec<Lsn>),
}

impl OperationCommitted {
    /// Which record changed the row before.
    pub fn before(&self, row: RowRef) -> BeforeCommit {
        if self.left_out.binary_search_by_key(&row, |left_out| left_out.row).is_ok() {
            return BeforeCommit::NotChanged;
        }
        if let Some(moved) = self.moved(row) {
            return BeforeCommit::Known(moved.version, moved.last);
        }
        let parts = self.parts_with(row);
        if parts.is_empty() { BeforeCommit::NotChanged } else { BeforeCommit::InPart(parts) }
    }

    /// How the row stood before, if it moved after it was staged. What a correction makes of it then stands in the commit's own record,
    /// and not where its part says.
    pub fn moved(&self, row: RowRef) -> Option<&MovedRow> {
        let place = self.moved.binary_search_by_key(&row, |moved| moved.row).ok()?;
        Some(&self.moved[place])
    }

    /// The part that says what stands at this place of the commit's record.
    pub fn part_with_event(&self, index: u32) -> Option<Lsn> {
        let before = self.parts.iter().filter(|part| (1..=index).contains(&part.first_event));
        before.max_by_key(|part| part.first_event).map(|part| part.lsn)
    }

    /// Whether a correction is left out whole: one of its rows is.
    pub fn leaves_out(&self, staged: &StagedCorrection) -> bool {
        let is_left_out =
            |row: RowRef| self.left_out.binary_search_by_key(&row, |left_out| left_out.row).is_ok();
        staged.rows.iter().any(|touch| is_left_out(touch.row))
    }

    /// Parts among whose rows this one may be, newest first.
    pub fn parts_with(&self, row: RowRef) -> Vec<Lsn> {
        let holding = self.parts.iter().rev().filter(|part| part.first <= row && row <= part.last);
        holding.map(|part| part.lsn).collect()
    }
}
