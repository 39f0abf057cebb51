use std::fmt;

use super::{InvalidParameter, REDACTED, length_fault, limits};

/// A context assertion of a trusted provider, such as IAM Identity Center for identity-enhanced
/// sessions.
///
/// The ARN of the provider has 20 to 2048 characters, the signed assertion 4 to 2048. The assertion
/// is a secret: neither `Debug` nor an error contains it.
///
/// # Examples
///
/// ```
/// use rolecall_core::ProvidedContext;
///
/// let provider = "arn:aws:iam::aws:contextProvider/IdentityCenter";
/// let context = ProvidedContext::new(provider, "the assertion")?;
/// assert!(!format!("{context:?}").contains("assertion"));
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
// No serde traits, unlike the other parameters: the assertion is a secret that is valid for a short
// time and does not belong in a configuration file.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ProvidedContext {
    provider: String,
    assertion: String,
}

impl ProvidedContext {
    /// Creates a context from the provider's ARN and its assertion.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the provider is not an ARN, or if one of the values has a
    /// wrong length.
    pub fn new(
        provider: impl Into<String>,
        assertion: impl Into<String>,
    ) -> Result<Self, InvalidParameter> {
        let (provider, assertion) = (provider.into(), assertion.into());
        let length = provider.chars().count();
        if !limits::ARN_LENGTH.contains(&length) || provider.splitn(6, ':').count() != 6 {
            let rule = "an ARN of 20 to 2048 characters, such as \
                        arn:aws:iam::aws:contextProvider/IdentityCenter";
            let fault = "it is not an ARN";
            return Err(InvalidParameter::new("context provider", &provider, fault, rule));
        }
        let length = assertion.chars().count();
        if !limits::CONTEXT_ASSERTION_LENGTH.contains(&length) {
            let (field, rule) = ("context assertion", "4 to 2048 characters");
            return Err(InvalidParameter::new(field, REDACTED, length_fault(length), rule));
        }
        Ok(Self { provider, assertion })
    }

    /// Returns the ARN of the provider.
    pub fn provider_arn(&self) -> &str {
        &self.provider
    }

    /// Returns the assertion, which is a secret, for the request to STS.
    pub fn expose_assertion(&self) -> &str {
        &self.assertion
    }
}

impl fmt::Debug for ProvidedContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProvidedContext").field("provider", &self.provider).finish_non_exhaustive()
    }
}
