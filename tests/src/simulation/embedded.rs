//! One node on the embedded log, on a simulated disk: killed and cut off in the middle of any operation, with syncs that fail
//! and disks that fill up.

use super::ids::IdsHome;
use super::judge::{Judge, Ruling};
use super::node::options;
use super::offices::Offices;
use super::random::Random;
use super::{Finding, PIN_KEY, Report, Settings, Steps, start_of_time};
use crate::linearizability::History;
use command_service::invariants::Violation;
use command_service::saver::StoreOpener;
use command_service::writer::{Failure, Mutant, Surroundings, Timer, Writer, WriterOptions};
use command_service::{Clock, ScriptedClock};
use domain::permutation::KeyedPins;
use event_log::disk::{Crash, SimulatedDisk};
use event_log::embedded::{EmbeddedHandle, EmbeddedLog, FlushBy, Options};
use event_schemas::ids::{InstanceId, Lsn};
use state_store::memory::MemoryHome;
use state_store::store::Store;
use std::sync::Arc;
use std::time::Duration;

const STORMY_STEPS: u64 = 400;
const CALM_STEPS: u64 = 400;
/// Small segments, so that new ones are made often.
const SEGMENT_BYTES: u64 = 24 << 10;
const MINUTE_US: i64 = 60_000_000;

/// A machine with a disk, and the process on it.
pub struct Machine {
    random: Random,
    disk: SimulatedDisk,
    home: MemoryHome,
    ids: IdsHome,
    clock: ScriptedClock,
    running: Option<Process>,
    offices: Offices,
    judge: Judge,
    steps: Steps,
    mutant: Option<Mutant>,
    last_failure: String,
    report: Report,
}

struct Process {
    writer: Box<Writer>,
    log: EmbeddedHandle,
}

impl Machine {
    pub fn new(settings: &Settings) -> Self {
        let mut random = Random::new(settings.seed ^ 0xd15c);
        Self {
            disk: SimulatedDisk::new(random.next()),
            home: MemoryHome::new(),
            ids: IdsHome::of_world(settings.seed),
            clock: ScriptedClock::new(start_of_time()),
            running: None,
            offices: Offices::new(random.fork()),
            random,
            judge: Judge::new(),
            steps: Steps::default(),
            mutant: settings.mutant,
            last_failure: String::new(),
            report: Report::new(settings.seed),
        }
    }

    /// Lets the storm pass, then demands that every question gets its answer.
    pub fn run(mut self) -> Result<(Report, History), Finding> {
        for _ in 0..STORMY_STEPS {
            self.stir_faults().and_then(|()| self.step(true)).map_err(|violation| self.finding(violation))?;
        }
        self.disk.calm();
        self.disk.set_capacity_bytes(u64::MAX);
        let mut calm = 0;
        while calm < CALM_STEPS && !(self.offices.are_content() && calm > 20) {
            self.step(false).map_err(|violation| self.finding(violation))?;
            calm += 1;
        }
        if !self.offices.are_content() {
            let what = format!(
                "no answer within {CALM_STEPS} calm steps: {:?}; last failure: {}",
                self.offices.open().first(),
                self.last_failure
            );
            return Err(self.finding(Violation::new("O2", Lsn::ZERO, what)));
        }
        self.judge.check_state().map_err(|violation| self.finding(violation))?;
        let history = std::mem::take(&mut self.judge.history);
        Ok((self.finish(), history))
    }

    fn step(&mut self, is_stormy: bool) -> Result<(), Violation> {
        self.steps.advance();
        self.clock.step(MINUTE_US * self.random.below(500) as i64);
        if self.running.is_none() {
            self.start()?;
        }
        if let Some(process) = &mut self.running {
            let writer = &mut process.writer;
            let outcome = match if is_stormy { self.random.below(10) } else { 9 } {
                0 => writer.learn_outcomes(Duration::ZERO),
                1 => writer.read_log(Duration::ZERO),
                2 => writer.decide(),
                _ => writer.step(Duration::ZERO),
            };
            match outcome {
                Ok(()) => {}
                Err(Failure::Log(error)) => self.end(&error.to_string())?,
                Err(failure) => return Err(Violation::new("R5", Lsn::ZERO, failure.to_string())),
            }
        }
        if self.disk.has_crashed() {
            self.end("the simulated process has ended")?;
        }
        self.judge_all(is_stormy)
    }

    fn judge_all(&mut self, is_stormy: bool) -> Result<(), Violation> {
        if let Some(process) = &self.running {
            self.judge.read(&process.log)?;
            self.judge.check_node(&process.writer, self.steps.now().is_multiple_of(30))?;
        }
        for (asked, told) in self.offices.take_heard(self.steps.now(), |_| true) {
            match self.judge.rule(&asked, told)? {
                Ruling::Met(Some(acceptance)) => self.offices.remember(&asked, &acceptance),
                Ruling::Met(None) => {}
                Ruling::AskAgain => self.offices.repeat(asked, self.steps.now()),
            }
        }
        if is_stormy {
            let registry = self.judge.auditor().registry();
            self.offices.wish(registry, self.clock.now(), self.steps.now());
        }
        if let Some(process) = &mut self.running {
            let (room, history) = (process.writer.room(), &mut self.judge.history);
            for question in self.offices.ask(history, (room, None), self.steps.now(), self.steps.elapsed()) {
                process.writer.accept(question);
            }
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), Violation> {
        let log_options = Options {
            segment_bytes: SEGMENT_BYTES,
            flush_by: FlushBy::Caller,
            ..Options::on_disk(self.disk.mount(), InstanceId(7))
        };
        let log = match EmbeddedLog::open(log_options) {
            Ok(log) => log,
            Err(error) => return self.could_not_start(&error.to_string()),
        };
        let handle = log.handle();
        let home = self.home.clone();
        let opener: StoreOpener = Box::new(move |identity| Store::open(Box::new(home.clone()), identity));
        let around = Surroundings {
            clock: Arc::new(self.clock.clone()),
            timer: Arc::new(self.steps.clone()),
            random: Box::new(self.random.fork()),
            pins: Arc::new(KeyedPins::new(1, PIN_KEY)),
            saves_in_thread: false,
        };
        let source = Arc::new(handle.clone());
        let options = WriterOptions { command_ids_dir: self.ids.path(), ..options(0, true) };
        let writer = match Writer::open(options, around, Box::new(log), source, Some(opener)) {
            Ok(writer) => writer.with_mutant(self.mutant),
            Err(failure) => return self.could_not_start(&failure.to_string()),
        };
        let stats = writer.stats();
        if let Some(why) = stats.saved_state_discarded {
            return Err(Violation::new("R1", stats.lsn, format!("saved state was not usable: {why}")));
        }
        self.report.count(if stats.saved_lsn > Lsn::ZERO {
            "restart_from_saved_state"
        } else {
            "restart_from_log"
        });
        // What was answered before the crash must be there after it (W1).
        self.judge.begin_again(&handle)?;
        self.running = Some(Process { writer: Box::new(writer), log: handle });
        Ok(())
    }

    /// Fine as long as a fault was ordered; else the next step says so again, until time is up.
    fn could_not_start(&mut self, why: &str) -> Result<(), Violation> {
        self.report.count("start_failed");
        why.clone_into(&mut self.last_failure);
        self.end(why)
    }

    /// The process ends; what it held in memory is gone.
    fn end(&mut self, why: &str) -> Result<(), Violation> {
        if why.contains("disk is full") || why.contains("no space left") {
            self.report.count("disk_full");
        }
        if self.running.take().is_some() {
            self.report.count("process_ended");
        }
        if !self.disk.has_crashed() {
            self.disk.crash(Crash::Kill);
        }
        self.disk.set_capacity_bytes(u64::MAX);
        self.home.crash(self.random.next());
        if self.ids.crash(&mut self.random)? {
            self.report.count("crash_with_saved_ids");
        }
        Ok(())
    }

    fn has_store(&self) -> bool {
        let process = self.running.as_ref();
        process.is_some_and(|process| process.writer.follower().registry.head().lsn > Lsn::ZERO)
    }

    fn stir_faults(&mut self) -> Result<(), Violation> {
        let operations = 1 + self.random.below(12);
        match self.random.below(300) {
            0..=5 => self.disk.crash_after(operations, Crash::PowerCut),
            6..=9 => self.disk.crash_after(operations, Crash::Kill),
            10..=12 => self.disk.fail_sync_after(operations),
            13 | 14 => self.disk.set_capacity_bytes(self.disk.used_bytes() + self.random.below(2_000)),
            15 if self.has_store() => self.home.fail_after(self.random.below(60)),
            16 | 17 => {
                self.disk.crash(Crash::PowerCut);
                self.end("the power is cut")?;
            }
            18 => self.clock.step(-MINUTE_US * self.random.below(3_000) as i64),
            _ => {}
        }
        Ok(())
    }

    fn finding(&self, violation: Violation) -> Finding {
        Finding { seed: self.report.seed, step: self.steps.now(), violation }
    }

    fn finish(mut self) -> Report {
        for (fault, count) in self.disk.fault_counts() {
            self.report.add(fault, count);
        }
        if let Some(process) = &self.running {
            self.report.add("checkpoint", process.writer.stats().checkpoints);
        }
        for (what, count) in &self.offices.counts {
            self.report.add(what, *count);
        }
        self.report.recorded = std::mem::take(&mut self.offices.recorded);
        self.report.lsn = self.judge.auditor().registry().head().lsn;
        self.report.accepted = self.judge.accepted;
        self.report.refused = self.judge.refused;
        self.report.answers = self.judge.answers;
        self.report.steps = self.steps.now();
        self.report
    }
}
