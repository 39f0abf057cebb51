use super::{InvalidParameter, limits, parsed_text};

const FIELD: &str = "role ARN";
const RULE: &str = "a role ARN is arn:<partition>:iam::<12 digits>:role/<path/>name, of 20 to 2048 characters, \
                    as arn:aws:iam::123456789012:role/checkout";

/// The ARN of an IAM role: `arn:<partition>:iam::<12 digits>:role/<path/>name`, 20 to 2048 characters.
///
/// ```
/// use rolecall_core::RoleArn;
///
/// let role = RoleArn::parse("arn:aws:iam::111122223333:role/team/shop/checkout").unwrap();
/// assert_eq!(role.account().as_str(), "111122223333");
/// assert_eq!((role.path(), role.name()), ("/team/shop/", "checkout"));
///
/// let error = RoleArn::parse("arn:aws:iam::1111:role/checkout").unwrap_err();
/// assert!(error.to_string().contains("the account id is not 12 digits"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleArn(String);

parsed_text!(RoleArn);

impl RoleArn {
    /// Parses a role's ARN.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        match fault(value) {
            None => Ok(Self(value.to_owned())),
            Some(fault) => Err(InvalidParameter::new(FIELD, value, fault, RULE)),
        }
    }

    fn field(&self, index: usize) -> &str {
        self.0.splitn(6, ':').nth(index).unwrap_or_default()
    }

    /// `aws`, `aws-cn`, `aws-us-gov`, ...
    pub fn partition(&self) -> &str {
        self.field(1)
    }

    /// The account that the role is in.
    pub fn account(&self) -> AccountId {
        AccountId(self.field(4).to_owned())
    }

    /// The path, which begins and ends with a slash; `/` for most roles.
    pub fn path(&self) -> &str {
        let resource = self.field(5).strip_prefix("role").unwrap_or_default();
        resource.rfind('/').map_or("/", |slash| &resource[..=slash])
    }

    /// The name, without the path.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

fn fault(value: &str) -> Option<String> {
    let length = value.chars().count();
    if !limits::ARN_LENGTH.contains(&length) {
        return Some(super::it_has(length));
    }
    if value.trim() != value {
        return Some("it begins or ends with white space".into());
    }
    let fields: Vec<&str> = value.splitn(6, ':').collect();
    let &[arn, partition, service, region, account, resource] = fields.as_slice() else {
        return Some("it has fewer than six fields between colons".into());
    };
    if arn != "arn" {
        return Some("it does not begin with \"arn:\"".into());
    }
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let aws = partition == "aws" || partition.starts_with("aws-");
    if !aws || !partition.split('-').all(word) {
        return Some(format!("{partition:?} is no partition"));
    }
    if service != "iam" {
        return Some(format!("its service is {service:?}, not \"iam\""));
    }
    if !region.is_empty() {
        return Some("roles have no Region".into());
    }
    if AccountId::parse(account).is_err() {
        return Some("the account id is not 12 digits".into());
    }
    let Some(path_and_name) = resource.strip_prefix("role/") else {
        return Some("it does not name a role".into());
    };
    let (path, name) = path_and_name.rsplit_once('/').unwrap_or(("", path_and_name));
    if !path.bytes().all(|b| (0x21..=0x7e).contains(&b)) || path_and_name.starts_with('/') {
        return Some("its path is not one".into());
    }
    let fault = limits::IAM_NAME.fault(name)?;
    Some(format!("the role's name {name:?}: {fault}"))
}

/// A 12-digit account id.
///
/// ```
/// use rolecall_core::AccountId;
/// assert_eq!(AccountId::parse("111122223333").unwrap().as_str(), "111122223333");
/// assert!(AccountId::parse("1111-2222-3333").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(String);

parsed_text!(AccountId);

impl AccountId {
    /// Parses an account id.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        if value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self(value.to_owned()));
        }
        let rule = "an account id is 12 digits, as 123456789012";
        Err(InvalidParameter::new("account id", value, "it is not 12 digits", rule))
    }
}
