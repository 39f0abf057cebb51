//! The command, run as a program on the local AWS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod assume;
mod command;
mod console;
mod doctor;
mod folder;
mod help;
mod policy_account;
mod policy_check;
mod policy_documents;
mod policy_simulate;
mod scaffold;
mod token;
mod credential_process;
#[cfg(unix)]
mod store;
#[cfg(unix)]
mod store_faults;
mod whoami;
