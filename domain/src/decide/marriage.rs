//! Marriage and divorce (Law 52/2014/QH13, Law 60/2014/QH13 Art. 17–18).
//!
//! A marriage is judged as of its own day, however late it is registered: alive, of age by the rule of that day, free to
//! marry, no close kin. If a partner's death is registered already, the marriage ends with it in the same record.
//!
//! Enrolment may have stated `married` without saying to whom. A marriage dated before that enrolment is taken for the one
//! that was stated. One dated later is refused until a court or an agency vouches, as the basis of the command, that the
//! stated marriage does not stand in the way.

use super::deciding::{Deciding, not_before};
use super::form::check_described;
use super::kin::{Kinship, kinship};
use super::register::register_entry;
use crate::context::TimelineUnavailable;
use crate::refusal::Code;
use crate::registry::fold::sex_of;
use crate::rules::Rules;
use crate::timeline::in_valid_order;
use crate::timeline::marriage::{Marital, Spouse, other_partner};
use event_schemas::Event;
use event_schemas::basis::{BasisKind, RegisterKind};
use event_schemas::command::{RegisterDivorce, RegisterMarriage};
use event_schemas::event::{EventBody, MarriageEnded, MarriageRegistered};
use event_schemas::ids::{EventAddress, PersonId};
use event_schemas::kin::{KinRef, MarriageEndReason, Partners};
use event_schemas::person::{PersonRef, Sex};
use event_schemas::row::{Aspect, RowRef, StreamRef};
use event_schemas::time::{Date, PartialDate};
use std::fmt::Display;

const PARTNERS: &str = "command.register_marriage.partners";
const MARRIED_ON: &str = "command.register_marriage.married_on";

pub(super) fn register_marriage(d: &mut Deciding<'_>, command: &RegisterMarriage) {
    let on = command.married_on;
    d.check_not_future(on, MARRIED_ON);
    let field = "command.register_marriage.legacy_entry";
    let entry = register_entry(d, RegisterKind::Marriage, command.legacy_entry, field);
    let [first, second] = &command.partners;
    let partners = (partner(d, first, 0), partner(d, second, 1));
    let (Some(first), Some(second)) = partners else { return };
    let partners = [first, second];
    check_couple(d, &partners, on);
    let ended = death_that_ends(d, &partners, on);
    let until = ended.map(|(_, died)| died.earliest());
    for (place, partner) in partners.iter().enumerate() {
        let KinRef::Registered(person) = partner else { continue };
        let field = format_args!("{PARTNERS}[{place}]");
        check_free(d, *person, on, until, field);
        let since = d.row(*person).marriage_since;
        d.restate_if_late(RowRef::Person(*person), Aspect::Marriage, since, on);
    }
    let Some(entry) = entry else { return };
    let legacy = command.legacy_entry;
    let registered = MarriageRegistered { partners: partners.clone(), entry, legacy };
    d.emit(on, EventBody::MarriageRegistered(registered));
    if let Some((person, died)) = ended {
        let spouse = match other_partner(&partners, person) {
            Spouse::Registered(spouse) => Some(spouse),
            Spouse::Described | Spouse::Unknown => None,
        };
        emit_end(d, person, spouse, MarriageEndReason::Death, died);
    }
}

/// A partner as the event names it.
fn partner(d: &mut Deciding<'_>, stated: &KinRef<PersonRef>, place: usize) -> Option<KinRef<PersonId>> {
    let field = format_args!("{PARTNERS}[{place}]");
    match stated {
        KinRef::Registered(reference) => d.person(reference, field).map(KinRef::Registered),
        KinRef::Described(described) => {
            check_described(d, described, format_args!("{field}.described"));
            Some(KinRef::Described(described.clone()))
        }
    }
}

/// Two different people, one of them registered, a man and a woman, alive and of age on the day, no close kin.
fn check_couple(d: &mut Deciding<'_>, partners: &Partners<PersonId>, on: Date) {
    match partners {
        [KinRef::Described(_), KinRef::Described(_)] => d.fault(Code::PartnerNotRegistered, PARTNERS, &[]),
        [KinRef::Registered(first), KinRef::Registered(second)] if first == second => {
            d.fault(Code::NamedTwice, PARTNERS, &[first]);
            return;
        }
        [KinRef::Registered(first), KinRef::Registered(second)] => check_kinship(d, *first, *second),
        _ => {}
    }
    let sexes = [sex(d, &partners[0]), sex(d, &partners[1])];
    if sexes[0] != Sex::Unknown && sexes[0] == sexes[1] {
        d.fault(Code::SameSexMarriage, PARTNERS, &[&name(&partners[0]), &name(&partners[1])]);
    }
    for (place, partner) in partners.iter().enumerate() {
        // Of somebody who is only described the other's sex tells.
        let sex = if sexes[place] == Sex::Unknown { opposite(sexes[1 - place]) } else { sexes[place] };
        check_partner(d, partner, sex, on, format_args!("{PARTNERS}[{place}]"));
    }
}

fn sex(d: &Deciding<'_>, partner: &KinRef<PersonId>) -> Sex {
    match partner {
        KinRef::Registered(person) => sex_of(d.row(*person).sex),
        KinRef::Described(_) => Sex::Unknown,
    }
}

fn opposite(sex: Sex) -> Sex {
    match sex {
        Sex::Male => Sex::Female,
        Sex::Female => Sex::Male,
        Sex::Unknown => Sex::Unknown,
    }
}

fn name(partner: &KinRef<PersonId>) -> String {
    match partner {
        KinRef::Registered(person) => person.to_string(),
        KinRef::Described(described) => described.names.to_string(),
    }
}

fn check_partner(
    d: &mut Deciding<'_>,
    partner: &KinRef<PersonId>,
    sex: Sex,
    on: Date,
    field: impl Display + Copy,
) {
    let (row, birth) = match partner {
        KinRef::Registered(person) => {
            let row = d.row(*person);
            let died = PartialDate::from_packed(row.died);
            if died.is_some_and(|died| on > died.latest()) {
                let row = RowRef::Person(*person);
                d.fault_with(Code::DeadBeforeMarriage, field, &[person, &on], row);
            }
            (Some(RowRef::Person(*person)), PartialDate::from_packed(row.birth))
        }
        KinRef::Described(described) => (None, described.birth),
    };
    // Judged in the couple's favour where the birth is known only to the month or the year.
    let Some(birth) = birth.map(PartialDate::earliest) else { return };
    let code = if on < birth {
        Code::DateBeforeBirth
    } else if first_day_of_age(d.context.rules, birth, sex, on).is_some_and(|of_age| on < of_age) {
        Code::TooYoungToMarry
    } else {
        return;
    };
    let name = name(partner);
    let particulars: &[&dyn std::fmt::Display] =
        if code == Code::DateBeforeBirth { &[&on] } else { &[&name, &on] };
    match row {
        Some(row) => d.fault_with(code, field, particulars, row),
        None => d.fault(code, field, particulars),
    }
}

/// Whether somebody with this sex and birth may marry on the day.
pub(super) fn is_of_age(rules: &Rules, birth: Date, sex: Sex, on: Date) -> bool {
    on >= birth && first_day_of_age(rules, birth, sex, on).is_none_or(|of_age| on >= of_age)
}

/// First day on which somebody may marry, by the law of the day of the marriage; `None` before the first such law.
///
/// The laws of 1959 (Art. 6), 1986 (Art. 5) and 2000 (Art. 9) ask for a woman of 18 and a man of 20 and were applied to whoever
/// had *entered* that year (Resolution 02/2000/NQ-HĐTP), which is the day after the birthday before. The law of 2014 (Art. 8)
/// asks for full years. Of somebody whose sex is not known the lower age is asked.
fn first_day_of_age(rules: &Rules, birth: Date, sex: Sex, on: Date) -> Option<Date> {
    let years = match sex {
        Sex::Male => rules.marriage_age_man_years,
        _ => rules.marriage_age_woman_years,
    };
    let (year, ..) = on.ymd();
    match year {
        2015.. => Some(birth.plus_years(years)),
        _ if on.0 >= LAW_OF_1959.0 => Some(birth.plus_years(years - 1).plus_days(1)),
        _ => None,
    }
}

/// 1960-01-13: the Law on Marriage and the Family of 1959 is promulgated. It is applied to the whole country.
const LAW_OF_1959: Date = Date(-3_641);

fn check_kinship(d: &mut Deciding<'_>, first: PersonId, second: PersonId) {
    match kinship(d, first, second) {
        Ok(Kinship::None) => {}
        Ok(Kinship::Blood | Kinship::Adoption) => {
            let row = RowRef::Person(second);
            d.fault_with(Code::CloseKin, PARTNERS, &[&first, &second], row);
        }
        Err(TimelineUnavailable { .. }) => d.fault(Code::HistoryUnavailable, PARTNERS, &[]),
    }
}

/// The first of the partners to die, and when: not before the marriage, where the death is known only to the year.
fn death_that_ends(
    d: &Deciding<'_>,
    partners: &Partners<PersonId>,
    married_on: Date,
) -> Option<(PersonId, PartialDate)> {
    let deaths = partners.iter().filter_map(|partner| {
        let KinRef::Registered(person) = partner else { return None };
        let died = PartialDate::from_packed(d.row(*person).died)?;
        Some((*person, not_before(died, married_on)))
    });
    deaths.min_by_key(|(person, died)| (died.earliest(), *person))
}

/// In no other marriage on the day, and in none that begins before this one has ended.
fn check_free(
    d: &mut Deciding<'_>,
    person: PersonId,
    on: Date,
    until: Option<Date>,
    field: impl Display + Copy,
) {
    let row = RowRef::Person(person);
    let is_vouched = [BasisKind::Court, BasisKind::Agency].contains(&d.envelope.basis.kind);
    let (marital, later) = match marital_and_later(d, person, on) {
        Ok(found) => found,
        Err(TimelineUnavailable { .. }) => {
            d.fault(Code::HistoryUnavailable, field, &[]);
            return;
        }
    };
    match marital.spouse {
        None => {}
        Some(Spouse::Unknown) if is_vouched => {}
        Some(Spouse::Unknown) => d.fault_with(Code::StatedMarried, field, &[&person], row),
        Some(_) => d.fault_with(Code::AlreadyMarried, field, &[&person, &on], row),
    }
    let next = later.iter().find(|(_, event)| {
        matches!(event.body, EventBody::MarriageRegistered(_) | EventBody::MarriageEnded(_))
    });
    let Some((_, next)) = next else { return };
    let since = next.effective_on.earliest();
    match (&next.body, marital.spouse) {
        // It ends what enrolment stated, which this marriage would take the place of: what it ended is for a correction to say.
        (EventBody::MarriageEnded(_), None | Some(Spouse::Unknown)) => {
            d.fault_with(Code::LaterFactsExist, field, &[&row, &on, &since], row);
        }
        (EventBody::MarriageRegistered(_), _) if until.is_none_or(|until| since <= until) => {
            d.fault_with(Code::LaterMarriage, field, &[&person, &since], row);
        }
        _ => {}
    }
}

pub(super) fn register_divorce(d: &mut Deciding<'_>, command: &RegisterDivorce) {
    let on = command.effective_on;
    let field = "command.register_divorce.effective_on";
    d.check_not_future(on, field);
    if ![BasisKind::Court, BasisKind::Agency].contains(&d.envelope.basis.kind) {
        d.fault(Code::JudgmentRequired, "basis.kind", &[]);
    }
    let named = command.spouse.as_ref().map(|spouse| d.person(spouse, "command.register_divorce.spouse"));
    let Some(person) = d.person(&command.person, "command.register_divorce.person") else { return };
    if named == Some(None) {
        return;
    }
    let spouse = named.flatten();
    let Ok((marital, later)) = marital_and_later(d, person, on) else {
        d.fault(Code::HistoryUnavailable, field, &[]);
        return;
    };
    let row = RowRef::Person(person);
    let in_force = match marital.spouse {
        None => {
            d.fault_with(Code::NotMarried, "command.register_divorce.person", &[&person, &on], row);
            return;
        }
        Some(Spouse::Registered(spouse)) => Some(spouse),
        Some(Spouse::Described | Spouse::Unknown) => None,
    };
    if in_force != spouse {
        d.fault_with(Code::NotSpouses, "command.register_divorce.spouse", &[&person, &on], row);
        return;
    }
    // Divorced already, on a later day: which of the judgments counts is for a correction to say.
    let next = later.iter().find(|(_, event)| is_marriage_or_divorce(&event.body));
    if let Some((_, next)) = next.filter(|(_, event)| matches!(event.body, EventBody::MarriageEnded(_))) {
        let since = next.effective_on.earliest();
        d.fault_with(Code::LaterFactsExist, field, &[&row, &on, &since], row);
    }
    end_marriage(d, person, spouse, MarriageEndReason::Divorce, on.into());
}

fn is_marriage_or_divorce(body: &EventBody) -> bool {
    match body {
        EventBody::MarriageRegistered(_) => true,
        EventBody::MarriageEnded(ended) => ended.reason == MarriageEndReason::Divorce,
        _ => false,
    }
}

/// A death ends the marriage in which the person is on that day. One of which nobody knows to whom ends without an event.
pub(super) fn end_by_death(
    d: &mut Deciding<'_>,
    person: PersonId,
    died: PartialDate,
) -> Result<(), TimelineUnavailable> {
    let (marital, _) = marital_and_later(d, person, died.earliest())?;
    let spouse = match marital.spouse {
        None | Some(Spouse::Unknown) => return Ok(()),
        Some(Spouse::Described) => None,
        Some(Spouse::Registered(spouse)) => Some(spouse),
    };
    end_marriage(d, person, spouse, MarriageEndReason::Death, died);
    Ok(())
}

fn end_marriage(
    d: &mut Deciding<'_>,
    person: PersonId,
    spouse: Option<PersonId>,
    reason: MarriageEndReason,
    on: PartialDate,
) {
    for partner in [Some(person), spouse].into_iter().flatten() {
        let since = d.row(partner).marriage_since;
        d.restate_if_late(RowRef::Person(partner), Aspect::Marriage, since, on.earliest());
    }
    emit_end(d, person, spouse, reason, on);
}

fn emit_end(
    d: &mut Deciding<'_>,
    person: PersonId,
    spouse: Option<PersonId>,
    reason: MarriageEndReason,
    on: PartialDate,
) {
    d.emit(on, EventBody::MarriageEnded(MarriageEnded { person, spouse, reason }));
}

/// What the person is on the day, and the facts of later days. Without later facts the row tells.
fn marital_and_later(
    d: &Deciding<'_>,
    person: PersonId,
    on: Date,
) -> Result<(Marital, Vec<(EventAddress, Event)>), TimelineUnavailable> {
    let row = d.row(person);
    if row.marriage_since <= on.0 {
        return Ok((row.marital(), Vec::new()));
    }
    let stream = StreamRef { row: RowRef::Person(person), aspect: Aspect::Marriage };
    let mut timeline = in_valid_order(d.context.timelines.stream(stream)?);
    let marital = Marital::on(person, &timeline, on);
    let first_later = timeline.partition_point(|(_, event)| event.effective_on.earliest() <= on);
    Ok((marital, timeline.split_off(first_later)))
}
