use super::{InvalidParameter, length_fault, limits, shown, text_parameter};

const FIELD: &str = "role ARN";
const RULE: &str = "arn:<partition>:iam::<account>:role/<name> of 20 to 2048 characters, such as \
                    arn:aws:iam::123456789012:role/checkout";

/// The ARN of an IAM role.
///
/// Has the form `arn:<partition>:iam::<account>:role/<path/><name>`, with 20 to 2048 characters.
///
/// # Examples
///
/// ```
/// use rolecall_core::RoleArn;
///
/// let role = RoleArn::parse("arn:aws:iam::111122223333:role/team/shop/checkout")?;
/// assert_eq!(role.account().as_str(), "111122223333");
/// assert_eq!((role.path(), role.name()), ("/team/shop/", "checkout"));
///
/// let error = RoleArn::parse("arn:aws:iam::1111:role/checkout").unwrap_err();
/// assert!(error.to_string().contains("the account id is not 12 digits"));
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleArn(Box<str>);

text_parameter!(RoleArn);

impl RoleArn {
    /// Parses the ARN of a role.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value is not the ARN of a role.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        match find_fault(value) {
            None => Ok(Self(value.into())),
            Some(fault) => Err(InvalidParameter::new(FIELD, value, fault, RULE)),
        }
    }

    fn field(&self, index: usize) -> &str {
        // At most six fields: colons after the fifth one belong to the path of the role.
        self.0.splitn(6, ':').nth(index).unwrap_or_default()
    }

    /// Returns the partition: `aws`, `aws-cn`, `aws-us-gov` or another.
    pub fn partition(&self) -> &str {
        self.field(1)
    }

    /// Returns the account of the role.
    pub fn account(&self) -> AccountId {
        AccountId(self.field(4).into())
    }

    /// Returns the path, which starts and ends with a slash. Most roles have the path `/`.
    pub fn path(&self) -> &str {
        let resource = self.field(5).strip_prefix("role").unwrap_or_default();
        resource.rfind('/').map_or("/", |slash| &resource[..=slash])
    }

    /// Returns the name of the role, without its path.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

fn find_fault(value: &str) -> Option<String> {
    let length = value.chars().count();
    if !limits::ARN_LENGTH.contains(&length) {
        return Some(length_fault(length));
    }
    // Named separately from other faults, since it is invisible in the value: a line feed at the
    // end of a file or of a variable.
    if value.trim() != value {
        return Some("it has leading or trailing white space".into());
    }
    let fields: Vec<&str> = value.splitn(6, ':').collect();
    let &[arn, partition, service, region, account, resource] = fields.as_slice() else {
        return Some("it has fewer than six fields separated by colons".into());
    };
    if arn != "arn" {
        return Some("it does not begin with \"arn:\"".into());
    }
    if !is_partition(partition) {
        return Some(format!("\"{}\" is not a partition", shown(partition)));
    }
    if service != "iam" {
        return Some(format!("its service is \"{}\", not \"iam\"", shown(service)));
    }
    if !region.is_empty() {
        let region = shown(region);
        return Some(format!("it names the Region \"{region}\", and roles have no Region"));
    }
    if AccountId::parse(account).is_err() {
        return Some("the account id is not 12 digits".into());
    }
    let Some(path_and_name) = resource.strip_prefix("role/") else {
        return Some("it does not name a role".into());
    };
    let (path, name) = path_and_name.rsplit_once('/').unwrap_or(("", path_and_name));
    // IAM allows all printable ASCII characters in a path, slashes in a row included.
    if !path.bytes().all(|b| (0x21..=0x7e).contains(&b)) || path_and_name.starts_with('/') {
        return Some("its path is not valid".into());
    }
    let fault = limits::IAM_NAME.fault(name)?;
    // Without the name: it may be the end of a secret, whose start the error about it would need.
    Some(format!("the role name is not valid: {fault}"))
}

/// Returns `true` for `aws` and for names of the form `aws-<words>`, so that partitions which AWS
/// adds later are accepted.
pub(super) fn is_partition(partition: &str) -> bool {
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    (partition == "aws" || partition.starts_with("aws-")) && partition.split('-').all(is_word)
}

/// The id of an AWS account: 12 digits.
///
/// # Examples
///
/// ```
/// use rolecall_core::AccountId;
/// assert_eq!(AccountId::parse("111122223333")?.as_str(), "111122223333");
/// assert!(AccountId::parse("1111-2222-3333").is_err());
/// # Ok::<(), rolecall_core::InvalidParameter>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(Box<str>);

text_parameter!(AccountId);

impl AccountId {
    /// Parses an account id.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidParameter`] if the value is not 12 digits.
    pub fn parse(value: &str) -> Result<Self, InvalidParameter> {
        if value.len() == 12 && value.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self(value.into()));
        }
        let rule = "12 digits, such as 123456789012";
        Err(InvalidParameter::new("account id", value, "it is not 12 digits", rule))
    }
}
