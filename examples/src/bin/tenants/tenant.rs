//! Tenant ids and object names, validated, and the session of a tenant.

use std::fmt;
use std::str::FromStr;

use rolecall::policy::{PermissionPolicy, S3Access};
use rolecall::{CachedProvider, Role, RolePool};
use rolecall_examples::ExampleError;

/// The id of a tenant: 1 to 32 lower case letters, digits and hyphens, with a letter or digit at
/// both ends.
///
/// The id becomes part of a key prefix and of a policy. Without slashes, dots and wildcards, it
/// cannot match the prefix of another tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TenantId(String);

impl FromStr for TenantId {
    type Err = ExampleError;

    fn from_str(text: &str) -> Result<Self, ExampleError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let valid = (1..=32).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if valid {
            return Ok(Self(text.to_owned()));
        }
        let rule =
            "1 to 32 lower case letters, digits and hyphens, with a letter or digit at both ends";
        Err(ExampleError::usage(format!("tenant id is invalid; hint: use {rule}")))
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TenantId {
    /// Returns the key prefix of the tenant's objects.
    ///
    /// It ends with a slash: without it, the prefix of tenant `47` would include that of `4711`.
    pub(crate) fn prefix(&self) -> String {
        format!("tenants/{self}/")
    }

    /// Returns the session policy, which allows access to objects under the tenant's prefix only.
    pub(crate) fn policy(&self, bucket: &str) -> Result<PermissionPolicy, ExampleError> {
        let data = S3Access::under(bucket, [self.prefix()]).map(|data| data.list().read().write());
        let policy = data.and_then(|data| PermissionPolicy::builder().s3(data).build());
        policy.map_err(|error| ExampleError::usage(error.to_string()))
    }

    /// Returns the provider of the tenant's session, whose permissions are those that both the role
    /// and the session policy allow. The session name identifies the tenant in CloudTrail.
    pub(crate) fn session(
        &self,
        pool: &RolePool,
        role: &Role,
        bucket: &str,
    ) -> Result<CachedProvider, ExampleError> {
        let role = role.clone().session_name(format!("tenant-{self}"))?;
        Ok(pool.narrowed(&role, &self.policy(bucket)?)?)
    }
}

/// The name of an object under the tenant's prefix: 1 to 64 letters, digits, dots, hyphens and
/// underscores, without a leading dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectName(String);

impl FromStr for ObjectName {
    type Err = ExampleError;

    fn from_str(text: &str) -> Result<Self, ExampleError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('.') {
            return Ok(Self(text.to_owned()));
        }
        let rule = "1 to 64 letters, digits, dots, hyphens and underscores, without a leading dot";
        Err(ExampleError::usage(format!("object name is invalid; hint: use {rule}")))
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
    fn tenant_id_accepts_only_its_own_prefix() {
        for valid in ["4711", "a", "tea-shop", "0"] {
            assert_eq!(valid.parse::<TenantId>().unwrap().prefix(), format!("tenants/{valid}/"));
        }
        let long = "a".repeat(33);
        for invalid in [
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
            assert!(invalid.parse::<TenantId>().is_err(), "{invalid:?}");
        }
    }

    #[test]
    fn object_name_stays_under_its_prefix() {
        for valid in ["hello.txt", "A_1", "a..b"] {
            assert_eq!(valid.parse::<ObjectName>().unwrap().to_string(), valid);
        }
        for invalid in ["", ".", "..", ".hidden", "a/b", "../a", "a b", "a*", "ä"] {
            assert!(invalid.parse::<ObjectName>().is_err(), "{invalid:?}");
        }
    }
}
