//! Invalid configurations return an error that names the value, the problem and the remedy.

use rolecall::provider::FetchContext;
use rolecall::{Environment, ErrorKind, ProvideSession, SessionError};
use rolecall_tests::CHECKOUT;

const TOKEN_FILE: (&str, &str) = ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
const ROLE: (&str, &str) = ("AWS_ROLE_ARN", CHECKOUT);
const REGION: (&str, &str) = ("AWS_REGION", "eu-west-1");

type Variables<'a> = &'a [(&'a str, &'a str)];

/// Returns the error of reading the environment, or else of the first fetch.
async fn first_error(variables: Variables<'_>, token: Option<&[u8]>) -> SessionError {
    let mut env = Environment::fixed(variables.iter().copied());
    if let Some(token) = token {
        env = env.with_file("/token", token);
    }
    match rolecall::Chain::builder().environment(env).from_env() {
        Err(error) => error,
        Ok(chain) => {
            chain.provider().provide_session(FetchContext::foreground()).await.unwrap_err()
        }
    }
}

#[tokio::test]
async fn invalid_variables_return_specific_errors() {
    use ErrorKind::{InvalidConfig, NotConfigured};
    let cases: &[(Variables<'_>, ErrorKind, &[&str])] = &[
        (
            &[REGION, ("AWS_EC2_METADATA_DISABLED", "true")],
            NotConfigured,
            &["configures no identity", "AWS_ROLE_ARN"],
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
                "`arn:aws:iam::1:role/checkout` is not a valid role ARN",
                "not 12 digits",
                "such as arn:aws:iam::123456789012:role/checkout",
                "variable AWS_ROLE_ARN",
            ],
        ),
        (&[ROLE, TOKEN_FILE], InvalidConfig, &["no Region is set", "AWS_REGION"]),
        (
            &[ROLE, TOKEN_FILE, ("AWS_REGION", "Frankfurt")],
            InvalidConfig,
            &["`Frankfurt` is not a valid Region", "as eu-west-1", "variable AWS_REGION"],
        ),
        (
            &[ROLE, TOKEN_FILE, REGION, ("AWS_STS_REGIONAL_ENDPOINTS", "global")],
            InvalidConfig,
            &["AWS_STS_REGIONAL_ENDPOINTS", "`global`", "regional or legacy"],
        ),
        (
            &[ROLE, TOKEN_FILE, REGION, ("AWS_ROLE_SESSION_NAME", "my session")],
            InvalidConfig,
            &["`my session` is not a valid session name", "' '", "variable AWS_ROLE_SESSION_NAME"],
        ),
        (
            &[ROLE, TOKEN_FILE, REGION, ("AWS_ENDPOINT_URL_STS", "localhost:4566")],
            InvalidConfig,
            &["localhost:4566", "http://", "variable AWS_ENDPOINT_URL_STS"],
        ),
    ];
    for (variables, kind, parts) in cases {
        let error = first_error(variables, Some(b"a-token")).await;
        assert_eq!(error.kind(), *kind, "{variables:?}: {error}");
        for part in *parts {
            assert!(error.to_string().contains(part), "{variables:?}: {part:?} is not in {error}");
        }
    }
}

#[tokio::test]
async fn invalid_token_file_returns_token_unavailable() {
    let large = vec![b'x'; 1_000_000];
    let cases: &[(Option<&[u8]>, &str)] = &[
        (Some(b""), "it is empty"),
        (Some(b"\n"), "it is empty"),
        (Some(&[0, 159, 146, 150]), "it is not text"),
        (Some(b"\x7fELF\x01\x02"), "not printable ASCII"),
        (Some(&large), "it is larger than 65536 bytes"),
        (None, "it does not exist"),
    ];
    for (contents, problem) in cases {
        let error = first_error(&[ROLE, TOKEN_FILE, REGION], *contents).await;
        assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
        let text = error.to_string();
        let prefix = format!(
            "base credentials (web identity as {CHECKOUT}): cannot read the web identity token file /token: "
        );
        assert!(text.starts_with(&prefix) && text.contains(problem), "{text}");
        assert!(text.contains("AWS_WEB_IDENTITY_TOKEN_FILE"), "{text}");
    }
}

#[tokio::test]
async fn token_file_directory_returns_token_unavailable() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let error = first_error(&[ROLE, ("AWS_WEB_IDENTITY_TOKEN_FILE", path), REGION], None).await;
    assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
    assert!(error.to_string().contains("it is a directory"), "{error}");
}
