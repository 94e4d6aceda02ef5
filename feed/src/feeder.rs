//! From the log to the topic: reads admitted entries, and sends what the receiver sees of their events.

use crate::committed::each_fact;
use crate::message::{Message, Origin, source_of};
use crate::publishing::{Place, Publishing, partition_of};
use crate::receiver::{Definition, Receiver};
use crate::topic::{Topic, TopicError};
use event_log::{
    Admission, AdmissionState, LogError, LogReader, LogSource, MAX_GROUP_BYTES, MAX_GROUP_ENTRIES, RawEntry,
    Verdict,
};
use event_schemas::event::Event;
use event_schemas::header::{EntryHeader, EntryKind, seal_target};
use event_schemas::ids::{EventAddress, LogId, Lsn};
use event_schemas::record::{AdmittedEntry, EntryError};
use event_schemas::time::Timestamp;
use std::time::{Duration, Instant};

/// A partition that is behind by so many records gets a watermark: that many are read again at most after an end, and a little more.
const WATERMARK_LAG: u64 = 1_000;
/// At the log's end watermarks are written so often, if anything was recorded.
const WATERMARK_EVERY: Duration = Duration::from_secs(5);

/// Why a feed ends. Begun again, it goes on behind what the topic holds.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Topic(#[from] TopicError),
    #[error("the admitted entry at lsn {lsn} cannot be decoded: {cause}")]
    Undecodable { lsn: Lsn, cause: EntryError },
    #[error("the log gives no entry at lsn {lsn}, of which a later one speaks")]
    Missing { lsn: Lsn },
    #[error("the topic holds more than the log, which ends at lsn {end}: it is the feed of another log")]
    LogShorter { end: Lsn },
    #[error(
        "partition {partition} of the topic holds what another definition lets through ({}), not that of {receiver} ({own}). What was passed \
         over is not sent later: a receiver that shall see more gets a topic of its own. If this topic shall go on by the changed file, say \
         so once with --accept-changed-definition",
        found.map_or("none is stated".to_owned(), |found| found.to_string())
    )]
    OtherDefinition { partition: usize, found: Option<Definition>, receiver: String, own: Definition },
}

impl FeedError {
    /// Whether it may go on when it begins again: brokers or disks did not answer.
    pub fn may_heal(&self) -> bool {
        match self {
            Self::Log(error) => matches!(error, LogError::Io { .. }),
            Self::Topic(error) => error.may_heal(),
            _ => false,
        }
    }
}

/// What becomes of a topic whose messages were sent by another definition.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Changed {
    #[default]
    Refuse,
    /// The topic states from here on which definition holds.
    Accept,
}

/// The last message of a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Last {
    pub place: Place,
    /// `None`: it states none.
    pub definition: Option<Definition>,
}

/// How far a feed is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Fed {
    /// Everything up to this record was handed to the client.
    pub lsn: Lsn,
    /// When that was recorded.
    pub recorded_at: Timestamp,
    /// Messages sent since the start, watermarks included.
    pub sent: u64,
    /// Events that the topic held already.
    pub passed_over: u64,
    /// The log had nothing further.
    pub at_end: bool,
}

/// Where messages go: it holds of what was sent to a partition a beginning.
pub trait Target {
    /// The last message that each partition holds, of the feed of this source.
    fn last_messages(&self, source: &str) -> Result<Vec<Option<Last>>, TopicError>;

    /// Takes a message; it arrives later, or never, and then nothing behind it.
    fn send(&self, partition: usize, message: &Message) -> Result<(), TopicError>;

    /// Takes reports of what arrived; an error if something never will.
    fn serve(&self) -> Result<(), TopicError>;

    /// Waits until everything has arrived.
    fn finish(&self) -> Result<(), TopicError>;

    /// Messages that have not arrived yet.
    fn in_flight(&self) -> usize;
}

/// A feed under way.
pub struct Feeder<T = Topic> {
    receiver: Receiver,
    origin: Origin,
    reader: Box<dyn LogReader>,
    admission: Admission,
    topic: T,
    publishing: Publishing,
    fed: Fed,
    marked: (Lsn, Instant),
}

impl<T: Target> Feeder<T> {
    /// Goes on behind what the topic holds.
    ///
    /// # Errors
    /// If the topic holds something else than this log's feed, or that of another definition unless that is accepted.
    pub fn begin(
        log: &dyn LogSource,
        (log_id, end): (LogId, Lsn),
        topic: T,
        (receiver, changed): (Receiver, Changed),
    ) -> Result<Self, FeedError> {
        let origin = Origin { source: source_of(log_id), definition: receiver.definition };
        let lasts = topic.last_messages(&origin.source)?;
        let publishing = Publishing::resume(lasts.iter().map(|last| last.map(|last| last.place)).collect());
        let first = publishing.first_lsn();
        if first > end.next() {
            return Err(FeedError::LogShorter { end });
        }
        let state = state_before(log, first)?;
        let mut fed = Fed { lsn: state.last_lsn, recorded_at: state.recorded_at, ..Fed::default() };
        let (name, at) = (&receiver.name, state.recorded_at);
        fed.sent = settle_definition(&topic, &lasts, &origin, changed, (name, at))?;
        let reader = log.open_reader(state.next)?;
        let marked = (state.last_lsn, Instant::now());
        let admission = Admission::resume(state);
        Ok(Self { receiver, origin, reader, admission, topic, publishing, fed, marked })
    }

    /// Sends what can be read of the log now; waits up to `wait` if nothing can.
    pub fn step(&mut self, log: &dyn LogSource, wait: Duration) -> Result<Fed, FeedError> {
        let batch = self.reader.read(MAX_GROUP_ENTRIES, MAX_GROUP_BYTES, wait)?;
        for raw in &batch.entries {
            self.take(log, raw)?;
        }
        self.fed.at_end = batch.at_end;
        if batch.at_end && self.marked.1.elapsed() >= WATERMARK_EVERY {
            self.mark_all()?;
        }
        self.topic.serve()?;
        Ok(self.fed)
    }

    /// Entries of the log that are known of and not read.
    pub fn entries_behind(&self, log: &dyn LogSource) -> u64 {
        log.end().0.saturating_sub(self.reader.position().0)
    }

    /// Messages that have not arrived yet.
    pub fn in_flight(&self) -> usize {
        self.topic.in_flight()
    }

    /// Marks every partition, and waits until all that was sent has arrived.
    pub fn finish(mut self) -> Result<Fed, FeedError> {
        self.mark_all()?;
        self.topic.finish()?;
        Ok(self.fed)
    }

    fn take(&mut self, log: &dyn LogSource, raw: &RawEntry) -> Result<(), FeedError> {
        let Verdict::Admitted { header, lsn } = self.admission.admit(raw.position, &raw.bytes) else {
            return Ok(());
        };
        let entry =
            AdmittedEntry::decode(lsn, &raw.bytes).map_err(|cause| FeedError::Undecodable { lsn, cause })?;
        for (index, event) in entry.changes().map_or(&[][..], |changes| &changes.events).iter().enumerate() {
            self.publish(EventAddress { lsn, index: index as u32 }, header.recorded_at, event)?;
            each_fact(log, lsn, event, &mut |at, fact| self.publish(at, header.recorded_at, fact))?;
        }
        self.fed.lsn = lsn;
        self.fed.recorded_at = header.recorded_at;
        self.mark(WATERMARK_LAG)
    }

    fn publish(&mut self, at: EventAddress, recorded_at: Timestamp, event: &Event) -> Result<(), FeedError> {
        let Some(seen) = self.receiver.view(event) else { return Ok(()) };
        let message = Message::of_event(&self.origin, at, recorded_at, event, &seen);
        let key = message.key.as_deref().unwrap_or_default();
        let partition = partition_of(key, self.publishing.partitions());
        if !self.publishing.takes(partition, message.place) {
            self.fed.passed_over += 1;
            return Ok(());
        }
        self.send(partition, &message)
    }

    fn mark_all(&mut self) -> Result<(), FeedError> {
        if self.marked.0 < self.fed.lsn {
            self.mark(0)?;
            self.marked.0 = self.fed.lsn;
        }
        self.marked.1 = Instant::now();
        Ok(())
    }

    fn mark(&mut self, lag: u64) -> Result<(), FeedError> {
        let due = self.publishing.due_watermarks(self.fed.lsn, lag);
        if !due.is_empty() {
            let watermark = Message::watermark(&self.origin, self.fed.lsn, self.fed.recorded_at);
            for partition in due {
                self.send(partition, &watermark)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, partition: usize, message: &Message) -> Result<(), FeedError> {
        self.topic.send(partition, message)?;
        self.fed.sent += 1;
        Ok(())
    }
}

/// Partitions whose messages were sent by another definition than the feed's, or by none: refused, or told so. Gives the messages sent,
/// which have arrived.
fn settle_definition(
    topic: &impl Target,
    lasts: &[Option<Last>],
    origin: &Origin,
    changed: Changed,
    (receiver, recorded_at): (&str, Timestamp),
) -> Result<u64, FeedError> {
    let own = origin.definition;
    let mut told = 0;
    for (partition, last) in lasts.iter().enumerate() {
        let Some(last) = last.filter(|last| last.definition != Some(own)) else { continue };
        if changed == Changed::Refuse {
            let (found, receiver) = (last.definition, receiver.to_owned());
            return Err(FeedError::OtherDefinition { partition, found, receiver, own });
        }
        topic.send(partition, &Message::definition(origin, last.place, recorded_at))?;
        told += 1;
    }
    // What follows may end at any moment: the next start must find that it was accepted, in every partition.
    if told > 0 {
        topic.finish()?;
    }
    Ok(told)
}

/// Admission's state after the last entry before `first` that says where it stands, and where to read on. What lies between is read
/// again.
fn state_before(log: &dyn LogSource, first: Lsn) -> Result<AdmissionState, FeedError> {
    let mut lsn = first.0.saturating_sub(1);
    while let Some(entry) = log.fetch(Lsn(lsn))? {
        match EntryHeader::of_entry(&entry) {
            Ok(header) if !matches!(header.kind, EntryKind::Claim | EntryKind::Genesis) => {
                return Ok(AdmissionState {
                    term: header.term,
                    claim: Some(header.claim_id),
                    last_lsn: header.lsn,
                    head: header.prev.extend(&entry),
                    recorded_at: header.recorded_at,
                    next: log.locate(header.lsn.next())?,
                    sealed: header.kind == EntryKind::Sealed,
                    sealed_for: seal_target(&entry).filter(|_| header.kind == EntryKind::Sealed),
                });
            }
            _ => lsn -= 1,
        }
    }
    Ok(AdmissionState::default())
}
