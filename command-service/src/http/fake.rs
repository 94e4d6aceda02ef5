//! A gateway in memory, for tests of the API: accepts what it is given, except where a test says otherwise.

use crate::gateway::{
    Answer, CommandGateway, CommandStatus, Leader, Role, Stats, SubmitError, Submitter, Told,
};
use async_trait::async_trait;
use event_log::{LogError, Member};
use event_schemas::ids::{CommandId, LogId, Lsn, OfficerId, PersonId, Term};
use event_schemas::outcome::{Acceptance, Created, Fault, Outcome, Refusal};
use event_schemas::row::RowRef;
use event_schemas::time::Timestamp;
use event_schemas::{Command, CommandEnvelope};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

pub const LOG: LogId = LogId(7);
pub const TOLD: RowRef = RowRef::Person(PersonId(77));

#[derive(Default)]
struct Kept {
    /// In the order of their lsn.
    records: Vec<(Submitter, CommandEnvelope)>,
    by_id: HashMap<CommandId, usize>,
}

/// Refuses every [`Command::Death`], answers anything else with an acceptance.
#[derive(Default)]
pub struct FakeGateway {
    kept: Mutex<Kept>,
    /// Answers `Overloaded` this many times before it takes anything.
    pub overloads: AtomicUsize,
    pub leads_not: AtomicBool,
    pub term: AtomicU64,
    /// Who leads, if not this one.
    pub leader: Mutex<Option<Leader>>,
    /// Refusals and dry runs tell of [`TOLD`].
    pub tells: AtomicBool,
    pub format: AtomicU16,
    pub members: Mutex<Vec<Member>>,
    delay: Duration,
    /// Most commands that waited at once.
    pub most_in_flight: AtomicUsize,
    in_flight: AtomicUsize,
}

impl FakeGateway {
    /// Each call takes so long.
    pub fn slow(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    /// What was accepted, in order.
    pub fn records(&self) -> Vec<(Submitter, CommandEnvelope)> {
        self.kept().records.clone()
    }

    /// Whoever refuses or tries tells of [`TOLD`], if the test wants it.
    fn tell(&self, submitter: Submitter, envelope: CommandEnvelope) -> Told {
        let answer = self.answer(submitter, envelope);
        let is_recorded =
            matches!(&answer, Ok(Outcome::Accepted(Acceptance { dry_run: false, .. })) | Err(_));
        let tells = self.tells.load(Ordering::SeqCst) && !is_recorded;
        Told { answer, rows: if tells { vec![TOLD] } else { Vec::new() }, foreseen: None }
    }

    fn answer(&self, submitter: Submitter, envelope: CommandEnvelope) -> Answer {
        let mut kept = self.kept();
        let command_id = envelope.command_id;
        let lsn = Lsn(kept.records.len() as u64);
        if let Some(&at) = kept.by_id.get(&command_id) {
            if kept.records[at] == (submitter, envelope) {
                return Ok(accepted(command_id, at, true, false));
            }
            return Ok(refused(command_id, lsn, "command_id_reused"));
        }
        if let Command::Death(_) = envelope.command {
            return Ok(refused(command_id, lsn, "person_dead"));
        }
        let at = kept.records.len();
        if envelope.dry_run {
            return Ok(accepted(command_id, at, false, true));
        }
        kept.by_id.insert(command_id, at);
        kept.records.push((submitter, envelope));
        Ok(accepted(command_id, at, false, false))
    }
}

fn accepted(command_id: CommandId, at: usize, repeated: bool, dry_run: bool) -> Outcome {
    Outcome::Accepted(Acceptance {
        command_id,
        log_id: LOG,
        lsn: Lsn(at as u64 + 1),
        recorded_at: Timestamp(1),
        repeated,
        dry_run,
        created: Created::default(),
        rows: Vec::new(),
        notes: Vec::new(),
        correction: None,
    })
}

fn refused(command_id: CommandId, lsn: Lsn, code: &str) -> Outcome {
    let fault = |field: &str| Fault {
        code: code.into(),
        field: Some(field.into()),
        vi: "không được".into(),
        en: "not so".into(),
        rows: Vec::new(),
        events: Vec::new(),
        overridable: false,
    };
    Outcome::Refused(Refusal {
        command_id,
        log_id: LOG,
        lsn,
        faults: vec![fault("command.one"), fault("command.two")],
    })
}

#[async_trait]
impl CommandGateway for FakeGateway {
    async fn submit_telling(&self, submitter: Submitter, envelopes: Vec<CommandEnvelope>) -> Vec<Told> {
        if self.leads_not.load(Ordering::SeqCst) {
            return envelopes
                .iter()
                .map(|_| Err(SubmitError::NotLeading { retry_after_s: 2 }).into())
                .collect();
        }
        let overloaded = self
            .overloads
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok();
        if overloaded {
            return envelopes
                .iter()
                .map(|_| Err(SubmitError::Overloaded { retry_after_s: 1 }).into())
                .collect();
        }
        let count = envelopes.len();
        let waiting = self.in_flight.fetch_add(count, Ordering::SeqCst) + count;
        self.most_in_flight.fetch_max(waiting, Ordering::SeqCst);
        let answers = envelopes.into_iter().map(|envelope| self.tell(submitter, envelope)).collect();
        tokio::time::sleep(self.delay).await;
        self.in_flight.fetch_sub(count, Ordering::SeqCst);
        answers
    }

    async fn status_of(
        &self,
        submitter: Submitter,
        command_id: CommandId,
    ) -> Result<CommandStatus, SubmitError> {
        let kept = self.kept();
        Ok(match kept.by_id.get(&command_id) {
            Some(&at) if kept.records[at].0.office == submitter.office => {
                match accepted(command_id, at, true, false) {
                    Outcome::Accepted(acceptance) => CommandStatus::Accepted(acceptance),
                    Outcome::Refused(_) => panic!("what was kept was accepted"),
                }
            }
            _ => CommandStatus::NotFound { log_id: LOG, lsn: Lsn(kept.records.len() as u64) },
        })
    }

    fn take_over(&self) {
        self.leads_not.store(false, Ordering::SeqCst);
    }

    fn activate(&self, format: u16, _: OfficerId) {
        self.format.store(format, Ordering::SeqCst);
    }

    fn members(&self) -> Result<Vec<Member>, LogError> {
        Ok(self.members.lock().unwrap().clone())
    }

    fn stats(&self) -> Arc<Stats> {
        let role = if self.leads_not.load(Ordering::SeqCst) { Role::Following } else { Role::Leading };
        let mut stats = Stats {
            role,
            node: "fake".into(),
            format: self.format.load(Ordering::SeqCst),
            lsn: Lsn(self.kept().records.len() as u64),
            term: Term(self.term.load(Ordering::SeqCst)),
            leader: self.leader.lock().unwrap().clone(),
            silent_ms: Some(0),
            ..Stats::default()
        };
        stats.group_entries.record(3);
        stats.refused_by_code.insert("person_dead".into(), 2);
        stats.drops.push(("lsn_taken", 4));
        Arc::new(stats)
    }
}
