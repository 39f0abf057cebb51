//! `aws_iam_openid_connect_provider`.

use super::arguments;
use super::block::{BlockWriter, Sealed};
use crate::error::PolicyError;
use crate::oidc_provider::{OidcProvider, Thumbprint};

/// An OpenID Connect provider: `aws_iam_openid_connect_provider`.
///
/// # Examples
///
/// ```
/// use rolecall_policy::OidcProvider;
/// use rolecall_policy::terraform::{Configuration, OpenIdConnectProvider};
///
/// let github = OidcProvider::github_actions().tag("team", "checkout").build()?;
/// let mut configuration = Configuration::new();
/// configuration.add(OpenIdConnectProvider::new("github", &github))?;
/// assert_eq!(configuration.to_string(), r#"resource "aws_iam_openid_connect_provider" "github" {
///   url            = "https://token.actions.githubusercontent.com"
///   client_id_list = ["sts.amazonaws.com"]
///
///   tags = {
///     team = "checkout"
///   }
/// }
/// "#);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct OpenIdConnectProvider {
    label: String,
    provider: OidcProvider,
}

impl OpenIdConnectProvider {
    /// Creates a block for a provider.
    pub fn new(label: impl Into<String>, provider: &OidcProvider) -> Self {
        Self { label: label.into(), provider: provider.clone() }
    }
}

impl Sealed for OpenIdConnectProvider {
    const TYPE: &'static str = "aws_iam_openid_connect_provider";

    fn label(&self) -> &str {
        &self.label
    }

    fn write(&self, block: &mut BlockWriter<'_>) -> Result<(), PolicyError> {
        let provider = &self.provider;
        block.set("url", provider.url());
        for id in provider.client_ids() {
            arguments::check_unchanged(id)
                .map_err(|message| PolicyError::new("client_id_list", message))?;
        }
        block.set("client_id_list", provider.client_ids());
        let thumbprints: Vec<&str> =
            provider.thumbprints().iter().map(Thumbprint::as_str).collect();
        if !thumbprints.is_empty() {
            block.set("thumbprint_list", thumbprints);
        }
        block.set_tags(provider.tags());
        Ok(())
    }
}
