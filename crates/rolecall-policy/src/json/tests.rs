//! The JSON reader, alone and against serde_json.

use super::*;
use proptest::prelude::*;

fn to_serde(json: &Json<'_>) -> serde_json::Value {
    match &json.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(text) => serde_json::from_str(text).unwrap(),
        Value::String(text) => text.as_ref().into(),
        Value::List(items) => items.iter().map(to_serde).collect(),
        Value::Object(members) => {
            members.iter().map(|member| (member.key.to_string(), to_serde(&member.value))).collect()
        }
    }
}

#[test]
fn document_equals_serde_json_reading() {
    for text in [
        r#"{"a": [1, -2.5e3, true, false, null, "x\n\"\\\/é\ud83d\ude00é😀"], "b": {}}"#,
        " [ ] ",
        "\u{feff}{}",
        "0",
        r#""\u0000""#,
    ] {
        let ours = to_serde(&Json::parse(text).unwrap());
        let serde: serde_json::Value =
            serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
        assert_eq!(ours, serde, "{text}");
    }
}

#[test]
fn malformed_documents_are_errors() {
    let deep = "[".repeat(100_000);
    for (text, message, offset) in [
        ("", "found the end", 0),
        ("{", "expected a key", 1),
        (r#"{"a":1,}"#, "expected a key", 7),
        (r#"{"a" 1}"#, "expected :", 5),
        ("[1,]", "expected a value", 3),
        ("[1 2]", "expected , or ]", 3),
        ("01", "not a valid number", 0),
        ("1.", "not a valid number", 0),
        ("-", "not a valid number", 0),
        ("1e", "not a valid number", 0),
        ("tru", "expected a value", 0),
        ("'a'", "expected a value", 0),
        (r#""a"#, "not closed", 0),
        ("\"a\nb\"", "control character", 2),
        (r#""\x""#, "unknown escape", 1),
        (r#""\ud800""#, "unpaired surrogate", 1),
        (r#""\ud800\u0041""#, "unpaired surrogate", 1),
        (r#""\udc00""#, "unpaired surrogate", 1),
        (r#""\u12g4""#, "four hexadecimal digits", 1),
        (r#""\u+123""#, "four hexadecimal digits", 1),
        (r#"{"a": 1, "\u0061": 2}"#, "\"a\" is repeated", 9),
        ("{} {}", "expected the end", 3),
        (deep.as_str(), "nested deeper", 32),
    ] {
        let error = Json::parse(text).unwrap_err();
        let shown = text.get(..20).unwrap_or(text);
        assert!(error.message.contains(message), "{shown}: {}", error.message);
        assert_eq!(error.offset, offset, "{shown}");
    }
}

#[test]
fn error_names_value_that_holds_it() {
    for (text, location) in [
        (r#"{"a": {"b": [1, {"c": 1, "c": 2}]}}"#, "a.b[1]"),
        (r#"{"a": 1, "a": 2}"#, ""),
        (r#"{"a": [[x]]}"#, "a[0][0]"),
    ] {
        assert_eq!(Json::parse(text).unwrap_err().location, location, "{text}");
    }
}

#[test]
fn repeated_key_among_many_is_an_error() {
    let mut members: Vec<String> = (0..40).map(|i| format!(r#""k{i}":0"#)).collect();
    assert!(Json::parse(&format!("{{{}}}", members.join(","))).is_ok());
    members.push(r#""k3":0"#.to_owned());
    let error = Json::parse(&format!("{{{}}}", members.join(","))).unwrap_err();
    assert!(error.message.contains("\"k3\" is repeated"), "{}", error.message);
}

#[test]
fn positions_count_lines_and_characters() {
    let text = "{\n  \"é\": x\n}";
    let error = Json::parse(text).unwrap_err();
    assert_eq!(line_and_column(text, error.offset), (2, 8));
    assert_eq!(line_and_column(text, 0), (1, 1));
}

#[test]
fn white_space_in_strings_counts() {
    assert_eq!(count_without_white_space("{ \"a b\" :\n\"c \\\" d\" }"), 16);
}

proptest! {
    #[test]
    fn any_text_is_read_as_serde_json_reads_it(text in r#"[\[\]{}:,"a\\u0-9eE.+\- \ntrueflsn]{0,24}"#) {
        let ours = Json::parse(&text);
        let serde = serde_json::from_str::<serde_json::Value>(&text);
        match (&ours, &serde) {
            (Ok(ours), Ok(serde)) => prop_assert_eq!(&to_serde(ours), serde),
            (Err(error), Ok(_)) => {
                prop_assert!(error.message.contains("repeated"), "{}: {}", text, error.message);
            }
            // serde_json refuses numbers that no f64 holds.
            (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("out of range"), "{}", error),
            (Err(_), Err(_)) => {}
        }
    }
}
