//! `dancu topic`

use crate::log::KafkaArgs;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use event_log::kafka::{TopicOptions, create_topic, is_good_topic};
use std::process::ExitCode;

/// Make the Kafka topic that keeps a log.
#[derive(Debug, Args)]
pub struct Topic {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make it: one partition, nothing is ever deleted or compacted, no unclean election.
    Create {
        #[command(flatten)]
        kafka: KafkaArgs,
        /// Copies on as many brokers; three, or one if there are fewer brokers.
        #[arg(long, requires = "min_in_sync")]
        replicas: Option<u16>,
        /// Copies that must have an entry before it is answered.
        #[arg(long, requires = "replicas")]
        min_in_sync: Option<u16>,
        /// Leave a topic of that name as it is, if its settings are good for a log.
        #[arg(long)]
        if_missing: bool,
    },
}

impl Topic {
    pub fn run(self) -> Result<ExitCode> {
        let Action::Create { kafka, replicas, min_in_sync, if_missing } = self.action;
        let place = kafka.place()?;
        if if_missing && is_good_topic(&place.connection()?)? {
            println!("the topic {} is there", place.topic);
            return Ok(ExitCode::SUCCESS);
        }
        let options = replicas.zip(min_in_sync);
        let options = options.map(|(replicas, min_in_sync)| TopicOptions { replicas, min_in_sync });
        let made = create_topic(&place.connection()?, options)
            .with_context(|| format!("the topic {} was not made", place.topic))?;
        println!(
            "made the topic {} with copies on {} broker(s), {} of which must have an entry before it is answered",
            place.topic, made.replicas, made.min_in_sync
        );
        if made.min_in_sync == 1 {
            eprintln!("what is answered may be lost with one broker; a registry in earnest needs three");
        }
        println!(
            "\nnext:\n  dancu serve --log kafka --bootstrap {} --topic {}",
            place.bootstrap, place.topic
        );
        Ok(ExitCode::SUCCESS)
    }
}
