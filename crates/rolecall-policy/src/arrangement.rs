//! The roles and policies of a service in EKS, complete.

use crate::arn::{is_name_character, partition_of};
use crate::build::{
    AssumeRoleAccess, EcrAccess, S3Access, SecretsAccess, TrustedPrincipal, TrustedServiceAccount,
};
use crate::error::{PolicyError, excerpt};
use crate::limits::{MAX_NAME, PolicyKind};
use crate::oidc_provider::{OidcProvider, STS_AUDIENCE};
use crate::policy::{PermissionPolicy, TrustPolicy};

/// The prefix that all projects share.
const COMMON: &str = "common";

/// The roles and policies that a service in an EKS cluster needs, built from a few names.
///
/// A pod proves its service account with a token of the cluster's OIDC provider, and assumes two
/// roles in a chain:
///
/// - the role `<project>-service-account` trusts the tokens of one service account, and may do no
///   more than assume the other role;
/// - the role `<project>` has access to the project's resources. It trusts the service account's
///   role, and the principals that are added, all of them with an external id.
///
/// The policies of the role `<project>`, each attached to it:
///
/// - bucket: `s3:ListBucket` on one bucket, `s3:GetObject` and `s3:PutObject` on its objects;
/// - secrets: `secretsmanager:DescribeSecret` and `GetSecretValue` on `<project>/*` and `common/*`
///   in one Region, in any account;
/// - images: `ecr:BatchCheckLayerAvailability`, `BatchGetImage`, `PutImage`, `InitiateLayerUpload`,
///   `UploadLayerPart` and `CompleteLayerUpload` on the repositories `<project>/*` and `common/*`
///   in one Region, in any account, and `ecr:GetAuthorizationToken` on `*`, the only resource that
///   ECR supports for it.
///
/// A secret or repository of another account also needs a resource policy there.
///
/// The account and the issuer are known, so the policies name the roles and the provider by their
/// ARNs. With the feature `terraform`, `ReferenceArrangement::terraform` writes all of it as a
/// Terraform file, in which they are references.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{
///     Caller, OidcProvider, Policies, ReferenceArrangement, Request, Thumbprint, TrustedPrincipal,
///     evaluate,
/// };
///
/// let thumbprint = Thumbprint::parse("990F4193972F2BECF12DDEDA5237F9C952F20D9E")?;
/// let cluster = OidcProvider::eks("eu-west-1", "EXAMPLED539D4633E53DE1B716D3041E")?
///     .thumbprint(thumbprint)
///     .build()?;
/// let arrangement = ReferenceArrangement::builder("shop")
///     .account("111122223333")
///     .region("eu-west-1")
///     .bucket("shop-data")
///     .cluster(cluster)
///     .service_account("shop", "checkout")
///     .external_id("shop-4711")
///     .trusted_principal(TrustedPrincipal::role("arn:aws:iam::444455556666:role/deploy")?)
///     .build()?;
/// assert_eq!(arrangement.project_role(), "arn:aws:iam::111122223333:role/shop");
/// println!("{}", arrangement.project_trust().to_json());
///
/// let session = Caller::parse("arn:aws:sts::111122223333:assumed-role/shop/pod-1")?;
/// let request = Request::new(session, "s3:GetObject", "arn:aws:s3:::shop-data/orders/1");
/// let policies = Policies::new().identity(arrangement.project_permissions());
/// assert!(evaluate(&request, &policies).is_allowed());
///
/// let error = ReferenceArrangement::builder("shop").build().unwrap_err();
/// assert_eq!(error.to_string(), "account: is not set; hint: call account");
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferenceArrangement {
    provider: OidcProvider,
    provider_arn: String,
    service_account: Role,
    assume_role: PermissionPolicy,
    project_role: Role,
    /// For the bucket, the secrets and the images.
    permissions: [PermissionPolicy; 3],
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Role {
    name: String,
    arn: String,
    trust: TrustPolicy,
}

impl ReferenceArrangement {
    /// Creates a builder of the arrangement of a project.
    ///
    /// The project names the roles, and the secrets and repositories that they may use: 1 to 48
    /// lower case letters and digits, with single `.`, `_` and `-` in between.
    pub fn builder(project: impl Into<String>) -> ReferenceArrangementBuilder {
        ReferenceArrangementBuilder {
            project: project.into(),
            partition: None,
            account: None,
            region: None,
            bucket: None,
            cluster: None,
            service_account: None,
            external_id: None,
            service_account_role_name: None,
            project_role_name: None,
            trusted_principals: Vec::new(),
        }
    }

    /// Returns the OIDC provider of the cluster.
    pub fn provider(&self) -> &OidcProvider {
        &self.provider
    }

    /// Returns the ARN of the OIDC provider.
    pub fn provider_arn(&self) -> &str {
        &self.provider_arn
    }

    /// Returns the ARN of the role that the service account assumes with its token.
    pub fn service_account_role(&self) -> &str {
        &self.service_account.arn
    }

    /// Returns the name of the service account's role.
    pub fn service_account_role_name(&self) -> &str {
        &self.service_account.name
    }

    /// Returns the trust policy of the service account's role.
    pub fn service_account_trust(&self) -> &TrustPolicy {
        &self.service_account.trust
    }

    /// Returns the permission of the service account's role to assume the project's role.
    pub fn assume_role_permissions(&self) -> &PermissionPolicy {
        &self.assume_role
    }

    /// Returns the ARN of the role that has access to the project's resources.
    pub fn project_role(&self) -> &str {
        &self.project_role.arn
    }

    /// Returns the name of the project's role.
    pub fn project_role_name(&self) -> &str {
        &self.project_role.name
    }

    /// Returns the trust policy of the project's role.
    pub fn project_trust(&self) -> &TrustPolicy {
        &self.project_role.trust
    }

    /// Returns the policies of the project's role: for the bucket, the secrets and the images.
    pub fn project_permissions(&self) -> &[PermissionPolicy] {
        &self.permissions
    }

    /// Returns the policy for the bucket.
    pub fn bucket_permissions(&self) -> &PermissionPolicy {
        let [bucket, _, _] = &self.permissions;
        bucket
    }

    /// Returns the policy for the secrets.
    pub fn secret_permissions(&self) -> &PermissionPolicy {
        let [_, secrets, _] = &self.permissions;
        secrets
    }

    /// Returns the policy for the images.
    pub fn image_permissions(&self) -> &PermissionPolicy {
        let [_, _, images] = &self.permissions;
        images
    }
}

/// Builds a [`ReferenceArrangement`].
///
/// # Examples
///
/// ```
/// use rolecall_policy::{OidcProvider, ReferenceArrangement};
/// let arrangement = ReferenceArrangement::builder("shop")
///     .account("111122223333")
///     .region("cn-north-1")
///     .bucket("shop-data")
///     .cluster(OidcProvider::eks("cn-north-1", "EXAMPLED539D4633E53DE1B716D3041E")?.build()?)
///     .service_account("shop", "checkout")
///     .external_id("shop-4711")
///     .build()?;
/// assert_eq!(
///     arrangement.service_account_role(),
///     "arn:aws-cn:iam::111122223333:role/shop-service-account",
/// );
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ReferenceArrangementBuilder {
    project: String,
    partition: Option<String>,
    account: Option<String>,
    region: Option<String>,
    bucket: Option<String>,
    cluster: Option<OidcProvider>,
    service_account: Option<(String, String)>,
    external_id: Option<String>,
    service_account_role_name: Option<String>,
    project_role_name: Option<String>,
    trusted_principals: Vec<TrustedPrincipal>,
}

impl ReferenceArrangementBuilder {
    /// Sets the partition. Defaults to that of the Region.
    pub fn partition(self, partition: impl Into<String>) -> Self {
        Self { partition: Some(partition.into()), ..self }
    }

    /// Sets the id of the account that has the roles and the provider.
    pub fn account(self, id: impl Into<String>) -> Self {
        Self { account: Some(id.into()), ..self }
    }

    /// Sets the Region of the secrets and the repositories.
    pub fn region(self, region: impl Into<String>) -> Self {
        Self { region: Some(region.into()), ..self }
    }

    /// Sets the name of the bucket.
    pub fn bucket(self, name: impl Into<String>) -> Self {
        Self { bucket: Some(name.into()), ..self }
    }

    /// Sets the OIDC provider of the cluster. `sts.amazonaws.com` is one of its client ids.
    pub fn cluster(self, provider: OidcProvider) -> Self {
        Self { cluster: Some(provider), ..self }
    }

    /// Sets the service account, by its namespace and name.
    pub fn service_account(self, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { service_account: Some((namespace.into(), name.into())), ..self }
    }

    /// Sets the external id with which the project's role is assumed.
    pub fn external_id(self, id: impl Into<String>) -> Self {
        Self { external_id: Some(id.into()), ..self }
    }

    /// Sets the name of the service account's role. Defaults to `<project>-service-account`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use rolecall_policy::{OidcProvider, ReferenceArrangement};
    /// # let cluster = OidcProvider::eks("eu-west-1", "EXAMPLED539D4633E53DE1B716D3041E")?.build()?;
    /// let arrangement = ReferenceArrangement::builder("shop")
    ///     .service_account_role_name("shop-pods")
    ///     .project_role_name("shop-data")
    /// #   .account("111122223333").region("eu-west-1").bucket("shop-data").cluster(cluster)
    /// #   .service_account("shop", "checkout").external_id("shop-4711")
    ///     // and the others
    ///     .build()?;
    /// assert_eq!(arrangement.project_role(), "arn:aws:iam::111122223333:role/shop-data");
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn service_account_role_name(self, name: impl Into<String>) -> Self {
        Self { service_account_role_name: Some(name.into()), ..self }
    }

    /// Sets the name of the project's role. Defaults to the name of the project. The secrets and
    /// repositories are still those of the project.
    pub fn project_role_name(self, name: impl Into<String>) -> Self {
        Self { project_role_name: Some(name.into()), ..self }
    }

    /// Adds a principal that may assume the project's role with the external id. The service
    /// account's role may do so in any case.
    pub fn trusted_principal(mut self, principal: TrustedPrincipal) -> Self {
        self.trusted_principals.push(principal);
        self
    }

    /// Builds the policies.
    ///
    /// The managed policies fit into 6,144 characters and the trust policies into 2,048, the
    /// default quota of an account.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if an input is missing or not valid, if values belong to different
    /// partitions, or if a policy is too large.
    pub fn build(self) -> Result<ReferenceArrangement, PolicyError> {
        let project = check_project(self.project)?;
        let account = required("account", self.account)?;
        let region = required("region", self.region)?;
        let partition = self.partition.unwrap_or_else(|| partition_of(&region).to_owned());
        let bucket = required("bucket", self.bucket)?;
        let provider = required("cluster", self.cluster)?;
        let (namespace, name) = required("service_account", self.service_account)?;
        let external_id = required("external_id", self.external_id)?;
        if !provider.client_ids().iter().any(|id| id == STS_AUDIENCE) {
            let message = format!("{STS_AUDIENCE:?} is not a client id of {:?}", provider.url());
            let hint = "hint: add it with client_id";
            return Err(PolicyError::new("cluster", format!("{message}; {hint}")));
        }
        // Checks the partition and the account, which the ARNs of the roles have as well.
        let provider_arn = provider.arn(&partition, &account)?;
        let role_arn = |name: &str| format!("arn:{partition}:iam::{account}:role/{name}");
        let trust = || TrustPolicy::builder().partition(&partition);
        let managed = || PermissionPolicy::builder().partition(&partition);

        let service_account_name = match self.service_account_role_name {
            Some(name) => check_role_name(name)?,
            None => format!("{project}-service-account"),
        };
        let project_role_name = match self.project_role_name {
            Some(name) => check_role_name(name)?,
            None => project.clone(),
        };
        if service_account_name == project_role_name {
            let message = format!("both roles have the name {project_role_name:?}");
            let hint = "hint: choose another name for one of them";
            return Err(PolicyError::new("role name", format!("{message}; {hint}")));
        }
        let service_account_arn = role_arn(&service_account_name);
        let token = TrustedServiceAccount::new(&provider_arn, &namespace, &name)?;
        let service_account_trust = trust()?.service_account(token).build()?;

        let chained = TrustedPrincipal::role(&service_account_arn)?.external_id(&external_id)?;
        let alone = |principal: &TrustedPrincipal| trust()?.principal(principal.clone()).build();
        let chained_alone = alone(&chained)?;
        let mut project_trust = trust()?.principal(chained);
        for principal in self.trusted_principals {
            let principal = principal.external_id(&external_id)?;
            // The caller may have added the service account's role, too.
            if alone(&principal)? != chained_alone {
                project_trust = project_trust.principal(principal);
            }
        }

        let assume_role = AssumeRoleAccess::new([role_arn(&project_role_name)])?;
        let bucket = S3Access::whole_bucket(&bucket)?.list().read().write();
        let prefixes = || [project.as_str(), COMMON].map(|name| format!("{name}/"));
        let secrets = SecretsAccess::under(&region, prefixes())?.read();
        let images = EcrAccess::under(&region, prefixes())?.push();
        let kind = PolicyKind::Managed;
        Ok(ReferenceArrangement {
            assume_role: managed()?.assume_role(assume_role).build_as(kind)?,
            permissions: [
                managed()?.s3(bucket).build_as(kind)?,
                managed()?.secrets(secrets).build_as(kind)?,
                managed()?.ecr(images).build_as(kind)?,
            ],
            service_account: Role {
                name: service_account_name,
                arn: service_account_arn,
                trust: service_account_trust,
            },
            project_role: Role {
                arn: role_arn(&project_role_name),
                name: project_role_name,
                trust: project_trust.build()?,
            },
            provider,
            provider_arn,
        })
    }
}

fn required<T>(input: &str, value: Option<T>) -> Result<T, PolicyError> {
    let fault =
        || PolicyError::new(&input.replace('_', " "), format!("is not set; hint: call {input}"));
    value.ok_or_else(fault)
}

/// Checks the name of a role. With a `/` it would be a path and a name.
fn check_role_name(name: String) -> Result<String, PolicyError> {
    if (1..=MAX_NAME).contains(&name.len()) && name.chars().all(is_name_character) {
        return Ok(name);
    }
    let hint = format!("hint: use 1 to {MAX_NAME} ASCII letters, digits and _+=,.@-");
    let message = format!("{} is not the name of a role; {hint}", excerpt(&name));
    Err(PolicyError::new("role name", message))
}

/// Checks the name of a project. With the rule for the names of ECR repositories, which is the
/// strictest, it is also the name of a role and the prefix of a secret.
fn check_project(project: String) -> Result<String, PolicyError> {
    const LONGEST: usize = 48;
    let fail = |fault: String| Err(PolicyError::new("project", format!("{project:?} {fault}")));
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    if project.len() > LONGEST || !project.split(['.', '_', '-']).all(is_word) {
        let rule = "lower case letters and digits, with single . _ - in between";
        return fail(format!("is not the name of a project; hint: use 1 to {LONGEST} {rule}"));
    }
    if project == COMMON {
        return fail("is the prefix that projects share; hint: choose another name".to_owned());
    }
    Ok(project)
}
