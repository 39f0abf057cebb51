//! The rolecall manual, with a page for each use case.
//!
//! | Page | Read it to |
//! |---|---|
//! | [`getting_started`] | obtain the first session on EKS, ECS, EC2 or a laptop |
//! | [`role_chains`] | assume roles, in other accounts and through other roles |
//! | [`tenants`] | use many roles, or one role with access to a single tenant's data |
//! | [`sdk_clients`] | configure AWS SDK clients, and retry requests whose session was rejected |
//! | [`custom_providers`] | obtain sessions from a source that rolecall does not support |
//! | [`testing`] | test code that assumes roles with a local AWS and a manual clock |
//! | [`observability`] | monitor sessions: status, events, metrics and logs |
//! | [`migration`] | replace the credential providers of `aws-config` |
//!
//! This module contains documentation only. The directory `examples` of this crate contains
//! complete programs for the same use cases.

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
