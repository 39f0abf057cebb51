//! Accounts, users, roles and identity providers, and the sessions that were issued.

mod role;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use rolecall_core::{AccountId, MfaCode, MfaSerial, PolicyArn, RoleArn, SessionName};
use rolecall_policy::{Caller, PermissionPolicy, Policies};

pub use self::role::IamRole;
pub(crate) use self::role::Role;

use crate::grant::Carried;
use crate::mfa::Device;
use crate::oidc::OidcIssuer;
use crate::server::SetupError;
use crate::wire::{BASE64, Fault, ID, random};

/// An AWS account with its users, roles, managed policies and identity providers.
///
/// Policies are JSON documents. They are parsed when the
/// [`LocalAws`](crate::LocalAws) starts, and a document that IAM would refuse, or that uses a
/// condition key which the local AWS does not evaluate, fails the start.
///
/// # Examples
///
/// ```
/// use rolecall_testkit::{Account, IamRole, IamUser};
/// let account = Account::new("111122223333").user(IamUser::new("ann")).role(IamRole::new("orders"));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Account {
    pub(crate) id: String,
    users: Vec<IamUser>,
    roles: Vec<IamRole>,
    providers: Vec<(String, Vec<String>)>,
    /// ARN's end and document.
    managed: Vec<(String, String)>,
    /// Their names.
    #[cfg(feature = "s3")]
    pub(crate) buckets: Vec<String>,
    /// Region, name and text.
    #[cfg(feature = "secrets-manager")]
    pub(crate) secrets: Vec<(String, String, String)>,
    /// Region and name.
    #[cfg(feature = "ecr")]
    pub(crate) repositories: Vec<(String, String)>,
}

impl Account {
    /// Creates an empty account with this 12-digit id.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    /// Adds a user. [`LocalAws::user_credentials`](crate::LocalAws::user_credentials) returns its
    /// access key.
    pub fn user(mut self, user: IamUser) -> Self {
        self.users.push(user);
        self
    }

    /// Adds a role.
    pub fn role(mut self, role: IamRole) -> Self {
        self.roles.push(role);
        self
    }

    /// Adds a managed policy, which sessions can be limited to by its ARN (`PolicyArns`).
    ///
    /// The name may have a path before it, as in `team/read-only`.
    pub fn managed_policy(
        mut self,
        path_and_name: impl Into<String>,
        json: impl Into<String>,
    ) -> Self {
        self.managed.push((path_and_name.into(), json.into()));
        self
    }

    /// Adds an OIDC identity provider for `issuer`, which accepts tokens for one of these client
    /// ids (audiences).
    pub fn oidc_provider<C: Into<String>>(
        self,
        issuer: &OidcIssuer,
        client_ids: impl IntoIterator<Item = C>,
    ) -> Self {
        self.oidc_provider_at(issuer.url(), client_ids)
    }

    /// Adds an OIDC identity provider for the issuer at a URL, for an issuer that is not an
    /// [`OidcIssuer`] of this process.
    ///
    /// Its keys are read over HTTP, from the loopback address only.
    pub fn oidc_provider_at<C: Into<String>>(
        mut self,
        issuer: impl Into<String>,
        client_ids: impl IntoIterator<Item = C>,
    ) -> Self {
        let client_ids = client_ids.into_iter().map(Into::into).collect();
        self.providers.push((issuer.into(), client_ids));
        self
    }
}

/// An IAM user, with an access key that the local AWS generates.
///
/// # Examples
///
/// ```
/// use rolecall_testkit::IamUser;
/// let ann = IamUser::new("ann").policy(
///     r#"{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}}"#,
/// );
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct IamUser {
    name: String,
    policies: Vec<String>,
    mfa: bool,
}

impl IamUser {
    /// Creates a user without permissions.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), policies: Vec::new(), mfa: false }
    }

    /// Adds an identity policy, a JSON document.
    pub fn policy(mut self, json: impl Into<String>) -> Self {
        self.policies.push(json.into());
        self
    }

    /// Adds a virtual MFA device (TOTP) with the serial number `arn:aws:iam::<account>:mfa/<user>`.
    ///
    /// [`LocalAws::mfa_code`](crate::LocalAws::mfa_code) returns its current code.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), rolecall_testkit::SetupError> {
    /// use rolecall_testkit::{Account, IamUser, LocalAws};
    ///
    /// let account = Account::new("111122223333").user(IamUser::new("ann").mfa_device());
    /// let aws = LocalAws::builder().account(account).start().await?;
    /// let code = aws.mfa_code("111122223333", "ann").unwrap();
    /// assert_eq!(code.len(), 6);
    /// # Ok(())
    /// # }
    /// ```
    pub fn mfa_device(mut self) -> Self {
        self.mfa = true;
        self
    }
}

/// What the server knows.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) roles: HashMap<String, Role>,
    /// By account and issuer.
    providers: HashMap<(String, String), Provider>,
    users: BTreeMap<(String, String), String>,
    managed: HashMap<String, PermissionPolicy>,
    /// By the user's ARN.
    mfa: HashMap<String, Device>,
    keys: HashMap<String, Key>,
    /// Issued keys, oldest first.
    issued: VecDeque<String>,
    /// More sessions than this are not remembered: the oldest is forgotten.
    pub(crate) max_sessions: usize,
    /// How many roles were made while the server ran.
    made: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Provider {
    pub(crate) arn: String,
    pub(crate) client_ids: Vec<String>,
}

/// An access key: a user's, or a session's.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) credentials: Credentials,
    pub(crate) owner: Owner,
}

#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) caller: Caller,
    /// `AIDA...`, or `AROA...:session`.
    pub(crate) user_id: String,
    /// The role's ARN, where it is a session.
    pub(crate) role: Option<RoleArn>,
    pub(crate) carried: Carried,
    policies: Vec<PermissionPolicy>,
}

impl Owner {
    /// The account id, which every owner of a key has.
    pub(crate) fn account(&self) -> &str {
        self.caller.account().unwrap_or_default()
    }

    /// The caller's own policies, and those of its session.
    pub(crate) fn policies(&self) -> Policies<'_> {
        let policies = Policies::new().identity(&self.policies);
        match &self.carried.policies {
            Some(session) => policies.session(session),
            None => policies,
        }
    }
}

/// How many sessions are remembered unless it is said.
const MAX_SESSIONS: usize = 200_000;

impl World {
    pub(crate) fn of(accounts: Vec<Account>) -> Result<Self, SetupError> {
        let mut world = Self {
            roles: HashMap::new(),
            providers: HashMap::new(),
            users: BTreeMap::new(),
            managed: HashMap::new(),
            mfa: HashMap::new(),
            keys: HashMap::new(),
            issued: VecDeque::new(),
            max_sessions: MAX_SESSIONS,
            made: 0,
        };
        for account in accounts {
            world.add(account)?;
        }
        Ok(world)
    }

    fn add(&mut self, account: Account) -> Result<(), SetupError> {
        let wrong = |what: &str, why: &dyn std::fmt::Display| {
            SetupError::Invalid(format!("account {}: {what}: {why}", account.id))
        };
        AccountId::parse(&account.id).map_err(|error| SetupError::Invalid(error.to_string()))?;
        let issuers: Vec<&str> =
            account.providers.iter().map(|(url, _)| host_and_path(url)).collect();
        let unknown_key = |keys: &mut dyn Iterator<Item = &str>| match unknown(keys, &issuers) {
            None => Ok(()),
            Some(key) => Err(role::not_known(&key)),
        };
        for user in &account.users {
            let what = format!("user {:?}", user.name);
            let arn = format!("arn:aws:iam::{}:user/{}", account.id, user.name);
            if let Some(fault) = rolecall_core::limits::IAM_NAME.fault(&user.name) {
                return Err(wrong(&what, &fault));
            }
            let policies = permissions(&user.policies).map_err(|error| wrong(&what, &error))?;
            for policy in &policies {
                unknown_key(&mut policy.condition_keys()).map_err(|error| wrong(&what, &error))?;
            }
            let owner = Owner {
                caller: Caller::user(&account.id, arn),
                user_id: format!("AIDA{}", random(ID, 17)),
                role: None,
                carried: Carried::default(),
                policies,
            };
            if user.mfa {
                let serial = format!("arn:aws:iam::{}:mfa/{}", account.id, user.name);
                let device = Device::new(serial, random(BASE64, 20).into_bytes());
                self.mfa.insert(owner.caller.arn().to_owned(), device);
            }
            let credentials = Credentials::builder()
                .access_key_id(format!("AKIA{}", random(ID, 16)))
                .secret_access_key(random(BASE64, 40))
                .account_id(account.id.as_str())
                .provider_name("rolecall-testkit")
                .build();
            let key = credentials.access_key_id().to_owned();
            let name = (account.id.clone(), user.name.clone());
            if self.users.insert(name, key.clone()).is_some() {
                return Err(wrong(&what, &"the name is used twice"));
            }
            self.keys.insert(key, Key { credentials, owner });
        }
        for role in &account.roles {
            self.add_role(&account.id, role, &issuers)?;
        }
        for (path_and_name, json) in &account.managed {
            let what = format!("managed policy {path_and_name:?}");
            let arn = format!("arn:aws:iam::{}:policy/{path_and_name}", account.id);
            let arn = PolicyArn::parse(&arn).map_err(|error| wrong(&what, &error))?;
            let policy = PermissionPolicy::parse(json).map_err(|error| wrong(&what, &error))?;
            unknown_key(&mut policy.condition_keys()).map_err(|error| wrong(&what, &error))?;
            if self.managed.insert(arn.to_string(), policy).is_some() {
                return Err(wrong(&what, &"the name is used twice"));
            }
        }
        for (issuer, client_ids) in &account.providers {
            let arn =
                format!("arn:aws:iam::{}:oidc-provider/{}", account.id, host_and_path(issuer));
            let provider = Provider { arn, client_ids: client_ids.clone() };
            let key = (account.id.clone(), issuer.clone());
            if self.providers.insert(key, provider).is_some() {
                return Err(wrong(
                    issuer,
                    &"the account has two identity providers for this issuer",
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn user(&self, account: &str, name: &str) -> Option<Credentials> {
        let key = self.users.get(&(account.to_owned(), name.to_owned()))?;
        self.keys.get(key).map(|key| key.credentials.clone())
    }

    /// The identity provider of this issuer in an account.
    pub(crate) fn provider(&self, account: &str, issuer: &str) -> Option<Provider> {
        self.providers.get(&(account.to_owned(), issuer.to_owned())).cloned()
    }

    /// A managed policy of an account, by its ARN.
    pub(crate) fn managed_policy(&self, account: &str, arn: &str) -> Option<PermissionPolicy> {
        let of_account = arn.split(':').nth(4) == Some(account);
        of_account.then(|| self.managed.get(arn).cloned()).flatten()
    }

    /// What a user's MFA device shows.
    pub(crate) fn mfa_code(&self, account: &str, user: &str, now: SystemTime) -> Option<String> {
        let arn = format!("arn:aws:iam::{account}:user/{user}");
        self.mfa.get(&arn).map(|device| device.code(now))
    }

    pub(crate) fn check_mfa(
        &mut self,
        caller: &str,
        serial: &MfaSerial,
        code: &MfaCode,
        now: SystemTime,
    ) -> Result<(), Fault> {
        Device::check(self.mfa.get_mut(caller), serial, code, now)
    }

    /// A key that is one: a session's is none any more when its role is deleted.
    pub(crate) fn key(&self, access_key_id: &str) -> Option<Key> {
        self.keys.get(access_key_id).filter(|key| self.is_of_its_role(&key.owner)).cloned()
    }

    /// Issues a session of a role.
    pub(crate) fn issue(
        &mut self,
        role: &RoleArn,
        session: &SessionName,
        expires: SystemTime,
        carried: Carried,
    ) -> Option<Key> {
        let role = self.roles.get(role.as_str())?;
        let account = role.arn.account();
        let owner = Owner {
            caller: Caller::role_session(
                account.as_str(),
                role.arn.as_str(),
                role.arn.name(),
                session.as_str(),
            ),
            user_id: format!("{}:{session}", role.id),
            role: Some(role.arn.clone()),
            carried,
            policies: role.policies.clone(),
        };
        let credentials = Credentials::builder()
            .access_key_id(format!("ASIA{}", random(ID, 16)))
            .secret_access_key(random(BASE64, 40))
            .session_token(format!("FwoGZXIvYXdz{}", random(BASE64, 388)))
            .expiry(expires)
            .account_id(account.as_str())
            .provider_name("rolecall-testkit")
            .build();
        let key = Key { credentials, owner };
        let id = key.credentials.access_key_id().to_owned();
        if self.issued.len() >= self.max_sessions
            && let Some(oldest) = self.issued.pop_front()
        {
            self.keys.remove(&oldest);
        }
        self.issued.push_back(id.clone());
        self.keys.insert(id, key.clone());
        Some(key)
    }

    /// Every secret key and session token that is known here.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let credentials = self.keys.values().map(|key| &key.credentials);
        credentials
            .flat_map(|c| [Some(c.secret_access_key()), c.session_token()])
            .flatten()
            .map(str::to_owned)
            .collect()
    }
}

/// An issuer as conditions and provider ARNs name it: without its scheme.
pub(crate) fn host_and_path(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

/// The condition keys that a request to the local AWS has, or rightly has not, since the parameter
/// that would bring them is refused. Any other would be absent here and present at AWS.
const CONDITION_KEYS: &[&str] = &[
    "sts:ExternalId",
    "sts:RoleSessionName",
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "aws:FederatedProvider",
    "sts:SourceIdentity",
    "aws:SourceIdentity",
    "aws:MultiFactorAuthPresent",
    "sts:TransitiveTagKeys",
    "aws:TagKeys",
    "s3:prefix",
    "s3:delimiter",
];

/// The first key that is not known.
fn unknown(keys: &mut dyn Iterator<Item = &str>, issuers: &[&str]) -> Option<String> {
    let known = |key: &str| {
        CONDITION_KEYS.iter().any(|known| known.eq_ignore_ascii_case(key))
            || key.to_lowercase().starts_with("aws:requesttag/")
            || key.to_lowercase().starts_with("aws:principaltag/")
            || issuers.iter().any(|issuer| {
                let claim = key.strip_prefix(issuer).and_then(|rest| rest.strip_prefix(':'));
                claim.is_some_and(|claim| matches!(claim, "sub" | "aud"))
            })
    };
    for key in keys {
        if !known(key) {
            return Some(key.to_owned());
        }
    }
    None
}

fn permissions(
    documents: &[String],
) -> Result<Vec<PermissionPolicy>, rolecall_policy::PolicyError> {
    documents.iter().map(|json| PermissionPolicy::parse(json)).collect()
}
