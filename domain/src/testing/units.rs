//! A few real units (list of 2021) and the offices that the tests let act.

use super::{code, text};
use event_schemas::event::{EventBody, OfficeRegistered, UnitEstablished};
use event_schemas::ids::{OfficeId, UnitId};
use event_schemas::place::{Area, OfficeKind, UnitKind};

/// Hà Nội.
pub const HA_NOI: &str = "01";
/// Quận Ba Đình in Hà Nội.
pub const BA_DINH: &str = "001";
/// Phường Phúc Xá in Ba Đình.
pub const PHUC_XA: &str = "00001";
/// Phường Trúc Bạch in Ba Đình.
pub const TRUC_BACH: &str = "00004";
/// Hải Phòng.
pub const HAI_PHONG: &str = "31";
/// Quận Hồng Bàng in Hải Phòng.
pub const HONG_BANG: &str = "303";
/// Phường Quán Toan in Hồng Bàng.
pub const QUAN_TOAN: &str = "11296";
/// Huyện Bạch Long Vĩ in Hải Phòng, an island district without wards.
pub const BACH_LONG_VI: &str = "318";

/// Numbers of the units above, in the order in which they were established.
pub const UNITS: [(&str, UnitId); 8] = [
    (HA_NOI, UnitId(1)),
    (BA_DINH, UnitId(2)),
    (PHUC_XA, UnitId(3)),
    (TRUC_BACH, UnitId(4)),
    (HAI_PHONG, UnitId(5)),
    (HONG_BANG, UnitId(6)),
    (QUAN_TOAN, UnitId(7)),
    (BACH_LONG_VI, UnitId(8)),
];

/// Competent in Phúc Xá.
pub const PHUC_XA_OFFICE: OfficeId = OfficeId(1);
/// Competent in Trúc Bạch.
pub const TRUC_BACH_OFFICE: OfficeId = OfficeId(2);
/// Competent in Hải Phòng.
pub const HAI_PHONG_OFFICE: OfficeId = OfficeId(3);
/// Competent in the nation.
pub const NATIONAL_OFFICE: OfficeId = OfficeId(4);
/// A court, competent in Hà Nội.
pub const COURT: OfficeId = OfficeId(5);

/// The number of a unit of the laboratory.
///
/// # Panics
/// If the laboratory has no such unit.
pub fn unit(code: &str) -> UnitId {
    let found = UNITS.iter().find(|(known, _)| *known == code);
    found.expect("the laboratory has this unit").1
}

pub(super) fn established() -> Vec<EventBody> {
    let established = |unit_code: &str, name: &str, kind: UnitKind, parent: Option<&str>| {
        EventBody::UnitEstablished(UnitEstablished {
            unit: unit(unit_code),
            code: code(unit_code),
            name: text(name),
            kind,
            parent: parent.map(unit),
        })
    };
    vec![
        established(HA_NOI, "Thành phố Hà Nội", UnitKind::Municipality, None),
        established(BA_DINH, "Quận Ba Đình", UnitKind::UrbanDistrict, Some(HA_NOI)),
        established(PHUC_XA, "Phường Phúc Xá", UnitKind::UrbanWard, Some(BA_DINH)),
        established(TRUC_BACH, "Phường Trúc Bạch", UnitKind::UrbanWard, Some(BA_DINH)),
        established(HAI_PHONG, "Thành phố Hải Phòng", UnitKind::Municipality, None),
        established(HONG_BANG, "Quận Hồng Bàng", UnitKind::UrbanDistrict, Some(HAI_PHONG)),
        established(QUAN_TOAN, "Phường Quán Toan", UnitKind::UrbanWard, Some(HONG_BANG)),
        established(BACH_LONG_VI, "Huyện Bạch Long Vĩ", UnitKind::RuralDistrict, Some(HAI_PHONG)),
    ]
}

pub(super) fn offices() -> Vec<EventBody> {
    let office = |office: OfficeId, name: &str, kind: OfficeKind, area: Area<UnitId>| {
        EventBody::OfficeRegistered(OfficeRegistered { office, name: text(name), kind, areas: vec![area] })
    };
    let commune = OfficeKind::Commune;
    vec![
        office(PHUC_XA_OFFICE, "Công an phường Phúc Xá", commune, Area::Unit(unit(PHUC_XA))),
        office(TRUC_BACH_OFFICE, "Công an phường Trúc Bạch", commune, Area::Unit(unit(TRUC_BACH))),
        office(
            HAI_PHONG_OFFICE,
            "Công an thành phố Hải Phòng",
            OfficeKind::Province,
            Area::Unit(unit(HAI_PHONG)),
        ),
        office(NATIONAL_OFFICE, "Cục C06", OfficeKind::National, Area::Nation),
        office(COURT, "Tòa án nhân dân thành phố Hà Nội", OfficeKind::Court, Area::Unit(unit(HA_NOI))),
    ]
}
