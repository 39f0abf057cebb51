use std::time::Duration;

use super::*;
use crate::{OidcProvider, PermissionPolicy, S3Access, TrustPolicy, TrustedPrincipal};

const EMPTY: &str = r#"{"Version": "2012-10-17", "Statement": []}"#;
const READ: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "Read", "Effect": "Allow", "Action": ["s3:Get*", "s3:List*"],
         "Resource": ["arn:aws:s3:::shop/${aws:username}/%{x}", "a${b}%${c}"],
         "Condition": {"NumericLessThan": {"aws:MultiFactorAuthAge": 3600, "-": -1.5}}}
    ]
}"#;

fn add<B: Block>(block: B) -> Result<String, String> {
    let mut configuration = Configuration::new();
    match configuration.add(block) {
        Ok(_) => Ok(configuration.to_string()),
        Err(error) => {
            assert_eq!(configuration, Configuration::new());
            Err(error.to_string())
        }
    }
}

/// Adds a policy in both forms, and returns the error of each without the address.
fn errors(json: &str) -> [Option<String>; 2] {
    let json_error = add(IamPolicy::new("p", json)).err();
    let document_error = add(PolicyDocument::new("p", json)).err();
    let strip = |error: String, address| error.strip_prefix(address).unwrap().to_owned();
    [
        json_error.map(|error| strip(error, "aws_iam_policy.p.policy")),
        document_error.map(|error| strip(error, "data.aws_iam_policy_document.p")),
    ]
}

#[test]
fn printed_file_parses_to_the_tree_it_was_printed_from() {
    let mut configuration = Configuration::new();
    let document = configuration.add(PolicyDocument::new("read", READ)).unwrap();
    let policy = configuration.add(IamPolicy::new("read", READ).tag("ä b", "é")).unwrap();
    let role = IamRole::new("r-1", &document).permissions_boundary(&policy).tag("for", "null");
    let role = configuration.add(role.max_session_duration(Duration::from_secs(3600))).unwrap();
    configuration.add(RolePolicyAttachment::new("read", &role, policy)).unwrap();

    let parsed = hcl::parse(&configuration.to_string()).unwrap();
    let printed: hcl::Body = configuration.blocks.iter().cloned().collect();
    assert_eq!(parsed, printed);
}

#[test]
fn blocks_are_printed_in_the_order_added() {
    let mut configuration = Configuration::new();
    for label in ["b", "a", "c"] {
        configuration.add(IamPolicy::new(label, EMPTY)).unwrap();
    }
    let file = configuration.to_string();
    let labels: Vec<&str> = file.lines().filter_map(|line| line.split('"').nth(3)).collect();
    assert_eq!(labels, ["b", "a", "c"]);
}

#[test]
fn label_that_is_not_a_name_is_rejected() {
    for label in ["a", "_", "A-b_1", "for", "null", "count"] {
        assert!(add(IamPolicy::new(label, EMPTY)).is_ok(), "{label}");
    }
    for label in ["", "1a", "-a", "a b", "a.b", "a\"", "a\n", "${a}", "é", "a[0]"] {
        let error = add(IamPolicy::new(label, EMPTY)).unwrap_err();
        let expected = format!("aws_iam_policy: {label:?} is not a label; hint: ");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn label_is_unique_per_type() {
    let mut configuration = Configuration::new();
    configuration.add(IamPolicy::new("a", EMPTY)).unwrap();
    configuration.add(IamRole::new("a", EMPTY)).unwrap();
    let before = configuration.clone();
    let error = configuration.add(IamPolicy::new("a", READ)).unwrap_err();
    let expected =
        "aws_iam_policy.a: is already in the configuration; hint: choose another label".to_owned();
    assert_eq!(error.to_string(), expected);
    assert_eq!(configuration, before);
}

#[test]
fn reference_of_another_configuration_is_rejected() {
    let mut other = Configuration::new();
    let role = other.add(IamRole::new("r", EMPTY)).unwrap();
    let policy = other.add(IamPolicy::new("p", EMPTY)).unwrap();
    let document = other.add(PolicyDocument::new("d", READ)).unwrap();
    let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    for (result, address, reference) in [
        (
            add(RolePolicyAttachment::new("a", &role, arn)),
            "aws_iam_role_policy_attachment.a.role",
            "aws_iam_role.r",
        ),
        (
            add(IamRole::new("a", EMPTY).permissions_boundary(&policy)),
            "aws_iam_role.a.permissions_boundary",
            "aws_iam_policy.p",
        ),
        (
            add(IamPolicy::new("a", &document)),
            "aws_iam_policy.a.policy",
            "data.aws_iam_policy_document.d",
        ),
        (
            add(IamPolicy::new("a", PolicyText::from(READ).link_arn("a${b}%${c}", &role))),
            "aws_iam_policy.a.policy",
            "aws_iam_role.r",
        ),
    ] {
        let expected = format!(
            "{address}: the configuration has no block {reference}; hint: add it first, to the \
             same configuration"
        );
        assert_eq!(result.unwrap_err(), expected);
    }
}

#[test]
fn role_argument_out_of_its_rule_is_rejected() {
    let role = || IamRole::new("r", EMPTY);
    let long = |count| "x".repeat(count);
    let seconds = Duration::from_secs;
    for valid in [
        role().role_name(long(64)),
        role().role_name("A_z0+=,.@-"),
        role().path("/"),
        role().path(format!("/{}/", long(510))),
        role().path("/a/b/"),
        role().description(long(1000)),
        role().max_session_duration(seconds(3600)),
        role().max_session_duration(seconds(43_200)),
        role().permissions_boundary("arn:aws-cn:iam::111122223333:policy/a/b"),
    ] {
        assert!(add(valid.clone()).is_ok(), "{valid:?}");
    }
    for (invalid, argument) in [
        (role().role_name(""), "name: is empty"),
        (role().role_name(long(65)), "name: has 65 characters; hint: use at most 64"),
        (role().role_name("a/b"), "name: \"a/b\" is not a name"),
        (role().role_name("é"), "name: \"é\" is not a name"),
        (role().role_name("a\n"), "name: \"a\\n\" is not a name"),
        (role().path(""), "path: is empty"),
        (role().path("shop/"), "path: \"shop/\" is not a path"),
        (role().path("/shop"), "path: \"/shop\" is not a path"),
        (role().path("/a b/"), "path: \"/a b/\" is not a path"),
        (role().path(format!("/{}/", long(511))), "path: has 513 characters"),
        (role().description(long(1001)), "description: has 1001 characters"),
        (role().description("\u{7f}"), "description: contains '\\u{7f}'"),
        (role().description("e\u{301}"), "description: contains '\\u{301}'"),
        (role().max_session_duration(seconds(3599)), "max_session_duration: 3599s is not"),
        (role().max_session_duration(seconds(43_201)), "max_session_duration: 43201s is not"),
        (
            role().max_session_duration(Duration::from_millis(3_600_500)),
            "max_session_duration: 3600.5s is not",
        ),
        (role().permissions_boundary(""), "permissions_boundary: is empty"),
        (
            role().permissions_boundary("arn:aws:iam::111122223333:role/a"),
            "permissions_boundary: \"arn:aws:iam::111122223333:role/a\" is not a policy ARN",
        ),
    ] {
        let error = add(invalid).unwrap_err();
        assert!(error.starts_with(&format!("aws_iam_role.r.{argument}")), "{error}");
    }
}

#[test]
fn policy_name_may_be_longer_than_a_role_name() {
    let policy = |count| IamPolicy::new("p", EMPTY).policy_name("x".repeat(count));
    assert!(add(policy(128)).is_ok());
    let expected = "aws_iam_policy.p.name: has 129 characters; hint: use at most 128";
    assert_eq!(add(policy(129)).unwrap_err(), expected);
}

#[test]
fn policy_arn_out_of_its_rule_is_rejected() {
    let arn = |length: usize| format!("arn:aws:iam::aws:policy/{}/x", "x".repeat(length - 26));
    assert_eq!(arguments::check_policy_arn(&arn(2048)), Ok(()));
    assert!(arguments::check_policy_arn(&arn(2049)).is_err());
    for arn in ["arn:aws:iam::aws:policy/aws-service-role/X", "arn:aws:iam::444455556666:policy/x"]
    {
        assert_eq!(arguments::check_policy_arn(arn), Ok(()), "{arn}");
    }
    for arn in [
        "policy/x",
        "arn:aws:iam::11112222333:policy/x",
        "arn:aws:iam::1111222233334:policy/x",
        "arn:aws:iam::11112222333x:policy/x",
        "arn:aws:iam:eu-west-1:aws:policy/x",
        "arn:aws:sts::aws:policy/x",
        "arn::iam::aws:policy/x",
        "arn:a ws:iam::aws:policy/x",
        "arn:aws:iam::aws:policy/",
        "arn:aws:iam::aws:policy/a b",
        "arn:aws:iam::aws:policy/a:b",
        "arn:aws:iam::aws:policyx/a",
        "arn:AWS:iam::aws:policy/x",
        "arn:aws:iam::aws:group/a",
    ] {
        assert!(arguments::check_policy_arn(arn).is_err(), "{arn}");
    }
}

#[test]
fn client_id_that_terraform_may_change_is_rejected() {
    let provider = |client_id: &str| {
        let provider = OidcProvider::builder("https://oidc.example.com").client_id(client_id);
        add(OpenIdConnectProvider::new("p", &provider.build().unwrap()))
    };
    assert!(provider("Gr\u{f6}\u{df}e ${x}").is_ok());
    let error = provider("e\u{301}").unwrap_err();
    let expected = "aws_iam_openid_connect_provider.p.client_id_list: \"e\\u{301}\" contains";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn policy_equals_its_json_text() {
    let principal = TrustedPrincipal::account("444455556666").unwrap();
    let trust = TrustPolicy::builder().principal(principal).build().unwrap();
    let by_text = add(IamRole::new("r", trust.to_json()));
    assert_eq!(add(IamRole::new("r", &trust)), by_text);
    assert_eq!(add(IamRole::new("r", trust.clone())), by_text);

    let access = S3Access::whole_bucket("shop-data").unwrap().list().read();
    let policy = PermissionPolicy::builder().s3(access).build().unwrap();
    assert_eq!(add(IamPolicy::new("p", &policy)), add(IamPolicy::new("p", policy.to_json())));
    let document = |text: String| add(PolicyDocument::new("d", text));
    assert_eq!(add(PolicyDocument::new("d", &policy)), document(policy.to_json()));
    assert_eq!(add(PolicyDocument::new("d", &trust)), document(trust.to_json()));
}

#[test]
fn error_of_a_policy_has_no_position() {
    let json =
        r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::\u0100"}}"#;
    let policy = PermissionPolicy::parse(json).unwrap();
    let message = "IAM does not accept 'Ā' in a policy; hint: use characters up to U+00FF";
    let error = add(IamPolicy::new("p", &policy)).unwrap_err();
    let location = "aws_iam_policy.p.policy.Statement[0].Resource";
    assert_eq!(error, format!("{location}: {message}"));
    let error = add(IamPolicy::new("p", json)).unwrap_err();
    let location = "aws_iam_policy.p.policy.Statement.Resource at line 1 column 62";
    assert_eq!(error, format!("{location}: {message}"));
}

#[test]
fn policy_is_limited_by_the_quota_of_its_block() {
    let json = |characters: usize| format!("{{ \"a\": \"{}\" }}", "x".repeat(characters - 8));
    let message = |size| format!("{size} characters, but");
    assert!(add(IamPolicy::new("p", json(6144))).is_ok());
    let error = add(IamPolicy::new("p", json(6145))).unwrap_err();
    assert!(error.contains(&message(6145)), "{error}");
    assert!(add(IamRole::new("r", json(4096))).is_ok());
    let error = add(IamRole::new("r", json(4097))).unwrap_err();
    assert!(error.contains(&message(4097)), "{error}");
}

#[test]
fn linked_arn_is_written_as_reference() {
    let json = r#"{"a": ["arn:1", "arn:1/*", "arn:2"], "b": {"arn:1": "arn:1"}}"#;
    let mut configuration = Configuration::new();
    let role = configuration.add(IamRole::new("r", EMPTY)).unwrap();
    let provider = OidcProvider::github_actions().build().unwrap();
    let provider = configuration.add(OpenIdConnectProvider::new("o", &provider)).unwrap();
    let policy = PolicyText::from(json).link_arn("arn:1", &role).link_arn("arn:2", &provider);
    configuration.add(IamPolicy::new("p", policy)).unwrap();
    let file = configuration.to_string();
    let (_, policy) = file.split_once("jsonencode({\n    a").unwrap();
    assert_eq!(
        policy,
        r#" = [
      aws_iam_role.r.arn,
      "arn:1/*",
      aws_iam_openid_connect_provider.o.arn,
    ]
    b = {
      "arn:1" = aws_iam_role.r.arn
    }
  })
}
"#
    );
}

#[test]
fn link_that_is_not_written_is_rejected() {
    let mut configuration = Configuration::new();
    let role = configuration.add(IamRole::new("r", EMPTY)).unwrap();
    let document = configuration.add(PolicyDocument::new("d", READ)).unwrap();
    for (policy, message) in [
        (PolicyText::from(READ), "no value of the policy is \"arn:1\"; hint: link aws_iam_role.r"),
        (PolicyText::from(&document), "a data source cannot be linked to aws_iam_role.r; hint:"),
    ] {
        let policy = IamPolicy::new("p", policy.link_arn("arn:1", &role));
        let error = configuration.add(policy).unwrap_err();
        assert_eq!(error.location, "aws_iam_policy.p.policy");
        assert!(error.message.starts_with(message), "{error}");
    }
}

#[test]
fn number_keeps_its_value_or_is_rejected() {
    for (text, written) in [
        ("0", "0"),
        ("-0", "0"),
        ("10.0", "10"),
        ("1e3", "1000"),
        ("100E-2", "1"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("-2.50e-7", "-2.5e-7"),
        ("18446744073709551615", "18446744073709551615"),
        ("1e400", ""),
        ("1e-400", ""),
        ("0.1000000000000000055511151231257827", ""),
        ("18446744073709551617", ""),
        ("1e9223372036854775807", ""),
        ("1.5e-9223372036854775808", ""),
        ("1e99999999999999999999", ""),
    ] {
        let found = json::number(0, text).map(|number| number.to_string());
        match written {
            "" => assert!(found.is_err(), "{text}: {found:?}"),
            written => assert_eq!(found.as_deref(), Ok(written), "{text}"),
        }
    }
}

#[test]
fn tag_out_of_its_rule_is_rejected() {
    let policy = || IamPolicy::new("p", EMPTY);
    let many = |count| (0..count).fold(policy(), |policy, n| policy.tag(format!("{n}"), "x"));
    for valid in [policy().tag("k".repeat(128), "v".repeat(256)), many(50), policy().tag("A", "")] {
        assert!(add(valid.clone()).is_ok(), "{valid:?}");
    }
    for (invalid, message) in [
        (policy().tag("", "x"), "the tag key \"\" has 0 characters"),
        (many(51), "has 51 entries"),
        (policy().tag("k", "x").tag("k", "y"), "\"k\" is the same key as \"k\""),
        (policy().tag("k", "a\nb"), "the tag value \"a\\nb\" contains"),
        (policy().tag("${a}", "x"), "the tag key \"${a}\" contains"),
    ] {
        let error = add(invalid).unwrap_err();
        assert!(error.starts_with(&format!("aws_iam_policy.p.tags: {message}")), "{error}");
    }
    let role = IamRole::new("r", EMPTY).tag("Team", "x").tag("team", "y");
    let error = add(role).unwrap_err();
    assert!(error.contains("\"team\" is the same key as \"Team\""), "{error}");
    assert!(add(policy().tag("Team", "x").tag("team", "y")).is_ok());
}

#[test]
fn text_that_is_not_a_policy_is_rejected() {
    let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    let padded = format!("{{{}}}", " ".repeat(1_048_575));
    for (json, message) in [
        ("", " at line 1 column 1: not valid JSON: "),
        ("{", " at line 1 column 2: not valid JSON: "),
        ("{} {}", " at line 1 column 4: not valid JSON: "),
        ("{'a': 1}", " at line 1 column 2: not valid JSON: "),
        ("[]", " at line 1 column 1: expected an object, found a list"),
        ("\"{}\"", " at line 1 column 1: expected an object, found a string"),
        (r#"{"a": 1, "a": 2}"#, " at line 1 column 10: the key \"a\" is repeated"),
        (r#"{"a": "\ud800"}"#, ".a at line 1 column 8: not valid JSON: "),
        (r#"{"a": ["\u0100"]}"#, ".a[0] at line 1 column 8: IAM does not accept 'Ā'"),
        (r#"{"e\u0301": 1}"#, " at line 1 column 2: IAM does not accept '\\u{301}'"),
        (&nested(32), ".a[0][0]"),
        (&nested(10_000), ".a[0][0]"),
        (&padded, ": 1048577 bytes; the most that is read is 1048576"),
    ] {
        let [json_error, document_error] = errors(json).map(Option::unwrap);
        assert!(json_error.starts_with(message), "{json_error}");
        assert!(document_error.starts_with(message), "{document_error}");
    }
    assert_eq!(errors(&nested(31))[0], None);
    for number in ["123456789012345678901", "4503599627370497.5", "1e999"] {
        let value = format!(r#"{{"NumericEquals": {{"a:b": [1, {number}]}}}}"#);
        let statement = format!(r#"[{{"Effect": "Allow", "Condition": {value}}}]"#);
        let json = format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#);
        let [json_error, document_error] = errors(&json).map(Option::unwrap);
        let expected = format!("column 104: the number {number} would be rounded; hint: ");
        let location = ".Statement[0].Condition.NumericEquals.a:b";
        for error in [json_error, document_error] {
            assert!(error.starts_with(location) && error.contains(&expected), "{error}");
        }
    }
}

#[test]
fn policy_that_a_document_cannot_express_is_rejected() {
    let statement = |members: &str| {
        let statement = format!(r#"{{"Effect": "Allow", {members}}}"#);
        format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#)
    };
    let sids = r#"{"Version": "2012-10-17", "Statement": [
        {"Sid": "A", "Effect": "Allow", "Action": "a:b"},
        {"Sid": "A", "Effect": "Deny", "Action": "a:b"}
    ]}"#;
    for (json, expected) in [
        (r#"{"Statement": []}"#.to_owned(), "Version: is not \"2012-10-17\""),
        (r#"{"Version": "2008-10-17"}"#.to_owned(), "Version: is not \"2012-10-17\""),
        (r#"{"Version": 20121017}"#.to_owned(), "Version: expected a string, found a number"),
        (EMPTY.to_owned(), "Statement: the policy has no statement"),
        (r#"{"Version": "2012-10-17"}"#.to_owned(), "Statement: the policy has no statement"),
        (
            r#"{"Version": "2012-10-17", "Statement": ["x"]}"#.to_owned(),
            "Statement[0]: expected an object, found a string",
        ),
        (r#"{"Other": 1}"#.to_owned(), "Other: the data source has no such element"),
        (statement(r#""Sid": 1"#), "Statement[0].Sid: expected a string, found a number"),
        (statement(r#""Sid": "a b""#), "Statement[0].Sid: \"a b\" is not alphanumeric"),
        (sids.to_owned(), "Statement[1].Sid: \"A\" occurs twice"),
        (statement(r#""other": 1"#), "Statement[0].other: the data source has no such"),
        (statement(r#""Action": []"#), "Statement[0].Action: is empty"),
        (statement(r#""NotAction": {}"#), "Statement[0].NotAction: expected a string, number"),
        (statement(r#""Action": [["a"]]"#), "Statement[0].Action: expected a string, number"),
        (statement(r#""Resource": null"#), "Statement[0].Resource: expected a string, number"),
        (statement(r#""Resource": ["&{a}"]"#), "Statement[0].Resource: \"&{a}\" contains `&{`"),
        (statement(r#""NotResource": "&{"#) + "x", "Statement[0].NotResource: not valid JSON"),
        (statement(r#""Principal": "x""#), "Statement[0].Principal: \"x\" is neither \"*\""),
        (statement(r#""Principal": {}"#), "Statement[0].Principal: is empty"),
        (statement(r#""Principal": {"*": "*"}"#), "Statement[0].Principal.*: is not a type"),
        (statement(r#""NotPrincipal": []"#), "Statement[0].NotPrincipal: expected an object"),
        (statement(r#""Condition": {}"#), "Statement[0].Condition: is empty"),
        (
            statement(r#""Condition": {"Bool": {"a:b": []}}"#),
            "Statement[0].Condition.Bool.a:b: is empty",
        ),
        (
            r#"{"Version": "2012-10-17", "Statement": {"Action": "a:b"}}"#.to_owned(),
            "Statement.Effect: is missing",
        ),
        (
            r#"{"Version": "2012-10-17", "Statement": {"Effect": "allow"}}"#.to_owned(),
            "Statement.Effect: \"allow\" is neither \"Allow\" nor \"Deny\"",
        ),
    ] {
        let error = add(PolicyDocument::new("p", json)).unwrap_err();
        let error = error.strip_prefix("data.aws_iam_policy_document.p").unwrap();
        // Without the position.
        let (location, message) = match error.split_once(" at line ") {
            Some((location, rest)) => (location, rest.split_once(": ").unwrap().1),
            None => error.split_once(": ").unwrap(),
        };
        let found = format!("{}: {message}", location.trim_start_matches('.'));
        assert!(found.starts_with(expected), "{error}");
    }
}
