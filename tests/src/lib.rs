//! Tests of the whole system, each in a file of its own under `tests/`.
//!
//! Layout:
//! - `tests/layering.rs`: which crate may use which, and which libraries stay behind one crate;
//! - [`simulation`]: the whole command path under a seed, with `tests/simulation.rs` over many;
//! - [`linearizability`]: whether what askers saw is linearizable, with `tests/linearizability.rs`, which asks another checker too.
//!
//! *Architecture invariant:* no rule is tested only here; each crate tests its own.

pub mod linearizability;
pub mod simulation;
