//! Each action that the policy builders know, called: on whatever endpoint, inside or outside of what a policy names.

use aws_config::SdkConfig;
use aws_sdk_ecr::primitives::Blob;
use aws_sdk_ecr::types::ImageIdentifier;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use rolecall::policy::{EcrAccess, PermissionPolicy, PolicyError, S3Access, SecretsAccess};

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It succeeded.
    Allowed,
    /// A policy denied it.
    Denied,
    /// It failed for another reason: the code.
    Failed(String),
}

/// The Region of everything.
pub const REGION: &str = "eu-west-1";
/// The account of everything.
pub const ACCOUNT: &str = "111122223333";
/// The bucket of everything.
pub const BUCKET: &str = "shop-data";
/// The role that may be assumed.
pub const ROLE: &str = "arn:aws:iam::111122223333:role/inside";
/// The role that may not.
pub const OTHER_ROLE: &str = "arn:aws:iam::111122223333:role/outside";

/// What a call names.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// A prefix in the bucket.
    pub prefix: &'static str,
    /// A prefix of secrets; `<prefix>db` is there, `<prefix>new` is not.
    pub secrets: &'static str,
    /// A repository.
    pub repository: &'static str,
    /// A role.
    pub role: &'static str,
}

/// What the policy lets in.
pub const INSIDE: Names =
    Names { prefix: "inside/", secrets: "inside/", repository: "inside/api", role: ROLE };
/// What it does not.
pub const OUTSIDE: Names =
    Names { prefix: "outside/", secrets: "outside/", repository: "outside/api", role: OTHER_ROLE };

/// Everything that the builders can allow, inside.
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
        Err(SdkError::ServiceError(refused)) => match refused.err().code() {
            Some("AccessDenied" | "AccessDeniedException") => Verdict::Denied,
            code => Verdict::Failed(code.unwrap_or("no code").to_owned()),
        },
        Err(_) => Verdict::Failed("no answer".to_owned()),
    }
}

const CONFIG: &str =
    r#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#;
/// Of CONFIG.
const CONFIG_DIGEST: &str =
    "sha256:dc570f145a7f2862c9ef3c30b8d6ae2feaceb0d364e4b2e08e67ae18815427d9";
const MEDIA: &str = "application/vnd.oci.image.manifest.v1+json";

/// Calls each action once, in an order in which each has what it needs, and says what came of it.
pub async fn ask_all(config: &SdkConfig, names: Names) -> Vec<(&'static str, Verdict)> {
    let mut told = Vec::new();
    objects(config, names, &mut told).await;
    secrets(config, names, &mut told).await;
    images(config, names, &mut told).await;
    let sts = aws_sdk_sts::Client::new(config);
    let assumed = sts.assume_role().role_arn(names.role).role_session_name("test").send().await;
    told.push(("sts:AssumeRole", verdict(assumed)));
    told
}

async fn objects(config: &SdkConfig, names: Names, told: &mut Vec<(&'static str, Verdict)>) {
    let s3 = aws_sdk_s3::Client::new(config);
    let key = format!("{}a", names.prefix);
    let put = s3.put_object().bucket(BUCKET).key(&key).body(ByteStream::from_static(b"a"));
    told.push(("s3:PutObject", verdict(Box::pin(put.send()).await)));
    let list = s3.list_objects_v2().bucket(BUCKET).prefix(names.prefix);
    told.push(("s3:ListBucket", verdict(Box::pin(list.send()).await)));
    let get = s3.get_object().bucket(BUCKET).key(&key);
    told.push(("s3:GetObject", verdict(Box::pin(get.send()).await)));
    let delete = s3.delete_object().bucket(BUCKET).key(&key);
    told.push(("s3:DeleteObject", verdict(Box::pin(delete.send()).await)));
}

async fn secrets(config: &SdkConfig, names: Names, told: &mut Vec<(&'static str, Verdict)>) {
    let client = aws_sdk_secretsmanager::Client::new(config);
    let held = format!("{}db", names.secrets);
    let create = client.create_secret().name(format!("{}new", names.secrets)).secret_string("new");
    told.push(("secretsmanager:CreateSecret", verdict(create.send().await)));
    let put = client.put_secret_value().secret_id(&held).secret_string("changed");
    told.push(("secretsmanager:PutSecretValue", verdict(put.send().await)));
    let described = client.describe_secret().secret_id(&held).send().await;
    told.push(("secretsmanager:DescribeSecret", verdict(described)));
    let got = client.get_secret_value().secret_id(&held).send().await;
    told.push(("secretsmanager:GetSecretValue", verdict(got)));
}

async fn images(config: &SdkConfig, names: Names, told: &mut Vec<(&'static str, Verdict)>) {
    let ecr = aws_sdk_ecr::Client::new(config);
    let repository = names.repository;
    let login = ecr.get_authorization_token().send().await;
    told.push(("ecr:GetAuthorizationToken", verdict(login)));
    let check = ecr.batch_check_layer_availability().repository_name(repository);
    let check = check.layer_digests(CONFIG_DIGEST).send().await;
    told.push(("ecr:BatchCheckLayerAvailability", verdict(check)));
    let begun = ecr.initiate_layer_upload().repository_name(repository).send().await;
    let id = begun.as_ref().ok().and_then(|begun| begun.upload_id()).unwrap_or("none").to_owned();
    told.push(("ecr:InitiateLayerUpload", verdict(begun)));
    let end = i64::try_from(CONFIG.len()).unwrap_or(0) - 1;
    let part = ecr.upload_layer_part().repository_name(repository).upload_id(&id);
    let part = part.part_first_byte(0).part_last_byte(end).layer_part_blob(Blob::new(CONFIG));
    told.push(("ecr:UploadLayerPart", verdict(part.send().await)));
    let done = ecr.complete_layer_upload().repository_name(repository).upload_id(&id);
    let done = done.layer_digests(CONFIG_DIGEST).send().await;
    told.push(("ecr:CompleteLayerUpload", verdict(done)));
    // One blob is both: an image's configuration is a layer to ECR.
    let blob =
        format!(r#"{{"mediaType":"text/plain","digest":"{CONFIG_DIGEST}","size":{}}}"#, end + 1);
    let manifest =
        format!(r#"{{"schemaVersion":2,"mediaType":"{MEDIA}","config":{blob},"layers":[{blob}]}}"#);
    let put =
        ecr.put_image().repository_name(repository).image_tag("test").image_manifest(manifest);
    told.push(("ecr:PutImage", verdict(put.send().await)));
    let image = || ImageIdentifier::builder().image_tag("test").build();
    let get = ecr.batch_get_image().repository_name(repository).image_ids(image());
    told.push(("ecr:BatchGetImage", verdict(get.send().await)));
    let url = ecr.get_download_url_for_layer().repository_name(repository);
    told.push((
        "ecr:GetDownloadUrlForLayer",
        verdict(url.layer_digest(CONFIG_DIGEST).send().await),
    ));
    let delete = ecr.batch_delete_image().repository_name(repository).image_ids(image());
    told.push(("ecr:BatchDeleteImage", verdict(delete.send().await)));
}
