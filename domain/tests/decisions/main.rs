//! Decisions of every family of commands: given what came before, when an office submits, then these facts follow, or these
//! faults stand against it.
//!
//! Layout: [`administration`] units, offices and dwellings; [`persons`] births, deaths and names; [`deaths`] what follows from a
//! death; [`residence`], [`households`], [`marriages`], [`pins`], [`cards`]; [`card_law`] the law of cards in its time; [`operations`] larger than
//! one record; [`competence`] of offices; [`refusals`] the catalogue of faults.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod administration;
mod card_law;
mod cards;
mod competence;
mod deaths;
mod households;
mod marriages;
mod operations;
mod persons;
mod pins;
mod refusals;
mod residence;
