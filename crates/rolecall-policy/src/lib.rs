//! Parses, builds and evaluates the IAM policies around roles.
//!
//! A [`TrustPolicy`] says which callers may assume a role, and a [`PermissionPolicy`] which actions
//! a session may take. Actions, resources, principals and the condition operators of [`condition`]
//! are supported. Anything else is an error when the policy is parsed, with its location in the
//! document; it is never ignored.
//!
//! ```
//! use rolecall_policy::{Caller, Context, Decision, PermissionPolicy, Trust, TrustPolicy};
//!
//! let trust = TrustPolicy::parse(r#"{
//!     "Version": "2012-10-17",
//!     "Statement": {
//!         "Effect": "Allow",
//!         "Principal": {"AWS": "arn:aws:iam::111122223333:role/checkout"},
//!         "Action": "sts:AssumeRole",
//!         "Condition": {"StringEquals": {"sts:ExternalId": "shop-4711"}}
//!     }
//! }"#)?;
//! let checkout = "arn:aws:iam::111122223333:role/checkout";
//! let caller = Caller::role_session("111122223333", checkout, "checkout", "pod-1");
//! let context = Context::new().with("sts:ExternalId", "shop-4711");
//! assert_eq!(trust.evaluate(&caller, "sts:AssumeRole", &context), Trust::Named);
//! assert_eq!(trust.evaluate(&caller, "sts:AssumeRole", &Context::new()), Trust::NotTrusted);
//!
//! let permission = PermissionPolicy::parse(r#"{
//!     "Version": "2012-10-17",
//!     "Statement": {
//!         "Effect": "Allow",
//!         "Action": "sts:AssumeRole",
//!         "Resource": "arn:aws:iam::444455556666:role/*"
//!     }
//! }"#)?;
//! let role = "arn:aws:iam::444455556666:role/orders";
//! assert_eq!(permission.evaluate("sts:AssumeRole", role, &context), Decision::Allow);
//! # Ok::<(), rolecall_policy::PolicyError>(())
//! ```
//!
//! [`PermissionPolicy::builder`] and [`TrustPolicy::builder`] write policies. They grant only what
//! is named: input that would grant more, such as a wildcard or a prefix that does not end in `/`,
//! is an error.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod build;
pub mod condition;
mod evaluate;
mod json;
mod model;
mod parse;
mod pattern;

pub use build::{
    EcrAccess, PermissionPolicyBuilder, S3Access, SecretsAccess, TrustPolicyBuilder,
    TrustedPrincipal, TrustedServiceAccount,
};
pub use condition::{Condition, Context};
pub use evaluate::{Caller, Decision, Trust, Verdict, assume_role};
pub use model::{Effect, PermissionPolicy, Principal, TrustPolicy};
pub use parse::PolicyError;
pub use pattern::Pattern;

// Compiles the examples of the README with the documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
