//! Keys by which rows are found, and counters. They only grow, and every change is a function of one event, so taking an
//! event in twice changes nothing (R3).

use event_schemas::basis::{LegacyEntry, RegisterEntry, RegisterKind};
use event_schemas::event::{Event, EventBody, Origin};
use event_schemas::ids::{CardId, OfficeId, PersonId};
use event_schemas::operation::PartContent;
use event_schemas::pin::{Pin, PinCell};
use hashbrown::HashMap;
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

/// One register of one office in one year.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Register {
    pub office: OfficeId,
    pub kind: RegisterKind,
    pub year: i16,
}

/// A key and what it led to before (nothing: it is new). Undone in reverse order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LookupChange {
    Pin { pin: Pin, before: Option<u32> },
    Cmnd { number: u32, before: Option<u32> },
    Draws { cell: u32, before: Option<Drawn> },
    Entries { register: Register, before: Option<u32> },
    Legacy { register: Register, number: u32, before: bool },
    Serial { hash: u64, before: Option<u32> },
    Cancelled { pin: Pin, before: bool },
}

/// Keys that one event changes: most change none, a birth three.
pub(super) type LookupChanges = SmallVec<[LookupChange; 4]>;
/// How far a cell's sequence was drawn: the version of the secret key that orders it, and the numbers drawn with it. A new key
/// begins at the beginning, in another order, and passes over the numbers in use.
pub type Drawn = (u16, u32);

/// A key and what it leads to now: how lookups are saved, in runs of what has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LookupEntry {
    Pin(Pin, u32),
    Cmnd(u32, u32),
    Draws(u32, Drawn),
    Entries(Register, u32),
    Legacy(Register, u32),
    Serial(u64, u32),
    Cancelled(Pin),
}

/// All lookups.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Lookups {
    pins: HashMap<u64, u32>,
    cmnds: HashMap<u32, u32>,
    /// How far each cell's sequence was drawn.
    draws: HashMap<u32, Drawn>,
    /// PINs that hold no longer; `pins` still says whose they were.
    cancelled: HashMap<u64, ()>,
    /// Highest number assigned in each register.
    entries: HashMap<Register, u32>,
    legacy: HashMap<(Register, u32), ()>,
    serials: HashMap<u64, u32>,
}

/// Card serials are compared by a 64-bit digest: a false match among 10^8 cards has a chance of 3 in 10 000 and costs
/// another serial, never a wrong acceptance.
fn serial_hash(serial: &str) -> u64 {
    xxh3_64(serial.as_bytes())
}

impl Lookups {
    /// For whom the PIN is given away for good: who has it, had it, or had it staged by an operation. See
    /// [`super::Registry::person_by_pin`] for whom it leads to.
    pub fn holder_of(&self, pin: Pin) -> Option<PersonId> {
        self.pins.get(&pin.number()).copied().map(PersonId)
    }

    /// Whether somebody had the PIN, and has it no longer.
    pub fn is_cancelled(&self, pin: Pin) -> bool {
        self.cancelled.contains_key(&pin.number())
    }

    /// Who first stated the CMND number.
    pub fn person_by_cmnd(&self, number: u32) -> Option<PersonId> {
        self.cmnds.get(&number).copied().map(PersonId)
    }

    /// The card with this serial.
    pub fn card_by_serial(&self, serial: &str) -> Option<CardId> {
        self.serials.get(&serial_hash(serial)).copied().map(CardId)
    }

    /// Numbers drawn so far from the cell with this version of the key.
    pub fn draws(&self, cell: PinCell, key_version: u16) -> u32 {
        match self.draws.get(&cell.packed()) {
            Some((version, draws)) if *version == key_version => *draws,
            _ => 0,
        }
    }

    /// The next number of a register: gap-free, past entries taken over from older books.
    pub fn next_entry(&self, register: Register) -> u32 {
        let mut number = self.entries.get(&register).copied().unwrap_or(0) + 1;
        while self.legacy.contains_key(&(register, number)) {
            number += 1;
        }
        number
    }

    /// Whether the register has the entry already.
    pub fn entry_taken(&self, register: Register, number: u32) -> bool {
        self.legacy.contains_key(&(register, number))
            || number <= self.entries.get(&register).copied().unwrap_or(0)
    }

    /// Takes an event's keys in; changes are appended to `journal`.
    pub(super) fn fold(&mut self, event: &Event, journal: &mut LookupChanges) {
        match &event.body {
            EventBody::PersonRegistered(e) => {
                for number in e.data.documents.iter().filter_map(|document| document.cmnd_number()) {
                    if !self.cmnds.contains_key(&number) {
                        self.cmnds.insert(number, e.person.0);
                        journal.push(LookupChange::Cmnd { number, before: None });
                    }
                }
                if let Origin::Birth(birth) = &e.origin {
                    self.fold_entry(birth.entry, birth.legacy, journal);
                }
            }
            EventBody::DeathRegistered(e) => {
                self.fold_entry(e.entry, e.legacy, journal);
            }
            EventBody::MarriageRegistered(e) => {
                self.fold_entry(e.entry, e.legacy, journal);
            }
            EventBody::PinIssued(e) => {
                self.insert_pin(e.pin, e.person, journal);
                self.fold_draw(e.pin, (e.key_version, e.draw + 1), journal);
            }
            EventBody::OperationPart(e) => {
                // Reserved for good, whatever becomes of the operation (W9).
                let PartContent::Pins(staged) = &e.content else { return };
                for pin in &staged.pins {
                    let Some(draw) = pin.draw else { continue };
                    self.insert_pin(pin.pin, pin.person, journal);
                    self.fold_draw(pin.pin, (staged.key_version, draw + 1), journal);
                }
            }
            EventBody::PinCancelled(e) => {
                let before = self.cancelled.insert(e.pin.number(), ()).is_some();
                journal.push(LookupChange::Cancelled { pin: e.pin, before });
            }
            EventBody::PinAccepted(e) => self.insert_pin(e.pin, e.person, journal),
            EventBody::CardProduced(e) => {
                let hash = serial_hash(e.serial.as_str());
                let before = self.serials.insert(hash, e.card.0);
                journal.push(LookupChange::Serial { hash, before });
            }
            _ => {}
        }
    }

    fn insert_pin(&mut self, pin: Pin, person: PersonId, journal: &mut LookupChanges) {
        let before = self.pins.insert(pin.number(), person.0);
        journal.push(LookupChange::Pin { pin, before });
    }

    fn fold_draw(&mut self, pin: Pin, drawn: Drawn, journal: &mut LookupChanges) {
        let cell = pin.cell().packed();
        let before = self.draws.get(&cell).copied();
        if before.is_none_or(|before| before < drawn) {
            self.draws.insert(cell, drawn);
            journal.push(LookupChange::Draws { cell, before });
        }
    }

    fn fold_entry(&mut self, entry: RegisterEntry, legacy: Option<LegacyEntry>, journal: &mut LookupChanges) {
        let register = Register { office: entry.office, kind: entry.register, year: entry.year };
        if legacy.is_some() {
            let before = self.legacy.insert((register, entry.number), ()).is_some();
            journal.push(LookupChange::Legacy { register, number: entry.number, before });
            return;
        }
        let before = self.entries.get(&register).copied();
        if before.unwrap_or(0) < entry.number {
            self.entries.insert(register, entry.number);
            journal.push(LookupChange::Entries { register, before });
        }
    }

    /// Takes one change back.
    pub(super) fn undo(&mut self, change: LookupChange) {
        fn set<K: std::hash::Hash + Eq, V>(map: &mut HashMap<K, V>, key: K, before: Option<V>) {
            match before {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        match change {
            LookupChange::Pin { pin, before } => set(&mut self.pins, pin.number(), before),
            LookupChange::Cmnd { number, before } => set(&mut self.cmnds, number, before),
            LookupChange::Draws { cell, before } => set(&mut self.draws, cell, before),
            LookupChange::Entries { register, before } => set(&mut self.entries, register, before),
            LookupChange::Legacy { register, number, before } => {
                if !before {
                    self.legacy.remove(&(register, number));
                }
            }
            LookupChange::Serial { hash, before } => set(&mut self.serials, hash, before),
            LookupChange::Cancelled { pin, before } => {
                if !before {
                    self.cancelled.remove(&pin.number());
                }
            }
        }
    }

    /// What an event alone makes of its keys.
    pub(super) fn entries_of(event: &Event) -> Vec<LookupEntry> {
        let (mut alone, mut changes) = (Self::default(), LookupChanges::new());
        alone.fold(event, &mut changes);
        changes.into_iter().map(|change| alone.entry(change)).collect()
    }

    /// What a changed key leads to now.
    pub(super) fn entry(&self, change: LookupChange) -> LookupEntry {
        match change {
            LookupChange::Pin { pin, .. } => LookupEntry::Pin(pin, self.pins[&pin.number()]),
            LookupChange::Cmnd { number, .. } => LookupEntry::Cmnd(number, self.cmnds[&number]),
            LookupChange::Draws { cell, .. } => LookupEntry::Draws(cell, self.draws[&cell]),
            LookupChange::Entries { register, .. } => LookupEntry::Entries(register, self.entries[&register]),
            LookupChange::Legacy { register, number, .. } => LookupEntry::Legacy(register, number),
            LookupChange::Serial { hash, .. } => LookupEntry::Serial(hash, self.serials[&hash]),
            LookupChange::Cancelled { pin, .. } => LookupEntry::Cancelled(pin),
        }
    }

    /// Takes a saved entry in. Counters keep the highest, first holders stay first, so order and repetition do not matter.
    pub(super) fn load(&mut self, entry: LookupEntry) {
        match entry {
            LookupEntry::Pin(pin, person) => {
                self.pins.insert(pin.number(), person);
            }
            LookupEntry::Cmnd(number, person) => {
                self.cmnds.entry(number).or_insert(person);
            }
            LookupEntry::Draws(cell, drawn) => raise(&mut self.draws, cell, drawn),
            LookupEntry::Cancelled(pin) => {
                self.cancelled.insert(pin.number(), ());
            }
            LookupEntry::Entries(register, number) => raise(&mut self.entries, register, number),
            LookupEntry::Legacy(register, number) => {
                self.legacy.insert((register, number), ());
            }
            LookupEntry::Serial(hash, card) => {
                self.serials.insert(hash, card);
            }
        }
    }

    /// Bytes in memory, about: keys, values and the tables' spare room.
    pub fn memory_bytes(&self) -> usize {
        fn of<K, V>(map: &HashMap<K, V>) -> usize {
            map.capacity() * (size_of::<(K, V)>() + 1) * 8 / 7
        }
        of(&self.pins)
            + of(&self.cmnds)
            + of(&self.draws)
            + of(&self.entries)
            + of(&self.legacy)
            + of(&self.serials)
            + of(&self.cancelled)
    }
}

fn raise<K: std::hash::Hash + Eq, V: Copy + Ord>(map: &mut HashMap<K, V>, key: K, value: V) {
    let highest = map.entry(key).or_insert(value);
    *highest = value.max(*highest);
}
