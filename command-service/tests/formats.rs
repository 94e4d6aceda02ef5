//! A later format in the writer: an order to bring it into force is carried out by the leader that got it, or not at all; whatever
//! becomes of the entry, the registry and the log agree on what is in force. With the feature `next-format` alone.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use command_service::invariants::Auditor;
use command_service::writer::{
    NewLog, RandomSource, Request, Surroundings, Timer, Waiting, Writer, WriterOptions,
};
use command_service::{ScriptedClock, Submitter, Told};
use domain::permutation::KeyedPins;
use event_log::{FaultPlan, SimulatedLog};
use event_schemas::CommandEnvelope;
use event_schemas::event::EventBody;
use event_schemas::examples::example;
use event_schemas::header::EntryKind;
use event_schemas::ids::{CommandId, LogId, Lsn, OfficeId, OfficerId, Position};
use event_schemas::outcome::Outcome;
use event_schemas::text::Text;
use event_schemas::time::{Date, Timestamp};
use state_store::home::EngineOptions;
use state_store::store::Store;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LATER: u16 = 1;
const OFFICER: OfficerId = OfficerId(1);
const OFFICE: OfficeId = OfficeId(2);
/// After so many steps whatever was under way has arrived, and nobody waits for anything.
const SETTLED_STEPS: usize = 200;
const MOST_STEPS: usize = 20_000;

/// Each step takes 10 ms.
#[derive(Default)]
struct Steps(AtomicU64);

impl Timer for Steps {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(10 * self.0.load(Ordering::SeqCst))
    }
}

/// Numbers that no other writer of the test gives; pauses are short.
struct Counting(Arc<AtomicU64>);

impl RandomSource for Counting {
    fn bits(&mut self) -> u128 {
        u128::from(self.0.fetch_add(1, Ordering::SeqCst)) << 64
    }
}

/// What the asker was told.
type Answer = Arc<Mutex<Option<Told>>>;

/// A log that writers share, and the state that they save.
struct Stage {
    log: SimulatedLog,
    steps: Arc<Steps>,
    given: Arc<AtomicU64>,
    dir: tempfile::TempDir,
}

impl Stage {
    fn new(seed: u64) -> Self {
        let log = SimulatedLog::new(seed, FaultPlan::none());
        let (steps, given) = (Arc::default(), Arc::new(AtomicU64::new(1)));
        Self { log, steps, given, dir: tempfile::tempdir().unwrap() }
    }

    fn writer(&self, node: &str) -> Writer {
        let morning = Timestamp::at_vietnam_midnight("2021-06-01".parse::<Date>().unwrap());
        let around = Surroundings {
            clock: Arc::new(ScriptedClock::new(morning)),
            timer: Arc::<Steps>::clone(&self.steps),
            random: Box::new(Counting(Arc::clone(&self.given))),
            pins: Arc::new(KeyedPins::new(1, [3; 16])),
            saves_in_thread: false,
        };
        let new_log = Some(NewLog { log_id: LogId(5), note: Text::new("a test").unwrap() });
        let options = WriterOptions { new_log, ..WriterOptions::default() };
        let saved = self.dir.path().join(node);
        let opener =
            Box::new(move |identity: &_| Store::open_dir(&saved, EngineOptions::default(), identity));
        let (log, source) = (Box::new(self.log.node()), Arc::new(self.log.clone()));
        Writer::open(options, around, log, source, Some(opener)).unwrap()
    }

    /// The writer of a node that leads, with units, an office and a household.
    fn leading(&self, node: &str) -> Writer {
        let mut writer = self.writer(node);
        for (kind, office) in [("establish_units", 0), ("register_office", 0), ("enrol_household", 2)] {
            let answer = self.submit(&mut writer, OfficeId(office), kind);
            self.until_answered(&mut writer, &answer);
        }
        writer
    }

    fn step(&self, writer: &mut Writer) {
        writer.step(Duration::ZERO).unwrap();
        self.log.step();
        self.steps.0.fetch_add(1, Ordering::SeqCst);
    }

    fn settle(&self, writer: &mut Writer) {
        for _ in 0..SETTLED_STEPS {
            self.step(writer);
        }
    }

    fn step_until(&self, writer: &mut Writer, is_there: impl Fn(&Writer) -> bool) {
        for _ in 0..MOST_STEPS {
            if is_there(writer) {
                return;
            }
            self.step(writer);
        }
        panic!("it never comes: {:?}", writer.stats());
    }

    fn submit(&self, writer: &mut Writer, office: OfficeId, kind: &str) -> Answer {
        let command_id = CommandId(self.given.fetch_add(1, Ordering::SeqCst).into());
        let envelope = Box::new(CommandEnvelope { command_id, ..example(kind).unwrap() });
        let answer = Answer::default();
        let told = Arc::clone(&answer);
        let reply = Box::new(move |answer| assert!(told.lock().unwrap().replace(answer).is_none()));
        let submitter = Submitter { office, officer: OFFICER };
        writer.accept(Waiting::new(submitter, Request::Command { envelope, reply }, Duration::ZERO));
        answer
    }

    /// Where the command is recorded.
    fn until_answered(&self, writer: &mut Writer, answer: &Answer) -> Lsn {
        self.step_until(writer, |_| answer.lock().unwrap().is_some());
        match answer.lock().unwrap().take() {
            Some(Told { answer: Ok(Outcome::Accepted(accepted)), .. }) => accepted.lsn,
            told => panic!("{told:?}"),
        }
    }

    /// Somebody has another name; where that is recorded.
    fn rename(&self, writer: &mut Writer) -> Lsn {
        let answer = self.submit(writer, OFFICE, "change_name");
        self.until_answered(writer, &answer)
    }

    /// The log as an auditor reads it, who checks each entry; the writer that has read all of it agrees.
    fn audit(&self, writer: &Writer) -> Audited {
        let mut auditor = Auditor::of_log(Arc::new(self.log.clone()));
        let mut audited = Audited::default();
        for (position, bytes) in self.log.raw_entries().iter().enumerate() {
            let before = auditor.registry().head().format;
            let Some(entry) = auditor.take(Position(position as u64), bytes).unwrap() else { continue };
            audited.activations += usize::from(entry.header.kind == EntryKind::Activate);
            for event in entry.changes().map_or(&[][..], |changes| &changes.events) {
                if let EventBody::NameChanged(changed) = &event.body {
                    let expected = (before >= LATER).then_some(OFFICE);
                    assert_eq!(changed.registered_at, expected, "lsn {}", entry.lsn);
                    audited.renamed.push(entry.lsn);
                }
            }
        }
        let (head, found) = (auditor.registry().head(), writer.follower().registry.head());
        assert_eq!((found.lsn, found.format, found.digest), (head.lsn, head.format, head.digest));
        assert_eq!(usize::from(head.format), audited.activations);
        audited
    }
}

#[derive(Default)]
struct Audited {
    /// Entries that brought a format into force.
    activations: usize,
    renamed: Vec<Lsn>,
}

#[test]
fn an_order_to_activate_a_format_lapses_with_the_lead() {
    // Given a leader that is told to activate a format when another has claimed, which it has not read yet,
    let stage = Stage::new(1);
    let mut leader = stage.leading("a");
    let mut other = stage.writer("b");
    stage.settle(&mut leader);
    stage.step_until(&mut other, |other| other.has_caught_up());
    // (an order to a node that does not lead is none)
    other.activate(LATER, OFFICER);
    other.ask_to_lead();
    stage.step_until(&mut other, Writer::is_leading);
    assert!(leader.is_leading(), "it has not read on");
    leader.activate(LATER, OFFICER);
    // when it leads again,
    stage.step_until(&mut leader, |leader| !leader.is_leading());
    leader.ask_to_lead();
    stage.step_until(&mut leader, Writer::is_leading);
    stage.rename(&mut leader);
    stage.settle(&mut leader);
    // then nobody has activated it, and an order to the new lead is carried out.
    assert_eq!(stage.audit(&leader).activations, 0);
    leader.activate(LATER, OFFICER);
    stage.rename(&mut leader);
    assert_eq!(stage.audit(&leader).activations, 1);
}

/// An order and a change of name in one group, of which nothing is heard; whether the format is in force afterwards.
fn activate_without_hearing(seed: u64, plan: FaultPlan) -> bool {
    let stage = Stage::new(seed);
    let mut writer = stage.leading("a");
    stage.settle(&mut writer);
    writer.activate(LATER, OFFICER);
    let answer = stage.submit(&mut writer, OFFICE, "change_name");
    stage.log.set_plan(plan);
    writer.decide().unwrap();
    stage.log.set_plan(FaultPlan::none());
    assert!(writer.awaits_log() && writer.waiting_len() == 0, "both are in the group");
    assert_eq!(
        writer.follower().registry.head().format,
        LATER,
        "the command was decided by the later format"
    );
    let first = stage.until_answered(&mut writer, &answer);
    stage.settle(&mut writer);
    assert_eq!(writer.stats().rollbacks, 1, "the outcome was unknown");
    let second = stage.rename(&mut writer);
    let audited = stage.audit(&writer);
    assert_eq!(audited.renamed, [first, second], "each is recorded once, where its answer says");
    audited.activations == 1
}

#[test]
fn an_activation_whose_outcome_is_unknown_is_in_force_exactly_if_it_is_in_the_log() {
    let none = FaultPlan::none();
    let of = |plan: FaultPlan| -> BTreeSet<bool> {
        (0..20).map(|seed| activate_without_hearing(seed, plan)).collect()
    };
    assert_eq!(of(FaultPlan { lost_group: 1_000, ..none }), [false].into());
    assert_eq!(of(FaultPlan { lost_acknowledgement: 1_000, ..none }), [true].into());
    assert_eq!(of(FaultPlan { cut_group: 1_000, ..none }), [false, true].into());
    assert_eq!(of(FaultPlan { late_group: 1_000, ..none }), [false, true].into());
}

#[test]
fn a_restart_from_what_was_saved_before_or_after_an_activation_knows_what_is_in_force() {
    for is_saved_before in [true, false] {
        let stage = Stage::new(3);
        let mut writer = stage.leading("a");
        stage.settle(&mut writer);
        let saved_before = writer.save_all();
        let before = stage.rename(&mut writer);
        assert!(saved_before < before);
        writer.activate(LATER, OFFICER);
        let after = stage.rename(&mut writer);
        stage.settle(&mut writer);
        if !is_saved_before {
            assert!(writer.save_all() >= after);
        }
        // It ends without saving.
        drop(writer);
        let mut writer = stage.writer("a");
        assert_eq!(writer.stats().saved_state_discarded, None);
        let head = writer.follower().registry.head();
        let expected = if is_saved_before { (true, 0) } else { (false, LATER) };
        assert_eq!((head.lsn < before, head.format), expected, "{:?}", head.lsn);
        stage.step_until(&mut writer, Writer::is_leading);
        let again = stage.rename(&mut writer);
        let audited = stage.audit(&writer);
        assert_eq!((audited.activations, audited.renamed), (1, vec![before, after, again]));
    }
}
