//! The parameters of a role that most roles do not set.

use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};
use std::sync::LazyLock;

use rolecall_core::{
    MfaSerial, PolicyArn, ProvidedContext, SessionPolicy, SessionTags, SourceIdentity,
};

/// Parameters in an allocation of their own, which a role without them does not have: a pool holds
/// a role for each tenant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extras(Option<Box<RareFields>>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct RareFields {
    pub(crate) tags: SessionTags,
    pub(crate) source_identity: Option<SourceIdentity>,
    pub(crate) policy: Option<SessionPolicy>,
    /// Sorted, so that equality does not depend on the order in which they were set.
    pub(crate) policy_arns: Vec<PolicyArn>,
    pub(crate) mfa_serial: Option<MfaSerial>,
    pub(crate) provided_contexts: Vec<ProvidedContext>,
}

impl Extras {
    pub(crate) fn into_fields(self) -> RareFields {
        self.0.map_or_else(RareFields::default, |fields| *fields)
    }
}

impl Deref for Extras {
    type Target = RareFields;

    fn deref(&self) -> &RareFields {
        static NONE: LazyLock<RareFields> = LazyLock::new(RareFields::default);
        self.0.as_deref().unwrap_or_else(|| &NONE)
    }
}

impl DerefMut for Extras {
    fn deref_mut(&mut self) -> &mut RareFields {
        self.0.get_or_insert_default()
    }
}

// Compared by their fields: a parameter that was set and removed again leaves an allocation.

impl PartialEq for Extras {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Extras {}

impl Hash for Extras {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    #[test]
    fn extras_without_values_equal_absent_ones() {
        let (none, mut emptied) = (Extras::default(), Extras::default());
        emptied.mfa_serial = None;
        assert!(none.0.is_none() && emptied.0.is_some());
        assert_eq!(none, emptied);
        let hasher = RandomState::new();
        assert_eq!(hasher.hash_one(&none), hasher.hash_one(&emptied));
        emptied.tags = SessionTags::new().tag("team", "orders").unwrap();
        assert_ne!(none, emptied);
    }
}
