use super::*;

#[test]
fn endpoint_url_with_password_is_rejected_and_hidden() {
    let region = Region::parse("eu-west-1").unwrap();
    for url in [
        "https://ann:s3cret@sts.example.com",
        "https://ann:s3cret @sts.example.com",
        "ann:s3cret@sts.example.com",
        "ftp://ann:s3cret@sts.example.com",
    ] {
        let error = Endpoint::custom(url, region.clone()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
}

#[test]
fn only_addresses_of_this_machine_are_loopback() {
    let region = Region::parse("eu-west-1").unwrap();
    for (url, loopback) in [
        ("http://127.0.0.1:4566", true),
        ("http://localhost:1", true),
        ("http://[::1]:1", true),
        ("http://127.0.0.1.example.com", false),
        ("https://sts.example.com", false),
    ] {
        let endpoint = Endpoint::custom(url, region.clone()).unwrap();
        assert_eq!(endpoint.is_loopback(), loopback, "{url}");
    }
    assert!(!Endpoint::regional(region).is_loopback());
}

#[tokio::test]
async fn legacy_resolver_follows_sdk_rules() {
    const LEGACY: &str = "ap-northeast-1 ap-south-1 ap-southeast-1 ap-southeast-2 aws-global \
                          ca-central-1 eu-central-1 eu-north-1 eu-west-1 eu-west-2 eu-west-3 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2";
    let global = LEGACY.split(' ').map(|region| (region, "https://sts.amazonaws.com"));
    let regional = [
        ("me-south-1", "https://sts.me-south-1.amazonaws.com"),
        ("ap-east-1", "https://sts.ap-east-1.amazonaws.com"),
        ("cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com"),
    ];
    for (region, url) in global.chain(regional) {
        let params =
            Params::builder().region(region).use_fips(false).use_dual_stack(false).build().unwrap();
        let endpoint = LegacyResolver::default().resolve_endpoint(&params).await.unwrap();
        assert_eq!(endpoint.url(), url, "{region}");
    }
}

fn region(code: &str) -> Region {
    Region::parse(code).unwrap()
}

fn in_region(region: &Region) -> EndpointOverrides {
    EndpointOverrides { region: Some(region.clone()), ..EndpointOverrides::default() }
}

#[test]
fn region_in_code_precedes_configured_region() {
    let environment =
        Environment::fixed([("AWS_REGION", "Frankfurt"), ("AWS_USE_FIPS_ENDPOINT", "true")]);
    let profile = ProfileSettings::new("shop").set("region", "eu-west-1");
    let us_east_1 = region("us-east-1");
    let endpoint =
        Endpoint::find(&environment, Some(&profile), &in_region(&us_east_1)).unwrap().unwrap();
    assert_eq!((endpoint.region(), endpoint.uses_fips()), (&us_east_1, true));
    // The Region in code is not validated against the variable, but the variable alone is invalid.
    let error =
        Endpoint::find(&environment, Some(&profile), &EndpointOverrides::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
}

#[test]
fn region_in_code_keeps_other_settings() {
    let us_east_1 = region("us-east-1");
    for (variable, value, url) in [
        ("AWS_ENDPOINT_URL_STS", "http://a.example:4566", "http://a.example:4566"),
        ("AWS_STS_REGIONAL_ENDPOINTS", "legacy", "https://sts.amazonaws.com"),
        ("AWS_USE_FIPS_ENDPOINT", "true", "https://sts-fips.us-east-1.amazonaws.com"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true", "https://sts.us-east-1.api.aws"),
    ] {
        let environment = Environment::fixed([(variable, value)]);
        let endpoint = Endpoint::find(&environment, None, &in_region(&us_east_1)).unwrap().unwrap();
        assert_eq!(endpoint.url().unwrap(), url, "{variable}");
        let profile = ProfileSettings::new("shop").set("region", "us-east-1");
        let endpoint = Endpoint::find(&environment, Some(&profile), &EndpointOverrides::default())
            .unwrap()
            .unwrap();
        assert_eq!(endpoint.url().unwrap(), url, "{variable}, Region of the profile");
    }
}

#[test]
fn missing_region_is_none_or_names_variable() {
    let environment = Environment::fixed([("AWS_USE_FIPS_ENDPOINT", "true")]);
    let profile = ProfileSettings::new("shop").set("sts_regional_endpoints", "legacy");
    assert_eq!(Endpoint::find(&environment, None, &EndpointOverrides::default()).unwrap(), None);
    assert_eq!(
        Endpoint::find(&environment, Some(&profile), &EndpointOverrides::default()).unwrap(),
        None
    );
    for error in [
        Endpoint::from_environment(&environment).unwrap_err(),
        Endpoint::from_environment_or_profile(&environment, &profile).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidConfig);
        assert!(error.hint().unwrap().starts_with("set AWS_REGION"), "{error}");
    }
}

#[test]
fn fips_and_dual_stack_require_aws_endpoint() {
    let aws = || Endpoint::regional(region("us-east-1"));
    let both = aws().with_fips(true).unwrap().with_dual_stack(true).unwrap();
    assert_eq!((both.uses_fips(), both.uses_dual_stack()), (true, true));
    assert_eq!(both.url().unwrap(), "https://sts-fips.us-east-1.api.aws");
    assert_eq!(both.with_fips(false).unwrap().with_dual_stack(false).unwrap(), aws());

    let custom = || Endpoint::custom("https://sts.example.com", region("us-east-1")).unwrap();
    assert_eq!((custom().uses_fips(), custom().uses_dual_stack()), (false, false));
    assert_eq!(custom().with_fips(false).unwrap().with_dual_stack(false).unwrap(), custom());
    // All partitions that the SDK knows have both kinds, so only a custom endpoint conflicts.
    for result in [custom().with_fips(true), custom().with_dual_stack(true)] {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidConfig);
    }
}

#[test]
fn endpoint_url_in_code_excludes_configured_fips_and_dual_stack() {
    let url = Some("https://sts.example.com".to_owned());
    let overrides = || EndpointOverrides { url: url.clone(), ..in_region(&region("us-east-1")) };
    let ignore = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    for (variable, key, disabled) in [
        (
            "AWS_USE_FIPS_ENDPOINT",
            "use_fips_endpoint",
            EndpointOverrides { use_fips: Some(false), ..overrides() },
        ),
        (
            "AWS_USE_DUALSTACK_ENDPOINT",
            "use_dualstack_endpoint",
            EndpointOverrides { use_dual_stack: Some(false), ..overrides() },
        ),
    ] {
        let enabled = Environment::fixed([(variable, "true"), ignore]);
        let profile = ProfileSettings::new("shop").set(key, "true");
        for (environment, profile) in
            [(&enabled, None), (&Environment::fixed([ignore]), Some(&profile))]
        {
            let error = Endpoint::find(environment, profile, &overrides()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidConfig);
            let expected = "the endpoint URL that is set in code cannot be combined with a FIPS or \
                            dual-stack endpoint";
            assert_eq!(error.message(), expected);
            assert!(error.hint().unwrap().contains("use_fips(false)"), "{error}");

            let endpoint = Endpoint::find(environment, profile, &disabled).unwrap().unwrap();
            assert_eq!(endpoint.url().ok(), url);
        }
    }
}

#[test]
fn flag_in_code_precedes_configured_flag() {
    let url = ("AWS_ENDPOINT_URL_STS", "https://sts.example.com");
    let fips = ("AWS_USE_FIPS_ENDPOINT", "true");
    let find = |variables: &[(&str, &str)], use_fips| {
        let environment = Environment::fixed(variables.iter().copied());
        let overrides = EndpointOverrides { use_fips, ..in_region(&region("us-east-1")) };
        Endpoint::find(&environment, None, &overrides).map(|endpoint| endpoint.unwrap())
    };
    assert!(find(&[], Some(true)).unwrap().uses_fips());
    assert!(!find(&[fips], Some(false)).unwrap().uses_fips());
    // A URL in the environment, and each way to select a FIPS endpoint beside it.
    assert_eq!(find(&[url], Some(true)).unwrap_err().kind(), ErrorKind::InvalidConfig);
    assert_eq!(find(&[url, fips], None).unwrap_err().kind(), ErrorKind::InvalidConfig);
    assert_eq!(find(&[url, fips], Some(false)).unwrap().url().unwrap(), url.1);
}

#[test]
fn origins_name_the_settings_that_apply() {
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a [&'a str]);
    let rows: [Row<'_>; 6] = [
        (&[("AWS_REGION", "eu-west-1"), ("AWS_DEFAULT_REGION", "us-east-1")], "AWS_REGION", &[]),
        (&[("AWS_DEFAULT_REGION", "us-east-1")], "AWS_DEFAULT_REGION", &[]),
        (
            &[("AWS_REGION", "us-east-1"), ("AWS_ENDPOINT_URL", "https://sts.example.com")],
            "AWS_REGION",
            &["AWS_ENDPOINT_URL"],
        ),
        (
            &[
                ("AWS_REGION", "us-east-1"),
                ("AWS_ENDPOINT_URL", "https://sts.example.com"),
                ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
            ],
            "AWS_REGION",
            &[],
        ),
        (
            &[("AWS_REGION", "us-east-1"), ("AWS_STS_REGIONAL_ENDPOINTS", "legacy")],
            "AWS_REGION",
            &["AWS_STS_REGIONAL_ENDPOINTS"],
        ),
        (
            &[
                ("AWS_REGION", "us-east-1"),
                ("AWS_USE_FIPS_ENDPOINT", "true"),
                ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
            ],
            "AWS_REGION",
            &["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"],
        ),
    ];
    for (variables, region, hosts) in rows {
        let environment = Environment::fixed(variables.iter().copied());
        let endpoint = Endpoint::from_environment(&environment).unwrap();
        let name = |origin: &SettingOrigin| {
            origin.to_string().strip_prefix("the environment variable ").map(str::to_owned)
        };
        assert_eq!(name(endpoint.region_origin()).as_deref(), Some(region), "{variables:?}");
        let found: Vec<_> = endpoint.host_origins().iter().filter_map(name).collect();
        assert_eq!(found, hosts, "{variables:?}");
    }
}

#[test]
fn profile_and_code_are_origins() {
    let profile = ProfileSettings::new("shop").set("region", "eu-west-1");
    let environment = Environment::fixed([("HOME", "/home/ann")]);
    let overrides = EndpointOverrides { use_fips: Some(true), ..EndpointOverrides::default() };
    let endpoint = Endpoint::find(&environment, Some(&profile), &overrides).unwrap().unwrap();
    assert_eq!(endpoint.region_origin().to_string(), "region in the profile \"shop\"");
    assert_eq!(endpoint.host_origins(), [SettingOrigin::Code]);
    let regional = Endpoint::regional(endpoint.region().clone()).with_fips(true).unwrap();
    assert_eq!(endpoint, regional, "origins do not count in a comparison");
    assert_eq!(regional.region_origin(), &SettingOrigin::Code);
}
