//! `dancu units`

use anyhow::Result;
use clap::Args;
use event_schemas::CommandEnvelope;
use event_schemas::basis::{Basis, BasisKind};
use event_schemas::ids::CommandId;
use event_schemas::place::UnitLevel;
use event_schemas::text::Text;
use event_schemas::time::Date;
use std::process::ExitCode;

/// Print the commands that establish the real administrative units of 2021, one a line.
///
/// 63 provinces, 705 districts, 10,599 wards, by Decision 124/2004/QĐ-TTg and its amendments. The command ids are always the
/// same, so submitting them again changes nothing:
///
///     dancu units | dancu submit --batch -
#[derive(Debug, Args)]
pub struct Units {}

/// Ids of these commands count from here: a UUIDv8 of our own.
const FIRST_COMMAND_ID: u128 = 0xda4c_0000_0000_8000_8000_0000_0000_0000;

impl Units {
    pub fn run(self) -> Result<ExitCode> {
        for envelope in envelopes() {
            println!("{}", serde_json::to_string(&envelope)?);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The commands, parents before children.
pub fn envelopes() -> Vec<CommandEnvelope> {
    let units = simulator::units::Units::load();
    let levels = [UnitLevel::Province, UnitLevel::District, UnitLevel::Ward];
    let commands = levels.into_iter().flat_map(|level| units.establish(level));
    let envelope = |(number, command)| CommandEnvelope {
        command_id: CommandId(FIRST_COMMAND_ID + number),
        expected_versions: Vec::new(),
        answer_by: None,
        dry_run: false,
        procedure: None,
        basis: Basis {
            authority: Some(Text::new("Thủ tướng Chính phủ").expect("a short text")),
            number: Some(Text::new("124/2004/QĐ-TTg").expect("a short text")),
            date: Date::new(2004, 7, 8).ok(),
            ..Basis::of(BasisKind::Agency)
        },
        overrides: Vec::new(),
        command,
    };
    (0_u128..).zip(commands).map(envelope).collect()
}
