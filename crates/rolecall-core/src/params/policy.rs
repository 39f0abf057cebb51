use super::{AccountId, InvalidParameter, limits, parsed_text};

/// The ARN of a managed policy: `arn:<partition>:iam::<12 digits or aws>:policy/<path/>name`, 20 to 2048 characters. As a
/// session policy, what it does not allow, the session may not.
///
/// ```
/// use rolecall_core::PolicyArn;
/// assert!(PolicyArn::parse("arn:aws:iam::aws:policy/ReadOnlyAccess").is_ok());
/// assert!(PolicyArn::parse("arn:aws:iam::111122223333:role/orders").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PolicyArn(String);

parsed_text!(PolicyArn);

impl PolicyArn {
    /// Parses a managed policy's ARN.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        let length = value.chars().count();
        let fields: Vec<&str> = value.splitn(6, ':').collect();
        let fault = if !limits::ARN_LENGTH.contains(&length) {
            super::it_has(length)
        } else if !value.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
            "it has white space or other than ASCII characters in it".to_owned()
        } else {
            match fields.as_slice() {
                &["arn", partition, "iam", "", account, resource]
                    if partition.starts_with("aws")
                        && (account == "aws" || AccountId::parse(account).is_ok())
                        && resource
                            .strip_prefix("policy/")
                            .is_some_and(|name| !name.is_empty()) =>
                {
                    return Ok(Self(value.to_owned()));
                }
                _ => "it does not name a managed policy".to_owned(),
            }
        };
        let rule = "a policy ARN is arn:<partition>:iam::<12 digits or aws>:policy/<path/>name, as \
                    arn:aws:iam::aws:policy/ReadOnlyAccess";
        Err(InvalidParameter::new("policy ARN", value, fault, rule))
    }

    /// `aws`, `aws-cn`, ...
    pub fn partition(&self) -> &str {
        self.0.split(':').nth(1).unwrap_or_default()
    }
}

/// An inline session policy: JSON. What it does not allow, the session may not, whatever the role may.
///
/// At most 2048 characters, together with the policy ARNs; tab, line feed, carriage return and the characters from space
/// to `ÿ`. That it is a policy IAM takes is for STS to say, or for rolecall-policy.
///
/// ```
/// use rolecall_core::SessionPolicy;
/// let policy = SessionPolicy::parse(
///     r#"{"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/4711/*"}}"#,
/// );
/// assert!(policy.is_ok());
/// let error = SessionPolicy::parse(r#"{"Statement": "#).unwrap_err();
/// assert!(error.to_string().contains("it is no JSON"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionPolicy(String);

parsed_text!(SessionPolicy);

impl SessionPolicy {
    /// Parses a session policy.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        let length = value.chars().count();
        let known = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}');
        let fault = if length > limits::MOST_POLICY_TEXT {
            super::it_has(length)
        } else if let Some(c) = value.chars().find(|c| !known(c)) {
            format!("the character {c:?} is not allowed")
        } else if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(value) {
            format!("it is no JSON: {error}")
        } else if !value.trim_start().starts_with('{') {
            "it is no JSON object".to_owned()
        } else {
            return Ok(Self(value.to_owned()));
        };
        let rule = "a session policy is a JSON object of up to 2048 characters from tab to \u{ff}";
        Err(InvalidParameter::new("session policy", value, fault, rule))
    }
}
