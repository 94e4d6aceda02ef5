//! What can go wrong with a question.

use access::http::ProblemKind;

macro_rules! kinds {
    ($($name:ident = $code:literal, $status:literal, $en:literal, $vi:literal;)*) => {
        $(#[doc = $en] pub const $name: ProblemKind =
            ProblemKind { code: $code, status: $status, en: $en, vi: $vi };)*

        /// The catalogue of the query API.
        pub const KINDS: &[ProblemKind] = &[$($name),*];
    };
}

kinds! {
    BAD_ID = "bad_id", 400, "The address does not hold a valid id or number.", "Địa chỉ không chứa mã số hợp lệ.";
    BAD_LIMIT = "bad_limit", 400, "The limit is out of range.", "Giới hạn số dòng nằm ngoài khoảng cho phép.";
    CURSOR_FORGED = "cursor_forged", 400, "The cursor was not given out by this service, or was changed.", "Con trỏ trang không do hệ thống cấp hoặc đã bị sửa.";
    CURSOR_OF_OTHER_LISTING = "cursor_of_other_listing", 400, "The cursor belongs to another listing.", "Con trỏ trang thuộc danh sách khác.";
    BAD_EVENT_ID = "bad_event_id", 400, "Last-Event-ID takes the id of a message of this stream, after the lsn of an entry that the views show.", "Last-Event-ID phải là mã của một bản tin trong luồng này, after phải là lsn của một bản ghi đã hiển thị.";
    TOO_MANY_STREAMS = "too_many_streams", 503, "This officer, or the service, has as many streams open as it may.", "Cán bộ này hoặc hệ thống đã mở tối đa số luồng theo dõi.";
    SEARCH_EMPTY = "search_empty", 400, "A search needs a name or a unit; a name has letters.", "Tìm kiếm cần họ tên hoặc đơn vị hành chính; họ tên phải có chữ cái.";
    SEARCH_TOO_LONG = "search_too_long", 400, "A name to search for has at most 200 characters and 16 words.", "Họ tên cần tìm có tối đa 200 ký tự và 16 từ.";
    SEARCH_TOO_BROAD = "search_too_broad", 400, "Too many persons would have to be looked at; add another criterion.", "Quá nhiều người phù hợp; hãy bổ sung tiêu chí.";
    BAD_DATE = "bad_date", 400, "A date is a year, a month or a day, such as 1985, 1985-03 or 1985-03-02.", "Ngày có dạng năm, tháng hoặc ngày, ví dụ 1985, 1985-03 hoặc 1985-03-02.";
    BAD_BANDS = "bad_bands", 400, "Bands are a width in years, such as 5, or the first ages of each, such as 0,6,15,60.", "Nhóm tuổi là số năm, ví dụ 5, hoặc tuổi đầu của từng nhóm, ví dụ 0,6,15,60.";
    BAD_APART = "bad_apart", 400, "People are told apart by category, by marital, or by both: category,marital.", "Phân tổ theo category, marital hoặc cả hai: category,marital.";
    BAD_MONTH = "bad_month", 400, "A month looks like 2024-03.", "Tháng có dạng 2024-03.";
    BAD_PERIOD = "bad_period", 400, "The period ends before it begins, or is too long.", "Khoảng thời gian không hợp lệ hoặc quá dài.";
    NOT_A_CHOICE_HERE = "not_a_choice_here", 400, "This question has no such choice.", "Câu hỏi này không có lựa chọn đó.";
    STRUCTURE_TOO_LARGE = "structure_too_large", 400, "Too many counts would have to be summed up; ask for parts of the unit, for fewer months, or for ages on 1 January.", "Phải cộng quá nhiều số liệu; hãy hỏi từng đơn vị trực thuộc, ít tháng hơn hoặc tuổi tính tại ngày 01 tháng 01.";
    PERSON_NOT_FOUND = "person_not_found", 404, "There is no such person.", "Không có người này.";
    HOUSEHOLD_NOT_FOUND = "household_not_found", 404, "There is no such household.", "Không có hộ này.";
    CARD_NOT_FOUND = "card_not_found", 404, "There is no such card.", "Không có thẻ này.";
    DOSSIER_NOT_FOUND = "dossier_not_found", 404, "There is no such application.", "Không có hồ sơ này.";
    OPERATION_NOT_FOUND = "operation_not_found", 404, "There is no such operation.", "Không có đợt xử lý này.";
    BAD_PIN_PLACE = "bad_pin_place", 400, "A place of PINs has three digits, such as 001.", "Mã nơi đăng ký khai sinh gồm 3 chữ số, ví dụ 001.";
    UNIT_NOT_FOUND = "unit_not_found", 404, "There is no such unit.", "Không có đơn vị hành chính này.";
    BAD_VALID_ON = "bad_valid_on", 400, "valid_on is a day such as 2024-03-31.", "valid_on là một ngày, ví dụ 2024-03-31.";
    BAD_KNOWN_AT = "bad_known_at", 400, "known_at is an lsn, a day or an instant, such as 17, 2024-03-31 or 2024-03-31T17:00:00+07:00.", "known_at là lsn, ngày hoặc thời điểm, ví dụ 17, 2024-03-31 hoặc 2024-03-31T17:00:00+07:00.";
    VALID_ON_IN_FUTURE = "valid_on_in_future", 400, "valid_on lies beyond the registry's day.", "valid_on vượt quá ngày làm việc hiện tại của hệ thống.";
    KNOWN_AT_IN_FUTURE = "known_at_in_future", 400, "known_at lies beyond what is recorded.", "known_at vượt quá những gì đã được ghi nhận.";
    KNOWN_AT_BEFORE_GENESIS = "known_at_before_genesis", 400, "known_at lies before the registry's first entry.", "known_at đứng trước bản ghi đầu tiên của hệ thống.";
    KNOWN_AT_NEEDS_REPLAY = "known_at_needs_replay", 400, "Too much was recorded since to be taken back for one question; an earlier state is built with dancu replay.", "Đã có quá nhiều thay đổi kể từ đó để tính ngược lại cho một câu hỏi; trạng thái trước đây phải dựng lại bằng dancu replay.";
    NOT_KNOWN_THEN = "not_known_then", 404, "By what was known then, there was no such thing on that day.", "Theo dữ liệu đã biết tại thời điểm đó, vào ngày đó không có đối tượng này.";
    HISTORY_TOO_LONG = "history_too_long", 400, "Too many records would have to be read back for this; ask a replayed view (dancu replay).", "Phải đọc lại quá nhiều bản ghi; hãy hỏi trên dữ liệu dựng lại (dancu replay).";
    READ_TOKEN_INCOMPLETE = "read_token_incomplete", 400, "at_least and log_id come together; both stand in the answer to a command.", "at_least và log_id phải đi cùng nhau, như trong kết quả của lệnh.";
    READ_TOKEN_OF_OTHER_LOG = "read_token_of_other_log", 409, "The token belongs to another log than these views.", "Mã chờ thuộc nhật ký khác.";
    NOT_YET_VISIBLE = "not_yet_visible", 503, "The views have not come so far yet.", "Dữ liệu tra cứu chưa cập nhật tới thời điểm yêu cầu.";
    VIEW_STOPPED = "view_stopped", 503, "The views have stopped before this point; the operator's log says why.", "Việc cập nhật dữ liệu tra cứu đã dừng trước thời điểm yêu cầu.";
    VIEW_UNAVAILABLE = "view_unavailable", 503, "The views cannot be read now; the operator's log says why.", "Hiện không đọc được dữ liệu tra cứu.";
    TOO_BUSY = "too_busy", 503, "Too many questions are being answered.", "Hệ thống đang xử lý quá nhiều yêu cầu tra cứu.";
    NOTHING_FORESEEN = "nothing_foreseen", 409, "This is told of operations of corrections that are neither committed nor abandoned.", "Chỉ xem trước được đợt đính chính chưa hoàn tất và chưa bị hủy.";
    ROWS_MOVED = "rows_moved", 409, "Something that the correction touches was recorded meanwhile; try it again.", "Dữ liệu liên quan vừa được ghi nhận thay đổi; hãy thử lại.";
    REBUILD_UNDER_WAY = "rebuild_under_way", 409, "A rebuild is under way already.", "Đang dựng lại dữ liệu tra cứu.";
    REBUILD_FAILED = "rebuild_failed", 503, "The rebuild failed; the views in use serve on, the operator's log says why.", "Dựng lại dữ liệu tra cứu không thành công; dữ liệu hiện tại vẫn được dùng.";
}
