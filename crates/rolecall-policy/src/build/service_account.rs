use super::check::{namespace, service_account};
use super::web_identity::TrustedWebIdentity;
use crate::error::PolicyError;
use crate::oidc_provider::STS_AUDIENCE;

/// A Kubernetes service account whose tokens a trust policy trusts, in a cluster whose OIDC
/// provider is registered in IAM.
///
/// The policy checks the cluster, the namespace, the name and the audience. For EKS Pod Identity,
/// which needs no OIDC provider, see [`TrustedPodIdentity`](crate::TrustedPodIdentity).
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
/// let eks = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE";
/// assert_eq!(policy.to_json(), format!(r#"{{
///   "Version": "2012-10-17",
///   "Statement": [
///     {{
///       "Effect": "Allow",
///       "Principal": {{
///         "Federated": "arn:aws:iam::111122223333:oidc-provider/{eks}"
///       }},
///       "Action": "sts:AssumeRoleWithWebIdentity",
///       "Condition": {{
///         "StringEquals": {{
///           "{eks}:sub": "system:serviceaccount:shop:checkout",
///           "{eks}:aud": "sts.amazonaws.com"
///         }}
///       }}
///     }}
///   ]
/// }}"#));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TrustedServiceAccount(pub(super) TrustedWebIdentity);

impl TrustedServiceAccount {
    /// Creates a trusted service account from the ARN of the cluster's OIDC provider, the
    /// namespace, and the name of the service account. The audience defaults to
    /// `sts.amazonaws.com`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `provider` is not the ARN of an OIDC provider, or if `namespace`
    /// or `name` is not a Kubernetes name.
    pub fn new(provider: &str, in_namespace: &str, name: &str) -> Result<Self, PolicyError> {
        namespace(in_namespace)?;
        service_account(name)?;
        let subject = format!("system:serviceaccount:{in_namespace}:{name}");
        TrustedWebIdentity::new(provider, &subject, STS_AUDIENCE).map(Self)
    }

    /// Sets the audience of the tokens. Defaults to `sts.amazonaws.com`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `audience` is empty or contains a wildcard or a policy variable.
    pub fn audience(mut self, audience: &str) -> Result<Self, PolicyError> {
        self.0.set_audience(audience)?;
        Ok(self)
    }
}
