//! ARNs and account ids.

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

/// Returns `true` for a character that AWS writes as `\w` or `+=,.@-`: the names of users, roles,
/// policies, sessions and source identities.
pub(crate) fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

/// Returns `true` if `value` is an account id, 12 digits.
pub(crate) fn is_account(value: &str) -> bool {
    value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit())
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
