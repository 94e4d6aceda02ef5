//! `dancu bench`: what this machine does, each figure beside its limit.
//!
//! Layout: [`measured`] a figure and how it is printed; [`workload`] what is submitted; [`stepped`] the writer with groups of a
//! chosen size; [`simple_view`] the smallest view; [`bare`] what the machine does without us; [`postgres`] what an office could use instead; [`driving`] operations; [`wire`] HTTP by hand. One file for each family of figures:
//! [`writer`], [`http`], [`views`], [`pins`], [`fold`], [`ids`], [`memory`], [`registry`], [`time`], [`kafka`].

mod bare;
mod driving;
mod fold;
mod http;
mod ids;
mod kafka;
mod measured;
mod memory;
mod past;
mod pins;
mod postgres;
mod registry;
mod simple_view;
mod stepped;
mod time;
mod views;
mod wire;
mod workload;
mod writer;

use self::measured::Measured;
use crate::home::{Home, NewHome};
use crate::log::{KafkaPlace, LogEngine, LogPlace};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use command_service::Answer;
use event_log::kafka::create_topic;
use event_schemas::outcome::Outcome;
use futures_util::future::LocalBoxFuture;
use indicatif::{ProgressBar, ProgressStyle};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use uuid::Uuid;

/// Measure this machine, each figure beside what it can be at most.
///
/// Rounds of what is compared take turns; what is printed is their median, so ratios mean more than values. The registries
/// measured are made for it and removed.
#[derive(Debug, Args)]
pub struct Bench {
    /// Commands of one round.
    #[arg(long, default_value_t = 50_000)]
    commands: u32,
    /// Rounds of each measurement.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Persons of the registries that stand for a large one.
    #[arg(long, default_value_t = 1_000_000)]
    persons: u32,
    /// Facts that are corrected in bulk, as far as there are so many: five of each household of four.
    #[arg(long, default_value_t = 100_000)]
    edits: u32,
    /// Measure only this: a family (see --list), or a figure by its name. May be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// Print the names of families and figures, and measure nothing.
    #[arg(long)]
    list: bool,
    /// One JSON object a line: name, value, unit, beside, ratio, durability, method.
    #[arg(long)]
    json: bool,
    /// Where the registries are made; on the disk that is to be measured.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Keep the logs in Kafka, host:port of its brokers: families kafka, fold, memory and views. Each log is a new topic, which stays.
    #[arg(long, value_name = "HOST:PORT")]
    bootstrap: Option<String>,
    /// Directory of Kafka's jars, to measure its own ProducerPerformance beside the writer.
    #[arg(long, value_name = "DIR", requires = "bootstrap")]
    kafka_libs: Option<PathBuf>,
    /// Directory of PostgreSQL's programs, to measure beside the writer what a single PostgreSQL writer reaches.
    #[arg(long, value_name = "DIR")]
    postgres_bin: Option<PathBuf>,
    /// Bytes of a record of ProducerPerformance: those of a usual entry.
    #[arg(long, value_name = "BYTES", requires = "kafka_libs", default_value_t = USUAL_ENTRY_BYTES)]
    entry_bytes: u32,
}

/// Of the mixed commands, see the method of `writer_groups_64`.
const USUAL_ENTRY_BYTES: u32 = 365;
const READY_WAIT: Duration = Duration::from_secs(30);
/// Persons that commands of the smaller measurements are about.
const FEW_PERSONS: u32 = 100_000;

/// Figures that are measured together, because they share what they need or stand beside one another.
struct Family {
    name: &'static str,
    figures: &'static [&'static str],
    /// Whether it can be measured with logs in files, and with logs in Kafka.
    logs: &'static [LogEngine],
    measure: for<'a> fn(&'a Setup) -> LocalBoxFuture<'a, Result<Vec<Measured>>>,
}

/// In the order in which they are measured. A new family is one file and one entry here.
const FAMILIES: &[Family] = &[
    Family {
        name: "writer",
        figures: &[
            "writer_groups_64",
            "writer_groups_512",
            "writer_groups_4095",
            "postgres_groups_64",
            "postgres_groups_512",
            "postgres_groups_4095",
            "writer_commands",
            "writer_commands_projected",
            "writer_moves",
        ],
        logs: &[LogEngine::Embedded],
        measure: |setup| Box::pin(writer::measure(setup)),
    },
    Family {
        name: "http",
        figures: &[
            "http_batch",
            "http_batch_projected",
            "http_batch_lag",
            "http_single",
            "http_single_p50",
            "http_single_p99",
        ],
        logs: &[LogEngine::Embedded],
        measure: |setup| Box::pin(http::measure(setup)),
    },
    Family {
        name: "views",
        figures: &["views_sled", "simple_view_sled", "views_fjall", "simple_view_fjall"],
        logs: &[LogEngine::Embedded, LogEngine::Kafka],
        measure: |setup| Box::pin(views::measure(setup)),
    },
    Family {
        name: "pins",
        figures: &["pin_bulk", "pin_bulk_commit", "pin_bulk_shown"],
        logs: &[LogEngine::Embedded],
        measure: |setup| Box::pin(pins::measure(setup)),
    },
    Family {
        name: "fold",
        figures: &["registry_fold"],
        logs: &[LogEngine::Embedded, LogEngine::Kafka],
        measure: |setup| Box::pin(fold::measure(setup)),
    },
    Family {
        name: "ids",
        figures: &["command_id_absent", "command_id_present", "command_id_memory", "command_id_disk"],
        logs: &[LogEngine::Embedded],
        measure: |setup| Box::pin(ids::measure(setup)),
    },
    Family {
        name: "memory",
        figures: &["memory_rows", "memory_ids", "memory_resident"],
        logs: &[LogEngine::Embedded, LogEngine::Kafka],
        measure: |setup| Box::pin(memory::measure(setup)),
    },
    Family {
        name: "registry",
        figures: &[
            "persons_enrolled",
            "registry_rows",
            "registry_lookups",
            "log_disk",
            "view_disk",
            "view_reads",
            "view_reads_http",
            "view_reads_http_p99",
            "as_of_person_p99",
            "as_of_household_p99",
            "as_of_time_p99",
            "restart",
        ],
        logs: &[LogEngine::Embedded],
        measure: |setup| Box::pin(registry::measure(setup)),
    },
    Family {
        name: "time",
        figures: &[
            "time_dry_run_p99",
            "time_bulk_staged",
            "time_bulk_dry_run",
            "time_bulk_commit",
            "time_bulk_reversal",
            "time_query_p99_dry_run",
            "time_query_p99_commit",
            "time_query_p99_reversal",
            "time_person_p99",
            "time_household_p99",
            "time_known_at_p99",
            "time_ward_p99",
            "time_ward_months_p99",
            "time_province_p99",
            "time_province_months_p99",
            "time_walk_bytes",
            "time_correction_bytes",
            "time_part_bytes",
            "time_rebuild",
        ],
        logs: &[LogEngine::Embedded],
        measure: |setup| Box::pin(time::measure(setup)),
    },
    Family {
        name: "kafka",
        figures: &["kafka_commands", "kafka_alone_p50", "kafka_alone_p99"],
        logs: &[LogEngine::Kafka],
        measure: |setup| Box::pin(kafka::measure(setup)),
    },
];

/// What every family is given.
#[derive(Clone)]
struct Setup {
    dir: PathBuf,
    commands: u32,
    rounds: u32,
    persons: u32,
    edits: u32,
    /// PostgreSQL's programs.
    postgres: Option<PathBuf>,
    kafka: Option<Target>,
    bar: ProgressBar,
}

/// Brokers that keep the logs.
#[derive(Clone)]
struct Target {
    bootstrap: String,
    /// Kafka's jars.
    libs: Option<PathBuf>,
    entry_bytes: u32,
}

impl Target {
    /// A topic that there is not yet.
    fn new_place(&self) -> KafkaPlace {
        let topic = format!("dancu-bench-{}", Uuid::new_v4());
        KafkaPlace { bootstrap: self.bootstrap.clone(), topic, settings: None }
    }
}

impl Setup {
    /// A registry of its own, its log where it is to be measured.
    fn new_home(&self, name: &str) -> Result<Home> {
        let place = self.kafka.as_ref().map(Target::new_place);
        if let Some(place) = &place {
            create_topic(&place.connection()?, None)?;
        }
        Home::create(&self.dir.join(name), NewHome { log: place.map(LogPlace::Kafka), ..NewHome::default() })
    }

    /// Says what is under way.
    fn progress(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        self.bar.tick();
    }

    /// Households that commands of the smaller measurements are about.
    fn households(&self) -> u32 {
        FEW_PERSONS.min(self.persons).div_ceil(workload::HOUSEHOLD_PERSONS)
    }

    /// Households of a large registry.
    fn persons_households(&self) -> u32 {
        self.persons.div_ceil(workload::HOUSEHOLD_PERSONS)
    }
}

impl Bench {
    pub async fn run(self) -> Result<ExitCode> {
        ensure!(
            self.commands > 0 && self.rounds > 0 && self.persons > 0 && self.edits > 0,
            "--commands, --rounds, --persons and --edits must be at least 1"
        );
        let families = self.families()?;
        if self.list {
            for family in families {
                println!("{}: {}", family.name, family.figures.join(", "));
            }
            return Ok(ExitCode::SUCCESS);
        }
        let mut figures = Vec::new();
        for family in families {
            let mut found = self.measure(family).await?;
            found.retain(|figure| self.is_wanted(family, &figure.name));
            if self.json {
                measured::print(&found, true)?;
            } else {
                figures.append(&mut found);
            }
        }
        if !self.json {
            measured::print(&figures, false)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn families(&self) -> Result<Vec<&'static Family>> {
        let is_known = |name: &String| {
            FAMILIES.iter().any(|family| family.name == name || family.figures.contains(&name.as_str()))
        };
        if let Some(unknown) = self.only.iter().find(|name| !is_known(name)) {
            bail!("there is no figure {unknown:?}; see `dancu bench --list`");
        }
        let wants_postgres = self.only.iter().any(|name| name.starts_with("postgres_"));
        ensure!(
            self.list || self.postgres_bin.is_some() || !wants_postgres,
            "--postgres-bin must say where PostgreSQL's programs are"
        );
        let is_any_wanted =
            |family: &&Family| family.figures.iter().any(|figure| self.is_wanted(family, figure));
        let engine = if self.bootstrap.is_some() { LogEngine::Kafka } else { LogEngine::Embedded };
        let wanted: Vec<&Family> = FAMILIES
            .iter()
            .filter(is_any_wanted)
            .filter(|it| self.list || it.logs.contains(&engine))
            .collect();
        ensure!(
            !wanted.is_empty(),
            "that is not measured with logs of this engine; --bootstrap says that they are in Kafka"
        );
        Ok(wanted)
    }

    fn is_wanted(&self, family: &Family, figure: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == family.name || name == figure)
    }

    /// Measures in a directory of its own, removed whatever came of it.
    async fn measure(&self, family: &Family) -> Result<Vec<Measured>> {
        let parent = self.dir.clone().unwrap_or_else(std::env::temp_dir);
        let dir = parent.join(format!("dancu-bench-{}", Uuid::new_v4()));
        fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{elapsed} {msg}")?);
        let Self { commands, rounds, persons, edits, entry_bytes, .. } = *self;
        let (libs, postgres) = (self.kafka_libs.clone(), self.postgres_bin.clone());
        let kafka = self.bootstrap.clone().map(|bootstrap| Target { bootstrap, libs, entry_bytes });
        let setup = Setup { dir: dir.clone(), commands, rounds, persons, edits, postgres, kafka, bar };
        setup.progress(family.name);
        let found = (family.measure)(&setup).await;
        setup.bar.finish_and_clear();
        fs::remove_dir_all(&dir).with_context(|| format!("removing {}", dir.display()))?;
        found
    }
}

fn expect_accepted(answer: Answer) -> Result<()> {
    match answer? {
        Outcome::Accepted(_) => Ok(()),
        Outcome::Refused(refusal) => bail!("a command was refused: {}", refusal.faults[0].en),
    }
}

/// Bytes of all files below a directory, as far as they take room on the disk.
fn disk_bytes(dir: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let entry = entry?;
        let data = entry.metadata()?;
        bytes += if data.is_dir() { disk_bytes(&entry.path())? } else { data.blocks() * 512 };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(only: &[&str]) -> Bench {
        Bench {
            commands: 1,
            rounds: 1,
            persons: 1,
            edits: 1,
            only: only.iter().map(|name| (*name).to_owned()).collect(),
            list: false,
            json: false,
            dir: None,
            bootstrap: None,
            kafka_libs: None,
            postgres_bin: None,
            entry_bytes: USUAL_ENTRY_BYTES,
        }
    }

    fn families(only: &[&str]) -> Vec<&'static str> {
        of(only).families().unwrap().iter().map(|family| family.name).collect()
    }

    #[test]
    fn a_family_or_a_figure_can_be_measured_alone() {
        assert_eq!(families(&["http"]), ["http"]);
        assert_eq!(families(&["writer_moves", "restart"]), ["writer", "registry"]);
        assert_eq!(families(&[]).len(), FAMILIES.len() - 1, "all that need no brokers");
        assert!(of(&["kafka"]).families().err().unwrap().to_string().contains("--bootstrap"));
        let in_kafka = Bench { bootstrap: Some("127.0.0.1:9092".to_owned()), ..of(&[]) };
        let names: Vec<_> = in_kafka.families().unwrap().iter().map(|family| family.name).collect();
        assert_eq!(names, ["views", "fold", "memory", "kafka"]);
        assert!(of(&["nothing"]).families().err().unwrap().to_string().contains("dancu bench --list"));
    }

    #[test]
    fn no_two_figures_have_the_same_name() {
        let mut names: Vec<&str> = FAMILIES.iter().flat_map(|family| family.figures).copied().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
