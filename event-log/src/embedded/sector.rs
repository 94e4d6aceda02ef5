//! Sectors: the unit that a disk writes whole or not at all, each with its own checksum.
//!
//! A group of entries is stored in sectors of its own, so that writing a group never touches a sector of an answered
//! one. Every sector says which group it belongs to and how many sectors that group has. So after a crash a group that
//! was never finished (some of its sectors are still zero) is told from one that was finished and damaged later.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 500 | content |
//! | 500 | 4 | low bits of the group's sequence number |
//! | 504 | 2 | number of this sector in its group, from 0 |
//! | 506 | 2 | sectors of the group |
//! | 508 | 4 | CRC32C over the log's instance id and the 508 bytes before |

use event_schemas::ids::InstanceId;

/// Bytes of a sector: what disks of every make write at once.
pub(super) const SECTOR: usize = 512;

/// Bytes of content in a sector.
pub(super) const CONTENT: usize = 500;

/// What a sector's own bytes say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SectorState {
    /// Never written, or zeroed.
    Zero,
    /// Neither zero nor with a right checksum.
    Damaged,
    Valid(Tag),
}

/// Whose sector it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tag {
    pub sequence_low: u32,
    pub index: u16,
    pub count: u16,
}

/// Writes and checks the sectors of one log. The instance id goes into every checksum, so a sector of another log
/// never passes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sectors {
    seed: u32,
}

impl Sectors {
    pub(super) fn of(instance: InstanceId) -> Self {
        Self { seed: crc32c::crc32c(&instance.0.to_le_bytes()) }
    }

    /// Checksum over bytes of this log.
    pub(super) fn checksum(self, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(self.seed, bytes)
    }

    /// Appends `content` to `out` as sectors of one group, the last one filled with zeroes.
    ///
    /// # Panics
    /// If it needs more than 65,535 sectors; groups are bounded far below.
    pub(super) fn write(self, content: &[u8], sequence: u64, out: &mut Vec<u8>) {
        let count = u16::try_from(content.len().div_ceil(CONTENT)).expect("a group is bounded");
        out.reserve(usize::from(count) * SECTOR);
        for (index, part) in content.chunks(CONTENT).enumerate() {
            let start = out.len();
            out.extend_from_slice(part);
            out.resize(start + CONTENT, 0);
            out.extend_from_slice(&(sequence as u32).to_le_bytes());
            out.extend_from_slice(&(index as u16).to_le_bytes());
            out.extend_from_slice(&count.to_le_bytes());
            let checksum = self.checksum(&out[start..]);
            out.extend_from_slice(&checksum.to_le_bytes());
        }
    }

    /// Judges one sector.
    pub(super) fn judge(self, sector: &[u8]) -> SectorState {
        let stored = u32::from_le_bytes(*sector[508..].first_chunk().expect("a sector has 512 bytes"));
        if self.checksum(&sector[..508]) == stored {
            return SectorState::Valid(Tag {
                sequence_low: u32::from_le_bytes(*sector[500..].first_chunk().expect("inside a sector")),
                index: u16::from_le_bytes([sector[504], sector[505]]),
                count: u16::from_le_bytes([sector[506], sector[507]]),
            });
        }
        if sector == ZEROES { SectorState::Zero } else { SectorState::Damaged }
    }

    /// As [`Self::judge`], for places where most sectors are zero.
    pub(super) fn judge_mostly_zero(self, sector: &[u8]) -> SectorState {
        if sector == ZEROES { SectorState::Zero } else { self.judge(sector) }
    }
}

/// A sector that was never written, or zeroed.
const ZEROES: [u8; SECTOR] = [0; SECTOR];

/// The number that the next group must name as its predecessor: it depends on every sector since the log began.
/// `sectors` are whole sectors of one group.
pub(super) fn link_after(link: u64, sectors: &[u8]) -> u64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::with_seed(link);
    for sector in sectors.chunks_exact(SECTOR) {
        hasher.update(&sector[508..]);
    }
    hasher.digest()
}

/// Where a byte of a group's content is, counted from the group's first byte on disk.
pub(super) fn disk_offset(content_offset: usize) -> usize {
    content_offset / CONTENT * SECTOR + content_offset % CONTENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sector_knows_its_place_and_any_flipped_bit() {
        let sectors = Sectors::of(InstanceId(7));
        let mut out = Vec::new();
        sectors.write(&[9; CONTENT + 1], 0x1_0000_0005, &mut out);
        assert_eq!(out.len(), 2 * SECTOR);
        let tag = |index| SectorState::Valid(Tag { sequence_low: 5, index, count: 2 });
        assert_eq!((sectors.judge(&out[..SECTOR]), sectors.judge(&out[SECTOR..])), (tag(0), tag(1)));
        for bit in 0..SECTOR * 8 {
            let mut flipped = out[..SECTOR].to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(sectors.judge(&flipped), SectorState::Damaged);
        }
        assert_eq!(Sectors::of(InstanceId(8)).judge(&out[..SECTOR]), SectorState::Damaged);
        assert_eq!(sectors.judge(&[0; SECTOR]), SectorState::Zero);
    }

    #[test]
    fn offsets_skip_the_tags() {
        assert_eq!([0, 499, 500, 999, 1000].map(disk_offset), [0, 499, 512, 1011, 1024]);
    }
}
