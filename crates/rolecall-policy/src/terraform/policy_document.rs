//! `aws_iam_policy_document`: a policy as nested blocks.

use std::collections::HashSet;

use hcl::{Attribute, Block, Expression};

use super::block::{BlockWriter, Sealed};
use super::json;
use crate::error::PolicyError;
use crate::json::{Json, JsonError, Member, Value};
use crate::pattern::Version;
use crate::read::json_error;

/// A policy as nested blocks: the data source `aws_iam_policy_document`.
///
/// The data source writes a policy that means the same, with other spelling: lists in another
/// order, single values without their list, numbers and booleans as strings. It cannot express
/// every policy. [`Configuration::add`](super::Configuration::add) returns an error for a policy
/// whose version is not 2012-10-17, for a `Sid` that is not alphanumeric or occurs twice, for an
/// empty list or object, and for a value that contains `&{`, which the data source takes for a
/// policy variable. Pass such a policy to the block that it belongs to.
///
/// # Examples
///
/// ```
/// use rolecall_policy::PermissionPolicy;
/// use rolecall_policy::terraform::{Configuration, PolicyDocument};
///
/// let policy = PermissionPolicy::parse(r#"{
///     "Version": "2012-10-17",
///     "Statement": [{
///         "Effect": "Allow",
///         "Action": "s3:ListBucket",
///         "Resource": "arn:aws:s3:::shop",
///         "Condition": {"StringLike": {"s3:prefix": "${aws:username}/*"}}
///     }]
/// }"#)?;
/// let mut configuration = Configuration::new();
/// configuration.add(PolicyDocument::new("own_folder", &policy))?;
/// assert_eq!(configuration.to_string(), r#"data "aws_iam_policy_document" "own_folder" {
///   version = "2012-10-17"
///
///   statement {
///     effect    = "Allow"
///     actions   = ["s3:ListBucket"]
///     resources = ["arn:aws:s3:::shop"]
///
///     condition {
///       test     = "StringLike"
///       variable = "s3:prefix"
///       values   = ["&{aws:username}/*"]
///     }
///   }
/// }
/// "#);
/// # Ok::<(), rolecall_policy::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct PolicyDocument {
    label: String,
    json: String,
}

impl PolicyDocument {
    /// Creates a block for a policy: a [`TrustPolicy`](crate::TrustPolicy), a
    /// [`PermissionPolicy`](crate::PermissionPolicy), a
    /// [`ResourcePolicy`](crate::ResourcePolicy), or its JSON text.
    ///
    /// The position in an error is that in the text, or in what `to_json` returns.
    pub fn new(label: impl Into<String>, json: impl Into<String>) -> Self {
        Self { label: label.into(), json: json.into() }
    }
}

impl Sealed for PolicyDocument {
    const TYPE: &'static str = "aws_iam_policy_document";
    const IS_DATA: bool = true;

    fn label(&self) -> &str {
        &self.label
    }

    fn write(&self, block: &mut BlockWriter<'_>) -> Result<(), PolicyError> {
        let policy = json::parse(&self.json)?;
        let (attributes, statements) =
            convert(&policy).map_err(|error| json_error(&self.json, error))?;
        for (name, text) in attributes {
            block.set(name, text);
        }
        for statement in statements {
            block.nest(statement);
        }
        Ok(())
    }
}

type Converted<T> = Result<T, JsonError>;

fn fail<T>(location: &str, offset: usize, message: impl Into<String>) -> Converted<T> {
    Err(JsonError { location: location.to_owned(), offset, message: message.into() })
}

type Arguments = Vec<(&'static str, String)>;

fn convert(policy: &[Member<'_>]) -> Converted<(Arguments, Vec<Block>)> {
    let mut version = None;
    let mut id = None;
    let mut statements = Vec::new();
    for Member { key, value, offset } in policy {
        match key.as_ref() {
            "Version" => version = Some(text(key, value)?),
            "Id" => id = Some(text(key, value)?),
            "Statement" => statements = convert_statements(value)?,
            _ => return fail(key, *offset, "the data source has no such element"),
        }
    }
    if version != Some(Version::V2012.as_str()) {
        let message = "is not \"2012-10-17\", which the policy variables require";
        return fail("Version", 0, message);
    }
    if statements.is_empty() {
        return fail("Statement", 0, "the policy has no statement");
    }
    let version = version.map(|version| ("version", version.to_owned()));
    let id = id.map(|id| ("policy_id", id.to_owned()));
    Ok((version.into_iter().chain(id).collect(), statements))
}

fn convert_statements(value: &Json<'_>) -> Converted<Vec<Block>> {
    let mut sids = HashSet::new();
    match &value.value {
        Value::List(statements) => {
            let numbered = statements.iter().enumerate();
            let convert = |(index, statement)| {
                convert_statement(&format!("Statement[{index}]"), statement, &mut sids)
            };
            numbered.map(convert).collect()
        }
        _ => Ok(vec![convert_statement("Statement", value, &mut sids)?]),
    }
}

fn convert_statement<'a>(
    location: &str,
    statement: &'a Json<'_>,
    sids: &mut HashSet<&'a str>,
) -> Converted<Block> {
    // Attributes in the usual order, whatever the order of the keys is.
    let mut attributes: [Option<Attribute>; 6] = Default::default();
    let [sid, effect, actions, not_actions, resources, not_resources] = &mut attributes;
    let mut blocks = Vec::new();
    for Member { key, value, offset } in members(location, statement)? {
        let location = format!("{location}.{key}");
        let list = |name| strings(&location, value).map(|list| Some(Attribute::new(name, list)));
        let list_with_variables =
            |name| values(&location, value).map(|list| Some(Attribute::new(name, list)));
        match key.as_ref() {
            "Sid" => *sid = Some(Attribute::new("sid", check_sid(&location, value, sids)?)),
            "Effect" => *effect = Some(Attribute::new("effect", check_effect(&location, value)?)),
            "Action" => *actions = list("actions")?,
            "NotAction" => *not_actions = list("not_actions")?,
            "Resource" => *resources = list_with_variables("resources")?,
            "NotResource" => *not_resources = list_with_variables("not_resources")?,
            "Principal" => blocks.extend(convert_principals("principals", &location, value)?),
            "NotPrincipal" => {
                blocks.extend(convert_principals("not_principals", &location, value)?);
            }
            "Condition" => blocks.extend(convert_conditions(&location, value)?),
            _ => return fail(&location, *offset, "the data source has no such element"),
        }
    }
    if effect.is_none() {
        return fail(&format!("{location}.Effect"), statement.offset, "is missing");
    }
    let attributes = attributes.into_iter().flatten();
    Ok(Block::builder("statement").add_attributes(attributes).add_blocks(blocks).build())
}

fn check_sid<'a>(
    location: &str,
    value: &'a Json<'_>,
    sids: &mut HashSet<&'a str>,
) -> Converted<&'a str> {
    let sid = text(location, value)?;
    if sid.is_empty() || !sid.chars().all(|c| c.is_ascii_alphanumeric()) {
        return fail(location, value.offset, format!("{sid:?} is not alphanumeric"));
    }
    match sids.insert(sid) {
        true => Ok(sid),
        false => fail(location, value.offset, format!("{sid:?} occurs twice")),
    }
}

fn check_effect<'a>(location: &str, value: &'a Json<'_>) -> Converted<&'a str> {
    match text(location, value)? {
        effect @ ("Allow" | "Deny") => Ok(effect),
        other => {
            let message = format!("{other:?} is neither \"Allow\" nor \"Deny\"");
            fail(location, value.offset, message)
        }
    }
}

fn convert_principals(name: &str, location: &str, value: &Json<'_>) -> Converted<Vec<Block>> {
    let block = |kind: &str, identifiers: Expression| {
        Block::builder(name)
            .add_attribute(("type", kind))
            .add_attribute(("identifiers", identifiers))
            .build()
    };
    match &value.value {
        // The data source distinguishes "*" from {"AWS": "*"}, as IAM does.
        Value::String(text) if text == "*" => Ok(vec![block("*", Expression::from(vec!["*"]))]),
        Value::String(text) => {
            fail(location, value.offset, format!("{text:?} is neither \"*\" nor an object"))
        }
        _ => {
            let mut blocks = Vec::new();
            for Member { key: kind, value: identifiers, offset } in members(location, value)? {
                let location = format!("{location}.{kind}");
                // The data source would write {"*": "*"} as "*".
                if !matches!(kind.as_ref(), "AWS" | "CanonicalUser" | "Federated" | "Service") {
                    return fail(&location, *offset, "is not a type of principal");
                }
                blocks.push(block(kind, values(&location, identifiers)?));
            }
            Ok(blocks)
        }
    }
}

fn convert_conditions(location: &str, value: &Json<'_>) -> Converted<Vec<Block>> {
    let mut blocks = Vec::new();
    for Member { key: test, value: keys, .. } in members(location, value)? {
        let location = format!("{location}.{test}");
        for Member { key: variable, value: expected, .. } in members(&location, keys)? {
            let block = Block::builder("condition")
                .add_attribute(("test", test.as_ref()))
                .add_attribute(("variable", variable.as_ref()))
                .add_attribute(("values", values(&format!("{location}.{variable}"), expected)?));
            blocks.push(block.build());
        }
    }
    Ok(blocks)
}

/// Returns the members of an object. The data source would omit an empty one.
fn members<'a, 't>(location: &str, value: &'a Json<'t>) -> Converted<&'a [Member<'t>]> {
    match &value.value {
        Value::Object(members) if members.is_empty() => {
            fail(location, value.offset, "is empty; hint: remove it")
        }
        Value::Object(members) => Ok(members),
        _ => fail(location, value.offset, format!("expected an object, found {}", value.kind())),
    }
}

fn text<'a>(location: &str, value: &'a Json<'_>) -> Converted<&'a str> {
    match &value.value {
        Value::String(text) => Ok(text),
        _ => fail(location, value.offset, format!("expected a string, found {}", value.kind())),
    }
}

/// Returns a value, or a list of values, as a list of strings.
fn strings(location: &str, value: &Json<'_>) -> Converted<Expression> {
    let items = match &value.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(value),
    };
    if items.is_empty() {
        return fail(location, value.offset, "is empty; the data source would omit it");
    }
    let item = |item: &Json<'_>| match &item.value {
        Value::String(text) => Ok(Expression::from(text.as_ref())),
        // The data source has strings only; IAM accepts them for numbers and booleans.
        Value::Bool(value) => Ok(Expression::from(value.to_string())),
        Value::Number(text) => match json::number(item.offset, text) {
            Ok(number) => Ok(Expression::from(number.to_string())),
            Err(error) => fail(location, error.offset, error.message),
        },
        _ => {
            let message = format!("expected a string, number or boolean, found {}", item.kind());
            fail(location, item.offset, message)
        }
    };
    items.iter().map(item).collect::<Converted<Vec<_>>>().map(Expression::from)
}

/// Returns the list of an argument in which the data source replaces `&{` by `${`.
fn values(location: &str, value: &Json<'_>) -> Converted<Expression> {
    let Expression::Array(items) = strings(location, value)? else {
        return fail(location, value.offset, "is not a list");
    };
    let item = |item| match item {
        Expression::String(text) if text.contains("&{") => {
            let message = format!("{text:?} contains `&{{`, which the data source replaces");
            fail(location, value.offset, message)
        }
        Expression::String(text) => Ok(Expression::from(text.replace("${", "&{"))),
        other => Ok(other),
    };
    items.into_iter().map(item).collect::<Converted<Vec<_>>>().map(Expression::from)
}
