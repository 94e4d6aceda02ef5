//! Streams that a record restates: what a row holds of them is forgotten, and folded anew from the timeline.

use super::fold::{IDENTITY_FLAGS, RowImage};
use super::rows::{CardRow, DossierRow, FLAG_OTHER_KIN, PersonRow, SEX_UNKNOWN};
use crate::timeline::marriage::Marital;
use event_schemas::record::Restatement;
use event_schemas::row::{Aspect, RowRef};
use smallvec::SmallVec;

impl RowImage {
    /// Folds the row's restated streams anew, each from its beginning, in the order in which they come. The latest day of streams
    /// that share it is known anew only if all of them are restated; a late fact adds to one, and the day stays at least what it was.
    pub fn restate(&mut self, row: RowRef, restatements: &[Restatement]) {
        let restated = || restatements.iter().filter(|restated| restated.stream.row == row);
        let aspects: SmallVec<[Aspect; 8]> = restated().map(|restated| restated.stream.aspect).collect();
        aspects.iter().for_each(|aspect| self.reset(*aspect));
        self.reset_shared(|aspect| aspects.contains(&aspect));
        for restated in restated() {
            restated.timeline.iter().for_each(|(_, event)| self.fold(row, restated.stream.aspect, event));
        }
    }

    fn reset(&mut self, aspect: Aspect) {
        match (self, aspect) {
            (Self::Person(_, Some(stay)), Aspect::TemporaryResidence) => {
                (stay.unit, stay.until) = (0, 0);
            }
            (Self::Person(_, Some(stay)), Aspect::TemporaryMembership) => {
                (stay.household, stay.relationship) = (0, 0);
            }
            (Self::Household(household), Aspect::Existence) => (household.kind, household.ended) = (0, 0),
            (Self::Household(household), Aspect::HouseholdPlace) => household.unit = 0,
            (Self::Household(household), Aspect::Composition) => {
                household.members.clear();
                household.head = 0;
            }
            (Self::Person(person, _), aspect) => reset_person(person, aspect),
            _ => {}
        }
    }

    fn reset_shared(&mut self, is_restated: impl Fn(Aspect) -> bool) {
        use Aspect as A;
        let all = |aspects: &[Aspect]| aspects.iter().all(|aspect| is_restated(*aspect));
        match self {
            Self::Person(person, temporary) => {
                if all(&[A::PermanentResidence, A::Membership]) {
                    person.residence_since = i32::MIN;
                }
                if all(&[A::TemporaryResidence, A::TemporaryMembership]) {
                    *temporary = None;
                }
            }
            Self::Card(card) if all(&[A::Existence, A::Status]) => {
                *card = CardRow { version: card.version, last_lsn: card.last_lsn, ..CardRow::default() };
            }
            Self::Dossier(dossier) if all(&[A::Existence, A::Status]) => {
                let (version, last_lsn) = (dossier.version, dossier.last_lsn);
                *dossier = DossierRow { version, last_lsn, ..DossierRow::default() };
            }
            // A household's existence sets the days of its place and composition, and comes before them.
            _ => {}
        }
    }
}

/// Forgets one of the aspects that a person's row itself holds.
fn reset_person(person: &mut PersonRow, aspect: Aspect) {
    match aspect {
        Aspect::Existence => (person.capacity, person.birth_unit) = (0, 0),
        Aspect::Identity => {
            (person.birth, person.sex, person.identity_since) = (0, SEX_UNKNOWN, i32::MIN);
            person.flags &= !IDENTITY_FLAGS;
        }
        Aspect::Life => person.died = 0,
        Aspect::Kinship => {
            (person.mother, person.father) = (0, 0);
            person.flags &= !FLAG_OTHER_KIN;
        }
        Aspect::PermanentResidence => person.unit = 0,
        Aspect::Membership => (person.household, person.relationship) = (0, 0),
        Aspect::Marriage => {
            person.set_marital(Marital::default());
            person.marriage_since = i32::MIN;
        }
        Aspect::Cards => (person.card, person.dossier) = (0, 0),
        _ => {}
    }
}
