//! An example of every event, about the household of the example commands.

use super::{date, names, partial, pin, text, time, unit};
use crate::basis::{RegisterEntry, RegisterKind};
use crate::card::{ApplicationReason, DocumentKind, HoldReason, WithdrawalReason};
use crate::correction::{CorrectionDigest, Edit};
use crate::defect::DefectKind;
use crate::event::*;
use crate::guarded::Guarded;
use crate::household::{
    HouseholdEndReason, HouseholdKind, LeaveReason, Membership, Relationship, ResidenceEndReason,
};
use crate::ids::{
    CardId, DossierId, DwellingId, EventAddress, HouseholdId, Lsn, OfficeId, OfficerId, OperationId,
    PersonId, UnitId, Version,
};
use crate::kin::{KinRef, MarriageEndReason, ParentKind, ParentLink, ParentRole, Period};
use crate::operation::{
    AbandonReason, IssuePins, LeftOut, LeftOutReason, MovedRow, OperationCounts, OperationDigest,
    OperationKind, PartContent, PartRange, StagedPin, StagedPins,
};
use crate::person::{Ethnicity, Identification, Identity, Nationality, PersonalData, Sex};
use crate::pin::{PinGround, PinOccasion};
use crate::place::{Area, DomesticPlace, DwellingKind, OfficeKind, Place, RegisteredPlace, UnitKind};
use crate::row::{Aspect, RowRef, StreamRef};

const FATHER: PersonId = PersonId(1);
const MOTHER: PersonId = PersonId(2);
const SON: PersonId = PersonId(3);
const DAUGHTER: PersonId = PersonId(5);
const HOUSEHOLD: HouseholdId = HouseholdId(1);
const OTHER_HOUSEHOLD: HouseholdId = HouseholdId(2);
const WARD: UnitId = UnitId(3);
const OFFICE: OfficeId = OfficeId(2);
const DOSSIER: DossierId = DossierId(1);
const CARD: CardId = CardId(1);
const NEXT_CARD: CardId = CardId(2);

pub(super) fn example(kind: &str) -> Option<EventBody> {
    administration(kind)
        .or_else(|| person(kind))
        .or_else(|| residence(kind))
        .or_else(|| household(kind))
        .or_else(|| dossier(kind))
        .or_else(|| card(kind))
        .or_else(|| operation(kind))
        .or_else(|| correction(kind))
}

fn administration(kind: &str) -> Option<EventBody> {
    Some(match kind {
        "unit_established" => EventBody::UnitEstablished(UnitEstablished {
            unit: WARD,
            code: unit(super::WARD),
            name: text("Phường Phúc Xá"),
            kind: UnitKind::UrbanWard,
            parent: Some(UnitId(2)),
        }),
        "office_registered" => EventBody::OfficeRegistered(OfficeRegistered {
            office: OFFICE,
            name: text("Ủy ban nhân dân phường Phúc Xá"),
            kind: OfficeKind::Commune,
            areas: vec![Area::Unit(WARD)],
        }),
        "office_area_changed" => EventBody::OfficeAreaChanged(OfficeAreaChanged {
            office: OFFICE,
            areas: vec![Area::Unit(WARD), Area::Unit(UnitId(4))],
        }),
        "dwelling_registered" => EventBody::DwellingRegistered(DwellingRegistered {
            dwelling: DwellingId(1),
            kind: DwellingKind::House,
            unit: WARD,
            address: text("Số 12 ngõ 5 phố Tân Ấp"),
        }),
        _ => return None,
    })
}

fn person(kind: &str) -> Option<EventBody> {
    Some(match kind {
        "person_registered" => EventBody::PersonRegistered(daughter()),
        "parent_linked" => EventBody::ParentLinked(ParentLinked {
            child: DAUGHTER,
            link: ParentLink {
                role: ParentRole::Mother,
                kind: ParentKind::Biological,
                parent: KinRef::Registered(MOTHER),
                period: Period::default(),
            },
        }),
        "name_changed" => EventBody::NameChanged(NameChanged {
            person: SON,
            names: names("Nguyễn", "Minh", "Khôi"),
            reason: text("Thay đổi chữ đệm theo yêu cầu của cha, mẹ"),
            #[cfg(feature = "next-format")]
            registered_at: None,
        }),
        "death_registered" => EventBody::DeathRegistered(DeathRegistered {
            person: FATHER,
            time: time("22:40"),
            place: Some(Place::in_unit(WARD)),
            cause: Some(Guarded::Plain(text("I21.9"))),
            registered_at: WARD,
            entry: entry(RegisterKind::Death, 4),
            legacy: None,
            declared: false,
        }),
        "defect_noted" => EventBody::DefectNoted(DefectNoted {
            row: RowRef::Person(PersonId(4)),
            defect: DefectKind::BirthDateIncomplete,
        }),
        "defect_cleared" => EventBody::DefectCleared(DefectCleared {
            row: RowRef::Person(PersonId(4)),
            defect: DefectKind::BirthDateIncomplete,
            reason: text("Đã bổ sung giấy khai sinh bản chính"),
        }),
        "marriage_registered" => EventBody::MarriageRegistered(MarriageRegistered {
            partners: [KinRef::Registered(FATHER), KinRef::Registered(MOTHER)],
            entry: entry(RegisterKind::Marriage, 12),
            legacy: None,
        }),
        "marriage_ended" => EventBody::MarriageEnded(MarriageEnded {
            person: MOTHER,
            spouse: Some(FATHER),
            reason: MarriageEndReason::Divorce,
        }),
        "pin_issued" => EventBody::PinIssued(PinIssued {
            person: DAUGHTER,
            pin: pin("001321048213"),
            draw: 11,
            key_version: 1,
            occasion: PinOccasion::Birth,
        }),
        "pin_cancelled" => EventBody::PinCancelled(PinCancelled {
            person: FATHER,
            pin: pin("001085000123"),
            ground: PinGround::WrongNumber,
            explanation: text("Số được nhập từ giấy tờ của người khác"),
        }),
        "pin_notice_handed_over" => {
            EventBody::PinNoticeHandedOver(PinNoticeHandedOver { person: MOTHER, pin: pin("001187000456") })
        }
        "pin_accepted" => EventBody::PinAccepted(PinAccepted { person: FATHER, pin: pin("001085000123") }),
        _ => return None,
    })
}

fn operation(kind: &str) -> Option<EventBody> {
    let operation = OperationId(1);
    let digest = OperationDigest(0x5f2b_91c0_33d7_4e11_88aa_0c46_7d19_e2f0);
    Some(match kind {
        "operation_opened" => EventBody::OperationOpened(OperationOpened {
            operation,
            kind: OperationKind::IssuePins(IssuePins { unit: Some(WARD) }),
            purpose: text("Cấp số định danh cho công dân đã đăng ký khai sinh"),
            office: OFFICE,
            officer: OfficerId(4),
            up_to: DAUGHTER,
            lapses_on: date("2021-04-14"),
        }),
        "operation_part" => EventBody::OperationPart(OperationPart {
            operation,
            part: 1,
            content: PartContent::Pins(StagedPins {
                key_version: 1,
                pins: vec![StagedPin {
                    person: MOTHER,
                    pin: pin("001187000456"),
                    draw: Some(3),
                    version: Version(2),
                    last: Lsn(17),
                }],
            }),
            left_out: vec![LeftOut { row: RowRef::Person(SON), reason: LeftOutReason::BirthPlaceMissing }],
            is_again: false,
            looked_at: DAUGHTER,
            is_last: true,
            digest,
        }),
        "operation_approved" => EventBody::OperationApproved(OperationApproved {
            operation,
            digest,
            office: OFFICE,
            officer: OfficerId(5),
        }),
        "operation_committed" => EventBody::OperationCommitted(OperationCommitted {
            operation,
            digest,
            counts: OperationCounts { staged: 2, changed: 1, left_out: 2 },
            parts: vec![PartRange {
                lsn: Lsn(40),
                first: RowRef::Person(MOTHER),
                last: RowRef::Person(MOTHER),
                first_event: 0,
            }],
            moved: vec![MovedRow { row: RowRef::Person(MOTHER), version: Version(3), last: Lsn(41) }],
            left_out: vec![LeftOut { row: RowRef::Person(FATHER), reason: LeftOutReason::HasNumber }],
        }),
        "operation_abandoned" => EventBody::OperationAbandoned(OperationAbandoned {
            operation,
            reason: AbandonReason::Decided(text("Mở nhầm đơn vị")),
        }),
        _ => return None,
    })
}

fn correction(kind: &str) -> Option<EventBody> {
    let event = EventAddress { lsn: Lsn(1_200), index: 0 };
    let streams = vec![StreamRef { row: RowRef::Person(SON), aspect: Aspect::Identity }];
    Some(match kind {
        "event_annulled" => EventBody::EventAnnulled(EventAnnulled { event, streams }),
        "event_amended" => EventBody::EventAmended(EventAmended { event, by: 1, streams }),
        "correction_proposed" => EventBody::CorrectionProposed(CorrectionProposed {
            operation: OperationId(2),
            edits: vec![Edit::Annul { event }],
            reason: text("Đối chiếu sổ gốc phát hiện nhập sai"),
            digest: CorrectionDigest(0x0c46_7d19_e2f0_5f2b_91c0_33d7_4e11_88aa),
        }),
        "correction_approved" => EventBody::CorrectionApproved(CorrectionApproved {
            operation: OperationId(2),
            digest: CorrectionDigest(0x0c46_7d19_e2f0_5f2b_91c0_33d7_4e11_88aa),
            office: OFFICE,
            officer: OfficerId(4),
        }),
        _ => return None,
    })
}

fn daughter() -> PersonRegistered {
    PersonRegistered {
        person: DAUGHTER,
        origin: Origin::Birth(Box::new(BirthRegistration {
            registered_at: WARD,
            entry: entry(RegisterKind::Birth, 31),
            legacy: None,
            weight_g: Some(3_150),
            birth_order: Some(2),
            multiple: None,
            found: None,
            late: false,
        })),
        identity: Box::new(Identity {
            names: names("Nguyễn", "Thị Mai", "Chi"),
            sex: Sex::Female,
            birth: partial("2021-02-27"),
            birth_time: time("04:15"),
            birth_place: Some(Place::at(WARD, text("Bệnh viện Phụ sản"))),
            nationality: Nationality::vietnamese(),
            identification: Identification::Verified,
        }),
        data: Box::new(PersonalData {
            birth_registration_place: Some(Place::in_unit(WARD)),
            hometown: Some(Place::in_unit(WARD)),
            ethnicity: Ethnicity::new(1),
            ..PersonalData::default()
        }),
    }
}

fn residence(kind: &str) -> Option<EventBody> {
    Some(match kind {
        "permanent_residence_registered" => {
            EventBody::PermanentResidenceRegistered(PermanentResidenceRegistered {
                person: DAUGHTER,
                place: home(),
            })
        }
        "permanent_residence_ended" => EventBody::PermanentResidenceEnded(PermanentResidenceEnded {
            person: FATHER,
            reason: ResidenceEndReason::Died,
        }),
        "temporary_residence_registered" => {
            EventBody::TemporaryResidenceRegistered(TemporaryResidenceRegistered {
                person: SON,
                place: Place::at(UnitId(4), text("Ký túc xá, số 3 phố Trúc Bạch")),
                until: date("2022-03-14"),
            })
        }
        "temporary_residence_ended" => EventBody::TemporaryResidenceEnded(TemporaryResidenceEnded {
            person: SON,
            reason: ResidenceEndReason::LeftEarly,
        }),
        _ => return None,
    })
}

fn household(kind: &str) -> Option<EventBody> {
    Some(match kind {
        "household_formed" => EventBody::HouseholdFormed(HouseholdFormed {
            household: OTHER_HOUSEHOLD,
            kind: HouseholdKind::Family,
            place: home(),
            file_number: Some(text("HK-001-000019")),
            split_from: Some(HOUSEHOLD),
        }),
        "member_joined" => EventBody::MemberJoined(MemberJoined {
            household: HOUSEHOLD,
            person: DAUGHTER,
            membership: Membership::Permanent,
            relationship: Relationship::Child,
        }),
        "member_left" => EventBody::MemberLeft(MemberLeft {
            household: HOUSEHOLD,
            person: FATHER,
            membership: Membership::Permanent,
            reason: LeaveReason::Died,
        }),
        "head_appointed" => EventBody::HeadAppointed(HeadAppointed { household: HOUSEHOLD, head: MOTHER }),
        "head_vacated" => EventBody::HeadVacated(HeadVacated { household: HOUSEHOLD, former: FATHER }),
        "relationship_changed" => EventBody::RelationshipChanged(RelationshipChanged {
            household: HOUSEHOLD,
            person: SON,
            relationship: Relationship::Child,
        }),
        "household_moved" => EventBody::HouseholdMoved(HouseholdMoved {
            household: HOUSEHOLD,
            place: Place::at(UnitId(4), text("Số 8 phố Trúc Bạch")),
        }),
        "household_ended" => EventBody::HouseholdEnded(HouseholdEnded {
            household: OTHER_HOUSEHOLD,
            reason: HouseholdEndReason::Merged,
            into: Some(HOUSEHOLD),
        }),
        _ => return None,
    })
}

fn dossier(kind: &str) -> Option<EventBody> {
    Some(match kind {
        "dossier_received" => EventBody::DossierReceived(DossierReceived {
            dossier: DOSSIER,
            person: FATHER,
            document: DocumentKind::Cccd2021,
            reason: ApplicationReason::FirstIssue,
            replaces: None,
            representative: None,
            received_at: WARD,
        }),
        "dossier_approved" => {
            EventBody::DossierApproved(DossierApproved { dossier: DOSSIER, person: FATHER })
        }
        "dossier_refused" => EventBody::DossierRefused(DossierRefused {
            dossier: DOSSIER,
            person: FATHER,
            reason: text("Ảnh chân dung không đạt yêu cầu"),
        }),
        "dossier_closed" => EventBody::DossierClosed(DossierClosed {
            dossier: DOSSIER,
            person: FATHER,
            reason: text("Người đề nghị đã chết"),
        }),
        _ => return None,
    })
}

fn card(kind: &str) -> Option<EventBody> {
    Some(match kind {
        "card_produced" => EventBody::CardProduced(CardProduced {
            card: CARD,
            dossier: DOSSIER,
            person: FATHER,
            document: DocumentKind::Cccd2021,
            serial: text("VN00000000017"),
            pin: pin("001085000123"),
            expires_on: Some(date("2025-06-02")),
        }),
        "card_handed_over" => EventBody::CardHandedOver(CardHandedOver { card: CARD, person: FATHER }),
        "card_reported_lost" => EventBody::CardReportedLost(CardReportedLost { card: CARD, person: FATHER }),
        "card_replaced" => {
            EventBody::CardReplaced(CardReplaced { card: CARD, person: FATHER, by: NEXT_CARD })
        }
        "card_withdrawn" => EventBody::CardWithdrawn(CardWithdrawn {
            card: CARD,
            person: FATHER,
            reason: WithdrawalReason::NationalityLost,
        }),
        "card_expired" => EventBody::CardExpired(CardExpired { card: CARD, person: FATHER }),
        "card_holder_died" => EventBody::CardHolderDied(CardHolderDied { card: CARD, person: FATHER }),
        "card_held" => {
            EventBody::CardHeld(CardHeld { card: CARD, person: FATHER, reason: HoldReason::Detention })
        }
        "card_returned" => EventBody::CardReturned(CardReturned { card: CARD, person: FATHER }),
        "card_found" => EventBody::CardFound(CardFound { card: CARD, person: FATHER }),
        "card_reported_damaged" => {
            EventBody::CardReportedDamaged(CardReportedDamaged { card: CARD, person: FATHER })
        }
        _ => return None,
    })
}

fn entry(register: RegisterKind, number: u32) -> RegisterEntry {
    RegisterEntry { office: OFFICE, register, year: 2021, number }
}

fn home() -> RegisteredPlace {
    Place::Domestic(DomesticPlace {
        unit: WARD,
        dwelling: Some(DwellingId(1)),
        address: Some(text("Số 12 ngõ 5 phố Tân Ấp")),
    })
}
