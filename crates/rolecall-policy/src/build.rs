//! Builders of policies: typed access in, documents out.
//!
//! A builder takes names, never patterns: a `*` in its input is an error, and a prefix ends in `/`,
//! so that a policy grants only what was named.

mod ecr;
mod s3;
mod secrets;
mod trust;

pub use ecr::EcrAccess;
pub use s3::S3Access;
pub use secrets::SecretsAccess;
pub use trust::{TrustPolicyBuilder, TrustedPrincipal, TrustedServiceAccount};

use crate::condition::Condition;
use crate::model::{
    Document, Effect, OneOf, PermissionPolicy, PermissionStatement, Principal, StatementCore,
    Version, is_account,
};
use crate::parse::PolicyError;
use crate::pattern::Pattern;

impl PermissionPolicy {
    /// Creates a builder of a permission policy.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::{PermissionPolicy, S3Access, SecretsAccess};
    /// let policy = PermissionPolicy::builder()
    ///     .s3(S3Access::under("shop-data", ["orders/"])?.list().read())
    ///     .secrets(SecretsAccess::under("eu-west-1", ["shop/", "common/"])?.read())
    ///     .build()?;
    /// println!("{}", policy.to_json());
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn builder() -> PermissionPolicyBuilder {
        PermissionPolicyBuilder { partition: "aws".into(), grants: Vec::new() }
    }
}

/// A builder of a [`PermissionPolicy`]. The policy allows only the access that is added.
///
/// # Examples
///
/// ```
/// use rolecall_policy::{Context, Decision, PermissionPolicy, S3Access};
/// let orders = S3Access::under("shop-data", ["orders/"])?.read();
/// let policy = PermissionPolicy::builder().s3(orders).build()?;
/// let decide = |key: &str| {
///     let object = format!("arn:aws:s3:::shop-data/{key}");
///     policy.evaluate("s3:GetObject", &object, &Context::new())
/// };
/// assert_eq!(decide("orders/2026/1.json"), Decision::Allow);
/// assert_eq!(decide("invoices/2026/1.json"), Decision::ImplicitDeny);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PermissionPolicyBuilder {
    partition: String,
    grants: Vec<Grant>,
}

/// What may be done, before the partition is known.
#[derive(Clone, Debug)]
struct Grant {
    sid: &'static str,
    actions: Vec<&'static str>,
    resources: Vec<Resource>,
    condition: Option<(&'static str, &'static str, Vec<String>)>,
    /// What to call when `actions` is empty.
    methods: &'static str,
}

#[derive(Clone, Debug)]
enum Resource {
    All,
    /// What follows `arn:<partition>:`.
    Arn(String),
    Whole(String),
}

impl PermissionPolicyBuilder {
    /// Sets the partition of the resources. Defaults to `aws`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `partition` is not the name of a partition.
    pub fn partition(mut self, partition: &str) -> Result<Self, PolicyError> {
        let good = partition.starts_with("aws")
            && partition.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        if !good {
            let rule = "a partition, such as aws, aws-cn or aws-us-gov";
            return Err(fault("partition", format!("{partition:?} is not {rule}")));
        }
        partition.clone_into(&mut self.partition);
        Ok(self)
    }

    /// Allows access to an S3 bucket.
    pub fn s3(mut self, access: S3Access) -> Self {
        self.grants.extend(access.grants());
        self
    }

    /// Allows access to secrets in Secrets Manager.
    pub fn secrets(mut self, access: SecretsAccess) -> Self {
        self.grants.push(access.grant());
        self
    }

    /// Allows access to image repositories in ECR.
    pub fn ecr(mut self, access: EcrAccess) -> Self {
        self.grants.extend(access.grants());
        self
    }

    /// Allows `sts:AssumeRole` on these roles, by their ARNs. The trust policies of the roles must
    /// allow the call as well.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `roles` is empty, or if one of them is not the ARN of a role.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::PermissionPolicy;
    /// let orders = "arn:aws:iam::444455556666:role/orders";
    /// let policy = PermissionPolicy::builder().assume_roles([orders])?.build()?;
    ///
    /// let all = "arn:aws:iam::444455556666:role/*";
    /// let error = PermissionPolicy::builder().assume_roles([all]).unwrap_err();
    /// assert_eq!(error.to_string(), format!("role: {all:?} contains a wildcard"));
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn assume_roles<R: Into<String>>(
        mut self,
        roles: impl IntoIterator<Item = R>,
    ) -> Result<Self, PolicyError> {
        let mut resources = Vec::new();
        for role in roles {
            match Principal::aws(&role.into()) {
                Ok(Principal::Role(arn)) => resources.push(Resource::Whole(arn)),
                Ok(other) => {
                    let (_, value) = other.kind_and_value();
                    return Err(fault("role", format!("{value:?} is not the ARN of a role")));
                }
                Err(error) => return Err(error.at("role")),
            }
        }
        if resources.is_empty() {
            return Err(fault("role", "no role is given; hint: pass at least one role ARN"));
        }
        self.grants.push(Grant {
            sid: "AssumeRoles",
            actions: vec!["sts:AssumeRole"],
            resources,
            condition: None,
            methods: "",
        });
        Ok(self)
    }

    /// Builds the policy.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if the policy would allow nothing, or if an access was added without
    /// an action.
    pub fn build(self) -> Result<PermissionPolicy, PolicyError> {
        if self.grants.is_empty() {
            let what = "no access is allowed; hint: call s3, secrets, ecr or assume_roles";
            return Err(fault("policy", what));
        }
        let mut statements: Vec<PermissionStatement> = Vec::new();
        for grant in &self.grants {
            if grant.actions.is_empty() {
                let methods = grant.methods;
                let what = format!("no action is allowed; hint: call {methods}");
                return Err(fault(grant.sid, what));
            }
            let same = |statement: &&PermissionStatement| {
                let sid = statement.core.sid.as_deref().unwrap_or_default();
                sid.trim_end_matches(|c: char| c.is_ascii_digit()) == grant.sid
            };
            // Sids are unique in a policy.
            let sid = match statements.iter().filter(same).count() {
                0 => grant.sid.to_owned(),
                earlier => format!("{}{}", grant.sid, earlier + 1),
            };
            let arn = |resource: &Resource| match resource {
                Resource::All => "*".to_owned(),
                Resource::Arn(rest) => format!("arn:{}:{rest}", self.partition),
                Resource::Whole(arn) => arn.clone(),
            };
            let conditions = match &grant.condition {
                None => Vec::new(),
                Some((operator, key, values)) => {
                    let condition = Condition::new(operator, key, values.iter().cloned());
                    vec![condition.map_err(|error| error.at(grant.sid))?]
                }
            };
            statements.push(PermissionStatement {
                core: StatementCore {
                    sid: Some(sid),
                    effect: Effect::Allow,
                    actions: one_of(grant.actions.iter().copied()),
                    conditions,
                },
                resources: one_of(grant.resources.iter().map(arn)),
            });
        }
        let document = Document { version: Version::V2012, id: None, statements };
        Ok(PermissionPolicy { document })
    }
}

fn one_of<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> OneOf {
    OneOf { patterns: texts.into_iter().map(Pattern::new).collect(), negated: false }
}

fn fault(location: &str, message: impl Into<String>) -> PolicyError {
    PolicyError::new(location, message)
}

/// Prefixes as they stand in ARNs: each ends in `/` and holds nothing that IAM would take for a
/// pattern.
fn prefixes<P: Into<String>>(
    given: impl IntoIterator<Item = P>,
    known: impl Fn(char) -> bool,
) -> Result<Vec<String>, PolicyError> {
    let mut prefixes = Vec::new();
    for prefix in given {
        let prefix: String = prefix.into();
        if prefix.contains(['*', '?']) || prefix.contains("${") {
            let why = "contains a wildcard or a policy variable; hint: remove *, ? and ${";
            return Err(fault("prefix", format!("{prefix:?} {why}")));
        }
        if !prefix.ends_with('/') || prefix == "/" {
            return Err(fault(
                "prefix",
                format!(
                    "{prefix:?} is not a name that ends in \"/\", and would include {:?}; hint: end \
                     the prefix in \"/\"",
                    format!("{prefix}-other")
                ),
            ));
        }
        if let Some(c) = prefix.chars().find(|c| !known(*c)) {
            return Err(fault(
                "prefix",
                format!("{prefix:?} contains {c:?}, which is not allowed in names"),
            ));
        }
        prefixes.push(prefix);
    }
    if prefixes.is_empty() {
        return Err(fault(
            "prefix",
            "no prefix is given; hint: pass at least one, such as \"shop/\"",
        ));
    }
    Ok(prefixes)
}

/// Resources with a Region and an account in their ARNs, under prefixes, and what may be done to
/// them.
#[derive(Clone, Debug)]
struct Regional {
    region: String,
    /// Any, if it is not said.
    account: Option<String>,
    prefixes: Vec<String>,
    actions: Vec<&'static str>,
}

impl Regional {
    fn under<P: Into<String>>(
        region_name: &str,
        under: impl IntoIterator<Item = P>,
        known: impl Fn(char) -> bool,
    ) -> Result<Self, PolicyError> {
        let (region, prefixes) = (region(region_name)?, prefixes(under, known)?);
        Ok(Self { region, account: None, prefixes, actions: Vec::new() })
    }

    fn in_account(mut self, id: &str) -> Result<Self, PolicyError> {
        self.account = Some(account(id)?);
        Ok(self)
    }

    fn may(mut self, actions: &[&'static str]) -> Self {
        for action in actions {
            if !self.actions.contains(action) {
                self.actions.push(action);
            }
        }
        self
    }

    /// `kind` is what stands before a resource's name.
    fn grant(self, sid: &'static str, service: &str, kind: &str, methods: &'static str) -> Grant {
        let Self { region, account, prefixes, actions } = self;
        let account = account.unwrap_or_else(|| "*".into());
        let resource =
            |prefix| Resource::Arn(format!("{service}:{region}:{account}:{kind}{prefix}*"));
        let resources = prefixes.into_iter().map(resource).collect();
        Grant { sid, actions, resources, condition: None, methods }
    }
}

fn region(region: &str) -> Result<String, PolicyError> {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if region.is_empty() || !region.contains('-') || !region.bytes().all(known) {
        return Err(fault("Region", format!("{region:?} is not a Region, such as \"eu-west-1\"")));
    }
    Ok(region.to_owned())
}

fn account(account: &str) -> Result<String, PolicyError> {
    if is_account(account) {
        return Ok(account.to_owned());
    }
    Err(fault("account", format!("{account:?} is not an account id of 12 digits")))
}

#[cfg(test)]
mod tests;
