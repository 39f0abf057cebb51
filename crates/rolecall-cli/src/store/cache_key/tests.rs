use std::collections::HashSet;

use clap::Parser;
use proptest::prelude::*;

use super::*;

const HUB: &str = "arn:aws:iam::444455556666:role/hub";
const ORDERS: &str = "arn:aws:iam::777788889999:role/orders";
/// The header and the payload of a token without its signature; the payload follows.
const TOKEN_HEADER: &str = "eyJhbGciOiJSUzI1NiJ9";

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    roles: RoleArgs,
}

fn key(arguments: &[&str], variables: &[(&str, &str)]) -> CacheKey {
    let all = [&["rolecall", "--session-name", "ann"], arguments].concat();
    let roles = Arguments::try_parse_from(all).unwrap().roles;
    let variables: Vec<_> =
        variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    CacheKey::of(&roles, &variables, KeyPlace::File).unwrap()
}

fn token(payload: &str) -> String {
    use base64_of as encode;
    format!("{TOKEN_HEADER}.{}.c2ln", encode(payload))
}

/// Encodes without a library, of which this crate has none.
fn base64_of(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digits = text.as_bytes().chunks(3).flat_map(|chunk| {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(*chunk.get(at).unwrap_or(&0)));
        (0..=chunk.len()).map(move |at| DIGITS[(bits >> (18 - 6 * at) & 63) as usize] as char)
    });
    digits.collect()
}

#[test]
fn every_parameter_changes_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let allow = write("allow", r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#);
    let deny = write("deny", r#"{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#);
    let one = write("one", &token(r#"{"iss":"https://a.example","sub":"one"}"#));
    let other = write("other", &token(r#"{"iss":"https://a.example","sub":"other"}"#));
    let serial = "arn:aws:iam::111122223333:mfa/ann";
    let rows: &[&[&str]] = &[
        &[HUB],
        &[ORDERS],
        &[HUB, ORDERS],
        &[ORDERS, HUB],
        &[HUB, HUB],
        &[HUB, "--base", "env"],
        &[HUB, "--base", "web-identity"],
        &[HUB, "--base", "profile:a"],
        &[HUB, "--base", "profile:b"],
        &[HUB, "--region", "eu-west-1"],
        &[HUB, "--region", "eu-west-2"],
        &[HUB, "--external-id", "shop-1"],
        &[HUB, "--external-id", "shop-2"],
        &[HUB, ORDERS, "--external-id", "shop-1"],
        &[HUB, ORDERS, "--external-id", "1=shop-1"],
        &[HUB, "--duration", "15m"],
        &[HUB, "--duration", "2h"],
        &[HUB, "--tag", "a=b"],
        &[HUB, "--tag", "a=c"],
        &[HUB, "--tag", "a=b", "--transitive", "a"],
        &[HUB, "--source-identity", "ann"],
        &[HUB, "--source-identity", "bob"],
        &[HUB, "--policy", &allow],
        &[HUB, "--policy", &deny],
        &[HUB, "--policy-arn", "arn:aws:iam::aws:policy/ReadOnlyAccess"],
        &[HUB, "--mfa-serial", serial],
        &[HUB, "--token-file", &one],
        &[HUB, "--token-file", &other],
        &[HUB, "--token-file", &one, "--duration", "15m"],
        &[HUB, "--token-file", &one, "--policy", &allow],
        &[HUB, "--token-file", &one, "--policy-arn", "arn:aws:iam::aws:policy/ReadOnlyAccess"],
    ];
    let keys: HashSet<String> = rows.iter().map(|row| key(row, &[]).file_name("x")).collect();
    assert_eq!(keys.len(), rows.len());
    let named = Arguments::try_parse_from(["rolecall", "--session-name", "bob", HUB]).unwrap();
    assert_ne!(CacheKey::of(&named.roles, &[], KeyPlace::File).unwrap(), key(&[HUB], &[]));
}

#[test]
fn mfa_code_and_equal_spelling_do_not_change_the_key() {
    let same = |one: &[&str], other: &[&str]| assert_eq!(key(one, &[]), key(other, &[]));
    let serial = "arn:aws:iam::111122223333:mfa/ann";
    same(&[HUB, "--mfa-serial", serial, "--mfa-code", "-"], &[HUB, "--mfa-serial", serial]);
    same(&[HUB, "--duration", "1h"], &[HUB, "--duration", "3600"]);
    same(&[HUB, "--external-id", "1=shop-1"], &[HUB, "--external-id", "shop-1"]);
}

#[test]
fn variables_of_aws_change_the_key() {
    let with = |variables: &[(&str, &str)]| key(&[HUB], variables);
    let rows: &[&[(&str, &str)]] = &[
        &[],
        &[("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")],
        &[("AWS_ACCESS_KEY_ID", "AKIAI44QH8DHBEXAMPLE")],
        &[("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")],
        &[("AWS_PROFILE", "dev")],
        &[("AWS_ENDPOINT_URL", "http://127.0.0.1:1")],
        &[("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")],
        &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/a")],
        &[("AWS_SOMETHING_NEW", "x")],
    ];
    let keys: HashSet<String> = rows.iter().map(|row| with(row).file_name("x")).collect();
    assert_eq!(keys.len(), rows.len());
    assert_eq!(with(&[("AWS_A", "1"), ("AWS_B", "2")]), with(&[("AWS_B", "2"), ("AWS_A", "1")]));
    for (name, value) in [
        ("AWS_CLI_AUTO_PROMPT", "on"),
        ("AWS_DATA_PATH", "/a"),
        ("AWS_PAGER", "less"),
        ("AWS_PROFILE", ""),
        ("PWD", "/"),
    ] {
        assert_eq!(with(&[(name, value)]), with(&[]), "{name}");
    }
}

#[test]
fn configuration_files_change_the_key() {
    let home = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let (config, token_file) = (home.path().join(".aws/config"), home.path().join("token"));
    let path = home.path().to_str().unwrap();
    let current = || key(&[HUB], &[("HOME", path)]);
    let mut keys = vec![current(), key(&[HUB], &[("HOME", other.path().to_str().unwrap())])];
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(&config, "[default]\nregion = eu-west-1\n").unwrap();
    keys.push(current());
    std::fs::write(home.path().join(".aws/credentials"), "[default]\n").unwrap();
    keys.push(current());
    let text = format!("[default]\n web_identity_token_file = {}\n", token_file.display());
    std::fs::write(&config, text).unwrap();
    keys.push(current());
    std::fs::write(&token_file, token(r#"{"iss":"https://a.example","sub":"one"}"#)).unwrap();
    keys.push(current());
    std::fs::write(&token_file, token(r#"{"iss":"https://a.example","sub":"two"}"#)).unwrap();
    keys.push(current());
    keys.push(key(&[HUB], &[("HOME", path), ("AWS_CONFIG_FILE", "/dev/null")]));
    let different: HashSet<String> = keys.iter().map(|key| key.file_name("x")).collect();
    assert_eq!(different.len(), keys.len());
}

#[test]
fn renewed_token_has_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let with = |payload: &str| {
        std::fs::write(&path, token(payload)).unwrap();
        key(&[HUB, "--token-file", path.to_str().unwrap()], &[])
    };
    let base = r#""iss":"https://a.example","sub":"one""#;
    let tags = r#""https://aws.amazon.com/tags":{"principal_tags":{"team":["shop"]}}"#;
    let first = with(&format!(r#"{{{base},"exp":1}}"#));
    assert_eq!(with(&format!(r#"{{{base},"exp":2,"jti":"x"}}"#)), first);
    assert_ne!(with(&format!(r#"{{{base},"aud":"sts.amazonaws.com"}}"#)), first);
    assert_ne!(with(&format!("{{{base},{tags}}}")), first);
    // A token without these claims is identified by its text.
    assert_ne!(with(r#"{"exp":1}"#), with(r#"{"exp":2}"#));
}

#[test]
fn file_name_shows_no_value() {
    let name = key(&[HUB], &[("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")]).file_name("session");
    let hash = name.strip_suffix(".session").unwrap();
    assert_eq!(hash.len(), 64);
    assert!(hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
}

proptest! {
    /// Two ways to split the same text into parts, whose bytes differ in nothing but the borders.
    #[test]
    fn different_parts_have_different_keys(
        text in "[a-c]{0,6}",
        cuts in prop::collection::vec(prop::collection::btree_set(0..7_usize, 0..4), 2),
    ) {
        let parts = |cuts: &std::collections::BTreeSet<usize>| {
            let (mut rest, mut parts, mut start) = (text.as_str(), Vec::new(), 0);
            for cut in cuts {
                let (part, more) = rest.split_at((cut - start).min(rest.len()));
                parts.push(part.to_owned());
                (rest, start) = (more, *cut);
            }
            parts.push(rest.to_owned());
            // They are added in pairs of a name and a value.
            if parts.len() % 2 == 1 {
                parts.push(String::new());
            }
            parts
        };
        let key = |list: &[String]| {
            let mut all = Parts::new();
            for pair in list.chunks(2) {
                all.add(&pair[0], &pair[1]);
            }
            all.finish()
        };
        let (one, other) = (parts(&cuts[0]), parts(&cuts[1]));
        prop_assert_eq!(key(&one) == key(&other), one == other);
    }
}
