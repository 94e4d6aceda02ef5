//! What the engines on disk share: all tables in one ordered map, and files in one directory.

use crate::engine::{EngineError, KeyRange, TableId};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// An engine may let go of its lock from another thread some time after its last handle was dropped.
const OPEN_ATTEMPTS: u32 = 8;
/// Before the second attempt; each later one waits twice as long, all together some two and a half seconds.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(20);

/// Opens an engine, patiently. Some damage makes engines panic instead of answering an error; both become
/// [`EngineError::Damaged`].
pub(crate) fn open_patiently<E>(
    name: &str,
    attempt: impl Fn() -> Result<E, EngineError>,
) -> Result<E, EngineError> {
    for number in 1..=OPEN_ATTEMPTS {
        match catch_unwind(AssertUnwindSafe(&attempt)) {
            Ok(Err(EngineError::InUse)) if number < OPEN_ATTEMPTS => {
                thread::sleep(FIRST_RETRY_DELAY * 2_u32.pow(number - 1));
            }
            Ok(outcome) => return outcome,
            Err(_) => return Err(EngineError::Damaged(format!("{name} panicked while it opened its files"))),
        }
    }
    Err(EngineError::InUse)
}

/// A table's byte and then the key, so that one batch covers several tables.
pub(crate) fn full_key(table: TableId, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(1 + key.len());
    full.push(table.0);
    full.extend_from_slice(key);
    full
}

/// The range over full keys. The end of a table is the start of the next one.
pub(crate) fn full_range(table: TableId, range: &KeyRange) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let from = match &range.from {
        Bound::Included(key) => Bound::Included(full_key(table, key)),
        Bound::Excluded(key) => Bound::Excluded(full_key(table, key)),
        Bound::Unbounded => Bound::Included(vec![table.0]),
    };
    let to = match &range.to {
        Bound::Included(key) => Bound::Included(full_key(table, key)),
        Bound::Excluded(key) => Bound::Excluded(full_key(table, key)),
        Bound::Unbounded => match table.0.checked_add(1) {
            Some(next) => Bound::Excluded(vec![next]),
            None => Bound::Unbounded,
        },
    };
    (from, to)
}

/// Makes all files below `dir`, and their names, durable. Files that an engine removes meanwhile are passed over.
pub(crate) fn sync_tree(dir: &Path) -> io::Result<()> {
    for found in std::fs::read_dir(dir)? {
        let found = found?;
        if found.file_type()?.is_dir() {
            sync_tree(&found.path())?;
            continue;
        }
        match File::open(found.path()) {
            Ok(file) => file.sync_all()?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    File::open(dir)?.sync_all()
}

/// Bytes of all files below `dir`.
pub(crate) fn tree_bytes(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for found in std::fs::read_dir(dir)? {
        let found = found?;
        let measured = match found.file_type()?.is_dir() {
            true => tree_bytes(&found.path()),
            false => found.metadata().map(|metadata| metadata.len()),
        };
        match measured {
            Ok(more) => bytes += more,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}
