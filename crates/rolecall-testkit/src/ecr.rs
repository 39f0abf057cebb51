//! ECR: the login, layers up and down, images.

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::json::{Call, Service, timestamp};
use crate::server::{Answer, Shared};
use crate::wire::{Fault, respond};
use crate::world::Account;
use store::{Repository, full};

mod store;

pub(crate) use store::Store;

pub(crate) static SERVICE: Service = Service {
    name: "ecr",
    target: "AmazonEC2ContainerRegistry_V20150921",
    operations: &[
        ("GetAuthorizationToken", get_authorization_token),
        ("BatchCheckLayerAvailability", batch_check_layer_availability),
        ("InitiateLayerUpload", initiate_layer_upload),
        ("UploadLayerPart", upload_layer_part),
        ("CompleteLayerUpload", complete_layer_upload),
        ("PutImage", put_image),
        ("BatchGetImage", batch_get_image),
        ("BatchDeleteImage", batch_delete_image),
        ("GetDownloadUrlForLayer", get_download_url_for_layer),
    ],
};

impl Account {
    /// Adds an ECR repository in a Region.
    ///
    /// # Examples
    ///
    /// ```
    /// use rolecall_testkit::Account;
    /// let account = Account::new("111122223333").repository("eu-west-1", "shop/api");
    /// ```
    pub fn repository(mut self, region: impl Into<String>, name: impl Into<String>) -> Self {
        self.repositories.push((region.into(), name.into()));
        self
    }
}

/// Under which layers are served: no bucket has such a name.
pub(crate) const LAYERS: &str = "/_ecr/layers/";
/// How long a login is taken. (ECR API Reference, GetAuthorizationToken.)
const LOGIN_SECONDS: u64 = 12 * 3600;
/// What InitiateLayerUpload asks for, and the least that a part but the last must have. (ECR API
/// Reference.)
const PART_SIZE: usize = 20 * 1024 * 1024;
const MIN_PART_SIZE: usize = 5 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Login {
    registry_ids: Option<Vec<String>>,
}

fn get_authorization_token(call: &Call<'_>) -> Result<Value, Fault> {
    let input: Login = call.input()?;
    call.authorize("*", call.account())?;
    let registries = input.registry_ids.unwrap_or_else(|| vec![call.account().to_owned()]);
    let expires = call.now + std::time::Duration::from_secs(LOGIN_SECONDS);
    let data: Vec<Value> = registries
        .iter()
        .map(|registry| {
            let password = call.shared.ecr().password();
            json!({
                "authorizationToken": STANDARD.encode(format!("AWS:{password}")),
                "expiresAt": timestamp(expires),
                "proxyEndpoint": format!("https://{registry}.dkr.ecr.{}.amazonaws.com", call.region),
            })
        })
        .collect();
    Ok(json!({ "authorizationData": data }))
}

/// Lets the caller act on a repository, and finds it.
fn on_repository<T>(
    call: &Call<'_>,
    registry: Option<&str>,
    name: &str,
    work: impl FnOnce(&mut Repository, &str) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let account = registry.unwrap_or_else(|| call.account());
    let arn = format!("arn:aws:ecr:{}:{account}:repository/{name}", call.region);
    call.authorize(&arn, account)?;
    let mut store = call.shared.ecr();
    let found = store.repository(account, call.region, name).ok_or_else(|| {
        let message = format!(
            "The repository with name '{name}' does not exist in the registry with id '{account}'"
        );
        Fault::new(400, "RepositoryNotFoundException", message)
    })?;
    work(found, account)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Layers {
    registry_id: Option<String>,
    repository_name: String,
    layer_digests: Vec<String>,
}

fn batch_check_layer_availability(call: &Call<'_>) -> Result<Value, Fault> {
    let input: Layers = call.input()?;
    on_repository(call, input.registry_id.as_deref(), &input.repository_name, |repository, _| {
        let (mut layers, mut failures) = (Vec::new(), Vec::new());
        for digest in &input.layer_digests {
            match repository.layer(digest) {
                Some(layer) => layers.push(json!({
                    "layerDigest": digest,
                    "layerAvailability": "AVAILABLE",
                    "layerSize": layer.len(),
                    "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                })),
                None if !store::is_digest(digest) => failures.push(json!({
                    "layerDigest": digest,
                    "failureCode": "InvalidLayerDigest",
                    "failureReason": "Invalid layer digest",
                })),
                None => layers.push(json!({
                    "layerDigest": digest,
                    "layerAvailability": "UNAVAILABLE",
                })),
            }
        }
        Ok(json!({ "layers": layers, "failures": failures }))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Initiate {
    registry_id: Option<String>,
    repository_name: String,
}

fn initiate_layer_upload(call: &Call<'_>) -> Result<Value, Fault> {
    let input: Initiate = call.input()?;
    on_repository(call, input.registry_id.as_deref(), &input.repository_name, |repository, _| {
        let id = repository.begin_upload().ok_or_else(|| full("uploads"))?;
        Ok(json!({ "uploadId": id, "partSize": PART_SIZE }))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Part {
    registry_id: Option<String>,
    repository_name: String,
    upload_id: String,
    part_first_byte: usize,
    part_last_byte: usize,
    layer_part_blob: String,
}

fn no_upload(id: &str) -> Fault {
    let message = format!("The upload with id '{id}' could not be found");
    Fault::new(400, "UploadNotFoundException", message)
}

fn upload_layer_part(call: &Call<'_>) -> Result<Value, Fault> {
    let input: Part = call.input()?;
    let registry = input.registry_id.as_deref();
    on_repository(call, registry, &input.repository_name, |repository, account| {
        let bytes = STANDARD.decode(&input.layer_part_blob).map_err(|_| {
            Fault::new(400, "InvalidParameterException", "layerPartBlob is not base64")
        })?;
        repository.room_for(bytes.len())?;
        let upload = repository.uploads.get_mut(&input.upload_id);
        let upload = upload.ok_or_else(|| no_upload(&input.upload_id))?;
        let have = upload.bytes.len();
        if input.part_first_byte != have
            || input.part_last_byte.checked_add(1) != Some(have + bytes.len())
        {
            let message = format!("Layer part received is invalid: the next begins at byte {have}");
            return Err(Fault::new(400, "InvalidLayerPartException", message));
        }
        if bytes.len() > PART_SIZE {
            return Err(Fault::new(400, "InvalidParameterException", "the part is too long"));
        }
        if have + bytes.len() > store::MAX_LAYER_BYTES {
            return Err(full("bytes in one layer"));
        }
        // Only the last may be short, and until the next comes it is the last.
        if upload.short {
            let message = "Layer parts must be at least 5 MiB in size";
            return Err(Fault::new(400, "LayerPartTooSmallException", message));
        }
        upload.short = bytes.len() < MIN_PART_SIZE;
        upload.bytes.extend_from_slice(&bytes);
        Ok(json!({
            "registryId": account,
            "repositoryName": input.repository_name,
            "uploadId": input.upload_id,
            "lastByteReceived": input.part_last_byte,
        }))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Complete {
    registry_id: Option<String>,
    repository_name: String,
    upload_id: String,
    layer_digests: Vec<String>,
}

fn complete_layer_upload(call: &Call<'_>) -> Result<Value, Fault> {
    let input: Complete = call.input()?;
    let registry = input.registry_id.as_deref();
    on_repository(call, registry, &input.repository_name, |repository, account| {
        let upload = repository.uploads.get(&input.upload_id);
        let upload = upload.ok_or_else(|| no_upload(&input.upload_id))?;
        if upload.bytes.is_empty() {
            let message = "The specified layer upload does not contain any layer parts";
            return Err(Fault::new(400, "EmptyUploadException", message));
        }
        let digest = store::digest(&upload.bytes);
        if !input.layer_digests.contains(&digest) {
            let message = "The layer digest calculation performed by Amazon ECR upon receipt of the image layer does \
                           not match the digest specified";
            return Err(Fault::new(400, "InvalidLayerException", message));
        }
        if repository.layer(&digest).is_some() {
            repository.uploads.remove(&input.upload_id);
            let message = format!(
                "Layer with digest '{digest}' already exists in the repository with name '{}' in registry with id \
                 '{account}'",
                input.repository_name
            );
            return Err(Fault::new(400, "LayerAlreadyExistsException", message));
        }
        repository.keep_layer(&input.upload_id, &digest);
        Ok(json!({
            "registryId": account,
            "repositoryName": input.repository_name,
            "uploadId": input.upload_id,
            "layerDigest": digest,
        }))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Put {
    registry_id: Option<String>,
    repository_name: String,
    image_manifest: String,
    image_manifest_media_type: Option<String>,
    image_tag: Option<String>,
    image_digest: Option<String>,
}

fn put_image(call: &Call<'_>) -> Result<Value, Fault> {
    let input: Put = call.input()?;
    let registry = input.registry_id.as_deref();
    on_repository(call, registry, &input.repository_name, |repository, account| {
        let manifest =
            store::Manifest::parse(&input.image_manifest, input.image_manifest_media_type)?;
        if let Some(missing) = manifest.blobs.iter().find(|b| repository.layer(b).is_none()) {
            let message = format!(
                "Layers with digests '[{missing}]' required for pushing image into repository with \
                                   name '{}' in the registry with id '{account}' do not exist",
                input.repository_name
            );
            return Err(Fault::new(400, "LayersNotFoundException", message));
        }
        if input.image_digest.as_ref().is_some_and(|given| *given != manifest.digest) {
            let message = "The image digest does not match the digest that Amazon ECR calculated for the image";
            return Err(Fault::new(400, "ImageDigestDoesNotMatchException", message));
        }
        let tag = input.image_tag.as_deref();
        repository.keep_image(&manifest, tag)?;
        Ok(json!({ "image": {
            "registryId": account,
            "repositoryName": input.repository_name,
            "imageId": store::image_id(&manifest.digest, tag),
            "imageManifest": manifest.text,
            "imageManifestMediaType": manifest.media_type,
        } }))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Images {
    registry_id: Option<String>,
    repository_name: String,
    image_ids: Vec<ImageId>,
    accepted_media_types: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ImageId {
    image_digest: Option<String>,
    image_tag: Option<String>,
}

fn image_failure(id: &ImageId) -> Value {
    let (code, reason) = match (&id.image_digest, &id.image_tag) {
        (None, None) => ("MissingDigestAndTag", "Neither a digest nor a tag was given"),
        (Some(digest), _) if !store::is_digest(digest) => {
            ("InvalidImageDigest", "Invalid image digest")
        }
        _ => ("ImageNotFound", "Requested image not found"),
    };
    json!({
        "imageId": { "imageDigest": id.image_digest, "imageTag": id.image_tag },
        "failureCode": code,
        "failureReason": reason,
    })
}

fn batch_get_image(call: &Call<'_>) -> Result<Value, Fault> {
    let input: Images = call.input()?;
    let registry = input.registry_id.as_deref();
    on_repository(call, registry, &input.repository_name, |repository, account| {
        let (mut images, mut failures) = (Vec::new(), Vec::new());
        let accepts = |media_type: &String| {
            input.accepted_media_types.as_ref().is_none_or(|accepted| accepted.contains(media_type))
        };
        for id in &input.image_ids {
            match repository.image(id).filter(|image| accepts(&image.media_type)) {
                Some(image) => images.push(json!({
                    "registryId": account,
                    "repositoryName": input.repository_name,
                    "imageId": store::image_id(&image.digest, id.image_tag.as_deref()),
                    "imageManifest": image.text,
                    "imageManifestMediaType": image.media_type,
                })),
                None => failures.push(image_failure(id)),
            }
        }
        Ok(json!({ "images": images, "failures": failures }))
    })
}

fn batch_delete_image(call: &Call<'_>) -> Result<Value, Fault> {
    let input: Images = call.input()?;
    let registry = input.registry_id.as_deref();
    on_repository(call, registry, &input.repository_name, |repository, _| {
        let (mut gone, mut failures) = (Vec::new(), Vec::new());
        for id in &input.image_ids {
            match repository.remove_image(id) {
                Some(digest) => gone.push(store::image_id(&digest, id.image_tag.as_deref())),
                None => failures.push(image_failure(id)),
            }
        }
        Ok(json!({ "imageIds": gone, "failures": failures }))
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Layer {
    registry_id: Option<String>,
    repository_name: String,
    layer_digest: String,
}

fn get_download_url_for_layer(call: &Call<'_>) -> Result<Value, Fault> {
    let input: Layer = call.input()?;
    let registry = input.registry_id.as_deref();
    let layer = on_repository(call, registry, &input.repository_name, |repository, account| {
        repository.layer(&input.layer_digest).ok_or_else(|| {
            let message = format!(
                "Layer with digest '{}' could not be found in the repository with name '{}' in registry with id \
                 '{account}'",
                input.layer_digest, input.repository_name
            );
            Fault::new(400, "LayersNotFoundException", message)
        })
    })?;
    let token = call.shared.ecr().offer(layer, call.now);
    let url = format!("{}{LAYERS}{token}", call.shared.url);
    Ok(json!({ "downloadUrl": url, "layerDigest": input.layer_digest }))
}

/// Serves a layer to every request for its URL, as AWS's presigned URLs do.
pub(crate) fn download(shared: &Shared, request: &Request) -> Answer {
    let token = request.uri().path().strip_prefix(LAYERS).unwrap_or_default();
    match shared.ecr().offered(token, shared.clock.wall()) {
        Some(layer) if request.method() == "GET" => {
            let response: Response<Body> = respond(200, "application/octet-stream", layer);
            Answer::done(response)
        }
        _ => {
            let fault = Fault::new(403, "AccessDenied", "Request has expired");
            let response = respond(403, "text/plain", fault.message.clone());
            Answer::failed(response, fault)
        }
    }
    .of("DownloadLayer")
}
