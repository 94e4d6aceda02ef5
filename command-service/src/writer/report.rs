//! Statistics: a snapshot of what the writer does.

use super::Writer;
use super::leading::Leadership;
use crate::gateway::{Leader, Role, Stats};
use std::time::Duration;

impl Writer {
    /// Where this node stands.
    pub fn role(&self) -> Role {
        match &self.leadership {
            Leadership::Leading(lead) if lead.awaits_consent => Role::AwaitingConsent,
            Leadership::Leading(_) => Role::Leading,
            Leadership::Claiming(_) | Leadership::Founding { .. } => Role::Claiming,
            Leadership::Following(_) if self.candidacy.has_caught_up() => Role::Following,
            Leadership::Following(_) => Role::Restoring,
        }
    }

    /// How the writer does. Counting bytes of memory takes a while, so this is for once a second.
    pub fn stats(&self) -> Stats {
        let registry = &self.follower.registry;
        let head = registry.confirmed_head();
        let state = self.follower.admission().state();
        let now = self.around.clock.now();
        let mut stats = Stats {
            role: self.role(),
            log_id: head.log_id,
            clock: head.clock,
            format: head.format,
            term: state.term,
            lsn: head.lsn,
            recorded_at: head.recorded_at,
            now,
            clock_skew_us: now.0 - head.recorded_at.0,
            opened_day: head.date,
            day_pending: head.day_pending,
            queued_commands: self.waiting.len() as u64,
            queue_limit: self.options.max_waiting as u64,
            groups_in_flight: self.in_flight.0.len() as u64,
            in_flight_records: self.in_flight.0.iter().map(|group| group.entries.len() as u64).sum(),
            entries_read: self.follower.entries_read(),
            drops: self.drops(),
            leader: self.leader(),
            barred: self.barred(),
            silent_ms: self.silence().map(|silence| silence.as_millis() as u64),
            stalled_ms: self
                .in_flight
                .0
                .front()
                .map_or(0, |group| self.now().saturating_sub(group.appended_at).as_millis() as u64),
            entries_behind: self.source.end().0.saturating_sub(self.follower.next_position().0),
            digest: head.digest,
            memory: registry.memory(),
            command_ids: self.follower.ids.len(),
            command_ids_bytes: self.follower.ids.memory_bytes() as u64,
            unsaved_command_ids: self.follower.ids.unsaved_len() as u64,
            ..self.stats.clone()
        };
        if let Some(saver) = &self.saver {
            saver.report(&mut stats);
        }
        stats
    }

    fn leader(&self) -> Option<Leader> {
        let claim = self.claim.as_ref()?;
        Some(Leader {
            node: claim.node.name().to_owned(),
            url: claim.node.url().map(str::to_owned),
            term: claim.term,
            lsn: claim.lsn,
            claimed_at: claim.claimed_at,
            is_this_node: self.is_leading(),
        })
    }

    /// How long nothing came of the leader, if that is another.
    fn silence(&self) -> Option<Duration> {
        if self.is_leading() { None } else { self.candidacy.silence(self.now()) }
    }

    fn drops(&self) -> Vec<(&'static str, u64)> {
        let drops = self.follower.admission().drops();
        drops.iter().map(|(reason, count)| (reason.name(), count)).collect()
    }
}
