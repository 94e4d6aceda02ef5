//! A hint who should lead: it may cause a claim, and nothing more. Who leads is for admission to say.

use crate::engine::LogError;
use std::sync::Arc;

/// What the nodes' group says of this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Hint {
    /// It shall lead as soon as the one that leads is gone: it need not be the same one.
    Chosen {
        /// Names of those that are there, this node's among them; `None`: not known.
        members: Option<Arc<[String]>>,
    },
    /// Another shall, or nobody knows yet.
    Standby,
}

/// Membership of the group of nodes that may lead.
///
/// *Architecture invariant:* whatever it says, late or wrong, no two leaders are believed: their entries are told apart by the
/// claim that is in the log.
pub trait LeaderHint: Send {
    /// What the group says now; never waits.
    fn hint(&self) -> Hint;

    /// Whether to keep looking who is there while this node is chosen: whoever leads need not know.
    fn watch(&self, shall_watch: bool);

    /// For questions about the whole group, from any thread.
    fn group(&self) -> Arc<dyn NodeGroup>;

    /// Leaves the group at once, so that another is chosen. Waits until the group was told, bounded.
    fn leave(self: Box<Self>);
}

/// The nodes that may lead.
pub trait NodeGroup: Send + Sync {
    /// Those that are there now, in the order of their names. Waits for an answer, bounded.
    fn members(&self) -> Result<Vec<Member>, LogError>;
}

/// What a node says of itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Member {
    pub name: String,
    /// The latest format that it knows.
    pub format: u16,
}
