//! Laws of the bytes: what is encoded decodes to the same value (S2), and whatever else comes in is an error, never a panic
//! and never a large allocation (S1).

use event_schemas::arbitrary::{commands, documents, identities, partial_dates, pins, places, timestamps};
use event_schemas::codec::{CodecError, DECODE_LIMIT, decode_exactly, encode};
use event_schemas::examples::{example, example_event};
use event_schemas::header::EntryKind;
use event_schemas::ids::{OfficeId, OfficerId, RulesRevision};
use event_schemas::record::{Changes, EntryBody, Record, decode_command_bytes, encode_command, reencodes};
use event_schemas::{Command, CommandEnvelope, EventBody};
use proptest::prelude::*;

/// Most bytes that decoding may hold at once: the limit for what is being decoded, and what stood already.
const MAX_PEAK_BYTES: u64 = DECODE_LIMIT as u64 + 500_000;

/// Decodes, and checks how much memory that took at its peak.
fn decode_watched(kind: EntryKind, bytes: &[u8]) -> Result<EntryBody, CodecError> {
    let mut result = None;
    let memory = allocation_counter::measure(|| result = Some(EntryBody::decode(kind, bytes)));
    assert!(memory.bytes_max <= MAX_PEAK_BYTES, "{} bytes held at once", memory.bytes_max);
    result.expect("measure runs its closure")
}

fn command_bytes(envelope: &CommandEnvelope) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_command(envelope, &mut bytes).unwrap();
    bytes
}

/// A record with every example event, as its entry's body.
fn full_record() -> Vec<u8> {
    let events = EventBody::KINDS.iter().map(|(_, kind)| example_event(kind).unwrap()).collect();
    let command = example("enrol_household").unwrap();
    let record = Record {
        office: OfficeId(2),
        officer: OfficerId(7),
        rules: RulesRevision(1),
        changes: Changes {
            bases: vec![command.basis.clone()],
            events,
            rows: Vec::new(),
            restatements: Vec::new(),
        },
        command,
    };
    EntryBody::Record(Box::new(record)).encode().unwrap()
}

proptest! {
    #[test]
    fn commands_survive_bytes_and_json(envelope in commands()) {
        let bytes = command_bytes(&envelope);
        let decoded = decode_command_bytes(&bytes).unwrap();
        prop_assert_eq!(&decoded, &envelope);
        prop_assert_eq!(command_bytes(&decoded), bytes);
        let json = serde_json::to_string(&envelope).unwrap();
        prop_assert_eq!(serde_json::from_str::<CommandEnvelope>(&json).unwrap(), envelope);
    }

    #[test]
    fn values_survive_bytes(
        date in partial_dates(), place in places(), identity in identities(), document in documents(), pin in pins(),
    ) {
        let all = (date, place, identity, document, pin);
        let bytes = encode(&all).unwrap();
        prop_assert_eq!(decode_exactly::<(_, _, _, _, _)>(&bytes).unwrap(), all);
    }

    #[test]
    fn partial_dates_lie_within_their_bounds_and_order_by_the_earliest(one in partial_dates(), other in partial_dates()) {
        prop_assert!(one.earliest() <= one.latest());
        prop_assert_eq!(one.to_string().parse(), Ok(one));
        if one.earliest() < other.earliest() {
            prop_assert!(one < other);
        }
    }

    #[test]
    fn timestamps_survive_their_text(at in timestamps()) {
        prop_assert_eq!(at.to_string().parse::<event_schemas::time::Timestamp>().unwrap(), at);
    }

    #[test]
    fn random_bytes_are_a_value_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..600), kind in 0usize..10) {
        let _ = decode_watched(EntryKind::ALL[kind], &bytes);
        let _ = decode_command_bytes(&bytes);
    }

    #[test]
    fn mutated_commands_are_a_value_or_an_error(
        kind in 0..Command::KINDS.len(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = command_bytes(&example(Command::KINDS[kind].1).unwrap());
        let place = at.index(bytes.len());
        bytes[place] = byte;
        let _ = decode_command_bytes(&bytes);
        bytes.truncate(cut.index(bytes.len() + 1));
        let _ = decode_command_bytes(&bytes);
    }

    #[test]
    fn what_mutated_records_decode_to_can_be_written_again(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = full_record();
        let place = at.index(bytes.len());
        bytes[place] = byte;
        if let Ok(body) = EntryBody::decode(EntryKind::Record, &bytes) {
            let again = body.encode().unwrap();
            prop_assert_eq!(EntryBody::decode(EntryKind::Record, &again).unwrap(), body);
        }
    }
}

#[test]
fn memory_is_watched() {
    let memory =
        allocation_counter::measure(|| drop(EntryBody::decode(EntryKind::Record, &full_record()).unwrap()));
    assert!(memory.bytes_max > 1_000, "the counter sees nothing: {}", memory.bytes_max);
}

#[test]
fn a_written_record_reads_back_to_the_same_bytes() {
    assert!(reencodes(EntryKind::Record, &full_record()).unwrap());
}

#[test]
fn a_hostile_length_is_an_error_and_no_allocation() {
    let record = full_record();
    let hostile: &[&[u8]] = &[
        &[0xfc, 0xff, 0xff, 0xff, 0xff],
        &[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0xfb, 0xff, 0xff],
        &[0xff; 16],
    ];
    for length in hostile {
        for place in 0..record.len() {
            let mut bytes = record[..place].to_vec();
            bytes.extend_from_slice(length);
            assert!(decode_watched(EntryKind::Record, &bytes).is_err(), "at {place}");
        }
    }
}
