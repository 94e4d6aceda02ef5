//! Rows with dense ids, packed into pages of a fixed number of rows.
//!
//! Page bytes: layout 1, table 1, page number 4, lsn 8, slots 2, length before compression 4, then, compressed with
//! lz4, for each slot a varint (0: empty, else the row's length + 1) and the row. Slots behind the last row are left
//! out. The store keeps a CRC-32C over table, key and value of everything, pages included.

use crate::engine::{KeyRange, Order, TableId};
use crate::store::{Store, StoreError};
use event_schemas::ids::Lsn;

/// Longest page before compression.
pub const MAX_PAGE_LEN: usize = 4 << 20;

const LAYOUT: u8 = 1;
const HEADER_LEN: usize = 1 + 1 + 4 + 8 + 2 + 4;

/// Bytes that are no page, or no row.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct PageError(pub String);

impl PageError {
    /// With a sentence that says what was found.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// A row that can lie in a page. The owner's byte form, of any length; decoding must consume what encoding wrote.
pub trait PageRow: Sized {
    /// Appends the row's bytes.
    fn encode(&self, out: &mut Vec<u8>);
    /// Reads one row from the start of `input` and moves it past the row.
    fn decode(input: &mut &[u8]) -> Result<Self, PageError>;
}

/// How a table's ids are packed. Id `n` lies in page `n / rows_per_page`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageLayout {
    pub table: TableId,
    pub rows_per_page: u16,
}

impl PageLayout {
    /// A layout; `rows_per_page` is at least 1 and part of the stored form.
    pub const fn new(table: TableId, rows_per_page: u16) -> Self {
        assert!(rows_per_page > 0, "a page holds at least one row");
        Self { table, rows_per_page }
    }

    /// Page in which an id lies.
    pub fn page_of(self, id: u32) -> u32 {
        id / u32::from(self.rows_per_page)
    }

    /// Slot of an id in its page.
    pub fn slot_of(self, id: u32) -> usize {
        (id % u32::from(self.rows_per_page)) as usize
    }

    /// First id of a page.
    pub fn first_id(self, page: u32) -> u32 {
        page * u32::from(self.rows_per_page)
    }

    /// The engine's key of a page.
    pub fn key(page: u32) -> [u8; 4] {
        page.to_be_bytes()
    }

    /// A page's bytes from its rows in the order of their slots.
    pub fn encode<'a, R: PageRow + 'a>(
        self,
        page: u32,
        lsn: Lsn,
        rows: impl IntoIterator<Item = Option<&'a R>>,
    ) -> Result<Vec<u8>, PageError> {
        let mut builder = PageBuilder::default();
        let mut row_bytes = Vec::new();
        for row in rows {
            row_bytes.clear();
            if let Some(row) = row {
                row.encode(&mut row_bytes);
            }
            builder.push(row.map(|_| row_bytes.as_slice()));
        }
        builder.finish(self, page, lsn)
    }

    /// Reads one page, or `None` if it was never saved.
    pub fn load(self, store: &Store, page: u32) -> Result<Option<Page>, StoreError> {
        match store.get(self.table, &Self::key(page))? {
            Some(bytes) => self.decode(page, &bytes).map(Some).map_err(|error| store.condemn(&error.0)),
            None => Ok(None),
        }
    }

    /// Reads all pages of the table in order. A page that cannot be read, or that reflects more than the restart
    /// point, condemns the store (S3).
    pub fn load_all<'a>(self, store: &'a Store) -> impl Iterator<Item = Result<Page, StoreError>> + use<'a> {
        let newest = store.restart_point().map_or(Lsn::ZERO, |restart| restart.newest_lsn);
        store.scan(self.table, &KeyRange::all(), Order::Ascending).map(move |entry| {
            let (key, bytes) = entry?;
            let number = key.as_slice().try_into().map(u32::from_be_bytes);
            let number = number.map_err(|_| store.condemn(&format!("{}: not a page's key", self.table)))?;
            let page = self.decode(number, &bytes).map_err(|error| store.condemn(&error.0))?;
            if page.lsn > newest {
                let reason = format!(
                    "page {number} of {} is at lsn {}, beyond the restart point's {newest}",
                    self.table, page.lsn
                );
                return Err(store.condemn(&reason));
            }
            Ok(page)
        })
    }

    /// Reads a page's bytes and checks that they are this page's.
    pub fn decode(self, page: u32, bytes: &[u8]) -> Result<Page, PageError> {
        let wrong = |what: &str| PageError(format!("page {page} of {}: {what}", self.table));
        let (header, packed) = bytes.split_at_checked(HEADER_LEN).ok_or_else(|| wrong("cut short"))?;
        let number = u32::from_be_bytes([header[2], header[3], header[4], header[5]]);
        if header[0] != LAYOUT || header[1] != self.table.0 || number != page {
            return Err(wrong("its header names another layout, table or number"));
        }
        let lsn = Lsn(u64::from_le_bytes(*header[6..].first_chunk().expect("inside the header")));
        let slots = u16::from_le_bytes([header[14], header[15]]);
        let raw_len = u32::from_le_bytes(*header[16..].first_chunk().expect("inside the header")) as usize;
        let first_id = u64::from(page) * u64::from(self.rows_per_page);
        let ids_fit = first_id + u64::from(slots) <= 1 << 32;
        if slots > self.rows_per_page || raw_len > MAX_PAGE_LEN || !ids_fit {
            return Err(wrong("its header holds impossible numbers"));
        }
        let raw = lz4_flex::block::decompress(packed, raw_len).map_err(|error| wrong(&error.to_string()))?;
        let ends = slot_ends(&raw, slots).ok_or_else(|| wrong("its rows do not fill it"))?;
        Ok(Page { number, lsn, first_id: first_id as u32, raw, ends })
    }
}

/// Where each row lies in `raw`: start and end, or nothing for an empty slot.
fn slot_ends(raw: &[u8], slots: u16) -> Option<Vec<Option<(u32, u32)>>> {
    let mut ends = Vec::with_capacity(usize::from(slots));
    let mut rest = raw;
    for _ in 0..slots {
        let stored = take_varint(&mut rest)?;
        let Some(len) = stored.checked_sub(1) else {
            ends.push(None);
            continue;
        };
        let start = raw.len() - rest.len();
        rest = rest.get(len as usize..)?;
        ends.push(Some((start as u32, start as u32 + len)));
    }
    rest.is_empty().then_some(ends)
}

/// A decoded page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    number: u32,
    lsn: Lsn,
    first_id: u32,
    raw: Vec<u8>,
    ends: Vec<Option<(u32, u32)>>,
}

impl Page {
    /// Its number in the table.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// All records up to here are contained in its rows, and none beyond.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Bytes that its rows take.
    pub(crate) fn len(&self) -> usize {
        self.raw.len()
    }

    /// The bytes of the row in a slot.
    pub fn row_bytes(&self, slot: usize) -> Option<&[u8]> {
        let (start, end) = (*self.ends.get(slot)?)?;
        Some(&self.raw[start as usize..end as usize])
    }

    /// The row in a slot.
    pub fn row<R: PageRow>(&self, slot: usize) -> Result<Option<R>, PageError> {
        self.row_bytes(slot).map(decode_row).transpose()
    }

    /// Ids and bytes of its rows.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = (u32, &[u8])> {
        (0..self.ends.len())
            .filter_map(|slot| self.row_bytes(slot).map(|bytes| (self.first_id + slot as u32, bytes)))
    }
}

/// Decodes one row and checks that nothing is left over.
pub fn decode_row<R: PageRow>(mut bytes: &[u8]) -> Result<R, PageError> {
    let row = R::decode(&mut bytes)?;
    match bytes.len() {
        0 => Ok(row),
        left => Err(PageError(format!("{left} bytes are left over behind a row"))),
    }
}

/// Packs rows into a page.
#[derive(Default)]
pub struct PageBuilder {
    raw: Vec<u8>,
    slots: usize,
    /// Length and slots up to the last row: what lies behind is left out.
    filled: (usize, usize),
}

impl PageBuilder {
    /// Adds the next slot.
    pub fn push(&mut self, row: Option<&[u8]>) {
        self.slots += 1;
        match row {
            Some(bytes) => {
                put_varint(&mut self.raw, bytes.len() as u32 + 1);
                self.raw.extend_from_slice(bytes);
                self.filled = (self.raw.len(), self.slots);
            }
            None => self.raw.push(0),
        }
    }

    /// Whether no slot holds a row.
    pub fn is_empty(&self) -> bool {
        self.filled.1 == 0
    }

    /// The page's bytes.
    pub fn finish(mut self, layout: PageLayout, page: u32, lsn: Lsn) -> Result<Vec<u8>, PageError> {
        let (len, slots) = self.filled;
        self.raw.truncate(len);
        if slots > usize::from(layout.rows_per_page) || len > MAX_PAGE_LEN {
            let table = layout.table;
            return Err(PageError(format!(
                "page {page} of {table}: {slots} slots, {len} bytes: too much for a page"
            )));
        }
        let mut bytes = vec![LAYOUT, layout.table.0];
        bytes.extend_from_slice(&page.to_be_bytes());
        bytes.extend_from_slice(&lsn.0.to_le_bytes());
        bytes.extend_from_slice(&(slots as u16).to_le_bytes());
        bytes.extend_from_slice(&(len as u32).to_le_bytes());
        bytes.extend_from_slice(&lz4_flex::block::compress(&self.raw));
        Ok(bytes)
    }
}

/// LEB128.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn take_varint(rest: &mut &[u8]) -> Option<u32> {
    let mut value = 0;
    for shift in (0..32).step_by(7) {
        let (byte, left) = rest.split_first()?;
        *rest = left;
        value |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LAYOUT_UNDER_TEST: PageLayout = PageLayout::new(TableId(3), 16);

    #[derive(Clone, PartialEq, Debug)]
    struct Name(String);

    impl PageRow for Name {
        fn encode(&self, out: &mut Vec<u8>) {
            out.push(self.0.len() as u8);
            out.extend_from_slice(self.0.as_bytes());
        }

        fn decode(input: &mut &[u8]) -> Result<Self, PageError> {
            let (len, rest) = input.split_first().ok_or_else(|| PageError::new("empty"))?;
            let (text, rest) =
                rest.split_at_checked(usize::from(*len)).ok_or_else(|| PageError::new("cut short"))?;
            *input = rest;
            Ok(Self(String::from_utf8(text.to_vec()).map_err(|error| PageError::new(error.to_string()))?))
        }
    }

    proptest! {
        #[test]
        fn a_page_gives_back_its_rows(rows in prop::collection::vec(prop::option::of("[a-zà-ỹ]{0,40}"), 0..=16)) {
            let rows: Vec<Option<Name>> = rows.into_iter().map(|row| row.map(Name)).collect();
            let bytes = LAYOUT_UNDER_TEST.encode(7, Lsn(99), rows.iter().map(Option::as_ref)).unwrap();
            let page = LAYOUT_UNDER_TEST.decode(7, &bytes).unwrap();
            prop_assert_eq!((page.number(), page.lsn()), (7, Lsn(99)));
            for slot in 0..16 {
                let expected = rows.get(slot).cloned().flatten();
                prop_assert_eq!(page.row::<Name>(slot).unwrap(), expected);
            }
            let ids: Vec<u32> = page.rows().map(|(id, _)| id).collect();
            let expected_ids: Vec<u32> =
                (0u32..).zip(&rows).filter(|(_, row)| row.is_some()).map(|(slot, _)| 112 + slot).collect();
            prop_assert_eq!(ids, expected_ids);
        }

        #[test]
        fn bytes_that_are_no_page_are_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut framed = vec![LAYOUT, 3, 0, 0, 0, 7];
            framed.extend_from_slice(&bytes);
            let _ = LAYOUT_UNDER_TEST.decode(7, &framed);
            prop_assert!(LAYOUT_UNDER_TEST.decode(8, &framed).is_err());
        }

        #[test]
        fn varints_survive_the_round_trip(value: u32) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take_varint(&mut rest), Some(value));
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn a_page_of_another_place_is_refused() {
        let row = Name("An".into());
        let bytes = LAYOUT_UNDER_TEST.encode(7, Lsn(1), [Some(&row)]).unwrap();
        assert!(LAYOUT_UNDER_TEST.decode(8, &bytes).is_err());
        assert!(PageLayout::new(TableId(4), 16).decode(7, &bytes).is_err());
        let too_many = vec![Some(&row); 17];
        assert!(LAYOUT_UNDER_TEST.encode(7, Lsn(1), too_many).is_err());
    }

    #[test]
    fn ids_find_their_page_and_slot() {
        for id in [0, 1, 15, 16, 17, u32::MAX] {
            let (page, slot) = (LAYOUT_UNDER_TEST.page_of(id), LAYOUT_UNDER_TEST.slot_of(id));
            assert_eq!(LAYOUT_UNDER_TEST.first_id(page) + slot as u32, id);
        }
    }
}
