//! Bounds of what a command states, whichever command it is (O1): lists of names and countries, evidence, sealed fields.

use super::deciding::Deciding;
use crate::refusal::Code;
use event_schemas::basis::{Basis, MAX_EVIDENCE};
use event_schemas::guarded::{Guarded, MAX_SEALED_BYTES};
use event_schemas::kin::DescribedPerson;
use event_schemas::person::{MAX_NATIONALITIES, MAX_OTHER_NAMES, Names, Nationality};
use std::fmt::Display;

/// Hexadecimal digits of a SHA-256.
const SHA256_DIGITS: usize = 64;

/// Pieces of evidence are few, and each is named by the digest of its document.
pub(super) fn check_basis(d: &mut Deciding<'_>, basis: &Basis) {
    check_at_most(d, basis.evidence.len(), MAX_EVIDENCE, "basis.evidence");
    for (place, evidence) in basis.evidence.iter().take(MAX_EVIDENCE).enumerate() {
        let digest = evidence.sha256.as_str().as_bytes();
        if digest.len() != SHA256_DIGITS || !digest.iter().all(u8::is_ascii_hexdigit) {
            d.fault(Code::EvidenceDigestWrong, format_args!("basis.evidence[{place}].sha256"), &[]);
        }
    }
}

pub(super) fn check_names(d: &mut Deciding<'_>, names: &Names, field: impl Display + Copy) {
    check_at_most(d, names.other.len(), MAX_OTHER_NAMES, format_args!("{field}.other"));
}

/// A citizen is one of some country; who is of none is stateless.
pub(super) fn check_nationality(d: &mut Deciding<'_>, nationality: &Nationality, field: impl Display + Copy) {
    if let Nationality::Countries(countries) = nationality {
        d.check_count(countries.len(), MAX_NATIONALITIES, field);
    }
}

pub(super) fn check_described(d: &mut Deciding<'_>, person: &DescribedPerson, field: impl Display + Copy) {
    check_names(d, &person.names, format_args!("{field}.names"));
    if let Some(nationality) = &person.nationality {
        check_nationality(d, nationality, format_args!("{field}.nationality"));
    }
}

/// A ciphertext cannot be read here, only measured.
pub(super) fn check_sealed<T>(d: &mut Deciding<'_>, value: Option<&Guarded<T>>, field: impl Display + Copy) {
    if let Some(Guarded::Sealed(sealed)) = value {
        check_at_most(d, sealed.bytes.len(), MAX_SEALED_BYTES, format_args!("{field}.bytes"));
    }
}

/// A list that may be empty.
pub(super) fn check_at_most(d: &mut Deciding<'_>, count: usize, max: usize, field: impl Display + Copy) {
    if count > max {
        d.fault(Code::TooMany, field, &[&count, &max]);
    }
}
