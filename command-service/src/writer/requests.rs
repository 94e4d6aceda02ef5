//! What waits to be decided, and answers that wait to be sure.

use crate::gateway::{Answer, CommandStatus, SubmitError, Submitter, Told};
use event_schemas::ids::CommandId;
use event_schemas::outcome::Outcome;
use event_schemas::record::{AdmittedEntry, EntryBody};
use event_schemas::time::Timestamp;
use event_schemas::{Command, CommandEnvelope};
use std::time::Duration;

/// Receives the answer to a command, once. Dropped without an answer if the process dies.
pub type CommandReply = Box<dyn FnOnce(Told) + Send>;
/// Receives the answer to a question about a command.
pub type StatusReply = Box<dyn FnOnce(Result<CommandStatus, SubmitError>) + Send>;

/// What is asked.
pub enum Request {
    Command { envelope: Box<CommandEnvelope>, reply: CommandReply },
    Status { command_id: CommandId, reply: StatusReply },
}

/// A request that waits for its turn.
pub struct Waiting {
    pub submitter: Submitter,
    pub request: Request,
    /// When it came, by the writer's timer.
    pub arrived: Duration,
    /// It was decided before, and doubt took that back.
    pub(super) is_requeued: bool,
}

impl Waiting {
    /// A command or question as it came.
    pub fn new(submitter: Submitter, request: Request, arrived: Duration) -> Self {
        Self { submitter, request, arrived, is_requeued: false }
    }

    /// Whether it asks for a commit of an operation, dry runs aside.
    pub(super) fn is_commit(&self) -> bool {
        match &self.request {
            Request::Command { envelope, .. } => {
                matches!(envelope.command, Command::CommitOperation(_)) && !envelope.dry_run
            }
            Request::Status { .. } => false,
        }
    }

    /// Answers that there is no answer.
    pub fn refuse(self, error: SubmitError) {
        match self.request {
            Request::Command { reply, .. } => reply(Err(error).into()),
            Request::Status { reply, .. } => reply(Err(error)),
        }
    }
}

/// An answer that is given once its group is confirmed, and what is needed to decide it again if doubt comes first.
pub(super) struct Pending {
    pub submitter: Submitter,
    pub arrived: Duration,
    pub content: PendingContent,
}

pub(super) enum PendingContent {
    /// Accepted: the command stands in the group's entry at this place.
    Record {
        place: usize,
        answer_by: Option<Timestamp>,
        answer: Answer,
        reply: CommandReply,
    },
    /// Refused, repeated, tried: nothing was appended for it.
    Kept {
        envelope: Box<CommandEnvelope>,
        told: Told,
        reply: CommandReply,
    },
    Status {
        command_id: CommandId,
        answer: CommandStatus,
        reply: StatusReply,
    },
}

impl Pending {
    /// Gives the answer.
    pub fn answer(self) {
        match self.content {
            PendingContent::Record { answer, reply, .. } => reply(answer.into()),
            PendingContent::Kept { told, reply, .. } => reply(told),
            PendingContent::Status { answer, reply, .. } => reply(Ok(answer)),
        }
    }

    /// Whether the answer is a new acceptance.
    pub fn is_accepted(&self) -> bool {
        matches!(self.content, PendingContent::Record { .. })
    }

    /// Whether the answer is a refusal.
    pub fn is_refusal(&self) -> bool {
        matches!(
            &self.content,
            PendingContent::Kept { told: Told { answer: Ok(Outcome::Refused(_)), .. }, .. }
        )
    }

    /// Back to the queue: whether it stands in the log is looked up when it is decided again.
    pub fn requeue(self, entries: &mut [AdmittedEntry]) -> Waiting {
        let request = match self.content {
            PendingContent::Kept { envelope, reply, .. } => Request::Command { envelope, reply },
            PendingContent::Status { command_id, reply, .. } => Request::Status { command_id, reply },
            PendingContent::Record { place, answer_by, reply, .. } => {
                let EntryBody::Record(record) = &entries[place].body else {
                    unreachable!("an accepted command has its record");
                };
                let mut envelope = Box::new(record.command.clone());
                envelope.answer_by = answer_by;
                Request::Command { envelope, reply }
            }
        };
        Waiting { submitter: self.submitter, request, arrived: self.arrived, is_requeued: true }
    }
}
