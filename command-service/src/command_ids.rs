//! Which record each accepted command led to, for ever (W2): what is in flight, and what is confirmed.
//!
//! Confirmed ids lie in an index with files of its own, or, where there is none, in memory and in runs beside the registry's
//! pages.

use event_schemas::header::ChainHead;
use event_schemas::ids::{CommandId, Lsn};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use state_store::id_index::{IdIndex, Merge, SealedIds, WrittenIds};
use state_store::store::{StoreError, TwoRecords};

/// `command_id → lsn`.
#[derive(Default)]
pub struct CommandIds {
    in_flight: HashMap<CommandId, Lsn>,
    confirmed: Confirmed,
}

enum Confirmed {
    /// All in memory; `unsaved` was not handed to the saver yet.
    Memory {
        ids: HashMap<CommandId, Lsn>,
        unsaved: Vec<(CommandId, Lsn)>,
    },
    Index(Box<IdIndex>),
}

impl Default for Confirmed {
    fn default() -> Self {
        Self::Memory { ids: HashMap::new(), unsaved: Vec::new() }
    }
}

impl CommandIds {
    /// Ids in an index with files of its own.
    pub fn in_index(index: IdIndex) -> Self {
        Self { in_flight: HashMap::new(), confirmed: Confirmed::Index(Box::new(index)) }
    }

    /// The record that the command led to, be it in flight.
    pub fn find(&self, id: CommandId) -> Result<Option<Lsn>, StoreError> {
        if let Some(lsn) = self.in_flight.get(&id) {
            return Ok(Some(*lsn));
        }
        match &self.confirmed {
            Confirmed::Memory { ids, .. } => Ok(ids.get(&id).copied()),
            Confirmed::Index(index) => index.get(id),
        }
    }

    /// The command's record was appended and is not read back yet.
    pub fn begin(&mut self, id: CommandId, lsn: Lsn) {
        self.in_flight.insert(id, lsn);
    }

    /// The command's record was read back admitted. If the id stands for another record already, that one stays, and
    /// [`StoreError::TwoRecords`] names both (W2).
    pub fn confirm(&mut self, id: CommandId, lsn: Lsn) -> Result<(), StoreError> {
        // What was begun was looked for before.
        let is_own = self.in_flight.remove(&id) == Some(lsn);
        match &mut self.confirmed {
            Confirmed::Index(index) if is_own => index.add_absent(id, lsn),
            Confirmed::Index(index) => index.add(id, lsn),
            Confirmed::Memory { ids, unsaved } => {
                let is_new = add_to_map(ids, id, lsn)?;
                unsaved.extend(is_new.then_some((id, lsn)));
                Ok(())
            }
        }
    }

    /// Forgets what is in flight.
    pub fn roll_back(&mut self) {
        self.in_flight.clear();
    }

    /// Takes an id in that was saved beside the registry's pages. Errors are those of [`Self::confirm`].
    pub fn load(&mut self, id: CommandId, lsn: Lsn) -> Result<(), StoreError> {
        match &mut self.confirmed {
            Confirmed::Index(index) => index.add(id, lsn),
            Confirmed::Memory { ids, .. } => add_to_map(ids, id, lsn).map(|_| ()),
        }
    }

    /// Ids confirmed since the last call, to be saved beside the registry's pages. None if they have an index.
    pub fn take_unsaved(&mut self) -> Vec<(CommandId, Lsn)> {
        match &mut self.confirmed {
            Confirmed::Memory { unsaved, .. } => std::mem::take(unsaved),
            Confirmed::Index(_) => Vec::new(),
        }
    }

    /// First part of saving the index: everything confirmed up to `lsn`. `None` if there is no index.
    pub fn seal(&mut self, lsn: Lsn, head: ChainHead) -> Result<Option<SealedIds>, StoreError> {
        match &mut self.confirmed {
            Confirmed::Memory { .. } => Ok(None),
            Confirmed::Index(index) => index.seal(lsn, head),
        }
    }

    /// Last part of saving the index.
    pub fn install(&mut self, written: WrittenIds) -> Result<(), StoreError> {
        match &mut self.confirmed {
            Confirmed::Memory { .. } => Ok(()),
            Confirmed::Index(index) => index.install(written),
        }
    }

    /// Runs of the index to be merged, if it is time.
    pub fn plan_merge(&mut self) -> Result<Option<Merge>, StoreError> {
        match &mut self.confirmed {
            Confirmed::Memory { .. } => Ok(None),
            Confirmed::Index(index) => index.plan_merge(),
        }
    }

    /// Puts a merged run in the place of its parts.
    pub fn install_merge(&mut self, merge: Merge) -> Result<(), StoreError> {
        match &mut self.confirmed {
            Confirmed::Memory { .. } => Ok(()),
            Confirmed::Index(index) => index.install_merge(merge),
        }
    }

    /// Whether so many ids wait in memory that the index should be saved.
    pub fn is_due(&self) -> bool {
        matches!(&self.confirmed, Confirmed::Index(index) if index.is_due())
    }

    /// Ids that are only in memory and wait to be saved.
    pub fn unsaved_len(&self) -> usize {
        match &self.confirmed {
            Confirmed::Memory { unsaved, .. } => unsaved.len(),
            Confirmed::Index(index) => index.unsaved_len(),
        }
    }

    /// Bytes in memory, about.
    pub fn memory_bytes(&self) -> usize {
        const ENTRY_BYTES: usize = size_of::<(CommandId, Lsn)>() + 1;
        let confirmed = match &self.confirmed {
            Confirmed::Memory { ids, unsaved } => (ids.capacity() + unsaved.capacity()) * ENTRY_BYTES,
            Confirmed::Index(index) => index.memory_bytes(),
        };
        confirmed + self.in_flight.capacity() * ENTRY_BYTES
    }

    /// Runs of the index that a lookup may have to ask.
    pub fn run_count(&self) -> usize {
        match &self.confirmed {
            Confirmed::Memory { .. } => 0,
            Confirmed::Index(index) => index.run_count(),
        }
    }

    /// How many ids are known, those of the index about.
    pub fn len(&self) -> u64 {
        let confirmed = match &self.confirmed {
            Confirmed::Memory { ids, .. } => ids.len() as u64,
            Confirmed::Index(index) => index.saved_entries(),
        };
        confirmed + self.in_flight.len() as u64
    }

    /// Whether no id is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Whether the id is new.
fn add_to_map(ids: &mut HashMap<CommandId, Lsn>, id: CommandId, lsn: Lsn) -> Result<bool, StoreError> {
    match ids.entry(id) {
        Entry::Vacant(place) => {
            place.insert(lsn);
            Ok(true)
        }
        Entry::Occupied(place) if *place.get() == lsn => Ok(false),
        Entry::Occupied(place) => Err(TwoRecords { id, first: *place.get(), second: lsn }.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stands_for_its_first_record_and_a_second_is_an_error_that_names_both() {
        for mut ids in [CommandIds::default(), CommandIds::in_index(IdIndex::in_memory())] {
            ids.load(CommandId(1), Lsn(5)).unwrap();
            ids.load(CommandId(1), Lsn(5)).unwrap();
            ids.begin(CommandId(2), Lsn(6));
            ids.confirm(CommandId(2), Lsn(6)).unwrap();
            let second = [ids.load(CommandId(1), Lsn(9)), ids.confirm(CommandId(2), Lsn(9))];
            for (outcome, (id, first)) in second.into_iter().zip([(1, 5), (2, 6)]) {
                let Err(StoreError::TwoRecords(two)) = outcome else { panic!("{outcome:?}") };
                assert_eq!((two.id, two.first, two.second), (CommandId(id), Lsn(first), Lsn(9)));
                assert_eq!(ids.find(CommandId(id)).unwrap(), Some(Lsn(first)));
            }
        }
    }

    #[test]
    fn what_is_in_flight_is_found_until_it_is_rolled_back() {
        for mut ids in [CommandIds::default(), CommandIds::in_index(IdIndex::in_memory())] {
            ids.begin(CommandId(1), Lsn(5));
            ids.begin(CommandId(2), Lsn(6));
            ids.confirm(CommandId(1), Lsn(5)).unwrap();
            assert_eq!(ids.find(CommandId(2)).unwrap(), Some(Lsn(6)));
            ids.roll_back();
            assert_eq!(ids.find(CommandId(1)).unwrap(), Some(Lsn(5)));
            assert_eq!(ids.find(CommandId(2)).unwrap(), None);
        }
    }

    #[test]
    fn an_id_is_saved_once() {
        let mut ids = CommandIds::default();
        ids.confirm(CommandId(1), Lsn(5)).unwrap();
        assert_eq!(ids.take_unsaved(), vec![(CommandId(1), Lsn(5))]);
        ids.confirm(CommandId(1), Lsn(5)).unwrap();
        assert!(ids.take_unsaved().is_empty());
    }
}
