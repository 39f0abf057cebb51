//! The page of the console that a link opens.

use http::Uri;
use rolecall::params::shown;
use rolecall::sts::Region;

use super::federation::partition;
use crate::error::Failure;

/// Returns the URL of the page: the given URL, the page of a service, or the home page.
pub(super) fn url(destination: Option<&str>, region: &Region) -> Result<String, Failure> {
    let domain = partition(region)?.console;
    match destination {
        None => Ok(format!("https://{domain}/console/home?region={region}")),
        Some(url) if url.contains("://") => https_url("--destination", url).map(str::to_owned),
        Some(service) => {
            let is_name = |c: char| c.is_ascii_alphanumeric() || "-_/".contains(c);
            if service.is_empty() || service.starts_with('/') || !service.chars().all(is_name) {
                let message = format!("`{}` is not a valid --destination", shown(service));
                return Err(Failure::usage(message)
                    .with_hint("use an https:// URL, or the name of a service such as s3"));
            }
            Ok(format!("https://{domain}/{service}/home?region={region}"))
        }
    }
}

/// Checks the URL of a sign-in page.
pub(super) fn issuer(url: &str) -> Result<&str, Failure> {
    https_url("--issuer", url)
}

fn https_url<'a>(option: &str, url: &'a str) -> Result<&'a str, Failure> {
    let uri = url.parse::<Uri>().ok();
    let is_https = uri.as_ref().is_some_and(|uri| {
        uri.scheme_str() == Some("https") && uri.host().is_some_and(|host| !host.is_empty())
    });
    match is_https && !url.contains('@') {
        true => Ok(url),
        false => Err(Failure::usage(format!("`{}` is not a valid {option}", shown(url)))
            .with_hint("use an https:// URL without a user name")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destination_follows_partition_and_region() {
        for (region, destination, expected) in [
            ("eu-west-1", None, "https://console.aws.amazon.com/console/home?region=eu-west-1"),
            ("eu-west-1", Some("s3"), "https://console.aws.amazon.com/s3/home?region=eu-west-1"),
            ("cn-north-1", Some("ec2"), "https://console.amazonaws.cn/ec2/home?region=cn-north-1"),
            (
                "us-gov-west-1",
                None,
                "https://console.amazonaws-us-gov.com/console/home?region=us-gov-west-1",
            ),
            ("eu-west-1", Some("https://x.example.com/?a=1#b"), "https://x.example.com/?a=1#b"),
        ] {
            let region = Region::parse(region).unwrap();
            assert_eq!(url(destination, &region).unwrap(), expected);
        }
    }

    #[test]
    fn other_destinations_are_refused() {
        let region = Region::parse("eu-west-1").unwrap();
        for wrong in ["", "/s3", "s3?x", "http://x.example.com", "javascript://x", "https://a@b"] {
            assert!(matches!(url(Some(wrong), &region), Err(Failure::Usage { .. })), "{wrong}");
        }
        assert!(issuer("http://sign-in.example.com").is_err());
        assert!(issuer("https://sign-in.example.com/").is_ok());
    }
}
