//! HTTP, guarded: a table of routes from which both the router and its OpenAPI description are made.
//!
//! Layout:
//! - [`route`]: a route says who may call it before it says what it does; [`RouteTable`] makes the router;
//! - [`guard`]: token, scope, purpose and the record of every personal read;
//! - [`problem`]: errors as RFC 9457 problem details, in Vietnamese and English, with stable codes;
//! - [`extract`]: query strings whose faults are problems;
//! - [`openapi`]: OpenAPI 3.1 of the tables.
//!
//! *Architecture invariant:* there is no way to make a [`Route`] without an [`Access`], and no way to make a router
//! but from routes: nothing is open by accident.
//! *Architecture invariant:* the answer to a personal read leaves only after the audit log has taken who, whom and why.

pub mod extract;
pub mod guard;
pub mod openapi;
pub mod problem;
pub mod route;

pub use extract::QueryOf;
pub use guard::{
    Answer, AuditFailure, AuditLog, Authenticate, Guard, MAX_TARGET_CHARS, PURPOSE_HEADER, Page,
    PersonalRead, purpose,
};
pub use openapi::OpenApi;
pub use problem::{Problem, ProblemBody, ProblemKind};
pub use route::{Access, Route, RouteTable};

#[cfg(test)]
mod tests;
