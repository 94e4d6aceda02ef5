//! The feed for others: one message an event, in a keyed topic of many partitions, with what a receiver may see and nothing more.
//!
//! Layout:
//! - [`receiver`]: which events and fields a receiver sees, checked against the contract, and their JSON Schema;
//! - [`message`]: one event as a CloudEvent;
//! - [`publishing`]: what is still to be sent after any end, pure;
//! - [`topic`]: the target topic;
//! - [`feeder`]: from the log to the topic; [`committed`]: the facts that the commit of an operation brings.
//!
//! *Architecture invariant:* where a feed goes on is known from the target topic alone.
//! *Architecture invariant:* messages of another definition do not come into a topic unless an operator has said so, and the topic says it.
//! *Architecture invariant:* nothing is published that was not admitted, and nothing of a sealed event but that it is there.

pub mod committed;
pub mod feeder;
pub mod message;
pub mod publishing;
pub mod receiver;
pub mod topic;

pub use feeder::{Changed, Fed, FeedError, Feeder, Last, Target};
pub use receiver::{Definition, Receiver, ReceiverError};
pub use topic::{Topic, TopicError};
