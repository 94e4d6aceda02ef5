//! The catalogue of refusals: stable codes and their sentences in Vietnamese and English. `docs/refusals.md` is generated
//! from it.

use event_schemas::outcome::Fault;
use std::fmt::Display;

/// Declares the catalogue. `hard` rules refuse; `flaggable` ones may be overridden by enrolment of legacy data or on the basis
/// of a court, and then leave a defect.
macro_rules! catalogue {
    ($($name:ident $strength:ident, $code:literal, $vi:literal, $en:literal;)*) => {
        /// Why a command is refused.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Code {
            $(
                #[doc = $en]
                $name,
            )*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Stable name.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// Vietnamese and English sentence; `{0}`, `{1}` … stand for the particulars.
            pub fn sentences(self) -> (&'static str, &'static str) {
                match self {
                    $(Self::$name => ($vi, $en),)*
                }
            }

            /// Whether a stated basis may override the rule.
            pub fn is_flaggable(self) -> bool {
                match self {
                    $(Self::$name => strength::$strength,)*
                }
            }
        }
    };
}

#[allow(non_upper_case_globals, reason = "they read as words in the catalogue")]
mod strength {
    pub const hard: bool = false;
    pub const flaggable: bool = true;
}

catalogue! {
    // Naming things.
    UnknownPerson hard, "unknown_person", "Không tìm thấy công dân {0}.", "No person is registered as {0}.";
    RegistrationAnnulled hard, "registration_annulled", "Việc đăng ký {0} đã bị hủy bỏ.", "The registration of {0} was taken back.";
    UnknownHousehold hard, "unknown_household", "Không tìm thấy hộ {0}.", "No household {0} is registered.";
    UnknownCard hard, "unknown_card", "Không tìm thấy thẻ {0}.", "No card {0} is registered.";
    UnknownDossier hard, "unknown_dossier", "Không tìm thấy hồ sơ {0}.", "No dossier {0} is registered.";
    UnknownDwelling hard, "unknown_dwelling", "Không tìm thấy chỗ ở {0}.", "No dwelling {0} is registered.";
    UnknownUnit hard, "unknown_unit", "Không có đơn vị hành chính mã {0} vào ngày {1}. Mã gần đúng: {2}.", "No unit has the code {0} on {1}. Near codes: {2}.";
    UnknownOffice hard, "unknown_office", "Cơ quan {0} chưa được đăng ký.", "Office {0} is not registered.";
    CancelledPin hard, "cancelled_pin", "Số định danh {0} đã bị hủy; công dân hiện có số khác.", "PIN {0} was cancelled; the person has another number now.";
    MemberOutOfRange hard, "member_out_of_range", "Không có thành viên thứ {0} trong yêu cầu.", "The command has no member {0}.";
    // Who, where, when.
    NotCompetent hard, "not_competent", "Cơ quan {0} không có thẩm quyền đối với {1}.", "Office {0} is not competent for {1}.";
    OperatorOnly hard, "operator_only", "Chỉ cơ quan quản lý cơ sở dữ liệu được thực hiện.", "Only the registry's own authority may do this.";
    VersionConflict hard, "version_conflict", "{0} đang ở phiên bản {1}, không phải {2}.", "{0} is at version {1}, not {2}.";
    DateInFuture hard, "date_in_future", "Ngày {0} sau ngày làm việc hiện tại {1}.", "{0} lies after the opened day {1}.";
    DateBeforeBirth hard, "date_before_birth", "Ngày {0} trước ngày sinh.", "{0} lies before the birth.";
    LaterFactsExist hard, "later_facts_exist", "{0} đã có sự kiện sau ngày {1} (ngày {2}); cần đính chính.", "{0} has facts later than {1} (on {2}); this needs a correction.";
    DayNotOpened hard, "day_not_opened", "Chưa có ngày làm việc.", "No day is opened yet.";
    // Form.
    EmptyList hard, "empty_list", "Danh sách không được để trống.", "The list must not be empty.";
    TooMany hard, "too_many", "Có {0} mục, tối đa {1}.", "It holds {0} items; at most {1} are allowed.";
    NamedTwice hard, "named_twice", "{0} được nêu hai lần.", "{0} is named twice.";
    UnknownRule hard, "unknown_rule", "Không có quy tắc {0} hoặc quy tắc này không thể miễn.", "There is no rule {0}, or it cannot be overridden.";
    OverrideWithoutBasis hard, "override_without_basis", "Miễn áp dụng quy tắc cần căn cứ của tòa án hoặc dữ liệu cũ.", "A rule is overridden only by enrolment of legacy data or on the basis of a court.";
    EvidenceDigestWrong hard, "evidence_digest_wrong", "Mã SHA-256 của tài liệu chứng cứ phải gồm 64 chữ số thập lục phân.", "The SHA-256 of a piece of evidence is 64 hexadecimal digits.";
    CommandIdReused hard, "command_id_reused", "Mã yêu cầu {0} đã dùng cho một yêu cầu khác.", "The command id {0} was used for another command.";
    RecordTooLarge hard, "record_too_large", "Yêu cầu tạo ra bản ghi quá lớn (tối đa {0} sự kiện, {1} byte).", "The command would make too large a record (at most {0} events, {1} bytes).";
    FormatNotActive hard, "format_not_active", "Yêu cầu có nội dung của định dạng {0}; sổ đăng ký còn ở định dạng {1} cho đến khi người vận hành kích hoạt.", "The command says what only format {0} can hold; the log is of format {1} until an operator activates the other.";
    HistoryUnavailable hard, "history_unavailable", "Chưa đọc được lịch sử, xin thử lại.", "The history cannot be read now; please try again.";
    // Units, offices, places.
    UnitCodeTaken hard, "unit_code_taken", "Mã đơn vị {0} đang được dùng.", "The unit code {0} is in use.";
    UnitParentMissing hard, "unit_parent_missing", "Đơn vị {0} cần đơn vị cấp trên.", "Unit {0} needs a parent that exists.";
    UnitParentWrongLevel hard, "unit_parent_wrong_level", "Đơn vị {0} không thể thuộc {1}.", "Unit {0} cannot belong to {1}.";
    UnitNotForResidence hard, "unit_not_for_residence", "Nơi cư trú phải là cấp xã hoặc huyện đảo, không phải {0}.", "A residence lies in a ward, or a district without wards, not in {0}.";
    UnitKindWrong hard, "unit_kind_wrong", "Loại của đơn vị {0} không đúng với cấp.", "Unit {0} is of a kind that its level does not have.";
    OfficeTaken hard, "office_taken", "Cơ quan {0} đã được đăng ký.", "Office {0} is registered already.";
    DwellingElsewhere hard, "dwelling_elsewhere", "Chỗ ở {0} không thuộc {1}.", "Dwelling {0} does not lie in {1}.";
    // Persons.
    PersonDead hard, "person_dead", "{0} đã được đăng ký khai tử.", "{0} is registered as dead.";
    ParentNamedTwice hard, "parent_named_twice", "Có hai {0} cùng loại.", "There are two parents as {0} of the same kind.";
    ParentSexDiffers hard, "parent_sex_differs", "{0} không thể là {1} theo giới tính đã đăng ký.", "{0} cannot be the {1} by the registered sex.";
    ParentTooYoung flaggable, "parent_too_young", "{0} chưa đủ tuổi làm cha mẹ khi con sinh ra.", "{0} was too young to be a parent at the birth.";
    MotherDeadAtBirth hard, "mother_dead_at_birth", "Mẹ {0} đã chết trước khi con sinh ra.", "The mother {0} died before the birth.";
    FatherDeadBeforeConception flaggable, "father_dead_before_conception", "Cha {0} chết hơn 300 ngày trước khi con sinh ra.", "The father {0} died more than 300 days before the birth.";
    RegisterEntryTaken hard, "register_entry_taken", "Số {0} năm {1} của cơ quan {2} đã được đăng ký.", "Entry {0} of {1} in the register of office {2} is registered already.";
    MultipleBirthOutOfRange hard, "multiple_birth_out_of_range", "Sinh nhiều con: thứ {0} trong {1} không hợp lệ.", "Child {0} of {1} born together is impossible.";
    BirthWeightImpossible hard, "birth_weight_impossible", "Cân nặng {0} g không hợp lệ.", "A birth weight of {0} g is impossible.";
    DeathBeforeBirth hard, "death_before_birth", "Ngày chết {0} trước ngày sinh.", "The death on {0} lies before the birth.";
    FactsAfterDeath hard, "facts_after_death", "{0} có sự kiện ngày {1}, sau ngày chết {2}; cần đính chính.", "{0} has facts on {1}, after the death on {2}; this needs a correction.";
    DefectNotOpen hard, "defect_not_open", "{0} không có lỗi {1}.", "{0} has no open defect {1}.";
    ResidenceAndHousehold hard, "residence_and_household", "Chỉ nêu nơi cư trú hoặc hộ, không cả hai.", "State a residence or a household, not both.";
    CmndTaken flaggable, "cmnd_taken", "Số CMND {0} đã thuộc về người khác.", "The CMND {0} belongs to another person.";
    // Marriages.
    PartnerNotRegistered hard, "partner_not_registered", "Ít nhất một bên kết hôn phải là công dân đã đăng ký.", "At least one partner must be a registered person.";
    SameSexMarriage hard, "same_sex_marriage", "{0} và {1} cùng giới tính: pháp luật không thừa nhận hôn nhân này (Luật 52/2014/QH13 Điều 8).", "{0} and {1} are of the same sex: the law does not recognise this marriage (Law 52/2014/QH13 Art. 8).";
    TooYoungToMarry hard, "too_young_to_marry", "{0} chưa đủ tuổi kết hôn vào ngày {1}.", "{0} was not of age to marry on {1}.";
    DeadBeforeMarriage hard, "dead_before_marriage", "{0} đã chết trước ngày kết hôn {1}.", "{0} had died before the marriage on {1}.";
    CloseKin hard, "close_kin", "{0} và {1} có quan hệ trực hệ, trong phạm vi ba đời, hoặc cha mẹ nuôi và con nuôi.", "{0} and {1} are kin in the direct line, within three generations, or by adoption.";
    AlreadyMarried hard, "already_married", "{0} đang có vợ hoặc chồng vào ngày {1}.", "{0} is married on {1}.";
    LaterMarriage hard, "later_marriage", "{0} đã đăng ký kết hôn ngày {1}, khi hôn nhân này chưa chấm dứt.", "{0} has a marriage registered as of {1}, when this one would not have ended.";
    StatedMarried hard, "stated_married", "{0} được thu thập với tình trạng đã kết hôn, chưa rõ với ai: cần căn cứ của tòa án hoặc cơ quan.", "{0} was enrolled as married, and nobody knows to whom: the basis of a court or an agency must settle it.";
    JudgmentRequired hard, "judgment_required", "Ly hôn cần căn cứ là bản án, quyết định của tòa án hoặc cơ quan.", "A divorce needs the judgment of a court or the decision of an agency as its basis.";
    NotMarried hard, "not_married", "{0} không có vợ hoặc chồng vào ngày {1}.", "{0} is in no marriage on {1}.";
    NotSpouses hard, "not_spouses", "Vợ hoặc chồng của {0} vào ngày {1} không phải là người được nêu.", "The spouse of {0} on {1} is not the one who is named.";
    // Residence and households.
    HouseholdEnded hard, "household_ended", "Hộ {0} đã chấm dứt.", "Household {0} has ended.";
    HouseholdNotThere hard, "household_not_there", "Hộ {0} không ở {1}.", "Household {0} is not in {1}.";
    NotAMember hard, "not_a_member", "{0} không thuộc hộ {1}.", "{0} is not a member of household {1}.";
    AlreadyInHousehold hard, "already_in_household", "{0} đã thuộc hộ {1}.", "{0} belongs to household {1} already.";
    NoHousehold hard, "no_household", "{0} không thuộc hộ nào.", "{0} belongs to no household.";
    HeadRequired flaggable, "head_required", "Hộ gia đình cần đúng một chủ hộ.", "A family's household needs exactly one head.";
    TwoHeads hard, "two_heads", "Hộ chỉ có một chủ hộ.", "A household has at most one head.";
    HeadExists hard, "head_exists", "Hộ {0} đã có chủ hộ {1}.", "Household {0} has the head {1}.";
    HeadWithoutCapacity flaggable, "head_without_capacity", "{0} không đủ năng lực hành vi dân sự để làm chủ hộ.", "{0} lacks the full legal capacity that a head needs.";
    SuccessorRequired hard, "successor_required", "Chủ hộ rời hộ {0}: cần chủ hộ mới.", "The head leaves household {0}: name a new one.";
    SuccessionNotNeeded hard, "succession_not_needed", "Hộ {0} không cần chủ hộ mới.", "Household {0} does not need a new head by this command.";
    AlreadyHead hard, "already_head", "{0} đang là chủ hộ.", "{0} is the head already.";
    RelationshipMissing hard, "relationship_missing", "Thiếu quan hệ của {0} với chủ hộ mới.", "The relationship of {0} to the new head is missing.";
    RelationshipIsHead hard, "relationship_is_head", "Chủ hộ phải được cử bằng thủ tục riêng.", "A head is appointed, not stated as a relationship.";
    RelationshipUnchanged hard, "relationship_unchanged", "Quan hệ không thay đổi.", "The relationship is the same as before.";
    HeadRelationshipFixed hard, "head_relationship_fixed", "Chủ hộ không có quan hệ khác.", "The head has no other relationship.";
    SameHousehold hard, "same_household", "Hai hộ là một.", "Both are the same household.";
    NobodyStays hard, "nobody_stays", "Tách hộ phải để lại ít nhất một người.", "A split must leave somebody in the household.";
    StayTooShort hard, "stay_too_short", "Tạm trú ít nhất 30 ngày.", "A temporary residence lasts 30 days at least.";
    StayTooLong hard, "stay_too_long", "Tạm trú tối đa 2 năm mỗi lần.", "A temporary residence lasts two years at most.";
    StayAtPermanentPlace hard, "stay_at_permanent_place", "Tạm trú phải ngoài xã thường trú.", "A temporary residence lies outside the commune of permanent residence.";
    NoTemporaryResidence hard, "no_temporary_residence", "{0} không có đăng ký tạm trú.", "{0} has no temporary residence.";
    TemporaryResidenceExists hard, "temporary_residence_exists", "{0} đang có đăng ký tạm trú đến {1}.", "{0} has a temporary residence until {1}.";
    // Numbers.
    HasPin hard, "has_pin", "{0} đã có số định danh.", "{0} has a PIN already.";
    PinTaken hard, "pin_taken", "Số định danh {0} đã thuộc về người khác.", "The PIN {0} belongs to another person.";
    PinPlaceUnknown hard, "pin_place_unknown", "Mã nơi đăng ký khai sinh {0} trong số định danh không tồn tại.", "The PIN's place {0} does not exist.";
    PinDisagrees flaggable, "pin_disagrees", "Số định danh {0} không khớp giới tính hoặc năm sinh.", "The PIN {0} does not agree with sex or year of birth.";
    PinNotPossible hard, "pin_not_possible", "Chưa thể cấp số: cần giới tính và năm sinh từ 1900.", "No PIN can be issued: sex, and a year of birth from 1900 on, must be known.";
    PinPlaceMissing hard, "pin_place_missing", "Cần nơi đăng ký khai sinh để cấp số định danh.", "The place of birth registration is needed for a PIN.";
    PinGroundNotShown hard, "pin_ground_not_shown", "Số định danh của {0} khớp với dữ liệu đang lưu: chưa có căn cứ {1} để hủy.", "The PIN of {0} agrees with the data held: nothing shows the ground {1} for cancelling it.";
    PinDecisionRequired hard, "pin_decision_required", "Hủy số định danh cần căn cứ là quyết định của cơ quan hoặc tòa án.", "Cancelling a PIN needs the decision of an agency or a court as its basis.";
    NoNoticeDue hard, "no_notice_due", "{0} không có thông báo số định danh cần giao.", "No notice of a PIN is due to {0}.";
    // Operations larger than one record.
    UnknownOperation hard, "unknown_operation", "Không tìm thấy đợt xử lý {0}.", "No operation {0} is registered.";
    OperationClosed hard, "operation_closed", "Đợt xử lý {0} đã kết thúc ({1}).", "Operation {0} is {1} already.";
    OperationUnderWay hard, "operation_under_way", "Đợt xử lý {0} cùng loại đang mở cho địa bàn này.", "Operation {0} of the same kind is open for this area.";
    TooManyOperations hard, "too_many_operations", "Đang mở {0} đợt xử lý, tối đa {1}.", "{0} operations are open; at most {1} may be.";
    OperationBasisMissing hard, "operation_basis_missing", "Đợt xử lý cần căn cứ là quyết định có số của cơ quan.", "An operation needs the numbered decision of an agency as its basis.";
    PartOutOfOrder hard, "part_out_of_order", "Phần tiếp theo của đợt xử lý là {0}, không phải {1}.", "The operation's next part is {0}, not {1}.";
    PartSizeImpossible hard, "part_size_impossible", "Một phần có từ 1 đến {0} dòng, không phải {1}.", "A part takes 1 to {0} rows, not {1}.";
    OperationFull hard, "operation_full", "Đợt xử lý đã có {0} phần, tối đa {1}.", "The operation has {0} parts; at most {1} are allowed.";
    NothingToStage hard, "nothing_to_stage", "Không còn gì để đưa vào đợt xử lý {0}.", "Nothing is left to be staged in operation {0}.";
    OperationNotStaged hard, "operation_not_staged", "Đợt xử lý {0} chưa đưa vào đủ.", "Operation {0} is not staged completely.";
    OperationEmpty hard, "operation_empty", "Đợt xử lý {0} không có dòng nào.", "Operation {0} has staged nothing.";
    OperationApproved hard, "operation_approved", "Đợt xử lý {0} đã được phê duyệt.", "Operation {0} is approved already.";
    OperationNotApproved hard, "operation_not_approved", "Đợt xử lý {0} chưa được phê duyệt.", "Operation {0} is not approved.";
    ApprovedByOpener hard, "approved_by_opener", "Cán bộ mở đợt xử lý không được tự phê duyệt.", "Whoever opened an operation cannot approve it.";
    OperationDigestDiffers hard, "operation_digest_differs", "Mã nội dung của đợt xử lý là {0}, không phải {1}.", "The operation's digest is {0}, not {1}.";
    NothingToReverse hard, "nothing_to_reverse", "Đợt xử lý {0} không có đính chính nào để hoàn lại.", "Operation {0} has made no corrections that could be taken back.";
    RowStagedTwice hard, "row_staged_twice", "{0} đã có trong một đính chính khác của đợt xử lý: phải gộp làm một.", "{0} is touched by another correction of the operation: the two belong into one.";
    OutsideOperation hard, "outside_operation", "{0} không thuộc địa bàn của đợt xử lý.", "{0} is not at home in the operation's area.";
    OperationOfOtherKind hard, "operation_of_other_kind", "Lệnh này không dùng cho đợt xử lý loại {0}.", "This command is not for an operation of kind {0}.";
    TooManyMoved hard, "too_many_moved", "{0} dòng đã thay đổi sau khi đưa vào, tối đa {1}: cần đưa vào lại.", "{0} rows have moved since they were staged, more than {1}: stage them again first.";
    PinCellExhausted hard, "pin_cell_exhausted", "Đã hết số cho nơi {0}, mã {1}, năm {2}.", "No numbers are left for place {0}, code {1}, year {2}.";
    // Corrections.
    UnknownEvent hard, "unknown_event", "Không có sự kiện nào ở địa chỉ {0}.", "No event stands at {0}.";
    EventAnnulledAlready hard, "event_annulled_already", "Sự kiện {0} đã bị hủy bỏ.", "What stands at {0} is annulled already.";
    CorrectionUnsupported hard, "correction_unsupported", "Không đính chính được {0} theo cách này.", "{0} cannot be corrected in this way.";
    AmendedToOtherFact hard, "amended_to_other_fact", "Nội dung thay cho sự kiện {0} phải cùng loại, về cùng người và cùng hộ.", "What takes the place of {0} must be of the same kind, about the same person and household.";
    CorrectionWithoutEffect hard, "correction_without_effect", "Sự kiện {0} đã được ghi đúng như vậy.", "{0} is recorded in just this way.";
    CorrectionNotCovered hard, "correction_not_covered", "Các sự kiện {0} không còn phù hợp: phải hủy bỏ, sửa hoặc bổ sung trong cùng yêu cầu.", "What is recorded at {0} does not hold together with this: annul or amend it, or state what is missing, in the same command.";
    CorrectionDoesNotFit hard, "correction_does_not_fit", "Nội dung này không phù hợp với dữ liệu của ngày đó.", "The stated fact does not fit what holds on its day.";
    CorrectionBasisMissing hard, "correction_basis_missing", "Đính chính cần căn cứ là quyết định có số của cơ quan hoặc tòa án.", "A correction needs the numbered decision of an agency or a court as its basis.";
    CorrectionTooLarge hard, "correction_too_large", "Đính chính này liên quan đến quá nhiều dữ liệu ({0}, tối đa {1}).", "This correction concerns too much that is recorded ({0}; at most {1}).";
    CorrectionNotInBulk hard, "correction_not_in_bulk", "Nội dung loại {0} không được đính chính hàng loạt.", "A fact such as {0} is not corrected in bulk.";
    ApprovalRequired hard, "approval_required", "Đính chính nội dung này ({0}) cần cán bộ thứ hai phê duyệt: hãy lập đề nghị đính chính.", "Such a correction ({0}) needs a second officer's approval: propose it.";
    StaleDigest hard, "stale_digest", "Dữ liệu đã thay đổi từ lần chạy thử: mã nay là {0}, không phải {1}.", "What the dry run showed has moved: the digest is {0} now, not {1}.";
    // Cards.
    NoPin hard, "no_pin", "{0} chưa có số định danh.", "{0} has no PIN.";
    TooYoungForCard hard, "too_young_for_card", "{0} chưa đủ 14 tuổi.", "{0} is younger than 14.";
    DossierOpen hard, "dossier_open", "{0} đang có hồ sơ {1}.", "{0} has the open dossier {1}.";
    CardExists hard, "card_exists", "{0} đang có thẻ {1}.", "{0} has the card {1}.";
    CardToReissue hard, "card_to_reissue", "{0} đã có thẻ {1}, bị thu hồi khi mất quốc tịch: lý do là được trở lại quốc tịch.", "{0} had the card {1}, withdrawn with the nationality: the reason is that it was regained.";
    RepresentativeRequired hard, "representative_required", "{0} cần người đại diện làm thủ tục.", "{0} needs a representative to apply.";
    RepresentativeUnfit hard, "representative_unfit", "{0} không thể làm người đại diện.", "{0} cannot be the representative.";
    ReasonNotInLaw hard, "reason_not_in_law", "Pháp luật vào ngày {0} không quy định lý do này.", "The law of {0} does not know this reason.";
    AgeExchangeEarly hard, "age_exchange_early", "Thẻ {0} được đổi theo độ tuổi từ ngày {1}.", "Card {0} is exchanged for age from {1} on.";
    CardWithoutLastDay hard, "card_without_last_day", "Thẻ {0} không thời hạn, không đổi theo độ tuổi.", "Card {0} has no last day: it is not exchanged for age.";
    InformationUnchanged hard, "information_unchanged", "Từ khi làm thẻ {0}, thông tin của công dân không thay đổi.", "Nothing of the holder's identity has changed since card {0} was made.";
    UnitsUnchanged hard, "units_unchanged", "Từ khi làm thẻ {0}, đơn vị hành chính không được sắp xếp lại.", "No units were rearranged since card {0} was made.";
    NumberUnchanged hard, "number_unchanged", "Thẻ {0} đang mang số định danh hiện tại.", "Card {0} carries the number in force.";
    CardLost hard, "card_lost", "Thẻ {0} đã được báo mất: chỉ cấp lại vì lý do mất.", "Card {0} is reported lost: it is issued again for that reason.";
    CardNotLost hard, "card_not_lost", "Thẻ {0} chưa được báo mất.", "Card {0} is not reported lost.";
    CardHeld hard, "card_held", "Thẻ {0} đang bị giữ.", "Card {0} is kept by an authority.";
    CardNotHeld hard, "card_not_held", "Thẻ {0} không bị giữ.", "Card {0} is not kept by an authority.";
    HoldNeedsDecision hard, "hold_needs_decision", "Giữ hoặc trả lại thẻ cần căn cứ của tòa án hoặc cơ quan.", "A card is kept and given back by the decision of a court or an agency.";
    NationalityNotLost hard, "nationality_not_lost", "Thẻ {0} không bị thu hồi vì mất quốc tịch.", "Card {0} was not withdrawn with the nationality.";
    CardNumberCancelled hard, "card_number_cancelled", "Thẻ {0} mang số định danh đã bị hủy: thu hồi và làm thẻ khác.", "Card {0} carries a cancelled number: withdraw it and make another.";
    NoCardToReplace hard, "no_card_to_replace", "{0} không có thẻ để đổi hoặc cấp lại.", "{0} has no card to exchange or replace.";
    DocumentNotInForce hard, "document_not_in_force", "Loại giấy tờ này không được cấp vào ngày {0}.", "This document is not issued on {0}.";
    DocumentNotForPerson hard, "document_not_for_person", "Loại giấy tờ này không dành cho {0}.", "This document is not for {0}.";
    DossierNotReceived hard, "dossier_not_received", "Hồ sơ {0} không ở trạng thái chờ quyết định.", "Dossier {0} does not await a decision.";
    DossierNotApproved hard, "dossier_not_approved", "Hồ sơ {0} chưa được duyệt.", "Dossier {0} is not approved.";
    SerialTaken hard, "serial_taken", "Số sê-ri {0} đã được dùng.", "The serial {0} is in use.";
    CardNotProduced hard, "card_not_produced", "Thẻ {0} không chờ trao.", "Card {0} does not await its hand-over.";
    CardNotInUse hard, "card_not_in_use", "Thẻ {0} không còn hiệu lực.", "Card {0} is not in use.";
    ReplacementReasonWrong hard, "replacement_reason_wrong", "Lý do không phù hợp với cấp lại.", "This is no reason to replace a card.";
}

impl Code {
    /// The code with its name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }

    /// A fault with its particulars put into the sentences.
    pub fn fault(self, field: Option<String>, particulars: &[&dyn Display]) -> Fault {
        let (vi, en) = self.sentences();
        Fault {
            code: self.as_str().to_owned(),
            field,
            vi: fill(vi, particulars),
            en: fill(en, particulars),
            rows: Vec::new(),
            events: Vec::new(),
            overridable: self.is_flaggable(),
        }
    }
}

fn fill(sentence: &str, particulars: &[&dyn Display]) -> String {
    let mut filled = sentence.to_owned();
    for (place, particular) in particulars.iter().enumerate() {
        filled = filled.replace(&format!("{{{place}}}"), &particular.to_string());
    }
    filled
}

/// The catalogue as a page of Markdown.
pub fn catalogue_page() -> String {
    let mut page = String::from(
        "# Refusals\n\nEvery refusal has a stable code and a sentence in Vietnamese and English. A *flaggable* rule may be overridden by \
         enrolment of legacy data, or on the basis of a court; it then leaves a defect.\n\nThis page is generated: \
         `dancu refusals > docs/refusals.md`.\n\n| code | | Tiếng Việt | English |\n|---|---|---|---|\n",
    );
    for code in Code::ALL {
        let (vi, en) = code.sentences();
        let strength = if code.is_flaggable() { "flaggable" } else { "hard" };
        page.push_str(&format!("| `{}` | {strength} | {vi} | {en} |\n", code.as_str()));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_and_say_the_same_in_both_languages() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            let (vi, en) = code.sentences();
            for place in ["{0}", "{1}", "{2}", "{3}"] {
                assert_eq!(vi.contains(place), en.contains(place), "{}", code.as_str());
            }
            assert_eq!(Code::named(code.as_str()), Some(*code));
        }
    }

    #[test]
    fn particulars_stand_in_both_sentences() {
        let fault = Code::NotCompetent.fault(None, &[&"O7", &"01"]);
        assert_eq!(fault.en, "Office O7 is not competent for 01.");
        assert_eq!(fault.vi, "Cơ quan O7 không có thẩm quyền đối với 01.");
    }
}
