use super::check::{fault, iam_arn};
use super::partition::Placed;
use super::permission::{Grant, Resource};
use super::session_rules::{SessionRules, Step, session_rule_methods};
use super::session_tags::AllowedSessionTags;
use crate::error::PolicyError;

/// Permission to assume roles, named by their ARNs, and to add session tags and a source identity
/// to their sessions.
///
/// The trust policies of the roles must allow the same; see
/// [`TrustedPrincipal`](crate::TrustedPrincipal).
///
/// # Examples
///
/// ```
/// use rolecall_policy::{AllowedSessionTags, AssumeRoleAccess, PermissionPolicy};
/// let access = AssumeRoleAccess::new(["arn:aws:iam::444455556666:role/orders"])?
///     .session_tags(AllowedSessionTags::new().optional("team", ["blue"])?)?
///     .source_identity(["ann"])?;
/// let policy = PermissionPolicy::builder().assume_role(access).build()?;
/// assert_eq!(policy.to_json(), r#"{
///   "Version": "2012-10-17",
///   "Statement": [
///     {
///       "Sid": "AssumeRoles",
///       "Effect": "Allow",
///       "Action": "sts:AssumeRole",
///       "Resource": "arn:aws:iam::444455556666:role/orders",
///       "Condition": {
///         "StringEquals": {
///           "sts:SourceIdentity": "ann"
///         }
///       }
///     },
///     {
///       "Sid": "TagSession",
///       "Effect": "Allow",
///       "Action": "sts:TagSession",
///       "Resource": "arn:aws:iam::444455556666:role/orders",
///       "Condition": {
///         "StringEqualsIfExists": {
///           "aws:RequestTag/team": "blue"
///         },
///         "ForAllValues:StringEquals": {
///           "aws:TagKeys": "team",
///           "sts:TransitiveTagKeys": ""
///         }
///       }
///     },
///     {
///       "Sid": "SetSourceIdentity",
///       "Effect": "Allow",
///       "Action": "sts:SetSourceIdentity",
///       "Resource": "arn:aws:iam::444455556666:role/orders",
///       "Condition": {
///         "StringEquals": {
///           "sts:SourceIdentity": "ann"
///         }
///       }
///     }
///   ]
/// }"#);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct AssumeRoleAccess {
    roles: Vec<String>,
    rules: SessionRules,
}

impl AssumeRoleAccess {
    /// Creates access to these roles, by their ARNs.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `roles` is empty, or if one of them is not the ARN of a role.
    pub fn new<R: Into<String>>(roles: impl IntoIterator<Item = R>) -> Result<Self, PolicyError> {
        let roles: Vec<String> = roles.into_iter().map(Into::into).collect();
        for role in &roles {
            iam_arn("role", role)?;
        }
        if roles.is_empty() {
            return Err(fault("role", "no role is given; hint: pass at least one role ARN"));
        }
        Ok(Self { roles, rules: SessionRules::default() })
    }

    session_rule_methods! {
        "Allows passing these session tags: `sts:TagSession`.",
        "Requires a source identity, one of these: `sts:SetSourceIdentity`.",
        "Allows setting any source identity, or none. A session passes the source identity that it \
         was given on to the next role of a chain, which takes this permission.",
    }

    pub(super) fn placed(&self) -> Vec<Placed> {
        self.roles.iter().filter_map(|role| Placed::arn(role)).collect()
    }

    pub(super) fn grants(self) -> Vec<Grant> {
        let steps = self.rules.steps("sts:AssumeRole", &[], &[]);
        let resources: Vec<Resource> = self.roles.into_iter().map(Resource::Arn).collect();
        let grant = |Step { action, tests }| {
            let sid = match action {
                "sts:TagSession" => "TagSession",
                "sts:SetSourceIdentity" => "SetSourceIdentity",
                _ => "AssumeRoles",
            };
            let grant = Grant::allow(sid, vec![action]).on(resources.clone());
            Grant { tests, ..grant }
        };
        steps.into_iter().map(grant).collect()
    }
}
