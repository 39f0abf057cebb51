//! Puts, lists, gets and deletes an object with the session of a role.
#![allow(clippy::print_stdout, reason = "a program talks to its terminal")]

use std::process::ExitCode;

use aws_sdk_s3::primitives::ByteStream;
use rolecall::Role;
use rolecall_examples::{Context, ExampleError};

/// Puts an object, lists and gets it, and deletes it, with the session of a role.
#[derive(clap::Parser)]
struct Arguments {
    /// Role with access to the bucket
    #[arg(long, env)]
    role_arn: String,
    /// External id that the role's trust policy requires
    #[arg(long, env)]
    external_id: Option<String>,
    #[arg(long, env)]
    bucket: String,
    /// Prefix of the object's key
    #[arg(long, env, default_value = "")]
    prefix: String,
}

fn main() -> ExitCode {
    rolecall_examples::main(run)
}

async fn run(arguments: Arguments) -> Result<(), ExampleError> {
    let Arguments { role_arn, external_id, bucket, prefix } = arguments;
    let mut role = Role::new(&role_arn)?;
    if let Some(id) = external_id {
        role = role.external_id(id)?;
    }
    let chain = rolecall::from_env()?.assume_role(role);
    let config = chain.sdk_config().load().await;
    let s3 = aws_sdk_s3::Client::new(&config);

    let key = format!("{prefix}hello-from-rolecall.txt");
    let object = format!("object {key:?} in bucket {bucket:?}");
    let body = ByteStream::from_static(b"hello");
    s3.put_object().bucket(&bucket).key(&key).body(body).send().await.context(&object)?;
    let listed = s3.list_objects_v2().bucket(&bucket).prefix(&prefix).send().await;
    let got = s3.get_object().bucket(&bucket).key(&key).send().await;
    s3.delete_object().bucket(&bucket).key(&key).send().await.context(&object)?;

    let (listed, got) = (listed.context(format!("prefix {prefix:?}"))?, got.context(&object)?);
    println!("{} keys begin with {prefix:?}", listed.key_count().unwrap_or_default());
    println!("{key} has {} bytes", got.content_length().unwrap_or_default());
    Ok(())
}
