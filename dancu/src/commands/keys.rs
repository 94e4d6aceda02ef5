//! `dancu keys`

use crate::home::{DEFAULT_DIR, Home};
use access::SecretKey;
use anyhow::Result;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Make and list the keys that sign tokens; make a new secret of PINs.
///
/// A running service reads them when it starts. To take a token's key out of use, remove its `.pub.pem` and start the
/// service anew.
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
    /// Make a new secret of PINs, if the old one is lost or known to others.
    ///
    /// Numbers given out stay valid and are passed over; new ones are drawn by the new secret from the next start on.
    NewPin {
        /// Recorded with every number that the secret draws; higher than any version before (`key_version` in the log).
        #[arg(long)]
        key_version: u16,
    },
}

impl Keys {
    pub fn run(self) -> Result<ExitCode> {
        let home = Home::open(&self.dir)?;
        match self.action {
            Action::New => {
                println!("{}", SecretKey::create(&home.keys_dir())?);
                eprintln!("start the service anew, so that it knows the key");
            }
            Action::NewPin { key_version } => {
                home.renew_pins(key_version)?;
                println!("made version {key_version} of the secret of PINs; keep a copy apart from the log");
                eprintln!("start the service anew, so that it draws by it");
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
