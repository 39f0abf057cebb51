//! boto3 and the AWS CLI on the local AWS. Each permitted call has a denied counterpart.

use std::path::PathBuf;

use rolecall::policy::{
    EcrAccess, PermissionPolicy, S3Access, SecretsAccess, TrustPolicy, TrustedPrincipal,
    TrustedServiceAccount,
};
use rolecall_testkit::{Account, IamRole, IamUser, LocalAws, OidcIssuer};
use rolecall_tests::python::{ProgramOutput, Python};
use serde_json::{Value, json};

const SHOP: &str = "111122223333";
const REGION: &str = "eu-west-1";
const ORDERS: &str = "arn:aws:iam::111122223333:role/orders";
const OPEN: &str = "arn:aws:iam::111122223333:role/open";
const CLOSED: &str = "arn:aws:iam::111122223333:role/closed";
const CHECKOUT: &str = "arn:aws:iam::111122223333:role/checkout";

struct World {
    aws: LocalAws,
    cluster: OidcIssuer,
}

impl World {
    async fn new() -> Self {
        let cluster = OidcIssuer::start().await.unwrap();
        let account = || TrustedPrincipal::account(SHOP).unwrap();
        let trust_policy = |trusted| TrustPolicy::builder().principal(trusted).build().unwrap();
        let checkout =
            TrustedServiceAccount::new(&cluster.provider_arn(SHOP), "shop", "checkout").unwrap();
        let by_token = TrustPolicy::builder().service_account(checkout).build().unwrap();
        let objects = S3Access::under("shop-data", ["orders/"]).unwrap().list().read().write();
        let secrets = SecretsAccess::under(REGION, ["shop/"]).unwrap().read();
        let images = EcrAccess::under(REGION, ["shop/"]).unwrap().pull();
        let permissions = PermissionPolicy::builder()
            .s3(objects)
            .secrets(secrets)
            .ecr(images)
            .assume_roles([ORDERS, OPEN, CLOSED])
            .unwrap()
            .build()
            .unwrap();
        let aws = LocalAws::builder()
            .account(
                Account::new(SHOP)
                    .oidc_provider(&cluster, ["sts.amazonaws.com"])
                    .user(IamUser::new("ann").policy(permissions))
                    .user(IamUser::new("bob"))
                    .role(
                        IamRole::new("orders")
                            .trust(trust_policy(account().external_id("shop-4711").unwrap())),
                    )
                    .role(IamRole::new("open").trust(trust_policy(account())))
                    .role(IamRole::new("closed"))
                    .role(IamRole::new("checkout").trust(by_token))
                    .bucket("shop-data")
                    .secret(REGION, "shop/db", "swordfish")
                    .secret(REGION, "billing/db", "none of your business"),
            )
            .start()
            .await
            .unwrap();
        Self { aws, cluster }
    }

    /// Returns the endpoint and the access key of `user` as environment variables.
    fn variables(&self, user: &str) -> Vec<(&'static str, String)> {
        let key = self.aws.user_credentials(SHOP, user).unwrap();
        let mut variables = self.endpoint_variables();
        variables.push(("AWS_ACCESS_KEY_ID", key.access_key_id().to_owned()));
        variables.push(("AWS_SECRET_ACCESS_KEY", key.secret_access_key().to_owned()));
        variables
    }

    /// Returns the environment variables of the endpoint, without credentials.
    fn endpoint_variables(&self) -> Vec<(&'static str, String)> {
        let url = self.aws.endpoint_url().to_owned();
        vec![("AWS_ENDPOINT_URL", url), ("AWS_DEFAULT_REGION", REGION.to_owned())]
    }
}

/// Runs boto3 and the AWS CLI with a home directory of its own, where the CLI caches sessions.
struct Client {
    python: Python,
    variables: Vec<(&'static str, String)>,
}

impl Client {
    fn new(variables: Vec<(&'static str, String)>) -> Self {
        Self { python: Python::new().unwrap(), variables }
    }

    fn variables(&self) -> Vec<(&str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    /// Writes a file in the home directory and returns its path.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.python.home().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    async fn cli(&self, arguments: &[&str]) -> ProgramOutput {
        self.python.aws(arguments, &self.variables()).await.unwrap()
    }

    async fn boto3(&self, service: &str, operation: &str, parameters: Value) -> ProgramOutput {
        self.boto3_as(None, service, operation, parameters).await
    }

    async fn boto3_as(
        &self,
        profile: Option<&str>,
        service: &str,
        operation: &str,
        parameters: Value,
    ) -> ProgramOutput {
        let call = json!({
            "service": service,
            "operation": operation,
            "parameters": parameters,
            "profile": profile,
        });
        self.python.boto3(&self.variables(), &call).await.unwrap()
    }
}

#[track_caller]
fn assert_succeeds(output: &ProgramOutput, part: &str) {
    assert!(output.is_success(), "{output:?}");
    assert!(output.stdout.contains(part), "{part:?} is not in {output:?}");
}

#[track_caller]
fn assert_fails(output: &ProgramOutput, part: &str) {
    assert!(!output.is_success(), "{output:?}");
    assert!(output.stderr.contains(part), "{part:?} is not in {output:?}");
}

#[tokio::test]
async fn get_caller_identity_checks_signature() {
    if rolecall_tests::python::is_left_out() {
        return;
    }
    let world = World::new().await;
    let ann = Client::new(world.variables("ann"));
    let arn = "arn:aws:iam::111122223333:user/ann";
    assert_succeeds(&ann.cli(&["sts", "get-caller-identity"]).await, arn);
    assert_succeeds(&ann.boto3("sts", "get_caller_identity", json!({})).await, arn);

    let mut wrong = world.variables("ann");
    wrong.last_mut().unwrap().1 = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into();
    let wrong = Client::new(wrong);
    assert_fails(&wrong.cli(&["sts", "get-caller-identity"]).await, "(SignatureDoesNotMatch)");
    let output = wrong.boto3("sts", "get_caller_identity", json!({})).await;
    assert_fails(&output, "(SignatureDoesNotMatch)");
}

#[tokio::test]
async fn assume_role_checks_trust_and_external_id() {
    if rolecall_tests::python::is_left_out() {
        return;
    }
    let world = World::new().await;
    let ann = Client::new(world.variables("ann"));
    let session_arn = |role: &str| format!("arn:aws:sts::111122223333:assumed-role/{role}/test");
    for (role, external_id, expected) in [
        (OPEN, None, Ok(session_arn("open"))),
        (ORDERS, Some("shop-4711"), Ok(session_arn("orders"))),
        (CLOSED, None, Err("(AccessDenied)")),
        (ORDERS, Some("shop-4712"), Err("(AccessDenied)")),
        (ORDERS, None, Err("(AccessDenied)")),
    ] {
        let mut arguments =
            vec!["sts", "assume-role", "--role-arn", role, "--role-session-name", "test"];
        let mut parameters = json!({ "RoleArn": role, "RoleSessionName": "test" });
        if let Some(id) = external_id {
            arguments.extend(["--external-id", id]);
            parameters["ExternalId"] = id.into();
        }
        for output in [ann.cli(&arguments).await, ann.boto3("sts", "assume_role", parameters).await]
        {
            match &expected {
                Ok(arn) => assert_succeeds(&output, arn),
                Err(code) => assert_fails(&output, code),
            }
        }
    }
}

#[tokio::test]
async fn web_identity_from_environment_checks_subject() {
    if rolecall_tests::python::is_left_out() {
        return;
    }
    let world = World::new().await;
    for (service_account, expected) in [("checkout", true), ("basket", false)] {
        let mut client = Client::new(world.endpoint_variables());
        let token = world.cluster.service_account_token("shop", service_account).sign().unwrap();
        let file = client.write("token", &token).to_str().unwrap().to_owned();
        client.variables.push(("AWS_ROLE_ARN", CHECKOUT.to_owned()));
        client.variables.push(("AWS_WEB_IDENTITY_TOKEN_FILE", file));
        client.variables.push(("AWS_ROLE_SESSION_NAME", "pod".to_owned()));
        for output in [
            client.cli(&["sts", "get-caller-identity"]).await,
            client.boto3("sts", "get_caller_identity", json!({})).await,
        ] {
            if expected {
                assert_succeeds(&output, "arn:aws:sts::111122223333:assumed-role/checkout/pod");
            } else {
                assert_fails(&output, "(AccessDenied)");
            }
        }
    }
}

#[tokio::test]
async fn chained_profile_sends_external_id() {
    if rolecall_tests::python::is_left_out() {
        return;
    }
    let world = World::new().await;
    for (external_id, expected) in [("external_id = shop-4711", true), ("", false)] {
        let client = Client::new(world.endpoint_variables());
        let key = world.aws.user_credentials(SHOP, "ann").unwrap();
        let (id, secret) = (key.access_key_id(), key.secret_access_key());
        let credentials =
            format!("[ann]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n");
        client.write(".aws/credentials", &credentials);
        let profile = format!(
            "[profile orders]\nrole_arn = {ORDERS}\nsource_profile = ann\nrole_session_name = pod\n{external_id}\n"
        );
        client.write(".aws/config", &profile);
        for output in [
            client.cli(&["sts", "get-caller-identity", "--profile", "orders"]).await,
            client.boto3_as(Some("orders"), "sts", "get_caller_identity", json!({})).await,
        ] {
            if expected {
                assert_succeeds(&output, "arn:aws:sts::111122223333:assumed-role/orders/pod");
            } else {
                assert_fails(&output, "(AccessDenied)");
            }
        }
    }
}

#[tokio::test]
async fn s3_access_is_limited_to_prefix() {
    if rolecall_tests::python::is_left_out() {
        return;
    }
    let world = World::new().await;
    let ann = Client::new(world.variables("ann"));
    let text = "one tea, two coffees\n".repeat(1000);
    let file = ann.write("order 1+2.txt", &text).to_str().unwrap().to_owned();
    let back = ann.python.home().join("back").to_str().unwrap().to_owned();
    let key = "s3://shop-data/orders/2026/order 1+2 é%.txt";
    assert_succeeds(&ann.cli(&["s3", "cp", &file, key]).await, "upload: ");
    let listed = ann.cli(&["s3", "ls", "s3://shop-data/orders/", "--recursive"]).await;
    assert_succeeds(&listed, "orders/2026/order 1+2 é%.txt");
    assert_succeeds(&ann.cli(&["s3", "ls", "s3://shop-data/orders/"]).await, "PRE 2026/");
    assert_succeeds(&ann.cli(&["s3", "cp", key, &back]).await, "download: ");
    assert_eq!(std::fs::read_to_string(back).unwrap(), text);

    assert_fails(
        &ann.cli(&["s3", "cp", &file, "s3://shop-data/invoices/1"]).await,
        "(AccessDenied)",
    );
    assert_fails(&ann.cli(&["s3", "ls", "s3://shop-data/invoices/"]).await, "(AccessDenied)");
    assert_fails(&ann.cli(&["s3", "ls", "s3://shop-nowhere/orders/"]).await, "(NoSuchBucket)");

    let object = |key: &str| json!({ "Bucket": "shop-data", "Key": key });
    let put = |key: &str| json!({ "Bucket": "shop-data", "Key": key, "Body": "hello" });
    assert_succeeds(&ann.boto3("s3", "put_object", put("orders/ü 1+2%20/ñ")).await, "ETag");
    assert_succeeds(&ann.boto3("s3", "get_object", object("orders/ü 1+2%20/ñ")).await, "hello");
    assert_succeeds(
        &ann.boto3("s3", "head_object", object("orders/ü 1+2%20/ñ")).await,
        "ContentLength",
    );
    let listing = json!({ "Bucket": "shop-data", "Prefix": "orders/ü 1+2%20/" });
    let listed = ann.boto3("s3", "list_objects_v2", listing).await;
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["Contents"][0]["Key"], "orders/ü 1+2%20/ñ");
    assert_fails(&ann.boto3("s3", "put_object", put("invoices/1")).await, "(AccessDenied)");
    assert_fails(&ann.boto3("s3", "head_object", object("invoices/1")).await, "(403)");
}

#[tokio::test]
async fn secrets_access_is_limited_to_prefix() {
    if rolecall_tests::python::is_left_out() {
        return;
    }
    let world = World::new().await;
    let ann = Client::new(world.variables("ann"));
    let get = ["secretsmanager", "get-secret-value", "--secret-id"];
    let cli_arguments = |id: &'static str| [&get[..], &[id]].concat();
    let parameters = |id: &str| json!({ "SecretId": id });
    let call = |id: &str| ann.boto3("secretsmanager", "get_secret_value", parameters(id));
    assert_succeeds(&ann.cli(&cli_arguments("shop/db")).await, "swordfish");
    assert_succeeds(&call("shop/db").await, "swordfish");
    assert_fails(&ann.cli(&cli_arguments("billing/db")).await, "(AccessDeniedException)");
    assert_fails(&call("billing/db").await, "(AccessDeniedException)");
    assert_fails(&ann.cli(&cli_arguments("shop/none")).await, "(ResourceNotFoundException)");
    assert_fails(&call("shop/none").await, "(ResourceNotFoundException)");
}

#[tokio::test]
async fn ecr_login_requires_permission() {
    if rolecall_tests::python::is_left_out() {
        return;
    }
    let world = World::new().await;
    let (ann, bob) = (Client::new(world.variables("ann")), Client::new(world.variables("bob")));
    let login = ["ecr", "get-login-password"];
    let output = ann.cli(&login).await;
    assert!(world.aws.secrets().contains(&output.stdout.trim().to_owned()), "{output:?}");
    let output = ann.boto3("ecr", "get_authorization_token", json!({})).await;
    assert_succeeds(&output, "https://111122223333.dkr.ecr.eu-west-1.amazonaws.com");
    assert_fails(&bob.cli(&login).await, "(AccessDeniedException)");
    let output = bob.boto3("ecr", "get_authorization_token", json!({})).await;
    assert_fails(&output, "(AccessDeniedException)");
}
