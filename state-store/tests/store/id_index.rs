//! The index of command ids against a map: checkpoints, merges, reopening, damage.

use event_schemas::header::ChainHead;
use event_schemas::ids::{CommandId, InstanceId, LogId, Lsn};
use proptest::prelude::*;
use state_store::id_index::{IdIndex, IndexIdentity, OpenedIndex};
use state_store::store::StoreError;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

const IDENTITY: IndexIdentity = IndexIdentity { log_id: LogId(1), instance: InstanceId(2) };
const RECENT_IDS: usize = 100;

fn open(dir: &Path) -> OpenedIndex {
    IdIndex::open(dir, IDENTITY, RECENT_IDS).unwrap()
}

/// Spread like UUIDs, the same in every run.
fn id(number: u64) -> CommandId {
    let spread = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    CommandId(spread ^ (spread >> 61))
}

fn merge_all(index: &mut IdIndex) {
    while let Some(mut merge) = index.plan_merge().unwrap() {
        while !merge.step(64).unwrap() {}
        index.install_merge(merge).unwrap();
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(u64),
    Checkpoint,
    MergeAll,
    /// Begins a merge and gives it up.
    AbandonMerge,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (1..200u64).prop_map(Step::Add),
        4 => Just(Step::Checkpoint),
        1 => Just(Step::MergeAll),
        1 => Just(Step::AbandonMerge),
        1 => Just(Step::Reopen),
    ]
}

/// Cases of each law; `PROPTEST_CASES` sets another number than the gate's.
fn cases(gate: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(gate)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(30)))]

    #[test]
    fn every_id_is_found_whatever_was_saved_merged_and_reopened(steps in prop::collection::vec(step(), 0..40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut index = open(dir.path()).index;
        let mut lsn = 0;
        for step in steps {
            match step {
                Step::Add(count) => {
                    for number in lsn + 1..=lsn + count {
                        index.add(id(number), Lsn(number)).unwrap();
                    }
                    lsn += count;
                }
                Step::Checkpoint => {
                    index.checkpoint(Lsn(lsn), ChainHead(lsn.into())).unwrap();
                    prop_assert_eq!(index.reflected().lsn, Lsn(lsn));
                }
                Step::MergeAll => {
                    let before = index.run_count();
                    merge_all(&mut index);
                    prop_assert!(index.run_count() <= before);
                }
                Step::AbandonMerge => {
                    if let Some(mut merge) = index.plan_merge().unwrap() {
                        merge.step(10).unwrap();
                    }
                }
                Step::Reopen => {
                    drop(index);
                    let opened = open(dir.path());
                    prop_assert!(opened.discarded.is_none());
                    index = opened.index;
                    let saved = index.reflected();
                    prop_assert_eq!(saved.head, ChainHead(saved.lsn.0.into()));
                    // Replay begins somewhat earlier: adding twice changes nothing.
                    for number in saved.lsn.0.saturating_sub(20) + 1..=lsn {
                        index.add(id(number), Lsn(number)).unwrap();
                    }
                }
            }
            for number in 1..=lsn {
                prop_assert_eq!(index.get(id(number)).unwrap(), Some(Lsn(number)));
            }
            for number in lsn + 1..lsn + 200 {
                prop_assert_eq!(index.get(id(number)).unwrap(), None);
            }
        }
    }
}

#[test]
fn runs_stay_few_and_files_of_merged_runs_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut index = open(dir.path()).index;
    for part in 0..200u64 {
        for number in part * 100..(part + 1) * 100 {
            index.add(id(number), Lsn(number + 1)).unwrap();
        }
        assert!(index.is_due());
        index.checkpoint(Lsn((part + 1) * 100), ChainHead(1)).unwrap();
        merge_all(&mut index);
        assert!(index.run_count() <= 12, "{} runs after {part} parts", index.run_count());
    }
    assert_eq!(index.saved_entries(), 20_000);
    let files = fs::read_dir(dir.path()).unwrap().filter_map(Result::ok);
    let runs = files.filter(|file| file.path().extension().is_some_and(|suffix| suffix == "run")).count();
    assert_eq!(runs, index.run_count());
}

#[test]
fn ids_are_found_while_a_part_is_written_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let mut index = open(dir.path()).index;
    index.add(id(1), Lsn(1)).unwrap();
    let sealed = index.seal(Lsn(1), ChainHead(1)).unwrap().unwrap();
    index.add(id(2), Lsn(2)).unwrap();
    assert!(matches!(index.seal(Lsn(2), ChainHead(2)), Err(StoreError::Misuse(_))), "one at a time");
    let writing = std::thread::spawn(|| sealed.write().unwrap());
    assert_eq!((index.get(id(1)).unwrap(), index.get(id(2)).unwrap()), (Some(Lsn(1)), Some(Lsn(2))));
    index.install(writing.join().unwrap()).unwrap();
    assert_eq!((index.get(id(1)).unwrap(), index.get(id(2)).unwrap()), (Some(Lsn(1)), Some(Lsn(2))));
    drop(index);
    let index = open(dir.path()).index;
    assert_eq!((index.get(id(1)).unwrap(), index.get(id(2)).unwrap()), (Some(Lsn(1)), None));
}

#[test]
fn an_id_stands_for_its_first_record_wherever_that_is_kept_and_a_second_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut index = open(dir.path()).index;
    let two = |outcome: Result<(), StoreError>| match outcome {
        Err(StoreError::TwoRecords(two)) => assert_eq!(
            two.to_string(),
            format!("command {} stands for the records at lsn 7 and 8", id(7)),
            "the operator can look both up"
        ),
        other => panic!("{other:?}"),
    };
    let check = |index: &mut IdIndex| {
        index.add(id(7), Lsn(7)).unwrap();
        two(index.add(id(7), Lsn(8)));
        assert_eq!(index.get(id(7)).unwrap(), Some(Lsn(7)));
    };
    // In memory, while it is written, in a run, after a restart.
    index.add(id(7), Lsn(7)).unwrap();
    check(&mut index);
    two(index.add_absent(id(7), Lsn(8)));
    let sealed = index.seal(Lsn(7), ChainHead(7)).unwrap().unwrap();
    check(&mut index);
    index.install(sealed.write().unwrap()).unwrap();
    check(&mut index);
    assert_eq!(index.unsaved_len(), 0, "what is saved is not added again");
    drop(index);
    let OpenedIndex { mut index, discarded } = open(dir.path());
    assert_eq!(discarded, None);
    check(&mut index);
}

#[test]
fn a_merge_that_finds_an_id_with_two_records_says_so_and_leaves_what_shows_it() {
    // Given runs of which one holds another record for an id, as no caller adds it that looks first,
    let dir = tempfile::tempdir().unwrap();
    let mut index = open(dir.path()).index;
    for part in 0..4u64 {
        index.add_absent(id(7), Lsn(7 + part / 3)).unwrap();
        index.checkpoint(Lsn(9), ChainHead(9)).unwrap();
    }
    // when they are merged,
    let mut merge = index.plan_merge().unwrap().unwrap();
    let error = merge.step(100).unwrap_err();
    // then that is no damage of the disk: nothing is discarded, and the first record counts.
    assert!(matches!(error, StoreError::TwoRecords(two) if (two.first, two.second) == (Lsn(7), Lsn(8))));
    drop((merge, index));
    let OpenedIndex { index, discarded } = open(dir.path());
    assert_eq!((discarded, index.run_count()), (None, 4));
    assert_eq!(index.get(id(7)).unwrap(), Some(Lsn(7)));
}

/// Four runs of 400 ids each, three blocks a run; the next merge takes them all.
fn four_runs(dir: &Path) -> IdIndex {
    let mut index = open(dir).index;
    for part in 0..4u64 {
        for number in part * 400 + 1..=(part + 1) * 400 {
            index.add(id(number), Lsn(number)).unwrap();
        }
        index.checkpoint(Lsn((part + 1) * 400), ChainHead(1)).unwrap();
    }
    index
}

/// The first error of the next merge, in planning it or in a step.
fn failing_merge(index: &mut IdIndex) -> StoreError {
    let mut merge = match index.plan_merge() {
        Ok(merge) => merge.expect("four runs of one tier are to be merged"),
        Err(error) => return error,
    };
    loop {
        match merge.step(64) {
            Ok(is_complete) => assert!(!is_complete, "the damage was not noticed"),
            Err(error) => return error,
        }
    }
}

#[test]
fn a_run_that_a_merge_finds_damaged_condemns_the_index_so_that_it_is_rebuilt() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 3] = [
        ("its first block", |bytes| bytes[3] ^= 1),
        ("a later block", |bytes| bytes[5_000] ^= 1),
        ("its end is gone", |bytes| bytes.truncate(5_000)),
    ];
    for (what, damage) in damages {
        // Given an index in use, one of whose runs the disk changes,
        let dir = tempfile::tempdir().unwrap();
        let mut index = four_runs(dir.path());
        let path = dir.path().join(format!("{:016x}.run", 2));
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, bytes).unwrap();
        // when a merge comes upon it,
        let error = failing_merge(&mut index);
        // then it says so, loses no id of the other runs,
        assert!(matches!(error, StoreError::Damaged(_)), "{what}: {error}");
        for number in (1..=400).chain(801..=1_600) {
            assert!(!matches!(index.get(id(number)), Ok(None)), "{what}: {number}");
        }
        drop(index);
        // and the next open discards the index instead of coming upon it again.
        let OpenedIndex { mut index, discarded } = open(dir.path());
        assert!(discarded.is_some(), "{what}");
        assert_eq!((index.run_count(), index.reflected().lsn), (0, Lsn::ZERO));
        assert!(index.plan_merge().unwrap().is_none());
    }
}

#[test]
fn a_merged_run_that_cannot_be_written_leaves_the_index_as_it_was() {
    // Given an index whose merged run cannot be written, because its name is taken,
    let dir = tempfile::tempdir().unwrap();
    let mut index = four_runs(dir.path());
    fs::create_dir(dir.path().join(format!("{:016x}.run", 5))).unwrap();
    // when it is to be merged, then that fails without condemning what is sound.
    assert!(matches!(index.plan_merge(), Err(StoreError::Io(_))));
    fs::remove_dir(dir.path().join(format!("{:016x}.run", 5))).unwrap();
    drop(index);
    let OpenedIndex { mut index, discarded } = open(dir.path());
    assert_eq!(discarded, None);
    merge_all(&mut index);
    assert!((1..=1_600).all(|number| index.get(id(number)).unwrap() == Some(Lsn(number))));
}

/// Every byte of every file: a flipped bit is noticed at open or at the read, or it is in the lock.
#[test]
fn a_flipped_bit_anywhere_is_noticed_and_the_index_discarded_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut index = open(dir.path()).index;
    let mut expected = HashMap::new();
    for number in 1..=400 {
        index.add(id(number), Lsn(number)).unwrap();
        expected.insert(number, Lsn(number));
    }
    index.checkpoint(Lsn(400), ChainHead(400)).unwrap();
    drop(index);
    let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().path()).collect();
    let damaged = tempfile::tempdir().unwrap();
    let mut noticed = 0;
    for path in files.iter().filter(|path| path.file_name().unwrap() != "lock") {
        let bytes = fs::read(path).unwrap();
        for at in (0..bytes.len()).step_by(41) {
            for file in &files {
                fs::copy(file, damaged.path().join(file.file_name().unwrap())).unwrap();
            }
            let mut flipped = bytes.clone();
            flipped[at] ^= 4;
            fs::write(damaged.path().join(path.file_name().unwrap()), flipped).unwrap();
            let opened = open(damaged.path());
            if opened.discarded.is_none() {
                let failed = expected.keys().find_map(|number| opened.index.get(id(*number)).err());
                assert!(matches!(failed, Some(StoreError::Damaged(_))), "byte {at} of {path:?}");
                drop(opened);
                let again = open(damaged.path());
                assert!(again.discarded.is_some(), "the mark outlives the process");
                assert_eq!(again.index.get(id(1)).unwrap(), None);
            } else {
                assert_eq!((opened.index.run_count(), opened.index.reflected().lsn), (0, Lsn::ZERO));
            }
            noticed += 1;
        }
    }
    assert!(noticed > 200);
}

#[test]
fn an_index_of_another_log_is_discarded_and_one_in_use_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut index = open(dir.path()).index;
    index.add(id(1), Lsn(1)).unwrap();
    index.checkpoint(Lsn(1), ChainHead(1)).unwrap();
    assert!(matches!(IdIndex::open(dir.path(), IDENTITY, RECENT_IDS), Err(StoreError::InUse)));
    drop(index);
    assert_eq!(open(dir.path()).index.get(id(1)).unwrap(), Some(Lsn(1)));
    let other = IndexIdentity { log_id: LogId(9), ..IDENTITY };
    let opened = IdIndex::open(dir.path(), other, RECENT_IDS).unwrap();
    assert!(opened.discarded.unwrap().contains("it is of log"));
    assert_eq!(opened.index.get(id(1)).unwrap(), None);
}

#[test]
fn without_files_everything_stays_in_memory() {
    let mut index = IdIndex::in_memory();
    for number in 1..1_000 {
        index.add(id(number), Lsn(number)).unwrap();
    }
    index.checkpoint(Lsn(999), ChainHead(1)).unwrap();
    assert!(!index.is_due() && index.plan_merge().unwrap().is_none());
    assert_eq!((index.get(id(500)).unwrap(), index.get(id(1_000)).unwrap()), (Some(Lsn(500)), None));
    index.discard().unwrap();
    assert_eq!(index.get(id(500)).unwrap(), None);
}

#[test]
fn what_is_saved_takes_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let mut index = IdIndex::open(dir.path(), IDENTITY, 10_000).unwrap().index;
    for number in 1..=100_000 {
        index.add_absent(id(number), Lsn(number)).unwrap();
        if index.is_due() {
            index.checkpoint(Lsn(number), ChainHead(1)).unwrap();
            merge_all(&mut index);
        }
    }
    let with_recent = index.memory_bytes();
    let saved = open_again(index, dir.path()).memory_bytes();
    assert!((100_000..200_000).contains(&saved), "{saved} bytes, a little more than one an id");
    assert!(with_recent > saved + 10_000 * 24);
}

/// Without what is recent.
fn open_again(index: IdIndex, dir: &Path) -> IdIndex {
    drop(index);
    open(dir).index
}
