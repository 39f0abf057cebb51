use super::{account, fault, one_of};
use crate::condition::Condition;
use crate::model::{
    Document, Effect, Principal, StatementCore, TrustPolicy, TrustStatement, Version, is_account,
};
use crate::parse::PolicyError;

impl TrustPolicy {
    /// Creates a builder of a trust policy.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::{TrustPolicy, TrustedPrincipal};
    /// let checkout = TrustedPrincipal::role("arn:aws:iam::111122223333:role/checkout")?;
    /// let policy = TrustPolicy::builder().principal(checkout.external_id("shop-4711")?).build()?;
    /// println!("{}", policy.to_json());
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn builder() -> TrustPolicyBuilder {
        TrustPolicyBuilder { statements: Vec::new() }
    }
}

/// Builds a [`TrustPolicy`]. Principals that it does not name cannot assume the role.
///
/// # Examples
///
/// ```
/// use rolecall_policy::TrustPolicy;
/// let error = TrustPolicy::builder().build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "policy: no principal is trusted; hint: call principal or service_account",
/// );
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TrustPolicyBuilder {
    statements: Vec<TrustStatement>,
}

impl TrustPolicyBuilder {
    /// Adds an account, a user or a role, which may call `sts:AssumeRole`.
    pub fn principal(self, trusted: TrustedPrincipal) -> Self {
        let TrustedPrincipal { principal, external_id } = trusted;
        self.statement("sts:AssumeRole", principal, external_id.into_iter().collect())
    }

    /// Adds a Kubernetes service account, which may call `sts:AssumeRoleWithWebIdentity`.
    pub fn service_account(self, trusted: TrustedServiceAccount) -> Self {
        let TrustedServiceAccount { provider, subject, audience } = trusted;
        let action = "sts:AssumeRoleWithWebIdentity";
        self.statement(action, Principal::Federated(provider), vec![subject, audience])
    }

    fn statement(mut self, action: &str, principal: Principal, conditions: Vec<Condition>) -> Self {
        self.statements.push(TrustStatement {
            core: StatementCore {
                sid: None,
                effect: Effect::Allow,
                actions: one_of([action]),
                conditions,
            },
            principals: vec![principal],
        });
        self
    }

    /// Builds the policy.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if no principal was added.
    pub fn build(self) -> Result<TrustPolicy, PolicyError> {
        if self.statements.is_empty() {
            return Err(fault(
                "policy",
                "no principal is trusted; hint: call principal or service_account",
            ));
        }
        let statements = self.statements;
        let document = Document { version: Version::V2012, id: None, statements };
        Ok(TrustPolicy { document })
    }
}

/// An account, a user or a role that a trust policy trusts, optionally with an external id.
///
/// # Examples
///
/// ```
/// use rolecall_policy::TrustedPrincipal;
/// let partner = TrustedPrincipal::account("111122223333")?.external_id("shop-4711")?;
/// let all = "arn:aws:iam::111122223333:role/*";
/// let error = TrustedPrincipal::role(all).unwrap_err();
/// assert_eq!(error.to_string(), format!("role: {all:?} contains a wildcard"));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TrustedPrincipal {
    principal: Principal,
    external_id: Option<Condition>,
}

impl TrustedPrincipal {
    /// Creates the principal of an account, by its id.
    ///
    /// It stands for every user and role of that account whose own policies allow `sts:AssumeRole`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `id` does not have 12 digits.
    pub fn account(id: &str) -> Result<Self, PolicyError> {
        account(id).map(Principal::Account).map(Self::of)
    }

    /// Creates the principal of a user, by its ARN.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `arn` is not the ARN of a user.
    pub fn user(arn: &str) -> Result<Self, PolicyError> {
        match Principal::aws(arn) {
            Ok(user @ Principal::User(_)) => Ok(Self::of(user)),
            Ok(_) => Err(fault("user", format!("{arn:?} is not the ARN of a user"))),
            Err(error) => Err(error.at("user")),
        }
    }

    /// Creates the principal of all sessions of a role, by the role's ARN.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `arn` is not the ARN of a role.
    pub fn role(arn: &str) -> Result<Self, PolicyError> {
        match Principal::aws(arn) {
            Ok(role @ Principal::Role(_)) => Ok(Self::of(role)),
            Ok(_) => Err(fault("role", format!("{arn:?} is not the ARN of a role"))),
            Err(error) => Err(error.at("role")),
        }
    }

    fn of(principal: Principal) -> Self {
        Self { principal, external_id: None }
    }

    /// Requires this external id. Set one for every third party: it prevents the confused deputy
    /// problem.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `id` is empty or contains a policy variable.
    pub fn external_id(mut self, id: &str) -> Result<Self, PolicyError> {
        self.external_id = Some(equals("external id", "sts:ExternalId", id)?);
        Ok(self)
    }
}

/// A Kubernetes service account whose tokens a trust policy trusts.
///
/// The policy checks the cluster, the namespace, the name and the audience.
///
/// (IAM User Guide, "Create a role for OpenID Connect federation"; EKS User Guide, "IAM roles for
/// service accounts".)
///
/// # Examples
///
/// ```
/// use rolecall_policy::{TrustPolicy, TrustedServiceAccount};
/// let issuer = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE";
/// let provider = format!("arn:aws:iam::111122223333:oidc-provider/{issuer}");
/// let checkout = TrustedServiceAccount::new(&provider, "shop", "checkout")?;
/// let policy = TrustPolicy::builder().service_account(checkout).build()?;
/// assert!(policy.to_json().contains("system:serviceaccount:shop:checkout"));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TrustedServiceAccount {
    provider: String,
    subject: Condition,
    audience: Condition,
}

impl TrustedServiceAccount {
    /// Creates a trusted service account from the ARN of the cluster's OIDC provider, the
    /// namespace, and the name of the service account. The audience defaults to
    /// `sts.amazonaws.com`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `provider` is not the ARN of an OIDC provider, or if `namespace`
    /// or `name` is not a Kubernetes name.
    pub fn new(provider: &str, namespace: &str, name: &str) -> Result<Self, PolicyError> {
        let issuer = issuer(provider)?;
        let namespace = dns_name("namespace", namespace, 63)?;
        let name = dns_name("service account", name, 253)?;
        let subject = format!("system:serviceaccount:{namespace}:{name}");
        Ok(Self {
            provider: provider.to_owned(),
            subject: equals("subject", &format!("{issuer}:sub"), &subject)?,
            audience: equals("audience", &format!("{issuer}:aud"), "sts.amazonaws.com")?,
        })
    }

    /// Sets the audience of the tokens. Defaults to `sts.amazonaws.com`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `audience` is empty or contains a policy variable.
    pub fn audience(mut self, audience: &str) -> Result<Self, PolicyError> {
        self.audience = equals("audience", self.audience.key(), audience)?;
        Ok(self)
    }
}

/// The issuer of an OIDC provider, without its scheme: what its condition keys begin with.
fn issuer(provider: &str) -> Result<&str, PolicyError> {
    let fields: Vec<&str> = provider.splitn(6, ':').collect();
    let issuer = match fields.as_slice() {
        &["arn", _, "iam", "", account, resource] if is_account(account) => {
            resource.strip_prefix("oidc-provider/")
        }
        _ => None,
    };
    issuer.filter(|issuer| !issuer.is_empty() && !issuer.contains(['*', '?', '$'])).ok_or_else(
        || {
            let form = "arn:aws:iam::<account>:oidc-provider/<issuer without https://>";
            let what = format!("{provider:?} is not the ARN of an OIDC provider: expected {form}");
            fault("OIDC provider", what)
        },
    )
}

fn dns_name<'a>(what: &str, name: &'a str, longest: usize) -> Result<&'a str, PolicyError> {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    if name.is_empty() || name.len() > longest || !name.bytes().all(known) {
        let rule = format!(
            "expected 1 to {longest} lower case letters, digits, hyphens and dots, without wildcards"
        );
        return Err(fault(what, format!("{name:?} is not a Kubernetes name: {rule}")));
    }
    Ok(name)
}

fn equals(what: &str, key: &str, value: &str) -> Result<Condition, PolicyError> {
    if value.is_empty() || value.contains("${") {
        let why = "is empty or contains ${, which starts a policy variable";
        return Err(fault(what, format!("{value:?} {why}")));
    }
    Condition::new("StringEquals", key, [value]).map_err(|error| error.at(what))
}
