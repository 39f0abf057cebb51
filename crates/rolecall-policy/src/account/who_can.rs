//! Which principals can call an action on a resource.

use std::fmt;

use serde::Serialize;

use super::access::{Access, All, Verdict};
use super::accounts::Accounts;
use super::question::{Guard, Question};
use super::subject::Subject;
use super::table::Table;
use crate::context::Context;
use crate::error::PolicyError;
use crate::lint::unknown_action;
use crate::model::Effect;

/// The users and roles that can call an action on a resource.
///
/// `Display` writes a table.
///
/// # Examples
///
/// ```
/// # use rolecall_policy::account::{AccountDetails, Accounts};
/// # use rolecall_policy::Context;
/// # let details = AccountDetails::parse(include_str!("tests/account.json"))?;
/// let accounts = Accounts::from(details);
/// let report = accounts.who_can("s3:DeleteObject", "arn:aws:s3:::shop/a", &Context::new())?;
/// let subjects: Vec<String> = report.access.iter().map(|it| it.subject.to_string()).collect();
/// assert_eq!(
///     subjects,
///     [
///         "user arn:aws:iam::111122223333:user/ann",
///         "user arn:aws:iam::111122223333:user/erin",
///         "role arn:aws:iam::111122223333:role/team/release",
///     ],
/// );
/// assert!(report.to_string().starts_with("principal  "));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AccessReport {
    /// The action.
    pub action: String,
    /// The resource.
    pub resource: String,
    /// The users and roles that can, or can if conditions are met, in the order of the
    /// descriptions. A role stands for any session of it.
    pub access: Vec<Access>,
    /// What the answer leaves out, and whether the action is [unknown](crate::unknown_action), in
    /// sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Accounts {
    /// Returns the users and roles that can call an action on a resource, in any of the accounts.
    ///
    /// `context` has the condition keys that every request is known to carry. The others are
    /// unknown: see the [module](super).
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `action` is not one action, if `resource` is neither one ARN nor
    /// `*`, if the action is for a role that is not described, or if the account that owns the
    /// resource is not known.
    pub fn who_can(
        &self,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Result<AccessReport, PolicyError> {
        let target = self.target(action, resource)?;
        let mut access = Vec::new();
        for identity in &self.identities {
            let subject = Subject::of(identity);
            let principal = self.principal(&subject, Some(identity));
            let question = Question::new(principal, &target, context);
            if question.verdict() != Verdict::NotAllowed {
                access.push(question.access());
            }
        }
        let mut notes: Vec<_> = unknown_action(action).into_iter().collect();
        notes.extend(self.gaps.iter().cloned());
        // A resource policy that is not given may let more callers in than the answer lists.
        if matches!(target.guard, Guard::Unknown) && resource != "*" {
            notes.push(format!(
                "the policy of {resource} is not given, and counts as none in the account that \
                 owns it"
            ));
        }
        Ok(AccessReport { action: action.to_owned(), resource: resource.to_owned(), access, notes })
    }

    /// Returns whether a user, or any session of a role, can call an action on a resource.
    ///
    /// `principal` is the ARN of the user or role. `context` has the condition keys that the
    /// request is known to carry. The others are unknown: see the [module](super).
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] as [`who_can`](Self::who_can) does, and if the principal is not
    /// described.
    pub fn can(
        &self,
        principal: &str,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Result<Access, PolicyError> {
        let identity = self.identity(principal)?;
        let target = self.target(action, resource)?;
        let subject = Subject::of(identity);
        let principal = self.principal(&subject, Some(identity));
        Ok(Question::new(principal, &target, context).access())
    }
}

impl fmt::Display for AccessReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["principal", "answer", "statement", "conditions"]);
        for access in &self.access {
            access.push_rows(&mut table, access.subject.to_string());
        }
        write!(f, "{table}")?;
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

impl Access {
    /// Adds a row for each statement. Only the first has the name of the principal and the answer.
    pub(super) fn push_rows(&self, table: &mut Table<4>, principal: String) {
        let mut first = Some((principal, self.verdict.to_string()));
        let mut push = |statement: String, conditions: String| {
            let (principal, verdict) = first.take().unwrap_or_default();
            table.push([principal, verdict, statement, conditions]);
        };
        for statement in &self.statements {
            let effect = if statement.effect == Effect::Deny { "denied by " } else { "" };
            let conditions = match statement.requirements.as_slice() {
                [] => String::new(),
                all => format!("if {}", All(all)),
            };
            push(format!("{effect}{statement}"), conditions);
        }
        for assumption in &self.assumptions {
            push(String::new(), format!("if {assumption}"));
        }
        // Neither statements nor assumptions: a refusal, or an action that needs no permission.
        if self.statements.is_empty() && self.assumptions.is_empty() {
            push(self.reason.clone(), String::new());
        }
    }
}
