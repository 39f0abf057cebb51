use std::collections::VecDeque;
use std::sync::Mutex;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use rolecall_core::{AssumedRole, InvalidSession, MfaCode, RoleArn};
use rolecall_sts::{Endpoint, Region};

use super::*;

mod recent_signer;

const ROLE: &str = "arn:aws:iam::444455556666:role/orders";
const SESSION: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
    <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
    <SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials>\
    </AssumeRoleResult></AssumeRoleResponse>";

fn error_body(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    )
}

/// An STS that sends these error responses, one for each request, and issues sessions after them.
#[derive(Clone, Debug, Default)]
struct FakeSts {
    errors: Arc<Mutex<VecDeque<String>>>,
    forms: Arc<Mutex<Vec<String>>>,
    signers: Arc<Mutex<Vec<String>>>,
}

impl FakeSts {
    fn failing(errors: impl IntoIterator<Item = String>) -> Self {
        let sts = Self::default();
        sts.errors.lock().unwrap().extend(errors);
        sts
    }

    fn provider(&self, parent: impl ProvideSession, role: Role) -> AssumeRoleProvider {
        let connector = SharedHttpConnector::new(self.clone());
        let endpoint = Endpoint::regional(Region::parse("eu-west-1").unwrap());
        let http = http_client_fn(move |_, _| connector.clone());
        let sts = StsClient::builder(endpoint).http_client(http).build();
        AssumeRoleProvider::new(parent, role, sts, SessionName::parse("checkout").unwrap())
    }

    fn forms(&self) -> Vec<String> {
        self.forms.lock().unwrap().clone()
    }
}

impl HttpConnector for FakeSts {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let form = String::from_utf8(request.body().bytes().unwrap().to_vec()).unwrap();
        self.forms.lock().unwrap().push(form);
        let signed = request.headers().get("authorization").unwrap();
        let key = signed.split("Credential=").nth(1).unwrap().split('/').next().unwrap();
        self.signers.lock().unwrap().push(key.to_owned());
        let (status, body) = match self.errors.lock().unwrap().pop_front() {
            Some(error) => (403, error),
            None => (200, SESSION.to_owned()),
        };
        let response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        HttpConnectorFuture::ready(Ok(response))
    }
}

/// A parent that returns these access keys, one after the other, and the last from then on.
#[derive(Clone, Debug)]
struct Parent {
    keys: Arc<Mutex<VecDeque<&'static str>>>,
    role: Option<&'static str>,
    invalidated: Arc<Mutex<Vec<String>>>,
}

impl Parent {
    fn new<const N: usize>(keys: [&'static str; N]) -> Self {
        let keys = Arc::new(Mutex::new(keys.into()));
        Self { keys, role: None, invalidated: Arc::default() }
    }
}

#[async_trait]
impl ProvideSession for Parent {
    async fn provide_session(&self, _: FetchContext) -> Result<Session, SessionError> {
        let mut keys = self.keys.lock().unwrap();
        let key = if keys.len() > 1 { keys.pop_front() } else { keys.front().copied() };
        let Some(key) = key else {
            return Err(SessionError::new(ErrorKind::NotConfigured, "no keys"));
        };
        let session = Session::builder(Credentials::new(key, "secret", None, None, "test"));
        Ok(match self.role {
            Some(role) => {
                let arn = RoleArn::parse(role).unwrap();
                let assumed = "arn:aws:sts::111122223333:assumed-role/checkout/pod";
                session
                    .account(arn.account())
                    .role_arn(arn)
                    .role(AssumedRole::new(assumed, "AROAEXAMPLE:pod"))
                    .build()
            }
            None => session.build(),
        })
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(100)
    }

    fn invalidate(&self, session: &Session, _: InvalidSession) {
        self.invalidated.lock().unwrap().push(session.access_key_id().to_owned());
    }
}

const KEYS: [&str; 1] = ["AKIAIOSFODNN7EXAMPLE"];
const SERIAL: &str = "arn:aws:iam::111122223333:mfa/ann";

#[derive(Debug)]
struct Codes;

#[async_trait]
impl ProvideMfaCode for Codes {
    async fn provide_mfa_code(&self, serial: &MfaSerial) -> Result<MfaCode, SessionError> {
        assert_eq!(serial.as_str(), SERIAL);
        Ok(MfaCode::parse("123456")?)
    }
}

fn role() -> Role {
    Role::new(ROLE).unwrap()
}

async fn fetch(provider: &AssumeRoleProvider) -> Result<Session, SessionError> {
    provider.provide_session(FetchContext::foreground()).await
}

#[tokio::test]
async fn mfa_provider_with_role_without_serial_is_invalid_config() {
    let sts = FakeSts::default();
    let provider = sts.provider(Parent::new(KEYS), role()).with_mfa(Codes);
    let error = fetch(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    let expected = format!("a provider of MFA codes is set, but the role {ROLE} has no MFA device");
    assert_eq!(error.message(), expected);
    let hint = "set the serial number of the device with Role::mfa_serial";
    assert_eq!(error.hint(), Some(hint));
    assert!(error.location().is_some(), "{error}");
    assert!(sts.forms().is_empty(), "STS is not called");
    // The same for another role on the same hop.
    let invoices = Role::new("arn:aws:iam::444455556666:role/invoices").unwrap();
    let error = fetch(&provider.with_role(invoices)).await.unwrap_err();
    assert!(error.message().contains("role/invoices has no MFA device"), "{error}");
}

#[tokio::test]
async fn role_with_serial_without_mfa_provider_is_invalid_config() {
    let sts = FakeSts::default();
    let provider = sts.provider(Parent::new(KEYS), role().mfa_serial(SERIAL).unwrap());
    let error = fetch(&provider).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.message().contains(SERIAL) && error.hint().is_some(), "{error}");
    assert!(sts.forms().is_empty(), "STS is not called");
}

#[tokio::test]
async fn mfa_code_is_sent_for_role_with_serial() {
    let sts = FakeSts::default();
    let role = role().mfa_serial(SERIAL).unwrap();
    let provider = sts.provider(Parent::new(KEYS), role).with_mfa(Codes);
    fetch(&provider).await.unwrap();
    let form = &sts.forms()[0];
    assert!(form.contains("TokenCode=123456") && form.contains("SerialNumber=arn"), "{form}");
    assert_eq!(provider.timeout(), Duration::from_secs(100 + 120 + 15));
}

/// Never provides a code.
#[derive(Debug)]
struct NoCode;

#[async_trait]
impl ProvideMfaCode for NoCode {
    async fn provide_mfa_code(&self, _: &MfaSerial) -> Result<MfaCode, SessionError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn missing_mfa_code_fails_after_two_minutes() {
    let sts = FakeSts::default();
    let role = role().mfa_serial(SERIAL).unwrap();
    let provider = sts.provider(Parent::new(KEYS), role).with_mfa(NoCode);
    let started = tokio::time::Instant::now();
    // The cache abandons the fetch after the provider's timeout, with an error that says less.
    let fetched = tokio::time::timeout(provider.timeout(), fetch(&provider));
    let error = fetched.await.expect("the provider's own error").unwrap_err();
    assert_eq!(started.elapsed().as_secs(), 120);
    assert_eq!(error.kind(), ErrorKind::TokenUnavailable);
    let expected = format!("no code of the MFA device {SERIAL} was available within 120s");
    assert_eq!(error.message(), expected);
    assert!(error.hint().is_some() && error.location().is_some(), "{error}");
    assert!(sts.forms().is_empty(), "STS is not called");
}

#[tokio::test]
async fn session_name_of_the_role_precedes_the_default() {
    let sts = FakeSts::default();
    let provider = sts.provider(Parent::new(KEYS), role());
    fetch(&provider).await.unwrap();
    fetch(&provider.with_role(role().session_name("nightly").unwrap())).await.unwrap();
    let forms = sts.forms();
    assert!(forms[0].contains("RoleSessionName=checkout"), "{forms:?}");
    assert!(forms[1].contains("RoleSessionName=nightly"), "{forms:?}");
    assert_eq!((provider.name(), provider.role()), (ROLE, &role()));
    assert_eq!(provider.timeout(), Duration::from_secs(115));
}

#[tokio::test]
async fn invalid_signer_is_replaced_once() {
    let expired = || error_body("ExpiredToken", "expired");
    let sts = FakeSts::failing([expired()]);
    let parent = Parent::new(["AKIAFIRST", "AKIASECOND"]);
    fetch(&sts.provider(parent.clone(), role())).await.unwrap();
    assert_eq!(*sts.signers.lock().unwrap(), ["AKIAFIRST", "AKIASECOND"]);
    assert_eq!(*parent.invalidated.lock().unwrap(), ["AKIAFIRST"]);

    // The second session is rejected as well: there is no third attempt.
    let sts = FakeSts::failing([expired(), expired()]);
    let parent = Parent::new(["AKIAFIRST", "AKIASECOND", "AKIATHIRD"]);
    let error = fetch(&sts.provider(parent, role())).await.unwrap_err();
    assert_eq!((error.code(), sts.forms().len()), (Some("ExpiredToken"), 2));

    // A parent that returns the same session again.
    let sts = FakeSts::failing([expired()]);
    let error = fetch(&sts.provider(Parent::new(KEYS), role())).await.unwrap_err();
    assert_eq!((error.code(), sts.forms().len()), (Some("ExpiredToken"), 1));
}

#[tokio::test]
async fn denied_call_does_not_invalidate_the_signer() {
    let sts = FakeSts::failing([error_body("AccessDenied", "no")]);
    let parent = Parent::new(["AKIAFIRST", "AKIASECOND"]);
    let error = fetch(&sts.provider(parent.clone(), role())).await.unwrap_err();
    assert_eq!((error.kind(), sts.forms().len()), (ErrorKind::Denied, 1));
    assert!(parent.invalidated.lock().unwrap().is_empty());
}

#[tokio::test]
async fn denied_hint_names_caller_role_and_external_id() {
    let user = format!(
        "allow the owner of access key {} in the trust policy of {ROLE}; check that it has no sts:ExternalId \
         condition (no external id was sent); allow sts:AssumeRole on the role in the caller's own policies; check \
         that the role exists",
        KEYS[0]
    );
    let sts = FakeSts::failing([error_body("AccessDenied", "no")]);
    let error = fetch(&sts.provider(Parent::new(KEYS), role())).await.unwrap_err();
    assert_eq!(error.hint(), Some(user.as_str()));

    let message = "User: arn is not authorized to perform: sts:TagSession on resource: role";
    let sts = FakeSts::failing([error_body("AccessDenied", message)]);
    let same_account = "arn:aws:iam::444455556666:role/checkout";
    let parent = Parent { role: Some(same_account), ..Parent::new(KEYS) };
    let role = role().external_id("shop-4711").unwrap();
    let error = fetch(&sts.provider(parent, role)).await.unwrap_err();
    let expected = format!(
        "check that the sts:ExternalId condition of {ROLE}, if any, is \"shop-4711\"; allow \
         arn:aws:sts::111122223333:assumed-role/checkout/pod sts:TagSession in its trust policy; unless the trust \
         policy names the caller, allow sts:TagSession on the role in the caller's own policies; check that the role exists"
    );
    assert_eq!(error.hint(), Some(expected.as_str()));
}

#[tokio::test]
async fn denied_hint_of_a_call_with_a_code_names_the_device() {
    let device = format!("check that the MFA code is the current one of {SERIAL}, ");
    let hint = async |message: &str| {
        let sts = FakeSts::failing([error_body("AccessDenied", message)]);
        let role = role().mfa_serial(SERIAL).unwrap();
        let provider = sts.provider(Parent::new(KEYS), role).with_mfa(Codes);
        fetch(&provider).await.unwrap_err().hint().unwrap().to_owned()
    };
    let wrong = hint("MultiFactorAuthentication failed with invalid MFA one time pass code.").await;
    assert!(wrong.starts_with(&device) && !wrong.contains("trust policy"), "{wrong}");
    let denied = hint("User: arn is not authorized to perform: sts:AssumeRole on r").await;
    assert!(denied.starts_with("allow ") && denied.contains(&device), "{denied}");
}

#[test]
fn denied_action_is_read_from_the_message() {
    for (message, action) in [
        ("User: a is not authorized to perform: sts:TagSession on resource: b", "sts:TagSession"),
        ("User: a is not authorized to perform: s3:GetObject on resource: b", "sts:AssumeRole"),
        ("User: a is not authorized to perform: sts: on resource: b", "sts:AssumeRole"),
        ("User: a is not authorized to perform: sts:TagSession", "sts:AssumeRole"),
        ("no", "sts:AssumeRole"),
    ] {
        assert_eq!(denied_action(&SessionError::new(ErrorKind::Denied, message)), action);
    }
}

#[tokio::test]
async fn long_session_in_a_role_chain_is_not_requested() {
    let duration = |seconds| role().duration(Duration::from_secs(seconds)).unwrap();
    let parent =
        || Parent { role: Some("arn:aws:iam::111122223333:role/checkout"), ..Parent::new(KEYS) };
    let sts = FakeSts::default();
    let error = fetch(&sts.provider(parent(), duration(3601))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.message().contains("limited to one hour"), "{error}");
    assert!(sts.forms().is_empty());
    fetch(&sts.provider(parent(), duration(3600))).await.unwrap();
    fetch(&sts.provider(Parent::new(KEYS), duration(43_200))).await.unwrap();
    assert_eq!(sts.forms().len(), 2);
}

#[tokio::test]
async fn errors_have_the_location_of_the_hop() {
    let sts = FakeSts::failing([error_body("AccessDenied", "no")]);
    let provider = sts.provider(Parent::new(KEYS), role()).with_hop_index(3);
    let error = fetch(&provider).await.unwrap_err();
    let location = ErrorLocation::hop(3, RoleArn::parse(ROLE).unwrap());
    assert_eq!(error.location(), Some(&location));
}

#[tokio::test]
async fn unconfigured_parent_does_not_fall_through() {
    let error = fetch(&FakeSts::default().provider(Parent::new([]), role())).await.unwrap_err();
    assert_eq!((error.kind(), error.location()), (ErrorKind::InvalidConfig, None));
    let first = FakeSts::failing([error_body("AccessDenied", "no")]);
    let first = first.provider(Parent::new(KEYS), role());
    let second = FakeSts::default().provider(first, role()).with_hop_index(2);
    let error = fetch(&second).await.unwrap_err();
    let expected = SessionError::new(ErrorKind::Denied, "no")
        .at(ErrorLocation::hop(1, RoleArn::parse(ROLE).unwrap()))
        .at(ErrorLocation::hop(2, RoleArn::parse(ROLE).unwrap()));
    assert_eq!(error.location(), expected.location(), "hop 1 of 2");
}
