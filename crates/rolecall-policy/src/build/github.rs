use super::check::{fault, literal};
use super::web_identity::TrustedWebIdentity;
use crate::error::PolicyError;
use crate::issuers::{is_github, keys_of};
use crate::oidc_provider::STS_AUDIENCE;

const ISSUER: &str = "token.actions.githubusercontent.com";

/// Workflows of GitHub Actions that a trust policy trusts, by their repository and by what they run
/// for: a branch, a tag, an environment or pull requests.
///
/// A repository is written `OWNER/REPOSITORY`, in the case in which GitHub shows it. A repository
/// with immutable subject claims, as those have that were created since July 2026, is written with
/// its ids: `OWNER@OWNER-ID/REPOSITORY@REPOSITORY-ID`. A job that references an environment has the
/// environment in its subject, and not the branch. A repository that customizes its subject claim
/// needs a [`TrustedWebIdentity`].
///
/// (GitHub Docs, "OpenID Connect reference"; IAM User Guide, "Configuring a role for GitHub OIDC
/// identity provider".)
///
/// # Examples
///
/// ```
/// use rolecall_policy::{TrustPolicy, TrustedGitHubActions};
/// let provider =
///     "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com";
/// let main = TrustedGitHubActions::branch(provider, "shop/checkout", "main")?;
/// let policy = TrustPolicy::builder().github_actions(main).build()?;
/// let issuer = "token.actions.githubusercontent.com";
/// assert_eq!(policy.to_json(), format!(r#"{{
///   "Version": "2012-10-17",
///   "Statement": [
///     {{
///       "Effect": "Allow",
///       "Principal": {{
///         "Federated": "arn:aws:iam::111122223333:oidc-provider/{issuer}"
///       }},
///       "Action": "sts:AssumeRoleWithWebIdentity",
///       "Condition": {{
///         "StringEquals": {{
///           "{issuer}:sub": "repo:shop/checkout:ref:refs/heads/main",
///           "{issuer}:aud": "sts.amazonaws.com"
///         }}
///       }}
///     }}
///   ]
/// }}"#));
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct TrustedGitHubActions(pub(super) TrustedWebIdentity);

impl TrustedGitHubActions {
    /// Trusts the workflows that run for a branch, outside environments and pull requests:
    /// `repo:OWNER/REPOSITORY:ref:refs/heads/BRANCH`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `provider` is not the ARN of GitHub's OIDC provider, if
    /// `repository` is not one of GitHub, or if `branch` is not the name of a branch.
    pub fn branch(provider: &str, repository: &str, branch: &str) -> Result<Self, PolicyError> {
        git_name("branch", branch)?;
        Self::exactly(provider, repository, &format!("ref:refs/heads/{branch}"))
    }

    /// Trusts the workflows that run for a tag, outside environments:
    /// `repo:OWNER/REPOSITORY:ref:refs/tags/TAG`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] as [`branch`](Self::branch) does.
    pub fn tag(provider: &str, repository: &str, tag: &str) -> Result<Self, PolicyError> {
        git_name("tag", tag)?;
        Self::exactly(provider, repository, &format!("ref:refs/tags/{tag}"))
    }

    /// Trusts the jobs that reference an environment: `repo:OWNER/REPOSITORY:environment:NAME`. The
    /// protection rules of the environment decide which branches may use it.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] as [`branch`](Self::branch) does, or if `environment` is empty,
    /// longer than 255 characters, or contains a wildcard or a policy variable.
    pub fn environment(
        provider: &str,
        repository: &str,
        environment: &str,
    ) -> Result<Self, PolicyError> {
        let what = "environment";
        literal(what, environment)?;
        if environment.chars().count() > 255 {
            let message = "has more than 255 characters; hint: pass the name of an environment";
            return Err(fault(what, format!("{environment:?} {message}")));
        }
        // A colon separates the parts of the subject.
        let environment = environment.replace(':', "%3A");
        Self::exactly(provider, repository, &format!("environment:{environment}"))
    }

    /// Trusts the workflows that run for pull requests, outside environments:
    /// `repo:OWNER/REPOSITORY:pull_request`. The author of a pull request from a branch of the
    /// repository decides what they do.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] as [`branch`](Self::branch) does.
    pub fn pull_request(provider: &str, repository: &str) -> Result<Self, PolicyError> {
        Self::exactly(provider, repository, "pull_request")
    }

    /// Trusts every workflow of a repository: for all branches, tags, environments and pull
    /// requests. The subject is compared with `repo:OWNER/REPOSITORY:*`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] as [`branch`](Self::branch) does.
    pub fn repository(provider: &str, repository: &str) -> Result<Self, PolicyError> {
        Self::with_subject(provider, repository, "StringLike", "*")
    }

    fn exactly(provider: &str, repository: &str, context: &str) -> Result<Self, PolicyError> {
        Self::with_subject(provider, repository, "StringEquals", context)
    }

    fn with_subject(
        provider: &str,
        repository: &str,
        operator: &'static str,
        context: &str,
    ) -> Result<Self, PolicyError> {
        check_repository(repository)?;
        let subject = format!("repo:{repository}:{context}");
        let identity =
            TrustedWebIdentity::with_subject(provider, operator, &subject, STS_AUDIENCE)?;
        if !is_github(identity.issuer()) {
            let hint = format!("hint: write arn:aws:iam::<account>:oidc-provider/{ISSUER}");
            let message =
                format!("{provider:?} is not the OIDC provider of GitHub Actions; {hint}");
            return Err(fault("OIDC provider", message));
        }
        Ok(Self(identity))
    }

    /// Sets the audience of the tokens. Defaults to `sts.amazonaws.com`; in the China Regions,
    /// workflows ask for `sts.amazonaws.com.cn`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `audience` is empty or contains a wildcard or a policy variable.
    pub fn audience(mut self, audience: &str) -> Result<Self, PolicyError> {
        self.0.set_audience(audience)?;
        Ok(self)
    }

    /// Requires that a further claim has one of these values: `actor`, `actor_id`, `enterprise_id`,
    /// `environment`, `job_workflow_ref`, `ref`, `repository`, `repository_id`,
    /// `repository_owner_id` or `workflow`. Of the tokens of GitHub Enterprise Server, STS makes
    /// none of these available. (IAM User Guide, "Available keys for AWS OIDC federation".)
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `name` is another claim, which STS does not make available, and
    /// as [`TrustedWebIdentity::claim`] does.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::{TrustPolicy, TrustedGitHubActions};
    /// let provider =
    ///     "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com";
    /// let release = "shop/workflows/.github/workflows/release.yml@refs/heads/main";
    /// let main = TrustedGitHubActions::environment(provider, "shop/checkout", "production")?
    ///     .claim("job_workflow_ref", [release])?
    ///     .claim("repository_id", ["456789"])?;
    /// let policy = TrustPolicy::builder().github_actions(main).build()?;
    /// assert!(policy.condition_keys().any(|key| key.ends_with(":repository_id")));
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn claim<V: Into<String>>(
        self,
        name: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Result<Self, PolicyError> {
        let issuer = self.0.issuer();
        let mut known =
            keys_of(issuer).map(|key| key.key).filter(|key| !["aud", "sub"].contains(key));
        if !known.any(|known| known == name) {
            let message = format!("{name:?} is not a claim of {issuer} that STS makes available");
            let hint = "hint: use one that the page of claim lists, or test it in the subject";
            return Err(fault("claim", format!("{message}; {hint}")));
        }
        self.0.claim(name, values).map(Self)
    }
}

fn check_repository(repository: &str) -> Result<(), PolicyError> {
    let what = "repository";
    literal(what, repository)?;
    let valid = repository.split_once('/').is_some_and(|(owner, name)| {
        let (owner, owner_id) = name_and_id(owner);
        let (name, name_id) = name_and_id(name);
        let owner_known = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let name_known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let id = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
        let ids = match (owner_id, name_id) {
            (None, None) => true,
            (Some(owner), Some(name)) => id(owner) && id(name),
            _ => false,
        };
        (1..=100).contains(&owner.len())
            && owner.chars().all(owner_known)
            && (1..=100).contains(&name.len())
            && name.chars().all(name_known)
            && !matches!(name, "." | "..")
            && ids
    });
    if valid {
        return Ok(());
    }
    let hint = "hint: write OWNER/REPOSITORY, or OWNER@ID/REPOSITORY@ID";
    Err(fault(what, format!("{repository:?} is not a repository of GitHub; {hint}")))
}

fn name_and_id(text: &str) -> (&str, Option<&str>) {
    match text.split_once('@') {
        Some((name, id)) => (name, Some(id)),
        None => (text, None),
    }
}

/// (Git, "git-check-ref-format".)
fn git_name(what: &str, name: &str) -> Result<(), PolicyError> {
    literal(what, name)?;
    let refused = |c: char| c.is_whitespace() || "~^:[\\".contains(c);
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
    let valid = name.len() <= 255
        && !name.contains(refused)
        && !name.contains("..")
        && !name.contains("@{")
        && !name.ends_with('.')
        && name.split('/').all(part);
    if valid {
        return Ok(());
    }
    let hint = "hint: pass its name as git shows it, without refs/heads/ or refs/tags/";
    Err(fault(what, format!("{name:?} is not the name of a {what}; {hint}")))
}
