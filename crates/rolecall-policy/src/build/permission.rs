use super::assume_role::AssumeRoleAccess;
use super::check::fault;
use super::ecr::EcrAccess;
use super::partition::{self, Placed};
use super::revoke::RevokedSessions;
use super::s3::S3Access;
use super::secrets::SecretsAccess;
use super::{Draft, Test, document};
use crate::arn::check_partition;
use crate::error::PolicyError;
use crate::limits::PolicyKind;
use crate::model::Effect;
use crate::policy::PermissionPolicy;

impl PermissionPolicy {
    /// Creates a builder of a permission policy.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::{PermissionPolicy, S3Access, SecretsAccess};
    /// let policy = PermissionPolicy::builder()
    ///     .s3(S3Access::under("shop-data", ["orders/"])?.list().read())
    ///     .secrets(SecretsAccess::under("eu-west-1", ["shop/", "common/"])?.read())
    ///     .build()?;
    /// println!("{}", policy.to_json());
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn builder() -> PermissionPolicyBuilder {
        PermissionPolicyBuilder { partition: None, grants: Vec::new(), placed: Vec::new() }
    }
}

/// Builds a [`PermissionPolicy`]. The policy allows only the access that is added.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{
///     AssumeRoleAccess, Caller, PermissionPolicy, Policies, Request, S3Access, evaluate,
/// };
/// let policy = PermissionPolicy::builder()
///     .s3(S3Access::under("shop-data", ["orders/"])?.read())
///     .assume_role(AssumeRoleAccess::new(["arn:aws:iam::444455556666:role/orders"])?)
///     .build()?;
/// assert_eq!(policy.to_json(), r#"{
///   "Version": "2012-10-17",
///   "Statement": [
///     {
///       "Sid": "S3Objects",
///       "Effect": "Allow",
///       "Action": "s3:GetObject",
///       "Resource": "arn:aws:s3:::shop-data/orders/*"
///     },
///     {
///       "Sid": "AssumeRoles",
///       "Effect": "Allow",
///       "Action": "sts:AssumeRole",
///       "Resource": "arn:aws:iam::444455556666:role/orders"
///     }
///   ]
/// }"#);
///
/// let policies = [policy];
/// let allows = |key: &str| {
///     let caller = Caller::user("111122223333", "arn:aws:iam::111122223333:user/ann");
///     let object = format!("arn:aws:s3:::shop-data/{key}");
///     let request = Request::new(caller, "s3:GetObject", object);
///     evaluate(&request, &Policies::new().identity(&policies)).is_allowed()
/// };
/// assert!(allows("orders/2026/1.json"));
/// assert!(!allows("invoices/2026/1.json"));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PermissionPolicyBuilder {
    partition: Option<String>,
    grants: Vec<Grant>,
    placed: Vec<Placed>,
}

/// A statement before the partition is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) sid: &'static str,
    pub(super) effect: Effect,
    pub(super) actions: Vec<&'static str>,
    pub(super) resources: Vec<Resource>,
    pub(super) tests: Vec<Test>,
    /// What to call if `actions` is empty.
    pub(super) methods: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    All,
    /// What follows `arn:<partition>:`.
    InPartition(String),
    Arn(String),
}

impl Grant {
    pub(super) fn allow(sid: &'static str, actions: Vec<&'static str>) -> Self {
        let effect = Effect::Allow;
        Self { sid, effect, actions, resources: Vec::new(), tests: Vec::new(), methods: "" }
    }

    pub(super) fn on(self, resources: Vec<Resource>) -> Self {
        Self { resources, ..self }
    }
}

impl PermissionPolicyBuilder {
    /// Sets the partition of the resources. Defaults to the partition that the Regions and ARNs in
    /// the policy belong to, or `aws`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `partition` is not the name of a partition.
    pub fn partition(mut self, partition: &str) -> Result<Self, PolicyError> {
        check_partition(partition)?;
        self.partition = Some(partition.to_owned());
        Ok(self)
    }

    /// Allows access to an S3 bucket.
    pub fn s3(self, access: S3Access) -> Self {
        self.grant(access.grants(), [])
    }

    /// Allows access to secrets in Secrets Manager.
    pub fn secrets(self, access: SecretsAccess) -> Self {
        let placed = access.placed();
        self.grant([access.grant()], [placed])
    }

    /// Allows access to image repositories in ECR.
    pub fn ecr(self, access: EcrAccess) -> Self {
        let placed = access.placed();
        self.grant(access.grants(), [placed])
    }

    /// Allows logging in to ECR registries: `ecr:GetAuthorizationToken`, which ECR supports only on
    /// the resource `*`. [`ecr`](Self::ecr) includes it.
    pub fn ecr_login(self) -> Self {
        self.grant([EcrAccess::login()], [])
    }

    /// Allows `sts:AssumeRole` on roles, with the session tags and source identities that the
    /// access allows.
    pub fn assume_role(self, access: AssumeRoleAccess) -> Self {
        let placed = access.placed();
        self.grant(access.grants(), placed)
    }

    /// Allows `sts:AssumeRole` on these roles, by their ARNs. The trust policies of the roles must
    /// allow the call as well.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `roles` is empty, or if one of them is not the ARN of a role.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::PermissionPolicy;
    /// let orders = "arn:aws:iam::444455556666:role/orders";
    /// let policy = PermissionPolicy::builder().assume_roles([orders])?.build()?;
    /// assert_eq!(policy.to_json(), r#"{
    ///   "Version": "2012-10-17",
    ///   "Statement": [
    ///     {
    ///       "Sid": "AssumeRoles",
    ///       "Effect": "Allow",
    ///       "Action": "sts:AssumeRole",
    ///       "Resource": "arn:aws:iam::444455556666:role/orders"
    ///     }
    ///   ]
    /// }"#);
    ///
    /// let all = "arn:aws:iam::444455556666:role/*";
    /// let error = PermissionPolicy::builder().assume_roles([all]).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     r#"role: "arn:aws:iam::444455556666:role/*" contains a wildcard; "#.to_owned()
    ///         + "hint: name each value, without * and ?",
    /// );
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn assume_roles<R: Into<String>>(
        self,
        roles: impl IntoIterator<Item = R>,
    ) -> Result<Self, PolicyError> {
        Ok(self.assume_role(AssumeRoleAccess::new(roles)?))
    }

    /// Denies everything to revoked sessions of the role that the policy is attached to.
    pub fn revoke_sessions(self, revoked: RevokedSessions) -> Self {
        self.grant([revoked.grant()], [])
    }

    /// An access that was already added adds nothing: every ECR access brings the same login.
    fn grant(
        mut self,
        grants: impl IntoIterator<Item = Grant>,
        placed: impl IntoIterator<Item = Placed>,
    ) -> Self {
        for grant in grants {
            if !self.grants.contains(&grant) {
                self.grants.push(grant);
            }
        }
        self.placed.extend(placed);
        self
    }

    /// Builds the policy, with the size limit of an inline policy of a role.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] as [`build_as`](Self::build_as) does.
    pub fn build(self) -> Result<PermissionPolicy, PolicyError> {
        self.build_as(PolicyKind::Inline)
    }

    /// Builds the policy, with the size limit of a kind.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if the policy would allow and deny nothing, if an access was added
    /// without an action, if values belong to different partitions, if the policy is larger than
    /// the kind allows, or if `kind` is not a kind of permission policy.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::{PermissionPolicy, PolicyKind, S3Access};
    /// let prefixes: Vec<String> = (0..100).map(|tenant| format!("tenants/{tenant}/")).collect();
    /// let error = PermissionPolicy::builder()
    ///     .s3(S3Access::under("shop-data", prefixes)?.read())
    ///     .build_as(PolicyKind::Session)
    ///     .unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "policy: 3902 characters, but a session policy has at most 2048; \
    ///      hint: name fewer resources, or divide the policy",
    /// );
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn build_as(self, kind: PolicyKind) -> Result<PermissionPolicy, PolicyError> {
        if kind.has_principal() {
            let hint = "hint: pass PolicyKind::Inline, Managed, Session or ServiceControl";
            return Err(fault(
                "kind",
                format!("{} is not a permission policy; {hint}", kind.name()),
            ));
        }
        if self.grants.is_empty() {
            let hint = "hint: call s3, secrets, ecr, assume_role or revoke_sessions";
            return Err(fault("policy", format!("no access is allowed; {hint}")));
        }
        let partition = partition::resolve(self.partition.as_deref(), &self.placed)?;
        let mut drafts: Vec<Draft> = Vec::new();
        let mut sids: Vec<&'static str> = Vec::new();
        for grant in self.grants {
            if grant.actions.is_empty() {
                let message = format!("no action is allowed; hint: call {}", grant.methods);
                return Err(fault(grant.sid, message));
            }
            // Sids are unique in a policy.
            let earlier = sids.iter().filter(|sid| **sid == grant.sid).count();
            let number = if earlier == 0 { String::new() } else { (earlier + 1).to_string() };
            sids.push(grant.sid);
            let arn = |resource: Resource| match resource {
                Resource::All => "*".to_owned(),
                Resource::InPartition(rest) => format!("arn:{partition}:{rest}"),
                Resource::Arn(arn) => arn,
            };
            drafts.push(Draft {
                sid: Some(format!("{}{number}", grant.sid)),
                effect: grant.effect,
                principal: None,
                actions: grant.actions,
                resources: Some(grant.resources.into_iter().map(arn).collect()),
                tests: grant.tests,
            });
        }
        let hint = "name fewer resources, or divide the policy";
        document(kind, drafts, hint).map(PermissionPolicy::from_document)
    }
}
