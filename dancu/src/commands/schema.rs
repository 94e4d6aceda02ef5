//! `dancu schema`

use anyhow::{Context, Result};
use clap::Args;
use event_schemas::schema;
use std::process::ExitCode;

/// Print the JSON Schema of commands, events and answers.
#[derive(Debug, Args)]
pub struct Schema {
    /// A kind of command or event, such as birth or person_registered, or one of command_envelope, event, outcome;
    /// without it, everything as one document.
    kind: Option<String>,
}

impl Schema {
    pub fn run(self) -> Result<ExitCode> {
        let document = match self.kind.as_deref() {
            None => schema::contract(),
            Some("command_envelope") => schema::command_envelope().to_value(),
            Some("event") => schema::event().to_value(),
            Some("outcome") => schema::outcome().to_value(),
            Some(kind) => schema::command_of_kind(kind)
                .or_else(|| schema::event_of_kind(kind))
                .with_context(|| {
                    format!("there is no command or event '{kind}'; run `dancu example` for the commands")
                })?
                .to_value(),
        };
        println!("{}", serde_json::to_string_pretty(&document)?);
        Ok(ExitCode::SUCCESS)
    }
}
