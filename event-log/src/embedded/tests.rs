mod crash;
mod damage;
mod following;

use super::*;
use crate::conformance::{self, Subject};
use crate::disk::{Disk, SimulatedDisk};
use crate::engine::{LogSource, RawEntry};
use std::path::PathBuf;

const INSTANCE: InstanceId = InstanceId(0x1234);

/// Small, so that tests meet the ends of segments.
const SMALL_SEGMENT_BYTES: u64 = 32 << 10;

struct OnRealFiles {
    directory: tempfile::TempDir,
}

impl Subject for OnRealFiles {
    fn open(&mut self) -> (Box<dyn EventLog>, Arc<dyn LogSource>) {
        let mut options = Options::in_directory(self.directory.path(), INSTANCE).unwrap();
        options.segment_bytes = SMALL_SEGMENT_BYTES;
        opened(options)
    }
}

struct OnSimulatedDisk {
    disk: SimulatedDisk,
}

impl Subject for OnSimulatedDisk {
    fn open(&mut self) -> (Box<dyn EventLog>, Arc<dyn LogSource>) {
        opened(small_options(self.disk.mount()))
    }
}

fn opened(options: Options) -> (Box<dyn EventLog>, Arc<dyn LogSource>) {
    let log = EmbeddedLog::open(options).unwrap();
    let handle = log.handle();
    (Box::new(log), Arc::new(handle))
}

/// Single-threaded, with small segments.
fn small_options(disk: Arc<dyn Disk>) -> Options {
    let mut options = Options::on_disk(disk, INSTANCE);
    options.segment_bytes = SMALL_SEGMENT_BYTES;
    options.flush_by = FlushBy::Caller;
    options
}

/// Appends one group and waits for its outcome.
fn append(log: &mut EmbeddedLog, entries: Vec<Vec<u8>>) -> AppendOutcome {
    log.submit(AppendGroup { entries }).unwrap();
    log.poll(Duration::from_secs(10)).unwrap().expect("an outcome comes in time")
}

fn append_durably(log: &mut EmbeddedLog, entries: Vec<Vec<u8>>) {
    let outcome = append(log, entries);
    assert!(matches!(outcome, AppendOutcome::Durable { .. }), "{outcome:?}");
}

fn read_all(source: &dyn LogSource) -> Result<Vec<RawEntry>, LogError> {
    let mut reader = source.open_reader(Position(0))?;
    let mut all = Vec::new();
    loop {
        let batch = reader.read(100, 1 << 20, Duration::ZERO)?;
        all.extend(batch.entries);
        if batch.at_end {
            return Ok(all);
        }
    }
}

fn bytes_of(entries: Vec<RawEntry>) -> Vec<Vec<u8>> {
    entries.into_iter().map(|entry| entry.bytes).collect()
}

#[test]
fn the_embedded_engine_on_real_files_conforms() {
    conformance::check_all(|| OnRealFiles { directory: tempfile::tempdir().unwrap() });
}

#[test]
fn the_embedded_engine_on_a_simulated_disk_conforms() {
    conformance::check_all(|| OnSimulatedDisk { disk: SimulatedDisk::new(1) });
}

#[test]
fn a_reader_on_another_thread_wakes_when_an_entry_becomes_durable() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = EmbeddedLog::open(Options::in_directory(directory.path(), INSTANCE).unwrap()).unwrap();
    let handle = log.handle();
    let (ready, is_ready) = sync_channel(1);
    let waiting = std::thread::spawn(move || {
        let mut reader = handle.open_reader(Position(0)).unwrap();
        ready.send(()).unwrap();
        reader.read(10, 1_000, Duration::from_secs(30)).unwrap()
    });
    is_ready.recv().unwrap();
    let started = std::time::Instant::now();
    append_durably(&mut log, vec![b"entry".to_vec()]);
    let batch = waiting.join().unwrap();
    assert_eq!(bytes_of(batch.entries), [b"entry"]);
    assert!(started.elapsed() < Duration::from_secs(20), "it did not sleep through");
    let mut reader = log.reader(log.end()).unwrap();
    let batch = reader.read(10, 1_000, Duration::from_millis(20)).unwrap();
    assert!(batch.entries.is_empty() && batch.at_end);
}

#[test]
fn dropping_the_log_finishes_what_was_submitted() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options::in_directory(directory.path(), INSTANCE).unwrap();
    let mut log = EmbeddedLog::open(options.clone()).unwrap();
    for number in 0..4_u8 {
        log.submit(AppendGroup { entries: vec![vec![number; 100]] }).unwrap();
    }
    drop(log);
    let log = EmbeddedLog::open(options).unwrap();
    assert_eq!(bytes_of(read_all(&log.handle()).unwrap()).len(), 4);
}

#[test]
fn a_second_writer_is_told_that_the_log_is_in_use_and_readers_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options::in_directory(directory.path(), INSTANCE).unwrap();
    let mut log = EmbeddedLog::open(options.clone()).unwrap();
    append_durably(&mut log, vec![b"entry".to_vec()]);
    let place = directory.path().display().to_string();
    let second = EmbeddedLog::open(options.clone()).err();
    assert_eq!(second, Some(LogError::Locked { place }));
    let beside = EmbeddedHandle::open_read_only(directory.path()).unwrap();
    assert_eq!(bytes_of(read_all(&beside).unwrap()), [b"entry"]);
    drop(log);
    EmbeddedLog::open(options).unwrap();
}

/// Set for the child process of the test below: the directory whose log it is to open.
const CHILD_VARIABLE: &str = "EVENT_LOG_TEST_DIRECTORY";

#[test]
fn a_second_process_is_told_that_the_log_is_in_use() {
    if let Some(directory) = std::env::var_os(CHILD_VARIABLE) {
        let options = Options::in_directory(PathBuf::from(directory), InstanceId(1)).unwrap();
        let answer = EmbeddedLog::open(options).err();
        assert!(matches!(answer, Some(LogError::Locked { .. })), "{answer:?}");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(Options::in_directory(directory.path(), INSTANCE).unwrap()).unwrap();
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "embedded::tests::a_second_process_is_told_that_the_log_is_in_use"])
        .env(CHILD_VARIABLE, directory.path())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    drop(log);
}
