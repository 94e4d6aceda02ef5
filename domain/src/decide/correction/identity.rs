//! What rests on sex and date of birth: marriages, parents and children, headship, and the number.

use super::super::deciding::{Deciding, has_full_capacity};
use super::super::kinship::could_be_parent;
use super::super::marriage::is_of_age;
use super::super::pin::draw_pin;
use super::coverage::{Against, Book, Which, stream, tell};
use super::plan::Plan;
use crate::context::TimelineUnavailable;
use crate::refusal::Code;
use crate::registry::fold::{RowImage, sex_of};
use crate::registry::rows::PersonRow;
use event_schemas::event::{EventBody, ParentLinked, PinCancelled};
use event_schemas::ids::{EventAddress, PersonId, UnitId};
use event_schemas::kin::KinRef;
use event_schemas::person::Sex;
use event_schemas::pin::{Pin, PinGround, PinOccasion};
use event_schemas::row::{Aspect, RowRef};
use event_schemas::text::Text;
use event_schemas::time::PartialDate;
use std::collections::BTreeSet;

/// Faults for every fact that the law would not have allowed with the corrected identity, or between these parents and children.
pub fn check(d: &mut Deciding<'_>, plan: &Plan) -> Result<(), TimelineUnavailable> {
    let mut against = Against::default();
    {
        let book = Book::new(d, plan);
        for person in persons(plan, &[Aspect::Identity, Aspect::Existence, Aspect::Kinship, Aspect::Marriage])
        {
            let before: BTreeSet<EventAddress> =
                unlawful(&book, person, Which::Before)?.into_iter().collect();
            let after = unlawful(&book, person, Which::After)?;
            after.into_iter().filter(|at| !before.contains(at)).for_each(|at| against.note(plan, at));
        }
    }
    tell(d, against);
    Ok(())
}

fn persons(plan: &Plan, aspects: &[Aspect]) -> BTreeSet<PersonId> {
    let changed = plan.changed().filter(|restated| aspects.contains(&restated.stream.aspect));
    let persons = changed.filter_map(|restated| match restated.stream.row {
        RowRef::Person(person) => Some(person),
        _ => None,
    });
    persons.collect()
}

/// What the row holds of a person's identity.
fn identity_of(book: &Book<'_>, person: PersonId, which: Which) -> Result<PersonRow, TimelineUnavailable> {
    let row = RowRef::Person(person);
    let mut image = RowImage::blank(row);
    for aspect in [Aspect::Existence, Aspect::Identity] {
        book.with(stream(person, aspect), which, |timeline| {
            timeline.iter().for_each(|(_, event)| image.fold(row, aspect, event));
        })?;
    }
    match image {
        RowImage::Person(row, _) => Ok(row),
        _ => unreachable!("a person's image is a person's"),
    }
}

/// Date of birth as recorded.
pub fn born(
    book: &Book<'_>,
    person: PersonId,
    which: Which,
) -> Result<Option<PartialDate>, TimelineUnavailable> {
    Ok(PartialDate::from_packed(identity_of(book, person, which)?.birth))
}

/// Facts of the person that its own identity, or that of parents and children, stands against.
fn unlawful(
    book: &Book<'_>,
    person: PersonId,
    which: Which,
) -> Result<Vec<EventAddress>, TimelineUnavailable> {
    let row = identity_of(book, person, which)?;
    let (sex, birth) = (sex_of(row.sex), PartialDate::from_packed(row.birth));
    let Some(birth) = birth else { return Ok(Vec::new()) };
    let mut unlawful = Vec::new();
    for (at, event) in book.timeline(stream(person, Aspect::Marriage), which)? {
        let EventBody::MarriageRegistered(married) = &event.body else { continue };
        let on = event.effective_on.earliest();
        let mut other = Sex::Unknown;
        for partner in &married.partners {
            if let KinRef::Registered(id) = partner
                && *id != person
            {
                other = sex_of(identity_of(book, *id, which)?.sex);
            }
        }
        let same = sex != Sex::Unknown && sex == other;
        if same || !is_of_age(book.rules(), birth.earliest(), sex, on) {
            unlawful.push(at);
        }
    }
    for (at, event) in book.timeline(stream(person, Aspect::Kinship), which)? {
        let EventBody::ParentLinked(linked) = &event.body else { continue };
        if !is_possible(book, linked, event.effective_on, which)? {
            unlawful.push(at);
        }
    }
    for (at, event) in book.timeline(stream(person, Aspect::Membership), which)? {
        let on = event.effective_on.earliest();
        let is_head = matches!(&event.body, EventBody::HeadAppointed(e) if e.head == person);
        if is_head && !has_full_capacity(book.rules(), birth, row.capacity, on) {
            unlawful.push(at);
        }
    }
    Ok(unlawful)
}

/// Whether the parent can be one by sex and age, and the child was born on the link's day.
fn is_possible(
    book: &Book<'_>,
    linked: &ParentLinked,
    on: PartialDate,
    which: Which,
) -> Result<bool, TimelineUnavailable> {
    let Some(birth) = born(book, linked.child, which)? else { return Ok(true) };
    let KinRef::Registered(parent) = linked.link.parent else { return Ok(true) };
    let row = identity_of(book, parent, which)?;
    let facts = (sex_of(row.sex), PartialDate::from_packed(row.birth), book.death(parent, which)?);
    Ok(parent != linked.child
        && on.earliest() >= birth.earliest()
        && could_be_parent(book.rules(), &linked.link, birth, facts))
}

/// A number that the corrected data contradict is cancelled, and another issued (Circular 59/2021/TT-BCA Art. 6). The old one leads to the
/// person for ever, and is given to nobody.
pub fn reestablish_numbers(d: &mut Deciding<'_>, plan: &Plan, reason: &Text<200>) {
    for person in persons(plan, &[Aspect::Identity]) {
        let found = {
            let book = Book::new(d, plan);
            let after = identity_of(&book, person, Which::After);
            let dead = book.death(person, Which::After);
            after.and_then(|after| dead.map(|dead| (after, dead.is_some())))
        };
        let Ok((after, is_dead)) = found else {
            d.fault(Code::HistoryUnavailable, super::EDITS, &[]);
            return;
        };
        let before = d.row(person);
        if !after.is_registered() {
            // Nobody has the number; it stays used, and leads to the row for ever.
            continue;
        }
        let Some(pin) = Pin::from_number(before.pin.get()).filter(|pin| pin.number() != 0 && !is_dead) else {
            continue;
        };
        let year = |row: &PersonRow| PartialDate::from_packed(row.birth).map_or(0, PartialDate::year);
        let (sex, birth_year) = (sex_of(after.sex), year(&after));
        let is_wrong_sex = sex != Sex::Unknown && sex != pin.sex();
        if !is_wrong_sex && birth_year == pin.birth_year() {
            continue;
        }
        if (sex_of(before.sex), year(before)) == (sex, birth_year) {
            // It disagreed already, and this correction is about something else.
            continue;
        }
        let ground = if is_wrong_sex { PinGround::WrongSex } else { PinGround::WrongBirthYear };
        let explanation = reason.clone();
        let today = d.today;
        d.emit(today, EventBody::PinCancelled(PinCancelled { person, pin, ground, explanation }));
        let unit = UnitId(after.birth_unit);
        draw_pin(d, person, unit, (sex, birth_year), PinOccasion::Reestablished, super::EDITS);
    }
}
