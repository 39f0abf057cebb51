//! The registration of an OIDC provider with IAM.

#[cfg(feature = "thumbprint")]
mod certificate;
mod thumbprint;

use std::collections::BTreeMap;

use crate::arn::{check_account, check_partition, check_region, partition_of};
use crate::error::{PolicyError, excerpt};
use crate::tag::{MAX_TAGS, check_tag};

pub use thumbprint::Thumbprint;

const SCHEME: &str = "https://";
const MAX_URL: usize = 255;
const MAX_CLIENT_ID: usize = 255;
const MAX_CLIENT_IDS: usize = 100;
const MAX_THUMBPRINTS: usize = 5;
/// The audience of tokens that are issued for STS, by convention. (EKS User Guide,
/// "Create an IAM OIDC provider for your cluster"; GitHub documentation, "Configuring OpenID
/// Connect in Amazon Web Services".)
pub(crate) const STS_AUDIENCE: &str = "sts.amazonaws.com";

/// An OIDC provider as IAM registers it: the input of `CreateOpenIDConnectProvider`.
///
/// The rules are those of the IAM API Reference, "CreateOpenIDConnectProvider":
///
/// | part | rule |
/// |---|---|
/// | url | 1 to 255 characters; begins with `https://`; no port, no query; a path is allowed |
/// | client ids | 1 to 100 ids of 1 to 255 characters |
/// | thumbprints | 0 to 5; without any, IAM retrieves one |
/// | tags | at most 50; keys have 1 to 128 characters, values up to 256 |
///
/// The reference says of the port that the URL "should not contain" one. Here it is an error, and
/// so are a user name and a fragment, which are no part of an OpenID Connect issuer, and the
/// characters `*` and `$`, which a policy would read as a wildcard or a variable. The API accepts a
/// provider without client ids, but STS accepts no token of it: "An IAM OIDC identity provider must
/// have at least one and can have a maximum of 100 audiences." (IAM User Guide, "Create an OpenID
/// Connect (OIDC) identity provider in IAM".)
///
/// The URL is compared with the `iss` claim of tokens as it is, including its case and a trailing
/// `/`. Google, Facebook and Amazon Cognito identity pools are built in to AWS and need no
/// registration.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{OidcProvider, Thumbprint};
///
/// let provider = OidcProvider::builder("https://idp.example.com/shop")
///     .client_id("checkout")
///     .thumbprint(Thumbprint::parse("990F4193972F2BECF12DDEDA5237F9C952F20D9E")?)
///     .tag("Team", "payments")
///     .build()?;
/// assert_eq!(provider.issuer(), "idp.example.com/shop");
/// assert_eq!(provider.condition_key("sub"), "idp.example.com/shop:sub");
/// assert_eq!(
///     provider.arn("aws", "111122223333")?,
///     "arn:aws:iam::111122223333:oidc-provider/idp.example.com/shop",
/// );
///
/// let error = OidcProvider::builder("https://idp.example.com:8443").build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "url: \"https://idp.example.com:8443\" has a port; hint: serve the issuer on port 443 and \
///      remove the port",
/// );
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcProvider {
    url: String,
    client_ids: Vec<String>,
    thumbprints: Vec<Thumbprint>,
    tags: BTreeMap<String, String>,
}

impl OidcProvider {
    /// Creates a builder of the provider with this URL, the issuer of its tokens.
    pub fn builder(url: impl Into<String>) -> OidcProviderBuilder {
        OidcProviderBuilder {
            url: url.into(),
            default_client_id: None,
            client_ids: Vec::new(),
            thumbprints: Vec::new(),
            tags: BTreeMap::new(),
        }
    }

    /// Creates a builder of the provider of an EKS cluster, by its Region and the id at the end of
    /// its issuer URL. The client id defaults to `sts.amazonaws.com`.
    ///
    /// The URL is `https://oidc.eks.<region>.amazonaws.com/id/<id>`, in the Regions of China
    /// `https://oidc.eks.<region>.amazonaws.com.cn/id/<id>`. For a cluster with another issuer,
    /// such as `https://oidc-eks.<region>.api.aws/id/<id>`, use [`OidcProvider::builder`] with the
    /// URL that `aws eks describe-cluster` prints.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `region` is not a Region of the partitions `aws`, `aws-us-gov`
    /// and `aws-cn`, or if `cluster_id` is not a word of letters and digits.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::OidcProvider;
    /// let id = "EXAMPLED539D4633E53DE1B716D3041E";
    /// let provider = OidcProvider::eks("cn-north-1", id)?.build()?;
    /// let url = format!("https://oidc.eks.cn-north-1.amazonaws.com.cn/id/{id}");
    /// assert_eq!(provider.url(), url);
    /// assert_eq!(provider.client_ids(), ["sts.amazonaws.com"]);
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn eks(region: &str, cluster_id: &str) -> Result<OidcProviderBuilder, PolicyError> {
        let domain = eks_domain(region)?;
        if cluster_id.is_empty() || !cluster_id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            let value = excerpt(cluster_id);
            let hint = "hint: pass what follows /id/ in the issuer URL of the cluster";
            return Err(PolicyError::new(
                "cluster id",
                format!("{value} is not a word of letters and digits; {hint}"),
            ));
        }
        Ok(Self::for_sts(format!("{SCHEME}oidc.eks.{region}.{domain}/id/{cluster_id}")))
    }

    /// Creates a builder of the provider of GitHub Actions,
    /// `https://token.actions.githubusercontent.com`. The client id defaults to
    /// `sts.amazonaws.com`.
    ///
    /// All repositories on GitHub share this issuer: a trust policy for it must test `:sub`.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::OidcProvider;
    /// let provider = OidcProvider::github_actions().build()?;
    /// assert_eq!(provider.condition_key("sub"), "token.actions.githubusercontent.com:sub");
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn github_actions() -> OidcProviderBuilder {
        Self::for_sts("https://token.actions.githubusercontent.com".into())
    }

    fn for_sts(url: String) -> OidcProviderBuilder {
        OidcProviderBuilder { default_client_id: Some(STS_AUDIENCE), ..Self::builder(url) }
    }

    /// Returns the URL, which tokens name in their `iss` claim.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the URL without `https://`, with which the provider's condition keys and the
    /// resource of its ARN begin.
    pub fn issuer(&self) -> &str {
        self.url.strip_prefix(SCHEME).unwrap_or(&self.url)
    }

    /// Returns the ARN of the provider in an account: what a trust policy names as `Federated`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `partition` is not the name of a partition, such as `aws-cn`, or
    /// if `account` does not have 12 digits.
    pub fn arn(&self, partition: &str, account: &str) -> Result<String, PolicyError> {
        provider_arn(partition, account, self.issuer())
    }

    /// Returns the condition key of a claim, such as `sub` or `aud`.
    pub fn condition_key(&self, claim: &str) -> String {
        format!("{}:{claim}", self.issuer())
    }

    /// Returns the client ids, also known as audiences, in the order in which they were added.
    pub fn client_ids(&self) -> &[String] {
        &self.client_ids
    }

    /// Returns the thumbprints in the order in which they were added.
    pub fn thumbprints(&self) -> &[Thumbprint] {
        &self.thumbprints
    }

    /// Returns the tags, sorted by key.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// Builds an [`OidcProvider`].
///
/// # Examples
///
/// ```
/// use rolecall_policy::OidcProvider;
/// let error = OidcProvider::builder("https://idp.example.com").build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "client id: none was added; hint: call client_id with the audience of the tokens",
/// );
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct OidcProviderBuilder {
    url: String,
    /// The client id of a provider to which none is added.
    default_client_id: Option<&'static str>,
    client_ids: Vec<String>,
    thumbprints: Vec<Thumbprint>,
    tags: BTreeMap<String, String>,
}

impl OidcProviderBuilder {
    /// Adds a client id: an audience whose tokens STS accepts. An id that is already present is
    /// not added again.
    ///
    /// If the tokens have an `azp` claim, pass its value: STS uses it as the audience.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        let id = id.into();
        if !self.client_ids.contains(&id) {
            self.client_ids.push(id);
        }
        self
    }

    /// Adds a thumbprint. One that is already present is not added again.
    ///
    /// Add two if the hosts of the URL and of the provider's `jwks_uri` have different
    /// certificates.
    pub fn thumbprint(mut self, thumbprint: Thumbprint) -> Self {
        if !self.thumbprints.contains(&thumbprint) {
            self.thumbprints.push(thumbprint);
        }
        self
    }

    /// Adds a tag, or replaces the value of the tag with this key. Keys are case-sensitive.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    /// Builds the provider.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if the URL, a client id or a tag is not valid, or if there are none
    /// or too many of them; see [`OidcProvider`].
    pub fn build(self) -> Result<OidcProvider, PolicyError> {
        let Self { url, default_client_id, mut client_ids, thumbprints, tags } = self;
        if let Some(fault) = url_fault(&url) {
            return Err(PolicyError::new("url", format!("{} {fault}", excerpt(&url))));
        }
        if client_ids.is_empty() {
            let hint = "hint: call client_id with the audience of the tokens";
            let fault = || PolicyError::new("client id", format!("none was added; {hint}"));
            client_ids.push(default_client_id.ok_or_else(fault)?.to_owned());
        }
        for id in &client_ids {
            let length = id.chars().count();
            if !(1..=MAX_CLIENT_ID).contains(&length) {
                let hint = format!("hint: use 1 to {MAX_CLIENT_ID}");
                let fault = format!("{} has {length} characters; {hint}", excerpt(id));
                return Err(PolicyError::new("client id", fault));
            }
        }
        for (what, count, most) in [
            ("client id", client_ids.len(), MAX_CLIENT_IDS),
            ("thumbprint", thumbprints.len(), MAX_THUMBPRINTS),
            ("tag", tags.len(), MAX_TAGS),
        ] {
            if count > most {
                let fault = format!("{count} were added; hint: add at most {most}");
                return Err(PolicyError::new(what, fault));
            }
        }
        tags.iter().try_for_each(|(key, value)| check_tag("tag", key, value))?;
        Ok(OidcProvider { url, client_ids, thumbprints, tags })
    }
}

/// The ARN of the provider of an issuer, without its scheme, in an account.
pub(crate) fn provider_arn(
    partition: &str,
    account: &str,
    issuer: &str,
) -> Result<String, PolicyError> {
    check_partition(partition)?;
    check_account(account)?;
    Ok(format!("arn:{partition}:iam::{account}:oidc-provider/{issuer}"))
}

fn eks_domain(region: &str) -> Result<&'static str, PolicyError> {
    check_region(region)?;
    match partition_of(region) {
        "aws" | "aws-us-gov" => Ok("amazonaws.com"),
        "aws-cn" => Ok("amazonaws.com.cn"),
        // AWS does not document the issuers of the isolated and sovereign partitions.
        _ => {
            let hint =
                "hint: call builder with the issuer URL that aws eks describe-cluster prints";
            let message = format!("the issuer domain of {region:?} is not known; {hint}");
            Err(PolicyError::new("Region", message))
        }
    }
}

/// What keeps `url` from being the URL of a provider, and the remedy.
fn url_fault(url: &str) -> Option<String> {
    let Some(rest) = url.strip_prefix(SCHEME) else {
        return Some("does not begin with https://; hint: pass the issuer's https URL".into());
    };
    let length = url.chars().count();
    if length > MAX_URL {
        return Some(format!("has {length} characters; hint: use at most {MAX_URL}"));
    }
    for (mark, what) in [('?', "query"), ('#', "fragment")] {
        if rest.contains(mark) {
            return Some(format!("has a {what}; hint: remove {mark:?} and what follows it"));
        }
    }
    let (host, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    if host.contains('@') {
        return Some("has a user name; hint: remove what precedes the host".into());
    }
    if host.starts_with('[') {
        return Some("has an IP address; hint: use a host name".into());
    }
    if host.contains(':') {
        return Some(
            "has a port; hint: serve the issuer on port 443 and remove the port".to_owned(),
        );
    }
    if !is_host_name(host) {
        let hint = "hint: use letters, digits, hyphens and dots, and Punycode for other letters";
        return Some(format!("has the host {}, which is not a host name; {hint}", excerpt(host)));
    }
    path.chars()
        .find(|&c| !is_path_character(c))
        .map(|other| format!("contains {other:?} in its path; hint: remove it"))
}

/// Returns `true` for a character of the path of an issuer, from which its ARN and its condition
/// keys are made.
pub(crate) fn is_path_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/-._~%!&'()+,;=:@".contains(c)
}

fn is_host_name(host: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(known)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(is_label)
}

#[cfg(test)]
mod tests;
