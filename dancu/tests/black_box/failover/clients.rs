//! Offices that submit all the while, each at one node until it does not answer, then at the other; and ask the other what became of it.

use super::nodes::{Kind, Node};
use event_schemas::CommandEnvelope;
use event_schemas::ids::{CommandId, Lsn, OfficeId};
use event_schemas::outcome::{Outcome, Refusal};
use event_schemas::time::Date;
use serde_json::Value;
use simulator::{Options, Phase, World};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tests::linearizability::{Event, Shown};

const CLIENTS: usize = 3;
/// Commands of one request.
const BATCH: usize = 8;
/// Between two requests of a client, so that the work lasts.
const PACE: Duration = Duration::from_millis(60);
const REQUEST_WITHIN: Duration = Duration::from_secs(3);
/// Short: a node that sleeps must not keep its clients from the other.
const LOOK_WITHIN: Duration = Duration::from_millis(300);
/// Of the batches that got no answer while people are enrolled, every so many is never sent again: its fate is read in the log.
const GIVEN_UP: usize = 4;
/// More than clients can enrol in a minute.
const PERSONS_A_MINUTE: f64 = 300_000.0;

type Work = (OfficeId, Vec<CommandEnvelope>);

/// What a client submits, and the number of its first question.
struct Task {
    office: OfficeId,
    commands: Vec<CommandEnvelope>,
    token: String,
    number: usize,
}

/// What was sent, and what was answered.
#[derive(Clone, Default)]
pub struct Heard {
    pub sent: BTreeSet<CommandId>,
    pub accepted: BTreeMap<CommandId, Lsn>,
    pub refused: BTreeSet<CommandId>,
    pub repeats: usize,
    /// All questions and answers, in the order in which they were put and came.
    pub events: Vec<Event>,
    questions: usize,
}

impl Heard {
    fn ask(&mut self, submits: Option<CommandId>) -> usize {
        self.events.push(Event::Asked { submits });
        self.questions += 1;
        self.questions - 1
    }

    fn answer(&mut self, number: usize, shown: Shown) {
        self.events.push(Event::Answered { number, shown });
    }
}

struct Shared {
    world: World,
    waiting: VecDeque<Work>,
    heard: Heard,
    /// When each answer with acceptances came.
    accepted_at: Vec<(Instant, usize)>,
    failures: usize,
    tokens: BTreeMap<OfficeId, String>,
}

pub struct Clients {
    shared: Arc<Mutex<Shared>>,
    is_ending: Arc<AtomicBool>,
    urls: Vec<String>,
    token_node: Arc<Node>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    pub fn new(nodes: &[Node], minutes: f64) -> Self {
        let persons = (PERSONS_A_MINUTE * minutes.max(1.0)) as u32;
        let world = World::new(Options { persons, ..Options::default() }).unwrap();
        let shared = Shared {
            world,
            waiting: VecDeque::new(),
            heard: Heard::default(),
            accepted_at: Vec::new(),
            failures: 0,
            tokens: BTreeMap::new(),
        };
        // Only for its keys; it is never started.
        let token_node = Node::new(nodes[0].home.parent().unwrap(), "a", Kind::Registry, "");
        Self {
            shared: Arc::new(Mutex::new(shared)),
            is_ending: Arc::default(),
            urls: nodes.iter().map(|node| node.url("/v1/commands")).collect(),
            token_node: Arc::new(token_node),
            threads: Vec::new(),
        }
    }

    /// The day on which everything happens.
    pub fn date(&self) -> Date {
        lock(&self.shared).world.current_date()
    }

    pub fn begin(&mut self) {
        for number in 0..CLIENTS {
            let (shared, is_ending) = (Arc::clone(&self.shared), Arc::clone(&self.is_ending));
            let (urls, token_node) = (self.urls.clone(), Arc::clone(&self.token_node));
            let client =
                reqwest::blocking::Client::builder().timeout(REQUEST_WITHIN).no_proxy().build().unwrap();
            self.threads.push(std::thread::spawn(move || {
                let mut at = number;
                while !is_ending.load(Ordering::Acquire) {
                    std::thread::sleep(PACE);
                    let Some(task) = next(&shared, &token_node) else { continue };
                    let (answers, is_silent) = submit(&client, &urls[at % urls.len()], &task);
                    // A node that says that it cannot answer now finds the leader as soon as there is one.
                    at += usize::from(is_silent);
                    let asked = (task.commands[0].command_id, task.token.clone());
                    take(&shared, task, answers);
                    ask_after(&shared, &client, &urls[(at + 1) % urls.len()], asked);
                }
            }));
        }
    }

    pub fn accepted_since(&self, begin: Instant) -> usize {
        let shared = lock(&self.shared);
        shared.accepted_at.iter().rev().take_while(|(at, _)| *at > begin).map(|(_, count)| count).sum()
    }

    /// The longest time between two acceptances.
    pub fn longest_pause(&self, begin: Instant, end: Instant) -> Duration {
        let shared = lock(&self.shared);
        let times = shared.accepted_at.iter().map(|(at, _)| *at).filter(|at| *at > begin && *at < end);
        let times: Vec<Instant> = std::iter::once(begin).chain(times).chain([end]).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }

    /// Ends the clients; what they heard.
    pub fn end(&mut self) -> Heard {
        self.is_ending.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        let shared = lock(&self.shared);
        let surprises = shared.world.tally();
        assert_eq!(surprises.surprises, 0, "{:?}", surprises.first_surprises.first());
        shared.heard.clone()
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap()
}

/// The next work and the token for it.
fn next(shared: &Mutex<Shared>, token_node: &Node) -> Option<Task> {
    let mut shared = lock(shared);
    if shared.waiting.is_empty() {
        let mut by_office: BTreeMap<OfficeId, Vec<CommandEnvelope>> = BTreeMap::new();
        for planned in shared.world.next_batch(40 * BATCH) {
            by_office.entry(planned.office).or_default().push(planned.envelope);
        }
        for (office, commands) in by_office {
            shared.waiting.extend(commands.chunks(BATCH).map(|part| (office, part.to_vec())));
        }
    }
    let (office, commands) = shared.waiting.pop_front()?;
    shared.heard.sent.extend(commands.iter().map(|command| command.command_id));
    let token = shared.tokens.entry(office).or_insert_with(|| token_node.token(office)).clone();
    let numbers: Vec<usize> =
        commands.iter().map(|command| shared.heard.ask(Some(command.command_id))).collect();
    Some(Task { office, commands, token, number: numbers[0] })
}

/// Answers to the lines that were answered, fewer if the node, or its leader, could not say; and whether the node said nothing at all.
fn submit(client: &reqwest::blocking::Client, url: &str, task: &Task) -> (Vec<(CommandId, Outcome)>, bool) {
    let mut body = Vec::new();
    for command in &task.commands {
        serde_json::to_writer(&mut body, command).unwrap();
        body.push(b'\n');
    }
    let request = client.post(format!("{url}/batch")).bearer_auth(&task.token);
    let request = request.header("content-type", "application/x-ndjson").body(body);
    let answer = request.send().and_then(|response| response.text());
    let (is_silent, text) = (answer.is_err(), answer.unwrap_or_default());
    let mut answers = Vec::new();
    for (command, line) in task.commands.iter().zip(text.lines()) {
        let Ok(value) = serde_json::from_str::<Value>(line) else { break };
        let Ok(outcome) = serde_json::from_value::<Outcome>(value) else { break };
        answers.push((command.command_id, outcome));
    }
    (answers, is_silent)
}

/// Asks what became of a command, answered or not.
fn ask_after(
    shared: &Mutex<Shared>,
    client: &reqwest::blocking::Client,
    url: &str,
    (command, token): (CommandId, String),
) {
    let number = lock(shared).heard.ask(None);
    let request = client.get(format!("{url}/{command}")).bearer_auth(token).timeout(LOOK_WITHIN);
    let response = request.send();
    let Ok(response) = response else { return };
    let is_unknown = response.status() == reqwest::StatusCode::NOT_FOUND;
    let Ok(value) = response.json::<Value>() else { return };
    let shown = match serde_json::from_value(value.clone()) {
        Ok(Outcome::Accepted(acceptance)) => Shown::Record { command, lsn: acceptance.lsn },
        _ if is_unknown => Shown::UpTo { lsn: Lsn(value["lsn"].as_u64().unwrap()), without: Some(command) },
        _ => return,
    };
    lock(shared).heard.answer(number, shown);
}

fn take(shared: &Mutex<Shared>, task: Task, answers: Vec<(CommandId, Outcome)>) {
    let mut shared = lock(shared);
    let Task { office, commands, number, .. } = task;
    let (answered, mut accepted) = (answers.len(), 0);
    for (place, (command, outcome)) in answers.into_iter().enumerate() {
        shared.world.answer(command, &outcome).unwrap();
        match outcome {
            Outcome::Accepted(acceptance) => {
                accepted += 1;
                shared.heard.answer(number + place, Shown::Record { command, lsn: acceptance.lsn });
                shared.heard.accepted.insert(command, acceptance.lsn);
            }
            Outcome::Refused(Refusal { lsn, .. }) => {
                shared.heard.answer(number + place, Shown::UpTo { lsn, without: Some(command) });
                shared.heard.refused.insert(command);
            }
        }
    }
    if accepted > 0 {
        shared.accepted_at.push((Instant::now(), accepted));
    }
    if answered < commands.len() {
        shared.failures += 1;
        let is_given_up =
            shared.world.phase() == Phase::Enrolment && shared.failures.is_multiple_of(GIVEN_UP);
        if !is_given_up {
            shared.heard.repeats += commands.len() - answered;
            shared.waiting.push_front((office, commands[answered..].to_vec()));
        }
    }
}
