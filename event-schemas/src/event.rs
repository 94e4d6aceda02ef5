//! Facts. Bodies are frozen: a new meaning is a new version, with a total function from the one before.
//!
//! An event names every row it changes ([`EventBody::for_each_stream`]) and carries every value needed, so that
//! `new row = fold(old row, aspect, event)` needs nothing else.

mod correction;
mod streams;

pub use correction::{CorrectionApproved, CorrectionProposed, EventAmended, EventAnnulled};

use crate::basis::{LegacyEntry, RegisterEntry};
use crate::codec::{CodecError, decode_exactly, encode_into};
use crate::defect::DefectKind;
use crate::guarded::{Confidentiality, Guarded};
use crate::household::{
    HouseholdEndReason, HouseholdKind, LeaveReason, Membership, Relationship, ResidenceEndReason,
    ResidenceFileNumber,
};
use crate::ids::{DwellingId, HouseholdId, KeyId, OfficeId, PersonId, UnitId};
use crate::kin::{MarriageEndReason, Partners, RegisteredParentLink};
#[cfg(not(feature = "next-format"))]
use crate::person::Names;
use crate::person::{Identity, PersonalData};
use crate::pin::{Pin, PinGround, PinOccasion};
use crate::place::{AddressText, Area, DwellingKind, OfficeKind, RegisteredPlace, UnitCode, UnitKind};
use crate::row::RowRef;
use crate::text::Text;
use crate::time::{Date, PartialDate, TimeOfDay};
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

impl EventBody {
    /// Kinds whose events hold other facts; these are none of such a kind.
    pub(crate) const HOLDING_FACTS: &[u16] = &[601, 642];

    /// Whether it holds other facts.
    pub fn holds_facts(&self) -> bool {
        Self::HOLDING_FACTS.contains(&self.kind())
    }
}

/// A fact with its valid time and ground.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// When it holds in the world; ordered by the earliest day it can be.
    pub effective_on: PartialDate,
    /// Which of the record's bases is its ground.
    pub basis: u8,
    /// Who may see it at all.
    #[serde(default)]
    pub class: Confidentiality,
    /// Which key encrypts its body; zero for none.
    #[serde(default)]
    pub key_id: KeyId,
    pub body: EventBody,
}

/// How a body stands on the wire. What has one version only gets this from its line in the list of events; what has more says itself
/// which is which.
pub(crate) trait WireBody: Sized {
    /// The lowest version that says all that the value says: so whoever knows no later one can read whatever does without it, and
    /// bytes are written as they were read.
    fn wire_version(&self) -> u8;

    /// The format from which on a log may hold that version, see [`crate::format`].
    fn since_format(&self) -> u16;

    fn encode_wire(&self, out: &mut Vec<u8>) -> Result<(), CodecError>;

    /// `None`: there is no such version.
    fn decode_wire(version: u8, bytes: &[u8]) -> Option<Result<Self, CodecError>>;
}

/// A body with one version; one that is `versioned` implements [`WireBody`] by itself.
macro_rules! layout {
    (v $version:literal $body:ident) => {
        impl WireBody for $body {
            fn wire_version(&self) -> u8 {
                $version
            }

            fn since_format(&self) -> u16 {
                0
            }

            fn encode_wire(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
                encode_into(self, out)
            }

            fn decode_wire(version: u8, bytes: &[u8]) -> Option<Result<Self, CodecError>> {
                (version == $version).then(|| decode_exactly(bytes))
            }
        }
    };
    (versioned $body:ident) => {};
}

/// Declares the events with their frozen wire numbers.
macro_rules! events {
    ($($(#[$doc:meta])* $number:literal $how:ident $($version:literal)? $variant:ident, $name:literal;)*) => {
        $(layout! { $how $($version)? $variant })*

        /// What happened.
        #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        #[allow(clippy::large_enum_variant, reason = "most events are small and short-lived; boxes would cost each an allocation")]
        pub enum EventBody {
            $($(#[$doc])* $variant($variant),)*
        }

        impl EventBody {
            /// Number on the wire and stable name of every event.
            pub const KINDS: &[(u16, &'static str)] = &[$(($number, $name)),*];

            /// Number on the wire.
            pub fn kind(&self) -> u16 {
                match self {
                    $(Self::$variant(_) => $number,)*
                }
            }

            /// Version of the layout in which the body is written.
            pub fn wire_version(&self) -> u8 {
                match self {
                    $(Self::$variant(body) => body.wire_version(),)*
                }
            }

            /// The format from which on a log may hold the body, what it holds of other facts aside.
            pub(crate) fn since_format(&self) -> u16 {
                match self {
                    $(Self::$variant(body) => body.since_format(),)*
                }
            }

            /// Stable name, as in JSON.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }

            pub(crate) fn encode_body(&self, out: &mut Vec<u8>) -> Result<(), CodecError> {
                match self {
                    $(Self::$variant(body) => body.encode_wire(out),)*
                }
            }

            pub(crate) fn decode_body(kind: u16, version: u8, body: &[u8]) -> Result<Self, CodecError> {
                let decoded = match kind {
                    $($number => $variant::decode_wire(version, body).map(|body| body.map(Self::$variant)),)*
                    _ => None,
                };
                decoded.unwrap_or(Err(CodecError::UnknownKind { what: "event", kind, version }))
            }
        }
    };
}

events! {
    100 v 1 UnitEstablished, "unit_established";
    110 v 1 OfficeRegistered, "office_registered";
    111 v 1 OfficeAreaChanged, "office_area_changed";
    120 v 1 DwellingRegistered, "dwelling_registered";
    200 v 1 PersonRegistered, "person_registered";
    201 v 1 ParentLinked, "parent_linked";
    202 versioned NameChanged, "name_changed";
    203 v 1 DeathRegistered, "death_registered";
    204 v 1 DefectNoted, "defect_noted";
    205 v 1 DefectCleared, "defect_cleared";
    206 v 1 MarriageRegistered, "marriage_registered";
    207 v 1 MarriageEnded, "marriage_ended";
    220 v 1 PinIssued, "pin_issued";
    221 v 1 PinAccepted, "pin_accepted";
    222 v 1 PinCancelled, "pin_cancelled";
    223 v 1 PinNoticeHandedOver, "pin_notice_handed_over";
    300 v 1 PermanentResidenceRegistered, "permanent_residence_registered";
    301 v 1 PermanentResidenceEnded, "permanent_residence_ended";
    302 v 1 TemporaryResidenceRegistered, "temporary_residence_registered";
    303 v 1 TemporaryResidenceEnded, "temporary_residence_ended";
    400 v 1 HouseholdFormed, "household_formed";
    401 v 1 MemberJoined, "member_joined";
    402 v 1 MemberLeft, "member_left";
    403 v 1 HeadAppointed, "head_appointed";
    404 v 1 HeadVacated, "head_vacated";
    405 v 1 RelationshipChanged, "relationship_changed";
    406 v 1 HouseholdMoved, "household_moved";
    407 v 1 HouseholdEnded, "household_ended";
    500 v 1 DossierReceived, "dossier_received";
    501 v 1 DossierApproved, "dossier_approved";
    502 v 1 DossierRefused, "dossier_refused";
    503 v 1 DossierClosed, "dossier_closed";
    510 v 1 CardProduced, "card_produced";
    511 v 1 CardHandedOver, "card_handed_over";
    512 v 1 CardReportedLost, "card_reported_lost";
    513 v 1 CardReplaced, "card_replaced";
    514 v 1 CardWithdrawn, "card_withdrawn";
    515 v 1 CardExpired, "card_expired";
    516 v 1 CardHolderDied, "card_holder_died";
    517 v 1 CardHeld, "card_held";
    518 v 1 CardReturned, "card_returned";
    519 v 1 CardFound, "card_found";
    520 v 1 CardReportedDamaged, "card_reported_damaged";
    600 v 1 OperationOpened, "operation_opened";
    601 v 1 OperationPart, "operation_part";
    602 v 1 OperationApproved, "operation_approved";
    603 v 1 OperationCommitted, "operation_committed";
    604 v 1 OperationAbandoned, "operation_abandoned";
    640 v 1 EventAnnulled, "event_annulled";
    641 v 1 EventAmended, "event_amended";
    /// A correction waits for another officer's approval.
    642 v 1 CorrectionProposed, "correction_proposed";
    /// A proposed correction is approved and made.
    643 v 1 CorrectionApproved, "correction_approved";
}

/// Declares an event body: every one has the same derives.
macro_rules! bodies {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }
    )*};
}

mod card;
#[cfg(feature = "next-format")]
mod next_format;
mod operation;

pub use card::*;
#[cfg(feature = "next-format")]
pub use next_format::NameChanged;
pub use operation::*;

bodies! {
    /// A unit exists from the event's date on.
    UnitEstablished {
        unit: UnitId,
        code: UnitCode,
        name: Text<120>,
        kind: UnitKind,
        parent: Option<UnitId>,
    }

    /// An office may submit from now on.
    OfficeRegistered {
        office: OfficeId,
        name: Text<200>,
        kind: OfficeKind,
        areas: Vec<Area<UnitId>>,
    }

    /// An office has other areas from now on.
    OfficeAreaChanged {
        office: OfficeId,
        areas: Vec<Area<UnitId>>,
    }

    /// A dwelling is known.
    DwellingRegistered {
        dwelling: DwellingId,
        kind: DwellingKind,
        unit: UnitId,
        address: AddressText,
    }

    /// A person is in the registry: by birth or by enrolment.
    PersonRegistered {
        person: PersonId,
        origin: Origin,
        /// Boxed like the data: an event is otherwise three times as large, whatever its kind.
        identity: Box<Identity<UnitId>>,
        data: Box<PersonalData<UnitId>>,
    }

    /// A parent of a child. Changes the child's row, and the parent's if registered.
    ParentLinked {
        child: PersonId,
        link: RegisteredParentLink,
    }

    /// The person died on the event's date.
    DeathRegistered {
        person: PersonId,
        time: Option<TimeOfDay>,
        place: Option<RegisteredPlace>,
        cause: Option<Guarded<Text<120>>>,
        registered_at: UnitId,
        entry: RegisterEntry,
        /// The register's own entry, if the death was imported from it.
        legacy: Option<LegacyEntry>,
        /// Whether a court declared the death.
        declared: bool,
    }

    /// Something is wrong or missing, and was accepted with a basis.
    DefectNoted {
        row: RowRef,
        defect: DefectKind,
    }

    /// A defect no longer exists.
    DefectCleared {
        row: RowRef,
        defect: DefectKind,
        reason: Text<200>,
    }

    /// Two people are married from the event's date on. Changes the row of each partner who is registered.
    MarriageRegistered {
        partners: Partners<PersonId>,
        entry: RegisterEntry,
        /// The register's own entry, if the marriage was imported from it.
        legacy: Option<LegacyEntry>,
    }

    /// The marriage that the person is in ended on the event's date. Changes the row of each partner who is registered.
    MarriageEnded {
        /// Who died, if a death ended it.
        person: PersonId,
        /// The other partner; none if only described, or if enrolment stated the marriage without naming anybody.
        spouse: Option<PersonId>,
        reason: MarriageEndReason,
    }

    /// A PIN was issued from its cell's sequence.
    PinIssued {
        person: PersonId,
        pin: Pin,
        /// Place in the cell's sequence of draws, from 0.
        draw: u32,
        /// Version of the secret key that permutes the cell.
        key_version: u16,
        occasion: PinOccasion,
    }

    /// A PIN issued before this registry was accepted.
    PinAccepted {
        person: PersonId,
        pin: Pin,
    }

    /// A PIN no longer holds. It leads to the person for ever and is never given again.
    PinCancelled {
        person: PersonId,
        pin: Pin,
        ground: PinGround,
        explanation: Text<200>,
    }

    /// A person got the written notice of a new PIN and of the data held.
    PinNoticeHandedOver {
        person: PersonId,
        pin: Pin,
    }

    /// Permanent residence at this place from the event's date on; an earlier one ends. Whoever joins an existing household
    /// is registered in its unit alone: a member's address is the household's.
    PermanentResidenceRegistered {
        person: PersonId,
        place: RegisteredPlace,
    }

    /// No permanent residence from the event's date on.
    PermanentResidenceEnded {
        person: PersonId,
        reason: ResidenceEndReason,
    }

    /// Temporary residence at this place; an earlier one ends.
    TemporaryResidenceRegistered {
        person: PersonId,
        place: RegisteredPlace,
        /// Last day.
        until: Date,
    }

    /// No temporary residence from the event's date on.
    TemporaryResidenceEnded {
        person: PersonId,
        reason: ResidenceEndReason,
    }

    /// A household exists from the event's date on.
    HouseholdFormed {
        household: HouseholdId,
        kind: HouseholdKind,
        place: RegisteredPlace,
        file_number: Option<ResidenceFileNumber>,
        /// The household it was split from.
        split_from: Option<HouseholdId>,
    }

    /// A person belongs to a household from the event's date on.
    MemberJoined {
        household: HouseholdId,
        person: PersonId,
        membership: Membership,
        relationship: Relationship,
    }

    /// A person no longer belongs to a household.
    MemberLeft {
        household: HouseholdId,
        person: PersonId,
        membership: Membership,
        reason: LeaveReason,
    }

    /// A member heads the household from the event's date on.
    HeadAppointed {
        household: HouseholdId,
        head: PersonId,
    }

    /// The household has no head from the event's date on.
    HeadVacated {
        household: HouseholdId,
        former: PersonId,
    }

    /// A member relates to the head in another way from the event's date on.
    RelationshipChanged {
        household: HouseholdId,
        person: PersonId,
        relationship: Relationship,
    }

    /// The household is at another place from the event's date on.
    HouseholdMoved {
        household: HouseholdId,
        place: RegisteredPlace,
    }

    /// The household no longer exists.
    HouseholdEnded {
        household: HouseholdId,
        reason: HouseholdEndReason,
        into: Option<HouseholdId>,
    }
}

/// How a person came into the registry.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Enrolment,
    Birth(Box<BirthRegistration>),
}

/// What only a registered birth states.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BirthRegistration {
    pub registered_at: UnitId,
    pub entry: RegisterEntry,
    /// The register's own entry, if the birth was imported from it.
    pub legacy: Option<LegacyEntry>,
    pub weight_g: Option<u16>,
    pub birth_order: Option<u8>,
    pub multiple: Option<crate::command::MultipleBirth>,
    pub found: Option<FoundChild>,
    /// Registered later than the law's 60 days.
    pub late: bool,
}

/// Where and when an abandoned child was found.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FoundChild {
    pub on: Date,
    pub place: RegisteredPlace,
}

// Builds that rehearse an upgrade have one version more of it, see `next_format`.
#[cfg(not(feature = "next-format"))]
bodies! {
    /// The person has another name from the event's date on.
    NameChanged {
        person: PersonId,
        names: Names,
        reason: Text<200>,
    }
}

#[cfg(not(feature = "next-format"))]
layout! { v 1 NameChanged }
