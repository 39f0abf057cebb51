//! ARNs, and the account ids, partitions and Regions in them.

use crate::error::{PolicyError, excerpt};

/// The fields of an ARN. The last one keeps its colons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arn<'a> {
    pub(crate) partition: &'a str,
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
    pub(crate) account: &'a str,
    pub(crate) resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Splits an ARN. Returns `None` if `text` does not begin with `arn:` or has fewer fields.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let mut fields = text.strip_prefix("arn:")?.splitn(5, ':');
        Some(Self {
            partition: fields.next()?,
            service: fields.next()?,
            region: fields.next()?,
            account: fields.next()?,
            resource: fields.next()?,
        })
    }
}

/// Returns `true` for the name of a partition, such as `aws` or `aws-us-gov`.
pub(crate) fn is_partition(name: &str) -> bool {
    let mut parts = name.split('-');
    parts.next() == Some("aws")
        && parts.all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase()))
}

/// Checks the name of a partition.
pub(crate) fn check_partition(name: &str) -> Result<(), PolicyError> {
    if is_partition(name) {
        return Ok(());
    }
    let hint = "hint: write one such as aws, aws-cn or aws-us-gov";
    let message = format!("{} is not a partition; {hint}", excerpt(name));
    Err(PolicyError::new("partition", message))
}

/// How the names of Regions begin in each partition but `aws`. (Botocore's `partitions.json`.)
const PARTITIONS: [(&str, &str); 7] = [
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
];

/// Returns `true` for the name of a partition that exists today.
pub(crate) fn is_known_partition(name: &str) -> bool {
    name == "aws" || PARTITIONS.iter().any(|(_, partition)| *partition == name)
}

/// Returns the partition of a Region.
pub(crate) fn partition_of(region: &str) -> &'static str {
    let found = PARTITIONS.iter().find(|(prefix, _)| region.starts_with(prefix));
    found.map_or("aws", |(_, partition)| partition)
}

/// Checks the name of a Region.
pub(crate) fn check_region(region: &str) -> Result<(), PolicyError> {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    let is_region = region.len() <= 63
        && region.contains('-')
        && region.starts_with(|c: char| c.is_ascii_lowercase())
        && region.split('-').all(is_word);
    if is_region {
        return Ok(());
    }
    let hint = "hint: write its code, such as \"eu-west-1\"";
    let message = format!("{} is not a Region; {hint}", excerpt(region));
    Err(PolicyError::new("Region", message))
}

/// Returns `true` for a character that AWS writes as `\w` or `+=,.@-`: the names of users, roles,
/// policies, sessions and source identities.
pub(crate) fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

/// Checks the name of a session, or a source identity. (STS API Reference, "AssumeRole".)
pub(crate) fn check_session_name(what: &str, name: &str) -> Result<(), PolicyError> {
    if (2..=64).contains(&name.len()) && name.chars().all(is_name_character) {
        return Ok(());
    }
    let hint = "hint: use 2 to 64 letters, digits and the characters _+=,.@-";
    Err(PolicyError::new(what, format!("{} is not valid; {hint}", excerpt(name))))
}

/// Returns `true` if `value` is an account id, 12 digits.
pub(crate) fn is_account(value: &str) -> bool {
    value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit())
}

/// Checks an account id.
pub(crate) fn check_account(id: &str) -> Result<(), PolicyError> {
    if is_account(id) {
        return Ok(());
    }
    let hint = "hint: write its 12 digits";
    let message = format!("{} is not an account id; {hint}", excerpt(id));
    Err(PolicyError::new("account", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arn_splits_into_fields() {
        let arn = Arn::parse("arn:aws:secretsmanager:eu-west-1:111122223333:secret:a").unwrap();
        assert_eq!((arn.account, arn.resource), ("111122223333", "secret:a"));
        assert_eq!(Arn::parse("arn:aws:iam::111122223333"), None);
        assert_eq!(Arn::parse("role/x"), None);
    }
}
