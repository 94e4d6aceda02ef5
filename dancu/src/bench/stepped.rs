//! The writer as its own thread would drive it, but with groups of a chosen size.

use super::workload::OFFICE;
use crate::home::{Home, NewHome};
use crate::log::OpenLog;
use crate::service::{WritingOptions, writer_options};
use anyhow::{Result, ensure};
use command_service::writer::{RandomSource, Request, Surroundings, Timer, Waiting, Writer};
use command_service::{Submitter, WallClock};
use event_log::MAX_GROUP_ENTRIES;
use event_schemas::CommandEnvelope;
use event_schemas::outcome::Outcome;
use state_store::store::Store;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Longest wait for an outcome of the log, as in the service.
const OUTCOME_WAIT: Duration = Duration::from_micros(500);
const LEADING_WAIT: Duration = Duration::from_secs(30);
/// A group keeps one place for an entry of the writer's own.
pub const LARGEST_GROUP: usize = MAX_GROUP_ENTRIES - 1;

/// A writer, and the home that it writes in.
pub struct Stepped {
    writer: Writer,
    pub home: Home,
}

struct SinceStart(Instant);

impl Timer for SinceStart {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

struct RandomIds;

impl RandomSource for RandomIds {
    fn bits(&mut self) -> u128 {
        Uuid::new_v4().as_u128()
    }
}

impl Stepped {
    /// A new registry in `dir`, led.
    pub fn start(dir: &Path) -> Result<Self> {
        let home = Home::create(dir, NewHome::default())?;
        let settings = WritingOptions::default();
        let OpenLog { log, source, hint, .. } =
            crate::log::open(&home, settings.name.name(), settings.session_timeout)?;
        let around = Surroundings {
            clock: Arc::new(WallClock),
            timer: Arc::new(SinceStart(Instant::now())),
            random: Box::new(RandomIds),
            pins: Arc::new(home.pins()?),
            saves_in_thread: true,
        };
        let (registry_dir, engine) = (home.registry_dir(), home.config.engine.into());
        let options = writer_options(&home, &settings, hint.is_none());
        let writer = Writer::open(
            options,
            around,
            log,
            source,
            Some(Box::new(move |identity| Store::open_dir(&registry_dir, engine, identity))),
        )?;
        let mut stepped = Self { writer, home };
        let begin = Instant::now();
        while !stepped.writer.is_leading() || stepped.writer.has_work() {
            ensure!(begin.elapsed() < LEADING_WAIT, "the writer does not come to lead");
            stepped.writer.step(OUTCOME_WAIT)?;
        }
        Ok(stepped)
    }

    /// Submits everything in groups of this size; returns when the last is answered. Every command must be accepted.
    pub fn run(
        &mut self,
        commands: impl IntoIterator<Item = (Submitter, CommandEnvelope)>,
        group: usize,
    ) -> Result<()> {
        let accepted = Arc::new(AtomicU32::new(0));
        let mut commands = commands.into_iter();
        let mut submitted = 0;
        loop {
            if self.writer.waiting_len() == 0 {
                for (submitter, envelope) in commands.by_ref().take(group) {
                    let accepted = Arc::clone(&accepted);
                    let reply = Box::new(move |told: command_service::Told| {
                        let is_accepted = matches!(told.answer, Ok(Outcome::Accepted(_)));
                        accepted.fetch_add(u32::from(is_accepted), Ordering::Relaxed);
                    });
                    let request = Request::Command { envelope: Box::new(envelope), reply };
                    self.writer.accept(Waiting::new(submitter, request, Duration::ZERO));
                    submitted += 1;
                }
                if self.writer.is_idle() {
                    break;
                }
            }
            let wait = if self.writer.has_work() { Duration::ZERO } else { OUTCOME_WAIT };
            self.writer.step(wait)?;
        }
        let accepted = accepted.load(Ordering::Relaxed);
        ensure!(accepted == submitted, "{} of {submitted} commands were not accepted", submitted - accepted);
        Ok(())
    }

    /// The same from the office that submits, timed.
    pub fn time(&mut self, commands: Vec<CommandEnvelope>, group: usize) -> Result<Duration> {
        let begin = Instant::now();
        self.run(commands.into_iter().map(|envelope| (OFFICE, envelope)), group)?;
        Ok(begin.elapsed())
    }

    pub fn stop(self) -> Result<()> {
        Ok(self.writer.close()?)
    }
}
