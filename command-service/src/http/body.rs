//! The bodies of requests: their media type, their size, and what is read of them.

use crate::http::limits::Limits;
use crate::http::problems;
use access::http::Problem;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

/// How many times the allowed size of a body is read on, only so that the sender gets to read the problem.
const DRAIN_FACTOR: usize = 8;

/// Checks the media type; parameters such as a character set are ignored, JSON is UTF-8.
pub fn expect_content_type(headers: &HeaderMap, taken: &[&str]) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = given.split(';').next().unwrap_or_default().trim();
    if taken.iter().any(|taken| media_type.eq_ignore_ascii_case(taken)) {
        return Ok(());
    }
    let shown: String = media_type.chars().take(80).collect();
    let taken = taken.join(", ");
    let (en, vi) = if shown.is_empty() {
        (
            format!("The header Content-Type is missing; this takes {taken}."),
            format!("Thiếu tiêu đề Content-Type; địa chỉ này nhận {taken}."),
        )
    } else {
        (
            format!("Content-Type is {shown}; this takes {taken}."),
            format!("Content-Type là {shown}; địa chỉ này nhận {taken}."),
        )
    };
    Err(Problem::of(&problems::WRONG_CONTENT_TYPE).detail(en, vi))
}

/// The whole body of a JSON request, if it is no larger than allowed.
pub async fn json_body(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<Bytes, Problem> {
    expect_content_type(headers, &["application/json"])?;
    let most = limits.body_bytes;
    let stated = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let stated: usize = stated.unwrap_or(0);
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::with_capacity(stated.min(most));
    let mut seen = 0_usize;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Problem::of(&problems::BODY_INCOMPLETE))?;
        seen = seen.saturating_add(chunk.len());
        if seen <= most {
            bytes.extend_from_slice(&chunk);
        } else {
            bytes = Vec::new();
            if seen > most.saturating_mul(DRAIN_FACTOR) {
                break;
            }
        }
    }
    if seen > most {
        let en = format!("The body is larger than {most} bytes; send many commands as a batch.");
        let vi = format!("Nội dung lớn hơn {most} byte; hãy gửi nhiều yêu cầu theo lô.");
        return Err(Problem::of(&problems::BODY_TOO_LARGE).detail(en, vi));
    }
    Ok(bytes.into())
}

/// What a short JSON body says; `what` names it in English and Vietnamese, should it not be readable.
pub fn parsed<T: DeserializeOwned>(bytes: &[u8], what: (&str, &str)) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        let shown: String = error.to_string().chars().take(300).collect();
        let en = format!("{} cannot be read: {shown}", what.0);
        Problem::of(&problems::INVALID_VALUE).detail(en, format!("Không đọc được {}: {shown}", what.1))
    })
}
