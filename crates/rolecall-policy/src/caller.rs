//! Callers of requests, and how closely a policy names them.

use crate::arn::{Arn, is_account};
use crate::context::Context;
use crate::error::PolicyError;
use crate::principal::Principal;

/// The caller of a request.
///
/// # Examples
///
/// ```
/// use rolecall_policy::Caller;
/// let session = Caller::parse("arn:aws:sts::111122223333:assumed-role/checkout/pod-1")?;
/// assert_eq!(session.account(), Some("111122223333"));
///
/// let service = Caller::parse("ec2.amazonaws.com")?;
/// assert_eq!((service.arn(), service.account()), ("ec2.amazonaws.com", None));
///
/// let error = Caller::parse("checkout").unwrap_err();
/// assert!(error.to_string().starts_with(r#"principal: "checkout" is not a caller"#));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    account: Option<String>,
    arn: String,
    kind: CallerKind,
}

/// The kind of a caller.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Caller, CallerKind};
/// assert_eq!(Caller::anonymous().kind(), &CallerKind::Anonymous);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallerKind {
    /// The root user of an account.
    Root,
    /// An IAM user.
    User,
    /// A role, for any of its sessions.
    Role,
    /// A session of a role. The role's ARN, which has its path, is `None` if it is not known; the
    /// condition key aws:PrincipalArn then tells it, or else the name alone is compared.
    Session {
        /// The role's ARN.
        role: Option<String>,
    },
    /// A session of GetFederationToken.
    FederatedUser,
    /// An identity of an OIDC or SAML provider, which calls AssumeRoleWithWebIdentity or
    /// AssumeRoleWithSAML.
    Federated,
    /// An AWS service.
    Service,
    /// A caller without credentials.
    Anonymous,
}

impl Caller {
    /// Parses a caller: an ARN, the principal of a service, the name of a well-known identity
    /// provider, or `anonymous`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `text` is none of these.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text == "anonymous" {
            return Ok(Self::anonymous());
        }
        let kind = match Principal::parse("AWS", text) {
            Ok(Principal::Account(_)) if is_account(text) => return Ok(Self::root(text)),
            Ok(Principal::Account(_)) => Some(CallerKind::Root),
            Ok(Principal::User(_)) => Some(CallerKind::User),
            Ok(Principal::Role(_)) => Some(CallerKind::Role),
            Ok(Principal::Session(_)) => Some(CallerKind::Session { role: None }),
            Ok(Principal::FederatedUser(_)) => Some(CallerKind::FederatedUser),
            _ => None,
        };
        if let Some(kind) = kind {
            let account = Arn::parse(text).map(|arn| arn.account.to_owned());
            return Ok(Self { account, arn: text.to_owned(), kind });
        }
        // The two overlap: a service has the form of a provider's name, and one provider the form
        // of a service. The list of well-known providers tells them apart.
        let federated = matches!(Principal::parse("Federated", text), Ok(Principal::Federated(_)));
        let service = is_service(text);
        if federated && !service {
            return Ok(Self::federated(text));
        }
        if service {
            return Ok(Self::service(text));
        }
        let hint = "hint: give the ARN of a root user, user, role, role session or identity \
                    provider, a service such as ec2.amazonaws.com, or anonymous";
        Err(PolicyError::new("principal", format!("{text:?} is not a caller; {hint}")))
    }

    /// Creates the root user of an account in the partition `aws`.
    pub fn root(account: impl Into<String>) -> Self {
        let account = account.into();
        let arn = format!("arn:aws:iam::{account}:root");
        Self { account: Some(account), arn, kind: CallerKind::Root }
    }

    /// Creates a caller that is an IAM user, from the account id and the ARN of the user.
    pub fn user(account: impl Into<String>, arn: impl Into<String>) -> Self {
        Self { account: Some(account.into()), arn: arn.into(), kind: CallerKind::User }
    }

    /// Creates a caller that is a session of a role, from the role's account id, ARN (with its
    /// path) and name, and the session's name.
    pub fn role_session(
        account: impl Into<String>,
        role: impl Into<String>,
        role_name: &str,
        session: &str,
    ) -> Self {
        let (account, role) = (account.into(), role.into());
        let partition = role.split(':').nth(1).unwrap_or("aws");
        let arn = format!("arn:{partition}:sts::{account}:assumed-role/{role_name}/{session}");
        Self { account: Some(account), arn, kind: CallerKind::Session { role: Some(role) } }
    }

    /// Creates a caller that is an identity of an OIDC or SAML provider, from the provider's ARN or
    /// name.
    pub fn federated(provider: impl Into<String>) -> Self {
        Self { account: None, arn: provider.into(), kind: CallerKind::Federated }
    }

    /// Creates a caller that is an AWS service, such as `ec2.amazonaws.com`.
    pub fn service(name: impl Into<String>) -> Self {
        Self { account: None, arn: name.into(), kind: CallerKind::Service }
    }

    /// Creates a caller without credentials.
    pub fn anonymous() -> Self {
        Self { account: None, arn: "anonymous".to_owned(), kind: CallerKind::Anonymous }
    }

    /// Returns the kind of the caller.
    pub fn kind(&self) -> &CallerKind {
        &self.kind
    }

    /// Returns the ARN of the caller, the name of a service or well-known identity provider, or
    /// `anonymous`.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Returns the caller's account id. Services, federated identities and anonymous callers have
    /// none.
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    pub(crate) fn is_root(&self) -> bool {
        matches!(self.kind, CallerKind::Root)
    }

    /// Returns how closely a principal names this caller.
    pub(crate) fn named_by(&self, principal: &Principal, context: &Context) -> Option<Naming> {
        let (naming, matches) = match (principal, &self.kind) {
            (Principal::Anyone, CallerKind::Federated) => (Naming::Anyone, true),
            (Principal::Anyone, _) => (Naming::Exactly, true),
            (Principal::Account(account), _) => (Naming::Account, self.is_in(account)),
            (Principal::User(arn), CallerKind::User)
            | (Principal::Session(arn), CallerKind::Session { .. })
            | (Principal::FederatedUser(arn), CallerKind::FederatedUser)
            | (Principal::Federated(arn), CallerKind::Federated)
            | (Principal::Service(arn), CallerKind::Service) => (Naming::Exactly, *arn == self.arn),
            (Principal::Role(arn), CallerKind::Role) => (Naming::Role, *arn == self.arn),
            (Principal::Role(arn), CallerKind::Session { role }) => {
                (Naming::Role, self.is_session_of(arn, role.as_deref(), context))
            }
            _ => return None,
        };
        matches.then_some(naming)
    }

    /// An account is named by its id, or by the ARN of its root user, which has a partition.
    fn is_in(&self, account: &str) -> bool {
        let own = self.account.as_deref();
        match Arn::parse(account) {
            None => own == Some(account),
            // Callers of `aws` and of `aws-cn` are not the same, even if their account ids are.
            Some(root) => {
                let partition = Arn::parse(&self.arn).map(|arn| arn.partition);
                own == Some(root.account) && partition == Some(root.partition)
            }
        }
    }

    /// A session's ARN omits the role's path, so the role's ARN is compared if it is known.
    fn is_session_of(&self, role: &str, known: Option<&str>, context: &Context) -> bool {
        // For a session, the key has the ARN of its role, with the path that the session's ARN
        // omits.
        let from_context = match context.lookup("aws:principalarn") {
            Some([arn]) => Some(arn.as_str()),
            _ => None,
        };
        if let Some(known) = known.or(from_context) {
            return known == role;
        }
        // An account has one role of a name, whatever its path, so the name tells the role.
        let (Some(role), Some(session)) = (Arn::parse(role), Arn::parse(&self.arn)) else {
            return false;
        };
        let name = role.resource.rsplit('/').next();
        role.partition == session.partition
            && role.account == session.account
            && name == session.resource.split('/').nth(1)
    }
}

impl std::str::FromStr for Caller {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// Writes what [`arn`](Caller::arn) returns, which [`parse`](Caller::parse) reads.
impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.arn)
    }
}

/// Returns `true` for `ec2.amazonaws.com`, `s3.eu-west-1.amazonaws.com`, and the names of other
/// partitions. `cognito-identity.amazonaws.com` is a well-known identity provider.
fn is_service(name: &str) -> bool {
    let domain = [".amazonaws.com", ".amazonaws.com.cn", ".amazon.com", ".aws.internal"];
    Principal::parse("Service", name).is_ok()
        && domain.iter().any(|domain| name.ends_with(domain))
        && !WELL_KNOWN_PROVIDERS.contains(&name)
}

/// The identity providers that are principals by their name. (IAM User Guide, "AWS JSON policy
/// elements: Principal".)
const WELL_KNOWN_PROVIDERS: [&str; 4] = [
    "accounts.google.com",
    "cognito-identity.amazonaws.com",
    "graph.facebook.com",
    "www.amazon.com",
];

/// How closely a policy names a caller, from the least close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Naming {
    /// Everyone is named, and the caller is a federated identity, which only its provider's name
    /// lets in. A Deny that names everyone applies to it.
    Anyone,
    /// By its account, which delegates the decision to the account's own policies.
    Account,
    /// By its role, for all sessions of it.
    Role,
    /// By its own ARN or name, or as everyone.
    Exactly,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_named_by_table() {
        let session = "arn:aws:sts::111122223333:assumed-role/checkout/pod-1";
        let user = "arn:aws:iam::111122223333:user/ann";
        for (caller, kind, principal, expected) in [
            (session, "AWS", "*", Some(Naming::Exactly)),
            (session, "AWS", session, Some(Naming::Exactly)),
            (session, "AWS", "arn:aws:iam::111122223333:role/checkout", Some(Naming::Role)),
            (session, "AWS", "arn:aws:iam::111122223333:role/team/checkout", Some(Naming::Role)),
            (session, "AWS", "arn:aws:iam::111122223333:role/other", None),
            (session, "AWS", "arn:aws:iam::444455556666:role/checkout", None),
            (session, "AWS", "111122223333", Some(Naming::Account)),
            (session, "AWS", "arn:aws:iam::111122223333:root", Some(Naming::Account)),
            (session, "AWS", "arn:aws-cn:iam::111122223333:root", None),
            (session, "AWS", "444455556666", None),
            (session, "AWS", "AROADBQP57FF2AEXAMPLE", None),
            (user, "AWS", user, Some(Naming::Exactly)),
            (user, "AWS", "arn:aws:iam::111122223333:user/Ann", None),
            ("ec2.amazonaws.com", "Service", "ec2.amazonaws.com", Some(Naming::Exactly)),
            ("ec2.amazonaws.com", "Service", "ecs.amazonaws.com", None),
            ("ec2.amazonaws.com", "AWS", "*", Some(Naming::Exactly)),
            ("accounts.google.com", "Federated", "accounts.google.com", Some(Naming::Exactly)),
            ("accounts.google.com", "AWS", "*", Some(Naming::Anyone)),
            ("anonymous", "AWS", "*", Some(Naming::Exactly)),
            ("anonymous", "AWS", "111122223333", None),
        ] {
            let principal = Principal::parse(kind, principal).unwrap();
            let caller = Caller::parse(caller).unwrap();
            let naming = caller.named_by(&principal, &Context::new());
            assert_eq!(naming, expected, "{caller:?} {principal:?}");
        }
    }

    #[test]
    fn principal_arn_tells_path_of_session() {
        let session =
            Caller::parse("arn:aws:sts::111122223333:assumed-role/checkout/pod-1").unwrap();
        let role = |path: &str| Principal::Role(format!("arn:aws:iam::111122223333:role{path}"));
        let context =
            Context::new().with("aws:PrincipalArn", "arn:aws:iam::111122223333:role/team/checkout");
        assert_eq!(session.named_by(&role("/team/checkout"), &context), Some(Naming::Role));
        assert_eq!(session.named_by(&role("/checkout"), &context), None);
    }
}
