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
/// A leader without commands is heard at least every [`WriterOptions::heartbeat_every`](super::WriterOptions::heartbeat_every), and so much
/// later at most.
const HEARTBEAT_LATE: Duration = Duration::from_millis(500);
/// Longest that an order to take over is pursued.
const TAKEOVER_WITHIN: Duration = Duration::from_secs(10);

/// What is known about whose turn it is.
#[derive(Default)]
pub(super) struct Candidacy {
    /// `None`: there is no group.
    hint: Option<Hint>,
    /// When it chose this node last.
    chosen_at: Option<Duration>,
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

    /// The group says what it says now. Whoever it chooses may claim at once, unless another has just claimed.
    fn take_hint(&mut self, now: Duration, hint: Hint, may_claim: bool) {
        if self.hint != Some(hint) {
            self.is_entitled = hint == Hint::Chosen && may_claim;
            self.chosen_at = (hint == Hint::Chosen).then_some(now);
        }
        self.hint = Some(hint);
    }

    /// Whether the group chose this node though another leads. That one must have been heard since: the group chooses anew when a leader
    /// has died, and a place that is given back to the dead is lost while it is away.
    fn holds_place_of_another(&self, now: Duration, patience: Duration) -> bool {
        let is_heard = self.heard_at > self.chosen_at && self.silence(now).is_some_and(|it| it < patience);
        let is_chosen = self.hint == Some(Hint::Chosen) && !self.is_entitled;
        is_chosen && is_heard && self.takeover_until.is_none()
    }

    /// Whether the group chose this node and nobody was heard since, for so long: who claimed just before has gone again.
    fn is_left_alone(&self, now: Duration, patience: Duration) -> bool {
        self.heard_at < self.chosen_at
            && self.chosen_at.is_some_and(|chosen_at| now.saturating_sub(chosen_at) >= patience)
    }

    fn is_recently_claimed(&self, now: Duration, settle_for: Duration) -> bool {
        self.claim_heard_at.is_some_and(|heard_at| now.saturating_sub(heard_at) < settle_for)
    }
}

impl Writer {
    /// What the group of nodes says now.
    pub fn take_hint(&mut self, hint: Hint) {
        let now = self.now();
        let is_settled = !self.candidacy.is_recently_claimed(now, self.options.settle_for);
        let may_claim = is_settled && !self.is_leading();
        self.candidacy.take_hint(now, hint, may_claim);
    }

    /// An operator wants this node to lead, whoever does.
    pub fn ask_to_lead(&mut self) {
        if !self.is_leading() {
            self.candidacy.takeover_until = Some(self.now() + TAKEOVER_WITHIN);
        }
    }

    /// Whether this node was chosen, but another leads and is to be chosen instead, so that its end is noticed.
    pub fn shall_give_back(&self) -> bool {
        let is_following = matches!(self.leadership, Leadership::Following(_));
        is_following && self.candidacy.holds_place_of_another(self.now(), self.options.takeover_after)
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
            Some(Hint::Chosen) => {
                candidacy.is_entitled
                    || silence.is_none_or(|silence| silence >= patience)
                    || candidacy.is_left_alone(now, self.options.heartbeat_every + HEARTBEAT_LATE)
            }
            Some(Hint::Standby) => {
                let silence = silence.unwrap_or(now.saturating_sub(since));
                now >= quiet_until && silence >= patience * STANDBY_PATIENCE
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn at(tenths: u64) -> Duration {
        Duration::from_millis(100 * tenths)
    }

    /// Another claimed a moment ago, and is heard for the last time at 1 s.
    fn follower() -> Candidacy {
        let mut candidacy = Candidacy { has_caught_up: true, ..Candidacy::default() };
        candidacy.take_hint(at(0), Hint::Standby, false);
        candidacy.hear_claim(at(5));
        candidacy.hear(at(10));
        candidacy
    }

    #[test]
    fn a_place_is_not_given_back_to_a_leader_that_was_silent_since_the_group_chose_this_node() {
        let mut candidacy = follower();
        candidacy.take_hint(at(31), Hint::Chosen, false);
        assert!(!candidacy.holds_place_of_another(at(32), PATIENCE));
        assert!(!candidacy.holds_place_of_another(at(100), PATIENCE));
        assert!(!candidacy.is_left_alone(at(55), at(25)));
        assert!(candidacy.is_left_alone(at(56), at(25)));
    }

    #[test]
    fn a_place_is_given_back_to_a_leader_that_was_heard_since() {
        let mut candidacy = follower();
        candidacy.take_hint(at(31), Hint::Chosen, false);
        candidacy.take_hint(at(32), Hint::Chosen, false);
        candidacy.hear(at(40));
        assert!(candidacy.holds_place_of_another(at(41), PATIENCE));
        assert!(!candidacy.holds_place_of_another(at(91), PATIENCE), "it has fallen silent");
        assert!(!candidacy.is_left_alone(at(91), at(25)));
        candidacy.take_hint(at(42), Hint::Standby, false);
        assert!(!candidacy.holds_place_of_another(at(43), PATIENCE));
    }
}
