//! `dancu keys`

use crate::home::{DEFAULT_DIR, Home};
use access::SecretKey;
use anyhow::Result;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Make and list the keys that sign tokens.
///
/// A running service reads them when it starts. To take a key out of use, remove its `.pub.pem` and start the service anew.
#[derive(Debug, Args)]
pub struct Keys {
    #[command(subcommand)]
    action: Action,
    /// Directory of the registry.
    #[arg(long, default_value = DEFAULT_DIR, global = true)]
    dir: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make another key; new tokens are signed with the newest.
    New,
    /// Names of the keys in use.
    List,
}

impl Keys {
    pub fn run(self) -> Result<ExitCode> {
        let home = Home::open(&self.dir)?;
        match self.action {
            Action::New => {
                println!("{}", SecretKey::create(&home.keys_dir())?);
                eprintln!("start the service anew, so that it knows the key");
            }
            Action::List => {
                for kid in home.key_ring()?.kids() {
                    println!("{kid}");
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
