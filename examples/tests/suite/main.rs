//! The example programs, run as commands.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod errors;
mod identities;
mod live;
mod metadata_proxy;
mod tenants;
mod tour;
