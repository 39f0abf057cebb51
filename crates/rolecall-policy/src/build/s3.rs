use super::Test;
use super::check::{fault, prefixes};
use super::permission::{Grant, Resource};
use crate::error::PolicyError;

/// Access to an S3 bucket, or to the objects under prefixes in it.
///
/// Listing is allowed on the bucket, restricted by the condition key `s3:prefix`, and the other
/// actions on its objects. (Amazon S3 User Guide, "Bucket policy examples"; Service Authorization
/// Reference, "Amazon S3".)
///
/// # Examples
///
/// ```
/// use rolecall_policy::{PermissionPolicy, S3Access};
/// let orders = S3Access::under("shop-data", ["orders/"])?.list().read().write();
/// let policy = PermissionPolicy::builder().s3(orders).build()?;
/// assert_eq!(policy.to_json(), r#"{
///   "Version": "2012-10-17",
///   "Statement": [
///     {
///       "Sid": "S3ListBucket",
///       "Effect": "Allow",
///       "Action": "s3:ListBucket",
///       "Resource": "arn:aws:s3:::shop-data",
///       "Condition": {
///         "StringLike": {
///           "s3:prefix": "orders/*"
///         }
///       }
///     },
///     {
///       "Sid": "S3Objects",
///       "Effect": "Allow",
///       "Action": [
///         "s3:GetObject",
///         "s3:PutObject"
///       ],
///       "Resource": "arn:aws:s3:::shop-data/orders/*"
///     }
///   ]
/// }"#);
///
/// let error = S3Access::under("shop-data", ["orders"]).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     r#"prefix: "orders" is not a name that ends in "/", and would include "orders-other"; "#
///         .to_owned() + r#"hint: end the prefix in "/""#,
/// );
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct S3Access {
    bucket: String,
    /// What the keys begin with, each a pattern.
    patterns: Vec<String>,
    /// The condition on listings, if there are prefixes.
    listing: Vec<Test>,
    list: bool,
    objects: Vec<&'static str>,
}

impl S3Access {
    /// Creates access to the objects under these prefixes. Each prefix ends in `/`. No action is
    /// allowed yet.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `bucket` is not a bucket name, if there is no prefix, or if a
    /// prefix does not end in `/` or contains a wildcard, a policy variable or a character that
    /// IAM does not accept in policies.
    pub fn under<P: Into<String>>(
        bucket: &str,
        under: impl IntoIterator<Item = P>,
    ) -> Result<Self, PolicyError> {
        let whole = Self::whole_bucket(bucket)?;
        let prefixes = prefixes(under, |_| true)?;
        let patterns: Vec<String> = prefixes.iter().map(|prefix| format!("{prefix}*")).collect();
        let listing = vec![Test::new("StringLike", "s3:prefix", patterns.clone())];
        Ok(Self { patterns, listing, ..whole })
    }

    /// Creates access to all objects in a bucket. No action is allowed yet.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `bucket` is not a bucket name.
    pub fn whole_bucket(bucket: &str) -> Result<Self, PolicyError> {
        let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = (3..=63).contains(&bucket.len())
            && bucket.chars().all(|c| alphanumeric(c) || matches!(c, '.' | '-'))
            && bucket.starts_with(alphanumeric)
            && bucket.ends_with(alphanumeric)
            && !bucket.contains("..");
        if !good {
            let rule = "hint: use 3 to 63 lower case letters, digits, dots and hyphens, with a \
                        letter or digit at both ends";
            return Err(fault("bucket", format!("{bucket:?} is not a bucket name; {rule}")));
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            patterns: vec!["*".to_owned()],
            listing: Vec::new(),
            list: false,
            objects: Vec::new(),
        })
    }

    /// Allows listing keys: `s3:ListBucket`. With prefixes, only listings of those prefixes.
    pub fn list(mut self) -> Self {
        self.list = true;
        self
    }

    /// Allows reading objects: `s3:GetObject`.
    pub fn read(self) -> Self {
        self.may("s3:GetObject")
    }

    /// Allows writing and overwriting objects: `s3:PutObject`.
    pub fn write(self) -> Self {
        self.may("s3:PutObject")
    }

    /// Allows deleting objects: `s3:DeleteObject`.
    pub fn delete(self) -> Self {
        self.may("s3:DeleteObject")
    }

    fn may(mut self, action: &'static str) -> Self {
        if !self.objects.contains(&action) {
            self.objects.push(action);
        }
        self
    }

    pub(super) fn grants(self) -> Vec<Grant> {
        let Self { bucket, patterns, listing, list, objects } = self;
        let mut grants = Vec::new();
        if list {
            let resource = Resource::InPartition(format!("s3:::{bucket}"));
            let grant = Grant::allow("S3ListBucket", vec!["s3:ListBucket"]).on(vec![resource]);
            grants.push(Grant { tests: listing, ..grant });
        }
        if !list || !objects.is_empty() {
            let resource =
                |pattern: String| Resource::InPartition(format!("s3:::{bucket}/{pattern}"));
            let resources = patterns.into_iter().map(resource).collect();
            let methods = "list, read, write or delete";
            grants.push(Grant { methods, ..Grant::allow("S3Objects", objects).on(resources) });
        }
        grants
    }
}
