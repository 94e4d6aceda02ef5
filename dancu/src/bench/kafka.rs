//! The writer with its log in Kafka: commands a second beside what Kafka's own measurement reaches with entries of the same size, and
//! one command alone.

use super::measured::{Measured, median, quantile};
use super::workload::{OFFICE, PART_COMMANDS, PARTS_IN_FLIGHT, Workload, submit};
use super::writer::{Alone, MIXED};
use super::{Setup, Target, expect_accepted};
use crate::home::wall_clock;
use anyhow::{Context, Result, ensure};
use command_service::CommandGateway;
use event_log::kafka::create_topic;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// After this an answer is given.
const READ_BACK: &str = "answered after the brokers' report and read-back";
/// Commands one after the other, in each round.
const ALONE: u32 = 1_000;
/// The limits that were set.
const MAX_P50_MS: f64 = 3.0;
const MAX_P99_MS: f64 = 10.0;
/// So many that its start counts little.
const PRODUCER_RECORDS: &str = "500000";
/// What a single client's sending is given to gather.
const PRODUCER: [&str; 3] = ["acks=all", "linger.ms=1", "batch.size=131072"];

/// Seconds of rounds, and milliseconds of single commands.
#[derive(Default)]
struct Rounds {
    commands: Vec<f64>,
    producer_per_s: Vec<f64>,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
}

pub async fn measure(setup: &Setup) -> Result<Vec<Measured>> {
    let target = setup.kafka.as_ref().context("where Kafka is must be named")?;
    let alone = Alone::start(setup, "kafka").await?;
    let gateway = &alone.writing.gateway;
    let mut workload = Workload::new(wall_clock()().vietnam_date())?;
    submit(gateway, workload.households(setup.households())).await?;
    let mut rounds = Rounds::default();
    let entry_bytes = target.entry_bytes;
    for round in 0..setup.rounds {
        setup.progress(&format!("kafka, round {} of {}", round + 1, setup.rounds));
        let commands = workload.mixed(setup.commands);
        let begin = Instant::now();
        submit(gateway, commands).await?;
        rounds.commands.push(begin.elapsed().as_secs_f64());
        if let Some(libs) = &target.libs {
            let (target, libs) = (target.clone(), libs.clone());
            let produced = tokio::task::spawn_blocking(move || producer(&target, &libs));
            rounds.producer_per_s.push(produced.await??);
        }
        let mut each_ms = Vec::new();
        for command in workload.mixed(ALONE) {
            let begin = Instant::now();
            for answer in gateway.submit_many(OFFICE, vec![command]).await {
                expect_accepted(answer)?;
            }
            each_ms.push(begin.elapsed().as_secs_f64() * 1_000.0);
        }
        rounds.p50_ms.push(quantile(&mut each_ms, 0.5));
        rounds.p99_ms.push(quantile(&mut each_ms, 0.99));
    }
    alone.stop().await?;
    Ok(rounds.figures(setup, entry_bytes))
}

impl Rounds {
    fn figures(&self, setup: &Setup, entry_bytes: u32) -> Vec<Measured> {
        let rounds = setup.rounds;
        let many = format!(
            "median of {rounds} rounds of {} commands ({MIXED}); in process, {PARTS_IN_FLIGHT} parts of {PART_COMMANDS} in flight",
            setup.commands
        );
        let alone = format!("median of {rounds} rounds of {ALONE} commands, one after the other, in process");
        let rate = f64::from(setup.commands) / median(&self.commands);
        let mut commands = Measured::new("kafka_commands", rate, "commands/s", READ_BACK, many);
        if !self.producer_per_s.is_empty() {
            commands.method += &format!(
                "; beside it {PRODUCER_RECORDS} records of {entry_bytes} bytes, {}",
                PRODUCER.join(" ")
            );
            commands = commands.beside("ProducerPerformance, records/s", median(&self.producer_per_s));
        }
        let of = |name: &str, values: &[f64], limit| {
            let figure = Measured::new(name, median(values), "ms", READ_BACK, alone.clone());
            figure.beside("the limit", limit)
        };
        vec![
            commands,
            of("kafka_alone_p50", &self.p50_ms, MAX_P50_MS),
            of("kafka_alone_p99", &self.p99_ms, MAX_P99_MS),
        ]
    }
}

/// Records a second that Kafka's own measurement reaches, in a topic of its own with the settings of a log.
fn producer(target: &Target, libs: &Path) -> Result<f64> {
    let place = target.new_place();
    create_topic(&place.connection()?, None).with_context(|| format!("making the topic {}", place.topic))?;
    let bootstrap = format!("bootstrap.servers={}", place.bootstrap);
    let output = Command::new("java")
        .arg("-cp")
        .arg(libs.join("*"))
        .args(["org.apache.kafka.tools.ProducerPerformance", "--throughput", "-1"])
        .args(["--topic", &place.topic, "--num-records", PRODUCER_RECORDS])
        .args(["--record-size", &target.entry_bytes.to_string()])
        .arg("--producer-props")
        .arg(bootstrap)
        .args(PRODUCER)
        .output()
        .context("starting ProducerPerformance: is there java?")?;
    let told = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ProducerPerformance failed: {told}{errors}");
    records_per_s(&told).with_context(|| format!("ProducerPerformance told no rate: {told}"))
}

/// The rate in the last line: `50000 records sent, 61274.509804 records/sec (…`.
fn records_per_s(told: &str) -> Option<f64> {
    let words: Vec<&str> =
        told.lines().rfind(|line| line.contains("records/sec"))?.split_whitespace().collect();
    let place = words.iter().position(|word| *word == "records/sec")?;
    words.get(place.checked_sub(1)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_tells_the_rate() {
        let told = "12 records sent, 2.4 records/sec (0.0 MB/sec), 1.0 ms avg latency\n\
                    50000 records sent, 61274.5 records/sec (23.37 MB/sec), 120.30 ms avg latency, 3 ms 50th\n";
        assert_eq!(records_per_s(told), Some(61_274.5));
        assert_eq!(records_per_s("nothing"), None);
    }
}
