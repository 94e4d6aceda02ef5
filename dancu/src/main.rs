//! One binary for everything: run the registry, submit to it, ask it, prove it.
//!
//! Layout:
//! - [`commands`]: one file for each subcommand;
//! - [`home`]: the directory that a registry lives in; [`archive`]: the copy of its log; [`log`]: which engine keeps its log;
//!   [`service`]: the parts of the service put together; [`replica`]: those of a node that only answers queries;
//! - [`bench`]: measurements; [`demo`]: a synthetic province, submitted over HTTP;
//! - [`client`]: HTTP as an office uses it; [`tables`]: answers for people; [`logging`], [`duration`]: small things.
//!
//! *Architecture invariant:* no logic of its own: rules, log, views and routes are the libraries'.

mod archive;
mod bench;
mod client;
mod commands;
mod demo;
mod duration;
mod foresight;
mod home;
mod log;
mod logging;
mod reading;
mod replica;
mod scale;
mod service;
mod tables;

use clap::Parser;
use std::process::ExitCode;

// Deciding and encoding allocate much: with the system's allocator the writer is a quarter slower.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = commands::Arguments::parse();
    logging::start(arguments.log_format);
    match commands::run(arguments.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
