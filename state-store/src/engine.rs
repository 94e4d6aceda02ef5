//! What the store needs of an embedded key-value engine.

use std::fmt;
use std::ops::Bound;

/// Which engine keeps a store on disk.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum EngineKind {
    #[default]
    Sled,
    Fjall,
}

impl EngineKind {
    pub const ALL: [Self; 2] = [Self::Sled, Self::Fjall];

    /// The name that a store's directory states.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Fjall => "fjall",
        }
    }

    /// The engine of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A table of the engine. 255 is the store's own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub u8);

impl TableId {
    /// Where the store keeps its restart point.
    pub(crate) const META: Self = Self(255);
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "T{}", self.0)
    }
}

impl fmt::Debug for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Longest key, bytes.
pub const MAX_KEY_LEN: usize = 1_024;
/// Longest value, bytes.
pub const MAX_VALUE_LEN: usize = 4 << 20;
/// Most changes of one batch. sled's memory grows far beyond its cache with larger ones.
pub const MAX_BATCH_CHANGES: usize = 256;

/// One key written, or removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    pub table: TableId,
    pub key: Vec<u8>,
    /// `None` removes the key.
    pub value: Option<Vec<u8>>,
}

/// Direction of a scan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Ascending,
    Descending,
}

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);
/// Entries in the order of the scan. Ends after the first error.
pub type EntryIter<'a> = Box<dyn Iterator<Item = Result<Entry, EngineError>> + 'a>;

/// What an engine failed at.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("input or output failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("the engine's files are damaged: {0}")]
    Damaged(String),
    #[error("another process holds the engine's files")]
    InUse,
    #[error("they were written by the engine {found}, not {asked}")]
    OtherEngine { found: EngineKind, asked: EngineKind },
}

/// A range of keys with owned bounds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRange {
    pub from: Bound<Vec<u8>>,
    pub to: Bound<Vec<u8>>,
}

impl KeyRange {
    /// Every key.
    pub fn all() -> Self {
        Self { from: Bound::Unbounded, to: Bound::Unbounded }
    }

    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        let mut end = prefix.to_vec();
        while let Some(last) = end.pop() {
            if last < u8::MAX {
                end.push(last + 1);
                return Self { from: Bound::Included(prefix.to_vec()), to: Bound::Excluded(end) };
            }
        }
        Self { from: Bound::Included(prefix.to_vec()), to: Bound::Unbounded }
    }

    /// The part of this range beyond `key`: how a listing goes on after the last entry it showed. In descending
    /// order "beyond" means below.
    pub fn beyond(mut self, key: &[u8], order: Order) -> Self {
        match order {
            Order::Ascending => self.from = Bound::Excluded(key.to_vec()),
            Order::Descending => self.to = Bound::Excluded(key.to_vec()),
        }
        self
    }

    /// Whether no key can lie in this range. Ordered maps panic on some of these.
    pub fn is_empty(&self) -> bool {
        match (&self.from, &self.to) {
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
                from >= to
            }
            _ => false,
        }
    }

    /// Whether `key` lies in this range.
    pub fn contains(&self, key: &[u8]) -> bool {
        let after_start = match &self.from {
            Bound::Included(from) => key >= from.as_slice(),
            Bound::Excluded(from) => key > from.as_slice(),
            Bound::Unbounded => true,
        };
        let before_end = match &self.to {
            Bound::Included(to) => key <= to.as_slice(),
            Bound::Excluded(to) => key < to.as_slice(),
            Bound::Unbounded => true,
        };
        after_start && before_end
    }
}

/// An embedded key-value engine. Keys of a table are ordered by their bytes.
///
/// What the store relies on, and `tests/store/engine_conformance.rs` checks: a written key is read back until it is
/// changed; scans are ordered and see what was applied before they began; after [`Engine::sync_files`] returned,
/// everything applied before it survives a crash. It relies on nothing about what was applied later: that may be
/// there in part.
pub trait Engine: Send + Sync {
    /// Name for reports.
    fn name(&self) -> &'static str;

    /// The value of a key.
    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError>;

    /// Applies up to [`MAX_BATCH_CHANGES`] changes in order. Not durable before [`Engine::sync_files`].
    fn apply(&self, batch: &[Change]) -> Result<(), EngineError>;

    /// Entries of a table within `range`, lazily. Changes applied meanwhile may or may not be seen.
    fn scan<'a>(&'a self, table: TableId, range: &KeyRange, order: Order) -> EntryIter<'a>;

    /// Makes everything applied so far durable.
    fn sync_files(&self) -> Result<(), EngineError>;

    /// Whether it holds nothing at all.
    fn is_empty(&self) -> Result<bool, EngineError>;

    /// Bytes its files take.
    fn disk_bytes(&self) -> Result<u64, EngineError>;

    /// Whether a crash of the *machine* while a batch is applied leaves everything synced earlier readable. An
    /// engine that reuses space before the copy that replaces it is durable answers `false`; the store then rebuilds
    /// after such a crash instead of trusting what is left.
    fn keeps_synced_data(&self) -> bool;
}
