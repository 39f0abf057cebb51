//! The integration tests of this crate.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod api;
mod arrangement;
mod cases;
mod comparison;
mod corpora;
mod generate;
mod independent;
mod left_out;
mod linters;
mod naive;
mod properties;
mod table;
#[cfg(feature = "terraform")]
mod terraform;
