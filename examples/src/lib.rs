//! Examples of rolecall, as programs to run and to copy.
//!
//! - `cargo run -p rolecall-examples` runs the [`tour`]: every step from a web identity token to
//!   AWS services, on an embedded local AWS, or with `--live` in an AWS account.
//! - `whoami`, `chain`, `s3`, `secrets`, `ecr` and `plug_into_aws_config` are programs of one file
//!   each. They share [`main`], [`ExampleError`] and [`Context`].
//! - `tenants` is a small web service with one session per tenant.
//!
//! With `--sandbox`, each program but the tour runs on a local AWS.

mod error;
mod sandbox;
pub mod tour;

pub use error::{Context, ExampleError};
pub use sandbox::main;
pub use tour::RegistryLogin;
