//! What events and aspects are called, for people.

use event_schemas::row::Aspect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A name in both languages.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Label {
    pub en: String,
    pub vi: String,
}

impl Label {
    fn new(en: &str, vi: &str) -> Self {
        Self { en: en.to_owned(), vi: vi.to_owned() }
    }

    /// Of an event by its stable name; one without a label is called by that name.
    pub fn of_event(name: &str) -> Self {
        let found = EVENTS.iter().find(|(known, _, _)| *known == name);
        match found {
            Some((_, en, vi)) => Self::new(en, vi),
            None => Self::new(&name.replace('_', " "), name),
        }
    }

    /// Of an aspect.
    pub fn of_aspect(aspect: Aspect) -> Self {
        let (en, vi) = match aspect {
            Aspect::Existence => ("Registration", "Thông tin đăng ký ban đầu"),
            Aspect::Identity => ("Identity", "Thông tin nhân thân"),
            Aspect::Life => ("Life and death", "Tình trạng sống, chết"),
            Aspect::Kinship => ("Parents and children", "Quan hệ cha, mẹ, con"),
            Aspect::Number => ("PIN", "Số định danh cá nhân"),
            Aspect::Documents => ("Old documents", "Giấy tờ đã cấp"),
            Aspect::PermanentResidence => ("Permanent residence", "Thường trú"),
            Aspect::TemporaryResidence => ("Temporary residence", "Tạm trú"),
            Aspect::Membership => ("Household", "Hộ gia đình thường trú"),
            Aspect::TemporaryMembership => ("Temporary household", "Hộ gia đình tạm trú"),
            Aspect::Cards => ("Cards and applications", "Thẻ và hồ sơ cấp thẻ"),
            Aspect::HouseholdPlace => ("Place of the household", "Nơi ở của hộ"),
            Aspect::Composition => ("Members and head", "Chủ hộ và thành viên hộ"),
            Aspect::Status => ("Status", "Trạng thái"),
            Aspect::Defects => ("Open defects", "Thông tin còn thiếu, sai"),
            Aspect::Marriage => ("Marriages", "Tình trạng hôn nhân"),
            Aspect::Notices => ("Notices of PINs", "Thông báo số định danh"),
        };
        Self::new(en, vi)
    }
}

/// Stable name, English, Vietnamese.
const EVENTS: &[(&str, &str, &str)] = &[
    ("unit_established", "Administrative unit established", "Thành lập đơn vị hành chính"),
    ("office_registered", "Office registered", "Đăng ký cơ quan"),
    ("office_area_changed", "Area of an office changed", "Thay đổi địa bàn của cơ quan"),
    ("dwelling_registered", "Dwelling registered", "Đăng ký chỗ ở hợp pháp"),
    ("person_registered", "Person registered", "Đăng ký thông tin công dân"),
    ("parent_linked", "Parent recorded", "Ghi nhận quan hệ cha, mẹ, con"),
    ("name_changed", "Name changed", "Thay đổi họ, chữ đệm, tên"),
    ("death_registered", "Death registered", "Đăng ký khai tử"),
    ("defect_noted", "Defect noted", "Ghi nhận thông tin thiếu, sai"),
    ("defect_cleared", "Defect cleared", "Bổ sung, chỉnh lý xong thông tin"),
    ("marriage_registered", "Marriage registered", "Đăng ký kết hôn"),
    ("marriage_ended", "Marriage ended", "Chấm dứt hôn nhân"),
    ("pin_issued", "PIN issued", "Xác lập số định danh cá nhân"),
    ("pin_accepted", "PIN issued before accepted", "Tiếp nhận số định danh đã cấp"),
    ("pin_cancelled", "PIN cancelled", "Hủy số định danh cá nhân"),
    ("pin_notice_handed_over", "Notice of the PIN handed over", "Giao thông báo số định danh"),
    ("permanent_residence_registered", "Permanent residence registered", "Đăng ký thường trú"),
    ("permanent_residence_ended", "Permanent residence ended", "Xóa đăng ký thường trú"),
    ("temporary_residence_registered", "Temporary residence registered", "Đăng ký tạm trú"),
    ("temporary_residence_ended", "Temporary residence ended", "Xóa đăng ký tạm trú"),
    ("household_formed", "Household formed", "Lập hộ gia đình"),
    ("member_joined", "Joined the household", "Nhập hộ"),
    ("member_left", "Left the household", "Ra khỏi hộ"),
    ("head_appointed", "Head of the household appointed", "Xác định chủ hộ"),
    ("head_vacated", "Household without a head", "Khuyết chủ hộ"),
    ("relationship_changed", "Relationship to the head changed", "Thay đổi quan hệ với chủ hộ"),
    ("household_moved", "Household moved", "Hộ chuyển nơi ở"),
    ("household_ended", "Household ended", "Chấm dứt hộ"),
    ("dossier_received", "Application for a card received", "Tiếp nhận hồ sơ cấp thẻ"),
    ("dossier_approved", "Application approved", "Phê duyệt hồ sơ cấp thẻ"),
    ("dossier_refused", "Application refused", "Từ chối cấp thẻ"),
    ("dossier_closed", "Application closed", "Kết thúc hồ sơ cấp thẻ"),
    ("card_produced", "Card produced", "Sản xuất thẻ"),
    ("card_handed_over", "Card handed over", "Trả thẻ"),
    ("card_reported_lost", "Card reported lost", "Báo mất thẻ"),
    ("card_replaced", "Card replaced", "Thay thẻ"),
    ("card_withdrawn", "Card withdrawn", "Thu hồi thẻ"),
    ("card_expired", "Card expired", "Thẻ hết thời hạn"),
    ("card_holder_died", "Holder of the card died", "Người được cấp thẻ chết"),
    ("card_held", "Card held by an authority", "Giữ thẻ"),
    ("card_returned", "Card returned to its holder", "Trả lại thẻ bị giữ"),
    ("card_found", "Lost card found", "Tìm lại được thẻ"),
    ("card_reported_damaged", "Card reported damaged", "Báo hỏng thẻ"),
    ("operation_opened", "Operation opened", "Mở đợt xử lý"),
    ("operation_part", "Part of an operation staged", "Chuẩn bị một phần đợt xử lý"),
    ("operation_approved", "Operation approved", "Phê duyệt đợt xử lý"),
    ("operation_committed", "Operation committed", "Thực hiện đợt xử lý"),
    ("operation_abandoned", "Operation abandoned", "Hủy đợt xử lý"),
    ("event_annulled", "Taken back", "Hủy bỏ nội dung đã ghi nhận"),
    ("correction_proposed", "Correction proposed", "Đề nghị cải chính"),
    ("correction_approved", "Correction approved", "Phê duyệt cải chính"),
    ("event_amended", "Corrected", "Cải chính nội dung đã ghi nhận"),
];

#[cfg(test)]
mod tests {
    use super::{EVENTS, Label};
    use event_schemas::event::EventBody;

    #[test]
    fn every_event_has_a_name_in_both_languages() {
        for (_, name) in EventBody::KINDS {
            let label = Label::of_event(name);
            assert_ne!(label.vi, *name, "write what {name} is called");
        }
        let names: Vec<&str> = EVENTS.iter().map(|(name, _, _)| *name).collect();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
