//! The traits of the public types, on which callers in threads and collections depend.

use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::str::FromStr;

use rolecall_policy::*;

fn is_shared<T: Send + Sync + Clone + Debug + 'static>() {}
fn is_value<T: Send + Sync + Clone + Debug + Eq + 'static>() {}

#[test]
fn types_are_values_that_threads_share() {
    is_value::<ActionPattern>();
    is_value::<Caller>();
    is_value::<Condition>();
    is_value::<Context>();
    is_value::<Document>();
    is_value::<Explanation>();
    is_value::<Pattern>();
    is_value::<PermissionPolicy>();
    is_value::<PolicyError>();
    is_value::<Principal>();
    is_value::<Request>();
    is_value::<ResourcePattern>();
    is_value::<ResourcePolicy>();
    is_value::<Simulation>();
    is_value::<Statement>();
    is_value::<TrustPolicy>();
    is_shared::<Policies<'static>>();
    is_shared::<Decision<'static>>();
}

#[test]
fn names_are_keys_of_collections() {
    fn is_key<T: Eq + Hash>() {}
    is_key::<Caller>();
    is_key::<PolicyKind>();
    is_key::<SimulationId>();
    is_key::<Version>();
}

#[test]
fn texts_parse_by_from_str() {
    fn parse<T: FromStr<Err = PolicyError>>(text: &str) -> T {
        text.parse().unwrap()
    }
    fn is_same_text(text: &str, parsed: impl Display) {
        assert_eq!(parsed.to_string(), text);
    }
    for caller in ["arn:aws:iam::111122223333:user/ann", "ec2.amazonaws.com", "anonymous"] {
        is_same_text(caller, parse::<Caller>(caller));
    }
    let allow = r#"{"Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}}"#;
    assert_eq!(parse::<PermissionPolicy>(allow), PermissionPolicy::parse(allow).unwrap());
    let trust = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}"#;
    assert_eq!(parse::<TrustPolicy>(trust), TrustPolicy::parse(trust).unwrap());
    let resource = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:*"}}"#;
    assert_eq!(parse::<ResourcePolicy>(resource), ResourcePolicy::parse(resource).unwrap());
    assert!(trust.parse::<PermissionPolicy>().is_err());
}
