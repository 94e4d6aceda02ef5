//! A node: its writer, and what outlives it.

use super::ids::IdsHome;
use command_service::ScriptedClock;
use command_service::gateway::Leader;
use command_service::writer::{NewLog, NodeName, Writer, WriterOptions};
use event_schemas::ids::LogId;
use event_schemas::text::Text;
use state_store::memory::MemoryHome;
use std::time::Duration;

/// What the names of nodes begin with.
const NODE: &str = "node-";

pub struct Node {
    pub number: usize,
    pub home: MemoryHome,
    pub ids: IdsHome,
    pub clock: ScriptedClock,
    pub state: State,
    /// Its saved state is of the log before it moved.
    pub has_moved: bool,
}

pub enum State {
    Up(Box<Writer>),
    /// Not scheduled until this step; it knows nothing of it.
    Paused(Box<Writer>, u64),
    Down(u64),
}

impl Node {
    pub fn writer(&self) -> Option<&Writer> {
        match &self.state {
            State::Up(writer) | State::Paused(writer, _) => Some(writer),
            State::Down(_) => None,
        }
    }
}

/// Which node the claim names.
pub fn number_of(leader: &Leader) -> Option<usize> {
    leader.node.strip_prefix(NODE)?.parse().ok()
}

/// What a node is called.
pub fn name_of(number: usize) -> String {
    format!("{NODE}{number}")
}

/// Small limits, so that little happens between two of anything.
pub fn options(number: usize, is_log_exclusive: bool) -> WriterOptions {
    WriterOptions {
        node: NodeName::new(&name_of(number), Some("http://node")).expect("a short name"),
        new_log: Some(NewLog {
            log_id: LogId(1 + number as u128),
            note: Text::new("simulation").expect("a word"),
        }),
        is_candidate: true,
        is_log_exclusive,
        takeover_after: Duration::from_millis(60),
        settle_for: Duration::from_millis(50),
        heartbeat_every: Duration::from_millis(15),
        max_backoff: Duration::from_millis(20),
        resolve_within: Duration::from_millis(300),
        max_waiting: 64,
        max_groups_in_flight: 3,
        digest_every: 25,
        command_ids_dir: None,
        checkpoint_entries: 12,
        checkpoint_every: Duration::from_millis(80),
        max_unsaved_ids: WriterOptions::default().max_unsaved_ids,
    }
}
