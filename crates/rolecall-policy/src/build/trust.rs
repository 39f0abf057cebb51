use super::{account, fault, one_of};
use crate::condition::Condition;
use crate::model::{
    Document, Effect, Principal, StatementCore, TrustPolicy, TrustStatement, Version, is_account,
};
use crate::parse::PolicyError;

impl TrustPolicy {
    /// Writes a policy.
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

/// Writes a [`TrustPolicy`]: who may assume a role. Nobody else may.
///
/// ```
/// use rolecall_policy::TrustPolicy;
/// let error = TrustPolicy::builder().build().unwrap_err();
/// assert_eq!(error.to_string(), "policy: it trusts nobody: add principal or service_account");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TrustPolicyBuilder {
    statements: Vec<TrustStatement>,
}

impl TrustPolicyBuilder {
    /// Trusts an account, a user or a role: `sts:AssumeRole`.
    pub fn principal(self, trusted: TrustedPrincipal) -> Self {
        let TrustedPrincipal { principal, external_id } = trusted;
        self.statement("sts:AssumeRole", principal, external_id.into_iter().collect())
    }

    /// Trusts a Kubernetes service account: `sts:AssumeRoleWithWebIdentity`.
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

    /// The policy. An error if it would trust nobody.
    pub fn build(self) -> Result<TrustPolicy, PolicyError> {
        if self.statements.is_empty() {
            return Err(fault("policy", "it trusts nobody: add principal or service_account"));
        }
        let statements = self.statements;
        let document = Document { version: Version::V2012, id: None, statements };
        Ok(TrustPolicy { document })
    }
}

/// An account, a user or a role that is trusted, under an external id or without.
///
/// ```
/// use rolecall_policy::TrustedPrincipal;
/// let partner = TrustedPrincipal::account("111122223333")?.external_id("shop-4711")?;
/// let error = TrustedPrincipal::role("arn:aws:iam::111122223333:role/*").unwrap_err();
/// assert_eq!(error.to_string(), r#"role: "arn:aws:iam::111122223333:role/*": a principal has no wildcard in it"#);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TrustedPrincipal {
    principal: Principal,
    external_id: Option<Condition>,
}

impl TrustedPrincipal {
    /// Whom this account lets, by its 12 digits.
    pub fn account(id: &str) -> Result<Self, PolicyError> {
        account(id).map(Principal::Account).map(Self::of)
    }

    /// A user, by its ARN.
    pub fn user(arn: &str) -> Result<Self, PolicyError> {
        match Principal::aws(arn) {
            Ok(user @ Principal::User(_)) => Ok(Self::of(user)),
            Ok(_) => Err(fault("user", format!("{arn:?} is no user's ARN"))),
            Err(why) => Err(fault("user", why)),
        }
    }

    /// All sessions of a role, by the role's ARN.
    pub fn role(arn: &str) -> Result<Self, PolicyError> {
        match Principal::aws(arn) {
            Ok(role @ Principal::Role(_)) => Ok(Self::of(role)),
            Ok(_) => Err(fault("role", format!("{arn:?} is no role's ARN"))),
            Err(why) => Err(fault("role", why)),
        }
    }

    fn of(principal: Principal) -> Self {
        Self { principal, external_id: None }
    }

    /// Only under this external id: the guard against a confused deputy, for every third party.
    pub fn external_id(mut self, id: &str) -> Result<Self, PolicyError> {
        self.external_id = Some(equals("external id", "sts:ExternalId", id)?);
        Ok(self)
    }
}

/// A Kubernetes service account whose tokens are trusted: of one cluster, one namespace, one name, one audience.
///
/// (IAM User Guide, "Create a role for OpenID Connect federation"; EKS User Guide, "IAM roles for service accounts".)
///
/// ```
/// use rolecall_policy::{TrustPolicy, TrustedServiceAccount};
/// let provider = "arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE";
/// let checkout = TrustedServiceAccount::new(provider, "shop", "checkout")?;
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
    /// By the ARN of the cluster's OIDC provider, the namespace, and the service account's name. The audience is
    /// `sts.amazonaws.com`.
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

    /// Tokens for another audience than `sts.amazonaws.com`.
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
            fault("OIDC provider", format!("{provider:?} is no OIDC provider's ARN, as {form}"))
        },
    )
}

fn dns_name<'a>(what: &str, name: &'a str, longest: usize) -> Result<&'a str, PolicyError> {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    if name.is_empty() || name.len() > longest || !name.bytes().all(known) {
        let rule = format!(
            "it has 1 to {longest} lower case letters, digits, hyphens and dots, and no wildcard: each one is trusted \
             by its name"
        );
        return Err(fault(what, format!("{name:?}: {rule}")));
    }
    Ok(name)
}

fn equals(what: &str, key: &str, value: &str) -> Result<Condition, PolicyError> {
    if value.is_empty() || value.contains("${") {
        let why = "it must not be empty, nor hold ${, which IAM takes for a variable";
        return Err(fault(what, format!("{value:?}: {why}")));
    }
    Condition::new("StringEquals", key, [value]).map_err(|why| fault(what, why))
}
