use serde_json::json;

use super::*;
use crate::OidcProvider;

const ROLE: &str = "arn:aws:iam::111122223333:role/shop/checkout";

fn parse(claims: Value) -> Result<WebIdentityClaims, PolicyError> {
    WebIdentityClaims::parse(claims.as_object().unwrap())
}

/// The keys of the request as `key=value|value`, sorted.
fn request(claims: Value) -> Vec<String> {
    shown(parse(claims).unwrap().request_keys(ROLE, "pod-1").unwrap())
}

fn shown(keys: Vec<(String, Vec<String>)>) -> Vec<String> {
    let mut keys: Vec<String> =
        keys.into_iter().map(|(key, values)| format!("{key}={}", values.join("|"))).collect();
    keys.sort();
    keys
}

/// The keys of the request that begin with the issuer, without it.
fn issuer_keys(claims: Value) -> Vec<String> {
    let prefix = format!("{}:", parse(claims.clone()).unwrap().issuer());
    request(claims).iter().filter_map(|key| Some(key.strip_prefix(&prefix)?.to_owned())).collect()
}

#[test]
fn eks_request_has_exactly_the_documented_keys() {
    let issuer = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE";
    let token = json!({
        "iss": format!("https://{issuer}"),
        "aud": ["sts.amazonaws.com"],
        "sub": "system:serviceaccount:shop:checkout",
        "exp": 1_800_000_000, "iat": 1_700_000_000, "jti": "1", "nbf": 1,
        "kubernetes.io": {"namespace": "shop"},
    });
    let expected = [
        format!("aws:FederatedProvider=arn:aws:iam::111122223333:oidc-provider/{issuer}"),
        format!("{issuer}:aud=sts.amazonaws.com"),
        format!("{issuer}:oaud=sts.amazonaws.com"),
        format!("{issuer}:sub=system:serviceaccount:shop:checkout"),
        "sts:RoleAuthorizedByIdp=false".to_owned(),
        "sts:RoleSessionName=pod-1".to_owned(),
    ];
    assert_eq!(request(token), expected);
}

#[test]
fn audience_by_table() {
    let other = "https://idp.example.com";
    let google = "https://accounts.google.com";
    let pool = "https://cognito-identity.amazonaws.com";
    for (issuer, claims, expected) in [
        (other, json!({"aud": "a"}), vec!["aud=a", "oaud=a"]),
        (other, json!({"aud": ["a", "b"]}), vec!["aud=a|b", "oaud=a|b"]),
        (other, json!({"aud": "a", "azp": "z"}), vec!["aud=z", "oaud=a"]),
        (other, json!({"aud": "a", "azp": null}), vec!["aud=a", "oaud=a"]),
        (other, json!({"azp": "z"}), vec!["aud=z"]),
        (google, json!({"aud": "a", "azp": "z"}), vec!["aud=z", "oaud=a"]),
        ("accounts.google.com", json!({"aud": "a"}), vec!["aud=a", "oaud=a"]),
        // Only the table of identity pools maps the key to the claim of the same name.
        (pool, json!({"aud": "a", "azp": "z"}), vec!["aud=a", "oaud=a"]),
        (other, json!({"aud": []}), vec![]),
    ] {
        let mut token = claims.clone();
        token["iss"] = issuer.into();
        assert_eq!(issuer_keys(token), expected, "{issuer} {claims}");
    }
}

/// The keys of AWS's tables, besides `amr`, `aud`, `email`, `oaud` and `sub`.
const GITHUB_KEYS: &str = "actor actor_id enterprise_id environment job_workflow_ref ref \
                           repository repository_id repository_owner_id workflow";
const GITLAB_KEYS: &str = "namespace_id pipeline_source project_id ref_protected \
                           runner_environment user_access_level user_email user_id user_login";
const BUILDKITE_KEYS: &str = "build_branch cluster_id cluster_name organization_id \
                              organization_slug pipeline_id pipeline_slug";

#[test]
fn keys_of_issuers_by_table() {
    for (issuer, default, more) in [
        ("token.actions.githubusercontent.com", true, GITHUB_KEYS),
        ("token.actions.githubusercontent.com/octo-inc", true, GITHUB_KEYS),
        ("token.actions.octo.ghe.com", true, GITHUB_KEYS),
        ("github.com/enterprises/octo", true, GITHUB_KEYS),
        ("gitlab.com", true, GITLAB_KEYS),
        ("agent.buildkite.com", true, BUILDKITE_KEYS),
        ("agent.octo.buildkite.dev", true, BUILDKITE_KEYS),
        ("agent.octo.buildkite.site", true, BUILDKITE_KEYS),
        ("oidc.circleci.com/org/12345", true, "oidc.circleci.com/project-id"),
        ("idcs-abc123.identity.oraclecloud.com", true, "rpst_id"),
        ("accounts.google.com", true, "google/organization_number"),
        ("cognito-identity.amazonaws.com", false, ""),
        // No table: the default keys only.
        ("app.terraform.io", true, ""),
        ("cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE", true, ""),
        ("oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE", true, ""),
        ("gitlab.example.com", true, ""),
        ("gitlab.com/group", true, ""),
        ("token.actions.ghe.com", true, ""),
        ("token.actions.githubusercontent.com/", true, ""),
        ("token.actions.githubusercontent.com/a/b", true, ""),
        ("token.actions.githubusercontent.com.example.com", true, ""),
        ("Token.actions.githubusercontent.com", true, ""),
        ("oidc.circleci.com", true, ""),
    ] {
        // A token with every claim of every issuer.
        let mut token = json!({"iss": format!("https://{issuer}")});
        let names = format!(
            "amr aud email sub rpst_id oidc.circleci.com/project-id google:organization_number \
             custom {GITHUB_KEYS} {GITLAB_KEYS} {BUILDKITE_KEYS}"
        );
        for name in names.split_whitespace() {
            token[name] = "v".into();
        }
        let mut expected = vec!["amr", "aud", "oaud", "sub"];
        expected.extend(default.then_some("email"));
        expected.extend(more.split_whitespace());
        expected.sort_unstable();
        let found = issuer_keys(token);
        let found: Vec<&str> = found.iter().map(|key| key.strip_suffix("=v").unwrap()).collect();
        assert_eq!(found, expected, "{issuer}");
    }
}

#[test]
fn values_by_table() {
    let issuer = "https://gitlab.com";
    for (value, expected) in [
        (json!("a"), Some("sub=a")),
        (json!(""), Some("sub=")),
        (json!(4711), Some("sub=4711")),
        (json!(true), Some("sub=true")),
        (json!(["a", 2, false]), Some("sub=a|2|false")),
        (json!(null), None),
        (json!([]), None),
    ] {
        let keys = issuer_keys(json!({"iss": issuer, "sub": value.clone()}));
        assert_eq!(keys.first().map(String::as_str), expected, "{value}");
    }
    for value in [json!({"a": 1}), json!([["a"]]), json!([null])] {
        let error = parse(json!({"iss": issuer, "sub": value})).unwrap_err().to_string();
        assert!(error.starts_with("sub: the claim has another form; hint: "), "{error}");
    }
}

#[test]
fn google_organization_is_read_in_both_forms() {
    for token in [
        json!({"iss": "https://accounts.google.com", "google:organization_number": 123_456}),
        json!({"iss": "accounts.google.com", "google": {"organization_number": 123_456}}),
    ] {
        assert_eq!(issuer_keys(token), ["google/organization_number=123456"]);
    }
}

#[test]
fn federated_provider_by_table() {
    for (issuer, role, expected) in [
        (
            "https://idp.example.com/shop",
            "arn:aws-cn:iam::444455556666:role/x",
            "arn:aws-cn:iam::444455556666:oidc-provider/idp.example.com/shop",
        ),
        ("https://accounts.google.com", ROLE, "accounts.google.com"),
        ("https://cognito-identity.amazonaws.com", ROLE, "cognito-identity.amazonaws.com"),
    ] {
        let claims = parse(json!({"iss": issuer})).unwrap();
        let keys = claims.request_keys(role, "pod-1").unwrap();
        let expected = ("aws:FederatedProvider".to_owned(), vec![expected.to_owned()]);
        assert!(keys.contains(&expected), "{keys:?}");
        assert_eq!(claims.session_keys(role).unwrap(), [expected]);
    }
}

#[test]
fn invalid_role_is_error_with_form() {
    let claims = parse(json!({"iss": "https://idp.example.com"})).unwrap();
    for role in ["", "checkout", "arn:aws:iam::111122223333:user/x", "arn:aws:iam::1:role/x"] {
        let form = "hint: pass arn:<partition>:iam::<account>:role/<name>";
        let expected = format!("role: {role:?} is not the ARN of a role; {form}");
        assert_eq!(claims.request_keys(role, "pod-1").unwrap_err().to_string(), expected);
        assert_eq!(claims.session_keys(role).unwrap_err().to_string(), expected);
    }
}

#[test]
fn issuer_by_table() {
    for (claims, fault) in [
        (json!({}), "iss: the claim is missing; hint: "),
        (json!({"iss": 1}), "iss: expected a string; hint: "),
        (json!({"iss": ""}), "iss: \"\" is not an issuer URL; hint: "),
        (json!({"iss": "https://"}), "iss: \"https://\" is not an issuer URL; hint: "),
        (json!({"iss": "http://idp.example.com"}), "is not an issuer URL; hint: "),
        (json!({"iss": "idp.example.com"}), "is not an issuer URL; hint: "),
        (json!({"iss": "http://"}), "is not an issuer URL; hint: "),
        (json!({"iss": "http://127.0.0.1.example.com"}), "is not an issuer URL; hint: "),
        (json!({"iss": "http://localhost:80@idp.example.com"}), "is not an issuer URL; hint: "),
        (json!({"iss": "http://localhost:/a"}), "is not an issuer URL; hint: "),
        (json!({"iss": "http://[::1"}), "is not an issuer URL; hint: "),
    ] {
        let error = parse(claims).unwrap_err().to_string();
        assert!(error.contains(fault), "{error}");
    }
    for issuer in ["127.0.0.1:4566", "localhost/shop", "[::1]:80/shop", "[::1]", "localhost"] {
        let claims = parse(json!({"iss": format!("http://{issuer}")})).unwrap();
        assert_eq!(claims.issuer(), issuer);
    }
    assert_eq!(parse(json!({"iss": "https://a.example/"})).unwrap().issuer(), "a.example/");
}

/// The examples of "Passing session tags using AssumeRoleWithWebIdentity".
#[test]
fn both_tag_formats_give_the_same_keys() {
    let nested = json!({
        "iss": "https://xyz.com", "sub": "johndoe", "aud": "ac_oic_client",
        "https://aws.amazon.com/tags": {
            "principal_tags": {
                "Project": ["Automation"], "CostCenter": ["987654"], "Department": "Engineering"
            },
            "transitive_tag_keys": ["Project", "CostCenter"]
        }
    });
    let flat = json!({
        "iss": "https://xyz.com", "sub": "johndoe", "aud": "ac_oic_client",
        "https://aws.amazon.com/tags/principal_tags/Project": "Automation",
        "https://aws.amazon.com/tags/principal_tags/CostCenter": "987654",
        "https://aws.amazon.com/tags/principal_tags/Department": "Engineering",
        "https://aws.amazon.com/tags/transitive_tag_keys": ["Project", "CostCenter"]
    });
    assert_eq!(
        request(nested.clone()),
        [
            "aws:FederatedProvider=arn:aws:iam::111122223333:oidc-provider/xyz.com",
            "aws:RequestTag/CostCenter=987654",
            "aws:RequestTag/Department=Engineering",
            "aws:RequestTag/Project=Automation",
            "aws:TagKeys=CostCenter|Department|Project",
            "sts:RoleAuthorizedByIdp=false",
            "sts:RoleSessionName=pod-1",
            "sts:TransitiveTagKeys=Project|CostCenter",
            "xyz.com:aud=ac_oic_client",
            "xyz.com:oaud=ac_oic_client",
            "xyz.com:sub=johndoe",
        ],
    );
    let (nested, flat) = (parse(nested).unwrap(), parse(flat).unwrap());
    assert_eq!(nested, flat);
    assert_eq!(nested.transitive_tag_keys(), ["Project", "CostCenter"]);
    assert_eq!(nested.session_tags()[0], ("CostCenter".into(), "987654".into()));
}

#[test]
fn tags_that_sts_rejects_are_errors() {
    let many: Map<String, Value> = (0..51).map(|i| (format!("k{i}"), json!("v"))).collect();
    for (tags, location, fault) in [
        (json!("x"), "", "expected an object"),
        (json!({"principal_tags": []}), ".principal_tags", "expected an object"),
        (json!({"principal_tags": {"a": 1}}), ".principal_tags.a", "expected one string"),
        (json!({"principal_tags": {"a": ["1", "2"]}}), ".principal_tags.a", "expected one string"),
        (json!({"principal_tags": {"a": []}}), ".principal_tags.a", "expected one string"),
        (json!({"principal_tags": {"aws:a": "1"}}), ".principal_tags.aws:a", "reserved for AWS"),
        (json!({"principal_tags": {"a": "<"}}), ".principal_tags.a", "contains '<'"),
        (
            json!({"principal_tags": {"Team": "1", "team": "2"}}),
            ".principal_tags.team",
            "the tag key \"team\" is repeated",
        ),
        (json!({"principal_tags": many}), "", "there are 51 tags; hint: issue at most 50"),
        (json!({"transitive_tag_keys": "a"}), ".transitive_tag_keys", "expected a list of strings"),
        (json!({"transitive_tag_keys": [1]}), ".transitive_tag_keys", "expected a list of strings"),
        (json!({"transitive_tag_keys": ["a"]}), "", "\"a\" is not the key of a tag"),
    ] {
        let token = json!({"iss": "https://a.example", TAGS: tags.clone()});
        let error = parse(token).unwrap_err();
        assert_eq!(error.location, format!("{TAGS}{location}"), "{tags}");
        assert!(error.message.contains(fault) && error.message.contains("; hint: "), "{error}");
    }
    let both = json!({
        "iss": "https://a.example",
        "https://aws.amazon.com/tags": {"principal_tags": {"a": "1"}},
        "https://aws.amazon.com/tags/principal_tags/A": "2",
    });
    assert!(parse(both).unwrap_err().message.contains("is repeated"));
    let flat = json!({"iss": "https://a.example",
        "https://aws.amazon.com/tags/transitive_tag_keys": "a"});
    assert!(parse(flat).unwrap_err().message.contains("expected a list"));
}

#[test]
fn tags_of_mixed_formats_are_sorted() {
    let token = json!({
        "iss": "https://a.example",
        "https://aws.amazon.com/tags": {"principal_tags": {"b": "1", "d": "2"}},
        "https://aws.amazon.com/tags/principal_tags/c": "3",
        "https://aws.amazon.com/tags/principal_tags/a": ["4"],
    });
    let claims = parse(token).unwrap();
    let keys: String = claims.session_tags().iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, "abcd");
}

const TAGS: &str = "https://aws.amazon.com/tags";
const SOURCE_IDENTITY: &str = "https://aws.amazon.com/source_identity";

#[test]
fn source_identity_by_table() {
    let token = |value: Value| json!({"iss": "https://a.example", SOURCE_IDENTITY: value});
    let claims = parse(token("Admin".into())).unwrap();
    assert_eq!(claims.source_identity(), Some("Admin"));
    assert!(request(token("Admin".into())).contains(&"sts:SourceIdentity=Admin".to_owned()));
    assert_eq!(parse(token(Value::Null)).unwrap().source_identity(), None);
    let long = "a".repeat(65);
    for value in [json!("a"), json!(long), json!("aws:a"), json!("a b"), json!("aé"), json!(["ab"])]
    {
        let error = parse(token(value)).unwrap_err();
        assert_eq!(error.location, SOURCE_IDENTITY);
        assert!(error.message.contains("; hint: "), "{error}");
    }
    let longest = "a".repeat(64);
    assert!(parse(token("a_".into())).is_ok() && parse(token(longest.into())).is_ok());
}

#[test]
fn role_authorization_by_table() {
    let other = "arn:aws:iam::111122223333:role/other";
    for (roles, authorized) in [
        (json!(null), Some("false")),
        (json!([ROLE]), Some("true")),
        (json!([other, ROLE]), Some("true")),
        (json!(format!("{other};{ROLE}")), Some("true")),
        (json!(format!("{other}; {ROLE}")), Some("true")),
        (json!(other), None),
        (json!([other]), None),
        (json!([]), None),
        (json!(format!("{ROLE}x")), None),
        (json!("arn:aws:iam::111122223333:role/shop"), None),
        (json!("arn:aws:iam::111122223333:role/*"), None),
    ] {
        let token = json!({"iss": "https://a.example", "https://aws.amazon.com/roles": roles});
        let keys = parse(token).unwrap().request_keys(ROLE, "pod-1");
        match authorized {
            Some(value) => {
                let key = ("sts:RoleAuthorizedByIdp".to_owned(), vec![value.to_owned()]);
                assert!(keys.unwrap().contains(&key), "{roles}");
            }
            None => {
                let error = keys.unwrap_err();
                assert_eq!(error.location, "https://aws.amazon.com/roles", "{roles}");
                assert!(error.message.contains("does not authorize"), "{error}");
            }
        }
    }
    let token = json!({"iss": "https://a.example", "https://aws.amazon.com/roles": {"a": 1}});
    assert!(parse(token).unwrap_err().message.contains("expected a list of strings"));
}

#[test]
fn session_has_only_the_keys_available_there() {
    let issuer = "token.actions.githubusercontent.com";
    let token = json!({
        "iss": format!("https://{issuer}"), "aud": "sts.amazonaws.com", "amr": ["a", "b"],
        "sub": "repo:octo-org/octo-repo:ref:refs/heads/main", "email": "a@example.com",
        "repository": "octo-org/octo-repo",
        "https://aws.amazon.com/source_identity": "Admin",
        "https://aws.amazon.com/tags": {
            "principal_tags": {"Team": "payments"}, "transitive_tag_keys": ["team"]
        },
    });
    let keys = shown(parse(token).unwrap().session_keys(ROLE).unwrap());
    let expected = [
        format!("aws:FederatedProvider=arn:aws:iam::111122223333:oidc-provider/{issuer}"),
        "aws:PrincipalTag/Team=payments".to_owned(),
        "aws:SourceIdentity=Admin".to_owned(),
        format!("{issuer}:amr=a|b"),
        format!("{issuer}:aud=sts.amazonaws.com"),
        format!("{issuer}:sub=repo:octo-org/octo-repo:ref:refs/heads/main"),
    ];
    assert_eq!(keys, expected);
}

#[test]
fn text_that_is_no_token_is_error_without_it() {
    for (token, fault) in [
        ("", "it is not a JWT"),
        ("secret", "it is not a JWT"),
        ("e30.c2VjcmV0", "it is not a JWT"),
        ("e30.c2VjcmV0.c2ln.c2ln", "it is not a JWT"),
        ("e30.se*cret.c2ln", "it is not a JWT"),
        // A byte that is not UTF-8.
        ("e30._w.c2ln", "it is not a JWT"),
        // `secret` and `"secret"`.
        ("e30.c2VjcmV0.c2ln", "not valid JSON: expected value at line 1 column 1"),
        ("e30.InNlY3JldCI.c2ln", "expected an object"),
        ("e30.e30.c2ln", "iss: the claim is missing"),
    ] {
        let error = WebIdentityClaims::from_token(token).unwrap_err().to_string();
        assert!(error.contains(fault) && error.contains("; hint: "), "{token}: {error}");
        assert!(!error.contains("secret") && !error.contains("c2V"), "{error}");
    }
}

#[test]
fn token_reads_as_its_payload() {
    // `{"iss":"https://shop.example","sub":"?~?"}`, with a letter of base64url.
    let payload = "eyJpc3MiOiJodHRwczovL3Nob3AuZXhhbXBsZSIsInN1YiI6Ij9-PyJ9";
    let expected = parse(json!({"iss": "https://shop.example", "sub": "?~?"})).unwrap();
    for token in [format!("e30.{payload}.c2ln"), format!(" e30.{payload}.\n")] {
        assert_eq!(WebIdentityClaims::from_token(&token).as_ref(), Ok(&expected));
    }
    let json = r#"{"iss": "https://shop.example", "sub": "?~?"}"#;
    assert_eq!(WebIdentityClaims::from_json(json), Ok(expected));
}

#[test]
fn provider_accepts_its_issuer_and_client_ids() {
    let provider = OidcProvider::builder("https://a.example/x").client_id("one").client_id("two");
    let provider = provider.build().unwrap();
    for (claims, fault) in [
        (json!({"iss": "https://a.example/x", "aud": "one"}), None),
        (json!({"iss": "https://a.example/x", "aud": ["other", "two"]}), None),
        (json!({"iss": "https://a.example/x", "aud": "other", "azp": "two"}), None),
        (
            json!({"iss": "https://a.example/x", "aud": "one", "azp": "other"}),
            Some("aud: \"other\" is not a client id of the provider; hint: request the token for"),
        ),
        (json!({"iss": "https://a.example/x"}), Some("aud: the claim is missing; hint: ")),
        (
            json!({"iss": "https://a.example/x/", "aud": "one"}),
            Some("iss: \"a.example/x/\" is not the issuer of the provider; hint: "),
        ),
        (json!({"iss": "https://A.example/x", "aud": "one"}), Some("is not the issuer")),
    ] {
        let checked = parse(claims).unwrap().check_provider(&provider);
        match fault {
            None => assert_eq!(checked, Ok(())),
            Some(fault) => {
                let error = checked.unwrap_err().to_string();
                assert!(error.contains(fault), "{error}");
            }
        }
    }
}
