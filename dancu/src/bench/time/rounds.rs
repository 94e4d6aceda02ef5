//! Figures of corrections in bulk, from all rounds.

use super::super::measured::{ANSWERED, Measured, median};
use super::super::registry::PACED_READS_PER_S;
use super::READ;
use super::bulk::Round;
use super::wrong::EDITS_OF_HOUSEHOLD;

/// The limits that were set for so many edits.
const MANY_EDITS: f64 = 100_000.0;
const MAX_DRY_RUN_S: f64 = 5.0;
const MAX_COMMIT_S: f64 = 10.0;
/// The limit of questions meanwhile, however many edits.
const MAX_QUERY_P99_MS: f64 = 10.0;

/// The same corrections, made and taken back in each round.
pub struct Rounds {
    rounds: Vec<Round>,
    edits: f64,
    form: String,
}

impl Rounds {
    pub fn of(rounds: Vec<Round>, items: usize, form: &str) -> Self {
        let edits = (items * EDITS_OF_HOUSEHOLD) as f64;
        let form = format!(
            "median of {} rounds, each corrected and taken back again; {edits} edits in {items} corrections; {form}",
            rounds.len()
        );
        Self { rounds, edits, form }
    }

    pub fn figures(&self) -> Vec<Measured> {
        let mut figures = self.times();
        figures.extend([
            self.p99("dry_run", |round| round.dry_run_p99_ms, "a dry run of them goes on"),
            self.p99("commit", |round| round.commit_p99_ms, "they are committed"),
            self.p99("reversal", |round| round.reversal_p99_ms, "they are taken back"),
        ]);
        figures
    }

    fn median(&self, value: fn(&Round) -> f64) -> f64 {
        median(&self.rounds.iter().map(value).collect::<Vec<_>>())
    }

    fn times(&self) -> Vec<Measured> {
        let form = &self.form;
        let staged = self.edits / self.median(|round| round.staged_s);
        let answered_s = self.median(|round| round.commit.answered_s);
        let commit_alone_s = self.median(|round| round.reversal_commit.shown_s);
        let dry_run = format!("{form}; sums over every row, index and total");
        let commit = format!("{form}; until the views show it; answered after {answered_s:.2} s");
        let reversal = format!(
            "{form}; opened, staged, approved, committed, until the views show it; its commit alone {commit_alone_s:.2} s"
        );
        vec![
            Measured::new("time_bulk_staged", staged, "edits/s", ANSWERED, format!("{form}; part by part")),
            self.seconds("dry_run", |round| round.dry_run_s, (READ, dry_run), MAX_DRY_RUN_S),
            self.seconds("commit", |round| round.commit.shown_s, (ANSWERED, commit), MAX_COMMIT_S),
            self.seconds("reversal", |round| round.reversal_s, (ANSWERED, reversal), MAX_COMMIT_S),
        ]
    }

    /// Beside the share of a limit that is set for many edits.
    fn seconds(
        &self,
        name: &str,
        value: fn(&Round) -> f64,
        (durability, method): (&'static str, String),
        limit: f64,
    ) -> Measured {
        let figure = Measured::new(format!("time_bulk_{name}"), self.median(value), "s", durability, method);
        figure.beside("the limit, by share", limit * self.edits / MANY_EDITS)
    }

    fn p99(&self, name: &str, value: fn(&Round) -> f64, what: &str) -> Measured {
        let method = format!("{}; a person by id, {PACED_READS_PER_S} a second, while {what}", self.form);
        let figure = Measured::new(format!("time_query_p99_{name}"), self.median(value), "ms", READ, method);
        figure.beside("the limit", MAX_QUERY_P99_MS)
    }
}
