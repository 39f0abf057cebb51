use std::fmt;

use super::{InvalidParameter, limits};

/// Context that a trusted provider vouches for, as IAM Identity Center does for identity-enhanced sessions.
///
/// The provider's ARN has 20 to 2048 characters, its signed assertion 4 to 2048. `Debug` does not show the assertion.
///
/// ```
/// use rolecall_core::ProvidedContext;
/// let context = ProvidedContext::new("arn:aws:iam::aws:contextProvider/IdentityCenter", "the assertion").unwrap();
/// assert!(!format!("{context:?}").contains("assertion"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ProvidedContext {
    provider: String,
    assertion: String,
}

impl ProvidedContext {
    /// From the provider's ARN and what it signed.
    pub fn new(
        provider: impl Into<String>,
        assertion: impl Into<String>,
    ) -> Result<Self, InvalidParameter> {
        let (provider, assertion) = (provider.into(), assertion.into());
        let length = provider.chars().count();
        if !limits::ARN_LENGTH.contains(&length) || provider.splitn(6, ':').count() != 6 {
            let rule = "a context provider's ARN has 20 to 2048 characters, as \
                        arn:aws:iam::aws:contextProvider/IdentityCenter";
            return Err(InvalidParameter::new("context provider", &provider, "it is no ARN", rule));
        }
        let length = assertion.chars().count();
        if !limits::CONTEXT_ASSERTION_LENGTH.contains(&length) {
            let rule = "a context assertion has 4 to 2048 characters";
            let fault = super::it_has(length);
            return Err(InvalidParameter::new("context assertion", "(not shown)", fault, rule));
        }
        Ok(Self { provider, assertion })
    }

    /// The provider's ARN.
    pub fn provider_arn(&self) -> &str {
        &self.provider
    }

    /// What the provider signed, for the call to STS.
    pub fn expose_assertion(&self) -> &str {
        &self.assertion
    }
}

impl fmt::Debug for ProvidedContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProvidedContext").field("provider", &self.provider).finish_non_exhaustive()
    }
}
