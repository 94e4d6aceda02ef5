//! What a measurement found, beside what the machine can do at most; and how it is printed.

use crate::tables::table;
use anyhow::Result;
use comfy_table::{Cell, CellAlignment};
use serde::Serialize;

/// One figure.
#[derive(Clone, Serialize)]
pub struct Measured {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
    /// What the same machine does without us, or the limit that was set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Beside>,
    /// The value by the least of what stands beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// What had become durable when the clock was stopped.
    pub durability: &'static str,
    pub method: String,
}

/// A figure that a measurement is held against.
#[derive(Clone, Serialize)]
pub struct Beside {
    pub what: &'static str,
    pub value: f64,
}

/// Answers are given after this.
pub const ANSWERED: &str = "answered after fdatasync and read-back";
/// Nothing was written.
pub const IN_MEMORY: &str = "in memory";

impl Measured {
    pub fn new(
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        durability: &'static str,
        method: impl Into<String>,
    ) -> Self {
        let (name, method) = (name.into(), method.into());
        Self { name, value, unit, beside: Vec::new(), ratio: None, durability, method }
    }

    /// Puts a figure beside it.
    pub fn beside(mut self, what: &'static str, value: f64) -> Self {
        self.beside.push(Beside { what, value });
        let least = self.beside.iter().map(|beside| beside.value).fold(f64::INFINITY, f64::min);
        self.ratio = Some(self.value / least);
        self
    }
}

/// Prints figures: one JSON object a line, or a table.
pub fn print(figures: &[Measured], as_json: bool) -> Result<()> {
    if as_json {
        for figure in figures {
            println!("{}", serde_json::to_string(figure)?);
        }
        return Ok(());
    }
    let mut table = table(["figure", "value", "unit", "ratio", "beside", "how"]);
    for figure in figures {
        let beside: Vec<String> =
            figure.beside.iter().map(|beside| format!("{} {}", number(beside.value), beside.what)).collect();
        table.add_row([
            Cell::new(&figure.name),
            Cell::new(number(figure.value)).set_alignment(CellAlignment::Right),
            Cell::new(figure.unit),
            Cell::new(figure.ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"))),
            Cell::new(beside.join("\n")),
            Cell::new(format!("{}; {}", figure.durability, figure.method)),
        ]);
    }
    println!("{table}");
    Ok(())
}

/// Three digits that count, thousands apart.
fn number(value: f64) -> String {
    if value.abs() < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The middle of the rounds.
///
/// # Panics
/// If there was no round.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The value that this share (0 to 1) of all are not above.
///
/// # Panics
/// If there is none.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * share).ceil() as usize;
    values[place.clamp(1, values.len()) - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_what_stands_beside_a_figure_decides() {
        let figure =
            Measured::new("x", 80.0, "1/s", IN_MEMORY, "").beside("one", 200.0).beside("other", 100.0);
        assert_eq!(figure.ratio, Some(0.8));
    }

    #[test]
    fn medians_quantiles_and_numbers() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        let mut values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((quantile(&mut values, 0.5), quantile(&mut values, 0.99)), (50.0, 99.0));
        assert_eq!(quantile(&mut [7.0], 0.99), 7.0);
        assert_eq!([number(1_234_567.8), number(999.0), number(2.5)], ["1,234,568", "999", "2.50"]);
    }
}
