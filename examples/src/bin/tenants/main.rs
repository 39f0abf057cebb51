//! A web service with many tenants, each with a session of its own.
//!
//! One role has access to the data of all tenants. Each request uses a session of that role whose
//! session policy allows only the data of its tenant, so that a defect in a handler cannot expose
//! the data of another tenant.
//!
//! All requests share one S3 client and its connections. Credentials are set per call; see
//! [`service`].
//!
//! - `GET /tenants/{id}/objects` lists the tenant's objects.
//! - `PUT /tenants/{id}/objects/{name}` stores an object.
//! - `GET /health` shows the state of the sessions, with the status 503 while none is available.
//!
//! `cargo run -p rolecall-examples --bin tenants -- --sandbox --port 8080` serves it on a local
//! AWS.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its terminal")]

mod service;
mod tenant;
mod try_out;

use std::net::Ipv4Addr;
use std::process::ExitCode;

use rolecall::Role;
use rolecall_examples::{Context, ExampleError};
use tokio::net::TcpListener;

use crate::service::Service;

/// Serves the objects of many tenants, each with a session limited to that tenant's prefix.
#[derive(clap::Parser)]
struct Arguments {
    /// Role with access to the data of all tenants
    #[arg(long, env = "TENANTS_ROLE_ARN")]
    role_arn: String,
    /// External id that the role's trust policy requires
    #[arg(long, env)]
    external_id: Option<String>,
    #[arg(long, env)]
    bucket: String,
    /// Serve on this port of 127.0.0.1, also with --sandbox; a free port if not given
    #[arg(long)]
    port: Option<u16>,
    /// Send a few requests to the service, print the responses and exit; the default with --sandbox
    /// and without --port
    #[arg(long, env)]
    try_out: bool,
}

fn main() -> ExitCode {
    rolecall_examples::main(run)
}

async fn run(arguments: Arguments) -> Result<(), ExampleError> {
    let Arguments { role_arn, external_id, bucket, port, try_out } = arguments;
    let mut role = Role::new(&role_arn)?;
    if let Some(id) = external_id {
        role = role.external_id(id)?;
    }
    let pool = rolecall::from_env()?.pool();
    // Every request needs the base credentials. Fetching them here reports a wrong configuration at
    // startup instead of at the first request.
    pool.chain().provider().ready().await?;

    let service = Service::new(pool, role, bucket).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0))).await;
    let listener = listener.context(format!("port {}", port.unwrap_or(0)))?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("{url}");

    if port.is_some() || !try_out {
        println!("curl -T README.md {url}/tenants/4711/objects/readme");
        println!("curl {url}/tenants/4711/objects {url}/health");
        axum::serve(listener, service.routes()).with_graceful_shutdown(shutdown_signal()).await?;
        println!("stopped");
        return Ok(());
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    // Dropping the sender stops the service, also when the requests fail.
    let stopped = async { _ = stopped.await };
    let serving = axum::serve(listener, service.routes()).with_graceful_shutdown(stopped);
    let serving = tokio::spawn(serving.into_future());
    let result = try_out::run(&url, &service).await;
    drop(stop);
    serving.await.map_err(|error| ExampleError::new(error.to_string()))??;
    result
}

/// Completes when the process receives SIGINT or SIGTERM. Requests in progress are then completed.
async fn shutdown_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    _ = tokio::signal::ctrl_c().await;
}
