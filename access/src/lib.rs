//! Who asks, what they may do, and the record of whom they read.
//!
//! Layout:
//! - [`caller`]: offices, officers and scopes;
//! - [`keys`], [`tokens`]: signed tokens that name a caller;
//! - [`audit`]: the log of personal reads;
//! - [`http`]: routes that cannot be declared without saying who may call them.
//!
//! *Architecture invariant:* no rule of the registry is decided here.
//!
//! *Architecture invariant:* a service needs public keys alone; secret ones stay with whoever issues tokens.
//!
//! *Architecture invariant:* a personal read whose record cannot be kept is not answered.

pub mod audit;
pub mod caller;
pub mod http;
pub mod keys;
pub mod tokens;

pub use audit::{AuditOptions, Durability, FileAudit};
pub use caller::{Caller, Scope, Scopes, TokenError};
pub use keys::{KeyRing, SecretKey};
pub use tokens::{Issuer, Verifier};

use event_schemas::time::Timestamp;
use std::sync::Arc;

/// The machine's clock, handed in: tokens and audit lines live in real time, whatever clock drives the log.
pub type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
