//! The lints of what the model of a policy does not keep, on the JSON of the document.

use super::finding::Finding;
use super::location::Source;
use super::registry::{
    EMPTY_ARRAY_CONDITION, EMPTY_ARRAY_CONDITION_FORALLVALUES, EMPTY_ARRAY_CONDITION_FORANYVALUE,
    EMPTY_ARRAY_CONDITION_IFEXISTS, EMPTY_OBJECT_CONDITION, INVALID_CONDITION_DATA_TYPE, Lint,
    ROLE_TRUST_POLICY_UNSUPPORTED_WILDCARD_IN_PRINCIPAL,
};
use crate::condition::{Operator, SetOperator};
use crate::json::{Json, Member, Value};
use crate::limits::PolicyKind;

/// Lints the JSON of a document.
pub(super) fn lint(source: &Source<'_>, kind: PolicyKind, findings: &mut Vec<Finding>) {
    let mut walk = Walk { source, findings };
    let Some(statement) = member(&source.json, "Statement") else { return };
    match &statement.value.value {
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                walk.statement(&format!("Statement[{index}]"), item, kind);
            }
        }
        _ => walk.statement("Statement", &statement.value, kind),
    }
}

fn members<'j, 'a>(json: &'j Json<'a>) -> &'j [Member<'a>] {
    match &json.value {
        Value::Object(members) => members,
        _ => &[],
    }
}

fn member<'j, 'a>(json: &'j Json<'a>, key: &str) -> Option<&'j Member<'a>> {
    members(json).iter().find(|member| member.key == key)
}

fn is_empty(member: &Member<'_>) -> bool {
    matches!(&member.value.value, Value::Object(members) if members.is_empty())
}

struct Walk<'w, 'a> {
    source: &'w Source<'a>,
    findings: &'w mut Vec<Finding>,
}

impl Walk<'_, '_> {
    fn add(&mut self, lint: &Lint, location: String, offset: usize, message: &str, fix: &str) {
        let Lint { code, severity, .. } = *lint;
        let position = Some(self.source.lines.position(offset));
        let (message, fix) = (message.to_owned(), fix.to_owned());
        self.findings.push(Finding { code, severity, location, position, message, fix });
    }

    fn statement(&mut self, path: &str, json: &Json<'_>, kind: PolicyKind) {
        if let Some(condition) = member(json, "Condition") {
            self.condition(&format!("{path}.Condition"), condition);
        }
        let is_trust = !kind.has_resource();
        let principal = member(json, "Principal").filter(|_| is_trust);
        let Some(principal) = principal else { return };
        if matches!(&principal.value.value, Value::String(text) if text == "*") {
            self.add(
                ROLE_TRUST_POLICY_UNSUPPORTED_WILDCARD_IN_PRINCIPAL,
                format!("{path}.Principal"),
                principal.value.offset,
                "IAM refuses the principal \"*\" in a trust policy",
                "write {\"AWS\": \"*\"}, with a condition on the caller",
            );
        }
    }

    fn condition(&mut self, path: &str, condition: &Member<'_>) {
        if is_empty(condition) {
            let offset = condition.value.offset;
            let message = "the condition is empty, and always met";
            self.add(EMPTY_OBJECT_CONDITION, path.to_owned(), offset, message, "remove it");
        }
        for operator in members(&condition.value) {
            let path = format!("{path}.{}", operator.key);
            if is_empty(operator) {
                let offset = operator.value.offset;
                let message = "the block has no condition, and is always met";
                self.add(EMPTY_OBJECT_CONDITION, path.clone(), offset, message, "remove it");
            }
            for key in members(&operator.value) {
                let Value::List(values) = &key.value.value else { continue };
                if values.is_empty() {
                    let (lint, message, fix) = empty_values(&operator.key);
                    let path = format!("{path}.{}", key.key);
                    self.add(lint, path, key.value.offset, message, fix);
                }
                let mut kinds: Vec<&str> = values.iter().map(Json::kind).collect();
                kinds.dedup();
                if kinds.len() > 1 {
                    self.add(
                        INVALID_CONDITION_DATA_TYPE,
                        format!("{path}.{}", key.key),
                        key.value.offset,
                        "the values have different JSON types",
                        "write all of them as strings",
                    );
                }
            }
        }
    }
}

/// What a condition without values says, by its operator.
fn empty_values(operator: &str) -> (&'static Lint, &'static str, &'static str) {
    let null = "add a value, or test with Null that the key is absent";
    let Ok(operator) = Operator::parse(operator) else {
        return (EMPTY_ARRAY_CONDITION, "the condition has no value", "add a value");
    };
    match operator.set_operator() {
        Some(SetOperator::ForAllValues) => (
            EMPTY_ARRAY_CONDITION_FORALLVALUES,
            "the condition has no value, and is met only without the key",
            null,
        ),
        Some(SetOperator::ForAnyValue) => (
            EMPTY_ARRAY_CONDITION_FORANYVALUE,
            "the condition has no value, and is never met",
            "add a value, or remove the statement",
        ),
        None if operator.is_if_exists() => (
            EMPTY_ARRAY_CONDITION_IFEXISTS,
            "the condition has no value, and is met only without the key",
            null,
        ),
        None => (
            EMPTY_ARRAY_CONDITION,
            "the condition has no value to compare with",
            "add a value, or remove the condition",
        ),
    }
}
