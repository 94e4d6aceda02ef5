//! The row of a person.

use super::residence::{Residence, Spell, Stay};
use super::{Fact, Stamp};
use crate::stored::{page_rows, stored};
use event_schemas::basis::RegisterEntry;
use event_schemas::defect::DefectKind;
use event_schemas::document::IdentityDocument;
use event_schemas::event::{DeathRegistered, EventBody, MarriageEnded, Origin, PersonRegistered};
use event_schemas::household::{Membership, Relationship};
use event_schemas::ids::{CardId, DossierId, EventAddress, HouseholdId, PersonId, UnitId};
use event_schemas::kin::{KinRef, MarriageEndReason, ParentKind, ParentRole, Period, RegisteredParentLink};
use event_schemas::person::{Identity, MaritalStatus, Names, PersonalData};
use event_schemas::pin::{Pin, PinGround};
use event_schemas::row::{Aspect, RowRef};
use event_schemas::text::Text;
use event_schemas::time::PartialDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All that the registry holds of a person.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct PersonRow {
    pub stamp: Stamp,
    pub registration: Option<Registration>,
    /// Without the documents, which have an aspect of their own.
    pub data: Option<PersonalData<UnitId>>,
    pub identity: Option<Identity<UnitId>>,
    /// Oldest first.
    pub former_names: Vec<FormerNames>,
    pub documents: Vec<IdentityDocument>,
    /// Oldest first; the last is in force, those before it are cancelled.
    pub pins: Vec<PinEntry>,
    /// Written notices of PINs that were handed over.
    pub notices: Vec<PinNotice>,
    pub parents: Vec<Parent>,
    pub children: Vec<Child>,
    pub death: Option<Death>,
    /// By all that is recorded; none without information.
    pub marital: Option<Marital>,
    /// In the order of their days.
    pub marriages: Vec<Marriage>,
    pub defects: Vec<OpenDefect>,
    pub permanent: Option<Residence>,
    /// What came before `permanent`, in the order of days.
    pub permanent_before: Vec<Spell>,
    pub temporary: Option<Stay>,
    /// What came before `temporary`, in the order of days.
    pub temporary_before: Vec<Spell>,
    pub household: Option<HouseholdTie>,
    pub temporary_household: Option<HouseholdTie>,
    /// In the order of applications.
    pub dossiers: Vec<DossierId>,
    /// In the order of production.
    pub cards: Vec<CardId>,
}

/// How the person came into the registry.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Registration {
    pub origin: Origin,
    pub on: PartialDate,
    pub by: EventAddress,
}

/// Names the person had before.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FormerNames {
    pub names: Names,
    /// When other names took their place.
    pub until: PartialDate,
    pub reason: Text<200>,
    pub by: EventAddress,
}

/// A PIN the person has or had.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PinEntry {
    pub pin: Pin,
    pub since: PartialDate,
    /// The event that gave it.
    pub by: EventAddress,
    /// Issued before this registry and accepted by it.
    pub accepted: bool,
    /// A written notice of it is due, or was.
    pub needs_notice: bool,
    pub cancelled: Option<PinCancellation>,
}

/// How a PIN ceased to hold.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PinCancellation {
    pub on: PartialDate,
    pub ground: PinGround,
    pub explanation: Text<200>,
    pub by: EventAddress,
}

/// A written notice of a PIN that was handed over.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PinNotice {
    pub pin: Pin,
    pub on: PartialDate,
    pub by: EventAddress,
}

/// A parent of this person.
#[derive(Clone, PartialEq, Debug)]
pub struct Parent {
    pub link: RegisteredParentLink,
    pub by: EventAddress,
}

/// A registered child of this person: the other end of the child's link.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Child {
    pub child: PersonId,
    pub role: ParentRole,
    pub kind: ParentKind,
    pub period: Period,
    pub by: EventAddress,
}

/// The person's death.
#[derive(Clone, PartialEq, Debug)]
pub struct Death {
    pub on: PartialDate,
    pub facts: DeathRegistered,
    pub by: EventAddress,
}

/// A marital status, by enrolment's statement or by what happened since. The dead keep theirs.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Marital {
    pub status: MaritalStatus,
    pub since: PartialDate,
    pub by: EventAddress,
}

/// A registered marriage of this person.
#[derive(Clone, PartialEq, Debug)]
pub struct Marriage {
    /// The other partner.
    pub spouse: KinRef<PersonId>,
    pub since: PartialDate,
    pub entry: RegisterEntry,
    pub by: EventAddress,
    pub end: Option<MarriageEnd>,
}

/// How a marriage ended.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MarriageEnd {
    pub on: PartialDate,
    pub reason: MarriageEndReason,
    pub by: EventAddress,
}

/// Something wrong or missing that was accepted.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct OpenDefect {
    pub defect: DefectKind,
    pub by: EventAddress,
}

/// Belonging to a household.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct HouseholdTie {
    pub household: HouseholdId,
    pub relationship: Relationship,
    pub since: PartialDate,
    pub by: EventAddress,
}

stored! {
    PersonRow {
        part stamp, part registration, value data, value identity, part former_names, value documents, part pins, part notices,
        part parents, part children, part death, part marital, part marriages, part defects, part permanent,
        part permanent_before, part temporary, part temporary_before, part household, part temporary_household, value dossiers, value cards,
    }
    Registration { value origin, value on, value by }
    FormerNames { value names, value until, value reason, value by }
    PinEntry { value pin, value since, value by, value accepted, value needs_notice, part cancelled }
    PinCancellation { value on, value ground, value explanation, value by }
    PinNotice { value pin, value on, value by }
    Parent { value link, value by }
    Child { value child, value role, value kind, value period, value by }
    Death { value on, value facts, value by }
    Marital { value status, value since, value by }
    Marriage { value spouse, value since, value entry, value by, part end }
    MarriageEnd { value on, value reason, value by }
    OpenDefect { value defect, value by }
    HouseholdTie { value household, value relationship, value since, value by }
}

page_rows! { PersonRow }

impl PersonRow {
    /// Whether the registration of the birth was taken back: of the person there are only numbers that are in force for nobody.
    pub fn is_annulled(&self) -> bool {
        self.registration.is_none() && self.stamp != Stamp::default()
    }

    /// The PIN in force.
    pub fn pin(&self) -> Option<Pin> {
        self.pin_in_force().map(|entry| entry.pin)
    }

    fn pin_in_force(&self) -> Option<&PinEntry> {
        self.pins.last().filter(|entry| self.registration.is_some() && entry.cancelled.is_none())
    }

    /// The PIN of which the person, who is alive, is still to get a written notice.
    pub fn notice_due(&self) -> Option<&PinEntry> {
        let entry = self.pin_in_force().filter(|entry| entry.needs_notice && self.death.is_none())?;
        self.notices.iter().all(|notice| notice.pin != entry.pin).then_some(entry)
    }

    /// A number from an operation: what [`EventBody::PinIssued`] would say, with the commit's address.
    pub(crate) fn give_number(&mut self, pin: Pin, since: PartialDate, by: EventAddress) {
        let (accepted, needs_notice) = (false, true);
        self.pins.push(PinEntry { pin, since, by, accepted, needs_notice, cancelled: None });
    }

    /// Names as written, surname first; empty if none is known.
    pub fn display_name(&self) -> String {
        self.identity.as_ref().map_or_else(String::new, |identity| identity.names.to_string())
    }

    pub(super) fn fold(&mut self, id: PersonId, aspect: Aspect, fact: Fact<'_>) {
        match aspect {
            Aspect::Existence => self.fold_existence(fact),
            Aspect::Identity => self.fold_identity(fact),
            Aspect::Documents => self.fold_documents(fact),
            Aspect::Number => self.fold_number(fact),
            Aspect::Notices => self.fold_notices(fact),
            Aspect::Kinship => self.fold_kinship(id, fact),
            Aspect::Life => self.fold_life(fact),
            Aspect::Defects => fold_defects(&mut self.defects, RowRef::Person(id), fact),
            Aspect::PermanentResidence => self.fold_permanent(fact),
            Aspect::TemporaryResidence => self.fold_temporary(fact),
            Aspect::Membership => fold_tie(&mut self.household, Membership::Permanent, fact),
            Aspect::TemporaryMembership => {
                fold_tie(&mut self.temporary_household, Membership::Temporary, fact)
            }
            Aspect::Cards => self.fold_cards(fact),
            Aspect::Marriage => self.fold_marriage(id, fact),
            Aspect::HouseholdPlace | Aspect::Composition | Aspect::Status => {}
        }
    }

    pub(super) fn reset(&mut self, aspect: Aspect) {
        match aspect {
            Aspect::Existence => (self.registration, self.data) = (None, None),
            Aspect::Identity => {
                self.identity = None;
                self.former_names.clear();
            }
            Aspect::Documents => self.documents.clear(),
            Aspect::Number => self.pins.clear(),
            Aspect::Notices => self.notices.clear(),
            Aspect::Kinship => {
                self.parents.clear();
                self.children.clear();
            }
            Aspect::Life => self.death = None,
            Aspect::Defects => self.defects.clear(),
            Aspect::PermanentResidence => {
                self.permanent = None;
                self.permanent_before.clear();
            }
            Aspect::TemporaryResidence => {
                self.temporary = None;
                self.temporary_before.clear();
            }
            Aspect::Membership => self.household = None,
            Aspect::TemporaryMembership => self.temporary_household = None,
            Aspect::Marriage => {
                self.marital = None;
                self.marriages.clear();
            }
            Aspect::Cards => {
                self.dossiers.clear();
                self.cards.clear();
            }
            Aspect::HouseholdPlace | Aspect::Composition | Aspect::Status => {}
        }
    }

    fn fold_existence(&mut self, fact: Fact<'_>) {
        if let EventBody::PersonRegistered(e) = &fact.event.body {
            let on = fact.event.effective_on;
            self.registration = Some(Registration { origin: e.origin.clone(), on, by: fact.at });
            self.data = Some(PersonalData { documents: Vec::new(), ..(*e.data).clone() });
        }
    }

    fn fold_identity(&mut self, fact: Fact<'_>) {
        match (&fact.event.body, &mut self.identity) {
            (EventBody::PersonRegistered(e), _) => self.identity = Some((*e.identity).clone()),
            (EventBody::NameChanged(e), Some(identity)) => {
                let names = std::mem::replace(&mut identity.names, e.names.clone());
                let (until, reason) = (fact.event.effective_on, e.reason.clone());
                self.former_names.push(FormerNames { names, until, reason, by: fact.at });
            }
            _ => {}
        }
    }

    fn fold_documents(&mut self, fact: Fact<'_>) {
        if let EventBody::PersonRegistered(e) = &fact.event.body {
            self.documents.clone_from(&e.data.documents);
        }
    }

    fn fold_number(&mut self, fact: Fact<'_>) {
        let (pin, accepted, needs_notice) = match &fact.event.body {
            EventBody::PinIssued(e) => (e.pin, false, e.occasion.needs_notice()),
            EventBody::PinAccepted(e) => (e.pin, true, false),
            EventBody::PinCancelled(e) => {
                let entry = self.pins.iter_mut().find(|entry| entry.pin == e.pin);
                if let Some(entry) = entry {
                    let (on, ground, explanation) =
                        (fact.event.effective_on, e.ground, e.explanation.clone());
                    entry.cancelled = Some(PinCancellation { on, ground, explanation, by: fact.at });
                }
                return;
            }
            _ => return,
        };
        self.pins.retain(|entry| entry.pin != pin);
        let (since, by) = (fact.event.effective_on, fact.at);
        self.pins.push(PinEntry { pin, since, by, accepted, needs_notice, cancelled: None });
    }

    fn fold_notices(&mut self, fact: Fact<'_>) {
        if let EventBody::PinNoticeHandedOver(e) = &fact.event.body {
            self.notices.push(PinNotice { pin: e.pin, on: fact.event.effective_on, by: fact.at });
        }
    }

    fn fold_kinship(&mut self, id: PersonId, fact: Fact<'_>) {
        let EventBody::ParentLinked(e) = &fact.event.body else {
            return;
        };
        let (role, kind) = (e.link.role, e.link.kind);
        if e.child == id {
            // A parent who was only described, and is now found in the registry, is the same parent.
            self.parents.retain(|known| {
                let described = matches!(known.link.parent, KinRef::Described(_));
                let same_place = known.link.role == role && known.link.kind == kind;
                !same_place || !(described || known.link.parent == e.link.parent)
            });
            self.parents.push(Parent { link: e.link.clone(), by: fact.at });
        } else {
            self.children.retain(|known| (known.child, known.role, known.kind) != (e.child, role, kind));
            self.children.push(Child { child: e.child, role, kind, period: e.link.period, by: fact.at });
        }
    }

    fn fold_life(&mut self, fact: Fact<'_>) {
        if let EventBody::DeathRegistered(e) = &fact.event.body {
            self.death = Some(Death { on: fact.event.effective_on, facts: e.clone(), by: fact.at });
        }
    }

    fn fold_marriage(&mut self, id: PersonId, fact: Fact<'_>) {
        match &fact.event.body {
            EventBody::PersonRegistered(e) => self.fold_stated_status(e, fact),
            EventBody::MarriageRegistered(e) => {
                let other = e.partners.iter().find(|partner| **partner != KinRef::Registered(id));
                let Some(spouse) = other.cloned() else { return };
                let since = fact.event.effective_on;
                self.marriages.push(Marriage { spouse, since, entry: e.entry, by: fact.at, end: None });
                self.set_marital(MaritalStatus::Married, fact);
            }
            EventBody::MarriageEnded(e) => self.fold_end_of_marriage(id, e, fact),
            _ => {}
        }
    }

    /// A statement counts where no registered marriage speaks; whoever is born here is unmarried.
    fn fold_stated_status(&mut self, registered: &PersonRegistered, fact: Fact<'_>) {
        let stated = match (registered.data.marital_status, &registered.origin) {
            (Some(MaritalStatus::NoInformation), _) | (None, Origin::Enrolment) => return,
            (Some(status), _) => status,
            (None, Origin::Birth(_)) => MaritalStatus::Unmarried,
        };
        let is_in_force = self.marriages.iter().any(|marriage| marriage.end.is_none());
        if !is_in_force && (self.marital.is_none() || stated == MaritalStatus::Married) {
            self.set_marital(stated, fact);
        }
    }

    fn fold_end_of_marriage(&mut self, id: PersonId, ended: &MarriageEnded, fact: Fact<'_>) {
        let other = if ended.person == id { ended.spouse } else { Some(ended.person) };
        let in_force = self.marriages.iter_mut().rev().find(|marriage| marriage.end.is_none());
        match in_force {
            Some(marriage) => {
                let is_this = match (&marriage.spouse, other) {
                    (KinRef::Registered(spouse), Some(other)) => *spouse == other,
                    (KinRef::Described(_), None) => true,
                    _ => false,
                };
                if !is_this {
                    return;
                }
                let (on, reason) = (fact.event.effective_on, ended.reason);
                marriage.end = Some(MarriageEnd { on, reason, by: fact.at });
            }
            // One that enrolment stated without naming anybody.
            None if other.is_none()
                && self.marital.is_some_and(|now| now.status == MaritalStatus::Married) => {}
            None => return,
        }
        match ended.reason {
            MarriageEndReason::Divorce => self.set_marital(MaritalStatus::Divorced, fact),
            MarriageEndReason::Death if ended.person != id => self.set_marital(MaritalStatus::Widowed, fact),
            MarriageEndReason::Death => {}
        }
    }

    fn set_marital(&mut self, status: MaritalStatus, fact: Fact<'_>) {
        self.marital = Some(Marital { status, since: fact.event.effective_on, by: fact.at });
    }

    fn fold_cards(&mut self, fact: Fact<'_>) {
        match &fact.event.body {
            EventBody::DossierReceived(e) if !self.dossiers.contains(&e.dossier) => {
                self.dossiers.push(e.dossier)
            }
            EventBody::CardProduced(e) if !self.cards.contains(&e.card) => self.cards.push(e.card),
            _ => {}
        }
    }
}

/// Open defects of a row of any kind.
pub(super) fn fold_defects(defects: &mut Vec<OpenDefect>, row: RowRef, fact: Fact<'_>) {
    match &fact.event.body {
        EventBody::DefectNoted(e) if e.row == row && defects.iter().all(|open| open.defect != e.defect) => {
            defects.push(OpenDefect { defect: e.defect, by: fact.at });
        }
        EventBody::DefectCleared(e) if e.row == row => defects.retain(|open| open.defect != e.defect),
        _ => {}
    }
}

fn fold_tie(tie: &mut Option<HouseholdTie>, membership: Membership, fact: Fact<'_>) {
    match (&fact.event.body, tie.as_mut()) {
        (EventBody::MemberJoined(e), _) if e.membership == membership => {
            let (household, relationship) = (e.household, e.relationship);
            *tie =
                Some(HouseholdTie { household, relationship, since: fact.event.effective_on, by: fact.at });
        }
        (EventBody::MemberLeft(e), _) if e.membership == membership => *tie = None,
        (EventBody::HeadAppointed(_), Some(tie)) => tie.relationship = Relationship::Head,
        (EventBody::RelationshipChanged(e), Some(tie)) => tie.relationship = e.relationship,
        _ => {}
    }
}
