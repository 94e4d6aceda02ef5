//! A version more of one event, as a later release would bring it: only in builds that rehearse an upgrade.

use super::WireBody;
use crate::codec::{CodecError, decode_exactly, encode_into};
use crate::ids::{OfficeId, PersonId};
use crate::person::Names;
use crate::text::Text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The person has another name from the event's date on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NameChanged {
    pub person: PersonId,
    pub names: Names,
    pub reason: Text<200>,
    /// Which office registered it. Since format 1; none in what was recorded before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<OfficeId>,
}

impl WireBody for NameChanged {
    fn wire_version(&self) -> u8 {
        if self.registered_at.is_none() { 1 } else { 2 }
    }

    fn since_format(&self) -> u16 {
        u16::from(self.registered_at.is_some())
    }

    fn encode_wire(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
        encode_into(&(self.person, &self.names, &self.reason), out)?;
        self.registered_at.map_or(Ok(()), |office| encode_into(&office, out))
    }

    fn decode_wire(version: u8, bytes: &[u8]) -> Option<Result<Self, CodecError>> {
        Some(match version {
            1 => decode_exactly(bytes).map(|(person, names, reason)| Self {
                person,
                names,
                reason,
                registered_at: None,
            }),
            2 => decode_exactly(bytes).map(|(person, names, reason, office)| Self {
                person,
                names,
                reason,
                registered_at: Some(office),
            }),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventBody;
    use crate::examples::example_event;
    use crate::record::{Changes, decode_event_bytes, encode_event_bytes};

    #[test]
    fn the_version_is_the_lowest_that_says_everything_and_each_is_read_as_it_was_written() {
        let first = example_event("name_changed").unwrap();
        let mut second = first.clone();
        let EventBody::NameChanged(body) = &mut second.body else { unreachable!() };
        body.registered_at = Some(OfficeId(7));
        for (event, version, format) in [(first, 1, 0), (second, 2, 1)] {
            assert_eq!((event.body.wire_version(), event.format()), (version, format));
            let bytes = encode_event_bytes(&event).unwrap();
            let read = decode_event_bytes(&bytes).unwrap();
            assert_eq!(read, event);
            assert_eq!(encode_event_bytes(&read).unwrap(), bytes);
            let changes = Changes { events: vec![event], ..Changes::default() };
            assert_eq!(changes.format(), format);
        }
    }
}
