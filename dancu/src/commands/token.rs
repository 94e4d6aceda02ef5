//! `dancu token`

use crate::duration;
use crate::home::{DEFAULT_DIR, Home, wall_clock};
use access::{Caller, Issuer, Scope, Scopes, SecretKey};
use anyhow::{Context, Result, bail};
use clap::Args;
use event_schemas::ids::{OfficeId, OfficerId};
use std::path::PathBuf;
use std::process::ExitCode;

/// Make a token for an officer of an office.
///
/// Office 0 is the registry's own operator, who alone may establish units and register offices.
#[derive(Debug, Args)]
pub struct Token {
    /// Directory of the registry, with the secret key.
    #[arg(long, default_value = DEFAULT_DIR)]
    dir: PathBuf,
    /// Number of the office.
    #[arg(long)]
    office: OfficeId,
    /// Number of the officer.
    #[arg(long)]
    officer: OfficerId,
    /// What the token allows, such as commands:submit,persons:read; `all` for everything.
    #[arg(long, value_delimiter = ',', required = true, num_args = 1..)]
    scopes: Vec<String>,
    /// How long it is good for, such as 90s, 15m, 8h, 7d.
    #[arg(long, default_value = "8h", value_parser = duration::seconds)]
    ttl: i64,
    /// Name of the key to sign with; the newest unless stated.
    #[arg(long)]
    key: Option<String>,
}

impl Token {
    pub fn run(self) -> Result<ExitCode> {
        let home = Home::open(&self.dir)?;
        let caller = Caller { office: self.office, officer: self.officer, scopes: scopes(&self.scopes)? };
        let key = SecretKey::read(&home.keys_dir(), self.key.as_deref())?;
        let issuer = Issuer { key, audience: home.audience() };
        println!("{}", issuer.issue(&caller, wall_clock()(), self.ttl).context("no token was made")?);
        Ok(ExitCode::SUCCESS)
    }
}

fn scopes(names: &[String]) -> Result<Scopes> {
    let mut scopes = Vec::new();
    for name in names.iter().map(|name| name.trim()) {
        if name == "all" {
            scopes.extend(Scope::ALL);
        } else if let Ok(scope) = name.parse() {
            scopes.push(scope);
        } else {
            let known: Vec<&str> = Scope::ALL.iter().map(|scope| scope.name()).collect();
            bail!("'{name}' is no scope; these are: all, {}", known.join(", "));
        }
    }
    Ok(scopes.into_iter().collect())
}
