//! Steps that use the session: objects, secrets and images, both allowed and denied.

use aws_sdk_s3::primitives::ByteStream;

use super::images;
use super::report::{Expected, Report};
use super::target::{Secret, Target};
use crate::error::ExampleError;

pub(crate) async fn run_all(target: &Target, report: &mut Report) {
    objects(target, report).await;
    secrets(target, report).await;
    // Boxed, since the SDK's futures are large and would enlarge that of the whole tour.
    Box::pin(images::run_all(target, report)).await;
}

fn exactly(text: impl Into<String>) -> Expected {
    Expected::Exactly(text.into())
}

async fn objects(target: &Target, report: &mut Report) {
    const NAMES: [&str; 7] = [
        "S3: put an object under the prefix",
        "S3: list it by prefix",
        "S3: get it, byte for byte",
        "S3: delete it",
        "denied: S3: put an object outside the prefix",
        "denied: S3: list another prefix",
        "denied: S3: list with the session of the hop before",
    ];
    let (bucket, prefix) = match (&target.bucket, &target.prefix) {
        (Some(bucket), Some(prefix)) => (bucket.as_str(), prefix.as_str()),
        (bucket, _) => {
            let missing = if bucket.is_none() { "--bucket" } else { "--prefix" };
            NAMES.iter().for_each(|name| report.skip(name, missing));
            return;
        }
    };
    let [put_name, list_name, get_name, delete_name, outside_name, other_name, before_name] = NAMES;
    let s3 = aws_sdk_s3::Client::new(&target.config);
    let folder = format!("{prefix}rolecall-tour-{}/", target.run);
    let key = format!("{folder}order 1+2.txt");
    let body = "one order of tea, two of coffee\n".repeat(100);

    report.expect_success(put_name, exactly("put"), put(&s3, bucket, &key, &body)).await;
    report.expect_success(list_name, exactly(&key), list(&s3, bucket, &folder)).await;
    let got = async {
        let output = Box::pin(s3.get_object().bucket(bucket).key(&key).send()).await?;
        let bytes =
            output.body.collect().await.map_err(|error| ExampleError::new(error.to_string()))?;
        let same = bytes.into_bytes() == body.as_bytes();
        Ok(if same { "the same bytes".to_owned() } else { "other bytes".to_owned() })
    };
    report.expect_success(get_name, exactly("the same bytes"), got).await;
    let deleted = async {
        delete(&s3, bucket, &key).await?;
        list(&s3, bucket, &folder).await
    };
    report.expect_success(delete_name, exactly("no keys"), deleted).await;

    let outside = format!("{}rolecall-tour-{}", target.outside.prefix, target.run);
    let put_outside = async {
        let result = put(&s3, bucket, &outside, &body).await?;
        // The policy failed to deny the call, so the object exists now and must be removed.
        delete(&s3, bucket, &outside).await?;
        Ok(result)
    };
    report.expect_service_denial(outside_name, put_outside).await;
    report.expect_service_denial(other_name, list(&s3, bucket, &target.outside.prefix)).await;
    match &target.before {
        None => report.skip(before_name, "--role-arn"),
        Some(config) => {
            let before = aws_sdk_s3::Client::new(config);
            report.expect_service_denial(before_name, list(&before, bucket, prefix)).await;
        }
    }
}

async fn put(
    s3: &aws_sdk_s3::Client,
    bucket: &str,
    key: &str,
    body: &str,
) -> Result<String, ExampleError> {
    let body = ByteStream::from(body.as_bytes().to_vec());
    Box::pin(s3.put_object().bucket(bucket).key(key).body(body).send()).await?;
    Ok("put".into())
}

async fn delete(s3: &aws_sdk_s3::Client, bucket: &str, key: &str) -> Result<(), ExampleError> {
    Box::pin(s3.delete_object().bucket(bucket).key(key).send()).await?;
    Ok(())
}

async fn list(s3: &aws_sdk_s3::Client, bucket: &str, prefix: &str) -> Result<String, ExampleError> {
    let output = Box::pin(s3.list_objects_v2().bucket(bucket).prefix(prefix).send()).await?;
    let keys: Vec<&str> = output.contents().iter().filter_map(|object| object.key()).collect();
    Ok(if keys.is_empty() { "no keys".into() } else { keys.join(", ") })
}

async fn secrets(target: &Target, report: &mut Report) {
    let denied_name = "denied: Secrets Manager: a secret outside the prefixes";
    if target.secrets.is_empty() {
        for name in ["Secrets Manager: describe a secret", "Secrets Manager: read it", denied_name]
        {
            report.skip(name, "--secret-id");
        }
        return;
    }
    let client = aws_sdk_secretsmanager::Client::new(&target.config);
    for Secret { id, value } in &target.secrets {
        let described = async {
            let output = client.describe_secret().secret_id(id).send().await?;
            Ok(output.name().unwrap_or("a secret without a name").to_owned())
        };
        let expected = match value {
            Some(_) => exactly(id),
            None => Expected::Any("its name"),
        };
        report
            .expect_success(&format!("Secrets Manager: describe {id}"), expected, described)
            .await;
        let read = async {
            let output = client.get_secret_value().secret_id(id).send().await?;
            let got = output.secret_string().map(str::as_bytes);
            let got = got.or_else(|| output.secret_binary().map(AsRef::as_ref)).unwrap_or_default();
            // The value is a secret and must not appear in the report.
            let verdict = match value {
                Some(value) if got == value.as_bytes() => "the right value".to_owned(),
                Some(_) => "another value".to_owned(),
                None => format!("a value of {} bytes", got.len()),
            };
            Ok(verdict)
        };
        let expected = match value {
            Some(_) => exactly("the right value"),
            None => Expected::Any("a value"),
        };
        report.expect_success(&format!("Secrets Manager: read {id}"), expected, read).await;
    }
    let outside = async {
        client.get_secret_value().secret_id(&target.outside.secret).send().await?;
        Ok("a value".to_owned())
    };
    report.expect_service_denial(denied_name, outside).await;
}
