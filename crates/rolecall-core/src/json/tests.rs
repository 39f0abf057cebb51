use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::*;

/// Builds the value that serde_json would return.
fn to_value(json: Json<'_>) -> Option<Value> {
    if let Some(members) = json.members() {
        let members = members.into_iter().map(|(key, value)| Some((key, to_value(value)?)));
        return members.collect::<Option<serde_json::Map<_, _>>>().map(Value::Object);
    }
    if let Some(elements) = json.elements() {
        return elements.into_iter().map(to_value).collect::<Option<Vec<_>>>().map(Value::Array);
    }
    match json.0 {
        b"null" => Some(Value::Null),
        b"true" => Some(true.into()),
        b"false" => Some(false.into()),
        _ => json.as_text().map(Value::String).or_else(|| json.as_f64().map(round)),
    }
}

/// Rounds a number: the last digit that serde_json reads may differ.
fn round(number: f64) -> Value {
    Value::String(format!("{number:.12e}"))
}

fn round_all(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, round),
        Value::Array(elements) => elements.into_iter().map(round_all).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(key, value)| (key, round_all(value))).collect()
        }
        other => other,
    }
}

/// Asserts that serde_json accepts and reads the text in the same way.
fn check(text: &[u8]) {
    let shown = String::from_utf8_lossy(text);
    let parsed = Json::parse(text);
    // Neither reads the contents of strings here.
    let expected = serde_json::from_slice::<IgnoredAny>(text);
    assert_eq!(parsed.is_ok(), expected.is_ok(), "{shown}: {parsed:?}, serde_json: {expected:?}");
    if let Ok(json) = parsed {
        let value = serde_json::from_slice::<Value>(text).ok().map(round_all);
        assert_eq!(to_value(json), value, "{shown}");
    }
}

/// Texts between vertical bars.
const TEXTS: &str = concat!(
    r"|| |null|nul|nullx| true |false|tru|1 2|[] []|NaN|Infinity|'a'|/**/1|",
    r"0|-0|01|-|+1|1.|.5|1.5|-1.5e3|1e|1e+|1E-2|1e+2|1x|1e999|9007199254740993|123456789012345678|",
    r#""|""|"a|"é€😀"|"\|"\q"|"\"\\\/\b\f\n\r\t"|"\u12"|"\u12x4"|"\u+123"|"\u0041\u20ac"|"#,
    r#""\ud83d\ude00"|"\ud83d"|"\ude00"|"\ud83dx"|"\ud83d\n"|"\ud83d\u0041"|"\ud83dxxde00"|"#,
    r"[|]|[]|[ ]|[,]|[1,]|[,1]|[1 2]|[1,2]|[[],[[]]]|[}|[1}|[1e999]|",
    r#"{|}|{}|{ }|{]|{,}|{1:2}|{a:1}|{"a"}|{"a":}|{"a":1,}|{"a":1]|{"a":1 "b":2}|"#,
    r#"{"a":1,"b":[2,{}]}|{"a":1,"a":2}|{"\u0061":1}|{"\ud83d":1}| { "a" : [ 1 , 2 ] } "#,
);

#[test]
fn valid_and_invalid_texts_are_read_as_by_serde_json() {
    TEXTS.split('|').for_each(|text| check(text.as_bytes()));
    for text in ["\u{feff}1", "\u{a0}1", "\u{c}1", "\0", "\"\u{7f}\"", "\"\u{1f}\"", "\"a\nb\""] {
        check(text.as_bytes());
    }
    check(b"\"\xff\"");
    check(b"[\"\xc3\x28\", 1]");
    check(b"\xff");
}

#[test]
fn deep_nesting_neither_fails_nor_overflows() {
    let depth = 1_000_000;
    let open = format!("{}1", "[{\"a\":".repeat(depth));
    assert!(Json::parse(open.as_bytes()).is_err());
    let closed = open + &"}]".repeat(depth);
    let json = Json::parse(closed.as_bytes()).unwrap();
    assert_eq!(json.elements().map(|elements| elements.len()), Some(1));
    assert_eq!(json.members(), None);
}

#[test]
fn last_of_equal_keys_is_found() {
    let json = Json::parse(br#"{"a": 1, "b": 2, "a": {"c": "d"}}"#).unwrap();
    assert_eq!(json.get("a").and_then(|a| a.get("c")).and_then(Json::as_text).unwrap(), "d");
    assert_eq!((json.get("c"), json.get("b").and_then(|b| b.get("c"))), (None, None));
    assert_eq!(json.members().unwrap().len(), 3);
}

#[test]
fn error_names_the_position() {
    for (text, error) in [
        ("", "expected a value at line 1 column 1"),
        ("{\n  \"a\": [1, 2\n}", "expected `,` or `]` at line 3 column 1"),
        ("{\"a\": tru}", "expected a value at line 1 column 7"),
        ("{}\n\n x", "expected the end of the text at line 3 column 2"),
        ("\"a\\x\"", "expected an escape sequence at line 1 column 4"),
    ] {
        assert_eq!(Json::parse(text.as_bytes()).unwrap_err().to_string(), error);
    }
}

proptest! {
    #[test]
    fn any_text_is_read_as_by_serde_json(
        text in "[ \\n{}\\[\\],:\"\\\\a0-2.eE+\\-tnux]{0,24}",
        other in any::<String>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        check(text.as_bytes());
        check(other.as_bytes());
        check(&bytes);
    }

    #[test]
    fn changed_documents_are_read_as_by_serde_json(
        texts in proptest::collection::vec(any::<String>(), 3),
        sixteenths in any::<i32>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let document = serde_json::json!({
            &texts[0]: [f64::from(sixteenths) / 16.0, texts[1], null, true],
            "o": { "p": { &texts[2]: -1 }, "q": [[], {}] },
        });
        let mut text = document.to_string().into_bytes();
        check(&text);
        let at = at.index(text.len());
        text[at] = byte;
        check(&text);
    }
}
