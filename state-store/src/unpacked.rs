//! Pages and leaves that a reader has unpacked: rows of one household lie side by side, and so do the totals of one ward.
//!
//! What is kept here is never older than what it is read with. A checkpoint changes saved keys only while the layer that it saves hides
//! every one of them from readers; when it ends, the number of ended checkpoints rises, and whoever reads with another number begins
//! anew. A leaf that is split or removed meanwhile says of all other keys what it said before.

use crate::engine::TableId;
use crate::leaves::UnpackedLeaf;
use crate::pages::{Page, PageLayout};
use crate::store::{Store, StoreError};
use crate::table_read::leaf_of;
use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

/// Most bytes that one reader keeps; beyond them it begins anew.
const MAX_BYTES: usize = 4 << 20;

/// Of one reader.
#[derive(Default)]
pub(crate) struct Unpacked(RefCell<Kept>);

#[derive(Default)]
struct Kept {
    /// Checkpoints that had ended.
    checkpoints: u64,
    pages: HashMap<(TableId, u32), Option<Page>>,
    /// By their fences.
    leaves: HashMap<TableId, BTreeMap<Vec<u8>, UnpackedLeaf>>,
    bytes: usize,
}

impl Unpacked {
    /// What `read` makes of the bytes of a saved row.
    pub fn row<T>(
        &self,
        store: &Store,
        checkpoints: u64,
        (layout, id): (PageLayout, u32),
        read: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, StoreError> {
        let mut kept = self.as_of(checkpoints);
        let place = (layout.table, layout.page_of(id));
        let row =
            |page: &Option<Page>| page.as_ref().and_then(|page| page.row_bytes(layout.slot_of(id)).map(read));
        if let Some(page) = kept.pages.get(&place) {
            return Ok(row(page));
        }
        let page = layout.load(store, place.1)?;
        let found = row(&page);
        kept.make_room(page.as_ref().map_or(0, Page::len));
        kept.pages.insert(place, page);
        Ok(found)
    }

    /// The saved value of a key of a sorted table.
    pub fn entry(
        &self,
        store: &Store,
        checkpoints: u64,
        table: TableId,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut kept = self.as_of(checkpoints);
        let damaged = |error: crate::pages::PageError| store.condemn(&error.0);
        let up_to_key = (Bound::Unbounded, Bound::Included(key));
        let below = kept.leaves.get(&table).and_then(|leaves| leaves.range::<[u8], _>(up_to_key).next_back());
        if let Some((_, leaf)) = below.filter(|(_, leaf)| leaf.reaches(key)) {
            return leaf.find(key).map_err(damaged);
        }
        let Some((fence, bytes)) = leaf_of(store, table, key)? else { return Ok(None) };
        let leaf = UnpackedLeaf::unpack(table, &bytes).map_err(damaged)?;
        let found = leaf.find(key).map_err(damaged)?;
        kept.make_room(leaf.len());
        kept.leaves.entry(table).or_default().insert(fence, leaf);
        Ok(found)
    }

    fn as_of(&self, checkpoints: u64) -> RefMut<'_, Kept> {
        let mut kept = self.0.borrow_mut();
        if kept.checkpoints != checkpoints {
            *kept = Kept { checkpoints, ..Kept::default() };
        }
        kept
    }
}

impl Kept {
    fn make_room(&mut self, bytes: usize) {
        if self.bytes + bytes > MAX_BYTES {
            *self = Self { checkpoints: self.checkpoints, ..Self::default() };
        }
        self.bytes += bytes;
    }
}
