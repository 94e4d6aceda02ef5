//! Which record each accepted command led to, for ever (W2): what is in flight, and what is confirmed.

use event_schemas::ids::{CommandId, Lsn};
use hashbrown::HashMap;

/// `command_id → lsn`. Ids are hashed by their own bits: they are random, or begin with a time and end randomly.
#[derive(Default)]
pub struct CommandIds {
    confirmed: HashMap<CommandId, Lsn>,
    in_flight: HashMap<CommandId, Lsn>,
    /// Confirmed, and not handed to the saver yet.
    unsaved: Vec<(CommandId, Lsn)>,
}

impl CommandIds {
    /// The record that the command led to, be it in flight.
    pub fn find(&self, id: CommandId) -> Option<Lsn> {
        self.in_flight.get(&id).or_else(|| self.confirmed.get(&id)).copied()
    }

    /// The command's record was appended and is not read back yet.
    pub fn begin(&mut self, id: CommandId, lsn: Lsn) {
        self.in_flight.insert(id, lsn);
    }

    /// The command's record was read back admitted.
    pub fn confirm(&mut self, id: CommandId, lsn: Lsn) {
        self.in_flight.remove(&id);
        if self.confirmed.insert(id, lsn).is_none() {
            self.unsaved.push((id, lsn));
        }
    }

    /// Forgets what is in flight.
    pub fn roll_back(&mut self) {
        self.in_flight.clear();
    }

    /// Takes a saved id in.
    pub fn load(&mut self, id: CommandId, lsn: Lsn) {
        self.confirmed.insert(id, lsn);
    }

    /// Ids confirmed since the last call, to be saved.
    pub fn take_unsaved(&mut self) -> Vec<(CommandId, Lsn)> {
        std::mem::take(&mut self.unsaved)
    }

    /// How many ids are held.
    pub fn len(&self) -> usize {
        self.confirmed.len() + self.in_flight.len()
    }

    /// Whether no id is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_flight_is_found_until_it_is_rolled_back() {
        let mut ids = CommandIds::default();
        ids.begin(CommandId(1), Lsn(5));
        ids.begin(CommandId(2), Lsn(6));
        ids.confirm(CommandId(1), Lsn(5));
        assert_eq!(ids.find(CommandId(2)), Some(Lsn(6)));
        ids.roll_back();
        assert_eq!((ids.find(CommandId(1)), ids.find(CommandId(2))), (Some(Lsn(5)), None));
        assert_eq!(ids.take_unsaved(), vec![(CommandId(1), Lsn(5))]);
        ids.confirm(CommandId(1), Lsn(5));
        assert!(ids.take_unsaved().is_empty());
    }
}
