//! The command, run as a program on the local AWS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod assume;
#[cfg(target_os = "linux")]
mod at_terminal;
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
#[cfg(unix)]
mod frozen_sts;
mod help;
mod hints;
#[cfg(target_os = "linux")]
mod lost_output;
mod messages;
#[cfg(target_os = "linux")]
mod mfa_prompt;
#[cfg(unix)]
mod pasted;
#[cfg(target_os = "linux")]
mod paths;
mod policy_account;
mod policy_check;
mod policy_documents;
mod policy_simulate;
#[cfg(unix)]
mod recordings;
#[cfg(unix)]
mod recursion;
mod reference;
mod refresh;
mod running;
#[cfg(unix)]
mod sandbox;
mod scaffold;
#[cfg(target_os = "linux")]
mod secrets;
mod serve;
#[cfg(unix)]
mod shells;
mod short_sessions;
mod status_page;
#[cfg(target_os = "linux")]
mod stopped;
#[cfg(unix)]
mod store;
#[cfg(unix)]
mod store_faults;
#[cfg(unix)]
mod terminal;
mod token;
#[cfg(unix)]
mod unread;
#[cfg(unix)]
mod unreadable_config;
#[cfg(target_os = "linux")]
mod watched;
mod whoami;
