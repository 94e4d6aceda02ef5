//! A hint who should lead: it may cause a claim, and nothing more. Who leads is for admission to say.

use crate::engine::LogError;
use std::sync::Arc;

/// What the nodes' group says of this node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hint {
    /// It shall lead.
    Chosen,
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

    /// Lets another be chosen: this node stays in the group.
    fn give_back(&self);

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
