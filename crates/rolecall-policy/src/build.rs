//! Policies from what they are for: typed access in, documents out.
//!
//! A builder takes names, never patterns: a `*` in its input is an error, and a prefix ends in `/`, so that what is let
//! in is what was named.

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
    /// Writes a policy.
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

/// Writes a [`PermissionPolicy`]: what its sessions may do. Everything else stays denied.
///
/// ```
/// use rolecall_policy::{Context, Decision, PermissionPolicy, S3Access};
/// let policy = PermissionPolicy::builder().s3(S3Access::under("shop-data", ["orders/"])?.read()).build()?;
/// let may = |key: &str| policy.evaluate("s3:GetObject", &format!("arn:aws:s3:::shop-data/{key}"), &Context::new());
/// assert_eq!(may("orders/2026/1.json"), Decision::Allow);
/// assert_eq!(may("invoices/2026/1.json"), Decision::ImplicitDeny);
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
    /// The partition that resources are in; `aws` if it is not said.
    pub fn partition(mut self, partition: &str) -> Result<Self, PolicyError> {
        let good = partition.starts_with("aws")
            && partition.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        if !good {
            let rule = "one of aws, aws-cn, aws-us-gov and the like";
            return Err(fault("partition", format!("{partition:?} is not {rule}")));
        }
        partition.clone_into(&mut self.partition);
        Ok(self)
    }

    /// With access to a bucket.
    pub fn s3(mut self, access: S3Access) -> Self {
        self.grants.extend(access.grants());
        self
    }

    /// With access to secrets.
    pub fn secrets(mut self, access: SecretsAccess) -> Self {
        self.grants.push(access.grant());
        self
    }

    /// With access to image repositories.
    pub fn ecr(mut self, access: EcrAccess) -> Self {
        self.grants.extend(access.grants());
        self
    }

    /// May assume these roles, by their ARNs; their trust policies must let it, too.
    ///
    /// ```
    /// use rolecall_policy::PermissionPolicy;
    /// let policy = PermissionPolicy::builder().assume_roles(["arn:aws:iam::444455556666:role/orders"])?.build()?;
    /// let error = PermissionPolicy::builder().assume_roles(["arn:aws:iam::444455556666:role/*"]).unwrap_err();
    /// assert_eq!(error.to_string(), r#"role: "arn:aws:iam::444455556666:role/*": a principal has no wildcard in it"#);
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
                    return Err(fault("role", format!("{value:?} is no role's ARN")));
                }
                Err(why) => return Err(fault("role", why)),
            }
        }
        if resources.is_empty() {
            return Err(fault("role", "there is none: name at least one role's ARN"));
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

    /// The policy. An error if it would allow nothing.
    pub fn build(self) -> Result<PermissionPolicy, PolicyError> {
        if self.grants.is_empty() {
            return Err(fault("policy", "it allows nothing: add s3, secrets, ecr or assume_roles"));
        }
        let mut statements: Vec<PermissionStatement> = Vec::new();
        for grant in &self.grants {
            if grant.actions.is_empty() {
                let methods = grant.methods;
                return Err(fault(grant.sid, format!("it allows nothing: call {methods}")));
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
                    vec![condition.map_err(|why| fault(grant.sid, why))?]
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

fn fault(place: &str, fault: impl Into<String>) -> PolicyError {
    PolicyError { place: place.to_owned(), fault: fault.into() }
}

/// Prefixes as they stand in ARNs: each ends in `/` and holds nothing that IAM would take for a pattern.
fn prefixes<P: Into<String>>(
    given: impl IntoIterator<Item = P>,
    known: impl Fn(char) -> bool,
) -> Result<Vec<String>, PolicyError> {
    let mut prefixes = Vec::new();
    for prefix in given {
        let prefix: String = prefix.into();
        if prefix.contains(['*', '?']) || prefix.contains("${") {
            let why = "a prefix is a name, not a pattern: leave *, ? and ${ out";
            return Err(fault("prefix", format!("{prefix:?}: {why}")));
        }
        if !prefix.ends_with('/') || prefix == "/" {
            return Err(fault(
                "prefix",
                format!(
                    "{prefix:?} must be a name that ends in \"/\": without it, {:?} would be let in too",
                    format!("{prefix}-other")
                ),
            ));
        }
        if let Some(c) = prefix.chars().find(|c| !known(*c)) {
            return Err(fault("prefix", format!("{prefix:?}: no name has the character {c:?}")));
        }
        prefixes.push(prefix);
    }
    if prefixes.is_empty() {
        return Err(fault("prefix", "there is none: name at least one, as \"shop/\""));
    }
    Ok(prefixes)
}

/// Resources with a Region and an account in their ARNs, under prefixes, and what may be done to them.
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
        return Err(fault("Region", format!("{region:?} is no Region, as \"eu-west-1\"")));
    }
    Ok(region.to_owned())
}

fn account(account: &str) -> Result<String, PolicyError> {
    if is_account(account) {
        return Ok(account.to_owned());
    }
    Err(fault("account", format!("{account:?} is no account: an account id has 12 digits")))
}

#[cfg(test)]
mod tests;
