//! Builders of policies: typed access in, documents out.
//!
//! A builder takes names, never patterns: a wildcard or a policy variable in its input is an error,
//! and a prefix ends in `/`, so that a policy grants only what was named.

mod assume_role;
mod check;
mod ecr;
mod github;
mod partition;
mod permission;
mod pod_identity;
mod principal;
mod regional;
mod revoke;
mod s3;
mod secrets;
mod service;
mod service_account;
mod session_rules;
mod session_tags;
mod trust;
mod web_identity;

pub use assume_role::AssumeRoleAccess;
pub use ecr::EcrAccess;
pub use github::TrustedGitHubActions;
pub use permission::PermissionPolicyBuilder;
pub use pod_identity::TrustedPodIdentity;
pub use principal::TrustedPrincipal;
pub use revoke::RevokedSessions;
pub use s3::S3Access;
pub use secrets::SecretsAccess;
pub use service::TrustedService;
pub use service_account::TrustedServiceAccount;
pub use session_tags::AllowedSessionTags;
pub use trust::TrustPolicyBuilder;
pub use web_identity::TrustedWebIdentity;

use crate::condition::Condition;
use crate::error::{Located, PolicyError};
use crate::limits::PolicyKind;
use crate::model::{ActionPattern, Document, Effect, OneOf, ResourcePattern, Statement};
use crate::pattern::Version;
use crate::principal::Principal;
use crate::{read, write};
use check::fault;

/// A statement whose values were checked.
#[derive(Clone, Debug)]
struct Draft {
    sid: Option<String>,
    effect: Effect,
    principal: Option<Principal>,
    actions: Vec<&'static str>,
    resources: Option<Vec<String>>,
    tests: Vec<Test>,
}

impl Draft {
    fn statement(self) -> Result<Statement, PolicyError> {
        let action = |text: &'static str| {
            ActionPattern::parse_text(text, Located::default())
                .map_err(|message| fault("action", format!("{text:?} is not an action: {message}")))
        };
        let resource =
            |text: String| ResourcePattern::compile(&text, Version::V2012, Located::default());
        Ok(Statement {
            sid: self.sid,
            effect: self.effect,
            principals: self.principal.map(|principal| one_of(vec![principal])),
            actions: one_of(self.actions.into_iter().map(action).collect::<Result<_, _>>()?),
            resources: self
                .resources
                .map(|texts| one_of(texts.into_iter().map(resource).collect())),
            conditions: conditions(self.tests)?,
            at: Located::default(),
        })
    }
}

fn one_of<T>(patterns: Vec<T>) -> OneOf<T> {
    OneOf { patterns, negated: false }
}

/// A condition whose values were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Test {
    operator: &'static str,
    key: String,
    values: Vec<String>,
}

impl Test {
    fn new<V: Into<String>>(
        operator: &'static str,
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        let values = values.into_iter().map(Into::into).collect();
        Self { operator, key: key.into(), values }
    }

    fn equals<V: Into<String>>(
        key: impl Into<String>,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self::new("StringEquals", key, values)
    }
}

/// Brings the conditions of one operator together, as they stand in a document. A policy that is
/// written and parsed is then equal to the one that was built.
fn conditions(mut tests: Vec<Test>) -> Result<Vec<Condition>, PolicyError> {
    let operators: Vec<&'static str> = tests.iter().map(|test| test.operator).collect();
    tests.sort_by_key(|test| operators.iter().position(|operator| *operator == test.operator));
    let condition = |test: Test| {
        let Test { operator, key, values } = test;
        Condition::new(operator, &key, values).map_err(|error| error.at(&key))
    };
    tests.into_iter().map(condition).collect()
}

/// Creates a document and compares it with the size limit of its kind. `hint` says what to do about
/// a document that is too large.
fn document(kind: PolicyKind, drafts: Vec<Draft>, hint: &str) -> Result<Document, PolicyError> {
    let statements = drafts.into_iter().map(Draft::statement).collect::<Result<_, _>>()?;
    let document = Document { version: Some(Version::V2012), id: None, statements };
    read::check_size(kind, &write::compact(&document)).map_err(|error| {
        let message = format!("{}; hint: {hint}", error.message);
        PolicyError { message, ..error }
    })?;
    Ok(document)
}

#[cfg(test)]
mod tests;
