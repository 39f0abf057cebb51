//! The command, run as a program on the local AWS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod assume;
mod attack;
mod clients;
mod command;
mod completions;
mod console;
mod credential_process;
mod doctor;
mod endpoint;
mod exec;
mod folder;
mod help;
mod policy_account;
mod policy_check;
mod policy_documents;
mod policy_simulate;
mod reference;
mod refresh;
mod running;
#[cfg(unix)]
mod sandbox;
mod scaffold;
mod serve;
#[cfg(unix)]
mod shells;
mod short_sessions;
mod status_page;
#[cfg(unix)]
mod store;
#[cfg(unix)]
mod store_faults;
mod token;
mod whoami;
