//! Which session tags and source identities a policy allows.

use clap::Args;
use rolecall::policy::{
    AllowedSessionTags, AssumeRoleAccess, PolicyError, TrustedPrincipal, TrustedWebIdentity,
};

/// Options about what a caller passes on to the session.
#[derive(Debug, Args)]
#[command(next_help_heading = "Session")]
pub(super) struct RulesArgs {
    /// Require a session tag with this value, or with any value; repeat for more values or tags
    #[arg(long, value_name = "KEY[=VALUE]")]
    required_tag: Vec<String>,
    /// Allow a session tag with this value, or with any value; repeat for more values or tags
    #[arg(long, value_name = "KEY[=VALUE]")]
    optional_tag: Vec<String>,
    /// Allow this tag to be transitive; repeat for more
    #[arg(long, value_name = "KEY")]
    transitive_tag: Vec<String>,
    /// Allow the tags of EKS Pod Identity, which the sessions of pods pass on to this role
    #[arg(long)]
    pod_identity_tags: bool,
    /// Require this source identity; repeat to accept others, too
    #[arg(long, value_name = "NAME", conflicts_with = "any_source_identity")]
    source_identity: Vec<String>,
    /// Allow any source identity, or none
    #[arg(long)]
    any_source_identity: bool,
}

/// A builder with the three methods.
pub(super) trait HasRules: Sized {
    fn tags(self, tags: AllowedSessionTags) -> Result<Self, PolicyError>;
    fn identities(self, names: &[String]) -> Result<Self, PolicyError>;
    fn any_identity(self) -> Self;
}

macro_rules! has_rules {
    ($($type:ty)*) => {$(
        impl HasRules for $type {
            fn tags(self, tags: AllowedSessionTags) -> Result<Self, PolicyError> {
                self.session_tags(tags)
            }

            fn identities(self, names: &[String]) -> Result<Self, PolicyError> {
                self.source_identity(names)
            }

            fn any_identity(self) -> Self {
                self.any_source_identity()
            }
        }
    )*};
}

has_rules! { AssumeRoleAccess TrustedPrincipal TrustedWebIdentity }

/// Replaces the hint of an error, which names a method of the library.
pub(super) fn with_hint(mut error: PolicyError, hint: &str) -> PolicyError {
    let fact = error.message.split("; hint: ").next().unwrap_or_default();
    error.message = format!("{fact}; hint: {hint}");
    error
}

/// The values of one tag. None means any.
type TagValues<'a> = Vec<(&'a str, Vec<&'a str>)>;

fn by_key(tags: &[String]) -> TagValues<'_> {
    let mut all: TagValues<'_> = Vec::new();
    for tag in tags {
        let (key, value) = match tag.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (tag.as_str(), None),
        };
        match all.iter_mut().find(|(other, _)| *other == key) {
            Some((_, values)) => values.extend(value),
            None => all.push((key, value.into_iter().collect())),
        }
    }
    all
}

impl RulesArgs {
    pub(super) fn apply<R: HasRules>(&self, mut builder: R) -> Result<R, PolicyError> {
        let [required, optional, transitive] =
            [&self.required_tag, &self.optional_tag, &self.transitive_tag];
        let is_empty = required.is_empty() && optional.is_empty() && transitive.is_empty();
        if !is_empty || self.pod_identity_tags {
            let mut tags = match self.pod_identity_tags {
                true => AllowedSessionTags::eks_pod_identity(),
                false => AllowedSessionTags::new(),
            };
            for (key, values) in by_key(required) {
                tags = match values.as_slice() {
                    [] => tags.required_with_any_value(key)?,
                    values => tags.required(key, values.iter().copied())?,
                };
            }
            for (key, values) in by_key(optional) {
                tags = match values.as_slice() {
                    [] => tags.optional_with_any_value(key)?,
                    values => tags.optional(key, values.iter().copied())?,
                };
            }
            if !transitive.is_empty() {
                let hint = "pass --required-tag or --optional-tag with its key";
                tags = tags.transitive(transitive).map_err(|error| with_hint(error, hint))?;
            }
            builder = builder.tags(tags)?;
        }
        if !self.source_identity.is_empty() {
            builder = builder.identities(&self.source_identity)?;
        }
        Ok(if self.any_source_identity { builder.any_identity() } else { builder })
    }
}
