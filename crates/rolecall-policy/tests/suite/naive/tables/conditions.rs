//! Conditions: operators and their prefixes, each as a condition, a context, and whether it holds.

use super::*;

/// A condition, the context, and whether the condition holds.
type Row = (&'static str, Value, Value, bool);

fn check_conditions(rows: Vec<Row>) {
    let rows = rows.into_iter().map(|(name, condition, context, holds)| {
        let statement =
            json!({ "Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition });
        let policies = json!({ "identity_policies": [policy(statement)], "context": context });
        let expected = if holds { ALLOWED } else { IMPLICITLY_DENIED };
        (name, read_secret(USER, SECRET, policies), expected)
    });
    check(rows.collect());
}

/// Returns a condition of one operator on the key `app:k`.
fn on(operator: &str, listed: impl Into<Value>) -> Value {
    json!({ operator: { "app:k": listed.into() } })
}

fn with(values: impl Into<Value>) -> Value {
    json!({ "app:k": values.into() })
}

#[test]
fn string_operators_compare_text() {
    check_conditions(vec![
        ("equal strings", on("StringEquals", "a"), with("a"), true),
        ("StringEquals is case-sensitive", on("StringEquals", "a"), with("A"), false),
        ("StringEquals has no wildcards", on("StringEquals", "a*"), with("ab"), false),
        ("a star of StringEquals is a star", on("StringEquals", "a*"), with("a*"), true),
        ("an escaped star of StringEquals is a star", on("StringEquals", "${*}"), with("*"), true),
        ("values OR", on("StringEquals", json!(["x", "a"])), with("a"), true),
        ("StringNotEquals", on("StringNotEquals", "a"), with("b"), true),
        (
            "a negated operator: none of the values",
            on("StringNotEquals", json!(["x", "a"])),
            with("a"),
            false,
        ),
        ("IgnoreCase", on("StringEqualsIgnoreCase", "aB"), with("Ab"), true),
        ("NotEqualsIgnoreCase", on("StringNotEqualsIgnoreCase", "aB"), with("Ab"), false),
        ("StringLike has wildcards", on("StringLike", "a*c?"), with("abbcd"), true),
        ("StringLike is case-sensitive", on("StringLike", "a*"), with("Ab"), false),
        ("StringLike needs the whole text", on("StringLike", "a"), with("ab"), false),
        ("StringNotLike", on("StringNotLike", "a*"), with("ab"), false),
        ("keys are case-insensitive", json!({ "StringEquals": { "APP:K": "a" } }), with("a"), true),
        (
            "operators are case-insensitive",
            on("forANYvalue:stringEQUALSifexists", "a"),
            with("a"),
            true,
        ),
        (
            "operators AND",
            json!({ "StringEquals": { "app:k": "a" }, "StringLike": { "app:k": "b" } }),
            with("a"),
            false,
        ),
        ("keys AND", json!({ "StringEquals": { "app:k": "a", "app:l": "b" } }), with("a"), false),
        ("a number in a policy is its text", on("StringEquals", 12), with("12"), true),
    ]);
}

#[test]
fn variables_in_conditions_follow_the_operator() {
    let both = || json!({ "app:k": "a", "app:l": "a", "app:m": ["a", "b"] });
    check_conditions(vec![
        ("a variable is replaced", on("StringEquals", "${app:l}"), both(), true),
        (
            "a variable without a value: positive is false",
            on("StringLike", "${app:n}*"),
            both(),
            false,
        ),
        (
            "a variable without a value: negated is true",
            on("StringNotLike", "${app:n}*"),
            both(),
            true,
        ),
        ("a variable of several values is no value", on("StringEquals", "${app:m}"), both(), false),
        (
            "another listed value still matches",
            on("StringEquals", json!(["${app:n}", "a"])),
            both(),
            true,
        ),
        (
            "wildcards of the value are not wildcards",
            on("StringLike", "${app:l}"),
            json!({ "app:k": "a", "app:l": "*" }),
            false,
        ),
        (
            "Bool has no variables",
            on("Bool", "${app:l}"),
            json!({ "app:k": "true", "app:l": "true" }),
            false,
        ),
    ]);
}

#[test]
fn numbers_compare_as_decimals() {
    check_conditions(vec![
        ("10.0 is 10", on("NumericEquals", "10.0"), with("10"), true),
        ("zeros in front do not count", on("NumericEquals", "010"), with("10"), true),
        ("9 is less than 10", on("NumericLessThan", "10"), with("9"), true),
        ("10 is not less than 10", on("NumericLessThan", "10"), with("10.00"), false),
        ("10 is not greater than 10", on("NumericGreaterThan", "10"), with("10.0"), false),
        ("10 is at most 10", on("NumericLessThanEquals", "10"), with("10.00"), true),
        ("10.5 is greater than 10.25", on("NumericGreaterThan", "10.25"), with("10.5"), true),
        ("10 is at least 10", on("NumericGreaterThanEquals", 10), with("10"), true),
        ("-10 is less than -9", on("NumericLessThan", "-9"), with("-10"), true),
        ("-1 is less than 0", on("NumericLessThan", "0"), with("-1"), true),
        ("-0 is 0", on("NumericEquals", "-0.0"), with("0"), true),
        (
            "large numbers keep their digits",
            on("NumericEquals", "9007199254740993"),
            with("9007199254740992"),
            false,
        ),
        ("what is no number matches nothing", on("NumericLessThan", "10"), with("9x"), false),
        ("9x is not greater than 1", on("NumericGreaterThan", "1"), with("9x"), false),
        ("the empty string is no number", on("NumericGreaterThanEquals", "0"), with(""), false),
        ("NumericNotEquals", on("NumericNotEquals", "10"), with("10.0"), false),
        ("what is no number is not equal", on("NumericNotEquals", "10"), with("x"), true),
    ]);
}

#[test]
fn dates_compare_as_moments() {
    let noon = || with("2026-02-03T12:00:00Z");
    check_conditions(vec![
        (
            "the same moment with an offset",
            on("DateEquals", "2026-02-03T13:30:00+01:30"),
            noon(),
            true,
        ),
        ("an offset to the west", on("DateEquals", "2026-02-03T07:00:00-05:00"), noon(), true),
        ("an integer is seconds since 1970", on("DateEquals", "1770120000"), noon(), true),
        ("an integer in JSON", on("DateEquals", 1_770_120_000), noon(), true),
        (
            "a day is its first moment",
            on("DateEquals", "2026-02-03"),
            with("2026-02-03T00:00:00Z"),
            true,
        ),
        ("a day is before its noon", on("DateGreaterThan", "2026-02-03"), noon(), true),
        ("a moment before", on("DateLessThan", "2026-02-03T12:00:01Z"), noon(), true),
        ("not before itself", on("DateLessThan", "2026-02-03T12:00:00Z"), noon(), false),
        ("at most itself", on("DateLessThanEquals", "2026-02-03T12:00:00Z"), noon(), true),
        ("at least itself", on("DateGreaterThanEquals", "2026-02-03T12:00:00Z"), noon(), true),
        (
            "fractions count",
            on("DateLessThan", "2026-02-03T12:00:00.25Z"),
            with("2026-02-03T12:00:00.200Z"),
            true,
        ),
        (
            "a zero fraction does not count",
            on("DateEquals", "2026-02-03T12:00:00.000Z"),
            noon(),
            true,
        ),
        ("minutes suffice", on("DateEquals", "2026-02-03T12:00Z"), noon(), true),
        ("a leap day exists in 2024", on("DateLessThan", "2024-03-01"), with("2024-02-29"), true),
        (
            "a leap day does not exist in 2026",
            on("DateLessThan", "2026-03-01"),
            with("2026-02-29"),
            false,
        ),
        ("the first moment of 1970", on("DateEquals", "0"), with("1970-01-01"), true),
        ("a moment before 1970", on("DateEquals", "-86400"), with("1969-12-31"), true),
        (
            "a moment without an offset is no date",
            on("DateGreaterThan", "2020-01-01"),
            with("2026-02-03T12:00:00"),
            false,
        ),
        ("DateNotEquals", on("DateNotEquals", "1770120000"), noon(), false),
    ]);
}

#[test]
fn addresses_compare_by_bits() {
    check_conditions(vec![
        ("an address is itself", on("IpAddress", "203.0.113.7"), with("203.0.113.7"), true),
        ("an address is no other", on("IpAddress", "203.0.113.7"), with("203.0.113.8"), false),
        (
            "a range holds its addresses",
            on("IpAddress", "203.0.113.0/24"),
            with("203.0.113.7"),
            true,
        ),
        ("a range of an odd length", on("IpAddress", "203.0.113.8/29"), with("203.0.113.15"), true),
        ("a range ends", on("IpAddress", "203.0.113.8/29"), with("203.0.113.16"), false),
        (
            "a range of no length holds the family",
            on("IpAddress", "0.0.0.0/0"),
            with("203.0.113.7"),
            true,
        ),
        (
            "bits after the prefix do not count",
            on("IpAddress", "203.0.113.7/8"),
            with("203.1.1.1"),
            true,
        ),
        ("IPv6 in another spelling", on("IpAddress", "2001:DB8:0:0::1"), with("2001:db8::1"), true),
        ("IPv6 range", on("IpAddress", "2001:db8::/33"), with("2001:db8:7fff::1"), true),
        ("IPv6 range ends", on("IpAddress", "2001:db8::/33"), with("2001:db8:8000::1"), false),
        (
            "IPv6 that ends in IPv4",
            on("IpAddress", "64:ff9b::203.0.113.7"),
            with("64:ff9b::cb00:7107"),
            true,
        ),
        ("a range of IPv4 holds no IPv6", on("IpAddress", "0.0.0.0/0"), with("::1"), false),
        ("a range of IPv6 holds no IPv4", on("IpAddress", "::/0"), with("203.0.113.7"), false),
        (
            "what is no address matches nothing",
            on("IpAddress", "0.0.0.0/0"),
            with("203.0.113"),
            false,
        ),
        ("NotIpAddress", on("NotIpAddress", "203.0.113.0/24"), with("203.0.113.7"), false),
        (
            "NotIpAddress of the other family",
            on("NotIpAddress", "203.0.113.0/24"),
            with("::1"),
            true,
        ),
    ]);
}

#[test]
fn arn_operators_match_field_by_field() {
    let topic = || with("arn:aws:sns:eu-west-1:111122223333:orders:sub");
    check_conditions(vec![
        (
            "an ARN is itself",
            on("ArnEquals", "arn:aws:sns:eu-west-1:111122223333:orders:sub"),
            topic(),
            true,
        ),
        (
            "ArnEquals is ArnLike",
            on("ArnEquals", "arn:aws:sns:*:1111????3333:orders*"),
            topic(),
            true,
        ),
        (
            "a wildcard stays in its field",
            on("ArnLike", "arn:aws:sns:*:orders:sub"),
            topic(),
            false,
        ),
        (
            "a wildcard does not reach over fields",
            on("ArnLike", "arn:aws:*:111122223333:*:sub"),
            topic(),
            false,
        ),
        ("the sixth field keeps its colons", on("ArnLike", "arn:aws:sns:*:*:*sub"), topic(), true),
        ("ARNs are case-sensitive", on("ArnLike", "arn:aws:sns:*:*:Orders*"), topic(), false),
        (
            "what has no six fields matches nothing",
            on("ArnLike", "arn:*:*:*:*:*"),
            with("arn:aws:sns"),
            false,
        ),
        ("ArnNotEquals", on("ArnNotEquals", "arn:aws:sns:*:*:orders*"), topic(), false),
        ("ArnNotLike", on("ArnNotLike", "arn:aws:sns:*:*:other"), topic(), true),
        (
            "a variable is replaced",
            on("ArnLike", "arn:aws:sns:*:${app:a}:orders:*"),
            json!({ "app:k": "arn:aws:sns:eu-west-1:1:orders:sub", "app:a": "1" }),
            true,
        ),
        (
            "a variable is a whole ARN",
            on("ArnEquals", "${app:a}"),
            json!({ "app:k": "arn:aws:iam::1:role/a", "app:a": "arn:aws:iam::1:role/a" }),
            true,
        ),
    ]);
}

#[test]
fn bool_and_binary_compare_values() {
    check_conditions(vec![
        ("true is true", on("Bool", "true"), with("true"), true),
        ("a boolean in JSON", on("Bool", true), with("true"), true),
        ("true is not false", on("Bool", "false"), with("true"), false),
        ("what is no boolean matches nothing", on("Bool", "false"), with(""), false),
        ("Bool on a missing key", on("Bool", "false"), json!({}), false),
        ("BoolIfExists on a missing key", on("BoolIfExists", "true"), json!({}), true),
        ("bytes are equal", on("BinaryEquals", "AQID"), with("AQID"), true),
        ("bytes are case-sensitive", on("BinaryEquals", "AQID"), with("aqid"), false),
        ("padding counts", on("BinaryEquals", "AQI="), with("AQID"), false),
        ("base64 has its padding", on("BinaryEquals", "AQI="), with("AQI"), false),
        ("what is no base64 matches nothing", on("BinaryEquals", "AQID"), with("AQI*"), false),
    ]);
}

#[test]
fn missing_keys_and_null_follow_the_operator() {
    let none = || json!({});
    check_conditions(vec![
        ("a missing key is false", on("StringEquals", "a"), none(), false),
        ("a missing key with a negated operator is true", on("StringNotEquals", "a"), none(), true),
        ("a missing key with IfExists is true", on("StringEqualsIfExists", "a"), none(), true),
        ("IfExists on a key that exists", on("StringEqualsIfExists", "a"), with("b"), false),
        (
            "negated IfExists on a key that exists",
            on("StringNotEqualsIfExists", "b"),
            with("b"),
            false,
        ),
        ("a missing number is not less", on("NumericLessThan", "1"), none(), false),
        ("no values are no value", on("StringEquals", "a"), with(json!([])), false),
        ("no values with IfExists", on("StringEqualsIfExists", "a"), with(json!([])), true),
        ("no values are Null", on("Null", "true"), with(json!([])), true),
        ("Null of a missing key", on("Null", "true"), none(), true),
        ("Null of a key that exists", on("Null", "true"), with("a"), false),
        ("not Null of a key that exists", on("Null", false), with("a"), true),
        ("not Null of a missing key", on("Null", "false"), none(), false),
        ("the empty string is not Null", on("Null", "false"), with(""), true),
        ("the empty string is a value", on("StringEquals", ""), with(""), true),
        ("the empty string is not no key", on("StringEquals", ""), none(), false),
        ("Null under ForAnyValue is false", on("ForAnyValue:Null", "true"), none(), false),
        ("not Null under ForAnyValue is false", on("ForAnyValue:Null", "false"), with("a"), false),
        (
            "Null under ForAllValues is true without the key",
            on("ForAllValues:Null", "false"),
            none(),
            true,
        ),
        ("Null under ForAllValues with the key", on("ForAllValues:Null", "true"), with("a"), true),
    ]);
}

#[test]
fn set_operators_count_values() {
    let two = || with(json!(["a", "b"]));
    let any = |operator: &str| format!("ForAnyValue:{operator}");
    let every = |operator: &str| format!("ForAllValues:{operator}");
    check_conditions(vec![
        (
            "ForAllValues: all listed",
            on(&every("StringEquals"), json!(["b", "a", "c"])),
            two(),
            true,
        ),
        (
            "ForAllValues: one not listed",
            on(&every("StringEquals"), json!(["a", "c"])),
            two(),
            false,
        ),
        ("ForAllValues: no key", on(&every("StringEquals"), "a"), json!({}), true),
        ("ForAllValues: no values", on(&every("StringEquals"), "a"), with(json!([])), true),
        ("ForAllValues: the empty string alone", on(&every("StringEquals"), "a"), with(""), true),
        (
            "ForAllValues: the empty string in a list",
            on(&every("StringEquals"), "a"),
            with(json!([""])),
            true,
        ),
        (
            "ForAllValues: the empty string among others",
            on(&every("StringEquals"), "a"),
            with(json!(["", "a"])),
            false,
        ),
        (
            "ForAllValues negated: none listed",
            on(&every("StringNotEquals"), json!(["c", "d"])),
            two(),
            true,
        ),
        (
            "ForAllValues negated: one listed",
            on(&every("StringNotEquals"), json!(["c", "a"])),
            two(),
            false,
        ),
        (
            "ForAllValues negated: the empty string alone",
            on(&every("StringNotEquals"), ""),
            with(""),
            true,
        ),
        ("ForAnyValue: one listed", on(&any("StringEquals"), json!(["b", "c"])), two(), true),
        ("ForAnyValue: none listed", on(&any("StringEquals"), "c"), two(), false),
        ("ForAnyValue: no key", on(&any("StringEquals"), "a"), json!({}), false),
        ("ForAnyValue: no values", on(&any("StringEquals"), "a"), with(json!([])), false),
        (
            "ForAnyValue: no key with IfExists",
            on(&any("StringEqualsIfExists"), "a"),
            json!({}),
            false,
        ),
        ("ForAnyValue: the empty string is a value", on(&any("StringEquals"), ""), with(""), true),
        (
            "ForAnyValue negated: some value is not listed",
            on(&any("StringNotEquals"), "a"),
            two(),
            true,
        ),
        (
            "ForAnyValue negated: all are listed",
            on(&any("StringNotEquals"), json!(["a", "b"])),
            two(),
            false,
        ),
        ("ForAnyValue negated: no key", on(&any("StringNotEquals"), "a"), json!({}), false),
        ("bare: any of several values", on("StringEquals", "b"), two(), true),
        ("bare: none of several values", on("StringEquals", "c"), two(), false),
        ("bare negated: one of several values is listed", on("StringNotEquals", "a"), two(), false),
        ("bare negated: none of several values is listed", on("StringNotEquals", "c"), two(), true),
    ]);
}
