//! The strict parser: everything that it does not support is an error with its location.

use crate::condition::Condition;
use crate::json::Json;
use crate::model::{
    Document, Effect, OneOf, PermissionStatement, Principal, StatementCore, TrustStatement, Version,
};
use crate::pattern::Pattern;

/// An error returned when a policy, or a part of it, cannot be parsed or built.
///
/// # Examples
///
/// ```
/// use rolecall_policy::PermissionPolicy;
/// let json = r#"{"Statement": [{"Effect": "allow", "Action": "*", "Resource": "*"}]}"#;
/// let error = PermissionPolicy::parse(json).unwrap_err();
/// assert_eq!(error.location, "Statement[0].Effect");
/// assert_eq!(error.to_string(), r#"Statement[0].Effect: "allow" is neither "Allow" nor "Deny""#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{location}: {message}")]
#[non_exhaustive]
pub struct PolicyError {
    /// The location in the document, such as `Statement[0].Action`, or the name of the input of a
    /// builder or constructor, such as `role`.
    pub location: String,
    /// The problem at that location, in lower case.
    pub message: String,
}

impl PolicyError {
    pub(crate) fn new(location: &str, message: impl Into<String>) -> Self {
        Self { location: location.to_owned(), message: message.into() }
    }

    /// Replaces the location, for an error from a constructor whose input is part of a document.
    pub(crate) fn at(self, location: &str) -> Self {
        Self { location: location.to_owned(), ..self }
    }
}

type Parsed<T> = Result<T, PolicyError>;

fn fail<T>(location: &str, message: impl Into<String>) -> Parsed<T> {
    Err(PolicyError::new(location, message))
}

/// IAM's own bound is 10,240 characters for any one policy; a document beyond this is no policy.
const MAX_DOCUMENT_BYTES: usize = 131_072;

pub(crate) fn parse_trust(json: &str) -> Parsed<Document<TrustStatement>> {
    statements(json, |place, members, version| {
        for (key, why) in [
            ("Resource", "a trust policy cannot have a Resource"),
            ("NotResource", "a trust policy cannot have a Resource"),
            (
                "NotPrincipal",
                "NotPrincipal is not supported; hint: list the trusted principals in Principal",
            ),
        ] {
            if members.take(key).is_some() {
                return fail(&format!("{place}.{key}"), why);
            }
        }
        let principals = match members.take("Principal") {
            Some(value) => principals(&format!("{place}.Principal"), value)?,
            None => return fail(place, "Principal is missing"),
        };
        Ok(TrustStatement { core: statement_core(place, members, version)?, principals })
    })
}

pub(crate) fn parse_permission(json: &str) -> Parsed<Document<PermissionStatement>> {
    statements(json, |place, members, version| {
        for key in ["Principal", "NotPrincipal"] {
            if members.take(key).is_some() {
                return fail(
                    &format!("{place}.{key}"),
                    "a permission policy cannot have a Principal",
                );
            }
        }
        let core = statement_core(place, members, version)?;
        let resources = one_of(place, members, "Resource", "NotResource", |place, value| {
            version.refuse_variables(place, value)?;
            if value != "*" && value.splitn(6, ':').count() != 6 {
                return fail(place, format!("{value:?} is neither \"*\" nor an ARN"));
            }
            Ok(())
        })?;
        Ok(PermissionStatement { core, resources })
    })
}

/// An object's members, taken out one by one: what is left is unknown.
struct Members(Vec<(String, Json)>);

impl Members {
    fn of(place: &str, value: Json) -> Parsed<Self> {
        match value {
            Json::Object(members) => Ok(Self(members)),
            _ => fail(place, "expected an object"),
        }
    }

    fn take(&mut self, key: &str) -> Option<Json> {
        let index = self.0.iter().position(|(name, _)| name == key)?;
        Some(self.0.swap_remove(index).1)
    }

    fn finish(self, place: &str) -> Parsed<()> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) => fail(&join(place, key), "unknown element"),
        }
    }
}

fn join(place: &str, key: &str) -> String {
    if place == DOCUMENT { key.to_owned() } else { format!("{place}.{key}") }
}

const DOCUMENT: &str = "the document";

impl Version {
    /// Policy variables, `${aws:username}`, are not covered; before 2012-10-17 they are plain text.
    fn refuse_variables(self, place: &str, value: &str) -> Parsed<()> {
        if self == Self::V2012 && value.contains("${") {
            return fail(place, format!("{value:?}: policy variables are not supported"));
        }
        Ok(())
    }
}

fn statements<T>(
    json: &str,
    one: impl Fn(&str, &mut Members, Version) -> Parsed<T>,
) -> Parsed<Document<T>> {
    if json.len() > MAX_DOCUMENT_BYTES {
        return fail(DOCUMENT, format!("longer than {MAX_DOCUMENT_BYTES} bytes"));
    }
    let value = match Json::parse(json) {
        Ok(value) => value,
        Err(error) => return fail(DOCUMENT, format!("not valid JSON: {error}")),
    };
    let mut document = Members::of(DOCUMENT, value)?;
    let version = match document.take("Version") {
        None => Version::V2008,
        Some(Json::String(version)) if version == "2008-10-17" => Version::V2008,
        Some(Json::String(version)) if version == "2012-10-17" => Version::V2012,
        Some(_) => return fail("Version", "expected \"2012-10-17\" or \"2008-10-17\""),
    };
    let id = document.take("Id").map(|id| text("Id", id)).transpose()?;
    let parse = |place: &str, value: Json| {
        let mut members = Members::of(place, value)?;
        let statement = one(place, &mut members, version)?;
        members.finish(place)?;
        Ok(statement)
    };
    let statements = match document.take("Statement") {
        None => return fail(DOCUMENT, "Statement is missing"),
        Some(Json::List(list)) if list.is_empty() => return fail("Statement", "the list is empty"),
        Some(Json::List(list)) => list
            .into_iter()
            .enumerate()
            .map(|(index, value)| parse(&format!("Statement[{index}]"), value))
            .collect::<Parsed<Vec<T>>>()?,
        Some(single) => vec![parse("Statement", single)?],
    };
    document.finish(DOCUMENT)?;
    Ok(Document { version, id, statements })
}

fn statement_core(place: &str, members: &mut Members, version: Version) -> Parsed<StatementCore> {
    let sid = members.take("Sid").map(|sid| text(&format!("{place}.Sid"), sid)).transpose()?;
    let effect = match members.take("Effect") {
        None => return fail(place, "Effect is missing"),
        Some(Json::String(effect)) if effect == "Allow" => Effect::Allow,
        Some(Json::String(effect)) if effect == "Deny" => Effect::Deny,
        Some(Json::String(effect)) => {
            let fault = format!("{effect:?} is neither \"Allow\" nor \"Deny\"");
            return fail(&format!("{place}.Effect"), fault);
        }
        Some(_) => return fail(&format!("{place}.Effect"), "expected a string"),
    };
    let actions = one_of(place, members, "Action", "NotAction", |place, value| {
        let known = value == "*"
            || value.split_once(':').is_some_and(|(service, action)| {
                !service.is_empty() && !action.is_empty() && !action.contains(':')
            });
        if known {
            Ok(())
        } else {
            fail(place, format!("{value:?} is not an action, such as \"sts:AssumeRole\""))
        }
    })?;
    let conditions = match members.take("Condition") {
        None => Vec::new(),
        Some(value) => conditions(&format!("{place}.Condition"), value, version)?,
    };
    Ok(StatementCore { sid, effect, actions, conditions })
}

fn one_of(
    place: &str,
    members: &mut Members,
    positive: &str,
    negative: &str,
    check: impl Fn(&str, &str) -> Parsed<()>,
) -> Parsed<OneOf> {
    let (key, value, negated) = match (members.take(positive), members.take(negative)) {
        (Some(value), None) => (positive, value, false),
        (None, Some(value)) => (negative, value, true),
        (Some(_), Some(_)) => {
            return fail(place, format!("{positive} and {negative} are both present"));
        }
        (None, None) => return fail(place, format!("{positive} or {negative} is missing")),
    };
    let place = format!("{place}.{key}");
    let texts = texts(&place, value)?;
    texts.iter().try_for_each(|text| check(&place, text))?;
    Ok(OneOf { patterns: texts.into_iter().map(Pattern::new).collect(), negated })
}

fn conditions(place: &str, value: Json, version: Version) -> Parsed<Vec<Condition>> {
    let mut conditions = Vec::new();
    for (operator, keys) in Members::of(place, value)?.0 {
        let place = format!("{place}.{operator}");
        for (key, values) in Members::of(&place, keys)?.0 {
            let values = texts(&place, values)?;
            values.iter().try_for_each(|value| version.refuse_variables(&place, value))?;
            let condition = Condition::new(&operator, &key, values);
            conditions.push(condition.map_err(|error| error.at(&place))?);
        }
    }
    Ok(conditions)
}

fn principals(place: &str, value: Json) -> Parsed<Vec<Principal>> {
    if let Json::String(text) = &value {
        if text == "*" {
            return Ok(vec![Principal::Anyone]);
        }
        return fail(place, format!("{text:?} is neither \"*\" nor an object"));
    }
    let mut principals = Vec::new();
    for (kind, values) in Members::of(place, value)?.0 {
        let place = format!("{place}.{kind}");
        for value in texts(&place, values)? {
            let principal = match kind.as_str() {
                "AWS" => Principal::aws(&value),
                "Federated" if !value.contains(['*', '?']) => Ok(Principal::Federated(value)),
                "Service" if !value.contains(['*', '?']) => Ok(Principal::Service(value)),
                "Federated" | "Service" => fail(&place, format!("{value:?} contains a wildcard")),
                _ => fail(&place, "this kind of principal is not supported"),
            };
            principals.push(principal.map_err(|error| error.at(&place))?);
        }
    }
    if principals.is_empty() { fail(place, "no principal is listed") } else { Ok(principals) }
}

fn text(place: &str, value: Json) -> Parsed<String> {
    match value {
        Json::String(text) => Ok(text),
        _ => fail(place, "expected a string"),
    }
}

/// One text or a list of them; truth values and numbers are their text, as IAM takes them.
fn texts(place: &str, value: Json) -> Parsed<Vec<String>> {
    let one = |value| match value {
        Json::String(text) | Json::Number(text) => Ok(text),
        Json::Bool(truth) => Ok(truth.to_string()),
        Json::Null | Json::List(_) | Json::Object(_) => fail(place, "expected a string"),
    };
    match value {
        Json::List(list) if list.is_empty() => fail(place, "the list is empty"),
        Json::List(list) => list.into_iter().map(one).collect(),
        single => Ok(vec![one(single)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PermissionPolicy, TrustPolicy};
    use proptest::prelude::*;

    fn trust_fault(statement: &str) -> String {
        let json = format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#);
        TrustPolicy::parse(&json).unwrap_err().to_string()
    }

    #[test]
    fn unsupported_elements_are_errors_with_location() {
        let with = |more: &str| {
            format!(
                r#"[{{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole", {more}}}]"#
            )
        };
        for (statement, expected) in [
            ("[]".into(), "Statement: the list is empty"),
            ("[1]".into(), "Statement[0]: expected an object"),
            (with(r#""Extra": 1"#), "Statement[0].Extra: unknown element"),
            (with(r#""Sid": 1"#), "Statement[0].Sid: expected a string"),
            (with(r#""NotAction": "x:y""#), "Statement[0]: Action and NotAction are both present"),
            (
                with(r#""Condition": {"DateLessThan": {"aws:CurrentTime": "2026-01-01"}}"#),
                "Statement[0].Condition.DateLessThan: the operator \"DateLessThan\" is not supported",
            ),
            (
                with(r#""Condition": {"StringEquals": {"aws:x": "${aws:username}"}}"#),
                "Statement[0].Condition.StringEquals: \"${aws:username}\": policy variables are not supported",
            ),
            (
                with(r#""Condition": {"StringEquals": {"aws:x": []}}"#),
                "Statement[0].Condition.StringEquals: the list is empty",
            ),
            (
                r#"{"Effect": "Allow", "Action": "sts:AssumeRole"}"#.into(),
                "Statement: Principal is missing",
            ),
            (
                r#"{"Effect": "Allow", "Action": "sts:AssumeRole", "NotPrincipal": "*"}"#.into(),
                "Statement.NotPrincipal: NotPrincipal is not supported; hint: list the trusted principals in Principal",
            ),
            (
                r#"{"Effect": "Allow", "Action": "AssumeRole", "Principal": "*"}"#.into(),
                "Statement.Action: \"AssumeRole\" is not an action, such as \"sts:AssumeRole\"",
            ),
            (
                r#"{"Effect": "Allow", "Action": "sts:*", "Principal": {"AWS": "arn:aws:iam::111122223333:role/*"}}"#.into(),
                "Statement.Principal.AWS: \"arn:aws:iam::111122223333:role/*\" contains a wildcard",
            ),
            (
                r#"{"Effect": "Allow", "Action": "sts:*", "Principal": {"CanonicalUser": "x"}}"#.into(),
                "Statement.Principal.CanonicalUser: this kind of principal is not supported",
            ),
            (
                r#"{"Effect": "Allow", "Action": "sts:*", "Principal": {}}"#.into(),
                "Statement.Principal: no principal is listed",
            ),
        ] {
            assert_eq!(trust_fault(&statement), expected);
        }
    }

    #[test]
    fn invalid_documents_are_errors() {
        for (json, part) in [
            ("", "not valid JSON"),
            ("[]", "expected an object"),
            ("{}", "Statement is missing"),
            (r#"{"Version": "2013", "Statement": []}"#, "Version: expected"),
            (r#"{"Statement": [], "Statement": []}"#, "\"Statement\" is repeated"),
            (
                r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "x"}}"#,
                "neither \"*\" nor an ARN",
            ),
            (
                r#"{"Statement": {"Effect": "Allow", "Action": "*"}}"#,
                "Resource or NotResource is missing",
            ),
            (
                r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}}"#,
                "Statement.Principal: a permission policy cannot have a Principal",
            ),
        ] {
            let error = PermissionPolicy::parse(json).unwrap_err().to_string();
            assert!(error.contains(part), "{json}: {error}");
        }
        assert!(PermissionPolicy::parse(&" ".repeat(MAX_DOCUMENT_BYTES + 1)).is_err());
        // Nesting is bounded by the JSON parser.
        assert!(PermissionPolicy::parse(&"[".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(json in any::<String>()) {
            let _ = (TrustPolicy::parse(&json), PermissionPolicy::parse(&json));
        }

        #[test]
        fn no_statement_makes_the_parser_panic(
            effect in "Allow|Deny|x", action in "[a-z:*]{0,8}", principal in "[a-z0-9:/*]{0,40}",
            operator in "(StringEquals|Bool|Null|Arn)(IfExists)?", key in "[a-z:]{0,5}",
        ) {
            let json = format!(
                r#"{{"Statement": {{"Effect": "{effect}", "Action": "{action}", "Principal": {{"AWS": "{principal}"}},
                "Condition": {{"{operator}": {{"{key}": ["{action}"]}}}}}}}}"#
            );
            let _ = (TrustPolicy::parse(&json), PermissionPolicy::parse(&json));
        }
    }
}
