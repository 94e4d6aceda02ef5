//! What an office asks for. One file per family; the envelope says who may expect what.

pub mod administration;
pub mod card;
pub mod correction;
pub mod household;
pub mod marriage;
pub mod operation;
pub mod person;
pub mod pin;
pub mod residence;

pub use administration::{ChangeOfficeArea, EstablishUnits, NewUnit, RegisterDwelling, RegisterOffice};
pub use card::{
    ApplicationDecision, ApplyForCard, DecideCardApplication, HandOverCard, HoldCard, ProduceCard,
    ReplaceCard, ReportCardDamaged, ReportCardFound, ReportCardLost, ReturnCard, WithdrawCard,
};
pub use correction::{ApproveCorrection, Correct, ProposeCorrection};
pub use household::{
    AppointHead, ChangeRelationship, FormHousehold, JoinHousehold, LeaveHousehold, MergeHouseholds,
    SplitHousehold,
};
pub use marriage::{RegisterDivorce, RegisterMarriage};
pub use operation::{
    AbandonOperation, ApproveOperation, CommitOperation, OpenOperation, StageCorrections, StageOperation,
};
pub use person::{
    Birth, BirthResidence, ChangeName, ClearDefect, Death, EnrolHousehold, EnrolMember, EnrolPerson,
    MemberRef, MultipleBirth, NewPerson, Newborn, Parentage,
};
pub use pin::{AcceptPin, CancelPin, IssuePin, RecordPinNotices, ReestablishPin};
pub use residence::{EndTemporaryResidence, MovePermanent, PermanentMove, RegisterTemporaryResidence};

use crate::basis::{Basis, ProcedureId};
use crate::household::Relationship;
use crate::ids::{CommandId, HouseholdId, Version};
use crate::person::PersonRef;
use crate::row::RowRef;
use crate::text::Text;
use crate::time::Timestamp;
use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A command as an office submits it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandEnvelope {
    pub command_id: CommandId,
    /// Refused with `version_conflict` unless these rows are still at these versions. At most [`MAX_EXPECTED_VERSIONS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected_versions: Vec<ExpectedVersion>,
    /// Not decided after this instant.
    pub answer_by: Option<Timestamp>,
    /// Decide and answer, append nothing.
    #[serde(default)]
    pub dry_run: bool,
    pub procedure: Option<ProcedureId>,
    pub basis: Basis,
    /// Codes of flaggable rules to be overridden: by enrolment of legacy data, or on the basis of a court. At most
    /// [`MAX_OVERRIDES`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<Text<60>>,
    pub command: Command,
}

/// Most rows whose version one command may expect.
pub const MAX_EXPECTED_VERSIONS: usize = 64;
/// Most rules one command may override.
pub const MAX_OVERRIDES: usize = 16;

/// A row and the version at which the office saw it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectedVersion {
    pub row: RowRef,
    pub version: Version,
}

/// Declares the commands with their frozen wire numbers.
macro_rules! commands {
    ($($(#[$doc:meta])* $number:literal v $version:literal $variant:ident, $name:literal;)*) => {
        /// What is asked for.
        #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Command {
            $($(#[$doc])* $variant($variant),)*
        }

        impl Command {
            /// Number on the wire and stable name of every command.
            pub const KINDS: &[(u16, &'static str)] = &[$(($number, $name)),*];

            /// Number on the wire.
            pub fn kind(&self) -> u16 {
                match self {
                    $(Self::$variant(_) => $number,)*
                }
            }

            /// Version of the body's layout on the wire.
            pub fn wire_version(&self) -> u8 {
                match self {
                    $(Self::$variant(_) => $version,)*
                }
            }

            /// Stable name, as in JSON.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }

            pub(crate) fn encode_body(&self, out: &mut Vec<u8>) -> Result<(), crate::codec::CodecError> {
                match self {
                    $(Self::$variant(body) => crate::codec::encode_into(body, out),)*
                }
            }

            pub(crate) fn decode_body(kind: u16, version: u8, body: &[u8]) -> Result<Self, crate::codec::CodecError> {
                match (kind, version) {
                    $(($number, $version) => crate::codec::decode_exactly(body).map(Self::$variant),)*
                    _ => Err(crate::codec::CodecError::UnknownKind { what: "command", kind, version }),
                }
            }
        }
    };
}

commands! {
    /// Create administrative units.
    1 v 1 EstablishUnits, "establish_units";
    /// Register an office and its areas.
    2 v 1 RegisterOffice, "register_office";
    /// Give an office other areas.
    3 v 1 ChangeOfficeArea, "change_office_area";
    /// Register a dwelling.
    4 v 1 RegisterDwelling, "register_dwelling";
    /// Enrol one person from a collection form.
    10 v 1 EnrolPerson, "enrol_person";
    /// Enrol a household with all its members at once.
    11 v 1 EnrolHousehold, "enrol_household";
    /// Register a birth.
    12 v 1 Birth, "birth";
    /// Register a death.
    13 v 1 Death, "death";
    /// Register a change of name.
    14 v 1 ChangeName, "change_name";
    /// State that a defect no longer exists.
    15 v 1 ClearDefect, "clear_defect";
    /// Register a marriage.
    16 v 1 RegisterMarriage, "register_marriage";
    /// Register a divorce.
    17 v 1 RegisterDivorce, "register_divorce";
    /// Register permanent residence elsewhere.
    20 v 1 MovePermanent, "move_permanent";
    /// Register temporary residence.
    21 v 1 RegisterTemporaryResidence, "register_temporary_residence";
    /// End temporary residence before its last day.
    22 v 1 EndTemporaryResidence, "end_temporary_residence";
    /// Form a household of persons who belong to none.
    30 v 1 FormHousehold, "form_household";
    /// Take a person without a household into one.
    31 v 1 JoinHousehold, "join_household";
    /// End a person's registration in a household without another.
    32 v 1 LeaveHousehold, "leave_household";
    /// Split members off into a household of their own.
    33 v 1 SplitHousehold, "split_household";
    /// Merge one household into another.
    34 v 1 MergeHouseholds, "merge_households";
    /// Appoint a head.
    35 v 1 AppointHead, "appoint_head";
    /// State another relationship to the head.
    36 v 1 ChangeRelationship, "change_relationship";
    /// Issue a PIN.
    40 v 1 IssuePin, "issue_pin";
    /// Accept a PIN issued before this registry.
    41 v 1 AcceptPin, "accept_pin";
    /// Receive an application for a card.
    50 v 1 ApplyForCard, "apply_for_card";
    /// Approve or refuse an application.
    51 v 1 DecideCardApplication, "decide_card_application";
    /// Record that a card was produced.
    52 v 1 ProduceCard, "produce_card";
    /// Record that a card was handed over.
    53 v 1 HandOverCard, "hand_over_card";
    /// Record that a card was reported lost.
    54 v 1 ReportCardLost, "report_card_lost";
    /// Apply for a card that replaces this one.
    55 v 1 ReplaceCard, "replace_card";
    /// Withdraw a card.
    56 v 1 WithdrawCard, "withdraw_card";
    /// Record that an authority keeps a card.
    517 v 1 HoldCard, "hold_card";
    /// Record that a card which an authority kept was given back.
    518 v 1 ReturnCard, "return_card";
    /// Record that a card which was reported lost is with its holder again.
    519 v 1 ReportCardFound, "report_card_found";
    /// Record that a card is damaged.
    520 v 1 ReportCardDamaged, "report_card_damaged";
    /// Cancel a PIN without another in its place.
    222 v 1 CancelPin, "cancel_pin";
    /// Cancel a PIN and issue another.
    223 v 1 ReestablishPin, "reestablish_pin";
    /// Record that written notices of PINs were handed over.
    224 v 1 RecordPinNotices, "record_pin_notices";
    /// Correct what is recorded.
    240 v 1 Correct, "correct";
    /// Propose a correction that another officer is to approve.
    242 v 1 ProposeCorrection, "propose_correction";
    /// Approve a proposed correction, which makes it.
    243 v 1 ApproveCorrection, "approve_correction";
    /// Stage corrections as the next part of an operation.
    244 v 1 StageCorrections, "stage_corrections";
    /// Open an operation larger than one record.
    600 v 1 OpenOperation, "open_operation";
    /// Stage the next part of an operation.
    601 v 1 StageOperation, "stage_operation";
    /// Approve what an operation has staged.
    602 v 1 ApproveOperation, "approve_operation";
    /// Let an approved operation take effect.
    603 v 1 CommitOperation, "commit_operation";
    /// Give an operation up.
    604 v 1 AbandonOperation, "abandon_operation";
}

/// A person and the relationship to a household's head.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonInHousehold {
    pub person: PersonRef,
    pub relationship: Relationship,
}

/// Who heads a household after its head has gone, and how the others relate to the new head.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Encode, Decode, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Succession {
    pub household: HouseholdId,
    pub head: PersonRef,
    /// At most [`MAX_MEMBERS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relationships: Vec<PersonInHousehold>,
}

/// Most persons in one command.
pub const MAX_MEMBERS: usize = 200;
/// Most successions in one command.
pub const MAX_SUCCESSIONS: usize = 8;
