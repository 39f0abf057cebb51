//! Probes: cases whose one statement has one element of a statement of a generated case, and denies
//! what that element matches.

use serde_json::{Value, json};

/// The user for which every condition and resource is evaluated: what they match does not depend on
/// the caller.
const USER: &str = "arn:aws:iam::111122223333:user/alice";
const ACTION: &str = "s3:GetObject";
/// The member of a case that has the resource's policy, or the role's trust policy.
const RESOURCE_POLICY: &str = "resource_policy";

pub(super) struct Probe {
    pub(super) case: Value,
    /// The name of the element, or the operator of a condition.
    name: String,
    /// The condition key.
    key: String,
    /// What the policy lists.
    value: Value,
    version: Option<String>,
    /// Where the statement is in its case, as a JSON pointer.
    statement: String,
}

/// An element on which the evaluators differ.
#[derive(Debug)]
pub(super) struct Element<'a> {
    /// The name of the element, or the operator of a condition, in lower case.
    pub(super) name: String,
    /// The condition key in lower case.
    pub(super) key: String,
    /// What the policy lists. Numbers and booleans have their JSON spelling.
    pub(super) listed: Vec<String>,
    /// What the request has for the condition key.
    pub(super) given: Option<&'a Value>,
    pub(super) has_variables: bool,
    pub(super) caller: &'a str,
    /// The ARN of the caller's role, if the request has it.
    pub(super) role: Option<&'a str>,
    /// Whether the element matches in rolecall, and not in ministack.
    pub(super) matches: bool,
}

impl Probe {
    pub(super) fn element(&self, matches: bool) -> Element<'_> {
        let request = &self.case["request"];
        let key = self.key.to_lowercase();
        let given = look_up(request, &key);
        let role = look_up(request, "aws:principalarn").and_then(|role| texts_of(role).next());
        let listed = texts(&self.value);
        let has_variables = self.version.as_deref() == Some("2012-10-17")
            && listed.iter().any(|text| text.contains("${"));
        let caller = request["principal"].as_str().unwrap();
        let name = self.name.to_lowercase();
        Element { name, key, listed, given, has_variables, caller, role, matches }
    }

    /// Replaces the element in its case by one that both evaluators match as rolecall does.
    pub(super) fn settle(&self, case: &mut Value, matches: bool) {
        let statement = case.pointer_mut(&self.statement).and_then(Value::as_object_mut).unwrap();
        if !matches {
            // One element that does not match keeps the whole statement from applying.
            statement.remove("NotAction");
            statement.insert("Action".to_owned(), json!("sts:None"));
            return;
        }
        match self.name.as_str() {
            name @ ("Resource" | "NotResource") => {
                statement.remove(name);
                statement.insert("Resource".to_owned(), json!("*"));
            }
            name @ ("Principal" | "NotPrincipal") => {
                // How closely an Allow names the caller has a meaning, so it cannot be replaced.
                assert_eq!(statement["Effect"], "Deny", "{statement:?}");
                statement.remove(name);
                statement.insert("Principal".to_owned(), json!("*"));
            }
            operator => {
                let condition = statement["Condition"].as_object_mut().unwrap();
                let keys = condition[operator].as_object_mut().unwrap();
                keys.remove(&self.key);
                if keys.is_empty() {
                    condition.remove(operator);
                }
            }
        }
    }
}

/// Returns what a request has for a condition key in lower case.
pub(super) fn look_up<'a>(request: &'a Value, key: &str) -> Option<&'a Value> {
    let mut context = request["context"].as_object()?.iter();
    context.find(|(given, _)| given.to_lowercase() == key).map(|(_, value)| value)
}

/// Returns the strings of an element: of a string, a list, or an object of both.
pub(super) fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(kinds) => kinds.values().flat_map(texts).collect(),
        other => vec![other.to_string()],
    }
}

/// Returns the values of a condition key.
pub(super) fn texts_of(given: &Value) -> impl Iterator<Item = &str> {
    let many = given.as_array().into_iter().flatten();
    many.chain(given.is_string().then_some(given)).filter_map(Value::as_str)
}

/// Returns the probes of a case.
pub(super) fn of_case(case: &Value) -> Vec<Probe> {
    let mut probes = Vec::new();
    for name in ["identity_policies", "session_policies", "permission_boundaries"] {
        let documents = case[name].as_array().into_iter().flatten();
        for (index, document) in documents.enumerate() {
            of_document(case, document, &format!("/{name}/{index}"), &mut probes);
        }
    }
    if let Some(document) = case.get(RESOURCE_POLICY) {
        of_document(case, document, &format!("/{RESOURCE_POLICY}"), &mut probes);
    }
    probes
}

fn of_document(case: &Value, document: &Value, at: &str, probes: &mut Vec<Probe>) {
    match &document["Statement"] {
        Value::Array(statements) => {
            for index in 0..statements.len() {
                of_statement(case, document, format!("{at}/Statement/{index}"), probes);
            }
        }
        _ => of_statement(case, document, format!("{at}/Statement"), probes),
    }
}

fn of_statement(case: &Value, document: &Value, at: String, probes: &mut Vec<Probe>) {
    let version = document.get("Version").and_then(Value::as_str);
    let build = |name: &str, key: &str, value: &Value, case: Value| Probe {
        case,
        name: name.to_owned(),
        key: key.to_owned(),
        value: value.clone(),
        version: version.map(str::to_owned),
        statement: at.clone(),
    };
    let is_resource = at.starts_with(&format!("/{RESOURCE_POLICY}"));
    let statement = case.pointer(&at).and_then(Value::as_object).unwrap();
    let action = case["request"]["action"].as_str().unwrap();
    for (name, value) in statement {
        match name.as_str() {
            // What needs no permission, no policy denies; a web identity has no policies.
            "Action" | "NotAction"
                if !matches!(action, "sts:GetCallerIdentity" | "sts:AssumeRoleWithWebIdentity") =>
            {
                let policy = denying(version, name, value);
                probes.push(build(name, "", value, own_case(case, action, policy)));
            }
            "Resource" | "NotResource" => {
                let policy = denying(version, name, value);
                probes.push(build(name, "", value, own_case(case, ACTION, policy)));
            }
            "Condition" => {
                for (operator, keys) in value.as_object().unwrap() {
                    for (key, value) in keys.as_object().unwrap() {
                        let condition = json!({ operator: { key: value } });
                        let policy = denying(version, name, &condition);
                        let case = own_case(case, ACTION, policy);
                        probes.push(build(operator, key, value, case));
                    }
                }
            }
            "Principal" | "NotPrincipal" if is_resource && has_policies(case) => {
                probes.push(build(name, "", value, resource_case(case, name, value)));
            }
            _ => {}
        }
    }
}

/// Returns a policy that denies what one element matches.
fn denying(version: Option<&str>, name: &str, value: &Value) -> Value {
    let mut statement = json!({ "Effect": "Deny", "Action": "*", "Resource": "*" });
    if let Some(replaced) = name.strip_prefix("Not") {
        statement.as_object_mut().unwrap().remove(replaced);
    }
    statement[name] = value.clone();
    match version {
        Some(version) => json!({ "Version": version, "Statement": statement }),
        None => json!({ "Statement": statement }),
    }
}

/// Returns a case with one identity policy.
fn own_case(case: &Value, action: &str, policy: Value) -> Value {
    let mut request = case["request"].clone();
    request["principal"] = json!(USER);
    request["action"] = json!(action);
    json!({ "request": request, "identity_policies": [policy] })
}

/// Returns a case with a policy of the resource, also for a trust policy: both name principals in
/// one way.
fn resource_case(case: &Value, name: &str, value: &Value) -> Value {
    let mut request = case["request"].clone();
    request["action"] = json!(ACTION);
    request["resource"] = json!("arn:aws:s3:::shop/orders");
    let policy = denying(Some("2012-10-17"), name, value);
    let mut probe = json!({ "request": request, "resource_policy": policy });
    // NotPrincipal excepts no caller that has a boundary.
    if case.get("permission_boundaries").is_some() {
        probe["permission_boundaries"] = json!([]);
    }
    probe
}

/// ministack asks no policy about the root user, and only trust policies about web identities.
fn has_policies(case: &Value) -> bool {
    let request = &case["request"];
    let caller = request["principal"].as_str().unwrap();
    request["action"] != "sts:AssumeRoleWithWebIdentity" && !caller.ends_with(":root")
}
