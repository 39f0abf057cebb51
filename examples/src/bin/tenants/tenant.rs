//! Who a request is of, and what belongs to whom.

use std::fmt;
use std::str::FromStr;

use rolecall::policy::{PermissionPolicy, S3Access};
use rolecall::{Provider, Role, RolePool, SessionPolicy, session_policy};
use rolecall_examples::Plain;

/// A tenant's id: 1 to 32 lower case letters, digits and hyphens, with a letter or digit at both ends. So it has no
/// slash, no dot and no wildcard of a policy in it: it cannot stand for another tenant's prefix, or for a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TenantId(String);

impl FromStr for TenantId {
    type Err = Plain;

    fn from_str(text: &str) -> Result<Self, Plain> {
        let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let good = (1..=32).contains(&text.len())
            && text.bytes().all(known)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if good {
            return Ok(Self(text.to_owned()));
        }
        let rule =
            "1 to 32 lower case letters, digits and hyphens, with a letter or digit at both ends";
        Err(Plain::usage(format!("a tenant's id has {rule}")))
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TenantId {
    /// What the keys of all its objects begin with. It ends in a slash: `tenants/47` is the beginning of
    /// `tenants/4711/`, too.
    pub(crate) fn prefix(&self) -> String {
        format!("tenants/{self}/")
    }

    /// What lies under the tenant's prefix, and no more.
    pub(crate) fn policy(&self, bucket: &str) -> Result<SessionPolicy, Plain> {
        let data = S3Access::under(bucket, [self.prefix()]).map(|data| data.list().read().write());
        let policy = data.and_then(|data| PermissionPolicy::builder().s3(data).build());
        let policy = policy.map_err(|error| Plain::usage(error.to_string()))?;
        Ok(session_policy(&policy)?)
    }

    /// The tenant's session: of what the role may do, what the policy allows. CloudTrail shows whose it is by its name.
    pub(crate) fn session(
        &self,
        pool: &RolePool,
        role: &Role,
        bucket: &str,
    ) -> Result<Provider, Plain> {
        let role = role.clone().session_name(format!("tenant-{self}"))?;
        Ok(pool.narrowed(&role, self.policy(bucket)?)?)
    }
}

/// An object's name, below the tenant's prefix: 1 to 64 letters, digits, dots, hyphens and underscores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectName(String);

impl FromStr for ObjectName {
    type Err = Plain;

    fn from_str(text: &str) -> Result<Self, Plain> {
        let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if (1..=64).contains(&text.len()) && text.bytes().all(known) && !text.starts_with('.') {
            return Ok(Self(text.to_owned()));
        }
        let rule =
            "1 to 64 letters, digits, dots, hyphens and underscores, and no dot at the beginning";
        Err(Plain::usage(format!("an object's name has {rule}")))
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_id_selects_its_own_prefix_or_none() {
        for good in ["4711", "a", "tea-shop", "0"] {
            assert_eq!(good.parse::<TenantId>().unwrap().prefix(), format!("tenants/{good}/"));
        }
        let long = "a".repeat(33);
        for bad in [
            "",
            "-",
            "a-",
            "-a",
            "A",
            "..",
            ".",
            "a/b",
            "a/",
            "/a",
            "a/../b",
            "a*",
            "*",
            "?",
            "a?",
            "${aws:username}",
            "a b",
            "a\n",
            "ä",
            "a%2fb",
            "a\0",
            "\u{202e}a",
            &long,
        ] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_stays_below_its_prefix() {
        for good in ["hello.txt", "A_1", "a..b"] {
            assert_eq!(good.parse::<ObjectName>().unwrap().to_string(), good);
        }
        for bad in ["", ".", "..", ".hidden", "a/b", "../a", "a b", "a*", "ä"] {
            assert!(bad.parse::<ObjectName>().is_err(), "{bad:?}");
        }
    }
}
