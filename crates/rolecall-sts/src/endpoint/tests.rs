use super::*;

#[test]
fn a_password_in_an_endpoint_is_refused_and_not_shown() {
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
fn only_this_machines_own_addresses_are_loopback() {
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
async fn legacy_follows_awss_own_rules() {
    const LEGACY: &str = "ap-northeast-1 ap-south-1 ap-southeast-1 ap-southeast-2 aws-global ca-central-1 eu-central-1 \
                          eu-north-1 eu-west-1 eu-west-2 eu-west-3 sa-east-1 us-east-1 us-east-2 us-west-1 us-west-2";
    let global = LEGACY.split(' ').map(|region| (region, "https://sts.amazonaws.com"));
    let own = [
        ("me-south-1", "https://sts.me-south-1.amazonaws.com"),
        ("ap-east-1", "https://sts.ap-east-1.amazonaws.com"),
        ("cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com"),
    ];
    for (region, url) in global.chain(own) {
        let params =
            Params::builder().region(region).use_fips(false).use_dual_stack(false).build().unwrap();
        let endpoint = Legacy::default().resolve_endpoint(&params).await.unwrap();
        assert_eq!(endpoint.url(), url, "{region}");
    }
}
