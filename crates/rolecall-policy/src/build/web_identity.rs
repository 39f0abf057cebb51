use super::Test;
use super::check::{fault, is_partition, literal, literals};
use super::partition::Placed;
use super::session_rules::{SessionRules, Step, session_rule_methods};
use super::session_tags::AllowedSessionTags;
use crate::arn::{Arn, is_account};
use crate::error::PolicyError;
use crate::issuers::is_built_in;
use crate::oidc_provider::is_path_character;
use crate::principal::Principal;

/// An identity of an OIDC provider that a trust policy trusts, by its subject and audience.
///
/// For Kubernetes service accounts and GitHub Actions, see
/// [`TrustedServiceAccount`](crate::TrustedServiceAccount) and
/// [`TrustedGitHubActions`](crate::TrustedGitHubActions), which know the form of the subject.
///
/// (IAM User Guide, "Create a role for OpenID Connect federation" and "Available keys for AWS OIDC
/// federation".)
///
/// # Examples
///
/// ```
/// use rolecall_policy::{TrustPolicy, TrustedWebIdentity};
/// let provider = "arn:aws:iam::111122223333:oidc-provider/gitlab.com";
/// let subject = "project_path:shop/checkout:ref_type:branch:ref:main";
/// let main = TrustedWebIdentity::new(provider, subject, "https://gitlab.com")?;
/// let policy = TrustPolicy::builder().web_identity(main).build()?;
/// assert_eq!(policy.to_json(), r#"{
///   "Version": "2012-10-17",
///   "Statement": [
///     {
///       "Effect": "Allow",
///       "Principal": {
///         "Federated": "arn:aws:iam::111122223333:oidc-provider/gitlab.com"
///       },
///       "Action": "sts:AssumeRoleWithWebIdentity",
///       "Condition": {
///         "StringEquals": {
///           "gitlab.com:sub": "project_path:shop/checkout:ref_type:branch:ref:main",
///           "gitlab.com:aud": "https://gitlab.com"
///         }
///       }
///     }
///   ]
/// }"#);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TrustedWebIdentity {
    provider: String,
    issuer: String,
    subject: Test,
    audience: String,
    claims: Vec<Test>,
    rules: SessionRules,
}

impl TrustedWebIdentity {
    /// Creates a trusted identity from the ARN of its OIDC provider, and the claims `sub` and `aud`
    /// of its tokens. [`OidcProvider::arn`](crate::OidcProvider::arn) returns the ARN. If the
    /// issuer ends in `/`, so does the ARN.
    ///
    /// The providers that are built in to AWS have a name instead of an ARN: `accounts.google.com`
    /// and, for Amazon Cognito identity pools, `cognito-identity.amazonaws.com`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `provider` is neither of them, or if `subject` or `audience` is
    /// empty or contains a wildcard or a policy variable.
    pub fn new(provider: &str, subject: &str, audience: &str) -> Result<Self, PolicyError> {
        literal("subject", subject)?;
        Self::with_subject(provider, "StringEquals", subject, audience)
    }

    /// Creates a trusted identity whose subject was checked.
    pub(super) fn with_subject(
        provider: &str,
        operator: &'static str,
        subject: &str,
        audience: &str,
    ) -> Result<Self, PolicyError> {
        let issuer = issuer(provider)?.to_owned();
        literal("audience", audience)?;
        Ok(Self {
            provider: provider.to_owned(),
            subject: Test::new(operator, format!("{issuer}:sub"), [subject]),
            audience: audience.to_owned(),
            claims: Vec::new(),
            rules: SessionRules::default(),
            issuer,
        })
    }

    pub(super) fn set_audience(&mut self, audience: &str) -> Result<(), PolicyError> {
        literal("audience", audience)?;
        audience.clone_into(&mut self.audience);
        Ok(())
    }

    /// Requires that a further claim has one of these values.
    ///
    /// STS makes only some claims of a provider available as condition keys; see "Available keys
    /// for AWS OIDC federation" in the IAM User Guide. A condition on any other is never met.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `name` is not the name of a claim, or is `sub`, `aud` or a claim
    /// that is already required, if there is no value, or if a value is empty or contains a
    /// wildcard or a policy variable.
    pub fn claim<V: Into<String>>(
        mut self,
        name: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Result<Self, PolicyError> {
        let what = "claim";
        literal(what, name)?;
        let known = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
        if !name.chars().all(known) {
            let hint = "hint: use letters, digits and the characters _-./";
            return Err(fault(what, format!("{name:?} is not the name of a claim; {hint}")));
        }
        let key = format!("{}:{name}", self.issuer);
        let taken = |test: &Test| test.key.eq_ignore_ascii_case(&key);
        let own = ["sub", "aud"].iter().any(|own| own.eq_ignore_ascii_case(name));
        if own || self.claims.iter().any(taken) {
            let hint = "hint: give all its values at once";
            return Err(fault(what, format!("{name:?} is already required; {hint}")));
        }
        // Of the claims that are keys, this one alone has several values.
        let several = name.eq_ignore_ascii_case("amr");
        let operator = if several { "ForAnyValue:StringEquals" } else { "StringEquals" };
        self.claims.push(Test::new(operator, key, literals("claim value", values)?));
        Ok(self)
    }

    session_rule_methods! {
        "Allows tokens with these session tags, and requires those that are required: \
         `sts:TagSession`. The tags are in the claim `https://aws.amazon.com/tags`.",
        "Requires a source identity, one of these: `sts:SetSourceIdentity`. It is in the claim \
         `https://aws.amazon.com/source_identity`.",
        "Allows tokens with any source identity, or none.",
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) fn placed(&self) -> Option<Placed> {
        Placed::arn(&self.provider)
    }

    pub(super) fn steps(self) -> (Principal, Vec<Step>) {
        let audience = Test::equals(format!("{}:aud", self.issuer), [self.audience]);
        let caller = [vec![self.subject, audience], self.claims].concat();
        let steps = self.rules.steps("sts:AssumeRoleWithWebIdentity", &caller, &[]);
        (Principal::Federated(self.provider), steps)
    }
}

/// Returns the issuer of an OIDC provider without its scheme, which its condition keys begin with.
fn issuer(provider: &str) -> Result<&str, PolicyError> {
    let what = "OIDC provider";
    literal(what, provider)?;
    if is_built_in(provider) {
        return Ok(provider);
    }
    let issuer = Arn::parse(provider).and_then(|arn| {
        let valid = is_partition(arn.partition)
            && arn.service == "iam"
            && arn.region.is_empty()
            && is_account(arn.account);
        let issuer = arn.resource.strip_prefix("oidc-provider/")?;
        let named = issuer.starts_with(|c: char| c.is_ascii_alphanumeric())
            && issuer.chars().all(is_path_character);
        (valid && named).then_some(issuer)
    });
    issuer.ok_or_else(|| {
        let hint = "hint: write arn:aws:iam::<account>:oidc-provider/<issuer without https://>";
        fault(what, format!("{provider:?} is not the ARN of an OIDC provider; {hint}"))
    })
}
