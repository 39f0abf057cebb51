//! Reads printed files back: the structure with hcl-rs, the values with what evaluates expressions.

use std::collections::BTreeMap;

use hcl::edit::Span as _;
use hcl::edit::expr::Expression;
use hcl::edit::structure::{Body, Structure};
use serde_json::{Map, Value, json};

/// The arguments of each block by its address. A nested block is in a list under its name.
pub(super) type EvaluatedFile = BTreeMap<String, Value>;

/// Reads files, with one call to `evaluate` for all expressions of all files.
///
/// A reference to another block is not evaluated: `{"reference": "<its text>"}`.
pub(super) fn read_files(
    files: &[String],
    evaluate: impl Fn(&[&str]) -> Vec<Value>,
) -> Vec<EvaluatedFile> {
    let bodies: Vec<Body> = files.iter().map(|file| file.parse().unwrap()).collect();
    let mut expressions = Vec::new();
    for (file, body) in files.iter().zip(&bodies) {
        collect_expressions(file, body, &mut expressions);
    }
    let mut values = evaluate(&expressions).into_iter();
    let read = |(file, body): (&String, &Body)| {
        let blocks = body.iter().map(|structure| {
            let block = structure.as_block().expect("only blocks at the top");
            let labels: Vec<&str> = block.labels.iter().map(|label| label.as_str()).collect();
            let prefix = match block.ident.as_str() {
                "data" => "data.",
                keyword => {
                    assert_eq!(keyword, "resource");
                    ""
                }
            };
            let arguments = read_body(file, &block.body, &mut values);
            (format!("{prefix}{}", labels.join(".")), arguments)
        });
        blocks.collect()
    };
    let files = files.iter().zip(&bodies).map(read).collect();
    assert_eq!(values.next(), None);
    files
}

/// Replaces the policies in the arguments of a resource by their JSON.
pub(super) fn decode_policies(block: &Value) -> Value {
    let mut block = block.clone();
    for argument in ["policy", "assume_role_policy"] {
        if let Some(Value::String(text)) = block.get(argument) {
            block[argument] = serde_json::from_str(text).unwrap();
        }
    }
    block
}

fn text_of<'a>(file: &'a str, expression: &Expression) -> &'a str {
    &file[expression.span().unwrap()]
}

fn collect_expressions<'a>(file: &'a str, body: &Body, expressions: &mut Vec<&'a str>) {
    for structure in body {
        match structure {
            Structure::Attribute(attribute) if attribute.value.is_traversal() => {}
            Structure::Attribute(attribute) => expressions.push(text_of(file, &attribute.value)),
            Structure::Block(block) => collect_expressions(file, &block.body, expressions),
        }
    }
}

fn read_body(file: &str, body: &Body, values: &mut impl Iterator<Item = Value>) -> Value {
    let mut arguments = Map::new();
    for structure in body {
        match structure {
            Structure::Attribute(attribute) => {
                let value = match attribute.value.is_traversal() {
                    true => json!({"reference": text_of(file, &attribute.value)}),
                    false => values.next().unwrap(),
                };
                let earlier = arguments.insert(attribute.key.to_string(), value);
                assert_eq!(earlier, None, "{}", attribute.key.as_str());
            }
            Structure::Block(block) => {
                let nested = read_body(file, &block.body, values);
                let list = arguments.entry(block.ident.as_str()).or_insert_with(|| json!([]));
                list.as_array_mut().unwrap().push(nested);
            }
        }
    }
    Value::Object(arguments)
}
