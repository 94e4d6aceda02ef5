//! What must always hold, as functions: the follower runs the cheap ones on every entry, [`Auditor`] all of them. `dancu
//! verify` and the simulation run the auditor; the product counts what simulations panic on.

use crate::follower::{self, EntryFault};
use crate::history::{History, InFlightEntries};
use domain::context::Context;
use domain::registry::Registry;
use domain::rules::{IN_FORCE, Rules};
use domain::timeline::slots::Slots;
use domain::{Decision, PinIssuer, TimelineSource, TimelineUnavailable};
use event_log::{Admission, LogSource, Verdict};
use event_schemas::event::EventBody;
use event_schemas::header::{ChainHead, EntryHeader, EntryKind};
use event_schemas::ids::{
    ClaimId, CommandId, EventAddress, Lsn, OfficeId, OfficerId, Position, Term, Version,
};
use event_schemas::operation::PartContent;
use event_schemas::pin::{Pin, PinCell};
use event_schemas::record::{AdmittedEntry, Changes, EntryBody, Record};
use event_schemas::row::{RowRef, StreamRef};
use event_schemas::time::Timestamp;
use event_schemas::{CommandEnvelope, Event};
use hashbrown::HashMap;
use state_store::store::TwoRecords;
use std::sync::Arc;

/// An invariant that does not hold: a defect of the product.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{id} is broken at lsn {lsn}: {what}")]
pub struct Violation {
    /// `W1` … `R3`.
    pub id: &'static str,
    pub lsn: Lsn,
    pub what: String,
}

impl Violation {
    pub fn new(id: &'static str, lsn: Lsn, what: impl Into<String>) -> Self {
        Self { id, lsn, what: what.into() }
    }
}

impl From<TwoRecords> for Violation {
    fn from(two: TwoRecords) -> Self {
        Self::new("W2", two.second, two.to_string())
    }
}

/// W3: every row that the record touches goes from its version to the next, and names the record before.
pub fn check_versions(registry: &Registry, lsn: Lsn, changes: &Changes) -> Result<(), Violation> {
    for touch in &changes.rows {
        let (version, last) = registry.version(touch.row);
        if touch.version != Version(version.0 + 1) || touch.previous != last {
            let what = format!(
                "{} is at {version} since lsn {last}; the record makes it {} after lsn {}",
                touch.row, touch.version, touch.previous
            );
            return Err(Violation::new("W3", lsn, what));
        }
    }
    for event in &changes.events {
        if let EventBody::OperationCommitted(committed) = &event.body
            && let Some(row) = registry.commit_contradicted_by(committed)
        {
            let (version, last) = registry.version(row);
            let what =
                format!("{row} is at {version} since lsn {last}; the commit and its parts say otherwise");
            return Err(Violation::new("W3", lsn, what));
        }
    }
    Ok(())
}

/// W11: the entry states the format that is in force, and holds nothing that needs a later one.
pub fn check_format(registry: &Registry, entry: &AdmittedEntry) -> Result<(), Violation> {
    let in_force = registry.head().format;
    let (stated, needed) = (entry.header.format, entry.body_format());
    if entry.states_format(in_force) && needed <= in_force {
        return Ok(());
    }
    let what =
        format!("format {in_force} is in force; the entry states {stated}, and its body needs {needed}");
    Err(Violation::new("W11", entry.lsn, what))
}

/// W6: the entry stands on the head before it. A claim states none.
pub fn check_chain(before: ChainHead, lsn: Lsn, header: &EntryHeader) -> Result<(), Violation> {
    if header.prev != before {
        return Err(Violation::new("W6", lsn, format!("it was written on {}, not on {before}", header.prev)));
    }
    Ok(())
}

/// W7: terms never go back, and one claim writes in a term.
pub fn check_term(
    (term, claim): (Term, Option<ClaimId>),
    lsn: Lsn,
    header: &EntryHeader,
) -> Result<(), Violation> {
    let holds = match header.kind {
        EntryKind::Genesis => header.term == Term(0),
        EntryKind::Claim => header.term == term.next(),
        _ => header.term == term && Some(header.claim_id) == claim,
    };
    if holds {
        return Ok(());
    }
    let what = format!("an entry of {} by {} follows {term:?} of {claim:?}", header.term.0, header.claim_id);
    Err(Violation::new("W7", lsn, what))
}

/// A recorded decision, on the state before it.
pub struct Recorded<'a> {
    registry: &'a Registry,
    timelines: &'a dyn TimelineSource,
    pub entry: &'a AdmittedEntry,
    pub record: &'a Record,
}

impl Recorded<'_> {
    /// What these rules give for its command. Numbers issued are taken from the record.
    pub fn decide_again(&self, rules: &Rules) -> Decision {
        let Self { registry, timelines, entry, record } = *self;
        let pins = RecordedPins::of(registry, &record.changes.events);
        let context = Context {
            lsn: entry.lsn,
            recorded_at: entry.header.recorded_at,
            rules,
            office: record.office,
            officer: record.officer,
            pins: &pins,
            timelines,
        };
        domain::decide(registry, &record.command, &context)
    }

    /// W4: the record is what the rules of its day give for its command.
    pub fn check(&self) -> Result<(), Violation> {
        let Self { entry, record, .. } = *self;
        let Some(rules) = Rules::of(record.rules) else {
            let what = format!("it was decided by rules {}, which this program does not know", record.rules);
            return Err(Violation::new("W4", entry.lsn, what));
        };
        match self.decide_again(rules) {
            Decision::Accepted(accepted) if accepted.changes == record.changes => Ok(()),
            Decision::Accepted(_) => {
                let kind = record.command.command.name();
                let what = format!("its command ({kind}), decided again, gives other changes");
                Err(Violation::new("W4", entry.lsn, what))
            }
            Decision::Refused(faults) => {
                let codes: Vec<&str> = faults.iter().map(|fault| fault.code.as_str()).collect();
                let what = format!("its command, decided again, is refused: {codes:?}");
                Err(Violation::new("W4", entry.lsn, what))
            }
        }
    }
}

/// Gives the numbers that a record holds.
struct RecordedPins<'a> {
    registry: &'a Registry,
    key_version: u16,
    issued: HashMap<(PinCell, u32), Pin>,
}

impl<'a> RecordedPins<'a> {
    fn of(registry: &'a Registry, events: &[Event]) -> Self {
        let mut pins = Self { registry, key_version: 0, issued: HashMap::new() };
        for event in events {
            match &event.body {
                EventBody::PinIssued(issued) => {
                    pins.key_version = issued.key_version;
                    pins.issued.insert((issued.pin.cell(), issued.draw), issued.pin);
                }
                EventBody::OperationPart(part) => {
                    let PartContent::Pins(staged) = &part.content else { continue };
                    pins.key_version = staged.key_version;
                    for pin in &staged.pins {
                        pins.issued.extend(pin.draw.map(|draw| ((pin.pin.cell(), draw), pin.pin)));
                    }
                }
                _ => {}
            }
        }
        pins
    }
}

impl PinIssuer for RecordedPins<'_> {
    fn key_version(&self) -> u16 {
        self.key_version
    }

    fn serial(&self, cell: PinCell, draw: u32) -> u32 {
        if let Some(pin) = self.issued.get(&(cell, draw)) {
            return pin.serial();
        }
        // A draw that the record did not keep met a number that somebody had: any such number does.
        let is_taken = |serial: &u32| self.registry.lookups().holder_of(cell.pin(*serial)).is_some();
        (0..PinCell::CAPACITY).find(is_taken).unwrap_or(0)
    }
}

/// Reads a whole log and checks every admitted entry against the fold of those before it.
pub struct Auditor {
    admission: Admission,
    registry: Registry,
    commands: HashMap<CommandId, Lsn>,
    past: Past,
}

/// What late facts are judged by.
enum Past {
    Kept(Kept),
    /// Walked through in the log when a late fact needs it.
    InLog(Arc<dyn LogSource>),
}

/// Everything taken in, for logs that fit into memory several times over.
#[derive(Default)]
struct Kept {
    /// Every event, under each row that it names.
    rows: HashMap<RowRef, Vec<(EventAddress, Event)>>,
    /// Where the events of a record are kept: under which row, and which.
    places: HashMap<EventAddress, (RowRef, usize)>,
    /// Digest after every lsn, from 1 on.
    digests: Vec<u128>,
}

/// Timelines are derived from what was recorded alone, never from restatements: so a restatement that is not what follows from the
/// records is found (W4).
impl TimelineSource for Kept {
    fn stream(&self, stream: StreamRef) -> Result<Vec<(EventAddress, Event)>, TimelineUnavailable> {
        let mut slots = Slots::default();
        let recorded = self.rows.get(&stream.row).map_or(&[][..], Vec::as_slice);
        recorded.iter().for_each(|(at, event)| slots.take(*at, event));
        Ok(slots.timeline(stream))
    }

    fn recorded(&self, row: RowRef) -> Result<Vec<(EventAddress, Event)>, TimelineUnavailable> {
        Ok(self.rows.get(&row).cloned().unwrap_or_default())
    }

    fn event(&self, at: EventAddress) -> Result<Option<Event>, TimelineUnavailable> {
        let place = self.places.get(&at);
        Ok(place.map(|(row, place)| self.rows[row][*place].1.clone()))
    }
}

struct NoneInFlight;

impl InFlightEntries for NoneInFlight {
    fn entry(&self, _: Lsn) -> Option<&AdmittedEntry> {
        None
    }
}

impl Past {
    /// Calls `visit` with the timelines up to the state of `registry`.
    fn with_timelines<T>(&self, registry: &Registry, visit: impl FnOnce(&dyn TimelineSource) -> T) -> T {
        match self {
            Self::Kept(kept) => visit(kept),
            Self::InLog(source) => visit(&History::new(registry, &NoneInFlight, &[], &**source)),
        }
    }
}

impl Default for Auditor {
    fn default() -> Self {
        Self::new()
    }
}

impl Auditor {
    /// At the beginning of a log. Keeps every event and every digest in memory.
    pub fn new() -> Self {
        Self::with_past(Past::Kept(Kept::default()))
    }

    /// At the beginning of this log; reads past events from it. Keeps the registry and the ids of commands in memory.
    pub fn of_log(source: Arc<dyn LogSource>) -> Self {
        Self::with_past(Past::InLog(source))
    }

    fn with_past(past: Past) -> Self {
        Self { admission: Admission::new(), registry: Registry::new(), commands: HashMap::new(), past }
    }

    /// The fold of everything taken in.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Admission after everything taken in.
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// The record that the command led to.
    pub fn find(&self, command: CommandId) -> Option<Lsn> {
        self.commands.get(&command).copied()
    }

    /// The digest of the fold up to this lsn, if it was reached and digests are kept.
    pub fn digest_at(&self, lsn: Lsn) -> Option<u128> {
        let Past::Kept(kept) = &self.past else {
            return None;
        };
        let place = lsn.0.checked_sub(1)?;
        kept.digests.get(usize::try_from(place).ok()?).copied()
    }

    /// What the rules give for a command on everything taken in.
    pub fn decide(
        &self,
        (office, officer): (OfficeId, OfficerId),
        recorded_at: Timestamp,
        envelope: &CommandEnvelope,
        pins: &dyn PinIssuer,
    ) -> Decision {
        let lsn = self.registry.head().lsn.next();
        self.past.with_timelines(&self.registry, |timelines| {
            let context = Context { lsn, recorded_at, rules: &IN_FORCE, office, officer, pins, timelines };
            domain::decide(&self.registry, envelope, &context)
        })
    }

    /// Takes the next raw entry in, every decision checked; gives it decoded if it was admitted.
    pub fn take(&mut self, position: Position, bytes: &[u8]) -> Result<Option<AdmittedEntry>, AuditError> {
        self.take_and(position, bytes, |recorded| recorded.check())
    }

    /// Takes the next raw entry in; `judge` is shown each decision before it is folded.
    pub fn take_and(
        &mut self,
        position: Position,
        bytes: &[u8],
        judge: impl FnOnce(&Recorded<'_>) -> Result<(), Violation>,
    ) -> Result<Option<AdmittedEntry>, AuditError> {
        let before = *self.admission.state();
        let Verdict::Admitted { header, lsn } = self.admission.admit(position, bytes) else {
            return Ok(None);
        };
        if lsn != before.last_lsn.next() {
            return Err(Violation::new("W1", lsn, format!("it follows lsn {}", before.last_lsn)).into());
        }
        check_chain(before.head, lsn, &header)?;
        check_term((before.term, before.claim), lsn, &header)?;
        let entry = follower::decode(lsn, header, bytes)?;
        self.check_content(&entry, judge)?;
        self.registry.apply_entry(&entry);
        if let Past::Kept(kept) = &mut self.past {
            kept.digests.push(self.registry.head().digest);
        }
        // Saving is none of the auditor's business, but what it would save must not pile up.
        self.registry.take_lookup_changes();
        Ok(Some(entry))
    }

    fn check_content(
        &mut self,
        entry: &AdmittedEntry,
        judge: impl FnOnce(&Recorded<'_>) -> Result<(), Violation>,
    ) -> Result<(), AuditError> {
        follower::check_digest(&self.registry, entry)?;
        check_format(&self.registry, entry)?;
        if let Some(changes) = entry.changes() {
            check_versions(&self.registry, entry.lsn, changes)?;
        }
        if let EntryBody::Record(record) = &entry.body {
            let command = record.command.command_id;
            if let Some(first) = self.commands.insert(command, entry.lsn) {
                let what = format!("command {command} was accepted before, as lsn {first}");
                return Err(Violation::new("W2", entry.lsn, what).into());
            }
            self.past.with_timelines(&self.registry, |timelines| {
                judge(&Recorded { registry: &self.registry, timelines, entry, record })
            })?;
        }
        if let (Some(changes), Past::Kept(kept)) = (entry.changes(), &mut self.past) {
            kept.take(entry.lsn, changes);
        }
        Ok(())
    }
}

impl Kept {
    fn take(&mut self, lsn: Lsn, changes: &Changes) {
        for (index, event) in changes.events.iter().enumerate() {
            self.keep(EventAddress { lsn, index: index as u32 }, event);
        }
        let committed = changes.events.iter().find_map(|event| match &event.body {
            EventBody::OperationCommitted(committed) => Some(committed),
            _ => None,
        });
        let mut parts: Vec<Lsn> =
            committed.into_iter().flat_map(|it| &it.parts).map(|part| part.lsn).collect();
        parts.dedup();
        for part in parts {
            let Some(EventBody::OperationPart(part)) = self.first_event(part).map(|event| event.body) else {
                continue;
            };
            let PartContent::Corrections(said) = part.content else { continue };
            for (first, item) in said.placed() {
                if committed.is_some_and(|committed| !committed.leaves_out(item)) {
                    item.events_at(lsn, first).for_each(|(at, event)| self.keep(at, event));
                }
            }
        }
    }

    fn first_event(&self, lsn: Lsn) -> Option<Event> {
        let (row, place) = self.places.get(&EventAddress { lsn, index: 0 })?;
        Some(self.rows[row][*place].1.clone())
    }

    fn keep(&mut self, address: EventAddress, event: &Event) {
        event.body.for_each_stream(|row, _| {
            let of_row = self.rows.entry(row).or_default();
            if of_row.last().is_none_or(|(last, _)| *last != address) {
                of_row.push((address, event.clone()));
            }
            self.places.entry(address).or_insert((row, of_row.len() - 1));
        });
    }
}

/// What an audit found.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Broken(#[from] Violation),
    #[error(transparent)]
    Entry(#[from] EntryFault),
}
