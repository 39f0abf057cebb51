//! The parts of a case: the request, its caller, and the policies by kind.

use serde_json::Value;

/// What kind of principal the caller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Root,
    User,
    Role,
    Session,
    FederatedUser,
    WebIdentity,
    Service,
    Anonymous,
}

/// The caller of a request.
pub(super) struct Caller<'a> {
    pub(super) kind: Kind,
    /// The ARN, or the name of a service or of a well-known identity provider.
    pub(super) name: &'a str,
    pub(super) partition: &'a str,
    /// The account of the caller. Empty for callers that have none.
    pub(super) account: &'a str,
}

/// Identity providers that a policy names without an ARN.
const WELL_KNOWN_PROVIDERS: [&str; 4] = [
    "accounts.google.com",
    "cognito-identity.amazonaws.com",
    "graph.facebook.com",
    "www.amazon.com",
];

impl<'a> Caller<'a> {
    fn read(name: &'a str) -> Result<Self, String> {
        let caller = |kind, partition, account| Self { kind, name, partition, account };
        if name == "anonymous" {
            return Ok(caller(Kind::Anonymous, "", ""));
        }
        if WELL_KNOWN_PROVIDERS.contains(&name) {
            return Ok(caller(Kind::WebIdentity, "", ""));
        }
        let fields: Vec<&str> = name.splitn(6, ':').collect();
        let ["arn", partition, service, _, account, resource] = fields[..] else {
            return Ok(caller(Kind::Service, "", ""));
        };
        match (service, resource.split('/').next().unwrap_or_default()) {
            ("iam", "root") => Ok(caller(Kind::Root, partition, account)),
            ("iam", "user") => Ok(caller(Kind::User, partition, account)),
            ("iam", "role") => Ok(caller(Kind::Role, partition, account)),
            ("iam", "oidc-provider" | "saml-provider") => {
                Ok(caller(Kind::WebIdentity, partition, ""))
            }
            ("sts", "assumed-role") => Ok(caller(Kind::Session, partition, account)),
            ("sts", "federated-user") => Ok(caller(Kind::FederatedUser, partition, account)),
            _ => Err(format!("`{name}` is not a principal")),
        }
    }

    /// Returns the name of a session's role, from `arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`.
    pub(super) fn session_role_name(&self) -> &'a str {
        self.name.split('/').nth(1).unwrap_or_default()
    }
}

/// A request, as a case gives it.
pub(super) struct Request<'a> {
    pub(super) action: &'a str,
    pub(super) resource: &'a str,
    resource_account: Option<&'a str>,
    pub(super) caller: Caller<'a>,
    /// Each key in lower case, with its values.
    context: Vec<(String, Vec<&'a str>)>,
}

impl<'a> Request<'a> {
    pub(super) fn read(case: &'a Value) -> Result<Self, String> {
        let request = &case["request"];
        let text = |field: &str| {
            request[field].as_str().ok_or_else(|| format!("the request has no `{field}`"))
        };
        let mut context = Vec::new();
        for (key, values) in request["context"].as_object().into_iter().flatten() {
            let values = strings(values)?;
            context.push((key.to_ascii_lowercase(), values));
        }
        Ok(Self {
            action: text("action")?,
            resource: text("resource")?,
            resource_account: request["resource_account"].as_str(),
            caller: Caller::read(text("principal")?)?,
            context,
        })
    }

    /// "Nothing else is derived: context keys are exactly those given." "Condition keys [..]:
    /// case-insensitive." A key that has no values is like a key that is missing.
    pub(super) fn values(&self, key: &str) -> Option<&[&'a str]> {
        self.context
            .iter()
            .find(|(name, values)| name.eq_ignore_ascii_case(key) && !values.is_empty())
            .map(|(_, values)| values.as_slice())
    }

    /// Returns `true` if the resource policy of the request is the trust policy of a role. Tagging
    /// a session and setting its source identity are permissions of the same trust policy.
    pub(super) fn is_trust(&self) -> bool {
        let action = self.action.to_ascii_lowercase();
        action.starts_with("sts:assumerole")
            || action == "sts:tagsession"
            || action == "sts:setsourceidentity"
    }

    /// "`resource_account` absent: take it from the resource's ARN; if that has none (S3), assume
    /// the caller's account."
    pub(super) fn is_same_account(&self) -> bool {
        self.is_resource_of(self.caller.account)
    }

    fn is_resource_of(&self, owner: &str) -> bool {
        let from_arn = self.resource.split(':').nth(4).filter(|account| !account.is_empty());
        match self.resource_account.or(from_arn) {
            None => true,
            Some(account) => account == owner,
        }
    }

    /// "The OIDC provider must be registered in the role's account." A well-known provider is
    /// registered in none.
    pub(super) fn is_in_account_of_provider(&self) -> bool {
        self.caller.name.split(':').nth(4).is_none_or(|account| self.is_resource_of(account))
    }
}

/// The policies of a case. An absent kind is `None`, which is not the same as an empty list.
pub(super) struct Policies<'a> {
    pub(super) identity: Option<Vec<&'a Value>>,
    pub(super) resource: Option<&'a Value>,
    pub(super) sessions: Option<Vec<&'a Value>>,
    pub(super) boundaries: Option<Vec<&'a Value>>,
    pub(super) scps: Option<Vec<Vec<&'a Value>>>,
    pub(super) rcps: Option<Vec<Vec<&'a Value>>>,
}

impl<'a> Policies<'a> {
    pub(super) fn read(case: &'a Value) -> Result<Self, String> {
        Ok(Self {
            identity: documents(&case["identity_policies"])?,
            resource: Some(&case["resource_policy"]).filter(|policy| !policy.is_null()),
            sessions: documents(&case["session_policies"])?,
            boundaries: documents(&case["permission_boundaries"])?,
            scps: levels(&case["scps"])?,
            rcps: levels(&case["rcps"])?,
        })
    }
}

fn documents(list: &Value) -> Result<Option<Vec<&Value>>, String> {
    match list {
        Value::Null => Ok(None),
        Value::Array(list) => Ok(Some(list.iter().collect())),
        other => Err(format!("`{other}` is not a list of policies")),
    }
}

/// "One list per level, root first; a flat list of documents is one level."
fn levels(list: &Value) -> Result<Option<Vec<Vec<&Value>>>, String> {
    let Some(list) = documents(list)? else { return Ok(None) };
    if !list.is_empty() && list.iter().all(|item| item.is_object()) {
        return Ok(Some(vec![list]));
    }
    let levels: Result<Vec<_>, String> = list
        .into_iter()
        .map(|level| documents(level)?.ok_or_else(|| "a level is null".to_owned()))
        .collect();
    levels.map(Some)
}

/// Returns the strings of a value that is one string or a list of strings.
pub(super) fn strings(value: &Value) -> Result<Vec<&str>, String> {
    let one = |value: &Value| Err(format!("`{value}` is neither a string nor a list of strings"));
    match value {
        Value::String(text) => Ok(vec![text]),
        Value::Array(list) => {
            list.iter().map(|item| item.as_str().map_or_else(|| one(item), Ok)).collect()
        }
        other => one(other).map(|text| vec![text]),
    }
}
