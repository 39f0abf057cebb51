//! What rolecall does, as programs to run and to copy.
//!
//! `cargo run -p rolecall-examples` is the [`tour`]: the main job from beginning to end, on an embedded local AWS, or
//! with `--live` on the account that the environment points to. The other programs (`whoami`, `s3`, `secrets`, `ecr`,
//! `chain`, `plug_into_aws_config`) are one file each, to copy from ([`main`], [`Plain`] and [`About`] are the frame around
//! them), and `tenants` is a small web service; with `--sandbox` they run on a local AWS, too.

mod plain;
mod sandbox;
pub mod tour;

pub use plain::{About, Plain};
pub use sandbox::main;
pub use tour::Login;
