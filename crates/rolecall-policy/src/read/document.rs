//! The readers of documents and statements.

use std::collections::HashMap;

use super::path::Path;
use super::reader::{Parsed, Reader, Stop};
use crate::json::{Json, Member, Members, Value};
use crate::limits::PolicyKind;
use crate::model::{ActionPattern, Document, Effect, OneOf, ResourcePattern, Statement};
use crate::pattern::Version;
use crate::principal::Principal;

/// A document without the statements that have faults, and the indices of the others in the text.
pub(super) struct ReadDocument {
    pub(super) document: Document,
    pub(super) indices: Vec<usize>,
}

impl Reader<'_> {
    pub(super) fn document(&self, json: Json<'_>) -> Parsed<ReadDocument> {
        let path = Path::DOCUMENT;
        let mut members = self.members(&path, json, "DATA_TYPE_MISMATCH")?;
        let version = members.take("Version").map(|member| self.version(member.value));
        // Statements are read as of the current version if theirs is unknown.
        let version = self.collect(version.transpose())?.unwrap_or(Some(Version::V2012));
        let id = members.take("Id").map(|member| self.id(&path.key("Id"), member));
        let id = self.collect(id.transpose())?.flatten();
        let known = ["Version", "Id", "Statement"];
        let Some(statement) = members.take("Statement") else {
            // A misspelled `Statement` is the likely cause, so the unknown elements are reported
            // with it.
            let message = "Statement is missing";
            self.collect(self.fail::<()>(&path, members.offset, "MISSING_STATEMENT", message))?;
            self.finish(&path, members, &known)?;
            return Err(Stop::Collected);
        };
        self.collect(self.finish(&path, members, &known))?;
        // IAM reads a document without a version as one of 2008-10-17, which has no variables.
        let language = version.unwrap_or(Version::V2008);
        let mut sids = HashMap::new();
        let (path, statements) = (path.key("Statement"), statement.value);
        if matches!(&statements.value, Value::List(items) if items.is_empty()) {
            return self.fail(&path, statements.offset, "MISSING_STATEMENT", "the list is empty");
        }
        let statements = self.each_without_fault(&path, statements, |path, json| {
            self.statement(path, json, language, &mut sids)
        })?;
        let read = statements.into_iter().enumerate();
        let (indices, statements) =
            read.filter_map(|(index, statement)| Some((index, statement?))).unzip();
        Ok(ReadDocument { document: Document { version, id, statements }, indices })
    }

    fn id(&self, path: &Path<'_>, member: Member<'_>) -> Parsed<String> {
        if !self.kind.has_id() {
            let message = format!("{} cannot have an Id", self.kind.name());
            return self.fail(path, member.offset, "INVALID_POLICY_ELEMENT", message);
        }
        Ok(self.text(path, member.value)?.into_owned())
    }

    fn version(&self, json: Json<'_>) -> Parsed<Version> {
        let known = [Version::V2012, Version::V2008];
        let found = match &json.value {
            Value::String(text) => known.into_iter().find(|version| version.as_str() == text),
            _ => None,
        };
        let shown = match &json.value {
            Value::String(text) => format!("{text:?}"),
            _ => json.kind().to_owned(),
        };
        let fail = || {
            let message = format!(
                "{shown} is not a version of the policy language: expected \"2012-10-17\" or \
                 \"2008-10-17\""
            );
            self.fail(&Path::DOCUMENT.key("Version"), json.offset, "INVALID_VERSION", message)
        };
        found.map_or_else(fail, Ok)
    }

    fn statement(
        &self,
        path: &Path<'_>,
        json: Json<'_>,
        version: Version,
        sids: &mut HashMap<String, usize>,
    ) -> Parsed<Statement> {
        let at = self.located(json.offset);
        let mut members = self.members(path, json, "DATA_TYPE_MISMATCH")?;
        // Each element is collected by itself, so that a fault in one does not hide those of the
        // others.
        let sid = members.take("Sid").map(|member| self.sid(&path.key("Sid"), member, sids));
        let sid = self.collect(sid.transpose())?;
        let effect = self.collect(self.effect(path, &mut members))?;
        let principals = self.collect(self.principal_element(path, &mut members))?;
        let actions = self.collect(self.action_element(path, &mut members))?;
        let resources = self.collect(self.resource_element(path, &mut members, version))?;
        let conditions = members
            .take("Condition")
            .map(|member| self.conditions(&path.key("Condition"), member.value, version));
        let conditions = self.collect(conditions.unwrap_or(Ok(Vec::new())))?;
        let known = self.collect(self.finish(path, members, &ELEMENTS))?;
        match (sid, effect, principals, actions, resources, conditions, known) {
            (
                Some(sid),
                Some(effect),
                Some(principals),
                Some(actions),
                Some(resources),
                Some(conditions),
                Some(()),
            ) => Ok(Statement { sid, effect, principals, actions, resources, conditions, at }),
            _ => Err(Stop::Collected),
        }
    }

    fn sid(
        &self,
        path: &Path<'_>,
        member: Member<'_>,
        sids: &mut HashMap<String, usize>,
    ) -> Parsed<String> {
        let offset = member.value.offset;
        let sid = self.text(path, member.value)?.into_owned();
        if !self.kind.has_free_sids() && !sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
            let expected = "a Sid has only ASCII letters and digits";
            let message = format!("{sid:?} is not a valid Sid: {expected}");
            return self.fail(path, offset, unless_variable(&sid, "UNSUPPORTED_SID"), message);
        }
        // The IAM console writes an empty Sid into each statement.
        if !sid.is_empty() {
            if let Some(first) = sids.get(&sid) {
                let first = self.lines.position(*first);
                let message = format!("the Sid {sid:?} is already used at {first}");
                return self.fail(path, offset, "UNIQUE_SIDS_REQUIRED", message);
            }
            sids.insert(sid.clone(), offset);
        }
        Ok(sid)
    }

    fn effect(&self, path: &Path<'_>, members: &mut Members<'_>) -> Parsed<Effect> {
        let Some(member) = members.take("Effect") else {
            return self.fail(path, members.offset, "MISSING_EFFECT", "Effect is missing");
        };
        let path = path.key("Effect");
        let offset = member.value.offset;
        // The value of Effect is case-sensitive: IAM refuses `deny`.
        match self.text(&path, member.value)?.as_ref() {
            "Allow" => Ok(Effect::Allow),
            "Deny" => Ok(Effect::Deny),
            other => {
                let message = format!("{other:?} is neither \"Allow\" nor \"Deny\"");
                self.fail(&path, offset, "INVALID_EFFECT", message)
            }
        }
    }

    fn action_element(
        &self,
        path: &Path<'_>,
        members: &mut Members<'_>,
    ) -> Parsed<OneOf<ActionPattern>> {
        let read = |path: &Path<'_>, json: Json<'_>| {
            let offset = json.offset;
            let text = self.text(path, json)?;
            ActionPattern::parse_text(&text, self.located(offset)).or_else(|fault| {
                let message = format!("{text:?} is not an action: {fault}");
                self.fail(path, offset, unless_variable(&text, "INVALID_ACTION"), message)
            })
        };
        match self.one_of(path, members, ["Action", "NotAction"], "EMPTY_ARRAY_ACTION", read)? {
            Some(actions) => Ok(actions),
            None => {
                let message = "Action or NotAction is missing";
                self.fail(path, members.offset, "MISSING_ACTION", message)
            }
        }
    }

    fn principal_element(
        &self,
        path: &Path<'_>,
        members: &mut Members<'_>,
    ) -> Parsed<Option<OneOf<Principal>>> {
        let keys = ["Principal", "NotPrincipal"];
        if !self.kind.has_principal() {
            let code = match self.kind {
                PolicyKind::ServiceControl => "SCP_SYNTAX_ERROR_PRINCIPAL",
                _ => "UNSUPPORTED_PRINCIPAL",
            };
            self.refuse(path, members, keys, code)?;
            return Ok(None);
        }
        let [positive, negative] = keys;
        let (member, negated) = match (members.take(positive), members.take(negative)) {
            (None, None) => {
                let message = format!("Principal is missing, which {} needs", self.kind.name());
                return self.fail(path, members.offset, "MISSING_PRINCIPAL", message);
            }
            (Some(_), Some(other)) => {
                let message = "a statement has Principal or NotPrincipal, not both";
                let code = "UNSUPPORTED_ELEMENT_COMBINATION";
                return self.fail(&path.key(negative), other.offset, code, message);
            }
            (Some(member), None) => (member, false),
            (None, Some(member)) => (member, true),
        };
        let path = path.key(if negated { negative } else { positive });
        let offset = member.value.offset;
        let patterns = self.principals(&path, member.value)?;
        let everyone = !negated && patterns == [Principal::Anyone];
        if self.kind == PolicyKind::ResourceControl && !everyone {
            let message = "a resource control policy has \"*\" as its only Principal; hint: test \
                           aws:PrincipalArn in a condition";
            return self.fail(&path, offset, "RCP_SYNTAX_ERROR_PRINCIPAL", message);
        }
        Ok(Some(OneOf { patterns, negated }))
    }

    fn principals(&self, path: &Path<'_>, json: Json<'_>) -> Parsed<Vec<Principal>> {
        let offset = json.offset;
        if let Value::String(text) = &json.value {
            if text == "*" {
                return Ok(vec![Principal::Anyone]);
            }
            let hint = format!("hint: write {{\"AWS\": {text:?}}}");
            let message =
                format!("{text:?} is not a principal: expected \"*\" or an object; {hint}");
            return self.fail(path, offset, "INVALID_PRINCIPAL_FORMAT", message);
        }
        let members = self.members(path, json, "INVALID_PRINCIPAL_FORMAT")?;
        if members.list.is_empty() {
            return self.fail(path, offset, "EMPTY_OBJECT_PRINCIPAL", "the object is empty");
        }
        let mut principals = Vec::new();
        let mut all = true;
        for member in members.list {
            let kind = member.key.as_ref();
            let read = |path: &Path<'_>, json: Json<'_>| {
                let offset = json.offset;
                let text = self.text(path, json)?;
                Principal::parse(kind, &text)
                    .or_else(|fault| self.fail(path, offset, principal_code(kind, &text), fault))
            };
            let path = path.key(kind);
            let read = self.one_or_many(&path, member.value, "EMPTY_ARRAY_PRINCIPAL", read);
            match self.collect(read)? {
                Some(read) => principals.extend(read),
                None => all = false,
            }
        }
        if all { Ok(principals) } else { Err(Stop::Collected) }
    }

    fn resource_element(
        &self,
        path: &Path<'_>,
        members: &mut Members<'_>,
        version: Version,
    ) -> Parsed<Option<OneOf<ResourcePattern>>> {
        let keys = ["Resource", "NotResource"];
        if !self.kind.has_resource() {
            self.refuse(path, members, keys, "ROLE_TRUST_POLICY_SYNTAX_ERROR_RESOURCE")?;
            return Ok(None);
        }
        let read = |path: &Path<'_>, json: Json<'_>| {
            let offset = json.offset;
            let text = self.text(path, json)?;
            if let Some(fault) = resource_fault(&text) {
                let is_arn = text.starts_with("arn:");
                let code = if is_arn { "MISSING_ARN_FIELD" } else { "INVALID_ARN_PREFIX" };
                return self.fail(path, offset, code, format!("{text:?} {fault}"));
            }
            Ok(ResourcePattern::compile(&text, version, self.located(offset)))
        };
        match self.one_of(path, members, keys, "EMPTY_ARRAY_RESOURCE", read)? {
            // The policy of an ECR repository, for one, applies to that repository alone.
            None if self.kind == PolicyKind::Resource => Ok(None),
            None => {
                let message = "Resource or NotResource is missing";
                self.fail(path, members.offset, "MISSING_RESOURCE", message)
            }
            resources => Ok(resources),
        }
    }
}

/// Returns what is wrong with a resource. An ARN that ends in a star may omit the fields that the
/// star stands for.
fn resource_fault(text: &str) -> Option<&'static str> {
    let all = !text.is_empty() && text.bytes().all(|b| b == b'*');
    let arn = text.starts_with("arn:") && (text.splitn(6, ':').count() == 6 || text.contains('*'));
    (!all && !arn).then_some("is neither \"*\" nor an ARN, of six fields separated by colons")
}

const ELEMENTS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

/// Returns the code of a fault in a value, unless the value contains a policy variable, which is
/// the likely cause of the fault.
fn unless_variable(value: &str, code: &'static str) -> &'static str {
    if value.contains("${") { "VARIABLE_UNSUPPORTED_IN_ELEMENT" } else { code }
}

fn principal_code(kind: &str, value: &str) -> &'static str {
    let code = match kind {
        "AWS" | "Federated" | "Service" | "CanonicalUser" if value.contains(['*', '?']) => {
            "UNSUPPORTED_WILDCARD_IN_PRINCIPAL"
        }
        "AWS" | "CanonicalUser" => "INVALID_PRINCIPAL",
        "Federated" => "INVALID_FEDERATED_PRINCIPAL_SYNTAX_IN_ROLE_TRUST_POLICY",
        "Service" => "INVALID_SERVICE_PRINCIPAL_FORMAT",
        _ => "INVALID_PRINCIPAL_KEY",
    };
    unless_variable(value, code)
}
