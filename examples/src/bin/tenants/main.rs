//! The shape of a web service of many tenants. One role may use all tenants' data; the session of each request is
//! narrowed to the data of its tenant, so that a mistake in a handler cannot reach another's.
//!
//! - `GET /tenants/{id}/objects`: the tenant's objects.
//! - `PUT /tenants/{id}/objects/{name}`: one more.
//! - `GET /health`: how the sessions stand; 503 while there are none to be had.
//!
//! `cargo run -p rolecall-examples --bin tenants -- --sandbox --port 8080` serves it on a local AWS.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its terminal")]

mod service;
mod tenant;
mod try_out;

use std::net::Ipv4Addr;
use std::process::ExitCode;

use rolecall::Role;
use rolecall_examples::{About, Plain};
use tokio::net::TcpListener;

use crate::service::Service;

/// Serves the objects of many tenants, each with a session narrowed to that tenant's prefix.
#[derive(clap::Parser)]
struct Arguments {
    /// The role that may use all tenants' data
    #[arg(long, env = "TENANTS_ROLE_ARN")]
    role_arn: String,
    /// The external id that the role asks for
    #[arg(long, env)]
    external_id: Option<String>,
    #[arg(long, env)]
    bucket: String,
    /// Serve on this port of 127.0.0.1, also with --sandbox; without it, on a free one
    #[arg(long)]
    port: Option<u16>,
    /// Make a few requests to itself, say what came of them, and end: what --sandbox does without a port
    #[arg(long, env)]
    try_out: bool,
}

fn main() -> ExitCode {
    rolecall_examples::main(run)
}

async fn run(arguments: Arguments) -> Result<(), Plain> {
    let Arguments { role_arn, external_id, bucket, port, try_out } = arguments;
    let mut role = Role::new(&role_arn)?;
    if let Some(id) = external_id {
        role = role.external_id(id)?;
    }
    let pool = rolecall::from_env()?.pool();
    // What every request needs: better said now than to the first who asks.
    pool.chain().cached().ready().await?;

    let service = Service::new(pool, role, bucket).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0))).await;
    let listener = listener.about(format!("port {}", port.unwrap_or(0)))?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("{url}");

    if port.is_some() || !try_out {
        println!("curl -T README.md {url}/tenants/4711/objects/readme");
        println!("curl {url}/tenants/4711/objects {url}/health");
        axum::serve(listener, service.routes()).with_graceful_shutdown(asked_to_end()).await?;
        println!("ended");
        return Ok(());
    }
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    // Dropped by whatever ends the requests, it ends the service.
    let ended = async { _ = ended.await };
    let serving = axum::serve(listener, service.routes()).with_graceful_shutdown(ended);
    let serving = tokio::spawn(serving.into_future());
    let result = try_out::run(&url, &service).await;
    drop(end);
    serving.await.map_err(|error| Plain::new(error.to_string()))??;
    result
}

/// By the terminal, or by what started it. Requests that are being answered are answered.
async fn asked_to_end() {
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
