//! Which identity each combination of variables and profiles is, and why; and that none is skipped.

use std::path::Path;

use rolecall::{Chain, Environment, ErrorKind, FetchContext, FetchError, Role, SessionSource};
use rolecall_tests::{CHECKOUT, HUB, SHOP, World};

type Variables<'a> = &'a [(&'a str, &'a str)];

const HOME: (&str, &str) = ("HOME", "/home/ann");
const REGION: (&str, &str) = ("AWS_REGION", "eu-west-1");
const KEY: (&str, &str) = ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
const SECRET: (&str, &str) = ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
const ROLE: (&str, &str) = ("AWS_ROLE_ARN", CHECKOUT);
const TOKEN: (&str, &str) = ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
const POD: (&str, &str) =
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
const TASK: (&str, &str) = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x");
const NO_INSTANCE: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");
const OF_SHOP: (&str, &str) = ("AWS_PROFILE", "shop");

const CONFIG: &str = "[default]\nregion = eu-west-1\n[profile plain]\nregion = eu-central-1\n\
    [profile shop]\nrole_arn = arn:aws:iam::111122223333:role/shop\nsource_profile = ann\n\
    [profile ann]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\n\
    [profile pod]\nrole_arn = arn:aws:iam::111122223333:role/pod\nweb_identity_token_file = /token\n\
    [profile half]\nweb_identity_token_file = /token\n\
    [profile process]\ncredential_process = /bin/false\n";

fn chosen(variables: Variables<'_>, config: &str) -> Result<Chain, FetchError> {
    let environment = Environment::fixed(variables.iter().copied());
    let environment = environment.with_file("/home/ann/.aws/config", config);
    rolecall::builder().environment(environment).from_env()
}

#[test]
fn each_combination_has_its_source_and_says_why() {
    let keys = "environment keys (AWS_ACCESS_KEY_ID is set)";
    let web = "web identity as arn:aws:iam::111122223333:role/checkout (AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN \
               are set)";
    let shop = "the profile \"shop\", which AWS_PROFILE names";
    let pod = "container credentials (AWS_CONTAINER_CREDENTIALS_FULL_URI is set)";
    let task = "container credentials (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set)";
    let instance = "EC2 instance metadata (nothing else is configured)";
    let default =
        "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\n";
    let rows: &[(Variables<'_>, &str, &str)] = &[
        // The order.
        (&[HOME, REGION, KEY, SECRET, OF_SHOP, ROLE, TOKEN, POD, TASK], CONFIG, keys),
        (&[HOME, REGION, OF_SHOP, ROLE, TOKEN, POD, TASK], CONFIG, shop),
        (&[HOME, REGION, ROLE, TOKEN, POD], default, "the profile \"default\" holds credentials"),
        (&[HOME, REGION, ROLE, TOKEN, POD, TASK], CONFIG, web),
        (&[HOME, REGION, POD, TASK], CONFIG, task),
        (&[HOME, REGION, POD], CONFIG, pod),
        (&[HOME, REGION], CONFIG, instance),
        (&[HOME, REGION, ("AWS_EC2_METADATA_DISABLED", "false")], CONFIG, instance),
        // Empty is unset.
        (
            &[HOME, REGION, ("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", ""), ROLE, TOKEN],
            CONFIG,
            web,
        ),
        (&[HOME, REGION, ("AWS_PROFILE", ""), ROLE, TOKEN], CONFIG, web),
        (
            &[HOME, REGION, ("AWS_ROLE_ARN", ""), ("AWS_WEB_IDENTITY_TOKEN_FILE", ""), POD],
            CONFIG,
            pod,
        ),
        (&[HOME, REGION, ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")], CONFIG, instance),
        // A profile that says nothing of who we are.
        (&[HOME, ("AWS_PROFILE", "plain"), ROLE, TOKEN], CONFIG, web),
        // No home, no files.
        (&[REGION, ROLE, TOKEN], CONFIG, web),
        (&[REGION, ("AWS_CONFIG_FILE", "/home/ann/.aws/config"), OF_SHOP], CONFIG, shop),
        (&[REGION, HOME, ("AWS_CONFIG_FILE", "~/.aws/config"), OF_SHOP], CONFIG, shop),
        (
            &[REGION, ("AWS_SHARED_CREDENTIALS_FILE", "/home/ann/.aws/config")],
            default,
            "the profile \"default\" holds credentials",
        ),
        (&[HOME, ("AWS_CONFIG_FILE", "/dev/null"), REGION, ROLE, TOKEN], default, web),
        (
            &[HOME, REGION, ("AWS_PROFILE", "pod")],
            CONFIG,
            "web identity as arn:aws:iam::111122223333:role/pod (the profile \"pod\", which AWS_PROFILE names)",
        ),
        (
            &[HOME, REGION, ("AWS_PROFILE", "process")],
            CONFIG,
            "the profile \"process\", which AWS_PROFILE names",
        ),
    ];
    for (variables, config, expected) in rows {
        let chain = chosen(variables, config);
        assert_eq!(chain.unwrap().describe(), *expected, "{variables:?}");
    }
}

#[test]
fn what_is_configured_and_wrong_is_an_error_and_never_skipped() {
    let rows: &[(Variables<'_>, &str, ErrorKind, &str)] = &[
        (
            &[HOME, REGION, KEY, OF_SHOP, ROLE, TOKEN],
            CONFIG,
            ErrorKind::InvalidConfig,
            "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not",
        ),
        (
            &[HOME, REGION, ("AWS_PROFILE", "nobody"), ROLE, TOKEN],
            CONFIG,
            ErrorKind::InvalidConfig,
            "AWS_PROFILE names the profile \"nobody\", which does not exist; look at: the name (looked for in \
             /home/ann/.aws/config and /home/ann/.aws/credentials), or unset AWS_PROFILE",
        ),
        (
            &[REGION, OF_SHOP, ROLE, TOKEN],
            CONFIG,
            ErrorKind::InvalidConfig,
            "AWS_PROFILE names the profile \"shop\", which does not exist; look at: the name (no home directory is \
             known to look in), or unset AWS_PROFILE",
        ),
        (
            &[HOME, REGION, ROLE, TOKEN],
            "[default\nregion",
            ErrorKind::InvalidConfig,
            "the configuration file /home/ann/.aws/config: ",
        ),
        (
            &[HOME, REGION, ("AWS_PROFILE", "half"), POD],
            CONFIG,
            ErrorKind::InvalidConfig,
            "web_identity_token_file of the profile \"half\" is set and role_arn is not",
        ),
        (
            &[HOME, REGION, ROLE, POD],
            CONFIG,
            ErrorKind::InvalidConfig,
            "AWS_ROLE_ARN is set and AWS_WEB_IDENTITY_TOKEN_FILE is not",
        ),
        (
            &[HOME, REGION, NO_INSTANCE],
            CONFIG,
            ErrorKind::NotConfigured,
            "the environment names no identity",
        ),
        (&[KEY, SECRET], CONFIG, ErrorKind::InvalidConfig, "no Region is set"),
        (&[POD], CONFIG, ErrorKind::InvalidConfig, "no Region is set"),
    ];
    for (variables, config, kind, text) in rows {
        let error = chosen(variables, config).unwrap_err();
        assert_eq!(error.kind(), *kind, "{variables:?}: {error}");
        assert!(error.to_string().contains(text), "{variables:?}: {error}");
    }
}

#[test]
fn where_sts_is_may_stand_in_the_profile() {
    let config = "[default]\nregion = eu-west-1\nservices = local\n[services local]\nsts =\n  endpoint_url = \
                  http://127.0.0.1:1\n[profile plain]\nregion = eu-central-1\nsts_regional_endpoints = legacy\n";
    let rows: &[(Variables<'_>, &str)] = &[
        (&[HOME, KEY, SECRET], "STS at http://127.0.0.1:1"),
        (
            &[HOME, KEY, SECRET, ("AWS_ENDPOINT_URL", "http://127.0.0.1:2")],
            "STS at http://127.0.0.1:2",
        ),
        (&[HOME, KEY, SECRET, ("AWS_PROFILE", "plain")], "STS in eu-central-1, legacy"),
        (&[HOME, KEY, SECRET, ("AWS_PROFILE", "plain"), REGION], "STS in eu-west-1, legacy"),
    ];
    for (variables, expected) in rows {
        let chain = chosen(variables, config).unwrap();
        assert_eq!(chain.sts().endpoint().to_string(), *expected, "{variables:?}");
    }
}

#[tokio::test]
async fn keys_and_a_web_identity_of_a_profile_are_the_base_of_a_chain() {
    let world = World::new().await.unwrap();
    let ann = world.aws.user_credentials(SHOP, "ann").unwrap();
    let token = world.cluster.service_account_token("shop", "checkout").sign().unwrap();
    let text = format!(
        "[profile keys]\naws_access_key_id = {}\naws_secret_access_key = {}\n[profile pod]\nrole_arn = {CHECKOUT}\n\
         web_identity_token_file = /token\nrole_session_name = of-the-profile\n",
        ann.access_key_id(),
        ann.secret_access_key()
    );
    let chain = |profile: &str| {
        let url = world.aws.endpoint_url();
        let variables = [HOME, REGION, ("AWS_PROFILE", profile), ("AWS_ENDPOINT_URL", url)];
        let environment = Environment::fixed(variables)
            .with_file("/home/ann/.aws/config", text.as_str())
            .with_file(Path::new("/token"), token.as_str());
        let builder = rolecall::builder().environment(environment).clock(world.hands.clock());
        builder.from_env().unwrap()
    };
    let hub = chain("keys").assume(Role::new(HUB).unwrap());
    let me = hub.caller_identity().await.unwrap();
    assert_eq!(me.principal.to_string().split(',').next(), Some("role hub"));
    assert!(!format!("{hub:?} {:?}", hub.base()).contains(ann.secret_access_key()));

    let pod = chain("pod").caller_identity().await.unwrap();
    assert_eq!(pod.principal.to_string(), "role checkout, session of-the-profile");
    assert_eq!(world.aws.count("AssumeRoleWithWebIdentity"), 1);
}

#[tokio::test]
async fn a_container_that_has_nothing_lets_no_other_identity_take_its_place() {
    // aws-config's provider reads the process's own variables, which are of no container.
    let chain = chosen(&[REGION, POD], "").unwrap();
    let error = chain.cached().session(FetchContext::caller()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().starts_with("base (container credentials): "), "{error}");
}
