//! The writer, stepped by hand: what its surroundings do to it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use command_service::writer::{
    Failure, NewLog, RandomSource, Request, Surroundings, Timer, Waiting, Writer, WriterOptions,
};
use command_service::{ScriptedClock, Submitter};
use domain::permutation::KeyedPins;
use event_log::embedded::{EmbeddedLog, Options as LogOptions};
use event_log::{
    AppendGroup, AppendOutcome, EventLog, GroupId, LogError, LogReader, MAX_GROUP_ENTRIES, SubmitError,
};
use event_schemas::examples::example;
use event_schemas::ids::{CommandId, InstanceId, LogId, OfficeId, OfficerId, Position};
use event_schemas::text::Text;
use event_schemas::time::{Date, Timestamp};
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
    let opener = Box::new(move |identity: &_| Store::open_dir(&store_dir, identity));
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
