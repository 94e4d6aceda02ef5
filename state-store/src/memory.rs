//! A home in memory for simulations: it can fail at any step and lose what was not synced, from a seed.

use crate::double_write::{BootId, ScratchFile};
use crate::engine::{Change, Engine, EngineError, EntryIter, KeyRange, Order, TableId};
use crate::home::{Home, OpenedHome};
use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

/// What a disk writes as one.
const SECTOR_LEN: usize = 512;

type FullKey = (TableId, Vec<u8>);

/// Everything that a crash leaves or takes.
#[derive(Default)]
struct Disk {
    /// What reads see.
    rows: BTreeMap<FullKey, Vec<u8>>,
    /// What is certain to survive.
    synced_rows: BTreeMap<FullKey, Vec<u8>>,
    /// Applied since the last sync, in order.
    unsynced: Vec<Change>,
    scratch: Vec<u8>,
    synced_scratch: Vec<u8>,
    condemned: Option<String>,
    /// Steps until everything fails, if a crash is planned.
    steps_left: Option<u64>,
    steps_taken: u64,
}

impl Disk {
    fn step(&mut self) -> io::Result<()> {
        self.steps_taken += 1;
        match &mut self.steps_left {
            Some(0) => Err(io::Error::other("simulated crash")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// A store's home that outlives the store: clones share the same simulated disk.
#[derive(Clone, Default)]
pub struct MemoryHome {
    disk: Arc<Mutex<Disk>>,
}

impl MemoryHome {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// After this many more steps (a change applied, bytes appended, a sync …) every further one fails, until
    /// [`MemoryHome::crash`].
    pub fn fail_after(&self, steps: u64) {
        self.lock().steps_left = Some(steps);
    }

    /// Steps so far: tells a test how many places there are to crash at.
    pub fn steps_taken(&self) -> u64 {
        self.lock().steps_taken
    }

    /// The machine goes down and comes up. Of what was not synced, each change and each sector survives or not, as
    /// `seed` says.
    pub fn crash(&self, seed: u64) {
        let mut random = seed;
        let mut disk = self.lock();
        let mut rows = disk.synced_rows.clone();
        for change in std::mem::take(&mut disk.unsynced) {
            if splitmix(&mut random) & 1 == 0 {
                put(&mut rows, change);
            }
        }
        disk.synced_rows = rows.clone();
        disk.rows = rows;

        let (new, old) = (std::mem::take(&mut disk.scratch), std::mem::take(&mut disk.synced_scratch));
        let len = if splitmix(&mut random) & 1 == 0 { new.len() } else { old.len() };
        let mut scratch = vec![0; len];
        for (index, sector) in scratch.chunks_mut(SECTOR_LEN).enumerate() {
            let survivor = if splitmix(&mut random) & 1 == 0 { &new } else { &old };
            let from = (index * SECTOR_LEN).min(survivor.len());
            let to = (from + sector.len()).min(survivor.len());
            sector[..to - from].copy_from_slice(&survivor[from..to]);
        }
        disk.synced_scratch = scratch.clone();
        disk.scratch = scratch;
        disk.steps_left = None;
    }

    /// Flips one bit of a stored value, as a failing disk would. `false` if there is no such key.
    pub fn flip_bit(&self, table: TableId, key: &[u8], bit: usize) -> bool {
        let mut disk = self.lock();
        let full_key = (table, key.to_vec());
        let Some(value) = disk.rows.get_mut(&full_key).filter(|value| !value.is_empty()) else {
            return false;
        };
        let at = bit / 8 % value.len();
        value[at] ^= 1 << (bit % 8);
        let damaged = value.clone();
        disk.synced_rows.insert(full_key, damaged);
        true
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().expect("no holder of this lock panics")
    }
}

fn put(rows: &mut BTreeMap<FullKey, Vec<u8>>, change: Change) {
    match change.value {
        Some(value) => rows.insert((change.table, change.key), value),
        None => rows.remove(&(change.table, change.key)),
    };
}

/// Sebastiano Vigna's SplitMix64.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Home for MemoryHome {
    fn open(&self) -> Result<OpenedHome, EngineError> {
        self.lock().step()?;
        let engine = Box::new(MemoryEngine { home: self.clone() });
        Ok(OpenedHome { engine, scratch: Box::new(MemoryScratch { home: self.clone() }) })
    }

    fn erase(&self) -> io::Result<()> {
        let mut disk = self.lock();
        disk.step()?;
        let (steps_left, steps_taken) = (disk.steps_left, disk.steps_taken);
        *disk = Disk { steps_left, steps_taken, ..Disk::default() };
        Ok(())
    }

    fn condemn(&self, reason: &str) -> io::Result<()> {
        let mut disk = self.lock();
        disk.step()?;
        disk.condemned = Some(reason.to_owned());
        Ok(())
    }

    fn condemned(&self) -> io::Result<Option<String>> {
        Ok(self.lock().condemned.clone())
    }

    fn boot(&self) -> BootId {
        BootId::default()
    }
}

/// An ordered map that forgets what was not synced.
struct MemoryEngine {
    home: MemoryHome,
}

impl Engine for MemoryEngine {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.home.lock().rows.get(&(table, key.to_vec())).cloned())
    }

    fn apply(&self, batch: &[Change]) -> Result<(), EngineError> {
        let mut disk = self.home.lock();
        for change in batch {
            disk.step()?;
            put(&mut disk.rows, change.clone());
            disk.unsynced.push(change.clone());
        }
        Ok(())
    }

    fn scan<'a>(&'a self, table: TableId, range: &KeyRange, order: Order) -> EntryIter<'a> {
        let mut left = range.clone();
        Box::new(std::iter::from_fn(move || {
            if left.is_empty() {
                return None;
            }
            let disk = self.home.lock();
            let mut found = disk.rows.range(full_range(table, &left));
            let ((_, key), value) = match order {
                Order::Ascending => found.next(),
                Order::Descending => found.next_back(),
            }?;
            left = left.clone().beyond(key, order);
            Some(Ok((key.clone(), value.clone())))
        }))
    }

    fn sync_files(&self) -> Result<(), EngineError> {
        let mut disk = self.home.lock();
        disk.step()?;
        for change in std::mem::take(&mut disk.unsynced) {
            put(&mut disk.synced_rows, change);
        }
        Ok(())
    }

    fn is_empty(&self) -> Result<bool, EngineError> {
        Ok(self.home.lock().rows.is_empty())
    }

    fn disk_bytes(&self) -> Result<u64, EngineError> {
        let disk = self.home.lock();
        Ok(disk.rows.iter().map(|((_, key), value)| (1 + key.len() + value.len()) as u64).sum())
    }

    fn keeps_synced_data(&self) -> bool {
        true
    }
}

fn full_range(table: TableId, range: &KeyRange) -> (Bound<FullKey>, Bound<FullKey>) {
    let bound = |bound: &Bound<Vec<u8>>| match bound {
        Bound::Included(key) => Bound::Included((table, key.clone())),
        Bound::Excluded(key) => Bound::Excluded((table, key.clone())),
        Bound::Unbounded => Bound::Unbounded,
    };
    let from = match bound(&range.from) {
        Bound::Unbounded => Bound::Included((table, Vec::new())),
        given => given,
    };
    let to = match (bound(&range.to), table.0.checked_add(1)) {
        (Bound::Unbounded, Some(next)) => Bound::Excluded((TableId(next), Vec::new())),
        (given, _) => given,
    };
    (from, to)
}

struct MemoryScratch {
    home: MemoryHome,
}

impl ScratchFile for MemoryScratch {
    fn clear(&mut self) -> io::Result<()> {
        let mut disk = self.home.lock();
        disk.step()?;
        disk.scratch.clear();
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.home.lock();
        disk.step()?;
        disk.scratch.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.home.lock();
        disk.step()?;
        disk.synced_scratch = disk.scratch.clone();
        Ok(())
    }

    fn byte_len(&self) -> io::Result<u64> {
        Ok(self.home.lock().scratch.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let disk = self.home.lock();
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let bytes = disk.scratch.get(from..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
