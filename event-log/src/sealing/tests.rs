//! A log moves while it is led, over a storm of faults, by a process that is killed again and again.

use super::*;
use crate::copy::Copying;
use crate::engine::{LogSource, RawEntry};
use crate::seeded::Seeded;
use crate::simulated::{FaultPlan, SimulatedLog, SimulatedNode};
use event_schemas::ids::Position;

/// Most steps until a move has ended, and how many of them have faults.
const STEPS: u64 = 6_000;
const STORMY_STEPS: u64 = 3_000;
const ENDED_RECORDS: u64 = 5;

/// A node that leads whenever it may, and writes.
struct Leader {
    log: SimulatedNode,
    source: SimulatedLog,
    admission: Admission,
    claim: Option<ClaimId>,
    /// Does not ask whether its copy may be led.
    is_reckless: bool,
}

impl Leader {
    fn new(source: &SimulatedLog, is_reckless: bool) -> Self {
        let (log, source) = (source.node(), source.clone());
        Self { log, source, admission: Admission::new(), claim: None, is_reckless }
    }

    fn step(&mut self, random: &mut Seeded) {
        while self.log.poll(Duration::ZERO).unwrap().is_some() {}
        let state = *self.admission.state();
        let mut reader = self.source.open_reader(state.next).unwrap();
        for RawEntry { position, bytes } in reader.read(1_000, usize::MAX, Duration::ZERO).unwrap().entries {
            self.admission.admit(position, &bytes);
        }
        let state = *self.admission.state();
        let entry = match self.claim {
            _ if state.last_lsn == Lsn::ZERO => return,
            Some(claim_id) if state.is_led_by(state.term, claim_id) => {
                let (lsn, prev) = (state.last_lsn.next(), state.head);
                let recorded_at = Timestamp(state.recorded_at.0 + 1);
                let header =
                    EntryHeader { lsn, prev, recorded_at, ..header(EntryKind::Record, state.term, claim_id) };
                encode_entry(header, &random.next().to_le_bytes())
            }
            _ if !random.chance(100) || !self.may_lead(&state) => return,
            _ => {
                let claim_id = ClaimId(u128::from(random.next()));
                self.claim = Some(claim_id);
                let (lsn, prev) = state.stated_by_claim();
                let header =
                    EntryHeader { lsn, prev, ..header(EntryKind::Claim, state.term.next(), claim_id) };
                encode_entry(header, b"")
            }
        };
        let _ = self.log.submit(AppendGroup { entries: vec![entry] });
    }

    fn may_lead(&self, state: &AdmissionState) -> bool {
        self.is_reckless || may_lead(&self.source, state)
    }
}

fn may_lead(log: &SimulatedLog, state: &AdmissionState) -> bool {
    matches!(state.standing(log.instance(), LogSource::copy_of(log)), Standing::Open | Standing::GoesOnHere)
}

/// A process that moves the log, and does not know what it did before it was killed.
enum Mover {
    Copying(Copying),
    Sealing(Sealing),
    Ended,
}

impl Mover {
    fn start(from: &SimulatedLog, to: &SimulatedLog) -> Self {
        match Copying::resume_move(from, (Box::new(to.node()), to, to.admission())) {
            Ok(Some(copying)) => Self::Copying(copying),
            Ok(None) => Self::Ended,
            Err(error) => panic!("{error}"),
        }
    }

    /// One step; `None` if it has to be started again.
    fn step(self, from: &SimulatedLog, to: &SimulatedLog, random: &mut Seeded) -> Option<Self> {
        match self {
            Self::Ended => Some(Self::Ended),
            // Nothing passes the time inside, so each group's fate is unknown: it has to begin again.
            Self::Copying(mut copying) => match copying.step(Duration::ZERO) {
                Ok(copied) if copied.is_whole && !copying.state().sealed => {
                    let seal_body = to.instance().0.to_le_bytes().to_vec();
                    let seal = Seal { target: to.instance(), claim_body: Vec::new(), seal_body };
                    let at = AdmissionState::default();
                    Some(Self::Sealing(Sealing::begin(Box::new(from.node()), at, seal).unwrap()))
                }
                Ok(_) => Some(Self::Copying(copying)),
                Err(_) => None,
            },
            Self::Sealing(mut sealing) => {
                match sealing.step(ClaimId(u128::from(random.next())), Timestamp(1), Duration::ZERO) {
                    Ok(None) => Some(Self::Sealing(sealing)),
                    Ok(Some(_)) | Err(SealError::NotSealed) => None,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
}

fn admitted(log: &SimulatedLog) -> Vec<Vec<u8>> {
    let mut admission = Admission::new();
    let raw = log.raw_entries().into_iter().enumerate();
    raw.filter(|(at, entry)| admission.admit(Position(*at as u64), entry).lsn().is_some())
        .map(|(_, entry)| entry)
        .collect()
}

/// Moves a log that is led all the while. What went wrong, or how often the mover was killed.
fn run(seed: u64, is_reckless: bool) -> Result<u64, String> {
    let mut random = Seeded::new(seed);
    let from = SimulatedLog::new(random.next(), FaultPlan::none());
    let genesis = EntryHeader { lsn: Lsn(1), ..header(EntryKind::Genesis, Term(0), ClaimId(0)) };
    from.node().submit(AppendGroup { entries: vec![encode_entry(genesis, b"genesis")] }).unwrap();
    from.step();
    // What an acknowledgement says is true: a broker that lies is nothing that a copy could notice.
    let honest = FaultPlan { dropped_middle: 0, ..FaultPlan::storm() };
    from.set_plan(honest);
    let to = SimulatedLog::new_copy(random.next(), honest, from.instance());
    let mut leaders = [Leader::new(&from, false), Leader::new(&from, false), Leader::new(&to, is_reckless)];
    let (mut mover, mut kills) = (None, 0);
    for step in 0..STEPS {
        if step == STORMY_STEPS {
            from.set_plan(FaultPlan::none());
            to.set_plan(FaultPlan::none());
        }
        for leader in &mut leaders {
            leader.step(&mut random);
        }
        if step < STORMY_STEPS && random.chance(30) && mover.take().is_some() {
            kills += 1;
        }
        // Another may run meanwhile whose machine is far away; here one begins again some time later.
        mover = match mover.take() {
            Some(Mover::Ended) if to.admission().last_lsn.0 > from.admission().last_lsn.0 + ENDED_RECORDS => {
                break;
            }
            Some(mover) => mover.step(&from, &to, &mut random),
            None if random.chance(100) => Some(Mover::start(&from, &to)),
            None => None,
        };
        from.step();
        to.step();
        if may_lead(&from, &from.admission()) && may_lead(&to, &to.admission()) {
            return Err(format!("step {step}: both may be led"));
        }
        if to.admission().last_lsn > from.admission().last_lsn && !from.admission().sealed {
            return Err(format!("step {step}: the copy went on by itself"));
        }
    }
    let (before, after) = (admitted(&from), admitted(&to));
    if !from.admission().sealed || after.len() <= before.len() {
        return Err(format!("it has not moved: {:?} {:?}", from.admission(), to.admission()));
    }
    if before[..] != after[..before.len()] {
        return Err("the copy does not begin with what the log held".to_owned());
    }
    Ok(kills)
}

#[test]
fn a_log_that_is_led_all_the_while_moves_over_any_fault_and_goes_on_in_one_place() {
    let kills: u64 =
        (0..40).map(|seed| run(seed, false).unwrap_or_else(|why| panic!("seed {seed}: {why}"))).sum();
    assert!(kills > 40, "the mover was killed {kills} times");
}

#[test]
fn a_copy_that_is_led_before_it_is_whole_is_caught() {
    let caught =
        (0..10).filter(|seed| std::panic::catch_unwind(|| run(*seed, true)).map_or(true, |it| it.is_err()));
    assert!(caught.count() > 0);
}

#[test]
fn an_empty_log_a_log_that_moved_elsewhere_and_an_unfinished_copy_are_not_sealed() {
    let seal = |target: u128| {
        let seal_body = target.to_le_bytes().to_vec();
        Seal { target: InstanceId(target), claim_body: Vec::new(), seal_body }
    };
    let try_to_seal = |log: &SimulatedLog, target| {
        let mut sealing =
            Sealing::begin(Box::new(log.node()), AdmissionState::default(), seal(target)).unwrap();
        for claim in 1..100 {
            match sealing.step(ClaimId(claim), Timestamp(0), Duration::ZERO) {
                Ok(None) => log.step(),
                ended => return ended,
            }
        }
        Ok(None)
    };
    let log = SimulatedLog::new(1, FaultPlan::none());
    assert!(matches!(try_to_seal(&log, 7), Err(SealError::Empty)));
    let genesis = EntryHeader { lsn: Lsn(1), ..header(EntryKind::Genesis, Term(0), ClaimId(0)) };
    log.node().submit(AppendGroup { entries: vec![encode_entry(genesis, b"genesis")] }).unwrap();
    log.step();
    assert_eq!(try_to_seal(&log, 7).unwrap(), Some(Lsn(3)));
    assert_eq!(try_to_seal(&log, 7).unwrap(), Some(Lsn(3)), "once is enough");
    assert!(matches!(try_to_seal(&log, 8), Err(SealError::Moved { to: InstanceId(7) })));
    let copy = SimulatedLog::new_copy(2, FaultPlan::none(), log.instance());
    assert!(matches!(try_to_seal(&copy, 9), Err(SealError::Unfinished { .. })));
}
