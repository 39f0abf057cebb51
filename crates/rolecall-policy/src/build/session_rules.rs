//! What a caller may add to the session that it creates: session tags and a source identity.

use super::Test;
use super::check::{literals, session_name};
use super::session_tags::AllowedSessionTags;
use crate::error::PolicyError;

#[derive(Clone, Debug, Default)]
pub(super) struct SessionRules {
    tags: Option<AllowedSessionTags>,
    source_identity: Option<SourceIdentity>,
}

#[derive(Clone, Debug)]
enum SourceIdentity {
    Any,
    /// One of these is required.
    OneOf(Vec<String>),
}

/// An action that a caller needs, and when it has it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) action: &'static str,
    pub(super) tests: Vec<Test>,
}

impl SessionRules {
    pub(super) fn set_tags(&mut self, tags: AllowedSessionTags) -> Result<(), PolicyError> {
        self.tags = Some(tags.checked()?);
        Ok(())
    }

    pub(super) fn set_any_source_identity(&mut self) {
        self.source_identity = Some(SourceIdentity::Any);
    }

    pub(super) fn set_source_identity<V: Into<String>>(
        &mut self,
        identities: impl IntoIterator<Item = V>,
    ) -> Result<(), PolicyError> {
        let what = "source identity";
        let identities = literals(what, identities)?;
        for identity in &identities {
            session_name(what, identity)?;
        }
        self.source_identity = Some(SourceIdentity::OneOf(identities));
        Ok(())
    }

    /// Returns the steps of assuming a role, for a caller that `caller` describes.
    ///
    /// Each action has a statement of its own, with the conditions that AWS documents for it. AWS
    /// does so too: an external id, for one, is tested where the role is assumed, but not where the
    /// session is tagged. `assume_only` holds such conditions.
    pub(super) fn steps(
        &self,
        assume: &'static str,
        caller: &[Test],
        assume_only: &[Test],
    ) -> Vec<Step> {
        let mut assuming = [caller, assume_only].concat();
        let mut further = Vec::new();
        if let Some(tags) = &self.tags {
            assuming.extend(tags.presence());
            let tests = [caller, &tags.tagging()].concat();
            further.push(Step { action: "sts:TagSession", tests });
        }
        if let Some(source_identity) = &self.source_identity {
            let mut tests = caller.to_vec();
            if let SourceIdentity::OneOf(identities) = source_identity {
                let named = Test::equals("sts:SourceIdentity", identities);
                assuming.push(named.clone());
                tests.push(named);
            }
            further.push(Step { action: "sts:SetSourceIdentity", tests });
        }
        let mut steps = vec![Step { action: assume, tests: assuming }];
        steps.extend(further);
        steps
    }
}

/// Writes the methods of a type that set its `rules`. The texts begin the pages of the methods.
macro_rules! session_rule_methods {
    ($tags:literal, $source_identity:literal, $any_source_identity:literal $(,)?) => {
        #[doc = $tags]
        ///
        /// # Errors
        ///
        /// Returns [`PolicyError`] if no tag is allowed.
        pub fn session_tags(mut self, tags: AllowedSessionTags) -> Result<Self, PolicyError> {
            self.rules.set_tags(tags)?;
            Ok(self)
        }

        #[doc = $source_identity]
        ///
        /// # Errors
        ///
        /// Returns [`PolicyError`] if there is none, or if one is not valid: 2 to 64 letters,
        /// digits and the characters `_+=,.@-`.
        pub fn source_identity<V: Into<String>>(
            mut self,
            identities: impl IntoIterator<Item = V>,
        ) -> Result<Self, PolicyError> {
            self.rules.set_source_identity(identities)?;
            Ok(self)
        }

        #[doc = $any_source_identity]
        pub fn any_source_identity(mut self) -> Self {
            self.rules.set_any_source_identity();
            self
        }
    };
}
pub(super) use session_rule_methods;
