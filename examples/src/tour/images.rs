//! Steps that push an image of one layer to ECR, pull it, compare it and delete it.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest as sha256};
use aws_sdk_ecr::Client;
use aws_sdk_ecr::primitives::Blob;
use aws_sdk_ecr::types::{ImageIdentifier, LayerAvailability};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use super::report::{Expected, Report};
use super::target::{RegistryLogin, Target};
use crate::error::ExampleError;

const NAMES: [&str; 8] = [
    "ECR: log in",
    "ECR: the layer is not there yet",
    "ECR: upload the layer and the configuration",
    "ECR: push the image",
    "ECR: pull its manifest",
    "ECR: pull its layer, byte for byte",
    "ECR: delete the image",
    "denied: ECR: a repository outside",
];

pub(crate) async fn run_all(target: &Target, report: &mut Report) {
    let Some(repository) = &target.repository else {
        NAMES.iter().for_each(|name| report.skip(name, "--repository"));
        return;
    };
    let [login, absent, upload, push, manifest, layer, delete, outside] = NAMES;
    let client = Client::new(&target.config);
    let endpoint = target.config.endpoint_url();
    let ecr = Repository { client: &client, name: repository, endpoint };
    let image = Image::new(&target.run);

    let registry = format!("{}.dkr.ecr.{}.amazonaws.com", target.account, target.region);
    let expected = format!("user AWS, for about 12 hours, registry {registry}");
    report.expect_success(login, Expected::Exactly(expected), log_in(target, &client)).await;
    let exactly = |text: &str| Expected::Exactly(text.to_owned());
    report.expect_success(absent, exactly("unavailable"), ecr.availability(&image.layer)).await;
    let uploaded = async {
        Box::pin(ecr.upload(&image.layer)).await?;
        Box::pin(ecr.upload(&image.config)).await?;
        Ok("uploaded".to_owned())
    };
    report.expect_success(upload, exactly("uploaded"), uploaded).await;
    report
        .expect_success(
            push,
            Expected::Exactly(digest(image.manifest.as_bytes())),
            ecr.push(&image),
        )
        .await;
    report.expect_success(manifest, exactly("the same manifest"), ecr.pull_manifest(&image)).await;
    report.expect_success(layer, exactly("the same bytes"), ecr.pull_layer(&image.layer)).await;
    report.expect_success(delete, exactly("deleted"), ecr.delete(&image)).await;

    let elsewhere = Repository { name: &target.outside.repository, ..ecr };
    report.expect_service_denial(outside, elsewhere.pull_manifest(&image)).await;
}

async fn log_in(target: &Target, client: &Client) -> Result<String, ExampleError> {
    let RegistryLogin { user, registry, expires_at, .. } = RegistryLogin::fetch(client).await?;
    let now = target.config.time_source().map(|source| source.now());
    let now = now.unwrap_or_else(std::time::SystemTime::now);
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "the result is rounded to hours")]
    let hours = ((expires_at as f64 - now) / 3600.0).round();
    Ok(format!("user {user}, for about {hours} hours, registry {registry}"))
}

/// The parts of an image. Its layer is a tar archive with one file, which differs for each run: ECR
/// would not accept an upload of a layer that exists.
struct Image {
    tag: String,
    layer: Vec<u8>,
    config: Vec<u8>,
    manifest: String,
}

impl Image {
    fn new(run: &str) -> Self {
        let layer = create_tar(
            "rolecall.txt",
            format!("pushed by rolecall's tour, run {run}\n").as_bytes(),
        );
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(&config),
                "size": config.len(),
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": digest(&layer),
                "size": layer.len(),
            }],
        });
        let manifest = manifest.to_string();
        Self { tag: format!("rolecall-tour-{run}"), layer, config, manifest }
    }

    fn id(&self) -> ImageIdentifier {
        ImageIdentifier::builder().image_tag(&self.tag).build()
    }
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = sha256(&SHA256, bytes).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

/// Returns a tar archive with one file, in the format ustar of POSIX.1-1988.
fn create_tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut write = |at: usize, text: &str| {
        header[at..at + text.len()].copy_from_slice(text.as_bytes());
    };
    write(0, name);
    write(100, "0000644");
    write(108, "0000000");
    write(116, "0000000");
    write(124, &format!("{:011o}", content.len()));
    write(136, "00000000000");
    // The checksum is computed with its own field filled with spaces.
    write(148, "        ");
    write(156, "0");
    write(257, "ustar");
    write(263, "00");
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}

struct Repository<'a> {
    client: &'a Client,
    name: &'a str,
    /// Endpoint of the server, if it is not AWS.
    endpoint: Option<&'a str>,
}

impl Repository<'_> {
    async fn availability(&self, blob: &[u8]) -> Result<String, ExampleError> {
        let request = self.client.batch_check_layer_availability().repository_name(self.name);
        let output = request.layer_digests(digest(blob)).send().await?;
        Ok(match output.layers().first().and_then(|layer| layer.layer_availability()) {
            Some(LayerAvailability::Available) => "available".into(),
            Some(LayerAvailability::Unavailable) => "unavailable".into(),
            _ => "unknown".into(),
        })
    }

    /// Uploads a layer in parts of the size that ECR requests. ECR treats the configuration of an
    /// image as a layer, too.
    async fn upload(&self, blob: &[u8]) -> Result<(), ExampleError> {
        let initiated =
            self.client.initiate_layer_upload().repository_name(self.name).send().await?;
        let id = initiated
            .upload_id()
            .ok_or_else(|| ExampleError::new("the response of ECR has no upload id"))?;
        let size = initiated.part_size().and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        let mut first = 0_i64;
        for part in blob.chunks(size.max(5 * 1024 * 1024)) {
            let next = first + i64::try_from(part.len()).unwrap_or(0);
            let request = self.client.upload_layer_part().repository_name(self.name).upload_id(id);
            let request = request.part_first_byte(first).part_last_byte(next - 1);
            request.layer_part_blob(Blob::new(part)).send().await?;
            first = next;
        }
        let complete = self.client.complete_layer_upload().repository_name(self.name).upload_id(id);
        complete.layer_digests(digest(blob)).send().await?;
        Ok(())
    }

    async fn push(&self, image: &Image) -> Result<String, ExampleError> {
        let request = self.client.put_image().repository_name(self.name);
        let output = request.image_manifest(&image.manifest).image_tag(&image.tag).send().await?;
        let id = output.image().and_then(|image| image.image_id());
        Ok(id.and_then(|id| id.image_digest()).unwrap_or("no digest").to_owned())
    }

    async fn pull_manifest(&self, image: &Image) -> Result<String, ExampleError> {
        let request = self.client.batch_get_image().repository_name(self.name);
        let output = request.image_ids(image.id()).send().await?;
        let manifest = output.images().first().and_then(|image| image.image_manifest());
        Ok(match manifest {
            Some(manifest) if manifest == image.manifest => "the same manifest".into(),
            Some(_) => "another manifest".into(),
            None => "no image".into(),
        })
    }

    async fn pull_layer(&self, layer: &[u8]) -> Result<String, ExampleError> {
        let request = self.client.get_download_url_for_layer().repository_name(self.name);
        let output = request.layer_digest(digest(layer)).send().await?;
        let url = output
            .download_url()
            .ok_or_else(|| ExampleError::new("the response of ECR has no download URL"))?;
        // A server that imitates ECR may return a URL of AWS. It must not be followed: the tour
        // would leave the local network, and report the result of another server.
        if let Some(endpoint) = self.endpoint.filter(|endpoint| host(endpoint) != host(url)) {
            let text = format!("the layer's URL is not followed from {endpoint} to {}", host(url));
            return Err(ExampleError::new(text));
        }
        let got = download(url, layer.len()).await?;
        Ok(if got == layer { "the same bytes".into() } else { "other bytes".into() })
    }

    async fn delete(&self, image: &Image) -> Result<String, ExampleError> {
        let request = self.client.batch_delete_image().repository_name(self.name);
        let output = request.image_ids(image.id()).send().await?;
        let failures = output.failures().iter().filter_map(|failure| failure.failure_reason());
        let failures: Vec<&str> = failures.collect();
        Ok(if failures.is_empty() { "deleted".into() } else { failures.join(", ") })
    }
}

/// Returns the host of a URL, without the port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', ':', '?']).next().unwrap_or_default()
}

/// Timeout of a download.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Downloads at most `max_length` bytes from a presigned URL.
///
/// The URL alone grants access, so no error contains it. The errors of the HTTP
/// client are dropped for this reason.
async fn download(url: &str, max_length: usize) -> Result<Vec<u8>, ExampleError> {
    let failed = |why: &str| ExampleError::new(format!("the download of the layer failed: {why}"));
    let tls = hyper_rustls::HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(|_| failed("no root certificates were found"))?
        .https_or_http()
        .enable_http1()
        .build();
    let http: Http<_, Empty<bytes::Bytes>> = Http::builder(TokioExecutor::new()).build(tls);
    let url = url.parse().map_err(|_| failed("its URL is invalid"))?;
    let get = async {
        let response = http.get(url).await.map_err(|_| failed("the connection failed"))?;
        if !response.status().is_success() {
            return Err(failed(&format!("HTTP status {}", response.status())));
        }
        let body = Limited::new(response.into_body(), max_length + 1).collect().await;
        body.map(|body| body.to_bytes().to_vec())
            .map_err(|_| failed("the response is longer than the layer or incomplete"))
    };
    let result = tokio::time::timeout(DOWNLOAD_TIMEOUT, get).await;
    result.unwrap_or_else(|_| Err(failed("the request timed out")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_two_runs_differ() {
        let (one, two) = (Image::new("1"), Image::new("2"));
        assert_ne!(digest(&one.layer), digest(&two.layer));
        assert!(one.manifest.contains(&digest(&one.layer)));
    }

    #[test]
    fn layer_is_a_valid_tar() {
        let tar = create_tar("a.txt", b"hello");
        assert_eq!(tar.len(), 512 + 512 + 1024);
        assert_eq!(&tar[257..262], b"ustar");
        assert_eq!(&tar[512..517], b"hello");
        let field = std::str::from_utf8(&tar[148..154]).unwrap();
        let sum: u32 = tar[..512].iter().map(|b| u32::from(*b)).sum();
        let checksum_field: u32 = tar[148..156].iter().map(|b| u32::from(*b)).sum();
        assert_eq!(
            u32::from_str_radix(field, 8).unwrap(),
            sum - checksum_field + 8 * u32::from(b' ')
        );
    }
}
