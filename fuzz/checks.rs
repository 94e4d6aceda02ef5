//! What must hold for any input. The fuzz targets and an ordinary test of `event-schemas` call the same functions.

use event_schemas::CommandEnvelope;
use event_schemas::header::{EntryHeader, body_of};
use event_schemas::record::{EntryBody, decode_command_bytes, encode_command};

/// Bytes of a log entry: refused, or a value that can be shown, written again and read back (S1, S2). True if it decoded.
pub fn entry(bytes: &[u8]) -> bool {
    let Ok(header) = EntryHeader::of_entry(bytes) else {
        return false;
    };
    let Ok(body) = EntryBody::decode(header.kind, body_of(bytes)) else {
        return false;
    };
    serde_json::to_string(&body).expect("every body can be shown as JSON");
    let written = body.encode().expect("what decodes can be written");
    let again = EntryBody::decode(header.kind, &written).expect("what is written can be read");
    assert_eq!(again, body);
    true
}

/// The body of a request: refused, or a command that survives JSON and bytes. True if it parsed.
pub fn command_json(body: &[u8]) -> bool {
    let Ok(mut envelope) = serde_json::from_slice::<CommandEnvelope>(body) else {
        return false;
    };
    let json = serde_json::to_vec(&envelope).expect("a command can be shown as JSON");
    let again: CommandEnvelope = serde_json::from_slice(&json).expect("a command's own JSON is valid");
    assert_eq!(again, envelope);

    let mut bytes = Vec::new();
    encode_command(&envelope, &mut bytes).expect("a command can be written");
    let stored = decode_command_bytes(&bytes).expect("a written command can be read");
    // The canonical form: neither stands in a record.
    envelope.answer_by = None;
    envelope.dry_run = false;
    assert_eq!(stored, envelope);
    true
}
