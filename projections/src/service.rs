//! The live view: a thread that drives the projector, and the handle that readers share.

use crate::checksum::{Checksum, checksum};
use crate::fresh::Bounds;
use crate::generations::{Generations, Scratch};
use crate::options::Options;
use crate::projector::{Projector, ProjectorError};
use crate::rebuild::{RebuildError, RebuildProgress, RebuildReport, Watch, bring_to, compare, fold_all};
use crate::view::View;
use event_log::LogSource;
use event_schemas::ids::{LogId, Lsn, Position};
use event_schemas::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use state_store::engine::EngineKind;
use state_store::store::StoreError;
use state_store::tables::SealedCheckpoint;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long the projector waits for something new before it looks at requests.
const IDLE_WAIT: Duration = Duration::from_millis(50);

/// Requests that wait for the projector's turn (O1).
const MAX_REQUESTS: usize = 8;

/// Unsaved changes may grow to this many times [`Options::checkpoint_bytes`] while a checkpoint is being written; then
/// the projector waits for it (O1).
const MAX_UNSAVED_FACTOR: usize = 4;

/// Longest wait for a token.
pub const MAX_WAIT: Duration = Duration::from_secs(30);

/// How far the view is, and how far behind. Never says "up to date" when it is not (R5).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    pub log_id: LogId,
    /// Every answer reflects the log up to here.
    pub lsn: Lsn,
    /// Recorded time of the entry at `lsn`.
    pub recorded_at: Timestamp,
    /// Durable entries, dropped ones included, that the view does not show yet.
    pub entries_behind: u64,
    /// Seconds since the view last showed everything durable.
    pub seconds_behind: u64,
    /// Why the projector stopped, if it did: the view goes no further.
    pub stopped: Option<String>,
    /// The rebuild that is under way beside it, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuild: Option<RebuildProgress>,
}

/// Why a view does not show what a caller waits for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WaitError {
    #[error("the token is of log {asked}, this view shows log {shown}")]
    OtherLog { asked: LogId, shown: LogId },
    #[error("the view is at lsn {at}; lsn {wanted} did not come in time")]
    TimedOut { at: Lsn, wanted: Lsn },
    #[error("the view stopped at lsn {at}, before lsn {wanted}")]
    Stopped { at: Lsn, wanted: Lsn },
}

/// What readers share: the view in use, how far it is, and the log behind it. Cheap to clone.
#[derive(Clone)]
pub struct Views {
    shared: Arc<Shared>,
}

struct Shared {
    current: RwLock<Arc<View>>,
    progress: watch::Sender<Progress>,
    requests: SyncSender<Request>,
    source: Arc<dyn LogSource>,
    generations: Mutex<Generations>,
    log_id: LogId,
    ids_at_once: u32,
    until: Lsn,
    watch: Watch,
}

/// What waits for the projector to rest between two steps.
enum Request {
    Checksum(SyncSender<Result<Checksum, StoreError>>),
    Adopt(Box<Adoption>),
}

struct Adoption {
    rebuilt: Projector,
    generation: u32,
    scratch: Scratch,
    /// Put the fresh fold in place even if it differs from the live view.
    accept_difference: bool,
    reply: SyncSender<Result<RebuildReport, RebuildError>>,
}

/// The running projector. Dropping it leaves the thread running until the process ends; [`ViewService::stop`] ends it.
pub struct ViewService {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl Views {
    /// Opens the view in `options.dir`, goes on where it was saved, and follows `source`.
    pub fn start(
        options: Options,
        log_id: LogId,
        source: Arc<dyn LogSource>,
    ) -> Result<(Self, ViewService), ProjectorError> {
        let (generations, view, discarded) =
            Generations::open(&options.dir, options.engine, log_id, source.instance())?;
        if let Some(reason) = discarded {
            tracing::warn!(%reason, "the view is folded anew from the log");
        }
        let projector = Projector::open(view, &*source)?;
        let (requests, waiting) = sync_channel(MAX_REQUESTS);
        let progress = progress_of(&projector, log_id, source.end(), None, None);
        let shared = Arc::new(Shared {
            current: RwLock::new(Arc::clone(projector.view())),
            progress: watch::Sender::new(progress),
            requests,
            source,
            generations: Mutex::new(generations),
            log_id,
            ids_at_once: options.ids_at_once.max(1),
            until: options.until,
            watch: Watch::default(),
        });
        let driver = Driver {
            shared: Arc::clone(&shared),
            options,
            projector,
            stopped: None,
            saving: None,
            saved_at: Instant::now(),
            behind_since: Some(Instant::now()),
        };
        let thread = std::thread::Builder::new().name("projector".into()).spawn(move || driver.run(&waiting));
        let thread = thread.map_err(StoreError::Io)?;
        Ok((Self { shared: Arc::clone(&shared) }, ViewService { shared, thread }))
    }

    /// The view in use. Take it anew for every answer.
    pub fn current(&self) -> Arc<View> {
        Arc::clone(&self.shared.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The log behind the view.
    pub fn source(&self) -> &Arc<dyn LogSource> {
        &self.shared.source
    }

    /// The log that is shown.
    pub fn log_id(&self) -> LogId {
        self.shared.log_id
    }

    /// How far the view is.
    pub fn progress(&self) -> Progress {
        let rebuild = self.shared.watch.progress();
        Progress { rebuild, ..self.shared.progress.borrow().clone() }
    }

    /// Waits until the view shows `wanted`, at most `timeout` and [`MAX_WAIT`].
    pub async fn wait_for(&self, log_id: LogId, wanted: Lsn, timeout: Duration) -> Result<(), WaitError> {
        if log_id != self.shared.log_id {
            return Err(WaitError::OtherLog { asked: log_id, shown: self.shared.log_id });
        }
        let mut progress = self.shared.progress.subscribe();
        let reached = progress.wait_for(|progress| progress.lsn >= wanted || progress.stopped.is_some());
        let outcome = tokio::time::timeout(timeout.min(MAX_WAIT), reached).await;
        let timed_out = outcome.is_err();
        drop(outcome);
        let progress = self.progress();
        let at = progress.lsn;
        if at >= wanted {
            return Ok(());
        }
        match timed_out {
            true => Err(WaitError::TimedOut { at, wanted }),
            false => Err(WaitError::Stopped { at, wanted }),
        }
    }

    /// Waits until the view shows more than `lsn`; false if it goes no further.
    pub async fn wait_beyond(&self, lsn: Lsn) -> bool {
        let mut progress = self.shared.progress.subscribe();
        let moved = progress.wait_for(|progress| progress.lsn > lsn || progress.stopped.is_some()).await;
        moved.is_ok_and(|progress| progress.lsn > lsn)
    }

    /// Sums over the whole view at one lsn. Blocks; the projector rests meanwhile, readers do not.
    pub fn checksum(&self) -> Result<Checksum, RebuildError> {
        let (reply, answer) = sync_channel(1);
        self.shared.requests.send(Request::Checksum(reply)).map_err(|_| RebuildError::Stopping)?;
        Ok(answer.recv().map_err(|_| RebuildError::Stopping)??)
    }

    /// Folds the log anew beside the live view, compares, and puts the fresh fold in its place. Blocks; reading goes
    /// on. A fold that differs is only put in place if that is accepted, or if the live projector had stopped.
    pub fn rebuild(&self, accept_difference: bool) -> Result<RebuildReport, RebuildError> {
        let kind = self.shared.generations().engine();
        self.rebuild_with(kind, accept_difference)
    }

    /// The same, the fresh views kept by `kind`: how views go from one engine to another.
    pub fn rebuild_with(
        &self,
        kind: EngineKind,
        accept_difference: bool,
    ) -> Result<RebuildReport, RebuildError> {
        let _under_way = self.shared.watch.begin().ok_or(RebuildError::UnderWay)?;
        let (generation, rebuilt, scratch) = self.shared.fold_beside(kind)?;
        let (reply, answer) = sync_channel(1);
        let adoption = Adoption { rebuilt, generation, scratch, accept_difference, reply };
        let sent = self.shared.requests.send(Request::Adopt(Box::new(adoption)));
        sent.map_err(|_| RebuildError::Stopping)?;
        answer.recv().map_err(|_| RebuildError::Stopping)?
    }
}

impl ViewService {
    /// Saves what is shown and ends the thread.
    pub fn stop(self) {
        self.shared.watch.stop();
        if self.thread.join().is_err() {
            tracing::error!("the projector's thread had panicked");
        }
    }
}

impl Shared {
    /// A fresh fold of the whole log. If the service stops meanwhile, its directories stay, and the next fold goes on with them.
    fn fold_beside(&self, kind: EngineKind) -> Result<(u32, Projector, Scratch), RebuildError> {
        let (generation, view, scratch) = self.generations().begin(kind)?;
        let bounds = Bounds { ids_a_pass: self.ids_at_once, until: self.until, ..Bounds::default() };
        match fold_all(view, &*self.source, scratch.path(), bounds, &self.watch) {
            Ok(rebuilt) => Ok((generation, rebuilt, scratch)),
            Err(RebuildError::Stopping) => Err(RebuildError::Stopping),
            Err(error) => {
                self.generations().remove(generation);
                Err(error)
            }
        }
    }

    fn generations(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Driver {
    shared: Arc<Shared>,
    options: Options,
    projector: Projector,
    stopped: Option<String>,
    saving: Option<JoinHandle<Result<(), StoreError>>>,
    saved_at: Instant,
    behind_since: Option<Instant>,
}

impl Driver {
    fn run(mut self, requests: &Receiver<Request>) {
        match self.fold_at_once() {
            Ok(()) | Err(RebuildError::Stopping) => {}
            // Step by step it comes as far as it can, and says where it stops.
            Err(error) => tracing::warn!(%error, "the views cannot be folded at once"),
        }
        while !self.shared.watch.is_stopping() {
            if self.stopped.is_some() || self.is_complete() {
                self.rest(requests);
                continue;
            }
            while let Ok(request) = requests.try_recv() {
                self.serve(request);
            }
            if let Err(error) = self.advance() {
                self.stop_at(&error);
            }
            self.report();
        }
        self.finish();
    }

    /// A view that has everything still before it.
    fn fold_at_once(&mut self) -> Result<(), RebuildError> {
        let behind = self.shared.source.end().0.saturating_sub(self.projector.next_position().0);
        if self.projector.lsn() > Lsn::ZERO || behind < self.options.at_once_from {
            return Ok(());
        }
        tracing::info!(entries = behind, "the views are folded from the whole log");
        let kind = self.shared.generations().engine();
        let (generation, rebuilt, scratch) = self.shared.fold_beside(kind)?;
        self.put_in_place(rebuilt, generation)?;
        scratch.remove();
        Ok(())
    }

    /// Whether it stands where it is to stay.
    fn is_complete(&self) -> bool {
        self.projector.lsn() >= self.options.until
    }

    /// Nothing more is folded; requests are served, a rebuild among them.
    fn rest(&mut self, requests: &Receiver<Request>) {
        match requests.recv_timeout(IDLE_WAIT) {
            Ok(request) => self.serve(request),
            Err(RecvTimeoutError::Timeout) => {}
            // Every handle is gone; `stopping` ends the loop.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(IDLE_WAIT),
        }
        self.report();
    }

    fn advance(&mut self) -> Result<(), ProjectorError> {
        let step = self.projector.step_until(self.options.step_entries, IDLE_WAIT, self.options.until)?;
        metrics::counter!("dancu_view_entries_total").increment(step.applied as u64);
        self.behind_since = match step.at_end {
            true => None,
            false => self.behind_since.or_else(|| Some(Instant::now())),
        };
        let unsaved = self.projector.view().tables().dirty_bytes();
        let finished = self.saving.as_ref().is_none_or(JoinHandle::is_finished);
        if finished || unsaved > self.options.checkpoint_bytes * MAX_UNSAVED_FACTOR {
            self.finish_saving()?;
        }
        let due = unsaved > self.options.checkpoint_bytes
            || (unsaved > 0 && self.saved_at.elapsed() > self.options.checkpoint_every);
        if due && self.saving.is_none() && self.projector.lsn() > Lsn::ZERO {
            let sealed = self.projector.seal()?;
            self.saving = Some(save_on_a_thread(Arc::clone(self.projector.view()), sealed)?);
            self.saved_at = Instant::now();
        }
        Ok(())
    }

    fn finish_saving(&mut self) -> Result<(), StoreError> {
        let Some(saving) = self.saving.take() else {
            return Ok(());
        };
        match saving.join() {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::Misuse("the thread that saved a checkpoint panicked".into())),
        }
    }

    fn stop_at(&mut self, error: &dyn std::fmt::Display) {
        tracing::error!(%error, "the projector stopped; the view goes no further");
        self.stopped = Some(error.to_string());
    }

    fn report(&self) {
        let end = self.shared.source.end();
        let stopped = self.stopped.clone();
        let progress = progress_of(&self.projector, self.shared.log_id, end, self.behind_since, stopped);
        metrics::gauge!("dancu_view_lsn").set(progress.lsn.0 as f64);
        metrics::gauge!("dancu_view_entries_behind").set(progress.entries_behind as f64);
        metrics::gauge!("dancu_view_seconds_behind").set(progress.seconds_behind as f64);
        metrics::gauge!("dancu_view_stopped").set(f64::from(u8::from(progress.stopped.is_some())));
        metrics::gauge!("dancu_view_unsaved_bytes").set(self.projector.view().tables().dirty_bytes() as f64);
        for (reason, count) in self.projector.drops().iter().filter(|(_, count)| *count > 0) {
            metrics::gauge!("dancu_view_dropped_entries", "reason" => reason.name()).set(count as f64);
        }
        self.shared.progress.send_if_modified(|shown| {
            let changed = *shown != progress;
            *shown = progress;
            changed
        });
    }

    fn serve(&mut self, request: Request) {
        match request {
            Request::Checksum(reply) => {
                let moved = || StoreError::Misuse("the view moved while it was summed".into());
                let sums = checksum(self.projector.view()).and_then(|sums| sums.ok_or_else(moved));
                // Whoever asked may have gone.
                let _ = reply.try_send(sums);
            }
            Request::Adopt(adoption) => {
                let Adoption { rebuilt, generation, scratch, accept_difference, reply } = *adoption;
                rebuilt.view().remove_when_unused();
                let report = self.adopt(rebuilt, generation, accept_difference);
                scratch.remove();
                let _ = reply.try_send(report);
            }
        }
    }

    fn adopt(
        &mut self,
        mut rebuilt: Projector,
        generation: u32,
        accept_difference: bool,
    ) -> Result<RebuildReport, RebuildError> {
        if self.stopped.is_none()
            && let Err(error) = bring_to(&mut self.projector, rebuilt.lsn())
        {
            self.stop_at(&error);
        }
        bring_to(&mut rebuilt, self.projector.lsn())?;
        let mut report = compare(&self.projector, &rebuilt)?;
        let equal = report.live.is_some() && report.difference.is_none();
        if !(equal || accept_difference || self.stopped.is_some()) {
            return Ok(report);
        }
        self.put_in_place(rebuilt, generation)?;
        report.switched = true;
        Ok(report)
    }

    /// From now on `rebuilt` is the view that is kept and read.
    fn put_in_place(&mut self, rebuilt: Projector, generation: u32) -> Result<(), RebuildError> {
        rebuilt.checkpoint()?;
        if let Err(error) = self.finish_saving() {
            tracing::warn!(%error, "the replaced view could not be saved");
        }
        let switched = self.shared.generations().switch(generation);
        switched.map_err(|error| RebuildError::Switch(error.to_string()))?;
        let replaced = std::mem::replace(&mut self.projector, rebuilt);
        replaced.view().remove_when_unused();
        self.projector.view().keep();
        *self.shared.current.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::clone(self.projector.view());
        self.stopped = None;
        Ok(())
    }

    fn finish(mut self) {
        let saved = match self.finish_saving() {
            Ok(()) if self.stopped.is_none() => self.projector.checkpoint(),
            Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        };
        if let Err(error) = saved {
            tracing::error!(%error, "the view could not be saved; the next start folds a little more");
        }
    }
}

fn save_on_a_thread(
    view: Arc<View>,
    sealed: SealedCheckpoint,
) -> Result<JoinHandle<Result<(), StoreError>>, StoreError> {
    let builder = std::thread::Builder::new().name("view checkpoint".into());
    let saving = builder.spawn(move || {
        let stats = view.tables().save(sealed)?;
        tracing::debug!(changes = stats.changes, bytes = stats.bytes, "the view was saved");
        Ok(())
    });
    saving.map_err(StoreError::Io)
}

fn progress_of(
    projector: &Projector,
    log_id: LogId,
    end: Position,
    behind_since: Option<Instant>,
    stopped: Option<String>,
) -> Progress {
    let entries_behind = end.0.saturating_sub(projector.next_position().0);
    let seconds = behind_since.map_or(0, |since| since.elapsed().as_secs());
    Progress {
        log_id,
        lsn: projector.lsn(),
        recorded_at: projector.recorded_at(),
        entries_behind,
        seconds_behind: if entries_behind == 0 { 0 } else { seconds },
        stopped,
        rebuild: None,
    }
}
