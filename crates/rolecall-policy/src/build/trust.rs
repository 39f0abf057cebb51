use super::check::fault;
use super::github::TrustedGitHubActions;
use super::partition;
use super::pod_identity::TrustedPodIdentity;
use super::principal::TrustedPrincipal;
use super::service::TrustedService;
use super::service_account::TrustedServiceAccount;
use super::session_rules::Step;
use super::web_identity::TrustedWebIdentity;
use super::{Draft, document};
use crate::arn::check_partition;
use crate::error::PolicyError;
use crate::limits::PolicyKind;
use crate::model::Effect;
use crate::policy::TrustPolicy;
use crate::principal::Principal;

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
        TrustPolicyBuilder { partition: None, trusted: Vec::new() }
    }
}

/// Builds a [`TrustPolicy`]. Principals that it does not name cannot assume the role.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{TrustPolicy, TrustedPrincipal, TrustedService};
/// let policy = TrustPolicy::builder()
///     .principal(TrustedPrincipal::role("arn:aws-cn:iam::111122223333:role/checkout")?)
///     .service(TrustedService::ec2())
///     .build()?;
/// assert_eq!(policy.to_json(), r#"{
///   "Version": "2012-10-17",
///   "Statement": [
///     {
///       "Effect": "Allow",
///       "Principal": {
///         "AWS": "arn:aws-cn:iam::111122223333:role/checkout"
///       },
///       "Action": "sts:AssumeRole"
///     },
///     {
///       "Effect": "Allow",
///       "Principal": {
///         "Service": "ec2.amazonaws.com.cn"
///       },
///       "Action": "sts:AssumeRole"
///     }
///   ]
/// }"#);
///
/// let error = TrustPolicy::builder().build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "policy: no principal is trusted; hint: call principal, service_account, web_identity, \
///      github_actions, pod_identity or service",
/// );
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TrustPolicyBuilder {
    partition: Option<String>,
    trusted: Vec<Trusted>,
}

#[derive(Clone, Debug)]
enum Trusted {
    Principal(TrustedPrincipal),
    WebIdentity(TrustedWebIdentity),
    PodIdentity(TrustedPodIdentity),
    Service(TrustedService),
}

impl TrustPolicyBuilder {
    /// Sets the partition of the role. Defaults to the partition that the ARNs in the policy belong
    /// to, or `aws`. It decides the names of services.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `partition` is not the name of a partition.
    pub fn partition(mut self, partition: &str) -> Result<Self, PolicyError> {
        check_partition(partition)?;
        self.partition = Some(partition.to_owned());
        Ok(self)
    }

    /// Adds an account, a user or a role, which may call `sts:AssumeRole`.
    pub fn principal(self, trusted: TrustedPrincipal) -> Self {
        self.trust(Trusted::Principal(trusted))
    }

    /// Adds a Kubernetes service account, which may call `sts:AssumeRoleWithWebIdentity`.
    pub fn service_account(self, trusted: TrustedServiceAccount) -> Self {
        self.web_identity(trusted.0)
    }

    /// Adds workflows of GitHub Actions, which may call `sts:AssumeRoleWithWebIdentity`.
    pub fn github_actions(self, trusted: TrustedGitHubActions) -> Self {
        self.web_identity(trusted.0)
    }

    /// Adds an identity of an OIDC provider, which may call `sts:AssumeRoleWithWebIdentity`.
    pub fn web_identity(self, trusted: TrustedWebIdentity) -> Self {
        self.trust(Trusted::WebIdentity(trusted))
    }

    /// Adds pods that EKS Pod Identity gives the role to.
    pub fn pod_identity(self, trusted: TrustedPodIdentity) -> Self {
        self.trust(Trusted::PodIdentity(trusted))
    }

    /// Adds an AWS service, which may call `sts:AssumeRole`.
    pub fn service(self, trusted: TrustedService) -> Self {
        self.trust(Trusted::Service(trusted))
    }

    fn trust(mut self, trusted: Trusted) -> Self {
        self.trusted.push(trusted);
        self
    }

    /// Builds the policy, with the default size limit of a trust policy.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] as [`build_as`](Self::build_as) does.
    pub fn build(self) -> Result<TrustPolicy, PolicyError> {
        self.build_as(PolicyKind::Trust)
    }

    /// Builds the policy, with the size limit of a kind: [`PolicyKind::Trust`] or
    /// [`PolicyKind::TrustRaised`].
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if no principal was added, if ARNs belong to different partitions,
    /// if the policy is larger than the kind allows, or if `kind` is not a kind of trust policy.
    pub fn build_as(self, kind: PolicyKind) -> Result<TrustPolicy, PolicyError> {
        if kind.has_resource() {
            let hint = "hint: pass PolicyKind::Trust or PolicyKind::TrustRaised";
            return Err(fault("kind", format!("{} is not a trust policy; {hint}", kind.name())));
        }
        if self.trusted.is_empty() {
            let hint = "hint: call principal, service_account, web_identity, github_actions, \
                        pod_identity or service";
            return Err(fault("policy", format!("no principal is trusted; {hint}")));
        }
        let placed: Vec<_> = self.trusted.iter().filter_map(Trusted::placed).collect();
        let partition = partition::resolve(self.partition.as_deref(), &placed)?;
        let mut drafts = Vec::new();
        for trusted in self.trusted {
            drafts.extend(trusted.drafts(&partition)?);
        }
        let hint = match kind {
            PolicyKind::TrustRaised => "trust fewer principals",
            _ => "trust fewer principals, or let AWS raise the quota of the account",
        };
        document(kind, drafts, hint).map(TrustPolicy::from_document)
    }
}

impl Trusted {
    fn placed(&self) -> Option<partition::Placed> {
        match self {
            Self::Principal(trusted) => trusted.placed(),
            Self::WebIdentity(trusted) => trusted.placed(),
            Self::PodIdentity(trusted) => trusted.placed(),
            Self::Service(trusted) => trusted.placed(),
        }
    }

    fn drafts(self, partition: &str) -> Result<Vec<Draft>, PolicyError> {
        let (principal, steps) = match self {
            Self::Principal(trusted) => trusted.steps(),
            Self::WebIdentity(trusted) => trusted.steps(),
            Self::PodIdentity(trusted) => return Ok(vec![trusted.draft()]),
            Self::Service(trusted) => return Ok(vec![trusted.draft(partition)?]),
        };
        Ok(steps.into_iter().map(|step| allow(&principal, step)).collect())
    }
}

fn allow(principal: &Principal, Step { action, tests }: Step) -> Draft {
    Draft {
        sid: None,
        effect: Effect::Allow,
        principal: Some(principal.clone()),
        actions: vec![action],
        resources: None,
        tests,
    }
}
