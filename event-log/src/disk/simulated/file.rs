//! One file of the simulated disk: what a reader sees, what is on the medium, and what may be.

use super::{Access, DiskFile, SECTOR, World};
use crate::seeded::Seeded;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

type Sector = [u8; SECTOR as usize];

/// Sectors that are absent are zero.
#[derive(Default)]
pub(super) struct FileState {
    pub(super) len: u64,
    durable_len: u64,
    seen: BTreeMap<u64, Sector>,
    durable: BTreeMap<u64, Sector>,
    /// What each sector was given since the last sync, in order.
    unsynced: BTreeMap<u64, Vec<Sector>>,
}

impl FileState {
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let end = self.len.min(offset + buffer.len() as u64);
        let mut at = offset;
        while at < end {
            let (sector, inside) = (at / SECTOR, (at % SECTOR) as usize);
            let until = end.min((sector + 1) * SECTOR);
            let target = &mut buffer[(at - offset) as usize..(until - offset) as usize];
            match self.seen.get(&sector) {
                Some(content) => target.copy_from_slice(&content[inside..inside + target.len()]),
                None => target.fill(0),
            }
            at = until;
        }
        end.saturating_sub(offset) as usize
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        self.grow(offset + bytes.len() as u64);
        let mut at = offset;
        let end = offset + bytes.len() as u64;
        while at < end {
            let (sector, inside) = (at / SECTOR, (at % SECTOR) as usize);
            let until = end.min((sector + 1) * SECTOR);
            let source = &bytes[(at - offset) as usize..(until - offset) as usize];
            let content = self.seen.entry(sector).or_insert([0; SECTOR as usize]);
            content[inside..inside + source.len()].copy_from_slice(source);
            self.unsynced.entry(sector).or_default().push(*content);
            at = until;
        }
    }

    pub(super) fn grow(&mut self, len: u64) {
        self.len = self.len.max(len);
    }

    pub(super) fn sync(&mut self) {
        for (sector, versions) in std::mem::take(&mut self.unsynced) {
            if let Some(last) = versions.last() {
                self.durable.insert(sector, *last);
            }
        }
        self.durable_len = self.len;
    }

    /// Part of what was written reaches the medium; the rest is taken for written all the same.
    pub(super) fn fail_sync(&mut self, random: &mut Seeded) {
        for (sector, versions) in std::mem::take(&mut self.unsynced) {
            if random.chance(500)
                && let Some(last) = versions.last()
            {
                self.durable.insert(sector, *last);
            }
        }
    }

    /// Gives how many unsynced sectors were dropped and kept.
    pub(super) fn cut_power(&mut self, random: &mut Seeded, keep_per_mille: u32) -> (u64, u64) {
        let (mut dropped, mut kept) = (0, 0);
        let mut kept_sectors = BTreeSet::new();
        for (sector, versions) in std::mem::take(&mut self.unsynced) {
            if !random.chance(keep_per_mille) {
                dropped += 1;
                continue;
            }
            kept += 1;
            kept_sectors.insert(sector);
            let version = versions[random.below(versions.len() as u64) as usize];
            self.durable.insert(sector, version);
        }
        if random.chance(keep_per_mille) {
            self.durable_len = self.len;
        }
        let written_len = kept_sectors.last().map_or(0, |sector| (sector + 1) * SECTOR).min(self.len);
        self.durable_len = self.durable_len.max(written_len);
        self.len = self.durable_len;
        self.seen = self.durable.clone();
        (dropped, kept)
    }

    pub(super) fn flip_bit(&mut self, bit: u64) {
        let (sector, inside) = (bit / 8 / SECTOR, (bit / 8 % SECTOR) as usize);
        for content in [&mut self.seen, &mut self.durable] {
            content.entry(sector).or_insert([0; SECTOR as usize])[inside] ^= 1 << (bit % 8);
        }
    }
}

/// A file as one process has it open.
pub(super) struct Handle {
    pub(super) world: Arc<Mutex<World>>,
    pub(super) process: u64,
    pub(super) id: u64,
    pub(super) access: Access,
}

impl Handle {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("no thread panics while it holds the simulated disk")
    }

    fn check_writable(&self) -> io::Result<()> {
        match self.access {
            Access::ReadWrite => Ok(()),
            Access::Read => Err(io::Error::new(io::ErrorKind::PermissionDenied, "opened for reading")),
        }
    }
}

impl DiskFile for Handle {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut world = self.world();
        world.check_alive(self.process)?;
        Ok(world.file(self.id).read(buffer, offset))
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut world = self.world();
        let crash = world.begin(self.process)?;
        world.grow(self.id, offset + bytes.len() as u64)?;
        let Some(crash) = crash else {
            world.file(self.id).write(bytes, offset);
            return Ok(());
        };
        // The process ends in the middle: some of the sectors were handed over, in any order.
        for (number, part) in bytes.chunks(SECTOR as usize).enumerate() {
            if world.random.chance(500) {
                world.file(self.id).write(part, offset + number as u64 * SECTOR);
            }
        }
        Err(world.end_with(crash))
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut world = self.world();
        world.begin_whole(self.process)?;
        world.grow(self.id, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.check_writable()?;
        let mut world = self.world();
        if let Some(crash) = world.begin(self.process)? {
            // It had time to finish, or not.
            if world.random.chance(500) {
                world.file(self.id).sync();
            }
            return Err(world.end_with(crash));
        }
        if world.fail_sync_at.is_some_and(|at| world.operations >= at) {
            world.fail_sync_at = None;
            world.count("failed_sync");
            let World { files, random, .. } = &mut *world;
            files.get_mut(&self.id).expect("files outlive their names").fail_sync(random);
            return Err(io::Error::other("simulated failure of a sync"));
        }
        world.file(self.id).sync();
        Ok(())
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        let mut world = self.world();
        world.check_alive(self.process)?;
        let next = world.file(self.id).seen.range(offset / SECTOR..).next();
        Ok(next.map(|(sector, _)| (sector * SECTOR).max(offset)..(sector + 1) * SECTOR))
    }

    fn len(&self) -> io::Result<u64> {
        let mut world = self.world();
        world.check_alive(self.process)?;
        Ok(world.file(self.id).len)
    }
}
