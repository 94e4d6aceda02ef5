//! The running service: one thread drives the writer; a cheap handle submits to it.
//!
//! Callers meet the thread in a bounded inbox: one lock and at most one wake-up for a whole batch, and one wake-up for all its
//! answers, so the price of a command is its decision and not the traffic between threads.

use crate::clock::Clock;
use crate::gateway::{
    CommandGateway, CommandStatus, MAX_BATCH_COMMANDS, Role, Stats, SubmitError, Submitter, Told,
};
use crate::saver::StoreOpener;
use crate::writer::{Failure, RandomSource, Request, Surroundings, Timer, Waiting, Writer, WriterOptions};
use async_trait::async_trait;
use domain::PinIssuer;
use event_log::{EventLog, LeaderHint, LogError, LogSource, Member, NodeGroup};
use event_schemas::CommandEnvelope;
use event_schemas::format;
use event_schemas::ids::{CommandId, OfficerId};
use event_schemas::text::Text;
use rand::TryRngCore;
use rand::rngs::OsRng;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Longest wait for an outcome before the inbox is looked at again.
const OUTCOME_WAIT: Duration = Duration::from_micros(500);
/// Longest rest when there is nothing to do: days are opened and checkpoints begun in between.
const IDLE_WAIT: Duration = Duration::from_millis(20);
/// Age of statistics.
const STATS_EVERY: Duration = Duration::from_millis(500);
/// Advice to callers when the queue is full.
const RETRY_AFTER_S: u32 = 1;

/// How the service runs.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub writer: WriterOptions,
    /// At its end the service gives up on groups in flight after so long; zero means ten seconds.
    pub drain_within: Duration,
}

/// What the service stands on.
pub struct Parts {
    pub log: Box<dyn EventLog>,
    pub source: Arc<dyn LogSource>,
    pub clock: Arc<dyn Clock>,
    pub pins: Arc<dyn PinIssuer + Send + Sync>,
    /// Without a store every start reads the whole log.
    pub store: Option<StoreOpener>,
    /// The group of nodes that may lead, if there are several.
    pub hint: Option<Box<dyn LeaderHint>>,
}

/// Submits commands to the running service. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

/// The running service. Dropping it ends the service as [`Self::stop`] does.
pub struct CommandService {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), Failure>>>,
}

struct Shared {
    inbox: Mutex<Inbox>,
    arrived: Condvar,
    stats: Mutex<Arc<Stats>>,
    overloaded: AtomicU64,
    queue_limit: usize,
    timer: Arc<dyn Timer>,
    /// The nodes that may lead, if there are several.
    group: Option<Arc<dyn NodeGroup>>,
}

#[derive(Default)]
struct Inbox {
    requests: Vec<Waiting>,
    consent: Option<(OfficerId, Text<200>)>,
    /// A format that an operator wants to be in force.
    activation: Option<(u16, OfficerId)>,
    /// An operator wants this node to lead.
    shall_take_over: bool,
    /// Requests that the writer holds and has not decided.
    held: usize,
    is_stopping: bool,
    /// Nobody reads the inbox any more.
    is_closed: Option<SubmitError>,
    is_asleep: bool,
}

impl CommandService {
    /// Restores the registry and starts the thread. Restoring reads saved state and may take seconds; reading what the log holds
    /// beyond it goes on in the thread, with [`Role::Restoring`].
    pub fn open(options: Options, parts: Parts) -> Result<(Handle, Self), Failure> {
        let timer: Arc<dyn Timer> = Arc::new(InstantTimer(Instant::now()));
        let around = Surroundings {
            clock: parts.clock,
            timer: Arc::clone(&timer),
            random: Box::new(SystemRandom),
            pins: parts.pins,
            saves_in_thread: true,
        };
        let queue_limit = options.writer.max_waiting;
        let drain_within =
            if options.drain_within.is_zero() { Duration::from_secs(10) } else { options.drain_within };
        let writer = Writer::open(options.writer, around, parts.log, parts.source, parts.store)?;
        let shared = Arc::new(Shared {
            inbox: Mutex::default(),
            arrived: Condvar::new(),
            stats: Mutex::new(Arc::new(writer.stats())),
            overloaded: AtomicU64::new(0),
            queue_limit,
            timer,
            group: parts.hint.as_ref().map(|hint| hint.group()),
        });
        let hint = parts.hint;
        let driver = Driver { writer, shared: Arc::clone(&shared), drain_within, hint };
        let thread = std::thread::Builder::new()
            .name("command-writer".to_owned())
            .spawn(move || driver.run())
            .map_err(|error| {
                Failure::Log(event_log::LogError::Io {
                    action: "starting the writer's thread".to_owned(),
                    cause: error.to_string(),
                })
            })?;
        Ok((Handle { shared: Arc::clone(&shared) }, Self { shared, thread: Some(thread) }))
    }

    /// Takes no more commands, answers everything that was accepted, saves, and lets go of the log.
    pub fn stop(mut self) -> Result<(), Failure> {
        self.stop_thread()
    }

    /// Whether the thread has ended, in order or by a failure.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn stop_thread(&mut self) -> Result<(), Failure> {
        self.shared.inbox().is_stopping = true;
        self.shared.arrived.notify_all();
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(outcome)) => outcome,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => Ok(()),
        }
    }
}

impl Drop for CommandService {
    fn drop(&mut self) {
        if self.thread.is_some() && !std::thread::panicking() {
            if let Err(failure) = self.stop_thread() {
                tracing::error!(%failure, "the command service ended with a failure");
            }
        }
    }
}

impl Shared {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().expect("nothing that can panic runs while the inbox is held")
    }

    /// Puts requests into the inbox, all or none; gives them back if they were not taken.
    fn put(&self, requests: Vec<Waiting>) -> Result<(), (SubmitError, Vec<Waiting>)> {
        let mut inbox = self.inbox();
        if let Some(error) = &inbox.is_closed {
            return Err((error.clone(), requests));
        }
        if inbox.is_stopping {
            return Err((SubmitError::Stopping, requests));
        }
        if inbox.requests.len() + inbox.held + requests.len() > self.queue_limit {
            drop(inbox);
            self.overloaded.fetch_add(requests.len() as u64, Ordering::Relaxed);
            return Err((SubmitError::Overloaded { retry_after_s: RETRY_AFTER_S }, requests));
        }
        inbox.requests.extend(requests);
        let is_asleep = inbox.is_asleep;
        drop(inbox);
        if is_asleep {
            self.arrived.notify_one();
        }
        Ok(())
    }

    fn submit_or_refuse(&self, requests: Vec<Waiting>) {
        if let Err((error, requests)) = self.put(requests) {
            for request in requests {
                request.refuse(error.clone());
            }
        }
    }
}

impl Handle {
    /// An operator accepts a clock that leads the last record by more than can be explained.
    pub fn consent_to_clock(&self, officer: OfficerId, reason: Text<200>) {
        self.shared.inbox().consent = Some((officer, reason));
        self.shared.arrived.notify_one();
    }
}

#[async_trait]
impl CommandGateway for Handle {
    async fn submit_telling(&self, submitter: Submitter, envelopes: Vec<CommandEnvelope>) -> Vec<Told> {
        let count = envelopes.len();
        if count > MAX_BATCH_COMMANDS {
            return vec![Err(SubmitError::BatchTooLong).into(); count];
        }
        if count == 0 {
            return Vec::new();
        }
        let (batch, receiver) = Batch::new(count);
        let arrived = self.shared.timer.elapsed();
        let requests = envelopes
            .into_iter()
            .enumerate()
            .map(|(place, envelope)| {
                let batch = Arc::clone(&batch);
                let reply = Box::new(move |told| batch.answer(place, told));
                let request = Request::Command { envelope: Box::new(envelope), reply };
                Waiting::new(submitter, request, arrived)
            })
            .collect();
        drop(batch);
        self.shared.submit_or_refuse(requests);
        receiver.await.unwrap_or_else(|_| vec![Err(SubmitError::Unresolved).into(); count])
    }

    async fn status_of(
        &self,
        submitter: Submitter,
        command_id: CommandId,
    ) -> Result<CommandStatus, SubmitError> {
        let (sender, receiver) = oneshot::channel();
        let reply = Box::new(move |answer| {
            let _ = sender.send(answer);
        });
        let request = Request::Status { command_id, reply };
        self.shared.submit_or_refuse(vec![Waiting::new(submitter, request, self.shared.timer.elapsed())]);
        receiver.await.unwrap_or(Err(SubmitError::Unresolved))
    }

    fn stats(&self) -> Arc<Stats> {
        let guard = self.shared.stats.lock();
        Arc::clone(&guard.expect("nothing that can panic runs while the statistics are held"))
    }

    fn take_over(&self) {
        self.shared.inbox().shall_take_over = true;
        self.shared.arrived.notify_one();
    }

    fn activate(&self, format: u16, officer: OfficerId) {
        self.shared.inbox().activation = Some((format, officer));
        self.shared.arrived.notify_one();
    }

    fn members(&self) -> Result<Vec<Member>, LogError> {
        match &self.shared.group {
            Some(group) => group.members(),
            None => Ok(vec![Member { name: self.stats().node.clone(), format: format::NEWEST }]),
        }
    }
}

/// Answers of one batch, sent once the last is in, or once nobody is left to give one.
struct Batch {
    answers: Mutex<Vec<Told>>,
    left: AtomicUsize,
    sender: Mutex<Option<oneshot::Sender<Vec<Told>>>>,
}

impl Batch {
    fn new(count: usize) -> (Arc<Self>, oneshot::Receiver<Vec<Told>>) {
        let (sender, receiver) = oneshot::channel();
        let batch = Self {
            answers: Mutex::new(vec![Err(SubmitError::Unresolved).into(); count]),
            left: AtomicUsize::new(count),
            sender: Mutex::new(Some(sender)),
        };
        (Arc::new(batch), receiver)
    }

    fn answer(&self, place: usize, told: Told) {
        self.answers.lock().expect("nothing panics while it is held")[place] = told;
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.send();
        }
    }

    fn send(&self) {
        let sender = self.sender.lock().expect("nothing panics while it is held").take();
        if let Some(sender) = sender {
            let answers = std::mem::take(&mut *self.answers.lock().expect("nothing panics while it is held"));
            // The caller may have gone; the records stand all the same.
            let _ = sender.send(answers);
        }
    }
}

impl Drop for Batch {
    /// The writer is gone: what was answered is still told, the rest is unresolved.
    fn drop(&mut self) {
        self.send();
    }
}

/// Drives the writer from its thread.
struct Driver {
    writer: Writer,
    shared: Arc<Shared>,
    drain_within: Duration,
    hint: Option<Box<dyn LeaderHint>>,
}

impl Driver {
    fn run(mut self) -> Result<(), Failure> {
        let mut outcome = self.serve();
        // Another node need not wait until this one has saved.
        if let Some(hint) = self.hint.take() {
            hint.leave();
        }
        let (role, error, text) = match &outcome {
            Ok(()) => (Role::Stopped, SubmitError::Stopping, None),
            Err(failure) => {
                tracing::error!(%failure, "the writer ends; start the process anew");
                (Role::Failed, SubmitError::Failed(failure.to_string()), Some(failure.to_string()))
            }
        };
        let left = {
            let mut inbox = self.shared.inbox();
            inbox.is_closed = Some(error.clone());
            std::mem::take(&mut inbox.requests)
        };
        for request in left {
            request.refuse(error.clone());
        }
        if outcome.is_ok() {
            self.writer.save_all();
            outcome = self.writer.check_saver();
        }
        let mut stats = self.writer.stats();
        if matches!(&outcome, Err(failure) if failure.is_violation()) {
            stats.violations += 1;
        }
        self.publish(Stats { role, failure: text.or(stats.failure.take()), ..stats });
        outcome?;
        Ok(self.writer.close()?)
    }

    fn serve(&mut self) -> Result<(), Failure> {
        let mut told_at = Duration::ZERO;
        let mut told = None;
        loop {
            if self.take_requests() {
                return self.drain();
            }
            self.heed_hint();
            let wait = if self.writer.awaits_log() { OUTCOME_WAIT } else { Duration::ZERO };
            let wait = if self.writer.has_work() { Duration::ZERO } else { wait };
            self.writer.step(wait)?;
            let now = self.shared.timer.elapsed();
            let standing = Some((self.writer.role(), self.writer.follower().admission().state().term));
            if now.saturating_sub(told_at) >= STATS_EVERY || standing != told {
                (told_at, told) = (now, standing);
                self.publish(self.writer.stats());
            }
        }
    }

    /// Passes on what the group of nodes says.
    fn heed_hint(&mut self) {
        let Some(hint) = &self.hint else { return };
        hint.watch(!self.writer.is_leading());
        self.writer.take_hint(hint.hint());
    }

    /// Moves what has arrived to the writer; rests if there is nothing to do. True: the service shall end.
    fn take_requests(&mut self) -> bool {
        let may_rest = !self.writer.awaits_log() && !self.writer.has_work() && self.writer.has_caught_up();
        let mut inbox = self.shared.inbox();
        if may_rest && inbox.requests.is_empty() && !inbox.is_stopping {
            inbox.is_asleep = true;
            let rested = self.shared.arrived.wait_timeout(inbox, IDLE_WAIT);
            inbox = rested.expect("nothing that can panic runs while the inbox is held").0;
            inbox.is_asleep = false;
        }
        let requests = std::mem::take(&mut inbox.requests);
        let consent = inbox.consent.take();
        let activation = inbox.activation.take();
        let shall_take_over = std::mem::take(&mut inbox.shall_take_over);
        let is_stopping = inbox.is_stopping;
        drop(inbox);
        for request in requests {
            self.writer.accept(request);
        }
        if let Some((officer, reason)) = consent {
            self.writer.consent_to_clock(officer, reason);
        }
        if let Some((format, officer)) = activation {
            self.writer.activate(format, officer);
        }
        if shall_take_over {
            self.writer.ask_to_lead();
        }
        self.shared.inbox().held = self.writer.waiting_len();
        is_stopping
    }

    /// Answers what was accepted, bounded in time.
    fn drain(&mut self) -> Result<(), Failure> {
        let until = self.shared.timer.elapsed() + self.drain_within;
        while !self.writer.is_idle() && self.shared.timer.elapsed() < until {
            self.writer.step(OUTCOME_WAIT)?;
        }
        self.writer.refuse_waiting();
        Ok(())
    }

    fn publish(&self, mut stats: Stats) {
        stats.overloaded = self.shared.overloaded.load(Ordering::Relaxed);
        stats.queued_commands += self.shared.inbox().requests.len() as u64;
        *self.shared.stats.lock().expect("nothing that can panic runs while it is held") = Arc::new(stats);
    }
}

struct InstantTimer(Instant);

impl Timer for InstantTimer {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

struct SystemRandom;

impl RandomSource for SystemRandom {
    fn bits(&mut self) -> u128 {
        let mut bytes = [0; 16];
        OsRng.try_fill_bytes(&mut bytes).expect("the operating system gives random bytes once it runs");
        u128::from_le_bytes(bytes)
    }
}
