//! The command, run as a program on the local AWS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod assume;
mod command;
mod console;
mod doctor;
mod help;
mod whoami;
