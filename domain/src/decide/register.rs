//! Entries in an office's registers: gap-free within a year, unique, older ones taken over.

use super::deciding::{Deciding, OPERATOR};
use crate::refusal::Code;
use crate::registry::lookups::Register;
use event_schemas::basis::{LegacyEntry, RegisterEntry, RegisterKind};
use std::fmt::Display;

/// The next number of the submitting office in this year, or the entry that already stands in a register.
pub(super) fn register_entry(
    d: &mut Deciding<'_>,
    kind: RegisterKind,
    legacy: Option<LegacyEntry>,
    field: impl Display + Copy,
) -> Option<RegisterEntry> {
    let lookups = d.registry.lookups();
    let Some(legacy) = legacy else {
        let register = Register { office: d.context.office, kind, year: d.today.year() };
        let number = lookups.next_entry(register);
        return Some(RegisterEntry { office: register.office, register: kind, year: register.year, number });
    };
    let register = Register { office: legacy.office, kind, year: legacy.year };
    let known = legacy.office == OPERATOR || d.registry.office(legacy.office).is_some();
    let taken = lookups.entry_taken(register, legacy.number);
    let today = d.today;
    let to_come = legacy.year > today.year();
    if !known {
        d.fault(Code::UnknownOffice, field, &[&legacy.office]);
    }
    if taken {
        d.fault(Code::RegisterEntryTaken, field, &[&legacy.number, &legacy.year, &legacy.office]);
    }
    if to_come {
        d.fault(Code::DateInFuture, field, &[&legacy.year, &today]);
    }
    if !known || taken || to_come {
        return None;
    }
    Some(RegisterEntry { office: legacy.office, register: kind, year: legacy.year, number: legacy.number })
}
