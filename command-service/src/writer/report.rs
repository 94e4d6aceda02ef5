//! Statistics: a snapshot of what the writer does.

use super::Writer;
use super::leading::Leadership;
use crate::gateway::{Role, Stats};

impl Writer {
    /// Where this node stands.
    pub fn role(&self) -> Role {
        match &self.leadership {
            Leadership::Leading(lead) if lead.awaits_consent => Role::AwaitingConsent,
            Leadership::Leading(_) => Role::Leading,
            Leadership::Claiming(_) | Leadership::Founding { .. } => Role::Claiming,
            Leadership::Following(_) if self.has_caught_up() => Role::Following,
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
            memory: registry.memory(),
            command_ids: self.follower.ids.len(),
            unsaved_command_ids: self.follower.ids.unsaved_len() as u64,
            ..self.stats.clone()
        };
        if let Some(saver) = &self.saver {
            saver.report(&mut stats);
        }
        stats
    }

    fn drops(&self) -> Vec<(&'static str, u64)> {
        let drops = self.follower.admission().drops();
        drops.iter().map(|(reason, count)| (reason.name(), count)).collect()
    }
}
