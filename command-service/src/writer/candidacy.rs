//! When a follower asks to lead.
//!
//! Whoever was chosen by the group of nodes claims at once. Everybody else waits until the log has been silent for long: the
//! group may be wrong, or not there.
//!
//! *Architecture invariant:* this decides when a claim is tried and never whether it counts: admission does (W7).

use super::Writer;
use super::leading::Leadership;
use event_log::Hint;
use std::time::Duration;

/// Who was not chosen waits so many times as long for a silent leader.
const STANDBY_PATIENCE: u32 = 3;
/// Longest that an order to take over is pursued.
const TAKEOVER_WITHIN: Duration = Duration::from_secs(10);

/// What is known about whose turn it is.
#[derive(Default)]
pub(super) struct Candidacy {
    /// `None`: there is no group.
    hint: Option<Hint>,
    /// It was chosen, and has not led since.
    is_entitled: bool,
    /// An operator wants this node to lead; until when that is tried.
    takeover_until: Option<Duration>,
    /// The end of the log was reached once: what was read before is of the past.
    has_caught_up: bool,
    /// The current claim is of a node of this name, from before this start.
    is_heir: bool,
    /// When entries of another leader last came.
    heard_at: Option<Duration>,
    /// When the claim of another last came.
    claim_heard_at: Option<Duration>,
}

impl Candidacy {
    /// Entries of another leader came.
    pub fn hear(&mut self, now: Duration) {
        if self.has_caught_up {
            self.heard_at = Some(now);
        }
    }

    /// The claim of another came: it shall lead for a while.
    pub fn hear_claim(&mut self, now: Duration) {
        self.is_heir = false;
        if self.has_caught_up {
            self.is_entitled = false;
            self.takeover_until = None;
            self.claim_heard_at = Some(now);
        }
    }

    /// This node leads.
    pub fn is_satisfied(&mut self) {
        self.is_entitled = false;
        self.takeover_until = None;
        self.is_heir = false;
    }

    /// Whether the log's end was reached once.
    pub fn has_caught_up(&self) -> bool {
        self.has_caught_up
    }

    /// Whether an operator wants this node to lead.
    fn is_ordered(&self, now: Duration) -> bool {
        self.takeover_until.is_some_and(|until| now < until)
    }

    /// How long nothing came of another leader.
    pub fn silence(&self, now: Duration) -> Option<Duration> {
        self.heard_at.map(|heard_at| now.saturating_sub(heard_at))
    }

    fn is_recently_claimed(&self, now: Duration, settle_for: Duration) -> bool {
        self.claim_heard_at.is_some_and(|heard_at| now.saturating_sub(heard_at) < settle_for)
    }
}

impl Writer {
    /// What the group of nodes says now.
    pub fn take_hint(&mut self, hint: Hint) {
        let now = self.now();
        let is_news = self.candidacy.hint != Some(hint);
        let is_settled = !self.candidacy.is_recently_claimed(now, self.options.settle_for);
        if is_news {
            self.candidacy.is_entitled = hint == Hint::Chosen && is_settled && !self.is_leading();
        }
        self.candidacy.hint = Some(hint);
    }

    /// An operator wants this node to lead, whoever does.
    pub fn ask_to_lead(&mut self) {
        if !self.is_leading() {
            self.candidacy.takeover_until = Some(self.now() + TAKEOVER_WITHIN);
        }
    }

    /// Whether this node was chosen, but another leads and is to be chosen instead, so that its end is noticed.
    pub fn shall_give_back(&self) -> bool {
        let is_heard =
            self.candidacy.silence(self.now()).is_some_and(|silence| silence < self.options.takeover_after);
        let is_following = matches!(self.leadership, Leadership::Following(_));
        let is_chosen = self.candidacy.hint == Some(Hint::Chosen) && !self.candidacy.is_entitled;
        is_chosen && is_following && is_heard && self.candidacy.takeover_until.is_none()
    }

    /// The log's end was reached.
    pub(super) fn note_caught_up(&mut self) {
        if std::mem::replace(&mut self.candidacy.has_caught_up, true) {
            return;
        }
        let mine = self.options.node.name();
        self.candidacy.is_heir = self.claim.as_ref().is_some_and(|claim| claim.node.name() == mine);
    }

    /// Whether enough was read to claim. A busy leader's log has an end at rare moments only, and an order does not wait for one.
    pub(super) fn has_read_enough(&self, now: Duration) -> bool {
        let has_been_there = self.candidacy.has_caught_up && !self.follower.is_replaying();
        self.has_caught_up() || (has_been_there && self.candidacy.is_ordered(now))
    }

    /// Whether it is time to claim, as far as others are concerned.
    pub(super) fn is_its_turn(&self, now: Duration, quiet_until: Duration, since: Duration) -> bool {
        let candidacy = &self.candidacy;
        if candidacy.is_ordered(now) {
            return true;
        }
        let silence = candidacy.silence(now);
        let patience = self.options.takeover_after;
        match candidacy.hint {
            None => now >= quiet_until,
            Some(_) if candidacy.is_heir => true,
            Some(Hint::Chosen) => candidacy.is_entitled || silence.is_none_or(|silence| silence >= patience),
            Some(Hint::Standby) => {
                let silence = silence.unwrap_or(now.saturating_sub(since));
                now >= quiet_until && silence >= patience * STANDBY_PATIENCE
            }
        }
    }
}
