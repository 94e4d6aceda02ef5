//! Corrections of whatever is recorded: mostly ones that a rule can accept.

use super::{Dice, Play};
use crate::context::TimelineSource;
use crate::registry::Registry;
use crate::registry::rows::Row;
use crate::testing::history::History;
use crate::testing::{partial, text, unit};
use event_schemas::command::{ApproveCorrection, Command, Correct, ProposeCorrection};
use event_schemas::correction::{CorrectionDigest, Edit, StatedFact};
use event_schemas::event::{Event, EventBody, NameChanged, PermanentResidenceRegistered};
use event_schemas::ids::{EventAddress, Lsn, PersonId};
use event_schemas::person::{Names, Sex};
use event_schemas::place::Place;
use event_schemas::row::RowRef;
use event_schemas::time::PartialDate;

/// Edits of something that is recorded of one of the persons who are spoken of.
pub fn edits(history: &History, registry: &Registry, dice: Dice) -> Vec<Edit> {
    let play = Play { registry, dice };
    let person = play.person(dice.who);
    let recorded = history.recorded(RowRef::Person(person)).unwrap_or_default();
    let Some((address, event)) = recorded.get(usize::from(dice.whom) % recorded.len().max(1)) else {
        return vec![Edit::Insert { fact: play.fact(play.renamed(person)) }];
    };
    match dice.kind % 9 {
        0 => vec![Edit::Insert { fact: play.fact(play.renamed(person)) }],
        1 => vec![Edit::Insert { fact: play.fact(play.lives(person)) }],
        2 | 3 => vec![Edit::Annul { event: *address }],
        // All of a record, as an operator takes a mistake back.
        4 | 5 => whole(history, *address),
        _ => vec![Edit::Amend { event: *address, to: play.amended(event) }],
    }
}

/// Everything that a record says, taken back: of a pair that amends, the one by whose address it is known; no
/// numbers, and not who approved it.
pub fn whole(history: &History, of: EventAddress) -> Vec<Edit> {
    let record = || history.events().filter(move |(at, _)| at.lsn == of.lsn);
    let amends = |at: EventAddress| {
        record().any(|(_, event)| matches!(&event.body, EventBody::EventAmended(e) if e.by == at.index))
    };
    let stays = |body: &EventBody| {
        matches!(
            body,
            EventBody::PinCancelled(_) | EventBody::PinIssued(_) | EventBody::CorrectionApproved(_)
        )
    };
    let facts = record().filter(|(at, event)| !amends(*at) && !stays(&event.body));
    facts.map(|(event, _)| Edit::Annul { event }).collect()
}

impl Play<'_> {
    /// A correction of what was recorded of somebody last, by one who looks at addresses alone.
    pub(super) fn correct(&self) -> Command {
        Command::Correct(self.correction())
    }

    /// The approval of what was proposed last, if anything waits; else a proposal of the like.
    pub(super) fn correct_by_two(&self) -> Command {
        let last = self.registry.operations().filter(|(_, row)| row.is_proposal()).last();
        match last.filter(|(_, row)| row.status.is_open() && self.dice.place % 4 != 3) {
            Some((operation, row)) => {
                let digest = CorrectionDigest(row.digest.0);
                Command::ApproveCorrection(ApproveCorrection { operation, digest })
            }
            None => Command::ProposeCorrection(ProposeCorrection { correction: self.correction() }),
        }
    }

    pub(super) fn correction(&self) -> Correct {
        let person = self.person(self.dice.who);
        let last = self.registry.person(person).map_or(Lsn::ZERO, Row::last_lsn);
        let at = |index| EventAddress { lsn: last, index };
        let place = u32::from(self.dice.place % 4);
        let edits = match self.dice.whom % 8 {
            0 => vec![Edit::Insert { fact: self.fact(self.renamed(person)) }],
            1 => vec![Edit::Insert { fact: self.fact(self.lives(person)) }],
            2 => vec![Edit::Amend { event: at(place), to: self.fact(self.renamed(person)) }],
            3 => vec![Edit::Amend { event: at(place), to: self.fact(self.lives(person)) }],
            4 => vec![Edit::Annul { event: at(place) }],
            // Mistakes are taken back whole, as far as one guesses how much there is.
            _ => (0..=place).map(|index| Edit::Annul { event: at(index) }).collect(),
        };
        Correct { edits, reason: text("found wrong in the register"), expects_digest: None }
    }

    fn fact(&self, body: EventBody) -> StatedFact {
        StatedFact { effective_on: self.vague_day(), body }
    }

    /// Sometimes known to the month or the year only.
    fn vague_day(&self) -> PartialDate {
        let day = PartialDate::of_day(self.day().plus_days(-i32::from(self.dice.detail % 400)));
        let shown = day.to_string();
        match self.dice.detail % 9 {
            0 => partial(&shown[..4]),
            1 => partial(&shown[..7]),
            _ => day,
        }
    }

    fn given_name(&self) -> Names {
        let given = ["An", "Bình", "Chí", "Dũng"][usize::from(self.dice.place) % 4];
        Names { surname: Some(text("Nguyễn")), middle: None, given: text(given), other: Vec::new() }
    }

    fn renamed(&self, person: PersonId) -> EventBody {
        EventBody::NameChanged(NameChanged {
            person,
            names: self.given_name(),
            reason: text("by decision"),
            #[cfg(feature = "next-format")]
            registered_at: None,
        })
    }

    fn lives(&self, person: PersonId) -> EventBody {
        let place = Place::in_unit(unit(self.unit()));
        EventBody::PermanentResidenceRegistered(PermanentResidenceRegistered { person, place })
    }

    /// The same kind of fact, on another day or with other particulars.
    fn amended(&self, event: &Event) -> StatedFact {
        match &event.body {
            EventBody::NameChanged(e) => self.fact(self.renamed(e.person)),
            EventBody::PermanentResidenceRegistered(e) => self.fact(self.lives(e.person)),
            EventBody::PersonRegistered(e) => {
                let mut right = e.clone();
                match self.dice.place % 3 {
                    0 => right.identity.names = self.given_name(),
                    1 => right.identity.sex = [Sex::Male, Sex::Female][usize::from(self.dice.who % 2)],
                    _ => right.identity.birth = self.vague_day(),
                }
                StatedFact { effective_on: event.effective_on, body: EventBody::PersonRegistered(right) }
            }
            other => self.fact(other.clone()),
        }
    }
}
