//! The programs, as a person runs them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod bad_input;
mod command;
mod live;
mod surroundings;
mod tenants;
