//! Query strings whose faults are problems of ours, not plain text of a library.

use crate::http::problem::{self, Problem};
use axum::extract::FromRequestParts;
use axum::extract::Query;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// The query string as `T`. Give `T` `deny_unknown_fields`, so that a misspelt parameter is not ignored.
#[derive(Clone, Copy, Debug)]
pub struct QueryOf<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(query)) => Ok(Self(query)),
            Err(error) => {
                let cause =
                    std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
                let shown: String = cause.chars().take(300).collect();
                let vi = format!("Không đọc được chuỗi truy vấn: {shown}");
                Err(Problem::of(&problem::BAD_QUERY)
                    .detail(format!("The query string cannot be read: {shown}"), vi))
            }
        }
    }
}
