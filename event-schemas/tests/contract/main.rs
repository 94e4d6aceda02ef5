//! What the contract promises: golden bytes, laws of the codec, clear errors for bad JSON, a schema that says what the parser does.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as loudly as tests")]

mod bad_json;
mod fuzz_smoke;
mod golden;
mod laws;
mod schema;
