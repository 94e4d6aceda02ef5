//! Checks the chain of a whole log.

use super::file::{AuditError, file_name, file_numbers, scan};
use super::line::Chain;
use std::fs::File;
use std::path::Path;

/// What a log holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AuditSummary {
    pub files: u64,
    pub lines: u64,
    /// Personal reads.
    pub reads: u64,
    /// How often the end of the log was found cut and set aside.
    pub torn: u64,
    /// The chain after the last line. Equal to one noted elsewhere: nothing up to it was changed.
    pub chain: Chain,
}

/// Reads every file. A process that is writing to the log may go on; a line that it is just writing is not counted.
///
/// Files may be missing at the start, where retention removed them, and nowhere else. Only the newest may be without a whole line:
/// it is just being begun, or a crash came then.
pub fn verify(directory: &Path) -> Result<AuditSummary, AuditError> {
    let mut summary = AuditSummary::default();
    let mut expected = None;
    let numbers = file_numbers(directory)?;
    for &number in &numbers {
        let name = file_name(number);
        let broken = |line: u64| AuditError::Broken { file: name.clone(), line };
        let scanned = scan(&File::open(directory.join(&name))?, &name)?;
        if scanned.last.is_none() && numbers.last() == Some(&number) {
            break;
        }
        let (Some(last), Some(after)) = (scanned.last, scanned.after) else {
            return Err(broken(1));
        };
        let start = (number, scanned.first_seq, after);
        let first_file_starts_at_zero = number != 1 || start == (1, 1, Chain::default());
        if expected.unwrap_or(start) != start || !first_file_starts_at_zero {
            return Err(broken(1));
        }
        expected = Some((number + 1, last.seq + 1, last.chain));
        summary.files += 1;
        summary.lines += scanned.lines;
        summary.reads += scanned.reads;
        summary.torn += scanned.torn;
        summary.chain = last.chain;
    }
    Ok(summary)
}
