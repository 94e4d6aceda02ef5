//! Dense rows in pages of [`PAGE_ROWS`], addressed by ids that are handed out in order from 1.

use super::rows::{Row, RowBytesError};
use event_schemas::ids::Lsn;

/// Rows of one page. A page is what is saved and what carries the lsn that it reflects.
pub const PAGE_ROWS: usize = 256;

#[derive(Clone)]
struct Page<R> {
    rows: Vec<R>,
    /// The lsn that the page reflected when it was loaded; only replay looks at it.
    loaded_lsn: Lsn,
    dirty: bool,
}

/// A chunked array: growing it never moves a row.
#[derive(Clone)]
pub struct Table<R> {
    pages: Vec<Page<R>>,
    dirty: Vec<u32>,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self { pages: Vec::new(), dirty: Vec::new() }
    }
}

/// Page of an id.
pub fn page_of(id: u32) -> u32 {
    (id.saturating_sub(1)) / PAGE_ROWS as u32
}

fn slot_of(id: u32) -> usize {
    (id.saturating_sub(1)) as usize % PAGE_ROWS
}

impl<R: Row> Table<R> {
    /// The row, if it exists.
    pub fn get(&self, id: u32) -> Option<&R> {
        if id == 0 {
            return None;
        }
        let row = &self.pages.get(page_of(id) as usize)?.rows[slot_of(id)];
        (row.version() > 0).then_some(row)
    }

    /// Puts a row, growing the table. A default row takes it out again.
    pub fn put(&mut self, id: u32, row: R) {
        let page = page_of(id) as usize;
        while self.pages.len() <= page {
            self.pages.push(Page {
                rows: vec![R::default(); PAGE_ROWS],
                loaded_lsn: Lsn::ZERO,
                dirty: false,
            });
        }
        self.pages[page].rows[slot_of(id)] = row;
    }

    /// Notes that the id's page must be saved.
    pub fn mark_dirty(&mut self, id: u32) {
        let number = page_of(id);
        let page = &mut self.pages[number as usize];
        if !page.dirty {
            page.dirty = true;
            self.dirty.push(number);
        }
    }

    /// Pages to be saved since the last call.
    pub fn take_dirty(&mut self) -> Vec<u32> {
        for &number in &self.dirty {
            self.pages[number as usize].dirty = false;
        }
        std::mem::take(&mut self.dirty)
    }

    /// The lsn that the id's page reflected when it was loaded.
    pub fn loaded_lsn(&self, id: u32) -> Lsn {
        self.pages.get(page_of(id) as usize).map_or(Lsn::ZERO, |page| page.loaded_lsn)
    }

    /// The page's rows, as they stand.
    pub fn rows_of_page(&self, page: u32) -> Vec<R> {
        self.pages.get(page as usize).map(|page| page.rows.clone()).unwrap_or_default()
    }

    /// Takes a saved page in.
    pub fn load_page(&mut self, page: u32, lsn: Lsn, input: &mut &[u8]) -> Result<(), RowBytesError> {
        let rows = (0..PAGE_ROWS).map(|_| R::decode(input)).collect::<Result<Vec<_>, _>>()?;
        while self.pages.len() <= page as usize {
            self.pages.push(Page {
                rows: vec![R::default(); PAGE_ROWS],
                loaded_lsn: Lsn::ZERO,
                dirty: false,
            });
        }
        self.pages[page as usize] = Page { rows, loaded_lsn: lsn, dirty: false };
        Ok(())
    }

    /// Every row that exists, in order of its id.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &R)> {
        self.pages.iter().enumerate().flat_map(|(page, content)| {
            content
                .rows
                .iter()
                .enumerate()
                .filter(|(_, row)| row.version() > 0)
                .map(move |(slot, row)| ((page * PAGE_ROWS + slot) as u32 + 1, row))
        })
    }

    /// Bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        self.pages.len() * (PAGE_ROWS * size_of::<R>() + size_of::<Page<R>>())
    }
}
