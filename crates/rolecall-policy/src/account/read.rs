//! Reads the description of an account.
//!
//! (IAM API Reference, "GetAccountAuthorizationDetails".)

use std::collections::{HashMap, HashSet};

use super::decode::percent_decode;
use super::details::{AccountDetails, Identity, PolicyName, Role};
use crate::arn::Arn;
use crate::error::PolicyError;
use crate::json::{Json, JsonError, Member, Value};
use crate::limits::PolicyKind;
use crate::lines::Lines;
use crate::model::Document;
use crate::policy::{PermissionPolicy, TrustPolicy};
use crate::principal::Principal;
use crate::read::{json_error, read_value, read_value_in};

/// The longest description that is read, in bytes.
const MAX_BYTES: usize = 64 * 1_048_576;
/// The most users, groups, roles or policies. IAM's quotas are lower by a factor of five at least.
const MAX_ENTITIES: usize = 50_000;

const EXPORT: &str = "hint: run aws iam get-account-authorization-details without --filter, \
                      --query and --max-items";

type Parsed<T> = Result<T, PolicyError>;

pub(super) fn read(text: &str) -> Parsed<AccountDetails> {
    if text.len() > MAX_BYTES {
        let message = format!("{} bytes; the most that is read is {MAX_BYTES}", text.len());
        return Err(PolicyError::new("description", message));
    }
    let mut reader = Reader {
        lines: Lines::of(text),
        account: None,
        managed: HashMap::new(),
        groups: HashMap::new(),
        uses: HashMap::new(),
        arns: HashSet::new(),
    };
    let json = Json::parse(text).map_err(|error| json_error(text, error))?;
    reader.details(json)
}

struct Reader<'t> {
    lines: Lines<'t>,
    account: Option<String>,
    managed: HashMap<String, Managed>,
    groups: HashMap<String, Attached>,
    /// By the ARN of a managed policy: how many users, groups and roles have it attached, and how
    /// many users and roles have it as their boundary.
    uses: HashMap<String, [u64; 2]>,
    arns: HashSet<String>,
}

struct Managed {
    name: PolicyName,
    policy: PermissionPolicy,
    /// What the policy says of its uses.
    counts: [u64; 2],
}

/// The policies of a user, group or role.
#[derive(Clone, Default)]
struct Attached {
    policies: Vec<PermissionPolicy>,
    names: Vec<PolicyName>,
}

/// The members of an object, taken out one by one.
struct Members<'a> {
    members: Vec<Member<'a>>,
    offset: usize,
}

impl<'a> Members<'a> {
    /// A member that is `null` counts as absent.
    fn take(&mut self, key: &str) -> Option<Json<'a>> {
        let index = self.members.iter().position(|member| member.key == key)?;
        let value = self.members.swap_remove(index).value;
        (value.value != Value::Null).then_some(value)
    }
}

impl<'a> Reader<'_> {
    fn error(&self, location: &str, offset: usize, message: impl Into<String>) -> PolicyError {
        let position = Some(self.lines.position(offset));
        PolicyError { location: location.to_owned(), position, message: message.into() }
    }

    fn members(&self, location: &str, json: Json<'a>) -> Parsed<Members<'a>> {
        let kind = json.kind();
        match json.value {
            Value::Object(members) => Ok(Members { members, offset: json.offset }),
            _ => {
                let message = format!("expected an object, found {kind}");
                Err(self.error(location, json.offset, message))
            }
        }
    }

    fn string(&self, location: &str, members: &mut Members<'a>, key: &str) -> Parsed<String> {
        match self.optional_string(location, members, key)? {
            Some(text) => Ok(text),
            None => Err(self.error(location, members.offset, format!("{key} is missing"))),
        }
    }

    fn optional_string(
        &self,
        location: &str,
        members: &mut Members<'a>,
        key: &str,
    ) -> Parsed<Option<String>> {
        let Some(json) = members.take(key) else { return Ok(None) };
        let kind = json.kind();
        match json.value {
            Value::String(text) => Ok(Some(text.into_owned())),
            _ => {
                let message = format!("expected a string, found {kind}");
                Err(self.error(&format!("{location}.{key}"), json.offset, message))
            }
        }
    }

    /// Returns the items of a list with the location of each, or none if the list is absent.
    fn list(
        &self,
        location: &str,
        members: &mut Members<'a>,
        key: &str,
    ) -> Parsed<Vec<(String, Json<'a>)>> {
        let Some(json) = members.take(key) else { return Ok(Vec::new()) };
        let location = if location.is_empty() { key.into() } else { format!("{location}.{key}") };
        let kind = json.kind();
        let message = match json.value {
            Value::List(items) if items.len() <= MAX_ENTITIES => {
                let items = items.into_iter().enumerate();
                return Ok(items
                    .map(|(index, item)| (format!("{location}[{index}]"), item))
                    .collect());
            }
            Value::List(items) => {
                format!("{} items; the most that is read is {MAX_ENTITIES}", items.len())
            }
            _ => format!("expected a list, found {kind}"),
        };
        Err(self.error(&location, json.offset, message))
    }

    fn details(&mut self, json: Json<'a>) -> Parsed<AccountDetails> {
        let mut members = self.members("description", json)?;
        let truncated =
            matches!(members.take("IsTruncated"), Some(Json { value: Value::Bool(true), .. }));
        if truncated || members.take("NextToken").is_some() || members.take("Marker").is_some() {
            let message = format!("this is one page of several; {EXPORT}");
            return Err(self.error("description", members.offset, message));
        }
        let keys = ["Policies", "GroupDetailList", "UserDetailList", "RoleDetailList"];
        for key in keys {
            if !members.members.iter().any(|member| member.key == key) {
                let message = format!("{key} is missing; {EXPORT}");
                return Err(self.error("description", members.offset, message));
            }
        }
        let [policies, groups, users, roles] = keys.map(|key| self.list("", &mut members, key));
        for (location, json) in policies? {
            self.managed_policy(&location, json)?;
        }
        for (location, json) in groups? {
            self.group(&location, json)?;
        }
        let mut identities = Vec::new();
        for (location, json) in users? {
            identities.push(self.identity(&location, json, "User")?);
        }
        for (location, json) in roles? {
            identities.push(self.identity(&location, json, "Role")?);
        }
        let Some(account) = self.account.take() else {
            let message = "no user, group, role or policy tells the account id";
            return Err(self.error("description", members.offset, message));
        };
        Ok(AccountDetails { account, identities, gaps: self.gaps() })
    }

    fn managed_policy(&mut self, location: &str, json: Json<'a>) -> Parsed<()> {
        let mut members = self.members(location, json)?;
        let offset = members.offset;
        let arn = self.string(location, &mut members, "Arn")?;
        let name = self.optional_string(location, &mut members, "PolicyName")?;
        let name = name.or_else(|| arn.rsplit('/').next().map(str::to_owned)).unwrap_or_default();
        let of_aws = Arn::parse(&arn).is_some_and(|arn| arn.account == "aws");
        let kind = if of_aws { PolicyKind::AwsManaged } else { PolicyKind::Managed };
        if !of_aws {
            self.owned(location, offset, &arn)?;
        }
        let default = self.optional_string(location, &mut members, "DefaultVersionId")?;
        let counts = ["AttachmentCount", "PermissionsBoundaryUsageCount"].map(|key| match members
            .take(key)
            .map(|json| json.value)
        {
            Some(Value::Number(text)) => text.parse().unwrap_or(0),
            _ => 0,
        });
        let mut document = None;
        for (location, json) in self.list(location, &mut members, "PolicyVersionList")? {
            let mut version = self.members(&location, json)?;
            let id = self.optional_string(&location, &mut version, "VersionId")?;
            let is_default = match version.take("IsDefaultVersion").map(|json| json.value) {
                Some(Value::Bool(is_default)) => is_default,
                _ => id.is_some() && id == default,
            };
            if !is_default {
                continue;
            }
            let location = format!("{location}.Document");
            let Some(json) = version.take("Document") else {
                return Err(self.error(&location, version.offset, "Document is missing"));
            };
            document = Some(self.document(&location, kind, json)?);
        }
        let Some(document) = document else {
            let message = format!("the policy {arn:?} has no default version; {EXPORT}");
            return Err(self.error(location, offset, message));
        };
        self.unique(location, offset, &arn)?;
        let policy = PermissionPolicy::from_document(document);
        let name = PolicyName { name, arn: Some(arn.clone()), group: None };
        self.managed.insert(arn, Managed { name, policy, counts });
        Ok(())
    }

    fn group(&mut self, location: &str, json: Json<'a>) -> Parsed<()> {
        let mut members = self.members(location, json)?;
        let offset = members.offset;
        let arn = self.string(location, &mut members, "Arn")?;
        self.owned(location, offset, &arn)?;
        self.unique(location, offset, &arn)?;
        let name = self.string(location, &mut members, "GroupName")?;
        let mut attached = self.attached(location, &mut members, "GroupPolicyList")?;
        for policy in &mut attached.names {
            policy.group = Some(name.clone());
        }
        self.groups.insert(name, attached);
        Ok(())
    }

    fn identity(&mut self, location: &str, json: Json<'a>, kind: &str) -> Parsed<Identity> {
        let mut members = self.members(location, json)?;
        let offset = members.offset;
        let arn = self.string(location, &mut members, "Arn")?;
        let is_kind = match Principal::aws(&arn) {
            Ok(Principal::User(_)) => kind == "User",
            Ok(Principal::Role(_)) => kind == "Role",
            _ => false,
        };
        if !is_kind {
            let message = format!("{arn:?} is not the ARN of a {}", kind.to_lowercase());
            return Err(self.error(&format!("{location}.Arn"), offset, message));
        }
        let account = self.owned(location, offset, &arn)?;
        self.unique(location, offset, &arn)?;
        let name = self.string(location, &mut members, &format!("{kind}Name"))?;
        let id = self.optional_string(location, &mut members, &format!("{kind}Id"))?;
        let path = self.optional_string(location, &mut members, "Path")?;
        let mut attached = self.attached(location, &mut members, &format!("{kind}PolicyList"))?;
        for (location, json) in self.list(location, &mut members, "GroupList")? {
            let group = match &json.value {
                Value::String(name) => self.groups.get(name.as_ref()),
                _ => return Err(self.error(&location, json.offset, "expected a group's name")),
            };
            let Some(group) = group else {
                let message = format!("the group is not in GroupDetailList; {EXPORT}");
                return Err(self.error(&location, json.offset, message));
            };
            attached.policies.extend(group.policies.iter().cloned());
            attached.names.extend(group.names.iter().cloned());
        }
        let boundary = self.boundary(location, &mut members)?;
        let tags = self.tags(location, &mut members)?;
        let role = match members.take("AssumeRolePolicyDocument") {
            _ if kind == "User" => None,
            None => {
                let message = "AssumeRolePolicyDocument is missing";
                return Err(self.error(location, offset, message));
            }
            Some(json) => {
                let location = format!("{location}.AssumeRolePolicyDocument");
                let document = self.document(&location, PolicyKind::Trust, json)?;
                let is_service_linked =
                    path.is_some_and(|path| path.starts_with("/aws-service-role/"));
                Some(Role::new(TrustPolicy::from_document(document), is_service_linked))
            }
        };
        let Attached { policies, names } = attached;
        Ok(Identity { arn, account, name, id, role, tags, policies, names, boundary })
    }

    fn attached(
        &mut self,
        location: &str,
        members: &mut Members<'a>,
        inline: &str,
    ) -> Parsed<Attached> {
        let mut attached = Attached::default();
        for (location, json) in self.list(location, members, inline)? {
            let mut policy = self.members(&location, json)?;
            let name = self.string(&location, &mut policy, "PolicyName")?;
            let Some(json) = policy.take("PolicyDocument") else {
                return Err(self.error(&location, policy.offset, "PolicyDocument is missing"));
            };
            let location = format!("{location}.PolicyDocument");
            let document = self.document(&location, PolicyKind::Inline, json)?;
            attached.policies.push(PermissionPolicy::from_document(document));
            attached.names.push(PolicyName::new(name));
        }
        for (location, json) in self.list(location, members, "AttachedManagedPolicies")? {
            let mut policy = self.members(&location, json)?;
            let arn = self.string(&location, &mut policy, "PolicyArn")?;
            let (policy, name) = self.managed(&location, policy.offset, arn, 0)?;
            attached.policies.push(policy);
            attached.names.push(name);
        }
        Ok(attached)
    }

    /// Returns a managed policy, and counts its use.
    fn managed(
        &mut self,
        location: &str,
        offset: usize,
        arn: String,
        use_index: usize,
    ) -> Parsed<(PermissionPolicy, PolicyName)> {
        let Some(managed) = self.managed.get(&arn) else {
            let message = format!("the policy {arn:?} is not in Policies; {EXPORT}");
            return Err(self.error(location, offset, message));
        };
        let found = (managed.policy.clone(), managed.name.clone());
        if let Some(count) = self.uses.entry(arn).or_default().get_mut(use_index) {
            *count += 1;
        }
        Ok(found)
    }

    fn boundary(
        &mut self,
        location: &str,
        members: &mut Members<'a>,
    ) -> Parsed<Option<([PermissionPolicy; 1], PolicyName)>> {
        let Some(json) = members.take("PermissionsBoundary") else { return Ok(None) };
        let location = format!("{location}.PermissionsBoundary");
        let mut boundary = self.members(&location, json)?;
        let arn = self.string(&location, &mut boundary, "PermissionsBoundaryArn")?;
        let (policy, name) = self.managed(&location, boundary.offset, arn, 1)?;
        Ok(Some(([policy], name)))
    }

    fn tags(&self, location: &str, members: &mut Members<'a>) -> Parsed<Vec<(String, String)>> {
        let tags = self.list(location, members, "Tags")?.into_iter();
        tags.map(|(location, json)| {
            let mut tag = self.members(&location, json)?;
            let key = self.string(&location, &mut tag, "Key")?;
            Ok((key, self.optional_string(&location, &mut tag, "Value")?.unwrap_or_default()))
        })
        .collect()
    }

    /// Checks that an ARN is of the account that the others are of, and returns the account.
    fn owned(&mut self, location: &str, offset: usize, arn: &str) -> Parsed<String> {
        let Some(found) = Arn::parse(arn).map(|arn| arn.account).filter(|it| !it.is_empty()) else {
            return Err(self.error(location, offset, format!("{arn:?} is not an ARN of IAM")));
        };
        let account = self.account.get_or_insert_with(|| found.to_owned()).clone();
        if account != found {
            let message = format!(
                "{arn:?} is not of account {account}, as what stands before it is; hint: parse \
                 the description of each account by itself"
            );
            return Err(self.error(location, offset, message));
        }
        Ok(account)
    }

    fn unique(&mut self, location: &str, offset: usize, arn: &str) -> Parsed<()> {
        if self.arns.insert(arn.to_owned()) {
            return Ok(());
        }
        Err(self.error(location, offset, format!("{arn:?} is described twice")))
    }

    fn document(&self, location: &str, kind: PolicyKind, json: Json<'a>) -> Parsed<Document> {
        let join = |inner: &str| match inner {
            "" => location.to_owned(),
            inner => format!("{location}.{inner}"),
        };
        let Value::String(text) = &json.value else {
            return read_value_in(kind, &self.lines, json).map_err(|error| {
                let location = join(&error.location);
                PolicyError { location, ..error }
            });
        };
        let decoded = percent_decode(text)
            .map_err(|fault| self.error(location, json.offset, format!("the document {fault}")))?;
        let parsed = Json::parse(&decoded).map_err(|JsonError { message, .. }| {
            self.error(location, json.offset, format!("not valid JSON in the string: {message}"))
        })?;
        read_value(kind, &decoded, parsed).map_err(|error| {
            let inner = error.position.map(|at| format!(" (at {at} of the string's document)"));
            let message = error.message + &inner.unwrap_or_default();
            self.error(&join(&error.location), json.offset, message)
        })
    }

    /// Compares how often the managed policies say that they are used with the uses that were read.
    fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        for (arn, managed) in &self.managed {
            let uses = self.uses.get(arn).copied().unwrap_or_default();
            let roles = ["is attached to", "is the permissions boundary of"];
            for ((said, read), role) in managed.counts.into_iter().zip(uses).zip(roles) {
                if said > read {
                    gaps.push(format!(
                        "the policy {arn} {role} {said} users, groups or roles, and the \
                         description has {read} of them; {EXPORT}"
                    ));
                }
            }
        }
        gaps.sort();
        gaps
    }
}
