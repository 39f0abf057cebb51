use super::{Grant, Resource, fault, prefixes};
use crate::parse::PolicyError;

/// Access to an S3 bucket, or to the objects under prefixes in it.
///
/// Listing is allowed on the bucket, restricted by the condition key `s3:prefix`, and the other
/// actions on its objects. (Amazon S3 User Guide, "Bucket policy examples"; Service Authorization
/// Reference, "Amazon S3".)
///
/// # Examples
///
/// ```
/// use rolecall_policy::S3Access;
/// let orders = S3Access::under("shop-data", ["orders/"])?.list().read().write();
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
    /// Empty: the whole bucket.
    prefixes: Vec<String>,
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
    /// prefix does not end in `/` or contains a wildcard.
    pub fn under<P: Into<String>>(
        bucket: &str,
        under: impl IntoIterator<Item = P>,
    ) -> Result<Self, PolicyError> {
        let whole = Self::whole_bucket(bucket)?;
        Ok(Self { prefixes: prefixes(under, |c| !c.is_control())?, ..whole })
    }

    /// Creates access to all objects in a bucket. No action is allowed yet.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `bucket` is not a bucket name.
    pub fn whole_bucket(bucket: &str) -> Result<Self, PolicyError> {
        let end = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let known =
            |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
        let bytes = bucket.as_bytes();
        let good = (3..=63).contains(&bytes.len())
            && bytes.iter().copied().all(known)
            && end(bytes.first())
            && end(bytes.last());
        if !good {
            let rule = "expected 3 to 63 lower case letters, digits, dots and hyphens, with a letter \
                        or digit at both ends";
            return Err(fault("bucket", format!("{bucket:?} is not a bucket name: {rule}")));
        }
        let bucket = bucket.to_owned();
        Ok(Self { bucket, prefixes: Vec::new(), list: false, objects: Vec::new() })
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
        let Self { bucket, prefixes, list, objects } = self;
        let patterns: Vec<String> = prefixes.iter().map(|prefix| format!("{prefix}*")).collect();
        let mut grants = Vec::new();
        if list {
            grants.push(Grant {
                sid: "S3ListBucket",
                actions: vec!["s3:ListBucket"],
                resources: vec![Resource::Arn(format!("s3:::{bucket}"))],
                condition: (!patterns.is_empty())
                    .then(|| ("StringLike", "s3:prefix", patterns.clone())),
                methods: "",
            });
        }
        if !list || !objects.is_empty() {
            let everything = vec!["*".to_owned()];
            let patterns = if patterns.is_empty() { everything } else { patterns };
            let resource = |pattern| Resource::Arn(format!("s3:::{bucket}/{pattern}"));
            grants.push(Grant {
                sid: "S3Objects",
                actions: objects,
                resources: patterns.into_iter().map(resource).collect(),
                condition: None,
                methods: "list, read, write or delete",
            });
        }
        grants
    }
}
