//! Where a store lives: its engine's files, its double-write file, its lock and the mark that condemns it.

use crate::double_write::{BootId, ScratchFile};
use crate::engine::{Engine, EngineError, EngineKind};
use crate::fjall_engine::FjallEngine;
use crate::sled_engine::SledEngine;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const LOCK_FILE: &str = "lock";
const ENGINE_DIR: &str = "engine";
/// Names the engine that wrote [`ENGINE_DIR`].
const ENGINE_FILE: &str = "engine.name";
const DOUBLE_WRITE_FILE: &str = "double-write";
const CONDEMNED_FILE: &str = "condemned";
const MAX_REASON_LEN: usize = 2_000;

/// Memory that an engine keeps pages in, unless told otherwise.
pub const DEFAULT_CACHE_BYTES: u64 = 64 << 20;

/// Which engine keeps a store, and how much memory it may keep pages in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EngineOptions {
    pub kind: EngineKind,
    pub cache_bytes: u64,
}

impl Default for EngineOptions {
    fn default() -> Self {
        EngineKind::default().into()
    }
}

impl From<EngineKind> for EngineOptions {
    fn from(kind: EngineKind) -> Self {
        Self { kind, cache_bytes: DEFAULT_CACHE_BYTES }
    }
}

/// Engine and double-write file, opened.
pub struct OpenedHome {
    pub engine: Box<dyn Engine>,
    pub scratch: Box<dyn ScratchFile>,
}

/// The place of one store, held exclusively as long as this value lives.
pub trait Home: Send + Sync {
    /// Opens both files, creating what is missing.
    fn open(&self) -> Result<OpenedHome, EngineError>;
    /// Deletes everything. The engine must have been dropped. A crash in the middle leaves a condemned store.
    fn erase(&self) -> io::Result<()>;
    /// Marks the store as not to be used again, durably.
    fn condemn(&self, reason: &str) -> io::Result<()>;
    /// The reason, if the store is condemned.
    fn condemned(&self) -> io::Result<Option<String>>;
    /// Which run of the kernel this is; all zero where that cannot be known.
    fn boot(&self) -> BootId;
}

/// A directory.
pub struct DiskHome {
    dir: PathBuf,
    engine: EngineOptions,
    boot: BootId,
    /// Holds the lock until it is closed.
    _lock: File,
}

impl DiskHome {
    /// Creates the directory if needed and takes its lock, or fails with [`EngineError::InUse`]. A store that another
    /// engine wrote is left as it is: [`EngineError::OtherEngine`].
    pub fn lock(dir: &Path, engine: EngineOptions) -> Result<Self, EngineError> {
        fs::create_dir_all(dir)?;
        let lock = lock_file(dir)?;
        match engine_of(dir)? {
            Some(found) if found != engine.kind => {
                Err(EngineError::OtherEngine { found, asked: engine.kind })
            }
            _ => Ok(Self { dir: dir.to_path_buf(), engine, boot: kernel_boot_id(), _lock: lock }),
        }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Before the engine's first file is there.
    fn name_engine(&self) -> Result<(), EngineError> {
        let (path, name) = (self.dir.join(ENGINE_FILE), self.engine.kind.name());
        if !path.exists() {
            fs::write(&path, format!("{name}\n"))?;
            File::open(&path)?.sync_all()?;
            File::open(&self.dir)?.sync_all()?;
            return Ok(());
        }
        match engine_of(&self.dir)? == Some(self.engine.kind) {
            true => Ok(()),
            false => Err(EngineError::Damaged(format!("{ENGINE_FILE} names no engine"))),
        }
    }
}

/// The engine that wrote the store in `dir`; none if there is no store, or if what it says of itself cannot be read.
pub fn engine_of(dir: &Path) -> io::Result<Option<EngineKind>> {
    match fs::read(dir.join(ENGINE_FILE)) {
        Ok(name) => Ok(EngineKind::of_name(String::from_utf8_lossy(&name).trim())),
        // Stores that name no engine are sled's.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(dir.join(ENGINE_DIR).exists().then_some(EngineKind::Sled))
        }
        Err(error) => Err(error),
    }
}

/// Removes the store in `dir`, whichever engine wrote it, unless somebody holds it: [`EngineError::InUse`].
pub fn remove_store(dir: &Path) -> Result<(), EngineError> {
    let _lock = lock_file(dir)?;
    Ok(fs::remove_dir_all(dir)?)
}

/// Takes the exclusive lock of a directory, held until the file is closed, or fails with [`EngineError::InUse`].
pub(crate) fn lock_file(dir: &Path) -> Result<File, EngineError> {
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join(LOCK_FILE))?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(EngineError::InUse),
        Err(error) => Err(EngineError::Io(error.into())),
    }
}

/// Linux names each run of the kernel; elsewhere it stays unknown, and the store then trusts nothing that an
/// interrupted checkpoint may have touched.
fn kernel_boot_id() -> BootId {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).unwrap_or_default().to_le_bytes()
}

fn absent_is_fine(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl Home for DiskHome {
    fn open(&self) -> Result<OpenedHome, EngineError> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(self.dir.join(DOUBLE_WRITE_FILE))?;
        let len = file.metadata()?.len();
        self.name_engine()?;
        let (dir, cache_bytes) = (self.dir.join(ENGINE_DIR), self.engine.cache_bytes);
        let engine: Box<dyn Engine> = match self.engine.kind {
            EngineKind::Sled => Box::new(SledEngine::open(&dir, cache_bytes)?),
            EngineKind::Fjall => Box::new(FjallEngine::open(&dir, cache_bytes)?),
        };
        // The names of both must be durable before the first checkpoint relies on them.
        File::open(&self.dir)?.sync_all()?;
        Ok(OpenedHome { engine, scratch: Box::new(DiskScratch { file, len }) })
    }

    fn erase(&self) -> io::Result<()> {
        if self.condemned()?.is_none() {
            self.condemn("its deletion was interrupted")?;
        }
        absent_is_fine(fs::remove_dir_all(self.dir.join(ENGINE_DIR)))?;
        absent_is_fine(fs::remove_file(self.dir.join(ENGINE_FILE)))?;
        absent_is_fine(fs::remove_file(self.dir.join(DOUBLE_WRITE_FILE)))?;
        File::open(&self.dir)?.sync_all()?;
        absent_is_fine(fs::remove_file(self.dir.join(CONDEMNED_FILE)))?;
        File::open(&self.dir)?.sync_all()
    }

    fn condemn(&self, reason: &str) -> io::Result<()> {
        let path = self.dir.join(CONDEMNED_FILE);
        let shown: String = reason.chars().take(MAX_REASON_LEN).collect();
        fs::write(&path, shown)?;
        File::open(&path)?.sync_all()?;
        File::open(&self.dir)?.sync_all()
    }

    fn condemned(&self) -> io::Result<Option<String>> {
        match fs::read(self.dir.join(CONDEMNED_FILE)) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn boot(&self) -> BootId {
        self.boot
    }
}

struct DiskScratch {
    file: File,
    len: u64,
}

impl ScratchFile for DiskScratch {
    fn clear(&mut self) -> io::Result<()> {
        if self.len == 0 {
            return Ok(());
        }
        // Synced: after the machine went down, a file that comes back says that a checkpoint was interrupted.
        self.file.set_len(0)?;
        self.len = 0;
        self.file.sync_data()
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.len)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn byte_len(&self) -> io::Result<u64> {
        Ok(self.len)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}
