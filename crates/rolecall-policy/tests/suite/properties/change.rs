//! Changes of generated cases.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use crate::generate;

/// The members of a case that contain documents.
const MEMBERS: [&str; 6] = [
    "identity_policies",
    "session_policies",
    "permission_boundaries",
    "resource_policy",
    "scps",
    "rcps",
];

/// Returns `true` if the resource's policy is a role's trust policy.
pub(super) fn is_trust(case: &Value) -> bool {
    let action = case["request"]["action"].as_str().unwrap().to_lowercase();
    action.starts_with("sts:") && action != "sts:getcalleridentity"
}

/// Returns the documents, each with its member.
pub(super) fn documents(case: &mut Value) -> Vec<(&'static str, &mut Value)> {
    let mut documents = Vec::new();
    for (name, value) in case.as_object_mut().unwrap() {
        if let Some(member) = MEMBERS.into_iter().find(|member| member == name) {
            collect(member, value, &mut documents);
        }
    }
    documents
}

/// A member is a document, or a list of them, or of lists of them.
fn collect<'a>(
    member: &'static str,
    value: &'a mut Value,
    documents: &mut Vec<(&'static str, &'a mut Value)>,
) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| collect(member, item, documents)),
        document => documents.push((member, document)),
    }
}

/// Returns the statements of a document, as a list.
fn statements(document: &mut Value) -> &mut Vec<Value> {
    let statement = &mut document["Statement"];
    if statement.is_object() {
        *statement = json!([statement.take()]);
    }
    statement.as_array_mut().unwrap()
}

/// Returns the levels of a list of control policies, of which a flat list is one.
pub(super) fn levels(value: &Value) -> Vec<Value> {
    let items = value.as_array().unwrap();
    if items.iter().any(Value::is_object) { vec![value.clone()] } else { items.clone() }
}

/// What kinds of documents have in common: the elements of their statements.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Permission,
    Resource,
    Trust,
    ResourceControl,
}

fn kind_of(member: &str, is_trust: bool) -> Kind {
    match member {
        "resource_policy" if is_trust => Kind::Trust,
        "resource_policy" => Kind::Resource,
        "rcps" => Kind::ResourceControl,
        _ => Kind::Permission,
    }
}

/// Statements that deny, of many cases.
pub(super) struct Pool(Vec<(Kind, Value)>);

impl Pool {
    /// Collects the statements of cases from the seed `first` on.
    pub(super) fn new(first: u64, count: u64) -> Self {
        let mut pool = Vec::new();
        for seed in first..first + count {
            let mut case = generate::case(seed);
            let is_trust = is_trust(&case);
            for (member, document) in documents(&mut case) {
                let kind = kind_of(member, is_trust);
                for statement in statements(document) {
                    // A resource control policy cannot deny all actions of all services.
                    if kind == Kind::ResourceControl && statement["Action"] == "*" {
                        continue;
                    }
                    statement["Effect"] = json!("Deny");
                    statement.as_object_mut().unwrap().remove("Sid");
                    pool.push((kind, statement.clone()));
                }
            }
        }
        Self(pool)
    }

    fn pick(&self, kind: Kind, rng: &mut Rng) -> Value {
        let of_kind: Vec<&Value> =
            self.0.iter().filter(|(other, _)| *other == kind).map(|(_, one)| one).collect();
        of_kind[rng.usize(0..of_kind.len())].clone()
    }
}

/// Adds a Deny to a statement's document: mostly one that is the same as an Allow there.
pub(super) fn add_deny(case: &Value, pool: &Pool, rng: &mut Rng) -> Value {
    let mut changed = case.clone();
    let is_trust = is_trust(case);
    // A document that has a Deny alone, beside the others of its kind.
    let lists: Vec<&str> = MEMBERS
        .into_iter()
        .filter(|member| !matches!(*member, "scps" | "rcps") && case[*member].is_array())
        .collect();
    if !lists.is_empty() && rng.u8(0..4) == 0 {
        let list = changed[lists[rng.usize(0..lists.len())]].as_array_mut().unwrap();
        let deny = pool.pick(Kind::Permission, rng);
        let position = rng.usize(0..=list.len());
        list.insert(position, json!({ "Version": "2012-10-17", "Statement": deny }));
        return changed;
    }
    let mut documents = documents(&mut changed);
    if documents.is_empty() {
        let deny = pool.pick(Kind::Permission, rng);
        changed["identity_policies"] = json!([{ "Statement": deny }]);
        return changed;
    }
    let chosen = rng.usize(0..documents.len());
    let (member, document) = documents.swap_remove(chosen);
    let kind = kind_of(member, is_trust);
    let statements = statements(document);
    let mut deny = statements[rng.usize(0..statements.len())].clone();
    if kind == Kind::ResourceControl || rng.bool() {
        deny = pool.pick(kind, rng);
    }
    deny["Effect"] = json!("Deny");
    deny.as_object_mut().unwrap().remove("Sid");
    let position = rng.usize(0..=statements.len());
    statements.insert(position, deny);
    changed
}

/// Returns the case once for each of its Allows, without that one.
pub(super) fn without_each_allow(case: &Value) -> Vec<Value> {
    let mut changed = Vec::new();
    for index in 0.. {
        let mut copy = case.clone();
        let mut rest = index;
        for (_, document) in documents(&mut copy) {
            let statements = statements(document);
            let allows = statements.iter().positions(|one| one["Effect"] == "Allow");
            if let Some(position) = allows.get(rest) {
                statements.remove(*position);
                remove_empty(&mut copy);
                changed.push(copy);
                break;
            }
            rest -= allows.len();
        }
        if changed.len() <= index {
            return changed;
        }
    }
    changed
}

/// Removes the document that has no statement: it is not one.
fn remove_empty(case: &mut Value) {
    let is_empty = |document: &Value| document["Statement"].as_array().is_some_and(Vec::is_empty);
    let members = case.as_object_mut().unwrap();
    for (_, member) in members.iter_mut() {
        remove_from(member, &is_empty);
    }
    members.retain(|_, member| !is_empty(member));
}

fn remove_from(value: &mut Value, is_empty: &impl Fn(&Value) -> bool) {
    if let Value::Array(items) = value {
        items.iter_mut().for_each(|item| remove_from(item, is_empty));
        items.retain(|item| !is_empty(item));
    }
}

trait Positions {
    fn positions(self, wanted: impl Fn(&Value) -> bool) -> Vec<usize>;
}

impl<'a, I: Iterator<Item = &'a Value>> Positions for I {
    fn positions(self, wanted: impl Fn(&Value) -> bool) -> Vec<usize> {
        self.enumerate().filter(|(_, one)| wanted(one)).map(|(index, _)| index).collect()
    }
}

/// Copies an Allow of the resource's policy for the caller's account, so that several name the
/// caller, and not equally closely.
pub(super) fn add_account_allow(case: &mut Value, rng: &mut Rng) {
    let caller = case["request"]["principal"].as_str().unwrap();
    let account = caller.split(':').nth(4).map(str::to_owned);
    let (Some(account), Some(policy)) = (account, case.get_mut("resource_policy")) else { return };
    let statements = statements(policy);
    let allows = statements.iter().positions(|one| one["Effect"] == "Allow");
    if allows.is_empty() {
        return;
    }
    let mut copy = statements[allows[rng.usize(0..allows.len())]].clone();
    let members = copy.as_object_mut().unwrap();
    members.remove("Sid");
    members.insert("Principal".to_owned(), json!({ "AWS": account }));
    statements.push(copy);
}

/// Shuffles every list: the documents, levels and statements, and the values of elements.
pub(super) fn shuffle(case: &Value, rng: &mut Rng) -> Value {
    let mut changed = case.clone();
    shuffle_lists(&mut changed, rng);
    changed
}

fn shuffle_lists(value: &mut Value, rng: &mut Rng) {
    match value {
        Value::Array(items) => {
            rng.shuffle(items);
            items.iter_mut().for_each(|item| shuffle_lists(item, rng));
        }
        Value::Object(members) => {
            members.values_mut().for_each(|member| shuffle_lists(member, rng));
        }
        _ => {}
    }
}

/// Changes the letter case of actions, condition operators, condition keys and variables.
pub(super) fn change_letter_case(case: &Value, rng: &mut Rng) -> Value {
    let mut changed = case.clone();
    let request = &mut changed["request"];
    let action = request["action"].as_str().unwrap();
    request["action"] = json!(other_case(action, rng));
    if let Some(context) = request.get_mut("context") {
        *context = rename(context.as_object().unwrap(), rng);
    }
    for (_, document) in documents(&mut changed) {
        let has_variables = document["Version"] == "2012-10-17";
        for statement in statements(document) {
            for (name, value) in statement.as_object_mut().unwrap() {
                match name.as_str() {
                    "Action" | "NotAction" => each_text(value, &mut |text| other_case(text, rng)),
                    "Resource" | "NotResource" if has_variables => {
                        each_text(value, &mut |text| change_variables(text, rng));
                    }
                    "Condition" => change_condition(value, has_variables, rng),
                    _ => {}
                }
            }
        }
    }
    changed
}

fn change_condition(condition: &mut Value, has_variables: bool, rng: &mut Rng) {
    for (operator, keys) in condition.as_object_mut().unwrap() {
        let operator = operator.to_lowercase();
        let has_variables =
            has_variables && (operator.contains("string") || operator.contains("arn"));
        for values in keys.as_object_mut().unwrap().values_mut() {
            if has_variables {
                each_text(values, &mut |text| change_variables(text, rng));
            }
        }
        *keys = rename(keys.as_object().unwrap(), rng);
    }
    *condition = rename(condition.as_object().unwrap(), rng);
}

/// Changes the letter case of the names of an object's members.
fn rename(members: &Map<String, Value>, rng: &mut Rng) -> Value {
    members.iter().map(|(name, value)| (other_case(name, rng), value.clone())).collect()
}

/// Changes the names of variables: not their defaults, and not `${*}`, `${?}` and `${$}`.
fn change_variables(text: &str, rng: &mut Rng) -> String {
    let mut changed = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        // Without a closing brace, it is text.
        let Some(end) = after.find('}').and_then(|_| after.find([',', '}'])) else { break };
        changed += before;
        changed += "${";
        changed += &other_case(&after[..end], rng);
        rest = &after[end..];
    }
    changed + rest
}

fn each_text(value: &mut Value, change: &mut impl FnMut(&str) -> String) {
    match value {
        Value::String(text) => *text = change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        _ => {}
    }
}

/// Returns a text in lower case, in upper case, or with its letters swapped.
fn other_case(text: &str, rng: &mut Rng) -> String {
    let choice = rng.u8(0..3);
    let change = |letter: char| match choice {
        0 => letter.to_ascii_lowercase(),
        1 => letter.to_ascii_uppercase(),
        _ if letter.is_ascii_lowercase() => letter.to_ascii_uppercase(),
        _ => letter.to_ascii_lowercase(),
    };
    text.chars().map(change).collect()
}
