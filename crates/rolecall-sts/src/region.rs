//! The Region type and the partitions that Regions belong to.

use std::fmt;
use std::str::FromStr;

use aws_sdk_sts::config;
use rolecall_core::InvalidParameter;

/// The code of an AWS Region, such as `eu-west-1`.
///
/// Only the form of the code is validated, because AWS adds Regions. Text of another form is
/// rejected, because the code becomes part of a host name.
///
/// # Examples
///
/// ```
/// use rolecall_sts::Region;
///
/// let region: Region = "eu-west-1".parse()?;
/// assert_eq!(region.as_str(), "eu-west-1");
/// assert!(Region::parse("Frankfurt").is_err());
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Region(String);

/// Prefixes of the codes of each partition's Regions. All other Regions are in `aws`. (Partitions
/// metadata of the AWS SDKs.)
const PARTITIONS: &[(&str, &str)] = &[
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
];

impl Region {
    /// Parses the code of a Region.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if `value` does not have the form of a Region code.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        if has_region_form(value) {
            return Ok(Self(value.to_owned()));
        }
        Err(InvalidParameter::new(
            "Region",
            value,
            "it does not have the form of a Region code",
            "a code such as eu-west-1 or us-gov-east-1",
        ))
    }

    /// Returns the code.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the partition of the Region as it appears in ARNs, such as `aws`, `aws-cn` or
    /// `aws-us-gov`.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_sts::Region;
    ///
    /// assert_eq!(Region::parse("eu-west-1")?.partition(), "aws");
    /// assert_eq!(Region::parse("cn-north-1")?.partition(), "aws-cn");
    /// # Ok::<(), rolecall_core::InvalidParameter>(())
    /// ```
    pub fn partition(&self) -> &'static str {
        let found = PARTITIONS.iter().find(|(prefix, _)| self.0.starts_with(prefix));
        found.map_or("aws", |(_, partition)| *partition)
    }
}

fn has_region_form(value: &str) -> bool {
    const MAX_LENGTH: usize = 32;
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let parts: Vec<&str> = value.split('-').collect();
    let form = match parts.as_slice() {
        // The SDKs' name for the global endpoint: the one code without a number.
        ["aws", "global"] => true,
        [words @ .., number] => {
            words.len() >= 2
                && words.iter().all(is_word)
                && matches!(number.len(), 1 | 2)
                && number.bytes().all(|b| b.is_ascii_digit())
        }
        [] => false,
    };
    form && value.len() <= MAX_LENGTH
}

impl FromStr for Region {
    type Err = InvalidParameter;

    fn from_str(value: &str) -> Result<Self, Self::Err> {
        Self::parse(value)
    }
}

impl TryFrom<&str> for Region {
    type Error = InvalidParameter;

    fn try_from(value: &str) -> Result<Self, Self::Error> {
        Self::parse(value)
    }
}

impl TryFrom<String> for Region {
    type Error = InvalidParameter;

    fn try_from(value: String) -> Result<Self, Self::Error> {
        Self::parse(&value)
    }
}

impl TryFrom<&config::Region> for Region {
    type Error = InvalidParameter;

    fn try_from(region: &config::Region) -> Result<Self, Self::Error> {
        Self::parse(region.as_ref())
    }
}

impl TryFrom<config::Region> for Region {
    type Error = InvalidParameter;

    fn try_from(region: config::Region) -> Result<Self, Self::Error> {
        Self::try_from(&region)
    }
}

impl From<Region> for config::Region {
    fn from(region: Region) -> Self {
        Self::new(region.0)
    }
}

impl AsRef<str> for Region {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl serde::Serialize for Region {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use rolecall_core::{ErrorKind, SessionError};

    use super::*;

    #[test]
    fn region_code_is_checked_by_form() {
        for good in [
            "eu-west-1",
            "us-gov-east-1",
            "us-iso-east-1",
            "ap-southeast-7",
            "aws-global",
            "eusc-de-east-1",
        ] {
            assert!(Region::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "eu",
            "eu-west",
            "EU-WEST-1",
            "eu_west_1",
            "eu-west-1a",
            "eu--1",
            "-",
            "eu-west-1.evil.example",
            "eu-west-123",
        ] {
            let error = Region::parse(bad).unwrap_err();
            assert_eq!((error.field, error.value.as_str()), ("Region", bad));
            assert_eq!(SessionError::from(error).kind(), ErrorKind::InvalidConfig, "{bad}");
        }
    }

    #[test]
    fn region_converts_from_and_to_sdk_region() {
        let region = Region::parse("eu-west-1").unwrap();
        let sdk = config::Region::from(region.clone());
        assert_eq!(sdk.as_ref(), "eu-west-1");
        assert_eq!(Region::try_from(&sdk), Ok(region.clone()));
        assert_eq!(Region::try_from(sdk), Ok(region));
        assert!(Region::try_from(config::Region::from_static("Frankfurt")).is_err());
    }

    #[test]
    fn region_round_trips_through_text() {
        let region = Region::parse("eu-west-1").unwrap();
        assert_eq!(region.to_string().parse(), Ok(region.clone()));
        assert_eq!(Region::try_from(region.as_ref()), Ok(region.clone()));
        assert_eq!(Region::try_from(String::from("eu-west-1")), Ok(region.clone()));
    }

    #[test]
    fn region_round_trips_through_serde() {
        let region = Region::parse("eu-west-1").unwrap();
        let json = serde_json::to_string(&region).unwrap();
        assert_eq!(json, "\"eu-west-1\"");
        assert_eq!(serde_json::from_str::<Region>(&json).unwrap(), region);
        assert!(serde_json::from_str::<Region>("\"Frankfurt\"").is_err());
    }
}
