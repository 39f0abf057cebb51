//! STS's limits, from the service's own model and the AWS STS API reference. The one place that knows them.

use std::ops::RangeInclusive;

/// What a text parameter may be: how long, and of which characters.
///
/// ```
/// use rolecall_core::limits::SESSION_NAME;
/// assert_eq!(SESSION_NAME.fault("x").unwrap(), "it has 1 character");
/// assert_eq!(SESSION_NAME.fault("checkout"), None);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TextLimit {
    /// The parameter, as a person would call it.
    pub field: &'static str,
    /// In characters.
    pub length: RangeInclusive<usize>,
    /// The punctuation allowed beside ASCII letters, digits and `_`.
    pub punctuation: &'static str,
}

impl TextLimit {
    /// What is wrong with this value, if anything.
    pub fn fault(&self, value: &str) -> Option<String> {
        let length = value.chars().count();
        if !self.length.contains(&length) {
            let plural = if length == 1 { "" } else { "s" };
            return Some(format!("it has {length} character{plural}"));
        }
        let allowed =
            |c: char| c.is_ascii_alphanumeric() || c == '_' || self.punctuation.contains(c);
        let wrong = value.chars().find(|c| !allowed(*c))?;
        Some(format!("the character {wrong:?} is not allowed"))
    }

    /// The rule, as a sentence.
    pub fn rule(&self) -> String {
        let article = if self.field.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
        let mut characters = String::from("A-Z a-z 0-9 _");
        for c in self.punctuation.chars() {
            characters.push(' ');
            characters.push(c);
        }
        let (field, from, to) = (self.field, self.length.start(), self.length.end());
        format!("{article} {field} has {from} to {to} characters of {characters}")
    }
}

/// `RoleSessionName`.
pub const SESSION_NAME: TextLimit =
    TextLimit { field: "session name", length: 2..=64, punctuation: "+=,.@-" };
/// `ExternalId`.
pub const EXTERNAL_ID: TextLimit =
    TextLimit { field: "external id", length: 2..=1224, punctuation: "+=,.@:/-" };
/// `SourceIdentity`.
pub const SOURCE_IDENTITY: TextLimit =
    TextLimit { field: "source identity", length: 2..=64, punctuation: "+=,.@-" };
/// `SerialNumber`: of an MFA device.
pub const MFA_SERIAL: TextLimit =
    TextLimit { field: "MFA serial number", length: 9..=256, punctuation: "+=/:,.@-" };
/// `ProviderId`, of OAuth 2.0 providers that are no OIDC providers: a host name.
pub const PROVIDER_ID: RangeInclusive<usize> = 4..=2048;
/// `TokenCode`, in digits.
pub const MFA_CODE_DIGITS: usize = 6;
/// `Tags`, and `TransitiveTagKeys`: how many.
pub const MOST_TAGS: usize = 50;
/// `Key` of `Tags`, in characters.
pub const TAG_KEY_LENGTH: RangeInclusive<usize> = 1..=128;
/// `Value` of `Tags`, in characters.
pub const TAG_VALUE_LENGTH: RangeInclusive<usize> = 0..=256;
/// The punctuation of tags, beside letters, numbers and spaces of any language.
pub const TAG_PUNCTUATION: &str = "_.:/=+-@";
/// `PolicyArns`: how many.
pub const MOST_POLICY_ARNS: usize = 10;
/// `Policy` and `PolicyArns` together, in characters.
pub const MOST_POLICY_TEXT: usize = 2048;
/// `ProvidedContexts`: how many.
pub const MOST_PROVIDED_CONTEXTS: usize = 5;
/// `ContextAssertion`, in characters.
pub const CONTEXT_ASSERTION_LENGTH: RangeInclusive<usize> = 4..=2048;
/// An IAM role's or user's name, in an ARN.
pub const IAM_NAME: TextLimit = TextLimit { field: "name", length: 1..=64, punctuation: "+=,.@-" };
/// The length of an ARN, in characters.
pub const ARN_LENGTH: RangeInclusive<usize> = 20..=2048;
/// `DurationSeconds`.
pub const DURATION_SECONDS: RangeInclusive<u32> = 900..=43_200;
/// What STS takes for `DurationSeconds` when none is sent.
pub const DEFAULT_DURATION_SECONDS: u32 = 3600;
/// The most that STS grants for `DurationSeconds` to a role's session that assumes a role.
pub const LONGEST_IN_A_CHAIN_SECONDS: u32 = 3600;
/// `WebIdentityToken`, in characters.
pub const WEB_IDENTITY_TOKEN_LENGTH: RangeInclusive<usize> = 4..=20_000;
