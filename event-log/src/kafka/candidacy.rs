//! Standing for leader: membership of a consumer group over the one partition. Whoever is assigned the partition is chosen.
//!
//! The group only knows which process answers its heartbeats. Nothing is ever read or committed through it: what is assigned is noted
//! and not taken. Assignments are sticky, so a node that comes does not take the place of the one that is chosen.
//!
//! Whoever is chosen need not lead: an operator may have wanted another, or that one was faster after a restart. So the chosen one asks
//! the brokers who is in the group, and sees when the one that leads is gone.

use super::client::{Connection, LetGo, Reports};
use super::group::{Group, fetch_members, sign};
use crate::engine::LogError;
use crate::hint::{Hint, LeaderHint, NodeGroup};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A node that is silent for so long is no longer chosen; brokers allow no less unless they are told to.
pub const DEFAULT_SESSION_TIMEOUT: Duration = Duration::from_secs(6);
/// Heartbeats within one session: also how soon a standby learns that the group changes.
const HEARTBEATS_A_SESSION: u32 = 20;
/// Between two looks at what the group says.
const POLL_WAIT: Duration = Duration::from_millis(50);
/// Between two looks at who is in the group, if nothing is heard of it.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// Longest that brokers may take to say who is in the group.
const LOOK_WITHIN: Duration = Duration::from_secs(1);
/// Longest that leaving the group may take.
const LEAVE_WITHIN: Duration = Duration::from_millis(500);

/// This process's place in the group.
pub struct Candidacy {
    shared: Arc<Shared>,
    connection: Connection,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_chosen: AtomicBool,
    shall_watch: AtomicBool,
    /// The group has changed since its members were asked for.
    has_changed: AtomicBool,
    is_ending: AtomicBool,
    /// Who was in the group a moment ago.
    members: Mutex<Option<Arc<[String]>>>,
}

impl Shared {
    fn note_members(&self, members: Option<Arc<[String]>>) {
        *self.members.lock().expect("nothing panics while it is held") = members;
    }
}

struct Membership(Arc<Shared>);

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Reports.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Reports.error(error, reason);
    }
}

impl ConsumerContext for Membership {
    /// Takes note of what the group says, and takes no partition: one that comes and goes while brokers do ends the process in the
    /// client library (an assertion on partitions that were not started).
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let nothing = TopicPartitionList::new();
        let is_cooperative = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let is_assigned = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        self.0.has_changed.store(true, Ordering::Release);
        if partitions.count() > 0 {
            self.choose(is_assigned);
        }
        // The library waits for an answer, whatever it is.
        let answered = match (is_cooperative, is_assigned) {
            (true, true) => consumer.incremental_assign(&nothing),
            (true, false) => consumer.incremental_unassign(&nothing),
            (false, true) => consumer.assign(&nothing),
            (false, false) => consumer.unassign(),
        };
        if let Err(error) = answered {
            tracing::warn!(%error, "the group of nodes cannot be answered");
        }
    }
}

impl Membership {
    fn choose(&self, is_chosen: bool) {
        // What was known is of before.
        self.0.note_members(None);
        self.0.is_chosen.store(is_chosen, Ordering::Release);
        tracing::info!(is_chosen, "the group of nodes has chosen");
    }
}

/// Names the group of nodes that may lead the log in this topic.
pub(super) fn group_id(connection: &Connection) -> String {
    format!("dancu-nodes-{}", connection.topic)
}

impl Candidacy {
    /// Joins the group of this topic as the node `name`.
    pub(super) fn begin(
        connection: &Connection,
        name: &str,
        session_timeout: Duration,
    ) -> Result<Self, LogError> {
        let shared = Arc::new(Shared::default());
        let mut config = connection.config();
        let heartbeat = session_timeout / HEARTBEATS_A_SESSION;
        config
            .set("client.id", sign(name))
            .set("group.id", group_id(connection))
            .set("session.timeout.ms", session_timeout.as_millis().to_string())
            .set("heartbeat.interval.ms", heartbeat.as_millis().max(1).to_string())
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "latest");
        let consumer = config.create_with_context(Membership(Arc::clone(&shared)));
        let consumer: BaseConsumer<Membership> =
            consumer.map_err(|error| connection.failure("joining the group of nodes", &error))?;
        let (watch, topic) = (Watch::new(&shared, connection, name), connection.topic.clone());
        let thread = std::thread::Builder::new()
            .name("kafka-candidacy".to_owned())
            .spawn(move || stand(watch, LetGo::new(consumer), &topic))
            .map_err(|error| LogError::Io {
                action: "starting the thread that stands for leader".to_owned(),
                cause: error.to_string(),
            })?;
        Ok(Self { shared, connection: connection.clone(), thread: Some(thread) })
    }
}

impl LeaderHint for Candidacy {
    fn hint(&self) -> Hint {
        if !self.shared.is_chosen.load(Ordering::Acquire) {
            return Hint::Standby;
        }
        let members = self.shared.members.lock().expect("nothing panics while it is held").clone();
        Hint::Chosen { members }
    }

    fn watch(&self, shall_watch: bool) {
        self.shared.shall_watch.store(shall_watch, Ordering::Release);
    }

    fn group(&self) -> Arc<dyn NodeGroup> {
        Arc::new(Group::of(&self.connection))
    }

    fn leave(mut self: Box<Self>) {
        self.shared.is_ending.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Candidacy {
    /// Does not wait: the session ends by itself.
    fn drop(&mut self) {
        self.shared.is_ending.store(true, Ordering::Release);
    }
}

/// Looks who is in the group while this node is chosen and another leads.
struct Watch {
    shared: Arc<Shared>,
    group_id: String,
    /// This node's own name.
    name: String,
    looked_at: Option<Instant>,
}

impl Watch {
    fn new(shared: &Arc<Shared>, connection: &Connection, name: &str) -> Self {
        let (shared, group_id) = (Arc::clone(shared), group_id(connection));
        Self { shared, group_id, name: name.to_owned(), looked_at: None }
    }

    fn look(&mut self, consumer: &BaseConsumer<Membership>) {
        let is_chosen = self.shared.is_chosen.load(Ordering::Acquire);
        if !is_chosen || !self.shared.shall_watch.load(Ordering::Acquire) {
            if self.looked_at.take().is_some() {
                self.shared.note_members(None);
            }
            return;
        }
        let has_changed = self.shared.has_changed.swap(false, Ordering::AcqRel);
        if has_changed || self.looked_at.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            self.shared.note_members(self.ask(consumer));
            self.looked_at = Some(Instant::now());
        }
    }

    /// Nobody is gone because a broker does not know: an answer without this node says nothing of others.
    fn ask(&self, consumer: &BaseConsumer<Membership>) -> Option<Arc<[String]>> {
        match fetch_members(consumer, &self.group_id, LOOK_WITHIN) {
            Ok(members) => {
                let names: Arc<[String]> = members.into_iter().map(|member| member.name).collect();
                names.contains(&self.name).then_some(names)
            }
            Err(error) => {
                tracing::debug!(%error, "nobody says who is in the group of nodes");
                None
            }
        }
    }
}

fn stand(mut watch: Watch, consumer: LetGo<BaseConsumer<Membership>>, topic: &str) {
    subscribe(&consumer, topic);
    while !watch.shared.is_ending.load(Ordering::Acquire) {
        serve(&consumer, POLL_WAIT);
        watch.look(&consumer);
    }
    leave(&watch.shared, &consumer);
}

fn subscribe(consumer: &BaseConsumer<Membership>, topic: &str) {
    if let Err(error) = consumer.subscribe(&[topic]) {
        tracing::error!(%error, "this node cannot stand for leader");
    }
}

/// The group is told while its answers are served.
fn leave(shared: &Shared, consumer: &BaseConsumer<Membership>) {
    let begin = Instant::now();
    consumer.unsubscribe();
    while shared.is_chosen.load(Ordering::Acquire) && begin.elapsed() < LEAVE_WITHIN {
        serve(consumer, POLL_WAIT);
    }
    serve(consumer, POLL_WAIT);
}

/// Serves the group; no message ever comes.
fn serve(consumer: &BaseConsumer<Membership>, wait: Duration) {
    if let Some(Err(error)) = consumer.poll(wait)
        && error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF)
    {
        tracing::debug!(%error, "the group of nodes");
        std::thread::sleep(wait);
    }
}
