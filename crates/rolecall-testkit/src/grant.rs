//! What a session carries beside its role: tags, a source identity, policies that narrow it.

use std::collections::{BTreeMap, BTreeSet};

use rolecall_core::limits::{MAX_POLICY_ARNS, MAX_POLICY_TEXT, MAX_TAGS};
use rolecall_core::{PolicyArn, SessionPolicy, SessionTags, SourceIdentity};
use rolecall_policy::{Context, PermissionPolicy, PolicyKind};

use crate::sts::{constraint, invalid, optional};
use crate::wire::{Fault, Form};
use crate::world::World;

/// What a session carries, and hands on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    pub(crate) tags: BTreeMap<String, String>,
    /// The keys of the tags that the next session in a role chain inherits.
    pub(crate) transitive: BTreeSet<String>,
    pub(crate) source_identity: Option<String>,
    /// Session policies, if there are any: the session may do what they, too, allow.
    pub(crate) policies: Option<Vec<PermissionPolicy>>,
    /// How full of policies and tags it is, in per cent.
    pub(crate) packed: u32,
}

impl Carried {
    /// The condition keys that its requests have.
    pub(crate) fn context(&self, mut context: Context) -> Context {
        for (key, value) in &self.tags {
            context = context.with(&format!("aws:PrincipalTag/{key}"), value);
        }
        match &self.source_identity {
            Some(identity) => context.with("aws:SourceIdentity", identity),
            None => context,
        }
    }
}

/// What a request asks to be carried.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    tags: SessionTags,
    source_identity: Option<SourceIdentity>,
    policy: Option<SessionPolicy>,
    policy_arns: Vec<PolicyArn>,
}

impl Asked {
    /// The parameters of AssumeRole.
    pub(crate) fn of_assume_role(form: &mut Form) -> Result<Self, Fault> {
        let mut asked = Self::of_policies(form)?;
        asked.tags = tags(form)?;
        let parse = SourceIdentity::parse;
        asked.source_identity = optional(form, "SourceIdentity", "sourceIdentity", parse)?;
        Ok(asked)
    }

    /// Those that both operations have.
    pub(crate) fn of_policies(form: &mut Form) -> Result<Self, Fault> {
        let policy = match form.take("Policy") {
            None => None,
            Some(long) if long.chars().count() > MAX_POLICY_TEXT => {
                let must = format!("have length less than or equal to {}", MAX_POLICY_TEXT);
                return Err(constraint("", "policy", &must));
            }
            Some(policy) => Some(SessionPolicy::parse(&policy).map_err(|_| {
                Fault::new(400, "MalformedPolicyDocument", "This policy contains invalid Json")
            })?),
        };
        let mut policy_arns = Vec::new();
        while let Some(arn) = form.take(&format!("PolicyArns.member.{}.arn", policy_arns.len() + 1))
        {
            let parsed = PolicyArn::parse(&arn);
            policy_arns.push(parsed.map_err(|error| constraint(&arn, "policyArns", &error.rule))?);
        }
        if policy_arns.len() > MAX_POLICY_ARNS {
            return Err(constraint("", "policyArns", "have length less than or equal to 10"));
        }
        Ok(Self { policy, policy_arns, ..Self::default() })
    }

    /// The claims that AWS gives a meaning to, of a token. (IAM User Guide, "Pass session tags in
    /// AWS STS".)
    pub(crate) fn with_claims(
        mut self,
        tags: &BTreeMap<String, Vec<String>>,
        transitive: &[String],
        source_identity: Option<&str>,
    ) -> Result<Self, Fault> {
        let wrong = |error: rolecall_core::InvalidParameter| invalid(error.to_string());
        for (key, values) in tags {
            let [value] = values.as_slice() else {
                return Err(invalid(format!("the claim's tag {key} has not one value")));
            };
            self.tags = self.tags.tag(key.as_str(), value.as_str()).map_err(wrong)?;
        }
        for key in transitive {
            self.tags = self.tags.transitive(key.as_str()).map_err(wrong)?;
        }
        self.source_identity =
            source_identity.map(SourceIdentity::parse).transpose().map_err(wrong)?;
        Ok(self)
    }

    /// The actions that the trust policy (and in another account the caller's own) must allow
    /// beside the operation.
    pub(crate) fn actions(&self, caller: &Carried) -> Vec<&'static str> {
        let tagging = !self.tags.is_empty();
        let naming = self.source_identity.is_some() || caller.source_identity.is_some();
        let both = [(tagging, "sts:TagSession"), (naming, "sts:SetSourceIdentity")];
        both.into_iter().filter_map(|(needed, action)| needed.then_some(action)).collect()
    }

    /// The condition keys that the request has.
    pub(crate) fn context(&self, caller: &Carried, mut context: Context) -> Context {
        for (key, value) in self.tags.iter() {
            context =
                context.with(&format!("aws:RequestTag/{key}"), value).with("aws:TagKeys", key);
        }
        for key in self.tags.transitive_keys() {
            context = context.with("sts:TransitiveTagKeys", key);
        }
        let identity = self.source_identity.as_ref().map(SourceIdentity::as_str);
        match identity.or(caller.source_identity.as_deref()) {
            Some(identity) => context.with("sts:SourceIdentity", identity),
            None => context,
        }
    }

    /// What the session carries, after every check but those of policies on the role.
    pub(crate) fn granted(
        self,
        caller: &Carried,
        account: &str,
        world: &World,
    ) -> Result<Carried, Fault> {
        let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
        let inherited: BTreeMap<String, String> = caller
            .tags
            .iter()
            .filter(|(key, _)| caller.transitive.contains(*key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let mut tags = inherited.clone();
        for (key, value) in self.tags.iter() {
            if inherited.keys().any(|held| same(held, key)) {
                return Err(Fault::new(
                    400,
                    "InvalidParameterValue",
                    "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag \
                     key from the calling session.",
                ));
            }
            tags.insert(key.to_owned(), value.to_owned());
        }
        let mut transitive: BTreeSet<String> = inherited.into_keys().collect();
        for key in self.tags.transitive_keys() {
            let Some(held) = tags.keys().find(|held| same(held, key)) else {
                let message =
                    "The specified transitive tag key must be included in the requested tags.";
                return Err(invalid(message));
            };
            transitive.insert(held.clone());
        }
        if tags.len() > MAX_TAGS {
            return Err(constraint("", "tags", "have length less than or equal to 50"));
        }
        let asked = self.source_identity.map(|identity| identity.to_string());
        let source_identity = match (&caller.source_identity, asked) {
            (Some(held), Some(asked)) if *held != asked => {
                return Err(Fault::new(
                    403,
                    "AccessDenied",
                    "the source identity of a session cannot be changed",
                )
                .because("the calling session has another source identity"));
            }
            (held, asked) => held.clone().or(asked),
        };

        let text = |text: &str| text.chars().count();
        let inline = self.policy.as_ref().map_or(0, |policy| text(policy.as_str()));
        let arns: usize = self.policy_arns.iter().map(|arn| text(arn.as_str())).sum();
        if inline + arns > MAX_POLICY_TEXT {
            return Err(constraint("", "policy", "have length less than or equal to 2048"));
        }
        let of_tags: usize = tags.iter().map(|(key, value)| text(key) + text(value)).sum();
        let packed = (inline + arns + of_tags) * 100;
        let packed = u32::try_from(packed.div_ceil(PACKED_ROOM)).unwrap_or(u32::MAX);
        if packed > 100 {
            let message =
                format!("Packed size of session tags consumes {packed}% of allotted space.");
            return Err(Fault::new(400, "PackedPolicyTooLarge", message));
        }
        let mut policies = Vec::new();
        if let Some(policy) = &self.policy {
            let parsed = PermissionPolicy::parse_as(PolicyKind::Session, policy.as_str());
            let malformed = |error: rolecall_policy::PolicyError| {
                Fault::new(400, "MalformedPolicyDocument", error.to_string())
            };
            policies.push(parsed.map_err(malformed)?);
        }
        for arn in &self.policy_arns {
            let policy = world.managed_policy(account, arn.as_str()).ok_or_else(|| {
                let message = "At least one Policy ARN in the PolicyArns parameter does not match an existing IAM \
                               Managed Policy ARN.";
                invalid(message)
            })?;
            policies.push(policy);
        }
        let narrowed = self.policy.is_some() || !self.policy_arns.is_empty();
        let policies = narrowed.then_some(policies);
        Ok(Carried { tags, transitive, source_identity, policies, packed })
    }
}

/// STS packs policies and tags in a way of its own; here their characters count, up to this many.
const PACKED_ROOM: usize = 4096;

fn tags(form: &mut Form) -> Result<SessionTags, Fault> {
    let mut tags = SessionTags::new();
    let wrong = |error: rolecall_core::InvalidParameter| {
        constraint(&error.value, "tags", &format!("be valid: {}; {}", error.fault, error.rule))
    };
    for index in 1.. {
        let Some(key) = form.take(&format!("Tags.member.{index}.Key")) else { break };
        let value = form.take(&format!("Tags.member.{index}.Value"));
        let value = value.ok_or_else(|| constraint("null", "tags", "have a value"))?;
        tags = tags.tag(key, value).map_err(wrong)?;
    }
    for index in 1.. {
        let Some(key) = form.take(&format!("TransitiveTagKeys.member.{index}")) else { break };
        tags = tags.transitive(key).map_err(wrong)?;
    }
    Ok(tags)
}
