use super::check::{account, prefixes, region};
use super::partition::Placed;
use super::permission::{Grant, Resource};
use crate::error::PolicyError;

/// Resources with a Region and an account in their ARNs, under prefixes, and what may be done to
/// them.
#[derive(Clone, Debug)]
pub(super) struct Regional {
    region: String,
    /// Every account, if none is set.
    account: Option<String>,
    prefixes: Vec<String>,
    actions: Vec<&'static str>,
}

impl Regional {
    pub(super) fn under<P: Into<String>>(
        region_name: &str,
        under: impl IntoIterator<Item = P>,
        known: impl Fn(char) -> bool,
    ) -> Result<Self, PolicyError> {
        let (region, prefixes) = (region(region_name)?, prefixes(under, known)?);
        Ok(Self { region, account: None, prefixes, actions: Vec::new() })
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
        let Self { region, account, prefixes, actions } = self;
        // The star would also stand for more fields, but no secret or repository has a name with a
        // colon.
        let account = account.unwrap_or_else(|| "*".into());
        let resource =
            |prefix| Resource::InPartition(format!("{service}:{region}:{account}:{kind}{prefix}*"));
        let resources = prefixes.into_iter().map(resource).collect();
        Grant { methods, ..Grant::allow(sid, actions).on(resources) }
    }
}
