//! Ordered keys packed into leaves: a sorted table in which the engine sees one key for some hundred entries.
//!
//! A leaf holds the entries from its *fence*, the engine's key, up to the next leaf's fence. The first fence is the
//! empty key. A leaf that grows too long is split, its upper parts written before the lower one, so that a reader in
//! between finds every entry at least once. A leaf that loses its last entry is removed; the range then belongs to the
//! leaf below.
//!
//! Leaf bytes: layout 1, table 1, entries 4, length before compression 4, then, compressed with lz4, for each entry:
//! varint key length, key, varint value length, value.

use crate::engine::{Entry, TableId};
use crate::pages::{PageError, put_varint, take_varint};
use std::ops::Range;

const LAYOUT: u8 = 2;
const HEADER_LEN: usize = 1 + 1 + 4 + 4;

/// A leaf is written with about this many bytes of entries, before compression.
pub(crate) const LEAF_TARGET_LEN: usize = 8 << 10;
/// A leaf beyond this many bytes is split.
const LEAF_SPLIT_LEN: usize = 2 * LEAF_TARGET_LEN;
/// No leaf is longer: the split length and one largest entry.
const MAX_LEAF_LEN: usize = LEAF_SPLIT_LEN + MAX_ENTRY_LEN + 16;

/// Longest key and value together in a sorted table.
pub const MAX_ENTRY_LEN: usize = 1 << 20;

const CUT_SHORT: &str = "an entry is cut short";

/// Entries of one leaf.
#[derive(Default, Debug, PartialEq, Eq)]
pub(crate) struct Leaf {
    pub entries: Vec<Entry>,
}

impl Leaf {
    pub fn decode(table: TableId, bytes: &[u8]) -> Result<Self, PageError> {
        let raw = unpack(table, bytes)?;
        let mut rest = raw.as_slice();
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let (key, value) = take_entry(&mut rest).ok_or_else(|| wrong(table, CUT_SHORT))?;
            entries.push((key.to_vec(), value.to_vec()));
        }
        Ok(Self { entries })
    }

    /// Brings in sorted changes; `None` removes.
    pub fn merge<'a>(&mut self, changes: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) {
        let old = std::mem::take(&mut self.entries);
        let mut old = old.into_iter().peekable();
        for (key, value) in changes {
            while let Some(entry) = old.next_if(|(old_key, _)| old_key.as_slice() < key) {
                self.entries.push(entry);
            }
            old.next_if(|(old_key, _)| old_key == key);
            if let Some(value) = value {
                self.entries.push((key.to_vec(), value.to_vec()));
            }
        }
        self.entries.extend(old);
    }

    /// Cuts the entries into leaves of a good size: the fence of each (`fence` for the first) and its bytes, the
    /// lowest first. Empty if there are no entries.
    pub fn into_leaves(self, table: TableId, fence: &[u8]) -> Vec<Entry> {
        let total: usize = self.entries.iter().map(entry_len).sum();
        let target = if total > LEAF_SPLIT_LEN { LEAF_TARGET_LEN } else { LEAF_SPLIT_LEN };
        let mut builder = LeafBuilder::new(table, fence.to_vec());
        let mut leaves = Vec::new();
        for (key, value) in &self.entries {
            if builder.len() >= target {
                leaves.push(std::mem::replace(&mut builder, LeafBuilder::new(table, key.clone())).finish());
            }
            builder.push(key, value);
        }
        if builder.len() > 0 {
            leaves.push(builder.finish());
        }
        leaves
    }
}

/// A leaf whose single values are looked for, without copying the others.
pub(crate) struct UnpackedLeaf {
    table: TableId,
    raw: Vec<u8>,
    /// Where its last key lies in `raw`.
    last: Range<usize>,
}

impl UnpackedLeaf {
    pub fn unpack(table: TableId, bytes: &[u8]) -> Result<Self, PageError> {
        let mut leaf = Self { table, raw: unpack(table, bytes)?, last: 0..0 };
        let mut rest = leaf.raw.as_slice();
        while !rest.is_empty() {
            let key = take_bytes(&mut rest).ok_or_else(|| wrong(table, CUT_SHORT))?;
            let end = leaf.raw.len() - rest.len();
            take_bytes(&mut rest).ok_or_else(|| wrong(table, CUT_SHORT))?;
            leaf.last = end - key.len()..end;
        }
        Ok(leaf)
    }

    /// Whether the key, which is not before the leaf's fence, is not behind its last key either: then no other leaf holds it.
    pub fn reaches(&self, key: &[u8]) -> bool {
        key <= &self.raw[self.last.clone()]
    }

    /// The value of one key.
    pub fn find(&self, key: &[u8]) -> Result<Option<Vec<u8>>, PageError> {
        let mut rest = self.raw.as_slice();
        while !rest.is_empty() {
            let (found, value) = take_entry(&mut rest).ok_or_else(|| wrong(self.table, CUT_SHORT))?;
            if found >= key {
                return Ok((found == key).then(|| value.to_vec()));
            }
        }
        Ok(None)
    }

    /// Bytes that it takes.
    pub fn len(&self) -> usize {
        self.raw.len()
    }
}

fn entry_len((key, value): &Entry) -> usize {
    key.len() + value.len() + 2
}

/// Packs entries that come in order.
pub(crate) struct LeafBuilder {
    table: TableId,
    fence: Vec<u8>,
    raw: Vec<u8>,
    entries: u32,
}

impl LeafBuilder {
    pub fn new(table: TableId, fence: Vec<u8>) -> Self {
        Self { table, fence, raw: Vec::new(), entries: 0 }
    }

    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        put_varint(&mut self.raw, key.len() as u32);
        self.raw.extend_from_slice(key);
        put_varint(&mut self.raw, value.len() as u32);
        self.raw.extend_from_slice(value);
        self.entries += 1;
    }

    pub fn table(&self) -> TableId {
        self.table
    }

    /// Bytes so far, before compression.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Fence and bytes.
    pub fn finish(self) -> Entry {
        let mut bytes = vec![LAYOUT, self.table.0];
        bytes.extend_from_slice(&self.entries.to_le_bytes());
        bytes.extend_from_slice(&(self.raw.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&lz4_flex::block::compress(&self.raw));
        (self.fence, bytes)
    }
}

fn wrong(table: TableId, what: &str) -> PageError {
    PageError(format!("a leaf of {table}: {what}"))
}

fn unpack(table: TableId, bytes: &[u8]) -> Result<Vec<u8>, PageError> {
    let (header, packed) = bytes.split_at_checked(HEADER_LEN).ok_or_else(|| wrong(table, "cut short"))?;
    if header[0] != LAYOUT || header[1] != table.0 {
        return Err(wrong(table, "its header names another layout or table"));
    }
    let raw_len = u32::from_le_bytes(*header[6..].first_chunk().expect("inside the header")) as usize;
    if raw_len > MAX_LEAF_LEN {
        return Err(wrong(table, "its header holds impossible numbers"));
    }
    let raw =
        lz4_flex::block::decompress(packed, raw_len).map_err(|error| wrong(table, &error.to_string()))?;
    if raw.len() != raw_len {
        return Err(wrong(table, "it is shorter than it says"));
    }
    Ok(raw)
}

fn take_entry<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let key = take_bytes(rest)?;
    let value = take_bytes(rest)?;
    Some((key, value))
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take_varint(rest)? as usize;
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const TABLE: TableId = TableId(9);

    proptest! {
        #[test]
        fn merging_and_splitting_equals_an_ordered_map(
            old in prop::collection::btree_map(prop::collection::vec(any::<u8>(), 0..4), prop::collection::vec(any::<u8>(), 0..900), 0..80),
            changes in prop::collection::btree_map(prop::collection::vec(any::<u8>(), 0..4), prop::option::of(prop::collection::vec(any::<u8>(), 0..900)), 0..80),
        ) {
            let mut leaf = Leaf { entries: old.clone().into_iter().collect() };
            leaf.merge(changes.iter().map(|(key, value)| (key.as_slice(), value.as_deref())));
            let mut model: BTreeMap<_, _> = old;
            for (key, value) in changes {
                match value {
                    Some(value) => model.insert(key, value),
                    None => model.remove(&key),
                };
            }
            let leaves = leaf.into_leaves(TABLE, b"");
            let mut read = Vec::new();
            for (index, (fence, bytes)) in leaves.iter().enumerate() {
                let leaf = Leaf::decode(TABLE, bytes).unwrap();
                prop_assert!(!leaf.entries.is_empty());
                prop_assert!(leaf.entries.iter().all(|(key, _)| key >= fence));
                if let Some((next, _)) = leaves.get(index + 1) {
                    prop_assert!(leaf.entries.iter().all(|(key, _)| key < next));
                }
                let unpacked = UnpackedLeaf::unpack(TABLE, bytes).unwrap();
                for (key, value) in &leaf.entries {
                    prop_assert!(unpacked.reaches(key));
                    prop_assert_eq!(unpacked.find(key).unwrap(), Some(value.clone()));
                }
                let (last, _) = leaf.entries.last().unwrap();
                let beyond = [last.as_slice(), b"\0"].concat();
                prop_assert!(!unpacked.reaches(&beyond));
                prop_assert_eq!(unpacked.find(&beyond).unwrap(), None);
                read.extend(leaf.entries);
            }
            prop_assert_eq!(read, model.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn bytes_that_are_no_leaf_are_an_error_and_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut framed = vec![LAYOUT, TABLE.0];
            framed.extend_from_slice(&bytes);
            let _ = (Leaf::decode(TABLE, &framed), UnpackedLeaf::unpack(TABLE, &framed).is_ok());
            prop_assert!(Leaf::decode(TableId(8), &framed).is_err());
        }
    }
}
