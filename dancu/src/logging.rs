//! Logs go to standard error; standard output is for answers.

use clap::ValueEnum;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// What is shown unless the operator says otherwise: of engines only what is wrong.
const SHOWN: &str = "info,sled=warn,fjall=warn,lsm_tree=warn";

/// Starts logging. The variable `DANCU_LOG` chooses what is shown, such as `info` or `command_service=debug`.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_env("DANCU_LOG").unwrap_or_else(|_| EnvFilter::new(SHOWN));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A line that nobody can take is no reason to stop.
    let builder = builder.log_internal_errors(false);
    match format {
        LogFormat::Human => builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
