//! Configurations, and what their blocks must evaluate to.

use std::collections::BTreeMap;
use std::time::Duration;

use rolecall_policy::terraform::{
    Configuration, IamPolicy, IamRole, OpenIdConnectProvider, PolicyDocument, RolePolicyAttachment,
};
use rolecall_policy::{OidcProvider, Thumbprint};
use serde_json::{Map, Value, json};

use super::document::normalize;

/// A printed file with the arguments of its blocks, or the policy of a data source, by address.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) expected: BTreeMap<String, Value>,
}

pub(super) fn all() -> Vec<Case> {
    let mut cases = vec![all_blocks(), tags(), number_formats()];
    cases.extend(policies().into_iter().map(|(name, json)| policy(name, &json, true)));
    cases.extend(json_only_policies().into_iter().map(|(name, json)| policy(name, &json, false)));
    cases.extend(hostile_texts().iter().map(|text| hostile(text)));
    cases
}

fn case<const N: usize>(
    name: &str,
    configuration: &Configuration,
    expected: [(&str, Value); N],
) -> Case {
    let expected = expected.map(|(address, value)| (address.to_owned(), value));
    Case {
        name: name.to_owned(),
        file: configuration.to_string(),
        expected: BTreeMap::from(expected),
    }
}

const TRUST: &str = r#"{
    "Version": "2012-10-17",
    "Statement": [{
        "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/id/1"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                "oidc.example.com/id/1:aud": "sts.amazonaws.com",
                "oidc.example.com/id/1:sub": ["system:serviceaccount:shop:checkout"]
            },
            "Bool": {"aws:SecureTransport": true}
        }
    }]
}"#;

fn all_blocks() -> Case {
    let thumbprint = "6938fd4d98bab03faadb97b34396831e3780aea1";
    let trust: Value = serde_json::from_str(TRUST).unwrap();
    let mut configuration = Configuration::new();
    let provider = OidcProvider::builder("https://oidc.example.com/id/1")
        .client_id("sts.amazonaws.com")
        .client_id("another audience ${x}")
        .thumbprint(Thumbprint::parse(thumbprint).unwrap())
        .tag("team", "checkout");
    let provider = provider.build().unwrap();
    configuration.add(OpenIdConnectProvider::new("cluster", &provider)).unwrap();
    let minimal = OidcProvider::builder("https://oidc.example.com").client_id("a");
    let minimal = minimal.build().unwrap();
    configuration.add(OpenIdConnectProvider::new("minimal", &minimal)).unwrap();
    let document = configuration.add(PolicyDocument::new("trust", TRUST)).unwrap();
    let boundary = configuration.add(IamPolicy::new("boundary", &document)).unwrap();
    let role = IamRole::new("checkout", TRUST)
        .role_name("checkout+=,.@-_1")
        .path("/shop/${x}\"%{/")
        .description("Line \"one\"\n\tand ${two}\r\n\\ %{if}é\u{a1}ÿ")
        .max_session_duration(Duration::from_secs(7200))
        .permissions_boundary(&boundary)
        .tag("team", "checkout")
        .tag("cost-center", "4711");
    let role = configuration.add(role).unwrap();
    let minimal = configuration.add(IamRole::new("_minimal-1", &document)).unwrap();
    let policy =
        IamPolicy::new("read", "{}").policy_name("read").path("/").description("").tag("owner", "");
    let policy = configuration.add(policy).unwrap();
    configuration.add(RolePolicyAttachment::new("null", &role, &policy)).unwrap();
    let managed = "arn:aws-us-gov:iam::aws:policy/job${x}/Read";
    configuration.add(RolePolicyAttachment::new("managed", &minimal, managed)).unwrap();

    let json = json!({"reference": "data.aws_iam_policy_document.trust.json"});
    let expected = [
        (
            "aws_iam_openid_connect_provider.cluster",
            json!({
                "url": "https://oidc.example.com/id/1",
                "client_id_list": ["sts.amazonaws.com", "another audience ${x}"],
                "thumbprint_list": [thumbprint],
                "tags": {"team": "checkout"},
            }),
        ),
        (
            "aws_iam_openid_connect_provider.minimal",
            json!({"url": "https://oidc.example.com", "client_id_list": ["a"]}),
        ),
        ("data.aws_iam_policy_document.trust", normalize(&trust)),
        ("aws_iam_policy.boundary", json!({"policy": json})),
        (
            "aws_iam_role.checkout",
            json!({
                "name": "checkout+=,.@-_1",
                "path": "/shop/${x}\"%{/",
                "description": "Line \"one\"\n\tand ${two}\r\n\\ %{if}é\u{a1}ÿ",
                "max_session_duration": 7200,
                "permissions_boundary": {"reference": "aws_iam_policy.boundary.arn"},
                "assume_role_policy": trust,
                "tags": {"team": "checkout", "cost-center": "4711"},
            }),
        ),
        ("aws_iam_role._minimal-1", json!({"assume_role_policy": json})),
        (
            "aws_iam_policy.read",
            json!({
                "name": "read",
                "path": "/",
                "description": "",
                "policy": {},
                "tags": {"owner": ""},
            }),
        ),
        (
            "aws_iam_role_policy_attachment.null",
            json!({
                "role": {"reference": "aws_iam_role.checkout.name"},
                "policy_arn": {"reference": "aws_iam_policy.read.arn"},
            }),
        ),
        (
            "aws_iam_role_policy_attachment.managed",
            json!({
                "role": {"reference": "aws_iam_role._minimal-1.name"},
                "policy_arn": managed,
            }),
        ),
    ];
    case("all blocks", &configuration, expected)
}

/// Keys that `terraform fmt` measures in grapheme clusters, and keywords.
fn tags() -> Case {
    let tags = [
        ("a", "1"),
        ("Größe", "é"),
        ("チーム", "チェックアウト"),
        ("क\u{93f}", "two characters, one cluster"),
        ("longer-key", "x"),
        ("for", "x"),
        ("null", "x"),
        ("true", "x"),
        ("if", "x"),
        ("key with spaces/and:more", "\u{2028}"),
        ("\u{a0}", "no-break space"),
    ];
    let tagged = |mut policy: IamPolicy| {
        for (key, value) in tags {
            policy = policy.tag(key, value.replace(',', "."));
        }
        policy
    };
    let mut configuration = Configuration::new();
    configuration.add(tagged(IamPolicy::new("tagged", "{}"))).unwrap();
    let tags: Map<String, Value> = tags
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value.replace(',', "."))))
        .collect();
    case("tags", &configuration, [("aws_iam_policy.tagged", json!({"policy": {}, "tags": tags}))])
}

fn number_formats() -> Case {
    let json = r#"{"a": [0, -1, 3600, 18446744073709551615, -9223372036854775808, 10.0, 0.1,
        -2.5e-7, 1e3, 1e21, 123456789.012345, 0.30000000000000004, 2.2250738585072014e-308],
        "b": [null, true, false], "c": {}, "d": [],
        "e": [[]],
        "h": {"for": {"for": 1}}, "i": {"null": {"true": "x"}}, "f": [{}], "g": [["x"], ["y", "z"]],
        "for": 1, "null": 2, "true": 3, "false": 4, "if": 5,
        "in": 6, "else": 7, "a-b": 8, "1": 9, "": 10, "é": 11, "x.y": 12}"#;
    let mut case = policy("numbers", json, false);
    // serde_json distinguishes integers from floats; JSON and IAM do not.
    let numbers = &mut case.expected.get_mut("aws_iam_policy.policy").unwrap()["policy"]["a"];
    numbers[5] = json!(10);
    numbers[8] = json!(1000);
    case
}

/// A case with the policy as `jsonencode({...})`, and if possible as a data source.
fn policy(name: &str, json: &str, has_document: bool) -> Case {
    let value: Value = serde_json::from_str(json).unwrap();
    let mut configuration = Configuration::new();
    configuration.add(IamPolicy::new("policy", json)).unwrap();
    let mut result =
        case(name, &configuration, [("aws_iam_policy.policy", json!({"policy": value}))]);
    let added = configuration.add(PolicyDocument::new("document", json));
    assert_eq!(added.is_ok(), has_document, "{name}: {added:?}");
    if has_document {
        let address = "data.aws_iam_policy_document.document".to_owned();
        result.expected.insert(address, normalize(&value));
        result.file = configuration.to_string();
    }
    result
}

fn policies() -> Vec<(&'static str, String)> {
    let statement = |statement: &str| {
        format!(r#"{{"Version": "2012-10-17", "Id": "id", "Statement": {statement}}}"#)
    };
    vec![
        ("trust", TRUST.to_owned()),
        (
            "anyone",
            statement(r#"{"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}"#),
        ),
        (
            "any account",
            statement(r#"[{"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:*"}]"#),
        ),
        (
            "all principals",
            statement(
                r#"[{"Sid": "A1", "Effect": "Allow", "Principal": {"AWS": ["111122223333",
                "arn:aws:iam::444455556666:root"], "Service": "ec2.amazonaws.com",
                "Federated": ["accounts.google.com"], "CanonicalUser": "79a59d"},
                "Action": ["sts:AssumeRole", "sts:TagSession"]},
                {"Effect": "Deny", "NotPrincipal": {"AWS": "111122223333"},
                "NotAction": ["sts:*"]}]"#,
            ),
        ),
        (
            "variables",
            statement(
                r#"[{"Condition": {"StringLike": {"s3:prefix": ["${aws:username}/*", "", "${*}${$}",
                "${aws:PrincipalTag/team, 'none'}"]}, "NumericLessThan":
                {"aws:MultiFactorAuthAge": 3600, "x:y": [1.5, "2"]}, "Null": {"a:b": false}},
                "NotResource": ["arn:aws:s3:::shop/${aws:userid}/%{x}$", "*"],
                "Action": "s3:*", "Effect": "Allow", "Sid": "Z"},
                {"Effect": "Deny", "Action": ["a:b"], "Resource": ["*"]}]"#,
            ),
        ),
    ]
}

/// Policies that the data source cannot express.
fn json_only_policies() -> Vec<(&'static str, String)> {
    vec![
        ("old version", r#"{"Statement": []}"#.to_owned()),
        (
            "ampersand",
            r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*",
            "Resource": "arn:aws:s3:::a/&{b}"}}"#
                .to_owned(),
        ),
        (
            "sid with space",
            r#"{"Version": "2012-10-17", "Statement": {"Sid": "a b", "Effect": "Allow",
            "Action": "s3:*", "Resource": "*"}}"#
                .to_owned(),
        ),
    ]
}

fn hostile_texts() -> Vec<String> {
    let markers = [
        "",
        "$",
        "$$",
        "%",
        "${",
        "$${",
        "$$${",
        "$$$${",
        "%{",
        "%%{",
        "%%%{",
        "$%{",
        "%${",
        "$%${",
        "${a}",
        "${a}%${b}",
        "${a}$${b}",
        "${a}$$${b}",
        "%{a}$%{b}",
        "%{a}%%{b}",
        "${a}$%{ if true }",
        "${${",
        "%{%{",
        "${%{${",
        "}",
        "{",
        "$ {",
        "\\${a}",
        "\\",
        "\\\"",
        "\"",
        "\"\n}\nx = \"",
        "\\u0024{a}",
        "\\$\\{",
        "\n",
        "\r\n",
        "\u{0}\u{1}\u{1f}\u{7f}\u{80}\u{85}\u{a0}\u{ad}\u{ff}",
        "${~ a ~}",
        "<<EOT\nEOT",
        "# a",
        "/* a",
        "// a",
        "'",
        "`",
        "${file(\"/etc/hosts\")}",
        "${a}%${file(\"/etc/hosts\")}",
        "null",
        "true",
        "1",
        " ",
        "\t",
    ];
    let every_character = ('\0'..='\u{ff}').collect();
    markers.into_iter().map(str::to_owned).chain([every_character]).collect()
}

/// A case with a text as key and value.
fn hostile(text: &str) -> Case {
    let mut value = json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": [text, "s3:GetObject"],
                "Resource": text,
                "Condition": {"StringEquals": {text: [text], "a:b": text}},
            },
            {"Effect": "Allow", "Principal": {"AWS": [text, "x"]}, "NotAction": "sts:*"},
        ],
    });
    let mut result = policy(&format!("{text:?}"), &value.to_string(), !text.contains("&{"));
    value["Statement"][1][text] = json!({text: {text: [{text: text}, text]}});
    let other = policy("", &value.to_string(), false);
    for (address, expected) in other.expected {
        result.expected.insert(format!("{address}_2"), expected);
    }
    result.file += "\n";
    result.file +=
        &other.file.replace(r#""aws_iam_policy" "policy""#, r#""aws_iam_policy" "policy_2""#);
    result
}
