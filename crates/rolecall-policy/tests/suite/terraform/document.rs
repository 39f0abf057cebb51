//! The data source `aws_iam_policy_document`, as its documentation describes it: the provider is
//! not available without a network.

use serde_json::{Map, Value, json};

/// Returns the policy that the data source writes for these arguments, normalized.
pub(super) fn policy(arguments: &Value) -> Value {
    let mut policy = Map::new();
    for (argument, value) in arguments.as_object().unwrap() {
        match argument.as_str() {
            "version" => policy.insert("Version".to_owned(), value.clone()),
            "policy_id" => policy.insert("Id".to_owned(), value.clone()),
            "statement" => {
                let statements = value.as_array().unwrap().iter().map(statement).collect();
                policy.insert("Statement".to_owned(), statements)
            }
            other => panic!("no argument {other}"),
        };
    }
    normalize(&Value::Object(policy))
}

fn statement(arguments: &Value) -> Value {
    let mut statement = Map::new();
    for (argument, value) in arguments.as_object().unwrap() {
        let (key, value) = match argument.as_str() {
            "sid" => ("Sid", value.clone()),
            "effect" => ("Effect", value.clone()),
            "actions" => ("Action", value.clone()),
            "not_actions" => ("NotAction", value.clone()),
            "resources" => ("Resource", replace_variables(value)),
            "not_resources" => ("NotResource", replace_variables(value)),
            "principals" => ("Principal", principals(value)),
            "not_principals" => ("NotPrincipal", principals(value)),
            "condition" => ("Condition", conditions(value)),
            other => panic!("no argument {other}"),
        };
        statement.insert(key.to_owned(), value);
    }
    Value::Object(statement)
}

/// `&{` stands for `${`, which Terraform would take for a template.
fn replace_variables(list: &Value) -> Value {
    let texts = list.as_array().unwrap().iter();
    texts.map(|text| json!(text.as_str().unwrap().replace("&{", "${"))).collect()
}

fn principals(blocks: &Value) -> Value {
    let blocks = blocks.as_array().unwrap();
    if blocks.as_slice() == [json!({"type": "*", "identifiers": ["*"]})] {
        return json!("*");
    }
    let mut principals = Map::new();
    for block in blocks {
        let kind = block["type"].as_str().unwrap();
        assert_ne!(kind, "*");
        let earlier = principals.insert(kind.to_owned(), replace_variables(&block["identifiers"]));
        assert_eq!(earlier, None, "{kind}");
    }
    Value::Object(principals)
}

fn conditions(blocks: &Value) -> Value {
    let mut conditions = json!({});
    for block in blocks.as_array().unwrap() {
        let [test, variable] = ["test", "variable"].map(|name| block[name].as_str().unwrap());
        let expected = &mut conditions[test][variable];
        assert_eq!(*expected, Value::Null, "{test} {variable}");
        *expected = replace_variables(&block["values"]);
    }
    conditions
}

/// Removes the differences that have no meaning: a single value is a list, and so is a single
/// statement; lists of alternatives are sorted; numbers and booleans are strings.
pub(super) fn normalize(policy: &Value) -> Value {
    let mut policy = policy.clone();
    if policy["Statement"].is_object() {
        policy["Statement"] = json!([policy["Statement"]]);
    }
    for statement in policy["Statement"].as_array_mut().unwrap() {
        for (key, value) in statement.as_object_mut().unwrap() {
            match key.as_str() {
                "Action" | "NotAction" | "Resource" | "NotResource" => *value = sort(value),
                "Principal" | "NotPrincipal" => {
                    if let Value::Object(kinds) = value {
                        kinds.values_mut().for_each(|identifiers| *identifiers = sort(identifiers));
                    }
                }
                "Condition" => {
                    for keys in value.as_object_mut().unwrap().values_mut() {
                        let keys = keys.as_object_mut().unwrap();
                        keys.values_mut().for_each(|expected| *expected = sort(expected));
                    }
                }
                _ => {}
            }
        }
    }
    policy
}

fn sort(value: &Value) -> Value {
    let items = match value {
        Value::Array(items) => items.clone(),
        value => vec![value.clone()],
    };
    let to_text = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
    let mut texts: Vec<String> = items.iter().map(to_text).collect();
    texts.sort();
    json!(texts)
}
