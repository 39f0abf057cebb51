use super::{AccountId, InvalidParameter, arn::is_partition, length_fault, limits, text_parameter};

/// The ARN of a managed policy, for use as a session policy.
///
/// Has the form `arn:<partition>:iam::<account or aws>:policy/<path/><name>`, with 20 to 2048
/// characters. A session with session policies may do only what both the role and the session
/// policies allow.
///
/// # Examples
///
/// ```
/// use rolecall_core::PolicyArn;
/// assert!(PolicyArn::parse("arn:aws:iam::aws:policy/ReadOnlyAccess").is_ok());
/// assert!(PolicyArn::parse("arn:aws:iam::111122223333:role/orders").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyArn(Box<str>);

text_parameter!(PolicyArn);

impl PolicyArn {
    /// Parses the ARN of a managed policy.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value is not the ARN of a managed policy.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        let length = value.chars().count();
        let fields: Vec<&str> = value.splitn(6, ':').collect();
        let fault = if !limits::ARN_LENGTH.contains(&length) {
            length_fault(length)
        } else if !value.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
            "it contains white space or non-ASCII characters".to_owned()
        } else {
            match fields.as_slice() {
                &["arn", partition, "iam", "", account, resource]
                    if is_partition(partition)
                        && (account == "aws" || AccountId::parse(account).is_ok())
                        && resource
                            .strip_prefix("policy/")
                            .is_some_and(|name| !name.is_empty()) =>
                {
                    return Ok(Self(value.into()));
                }
                _ => "it does not name a managed policy".to_owned(),
            }
        };
        let rule = "arn:<partition>:iam::<account or aws>:policy/<name> of 20 to 2048 characters, \
                    such as arn:aws:iam::aws:policy/ReadOnlyAccess";
        Err(InvalidParameter::new("policy ARN", value, fault, rule))
    }

    /// Returns the partition: `aws`, `aws-cn`, `aws-us-gov` or another.
    pub fn partition(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or_default()
    }
}

/// An inline session policy, as JSON.
///
/// A session with session policies may do only what both the role and the session policies allow.
///
/// Has at most 2048 characters, together with the policy ARNs: tab, line feed, carriage return and
/// the characters from space to `ÿ`. Only the JSON syntax is validated. The crate rolecall-policy
/// builds and parses policies.
///
/// # Examples
///
/// ```
/// use rolecall_core::SessionPolicy;
///
/// let policy = SessionPolicy::parse(
///     r#"{"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*"}}"#,
/// );
/// assert!(policy.is_ok());
///
/// let error = SessionPolicy::parse(r#"{"Statement": "#).unwrap_err();
/// assert!(error.to_string().contains("it is not JSON"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionPolicy(Box<str>);

text_parameter!(SessionPolicy);

impl SessionPolicy {
    /// Parses a session policy.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value is too long, contains other characters, or is not
    /// a JSON object.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        let length = value.chars().count();
        let is_allowed = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}');
        // `IgnoredAny` checks the syntax without building the document, whatever its size.
        let fault = if length > limits::MAX_POLICY_TEXT {
            length_fault(length)
        } else if let Some(c) = value.chars().find(|c| !is_allowed(c)) {
            format!("the character {c:?} is not allowed")
        } else if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(value) {
            format!("it is not JSON: {error}")
        } else if !value.trim_start().starts_with('{') {
            "it is not a JSON object".to_owned()
        } else {
            return Ok(Self(value.into()));
        };
        let rule = "a JSON object of up to 2048 characters from tab to \u{ff}";
        Err(InvalidParameter::new("session policy", value, fault, rule))
    }
}
