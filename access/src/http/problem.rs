//! Errors as RFC 9457 problem details. What a caller sees names no file, no address and no inner error.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use event_schemas::outcome::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A kind of problem: one line of the published catalogue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProblemKind {
    /// Stable, in snake_case.
    pub code: &'static str,
    pub status: u16,
    pub en: &'static str,
    pub vi: &'static str,
}

/// An error as it leaves. Boxed: results carry it along every path.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Problem(pub Box<ProblemBody>);

/// The body of an error, `application/problem+json`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub struct ProblemBody {
    /// `urn:dancu:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The kind's English sentence.
    pub title: Cow<'static, str>,
    pub status: u16,
    /// What was wrong this time, in English.
    pub detail: Cow<'static, str>,
    /// Stable code, for programs.
    pub code: Cow<'static, str>,
    /// What was wrong this time, in Vietnamese.
    pub vi: Cow<'static, str>,
    /// Every fault of a refused command at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
    /// Seconds after which trying again may help; also in the header `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u32>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $en:literal, $vi:literal;)*) => {
        $($(#[$doc])* #[doc = $en] pub const $name: ProblemKind =
            ProblemKind { code: $code, status: $status, en: $en, vi: $vi };)*

        /// The catalogue of this module; other crates have their own.
        pub const KINDS: &[ProblemKind] = &[$($name),*];
    };
}

kinds! {
    TOKEN_MISSING = "token_missing", 401, "This needs a token: Authorization: Bearer …", "Cần có mã truy cập: Authorization: Bearer …";
    TOKEN_MALFORMED = "token_malformed", 401, "The token is not one of this service.", "Mã truy cập không đúng định dạng của hệ thống.";
    TOKEN_KEY_UNKNOWN = "token_key_unknown", 401, "The token names a key that is not known here.", "Mã truy cập dùng khóa mà hệ thống không biết.";
    TOKEN_SIGNATURE = "token_signature", 401, "The token's signature is wrong.", "Chữ ký của mã truy cập không đúng.";
    TOKEN_EXPIRED = "token_expired", 401, "The token has expired.", "Mã truy cập đã hết hạn.";
    TOKEN_NOT_YET_VALID = "token_not_yet_valid", 401, "The token is not valid yet.", "Mã truy cập chưa có hiệu lực.";
    TOKEN_AUDIENCE = "token_audience", 401, "The token was made for another service.", "Mã truy cập được cấp cho hệ thống khác.";
    SCOPE_MISSING = "scope_missing", 403, "The token does not allow this.", "Mã truy cập không cho phép thao tác này.";
    PURPOSE_MISSING = "purpose_missing", 400, "Reading personal data needs the header X-Purpose, 3 to 200 characters.", "Đọc dữ liệu cá nhân phải nêu mục đích trong tiêu đề X-Purpose, từ 3 đến 200 ký tự.";
    AUDIT_UNAVAILABLE = "audit_unavailable", 503, "The read cannot be recorded now, so it is not answered.", "Hiện không ghi được nhật ký tra cứu nên yêu cầu không được trả lời.";
    NO_SUCH_ROUTE = "no_such_route", 404, "There is nothing at this address.", "Không có gì tại địa chỉ này.";
    METHOD_NOT_ALLOWED = "method_not_allowed", 405, "This address does not take this method.", "Địa chỉ này không nhận phương thức đó.";
    BAD_QUERY = "bad_query", 400, "The query string cannot be read.", "Không đọc được chuỗi truy vấn.";
    INTERNAL = "internal", 500, "Something failed here; the operator's log says what.", "Hệ thống gặp lỗi; nhật ký vận hành ghi rõ nguyên nhân.";
}

impl Problem {
    /// A problem with its kind's own sentences.
    pub fn of(kind: &ProblemKind) -> Self {
        Self(Box::new(ProblemBody {
            kind: format!("urn:dancu:problem:{}", kind.code).into(),
            title: kind.en.into(),
            status: kind.status,
            detail: kind.en.into(),
            code: kind.code.into(),
            vi: kind.vi.into(),
            faults: Vec::new(),
            retry_after_s: None,
        }))
    }

    /// What was wrong this time.
    pub fn detail(mut self, en: impl Into<Cow<'static, str>>, vi: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = en.into();
        self.0.vi = vi.into();
        self
    }

    /// With every fault of a command.
    pub fn faults(mut self, faults: Vec<Fault>) -> Self {
        self.0.faults = faults;
        self
    }

    /// Trying again may help after this many seconds.
    pub fn retry_after_s(mut self, seconds: u32) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// An inner failure: the caller learns nothing of it, the operator's log all.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::of(&INTERNAL)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after_s = self.0.retry_after_s;
        let mut response = (status, axum::Json(&self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
