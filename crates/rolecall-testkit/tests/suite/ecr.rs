use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest as hash};
use aws_sdk_ecr::Client;
use aws_sdk_ecr::operation::put_image::{PutImageError, PutImageOutput};
use aws_sdk_ecr::primitives::Blob;
use aws_sdk_ecr::types::ImageIdentifier;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use base64::Engine;
use serde_json::json;

use crate::services::{World, code};

const API: &str = "shop/api";
const PART: usize = 5 * 1024 * 1024;

fn client(world: &World, user: &str) -> Client {
    Client::new(&world.config(user))
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = hash(&SHA256, bytes).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

async fn begin(ecr: &Client) -> String {
    let begun = ecr.initiate_layer_upload().repository_name(API).send().await.unwrap();
    begun.upload_id().unwrap().to_owned()
}

/// Uploads one part; the error's code, if it is refused.
async fn part(ecr: &Client, id: &str, first: usize, bytes: &[u8]) -> Result<(), String> {
    let last = i64::try_from(first + bytes.len()).unwrap() - 1;
    let request = ecr.upload_layer_part().repository_name(API).upload_id(id);
    let request = request.part_first_byte(i64::try_from(first).unwrap()).part_last_byte(last);
    match request.layer_part_blob(Blob::new(bytes)).send().await {
        Ok(output) => {
            assert_eq!(output.last_byte_received(), Some(last));
            Ok(())
        }
        error => Err(code(error)),
    }
}

async fn complete(ecr: &Client, id: &str, digest: &str) -> Result<(), String> {
    let request = ecr.complete_layer_upload().repository_name(API).upload_id(id);
    match request.layer_digests(digest).send().await {
        Ok(output) => {
            assert_eq!(output.layer_digest(), Some(digest));
            Ok(())
        }
        error => Err(code(error)),
    }
}

async fn upload(ecr: &Client, blob: &[u8]) {
    let id = begin(ecr).await;
    for (index, bytes) in blob.chunks(PART).enumerate() {
        part(ecr, &id, index * PART, bytes).await.unwrap();
    }
    complete(ecr, &id, &digest(blob)).await.unwrap();
}

fn manifest(config: &[u8], layer: &[u8]) -> String {
    let blob = |bytes: &[u8]| json!({ "mediaType": "text/plain", "digest": digest(bytes), "size": bytes.len() });
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(config),
        "layers": [blob(layer)],
    })
    .to_string()
}

async fn push(
    ecr: &Client,
    manifest: &str,
    tag: Option<&str>,
) -> Result<PutImageOutput, SdkError<PutImageError, HttpResponse>> {
    let request = ecr.put_image().repository_name(API).image_manifest(manifest);
    request.set_image_tag(tag.map(str::to_owned)).send().await
}

/// A plain GET without a signature.
async fn download(world: &World, url: &str) -> (u16, Vec<u8>) {
    let path = url.strip_prefix(world.aws.endpoint_url()).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let (status, _, body) = world.raw(request.as_bytes()).await;
    (status, body)
}

#[tokio::test]
async fn ecr_login_is_password_for_twelve_hours() {
    let world = World::with_carl(json!([
        { "Action": "ecr:*", "Resource": "arn:aws:ecr:eu-west-1:111122223333:repository/*" },
    ]))
    .await;
    let output = client(&world, "ann").get_authorization_token().send().await.unwrap();
    let data = &output.authorization_data()[0];
    let token =
        base64::engine::general_purpose::STANDARD.decode(data.authorization_token().unwrap());
    let token = String::from_utf8(token.unwrap()).unwrap();
    let password = token.strip_prefix("AWS:").unwrap().to_owned();
    assert!(world.aws.secrets().contains(&password));
    let endpoint = data.proxy_endpoint();
    assert_eq!(endpoint, Some("https://111122223333.dkr.ecr.eu-west-1.amazonaws.com"));
    let now = world.manual.clock().wall().duration_since(std::time::UNIX_EPOCH).unwrap();
    let left = data.expires_at().unwrap().secs() - i64::try_from(now.as_secs()).unwrap();
    assert_eq!(left, 12 * 3600);
    // It is for no repository: only `*` allows it.
    let denied = client(&world, "carl").get_authorization_token().send().await;
    assert_eq!(code(denied), "AccessDeniedException");
}

#[tokio::test]
async fn image_pushed_in_parts_is_pulled_unchanged() {
    let world = World::new().await;
    let ecr = client(&world, "ann");
    let layer: Vec<u8> =
        (0..20_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let config = b"{}".to_vec();
    let check = ecr.batch_check_layer_availability().repository_name(API);
    let check = check.layer_digests(digest(&layer)).layer_digests("nonsense").send().await.unwrap();
    assert_eq!(check.layers()[0].layer_availability().unwrap().as_str(), "UNAVAILABLE");
    assert_eq!(check.failures()[0].failure_code().unwrap().as_str(), "InvalidLayerDigest");

    upload(&ecr, &layer).await;
    let manifest = manifest(&config, &layer);
    let without = push(&ecr, &manifest, Some("1.0")).await;
    assert_eq!(code(without), "LayersNotFoundException");
    upload(&ecr, &config).await;
    let pushed = push(&ecr, &manifest, Some("1.0")).await.unwrap();
    let id = pushed.image().unwrap().image_id().unwrap();
    assert_eq!(id.image_digest(), Some(digest(manifest.as_bytes()).as_str()));
    assert_eq!(code(push(&ecr, &manifest, Some("1.0")).await), "ImageAlreadyExistsException");
    push(&ecr, &manifest, Some("latest")).await.unwrap();

    let get = |id: ImageIdentifier| ecr.batch_get_image().repository_name(API).image_ids(id).send();
    for id in [
        ImageIdentifier::builder().image_tag("1.0").build(),
        ImageIdentifier::builder().image_tag("latest").build(),
        ImageIdentifier::builder().image_digest(digest(manifest.as_bytes())).build(),
    ] {
        let got = get(id).await.unwrap();
        assert_eq!(got.images()[0].image_manifest(), Some(manifest.as_str()));
    }
    let none = get(ImageIdentifier::builder().image_tag("2.0").build()).await.unwrap();
    assert_eq!(none.failures()[0].failure_code().unwrap().as_str(), "ImageNotFound");

    let url = ecr.get_download_url_for_layer().repository_name(API);
    let url = url.layer_digest(digest(&layer)).send().await.unwrap();
    let url = url.download_url().unwrap();
    let (status, bytes) = download(&world, url).await;
    assert!(status == 200 && bytes == layer);
    let (status, _) = download(&world, &url.replace("/_ecr/layers/", "/_ecr/layers/x")).await;
    assert_eq!(status, 403, "a URL that nobody was given");
    world.manual.advance(Duration::from_secs(3600));
    assert_eq!(download(&world, url).await.0, 403, "it has ended");

    let remove =
        |id: ImageIdentifier| ecr.batch_delete_image().repository_name(API).image_ids(id).send();
    let tag = |tag: &str| ImageIdentifier::builder().image_tag(tag).build();
    remove(tag("1.0")).await.unwrap();
    assert_eq!(get(tag("1.0")).await.unwrap().images().len(), 0);
    assert_eq!(get(tag("latest")).await.unwrap().images().len(), 1, "the other tag stays");
    remove(tag("latest")).await.unwrap();
    let by_digest = ImageIdentifier::builder().image_digest(digest(manifest.as_bytes())).build();
    assert_eq!(get(by_digest).await.unwrap().images().len(), 0, "the last tag takes it along");
    assert_eq!(remove(tag("latest")).await.unwrap().failures().len(), 1);
}

#[tokio::test]
async fn invalid_layer_uploads_are_refused() {
    let world = World::new().await;
    let ecr = client(&world, "ann");
    let refused = |code: &str| Err(code.to_owned());
    let (whole, end) = (vec![1; PART], vec![2; 10]);
    let id = begin(&ecr).await;
    assert_eq!(complete(&ecr, &id, &digest(b"")).await, refused("EmptyUploadException"));
    assert_eq!(part(&ecr, &id, 1, &whole).await, refused("InvalidLayerPartException"));
    assert_eq!(part(&ecr, "nonsense", 0, &whole).await, refused("UploadNotFoundException"));
    part(&ecr, &id, 0, &whole).await.unwrap();
    assert_eq!(part(&ecr, &id, 0, &whole).await, refused("InvalidLayerPartException"));
    part(&ecr, &id, PART, &end).await.unwrap();
    let short = refused("LayerPartTooSmallException");
    assert_eq!(part(&ecr, &id, PART + 10, &end).await, short, "only the last may be short");
    let wrong = digest(b"other");
    assert_eq!(complete(&ecr, &id, &wrong).await, refused("InvalidLayerException"));
    let right = digest(&[whole, end].concat());
    complete(&ecr, &id, &right).await.unwrap();
    assert_eq!(complete(&ecr, &id, &right).await, refused("UploadNotFoundException"));

    let again = begin(&ecr).await;
    part(&ecr, &again, 0, b"small").await.unwrap();
    complete(&ecr, &again, &digest(b"small")).await.unwrap();
    let again = begin(&ecr).await;
    part(&ecr, &again, 0, b"small").await.unwrap();
    let known = complete(&ecr, &again, &digest(b"small")).await;
    assert_eq!(known, refused("LayerAlreadyExistsException"));

    assert_eq!(code(push(&ecr, "no JSON", None).await), "InvalidParameterException");
    let url = ecr.get_download_url_for_layer().repository_name(API);
    let url = url.layer_digest(digest(b"unknown")).send().await;
    assert_eq!(code(url), "LayersNotFoundException");
    let unknown = ecr.describe_repositories().send().await;
    assert_eq!(code(unknown), "UnknownOperationException");
}

#[tokio::test]
async fn tag_moves_to_newest_image() {
    let world = World::new().await;
    let ecr = client(&world, "ann");
    let blobs = [&b"one"[..], b"two"];
    for blob in blobs {
        upload(&ecr, blob).await;
    }
    let [one, two] = [manifest(blobs[0], blobs[1]), manifest(blobs[1], blobs[0])];
    let [first, second] = [digest(one.as_bytes()), digest(two.as_bytes())];
    let id = ImageIdentifier::builder;
    let both = || id().image_tag("latest").image_digest(&first).build();
    let get = |id: ImageIdentifier| ecr.batch_get_image().repository_name(API).image_ids(id).send();
    push(&ecr, &one, Some("latest")).await.unwrap();
    assert_eq!(get(both()).await.unwrap().images().len(), 1);
    push(&ecr, &two, Some("latest")).await.unwrap();
    let latest = get(id().image_tag("latest").build()).await.unwrap();
    assert_eq!(latest.images()[0].image_manifest(), Some(two.as_str()));
    assert_eq!(get(both()).await.unwrap().images().len(), 0, "the tag is another's now");
    let untagged = get(id().image_digest(&first).build()).await.unwrap();
    assert_eq!(untagged.images()[0].image_manifest(), Some(one.as_str()), "it is still there");
    assert_eq!(code(push(&ecr, &one, None).await), "ImageAlreadyExistsException");
    let other = ecr.put_image().repository_name(API).image_manifest(&one).image_digest(&second);
    assert_eq!(code(other.send().await), "ImageDigestDoesNotMatchException");

    // A digest goes with all its tags.
    push(&ecr, &two, Some("2.0")).await.unwrap();
    let by_digest = id().image_digest(&second).build();
    let gone = ecr.batch_delete_image().repository_name(API).image_ids(by_digest).send().await;
    assert_eq!(gone.unwrap().image_ids()[0].image_digest(), Some(second.as_str()));
    for (what, id, expected) in [
        ("a tag of it", id().image_tag("latest").build(), "ImageNotFound"),
        ("another", id().image_tag("2.0").build(), "ImageNotFound"),
        ("its digest", id().image_digest(&second).build(), "ImageNotFound"),
        ("no digest", id().image_digest("nonsense").build(), "InvalidImageDigest"),
        ("nothing", id().build(), "MissingDigestAndTag"),
    ] {
        let got = get(id).await.unwrap();
        let failed = got.failures()[0].failure_code().unwrap().as_str().to_owned();
        assert_eq!((what, failed.as_str()), (what, expected));
    }
}

#[tokio::test]
async fn policies_match_repositories() {
    let world = World::with_carl(json!([
        { "Action": "ecr:*", "Resource": "arn:aws:ecr:eu-west-1:111122223333:repository/shop/*" },
    ]))
    .await;
    let begin = |user: &str, repository: &str| {
        let client = client(&world, user);
        client.initiate_layer_upload().repository_name(repository).send()
    };
    assert!(begin("carl", API).await.is_ok());
    assert_eq!(code(begin("carl", "shop/none").await), "RepositoryNotFoundException");
    assert_eq!(code(begin("carl", "billing/api").await), "AccessDeniedException");
    assert_eq!(code(begin("bob", API).await), "AccessDeniedException");
    assert_eq!(code(begin("eve", API).await), "RepositoryNotFoundException", "her own account's");
    let foreign = client(&world, "eve").initiate_layer_upload().repository_name(API);
    let foreign = foreign.registry_id("111122223333").send().await;
    assert_eq!(code(foreign), "AccessDeniedException");
}
