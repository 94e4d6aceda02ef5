//! The HTTP API of commands, and what every service needs around its routes.
//!
//! Layout:
//! - [`commands`]: submit one command, see what became of one; [`batch`]: a stream of commands, an answer for each line;
//! - [`telling`]: the record of outcomes that tell of rows and do not stand in the log;
//! - [`mod@format`]: which format the log is of, and letting a later one be in force;
//! - [`forward`]: passes commands on to the node that leads; [`leader`]: who leads, and taking over;
//! - [`clock`]: moves the clock of a scripted log;
//! - [`operations`]: liveness, readiness, metrics; [`pages`]: OpenAPI and the page that shows it;
//! - [`input`], [`lines`]: from bytes to commands; [`problems`]: the catalogue of problems;
//! - [`limits`]: bounds and times; [`rates`]: how often each caller may ask; `timings`: how long requests take; `around`: all
//!   of that as one layer; [`server`]: connections, and their end; `progress`: connections that take no bytes.
//!
//! *Architecture invariant:* office and officer come from the token alone; no body can name another.
//! *Architecture invariant:* an outcome that tells of rows and does not itself stand in the log leaves only after the audit log
//! has taken who, whom and why.
//! *Architecture invariant:* nothing here decides or keeps a command: what was not handed to the gateway does not exist.

mod around;
pub mod batch;
pub mod body;
pub mod clock;
pub mod commands;
pub mod format;
pub mod forward;
pub mod input;
pub mod leader;
pub mod limits;
pub mod lines;
pub mod operations;
pub mod pages;
pub mod problems;
mod progress;
pub mod rates;
pub mod server;
pub mod telling;
mod timings;

pub use forward::Forwarder;
pub use limits::Limits;
pub use operations::{Check, Operations};
pub use rates::RateLimiter;
pub use server::{Stop, serve};

use crate::gateway::CommandGateway;
use access::Scope;
use access::http::{Access, AuditLog, Route, RouteTable};
use event_schemas::CommandEnvelope;
use event_schemas::outcome::Outcome;
use std::sync::Arc;

/// What the routes of commands work with.
#[derive(Clone)]
pub struct CommandApi {
    pub gateway: Arc<dyn CommandGateway>,
    /// Where outcomes are recorded that tell of rows and do not stand in the log.
    pub audit: Arc<dyn AuditLog>,
    pub limits: Limits,
    /// Passes commands on while another node leads; a log with one node has none.
    pub forwarder: Option<Forwarder>,
    /// Batches stop taking lines when it is told to stop.
    pub stop: Stop,
}

/// Content type of a stream of JSON documents, one a line.
pub const NDJSON: &str = "application/x-ndjson";

/// The routes of commands.
pub fn command_routes() -> RouteTable<CommandApi> {
    RouteTable::new(vec![
        Route::post(
            Access::Scope(Scope::SubmitCommands),
            "/v1/commands",
            "Submit one command. 200: accepted; 422: refused, with all faults; 409: the id belongs to another command; 503: \
             repeat it later under the same id.",
            commands::submit,
        )
        .query::<commands::SubmitQuery>()
        .body::<CommandEnvelope>("application/json")
        .answer::<Outcome>(),
        Route::post(
            Access::Scope(Scope::SubmitCommands),
            "/v1/commands/batch",
            "Submit a stream of commands, one a line; one answer a line, in order. Repeating a batch that broke off is safe: \
             what was accepted is answered as before.",
            batch::submit,
        )
        .body::<CommandEnvelope>(NDJSON)
        .answer::<batch::LineAnswer>(),
        Route::get(
            Access::Scope(Scope::ReadCommands),
            "/v1/commands/{command_id}",
            "What became of a command of the office: its acceptance, or 404.",
            commands::status,
        )
        .answer::<Outcome>(),
    ])
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;
