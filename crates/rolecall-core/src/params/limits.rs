//! Limits of the STS parameters, from the service model and the AWS STS API Reference.

use std::ops::RangeInclusive;

use super::length_fault;

/// The limits of a text parameter: its length and its characters.
///
/// # Examples
///
/// ```
/// use rolecall_core::limits::SESSION_NAME;
/// assert_eq!(SESSION_NAME.fault("x").unwrap(), "it has 1 character");
/// assert_eq!(SESSION_NAME.fault("checkout"), None);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TextLimit {
    /// Name of the parameter, such as `session name`.
    pub field: &'static str,
    /// Allowed length, in characters.
    pub length: RangeInclusive<usize>,
    /// Allowed punctuation, in addition to ASCII letters, digits and `_`.
    pub punctuation: &'static str,
}

impl TextLimit {
    /// Returns the fault of a value, as a clause, or `None` if the value is valid.
    pub fn fault(&self, value: &str) -> Option<String> {
        let length = value.chars().count();
        if !self.length.contains(&length) {
            return Some(length_fault(length));
        }
        let is_allowed =
            |c: char| c.is_ascii_alphanumeric() || c == '_' || self.punctuation.contains(c);
        let wrong = value.chars().find(|c| !is_allowed(*c))?;
        Some(format!("the character {wrong:?} is not allowed"))
    }

    /// Returns the rule as a noun phrase, such as `2 to 64 characters of A-Z a-z 0-9 _ -`.
    pub fn rule(&self) -> String {
        let mut rule =
            format!("{} to {} characters of A-Z a-z 0-9 _", self.length.start(), self.length.end());
        for c in self.punctuation.chars() {
            rule.push(' ');
            rule.push(c);
        }
        rule
    }
}

/// Limits of `RoleSessionName`.
pub const SESSION_NAME: TextLimit =
    TextLimit { field: "session name", length: 2..=64, punctuation: "+=,.@-" };
/// Limits of `ExternalId`.
pub const EXTERNAL_ID: TextLimit =
    TextLimit { field: "external id", length: 2..=1224, punctuation: "+=,.@:/-" };
/// Limits of `SourceIdentity`.
pub const SOURCE_IDENTITY: TextLimit =
    TextLimit { field: "source identity", length: 2..=64, punctuation: "+=,.@-" };
/// Limits of `SerialNumber`, the serial number of an MFA device.
pub const MFA_SERIAL: TextLimit =
    TextLimit { field: "MFA serial number", length: 9..=256, punctuation: "+=/:,.@-" };
/// Length of `ProviderId`, the host name of an OAuth 2.0 provider, in characters.
pub const PROVIDER_ID: RangeInclusive<usize> = 4..=2048;
/// Length of `TokenCode`, in digits.
pub const MFA_CODE_DIGITS: usize = 6;
/// Maximum number of `Tags`, and of `TransitiveTagKeys`.
pub const MAX_TAGS: usize = 50;
/// Length of a `Key` of `Tags`, in characters.
pub const TAG_KEY_LENGTH: RangeInclusive<usize> = 1..=128;
/// Length of a `Value` of `Tags`, in characters.
pub const TAG_VALUE_LENGTH: RangeInclusive<usize> = 0..=256;
/// Punctuation allowed in tags, in addition to the letters, numbers and spaces of all languages.
pub const TAG_PUNCTUATION: &str = "_.:/=+-@";
/// Maximum number of `PolicyArns`.
pub const MAX_POLICY_ARNS: usize = 10;
/// Maximum length of `Policy` and `PolicyArns` together, in characters.
pub const MAX_POLICY_TEXT: usize = 2048;
/// Maximum number of `ProvidedContexts`.
pub const MAX_PROVIDED_CONTEXTS: usize = 5;
/// Length of `ContextAssertion`, in characters.
pub const CONTEXT_ASSERTION_LENGTH: RangeInclusive<usize> = 4..=2048;
/// Limits of the name of an IAM role or user in an ARN.
pub const IAM_NAME: TextLimit = TextLimit { field: "name", length: 1..=64, punctuation: "+=,.@-" };
/// Length of an ARN, in characters.
pub const ARN_LENGTH: RangeInclusive<usize> = 20..=2048;
/// Range of `DurationSeconds`.
pub const DURATION_SECONDS: RangeInclusive<u32> = 900..=MAX_DURATION_SECONDS;
/// Maximum of `DurationSeconds`: 12 hours.
pub const MAX_DURATION_SECONDS: u32 = 43_200;
/// Default of `DurationSeconds`, if the request does not contain it.
pub const DEFAULT_DURATION_SECONDS: u32 = 3600;
/// Maximum of `DurationSeconds` if the session of a role assumes another role.
pub const MAX_IN_ROLE_CHAIN_SECONDS: u32 = 3600;
/// Length of `WebIdentityToken`, in characters.
pub const WEB_IDENTITY_TOKEN_LENGTH: RangeInclusive<usize> = 4..=20_000;
