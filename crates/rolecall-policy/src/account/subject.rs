//! Subjects: the principals of questions, and the condition keys that their requests carry.

use std::fmt;

use serde::Serialize;

use super::details::Identity;
use crate::caller::Caller;
use crate::context::Context;
use crate::lint::keys::{self, Carrier, Presence};

/// A principal that an answer is about.
///
/// # Examples
///
/// ```
/// use rolecall_policy::account::Subject;
/// let checkout = Subject::Role("arn:aws:iam::111122223333:role/checkout".to_owned());
/// assert_eq!(checkout.to_string(), "role arn:aws:iam::111122223333:role/checkout");
/// let account = Subject::Account("444455556666".to_owned());
/// assert_eq!(account.to_string(), "account 444455556666 (delegated)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "type", content = "name", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Subject {
    /// A described user, by its ARN.
    User(String),
    /// Any session of a described role, by the role's ARN.
    Role(String),
    /// An AWS service, by its name.
    Service(String),
    /// The identities of an OIDC or SAML provider, by the provider's ARN or name.
    Federated(String),
    /// A user, role or session that no description contains, by its ARN.
    External(String),
    /// The principals that an account without a description lets in, by the account's id.
    Account(String),
    /// Every principal of AWS, in any account.
    Anyone,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(arn) => write!(f, "user {arn}"),
            Self::Role(arn) => write!(f, "role {arn}"),
            Self::Service(name) => write!(f, "service {name}"),
            Self::Federated(name) => write!(f, "identity provider {name}"),
            Self::External(arn) => write!(f, "{arn} (not described)"),
            Self::Account(id) => write!(f, "account {id} (delegated)"),
            Self::Anyone => f.write_str("anyone in AWS"),
        }
    }
}

/// The caller with no account that any policy names: what it may do, every principal of AWS may.
const STRANGER: &str = "arn:aws:iam::000000000000:role/anyone";

impl Subject {
    pub(super) fn of(identity: &Identity) -> Self {
        match &identity.role {
            None => Self::User(identity.arn.clone()),
            Some(_) => Self::Role(identity.arn.clone()),
        }
    }

    /// Returns the caller of the requests.
    pub(super) fn caller(&self) -> Caller {
        let parse = |arn: &str| Caller::parse(arn).unwrap_or_else(|_| Caller::anonymous());
        match self {
            Self::User(arn) | Self::Role(arn) | Self::External(arn) => parse(arn),
            Self::Service(name) => Caller::service(name),
            Self::Federated(name) => Caller::federated(name),
            Self::Account(id) => parse(&format!("arn:aws:iam::{id}:role/any")),
            Self::Anyone => parse(STRANGER),
        }
    }

    /// Returns the keys that every request of the subject carries, and those that are given: what
    /// the description says of a key counts more.
    pub(super) fn context(&self, identity: Option<&Identity>, given: &Context) -> Context {
        // The context is given for all principals at once. A key that this one's requests cannot
        // carry is left out, so that a condition on it fails as it does at AWS.
        let carried = given.iter().filter(|(key, _)| !self.never_carries(identity, key, None));
        let mut context = carried.fold(Context::new(), |context, (key, values)| {
            context.with_values(key, values.iter().map(String::as_str))
        });
        let mut set = |key: &str, value: &str| {
            context = std::mem::take(&mut context).with_values(key, [value]);
        };
        match self {
            Self::Service(name) => {
                set("aws:PrincipalIsAWSService", "true");
                set("aws:PrincipalServiceName", name);
            }
            Self::Federated(name) => set("aws:FederatedProvider", name),
            Self::Account(id) => {
                set("aws:PrincipalIsAWSService", "false");
                set("aws:PrincipalAccount", id);
            }
            Self::Anyone => set("aws:PrincipalIsAWSService", "false"),
            Self::External(arn) => {
                set("aws:PrincipalIsAWSService", "false");
                if let Some(account) = self.caller().account() {
                    set("aws:PrincipalAccount", account);
                }
                // The ARN of a session does not tell its role's, which has a path.
                if arn.contains(":user/") || arn.contains(":role/") {
                    set("aws:PrincipalArn", arn);
                }
            }
            Self::User(arn) | Self::Role(arn) => {
                set("aws:PrincipalIsAWSService", "false");
                set("aws:PrincipalArn", arn);
            }
        }
        let Some(identity) = identity else { return context };
        set("aws:PrincipalAccount", &identity.account);
        if identity.role.is_some() {
            set("aws:PrincipalType", "AssumedRole");
        } else {
            set("aws:PrincipalType", "User");
            set("aws:username", &identity.name);
            if let Some(id) = &identity.id {
                set("aws:userid", id);
            }
        }
        // A session's tags override those of its role, which tell nothing if a session may pass
        // some.
        if identity.has_own_tags() {
            for (key, value) in &identity.tags {
                set(&format!("aws:PrincipalTag/{key}"), value);
            }
        }
        context
    }

    /// Returns `true` if no request of the subject carries the key, which is in lower case. Without
    /// an action, of any action.
    ///
    /// A key is absent only if the tables say so: of a key that they do not list nothing is known.
    pub(super) fn never_carries(
        &self,
        identity: Option<&Identity>,
        key: &str,
        action: Option<&str>,
    ) -> bool {
        // Keys of single services are not in the table, and may be carried.
        let Some(known) = keys::find(key) else { return false };
        let of_action = || action.is_some_and(|action| known.presence(action) == Presence::Never);
        match known.carrier {
            Carrier::Sts(_) => of_action(),
            // The tags are in the context, unless the sessions may have others.
            Carrier::TaggedPrincipal if identity.is_some() => {
                identity.is_some_and(Identity::has_own_tags)
            }
            _ => match self {
                Self::User(_) => is_of_session(known.carrier) || is_of_service(known.carrier),
                Self::Role(_) => {
                    matches!(known.carrier, Carrier::IamUser | Carrier::AssumeRootSession)
                        || is_of_service(known.carrier)
                }
                Self::Federated(_) => of_action(),
                Self::Service(_) | Self::External(_) | Self::Account(_) | Self::Anyone => false,
            },
        }
    }
}

/// Returns `true` for keys of the sessions of roles alone.
fn is_of_session(carrier: Carrier) -> bool {
    matches!(
        carrier,
        Carrier::AssumeRootSession
            | Carrier::WebIdentitySession
            | Carrier::ChatSession
            | Carrier::Ec2Session
            | Carrier::GlueSession
            | Carrier::CodeBuildSession
            | Carrier::LambdaSession
            | Carrier::SystemsManagerSession
            | Carrier::IdentityCenterSession
            | Carrier::SourceIdentitySession
    )
}

/// Returns `true` for keys of requests that a service makes as itself.
fn is_of_service(carrier: Carrier) -> bool {
    matches!(carrier, Carrier::ServicePrincipal)
}
