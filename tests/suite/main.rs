//! Suites that cross rolecall's crates, on the local AWS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod bad_input;
mod behind_lazy;
mod beside_the_sdk;
mod cache_faults;
mod chains;
mod clients;
mod default_chain;
mod error_table;
mod hit;
mod into_the_sdk;
mod leaks;
mod limits_table;
mod observation;
mod parameters;
mod permissions;
mod policies_matter;
mod rejected;
mod role_pool;
mod scenarios;
mod simulated_day;
mod tokens;
mod trust;
mod way;
mod wire_contract;
