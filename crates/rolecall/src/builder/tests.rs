use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::origin::Origin;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};
use rolecall_core::Session;
use rolecall_sts::{Endpoint, Region};

use super::*;

const ROLE: &str = "arn:aws:iam::111122223333:role/checkout";

fn chain(variables: &[(&str, &str)]) -> Result<Chain, SessionError> {
    Chain::builder().environment(Environment::fixed(variables.iter().copied())).from_env()
}

#[test]
fn access_keys_precede_web_identity() {
    let keys = [("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "x")];
    let web = [("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")];
    let region = [("AWS_REGION", "eu-west-1")];
    let both = [&keys[..], &web, &region].concat();
    assert!(chain(&both).unwrap().description().starts_with("environment keys"));
    assert!(
        chain(&[&web[..], &region].concat()).unwrap().description().starts_with("web identity")
    );
}

#[test]
fn half_set_access_keys_are_an_error() {
    let web = [
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_REGION", "eu-west-1"),
    ];
    for (half, text) in [
        ([("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")], "AWS_SECRET_ACCESS_KEY is not"),
        ([("AWS_SECRET_ACCESS_KEY", "s3cret")], "AWS_ACCESS_KEY_ID is not"),
    ] {
        let error = chain(&[&half[..], &web].concat()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().contains(text), "{error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}

#[test]
fn key_with_line_break_is_named_but_not_shown() {
    let good = [
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "s3cret"),
        ("AWS_SESSION_TOKEN", "the-t0ken"),
    ];
    for wrong in 0..good.len() {
        let mut keys = good.map(|(name, value)| (name, value.to_owned()));
        keys[wrong].1.push('\n');
        let keys: Vec<(&str, &str)> = keys.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let error = chain(&[&keys[..], &[("AWS_REGION", "eu-west-1")]].concat()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.to_string().starts_with(good[wrong].0), "{error}");
        assert!(!error.to_string().contains(good[wrong].1), "{error}");
    }
}

#[test]
fn unreadable_container_identity_names_the_feature() {
    let variable = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    let builder = builder(&[(variable, "http://127.0.0.1/x")]);
    let hint = |full| builder.no_identity(full).hint().unwrap().to_owned();
    assert_eq!(
        hint(false),
        format!("enable the feature default-chain of rolecall, which reads {variable}")
    );
    assert!(hint(true).starts_with("set AWS_ROLE_ARN and "), "{}", hint(true));
}

/// In a build that reads profiles, the profile is an error of its own: there is no such file.
#[test]
fn aws_profile_beside_web_identity_is_never_ignored() {
    let variables = [
        ("AWS_PROFILE", "shop"),
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"),
        ("AWS_REGION", "eu-west-1"),
    ];
    let error = chain(&variables).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("AWS_PROFILE"), "{error}");
    if cfg!(not(feature = "default-chain")) {
        assert!(error.to_string().contains("feature default-chain"), "{error}");
    }
}

#[test]
fn web_identity_without_region_is_invalid() {
    let error =
        chain(&[("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    let text = error.to_string();
    assert!(text.starts_with("no Region is set for the STS endpoint; hint: set "), "{text}");
    assert!(text.contains("ChainBuilder::region"), "{text}");
}

const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "x")];

#[tokio::test]
async fn chain_without_hop_needs_no_region() {
    let chain = chain(&KEYS).unwrap();
    let session = chain.provider().session().await.unwrap();
    assert_eq!(session.access_key_id(), "AKIAIOSFODNN7EXAMPLE");
    assert_eq!(chain.sts_client().unwrap_err().kind(), ErrorKind::InvalidConfig);

    let role = crate::Role::new(ROLE).unwrap();
    let hop = chain.clone().assume_role(role.clone());
    let error = hop.provider().session().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
    assert!(error.to_string().contains("hop 1 of 1"), "{error}");
    assert!(error.to_string().contains("no Region is set"), "{error}");
    #[cfg(feature = "pool")]
    {
        let pooled = chain.pool().role(&role).session().await.unwrap_err();
        assert_eq!(pooled.to_string(), error.to_string());
    }
}

fn region(code: &str) -> Region {
    Region::parse(code).unwrap()
}

fn builder(variables: &[(&str, &str)]) -> ChainBuilder {
    Chain::builder().environment(Environment::fixed(variables.iter().copied()))
}

fn endpoint(builder: ChainBuilder) -> Endpoint {
    builder.from_env().unwrap().sts_client().unwrap().endpoint().clone()
}

#[test]
fn settings_in_code_precede_the_environment() {
    let variables = [&KEYS[..], &[("AWS_REGION", "eu-west-1")]].concat();
    assert_eq!(endpoint(builder(&variables)), Endpoint::regional(region("eu-west-1")));
    assert_eq!(
        endpoint(builder(&variables).region(region("eu-central-1"))),
        Endpoint::regional(region("eu-central-1"))
    );
    let url = "https://sts.example.com";
    assert_eq!(
        endpoint(builder(&variables).endpoint_url(url)),
        Endpoint::custom(url, region("eu-west-1")).unwrap()
    );
    let from_environment = [&variables[..], &[("AWS_ENDPOINT_URL_STS", url)]].concat();
    assert_eq!(
        endpoint(builder(&from_environment).region(region("eu-central-1"))),
        Endpoint::custom(url, region("eu-central-1")).unwrap()
    );
}

#[test]
fn sdk_configuration_is_copied() {
    let config = |endpoint: Option<&str>| {
        let config = SdkConfig::builder()
            .region(aws_config::Region::new("eu-central-1"))
            .use_fips(endpoint.is_none());
        match endpoint {
            Some(url) => config.endpoint_url(url).build(),
            None => config.build(),
        }
    };
    let fips = endpoint(builder(&KEYS).configure(&config(None)));
    assert_eq!(fips.url().unwrap(), "https://sts-fips.eu-central-1.amazonaws.com");
    let variables = [&KEYS[..], &[("AWS_USE_FIPS_ENDPOINT", "true")]].concat();
    let no_fips = SdkConfig::builder().use_fips(false);
    let no_fips = no_fips.region(aws_config::Region::new("eu-central-1")).build();
    assert!(!endpoint(builder(&variables).configure(&no_fips)).uses_fips());
    let url = "https://sts.example.com";
    let custom = endpoint(builder(&KEYS).configure(&config(Some(url))));
    assert_eq!(custom, Endpoint::custom(url, region("eu-central-1")).unwrap());

    let invalid = SdkConfig::builder().region(aws_config::Region::new("Frankfurt")).build();
    let error = builder(&KEYS).configure(&invalid).from_env().unwrap_err();
    assert!(error.to_string().contains("Frankfurt"), "{error}");
    let corrected = builder(&KEYS).configure(&invalid).region(region("eu-west-1"));
    assert_eq!(endpoint(corrected), Endpoint::regional(region("eu-west-1")));
    let error = builder(&[]).from_sdk_config(&config(None)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConfigured);
}

/// The settings of one service, as the loader of aws-config adds them to a configuration.
#[derive(Debug)]
struct StsEndpointUrl(Option<&'static str>);

impl LoadServiceConfig for StsEndpointUrl {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        // The key that the STS client of the SDK asks for.
        let key = (key.service_id(), key.env(), key.profile());
        assert_eq!(key, ("STS", "AWS_ENDPOINT_URL", "endpoint_url"));
        self.0.map(str::to_owned)
    }
}

#[test]
fn sts_endpoint_url_precedes_general_url_in_sdk_config() {
    const GENERAL: &str = "https://general.example.com";
    const STS: &str = "https://sts.example.com";
    const AWS: &str = "https://sts.eu-central-1.amazonaws.com";
    for (origin, general, sts, expected) in [
        (Origin::shared_environment_variable(), None, None, AWS),
        (Origin::shared_environment_variable(), Some(GENERAL), None, GENERAL),
        (Origin::shared_environment_variable(), None, Some(STS), STS),
        (Origin::shared_environment_variable(), Some(GENERAL), Some(STS), STS),
        (Origin::shared_profile_file(), Some(GENERAL), Some(STS), STS),
        (Origin::unknown(), Some(GENERAL), Some(STS), STS),
        // Only a URL that is set on the loader applies to all services.
        (Origin::shared_config(), Some(GENERAL), Some(STS), GENERAL),
    ] {
        let mut config = SdkConfig::builder()
            .region(aws_config::Region::new("eu-central-1"))
            .service_config(StsEndpointUrl(sts));
        config.set_endpoint_url(general.map(str::to_owned));
        config.insert_origin("endpoint_url", origin);
        let endpoint = endpoint(builder(&KEYS).configure(&config.build()));
        assert_eq!(endpoint.url().unwrap(), expected, "{origin}, {general:?}, {sts:?}");
    }
}

#[test]
fn endpoint_url_excludes_fips_and_dual_stack_of_environment() {
    let url = "https://sts.example.com";
    let in_config = SdkConfig::builder().endpoint_url(url).build();
    for variable in ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"] {
        let variables = [&KEYS[..], &[("AWS_REGION", "us-east-1"), (variable, "true")]].concat();
        for builder in
            [builder(&variables).endpoint_url(url), builder(&variables).configure(&in_config)]
        {
            let error = builder.clone().from_env().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{variable}");
            let text = error.to_string();
            assert!(text.contains("cannot be combined with a FIPS or dual-stack"), "{text}");
            assert!(error.hint().is_some(), "{text}");
            let builder = builder.use_fips(false).use_dual_stack(false);
            assert_eq!(endpoint(builder).url().unwrap(), url, "{variable}");
        }
    }
}

#[test]
fn explicit_settings_precede_sdk_config_and_environment() {
    let config = SdkConfig::builder()
        .region(aws_config::Region::new("eu-central-1"))
        .use_fips(false)
        .use_dual_stack(true)
        .build();
    let variables = [("AWS_REGION", "eu-west-1"), ("AWS_USE_FIPS_ENDPOINT", "true")];
    let variables = [&KEYS[..], &variables].concat();
    type Set = fn(ChainBuilder) -> ChainBuilder;
    let rows: [(Set, &str); 3] = [
        (|builder| builder, "https://sts.eu-central-1.api.aws"),
        (|builder| builder.use_fips(true), "https://sts-fips.eu-central-1.api.aws"),
        (
            |builder| builder.region(region("us-west-2")).use_dual_stack(false),
            "https://sts.us-west-2.amazonaws.com",
        ),
    ];
    for (set, expected) in rows {
        // The order of the calls does not matter.
        for builder in [
            set(builder(&variables)).configure(&config),
            set(builder(&variables).configure(&config)),
        ] {
            assert_eq!(endpoint(builder).url().unwrap(), expected);
        }
    }
}

#[tokio::test]
async fn sdk_config_does_not_conflict_with_sts_client() {
    let sts = || StsClient::new(Endpoint::regional(region("eu-west-1")));
    let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "x", None, None, "test");
    let config = SdkConfig::builder()
        .region(aws_config::Region::new("eu-central-1"))
        .endpoint_url("https://general.example.com")
        .use_fips(true)
        .use_dual_stack(true)
        .http_client(crate::http_client::default_http_client())
        .credentials_provider(SharedCredentialsProvider::new(keys))
        .build();
    for chain in [
        builder(&[]).sts_client(sts()).from_sdk_config(&config).unwrap(),
        builder(&KEYS).configure(&config).sts_client(sts()).from_env().unwrap(),
    ] {
        let endpoint = chain.sts_client().unwrap().endpoint();
        assert_eq!(*endpoint, Endpoint::regional(region("eu-west-1")));
        // The clients of services keep the Region and the HTTP client of the configuration.
        let loaded = chain.sdk_config().load().await;
        assert_eq!(loaded.region().map(AsRef::as_ref), Some("eu-central-1"));
        let address = |config: &SdkConfig| format!("{:?}", config.http_client());
        assert_eq!(address(&loaded), address(&config));
    }
    // Without a configuration, they use the Region of the client.
    let chain = builder(&KEYS).sts_client(sts()).from_env().unwrap();
    let loaded = chain.sdk_config().load().await;
    assert_eq!(loaded.region().map(AsRef::as_ref), Some("eu-west-1"));
}

#[test]
fn sts_client_excludes_settings_that_it_has() {
    let sts = || StsClient::new(Endpoint::regional(region("eu-west-1")));
    assert!(builder(&KEYS).sts_client(sts()).from_env().is_ok());
    type Set = fn(ChainBuilder) -> ChainBuilder;
    let settings: [(&str, Set); 9] = [
        ("clock", |builder| builder.clock(Clock::system())),
        ("region", |builder| builder.region(region("eu-west-1"))),
        ("endpoint_url", |builder| builder.endpoint_url("https://sts.example.com")),
        ("http_client", |builder| builder.http_client(crate::http_client::default_http_client())),
        ("rate_limit", |builder| builder.rate_limit(RateLimit::default())),
        ("use_fips", |builder| builder.use_fips(true)),
        ("use_fips", |builder| builder.use_fips(false)),
        ("use_dual_stack", |builder| builder.use_dual_stack(true)),
        ("use_dual_stack", |builder| builder.use_dual_stack(false)),
    ];
    for (name, set) in settings {
        assert!(set(builder(&KEYS).region(region("eu-west-1"))).from_env().is_ok(), "{name}");
        let error = set(builder(&KEYS).sts_client(sts())).from_env().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{name}");
        let expected = format!("sts_client and {name} are both set on the chain builder");
        assert_eq!(error.message(), expected);
    }
}

#[test]
fn session_name_in_code_precedes_the_environment() {
    let variables = [&KEYS[..], &[("AWS_ROLE_SESSION_NAME", "from-environment")]].concat();
    let name = |builder: ChainBuilder| builder.shared().unwrap().session_name.to_string();
    assert_eq!(name(builder(&variables)), "from-environment");
    let given = SessionName::parse("in-code").unwrap();
    assert_eq!(name(builder(&variables).session_name(given)), "in-code");
}

#[tokio::test]
async fn base_provider_names_errors_and_sessions() {
    let provider = rolecall_core::provide_session_fn("vault", async |_| {
        let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "x", None, None, "vault");
        Ok(Session::builder(keys).build())
    });
    let chain = builder(&[]).from_provider(provider).unwrap();
    assert_eq!(chain.description(), "vault (set in code)");
    let session = chain.provider().session().await.unwrap();
    assert_eq!(session.lineage().to_string(), "vault");

    let failing = rolecall_core::provide_session_fn("vault", async |_| {
        Err(SessionError::new(ErrorKind::Unavailable, "sealed"))
    });
    let chain = builder(&[]).from_provider(failing).unwrap();
    let error = chain.provider().session().await.unwrap_err();
    assert!(error.to_string().contains("(vault)"), "{error}");
}

#[tokio::test]
async fn sdk_configuration_has_region_and_credentials() {
    let chain = builder(&KEYS).region(region("eu-central-1")).from_env().unwrap();
    let one = chain.sdk_config().load().await;
    assert_eq!(one.region().map(AsRef::as_ref), Some("eu-central-1"));
    let keys = one.credentials_provider().unwrap().provide_credentials().await.unwrap();
    assert_eq!(keys.access_key_id(), "AKIAIOSFODNN7EXAMPLE");
}

#[test]
fn debug_output_shows_no_secret() {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("AWS_REGION", "eu-west-1"),
    ];
    let chain = chain(&keys).unwrap();
    let shown = format!("{chain:?} {:?}", chain.provider());
    assert!(!shown.contains("wJalr"), "{shown}");
}
