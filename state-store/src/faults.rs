//! What a store can fail at, and why one is discarded.

use crate::engine::{EngineError, EngineKind};
use crate::restart::RestartPointError;
use event_schemas::ids::{CommandId, InstanceId, LogId, Lsn};
use std::io;

/// What a store failed at.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the store's files failed: {0}")]
    Io(#[from] io::Error),
    /// The store is condemned: the next open discards it whole (S3).
    #[error("the store is damaged and will be discarded when it is opened next: {0}")]
    Damaged(String),
    #[error("another process holds the store")]
    InUse,
    /// Nothing is wrong with the files: they are kept.
    #[error("the store's files were written by the engine {found}, but {asked} is to keep them")]
    OtherEngine { found: EngineKind, asked: EngineKind },
    /// Nothing is wrong with the files: a later program goes on with them.
    #[error(
        "the store's files are of format {found}; this program knows formats up to {newest}: a later version of it is needed"
    )]
    NewerFormat { found: u16, newest: u16 },
    /// Reads still answer; the store must be opened again before it can save.
    #[error("an earlier checkpoint of this store failed halfway; open it again")]
    FailedEarlier,
    #[error("{0}")]
    Misuse(String),
    #[error(transparent)]
    RestartPoint(#[from] RestartPointError),
    #[error(transparent)]
    TwoRecords(#[from] TwoRecords),
}

/// One command id stands for two records: W2 is broken. The files are sound, and are kept as they are for whoever looks into it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("command {id} stands for the records at lsn {first} and {second}")]
pub struct TwoRecords {
    pub id: CommandId,
    /// It stays the one that the id leads to.
    pub first: Lsn,
    pub second: Lsn,
}

/// Why a store was discarded whole. Its `Display` is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum DiscardReason {
    #[error("it was condemned: {0}")]
    Condemned(String),
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("it was folded from log {found}, not {expected}")]
    OtherLog { found: LogId, expected: LogId },
    #[error("it was folded from instance {found} of the log, not {expected}")]
    OtherInstance { found: InstanceId, expected: InstanceId },
    #[error("its format {0} is not one this program reads")]
    Format(u16),
    #[error("its rows were made by fold revision {found}; this program runs {expected}")]
    FoldRevision { found: u32, expected: u32 },
    #[error("its engine lost entries, or brought back old ones, without an error")]
    EntriesMissing,
    #[error("it holds rows without a restart point: its first build was interrupted")]
    UnfinishedBuild,
    #[error(
        "the machine went down while a checkpoint was being written to an engine that does not survive this"
    )]
    MachineWentDown,
    /// What the caller found when it compared the restart point with the log.
    #[error("it does not match the log: {0}")]
    Mismatch(String),
}

/// Opening either fails for good or finds a reason to discard.
pub(crate) enum OpenFailure {
    Fatal(StoreError),
    Discard(DiscardReason),
}

impl From<EngineError> for OpenFailure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::InUse | EngineError::OtherEngine { .. } => Self::Fatal(error.into()),
            EngineError::Io(error) if is_environment(&error) => Self::Fatal(StoreError::Io(error)),
            other => Self::Discard(DiscardReason::Unreadable(other.to_string())),
        }
    }
}

impl From<io::Error> for OpenFailure {
    fn from(error: io::Error) -> Self {
        EngineError::Io(error).into()
    }
}

/// Failures that say nothing about the files: deleting them would not help.
pub(crate) fn is_environment(error: &io::Error) -> bool {
    use io::ErrorKind::{OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    const TOO_MANY_OPEN_FILES: [i32; 2] = [23, 24];
    matches!(error.kind(), OutOfMemory | PermissionDenied | QuotaExceeded | ReadOnlyFilesystem | StorageFull)
        || error.raw_os_error().is_some_and(|code| TOO_MANY_OPEN_FILES.contains(&code))
}

impl From<EngineError> for StoreError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Io(error) => Self::Io(error),
            EngineError::Damaged(reason) => Self::Damaged(reason),
            EngineError::InUse => Self::InUse,
            EngineError::OtherEngine { found, asked } => Self::OtherEngine { found, asked },
        }
    }
}
