//! An example of every command. A household runs through them: Nguyễn Văn An (head), Trần Thị Hoa, their children.

use super::{WARD, by_pin, date, names, partial, pin, text, time, unit};
use crate::card::{ApplicationReason, DocumentKind, HoldReason, WithdrawalReason};
use crate::command::household::LeaveGround;
use crate::command::person::HouseholdPlace;
use crate::command::residence::TemporaryPlace;
use crate::command::*;
use crate::correction::{CorrectionDigest, Edit, StatedFact};
use crate::defect::DefectKind;
use crate::document::{IdentityDocument, IdentityDocumentKind};
use crate::event::{EventBody, NameChanged, PermanentResidenceRegistered};
use crate::guarded::Guarded;
use crate::household::{HouseholdKind, Relationship};
use crate::ids::{
    CardId, DossierId, EventAddress, HouseholdId, Lsn, OfficeId, OperationId, PersonId, UnitId,
};
use crate::kin::{DescribedPerson, KinRef, ParentKind, ParentLink, ParentRole, Period};
use crate::operation::{IssuePins, MAX_PART_ROWS, OperationDigest, OperationKind};
use crate::person::{
    Contact, Ethnicity, Identification, Identity, LegalCapacity, MaritalStatus, Names, Nationality,
    PersonRef, PersonalData, Religion, Sex,
};
use crate::pin::PinGround;
use crate::place::{Area, CountryCode, DwellingKind, ForeignPlace, OfficeKind, Place, UnitCode, UnitKind};
use crate::row::RowRef;

const FATHER_PIN: &str = "001085000123";
const MOTHER_PIN: &str = "001187000456";
const SON_PIN: &str = "001210000789";
const HOUSEHOLD: HouseholdId = HouseholdId(1);
const OTHER_HOUSEHOLD: HouseholdId = HouseholdId(2);
const DAY: &str = "2021-03-15";

pub(super) fn example(kind: &str) -> Option<Command> {
    administration(kind)
        .or_else(|| person(kind))
        .or_else(|| residence(kind))
        .or_else(|| household(kind))
        .or_else(|| card(kind))
        .or_else(|| pins(kind))
        .or_else(|| operation(kind))
        .or_else(|| correction(kind))
}

fn administration(kind: &str) -> Option<Command> {
    Some(match kind {
        "establish_units" => Command::EstablishUnits(EstablishUnits {
            valid_from: date("2004-07-08"),
            units: vec![
                new_unit("01", "Thành phố Hà Nội", UnitKind::Municipality, None),
                new_unit("001", "Quận Ba Đình", UnitKind::UrbanDistrict, Some("01")),
                new_unit(WARD, "Phường Phúc Xá", UnitKind::UrbanWard, Some("001")),
            ],
        }),
        "register_office" => Command::RegisterOffice(RegisterOffice {
            office: OfficeId(2),
            name: text("Ủy ban nhân dân phường Phúc Xá"),
            kind: OfficeKind::Commune,
            areas: vec![Area::Unit(unit(WARD))],
            opened_on: date("2021-01-04"),
        }),
        "change_office_area" => Command::ChangeOfficeArea(ChangeOfficeArea {
            office: OfficeId(2),
            areas: vec![Area::Unit(unit(WARD)), Area::Unit(unit("00004"))],
            effective_on: date(DAY),
        }),
        "register_dwelling" => Command::RegisterDwelling(RegisterDwelling {
            kind: DwellingKind::House,
            unit: unit(WARD),
            address: text("Số 12 ngõ 5 phố Tân Ấp"),
            effective_on: date(DAY),
        }),
        _ => return None,
    })
}

fn new_unit(code: &str, name: &str, kind: UnitKind, parent: Option<&str>) -> NewUnit {
    NewUnit { code: unit(code), name: text(name), kind, parent: parent.map(unit) }
}

fn person(kind: &str) -> Option<Command> {
    Some(match kind {
        "enrol_person" => Command::EnrolPerson(EnrolPerson {
            person: grandmother(),
            residence: None,
            household: Some(HouseholdPlace { household: HOUSEHOLD, relationship: Relationship::Parent }),
            effective_on: date("2021-03-10"),
        }),
        "enrol_household" => Command::EnrolHousehold(EnrolHousehold {
            kind: HouseholdKind::Family,
            place: home(),
            file_number: Some(text("HK-001-000017")),
            members: vec![
                member(Relationship::Head, father()),
                member(Relationship::Spouse, mother()),
                member(Relationship::Child, son()),
            ],
            effective_on: date("2021-03-10"),
        }),
        "birth" => Command::Birth(birth()),
        "death" => Command::Death(Death {
            person: by_pin(FATHER_PIN),
            died: partial("2021-03-14"),
            time: time("22:40"),
            place: Some(Place::in_unit(unit(WARD))),
            cause: Some(Guarded::Plain(text("I21.9"))),
            registered_at: unit(WARD),
            legacy_entry: None,
            succession: Some(succession_of_mother()),
        }),
        "change_name" => Command::ChangeName(ChangeName {
            person: by_pin(SON_PIN),
            names: names("Nguyễn", "Minh", "Khôi"),
            reason: text("Thay đổi chữ đệm theo yêu cầu của cha, mẹ"),
            effective_on: date(DAY),
        }),
        "clear_defect" => Command::ClearDefect(ClearDefect {
            row: RowRef::Person(PersonId(4)),
            defect: DefectKind::BirthDateIncomplete,
            reason: text("Đã bổ sung giấy khai sinh bản chính"),
        }),
        "register_marriage" => Command::RegisterMarriage(RegisterMarriage {
            partners: [KinRef::Registered(by_pin(FATHER_PIN)), KinRef::Registered(by_pin(MOTHER_PIN))],
            married_on: date("2009-10-18"),
            legacy_entry: None,
        }),
        "register_divorce" => Command::RegisterDivorce(RegisterDivorce {
            person: by_pin(MOTHER_PIN),
            spouse: Some(by_pin(FATHER_PIN)),
            effective_on: date("2021-03-12"),
        }),
        "issue_pin" => Command::IssuePin(IssuePin {
            person: PersonRef::PersonId(PersonId(4)),
            birth_registered_at: Some(unit("01")),
        }),
        "accept_pin" => Command::AcceptPin(AcceptPin {
            person: PersonRef::Cmnd(text("011234567")),
            pin: pin("001158000321"),
        }),
        _ => return None,
    })
}

fn pins(kind: &str) -> Option<Command> {
    Some(match kind {
        "cancel_pin" => Command::CancelPin(CancelPin {
            person: by_pin(FATHER_PIN),
            ground: PinGround::WrongNumber,
            explanation: text("Số được nhập từ giấy tờ của người khác"),
        }),
        "reestablish_pin" => Command::ReestablishPin(ReestablishPin {
            person: by_pin(MOTHER_PIN),
            ground: PinGround::WrongPlace,
            birth_registered_at: Some(unit("01")),
            explanation: text("Nhập sai nơi đăng ký khai sinh"),
        }),
        "record_pin_notices" => Command::RecordPinNotices(RecordPinNotices {
            handed_over_on: date(DAY),
            persons: vec![PersonRef::PersonId(PersonId(4)), by_pin(MOTHER_PIN)],
        }),
        _ => return None,
    })
}

fn operation(kind: &str) -> Option<Command> {
    let operation = OperationId(1);
    let digest = OperationDigest(0x5f2b_91c0_33d7_4e11_88aa_0c46_7d19_e2f0);
    Some(match kind {
        "open_operation" => Command::OpenOperation(OpenOperation {
            kind: OperationKind::IssuePins(IssuePins { unit: Some(unit("01")) }),
            purpose: text("Cấp số định danh cho công dân đã đăng ký khai sinh"),
        }),
        "stage_operation" => {
            Command::StageOperation(StageOperation { operation, part: 1, rows: MAX_PART_ROWS })
        }
        "approve_operation" => Command::ApproveOperation(ApproveOperation { operation, digest }),
        "commit_operation" => Command::CommitOperation(CommitOperation { operation, digest }),
        "abandon_operation" => {
            Command::AbandonOperation(AbandonOperation { operation, reason: text("Mở nhầm đơn vị") })
        }
        _ => return None,
    })
}

/// A wrong name, a move that never was, and one that was left out.
fn correction(kind: &str) -> Option<Command> {
    let at = |lsn, index| EventAddress { lsn: Lsn(lsn), index };
    let renamed = NameChanged {
        person: PersonId(3),
        names: names("Nguyễn", "Văn", "Bình"),
        reason: text("Viết sai chữ đệm"),
        #[cfg(feature = "next-format")]
        registered_at: None,
    };
    let moved = PermanentResidenceRegistered { person: PersonId(3), place: Place::in_unit(UnitId(3)) };
    let fact = |on, body| StatedFact { effective_on: partial(on), body };
    let edits = vec![
        Edit::Amend { event: at(1_200, 0), to: fact("2021-02-01", EventBody::NameChanged(renamed)) },
        Edit::Annul { event: at(1_187, 2) },
        Edit::Insert { fact: fact("2020-11-15", EventBody::PermanentResidenceRegistered(moved)) },
    ];
    let reason = text("Đối chiếu sổ gốc phát hiện nhập sai");
    let correction = Correct { edits, reason, expects_digest: None };
    Some(match kind {
        "correct" => Command::Correct(correction),
        "propose_correction" => Command::ProposeCorrection(ProposeCorrection { correction }),
        "stage_corrections" => {
            let items = correction.edits.into_iter().map(|edit| vec![edit]).collect();
            let operation = OperationId(3);
            Command::StageCorrections(StageCorrections { operation, part: 1, items, is_last: true })
        }
        "approve_correction" => {
            let digest = CorrectionDigest(0x0c46_7d19_e2f0_5f2b_91c0_33d7_4e11_88aa);
            Command::ApproveCorrection(ApproveCorrection { operation: OperationId(2), digest })
        }
        _ => return None,
    })
}

fn birth() -> Birth {
    Birth {
        child: Newborn {
            names: names("Nguyễn", "Thị Mai", "Chi"),
            sex: Sex::Female,
            birth: partial("2021-02-27"),
            birth_time: time("04:15"),
            birth_place: Some(Place::at(unit(WARD), text("Bệnh viện Phụ sản"))),
            hometown: Some(Place::in_unit(unit(WARD))),
            ethnicity: Ethnicity::new(1),
            nationality: Nationality::vietnamese(),
            weight_g: Some(3_150),
            birth_order: Some(2),
            multiple: None,
        },
        parentage: Parentage::Parents(vec![
            parent(ParentRole::Mother, by_pin(MOTHER_PIN)),
            parent(ParentRole::Father, by_pin(FATHER_PIN)),
        ]),
        residence: BirthResidence::Mother(Relationship::Child),
        registered_at: unit(WARD),
        legacy_entry: None,
    }
}

fn residence(kind: &str) -> Option<Command> {
    Some(match kind {
        "move_permanent" => Command::MovePermanent(MovePermanent {
            effective_on: date(DAY),
            movement: PermanentMove::NewHousehold {
                kind: HouseholdKind::Family,
                to: Place::at(unit("00004"), text("Số 8 phố Trúc Bạch")),
                file_number: None,
                persons: vec![
                    in_household(FATHER_PIN, Relationship::Head),
                    in_household(SON_PIN, Relationship::Child),
                ],
            },
            successions: vec![succession_of_mother()],
        }),
        "register_temporary_residence" => Command::RegisterTemporaryResidence(RegisterTemporaryResidence {
            person: by_pin(SON_PIN),
            place: Place::at(unit("00004"), text("Ký túc xá, số 3 phố Trúc Bạch")),
            household: Some(TemporaryPlace {
                household: OTHER_HOUSEHOLD,
                relationship: Relationship::NotKin,
            }),
            from: date(DAY),
            until: date("2022-03-14"),
        }),
        "end_temporary_residence" => Command::EndTemporaryResidence(EndTemporaryResidence {
            person: by_pin(SON_PIN),
            effective_on: date("2021-09-01"),
        }),
        _ => return None,
    })
}

fn household(kind: &str) -> Option<Command> {
    Some(match kind {
        "form_household" => Command::FormHousehold(FormHousehold {
            kind: HouseholdKind::Family,
            place: home(),
            file_number: Some(text("HK-001-000018")),
            members: vec![
                in_household(FATHER_PIN, Relationship::Head),
                in_household(MOTHER_PIN, Relationship::Spouse),
            ],
            effective_on: date(DAY),
        }),
        "join_household" => Command::JoinHousehold(JoinHousehold {
            household: HOUSEHOLD,
            person: by_pin(SON_PIN),
            relationship: Relationship::Child,
            effective_on: date(DAY),
        }),
        "leave_household" => Command::LeaveHousehold(LeaveHousehold {
            person: by_pin(FATHER_PIN),
            ground: LeaveGround::SettledAbroad,
            succession: Some(succession_of_mother()),
            effective_on: date(DAY),
        }),
        "split_household" => Command::SplitHousehold(SplitHousehold {
            household: HOUSEHOLD,
            leaving: vec![
                in_household(MOTHER_PIN, Relationship::Head),
                in_household(SON_PIN, Relationship::Child),
            ],
            file_number: Some(text("HK-001-000019")),
            succession: None,
            effective_on: date(DAY),
        }),
        "merge_households" => Command::MergeHouseholds(MergeHouseholds {
            from: OTHER_HOUSEHOLD,
            into: HOUSEHOLD,
            relationships: vec![
                in_household(MOTHER_PIN, Relationship::Spouse),
                in_household(SON_PIN, Relationship::Child),
            ],
            effective_on: date(DAY),
        }),
        "appoint_head" => Command::AppointHead(AppointHead {
            succession: Succession {
                relationships: vec![in_household(FATHER_PIN, Relationship::Spouse)],
                ..succession_of_mother()
            },
            effective_on: date(DAY),
        }),
        "change_relationship" => Command::ChangeRelationship(ChangeRelationship {
            household: HOUSEHOLD,
            person: by_pin(SON_PIN),
            relationship: Relationship::OtherKin,
            effective_on: date(DAY),
        }),
        _ => return None,
    })
}

fn card(kind: &str) -> Option<Command> {
    Some(match kind {
        "apply_for_card" => Command::ApplyForCard(ApplyForCard {
            person: by_pin(FATHER_PIN),
            document: DocumentKind::Cccd2021,
            reason: ApplicationReason::FirstIssue,
            representative: None,
            received_at: unit(WARD),
            received_on: date(DAY),
        }),
        "decide_card_application" => Command::DecideCardApplication(DecideCardApplication {
            dossier: DossierId(1),
            decision: ApplicationDecision::Refuse {
                reason: text("Ảnh chân dung không đạt yêu cầu")
            },
            decided_on: date("2021-03-18"),
        }),
        "produce_card" => Command::ProduceCard(ProduceCard {
            dossier: DossierId(1),
            serial: text("VN00000000017"),
            issued_on: date("2021-03-22"),
        }),
        "hand_over_card" => {
            Command::HandOverCard(HandOverCard { card: CardId(1), handed_over_on: date("2021-03-29") })
        }
        "report_card_lost" => {
            Command::ReportCardLost(ReportCardLost { card: CardId(1), reported_on: date("2021-05-04") })
        }
        "replace_card" => Command::ReplaceCard(ReplaceCard {
            card: CardId(1),
            document: DocumentKind::Cccd2021,
            reason: ApplicationReason::Lost,
            representative: None,
            received_at: unit(WARD),
            received_on: date("2021-05-04"),
        }),
        "withdraw_card" => Command::WithdrawCard(WithdrawCard {
            card: CardId(1),
            reason: WithdrawalReason::NationalityLost,
            withdrawn_on: date("2021-06-01"),
        }),
        "hold_card" => Command::HoldCard(HoldCard {
            card: CardId(1),
            reason: HoldReason::Detention,
            held_on: date("2021-05-10"),
        }),
        "return_card" => Command::ReturnCard(ReturnCard { card: CardId(1), returned_on: date("2021-05-20") }),
        "report_card_found" => {
            Command::ReportCardFound(ReportCardFound { card: CardId(1), found_on: date("2021-05-05") })
        }
        "report_card_damaged" => {
            Command::ReportCardDamaged(ReportCardDamaged { card: CardId(1), reported_on: date("2021-05-21") })
        }
        _ => return None,
    })
}

fn home() -> Place<UnitCode> {
    Place::at(unit(WARD), text("Số 12 ngõ 5 phố Tân Ấp"))
}

fn in_household(pin: &str, relationship: Relationship) -> PersonInHousehold {
    PersonInHousehold { person: by_pin(pin), relationship }
}

fn succession_of_mother() -> Succession {
    Succession {
        household: HOUSEHOLD,
        head: by_pin(MOTHER_PIN),
        relationships: vec![in_household(SON_PIN, Relationship::Child)],
    }
}

fn member(relationship: Relationship, person: NewPerson) -> EnrolMember {
    EnrolMember { relationship, person }
}

fn parent<P>(role: ParentRole, person: P) -> ParentLink<P> {
    ParentLink {
        role,
        kind: ParentKind::Biological,
        parent: KinRef::Registered(person),
        period: Period::default(),
    }
}

fn identity(names: Names, sex: Sex, birth: &str) -> Identity<UnitCode> {
    Identity {
        names,
        sex,
        birth: partial(birth),
        birth_time: None,
        birth_place: Some(Place::in_unit(unit(WARD))),
        nationality: Nationality::vietnamese(),
        identification: Identification::Verified,
    }
}

fn data(marital_status: MaritalStatus) -> PersonalData<UnitCode> {
    PersonalData {
        birth_registration_place: Some(Place::in_unit(unit(WARD))),
        hometown: Some(Place::in_unit(unit(WARD))),
        ethnicity: Ethnicity::new(1),
        religion: Religion::new(0).map(Guarded::Plain),
        marital_status: Some(marital_status),
        ..PersonalData::default()
    }
}

fn father() -> NewPerson {
    NewPerson {
        identity: identity(names("Nguyễn", "Văn", "An"), Sex::Male, "1985-06-02"),
        data: PersonalData {
            contact: Some(Guarded::Plain(Contact { phone: Some(text("0900000017")), email: None })),
            documents: vec![IdentityDocument {
                kind: IdentityDocumentKind::Cmnd,
                number: text("012345678"),
                country: Some(CountryCode::VIET_NAM),
                issued_by: Some(text("Công an thành phố Hà Nội")),
                issued_on: Some(partial("2003-08")),
                expires_on: None,
            }],
            ..data(MaritalStatus::Married)
        },
        pin: Some(pin(FATHER_PIN)),
        parents: vec![ParentLink {
            role: ParentRole::Father,
            kind: ParentKind::Biological,
            parent: KinRef::Described(Box::new(DescribedPerson {
                names: names("Nguyễn", "Văn", "Bình"),
                birth: Some(partial("1955")),
                nationality: Some(Nationality::vietnamese()),
                document: None,
            })),
            period: Period::default(),
        }],
    }
}

fn mother() -> NewPerson {
    NewPerson {
        identity: Identity {
            birth_place: Some(Place::Abroad(ForeignPlace {
                country: super::parse("DE"),
                address: Some(text("Leipzig")),
            })),
            ..identity(names("Trần", "Thị", "Hoa"), Sex::Female, "1987-11-20")
        },
        data: data(MaritalStatus::Married),
        pin: Some(pin(MOTHER_PIN)),
        parents: Vec::new(),
    }
}

fn son() -> NewPerson {
    NewPerson {
        identity: Identity {
            birth_time: time("09:30"),
            ..identity(names("Nguyễn", "Minh", "Khang"), Sex::Male, "2010-09-05")
        },
        data: PersonalData { capacity: LegalCapacity::Minor, ..data(MaritalStatus::Unmarried) },
        pin: Some(pin(SON_PIN)),
        parents: vec![
            parent(ParentRole::Father, MemberRef::Member(0)),
            parent(ParentRole::Mother, MemberRef::Member(1)),
        ],
    }
}

fn grandmother() -> NewPerson {
    NewPerson {
        identity: identity(names("Lê", "Thị", "Xuân"), Sex::Female, "1958"),
        data: data(MaritalStatus::Widowed),
        pin: None,
        parents: Vec::new(),
    }
}
