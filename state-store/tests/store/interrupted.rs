//! R1 and S3: checkpoints that are interrupted right behind their double-write file, with the machine still up or down since.
use crate::common::{contents, identity, restart_at};
use crate::store_recovery::{checkpoint, filled};
use state_store::engine::{Change, Engine, EngineError, EngineKind, EntryIter, KeyRange, Order, TableId};
use state_store::home::{DiskHome, Home, OpenedHome};
use state_store::store::{DiscardReason, Opened, Store, StoreError};
use std::fs;
use tempfile::TempDir;

/// A disk home whose engine fails at its first change, so that a checkpoint ends right behind the sync of its
/// double-write file; and whose kernel may be another one.
struct Interrupting {
    disk: DiskHome,
    fails: bool,
    boot: [u8; 16],
}

struct FailingEngine(Box<dyn Engine>);

impl Engine for FailingEngine {
    fn name(&self) -> &'static str {
        "failing"
    }

    fn get(&self, table: TableId, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.0.get(table, key)
    }

    fn apply(&self, _: &[Change]) -> Result<(), EngineError> {
        Err(EngineError::Io(std::io::Error::other("the process dies here")))
    }

    fn scan<'a>(&'a self, table: TableId, range: &KeyRange, order: Order) -> EntryIter<'a> {
        self.0.scan(table, range, order)
    }

    fn sync_files(&self) -> Result<(), EngineError> {
        self.0.sync_files()
    }

    fn is_empty(&self) -> Result<bool, EngineError> {
        self.0.is_empty()
    }

    fn disk_bytes(&self) -> Result<u64, EngineError> {
        self.0.disk_bytes()
    }

    fn keeps_synced_data(&self) -> bool {
        self.0.keeps_synced_data()
    }
}

impl Home for Interrupting {
    fn open(&self) -> Result<OpenedHome, EngineError> {
        let OpenedHome { engine, scratch } = self.disk.open()?;
        let engine = if self.fails { Box::new(FailingEngine(engine)) } else { engine };
        Ok(OpenedHome { engine, scratch })
    }

    fn erase(&self) -> std::io::Result<()> {
        self.disk.erase()
    }

    fn condemn(&self, reason: &str) -> std::io::Result<()> {
        self.disk.condemn(reason)
    }

    fn condemned(&self) -> std::io::Result<Option<String>> {
        self.disk.condemned()
    }

    fn boot(&self) -> [u8; 16] {
        self.boot
    }
}

/// The store after a checkpoint that was interrupted, opened under the kernel `boot_after`; `cut` bytes of the
/// double-write file never reached the disk.
fn after_an_interrupted_checkpoint(kind: EngineKind, boot_after: u8, cut: u64) -> (Opened, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), kind);
    let open = |fails: bool, boot: u8| {
        let disk = DiskHome::lock(dir.path(), kind.into()).unwrap();
        Store::open(Box::new(Interrupting { disk, fails, boot: [boot; 16] }), &identity()).unwrap()
    };
    let store = open(true, 1).store;
    let changes = vec![((1, vec![7]), None), ((2, vec![7]), Some(vec![7; 5_000]))];
    assert!(matches!(checkpoint(&store, 6, &changes), Err(StoreError::Io(_))));
    assert!(matches!(checkpoint(&store, 6, &changes), Err(StoreError::FailedEarlier)));
    assert_eq!(contents(&store).len(), 200, "reads still answer");
    drop(store);
    let file = fs::OpenOptions::new().write(true).open(dir.path().join("double-write")).unwrap();
    file.set_len(file.metadata().unwrap().len() - cut).unwrap();
    (open(false, boot_after), dir)
}

fn completes_an_interrupted_checkpoint(kind: EngineKind, boot_after: u8) {
    let (opened, _dir) = after_an_interrupted_checkpoint(kind, boot_after, 0);
    assert!(opened.completed_checkpoint && opened.discarded.is_none());
    assert_eq!(opened.store.restart_point(), Some(restart_at(6)));
    let found = contents(&opened.store);
    assert_eq!((found.len(), found.get(&(2, vec![7]))), (200, Some(&vec![7; 5_000])));
    checkpoint(&opened.store, 7, &vec![((1, vec![8]), None)]).unwrap();
    assert_eq!(contents(&opened.store).len(), 199);
}

#[test]
fn an_interrupted_checkpoint_is_completed_if_the_machine_stayed_up() {
    for kind in EngineKind::ALL {
        completes_an_interrupted_checkpoint(kind, 1);
    }
}

#[test]
fn after_the_machine_went_down_sled_is_not_trusted_with_an_interrupted_checkpoint_and_fjall_is() {
    for boot_after in [2, 0] {
        let (opened, _dir) = after_an_interrupted_checkpoint(EngineKind::Sled, boot_after, 0);
        assert!(matches!(opened.discarded, Some(DiscardReason::MachineWentDown)));
        assert!(contents(&opened.store).is_empty() && opened.store.restart_point().is_none());
        completes_an_interrupted_checkpoint(EngineKind::Fjall, boot_after);
    }
}

#[test]
fn an_incomplete_double_write_file_on_disk_is_dropped() {
    for kind in EngineKind::ALL {
        for cut in [1, 20, 4_000, 5_100] {
            let (opened, _dir) = after_an_interrupted_checkpoint(kind, 2, cut);
            assert!(opened.discarded.is_none() && !opened.completed_checkpoint, "{:?}", opened.discarded);
            assert_eq!(opened.store.restart_point(), Some(restart_at(5)));
            assert_eq!(contents(&opened.store).len(), 200);
        }
    }
}
