//! A disk in memory that forgets what was not synced, as a power cut makes a real one forget.
//!
//! Between two syncs every sector of 512 bytes may keep its old content, or any content it was given since, each on
//! its own: writes are dropped, reordered and torn between sectors, never inside one. Names behave alike, in order.
//! Everything follows from the seed.

mod file;

use super::{Access, Disk, DiskFile, DiskLock};
use crate::seeded::Seeded;
use file::{FileState, Handle};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

const SECTOR: u64 = 512;

/// How the simulated process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    /// The process dies; the operating system lives and keeps what was written.
    Kill,
    /// The machine dies; what was not synced is lost in any combination.
    PowerCut,
}

/// The simulated disk. Clones share it.
#[derive(Clone)]
pub struct SimulatedDisk {
    world: Arc<Mutex<World>>,
}

struct World {
    random: Seeded,
    files: BTreeMap<u64, FileState>,
    next_file: u64,
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    /// Changes of names since the last sync of the directory, in order, each whole or not at all: the names, and what
    /// has them then.
    unsynced_names: Vec<Vec<(String, Option<u64>)>>,
    capacity_bytes: u64,
    /// Counts processes; what an ended process left open works no more.
    process: u64,
    lock_holder: Option<u64>,
    operations: u64,
    crash_at: Option<(u64, Crash)>,
    fail_sync_at: Option<u64>,
    ended: Option<Crash>,
    counts: BTreeMap<&'static str, u64>,
}

impl SimulatedDisk {
    /// An empty disk with as much room as wanted.
    pub fn new(seed: u64) -> Self {
        let world = World {
            random: Seeded::new(seed),
            files: BTreeMap::new(),
            next_file: 0,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            unsynced_names: Vec::new(),
            capacity_bytes: u64::MAX,
            process: 0,
            lock_holder: None,
            operations: 0,
            crash_at: None,
            fail_sync_at: None,
            ended: None,
            counts: BTreeMap::new(),
        };
        Self { world: Arc::new(Mutex::new(world)) }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no thread panics while it holds the simulated disk")
    }

    /// The disk as the process that runs now sees it. If the last process has crashed, this is the next one.
    pub fn mount(&self) -> Arc<dyn Disk> {
        let mut world = self.world();
        world.ended = None;
        Arc::new(Mounted { world: Arc::clone(&self.world), process: world.process })
    }

    /// Ends the running process now.
    pub fn crash(&self, crash: Crash) {
        self.world().crash(crash);
    }

    /// Ends the running process in the middle of its `operations`-th further operation that changes or syncs
    /// something; 1 is the next.
    pub fn crash_after(&self, operations: u64, crash: Crash) {
        let mut world = self.world();
        world.crash_at = Some((world.operations + operations, crash));
    }

    /// Forgets a crash or a failure that was ordered and has not come.
    pub fn calm(&self) {
        let mut world = self.world();
        world.crash_at = None;
        world.fail_sync_at = None;
    }

    /// True if the last process crashed and none was mounted since.
    pub fn has_crashed(&self) -> bool {
        self.world().ended.is_some()
    }

    /// Lets the first sync of a file after `operations` further operations fail. As on Linux, what the failed sync
    /// should have written is then taken for written: reading shows it, a later sync does not write it.
    pub fn fail_sync_after(&self, operations: u64) {
        let mut world = self.world();
        world.fail_sync_at = Some(world.operations + operations);
    }

    /// Sets how many bytes all files together may have.
    pub fn set_capacity_bytes(&self, bytes: u64) {
        self.world().capacity_bytes = bytes;
    }

    /// Bytes that all files together have now.
    pub fn used_bytes(&self) -> u64 {
        self.world().used_bytes()
    }

    /// Turns one bit of a file over, on the medium and in memory.
    ///
    /// # Panics
    /// If there is no such file.
    pub fn flip_bit(&self, name: &str, bit: u64) {
        let mut world = self.world();
        let id = world.names[name];
        world.file(id).flip_bit(bit);
        world.count("flipped_bit");
    }

    /// What a file reads as now; `None` if there is none of this name.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let mut world = self.world();
        let id = *world.names.get(name)?;
        let mut bytes = vec![0; world.file(id).len as usize];
        world.file(id).read(&mut bytes, 0);
        Some(bytes)
    }

    /// Puts a file onto the medium as it is, durable, whatever was there.
    pub fn place_content(&self, name: &str, content: &[u8]) {
        let mut world = self.world();
        let id = world.add_file(name);
        world.durable_names.insert(name.to_owned(), id);
        let file = world.file(id);
        file.write(content, 0);
        file.sync();
    }

    /// Removes a file from the medium.
    pub fn lose(&self, name: &str) {
        let mut world = self.world();
        world.names.remove(name);
        world.durable_names.remove(name);
        world.count("lost_file");
    }

    /// How often each fault came, by name.
    pub fn fault_counts(&self) -> BTreeMap<&'static str, u64> {
        self.world().counts.clone()
    }
}

impl World {
    fn count(&mut self, fault: &'static str) {
        *self.counts.entry(fault).or_default() += 1;
    }

    fn file(&mut self, id: u64) -> &mut FileState {
        self.files.get_mut(&id).expect("files outlive their names")
    }

    fn used_bytes(&self) -> u64 {
        self.names.values().map(|id| self.files[id].len).sum()
    }

    fn add_file(&mut self, name: &str) -> u64 {
        let id = self.next_file;
        self.next_file += 1;
        self.files.insert(id, FileState::default());
        self.names.insert(name.to_owned(), id);
        id
    }

    fn crash(&mut self, crash: Crash) {
        self.process += 1;
        self.lock_holder = None;
        self.crash_at = None;
        self.fail_sync_at = None;
        self.ended = Some(crash);
        match crash {
            Crash::Kill => self.count("kill"),
            Crash::PowerCut => self.cut_power(),
        }
    }

    fn cut_power(&mut self) {
        self.count("power_cut");
        // Names change in order: some first part of the changes has reached the medium.
        let kept = self.random.below(self.unsynced_names.len() as u64 + 1) as usize;
        for (name, id) in self.unsynced_names.drain(..).take(kept).flatten() {
            match id {
                Some(id) => self.durable_names.insert(name, id),
                None => self.durable_names.remove(&name),
            };
        }
        self.names = self.durable_names.clone();
        // All lost, all kept, or any mixture, so that the extremes come often too.
        let keep_per_mille = [0, 1_000, 500, 100, 900][self.random.below(5) as usize];
        let (mut lost, mut torn) = (0, 0);
        for file in self.files.values_mut() {
            let (dropped, kept) = file.cut_power(&mut self.random, keep_per_mille);
            lost += u64::from(dropped > 0);
            torn += u64::from(dropped > 0 && kept > 0);
        }
        *self.counts.entry("lost_writes").or_default() += lost;
        *self.counts.entry("torn_writes").or_default() += torn;
    }

    fn check_alive(&self, process: u64) -> io::Result<()> {
        if process == self.process && self.ended.is_none() {
            return Ok(());
        }
        Err(io::Error::other("the simulated process has ended"))
    }

    /// Counts one changing operation; true if the process is to end in the middle of it.
    fn begin(&mut self, process: u64) -> io::Result<Option<Crash>> {
        self.check_alive(process)?;
        self.operations += 1;
        let crash = self.crash_at.filter(|(at, _)| self.operations >= *at).map(|(_, crash)| crash);
        Ok(crash)
    }

    /// As [`Self::begin`], for operations that happen whole or not at all.
    fn begin_whole(&mut self, process: u64) -> io::Result<()> {
        match self.begin(process)? {
            None => Ok(()),
            Some(crash) => Err(self.end_with(crash)),
        }
    }

    fn end_with(&mut self, crash: Crash) -> io::Error {
        self.crash(crash);
        io::Error::other("the simulated process has ended")
    }

    fn check_room(&self, id: u64, len: u64) -> io::Result<()> {
        let grown_bytes = len.saturating_sub(self.files[&id].len);
        if grown_bytes > 0 && self.used_bytes().saturating_add(grown_bytes) > self.capacity_bytes {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on the simulated disk"));
        }
        Ok(())
    }

    fn grow(&mut self, id: u64, len: u64) -> io::Result<()> {
        if let Err(error) = self.check_room(id, len) {
            self.count("full_disk");
            return Err(error);
        }
        self.file(id).grow(len);
        Ok(())
    }
}

struct Mounted {
    world: Arc<Mutex<World>>,
    process: u64,
}

impl Mounted {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no thread panics while it holds the simulated disk")
    }
}

fn not_found(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file {name} on the simulated disk"))
}

impl Disk for Mounted {
    fn place(&self, name: &str) -> String {
        format!("simulated-disk/{name}")
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let world = self.world();
        world.check_alive(self.process)?;
        Ok(world.names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.world();
        world.begin_whole(self.process)?;
        let id = world.add_file(name);
        world.unsynced_names.push(vec![(name.to_owned(), Some(id))]);
        Ok(Arc::new(Handle {
            world: Arc::clone(&self.world),
            process: self.process,
            id,
            access: Access::ReadWrite,
        }))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let world = self.world();
        world.check_alive(self.process)?;
        let id = *world.names.get(name).ok_or_else(|| not_found(name))?;
        Ok(Arc::new(Handle { world: Arc::clone(&self.world), process: self.process, id, access }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.world();
        world.begin_whole(self.process)?;
        let id = world.names.remove(from).ok_or_else(|| not_found(from))?;
        world.names.insert(to.to_owned(), id);
        world.unsynced_names.push(vec![(to.to_owned(), Some(id)), (from.to_owned(), None)]);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.world();
        world.begin_whole(self.process)?;
        world.names.remove(name).ok_or_else(|| not_found(name))?;
        world.unsynced_names.push(vec![(name.to_owned(), None)]);
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut world = self.world();
        world.begin_whole(self.process)?;
        world.unsynced_names.clear();
        world.durable_names = world.names.clone();
        Ok(())
    }

    fn lock(&self, _name: &str) -> io::Result<Option<Box<dyn DiskLock>>> {
        let mut world = self.world();
        world.check_alive(self.process)?;
        if world.lock_holder.is_some() {
            return Ok(None);
        }
        world.lock_holder = Some(self.process);
        Ok(Some(Box::new(SimulatedLock { world: Arc::clone(&self.world), process: self.process })))
    }
}

/// The lock of one process; its end lets go of it.
struct SimulatedLock {
    world: Arc<Mutex<World>>,
    process: u64,
}

impl DiskLock for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        if let Ok(mut world) = self.world.lock()
            && world.lock_holder == Some(self.process)
        {
            world.lock_holder = None;
        }
    }
}
