//! The caller identity that GetCallerIdentity returns.

use std::fmt;

use rolecall_core::{AccountId, RoleArn};

/// The identity of a caller, parsed from the response of GetCallerIdentity.
///
/// # Examples
///
/// ```
/// use rolecall_sts::CallerIdentity;
///
/// let arn = "arn:aws:sts::111122223333:assumed-role/orders/checkout";
/// let identity = CallerIdentity::parse(arn, "AROAEXAMPLE:checkout").expect("a valid ARN");
/// assert_eq!(identity.account.as_str(), "111122223333");
/// assert_eq!(identity.principal.to_string(), "role orders, session checkout");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallerIdentity {
    /// The account of the caller.
    pub account: AccountId,
    /// The ARN of the caller, unchanged from the response.
    pub arn: String,
    /// The unique id of the caller. For a session of a role, it ends with the session name.
    pub user_id: String,
    /// The principal that the ARN names.
    pub principal: CallerPrincipal,
    /// The ARN of the assumed role. Unlike `arn`, it contains the path of the role. Known only for
    /// sessions that rolecall obtained.
    pub role_arn: Option<RoleArn>,
}

impl CallerIdentity {
    /// Parses the ARN of a caller. Returns `None` if `arn` is not the ARN of a caller.
    pub fn parse(arn: &str, user_id: &str) -> Option<Self> {
        let fields: Vec<&str> = arn.splitn(6, ':').collect();
        let &["arn", _, service, "", account, resource] = fields.as_slice() else { return None };
        let principal = match (service, resource.split_once('/')) {
            ("iam", None) if resource == "root" => CallerPrincipal::Root,
            ("iam", Some(("user", rest))) => {
                let (path, name) = rest
                    .rsplit_once('/')
                    .map_or(("/".to_owned(), rest), |(path, name)| (format!("/{path}/"), name));
                CallerPrincipal::User { path, name: name.to_owned() }
            }
            ("sts", Some(("assumed-role", rest))) => {
                let (role, session) = rest.split_once('/')?;
                CallerPrincipal::AssumedRole { role: role.to_owned(), session: session.to_owned() }
            }
            ("sts", Some(("federated-user", name))) => {
                CallerPrincipal::FederatedUser { name: name.into() }
            }
            // AWS may add kinds of principals. An unknown one must not make the call fail.
            _ => CallerPrincipal::Other { resource: resource.to_owned() },
        };
        Some(Self {
            account: account.parse().ok()?,
            arn: arn.to_owned(),
            user_id: user_id.to_owned(),
            principal,
            role_arn: None,
        })
    }

    /// Sets the role that the session was requested for, if it is the role of this identity. Static
    /// keys that were labelled with a role must not be reported as a session of that role.
    pub(crate) fn with_role(mut self, requested: Option<&RoleArn>) -> Self {
        self.role_arn = match &self.principal {
            CallerPrincipal::AssumedRole { role, .. } => requested
                .filter(|requested| requested.account() == self.account && requested.name() == role)
                .cloned(),
            _ => None,
        };
        self
    }
}

/// The principal of a caller's ARN.
///
/// # Examples
///
/// ```
/// use rolecall_sts::{CallerIdentity, CallerPrincipal};
///
/// let identity = CallerIdentity::parse("arn:aws:iam::111122223333:user/team/ann", "AIDAEXAMPLE");
/// let principal = identity.expect("a valid ARN").principal;
/// assert!(matches!(&principal, CallerPrincipal::User { path, .. } if path == "/team/"));
/// assert_eq!(principal.to_string(), "user /team/ann");
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerPrincipal {
    /// The root user of the account.
    Root,
    /// An IAM user.
    #[non_exhaustive]
    User {
        /// The path, which begins and ends with a slash.
        path: String,
        /// The name without the path.
        name: String,
    },
    /// A session of a role. The ARN does not contain the path of the role.
    #[non_exhaustive]
    AssumedRole {
        /// The name of the role.
        role: String,
        /// The name of the session.
        session: String,
    },
    /// A federated user, from GetFederationToken.
    #[non_exhaustive]
    FederatedUser {
        /// The name in the request.
        name: String,
    },
    /// A principal of a kind that this version of rolecall does not support.
    #[non_exhaustive]
    Other {
        /// The last field of the ARN.
        resource: String,
    },
}

impl fmt::Display for CallerPrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root user"),
            Self::User { path, name } if path == "/" => write!(f, "user {name}"),
            Self::User { path, name } => write!(f, "user {path}{name}"),
            Self::AssumedRole { role, session } => write!(f, "role {role}, session {session}"),
            Self::FederatedUser { name } => write!(f, "federated user {name}"),
            Self::Other { resource } => f.write_str(resource),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arn_selects_principal() {
        let user =
            |path: &str, name: &str| CallerPrincipal::User { path: path.into(), name: name.into() };
        for (arn, principal) in [
            ("arn:aws:iam::111122223333:root", CallerPrincipal::Root),
            ("arn:aws:iam::111122223333:user/ann", user("/", "ann")),
            ("arn:aws:iam::111122223333:user/a/b/ann", user("/a/b/", "ann")),
            (
                "arn:aws-cn:sts::111122223333:assumed-role/r/s",
                CallerPrincipal::AssumedRole { role: "r".into(), session: "s".into() },
            ),
            (
                "arn:aws:sts::111122223333:federated-user/bob",
                CallerPrincipal::FederatedUser { name: "bob".into() },
            ),
            (
                "arn:aws:new::111122223333:thing",
                CallerPrincipal::Other { resource: "thing".into() },
            ),
            (
                "arn:aws:iam::111122223333:thing",
                CallerPrincipal::Other { resource: "thing".into() },
            ),
        ] {
            assert_eq!(CallerIdentity::parse(arn, "id").unwrap().principal, principal, "{arn}");
        }
    }

    #[test]
    fn principal_is_displayed_with_path_and_session() {
        for (resource, expected) in [
            ("iam::111122223333:root", "root user"),
            ("iam::111122223333:user/ann", "user ann"),
            ("iam::111122223333:user/a/b/ann", "user /a/b/ann"),
            ("sts::111122223333:assumed-role/r/s", "role r, session s"),
            ("sts::111122223333:federated-user/bob", "federated user bob"),
            ("new::111122223333:thing", "thing"),
        ] {
            let identity = CallerIdentity::parse(&format!("arn:aws:{resource}"), "id").unwrap();
            assert_eq!(identity.principal.to_string(), expected);
        }
    }

    #[test]
    fn role_arn_requires_identity_of_requested_role() {
        let arn = |arn: &str| RoleArn::parse(arn).unwrap();
        let requested = arn("arn:aws:iam::111122223333:role/shop/orders");
        let identity = |arn: &str| CallerIdentity::parse(arn, "id").unwrap();
        let session = "arn:aws:sts::111122223333:assumed-role/orders/x";
        assert_eq!(identity(session).with_role(Some(&requested)).role_arn, Some(requested.clone()));
        assert_eq!(identity(session).with_role(None).role_arn, None);
        for other in [
            "arn:aws:sts::111122223333:assumed-role/other/x",
            "arn:aws:sts::444455556666:assumed-role/orders/x",
            "arn:aws:iam::111122223333:user/orders",
        ] {
            assert_eq!(identity(other).with_role(Some(&requested)).role_arn, None, "{other}");
        }
    }

    #[test]
    fn invalid_caller_arn_is_rejected() {
        for arn in [
            "",
            "arn:aws:sts::1:assumed-role/r/s",
            "arn:aws:sts::111122223333:assumed-role/r",
            "x:y",
        ] {
            assert_eq!(CallerIdentity::parse(arn, "id"), None, "{arn}");
        }
    }
}
