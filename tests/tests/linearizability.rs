//! The check of what askers saw against a checker that searches: stateright's `LinearizabilityTester`.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as loudly as tests")]

use event_schemas::ids::{CommandId, Lsn};
use proptest::prelude::*;
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};
use std::collections::{BTreeMap, BTreeSet};
use tests::linearizability::{Event, History, Operation, Shown, judge};
use tests::simulation::Simulation;

/// Seeds whose whole histories are searched.
const SEEDS: u64 = 12;

/// What a registry is to whoever asks: the commands that it has recorded, in their order. Whether a command is accepted or refused
/// is not said here; that is decided again, on the state that the answer names.
#[derive(Clone, Debug, Default)]
struct Registry {
    recorded: Vec<CommandId>,
    /// At how many records an lsn stands.
    places: BTreeMap<Lsn, usize>,
}

#[derive(Clone, Debug)]
enum Question {
    Submit(CommandId),
    Look,
}

impl Registry {
    fn count_up_to(&self, lsn: Lsn) -> usize {
        self.places.range(..=lsn).next_back().map_or(0, |(_, count)| *count)
    }

    fn shows(&self, shown: &Shown) -> bool {
        match shown {
            Shown::Record { command, lsn } => {
                let place = self.count_up_to(*lsn);
                self.places.contains_key(lsn) && self.recorded.get(place - 1) == Some(command)
            }
            Shown::UpTo { lsn, without } => {
                let is_without = without.is_none_or(|command| !self.recorded.contains(&command));
                self.recorded.len() == self.count_up_to(*lsn) && is_without
            }
        }
    }
}

impl SequentialSpec for Registry {
    type Op = Question;
    type Ret = Shown;

    fn invoke(&mut self, _: &Question) -> Shown {
        unreachable!("every question that is searched has an answer");
    }

    fn is_valid_step(&mut self, question: &Question, shown: &Shown) -> bool {
        if let Question::Submit(command) = question {
            self.recorded.push(*command);
        }
        self.shows(shown)
    }
}

/// A question, when it was put, and the answer with its time.
type Span = (u64, Question, (u64, Shown));

/// What the searching checker is told: of each recorded command one submission, from when it was first asked for to the first answer
/// that shows it, or to the end, where the log itself does; and every other answer as a look. Questions without an answer whose
/// commands are not in the log changed nothing.
fn search(operations: &[Operation], records: &BTreeMap<CommandId, Lsn>) -> bool {
    let mut places: Vec<Lsn> = records.values().copied().collect();
    places.sort_unstable();
    let places = places.into_iter().enumerate().map(|(at, lsn)| (lsn, at + 1)).collect();
    let mut spans: Vec<Span> = Vec::new();
    let mut first_answers = Vec::new();
    for (command, lsn) in records {
        let asked = operations.iter().filter(|it| it.submits == Some(*command)).map(|it| it.asked_at).min();
        let shown = Shown::Record { command: *command, lsn: *lsn };
        let answers = operations.iter().filter_map(|it| it.answer).filter(|(_, it)| *it == shown);
        let answered_at = answers.map(|(at, _)| at).min().unwrap_or(u64::MAX);
        match asked {
            Some(asked_at) if asked_at < answered_at => {
                spans.push((asked_at, Question::Submit(*command), (answered_at, shown)));
            }
            _ => return false,
        }
        first_answers.push(answered_at);
    }
    for operation in operations {
        if let Some((at, shown)) = operation.answer.filter(|(at, _)| !first_answers.contains(at)) {
            spans.push((operation.asked_at, Question::Look, (at, shown)));
        }
    }
    is_linearizable(Registry { recorded: Vec::new(), places }, &spans)
}

/// The checker tries threads in their order, and forgets what it found before: with looks first it seldom tries in vain.
const FIRST_SUBMITTER: usize = 1_000;

fn is_linearizable(registry: Registry, spans: &[Span]) -> bool {
    let mut events: Vec<(u64, bool, usize)> = Vec::new();
    for (number, (asked_at, _, (answered_at, _))) in spans.iter().enumerate() {
        events.extend([(*asked_at, true, number), (*answered_at, false, number)]);
    }
    events.sort_unstable();
    let mut tester = LinearizabilityTester::new(registry);
    let (mut threads, mut busy) = (BTreeMap::new(), BTreeSet::new());
    for (_, is_question, number) in events {
        let (_, question, (_, shown)) = &spans[number];
        if is_question {
            let first = if matches!(question, Question::Look) { 0 } else { FIRST_SUBMITTER };
            let thread = (first..).find(|thread| !busy.contains(thread)).unwrap();
            busy.insert(thread);
            threads.insert(number, thread);
            tester.on_invoke(thread, question.clone()).unwrap();
        } else {
            busy.remove(&threads[&number]);
            tester.on_return(threads[&number], *shown).unwrap();
        }
    }
    tester.is_consistent()
}

#[test]
fn what_askers_saw_in_the_simulation_satisfies_a_checker_that_searches() {
    let mut answers = [0; 2];
    for seed in 0..SEEDS {
        for (place, history) in Simulation::histories(seed).unwrap().iter().enumerate() {
            assert!(search(history.operations(), history.records()), "seed {seed}, history {place}");
            answers[place] += history.operations().iter().filter(|it| it.answer.is_some()).count();
        }
    }
    println!("{answers:?} answers of {SEEDS} seeds");
    assert!(answers.iter().all(|answers| *answers as u64 > 20 * SEEDS), "{answers:?}");
}

const COMMANDS: u128 = 3;

/// A question: when it is put, how long it takes, what it may bring in, what its answer shows if there is one.
type Drawn = (u8, u8, Option<u128>, Option<(bool, u128, u64)>);

fn questions() -> impl Strategy<Value = Vec<Drawn>> {
    let command = 1..=COMMANDS;
    let shown = (any::<bool>(), command.clone(), 0..=COMMANDS as u64);
    let question =
        (0..8_u8, 1..6_u8, proptest::option::weighted(0.7, command), proptest::option::weighted(0.8, shown));
    proptest::collection::vec(question, 1..7)
}

/// The events of these questions in order, and a log of the commands that they ask for, the first so many in this order.
fn events(drawn: &[Drawn], recorded: &[u128]) -> (Vec<Event>, Vec<(Lsn, CommandId)>) {
    let is_asked = |command: &u128| drawn.iter().any(|(_, _, submits, _)| *submits == Some(*command));
    let recorded: Vec<u128> = recorded.iter().copied().filter(is_asked).collect();
    let place = |command: u128| recorded.iter().position(|it| *it == command);
    let records =
        recorded.iter().enumerate().map(|(at, it)| (Lsn(at as u64 + 1), CommandId(*it))).collect::<Vec<_>>();
    let mut moments: Vec<(u8, bool, usize)> = Vec::new();
    for (number, (at, takes, _, answer)) in drawn.iter().enumerate() {
        moments.push((*at, true, number));
        moments.extend(answer.map(|_| (*at + *takes, false, number)));
    }
    moments.sort_unstable();
    let mut numbers = BTreeMap::new();
    let events = moments.into_iter().filter_map(|(_, is_question, number)| {
        let (_, _, submits, answer) = drawn[number];
        if is_question {
            numbers.insert(number, numbers.len());
            return Some(Event::Asked { submits: submits.map(CommandId) });
        }
        let (is_record, command, lsn) = answer?;
        let shown = match place(command).filter(|_| is_record) {
            Some(place) => Shown::Record { command: CommandId(command), lsn: Lsn(place as u64 + 1) },
            None => Shown::UpTo { lsn: Lsn(lsn.min(records.len() as u64)), without: submits.map(CommandId) },
        };
        Some(Event::Answered { number: numbers[&number], shown })
    });
    (events.collect(), records.clone())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_log_explains_an_answer_exactly_if_any_order_does(
        drawn in questions(),
        recorded in Just((1..=COMMANDS).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let (events, records) = events(&drawn, &recorded);
        let said = judge(&events, &records);
        let history = heard(&events);
        let by_command = records.iter().map(|(lsn, command)| (*command, *lsn)).collect();
        prop_assert_eq!(search(history.operations(), &by_command), said.is_ok(), "{:?} {:?}: {:?}", events, records, said);
    }
}

/// The same questions and answers, without a verdict.
fn heard(events: &[Event]) -> History {
    let mut history = History::default();
    for event in events {
        match *event {
            Event::Asked { submits } => drop(history.ask(submits)),
            Event::Answered { number, shown } => drop(history.answer(number, shown)),
        }
    }
    history
}
