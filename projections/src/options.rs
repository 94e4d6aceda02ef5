//! How a live view is kept.

use event_schemas::ids::Lsn;
use state_store::home::EngineOptions;
use std::path::PathBuf;
use std::time::Duration;

/// How a live view is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory of the views.
    pub dir: PathBuf,
    /// Which engine keeps the views, and its memory. Views that another one wrote are refused; see
    /// [`crate::Views::rebuild_with`].
    pub engine: EngineOptions,
    /// Unsaved changes at which a checkpoint begins.
    pub checkpoint_bytes: usize,
    /// Time after which a checkpoint begins, however little there is to save.
    pub checkpoint_every: Duration,
    /// Most entries that are published together.
    pub step_entries: usize,
    /// An empty view that is so many entries behind is folded at once, and shows nothing until it is whole.
    pub at_once_from: u64,
    /// Ids of each kind whose rows a fold of the whole log holds at a time, some 600 bytes for a person; beyond them it
    /// reads the log again.
    pub ids_at_once: u32,
    /// The view goes up to here and no further, as it stood then.
    pub until: Lsn,
}

/// As far as the log goes.
const NO_END: Lsn = Lsn(u64::MAX);

impl Options {
    /// Bounds that suit a machine of a few GB.
    pub fn in_directory(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            engine: EngineOptions::default(),
            checkpoint_bytes: 64 << 20,
            checkpoint_every: Duration::from_secs(30),
            step_entries: 1_024,
            at_once_from: 100_000,
            ids_at_once: 8 << 20,
            until: NO_END,
        }
    }
}
