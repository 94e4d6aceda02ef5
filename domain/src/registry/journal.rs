//! What is in flight: before-images of every row, key and number that unconfirmed groups have changed, so that doubt can be
//! rolled back (W8) and pages are saved without it.

use super::Registry;
use super::fold::RowImage;
use super::lookups::{LookupChange, LookupEntry};
use super::operations::StagedChange;
use super::{Head, digest_of};
use event_schemas::row::RowRef;
use std::collections::VecDeque;

/// One group of records that was appended and is not yet read back.
#[derive(Clone, Debug)]
pub(super) struct Group {
    head: Head,
    pub(super) rows: Vec<(RowRef, RowImage)>,
    pub(super) lookups: Vec<LookupChange>,
    pub(super) staged: Vec<StagedChange>,
    entries: Vec<LookupEntry>,
}

/// Groups in flight, oldest first, and keys that confirmed records changed since they were last saved.
#[derive(Clone, Default, Debug)]
pub(super) struct Journal {
    groups: VecDeque<Group>,
    confirmed_lookups: Vec<LookupEntry>,
    /// Emptied lists of before-images. A group of thousands of records holds megabytes of them: memory that was used before costs
    /// a tenth of memory that the machine must clear first.
    spare: Vec<Vec<(RowRef, RowImage)>>,
}

/// Spare lists that are kept: as many as groups are in flight.
const MAX_SPARE: usize = 4;

impl Journal {
    fn keep(&mut self, mut rows: Vec<(RowRef, RowImage)>) {
        if self.spare.len() < MAX_SPARE {
            rows.clear();
            self.spare.push(rows);
        }
    }

    pub(super) fn open_group(&mut self) -> Option<&mut Group> {
        self.groups.back_mut()
    }

    /// Notes keys that one event has just changed, and what its keys lead to now, which later groups may change again.
    pub(super) fn note_lookups(
        &mut self,
        changes: &[LookupChange],
        entries: impl IntoIterator<Item = LookupEntry>,
    ) {
        match self.groups.back_mut() {
            Some(group) => {
                group.entries.extend(entries);
                group.lookups.extend_from_slice(changes);
            }
            None => self.confirmed_lookups.extend(entries),
        }
    }

    pub(super) fn take_confirmed_lookups(&mut self) -> Vec<LookupEntry> {
        std::mem::take(&mut self.confirmed_lookups)
    }

    /// Before-images of a kind of row, newest first.
    pub(super) fn images_newest_first(&self) -> impl Iterator<Item = &(RowRef, RowImage)> {
        self.groups.iter().rev().flat_map(|group| group.rows.iter().rev())
    }

    /// Whether a group in flight ends an operation.
    pub(super) fn closes_operations(&self) -> bool {
        let mut changes = self.groups.iter().flat_map(|group| &group.staged);
        changes.any(|change| matches!(change, StagedChange::Closed { .. }))
    }

    /// The head as the oldest group found it: what is confirmed.
    pub(super) fn confirmed_head(&self) -> Option<&Head> {
        self.groups.front().map(|group| &group.head)
    }
}

impl Registry {
    /// Everything applied from here on belongs to a new group, until the next one is opened.
    pub fn open_group(&mut self) {
        let head = self.head.clone();
        let rows = self.journal.spare.pop().unwrap_or_default();
        self.journal.groups.push_back(Group {
            head,
            rows,
            lookups: Vec::new(),
            staged: Vec::new(),
            entries: Vec::new(),
        });
    }

    /// Groups in flight.
    pub fn groups_in_flight(&self) -> usize {
        self.journal.groups.len()
    }

    /// The oldest group was read back: its rows may be saved.
    ///
    /// # Panics
    /// If no group is in flight.
    pub fn confirm_group(&mut self) {
        let group = self.journal.groups.pop_front().expect("a group is confirmed only while it is in flight");
        for (row, _) in &group.rows {
            self.mark_dirty(*row);
        }
        self.journal.confirmed_lookups.extend(group.entries);
        self.journal.keep(group.rows);
    }

    /// Takes all groups in flight back, newest first: rows, keys, numbers and the digest are as before.
    pub fn roll_back(&mut self) {
        while let Some(group) = self.journal.groups.pop_back() {
            for (row, before) in group.rows.into_iter().rev() {
                let after = self.image(row);
                self.due.replace(row, &after, &before);
                self.put(row, before);
            }
            for change in group.lookups.into_iter().rev() {
                self.lookups.undo(change);
            }
            for change in group.staged.into_iter().rev() {
                self.staged.undo(change);
            }
            self.head = group.head;
        }
    }

    /// The head without what is in flight.
    pub fn confirmed_head(&self) -> &Head {
        self.journal.confirmed_head().unwrap_or(&self.head)
    }

    /// Sums all rows anew: equal to the kept digest, or a fold is wrong.
    pub fn recompute_digest(&self) -> u128 {
        let (mut sum, mut bytes) = (0u128, Vec::new());
        self.for_each_row(|row| sum = sum.wrapping_add(digest_of(row, &self.image(row), &mut bytes)));
        sum
    }
}
