//! The principals that can assume a role, and their paths to it.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::access::{Access, Verdict};
use super::subject::Subject;
use super::table::Table;

/// The principals that can assume a role, directly or through other roles.
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
/// let role = "arn:aws:iam::111122223333:role/team/release";
/// let report = accounts.who_can_assume(role, &Context::new())?;
/// let vendor = report.assumers.iter().find(|it| it.subject.to_string().contains("delegated"));
/// assert_eq!(
///     vendor.unwrap().to_string(),
///     "account 444455556666 (delegated): allowed if conditions are met directly: StringEquals \
///      sts:ExternalId \"shop-4711\"; assuming that the policies of account 444455556666 allow it",
/// );
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RoleAssumers {
    /// The ARN of the role.
    pub role: String,
    /// The principals, those with the shortest paths first. The role itself is not among them.
    pub assumers: Vec<Assumer>,
    /// What the answer leaves out, in sentences.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A principal that can assume a role.
///
/// # Examples
///
/// ```
/// # use rolecall_policy::account::{AccountDetails, Accounts};
/// # use rolecall_policy::Context;
/// use rolecall_policy::account::{Subject, Verdict};
/// # let details = AccountDetails::parse(include_str!("tests/account.json"))?;
/// let accounts = Accounts::from(details);
/// let role = "arn:aws:iam::111122223333:role/team/release";
/// let report = accounts.who_can_assume(role, &Context::new())?;
/// let bob = Subject::User("arn:aws:iam::111122223333:user/bob".to_owned());
/// let assumer = report.assumers.iter().find(|assumer| assumer.subject == bob).unwrap();
/// assert_eq!(assumer.verdict, Verdict::Conditional);
/// let roles: Vec<&str> = assumer.path.iter().map(|hop| hop.resource.as_str()).collect();
/// assert_eq!(roles, ["arn:aws:iam::111122223333:role/deploy", role]);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Assumer {
    /// The principal.
    pub subject: Subject,
    /// Whether a path is without conditions.
    pub verdict: Verdict,
    /// The shortest path: each hop is the access of one principal to the next role, the last of
    /// which is the role of the question. Of several, one without conditions if there is one.
    #[serde(serialize_with = "hops")]
    pub path: Vec<Arc<Access>>,
    /// The shortest path without conditions, if the shortest path has some.
    #[serde(serialize_with = "optional_hops", skip_serializing_if = "Option::is_none")]
    pub unconditional_path: Option<Vec<Arc<Access>>>,
}

fn hops<S: Serializer>(path: &[Arc<Access>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(path.iter().map(|hop| &**hop))
}

fn optional_hops<S: Serializer>(
    path: &Option<Vec<Arc<Access>>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    hops(path.as_deref().unwrap_or_default(), serializer)
}

impl fmt::Display for RoleAssumers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(["principal", "answer", "path", "conditions"]);
        for assumer in &self.assumers {
            let subject = assumer.subject.to_string();
            let (path, conditions) = describe(&assumer.path);
            table.push([subject, assumer.verdict.to_string(), path, conditions]);
            if let Some(path) = &assumer.unconditional_path {
                let (path, _) = describe(path);
                table.push([String::new(), String::new(), format!("or {path}"), String::new()]);
            }
        }
        write!(f, "{table}")?;
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

impl fmt::Display for Assumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, conditions) = describe(&self.path);
        write!(f, "{}: {} {path}", self.subject, self.verdict)?;
        if !conditions.is_empty() {
            write!(f, ": {conditions}")?;
        }
        match &self.unconditional_path {
            Some(path) => write!(f, "; without conditions {}", describe(path).0),
            None => Ok(()),
        }
    }
}

/// Returns the roles between, and the conditions of the hops that have some.
fn describe(path: &[Arc<Access>]) -> (String, String) {
    let roles = path.split_last().map_or(&[][..], |(_, between)| between);
    let roles: Vec<&str> = roles.iter().map(|hop| hop.resource.as_str()).collect();
    let text = match roles.as_slice() {
        [] => "directly".to_owned(),
        roles => format!("through {}", roles.join(", ")),
    };
    let conditional = path.iter().enumerate().filter(|(_, hop)| hop.verdict < Verdict::Allowed);
    let conditions = conditional.map(|(index, hop)| match path.len() {
        1 => hop.conditions(),
        _ => format!("hop {}: {}", index + 1, hop.conditions()),
    });
    (text, conditions.collect::<Vec<_>>().join("; "))
}
