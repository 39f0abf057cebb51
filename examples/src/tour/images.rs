//! An image of one layer: pushed, read back byte for byte, and taken away.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest as hash};
use aws_sdk_ecr::Client;
use aws_sdk_ecr::primitives::Blob;
use aws_sdk_ecr::types::{ImageIdentifier, LayerAvailability};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client as Http;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use super::report::{Expected, Report};
use super::target::{Login, Target};
use crate::plain::Plain;

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
        NAMES.iter().for_each(|name| report.not_asked_for(name, "--repository"));
        return;
    };
    let [login, absent, upload, push, manifest, layer, delete, outside] = NAMES;
    let client = Client::new(&target.config);
    let endpoint = target.config.endpoint_url();
    let ecr = Repository { client: &client, name: repository, endpoint };
    let image = Image::new(&target.run);

    let registry = format!("{}.dkr.ecr.{}.amazonaws.com", target.account, target.region);
    let expected = format!("user AWS, for about 12 hours, registry {registry}");
    report.does(login, Expected::Exactly(expected), log_in(target, &client)).await;
    let exactly = |text: &str| Expected::Exactly(text.to_owned());
    report.does(absent, exactly("unavailable"), ecr.availability(&image.layer)).await;
    let uploaded = async {
        Box::pin(ecr.upload(&image.layer)).await?;
        Box::pin(ecr.upload(&image.config)).await?;
        Ok("uploaded".to_owned())
    };
    report.does(upload, exactly("uploaded"), uploaded).await;
    report.does(push, Expected::Exactly(digest(image.manifest.as_bytes())), ecr.push(&image)).await;
    report.does(manifest, exactly("the same manifest"), ecr.pull_manifest(&image)).await;
    report.does(layer, exactly("the same bytes"), ecr.pull_layer(&image.layer)).await;
    report.does(delete, exactly("deleted"), ecr.delete(&image)).await;

    let elsewhere = Repository { name: &target.outside.repository, ..ecr };
    report.is_denied(outside, elsewhere.pull_manifest(&image)).await;
}

async fn log_in(target: &Target, client: &Client) -> Result<String, Plain> {
    let Login { user, registry, expires, .. } = Login::get(client).await?;
    let now = target.config.time_source().map(|source| source.now());
    let now = now.unwrap_or_else(std::time::SystemTime::now);
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "hours, for people")]
    let hours = ((expires as f64 - now) / 3600.0).round();
    Ok(format!("user {user}, for about {hours} hours, registry {registry}"))
}

/// An image's parts. Its one layer is a tar with one file, and like no other.
struct Image {
    tag: String,
    layer: Vec<u8>,
    config: Vec<u8>,
    manifest: String,
}

impl Image {
    fn new(run: &str) -> Self {
        let layer =
            tar("rolecall.txt", format!("pushed by rolecall's tour, run {run}\n").as_bytes());
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
    let hex: String = hash(&SHA256, bytes).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{hex}")
}

/// A tar of one file. (POSIX.1-1988, ustar.)
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
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
    // The checksum counts itself as spaces.
    write(148, "        ");
    write(156, "0");
    write(257, "ustar");
    write(263, "00");
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut tar = header.to_vec();
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
    tar
}

struct Repository<'a> {
    client: &'a Client,
    name: &'a str,
    /// If it is not AWS's own.
    endpoint: Option<&'a str>,
}

impl Repository<'_> {
    async fn availability(&self, blob: &[u8]) -> Result<String, Plain> {
        let request = self.client.batch_check_layer_availability().repository_name(self.name);
        let output = request.layer_digests(digest(blob)).send().await?;
        Ok(match output.layers().first().and_then(|layer| layer.layer_availability()) {
            Some(LayerAvailability::Available) => "available".into(),
            Some(LayerAvailability::Unavailable) => "unavailable".into(),
            _ => "unknown".into(),
        })
    }

    /// Uploads a layer, or the configuration, which is one to ECR; in parts of the size that ECR asks for.
    async fn upload(&self, blob: &[u8]) -> Result<(), Plain> {
        let begun = self.client.initiate_layer_upload().repository_name(self.name).send().await?;
        let id = begun.upload_id().ok_or_else(|| Plain::new("ECR began an upload without id"))?;
        let size = begun.part_size().and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        let mut first = 0_i64;
        for part in blob.chunks(size.max(5 * 1024 * 1024)) {
            let next = first + i64::try_from(part.len()).unwrap_or(0);
            let request = self.client.upload_layer_part().repository_name(self.name).upload_id(id);
            let request = request.part_first_byte(first).part_last_byte(next - 1);
            request.layer_part_blob(Blob::new(part)).send().await?;
            first = next;
        }
        let done = self.client.complete_layer_upload().repository_name(self.name).upload_id(id);
        done.layer_digests(digest(blob)).send().await?;
        Ok(())
    }

    async fn push(&self, image: &Image) -> Result<String, Plain> {
        let request = self.client.put_image().repository_name(self.name);
        let output = request.image_manifest(&image.manifest).image_tag(&image.tag).send().await?;
        let id = output.image().and_then(|image| image.image_id());
        Ok(id.and_then(|id| id.image_digest()).unwrap_or("no digest").to_owned())
    }

    async fn pull_manifest(&self, image: &Image) -> Result<String, Plain> {
        let request = self.client.batch_get_image().repository_name(self.name);
        let output = request.image_ids(image.id()).send().await?;
        let manifest = output.images().first().and_then(|image| image.image_manifest());
        Ok(match manifest {
            Some(manifest) if manifest == image.manifest => "the same manifest".into(),
            Some(_) => "another manifest".into(),
            None => "no image".into(),
        })
    }

    async fn pull_layer(&self, layer: &[u8]) -> Result<String, Plain> {
        let request = self.client.get_download_url_for_layer().repository_name(self.name);
        let output = request.layer_digest(digest(layer)).send().await?;
        let url = output.download_url().ok_or_else(|| Plain::new("ECR sent no URL"))?;
        if let Some(endpoint) = self.endpoint.filter(|endpoint| host(endpoint) != host(url)) {
            let text =
                format!("the layer's URL leads from {endpoint} to {}: not followed", host(url));
            return Err(Plain::new(text));
        }
        let got = download(url, layer.len()).await?;
        Ok(if got == layer { "the same bytes".into() } else { "other bytes".into() })
    }

    async fn delete(&self, image: &Image) -> Result<String, Plain> {
        let request = self.client.batch_delete_image().repository_name(self.name);
        let output = request.image_ids(image.id()).send().await?;
        let failures = output.failures().iter().filter_map(|failure| failure.failure_reason());
        let failures: Vec<&str> = failures.collect();
        Ok(if failures.is_empty() { "deleted".into() } else { failures.join(", ") })
    }
}

/// The host of a URL, without its port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', ':', '?']).next().unwrap_or_default()
}

/// How long a download may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gets a presigned URL, which needs no signature and must be shown to nobody.
async fn download(url: &str, longest: usize) -> Result<Vec<u8>, Plain> {
    let failed = |why: &str| Plain::new(format!("the layer's URL cannot be read: {why}"));
    let tls = hyper_rustls::HttpsConnectorBuilder::new()
        .with_native_roots()
        .map_err(|_| failed("there are no root certificates"))?
        .https_or_http()
        .enable_http1()
        .build();
    let http: Http<_, Empty<bytes::Bytes>> = Http::builder(TokioExecutor::new()).build(tls);
    let url = url.parse().map_err(|_| failed("it is no URL"))?;
    let get = async {
        let response = http.get(url).await.map_err(|_| failed("the server cannot be reached"))?;
        if !response.status().is_success() {
            return Err(failed(&format!("HTTP status {}", response.status())));
        }
        let body = Limited::new(response.into_body(), longest + 1).collect().await;
        body.map(|body| body.to_bytes().to_vec()).map_err(|_| failed("it is longer than the layer"))
    };
    let got = tokio::time::timeout(PATIENCE, get).await;
    got.unwrap_or_else(|_| Err(failed("the server did not answer in time")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_have_two_layers() {
        let (one, two) = (Image::new("1"), Image::new("2"));
        assert_ne!(digest(&one.layer), digest(&two.layer));
        assert!(one.manifest.contains(&digest(&one.layer)));
    }

    #[test]
    fn the_layer_is_a_tar() {
        let tar = tar("a.txt", b"hello");
        assert_eq!(tar.len(), 512 + 512 + 1024);
        assert_eq!(&tar[257..262], b"ustar");
        assert_eq!(&tar[512..517], b"hello");
        let field = std::str::from_utf8(&tar[148..154]).unwrap();
        let sum: u32 = tar[..512].iter().map(|b| u32::from(*b)).sum();
        let own: u32 = tar[148..156].iter().map(|b| u32::from(*b)).sum();
        assert_eq!(u32::from_str_radix(field, 8).unwrap(), sum - own + 8 * u32::from(b' '));
    }
}
