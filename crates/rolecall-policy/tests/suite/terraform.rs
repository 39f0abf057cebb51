//! Printed configuration: `terraform fmt` accepts it, and it evaluates to what went in.

mod arrangement;
mod cases;
mod document;
mod program;
mod read;

use std::collections::BTreeSet;

use hcl::eval::{Context, Evaluate, FuncArgs, FuncDef, ParamType};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rolecall_policy::terraform::{Configuration, IamPolicy, PolicyDocument};
use serde_json::{Value, json};

use cases::Case;
use program::Terraform;
use read::{EvaluatedFile, read_files};

/// Evaluates an expression without Terraform.
fn evaluate_with_hcl(expression: &str) -> Value {
    fn encode(arguments: FuncArgs) -> Result<hcl::Value, String> {
        let text = serde_json::to_string(&arguments[0]).map_err(|error| error.to_string())?;
        Ok(hcl::Value::String(text))
    }
    let mut context = Context::new();
    context.declare_func("jsonencode", FuncDef::builder().param(ParamType::Any).build(encode));
    let expression: hcl::Expression = expression.parse().unwrap();
    serde_json::to_value(expression.evaluate(&context).unwrap()).unwrap()
}

fn read_with_hcl(file: &str) -> EvaluatedFile {
    let evaluate = |expressions: &[&str]| {
        expressions.iter().map(|expression| evaluate_with_hcl(expression)).collect()
    };
    read_files(&[file.to_owned()], evaluate).remove(0)
}

fn assert_as_expected(case: &Case, file: &EvaluatedFile) {
    let expected: BTreeSet<&String> = case.expected.keys().collect();
    assert_eq!(file.keys().collect::<BTreeSet<_>>(), expected, "{}", case.name);
    for (address, expected) in &case.expected {
        let block = &file[address];
        let found = match address.starts_with("data.") {
            true => document::policy(block),
            false => read::decode_policies(block),
        };
        assert_eq!(&found, expected, "{}: {address}", case.name);
    }
}

#[test]
fn printed_files_are_formatted_and_evaluate_to_their_input() {
    if program::is_left_out() {
        return;
    }
    let cases = cases::all();
    let files: Vec<String> = cases.iter().map(|case| case.file.clone()).collect();
    let terraform = Terraform::new().unwrap();
    assert_eq!(terraform.format_differences(&files), "");

    let evaluated = read_files(&files, |expressions| terraform.evaluate(expressions));
    for (case, file) in cases.iter().zip(&evaluated) {
        assert_as_expected(case, file);
    }
}

#[test]
fn printed_files_evaluate_to_their_input_in_hcl_rs() {
    for case in cases::all() {
        assert_as_expected(&case, &read_with_hcl(&case.file));
    }
}

#[test]
fn random_texts_evaluate_to_themselves_in_terraform() {
    if program::is_left_out() {
        return;
    }
    let mut runner = TestRunner::deterministic();
    let mut generate = || hostile_text().new_tree(&mut runner).unwrap().current();
    let texts: BTreeSet<String> = (0..1000).map(|_| generate()).collect();
    // The quota of a managed policy has room for some of them.
    let texts: Vec<String> = texts.into_iter().collect();
    let policies = texts.chunks(10).map(|texts| {
        let by_text: serde_json::Map<String, Value> =
            texts.iter().map(|text| (text.clone(), json!(text))).collect();
        json!({"Resource": texts, "Condition": by_text})
    });
    let policies: Vec<Value> = policies.collect();
    let mut configuration = Configuration::new();
    for (index, policy) in policies.iter().enumerate() {
        let label = format!("random_{index}");
        configuration.add(IamPolicy::new(label, policy.to_string())).unwrap();
    }

    let files = [configuration.to_string()];
    let terraform = Terraform::new().unwrap();
    assert_eq!(terraform.format_differences(&files), "");
    let evaluated = read_files(&files, |expressions| terraform.evaluate(expressions)).remove(0);
    for (index, policy) in policies.iter().enumerate() {
        let found = read::decode_policies(&evaluated[&format!("aws_iam_policy.random_{index}")]);
        assert_eq!(found, json!({"policy": policy}));
    }
}

/// What templates and escapes consist of, between characters that IAM accepts.
fn hostile_text() -> impl Strategy<Value = String> {
    let tokens = prop::sample::select(vec![
        "$",
        "%",
        "{",
        "}",
        "${",
        "%{",
        "$${",
        "%%{",
        "&{",
        "\\",
        "\\u0024",
        "\"",
        "\n",
        "\r",
        "\t",
        "~",
        "if true",
        "aws:username",
        "file(\"x\")",
        "<<EOT\n",
        "*/",
        "#",
        "//",
    ]);
    let characters = prop::char::range('\0', '\u{ff}').prop_map(String::from);
    prop::collection::vec(prop_oneof![tokens.prop_map(str::to_owned), characters], 0..24)
        .prop_map(|parts| parts.concat())
}

fn statement(key: &str, text: &str) -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": [text],
            "Resource": text,
            "Condition": {"StringEquals": {key: [text, "other"]}},
        }],
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_in_a_policy_evaluates_to_itself(key in hostile_text(), text in hostile_text()) {
        let policy = statement(&key, &text);
        let mut configuration = Configuration::new();
        configuration.add(IamPolicy::new("any", policy.to_string())).unwrap();
        let file = configuration.to_string();
        let evaluated = read_with_hcl(&file);
        let found = read::decode_policies(&evaluated["aws_iam_policy.any"]);
        prop_assert_eq!(found, json!({"policy": policy}), "{}", file);
    }

    #[test]
    fn any_text_in_a_document_keeps_its_meaning(key in hostile_text(), text in hostile_text()) {
        let policy = statement(&key, &text);
        let mut configuration = Configuration::new();
        let added = configuration.add(PolicyDocument::new("any", policy.to_string()));
        if text.contains("&{") {
            let error = added.unwrap_err();
            prop_assert!(error.location.contains(".Statement[0]."), "{error}");
            return Ok(());
        }
        added.unwrap();
        let file = configuration.to_string();
        let evaluated = read_with_hcl(&file);
        let found = document::policy(&evaluated["data.aws_iam_policy_document.any"]);
        prop_assert_eq!(found, document::normalize(&policy), "{}", file);
    }
}
