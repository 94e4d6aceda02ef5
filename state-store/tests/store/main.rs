//! Engines, tables, the index of command ids and whole stores, in one binary: tests that wait for the disk run beside those that compute.

#![allow(clippy::unwrap_used, reason = "also the helpers of tests may fail by panicking")]

mod common;
mod engine_conformance;
mod id_index;
mod interrupted;
mod store_recovery;
mod tables;
