//! A log that moves while it is led: copied into another, sealed, copied to its end, by a process that is killed at any step and does
//! not know what it did before. A node that is started on the copy too early must wait until the log goes on there.

use super::random::Random;
use command_service::gateway::Role;
use command_service::invariants::Violation;
use command_service::writer::{Mutant, Surroundings, Writer, WriterOptions};
use event_log::{
    AdmissionState, CopyError, Copying, EventLog, FaultPlan, LogSource, Seal, SealError, Sealing,
    SimulatedLog, Standing,
};
use event_schemas::ids::{ClaimId, Lsn};
use event_schemas::record::EntryBody;
use event_schemas::text::Text;
use event_schemas::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// Before this step nothing moves, and it begins within as many more.
const NOT_BEFORE_STEP: u64 = 150;

/// The move, and the process that drives it.
pub struct Moving {
    random: Random,
    pub to: SimulatedLog,
    begins_at: u64,
    stage: Stage,
    /// A node that somebody starts on the copy from its first moment.
    early: Option<Box<Writer>>,
    pub kills: u64,
}

enum Stage {
    Down,
    Copying(Copying),
    Sealing(Sealing),
}

impl Moving {
    pub fn new(mut random: Random, from: &SimulatedLog) -> Self {
        // What an acknowledgement says is true: a log that lies is nothing that a copy could notice.
        let honest = FaultPlan { dropped_middle: 0, ..FaultPlan::storm() };
        let to = SimulatedLog::new_copy(random.next(), honest, LogSource::instance(from));
        let begins_at = NOT_BEFORE_STEP + random.below(NOT_BEFORE_STEP);
        Self { random, to, begins_at, stage: Stage::Down, early: None, kills: 0 }
    }

    /// One step of the process; true once the log has moved.
    pub fn step(
        &mut self,
        from: &SimulatedLog,
        (step, now): (u64, Timestamp),
        is_stormy: bool,
    ) -> Result<bool, Violation> {
        self.to.step();
        if step < self.begins_at {
            return Ok(false);
        }
        self.step_early()?;
        if is_stormy && self.random.chance(30) && !matches!(self.stage, Stage::Down) {
            self.stage = Stage::Down;
            self.kills += 1;
        }
        match std::mem::replace(&mut self.stage, Stage::Down) {
            Stage::Down if self.random.chance(150) => return self.start(from),
            Stage::Down => {}
            // Nothing passes the time inside, so the fate of what is copied is unknown, and it begins again.
            Stage::Copying(mut copying) => match copying.step(Duration::ZERO) {
                Ok(copied) if copied.is_whole && !copying.state().sealed => self.stage = self.seal(from),
                Ok(_) => self.stage = Stage::Copying(copying),
                Err(CopyError::Unknown { .. }) => {}
                Err(error) => return Err(broken(&error.to_string())),
            },
            Stage::Sealing(mut sealing) => {
                let claim_id = ClaimId(u128::from(self.random.next()));
                match sealing.step(claim_id, now, Duration::ZERO) {
                    Ok(None) => self.stage = Stage::Sealing(sealing),
                    Ok(Some(_)) | Err(SealError::NotSealed) => {}
                    Err(error) => return Err(broken(&error.to_string())),
                }
            }
        }
        Ok(false)
    }

    /// When the early node is to be started on the copy.
    pub fn wants_early(&self, step: u64) -> bool {
        step == self.begins_at
    }

    /// The early node, on the copy.
    pub fn begin_early(
        &mut self,
        options: WriterOptions,
        around: Surroundings,
        mutant: Option<Mutant>,
    ) -> Result<(), Violation> {
        let (log, source) = (Box::new(self.to.node()), Arc::new(self.to.clone()));
        let writer = Writer::open(options, around, log, source, None);
        let writer = writer.map_err(|failure| broken(&failure.to_string()))?;
        self.early = Some(Box::new(writer.with_mutant(mutant)));
        Ok(())
    }

    /// It may claim from the moment the copy is whole.
    fn step_early(&mut self) -> Result<(), Violation> {
        let Some(writer) = &mut self.early else { return Ok(()) };
        let state = self.to.admission();
        let standing = state.standing(LogSource::instance(&self.to), LogSource::copy_of(&self.to));
        writer.step(Duration::ZERO).map_err(|failure| broken(&failure.to_string()))?;
        let is_led = matches!(writer.role(), Role::Claiming | Role::Leading | Role::AwaitingConsent);
        if is_led && standing != Standing::GoesOnHere {
            return Err(Violation::new("W7", state.last_lsn, "a copy is led before the log goes on there"));
        }
        Ok(())
    }

    fn start(&mut self, from: &SimulatedLog) -> Result<bool, Violation> {
        let copy: Box<dyn EventLog> = Box::new(self.to.node());
        match Copying::resume_move(from, (copy, &self.to, self.to.admission())) {
            Ok(Some(copying)) => self.stage = Stage::Copying(copying),
            Ok(None) => return Ok(true),
            Err(error) => return Err(broken(&error.to_string())),
        }
        Ok(false)
    }

    fn seal(&self, from: &SimulatedLog) -> Stage {
        let target = LogSource::instance(&self.to);
        let (node, place) = (Text::new("mover").expect("short"), Text::new("a copy").expect("short"));
        let claim_body = EntryBody::Claim { node }.encode().expect("system entries encode");
        let seal_body = EntryBody::Sealed { target, place }.encode().expect("system entries encode");
        let seal = Seal { target, claim_body, seal_body };
        let sealing = Sealing::begin(Box::new(from.node()), AdmissionState::default(), seal);
        sealing.map_or(Stage::Down, Stage::Sealing)
    }
}

fn broken(what: &str) -> Violation {
    Violation::new("W1", Lsn::ZERO, format!("the log cannot move: {what}"))
}
