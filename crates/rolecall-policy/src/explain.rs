//! Explanations of decisions: as a sentence, as a table, and serialised.

use std::fmt;

use serde::Serialize;

use crate::caller::{CallerKind, Naming};
use crate::condition::{Condition, ConditionResult};
use crate::decision::{Outcome, PolicyType, Reason};
use crate::error::{excerpt, shortened};
use crate::model::{Effect, Statement};
use crate::request::Request;
use crate::statement::Mismatch;

/// Why a request is allowed or denied.
///
/// `Display` writes a sentence, [`table`](Self::table) a line for each statement, and the type
/// implements `Serialize`.
///
/// # Values of the request
///
/// An explanation contains values of condition keys, such as the external id that a trust policy
/// expects: show it only where the policies may be read. The sentence and the table cut values
/// after 300 characters and show three of many; the fields, and what is serialised, have all of
/// them.
///
/// # Serialised form
///
/// The members bear the names of the fields, an [`Outcome`] its name, and a [`PolicyType`] its name
/// in snake case. Members may be added in a minor version.
///
/// ```json
/// {
///   "outcome": "ImplicitlyDenied",
///   "decided_by": "trust",
///   "reason": "no trust policy allows sts:AssumeRole on arn:aws:iam::111122223333:role/orders; ..",
///   "statements": [{
///     "policy_type": "trust", "policy": 0, "statement": 0, "sid": "Partner", "effect": "Allow",
///     "matched": false,
///     "mismatch": {
///       "element": "StringEquals", "key": "sts:ExternalId",
///       "expected": ["shop-4711"], "actual": null
///     }
///   }]
/// }
/// ```
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Caller, Context, PermissionPolicy, Policies, Request, evaluate};
/// let policies = [PermissionPolicy::parse(r#"{"Statement": [
///     {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
///     {"Sid": "TlsOnly", "Effect": "Deny", "Action": "*", "Resource": "*",
///      "Condition": {"Bool": {"aws:SecureTransport": false}}}
/// ]}"#)?];
/// let policies = Policies::new().identity(&policies);
/// let ann = Caller::user("111122223333", "arn:aws:iam::111122223333:user/ann");
/// let request = Request::new(ann, "s3:GetObject", "arn:aws:s3:::shop/a")
///     .context(Context::new().with("aws:SecureTransport", "true"));
/// let explanation = evaluate(&request, &policies).explain();
/// assert_eq!(
///     explanation.table().to_string(),
///     "policy           statement    effect  result\n\
///      identity policy  1            Allow   matches\n\
///      identity policy  2 (TlsOnly)  Deny    Bool aws:SecureTransport expects \"false\", the \
///      request has \"true\"\n",
/// );
/// assert_eq!(serde_json::to_value(&explanation).unwrap()["outcome"], "Allowed");
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// Whether the request is allowed.
    pub outcome: Outcome,
    /// The kind of policy that decided, if one did.
    pub decided_by: Option<PolicyType>,
    /// The reason in a sentence.
    pub reason: String,
    /// Each statement of the policies, and whether it matched.
    pub statements: Vec<StatementResult>,
}

/// A statement's part in a decision.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Caller, PermissionPolicy, Policies, Request, evaluate};
/// let policies = [PermissionPolicy::parse(
///     r#"{"Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}"#,
/// )?];
/// let ann = Caller::user("111122223333", "arn:aws:iam::111122223333:user/ann");
/// let request = Request::new(ann, "s3:PutObject", "arn:aws:s3:::shop/a");
/// let policies = Policies::new().identity(&policies);
/// let explanation = evaluate(&request, &policies).explain();
/// let statement = &explanation.statements[0];
/// assert!(!statement.matched);
/// let mismatch = statement.mismatch.as_ref().unwrap();
/// assert_eq!((mismatch.element.as_str(), &mismatch.expected[..]), ("Action", &["s3:Get*".to_owned()][..]));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StatementResult {
    /// The kind of the policy.
    pub policy_type: PolicyType,
    /// The level of the organisation, from 0 at its root, for control policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<usize>,
    /// The index of the policy among those of its kind.
    pub policy: usize,
    /// The index of the statement in the policy.
    pub statement: usize,
    /// The statement's `Sid`, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// The statement's effect.
    pub effect: Effect,
    /// `true` if the statement matches the request.
    pub matched: bool,
    /// The first element that does not match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mismatch: Option<MismatchedElement>,
}

/// The first element of a statement that does not match a request.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Caller, Context, PermissionPolicy, Policies, Request, evaluate};
/// let policies = [PermissionPolicy::parse(r#"{"Statement": {
///     "Effect": "Allow", "Action": "*", "Resource": "*",
///     "Condition": {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
/// }}"#)?];
/// let ann = Caller::user("111122223333", "arn:aws:iam::111122223333:user/ann");
/// let request = Request::new(ann, "s3:GetObject", "arn:aws:s3:::shop/a")
///     .context(Context::new().with("aws:PrincipalTag/team", "red"));
/// let policies = Policies::new().identity(&policies);
/// let explanation = evaluate(&request, &policies).explain();
/// let mismatch = explanation.statements[0].mismatch.as_ref().unwrap();
/// assert_eq!(
///     mismatch.to_string(),
///     r#"StringEquals aws:PrincipalTag/team expects "blue", the request has "red""#,
/// );
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MismatchedElement {
    /// The element, such as `Action`, `NotResource` or `Principal`, or the operator of a condition.
    pub element: String,
    /// The condition key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The values in the policy.
    pub expected: Vec<String>,
    /// The values of the request, or `None` if it does not have the condition key.
    pub actual: Option<Vec<String>>,
}

/// A statement, where it stands, and whether it matched.
pub(crate) struct Reported<'r> {
    pub(crate) policy_type: PolicyType,
    /// The level of the organisation, for the two kinds that have levels.
    pub(crate) level: Option<usize>,
    pub(crate) policy: usize,
    pub(crate) index: usize,
    pub(crate) statement: &'r Statement,
    pub(crate) result: Result<Naming, Mismatch<'r>>,
}

impl Reported<'_> {
    pub(crate) fn describe(&self, request: &Request) -> StatementResult {
        let mismatch = self.result.err().map(|mismatch| self.element(mismatch, request));
        StatementResult {
            policy_type: self.policy_type,
            level: self.level,
            policy: self.policy,
            statement: self.index,
            sid: self.statement.sid().map(str::to_owned),
            effect: self.statement.effect(),
            matched: mismatch.is_none(),
            mismatch,
        }
    }

    fn element(&self, mismatch: Mismatch<'_>, request: &Request) -> MismatchedElement {
        let statement = self.statement;
        let named = |negated: bool, name: &str| {
            if negated { format!("Not{name}") } else { name.to_owned() }
        };
        let (element, expected, actual) = match mismatch {
            Mismatch::Condition(condition, result) => {
                return condition_element(condition, result, request);
            }
            Mismatch::Action => {
                let actions = statement.actions();
                let patterns = actions.patterns().iter().map(|action| action.as_str().to_owned());
                (named(actions.is_negated(), "Action"), patterns.collect(), request.action())
            }
            Mismatch::Resource => {
                let negated = statement.resources().is_some_and(|list| list.is_negated());
                let patterns = statement.resources().map(|list| list.patterns());
                let texts = patterns.unwrap_or_default().iter().map(|one| one.as_str().to_owned());
                (named(negated, "Resource"), texts.collect(), request.resource())
            }
            Mismatch::Principal => {
                let negated = statement.principals().is_some_and(|list| list.is_negated());
                let patterns = statement.principals().map(|list| list.patterns());
                let texts = patterns
                    .unwrap_or_default()
                    .iter()
                    .map(|one| one.kind_and_value().1.to_owned());
                (named(negated, "Principal"), texts.collect(), request.caller().arn())
            }
        };
        MismatchedElement { element, key: None, expected, actual: Some(vec![actual.to_owned()]) }
    }
}

fn condition_element(
    condition: &Condition,
    result: ConditionResult,
    request: &Request,
) -> MismatchedElement {
    let actual = match result {
        ConditionResult::KeyMissing => None,
        _ => request.get_context().lookup(condition.lower_case_key()).map(<[String]>::to_vec),
    };
    MismatchedElement {
        element: condition.operator().name(),
        key: Some(condition.key().to_owned()),
        expected: condition.values().map(str::to_owned).collect(),
        actual,
    }
}

impl Explanation {
    pub(crate) fn new(
        outcome: Outcome,
        reason: Reason,
        request: &Request,
        statements: Vec<StatementResult>,
    ) -> Self {
        let of = format!("{} on {}", request.action(), shortened(request.resource()));
        let deciding = |policy_type: PolicyType, effect: Effect| {
            let matching = statements.iter().filter(|statement| {
                statement.policy_type == policy_type && statement.effect == effect
            });
            matching.clone().find(|statement| statement.matched).map_or_else(
                || format!("the {policy_type}"),
                |statement| format!("{} of {}", statement.name(), statement.place(&statements)),
            )
        };
        let (decided_by, reason) = match reason {
            Reason::AlwaysAllowed => (None, format!("{} needs no permission", request.action())),
            Reason::Root => (None, format!("the root user may call {of} in its account")),
            Reason::RootCannotAssumeRoles => (None, "the root user cannot assume roles".to_owned()),
            Reason::ForeignProvider => {
                let role = request.account_of_resource().unwrap_or_default();
                let provider = request.caller().arn();
                let hint = format!("hint: create the provider in account {role}");
                let fault = "the identity provider is of another account than the role";
                (None, format!("{fault}: {provider}; {hint}"))
            }
            Reason::AllowedBy(of_type) => {
                (Some(of_type), format!("{} allows {of}", deciding(of_type, Effect::Allow)))
            }
            Reason::DeniedBy(of_type) => {
                (Some(of_type), format!("{} denies {of}", deciding(of_type, Effect::Deny)))
            }
            Reason::NotAllowedBy(of_type) => {
                (Some(of_type), not_allowed(of_type, &of, request, &statements))
            }
        };
        Self { outcome, decided_by, reason, statements }
    }

    /// Returns the explanation as a table: a line for each statement.
    pub fn table(&self) -> impl fmt::Display + '_ {
        Table(self)
    }
}

/// The reason of an implicit denial: the kind of policy that should allow the request, the
/// statement that came closest, and why what another kind allows does not suffice.
fn not_allowed(
    of_type: PolicyType,
    of: &str,
    request: &Request,
    statements: &[StatementResult],
) -> String {
    let level = silent_level(statements).filter(|_| of_type == PolicyType::ServiceControl);
    let of_level = level.map(|level| format!(" of level {}", level + 1)).unwrap_or_default();
    let mut text = format!("no {of_type}{of_level} allows {of}");
    let candidates = statements.iter().filter(|it| level.is_none() || it.level == level);
    if let Some((statement, mismatch)) = nearest(candidates, of_type) {
        let place = Some(statement.place(statements)).filter(|place| !place.starts_with("the "));
        let of_place = place.map(|place| format!(" of {place}")).unwrap_or_default();
        text.push_str(&format!("; {}{of_place} does not match: {mismatch}", statement.name()));
    } else if !statements.iter().any(|statement| statement.policy_type == of_type) {
        text.push_str(&format!("; there is no {of_type}"));
    }
    let accounts = (request.caller().account(), request.account_of_resource());
    let side = [PolicyType::Trust, PolicyType::Resource];
    let granted = statements.iter().find(|statement| {
        side.contains(&statement.policy_type)
            && statement.effect == Effect::Allow
            && statement.matched
    });
    let is_user = matches!(request.caller().kind(), CallerKind::User);
    let limits_user = is_user && of_type == PolicyType::Session;
    match (accounts, granted) {
        _ if of_type == PolicyType::ServiceControl => {}
        ((Some(caller), Some(resource)), _) if caller != resource => {
            let accounts = format!("the caller is of account {caller}, the resource of {resource}");
            text.push_str(&format!("; {accounts}: policies of both must allow the request"));
        }
        // What limits a user by silence, though the grant names the user itself, is no such case.
        (_, Some(granted)) if !side.contains(&of_type) && !limits_user => {
            let grant = format!("{} of the {}", granted.name(), granted.policy_type);
            let cause = "it names the account or the role, not the caller itself";
            text.push_str(&format!("; {grant} does not suffice: {cause}"));
        }
        _ => {}
    }
    text
}

/// The first level of the organisation on which no service control policy allows the request.
fn silent_level(statements: &[StatementResult]) -> Option<usize> {
    let of_levels = statements.iter().filter(|it| it.policy_type == PolicyType::ServiceControl);
    let last = of_levels.clone().filter_map(|statement| statement.level).max()?;
    (0..=last).find(|level| {
        !of_levels.clone().any(|statement| {
            statement.level == Some(*level)
                && statement.matched
                && statement.effect == Effect::Allow
        })
    })
}

/// The Allow that came closest: the one whose first element that does not match is the last to be
/// compared.
pub(crate) fn nearest<'a>(
    statements: impl DoubleEndedIterator<Item = &'a StatementResult>,
    of: PolicyType,
) -> Option<(&'a StatementResult, &'a MismatchedElement)> {
    let candidates = statements
        .filter(|statement| statement.policy_type == of && statement.effect == Effect::Allow)
        .filter_map(|statement| Some((statement, statement.mismatch.as_ref()?)));
    let rank = |mismatch: &MismatchedElement| match mismatch.element.as_str() {
        _ if mismatch.key.is_some() => 3,
        "Principal" | "NotPrincipal" => 2,
        "Resource" | "NotResource" => 1,
        _ => 0,
    };
    // Of equals, `max_by_key` returns the last, and the first statement is the one to name.
    candidates.rev().max_by_key(|(_, mismatch)| rank(mismatch))
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Allowed => "allowed",
            Outcome::ImplicitlyDenied => "implicitly denied",
            Outcome::ExplicitlyDenied => "explicitly denied",
        };
        write!(f, "{outcome}: {}", self.reason)
    }
}

impl StatementResult {
    /// The statement's number, from 1 as people count, and its Sid.
    fn name(&self) -> String {
        let number = self.statement + 1;
        match &self.sid {
            Some(sid) if !sid.is_empty() => format!("statement {number} ({sid:?})"),
            _ => format!("statement {number}"),
        }
    }

    /// The statement's policy, with its number if there are several of its kind.
    fn place(&self, all: &[Self]) -> String {
        let (kind, number) = (self.policy_type, self.policy + 1);
        let several = || all.iter().any(|other| other.policy_type == kind && other.policy > 0);
        match self.level {
            Some(level) => format!("{kind} {number} of level {}", level + 1),
            None if several() => format!("{kind} {number}"),
            None => format!("the {kind}"),
        }
    }
}

impl fmt::Display for MismatchedElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.element)?;
        if let Some(key) = &self.key {
            write!(f, " {key}")?;
        }
        let verb = if self.element.starts_with("Not") { "excludes" } else { "expects" };
        write!(f, " {verb} {}", quoted(&self.expected))?;
        match &self.actual {
            None => f.write_str(", and the request does not have the key"),
            Some(values) if values.is_empty() => f.write_str(", the request has no value"),
            Some(values) => write!(f, ", the request has {}", quoted(values)),
        }
    }
}

/// At most three values, since a list of a hundred actions tells nothing more, each cut if it is
/// long.
pub(crate) fn quoted(values: &[String]) -> String {
    let shown: Vec<String> = values.iter().take(3).map(|value| excerpt(value)).collect();
    match values.len().saturating_sub(shown.len()) {
        0 => shown.join(" or "),
        more => format!("{} or {more} others", shown.join(" or ")),
    }
}

struct Table<'a>(&'a Explanation);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["policy", "statement", "effect", "result"].map(str::to_owned);
        let rows = self.0.statements.iter().map(|statement| {
            let policy = match (statement.level, statement.policy) {
                (None, 0) => statement.policy_type.to_string(),
                (None, policy) => format!("{} {}", statement.policy_type, policy + 1),
                (Some(level), policy) => {
                    format!("{} {}.{}", statement.policy_type, level + 1, policy + 1)
                }
            };
            let number = statement.statement + 1;
            let name = match &statement.sid {
                Some(sid) if !sid.is_empty() => format!("{number} ({sid})"),
                _ => number.to_string(),
            };
            let result = match &statement.mismatch {
                None => "matches".to_owned(),
                Some(mismatch) => mismatch.to_string(),
            };
            [policy, name, statement.effect.as_str().to_owned(), result]
        });
        let rows: Vec<[String; 4]> = std::iter::once(header).chain(rows).collect();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let (first, second, third) = (width(0), width(1), width(2));
        for [policy, name, effect, result] in &rows {
            writeln!(f, "{policy:first$}  {name:second$}  {effect:third$}  {result}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
