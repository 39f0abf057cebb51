use super::*;

/// Operator, values, the key's values if it is there, met.
type Case = (&'static str, &'static [&'static str], Option<&'static [&'static str]>, bool);

fn check(cases: &[Case]) {
    for (operator, values, actual, expected) in cases {
        let condition = Condition::new(operator, "aws:k", values.iter().copied()).unwrap();
        let mut context = Context::new().with("aws:username", "ann");
        if let Some(actual) = actual {
            context = context.with_values("AWS:K", actual.iter().copied());
        }
        assert_eq!(condition.is_met(&context), *expected, "{operator} {values:?} {actual:?}");
    }
}

#[test]
fn string_operators_by_table() {
    check(&[
        ("StringEquals", &["a", "b"], Some(&["b"]), true),
        ("StringEquals", &["a"], Some(&["A"]), false),
        ("StringEquals", &["a*"], Some(&["ab"]), false),
        ("StringEquals", &["a"], None, false),
        ("stringequals", &["a"], Some(&["a"]), true),
        ("StringEquals", &["${aws:username}"], Some(&["ann"]), true),
        ("StringEquals", &["${*}"], Some(&["*"]), true),
        ("StringEqualsIfExists", &["a"], None, true),
        ("StringEqualsIfExists", &["a"], Some(&["b"]), false),
        ("StringNotEquals", &["a", "b"], Some(&["c"]), true),
        ("StringNotEquals", &["a", "b"], Some(&["b"]), false),
        ("StringNotEquals", &["a"], None, true),
        ("StringNotEquals", &["${aws:absent}"], Some(&["a"]), true),
        ("StringEqualsIgnoreCase", &["aB"], Some(&["Ab"]), true),
        ("StringNotEqualsIgnoreCase", &["aB"], Some(&["Ab"]), false),
        ("StringLike", &["a*c", "x"], Some(&["abc"]), true),
        ("StringLike", &["a?c"], Some(&["abbc"]), false),
        ("StringNotLike", &["a*"], Some(&["abc"]), false),
        ("StringNotLike", &["a*"], None, true),
        ("StringEquals", &[""], Some(&[""]), true),
    ]);
}

#[test]
fn numeric_operators_by_table() {
    check(&[
        ("NumericEquals", &["10"], Some(&["10.0"]), true),
        ("NumericEquals", &["-0"], Some(&["0"]), true),
        ("NumericEquals", &["007"], Some(&["7"]), true),
        ("NumericEquals", &["9007199254740993"], Some(&["9007199254740992"]), false),
        ("NumericNotEquals", &["10"], Some(&["11"]), true),
        ("NumericLessThan", &["10"], Some(&["9.99"]), true),
        ("NumericLessThan", &["-1"], Some(&["-2"]), true),
        ("NumericLessThan", &["10"], Some(&["9"]), true),
        ("NumericLessThanEquals", &["0.5"], Some(&["0.50"]), true),
        ("NumericGreaterThan", &["0.10"], Some(&["0.1"]), false),
        ("NumericGreaterThan", &["-5"], Some(&["1"]), true),
        ("NumericGreaterThanEquals", &["3"], Some(&["3"]), true),
        ("NumericEquals", &["x"], Some(&["x"]), false),
        ("NumericEquals", &[""], Some(&[""]), false),
        ("NumericEquals", &["1e3"], Some(&["1000"]), false),
    ]);
}

#[test]
fn date_operators_by_table() {
    check(&[
        ("DateEquals", &["1970-01-01"], Some(&["0"]), true),
        ("DateEquals", &["2026-11-26T12:00:00Z"], Some(&["2026-11-26T13:00:00+01:00"]), true),
        ("DateEquals", &["2026-11-26T12:00:00Z"], Some(&["1795694400"]), true),
        ("DateEquals", &["2000-02-29"], Some(&["951782400"]), true),
        ("DateEquals", &["1900-02-29"], Some(&["1900-02-29"]), false),
        ("DateEquals", &["2026-11"], Some(&["2026-11-01T00:00Z"]), true),
        ("DateLessThan", &["2026-11-26T00:00:00.5Z"], Some(&["2026-11-26"]), true),
        ("DateLessThanEquals", &["2026-11-26"], Some(&["2026-11-26T00:00:00-0000"]), true),
        (
            "DateGreaterThan",
            &["2026-11-26T00:00:00Z"],
            Some(&["2026-11-26T00:00:00.000000001Z"]),
            true,
        ),
        ("DateGreaterThanEquals", &["-1"], Some(&["1969-12-31T23:59:59Z"]), true),
        ("DateNotEquals", &["2026-11-26"], Some(&["2026-11-27"]), true),
        ("DateEquals", &["2026-11-26T12:00:00"], Some(&["2026-11-26T12:00:00"]), false),
        ("DateEquals", &["2026-13-01"], Some(&["2026-13-01"]), false),
        ("DateEquals", &["2026-11-26T24:00:00Z"], Some(&["2026-11-27"]), false),
    ]);
}

#[test]
fn bool_null_and_binary_by_table() {
    check(&[
        ("Bool", &["true"], Some(&["TRUE"]), true),
        ("Bool", &["true"], Some(&["false"]), false),
        ("Bool", &["true"], None, false),
        ("Bool", &["yes"], Some(&["yes"]), false),
        ("BoolIfExists", &["true"], None, true),
        ("Null", &["true"], None, true),
        ("Null", &["true"], Some(&["x"]), false),
        ("Null", &["false"], Some(&["x"]), true),
        ("Null", &["false"], Some(&[""]), true),
        ("ForAnyValue:Null", &["true"], None, false),
        ("ForAnyValue:Null", &["false"], Some(&["x"]), false),
        ("BinaryEquals", &["QmluYXJ5"], Some(&["QmluYXJ5"]), true),
        ("BinaryEquals", &["YQ=="], Some(&["YQ"]), true),
        ("BinaryEquals", &["YQ=="], Some(&["Yg=="]), false),
        ("BinaryEquals", &["Y!"], Some(&["Y!"]), false),
    ]);
}

#[test]
fn ip_operators_by_table() {
    check(&[
        ("IpAddress", &["203.0.113.0/24"], Some(&["203.0.113.200"]), true),
        ("IpAddress", &["203.0.113.0/24"], Some(&["203.0.114.1"]), false),
        ("IpAddress", &["203.0.113.7"], Some(&["203.0.113.7"]), true),
        ("IpAddress", &["0.0.0.0/0"], Some(&["203.0.113.7"]), true),
        ("IpAddress", &["0.0.0.0/0"], Some(&["2001:db8::1"]), false),
        ("IpAddress", &["2001:db8::/33"], Some(&["2001:DB8:0:0::0001"]), true),
        ("IpAddress", &["2001:db8::/33"], Some(&["2001:db8:8000::1"]), false),
        ("IpAddress", &["2001:db8::1"], Some(&["2001:0db8:0:0:0:0:0:1"]), true),
        ("IpAddress", &["::ffff:203.0.113.7"], Some(&["203.0.113.7"]), false),
        ("IpAddress", &["203.0.113.0/33"], Some(&["203.0.113.0"]), false),
        ("IpAddress", &["203.0.113.0/+24"], Some(&["203.0.113.0"]), false),
        ("NotIpAddress", &["203.0.113.0/24"], Some(&["203.0.114.1"]), true),
        ("NotIpAddress", &["203.0.113.0/24"], None, true),
    ]);
}

#[test]
fn arn_operators_by_table() {
    check(&[
        ("ArnLike", &["arn:aws:iam::*:role/x"], Some(&["arn:aws:iam::111122223333:role/x"]), true),
        (
            "ArnEquals",
            &["arn:aws:iam::*:role/x"],
            Some(&["arn:aws:iam::111122223333:role/x"]),
            true,
        ),
        ("ArnNotEquals", &["arn:aws:iam::1:role/x"], Some(&["arn:aws:iam::2:role/x"]), true),
        ("ArnNotLike", &["arn:aws:iam::*:role/x"], Some(&["arn:aws:iam::2:role/x"]), false),
        (
            "ArnLike",
            &["arn:aws:iam::1:user/${aws:username}"],
            Some(&["arn:aws:iam::1:user/ann"]),
            true,
        ),
    ]);
}

#[test]
fn set_operators_by_table() {
    check(&[
        ("ForAllValues:StringEquals", &["a", "b"], Some(&["a", "b", "a"]), true),
        ("ForAllValues:StringEquals", &["a"], Some(&["a", "c"]), false),
        ("ForAllValues:StringEquals", &["a"], None, true),
        ("ForAllValues:StringEquals", &["a"], Some(&[]), true),
        ("ForAllValues:StringEquals", &["a"], Some(&[""]), true),
        ("ForAllValues:StringEquals", &["a"], Some(&["", "a"]), false),
        ("ForAllValues:StringNotEquals", &["a"], Some(&["b", "c"]), true),
        ("ForAllValues:StringNotEquals", &["a"], Some(&["b", "a"]), false),
        ("ForAnyValue:StringEquals", &["a"], Some(&["c", "a"]), true),
        ("ForAnyValue:StringEquals", &["a"], Some(&["c"]), false),
        ("ForAnyValue:StringEquals", &["a"], None, false),
        ("ForAnyValue:StringEqualsIfExists", &["a"], None, false),
        ("ForAnyValue:StringNotEquals", &["a"], Some(&["a", "b"]), true),
        ("ForAnyValue:StringNotEquals", &["a"], Some(&["a"]), false),
        ("ForAnyValue:StringNotEquals", &["a"], None, false),
        ("StringEquals", &["a"], Some(&["c", "a"]), true),
        ("StringNotEquals", &["a"], Some(&["c", "a"]), false),
    ]);
}

#[test]
fn invalid_conditions_are_errors() {
    for (operator, key, values, message) in [
        ("StringSame", "aws:k", &["a"][..], "\"StringSame\" is not a condition operator"),
        ("NullIfExists", "aws:k", &["true"], "does not accept IfExists"),
        ("ForSomeValues:StringEquals", "aws:k", &["a"], "\"ForSomeValues\" is not a set operator"),
        ("StringEquals", "aws:k", &[], "has no values"),
        ("StringEquals", "k", &["a"], "\"k\" is not a condition key"),
        ("StringEquals", ":k", &["a"], "\":k\" is not a condition key"),
        ("", "aws:k", &["a"], "\"\" is not a condition operator"),
        ("ééIfExists", "aws:k", &["a"], "is not a condition operator"),
    ] {
        let error = Condition::new(operator, key, values.iter().copied()).unwrap_err();
        assert!(error.message.contains(message), "{operator} {key}: {error}");
    }
}

#[test]
fn values_that_match_nothing_are_found() {
    for (operator, value, valid) in [
        ("NumericEquals", "1.5", true),
        ("NumericEquals", "one", false),
        ("DateLessThan", "2026-11-26", true),
        ("DateLessThan", "yesterday", false),
        ("Bool", "True", true),
        ("Bool", "1", false),
        ("IpAddress", "10.0.0.0/8", true),
        ("IpAddress", "10.0.0", false),
        ("ArnLike", "arn:aws:s3:::a", true),
        ("ArnLike", "*", false),
        ("BinaryEquals", "YQ==", true),
        ("BinaryEquals", "Y", false),
        ("Null", "maybe", false),
    ] {
        let condition = Condition::new(operator, "aws:k", [value]).unwrap();
        assert_eq!(condition.invalid_values().next().is_none(), valid, "{operator} {value}");
    }
}
