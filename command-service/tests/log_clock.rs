//! A leader whose clock is far ahead of the log's own writes nothing until an operator has consented.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use command_service::gateway::{Answer, Role};
use command_service::writer::{
    NewLog, RandomSource, Request, Surroundings, Timer, Waiting, Writer, WriterOptions,
};
use command_service::{Clock, ScriptedClock, SubmitError, Submitter, Told};
use domain::permutation::KeyedPins;
use event_log::{
    AppendGroup, AppendOutcome, EventLog, FaultPlan, GroupId, LogError, LogReader, ReadBatch, SimulatedLog,
    SubmitError as AppendRefused,
};
use event_schemas::CommandEnvelope;
use event_schemas::examples::example;
use event_schemas::ids::{CommandId, InstanceId, LogId, OfficeId, OfficerId, Position};
use event_schemas::outcome::Outcome;
use event_schemas::record::ClockKind;
use event_schemas::text::Text;
use event_schemas::time::{Date, Timestamp};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND_US: i64 = 1_000_000;

/// A log whose keeper has a clock, as brokers have.
struct Stamped<T> {
    inner: T,
    clock: ScriptedClock,
    appended_at: Option<Timestamp>,
}

impl EventLog for Stamped<Box<dyn EventLog>> {
    fn instance(&self) -> InstanceId {
        self.inner.instance()
    }

    fn end(&self) -> Position {
        self.inner.end()
    }

    fn submit(&mut self, group: AppendGroup) -> Result<GroupId, AppendRefused> {
        self.inner.submit(group)
    }

    fn poll(&mut self, wait: Duration) -> Result<Option<AppendOutcome>, LogError> {
        self.inner.poll(wait)
    }

    fn reader(&self, from: Position) -> Result<Box<dyn LogReader>, LogError> {
        let inner = self.inner.reader(from)?;
        Ok(Box::new(Stamped { inner, clock: self.clock.clone(), appended_at: None }))
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        self.inner.close()
    }
}

impl LogReader for Stamped<Box<dyn LogReader>> {
    fn read(&mut self, max_entries: usize, max_bytes: usize, wait: Duration) -> Result<ReadBatch, LogError> {
        let batch = self.inner.read(max_entries, max_bytes, wait)?;
        if !batch.entries.is_empty() {
            self.appended_at = Some(self.clock.now());
        }
        Ok(batch)
    }

    fn position(&self) -> Position {
        self.inner.position()
    }

    fn appended_at(&self) -> Option<Timestamp> {
        self.appended_at
    }
}

/// A clock that a log takes for the machine's.
struct WallOf(ScriptedClock);

impl Clock for WallOf {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn kind(&self) -> ClockKind {
        ClockKind::Wall
    }
}

/// Passes with the brokers' clock.
struct TimerOf(ScriptedClock);

impl Timer for TimerOf {
    fn elapsed(&self) -> Duration {
        Duration::from_micros(self.0.now().0 as u64)
    }
}

struct Counting(u128);

impl RandomSource for Counting {
    fn bits(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

struct World {
    log: SimulatedLog,
    brokers: ScriptedClock,
    machine: ScriptedClock,
    writer: Writer,
    commands: u128,
}

impl World {
    fn new() -> Self {
        let log = SimulatedLog::new(7, FaultPlan::none());
        let day = Timestamp::at_vietnam_midnight("2021-03-15".parse::<Date>().unwrap());
        let (brokers, machine) = (ScriptedClock::new(day), ScriptedClock::new(day));
        let around = Surroundings {
            clock: Arc::new(WallOf(machine.clone())),
            timer: Arc::new(TimerOf(brokers.clone())),
            random: Box::new(Counting(0)),
            pins: Arc::new(KeyedPins::new(1, [3; 16])),
            saves_in_thread: false,
        };
        let new_log = Some(NewLog { log_id: LogId(5), note: Text::new("a test").unwrap() });
        let options = WriterOptions { new_log, ..WriterOptions::default() };
        let node: Box<dyn EventLog> = Box::new(log.node());
        let stamped = Stamped { inner: node, clock: brokers.clone(), appended_at: None };
        let writer = Writer::open(options, around, Box::new(stamped), Arc::new(log.clone()), None).unwrap();
        let mut world = Self { log, brokers, machine, writer, commands: 0 };
        world.pass(Duration::from_secs(20));
        assert_eq!(world.writer.role(), Role::Leading);
        world
    }

    /// Time passes for brokers and machine alike.
    fn pass(&mut self, time: Duration) {
        for _ in 0..100 {
            let by = time.as_micros() as i64 / 100;
            self.brokers.step(by);
            self.machine.step(by);
            self.writer.step(Duration::ZERO).unwrap();
            self.log.step();
        }
    }

    fn submit(&mut self) -> Answer {
        self.commands += 1;
        let answer: Arc<Mutex<Option<Told>>> = Arc::default();
        let told = Arc::clone(&answer);
        let envelope =
            CommandEnvelope { command_id: CommandId(self.commands), ..example("establish_units").unwrap() };
        let reply = Box::new(move |it| *told.lock().unwrap() = Some(it));
        let request = Request::Command { envelope: Box::new(envelope), reply };
        let submitter = Submitter { office: OfficeId(0), officer: OfficerId(1) };
        self.writer.accept(Waiting::new(submitter, request, Duration::ZERO));
        self.pass(Duration::from_secs(1));
        let told = answer.lock().unwrap().take();
        told.expect("it is answered").answer
    }
}

#[test]
fn a_clock_that_jumps_ahead_of_the_logs_own_stops_the_leader_until_it_is_right_or_consented_to() {
    let mut world = World::new();
    assert!(matches!(world.submit(), Ok(Outcome::Accepted(_))));
    // When the machine's clock jumps by a year, nothing is written;
    world.machine.step(365 * 86_400 * SECOND_US);
    assert!(matches!(world.submit(), Err(SubmitError::NotLeading { .. })));
    assert_eq!(world.writer.role(), Role::AwaitingConsent);
    // when it is put right, work goes on by itself;
    world.machine.step(-365 * 86_400 * SECOND_US);
    assert!(matches!(world.submit(), Ok(Outcome::Refused(_))), "these units are established");
    // when an operator has consented, it goes on, and goes on going on.
    world.machine.step(3_600 * SECOND_US);
    assert!(matches!(world.submit(), Err(SubmitError::NotLeading { .. })));
    world.writer.consent_to_clock(OfficerId(1), Text::new("the brokers are an hour late").unwrap());
    world.pass(Duration::from_secs(60));
    assert!(matches!(world.submit(), Ok(Outcome::Refused(_))));
}

#[test]
fn a_long_rest_of_everybody_needs_no_consent() {
    let mut world = World::new();
    assert!(matches!(world.submit(), Ok(Outcome::Accepted(_))));
    world.pass(Duration::from_secs(90 * 86_400));
    assert!(matches!(world.submit(), Ok(Outcome::Refused(_))));
}
