use super::*;

fn fault(builder: OidcProviderBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

#[test]
fn url_by_table() {
    let label = "a".repeat(63);
    let longest = format!("https://idp.example.com/{}", "a".repeat(231));
    for (url, expected) in [
        ("https://idp.example.com", None),
        ("https://idp.example.com/", None),
        ("https://IdP.example.com/a/b-._~%20!&'()+,;=:@c//", None),
        ("https://token.actions.githubusercontent.com/octo-inc", None),
        ("https://localhost", None),
        ("https://192.0.2.1", None),
        (longest.as_str(), None),
        ("", Some("does not begin with https://")),
        ("http://idp.example.com", Some("does not begin with https://")),
        ("HTTPS://idp.example.com", Some("does not begin with https://")),
        ("idp.example.com", Some("does not begin with https://")),
        (" https://idp.example.com", Some("does not begin with https://")),
        (&format!("{longest}a"), Some("has 256 characters; hint: use at most 255")),
        ("https://", Some("has the host \"\"")),
        ("https:///path", Some("has the host \"\"")),
        ("https://idp.example.com:443", Some("has a port")),
        ("https://idp.example.com:8443/a", Some("has a port")),
        ("https://idp.example.com:", Some("has a port")),
        ("https://idp.example.com?a=b", Some("has a query; hint: remove '?'")),
        ("https://idp.example.com/a?", Some("has a query; hint: remove '?'")),
        ("https://idp.example.com/a#b", Some("has a fragment; hint: remove '#'")),
        ("https://user:pw@idp.example.com", Some("has a user name")),
        ("https://[2001:db8::1]/a", Some("has an IP address")),
        ("https://idp.example.com.", Some("which is not a host name")),
        ("https://.example.com", Some("which is not a host name")),
        ("https://-idp.example.com", Some("which is not a host name")),
        ("https://idp-.example.com", Some("which is not a host name")),
        ("https://idp_1.example.com", Some("which is not a host name")),
        ("https://*.example.com", Some("which is not a host name")),
        ("https://idp example.com", Some("which is not a host name")),
        ("https://münchen.example", Some("Punycode")),
        (&format!("https://a{label}.example"), Some("which is not a host name")),
        ("https://idp.example.com/*", Some("contains '*' in its path")),
        ("https://idp.example.com/${aws:username}", Some("contains '$' in its path")),
        ("https://idp.example.com/a b", Some("contains ' ' in its path")),
        ("https://idp.example.com/a\n", Some("contains '\\n' in its path")),
        ("https://idp.example.com/é", Some("contains 'é' in its path")),
    ] {
        let found = OidcProvider::builder(url).client_id("a").build();
        match expected {
            None => assert_eq!(found.unwrap().url(), url),
            Some(part) => {
                let error = found.unwrap_err();
                assert_eq!(error.location, "url", "{url}");
                let text = error.message;
                assert!(text.contains(part) && text.contains("; hint: "), "{url}: {text}");
                assert!(text.starts_with(&excerpt(url)), "{url}: {text}");
            }
        }
    }
}

#[test]
fn huge_values_are_cut_in_errors() {
    let huge = format!("https://{}", "a".repeat(10_000_000));
    assert!(fault(OidcProvider::builder(huge)).len() < 500);
    let huge = "é".repeat(5_000_000);
    assert!(fault(OidcProvider::github_actions().client_id(huge.clone())).len() < 1_000);
    assert!(fault(OidcProvider::github_actions().tag(huge.clone(), "")).len() < 1_000);
    assert!(Thumbprint::parse(&huge).unwrap_err().to_string().len() < 1_000);
}

#[test]
fn client_ids_by_table() {
    let builder = || OidcProvider::builder("https://idp.example.com");
    let longest = "é".repeat(255);
    let provider = builder().client_id("b").client_id("a").client_id("b").client_id(&longest);
    assert_eq!(provider.build().unwrap().client_ids(), ["b", "a", &longest]);
    assert!(fault(builder()).starts_with("client id: none was added; hint: call client_id"));
    assert_eq!(
        fault(builder().client_id("")),
        "client id: \"\" has 0 characters; hint: use 1 to 255",
    );
    assert!(fault(builder().client_id(format!("{longest}a"))).contains("has 256 characters"));
    let many = |count| (0..count).fold(builder(), |all, i| all.client_id(format!("client-{i}")));
    assert_eq!(many(100).build().unwrap().client_ids().len(), 100);
    assert_eq!(fault(many(101)), "client id: 101 were added; hint: add at most 100");
}

#[test]
fn default_client_id_gives_way_to_an_added_one() {
    let github = OidcProvider::github_actions();
    assert_eq!(github.clone().build().unwrap().client_ids(), ["sts.amazonaws.com"]);
    assert_eq!(github.client_id("octo").build().unwrap().client_ids(), ["octo"]);
}

#[test]
fn thumbprints_by_table() {
    let thumbprint = |i: u8| Thumbprint::parse(&format!("{i:040x}")).unwrap();
    let many = |count: u8| {
        (0..count).fold(OidcProvider::github_actions(), |all, i| {
            all.thumbprint(thumbprint(i)).thumbprint(thumbprint(0))
        })
    };
    assert_eq!(many(0).build().unwrap().thumbprints(), []);
    let five: Vec<Thumbprint> = (0..5).map(thumbprint).collect();
    assert_eq!(many(5).build().unwrap().thumbprints(), five);
    assert_eq!(fault(many(6)), "thumbprint: 6 were added; hint: add at most 5");
}

#[test]
fn tags_are_checked_and_sorted() {
    let github = OidcProvider::github_actions();
    let provider = github.clone().tag("b", "1").tag("a", "").tag("B", "2").tag("b", "3");
    let provider = provider.build().unwrap();
    assert_eq!(provider.tags().collect::<Vec<_>>(), [("B", "2"), ("a", ""), ("b", "3")]);
    assert!(fault(github.clone().tag("aws:a", "")).contains("reserved for AWS"));
    let many = |count| (0..count).fold(github.clone(), |all, i| all.tag(format!("k{i}"), ""));
    assert_eq!(many(50).build().unwrap().tags().count(), 50);
    assert_eq!(fault(many(51)), "tag: 51 were added; hint: add at most 50");
}

#[test]
fn eks_url_by_table() {
    let id = "EXAMPLED539D4633E53DE1B716D3041E";
    for (region, host) in [
        ("eu-west-1", "oidc.eks.eu-west-1.amazonaws.com"),
        ("us-gov-west-1", "oidc.eks.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "oidc.eks.cn-north-1.amazonaws.com.cn"),
        ("cn-northwest-1", "oidc.eks.cn-northwest-1.amazonaws.com.cn"),
    ] {
        let provider = OidcProvider::eks(region, id).unwrap().build().unwrap();
        assert_eq!(provider.url(), format!("https://{host}/id/{id}"));
        assert_eq!(provider.client_ids(), ["sts.amazonaws.com"]);
    }
    for region in ["us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "eusc-de-east-1"] {
        let text = OidcProvider::eks(region, id).unwrap_err().to_string();
        let what = format!("Region: the issuer domain of {region:?} is not known; hint: call ");
        assert!(text.starts_with(&what), "{text}");
    }
    for region in ["", "euwest1", "eu-west-1.example.com/", "EU-WEST-1", "eu--1", "eu-west-1 "] {
        let text = OidcProvider::eks(region, id).unwrap_err().to_string();
        assert!(text.starts_with("Region: ") && text.contains("is not a Region; hint: "), "{text}");
    }
    for id in ["", "a/b", "https://oidc.eks.eu-west-1.amazonaws.com/id/A", "é", "a:sub"] {
        let text = OidcProvider::eks("eu-west-1", id).unwrap_err().to_string();
        assert!(text.starts_with("cluster id: ") && text.contains("; hint: "), "{text}");
    }
}

#[test]
fn arn_by_table() {
    let provider = OidcProvider::eks("cn-north-1", "A1").unwrap().build().unwrap();
    let resource = "oidc-provider/oidc.eks.cn-north-1.amazonaws.com.cn/id/A1";
    for partition in ["aws", "aws-cn", "aws-us-gov", "aws-iso-b"] {
        let arn = provider.arn(partition, "111122223333").unwrap();
        assert_eq!(arn, format!("arn:{partition}:iam::111122223333:{resource}"));
    }
    for (partition, account, location) in [
        ("", "111122223333", "partition"),
        ("AWS", "111122223333", "partition"),
        ("aws-", "111122223333", "partition"),
        ("aws:iam", "111122223333", "partition"),
        ("amazon", "111122223333", "partition"),
        ("aws", "11112222333", "account"),
        ("aws", "11112222333*", "account"),
        ("aws", "", "account"),
    ] {
        let error = provider.arn(partition, account).unwrap_err();
        assert_eq!(error.location, location, "{partition} {account}");
        assert!(error.message.contains("; hint: "), "{error}");
    }
}

#[test]
fn thumbprint_text_by_table() {
    let plain = "990f4193972f2becf12ddeda5237f9c952f20d9e";
    let colons = "99:0F:41:93:97:2F:2B:EC:F1:2D:DE:DA:52:37:F9:C9:52:F2:0D:9E";
    for text in [plain, &plain.to_uppercase(), colons, &colons.to_lowercase()] {
        let thumbprint = Thumbprint::parse(text).unwrap();
        assert_eq!((thumbprint.as_str(), thumbprint.to_string()), (plain, plain.to_owned()));
    }
    for (text, part) in [
        ("", "has 0 digits, and a SHA-1 digest 40; hint: "),
        (&plain[1..], "has 39 digits"),
        (&"a".repeat(64), "has 64 digits, and a SHA-1 digest 40; hint: compute it with openssl"),
        (&colons[3..], "has 38 digits"),
        (&plain.replace('9', "g"), "is not a thumbprint; hint: pass 40 hexadecimal digits"),
        (&format!("{plain} "), "is not a thumbprint"),
        (&format!("{colons}:"), "is not a thumbprint"),
        (&format!(":{plain}"), "is not a thumbprint"),
        (&format!("sha1 Fingerprint={colons}"), "is not a thumbprint"),
        ("99:0F4193972F2BECF12DDEDA5237F9C952F20D9E", "is not a thumbprint"),
        ("é9:0F:41:93:97:2F:2B:EC:F1:2D:DE:DA:52:37:F9:C9:52:F2:0D:9E", "is not a thumbprint"),
    ] {
        let text = Thumbprint::parse(text).unwrap_err().to_string();
        assert!(text.starts_with("thumbprint: ") && text.contains(part), "{text}");
    }
}
