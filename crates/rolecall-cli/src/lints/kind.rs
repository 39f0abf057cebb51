//! The kind of a policy document, from an option or from its content.

use clap::ValueEnum;
use rolecall::policy::PolicyKind;
use serde::Serialize;
use serde_json::Value;

/// A kind of policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Trust policy of a role
    Trust,
    /// Trust policy of a role in an account with a raised quota
    TrustRaised,
    /// Inline policy of a user or role
    Identity,
    /// Managed policy of the account
    Managed,
    /// Managed policy of AWS
    AwsManaged,
    /// Session policy
    Session,
    /// Permissions boundary
    Boundary,
    /// Resource policy, such as a bucket policy
    Resource,
    /// Service control policy
    Scp,
    /// Resource control policy
    Rcp,
}

impl Kind {
    pub(crate) fn policy_kind(self) -> PolicyKind {
        match self {
            Self::Trust => PolicyKind::Trust,
            Self::TrustRaised => PolicyKind::TrustRaised,
            Self::Identity => PolicyKind::Inline,
            Self::Managed | Self::Boundary => PolicyKind::Managed,
            Self::AwsManaged => PolicyKind::AwsManaged,
            Self::Session => PolicyKind::Session,
            Self::Resource => PolicyKind::Resource,
            Self::Scp => PolicyKind::ServiceControl,
            Self::Rcp => PolicyKind::ResourceControl,
        }
    }

    /// Returns the kind that a document has by its elements, or `None` if that is not clear.
    ///
    /// Of the kinds with the same elements it is the one that people write most.
    pub(crate) fn guess(text: &str) -> Option<Self> {
        // The findings say what is wrong with the text, which are the same for every kind.
        let Ok(document) = serde_json::from_str::<Value>(text) else { return Some(Self::Identity) };
        let statements = match document.get("Statement") {
            Some(Value::Array(statements)) => statements.as_slice(),
            Some(statement) => std::slice::from_ref(statement),
            None => &[],
        };
        let has = |name: &str| {
            let negated = format!("Not{name}");
            statements.iter().any(|it| it.get(name).or_else(|| it.get(&negated)).is_some())
        };
        let are_of_trust = statements.iter().all(is_of_trust);
        match (has("Principal"), has("Resource")) {
            // A trust policy with an element that it cannot have, or a policy of an endpoint.
            (true, true) if are_of_trust => None,
            (true, false) if are_of_trust => Some(Self::Trust),
            (true, _) => Some(Self::Resource),
            (false, false) if are_of_trust && !statements.is_empty() => Some(Self::Trust),
            (false, _) => Some(Self::Identity),
        }
    }
}

/// Returns `true` if all actions are those of trust policies.
fn is_of_trust(statement: &Value) -> bool {
    const PREFIXES: [&str; 3] = ["sts:assumerole", "sts:tagsession", "sts:setsourceidentity"];
    let is = |action: &Value| {
        let action = action.as_str().unwrap_or_default().to_ascii_lowercase();
        PREFIXES.iter().any(|prefix| action.starts_with(prefix))
    };
    match statement.get("Action") {
        Some(Value::Array(actions)) => !actions.is_empty() && actions.iter().all(is),
        Some(action) => is(action),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kind_follows_from_elements() {
        let statement = |extra: Value, action: Value| {
            let mut statement = json!({"Effect": "Allow", "Action": action});
            for (name, value) in extra.as_object().unwrap() {
                statement[name] = value.clone();
            }
            json!({"Statement": statement}).to_string()
        };
        let assume = || json!("sts:AssumeRole");
        for (text, kind) in [
            (statement(json!({"Principal": "*"}), assume()), Some(Kind::Trust)),
            (
                statement(
                    json!({"NotPrincipal": "*"}),
                    json!(["STS:TagSession", "sts:AssumeRole*"]),
                ),
                Some(Kind::Trust),
            ),
            (statement(json!({}), assume()), Some(Kind::Trust)),
            (statement(json!({"Principal": "*", "Resource": "*"}), assume()), None),
            (
                statement(json!({"Principal": "*", "Resource": "*"}), json!("s3:*")),
                Some(Kind::Resource),
            ),
            (statement(json!({"Principal": "*"}), json!("s3:*")), Some(Kind::Resource)),
            (statement(json!({"Resource": "*"}), assume()), Some(Kind::Identity)),
            (statement(json!({"NotResource": "*"}), json!("s3:*")), Some(Kind::Identity)),
            ("{}".to_owned(), Some(Kind::Identity)),
            ("{".to_owned(), Some(Kind::Identity)),
            ("[1]".to_owned(), Some(Kind::Identity)),
        ] {
            assert_eq!(Kind::guess(&text), kind, "{text}");
        }
    }
}
