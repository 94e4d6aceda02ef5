//! When a follower asks to lead.
//!
//! Whoever was chosen by the group of nodes claims as soon as the leader is no member of it any more. Everybody else waits until the
//! log has been silent for long: the group may be wrong, or not there.
//!
//! *Architecture invariant:* this decides when a claim is tried and never whether it counts: admission does (W7).

use super::Writer;
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
    /// An operator wants this node to lead; until when that is tried.
    takeover_until: Option<Duration>,
    /// When the end of the log was reached first: what was read before is of the past.
    caught_up_at: Option<Duration>,
    /// The current claim is this node's own, and it does not lead: it claimed before this start, or was in doubt since.
    is_heir: bool,
    /// When entries of another leader last came.
    heard_at: Option<Duration>,
    /// When the claim of another last came.
    claim_heard_at: Option<Duration>,
}

impl Candidacy {
    /// Entries of another leader came.
    pub fn hear(&mut self, now: Duration) {
        if self.has_caught_up() {
            self.heard_at = Some(now);
        }
    }

    /// The claim of another came: it shall lead for a while.
    pub fn hear_claim(&mut self, now: Duration) {
        self.is_heir = false;
        if self.has_caught_up() {
            self.takeover_until = None;
            self.claim_heard_at = Some(now);
        }
    }

    /// This node leads.
    pub fn is_satisfied(&mut self) {
        self.takeover_until = None;
        self.is_heir = false;
    }

    /// This node leads no more, and may lead again unless another has claimed.
    pub fn step_down(&mut self) {
        self.is_heir = true;
    }

    /// Whether the log's end was reached once.
    pub fn has_caught_up(&self) -> bool {
        self.caught_up_at.is_some()
    }

    /// Whether an operator wants this node to lead.
    fn is_ordered(&self, now: Duration) -> bool {
        self.takeover_until.is_some_and(|until| now < until)
    }

    /// How long nothing came of another leader.
    pub fn silence(&self, now: Duration) -> Option<Duration> {
        self.heard_at.map(|heard_at| now.saturating_sub(heard_at))
    }

    /// Whether the group has chosen this node and does not know the leader any more. Who has just claimed may be about to join it, and
    /// what is known of the members may be older than the claim.
    fn is_leader_gone(&self, now: Duration, leader: &str, settle_for: Duration) -> bool {
        let Some(Hint::Chosen { members: Some(members) }) = &self.hint else { return false };
        let is_settled = self.claim_heard_at.is_none_or(|at| now.saturating_sub(at) >= settle_for);
        is_settled && members.iter().all(|member| member != leader)
    }

    /// Whether nothing was heard of a leader for so long, since the end of the log was reached.
    fn has_been_silent(&self, now: Duration, patience: Duration) -> bool {
        self.heard_at.max(self.caught_up_at).is_some_and(|at| now.saturating_sub(at) >= patience)
    }
}

impl Writer {
    /// What the group of nodes says now.
    pub fn take_hint(&mut self, hint: Hint) {
        self.candidacy.hint = Some(hint);
    }

    /// An operator wants this node to lead, whoever does.
    pub fn ask_to_lead(&mut self) {
        if !self.is_leading() {
            self.candidacy.takeover_until = Some(self.now() + TAKEOVER_WITHIN);
        }
    }

    /// The log's end was reached.
    pub(super) fn note_caught_up(&mut self) {
        if self.candidacy.has_caught_up() {
            return;
        }
        self.candidacy.caught_up_at = Some(self.now());
        let mine = self.options.node.name();
        self.candidacy.is_heir = self.claim.as_ref().is_some_and(|claim| claim.node.name() == mine);
    }

    /// Whether enough was read to claim. A busy leader's log has an end at rare moments only, and an order does not wait for one.
    pub(super) fn has_read_enough(&self, now: Duration) -> bool {
        let has_been_there = self.candidacy.has_caught_up() && !self.follower.is_replaying();
        self.has_caught_up() || (has_been_there && self.candidacy.is_ordered(now))
    }

    /// Whether it is time to claim, as far as others are concerned.
    pub(super) fn is_its_turn(&self, now: Duration, quiet_until: Duration, since: Duration) -> bool {
        let candidacy = &self.candidacy;
        if candidacy.is_ordered(now) {
            return true;
        }
        let patience = self.options.takeover_after;
        match candidacy.hint {
            None => now >= quiet_until,
            Some(_) if candidacy.is_heir => true,
            Some(Hint::Chosen { .. }) => self.has_no_leader(now) || candidacy.has_been_silent(now, patience),
            Some(Hint::Standby) => {
                let silence = candidacy.silence(now).unwrap_or(now.saturating_sub(since));
                now >= quiet_until && silence >= patience * STANDBY_PATIENCE
            }
        }
    }

    /// Whether nobody has led the log yet, or its leader is gone, as the chosen node sees it.
    fn has_no_leader(&self, now: Duration) -> bool {
        match &self.claim {
            Some(claim) => self.candidacy.is_leader_gone(now, claim.node.name(), self.options.settle_for),
            None => self.follower.admission().state().claim.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);
    const SETTLE: Duration = Duration::from_secs(2);

    fn at(tenths: u64) -> Duration {
        Duration::from_millis(100 * tenths)
    }

    fn chosen(members: Option<&[&str]>) -> Option<Hint> {
        let members = members.map(|names| names.iter().map(|&name| name.to_owned()).collect());
        Some(Hint::Chosen { members })
    }

    /// It is there since 0.1 s; "a" claimed at 0.5 s, and is heard for the last time at 1 s.
    fn follower() -> Candidacy {
        let mut candidacy = Candidacy { caught_up_at: Some(at(1)), ..Candidacy::default() };
        candidacy.hear_claim(at(5));
        candidacy.hear(at(10));
        candidacy
    }

    #[test]
    fn a_leader_that_is_a_member_is_never_gone_however_long_ago_it_claimed() {
        let mut candidacy = follower();
        candidacy.hint = chosen(Some(&["a", "b", "c"]));
        for now in [6, 30, 100, 10_000] {
            assert!(!candidacy.is_leader_gone(at(now), "a", SETTLE), "{now}");
        }
    }

    #[test]
    fn a_leader_that_is_no_member_is_gone_once_it_had_time_to_become_one() {
        let mut candidacy = follower();
        candidacy.hint = chosen(Some(&["b", "c"]));
        assert!(!candidacy.is_leader_gone(at(24), "a", SETTLE), "it has just claimed");
        assert!(candidacy.is_leader_gone(at(25), "a", SETTLE));
        candidacy.hear_claim(at(26));
        assert!(!candidacy.is_leader_gone(at(27), "a", SETTLE), "it has claimed again");
    }

    #[test]
    fn nobody_is_gone_where_the_members_are_not_known_or_another_is_chosen() {
        let mut candidacy = follower();
        for hint in [None, Some(Hint::Standby), chosen(None)] {
            candidacy.hint = hint;
            assert!(!candidacy.is_leader_gone(at(100), "a", SETTLE));
        }
    }

    #[test]
    fn silence_is_counted_from_what_was_heard_and_from_the_end_of_the_log() {
        let mut candidacy = follower();
        assert!(!candidacy.has_been_silent(at(59), PATIENCE));
        assert!(candidacy.has_been_silent(at(60), PATIENCE));
        candidacy.hear(at(60));
        assert!(!candidacy.has_been_silent(at(61), PATIENCE));
        let mut fresh = Candidacy::default();
        assert!(!fresh.has_been_silent(at(100), PATIENCE), "it still reads the past");
        fresh.caught_up_at = Some(at(100));
        assert!(!fresh.has_been_silent(at(149), PATIENCE));
        assert!(fresh.has_been_silent(at(150), PATIENCE));
    }
}
