//! Reads the description of an account.
//!
//! (IAM API Reference, "GetAccountAuthorizationDetails".)

use std::collections::{HashMap, HashSet};

use super::decode::percent_decode;
use super::details::{AccountDetails, Identity, PolicyName, Role};
use crate::arn::{Arn, is_account};
use crate::error::PolicyError;
use crate::json::{Json, JsonError, Value};
use crate::limits::PolicyKind;
use crate::model::Document;
use crate::node::{Node, Object, Parsed, Source};
use crate::policy::{PermissionPolicy, TrustPolicy};
use crate::principal::Principal;
use crate::read::read_value;

/// The longest description that is read, in bytes.
const MAX_BYTES: usize = 64 * 1_048_576;
/// The most users, groups, roles or policies. IAM's quotas are lower by a factor of five at least.
const MAX_ENTITIES: usize = 50_000;

const EXPORT: &str = "hint: run `aws iam get-account-authorization-details` without --filter, \
                      --query and --max-items";

const KEYS: [&str; 4] = ["Policies", "GroupDetailList", "UserDetailList", "RoleDetailList"];

impl AccountDetails {
    /// Parses the JSON text that the command prints.
    ///
    /// A policy document may be a JSON object, as the AWS CLI prints it, or a string with the
    /// document in it, URL-encoded as the API returns it, or plain.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `json` is not such a text, is larger than 64 MiB, is one page of
    /// several (see [`parse_pages`](Self::parse_pages)), lacks a policy or a group that one of its
    /// users, groups and roles names, or contains a document that cannot be parsed. The location
    /// begins with the member, such as
    /// `RoleDetailList[3].AssumeRolePolicyDocument.Statement.Effect`.
    pub fn parse(json: &str) -> Result<Self, PolicyError> {
        read(&[json])
    }

    /// Parses the pages of a description: the responses of the API, or what the command prints with
    /// `--max-items` and `--starting-token`. They may be in any order, and a page may have some of
    /// the lists only: add managed policies that the description lacks on a page of their own, as
    /// `{"Policies": [..]}`.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] as [`parse`](Self::parse) does for all pages together, or if each
    /// page says that more follow. The location begins with the page, such as `page 2.Policies[3]`.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::account::AccountDetails;
    ///
    /// let pages = [r#"{
    ///     "UserDetailList": [{
    ///         "UserName": "ann", "Path": "/", "Arn": "arn:aws:iam::111122223333:user/ann",
    ///         "GroupList": ["developers"]
    ///     }],
    ///     "GroupDetailList": [], "RoleDetailList": [], "Policies": [],
    ///     "IsTruncated": true, "Marker": "EXAMPLE"
    /// }"#, r#"{
    ///     "UserDetailList": [], "RoleDetailList": [], "Policies": [],
    ///     "GroupDetailList": [{
    ///         "GroupName": "developers", "Arn": "arn:aws:iam::111122223333:group/developers"
    ///     }],
    ///     "IsTruncated": false
    /// }"#];
    /// let details = AccountDetails::parse_pages(&pages)?;
    /// assert_eq!(details.users().collect::<Vec<_>>(), ["arn:aws:iam::111122223333:user/ann"]);
    ///
    /// let [first, _] = pages;
    /// assert!(AccountDetails::parse(first).is_err());
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn parse_pages<P: AsRef<str>>(pages: &[P]) -> Result<Self, PolicyError> {
        read(&pages.iter().map(AsRef::as_ref).collect::<Vec<_>>())
    }

    /// Returns the account that a page describes, to tell the pages of several accounts apart.
    /// Returns `None` if no user, group, role or policy on it is of an account: a page may have
    /// policies of AWS alone.
    ///
    /// Reads up to the first that is. [`parse_pages`](Self::parse_pages) checks the others.
    ///
    /// # Errors
    ///
    /// Returns [`PolicyError`] if `page` is not valid JSON, or a list before that is malformed.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_policy::account::AccountDetails;
    ///
    /// let page = r#"{"UserDetailList": [{"Arn": "arn:aws:iam::111122223333:user/ann"}]}"#;
    /// assert_eq!(AccountDetails::account_of_page(page)?.as_deref(), Some("111122223333"));
    /// let page = r#"{"Policies": [{"Arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}]}"#;
    /// assert_eq!(AccountDetails::account_of_page(page)?, None);
    /// # Ok::<(), rolecall_policy::PolicyError>(())
    /// ```
    pub fn account_of_page(page: &str) -> Result<Option<String>, PolicyError> {
        let source = Source::new("description", page);
        let mut members = source.parse(MAX_BYTES)?.object()?;
        for key in KEYS {
            for node in list(&mut members, key)? {
                let arn = node.object()?.text("Arn")?;
                let account = Arn::parse(&arn).map(|arn| arn.account);
                if let Some(account) = account.filter(|account| is_account(account)) {
                    return Ok(Some(account.to_owned()));
                }
            }
        }
        Ok(None)
    }
}

fn read(pages: &[&str]) -> Parsed<AccountDetails> {
    let bytes: usize = pages.iter().map(|page| page.len()).sum();
    if bytes > MAX_BYTES {
        let message = format!("{bytes} bytes; the most that is read is {MAX_BYTES}");
        return Err(PolicyError::new("description", message));
    }
    let sources: Vec<_> = match pages {
        [page] => vec![Source::new("description", page)],
        pages => {
            let pages = pages.iter().enumerate();
            pages.map(|(index, text)| Source::page(index + 1, text)).collect()
        }
    };
    let mut reader = Reader {
        account: None,
        managed: HashMap::new(),
        groups: HashMap::new(),
        uses: HashMap::new(),
        arns: HashSet::new(),
    };
    reader.details(&sources)
}

struct Reader {
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

/// Takes a list out of an object. An absent list is empty.
fn list<'t, 's>(members: &mut Object<'t, 's>, key: &str) -> Parsed<Vec<Node<'t, 's>>> {
    let Some(node) = members.take(key) else { return Ok(Vec::new()) };
    match &node.json.value {
        Value::List(items) if items.len() > MAX_ENTITIES => {
            let length = items.len();
            Err(node.error(format!("{length} items; the most that is read is {MAX_ENTITIES}")))
        }
        _ => Ok(node.items()?.collect()),
    }
}

impl Reader {
    fn details(&mut self, pages: &[Source<'_>]) -> Parsed<AccountDetails> {
        let mut lists = KEYS.map(|_| None::<Vec<Node<'_, '_>>>);
        let mut is_complete = false;
        for page in pages {
            let mut members = page.parse(MAX_BYTES)?.object()?;
            // The pages may be in any order, so any one of them may be the last.
            is_complete |= !is_continued(&mut members);
            for (key, all) in KEYS.iter().zip(&mut lists) {
                if members.has(key) {
                    all.get_or_insert_default().extend(list(&mut members, key)?);
                }
            }
        }
        if !is_complete {
            let fault = match pages.len() {
                0 => "no page is given",
                1 => "this is one page of several",
                _ => "a page is missing, since each says that more follow",
            };
            let message = format!("{fault}; {EXPORT}, or pass all pages");
            return Err(PolicyError::new("description", message));
        }
        // A list is missing from a filtered export. Read as empty, it would make principals look as
        // if they had fewer permissions than they have.
        if let Some((key, _)) = KEYS.iter().zip(&lists).find(|(_, list)| list.is_none()) {
            return Err(PolicyError::new("description", format!("{key} is missing; {EXPORT}")));
        }
        let [policies, groups, users, roles] = lists.map(Option::unwrap_or_default);
        // Users and roles refer to the policies and groups, which are therefore read first.
        for node in policies {
            self.managed_policy(node)?;
        }
        for node in groups {
            self.group(node)?;
        }
        let mut identities = Vec::new();
        for (kind, nodes) in [("User", users), ("Role", roles)] {
            for node in nodes {
                identities.push(self.identity(node, kind)?);
            }
        }
        let Some(account) = self.account.take() else {
            let message = "no user, group, role or policy tells the account id";
            return Err(PolicyError::new("description", message));
        };
        Ok(AccountDetails { account, identities, gaps: self.gaps() })
    }

    fn managed_policy(&mut self, node: Node<'_, '_>) -> Parsed<()> {
        let mut members = node.object()?;
        let arn = members.text("Arn")?;
        let name = members.optional_text("PolicyName")?;
        let name = name.or_else(|| arn.rsplit('/').next().map(str::to_owned)).unwrap_or_default();
        let of_aws = Arn::parse(&arn).is_some_and(|arn| arn.account == "aws");
        let kind = if of_aws { PolicyKind::AwsManaged } else { PolicyKind::Managed };
        // AWS's policies are of the account `aws`, so they do not tell which account is described.
        if !of_aws {
            self.owned(&members, &arn)?;
        }
        let default = members.optional_text("DefaultVersionId")?;
        let counts = ["AttachmentCount", "PermissionsBoundaryUsageCount"].map(|key| match members
            .take(key)
            .map(|node| node.json.value)
        {
            Some(Value::Number(text)) => text.parse().unwrap_or(0),
            _ => 0,
        });
        let mut policy = None;
        for node in list(&mut members, "PolicyVersionList")? {
            let mut version = node.object()?;
            let id = version.optional_text("VersionId")?;
            let is_default = match version.take("IsDefaultVersion").map(|node| node.json.value) {
                Some(Value::Bool(is_default)) => is_default,
                _ => id.is_some() && id == default,
            };
            if is_default {
                let document = document(version.require("Document")?, kind)?;
                policy = Some(PermissionPolicy::from_document(document));
            }
        }
        let Some(policy) = policy else {
            let message = format!("the policy {arn:?} has no default version; {EXPORT}");
            return Err(members.error(message));
        };
        self.unique(&members, &arn)?;
        let name = PolicyName { name, arn: Some(arn.clone()), group: None };
        self.managed.insert(arn, Managed { name, policy, counts });
        Ok(())
    }

    fn group(&mut self, node: Node<'_, '_>) -> Parsed<()> {
        let mut members = node.object()?;
        let arn = members.text("Arn")?;
        self.owned(&members, &arn)?;
        self.unique(&members, &arn)?;
        let name = members.text("GroupName")?;
        let mut attached = self.attached(&mut members, "GroupPolicyList")?;
        for policy in &mut attached.names {
            policy.group = Some(name.clone());
        }
        self.groups.insert(name, attached);
        Ok(())
    }

    fn identity(&mut self, node: Node<'_, '_>, kind: &str) -> Parsed<Identity> {
        let mut members = node.object()?;
        let arn = members.require("Arn")?.parse_text(|arn| {
            let is_kind = match Principal::aws(arn) {
                Ok(Principal::User(_)) => kind == "User",
                Ok(Principal::Role(_)) => kind == "Role",
                _ => false,
            };
            let message = || format!("{arn:?} is not the ARN of a {}", kind.to_lowercase());
            is_kind.then(|| arn.to_owned()).ok_or_else(message)
        })?;
        let account = self.owned(&members, &arn)?;
        self.unique(&members, &arn)?;
        let name = members.text(&format!("{kind}Name"))?;
        let id = members.optional_text(&format!("{kind}Id"))?;
        let path = members.optional_text("Path")?;
        let mut attached = self.attached(&mut members, &format!("{kind}PolicyList"))?;
        for node in list(&mut members, "GroupList")? {
            let group = node.parse_text(|name| {
                let group = self.groups.get(name);
                group.ok_or_else(|| format!("the group is not in GroupDetailList; {EXPORT}"))
            })?;
            attached.policies.extend(group.policies.iter().cloned());
            attached.names.extend(group.names.iter().cloned());
        }
        let boundary = self.boundary(&mut members)?;
        let tags = tags(&mut members)?;
        let role = if kind == "Role" {
            let trust = document(members.require("AssumeRolePolicyDocument")?, PolicyKind::Trust)?;
            // Service control policies do not limit service-linked roles, for which IAM reserves
            // this path.
            let is_service_linked = path.is_some_and(|path| path.starts_with("/aws-service-role/"));
            Some(Role::new(TrustPolicy::from_document(trust), is_service_linked))
        } else {
            None
        };
        let Attached { policies, names } = attached;
        Ok(Identity { arn, account, name, id, role, tags, policies, names, boundary })
    }

    fn attached(&mut self, members: &mut Object<'_, '_>, inline: &str) -> Parsed<Attached> {
        let mut attached = Attached::default();
        for node in list(members, inline)? {
            let mut policy = node.object()?;
            let name = policy.text("PolicyName")?;
            let document = document(policy.require("PolicyDocument")?, PolicyKind::Inline)?;
            attached.policies.push(PermissionPolicy::from_document(document));
            attached.names.push(PolicyName::new(name));
        }
        for node in list(members, "AttachedManagedPolicies")? {
            let mut policy = node.object()?;
            let arn = policy.text("PolicyArn")?;
            let (policy, name) = self.managed(&policy, arn, 0)?;
            attached.policies.push(policy);
            attached.names.push(name);
        }
        Ok(attached)
    }

    /// Returns a managed policy, and counts its use.
    fn managed(
        &mut self,
        attachment: &Object<'_, '_>,
        arn: String,
        use_index: usize,
    ) -> Parsed<(PermissionPolicy, PolicyName)> {
        let Some(managed) = self.managed.get(&arn) else {
            let message = format!("the policy {arn:?} is not in Policies; {EXPORT}");
            return Err(attachment.error(message));
        };
        let found = (managed.policy.clone(), managed.name.clone());
        if let Some(count) = self.uses.entry(arn).or_default().get_mut(use_index) {
            *count += 1;
        }
        Ok(found)
    }

    fn boundary(
        &mut self,
        members: &mut Object<'_, '_>,
    ) -> Parsed<Option<([PermissionPolicy; 1], PolicyName)>> {
        let Some(node) = members.take("PermissionsBoundary") else { return Ok(None) };
        let mut boundary = node.object()?;
        let arn = boundary.text("PermissionsBoundaryArn")?;
        let (policy, name) = self.managed(&boundary, arn, 1)?;
        Ok(Some(([policy], name)))
    }

    /// Checks that an ARN is of the account that the others are of, and returns the account.
    fn owned(&mut self, entity: &Object<'_, '_>, arn: &str) -> Parsed<String> {
        let Some(found) = Arn::parse(arn).map(|arn| arn.account).filter(|it| !it.is_empty()) else {
            return Err(entity.error(format!("{arn:?} is not an ARN of IAM")));
        };
        let account = self.account.get_or_insert_with(|| found.to_owned()).clone();
        if account != found {
            return Err(entity.error(format!(
                "{arn:?} is not of account {account}, as what stands before it is; hint: parse \
                 the description of each account by itself"
            )));
        }
        Ok(account)
    }

    fn unique(&mut self, entity: &Object<'_, '_>, arn: &str) -> Parsed<()> {
        if self.arns.insert(arn.to_owned()) {
            return Ok(());
        }
        Err(entity.error(format!("{arn:?} is described twice")))
    }

    /// Compares how often the managed policies say that they are used with the uses that were read.
    fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        for (arn, managed) in &self.managed {
            let uses = self.uses.get(arn).copied().unwrap_or_default();
            let roles = ["is attached to", "is the permissions boundary of"];
            for ((said, read), role) in managed.counts.into_iter().zip(uses).zip(roles) {
                // AWS counts more uses than the description has: it was filtered, and an answer may
                // leave out principals.
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

fn tags(members: &mut Object<'_, '_>) -> Parsed<Vec<(String, String)>> {
    let tags = list(members, "Tags")?.into_iter();
    tags.map(|node| {
        let mut tag = node.object()?;
        Ok((tag.text("Key")?, tag.optional_text("Value")?.unwrap_or_default()))
    })
    .collect()
}

/// Reads a document, which is an object, or a string that contains one.
fn document(node: Node<'_, '_>, kind: PolicyKind) -> Parsed<Document> {
    // The IAM API returns documents as percent-encoded text, and the AWS CLI as objects.
    let Value::String(text) = &node.json.value else { return node.document(kind) };
    let decoded =
        percent_decode(text).map_err(|fault| node.error(format!("the document {fault}")))?;
    let parsed = Json::parse(&decoded).map_err(|JsonError { message, .. }| {
        node.error(format!("not valid JSON in the string: {message}"))
    })?;
    read_value(kind, &decoded, parsed).map_err(|error| {
        let inner = error.position.map(|at| format!(" (at {at} of the string's document)"));
        let message = error.message + &inner.unwrap_or_default();
        PolicyError { location: error.location, ..node.error(message) }.within(&node.location)
    })
}

/// Returns `true` for a page that says that more follow: with the members of the API, or with those
/// that the AWS CLI prints.
fn is_continued(members: &mut Object<'_, '_>) -> bool {
    let is_truncated =
        members.take("IsTruncated").is_some_and(|node| node.json.value == Value::Bool(true));
    is_truncated || ["Marker", "NextToken"].iter().any(|key| members.take(key).is_some())
}
