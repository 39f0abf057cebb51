//! Requests to STS equal boto3's for the same input, parameter by parameter. Both send to a
//! recording server.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_credential_types::Credentials;
use rolecall::Session;
use rolecall::params::{
    ExternalId, MfaCode, MfaSerial, PolicyArn, ProvidedContext, ProviderId, RoleArn,
    SessionDuration, SessionName, SessionPolicy, SessionTags, SourceIdentity,
};
use rolecall::provider::FetchMode;
use rolecall::sts::{AssumeRoleRequest, Endpoint, Region, StsClient};
use rolecall::web_identity::WebIdentityRequest;
use rolecall_tests::python::Python;
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

const ROLE: &str = "arn:aws:iam::111122223333:role/team/orders";
const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL3Nob3AuZXhhbXBsZSJ9.c2lnbmF0dXJl+/=";
const POLICY: &str = "{\"Statement\": [{\"Sid\": \"Grüße & <+>\"}]}";
const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";
const OWN: &str = "arn:aws:iam::111122223333:policy/team/own";
const CONTEXT: &str = "arn:aws:iam::aws:contextProvider/IdentityCenter";

/// An STS that grants each request and records it.
struct RecordingSts(MockServer, AtomicUsize);

impl RecordingSts {
    async fn start() -> Self {
        let server = MockServer::start().await;
        let granted = |operation: &str| {
            format!(
                "<{operation}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{operation}Result>\
                 <Credentials><AccessKeyId>AKIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>secret\
                 </SecretAccessKey><SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00.123Z</Expiration>\
                 </Credentials></{operation}Result></{operation}Response>"
            )
        };
        for operation in ["AssumeRole", "AssumeRoleWithWebIdentity"] {
            Mock::given(method("POST"))
                .and(wiremock::matchers::body_string_contains(format!("Action={operation}&")))
                .respond_with(ResponseTemplate::new(200).set_body_string(granted(operation)))
                .mount(&server)
                .await;
        }
        Self(server, AtomicUsize::new(0))
    }

    /// Returns the form of the newest request, which must be the only one since the previous call.
    async fn next_form(&self) -> BTreeMap<String, String> {
        let requests = self.0.received_requests().await.unwrap();
        assert_eq!(requests.len(), self.1.fetch_add(1, Ordering::Relaxed) + 1);
        let body = String::from_utf8(requests.last().unwrap().body.clone()).unwrap();
        let decode = |part: &str| {
            let spaced = part.replace('+', " ");
            percent_encoding::percent_decode_str(&spaced).decode_utf8().unwrap().into_owned()
        };
        let pairs = body.split('&').map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(name, value)| (decode(name), decode(value))).collect()
    }

    fn client(&self) -> StsClient {
        let region = Region::parse("eu-west-1").unwrap();
        StsClient::new(Endpoint::custom(&self.0.uri(), region).unwrap())
    }

    async fn send_with_boto3(
        &self,
        operation: &str,
        parameters: Value,
    ) -> BTreeMap<String, String> {
        let python = Python::new().unwrap();
        let call = json!({ "service": "sts", "operation": operation, "parameters": parameters });
        let url = self.0.uri();
        let variables = [
            ("AWS_ENDPOINT_URL", url.as_str()),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ];
        let output = python.boto3(&variables, &call).await.unwrap();
        output.success("boto3").unwrap();
        self.next_form().await
    }
}

fn request() -> AssumeRoleRequest {
    let name = SessionName::parse("a_b+c=d,e.f@g-h").unwrap();
    AssumeRoleRequest::new(RoleArn::parse(ROLE).unwrap(), name)
}

/// The name of a parameter, and how to set it in rolecall's and boto3's requests.
type Parameter = (&'static str, fn(&mut AssumeRoleRequest), fn() -> Value);

const PARAMETERS: &[Parameter] = &[
    ("no optional parameter", |_| {}, || json!({})),
    (
        "ExternalId",
        |request| request.external_id = Some(ExternalId::parse("a+b=c,d.e@f:g/h-i").unwrap()),
        || json!({ "ExternalId": "a+b=c,d.e@f:g/h-i" }),
    ),
    (
        "DurationSeconds",
        |request| request.duration = Some(SessionDuration::from_secs(43_200).unwrap()),
        || json!({ "DurationSeconds": 43_200 }),
    ),
    (
        "Tags",
        |request| {
            let tags = SessionTags::new().tag("Cost Centre", "München +1").unwrap();
            request.tags = tags.tag("b", "").unwrap();
        },
        || json!({ "Tags": [{ "Key": "Cost Centre", "Value": "München +1" }, { "Key": "b", "Value": "" }] }),
    ),
    (
        "TransitiveTagKeys",
        |request| {
            let tags = SessionTags::new().tag("b", "1").unwrap().transitive("b").unwrap();
            request.tags = tags.transitive("inherited").unwrap();
        },
        || json!({ "Tags": [{ "Key": "b", "Value": "1" }], "TransitiveTagKeys": ["b", "inherited"] }),
    ),
    (
        "SourceIdentity",
        |request| request.source_identity = Some(SourceIdentity::parse("ann@shop").unwrap()),
        || json!({ "SourceIdentity": "ann@shop" }),
    ),
    (
        "Policy",
        |request| request.policy = Some(SessionPolicy::parse(POLICY).unwrap()),
        || json!({ "Policy": POLICY }),
    ),
    (
        "PolicyArns",
        |request| {
            request.policy_arns = [READ_ONLY, OWN].map(|a| PolicyArn::parse(a).unwrap()).into()
        },
        || json!({ "PolicyArns": [{ "arn": READ_ONLY }, { "arn": OWN }] }),
    ),
    (
        "SerialNumber and TokenCode",
        |request| {
            let serial = MfaSerial::parse("arn:aws:iam::111122223333:mfa/ann").unwrap();
            request.mfa = Some((serial, MfaCode::parse("012345").unwrap()));
        },
        || json!({ "SerialNumber": "arn:aws:iam::111122223333:mfa/ann", "TokenCode": "012345" }),
    ),
    (
        "ProvidedContexts",
        |request| request.provided_contexts = vec![ProvidedContext::new(CONTEXT, "a b+c").unwrap()],
        || json!({ "ProvidedContexts": [{ "ProviderArn": CONTEXT, "ContextAssertion": "a b+c" }] }),
    ),
];

async fn assert_same_request(
    server: &RecordingSts,
    what: &str,
    request: &AssumeRoleRequest,
    more: Vec<Value>,
) {
    let keys = Credentials::new(
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        None,
        None,
        "example",
    );
    let signer = Session::builder(keys).base("keys").build();
    server.client().assume_role(&signer, request, FetchMode::Foreground).await.unwrap();
    let rolecall = server.next_form().await;
    let mut parameters = json!({ "RoleArn": ROLE, "RoleSessionName": "a_b+c=d,e.f@g-h" });
    for more in more {
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    }
    let boto3 = server.send_with_boto3("assume_role", parameters).await;
    assert_eq!(rolecall, boto3, "{what}");
}

#[tokio::test]
async fn assume_role_request_matches_boto3() {
    if rolecall_tests::python::is_left_out() {
        return;
    }
    let server = RecordingSts::start().await;
    for (what, set, parameters) in PARAMETERS {
        let mut request = request();
        set(&mut request);
        assert_same_request(&server, what, &request, vec![parameters()]).await;
    }
    let mut all = request();
    PARAMETERS.iter().for_each(|(_, set, _)| set(&mut all));
    // The last value of a parameter wins, as with `set`.
    assert_same_request(
        &server,
        "all parameters",
        &all,
        PARAMETERS.iter().map(|(.., value)| value()).collect(),
    )
    .await;
}

#[tokio::test]
async fn web_identity_request_matches_boto3() {
    if rolecall_tests::python::is_left_out() {
        return;
    }
    type Set = fn(&mut WebIdentityRequest);
    let rows: [(Set, Value); 5] = [
        (|_| {}, json!({})),
        (
            |request| request.duration = Some(SessionDuration::from_secs(900).unwrap()),
            json!({ "DurationSeconds": 900 }),
        ),
        (
            |request| request.provider_id = Some(ProviderId::parse("www.amazon.com").unwrap()),
            json!({ "ProviderId": "www.amazon.com" }),
        ),
        (
            |request| request.policy = Some(SessionPolicy::parse(POLICY).unwrap()),
            json!({ "Policy": POLICY }),
        ),
        (
            |request| request.policy_arns = vec![PolicyArn::parse(READ_ONLY).unwrap()],
            json!({ "PolicyArns": [{ "arn": READ_ONLY }] }),
        ),
    ];
    let server = RecordingSts::start().await;
    for (set, more) in rows {
        let name = SessionName::parse("pod").unwrap();
        let mut request = WebIdentityRequest::new(RoleArn::parse(ROLE).unwrap(), name);
        set(&mut request);
        let sts = server.client();
        let mode = FetchMode::Foreground;
        sts.assume_role_with_web_identity(TOKEN, &request, mode).await.unwrap();
        let rolecall = server.next_form().await;
        let mut parameters = json!({
            "RoleArn": ROLE, "RoleSessionName": "pod", "WebIdentityToken": TOKEN,
        });
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let boto3 = server.send_with_boto3("assume_role_with_web_identity", parameters).await;
        assert_eq!(rolecall, boto3, "{more}");
    }
}
