//! The parameters of STS, as types that validate their value when it is parsed.

mod arn;
mod context;
mod duration;
pub mod limits;
mod mfa;
mod policy;
mod shown;
mod tags;
mod tags_serde;
mod text;

use std::fmt;

pub use arn::{AccountId, RoleArn};
pub use context::ProvidedContext;
pub use duration::SessionDuration;
pub use mfa::{MfaCode, MfaSerial};
pub use policy::{PolicyArn, SessionPolicy};
pub use shown::{contains_secret, is_unprintable, looks_like_token, redact, secret_keys, shown};
pub use tags::SessionTags;
pub use text::{ExternalId, ProviderId, SessionName, SourceIdentity};

/// An error returned for a parameter that STS would reject: the value, its fault, and the rule.
///
/// # Examples
///
/// ```
/// use rolecall_core::ExternalId;
/// assert_eq!(
///     ExternalId::parse("a b").unwrap_err().to_string(),
///     "`a b` is not a valid external id: the character ' ' is not allowed; \
///      expected 2 to 1224 characters of A-Z a-z 0-9 _ + = , . @ : / -",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidParameter {
    /// Name of the parameter, such as `role ARN`.
    pub field: &'static str,
    /// The value, truncated to 80 characters, with unprintable characters escaped. `***` if it is a
    /// secret. What may be a token, a secret access key or a session token is replaced.
    pub value: String,
    /// The fault of the value, as a clause: "it has 6 characters".
    pub fault: String,
    /// The expected form, as a noun phrase: "6 digits".
    pub rule: String,
}

impl fmt::Display for InvalidParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, fault, rule } = self;
        write!(f, "`{value}` is not a valid {field}: {fault}; expected {rule}")
    }
}

impl std::error::Error for InvalidParameter {}

/// Shown in place of a secret value.
const REDACTED: &str = "***";

impl InvalidParameter {
    /// Creates an error.
    ///
    /// `fault` is a clause with a subject ("it has 6 characters"), `rule` a noun phrase that
    /// follows "expected" ("at most 10 policy ARNs").
    #[doc(hidden)]
    pub fn new(
        field: &'static str,
        value: &str,
        fault: impl Into<String>,
        rule: impl Into<String>,
    ) -> Self {
        Self { field, value: shown(value), fault: fault.into(), rule: rule.into() }
    }
}

/// Allows functions to accept both parsed values and text, as `impl TryInto<RoleArn, Error:
/// Into<InvalidParameter>>`.
impl From<std::convert::Infallible> for InvalidParameter {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

/// Implements the conversions from text by the type's `parse`.
macro_rules! parse_from_text {
    ($name:ident) => {
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
    };
}
pub(crate) use parse_from_text;

/// Implements the conversions from and to text, and serde's traits, for a newtype of `Box<str>`.
///
/// Each way in calls the type's `parse`, so that no invalid value can be constructed.
macro_rules! text_parameter {
    ($name:ident) => {
        crate::params::parse_from_text!($name);

        impl $name {
            /// Returns the value as a string slice.
            pub fn as_str(&self) -> &str {
                &self.0
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

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = String::deserialize(deserializer)?;
                Self::parse(&value).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text_parameter;

/// Returns the fault of a text that is too short or too long.
fn length_fault(characters: usize) -> String {
    match characters {
        1 => "it has 1 character".to_owned(),
        count => format!("it has {count} characters"),
    }
}

#[cfg(test)]
mod conversion_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
