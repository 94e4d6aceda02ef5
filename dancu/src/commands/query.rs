//! `dancu query`

use super::past::{self, Asking, Times};
use super::query_totals::{self, Csv, Flows, HouseholdSizes, Structure};
use crate::client::{Api, Target};
use crate::tables;
use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// Ask for a person, a household, a card, a unit, a history.
///
/// Reading personal data needs a purpose, and is recorded with it.
#[derive(Debug, Args)]
pub struct Query {
    #[command(subcommand)]
    question: Question,
    /// Why personal data is read; it is recorded.
    #[arg(long, env = "DANCU_PURPOSE", global = true)]
    purpose: Option<String>,
    /// Print the service's answer as it is.
    #[arg(long, global = true)]
    json: bool,
    /// Wait until the answer reflects this lsn, as told in a command's acceptance; needs --log-id.
    #[arg(long, global = true, requires = "log_id")]
    at_least: Option<u64>,
    /// The log that --at-least belongs to.
    #[arg(long, global = true, requires = "at_least")]
    log_id: Option<String>,
    #[command(flatten)]
    times: Times,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// A person, by id (P17), PIN (12 digits) or CMND (9 digits).
    Person { person: String },
    /// Persons by what is known of them.
    Search {
        /// Words of a name now or before, in any order, with or without diacritics.
        name: Option<String>,
        /// Born in a year, in a month, on a day: 1985, 1985-03, 1985-03-02.
        #[arg(long)]
        birth: Option<String>,
        /// male, female or unknown.
        #[arg(long)]
        sex: Option<String>,
        /// Resident in this unit or below it.
        #[arg(long)]
        unit: Option<String>,
        /// Words of the mother's name.
        #[arg(long)]
        mother: Option<String>,
        /// Words of the father's name.
        #[arg(long)]
        father: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// Where a person lives, by id (P17).
    Residence { person: String },
    /// A household and its members, by id (H5).
    Household { household: String },
    /// A card, by id (C3), and whether it may be accepted.
    Card { card: String },
    /// An application for a card, by id (D3).
    Dossier { dossier: String },
    /// A unit, by code (00001) or id (U5).
    Unit { unit: String },
    /// How many people live in a unit and in each part of it.
    Population { unit: String },
    /// A population by age, sex, category and marital status, under a named definition.
    Structure(Structure),
    /// A population month by month: what it was, every flow, what it became.
    Flows(Flows),
    /// Births, deaths, marriages and divorces by month.
    VitalEvents(Flows),
    /// Where people came from and went to.
    Moves(Flows),
    /// How many days after them events were registered.
    Delays(Flows),
    /// Households by kind and number of permanent members.
    HouseholdSizes(HouseholdSizes),
    /// Residents of a unit who need a card, and why.
    CardsDue {
        unit: String,
        /// Due until this day, such as 2026-12-31; the registry's day unless stated.
        #[arg(long)]
        by: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// Residents of a unit and of those below it to whom a written notice of their PIN is due.
    PinNotices {
        unit: String,
        #[command(flatten)]
        page: Page,
    },
    /// How many PINs of each place, sex and year are used, reserved and free.
    PinCapacity {
        /// Of one place alone: three digits, such as 001.
        #[arg(long)]
        place: Option<String>,
        #[command(flatten)]
        page: Page,
    },
    /// Operations larger than one record.
    Operations {
        #[command(flatten)]
        page: Page,
    },
    /// Persons whom an operation (B1) left out, and why.
    LeftOut {
        operation: String,
        #[command(flatten)]
        page: Page,
    },
    /// Who lives in a unit.
    Members {
        unit: String,
        #[command(flatten)]
        page: Page,
        /// permanent (the default) or temporary.
        #[arg(long)]
        kind: Option<String>,
    },
    /// Households in a unit.
    Households {
        unit: String,
        #[command(flatten)]
        page: Page,
    },
    /// The records of a person (P17), household (H5) or card (C3): a page, newest first, or all of them.
    History {
        row: String,
        #[command(flatten)]
        page: Page,
        /// Everything recorded (of a person by PIN too), oldest first: by whom, on what ground, what came to count no more, what was believed before.
        #[arg(long, conflicts_with_all = ["limit", "after"])]
        whole: bool,
        /// The same as a page to be printed, into this file.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["limit", "after", "json"])]
        html: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Page {
    /// Most entries.
    #[arg(long)]
    limit: Option<u32>,
    /// Where the page before said to go on.
    #[arg(long)]
    after: Option<String>,
}

type Parameters = Vec<(&'static str, String)>;

impl Query {
    pub async fn run(self) -> Result<ExitCode> {
        let api = Api::new(&self.target)?;
        let asking = Asking { api: &api, purpose: self.purpose.as_deref() };
        let mut times = self.times.parameters();
        if let (Some(at_least), Some(log_id)) = (self.at_least, self.log_id) {
            times.extend([("at_least", at_least.to_string()), ("log_id", log_id)]);
        }
        if let Question::History { row, whole, html, .. } = &self.question
            && (*whole || html.is_some())
        {
            asking.chronicle(row, &times, html.as_deref(), self.json).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let shape = self.question.shape();
        let (path, mut parameters) = self.question.address()?;
        parameters.extend(times);
        let answer = api.answer(asking.get(&path, &parameters)).await?;
        match shape {
            _ if self.json => println!("{answer}"),
            Shape::AsItIs => tables::print(&answer),
            Shape::Population => tables::print(&population(answer)),
            Shape::History => tables::print(&past::history(answer)),
            Shape::Csv(rows) => print!("{}", query_totals::csv(&answer, rows)),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What a table is made of.
#[derive(Clone, Copy)]
enum Shape {
    AsItIs,
    Population,
    History,
    Csv(Csv),
}

impl Question {
    fn shape(&self) -> Shape {
        match self {
            Self::Population { .. } => Shape::Population,
            Self::History { .. } => Shape::History,
            _ => self.csv().map_or(Shape::AsItIs, Shape::Csv),
        }
    }

    fn csv(&self) -> Option<Csv> {
        const MONTHS: Csv = (
            "months",
            &[
                "month",
                "opening",
                "born",
                "enrolled",
                "arrived",
                "moved_in",
                "died",
                "left",
                "moved_out",
                "closing",
            ],
        );
        const EVENTS: Csv = ("events", &["month", "event", "all", "male", "female", "unknown"]);
        match self {
            Self::Structure(structure) => structure.csv(),
            Self::Flows(flows) => flows.csv(MONTHS),
            Self::VitalEvents(flows) => flows.csv(EVENTS),
            Self::Moves(flows) => flows.csv(("moves", &["other", "moved_in", "moved_out"])),
            Self::Delays(flows) => flows.csv(("delays", &["event", "days", "count"])),
            Self::HouseholdSizes(sizes) => sizes.csv(),
            _ => None,
        }
    }

    fn address(self) -> Result<(String, Parameters)> {
        let plain = |path: String| Ok((path, Vec::new()));
        match self {
            Self::Person { person } => plain(format!("/v1/persons/{}", person_path(&word(person)?))),
            Self::Search { name, birth, sex, unit, mother, father, page } => {
                let mut parameters = page.parameters();
                let criteria = [
                    ("name", name),
                    ("birth", birth),
                    ("sex", sex),
                    ("unit", unit),
                    ("mother", mother),
                    ("father", father),
                ];
                parameters.extend(criteria.into_iter().filter_map(|(key, value)| Some((key, value?))));
                Ok(("/v1/persons".to_owned(), parameters))
            }
            Self::Residence { person } => plain(format!("/v1/persons/{}/residence", word(person)?)),
            Self::Household { household } => plain(format!("/v1/households/{}", word(household)?)),
            Self::Card { card } => plain(format!("/v1/cards/{}", word(card)?)),
            Self::Dossier { dossier } => plain(format!("/v1/dossiers/{}", word(dossier)?)),
            Self::Unit { unit } => plain(format!("/v1/units/{}", word(unit)?)),
            Self::Population { unit } => plain(format!("/v1/units/{}/population", word(unit)?)),
            Self::Structure(question) => in_unit(question.address(), "structure"),
            Self::Flows(question) => in_unit(question.address(), "flows"),
            Self::VitalEvents(question) => in_unit(question.address(), "vital-events"),
            Self::Moves(question) => in_unit(question.address(), "moves"),
            Self::Delays(question) => in_unit(question.address(), "delays"),
            Self::HouseholdSizes(question) => in_unit(question.address(), "household-sizes"),
            Self::CardsDue { unit, by, page } => {
                let mut parameters = page.parameters();
                parameters.extend(by.map(|by| ("by", by)));
                Ok((format!("/v1/units/{}/cards-due", word(unit)?), parameters))
            }
            Self::PinNotices { unit, page } => {
                Ok((format!("/v1/units/{}/pin-notices", word(unit)?), page.parameters()))
            }
            Self::PinCapacity { place, page } => {
                let mut parameters = page.parameters();
                parameters.extend(place.map(|place| ("place", place)));
                Ok(("/v1/pin-cells".to_owned(), parameters))
            }
            Self::Operations { page } => Ok(("/v1/operations".to_owned(), page.parameters())),
            Self::LeftOut { operation, page } => {
                Ok((format!("/v1/operations/{}/left-out", word(operation)?), page.parameters()))
            }
            Self::Members { unit, page, kind } => {
                let mut parameters = page.parameters();
                parameters.extend(kind.map(|kind| ("kind", kind)));
                Ok((format!("/v1/units/{}/members", word(unit)?), parameters))
            }
            Self::Households { unit, page } => {
                Ok((format!("/v1/units/{}/households", word(unit)?), page.parameters()))
            }
            Self::History { row, page, .. } => {
                let row = word(row)?;
                let rows = match row.as_bytes().first() {
                    Some(b'H') => "households",
                    Some(b'C') => "cards",
                    _ => "persons",
                };
                Ok((format!("/v1/{rows}/{row}/history"), page.parameters()))
            }
        }
    }
}

impl Page {
    fn parameters(self) -> Parameters {
        let limit = self.limit.map(|limit| ("limit", limit.to_string()));
        limit.into_iter().chain(self.after.map(|after| ("after", after))).collect()
    }
}

/// One row for each part, and one for the whole.
fn population(mut answer: Value) -> Value {
    let row = |part: &Value| {
        let (unit, counts) = (&part["unit"], &part["population"]);
        json!({
            "code": unit["code"], "name": unit["name"], "households": counts["households"],
            "residents": counts["permanent"]["all"], "female": counts["permanent"]["female"],
            "male": counts["permanent"]["male"], "temporary": counts["temporary"]["all"],
        })
    };
    let mut rows: Vec<Value> = answer["parts"].as_array().into_iter().flatten().map(row).collect();
    let mut whole = row(&answer);
    whole["name"] = json!(format!("{}, in all", tables::plain(&answer["unit"]["name"])));
    rows.push(whole);
    if let Some(members) = answer.as_object_mut() {
        members.retain(|name, _| name == "lsn" || name == "log_id");
        members.insert("population".into(), Value::Array(rows));
    }
    answer
}

/// A PIN has 12 digits and a CMND 9; ids that long are not handed out.
fn person_path(person: &str) -> String {
    let digits = person.bytes().all(|byte| byte.is_ascii_digit());
    match (digits, person.len()) {
        (true, 12) => format!("by-pin/{person}"),
        (true, 9) => format!("by-cmnd/{person}"),
        _ => person.to_owned(),
    }
}

fn in_unit((unit, parameters): (String, Parameters), what: &str) -> Result<(String, Parameters)> {
    Ok((format!("/v1/units/{}/{what}", word(unit)?), parameters))
}

/// Ids and codes are letters and digits; anything else would be another address.
fn word(text: String) -> Result<String> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    ensure!(plain, "'{text}' is no id or code; write P17, H5, C3, D3, a PIN, a CMND or a unit's code");
    Ok(text)
}
