//! What falls due with a day. Nothing changes at midnight without an event: the leader opens the day, then records the
//! rows that are due in bounded parts, and commands wait for the last.

use super::deciding::touches_of;
use crate::registry::Registry;
use crate::registry::due::DueRow;
use event_schemas::basis::{Basis, BasisKind};
use event_schemas::event::{
    CardExpired, Event, EventBody, MemberLeft, OperationAbandoned, TemporaryResidenceEnded,
};
use event_schemas::guarded::Confidentiality;
use event_schemas::household::{LeaveReason, Membership, ResidenceEndReason};
use event_schemas::ids::{CardId, DossierId, HouseholdId, KeyId, OperationId, PersonId};
use event_schemas::operation::AbandonReason;
use event_schemas::record::{Changes, Lapsed};
use event_schemas::time::Date;

/// Most rows of one part.
pub const MAX_LAPSED: usize = 1_000;

/// The next part of what falls due with the opened day; none if the day is complete.
pub fn lapsed(registry: &Registry) -> Option<Lapsed> {
    let head = registry.head();
    let date = head.date.filter(|_| head.day_pending)?;
    let due = registry.due().by(date, MAX_LAPSED + 1);
    let last = due.len() <= MAX_LAPSED;
    let mut events = Vec::new();
    for row in due.into_iter().take(MAX_LAPSED) {
        match row {
            DueRow::Card(card) => expire_card(registry, card, &mut events),
            DueRow::Stay(person) => end_stay(registry, person, &mut events),
            DueRow::Operation(operation) => abandon(registry, operation, &mut events),
        }
    }
    let rows = touches_of(registry, &events);
    let bases = vec![Basis::of(BasisKind::Agency)];
    Some(Lapsed { date, last, changes: Changes { bases, events, rows, restatements: Vec::new() } })
}

fn expire_card(registry: &Registry, card: CardId, events: &mut Vec<Event>) {
    let row = registry.card(card).expect("a due card exists");
    let dossier = registry.dossier(DossierId(row.dossier)).expect("a card has its dossier");
    let person = PersonId(dossier.person);
    events.push(fact(Date(row.expires + 1), EventBody::CardExpired(CardExpired { card, person })));
}

fn end_stay(registry: &Registry, person: PersonId, events: &mut Vec<Event>) {
    let stay = registry.temporary(person).expect("a due stay exists");
    let after = Date(stay.until + 1);
    let reason = ResidenceEndReason::Expired;
    events.push(fact(after, EventBody::TemporaryResidenceEnded(TemporaryResidenceEnded { person, reason })));
    if let Some(household) = HouseholdId(stay.household).some() {
        let (membership, reason) = (Membership::Temporary, LeaveReason::StayEnded);
        events.push(fact(after, EventBody::MemberLeft(MemberLeft { household, person, membership, reason })));
    }
}

fn abandon(registry: &Registry, operation: OperationId, events: &mut Vec<Event>) {
    let row = registry.operation(operation).expect("a due operation exists");
    let reason = AbandonReason::Lapsed;
    events.push(fact(row.lapses_on, EventBody::OperationAbandoned(OperationAbandoned { operation, reason })));
}

fn fact(on: Date, body: EventBody) -> Event {
    Event { effective_on: on.into(), basis: 0, class: Confidentiality::Basic, key_id: KeyId::NONE, body }
}
