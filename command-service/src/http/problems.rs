//! The problems of the command API, and problem documents with members of their own.

use access::http::{Problem, ProblemKind};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

macro_rules! kinds {
    ($($name:ident = $code:literal, $status:literal, $en:literal, $vi:literal;)*) => {
        $(#[doc = $en] pub const $name: ProblemKind =
            ProblemKind { code: $code, status: $status, en: $en, vi: $vi };)*

        /// The catalogue of this module.
        pub const KINDS: &[ProblemKind] = &[$($name),*];
    };
}

kinds! {
    MALFORMED_JSON = "malformed_json", 400, "The body is not valid JSON.", "Nội dung không phải JSON hợp lệ.";
    UNKNOWN_FIELD = "unknown_field", 400, "The command has a field that does not exist.", "Yêu cầu có trường không tồn tại.";
    MISSING_FIELD = "missing_field", 400, "The command lacks a field.", "Yêu cầu thiếu một trường.";
    INVALID_VALUE = "invalid_value", 400, "A value in the command is not valid.", "Một giá trị trong yêu cầu không hợp lệ.";
    WRONG_CONTENT_TYPE = "wrong_content_type", 415, "The body has a content type that this address does not take.", "Địa chỉ này không nhận kiểu nội dung đó.";
    BODY_TOO_LARGE = "body_too_large", 413, "The body is larger than allowed.", "Nội dung vượt quá kích thước cho phép.";
    BODY_INCOMPLETE = "body_incomplete", 400, "The body broke off before its end.", "Nội dung bị ngắt trước khi kết thúc.";
    LINE_TOO_LONG = "line_too_long", 413, "A line of the batch is longer than allowed.", "Một dòng trong lô dài quá mức cho phép.";
    BATCH_TOO_LONG = "batch_too_long", 413, "The batch has more lines than allowed; send the rest as another batch.", "Lô có quá nhiều dòng; hãy gửi phần còn lại trong lô khác.";
    BAD_COMMAND_ID = "bad_command_id", 400, "The command id is not a UUID.", "Mã yêu cầu không phải là UUID.";
    NO_SUCH_COMMAND = "no_such_command", 404, "No accepted command of this office has this id.", "Không có yêu cầu nào đã được chấp nhận của cơ quan mang mã này.";
    COMMAND_REFUSED = "command_refused", 422, "The command was refused; the faults say why.", "Yêu cầu bị từ chối; xem các lỗi để biết lý do.";
    COMMAND_ID_REUSED = "command_id_reused", 409, "This command id belongs to another command that was accepted; choose a new id.", "Mã yêu cầu này thuộc về một yêu cầu khác đã được chấp nhận; hãy chọn mã mới.";
    OVERLOADED = "overloaded", 503, "Too many commands are waiting; try again.", "Có quá nhiều yêu cầu đang chờ; xin thử lại.";
    NOT_LEADING = "not_leading", 503, "This node does not accept commands now; try again.", "Máy chủ này hiện không nhận yêu cầu; xin thử lại.";
    LOG_SEALED = "log_sealed", 503, "The log was sealed here and goes on elsewhere: this node takes no commands any more.", "Nhật ký ở đây đã được niêm phong và tiếp tục ở nơi khác: máy chủ này không nhận yêu cầu nữa.";
    COPY_UNFINISHED = "copy_unfinished", 503, "The log is being copied here and is not whole yet: this node takes no commands.", "Nhật ký đang được sao chép đến đây và chưa đầy đủ: máy chủ này chưa nhận yêu cầu.";
    OUTCOME_UNKNOWN = "outcome_unknown", 503, "It is not known yet whether the command was accepted; repeat it under the same command id.", "Chưa biết yêu cầu đã được chấp nhận hay chưa; hãy gửi lại với cùng mã yêu cầu.";
    DEADLINE_PASSED = "deadline_passed", 504, "The command was not decided before its answer_by, and will not be.", "Yêu cầu không được xử lý trước thời hạn answer_by và sẽ không được xử lý.";
    STOPPING = "stopping", 503, "The service is stopping; try again.", "Hệ thống đang dừng; xin thử lại.";
    RATE_LIMITED = "rate_limited", 429, "Too many requests with this token.", "Quá nhiều yêu cầu với mã truy cập này.";
    TOO_SLOW = "too_slow", 408, "The request did not arrive, or could not be answered, in time; repeat it under the same command id.", "Yêu cầu không đến hoặc không được trả lời kịp thời; hãy gửi lại với cùng mã yêu cầu.";
    FORMAT_UNKNOWN = "format_unknown", 422, "The node that leads does not know this format.", "Máy chủ chính không biết định dạng này.";
    FORMAT_GOES_BACK = "format_goes_back", 409, "The format of a log never goes back.", "Định dạng của nhật ký không bao giờ quay lại.";
    FORMAT_NOT_KNOWN_BY_ALL = "format_not_known_by_all", 409, "A node that may lead does not know this format.", "Một máy chủ có thể làm máy chính chưa biết định dạng này.";
    NODES_UNKNOWN = "nodes_unknown", 503, "The brokers do not say which nodes there are; try again.", "Không hỏi được danh sách máy chủ; xin thử lại.";
    CLOCK_GOES_BACK = "clock_goes_back", 409, "The clock of a log never goes back.", "Đồng hồ của nhật ký không bao giờ quay lại.";
}

/// A problem with members of its own beside those of every problem, as RFC 9457 allows.
#[derive(Clone, Debug, Serialize)]
pub struct ExtendedProblem {
    #[serde(flatten)]
    problem: Problem,
    #[serde(flatten)]
    members: Map<String, Value>,
}

impl ExtendedProblem {
    /// The problem with these members; they must not be named like those of every problem.
    pub fn new(problem: Problem, members: Map<String, Value>) -> Self {
        Self { problem, members }
    }

    /// The problem with the members of what `extension` serializes to, if that is an object. Members that every
    /// problem has stay as they are.
    pub fn with(problem: Problem, extension: &impl Serialize) -> Self {
        let mut members = match serde_json::to_value(extension) {
            Ok(Value::Object(members)) => members,
            _ => Map::new(),
        };
        if let Ok(Value::Object(own)) = serde_json::to_value(&problem) {
            members.retain(|name, _| !own.contains_key(name));
        }
        Self { problem, members }
    }
}

impl IntoResponse for ExtendedProblem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.problem.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.problem.0.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_also_beside_those_of_every_route() {
        let mut codes = BTreeSet::new();
        for kind in KINDS.iter().chain(access::http::problem::KINDS) {
            assert!(codes.insert(kind.code), "{} stands twice", kind.code);
            assert!((400..600).contains(&kind.status), "{}", kind.code);
        }
    }

    #[test]
    fn members_of_every_problem_win_over_an_extension() {
        let extension = serde_json::json!({ "code": "mine", "line": 3 });
        let extended = ExtendedProblem::with(Problem::of(&INVALID_VALUE), &extension);
        let json = serde_json::to_value(&extended).unwrap();
        assert_eq!((&json["code"], &json["line"]), (&"invalid_value".into(), &3.into()));
    }
}
