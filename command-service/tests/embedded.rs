//! The running service on the embedded log: commands in, answers out, and everything still there after a restart.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

use command_service::gateway::{Role, Told};
use command_service::service::{CommandService, Handle, Options, Parts};
use command_service::writer::{NewLog, WriterOptions};
use command_service::{Clock, CommandGateway, CommandStatus, ScriptedClock, SubmitError, Submitter};
use domain::permutation::KeyedPins;
use event_log::embedded::{EmbeddedLog, Options as LogOptions};
use event_schemas::command::person::NewPerson;
use event_schemas::command::residence::PermanentMove;
use event_schemas::command::{Command, CommandEnvelope, MAX_MEMBERS};
use event_schemas::examples::example;
use event_schemas::household::Relationship;
use event_schemas::ids::{CommandId, HouseholdId, InstanceId, LogId, Lsn, OfficeId, OfficerId, PersonId};
use event_schemas::outcome::{Acceptance, Outcome, Refusal};
use event_schemas::person::{MAX_OTHER_NAMES, PersonalData};
use event_schemas::record::ClockKind;
use event_schemas::row::RowRef;
use event_schemas::text::Text;
use event_schemas::time::{Date, Timestamp};
use state_store::home::EngineOptions;
use state_store::store::Store;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const OPERATOR: Submitter = Submitter { office: OfficeId(0), officer: OfficerId(1) };

fn day(text: &str) -> Timestamp {
    Timestamp::at_vietnam_midnight(text.parse::<Date>().unwrap())
}

fn open(dir: &Path, clock: &ScriptedClock, limits: WriterOptions) -> (Handle, CommandService) {
    open_with(dir, Arc::new(clock.clone()), limits)
}

fn open_with(dir: &Path, clock: Arc<dyn Clock>, limits: WriterOptions) -> (Handle, CommandService) {
    let log_options = LogOptions::in_directory(dir.join("log"), InstanceId(7)).unwrap();
    let log = EmbeddedLog::open(log_options).unwrap();
    let store_dir = dir.join("store");
    let parts = Parts {
        source: Arc::new(log.handle()),
        log: Box::new(log),
        clock,
        pins: Arc::new(KeyedPins::new(1, [3; 16])),
        store: Some(Box::new(move |identity| {
            Store::open_dir(&store_dir, EngineOptions::default(), identity)
        })),
        hint: None,
    };
    let new_log = Some(NewLog { log_id: LogId(5), note: Text::new("a test").unwrap() });
    let command_ids_dir = Some(dir.join("ids"));
    let writer = WriterOptions { is_log_exclusive: true, new_log, command_ids_dir, ..limits };
    CommandService::open(Options { writer, ..Options::default() }, parts).unwrap()
}

async fn until_ready(handle: &Handle) {
    for _ in 0..500 {
        if handle.stats().is_ready() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not ready: {:?}", handle.stats());
}

fn command(kind: &str, id: u128) -> CommandEnvelope {
    CommandEnvelope { command_id: CommandId(id), ..example(kind).unwrap() }
}

fn accepted(outcome: Outcome) -> Acceptance {
    match outcome {
        Outcome::Accepted(acceptance) => acceptance,
        Outcome::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn refused(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal) => refusal,
        Outcome::Accepted(acceptance) => panic!("{acceptance:?}"),
    }
}

#[tokio::test]
async fn what_was_accepted_is_there_after_a_restart_and_a_repeat_gets_the_first_answer() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ScriptedClock::new(day("2021-03-15"));
    let (handle, service) = open(dir.path(), &clock, WriterOptions::default());
    until_ready(&handle).await;
    let units = accepted(handle.submit(OPERATOR, command("establish_units", 1)).await.unwrap());
    assert_eq!(units.created.units.len(), 3);
    let household = command("enrol_household", 2);
    let first = accepted(handle.submit(OPERATOR, household.clone()).await.unwrap());
    assert_eq!(first.created.persons.len(), 3);
    assert!(first.lsn > units.lsn);
    service.stop().unwrap();
    assert_eq!(handle.submit(OPERATOR, household.clone()).await, Err(SubmitError::Stopping));

    let (handle, service) = open(dir.path(), &clock, WriterOptions::default());
    until_ready(&handle).await;
    assert_eq!(handle.stats().entries_read, 1, "only its own claim is read: the rest was saved");
    let again = accepted(handle.submit(OPERATOR, household.clone()).await.unwrap());
    assert!(again.repeated);
    assert_eq!(Acceptance { repeated: false, ..again }, first);
    let status = handle.status_of(OPERATOR, CommandId(2)).await.unwrap();
    assert!(matches!(status, CommandStatus::Accepted(acceptance) if acceptance.lsn == first.lsn));
    let status = handle.status_of(OPERATOR, CommandId(99)).await.unwrap();
    assert!(matches!(status, CommandStatus::NotFound { lsn, .. } if lsn >= first.lsn));

    let other = CommandEnvelope { command_id: CommandId(2), ..command("establish_units", 2) };
    let reused = refused(handle.submit(OPERATOR, other).await.unwrap());
    assert_eq!(reused.faults[0].code, "command_id_reused");
    let person = handle.submit(OPERATOR, command("enrol_person", 3)).await.unwrap();
    assert_eq!(accepted(person).created.persons.len(), 1);
    drop(handle);
    service.stop().unwrap();
}

#[tokio::test]
async fn without_saved_state_the_log_alone_gives_the_same_state() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ScriptedClock::new(day("2021-03-15"));
    let (handle, service) = open(dir.path(), &clock, WriterOptions::default());
    until_ready(&handle).await;
    handle.submit(OPERATOR, command("establish_units", 1)).await.unwrap();
    let first = accepted(handle.submit(OPERATOR, command("enrol_household", 2)).await.unwrap());
    drop(service);
    // Without the index of ids the pages are of no use, and the other way round.
    for lost in ["store", "ids"] {
        std::fs::remove_dir_all(dir.path().join(lost)).unwrap();
        let (handle, service) = open(dir.path(), &clock, WriterOptions::default());
        until_ready(&handle).await;
        assert!(handle.stats().entries_read > first.lsn.0, "the log is read from its beginning");
        let again = accepted(handle.submit(OPERATOR, command("enrol_household", 2)).await.unwrap());
        assert_eq!((again.lsn, again.created), (first.lsn, first.created.clone()));
        service.stop().unwrap();
    }
    let (handle, _service) = open(dir.path(), &clock, WriterOptions::default());
    until_ready(&handle).await;
    let again = accepted(handle.submit(OPERATOR, command("enrol_household", 2)).await.unwrap());
    assert_eq!((again.lsn, again.created), (first.lsn, first.created));
}

#[tokio::test]
async fn a_batch_is_decided_in_order_and_a_dry_run_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ScriptedClock::new(day("2021-03-15"));
    let (handle, _service) = open(dir.path(), &clock, WriterOptions::default());
    until_ready(&handle).await;
    let tried = CommandEnvelope { dry_run: true, ..command("enrol_household", 2) };
    let batch = vec![
        command("enrol_household", 9),
        command("establish_units", 1),
        tried,
        command("enrol_household", 2),
        command("enrol_household", 2),
    ];
    let answers = handle.submit_many(OPERATOR, batch).await;
    let answers: Vec<Outcome> = answers.into_iter().map(Result::unwrap).collect();
    assert!(matches!(&answers[0], Outcome::Refused(refusal) if refusal.faults[0].code == "unknown_unit"));
    let [_, units, tried, enrolled, repeated] = answers.try_into().unwrap();
    let (units, tried, enrolled) = (accepted(units), accepted(tried), accepted(enrolled));
    assert!(tried.dry_run);
    assert_eq!(enrolled.lsn, Lsn(units.lsn.0 + 1));
    assert_eq!(tried.created, enrolled.created);
    assert!(accepted(repeated).repeated);
}

/// The whole example household moves within its ward; the command names the household alone.
fn move_household(id: u128) -> CommandEnvelope {
    let mut envelope = command("move_permanent", id);
    let Command::EnrolHousehold(enrolled) = command("enrol_household", 0).command else { unreachable!() };
    if let Command::MovePermanent(moved) = &mut envelope.command {
        moved.movement = PermanentMove::WholeHousehold { household: HouseholdId(1), to: enrolled.place };
        moved.successions.clear();
    }
    envelope
}

async fn told(handle: &Handle, envelope: CommandEnvelope) -> (Outcome, Vec<RowRef>) {
    let Told { answer, rows, foreseen } = handle.submit_telling(OPERATOR, vec![envelope]).await.remove(0);
    assert!(foreseen.is_none(), "of corrections alone it is said what they would record");
    (answer.unwrap(), rows)
}

#[tokio::test]
async fn a_dry_run_shows_no_rows_but_those_its_command_names_or_would_create_and_says_which_were_there() {
    // Given a household of three,
    let dir = tempfile::tempdir().unwrap();
    let clock = ScriptedClock::new(day("2021-03-15"));
    let (handle, _service) = open(dir.path(), &clock, WriterOptions::default());
    until_ready(&handle).await;
    accepted(handle.submit(OPERATOR, command("establish_units", 1)).await.unwrap());
    let tried = CommandEnvelope { dry_run: true, ..command("enrol_household", 2) };
    let (outcome, rows) = told(&handle, tried).await;
    assert_eq!(accepted(outcome).rows.len(), 4, "it would create a household and three persons");
    assert_eq!(rows, []);
    accepted(handle.submit(OPERATOR, command("enrol_household", 2)).await.unwrap());
    // when its move is tried, the members are not shown; when it is meant, they stand in the log.
    let household = RowRef::Household(HouseholdId(1));
    let tried = CommandEnvelope { dry_run: true, ..move_household(3) };
    let (outcome, rows) = told(&handle, tried).await;
    let shown: Vec<RowRef> = accepted(outcome).rows.iter().map(|touch| touch.row).collect();
    assert_eq!((shown, rows), (vec![household], vec![household]));
    let (outcome, rows) = told(&handle, move_household(3)).await;
    assert_eq!((accepted(outcome).rows.len(), rows), (4, Vec::new()));
    let (outcome, rows) = told(&handle, move_household(3)).await;
    assert!(accepted(outcome).repeated && rows.is_empty());
}

#[tokio::test]
async fn a_refusal_says_which_registered_people_it_tells_of_however_they_were_named() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ScriptedClock::new(day("2021-03-15"));
    let (handle, _service) = open(dir.path(), &clock, WriterOptions::default());
    until_ready(&handle).await;
    accepted(handle.submit(OPERATOR, command("establish_units", 1)).await.unwrap());
    let (outcome, rows) = told(&handle, command("change_name", 2)).await;
    assert_eq!((refused(outcome).faults[0].code.as_str(), rows), ("unknown_person", Vec::new()));
    accepted(handle.submit(OPERATOR, command("enrol_household", 3)).await.unwrap());
    // By PIN and about a later day: the fault has no rows, and tells that the son is there all the same.
    let mut early = command("change_name", 4);
    if let Command::ChangeName(change) = &mut early.command {
        change.effective_on = "2021-03-16".parse().unwrap();
    }
    let (outcome, rows) = told(&handle, early).await;
    let faults = refused(outcome).faults;
    assert_eq!((faults[0].code.as_str(), faults[0].rows.len()), ("date_in_future", 0));
    assert_eq!(rows, [RowRef::Person(PersonId(3))]);
    // The numbers of people who are registered, given to others.
    let (outcome, rows) = told(&handle, command("enrol_household", 5)).await;
    assert!(refused(outcome).faults.iter().any(|fault| fault.code == "pin_taken"));
    assert_eq!(rows, [1, 2, 3].map(|person| RowRef::Person(PersonId(person))));
    // The same id again with other content tells of nobody.
    let (outcome, rows) = told(&handle, command("change_name", 3)).await;
    assert_eq!((refused(outcome).faults[0].code.as_str(), rows), ("command_id_reused", Vec::new()));
}

/// A household whose record would be longer than the log takes: the members have all the long names there may be.
fn too_large_household(id: u128) -> CommandEnvelope {
    let mut envelope = command("enrol_household", id);
    if let Command::EnrolHousehold(household) = &mut envelope.command {
        let mut other = household.members.remove(0);
        other.relationship = Relationship::NotKin;
        other.person =
            NewPerson { parents: Vec::new(), pin: None, data: PersonalData::default(), ..other.person };
        for part in 0..MAX_OTHER_NAMES {
            let name = format!("{} {part}", "ữ".repeat(190));
            other.person.identity.names.other.push(Text::new(&name).unwrap());
        }
        household.members = vec![other; MAX_MEMBERS];
    }
    envelope
}

#[tokio::test]
async fn a_dry_run_of_what_would_be_too_large_is_refused_as_the_command_itself_is() {
    // Given a command that keeps every rule but would make too large a record,
    let dir = tempfile::tempdir().unwrap();
    let clock = ScriptedClock::new(day("2021-03-15"));
    let (handle, _service) = open(dir.path(), &clock, WriterOptions::default());
    until_ready(&handle).await;
    accepted(handle.submit(OPERATOR, command("establish_units", 1)).await.unwrap());
    // when it is tried and then meant,
    let tried = CommandEnvelope { dry_run: true, ..too_large_household(2) };
    let tried = refused(handle.submit(OPERATOR, tried).await.unwrap());
    let meant = refused(handle.submit(OPERATOR, too_large_household(2)).await.unwrap());
    // then both get the same refusal.
    assert_eq!(tried.faults[0].code, "record_too_large");
    assert_eq!(tried, meant);
}

#[tokio::test]
async fn a_command_whose_time_has_passed_is_not_decided_and_a_full_queue_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ScriptedClock::new(day("2021-03-15"));
    let limits = WriterOptions { max_waiting: 2, ..WriterOptions::default() };
    let (handle, _service) = open(dir.path(), &clock, limits);
    until_ready(&handle).await;
    let late = CommandEnvelope {
        answer_by: Some(Timestamp(day("2021-03-15").0 - 1)),
        ..command("establish_units", 1)
    };
    assert_eq!(handle.submit(OPERATOR, late).await, Err(SubmitError::TooLate));
    let batch = (0..3).map(|id| command("establish_units", id)).collect();
    for answer in handle.submit_many(OPERATOR, batch).await {
        assert!(matches!(answer, Err(SubmitError::Overloaded { .. })));
    }
    accepted(handle.submit(OPERATOR, command("establish_units", 1)).await.unwrap());
}

#[tokio::test]
async fn missed_days_are_opened_in_order_before_a_command_is_decided() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ScriptedClock::new(day("2021-03-15"));
    let (handle, _service) = open(dir.path(), &clock, WriterOptions::default());
    until_ready(&handle).await;
    let first = accepted(handle.submit(OPERATOR, command("establish_units", 1)).await.unwrap());
    clock.advance_to(day("2021-03-25"));
    let mut tomorrow = command("register_office", 2);
    if let Command::RegisterOffice(office) = &mut tomorrow.command {
        office.opened_on = "2021-03-26".parse().unwrap();
    }
    let refusal = refused(handle.submit(OPERATOR, tomorrow).await.unwrap());
    assert_eq!(refusal.faults[0].code, "date_in_future");
    let office = accepted(handle.submit(OPERATOR, command("register_office", 2)).await.unwrap());
    // Ten days opened, each with the part that says that nothing more falls due.
    assert_eq!(office.lsn.0, first.lsn.0 + 21);
    assert_eq!(office.recorded_at, day("2021-03-25"));
}

#[tokio::test]
async fn another_clock_than_the_log_was_begun_with_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ScriptedClock::new(day("2021-03-15"));
    let (handle, service) = open(dir.path(), &clock, WriterOptions::default());
    until_ready(&handle).await;
    service.stop().unwrap();
    let log =
        EmbeddedLog::open(LogOptions::in_directory(dir.path().join("log"), InstanceId(7)).unwrap()).unwrap();
    let parts = Parts {
        source: Arc::new(log.handle()),
        log: Box::new(log),
        clock: Arc::new(command_service::WallClock),
        pins: Arc::new(KeyedPins::new(1, [3; 16])),
        store: None,
        hint: None,
    };
    let error = CommandService::open(Options::default(), parts).err().unwrap();
    assert!(error.to_string().contains("Scripted"), "{error}");
}

/// A clock that a log takes for the machine's.
struct WallOf(ScriptedClock);

impl Clock for WallOf {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn kind(&self) -> ClockKind {
        ClockKind::Wall
    }
}

#[tokio::test]
async fn a_wall_clock_far_ahead_of_the_last_record_needs_an_operators_consent() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ScriptedClock::new(day("2021-03-15"));
    let wall = || Arc::new(WallOf(clock.clone()));
    let (handle, service) = open_with(dir.path(), wall(), WriterOptions::default());
    until_ready(&handle).await;
    accepted(handle.submit(OPERATOR, command("establish_units", 1)).await.unwrap());
    service.stop().unwrap();

    clock.advance_to(day("2021-04-25"));
    let (handle, _service) = open_with(dir.path(), wall(), WriterOptions::default());
    for _ in 0..500 {
        if handle.stats().role == Role::AwaitingConsent {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let answer = handle.submit(OPERATOR, command("enrol_household", 2)).await;
    assert!(matches!(answer, Err(SubmitError::NotLeading { .. })), "{answer:?}");
    handle.consent_to_clock(OfficerId(1), Text::new("the machine was switched off").unwrap());
    until_ready(&handle).await;
    let answer = accepted(handle.submit(OPERATOR, command("enrol_household", 2)).await.unwrap());
    assert_eq!(answer.recorded_at, day("2021-04-25"));
}
