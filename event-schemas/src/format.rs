//! Formats: what a log may hold.
//!
//! A format is a number for all kinds of entries, commands and events and all versions of their bodies that a log may hold. A log
//! begins with the lowest; a later one is in force from an `activate` entry on, which an operator asks for once every node knows it.
//! Until then nothing is written that needs it, so an older program reads on; afterwards an older program stops at that entry, and
//! neither leads nor answers.
//!
//! No format is released: the one there is, 0, is the draft that [`crate::codec::DRAFT`] names. A build with the feature
//! `next-format` knows one more, for rehearsals of an upgrade.

use crate::command::{Command, CommandEnvelope};
use crate::correction::StatedFact;
use crate::event::{Event, EventBody};
use crate::header::EntryKind;
use crate::operation::PartContent;
use crate::record::{AdmittedEntry, Changes, EntryBody, Record, Restatement};

/// The latest format that this program knows.
pub const NEWEST: u16 = if cfg!(feature = "next-format") { 1 } else { 0 };

/// What a program that knows less says of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "it is of format {format}, and this program knows formats up to {NEWEST}: a later version of it is needed"
)]
pub struct NewerFormat {
    pub format: u16,
}

/// Refuses formats that this program does not know.
pub fn check_known(format: u16) -> Result<(), NewerFormat> {
    if format > NEWEST { Err(NewerFormat { format }) } else { Ok(()) }
}

impl Event {
    /// The lowest format in which a log may hold it.
    pub fn format(&self) -> u16 {
        let held = match &self.body {
            EventBody::CorrectionProposed(proposed) => {
                highest(proposed.edits.iter().filter_map(|edit| edit.fact()).map(StatedFact::format))
            }
            EventBody::OperationPart(part) => match &part.content {
                PartContent::Pins(_) => 0,
                PartContent::Corrections(staged) => {
                    highest(staged.items.iter().map(|item| of_facts(&item.events, &item.restatements)))
                }
            },
            _ => 0,
        };
        held.max(self.body.since_format())
    }
}

impl StatedFact {
    fn format(&self) -> u16 {
        self.body.since_format()
    }
}

impl CommandEnvelope {
    /// The lowest format in which a log may hold it.
    pub fn format(&self) -> u16 {
        let of_edits = |edits: &[crate::correction::Edit]| {
            highest(edits.iter().filter_map(|edit| edit.fact()).map(StatedFact::format))
        };
        match &self.command {
            Command::Correct(correct) => of_edits(&correct.edits),
            Command::ProposeCorrection(propose) => of_edits(&propose.correction.edits),
            Command::StageCorrections(stage) => highest(stage.items.iter().map(|edits| of_edits(edits))),
            _ => 0,
        }
    }
}

impl Changes {
    /// The lowest format in which a log may hold them.
    pub fn format(&self) -> u16 {
        of_facts(&self.events, &self.restatements)
    }
}

impl Record {
    /// The lowest format in which a log may hold it.
    pub fn format(&self) -> u16 {
        self.command.format().max(self.changes.format())
    }
}

impl AdmittedEntry {
    /// Whether it is of a format that this program knows, and activates none that it does not.
    pub(crate) fn check_format(&self) -> Result<(), NewerFormat> {
        match self.body {
            EntryBody::Activate { format, .. } => check_known(format),
            _ => Ok(()),
        }
    }

    /// Whether its header states the format that is in force. Claims and seals are written by whoever need not know it, and the first
    /// entry stands before all.
    pub fn states_format(&self, in_force: u16) -> bool {
        let is_exempt = matches!(self.header.kind, EntryKind::Claim | EntryKind::Sealed | EntryKind::Genesis);
        is_exempt || self.header.format == in_force
    }

    /// The lowest format in which a log may hold its body.
    pub fn body_format(&self) -> u16 {
        match &self.body {
            EntryBody::Record(record) => record.format(),
            EntryBody::Lapsed(lapsed) => lapsed.changes.format(),
            _ => 0,
        }
    }
}

fn of_facts(events: &[Event], restatements: &[Restatement]) -> u16 {
    let restated = restatements.iter().flat_map(|restated| &restated.timeline).map(|(_, event)| event);
    highest(events.iter().chain(restated).map(Event::format))
}

fn highest(formats: impl Iterator<Item = u16>) -> u16 {
    formats.max().unwrap_or(0)
}
