//! A few requests to itself.

use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rolecall_examples::Plain;
use serde_json::Value;

use crate::service::Service;
use crate::tenant::TenantId;

/// Says each request and what came of it. An error if it is not what should have come.
pub(crate) async fn run(url: &str, service: &Service) -> Result<(), Plain> {
    let text = |body: &Value| body.to_string();
    let objects = |body: &Value| body["objects"].to_string();
    expect(201, ask("PUT", url, "/tenants/4711/objects/tea.txt", text).await?)?;
    expect(200, ask("GET", url, "/tenants/4711/objects", objects).await?)?;
    expect(200, ask("GET", url, "/tenants/4712/objects", objects).await?)?;
    expect(400, ask("GET", url, "/tenants/4712%2F..%2F4711/objects", text).await?)?;

    // What a handler's mistake would come to: the session of one tenant, and the prefix of another.
    let (mine, other): (TenantId, TenantId) = ("4712".parse()?, "4711".parse()?);
    let denied = match service.list(service.session(&mine)?, &other).await {
        Ok(_) => return Err(Plain::new("the session of one tenant reached the data of another")),
        Err(error) if error.is_denied() => error.code().unwrap_or_default().to_owned(),
        Err(error) => return Err(error),
    };
    println!("tenant 4712's session, {}: {denied}", other.prefix());

    let up = |body: &Value| format!("up: {}, {} sessions", body["up"], body["holding"]);
    expect(200, ask("GET", url, "/health", up).await?)
}

/// The status of the answer; what `shown` makes of its body is printed.
async fn ask(
    method: &str,
    url: &str,
    path: &str,
    shown: impl Fn(&Value) -> String,
) -> Result<u16, Plain> {
    let trouble = |error: &dyn std::error::Error| Plain::new(format!("{method} {path}: {error}"));
    let request = axum::http::Request::builder().method(method).uri(format!("{url}{path}"));
    let request =
        request.body(Full::<axum::body::Bytes>::from("tea")).map_err(|error| trouble(&error))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await.map_err(|error| trouble(&error))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), 1024 * 1024).collect().await;
    let body = body.map_err(|error| Plain::new(format!("{method} {path}: {error}")))?.to_bytes();
    let body = serde_json::from_slice(&body).map_err(|error| trouble(&error))?;
    println!("{method} {path} -> {} {}", status.as_u16(), shown(&body));
    Ok(status.as_u16())
}

fn expect(status: u16, got: u16) -> Result<(), Plain> {
    if got == status {
        return Ok(());
    }
    Err(Plain::new(format!("that should have been answered with {status}")))
}
