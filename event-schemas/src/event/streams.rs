//! Which rows an event changes, and in which aspects.

use super::{EventBody, Origin};
use crate::household::Membership;
use crate::ids::{CardId, DossierId, PersonId};
use crate::kin::KinRef;
use crate::row::{Aspect, RowRef};

impl EventBody {
    /// Calls `visit` for every stream that the event belongs to, rows in a fixed order. A row may come several times, with
    /// different aspects.
    pub fn for_each_stream(&self, mut visit: impl FnMut(RowRef, Aspect)) {
        use Aspect as A;
        use RowRef as R;
        match self {
            Self::UnitEstablished(e) => visit(R::Unit(e.unit), A::Existence),
            Self::OfficeRegistered(e) => visit(R::Office(e.office), A::Existence),
            Self::OfficeAreaChanged(e) => visit(R::Office(e.office), A::Existence),
            Self::DwellingRegistered(e) => visit(R::Dwelling(e.dwelling), A::Existence),
            Self::PersonRegistered(e) => {
                let row = R::Person(e.person);
                visit(row, A::Existence);
                visit(row, A::Identity);
                if !e.data.documents.is_empty() {
                    visit(row, A::Documents);
                }
                // Whoever is born here is unmarried; of others it is what enrolment states.
                if matches!(e.origin, Origin::Birth(_)) || e.data.marital_status.is_some() {
                    visit(row, A::Marriage);
                }
            }
            Self::ParentLinked(e) => {
                visit(R::Person(e.child), A::Kinship);
                if let KinRef::Registered(parent) = e.link.parent {
                    visit(R::Person(parent), A::Kinship);
                }
            }
            Self::NameChanged(e) => visit(R::Person(e.person), A::Identity),
            Self::DeathRegistered(e) => visit(R::Person(e.person), A::Life),
            Self::DefectNoted(e) => visit(e.row, A::Defects),
            Self::DefectCleared(e) => visit(e.row, A::Defects),
            Self::MarriageRegistered(e) => {
                for partner in &e.partners {
                    if let KinRef::Registered(person) = partner {
                        visit(R::Person(*person), A::Marriage);
                    }
                }
            }
            Self::MarriageEnded(e) => {
                visit(R::Person(e.person), A::Marriage);
                if let Some(spouse) = e.spouse {
                    visit(R::Person(spouse), A::Marriage);
                }
            }
            Self::PinIssued(e) => visit(R::Person(e.person), A::Number),
            Self::PinAccepted(e) => visit(R::Person(e.person), A::Number),
            Self::PinCancelled(e) => visit(R::Person(e.person), A::Number),
            Self::PinNoticeHandedOver(e) => visit(R::Person(e.person), A::Notices),
            Self::PermanentResidenceRegistered(e) => visit(R::Person(e.person), A::PermanentResidence),
            Self::PermanentResidenceEnded(e) => visit(R::Person(e.person), A::PermanentResidence),
            Self::TemporaryResidenceRegistered(e) => visit(R::Person(e.person), A::TemporaryResidence),
            Self::TemporaryResidenceEnded(e) => visit(R::Person(e.person), A::TemporaryResidence),
            Self::HouseholdFormed(e) => {
                visit(R::Household(e.household), A::Existence);
                visit(R::Household(e.household), A::HouseholdPlace);
            }
            Self::MemberJoined(e) => {
                visit(R::Person(e.person), membership_aspect(e.membership));
                visit(R::Household(e.household), A::Composition);
            }
            Self::MemberLeft(e) => {
                visit(R::Person(e.person), membership_aspect(e.membership));
                visit(R::Household(e.household), A::Composition);
            }
            Self::HeadAppointed(e) => {
                visit(R::Person(e.head), A::Membership);
                visit(R::Household(e.household), A::Composition);
            }
            Self::HeadVacated(e) => visit(R::Household(e.household), A::Composition),
            Self::RelationshipChanged(e) => {
                visit(R::Person(e.person), A::Membership);
                visit(R::Household(e.household), A::Composition);
            }
            Self::HouseholdMoved(e) => visit(R::Household(e.household), A::HouseholdPlace),
            Self::HouseholdEnded(e) => visit(R::Household(e.household), A::Existence),
            Self::DossierReceived(e) => {
                visit(R::Dossier(e.dossier), A::Existence);
                visit(R::Person(e.person), A::Cards);
            }
            Self::DossierApproved(e) => visit(R::Dossier(e.dossier), A::Status),
            Self::DossierRefused(e) => dossier_of(e.dossier, e.person, visit),
            Self::DossierClosed(e) => dossier_of(e.dossier, e.person, visit),
            Self::CardProduced(e) => {
                visit(R::Card(e.card), A::Existence);
                dossier_of(e.dossier, e.person, visit);
            }
            Self::CardHandedOver(e) => card_of(e.card, e.person, visit),
            Self::CardReportedLost(e) => card_of(e.card, e.person, visit),
            Self::CardReplaced(e) => card_of(e.card, e.person, visit),
            Self::CardWithdrawn(e) => card_of(e.card, e.person, visit),
            Self::CardExpired(e) => card_of(e.card, e.person, visit),
            Self::CardHolderDied(e) => card_of(e.card, e.person, visit),
            Self::CardHeld(e) => card_of(e.card, e.person, visit),
            Self::CardReturned(e) => card_of(e.card, e.person, visit),
            Self::CardFound(e) => card_of(e.card, e.person, visit),
            Self::CardReportedDamaged(e) => card_of(e.card, e.person, visit),
            Self::OperationOpened(e) => visit(R::Operation(e.operation), A::Existence),
            // The staged rows change with the commit, which a record is too small to name: see `OperationCommitted`.
            Self::OperationPart(e) => visit(R::Operation(e.operation), A::Status),
            Self::OperationApproved(e) => visit(R::Operation(e.operation), A::Status),
            Self::OperationCommitted(e) => visit(R::Operation(e.operation), A::Status),
            Self::OperationAbandoned(e) => visit(R::Operation(e.operation), A::Status),
            Self::CorrectionProposed(e) => visit(R::Operation(e.operation), A::Status),
            Self::CorrectionApproved(e) => visit(R::Operation(e.operation), A::Status),
            Self::EventAnnulled(e) => e.streams.iter().for_each(|stream| visit(stream.row, stream.aspect)),
            Self::EventAmended(e) => e.streams.iter().for_each(|stream| visit(stream.row, stream.aspect)),
        }
    }
}

fn membership_aspect(membership: Membership) -> Aspect {
    match membership {
        Membership::Permanent => Aspect::Membership,
        Membership::Temporary => Aspect::TemporaryMembership,
    }
}

fn dossier_of(dossier: DossierId, person: PersonId, mut visit: impl FnMut(RowRef, Aspect)) {
    visit(RowRef::Dossier(dossier), Aspect::Status);
    visit(RowRef::Person(person), Aspect::Cards);
}

fn card_of(card: CardId, person: PersonId, mut visit: impl FnMut(RowRef, Aspect)) {
    visit(RowRef::Card(card), Aspect::Status);
    visit(RowRef::Person(person), Aspect::Cards);
}
