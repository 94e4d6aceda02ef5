//! A decision in the making: what every family of commands needs to name things, judge dates and collect faults.

use crate::context::Context;
use crate::refusal::Code;
use crate::registry::Registry;
use crate::registry::rows::{FLAG_VIETNAMESE, PersonRow};
use crate::rules::Rules;
use crate::timeline::restate;
use event_schemas::basis::BasisKind;
use event_schemas::command::{Command, CommandEnvelope};
use event_schemas::correction::CorrectionEffect;
use event_schemas::defect::DefectKind;
use event_schemas::document::cmnd_number;
use event_schemas::event::{DefectNoted, Event, EventBody};
use event_schemas::guarded::Confidentiality;
use event_schemas::ids::{
    CardId, DossierId, DwellingId, EventAddress, HouseholdId, KeyId, OfficeId, OperationId, PersonId, UnitId,
    Version,
};
use event_schemas::outcome::Fault;
use event_schemas::person::{LegalCapacity, PersonRef};
use event_schemas::record::{Changes, MAX_EVENTS, Restatement};
use event_schemas::row::{Aspect, RowRef, RowTouch, StreamRef};
use event_schemas::time::{Date, PartialDate};
use std::fmt::Display;

/// The office number of the registry's own authority: it registers units and offices, and is competent everywhere.
pub const OPERATOR: OfficeId = OfficeId(0);

/// Events of an ordinary command: growing step by step would move them several times.
const USUAL_EVENTS: usize = 4;

/// What was decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    Accepted(Accepted),
    /// Every fault at once.
    Refused(Vec<Fault>),
}

/// The changes to append.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accepted {
    pub changes: Changes,
    /// What the office should know all the same.
    pub notes: Vec<Fault>,
    /// What a correction changes, for its dry run.
    pub correction: Option<Box<CorrectionEffect>>,
    /// In a dry run what the correction would record; of a proposal, what its approval would, the proposal's own end aside.
    pub foreseen: Option<Box<Changes>>,
}

/// A decision in the making.
pub(crate) struct Deciding<'a> {
    pub registry: &'a Registry,
    pub envelope: &'a CommandEnvelope,
    pub context: &'a Context<'a>,
    /// The opened day.
    pub today: Date,
    /// Numbers that this record hands out so far.
    pub next_person: PersonId,
    pub next_household: HouseholdId,
    pub next_card: CardId,
    pub next_dossier: DossierId,
    pub next_dwelling: DwellingId,
    pub next_unit: UnitId,
    events: Vec<Event>,
    late: Vec<StreamRef>,
    restated: Vec<Restatement>,
    /// Rows that the record changes by what takes effect with it, beside those of its own events.
    further_rows: Vec<RowTouch>,
    correction: Option<Box<CorrectionEffect>>,
    foreseen: Option<Box<Changes>>,
    faults: Vec<Fault>,
    notes: Vec<Fault>,
}

impl<'a> Deciding<'a> {
    pub fn new(
        registry: &'a Registry,
        envelope: &'a CommandEnvelope,
        context: &'a Context<'a>,
        today: Date,
    ) -> Self {
        let head = registry.head();
        Self {
            registry,
            envelope,
            context,
            today,
            next_person: head.persons,
            next_household: head.households,
            next_card: head.cards,
            next_dossier: head.dossiers,
            next_dwelling: head.dwellings,
            next_unit: head.units,
            events: Vec::with_capacity(USUAL_EVENTS),
            late: Vec::new(),
            restated: Vec::new(),
            further_rows: Vec::new(),
            correction: None,
            foreseen: None,
            faults: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Hands out the next number of a kind, such as `deciding.new_person()`.
    pub fn new_person(&mut self) -> PersonId {
        self.next_person = self.next_person.next();
        self.next_person
    }

    pub fn new_household(&mut self) -> HouseholdId {
        self.next_household = self.next_household.next();
        self.next_household
    }

    pub fn new_dwelling(&mut self) -> DwellingId {
        self.next_dwelling = self.next_dwelling.next();
        self.next_dwelling
    }

    /// The next number of an operation; a record opens one.
    pub fn new_operation(&self) -> OperationId {
        self.registry.head().operations.next()
    }

    pub fn new_unit(&mut self) -> UnitId {
        self.next_unit = self.next_unit.next();
        self.next_unit
    }

    /// Whether anything stands against the command so far.
    pub fn is_refused(&self) -> bool {
        !self.faults.is_empty()
    }

    /// The facts that follow so far.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Adds a fact that follows.
    pub fn emit(&mut self, effective_on: impl Into<PartialDate>, body: EventBody) {
        self.events.push(Event {
            effective_on: effective_on.into(),
            basis: 0,
            class: Confidentiality::Basic,
            key_id: KeyId::NONE,
            body,
        });
    }

    /// Adds an event that is more than a fact of the basic class.
    pub fn emit_event(&mut self, event: Event) {
        self.events.push(event);
    }

    /// The record will carry these timelines.
    pub fn restate(&mut self, restated: Vec<Restatement>) {
        self.restated.extend(restated);
    }

    /// The record will change these rows by these timelines: its own events name none of them.
    pub fn restate_rows(&mut self, rows: Vec<RowTouch>, restated: Vec<Restatement>) {
        self.further_rows.extend(rows);
        self.restated.extend(restated);
    }

    /// Nothing of what was decided so far follows; what it would change is still told.
    pub fn take_back_events(&mut self) {
        self.events.clear();
        self.restated.clear();
        self.late.clear();
    }

    /// What the command changes, as told.
    pub fn told(&self) -> Option<&CorrectionEffect> {
        self.correction.as_deref()
    }

    /// Judges apart what else stands against the command: gives what is found against this alone.
    pub fn apart<T>(&mut self, judge: impl FnOnce(&mut Self) -> T) -> (T, Vec<Fault>) {
        let faults = std::mem::take(&mut self.faults);
        let judged = judge(self);
        (judged, std::mem::replace(&mut self.faults, faults))
    }

    /// Adds faults that were found apart.
    pub fn add_faults(&mut self, faults: Vec<Fault>) {
        self.faults.extend(faults);
    }

    /// Faults of a part that is judged as if it were a command name it as this command does.
    pub fn rename_fields(&mut self, from: &str, to: &str) {
        for field in self.faults.iter_mut().filter_map(|fault| fault.field.as_mut()) {
            if let Some(rest) = field.strip_prefix(from) {
                *field = format!("{to}{rest}");
            }
        }
    }

    /// What the command changes, should it be a dry run.
    pub fn tell(&mut self, effect: CorrectionEffect) {
        self.correction = Some(Box::new(effect));
        if self.envelope.dry_run {
            self.foreseen = Some(Box::new(Changes {
                bases: vec![self.envelope.basis.clone()],
                events: self.events.clone(),
                rows: self.touches(),
                restatements: self.restated.clone(),
            }));
        }
    }

    /// Adds a fault with the facts that stand against the command.
    pub fn fault_about(
        &mut self,
        code: Code,
        field: impl Display + Copy,
        particulars: &[&dyn Display],
        events: Vec<EventAddress>,
    ) {
        let mut fault = code.fault(Some(field.to_string()), particulars);
        fault.events = events;
        self.faults.push(fault);
    }

    /// Adds a fault.
    pub fn fault(&mut self, code: Code, field: impl Display + Copy, particulars: &[&dyn Display]) {
        self.faults.push(code.fault(Some(field.to_string()), particulars));
    }

    /// Adds a fault with the row that stands against the command.
    pub fn fault_with(
        &mut self,
        code: Code,
        field: impl Display + Copy,
        particulars: &[&dyn Display],
        row: RowRef,
    ) {
        let mut fault = code.fault(Some(field.to_string()), particulars);
        fault.rows.push(row);
        self.faults.push(fault);
    }

    /// A flaggable rule is broken: a defect if it is overridden, else a fault.
    pub fn flag(
        &mut self,
        code: Code,
        field: impl Display + Copy,
        particulars: &[&dyn Display],
        row: RowRef,
        defect: DefectKind,
    ) {
        debug_assert!(code.is_flaggable(), "{code:?} cannot be overridden");
        if self.is_overridden(code) {
            self.emit(self.today, EventBody::DefectNoted(DefectNoted { row, defect }));
        } else {
            self.fault_with(code, field, particulars, row);
        }
    }

    fn is_overridden(&self, code: Code) -> bool {
        self.envelope.overrides.iter().any(|rule| rule.as_str() == code.as_str())
    }

    /// Legacy data may have gaps, and a court may decide against a rule.
    pub fn may_override(&self) -> bool {
        matches!(self.envelope.command, Command::EnrolPerson(_) | Command::EnrolHousehold(_))
            || self.envelope.basis.kind == BasisKind::Court
    }

    /// The person that a reference finds.
    pub fn find_person(&self, reference: &PersonRef) -> Option<PersonId> {
        let found = match reference {
            PersonRef::PersonId(id) => Some(*id),
            PersonRef::Pin(pin) => self.registry.person_by_pin(*pin),
            PersonRef::Cmnd(number) => {
                cmnd_number(number.as_str()).and_then(|number| self.registry.lookups().person_by_cmnd(number))
            }
        };
        found.filter(|id| self.registry.person(*id).is_some())
    }

    /// The person that the command names.
    pub fn person(&mut self, reference: &PersonRef, field: impl Display + Copy) -> Option<PersonId> {
        let found = self.find_person(reference);
        let Some(id) = found else {
            self.fault(Code::UnknownPerson, field, &[&Named(reference)]);
            return None;
        };
        if !self.row(id).is_registered() {
            self.fault(Code::RegistrationAnnulled, field, &[&Named(reference)]);
            return None;
        }
        if let PersonRef::Pin(pin) = reference {
            if self.row(id).pin.get() != pin.number() {
                self.notes.push(Code::CancelledPin.fault(Some(field.to_string()), &[pin]));
            }
        }
        Some(id)
    }

    /// The person that the command names, alive on the day.
    pub fn living_person(
        &mut self,
        reference: &PersonRef,
        on: Date,
        field: impl Display + Copy,
    ) -> Option<PersonId> {
        let id = self.person(reference, field)?;
        self.check_living(id, on, field).then_some(id)
    }

    /// Faults unless the person is born and alive on the day.
    pub fn check_living(&mut self, id: PersonId, on: Date, field: impl Display + Copy) -> bool {
        let row = self.row(id);
        if row.died != 0 {
            self.fault_with(Code::PersonDead, field, &[&id], RowRef::Person(id));
            return false;
        }
        if PartialDate::from_packed(row.birth).is_some_and(|birth| on < birth.earliest()) {
            self.fault_with(Code::DateBeforeBirth, field, &[&on], RowRef::Person(id));
            return false;
        }
        true
    }

    /// The row of a person whom [`Self::person`] found.
    pub fn row(&self, id: PersonId) -> &'a PersonRow {
        self.registry.person(id).expect("a person is named only after it was found")
    }

    /// The household that the command names, if it exists still.
    pub fn household(&mut self, id: HouseholdId, field: impl Display + Copy) -> Option<HouseholdId> {
        match self.registry.household(id) {
            None => {
                self.fault(Code::UnknownHousehold, field, &[&id]);
                None
            }
            Some(row) if !row.is_open() => {
                self.fault_with(Code::HouseholdEnded, field, &[&id], RowRef::Household(id));
                None
            }
            Some(_) => Some(id),
        }
    }

    /// Faults if the day is not opened yet.
    pub fn check_not_future(&mut self, date: Date, field: impl Display + Copy) {
        let today = self.today;
        if date > today {
            self.fault(Code::DateInFuture, field, &[&date, &today]);
        }
    }

    /// Faults if the stream already holds facts of a later day: those would have to be judged anew.
    pub fn check_no_later(&mut self, row: RowRef, since: i32, effective: Date, field: impl Display + Copy) {
        if since > effective.0 {
            self.fault_with(Code::LaterFactsExist, field, &[&row, &effective, &Date(since)], row);
        }
    }

    /// The event about to be emitted for this stream is earlier than others of it: the record will carry the
    /// stream's restatement.
    pub fn restate_if_late(&mut self, row: RowRef, aspect: Aspect, since: i32, effective: Date) {
        let stream = StreamRef { row, aspect };
        if since > effective.0 && !self.late.contains(&stream) {
            self.late.push(stream);
        }
    }

    /// Faults if a list is empty or longer than allowed.
    pub fn check_count(&mut self, count: usize, max: usize, field: impl Display + Copy) -> bool {
        if count == 0 {
            self.fault(Code::EmptyList, field, &[]);
        }
        if count > max {
            self.fault(Code::TooMany, field, &[&count, &max]);
        }
        (1..=max).contains(&count)
    }

    /// Whether a registered person has full legal capacity on the day, see [`has_full_capacity`].
    pub fn has_capacity(&self, id: PersonId, on: Date) -> bool {
        let row = self.row(id);
        PartialDate::from_packed(row.birth)
            .is_some_and(|birth| has_full_capacity(self.context.rules, birth, row.capacity, on))
    }

    /// Whether the person is a citizen of Viet Nam.
    pub fn is_vietnamese(&self, id: PersonId) -> bool {
        self.row(id).flags & FLAG_VIETNAMESE != 0
    }

    /// The record's changes, or every fault.
    pub fn finish(mut self) -> Decision {
        if !self.faults.is_empty() {
            return Decision::Refused(self.faults);
        }
        self.check_size(self.events.len());
        let rows = self.touches();
        let restatements = match self.restatements() {
            Ok(restatements) => restatements,
            Err(_) => {
                self.fault(Code::HistoryUnavailable, "command", &[]);
                return Decision::Refused(self.faults);
            }
        };
        for restatement in &restatements {
            self.check_size(restatement.timeline.len());
        }
        if !self.faults.is_empty() {
            return Decision::Refused(self.faults);
        }
        let bases = vec![self.envelope.basis.clone()];
        // A record lives until it is read back, thousands with it; room for events that did not come would be most of it.
        self.events.shrink_to_fit();
        Decision::Accepted(Accepted {
            changes: Changes { bases, events: self.events, rows, restatements },
            notes: self.notes,
            correction: self.correction,
            foreseen: self.foreseen,
        })
    }

    /// A record is bounded (O1); what is larger is done in parts.
    fn check_size(&mut self, count: usize) {
        if count > MAX_EVENTS {
            self.fault(Code::TooMany, "command", &[&count, &MAX_EVENTS]);
        }
    }

    /// Every row that the command changes so far.
    pub fn touches(&self) -> Vec<RowTouch> {
        let mut touches = [touches_of(self.registry, &self.events), self.further_rows.clone()].concat();
        touches.sort_unstable_by_key(|touch| touch.row);
        touches
    }

    fn restatements(&self) -> Result<Vec<Restatement>, crate::context::TimelineUnavailable> {
        let mut restatements = self.restated.clone();
        for stream in &self.late {
            let recorded = self.context.timelines.stream(*stream)?;
            let late = self.events.iter().enumerate().filter_map(|(index, event)| {
                let mut belongs = false;
                event
                    .body
                    .for_each_stream(|row, aspect| belongs |= row == stream.row && aspect == stream.aspect);
                let address = EventAddress { lsn: self.context.lsn, index: index as u32 };
                belongs.then(|| (address, event.clone()))
            });
            restatements.push(restate(*stream, recorded, late));
        }
        Ok(restatements)
    }
}

/// Whether somebody may head a household on the day: of age, and no court has decided otherwise. That somebody was stated as
/// a minor says nothing of a later day. `capacity` is a [`LegalCapacity`] as rows keep it.
pub(super) fn has_full_capacity(rules: &Rules, birth: PartialDate, capacity: u8, on: Date) -> bool {
    let decided = [LegalCapacity::Lost as u8, LegalCapacity::Restricted as u8].contains(&capacity);
    !decided && on.full_years_since(birth.latest()) >= rules.majority_years
}

/// The date, or the day of what is known if that is later.
pub(super) fn not_before(date: PartialDate, known: Date) -> PartialDate {
    if known > date.earliest() { PartialDate::of_day(known) } else { date }
}

/// Every row that the events change, sorted, with its next version (W3).
pub fn touches_of(registry: &Registry, events: &[Event]) -> Vec<RowTouch> {
    let mut rows: Vec<RowRef> = Vec::with_capacity(events.len() + 1);
    for event in events {
        event.body.for_each_stream(|row, _| rows.push(row));
    }
    rows.sort_unstable();
    rows.dedup();
    rows.into_iter()
        .map(|row| {
            let (version, previous) = registry.version(row);
            RowTouch { row, version: Version(version.0 + 1), previous }
        })
        .collect()
}

/// How a reference reads in a sentence: as the command has it, so that it tells the sender nothing new.
pub(super) struct Named<'a>(pub &'a PersonRef);

impl Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            PersonRef::PersonId(id) => write!(f, "{id}"),
            PersonRef::Pin(pin) => write!(f, "PIN {pin}"),
            PersonRef::Cmnd(number) => write!(f, "CMND {number}"),
        }
    }
}
