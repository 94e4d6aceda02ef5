//! Bodies of log entries: what one accepted command appended, and the system's own entries.

use crate::basis::Basis;
use crate::codec::{CodecError, decode_framed, decode_from, encode_framed, encode_into};
use crate::command::{Command, CommandEnvelope, ExpectedVersion};
use crate::event::{Event, EventBody};
use crate::format::{NewerFormat, check_known};
use crate::guarded::Confidentiality;
use crate::ids::{
    CommandId, EventAddress, InstanceId, KeyId, LogId, Lsn, OfficeId, OfficerId, RulesRevision,
};
use crate::operation::StagedCorrection;
use crate::row::{RowTouch, StreamRef};
use crate::text::Text;
use crate::time::{Date, PartialDate};
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one accepted command appended. Atomic, because it is one log entry (W9).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Record {
    pub office: OfficeId,
    pub officer: OfficerId,
    /// Rules under which it was decided (W4).
    pub rules: RulesRevision,
    /// The command in its canonical form: `dry_run` false, `answer_by` none.
    pub command: CommandEnvelope,
    pub changes: Changes,
}

/// What happened to which rows.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Changes {
    /// Grounds that events name by their place here. The first is the command's.
    pub bases: Vec<Basis>,
    /// 1 to [`MAX_EVENTS`], in the order in which they are folded.
    pub events: Vec<Event>,
    /// Every row that the events change, once (W3).
    pub rows: Vec<RowTouch>,
    /// The resulting timelines of streams that got a late event.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restatements: Vec<Restatement>,
}

/// Most events of one record.
pub const MAX_EVENTS: usize = 4_000;

/// The timeline of a stream after a late fact, in valid-time order. A row's aspect is folded from it anew; nobody searches
/// history.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Restatement {
    pub stream: StreamRef,
    pub timeline: Vec<(EventAddress, Event)>,
}

impl Restatement {
    /// As the record at `lsn` makes it: in what is staged, its own events have lsn 0, because that of the commit is not known yet.
    pub fn placed_at(mut self, lsn: Lsn) -> Self {
        let own = self.timeline.iter_mut().filter(|(at, _)| at.lsn == Lsn::ZERO);
        own.for_each(|(at, _)| at.lsn = lsn);
        self
    }
}

/// Rows that fell due with a day: the day's events come in bounded parts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Lapsed {
    pub date: Date,
    /// Whether this is the day's last part; commands wait for it.
    pub last: bool,
    pub changes: Changes,
}

/// How `recorded_at` comes about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockKind {
    /// The leader's wall clock.
    Wall,
    /// Advanced by whoever drives a demo, a simulation or a scale run. Such a log says so for ever.
    Scripted,
}

/// First entry of a log.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
pub struct Genesis {
    pub log_id: LogId,
    pub clock: ClockKind,
    /// Draft in which the log is written, see [`crate::codec::DRAFT`].
    pub draft: u16,
    /// The first opened day.
    pub date: Date,
    pub note: Text<200>,
}

/// Sum over the registry's rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, Serialize)]
pub struct StateDigest {
    /// Names the fields that are summed.
    pub version: u16,
    /// JSON: 32 hexadecimal digits, because JSON's numbers are too small.
    #[serde(serialize_with = "as_hex")]
    pub sum: u128,
}

fn as_hex<S: serde::Serializer>(sum: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{sum:032x}"))
}

/// The body of an entry, by its header's kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryBody {
    Record(Box<Record>),
    Genesis(Genesis),
    Claim {
        node: Text<60>,
    },
    Tick,
    DayOpened {
        date: Date,
    },
    StateDigest(StateDigest),
    /// From here on the log may hold what needs this format; whoever does not know it stops here.
    Activate {
        format: u16,
        /// Who asked for it.
        officer: OfficerId,
    },
    /// `target` is the copy of the log in which it goes on, `place` tells people where that is.
    Sealed {
        target: InstanceId,
        place: Text<200>,
    },
    Lapsed(Lapsed),
    ClockConsent {
        officer: OfficerId,
        reason: Text<200>,
    },
}

use crate::header::EntryKind;

impl EntryBody {
    /// The kind that its header states.
    pub fn kind(&self) -> EntryKind {
        match self {
            Self::Record(_) => EntryKind::Record,
            Self::Genesis(_) => EntryKind::Genesis,
            Self::Claim { .. } => EntryKind::Claim,
            Self::Tick => EntryKind::Tick,
            Self::DayOpened { .. } => EntryKind::DayOpened,
            Self::StateDigest(_) => EntryKind::StateDigest,
            Self::Activate { .. } => EntryKind::Activate,
            Self::Sealed { .. } => EntryKind::Sealed,
            Self::Lapsed(_) => EntryKind::Lapsed,
            Self::ClockConsent { .. } => EntryKind::ClockConsent,
        }
    }

    /// The body's bytes.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let mut out = Vec::new();
        self.encode_into(&mut out)?;
        Ok(out)
    }

    /// Appends the body's bytes; a buffer that is kept is not allocated for each entry.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        match self {
            Self::Record(record) => record.encode_into(out),
            Self::Genesis(genesis) => encode_into(genesis, out),
            Self::Claim { node } => encode_into(node, out),
            Self::Tick => Ok(()),
            Self::DayOpened { date } => encode_into(date, out),
            Self::StateDigest(digest) => encode_into(digest, out),
            Self::Activate { format, officer } => encode_into(&(*format, *officer), out),
            // Admission reads the target without decoding, so it has a fixed place.
            Self::Sealed { target, place } => encode_into(&(target.0.to_le_bytes(), place), out),
            Self::Lapsed(lapsed) => {
                encode_into(&(lapsed.date, lapsed.last), out)?;
                lapsed.changes.encode_into(out)
            }
            Self::ClockConsent { officer, reason } => encode_into(&(*officer, reason.clone()), out),
        }
    }

    /// Reads a body of this kind; all bytes must be used.
    pub fn decode(kind: EntryKind, mut input: &[u8]) -> Result<Self, CodecError> {
        let body = match kind {
            EntryKind::Record => Self::Record(Box::new(Record::decode_from(&mut input)?)),
            EntryKind::Genesis => Self::Genesis(decode_from(&mut input)?),
            EntryKind::Claim => Self::Claim { node: decode_from(&mut input)? },
            EntryKind::Tick => Self::Tick,
            EntryKind::DayOpened => Self::DayOpened { date: decode_from(&mut input)? },
            EntryKind::StateDigest => Self::StateDigest(decode_from(&mut input)?),
            EntryKind::Activate => {
                let (format, officer) = decode_from(&mut input)?;
                Self::Activate { format, officer }
            }
            EntryKind::Sealed => {
                let (target, place): ([u8; 16], Text<200>) = decode_from(&mut input)?;
                Self::Sealed { target: InstanceId(u128::from_le_bytes(target)), place }
            }
            EntryKind::Lapsed => {
                let (date, last) = decode_from(&mut input)?;
                Self::Lapsed(Lapsed { date, last, changes: Changes::decode_from(&mut input)? })
            }
            EntryKind::ClockConsent => {
                let (officer, reason) = decode_from(&mut input)?;
                Self::ClockConsent { officer, reason }
            }
        };
        if !input.is_empty() {
            return Err(CodecError::TrailingBytes(input.len()));
        }
        Ok(body)
    }
}

impl Record {
    /// Appends the record's bytes: who, the canonical command, the changes.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        encode_into(&(self.office, self.officer, self.rules), out)?;
        encode_command(&self.command, out)?;
        self.changes.encode_into(out)
    }

    fn decode_from(input: &mut &[u8]) -> Result<Self, CodecError> {
        let (office, officer, rules) = decode_from(input)?;
        let command = decode_command(input)?;
        Ok(Self { office, officer, rules, command, changes: Changes::decode_from(input)? })
    }
}

/// Appends a command's canonical bytes: equal commands, equal bytes. `dry_run` and `answer_by` are not part of them.
pub fn encode_command(envelope: &CommandEnvelope, out: &mut Vec<u8>) -> Result<(), CodecError> {
    encode_into(
        &(
            envelope.command_id,
            &envelope.expected_versions,
            &envelope.procedure,
            &envelope.basis,
            &envelope.overrides,
        ),
        out,
    )?;
    let command = &envelope.command;
    encode_framed(command.kind(), command.wire_version(), out, |out| command.encode_body(out))
}

fn decode_command(input: &mut &[u8]) -> Result<CommandEnvelope, CodecError> {
    type Head = (CommandId, Vec<ExpectedVersion>, Option<Text<40>>, Basis, Vec<Text<60>>);
    let (command_id, expected_versions, procedure, basis, overrides): Head = decode_from(input)?;
    let (kind, version, body) = decode_framed(input, "a command")?;
    Ok(CommandEnvelope {
        command_id,
        expected_versions,
        answer_by: None,
        dry_run: false,
        procedure,
        basis,
        overrides,
        command: Command::decode_body(kind, version, body)?,
    })
}

impl Changes {
    fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        encode_into(&self.bases, out)?;
        encode_said((&self.events, &self.rows, &self.restatements), out)
    }

    fn decode_from(input: &mut &[u8]) -> Result<Self, CodecError> {
        let bases = decode_from(input)?;
        let (events, rows, restatements) = decode_said(input, decode_event)?;
        Ok(Self { bases, events, rows, restatements })
    }
}

fn encode_said(
    (events, rows, restatements): (&[Event], &Vec<RowTouch>, &[Restatement]),
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    encode_into(&(events.len() as u32), out)?;
    for event in events {
        encode_event(event, out)?;
    }
    encode_into(rows, out)?;
    encode_into(&(restatements.len() as u32), out)?;
    for restatement in restatements {
        encode_into(&restatement.stream, out)?;
        encode_into(&(restatement.timeline.len() as u32), out)?;
        for (address, event) in &restatement.timeline {
            encode_into(address, out)?;
            encode_event(event, out)?;
        }
    }
    Ok(())
}

type Said = (Vec<Event>, Vec<RowTouch>, Vec<Restatement>);

fn decode_said(
    input: &mut &[u8],
    event: impl Fn(&mut &[u8]) -> Result<Event, CodecError> + Copy,
) -> Result<Said, CodecError> {
    let events = decode_list(input, "events", event)?;
    let rows = decode_from(input)?;
    let restatements = decode_list(input, "restatements", |input| {
        let stream = decode_from(input)?;
        let timeline = decode_list(input, "a timeline", |input| Ok((decode_from(input)?, event(input)?)))?;
        Ok(Restatement { stream, timeline })
    })?;
    Ok((events, rows, restatements))
}

/// The bytes of a correction that a part stages.
pub(crate) fn encode_staged(staged: &StagedCorrection) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    encode_said((&staged.events, &staged.rows, &staged.restatements), &mut out)?;
    Ok(out)
}

/// Reads them: facts that hold no other facts.
pub(crate) fn decode_staged(mut input: &[u8]) -> Result<StagedCorrection, CodecError> {
    let (events, rows, restatements) = decode_said(&mut input, decode_fact)?;
    if !input.is_empty() {
        return Err(CodecError::TrailingBytes(input.len()));
    }
    Ok(StagedCorrection { events, rows, restatements })
}

/// Lists are decoded one by one: a hostile count allocates nothing.
fn decode_list<T>(
    input: &mut &[u8],
    what: &'static str,
    mut decode: impl FnMut(&mut &[u8]) -> Result<T, CodecError>,
) -> Result<Vec<T>, CodecError> {
    let count = decode_from::<u32>(input)? as usize;
    if count > MAX_EVENTS {
        return Err(CodecError::TooMany { what, count, max: MAX_EVENTS });
    }
    let mut items = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        items.push(decode(input)?);
    }
    Ok(items)
}

fn encode_event(event: &Event, out: &mut Vec<u8>) -> Result<(), CodecError> {
    encode_into(&(event.effective_on, event.basis, event.class, event.key_id), out)?;
    let body = &event.body;
    encode_framed(body.kind(), body.wire_version(), out, |out| body.encode_body(out))
}

fn decode_event(input: &mut &[u8]) -> Result<Event, CodecError> {
    let (effective_on, basis, class, key_id): (PartialDate, u8, Confidentiality, KeyId) = decode_from(input)?;
    let (kind, version, body) = decode_framed(input, "an event")?;
    Ok(Event { effective_on, basis, class, key_id, body: EventBody::decode_body(kind, version, body)? })
}

/// A whole entry, admitted and decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdmittedEntry {
    pub lsn: Lsn,
    pub header: crate::header::EntryHeader,
    pub body: EntryBody,
}

impl AdmittedEntry {
    /// Decodes an entry that admission let in at `lsn`.
    pub fn decode(lsn: Lsn, entry: &[u8]) -> Result<Self, EntryError> {
        let header = crate::header::EntryHeader::of_entry(entry)?;
        check_known(header.format)?;
        let body = EntryBody::decode(header.kind, crate::header::body_of(entry))?;
        let entry = Self { lsn, header, body };
        entry.check_format()?;
        Ok(entry)
    }

    /// The changes to rows, if this entry carries any.
    pub fn changes(&self) -> Option<&Changes> {
        match &self.body {
            EntryBody::Record(record) => Some(&record.changes),
            EntryBody::Lapsed(lapsed) => Some(&lapsed.changes),
            _ => None,
        }
    }
}

/// Why an entry cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error(transparent)]
    Header(#[from] crate::header::HeaderError),
    #[error(transparent)]
    Body(#[from] CodecError),
    #[error(transparent)]
    Format(#[from] NewerFormat),
}

/// Checks that a decoded body re-encodes to the same bytes (S2).
pub fn reencodes(kind: EntryKind, bytes: &[u8]) -> Result<bool, CodecError> {
    Ok(EntryBody::decode(kind, bytes)?.encode()? == bytes)
}

/// Reads the exact bytes of one command envelope; used by fuzzing and by tools.
pub fn decode_command_bytes(bytes: &[u8]) -> Result<CommandEnvelope, CodecError> {
    let mut input = bytes;
    let envelope = decode_command(&mut input)?;
    if input.is_empty() { Ok(envelope) } else { Err(CodecError::TrailingBytes(input.len())) }
}

/// The bytes of one event as they stand inside a record.
pub fn encode_event_bytes(event: &Event) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    encode_event(event, &mut out)?;
    Ok(out)
}

/// Reads the exact bytes of one event that holds no other facts: what holds it is then no deeper than that.
pub(crate) fn decode_fact_bytes(bytes: &[u8]) -> Result<Event, CodecError> {
    let mut input = bytes;
    let event = decode_fact(&mut input)?;
    if input.is_empty() { Ok(event) } else { Err(CodecError::TrailingBytes(input.len())) }
}

fn decode_fact(input: &mut &[u8]) -> Result<Event, CodecError> {
    let mut ahead = *input;
    let _: (PartialDate, u8, Confidentiality, KeyId) = decode_from(&mut ahead)?;
    let (kind, version, _) = decode_framed(&mut ahead, "a fact")?;
    if EventBody::HOLDING_FACTS.contains(&kind) {
        return Err(CodecError::UnknownKind { what: "a fact", kind, version });
    }
    decode_event(input)
}

/// Reads the exact bytes of one event.
pub fn decode_event_bytes(bytes: &[u8]) -> Result<Event, CodecError> {
    let mut input = bytes;
    let event = decode_event(&mut input)?;
    if input.is_empty() { Ok(event) } else { Err(CodecError::TrailingBytes(input.len())) }
}
