//! The whole system from outside: the program is run as its users run it. One binary, so that tests that wait for servers
//! run beside those that compute.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod backup;
mod by_hand;
mod compose;
mod demo;
mod failover;
mod feed;
mod kill;
mod kill_operation;
mod moving;
mod program;
mod scale;
#[cfg(feature = "next-format")]
mod upgrade;
mod verify;
