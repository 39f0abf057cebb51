//! Loads, validates and runs the table in `tests/cases`; its README describes the format.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

const DECISIONS: [&str; 3] = ["Allowed", "ImplicitlyDenied", "ExplicitlyDenied"];
const KINDS: [&str; 8] =
    ["identity", "inline_role", "trust", "session", "resource", "scp", "rcp", "aws_managed"];

/// A half of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Evaluate,
    Parse,
}

/// One line of the table.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// The file's name without its extension.
    pub(crate) area: String,
    /// The line's number in the file, from 1.
    pub(crate) line: usize,
    pub(crate) value: Value,
}

/// A parser's error, as far as the table describes it.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) path: String,
    /// The whole error as displayed.
    pub(crate) message: String,
    /// The line that the error reports, from 1.
    pub(crate) line: usize,
}

/// Loads all cases of `table` in the order of their files' names.
pub(crate) fn load(table: Table) -> Vec<Case> {
    let directory = match table {
        Table::Evaluate => "evaluate",
        Table::Parse => "parse",
    };
    let mut files: Vec<PathBuf> = fs::read_dir(cases_directory().join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .collect();
    files.sort();
    files.iter().flat_map(|path| load_file(path)).collect()
}

fn cases_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn load_file(path: &Path) -> Vec<Case> {
    let area = path.file_stem().unwrap().to_str().unwrap();
    let text = fs::read_to_string(path).unwrap();
    let case = |(index, text): (usize, &str)| {
        let line = index + 1;
        let value = serde_json::from_str(text)
            .unwrap_or_else(|error| panic!("{}:{line}: {error}", path.display()));
        Case { area: area.to_owned(), line, value }
    };
    text.lines().enumerate().map(case).collect()
}

/// Runs one decision. `evaluate` receives the whole case and returns the decision's name.
///
/// # Errors
///
/// Returns the case's id, its rule and what differs.
pub(crate) fn run(
    case: &Value,
    evaluate: impl Fn(&Value) -> Result<String, String>,
) -> Result<(), String> {
    let expected = text(case, "expected");
    match evaluate(case) {
        Ok(actual) if actual == expected => Ok(()),
        Ok(actual) => Err(report(case, &format!("expected {expected}, got {actual}"))),
        Err(error) => Err(report(case, &format!("expected {expected}, got the error {error}"))),
    }
}

/// Runs one parse. `parse` receives the kind of the document and its text.
///
/// # Errors
///
/// Returns the case's id, its rule and what differs.
pub(crate) fn run_parse(
    case: &Value,
    parse: impl Fn(&str, &str) -> Result<(), Refusal>,
) -> Result<(), String> {
    let expected = &case["expected"]["error"];
    let refusal = match (parse(text(case, "kind"), &document(case)), expected.is_object()) {
        (Ok(()), false) => return Ok(()),
        (Ok(()), true) => return Err(report(case, &format!("expected {expected}, got ok"))),
        (Err(refusal), false) => {
            return Err(report(case, &format!("expected ok, got `{}`", refusal.message)));
        }
        (Err(refusal), true) => refusal,
    };
    let (path, contains) = (text(expected, "path"), text(expected, "contains"));
    let line = expected["line"].as_u64().map(|line| usize::try_from(line).unwrap());
    let differs = if !is_path_prefix(path, &refusal.path) {
        format!("expected an error below `{path}`, got one at `{}`", refusal.path)
    } else if !refusal.message.to_lowercase().contains(&contains.to_lowercase()) {
        format!("expected an error with `{contains}`, got `{}`", refusal.message)
    } else if line.is_some_and(|line| line != refusal.line) {
        format!("expected an error in line {line:?}, got line {}", refusal.line)
    } else {
        return Ok(());
    };
    Err(report(case, &differs))
}

/// Returns `true` if `path` is `parent` or lies below it, so that `Statement[1]` is not below
/// `Statement[10]` and `Action` not below `ActionX`.
fn is_path_prefix(parent: &str, path: &str) -> bool {
    path.strip_prefix(parent)
        .is_some_and(|rest| parent.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Returns the text of a parse case's document.
pub(crate) fn document(case: &Value) -> String {
    if let Some(text) = case["text"].as_str() {
        return text.to_owned();
    }
    if let Some(template) = case.get("text_template") {
        let times = usize::try_from(template["times"].as_u64().unwrap()).unwrap();
        let repeated = text(template, "repeat").repeat(times);
        return format!("{}{repeated}{}", text(template, "before"), text(template, "after"));
    }
    case["document"].to_string()
}

fn report(case: &Value, differs: &str) -> String {
    format!("{}: {differs} (rule: {})", text(case, "id"), text(case, "rule"))
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no string `{field}` in {value}"))
}

/// Returns the first violation of the table's format by `case`.
fn validate(table: Table, case: &Case) -> Result<(), String> {
    let id = case.value["id"].as_str().ok_or("no id")?;
    let name = match table {
        Table::Evaluate => id,
        Table::Parse => id.strip_prefix("parse/").ok_or("the id does not begin with parse/")?,
    };
    let name = name.strip_prefix(&case.area).and_then(|rest| rest.strip_prefix('/'));
    let name = name.ok_or("the id does not begin with the area")?;
    let is_snake_case = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    require(!name.is_empty() && name.chars().all(is_snake_case), "the name is not snake case")?;
    require(case.value["rule"].as_str().is_some_and(|rule| !rule.is_empty()), "no rule")?;
    match table {
        Table::Evaluate => validate_evaluate(&case.value),
        Table::Parse => validate_parse(&case.value),
    }
}

fn validate_evaluate(case: &Value) -> Result<(), String> {
    let policies = ["identity_policies", "session_policies", "permission_boundaries"];
    let levels = ["scps", "rcps"];
    let others = ["id", "rule", "request", "resource_policy", "expected"];
    require_fields(case, &[&policies[..], &levels[..], &others[..]].concat())?;
    let request = &case["request"];
    let required = ["action", "resource", "principal"];
    require_fields(request, &[&required[..], &["resource_account", "context"]].concat())?;
    require(required.iter().all(|field| request[*field].is_string()), "an incomplete request")?;
    let is_value = |value: &Value| match value.as_array() {
        Some(values) => values.iter().all(Value::is_string),
        None => value.is_string(),
    };
    let context = request.get("context").and_then(Value::as_object);
    require(context.is_none_or(|map| map.values().all(is_value)), "a bad context value")?;
    let is_list = |value: &Value| value.as_array().is_some_and(|list| list.iter().all(is_document));
    let present = |field: &&str| case.get(*field).cloned();
    require(policies.iter().filter_map(present).all(|list| is_list(&list)), "a bad policy list")?;
    let is_levels = |value: &Value| {
        is_list(value) || value.as_array().is_some_and(|levels| levels.iter().all(is_list))
    };
    require(levels.iter().filter_map(present).all(|list| is_levels(&list)), "bad levels")?;
    require(case.get("resource_policy").is_none_or(is_document), "a bad resource policy")?;
    require(case["expected"].as_str().is_some_and(|e| DECISIONS.contains(&e)), "bad expected")
}

fn is_document(value: &Value) -> bool {
    value.get("Statement").is_some_and(|statement| statement.is_array() || statement.is_object())
}

fn validate_parse(case: &Value) -> Result<(), String> {
    let bodies = ["document", "text", "text_template"];
    require_fields(case, &[&bodies[..], &["id", "rule", "kind", "expected"]].concat())?;
    require(case["kind"].as_str().is_some_and(|kind| KINDS.contains(&kind)), "an unknown kind")?;
    let count = bodies.iter().filter(|body| case.get(**body).is_some()).count();
    require(count == 1, "not one of document, text and text_template")?;
    if case["expected"] == "ok" {
        return Ok(());
    }
    require_fields(&case["expected"], &["error"])?;
    let error = &case["expected"]["error"];
    require_fields(error, &["path", "contains", "line"])?;
    require(error["path"].is_string() && error["contains"].is_string(), "an incomplete error")
}

fn require(holds: bool, otherwise: &str) -> Result<(), String> {
    holds.then_some(()).ok_or_else(|| otherwise.to_owned())
}

fn require_fields(value: &Value, known: &[&str]) -> Result<(), String> {
    let fields = value.as_object().ok_or_else(|| format!("not an object: {value}"))?;
    match fields.keys().find(|field| !known.contains(&field.as_str())) {
        Some(unknown) => Err(format!("unknown field `{unknown}`")),
        None => Ok(()),
    }
}

/// Returns the ids that the coverage list of the README names: after "`area/`" the names follow.
fn covered_ids(readme: &str) -> BTreeSet<String> {
    let coverage = readme.split_once("## Coverage").unwrap().1;
    let mut ids = BTreeSet::new();
    for rule in coverage.split("\n- ") {
        let mut area = None;
        for word in rule.split_whitespace() {
            let quoted = word.strip_prefix('`').and_then(|rest| rest.strip_suffix("/`"));
            match (quoted.filter(|area| !area.is_empty()), area) {
                (Some(quoted), _) => area = Some(quoted),
                // A heading ends the list of the section's last rule.
                (None, Some(_)) if word.starts_with('#') => break,
                (None, Some(area)) => {
                    ids.insert(format!("{area}/{}", word.trim_end_matches([',', ';'])));
                }
                (None, None) => {}
            }
        }
    }
    ids
}

fn all_cases() -> impl Iterator<Item = (Table, Case)> {
    [Table::Evaluate, Table::Parse]
        .into_iter()
        .flat_map(|table| load(table).into_iter().map(move |case| (table, case)))
}

#[test]
fn table_has_at_least_400_cases() {
    let (evaluate, parse) = (load(Table::Evaluate).len(), load(Table::Parse).len());
    assert!(evaluate >= 400, "{evaluate} decisions");
    assert!(parse >= 100, "{parse} parse results");
}

#[test]
fn table_lines_are_well_formed() {
    let invalid: Vec<String> = all_cases()
        .filter_map(|(table, case)| {
            let error = validate(table, &case).err()?;
            Some(format!("{table:?} {}:{}: {error}", case.area, case.line))
        })
        .collect();
    assert!(invalid.is_empty(), "{invalid:#?}");
}

#[test]
fn table_ids_are_unique() {
    let mut ids = BTreeSet::new();
    for (_, case) in all_cases() {
        let id = text(&case.value, "id");
        assert!(ids.insert(id.to_owned()), "{id} is there twice");
    }
}

#[test]
fn table_decisions_differ_in_more_than_their_ids() {
    let mut seen = BTreeSet::new();
    for Case { mut value, .. } in load(Table::Evaluate) {
        let id = text(&value, "id").to_owned();
        for field in ["id", "rule", "expected"] {
            value.as_object_mut().unwrap().remove(field);
        }
        assert!(seen.insert(value.to_string()), "{id} repeats another case");
    }
}

#[test]
fn coverage_list_names_exactly_the_cases() {
    let readme = fs::read_to_string(cases_directory().join("README.md")).unwrap();
    let ids: BTreeSet<String> =
        all_cases().map(|(_, case)| text(&case.value, "id").to_owned()).collect();
    let covered = covered_ids(&readme);
    assert_eq!(ids.difference(&covered).collect::<Vec<_>>(), Vec::<&String>::new(), "not listed");
    assert_eq!(covered.difference(&ids).collect::<Vec<_>>(), Vec::<&String>::new(), "no case");
}

#[test]
fn run_compares_decision_and_names_case() {
    let case = serde_json::json!({"id": "a/b", "rule": "r", "expected": "Allowed"});
    assert_eq!(run(&case, |_| Ok("Allowed".to_owned())), Ok(()));
    let wrong = run(&case, |_| Ok("ImplicitlyDenied".to_owned())).unwrap_err();
    assert_eq!(wrong, "a/b: expected Allowed, got ImplicitlyDenied (rule: r)");
    let failed = run(&case, |_| Err("no policy".to_owned())).unwrap_err();
    assert_eq!(failed, "a/b: expected Allowed, got the error no policy (rule: r)");
}

#[test]
fn run_parse_compares_path_message_and_line() {
    let error = serde_json::json!({"path": "Statement[1]", "contains": "Effect", "line": 3});
    let case = serde_json::json!({
        "id": "parse/a/b", "rule": "r", "kind": "identity", "expected": {"error": error},
        "text_template": {"before": "<", "repeat": "ab", "times": 2, "after": ">"},
    });
    let refuse = |path: &str, message: &str, line| {
        run_parse(&case, |kind, text| {
            assert_eq!((kind, text), ("identity", "<abab>"));
            Err(Refusal { path: path.to_owned(), message: message.to_owned(), line })
        })
    };
    assert_eq!(refuse("Statement[1]", "no effect", 3), Ok(()));
    assert_eq!(refuse("Statement[1].Effect", "no Effect", 3), Ok(()));
    assert!(refuse("Statement[10]", "no Effect", 3).unwrap_err().contains("below"));
    assert!(refuse("Statement[1]Effect", "no Effect", 3).unwrap_err().contains("below"));
    assert!(refuse("Statement[1]", "no Action", 3).unwrap_err().contains("error with"));
    assert!(refuse("Statement[1]", "no Effect", 4).unwrap_err().contains("in line"));
    assert!(run_parse(&case, |_, _| Ok(())).unwrap_err().contains("got ok"));
    let accepted = serde_json::json!(
        {"id": "parse/a/b", "rule": "r", "kind": "trust", "expected": "ok", "document": {"a": 1}}
    );
    let parsed = run_parse(&accepted, |_, text| {
        assert_eq!(text, r#"{"a":1}"#);
        Ok(())
    });
    assert_eq!(parsed, Ok(()));
    let refused =
        |_: &str, _: &str| Err(Refusal { path: String::new(), message: "bad".to_owned(), line: 1 });
    assert!(run_parse(&accepted, refused).unwrap_err().contains("expected ok"));
}
