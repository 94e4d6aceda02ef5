//! Damage on real files and on the simulated disk: each kind has its own clear answer.

use super::*;
use crate::embedded::layout::{META_NAME, segment_name};
use crate::embedded::sector::SECTOR;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

/// A closed log on real files: groups of one, three and two sectors; gives the directory and the entries.
fn three_groups() -> (tempfile::TempDir, Vec<Vec<u8>>) {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(&directory).unwrap();
    let entries = [vec![1; 100], vec![2; 1_000], vec![3; 600]];
    for entry in &entries {
        append_durably(&mut log, vec![entry.clone()]);
    }
    drop(log);
    (directory, entries.to_vec())
}

fn open(directory: &tempfile::TempDir) -> Result<EmbeddedLog, LogError> {
    let mut options = Options::in_directory(directory.path(), INSTANCE)?;
    options.segment_bytes = SMALL_SEGMENT_BYTES;
    EmbeddedLog::open(options)
}

/// Changes bytes of the first segment's file, counted in sectors from the first group.
fn change(directory: &tempfile::TempDir, sector: u64, change: impl FnOnce(&mut [u8; SECTOR])) {
    let path = directory.path().join(segment_name(0));
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let offset = FIRST_GROUP + sector * SECTOR as u64;
    let mut bytes = [0; SECTOR];
    file.read_exact_at(&mut bytes, offset).unwrap();
    change(&mut bytes);
    file.write_all_at(&bytes, offset).unwrap();
}

fn entries_of(log: &EmbeddedLog) -> Vec<Vec<u8>> {
    bytes_of(read_all(&log.handle()).unwrap())
}

/// The place and reason that opening, or else reading, gives.
fn damage(directory: &tempfile::TempDir) -> (u64, u64, String) {
    let error = match open(directory) {
        Ok(log) => read_all(&log.handle()).expect_err("the damage is found"),
        Err(error) => error,
    };
    let LogError::Damaged { file, offset, position, what } = error else { panic!("{error}") };
    assert!(file.ends_with(&segment_name(0)), "{file}");
    ((offset - FIRST_GROUP) / SECTOR as u64, position.0, what)
}

#[test]
fn a_torn_last_group_is_cut_and_the_log_goes_on() {
    for torn in [4, 5] {
        let (directory, entries) = three_groups();
        change(&directory, torn, |sector| sector.fill(0));
        let mut log = open(&directory).unwrap();
        assert_eq!(entries_of(&log), entries[..2], "sector {torn}");
        append_durably(&mut log, vec![b"next".to_vec()]);
        drop(log);
        let log = open(&directory).unwrap();
        assert_eq!(entries_of(&log), [&entries[0][..], &entries[1][..], b"next"]);
    }
}

#[test]
fn a_torn_group_with_a_half_written_sector_is_cut() {
    let (directory, entries) = three_groups();
    change(&directory, 4, |sector| sector[256..].fill(0));
    change(&directory, 5, |sector| sector.fill(0));
    // Nothing of the group passes its checksum: it cannot be told from damage, so it is refused.
    assert_eq!(damage(&directory).0, 4);
    let (directory, _) = three_groups();
    let mut log = open(&directory).unwrap();
    append_durably(&mut log, vec![vec![4; 1_400]]);
    drop(log);
    change(&directory, 6, |sector| sector[256..].fill(0));
    change(&directory, 7, |sector| sector.fill(0));
    assert_eq!(entries_of(&open(&directory).unwrap()), entries);
}

#[test]
fn a_flipped_bit_in_the_last_answered_group_is_refused_with_its_place() {
    let (directory, _) = three_groups();
    change(&directory, 5, |sector| sector[17] ^= 4);
    let (sector, position, what) = damage(&directory);
    assert_eq!((sector, position), (5, 2));
    assert_eq!(what, "the checksum of this sector does not match");
}

#[test]
fn a_flipped_bit_in_a_last_group_of_one_sector_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(&directory).unwrap();
    append_durably(&mut log, vec![vec![1; 100]]);
    drop(log);
    change(&directory, 0, |sector| sector[300] ^= 1);
    assert_eq!(damage(&directory).0, 0);
}

#[test]
fn a_flipped_bit_in_the_middle_is_refused_with_its_place() {
    for sector in 0..4 {
        for byte in [0, 200, 501, 505, 507, 511] {
            let (directory, _) = three_groups();
            change(&directory, sector, |bytes| bytes[byte] ^= 0x80);
            let (found, position, _) = damage(&directory);
            assert_eq!((found, position), (sector, sector.min(1)), "byte {byte} of sector {sector}");
        }
    }
}

#[test]
fn a_lost_group_in_the_middle_is_no_torn_tail() {
    let (directory, _) = three_groups();
    for sector in 1..4 {
        change(&directory, sector, |bytes| bytes.fill(0));
    }
    let (_, position, what) = damage(&directory);
    assert_eq!(position, 1);
    assert_eq!(what, "data of group 3 stands where group 2 should follow");
}

#[test]
fn readers_beside_the_damage_read_up_to_it() {
    let (directory, entries) = three_groups();
    change(&directory, 5, |sector| sector[17] ^= 4);
    let handle = EmbeddedHandle::open_read_only(directory.path()).unwrap();
    let mut reader = handle.open_reader(Position(0)).unwrap();
    let batch = reader.read(100, 1 << 20, Duration::ZERO).unwrap();
    assert_eq!((bytes_of(batch.entries), batch.at_end), (entries[..2].to_vec(), false));
    assert!(matches!(reader.read(100, 1 << 20, Duration::ZERO), Err(LogError::Damaged { .. })));
}

#[test]
fn stale_data_behind_a_short_rewrite_is_refused_and_never_joins() {
    // Two histories with the same beginning: in one, group 2 is shorter, and group 3 of the other stands behind it.
    let (directory, _) = three_groups();
    let path = directory.path().join(segment_name(0));
    let old = fs::read(&path).unwrap();
    change(&directory, 1, |sector| sector.fill(0));
    change(&directory, 4, |sector| sector.fill(0));
    change(&directory, 5, |sector| sector.fill(0));
    let mut log = open(&directory).unwrap();
    append_durably(&mut log, vec![vec![9; 1_001]]);
    drop(log);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let third = FIRST_GROUP as usize + 4 * SECTOR;
    file.write_all_at(&old[third..third + 2 * SECTOR], third as u64).unwrap();
    let (sector, position, what) = damage(&directory);
    assert_eq!((sector, position), (4, 2));
    assert_eq!(what, "this group does not continue the one before it: stale data");
}

/// A closed log of several segments.
fn several_segments() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut log = open(&directory).unwrap();
    for number in 0..60_u8 {
        append_durably(&mut log, vec![vec![number; 2_000]]);
    }
    assert!(log.handle().segments() > 3);
    drop(log);
    directory
}

#[test]
fn a_missing_segment_is_named() {
    for missing in [0, 1] {
        let directory = several_segments();
        fs::remove_file(directory.path().join(segment_name(missing))).unwrap();
        let error = open(&directory).err().unwrap();
        assert!(
            matches!(&error, LogError::Missing { place } if place.ends_with(&segment_name(missing))),
            "{error}"
        );
    }
    let directory = several_segments();
    let last = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".seg"))
        .max()
        .unwrap();
    fs::remove_file(directory.path().join(&last)).unwrap();
    let error = open(&directory).err().unwrap();
    assert!(matches!(&error, LogError::Missing { place } if place.ends_with(&last)), "{error}");
    let directory = several_segments();
    fs::remove_file(directory.path().join(META_NAME)).unwrap();
    let error = open(&directory).err().unwrap();
    assert!(matches!(&error, LogError::Missing { place } if place.ends_with(META_NAME)), "{error}");
}

#[test]
fn a_closed_segment_that_lost_its_end_is_found_by_its_readers() {
    let directory = several_segments();
    let path = directory.path().join(segment_name(1));
    let mut bytes = fs::read(&path).unwrap();
    let last_written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[last_written - 6 * SECTOR..].fill(0);
    fs::write(&path, bytes).unwrap();
    let log = open(&directory).unwrap();
    let error = read_all(&log.handle()).unwrap_err();
    assert!(matches!(&error, LogError::Damaged { file, .. } if file.ends_with(&segment_name(1))), "{error}");
    let error = log.handle().open_reader(Position(12)).err().unwrap();
    assert!(matches!(&error, LogError::Damaged { file, .. } if file.ends_with(&segment_name(1))), "{error}");
}

#[test]
fn a_truncated_segment_is_refused() {
    let (directory, _) = three_groups();
    let path = directory.path().join(segment_name(0));
    OpenOptions::new().write(true).open(&path).unwrap().set_len(FIRST_GROUP + 100).unwrap();
    let error = open(&directory).err().unwrap();
    assert!(matches!(&error, LogError::Damaged { what, .. } if what.contains("32768 bytes")), "{error}");
}

#[test]
fn another_logs_segment_is_refused() {
    let (directory, _) = three_groups();
    let other = tempfile::tempdir().unwrap();
    let mut options = Options::in_directory(other.path(), InstanceId(99)).unwrap();
    options.segment_bytes = SMALL_SEGMENT_BYTES;
    append_durably(&mut EmbeddedLog::open(options).unwrap(), vec![vec![5; 10]]);
    fs::copy(other.path().join(segment_name(0)), directory.path().join(segment_name(0))).unwrap();
    let error = open(&directory).err().unwrap();
    let LogError::WrongInstance { expected, found, .. } = error else { panic!("{error}") };
    assert_eq!((expected, found), (INSTANCE, InstanceId(99)));
}

#[test]
fn no_log_is_begun_where_an_expected_one_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::in_directory(directory.path(), InstanceId(8)).unwrap();
    options.expected_instance = Some(INSTANCE);
    assert!(matches!(EmbeddedLog::open(options), Err(LogError::Missing { .. })));
    let begun: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!begun.iter().any(|name| name == META_NAME), "{begun:?}");
}

#[test]
fn a_log_other_than_the_expected_one_is_refused() {
    let (directory, _) = three_groups();
    let mut options = Options::in_directory(directory.path(), INSTANCE).unwrap();
    options.expected_instance = Some(InstanceId(7));
    assert!(matches!(EmbeddedLog::open(options), Err(LogError::WrongInstance { .. })));
}

#[test]
fn foreign_files_are_refused_and_never_touched() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("holiday.jpg"), b"sun").unwrap();
    let error = open(&directory).err().unwrap();
    assert!(matches!(&error, LogError::Foreign { why, .. } if why.contains("holiday.jpg")), "{error}");
    assert_eq!(fs::read(directory.path().join("holiday.jpg")).unwrap(), b"sun");

    let (directory, _) = three_groups();
    fs::write(directory.path().join(segment_name(0)), vec![b'x'; 9_000]).unwrap();
    assert!(matches!(open(&directory), Err(LogError::Foreign { .. })));
    let (directory, _) = three_groups();
    fs::write(directory.path().join("backup.seg"), b"").unwrap();
    assert!(matches!(open(&directory), Err(LogError::Foreign { .. })));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(EmbeddedHandle::open_read_only(empty.path()), Err(LogError::Foreign { .. })));
}

#[test]
fn a_full_disk_is_a_clear_and_lasting_error_that_leaves_nothing_half_written() {
    let disk = SimulatedDisk::new(3);
    let mut log = EmbeddedLog::open(small_options(disk.mount())).unwrap();
    disk.set_capacity_bytes(disk.used_bytes() + SMALL_SEGMENT_BYTES + SMALL_SEGMENT_BYTES / 2);
    let mut durable = Vec::new();
    let cause = loop {
        let entry = vec![durable.len() as u8; 3_000];
        match append(&mut log, vec![entry.clone()]) {
            AppendOutcome::Durable { .. } => durable.push(entry),
            AppendOutcome::Unknown { cause, .. } => break cause,
        }
        assert!(durable.len() < 1_000, "the disk never fills");
    };
    assert!(cause.starts_with("the disk is full: making the segment"), "{cause}");
    let refused = log.submit(AppendGroup { entries: vec![vec![1]] });
    assert!(matches!(refused, Err(SubmitError::Failed(LogError::Fatal { .. }))), "{refused:?}");
    assert!(matches!(log.poll(Duration::ZERO), Err(LogError::Fatal { .. })));
    assert_eq!(entries_of(&log), durable, "readers still read what is durable");
    drop(log);
    disk.set_capacity_bytes(u64::MAX);
    let mut log = EmbeddedLog::open(small_options(disk.mount())).unwrap();
    assert_eq!(entries_of(&log), durable);
    append_durably(&mut log, vec![vec![1]]);
}

#[test]
fn a_failed_flush_is_fatal_and_every_group_in_flight_is_unknown() {
    let disk = SimulatedDisk::new(4);
    let mut log = EmbeddedLog::open(small_options(disk.mount())).unwrap();
    append_durably(&mut log, vec![vec![1; 900]]);
    disk.fail_sync_after(1);
    for number in 2..4 {
        log.submit(AppendGroup { entries: vec![vec![number; 900]] }).unwrap();
    }
    for _ in 2..4 {
        let outcome = log.poll(Duration::ZERO).unwrap().unwrap();
        assert!(
            matches!(&outcome, AppendOutcome::Unknown { cause, .. } if cause.contains("flush")),
            "{outcome:?}"
        );
    }
    assert_eq!(entries_of(&log).len(), 1, "what may not be durable is not read");
    assert!(matches!(Box::new(log).close(), Err(LogError::Fatal { .. })));
    let log = EmbeddedLog::open(small_options(disk.mount())).unwrap();
    assert!((1..=2).contains(&entries_of(&log).len()), "the first group in flight was written or not");
}
