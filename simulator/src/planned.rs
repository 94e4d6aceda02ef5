//! What the simulation hands to whoever submits it.

use crate::rng::mix;
use event_schemas::CommandEnvelope;
use event_schemas::ids::{CommandId, OfficeId};
use event_schemas::time::{Date, Timestamp};

/// A command, the office that submits it, and the answer that the simulation counts on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    pub office: OfficeId,
    pub envelope: CommandEnvelope,
    pub expect: Expectation,
    /// What the command tells, such as `birth.twins`; stable, for counting.
    pub tag: &'static str,
}

/// The answer counted on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expectation {
    Accepted,
    /// Wrong on purpose: refused, with at least one of these codes among the faults.
    RefusedWith(&'static [&'static str]),
}

/// Whether an answer was as expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Judgement {
    AsExpected,
    Surprise(Surprise),
}

/// An answer that nobody expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Surprise {
    pub command_id: CommandId,
    pub tag: &'static str,
    pub expected: Expectation,
    /// Codes of the refusal; none if the command was accepted.
    pub codes: Vec<String>,
}

/// Why an answer cannot be taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AnswerError {
    #[error("no command in flight has the id {0}")]
    NotInFlight(CommandId),
    #[error("the command {0} was answered before")]
    AnsweredTwice(CommandId),
    #[error("the acceptance of {command_id} lacks a number: {missing} were expected")]
    NumberMissing { command_id: CommandId, missing: &'static str },
}

const SEQUENCE_BITS: u32 = 40;
const MICROS_PER_MILLI: i64 = 1_000;
/// Commands of a day are stamped as if submitted from 08:00 on.
const OFFICE_OPENS_MILLIS: u64 = 8 * 3_600_000;

/// A UUIDv7 made of the simulated day, the seed and the command's number in the run. The same run against the same registry
/// repeats its ids and is answered as it was before.
pub(crate) fn command_id(seed: u64, day: Date, sequence: u64) -> CommandId {
    let midnight = Timestamp::at_vietnam_midnight(day).0 / MICROS_PER_MILLI;
    let millis = midnight as u64 + OFFICE_OPENS_MILLIS;
    let spread = mix(seed);
    let high = (u128::from(millis & 0xffff_ffff_ffff) << 80) | (7 << 76) | (u128::from(spread & 0xfff) << 64);
    let seed_bits = (spread >> 12) & 0x3f_ffff;
    let low = (2 << 62) | (seed_bits << SEQUENCE_BITS) | (sequence & ((1 << SEQUENCE_BITS) - 1));
    CommandId(high | u128::from(low))
}

/// The command's number in the run.
pub(crate) fn sequence_of(id: CommandId) -> u64 {
    id.0 as u64 & ((1 << SEQUENCE_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_ids_are_of_version_seven_and_in_order() {
        let day = Date::new(2021, 3, 1).unwrap();
        let (first, second) = (command_id(5, day, 7), command_id(5, day, 8));
        assert_eq!(first.uuid().get_version_num(), 7);
        assert!(first < second && second < command_id(5, day.plus_days(1), 1));
        assert_eq!(sequence_of(second), 8);
        assert_ne!(first, command_id(6, day, 7));
    }
}
