//! Who lived in a unit on a day, by what was known when.

use super::ask::{Answered, Paging, QueryState};
use super::changes::each_candidate;
use super::past::{AskedFor, about};
use super::units::{UnitName, find};
use crate::answers::{MembersAnswer, PersonBrief, Reflecting, Teller};
use crate::as_of::Past;
use crate::cursor::{Cursor, ListingKind};
use crate::layout::ResidenceKind;
use crate::row_source::{Moment, RowSource};
use access::http::Answer;
use event_schemas::ids::PersonId;
use event_schemas::row::RowRef;
use std::collections::BTreeSet;

/// Residents of exactly this unit as of the pair, in the order of their ids. Looks through all persons of the view: a page may be
/// short, even empty, and not the last.
pub(super) async fn members_then(
    state: QueryState,
    name: UnitName,
    kind: ResidenceKind,
    paging: Paging,
    asked_for: AskedFor,
) -> Answered<MembersAnswer> {
    let limit = paging.limit()?;
    state.wait_for(paging.token()).await?;
    let (views, lately) = (state.views().clone(), state.lately());
    let work = move || {
        let (view, source) = (views.current(), &**views.source());
        let as_of = asked_for.resolve(&view, source)?;
        let reading = view.read();
        let log_id = reading.log_id();
        let mut teller = Teller::new(&reading);
        let unit = find(&mut teller, name)?;
        let brief = teller.unit(unit)?;
        drop(reading);
        let listing =
            Cursor { kind: ListingKind::ResidentsThen, subject: (kind as u8, unit.0), place: 0, log_id };
        let after = PersonId(paging.place(listing)?.unwrap_or(0) as u32);
        let mut anew = lately.told_anew(source, as_of.known_at);
        let (mut members, mut shown) = (Vec::new(), Vec::new());
        let next = each_candidate(&view, &BTreeSet::from([unit]), &mut anew, after, |person| {
            let past = Past::new(&view, source, as_of);
            let row = Moment::Then(&past).person(person)?.filter(|row| row.death.is_none());
            let lives_in = row.as_ref().and_then(|row| match kind {
                ResidenceKind::Permanent => row.permanent_unit(),
                ResidenceKind::Temporary => row.temporary_unit(),
            });
            if lives_in == Some(unit) {
                members.push(PersonBrief::of(person, row.as_ref()));
                shown.push(RowRef::Person(person));
            }
            Ok(members.len() == limit)
        })?;
        let next = next.map(|place| Cursor { place: u64::from(place.0), ..listing }.to_text());
        let body = MembersAnswer { unit: brief, kind, members, next };
        let (as_of, lsn) = (Some(about(source, as_of)?), as_of.known_at);
        Ok(Answer { body: Reflecting { log_id, lsn, as_of, body }, lsn, shown })
    };
    state.off_the_async_threads(work).await
}
