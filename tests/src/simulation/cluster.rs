//! Two or three nodes on one simulated log, with every fault of a network, of processes, of disks and of clocks.

use super::ids::IdsHome;
use super::judge::{Judge, Ruling};
use super::moving::Moving;
use super::node::{Node, State, name_of, number_of, options};
use super::offices::{MAX_WAY_STEPS, Offices};
use super::random::Random;
use super::replicas::Replicas;
use super::subscriber::Subscriber;
use super::watched::{Watch, WatchedLog};
use super::{Finding, PIN_KEY, Report, Settings, Steps, start_of_time};
use crate::linearizability::History;
use command_service::gateway::{Role, Stats};
use command_service::invariants::Violation;
use command_service::saver::StoreOpener;
use command_service::writer::{Failure, Mutant, Surroundings, Timer, Waiting, Writer, WriterOptions};
use command_service::{Clock, ScriptedClock};
use domain::permutation::KeyedPins;
use event_log::{FaultPlan, Hint, SimulatedLog};
use event_schemas::ids::Lsn;
use state_store::memory::MemoryHome;
use state_store::store::Store;
use std::sync::Arc;
use std::time::Duration;

/// Steps with faults, and steps without within which everything must come to its end (O2).
const STORMY_STEPS: u64 = 800;
const CALM_STEPS: u64 = 1_500;

/// In one world of so many every answer that is not in the log is decided again.
const DECIDED_AGAIN_ONE_IN: u64 = 3;

/// Which worlds have query nodes, a feed, a log that moves: one of so many each, and not the same ones.
const REPLICAS_ONE_IN: u64 = 5;
const FEED_ONE_IN: u64 = 3;
const MOVE_ONE_IN: u64 = 4;

const MINUTE_US: i64 = 60_000_000;

/// A question on its way from the node that was asked to the one that leads, as far as that node knows.
struct PassedOn {
    due: u64,
    to: usize,
    waiting: Waiting,
}

/// The whole world of one seed.
pub struct Cluster {
    random: Random,
    log: SimulatedLog,
    nodes: Vec<Node>,
    passed_on: Vec<PassedOn>,
    replicas: Option<Replicas>,
    subscriber: Option<Subscriber>,
    moving: Option<Moving>,
    offices: Offices,
    judge: Judge,
    watch: Watch,
    steps: Steps,
    mutant: Option<Mutant>,
    /// The node that the group of nodes has chosen to lead; `None`: there is no group.
    chosen: Option<usize>,
    report: Report,
}

impl Cluster {
    pub fn new(settings: &Settings) -> Self {
        let mut random = Random::new(settings.seed);
        let nodes = 2 + random.below(2) as usize;
        let log = SimulatedLog::new(random.next(), FaultPlan::storm());
        let clock = start_of_time();
        // Every other world has a group, which says whatever it likes.
        let chosen = (settings.seed % 2 == 1).then_some(0);
        let nodes = (0..nodes)
            .map(|number| Node {
                number,
                home: MemoryHome::new(),
                ids: IdsHome::of_world(settings.seed),
                clock: ScriptedClock::new(clock),
                state: State::Down(0),
                has_moved: false,
            })
            .collect();
        // Draws of their own: who looks on changes nothing.
        let mut onlookers = Random::new(settings.seed ^ 0x0b5e);
        let is_one_in = |count: u64, rest: u64| settings.seed % count == rest;
        Self {
            offices: Offices::new(random.fork()),
            random,
            replicas: is_one_in(REPLICAS_ONE_IN, 1).then(|| Replicas::new(onlookers.fork())),
            subscriber: is_one_in(FEED_ONE_IN, 2)
                .then(|| Subscriber::new(onlookers.fork(), settings.feed_goes_on_at_highest)),
            moving: is_one_in(MOVE_ONE_IN, 3).then(|| Moving::new(onlookers.fork(), &log)),
            log,
            nodes,
            passed_on: Vec::new(),
            judge: Judge::new(),
            watch: Watch::default(),
            steps: Steps::default(),
            mutant: settings.mutant,
            chosen,
            report: Report::new(settings.seed),
        }
    }

    /// Lets the storm pass, then demands that every question gets its answer.
    pub fn run(mut self) -> Result<(Report, History), Finding> {
        for _ in 0..STORMY_STEPS {
            self.stir_faults().map_err(|violation| self.finding(violation))?;
            self.step(true)?;
        }
        self.log.set_plan(FaultPlan::none());
        self.moving.iter().for_each(|moving| moving.to.set_plan(FaultPlan::none()));
        for node in &mut self.nodes {
            if let State::Down(until) | State::Paused(_, until) = &mut node.state {
                *until = 0;
            }
        }
        let mut calm = 0;
        while calm < CALM_STEPS && !(self.offices.are_content() && self.moving.is_none() && calm > 50) {
            self.step(false)?;
            calm += 1;
        }
        if !self.offices.are_content() {
            let what = format!("no answer within {CALM_STEPS} calm steps: {:?}", self.offices.open().first());
            return Err(self.finding(Violation::new("O2", Lsn::ZERO, what)));
        }
        self.judge.check_state().map_err(|violation| self.finding(violation))?;
        self.finish_looking_on().map_err(|violation| self.finding(violation))?;
        if self.report.seed.is_multiple_of(DECIDED_AGAIN_ONE_IN) {
            let decided =
                self.judge.decide_all_again(&self.log).map_err(|violation| self.finding(violation))?;
            self.report.add("decided_again", decided);
        }
        let history = std::mem::take(&mut self.judge.history);
        Ok((self.finish(), history))
    }

    fn step(&mut self, is_stormy: bool) -> Result<(), Finding> {
        self.steps.advance();
        let mut order: Vec<usize> = (0..self.nodes.len()).collect();
        for place in 1..order.len() {
            order.swap(place, self.random.below(place as u64 + 1) as usize);
        }
        for number in order {
            self.step_node(number, is_stormy).map_err(|violation| self.finding(violation))?;
        }
        self.log.step();
        self.count_rivals();
        let looked_on = self.look_on(is_stormy).and_then(|()| self.judge_all(is_stormy));
        looked_on.map_err(|violation| self.finding(violation))
    }

    /// Query nodes, the feed, and whoever moves the log.
    fn look_on(&mut self, is_stormy: bool) -> Result<(), Violation> {
        let head = self.judge.auditor().registry().head();
        let (log_id, has_begun) = (head.log_id, head.lsn > Lsn::ZERO);
        if let Some(replicas) = self.replicas.as_mut().filter(|_| has_begun) {
            replicas.step(&self.log, log_id)?;
        }
        if let Some(subscriber) = self.subscriber.as_mut().filter(|_| has_begun) {
            subscriber.step(&self.log, log_id, is_stormy)?;
        }
        let now = (self.steps.now(), self.nodes[0].clock.now());
        if let Some(moving) = self.moving.as_mut().filter(|moving| moving.wants_early(now.0)) {
            let around = surroundings(&self.nodes[0].clock, &self.steps, Random::new(now.0));
            moving.begin_early(options(self.nodes.len(), false), around, self.mutant)?;
        }
        if let Some(moving) = self.moving.as_mut().filter(|_| has_begun)
            && moving.step(&self.log, now, is_stormy)?
        {
            return self.use_copy(is_stormy);
        }
        Ok(())
    }

    /// The log goes on in its copy: every node ends, and begins there.
    fn use_copy(&mut self, is_stormy: bool) -> Result<(), Violation> {
        let Some(moving) = self.moving.take() else { return Ok(()) };
        self.report.count("log_moved");
        self.report.add("mover_killed", moving.kills);
        for (fault, count) in self.log.fault_counts() {
            self.report.add(fault, count);
        }
        self.judge.read(&self.log)?;
        self.log = moving.to;
        self.log.set_plan(if is_stormy { FaultPlan::storm() } else { FaultPlan::none() });
        for number in 0..self.nodes.len() {
            self.crash(number)?;
            self.nodes[number].has_moved = true;
        }
        self.replicas.iter_mut().for_each(Replicas::end);
        self.subscriber.iter_mut().for_each(Subscriber::end);
        self.judge.begin_again(&self.log)
    }

    fn judge_all(&mut self, is_stormy: bool) -> Result<(), Violation> {
        self.judge.read(&self.log)?;
        self.watch.check()?;
        for node in &self.nodes {
            if let Some(writer) = node.writer() {
                self.judge.check_node(writer, self.steps.now().is_multiple_of(40))?;
            }
        }
        let is_up = |number: usize| matches!(self.nodes[number].state, State::Up(_));
        for (asked, told) in self.offices.take_heard(self.steps.now(), is_up) {
            match self.judge.rule(&asked, told)? {
                Ruling::Met(acceptance) => {
                    if let Some(acceptance) = acceptance {
                        self.offices.remember(&asked, &acceptance);
                    }
                }
                Ruling::AskAgain => self.offices.repeat(asked, self.steps.now()),
            }
        }
        if is_stormy {
            let now = self.nodes[0].clock.now();
            self.offices.wish(self.judge.auditor().registry(), now, self.steps.now());
        }
        self.ask_somebody();
        Ok(())
    }

    /// Offices turn to whoever they think leads, or to anybody, who passes on what it cannot answer. At a node that is paused their
    /// questions wait until it wakes.
    fn ask_somebody(&mut self) {
        self.deliver_passed_on();
        let likely = self.nodes.iter().position(|node| node.writer().is_some_and(Writer::is_leading));
        let anybody = self.random.below(self.nodes.len() as u64) as usize;
        let number = likely.filter(|_| !self.random.chance(200)).unwrap_or(anybody);
        let (step, now) = (self.steps.now(), self.steps.elapsed());
        let (State::Up(writer) | State::Paused(writer, _)) = &mut self.nodes[number].state else { return };
        let (room, history) = (writer.room(), &mut self.judge.history);
        // What a node believes of itself when it is asked may be of a moment ago.
        let shall_pass_on = !writer.is_leading() && self.random.chance(600);
        let stats = shall_pass_on.then(|| writer.stats());
        let leader = stats.as_ref().and_then(Stats::other_leader).and_then(number_of);
        let Some(to) = leader.filter(|leader| *leader != number) else {
            let questions = self.offices.ask(history, (room, None), step, now);
            questions.into_iter().for_each(|question| writer.accept(question));
            return;
        };
        for waiting in self.offices.ask(history, (room, Some(number)), step, now) {
            let due = step + self.random.below(MAX_WAY_STEPS);
            self.passed_on.push(PassedOn { due, to, waiting });
        }
    }

    /// What finds nobody is dropped: whoever asked hears nothing.
    fn deliver_passed_on(&mut self) {
        let now = self.steps.now();
        let (due, later) = std::mem::take(&mut self.passed_on).into_iter().partition(|it| it.due <= now);
        self.passed_on = later;
        let due: Vec<PassedOn> = due;
        for PassedOn { to, waiting, .. } in due {
            // The claim may be of a node that is none of these, and is gone.
            let node = self.nodes.get_mut(to).map(|node| &mut node.state);
            if let Some(State::Up(writer) | State::Paused(writer, _)) = node
                && writer.room() > 0
            {
                writer.accept(waiting);
            }
        }
    }

    /// Who is there, as the group tells; in a storm it may not tell, or forget one that is there.
    fn members_seen(&mut self, is_stormy: bool) -> Option<Arc<[String]>> {
        self.chosen?;
        if is_stormy && self.random.chance(100) {
            return None;
        }
        let forgotten = (is_stormy && self.random.chance(30)).then(|| self.random.below(3) as usize);
        let is_there = |node: &&Node| !matches!(node.state, State::Down(_)) && Some(node.number) != forgotten;
        Some(self.nodes.iter().filter(is_there).map(|node| name_of(node.number)).collect())
    }

    /// One node does something: everything in order, or one of the steps alone, so that it can crash between any two.
    fn step_node(&mut self, number: usize, is_stormy: bool) -> Result<(), Violation> {
        let members = self.members_seen(is_stormy);
        let node = &mut self.nodes[number];
        // About four months pass in a storm.
        node.clock.step(MINUTE_US * self.random.below(430) as i64);
        let now = self.steps.now();
        match &mut node.state {
            State::Down(until) if now >= *until => return self.start(number),
            State::Paused(_, until) if now >= *until => {
                let State::Paused(mut writer, _) = std::mem::replace(&mut node.state, State::Down(now))
                else {
                    unreachable!("just seen");
                };
                let term = self.judge.auditor().admission().state().term;
                if writer.is_leading() && writer.follower().admission().state().term < term {
                    self.report.count("leader_woken_after_takeover");
                }
                // It was in the middle of something, perhaps before it decides.
                if self.random.chance(300) {
                    writer.decide().map_err(|failure| stopped(&writer, &failure))?;
                }
                node.state = State::Up(writer);
            }
            _ => {}
        }
        let State::Up(writer) = &mut node.state else { return Ok(()) };
        if let Some(chosen) = self.chosen {
            let is_wrong = is_stormy && self.random.chance(30);
            let is_chosen = (chosen == number) != is_wrong;
            writer.take_hint(if is_chosen { Hint::Chosen { members } } else { Hint::Standby });
            if is_stormy && self.random.chance(2) {
                writer.ask_to_lead();
                self.report.count("takeover_ordered");
            }
        }
        let part = if is_stormy { self.random.below(12) } else { 11 };
        let outcome = match part {
            0 => writer.learn_outcomes(Duration::ZERO),
            1 => writer.read_log(Duration::ZERO),
            2 => writer.lead(),
            3 => writer.decide(),
            4 => {
                writer.save();
                Ok(())
            }
            _ => writer.step(Duration::ZERO),
        };
        outcome.map_err(|failure| stopped(writer, &failure))
    }

    fn start(&mut self, number: usize) -> Result<(), Violation> {
        let node = &mut self.nodes[number];
        let log = WatchedLog::new(self.log.node(), self.watch.clone());
        let home = node.home.clone();
        let opener: StoreOpener = Box::new(move |identity| Store::open(Box::new(home.clone()), identity));
        let around = surroundings(&node.clock, &self.steps, self.random.fork());
        let source = Arc::new(self.log.clone());
        let broken = |why: String| Violation::new("R3", Lsn::ZERO, format!("a node cannot start: {why}"));
        let options = WriterOptions { command_ids_dir: node.ids.path(), ..options(node.number, false) };
        let writer = Writer::open(options, around, Box::new(log), source, Some(opener))
            .map_err(|failure| broken(failure.to_string()))?
            .with_mutant(self.mutant);
        let stats = writer.stats();
        let is_of_old_log = std::mem::take(&mut node.has_moved);
        if let Some(why) = stats.saved_state_discarded.filter(|_| !is_of_old_log) {
            return Err(Violation::new("R1", stats.lsn, format!("saved state was not usable: {why}")));
        }
        self.report.count(if stats.saved_lsn > Lsn::ZERO {
            "restart_from_saved_state"
        } else {
            "restart_from_log"
        });
        node.state = State::Up(Box::new(writer));
        Ok(())
    }

    fn stir_faults(&mut self) -> Result<(), Violation> {
        let number = self.random.below(self.nodes.len() as u64) as usize;
        let now = self.steps.now();
        let is_up = matches!(self.nodes[number].state, State::Up(_));
        if is_up && self.random.chance(12) {
            self.crash(number)?;
        } else if is_up && self.random.chance(15) {
            let until = now + 1 + self.random.below(160);
            let node = &mut self.nodes[number];
            if let State::Up(writer) = std::mem::replace(&mut node.state, State::Down(0)) {
                node.state = State::Paused(writer, until);
            }
            self.report.count("pause");
        }
        if self.chosen.is_some() && self.random.chance(10) {
            self.chosen = Some(number);
            self.report.count("group_changes_its_mind");
        }
        if self.random.chance(6) {
            let by = MINUTE_US * (self.random.below(6_000) as i64 - 2_000);
            self.nodes[number].clock.step(by);
            self.report.count(if by < 0 { "clock_stepped_back" } else { "clock_stepped_forward" });
        }
        let has_store = self.nodes[number]
            .writer()
            .is_some_and(|writer| writer.follower().registry.head().lsn > Lsn::ZERO);
        if is_up && has_store && self.random.chance(15) {
            let steps = self.random.below(60);
            self.nodes[number].home.fail_after(steps);
            self.report.count("store_ordered_to_fail");
        }
        Ok(())
    }

    fn crash(&mut self, number: usize) -> Result<(), Violation> {
        let until = self.steps.now() + self.random.below(60);
        let node = &mut self.nodes[number];
        if node.writer().is_some_and(Writer::awaits_log) {
            self.report.count("crash_with_groups_in_flight");
        }
        node.state = State::Down(until);
        // The machine: what the store did not sync is lost in part.
        node.home.crash(self.random.next());
        if node.ids.crash(&mut self.random)? {
            self.report.count("crash_with_saved_ids");
        }
        self.report.count("crash");
        Ok(())
    }

    fn count_rivals(&mut self) {
        let roles: Vec<Role> = self.nodes.iter().filter_map(Node::writer).map(Writer::role).collect();
        let those = |role: Role| roles.iter().filter(|other| **other == role).count();
        if those(Role::Leading) > 1 {
            self.report.count("two_live_leaders");
        }
        if those(Role::Claiming) > 1 {
            self.report.count("simultaneous_claims");
        }
    }

    /// Who looked on has seen everything.
    fn finish_looking_on(&mut self) -> Result<(), Violation> {
        let log_id = self.judge.auditor().registry().head().log_id;
        if let Some(replicas) = &mut self.replicas {
            replicas.finish(&self.log, log_id)?;
            self.report.add("views_compared", replicas.compared);
        }
        if let Some(subscriber) = &mut self.subscriber {
            subscriber.finish(&self.log, log_id)?;
            self.report.add("feed_ended", subscriber.ends);
        }
        if self.moving.is_some() {
            return Err(Violation::new("O2", Lsn::ZERO, "the log does not come to its copy"));
        }
        Ok(())
    }

    fn finding(&self, violation: Violation) -> Finding {
        Finding { seed: self.report.seed, step: self.steps.now(), violation }
    }

    fn finish(mut self) -> Report {
        for (fault, count) in self.log.fault_counts() {
            self.report.add(fault, count);
        }
        for node in &self.nodes {
            if let Some(writer) = node.writer() {
                let stats = writer.stats();
                self.report.add("rollback", stats.rollbacks);
                self.report.add("checkpoint", stats.checkpoints);
            }
        }
        for (what, count) in &self.offices.counts {
            self.report.add(what, *count);
        }
        self.report.recorded = std::mem::take(&mut self.offices.recorded);
        let state = *self.judge.auditor().admission().state();
        self.report.add("term", state.term.0);
        self.report.lsn = state.last_lsn;
        self.report.accepted = self.judge.accepted;
        self.report.refused = self.judge.refused;
        self.report.answers = self.judge.answers;
        self.report.steps = self.steps.now();
        self.report.add("restated_stream", self.judge.late_facts);
        self.report
    }
}

fn stopped(writer: &Writer, failure: &Failure) -> Violation {
    Violation::new("R5", writer.follower().registry.head().lsn, failure.to_string())
}

fn surroundings(clock: &ScriptedClock, steps: &Steps, random: Random) -> Surroundings {
    Surroundings {
        clock: Arc::new(clock.clone()),
        timer: Arc::new(steps.clone()),
        random: Box::new(random),
        pins: Arc::new(KeyedPins::new(1, PIN_KEY)),
        saves_in_thread: false,
    }
}
