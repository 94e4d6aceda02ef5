//! One file for each subcommand: its arguments and what it does.

mod backup;
pub mod correct;
mod diff;
mod example;
mod explain;
mod explain_total;
mod feed;
mod format;
mod init;
mod inspect;
mod keys;
mod leader;
mod log;
mod operation;
mod past;
mod query;
mod query_node;
mod query_totals;
mod rebuild;
mod reconsider;
mod refusals;
mod replay;
mod restore;
mod schema;
mod serve;
mod simulate;
mod submit;
mod token;
mod topic;
pub mod units;
mod verify;
mod watch;

use crate::logging::LogFormat;
use anyhow::Result;
use clap::{Parser, Subcommand};
use std::future::Future;
use std::process::ExitCode;

/// Dancu: a national population registry and citizen identity card system.
///
/// Start with `dancu serve`; it makes what it needs and says how to go on.
#[derive(Debug, Parser)]
#[command(name = "dancu", version, propagate_version = true, arg_required_else_help = true)]
pub struct Arguments {
    /// How log lines look; they go to standard error.
    #[arg(long, value_enum, default_value_t, global = true)]
    pub log_format: LogFormat,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a registry: names, keys, the secret of PINs, the first entry of its log.
    Init(init::Init),
    /// Watch a synthetic province live for some years; nothing is lost when its service is killed.
    Demo(crate::demo::Demo),
    /// Run the service: commands, queries, views, audit log. Makes the registry if there is none.
    Serve(serve::Serve),
    /// Run a node that answers queries alone: views that follow a log in Kafka.
    QueryNode(query_node::QueryNode),
    /// Make and list the keys that sign tokens; make a new secret of PINs.
    Keys(keys::Keys),
    /// Make a token for an officer of an office.
    Token(token::Token),
    /// Make the Kafka topic that keeps a log.
    Topic(topic::Topic),
    /// Move a registry's log to another place or engine, where it goes on.
    Log(log::Log),
    /// Who leads the log; let a node take over.
    Leader(leader::Leader),
    /// Which format the log is of; let a later one be in force once every node knows it.
    Format(format::Format),
    /// Submit one command, or a batch with one command a line.
    Submit(submit::Submit),
    /// Correct what is recorded: take a fact back, or state how it really was.
    Correct(correct::Correct),
    /// Work on more rows than one record holds: staged in parts, approved by a second officer, committed at once.
    Operation(operation::Operation),
    /// Ask for a person, a household, a card, a unit, a history.
    Query(query::Query),
    /// Say which events make a person, a household, a card or a total what the views say.
    Explain(explain::Explain),
    /// Say what is told otherwise by two pairs of times in a unit, and which events caused it.
    Diff(diff::Diff),
    /// Print a valid command of any kind.
    Example(example::Example),
    /// Print the JSON Schema of commands, events and answers.
    Schema(schema::Schema),
    /// Print every reason for which a command may be refused.
    Refusals(refusals::Refusals),
    /// Print the commands that establish the real administrative units, one a line.
    Units(units::Units),
    /// Check log and audit log: entries, chain, terms, versions, every decision, digests. Names the first bad place.
    Verify(verify::Verify),
    /// Decide recorded commands again: by the rules of their day, and by other rules.
    Reconsider(reconsider::Reconsider),
    /// Follow what is recorded, one line an entry.
    Watch(watch::Watch),
    /// Print records of a log as JSON.
    Inspect(inspect::Inspect),
    /// Fold the views anew from the log, prove them equal, put the fresh ones in place.
    Rebuild(rebuild::Rebuild),
    /// Build every view as it stood after a record, elsewhere, from the log; and answer from it.
    Replay(replay::Replay),
    /// Copy a registry's log into an archive; what is there already is not copied again.
    Backup(backup::Backup),
    /// Make a registry again from an archive, as it is there or as it was before.
    Restore(restore::Restore),
    /// Publish events for a receiver in a topic of Kafka, with the fields that it may see.
    Feed(feed::Feed),
    /// Run the writer under a seed, with every fault of logs, disks, clocks and networks.
    Simulate(simulate::Simulate),
    /// Measure this machine: durable commands a second, beside what its disk can do at all.
    Bench(crate::bench::Bench),
    /// Rehearse a nation: years of life, all views, a restart; time, memory and disk per million persons.
    Scale(crate::scale::Scale),
}

/// Runs a subcommand to its end.
pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Init(init) => waiting_for(init.run()),
        Command::Demo(demo) => waiting_for(demo.run()),
        Command::Serve(serve) => waiting_for(serve.run()),
        Command::QueryNode(node) => waiting_for(node.run()),
        Command::Keys(keys) => keys.run(),
        Command::Token(token) => token.run(),
        Command::Topic(topic) => topic.run(),
        Command::Log(log) => log.run(),
        Command::Leader(leader) => waiting_for(leader.run()),
        Command::Format(format) => waiting_for(format.run()),
        Command::Submit(submit) => waiting_for(submit.run()),
        Command::Correct(correct) => waiting_for(correct.run()),
        Command::Operation(operation) => waiting_for(operation.run()),
        Command::Query(query) => waiting_for(query.run()),
        Command::Explain(explain) => waiting_for(explain.run()),
        Command::Diff(diff) => waiting_for(diff.run()),
        Command::Example(example) => example.run(),
        Command::Schema(schema) => schema.run(),
        Command::Refusals(refusals) => refusals.run(),
        Command::Units(units) => units.run(),
        Command::Verify(verify) => verify.run(),
        Command::Reconsider(reconsider) => reconsider.run(),
        Command::Watch(watch) => waiting_for(watch.run()),
        Command::Inspect(inspect) => inspect.run(),
        Command::Rebuild(rebuild) => waiting_for(rebuild.run()),
        Command::Replay(replay) => waiting_for(replay.run()),
        Command::Backup(backup) => backup.run(),
        Command::Restore(restore) => restore.run(),
        Command::Feed(feed) => waiting_for(feed.run()),
        Command::Simulate(simulate) => simulate.run(),
        Command::Bench(bench) => waiting_for(bench.run()),
        Command::Scale(scale) => waiting_for(scale.run()),
    }
}

fn waiting_for(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
