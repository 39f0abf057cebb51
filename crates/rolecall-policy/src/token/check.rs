use std::fmt;

use serde::Serialize;

use super::WebIdentityClaims;
use crate::caller::Caller;
use crate::context::Context;
use crate::error::PolicyError;
use crate::evaluate::{Policies, evaluate};
use crate::explain::{Explanation, quoted};
use crate::oidc_provider::OidcProvider;
use crate::policy::TrustPolicy;
use crate::request::Request;

/// Whether a role's trust policy accepts a web identity token, and which condition fails.
///
/// Returned by [`WebIdentityClaims::check_trust`]. `Display` writes a line for each action.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{TrustPolicy, WebIdentityClaims};
/// use serde_json::json;
///
/// let provider = "arn:aws:iam::111122223333:oidc-provider/oidc.example.com";
/// let trust = TrustPolicy::parse(&json!({
///     "Version": "2012-10-17",
///     "Statement": {
///         "Effect": "Allow",
///         "Principal": {"Federated": provider},
///         "Action": "sts:AssumeRoleWithWebIdentity",
///         "Condition": {"StringEquals": {
///             "oidc.example.com:sub": "system:serviceaccount:shop:checkout"
///         }}
///     }
/// }).to_string())?;
/// let token = json!({
///     "iss": "https://oidc.example.com",
///     "aud": "sts.amazonaws.com",
///     "sub": "system:serviceaccount:shop:cart",
/// });
/// let claims = WebIdentityClaims::parse(token.as_object().unwrap())?;
/// let role = "arn:aws:iam::111122223333:role/checkout";
/// let check = claims.check_trust(&trust, role, "pod-1")?;
/// assert!(!check.is_allowed());
/// assert_eq!(
///     check.to_string(),
///     "implicitly denied: no trust policy allows sts:AssumeRoleWithWebIdentity on \
///      arn:aws:iam::111122223333:role/checkout; statement 1 does not match: StringEquals \
///      oidc.example.com:sub expects \"system:serviceaccount:shop:checkout\", the request has \
///      \"system:serviceaccount:shop:cart\"",
/// );
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TokenCheck {
    /// The explanation for each action that the trust policy must allow, in the order in which STS
    /// checks them: `sts:AssumeRoleWithWebIdentity`, then `sts:TagSession` if the token has session
    /// tags, and `sts:SetSourceIdentity` if it has a source identity.
    pub actions: Vec<CheckedAction>,
}

/// An action that a trust policy must allow, and whether it does.
///
/// # Examples
///
/// See [`TokenCheck`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckedAction {
    /// The action.
    pub action: String,
    /// Why it is allowed or denied.
    pub explanation: Explanation,
}

impl TokenCheck {
    /// Returns `true` if the trust policy allows every action that the token needs.
    pub fn is_allowed(&self) -> bool {
        self.failure().is_none()
    }

    /// Returns the first action that the trust policy does not allow.
    pub fn failure(&self) -> Option<&CheckedAction> {
        self.actions.iter().find(|checked| !checked.explanation.outcome.is_allowed())
    }
}

impl fmt::Display for TokenCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, checked) in self.actions.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}", checked.explanation)?;
        }
        Ok(())
    }
}

impl WebIdentityClaims {
    /// Returns the condition keys of an `AssumeRoleWithWebIdentity` request, as
    /// [`request_keys`](Self::request_keys) lists them, in a [`Context`].
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] as [`request_keys`](Self::request_keys) does.
    pub fn request_context(&self, role: &str, session_name: &str) -> Result<Context, PolicyError> {
        let keys = self.request_keys(role, session_name)?;
        Ok(keys
            .into_iter()
            .fold(Context::new(), |context, (key, values)| context.with_values(&key, values)))
    }

    /// Checks that STS accepts the token for a provider that is registered with IAM: that it has
    /// the issuer of the provider, and one of its client ids as the audience (the claim `azp`, or
    /// else `aud`).
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`], with the name of the claim, if it has not.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::{OidcProvider, WebIdentityClaims};
    /// let cluster = OidcProvider::eks("eu-west-1", "EXAMPLE")?.build()?;
    /// let claims = WebIdentityClaims::from_json(r#"{
    ///     "iss": "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE",
    ///     "aud": "https://kubernetes.default.svc"
    /// }"#)?;
    /// assert_eq!(
    ///     claims.check_provider(&cluster).unwrap_err().to_string(),
    ///     "aud: \"https://kubernetes.default.svc\" is not a client id of the provider; \
    ///      hint: request the token for \"sts.amazonaws.com\", or add the client id",
    /// );
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn check_provider(&self, provider: &OidcProvider) -> Result<(), PolicyError> {
        if self.issuer != provider.issuer() {
            let fault = format!("{:?} is not the issuer of the provider", self.issuer);
            let hint = format!("hint: register it, since the provider is {:?}", provider.issuer());
            return Err(PolicyError::new("iss", format!("{fault}; {hint}")));
        }
        let key = provider.condition_key("aud");
        let audiences = self.keys.iter().filter(|(name, _, _)| *name == key);
        let audiences: Vec<String> =
            audiences.flat_map(|(_, values, _)| values.iter().cloned()).collect();
        let ids = provider.client_ids();
        if audiences.iter().any(|audience| ids.contains(audience)) {
            return Ok(());
        }
        let fault = match audiences.as_slice() {
            [] => "the claim is missing".to_owned(),
            audiences => format!("{} is not a client id of the provider", quoted(audiences)),
        };
        let hint = format!("hint: request the token for {}, or add the client id", quoted(ids));
        Err(PolicyError::new("aud", format!("{fault}; {hint}")))
    }

    /// Checks whether `AssumeRoleWithWebIdentity` would succeed for the role with this ARN and
    /// trust policy.
    ///
    /// The token is taken as verified, and its issuer as registered in the role's account with the
    /// token's audience: see [`check_provider`](Self::check_provider).
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `role` is not the ARN of a role, or if the token has the claim
    /// `https://aws.amazon.com/roles` without that ARN.
    pub fn check_trust(
        &self,
        trust: &TrustPolicy,
        role: &str,
        session_name: &str,
    ) -> Result<TokenCheck, PolicyError> {
        let context = self.request_context(role, session_name)?;
        let caller = Caller::federated(self.federated_provider(role)?);
        // Tags and a source identity are permissions of their own: a trust policy that allows the
        // first action alone refuses every token that carries them.
        let tags = (!self.session_tags().is_empty()).then_some("sts:TagSession");
        let identity = self.source_identity().map(|_| "sts:SetSourceIdentity");
        let actions = [Some("sts:AssumeRoleWithWebIdentity"), tags, identity];
        let check = |action: &str| {
            let request = Request::new(caller.clone(), action, role).context(context.clone());
            let policies = Policies::new().trust(trust);
            let explanation = evaluate(&request, &policies).explain();
            CheckedAction { action: action.to_owned(), explanation }
        };
        Ok(TokenCheck { actions: actions.into_iter().flatten().map(check).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Outcome;
    use serde_json::json;

    const ROLE: &str = "arn:aws:iam::111122223333:role/checkout";

    fn check(
        actions: &[&str],
        conditions: serde_json::Value,
        extra: serde_json::Value,
    ) -> TokenCheck {
        let trust = TrustPolicy::parse(
            &json!({"Version": "2012-10-17", "Statement": {
                "Effect": "Allow",
                "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.example.com"},
                "Action": actions,
                "Condition": conditions,
            }})
            .to_string(),
        )
        .unwrap();
        let mut token = json!({
            "iss": "https://oidc.example.com", "aud": "sts.amazonaws.com", "sub": "checkout",
        });
        for (name, value) in extra.as_object().unwrap() {
            token[name] = value.clone();
        }
        let claims = WebIdentityClaims::parse(token.as_object().unwrap()).unwrap();
        claims.check_trust(&trust, ROLE, "pod-1").unwrap()
    }

    #[test]
    fn failing_condition_is_named() {
        let assume = ["sts:AssumeRoleWithWebIdentity"];
        let good = json!({"StringEquals": {"oidc.example.com:aud": "sts.amazonaws.com"}});
        assert!(check(&assume, good, json!({})).is_allowed());
        let bad = json!({"StringEquals": {"oidc.example.com:aud": "shop"}});
        let checked = check(&assume, bad, json!({}));
        let failure = checked.failure().unwrap();
        let mismatch = failure.explanation.statements[0].mismatch.as_ref().unwrap();
        assert_eq!(mismatch.key.as_deref(), Some("oidc.example.com:aud"));
        assert_eq!(mismatch.expected, ["shop"]);
        assert_eq!(mismatch.actual.as_deref(), Some(&["sts.amazonaws.com".to_owned()][..]));
    }

    #[test]
    fn tags_and_source_identity_need_their_actions() {
        let extra = json!({
            "https://aws.amazon.com/tags": {"principal_tags": {"Team": ["payments"]}},
            "https://aws.amazon.com/source_identity": "ann",
        });
        let assume = "sts:AssumeRoleWithWebIdentity";
        let checked = check(&[assume], json!({}), extra.clone());
        assert_eq!(checked.failure().unwrap().action, "sts:TagSession");
        let checked = check(&[assume, "sts:TagSession"], json!({}), extra.clone());
        assert_eq!(checked.failure().unwrap().action, "sts:SetSourceIdentity");
        let checked = check(&[assume, "sts:TagSession", "sts:SetSourceIdentity"], json!({}), extra);
        assert!(checked.is_allowed());
        assert_eq!(checked.to_string().lines().count(), 3);
    }

    #[test]
    fn provider_of_other_account_is_not_trusted() {
        let trust = TrustPolicy::parse(
            r#"{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
                "Principal": {"Federated": "arn:aws:iam::444455556666:oidc-provider/oidc.example.com"}}}"#,
        )
        .unwrap();
        let token = json!({"iss": "https://oidc.example.com", "sub": "checkout"});
        let claims = WebIdentityClaims::parse(token.as_object().unwrap()).unwrap();
        let checked = claims.check_trust(&trust, ROLE, "pod-1").unwrap();
        let explanation = &checked.failure().unwrap().explanation;
        assert_eq!(explanation.outcome, Outcome::ImplicitlyDenied);
        assert_eq!(explanation.statements[0].mismatch.as_ref().unwrap().element, "Principal");
    }
}
