//! Measures how fast commands come: a whole run against a registry that accepts all and hands out numbers.
//!
//! `cargo run --release -p simulator --example generate -- [persons] [years]`

#[path = "../tests/toy/mod.rs"]
mod toy;

use simulator::{Options, Phase, World};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

fn argument(number: usize, default: u32) -> u32 {
    std::env::args().nth(number).and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Resident memory in bytes, where the system tells.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn phase_name(world: &World) -> &'static str {
    match world.phase() {
        Phase::Units => "units",
        Phase::Enrolment => "enrolment",
        Phase::Day(_) => "days",
        Phase::Done => "done",
    }
}

fn main() {
    let options =
        Options { persons: argument(1, 200_000), years: argument(2, 2) as u16, ..Options::default() };
    let before = resident_bytes();
    let persons = u64::from(options.persons);
    let mut world = World::new(options).expect("the options are within their limits");
    let started = Instant::now();
    let mut generating = Duration::ZERO;
    let mut by_phase: BTreeMap<&str, (Duration, Duration, u64)> = BTreeMap::new();
    let mut registry = toy::ToyRegistry::default();
    loop {
        let asked = Instant::now();
        let batch = world.next_batch(5_000);
        let handing_out = asked.elapsed();
        if batch.is_empty() {
            break;
        }
        let answers: Vec<_> = batch.iter().map(|planned| registry.decide(planned)).collect();
        let answering = Instant::now();
        for (planned, outcome) in batch.iter().zip(&answers) {
            world.answer(planned.envelope.command_id, outcome).expect("every command is answered once");
        }
        let writing_down = answering.elapsed();
        generating += handing_out + writing_down;
        let phase = by_phase.entry(phase_name(&world)).or_default();
        phase.0 += handing_out;
        phase.1 += writing_down;
        phase.2 += batch.len() as u64;
    }
    let commands = world.tally().submitted;
    println!("commands {commands}, estimated {}", world.total_expected());
    println!("whole run {:.2} s", started.elapsed().as_secs_f64());
    println!(
        "generating and writing down {:.2} s, {:.0} commands/s",
        generating.as_secs_f64(),
        commands as f64 / generating.as_secs_f64()
    );
    for (phase, (handing_out, writing_down, commands)) in by_phase {
        println!(
            "{phase}: {commands} commands, {handing_out:.2?} to hand out, {writing_down:.2?} to write down"
        );
    }
    if let (Some(before), Some(after)) = (before, resident_bytes()) {
        println!("memory {} bytes a person", (after - before) / persons);
    }
    for (kind, count) in &world.tally().by_kind {
        println!("{kind:32} {:>9} accepted {:>6} refused", count.accepted, count.refused);
    }
    for (tag, count) in &world.tally().by_tag {
        println!("{tag:32} {:>9}", count.submitted);
    }
}
