//! Rows that fall due with a day: cards, stays and operations whose last day has passed. Derived from rows
//! alone, so it is rebuilt when pages are loaded.

use super::fold::RowImage;
use super::rows::NO_EXPIRY;
use event_schemas::card::CardStatus;
use event_schemas::ids::{CardId, OperationId, PersonId};
use event_schemas::row::RowRef;
use event_schemas::time::Date;
use std::collections::BTreeSet;

/// What falls due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DueRow {
    Card(CardId),
    Stay(PersonId),
    Operation(OperationId),
}

/// Rows by the first day on which they no longer hold.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct DueRows {
    by_day: BTreeSet<(i32, DueRow)>,
    /// Those of the operations: few are under way, and those that ended stay for ever.
    operations: BTreeSet<OperationId>,
}

impl DueRows {
    /// Rows due by `date`, earliest first, at most `limit`.
    pub fn by(&self, date: Date, limit: usize) -> Vec<DueRow> {
        self.by_day.iter().take_while(|(day, _)| *day <= date.0).take(limit).map(|(_, row)| *row).collect()
    }

    /// Operations that are under way: each is abandoned on its day unless it ends before.
    pub fn operations(&self) -> impl Iterator<Item = OperationId> {
        self.operations.iter().copied()
    }

    pub(super) fn replace(&mut self, row: RowRef, before: &RowImage, after: &RowImage) {
        let (old, new) = (due_of(row, before), due_of(row, after));
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.by_day.remove(&old);
            if let DueRow::Operation(id) = old.1 {
                self.operations.remove(&id);
            }
        }
        if let Some(new) = new {
            self.by_day.insert(new);
            if let DueRow::Operation(id) = new.1 {
                self.operations.insert(id);
            }
        }
    }

    /// Bytes in memory, about.
    pub fn memory_bytes(&self) -> usize {
        self.by_day.len() * (size_of::<(i32, DueRow)>() + 4)
            + self.operations.len() * (size_of::<OperationId>() + 4)
    }
}

fn due_of(row: RowRef, image: &RowImage) -> Option<(i32, DueRow)> {
    match (row, image) {
        (RowRef::Card(id), RowImage::Card(card)) => {
            let open = card.version > 0
                && CardStatus::ALL.get(usize::from(card.status)).is_some_and(|status| status.is_open());
            (open && card.expires != NO_EXPIRY).then(|| (card.expires + 1, DueRow::Card(id)))
        }
        (RowRef::Person(id), RowImage::Person(_, Some(temporary))) => {
            (temporary.unit != 0).then(|| (temporary.until + 1, DueRow::Stay(id)))
        }
        (RowRef::Operation(id), RowImage::Operation(Some(operation))) => {
            operation.status.is_open().then_some((operation.lapses_on.0, DueRow::Operation(id)))
        }
        _ => None,
    }
}
