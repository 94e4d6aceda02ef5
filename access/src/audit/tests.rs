use super::*;
use event_schemas::ids::{Lsn, OfficeId, OfficerId, PersonId};
use event_schemas::row::RowRef;
use file::{file_name, file_numbers};
use std::fs;
use std::sync::Arc;
use verify::verify;

fn clock() -> WallClock {
    Arc::new(|| Timestamp(77_000_000))
}

fn open(dir: &Path) -> FileAudit {
    FileAudit::open(dir, AuditOptions::default(), clock()).unwrap()
}

fn read(of: u32) -> PersonalRead {
    PersonalRead {
        office: OfficeId(12),
        officer: OfficerId(3),
        purpose: "xác minh".parse().unwrap(),
        route: "GET /v1/persons/{id}".into(),
        target: format!("/v1/persons/P{of}"),
        shown: vec![RowRef::Person(PersonId(of))],
        lsn: Some(Lsn(9)),
        status: 200,
    }
}

fn small_files(dir: &Path) -> AuditFile {
    AuditFile::open(dir, 2_000, Timestamp(1)).unwrap().0
}

fn keep(file: &mut AuditFile, of: u32) -> Result<(), AuditError> {
    file.push(Timestamp(2), &Entry::Read(read(of)))?;
    file.write(Timestamp(2))
}

#[tokio::test]
async fn what_was_recorded_is_in_the_file_with_who_whom_why_and_when() {
    for durability in [Durability::Written, Durability::Synced] {
        let dir = tempfile::tempdir().unwrap();
        let options = AuditOptions { durability, ..AuditOptions::default() };
        let audit = Arc::new(FileAudit::open(dir.path(), options, clock()).unwrap());
        let recording = (0..50).map(|of| {
            let audit = Arc::clone(&audit);
            tokio::spawn(async move { audit.record(read(of)).await })
        });
        for recorded in recording.collect::<Vec<_>>() {
            recorded.await.unwrap().unwrap();
        }
        // It is there before the log is closed.
        let text = fs::read_to_string(dir.path().join(file_name(1))).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
        assert_eq!((&line["seq"], &line["at"]), (&2.into(), &"1970-01-01T00:01:17Z".into()));
        assert_eq!((&line["kind"], &line["purpose"]), (&"read".into(), &"xác minh".into()));
        assert_eq!((&line["office"], &line["officer"], &line["lsn"]), (&12.into(), &3.into(), &9.into()));
        assert!(line["shown"][0]["person"].is_u64());
        let summary = verify(dir.path()).unwrap();
        assert_eq!((summary.files, summary.lines, summary.reads), (1, 51, 50));
    }
}

#[tokio::test]
async fn reads_of_one_request_are_kept_together_or_none_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path());
    audit.record_all(Vec::new()).await.unwrap();
    audit.record_all((0..3 * MAX_GROUP as u32).map(read).collect()).await.unwrap();
    assert_eq!(verify(dir.path()).unwrap().reads, 3 * MAX_GROUP as u64);
    let long = PersonalRead { shown: vec![RowRef::Person(PersonId(u32::MAX)); 100_000], ..read(1) };
    assert!(audit.record_all(vec![read(2), long]).await.is_err());
    audit.record_all(vec![read(3), read(4)]).await.unwrap();
    assert!(verify(dir.path()).is_ok());
}

#[test]
fn a_read_survives_the_machine_before_it_is_answered_unless_an_operator_wants_less() {
    assert_eq!(AuditOptions::default().durability, Durability::Synced);
}

#[tokio::test]
async fn one_process_keeps_a_log_and_the_next_goes_on_with_its_chain() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path());
    audit.record(read(1)).await.unwrap();
    let second = FileAudit::open(dir.path(), AuditOptions::default(), clock());
    assert!(matches!(second, Err(AuditError::InUse)));
    drop(audit);
    let audit = open(dir.path());
    assert!(audit.torn().is_none());
    audit.record(read(2)).await.unwrap();
    assert_eq!(verify(dir.path()).unwrap().reads, 2);
}

#[tokio::test]
async fn a_line_cut_by_a_crash_is_set_aside_and_noted() {
    let whole = tempfile::tempdir().unwrap();
    open(whole.path()).record(read(1)).await.unwrap();
    let one = fs::read(whole.path().join(file_name(1))).unwrap();
    open(whole.path()).record(read(2)).await.unwrap();
    let two = fs::read(whole.path().join(file_name(1))).unwrap();
    // Cut anywhere in the last line; or the sectors of the last line never reached the disk.
    let mut endings: Vec<Vec<u8>> =
        (one.len() + 1..two.len()).step_by(7).map(|len| two[..len].to_vec()).collect();
    endings.push(two[..two.len() - 1].to_vec());
    endings.push([one.clone(), vec![0; 700]].concat());
    endings.push([one.clone(), b"{\"seq\":\n\0\0\0\n".to_vec()].concat());
    for ending in endings {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(file_name(1)), &ending).unwrap();
        let audit = open(dir.path());
        let torn = audit.torn().unwrap().clone();
        assert_eq!(fs::read(dir.path().join(&torn.moved_to)).unwrap(), ending[one.len()..]);
        audit.record(read(3)).await.unwrap();
        let summary = verify(dir.path()).unwrap();
        assert_eq!((summary.reads, summary.torn), (2, 1));
        drop(audit);
        assert!(open(dir.path()).torn().is_none(), "once");
    }
}

#[test]
fn a_full_file_is_followed_by_the_next_and_the_chain_runs_through_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = small_files(dir.path());
    for of in 1..=40 {
        keep(&mut file, of).unwrap();
    }
    drop(file);
    let before = verify(dir.path()).unwrap();
    assert_eq!((before.reads, before.lines), (40, 40 + before.files));
    assert!(before.files > 3);
    keep(&mut small_files(dir.path()), 41).unwrap();
    assert_eq!(verify(dir.path()).unwrap().reads, 41);

    // Old files may be removed, but none between two others.
    fs::remove_file(dir.path().join(file_name(1))).unwrap();
    assert!(verify(dir.path()).is_ok());
    fs::remove_file(dir.path().join(file_name(3))).unwrap();
    assert!(matches!(verify(dir.path()), Err(AuditError::Broken { line: 1, .. })));
}

#[test]
fn a_file_that_a_crash_left_empty_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = small_files(dir.path());
    while file_numbers(dir.path()).unwrap().len() == 1 {
        keep(&mut file, 1).unwrap();
    }
    drop(file);
    let reads = verify(dir.path()).unwrap().reads;
    for content in [&b""[..], b"{\"seq\":9,\"at\":\"19"] {
        fs::write(dir.path().join(file_name(2)), content).unwrap();
        let summary = verify(dir.path()).unwrap();
        assert_eq!((summary.reads, summary.files), (reads, 1), "before it is begun again");
        drop(small_files(dir.path()));
        let summary = verify(dir.path()).unwrap();
        assert_eq!((summary.reads, summary.files), (reads, 2));
    }
}

#[test]
fn any_changed_removed_or_swapped_line_breaks_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = AuditFile::open(dir.path(), 1 << 20, Timestamp(1)).unwrap().0;
    for of in 1..=5 {
        keep(&mut file, of).unwrap();
    }
    drop(file);
    let path = dir.path().join(file_name(1));
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let swapped = [lines[0], lines[2], lines[1], lines[3], lines[4], lines[5]];
    for changed in [
        text.replacen("/v1/persons/P3", "/v1/persons/P8", 1),
        text.replacen("xác minh", "xác mịnh", 1),
        joined(&[&lines[..2], &lines[3..]].concat()),
        joined(&lines[1..]),
        joined(&swapped),
        joined(&[&lines[..], &lines[5..]].concat()),
    ] {
        fs::write(&path, changed).unwrap();
        assert!(matches!(verify(dir.path()), Err(AuditError::Broken { .. })));
        assert!(AuditFile::open(dir.path(), 1 << 20, Timestamp(1)).is_err(), "it is not continued either");
    }
    fs::write(&path, &text).unwrap();
    assert_eq!(verify(dir.path()).unwrap().reads, 5);
}

#[test]
fn a_record_that_cannot_be_kept_is_refused_and_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = small_files(dir.path());
    let mut long = read(1);
    long.shown = vec![RowRef::Person(PersonId(u32::MAX)); 100_000];
    assert!(matches!(file.push(Timestamp(2), &Entry::Read(long)), Err(AuditError::TooLong(_))));
    keep(&mut file, 2).unwrap();
    drop(file);
    assert_eq!(verify(dir.path()).unwrap().reads, 1);

    // A directory that cannot take the next file: the group before is kept, the reads after are refused.
    let mut file = small_files(dir.path());
    fs::create_dir(dir.path().join(file_name(2))).unwrap();
    let kept = (0..20).take_while(|of| keep(&mut file, *of).is_ok()).count() as u64;
    assert!(kept > 0 && kept < 20);
    assert!(matches!(keep(&mut file, 1), Err(AuditError::FailedEarlier(_))));
    drop(file);
    fs::remove_dir(dir.path().join(file_name(2))).unwrap();
    assert_eq!(verify(dir.path()).unwrap().reads, 1 + kept);
}
