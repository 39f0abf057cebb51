//! The reference arrangement as Terraform configuration.

use super::{
    Configuration, IamPolicy, IamRole, OpenIdConnectProvider, PolicyText, RolePolicyAttachment,
};
use crate::arrangement::ReferenceArrangement;
use crate::error::PolicyError;

impl ReferenceArrangement {
    /// Returns the provider, the roles, their policies and the attachments as Terraform
    /// configuration.
    ///
    /// The labels of the blocks do not depend on the names: `cluster`, `service_account`,
    /// `project`, `bucket`, `secrets`, `images` and `assume_role`. Where the policies have the ARN
    /// of the provider or of one of the roles, the file has a reference, such as
    /// `aws_iam_role.service_account.arn`: Terraform creates what is named before the policy that
    /// names it. The condition keys of the service account begin with the literal issuer.
    ///
    /// `docs/reference-arrangement.tf` in this crate is the file of its example
    /// `reference_arrangement`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if a client id of the provider has characters beyond U+00FF, which
    /// Terraform may change.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::{OidcProvider, ReferenceArrangement};
    /// let arrangement = ReferenceArrangement::builder("shop")
    ///     .account("111122223333")
    ///     .region("eu-west-1")
    ///     .bucket("shop-data")
    ///     .cluster(OidcProvider::eks("eu-west-1", "EXAMPLED539D4633E53DE1B716D3041E")?.build()?)
    ///     .service_account("shop", "checkout")
    ///     .external_id("shop-4711")
    ///     .build()?;
    /// let file = arrangement.terraform()?.to_string();
    /// assert!(file.contains("Federated = aws_iam_openid_connect_provider.cluster.arn\n"));
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn terraform(&self) -> Result<Configuration, PolicyError> {
        let mut configuration = Configuration::new();
        let provider = OpenIdConnectProvider::new("cluster", self.provider());
        let provider = configuration.add(provider)?;

        let trust = PolicyText::from(self.service_account_trust());
        let trust = trust.link_arn(self.provider_arn(), &provider);
        let role = IamRole::new("service_account", trust);
        let service_account =
            configuration.add(role.role_name(self.service_account_role_name()))?;

        let trust = PolicyText::from(self.project_trust());
        let trust = trust.link_arn(self.service_account_role(), &service_account);
        let role = IamRole::new("project", trust).role_name(self.project_role_name());
        let project = configuration.add(role)?;

        let assume_role = PolicyText::from(self.assume_role_permissions());
        let assume_role = assume_role.link_arn(self.project_role(), &project);
        for (label, policy, role) in [
            ("bucket", PolicyText::from(self.bucket_permissions()), &project),
            ("secrets", PolicyText::from(self.secret_permissions()), &project),
            ("images", PolicyText::from(self.image_permissions()), &project),
            ("assume_role", assume_role, &service_account),
        ] {
            let name = format!("{}-{}", self.project_role_name(), label.replace('_', "-"));
            let policy = configuration.add(IamPolicy::new(label, policy).policy_name(name))?;
            configuration.add(RolePolicyAttachment::new(label, role, &policy))?;
        }
        Ok(configuration)
    }
}
