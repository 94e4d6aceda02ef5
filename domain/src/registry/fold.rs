//! The fold of one row: `new row = fold(old row, aspect, event)`, and nothing else. No fold looks at another row, so pages that
//! reflect different lsns can be brought up to date one by one.

use super::operations::OperationRow;
use super::rows::{
    ABROAD, CardRow, DossierRow, DwellingRow, FLAG_NOTICE_DUE, FLAG_OTHER_KIN, FLAG_UNDETERMINED,
    FLAG_VERIFIED, FLAG_VIETNAMESE, HouseholdRow, Members, NO_EXPIRY, PersonRow, SEX_FEMALE, SEX_MALE,
    SEX_UNKNOWN, TEMPORARY_MEMBER, TemporaryRow, U40,
};
use super::units::{OfficeRow, UnitRow};
use event_schemas::card::{CardStatus, DossierStatus};
use event_schemas::event::{Event, EventBody, Origin, ParentLinked};
use event_schemas::household::Membership;
use event_schemas::ids::{Lsn, PersonId, UnitId, Version};
use event_schemas::kin::{KinRef, ParentKind, ParentRole};
use event_schemas::person::{Identification, Nationality, Sex};
use event_schemas::place::Place;
use event_schemas::row::{Aspect, RowRef};
use smallvec::SmallVec;

/// A whole row, whatever its kind: the unit of folding, of before-images and of digests.
#[derive(Clone, PartialEq, Debug)]
pub enum RowImage {
    Person(PersonRow, Option<TemporaryRow>),
    Household(HouseholdRow),
    Card(CardRow),
    Dossier(DossierRow),
    Dwelling(DwellingRow),
    Unit(Option<UnitRow>),
    Office(Option<OfficeRow>),
    Operation(Option<OperationRow>),
}

/// A sex as a row's number.
pub fn sex_number(sex: Sex) -> u8 {
    match sex {
        Sex::Unknown => SEX_UNKNOWN,
        Sex::Male => SEX_MALE,
        Sex::Female => SEX_FEMALE,
    }
}

/// A row's number as a sex.
pub fn sex_of(number: u8) -> Sex {
    match number {
        SEX_MALE => Sex::Male,
        SEX_FEMALE => Sex::Female,
        _ => Sex::Unknown,
    }
}

pub(super) fn new_person() -> PersonRow {
    PersonRow {
        identity_since: i32::MIN,
        residence_since: i32::MIN,
        marriage_since: i32::MIN,
        ..PersonRow::default()
    }
}

fn unit_number(place: &Place<UnitId>) -> u32 {
    place.unit().map_or(ABROAD, |unit| unit.0)
}

impl RowImage {
    /// The row before its first record.
    pub fn blank(row: RowRef) -> Self {
        match row {
            RowRef::Person(_) => Self::Person(new_person(), None),
            RowRef::Household(_) => Self::Household(HouseholdRow::default()),
            RowRef::Card(_) => Self::Card(CardRow::default()),
            RowRef::Dossier(_) => Self::Dossier(DossierRow::default()),
            RowRef::Dwelling(_) => Self::Dwelling(DwellingRow::default()),
            RowRef::Unit(_) => Self::Unit(None),
            RowRef::Office(_) => Self::Office(None),
            RowRef::Operation(_) => Self::Operation(None),
        }
    }

    /// Folds one event into one aspect of the row.
    pub fn fold(&mut self, row: RowRef, aspect: Aspect, event: &Event) {
        match (self, row) {
            (Self::Person(person, temporary), RowRef::Person(id)) => {
                fold_person(person, temporary, id, aspect, event);
            }
            (Self::Household(household), _) => fold_household(household, aspect, event),
            (Self::Card(card), _) => fold_card(card, event),
            (Self::Dossier(dossier), _) => fold_dossier(dossier, event),
            (Self::Dwelling(dwelling), _) => fold_dwelling(dwelling, event),
            (Self::Unit(unit), _) => fold_unit(unit, event),
            (Self::Office(office), _) => fold_office(office, event),
            (Self::Operation(operation), _) => OperationRow::fold(operation, &event.body),
            (Self::Person(..), _) => unreachable!("a person's image belongs to a person"),
        }
    }

    /// Sets version and lsn after a record.
    pub fn stamp(&mut self, version: Version, lsn: Lsn) {
        use super::rows::Row;
        match self {
            Self::Person(row, _) => row.stamp(version.0, lsn),
            Self::Household(row) => row.stamp(version.0, lsn),
            Self::Card(row) => row.stamp(version.0, lsn),
            Self::Dossier(row) => row.stamp(version.0, lsn),
            Self::Dwelling(row) => row.stamp(version.0, lsn),
            Self::Unit(Some(row)) => (row.version, row.last_lsn) = (version, lsn),
            Self::Office(Some(row)) => (row.version, row.last_lsn) = (version, lsn),
            Self::Operation(Some(row)) => (row.version, row.last_lsn) = (version, lsn),
            Self::Unit(None) | Self::Office(None) | Self::Operation(None) => {}
        }
    }
}

fn fold_person(
    person: &mut PersonRow,
    temporary: &mut Option<TemporaryRow>,
    id: PersonId,
    aspect: Aspect,
    event: &Event,
) {
    let day = event.effective_on.earliest().0;
    match (aspect, &event.body) {
        (Aspect::Existence, EventBody::PersonRegistered(e)) => {
            person.capacity = e.data.capacity as u8;
            let stated = e.data.birth_registration_place.as_ref().and_then(|place| place.unit());
            let registered = match &e.origin {
                Origin::Birth(birth) => Some(&birth.registered_at),
                Origin::Enrolment => None,
            };
            person.birth_unit = registered.or(stated).map_or(0, |unit| unit.0);
        }
        (Aspect::Identity, EventBody::PersonRegistered(e)) => {
            person.birth = e.identity.birth.packed();
            person.sex = sex_number(e.identity.sex);
            person.flags =
                person.flags & !IDENTITY_FLAGS | flags_of(&e.identity.nationality, e.identity.identification);
            person.identity_since = person.identity_since.max(day);
        }
        (Aspect::Identity, EventBody::NameChanged(_)) => {
            person.identity_since = person.identity_since.max(day)
        }
        (Aspect::Kinship, EventBody::ParentLinked(e)) => fold_kinship(person, id, e),
        (Aspect::Marriage, body) => {
            let mut marital = person.marital();
            marital.fold(id, body);
            person.set_marital(marital);
            person.marriage_since = person.marriage_since.max(day);
        }
        (Aspect::Life, EventBody::DeathRegistered(_)) => person.died = event.effective_on.packed(),
        (Aspect::Number, EventBody::PinIssued(e)) => {
            person.pin = U40::new(e.pin.number());
            if e.occasion.needs_notice() {
                person.flags |= FLAG_NOTICE_DUE;
            }
        }
        (Aspect::Number, EventBody::PinCancelled(_)) => {
            person.pin = U40::default();
            person.flags &= !FLAG_NOTICE_DUE;
        }
        (Aspect::Notices, EventBody::PinNoticeHandedOver(_)) => person.flags &= !FLAG_NOTICE_DUE,
        (Aspect::Number, EventBody::PinAccepted(e)) => person.pin = U40::new(e.pin.number()),
        (Aspect::Defects, EventBody::DefectNoted(e)) => person.defects |= e.defect.bit(),
        (Aspect::Defects, EventBody::DefectCleared(e)) => person.defects &= !e.defect.bit(),
        (Aspect::PermanentResidence, body) => {
            match body {
                EventBody::PermanentResidenceRegistered(e) => person.unit = unit_number(&e.place),
                EventBody::PermanentResidenceEnded(_) => person.unit = 0,
                _ => return,
            }
            person.residence_since = person.residence_since.max(day);
        }
        (Aspect::Membership, body) => {
            match body {
                EventBody::MemberJoined(e) => {
                    person.household = e.household.0;
                    person.relationship = e.relationship as u8;
                }
                EventBody::MemberLeft(_) => {
                    person.household = 0;
                    person.relationship = 0;
                }
                EventBody::HeadAppointed(_) => {
                    person.relationship = event_schemas::household::Relationship::Head as u8;
                }
                EventBody::RelationshipChanged(e) => person.relationship = e.relationship as u8,
                _ => return,
            }
            person.residence_since = person.residence_since.max(day);
        }
        (Aspect::TemporaryResidence | Aspect::TemporaryMembership, body) => {
            fold_temporary(temporary, day, body)
        }
        (Aspect::Cards, body) => fold_cards_of_person(person, body),
        _ => {}
    }
}

fn fold_kinship(person: &mut PersonRow, id: PersonId, linked: &ParentLinked) {
    let KinRef::Registered(parent) = linked.link.parent else { return };
    if linked.link.kind == ParentKind::Adoptive {
        person.flags |= FLAG_OTHER_KIN;
        return;
    }
    if linked.child != id {
        return;
    }
    let place = match linked.link.role {
        ParentRole::Mother => &mut person.mother,
        ParentRole::Father => &mut person.father,
    };
    if ![0, parent.0].contains(place) {
        person.flags |= FLAG_OTHER_KIN;
    }
    *place = parent.0;
}

/// Flags that the identity stream sets.
pub(super) const IDENTITY_FLAGS: u8 = FLAG_VIETNAMESE | FLAG_UNDETERMINED | FLAG_VERIFIED;

fn flags_of(nationality: &Nationality, identification: Identification) -> u8 {
    let mut flags = 0;
    if nationality.is_vietnamese() {
        flags |= FLAG_VIETNAMESE;
    }
    if *nationality == Nationality::Undetermined {
        flags |= FLAG_UNDETERMINED;
    }
    if identification == Identification::Verified {
        flags |= FLAG_VERIFIED;
    }
    flags
}

fn fold_temporary(temporary: &mut Option<TemporaryRow>, day: i32, body: &EventBody) {
    let row = temporary.get_or_insert_with(|| TemporaryRow { since: i32::MIN, ..TemporaryRow::default() });
    match body {
        EventBody::TemporaryResidenceRegistered(e) => {
            row.unit = unit_number(&e.place);
            row.until = e.until.0;
        }
        EventBody::TemporaryResidenceEnded(_) => {
            row.unit = 0;
            row.until = 0;
        }
        EventBody::MemberJoined(e) => {
            row.household = e.household.0;
            row.relationship = e.relationship as u8;
        }
        EventBody::MemberLeft(_) => {
            row.household = 0;
            row.relationship = 0;
        }
        _ => return,
    }
    row.since = row.since.max(day);
}

fn fold_cards_of_person(person: &mut PersonRow, body: &EventBody) {
    match body {
        EventBody::DossierReceived(e) => person.dossier = e.dossier.0,
        EventBody::DossierRefused(_) | EventBody::DossierClosed(_) => person.dossier = 0,
        EventBody::CardHandedOver(e) => {
            person.card = e.card.0;
            person.dossier = 0;
        }
        // The card of the open application ended before its hand-over.
        EventBody::CardWithdrawn(e) if person.card != e.card.0 => person.dossier = 0,
        EventBody::CardExpired(e) if person.card != e.card.0 => person.dossier = 0,
        EventBody::CardHolderDied(e) if person.card != e.card.0 => person.dossier = 0,
        _ => {}
    }
}

fn fold_household(household: &mut HouseholdRow, aspect: Aspect, event: &Event) {
    let day = event.effective_on.earliest().0;
    match (aspect, &event.body) {
        (Aspect::Existence, EventBody::HouseholdFormed(e)) => {
            household.kind = e.kind as u8;
            household.composition_since = day;
            household.place_since = day;
        }
        (Aspect::Existence, EventBody::HouseholdEnded(_)) => household.ended = day + 1,
        (Aspect::HouseholdPlace, EventBody::HouseholdFormed(e)) => {
            household.unit = unit_number(&e.place);
        }
        (Aspect::HouseholdPlace, EventBody::HouseholdMoved(e)) => {
            household.unit = unit_number(&e.place);
            household.place_since = household.place_since.max(day);
        }
        (Aspect::Composition, body) => {
            fold_composition(household, body);
            household.composition_since = household.composition_since.max(day);
        }
        (Aspect::Defects, EventBody::DefectNoted(e)) => household.defects |= e.defect.bit(),
        (Aspect::Defects, EventBody::DefectCleared(e)) => household.defects &= !e.defect.bit(),
        _ => {}
    }
}

fn fold_composition(household: &mut HouseholdRow, body: &EventBody) {
    let tagged = |person: PersonId, membership: Membership| match membership {
        Membership::Permanent => person.0,
        Membership::Temporary => person.0 | TEMPORARY_MEMBER,
    };
    match body {
        EventBody::MemberJoined(e) => {
            let member = tagged(e.person, e.membership);
            if !household.members.contains(&member) {
                household.members.push(member);
            }
        }
        EventBody::MemberLeft(e) => {
            let member = tagged(e.person, e.membership);
            household.members.retain(|known| *known != member);
            if household.head == e.person.0 && e.membership == Membership::Permanent {
                household.head = 0;
            }
        }
        EventBody::HeadAppointed(e) => household.head = e.head.0,
        EventBody::HeadVacated(_) => household.head = 0,
        _ => {}
    }
    // A household that has shrunk gives its memory back.
    if household.members.spilled() && household.members.len() <= household.members.inline_size() {
        household.members = Members::from_slice(&household.members);
    }
}

fn fold_card(card: &mut CardRow, event: &Event) {
    let status = match &event.body {
        EventBody::CardProduced(e) => {
            card.dossier = e.dossier.0;
            card.pin = U40::new(e.pin.number());
            card.expires = e.expires_on.map_or(NO_EXPIRY, |date| date.0);
            card.since = i32::MIN;
            CardStatus::Produced
        }
        EventBody::CardHandedOver(_) | EventBody::CardReturned(_) | EventBody::CardFound(_) => {
            CardStatus::Active
        }
        EventBody::CardHeld(_) => CardStatus::Held,
        EventBody::CardReportedLost(_) => CardStatus::ReportedLost,
        EventBody::CardReportedDamaged(_) => CardStatus::Damaged,
        EventBody::CardReplaced(_) => CardStatus::Replaced,
        EventBody::CardWithdrawn(e) => {
            card.set_withdrawal(e.reason);
            CardStatus::Withdrawn
        }
        EventBody::CardExpired(_) => CardStatus::Expired,
        EventBody::CardHolderDied(_) => CardStatus::HolderDead,
        _ => return,
    };
    card.status = status as u8;
    card.since = card.since.max(event.effective_on.earliest().0);
}

fn fold_dossier(dossier: &mut DossierRow, event: &Event) {
    let status = match &event.body {
        EventBody::DossierReceived(e) => {
            dossier.person = e.person.0;
            dossier.replaces = e.replaces.map_or(0, |card| card.0);
            dossier.document = e.document as u8;
            dossier.reason = e.reason as u8;
            dossier.since = i32::MIN;
            DossierStatus::Received
        }
        EventBody::DossierApproved(_) => DossierStatus::Approved,
        EventBody::DossierRefused(_) => DossierStatus::Refused,
        EventBody::DossierClosed(_) => DossierStatus::Closed,
        EventBody::CardProduced(e) => {
            dossier.card = e.card.0;
            DossierStatus::Produced
        }
        _ => return,
    };
    dossier.status = status as u8;
    dossier.since = dossier.since.max(event.effective_on.earliest().0);
}

fn fold_dwelling(dwelling: &mut DwellingRow, event: &Event) {
    if let EventBody::DwellingRegistered(e) = &event.body {
        dwelling.unit = e.unit.0;
        dwelling.kind = e.kind as u8;
        dwelling.since = event.effective_on.earliest().0;
    }
}

fn fold_unit(unit: &mut Option<UnitRow>, event: &Event) {
    if let EventBody::UnitEstablished(e) = &event.body {
        *unit = Some(UnitRow {
            code: e.code,
            name: e.name.clone(),
            kind: e.kind,
            parent: e.parent,
            valid_from: event.effective_on.earliest(),
            version: Version::NONE,
            last_lsn: Lsn::ZERO,
        });
    }
}

fn fold_office(office: &mut Option<OfficeRow>, event: &Event) {
    match (&event.body, office.as_mut()) {
        (EventBody::OfficeRegistered(e), _) => {
            *office = Some(OfficeRow {
                name: e.name.clone(),
                kind: e.kind,
                areas: e.areas.clone(),
                since: event.effective_on.earliest(),
                version: Version::NONE,
                last_lsn: Lsn::ZERO,
            });
        }
        (EventBody::OfficeAreaChanged(e), Some(row)) => {
            row.areas = e.areas.clone();
            row.since = event.effective_on.earliest();
        }
        _ => {}
    }
}

/// Streams of one event, collected. Most events have one to three.
pub fn streams_of(event: &Event) -> SmallVec<[(RowRef, Aspect); 4]> {
    let mut streams = SmallVec::new();
    event.body.for_each_stream(|row, aspect| streams.push((row, aspect)));
    streams
}
