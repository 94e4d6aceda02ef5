//! All file access of the embedded engine, so that the engine runs unchanged on a real directory and on a simulated
//! disk that loses what was not synced.

mod real;
mod simulated;

pub use real::RealDisk;
pub use simulated::{Crash, SimulatedDisk};

use std::io;
use std::ops::Range;
use std::sync::Arc;

/// One directory of files. Names are plain file names.
pub trait Disk: Send + Sync {
    /// Name of a file, or of the directory (`""`), for messages.
    fn place(&self, name: &str) -> String;

    /// Names of all files, sorted.
    fn list(&self) -> io::Result<Vec<String>>;

    /// A new, empty file; an existing one of this name is replaced.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// An existing file.
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, replacing what had it. Durable after [`Self::sync_dir`].
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file. Durable after [`Self::sync_dir`].
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes created, renamed and removed names durable.
    fn sync_dir(&self) -> io::Result<()>;

    /// Takes the exclusive lock of this name, which is held until the value is dropped or the process ends. `None`:
    /// someone else holds it.
    fn lock(&self, name: &str) -> io::Result<Option<Box<dyn DiskLock>>>;
}

/// What a file is opened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    Read,
    ReadWrite,
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Reads up to `buffer.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all bytes. Durable after [`Self::sync`].
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Reserves room, so that later writes inside it do not meet a full disk; the file becomes `len` bytes long, and
    /// what was not written reads as zero.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Makes everything written durable.
    fn sync(&self) -> io::Result<()>;

    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// The first range, from `offset` on, in which anything may have been written; `None` if all behind it is reserved
    /// room that reads as zero. Spares a reader the way through that room.
    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>>;

    /// True if the file holds no byte.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// Holds a lock until it is dropped.
pub trait DiskLock: Send {}
