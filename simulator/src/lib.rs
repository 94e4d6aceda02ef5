//! A synthetic nation, calibrated on the Vietnamese census of 2019: real units, invented people.
//!
//! It enrols a province's people household by household and then lives day by day: births, marriages, deaths, moves, changes in
//! households, names, PINs, cards. Every step is a command that an office submits; a small share is wrong on purpose and says
//! with which code it is to be refused. What was accepted goes into the simulation's own [`Ledger`], which a caller compares
//! with what the registry's views say.
//!
//! Layout:
//! - [`World`]: the driver, pulled by a client that keeps thousands of commands in flight; [`planned`]: what it hands out;
//! - [`options`], [`units`]: size and place; the units' data are in `data/`, with their origin;
//! - [`ledger`]: the account of the truth; `store` and `effect`: its rows and how an acceptance changes them;
//! - `distributions`, `rates`, `names`, `family`: figures with their sources, and people made from them;
//! - `nation`, `enrolment`, `plan`: what is due on a day, one file for each family of commands.
//!
//! *Architecture invariant:* nobody in here is real; names are combinations of common parts, numbers are drawn.
//! *Architecture invariant:* no rule is shared with the registry: the crate uses the contract and nothing else.
//! *Architecture invariant:* the same options and the same answers give the same commands, whatever the order of the answers:
//! random numbers depend on the seed, a purpose and an entity, and effects are written down in the order of submission.
//! *Architecture invariant:* commands that are in flight together concern different households, so that any order of arrival
//! gives the same truth.
//! *Architecture invariant:* no clock is read; the driver's day is the simulation's.

mod distributions;
mod effect;
mod enrolment;
mod family;
pub mod ledger;
mod names;
mod nation;
pub mod options;
mod plan;
pub mod planned;
mod rates;
mod rng;
mod store;
pub mod units;
mod vital;
mod world;

pub use ledger::{Ledger, LedgerCard, LedgerHousehold, LedgerPerson, LedgerStay};
pub use options::{Options, OptionsError};
pub use planned::{AnswerError, Expectation, Judgement, Planned, Surprise};
pub use vital::VitalCounts;
pub use world::{Count, MAX_IN_FLIGHT, MAX_SURPRISES_KEPT, Phase, Tally, World};
