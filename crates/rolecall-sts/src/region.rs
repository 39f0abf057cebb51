use std::fmt;

use rolecall_core::{ErrorKind, FetchError};

/// An AWS Region's code, as `eu-west-1`.
///
/// Checked by form, not against a list: AWS opens Regions.
///
/// ```
/// use rolecall_sts::Region;
/// assert_eq!(Region::parse("eu-west-1").unwrap().as_str(), "eu-west-1");
/// assert!(Region::parse("Frankfurt").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Region(String);

impl Region {
    /// Parses a Region's code.
    pub fn parse(value: &str) -> Result<Self, FetchError> {
        let parts: Vec<&str> = value.split('-').collect();
        let words = |parts: &[&str]| {
            parts.iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase()))
        };
        let form = match parts.as_slice() {
            ["aws", "global"] => true,
            [words_ @ .., number] if words_.len() >= 2 => {
                words(words_)
                    && matches!(number.len(), 1 | 2)
                    && number.bytes().all(|b| b.is_ascii_digit())
            }
            _ => false,
        };
        if form && value.len() <= 32 {
            return Ok(Self(value.to_owned()));
        }
        let shown: String = value.chars().take(40).collect();
        let message =
            format!("{shown:?} is not a Region: a Region is a code as eu-west-1 or us-gov-east-1");
        Err(FetchError::new(ErrorKind::InvalidConfig, message))
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How the codes of a partition's Regions begin; all others are in `aws`. (AWS SDKs' partitions metadata.)
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
    /// The partition that the Region is in, as ARNs name it: `aws`, `aws-cn`, `aws-us-gov`, ...
    ///
    /// ```
    /// use rolecall_sts::Region;
    /// assert_eq!(Region::parse("eu-west-1")?.partition(), "aws");
    /// assert_eq!(Region::parse("cn-north-1")?.partition(), "aws-cn");
    /// # Ok::<(), rolecall_core::FetchError>(())
    /// ```
    pub fn partition(&self) -> &'static str {
        let found = PARTITIONS.iter().find(|(start, _)| self.0.starts_with(start));
        found.map_or("aws", |(_, partition)| *partition)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_by_their_form() {
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
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{bad}");
        }
    }
}
