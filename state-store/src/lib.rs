//! Rows with dense ids, sorted keys and a restart point, kept in an embedded key-value engine.
//!
//! Both the writer's registry and the projections' views are saved here. All of it can be folded from the log again,
//! so the answer to any doubt about what is on disk is to discard it whole.
//!
//! Layout, from the bottom:
//! - [`engine`]: what is needed of an engine; [`sled_engine`] is the default, [`fjall_engine`] the other one on disk (with
//!   `flat`, what these share), [`memory`] the one of simulations;
//! - [`home`]: where a store lives on disk, its lock and the mark that condemns it;
//! - [`double_write`]: the file that makes a checkpoint atomic whatever the engine does;
//! - [`restart`]: the restart point and its bytes;
//! - [`store`]: opening, checkpoints, discarding; with `faults` (its errors) and `census`
//!   (did the engine lose an entry?);
//! - [`pages`]: dense ids packed into pages, for owners that keep their rows in memory (the registry);
//! - [`tables`]: one writer, many readers, changes gathered in memory, for owners that read from disk (the views);
//!   with `leaves` (sorted keys packed), `overlay` (the gathered changes), `table_read` (these over what is
//!   saved), `unpacked` (what one reader has unpacked of that) and `table_save` (these into pages);
//! - [`id_index`]: which record each command id led to, for ever.
//!
//! *Architecture invariant:* restart point and rows change together, whatever crashes (R1). Only
//! [`store::Store::checkpoint`] and the end of a build write a restart point, and both go through the double-write file.
//!
//! *Architecture invariant:* saved state that cannot be read or does not match is discarded whole and never half-used
//! (S3). Every value carries a checksum over table, key and bytes; the first failure condemns the store on disk.
//!
//! *Architecture invariant:* nothing here knows the log, or what a row or a key means.
//!
//! *Architecture invariant:* nothing here is the only copy of anything.

mod census;
pub mod double_write;
pub mod engine;
mod faults;
pub mod fjall_engine;
mod flat;
pub mod home;
pub mod id_index;
mod leaves;
pub mod memory;
mod overlay;
pub mod pages;
pub mod restart;
pub mod sled_engine;
pub mod store;
mod table_read;
mod table_save;
pub mod tables;
mod unpacked;

pub use leaves::MAX_ENTRY_LEN;
pub use table_save::TablesBuild;
