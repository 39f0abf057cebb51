//! STS's parameters, parsed once.

mod arn;
mod context;
mod duration;
pub mod limits;
mod mfa;
mod policy;
mod tags;
mod text;

pub use arn::{AccountId, RoleArn};
pub use context::ProvidedContext;
pub use duration::SessionDuration;
pub use mfa::{MfaCode, MfaSerial};
pub use policy::{PolicyArn, SessionPolicy};
pub use tags::SessionTags;
pub use text::{ExternalId, ProviderId, SessionName, SourceIdentity};

/// A value that STS would refuse: which parameter, what is wrong with the value, and the rule.
///
/// ```
/// use rolecall_core::ExternalId;
/// assert_eq!(
///     ExternalId::parse("a b").unwrap_err().to_string(),
///     r#"external id "a b": the character ' ' is not allowed; an external id has 2 to 1224 characters of A-Z a-z 0-9 _ + = , . @ : / -"#,
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {value:?}: {fault}; {rule}")]
#[non_exhaustive]
pub struct InvalidParameter {
    /// The parameter.
    pub field: &'static str,
    /// The value, shortened.
    pub value: String,
    /// What is wrong with it.
    pub fault: String,
    /// What it must be.
    pub rule: String,
}

impl InvalidParameter {
    /// A fault that only those who put parameters together can find.
    ///
    /// ```
    /// use rolecall_core::InvalidParameter;
    /// let error = InvalidParameter::of("policy ARN", "x", "there are 10 already", "there are at most 10");
    /// assert_eq!(error.to_string(), "policy ARN \"x\": there are 10 already; there are at most 10");
    /// ```
    pub fn of(
        field: &'static str,
        value: &str,
        fault: impl Into<String>,
        rule: impl Into<String>,
    ) -> Self {
        Self::new(field, value, fault, rule)
    }

    fn new(
        field: &'static str,
        value: &str,
        fault: impl Into<String>,
        rule: impl Into<String>,
    ) -> Self {
        const SHOWN: usize = 80;
        let value = if looks_like_token(value) { "eyJ... (a token?)" } else { value };
        let mut shown: String = value.chars().take(SHOWN).collect();
        if value.chars().nth(SHOWN).is_some() {
            shown.push_str("...");
        }
        Self { field, value: shown, fault: fault.into(), rule: rule.into() }
    }
}

/// Whether a text could be a JWT: one that stands in the wrong place is still a secret, and must not be shown. All JWTs
/// begin with the same letters, those of `{"` in base64.
///
/// ```
/// assert!(rolecall_core::looks_like_token(" \"eyJhbGciOiJSUzI1NiJ9.e30.c2ln"));
/// assert!(!rolecall_core::looks_like_token("/var/run/secrets/token"));
/// ```
pub fn looks_like_token(text: &str) -> bool {
    text.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''))
        .starts_with("eyJ")
}

/// So that a parameter can be taken parsed or as text: `impl TryInto<RoleArn, Error: Into<InvalidParameter>>`.
impl From<std::convert::Infallible> for InvalidParameter {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// What every parsed text shares: strings in, strings out, no way around the parser.
macro_rules! parsed_text {
    ($name:ident) => {
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::InvalidParameter;

            fn from_str(value: &str) -> Result<Self, Self::Err> {
                Self::parse(value)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = crate::InvalidParameter;

            fn try_from(value: &str) -> Result<Self, Self::Error> {
                Self::parse(value)
            }
        }

        impl TryFrom<String> for $name {
            type Error = crate::InvalidParameter;

            fn try_from(value: String) -> Result<Self, Self::Error> {
                Self::parse(&value)
            }
        }

        impl TryFrom<&String> for $name {
            type Error = crate::InvalidParameter;

            fn try_from(value: &String) -> Result<Self, Self::Error> {
                Self::parse(value)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use parsed_text;

/// A length, as a fault.
fn it_has(characters: usize) -> String {
    match characters {
        1 => "it has 1 character".to_owned(),
        more => format!("it has {more} characters"),
    }
}

#[cfg(test)]
mod more_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
