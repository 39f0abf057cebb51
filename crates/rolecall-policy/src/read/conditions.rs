//! The reader of the element `Condition`.

use std::collections::HashSet;

use super::path::Path;
use super::reader::{Parsed, Reader, Stop};
use crate::condition::{Condition, Operator, key_fault};
use crate::json::{Json, Member};
use crate::pattern::Version;

impl Reader<'_> {
    pub(super) fn conditions(
        &self,
        path: &Path<'_>,
        json: Json<'_>,
        version: Version,
    ) -> Parsed<Vec<Condition>> {
        let mut conditions: Vec<Condition> = Vec::new();
        let mut operators: Vec<Operator> = Vec::new();
        let mut all = true;
        for member in self.members(path, json, "DATA_TYPE_MISMATCH")?.list {
            let path = path.key(&member.key);
            let first = conditions.len();
            let block = self.operator(&path, &member, &mut operators).and_then(|operator| {
                Ok((operator, self.members(&path, member.value, "DATA_TYPE_MISMATCH")?))
            });
            let Some((operator, block)) = self.collect(block)? else {
                all = false;
                continue;
            };
            let mut keys = Keys::default();
            for member in block.list {
                // Two operators may test one key, so only the conditions of this operator are
                // compared.
                let same = conditions.get(first..).unwrap_or_default();
                let repeated = keys.repeats(&member.key, same);
                match self.collect(self.condition(&path, operator, member, version, repeated))? {
                    Some(condition) => conditions.push(condition),
                    None => all = false,
                }
            }
        }
        if all { Ok(conditions) } else { Err(Stop::Collected) }
    }

    fn operator(
        &self,
        path: &Path<'_>,
        member: &Member<'_>,
        earlier: &mut Vec<Operator>,
    ) -> Parsed<Operator> {
        let operator = Operator::parse(&member.key).or_else(|fault| {
            let null = member.key.to_ascii_lowercase().ends_with("nullifexists");
            let code = if null { "NULL_WITH_IF_EXISTS" } else { "INVALID_CONDITION_OPERATOR" };
            self.fail(path, member.offset, code, fault)
        })?;
        // Operators are case-insensitive and JSON keys are not, so the JSON reader does not find
        // this repetition, which is as ambiguous as two equal keys.
        if earlier.contains(&operator) {
            let message = format!("the operator {operator} stands here in two spellings");
            return self.fail(path, member.offset, "DUPLICATE_KEYS_WITH_DIFFERENT_CASE", message);
        }
        earlier.push(operator);
        Ok(operator)
    }

    /// Reads the condition on one key. `repeated` is `true` if its operator already has the key.
    fn condition(
        &self,
        path: &Path<'_>,
        operator: Operator,
        member: Member<'_>,
        version: Version,
        repeated: bool,
    ) -> Parsed<Condition> {
        let path = path.key(&member.key);
        if let Some(fault) = key_fault(&member.key) {
            return self.fail(&path, member.offset, "INVALID_CONDITION_KEY_FORMAT", fault);
        }
        // IAM accepts a condition without values. (IAM User Guide, "IAM policy validation check
        // reference": empty array condition.)
        let values = self.each(&path, member.value, |path, json| match json.into_scalar() {
            Ok(text) => Ok(text.into_owned().into_boxed_str()),
            Err(error) => self.fail_as(path, error, "DATA_TYPE_MISMATCH"),
        })?;
        let at = self.located(member.offset);
        let condition = Condition::compile(operator, &member.key, values, version, at);
        if repeated {
            let message = format!("the key {:?} stands here in two spellings", member.key);
            return self.fail(&path, member.offset, "DUPLICATE_KEYS_WITH_DIFFERENT_CASE", message);
        }
        Ok(condition)
    }
}

/// The keys of one operator, in lower case. The set is used only for many keys.
#[derive(Default)]
struct Keys(HashSet<String>);

impl Keys {
    /// Up to this many keys are compared one by one.
    const FEW: usize = 16;

    /// Returns `true` if one of the earlier conditions of the operator has the key.
    fn repeats(&mut self, key: &str, earlier: &[Condition]) -> bool {
        // Most operators have one key, which needs no comparison.
        if earlier.is_empty() {
            return false;
        }
        let key = key.to_lowercase();
        if earlier.len() < Self::FEW {
            return earlier.iter().any(|condition| condition.lower_case_key() == key);
        }
        if self.0.is_empty() {
            self.0.extend(earlier.iter().map(|condition| condition.lower_case_key().to_owned()));
        }
        !self.0.insert(key)
    }
}
