//! Questions of `dancu query` about totals and flows.

use crate::tables;
use clap::Args;
use serde_json::Value;

/// A population by age, sex, category and marital status.
#[derive(Debug, Args)]
pub struct Structure {
    /// A unit by code or id; VN is the nation.
    unit: String,
    /// permanent (the default), temporary, present or usual.
    #[arg(long)]
    definition: Option<String>,
    /// Ages as on this day; on 1 January of the registry's year unless stated.
    #[arg(long)]
    on: Option<String>,
    /// Width in years, or the first ages of each: 5 (the default), or 0,6,15,60.
    #[arg(long)]
    bands: Option<String>,
    /// Tell people apart by category, by marital, or by both: category,marital.
    #[arg(long)]
    apart: Option<String>,
    #[command(flatten)]
    out: Out,
}

/// Months of a population or of what happened.
#[derive(Debug, Args)]
pub struct Flows {
    /// A unit by code or id; VN is the nation.
    unit: String,
    /// First month, such as 2024-01; January of the last month's year unless stated.
    #[arg(long)]
    from: Option<String>,
    /// Last month; the registry's month unless stated.
    #[arg(long)]
    to: Option<String>,
    /// Of flows and moves: permanent (the default), temporary, present or usual.
    #[arg(long)]
    definition: Option<String>,
    /// By date of event (the default) or registration.
    #[arg(long)]
    by: Option<String>,
    /// Of vital events: by place of residence (the default), event or registration.
    #[arg(long)]
    place: Option<String>,
    /// Of flows: male, female or unknown.
    #[arg(long)]
    sex: Option<String>,
    /// Of flows and vital events: citizen, foreigner, stateless or undetermined.
    #[arg(long)]
    category: Option<String>,
    #[command(flatten)]
    out: Out,
}

/// Households of a unit by kind and size.
#[derive(Debug, Args)]
pub struct HouseholdSizes {
    /// A unit by code or id; VN is the nation.
    unit: String,
    #[command(flatten)]
    out: Out,
}

#[derive(Debug, Args)]
struct Out {
    /// Units as they stand on this day; on the registry's day unless stated.
    #[arg(long)]
    boundaries_on: Option<String>,
    /// Print the rows as CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// Rows of an answer that are printed as CSV: the member that holds them, and their columns.
pub type Csv = (&'static str, &'static [&'static str]);

type Parameters = Vec<(&'static str, String)>;

impl Structure {
    pub fn csv(&self) -> Option<Csv> {
        const PLAIN: &[&str] = &["from", "to", "all", "male", "female", "unknown", "vague"];
        const APART: &[&str] =
            &["from", "to", "category", "marital", "all", "male", "female", "unknown", "vague"];
        let columns = if self.apart.is_some() { APART } else { PLAIN };
        self.out.csv.then_some(("bands", columns))
    }

    pub fn address(self) -> (String, Parameters) {
        let Self { unit, definition, on, bands, apart, out } = self;
        let parameters = [
            ("definition", definition),
            ("on", on),
            ("bands", bands),
            ("apart", apart),
            ("boundaries_on", out.boundaries_on),
        ];
        (unit, stated(parameters))
    }
}

impl Flows {
    pub fn csv(&self, rows: Csv) -> Option<Csv> {
        self.out.csv.then_some(rows)
    }

    pub fn address(self) -> (String, Parameters) {
        let Self { unit, from, to, definition, by, place, sex, category, out } = self;
        let parameters = [
            ("from", from),
            ("to", to),
            ("definition", definition),
            ("by", by),
            ("place", place),
            ("sex", sex),
            ("category", category),
            ("boundaries_on", out.boundaries_on),
        ];
        (unit, stated(parameters))
    }
}

impl HouseholdSizes {
    pub fn csv(&self) -> Option<Csv> {
        self.out.csv.then_some(("sizes", &["kind", "members", "households"]))
    }

    pub fn address(self) -> (String, Parameters) {
        (self.unit, stated([("boundaries_on", self.out.boundaries_on)]))
    }
}

fn stated<const N: usize>(parameters: [(&'static str, Option<String>); N]) -> Parameters {
    parameters.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// A list of objects, some of their members as columns. A member that is an object itself is told by its code.
pub fn csv(answer: &Value, (rows, columns): Csv) -> String {
    let mut text = columns.join(",") + "\n";
    for row in answer[rows].as_array().into_iter().flatten() {
        let cell = |column: &&str| match &row[*column] {
            Value::Object(unit) => tables::plain(&unit["code"]),
            plain => tables::plain(plain),
        };
        let cells: Vec<String> = columns.iter().map(cell).collect();
        text += &(cells.join(",") + "\n");
    }
    text
}
