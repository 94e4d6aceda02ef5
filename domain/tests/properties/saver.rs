//! A saver that takes its time: pages of one round are encoded while records go on, so they reflect different lsns.

use domain::Registry;
use domain::registry::Head;
use domain::registry::lookups::LookupEntry;
use domain::registry::pages::PageRef;
use event_schemas::ids::Lsn;
use event_schemas::record::AdmittedEntry;
use std::collections::BTreeMap;

/// What is on the disk.
pub struct Saver {
    pages: BTreeMap<PageRef, (Lsn, Vec<u8>)>,
    /// Runs of keys, by where their round began. A restart may begin a round there once more: its run takes the place of the first.
    lookups: BTreeMap<Lsn, Vec<u8>>,
    /// Bytes of the head at which the last complete round began.
    head: Vec<u8>,
    /// Replay begins after this: where the last complete round began, or an earlier one before what is staged.
    begin: Lsn,
    /// The last round that began with nothing staged.
    anchor: Lsn,
    round: Option<Round>,
}

/// A round under way.
struct Round {
    head: Vec<u8>,
    begin: Lsn,
    /// The run of keys, and its place.
    lookups: (Lsn, Vec<u8>),
    /// Pages still to be encoded, none twice.
    pending: Vec<PageRef>,
}

impl Saver {
    /// Saves everything.
    pub fn new(registry: &mut Registry) -> Self {
        let mut saver = Self {
            pages: BTreeMap::new(),
            lookups: BTreeMap::new(),
            head: Vec::new(),
            begin: Lsn::ZERO,
            anchor: Lsn::ZERO,
            round: None,
        };
        saver.begin(registry);
        let all = saver.round.as_ref().map_or(0, |round| round.pending.len());
        saver.encode(registry, all);
        saver
    }

    /// Begins a round if none is under way, and encodes some of its pages.
    pub fn save(&mut self, registry: &mut Registry, pages: usize) {
        if self.round.is_none() {
            self.begin(registry);
        }
        self.encode(registry, pages);
    }

    fn begin(&mut self, registry: &mut Registry) {
        let head = registry.confirmed_head().encode().expect("a head encodes");
        let pending = registry.take_dirty_pages();
        let at = registry.confirmed_head().lsn;
        let mut run = Vec::new();
        for entry in registry.take_lookup_changes() {
            entry.encode_into(&mut run).expect("a key encodes");
        }
        if !registry.holds_staged_rows() {
            self.anchor = at;
        }
        self.round = Some(Round { head, begin: self.anchor, lookups: (at, run), pending });
    }

    fn encode(&mut self, registry: &Registry, pages: usize) {
        let Some(round) = &mut self.round else { return };
        for _ in 0..pages {
            let Some(page) = round.pending.pop() else { break };
            self.pages.insert(page, registry.encode_page(page).expect("a page encodes"));
        }
        if round.pending.is_empty()
            && let Some(Round { head, begin, lookups: (at, run), .. }) = self.round.take()
        {
            (self.head, self.begin) = (head, begin);
            if !run.is_empty() {
                self.lookups.insert(at, run);
            }
        }
    }

    /// The state that the saved pages and the entries since the last complete round lead to. A round under way is
    /// forgotten; what it has saved stays.
    pub fn restart(&mut self, entries: &[AdmittedEntry]) -> Registry {
        self.round = None;
        let head = Head::decode(&self.head).expect("the saved head");
        let mut registry = Registry::new();
        registry.begin_replay(head);
        for (page, (lsn, bytes)) in &self.pages {
            registry.load_page(*page, *lsn, bytes).expect("the saved page");
        }
        for run in self.lookups.values() {
            let mut input = run.as_slice();
            while !input.is_empty() {
                registry.load_lookups([LookupEntry::decode_from(&mut input).expect("a saved key")]);
            }
        }
        for entry in entries.iter().filter(|entry| entry.lsn > self.begin) {
            registry.apply_entry(entry);
        }
        registry.finish_replay();
        registry
    }
}
