//! `rolecall token inspect`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::command::Finished;
use crate::folder::Folder;

pub(crate) const ISSUER: &str = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE";
const SIGNATURE: &str = "c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";

/// Returns a token with these claims, whose signature is worthless.
pub(crate) fn token(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{SIGNATURE}", part(&json!({"alg": "RS256", "kid": "key-1"})), part(claims))
}

/// A token of a pod, which expired in January 2026.
fn pod(service_account: &str) -> String {
    token(&json!({
        "iss": format!("https://{ISSUER}"),
        "sub": format!("system:serviceaccount:shop:{service_account}"),
        "aud": ["sts.amazonaws.com"],
        "iat": 1_767_323_045, "nbf": 1_767_323_045, "exp": 1_767_326_645,
        "kubernetes.io": {
            "namespace": "shop",
            "serviceaccount": {"name": service_account, "uid": "1"},
            "pod": {"name": "checkout-7f9c", "uid": "2"},
        },
    }))
}

/// Returns a trust policy for the service account `checkout`.
pub(crate) fn trust(account: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "Pods",
        "Effect": "Allow",
        "Principal": {"Federated": format!("arn:aws:iam::{account}:oidc-provider/{ISSUER}")},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {
            format!("{ISSUER}:sub"): "system:serviceaccount:shop:checkout",
            format!("{ISSUER}:aud"): "sts.amazonaws.com",
        }},
    }]})
    .to_string()
}

impl Finished {
    /// Returns why the trust policy was not checked, of a command that printed JSON.
    #[track_caller]
    fn not_checked(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(1), ""), "{}", self.out);
        let json: Value = serde_json::from_str(&self.out).unwrap();
        assert!(json["claims"].is_object() && json["problems"].is_array(), "{json}");
        assert_eq!(json["trust"]["accepted"], Value::Null);
        json["trust"]["error"].as_str().unwrap().to_owned()
    }
}

/// Removes what depends on the day of the test.
fn without_distances(text: &str) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        let line = match (line.find("Z ("), line.split_once("the token expired ")) {
            (Some(at), _) => &line[..at + 1],
            (_, Some((start, _))) => &format!("{start}the token expired .."),
            _ => line,
        };
        lines.push_str(line);
        lines.push('\n');
    }
    lines
}

#[tokio::test]
async fn token_is_shown_without_signature() {
    let folder = Folder::new().with("token", &format!("{}\n", pod("cart")));
    let finished = folder.with("trust.json", &trust("111122223333"));
    let arguments = ["token", "inspect", "token", "--trust", "trust.json"];
    let run = finished.run(&arguments).await;
    assert_eq!((run.code, run.err.as_str()), (Some(1), ""), "{}", run.out);
    assert!(!run.out.contains(SIGNATURE), "{}", run.out);
    insta::assert_snapshot!("token_inspect", without_distances(&run.out));
    let run = finished.run_narrow(&arguments).await;
    insta::assert_snapshot!("token_inspect_60", without_distances(&run.out));
}

#[tokio::test]
async fn token_as_json_has_claims_and_problems() {
    let folder = Folder::new();
    let run = folder.pipe(&["token", "inspect", "--output", "json"], &pod("checkout")).await;
    let json = run.json();
    assert_eq!(json["kind"], "Kubernetes service account token of an EKS cluster");
    assert_eq!(json["signature"], "not verified");
    assert_eq!(json["claims"]["kubernetes.io"]["pod"]["name"], "checkout-7f9c");
    assert_eq!(json["header"], json!({"alg": "RS256", "kid": "key-1"}));
    assert_eq!(json["expires_at"], "2026-01-02T04:04:05Z");
    assert_eq!(json["lifetime_seconds"], 3600);
    assert_eq!(json["problems"].as_array().unwrap().len(), 1, "{json}");
    assert_eq!(json["problems"][0]["severity"], "error");
    assert_eq!(json.get("trust"), None);
    assert!(!json.to_string().contains(SIGNATURE));
}

#[tokio::test]
async fn kinds_are_recognized() {
    let folder = Folder::new();
    for (claims, kind) in [
        (
            json!({"iss": "https://token.actions.githubusercontent.com", "repository": "shop/api",
                "ref": "refs/heads/main"}),
            "GitHub Actions token",
        ),
        (json!({"iss": "https://gitlab.com", "sub": "a"}), "GitLab CI/CD token"),
        (json!({"sub": "spiffe://shop.example/checkout"}), "SPIFFE JWT-SVID"),
        (
            json!({"kubernetes.io/serviceaccount/namespace": "shop"}),
            "Kubernetes service account token from a Secret, which never expires",
        ),
        (
            json!({"iss": "https://k8s.example", "kubernetes.io": {"namespace": "shop"}}),
            "Kubernetes service account token",
        ),
        (json!({"iss": "https://idp.example.com"}), "web identity token"),
    ] {
        let arguments = ["token", "inspect", "-", "--output", "json"];
        let json = folder.pipe(&arguments, &token(&claims)).await.json();
        assert_eq!(json["kind"], kind);
    }
}

#[tokio::test]
async fn trust_policy_accepts_or_names_condition() {
    let folder = Folder::new()
        .with("good", &pod("checkout"))
        .with("bad", &pod("cart"))
        .with("trust.json", &trust("111122223333"));
    let arguments = |file| ["token", "inspect", file, "--trust", "trust.json", "--output", "json"];
    let json = folder.run(&arguments("good")).await.json();
    assert_eq!(json["trust"]["accepted"], true);
    let run = folder.run(&arguments("bad")).await;
    assert_eq!(run.code, Some(1));
    let json: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(json["trust"]["accepted"], false);
    let mismatch = &json["trust"]["actions"][0]["explanation"]["statements"][0]["mismatch"];
    assert_eq!(mismatch["key"], format!("{ISSUER}:sub"));
    assert_eq!(mismatch["expected"], json!(["system:serviceaccount:shop:checkout"]));
    assert_eq!(mismatch["actual"], json!(["system:serviceaccount:shop:cart"]));
}

#[tokio::test]
async fn provider_selects_account_of_role() {
    let folder =
        Folder::new().with("token", &pod("checkout")).with("trust.json", &trust("111122223333"));
    let provider = |account: &str| format!("arn:aws:iam::{account}:oidc-provider/{ISSUER}");
    let base = ["token", "inspect", "token", "--trust", "trust.json", "--output", "json"];
    let with = |name: &'static str, value: String| {
        let all: Vec<String> = base.iter().map(|it| (*it).to_owned()).collect();
        [all, vec![name.to_owned(), value]].concat()
    };
    for (arguments, code) in [
        (with("--provider", provider("111122223333")), 0),
        (with("--provider", provider("444455556666")), 1),
        (with("--role", "arn:aws:iam::111122223333:role/checkout".to_owned()), 0),
        (with("--role", "arn:aws:iam::444455556666:role/checkout".to_owned()), 1),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let run = folder.run(&arguments).await;
        assert_eq!(run.code, Some(code), "{arguments:?}: {}{}", run.out, run.err);
        assert!(!run.out.is_empty(), "{}", run.err);
    }
    let other = "arn:aws:iam::111122223333:oidc-provider/idp.example.com";
    let fault = folder.run(&[&base[..], &["--provider", other]].concat()).await.not_checked();
    assert!(fault.contains("the provider is for \"idp.example.com\"; hint: "), "{fault}");
    let run = folder.run(&[&base[..], &["--provider", "idp.example.com"]].concat()).await;
    assert!(run.failed(2).contains("is not the ARN of an OIDC provider"));
    let run = folder.run(&["token", "inspect", "token", "--provider", other]).await;
    assert!(run.failed(2).contains("--trust"));
}

#[tokio::test]
async fn client_ids_of_provider_must_have_the_audience() {
    let folder =
        Folder::new().with("token", &pod("checkout")).with("trust.json", &trust("111122223333"));
    let with = |more: &[&'static str]| {
        [&["token", "inspect", "token", "--trust", "trust.json"][..], more].concat()
    };
    let ids = ["--client-id", "shop", "--client-id", "sts.amazonaws.com"];
    let json = folder.run(&[&with(&ids)[..], &["--output", "json"]].concat()).await.json();
    assert_eq!(
        (&json["trust"]["accepted"], json["trust"].get("provider_fault")),
        (&json!(true), None)
    );

    // The policy accepts the token, and STS does not.
    let run = folder.run(&with(&["--client-id", "shop"])).await;
    assert_eq!((run.code, run.err.as_str()), (Some(1), ""));
    let shown = "\n  does not accept the token\n  refused by the provider: aud: \"sts.amazonaws.com\" is \
                 not a client id of the provider\n    hint: request the token for \"shop\", or add \
                 the client id\n  allowed: ";
    assert!(run.out.contains(shown), "{}", run.out);
    let run = folder.run(&with(&["--client-id", "shop", "--output", "json"])).await;
    let json: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((run.code, &json["trust"]["accepted"]), (Some(1), &json!(false)));
    let fault = json["trust"]["provider_fault"].as_str().unwrap();
    assert!(fault.starts_with("aud: \"sts.amazonaws.com\" is not a client id"), "{fault}");

    let error = folder.run(&with(&["--client-id", ""])).await.failed(2);
    assert!(error.starts_with("error: client id: \"\" has 0 characters\nhint: "), "{error}");
    let error = folder.run(&["token", "inspect", "token", "--client-id", "a"]).await.failed(2);
    assert!(error.contains("--trust <POLICY.json>"), "{error}");
    let port = token(&json!({"iss": "https://idp.example.com:8443", "sub": "a", "aud": "b"}));
    let folder = folder.with("port", &port);
    let arguments = ["token", "inspect", "port", "--trust", "trust.json", "--client-id", "b"];
    let fault = folder.run(&[&arguments[..], &["--output", "json"]].concat()).await.not_checked();
    assert!(fault.starts_with("the issuer of the token: url: "), "{fault}");
}

#[tokio::test]
async fn two_arguments_cannot_read_standard_input() {
    let folder = Folder::new().with("a.json", "{}");
    let who_can = ["policy", "who-can", "s3:GetObject", "*", "--account"];
    let who_can = |more: &[&'static str]| [&who_can[..], more].concat();
    let can = ["policy", "can", "arn:aws:iam::111122223333:user/ann", "--account", "-"];
    for (arguments, message) in [
        (vec!["token", "inspect", "--trust", "-"], "FILE and --trust both read standard input"),
        (vec!["token", "inspect", "-", "--trust", "-"], "FILE and --trust both read"),
        (vec!["policy", "check", "-", "a.json", "-"], "more than one FILE reads standard input"),
        (who_can(&["-", "--account", "-"]), "more than one --account reads standard input"),
        (who_can(&["-", "--scp", "a.json,-"]), "--account and --scp both read standard input"),
        (who_can(&["a.json", "--scp", "-", "--rcp", "-"]), "--scp and --rcp both read"),
        (
            who_can(&["-", "--resource-policy", "-", "--resource-account", "111122223333"]),
            "--account and --resource-policy both read standard input",
        ),
        ([&can[..], &["--rcp", "-"]].concat(), "--account and --rcp both read standard input"),
    ] {
        let error = folder.pipe(&arguments, &pod("checkout")).await.failed(2);
        assert!(error.starts_with(&format!("error: {message}")), "{arguments:?}: {error}");
        let hint = "\nhint: pass the path of a file instead of - to all but one\n";
        assert!(error.ends_with(hint), "{arguments:?}: {error}");
    }
    let folder = folder.with("trust.json", &trust("111122223333"));
    let arguments = ["token", "inspect", "-", "--trust", "trust.json"];
    folder.pipe(&arguments, &pod("checkout")).await.ok();
}

#[tokio::test]
async fn token_in_argument_is_refused_unprinted() {
    let token = pod("checkout");
    let error = Folder::new().run(&["token", "inspect", &token]).await.failed(2);
    assert!(error.starts_with("error: the argument is a token"), "{error}");
    assert!(!error.contains(&token[..20]) && !error.contains(SIGNATURE), "{error}");
}

#[tokio::test]
async fn other_input_fails_with_hint() {
    let folder = Folder::new().with("trust.json", "{}").with("token", &pod("checkout"));
    let error = folder.pipe(&["token", "inspect", "-"], "s3cret").await.failed(1);
    assert!(error.starts_with("error: the text is not a JSON Web Token"), "{error}");
    assert!(error.contains("\nhint: ") && !error.contains("s3cret"), "{error}");
    let error = folder.run(&["token", "inspect", "absent"]).await.failed(1);
    assert!(error.starts_with("error: cannot read absent: "), "{error}");
}

#[tokio::test]
async fn token_is_shown_if_trust_cannot_be_checked() {
    let plain = token(&json!({"iss": "http://idp.example.com", "sub": "checkout", "aud": "a"}));
    let ec2 = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow",
        "Principal": {"Service": "ec2.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }});
    let folder = Folder::new()
        .with("token", &pod("checkout"))
        .with("plain", &plain)
        .with("ec2.json", &ec2.to_string())
        .with("empty.json", "{}")
        .with("trust.json", &trust("111122223333"));
    for (token, trust, expected) in [
        ("token", "empty.json", "empty.json: "),
        ("token", "absent", "cannot read absent: "),
        ("token", "ec2.json", "the trust policy names no OIDC provider"),
        ("plain", "trust.json", "the claims of the token: iss: "),
    ] {
        let arguments = ["token", "inspect", token, "--trust", trust];
        let fault = folder.run(&[&arguments[..], &["--output", "json"]].concat()).await;
        let fault = fault.not_checked();
        assert!(fault.starts_with(expected), "{fault}");

        let run = folder.run(&arguments).await;
        assert_eq!((run.code, run.err.as_str()), (Some(1), ""), "{}", run.out);
        let (before, section) = run.out.split_once("\nTrust policy\n").unwrap();
        assert!(section.starts_with(&format!("  not checked: {expected}")), "{section}");
        assert!(before.contains("\nClaims\n") && before.contains("\nProblems\n  error: "));
    }
}

/// The issuer of a sandbox is on this machine, without TLS.
#[tokio::test]
async fn trust_of_a_local_issuer_is_checked() {
    let issuer = "127.0.0.1:4566";
    let local = |claim: Value| {
        let folder =
            Folder::new().with("trust.json", &trust("111122223333").replace(ISSUER, issuer));
        folder.with("token", &token(&claim))
    };
    let claims = |account: &str| {
        let sub = format!("system:serviceaccount:shop:{account}");
        json!({"iss": format!("http://{issuer}"), "sub": sub, "aud": "sts.amazonaws.com"})
    };
    let arguments = ["token", "inspect", "token", "--trust", "trust.json", "--output", "json"];
    let folder = local(claims("checkout"));
    let json = folder.run(&arguments).await.json();
    assert_eq!(json["trust"]["accepted"], true, "{json}");
    let problem = &json["problems"][0];
    assert_eq!(problem["message"], format!("the issuer \"http://{issuer}\" is not an https URL"));
    assert!(problem["hint"].as_str().unwrap().contains("a local AWS"), "{problem}");

    let run = local(claims("cart")).run(&arguments).await;
    let json: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((run.code, &json["trust"]["accepted"]), (Some(1), &json!(false)), "{json}");
}
