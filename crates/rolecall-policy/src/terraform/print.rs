//! Prints blocks as `terraform fmt` formats them.
//!
//! hcl-rs has a formatter, but `terraform fmt -check` rejects its output: it does not align `=`.

use hcl::expr::{FuncCall, Object, ObjectKey};
use hcl::{Block, Body, Expression, Structure};

const INDENT: &str = "  ";

/// Returns the text of a file with these blocks.
pub(super) fn print_file(blocks: &[Block]) -> String {
    let blocks: Vec<String> = blocks.iter().map(|block| print_block(block, 0)).collect();
    blocks.join("\n")
}

fn print_block(block: &Block, depth: usize) -> String {
    let indent = INDENT.repeat(depth);
    let mut text = format!("{indent}{}", block.identifier());
    for label in block.labels() {
        text += &format!(" {}", quote(label.as_str()));
    }
    text + &format!(" {{\n{}{indent}}}\n", print_body(block.body(), depth + 1))
}

/// Separates what takes several lines by blank lines.
fn print_body(body: &Body, depth: usize) -> String {
    let mut parts = Vec::new();
    let mut entries = Vec::new();
    for structure in body {
        match structure {
            Structure::Attribute(attribute) => {
                let value = print_expression(attribute.expr(), depth);
                entries.push((attribute.key().to_owned(), value));
            }
            Structure::Block(block) => {
                parts.extend(print_entries(&std::mem::take(&mut entries), depth));
                parts.push(Part { text: print_block(block, depth), is_aligned: false });
            }
        }
    }
    parts.extend(print_entries(&entries, depth));
    let parts: Vec<String> = parts.into_iter().map(|part| part.text).collect();
    parts.join("\n")
}

/// Separates members by blank lines only where they would have to be aligned with each other.
fn print_object(object: &Object<ObjectKey, Expression>, depth: usize) -> String {
    let entries: Vec<(String, String)> = object
        .iter()
        .map(|(key, value)| (print_key(key), print_expression(value, depth + 1)))
        .collect();
    if entries.is_empty() {
        return "{}".to_owned();
    }
    let mut text = String::from("{\n");
    let mut is_after_aligned = false;
    for part in print_entries(&entries, depth + 1) {
        if is_after_aligned && part.is_aligned {
            text.push('\n');
        }
        text += &part.text;
        is_after_aligned = part.is_aligned;
    }
    text + &INDENT.repeat(depth) + "}"
}

fn print_array(items: &[Expression], depth: usize) -> String {
    let is_scalar = |item: &Expression| {
        !matches!(item, Expression::Array(_) | Expression::Object(_) | Expression::FuncCall(_))
    };
    match items {
        [] => "[]".to_owned(),
        [item] if is_scalar(item) => format!("[{}]", print_expression(item, depth)),
        items => {
            let indent = INDENT.repeat(depth + 1);
            let mut text = String::from("[\n");
            for item in items {
                text += &format!("{indent}{},\n", print_expression(item, depth + 1));
            }
            text + &INDENT.repeat(depth) + "]"
        }
    }
}

/// Entries that stand together.
struct Part {
    text: String,
    /// Whether `terraform fmt` aligns the entries of this part with those of an adjacent line.
    is_aligned: bool,
}

/// Prints `key = value` for each entry, and aligns adjacent ones whose values take one line.
fn print_entries(entries: &[(String, String)], depth: usize) -> Vec<Part> {
    // `terraform fmt` counts grapheme clusters. Up to this character, a key has one per character.
    let has_known_width = |key: &str| key.chars().all(|c| c <= '\u{ff}');
    let is_aligned =
        |(key, value): &(String, String)| !value.contains('\n') && has_known_width(key);
    let runs = entries.chunk_by(|left, right| is_aligned(left) && is_aligned(right));
    let print_run = |run: &[(String, String)]| {
        let width = run.iter().map(|(key, _)| key.chars().count()).max().unwrap_or_default();
        let indent = INDENT.repeat(depth);
        let lines = run.iter().map(|(key, value)| format!("{indent}{key:<width$} = {value}\n"));
        Part {
            text: lines.collect(),
            is_aligned: run.iter().any(|(_, value)| !value.contains('\n')),
        }
    };
    runs.map(print_run).collect()
}

fn print_key(key: &ObjectKey) -> String {
    match key {
        ObjectKey::Expression(Expression::String(text)) => quote(text),
        key => key.to_string(),
    }
}

fn print_expression(expression: &Expression, depth: usize) -> String {
    match expression {
        Expression::String(text) => quote(text),
        Expression::Array(items) => print_array(items, depth),
        Expression::Object(object) => print_object(object, depth),
        Expression::FuncCall(call) => print_call(call, depth),
        // Literals and references, which take one line and are never aligned.
        other => other.to_string(),
    }
}

fn print_call(call: &FuncCall, depth: usize) -> String {
    let arguments: Vec<String> =
        call.args.iter().map(|argument| print_expression(argument, depth)).collect();
    format!("{}({})", call.name.name, arguments.join(", "))
}

/// Returns `text` as a quoted string that evaluates to `text`, whatever it contains.
///
/// hcl-rs escapes the string, but in pieces that end where a template may begin. In a longer text,
/// it misses a `${` or `%{` after an odd number of `$` and `%` (escape_markers in hcl-primitives
/// 0.1), so `${a}%${b}` would end in a template that Terraform evaluates.
fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for piece in text.split_inclusive('{') {
        let escaped = Expression::from(piece).to_string();
        let inside = escaped.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        quoted += inside.unwrap_or(&escaped);
    }
    quoted.push('"');
    quoted
}
