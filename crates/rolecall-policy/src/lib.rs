//! IAM policies: a model, a strict parser, builders, and an evaluator.
//!
//! It covers what the policies around roles use: [`TrustPolicy`] (who may assume) and [`PermissionPolicy`] (what a
//! session may do), with actions, resources and principals and the condition operators of [`condition`]. What it does
//! not cover is refused when it is parsed, with the place in the document, and never ignored.
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
//! let caller = Caller::role_session("111122223333", "arn:aws:iam::111122223333:role/checkout", "checkout", "pod-1");
//! let context = Context::new().with("sts:ExternalId", "shop-4711");
//! assert_eq!(trust.evaluate(&caller, "sts:AssumeRole", &context), Trust::Named);
//! assert_eq!(trust.evaluate(&caller, "sts:AssumeRole", &Context::new()), Trust::NotTrusted);
//!
//! let permission = PermissionPolicy::parse(r#"{
//!     "Version": "2012-10-17",
//!     "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::444455556666:role/*"}
//! }"#)?;
//! let role = "arn:aws:iam::444455556666:role/orders";
//! assert_eq!(permission.evaluate("sts:AssumeRole", role, &context), Decision::Allow);
//! # Ok::<(), rolecall_policy::PolicyError>(())
//! ```
//!
//! [`PermissionPolicy::builder`] and [`TrustPolicy::builder`] write policies: they let in what is named, and refuse
//! input (a wildcard, a prefix that does not end in `/`) that would let in more.

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
