//! The issuers of web identity tokens that AWS knows, and the claims of their tokens that STS turns
//! into condition keys.
//!
//! # Sources
//!
//! - IAM User Guide, "IAM and AWS STS condition context keys": the tables of "Available keys for
//!   AWS OIDC federation".
//! - Service Authorization Reference, "Actions, resources, and condition keys for AWS Security
//!   Token Service", `AssumeRoleWithWebIdentity`: the forms of the issuers.

/// A condition key, after `<issuer>:`, and the claim that it holds.
pub(crate) struct ClaimKey {
    pub(crate) key: &'static str,
    /// The first of these that the token has.
    pub(crate) claims: &'static [&'static str],
    /// Whether requests made with the session carry the key too.
    pub(crate) in_session: bool,
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

/// Returns `true` for an issuer that every account trusts without a registration.
pub(crate) fn is_built_in(issuer: &str) -> bool {
    BUILT_IN.contains(&issuer)
}

/// Returns `true` for an issuer of GitHub Actions: GitHub.com, also with an enterprise's own
/// issuer; GitHub Enterprise Cloud with data residency; GitHub Enterprise Server, of whose tokens
/// STS makes no further claims available.
pub(crate) fn is_github(issuer: &str) -> bool {
    let is_server = || issuer.split_once('/').is_some_and(|(_, path)| path == "_services/token");
    keys_of(issuer).any(|key| key.key == "repository") || is_server()
}

/// Returns the condition keys of the tokens of an issuer.
pub(crate) fn keys_of(issuer: &str) -> impl Iterator<Item = &'static ClaimKey> + use<> {
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
