//! The manual: a page for each use of rolecall.
//!
//! | Page | Read it to |
//! |---|---|
//! | [`getting_started`] | obtain the first session on EKS, ECS, EC2 or a laptop |
//! | [`role_chains`] | assume a role, also in another account and through other roles |
//! | [`tenants`] | serve requests with many roles, or one role limited to a tenant's data |
//! | [`sdk_clients`] | plug sessions into AWS SDK clients, and retry rejected sessions |
//! | [`custom_providers`] | obtain sessions in a way that rolecall does not know |
//! | [`testing`] | test code that assumes roles, without AWS and without waiting |
//! | [`observability`] | watch sessions: events, metrics, logs and status |
//! | [`migration`] | replace the credential providers of `aws-config` |
//!
//! This module contains documentation only. The programs in the directory `examples` of this crate
//! show the same uses as complete programs.

pub mod custom_providers;
pub mod getting_started;
pub mod migration;
pub mod observability;
pub mod role_chains;
pub mod sdk_clients;
pub mod tenants;
pub mod testing;

// Compiles the examples of the crate's README with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
