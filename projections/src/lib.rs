//! What can be asked: persons, households, cards, residence and counts, folded from the log.
//!
//! Layout:
//! - [`rows`]: rows and their folds; `derived`: indexes and totals from *(row before, row after)*; [`layout`]: tables
//!   and keys; `stored`: bytes of rows;
//! - [`view`]: a view's tables, and readings of one lsn; `apply`: admitted entries into a batch;
//!   `staged`: operations larger than one record, and how full cells of PINs are;
//! - [`projector`]: the step function that keeps a view up to date; [`service`]: the thread that drives it, `options`: how;
//! - [`checksum`], [`rebuild`], `generations`: proving a view equal to a fresh fold, and switching to it;
//! - `fresh`: a whole view folded at once, with `sorter`; `target`: what entries are applied to, there and here;
//! - [`trial`]: what a record would change, without its being recorded; `foreseen`: what an operation would;
//! - `walk`: a row's records, newest first, through the log; [`history`]: pages of them; [`cursor`]: how listings go on;
//! - [`as_of`]: rows as they were on a day, as known at a record; `streams`: what a record says of a row's streams;
//!   `row_source`: answers of now and of then from the same code;
//! - [`chronicle`]: everything recorded of a row, and what was believed before; `page`: the same to be printed;
//!   [`explanation`]: why a row is what it is; [`causes`]: which records made a total what it is; [`difference`]: what changed between two pairs of times; [`labels`]: what events and aspects are called;
//! - [`names`]: how names are compared; [`search`]: finding persons by what is known of them;
//! - [`due`]: who needs a card; [`operations`]: operations, cells of PINs, notices due;
//! - [`definition`]: who is counted where; [`changes`], [`vital`]: how a person came to be counted, and what happened, from the row
//!   alone; `totals`: what is counted by what; `reference`: the days of records, and units above units;
//! - [`structure`]: populations by age; [`flows`]: populations month by month; [`tree`]: units as they stand on a day;
//! - [`disclosure`]: which counts may be shown to whoever may see no persons;
//! - [`live`]: what was recorded, in short, as it is recorded;
//! - [`answers`]: the JSON of answers; [`http`]: the routes.
//!
//! *Architecture invariant:* nothing here writes to the log, and nobody reads a view to decide a command.
//! *Architecture invariant:* a row is a pure function of the row before and the event; an index or a total, of the row
//! before and the row after. Nothing else updates them (R2). What an operation stages is in no row before its commit: it lies
//! in a table of its own.
//! *Architecture invariant:* readers see rows, indexes and totals of one lsn, and every answer names it.
//! *Architecture invariant:* what cannot be applied stops the projector, which says so; nothing is skipped (R5).

pub mod answers;
mod apply;
pub mod as_of;
pub mod causes;
pub mod changes;
pub mod checksum;
pub mod chronicle;
pub mod class;
pub mod cursor;
pub mod definition;
mod derived;
pub mod difference;
pub mod disclosure;
pub mod due;
pub mod explanation;
pub mod flows;
mod foreseen;
mod fresh;
mod generations;
pub mod history;
pub mod http;
mod known_then;
pub mod labels;
pub mod layout;
pub mod live;
pub mod month;
pub mod names;
pub mod operations;
mod options;
mod page;
pub mod projector;
pub mod rebuild;
mod reference;
mod row_source;
pub mod rows;
pub mod search;
pub mod service;
mod sorter;
mod staged;
mod stored;
mod streams;
pub mod structure;
mod target;
mod totals;
pub mod tree;
pub mod trial;
pub mod view;
pub mod vital;
mod walk;

pub use apply::ApplyError;
pub use generations::engine_in_use;
pub use known_then::MAX_RECORDS_TAKEN_BACK;
pub use layout::{FOLD_REVISION, ResidenceKind};
pub use options::Options;
pub use projector::{Projector, ProjectorError, Step};
pub use rebuild::{RebuildError, RebuildProgress, RebuildReport};
pub use service::{Progress, ViewService, Views, WaitError};
pub use totals::Counted;
pub use view::{Listing, Reading, UnitCounts, View};
