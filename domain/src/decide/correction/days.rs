//! Rows on one day: whether they agree with each other, before and after.

use super::coverage::{Against, Book, Which, stream};
use super::plan::{Plan, Timeline};
use crate::context::TimelineUnavailable;
use crate::registry::fold::RowImage;
use crate::registry::rows::{HouseholdRow, PersonRow, TemporaryRow};
use crate::timeline::marriage::{Spouse, other_partner};
use event_schemas::event::EventBody;
use event_schemas::household::{HouseholdKind, Relationship};
use event_schemas::ids::{EventAddress, HouseholdId, Lsn, PersonId, Version};
use event_schemas::row::{Aspect, RowRef, StreamRef};
use event_schemas::time::Date;
use std::collections::{BTreeMap, BTreeSet};

/// Most comparisons of rows, over all days (O1).
pub const MAX_WORK: usize = 400_000;

const OF_PERSONS: [Aspect; 6] = [
    Aspect::Life,
    Aspect::PermanentResidence,
    Aspect::TemporaryResidence,
    Aspect::Membership,
    Aspect::TemporaryMembership,
    Aspect::Marriage,
];
const OF_HOUSEHOLDS: [Aspect; 3] = [Aspect::Existence, Aspect::HouseholdPlace, Aspect::Composition];

/// Rows that must agree: those that the correction changes, and those tied to them.
#[derive(Default)]
pub struct Ties {
    persons: BTreeSet<PersonId>,
    /// Of households that change themselves everything is looked at.
    changed: BTreeSet<HouseholdId>,
    members: BTreeSet<(PersonId, HouseholdId)>,
    couples: BTreeSet<(PersonId, PersonId)>,
}

impl Ties {
    pub fn of(book: &Book<'_>, plan: &Plan) -> Result<Self, TimelineUnavailable> {
        let mut ties = Self::default();
        for StreamRef { row, aspect } in plan.changed().map(|restated| restated.stream) {
            match row {
                RowRef::Person(person) if OF_PERSONS.contains(&aspect) => {
                    ties.persons.insert(person);
                }
                RowRef::Household(household) => {
                    ties.changed.insert(household);
                }
                _ => {}
            }
        }
        for which in [Which::Before, Which::After] {
            for person in ties.persons.clone() {
                for aspect in [Aspect::Membership, Aspect::TemporaryMembership, Aspect::Marriage] {
                    let timeline = book.timeline(stream(person, aspect), which)?;
                    ties.tie_person(person, &timeline);
                }
            }
            for household in &ties.changed {
                let composition =
                    StreamRef { row: RowRef::Household(*household), aspect: Aspect::Composition };
                for (_, event) in book.timeline(composition, which)? {
                    if let EventBody::MemberJoined(joined) = event.body {
                        ties.members.insert((joined.person, *household));
                    }
                }
            }
        }
        Ok(ties)
    }

    fn tie_person(&mut self, person: PersonId, timeline: &Timeline) {
        for (_, event) in timeline {
            match &event.body {
                EventBody::MemberJoined(joined) => {
                    self.members.insert((person, joined.household));
                }
                EventBody::MarriageRegistered(married) => {
                    if let Spouse::Registered(spouse) = other_partner(&married.partners, person) {
                        self.couples.insert((person, spouse));
                    }
                }
                _ => {}
            }
        }
    }

    fn rows(&self) -> BTreeSet<RowRef> {
        let persons = self.persons.iter().copied().chain(self.members.iter().map(|(person, _)| *person));
        let persons = persons.chain(self.couples.iter().map(|(_, spouse)| *spouse));
        let households = self.changed.iter().copied().chain(self.members.iter().map(|(_, home)| *home));
        persons.map(RowRef::Person).chain(households.map(RowRef::Household)).collect()
    }
}

/// Two streams that do not agree on a day.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Clash {
    what: &'static str,
    streams: [StreamRef; 2],
}

/// A row that is folded day by day.
struct Folding {
    image: RowImage,
    streams: Vec<(StreamRef, Timeline, usize)>,
}

/// Every day on which something changes from the correction's first day on, and today.
pub struct Days<'b> {
    book: &'b Book<'b>,
    plan: &'b Plan,
    ties: &'b Ties,
    days: BTreeSet<Date>,
    rows: [BTreeMap<RowRef, Folding>; 2],
}

impl<'b> Days<'b> {
    /// How much work it would be, if that is too much.
    pub fn of(
        book: &'b Book<'b>,
        plan: &'b Plan,
        ties: &'b Ties,
    ) -> Result<Result<Self, TimelineUnavailable>, usize> {
        let made = Self::read(book, plan, ties);
        if let Ok(days) = &made {
            let work = days.days.len() * (ties.persons.len() + ties.members.len() + ties.couples.len());
            if work > MAX_WORK {
                return Err(work);
            }
        }
        Ok(made)
    }

    fn read(book: &'b Book<'b>, plan: &'b Plan, ties: &'b Ties) -> Result<Self, TimelineUnavailable> {
        let first = plan.first_day().unwrap_or(book.today());
        let mut days = BTreeSet::from([book.today()]);
        let mut rows = [BTreeMap::new(), BTreeMap::new()];
        for (which, rows) in [Which::Before, Which::After].into_iter().zip(&mut rows) {
            for row in ties.rows() {
                let aspects =
                    if matches!(row, RowRef::Person(_)) { &OF_PERSONS[..] } else { &OF_HOUSEHOLDS[..] };
                let mut streams = Vec::with_capacity(aspects.len());
                for aspect in aspects {
                    let stream = StreamRef { row, aspect: *aspect };
                    let timeline = book.timeline(stream, which)?;
                    let of_stream = timeline.iter().map(|(_, event)| event.effective_on.earliest());
                    days.extend(of_stream.filter(|day| *day >= first));
                    streams.push((stream, timeline, 0));
                }
                rows.insert(row, Folding { image: RowImage::blank(row), streams });
            }
        }
        Ok(Self { book, plan, ties, days, rows })
    }

    /// Notes what stands against the correction: the facts behind every disagreement that was not there before.
    pub fn check(mut self, against: &mut Against) -> Result<(), TimelineUnavailable> {
        let mut told: BTreeSet<Clash> = BTreeSet::new();
        for day in std::mem::take(&mut self.days) {
            let [before, after] = &mut self.rows;
            for folding in before.values_mut().chain(after.values_mut()) {
                folding.advance(day);
            }
            let known = clashes(&self.rows[0], self.ties, day, self.book.today());
            for clash in clashes(&self.rows[1], self.ties, day, self.book.today()) {
                if !known.contains(&clash) && told.insert(clash) {
                    self.note(clash, day, against);
                }
            }
        }
        Ok(())
    }

    /// The last facts of both streams: those of the day, that the command does not edit; or of an earlier day; or else its own.
    fn note(&self, clash: Clash, day: Date, against: &mut Against) {
        let last = |stream: &StreamRef| self.rows[1].get(&stream.row).and_then(|row| row.last(*stream));
        let last: Vec<(Date, EventAddress)> = clash.streams.iter().filter_map(last).collect();
        let is_edited = |at: EventAddress| self.plan.edit_by(at).is_some();
        let of_day = last.iter().any(|(on, at)| *on == day && !is_edited(*at));
        let any_other = last.iter().any(|(_, at)| !is_edited(*at));
        let is_blamed = |(on, at): &(Date, EventAddress)| {
            if of_day { *on == day && !is_edited(*at) } else { !(any_other && is_edited(*at)) }
        };
        let blamed: Vec<EventAddress> = last.into_iter().filter(is_blamed).map(|(_, at)| at).collect();
        if blamed.is_empty() {
            // Both streams are empty by now: what the edits took away is missed.
            against.edits.extend(self.plan.edits.iter().map(|edit| edit.field.clone()));
        }
        blamed.into_iter().for_each(|at| against.note(self.plan, at));
    }
}

impl Folding {
    fn advance(&mut self, day: Date) {
        for (stream, timeline, next) in &mut self.streams {
            while let Some((_, event)) = timeline.get(*next) {
                if event.effective_on.earliest() > day {
                    break;
                }
                self.image.fold(stream.row, stream.aspect, event);
                if stream.aspect == Aspect::Existence {
                    // The household is there from now on.
                    self.image.stamp(Version(1), Lsn(1));
                }
                *next += 1;
            }
        }
    }

    /// The stream's last fact by now, and its day.
    fn last(&self, stream: StreamRef) -> Option<(Date, EventAddress)> {
        let (_, timeline, next) = self.streams.iter().find(|(known, ..)| *known == stream)?;
        let (at, event) = &timeline[next.checked_sub(1)?];
        Some((event.effective_on.earliest(), *at))
    }
}

type Rows = BTreeMap<RowRef, Folding>;

fn person(rows: &Rows, id: PersonId) -> Option<(&PersonRow, Option<&TemporaryRow>)> {
    match rows.get(&RowRef::Person(id)).map(|folding| &folding.image) {
        Some(RowImage::Person(row, stay)) => Some((row, stay.as_ref())),
        _ => None,
    }
}

fn household(rows: &Rows, id: HouseholdId) -> Option<&HouseholdRow> {
    match rows.get(&RowRef::Household(id)).map(|folding| &folding.image) {
        Some(RowImage::Household(row)) => Some(row),
        _ => None,
    }
}

fn clashes(rows: &Rows, ties: &Ties, day: Date, today: Date) -> BTreeSet<Clash> {
    let mut found = BTreeSet::new();
    for id in &ties.persons {
        if let Some((row, stay)) = person(rows, *id) {
            // What is over by now must have been ended; the past may have been told late.
            let now = (day == today).then_some(today);
            clashes_of_person(*id, row, stay, now, &mut found);
        }
    }
    for (id, home) in &ties.members {
        if let (Some((row, stay)), Some(household)) = (person(rows, *id), household(rows, *home)) {
            clashes_of_member((*id, row, stay), (*home, household), &mut found);
        }
    }
    for id in &ties.changed {
        if let Some(row) = household(rows, *id) {
            clashes_of_household(*id, row, &mut found);
        }
    }
    for (id, spouse) in &ties.couples {
        if let (Some((row, _)), Some((other, _))) = (person(rows, *id), person(rows, *spouse)) {
            let is_mine = row.marital().spouse == Some(Spouse::Registered(*spouse));
            let is_others = other.marital().spouse == Some(Spouse::Registered(*id));
            if is_mine != is_others {
                let streams = [stream(*id, Aspect::Marriage), stream(*spouse, Aspect::Marriage)];
                found.insert(Clash { what: "married to each other", streams });
            }
        }
    }
    found
}

fn clashes_of_person(
    id: PersonId,
    row: &PersonRow,
    stay: Option<&TemporaryRow>,
    now: Option<Date>,
    found: &mut BTreeSet<Clash>,
) {
    let mut clash = |what, one, other| {
        found.insert(Clash { what, streams: [stream(id, one), stream(id, other)] });
    };
    let (stay_unit, host) = stay.map_or((0, 0), |stay| (stay.unit, stay.household));
    if row.died != 0 {
        let held = [
            (row.unit != 0, Aspect::PermanentResidence),
            (row.household != 0, Aspect::Membership),
            (stay_unit != 0, Aspect::TemporaryResidence),
            (host != 0, Aspect::TemporaryMembership),
            (matches!(row.marital().spouse, Some(Spouse::Registered(_))), Aspect::Marriage),
        ];
        held.iter().filter(|(holds, _)| *holds).for_each(|(_, aspect)| clash("dead", Aspect::Life, *aspect));
    }
    if stay_unit != 0 && stay_unit == row.unit {
        clash("stays at home", Aspect::PermanentResidence, Aspect::TemporaryResidence);
    }
    if stay_unit != 0 && stay.zip(now).is_some_and(|(stay, now)| stay.until < now.0) {
        clash("stay is over", Aspect::TemporaryResidence, Aspect::TemporaryResidence);
    }
}

fn clashes_of_member(
    (id, row, stay): (PersonId, &PersonRow, Option<&TemporaryRow>),
    (home, household): (HouseholdId, &HouseholdRow),
    found: &mut BTreeSet<Clash>,
) {
    let of_household = |aspect| StreamRef { row: RowRef::Household(home), aspect };
    let mut clash = |what, of_person, aspect| {
        found.insert(Clash { what, streams: [stream(id, of_person), of_household(aspect)] });
    };
    let belongs = row.household == home.0;
    if belongs != household.permanent_members().any(|member| member == id) {
        clash("member", Aspect::Membership, Aspect::Composition);
    }
    if belongs && row.unit != household.unit {
        clash("lives elsewhere", Aspect::PermanentResidence, Aspect::HouseholdPlace);
    }
    if belongs && !household.is_open() {
        clash("member of none", Aspect::Membership, Aspect::Existence);
    }
    let says_head = belongs && row.relationship == Relationship::Head as u8;
    if says_head != (household.head == id.0) {
        clash("head", Aspect::Membership, Aspect::Composition);
    }
    let is_guest = stay.is_some_and(|stay| stay.household == home.0);
    if is_guest != household.temporary_members().any(|member| member == id) {
        clash("guest", Aspect::TemporaryMembership, Aspect::Composition);
    }
    if is_guest && stay.is_some_and(|stay| stay.unit != household.unit) {
        clash("guest elsewhere", Aspect::TemporaryResidence, Aspect::HouseholdPlace);
    }
}

fn clashes_of_household(id: HouseholdId, row: &HouseholdRow, found: &mut BTreeSet<Clash>) {
    let has_members = row.permanent_members().next().is_some();
    let of_household = |aspect| StreamRef { row: RowRef::Household(id), aspect };
    let streams = [of_household(Aspect::Existence), of_household(Aspect::Composition)];
    if row.is_open() && !has_members {
        found.insert(Clash { what: "nobody in it", streams });
    }
    if row.is_open() && row.kind == HouseholdKind::Family as u8 && row.head == 0 {
        found.insert(Clash { what: "nobody heads it", streams });
    }
    if !row.is_open() && (!row.members.is_empty() || row.head != 0) {
        found.insert(Clash { what: "ended with members", streams });
    }
}
