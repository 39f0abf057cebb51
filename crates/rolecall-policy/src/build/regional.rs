use super::check::{account, names, prefixes, region};
use super::partition::Placed;
use super::permission::{Grant, Resource};
use crate::error::PolicyError;

/// Resources with a Region and an account in their ARNs, and what may be done to them.
#[derive(Clone, Debug)]
pub(super) struct Regional {
    region: String,
    /// Every account, if none is set.
    account: Option<String>,
    /// What the names match.
    patterns: Vec<String>,
    actions: Vec<&'static str>,
}

impl Regional {
    pub(super) fn under<P: Into<String>>(
        region_name: &str,
        under: impl IntoIterator<Item = P>,
        known: impl Fn(char) -> bool,
    ) -> Result<Self, PolicyError> {
        let prefixes = prefixes(under, known)?;
        Self::matching(region_name, prefixes.into_iter().map(|prefix| format!("{prefix}*")))
    }

    /// `suffix` is what follows a name in the ARN.
    pub(super) fn named<N: Into<String>>(
        region_name: &str,
        given: impl IntoIterator<Item = N>,
        known: impl Fn(char) -> bool,
        suffix: &str,
    ) -> Result<Self, PolicyError> {
        let names = names(given, known)?;
        Self::matching(region_name, names.into_iter().map(|name| name + suffix))
    }

    fn matching(
        region_name: &str,
        patterns: impl Iterator<Item = String>,
    ) -> Result<Self, PolicyError> {
        let (region, patterns) = (region(region_name)?, patterns.collect());
        Ok(Self { region, account: None, patterns, actions: Vec::new() })
    }

    pub(super) fn in_account(mut self, id: &str) -> Result<Self, PolicyError> {
        self.account = Some(account(id)?);
        Ok(self)
    }

    pub(super) fn may(mut self, actions: &[&'static str]) -> Self {
        for action in actions {
            if !self.actions.contains(action) {
                self.actions.push(action);
            }
        }
        self
    }

    pub(super) fn placed(&self) -> Placed {
        Placed::region(&self.region)
    }

    /// `kind` is what stands before a resource's name.
    pub(super) fn grant(
        self,
        sid: &'static str,
        service: &str,
        kind: &str,
        methods: &'static str,
    ) -> Grant {
        let Self { region, account, patterns, actions } = self;
        // The star would also stand for more fields, but no secret or repository has a name with a
        // colon.
        let account = account.unwrap_or_else(|| "*".into());
        let resource = |pattern| {
            Resource::InPartition(format!("{service}:{region}:{account}:{kind}{pattern}"))
        };
        let resources = patterns.into_iter().map(resource).collect();
        Grant { methods, ..Grant::allow(sid, actions).on(resources) }
    }
}
