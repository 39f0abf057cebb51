//! Selection of credentials from environment variables and profiles: the order, the reported
//! reason, and that a misconfigured entry is an error.

use std::path::Path;

use rolecall::params::SessionName;
use rolecall::provider::{FetchContext, FileFault};
use rolecall::{Chain, Environment, ErrorKind, ProvideSession, Role, SessionError};
use rolecall_tests::{CHECKOUT, HUB, SHOP, World};

type Variables<'a> = &'a [(&'a str, &'a str)];

const HOME: (&str, &str) = ("HOME", "/home/ann");
const REGION: (&str, &str) = ("AWS_REGION", "eu-west-1");
const KEY: (&str, &str) = ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
const SECRET: (&str, &str) = ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
const ROLE: (&str, &str) = ("AWS_ROLE_ARN", CHECKOUT);
const TOKEN: (&str, &str) = ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
const CONTAINER_FULL_URI: (&str, &str) =
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
const CONTAINER_RELATIVE_URI: (&str, &str) =
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x");
const METADATA_DISABLED: (&str, &str) = ("AWS_EC2_METADATA_DISABLED", "true");
const SHOP_PROFILE: (&str, &str) = ("AWS_PROFILE", "shop");

const CONFIG: &str = "[default]\nregion = eu-west-1\n[profile plain]\nregion = eu-central-1\n\
    [profile shop]\nrole_arn = arn:aws:iam::111122223333:role/shop\nsource_profile = ann\n\
    [profile ann]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\n\
    [profile pod]\nrole_arn = arn:aws:iam::111122223333:role/pod\nweb_identity_token_file = /token\n\
    [profile half]\nweb_identity_token_file = /token\n\
    [profile process]\ncredential_process = /bin/false\n";

/// Selects the base of a chain from `variables`, with `config` in the configuration file.
fn select_chain(variables: Variables<'_>, config: &str) -> Result<Chain, SessionError> {
    let environment = Environment::fixed(variables.iter().copied());
    let environment = environment.with_file("/home/ann/.aws/config", config);
    rolecall::Chain::builder().environment(environment).from_env()
}

#[test]
fn default_chain_selects_and_explains_provider() {
    let keys = "environment keys (AWS_ACCESS_KEY_ID is set)";
    let web = "web identity as arn:aws:iam::111122223333:role/checkout (AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN \
               are set)";
    let shop = "the profile \"shop\", which AWS_PROFILE names";
    let pod = "container credentials (AWS_CONTAINER_CREDENTIALS_FULL_URI is set)";
    let task = "container credentials (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is set)";
    let instance = "EC2 instance metadata (no other identity is configured)";
    let default =
        "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\n";
    let cases: &[(Variables<'_>, &str, &str)] = &[
        // The order of precedence.
        (
            &[
                HOME,
                REGION,
                KEY,
                SECRET,
                SHOP_PROFILE,
                ROLE,
                TOKEN,
                CONTAINER_FULL_URI,
                CONTAINER_RELATIVE_URI,
            ],
            CONFIG,
            keys,
        ),
        (
            &[HOME, REGION, SHOP_PROFILE, ROLE, TOKEN, CONTAINER_FULL_URI, CONTAINER_RELATIVE_URI],
            CONFIG,
            shop,
        ),
        (
            &[HOME, REGION, ROLE, TOKEN, CONTAINER_FULL_URI],
            default,
            "the profile \"default\" has credentials",
        ),
        (&[HOME, REGION, ROLE, TOKEN, CONTAINER_FULL_URI, CONTAINER_RELATIVE_URI], CONFIG, web),
        (&[HOME, REGION, CONTAINER_FULL_URI, CONTAINER_RELATIVE_URI], CONFIG, task),
        (&[HOME, REGION, CONTAINER_FULL_URI], CONFIG, pod),
        (&[HOME, REGION], CONFIG, instance),
        (&[HOME, REGION, ("AWS_EC2_METADATA_DISABLED", "false")], CONFIG, instance),
        // An empty variable counts as unset.
        (
            &[HOME, REGION, ("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", ""), ROLE, TOKEN],
            CONFIG,
            web,
        ),
        (&[HOME, REGION, ("AWS_PROFILE", ""), ROLE, TOKEN], CONFIG, web),
        (
            &[
                HOME,
                REGION,
                ("AWS_ROLE_ARN", ""),
                ("AWS_WEB_IDENTITY_TOKEN_FILE", ""),
                CONTAINER_FULL_URI,
            ],
            CONFIG,
            pod,
        ),
        (&[HOME, REGION, ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")], CONFIG, instance),
        // A profile without credentials.
        (&[HOME, ("AWS_PROFILE", "plain"), ROLE, TOKEN], CONFIG, web),
        // Without a home directory there are no default files.
        (&[REGION, ROLE, TOKEN], CONFIG, web),
        (&[REGION, ("AWS_CONFIG_FILE", "/home/ann/.aws/config"), SHOP_PROFILE], CONFIG, shop),
        (&[REGION, HOME, ("AWS_CONFIG_FILE", "~/.aws/config"), SHOP_PROFILE], CONFIG, shop),
        (
            &[REGION, ("AWS_SHARED_CREDENTIALS_FILE", "/home/ann/.aws/config")],
            default,
            "the profile \"default\" has credentials",
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
    for (variables, config, expected) in cases {
        let chain = select_chain(variables, config);
        assert_eq!(chain.unwrap().description(), *expected, "{variables:?}");
    }
}

#[test]
fn invalid_configuration_is_never_skipped() {
    let cases: &[(Variables<'_>, &str, ErrorKind, &str)] = &[
        (
            &[HOME, REGION, KEY, SHOP_PROFILE, ROLE, TOKEN],
            CONFIG,
            ErrorKind::InvalidConfig,
            "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not",
        ),
        (
            &[HOME, REGION, ("AWS_PROFILE", "nobody"), ROLE, TOKEN],
            CONFIG,
            ErrorKind::InvalidConfig,
            "AWS_PROFILE names the profile \"nobody\", which does not exist; hint: correct the name \
             (searched in /home/ann/.aws/config and /home/ann/.aws/credentials), or unset AWS_PROFILE",
        ),
        (
            &[REGION, SHOP_PROFILE, ROLE, TOKEN],
            CONFIG,
            ErrorKind::InvalidConfig,
            "AWS_PROFILE names the profile \"shop\", which does not exist; hint: correct the name (no home \
             directory is set), or unset AWS_PROFILE",
        ),
        (
            &[HOME, REGION, ROLE, TOKEN],
            "[default\nregion",
            ErrorKind::InvalidConfig,
            "the configuration file /home/ann/.aws/config is not valid: ",
        ),
        (
            &[HOME, REGION, ("AWS_PROFILE", "half"), CONTAINER_FULL_URI],
            CONFIG,
            ErrorKind::InvalidConfig,
            "web_identity_token_file of the profile \"half\" is set, but role_arn is not",
        ),
        (
            &[HOME, REGION, ROLE, CONTAINER_FULL_URI],
            CONFIG,
            ErrorKind::InvalidConfig,
            "AWS_ROLE_ARN is set and AWS_WEB_IDENTITY_TOKEN_FILE is not",
        ),
        (
            &[HOME, REGION, METADATA_DISABLED],
            CONFIG,
            ErrorKind::NotConfigured,
            "the environment configures no identity",
        ),
        (&[ROLE, TOKEN], CONFIG, ErrorKind::InvalidConfig, "no Region is set"),
    ];
    for (variables, config, kind, text) in cases {
        let error = select_chain(variables, config).unwrap_err();
        assert_eq!(error.kind(), *kind, "{variables:?}: {error}");
        assert!(error.to_string().contains(text), "{variables:?}: {error}");
    }
}

/// The identity of a case about a file that cannot be read.
#[derive(Clone, Copy, Debug)]
enum Identity {
    Keys,
    Pod,
    Instance,
    None,
    /// `AWS_PROFILE` names a profile, beside access keys.
    Profile,
    /// The code names a profile.
    ProfileInCode,
}

const CONFIG_PATH: &str = "/home/ann/.aws/config";
const CREDENTIALS_PATH: &str = "/home/ann/.aws/credentials";
/// How the hint about a file that cannot be read begins.
const PERMISSIONS: &str =
    "check the file, and the owner and the permissions of the file and its folders";
/// The description of [`Identity::Keys`].
const ENVIRONMENT_KEYS: &str = "environment keys (AWS_ACCESS_KEY_ID is set)";

impl Identity {
    /// Returns the description of the chain with these variables and files, or the error.
    fn describe(
        self,
        variables: Variables<'_>,
        add_files: impl FnOnce(Environment) -> Environment,
    ) -> Result<String, String> {
        let more: Variables<'_> = match self {
            Self::Keys => &[KEY, SECRET],
            Self::Pod => &[ROLE, TOKEN],
            Self::Instance | Self::ProfileInCode => &[],
            Self::None => &[METADATA_DISABLED],
            Self::Profile => &[KEY, SECRET, SHOP_PROFILE],
        };
        let environment = Environment::fixed([&[HOME, REGION], variables, more].concat());
        let builder = Chain::builder().environment(add_files(environment));
        let chain = match self {
            Self::ProfileInCode => builder.from_profile("shop"),
            _ => builder.from_env(),
        };
        match chain {
            Ok(chain) => Ok(chain.description().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Returns the description of [`Identity::Pod`].
fn pod_description() -> String {
    format!("web identity as {CHECKOUT} (AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are set)")
}

/// The variables of containers often have all that is needed, and `HOME=/root` with another user.
#[test]
fn unreadable_default_path_is_skipped_unless_needed() {
    use Identity::{Instance, Keys, None, Pod, Profile, ProfileInCode};
    let build = |faults: &[(&str, FileFault)], variables: Variables<'_>, identity: Identity| {
        let add_fault = |environment: Environment, (path, fault): &(&str, FileFault)| {
            environment.with_file_fault(path, fault.clone())
        };
        identity.describe(variables, |environment| faults.iter().fold(environment, add_fault))
    };
    let denied = || FileFault::PermissionDenied;
    let web = pod_description();
    for (faults, unreadable) in [
        (&[(CONFIG_PATH, FileFault::Missing)][..], String::new()),
        (
            &[(CONFIG_PATH, denied())],
            format!(", and {CONFIG_PATH} cannot be read: permission denied"),
        ),
        // The folder of both files.
        (
            &[(CONFIG_PATH, denied()), (CREDENTIALS_PATH, denied())],
            format!(", and {CONFIG_PATH} and {CREDENTIALS_PATH} cannot be read: permission denied"),
        ),
    ] {
        let of = |identity| build(faults, &[], identity);
        assert_eq!(of(Keys).as_deref(), Ok(ENVIRONMENT_KEYS), "{faults:?}");
        assert_eq!(of(Pod).as_deref(), Ok(web.as_str()), "{faults:?}");
        let instance =
            format!("EC2 instance metadata (no other identity is configured{unreadable})");
        assert_eq!(of(Instance), Ok(instance), "{faults:?}");
        let message = format!("the environment configures no identity{unreadable}; hint: ");
        let error = of(None).unwrap_err();
        assert!(error.starts_with(&message), "{error}");
        if unreadable.is_empty() {
            let message = "AWS_PROFILE names the profile \"shop\", which does not exist; hint: ";
            let error = of(Profile).unwrap_err();
            assert!(error.starts_with(message), "{error}");
            continue;
        }
        let message = format!(
            "the configuration file {CONFIG_PATH} cannot be read: permission denied; hint: \
             {PERMISSIONS}, or "
        );
        assert_eq!(of(Profile), Err(format!("{message}unset AWS_PROFILE")));
        assert_eq!(of(ProfileInCode), Err(format!("{message}set AWS_CONFIG_FILE")));
    }
    // A path that a variable sets is meant to be read, whatever else there is.
    for (variable, path) in
        [("AWS_CONFIG_FILE", "/etc/config"), ("AWS_SHARED_CREDENTIALS_FILE", "/etc/keys")]
    {
        for identity in [Keys, Pod, Instance, None, Profile, ProfileInCode] {
            let error = build(&[(path, denied())], &[(variable, path)], identity);
            let message = format!(
                "the configuration file {path} cannot be read: permission denied; hint: \
                 {PERMISSIONS}, or correct {variable}"
            );
            assert_eq!(error, Err(message), "{identity:?}");
        }
        let missing = build(&[(path, FileFault::Missing)], &[(variable, path)], Keys);
        assert_eq!(missing.as_deref(), Ok(ENVIRONMENT_KEYS));
    }
    // Another fault is no matter of permissions.
    let fault = FileFault::Unreadable("input/output error".to_owned());
    let error = build(&[(CONFIG_PATH, fault)], &[], Keys).unwrap_err();
    assert!(error.contains("/config cannot be read: input/output error; hint: "), "{error}");
    // The Region may be in the file, too.
    let environment =
        Environment::fixed([HOME, ROLE, TOKEN]).with_file_fault(CONFIG_PATH, denied());
    let error = Chain::builder().environment(environment).from_env().unwrap_err();
    let message =
        format!("no Region is set for the STS endpoint, and {CONFIG_PATH} cannot be read");
    assert!(error.to_string().starts_with(&message), "{error}");
}

/// The default profile of one file may need the other one, or be changed by it.
#[test]
fn unreadable_file_is_needed_by_default_identity() {
    use Identity::{Instance, Keys, None, Pod};
    let keys = "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = x\n";
    let role = format!("role_arn = {HUB}\nsource_profile = base\n");
    for (readable, unreadable, variable) in [
        (CONFIG_PATH, CREDENTIALS_PATH, "AWS_SHARED_CREDENTIALS_FILE"),
        (CREDENTIALS_PATH, CONFIG_PATH, "AWS_CONFIG_FILE"),
    ] {
        let of = |identity: Identity, settings: &str| {
            let text = format!("[default]\nregion = eu-west-1\n{settings}");
            identity.describe(&[], |environment| {
                environment
                    .with_file(readable, text)
                    .with_file_fault(unreadable, FileFault::PermissionDenied)
            })
        };
        for settings in [keys, &role, "credential_process = /bin/false\n"] {
            assert_eq!(of(Keys, settings).as_deref(), Ok(ENVIRONMENT_KEYS), "{settings}");
            for identity in [Pod, Instance, None] {
                let message = format!(
                    "the configuration file {unreadable} cannot be read: permission denied; hint: \
                     {PERMISSIONS}, or set {variable}"
                );
                assert_eq!(of(identity, settings), Err(message), "{identity:?}, {settings}");
            }
        }
        // The whole profile may be in the file, beside its Region in the other one.
        let fault = format!(", and {unreadable} cannot be read: permission denied");
        assert_eq!(of(Keys, "").as_deref(), Ok(ENVIRONMENT_KEYS));
        assert_eq!(of(Pod, ""), Ok(pod_description()));
        let instance = format!("EC2 instance metadata (no other identity is configured{fault})");
        assert_eq!(of(Instance, ""), Ok(instance));
        let message = format!("the environment configures no identity{fault}; hint: ");
        let error = of(None, "").unwrap_err();
        assert!(error.starts_with(&message), "{error}");
    }
}

#[test]
fn profile_settings_select_sts_endpoint() {
    let config = "[default]\nregion = eu-west-1\nservices = local\n[services local]\nsts =\n  endpoint_url = \
                  http://127.0.0.1:1\n[profile plain]\nregion = eu-central-1\nsts_regional_endpoints = legacy\n";
    let cases: &[(Variables<'_>, &str)] = &[
        (&[HOME, KEY, SECRET], "STS at http://127.0.0.1:1"),
        (
            &[HOME, KEY, SECRET, ("AWS_ENDPOINT_URL", "http://127.0.0.1:2")],
            "STS at http://127.0.0.1:2",
        ),
        (&[HOME, KEY, SECRET, ("AWS_PROFILE", "plain")], "STS in eu-central-1, legacy"),
        (&[HOME, KEY, SECRET, ("AWS_PROFILE", "plain"), REGION], "STS in eu-west-1, legacy"),
    ];
    for (variables, expected) in cases {
        let chain = select_chain(variables, config).unwrap();
        assert_eq!(chain.sts_client().unwrap().endpoint().to_string(), *expected, "{variables:?}");
    }
}

#[tokio::test]
async fn profile_credentials_serve_as_chain_base() {
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
        let builder =
            rolecall::Chain::builder().environment(environment).clock(world.clock.clock());
        builder.from_env().unwrap()
    };
    let hub = chain("keys").assume_role(Role::new(HUB).unwrap());
    let identity = hub.caller_identity().await.unwrap();
    assert_eq!(identity.principal.to_string().split(',').next(), Some("role hub"));
    assert!(!format!("{hub:?} {:?}", hub.base_provider()).contains(ann.secret_access_key()));

    let pod = chain("pod").caller_identity().await.unwrap();
    assert_eq!(pod.principal.to_string(), "role checkout, session of-the-profile");
    assert_eq!(world.aws.count("AssumeRoleWithWebIdentity"), 1);
}

#[tokio::test]
async fn session_name_in_code_applies_to_web_identity() {
    let world = World::new().await.unwrap();
    let name = || SessionName::parse("in-code").unwrap();
    let builder = world.builder().unwrap().session_name(name());
    let session = builder.from_env().unwrap().provider().session().await.unwrap();
    assert_eq!(session.role().unwrap().session_name(), Some("in-code"));

    // A profile names its own session: that setting is closer to the role than the default.
    let token = world.cluster.service_account_token("shop", "checkout").sign().unwrap();
    let config = format!(
        "[profile pod]\nrole_arn = {CHECKOUT}\nweb_identity_token_file = /token\n\
         [profile named]\nrole_arn = {CHECKOUT}\nweb_identity_token_file = /token\n\
         role_session_name = of-the-profile\n"
    );
    for (profile, expected) in [("pod", "in-code"), ("named", "of-the-profile")] {
        let url = world.aws.endpoint_url();
        let variables = [HOME, REGION, ("AWS_PROFILE", profile), ("AWS_ENDPOINT_URL", url)];
        let environment = Environment::fixed(variables)
            .with_file("/home/ann/.aws/config", config.as_str())
            .with_file("/token", token.as_str());
        let builder = Chain::builder().environment(environment).clock(world.clock.clock());
        let chain = builder.session_name(name()).from_env().unwrap();
        let session = chain.provider().session().await.unwrap();
        assert_eq!(session.role().unwrap().session_name(), Some(expected), "{profile}");
    }
}

#[tokio::test]
async fn missing_token_file_of_profile_names_its_setting() {
    let profile = format!("[default]\nrole_arn = {CHECKOUT}\nweb_identity_token_file = /token\n");
    let chain = select_chain(&[HOME, REGION], &profile).unwrap();
    let error = chain.provider().provide_session(FetchContext::foreground()).await.unwrap_err();
    let end = "; web_identity_token_file of the profile \"default\" sets the path";
    assert!(error.hint().is_some_and(|hint| hint.ends_with(end)), "{error}");
}

#[tokio::test]
async fn missing_container_credentials_return_invalid_config() {
    // aws-config's provider reads the variables of this process, which name no container endpoint.
    let chain = select_chain(&[REGION, CONTAINER_FULL_URI], "").unwrap();
    let error = chain.provider().provide_session(FetchContext::foreground()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().starts_with("base credentials (container credentials): "), "{error}");
}
