//! One clear error for each wrong configuration: what, its fault, the remedy.

use rolecall::{Environment, ErrorKind, FetchContext, FetchError, SessionSource};
use rolecall_tests::CHECKOUT;

const TOKEN_FILE: (&str, &str) = ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
const ROLE: (&str, &str) = ("AWS_ROLE_ARN", CHECKOUT);
const REGION: (&str, &str) = ("AWS_REGION", "eu-west-1");

type Variables<'a> = &'a [(&'a str, &'a str)];

/// The error of the first step that has one: reading the environment, or the first fetch.
async fn error(variables: Variables<'_>, token: Option<&[u8]>) -> FetchError {
    let mut env = Environment::fixed(variables.iter().copied());
    if let Some(token) = token {
        env = env.with_file("/token", token);
    }
    match rolecall::builder().environment(env).from_env() {
        Err(error) => error,
        Ok(chain) => chain.cached().session(FetchContext::caller()).await.unwrap_err(),
    }
}

#[tokio::test]
async fn wrong_variables_by_table() {
    use ErrorKind::{InvalidConfig, NotConfigured};
    let cases: &[(Variables<'_>, ErrorKind, &[&str])] = &[
        (
            &[REGION, ("AWS_EC2_METADATA_DISABLED", "true")],
            NotConfigured,
            &["names no identity", "AWS_ROLE_ARN"],
        ),
        (
            &[ROLE, REGION],
            InvalidConfig,
            &["AWS_ROLE_ARN is set and AWS_WEB_IDENTITY_TOKEN_FILE is not"],
        ),
        (
            &[TOKEN_FILE, REGION],
            InvalidConfig,
            &["AWS_WEB_IDENTITY_TOKEN_FILE is set and AWS_ROLE_ARN is not"],
        ),
        (
            &[("AWS_ROLE_ARN", "arn:aws:iam::1:role/checkout"), TOKEN_FILE, REGION],
            InvalidConfig,
            &[
                "arn:aws:iam::1:role/checkout",
                "not 12 digits",
                "as arn:aws:iam::123456789012:role/checkout",
                "variable AWS_ROLE_ARN",
            ],
        ),
        (&[ROLE, TOKEN_FILE], InvalidConfig, &["no Region is set", "AWS_REGION"]),
        (
            &[ROLE, TOKEN_FILE, ("AWS_REGION", "Frankfurt")],
            InvalidConfig,
            &["\"Frankfurt\" is not a Region", "as eu-west-1", "variable AWS_REGION"],
        ),
        (
            &[ROLE, TOKEN_FILE, REGION, ("AWS_STS_REGIONAL_ENDPOINTS", "global")],
            InvalidConfig,
            &["AWS_STS_REGIONAL_ENDPOINTS", "\"global\"", "regional or legacy"],
        ),
        (
            &[ROLE, TOKEN_FILE, REGION, ("AWS_ROLE_SESSION_NAME", "my session")],
            InvalidConfig,
            &["session name \"my session\"", "' '", "variable AWS_ROLE_SESSION_NAME"],
        ),
        (
            &[ROLE, TOKEN_FILE, REGION, ("AWS_ENDPOINT_URL_STS", "localhost:4566")],
            InvalidConfig,
            &["localhost:4566", "http://", "variable AWS_ENDPOINT_URL_STS"],
        ),
    ];
    for (variables, kind, parts) in cases {
        let error = error(variables, Some(b"a-token")).await;
        assert_eq!(error.kind(), *kind, "{variables:?}: {error}");
        for part in *parts {
            assert!(error.to_string().contains(part), "{variables:?}: {part:?} is not in {error}");
        }
    }
}

#[tokio::test]
async fn wrong_token_files_by_table() {
    let large = vec![b'x'; 1_000_000];
    let cases: &[(Option<&[u8]>, &str)] = &[
        (Some(b""), "it is empty"),
        (Some(b"\n"), "it is empty"),
        (Some(&[0, 159, 146, 150]), "it is not text"),
        (Some(b"\x7fELF\x01\x02"), "not printable ASCII"),
        (Some(&large), "it is larger than 65536 bytes"),
        (None, "it does not exist"),
    ];
    for (contents, fault) in cases {
        let error = error(&[ROLE, TOKEN_FILE, REGION], *contents).await;
        assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
        let text = error.to_string();
        let beginning =
            format!("base (web identity, {CHECKOUT}): the web identity token file /token: ");
        assert!(text.starts_with(&beginning) && text.contains(fault), "{text}");
        assert!(text.contains("AWS_WEB_IDENTITY_TOKEN_FILE"), "{text}");
    }
}

#[tokio::test]
async fn a_token_file_that_is_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let error = error(&[ROLE, ("AWS_WEB_IDENTITY_TOKEN_FILE", path), REGION], None).await;
    assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
    assert!(error.to_string().contains("it is a directory"), "{error}");
}
