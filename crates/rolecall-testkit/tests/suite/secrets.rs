use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::primitives::Blob;
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::json;

use crate::services::{World, code, message};

fn client(world: &World, user: &str) -> Client {
    Client::new(&world.config(user))
}

async fn text(client: &Client, id: &str) -> Option<String> {
    let output = client.get_secret_value().secret_id(id).send().await.unwrap();
    output.secret_string().map(str::to_owned)
}

#[tokio::test]
async fn secret_is_found_by_name_and_partial_arn() {
    let world = World::new().await;
    let ann = client(&world, "ann");
    let described = ann.describe_secret().secret_id("shop/db").send().await.unwrap();
    let arn = described.arn().unwrap();
    let (short, suffix) = arn.split_at(arn.len() - 7);
    assert_eq!(short, "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db");
    assert!(suffix.starts_with('-') && suffix[1..].bytes().all(|b| b.is_ascii_alphanumeric()));
    for id in ["shop/db", arn, short] {
        assert_eq!(text(&ann, id).await.as_deref(), Some("swordfish"), "{id}");
    }
    for id in ["shop/d", "shop/db-AAAAAA", &arn[..arn.len() - 1], &format!("{short}-AAAAAA")] {
        let none = ann.get_secret_value().secret_id(id).send().await;
        assert_eq!(code(none), "ResourceNotFoundException", "{id}");
    }
    let none = ann.get_secret_value().secret_id("arn:aws:s3:::shop").send().await;
    assert_eq!(code(none), "InvalidParameterException");
    // Each Region's endpoint knows its own: an ARN does not reach over.
    let elsewhere = world.config("ann").into_builder().region(Region::new("eu-west-2")).build();
    let elsewhere = Client::new(&elsewhere);
    for id in [arn, short] {
        let none = elsewhere.get_secret_value().secret_id(id).send().await;
        assert_eq!(code(none), "ResourceNotFoundException", "{id}");
        let there = id.replace("eu-west-1", "eu-west-2");
        let none = ann.get_secret_value().secret_id(there).send().await;
        assert_eq!(code(none), "ResourceNotFoundException", "{id}");
    }
}

#[tokio::test]
async fn changed_secret_keeps_previous_version() {
    let world = World::new().await;
    let ann = client(&world, "ann");
    let made = ann.create_secret().name("shop/new").secret_string("one").send().await.unwrap();
    let put = |text: &str| ann.put_secret_value().secret_id("shop/new").secret_string(text);
    let two = put("two").send().await.unwrap();
    assert_eq!(two.version_stages(), ["AWSCURRENT"]);
    let get = || ann.get_secret_value().secret_id("shop/new");
    assert_eq!(text(&ann, "shop/new").await.as_deref(), Some("two"));
    let previous = get().version_stage("AWSPREVIOUS").send().await.unwrap();
    assert_eq!((previous.secret_string(), previous.version_id()), (Some("one"), made.version_id()));
    let by_id = get().version_id(made.version_id().unwrap()).send().await.unwrap();
    assert_eq!(by_id.secret_string(), Some("one"));
    let described = ann.describe_secret().secret_id("shop/new").send().await.unwrap();
    let stages = described.version_ids_to_stages().unwrap();
    assert_eq!(stages[two.version_id().unwrap()], ["AWSCURRENT"]);
    assert_eq!(stages[made.version_id().unwrap()], ["AWSPREVIOUS"]);
    assert_eq!(code(get().version_stage("OTHER").send().await), "ResourceNotFoundException");
    let again = ann.create_secret().name("shop/new").secret_string("x").send().await;
    assert_eq!(code(again), "ResourceExistsException");
    let retried = "99999999-2222-3333-4444-555555555555";
    let create = || ann.create_secret().name("shop/retried").client_request_token(retried);
    let made = create().secret_string("one").send().await.unwrap();
    let same = create().secret_string("one").send().await.unwrap();
    assert_eq!(made.arn(), same.arn(), "the same request once more");
    assert_eq!(code(create().secret_string("two").send().await), "ResourceExistsException");
    let another = create()
        .client_request_token("88888888-2222-3333-4444-555555555555")
        .secret_string("one")
        .send()
        .await;
    assert_eq!(code(another), "ResourceExistsException");

    // The same request once more changes nothing; another one under its token is refused.
    let token = "11111111-2222-3333-4444-555555555555";
    put("three").client_request_token(token).send().await.unwrap();
    put("three").client_request_token(token).send().await.unwrap();
    let previous = get().version_stage("AWSPREVIOUS").send().await.unwrap();
    assert_eq!(previous.secret_string(), Some("two"));
    let other = put("four").client_request_token(token).send().await;
    assert_eq!(code(other), "ResourceExistsException");
}

#[tokio::test]
async fn secret_longer_than_64_kib_is_refused() {
    let world = World::new().await;
    let ann = client(&world, "ann");
    let longest = "s".repeat(65_536);
    ann.create_secret().name("long").secret_string(&longest).send().await.unwrap();
    assert!(text(&ann, "long").await == Some(longest.clone()));
    let too_long = ann.create_secret().name("longer").secret_string(longest + "s").send().await;
    assert_eq!(code(too_long), "ValidationException");
    let binary = Blob::new((0..=255).collect::<Vec<u8>>());
    ann.create_secret().name("binary").secret_binary(binary.clone()).send().await.unwrap();
    let got = ann.get_secret_value().secret_id("binary").send().await.unwrap();
    assert_eq!((got.secret_binary(), got.secret_string()), (Some(&binary), None));
    let longest = Blob::new(vec![0; 65_536]);
    ann.create_secret().name("long-binary").secret_binary(longest).send().await.unwrap();
    let too_long = Blob::new(vec![0; 65_537]);
    let too_long = ann.create_secret().name("longer-binary").secret_binary(too_long).send().await;
    assert_eq!(code(too_long), "ValidationException");
}

#[tokio::test]
async fn invalid_secret_is_refused() {
    let world = World::new().await;
    let ann = client(&world, "ann");
    let create = |name: &str| ann.create_secret().name(name);
    assert_eq!(code(create("a b").secret_string("x").send().await), "ValidationException");
    let long = "n".repeat(513);
    assert_eq!(code(create(&long).secret_string("x").send().await), "ValidationException");
    for text in [None, Some("")] {
        let none = create("a").set_secret_string(text.map(str::to_owned)).send().await;
        assert_eq!(code(none), "InvalidRequestException", "{text:?}");
    }
    for (length, right) in [(31, false), (32, true), (64, true), (65, false)] {
        let put = ann.put_secret_value().secret_id("shop/db").secret_string("x");
        let put = put.client_request_token("t".repeat(length)).send().await;
        match right {
            true => assert_eq!(put.unwrap().version_id().unwrap().len(), length),
            false => assert_eq!(code(put), "InvalidParameterException", "{length}"),
        }
    }
    let both = create("a").secret_string("x").secret_binary(Blob::new("x")).send().await;
    assert_eq!(code(both), "InvalidParameterException");
    let unknown = create("a").secret_string("x").kms_key_id("key").send().await;
    assert!(message(unknown).contains("unknown field `KmsKeyId`"));
    assert_eq!(code(ann.list_secrets().send().await), "UnknownOperationException");
    assert_eq!(
        code(ann.describe_secret().secret_id("a").send().await),
        "ResourceNotFoundException"
    );
}

#[tokio::test]
async fn policies_match_secrets() {
    let world = World::with_carl(json!([{
        "Action": ["secretsmanager:GetSecretValue", "secretsmanager:CreateSecret"],
        "Resource": [
            "arn:aws:secretsmanager:eu-west-1:*:secret:shop/*",
            "arn:aws:secretsmanager:eu-west-2:*:secret:*",
        ],
    }]))
    .await;
    let carl = client(&world, "carl");
    assert_eq!(text(&carl, "shop/db").await.as_deref(), Some("swordfish"));
    carl.create_secret().name("shop/mine").secret_string("x").send().await.unwrap();
    let outside = || carl.create_secret().name("billing/mine").secret_string("x").send();
    assert_eq!(code(outside().await), "AccessDeniedException");
    let denied = message(outside().await);
    let begin = "User: arn:aws:iam::111122223333:user/carl is not authorized to perform: secretsmanager:CreateSecret \
                 on resource: arn:aws:secretsmanager:eu-west-1:111122223333:secret:billing/mine-";
    assert!(denied.starts_with(begin), "{denied}");
    let describe = carl.describe_secret().secret_id("shop/db").send().await;
    assert_eq!(code(describe), "AccessDeniedException");
    // Only a caller that may read the secret learns that there is none.
    let none = carl.get_secret_value().secret_id("billing/none").send().await;
    assert_eq!(code(none), "AccessDeniedException");
    let none = carl.get_secret_value().secret_id("shop/none").send().await;
    assert_eq!(code(none), "ResourceNotFoundException");
    let eve = client(&world, "eve");
    let foreign = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:shop/db";
    let foreign = eve.get_secret_value().secret_id(foreign).send().await;
    assert!(message(foreign).contains("because no resource-based policy allows"));
    let own = eve.get_secret_value().secret_id("shop/db").send().await;
    assert_eq!(code(own), "ResourceNotFoundException", "her own account's");

    let elsewhere = world.config("carl").into_builder().region(Region::new("eu-west-2")).build();
    let elsewhere = Client::new(&elsewhere).get_secret_value().secret_id("shop/db").send().await;
    assert_eq!(code(elsewhere), "ResourceNotFoundException", "secrets are of a Region");
    let west = "arn:aws:secretsmanager:eu-west-2:111122223333:secret:shop/db";
    let elsewhere = client(&world, "ann").get_secret_value().secret_id(west).send().await;
    assert_eq!(code(elsewhere), "ResourceNotFoundException", "and an endpoint knows its own alone");
}

#[tokio::test]
async fn keys_and_sessions_must_be_issued_ones() {
    let world = World::new().await;
    let get = |config: SdkConfig| async move {
        Client::new(&config).get_secret_value().secret_id("shop/db").send().await
    };
    let expected = [
        ("wrong secret", "InvalidSignatureException"),
        ("unknown key", "UnrecognizedClientException"),
        ("no token", "UnrecognizedClientException"),
        ("another session's token", "UnrecognizedClientException"),
        ("token without need", "UnrecognizedClientException"),
    ];
    for ((what, key), (name, error)) in world.wrong_keys().await.into_iter().zip(expected) {
        assert_eq!((what, code(get(world.config_of(key)).await)), (name, error.to_owned()));
    }
    let session = world.session().await;
    assert!(get(world.config_of(session.clone())).await.is_ok());
    world.manual.advance(Duration::from_secs(3600));
    assert_eq!(code(get(world.config_of(session)).await), "ExpiredTokenException");
    for (seconds, allowed) in [(600, true), (899, true), (901, false)] {
        let then = world.manual.clock().wall() - Duration::from_secs(seconds);
        let skewed = world.config("ann").into_builder();
        let then = aws_smithy_async::time::StaticTimeSource::new(then);
        let result = get(skewed.time_source(then).build()).await;
        if allowed {
            assert!(result.is_ok(), "{seconds}");
        } else {
            assert!(message(result).starts_with("Signature expired: "), "{seconds}");
        }
    }
}
