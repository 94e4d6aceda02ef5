//! Golden bytes: every version of every command, event and entry ever written decodes, to what its JSON says, and is written
//! again to the same bytes (S1, S2).
//!
//! `golden/draft-N/{commands,events,entries}/<kind>.v<version>.{hex,json}`. Until a format is released they may change
//! together with the draft number: `UPDATE_GOLDEN=1 cargo test -p event-schemas --test contract` writes them anew.

use event_schemas::codec::DRAFT;
use event_schemas::examples::{example, example_event};
use event_schemas::header::{ChainHead, EntryHeader, EntryKind, body_of, encode_entry};
use event_schemas::ids::{
    CardId, ClaimId, EventAddress, InstanceId, KeyId, LogId, Lsn, OfficeId, OfficerId, PersonId,
    RulesRevision, Term, Version,
};
use event_schemas::record::{
    Changes, ClockKind, EntryBody, Genesis, Lapsed, Record, Restatement, StateDigest, decode_command_bytes,
    decode_event_bytes, encode_command, encode_event_bytes,
};
use event_schemas::row::{Aspect, RowRef, RowTouch, StreamRef};
use event_schemas::text::Text;
use event_schemas::{Command, EventBody};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One golden pair, as this program writes it.
struct Golden {
    name: String,
    bytes: Vec<u8>,
    json: Value,
}

#[test]
fn golden_commands_decode_to_their_json_and_encode_to_their_bytes() {
    let current = Command::KINDS.iter().map(|(_, kind)| {
        let envelope = example(kind).unwrap();
        let mut bytes = Vec::new();
        encode_command(&envelope, &mut bytes).unwrap();
        Golden {
            name: format!("{kind}.v{}", envelope.command.wire_version()),
            bytes,
            json: serde_json::to_value(&envelope).unwrap(),
        }
    });
    check("commands", current.collect(), |bytes| {
        let envelope = decode_command_bytes(bytes).unwrap();
        let mut again = Vec::new();
        encode_command(&envelope, &mut again).unwrap();
        (serde_json::to_value(envelope).unwrap(), again)
    });
}

#[test]
fn golden_events_decode_to_their_json_and_encode_to_their_bytes() {
    let current = EventBody::KINDS.iter().map(|(_, kind)| {
        let event = example_event(kind).unwrap();
        Golden {
            name: format!("{kind}.v{}", event.body.wire_version()),
            bytes: encode_event_bytes(&event).unwrap(),
            json: serde_json::to_value(&event).unwrap(),
        }
    });
    check("events", current.collect(), |bytes| {
        let event = decode_event_bytes(bytes).unwrap();
        (serde_json::to_value(&event).unwrap(), encode_event_bytes(&event).unwrap())
    });
}

#[test]
fn golden_entries_decode_to_their_json_and_encode_to_their_bytes() {
    let current = EntryKind::ALL.iter().map(|kind| {
        let body = entry_body(*kind);
        let bytes = encode_entry(header(*kind), &body.encode().unwrap());
        Golden {
            name: format!("{}.v1", entry_name(*kind)),
            json: entry_json(&EntryHeader::of_entry(&bytes).unwrap(), &body),
            bytes,
        }
    });
    check("entries", current.collect(), |bytes| {
        let header = EntryHeader::of_entry(bytes).unwrap();
        // By itself: a log of this program holds no activation of a format that it does not know.
        let body = EntryBody::decode(header.kind, body_of(bytes)).unwrap();
        let again = encode_entry(header, &body.encode().unwrap());
        (entry_json(&header, &body), again)
    });
}

#[test]
fn the_header_stands_where_its_table_says() {
    let bytes = encode_entry(header(EntryKind::Record), b"body");
    assert_eq!(bytes.len(), 76);
    assert_eq!(&bytes[0..8], b"DNCU\x00\x00\x00\x00");
    assert_eq!(&bytes[8..16], &[3, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[16], 0x88, "claim_id is little-endian");
    assert_eq!(&bytes[32..34], &[0x39, 0x05], "lsn 1337");
    assert_eq!(&bytes[68..72], &[4, 0, 0, 0], "body_len");
    assert_eq!(body_of(&bytes), b"body");
}

/// Compares the current pairs and every stored one; `decode` gives a stored pair's JSON and its bytes written again.
fn check(folder: &str, current: Vec<Golden>, decode: impl Fn(&[u8]) -> (Value, Vec<u8>)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("golden/draft-{DRAFT}/{folder}"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        write_anew(&folder, &current);
    }
    let stored = stored_names(&folder);
    for golden in current {
        assert!(stored.contains(&golden.name), "{} has no golden file", golden.name);
        let bytes = read_hex(&folder.join(format!("{}.hex", golden.name)));
        assert_eq!(bytes, golden.bytes, "the bytes of {} changed", golden.name);
    }
    for name in stored {
        let bytes = read_hex(&folder.join(format!("{name}.hex")));
        let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
        let (json, again) = decode(&bytes);
        assert_eq!(json, serde_json::from_str::<Value>(&text).unwrap(), "{name}");
        assert_eq!(again, bytes, "{name} is written to other bytes than it was read from");
    }
}

fn write_anew(folder: &Path, current: &[Golden]) {
    std::fs::create_dir_all(folder).unwrap();
    for golden in current {
        let json = serde_json::to_string_pretty(&golden.json).unwrap();
        std::fs::write(folder.join(format!("{}.json", golden.name)), json + "\n").unwrap();
        let lines = golden
            .bytes
            .chunks(32)
            .map(|line| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let hex = lines.collect::<Vec<_>>().join("\n");
        std::fs::write(folder.join(format!("{}.hex", golden.name)), hex + "\n").unwrap();
    }
}

fn stored_names(folder: &Path) -> BTreeSet<String> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let hex_files =
        paths.filter(|path: &PathBuf| path.extension().is_some_and(|extension| extension == "hex"));
    hex_files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

fn read_hex(path: &Path) -> Vec<u8> {
    let digits: Vec<u8> = std::fs::read(path).unwrap().into_iter().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn header(kind: EntryKind) -> EntryHeader {
    let is_claim = kind == EntryKind::Claim;
    EntryHeader {
        kind,
        format: 0,
        term: Term(3),
        claim_id: ClaimId(0x1122_3344_5566_7788),
        lsn: if is_claim { Lsn::ZERO } else { Lsn(1_337) },
        prev: if is_claim { ChainHead::EMPTY } else { ChainHead(0xfeed_beef) },
        recorded_at: "2021-03-15T02:00:00.000001Z".parse().unwrap(),
        key_id: KeyId::NONE,
        body_len: 0,
    }
}

fn entry_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Record => "record",
        EntryKind::Genesis => "genesis",
        EntryKind::Claim => "claim",
        EntryKind::Tick => "tick",
        EntryKind::DayOpened => "day_opened",
        EntryKind::StateDigest => "state_digest",
        EntryKind::Activate => "activate",
        EntryKind::Sealed => "sealed",
        EntryKind::Lapsed => "lapsed",
        EntryKind::ClockConsent => "clock_consent",
    }
}

fn entry_json(header: &EntryHeader, body: &EntryBody) -> Value {
    json!({
        "header": {
            "kind": header.kind as u8,
            "format": header.format,
            "term": header.term,
            "claim_id": header.claim_id.to_string(),
            "lsn": header.lsn,
            "prev": header.prev.to_string(),
            "recorded_at": header.recorded_at,
            "key_id": header.key_id,
            "body_len": header.body_len,
        },
        "body": body,
    })
}

fn entry_body(kind: EntryKind) -> EntryBody {
    let date = "2021-03-15".parse().unwrap();
    match kind {
        EntryKind::Record => EntryBody::Record(Box::new(Record {
            office: OfficeId(2),
            officer: OfficerId(7),
            rules: RulesRevision(1),
            command: example("change_name").unwrap(),
            changes: late_name_change(),
        })),
        EntryKind::Genesis => EntryBody::Genesis(Genesis {
            log_id: LogId(0x0178_3442_7400_7000_8000_0000_0000_abcd),
            clock: ClockKind::Scripted,
            draft: DRAFT,
            date,
            note: text("golden"),
        }),
        EntryKind::Claim => EntryBody::Claim { node: text("node-1") },
        EntryKind::Tick => EntryBody::Tick,
        EntryKind::DayOpened => EntryBody::DayOpened { date },
        EntryKind::StateDigest => EntryBody::StateDigest(StateDigest { version: 1, sum: u128::MAX - 1 }),
        EntryKind::Activate => EntryBody::Activate { format: 1, officer: OfficerId(7) },
        EntryKind::Sealed => {
            let target = InstanceId(0x0178_3442_7400_7000_8000_0000_0000_1234);
            EntryBody::Sealed { target, place: text("kafka://broker-1:9092/dancu-log") }
        }
        EntryKind::Lapsed => EntryBody::Lapsed(Lapsed {
            date,
            last: true,
            changes: Changes {
                bases: vec![example("report_card_lost").unwrap().basis],
                events: vec![example_event("card_expired").unwrap()],
                rows: vec![
                    touch(RowRef::Card(CardId(1)), 3, 40),
                    touch(RowRef::Person(PersonId(1)), 9, 1_200),
                ],
                restatements: Vec::new(),
            },
        }),
        EntryKind::ClockConsent => EntryBody::ClockConsent {
            officer: OfficerId(7),
            reason: text("the machine stood still for 40 days"),
        },
    }
}

/// A change that comes late, so that its stream is restated: a later one stands at (1200, 0).
fn late_name_change() -> Changes {
    let event = example_event("name_changed").unwrap();
    let person = RowRef::Person(PersonId(3));
    let at = |lsn, index| EventAddress { lsn: Lsn(lsn), index };
    let later = event_schemas::Event { effective_on: "2021-09".parse().unwrap(), ..event.clone() };
    Changes {
        bases: vec![example("change_name").unwrap().basis],
        events: vec![event.clone()],
        rows: vec![touch(person, 4, 1_200)],
        restatements: vec![Restatement {
            stream: StreamRef { row: person, aspect: Aspect::Identity },
            timeline: vec![(at(1_337, 0), event), (at(1_200, 0), later)],
        }],
    }
}

fn touch(row: RowRef, version: u32, previous: u64) -> RowTouch {
    RowTouch { row, version: Version(version), previous: Lsn(previous) }
}

fn text<const MAX: usize>(text: &str) -> Text<MAX> {
    Text::new(text).unwrap()
}
