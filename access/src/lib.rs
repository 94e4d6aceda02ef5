//! Who asks, what they may do, and the record of whom they read.
//!
//! Layout:
//! - [`caller`]: offices, officers and scopes;
//! - [`http`]: routes that cannot be declared without saying who may call them.
//!
//! *Architecture invariant:* no rule of the registry is decided here.

pub mod caller;
pub mod http;

pub use caller::{Caller, Scope, TokenError};
