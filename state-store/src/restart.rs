//! The restart point: up to where the log is contained in the rows saved beside it.

use event_schemas::header::ChainHead;
use event_schemas::ids::{InstanceId, LogId, Lsn, Position, RulesRevision};
use event_schemas::time::Timestamp;
use std::ops::RangeInclusive;

/// Longest opaque admission state, bytes.
pub const MAX_ADMISSION_LEN: usize = 256;

const MAGIC: [u8; 8] = *b"DNCURST1";
const FIXED_LEN: usize = 8 + 16 + 16 + 8 * 3 + 16 * 2 + 8 + 2 + 2 + 4 + 2;

/// Where a reader of the log goes on after a restart.
///
/// Bytes, little-endian: magic 8, log_id 16, instance 16, next_position 8, oldest_lsn 8, newest_lsn 8,
/// head_oldest 16, head_newest 16, recorded_at 8, format 2, rules 2, fold_revision 4, admission length 2, admission.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RestartPoint {
    /// The log that was folded.
    pub log_id: LogId,
    /// The copy of it that positions refer to.
    pub instance: InstanceId,
    /// First raw entry to read again: the one after `oldest_lsn`.
    pub next_position: Position,
    /// Admission's own state at `next_position`, opaque here. At most [`MAX_ADMISSION_LEN`] bytes.
    pub admission: Vec<u8>,
    /// Every saved page holds all records up to here.
    pub oldest_lsn: Lsn,
    /// No saved page holds a record beyond this one. Equal to `oldest_lsn` where all pages are saved at one lsn.
    pub newest_lsn: Lsn,
    /// The chain's head after `oldest_lsn`.
    pub head_oldest: ChainHead,
    /// The chain's head after `newest_lsn`: a log that does not reach it is not the one that was folded.
    pub head_newest: ChainHead,
    /// Recorded time of the last record folded.
    pub recorded_at: Timestamp,
    /// Format in force.
    pub format: u16,
    /// Rules in force.
    pub rules: RulesRevision,
    /// Revision of the fold that made the rows.
    pub fold_revision: u32,
}

/// What a store must match to be used at all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreIdentity {
    pub log_id: LogId,
    pub instance: InstanceId,
    /// Formats that this program reads. A store of a later one is left as it is, an earlier one discarded.
    pub formats: RangeInclusive<u16>,
    /// The fold that this program runs. One more whenever it would make other rows of the same records.
    pub fold_revision: u32,
}

/// Bytes that are no restart point.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RestartPointError {
    #[error("the restart point is {0} bytes long, which no restart point is")]
    Length(usize),
    #[error("the restart point does not begin with its magic bytes")]
    Magic,
    #[error("the restart point's oldest lsn {oldest} is beyond its newest {newest}")]
    Order { oldest: Lsn, newest: Lsn },
    #[error("the admission state is {0} bytes long; at most {MAX_ADMISSION_LEN} are kept")]
    AdmissionTooLong(usize),
}

impl RestartPoint {
    /// The explicit byte form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RestartPointError> {
        self.check()?;
        let mut bytes = Vec::with_capacity(FIXED_LEN + self.admission.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.log_id.0.to_le_bytes());
        bytes.extend_from_slice(&self.instance.0.to_le_bytes());
        bytes.extend_from_slice(&self.next_position.0.to_le_bytes());
        bytes.extend_from_slice(&self.oldest_lsn.0.to_le_bytes());
        bytes.extend_from_slice(&self.newest_lsn.0.to_le_bytes());
        bytes.extend_from_slice(&self.head_oldest.0.to_le_bytes());
        bytes.extend_from_slice(&self.head_newest.0.to_le_bytes());
        bytes.extend_from_slice(&self.recorded_at.0.to_le_bytes());
        bytes.extend_from_slice(&self.format.to_le_bytes());
        bytes.extend_from_slice(&self.rules.0.to_le_bytes());
        bytes.extend_from_slice(&self.fold_revision.to_le_bytes());
        bytes.extend_from_slice(&(self.admission.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&self.admission);
        Ok(bytes)
    }

    /// Reads the byte form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RestartPointError> {
        let wrong_length = RestartPointError::Length(bytes.len());
        let Some((fixed, admission)) = bytes.split_at_checked(FIXED_LEN) else {
            return Err(wrong_length);
        };
        if fixed[..8] != MAGIC {
            return Err(RestartPointError::Magic);
        }
        let mut rest = &fixed[8..];
        let point = Self {
            log_id: LogId(u128::from_le_bytes(take(&mut rest))),
            instance: InstanceId(u128::from_le_bytes(take(&mut rest))),
            next_position: Position(u64::from_le_bytes(take(&mut rest))),
            oldest_lsn: Lsn(u64::from_le_bytes(take(&mut rest))),
            newest_lsn: Lsn(u64::from_le_bytes(take(&mut rest))),
            head_oldest: ChainHead(u128::from_le_bytes(take(&mut rest))),
            head_newest: ChainHead(u128::from_le_bytes(take(&mut rest))),
            recorded_at: Timestamp(i64::from_le_bytes(take(&mut rest))),
            format: u16::from_le_bytes(take(&mut rest)),
            rules: RulesRevision(u16::from_le_bytes(take(&mut rest))),
            fold_revision: u32::from_le_bytes(take(&mut rest)),
            admission: admission.to_vec(),
        };
        if usize::from(u16::from_le_bytes(take(&mut rest))) != admission.len() {
            return Err(wrong_length);
        }
        point.check()?;
        Ok(point)
    }

    fn check(&self) -> Result<(), RestartPointError> {
        if self.admission.len() > MAX_ADMISSION_LEN {
            return Err(RestartPointError::AdmissionTooLong(self.admission.len()));
        }
        if self.oldest_lsn > self.newest_lsn {
            return Err(RestartPointError::Order { oldest: self.oldest_lsn, newest: self.newest_lsn });
        }
        Ok(())
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (taken, left) = rest.split_first_chunk().expect("the fixed part was cut to its length");
    *rest = left;
    *taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point() -> RestartPoint {
        RestartPoint {
            log_id: LogId(1),
            instance: InstanceId(u128::MAX),
            next_position: Position(77),
            admission: vec![1, 2, 3],
            oldest_lsn: Lsn(40),
            newest_lsn: Lsn(50),
            head_oldest: ChainHead(4),
            head_newest: ChainHead(5),
            recorded_at: Timestamp(-9),
            format: 2,
            rules: RulesRevision(3),
            fold_revision: 11,
        }
    }

    #[test]
    fn a_restart_point_survives_the_round_trip() {
        let bytes = point().to_bytes().unwrap();
        assert_eq!(bytes.len(), FIXED_LEN + 3);
        assert_eq!(RestartPoint::from_bytes(&bytes), Ok(point()));
    }

    #[test]
    fn bytes_that_are_no_restart_point_say_why() {
        let bytes = point().to_bytes().unwrap();
        for len in 0..bytes.len() {
            assert_eq!(RestartPoint::from_bytes(&bytes[..len]), Err(RestartPointError::Length(len)));
        }
        let mut foreign = bytes;
        foreign[0] = 0;
        assert_eq!(RestartPoint::from_bytes(&foreign), Err(RestartPointError::Magic));
        let backwards = RestartPoint { newest_lsn: Lsn(39), ..point() };
        assert!(matches!(backwards.to_bytes(), Err(RestartPointError::Order { .. })));
        let long = RestartPoint { admission: vec![0; 257], ..point() };
        assert_eq!(long.to_bytes(), Err(RestartPointError::AdmissionTooLong(257)));
    }
}
