//! The writer, stepped by hand: what its surroundings do to it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use command_service::history::read_genesis;
use command_service::writer::{
    Failure, NewLog, RandomSource, Request, Surroundings, Timer, Waiting, Writer, WriterOptions,
};
use command_service::{ScriptedClock, Stats, Submitter, Told};
use domain::permutation::KeyedPins;
use event_log::embedded::{EmbeddedLog, Options as LogOptions};
use event_log::{
    AppendGroup, AppendOutcome, EventLog, FaultPlan, GroupId, LogError, LogReader, MAX_GROUP_ENTRIES,
    SimulatedLog, SubmitError,
};
use event_schemas::CommandEnvelope;
use event_schemas::examples::example;
use event_schemas::ids::{CommandId, InstanceId, LogId, OfficeId, OfficerId, Position};
use event_schemas::outcome::Outcome;
use event_schemas::text::Text;
use event_schemas::time::{Date, Timestamp};
use state_store::home::EngineOptions;
use state_store::store::Store;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Any numbers will do: nobody else claims.
struct Counting(u128);

impl RandomSource for Counting {
    fn bits(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

struct Elapsed(Instant);

impl Timer for Elapsed {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Nobody may ask it but the writer: the thread that saves panics.
struct WritersOnly(Instant);

impl Timer for WritersOnly {
    fn elapsed(&self) -> Duration {
        assert_ne!(std::thread::current().name(), Some("registry-saver"), "not for you");
        self.0.elapsed()
    }
}

/// A log that keeps what became of appended groups to itself while it is told to.
struct HeldLog {
    inner: EmbeddedLog,
    is_held: Arc<AtomicBool>,
}

impl EventLog for HeldLog {
    fn instance(&self) -> InstanceId {
        self.inner.instance()
    }

    fn end(&self) -> Position {
        self.inner.end()
    }

    fn submit(&mut self, group: AppendGroup) -> Result<GroupId, SubmitError> {
        self.inner.submit(group)
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<AppendOutcome>, LogError> {
        if self.is_held.load(Ordering::SeqCst) { Ok(None) } else { self.inner.poll(wait) }
    }

    fn reader(&self, from: Position) -> Result<Box<dyn LogReader>, LogError> {
        self.inner.reader(from)
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        Box::new(self.inner).close()
    }
}

fn writer(dir: &Path, timer: Arc<dyn Timer>, options: WriterOptions) -> Writer {
    held_writer(dir, timer, options, Arc::default())
}

fn held_writer(
    dir: &Path,
    timer: Arc<dyn Timer>,
    options: WriterOptions,
    is_held: Arc<AtomicBool>,
) -> Writer {
    let log = EmbeddedLog::open(LogOptions::in_directory(dir.join("log"), InstanceId(7)).unwrap()).unwrap();
    let source = log.handle();
    let log = HeldLog { inner: log, is_held };
    let date: Date = "2021-03-15".parse().unwrap();
    let around = Surroundings {
        clock: Arc::new(ScriptedClock::new(Timestamp::at_vietnam_midnight(date))),
        timer,
        random: Box::new(Counting(0)),
        pins: Arc::new(KeyedPins::new(1, [3; 16])),
        saves_in_thread: true,
    };
    let new_log = Some(NewLog { log_id: LogId(5), note: Text::new("a test").unwrap() });
    let options = WriterOptions { is_log_exclusive: true, new_log, ..options };
    let store_dir = dir.join("store");
    let opener =
        Box::new(move |identity: &_| Store::open_dir(&store_dir, EngineOptions::default(), identity));
    Writer::open(options, around, Box::new(log), Arc::new(source), Some(opener)).unwrap()
}

/// Steps until `is_there`, at most ten seconds.
fn step_until(writer: &mut Writer, is_there: impl Fn(&Writer) -> bool) -> Result<(), Failure> {
    let begin = Instant::now();
    while !is_there(writer) {
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", writer.stats());
        writer.step(Duration::from_millis(1))?;
    }
    Ok(())
}

#[test]
fn a_writer_whose_saving_thread_has_died_ends_with_its_error() {
    // Given a thread for saving that panics at its first checkpoint,
    let dir = tempfile::tempdir().unwrap();
    let options = WriterOptions { checkpoint_entries: 1, ..WriterOptions::default() };
    let mut writer = writer(dir.path(), Arc::new(WritersOnly(Instant::now())), options);
    // when the writer goes on,
    let outcome = step_until(&mut writer, |_| false);
    // then it does not take the checkpoint for saved, and says why.
    let Err(Failure::SaverEnded(cause)) = outcome else { panic!("{outcome:?}") };
    assert!(cause.contains("not for you"), "{cause}");
    assert_eq!(writer.stats().checkpoints, 0);
    assert!(writer.stats().failure.unwrap().contains("not for you"));
}

#[test]
fn a_saving_thread_that_dies_at_the_end_is_an_error_of_the_end() {
    // Given a writer that has not saved yet,
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path(), Arc::new(WritersOnly(Instant::now())), WriterOptions::default());
    step_until(&mut writer, Writer::is_leading).unwrap();
    // when the thread panics while everything is saved, then that is told.
    writer.save_all();
    assert!(matches!(writer.check_saver(), Err(Failure::SaverEnded(_))));
}

#[test]
fn a_writer_whose_saving_thread_lives_saves() {
    let dir = tempfile::tempdir().unwrap();
    let options = WriterOptions { checkpoint_entries: 1, ..WriterOptions::default() };
    let mut writer = writer(dir.path(), Arc::new(Elapsed(Instant::now())), options);
    step_until(&mut writer, |writer| writer.stats().checkpoints > 0).unwrap();
    writer.check_saver().unwrap();
}

#[test]
fn answers_that_wait_for_a_group_in_flight_are_bounded_and_the_rest_waits_in_the_queue() {
    // Given a group in flight whose outcome does not come,
    let dir = tempfile::tempdir().unwrap();
    let is_held = Arc::new(AtomicBool::new(false));
    let timer = Arc::new(Elapsed(Instant::now()));
    let mut writer = held_writer(dir.path(), timer, WriterOptions::default(), Arc::clone(&is_held));
    step_until(&mut writer, Writer::is_leading).unwrap();
    is_held.store(true, Ordering::SeqCst);
    let asker = Submitter { office: OfficeId(0), officer: OfficerId(1) };
    let answered = Arc::new(AtomicUsize::new(0));
    let count = |answered: &Arc<AtomicUsize>| {
        let answered = Arc::clone(answered);
        move || {
            answered.fetch_add(1, Ordering::SeqCst);
        }
    };
    let told = count(&answered);
    let reply = Box::new(move |_| told());
    let envelope = Box::new(example("establish_units").unwrap());
    writer.accept(Waiting::new(asker, Request::Command { envelope, reply }, Duration::ZERO));
    writer.step(Duration::ZERO).unwrap();
    assert!(writer.awaits_log() && writer.waiting_len() == 0);
    // when more questions come than may wait for it, each of which needs no entry,
    const MORE: usize = 1_000;
    let asked = 4 * MAX_GROUP_ENTRIES + MORE;
    for number in 0..asked {
        let told = count(&answered);
        let reply = Box::new(move |_| told());
        let command_id = CommandId(1_000_000 + number as u128);
        writer.accept(Waiting::new(asker, Request::Status { command_id, reply }, Duration::ZERO));
    }
    for _ in 0..100 {
        writer.step(Duration::ZERO).unwrap();
    }
    // then the rest stays in the queue without keeping the writer busy, and all are answered once the outcome is there.
    assert!(writer.waiting_len() >= MORE, "{}", writer.waiting_len());
    assert!(!writer.has_work());
    assert_eq!(answered.load(Ordering::SeqCst), 0);
    is_held.store(false, Ordering::SeqCst);
    step_until(&mut writer, Writer::is_idle).unwrap();
    assert_eq!(answered.load(Ordering::SeqCst), asked + 1);
}

/// Submits commands that lead to one id each, and lets each be saved if it can be, until `is_there`; at most so many. The units
/// they need are first.
fn submit_until(
    writer: &mut Writer,
    most: u128,
    is_there: impl Fn(&Writer) -> bool,
) -> Result<bool, Failure> {
    let submitter = Submitter { office: OfficeId(0), officer: OfficerId(1) };
    for _ in 0..most {
        let checkpoints = writer.stats().checkpoints;
        let id = writer.follower().registry.head().lsn.0.into();
        let kind = if writer.follower().registry.units().iter().next().is_none() {
            "establish_units"
        } else {
            "register_dwelling"
        };
        let envelope = CommandEnvelope { command_id: CommandId(id), ..example(kind).unwrap() };
        let answered = Arc::new(AtomicBool::new(false));
        let reply = {
            let answered = Arc::clone(&answered);
            Box::new(move |told: Told| {
                assert!(matches!(told.answer, Ok(Outcome::Accepted(_))), "{told:?}");
                answered.store(true, Ordering::SeqCst);
            })
        };
        let request = Request::Command { envelope: Box::new(envelope), reply };
        writer.accept(Waiting::new(submitter, request, Duration::ZERO));
        step_until(writer, |_| answered.load(Ordering::SeqCst))?;
        let is_saved = |stats: &Stats| stats.checkpoints > checkpoints || stats.saving_failure.is_some();
        step_until(writer, |writer| is_there(writer) || is_saved(&writer.stats()))?;
        if is_there(writer) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Checkpoints after every record, ids in an index.
fn indexed(dir: &Path) -> WriterOptions {
    let command_ids_dir = Some(dir.join("ids"));
    WriterOptions { command_ids_dir, checkpoint_entries: 1, ..WriterOptions::default() }
}

#[test]
fn a_writer_that_cannot_save_says_so_and_ends_before_unsaved_ids_fill_the_memory() {
    // Given an index of ids that cannot be written any more,
    let dir = tempfile::tempdir().unwrap();
    let options = WriterOptions { max_unsaved_ids: 20, ..indexed(dir.path()) };
    let mut writer = writer(dir.path(), Arc::new(Elapsed(Instant::now())), options);
    step_until(&mut writer, Writer::is_leading).unwrap();
    for run in 0..100 {
        std::fs::create_dir(dir.path().join("ids").join(format!("{run:016x}.run"))).unwrap();
    }
    // when commands come, then they are answered, and the failure shows,
    assert!(submit_until(&mut writer, 10, |writer| writer.stats().saving_failure.is_some()).unwrap());
    let stats = writer.stats();
    assert!(stats.unsaved_command_ids > 0 && stats.max_unsaved_command_ids == 20);
    // until too many ids wait in memory: then the writer ends and says why.
    let outcome = submit_until(&mut writer, 100, |_| false);
    let Err(Failure::SavingFailed { cause, unsaved_ids, max_unsaved_ids }) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!((unsaved_ids, max_unsaved_ids), (21, 20));
    assert_eq!(Some(cause), stats.saving_failure);
}

#[test]
fn ids_that_cannot_be_merged_stop_no_checkpoint() {
    // Given an index of ids of which the disk changes a part,
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(dir.path(), Arc::new(Elapsed(Instant::now())), indexed(dir.path()));
    step_until(&mut writer, Writer::is_leading).unwrap();
    let first_run = || {
        let files = std::fs::read_dir(dir.path().join("ids")).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.extension().is_some_and(|suffix| suffix == "run")).min()
    };
    // Three times saved: the first run is whole, and four are merged.
    assert!(submit_until(&mut writer, 10, |writer| writer.stats().checkpoints >= 3).unwrap());
    let path = first_run().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[3] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    // when a merge comes upon it,
    assert!(submit_until(&mut writer, 20, |writer| writer.stats().merging_failure.is_some()).unwrap());
    // then that is told, and checkpoints go on.
    let saved = writer.stats().saved_lsn;
    assert!(submit_until(&mut writer, 20, |writer| writer.stats().saved_lsn.0 > saved.0 + 5).unwrap());
    let stats = writer.stats();
    assert_eq!((stats.saving_failure, stats.failure), (None, None));
    assert!(stats.unsaved_command_ids < 5, "{}", stats.unsaved_command_ids);
}

#[test]
fn a_first_entry_that_comes_late_is_not_taken_for_an_empty_log() {
    // Given a log that has begun,
    let log = SimulatedLog::new(7, FaultPlan::none());
    let around = Surroundings {
        clock: Arc::new(ScriptedClock::new(Timestamp(1))),
        timer: Arc::new(Elapsed(Instant::now())),
        random: Box::new(Counting(0)),
        pins: Arc::new(KeyedPins::new(1, [3; 16])),
        saves_in_thread: false,
    };
    let new_log = Some(NewLog { log_id: LogId(5), note: Text::new("a test").unwrap() });
    let options = WriterOptions { new_log, ..WriterOptions::default() };
    let mut writer =
        Writer::open(options, around, Box::new(log.node()), Arc::new(log.clone()), None).unwrap();
    for _ in 0..100 {
        writer.step(Duration::ZERO).unwrap();
        log.step();
    }
    assert_eq!(writer.log_id(), LogId(5));
    // when its entries come late,
    log.set_plan(FaultPlan { stalled_read: 500, ..FaultPlan::none() });
    // then they are waited for.
    for _ in 0..100 {
        assert!(read_genesis(&log).unwrap().is_some());
    }
}
