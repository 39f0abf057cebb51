use super::Test;
use super::check::{fault, literal, literals};
use crate::error::PolicyError;
use crate::tag::{MAX_TAGS, check_tag_key, check_tag_value};

/// The tags of a session that EKS Pod Identity gives to a pod.
const POD_TAGS: [&str; 6] = [
    "eks-cluster-arn",
    "eks-cluster-name",
    "kubernetes-namespace",
    "kubernetes-service-account",
    "kubernetes-pod-name",
    "kubernetes-pod-uid",
];

/// The session tags that a caller may pass when it assumes a role: a closed list.
///
/// Any other tag is refused, and a tag is refused as transitive unless it is named by
/// [`transitive`](Self::transitive). A session that was itself given transitive tags passes them on
/// in each role chain, and STS then asks for `sts:TagSession` as well: name those tags here, such
/// as [those of EKS Pod Identity](Self::eks_pod_identity). The spelling of a key matters.
///
/// (IAM User Guide, "Pass session tags in AWS STS".)
///
/// # Examples
///
/// ```
/// use rolecall_policy::{AllowedSessionTags, TrustPolicy, TrustedPrincipal};
/// let tags = AllowedSessionTags::new()
///     .required("team", ["blue", "green"])?
///     .optional_with_any_value("ticket")?
///     .transitive(["team"])?;
/// let checkout = TrustedPrincipal::role("arn:aws:iam::111122223333:role/checkout")?;
/// let policy = TrustPolicy::builder().principal(checkout.session_tags(tags)?).build()?;
/// assert_eq!(policy.to_json(), r#"{
///   "Version": "2012-10-17",
///   "Statement": [
///     {
///       "Effect": "Allow",
///       "Principal": {
///         "AWS": "arn:aws:iam::111122223333:role/checkout"
///       },
///       "Action": "sts:AssumeRole",
///       "Condition": {
///         "Null": {
///           "aws:RequestTag/team": "false"
///         }
///       }
///     },
///     {
///       "Effect": "Allow",
///       "Principal": {
///         "AWS": "arn:aws:iam::111122223333:role/checkout"
///       },
///       "Action": "sts:TagSession",
///       "Condition": {
///         "StringEquals": {
///           "aws:RequestTag/team": [
///             "blue",
///             "green"
///           ]
///         },
///         "ForAllValues:StringEquals": {
///           "aws:TagKeys": [
///             "team",
///             "ticket"
///           ],
///           "sts:TransitiveTagKeys": "team"
///         }
///       }
///     }
///   ]
/// }"#);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct AllowedSessionTags {
    tags: Vec<Tag>,
    transitive: Vec<String>,
}

#[derive(Clone, Debug)]
struct Tag {
    key: String,
    /// Any value, if there is none.
    values: Vec<String>,
    required: bool,
}

impl Tag {
    fn condition_key(&self) -> String {
        format!("aws:RequestTag/{}", self.key)
    }
}

impl AllowedSessionTags {
    /// Creates a list without tags.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates the list of the tags of EKS Pod Identity, each optional, with any value, and
    /// transitive.
    ///
    /// A role that the sessions of pods assume in a chain must allow these tags: the sessions pass
    /// them on unless the association disables them, and STS asks for `sts:TagSession`. (EKS User
    /// Guide, "Grant Pods access to AWS resources based on tags".)
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::{AllowedSessionTags, TrustPolicy, TrustedPrincipal};
    /// let pods = TrustedPrincipal::role("arn:aws:iam::111122223333:role/checkout")?
    ///     .session_tags(AllowedSessionTags::eks_pod_identity())?;
    /// let policy = TrustPolicy::builder().principal(pods).build()?;
    /// assert!(policy.to_json().contains("kubernetes-service-account"));
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn eks_pod_identity() -> Self {
        let key = |key: &&str| (*key).to_owned();
        let tag = |key| Tag { key, values: Vec::new(), required: false };
        Self {
            tags: POD_TAGS.iter().map(key).map(tag).collect(),
            transitive: POD_TAGS.iter().map(key).collect(),
        }
    }

    /// Adds a tag that must be passed, with one of these values.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `key` or a value is not one of a tag, if there is no value, or if
    /// the list already has the key, in any case.
    pub fn required<V: Into<String>>(
        self,
        key: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Result<Self, PolicyError> {
        self.add(key, tag_values(values)?, true)
    }

    /// Adds a tag that may be passed, with one of these values.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] as [`required`](Self::required) does.
    pub fn optional<V: Into<String>>(
        self,
        key: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Result<Self, PolicyError> {
        self.add(key, tag_values(values)?, false)
    }

    /// Adds a tag that must be passed, with any value.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] as [`required`](Self::required) does.
    pub fn required_with_any_value(self, key: &str) -> Result<Self, PolicyError> {
        self.add(key, Vec::new(), true)
    }

    /// Adds a tag that may be passed, with any value.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] as [`required`](Self::required) does.
    pub fn optional_with_any_value(self, key: &str) -> Result<Self, PolicyError> {
        self.add(key, Vec::new(), false)
    }

    /// Lets these tags be passed as transitive, so that they persist in role chains. Defaults to
    /// none.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if the list does not have one of the keys.
    pub fn transitive<K: Into<String>>(
        mut self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Self, PolicyError> {
        for key in keys {
            let key = key.into();
            if !self.tags.iter().any(|tag| tag.key == key) {
                let hint = "hint: call required or optional with it first";
                let message = format!("{key:?} is not an allowed session tag; {hint}");
                return Err(fault("transitive tag", message));
            }
            if !self.transitive.contains(&key) {
                self.transitive.push(key);
            }
        }
        Ok(self)
    }

    fn add(mut self, key: &str, values: Vec<String>, required: bool) -> Result<Self, PolicyError> {
        let what = "tag key";
        literal(what, key)?;
        check_tag_key(what, key)?;
        // STS takes keys that differ in their case for one key.
        if self.tags.iter().any(|tag| tag.key.to_lowercase() == key.to_lowercase()) {
            let message = "is already allowed; hint: add each key once, in one spelling";
            return Err(fault(what, format!("{key:?} {message}")));
        }
        if self.tags.len() == MAX_TAGS {
            let message = format!("{key:?} is one more than the {MAX_TAGS} tags of a session");
            return Err(fault(what, format!("{message}; hint: allow fewer")));
        }
        self.tags.push(Tag { key: key.to_owned(), values, required });
        Ok(self)
    }

    /// Returns the list if it has a tag.
    pub(super) fn checked(self) -> Result<Self, PolicyError> {
        if self.tags.is_empty() {
            let hint = "hint: call required or optional";
            return Err(fault("session tags", format!("no session tag is allowed; {hint}")));
        }
        Ok(self)
    }

    /// Returns the conditions for the action that assumes the role: a caller that passes no tag is
    /// not asked for `sts:TagSession`.
    pub(super) fn presence(&self) -> impl Iterator<Item = Test> {
        let required = self.tags.iter().filter(|tag| tag.required);
        required.map(|tag| Test::new("Null", tag.condition_key(), ["false"]))
    }

    /// Returns the conditions for `sts:TagSession`.
    pub(super) fn tagging(&self) -> Vec<Test> {
        let mut tests = Vec::new();
        for tag in self.tags.iter().filter(|tag| !tag.values.is_empty()) {
            let operator = if tag.required { "StringEquals" } else { "StringEqualsIfExists" };
            tests.push(Test::new(operator, tag.condition_key(), tag.values.clone()));
        }
        let all = "ForAllValues:StringEquals";
        let keys = self.tags.iter().map(|tag| tag.key.clone());
        tests.push(Test::new(all, "aws:TagKeys", keys));
        // No key is empty, so that the empty value lets no tag be transitive. A test of whether
        // sts:TransitiveTagKeys is absent would say the same, but AWS documents the key as present
        // in every request by temporary credentials.
        let none = vec![String::new()];
        let transitive = if self.transitive.is_empty() { none } else { self.transitive.clone() };
        tests.push(Test::new(all, "sts:TransitiveTagKeys", transitive));
        tests
    }
}

fn tag_values<V: Into<String>>(
    values: impl IntoIterator<Item = V>,
) -> Result<Vec<String>, PolicyError> {
    let values = literals("tag value", values)?;
    for value in &values {
        check_tag_value("tag value", value)?;
    }
    Ok(values)
}
