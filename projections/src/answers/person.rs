//! Persons as answers show them.

use super::{PlaceView, ResidenceAnswer, Teller};
use crate::row_source::RowSource;
use crate::rows::{
    Death, FormerNames, HouseholdTie, Marriage, MarriageEnd, OpenDefect, PersonRow, PinCancellation,
    Registration,
};
use event_schemas::basis::RegisterEntry;
use event_schemas::card::{CardStatus, DocumentKind, DossierStatus};
use event_schemas::document::IdentityDocument;
use event_schemas::guarded::Guarded;
use event_schemas::household::Relationship;
use event_schemas::ids::{CardId, DossierId, EventAddress, HouseholdId, PersonId, Version};
use event_schemas::kin::{DescribedPerson, KinRef, ParentKind, ParentRole, Period};
use event_schemas::person::{
    BloodGroup, Contact, Ethnicity, Identification, LegalCapacity, MaritalStatus, Names, Nationality,
    Religion, Sex,
};
use event_schemas::pin::Pin;
use event_schemas::row::RowRef;
use event_schemas::text::Text;
use event_schemas::time::{Date, PartialDate, TimeOfDay};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A person in one line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PersonBrief {
    pub id: PersonId,
    pub name: String,
    pub sex: Sex,
    pub birth: Option<PartialDate>,
    pub pin: Option<Pin>,
    pub alive: bool,
    /// The permanent household.
    pub household: Option<HouseholdId>,
}

/// A PIN and whether it is in force.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PinView {
    pub pin: Pin,
    pub in_force: bool,
    pub since: PartialDate,
    /// The event that gave it.
    pub by: EventAddress,
    /// Issued before this registry and accepted by it.
    pub accepted: bool,
    pub cancelled: Option<PinCancellation>,
    /// The number that took its place.
    pub replaced_by: Option<Pin>,
    /// When a written notice of it was handed over.
    pub notice_handed_over_on: Option<PartialDate>,
    /// A written notice of it is due still.
    pub notice_due: bool,
}

/// A parent: a registered person, or somebody known from papers only.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ParentView {
    pub role: ParentRole,
    pub kind: ParentKind,
    pub period: Period,
    pub registered: Option<PersonBrief>,
    pub described: Option<DescribedPerson>,
    pub by: EventAddress,
}

/// A registered child.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ChildView {
    /// As what this person is the child's parent.
    pub role: ParentRole,
    pub kind: ParentKind,
    pub period: Period,
    pub child: PersonBrief,
    pub by: EventAddress,
}

/// A death.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeathView {
    pub on: PartialDate,
    pub time: Option<TimeOfDay>,
    pub place: Option<PlaceView>,
    pub cause: Option<Guarded<Text<120>>>,
    /// A court declared it.
    pub declared: bool,
    pub entry: RegisterEntry,
    pub by: EventAddress,
}

/// A marital status and, in a registered marriage, to whom.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MaritalView {
    pub status: MaritalStatus,
    pub since: PartialDate,
    /// The spouse, if registered.
    pub spouse: Option<PersonBrief>,
    /// The spouse, if known from papers only.
    pub described: Option<DescribedPerson>,
    pub by: EventAddress,
}

/// A registered marriage.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MarriageView {
    pub spouse: Option<PersonBrief>,
    pub described: Option<DescribedPerson>,
    pub since: PartialDate,
    pub entry: RegisterEntry,
    pub by: EventAddress,
    pub end: Option<MarriageEnd>,
}

/// A residence.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ResidenceView {
    pub place: PlaceView,
    /// In one line.
    pub text: String,
    pub since: PartialDate,
    /// Last day of a temporary residence.
    pub until: Option<Date>,
    pub by: EventAddress,
}

/// Belonging to a household.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TieView {
    pub household: HouseholdId,
    pub relationship: Relationship,
    pub since: PartialDate,
    pub by: EventAddress,
}

/// A card in one line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CardBrief {
    pub id: CardId,
    pub document: Option<DocumentKind>,
    pub status: CardStatus,
    pub since: Option<PartialDate>,
    pub expires_on: Option<Date>,
}

/// An application in one line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DossierBrief {
    pub id: DossierId,
    pub document: Option<DocumentKind>,
    pub status: DossierStatus,
    pub since: Option<PartialDate>,
}

/// All that the registry holds of a person.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PersonView {
    pub id: PersonId,
    pub version: Version,
    /// The registration of the birth was taken back: there is no such person. The history tells what was recorded.
    #[serde(default)]
    pub annulled: bool,
    pub name: String,
    pub names: Option<Names>,
    pub former_names: Vec<FormerNames>,
    pub sex: Sex,
    pub birth: Option<PartialDate>,
    pub birth_time: Option<TimeOfDay>,
    pub birth_place: Option<PlaceView>,
    pub nationality: Option<Nationality>,
    pub identification: Option<Identification>,
    pub registration: Option<Registration>,
    pub birth_registration_place: Option<PlaceView>,
    pub hometown: Option<PlaceView>,
    pub ethnicity: Option<Ethnicity>,
    pub religion: Option<Guarded<Religion>>,
    pub blood_group: Option<Guarded<BloodGroup>>,
    /// As of now; none without information.
    pub marital: Option<MaritalView>,
    /// Registered ones, in the order of their days.
    pub marriages: Vec<MarriageView>,
    pub capacity: LegalCapacity,
    pub contact: Option<Guarded<Contact>>,
    pub documents: Vec<IdentityDocument>,
    /// The PIN in force.
    pub pin: Option<Pin>,
    /// Oldest first.
    pub pins: Vec<PinView>,
    pub parents: Vec<ParentView>,
    pub children: Vec<ChildView>,
    pub alive: bool,
    pub death: Option<DeathView>,
    pub defects: Vec<OpenDefect>,
    pub permanent: Option<ResidenceView>,
    pub temporary: Option<ResidenceView>,
    pub household: Option<TieView>,
    pub temporary_household: Option<TieView>,
    pub cards: Vec<CardBrief>,
    pub dossiers: Vec<DossierBrief>,
}

impl PersonBrief {
    pub(crate) fn of(id: PersonId, row: Option<&PersonRow>) -> Self {
        let identity = row.and_then(|row| row.identity.as_ref());
        Self {
            id,
            name: row.map_or_else(String::new, PersonRow::display_name),
            sex: identity.map_or(Sex::Unknown, |identity| identity.sex),
            birth: identity.map(|identity| identity.birth),
            pin: row.and_then(PersonRow::pin),
            alive: row.is_some_and(|row| row.death.is_none()),
            household: row.and_then(|row| row.household).map(|tie| tie.household),
        }
    }
}

impl From<&HouseholdTie> for TieView {
    fn from(tie: &HouseholdTie) -> Self {
        Self { household: tie.household, relationship: tie.relationship, since: tie.since, by: tie.by }
    }
}

impl PersonView {
    pub(crate) fn of<R: RowSource>(
        teller: &mut Teller<'_, R>,
        id: PersonId,
        row: &PersonRow,
    ) -> Result<Self, R::Error> {
        teller.show(RowRef::Person(id));
        let identity = row.identity.as_ref();
        let data = row.data.clone().unwrap_or_default();
        let birth_place = identity.and_then(|identity| identity.birth_place.as_ref());
        let notice_of = |pin: Pin| row.notices.iter().find(|notice| notice.pin == pin);
        let pins = row.pins.iter().zip(1..).map(|(entry, place)| PinView {
            pin: entry.pin,
            in_force: row.pin() == Some(entry.pin),
            since: entry.since,
            by: entry.by,
            accepted: entry.accepted,
            cancelled: entry.cancelled.clone(),
            replaced_by: row.pins.get(place).map(|next| next.pin),
            notice_handed_over_on: notice_of(entry.pin).map(|notice| notice.on),
            notice_due: row.notice_due().is_some_and(|due| due.pin == entry.pin),
        });
        Ok(Self {
            id,
            version: row.stamp.version,
            annulled: row.is_annulled(),
            name: row.display_name(),
            names: identity.map(|identity| identity.names.clone()),
            former_names: row.former_names.clone(),
            sex: identity.map_or(Sex::Unknown, |identity| identity.sex),
            birth: identity.map(|identity| identity.birth),
            birth_time: identity.and_then(|identity| identity.birth_time),
            birth_place: PlaceView::of_option(teller, birth_place)?,
            nationality: identity.map(|identity| identity.nationality.clone()),
            identification: identity.map(|identity| identity.identification),
            registration: row.registration.clone(),
            birth_registration_place: PlaceView::of_option(teller, data.birth_registration_place.as_ref())?,
            hometown: PlaceView::of_option(teller, data.hometown.as_ref())?,
            ethnicity: data.ethnicity,
            religion: data.religion,
            blood_group: data.blood_group,
            marital: marital(teller, row)?,
            marriages: marriages(teller, row)?,
            capacity: data.capacity,
            contact: data.contact,
            documents: row.documents.clone(),
            pin: row.pin(),
            pins: pins.collect(),
            parents: parents(teller, row)?,
            children: children(teller, row)?,
            alive: row.registration.is_some() && row.death.is_none(),
            death: row.death.as_ref().map(|death| DeathView::of(teller, death)).transpose()?,
            defects: row.defects.clone(),
            permanent: permanent(teller, row)?,
            temporary: temporary(teller, row)?,
            household: row.household.as_ref().map(TieView::from),
            temporary_household: row.temporary_household.as_ref().map(TieView::from),
            cards: cards(teller, row)?,
            dossiers: dossiers(teller, row)?,
        })
    }
}

impl DeathView {
    fn of<R: RowSource>(teller: &mut Teller<'_, R>, death: &Death) -> Result<Self, R::Error> {
        let facts = &death.facts;
        Ok(Self {
            on: death.on,
            time: facts.time,
            place: PlaceView::of_option(teller, facts.place.as_ref())?,
            cause: facts.cause.clone(),
            declared: facts.declared,
            entry: facts.entry,
            by: death.by,
        })
    }
}

impl ResidenceAnswer {
    pub(crate) fn of<R: RowSource>(
        teller: &mut Teller<'_, R>,
        id: PersonId,
        row: &PersonRow,
    ) -> Result<Self, R::Error> {
        teller.show(RowRef::Person(id));
        Ok(Self {
            person: id,
            version: row.stamp.version,
            alive: row.death.is_none(),
            permanent: permanent(teller, row)?,
            temporary: temporary(teller, row)?,
            household: row.household.as_ref().map(TieView::from),
            temporary_household: row.temporary_household.as_ref().map(TieView::from),
        })
    }
}

fn permanent<R: RowSource>(
    teller: &mut Teller<'_, R>,
    row: &PersonRow,
) -> Result<Option<ResidenceView>, R::Error> {
    let Some(residence) = &row.permanent else {
        return Ok(None);
    };
    let place = PlaceView::of(teller, &residence.place)?;
    let text = place.to_string();
    Ok(Some(ResidenceView { place, text, since: residence.since, until: None, by: residence.by }))
}

/// Where the person lives, in one line.
pub(crate) fn residence_line<R: RowSource>(
    teller: &mut Teller<'_, R>,
    row: &PersonRow,
) -> Result<Option<String>, R::Error> {
    Ok(permanent(teller, row)?.map(|residence| residence.text))
}

fn temporary<R: RowSource>(
    teller: &mut Teller<'_, R>,
    row: &PersonRow,
) -> Result<Option<ResidenceView>, R::Error> {
    let Some(stay) = &row.temporary else {
        return Ok(None);
    };
    let place = PlaceView::of(teller, &stay.place)?;
    let text = place.to_string();
    Ok(Some(ResidenceView { place, text, since: stay.since, until: Some(stay.until), by: stay.by }))
}

fn parents<R: RowSource>(teller: &mut Teller<'_, R>, row: &PersonRow) -> Result<Vec<ParentView>, R::Error> {
    let mut parents = Vec::with_capacity(row.parents.len());
    for parent in &row.parents {
        let link = &parent.link;
        let (registered, described) = match &link.parent {
            KinRef::Registered(id) => (Some(teller.person(*id)?), None),
            KinRef::Described(described) => (None, Some((**described).clone())),
        };
        let (role, kind, period) = (link.role, link.kind, link.period);
        parents.push(ParentView { role, kind, period, registered, described, by: parent.by });
    }
    Ok(parents)
}

/// A spouse: registered, or described.
type SpouseOf = (Option<PersonBrief>, Option<DescribedPerson>);

fn spouse<R: RowSource>(teller: &mut Teller<'_, R>, marriage: &Marriage) -> Result<SpouseOf, R::Error> {
    Ok(match &marriage.spouse {
        KinRef::Registered(id) => (Some(teller.person(*id)?), None),
        KinRef::Described(described) => (None, Some((**described).clone())),
    })
}

fn marital<R: RowSource>(
    teller: &mut Teller<'_, R>,
    row: &PersonRow,
) -> Result<Option<MaritalView>, R::Error> {
    let Some(now) = row.marital else { return Ok(None) };
    let (spouse, described) = match row.marriages.iter().rev().find(|marriage| marriage.end.is_none()) {
        Some(marriage) => spouse(teller, marriage)?,
        None => (None, None),
    };
    Ok(Some(MaritalView { status: now.status, since: now.since, spouse, described, by: now.by }))
}

fn marriages<R: RowSource>(
    teller: &mut Teller<'_, R>,
    row: &PersonRow,
) -> Result<Vec<MarriageView>, R::Error> {
    let mut marriages = Vec::with_capacity(row.marriages.len());
    for marriage in &row.marriages {
        let (spouse, described) = spouse(teller, marriage)?;
        let Marriage { since, entry, by, end, .. } = *marriage;
        marriages.push(MarriageView { spouse, described, since, entry, by, end });
    }
    Ok(marriages)
}

fn children<R: RowSource>(teller: &mut Teller<'_, R>, row: &PersonRow) -> Result<Vec<ChildView>, R::Error> {
    let mut children = Vec::with_capacity(row.children.len());
    for child in &row.children {
        let brief = teller.person(child.child)?;
        let (role, kind, period) = (child.role, child.kind, child.period);
        children.push(ChildView { role, kind, period, child: brief, by: child.by });
    }
    Ok(children)
}

fn cards<R: RowSource>(teller: &mut Teller<'_, R>, row: &PersonRow) -> Result<Vec<CardBrief>, R::Error> {
    let mut cards = Vec::with_capacity(row.cards.len());
    for id in &row.cards {
        let Some(card) = teller.reading.card(*id)? else { continue };
        cards.push(CardBrief {
            id: *id,
            document: card.produced.as_ref().map(|produced| produced.document),
            status: card.current_status(),
            since: card.since.or(card.produced_on),
            expires_on: card.produced.as_ref().and_then(|produced| produced.expires_on),
        });
    }
    Ok(cards)
}

fn dossiers<R: RowSource>(
    teller: &mut Teller<'_, R>,
    row: &PersonRow,
) -> Result<Vec<DossierBrief>, R::Error> {
    let mut dossiers = Vec::with_capacity(row.dossiers.len());
    for id in &row.dossiers {
        let Some(dossier) = teller.reading.dossier(*id)? else { continue };
        dossiers.push(DossierBrief {
            id: *id,
            document: dossier.received.as_ref().map(|received| received.document),
            status: dossier.current_status(),
            since: dossier.since.or(dossier.received_on),
        });
    }
    Ok(dossiers)
}
