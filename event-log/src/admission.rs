//! Admission: which raw entries of a log are facts.
//!
//! Every reader runs the same pure function over raw headers, the leader too, so all readers of the same raw entries
//! agree on what was admitted, whatever was lost, late, duplicated or written by a leader that had been superseded.
//! No body is ever decoded here.
//!
//! | entry | admitted if |
//! |---|---|
//! | `Genesis` | the log is empty, term 0, lsn 1, `prev` empty |
//! | `Claim` | the log is not empty, term is the highest + 1, `lsn` and `prev` are zero |
//! | `Claim` behind a `Sealed` | term is the highest + 1, `lsn` is the next, `prev` is the head |
//! | any other | (term, claim_id) is the current claim, `lsn` is the next, `prev` is the head, `recorded_at` does not go back |
//!
//! A `Sealed` names the copy in which the log goes on. Behind it nothing is admitted but a claim that states where it stands:
//! only a node whose log is that very copy writes one ([`AdmissionState::standing`]), so the log goes on in one place.
//! Everything else is dropped alone and counted by reason.

use event_schemas::header::{ChainHead, EntryHeader, EntryKind, HeaderError, seal_target};
use event_schemas::ids::{ClaimId, InstanceId, Lsn, Position, Term};
use event_schemas::time::Timestamp;

/// What admission made of one raw entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The entry is a fact. `header` is what the entry states, except in a claim, whose `lsn`, `prev` and
    /// `recorded_at` a claimer cannot know: there they are what admission gave it (the next lsn, the head, and the
    /// recorded time of the entry before).
    Admitted { header: EntryHeader, lsn: Lsn },
    /// The entry is no fact and changes nothing.
    Dropped(DropReason),
}

impl Verdict {
    /// The lsn, if the entry was admitted.
    pub fn lsn(&self) -> Option<Lsn> {
        match self {
            Self::Admitted { lsn, .. } => Some(*lsn),
            Self::Dropped(_) => None,
        }
    }
}

/// Declares the reasons with the stable names that metrics use.
macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// Why a raw entry was not admitted.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum DropReason {
            $($(#[$doc])* $variant,)*
        }

        impl DropReason {
            /// Every reason, in the order of their numbers.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// Stable name in metrics and reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

drop_reasons! {
    /// Shorter than a header.
    TooShort = "entry_too_short";
    /// Does not begin with the magic bytes: not written by this product.
    ForeignBytes = "foreign_bytes";
    /// A kind that this binary does not know.
    UnknownKind = "unknown_kind";
    /// The stated length of the body is not what follows the header.
    LengthMismatch = "length_mismatch";
    /// Its position was judged before: a repeated delivery (R3).
    AlreadyRead = "already_read";
    /// The log was sealed.
    LogSealed = "log_sealed";
    /// Something other than `Genesis` in an empty log.
    NoGenesis = "no_genesis";
    /// A `Genesis` in a log that has begun.
    GenesisNotFirst = "genesis_not_first";
    /// A `Genesis` with a term other than 0, an lsn other than 1, or a predecessor.
    GenesisMalformed = "genesis_malformed";
    /// A claim that states an lsn or a predecessor.
    ClaimMalformed = "claim_malformed";
    /// A seal that names no copy.
    SealMalformed = "seal_malformed";
    /// A claim for a term that another claim has, or had.
    ClaimTermTaken = "claim_term_taken";
    /// A claim that skips a term.
    ClaimTermAhead = "claim_term_ahead";
    /// Written in a term that is over.
    TermOver = "term_over";
    /// Written in a term that nobody was admitted to.
    TermNotClaimed = "term_not_claimed";
    /// Written in the current term by a claim that did not win it.
    ClaimNotCurrent = "claim_not_current";
    /// Its lsn was admitted before: a duplicate.
    LsnTaken = "lsn_taken";
    /// Its lsn is beyond the next: an entry before it is missing.
    LsnAhead = "lsn_ahead";
    /// Written on another head than the current one.
    PrevNotHead = "prev_not_head";
    /// Its recorded time is before that of the entry before it.
    TimeWentBack = "time_went_back";
}

impl From<HeaderError> for DropReason {
    fn from(error: HeaderError) -> Self {
        match error {
            HeaderError::TooShort => Self::TooShort,
            HeaderError::ForeignMagic => Self::ForeignBytes,
            HeaderError::UnknownKind(_) => Self::UnknownKind,
            HeaderError::LengthMismatch { .. } => Self::LengthMismatch,
        }
    }
}

/// What admission depends on: the part that belongs into a restart point.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct AdmissionState {
    /// Highest admitted term; zero until a claim was admitted. Never goes back (W7).
    pub term: Term,
    /// The claim that writes in `term`.
    pub claim: Option<ClaimId>,
    /// Lsn of the last admitted entry; zero in an empty log.
    pub last_lsn: Lsn,
    /// Chain over every admitted entry's bytes (W6).
    pub head: ChainHead,
    /// Recorded time of the last admitted entry.
    pub recorded_at: Timestamp,
    /// The first position that was not judged.
    pub next: Position,
    /// The last admitted entry is a `Sealed`.
    pub sealed: bool,
    /// The copy that the last `Sealed` names, whatever came behind it.
    pub sealed_for: Option<InstanceId>,
}

/// Whether a copy of a log may be led.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Whoever claims the next term.
    Open,
    /// The log was sealed for this copy: whoever claims the next term, stating where it stands.
    GoesOnHere,
    /// The log was sealed and goes on in another copy.
    Moved { to: InstanceId },
    /// A copy that is being made of another one, which was not sealed for it yet.
    Unfinished { of: InstanceId },
}

const STATE_VERSION: u8 = 2;
/// Bytes of a seal's body that name the copy.
const SEAL_TARGET_LEN: usize = size_of::<InstanceId>();
const FLAG_CLAIM: u8 = 1;
const FLAG_SEALED: u8 = 2;
const FLAG_SEALED_FOR: u8 = 4;
const FLAGS: u8 = FLAG_CLAIM | FLAG_SEALED | FLAG_SEALED_FOR;

impl AdmissionState {
    /// Bytes of [`Self::to_bytes`].
    pub const LEN: usize = 88;

    /// Fixed form, little-endian: version u8, flags u8 (1: claim held, 2: sealed, 4: a seal's target is
    /// known), six zero bytes, term u64, claim u128, last lsn u64, head u128, recorded_at i64, next position u64, target u128.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0] = STATE_VERSION;
        let flags = [
            (self.claim.is_some(), FLAG_CLAIM),
            (self.sealed, FLAG_SEALED),
            (self.sealed_for.is_some(), FLAG_SEALED_FOR),
        ];
        bytes[1] = flags.into_iter().filter(|(is_set, _)| *is_set).fold(0, |all, (_, flag)| all | flag);
        bytes[8..16].copy_from_slice(&self.term.0.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.claim.unwrap_or_default().0.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.last_lsn.0.to_le_bytes());
        bytes[40..56].copy_from_slice(&self.head.0.to_le_bytes());
        bytes[56..64].copy_from_slice(&self.recorded_at.0.to_le_bytes());
        bytes[64..72].copy_from_slice(&self.next.0.to_le_bytes());
        bytes[72..88].copy_from_slice(&self.sealed_for.unwrap_or_default().0.to_le_bytes());
        bytes
    }

    /// `None` if the bytes are not of [`Self::to_bytes`]: saved state that cannot be read is discarded whole (S3).
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let [version, flags, reserved @ ..] = *bytes.first_chunk::<8>()?;
        if version != STATE_VERSION || flags & !FLAGS != 0 || reserved != [0; 6] {
            return None;
        }
        let u64_at = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().expect("inside the state"));
        let u128_at = |at: usize| u128::from_le_bytes(*bytes[at..].first_chunk().expect("inside the state"));
        let claim = (flags & FLAG_CLAIM != 0).then(|| ClaimId(u128_at(16)));
        let sealed_for = (flags & FLAG_SEALED_FOR != 0).then(|| InstanceId(u128_at(72)));
        let sealed = flags & FLAG_SEALED != 0;
        let is_sound =
            (claim.is_some() || u128_at(16) == 0) && (sealed_for.is_some() || (u128_at(72) == 0 && !sealed));
        if !is_sound {
            return None;
        }
        Some(Self {
            term: Term(u64_at(8)),
            claim,
            last_lsn: Lsn(u64_at(32)),
            head: ChainHead(u128_at(40)),
            recorded_at: Timestamp(u64_at(56) as i64),
            next: Position(u64_at(64)),
            sealed,
            sealed_for,
        })
    }

    /// True if entries of this claim are the ones that are admitted now.
    pub fn is_led_by(&self, term: Term, claim_id: ClaimId) -> bool {
        !self.sealed && self.term == term && self.claim == Some(claim_id)
    }

    /// Whether the copy `instance` of the log, which stands here, may be led. `copy_of` is the copy that it was made from to go
    /// on in its place, if it was.
    ///
    /// *Architecture invariant:* at most one copy may be led: one that is being made goes on only once the other was sealed for
    /// it, and a sealed one never does (W7).
    pub fn standing(&self, instance: InstanceId, copy_of: Option<InstanceId>) -> Standing {
        let is_here = self.sealed_for == Some(instance);
        match (self.sealed_for, copy_of) {
            (Some(to), _) if self.sealed && !is_here => Standing::Moved { to },
            (_, Some(of)) if !is_here => Standing::Unfinished { of },
            _ if self.sealed => Standing::GoesOnHere,
            _ => Standing::Open,
        }
    }

    /// Lsn and predecessor that a claim states here: nothing, or, behind a seal, where it stands.
    pub fn stated_by_claim(&self) -> (Lsn, ChainHead) {
        if self.sealed { (self.last_lsn.next(), self.head) } else { (Lsn::ZERO, ChainHead::EMPTY) }
    }

    /// Judges one header against this state. Changes nothing.
    fn judge(&self, header: &EntryHeader) -> Result<(), DropReason> {
        if self.sealed {
            return self.judge_behind_seal(header);
        }
        match header.kind {
            EntryKind::Genesis => self.judge_genesis(header),
            _ if self.last_lsn == Lsn::ZERO => Err(DropReason::NoGenesis),
            EntryKind::Claim => self.judge_claim(header),
            EntryKind::Sealed if (header.body_len as usize) < SEAL_TARGET_LEN => {
                Err(DropReason::SealMalformed)
            }
            _ => self.judge_claimed(header),
        }
    }

    fn judge_behind_seal(&self, header: &EntryHeader) -> Result<(), DropReason> {
        let goes_on = header.kind == EntryKind::Claim
            && header.term == self.term.next()
            && header.lsn == self.last_lsn.next()
            && header.prev == self.head;
        if goes_on { Ok(()) } else { Err(DropReason::LogSealed) }
    }

    fn judge_genesis(&self, header: &EntryHeader) -> Result<(), DropReason> {
        if self.last_lsn != Lsn::ZERO {
            return Err(DropReason::GenesisNotFirst);
        }
        let well_formed = header.term == Term(0) && header.lsn == Lsn(1) && header.prev == ChainHead::EMPTY;
        if well_formed { Ok(()) } else { Err(DropReason::GenesisMalformed) }
    }

    fn judge_claim(&self, header: &EntryHeader) -> Result<(), DropReason> {
        if header.lsn != Lsn::ZERO || header.prev != ChainHead::EMPTY {
            return Err(DropReason::ClaimMalformed);
        }
        if header.term <= self.term {
            return Err(DropReason::ClaimTermTaken);
        }
        if header.term != self.term.next() {
            return Err(DropReason::ClaimTermAhead);
        }
        Ok(())
    }

    fn judge_claimed(&self, header: &EntryHeader) -> Result<(), DropReason> {
        if header.term < self.term {
            return Err(DropReason::TermOver);
        }
        if header.term > self.term {
            return Err(DropReason::TermNotClaimed);
        }
        if self.claim != Some(header.claim_id) {
            return Err(DropReason::ClaimNotCurrent);
        }
        if header.lsn <= self.last_lsn {
            return Err(DropReason::LsnTaken);
        }
        if header.lsn != self.last_lsn.next() {
            return Err(DropReason::LsnAhead);
        }
        if header.prev != self.head {
            return Err(DropReason::PrevNotHead);
        }
        if header.recorded_at < self.recorded_at {
            return Err(DropReason::TimeWentBack);
        }
        Ok(())
    }

    /// Takes an entry that [`Self::judge`] let in, and gives its header as admitted.
    fn advance(&mut self, mut header: EntryHeader, entry: &[u8]) -> EntryHeader {
        if header.kind == EntryKind::Claim {
            header.lsn = self.last_lsn.next();
            header.prev = self.head;
            header.recorded_at = self.recorded_at;
            self.term = header.term;
            self.claim = Some(header.claim_id);
        }
        self.last_lsn = header.lsn;
        self.head = self.head.extend(entry);
        self.recorded_at = header.recorded_at;
        self.sealed = header.kind == EntryKind::Sealed;
        if self.sealed {
            self.sealed_for = seal_target(entry);
        }
        header
    }
}

/// How many entries were dropped, by reason. Counts of this reader since it was opened; not part of a restart point.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DropCounters([u64; DropReason::ALL.len()]);

impl Default for DropCounters {
    fn default() -> Self {
        Self([0; DropReason::ALL.len()])
    }
}

impl DropCounters {
    /// Entries dropped for this reason.
    pub fn of(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// Entries dropped for any reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every reason with its count, zeroes included.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().map(|reason| (reason, self.of(reason)))
    }
}

/// One reader's admission: feed it every raw entry, in the order of positions.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct Admission {
    state: AdmissionState,
    drops: DropCounters,
}

impl Admission {
    /// At the beginning of a log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Continues behind what `state` has judged; the next entry wanted is the one at `state.next`.
    pub fn resume(state: AdmissionState) -> Self {
        Self { state, drops: DropCounters::default() }
    }

    /// Judges the next raw entry and takes it if it is admitted. Positions may have gaps, but never go back: an
    /// entry from before [`AdmissionState::next`] is dropped as [`DropReason::AlreadyRead`].
    pub fn admit(&mut self, position: Position, entry: &[u8]) -> Verdict {
        if position < self.state.next {
            return self.drop_for(DropReason::AlreadyRead);
        }
        self.state.next = position.next();
        let header = match EntryHeader::of_entry(entry) {
            Ok(header) => header,
            Err(error) => return self.drop_for(error.into()),
        };
        if let Err(reason) = self.state.judge(&header) {
            return self.drop_for(reason);
        }
        let header = self.state.advance(header, entry);
        Verdict::Admitted { header, lsn: header.lsn }
    }

    fn drop_for(&mut self, reason: DropReason) -> Verdict {
        self.drops.0[reason as usize] += 1;
        Verdict::Dropped(reason)
    }

    /// The state after everything judged so far.
    pub fn state(&self) -> &AdmissionState {
        &self.state
    }

    /// What was dropped so far, by reason.
    pub fn drops(&self) -> &DropCounters {
        &self.drops
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
