//! Parses, builds, checks and evaluates IAM policies, without I/O, async code or an AWS SDK.
//!
//! [`evaluate`] decides a request as AWS does, from all kinds of policies around it, and explains
//! its decision:
//!
//! ```
//! use rolecall_policy::{Caller, Context, Policies, Request, TrustPolicy, evaluate};
//!
//! let trust = TrustPolicy::parse(r#"{
//!     "Version": "2012-10-17",
//!     "Statement": {
//!         "Effect": "Allow",
//!         "Principal": {"AWS": "arn:aws:iam::444455556666:role/checkout"},
//!         "Action": "sts:AssumeRole",
//!         "Condition": {"StringEquals": {"sts:ExternalId": "shop-4711"}}
//!     }
//! }"#)?;
//! let checkout = Caller::parse("arn:aws:sts::444455556666:assumed-role/checkout/pod-1")?;
//! let request = Request::new(checkout, "sts:AssumeRole", "arn:aws:iam::444455556666:role/orders")
//!     .context(Context::new().with("sts:ExternalId", "shop-4712"));
//! let decision = evaluate(&request, &Policies::new().trust(&trust));
//! assert!(!decision.is_allowed());
//! println!("{}", decision.explain());
//! // implicitly denied: no trust policy allows sts:AssumeRole on
//! // arn:aws:iam::444455556666:role/orders; statement 1 does not match: StringEquals
//! // sts:ExternalId expects "shop-4711", the request has "shop-4712"
//! # assert!(decision.explain().to_string().ends_with("the request has \"shop-4712\""));
//! # Ok::<(), rolecall_policy::PolicyError>(())
//! ```
//!
//! | task | start at |
//! |---|---|
//! | parse a document | [`TrustPolicy`], [`PermissionPolicy`], [`ResourcePolicy`] |
//! | write a policy | [`TrustPolicy::builder`], [`PermissionPolicy::builder`] |
//! | decide a request, and learn why | [`evaluate`], [`Explanation`] |
//! | decide a request that is described in JSON | [`Simulation`] |
//! | check a web identity token against a trust policy | [`WebIdentityClaims::check_trust`] |
//! | find faults of a policy | [`lint_document`] |
//! | ask what the policies of an account allow | [`account`] |
//! | write the policies of a service in an EKS cluster | [`ReferenceArrangement`] |
//! | register an OIDC provider | [`OidcProvider`] |
//! | measure a session policy | [`SessionPolicySize`] |
//!
//! # Language
//!
//! The whole policy language is supported: all elements and their negations, all kinds of
//! principals, all condition operators with their prefixes and suffixes, policy variables with
//! defaults, and both versions. What IAM refuses is an error when the policy is parsed, with its
//! location in the document, line and column; it is never ignored. (IAM User Guide, "IAM JSON
//! policy reference".) The builders grant what is named and nothing more.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | adds |
//! |---|---|
//! | `thumbprint` | the thumbprint of an OIDC provider from its certificates |
//! | `terraform` | Terraform configuration for roles, policies and OIDC providers |
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod account;
mod arn;
mod arrangement;
mod build;
mod caller;
mod condition;
mod context;
mod decision;
mod error;
mod evaluate;
mod explain;
mod issuers;
mod json;
mod knowledge;
mod limits;
mod lines;
mod lint;
mod model;
mod node;
mod oidc_provider;
mod pattern;
mod policy;
mod principal;
mod read;
mod request;
mod session;
mod simulate;
mod statement;
mod tag;
#[cfg(feature = "terraform")]
#[cfg_attr(docsrs, doc(cfg(feature = "terraform")))]
pub mod terraform;
mod token;
mod write;

pub use arrangement::{ReferenceArrangement, ReferenceArrangementBuilder};
pub use build::{
    AllowedSessionTags, AssumeRoleAccess, EcrAccess, PermissionPolicyBuilder, RevokedSessions,
    S3Access, SecretsAccess, TrustPolicyBuilder, TrustedGitHubActions, TrustedPodIdentity,
    TrustedPrincipal, TrustedService, TrustedServiceAccount, TrustedWebIdentity,
};
pub use caller::{Caller, CallerKind};
pub use condition::{Condition, Operator, OperatorType, SetOperator};
pub use context::Context;
pub use decision::{Outcome, PolicyType};
pub use error::{PolicyError, Position};
pub use evaluate::{Decision, Policies, evaluate};
pub use explain::{Explanation, MismatchedElement, StatementResult};
pub use limits::PolicyKind;
pub use lint::{Finding, Lint, LintOptions, Severity, lint_document, unknown_action};
pub use model::{ActionPattern, Document, Effect, OneOf, ResourcePattern, Statement};
pub use oidc_provider::{OidcProvider, OidcProviderBuilder, Thumbprint};
pub use pattern::{Pattern, Version};
pub use policy::{PermissionPolicy, ResourcePolicy, TrustPolicy};
pub use principal::Principal;
pub use request::Request;
pub use session::SessionPolicySize;
pub use simulate::{Simulation, SimulationId};
pub use token::{CheckedAction, TokenCheck, WebIdentityClaims};

// Compiles the examples of the README, one of which needs the feature, with the doc tests.
#[cfg(all(doctest, feature = "terraform"))]
#[doc = include_str!("../README.md")]
struct Readme;
