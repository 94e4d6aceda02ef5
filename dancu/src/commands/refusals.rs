//! `dancu refusals`

use anyhow::Result;
use clap::Args;
use std::process::ExitCode;

/// Print every reason for which a command may be refused, as the page `docs/refusals.md`.
#[derive(Debug, Args)]
pub struct Refusals {}

impl Refusals {
    pub fn run(self) -> Result<ExitCode> {
        print!("{}", domain::refusal::catalogue_page());
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_in_docs_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/refusals.md");
        let page = std::fs::read_to_string(path).unwrap();
        assert_eq!(page, domain::refusal::catalogue_page(), "run `dancu refusals > docs/refusals.md`");
    }
}
