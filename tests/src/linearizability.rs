//! Whether what askers saw is linearizable: whether one order of all questions explains every answer, in which whatever was
//! answered before a question was put comes before it.
//!
//! Every answer tells of which lsn it speaks, so the only order that can explain the answers is the order of the log, and nothing
//! has to be searched: a record takes effect at its lsn, a refusal or "not found" right behind the lsn that it was judged at, a
//! repeated acceptance anywhere behind its record. What is left to check is that this order contradicts no asker's sense of before
//! and after. It is one comparison a question. `tests/linearizability.rs` shows that a checker which does search agrees.

use event_schemas::ids::{CommandId, Lsn};
use std::collections::{BTreeMap, BTreeSet};

/// What an answer shows of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// The record of this command stands here.
    Record { command: CommandId, lsn: Lsn },
    /// The answer was judged on what the log holds up to here, without a record of this command, if one is named.
    UpTo { lsn: Lsn, without: Option<CommandId> },
}

impl Shown {
    fn lsn(self) -> Lsn {
        match self {
            Self::Record { lsn, .. } | Self::UpTo { lsn, .. } => lsn,
        }
    }
}

/// An answer that fits no order, or only one that contradicts what an asker knew (W10).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Disorder {
    #[error("command {command} is in the log below what was shown before anybody asked for it")]
    BeforeAsked { command: CommandId },
    #[error("an answer was judged at lsn {lsn}, though lsn {shown} had been shown before the question")]
    OfThePast { lsn: Lsn, shown: Lsn },
    #[error("an answer shows command {command} at lsn {lsn}; the log holds it at {recorded:?}")]
    NotAsRecorded { command: CommandId, lsn: Lsn, recorded: Option<Lsn> },
    #[error(
        "an answer judged at lsn {lsn} did without command {command}, which is recorded as lsn {recorded}"
    )]
    Overlooked { command: CommandId, lsn: Lsn, recorded: Lsn },
}

/// One question, with its place in the order in which questions were put and answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    pub asked_at: u64,
    /// The command that it may bring into the log.
    pub submits: Option<CommandId>,
    pub answer: Option<(u64, Shown)>,
    /// The highest lsn that any answer had shown when it was put.
    shown_before: Lsn,
}

/// What was asked, answered and recorded so far.
#[derive(Clone, Default, Debug)]
pub struct History {
    now: u64,
    /// The highest lsn that any answer has shown.
    shown: Lsn,
    operations: Vec<Operation>,
    /// Commands that somebody asked for.
    asked_for: BTreeSet<CommandId>,
    records: BTreeMap<CommandId, Lsn>,
}

impl History {
    /// A question is put; its number. `submits`: a command that it may bring into the log.
    pub fn ask(&mut self, submits: Option<CommandId>) -> usize {
        self.now += 1;
        let shown_before = self.shown;
        self.asked_for.extend(submits);
        self.operations.push(Operation { asked_at: self.now, submits, answer: None, shown_before });
        self.operations.len() - 1
    }

    /// The log holds this record. Must be told before any answer that shows its lsn or a higher one.
    pub fn record(&mut self, command: CommandId, lsn: Lsn) -> Result<(), Disorder> {
        self.records.insert(command, lsn);
        if self.asked_for.contains(&command) { Ok(()) } else { Err(Disorder::BeforeAsked { command }) }
    }

    /// The log is read from its beginning again.
    pub fn forget_records(&mut self) {
        self.records.clear();
    }

    /// The question is answered.
    pub fn answer(&mut self, number: usize, shown: Shown) -> Result<(), Disorder> {
        self.now += 1;
        let operation = &mut self.operations[number];
        operation.answer = Some((self.now, shown));
        self.shown = self.shown.max(shown.lsn());
        match shown {
            Shown::Record { command, lsn } => match self.records.get(&command).copied() {
                Some(recorded) if recorded == lsn => Ok(()),
                recorded => Err(Disorder::NotAsRecorded { command, lsn, recorded }),
            },
            Shown::UpTo { lsn, .. } if lsn < operation.shown_before => {
                Err(Disorder::OfThePast { lsn, shown: operation.shown_before })
            }
            Shown::UpTo { lsn, without } => {
                match without.and_then(|it| Some((it, *self.records.get(&it)?))) {
                    Some((command, recorded)) if recorded <= lsn => {
                        Err(Disorder::Overlooked { command, lsn, recorded })
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    /// The highest lsn that any answer has shown.
    pub fn shown(&self) -> Lsn {
        self.shown
    }

    /// Every question so far.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Where the log holds each command.
    pub fn records(&self) -> &BTreeMap<CommandId, Lsn> {
        &self.records
    }
}

/// Something that an asker did or heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    Asked {
        submits: Option<CommandId>,
    },
    /// The answer to the question that was put as the `number`th.
    Answered {
        number: usize,
        shown: Shown,
    },
}

/// Judges what was heard once the log is known: events in the order in which they came, records in that of the log.
pub fn judge(events: &[Event], records: &[(Lsn, CommandId)]) -> Result<History, Disorder> {
    let mut history = History::default();
    let mut records = records.iter().peekable();
    for event in events {
        match *event {
            Event::Asked { submits } => {
                history.ask(submits);
            }
            Event::Answered { number, shown } => {
                while let Some((lsn, command)) = records.next_if(|(lsn, _)| *lsn <= shown.lsn()) {
                    history.record(*command, *lsn)?;
                }
                history.answer(number, shown)?;
            }
        }
    }
    for (lsn, command) in records {
        history.record(*command, *lsn)?;
    }
    Ok(history)
}
