//! The claims of a web identity token, as condition keys.
//!
//! # Sources
//!
//! - IAM User Guide, "IAM and AWS STS condition context keys": the tables of "Available keys for
//!   AWS OIDC federation", and `sts:RoleAuthorizedByIdp`, `sts:RoleSessionName`,
//!   `sts:SourceIdentity` and `sts:TransitiveTagKeys` of "Available keys for AWS STS".
//! - Service Authorization Reference, "Actions, resources, and condition keys for AWS Security
//!   Token Service", `AssumeRoleWithWebIdentity`: the forms of the issuers.
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

use crate::arn::is_account;
use crate::error::{PolicyError, excerpt};
use crate::oidc_provider::provider_arn;
pub use check::{CheckedAction, TokenCheck};
use claims::{SessionTags, list, session_tags, source_identity, strings};

/// A condition key, after `<issuer>:`, and the claim that it holds.
struct ClaimKey {
    key: &'static str,
    /// The first of these that the token has.
    claims: &'static [&'static str],
    /// Whether requests made with the session carry the key too.
    in_session: bool,
}

const fn key(key: &'static str, claims: &'static [&'static str], in_session: bool) -> ClaimKey {
    ClaimKey { key, claims, in_session }
}

/// The "Default" tab: all issuers except those with a table of their own. If the token has `azp`,
/// the key `aud` is `azp`, and only `oaud` is the audience.
const DEFAULT: &[ClaimKey] = &[
    key("amr", &["amr"], true),
    key("aud", &["azp", "aud"], true),
    key("email", &["email"], false),
    key("oaud", &["aud"], false),
    key("sub", &["sub"], true),
];

/// The "Amazon Cognito" tab, of identity pools. A user pool, whose issuer is
/// `https://cognito-idp.<region>.amazonaws.com/<id>`, is like any other issuer.
const COGNITO: &[ClaimKey] = &[
    key("amr", &["amr"], true),
    key("aud", &["aud"], true),
    key("oaud", &["aud"], false),
    key("sub", &["sub"], true),
];

const GITHUB: &[ClaimKey] = &[
    key("actor", &["actor"], false),
    key("actor_id", &["actor_id"], false),
    key("enterprise_id", &["enterprise_id"], false),
    key("environment", &["environment"], false),
    key("job_workflow_ref", &["job_workflow_ref"], false),
    key("ref", &["ref"], false),
    key("repository", &["repository"], false),
    key("repository_id", &["repository_id"], false),
    key("repository_owner_id", &["repository_owner_id"], false),
    key("workflow", &["workflow"], false),
];

/// Google's tokens have the object `google` with the member `organization_number`; AWS writes
/// `google:organization_number`. Both are read.
const GOOGLE: &[ClaimKey] =
    &[key("google/organization_number", &["google:organization_number"], false)];

const GITLAB: &[ClaimKey] = &[
    key("namespace_id", &["namespace_id"], false),
    key("pipeline_source", &["pipeline_source"], false),
    key("project_id", &["project_id"], false),
    key("ref_protected", &["ref_protected"], false),
    key("runner_environment", &["runner_environment"], false),
    key("user_access_level", &["user_access_level"], false),
    key("user_email", &["user_email"], false),
    key("user_id", &["user_id"], false),
    key("user_login", &["user_login"], false),
];

const BUILDKITE: &[ClaimKey] = &[
    key("build_branch", &["build_branch"], false),
    key("cluster_id", &["cluster_id"], false),
    key("cluster_name", &["cluster_name"], false),
    key("organization_id", &["organization_id"], false),
    key("organization_slug", &["organization_slug"], false),
    key("pipeline_id", &["pipeline_id"], false),
    key("pipeline_slug", &["pipeline_slug"], false),
];

const CIRCLECI: &[ClaimKey] =
    &[key("oidc.circleci.com/project-id", &["oidc.circleci.com/project-id"], false)];

const ORACLE: &[ClaimKey] = &[key("rpst_id", &["rpst_id"], false)];

/// The issuers, without `https://`, whose tokens have other keys than [`DEFAULT`]. `*` stands for
/// one or more characters other than `/`.
///
/// All others have no more than those: EKS clusters, HCP Terraform (`app.terraform.io`), Vercel,
/// Cognito user pools, GitLab instances other than gitlab.com. Login with Amazon and Facebook issue
/// OAuth 2.0 access tokens, which have no claims.
const ISSUERS: &[(&str, &[&[ClaimKey]])] = &[
    ("accounts.google.com", &[DEFAULT, GOOGLE]),
    ("agent.buildkite.com", &[DEFAULT, BUILDKITE]),
    ("agent.*.buildkite.dev", &[DEFAULT, BUILDKITE]),
    ("agent.*.buildkite.site", &[DEFAULT, BUILDKITE]),
    ("cognito-identity.amazonaws.com", &[COGNITO]),
    ("github.com/enterprises/*", &[DEFAULT, GITHUB]),
    ("gitlab.com", &[DEFAULT, GITLAB]),
    ("idcs-*.identity.oraclecloud.com", &[DEFAULT, ORACLE]),
    ("oidc.circleci.com/org/*", &[DEFAULT, CIRCLECI]),
    ("token.actions.githubusercontent.com", &[DEFAULT, GITHUB]),
    ("token.actions.githubusercontent.com/*", &[DEFAULT, GITHUB]),
    ("token.actions.*.ghe.com", &[DEFAULT, GITHUB]),
];

/// The issuers that every account trusts without a registration. `aws:FederatedProvider` is their
/// name, and of all others the ARN of the registered provider.
const BUILT_IN: &[&str] = &["accounts.google.com", "cognito-identity.amazonaws.com"];

fn keys_of(issuer: &str) -> impl Iterator<Item = &'static ClaimKey> {
    let known = ISSUERS.iter().find(|(pattern, _)| matches_issuer(pattern, issuer));
    known.map_or(&[DEFAULT][..], |(_, tables)| tables).iter().copied().flatten()
}

fn matches_issuer(pattern: &str, issuer: &str) -> bool {
    let Some((start, end)) = pattern.split_once('*') else {
        return pattern == issuer;
    };
    issuer
        .strip_prefix(start)
        .and_then(|rest| rest.strip_suffix(end))
        .is_some_and(|middle| !middle.is_empty() && !middle.contains('/'))
}

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
/// context keys" and "Pass session tags in AWS STS".)
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
    /// Reads the claims of a token: the JSON object that is the payload of the JWT.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`], with the name of the claim, if `iss` is missing or is not an issuer
    /// URL, or if a claim that becomes a key does not have the form that AWS documents.
    pub fn parse(claims: &Map<String, Value>) -> Result<Self, PolicyError> {
        let issuer = issuer(claims)?;
        let mut keys = Vec::new();
        for ClaimKey { key, claims: names, in_session } in keys_of(&issuer) {
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

    /// Returns the issuer without `https://`: what its condition keys begin with.
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
        let in_session = self.keys.iter().filter(|(_, _, in_session)| *in_session);
        keys.extend(in_session.map(|(key, values, _)| (key.clone(), values.clone())));
        keys.extend(
            self.tags.iter().map(|(key, value)| one(&format!("aws:PrincipalTag/{key}"), value)),
        );
        keys.extend(self.source_identity().map(|value| one("aws:SourceIdentity", value)));
        Ok(keys)
    }

    fn federated_provider(&self, role: &str) -> Result<String, PolicyError> {
        let fields: Vec<&str> = role.splitn(6, ':').collect();
        match fields.as_slice() {
            &["arn", partition, "iam", "", account, resource]
                if is_account(account) && resource.starts_with("role/") =>
            {
                if BUILT_IN.contains(&self.issuer.as_str()) {
                    return Ok(self.issuer.clone());
                }
                provider_arn(partition, account, &self.issuer)
            }
            _ => {
                let hint = "hint: pass arn:<partition>:iam::<account>:role/<name>";
                let fault = format!("{} is not the ARN of a role; {hint}", excerpt(role));
                Err(PolicyError::new("role", fault))
            }
        }
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
    match value.strip_prefix("https://") {
        Some(issuer) if !issuer.is_empty() => Ok(issuer.to_owned()),
        // Google issues tokens with either form.
        None if value == "accounts.google.com" => Ok(value.clone()),
        _ => {
            let hint = "hint: use an issuer whose URL begins with https://";
            fail(format!("{} is not an issuer URL; {hint}", excerpt(value)))
        }
    }
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
