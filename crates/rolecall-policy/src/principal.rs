//! Principals of policies.

use crate::arn::{Arn, is_account};
use crate::error::PolicyError;

/// A principal of a trust or resource policy.
///
/// # Examples
///
/// ```
/// use rolecall_policy::Principal;
/// let root = "arn:aws:iam::111122223333:root";
/// let account = Principal::aws(root)?;
/// assert_eq!(account, Principal::Account(root.into()));
/// assert_eq!(account.account(), Some("111122223333"));
///
/// let error = Principal::aws("arn:aws:iam::111122223333:role/*").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"principal: "arn:aws:iam::111122223333:role/*" contains a wildcard; hint: name each principal, or test aws:PrincipalArn in a condition"#,
/// );
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Every caller, `"*"`.
    Anyone,
    /// An account, by its id or the ARN of its root user: the callers that the account allows.
    Account(String),
    /// A user, by its ARN.
    User(String),
    /// All sessions of a role, by the role's ARN.
    Role(String),
    /// One session of a role, by its ARN, which omits the role's path.
    Session(String),
    /// A federated user session, by its ARN.
    FederatedUser(String),
    /// The unique id that AWS shows for a deleted user or role. It matches no caller.
    Deleted(String),
    /// An OIDC or SAML provider, by its ARN, or a well-known provider, by its name.
    Federated(String),
    /// An AWS service, such as `ec2.amazonaws.com`.
    Service(String),
    /// An account, by the canonical user id that Amazon S3 shows for it.
    CanonicalUser(String),
}

/// The longest value of a principal that is read. An ARN is at most 2,048 characters long.
const MAX_PRINCIPAL: usize = 2_048;

impl Principal {
    /// Returns the element that the principal stands under in a document, and its value there.
    pub(crate) fn kind_and_value(&self) -> (&'static str, &str) {
        match self {
            Self::Anyone => ("AWS", "*"),
            Self::Account(value)
            | Self::User(value)
            | Self::Role(value)
            | Self::Session(value)
            | Self::FederatedUser(value)
            | Self::Deleted(value) => ("AWS", value),
            Self::Federated(value) => ("Federated", value),
            Self::Service(value) => ("Service", value),
            Self::CanonicalUser(value) => ("CanonicalUser", value),
        }
    }

    /// Returns the id of the account that the principal is, or belongs to.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Account(value) if is_account(value) => Some(value),
            Self::Account(value)
            | Self::User(value)
            | Self::Role(value)
            | Self::Session(value)
            | Self::FederatedUser(value)
            | Self::Federated(value) => Arn::parse(value).map(|arn| arn.account),
            Self::Anyone | Self::Deleted(_) | Self::Service(_) | Self::CanonicalUser(_) => None,
        }
    }

    /// Parses a value of an element of `Principal`. The error is a message.
    pub(crate) fn parse(kind: &str, value: &str) -> Result<Self, String> {
        let fail = |fault: &str| Err(format!("{value:?} {fault}"));
        // The messages below repeat the value, and a hostile document must not fill a log with it.
        if value.len() > MAX_PRINCIPAL {
            return Err(format!("a principal of more than {MAX_PRINCIPAL} bytes"));
        }
        if kind == "AWS" {
            return Self::parse_aws(value);
        }
        // IAM has no wildcards inside a principal. Accepted as plain text, the value would name no
        // caller, and a Deny with it would protect nothing.
        if value.contains(['*', '?']) {
            return fail("contains a wildcard; hint: name each principal");
        }
        let host = |value: &str| {
            let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
            value.contains('.') && value.bytes().all(known)
        };
        match kind {
            "Federated" => {
                let provider = Arn::parse(value).is_some_and(|arn| {
                    let kind = ["oidc-provider/", "saml-provider/"].iter();
                    let named = kind.filter_map(|kind| arn.resource.strip_prefix(kind)).next();
                    arn.service == "iam"
                        && is_account(arn.account)
                        && named.is_some_and(|name| !name.is_empty())
                });
                if provider || host(value) {
                    Ok(Self::Federated(value.to_owned()))
                } else {
                    fail("is neither the ARN of an OIDC or SAML provider nor a provider's name")
                }
            }
            "Service" if host(value) => Ok(Self::Service(value.to_owned())),
            "Service" => fail("is not a service principal, such as ec2.amazonaws.com"),
            "CanonicalUser" => {
                if !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric()) {
                    Ok(Self::CanonicalUser(value.to_owned()))
                } else {
                    fail("is not a canonical user id, 64 hexadecimal digits")
                }
            }
            _ => Err(format!(
                "{kind:?} is not a kind of principal; hint: use AWS, Federated, Service or \
                 CanonicalUser"
            )),
        }
    }

    /// Parses a value of the element `"AWS"`: `*`, an account id, an ARN, or the unique id of a
    /// deleted user or role.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `value` names no principal.
    pub fn aws(value: &str) -> Result<Self, PolicyError> {
        Self::parse("AWS", value).map_err(|fault| PolicyError::new("principal", fault))
    }

    fn parse_aws(value: &str) -> Result<Self, String> {
        if value == "*" {
            return Ok(Self::Anyone);
        }
        if is_account(value) {
            return Ok(Self::Account(value.to_owned()));
        }
        if value.contains(['*', '?']) {
            return Err(format!(
                "{value:?} contains a wildcard; hint: name each principal, or test \
                 aws:PrincipalArn in a condition"
            ));
        }
        // AWS shows a deleted user or role by its unique id. The policy stays in force for its
        // other principals, so this is not an error.
        if is_unique_id(value) {
            return Ok(Self::Deleted(value.to_owned()));
        }
        let unknown = || Err(format!("{value:?} is not an account, user, role or role session"));
        let Some(arn) = Arn::parse(value) else { return unknown() };
        if !is_account(arn.account) || !arn.region.is_empty() || arn.partition.is_empty() {
            return unknown();
        }
        let named = |kind: &str| {
            let name = arn.resource.strip_prefix(kind);
            name.is_some_and(|name| !name.is_empty() && !name.ends_with('/'))
        };
        // A session's ARN omits the role's path: a third part after the kind would be a path that
        // was copied from the role's ARN, and no session would match.
        let session = |kind: &str| {
            let mut parts = arn.resource.split('/');
            parts.next() == Some(kind)
                && parts.next().is_some_and(|role| !role.is_empty())
                && parts.next().is_some_and(|session| !session.is_empty())
                && parts.next().is_none()
        };
        let whole = value.to_owned();
        match arn.service {
            "iam" if arn.resource == "root" => Ok(Self::Account(whole)),
            "iam" if named("user/") => Ok(Self::User(whole)),
            "iam" if named("role/") => Ok(Self::Role(whole)),
            "iam" if named("group/") => Err(format!(
                "{value:?} is a group, which is not a principal; hint: name its users, or attach \
                 an identity policy to it"
            )),
            "sts" if session("assumed-role") => Ok(Self::Session(whole)),
            "sts" if named("federated-user/") => Ok(Self::FederatedUser(whole)),
            _ => unknown(),
        }
    }
}

/// Returns `true` for `AROA...` and the like. (IAM User Guide, "IAM identifiers": unique ids.)
fn is_unique_id(value: &str) -> bool {
    value.len() >= 16
        && value.starts_with('A')
        && value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_parse_by_table() {
        for (kind, value, expected) in [
            ("AWS", "*", Some(Principal::Anyone)),
            ("AWS", "111122223333", None),
            ("AWS", "arn:aws-cn:iam::111122223333:root", None),
            ("AWS", "arn:aws:iam::111122223333:user/a/ann", None),
            ("AWS", "arn:aws:iam::111122223333:role/checkout", None),
            ("AWS", "arn:aws:sts::111122223333:assumed-role/checkout/pod-1", None),
            ("AWS", "arn:aws:sts::111122223333:federated-user/ann", None),
            ("AWS", "AROADBQP57FF2AEXAMPLE", None),
            ("AWS", "AIDACKCEVSQ6C2EXAMPLE", None),
            ("Federated", "arn:aws:iam::111122223333:saml-provider/idp", None),
            ("Federated", "arn:aws:iam::111122223333:oidc-provider/id.example/a", None),
            ("Federated", "accounts.google.com", None),
            ("Service", "s3.eu-west-1.amazonaws.com", None),
            (
                "CanonicalUser",
                "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be",
                None,
            ),
        ] {
            let parsed = Principal::parse(kind, value).unwrap();
            if let Some(expected) = expected {
                assert_eq!(parsed, expected);
            } else {
                assert_eq!(parsed.kind_and_value(), (kind, value));
            }
        }
    }

    #[test]
    fn invalid_principals_are_errors() {
        for (kind, value) in [
            ("AWS", "arn:aws:iam::111122223333:role/*"),
            ("AWS", "arn:aws:iam::111122223333:group/admins"),
            ("AWS", "arn:aws:iam::1111:root"),
            ("AWS", "arn:aws:iam::111122223333:role/"),
            ("AWS", "arn:aws:sts::111122223333:assumed-role/checkout"),
            ("AWS", "arn:aws:sts::111122223333:assumed-role/a/b/c"),
            ("AWS", "checkout"),
            ("AWS", ""),
            ("Federated", "arn:aws:iam::111122223333:oidc-provider/"),
            ("Federated", "arn:aws:iam::111122223333:role/x"),
            ("Service", "*.amazonaws.com"),
            ("Service", "ec2"),
            ("CanonicalUser", "a b"),
            ("User", "ann"),
        ] {
            let message = Principal::parse(kind, value).unwrap_err();
            let named = if kind == "User" { kind } else { value };
            assert!(message.contains(&format!("{named:?}")), "{kind} {value}: {message}");
        }
    }
}
