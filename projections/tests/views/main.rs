//! The views as a whole, in one binary: what they share is built once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod as_of;
mod asking;
mod common;
mod corrections;
mod counting;
mod disclosing;
mod effects;
mod flows;
mod folds;
mod known_then;
mod laws;
mod operations;
mod past;
mod projecting;
mod resuming;
mod searching;
mod serving;
