//! Requests at a node that does not lead: new ones are told so, and those of a term that ended get the answer that the log gives.

use super::requests::{Pending, Request, Waiting};
use super::{Failure, Mutant, Writer};
use crate::gateway::SubmitError;
use std::collections::VecDeque;

/// Retry advice to callers while nobody here leads.
const RETRY_AFTER_S: u32 = 1;

impl Writer {
    /// New requests are told that nobody here leads. A command that was in flight when doubt came is accepted if its record is in
    /// the log; once a later term has begun, what is not there never will be (W8), and it may be sent again anywhere.
    pub(super) fn answer_unled(&mut self) -> Result<(), Failure> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.answer_unasked()?;
        let is_term_over = self.follower.admission().state().term > self.last_led;
        let mut kept = VecDeque::new();
        for request in std::mem::take(&mut self.waiting) {
            if !request.is_requeued {
                request.refuse(self.not_leading());
            } else if let Some(request) = self.answer_recorded(request)? {
                if is_term_over {
                    request.refuse(self.not_leading());
                } else {
                    kept.push_back(request);
                }
            }
        }
        self.waiting = kept;
        Ok(())
    }

    /// Only a mutant answers here.
    fn answer_unasked(&mut self) -> Result<(), Failure> {
        if self.mutant != Some(Mutant::FollowerAnswers) {
            return Ok(());
        }
        for waiting in std::mem::take(&mut self.waiting) {
            let Waiting { submitter, request, arrived, .. } = waiting;
            let Request::Status { command_id, reply } = request else {
                self.waiting.push_back(Waiting { submitter, request, ..waiting });
                continue;
            };
            let found = self.follower.ids.find(command_id)?;
            if let Some(content) = self.find_status(&[], submitter, command_id, found, reply) {
                Pending { submitter, arrived, content }.answer();
            }
        }
        Ok(())
    }

    fn not_leading(&self) -> SubmitError {
        self.barred().map_or(SubmitError::NotLeading { retry_after_s: RETRY_AFTER_S }, SubmitError::Barred)
    }

    /// Gives the answer to a command whose record is in the log; gives any other request back.
    fn answer_recorded(&mut self, waiting: Waiting) -> Result<Option<Waiting>, Failure> {
        let Request::Command { envelope, .. } = &waiting.request else { return Ok(Some(waiting)) };
        let Some(lsn) = self.follower.ids.find(envelope.command_id)? else { return Ok(Some(waiting)) };
        let answer = self.repeat(&[], lsn, waiting.submitter, envelope, true);
        if let Request::Command { reply, .. } = waiting.request {
            reply(answer.into());
        }
        Ok(None)
    }

    /// This node has not led again for long, and nobody else has: whoever waits is told to ask again.
    pub(super) fn give_up_resolving(&mut self) {
        let (given_up, kept) = std::mem::take(&mut self.waiting).into_iter().partition(|it| it.is_requeued);
        self.waiting = kept;
        let given_up: VecDeque<Waiting> = given_up;
        given_up.into_iter().for_each(|request| request.refuse(SubmitError::Unresolved));
    }

    /// Nothing can be decided here for now.
    pub(super) fn refuse_new_requests(&mut self) {
        let (kept, refused) = std::mem::take(&mut self.waiting).into_iter().partition(|it| it.is_requeued);
        self.waiting = kept;
        let refused: VecDeque<Waiting> = refused;
        let why = self.not_leading();
        refused.into_iter().for_each(|request| request.refuse(why.clone()));
    }
}
