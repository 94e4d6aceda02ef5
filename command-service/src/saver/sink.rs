//! Where jobs of the saver are done: by a thread of their own, or in place where a simulation drives.

use super::SavedRow;
use crate::writer::Timer;
use event_schemas::ids::{InstanceId, Lsn};
use state_store::id_index::{Merge, SealedIds, WrittenIds};
use state_store::restart::RestartPoint;
use state_store::store::{Store, StoreError};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Entries merged between two looks at whether the thread shall end.
const MERGE_ENTRIES: usize = 1 << 20;

/// What waits for a disk. One at a time.
pub(super) enum Job {
    Ids(SealedIds),
    Checkpoint(Checkpoint),
    Merge(Box<Merge>),
}

/// All of one checkpoint.
pub(super) struct Checkpoint {
    pub restart: RestartPoint,
    pub rows: Vec<SavedRow>,
}

/// A job's outcome.
pub(super) enum Done {
    Ids(Result<WrittenIds, StoreError>),
    Checkpoint {
        lsn: Lsn,
        outcome: Result<Duration, StoreError>,
    },
    Merge(Result<Box<Merge>, StoreError>),
    /// The thread has ended by itself and says why; no job is done any more.
    ThreadEnded(String),
}

/// Does one job after the other.
pub(super) enum Sink {
    InPlace { worker: Worker, done: Option<Done> },
    Thread(SinkThread),
}

pub(super) struct Worker {
    store: Arc<Store>,
    timer: Arc<dyn Timer>,
}

pub(super) struct SinkThread {
    store: Arc<Store>,
    /// `None` once the thread was told to end.
    jobs: Option<SyncSender<Job>>,
    done: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
    is_busy: bool,
}

impl Sink {
    pub fn new(store: Arc<Store>, timer: Arc<dyn Timer>, in_thread: bool) -> Self {
        let worker = Worker { store: Arc::clone(&store), timer: Arc::clone(&timer) };
        if !in_thread {
            return Self::InPlace { worker, done: None };
        }
        let (jobs, incoming) = sync_channel::<Job>(1);
        let (outgoing, done) = sync_channel(1);
        let work = move || {
            for job in incoming {
                if outgoing.send(worker.run(job)).is_err() {
                    return;
                }
            }
        };
        match std::thread::Builder::new().name("registry-saver".to_owned()).spawn(work) {
            Ok(thread) => Self::Thread(SinkThread {
                store,
                jobs: Some(jobs),
                done,
                thread: Some(thread),
                is_busy: false,
            }),
            Err(error) => {
                tracing::warn!(%error, "no thread for saving: the writer saves in place");
                Self::InPlace { worker: Worker { store, timer }, done: None }
            }
        }
    }

    /// The copy of the log that the store belongs to.
    pub fn instance(&self) -> InstanceId {
        match self {
            Self::InPlace { worker, .. } => worker.store.identity().instance,
            Self::Thread(thread) => thread.store.identity().instance,
        }
    }

    /// Whether a job is not done, or its outcome was not taken.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::InPlace { done, .. } => done.is_some(),
            Self::Thread(thread) => thread.is_busy,
        }
    }

    /// Begins a job; none is under way. If the thread has ended, the next outcome says so.
    pub fn start(&mut self, job: Job) {
        debug_assert!(!self.is_busy(), "one job at a time");
        match self {
            Self::InPlace { worker, done } => *done = Some(worker.run(job)),
            Self::Thread(thread) => {
                let jobs = thread.jobs.as_ref().expect("only dropping ends the thread");
                match jobs.try_send(job) {
                    Ok(()) | Err(TrySendError::Disconnected(_)) => thread.is_busy = true,
                    Err(TrySendError::Full(_)) => unreachable!("one job at a time"),
                }
            }
        }
    }

    /// A job's outcome, if it is done.
    pub fn poll(&mut self) -> Option<Done> {
        match self {
            Self::InPlace { done, .. } => done.take(),
            Self::Thread(thread) => {
                let done = match thread.done.try_recv() {
                    Ok(done) => done,
                    Err(TryRecvError::Empty) => return None,
                    Err(TryRecvError::Disconnected) => thread.ended(),
                };
                thread.is_busy = false;
                Some(done)
            }
        }
    }

    /// The outcome of the job under way, once it is done; `None` if there is none.
    pub fn wait(&mut self) -> Option<Done> {
        match self {
            Self::Thread(thread) if thread.is_busy => {
                thread.is_busy = false;
                Some(thread.done.recv().unwrap_or_else(|_| thread.ended()))
            }
            other => other.poll(),
        }
    }
}

impl SinkThread {
    /// Why the thread, which has let go of its channel, has ended.
    fn ended(&mut self) -> Done {
        let cause = match self.thread.take().map(JoinHandle::join) {
            Some(Err(panic)) => panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "it panicked".to_owned()),
            Some(Ok(())) | None => "it has ended before".to_owned(),
        };
        Done::ThreadEnded(cause)
    }
}

impl Drop for SinkThread {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // Its panic was reported where it happened.
            let _ = thread.join();
        }
    }
}

impl Worker {
    fn run(&self, job: Job) -> Done {
        match job {
            Job::Ids(sealed) => Done::Ids(sealed.write()),
            Job::Checkpoint(checkpoint) => {
                Done::Checkpoint { lsn: checkpoint.restart.oldest_lsn, outcome: self.write(&checkpoint) }
            }
            Job::Merge(mut merge) => loop {
                match merge.step(MERGE_ENTRIES) {
                    Ok(true) => return Done::Merge(Ok(merge)),
                    Ok(false) => {}
                    Err(error) => return Done::Merge(Err(error)),
                }
            },
        }
    }

    fn write(&self, checkpoint: &Checkpoint) -> Result<Duration, StoreError> {
        let begun = self.timer.elapsed();
        self.store.checkpoint(&checkpoint.restart, |writer| {
            for (table, key, value) in &checkpoint.rows {
                writer.put(*table, key, value)?;
            }
            Ok(())
        })?;
        Ok(self.timer.elapsed().saturating_sub(begun))
    }
}
