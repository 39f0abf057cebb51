//! The claims of a web identity token, as condition keys.
//!
//! # Sources
//!
//! - IAM User Guide, "IAM and AWS STS condition context keys": `sts:RoleAuthorizedByIdp`,
//!   `sts:RoleSessionName`, `sts:SourceIdentity` and `sts:TransitiveTagKeys` of "Available keys for
//!   AWS STS".
//! - IAM User Guide, "AWS global condition context keys": `aws:FederatedProvider`.
//! - IAM User Guide, "Pass session tags in AWS STS": the claims of the tags.
//! - IAM User Guide, "Monitor and control actions taken with assumed roles": the claim of the
//!   source identity.
//!
//! The guide says of `sts:DurationSeconds` that "the key is not applicable for AWS STS assume-role
//! operations", so the duration is not a key of these requests.

mod check;
mod claims;

use serde_json::{Map, Value};

use crate::arn::Arn;
use crate::condition::decode_base64 as decode;
use crate::error::{PolicyError, excerpt};
use crate::issuers::{ClaimKey, is_built_in, keys_of};
use crate::oidc_provider::provider_arn;
use crate::principal::Principal;
pub use check::{CheckedAction, TokenCheck};
use claims::{SessionTags, list, session_tags, source_identity, strings};

/// The claims of a web identity token that `AssumeRoleWithWebIdentity` turns into condition keys.
///
/// All other claims are ignored, as STS ignores them. The token is taken as verified: its
/// signature, times and audience are not checked here.
///
/// | key | claim | issuers |
/// |---|---|---|
/// | `<issuer>:aud` | `azp`, or else `aud` | all; for Cognito identity pools always `aud` |
/// | `<issuer>:oaud` | `aud` | all |
/// | `<issuer>:sub`, `:amr` | the same | all |
/// | `<issuer>:email` | `email` | all but Cognito identity pools |
/// | `<issuer>:repository` and others | the same | GitHub, GitLab.com, Buildkite and others |
/// | `aws:RequestTag/<key>`, `aws:TagKeys` | `https://aws.amazon.com/tags` | all |
/// | `sts:TransitiveTagKeys` | `https://aws.amazon.com/tags` | all |
/// | `sts:SourceIdentity` | `https://aws.amazon.com/source_identity` | all |
/// | `sts:RoleAuthorizedByIdp` | `https://aws.amazon.com/roles` | all |
///
/// `<issuer>` is the claim `iss` without `https://`. (IAM User Guide, "IAM and AWS STS condition
/// context keys" and "Pass session tags in AWS STS".) IAM registers no other issuers. An issuer
/// with `http://` is read nevertheless if its host is `127.0.0.1`, `[::1]` or `localhost`: a local
/// AWS knows such issuers.
///
/// # Examples
///
/// ```
/// use rolecall_policy::WebIdentityClaims;
/// use serde_json::json;
///
/// let issuer = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE";
/// let token = json!({
///     "iss": format!("https://{issuer}"),
///     "aud": ["sts.amazonaws.com"],
///     "sub": "system:serviceaccount:shop:checkout",
///     "https://aws.amazon.com/tags": {"principal_tags": {"Team": ["payments"]}},
/// });
/// let claims = WebIdentityClaims::parse(token.as_object().unwrap())?;
/// let keys = claims.request_keys("arn:aws:iam::111122223333:role/checkout", "pod-1")?;
/// let key = |name: String, value: &str| (name, vec![value.to_owned()]);
/// assert!(keys.contains(&key(format!("{issuer}:aud"), "sts.amazonaws.com")));
/// assert!(keys.contains(&key("aws:RequestTag/Team".into(), "payments")));
///
/// let error = WebIdentityClaims::parse(&Default::default()).unwrap_err();
/// assert_eq!(error.location, "iss");
/// assert_eq!(error.message, "the claim is missing; hint: pass the claims of an ID token");
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentityClaims {
    issuer: String,
    /// Keys with `<issuer>:`, their values, and whether the session has them.
    keys: Vec<(String, Vec<String>, bool)>,
    tags: Vec<(String, String)>,
    transitive_tag_keys: Vec<String>,
    source_identity: Option<String>,
    /// The roles that the issuer authorizes, if it says so.
    roles: Option<Vec<String>>,
}

impl WebIdentityClaims {
    /// Reads the claims of a token: the JSON object that is the payload of the JWT. See also
    /// [`from_json`](Self::from_json) and [`from_token`](Self::from_token).
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`], with the name of the claim, if `iss` is missing or is not an issuer
    /// URL, or if a claim that becomes a key does not have the form that AWS documents.
    pub fn parse(claims: &Map<String, Value>) -> Result<Self, PolicyError> {
        let issuer = issuer(claims)?;
        let mut keys = Vec::new();
        for ClaimKey { key, claims: names, in_session } in keys_of(&issuer) {
            // The first claim that the token has counts: for most issuers `azp`, if it is there, is
            // the audience and not `aud`.
            for name in *names {
                if let Some(values) = strings(name, lookup(claims, name))? {
                    keys.push((format!("{issuer}:{key}"), values, *in_session));
                    break;
                }
            }
        }
        let SessionTags { tags, transitive_keys: transitive_tag_keys } = session_tags(claims)?;
        let (source_identity, roles) = (source_identity(claims)?, roles(claims)?);
        Ok(Self { issuer, keys, tags, transitive_tag_keys, source_identity, roles })
    }

    /// Reads the claims of a token from the JSON text that is the payload of the JWT.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `json` is not a JSON object, and as [`parse`](Self::parse) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::WebIdentityClaims;
    /// let claims = WebIdentityClaims::from_json(r#"{
    ///     "iss": "https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE",
    ///     "sub": "system:serviceaccount:shop:checkout",
    ///     "aud": ["sts.amazonaws.com"]
    /// }"#)?;
    /// assert_eq!(claims.issuer(), "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE");
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn from_json(json: &str) -> Result<Self, PolicyError> {
        let fail = |fault: String| {
            let hint = "hint: pass the payload of a JWT, a JSON object";
            Err(PolicyError::new("claims", format!("{fault}; {hint}")))
        };
        match serde_json::from_str(json) {
            Ok(Value::Object(claims)) => Self::parse(&claims),
            Ok(_) => fail("expected an object".to_owned()),
            // The message has the position, and none of the text.
            Err(error) => fail(format!("not valid JSON: {error}")),
        }
    }

    /// Reads the claims of a token, such as the content of the file that
    /// `AWS_WEB_IDENTITY_TOKEN_FILE` names. The signature is not verified.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `token` is not a JWT, and as [`parse`](Self::parse) does. Errors
    /// do not contain the token.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::WebIdentityClaims;
    ///
    /// // {"iss":"https://shop.example","sub":"checkout"}
    /// let payload = "eyJpc3MiOiJodHRwczovL3Nob3AuZXhhbXBsZSIsInN1YiI6ImNoZWNrb3V0In0";
    /// let claims = WebIdentityClaims::from_token(&format!("e30.{payload}.c2ln"))?;
    /// assert_eq!(claims.issuer(), "shop.example");
    ///
    /// let error = WebIdentityClaims::from_token("shop").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "token: it is not a JWT; hint: pass its three parts, separated by dots",
    /// );
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn from_token(token: &str) -> Result<Self, PolicyError> {
        let parts: Vec<&str> = token.trim().split('.').collect();
        let payload = match parts.as_slice() {
            // A JWT is in the URL-safe alphabet. Its signature is not verified: the claims tell
            // what STS would decide about a genuine token, and grant nothing.
            [_, payload, _] => decode(&payload.replace('-', "+").replace('_', "/")),
            _ => None,
        };
        let Some(json) = payload.and_then(|bytes| String::from_utf8(bytes).ok()) else {
            let hint = "hint: pass its three parts, separated by dots";
            return Err(PolicyError::new("token", format!("it is not a JWT; {hint}")));
        };
        Self::from_json(&json)
    }

    /// Returns the issuer without its scheme: what its condition keys begin with.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the session tags, sorted by key. If there are any, the trust policy must allow
    /// `sts:TagSession`.
    pub fn session_tags(&self) -> &[(String, String)] {
        &self.tags
    }

    /// Returns the keys of the transitive session tags.
    pub fn transitive_tag_keys(&self) -> &[String] {
        &self.transitive_tag_keys
    }

    /// Returns the source identity. If there is one, the trust policy must allow
    /// `sts:SetSourceIdentity`.
    pub fn source_identity(&self) -> Option<&str> {
        self.source_identity.as_deref()
    }

    /// Returns the condition keys, and the values of each, of an `AssumeRoleWithWebIdentity`
    /// request for the role with this ARN. The provider is registered in the role's account.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `role` is not the ARN of a role, or if the token has the claim
    /// `https://aws.amazon.com/roles` without that ARN: STS rejects such a token.
    pub fn request_keys(
        &self,
        role: &str,
        session_name: &str,
    ) -> Result<Vec<(String, Vec<String>)>, PolicyError> {
        let one = |key: &str, value: &str| (key.to_owned(), vec![value.to_owned()]);
        let mut keys = vec![
            one("aws:FederatedProvider", &self.federated_provider(role)?),
            one("sts:RoleSessionName", session_name),
            one("sts:RoleAuthorizedByIdp", self.is_authorized(role)?),
        ];
        keys.extend(self.keys.iter().map(|(key, values, _)| (key.clone(), values.clone())));
        if !self.tags.is_empty() {
            let tag_keys = self.tags.iter().map(|(key, _)| key.clone()).collect();
            keys.push(("aws:TagKeys".to_owned(), tag_keys));
        }
        keys.extend(
            self.tags.iter().map(|(key, value)| one(&format!("aws:RequestTag/{key}"), value)),
        );
        if !self.transitive_tag_keys.is_empty() {
            keys.push(("sts:TransitiveTagKeys".to_owned(), self.transitive_tag_keys.clone()));
        }
        keys.extend(self.source_identity().map(|value| one("sts:SourceIdentity", value)));
        Ok(keys)
    }

    /// Returns the condition keys that the token adds to requests made with the session.
    ///
    /// The tags are `aws:PrincipalTag/<key>` there, and replace tags of the role with these keys.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `role` is not the ARN of a role.
    pub fn session_keys(&self, role: &str) -> Result<Vec<(String, Vec<String>)>, PolicyError> {
        let one = |key: &str, value: &str| (key.to_owned(), vec![value.to_owned()]);
        let mut keys = vec![one("aws:FederatedProvider", &self.federated_provider(role)?)];
        // Some claims are keys of the request that starts the session alone. A policy of
        // permissions that tests one of these would never match.
        let in_session = self.keys.iter().filter(|(_, _, in_session)| *in_session);
        keys.extend(in_session.map(|(key, values, _)| (key.clone(), values.clone())));
        keys.extend(
            self.tags.iter().map(|(key, value)| one(&format!("aws:PrincipalTag/{key}"), value)),
        );
        keys.extend(self.source_identity().map(|value| one("aws:SourceIdentity", value)));
        Ok(keys)
    }

    fn federated_provider(&self, role: &str) -> Result<String, PolicyError> {
        let is_role = matches!(Principal::aws(role), Ok(Principal::Role(_)));
        let Some(arn) = Arn::parse(role).filter(|_| is_role) else {
            let hint = "hint: pass arn:<partition>:iam::<account>:role/<name>";
            let fault = format!("{} is not the ARN of a role; {hint}", excerpt(role));
            return Err(PolicyError::new("role", fault));
        };
        if is_built_in(&self.issuer) {
            return Ok(self.issuer.clone());
        }
        provider_arn(arn.partition, arn.account, &self.issuer)
    }

    /// `sts:RoleAuthorizedByIdp`, which every request has.
    fn is_authorized(&self, role: &str) -> Result<&'static str, PolicyError> {
        match &self.roles {
            None => Ok("false"),
            Some(roles) if roles.iter().any(|authorized| authorized == role) => Ok("true"),
            Some(_) => {
                let hint = "hint: add it to the claim, or assume one of its roles";
                let fault = format!("the claim does not authorize {}; {hint}", excerpt(role));
                Err(PolicyError::new(ROLES, fault))
            }
        }
    }
}

const ROLES: &str = "https://aws.amazon.com/roles";

fn issuer(claims: &Map<String, Value>) -> Result<String, PolicyError> {
    let fail = |fault: String| Err(PolicyError::new("iss", fault));
    let value = match claims.get("iss") {
        None => return fail("the claim is missing; hint: pass the claims of an ID token".into()),
        Some(Value::String(value)) => value,
        Some(_) => return fail("expected a string; hint: pass the claims of an ID token".into()),
    };
    let local = || value.strip_prefix("http://").filter(|rest| is_loopback(rest));
    match value.strip_prefix("https://").or_else(local) {
        Some(issuer) if !issuer.is_empty() => Ok(issuer.to_owned()),
        // Google issues tokens with either form.
        None if value == "accounts.google.com" => Ok(value.clone()),
        _ => {
            let hint = "hint: use an issuer whose URL begins with https://";
            fail(format!("{} is not an issuer URL; {hint}", excerpt(value)))
        }
    }
}

/// Returns `true` if the host of a URL without its scheme is this machine.
fn is_loopback(rest: &str) -> bool {
    let authority = rest.split('/').next().unwrap_or_default();
    ["127.0.0.1", "[::1]", "localhost"].iter().any(|host| match authority.strip_prefix(host) {
        Some("") => true,
        Some(after) => after
            .strip_prefix(':')
            .is_some_and(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())),
        None => false,
    })
}

/// The claim `name`, or of `object:member` that member of the object.
fn lookup<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| {
        let (object, member) = name.split_once(':')?;
        claims.get(object)?.get(member)
    })
}

/// The roles are a list, or one string in which semicolons separate them.
fn roles(claims: &Map<String, Value>) -> Result<Option<Vec<String>>, PolicyError> {
    match claims.get(ROLES) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            Ok(Some(text.split(';').map(|role| role.trim().to_owned()).collect()))
        }
        Some(value) => list(ROLES, value).map(Some),
    }
}

#[cfg(test)]
mod tests;
