//! Explores the real admission exhaustively within small bounds: nodes that claim, write ahead of what they have read,
//! and do not even check that the term they write in is theirs, over a network that loses (never delivers), delays,
//! reorders and duplicates. Safety must rest on admission alone. Two broken variants show that the model can fail.

use crate::{Admission, AdmissionState, DropReason, Verdict};
use event_schemas::header::{ChainHead, EntryHeader, EntryKind, encode_entry};
use event_schemas::ids::{ClaimId, KeyId, Lsn, Position, Term};
use event_schemas::time::Timestamp;
use stateright::{Checker, Model, Property};
use std::collections::BTreeMap;

/// The admission under test, or a broken variant of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Variant {
    Real,
    /// Takes an entry of the current term from any claim.
    IgnoresClaimId,
    /// Takes an entry of the current claim wherever it was written.
    IgnoresPlace,
}

impl Variant {
    /// What this variant lets the real admission see of an entry.
    fn disguise(self, state: &AdmissionState, entry: &[u8]) -> Vec<u8> {
        let Ok(mut header) = EntryHeader::of_entry(entry) else {
            return entry.to_vec();
        };
        if matches!(header.kind, EntryKind::Record) {
            match self {
                Self::Real => {}
                Self::IgnoresClaimId => header.claim_id = state.claim.unwrap_or_default(),
                Self::IgnoresPlace => {
                    header.lsn = state.last_lsn.next();
                    header.prev = state.head;
                }
            }
        }
        encode_entry(header, event_schemas::header::body_of(entry))
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Node {
    admission: Admission,
    /// The claim it made last.
    claimed: Option<(Term, ClaimId)>,
    /// Where its own last, perhaps still unread, record ends: term, lsn, head.
    draft: Option<(Term, Lsn, ChainHead)>,
    claims: u8,
    records: u8,
}

/// An admitted entry as a reader of everything sees it: what its own bytes state.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Fact {
    kind: u8,
    term: Term,
    claim_id: ClaimId,
    stated_lsn: Lsn,
    stated_prev: ChainHead,
    entry: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct System {
    nodes: Vec<Node>,
    /// Sent and not (all) arrived, in an order that means nothing.
    network: Vec<Vec<u8>>,
    log: Vec<Vec<u8>>,
    copies: u8,
    /// Reads everything at once.
    judge: Admission,
    facts: Vec<Fact>,
    /// The judge's state after each raw entry.
    judged: Vec<AdmissionState>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Action {
    Claim(usize),
    Write(usize),
    Read(usize),
    Deliver(usize),
    DeliverCopy(usize),
}

struct Bounds {
    nodes: usize,
    claims_per_node: u8,
    records_per_node: u8,
    copies: u8,
    variant: Variant,
}

fn header(kind: EntryKind, term: Term, claim_id: ClaimId, lsn: Lsn, prev: ChainHead) -> EntryHeader {
    let recorded_at = Timestamp(0);
    EntryHeader { kind, format: 0, term, claim_id, lsn, prev, recorded_at, key_id: KeyId(0), body_len: 0 }
}

impl Bounds {
    fn admit(&self, admission: &mut Admission, entry: &[u8]) -> Verdict {
        let seen = self.variant.disguise(admission.state(), entry);
        admission.admit(admission.state().next, &seen)
    }

    fn arrive(&self, system: &mut System, entry: Vec<u8>) {
        if let Verdict::Admitted { .. } = self.admit(&mut system.judge, &entry) {
            let header = EntryHeader::of_entry(&entry).expect("an admitted entry has a header");
            system.facts.push(Fact {
                kind: header.kind as u8,
                term: header.term,
                claim_id: header.claim_id,
                stated_lsn: header.lsn,
                stated_prev: header.prev,
                entry: entry.clone(),
            });
        }
        system.judged.push(*system.judge.state());
        system.log.push(entry);
    }

    fn claim(&self, system: &mut System, at: usize) {
        let node = &mut system.nodes[at];
        let term = node.admission.state().term.next();
        let claim_id = ClaimId((at as u128 + 1) << 8 | u128::from(node.claims));
        node.claims += 1;
        node.claimed = Some((term, claim_id));
        system
            .network
            .push(encode_entry(header(EntryKind::Claim, term, claim_id, Lsn(0), ChainHead::EMPTY), b""));
    }

    fn write(&self, system: &mut System, at: usize) {
        let node = &mut system.nodes[at];
        let read = *node.admission.state();
        let (_, claim_id) = node.claimed.expect("only a claimer writes");
        let (lsn, prev) = match node.draft {
            Some((term, lsn, head)) if term == read.term && lsn > read.last_lsn => (lsn, head),
            _ => (read.last_lsn, read.head),
        };
        let body = [at as u8, node.records];
        let entry = encode_entry(header(EntryKind::Record, read.term, claim_id, lsn.next(), prev), &body);
        node.records += 1;
        node.draft = Some((read.term, lsn.next(), prev.extend(&entry)));
        system.network.push(entry);
    }
}

impl Model for Bounds {
    type State = System;
    type Action = Action;

    fn init_states(&self) -> Vec<System> {
        let node = Node { admission: Admission::new(), claimed: None, draft: None, claims: 0, records: 0 };
        let mut system = System {
            nodes: vec![node; self.nodes],
            network: Vec::new(),
            log: Vec::new(),
            copies: 0,
            judge: Admission::new(),
            facts: Vec::new(),
            judged: Vec::new(),
        };
        let genesis =
            encode_entry(header(EntryKind::Genesis, Term(0), ClaimId(0), Lsn(1), ChainHead::EMPTY), b"");
        for node in &mut system.nodes {
            node.admission.admit(Position(0), &genesis);
        }
        self.arrive(&mut system, genesis);
        vec![system]
    }

    fn actions(&self, system: &System, actions: &mut Vec<Action>) {
        for (at, node) in system.nodes.iter().enumerate() {
            let state = node.admission.state();
            if node.claims < self.claims_per_node {
                actions.push(Action::Claim(at));
            }
            // Nodes only compare terms: whether the claim is theirs is left to admission.
            if node.records < self.records_per_node
                && node.claimed.is_some_and(|(term, _)| term == state.term)
            {
                actions.push(Action::Write(at));
            }
            if (state.next.0 as usize) < system.log.len() {
                actions.push(Action::Read(at));
            }
        }
        for at in 0..system.network.len() {
            actions.push(Action::Deliver(at));
            if system.copies < self.copies {
                actions.push(Action::DeliverCopy(at));
            }
        }
    }

    fn next_state(&self, last: &System, action: Action) -> Option<System> {
        let mut system = last.clone();
        match action {
            Action::Claim(at) => self.claim(&mut system, at),
            Action::Write(at) => self.write(&mut system, at),
            Action::Read(at) => {
                let next = system.nodes[at].admission.state().next.0 as usize;
                for entry in &last.log[next..] {
                    self.admit(&mut system.nodes[at].admission, entry);
                }
            }
            Action::Deliver(at) => {
                let entry = system.network.swap_remove(at);
                self.arrive(&mut system, entry);
            }
            Action::DeliverCopy(at) => {
                system.copies += 1;
                self.arrive(&mut system, last.network[at].clone());
            }
        }
        system.network.sort();
        Some(system)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("W7: one claim writes in a term", one_claim_a_term),
            Property::always("W7: terms never go back", |_, system: &System| {
                system.facts.is_sorted_by_key(|fact| fact.term)
            }),
            Property::always("W6: the chain never breaks", chain_is_whole),
            Property::always("readers of the same entries agree", |_, system: &System| {
                system.nodes.iter().all(|node| {
                    let state = node.admission.state();
                    system.judged[state.next.0 as usize - 1] == *state
                })
            }),
            Property::sometimes("records in two terms", |_, system: &System| {
                let terms = system.facts.iter().filter(|fact| fact.kind == 0).map(|fact| fact.term.0);
                terms.clone().min() < terms.max()
            }),
            Property::sometimes("a late record of a past leader falls out", |_, system: &System| {
                system.judge.drops().of(DropReason::TermOver) > 0
            }),
            Property::sometimes("a lost record voids its successor", |_, system: &System| {
                system.judge.drops().of(DropReason::LsnAhead) > 0
            }),
            Property::sometimes("a duplicate falls out", |_, system: &System| {
                system.judge.drops().of(DropReason::LsnTaken) > 0
            }),
            Property::sometimes("one of two simultaneous claims falls out", |_, system: &System| {
                system.judge.drops().of(DropReason::ClaimTermTaken) > 0
            }),
            Property::sometimes("a loser's record falls out", |_, system: &System| {
                system.judge.drops().of(DropReason::ClaimNotCurrent) > 0
            }),
        ]
    }
}

fn one_claim_a_term(_: &Bounds, system: &System) -> bool {
    let mut claims = BTreeMap::new();
    system.facts.iter().all(|fact| *claims.entry(fact.term).or_insert(fact.claim_id) == fact.claim_id)
}

/// Recomputed from the facts' own bytes, not from what admission says of them.
fn chain_is_whole(_: &Bounds, system: &System) -> bool {
    let mut head = ChainHead::EMPTY;
    for (at, fact) in system.facts.iter().enumerate() {
        let is_claim = fact.kind == EntryKind::Claim as u8;
        let continues = fact.stated_prev == head && fact.stated_lsn == Lsn(at as u64 + 1);
        if !is_claim && !continues {
            return false;
        }
        head = head.extend(&fact.entry);
    }
    system.judge.state().last_lsn == Lsn(system.facts.len() as u64)
}

/// Explores everything within the bounds and gives the names of the properties that were decided by an example:
/// those that hold always and were violated, and those that hold sometimes.
fn examples(bounds: Bounds) -> Vec<&'static str> {
    let checker = bounds.checker().threads(2).spawn_bfs().join();
    println!("{} states, depth {}", checker.unique_state_count(), checker.max_depth());
    let mut names: Vec<_> = checker.discoveries().into_keys().collect();
    names.sort_unstable();
    names
}

/// What must be reachable within the bounds, or the exploration shows nothing.
const WITHOUT_PIPELINING: [&str; 4] = [
    "a late record of a past leader falls out",
    "a loser's record falls out",
    "one of two simultaneous claims falls out",
    "records in two terms",
];

#[test]
fn two_nodes_that_write_ahead_over_a_network_that_duplicates_never_break_the_log() {
    let bounds =
        Bounds { nodes: 2, claims_per_node: 1, records_per_node: 2, copies: 1, variant: Variant::Real };
    assert_eq!(
        examples(bounds),
        [
            "a duplicate falls out",
            "a late record of a past leader falls out",
            "a loser's record falls out",
            "a lost record voids its successor",
            "one of two simultaneous claims falls out",
            "records in two terms",
        ]
    );
}

#[test]
fn two_nodes_that_take_over_from_each_other_again_and_again_never_break_the_log() {
    let bounds =
        Bounds { nodes: 2, claims_per_node: 2, records_per_node: 1, copies: 0, variant: Variant::Real };
    assert_eq!(examples(bounds), WITHOUT_PIPELINING);
}

#[test]
fn three_nodes_that_claim_at_once_never_break_the_log() {
    let bounds =
        Bounds { nodes: 3, claims_per_node: 1, records_per_node: 1, copies: 0, variant: Variant::Real };
    assert_eq!(examples(bounds), WITHOUT_PIPELINING);
}

#[test]
fn an_admission_that_ignores_the_claim_id_is_caught() {
    let variant = Variant::IgnoresClaimId;
    let found = examples(Bounds { nodes: 2, claims_per_node: 1, records_per_node: 1, copies: 0, variant });
    assert!(found.contains(&"W7: one claim writes in a term"), "{found:?}");
}

#[test]
fn an_admission_that_ignores_the_place_is_caught() {
    let variant = Variant::IgnoresPlace;
    let found = examples(Bounds { nodes: 2, claims_per_node: 1, records_per_node: 2, copies: 0, variant });
    assert!(found.contains(&"W6: the chain never breaks"), "{found:?}");
}
