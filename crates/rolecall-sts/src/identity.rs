//! Who a session is, by GetCallerIdentity.

use std::fmt;

use rolecall_core::{AccountId, RoleArn};

/// STS's answer to "who am I", parsed.
///
/// ```
/// use rolecall_sts::{CallerIdentity, Principal};
///
/// let me = CallerIdentity::parse("arn:aws:sts::111122223333:assumed-role/orders/checkout", "AROAEXAMPLE:checkout").unwrap();
/// assert_eq!(me.account.as_str(), "111122223333");
/// assert_eq!(me.principal.to_string(), "role orders, session checkout");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallerIdentity {
    /// The account that the caller is in.
    pub account: AccountId,
    /// The caller's ARN, as STS said it.
    pub arn: String,
    /// The unique id.
    pub user_id: String,
    /// What the ARN names.
    pub principal: Principal,
    /// The role behind a session, with its path, which the ARN leaves out: known of sessions that rolecall got.
    pub role_arn: Option<RoleArn>,
}

impl CallerIdentity {
    /// Reads an ARN that STS gave; `None` if it is none that a caller can have.
    pub fn parse(arn: &str, user_id: &str) -> Option<Self> {
        let fields: Vec<&str> = arn.splitn(6, ':').collect();
        let &["arn", _, service, "", account, resource] = fields.as_slice() else { return None };
        let principal = match (service, resource.split_once('/')) {
            ("iam", None) if resource == "root" => Principal::Root,
            ("iam", Some(("user", rest))) => {
                let (path, name) = rest
                    .rsplit_once('/')
                    .map_or(("/".to_owned(), rest), |(p, n)| (format!("/{p}/"), n));
                Principal::User { path, name: name.to_owned() }
            }
            ("sts", Some(("assumed-role", rest))) => {
                let (role, session) = rest.split_once('/')?;
                Principal::AssumedRole { role: role.to_owned(), session: session.to_owned() }
            }
            ("sts", Some(("federated-user", name))) => {
                Principal::FederatedUser { name: name.into() }
            }
            _ => Principal::Other { resource: resource.to_owned() },
        };
        Some(Self {
            account: account.parse().ok()?,
            arn: arn.to_owned(),
            user_id: user_id.to_owned(),
            principal,
            role_arn: None,
        })
    }

    /// With the role that the session was asked for, if that is what answered.
    pub(crate) fn with_role(mut self, asked: Option<&RoleArn>) -> Self {
        self.role_arn = match &self.principal {
            Principal::AssumedRole { role, .. } => asked
                .filter(|asked| asked.account() == self.account && asked.name() == role)
                .cloned(),
            _ => None,
        };
        self
    }
}

/// What kind of caller an ARN names.
///
/// ```
/// use rolecall_sts::Principal;
/// assert_eq!(Principal::User { path: "/team/".into(), name: "ann".into() }.to_string(), "user /team/ann");
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// The account's root user.
    Root,
    /// An IAM user.
    User {
        /// Begins and ends with a slash.
        path: String,
        /// Without the path.
        name: String,
    },
    /// A session of a role. The ARN does not say the role's path.
    AssumedRole {
        /// The role's name.
        role: String,
        /// The session's name.
        session: String,
    },
    /// A user by GetFederationToken.
    FederatedUser {
        /// The name that was given there.
        name: String,
    },
    /// Something that AWS has added since.
    Other {
        /// The ARN's last field.
        resource: String,
    },
}

impl fmt::Display for Principal {
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
    fn every_kind_of_caller() {
        let user =
            |path: &str, name: &str| Principal::User { path: path.into(), name: name.into() };
        for (arn, principal) in [
            ("arn:aws:iam::111122223333:root", Principal::Root),
            ("arn:aws:iam::111122223333:user/ann", user("/", "ann")),
            ("arn:aws:iam::111122223333:user/a/b/ann", user("/a/b/", "ann")),
            (
                "arn:aws-cn:sts::111122223333:assumed-role/r/s",
                Principal::AssumedRole { role: "r".into(), session: "s".into() },
            ),
            (
                "arn:aws:sts::111122223333:federated-user/bob",
                Principal::FederatedUser { name: "bob".into() },
            ),
            ("arn:aws:new::111122223333:thing", Principal::Other { resource: "thing".into() }),
        ] {
            assert_eq!(CallerIdentity::parse(arn, "id").unwrap().principal, principal, "{arn}");
        }
    }

    #[test]
    fn the_role_behind_a_session_is_the_one_asked_for_if_that_is_who_answers() {
        let arn = |arn: &str| RoleArn::parse(arn).unwrap();
        let asked = arn("arn:aws:iam::111122223333:role/shop/orders");
        let me = |arn: &str| CallerIdentity::parse(arn, "id").unwrap();
        let session = "arn:aws:sts::111122223333:assumed-role/orders/x";
        assert_eq!(me(session).with_role(Some(&asked)).role_arn, Some(asked.clone()));
        assert_eq!(me(session).with_role(None).role_arn, None);
        for other in [
            "arn:aws:sts::111122223333:assumed-role/other/x",
            "arn:aws:sts::444455556666:assumed-role/orders/x",
            "arn:aws:iam::111122223333:user/orders",
        ] {
            assert_eq!(me(other).with_role(Some(&asked)).role_arn, None, "{other}");
        }
    }

    #[test]
    fn what_is_no_callers_arn_is_refused() {
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
