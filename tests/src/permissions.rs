//! Calls every action that the policy builders can allow, on resources inside or outside of what a
//! policy covers.
//!
//! The endpoint comes from the SDK configuration, so that the same calls are made to different
//! servers.

use aws_config::SdkConfig;
use aws_sdk_ecr::primitives::Blob;
use aws_sdk_ecr::types::ImageIdentifier;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use rolecall::policy::{EcrAccess, PermissionPolicy, PolicyError, S3Access, SecretsAccess};

/// Result of a call, as far as its policy is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The call succeeded.
    Allowed,
    /// A policy denied the call.
    Denied,
    /// The call failed for another reason, with this error code.
    Failed(String),
}

/// Region of all resources.
pub const REGION: &str = "eu-west-1";
/// Account of all resources.
pub const ACCOUNT: &str = "111122223333";
/// Bucket of all objects.
pub const BUCKET: &str = "shop-data";
/// Role that the policy allows to assume.
pub const ROLE: &str = "arn:aws:iam::111122223333:role/inside";
/// Role that the policy does not allow to assume.
pub const OTHER_ROLE: &str = "arn:aws:iam::111122223333:role/outside";

/// Names of the resources that calls use.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// Prefix of the objects in the bucket.
    pub prefix: &'static str,
    /// Prefix of the secrets. `<prefix>db` exists; `<prefix>new` does not.
    pub secrets: &'static str,
    /// ECR repository.
    pub repository: &'static str,
    /// Role to assume.
    pub role: &'static str,
}

/// Names that the policy covers.
pub const INSIDE: Names =
    Names { prefix: "inside/", secrets: "inside/", repository: "inside/api", role: ROLE };
/// Names that the policy does not cover.
pub const OUTSIDE: Names =
    Names { prefix: "outside/", secrets: "outside/", repository: "outside/api", role: OTHER_ROLE };

/// Returns a policy that allows every action of the builders, on the resources of [`INSIDE`].
///
/// # Errors
///
/// Returns a [`PolicyError`] if a builder rejects one of the names.
pub fn everything() -> Result<PermissionPolicy, PolicyError> {
    let objects = S3Access::under(BUCKET, [INSIDE.prefix])?.list().read().write().delete();
    let secrets = SecretsAccess::under(REGION, [INSIDE.secrets])?.read().write();
    let images = EcrAccess::under(REGION, ["inside/"])?.account(ACCOUNT)?;
    PermissionPolicy::builder()
        .s3(objects)
        .secrets(secrets)
        .ecr(images.push().pull().delete())
        .assume_roles([ROLE])?
        .build()
}

fn verdict<T, E: ProvideErrorMetadata>(result: Result<T, SdkError<E, HttpResponse>>) -> Verdict {
    match result {
        Ok(_) => Verdict::Allowed,
        Err(SdkError::ServiceError(error)) => match error.err().code() {
            Some("AccessDenied" | "AccessDeniedException") => Verdict::Denied,
            code => Verdict::Failed(code.unwrap_or("no code").to_owned()),
        },
        Err(_) => Verdict::Failed("no response".to_owned()),
    }
}

const CONFIG: &str =
    r#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#;
/// SHA-256 digest of `CONFIG`.
const CONFIG_DIGEST: &str =
    "sha256:dc570f145a7f2862c9ef3c30b8d6ae2feaceb0d364e4b2e08e67ae18815427d9";
const MEDIA: &str = "application/vnd.oci.image.manifest.v1+json";

/// Calls each action once and returns the verdicts.
///
/// The order matters: a secret, an object and an image exist when the actions that use them are
/// called.
pub async fn ask_all(config: &SdkConfig, names: Names) -> Vec<(&'static str, Verdict)> {
    let mut verdicts = Vec::new();
    objects(config, names, &mut verdicts).await;
    secrets(config, names, &mut verdicts).await;
    images(config, names, &mut verdicts).await;
    let sts = aws_sdk_sts::Client::new(config);
    let assumed = sts.assume_role().role_arn(names.role).role_session_name("test").send().await;
    verdicts.push(("sts:AssumeRole", verdict(assumed)));
    verdicts
}

async fn objects(config: &SdkConfig, names: Names, verdicts: &mut Vec<(&'static str, Verdict)>) {
    let s3 = aws_sdk_s3::Client::new(config);
    let key = format!("{}a", names.prefix);
    let put = s3.put_object().bucket(BUCKET).key(&key).body(ByteStream::from_static(b"a"));
    verdicts.push(("s3:PutObject", verdict(Box::pin(put.send()).await)));
    let list = s3.list_objects_v2().bucket(BUCKET).prefix(names.prefix);
    verdicts.push(("s3:ListBucket", verdict(Box::pin(list.send()).await)));
    let get = s3.get_object().bucket(BUCKET).key(&key);
    verdicts.push(("s3:GetObject", verdict(Box::pin(get.send()).await)));
    let delete = s3.delete_object().bucket(BUCKET).key(&key);
    verdicts.push(("s3:DeleteObject", verdict(Box::pin(delete.send()).await)));
}

async fn secrets(config: &SdkConfig, names: Names, verdicts: &mut Vec<(&'static str, Verdict)>) {
    let client = aws_sdk_secretsmanager::Client::new(config);
    let existing = format!("{}db", names.secrets);
    let create = client.create_secret().name(format!("{}new", names.secrets)).secret_string("new");
    verdicts.push(("secretsmanager:CreateSecret", verdict(create.send().await)));
    let put = client.put_secret_value().secret_id(&existing).secret_string("changed");
    verdicts.push(("secretsmanager:PutSecretValue", verdict(put.send().await)));
    let described = client.describe_secret().secret_id(&existing).send().await;
    verdicts.push(("secretsmanager:DescribeSecret", verdict(described)));
    let value = client.get_secret_value().secret_id(&existing).send().await;
    verdicts.push(("secretsmanager:GetSecretValue", verdict(value)));
}

async fn images(config: &SdkConfig, names: Names, verdicts: &mut Vec<(&'static str, Verdict)>) {
    let ecr = aws_sdk_ecr::Client::new(config);
    let repository = names.repository;
    let login = ecr.get_authorization_token().send().await;
    verdicts.push(("ecr:GetAuthorizationToken", verdict(login)));
    let check = ecr.batch_check_layer_availability().repository_name(repository);
    let check = check.layer_digests(CONFIG_DIGEST).send().await;
    verdicts.push(("ecr:BatchCheckLayerAvailability", verdict(check)));
    let initiated = ecr.initiate_layer_upload().repository_name(repository).send().await;
    let id =
        initiated.as_ref().ok().and_then(|output| output.upload_id()).unwrap_or("none").to_owned();
    verdicts.push(("ecr:InitiateLayerUpload", verdict(initiated)));
    let end = i64::try_from(CONFIG.len()).unwrap_or(0) - 1;
    let part = ecr.upload_layer_part().repository_name(repository).upload_id(&id);
    let part = part.part_first_byte(0).part_last_byte(end).layer_part_blob(Blob::new(CONFIG));
    verdicts.push(("ecr:UploadLayerPart", verdict(part.send().await)));
    let done = ecr.complete_layer_upload().repository_name(repository).upload_id(&id);
    let done = done.layer_digests(CONFIG_DIGEST).send().await;
    verdicts.push(("ecr:CompleteLayerUpload", verdict(done)));
    // ECR treats the configuration of an image as a layer, so one blob can serve as both.
    let blob =
        format!(r#"{{"mediaType":"text/plain","digest":"{CONFIG_DIGEST}","size":{}}}"#, end + 1);
    let manifest =
        format!(r#"{{"schemaVersion":2,"mediaType":"{MEDIA}","config":{blob},"layers":[{blob}]}}"#);
    let put =
        ecr.put_image().repository_name(repository).image_tag("test").image_manifest(manifest);
    verdicts.push(("ecr:PutImage", verdict(put.send().await)));
    let image = || ImageIdentifier::builder().image_tag("test").build();
    let get = ecr.batch_get_image().repository_name(repository).image_ids(image());
    verdicts.push(("ecr:BatchGetImage", verdict(get.send().await)));
    let url = ecr.get_download_url_for_layer().repository_name(repository);
    verdicts.push((
        "ecr:GetDownloadUrlForLayer",
        verdict(url.layer_digest(CONFIG_DIGEST).send().await),
    ));
    let delete = ecr.batch_delete_image().repository_name(repository).image_ids(image());
    verdicts.push(("ecr:BatchDeleteImage", verdict(delete.send().await)));
}
