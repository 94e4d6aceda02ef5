//! Followers beside a writer of another process.

use super::*;
use crate::disk::{Access, Crash};
use crate::embedded::layout::{FIRST_GROUP, MARK_NAME, segment_name};
use proptest::prelude::*;

fn entry(number: usize, len: usize) -> Vec<u8> {
    let mut entry = vec![number as u8; len];
    entry.extend_from_slice(&number.to_le_bytes());
    entry
}

/// What a reader shows until it is at the end.
fn drain(reader: &mut dyn LogReader) -> Result<Vec<Vec<u8>>, LogError> {
    let mut shown = Vec::new();
    loop {
        let batch = reader.read(10, 1 << 20, Duration::ZERO)?;
        shown.extend(batch.entries.into_iter().map(|entry| entry.bytes));
        if batch.at_end {
            return Ok(shown);
        }
    }
}

#[test]
fn a_follower_shows_what_a_writer_makes_durable_through_segments_and_restarts() {
    let disk = SimulatedDisk::new(1);
    let (mut written, mut shown) = (Vec::new(), Vec::new());
    let mut log = EmbeddedLog::open(small_options(disk.mount())).unwrap();
    let follower = EmbeddedHandle::follow_on(disk.mount()).unwrap();
    let mut reader = follower.open_reader(Position(0)).unwrap();
    for number in 0..120 {
        written.push(entry(number, 100 * (number % 30)));
        append_durably(&mut log, vec![written[number].clone()]);
        if number % 7 == 0 {
            shown.extend(drain(&mut *reader).unwrap());
            assert_eq!(shown, written);
            let fresh = EmbeddedHandle::follow_on(disk.mount()).unwrap();
            assert_eq!(bytes_of(read_all(&fresh).unwrap()), written);
        }
        if number % 40 == 39 {
            drop(log);
            log = EmbeddedLog::open(small_options(disk.mount())).unwrap();
        }
    }
    shown.extend(drain(&mut *reader).unwrap());
    assert_eq!(shown, written);
    assert!(follower.segments() > 3);
    assert_eq!(follower.admission(), log.handle().admission());
    let from_the_middle = drain(&mut *follower.open_reader(Position(50)).unwrap()).unwrap();
    assert_eq!(from_the_middle, written[50..]);
}

#[test]
fn a_follower_waits_for_a_writer_on_another_thread() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = EmbeddedLog::open(Options::in_directory(directory.path(), INSTANCE).unwrap()).unwrap();
    let follower = EmbeddedHandle::follow(directory.path()).unwrap();
    let mut reader = follower.open_reader(Position(0)).unwrap();
    let waiting = std::thread::spawn(move || reader.read(10, 1_000, Duration::from_secs(30)).unwrap());
    append_durably(&mut log, vec![b"entry".to_vec()]);
    assert_eq!(bytes_of(waiting.join().unwrap().entries), [b"entry"]);
}

#[test]
fn damage_before_the_mark_is_told_with_its_place_and_behind_it_nothing_is_looked_at() {
    let disk = SimulatedDisk::new(1);
    let mut log = EmbeddedLog::open(small_options(disk.mount())).unwrap();
    append_durably(&mut log, vec![b"one".to_vec()]);
    let follower = EmbeddedHandle::follow_on(disk.mount()).unwrap();
    let segment = disk.mount().open(&segment_name(0), Access::ReadWrite).unwrap();
    let second = FIRST_GROUP + 512;
    segment.write_at(&[7; 512], second).unwrap();
    assert_eq!(bytes_of(read_all(&follower).unwrap()), [b"one"]);
    append_durably(&mut log, vec![b"two".to_vec()]);
    segment.write_at(&[7; 512], second).unwrap();
    let mut reader = follower.open_reader(Position(1)).unwrap();
    let answer = reader.read(10, 1_000, Duration::ZERO);
    assert!(matches!(&answer, Err(LogError::Damaged { offset, .. }) if *offset == second), "{answer:?}");
}

#[test]
fn a_log_without_a_mark_is_not_followed() {
    let disk = SimulatedDisk::new(1);
    drop(EmbeddedLog::open(small_options(disk.mount())).unwrap());
    disk.mount().remove(MARK_NAME).unwrap();
    let answer = EmbeddedHandle::follow_on(disk.mount()).err().unwrap().to_string();
    assert!(answer.contains(MARK_NAME), "{answer}");
    drop(EmbeddedLog::open(small_options(disk.mount())).unwrap());
    EmbeddedHandle::follow_on(disk.mount()).unwrap();
}

/// A log of another registry takes the followed one's place, whole or file by file.
#[test]
fn a_follower_tells_that_another_log_has_taken_the_place_of_its_own() {
    let other = InstanceId(0x5678);
    for is_whole in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let begin = |name: &str, instance| {
            let mut log = EmbeddedLog::open(Options::in_directory(path(name), instance).unwrap()).unwrap();
            append_durably(&mut log, vec![b"entry".to_vec()]);
        };
        begin("log", INSTANCE);
        begin("other", other);
        let follower = EmbeddedHandle::follow(path("log")).unwrap();
        let mut reader = follower.open_reader(Position(1)).unwrap();
        assert!(reader.read(10, 1_000, Duration::ZERO).unwrap().at_end);
        if is_whole {
            std::fs::rename(path("log"), path("gone")).unwrap();
            std::fs::rename(path("other"), path("log")).unwrap();
        } else {
            std::fs::copy(path("other").join(MARK_NAME), path("log").join(MARK_NAME)).unwrap();
        }
        let answer = reader.read(10, 1_000, Duration::from_millis(50)).map(|batch| batch.at_end);
        let place = path("log").join(MARK_NAME).display().to_string();
        assert_eq!(answer, Err(LogError::WrongInstance { place, expected: INSTANCE, found: other }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(crate::embedded::tests::crash::cases(200)))]

    /// W1: whatever crashes, also after a flush that failed.
    #[test]
    fn what_a_follower_has_shown_is_there_after_any_crash(
        seed: u64,
        lives in prop::collection::vec((1_u64..60, any::<bool>(), prop::option::of(1_u64..30), 1_usize..4_000), 1..6),
    ) {
        let disk = SimulatedDisk::new(seed);
        let (mut shown, mut number) = (Vec::new(), 0);
        for (crash_after, is_power_cut, failing_sync, len) in lives {
            let crash = if is_power_cut { Crash::PowerCut } else { Crash::Kill };
            disk.crash_after(crash_after, crash);
            if let Some(operations) = failing_sync {
                disk.fail_sync_after(operations);
            }
            let mounted = disk.mount();
            if let Ok(mut log) = EmbeddedLog::open(small_options(Arc::clone(&mounted))) {
                let follower = EmbeddedHandle::follow_on(mounted).ok();
                let reader = follower.and_then(|follower| follower.open_reader(Position(0)).ok());
                if let Some(mut reader) = reader {
                    let mut seen = Vec::new();
                    for _ in 0..20 {
                        number += 1;
                        let is_taken = log.submit(AppendGroup { entries: vec![entry(number, len)] }).is_ok();
                        let _ = log.poll(Duration::ZERO);
                        // The disk of a process that has crashed answers nothing.
                        let Ok(more) = drain(&mut *reader) else { break };
                        seen.extend(more);
                        if !is_taken {
                            break;
                        }
                    }
                    if seen.len() > shown.len() {
                        shown = seen;
                    }
                }
            }
            if !disk.has_crashed() {
                disk.crash(crash);
            }
            disk.calm();
            let log = EmbeddedLog::open(small_options(disk.mount())).unwrap();
            let found = bytes_of(read_all(&log.handle()).unwrap());
            prop_assert!(found.starts_with(&shown), "what was shown is not there");
            let follower = EmbeddedHandle::follow_on(disk.mount()).unwrap();
            prop_assert_eq!(bytes_of(read_all(&follower).unwrap()), found);
        }
    }
}
